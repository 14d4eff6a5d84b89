"""Workers: they find what is due, drive it, share it, and give it back when they stop."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from langchain_core.outputs import ChatResult
from pydantic import PrivateAttr

from graph import Orchestrator
from graph.drive import take
from graph.worker import Worker
from nodes.offline import OfflineModel
from storage.errors import NotAllowed, NotFound
from storage.keys import key

from .conftest import LEASE, OpenDesk
from .stage import work_until

NOTICE = "On what notice may the Tenant terminate the lease early?"


def test_a_worker_drives_what_was_submitted(desk: Orchestrator) -> None:
    desk.documents.add(LEASE.encode(), name="lease.txt")
    run = desk.runs.submit(NOTICE)
    assert run.status == "pending"

    work_until(desk.worker(), done=lambda: desk.runs.get(run.id).ended)

    assert desk.runs.get(run.id).status == "success"
    assert desk.runs.workers() == []


def test_a_worker_needs_no_hint(desk: Orchestrator) -> None:
    run = desk.runs.submit(NOTICE)
    for message in desk.resources.workspace.queue.receive():
        desk.resources.workspace.queue.delete(message)
    work_until(desk.worker(), done=lambda: desk.runs.get(run.id).ended)


def test_two_workers_share_the_work_and_double_nothing(open_desk: OpenDesk) -> None:
    one, other = open_desk(), open_desk()
    one.documents.add(LEASE.encode(), name="lease.txt")
    runs = [one.runs.submit(NOTICE, thread=f"t-{n}").id for n in range(12)]

    def done() -> bool:
        return all(one.runs.get(run_id).ended for run_id in runs)

    work_until(one.worker(), other.worker(), done=done)

    for run_id in runs:
        kinds = [linked.event.kind for linked in one.runs.events(run_id)]
        assert kinds.count("claimed") == kinds.count("ended") == 1
        assert one.runs.get(run_id).status == "success"
        assert one.audit.verify(run_id).ok


def test_a_worker_goes_on_after_a_decision(desk: Orchestrator) -> None:
    desk.documents.add(LEASE.encode(), name="lease.txt")
    memo = "Write a memo on the notice for early termination of the lease and publish it."
    run = desk.runs.submit(memo)
    work_until(desk.worker(), done=lambda: desk.runs.get(run.id).status == "interrupted")

    (asked,) = desk.runs.get(run.id).interrupts
    desk.runs.resume(run.id, {asked.id: {"type": "approve"}})
    work_until(desk.worker(), done=lambda: desk.runs.get(run.id).ended)

    assert desk.runs.get(run.id).status == "success"
    assert desk.audit.verify(run.id).ok


class Interrupting(OfflineModel):
    """The offline model, but something happens when it is first asked."""

    first: Callable[[], None]
    _asked: int = PrivateAttr(0)

    def _generate(self, *args: Any, **kwargs: Any) -> ChatResult:
        self._asked += 1
        if self._asked == 1:
            self.first()
        return super()._generate(*args, **kwargs)


def test_a_worker_that_stops_gives_back_what_it_drives(open_desk: OpenDesk) -> None:
    stopping: list[Worker] = []
    desk = open_desk(model=Interrupting(first=lambda: stopping[0].stop()))
    desk.documents.add(LEASE.encode(), name="lease.txt")
    run = desk.runs.submit(NOTICE)
    stopping.append(desk.worker())
    asyncio.run(stopping[0].work())

    left = desk.runs.get(run.id)
    assert (left.status, left.error) == ("pending", "")
    assert run.id in list(desk.resources.runs.due(time.time()))

    work_until(open_desk().worker(), done=lambda: desk.runs.get(run.id).ended)
    events = [linked.event for linked in desk.runs.events(run.id)]
    assert desk.runs.get(run.id).status == "success"
    assert [e.kind for e in events if e.node == ""].count("released") == 1
    assert [e.node for e in events if e.kind == "started"].count("supervisor") == 3


def test_a_run_that_is_driven_here_is_left_alone_by_workers(desk: Orchestrator) -> None:
    run = desk.runs.submit(NOTICE, driven_here=True)
    assert run.id not in list(desk.resources.runs.due(time.time()))
    assert run.id in list(desk.resources.runs.due(time.time() + 60))
    assert desk.drive(run.id).status == "success"


def forget_hints(desk: Orchestrator) -> None:
    """Lose the hints that were sent: the sweep has to find what is due."""
    queue = desk.resources.workspace.queue
    for hint in queue.receive():
        queue.delete(hint)


def test_a_look_that_fails_is_not_the_last(
    desk: Orchestrator, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A session runs out and is renewed, a table is put back: the worker goes on by itself."""
    run = desk.runs.submit(NOTICE)
    forget_hints(desk)
    expired = [NotAllowed("The session has run out.")] * 3
    wrong: list[Exception] = [*expired, NotFound("There is no table."), ValueError("No row.")]
    due = desk.resources.runs.due

    def looking(now: float, *, limit: int) -> Any:
        if wrong:
            raise wrong.pop(0)
        return due(now, limit=limit)

    monkeypatch.setattr(desk.resources.runs, "due", looking)
    work_until(desk.worker(), done=lambda: desk.runs.get(run.id).ended)
    said = [record for record in caplog.records if "could not be read" in record.message]
    assert len(said) == 3  # once for each kind


def test_nor_is_a_hint_that_cannot_be_received(
    desk: Orchestrator, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(**_: Any) -> Any:
        raise NotAllowed("The session has run out.")

    monkeypatch.setattr(desk.resources.workspace.queue, "receive", refused)
    run = desk.runs.submit(NOTICE)
    work_until(desk.worker(), done=lambda: desk.runs.get(run.id).ended)


def test_a_run_that_cannot_be_read_is_left_alone(
    desk: Orchestrator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A newer version has written it, say; it is tried once and not at every sweep."""
    run = desk.runs.submit(NOTICE)
    table = desk.resources.workspace.tables.runs
    item: Any = table.get(key("run", run.id), "run")
    newer = {**item.body, "run": {**item.body["run"], "newer": 1}}
    table.put(replace(item, body=newer))
    forget_hints(desk)
    tried: list[str] = []

    def trying(resources: Any, run_id: str, owner: str) -> Any:
        tried.append(run_id)
        return take(resources, run_id, owner)

    monkeypatch.setattr("graph.worker.take", trying)
    ours = [desk.runs.submit(NOTICE, thread=f"t-{n}") for n in range(3)]

    def done() -> bool:
        return run.id in tried and all(desk.runs.get(each.id).ended for each in ours)

    work_until(desk.worker(concurrency=1), done=done)
    assert tried.count(run.id) == 1
