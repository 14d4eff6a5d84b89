"""The programs that prove by force that nothing is lost or doubled, run as their users run them.

`make test` runs samples of them; `make slow` the whole.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HELD = "nothing lost, doubled or out of order"
WHOLE = [pytest.mark.slow]


def run(script: str, *arguments: str) -> str:
    """Run a program, and return what it has printed."""
    ended = subprocess.run(
        [sys.executable, f"scripts/{script}", *arguments],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert ended.returncode == 0, f"{ended.stdout[-6000:]}\n{ended.stderr[-3000:]}"
    return ended.stdout


@pytest.mark.parametrize(
    ("backend", "blow", "sample"),
    [
        ("embedded", "kill", ["--sample", "10"]),
        ("embedded", "fail", ["--sample", "5"]),
        ("aws", "kill", ["--sample", "3"]),
        ("aws", "fail", ["--sample", "2"]),
        pytest.param("embedded", "kill", [], marks=WHOLE),
        pytest.param("embedded", "fail", [], marks=WHOLE),
        pytest.param("aws", "kill", [], marks=WHOLE),
        pytest.param("aws", "fail", [], marks=WHOLE),
    ],
)
def test_every_call_of_the_reference_run(backend: str, blow: str, sample: list[str]) -> None:
    said = run("crash_matrix.py", "--backend", backend, "--blow", blow, *sample)
    tried, held = said.splitlines()[-1].removeprefix("points tried ").split(", held ")
    assert tried == held
    assert int(held) >= (int(sample[1]) if sample else 500)


@pytest.mark.parametrize(
    ("backend", "runs", "threads"),
    [
        ("embedded", 30, 10),
        ("aws", 8, 4),
        pytest.param("embedded", 300, 60, marks=WHOLE),
        pytest.param("aws", 300, 60, marks=WHOLE),
    ],
)
def test_workers_that_are_killed_and_stopped(backend: str, runs: int, threads: int) -> None:
    arguments = ["--runs", str(runs), "--threads", str(threads)]
    assert HELD in run("chaos.py", "--backend", backend, *arguments)


@pytest.mark.slow  # runs under faults at random are in `tests/graph/test_faults.py`, too
@pytest.mark.parametrize(("runs", "every"), [(2, 80), (200, 1)])
def test_services_that_fail(runs: int, every: int) -> None:
    said = run("error_storm.py", "--runs", str(runs), "--every", str(every))
    assert said.count(HELD) == 5  # four errors at every call, and all of them at random


@pytest.mark.parametrize("rounds", [1, pytest.param(10, marks=WHOLE)])
def test_a_killed_worker_is_followed_in_time(rounds: int) -> None:
    assert run("bench_takeover.py", "--rounds", str(rounds)).count("killed to continued") == 2
