"""The offline model: the same prompts, the same tool calls, and rules instead of a network."""

import json
from typing import Any

import pytest
from langchain_core.messages import HumanMessage, ToolMessage
from pydantic import BaseModel, Field

from nodes.offline import OfflineModel
from nodes.offline_plan import draft, memo, plan, review
from storage.errors import ModelError
from storage.workspace import Workspace
from tools.erasing import add_erasing_tools
from tools.operations import add_operation_tools
from tools.registry import Registry

BEFORE = {
    "last_question": "Who may terminate the lease early?",
    "documents": [{"id": "d-1", "name": "lease.pdf"}],
    "citations": [{"number": 1, "document_id": "d-1", "page": 2, "quote": "The tenant may"}],
}


class TestPlan:
    @pytest.mark.parametrize(
        ("question", "agents"),
        [
            ("Who may terminate?", ["librarian", "analyst"]),
            ("What is the write-off policy?", ["librarian", "analyst"]),
            ("Which items are in the balance sheet?", ["librarian", "analyst"]),
            ("Write a memo on the notice period.", ["librarian", "analyst", "writer"]),
            ("Please draft a short summary of the rent", ["librarian", "analyst", "writer"]),
            ("List the objects in the bucket deliverables", ["custodian"]),
            ("Delete the object memo.md", ["custodian"]),
            ("Show the logs of the analyst", ["custodian"]),
            ("Show me the last errors of the analyst", ["custodian"]),
            ("How many runs failed today?", ["custodian"]),
            ("Copy memo.md to old/memo.md", ["custodian"]),
            (f"Please erase document d-{'0' * 20}.", ["custodian"]),
            ("Must the tenant erase the documents?", ["librarian", "analyst"]),
            ("Which errors of the contractor must be corrected?", ["librarian", "analyst"]),
            (
                "How many runs of the machine may fail before the warranty ends?",
                ["librarian", "analyst"],
            ),
            ("Must the tenant keep a copy of the lease?", ["librarian", "analyst"]),
        ],
    )
    def test_who_works_on_it(self, question: str, agents: list[str]) -> None:
        assert plan({"question": question})["agents"] == agents

    @pytest.mark.parametrize(
        "question",
        [
            "And on what notice?",
            "What does that clause say about rent?",
            "When does it end?",
            "How much notice?",
            "What about the landlord?",
        ],
    )
    def test_a_question_that_goes_on_is_joined_to_the_one_before(self, question: str) -> None:
        reply = plan({"question": question, **BEFORE})
        assert reply["question"] == f"{question} (about: Who may terminate the lease early?)"
        assert reply["document_ids"] == ["d-1"]
        assert reply["earlier"] == [1]

    @pytest.mark.parametrize(
        "question",
        [
            "What is the limit for hotels in the travel policy?",
            "List the objects in the bucket deliverables",
        ],
    )
    def test_a_question_of_its_own_stands_alone(self, question: str) -> None:
        reply = plan({"question": question, **BEFORE})
        assert reply["question"] == question
        assert reply["document_ids"] == reply["earlier"] == []

    def test_of_an_order_to_write_its_subject_is_looked_for(self) -> None:
        asked = "Write a memo about the deposit of the tenant and publish it."
        reply = plan({"question": asked, **BEFORE})
        assert reply["question"] == "the deposit of the tenant"
        assert reply["agents"] == ["librarian", "analyst", "writer"]
        assert reply["document_ids"] == reply["earlier"] == []

    def test_a_long_conversation_does_not_nest(self) -> None:
        before = "On what notice? (about: Who may terminate?)"
        reply = plan({"question": "And in what form?", "last_question": before})
        assert reply["question"] == (
            "And in what form? (about: On what notice?; Who may terminate?)"
        )


def test_a_figure_is_proven_by_its_row_and_by_what_heads_the_columns() -> None:
    heads = "(In thousands)\nYear Ended December 31,\n2019 2018"
    row = "Total revenue $ 812,430 $ 745,118"
    passage = {"document_id": "d-1", "page": 10, "text": f"{row}\nNet income 9 8\n", "heads": heads}
    question = "What was total revenue in fiscal 2018?"
    (claim,) = draft({"question": question, "passages": [passage]})["claims"]
    assert claim["text"] == "Total revenue, 2018: $ 745,118 (In thousands)"
    assert [(c["page"], c["quote"]) for c in claim["citations"]] == [(10, row), (10, heads)]
    statement = {"number": 1, "text": claim["text"], "quotes": [row, heads]}
    assert review({"statements": [statement]})["verdicts"][0]["supported"]


def test_a_statement_is_supported_by_its_own_words() -> None:
    statements = [
        {"number": 1, "text": "Notice is ninety days.", "quotes": ["notice is ninety days"]},
        {"number": 2, "text": "Notice is sixty days.", "quotes": ["notice is ninety days"]},
    ]
    verdicts = review({"statements": statements})["verdicts"]
    assert [v["supported"] for v in verdicts] == [True, False]
    assert "sixty" in verdicts[1]["why"]


def test_a_memo_has_a_paragraph_for_each_claim() -> None:
    claims = [{"number": 1, "text": "Ninety days."}, {"number": 2, "text": "In writing."}]
    written = memo(
        {"request": "Write a memo on the notice period and publish it.", "claims": claims}
    )
    assert written["title"] == "Memo on the notice period"
    assert written["file_name"] == "memo-the-notice-period.md"
    assert written["paragraphs"] == [
        {"text": "Ninety days.", "claims": [1]},
        {"text": "In writing.", "claims": [2]},
    ]


class TestTools:
    @pytest.fixture
    def model(self, workspace: Workspace) -> Any:
        registry = Registry()
        add_operation_tools(registry, workspace, None)  # type: ignore[arg-type]
        add_erasing_tools(registry, None)  # type: ignore[arg-type]
        return OfflineModel().bind_tools(registry.bindable())

    @pytest.mark.parametrize(
        ("request_", "name", "args"),
        [
            ("List the objects in the bucket artifacts", "list_objects", {"bucket": "artifacts"}),
            ("Delete the object memo.md", "delete_object", {"key": "memo.md"}),
            ("Remove the object “a b.txt”", "delete_object", {"key": "a b.txt"}),
            ("Show me the logs of the analyst", "query_logs", {"group": "analyst"}),
            ("Record the metric pages=…", "", {}),
            (
                "Put the metric name=pages value=12.5",
                "put_metric",
                {"name": "pages", "value": 12.5},
            ),
            (
                'Put the item pk=item/x sk=s into the table memory: {"a": 1}',
                "put_item",
                {"pk": "item/x", "sk": "s", "table": "memory", "body": {"a": 1}},
            ),
            (
                "Show me the last errors of the analyst",
                "query_logs",
                {"group": "analyst", "minutes": 10080, "contains": '"failed"'},
            ),
            (
                "Please show the errors of the Writer in the last hour.",
                "query_logs",
                {"group": "writer", "minutes": 60, "contains": '"failed"'},
            ),
            (
                "How many runs failed today?",
                "get_metrics",
                {"name": "runs_error", "minutes": 1440},
            ),
            (
                "How many runs were successful this week?",
                "get_metrics",
                {"name": "runs_success", "minutes": 10080},
            ),
            (
                "Copy memo.md to archive/old.md.",
                "copy_object",
                {"key": "memo.md", "to": "archive/old.md"},
            ),
            (
                "Keep memo.md until 2030-12-31",
                "set_retention",
                {"key": "memo.md", "until": "2030-12-31"},
            ),
            ("Make a link to 'memo.md'", "presign_object", {"key": "memo.md"}),
            (
                "Tag memo.md with case=A-1, team=legal",
                "tag_object",
                {"key": "memo.md", "tags": {"case": "A-1", "team": "legal"}},
            ),
            (
                f"Erase the document d-{'0a' * 10}.",
                "erase_document",
                {"document_id": f"d-{'0a' * 10}"},
            ),
            ("Make me a sandwich", "", {}),
        ],
    )
    def test_a_request_is_turned_into_a_call(
        self, model: Any, request_: str, name: str, args: dict[str, Any]
    ) -> None:
        asked = HumanMessage(json.dumps({"agent": "custodian", "request": request_}))
        reply = model.invoke([asked])
        if not name:
            assert not reply.tool_calls
            assert "list_objects" in reply.text
        else:
            assert (reply.tool_calls[0]["name"], reply.tool_calls[0]["args"]) == (name, args)

    def test_what_a_tool_returned_is_reported(self, model: Any) -> None:
        asked = HumanMessage(json.dumps({"agent": "custodian", "request": "List the objects"}))
        done = ToolMessage("nothing there", tool_call_id="c", name="list_objects")
        assert model.invoke([asked, done]).text == "nothing there"
        found = {"bucket": "deliverables", "objects": [{"key": "a.md", "size": 3}], "more": False}
        done = ToolMessage(json.dumps(found), tool_call_id="c", name="list_objects")
        told = "bucket: deliverables\n1 objects:\n- key a.md, size 3"
        assert model.invoke([asked, done]).text == told

    def test_it_is_deterministic(self, model: Any) -> None:
        asked = HumanMessage(json.dumps({"agent": "custodian", "request": "List the objects"}))
        assert model.invoke([asked]).tool_calls == model.invoke([asked]).tool_calls


class Facts(BaseModel):
    """A form that the offline model does not know."""

    notice_days: int = Field(description="How many days' notice ends the lease?")
    law: str = Field(description="Which law governs the lease?")


def _facts(text: str) -> dict[str, Any]:
    model = OfflineModel().bind_tools([Facts], tool_choice="Facts")
    asked = HumanMessage(json.dumps({"agent": "any", "passages": [{"text": text}]}))
    reply: Any = model.invoke([asked])
    return dict(reply.tool_calls[0]["args"])


def test_a_form_of_one_s_own_is_filled_in_with_extractors() -> None:
    facts = _facts(
        "The tenant may end this lease on 90 days' notice. "
        "This lease is governed by the law of the State of Ohio."
    )
    assert facts["notice_days"] == 90
    assert "Ohio" in facts["law"]


def test_what_cannot_be_filled_in_is_said() -> None:
    with pytest.raises(ModelError, match="cannot fill in"):
        _facts("Bananas are yellow.")
