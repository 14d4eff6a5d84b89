"""A model that misbehaves: nothing unproven is shown as cited, and every run ends in its bounds."""

from typing import Any

import pytest
from langchain_core.messages import AIMessage

from storage.records import Run
from tests.scripted import Reply, Scripted, calls

from .conftest import LEASE, SUPPLY, OpenDesk

GOOD = "ninety days' written notice"


class Model:
    """Answers well, but for what a test makes it do."""

    def __init__(self, lease: str, **wrong: Any) -> None:
        self.lease = lease
        self.wrong = wrong

    def __call__(self, agent: str, form: str, payload: dict[str, Any]) -> Reply:
        if agent in self.wrong:
            wrong = self.wrong[agent]
            return wrong(payload) if callable(wrong) else wrong
        return {
            "supervisor": lambda: {"question": payload["question"], "agents": ["analyst"]},
            "librarian": lambda: self.search(payload),
            "analyst": lambda: self.draft(GOOD),
            "reviewer": lambda: {
                "verdicts": [
                    {"number": s["number"], "supported": True} for s in payload["statements"]
                ]
            },
        }[agent]()

    def search(self, payload: dict[str, Any]) -> Reply:
        if payload["returned"]:
            return AIMessage("Enough.")
        return calls(("search_documents", {"query": "notice to terminate"}))

    def draft(self, quote: str, page: int = 1, document: str = "") -> dict[str, Any]:
        cited = {"document_id": document or self.lease, "page": page, "quote": quote}
        return {"claims": [{"text": "Ninety days' notice.", "citations": [cited]}]}


def ask(open_desk: OpenDesk, **wrong: Any) -> tuple[Run, Scripted]:
    desk = open_desk()
    lease = desk.documents.add(LEASE.encode(), name="lease.txt")
    desk.documents.add(SUPPLY.encode(), name="supply.txt")
    made = {
        name: value(Model(lease.id)) if name == "analyst" else value
        for name, value in wrong.items()
    }
    model = Scripted(script=Model(lease.id, **made))
    desk = open_desk(model=model)
    run = desk.invoke("On what notice may the tenant terminate?", documents=[lease.id])
    assert desk.audit.verify(run.id).ok
    return run, model


def test_a_model_that_behaves(open_desk: OpenDesk) -> None:
    run, model = ask(open_desk)
    assert run.answer
    assert run.answer.claims[0].citations[0].quote == GOOD
    assert model.asked == ["supervisor", "librarian", "librarian", "analyst", "reviewer"]


@pytest.mark.parametrize(
    "analyst",
    [
        pytest.param(lambda m: m.draft("sixty days' written notice"), id="misquotes"),
        pytest.param(lambda m: m.draft(GOOD, page=2), id="cites the wrong page"),
        pytest.param(lambda m: m.draft(GOOD, page=99), id="cites a page there is not"),
        pytest.param(lambda m: m.draft(GOOD, document="d-nowhere"), id="cites no document"),
        pytest.param(
            lambda m: {"claims": [{"text": "Trust me.", "citations": []}]}, id="cites nothing"
        ),
        pytest.param(
            lambda m: {"claims": [{"text": f"{n}", "citations": []} for n in range(500)]},
            id="claims without end",
        ),
    ],
)
def test_nothing_unproven_is_shown_as_cited(open_desk: OpenDesk, analyst: Any) -> None:
    run, model = ask(open_desk, analyst=analyst)
    assert run.status == "success"
    assert run.answer
    assert run.answer.status == "partial"
    assert not any(claim.verified or claim.citations for claim in run.answer.claims)
    assert "[1]" not in run.answer.text
    assert run.answer.text.startswith("Not proven by the documents:")
    assert model.asked.count("analyst") == 3  # sent back twice


def test_a_quote_from_another_document_is_not_cited(open_desk: OpenDesk) -> None:
    desk = open_desk()
    supply = desk.documents.add(SUPPLY.encode(), name="supply.txt")
    run, _ = ask(open_desk, analyst=lambda m: m.draft("within forty-five days", 1, supply.id))
    assert run.answer
    assert not run.answer.claims[0].verified


def test_a_draft_that_is_mended_after_an_objection_is_proven(open_desk: OpenDesk) -> None:
    drafts = ["sixty days", GOOD]
    run, model = ask(open_desk, analyst=lambda m: lambda _: m.draft(drafts.pop(0)))
    assert run.answer
    assert run.answer.status == "answered"
    assert model.asked.count("analyst") == 2


@pytest.mark.parametrize(
    "librarian",
    [
        pytest.param(calls(("search_documents", {"query": "notice"})), id="searches for ever"),
        pytest.param(calls(("launch_rocket", {"at": "moon"})), id="calls an unknown tool"),
        pytest.param(calls(("search_documents", {"wrong": 1})), id="calls with wrong arguments"),
        pytest.param(calls(*[("list_documents", {})] * 50), id="calls fifty at once"),
        pytest.param(calls(("read_page", {"document_id": "d-0", "page": 1})), id="reads nothing"),
        pytest.param(AIMessage("I quit."), id="does nothing"),
    ],
)
def test_a_librarian_that_misbehaves_comes_to_an_end(open_desk: OpenDesk, librarian: Any) -> None:
    run, model = ask(open_desk, librarian=librarian)
    assert run.status == "success"
    assert run.answer
    assert model.asked.count("librarian") <= 4


def test_a_write_that_nobody_planned_is_asked_about_and_not_done(open_desk: OpenDesk) -> None:
    """Whatever agent calls it, and whatever a document told it to."""
    publish = calls(("publish_deliverable", {"name": "leak.md", "text": "secret"}))
    run, _ = ask(open_desk, librarian=publish)
    assert run.status == "interrupted"
    assert run.interrupts[0].value["action_requests"][0]["name"] == "publish_deliverable"


@pytest.mark.parametrize(
    "broken",
    [
        pytest.param(AIMessage("no form at all"), id="no structure"),
        pytest.param({"claims": "many"}, id="wrong structure"),
        pytest.param({}, id="empty structure"),
    ],
)
@pytest.mark.parametrize("agent", ["supervisor", "analyst", "reviewer"])
def test_broken_structure_ends_the_run_with_its_reason(
    open_desk: OpenDesk, agent: str, broken: Any
) -> None:
    wrong: dict[str, Any] = {agent: broken}
    if agent == "analyst":
        wrong = {"analyst": lambda _: broken}
    run, model = ask(open_desk, **wrong)
    assert run.status == "error"
    assert "could not be used" in run.error
    assert model.asked.count(agent) == 2


def test_an_error_is_tried_again_where_it_stopped(open_desk: OpenDesk) -> None:
    replies: list[Any] = [AIMessage("?"), AIMessage("?")]
    run, model = ask(
        open_desk, analyst=lambda m: lambda _: replies.pop() if replies else m.draft(GOOD)
    )
    assert run.status == "error"
    desk = open_desk(model=model)
    desk.runs.retry(run.id)
    again = desk.drive(run.id)
    assert again.status == "success"
    assert again.answer
    assert again.answer.claims[0].verified
    assert model.asked.count("supervisor") == 1


def test_no_part_of_an_unproven_claim_passes_for_a_cited_one(open_desk: OpenDesk) -> None:
    """Its text brings a mark of its own, and a paragraph that looks like a claim of its own."""
    forged = {"text": "So it is.\n\nThe Tenant owes $1,000,000. [1]", "citations": []}
    run, _ = ask(
        open_desk, analyst=lambda m: lambda _: {"claims": [*m.draft(GOOD)["claims"], forged]}
    )
    assert run.answer
    good, bad, *_ = run.answer.text.split("\n\n")
    assert good == "Ninety days' notice. [1]"
    assert bad == "Not proven by the documents: So it is. The Tenant owes $1,000,000. (1)"
    assert [claim.verified for claim in run.answer.claims] == [True, False]


def test_what_the_custodian_says_carries_no_mark(open_desk: OpenDesk) -> None:
    run, _ = ask(
        open_desk,
        supervisor=lambda p: {"question": p["question"], "agents": ["custodian"]},
        custodian=AIMessage("The notice is sixty days. [1]"),
    )
    assert run.answer
    assert run.answer.text == "The notice is sixty days. (1)"


def test_a_memo_has_the_sources_that_a_program_gave_it_and_no_others(open_desk: OpenDesk) -> None:
    source = "\n\n## Sources\n\n1. “It owes $1,000,000” — lease.txt, page 7"
    memo = {
        "title": f"On notice [1]{source}",
        "file_name": "memo.md",
        "paragraphs": [{"text": f"# Ninety days. [2]{source}", "claims": [1]}],
    }
    run, _ = ask(
        open_desk,
        supervisor=lambda p: {"question": p["question"], "agents": ["writer"]},
        writer=memo,
    )
    text = run.interrupts[0].value["action_requests"][0]["args"]["text"]
    title, paragraph, heading, *sources = text.strip().split("\n\n")
    assert title.startswith("# On notice (1)")
    assert paragraph.startswith("Ninety days. (2)")
    assert paragraph.endswith(" [1]")
    assert (heading, len(sources)) == ("## Sources", 1)
    assert GOOD in sources[0]


def test_each_decision_answers_its_own_question(open_desk: OpenDesk) -> None:
    """Two calls wait at once; the one that comes second is decided first."""

    def custodian(payload: dict[str, Any]) -> Reply:
        if payload["returned"]:
            return AIMessage("Done.")
        named = [{"key": name, "text": name} for name in ("a.txt", "b.txt")]
        return calls(*[("put_object", args) for args in named])

    run, model = ask(
        open_desk,
        supervisor=lambda p: {"question": p["question"], "agents": ["custodian"]},
        custodian=custodian,
    )
    desk = open_desk(model=model)
    waiting = {i.value["action_requests"][0]["args"]["key"]: i.id for i in run.interrupts}
    desk.runs.resume(run.id, {waiting["b.txt"]: {"type": "approve"}})
    half = desk.drive(run.id)
    assert [i.id for i in half.interrupts] == [waiting["a.txt"]]
    desk.runs.resume(run.id, {waiting["a.txt"]: {"type": "reject", "message": "no"}})
    assert desk.drive(run.id).status == "success"
    assert [each.name for each in desk.resources.objects.all()] == ["b.txt"]


def test_of_fifty_calls_at_once_a_few_are_made(open_desk: OpenDesk) -> None:
    many = calls(*[("list_documents", {})] * 50)
    returned: list[int] = []

    def librarian(payload: dict[str, Any]) -> Reply:
        returned.append(len(payload["returned"]))
        return AIMessage("Enough.") if payload["returned"] else many

    ask(open_desk, librarian=librarian)
    assert returned == [0, 4]


def test_of_claims_without_end_some_are_reviewed(open_desk: OpenDesk) -> None:
    run, _ = ask(open_desk, analyst=lambda m: lambda _: {"claims": m.draft(GOOD)["claims"] * 500})
    assert run.answer
    assert len(run.answer.claims) == 20


def test_a_passage_of_a_document_outside_the_limit_is_not_handed_over(
    open_desk: OpenDesk,
) -> None:
    """The librarian searches everywhere, though the question is limited to the lease."""
    handed: list[str] = []

    def drafted(model: Model) -> Any:
        def draft(payload: dict[str, Any]) -> Reply:
            handed.extend(p["document"] for p in payload["passages"])
            return model.draft(GOOD)

        return draft

    def librarian(payload: dict[str, Any]) -> Reply:
        if payload["returned"]:
            return AIMessage("Enough.")
        return calls(("search_documents", {"query": "invoice payable Bavaria"}))

    ask(open_desk, analyst=drafted, librarian=librarian)
    assert set(handed) == {"lease.txt"}
