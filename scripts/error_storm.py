"""Services that fail: each error once at every call, and then a fifth of all calls at random.

    PYTHONPATH=. python scripts/error_storm.py [--runs 200] [--seed 1]

Between the product and a moto server stands a proxy that goes wrong, below boto3's own retries: it
throttles, answers 500, resets the connection, or does what was asked and then answers too late.

1. For each of the four, the reference conversation (`scripts.reference`) is played while every
   call meets that error at its first attempt, or in several plays each a share of the calls. The
   record must be that of the undisturbed one.
2. 200 runs on 40 threads are driven by a worker while each call meets one of the four with
   probability 0.2, its repetitions too; where all of a call's repetitions fail, the run is given
   back and tried again. Every trace is checked (`scripts.tally`), and also that a run's tries were
   counted from its last new checkpoint only.
"""

import itertools
import os
import random
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import pairwise, takewhile
from threading import Lock
from typing import Annotated, Any, Final

import typer

from graph import Orchestrator
from scripts import tally
from scripts.chaos import children, opened, work
from scripts.crash_matrix import Matrix, join, said
from scripts.ground import Ground, Place, grounds
from scripts.reference import faults
from storage.checkpoint_layout import CHECKPOINTS, epoch_of, is_checkpoint, partition
from storage.fence import load_fences
from tests.faults import Fault, Faults, Request, hangs_up, passes, refuses

PROBABILITY: Final = 0.2
THREADS: Final = 40
CONCURRENCY: Final = 32
LEASE_SECONDS: Final = 15.0
READ_SECONDS: Final = 1.0
"""How long the clients wait for an answer that comes too late."""
BUSY_SECONDS: Final = 3.0
"""The same where many runs keep the server busy: an answer that is only slow is waited for."""
PLAYS: Final = {"answered too late": 4}
"""Plays among which the calls are divided. boto3 stops repeating calls when many in a row come to
nothing, and what was done and is done again comes to nothing."""
_READS: Final = ("GetItem", "Query", "BatchGetItem", "GET", "HEAD", "ReceiveMessage")


def throttles(request: Request, on: Any) -> Any:
    """Throttle a call: nothing is done."""
    code = "SlowDown" if request.operation == request.method else "ThrottlingException"
    return refuses(code, 503 if request.operation == request.method else 400)(request, on)


def answers_too_late(patience: float) -> Fault:
    """Return a fault: it is done, and answered when the client has lost its patience.

    Whoever only reads is not kept waiting: the answer is lost at once.
    """

    def fault(request: Request, on: Any) -> Any:
        on(request)
        if request.operation not in _READS:
            time.sleep(1.2 * patience)

    return fault


def errors(patience: float) -> dict[str, Fault]:
    """Return what may happen to a call of a client that waits so many seconds, by name."""
    return {
        "throttled": throttles,
        "answered too late": answers_too_late(patience),
        "500": refuses("InternalServerError", 500),
        "reset": hangs_up,
    }


class Storm:
    """Chooses what a call meets, and counts."""

    def __init__(self, seed: int = 0) -> None:
        self._chance = random.Random(seed)
        self._lock = Lock()
        self._first = itertools.count()
        self._errors = [*errors(BUSY_SECONDS).values()]
        self.calls = self.errors = 0

    def once(self, fault: Fault, every: int = 1, start: int = 0) -> Any:
        """Return a chooser by which calls meet an error at their first attempt.

        `every`: each call does, or every second one, or every third …, from the call `start` on.
        """

        def choose(request: Request) -> Fault:
            first = "attempt=1" in request.headers.get("amz-sdk-request", "attempt=1")
            hit = first and next(self._first) % every == start
            return self._counted(fault if hit else passes)

        return choose

    def at_random(self, request: Request) -> Fault:
        """Choose one of the errors for a fifth of all attempts."""
        del request
        with self._lock:
            hit = self._chance.random() < PROBABILITY
            fault = self._chance.choice(self._errors)
        return self._counted(fault if hit else passes)

    def _counted(self, fault: Fault) -> Fault:
        with self._lock:
            self.calls += 1
            self.errors += fault is not passes
        return fault


def each_once(ground: Ground, every: int) -> Iterator[tuple[str, list[str]]]:
    """Yield for each error what became of the conversation in which every call met it once."""
    matrix = Matrix(ground)
    matrix.enumerate()
    places = itertools.count()
    for name, fault in errors(READ_SECONDS).items():
        storm, wrong = Storm(), list[str]()
        plays = -(-PLAYS.get(name, 1) // every)
        for play in range(plays):
            with ground.place(next(places)) as place:
                chooser = storm.once(fault, every * plays, every * play)
                wrong += _played(matrix, ground, place, chooser)
        yield f"{name}, once at each of {storm.errors} calls of {storm.calls}", wrong


def _played(matrix: Matrix, ground: Ground, place: Place, chooser: Any) -> list[str]:
    """Play the conversation behind a proxy that goes wrong; return what is wrong afterwards."""
    with proxied(ground, chooser) as endpoint:
        playing = matrix.playing(place, endpoint=endpoint, lease=LEASE_SECONDS)
        what = replace(playing, read_seconds=READ_SECONDS)
        _, code = join(what)
    wrong = [] if code == 0 else [f"exit {code}\n{said(what)}"]
    with ground.desk(place) as desk:
        return [*wrong, *faults(desk, matrix.expected)]


@contextmanager
def proxied(ground: Ground, chooser: Any) -> Iterator[str]:
    """Stand between the product and the server; yield the endpoint to go by."""
    assert ground.aws  # noqa: S101 - errors of this kind come over a network
    with Faults(ground.aws.endpoint) as proxy:
        proxy.choose(chooser)
        yield proxy.endpoint


def at_random(ground: Ground, runs: int, seed: int) -> tuple[str, list[str]]:
    """Drive runs while a fifth of all calls fail; return what was done, and what is wrong."""
    storm = Storm(seed)
    with ground.place(99) as place:
        policy = place.home / "policy.yaml"
        policy.write_text(tally.POLICY)
        settings = ground.settings(place).model_copy(update={"policy": policy})
        with opened(place.workspace, settings) as desk:
            entered = tally.enter(desk, min(THREADS, runs), runs)
            with proxied(ground, storm.at_random) as endpoint:
                _drive(ground, place, endpoint, tally.counted_down(desk, entered))
            wrong = [*tally.wrong(desk, entered), *_wrong_tries(desk, entered)]
    done = f"{storm.errors} of {storm.calls} calls failed, {runs} runs"
    return done, wrong


def _drive(ground: Ground, place: Place, endpoint: str, left: Iterator[int]) -> None:
    """Have a worker behind the proxy drive the runs, for as long as some are left."""
    environment = ground.environment(place, lease=LEASE_SECONDS, endpoint=endpoint)
    environment["AFFIDAVIT_POLICY"] = str(place.home / "policy.yaml")
    options = {"concurrency": CONCURRENCY, "read_seconds": BUSY_SECONDS}
    args = (environment, place.workspace, place.home / "log")
    worker: Any = children.Process(target=work, args=args, kwargs=options)
    worker.start()
    for _ in takewhile(lambda _: worker.is_alive(), left):
        time.sleep(0.5)
    os.kill(worker.pid, signal.SIGTERM)
    worker.join(60)
    worker.kill()


def _wrong_tries(desk: Orchestrator, entered: Mapping[str, Sequence[str]]) -> Iterator[str]:
    """Check that tries were counted from the last new checkpoint.

    A claim after which nothing was driven, as its service failed at once, need not be one.
    """
    table = desk.resources.workspace.tables.checkpoints
    for thread, names in entered.items():
        rows = table.query(partition(thread), prefix=CHECKPOINTS)
        counted = filter(is_checkpoint, load_fences(table, thread).admit(rows))
        progress = Counter(map(epoch_of, counted))
        for name in names:
            events = [each.event for each in desk.runs.events(name, follow=False)]
            driven = {event.epoch for event in events if event.kind == "started"}
            claims = [(e.epoch, int(e.data["tries"])) for e in events if e.kind == "claimed"]
            for (epoch, tries), (_, following) in pairwise(claims):
                right = {1} if progress[epoch] else {tries + 1}
                if following not in (right if epoch in driven else right | {tries}):
                    yield f"{name}: {progress[epoch]} checkpoints, and tries {claims}"


def storms(ground: Ground, runs: int, seed: int, every: int) -> Iterator[tuple[str, list[str]]]:
    """Yield what each storm did, and what went wrong in it."""
    yield from each_once(ground, every)
    yield at_random(ground, runs, seed)


def main(
    runs: Annotated[int, typer.Option(min=1)] = 200,
    seed: Annotated[int, typer.Option(help="Which calls fail, at random.")] = 1,
    every: Annotated[int, typer.Option(min=1, help="Each n-th call meets each error once.")] = 1,
) -> None:
    """Let services fail, and see that nothing is lost, doubled or out of order."""
    failed = False
    with grounds(["aws"]) as (ground,):
        since = time.monotonic()
        for done, wrong in storms(ground, runs, seed, every):
            failed = failed or bool(wrong)
            print(f"{done}, {time.monotonic() - since:.0f} s")
            print(*wrong, sep="\n") if wrong else print("  nothing lost, doubled or out of order")
            sys.stdout.flush()
    raise typer.Exit(failed)


if __name__ == "__main__":
    typer.run(main)
