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

import itertools
import logging
import math
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from storage.audit import Event, Head, append_action, chain, digest, new_event, of_error
from storage.checkpoint_layout import epoch_of, id_of, is_checkpoint, newest_first
from storage.errors import (
    AffidavitError,
    ConditionFailed,
    Conflict,
    Leased,
    LeaseLost,
    OtherVersion,
    Queued,
    Waits,
)
from storage.fence import Fences, load_fences, open_fence, record_fence, wait_past
from storage.own_thread import OwnThread
from storage.ports import Action, Put, Table
from storage.records import Answer, Interrupt, Run, RunStatus, Usage
from storage.run_layout import (
    Decided,
    Kept,
    Lease,
    check_question,
    interrupt_item,
    merged,
    to_ms,
    unaccounted,
)
from storage.runs import RunStore
from storage.stopping import stop
from storage.trail import Trail

logger = logging.getLogger(__name__)

MOST_ASKED: Final = 50
MOST_ASKED_BYTES: Final = 2_000_000
"""How many questions, and how much of them, wait for a person at once; the others come later."""
MOST_TRIES: Final = 5
"""Claims without a new checkpoint before a run is given up."""
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
        usage: Usage | None = None,
        cost_usd: float | None = None,
        error: str = "",
        error_type: str = "",
    ) -> None:
        """End the run and give its thread to whoever waits for it."""
        answer = answer or self.run.answer
        changes: dict[str, Any] = {
            "status": status,
            "answer": answer,
            "usage": usage or self.run.usage,
            "cost_usd": self.run.cost_usd if cost_usd is None else cost_usd,
            "error": error,
        }
        said = digest(answer.model_dump(mode="json")) if answer else ""
        told = of_error(error, error_type)
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


def claim(
    runs: RunStore,
    run_id: str,
    *,
    owner: str,
    seconds: float,
    versions: Callable[[str], Mapping[str, str]] = lambda _: {},
) -> Ownership:
    """Become the owner of a run that is pending, or whose owner's lease ran out.

    Args:
        runs: the runs of the workspace.
        run_id: the run.
        owner: a name that no other owner has.
        seconds: how long the lease lasts unless it is renewed.
        versions: says what a graph of that name runs with here, by part; the first claim pins the
            run to it.

    Raises:
        NotFound: there is no such run, or its graph is not here.
        Conflict: the run is over.
        Waits: it waits for a person.
        Leased: another worker's lease is live.
        Queued: another run has the thread.
        OtherVersion: the run began under other versions.
        Unavailable: this machine's clock is behind the thread by more than a minute.
    """
    kept = runs.kept(run_id)
    run, lease = kept.run, runs.lease(kept.run.thread_id)
    _check(run, lease, time.time())
    under = pinned(run, versions(run.graph))
    latest, newest = _newest(runs.checkpoints, run.thread_id, lease.epoch)
    wait_past(latest)  # while nobody has the lease, and nobody has tried
    now = time.time()
    tries = run.tries + 1 if newest == kept.seen else 1
    if tries > MOST_TRIES:
        last = run.error or "Nothing was heard of those who drove it."
        why = f"Given up after {MOST_TRIES} tries without progress. {last}"
        stop(runs, run_id, "error", None, error=why, epoch=run.epoch, dead=True)
        raise Conflict(f"Run {run_id} was given up after {MOST_TRIES} tries: {last}")
    changes: dict[str, Any] = {
        "status": "running",
        "epoch": lease.epoch + 1,
        "tries": tries,
        "versions": under,
        "worked": run.worked + unaccounted(run, lease, now),
        "claimed_at": now,
    }
    expires_at = now + seconds
    terms: dict[str, Any] = {"owner": owner, "expires_at": expires_at, "due_at": to_ms(expires_at)}
    actions = [
        *lease.changed(epoch=lease.epoch + 1, run_id=run_id, **terms),
        open_fence(run.thread_id, lease.epoch + 1),
        *kept.changed(due_at=0, seen=newest, **changes),
    ]
    event = new_event(run_id, lease.epoch + 1, "claimed", owner=owner, tries=tries, versions=under)
    linked = chain([event], runs.audit.head(run_id))
    try:
        runs.table.transact([append_action(linked), *merged(actions)])
    except ConditionFailed:
        raise Leased(f"Another worker was first to claim run {run_id}.", now) from None
    run = run.model_copy(update=changes)
    try:
        fences = record_fence(runs.checkpoints, run.thread_id, run.epoch)
    except LeaseLost:
        raise
    except Exception as error:
        _undo(runs, run, str(error) or type(error).__name__)
        raise
    head = Head(linked[-1].event.seq + 1, linked[-1].hash)
    return Ownership(runs, run, owner, seconds, fences, head)


def _undo(runs: RunStore, claimed: Run, error: str) -> None:
    """Leave a run that was claimed in vain to any worker, as far as that is possible.

    It was not driven, so it is no try; if this fails too, the lease runs out.
    """

    def change(kept: Kept) -> tuple[list[Action], list[Event]]:
        lease = runs.lease(claimed.thread_id)
        if lease.epoch != claimed.epoch:
            raise LeaseLost(f"Run {claimed.id} has a newer owner.")
        again = kept.changed(
            due_at=to_ms(time.time()),
            status="pending",
            error=error,
            tries=claimed.tries - 1,
            claimed_at=0.0,
        )
        event = new_event(claimed.id, claimed.epoch, "released", **of_error(error))
        return [*lease.free(), *again], [event]

    try:
        runs.change(claimed.id, change)
    except AffidavitError as failure:
        logger.warning("Run %s is left until its lease runs out: %s", claimed.id, failure)


def _check(run: Run, lease: Lease, now: float) -> None:
    if run.ended:
        raise Conflict(f"Run {run.id} has ended: {run.status}.")
    if run.status == "interrupted":
        raise Waits(f"Run {run.id} waits for a person's decision.")
    if lease.run_id not in ("", run.id):
        raise Queued(f"Run {run.id} waits for run {lease.run_id} on its thread.")
    if lease.live(now):
        raise Leased(f"Run {run.id} is driven by {lease.owner}.", lease.expires_at)


def pinned(run: Run, versions: Mapping[str, str]) -> dict[str, str]:
    """Return the versions that a run is pinned to; before its first claim, those that are here.

    Raises:
        OtherVersion: they are not those that are here; the message says what to do.
    """
    other = sorted(part for part, version in run.versions.items() if versions.get(part) != version)
    if other:
        raise OtherVersion(
            f"Run {run.id} began under another version of its {' and '.join(other)}, and would not "
            "go on as it began. Resume it where that version is installed, or take it over to this "
            f"one: `affidavit fork {run.id}` goes on from its last checkpoint and asks again what "
            f"was approved; then `affidavit cancel {run.id}`."
        )
    return run.versions or dict(versions)


def _newest(checkpoints: Table, thread_id: str, epoch: int) -> tuple[str, str]:
    """Return the newest checkpoint of a thread, and the newest that counts.

    No outdated owner's is progress.
    """
    rows = filter(is_checkpoint, newest_first(checkpoints, thread_id))
    newest = next(rows, None)
    if newest is None:
        return "", ""
    if epoch_of(newest) == epoch:
        return id_of(newest), id_of(newest)
    counted = load_fences(checkpoints, thread_id).admit(itertools.chain([newest], rows))
    return id_of(newest), next((id_of(item) for item in counted), "")
