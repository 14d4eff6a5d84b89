"""Runs as they are kept, and every change of one: each is a single transaction with its event.

The lease is on the thread, and each claim of it raises the epoch. A worker that claims goes through
`storage.leases`; here is what people and programs ask for. How it all lies in the table is in
`storage.run_layout`.
"""

import time
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, Final, cast

from storage.audit import (
    AuditLog,
    Event,
    append_action,
    chain,
    digest,
    new_event,
)
from storage.errors import Busy, ConditionFailed, Conflict, InvalidInput, NotFound
from storage.fence import open_fence
from storage.keys import key
from storage.ports import Action, Put, Table, VersionIs
from storage.records import Identity, Run, RunStatus
from storage.run_layout import (
    DUE,
    RUNS,
    Decided,
    Kept,
    Lease,
    decided_of,
    interrupt_item,
    run_actions,
    to_ms,
)

_TRIES: Final = 20


class RunStore:
    """The runs of a workspace."""

    def __init__(self, table: Table, audit: AuditLog) -> None:
        self.table = table
        self.audit = audit

    # Reading.

    def get(self, run_id: str) -> Run:
        """Return a run with the interrupts that wait.

        Raises:
            NotFound: there is no such run in this workspace.
        """
        run = self.kept(run_id).run
        waiting = [d.interrupt for d in self.decided(run_id) if d.decision is None]
        return run.model_copy(update={"interrupts": [] if run.ended else waiting})

    def kept(self, run_id: str) -> Kept:
        """Return a run as it is kept.

        Raises:
            NotFound: there is no such run in this workspace.
        """
        item = self.table.get(key("run", run_id), "run")
        if item is None:
            raise NotFound(f"There is no run {run_id!r} in this workspace; `runs` lists them.")
        run = Run.model_validate(item.body["run"])
        return Kept(run, item.version, cast(int, item.body["due_at"]), cast(str, item.body["seen"]))

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

    def entries(self, *, status: RunStatus | None = None, limit: int = 100) -> list[dict[str, Any]]:
        """Return entries of runs, newest first: run_id, thread_id, status, question, created_at."""
        found = (dict(item.body) for item in self.table.query(RUNS, reverse=True))
        matching = (entry for entry in found if status in (None, entry["status"]))
        return [entry for entry, _ in zip(matching, range(limit), strict=False)]

    def of_thread(self, thread_id: str) -> Iterator[Run]:
        """Yield the runs of a thread, oldest first."""
        for item in self.table.query(key("thread", thread_id), prefix="r/"):
            yield self.get(cast(str, item.body["run_id"]))

    def ancestors(self, run: Run) -> frozenset[str]:
        """Return the runs that a run was forked from, and those that they were forked from."""
        found: set[str] = set()
        while run.forked_from and run.forked_from not in found:
            found.add(run.forked_from)
            run = self.get(run.forked_from)
        return frozenset(found)

    def due(self, now: float) -> Iterator[str]:
        """Yield the runs that someone should look at by now."""
        for item in self.table.query(DUE, between=("0", key(to_ms(now) + 1))):
            yield cast(str, item.body["run_id"])

    # Changing.

    def submit(self, run: Run, identity: Identity, *, due_in: float = 0.0) -> Run:
        """Enter a new run, due in some seconds. Entering the same run twice enters it once.

        Raises:
            Busy: the thread is at work, or waits for a person.
        """
        now = time.time()
        run = run.model_copy(
            update={
                "status": "pending",
                "created_at": now,
                "updated_at": now,
                "created_by": identity.name,
            }
        )
        lease = self.lease(run.thread_id)
        if lease.run_id not in ("", run.id):
            raise Busy(self._why_busy(lease.run_id))
        event = new_event(
            run.id,
            lease.epoch,
            "submitted",
            by=identity.name,
            identity_source=identity.source,
            graph=run.graph,
            question=digest(run.question),
            documents=run.documents,
        )
        actions = [
            append_action(chain([event], self.audit.head(run.id))),
            lease.put(run_id=run.id),
            *run_actions(run, 1, to_ms(now + due_in)),
        ]
        try:
            self.table.transact(actions)
        except ConditionFailed:
            if self.lease(run.thread_id).run_id != run.id:
                raise Busy(f"Thread {run.thread_id!r} was taken by another run.") from None
        return self.get(run.id)

    def _why_busy(self, run_id: str) -> str:
        run = self.get(run_id)
        if run.status == "interrupted":
            return (
                f"The thread waits for a person: run {run_id} asks for a decision. "
                f"Approve, reject or cancel it, or ask on another thread."
            )
        return f"The thread is busy with run {run_id}; wait for it or cancel it."

    def decide(
        self, run_id: str, decisions: Mapping[str, dict[str, Any]], identity: Identity
    ) -> Run:
        """Store decisions on interrupts, by id, and make the run due. It is not driven here.

        Raises:
            NotFound: the run has no such interrupt.
            Conflict: one is decided already, or the run is over.
        """

        def change(kept: Kept) -> tuple[list[Action], list[Event]]:
            if kept.run.ended:
                raise Conflict(f"Run {run_id} has ended: {kept.run.status}.")
            known = {d.interrupt.id: d for d in self.decided(run_id)}
            actions, events = [], []
            for interrupt_id, decision in decisions.items():
                actions.append(_decide_action(run_id, known, interrupt_id, decision, identity))
                value = known[interrupt_id].interrupt.value
                events.append(
                    new_event(
                        run_id,
                        kept.run.epoch,
                        "decision",
                        interrupt=interrupt_id,
                        decision=decision.get("type", ""),
                        content=digest(decision),
                        shown=str(value.get("binding", "")),
                        by=identity.name,
                        identity_source=identity.source,
                    )
                )
            waited = kept.run.status == "interrupted"
            status = "pending" if waited else kept.run.status
            due_at = to_ms(time.time()) if waited else kept.due_at
            return [*actions, *kept.changed(due_at=due_at, status=status)], events

        return self._change(run_id, change)

    def retry(self, run_id: str, identity: Identity) -> Run:
        """Make a run that ended in error due again, from its last checkpoint.

        Raises:
            Conflict: it did not end in error.
            Busy: the thread has another run by now.
        """

        def change(kept: Kept) -> tuple[list[Action], list[Event]]:
            if kept.run.status != "error":
                raise Conflict(f"Run {run_id} is {kept.run.status}; only an error is retried.")
            lease = self.lease(kept.run.thread_id)
            newest = list(self.of_thread(kept.run.thread_id))[-1]
            if lease.run_id or newest.id != run_id:
                raise Busy(f"Thread {kept.run.thread_id!r} has gone on with run {newest.id}.")
            event = new_event(run_id, kept.run.epoch, "retried", by=identity.name)
            again = kept.changed(
                due_at=to_ms(time.time()),
                status="pending",
                error="",
                tries=0,
                retries=kept.run.retries + 1,
            )
            return [lease.put(run_id=run_id), *again], [event]

        return self._change(run_id, change)

    def cancel(self, run_id: str, identity: Identity) -> Run:
        """End a run. Whoever is driving it is outdated from here on, and changes nothing more.

        Raises:
            Conflict: the run has ended.
        """

        def change(kept: Kept) -> tuple[list[Action], list[Event]]:
            if kept.run.ended:
                raise Conflict(f"Run {run_id} has ended: {kept.run.status}.")
            lease = self.lease(kept.run.thread_id)
            epoch = lease.epoch + 1
            event = new_event(run_id, epoch, "ended", status="cancelled", by=identity.name)
            return [
                lease.put(epoch=epoch, owner="", expires_at=0.0, run_id=""),
                open_fence(kept.run.thread_id, epoch),
                *kept.changed(due_at=0, status="cancelled", epoch=epoch),
            ], [event]

        return self._change(run_id, change, anchor=True)

    def _change(self, run_id: str, change: Any, *, anchor: bool = False) -> Run:
        """Do a change with its events in one transaction; read again if someone came between."""
        for _ in range(_TRIES):
            actions, events = change(self.kept(run_id))
            linked = chain(events, self.audit.head(run_id))
            signed = [self.audit.anchor_of(linked)] if anchor else []
            try:
                self.table.transact([append_action(linked), *actions, *signed])
            except ConditionFailed:
                continue
            for each in signed:
                self.audit.copy_anchor(each)
            return self.get(run_id)
        raise Conflict(f"Run {run_id} is changing too fast; try again.")


def new_id(kind: str) -> str:
    """Return a new id, unique and in the order of time."""
    return f"{kind}-{to_ms(time.time()):011x}{uuid.uuid4().hex[:8]}"


def _decide_action(
    run_id: str,
    known: Mapping[str, Decided],
    interrupt_id: str,
    decision: dict[str, Any],
    identity: Identity,
) -> Put:
    found = known.get(interrupt_id)
    if found is None:
        waiting = [i for i, d in known.items() if d.decision is None]
        raise NotFound(
            f"Run {run_id} has no interrupt {interrupt_id!r}; "
            + (f"these wait: {', '.join(waiting)}." if waiting else "none waits.")
        )
    if found.decision is not None and found.decided_by is not None:
        raise Conflict(
            f"Interrupt {interrupt_id} was decided already: "
            f"{found.decision.get('type')} by {found.decided_by.name}."
        )
    if not isinstance(decision.get("type"), str):
        raise InvalidInput('A decision is {"type": …}, see the allowed decisions of the interrupt.')
    decided = replace(found, decision=decision, decided_by=identity, decided_at=time.time())
    return Put(interrupt_item(run_id, decided, version=2), VersionIs(1), table="runs")
