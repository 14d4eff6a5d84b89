"""Workers: they find what is due, drive it, share it, and give it back when they stop."""

import asyncio
import time
from typing import Any

from graph import Orchestrator
from graph.worker import Worker

from .conftest import LEASE, OpenDesk

NOTICE = "On what notice may the Tenant terminate the lease early?"


def work_until(*workers: Worker, done: Any, seconds: float = 30) -> None:
    """Run workers until something holds, then stop them."""

    async def go() -> None:
        at_work = [asyncio.create_task(worker.work()) for worker in workers]
        deadline = time.monotonic() + seconds
        while not await asyncio.to_thread(done):
            assert time.monotonic() < deadline, "it took too long"
            await asyncio.sleep(0.02)
        for worker in workers:
            worker.stop()
        await asyncio.gather(*at_work)

    asyncio.run(go())


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


def test_a_run_that_is_driven_here_is_left_alone_by_workers(desk: Orchestrator) -> None:
    run = desk.runs.submit(NOTICE, driven_here=True)
    assert run.id not in list(desk.resources.runs.due(time.time()))
    assert run.id in list(desk.resources.runs.due(time.time() + 60))
    assert desk.drive(run.id).status == "success"
