"""Runs, their claims and decisions: each change is one transaction, and one writer wins."""

import asyncio
import threading
import time
from contextlib import suppress
from typing import Any

import pytest

from storage.audit import AuditLog, append_action, chain, new_event
from storage.claims import MOST_TRIES, claim
from storage.decisions import decide
from storage.errors import Busy, Conflict, Leased, LeaseLost, NotFound
from storage.leases import Ownership
from storage.ports import Item, Put
from storage.records import Answer, Identity, Interrupt, Run
from storage.run_layout import Decided
from storage.runs import RunStore
from storage.stopping import retry, stop
from storage.submission import submit
from storage.verification import verify_run
from storage.workspace import Workspace

ASK = Interrupt(id="i-1", kind="approval", value={"binding": "abc"})


def enter(runs: RunStore, ann: Identity, run_id: str = "r-1", thread: str = "t-1") -> Run:
    run = Run(id=run_id, thread_id=thread, status="pending", question="What is due?")
    return submit(runs, run, ann)


def take(
    runs: RunStore, workspace: Workspace, run_id: str = "r-1", seconds: float = 60
) -> Ownership:
    name = threading.current_thread().name
    return claim(runs, run_id, owner=name, seconds=seconds)


def kinds(audit: AuditLog, run_id: str = "r-1") -> list[str]:
    return [linked.event.kind for linked in audit.read(run_id)]


def due(runs: RunStore, seconds: float = 0) -> list[str]:
    return list(runs.due(time.time() + seconds))


class TestSubmit:
    def test_a_submitted_run_is_pending_and_due(
        self, runs: RunStore, ann: Identity, audit: AuditLog
    ) -> None:
        run = enter(runs, ann)
        assert (run.status, run.created_by) == ("pending", "ann")
        assert due(runs) == ["r-1"]
        assert [entry["run_id"] for entry in runs.entries(status="pending")] == ["r-1"]
        assert runs.entries(status="success") == []
        assert kinds(audit) == ["submitted"]

    def test_submitting_again_changes_nothing(
        self, runs: RunStore, ann: Identity, audit: AuditLog
    ) -> None:
        assert enter(runs, ann) == enter(runs, ann)
        assert kinds(audit) == ["submitted"]

    def test_a_busy_thread_takes_no_second_run(self, runs: RunStore, ann: Identity) -> None:
        enter(runs, ann)
        with pytest.raises(Busy, match="r-1"):
            enter(runs, ann, "r-2")
        enter(runs, ann, "r-2", thread="t-2")
        assert [run.id for run in runs.of_thread("t-1")] == ["r-1"]

    def test_of_two_at_once_one_gets_the_thread(self, runs: RunStore, ann: Identity) -> None:
        refused: list[Busy] = []

        def one(run_id: str) -> None:
            try:
                enter(runs, ann, run_id)
            except Busy as error:
                refused.append(error)

        _together(*[lambda n=n: one(f"r-{n}") for n in range(6)])
        assert len(refused) == 5
        assert len(list(runs.of_thread("t-1"))) == 1


class TestClaim:
    def test_a_claim_raises_the_epoch(
        self, runs: RunStore, workspace: Workspace, ann: Identity, audit: AuditLog
    ) -> None:
        enter(runs, ann)
        owned = take(runs, workspace)
        assert owned.run.epoch == runs.lease("t-1").epoch == 1
        assert runs.get("r-1").status == "running"
        assert kinds(audit) == ["submitted", "claimed"]
        assert due(runs) == []
        assert due(runs, 61) == ["r-1"]

    def test_a_live_lease_is_not_claimed(
        self, runs: RunStore, workspace: Workspace, ann: Identity
    ) -> None:
        enter(runs, ann)
        take(runs, workspace, seconds=60)
        with pytest.raises(Leased) as refused:
            take(runs, workspace)
        assert refused.value.until > time.time() + 50

    def test_a_lease_that_ran_out_is_claimed_again(
        self, runs: RunStore, workspace: Workspace, ann: Identity
    ) -> None:
        enter(runs, ann)
        old = take(runs, workspace, seconds=-1)
        new = take(runs, workspace)
        assert new.run.epoch == 2
        with pytest.raises(LeaseLost):
            old.renew()
        new.renew()

    def test_of_many_workers_one_claims(
        self, runs: RunStore, workspace: Workspace, ann: Identity
    ) -> None:
        enter(runs, ann)
        won: list[Ownership] = []

        def one() -> None:
            with suppress(Leased):
                won.append(take(runs, workspace))

        _together(*[one] * 8)
        assert len(won) == 1
        assert runs.get("r-1").epoch == 1

    def test_a_run_that_only_fails_is_given_up(
        self, runs: RunStore, workspace: Workspace, ann: Identity, audit: AuditLog
    ) -> None:
        enter(runs, ann)
        for _ in range(MOST_TRIES):
            take(runs, workspace, seconds=-1)
        with pytest.raises(Conflict, match="given up"):
            take(runs, workspace)
        run = runs.get("r-1")
        assert run.status == "error"
        assert "tries" in run.error
        assert runs.lease("t-1").run_id == ""
        assert due(runs, 1000) == []
        assert audit.verify("r-1").ok

    def test_who_drove_it_last_changes_nothing_more_when_it_is_given_up(
        self, runs: RunStore, workspace: Workspace, ann: Identity, audit: AuditLog
    ) -> None:
        """Slow is not dead: the last of the five tries may still be at work."""
        enter(runs, ann)
        *_, last = [take(runs, workspace, seconds=-1) for _ in range(MOST_TRIES)]
        with pytest.raises(Conflict, match="given up"):
            take(runs, workspace)

        effect = Put(Item("memo", "v1", {}), table="documents")
        with pytest.raises(LeaseLost):
            asyncio.run(last.trail.commit("effect", [effect], call="c-1"))
        with pytest.raises(LeaseLost):
            asyncio.run(_end(last))
        assert workspace.tables.documents.get("memo", "v1") is None
        assert runs.get("r-1").status == "error"
        assert verify_run(runs, "r-1").ok

    def test_there_must_be_such_a_run(self, runs: RunStore, workspace: Workspace) -> None:
        with pytest.raises(NotFound, match="r-9"):
            take(runs, workspace, "r-9")


class TestOwner:
    def test_ending_frees_the_thread_and_anchors_the_chain(
        self, runs: RunStore, workspace: Workspace, ann: Identity, audit: AuditLog
    ) -> None:
        enter(runs, ann)
        owned = take(runs, workspace)
        answer = Answer(status="not_in_documents", text="The documents do not say.")
        asyncio.run(_end(owned, answer=answer))

        run = runs.get("r-1")
        assert (run.status, run.answer) == ("success", answer)
        assert due(runs, 1000) == []
        assert kinds(audit) == ["submitted", "claimed", "node", "ended"]
        assert audit.verify("r-1").ok
        assert len(list(workspace.buckets.state.list("anchors/"))) == 1
        enter(runs, ann, "r-2")

    def test_who_lost_the_lease_ends_nothing(
        self, runs: RunStore, workspace: Workspace, ann: Identity, audit: AuditLog
    ) -> None:
        enter(runs, ann)
        old = take(runs, workspace, seconds=-1)
        new = take(runs, workspace)
        with pytest.raises(LeaseLost):
            asyncio.run(_end(old))
        assert runs.get("r-1").status == "running"
        asyncio.run(_end(new))
        assert kinds(audit) == ["submitted", "claimed", "claimed", "node", "ended"]
        assert audit.verify("r-1").ok

    def test_who_let_go_neither_renews_nor_lets_go_again(
        self, runs: RunStore, workspace: Workspace, ann: Identity, audit: AuditLog
    ) -> None:
        """A renewal that was under way, or Ctrl-C in the last write, comes after the end."""
        enter(runs, ann)
        owned = take(runs, workspace)
        asyncio.run(_end(owned))
        owned.renew()
        with pytest.raises(LeaseLost):
            asyncio.run(owned.give_back(after=0, error=""))
        assert runs.get("r-1").status == "success"
        assert not runs.lease("t-1").live(time.time())
        assert kinds(audit)[-1] == "ended"

    def test_an_interrupted_run_waits_until_a_person_decides(
        self, runs: RunStore, workspace: Workspace, ann: Identity, audit: AuditLog
    ) -> None:
        enter(runs, ann)
        assert asyncio.run(_wait(take(runs, workspace)))

        run = runs.get("r-1")
        assert (run.status, run.interrupts) == ("interrupted", [ASK])
        assert due(runs, 1000) == []
        with pytest.raises(Conflict, match="waits"):
            take(runs, workspace)
        with pytest.raises(Busy, match="decision"):
            enter(runs, ann, "r-2")

        decide(runs, "r-1", {"i-1": {"type": "approve"}}, ann)
        assert runs.get("r-1").status == "pending"
        assert due(runs) == ["r-1"]
        (decided,) = runs.decided("r-1")
        assert decided.decided_by == ann
        assert decided.decision == {"type": "approve"}
        assert kinds(audit) == ["submitted", "claimed", "interrupted", "decision"]
        assert take(runs, workspace).run.epoch == 2

    def test_a_decision_that_comes_before_the_question_is_put_is_not_lost(
        self, runs: RunStore, workspace: Workspace, ann: Identity
    ) -> None:
        """Of two interrupts one is decided while a worker works on the other."""
        other = ASK.model_copy(update={"id": "i-2"})
        enter(runs, ann)
        asyncio.run(_wait(take(runs, workspace), ASK, other))
        decide(runs, "r-1", {"i-1": {"type": "approve"}}, ann)
        owned = take(runs, workspace)
        decide(runs, "r-1", {"i-2": {"type": "approve"}}, ann)
        assert runs.get("r-1").status == "running"

        assert not asyncio.run(_wait(owned, other))
        assert runs.get("r-1").status == "running"

    def test_a_decision_that_comes_while_the_question_is_put_is_not_lost(
        self,
        runs: RunStore,
        workspace: Workspace,
        ann: Identity,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        other = ASK.model_copy(update={"id": "i-2"})
        enter(runs, ann)
        asyncio.run(_wait(take(runs, workspace), ASK, other))
        decide(runs, "r-1", {"i-1": {"type": "approve"}}, ann)
        owned = take(runs, workspace)
        read = runs.decided

        def read_then_decided(run_id: str) -> list[Decided]:
            found = read(run_id)
            monkeypatch.setattr(runs, "decided", read)
            decide(runs, "r-1", {"i-2": {"type": "approve"}}, ann)
            return found

        monkeypatch.setattr(runs, "decided", read_then_decided)
        assert not asyncio.run(_wait(owned, other))
        assert runs.get("r-1").status == "running"

    def test_an_event_of_a_person_comes_between(
        self, runs: RunStore, workspace: Workspace, ann: Identity, audit: AuditLog
    ) -> None:
        enter(runs, ann)
        asyncio.run(_wait(take(runs, workspace)))
        decide(runs, "r-1", {"i-1": {"type": "approve"}}, ann)

        async def work() -> None:
            owned = take(runs, workspace)
            await owned.trail.commit("node", [], n=1)
            head = audit.head("r-1")
            event = new_event("r-1", 1, "remark")
            workspace.tables.audit.transact([append_action(chain([event], head))])
            await owned.trail.commit("node", [], n=2)
            await owned.end("success")

        asyncio.run(work())
        assert kinds(audit)[-4:] == ["node", "remark", "node", "ended"]
        assert audit.verify("r-1").ok

    def test_giving_back_lets_another_try_later(
        self, runs: RunStore, workspace: Workspace, ann: Identity
    ) -> None:
        enter(runs, ann)
        asyncio.run(take(runs, workspace).give_back(after=30, error="throttled"))
        assert runs.get("r-1").error == "throttled"
        assert due(runs) == []
        assert due(runs, 31) == ["r-1"]
        assert take(runs, workspace).run.tries == 2


def test_a_question_that_was_put_is_progress(
    runs: RunStore, workspace: Workspace, ann: Identity
) -> None:
    """However often a person is asked in one step, the run is not given up for that."""
    enter(runs, ann)
    for number in range(MOST_TRIES + 1):
        ask = ASK.model_copy(update={"id": f"i-{number}"})
        assert asyncio.run(_wait(take(runs, workspace), ask))
        decide(runs, "r-1", {ask.id: {"type": "approve"}}, ann)
    assert take(runs, workspace).run.tries == 1


class TestDecide:
    def waiting(self, runs: RunStore, workspace: Workspace, ann: Identity) -> None:
        enter(runs, ann)
        asyncio.run(_wait(take(runs, workspace)))

    def test_one_decision_counts(
        self, runs: RunStore, workspace: Workspace, ann: Identity, audit: AuditLog
    ) -> None:
        self.waiting(runs, workspace, ann)
        refused: list[Conflict] = []

        def one(kind: str) -> None:
            try:
                decide(runs, "r-1", {"i-1": {"type": kind}}, ann)
            except Conflict as error:
                refused.append(error)

        _together(*[lambda k=k: one(k) for k in ("approve", "reject", "approve", "reject")])
        assert len(refused) == 3
        assert all("already" in str(error) for error in refused)
        assert kinds(audit).count("decision") == 1
        assert audit.verify("r-1").ok

    def test_what_is_not_asked_cannot_be_decided(
        self, runs: RunStore, workspace: Workspace, ann: Identity
    ) -> None:
        self.waiting(runs, workspace, ann)
        with pytest.raises(NotFound, match="i-1"):
            decide(runs, "r-1", {"i-9": {"type": "approve"}}, ann)
        assert runs.get("r-1").status == "interrupted"


class TestCancel:
    def test_a_cancelled_run_has_no_owner(
        self, runs: RunStore, workspace: Workspace, ann: Identity, audit: AuditLog
    ) -> None:
        enter(runs, ann)
        owned = take(runs, workspace)
        assert stop(runs, "r-1", "cancelled", ann)[0].status == "cancelled"
        with pytest.raises(LeaseLost):
            owned.renew()
        with pytest.raises(LeaseLost):
            asyncio.run(_end(owned))
        with pytest.raises(Conflict):
            stop(runs, "r-1", "cancelled", ann)
        assert kinds(audit) == ["submitted", "claimed", "ended"]
        assert audit.verify("r-1").ok
        enter(runs, ann, "r-2")
        assert take(runs, workspace, "r-2").run.epoch == 3


def test_an_error_is_retried_where_it_stopped(
    runs: RunStore, workspace: Workspace, ann: Identity
) -> None:
    enter(runs, ann)
    asyncio.run(take(runs, workspace).end("error", error="the model's key expired"))
    with pytest.raises(Conflict):
        decide(runs, "r-1", {"i-1": {"type": "approve"}}, ann)

    assert retry(runs, "r-1", ann).status == "pending"
    assert take(runs, workspace).run.tries == 1
    with pytest.raises(Conflict):
        retry(runs, "r-1", ann)


async def _end(owned: Ownership, **fields: Any) -> None:
    owned.trail.note("node", node="analyst")
    await owned.end("success", **fields)
    await owned.trail.close()


async def _wait(owned: Ownership, *interrupts: Interrupt) -> bool:
    return await owned.wait_for_person(interrupts or [ASK])


def _together(*works: Any) -> None:
    threads = [threading.Thread(target=work) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
