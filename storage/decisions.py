"""What people decide on what runs ask: each question is decided once, for what it showed.

A decision names the interrupt, so that one that comes late, twice, or when the next question is
already open cannot be taken for the answer to another. It is stored with its event in one
transaction; whoever drives the run finds it there. An approval that takes several people is a vote
of each, and decided by the last; a role that is shared is one person, under whatever names. What
has expired can no longer be decided: whoever drives the run next writes that down (`expire`), and
the agents are told.
"""

import re
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from pydantic import ValidationError

from storage.audit import Event, digest, new_event
from storage.errors import Conflict, InvalidInput, NotFound
from storage.fence import close_fence
from storage.ports import Absent, Action, Put, VersionIs
from storage.records import Budget, Identity, Interrupt, Run, Vote
from storage.run_layout import Decided, Kept, interrupt_item, to_ms
from storage.runs import RunStore
from storage.stopping import stopped
from storage.times import utc

DESK: Final = Identity(name="affidavit", source="desk")
"""Who writes down that a question has expired."""
EXPIRED: Final = "expire"
_SESSION: Final = re.compile(r"(arn:[^:]+:sts::\d+:(?:assumed-role/[^/]+|federated-user))/[^/]+")
"""Who calls AWS under a name for a while, and in front of the name what it was given to.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html
"""
Decision = dict[str, Any]


def decide(
    runs: RunStore, run_id: str, decisions: Mapping[str, Decision], identity: Identity
) -> Run:
    """Store decisions on interrupts, by id, all or none, and make the run due where it can go on.

    Raises:
        NotFound: the run has no such interrupt.
        InvalidInput: there is no decision, or one is not what is asked for.
        Conflict: one is decided already, has expired, or the run is over; the message says by whom
            and how.
    """
    if not decisions:
        raise InvalidInput("Nothing is decided: name an interrupt, and say what is to be done.")

    def change(kept: Kept) -> tuple[list[Action], list[Event]]:
        if kept.run.ended:
            raise Conflict(f"Run {run_id} has ended: {kept.run.status}. Nothing is asked any more.")
        known = {d.interrupt.id: d for d in runs.decided(run_id)}
        now = time.time()
        taken = [
            _decided(run_id, known, interrupt_id, decision, identity, now)
            for interrupt_id, decision in decisions.items()
        ]
        return _stored(runs, kept, taken, identity)

    run = runs.change(run_id, change)
    if run.ended:
        close_fence(runs.checkpoints, run.thread_id, run.epoch)
    return run


def expire(runs: RunStore, run_id: str) -> bool:
    """Decide what has expired; return whether there was anything."""

    def change(kept: Kept) -> tuple[list[Action], list[Event]]:
        now = time.time()
        late = [
            replace(d, decision={"type": EXPIRED}, decided_by=DESK, decided_at=now)
            for d in runs.decided(run_id)
            if d.decision is None and 0 < d.interrupt.expires_at <= now
        ]
        if kept.run.ended or not late:
            raise _Nothing
        return _stored(runs, kept, late, DESK)

    try:
        runs.change(run_id, change)
    except _Nothing:
        return False
    return True


class _Nothing(Exception):
    """Nothing has expired, or somebody else has written it down."""


def _decided(
    run_id: str,
    known: Mapping[str, Decided],
    interrupt_id: str,
    decision: Decision,
    identity: Identity,
    now: float,
) -> Decided:
    """Return an interrupt with a decision, or with one vote more if it takes more people."""
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
            f"{found.decision.get('type')} by {found.decided_by.name}. Nothing was changed."
        )
    asked = found.interrupt
    if 0 < asked.expires_at <= now:
        raise Conflict(
            f"Interrupt {interrupt_id} expired on {utc(asked.expires_at)}: it can no longer be "
            f"decided, and what it asks for is not done. `affidavit resume {run_id}` tells the "
            "agents so."
        )
    _check(asked, decision)
    if decision["type"] == "approve" and asked.approvals > 1:
        asked = _voted(asked, identity, now)
        if len(asked.votes) < asked.approvals:
            return replace(found, interrupt=asked)
    return replace(found, interrupt=asked, decision=decision, decided_by=identity, decided_at=now)


def person(identity: Identity) -> tuple[str, str]:
    """Return who counts as one where it takes several: the name, and how it was verified.

    Whoever assumes a role names the session, and may name the next one otherwise: of all sessions
    of a role one person is known to be there, and not two.
    """
    session = _SESSION.fullmatch(identity.name) if identity.source == "sts" else None
    return (session[1] if session else identity.name), identity.source


def allowed_decisions(value: Mapping[str, Any]) -> list[str]:
    """Return the types of decisions that an interrupt's value allows; none named: any."""
    configs = value.get("review_configs")
    first = configs[0] if isinstance(configs, list) and configs else None
    named = value.get("allowed_decisions") or (
        first.get("allowed_decisions") if isinstance(first, dict) else None
    )
    return [each for each in named if isinstance(each, str)] if isinstance(named, list) else []


def requested(value: Mapping[str, Any]) -> dict[str, Any]:
    """Return the action that an interrupt's value asks for; a graph of one's own may ask none."""
    requests = value.get("action_requests")
    first = requests[0] if isinstance(requests, list) and requests else None
    return first if isinstance(first, dict) else {}


def _check(asked: Interrupt, decision: Decision) -> None:
    allowed = allowed_decisions(asked.value)
    kind = decision.get("type") if isinstance(decision, dict) else None
    if not isinstance(kind, str):
        raise InvalidInput('A decision is {"type": …}, see the allowed decisions of the interrupt.')
    if kind == EXPIRED or (allowed and kind not in allowed):
        raise InvalidInput(f"Decide one of {', '.join(allowed)}, not {kind!r}.")
    if kind == "edit":
        action = decision.get("edited_action")
        name = requested(asked.value).get("name")
        if not isinstance(action, dict) or action.get("name") != name:
            raise InvalidInput(f'An edit is {{"name": "{name}", "args": {{…}}}}.')


def _voted(asked: Interrupt, identity: Identity, now: float) -> Interrupt:
    before = next((v.by for v in asked.votes if person(v.by) == person(identity)), None)
    if before:
        counted = "" if before == identity else f", and {identity.name} counts as the same person"
        raise Conflict(
            f"{before.name} has approved this already{counted}; it takes {asked.approvals} "
            "different persons."
        )
    return asked.model_copy(update={"votes": [*asked.votes, Vote(by=identity, at=now)]})


def _stored(
    runs: RunStore, kept: Kept, taken: list[Decided], identity: Identity
) -> tuple[list[Action], list[Event]]:
    """Return what stores decisions and votes, and what they make of the run."""
    run = kept.run
    taken = [replace(each, run_version=kept.version + 1) for each in taken]
    puts: list[Action] = [
        Put(
            interrupt_item(run.id, each),
            VersionIs(each.version) if each.version else Absent(),
            table="runs",
        )
        for each in taken
    ]
    events = [_event(run, each, identity) for each in taken]
    final = [each for each in taken if each.decision is not None]
    refused = [d for d in final if d.interrupt.kind == "budget" and not _extends(d)]
    if refused:
        lease = runs.lease(run.thread_id)
        said = str((refused[0].decision or {}).get("message") or "no reason was given")
        ended, changed = stopped(
            runs,
            kept,
            lease,
            "cancelled",
            identity,
            f"Its budget is used up, and it got no more: {said}",
        )
        handed, _ = runs.hand_on(lease, epoch=lease.epoch + 1)
        return [*puts, *changed, *handed], [*events, ended]
    changes: dict[str, Any] = {}
    for each in final:
        if each.interrupt.kind == "budget":
            changes["budget"] = _extended(each)
    due_at = kept.due_at
    if run.status == "interrupted" and final:  # what waited for a person goes on from now
        due_at, changes["status"] = to_ms(time.time()), "pending"
    return [*puts, *kept.changed(due_at=due_at, **changes)], events


def _event(run: Run, each: Decided, identity: Identity) -> Event:
    decision = each.decision or {"type": "approve"}
    return new_event(
        run.id,
        run.epoch,
        "decision" if each.decision is not None else "vote",
        interrupt=each.interrupt.id,
        decision=decision.get("type", ""),
        content=digest(decision),
        shown=str(each.interrupt.value.get("binding", "")),
        votes=[vote.by.name for vote in each.interrupt.votes],
        by=identity.name,
        identity_source=identity.source,
    )


def _extends(each: Decided) -> bool:
    return (each.decision or {}).get("type") in ("approve", "edit")


def _extended(each: Decided) -> Budget:
    """Return the budget that a person allows: what was asked for, or what they made of it."""
    decision = each.decision or {}
    action = decision["edited_action"] if decision["type"] == "edit" else None
    args = (action or requested(each.interrupt.value)).get("args")
    try:
        return Budget.model_validate(args)
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        raise InvalidInput(f"The budget cannot be used: {wrong}.") from None
