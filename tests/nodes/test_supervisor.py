"""The supervisor: a sound plan of whatever the model plans, a route within bounds, an answer."""

import asyncio
from typing import Any

import pytest
from langgraph.types import Command

from nodes.state import Focus, MemoReply, PlanReply
from nodes.supervisor import compose, supervisor
from storage.records import Citation, Claim

from .conftest import MakeContext, runtime, state

CITED = Citation(
    document_id="d-1", document="lease.pdf", sha256="0", page=2, start=3, end=9, quote="90 days"
)
PROVEN = Claim(text="Ninety days.", verified=True, citations=[CITED])
UNPROVEN = Claim(text="Sixty days.", verified=False)
PLAN = PlanReply(question="?", agents=["librarian", "analyst"])


def decide(context: Any, **fields: Any) -> tuple[Any, dict[str, Any]]:
    command: Command[Any] = asyncio.run(supervisor(state(**fields), runtime(context)))
    return command.goto, dict(command.update)  # type: ignore[call-overload, arg-type]


def planning(**reply: Any) -> Any:
    return lambda *_: {"question": "Q", "agents": [], **reply}


class TestPlan:
    @pytest.mark.parametrize(
        ("agents", "sound"),
        [
            ([], ["librarian", "analyst"]),
            (["analyst", "librarian"], ["librarian", "analyst"]),
            (["writer"], ["librarian", "analyst", "writer"]),
            (["custodian", "writer", "analyst"], ["custodian"]),
            (["analyst"] * 9, ["librarian", "analyst"]),
        ],
    )
    def test_whatever_is_planned_can_be_carried_out(
        self, context: MakeContext, agents: list[str], sound: list[str]
    ) -> None:
        goto, update = decide(context(planning(agents=agents)))
        assert update["plan"].agents == sound
        assert goto == sound[0]

    def test_the_model_can_narrow_the_user_s_limit_and_not_widen_it(
        self, context: MakeContext
    ) -> None:
        given = context(planning(document_ids=["d-1", "d-9"]))
        _, update = decide(given, documents=["d-1", "d-2"])
        assert update["plan"].document_ids == ["d-1"]
        _, update = decide(context(planning(document_ids=["d-9"])), documents=["d-1"])
        assert update["plan"].document_ids == ["d-1"]

    def test_earlier_citations_are_those_there_are(self, context: MakeContext) -> None:
        focus = Focus(question="Before?", citations=[CITED])
        _, update = decide(context(planning(earlier=[0, 1, 2, -1])), focus=focus)
        assert update["plan"].earlier == [1]

    def test_the_model_is_told_what_the_conversation_is_about(self, context: MakeContext) -> None:
        seen: dict[str, Any] = {}

        def model(agent: str, form: str, payload: dict[str, Any]) -> dict[str, Any]:
            seen.update(payload)
            return {"question": "Q", "agents": []}

        decide(context(model), focus=Focus(question="Before?", citations=[CITED]))
        assert seen["last_question"] == "Before?"
        assert seen["citations"][0]["quote"] == "90 days"
        assert seen["documents"] == [{"id": "d-1", "name": "lease.pdf"}]


class TestRoute:
    def test_the_plan_is_followed(self, context: MakeContext) -> None:
        goto, update = decide(context(), plan=PLAN, step=0)
        assert (goto, update["step"]) == ("analyst", 1)
        goto, _ = decide(context(), plan=PLAN, step=1, claims=[PROVEN])
        assert goto == "__end__"

    def test_objections_send_the_work_back_a_bounded_number_of_times(
        self, context: MakeContext
    ) -> None:
        objected = {"plan": PLAN, "step": 1, "objections": ["no"], "claims": [UNPROVEN]}
        assert decide(context(), **objected, rounds=1)[0] == "analyst"
        assert decide(context(), **objected, rounds=2)[0] == "analyst"
        assert decide(context(), **objected, rounds=3)[0] == "__end__"

    def test_there_is_a_bound_on_visits(self, context: MakeContext) -> None:
        goto, _ = decide(context(), plan=PLAN, step=0, visits=99)
        assert goto == "__end__"

    def test_a_memo_is_written_reviewed_and_published(self, context: MakeContext) -> None:
        plan = PlanReply(question="?", agents=["librarian", "analyst", "writer"])
        memo = MemoReply(title="T", file_name="t.md", paragraphs=[])
        assert decide(context(), plan=plan, step=1, claims=[PROVEN])[0] == "writer"
        goto, update = decide(context(), plan=plan, step=2, claims=[PROVEN], memo=memo)
        assert (goto, update["step"]) == ("writer", 2)
        published = {"plan": plan, "step": 2, "claims": [PROVEN], "memo": memo, "report": "Done."}
        assert decide(context(), **published)[0] == "__end__"

    def test_nothing_proven_nothing_written(self, context: MakeContext) -> None:
        plan = PlanReply(question="?", agents=["librarian", "analyst", "writer"])
        assert decide(context(), plan=plan, step=1, claims=[UNPROVEN])[0] == "__end__"


class TestAnswer:
    def test_proven_claims_carry_their_numbers(self) -> None:
        again = PROVEN.model_copy(update={"text": "Again."})
        answer = compose([PROVEN, again], "", "gpt-4o")
        assert answer.status == "answered"
        assert answer.text == "Ninety days. [1]\n\nAgain. [1]"

    def test_what_is_unproven_is_said_to_be(self) -> None:
        answer = compose([UNPROVEN, PROVEN], "", "gpt-4o")
        assert answer.status == "partial"
        assert answer.text == "Ninety days. [1]\n\nNot proven by the documents: Sixty days."

    def test_the_documents_do_not_say(self) -> None:
        assert compose([], "", "gpt-4o").status == "not_in_documents"

    def test_the_offline_model_says_that_it_only_quotes(self) -> None:
        assert "does not reason" in compose([PROVEN], "", "offline").text

    def test_the_conversation_remembers_what_was_cited(self, context: MakeContext) -> None:
        _, update = decide(context(), plan=PLAN, step=1, claims=[PROVEN])
        assert update["focus"] == Focus(question="?", citations=[CITED])
        before = Focus(question="Before?", citations=[CITED])
        _, update = decide(context(), plan=PLAN, step=1, focus=before)
        assert update["focus"] == before
