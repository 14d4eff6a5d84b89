"""Owning a run: the claim, its renewal, and the three ways in which an owner lets go.

                  claim                    renew … renew
    pending ────────────────▶ running ──────────────────────▶ success | error | timeout
       ▲     epoch + 1, a fence,  │  ▲
       │     an event, all in one │  └── a lease that ran out is claimed again
       │                          ▼
       └──── a decision ──── interrupted

Every step is one transaction with its event in the run's chain. The claim is the only truth about
who drives a run: of two workers one commits it, and a worker that lost its lease finds a newer
epoch in the chain before anything it does can count.
"""

import time
from collections.abc import Sequence
from typing import Any, Final

from storage.audit import Head, append_action, chain, digest, new_event
from storage.checkpoint_layout import CHECKPOINTS, id_of, partition
from storage.errors import ConditionFailed, Conflict, Leased, LeaseLost
from storage.fence import Fences, open_fence, record_fence
from storage.ports import Action, Put, Table
from storage.records import ENDED, Answer, Interrupt, Run, RunStatus, Usage
from storage.run_layout import Decided, Kept, Lease, interrupt_item, to_ms
from storage.runs import RunStore
from storage.trail import Trail

MOST_TRIES: Final = 5
"""Claims without a new checkpoint before a run is given up."""


class Ownership:
    """A claimed run, and the right to write for it until the lease runs out unrenewed."""

    def __init__(
        self, runs: RunStore, run: Run, owner: str, seconds: float, fences: Fences, head: Head
    ) -> None:
        self.run = run
        self.fences = fences
        self.trail = Trail(runs.audit, runs.table, run.id, run.epoch, head)
        self._runs = runs
        self._owner = owner
        self._seconds = seconds

    def renew(self) -> None:
        """Extend the lease from now on; what this owner has let go by now stays so.

        Raises:
            LeaseLost: a newer claim, or a cancellation, has raised the epoch.
        """
        while True:
            lease = self._lease()
            if not lease.owner:
                return
            put = lease.put(owner=self._owner, expires_at=time.time() + self._seconds)
            try:
                self._runs.table.transact([put])
            except ConditionFailed:
                continue
            return

    async def end(
        self,
        status: RunStatus,
        *,
        answer: Answer | None = None,
        usage: Usage | None = None,
        cost_usd: float = 0.0,
        error: str = "",
    ) -> None:
        """End the run and free its thread."""
        changes: dict[str, Any] = {
            "status": status,
            "answer": answer or self.run.answer,
            "usage": usage or self.run.usage,
            "cost_usd": cost_usd,
            "error": error,
        }
        said = digest(answer.model_dump(mode="json")) if answer else ""
        await self._let_go("ended", changes, frees=True, status=status, answer=said, error=error)

    async def wait_for_person(
        self,
        interrupts: Sequence[Interrupt],
        *,
        answer: Answer | None = None,
        usage: Usage | None = None,
        cost_usd: float = 0.0,
    ) -> bool:
        """Leave the run to a person; return False, still owning it, if one has decided by now."""
        # Whatever a person decides after this reading changes the version.
        version = self._runs.kept(self.run.id).version
        known = {d.interrupt.id: d for d in self._runs.decided(self.run.id)}
        if any(i.id in known and known[i.id].decision is not None for i in interrupts):
            return False
        puts: list[Action] = [
            Put(interrupt_item(self.run.id, Decided(interrupt)), table="runs")
            for interrupt in interrupts
            if interrupt.id not in known
        ]
        # A question that was put is progress: only tries that lead nowhere are counted.
        changes: dict[str, Any] = {
            "status": "interrupted",
            "answer": answer or self.run.answer,
            "tries": 0,
            "usage": usage or self.run.usage,
            "cost_usd": cost_usd,
            "error": "",
        }
        asked = [i.id for i in interrupts]
        try:
            await self._let_go(
                "interrupted", changes, actions=puts, version=version, interrupts=asked
            )
        except _Decided:
            return False
        return True

    async def give_back(self, *, after: float, error: str) -> None:
        """Leave the run to any worker, `after` seconds from now: a service did not answer."""
        changes: dict[str, Any] = {"status": "pending", "error": error}
        await self._let_go("released", changes, due=time.time() + after, error=error)

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
            free = {"run_id": ""} if frees else {}
            changed = kept.changed(due_at=to_ms(due), **changes)
            put = lease.put(owner="", expires_at=0.0, **free)
            try:
                await self.trail.commit(kind, [put, *changed, *actions], anchor=True, **data)
            except ConditionFailed:  # a renewal or a decision came between: read again
                continue
            return

    def _lease(self) -> Lease:
        """Return the lease at our epoch; it has no owner once we have let it go."""
        lease = self._runs.lease(self.run.thread_id)
        if lease.epoch != self.run.epoch:
            raise LeaseLost(f"Run {self.run.id} has a newer owner; this one stops.")
        return lease


class _Decided(Exception):
    """A person has decided while the owner was about to ask."""


def claim(
    runs: RunStore, checkpoints: Table, run_id: str, *, owner: str, seconds: float
) -> Ownership:
    """Become the owner of a run that is pending, or whose owner's lease ran out.

    Raises:
        NotFound: there is no such run.
        Conflict: the run is over, or waits for a person.
        Leased: another worker's lease is live.
    """
    kept = runs.kept(run_id)
    run, lease = kept.run, runs.lease(kept.run.thread_id)
    if run.status not in ("pending", "running"):
        raise Conflict(
            f"Run {run_id} has ended: {run.status}."
            if run.status in ENDED
            else f"Run {run_id} waits for a person's decision."
        )
    if lease.live(time.time()):
        raise Leased(f"Run {run_id} is driven by {lease.owner}.", lease.expires_at)
    newest = _newest(checkpoints, run.thread_id)
    tries = run.tries + 1 if newest == kept.seen else 1
    if tries > MOST_TRIES:
        # As with a cancellation: what a straggler has written up to here is history, no more is.
        record_fence(checkpoints, run.thread_id, _give_up(runs, kept))
        raise Conflict(f"Run {run_id} was given up after {MOST_TRIES} tries: {run.error}")
    now = time.time()
    changes: dict[str, Any] = {"status": "running", "epoch": lease.epoch + 1, "tries": tries}
    actions = [
        lease.put(epoch=lease.epoch + 1, owner=owner, expires_at=now + seconds, run_id=run_id),
        open_fence(run.thread_id, lease.epoch + 1),
        *kept.changed(due_at=to_ms(now + seconds), seen=newest, **changes),
    ]
    event = new_event(run_id, lease.epoch + 1, "claimed", owner=owner, tries=tries)
    linked = chain([event], runs.audit.head(run_id))
    try:
        runs.table.transact([append_action(linked), *actions])
    except ConditionFailed:
        raise Leased(f"Another worker was first to claim run {run_id}.", now) from None
    fences = record_fence(checkpoints, run.thread_id, lease.epoch + 1)
    head = Head(linked[-1].event.seq + 1, linked[-1].hash)
    return Ownership(runs, run.model_copy(update=changes), owner, seconds, fences, head)


def _newest(checkpoints: Table, thread_id: str) -> str:
    pk = partition(thread_id)
    item = next(checkpoints.query(pk, prefix=CHECKPOINTS, reverse=True, limit=1), None)
    return id_of(item) if item else ""


def _give_up(runs: RunStore, kept: Kept) -> int:
    """End a run that fails again and again without a new checkpoint; return the new epoch.

    The epoch goes up: who drove it last may be slow, not dead, and must change nothing more.
    """
    run, lease = kept.run, runs.lease(kept.run.thread_id)
    epoch = lease.epoch + 1
    why = f"Given up after {MOST_TRIES} tries without progress. {run.error}".strip()
    event = new_event(run.id, epoch, "ended", status="error", answer="", error=why)
    linked = chain([event], runs.audit.head(run.id))
    anchor = runs.audit.anchor_of(linked)
    free = lease.put(epoch=epoch, owner="", expires_at=0.0, run_id="")
    fence = open_fence(run.thread_id, epoch)
    changed = kept.changed(due_at=0, status="error", error=why, epoch=epoch)
    runs.table.transact([append_action(linked), free, fence, *changed, anchor])
    runs.audit.copy_anchor(anchor)
    return epoch
