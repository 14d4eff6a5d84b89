"""Whatever people and workers do to runs, in whatever order: what must hold, holds."""

import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    invariant,
    multiple,
    precondition,
    rule,
    run_state_machine_as_test,
)

from storage.audit import AuditLog
from storage.backend import open_embedded
from storage.decisions import decide, expire
from storage.errors import Busy, Conflict, NotFound
from storage.leases import Ownership
from storage.records import Identity, Interrupt, RunStatus
from storage.runs import RunStore
from storage.signing import open_signer
from storage.stopping import retry, stop
from storage.submission import STRATEGIES, Strategy
from storage.verification import verify_run
from tests.storage.steps import ask, checkpoint, due_entries, end, enter, give_back, queue, take

THREAD = "t-1"
PEOPLE = tuple(Identity(name=name, source="os") for name in ("ann", "bob"))
SECONDS = st.sampled_from([60.0, -3600.0])
"""How long a lease lasts: until the worker lets go, or not at all, as if it was killed."""
WHO = st.integers(0, 2)
IN_MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108


class Lives(RuleBasedStateMachine):
    """A thread, and all that can be asked of its runs; what is not possible is refused."""

    ids = Bundle("ids")

    def __init__(self) -> None:
        super().__init__()
        self.home = tempfile.TemporaryDirectory(dir=IN_MEMORY)
        self.backend = open_embedded(Path(self.home.name))
        self.workspace = self.backend.workspace("default")
        tables, buckets = self.workspace.tables, self.workspace.buckets
        signer = open_signer(Path(self.home.name) / "keys" / "signing.key")
        self.runs = RunStore(tables, AuditLog(tables.audit, buckets.state, signer))
        self.count = 0
        self.owners: list[Ownership] = []
        """Everyone who ever claimed a run, outdated or not, the latest last."""
        self.busy, self.queue = "", list[str]()
        """The run that had the thread before the latest step, and those that waited for it."""
        self.epochs: dict[str, int] = {}

    def teardown(self) -> None:
        self.backend.close()
        self.home.cleanup()

    def number(self) -> int:
        self.count += 1
        return self.count

    # What people ask for.

    @rule(target=ids, strategy=st.sampled_from(STRATEGIES))
    def submit(self, strategy: Strategy) -> Any:
        run_id = f"r-{self.number()}"
        try:
            enter(self.runs, PEOPLE[0], run_id, strategy=strategy)
        except Busy:
            assert strategy == "reject"
            return multiple()
        return run_id

    @rule(run_id=ids, strategy=st.sampled_from(STRATEGIES))
    def submit_again(self, run_id: str, strategy: Strategy) -> None:
        before = self.runs.get(run_id)
        assert enter(self.runs, PEOPLE[1], run_id, strategy=strategy) == before

    @rule(
        run_id=ids,
        by=st.sampled_from(PEOPLE),
        kind=st.sampled_from(["approve", "reject"]),
        late=st.booleans(),
    )
    def decide(self, run_id: str, by: Identity, kind: str, late: bool) -> None:
        asked = [d.interrupt.id for d in self.runs.decided(run_id) if late or d.decision is None]
        self.allowed(decide, self.runs, run_id, {(asked or ["none"])[0]: {"type": kind}}, by)

    @rule(run_id=ids, status=st.sampled_from(["cancelled", "timeout"]))
    def stop(self, run_id: str, status: RunStatus) -> None:
        self.allowed(stop, self.runs, run_id, status, PEOPLE[0])

    @rule(run_id=ids)
    def retry(self, run_id: str) -> None:
        self.allowed(retry, self.runs, run_id, PEOPLE[0])

    # What workers do.

    @rule(seconds=SECONDS)
    def claim_what_has_the_thread(self, seconds: float) -> None:
        if run_id := self.runs.lease(THREAD).run_id:
            self.claim(run_id, seconds)

    @rule(run_id=ids, seconds=SECONDS)
    def claim(self, run_id: str, seconds: float) -> None:
        with suppress(Conflict):
            self.owners.append(take(self.runs, run_id, seconds=seconds))

    @rule(run_id=ids)
    def expire(self, run_id: str) -> None:
        self.allowed(expire, self.runs, run_id)

    @precondition(lambda self: self.owners)
    @rule(who=WHO)
    def renew(self, who: int) -> None:
        self.allowed(self.owner(who).renew)

    @precondition(lambda self: self.owners)
    @rule(who=WHO)
    def checkpoint(self, who: int) -> None:
        checkpoint(self.workspace, self.owner(who))

    @precondition(lambda self: self.owners)
    @rule(who=WHO, error=st.sampled_from(["", "throttled"]))
    def give_back(self, who: int, error: str) -> None:
        self.allowed(give_back, self.owner(who), error=error)

    @precondition(lambda self: self.owners)
    @rule(who=WHO, status=st.sampled_from(["success", "error"]))
    def end(self, who: int, status: RunStatus) -> None:
        self.allowed(end, self.owner(who), status)

    @precondition(lambda self: self.owners)
    @rule(
        who=WHO,
        kind=st.sampled_from(["approval", "budget"]),
        terms=st.lists(st.sampled_from([0.0, -5.0, 1000.0]), min_size=1, max_size=2),
        approvals=st.integers(1, 2),
    )
    def ask(self, who: int, kind: Any, terms: list[float], approvals: int) -> None:
        value = {"action_requests": [{"name": "more", "args": {"steps": 9}}]}
        asked = [
            Interrupt(
                id=f"i-{self.number()}",
                kind=kind,
                value=value,
                approvals=approvals,
                expires_at=time.time() + term if term else 0.0,
            )
            for term in terms
        ]
        self.allowed(ask, self.owner(who), *asked)

    def owner(self, who: int) -> Ownership:
        """Return an owner, counted from the latest."""
        return self.owners[-1 - who % len(self.owners)]

    def allowed(self, work: Any, *args: Any, **options: Any) -> None:
        """Do what may be refused, and then changes nothing; no other error is expected."""
        before = self.everything()
        try:
            work(*args, **options)
        except (Conflict, NotFound):
            assert self.everything() == before

    # What must hold.

    def everything(self) -> Any:
        runs = [self.runs.kept(run_id) for run_id in self.known()]
        return runs, self.runs.lease(THREAD), due_entries(self.runs.table)

    def known(self) -> list[str]:
        return [entry["run_id"] for entry in self.runs.entries()]

    @invariant()
    def one_run_has_the_thread_and_the_others_queue_for_it(self) -> None:
        busy, waiting = self.runs.lease(THREAD).run_id, queue(self.runs)
        alive = [run.id for run in self.runs.of_thread(THREAD) if not run.ended]
        assert sorted(alive) == sorted([*([busy] if busy else []), *waiting])
        assert busy or not waiting
        assert {self.runs.get(run_id).status for run_id in waiting} <= {"pending"}

    @invariant()
    def it_is_looked_after_once_if_there_is_anything_to_look_after(self) -> None:
        lease, entries = self.runs.lease(THREAD), due_entries(self.runs.table)
        if not lease.run_id:
            assert (lease.owner, entries) == ("", [])
            return
        kept = self.runs.kept(lease.run_id)
        if kept.run.status == "running":
            assert lease.owner
            assert entries == [(lease.due_at, lease.run_id)]
            assert lease.due_at <= lease.expires_at * 1000
            return
        assert (lease.owner, lease.due_at) == ("", 0)
        assert entries == ([(kept.due_at, lease.run_id)] if kept.due_at else [])
        if kept.run.status == "pending":
            assert 0 < kept.due_at <= time.time() * 1000
        elif kept.due_at:
            terms = [each.expires_at for each in self.runs.get(lease.run_id).interrupts]
            assert kept.due_at in [int(term * 1000) for term in terms]

    @invariant()
    def who_came_first_is_served_first(self) -> None:
        busy, waiting = self.runs.lease(THREAD).run_id, queue(self.runs)
        assert waiting[: len(self.queue)] == [r for r in self.queue if r in waiting]
        assert all(self.runs.get(r).ended for r in self.queue if r not in (*waiting, busy))
        if self.busy and self.runs.get(self.busy).ended and busy in ("", *self.queue):
            assert busy == next(iter(self.queue), "")  # whoever is new has interrupted it
        self.busy, self.queue = busy, waiting

    @invariant()
    def no_epoch_falls(self) -> None:
        now = {run.id: run.epoch for run in self.runs.of_thread(THREAD)}
        highest = self.runs.lease(THREAD).epoch
        assert all(epoch <= highest for epoch in now.values())
        now[THREAD] = highest
        assert all(now[name] >= epoch for name, epoch in self.epochs.items())
        self.epochs = now

    @invariant()
    def every_chain_verifies(self) -> None:
        for run_id in self.known():
            assert verify_run(self.runs, run_id).first_bad is None


def live(examples: int, steps: int) -> None:
    run_state_machine_as_test(
        Lives,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_lives() -> None:
    live(examples=60, steps=30)


@pytest.mark.slow
def test_many_long_lives() -> None:
    live(examples=200, steps=50)
