"""Where the programs that disturb runs play: a back end of their own, with documents in it.

A ground lends places: each has a home directory, a workspace and, on AWS, a prefix of its own, as
the template was when it was stocked, and leaves nothing behind.
"""

import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from queue import SimpleQueue
from typing import Final, Literal
from unittest import mock

from graph import Orchestrator
from graph.settings import Settings
from scripts.reference import stock
from storage.keys import key
from tests.aws import Aws, make_resources, start

AT_ONCE: Final = 6
"""Places that are lent at once."""
LEASE_SECONDS: Final = 1.0
Backend = Literal["embedded", "aws"]
BACKENDS: Final[tuple[Backend, ...]] = ("embedded", "aws")


@dataclass(frozen=True)
class Place:
    """Where one conversation is played."""

    home: Path
    workspace: str
    prefix: str


@dataclass
class Ground:
    """Where the conversation is played: a back end with the documents in it."""

    folder: Path
    aws: Aws | None = None
    at_once: int = AT_ONCE
    template: Path = field(init=False)
    slots: SimpleQueue[str] = field(init=False)
    """Prefixes in the account: hints of one conversation must not reach another's worker."""

    def __post_init__(self) -> None:
        self.template = self.folder / "template"
        self.slots = SimpleQueue()
        for number in range(self.at_once):
            slot = f"slot{number}"
            if self.aws:
                clients = self.aws.clients()
                make_resources(clients, replace(self.aws.names, prefix=slot))
                clients.close()
            self.slots.put(slot)

    @property
    def name(self) -> Backend:
        """The back end's name."""
        return "aws" if self.aws else "embedded"

    def environment(
        self, place: Place, *, lease: float = LEASE_SECONDS, endpoint: str = ""
    ) -> dict[str, str]:
        """Return the variables by which a process finds it, by way of another endpoint maybe."""
        return {
            "AFFIDAVIT_HOME": str(place.home),
            "AFFIDAVIT_SIGNING_KEY": str(self.folder / "signing.key"),
            "AFFIDAVIT_MODEL": "offline",
            "AFFIDAVIT_LEASE_SECONDS": str(lease),
            "AFFIDAVIT_BACKEND": self.name,
            **(self.aws.settings() if self.aws else {}),
            "AFFIDAVIT_PREFIX": place.prefix,
            **({"AWS_ENDPOINT_URL": endpoint} if endpoint else {}),
        }

    def settings(self, place: Place) -> Settings:
        """Return the settings by which this process finds a place."""
        return Settings(
            _env_file=None,
            home=place.home,
            prefix=place.prefix,
            signing_key=self.folder / "signing.key",
            model="offline",
            backend=self.name,
            aws_account_id=self.aws.names.account if self.aws else "",
        )

    @contextmanager
    def desk(self, place: Place) -> Iterator[Orchestrator]:
        """Open a desk in this process."""
        with Orchestrator.open(place.workspace, settings=self.settings(place)) as desk:
            yield desk

    def stock(self) -> None:
        """Add the documents, in a workspace that is copied for each point."""
        with self.desk(self._stocked) as desk:
            stock(desk)

    @property
    def _stocked(self) -> Place:
        return Place(self.template, "template", "affidavit")

    @contextmanager
    def place(self, number: int) -> Iterator[Place]:
        """Lend a place of one's own, stocked as the ground is, and leave no file of it behind."""
        slot = self.slots.get()
        place = Place(self.folder / f"{number:04d}", f"p-{number}", slot)
        place.home.mkdir()
        try:
            if self.template.exists():
                self._stock_as_template(place)
            yield place
        finally:
            if self.aws:
                self.aws.forget(slot)
            self.slots.put(slot)
            shutil.rmtree(place.home, ignore_errors=True)

    def _stock_as_template(self, place: Place) -> None:
        index = Path("cache", "index")
        template = self._stocked
        shutil.copytree(
            template.home / index / template.workspace, place.home / index / place.workspace
        )
        with self.desk(template) as source, self.desk(place) as target:
            _copy(source, target)


def _copy(source: Orchestrator, target: Orchestrator) -> None:
    """Copy what adding documents has left."""
    theirs, ours = source.resources.workspace, target.resources.workspace
    rows = [*theirs.tables.documents.query("documents")]
    for row in list(rows):
        for kind, name in (("document", row.body["id"]), ("version", row.body["sha256"])):
            rows += theirs.tables.documents.query(key(kind, str(name)))
    ours.tables.documents.batch_write(rows)
    for name in ("documents", "artifacts"):
        bucket = getattr(theirs.buckets, name)
        for info in bucket.list():
            getattr(ours.buckets, name).put(info.key, bucket.get(info.key))


@contextmanager
def grounds(names: Sequence[Backend]) -> Iterator[list[Ground]]:
    """Open the back ends, each with a folder of its own, and leave nothing behind."""
    with ExitStack() as stack:
        opened = []
        for name in names:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="crash-")))
            aws = stack.enter_context(start()) if name == "aws" else None
            if aws:
                stack.enter_context(mock.patch.dict(os.environ, aws.environment()))
            opened.append(Ground(folder, aws))
        yield opened
