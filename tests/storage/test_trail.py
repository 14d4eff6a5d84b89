"""The pen of an owner: each event once and in its order, whatever becomes of the answers."""

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import pytest

from storage.audit import AuditLog, append_action, chain, new_event
from storage.errors import ConditionFailed, LeaseLost, Unavailable
from storage.keys import key
from storage.limits import MAX_ITEM_BYTES
from storage.ports import Absent, Action, Item, Put, Table
from storage.records import Identity
from storage.runs import RunStore
from storage.trail import PORTION_BYTES, Trail
from storage.verification import verify_run
from storage.workspace import Workspace
from tests.storage.steps import enter, take

EFFECT = Put(Item("memo", "v1"), Absent(), table="documents")


class Flaky:
    """A table of which answers are lost: what was asked for is done, and nobody is told."""

    def __init__(self, table: Table) -> None:
        self.table = table
        self.lost = 0
        """How many of the next answers are lost."""
        self.silent = 0
        """How many of the next requests are lost, before anything is done."""
        self.asked = 0
        self.meanwhile: Callable[[], None] = lambda: None

    def transact(self, actions: Sequence[Action]) -> None:
        self.asked += 1
        if self.silent:
            self.silent -= 1
            raise Unavailable("The request was lost.")
        self.meanwhile()
        self.table.transact(actions)
        if self.lost:
            self.lost -= 1
            raise Unavailable("The answer was lost.")


@pytest.fixture
def table(workspace: Workspace) -> Flaky:
    return Flaky(workspace.tables.runs)


@pytest.fixture
def write(table: Flaky, audit: AuditLog, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Do something with a trail, in an event loop; nothing is appended before it is told to be."""
    monkeypatch.setattr("storage.trail.SOON_SECONDS", 3600.0)

    def run(work: Callable[[Trail], Coroutine[Any, Any, None]], epoch: int = 1) -> None:
        async def main() -> None:
            trail = Trail(audit, table, "r-1", epoch, audit.head("r-1"))  # type: ignore[arg-type]
            try:
                await work(trail)
            finally:
                await trail.close()

        asyncio.run(main())

    return run


def told(audit: AuditLog) -> list[int]:
    """Return the numbers that the events of the chain carry, which must be sound."""
    assert audit.verify("r-1").ok
    return [linked.event.data["n"] for linked in audit.read("r-1")]


def remark(workspace: Workspace, audit: AuditLog, n: int, epoch: int = 1) -> None:
    """Have someone else append an event."""
    linked = chain([new_event("r-1", epoch, "remark", n=n)], audit.head("r-1"))
    workspace.tables.audit.transact([append_action(linked)])


async def unanswered(writing: Coroutine[Any, Any, None]) -> None:
    with pytest.raises(Unavailable):
        await writing


class TestLostAnswers:
    def test_what_was_appended_is_not_appended_again(
        self, write: Callable[..., None], table: Flaky, audit: AuditLog
    ) -> None:
        async def work(trail: Trail) -> None:
            trail.note("node", n=1)
            table.lost = 1
            await unanswered(trail.flush())
            await trail.flush()

        write(work)
        assert told(audit) == [1]

    def test_what_is_noted_meanwhile_follows_in_its_order(
        self, write: Callable[..., None], table: Flaky, audit: AuditLog
    ) -> None:
        async def work(trail: Trail) -> None:
            for n in (1, 2):
                trail.note("node", n=n)
            table.lost = 1
            await unanswered(trail.flush())
            for n in (3, 4):
                trail.note("node", n=n)
            await trail.commit("node", [], n=5)

        write(work)
        assert told(audit) == [1, 2, 3, 4, 5]

    def test_also_what_is_noted_while_it_is_under_way(
        self, write: Callable[..., None], table: Flaky, audit: AuditLog
    ) -> None:
        async def work(trail: Trail) -> None:
            loop, more = asyncio.get_running_loop(), iter((2, 3, 4))

            async def note() -> None:
                trail.note("node", n=next(more))

            table.meanwhile = lambda: asyncio.run_coroutine_threadsafe(note(), loop).result()
            trail.note("node", n=1)
            table.lost = 1
            await unanswered(trail.flush())
            await trail.flush()
            table.meanwhile = lambda: None
            await trail.flush()

        write(work)
        assert told(audit) == [1, 2, 3, 4]

    def test_however_often_in_a_row(
        self, write: Callable[..., None], table: Flaky, audit: AuditLog
    ) -> None:
        async def work(trail: Trail) -> None:
            table.lost = 3
            for n in (1, 2, 3):
                trail.note("node", n=n)
                await unanswered(trail.flush())
            await trail.flush()

        write(work)
        assert told(audit) == [1, 2, 3]

    def test_a_request_that_was_lost_is_made_again(
        self, write: Callable[..., None], table: Flaky, audit: AuditLog
    ) -> None:
        async def work(trail: Trail) -> None:
            trail.note("node", n=1)
            table.silent = 1
            await unanswered(trail.flush())
            trail.note("node", n=2)
            await trail.flush()

        write(work)
        assert told(audit) == [1, 2]

    def test_someone_else_may_have_gone_on_by_then(
        self, write: Callable[..., None], table: Flaky, audit: AuditLog, workspace: Workspace
    ) -> None:
        async def work(trail: Trail) -> None:
            trail.note("node", n=1)
            table.lost = 1
            await unanswered(trail.flush())
            remark(workspace, audit, 2)
            trail.note("node", n=3)
            await trail.flush()

        write(work)
        assert told(audit) == [1, 2, 3]

    def test_events_that_look_alike_are_told_apart_by_their_number(
        self,
        write: Callable[..., None],
        table: Flaky,
        audit: AuditLog,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """Three of the same kind within a millisecond: two were appended, one was not."""
        monkeypatch.setattr(time, "time_ns", lambda: 1_900_000_000 * 10**9)

        async def work(trail: Trail) -> None:
            trail.note("node", n=1)
            trail.note("node", n=1)
            table.lost = 1
            await unanswered(trail.flush())
            trail.note("node", n=1)
            await trail.flush()

        write(work)
        assert told(audit) == [1, 1, 1]

    def test_an_effect_is_on_the_record_once(
        self, write: Callable[..., None], table: Flaky, audit: AuditLog, workspace: Workspace
    ) -> None:
        """Whoever tries again finds that it cannot be done, and looks for what was done."""

        async def work(trail: Trail) -> None:
            trail.note("node", n=1)
            table.lost = 1
            await unanswered(trail.commit("effect", [EFFECT], n=2))
            await asyncio.sleep(0.002)  # the next try is of another moment
            with pytest.raises(ConditionFailed) as refused:
                await trail.commit("effect", [EFFECT], n=2)
            assert refused.value.failed == (0,)
            await trail.commit("node", [], n=3)

        write(work)
        assert told(audit) == [1, 2, 3]
        assert workspace.tables.documents.get("memo", "v1") == EFFECT.item

    def test_what_is_left_of_it_is_nothing(
        self, write: Callable[..., None], table: Flaky, audit: AuditLog
    ) -> None:
        async def work(trail: Trail) -> None:
            await trail.flush()
            assert table.asked == 0
            trail.note("node", n=1, part=("a", "b"))  # read back, it is a list
            table.lost = 1
            await unanswered(trail.flush())
            await trail.flush()
            asked = table.asked
            await trail.flush()
            assert table.asked == asked

        write(work)
        assert told(audit) == [1]


class TestOthers:
    def test_an_event_of_a_person_may_come_between(
        self, write: Callable[..., None], audit: AuditLog, workspace: Workspace
    ) -> None:
        async def work(trail: Trail) -> None:
            await trail.commit("node", [], n=1)
            trail.note("node", n=3)
            remark(workspace, audit, 2, epoch=0)
            await trail.commit("node", [], n=4)

        write(work)
        assert told(audit) == [1, 2, 3, 4]

    def test_behind_an_event_of_a_later_epoch_nothing_is_written(
        self, write: Callable[..., None], audit: AuditLog, workspace: Workspace
    ) -> None:
        async def work(trail: Trail) -> None:
            await trail.commit("node", [], n=1)
            remark(workspace, audit, 2, epoch=2)
            remark(workspace, audit, 3, epoch=0)
            trail.note("node", n=4)
            for writing in (trail.flush(), trail.commit("effect", [EFFECT], n=5)):
                with pytest.raises(LeaseLost):
                    await writing

        write(work)
        assert told(audit) == [1, 2, 3]
        assert workspace.tables.documents.get("memo", "v1") is None

    def test_not_even_if_the_answer_to_what_is_before_it_was_lost(
        self, write: Callable[..., None], table: Flaky, audit: AuditLog, workspace: Workspace
    ) -> None:
        async def work(trail: Trail) -> None:
            trail.note("node", n=1)
            table.lost = 1
            await unanswered(trail.flush())
            remark(workspace, audit, 2, epoch=2)
            with pytest.raises(LeaseLost):
                await trail.flush()

        write(work)
        assert told(audit) == [1, 2]

    def test_an_action_that_does_not_hold_leaves_all_undone(
        self, write: Callable[..., None], audit: AuditLog, workspace: Workspace
    ) -> None:
        workspace.tables.documents.put(EFFECT.item)
        other = Put(Item("memo", "v2"), Absent(), table="documents")

        async def work(trail: Trail) -> None:
            trail.note("node", n=1)
            with pytest.raises(ConditionFailed) as refused:
                await trail.commit("effect", [other, EFFECT], n=2)
            assert refused.value.failed == (1,)
            assert told(audit) == []
            await trail.commit("node", [], n=3)

        write(work)
        assert told(audit) == [1, 3]
        assert workspace.tables.documents.get("memo", "v2") is None


class TestManyAtOnce:
    """The tasks of a wide step start and finish between two writes: more than an item holds."""

    WIDE = 2 * MAX_ITEM_BYTES // 1000
    TEXT = "x" * 1000

    def test_they_go_before_the_event_in_items_of_their_own(
        self, write: Callable[..., None], table: Flaky, audit: AuditLog, workspace: Workspace
    ) -> None:
        async def work(trail: Trail) -> None:
            for n in range(self.WIDE):
                trail.note("node", n=n, text=self.TEXT)
            await trail.commit("effect", [EFFECT], n=self.WIDE, anchor=True)

        write(work)
        assert told(audit) == [*range(self.WIDE + 1)]
        assert table.asked == pytest.approx(2 * MAX_ITEM_BYTES / PORTION_BYTES, abs=3)
        assert workspace.tables.documents.get("memo", "v1") == EFFECT.item
        assert [linked.event.seq for linked in audit.read("r-1", self.WIDE)] == [self.WIDE]

    def test_each_once_though_answers_are_lost_and_people_come_between(
        self, write: Callable[..., None], table: Flaky, audit: AuditLog, workspace: Workspace
    ) -> None:
        async def work(trail: Trail) -> None:
            for n in range(self.WIDE):
                trail.note("node", n=n, text=self.TEXT)
            for _ in range(2):
                table.lost = 1
                await unanswered(trail.flush())
            remark(workspace, audit, -1, epoch=0)
            await trail.commit("node", [], n=self.WIDE)

        write(work)
        assert [n for n in told(audit) if n >= 0] == [*range(self.WIDE + 1)]

    def test_an_action_that_does_not_hold_is_told_by_its_position(
        self, write: Callable[..., None], audit: AuditLog, workspace: Workspace
    ) -> None:
        workspace.tables.documents.put(EFFECT.item)

        async def work(trail: Trail) -> None:
            for n in range(self.WIDE):
                trail.note("node", n=n, text=self.TEXT)
            with pytest.raises(ConditionFailed) as refused:
                await trail.commit("effect", [EFFECT], n=self.WIDE)
            assert refused.value.failed == (0,)
            await trail.commit("node", [], n=self.WIDE + 1)

        write(work)
        assert told(audit) == [*range(self.WIDE), self.WIDE + 1]


def test_the_tasks_of_a_loop_write_one_chain(write: Callable[..., None], audit: AuditLog) -> None:
    async def work(trail: Trail) -> None:
        async def one(n: int) -> None:
            trail.note("node", n=n)
            await trail.commit("node", [], n=n)

        await asyncio.gather(*[one(n) for n in range(6)])

    write(work)
    assert sorted(told(audit)) == sorted([*range(6), *range(6)])


def test_an_effect_that_was_under_way_when_its_task_was_cancelled_is_not_behind_the_end(
    runs: RunStore, ann: Identity, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One of two parallel tasks fails: the other is cancelled while its write is on its way."""
    done: Any = {"state": "done", "text": "Published."}
    effect = Put(Item(key("run", "r-1"), f"l/{key('c-1')}", done), Absent(), table="runs")
    transact = runs.table.transact
    begun, go_on = threading.Event(), threading.Event()

    def slow(actions: Sequence[Action]) -> None:
        if effect in actions:
            begun.set()
            go_on.wait(10)
        transact(actions)

    async def work() -> None:
        owned = take(runs)
        acting = asyncio.create_task(owned.trail.commit("effect", [effect], call="c-1"))
        await asyncio.to_thread(begun.wait)
        acting.cancel()
        ending = asyncio.create_task(owned.end("error", error="the other task failed"))
        await asyncio.wait({ending}, timeout=0.2)
        go_on.set()
        await asyncio.gather(acting, ending, return_exceptions=True)

    enter(runs, ann)
    monkeypatch.setattr(runs.table, "transact", slow)
    asyncio.run(work())
    assert [linked.event.kind for linked in runs.audit.read("r-1")][-1] == "ended"
    assert verify_run(runs, "r-1").first_bad is None
