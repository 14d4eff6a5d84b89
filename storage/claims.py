"""Claiming a run: the only truth about who drives it.

A claim raises the epoch, opens a fence and appends its event in one transaction: of two workers one
commits it. Then it records the fence: what the owners before have left, and no more, counts.
"""

import itertools
import logging
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

from storage.audit import Event, Head, append_action, chain, new_event, of_error
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
from storage.leases import Ownership
from storage.ports import Action, Table
from storage.records import Run
from storage.run_layout import (
    Kept,
    Lease,
    merged,
    to_ms,
    unaccounted,
)
from storage.runs import RunStore
from storage.stopping import stop

logger = logging.getLogger(__name__)

MOST_TRIES: Final = 5
"""Claims without a new checkpoint before a run is given up."""


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
    _give_up_after(runs, run, tries)
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
    fences = _fenced(runs, run)
    head = Head(linked[-1].event.seq + 1, linked[-1].hash)
    return Ownership(runs, run, owner, seconds, fences, head)


def _give_up_after(runs: RunStore, run: Run, tries: int) -> None:
    """End a run that failed again and again without a new checkpoint."""
    if tries <= MOST_TRIES:
        return
    last = run.error or "Nothing was heard of those who drove it."
    why = f"Given up after {MOST_TRIES} tries without progress. {last}"
    stop(runs, run.id, "error", None, error=why, epoch=run.epoch, dead=True)
    raise Conflict(f"Run {run.id} was given up after {MOST_TRIES} tries: {last}")


def _fenced(runs: RunStore, claimed: Run) -> Fences:
    """Record the fence of a claim; where that cannot be done, leave the run to any worker."""
    try:
        return record_fence(runs.checkpoints, claimed.thread_id, claimed.epoch)
    except LeaseLost:
        raise
    except Exception as error:
        _undo(runs, claimed, str(error) or type(error).__name__)
        raise


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
