"""A plan is carried out once, whatever crashes, and by nobody who lost the lease."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from storage.audit import AuditLog
from storage.claims import claim
from storage.errors import ConditionFailed, Conflict, LeaseLost, NotAllowed, Unavailable
from storage.objects import ObjectStore
from storage.ports import Absent, Action, Item, Put, VersionIs
from storage.records import Identity, Run
from storage.runs import RunStore
from storage.signing import open_signer
from storage.submission import submit
from storage.trail import Trail
from storage.verification import verify_run
from storage.workspace import Workspace, WorkspaceTable
from tools.deliverables import plan_publish
from tools.effects import MOST_TEXT, Effects, Grant, Outcome, OutcomeUnknown
from tools.registry import Plan, Safety

GRANT = Grant(by="ann", binding="abc")
Work = Callable[[Effects], Awaitable[Outcome | None]]


@pytest.fixture
def runs(workspace: Workspace, tmp_path: Path) -> RunStore:
    signer = open_signer(tmp_path / "signing.key")
    audit = AuditLog(workspace.tables.audit, workspace.buckets.state, signer)
    store = RunStore(workspace.tables, audit)
    run = Run(id="r-1", thread_id="t-1", status="pending", question="?")
    submit(store, run, Identity(name="ann", source="os"))
    return store


@pytest.fixture
def objects(workspace: Workspace) -> ObjectStore:
    return ObjectStore(workspace.tables.documents, workspace.buckets.deliverables)


def as_owner(runs: RunStore, workspace: Workspace, work: Work, seconds: float = -1) -> Outcome:
    """Claim the run, as each worker does anew, and do some work with its ledger."""
    owned = claim(runs, "r-1", owner="w", seconds=seconds)

    async def go() -> Outcome | None:
        outcome = await work(Effects(owned.trail, runs.table, "r-1"))
        await owned.trail.flush()
        return outcome

    outcome = asyncio.run(go())
    assert outcome
    return outcome


def perform(plan: Plan, safety: Safety = "transaction") -> Work:
    return lambda effects: effects.perform("call-1", "tool", safety, plan, GRANT, "task")


@pytest.fixture
def fail_at(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, Exception], None]:
    """Let the storage refuse the events of a kind."""

    def refuse(kind: str, error: Exception) -> None:
        commit = Trail.commit

        async def refused(self: Trail, found: str, *args: Any, **options: Any) -> None:
            if found == kind:
                raise error
            await commit(self, found, *args, **options)

        monkeypatch.setattr(Trail, "commit", refused)

    return refuse


def kinds(runs: RunStore) -> list[str]:
    return [linked.event.kind for linked in runs.audit.read("r-1")]


def test_publishing_happens_once(
    runs: RunStore, workspace: Workspace, objects: ObjectStore
) -> None:
    for _ in range(3):  # a worker that finds nothing in its state does it again
        plan = plan_publish(objects, "memo.md", b"text")
        outcome = as_owner(runs, workspace, perform(plan))
        assert outcome == Outcome("done", "Published memo.md, version 1.")

    published = objects.find("memo.md")
    assert published
    assert published.version == 1
    assert objects.get("memo.md") == b"text"
    assert kinds(runs).count("effect") == 1
    assert verify_run(runs, "r-1").ok


def test_the_effect_its_event_and_its_entry_commit_together(
    runs: RunStore, workspace: Workspace, objects: ObjectStore
) -> None:
    plan = plan_publish(objects, "memo.md", b"text")
    objects.keep(b"someone else's")
    workspace.tables.documents.transact(objects.publish("memo.md", b"someone else's", None))

    with pytest.raises(Conflict, match="no longer applies"):
        as_owner(runs, workspace, perform(plan))

    assert objects.get("memo.md") == b"someone else's"
    assert "effect" not in kinds(runs)
    assert as_owner(runs, workspace, _found_nothing) == Outcome("done", "nothing")


async def _found_nothing(effects: Effects) -> Outcome:
    assert await effects.find("call-1") is None
    return Outcome("done", "nothing")


def test_who_lost_the_lease_does_nothing(
    runs: RunStore, workspace: Workspace, objects: ObjectStore
) -> None:
    stale = claim(runs, "r-1", owner="old", seconds=-1)
    claim(runs, "r-1", owner="new", seconds=60)

    async def late() -> None:
        effects = Effects(stale.trail, runs.table, "r-1")
        await effects.perform(
            "call-1", "tool", "transaction", plan_publish(objects, "m.md", b"x"), GRANT, "task"
        )

    with pytest.raises(LeaseLost):
        asyncio.run(late())
    assert objects.find("m.md") is None


class TestAtMostOnce:
    """What takes no idempotency token is begun once; nobody repeats what may have been done."""

    def test_it_is_called_once(self, runs: RunStore, workspace: Workspace) -> None:
        calls: list[int] = []
        plan = Plan(shows="", done="Sent.", call=lambda: calls.append(1))
        assert as_owner(runs, workspace, perform(plan, "at_most_once")) == Outcome("done", "Sent.")
        assert calls == [1]
        assert kinds(runs)[-2:] == ["effect_begun", "effect"]
        assert verify_run(runs, "r-1").ok

    @pytest.mark.parametrize(
        ("returned", "kept"),
        [
            pytest.param("x" * 500_000, "Sent.\n" + "x" * (MOST_TEXT - 6) + "…", id="without end"),
            pytest.param("語" * 500_000, "Sent.\n" + "語" * (MOST_TEXT - 6) + "…", id="in bytes"),
            pytest.param("half \ud800 a pair", "Sent.\nhalf \ufffd a pair", id="no character"),
        ],
    )
    def test_whatever_it_returned_can_be_written_down(
        self, runs: RunStore, workspace: Workspace, returned: str, kept: str
    ) -> None:
        plan = Plan(shows="", done="Sent.", call=lambda: returned)
        done = as_owner(runs, workspace, perform(plan, "at_most_once"))
        assert done == Outcome("done", kept)
        assert as_owner(runs, workspace, lambda effects: effects.find("call-1")) == done

    def test_if_its_end_cannot_be_written_down_its_outcome_is_unknown(
        self, runs: RunStore, workspace: Workspace, fail_at: Callable[[str, Exception], None]
    ) -> None:
        """It was done: no error that comes after may say otherwise."""
        fail_at("effect", NotAllowed("The session has run out."))
        with pytest.raises(OutcomeUnknown, match="NotAllowed"):
            as_owner(runs, workspace, perform(Plan("", "Sent.", call=lambda: None), "at_most_once"))

    @pytest.mark.parametrize("error", [Unavailable("No answer."), LeaseLost("It has another.")])
    def test_who_goes_on_with_the_run_finds_it_begun(
        self,
        runs: RunStore,
        workspace: Workspace,
        fail_at: Callable[[str, Exception], None],
        error: Exception,
    ) -> None:
        fail_at("effect", error)
        with pytest.raises(type(error)):
            as_owner(runs, workspace, perform(Plan("", "Sent.", call=lambda: None), "at_most_once"))
        found = as_owner(runs, workspace, lambda effects: effects.find("call-1"))
        assert found == Outcome("begun")

    def test_killed_in_between_its_outcome_is_unknown(
        self, runs: RunStore, workspace: Workspace
    ) -> None:
        def killed() -> None:
            raise KeyboardInterrupt

        plan = Plan(shows="", done="Sent.", call=killed)
        with pytest.raises(KeyboardInterrupt):
            as_owner(runs, workspace, perform(plan, "at_most_once"))

        found = as_owner(runs, workspace, lambda effects: effects.find("call-1"))
        assert found == Outcome("begun")
        with pytest.raises(ConditionFailed):
            as_owner(runs, workspace, perform(plan, "at_most_once"))

    def test_a_person_settles_it(self, runs: RunStore, workspace: Workspace) -> None:
        plan = Plan(shows="", done="Sent.", call=lambda: 1 / 0)  # type: ignore[arg-type]
        with pytest.raises(OutcomeUnknown):
            as_owner(runs, workspace, perform(plan, "at_most_once"))

        settled = Outcome("not_done", "It was not sent, a person found.")
        as_owner(runs, workspace, lambda effects: effects.settle("call-1", settled, "task"))
        assert as_owner(runs, workspace, lambda effects: effects.find("call-1")) == settled
        assert "effect" not in kinds(runs)
        assert verify_run(runs, "r-1").ok

    def test_it_is_settled_once(self, runs: RunStore, workspace: Workspace) -> None:
        plan = Plan(shows="", done="Sent.", call=lambda: None)
        as_owner(runs, workspace, perform(plan, "at_most_once"))
        other = Outcome("not_done", "It was not sent, a person found.")
        with pytest.raises(ConditionFailed):
            as_owner(runs, workspace, lambda effects: effects.settle("call-1", other, "task"))
        assert kinds(runs).count("effect") == 1


class TestRepeatable:
    """What changes nothing more when it is done again is done again after a crash."""

    def plan(self, call: Callable[[], str | None]) -> Plan:
        put = Put(Item("item/a", "s", {"n": 1}), Absent(), table="memory")
        return Plan(shows="", done="Kept.", actions=[put], call=call)

    def test_it_commits_then_calls_then_says_what_came_of_it(
        self, runs: RunStore, workspace: Workspace
    ) -> None:
        def call() -> str:
            return f"It is {workspace.tables.memory.get('item/a', 's') is not None}."

        done = as_owner(runs, workspace, perform(self.plan(call), "repeatable"))
        assert done == Outcome("done", "Kept.\nIt is True.")
        assert kinds(runs)[-2:] == ["effect_begun", "effect"]
        assert verify_run(runs, "r-1").ok

    def test_killed_in_between_it_is_called_again(
        self, runs: RunStore, workspace: Workspace
    ) -> None:
        def killed() -> None:
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            as_owner(runs, workspace, perform(self.plan(killed), "repeatable"))

        calls: list[int] = []
        again = self.plan(lambda: calls.append(1))
        for _ in range(2):
            done = as_owner(runs, workspace, perform(again, "repeatable"))
            assert done == Outcome("done", "Kept.")
        assert calls == [1]
        assert kinds(runs).count("effect") == 1

    def test_another_approval_does_not_go_on_from_the_first(
        self, runs: RunStore, workspace: Workspace
    ) -> None:
        with pytest.raises(ZeroDivisionError):
            as_owner(runs, workspace, perform(self.plan(lambda: str(1 / 0)), "repeatable"))

        other = Grant(by="ann", binding="another")
        plan = self.plan(lambda: None)
        with pytest.raises(Conflict, match="changed since"):
            as_owner(
                runs,
                workspace,
                lambda effects: effects.perform("call-1", "t", "repeatable", plan, other, "task"),
            )


def test_an_answer_that_was_lost_is_found_again(
    runs: RunStore, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The transaction committed, and its answer did not come back: nothing is done twice."""
    owned = claim(runs, "r-1", owner="w", seconds=60)
    target = Item("item/a", "s", {"n": 1}, version=1)
    workspace.tables.memory.put(target)
    again = Put(Item("item/a", "s", {"n": 2}, version=2), VersionIs(1), table="memory")

    async def twice(trail: Trail) -> None:
        await trail.commit("effect", [again], call="call-1")
        transact = WorkspaceTable.transact
        attempts: list[int] = []

        def committed_then_lost(self: WorkspaceTable, actions: Sequence[Action]) -> None:
            transact(self, actions)
            attempts.append(1)
            if len(attempts) == 1:
                raise ConditionFailed("as a repeated request would find it", (0, 1))

        monkeypatch.setattr(WorkspaceTable, "transact", committed_then_lost)
        third = Put(Item("item/a", "s", {"n": 3}, version=3), VersionIs(2), table="memory")
        await trail.commit("effect", [third], call="call-2")

    asyncio.run(twice(owned.trail))
    found = workspace.tables.memory.get("item/a", "s")
    assert found
    assert found.body == {"n": 3}
    assert kinds(runs).count("effect") == 2


def test_of_two_plans_for_one_name_the_first_is_carried_out(
    runs: RunStore, workspace: Workspace, objects: ObjectStore
) -> None:
    """The name has a version already, and each plan would replace exactly that one."""
    as_owner(runs, workspace, perform(plan_publish(objects, "memo.md", b"first")))
    planned = (
        plan_publish(objects, "memo.md", b"second"),
        plan_publish(objects, "memo.md", b"third"),
    )

    def perform_as(call: str, plan: Plan) -> Work:
        return lambda effects: effects.perform(call, "tool", "transaction", plan, GRANT, "task")

    as_owner(runs, workspace, perform_as("call-2", planned[0]))
    with pytest.raises(Conflict, match="no longer applies"):
        as_owner(runs, workspace, perform_as("call-3", planned[1]))
    assert objects.get("memo.md") == b"second"
