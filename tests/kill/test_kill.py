"""Killed inside a node, a run is finished by whoever comes next, as if nothing had happened.

`ask` and a worker are killed with SIGKILL inside every node. Then `resume`, or another worker, goes
on: the answer is that of an undisturbed run, and no document, deliverable, effect or event is
doubled or missing. Kills around every storage and model call are in `test_by_force.py`.
"""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from graph import Orchestrator
from storage.records import Answer, Run
from tests.aws import Aws
from tests.children import children
from tests.graph.conftest import LEASE, SUPPLY
from tests.kill.armed import Moment, run_cli

QUESTION = "On what notice may the Tenant terminate the lease early?"
MEMO = "Write a memo on the notice for early termination of the lease and publish it."
STATUS = "List the objects in the bucket deliverables"
PATIENCE = 60.0


@dataclass
class Home:
    """A home directory, the key beside it, an account if there is one, and the command line."""

    path: Path
    aws: Aws | None = None

    @property
    def environment(self) -> dict[str, str]:
        return {
            "AFFIDAVIT_HOME": f"{self.path}/home",
            "AFFIDAVIT_SIGNING_KEY": f"{self.path}/keys/signing.key",
            "AFFIDAVIT_MODEL": "offline",
            "AFFIDAVIT_LEASE_SECONDS": "1",
            **(self.aws.settings() if self.aws else {}),
        }

    @property
    def log(self) -> str:
        return f"{self.path}/log"

    def start(self, *argv: str, moment: Moment | None = None) -> Any:
        environment = {**os.environ, **self.environment}
        given = (list(argv), environment, moment or Moment(), self.log)
        child = children.Process(target=run_cli, args=given)
        child.start()
        return child

    def run(self, *argv: str, moment: Moment | None = None) -> int:
        """Run a command to its end; the exit code is negative if a signal ended it."""
        child = self.start(*argv, moment=moment)
        child.join(PATIENCE)
        if child.is_alive():
            child.kill()
            pytest.fail(f"{argv} did not end:\n{Path(self.log).read_text()}")
        assert child.exitcode is not None
        return int(child.exitcode)

    @contextmanager
    def desk(self) -> Iterator[Orchestrator]:
        with mock.patch.dict(os.environ, self.environment), Orchestrator.open() as desk:
            yield desk

    def stock(self) -> "Home":
        with self.desk() as desk:
            desk.documents.add(LEASE.encode(), name="lease.txt")
            desk.documents.add(SUPPLY.encode(), name="supply.txt")
            desk.documents.index()
        return self

    def newest(self) -> Run:
        with self.desk() as desk:
            return desk.runs.get(desk.runs.list(limit=1)[0]["run_id"])

    def approve(self) -> None:
        run = self.newest()
        with self.desk() as desk:
            desk.runs.resume(run.id, {run.interrupts[0].id: {"type": "approve"}})

    def finish(self) -> Run:
        """Go on with the newest run until it has ended, approving what it asks."""
        for _ in range(4):
            run = self.newest()
            if run.ended:
                return run
            if run.status == "interrupted":
                self.approve()
            self.run("resume", run.id)
        pytest.fail(f"the run did not end: {self.newest()}\n{Path(self.log).read_text()}")


@dataclass(frozen=True)
class Trace:
    """What can be compared of a run: its answer, the nodes that worked, what was published."""

    answer: Answer | None
    nodes: tuple[str, ...]
    published: tuple[tuple[str, int], ...]
    effects: int


def trace(home: Home, run: Run) -> Trace:
    """Read a run back, checking that nothing of it is doubled, missing or altered."""
    with home.desk() as desk:
        assert desk.audit.verify(run.id).ok
        events = [linked.event for linked in desk.runs.events(run.id)]
        assert len(desk.documents.list()) == 2
        published = tuple((o.name, o.version) for o in desk.resources.objects.all())
    kinds = [event.kind for event in events]
    assert [event.seq for event in events] == list(range(len(events)))
    assert kinds.count("submitted") == kinds.count("ended") == 1
    attempts = [(e.kind, e.node, e.task, e.epoch) for e in events if e.kind == "finished"]
    assert len(set(attempts)) == len(attempts)
    finished = {e.task: e.node for e in events if e.kind == "finished"}
    started = {e.task: e.node for e in events if e.kind == "started"}
    assert finished.keys() == started.keys()
    assert run.status == "success"
    return Trace(run.answer, tuple(finished.values()), published, kinds.count("effect"))


@pytest.fixture(params=["embedded", "aws"])
def home(request: pytest.FixtureRequest, tmp_path: Path) -> Home:
    """A home with two documents, on each back end."""
    aws = request.getfixturevalue("aws") if request.param == "aws" else None
    return Home(tmp_path, aws).stock()


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Trace]:
    """For each question: the trace of a run that nothing disturbs.

    What is killed on AWS, too, has to end as it does here, on the embedded back end.
    """
    found = {}
    for question in (QUESTION, MEMO, STATUS):
        folder = tmp_path_factory.mktemp("undisturbed")
        home = Home(folder).stock()
        home.run("ask", question)
        found[question] = trace(home, home.finish())
    return found


EVERY_NODE = [
    *((QUESTION, node) for node in ("supervisor", "librarian", "act", "analyst", "reviewer")),
    (MEMO, "writer"),
    (STATUS, "custodian"),
]


@pytest.mark.parametrize(("question", "node"), EVERY_NODE)
def test_ask_is_killed_inside_a_node(
    home: Home, undisturbed: dict[str, Trace], question: str, node: str
) -> None:
    assert home.run("ask", question, moment=Moment(node=node)) == -signal.SIGKILL
    assert trace(home, home.finish()) == undisturbed[question]


@pytest.mark.parametrize("node", ["act", "writer", "supervisor"])
def test_resume_is_killed_while_it_publishes(
    home: Home, undisturbed: dict[str, Trace], node: str
) -> None:
    home.run("ask", MEMO)
    home.approve()
    killed = home.run("resume", home.newest().id, moment=Moment(node=node))
    assert killed == -signal.SIGKILL
    done = trace(home, home.finish())
    assert done == undisturbed[MEMO]
    assert done.effects == 1


@pytest.mark.parametrize(("question", "node"), EVERY_NODE)
def test_a_worker_is_killed_inside_a_node(
    home: Home, undisturbed: dict[str, Trace], question: str, node: str
) -> None:
    killed_and_taken_over(home, question, Moment(node=node), undisturbed[question])


def killed_and_taken_over(home: Home, question: str, moment: Moment, expected: Trace) -> None:
    """Kill a worker; another finishes what it had begun."""
    with home.desk() as desk:
        run_id = desk.runs.submit(question).id
    assert home.run("worker", moment=moment) == -signal.SIGKILL

    other = home.start("worker")
    try:
        deadline = time.monotonic() + PATIENCE
        while not (run := home.newest()).ended:
            assert time.monotonic() < deadline, Path(home.log).read_text()
            if run.status == "interrupted":
                home.approve()
            time.sleep(0.1)
    finally:
        os.kill(other.pid, signal.SIGTERM)
        other.join(PATIENCE)
    assert other.exitcode == 0
    assert run.id == run_id
    assert replace(trace(home, run), answer=run.answer) == expected
