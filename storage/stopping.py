"""Ending runs from outside, and trying one again.

To cancel a run, to let its time run out, or to give it up, raises the epoch of its thread first: so
whoever still drives it, in this process or another, is outdated like any worker that lost its
lease, and changes nothing more. What it has written up to then is history.
"""

import time
from typing import Any

from storage.audit import Event, new_event, of_error
from storage.errors import Busy, Conflict
from storage.fence import close_fence, open_fence
from storage.ports import Action
from storage.recordings import spent
from storage.records import Identity, Run, RunStatus
from storage.run_layout import Kept, Lease, to_ms, unaccounted
from storage.runs import RunStore


def stop(
    runs: RunStore,
    run_id: str,
    status: RunStatus,
    identity: Identity | None,
    *,
    error: str = "",
    epoch: int | None = None,
    dead: bool = False,
) -> tuple[Run, str]:
    """End a run; return it, and the run that has its thread next, if one waits.

    Args:
        runs: the runs of the workspace.
        run_id: the run.
        status: `cancelled`, `timeout` or `error`.
        identity: who wants it; None: the desk itself.
        error: why.
        epoch: end it only if it is still in this claim.
        dead: it failed again and again without a new checkpoint.

    Raises:
        Conflict: the run has ended, or is in another claim by now.
    """
    next_run = [""]

    def change(kept: Kept) -> tuple[list[Action], list[Event]]:
        if kept.run.ended:
            raise Conflict(f"Run {run_id} has ended: {kept.run.status}.")
        if epoch is not None and kept.run.epoch != epoch:
            raise Conflict(f"Run {run_id} has a newer owner.")
        lease = runs.lease(kept.run.thread_id)
        if kept.queued:  # it never had the thread
            event, changed = stopped(runs, kept, None, status, identity, error)
            return changed, [event]
        event, changed = stopped(runs, kept, lease, status, identity, error, dead=dead)
        handed, next_run[0] = runs.hand_on(lease, epoch=lease.epoch + 1)
        return [*changed, *handed], [event]

    run = runs.change(run_id, change)
    if run.epoch:
        close_fence(runs.checkpoints, run.thread_id, run.epoch)
    return run, next_run[0]


def stopped(
    runs: RunStore,
    kept: Kept,
    lease: Lease | None,
    status: RunStatus,
    identity: Identity | None,
    error: str,
    **changes: Any,
) -> tuple[Event, list[Action]]:
    """Return the event and the actions that end a run at a new epoch of its thread.

    A run that has not had its turn yet ends without the lease. The lease itself is the caller's.
    """
    run = kept.run
    epoch = lease.epoch + 1 if lease else 0
    by = {"by": identity.name, "identity_source": identity.source} if identity else {}
    usage, cost = spent(runs.table, run.id)
    told = {**of_error(error), **by}
    event = new_event(run.id, epoch, "ended", status=status, answer="", **told)
    fence = [open_fence(run.thread_id, epoch)] if epoch else []
    changed = kept.changed(
        due_at=0,
        status=status,
        error=error,
        epoch=epoch or run.epoch,
        answer=None,
        usage=usage,
        cost_usd=cost,
        worked=run.worked + _at_work(run, lease, status),
        claimed_at=0.0,
        **changes,
    )
    return event, [*fence, *changed]


def _at_work(run: Run, lease: Lease | None, status: RunStatus) -> float:
    """Return the seconds since the latest claim that the run was at work."""
    now = time.time()
    if status == "timeout" and run.claimed_at:  # its owner says so, and is alive
        return now - run.claimed_at
    return unaccounted(run, lease, now) if lease else 0.0


def retry(runs: RunStore, run_id: str, identity: Identity) -> Run:
    """Make a run that ended in error or timed out due again, from its last checkpoint.

    Raises:
        Conflict: it did not end so.
        Busy: the thread has another run by now.
    """

    def change(kept: Kept) -> tuple[list[Action], list[Event]]:
        run = kept.run
        if run.status not in ("error", "timeout"):
            raise Conflict(f"Run {run_id} is {run.status}; an error or a time-out is retried.")
        if run.erased:
            raise Conflict(f"What run {run_id} had found was erased with a document; ask anew.")
        lease = runs.lease(run.thread_id)
        # Whoever had the thread since has raised its epoch.
        if lease.run_id or lease.epoch != run.epoch:
            newest = lease.run_id or runs.newest_of(run.thread_id)
            raise Busy(f"Thread {run.thread_id!r} has gone on with run {newest}.")
        by = {"by": identity.name, "identity_source": identity.source}
        again = kept.changed(
            due_at=to_ms(time.time()),
            status="pending",
            error="",
            tries=0,
            dead=False,
            worked=0.0,
            retries=run.retries + 1,
        )
        event = new_event(run_id, run.epoch, "retried", **by)
        return [*lease.changed(run_id=run_id), *again], [event]

    return runs.change(run_id, change)
