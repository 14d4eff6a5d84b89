"""Runs as they are kept: reading them, and changing one in a single transaction with its event.

The lease is on the thread, and each claim of it raises the epoch. Entering runs is in
`storage.submission`, deciding what they ask in `storage.decisions`, ending them from outside in
`storage.stopping`, driving them in `storage.claims` and `storage.leases`; how it all lies in the
table is in `storage.run_layout`.
"""

import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any, Final, cast

from storage.audit import AuditLog, Event, append_action, chain
from storage.errors import ConditionFailed, Conflict, NotFound
from storage.keys import key
from storage.ports import Action
from storage.records import Run, RunStatus
from storage.run_layout import (
    DUE,
    QUEUED,
    RUNS,
    Decided,
    Kept,
    Lease,
    decided_of,
    kept_of,
    merged,
    to_ms,
)
from storage.workspace import Tables

_TRIES: Final = 20
Change = Callable[[Kept], tuple[list[Action], list[Event]]]


class RunStore:
    """The runs of a workspace."""

    def __init__(self, tables: Tables, audit: AuditLog) -> None:
        self.table = tables.runs
        self.checkpoints = tables.checkpoints
        self.audit = audit

    def get(self, run_id: str) -> Run:
        """Return a run with the interrupts that wait.

        Raises:
            NotFound: there is no such run in this workspace.
        """
        run = self.kept(run_id).run
        if run.ended:
            return run
        waiting = [d.interrupt for d in self.decided(run_id) if d.decision is None]
        return run.model_copy(update={"interrupts": waiting})

    def kept(self, run_id: str) -> Kept:
        """Return a run as it is kept.

        Raises:
            NotFound: there is no such run in this workspace.
        """
        if kept := self.find(run_id):
            return kept
        raise NotFound(f"There is no run {run_id!r} in this workspace; `runs` lists them.")

    def find(self, run_id: str) -> Kept | None:
        """Return a run as it is kept, or None."""
        item = self.table.get(key("run", run_id), "run")
        return kept_of(item) if item else None

    def decided(self, run_id: str) -> list[Decided]:
        """Return the interrupts of a run, decided or not."""
        found = self.table.query(key("run", run_id), prefix="i/")
        return [decided_of(item) for item in found]

    def lease(self, thread_id: str) -> Lease:
        """Return the lease of a thread."""
        item = self.table.get(key("thread", thread_id), "lease")
        if item is None:
            return Lease(thread_id)
        fields = cast(dict[str, Any], dict(item.body))
        return Lease(thread_id=thread_id, version=item.version, **fields)

    def entries(
        self, *, status: RunStatus | None = None, dead: bool = False, limit: int = 100
    ) -> list[dict[str, Any]]:
        """Return entries of runs, newest first.

        Each has run_id, thread_id, status, question, created_at, dead and error; with `dead`, only
        those that were given up.
        """
        found = (dict(item.body) for item in self.table.query(RUNS, reverse=True))
        matching = (
            entry
            for entry in found
            if status in (None, entry["status"]) and (entry.get("dead") or not dead)
        )
        return [entry for entry, _ in zip(matching, range(limit), strict=False)]

    def of_thread(self, thread_id: str) -> Iterator[Run]:
        """Yield the runs of a thread, oldest first."""
        for item in self.table.query(key("thread", thread_id), prefix="r/"):
            yield self.get(cast(str, item.body["run_id"]))

    def newest_of(self, thread_id: str) -> str:
        """Return the id of the run that came to a thread last; empty: there is none."""
        rows = self.table.query(key("thread", thread_id), prefix="r/", reverse=True, limit=1)
        return next((cast(str, item.body["run_id"]) for item in rows), "")

    def ancestors(self, run: Run) -> list[str]:
        """Return the runs that a run was forked from, nearest first."""
        found: list[str] = []
        while run.forked_from and run.forked_from not in found:
            found.append(run.forked_from)
            run = self.kept(run.forked_from).run
        return found

    def due(self, now: float, *, limit: int | None = None) -> Iterator[str]:
        """Yield the runs that someone should look at by now, those that are due longest first."""
        for item in self.table.query(DUE, between=("0", key(to_ms(now) + 1)), limit=limit):
            yield cast(str, item.body["run_id"])

    def change(self, run_id: str, change: Change) -> Run:
        """Do a change with its events in one transaction; read again if someone came between.

        Raises:
            Conflict: others keep coming between.
        """
        for _ in range(_TRIES):
            kept = self.kept(run_id)
            actions, events = change(kept)
            if self._commit(run_id, actions, events):
                return self.get(run_id)
        raise Conflict(f"Run {run_id} is changing too fast; try again.")

    def _commit(self, run_id: str, actions: list[Action], events: list[Event]) -> bool:
        """Append events to a run's chain together with actions; return False if one fails.

        The head is signed and kept at a run's end, and when something of its record was erased.
        """
        linked = chain(events, self.audit.head(run_id))
        ends = events[-1].kind in ("ended", "erased")
        signed = [self.audit.anchor_of(linked)] if ends else []
        try:
            self.table.transact([append_action(linked), *merged(actions), *signed])
        except ConditionFailed:
            return False
        for each in signed:
            self.audit.copy_anchor(each)
        return True

    def hand_on(self, lease: Lease, **changes: Any) -> tuple[list[Action], str]:
        """Return the actions that give a thread to the run that waits longest, and that run.

        With none waiting the thread is free. They hold only if nobody queues up or leaves the queue
        meanwhile: whoever does changes the lease or that run.
        """
        following = self._first_queued(lease.thread_id)
        first = following.run.id if following else ""
        handed = lease.free(run_id=first, **changes)
        if following:
            handed += following.changed(due_at=to_ms(time.time()))
        return handed, first

    def _first_queued(self, thread_id: str) -> Kept | None:
        """Return the run that waits longest for a thread, as it is kept while it waits."""
        for item in self.table.query(key("thread", thread_id), prefix=QUEUED):
            kept = self.kept(cast(str, item.body["run_id"]))
            if kept.queued == item.sk:  # otherwise it has left since the queue was read
                return kept
        return None


def new_id(kind: str) -> str:
    """Return a new id, unique and in the order of time."""
    return f"{kind}-{to_ms(time.time()):011x}{uuid.uuid4().hex[:8]}"
