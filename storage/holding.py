"""Holding a thread while it is emptied: its lease, in nobody's run.

    run under way ── stop ──▶ the thread is free ── hold (epoch + 1) ──▶ … renew … ──▶ let go

Runs that had begun are ended first, by raising the epoch like any stop; whoever drove one finds
that out at its next renewal, so until the lease that it had has run out, a holder waits. Runs that
come to the thread meanwhile wait for the lease, like for any worker's.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Final

from storage.errors import ConditionFailed, Conflict, Unavailable
from storage.fence import open_fence
from storage.ports import Action
from storage.records import Run
from storage.run_layout import Lease
from storage.runs import RunStore
from storage.stopping import stop

HELD_SECONDS: Final = 30.0
_LOOK_SECONDS: Final = 0.1


@dataclass(slots=True)
class Held:
    """A thread in the hand of whoever empties it."""

    runs: RunStore
    thread_id: str
    holder: str
    epoch: int

    def renew(self) -> None:
        """Hold the thread from now on for its time.

        Raises:
            Unavailable: it ran out, and another has the thread.
        """
        until = time.time() + HELD_SECONDS
        while not _done(self.runs, self._lease().changed(owner=self.holder, expires_at=until)):
            pass

    def let_go(self) -> None:
        """Leave the thread to the run that waits for it, if one does."""
        with suppress(Unavailable):
            while not _done(self.runs, self._lease().free()):
                pass

    def _lease(self) -> Lease:
        lease = self.runs.lease(self.thread_id)
        if lease.epoch != self.epoch:
            raise Unavailable(f"Thread {self.thread_id!r} was let go too early; it is held anew.")
        return lease


def has_begun(run: Run) -> bool:
    """Return whether a run may hold what its thread has held so far, or a fork its source's."""
    return bool(run.epoch or run.forked_from)


def stop_begun(runs: RunStore, thread_id: str, why: str) -> None:
    """End the run that has a thread, if it has begun: many are stopped before one is waited for."""
    if run_id := _at_work(runs, runs.lease(thread_id)):
        _stop(runs, run_id, why)


def _at_work(runs: RunStore, lease: Lease) -> str:
    """Return the run that has a thread, if it has begun and not ended, or nothing."""
    kept = runs.find(lease.run_id) if lease.run_id else None
    return kept.run.id if kept and has_begun(kept.run) and not kept.run.ended else ""


def _stop(runs: RunStore, run_id: str, why: str) -> None:
    with suppress(Conflict):  # it has just ended
        stop(runs, run_id, "cancelled", None, error=why)


@contextmanager
def held(
    runs: RunStore, thread_id: str, holder: str, why: str, lease_seconds: float
) -> Iterator[Held]:
    """Hold a thread; its runs that had begun are cancelled, and it is said why.

    `lease_seconds` is after how long nobody is at work any more who has lost the thread.

    Raises:
        Unavailable: another came between, as this process was away for too long.
    """
    quiet_at = _quiet_at(runs, thread_id, lease_seconds)
    while True:
        lease = runs.lease(thread_id)
        if run_id := _at_work(runs, lease):
            quiet_at = max(quiet_at, lease.expires_at if lease.owner else 0.0)
            _stop(runs, run_id, why)
        elif lease.live(time.time()):  # another empties it
            time.sleep(_LOOK_SECONDS)
        else:
            holding = Held(runs, thread_id, holder, lease.epoch + 1)
            until = time.time() + HELD_SECONDS
            taken = lease.changed(owner=holder, expires_at=until, epoch=holding.epoch, due_at=0)
            if _done(runs, [*taken, open_fence(thread_id, holding.epoch)]):
                break
    try:
        while (left := quiet_at - time.time()) > 0:
            time.sleep(min(left, HELD_SECONDS / 3))
            holding.renew()
        yield holding
    finally:
        holding.let_go()


def _quiet_at(runs: RunStore, thread_id: str, lease_seconds: float) -> float:
    """Return when nobody is at work any more on what was stopped; one that asked had no owner."""
    stopped = (run for run in runs.of_thread(thread_id) if run.status in ("cancelled", "timeout"))
    return max((run.updated_at + lease_seconds for run in stopped if run.tries), default=0.0)


def _done(runs: RunStore, actions: list[Action]) -> bool:
    """Do actions; return False if somebody came between."""
    try:
        runs.table.transact(actions)
    except ConditionFailed:
        return False
    return True
