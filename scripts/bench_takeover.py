"""From killed to continued: how long a run stands still when its worker dies.

    PYTHONPATH=. python scripts/bench_takeover.py [--rounds 10]

Of two worker processes, the one that drives a run is killed with SIGKILL in the middle of a model
call; printed is the time until the other has claimed the run. The bound is the lease plus the
interval of the sweep plus two seconds; exit 1 if a round exceeds it.
"""

import os
import random
import signal
import statistics
import time
from typing import Annotated, Any, Final

import typer

from graph import Orchestrator
from graph.worker import SWEEP_SECONDS
from scripts import tally
from scripts.chaos import children, opened, work
from scripts.ground import BACKENDS, Backend, Ground, grounds
from storage.audit import Event

LEASE_SECONDS: Final = 3.0
THINKS_SECONDS: Final = 6.0
ALLOWED_SECONDS: Final = LEASE_SECONDS + SWEEP_SECONDS + 2.0
PATIENCE: Final = 60.0


def one_round(ground: Ground, number: int, chance: random.Random) -> float:
    """Return the seconds from the kill to the next claim."""
    with ground.place(number) as place:
        (place.home / "policy.yaml").write_text(tally.POLICY)
        environment = ground.environment(place, lease=LEASE_SECONDS)
        environment["AFFIDAVIT_POLICY"] = str(place.home / "policy.yaml")
        environment[tally.SECONDS] = str(THINKS_SECONDS)
        args = (environment, place.workspace, place.home / "log")
        workers: list[Any] = [children.Process(target=work, args=args) for _ in range(2)]
        for each in workers:
            each.start()
        try:
            with opened(place.workspace, ground.settings(place)) as desk:
                run_id = desk.runs.submit("t0 t0-0", thread="t0", graph=tally.GRAPH).id
                owner = str(_claim(desk, run_id, 1).data["owner"])
                time.sleep(chance.uniform(0.2, LEASE_SECONDS))
                (driving,) = [each for each in workers if f"-{each.pid}-" in owner]
                killed = time.time()
                os.kill(driving.pid, signal.SIGKILL)
                return _claim(desk, run_id, 2).at / 1000 - killed
        finally:
            for each in workers:
                each.kill()
                each.join()


def _claim(desk: Orchestrator, run_id: str, count: int) -> Event:
    """Wait for the n-th claim of a run."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        events = (linked.event for linked in desk.runs.events(run_id, follow=False))
        claims = [event for event in events if event.kind == "claimed"]
        if len(claims) >= count:
            return claims[count - 1]
        time.sleep(0.02)
    raise TimeoutError(f"Run {run_id} was not claimed {count} times.")


def main(
    rounds: Annotated[int, typer.Option(min=1)] = 10,
    seed: Annotated[int, typer.Option(help="When workers are killed.")] = 1,
) -> None:
    """Kill workers, and print how long their runs stood still."""
    chance, late = random.Random(seed), False
    names: list[Backend] = list(BACKENDS)
    with grounds(names) as opened_grounds:
        for ground in opened_grounds:
            took = [one_round(ground, number, chance) for number in range(rounds)]
            late = late or max(took) > ALLOWED_SECONDS
            print(
                f"{ground.name}: killed to continued, {rounds} rounds: median "
                f"{statistics.median(took):.1f} s, longest {max(took):.1f} s "
                f"(lease {LEASE_SECONDS:.0f} + sweep {SWEEP_SECONDS:.0f} + 2: at most "
                f"{ALLOWED_SECONDS:.0f} s)"
            )
    raise typer.Exit(late)


if __name__ == "__main__":
    typer.run(main)
