"""Entering runs: what becomes of a second message on a busy thread.

    reject      it is refused (the default)
    enqueue     it waits, and gets the thread when those before it have ended
    interrupt   the run that is busy ends `cancelled`, and the new one has the thread

Each is one transaction on the thread's lease, so that of many messages at once one comes first.
"""

import time
from typing import Final, Literal

from storage.audit import Head, append_action, chain, digest, new_event
from storage.errors import Busy, ConditionFailed, Conflict, NotFound
from storage.fence import close_fence
from storage.keys import key
from storage.ports import Action, Put
from storage.records import Identity, Run
from storage.run_layout import QUEUED, Lease, check_entered, merged, run_actions, to_ms
from storage.runs import RunStore
from storage.stopping import stopped

Strategy = Literal["reject", "enqueue", "interrupt"]
STRATEGIES: Final[tuple[Strategy, ...]] = ("reject", "enqueue", "interrupt")
_TRIES: Final = 50
_ASKED: Final = {"question", "thread_id", "graph", "documents", "input", "forked_from"}
"""What makes a run another one than the one that was entered under its id."""


def submit(
    runs: RunStore,
    run: Run,
    identity: Identity,
    *,
    due_in: float = 0.0,
    strategy: Strategy = "reject",
) -> Run:
    """Enter a new run, due in some seconds. Entering the same run twice enters it once.

    Raises:
        Busy: the thread is at work, or waits for a person, and the strategy is to reject.
        Conflict: the id is that of another question.
        TooLarge: its input leaves no room for what becomes of it.
    """
    check_entered(run)
    for _ in range(_TRIES):
        if (found := runs.find(run.id)) is not None:
            return _same(runs, found.run, run)
        lease = runs.lease(run.thread_id)
        now = time.time()
        run = run.model_copy(
            update={
                "status": "pending",
                "created_at": now,
                "updated_at": now,
                "created_by": identity.name,
            }
        )
        anchor: Put | None = None
        if not lease.run_id:
            actions = [*lease.changed(run_id=run.id), *run_actions(run, 1, to_ms(now + due_in))]
        elif strategy == "enqueue":
            # The lease counts those who queue up, and keeps them in their order.
            place = QUEUED + key(lease.version)
            actions = [*lease.changed(), *run_actions(run, 1, 0, queued=place)]
        elif strategy == "interrupt":
            actions, anchor = _taking_over(runs, lease, run, identity, now + due_in)
        else:
            raise Busy(_why_busy(runs, lease.run_id))
        try:
            runs.table.transact([_submitted(run, lease, identity), *merged(actions)])
        except ConditionFailed:
            continue
        if anchor:
            runs.audit.copy_anchor(anchor)
            close_fence(runs.checkpoints, run.thread_id, lease.epoch + 1)
        return runs.get(run.id)
    raise Conflict(f"Thread {run.thread_id!r} is changing too fast; try again.")


def _same(runs: RunStore, found: Run, run: Run) -> Run:
    # What was kept has gone through JSON: a tuple came back as a list.
    kept, given = (each.model_dump(mode="json", include=_ASKED) for each in (found, run))
    if kept != given:
        raise Conflict(f"The id {run.id!r} was given to another question; take a new one.")
    return runs.get(found.id)


def _submitted(run: Run, lease: Lease, identity: Identity) -> Action:
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
    # A run that is new has no chain yet: whoever finds one there was second.
    return append_action(chain([event], Head()))


def _taking_over(
    runs: RunStore, lease: Lease, run: Run, identity: Identity, due: float
) -> tuple[list[Action], Put]:
    """Return the actions that end the run that is busy, and give its thread to a new one.

    One of them, returned by itself too, is the anchor of the end.
    """
    busy = runs.kept(lease.run_id)
    event, changed = stopped(
        runs, busy, lease, "cancelled", identity, f"Interrupted by run {run.id}."
    )
    linked = chain([event], runs.audit.head(busy.run.id))
    anchor = runs.audit.anchor_of(linked)
    return [
        append_action(linked),
        anchor,
        *changed,
        *lease.free(epoch=lease.epoch + 1, run_id=run.id),
        *run_actions(run, 1, to_ms(due)),
    ], anchor


def _why_busy(runs: RunStore, run_id: str) -> str:
    try:
        run = runs.get(run_id)
    except NotFound:
        return f"The thread is busy with run {run_id}, which cannot be read."
    if run.status == "interrupted":
        return (
            f"The thread waits for a person: run {run_id} asks for a decision. "
            f"Approve, reject or cancel it, or ask on another thread."
        )
    return f"The thread is busy with run {run_id}; wait for it, enqueue this one, or cancel it."
