"""A policy file end to end: who has to approve what, until when, and what makes an approval void.

The graph `doing` is one agent and `act`; what its model calls is what a test is about.
"""

import re
import textwrap
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import pytest
from langchain_core.messages import AIMessage, BaseMessage, ToolMessage
from langchain_core.tools import ToolException
from langgraph.graph import START, StateGraph
from langgraph.types import Command, Send, interrupt
from pydantic import BaseModel

import tools.policy
from graph import Context, Orchestrator
from graph.settings import Settings
from storage.errors import Conflict, InvalidInput, NotAllowed, Unavailable, Waits
from storage.records import Identity, Run
from tests.scripted import calls
from tools.effects import Effects, Outcome
from tools.policy import Policy, Rule, read_policy
from tools.registry import Plan, Registry, Safety, plans

from .conftest import LEASE, Clock, OpenDesk
from .stage import (
    APPROVE,
    Billing,
    Calling,
    Said,
    decide,
    doing,
    edit,
    kinds,
    the_question,
    values,
    work_until,
)

ANN, BOB, EVE = (Identity(name=name, source="os") for name in ("ann", "bob", "eve"))
MEMO = "Write a memo on the notice for early termination of the lease and publish it."
HOUR = 3600.0
BOARD = "{verdict: ask, tool: put_object, args: {key: 'board-*'}, approvals: 2}"
TWO = "{verdict: ask, risk: write, approvals: 2}"
ONE = "{verdict: ask, risk: write}"
FOR_AN_HOUR = "{verdict: ask, risk: write, expires_after_hours: 1}"
READ = "{verdict: allow, risk: read}"
Governed = Callable[..., Orchestrator]


@pytest.fixture
def governed(open_desk: OpenDesk, settings: Settings, tmp_path: Path) -> Governed:
    """Open a desk under rules, as the setting AFFIDAVIT_POLICY names them."""

    def open_one(*rules: str, **options: Any) -> Orchestrator:
        path = tmp_path / "policy.yaml"
        path.write_text("rules:\n" + "".join(f"  - {rule}\n" for rule in rules))
        under = settings.model_copy(update={"policy": path})
        return open_desk(settings=under, graphs={"doing": doing()}, **options)

    return open_one


def putting(**texts: str) -> Calling:
    """A model that puts objects: their names with a dash for each underscore, their texts."""
    named = [{"key": f"{key.replace('_', '-')}.txt", "text": text} for key, text in texts.items()]
    return Calling(wanted=[("put_object", args) for args in named])


def approvers(desk: Orchestrator, run: Run) -> list[str]:
    """On whose word the effects of a run were done, as its chain has it."""
    found = [linked.event for linked in desk.runs.events(run.id, follow=False)]
    return [event.data["by"] for event in found if event.kind == "effect"]


def published(desk: Orchestrator) -> dict[str, bytes]:
    return {o.name: desk.resources.objects.get(o.name) for o in desk.resources.objects.all()}


def said(desk: Orchestrator, run: Run) -> str:
    """What the agent said in the end: here, what its tools returned."""
    return str(values(desk, run)["messages"][-1].text)


class TestTwoPersons:
    def test_a_memo_is_published_when_both_have_approved(self, governed: Governed) -> None:
        ann, bob = (governed(TWO, READ, identity=who) for who in (ANN, BOB))
        ann.documents.add(LEASE.encode(), name="lease.txt")
        run = ann.invoke(MEMO)
        asked = the_question(run, "approval")
        assert (asked.approvals, asked.votes) == (2, [])

        half = decide(ann, run)
        assert half.status == "interrupted"
        assert [vote.by for vote in the_question(half).votes] == [ANN]
        with pytest.raises(Waits):
            ann.drive(run.id)
        with pytest.raises(Conflict, match="2 different persons"):
            decide(ann, run)
        assert published(ann) == {}

        assert decide(bob, run).status == "pending"
        done = bob.drive(run.id)
        assert done.status == "success"
        assert len(published(bob)) == 1
        assert approvers(bob, run) == ["ann, bob"]
        by = [
            (linked.event.kind, linked.event.data["by"], linked.event.data["votes"])
            for linked in bob.runs.events(run.id)
            if linked.event.kind in ("vote", "decision")
        ]
        assert by == [("vote", "ann", ["ann"]), ("decision", "bob", ["ann", "bob"])]
        assert bob.audit.verify(run.id).ok

    def test_one_of_them_rejects_it_for_both(self, governed: Governed) -> None:
        ann, bob = (governed(TWO, model=putting(a="a"), identity=who) for who in (ANN, BOB))
        run = ann.invoke("go", graph="doing")
        decide(ann, run)
        decide(bob, run, {"type": "reject", "message": "not so"})
        assert bob.drive(run.id).status == "success"
        assert "not so" in said(bob, run)
        assert published(bob) == {}

    def test_what_one_makes_of_it_both_approve_anew(self, governed: Governed) -> None:
        """Whoever has approved what it was before has not approved what it is now."""
        ann, bob = (governed(TWO, model=putting(a="a"), identity=who) for who in (ANN, BOB))
        run = ann.invoke("go", graph="doing")
        first = the_question(run)
        decide(ann, run)
        decide(bob, run, edit(first, key="a.txt", text="edited"))

        run = bob.drive(run.id)
        asked = the_question(run, "approval")
        assert asked.id != first.id
        assert asked.value["action_requests"][0]["args"] == {"key": "a.txt", "text": "edited"}
        assert (asked.approvals, asked.votes) == (2, [])
        decide(bob, run)
        assert published(bob) == {}
        decide(ann, run)
        assert ann.drive(run.id).status == "success"
        assert published(ann) == {"a.txt": b"edited"}
        assert approvers(ann, run) == ["bob, ann"]

    def test_a_rule_that_became_stricter_counts_for_what_is_approved_from_then_on(
        self, governed: Governed
    ) -> None:
        ann = governed(ONE, model=putting(a="a"), identity=ANN)
        run = ann.invoke("go", graph="doing")
        stricter = governed(TWO, model=putting(a="a"), identity=ANN)
        decide(stricter, run)
        stricter.drive(run.id)
        assert published(stricter) == {}
        assert stricter.runs.get(run.id).status == "interrupted"


class TestEditing:
    def test_into_what_a_stricter_rule_speaks_about(self, governed: Governed) -> None:
        ann, bob = (governed(BOARD, ONE, model=putting(a="a"), identity=who) for who in (ANN, BOB))
        run = ann.invoke("go", graph="doing")
        asked = the_question(run)
        assert asked.approvals == 1
        decide(ann, run, edit(asked, key="board-1.txt", text="a"))

        run = ann.drive(run.id)
        again = the_question(run, "approval")
        assert again.approvals == 2
        assert again.value["action_requests"][0]["args"]["key"] == "board-1.txt"
        decide(ann, run)
        decide(bob, run)
        assert bob.drive(run.id).status == "success"
        assert published(bob) == {"board-1.txt": b"a"}
        assert approvers(bob, run) == ["ann, bob"]

    def test_out_of_what_a_stricter_rule_speaks_about(self, governed: Governed) -> None:
        """One person does alone what the rule lets one do alone."""
        ann = governed(BOARD, ONE, model=putting(board_1="a"), identity=ANN)
        run = ann.invoke("go", graph="doing")
        asked = the_question(run)
        assert asked.approvals == 2
        decide(ann, run, edit(asked, key="a.txt", text="a"))
        assert ann.drive(run.id).status == "success"
        assert published(ann) == {"a.txt": b"a"}
        assert approvers(ann, run) == ["ann"]

    def test_who_had_approved_it_before_has_not_approved_what_it_became(
        self, governed: Governed
    ) -> None:
        rules = (BOARD, ONE)
        ann, bob = (
            governed(*rules, model=putting(board_1="a"), identity=who) for who in (ANN, BOB)
        )
        run = ann.invoke("go", graph="doing")
        asked = the_question(run)
        decide(ann, run)
        decide(bob, run, edit(asked, key="a.txt", text="what ann never saw"))
        assert bob.drive(run.id).status == "success"
        assert published(bob) == {"a.txt": b"what ann never saw"}
        assert approvers(bob, run) == ["bob"]

    def test_into_what_the_policy_denies(self, governed: Governed) -> None:
        deny = "{verdict: deny, args: {key: 'secret-*'}, why: secrets stay}"
        ann = governed(deny, ONE, model=putting(a="a"))
        run = ann.invoke("go", graph="doing")
        decide(ann, run, edit(the_question(run), key="secret-1.txt", text="a"))
        assert ann.drive(run.id).status == "success"
        assert "secrets stay" in said(ann, run)
        assert published(ann) == {}

    def test_who_comes_second_is_told_what_the_first_decided(self, governed: Governed) -> None:
        ann, bob = (governed(ONE, model=putting(a="a"), identity=who) for who in (ANN, BOB))
        run = ann.invoke("go", graph="doing")
        decide(bob, run, edit(the_question(run), key="a.txt", text="edited"))
        with pytest.raises(Conflict, match="edit by bob"):
            decide(ann, run)
        ann.drive(run.id)
        assert published(ann) == {"a.txt": b"edited"}
        assert approvers(ann, run) == ["bob"]


class TestExpiry:
    def test_what_nobody_approved_in_time_is_not_done_and_a_worker_tells_the_agents(
        self, governed: Governed, clock: Clock
    ) -> None:
        desk = governed(FOR_AN_HOUR, model=putting(a="a"), identity=ANN)
        run = desk.invoke("go", graph="doing")
        assert 0 < the_question(run).expires_at - clock.time() <= HOUR
        work_until(desk.worker(), done=desk.runs.workers)
        assert desk.runs.get(run.id).status == "interrupted"

        clock.forward(HOUR)
        with pytest.raises(Conflict, match="expired"):
            decide(desk, run)
        work_until(desk.worker(), done=lambda: desk.runs.get(run.id).ended)
        assert desk.runs.get(run.id).status == "success"
        assert "Nobody approved put_object by" in said(desk, run)
        assert published(desk) == {}
        assert [
            (linked.event.data["decision"], linked.event.data["by"])
            for linked in desk.runs.events(run.id)
            if linked.event.kind == "decision"
        ] == [("expire", "affidavit")]
        assert desk.audit.verify(run.id).ok

    def test_the_desk_says_so_in_its_answer(self, governed: Governed, clock: Clock) -> None:
        desk = governed(FOR_AN_HOUR, READ)
        desk.documents.add(LEASE.encode(), name="lease.txt")
        run = desk.invoke(MEMO)
        clock.forward(HOUR)
        done = desk.drive(run.id)
        assert done.status == "success"
        assert done.answer
        assert "Nobody approved publish_deliverable by" in done.answer.text
        assert published(desk) == {}

    def test_what_was_approved_in_time_is_done_however_late(
        self, governed: Governed, clock: Clock
    ) -> None:
        desk = governed(FOR_AN_HOUR, model=putting(a="a"), identity=ANN)
        run = decide(desk, desk.invoke("go", graph="doing"))
        clock.forward(24 * HOUR)
        assert desk.drive(run.id).status == "success"
        assert published(desk) == {"a.txt": b"a"}

    def test_one_of_two_is_not_enough(self, governed: Governed, clock: Clock) -> None:
        rule = "{verdict: ask, risk: write, approvals: 2, expires_after_hours: 1}"
        desk = governed(rule, model=putting(a="a"), identity=ANN)
        run = decide(desk, desk.invoke("go", graph="doing"))
        assert run.status == "interrupted"
        clock.forward(HOUR)
        assert desk.drive(run.id).status == "success"
        assert published(desk) == {}

    def test_each_question_has_its_own_time(self, governed: Governed, clock: Clock) -> None:
        brief = "{verdict: ask, args: {key: 'a*'}, expires_after_hours: 1}"
        desk = governed(brief, ONE, model=putting(a="a", b="b"), identity=ANN)
        run = desk.invoke("go", graph="doing")
        assert len(run.interrupts) == 2
        clock.forward(HOUR)
        run = desk.drive(run.id)
        left = the_question(run, "approval")
        assert left.value["action_requests"][0]["args"]["key"] == "b.txt"
        decide(desk, run)
        assert desk.drive(run.id).status == "success"
        assert published(desk) == {"b.txt": b"b"}

    def test_a_question_keeps_its_time_while_another_is_decided(
        self, governed: Governed, clock: Clock
    ) -> None:
        """The run goes on in between, and its other call is asked about again: in vain."""
        desk = governed(FOR_AN_HOUR, model=putting(a="a", b="b"), identity=ANN)
        run = desk.invoke("go", graph="doing")
        first, second = run.interrupts
        clock.forward(HOUR / 2)
        desk.runs.resume(run.id, {first.id: APPROVE})
        assert the_question(desk.drive(run.id)) == second
        clock.forward(HOUR / 2)
        work_until(desk.worker(), done=lambda: desk.runs.get(run.id).ended)
        assert desk.runs.get(run.id).status == "success"
        assert len(published(desk)) == 1


class TestWhatItRestsOn:
    NEWER = LEASE.replace("ninety days", "sixty days")

    def waiting(self, desk: Orchestrator) -> tuple[str, Run]:
        lease = desk.documents.add(LEASE.encode(), name="lease.txt")
        run = desk.invoke(MEMO)
        the_question(run, "approval")
        return lease.id, run

    @pytest.mark.parametrize("approved_first", [True, False])
    def test_a_new_version_of_the_document_makes_the_approval_void(
        self, desk: Orchestrator, approved_first: bool
    ) -> None:
        lease, run = self.waiting(desk)
        first = the_question(run)
        if approved_first:
            decide(desk, run)
        desk.documents.add(self.NEWER.encode(), name="lease-2.txt", version_of=lease)
        if not approved_first:
            decide(desk, run)

        run = desk.drive(run.id)
        again = the_question(run, "approval")
        (request,) = again.value["action_requests"]
        assert "It rests on an older version of lease.txt." in request["description"]
        assert "older version" not in first.value["action_requests"][0]["description"]
        assert again.value["binding"] != first.value["binding"]
        assert published(desk) == {}
        with pytest.raises(Conflict, match="already"):
            desk.runs.resume(run.id, {first.id: APPROVE})

        decide(desk, run)
        assert desk.drive(run.id).status == "success"
        assert len(published(desk)) == 1
        assert kinds(desk, run).count("effect") == 1

    def test_a_new_version_of_another_document_changes_nothing(self, desk: Orchestrator) -> None:
        other = desk.documents.add(b"Nothing of the kind.", name="other.txt")
        _, run = self.waiting(desk)
        decide(desk, run)
        desk.documents.add(b"Nothing at all.", name="other.txt", version_of=other.id)
        assert desk.drive(run.id).status == "success"
        assert len(published(desk)) == 1


class TestDecisions:
    @pytest.mark.parametrize(
        "decision", [{}, {"type": None}, {"type": "expire"}, "approve", None, ["approve"]]
    )
    def test_what_is_no_decision_is_refused(self, governed: Governed, decision: Any) -> None:
        desk = governed(ONE, model=putting(a="a"))
        run = desk.invoke("go", graph="doing")
        with pytest.raises(InvalidInput):
            decide(desk, run, decision)
        assert desk.runs.get(run.id) == run

    def test_to_decide_nothing_changes_nothing(self, governed: Governed) -> None:
        desk = governed(ONE, model=putting(a="a"))
        run = desk.invoke("go", graph="doing")
        with suppress(InvalidInput):
            assert desk.runs.resume(run.id, {}) == run
        assert desk.runs.get(run.id) == run


class TestTwoCallsAtOnce:
    def asked(self, desk: Orchestrator) -> tuple[Run, dict[str, str]]:
        run = desk.invoke("go", graph="doing")
        keys = {i.value["action_requests"][0]["args"]["key"]: i.id for i in run.interrupts}
        assert set(keys) == {"a.txt", "b.txt"}
        return run, keys

    @pytest.fixture
    def desk(self, governed: Governed) -> Orchestrator:
        return governed(ONE, model=putting(a="a", b="b"), identity=ANN)

    def test_they_are_decided_together(self, desk: Orchestrator) -> None:
        run, keys = self.asked(desk)
        edited = edit(run.interrupts[0], key="c.txt", text="c")
        desk.runs.resume(run.id, {keys["a.txt"]: edited, keys["b.txt"]: APPROVE})
        assert desk.drive(run.id).status == "success"
        assert published(desk) == {"b.txt": b"b", "c.txt": b"c"}
        assert kinds(desk, run).count("effect") == 2

    def test_they_are_decided_one_by_one(self, desk: Orchestrator) -> None:
        run, keys = self.asked(desk)
        desk.runs.resume(run.id, {keys["b.txt"]: APPROVE})
        run = desk.drive(run.id)
        assert the_question(run).id == keys["a.txt"]
        assert published(desk) == {"b.txt": b"b"}
        with pytest.raises(Conflict, match="already"):
            desk.runs.resume(run.id, {keys["b.txt"]: APPROVE})

        desk.runs.resume(run.id, {keys["a.txt"]: APPROVE})
        assert desk.drive(run.id).status == "success"
        assert published(desk) == {"a.txt": b"a", "b.txt": b"b"}
        assert kinds(desk, run).count("effect") == 2
        assert [o.version for o in desk.resources.objects.all()] == [1, 1]

    def test_both_are_decided_before_the_run_goes_on(self, desk: Orchestrator) -> None:
        run, keys = self.asked(desk)
        for interrupt_id in keys.values():
            assert desk.runs.resume(run.id, {interrupt_id: APPROVE}).status == "pending"
        assert desk.drive(run.id).status == "success"
        assert published(desk) == {"a.txt": b"a", "b.txt": b"b"}

    def test_of_decisions_together_all_count_or_none(self, desk: Orchestrator) -> None:
        run, keys = self.asked(desk)
        for wrong in ({"type": "perhaps"}, edit(run.interrupts[0], key="")):
            with pytest.raises(InvalidInput):
                desk.runs.resume(run.id, {keys["b.txt"]: APPROVE, keys["a.txt"]: wrong})
            assert desk.runs.get(run.id) == run

    def test_of_the_same_call_twice_one_is_done_and_one_has_changed(
        self, governed: Governed
    ) -> None:
        """Both would replace what was there before, and by then there is something else."""
        twice = [("put_object", {"key": "a.txt", "text": "a"})] * 2
        desk = governed(ONE, model=Calling(wanted=twice), identity=ANN)
        run = desk.invoke("go", graph="doing")
        assert len(run.interrupts) == 2
        decide(desk, run)
        run = desk.drive(run.id)
        while run.status == "interrupted":
            decide(desk, run)
            run = desk.drive(run.id)
        assert run.status == "success"
        versions = [o.version for o in desk.resources.objects.all()]
        assert versions == [kinds(desk, run).count("effect")]


def test_of_a_step_that_asks_a_hundred_questions_all_are_put_some_at_a_time(
    open_desk: OpenDesk,
) -> None:
    def fan(_: Said) -> Command[str]:
        return Command(goto=[Send("asks", n) for n in range(100)])

    def asks(n: Any) -> Said:
        return {"said": [f"{n}: {interrupt({'question': n})['type']}"]}

    graph = StateGraph(Said, context_schema=Context).add_node("fan", fan, destinations=("asks",))
    graph.add_node("asks", asks).add_edge(START, "fan")
    desk = open_desk(model=Billing(), graphs={"wide": graph})
    run = desk.invoke("go", graph="wide")
    for _ in range(2):
        assert len(run.interrupts) == 50
        run = desk.drive(decide(desk, run).id)
    assert run.status == "success"
    assert sorted(values(desk, run)["said"]) == sorted(f"{n}: approve" for n in range(100))


class Pay(BaseModel):
    """Arguments of the test's tool."""

    to: str


class Paying:
    """A tool that takes no idempotency token: what it is called for is done, and then it fails."""

    safety: Safety = "at_most_once"

    def __init__(self, *failures: Exception) -> None:
        self.failures, self.paid = list(failures), list[str]()

    def __call__(self, registry: Registry) -> None:
        registry.add(plans(Pay, self.pay), "write", self.safety)

    def pay(self, to: str) -> Plan:
        """Pay."""
        return Plan(shows=f"Pay {to}.", done=f"Paid {to}.", call=lambda: self.call(to))

    def call(self, to: str) -> None:
        self.paid.append(to)
        if self.failures:
            raise self.failures.pop(0)


class TestAnUnknownOutcome:
    def lost(self, governed: Governed, failure: Exception) -> tuple[Orchestrator, Paying, Run]:
        """A run whose payment was begun, and of which nobody knows whether it was done."""
        tool, model = Paying(failure), Calling(wanted=[("pay", {"to": "bob"})])
        desk = governed(ONE, model=model, tools=[tool], identity=ANN)
        run = desk.invoke("go", graph="doing")
        the_question(run, "approval")
        decide(desk, run)
        run = desk.drive(run.id)
        if run.status == "error":
            desk.runs.retry(run.id)
        if run.status in ("error", "pending"):
            run = desk.drive(run.id)
        return desk, tool, run

    @pytest.mark.parametrize(
        ("failure", "outcome"),
        [
            pytest.param(RuntimeError("The line went dead."), "done", id="the call broke"),
            pytest.param(RuntimeError("The line went dead."), "not_done", id="not done"),
            pytest.param(Unavailable("No answer."), "done", id="the service did not answer"),
            pytest.param(ToolException("No JSON."), "done", id="the tool said that it failed"),
            pytest.param(InvalidInput("No receipt."), "done", id="an error of ours"),
        ],
    )
    def test_it_waits_for_a_person_and_is_never_repeated(
        self, governed: Governed, failure: Exception, outcome: str
    ) -> None:
        desk, tool, run = self.lost(governed, failure)
        asked = the_question(run, "outcome_unknown")
        assert "pay was begun" in asked.value["description"]
        for other in (APPROVE, {"type": "reject"}, {"type": "expire"}):
            with pytest.raises(InvalidInput, match="done, not_done"):
                decide(desk, run, other)

        decide(desk, run, {"type": outcome})
        done = desk.drive(run.id)
        assert done.status == "success"
        assert said(desk, run) == f"pay was {outcome.replace('_', ' ')}, a person found."
        assert tool.paid == ["bob"]
        assert kinds(desk, run).count("effect_begun") == 1
        assert desk.audit.verify(run.id).ok

    def test_who_settled_it_stands_in_the_record(self, governed: Governed) -> None:
        desk, _, run = self.lost(governed, RuntimeError("The line went dead."))
        decide(desk, run, {"type": "done"})
        desk.drive(run.id)
        assert approvers(desk, run) == ["ann"]

    def test_it_is_settled_once(self, governed: Governed) -> None:
        desk, _, run = self.lost(governed, RuntimeError("The line went dead."))
        decide(desk, run, {"type": "done"})
        with pytest.raises(Conflict, match="already: done by ann"):
            decide(desk, run, {"type": "not_done"})


class PayingOnce(Paying):
    """The same with a token: to call it again pays nothing more."""

    safety: Safety = "repeatable"


class Insisting(Calling):
    """An agent that calls its tools again as long as one of them has failed."""

    def reply(self, messages: list[BaseMessage]) -> AIMessage:
        last = messages[-1]
        failed = isinstance(last, ToolMessage) and last.status == "error"
        return calls(*self.wanted) if failed else super().reply(messages)


class TestWhatWasBegun:
    """It is not told as an error to an agent that would ask for it again."""

    WANTED: Final = [("pay", {"to": "bob"})]

    def test_what_can_be_repeated_is_gone_on_with_by_a_retry(self, governed: Governed) -> None:
        expired = NotAllowed("The session has run out.")
        tool, model = PayingOnce(expired, expired), Insisting(wanted=self.WANTED)
        desk = governed("{verdict: allow, risk: write}", model=model, tools=[tool])
        run = desk.invoke("go", graph="doing")
        for _ in range(2):
            assert (run.status, run.error) == ("error", "The session has run out.")
            desk.runs.retry(run.id)
            run = desk.drive(run.id)
        assert (run.status, said(desk, run)) == ("success", "Paid bob.")
        assert [kinds(desk, run).count(kind) for kind in ("effect_begun", "effect")] == [1, 1]
        assert desk.audit.verify(run.id).ok

    def test_of_what_cannot_be_repeated_a_person_says_whether_it_was_done(
        self, governed: Governed, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """It was done, and then the storage would not take down that it was."""
        settle, refused = Effects.settle, [NotAllowed("The session has run out.")]

        async def settle_later(self: Effects, *args: Any, **about: Any) -> Outcome:
            if refused:
                raise refused.pop()
            return await settle(self, *args, **about)

        monkeypatch.setattr(Effects, "settle", settle_later)
        tool, model = Paying(), Insisting(wanted=self.WANTED)
        desk = governed("{verdict: allow, risk: write}", model=model, tools=[tool], identity=ANN)
        run = desk.invoke("go", graph="doing")
        the_question(run, "outcome_unknown")
        decide(desk, run, {"type": "done"})
        assert desk.drive(run.id).status == "success"
        assert tool.paid == ["bob"]


class TestTheFile:
    def test_one_that_cannot_be_used_opens_no_desk(
        self, open_desk: OpenDesk, governed: Governed, settings: Settings, tmp_path: Path
    ) -> None:
        with pytest.raises(InvalidInput, match=r"policy\.yaml .*Rule 1, verdict"):
            governed("{verdict: perhaps}")
        missing = settings.model_copy(update={"policy": tmp_path / "nothing.yaml"})
        with pytest.raises(InvalidInput, match=r"nothing\.yaml"):
            open_desk(settings=missing)

    def test_the_rules_of_the_manual_cannot_be_walked_around(self, desk: Orchestrator) -> None:
        """Each tool that gives a deliverable its name asks two persons about the board's."""
        manual = (Path(__file__).parents[2] / "docs" / "runs.md").read_text()
        (shown,) = re.findall(r"^```yaml\n(rules:\n.*?)^```", manual, re.DOTALL | re.MULTILINE)
        assert textwrap.indent(shown, " " * 4) in str(tools.policy.__doc__)
        path = desk.resources.settings.home / "policy.yaml"
        path.parent.mkdir(exist_ok=True)  # on AWS nothing else is kept there
        path.write_text(shown)
        policy, registry = read_policy(path), desk.resources.tools
        assert policy.idle(registry) == []

        naming = {"publish_deliverable": "name", "put_object": "key", "copy_object": "to"}
        for tool, argument in naming.items():
            rule = policy.decide(registry.get(tool), {argument: "board-memo.md"}, "default")
            assert (rule.verdict, rule.approvals) == ("ask", 2)
        others = {"put_item", "put_metric", "tag_object", "set_retention", "presign_object"}
        assert {entry.name for entry in registry if entry.risk == "write"} == {*naming, *others}

    def test_it_takes_the_place_of_the_rules_that_come_along(self, governed: Governed) -> None:
        """With no rule for it nothing is done, and nothing is read."""
        desk = governed("{verdict: allow, tool: list_objects}", model=putting(a="a"))
        run = desk.invoke("go", graph="doing")
        assert run.status == "success"
        assert "no rule allows it" in said(desk, run)

    def test_a_rule_may_be_for_some_workspaces(self, governed: Governed) -> None:
        rules = ("{verdict: allow, tool: put_object, workspace: drafts-*}", ONE)
        asked = governed(*rules, model=putting(a="a"))
        assert asked.invoke("go", graph="doing").status == "interrupted"
        allowed = governed(*rules, model=putting(a="a"), workspace="drafts-1")
        run = allowed.invoke("go", graph="doing")
        assert (run.status, approvers(allowed, run)) == ("success", ["policy"])


@pytest.mark.parametrize(
    ("decision", "left"),
    [
        pytest.param({"type": "reject", "message": "never"}, {}, id="rejected"),
        pytest.param("edit", {"b.txt": b"edited"}, id="edited"),
    ],
)
def test_what_people_were_asked_they_decide_though_a_rule_allows_it_by_then(
    governed: Governed, decision: Any, left: dict[str, bytes]
) -> None:
    desk = governed(ONE, model=putting(a="a"), identity=ANN)
    run = desk.invoke("go", graph="doing")
    edited = edit(the_question(run), key="b.txt", text="edited")
    decide(desk, run, edited if decision == "edit" else decision)
    desk.resources.policy = Policy((Rule(verdict="allow"),))
    assert desk.drive(run.id).status == "success"
    assert published(desk) == left


def test_the_rule_is_asked_again_when_the_run_goes_on(governed: Governed) -> None:
    """An approval does not outlive the permission to ask for it."""
    desk = governed(ONE, model=putting(a="a"), identity=ANN)
    run = decide(desk, desk.invoke("go", graph="doing"))
    desk.resources.policy = Policy((Rule(verdict="deny", why="it is Sunday"),))
    assert desk.drive(run.id).status == "success"
    assert "it is Sunday" in said(desk, run)
    assert published(desk) == {}
