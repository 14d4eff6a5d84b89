"""A process that plays the reference conversation, and can be made to die or to fail at one call.

It is a worker, and the person beside it. Where a call is chosen, what else depends on the clock
(the next sweep, a flush of noted events, the renewal of the lease) comes at a fixed moment, so that
the same calls come in every process, and each can be hit.
"""

import asyncio
import os
import signal
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from copy import copy
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import graph.drive
import graph.reporter
import graph.worker
import storage.leases
import storage.trail
from graph import Orchestrator
from scripts.reference import LOOK_SECONDS, ReferenceModel, converse, working
from scripts.watched import Point, Watcher, watch
from storage.errors import Unavailable

NEVER: Final = 3600.0
_SWEPT: Final = "query runs due/0…{n}"
Blow = Literal["kill", "fail"]


@dataclass(frozen=True)
class Play:
    """Where the conversation is played, and what happens to it.

    `blow` is dealt at `point`; without a point nothing is. `points` is a file that gets the points
    there were.
    """

    environment: Mapping[str, str]
    workspace: str
    log: Path
    point: Point | None = None
    blow: Blow = "kill"
    points: Path | None = None
    stands_still: bool = False
    """What depends on the clock comes at a fixed moment."""
    read_seconds: float = 0.0
    """How long clients of AWS wait for an answer; 0: as long as they do."""

    @property
    def hit(self) -> Path:
        """A file that is there once the process has come to the point where it is killed."""
        return self.log.with_suffix(".hit")


def play(what: Play) -> None:
    """Play the conversation, or what is left of it, in this process."""
    os.environ |= what.environment
    print_to(what.log.with_suffix(".out"))
    be_impatient(what.read_seconds)
    noted: list[Point] = []
    watcher = Watcher(_hook(what, noted))
    renewal = _Renewal() if what.stands_still else None
    model = ReferenceModel(log=what.log, call=watcher.call)
    graph.worker.HINT_SECONDS = 0.2  # type: ignore[misc] # it is told to stop, and soon ends
    if renewal:
        model.waits = renewal.wait
        _stand_still(renewal)
    with Orchestrator.open(what.workspace, model=model) as desk:
        observer = Orchestrator(copy(desk.resources))
        desk.resources.workspace = watch(desk.resources.workspace, watcher)
        with working(desk) as worker:
            while renewal and not _swept(noted):  # the sweep finds nothing, and hints find all
                time.sleep(LOOK_SECONDS)
            converse(desk, observer=observer)
            while worker.driving:  # it has ended the last run, and is about to let go of it
                time.sleep(LOOK_SECONDS)
            if what.points:
                lines = [f"{p.when}\t{p.n}\t{p.name}" for p in noted]
                what.points.write_text("\n".join(lines))
            if renewal:  # the worker stands still, and cannot be stopped in good order
                os._exit(0)


def print_to(file: Path) -> None:
    """Have this process print to a file."""
    output = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(output, 1)
    os.dup2(output, 2)


def be_impatient(seconds: float) -> None:
    """Have clients of AWS wait for an answer no longer than this; 0: as long as they do."""
    if seconds:
        from storage.aws.clients import Clients

        Clients.__init__.__kwdefaults__["read_seconds"] = seconds  # type: ignore[index]


def _swept(noted: list[Point]) -> bool:
    return any(each.name == _SWEPT and each.when == "after" for each in noted)


def _hook(what: Play, noted: list[Point]) -> Callable[[Point], None]:
    def hook(point: Point) -> None:
        noted.append(point)
        if point == what.point:
            if what.blow == "kill":
                what.hit.touch()
                os.kill(os.getpid(), signal.SIGKILL)
            raise Unavailable(f"The storage failed {point}.")

    return hook


class _Renewal:
    """Renews the lease once, while the model thinks about its second draft, and never else."""

    def __init__(self) -> None:
        self._wanted, self._done = threading.Event(), threading.Event()

    def wait(self) -> None:
        """Have the lease renewed, and wait until it is."""
        self._wanted.set()
        self._done.wait(10)

    def renew(self, owned: Any) -> None:
        """Renew a lease when that is wanted."""
        self._wanted.wait()
        try:
            owned.renew()
        finally:
            self._done.set()


def _stand_still(renewal: _Renewal) -> None:
    storage.trail.SOON_SECONDS = NEVER  # type: ignore[misc]
    graph.reporter.SOON_SECONDS = NEVER  # type: ignore[misc]
    graph.worker.SWEEP_SECONDS = NEVER  # type: ignore[misc]
    graph.worker.HINT_SECONDS = NEVER  # type: ignore[misc]
    graph.worker.HEARTBEAT_SECONDS = int(NEVER)  # type: ignore[misc]
    storage.leases.DUE_MOVES_BELOW = 1.0  # type: ignore[misc] # it always moves
    # The lease is looked at once it has run out, which depends on how fast the machine is.
    storage.leases.Ownership.was_away = False  # type: ignore[assignment,method-assign]

    async def renew_once(self: graph.drive.Drive) -> None:
        while not renewal._wanted.is_set():  # noqa: ASYNC110, SLF001 - no thread is kept waiting
            await asyncio.sleep(0.005)
        if not renewal._done.is_set():  # noqa: SLF001
            with suppress(Unavailable):
                await asyncio.to_thread(renewal.renew, self._owned)
        await asyncio.sleep(NEVER)

    graph.drive.Drive._renew = renew_once  # type: ignore[method-assign] # noqa: SLF001
