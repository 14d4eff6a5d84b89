"""A second message on a busy thread: it is refused, waits for its turn, or takes over."""

from collections.abc import Callable, Sequence
from typing import Final

import pytest

from storage.audit import AuditLog
from storage.claims import MOST_TRIES
from storage.decisions import decide
from storage.errors import Busy, Conflict, LeaseLost, Queued, TooLarge
from storage.keys import key
from storage.ports import Action, Put
from storage.records import Identity, Interrupt
from storage.run_layout import MOST_ENTERED_BYTES, Kept
from storage.runs import RunStore
from storage.stopping import stop
from storage.submission import Strategy
from storage.verification import verify_run
from storage.workspace import Workspace
from tests.storage.steps import (
    ask,
    checkpoint,
    due,
    end,
    enter,
    give_back,
    kinds,
    latest,
    queue,
    take,
    together,
)

ASK = Interrupt(id="i-1", kind="approval", value={"binding": "abc"})
BUDGET = Interrupt(
    id="b-1", kind="budget", value={"action_requests": [{"name": "more", "args": {"steps": 9}}]}
)


def line_up(runs: RunStore, ann: Identity, *run_ids: str) -> None:
    for run_id in run_ids:
        enter(runs, ann, run_id, strategy="enqueue")


class TestReject:
    def test_whoever_is_refused_is_told_what_can_be_done(
        self, runs: RunStore, ann: Identity
    ) -> None:
        enter(runs, ann)
        with pytest.raises(Busy, match="busy with run r-1; wait for it, enqueue this one"):
            enter(runs, ann, "r-2")
        assert runs.find("r-2") is None

    def test_a_run_that_waits_for_a_person_is_said_to_wait(
        self, runs: RunStore, ann: Identity
    ) -> None:
        enter(runs, ann)
        ask(take(runs), ASK)
        with pytest.raises(Busy, match="waits for a person: run r-1 asks for a decision"):
            enter(runs, ann, "r-2")


def _succeeds(runs: RunStore, ann: Identity) -> None:
    end(take(runs))


def _fails(runs: RunStore, ann: Identity) -> None:
    end(take(runs), "error", error="the model's key expired")


def _is_cancelled(runs: RunStore, ann: Identity) -> None:
    stop(runs, "r-1", "cancelled", ann)


def _is_cancelled_at_work(runs: RunStore, ann: Identity) -> None:
    take(runs)
    stop(runs, "r-1", "cancelled", ann)


def _times_out(runs: RunStore, ann: Identity) -> None:
    owned = take(runs)
    stop(runs, "r-1", "timeout", None, epoch=owned.run.epoch)


def _is_given_up(runs: RunStore, ann: Identity) -> None:
    for _ in range(MOST_TRIES):
        take(runs, seconds=-1)
    with pytest.raises(Conflict, match="given up"):
        take(runs)


def _gets_no_more_budget(runs: RunStore, ann: Identity) -> None:
    ask(take(runs), BUDGET)
    decide(runs, "r-1", {"b-1": {"type": "reject"}}, ann)


class TestEnqueue:
    def test_on_a_free_thread_it_is_its_turn_at_once(self, runs: RunStore, ann: Identity) -> None:
        line_up(runs, ann, "r-1")
        assert (due(runs), queue(runs)) == (["r-1"], [])
        assert take(runs).run.id == "r-1"

    def test_before_its_turn_nobody_looks_at_it(self, runs: RunStore, ann: Identity) -> None:
        line_up(runs, ann, "r-1", "r-2")
        assert runs.get("r-2").status == "pending"
        assert kinds(runs, "r-2") == ["submitted"]
        assert due(runs, 10**6) == ["r-1"]
        with pytest.raises(Queued, match="r-2 waits for run r-1"):
            take(runs, "r-2")
        assert runs.get("r-2").tries == 0

    @pytest.mark.parametrize(
        "over",
        [
            _succeeds,
            _fails,
            _is_cancelled,
            _is_cancelled_at_work,
            _times_out,
            _is_given_up,
            _gets_no_more_budget,
        ],
    )
    def test_when_the_run_before_it_is_over_it_gets_the_thread(
        self, runs: RunStore, ann: Identity, over: Callable[[RunStore, Identity], None]
    ) -> None:
        line_up(runs, ann, "r-1", "r-2", "r-3")
        over(runs, ann)
        assert runs.lease("t-1").run_id == "r-2"
        assert due(runs) == ["r-2"]
        with pytest.raises(Queued):
            take(runs, "r-3")

        owned = take(runs, "r-2")
        end(owned)
        assert owned.next_run == "r-3"
        end(take(runs, "r-3"))
        assert runs.lease("t-1").run_id == ""
        assert due(runs, 10**6) == []
        assert all(verify_run(runs, run_id).ok for run_id in ("r-1", "r-2", "r-3"))

    def test_whoever_stops_a_run_is_told_which_comes_next(
        self, runs: RunStore, ann: Identity
    ) -> None:
        line_up(runs, ann, "r-1", "r-2")
        assert stop(runs, "r-1", "cancelled", ann)[1] == "r-2"
        assert stop(runs, "r-2", "cancelled", ann)[1] == ""

    def test_a_run_that_was_only_let_go_keeps_the_thread(
        self, runs: RunStore, ann: Identity
    ) -> None:
        """It waits for a service, then for a person, and is not over."""
        line_up(runs, ann, "r-1", "r-2")
        give_back(take(runs), error="throttled")
        ask(take(runs), ASK)
        assert (queue(runs), due(runs)) == (["r-2"], [])
        decide(runs, "r-1", {"i-1": {"type": "approve"}}, ann)
        with pytest.raises(Queued):
            take(runs, "r-2")
        end(take(runs))
        assert due(runs) == ["r-2"]

    def test_behind_a_run_that_waits_for_a_person_it_waits_too(
        self, runs: RunStore, ann: Identity
    ) -> None:
        enter(runs, ann)
        ask(take(runs), ASK)
        line_up(runs, ann, "r-2")
        assert queue(runs) == ["r-2"]
        assert runs.get("r-1").status == "interrupted"

    def test_who_leaves_the_queue_leaves_the_others_where_they_were(
        self, runs: RunStore, ann: Identity
    ) -> None:
        line_up(runs, ann, "r-1", "r-2", "r-3", "r-4")
        owned = take(runs)
        assert stop(runs, "r-3", "cancelled", ann)[1] == ""

        assert queue(runs) == ["r-2", "r-4"]
        assert runs.get("r-3").status == "cancelled"
        assert verify_run(runs, "r-3").ok
        owned.renew()  # the run that has the thread is not disturbed
        end(owned)
        end(take(runs, "r-2"))
        assert due(runs) == ["r-4"]

    def test_of_many_at_once_each_gets_a_place(self, runs: RunStore, ann: Identity) -> None:
        names = [f"r-{n}" for n in range(8)]
        entered = together(*[lambda name=name: line_up(runs, ann, name) for name in names])
        assert entered == [None] * 8

        first, waiting = runs.lease("t-1").run_id, queue(runs)
        assert sorted([first, *waiting]) == names
        for run_id in [first, *waiting]:
            assert due(runs) == [run_id]
            end(take(runs, run_id))

    def test_who_comes_while_the_run_before_ends_is_not_forgotten(
        self, runs: RunStore, ann: Identity
    ) -> None:
        enter(runs, ann)
        owned = take(runs)
        works = [lambda: end(owned), *[lambda n=n: line_up(runs, ann, f"r-{n}") for n in (2, 3)]]
        assert together(*works) == [None] * 3
        busy = runs.lease("t-1").run_id
        assert sorted([busy, *queue(runs)]) == ["r-2", "r-3"]
        assert due(runs) == [busy]

    def test_who_leaves_just_before_the_thread_is_handed_on_is_passed_over(
        self, runs: RunStore, ann: Identity, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """It is cancelled between the reading of the queue and that of the run."""
        line_up(runs, ann, "r-1", "r-2", "r-3")
        owned, kept = take(runs), runs.kept

        def cancelled_first(run_id: str) -> Kept:
            if run_id == "r-2":
                monkeypatch.setattr(runs, "kept", kept)
                stop(runs, "r-2", "cancelled", ann)
            return kept(run_id)

        monkeypatch.setattr(runs, "kept", cancelled_first)
        end(owned)
        assert runs.get("r-2").status == "cancelled"
        assert (runs.lease("t-1").run_id, due(runs)) == ("r-3", ["r-3"])

    def test_who_leaves_while_the_thread_is_handed_on_is_not_given_it(
        self, runs: RunStore, ann: Identity
    ) -> None:
        line_up(runs, ann, "r-1", "r-2", "r-3")
        owned = take(runs)
        together(lambda: end(owned), lambda: stop(runs, "r-2", "cancelled", ann))
        assert runs.get("r-2").status == "cancelled"
        assert (runs.lease("t-1").run_id, queue(runs)) == ("r-3", [])
        assert due(runs) == ["r-3"]


class TestInterrupt:
    def test_the_busy_run_ends_cancelled_and_the_new_one_has_the_thread(
        self, runs: RunStore, ann: Identity
    ) -> None:
        enter(runs, ann)
        take(runs)
        enter(runs, ann, "r-2", strategy="interrupt")

        stopped, lease = runs.get("r-1"), runs.lease("t-1")
        assert (stopped.status, stopped.error) == ("cancelled", "Interrupted by run r-2.")
        assert (lease.run_id, lease.epoch, lease.owner) == ("r-2", 2, "")
        assert due(runs, 10**6) == ["r-2"]
        assert take(runs, "r-2").run.epoch == 3

    def test_its_owner_is_outdated(self, runs: RunStore, ann: Identity) -> None:
        enter(runs, ann)
        owned = take(runs)
        enter(runs, ann, "r-2", strategy="interrupt")

        for act in (owned.check, owned.renew, lambda: end(owned), lambda: give_back(owned)):
            with pytest.raises(LeaseLost):
                act()
        assert kinds(runs) == ["submitted", "claimed", "ended"]
        assert runs.lease("t-1").run_id == "r-2"

    def test_what_a_straggler_still_writes_is_no_state_of_the_thread(
        self, runs: RunStore, workspace: Workspace, ann: Identity
    ) -> None:
        enter(runs, ann)
        owned = take(runs)
        before = checkpoint(workspace, owned)
        enter(runs, ann, "r-2", strategy="interrupt")
        checkpoint(workspace, owned)

        assert latest(workspace) == before

    def test_its_chain_verifies_and_its_end_is_anchored(
        self, runs: RunStore, workspace: Workspace, ann: Identity, audit: AuditLog
    ) -> None:
        enter(runs, ann)
        take(runs)
        enter(runs, ann, "r-2", strategy="interrupt")
        assert verify_run(runs, "r-1").ok
        assert audit.anchored("r-1") == len(kinds(runs))

    def test_a_copy_of_the_anchor_is_kept_in_the_bucket_as_at_any_end(
        self, runs: RunStore, workspace: Workspace, ann: Identity
    ) -> None:
        enter(runs, ann)
        take(runs)
        enter(runs, ann, "r-2", strategy="interrupt")
        copies = workspace.buckets.state.list(f"anchors/{key('run', 'r-1')}/")
        assert len(list(copies)) == 1

    def test_what_the_busy_run_asked_can_be_decided_no_more(
        self, runs: RunStore, ann: Identity
    ) -> None:
        enter(runs, ann)
        ask(take(runs), ASK.model_copy(update={"expires_at": 2e9}))
        enter(runs, ann, "r-2", strategy="interrupt")
        with pytest.raises(Conflict, match="has ended: cancelled"):
            decide(runs, "r-1", {"i-1": {"type": "approve"}}, ann)
        assert due(runs, 1e9) == ["r-2"]

    def test_who_waits_for_the_thread_goes_on_waiting(self, runs: RunStore, ann: Identity) -> None:
        line_up(runs, ann, "r-1", "r-2")
        enter(runs, ann, "r-3", strategy="interrupt")
        assert (runs.lease("t-1").run_id, queue(runs)) == ("r-3", ["r-2"])
        end(take(runs, "r-3"))
        assert due(runs) == ["r-2"]

    def test_on_a_free_thread_there_is_nothing_to_interrupt(
        self, runs: RunStore, ann: Identity
    ) -> None:
        enter(runs, ann)
        end(take(runs))
        enter(runs, ann, "r-2", strategy="interrupt")
        assert runs.get("r-1").status == "success"
        assert runs.lease("t-1").epoch == 1

    def test_of_many_at_once_one_is_left(self, runs: RunStore, ann: Identity) -> None:
        names = [f"r-{n}" for n in range(5)]
        entered = together(
            *[lambda name=name: enter(runs, ann, name, strategy="interrupt") for name in names]
        )
        assert not [each for each in entered if isinstance(each, Exception)]
        left = runs.lease("t-1").run_id
        others = {runs.get(name).status for name in names if name != left}
        assert (due(runs, 10**6), others) == ([left], {"cancelled"})
        assert all(verify_run(runs, name).ok for name in names)

    def test_a_worker_that_claims_the_new_run_at_once_is_no_error(
        self, runs: RunStore, ann: Identity, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A sweep comes between the step and its fence; what was asked for is done."""
        _when_done(runs, monkeypatch, lambda: take(runs, "r-2"))
        enter(runs, ann)
        assert enter(runs, ann, "r-2", strategy="interrupt").status == "running"

    def test_nor_is_one_that_claims_the_next_run_when_one_is_cancelled(
        self, runs: RunStore, ann: Identity, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        line_up(runs, ann, "r-1", "r-2")
        _when_done(runs, monkeypatch, lambda: take(runs, "r-2"))
        run, following = stop(runs, "r-1", "cancelled", ann)
        assert (run.status, following) == ("cancelled", "r-2")


def _when_done(runs: RunStore, monkeypatch: pytest.MonkeyPatch, then: Callable[[], object]) -> None:
    """Have a worker come right behind the next transaction that ends a run."""
    transact = runs.table.transact

    def followed(actions: Sequence[Action]) -> None:
        transact(actions)
        if any(isinstance(a, Put) and a.item.sk.startswith("a/") for a in actions):
            monkeypatch.setattr(runs.table, "transact", transact)
            then()

    monkeypatch.setattr(runs.table, "transact", followed)


class TestSize:
    """What is entered leaves room for all that becomes of it."""

    LARGE: Final = {"text": "x" * (MOST_ENTERED_BYTES - 2000)}

    @pytest.mark.parametrize(
        "then",
        [
            _succeeds,
            _fails,
            _is_cancelled,
            _is_cancelled_at_work,
            _times_out,
            _is_given_up,
            _gets_no_more_budget,
            lambda runs, ann: enter(runs, ann, "r-2", strategy="interrupt"),
        ],
    )
    def test_the_largest_that_is_entered_goes_every_way(
        self, runs: RunStore, ann: Identity, then: Callable[[RunStore, Identity], None]
    ) -> None:
        enter(runs, ann, input=self.LARGE)
        then(runs, ann)
        assert runs.get("r-1").ended

    def test_what_is_larger_is_refused_with_the_remedy(self, runs: RunStore, ann: Identity) -> None:
        with pytest.raises(TooLarge, match="Keep what is large in documents or objects, and name"):
            enter(runs, ann, input={"text": "x" * MOST_ENTERED_BYTES})
        assert runs.find("r-1") is None
        assert runs.lease("t-1").run_id == ""


class TestTwice:
    """Whoever does not know whether a run was entered enters it again, by its id."""

    @pytest.mark.parametrize("strategy", ["reject", "enqueue", "interrupt"])
    def test_a_run_is_entered_once(self, runs: RunStore, ann: Identity, strategy: Strategy) -> None:
        first = enter(runs, ann, strategy=strategy)
        assert enter(runs, ann, strategy=strategy) == first
        assert kinds(runs) == ["submitted"]
        assert len(runs.entries()) == 1
        assert due(runs) == ["r-1"]

    def test_also_while_it_is_driven(self, runs: RunStore, ann: Identity) -> None:
        enter(runs, ann)
        owned = take(runs)
        assert enter(runs, ann, strategy="interrupt").status == "running"
        owned.renew()

    def test_also_after_it_has_ended(self, runs: RunStore, ann: Identity) -> None:
        enter(runs, ann)
        end(take(runs))
        assert enter(runs, ann).status == "success"
        assert (runs.lease("t-1").run_id, due(runs, 10**6)) == ("", [])

    def test_also_while_it_waits_for_its_turn(self, runs: RunStore, ann: Identity) -> None:
        line_up(runs, ann, "r-1", "r-2", "r-3")
        line_up(runs, ann, "r-2")
        assert queue(runs) == ["r-2", "r-3"]
        assert kinds(runs, "r-2") == ["submitted"]

    def test_also_many_times_at_once(self, runs: RunStore, ann: Identity) -> None:
        enter(runs, ann)
        entered = together(*[lambda: enter(runs, ann, "r-2", strategy="enqueue")] * 5)
        assert [run.id for run in entered] == ["r-2"] * 5
        assert (queue(runs), kinds(runs, "r-2")) == (["r-2"], ["submitted"])

    @pytest.mark.parametrize(
        "other",
        [
            {"question": "Who may terminate?"},
            {"thread": "t-2"},
            {"graph": "extraction"},
            {"input": {"schema": "another"}},
            {"documents": ["d-1"]},
        ],
        ids=lambda other: next(iter(other)),
    )
    def test_the_id_of_another_question_is_a_conflict(
        self, runs: RunStore, ann: Identity, other: dict[str, object]
    ) -> None:
        first = enter(runs, ann)
        with pytest.raises(Conflict, match="another question"):
            enter(runs, ann, **other)  # type: ignore[arg-type]
        assert runs.get("r-1") == first
