"""The steps that tests of runs are made of: what people ask for, and what a worker does."""

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from langgraph.checkpoint.base import create_checkpoint, empty_checkpoint

from storage.claims import claim
from storage.fence import FencedSaver
from storage.keys import key
from storage.leases import Ownership
from storage.ports import Table
from storage.records import Identity, Interrupt, Run, RunStatus
from storage.run_layout import DUE, QUEUED
from storage.runs import RunStore
from storage.submission import Strategy, submit
from storage.workspace import Workspace


class Clock:
    """The time of day, and whatever is added to it."""

    def __init__(self) -> None:
        self._time = time.time
        self.ahead = 0.0

    def __call__(self) -> float:
        return self._time() + self.ahead


def enter(
    runs: RunStore,
    by: Identity,
    run_id: str = "r-1",
    *,
    thread: str = "t-1",
    strategy: Strategy = "reject",
    due_in: float = 0.0,
    **fields: Any,
) -> Run:
    asked = {"question": "What is due?", "status": "pending", **fields}
    run = Run(id=run_id, thread_id=thread, **asked)
    return submit(runs, run, by, strategy=strategy, due_in=due_in)


def take(
    runs: RunStore, run_id: str = "r-1", *, seconds: float = 60.0, **versions: str
) -> Ownership:
    """Claim a run; with a lease of no seconds, as a worker that is killed at once."""
    owner = threading.current_thread().name
    return claim(runs, run_id, owner=owner, seconds=seconds, versions=lambda _: versions)


def end(owned: Ownership, status: RunStatus = "success", **fields: Any) -> None:
    asyncio.run(owned.end(status, **fields))


def ask(owned: Ownership, *interrupts: Interrupt) -> bool:
    return asyncio.run(owned.wait_for_person(interrupts))


def give_back(owned: Ownership, *, error: str = "", after: float = 0.0) -> None:
    asyncio.run(owned.give_back(after=after, error=error))


def checkpoint(workspace: Workspace, owned: Ownership) -> str:
    """Store a checkpoint as the owner of a run, outdated or not; return its id."""
    saver = FencedSaver(
        workspace.tables.checkpoints,
        workspace.buckets.state,
        epoch=owned.run.epoch,
        fences=owned.fences,
    )
    made = create_checkpoint(empty_checkpoint(), None, 1)
    place: Any = {"configurable": {"thread_id": owned.run.thread_id, "checkpoint_ns": ""}}
    saver.put(place, made, {"step": 1}, {})
    return made["id"]


def latest(workspace: Workspace, thread: str = "t-1") -> str:
    """Return the checkpoint from which a thread goes on; empty: it has none."""
    reader = FencedSaver(workspace.tables.checkpoints, workspace.buckets.state)
    place: Any = {"configurable": {"thread_id": thread, "checkpoint_ns": ""}}
    found = reader.get_tuple(place)
    return found.checkpoint["id"] if found else ""


def kinds(runs: RunStore, run_id: str = "r-1") -> list[str]:
    """Return what a run's chain tells of."""
    return [linked.event.kind for linked in runs.audit.read(run_id)]


def due(runs: RunStore, seconds: float = 0.0) -> list[str]:
    """Return the runs that are due so many seconds from now."""
    return list(runs.due(time.time() + seconds))


def due_entries(table: Table) -> list[tuple[int, str]]:
    """Return all entries of the due-time index: when, in milliseconds, and which run."""
    rows = table.query(DUE)
    return [(int(row.sk.partition("/")[0]), str(row.body["run_id"])) for row in rows]


def queue(runs: RunStore, thread: str = "t-1") -> list[str]:
    """Return the runs that wait for a thread, in their order."""
    rows = runs.table.query(key("thread", thread), prefix=QUEUED)
    return [str(row.body["run_id"]) for row in rows]


def together(*works: Callable[[], Any]) -> list[Any]:
    """Do things at once, each in a thread of its own; return what each returned or raised."""
    start = threading.Barrier(len(works))

    def one(work: Callable[[], Any]) -> Any:
        start.wait()
        try:
            return work()
        except Exception as error:  # noqa: BLE001 - it is what the test looks at
            return error

    with ThreadPoolExecutor(len(works)) as pool:
        return list(pool.map(one, works))
