"""What a run asks people: several things at once, of several of them, in time, of each kind."""

from collections.abc import Callable
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.types import interrupt

from graph import Orchestrator
from storage.records import Budget, Document, Identity, Interrupt, Run
from storage.run_layout import Decided, interrupt_item
from tools.policy import Rule
from ui import changes, parts

from .conftest import HOSTILE, NOTES

OpenOwn = Callable[..., Orchestrator]
ANN = Identity(name="ann", source="demo")
BOTH = Rule(verdict="ask", risk="write", approvals=2)
METRIC = ("put_metric", {"name": "pages", "value": 3.0})


def decisions(desk: Orchestrator, run: Run) -> list[tuple[str, str]]:
    """Who decided what, in the order of the record."""
    events = [linked.event for linked in desk.runs.events(run.id, follow=False)]
    return [(e.data["by"], e.data["decision"]) for e in events if e.kind in ("vote", "decision")]


class TestTogether:
    def test_all_is_approved_at_once(
        self, desk: Orchestrator, pages: Any, open_own: OpenOwn
    ) -> None:
        own = open_own(*NOTES, METRIC)
        run = own.invoke("Publish the notes, and count them.", graph="own")
        at = pages.press(pages.open(thread=run.thread_id), "Approve all 3")
        assert desk.runs.get(run.id).interrupts == []
        assert own.drive(run.id).status == "success"
        assert len(decisions(desk, run)) == 3
        assert "This run ended without an answer." in pages.text(pages.run(at))

    def test_each_is_decided_by_itself_and_the_rest_stays(
        self, desk: Orchestrator, pages: Any, open_own: OpenOwn
    ) -> None:
        own = open_own(*NOTES, METRIC)
        run = own.invoke("Publish the notes, and count them.", graph="own")
        first = run.interrupts[0].id
        at = pages.press(pages.open(thread=run.thread_id), key=f"approve-{first}")
        assert "waits for a worker to take it up" in pages.text(at)
        assert f"approve-{first}" not in [button.key for button in at.button]
        assert at.chat_input[0].disabled
        pages.press(at, "Approve all 2")
        assert own.drive(run.id).status == "success"
        assert len(decisions(desk, run)) == 3

    def test_where_someone_was_first_nothing_of_it_is_done(
        self, desk: Orchestrator, pages: Any, open_own: OpenOwn
    ) -> None:
        run = open_own(*NOTES).invoke("Publish the notes.", graph="own")
        at = pages.open(thread=run.thread_id)
        reject = {"type": "reject", "message": "No."}
        desk.runs.resume(run.id, {run.interrupts[0].id: reject})
        pages.press(at, "Approve all 2")
        assert "Someone was first; nothing was done." in pages.text(at)
        assert [each.id for each in desk.runs.get(run.id).interrupts] == [run.interrupts[1].id]

    def test_one_question_needs_no_such_button(self, pages: Any, asks: Run) -> None:
        at = pages.open(thread=asks.thread_id)
        assert not [label for label in pages.labels(at) if label.startswith("Approve all")]


class TestSeveralPersons:
    def test_each_approves_once(self, desk: Orchestrator, pages: Any, open_own: OpenOwn) -> None:
        own = open_own(NOTES[0], rules=(BOTH,), identity=ANN)
        run = own.invoke("Publish the notice.", graph="own")
        at = pages.open(thread=run.thread_id)
        assert "Takes the approval of 2 different persons. Nobody has approved it yet." in (
            pages.text(at)
        )
        stale = pages.open(thread=run.thread_id)
        pages.press(at, "Approve")
        me = desk.identity.name
        assert f"Approved so far by {me} at" in pages.text(at)
        assert "You have approved it." in pages.text(at)
        assert "Approve" not in pages.labels(at)
        pages.press(stale, "Approve")
        assert "Someone was first; nothing was done." in pages.text(stale)

        own.runs.resume(run.id, {run.interrupts[0].id: {"type": "approve"}})
        assert own.drive(run.id).status == "success"
        assert decisions(desk, run) == [(me, "approve"), ("ann", "approve")]
        said = pages.text(pages.open("runs.py", run=run.id))
        assert f"{me} approved; it takes more persons" in said
        assert f"ann approved, after {me}" in said
        assert f"carried out, on the word of {me}, ann" in said

    def test_a_change_is_shown_to_everybody_again(
        self, desk: Orchestrator, pages: Any, open_own: OpenOwn
    ) -> None:
        own = open_own(NOTES[0], rules=(BOTH,))
        run = own.invoke("Publish the notice.", graph="own")
        at = pages.open(thread=run.thread_id)
        at.text_input(key=f"arg-{run.interrupts[0].id}-name").set_value("other.md")
        pages.press(at, "Ask about the change")
        assert own.drive(run.id).status == "interrupted"
        assert "Publish other.md" in pages.text(pages.run(at))

    def test_what_one_has_approved_is_not_approved_again_with_the_rest(
        self, desk: Orchestrator, pages: Any, open_own: OpenOwn
    ) -> None:
        rule = Rule(verdict="ask", args={"name": "notice.md"}, approvals=2)
        run = open_own(*NOTES, METRIC, rules=(rule,)).invoke("Publish the notes.", graph="own")
        (two,) = [each for each in run.interrupts if each.approvals == 2]
        at = pages.open(thread=run.thread_id)
        pages.press(at, key=f"approve-{two.id}")
        pages.press(at, "Approve 2 of 3")
        assert [each.id for each in desk.runs.get(run.id).interrupts] == [two.id]


class TestInTime:
    def test_until_when_is_said_in_the_time_zone_of_who_looks(
        self, pages: Any, open_own: OpenOwn, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        zone = ZoneInfo("Pacific/Kiritimati")
        monkeypatch.setattr(parts, "zone", lambda: zone)
        rule = Rule(verdict="ask", risk="write", expires_after_hours=48)
        run = open_own(NOTES[0], rules=(rule,)).invoke("Publish the notice.", graph="own")
        at = datetime.fromtimestamp(run.interrupts[0].expires_at, zone)
        said = pages.text(pages.open(thread=run.thread_id))
        assert f"Can be approved until {at:%Y-%m-%d %H:%M}; then it is rejected." in said

    def test_what_has_expired_cannot_be_decided(
        self, desk: Orchestrator, pages: Any, open_own: OpenOwn
    ) -> None:
        rule = Rule(verdict="ask", risk="write", expires_after_hours=1e-6)
        own = open_own(NOTES[0], rules=(rule,))
        run = own.invoke("Publish the notice.", graph="own")
        at = pages.open(thread=run.thread_id)
        assert "Too late to decide" in pages.text(at)
        assert not set(pages.labels(at)) & {"Approve", "Reject", "Approve as changed"}
        assert own.drive(run.id).status == "success"
        assert "nobody decided in time" in pages.text(pages.open("runs.py", run=run.id))


class TestBudget:
    @pytest.fixture
    def wants(self, desk: Orchestrator, lease: Document) -> Run:
        """A run that has used up its steps."""
        budget = Budget(steps=2, tokens=1_000_000, dollars=5)
        run = desk.invoke("How much is the deposit?", budget=budget)
        assert run.interrupts[0].kind == "budget"
        return run

    def test_what_was_used_and_what_is_asked_for(self, pages: Any, wants: Run) -> None:
        said = pages.text(pages.open(thread=wants.thread_id))
        assert "Budget used up" in said
        assert "The run would pass its budget of 2 steps." in said
        assert "Steps224Tokens01,000,000as it isDollars$0.00$5.00as it is" in said

    def test_it_gets_what_it_asks_for(self, desk: Orchestrator, pages: Any, wants: Run) -> None:
        pages.press(pages.open(thread=wants.thread_id), "Approve")
        assert desk.runs.get(wants.id).budget.steps == 4

    def test_it_gets_what_a_person_makes_of_it(
        self, desk: Orchestrator, pages: Any, wants: Run
    ) -> None:
        at = pages.open(thread=wants.thread_id)
        key = f"arg-{wants.interrupts[0].id}"
        at.number_input(key=f"{key}-steps").set_value(50)
        at.number_input(key=f"{key}-tokens").set_value(None)
        pages.press(at, "Approve as changed")
        assert desk.runs.get(wants.id).budget == Budget(steps=50, tokens=None, dollars=5)
        assert desk.drive(wants.id).status == "success"

    def test_a_budget_of_nothing_is_refused(
        self, desk: Orchestrator, pages: Any, wants: Run
    ) -> None:
        at = pages.open(thread=wants.thread_id)
        at.number_input(key=f"arg-{wants.interrupts[0].id}-steps").set_value(0)
        pages.press(at, "Approve as changed")
        assert "That did not work." in pages.text(at)
        assert desk.runs.get(wants.id).status == "interrupted"

    def test_it_gets_no_more(self, desk: Orchestrator, pages: Any, wants: Run) -> None:
        at = pages.open(thread=wants.thread_id)
        at.text_input(key=f"why-{wants.interrupts[0].id}").set_value("It is dear.")
        pages.press(at, "Reject")
        assert desk.runs.get(wants.id).status == "cancelled"
        assert "Its budget is used up, and it got no more: It is dear." in pages.text(at)


class TestUnknownOutcome:
    @pytest.fixture
    def begun(self, open_own: OpenOwn, monkeypatch: pytest.MonkeyPatch) -> tuple[Orchestrator, Run]:
        """A run that broke down in the middle of something that must not be done twice."""
        own = open_own(METRIC, rules=(Rule(verdict="allow", risk="write"),))
        telemetry = own.resources.workspace.telemetry
        metric = telemetry.metric

        def broken(name: str, *args: Any, **kwargs: Any) -> None:
            if name == "pages":
                raise RuntimeError("The network is gone.")
            metric(name, *args, **kwargs)

        monkeypatch.setattr(telemetry, "metric", broken)
        return own, own.invoke("Count the pages.", graph="own")

    def test_a_person_says_what_became_of_it(
        self, pages: Any, begun: tuple[Orchestrator, Run]
    ) -> None:
        own, run = begun
        at = pages.open(thread=run.thread_id)
        said = pages.text(at)
        assert "Outcome unknown" in said
        assert "put_metric was begun at " in said
        assert "on the word of the policy." in said
        assert "Nobody knows whether it was done" in said
        pages.press(at, "It was not done")
        assert own.drive(run.id).status == "success"
        said = pages.text(pages.open("runs.py", run=run.id))
        assert f"{own.identity.name} found that it was not done" in said

    def test_what_was_approved_is_shown_as_it_was_approved(
        self, pages: Any, begun: tuple[Orchestrator, Run]
    ) -> None:
        own, run = begun
        request = {"name": "put_metric", "args": {"value": 3.0}, "description": "Record 3."}
        value = {
            "tool_call_id": run.interrupts[0].value["tool_call_id"],
            "action_requests": [request],
        }
        edit = {"type": "edit", "edited_action": {"name": "put_metric", "args": {"value": 4.5}}}
        asked = Interrupt(id="i-0", kind="approval", value=value)
        kept = interrupt_item(run.id, Decided(asked, edit, own.identity, 1.0))
        own.resources.workspace.tables.runs.put(kept)
        said = pages.text(pages.open(thread=run.thread_id))
        assert "As it was changed and approved:" in said
        assert "value 4.5" in said


class TestChanges:
    def test_a_number_is_changed_as_a_number(
        self, desk: Orchestrator, pages: Any, open_own: OpenOwn
    ) -> None:
        own = open_own(METRIC)
        run = own.invoke("Count the pages.", graph="own")
        at = pages.open(thread=run.thread_id)
        at.number_input(key=f"arg-{run.interrupts[0].id}-value").set_value(4.5)
        pages.press(at, "Approve as changed")
        (decided,) = desk.resources.runs.decided(run.id)
        args = (decided.decision or {})["edited_action"]["args"]
        assert args == {"name": "pages", "value": 4.5, "unit": "Count"}
        assert own.drive(run.id).status == "success"

    @pytest.mark.parametrize("value", [True, None, 2**60, 1e300, 1e-12, float("nan"), [1], "1"])
    def test_what_a_browser_would_round_is_no_number(self, value: Any) -> None:
        assert not changes.is_number(Interrupt(id="i", kind="approval", value={}), value)

    @pytest.mark.parametrize("value", [0, -7, 2**53 - 1, 3.0, 0.000001, -12.345678])
    def test_a_number_is_one(self, value: Any) -> None:
        assert changes.is_number(Interrupt(id="i", kind="approval", value={}), value)


ALL = {"allowed_decisions": ["approve", "edit", "reject"]}
REQUEST = {"name": HOSTILE, "args": {HOSTILE: HOSTILE, "n": 1}, "description": HOSTILE}


class TestQuestionsOfAGraphOfOnesOwn:
    """They may hold anything."""

    def ask(self, value: Any) -> Run:
        def wonder(state: MessagesState) -> MessagesState:
            interrupt(value)
            return {"messages": []}

        builder = StateGraph(MessagesState)
        builder.add_node("wonder", wonder)
        builder.add_edge(START, "wonder")
        with Orchestrator.open(graphs={"wonders": builder}) as own:
            return own.invoke("What now?", graph="wonders")

    @pytest.mark.usefixtures("desk")
    @pytest.mark.parametrize(
        "value",
        [
            HOSTILE,
            {"action_requests": [REQUEST], "review_configs": [ALL]},
            {"action_requests": [{"args": [HOSTILE]}], "review_configs": [ALL]},
            {"action_requests": HOSTILE, **ALL},
            {"kind": "budget", "action_requests": [REQUEST], "spent": HOSTILE, **ALL},
            {"kind": "budget", "spent": {"tokens": HOSTILE, "dollars": True}, **ALL},
            {"kind": "outcome_unknown", "tool_call_id": [HOSTILE], "description": HOSTILE},
        ],
    )
    def test_they_are_shown_and_do_nothing(self, pages: Any, value: Any) -> None:
        at = pages.open(thread=self.ask(value).thread_id)
        made = {name for name, _ in pages.tags(at)}
        assert not made & {"script", "img", "a", "iframe", "object", "style", "link", "form"}, made
        fields = [*at.text_input, *at.text_area, *at.number_input]
        labels = [*pages.labels(at), *(field.label for field in fields)]
        assert not [label for label in labels if "<" in label.replace("\\<", "")]
        assert not at.markdown

    @pytest.mark.usefixtures("desk")
    def test_one_that_names_no_decisions_can_be_answered(
        self, desk: Orchestrator, pages: Any
    ) -> None:
        run = self.ask("Which one?")
        at = pages.open(thread=run.thread_id)
        assert "Which one?" in pages.text(at)
        pages.press(at, "Approve")
        assert desk.runs.get(run.id).status == "pending"
