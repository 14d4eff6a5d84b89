"""Many workers, killed and stopped at random, on many threads; then every trace is checked.

    PYTHONPATH=. python scripts/chaos.py [--backend embedded|aws] [--runs 300] [--seed 1]

Eight worker processes share 300 runs on 60 threads. At random moments one of them is killed with
SIGKILL, and another takes its place; or it is stopped with SIGSTOP until its leases have run out
and others have gone on, and then continued, so that it writes as if nothing had happened. In the
end every run has ended once, each thread's order holds, and nothing counts that an outdated worker
wrote: every checkpoint, effect and event is read (`scripts.tally`).
"""

import asyncio
import multiprocessing
import os
import random
import signal
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from graph import Orchestrator
from graph.settings import Settings
from scripts import tally
from scripts.crash_child import be_impatient, print_to
from scripts.ground import BACKENDS, Backend, Ground, Place, grounds

WORKERS: Final = 8
CONCURRENCY: Final = 3
LEASE_SECONDS: Final[dict[Backend, float]] = {"embedded": 1.5, "aws": 4.0}
ENDS_A_BLOW: Final = 2
"""Runs that end from one blow to the next: however slow the machine is, no run meets so many
without a step forward that it is given up."""
children = multiprocessing.get_context("forkserver")
children.set_forkserver_preload(["__main__", "scripts.chaos"])


def work(
    environment: Mapping[str, str],
    workspace: str,
    log: Path,
    *,
    concurrency: int = CONCURRENCY,
    read_seconds: float = 0.0,
) -> None:
    """Be a worker, until told to stop."""
    os.environ |= environment
    print_to(log)
    be_impatient(read_seconds)

    async def until_stopped(desk: Orchestrator) -> None:
        worker = desk.worker(concurrency=concurrency)
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, worker.stop)
        await worker.work()

    with opened(workspace) as desk:
        asyncio.run(until_stopped(desk))


@contextmanager
def opened(workspace: str, settings: Settings | None = None) -> Iterator[Orchestrator]:
    """Open a desk that knows the graph and its effect."""
    with Orchestrator.open(
        workspace,
        settings=settings,
        graphs={tally.GRAPH: tally.build()},
        tools=[tally.add_tools],
        model=tally.TallyModel(),
    ) as desk:
        yield desk


class Herd:
    """Worker processes, and what is done to them."""

    def __init__(self, ground: Ground, place: Place, chance: random.Random) -> None:
        self._ground, self._place, self._chance = ground, place, chance
        self._lease = LEASE_SECONDS[ground.name]
        self._stopped: dict[Any, float] = {}
        self.killed = self.stopped = 0
        self._at_work = [self._start() for _ in range(WORKERS)]

    def _start(self) -> Any:
        environment = self._ground.environment(self._place, lease=self._lease)
        environment["AFFIDAVIT_POLICY"] = str(self._place.home / "policy.yaml")
        args = (environment, self._place.workspace, self._place.home / "log")
        child: Any = children.Process(target=work, args=args)
        child.start()
        return child

    def wake(self) -> None:
        """Continue those that were stopped for long enough."""
        now = time.monotonic()
        for child, until in list(self._stopped.items()):
            if until < now:
                os.kill(child.pid, signal.SIGCONT)
                del self._stopped[child]

    def disturb(self) -> None:
        """Kill or stop a worker."""
        child = self._chance.choice([c for c in self._at_work if c not in self._stopped])
        if self._chance.random() < 0.5:
            child.kill()
            child.join()
            self._at_work[self._at_work.index(child)] = self._start()
            self.killed += 1
        elif len(self._stopped) < WORKERS // 2:
            os.kill(child.pid, signal.SIGSTOP)
            self._stopped[child] = time.monotonic() + self._lease * self._chance.uniform(1.2, 2.0)
            self.stopped += 1

    def end(self) -> None:
        """Let all of them end in good order, those that were stopped too."""
        for child in self._stopped:
            os.kill(child.pid, signal.SIGCONT)
        time.sleep(self._lease)  # whatever they still write, they have written
        for child in self._at_work:
            with suppress(ProcessLookupError):
                os.kill(child.pid, signal.SIGTERM)
        for child in self._at_work:
            child.join(tally.PATIENCE)


def disturbed(ground: Ground, runs: int, threads: int, seed: int) -> tuple[list[str], str]:
    """Have runs driven by workers that are disturbed; return what is wrong, and what was done."""
    with ground.place(0) as place:
        (place.home / "policy.yaml").write_text(tally.POLICY)
        with opened(place.workspace, ground.settings(place)) as desk:
            entered = tally.enter(desk, threads, runs)
            since, spared = time.monotonic(), runs
            chance = random.Random(seed)
            herd = Herd(ground, place, chance)
            try:
                for left in tally.counted_down(desk, entered):
                    print(
                        f"\r{ground.name}: {left} runs left ", end="", file=sys.stderr, flush=True
                    )
                    time.sleep(chance.uniform(0.05, 0.25))
                    herd.wake()
                    if left <= spared:
                        herd.disturb()
                        spared = left - ENDS_A_BLOW
            finally:
                herd.end()
            wrong = [*tally.wrong(desk, entered)]
        seconds = time.monotonic() - since
        done = f"{herd.killed} kills, {herd.stopped} stops, {seconds:.0f} s"
        if wrong:
            wrong.append((place.home / "log").read_text()[-4000:])
        return wrong, done


def main(
    backend: Annotated[list[str], typer.Option(help="embedded or aws; both by default.")] = [],  # noqa: B006
    runs: Annotated[int, typer.Option(min=1)] = 300,
    threads: Annotated[int, typer.Option(min=1)] = 60,
    seed: Annotated[int, typer.Option(help="What happens when.")] = 1,
) -> None:
    """Kill and stop workers at random, and see that nothing is lost, doubled or out of order."""
    names: list[Backend] = [each for each in BACKENDS if each in backend or not backend]
    failed = False
    with grounds(names) as opened_grounds:
        for ground in opened_grounds:
            wrong, done = disturbed(ground, runs, threads, seed)
            failed = failed or bool(wrong)
            print(f"\r{ground.name}: {runs} runs on {threads} threads, {WORKERS} workers, {done}")
            print(*wrong, sep="\n") if wrong else print("  nothing lost, doubled or out of order")
    raise typer.Exit(failed)


if __name__ == "__main__":
    typer.run(main)
