"""Owning a run: the renewal of a lease, and the three ways in which an owner lets go.

                  claim                    renew … renew
    pending ────────────────▶ running ──────────────────────▶ success | error | timeout
       ▲     epoch + 1, a fence,  │  ▲
       │     an event, all in one │  └── a lease that ran out is claimed again
       │                          ▼
       └──── a decision ──── interrupted

Every step is one transaction with its event in the run's chain. A worker that lost its lease finds
a newer epoch in the chain before anything it does can count. The claim is in `storage.claims`.
"""

import asyncio
import math
import time
from collections.abc import Sequence
from typing import Any, Final

from storage.audit import Head, digest, of_error
from storage.errors import (
    ConditionFailed,
    LeaseLost,
)
from storage.fence import Fences
from storage.own_thread import OwnThread
from storage.ports import Action, Put
from storage.records import Answer, Interrupt, Run, RunStatus, Usage
from storage.run_layout import (
    Decided,
    Lease,
    check_question,
    interrupt_item,
    merged,
    to_ms,
)
from storage.runs import RunStore
from storage.trail import Trail

MOST_ASKED: Final = 50
MOST_ASKED_BYTES: Final = 2_000_000
"""How many questions, and how much of them, wait for a person at once; the others come later."""
DUE_MOVES_BELOW: Final = 0.5
"""The part of a lease that is left when a renewal also moves the run among what is due."""


class Ownership:
    """A claimed run, and the right to write for it until the lease runs out unrenewed."""

    def __init__(
        self, runs: RunStore, run: Run, owner: str, seconds: float, fences: Fences, head: Head
    ) -> None:
        self.run = run
        self.fences = fences
        self.trail = Trail(runs.audit, runs.table, run.id, run.epoch, head)
        self.thread = OwnThread("lease")
        """Where the lease is renewed, and whatever else is done about it in time."""
        self.expires_at = run.claimed_at + seconds
        """When the lease runs out unless it is renewed, in seconds since the epoch."""
        self.next_run = ""
        """The run that got the thread when this one had ended, if one waited for it."""
        self._runs = runs
        self._owner = owner
        self._seconds = seconds

    @property
    def left(self) -> float:
        """How many seconds the run may still be at work; infinite without a time-out."""
        run = self.run
        if not run.timeout:
            return math.inf
        return run.timeout - run.worked - (time.time() - run.claimed_at)

    async def close(self) -> None:
        """Write nothing more."""
        await self.trail.close()
        await self.thread.close()

    def check(self) -> None:
        """Make sure that nobody else owns the run.

        Raises:
            LeaseLost: a newer claim, or a cancellation, has raised the epoch.
        """
        self._lease()

    @property
    def was_away(self) -> bool:
        """Whether this process was away for longer than it owned the run."""
        return time.time() >= self.expires_at

    def still(self) -> None:
        """Make sure of it, if this process was away for longer than it owned the run.

        A document may have been erased since, and what is written now would outlast it.

        Raises:
            LeaseLost: a newer claim, or a cancellation, has raised the epoch.
        """
        if self.was_away:
            self.check()

    async def before_write(self) -> None:
        """Make sure that a checkpoint is this owner's to write, and what led to it on the record.

        Raises:
            LeaseLost: a newer claim, or a cancellation, has raised the epoch.
        """
        await self.still_beside()
        await self.trail.flush()

    async def still_beside(self) -> None:
        """Do as `still` does, and have nobody wait for the table where it has to be asked."""
        if self.was_away:
            await asyncio.to_thread(self.check)

    def renew(self) -> None:
        """Extend the lease from now on; what this owner has let go by now stays so.

        Raises:
            LeaseLost: a newer claim, or a cancellation, has raised the epoch.
        """
        while True:
            lease = self._lease()
            if not lease.owner:
                return
            now = time.time()
            expires_at, due_at = now + self._seconds, lease.due_at
            # Sweepers need not look before the lease runs out; moving the entry each time would
            # cost more than it spares them.
            if due_at < to_ms(now + self._seconds * DUE_MOVES_BELOW):
                due_at = to_ms(expires_at)
            renewed = lease.changed(owner=self._owner, expires_at=expires_at, due_at=due_at)
            try:
                self._runs.table.transact(renewed)
            except ConditionFailed:
                continue
            self.expires_at = expires_at
            return

    async def end(
        self,
        status: RunStatus,
        *,
        answer: Answer | None = None,
        table: str = "",
        usage: Usage | None = None,
        cost_usd: float | None = None,
        error: str = "",
        error_type: str = "",
    ) -> None:
        """End the run and give its thread to whoever waits for it.

        `table` is the hash of the table that it has made, which is kept by now.
        """
        answer = answer or self.run.answer
        changes: dict[str, Any] = {
            "status": status,
            "answer": answer,
            "table_sha256": table,
            "usage": usage or self.run.usage,
            "cost_usd": self.run.cost_usd if cost_usd is None else cost_usd,
            "error": error,
        }
        said = digest(answer.model_dump(mode="json")) if answer else ""
        told = of_error(error, error_type) | ({"table": table} if table else {})
        await self._let_go("ended", changes, frees=True, status=status, answer=said, **told)

    async def wait_for_person(
        self,
        interrupts: Sequence[Interrupt],
        *,
        answer: Answer | None = None,
        usage: Usage | None = None,
        cost_usd: float | None = None,
    ) -> bool:
        """Leave the run to a person; return False, still owning it, if one has decided by now.

        What is too much to be asked at once is asked at the next stop.

        Raises:
            TooLarge: one of the questions is too large.
        """
        # Whatever a person decides after this reading changes the version.
        version = self._runs.kept(self.run.id).version
        known = {d.interrupt.id: d for d in self._runs.decided(self.run.id)}
        if any(i.id in known and known[i.id].decision is not None for i in interrupts):
            return False
        # What was asked before expires when it was to expire then.
        asked = _at_once([known.get(each.id, Decided(each)) for each in interrupts])
        puts: list[Action] = [
            Put(interrupt_item(self.run.id, each), table="runs")
            for each in asked
            if not each.version
        ]
        expiries = [d.interrupt.expires_at for d in asked if d.interrupt.expires_at > 0]
        # A question that was put is progress: only tries that lead nowhere are counted.
        changes: dict[str, Any] = {
            "status": "interrupted",
            "answer": answer or self.run.answer,
            "tries": 0,
            "usage": usage or self.run.usage,
            "cost_usd": self.run.cost_usd if cost_usd is None else cost_usd,
            "error": "",
        }
        try:
            await self._let_go(
                "interrupted",
                changes,
                actions=puts,
                version=version,
                due=min(expiries, default=0.0),
                interrupts=[each.interrupt.id for each in asked],
            )
        except _Decided:
            return False
        return True

    async def give_back(self, *, after: float, error: str, error_type: str = "") -> None:
        """Leave the run to any worker, `after` seconds from now.

        Either a service did not answer, as `error` says, or this worker stops in good order, which
        is no try.
        """
        tries = self.run.tries if error else max(0, self.run.tries - 1)
        changes: dict[str, Any] = {"status": "pending", "error": error, "tries": tries}
        told = of_error(error, error_type)
        await self._let_go("released", changes, due=time.time() + after, **told)

    async def _let_go(
        self,
        kind: str,
        changes: dict[str, Any],
        *,
        actions: Sequence[Action] = (),
        frees: bool = False,
        due: float = 0.0,
        version: int = 0,
        **data: Any,
    ) -> None:
        while True:
            kept, lease = self._runs.kept(self.run.id), self._lease()
            if not lease.owner:
                raise LeaseLost(f"Run {self.run.id} was let go already.")
            if version and kept.version != version:
                raise _Decided
            worked = kept.run.worked + time.time() - kept.run.claimed_at
            changed = kept.changed(due_at=to_ms(due), worked=worked, claimed_at=0.0, **changes)
            handed, following = self._runs.hand_on(lease) if frees else (lease.free(), "")
            try:
                together = merged([*handed, *changed, *actions])
                await self.trail.commit(kind, together, anchor=True, last=True, **data)
            except ConditionFailed:  # a renewal or a decision came between: read again
                continue
            self.next_run = following
            return

    def _lease(self) -> Lease:
        """Return the lease at our epoch; it has no owner once we have let it go."""
        lease = self._runs.lease(self.run.thread_id)
        if lease.epoch != self.run.epoch:
            raise LeaseLost(f"Run {self.run.id} has a newer owner; this one stops.")
        return lease


class _Decided(Exception):
    """A person has decided while the owner was about to ask."""


def _at_once(questions: Sequence[Decided]) -> list[Decided]:
    """Return those of the questions that wait for a person together: first those that do already.

    They are no more than one transaction can ask, and another one decide.
    """
    asked: list[Decided] = []
    size = 0
    for each in sorted(questions, key=lambda question: not question.version):
        size += check_question(each.interrupt.model_dump(mode="json")["value"])
        if len(asked) == MOST_ASKED or (asked and size > MOST_ASKED_BYTES):
            break
        asked.append(each)
    return asked
