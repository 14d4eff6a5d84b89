"""The gate in front of every effect: the policy, then a person, on exactly what was shown."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from langchain_core.messages import ToolCall, ToolMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, StateGraph
from langgraph.types import Command, Send
from pydantic import BaseModel

from nodes.act import act
from nodes.context import Context
from nodes.state import DeskState, Task
from storage.errors import InvalidInput
from storage.recordings import TOOL
from storage.records import Identity, Interrupt, Vote
from storage.run_layout import Decided
from tests.nodes.conftest import ANN, MakeContext, on_record, runtime, state
from tools.effects import Outcome
from tools.policy import DEFAULT, Policy, Rule
from tools.registry import Plan, Registry, plans, reads


class Say(BaseModel):
    """Arguments of the test's tools."""

    text: str


class Tools:
    """Two tools: `look` reads and counts, `send` writes to `sent`."""

    def __init__(self) -> None:
        self.looked = 0
        self.sent: list[str] = []
        self.addressee = "bob"
        self.registry = Registry()

        def look(text: str) -> tuple[str, Any]:
            """Look."""
            self.looked += 1
            return f"saw {text}", [text]

        def send(text: str) -> Plan:
            """Send."""
            shows = f"Send {text} to {self.addressee}."
            return Plan(shows=shows, done=f"Sent {text}.", call=lambda: self.sent.append(text))

        self.registry.add(reads(Say, look), "read")

        def post(text: str) -> Plan:
            """Post."""
            return Plan(shows="Post.", done="Posted.", call=lambda: self.sent.append(text))

        self.registry.add(plans(Say, send), "write", "at_most_once")

        def keep(text: str) -> Plan:
            """Keep."""
            raise InvalidInput(f"There is no {text}.")

        self.registry.add(plans(Say, post), "write", "at_most_once")
        self.registry.add(plans(Say, keep), "write", "repeatable")


@pytest.fixture
def tools() -> Tools:
    return Tools()


class Harness:
    """`act` in a graph of its own, with a record of decisions beside it."""

    def __init__(self, context: Context) -> None:
        self.record: list[Decided] = []
        self.versions = ["v1"]
        self.context = replace(context, approvals=lambda: self.record)
        self.call = ToolCall(name="send", args={"text": "hello"}, id="call-1", type="tool_call")
        graph = StateGraph(DeskState, context_schema=Context)
        by_send: Any = act
        graph.add_node("act", by_send, destinations=("done",))
        graph.add_node("done", lambda state: {})
        graph.add_conditional_edges(START, self._task)
        self.graph = graph.compile(checkpointer=InMemorySaver())
        self.at: Any = {"configurable": {"thread_id": "t"}}

    def _task(self, _: DeskState) -> list[Send]:
        return [Send("act", Task(call=self.call, agent="done", versions=self.versions))]

    def go(self, given: Any = None, **call: Any) -> ToolMessage | None:
        """Run until the call is answered; None if it asks."""
        if call:
            self.call = ToolCall(**{**self.call, **call})  # type: ignore[typeddict-item]
        given = state() if given is None else given
        final = asyncio.run(self.graph.ainvoke(given, self.at, context=self.context))
        return final["scratch"][-1] if final.get("scratch") else None

    @property
    def asked(self) -> Interrupt:
        (found,) = self.graph.get_state(self.at).interrupts
        return Interrupt(id=found.id, kind="approval", value=found.value)

    def decide(self, decision: dict[str, Any], *, on_record: bool = True) -> ToolMessage | None:
        """Decide what is asked, as the record and the graph would get it."""
        asked = self.asked
        if on_record:
            self.record.append(Decided(asked, decision, ANN, 1.0))
        return self.go(Command(resume={asked.id: decision}))


@pytest.fixture
def harness(context: MakeContext, tools: Tools) -> Callable[..., Harness]:
    return lambda **options: Harness(context(registry=tools.registry, **options))


def test_a_question_that_is_too_long_for_a_person_is_refused(
    harness: Callable[..., Harness], tools: Tools
) -> None:
    """The agent is told, and can do it in parts."""
    tools.addressee = "x" * 250_000
    answer = harness(policy=DEFAULT).go()
    assert answer
    assert answer.status == "error"
    assert "Ask with less, or in parts" in answer.content
    assert tools.sent == []


class TestPolicy:
    def test_a_read_that_is_allowed_is_done(
        self, harness: Callable[..., Harness], tools: Tools
    ) -> None:
        answer = harness().go(name="look", args={"text": "x"})
        assert answer
        assert (answer.content, answer.artifact, answer.tool_call_id) == ("saw x", ["x"], "call-1")

    def test_without_a_rule_nothing_is_done(
        self, harness: Callable[..., Harness], tools: Tools
    ) -> None:
        for name in ("look", "send"):
            answer = harness(policy=Policy()).go(name=name, args={"text": "x"})
            assert answer
            assert answer.status == "error"
            assert "not allowed" in answer.content
        assert (tools.looked, tools.sent) == (0, [])

    def test_a_rule_may_allow_a_write_without_asking(
        self, harness: Callable[..., Harness], tools: Tools
    ) -> None:
        answer = harness(policy=Policy((Rule(verdict="allow", tool="send"),))).go()
        assert answer
        assert tools.sent == ["hello"]

    @pytest.mark.parametrize(
        ("call", "why"),
        [
            ({"name": "explode"}, "no tool 'explode'"),
            ({"args": {}}, "text: Field required"),
            ({"args": {"text": 7}}, "text: Input should be a valid string"),
        ],
    )
    def test_what_cannot_be_called_is_said(
        self, harness: Callable[..., Harness], call: dict[str, Any], why: str
    ) -> None:
        answer = harness().go(**call)
        assert answer
        assert answer.status == "error"
        assert why in answer.content


class TestApproval:
    def test_nothing_is_done_before_a_person_approves(
        self, harness: Callable[..., Harness], tools: Tools
    ) -> None:
        desk = harness()
        assert desk.go() is None
        assert tools.sent == []
        value = desk.asked.value
        assert value["action_requests"] == [
            {"name": "send", "args": {"text": "hello"}, "description": "Send hello to bob."}
        ]
        assert value["review_configs"][0]["allowed_decisions"] == ["approve", "edit", "reject"]

        answer = desk.decide({"type": "approve"})
        assert answer
        assert answer.content == "Sent hello."
        assert tools.sent == ["hello"]
        assert desk.context.effects.grants[0].by == "ann"  # type: ignore[attr-defined]

    def test_a_rejection_goes_back_with_its_reason(
        self, harness: Callable[..., Harness], tools: Tools
    ) -> None:
        desk = harness()
        desk.go()
        answer = desk.decide({"type": "reject", "message": "wrong person"})
        assert answer
        assert answer.status == "error"
        assert "wrong person" in answer.content
        assert tools.sent == []

    def test_an_edit_is_what_is_done(self, harness: Callable[..., Harness], tools: Tools) -> None:
        desk = harness()
        desk.go()
        edit = {"name": "send", "args": {"text": "good day"}}
        desk.decide({"type": "edit", "edited_action": edit})
        assert tools.sent == ["good day"]

    def test_an_edit_into_what_the_policy_denies_does_nothing(
        self, harness: Callable[..., Harness], tools: Tools
    ) -> None:
        secret = Rule(verdict="deny", tool="send", args={"text": "*secret*"})
        desk = harness(policy=Policy((secret, *DEFAULT.rules)))
        desk.go()
        edit = {"name": "send", "args": {"text": "the secret"}}
        answer = desk.decide({"type": "edit", "edited_action": edit})
        assert answer
        assert "not allowed with these arguments" in answer.content
        assert tools.sent == []

    @pytest.mark.parametrize(
        "edit", [{"name": "look", "args": {"text": "x"}}, {"name": "send", "args": {}}, {}]
    )
    def test_an_edit_that_does_not_fit_does_nothing(
        self, harness: Callable[..., Harness], tools: Tools, edit: dict[str, Any]
    ) -> None:
        desk = harness()
        desk.go()
        answer = desk.decide({"type": "edit", "edited_action": edit})
        assert answer
        assert answer.status == "error"
        assert tools.sent == []

    def test_a_decision_that_is_not_on_the_record_counts_for_nothing(
        self, harness: Callable[..., Harness], tools: Tools
    ) -> None:
        desk = harness()
        desk.go()
        first = desk.asked
        assert desk.decide({"type": "approve"}, on_record=False) is None
        assert tools.sent == []
        assert desk.asked.id != first.id

    def test_an_approval_is_void_when_what_was_shown_has_changed(
        self, harness: Callable[..., Harness], tools: Tools
    ) -> None:
        desk = harness()
        desk.go()
        tools.addressee = "eve"
        assert desk.decide({"type": "approve"}) is None
        assert tools.sent == []
        assert desk.asked.value["action_requests"][0]["description"] == "Send hello to eve."
        desk.decide({"type": "approve"})
        assert tools.sent == ["hello"]

    def test_the_latest_decision_counts_whatever_the_clocks_said(
        self, harness: Callable[..., Harness], tools: Tools
    ) -> None:
        """Approved where the clock is fast, void, rejected elsewhere; then all is as at first."""
        desk = harness()
        decisions = [({"type": "approve"}, 300.0, "eve"), ({"type": "reject"}, 1.0, "bob")]
        desk.go()
        for number, (decision, clock, addressee) in enumerate(decisions, 1):
            asked = desk.asked
            desk.record.append(Decided(asked, decision, ANN, clock, run_version=number))
            tools.addressee = addressee
            assert desk.go(Command(resume={asked.id: decision})) is None
        assert tools.sent == []

    def test_an_approval_is_for_these_arguments_though_they_are_described_alike(
        self, harness: Callable[..., Harness], tools: Tools
    ) -> None:
        approved, desk = harness(), harness()
        approved.go(name="post", args={"text": "hello"})
        desk.go(name="post", args={"text": "something else"})
        desk.record.append(Decided(approved.asked, {"type": "approve"}, ANN, 1.0))
        assert desk.decide({"type": "approve"}, on_record=False) is None
        assert tools.sent == []

    def test_an_approval_is_for_this_call(
        self, harness: Callable[..., Harness], tools: Tools
    ) -> None:
        """Another call asks for the same with the same words, and is asked about itself."""
        approved, desk = harness(), harness()
        approved.go(id="call-1")
        desk.go(id="call-2")
        desk.record.append(Decided(approved.asked, {"type": "approve"}, ANN, 1.0))
        assert desk.decide({"type": "approve"}, on_record=False) is None
        assert tools.sent == []

    def test_an_approval_is_for_what_the_call_rests_on(
        self, harness: Callable[..., Harness], tools: Tools
    ) -> None:
        approved, desk = harness(), harness()
        approved.go()
        desk.versions = ["v2"]
        desk.go()
        desk.record.append(Decided(approved.asked, {"type": "approve"}, ANN, 1.0))
        assert desk.decide({"type": "approve"}, on_record=False) is None
        assert tools.sent == []

    def test_an_approval_that_nobody_signed_is_void(
        self, harness: Callable[..., Harness], tools: Tools
    ) -> None:
        desk = harness()
        desk.go()
        desk.record.append(Decided(desk.asked, {"type": "approve"}, None, 1.0))
        assert desk.decide({"type": "approve"}, on_record=False) is None
        assert tools.sent == []

    def test_an_approval_is_for_this_version_of_the_graph(
        self, harness: Callable[..., Harness], tools: Tools
    ) -> None:
        desk = harness()
        desk.go()
        desk.context = replace(desk.context, version="2")
        assert desk.decide({"type": "approve"}) is None
        assert tools.sent == []


class TestTerms:
    """By how many, and until when: the rule says so, and the question tells."""

    def test_the_question_tells_the_terms_of_the_rule(
        self, harness: Callable[..., Harness], tools: Tools
    ) -> None:
        rule = Rule(verdict="ask", approvals=3, expires_after_hours=1)
        desk = harness(policy=Policy((rule,)))
        desk.go()
        value = desk.asked.value
        assert value["approvals"] == 3
        assert 0 < value["expires_at"] - time.time() <= 3600
        plain = harness()
        plain.go()
        assert (plain.asked.value["approvals"], plain.asked.value["expires_at"]) == (1, 0)

    def test_what_nobody_approved_in_time_is_not_done(
        self, harness: Callable[..., Harness], tools: Tools
    ) -> None:
        desk = harness()
        desk.go()
        answer = desk.decide({"type": "expire"})
        assert answer
        assert answer.status == "error"
        assert "Nobody approved send by" in answer.content
        assert tools.sent == []

    def test_all_who_approved_are_named(
        self, harness: Callable[..., Harness], tools: Tools
    ) -> None:
        desk = harness(policy=Policy((Rule(verdict="ask", approvals=2),)))
        desk.go()
        votes = [Vote(by=Identity(name="bob", source="os"), at=0.5), Vote(by=ANN, at=1.0)]
        asked = desk.asked
        both = asked.model_copy(update={"votes": votes})
        desk.record.append(Decided(both, {"type": "approve"}, ANN, 1.0))
        desk.go(Command(resume={asked.id: {"type": "approve"}}))
        assert tools.sent == ["hello"]
        assert desk.context.effects.grants[0].by == "bob, ann"  # type: ignore[attr-defined]

    def test_two_sessions_of_one_role_are_not_two(
        self, harness: Callable[..., Harness], tools: Tools
    ) -> None:
        """Whoever counted them, they are counted again before anything is done."""
        desk = harness(policy=Policy((Rule(verdict="ask", approvals=2),)))
        desk.go()
        asked, role = desk.asked, "arn:aws:sts::111122223333:assumed-role/Ops"
        by = [Identity(name=f"{role}/{name}", source="sts") for name in ("ann", "bob")]
        voted = asked.model_copy(update={"votes": [Vote(by=each, at=1.0) for each in by]})
        desk.record.append(Decided(voted, {"type": "approve"}, by[-1], 1.0))
        assert desk.go(Command(resume={asked.id: {"type": "approve"}})) is None
        assert tools.sent == []

    def test_what_takes_two_is_asked_again_as_it_was_edited(
        self, harness: Callable[..., Harness], tools: Tools
    ) -> None:
        desk = harness(policy=Policy((Rule(verdict="ask", approvals=2),)))
        desk.go()
        edit = {"name": "send", "args": {"text": "good day"}}
        assert desk.decide({"type": "edit", "edited_action": edit}) is None
        assert tools.sent == []
        assert desk.asked.value["action_requests"][0]["args"] == {"text": "good day"}
        assert desk.asked.value["approvals"] == 2


class TestForks:
    """Whatever the policy says, a person is told what an ancestor has done."""

    ALLOW = Policy((Rule(verdict="allow"),))

    def forked(self, harness: Callable[..., Harness], ancestor: str = "r-0") -> Harness:
        desk = harness(policy=self.ALLOW)
        desk.context.effects.ancestor = ancestor  # type: ignore[attr-defined]
        return desk

    def test_what_an_ancestor_has_done_is_done_again_on_a_person_s_word(
        self, harness: Callable[..., Harness], tools: Tools
    ) -> None:
        desk = self.forked(harness)
        assert desk.go() is None
        assert tools.sent == []
        description = desk.asked.value["action_requests"][0]["description"]
        assert description.endswith("Run r-0, from which this one was forked, has done it already.")
        assert desk.decide({"type": "approve"})
        assert tools.sent == ["hello"]

    def test_or_not_at_all(self, harness: Callable[..., Harness], tools: Tools) -> None:
        desk = self.forked(harness)
        desk.go()
        assert desk.decide({"type": "reject", "message": "once"})
        assert tools.sent == []

    def test_what_no_ancestor_has_done_is_not_asked_about(
        self, harness: Callable[..., Harness], tools: Tools
    ) -> None:
        assert self.forked(harness, ancestor="").go()
        assert tools.sent == ["hello"]


class TestOnce:
    def test_a_call_that_was_done_is_not_done_again(
        self, harness: Callable[..., Harness], tools: Tools
    ) -> None:
        desk = harness()
        desk.context.effects.done["call-1"] = Outcome("done", "Sent before.")  # type: ignore[attr-defined]
        answer = desk.go()
        assert answer
        assert answer.content == "Sent before."
        assert tools.sent == []

    def test_an_agent_is_told_of_an_error_only_if_nothing_was_done(
        self, harness: Callable[..., Harness]
    ) -> None:
        """It would call again, under another id: what was begun is gone on with by a retry."""
        answer = harness().go(name="keep")
        assert answer
        assert (answer.status, answer.content) == ("error", "There is no hello.")

        desk = harness()
        desk.context.effects.done["call-1"] = Outcome("begun")  # type: ignore[attr-defined]
        with pytest.raises(InvalidInput, match=r"There is no hello\."):
            desk.go(name="keep")

    def test_an_unknown_outcome_waits_for_a_person(
        self, harness: Callable[..., Harness], tools: Tools
    ) -> None:
        desk = harness()
        desk.context.effects.done["call-1"] = Outcome("begun")  # type: ignore[attr-defined]
        assert desk.go() is None
        assert desk.asked.value["kind"] == "outcome_unknown"
        answer = desk.decide({"type": "not_done"})
        assert answer
        assert "not done" in answer.content
        assert tools.sent == []

    def test_an_unknown_outcome_is_settled_on_the_record_or_not_at_all(
        self, harness: Callable[..., Harness], tools: Tools
    ) -> None:
        desk = harness()
        desk.context.effects.done["call-1"] = Outcome("begun")  # type: ignore[attr-defined]
        desk.go()
        assert desk.decide({"type": "done"}, on_record=False) is None
        assert desk.asked.value["kind"] == "outcome_unknown"
        assert desk.context.effects.done["call-1"].state == "begun"  # type: ignore[attr-defined]

    def test_what_was_read_is_recorded_before_it_is_used(
        self, harness: Callable[..., Harness], tools: Tools
    ) -> None:
        desk = harness()
        desk.go(name="look", args={"text": "x"})
        (recorded,) = on_record(desk.context.recordings, TOOL)
        assert "saw x" in recorded["response"]

    def test_a_read_that_runs_again_gives_what_was_recorded(
        self, context: MakeContext, tools: Tools
    ) -> None:
        """The task is the same, as it is after a crash; another one looks for itself."""
        made = context(registry=tools.registry)
        call = ToolCall(name="look", args={"text": "x"}, id="call-1", type="tool_call")
        task = Task(call=call, agent="librarian", versions=[])
        for name, looked in (("task-1", 1), ("task-1", 1), ("task-2", 2)):
            asyncio.run(act(task, runtime(made, name)))
            assert tools.looked == looked
