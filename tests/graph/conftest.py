"""A desk of one's own, for each test."""

import asyncio
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from graph import Orchestrator
from graph.settings import Settings
from tests.aws import ACCOUNT

LEASE = (
    'LEASE\n\nThis lease is made on 1 March 2024 between Harbor Row LLC (the "Landlord") and '
    'Quill & Post Inc. (the "Tenant").\n\n'
    "1. Term. The term of this lease is five years and begins on 1 April 2024.\n\n"
    "2. Early termination. The Tenant may terminate this lease early on ninety days' written "
    "notice to the Landlord.\n"
    "\f"
    "3. Rent. The Tenant shall pay a monthly rent of $4,200, due on the first day of a month.\n\n"
    "4. Governing law. This lease is governed by the laws of the State of Ohio.\n"
)
SUPPLY = (
    "SUPPLY AGREEMENT\n\nThis agreement is made between Tern Metals GmbH and Kestrel Works Ltd.\n\n"
    "1. Payment. Each invoice is payable within forty-five days of receipt.\n\n"
    "2. Governing law. This agreement is governed by the laws of Bavaria.\n"
)


@pytest.fixture(params=["embedded", "aws"])
def settings(request: pytest.FixtureRequest, tmp_path: Path) -> Settings:
    if request.param == "aws":
        request.getfixturevalue("aws")
    return Settings(
        backend=request.param,
        aws_account_id=ACCOUNT,
        _env_file=None,  # type: ignore[call-arg]
        home=tmp_path / "home",
        signing_key=tmp_path / "keys" / "signing.key",
        model="offline",
        lease_seconds=5,
    )


OpenDesk = Callable[..., Orchestrator]


@pytest.fixture
def open_desk(settings: Settings) -> Iterator[OpenDesk]:
    """Open desks on one home; each is closed in the end."""
    opened: list[Orchestrator] = []

    def open_one(workspace: str = "default", **options: Any) -> Orchestrator:
        opened.append(Orchestrator.open(workspace, **{"settings": settings, **options}))
        return opened[-1]

    yield open_one
    for desk in opened:
        desk.close()


@pytest.fixture
def desk(open_desk: OpenDesk) -> Orchestrator:
    return open_desk()


class Clock:
    """The clock of this process and of its event loops, which can be put forward."""

    def __init__(self) -> None:
        self._ahead = 0.0
        self._now, self._loops = time.time, asyncio.BaseEventLoop.time

    def forward(self, seconds: float) -> None:
        """Let so many seconds pass at once."""
        self._ahead += seconds

    def time(self) -> float:
        return self._now() + self._ahead

    def of_loop(self, loop: asyncio.BaseEventLoop) -> float:
        return self._loops(loop) + self._ahead


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Time passes at the word of the test: leases run out, questions expire, runs time out."""
    clock = Clock()
    monkeypatch.setattr(time, "time", clock.time)
    monkeypatch.setattr(asyncio.BaseEventLoop, "time", lambda loop: clock.of_loop(loop))
    return clock
