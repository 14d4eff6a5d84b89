"""How runs, leases and questions to people lie in the table `runs`.

    run/{run}       run                 the run
                    i/{interrupt}       a question to a person, and the decision
                    l/{call}            the ledger: what became of a tool call
                    m/…  t/…            recorded responses of models and tools
    thread/{thread} lease               who drives the thread, until when, at which epoch
                    q/{number}          the runs that wait for the thread, in their order
                    r/{time}/{run}      the runs of the thread
    runs            {time}/{run}        all runs, by time
    due             {time}/{run}        runs that someone should look at, by when: one that is
                                        pending or may expire, by its record; one that is driven, by
                                        the lease of its thread

Next: `storage.runs` reads and changes them; `storage.submission`, `storage.decisions` and
`storage.stopping` are what people ask for, `storage.claims` and `storage.leases` what a worker
does.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, cast

from storage.errors import TooLarge
from storage.keys import key
from storage.limits import key_of, measured
from storage.ports import Absent, Action, Condition, Delete, Item, Put, Value, VersionIs
from storage.records import Identity, Interrupt, InterruptKind, Run

MOST_ENTERED_BYTES: Final = 300_000
"""Of the record of a run that is new: what becomes of the run has to fit beside it."""
MOST_QUESTION_BYTES: Final = 250_000
"""Of a question to a person: what they make of it has to fit beside it."""
RUNS: Final = "runs"
DUE: Final = "due"
QUEUED: Final = "q/"


@dataclass(frozen=True, slots=True)
class Decided:
    """An interrupt as it is kept; without a decision it still waits."""

    interrupt: Interrupt
    decision: dict[str, Any] | None = None
    decided_by: Identity | None = None
    decided_at: float = 0.0
    """By the clock of whoever decided, in seconds since the epoch: to be shown."""
    version: int = 0
    """Of its item; 0: it is not kept yet."""
    run_version: int = 0
    """Of the run's record as the decision left it; 0: it was kept without."""

    @property
    def order(self) -> tuple[int, float]:
        """What puts the decisions on a run in order, wherever they were made: no clock does."""
        return self.run_version, self.decided_at


@dataclass(frozen=True, slots=True)
class Lease:
    """The lease of a thread as it is kept. `run_id` is the run that the thread is busy with."""

    thread_id: str
    epoch: int = 0
    owner: str = ""
    expires_at: float = 0.0
    run_id: str = ""
    due_at: int = 0
    """When someone should look whether the owner is alive, in milliseconds since the epoch; it is
    not after the lease runs out. 0: nobody owns it."""
    version: int = 0

    def live(self, now: float) -> bool:
        """Return whether an owner may still be at work."""
        return bool(self.owner) and self.expires_at > now

    def changed(self, **changes: Any) -> list[Action]:
        """Return the actions that write the lease changed, if it is still at this version.

        The entry by which sweepers find its run goes with it.
        """
        new = replace(self, **changes)
        body: dict[str, Value] = {
            "epoch": new.epoch,
            "owner": new.owner,
            "expires_at": new.expires_at,
            "run_id": new.run_id,
            "due_at": new.due_at,
        }
        item = Item(key("thread", self.thread_id), "lease", body, self.version + 1)
        when: Condition = VersionIs(self.version) if self.version else Absent()
        actions: list[Action] = [Put(item, when, table="runs")]
        if (self.due_at, self.run_id) != (new.due_at, new.run_id):
            if self.due_at:
                actions.append(Delete(DUE, key(self.due_at, self.run_id), table="runs"))
            if new.due_at:
                found: dict[str, Value] = {"run_id": new.run_id}
                actions.append(Put(Item(DUE, key(new.due_at, new.run_id), found), table="runs"))
        return actions

    def free(self, **changes: Any) -> list[Action]:
        """Return the actions that leave the thread without an owner."""
        return self.changed(owner="", expires_at=0.0, due_at=0, **changes)


@dataclass(frozen=True, slots=True)
class Kept:
    """A run with what its record holds beside it."""

    run: Run
    version: int
    due_at: int = 0
    """When someone should look at it, in milliseconds since the epoch; 0: not at all, or because
    of the lease."""
    seen: str = ""
    """The newest checkpoint at the last claim."""
    queued: str = ""
    """Its place among the runs that wait for the thread; empty: it has the thread, or had it."""

    def changed(self, *, due_at: int, seen: str | None = None, **changes: Any) -> list[Action]:
        """Return the actions that write the run changed, with its entries in the lists.

        A run that is changed waits for its thread no longer: it has got it, or has ended.
        """
        run = self.run.model_copy(update={"updated_at": time.time(), **changes})
        actions = run_actions(run, self.version + 1, due_at, self.seen if seen is None else seen)
        if self.due_at and self.due_at != due_at:
            actions.append(Delete(DUE, key(self.due_at, run.id), table="runs"))
        if self.queued:
            actions.append(Delete(key("thread", run.thread_id), self.queued, table="runs"))
        return actions


def kept_of(item: Item) -> Kept:
    """Return the run that an item holds."""
    body = cast(dict[str, Any], item.body)
    run = Run.model_validate(body["run"])
    return Kept(run, item.version, body["due_at"], body["seen"], body.get("queued", ""))


def run_actions(
    run: Run, version: int, due_at: int, seen: str = "", queued: str = ""
) -> list[Action]:
    """Return the actions that write a run with its entries in the lists."""
    record = run.model_dump(mode="json", exclude={"interrupts", "table"})
    body: dict[str, Value] = {"run": record, "due_at": due_at, "seen": seen, "queued": queued}
    when: Condition = VersionIs(version - 1) if version > 1 else Absent()
    entry: dict[str, Value] = {
        "run_id": run.id,
        "thread_id": run.thread_id,
        "status": run.status,
        "question": run.question[:200],
        "created_at": run.created_at,
        "dead": run.dead,
        "error": run.error[:200],
    }
    created, thread = to_ms(run.created_at), key("thread", run.thread_id)
    actions: list[Action] = [
        Put(Item(key("run", run.id), "run", body, version), when, table="runs"),
        Put(Item(RUNS, key(created, run.id), entry), table="runs"),
    ]
    named: dict[str, Value] = {"run_id": run.id}
    if version == 1:
        actions.append(Put(Item(thread, f"r/{key(created, run.id)}", named), table="runs"))
    if queued:
        actions.append(Put(Item(thread, queued, named), Absent(), table="runs"))
    if due_at:
        actions.append(Put(Item(DUE, key(due_at, run.id), named), table="runs"))
    return actions


def check_entered(run: Run) -> None:
    """Hold a run that is new to what leaves room for what becomes of it.

    Raises:
        TooLarge: its input, or its documents, are too much.
    """
    record = run.model_dump(mode="json")
    size = measured(Item(key("run", run.id), "run", {"run": record}))
    if size > MOST_ENTERED_BYTES:
        raise TooLarge(
            f"The record of the run would have {size:,} bytes; at most {MOST_ENTERED_BYTES:,} "
            "fit. Keep what is large in documents or objects, and name them in the input."
        )


def check_question(value: Mapping[str, Value]) -> int:
    """Return the bytes of what a person is asked; it leaves room for what they make of it.

    Raises:
        TooLarge: it is too much.
        InvalidInput: it holds what cannot be stored.
    """
    size = measured(Item("run", "question", value))
    if size > MOST_QUESTION_BYTES:
        raise TooLarge(
            f"A question to a person has {size:,} bytes; at most {MOST_QUESTION_BYTES:,} fit. "
            "Ask with less, or in parts: keep what is large in an object, and name it."
        )
    return size


def merged(actions: Sequence[Action]) -> list[Action]:
    """Return actions of which none removes an entry that another one makes.

    The entry of a run's record and that of its thread's lease may fall into one millisecond.
    """
    made = {key_of(action) for action in actions if isinstance(action, Put)}
    kept = [a for a in actions if not (isinstance(a, Delete) and key_of(a) in made)]
    return list({key_of(action): action for action in kept}.values())


def unaccounted(run: Run, lease: Lease, now: float) -> float:
    """Return the seconds that an owner was at work who never let go; at most its lease's."""
    if not run.claimed_at:
        return 0.0
    return max(0.0, min(now, lease.expires_at) - run.claimed_at)


def interrupt_item(run_id: str, decided: Decided) -> Item:
    """Return the item of an interrupt."""
    body: dict[str, Any] = {
        "interrupt": decided.interrupt.model_dump(mode="json"),
        "decision": decided.decision,
        "decided_by": decided.decided_by.model_dump() if decided.decided_by else None,
        "decided_at": decided.decided_at,
        "run_version": decided.run_version,
    }
    sk = f"i/{key(decided.interrupt.id)}"
    return Item(key("run", run_id), sk, body, decided.version + 1)


def decided_of(item: Item) -> Decided:
    """Return the interrupt that an item holds."""
    body = cast(dict[str, Any], item.body)
    return Decided(
        interrupt=Interrupt.model_validate(body["interrupt"]),
        decision=body["decision"],
        decided_by=Identity.model_validate(body["decided_by"]) if body["decided_by"] else None,
        decided_at=body["decided_at"],
        version=item.version,
        run_version=body.get("run_version", 0),
    )


def interrupt_kind(value: Mapping[str, Any]) -> InterruptKind:
    """Return the kind of an interrupt of a graph by its value; a budget is asked by no graph."""
    return "outcome_unknown" if value.get("kind") == "outcome_unknown" else "approval"


def to_ms(seconds: float) -> int:
    """Return milliseconds."""
    return int(seconds * 1000)
