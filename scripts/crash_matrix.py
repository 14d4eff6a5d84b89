"""Kills a worker just before and just after every storage and model call of the reference run.

    PYTHONPATH=. python scripts/crash_matrix.py                     every point, on both back ends
    PYTHONPATH=. python scripts/crash_matrix.py --sample 40         forty points, chosen by a seed
    PYTHONPATH=. python scripts/crash_matrix.py --blow fail         errors instead of kills
    PYTHONPATH=. python scripts/crash_matrix.py --list              the points, by call and key

The reference conversation (`scripts.reference`: a question, a review with one objection, an
approval, a published deliverable, a metadata write with its approval, feedback) is played once and
its calls written down, each by what it does and to which key. Then, for every one, a process is
killed with SIGKILL just before it, and another just after it; a fresh process finishes, and the
record is compared with that of the undisturbed conversation: the same answers, each effect once,
each approval asked once, no recorded answer of the model asked for again, the chain valid. A point
that is not reached counts as failed. With `--blow fail` the call fails instead, before or after it
was done, and the same process goes on.
"""

import multiprocessing
import os
import random
import shutil
import signal
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from queue import SimpleQueue
from typing import Annotated, Any, Final, Literal
from unittest import mock

import typer
from rich.console import Console
from rich.progress import track

from graph import Orchestrator
from graph.settings import Settings
from scripts.crash_child import Blow, Play, play
from scripts.reference import Trace, faults, recorded, requests_of, stock, trace
from scripts.watched import Point, When
from storage.keys import key
from tests.aws import Aws, make_resources, start

AT_ONCE: Final = 10
PATIENCE: Final = 180.0
LEASE_SECONDS: Final = 1.0
Backend = Literal["embedded", "aws"]
BACKENDS: Final[tuple[Backend, ...]] = ("embedded", "aws")
err = Console(stderr=True)

# Children are forked from a server that has everything imported: real processes, quickly there.
_children = multiprocessing.get_context("forkserver")
_children.set_forkserver_preload(["scripts.crash_child"])


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

    def environment(self, place: Place) -> dict[str, str]:
        """Return the variables by which a process finds it."""
        return {
            "AFFIDAVIT_HOME": str(place.home),
            "AFFIDAVIT_SIGNING_KEY": str(self.folder / "signing.key"),
            "AFFIDAVIT_MODEL": "offline",
            "AFFIDAVIT_LEASE_SECONDS": str(LEASE_SECONDS),
            "AFFIDAVIT_BACKEND": self.name,
            **(self.aws.settings() if self.aws else {}),
            "AFFIDAVIT_PREFIX": place.prefix,
        }

    @contextmanager
    def desk(self, place: Place) -> Iterator[Orchestrator]:
        """Open a desk in this process."""
        settings = Settings(
            _env_file=None,
            home=place.home,
            prefix=place.prefix,
            signing_key=self.folder / "signing.key",
            model="offline",
            backend=self.name,
            aws_account_id=self.aws.names.account if self.aws else "",
        )
        with Orchestrator.open(place.workspace, settings=settings) as desk:
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
        """Lend a place of one's own, as the template is, and leave no file of it behind."""
        home = self.folder / f"{number:04d}"
        slot = self.slots.get()
        try:
            if self.aws is None:
                shutil.copytree(self.template, home)
                yield Place(home, "template", slot)
            else:
                place = Place(home, f"p-{number}", slot)
                index = Path("cache", "index")
                shutil.copytree(self.template / index / "template", home / index / place.workspace)
                with self.desk(self._stocked) as source, self.desk(place) as target:
                    _copy(source, target)
                yield place
        finally:
            self.slots.put(slot)
            shutil.rmtree(home, ignore_errors=True)


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


@dataclass(frozen=True)
class Tried:
    """What came of a point; nothing wrong: it held."""

    point: Point
    wrong: tuple[str, ...] = ()


@dataclass
class Matrix:
    """The points of one back end, and what each has to come to."""

    ground: Ground
    blow: Blow = "kill"
    expected: Trace = field(init=False)
    points: list[Point] = field(init=False)
    asked: Counter[str] = field(init=False)
    """How often each request is made of the model, undisturbed."""

    def enumerate(self) -> None:
        """Play the conversation undisturbed, twice, and write down its calls.

        Raises:
            SystemExit: the two differ, so that a point could be missed.
        """
        self.ground.stock()
        self.asked = Counter()
        lists = [self._play_whole(number) for number in (9998, 9999)]
        if odd := set(lists[0]) ^ set(lists[1]):
            sys.exit(f"Not every conversation has these points: {sorted(map(str, odd))}")
        self.points = lists[0]

    def _play_whole(self, number: int) -> list[Point]:
        with self.ground.place(number) as place:
            return self._played_whole(place)

    def _played_whole(self, place: Place) -> list[Point]:
        file = place.home / "points"
        what = replace(self._play(place), points=file, stands_still=True)
        child, code = _join(what)
        if code != 0:
            sys.exit(f"The undisturbed conversation failed: exit {code}\n{_said(what)}")
        self.asked = Counter(requests_of(what.log, child))
        with self.ground.desk(place) as desk:
            self.expected = trace(desk)
            if wrong := faults(desk, self.expected):
                sys.exit(f"The undisturbed conversation went wrong: {wrong}")
        rows = (line.split("\t") for line in file.read_text().splitlines())
        whens: dict[str, When] = {"before": "before", "after": "after"}
        return [Point(name, int(n), whens[when]) for when, n, name in rows]

    def _play(self, place: Place) -> Play:
        return Play(self.ground.environment(place), place.workspace, place.home / "asked")

    def _asked_again(self, known: Counter[str], later: list[str]) -> Iterator[str]:
        """Yield the requests that were made again though their answers were on record."""
        for request, count in Counter(later).items():
            if count > max(1, self.asked[request]) - known[request]:
                yield f"asked again though it was recorded: {request}"

    def attempt(self, number: int, point: Point) -> Tried:
        """Deal the blow at a point, have the conversation finished, and look at the record."""
        with self.ground.place(number) as place:
            return Tried(point, tuple(self._wrong_at(point, place)))

    def _wrong_at(self, point: Point, place: Place) -> list[str]:
        what = self._play(place)
        points = place.home / "points"
        hit = replace(what, point=point, blow=self.blow, stands_still=self.blow == "kill")
        child, code = _join(replace(hit, points=points))
        with self.ground.desk(place) as desk:
            if self.blow == "fail":
                reached = code == 0 and _reached(points, point)
                wrong = [] if reached else [f"not reached: exit {code}\n{_said(what)}"]
            else:
                wrong = [] if code == -signal.SIGKILL else [f"not reached: exit {code}"]
                known = recorded(desk)
                child, code = _join(what)
                if code != 0:
                    wrong.append(f"the fresh worker failed: exit {code}\n{_said(what)}")
                wrong += self._asked_again(known, requests_of(what.log, child))
            return [*wrong, *faults(desk, self.expected)]


def _join(what: Play) -> tuple[int, int | None]:
    """Have a process play; return its id and how it ended."""
    child: Any = _children.Process(target=play, args=(what,))
    child.start()
    child.join(PATIENCE)
    if child.is_alive():
        child.kill()
        child.join()
        return child.pid, None
    return child.pid, child.exitcode


def _reached(points: Path, point: Point) -> bool:
    line = f"{point.when}\t{point.n}\t{point.name}"
    return points.exists() and line in points.read_text().splitlines()


def _said(what: Play) -> str:
    """Return the end of what a process has printed."""
    output = what.log.with_suffix(".out")
    return output.read_text()[-2000:] if output.exists() else ""


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


def try_all(matrix: Matrix, sample: int | None, seed: int) -> Iterator[Tried]:
    """Try the points of a back end, or a sample of them, several at once."""
    points = matrix.points
    if sample is not None:
        points = random.Random(seed).sample(points, min(sample, len(points)))
    with ThreadPoolExecutor(matrix.ground.at_once) as pool:
        yield from pool.map(matrix.attempt, range(len(points)), points)


def main(
    backend: Annotated[
        list[str], typer.Option(help="embedded or aws; both if none is named.")
    ] = [],  # noqa: B006 - typer's way to say a list
    sample: Annotated[int | None, typer.Option(min=1, help="Only so many points of each.")] = None,
    seed: Annotated[int, typer.Option(help="Which points, in a sample.")] = 1,
    blow: Annotated[Blow, typer.Option(help="What happens at a point.")] = "kill",
    list_: Annotated[bool, typer.Option("--list", help="Only list the points.")] = False,
) -> None:
    """Deal a blow at every call of the reference run, and see that nothing is lost or doubled."""
    tried: list[Tried] = []
    names = [each for each in BACKENDS if each in backend or not backend]
    with grounds(names) as opened:
        for ground in opened:
            matrix = Matrix(ground, blow)
            with err.status(f"Playing the reference conversation ({ground.name}) …"):
                matrix.enumerate()
            print(f"{ground.name}: {len(matrix.points)} points of {blow}")
            if list_:
                print(*matrix.points, sep="\n")
                continue
            count = min(sample or len(matrix.points), len(matrix.points))
            every = try_all(matrix, sample, seed)
            for each in track(every, ground.name, count, console=err, transient=True):
                tried.append(each)
                if each.wrong:
                    print(f"FAILED {ground.name} {each.point}", *each.wrong, sep="\n    ")
    held = sum(not each.wrong for each in tried)
    print(f"points tried {len(tried)}, held {held}")
    raise typer.Exit(held != len(tried))


if __name__ == "__main__":
    typer.run(main)
