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
import random
import signal
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from multiprocessing import connection
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.console import Console
from rich.progress import track

from scripts.crash_child import Blow, Play, play
from scripts.ground import BACKENDS, Ground, Place, grounds
from scripts.reference import Trace, faults, recorded, requests_of, trace
from scripts.watched import Point, When

PATIENCE: Final = 400.0
err = Console(stderr=True)

# Children are forked from a server that has everything imported: real processes, quickly there.
_children = multiprocessing.get_context("forkserver")
_children.set_forkserver_preload(["__main__", "scripts.crash_child"])
# To start one also asks how the others are; an exit status that two threads ask for is lost.
_asking = threading.Lock()


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
        what = replace(self.playing(place), points=file, stands_still=True)
        child, code = join(what)
        if code != 0:
            sys.exit(f"The undisturbed conversation failed: exit {code}\n{said(what)}")
        self.asked = Counter(requests_of(what.log, child))
        with self.ground.desk(place) as desk:
            self.expected = trace(desk)
            if wrong := faults(desk, self.expected):
                sys.exit(f"The undisturbed conversation went wrong: {wrong}")
        rows = (line.split("\t") for line in file.read_text().splitlines())
        whens: dict[str, When] = {"before": "before", "after": "after"}
        return [Point(name, int(n), whens[when]) for when, n, name in rows]

    def playing(self, place: Place, **options: Any) -> Play:
        """Return what is played at a place; for the options see `Ground.environment`."""
        environment = self.ground.environment(place, **options)
        return Play(environment, place.workspace, place.home / "asked")

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
        what = self.playing(place)
        points = place.home / "points"
        hit = replace(what, point=point, blow=self.blow, stands_still=self.blow == "kill")
        child, code = join(replace(hit, points=points))
        with self.ground.desk(place) as desk:
            if self.blow == "fail":
                reached = code == 0 and _reached(points, point)
                wrong = [] if reached else [f"not reached: exit {code}\n{said(what)}"]
            else:
                reached = hit.hit.exists() and code == -signal.SIGKILL
                wrong = [] if reached else [f"not reached: exit {code}"]
                known = recorded(desk)
                child, code = join(what)
                if code != 0:
                    wrong.append(f"the fresh worker failed: exit {code}\n{said(what)}")
                wrong += self._asked_again(known, requests_of(what.log, child))
            return [*wrong, *faults(desk, self.expected)]


def join(what: Play) -> tuple[int, int | None]:
    """Have a process play; return its id and how it ended."""
    child: Any = _children.Process(target=play, args=(what,))
    with _asking:
        child.start()
    in_time = connection.wait([child.sentinel], PATIENCE)
    with _asking:
        if not in_time:
            child.kill()
        child.join()
        return child.pid, child.exitcode if in_time else None


def _reached(points: Path, point: Point) -> bool:
    line = f"{point.when}\t{point.n}\t{point.name}"
    return points.exists() and line in points.read_text().splitlines()


def said(what: Play) -> str:
    """Return the end of what a process has printed."""
    output = what.log.with_suffix(".out")
    return output.read_text()[-2000:] if output.exists() else ""


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
