"""A second message on a busy thread: it is refused, waits for its turn, or takes the thread over.

The state of the chain n1, n2 grows by what the model says, so that an answer shows what the runs
before it on the thread have left: `n1 n2` is that of the first, `n1 n2 n1 n2` that of the second.
"""

import threading
from typing import Any

import pytest
from langchain_core.messages import HumanMessage

from graph import Orchestrator
from graph.drive import take
from storage.errors import Busy, Conflict, InvalidInput, LeaseLost
from storage.fence import record_fence
from storage.records import Budget, Run
from storage.runs import RunStore

from .conftest import LEASE, Clock, OpenDesk
from .stage import (
    Billing,
    Calling,
    Driving,
    Pause,
    chain,
    decide,
    doing,
    kinds,
    standing_still,
    the_question,
    work_until,
)

GRAPHS = {"chain": chain(2), "doing": doing()}


def submit(desk: Orchestrator, strategy: str = "enqueue", **asked: Any) -> Run:
    asked = {"graph": "chain", "thread": "t", "multitask_strategy": strategy, **asked}
    return desk.runs.submit("go", **asked)


def text(desk: Orchestrator, run: Run) -> str:
    found = desk.runs.get(run.id)
    assert found.status == "success", found
    assert found.answer
    return found.answer.text


def work_off(desk: Orchestrator, *runs: Run) -> None:
    """Have a worker drive runs to their end."""
    work_until(desk.worker(), done=lambda: all(desk.runs.get(run.id).ended for run in runs))


@pytest.fixture
def desk(open_desk: OpenDesk) -> Orchestrator:
    return open_desk(model=Billing(), graphs=GRAPHS)


class TestReject:
    def test_it_is_what_happens_unless_one_says_otherwise(self, desk: Orchestrator) -> None:
        first = desk.runs.submit("go", graph="chain", thread="t")
        with pytest.raises(Busy, match=first.id):
            desk.runs.submit("go", graph="chain", thread="t")
        with pytest.raises(Busy, match=first.id):
            desk.invoke("go", graph="chain", thread="t")
        assert [run.id for run in desk.runs.of_thread("t")] == [first.id]

    def test_there_are_three_ways_and_no_other(self, desk: Orchestrator) -> None:
        with pytest.raises(InvalidInput, match="reject, enqueue, interrupt"):
            submit(desk, "rollback")


class TestEnqueue:
    def test_each_waits_for_those_before_it_and_goes_on_from_them(self, desk: Orchestrator) -> None:
        first, second, third = (submit(desk) for _ in range(3))
        assert [run.status for run in (first, second, third)] == ["pending"] * 3
        assert first.id in desk.runs.notes(third.id)[0]
        assert desk.runs.notes(first.id) == []

        work_off(desk, first, second, third)

        assert text(desk, first) == "n1 n2"
        assert text(desk, second) == "n1 n2 n1 n2"
        assert text(desk, third) == "n1 n2 n1 n2 n1 n2"
        assert [desk.runs.get(run.id).epoch for run in (first, second, third)] == [1, 2, 3]
        assert all(desk.audit.verify(run.id).ok for run in (first, second, third))

    def test_the_second_question_knows_what_the_first_was_about(self, open_desk: OpenDesk) -> None:
        desk = open_desk()
        desk.documents.add(LEASE.encode(), name="lease.txt")
        first = desk.runs.submit("Who may terminate the lease early?", thread="t")
        second = desk.runs.submit("And on what notice?", thread="t", multitask_strategy="enqueue")
        work_off(desk, first, second)
        assert "ninety days" in text(desk, second)

    def test_of_many_at_once_each_gets_its_turn(self, desk: Orchestrator) -> None:
        entered: list[Run] = []
        at_once = [threading.Thread(target=lambda: entered.append(submit(desk))) for _ in range(5)]
        for each in at_once:
            each.start()
        for each in at_once:
            each.join()
        work_off(desk, *entered)
        assert sorted(len(text(desk, run).split()) for run in entered) == [2, 4, 6, 8, 10]

    def test_to_drive_it_waits_for_its_turn(self, desk: Orchestrator) -> None:
        first, second = submit(desk), submit(desk)
        said: list[str] = []
        waiting = Driving(desk, second, progress=said.append)
        while not said:
            assert waiting.is_alive()
        assert desk.runs.get(second.id).status == "pending"
        assert desk.drive(first.id).status == "success"
        assert waiting.ended().status == "success"
        assert text(desk, second) == "n1 n2 n1 n2"
        assert first.id in said[0]

    def test_it_waits_for_a_person_s_decision_too(self, open_desk: OpenDesk) -> None:
        model = Calling(wanted=[("put_object", {"key": "a.txt", "text": "a"})])
        desk = open_desk(model=model, graphs=GRAPHS)
        first = desk.invoke("go", graph="doing", thread="t")
        second = submit(desk, graph="doing")
        the_question(first, "approval")
        decide(desk, first, {"type": "reject", "message": "no"})
        work_off(desk, first, second)
        assert desk.runs.get(second.id).status == "success"

    def test_it_has_its_turn_when_the_one_before_got_no_more_budget(
        self, desk: Orchestrator
    ) -> None:
        first = desk.invoke("go", graph="chain", thread="t", budget=Budget(steps=1))
        second = submit(desk)
        assert decide(desk, first, {"type": "reject"}).status == "cancelled"
        work_off(desk, second)
        assert text(desk, second) == "n1 n1 n2"

    def test_who_waits_survives_the_death_of_a_worker(
        self, open_desk: OpenDesk, clock: Clock
    ) -> None:
        pause = Pause("n2")
        dead = open_desk(model=Billing(meanwhile=pause), graphs=GRAPHS)
        alive = open_desk(model=Billing(), graphs=GRAPHS)
        first, second = submit(dead), submit(dead)
        with standing_still(dead, first, pause):
            clock.forward(60)
            work_off(alive, first, second)
        assert (text(alive, first), text(alive, second)) == ("n1 n2", "n1 n2 n1 n2")
        assert kinds(alive, first).count("claimed") == 2
        assert kinds(alive, second).count("claimed") == 1

    def test_one_that_is_cancelled_is_passed_over(self, desk: Orchestrator) -> None:
        first, second, third = (submit(desk) for _ in range(3))
        assert desk.runs.cancel(second.id).status == "cancelled"
        work_off(desk, first, third)
        assert text(desk, third) == "n1 n2 n1 n2"
        assert kinds(desk, second) == ["submitted", "ended"]

    def test_one_that_leaves_just_as_it_would_have_its_turn_does_not_block_the_thread(
        self, desk: Orchestrator, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        first, second, third = (submit(desk) for _ in range(3))
        kept = RunStore.kept

        def kept_when_it_has_just_left(self: RunStore, run_id: str) -> Any:
            if run_id == second.id:
                monkeypatch.setattr(RunStore, "kept", kept)
                desk.runs.cancel(second.id)
            return kept(self, run_id)

        monkeypatch.setattr(RunStore, "kept", kept_when_it_has_just_left)
        assert desk.drive(first.id).status == "success"
        assert desk.runs.get(second.id).status == "cancelled"
        assert desk.resources.runs.lease("t").run_id == third.id
        assert desk.drive(third.id).status == "success"

    def test_one_that_is_cancelled_does_not_keep_another_from_being_tried_again(
        self, open_desk: OpenDesk
    ) -> None:
        """It never had the thread, so that the thread has not gone on."""

        async def fails(asked: str) -> None:
            raise ValueError("No.")

        model = Billing(meanwhile=fails)
        desk = open_desk(model=model, graphs=GRAPHS)
        first, second = submit(desk), submit(desk)
        desk.runs.cancel(second.id)
        assert desk.drive(first.id).status == "error"
        model.meanwhile = Pause()
        desk.runs.retry(first.id)
        assert desk.drive(first.id).status == "success"


class TestInterrupt:
    def test_the_run_that_waits_for_a_person_is_cancelled(self, open_desk: OpenDesk) -> None:
        model = Calling(wanted=[("put_object", {"key": "a.txt", "text": "a"})])
        desk = open_desk(model=model, graphs=GRAPHS)
        first = desk.invoke("go", graph="doing", thread="t")
        the_question(first, "approval")
        second = submit(desk, "interrupt")
        ended = desk.runs.get(first.id)
        assert (ended.status, ended.interrupts) == ("cancelled", [])
        assert second.id in ended.error
        work_off(desk, second)
        assert desk.runs.get(second.id).status == "success"
        with pytest.raises(Conflict, match="ended"):
            decide(desk, first)
        assert all(desk.audit.verify(run.id).ok for run in (first, second))

    def test_the_run_that_is_at_work_changes_nothing_more(self, open_desk: OpenDesk) -> None:
        pause = Pause("n2")
        busy = open_desk(model=Billing(meanwhile=pause), graphs=GRAPHS)
        desk = open_desk(model=Billing(), graphs=GRAPHS)
        first = submit(busy)
        with standing_still(busy, first, pause) as go_on:
            second = submit(desk, "interrupt")
            work_off(desk, second)
            left = desk.runs.history("t")
            assert isinstance(go_on(), LeaseLost)
        assert desk.runs.get(first.id).status == "cancelled"
        assert desk.runs.history("t") == left
        assert text(desk, second) == "n1 n1 n2"  # from the last step that counts
        assert all(desk.audit.verify(run.id).ok for run in (first, second))

    def test_it_comes_before_those_that_wait(self, desk: Orchestrator) -> None:
        first, second = submit(desk), submit(desk)
        third = submit(desk, "interrupt")
        work_off(desk, second, third)
        assert desk.runs.get(first.id).status == "cancelled"
        assert (text(desk, third), text(desk, second)) == ("n1 n2", "n1 n2 n1 n2")

    def test_a_free_thread_is_taken_as_it_is(self, desk: Orchestrator) -> None:
        run = submit(desk, "interrupt")
        assert desk.drive(run.id).status == "success"


class TestAWorkerThatIsQuick:
    """It claims the next run on the thread before whoever made room has come to its end."""

    @pytest.fixture
    def quick(self, desk: Orchestrator, monkeypatch: pytest.MonkeyPatch) -> None:
        def after_a_claim(table: Any, thread_id: str, epoch: int) -> Any:
            monkeypatch.setattr("storage.fence.record_fence", record_fence)
            take(desk.resources, desk.resources.runs.lease(thread_id).run_id, "quick")
            return record_fence(table, thread_id, epoch)

        monkeypatch.setattr("storage.fence.record_fence", after_a_claim)

    @pytest.mark.usefixtures("quick")
    def test_a_cancellation_says_that_it_is_done(self, desk: Orchestrator) -> None:
        first, second = submit(desk), submit(desk)
        take(desk.resources, first.id, "slow")
        assert desk.runs.cancel(first.id).status == "cancelled"
        assert desk.runs.get(second.id).status == "running"

    @pytest.mark.usefixtures("quick")
    def test_who_takes_the_thread_over_is_told_of_the_run(self, desk: Orchestrator) -> None:
        take(desk.resources, submit(desk).id, "slow")
        assert submit(desk, "interrupt").status == "running"


class TestAnIdOfOnesOwn:
    def test_the_same_twice_is_one_run(self, desk: Orchestrator) -> None:
        first = desk.runs.submit("go", graph="chain", run_id="import-7")
        assert (first.id, first.thread_id) == ("import-7", "t-import-7")
        assert desk.runs.submit("go", graph="chain", run_id="import-7") == first
        done = desk.drive("import-7")
        assert desk.runs.submit("go", graph="chain", run_id="import-7") == done
        assert len(desk.runs.list()) == 1
        assert kinds(desk, first).count("submitted") == 1

    @pytest.mark.parametrize(
        "given",
        [{"said": ("a", "b")}, {"messages": [HumanMessage("hi")]}],
        ids=["tuple", "message"],
    )
    def test_so_it_is_with_an_input_of_one_s_own(
        self, desk: Orchestrator, given: dict[str, Any]
    ) -> None:
        """However it is kept, the same is the same."""
        for _ in range(2):
            run = desk.runs.submit("go", graph="chain", run_id="import-7", input=given)
        assert [entry["run_id"] for entry in desk.runs.list()] == [run.id]
        with pytest.raises(Conflict, match="import-7"):
            desk.runs.submit("go", graph="chain", run_id="import-7", input={"said": ["c"]})

    def test_another_question_needs_another(self, desk: Orchestrator) -> None:
        desk.runs.submit("go", graph="chain", run_id="import-7")
        for other in ({"question": "stay"}, {"thread": "t-2"}, {"graph": "doing"}):
            with pytest.raises(Conflict, match="import-7"):
                desk.runs.submit(
                    **{"question": "go", "graph": "chain", "run_id": "import-7", **other}
                )

    @pytest.mark.parametrize("run_id", ["a/b", "a b", "ü", "x" * 81, "a\n"])
    def test_it_has_its_form(self, desk: Orchestrator, run_id: str) -> None:
        with pytest.raises(InvalidInput, match="id"):
            desk.runs.submit("go", graph="chain", run_id=run_id)
        assert desk.runs.list() == []
