"""What people decide: once, for what was shown, by as many persons as it takes, and in time."""

import math
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from storage.audit import AuditLog
from storage.decisions import DESK, Decision, allowed_decisions, decide, expire
from storage.errors import Conflict, InvalidInput, LeaseLost, NotFound
from storage.keys import key
from storage.records import Budget, Identity, Interrupt, Vote
from storage.run_layout import Decided, interrupt_item
from storage.runs import RunStore
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
    kinds,
    latest,
    take,
    together,
)

APPROVE: Decision = {"type": "approve"}
REJECT: Decision = {"type": "reject", "message": "The notice is 60 days."}
ANN, BOB, CARL = (Identity(name=name, source="os") for name in ("ann", "bob", "carl"))
ACTION = {"name": "publish", "args": {"title": "Notice"}}


def question(number: int = 1, **fields: Any) -> Interrupt:
    """A question as the desk's agents put it."""
    value = {
        "binding": f"hash-{number}",
        "action_requests": [ACTION],
        "review_configs": [{"allowed_decisions": ["approve", "edit", "reject"]}],
    }
    return Interrupt(**{"id": f"i-{number}", "kind": "approval", "value": value, **fields})


def waiting(runs: RunStore, *interrupts: Interrupt, run_id: str = "r-1") -> None:
    """Have a run ask, and wait for a person."""
    if runs.find(run_id) is None:
        enter(runs, ANN, run_id, thread=f"t-{run_id}")
    assert ask(take(runs, run_id), *interrupts)


def kept(runs: RunStore, interrupt_id: str = "i-1") -> Decided:
    return next(d for d in runs.decided("r-1") if d.interrupt.id == interrupt_id)


class TestTwoPersons:
    @pytest.fixture(autouse=True)
    def asked(self, runs: RunStore) -> None:
        waiting(runs, question(approvals=2))

    def test_after_the_first_approval_it_still_waits(self, runs: RunStore) -> None:
        run = decide(runs, "r-1", {"i-1": APPROVE}, ANN)
        assert run.status == "interrupted"
        assert [vote.by for vote in run.interrupts[0].votes] == [ANN]
        assert kept(runs).decision is None
        assert due(runs, 10**6) == []
        assert kinds(runs)[-1] == "vote"

    def test_the_second_person_decides_and_the_record_names_both(
        self, runs: RunStore, audit: AuditLog
    ) -> None:
        decide(runs, "r-1", {"i-1": APPROVE}, ANN)
        assert decide(runs, "r-1", {"i-1": APPROVE}, BOB).status == "pending"
        assert due(runs) == ["r-1"]
        decided = kept(runs)
        assert (decided.decision, decided.decided_by) == (APPROVE, BOB)
        assert [vote.by for vote in decided.interrupt.votes] == [ANN, BOB]

        *_, vote, decision = [linked.event for linked in audit.read("r-1")]
        assert (vote.kind, vote.data["by"], vote.data["votes"]) == ("vote", "ann", ["ann"])
        assert (decision.kind, decision.data["by"]) == ("decision", "bob")
        assert decision.data["votes"] == ["ann", "bob"]
        assert verify_run(runs, "r-1").ok

    def test_the_same_person_does_not_count_twice(self, runs: RunStore) -> None:
        decide(runs, "r-1", {"i-1": APPROVE}, ANN)
        with pytest.raises(Conflict, match="ann has approved this already; it takes 2"):
            decide(runs, "r-1", {"i-1": APPROVE}, ANN)
        assert kinds(runs).count("vote") == 1
        assert runs.get("r-1").status == "interrupted"

    def test_a_person_is_a_name_from_a_source(self, runs: RunStore) -> None:
        """The ann of this machine and the ann of the account may be two."""
        decide(runs, "r-1", {"i-1": APPROVE}, ANN)
        other = Identity(name="ann", source="sts")
        assert decide(runs, "r-1", {"i-1": APPROVE}, other).status == "pending"

    @pytest.mark.parametrize("as_whom", ["assumed-role/Ops", "federated-user"])
    def test_on_aws_a_role_is_one_person_whatever_its_sessions_are_called(
        self, runs: RunStore, as_whom: str
    ) -> None:
        """Who assumes a role names the session, and may come back under another name."""

        def known_as(name: str) -> Identity:
            return Identity(name=f"arn:aws:sts::111122223333:{name}", source="sts")

        decide(runs, "r-1", {"i-1": APPROVE}, known_as(f"{as_whom}/ann"))
        with pytest.raises(Conflict, match=r"/ann has .* and .*/bob counts as the same person"):
            decide(runs, "r-1", {"i-1": APPROVE}, known_as(f"{as_whom}/bob"))
        other = known_as("assumed-role/Legal/ann")
        assert decide(runs, "r-1", {"i-1": APPROVE}, other).status == "pending"
        votes = [vote.by.name.rpartition(":")[2] for vote in kept(runs).interrupt.votes]
        assert votes == [f"{as_whom}/ann", "assumed-role/Legal/ann"]
        assert verify_run(runs, "r-1").ok

    @pytest.mark.parametrize(
        "name", ["arn:aws:iam::111122223333:user/legal/{}", "arn:aws:sts::1:assumed-role/{}/me"]
    )
    def test_on_aws_users_and_roles_are_persons(self, runs: RunStore, name: str) -> None:
        for one, status in (("ann", "interrupted"), ("bob", "pending")):
            by = Identity(name=name.format(one), source="sts")
            assert decide(runs, "r-1", {"i-1": APPROVE}, by).status == status

    @pytest.mark.parametrize("decision", [REJECT, {"type": "edit", "edited_action": ACTION}])
    @pytest.mark.parametrize("voted", [False, True])
    def test_to_reject_or_to_edit_takes_one(
        self, runs: RunStore, decision: Decision, voted: bool
    ) -> None:
        """Who edits decides on what it became; the agents ask all persons about that anew."""
        if voted:
            decide(runs, "r-1", {"i-1": APPROVE}, ANN)
        assert decide(runs, "r-1", {"i-1": decision}, BOB).status == "pending"
        assert (kept(runs).decision, kept(runs).decided_by) == (decision, BOB)
        assert verify_run(runs, "r-1").ok

    def test_who_has_approved_may_still_reject(self, runs: RunStore) -> None:
        decide(runs, "r-1", {"i-1": APPROVE}, ANN)
        assert decide(runs, "r-1", {"i-1": REJECT}, ANN).status == "pending"

    def test_two_at_once_are_two(self, runs: RunStore) -> None:
        together(*[lambda by=by: decide(runs, "r-1", {"i-1": APPROVE}, by) for by in (ANN, BOB)])
        assert runs.get("r-1").status == "pending"
        assert {vote.by for vote in kept(runs).interrupt.votes} == {ANN, BOB}
        assert kinds(runs)[-2:] == ["vote", "decision"]

    def test_one_person_twice_at_once_is_one(self, runs: RunStore) -> None:
        refused = together(*[lambda: decide(runs, "r-1", {"i-1": APPROVE}, ANN)] * 3)
        assert sum(isinstance(each, Conflict) for each in refused) == 2
        assert runs.get("r-1").status == "interrupted"

    def test_a_third_comes_too_late(self, runs: RunStore) -> None:
        for by in (ANN, BOB):
            decide(runs, "r-1", {"i-1": APPROVE}, by)
        with pytest.raises(Conflict, match="decided already: approve by bob"):
            decide(runs, "r-1", {"i-1": APPROVE}, CARL)


class TestExpiry:
    def test_a_waiting_run_is_due_when_what_it_asks_expires(self, runs: RunStore) -> None:
        at = time.time() + 1000
        waiting(runs, question(expires_at=at))
        assert list(runs.due(at - 0.01)) == []
        assert list(runs.due(at)) == ["r-1"]

    def test_of_several_the_first_counts(self, runs: RunStore) -> None:
        at = time.time() + 1000
        asked = [question(n, expires_at=e) for n, e in enumerate((at + 50, 0.0, at, at + 9))]
        waiting(runs, *asked)
        assert list(runs.due(at - 0.01)) == []
        assert due_entries(runs.table) == [(int(at * 1000), "r-1")]

    def test_without_a_term_it_is_never_due(self, runs: RunStore) -> None:
        waiting(runs, question())
        assert due_entries(runs.table) == []

    def test_a_term_before_all_time_leaves_nothing_that_is_never_found(
        self, runs: RunStore
    ) -> None:
        """A graph of one's own may write -1 for "never"."""
        waiting(runs, question(expires_at=-1.0))
        assert [run_id for _, run_id in due_entries(runs.table)] == due(runs)

    def test_a_question_that_is_put_again_keeps_its_term(self, runs: RunStore) -> None:
        """An agent that runs anew puts it with a later one."""
        at = time.time() + 1000
        waiting(runs, question(1), question(2, expires_at=at))
        decide(runs, "r-1", {"i-1": APPROVE}, ANN)
        waiting(runs, question(2, expires_at=at + 500))
        assert due_entries(runs.table) == [(int(at * 1000), "r-1")]
        assert kept(runs, "i-2").interrupt.expires_at == at

    def test_in_time_it_is_decided_as_ever(self, runs: RunStore) -> None:
        waiting(runs, question(expires_at=time.time() + 1000))
        decide(runs, "r-1", {"i-1": APPROVE}, ANN)
        assert [run_id for _, run_id in due_entries(runs.table)] == ["r-1"]
        assert due(runs) == ["r-1"]

    def test_a_vote_leaves_the_term_as_it_was(self, runs: RunStore) -> None:
        at = time.time() + 1000
        waiting(runs, question(expires_at=at, approvals=2))
        decide(runs, "r-1", {"i-1": APPROVE}, ANN)
        assert due_entries(runs.table) == [(int(at * 1000), "r-1")]

    @pytest.mark.parametrize("decision", [APPROVE, REJECT])
    def test_too_late_nobody_decides_any_more(self, runs: RunStore, decision: Decision) -> None:
        waiting(runs, question(expires_at=1_700_000_000.0))
        with pytest.raises(Conflict, match=r"expired on 2023-11-14T22:13:20Z.*resume r-1"):
            decide(runs, "r-1", {"i-1": decision}, ANN)
        assert kept(runs).decision is None
        assert runs.get("r-1").status == "interrupted"

    def test_the_desk_writes_down_that_it_has_expired(
        self, runs: RunStore, audit: AuditLog
    ) -> None:
        waiting(runs, question(expires_at=time.time() - 1))
        assert expire(runs, "r-1")

        assert (kept(runs).decision, kept(runs).decided_by) == ({"type": "expire"}, DESK)
        assert runs.get("r-1").status == "pending"
        assert due(runs) == ["r-1"]
        *_, event = [linked.event for linked in audit.read("r-1")]
        assert (event.kind, event.data["decision"]) == ("decision", "expire")
        assert (event.data["by"], event.data["identity_source"]) == ("affidavit", "desk")
        assert verify_run(runs, "r-1").ok
        end(take(runs))

    def test_it_expires_once(self, runs: RunStore) -> None:
        waiting(runs, question(expires_at=time.time() - 1))
        assert [expire(runs, "r-1"), expire(runs, "r-1")] == [True, False]
        assert kinds(runs).count("decision") == 1

    def test_of_two_workers_at_once_one_writes_it_down(self, runs: RunStore) -> None:
        waiting(runs, question(expires_at=time.time() - 1))
        found = together(*[lambda: expire(runs, "r-1")] * 2)
        assert sorted(found, key=str) == [False, True]
        assert kinds(runs).count("decision") == 1

    def test_who_decided_just_in_time_is_not_overruled(
        self, runs: RunStore, clock: Clock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The desk has read, and a decision made in the last moment is stored before it writes."""
        waiting(runs, question(expires_at=time.time() + 1000))
        read = runs.decided

        def read_then_decided(run_id: str) -> list[Decided]:
            found = read(run_id)
            monkeypatch.setattr(runs, "decided", read)
            clock.ahead = 0
            decide(runs, "r-1", {"i-1": APPROVE}, ANN)
            return found

        monkeypatch.setattr(runs, "decided", read_then_decided)
        clock.ahead = 2000
        assert not expire(runs, "r-1")
        assert kept(runs).decided_by == ANN

    def test_what_has_time_left_is_let_be(self, runs: RunStore) -> None:
        waiting(runs, question(1, expires_at=time.time() + 1000), question(2))
        assert not expire(runs, "r-1")
        assert runs.get("r-1").status == "interrupted"

    def test_only_what_is_late_expires(self, runs: RunStore) -> None:
        now = time.time()
        waiting(runs, *[question(n, expires_at=now + s) for n, s in ((1, -1), (2, 1000))])
        assert expire(runs, "r-1")
        assert [each.id for each in runs.get("r-1").interrupts] == ["i-2"]

    def test_who_had_approved_is_still_on_the_record(self, runs: RunStore, clock: Clock) -> None:
        waiting(runs, question(expires_at=time.time() + 1000, approvals=2))
        decide(runs, "r-1", {"i-1": APPROVE}, ANN)
        clock.ahead = 1000
        with pytest.raises(Conflict, match="expired"):
            decide(runs, "r-1", {"i-1": APPROVE}, BOB)
        assert expire(runs, "r-1")
        assert [vote.by for vote in kept(runs).interrupt.votes] == [ANN]
        assert verify_run(runs, "r-1").ok


class TestTogether:
    def test_several_are_decided_in_one_step(self, runs: RunStore) -> None:
        waiting(runs, question(1), question(2))
        decide(runs, "r-1", {"i-1": APPROVE, "i-2": REJECT}, ANN)
        assert [kept(runs, i).decision for i in ("i-1", "i-2")] == [APPROVE, REJECT]
        assert kinds(runs)[-2:] == ["decision", "decision"]
        assert verify_run(runs, "r-1").ok

    def test_a_vote_and_a_decision_go_together(self, runs: RunStore) -> None:
        waiting(runs, question(1), question(2, approvals=2))
        assert decide(runs, "r-1", {"i-1": APPROVE, "i-2": APPROVE}, ANN).status == "pending"
        assert [each.id for each in runs.get("r-1").interrupts] == ["i-2"]

    @pytest.mark.parametrize(
        ("other", "decision", "error"),
        [
            ("i-9", APPROVE, NotFound),
            ("i-2", APPROVE, Conflict),  # decided before
            ("i-3", APPROVE, Conflict),  # expired
            ("i-4", {"type": "guess"}, InvalidInput),
        ],
    )
    def test_all_or_none(
        self, runs: RunStore, other: str, decision: Decision, error: type[Exception]
    ) -> None:
        waiting(runs, question(1), question(2), question(3, expires_at=1.0), question(4))
        decide(runs, "r-1", {"i-2": REJECT}, BOB)
        before = [*kinds(runs)], runs.decided("r-1"), runs.kept("r-1")
        with pytest.raises(error):
            decide(runs, "r-1", {"i-1": APPROVE, other: decision}, ANN)
        assert ([*kinds(runs)], runs.decided("r-1"), runs.kept("r-1")) == before

    def test_to_decide_nothing_changes_nothing(self, runs: RunStore) -> None:
        waiting(runs, question())
        with pytest.raises(InvalidInput):
            decide(runs, "r-1", {}, ANN)
        assert runs.get("r-1").status == "interrupted"


class TestOnce:
    def test_of_two_persons_at_once_one_decides(self, runs: RunStore) -> None:
        waiting(runs, question())
        decisions = [(ANN, APPROVE), (BOB, REJECT)]
        done = together(
            *[lambda by=by, d=d: decide(runs, "r-1", {"i-1": d}, by) for by, d in decisions]
        )
        (refused,) = [each for each in done if isinstance(each, Exception)]
        assert isinstance(refused, Conflict)
        assert "already" in str(refused)
        assert (kept(runs).decided_by, kept(runs).decision) in decisions
        assert kinds(runs).count("decision") == 1

    def test_a_decision_that_comes_again_is_not_taken_for_the_next_question(
        self, runs: RunStore
    ) -> None:
        """A browser that sends its form twice, say."""
        waiting(runs, question(1))
        decide(runs, "r-1", {"i-1": APPROVE}, ANN)
        waiting(runs, question(2))
        with pytest.raises(Conflict, match="i-1 was decided already: approve by ann"):
            decide(runs, "r-1", {"i-1": APPROVE}, ANN)
        assert kept(runs, "i-2").decision is None
        assert runs.get("r-1").status == "interrupted"

    def test_what_is_put_again_is_not_asked_again(self, runs: RunStore) -> None:
        waiting(runs, question(1))
        decide(runs, "r-1", {"i-1": APPROVE}, ANN)
        assert not ask(take(runs), question(1))
        assert kept(runs).decision == APPROVE


class TestOrder:
    """Which decision came last is told by the run's record, and by no clock."""

    def test_a_clock_that_is_slow_changes_nothing(self, runs: RunStore, clock: Clock) -> None:
        for number, ahead in enumerate((300, 0, 100), 1):
            waiting(runs, question(number))
            clock.ahead = ahead
            decide(runs, "r-1", {f"i-{number}": APPROVE}, ANN)
            clock.ahead = 0
        ordered = sorted(runs.decided("r-1"), key=lambda each: each.order)
        assert [each.interrupt.id for each in ordered] == ["i-1", "i-2", "i-3"]

    def test_decisions_that_were_kept_without_it_come_first_by_their_time(
        self, runs: RunStore
    ) -> None:
        waiting(runs, question(1), question(2), question(3))
        decide(runs, "r-1", {"i-1": APPROVE}, ANN)
        for number, at in ((2, 2e10), (3, 1e10)):
            decided = replace(kept(runs, f"i-{number}"), decision=APPROVE, decided_at=at)
            item = interrupt_item("r-1", decided)
            body = {name: value for name, value in item.body.items() if name != "run_version"}
            runs.table.put(replace(item, body=body))
        ordered = sorted(runs.decided("r-1"), key=lambda each: each.order)
        assert [each.interrupt.id for each in ordered] == ["i-3", "i-2", "i-1"]


class TestTypes:
    @pytest.mark.parametrize(
        "value",
        [
            {"review_configs": [{"allowed_decisions": ["approve", "reject"]}]},
            {"allowed_decisions": ["approve", "reject"]},
        ],
    )
    @pytest.mark.parametrize("kind", ["edit", "done", "expire", ""])
    def test_only_what_is_asked_for_can_be_decided(
        self, runs: RunStore, value: dict[str, Any], kind: str
    ) -> None:
        waiting(runs, question(value=value))
        with pytest.raises(InvalidInput, match="Decide one of approve, reject"):
            decide(runs, "r-1", {"i-1": {"type": kind}}, ANN)

    @pytest.mark.parametrize("decision", [{}, {"type": None}, {"type": 1}, "approve", None, []])
    def test_a_decision_has_a_type(self, runs: RunStore, decision: Any) -> None:
        waiting(runs, question())
        with pytest.raises(InvalidInput, match="type"):
            decide(runs, "r-1", {"i-1": decision}, ANN)

    def test_nobody_but_the_desk_lets_a_question_expire(self, runs: RunStore) -> None:
        waiting(runs, question(value={}))
        with pytest.raises(InvalidInput):
            decide(runs, "r-1", {"i-1": {"type": "expire"}}, ANN)

    @pytest.mark.parametrize(
        "edited", [None, [], "publish", {"args": {}}, {"name": "erase", "args": {}}]
    )
    def test_an_edit_keeps_the_tool(self, runs: RunStore, edited: Any) -> None:
        waiting(runs, question())
        with pytest.raises(InvalidInput, match='"name": "publish"'):
            decide(runs, "r-1", {"i-1": {"type": "edit", "edited_action": edited}}, ANN)

    @pytest.mark.parametrize("number", [math.nan, math.inf, 2**70])
    def test_what_cannot_be_kept_cannot_be_decided(self, runs: RunStore, number: float) -> None:
        """JSON as Python reads it has numbers that no record has."""
        waiting(runs, question())
        edited = {"name": "publish", "args": {"copies": number}}
        with pytest.raises(InvalidInput):
            decide(runs, "r-1", {"i-1": {"type": "edit", "edited_action": edited}}, ANN)
        assert kept(runs).decision is None


class TestGraphsOfOnesOwn:
    """They interrupt with whatever they like; it can be shown, and decided."""

    ODD: tuple[dict[str, Any], ...] = (
        {},
        {"value": "Shall I?"},
        {"review_configs": None, "action_requests": None},
        {"review_configs": "approve", "action_requests": "publish"},
        {"review_configs": {"allowed_decisions": ["approve"]}, "action_requests": {"name": "x"}},
        {"review_configs": [], "action_requests": []},
        {"review_configs": ["approve"], "action_requests": ["publish"]},
        {"review_configs": [{}], "action_requests": [{}]},
        {"review_configs": [{"allowed_decisions": "approve"}], "action_requests": [None]},
        {"review_configs": [{"allowed_decisions": [1, None]}], "action_requests": [{"name": 1}]},
        {"allowed_decisions": 7, "binding": ["not", "a", "hash"], "kind": ["odd"]},
    )

    @pytest.mark.parametrize("value", ODD, ids=str)
    def test_it_is_decided_or_said_why_not(self, runs: RunStore, value: dict[str, Any]) -> None:
        edits = [{"type": "edit"}, {"type": "edit", "edited_action": ACTION}]
        decisions = dict(enumerate([APPROVE, REJECT, *edits]))
        waiting(runs, *[question(n, value=value) for n in decisions])
        for n, decision in decisions.items():
            try:
                decide(runs, "r-1", {f"i-{n}": decision}, ANN)
            except InvalidInput:
                assert kept(runs, f"i-{n}").decision is None
            else:
                assert kept(runs, f"i-{n}").decision == decision
        assert runs.get("r-1").status == "pending"
        assert verify_run(runs, "r-1").ok

    @pytest.mark.parametrize("value", ODD, ids=str)
    def test_where_nothing_is_named_anything_goes(self, value: dict[str, Any]) -> None:
        assert allowed_decisions(value) == []


class TestBudget:
    ASKED: Budget = Budget(steps=20, tokens=1000, dollars=0.5)

    @pytest.fixture(autouse=True)
    def asked(self, runs: RunStore) -> None:
        enter(runs, ANN, thread="t-1", budget=Budget(steps=10, tokens=1000, dollars=0.5))
        action = {"name": "extend_budget", "args": self.ASKED.model_dump()}
        configs = [{"allowed_decisions": ["approve", "edit", "reject"]}]
        value = {"action_requests": [action], "review_configs": configs}
        waiting(runs, Interrupt(id="i-1", kind="budget", value=value))

    def edit(self, args: Any) -> dict[str, Decision]:
        action = {"name": "extend_budget", "args": args}
        return {"i-1": {"type": "edit", "edited_action": action}}

    def test_to_approve_gives_what_was_asked_for(self, runs: RunStore) -> None:
        run = decide(runs, "r-1", {"i-1": APPROVE}, ANN)
        assert (run.status, run.budget) == ("pending", self.ASKED)
        assert take(runs).run.budget == self.ASKED

    def test_to_edit_gives_any_other(self, runs: RunStore) -> None:
        run = decide(runs, "r-1", self.edit({"steps": 15}), ANN)
        assert (run.status, run.budget) == ("pending", Budget(steps=15))
        assert verify_run(runs, "r-1").ok

    @pytest.mark.parametrize(
        "args",
        [
            None,
            [],
            "20",
            {"steps": 0},
            {"steps": -1},
            {"steps": 1.5},
            {"steps": "many"},
            {"steps": [20]},
            {"tokens": 2**70},
            {"dollars": 0},
            {"dollars": -0.5},
            {"dollars": math.nan},
            {"dollars": math.inf},
            {"hours": 3},
            {"steps": 20, "": ""},
        ],
        ids=str,
    )
    def test_nonsense_is_no_budget(self, runs: RunStore, args: Any) -> None:
        with pytest.raises(InvalidInput):
            decide(runs, "r-1", self.edit(args), ANN)
        run = runs.get("r-1")
        assert (run.status, run.budget.steps) == ("interrupted", 10)
        assert kept(runs).decision is None

    def test_to_reject_ends_the_run(
        self, runs: RunStore, workspace: Workspace, audit: AuditLog
    ) -> None:
        run = decide(runs, "r-1", {"i-1": REJECT}, ANN)
        assert run.status == "cancelled"
        assert run.error == "Its budget is used up, and it got no more: The notice is 60 days."
        assert kinds(runs)[-2:] == ["decision", "ended"]
        assert due(runs, 10**6) == []
        assert verify_run(runs, "r-1").ok
        assert audit.anchored("r-1") == len(kinds(runs))
        copies = workspace.buckets.state.list(f"anchors/{key('run', 'r-1')}/")
        assert len(list(copies)) == 2  # when it was left to a person, and at its end

    def test_then_its_thread_is_handed_on(self, runs: RunStore) -> None:
        enter(runs, ANN, "r-2", thread="t-1", strategy="enqueue")
        decide(runs, "r-1", {"i-1": REJECT}, ANN)
        assert (runs.lease("t-1").run_id, due(runs)) == ("r-2", ["r-2"])
        assert take(runs, "r-2").run.epoch == runs.get("r-1").epoch + 1

    def test_then_nobody_is_left_who_could_write(
        self, runs: RunStore, workspace: Workspace
    ) -> None:
        """The budget is refused while a worker goes on with what else was decided."""
        waiting(runs, kept(runs).interrupt, question(2), run_id="r-2")
        decide(runs, "r-2", {"i-2": APPROVE}, ANN)
        owned = take(runs, "r-2")
        before = checkpoint(workspace, owned)
        assert decide(runs, "r-2", {"i-1": REJECT}, ANN).epoch == owned.run.epoch + 1

        with pytest.raises(LeaseLost):
            end(owned)
        checkpoint(workspace, owned)
        assert latest(workspace, "t-r-2") == before
        assert verify_run(runs, "r-2").ok


class TestOnTheRecord:
    """What was decided, and by whom, is compared with the chain."""

    def tampered(self, runs: RunStore, change: Callable[[Decided], Decided]) -> str:
        """Have someone with access to the table change what is kept; return what is found."""
        decided = kept(runs)
        item = interrupt_item("r-1", change(decided))
        runs.table.put(replace(item, version=decided.version))
        verdict = verify_run(runs, "r-1")
        return "" if verdict.ok or not verdict.first_bad else verdict.first_bad.where

    @pytest.mark.parametrize(
        "change",
        [
            lambda d: replace(d, decision=REJECT),
            lambda d: replace(d, decision={**APPROVE, "more": 1}),
            lambda d: replace(d, decided_by=CARL),
            lambda d: replace(d, decided_by=Identity(name="ann", source="sts")),
            lambda d: replace(d, decision=None, decided_by=None, decided_at=0.0),
        ],
        ids=["rejected", "more in it", "by another", "from another source", "taken back"],
    )
    def test_a_decision_that_was_changed_is_found(
        self, runs: RunStore, change: Callable[[Decided], Decided]
    ) -> None:
        waiting(runs, question())
        decide(runs, "r-1", {"i-1": APPROVE}, ANN)
        assert self.tampered(runs, change) == "decision"

    def test_a_decision_that_was_removed_is_found(self, runs: RunStore) -> None:
        waiting(runs, question())
        decide(runs, "r-1", {"i-1": APPROVE}, ANN)
        item = interrupt_item("r-1", kept(runs))
        runs.table.delete(item.pk, item.sk)
        assert not verify_run(runs, "r-1").ok

    def test_a_decision_that_nobody_made_is_found(self, runs: RunStore) -> None:
        waiting(runs, question())
        assert self.tampered(runs, lambda d: replace(d, decision=APPROVE, decided_by=ANN))

    @pytest.mark.parametrize(
        "voters",
        [
            [BOB],
            [ANN, BOB],
            [ANN, Identity(name="ann", source="sts")],
            [Identity(name="ann", source="sts")],
            [ANN, BOB, CARL],
            [],
        ],
        ids=["another", "one more", "a double", "another ann", "as many as it takes", "none"],
    )
    def test_votes_that_were_changed_are_found(
        self, runs: RunStore, voters: list[Identity]
    ) -> None:
        """Of three approvals one was given, by ann; whoever forges the others may approve alone."""
        waiting(runs, question(approvals=3))
        decide(runs, "r-1", {"i-1": APPROVE}, ANN)
        assert verify_run(runs, "r-1").ok
        assert self.tampered(runs, voted(voters)) == "decision"

    @pytest.mark.parametrize("voters", [[ANN, CARL], [ANN], [ANN, BOB, CARL]])
    def test_the_last_vote_is_the_decision(self, runs: RunStore, voters: list[Identity]) -> None:
        waiting(runs, question(approvals=2))
        for by in (ANN, BOB):
            decide(runs, "r-1", {"i-1": APPROVE}, by)
        assert verify_run(runs, "r-1").ok
        assert self.tampered(runs, voted(voters)) == "decision"


def voted(voters: list[Identity]) -> Callable[[Decided], Decided]:
    """Return what has others vote on an interrupt."""

    def change(decided: Decided) -> Decided:
        votes = [Vote(by=by, at=1.0) for by in voters]
        return replace(decided, interrupt=decided.interrupt.model_copy(update={"votes": votes}))

    return change
