"""Owning a run: who finds it when, under which versions, how often, and for how long."""

import asyncio
import time
from collections.abc import Callable

import pytest

from storage.claims import MOST_TRIES
from storage.decisions import decide
from storage.errors import Conflict, OtherVersion, TooLarge, Unavailable
from storage.fence import Fences
from storage.leases import Ownership
from storage.records import Answer, Identity, Interrupt, RunStatus, Usage
from storage.runs import RunStore
from storage.stopping import retry, stop
from storage.verification import verify_run
from storage.workspace import Workspace
from tests.storage.steps import (
    Clock,
    ask,
    checkpoint,
    due,
    due_entries,
    end,
    enter,
    give_back,
    kinds,
    latest,
    take,
)

ASK = Interrupt(id="i-1", kind="approval", value={})


class TestDue:
    """A run that is driven is found when its owner has not been heard of for a lease's time."""

    def test_a_long_run_is_never_due_while_its_owner_is_alive(
        self, runs: RunStore, ann: Identity, clock: Clock
    ) -> None:
        enter(runs, ann)
        owned = take(runs, seconds=60)
        for _ in range(10):  # a worker renews three times within a lease
            clock.ahead += 20
            assert due(runs) == []
            owned.renew()
            assert len(due_entries(runs.table)) == 1
            assert due(runs, 61) == ["r-1"]
        assert runs.get("r-1").epoch == 1

    def test_when_its_owner_is_silent_it_is_due_at_the_latest_as_the_lease_runs_out(
        self, runs: RunStore, ann: Identity, clock: Clock
    ) -> None:
        enter(runs, ann)
        owned = take(runs, seconds=60)
        for ahead in (20, 40, 60):
            clock.ahead = ahead
            owned.renew()
            lease = runs.lease("t-1")
            ((at, _),) = due_entries(runs.table)
            assert time.time() + 30 <= at / 1000 <= lease.expires_at
        clock.ahead += 60
        assert due(runs) == ["r-1"]
        assert take(runs).run.epoch == 2

    def test_those_that_are_driven_hide_none_that_wait(
        self, runs: RunStore, ann: Identity, clock: Clock
    ) -> None:
        """A sweeper looks at the first of those that are due."""
        owners = []
        for n in range(3):
            enter(runs, ann, f"r-{n}", thread=f"t-{n}")
            owners.append(take(runs, f"r-{n}"))
        clock.ahead += 40
        for owned in owners:
            owned.renew()
        enter(runs, ann, "r-new", thread="t-new")
        clock.ahead += 40  # the leases of the claims have run out, those of the renewals not
        assert list(runs.due(time.time(), limit=1)) == ["r-new"]

    @pytest.mark.parametrize(
        "let_go",
        [
            end,
            lambda owned: end(owned, "error", error="the model's key expired"),
            lambda owned: ask(owned, ASK),
        ],
        ids=["ended", "failed", "asks a person"],
    )
    def test_when_its_owner_lets_go_there_is_nothing_to_look_after(
        self, runs: RunStore, ann: Identity, let_go: Callable[[Ownership], object]
    ) -> None:
        enter(runs, ann)
        let_go(take(runs))
        assert due_entries(runs.table) == []

    def test_when_its_owner_gives_it_back_it_is_due_when_that_says(
        self, runs: RunStore, ann: Identity
    ) -> None:
        enter(runs, ann)
        give_back(take(runs), error="throttled", after=30)
        ((at, run_id),) = due_entries(runs.table)
        assert (run_id, round(at / 1000 - time.time())) == ("r-1", 30)

    @pytest.mark.parametrize("seconds", [60, -1], ids=["alive", "silent"])
    def test_when_it_is_stopped_there_is_nothing_to_look_after(
        self, runs: RunStore, ann: Identity, seconds: float
    ) -> None:
        enter(runs, ann)
        take(runs, seconds=seconds)
        stop(runs, "r-1", "cancelled", ann)
        assert due_entries(runs.table) == []

    def test_when_another_worker_takes_it_over_there_is_one_entry(
        self, runs: RunStore, ann: Identity
    ) -> None:
        enter(runs, ann)
        take(runs, seconds=-1)
        take(runs, seconds=60)
        assert (len(due_entries(runs.table)), due(runs)) == (1, [])

    def test_when_the_thread_is_taken_over_the_new_run_is_looked_after(
        self, runs: RunStore, ann: Identity
    ) -> None:
        enter(runs, ann)
        take(runs)
        enter(runs, ann, "r-2", strategy="interrupt", due_in=5)
        assert [run_id for _, run_id in due_entries(runs.table)] == ["r-2"]

    def test_a_late_renewal_brings_nothing_back(self, runs: RunStore, ann: Identity) -> None:
        enter(runs, ann)
        owned = take(runs)
        end(owned)
        owned.renew()
        assert due_entries(runs.table) == []


class TestSameInstant:
    """What is due by the record and what by the lease may be due in the same millisecond."""

    @pytest.fixture(autouse=True)
    def frozen(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(time, "time", lambda: 1_900_000_000.0)

    def test_a_run_that_is_claimed_as_soon_as_it_was_entered(
        self, runs: RunStore, ann: Identity
    ) -> None:
        """`Orchestrator.invoke` keeps workers off a run for as long as its lease will last."""
        enter(runs, ann, due_in=15)
        take(runs, seconds=15)
        assert due_entries(runs.table) == [(1_900_000_015_000, "r-1")]

    def test_a_run_that_is_given_back_until_its_lease_would_have_run_out(
        self, runs: RunStore, ann: Identity
    ) -> None:
        enter(runs, ann)
        give_back(take(runs, seconds=15), error="throttled", after=15)
        assert due_entries(runs.table) == [(1_900_000_015_000, "r-1")]

    def test_a_question_that_expires_as_the_lease_would_have_run_out(
        self, runs: RunStore, ann: Identity
    ) -> None:
        enter(runs, ann)
        ask(take(runs, seconds=15), ASK.model_copy(update={"expires_at": 1_900_000_015.0}))
        assert due_entries(runs.table) == [(1_900_000_015_000, "r-1")]

    def test_a_run_that_waits_for_a_person_and_is_claimed_then(
        self, runs: RunStore, ann: Identity
    ) -> None:
        enter(runs, ann)
        ask(take(runs, seconds=15), ASK)
        decide(runs, "r-1", {"i-1": {"type": "approve"}}, ann)
        take(runs, seconds=15)
        assert due_entries(runs.table) == [(1_900_000_015_000, "r-1")]


class TestVersions:
    def test_the_first_claim_pins_them(self, runs: RunStore, ann: Identity) -> None:
        enter(runs, ann)
        assert runs.get("r-1").versions == {}
        give_back(take(runs, graph="g1", prompts="p1"))
        assert runs.get("r-1").versions == {"graph": "g1", "prompts": "p1"}
        assert take(runs, graph="g1", prompts="p1").run.epoch == 2

    def test_the_chain_says_under_which_it_was_claimed(self, runs: RunStore, ann: Identity) -> None:
        enter(runs, ann)
        take(runs, graph="g1")
        _, claimed = [linked.event for linked in runs.audit.read("r-1")]
        assert claimed.data["versions"] == {"graph": "g1"}

    def test_under_others_it_is_not_claimed_and_what_to_do_is_said(
        self, runs: RunStore, ann: Identity
    ) -> None:
        enter(runs, ann)
        give_back(take(runs, graph="g1", prompts="p1", tools="t1"))
        before = runs.kept("r-1"), runs.lease("t-1"), kinds(runs)
        with pytest.raises(OtherVersion, match=r"its graph and tools, .*`affidavit fork r-1`"):
            take(runs, graph="g2", prompts="p1", tools="t2")
        with pytest.raises(OtherVersion, match=r"its tools, "):
            take(runs, graph="g1", prompts="p1")
        assert (runs.kept("r-1"), runs.lease("t-1"), kinds(runs)) == before

    def test_what_has_come_since_is_no_other_version(self, runs: RunStore, ann: Identity) -> None:
        enter(runs, ann)
        give_back(take(runs, graph="g1"))
        assert take(runs, graph="g1", schemas="s1").run.versions == {"graph": "g1"}

    def test_a_retry_does_not_unpin_them(self, runs: RunStore, ann: Identity) -> None:
        enter(runs, ann)
        end(take(runs, graph="g1"), "error")
        retry(runs, "r-1", ann)
        with pytest.raises(OtherVersion):
            take(runs, graph="g2")

    def test_whether_it_is_free_is_said_first(self, runs: RunStore, ann: Identity) -> None:
        """A worker of another version need not warn of what it could not have anyway."""
        enter(runs, ann)
        take(runs, graph="g1")
        with pytest.raises(Conflict, match="is driven by"):
            take(runs, graph="g2")


class TestTries:
    def test_to_give_it_back_in_good_order_is_no_try(self, runs: RunStore, ann: Identity) -> None:
        """Workers are replaced, however often."""
        enter(runs, ann)
        for _ in range(MOST_TRIES + 2):
            owned = take(runs)
            assert owned.run.tries == 1
            give_back(owned)
        assert runs.get("r-1").status == "pending"

    def test_to_give_it_back_for_an_error_is_one(self, runs: RunStore, ann: Identity) -> None:
        enter(runs, ann)
        for tries in range(1, MOST_TRIES + 1):
            owned = take(runs)
            assert owned.run.tries == tries
            give_back(owned, error=f"throttled {tries}")
        with pytest.raises(Conflict, match="given up after 5 tries: throttled 5"):
            take(runs)

    def test_good_order_does_not_forget_the_errors_before_it(
        self, runs: RunStore, ann: Identity
    ) -> None:
        enter(runs, ann)
        give_back(take(runs), error="throttled")
        give_back(take(runs))
        assert take(runs).run.tries == 2

    def test_a_new_checkpoint_begins_the_count_anew(
        self, runs: RunStore, workspace: Workspace, ann: Identity
    ) -> None:
        enter(runs, ann)
        take(runs, seconds=-1)
        owned = take(runs, seconds=-1)
        checkpoint(workspace, owned)
        assert (owned.run.tries, take(runs).run.tries) == (2, 1)

    def test_what_a_straggler_writes_is_no_progress(
        self, runs: RunStore, workspace: Workspace, ann: Identity
    ) -> None:
        """A worker that always loses its lease, and always writes late, leads nowhere."""
        enter(runs, ann)
        late = take(runs, seconds=-1)
        for tries in range(2, MOST_TRIES + 1):
            owned = take(runs, seconds=-1)
            assert owned.run.tries == tries
            checkpoint(workspace, late)
            late = owned
        with pytest.raises(Conflict, match="given up"):
            take(runs)

    def test_nor_does_it_hide_what_was_written_in_time(
        self, runs: RunStore, workspace: Workspace, ann: Identity
    ) -> None:
        enter(runs, ann)
        old = take(runs, seconds=-1)
        new = take(runs, seconds=-1)
        checkpoint(workspace, new)
        checkpoint(workspace, old)
        assert take(runs, seconds=-1).run.tries == 1
        assert take(runs, seconds=-1).run.tries == 2

    def test_a_run_of_a_thread_with_a_past_begins_at_one(
        self, runs: RunStore, workspace: Workspace, ann: Identity
    ) -> None:
        enter(runs, ann)
        owned = take(runs)
        checkpoint(workspace, owned)
        end(owned)
        enter(runs, ann, "r-2")
        assert [take(runs, "r-2", seconds=-1).run.tries for _ in range(2)] == [1, 2]

    def test_what_is_given_up_is_listed_as_dead_with_its_last_error(
        self, runs: RunStore, ann: Identity
    ) -> None:
        enter(runs, ann, "r-0", thread="t-0")
        end(take(runs, "r-0"), "error", error="the model's key expired")
        enter(runs, ann)
        for n in range(MOST_TRIES):
            give_back(take(runs), error=f"throttled {n}")
        with pytest.raises(Conflict):
            take(runs)

        run = runs.get("r-1")
        assert (run.status, run.dead) == ("error", True)
        (entry,) = runs.entries(dead=True)
        assert (entry["run_id"], entry["status"], entry["dead"]) == ("r-1", "error", True)
        assert entry["error"].endswith("without progress. throttled 4")
        assert [e["run_id"] for e in runs.entries(status="error")] == ["r-1", "r-0"]

    def test_what_was_given_up_can_be_tried_again(self, runs: RunStore, ann: Identity) -> None:
        enter(runs, ann)
        for _ in range(MOST_TRIES):
            take(runs, seconds=-1)
        with pytest.raises(Conflict):
            take(runs)
        assert runs.get("r-1").error.endswith("Nothing was heard of those who drove it.")
        run = retry(runs, "r-1", ann)
        assert (run.status, run.dead, run.error, run.tries) == ("pending", False, "", 0)
        assert runs.entries(dead=True) == []
        assert take(runs).run.tries == 1


class TestClocks:
    """A machine whose clock is wrong may cost time, and no run."""

    @pytest.fixture(autouse=True)
    def waiting(self, runs: RunStore, workspace: Workspace, ann: Identity) -> None:
        """A run with a checkpoint of a machine whose clock is right."""
        enter(runs, ann)
        owned = take(runs)
        checkpoint(workspace, owned)
        give_back(owned)

    def test_one_that_is_far_behind_leaves_the_run_as_it_is(
        self, runs: RunStore, clock: Clock
    ) -> None:
        before = runs.kept("r-1"), runs.lease("t-1"), kinds(runs)
        clock.ahead = -300
        for _ in range(MOST_TRIES + 1):
            with pytest.raises(Unavailable, match="clock is 300 s behind") as refused:
                take(runs)
            assert refused.value.after == pytest.approx(240, abs=5)
        assert (runs.kept("r-1"), runs.lease("t-1"), kinds(runs)) == before
        clock.ahead = 0
        assert take(runs).run.tries == 1

    def test_one_that_is_a_little_behind_waits_before_it_claims(
        self, runs: RunStore, clock: Clock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        waited: list[str] = []

        def sleep(seconds: float) -> None:
            waited.append(runs.lease("t-1").owner)
            clock.ahead += seconds

        monkeypatch.setattr(time, "sleep", sleep)
        clock.ahead = -20
        assert take(runs).left > 0
        assert waited == [""]


class TestAClaimInVain:
    """The claim has been committed, and then the thread cannot be read."""

    def test_it_is_given_back_with_the_reason_and_is_no_try(
        self, runs: RunStore, ann: Identity, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        enter(runs, ann)
        with monkeypatch.context() as broken:
            broken.setattr("storage.claims.record_fence", self.fails)
            for _ in range(MOST_TRIES + 1):
                with pytest.raises(Unavailable):
                    take(runs)
        run = runs.get("r-1")
        assert (run.status, run.error, run.tries, run.dead) == ("pending", "No answer.", 0, False)
        assert due(runs) == ["r-1"]
        assert kinds(runs)[-2:] == ["claimed", "released"]
        assert take(runs).run.tries == 1
        assert verify_run(runs, "r-1").ok

    def test_not_if_another_worker_has_it_by_then(
        self, runs: RunStore, ann: Identity, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        enter(runs, ann)
        others: list[Ownership] = []

        def slow(*_: object) -> Fences:
            monkeypatch.undo()
            others.append(take(runs))
            return self.fails()

        monkeypatch.setattr("storage.claims.record_fence", slow)
        with pytest.raises(Unavailable):
            take(runs, seconds=-1)
        others[0].check()
        assert runs.get("r-1").status == "running"

    @staticmethod
    def fails(*_: object) -> Fences:
        raise Unavailable("No answer.")


class TestTimeAtWork:
    def test_it_adds_up_and_what_is_left_counts_down(
        self, runs: RunStore, ann: Identity, clock: Clock
    ) -> None:
        enter(runs, ann, timeout=100.0)
        owned = take(runs)
        clock.ahead += 10
        assert owned.left == pytest.approx(90, abs=5)
        give_back(owned)
        assert (runs.get("r-1").worked, runs.get("r-1").claimed_at) == (pytest.approx(10, abs=5), 0)

        clock.ahead += 1000  # nobody works
        owned = take(runs)
        assert owned.run.claimed_at == pytest.approx(time.time(), abs=5)
        clock.ahead += 20
        assert owned.left == pytest.approx(70, abs=5)
        give_back(owned)
        assert runs.get("r-1").worked == pytest.approx(30, abs=5)

    def test_to_wait_for_a_person_is_no_work(
        self, runs: RunStore, ann: Identity, clock: Clock
    ) -> None:
        enter(runs, ann, timeout=100.0)
        owned = take(runs)
        clock.ahead += 10
        ask(owned, ASK)
        clock.ahead += 10**6
        decide(runs, "r-1", {"i-1": {"type": "approve"}}, ann)
        assert take(runs).left == pytest.approx(90, abs=5)

    def test_to_wait_for_the_thread_is_no_work(
        self, runs: RunStore, ann: Identity, clock: Clock
    ) -> None:
        enter(runs, ann)
        enter(runs, ann, "r-2", strategy="enqueue", timeout=100.0)
        clock.ahead += 10**6
        end(take(runs))
        assert take(runs, "r-2").left == pytest.approx(100, abs=5)

    @pytest.mark.parametrize(("silent", "counted"), [(20, 20), (10**6, 60)])
    def test_of_a_worker_that_was_killed_its_lease_counts_at_most(
        self, runs: RunStore, ann: Identity, clock: Clock, silent: float, counted: float
    ) -> None:
        """It may have been at work until its lease ran out, and no longer."""
        enter(runs, ann, timeout=100.0)
        seconds = min(silent, 60)
        take(runs, seconds=seconds)
        clock.ahead += silent + 1
        owned = take(runs)
        assert owned.run.worked == pytest.approx(counted, abs=5)
        assert owned.left == pytest.approx(100 - counted, abs=5)

    def test_so_does_the_lease_of_one_that_had_renewed_it(
        self, runs: RunStore, ann: Identity, clock: Clock
    ) -> None:
        enter(runs, ann)
        owned = take(runs, seconds=60)
        for _ in range(3):
            clock.ahead += 50
            owned.renew()
        clock.ahead += 10**6
        assert take(runs).run.worked == pytest.approx(210, abs=5)

    def test_also_if_the_run_is_cancelled_and_not_taken_over(
        self, runs: RunStore, ann: Identity, clock: Clock
    ) -> None:
        enter(runs, ann)
        take(runs, seconds=60)
        clock.ahead += 10**6
        assert stop(runs, "r-1", "cancelled", ann)[0].worked == pytest.approx(60, abs=5)

    def test_without_a_time_out_there_is_no_end_of_it(self, runs: RunStore, ann: Identity) -> None:
        enter(runs, ann)
        assert take(runs).left == float("inf")

    def test_a_retry_has_all_of_its_time(self, runs: RunStore, ann: Identity, clock: Clock) -> None:
        enter(runs, ann, timeout=100.0)
        owned = take(runs)
        clock.ahead += 100
        stop(runs, "r-1", "timeout", None, epoch=owned.run.epoch)
        assert runs.get("r-1").worked == pytest.approx(100, abs=5)
        retry(runs, "r-1", ann)
        assert take(runs).left == pytest.approx(100, abs=5)


def many(count: int, text: str = "") -> list[Interrupt]:
    return [Interrupt(id=f"i-{n:03}", kind="approval", value={"text": text}) for n in range(count)]


class TestManyQuestions:
    """Of a wide step each task may ask; what is asked at once fits into one transaction."""

    @pytest.mark.parametrize(
        ("count", "text", "at_once"), [(120, "", 50), (30, "x" * 150_000, 13)], ids=["many", "long"]
    )
    def test_all_are_asked_some_at_a_time(
        self, runs: RunStore, ann: Identity, count: int, text: str, at_once: int
    ) -> None:
        left = many(count, text)
        enter(runs, ann)
        while left:
            assert ask(take(runs), *left)
            asked = [each.id for each in runs.get("r-1").interrupts]
            assert asked == [each.id for each in left[:at_once]]
            decide(runs, "r-1", {key: {"type": "approve"} for key in asked}, ann)
            left = left[len(asked) :]
        end(take(runs))
        assert len(runs.decided("r-1")) == count
        assert verify_run(runs, "r-1").first_bad is None

    def test_no_more_wait_together_though_some_were_decided(
        self, runs: RunStore, ann: Identity
    ) -> None:
        first, *left = many(120)
        enter(runs, ann)
        ask(take(runs), first, *left)
        decide(runs, "r-1", {first.id: {"type": "approve"}}, ann)
        ask(take(runs), *reversed(left))
        waiting = [each.id for each in runs.get("r-1").interrupts]
        assert waiting == [*(each.id for each in left[:49]), left[-1].id]
        event = [linked.event for linked in runs.audit.read("r-1")][-1]
        assert sorted(event.data["interrupts"]) == waiting

    def test_one_that_is_too_large_is_refused_and_the_run_ends_with_the_reason(
        self, runs: RunStore, ann: Identity
    ) -> None:
        enter(runs, ann)
        owned = take(runs)
        with pytest.raises(TooLarge, match="at most 250,000 fit") as refused:
            ask(owned, *many(1, "x" * 260_000))
        end(owned, "error", error=str(refused.value))
        assert "Ask with less" in runs.get("r-1").error


class TestRetry:
    def test_only_what_failed_is_tried_again(self, runs: RunStore, ann: Identity) -> None:
        enter(runs, ann)
        with pytest.raises(Conflict, match="is pending"):
            retry(runs, "r-1", ann)
        end(take(runs))
        with pytest.raises(Conflict, match="is success"):
            retry(runs, "r-1", ann)

    def test_not_if_the_thread_has_gone_on(self, runs: RunStore, ann: Identity) -> None:
        enter(runs, ann)
        enter(runs, ann, "r-2", strategy="enqueue")
        end(take(runs), "error")
        with pytest.raises(Conflict, match="gone on with run r-2"):
            retry(runs, "r-1", ann)
        end(take(runs, "r-2"))
        with pytest.raises(Conflict, match="gone on with run r-2"):
            retry(runs, "r-1", ann)

    def test_a_run_that_never_had_its_turn_is_not_in_the_way(
        self, runs: RunStore, ann: Identity
    ) -> None:
        enter(runs, ann)
        enter(runs, ann, "r-2", strategy="enqueue")
        stop(runs, "r-2", "cancelled", ann)
        end(take(runs), "error")
        assert retry(runs, "r-1", ann).status == "pending"


def test_an_answer_that_was_there_before_is_vouched_for_at_the_end(
    runs: RunStore, ann: Identity
) -> None:
    """A run may answer in part, ask a person, and then fail."""
    enter(runs, ann)
    part = Answer(status="partial", text="The notice is 60 days.")
    asyncio.run(take(runs).wait_for_person([ASK], answer=part))
    decide(runs, "r-1", {"i-1": {"type": "approve"}}, ann)
    end(take(runs), "error", error="the model's key expired")
    assert runs.get("r-1").answer == part
    assert verify_run(runs, "r-1").first_bad is None


def test_what_it_cost_before_is_not_forgotten_at_the_end(runs: RunStore, ann: Identity) -> None:
    enter(runs, ann)
    usage = Usage(input_tokens=7, output_tokens=2)
    asyncio.run(take(runs).wait_for_person([ASK], usage=usage, cost_usd=0.25))
    decide(runs, "r-1", {"i-1": {"type": "approve"}}, ann)
    end(take(runs))
    assert (runs.get("r-1").usage, runs.get("r-1").cost_usd) == (usage, 0.25)


def test_a_time_out_meets_only_the_claim_that_it_is_for(runs: RunStore, ann: Identity) -> None:
    enter(runs, ann)
    old = take(runs, seconds=-1)
    new = take(runs)
    with pytest.raises(Conflict, match="newer owner"):
        stop(runs, "r-1", "timeout", None, epoch=old.run.epoch)
    new.check()


@pytest.mark.parametrize("status", ["cancelled", "timeout"])
def test_what_a_straggler_writes_after_its_run_was_stopped_is_no_state_of_the_thread(
    runs: RunStore, workspace: Workspace, ann: Identity, status: RunStatus
) -> None:
    enter(runs, ann)
    owned = take(runs)
    before = checkpoint(workspace, owned)
    stop(runs, "r-1", status, ann)
    checkpoint(workspace, owned)
    assert latest(workspace) == before


def test_a_renewal_and_the_end_at_once_leave_the_end(runs: RunStore, ann: Identity) -> None:
    """The heart beats in a thread of its own."""

    async def work() -> None:
        owned = take(runs)
        beats = [asyncio.to_thread(owned.renew) for _ in range(4)]
        await asyncio.gather(*beats, owned.end("success"))

    enter(runs, ann)
    asyncio.run(work())
    assert runs.get("r-1").status == "success"
    assert due_entries(runs.table) == []
    assert not runs.lease("t-1").owner
