"""The reviewer: nothing is shown as proven that a program has not located."""

import asyncio
from typing import Any

import pytest

from nodes.reviewer import MOST_QUOTES, reviewer
from nodes.state import DraftReply, MemoReply, PlanReply
from storage.records import Citation, Claim, Document
from tools.library import Library

from .conftest import AddPages, MakeContext, runtime, state

PAGE_1 = "1. Term. The initial term is five years."
PAGE_2 = "2. Notice. Either party may terminate on ninety days' written notice."


@pytest.fixture
def lease(add: AddPages) -> Document:
    return add("lease.pdf", PAGE_1, PAGE_2)


def agrees(agent: str, form: str, payload: dict[str, Any]) -> dict[str, Any]:
    return {
        "verdicts": [
            {"number": s["number"], "supported": True, "why": ""} for s in payload["statements"]
        ]
    }


def draft(*citations: dict[str, Any], text: str = "Ninety days.") -> DraftReply:
    return DraftReply.model_validate({"claims": [{"text": text, "citations": citations}]})


def review(context: Any, **fields: Any) -> dict[str, Any]:
    command = asyncio.run(reviewer(state(**fields), runtime(context)))
    assert command.goto == "supervisor"
    return dict(command.update)  # type: ignore[call-overload, arg-type]


def test_a_quote_that_stands_on_its_page_is_cited_as_the_page_has_it(
    context: MakeContext, lease: Document, library: Library
) -> None:
    cited = {"document_id": lease.id, "page": 2, "quote": "ninety  days’ written notice"}
    update = review(context(agrees), draft=draft(cited))

    (claim,) = update["claims"]
    (citation,) = claim.citations
    assert claim.verified
    assert citation.quote == "ninety days' written notice"
    page = library.store.page(lease, 2)
    assert page.text[citation.start : citation.end] == citation.quote
    assert citation.sha256 == lease.sha256
    assert update["objections"] == []


@pytest.mark.parametrize(
    ("cited", "objection"),
    [
        ({"page": 2, "quote": "sixty days' written notice"}, "does not stand on page 2"),
        ({"page": 1, "quote": "ninety days' written notice"}, "does not stand on page 1"),
        ({"page": 3, "quote": "ninety days' written notice"}, "no page 3"),
        ({"page": 0, "quote": "ninety days' written notice"}, "no page 0"),
        ({"page": 2, "quote": ""}, "does not stand"),
        ({"page": 2, "quote": "ninety … notice"}, "does not stand"),
        ({"page": 2, "quote": "inety days' written notic"}, "does not stand"),
    ],
)
def test_a_quote_that_does_not_is_sent_back(
    context: MakeContext, lease: Document, cited: dict[str, Any], objection: str
) -> None:
    update = review(context(agrees), draft=draft({"document_id": lease.id, **cited}))
    assert update["claims"] == [Claim(text="Ninety days.", verified=False)]
    assert objection in update["objections"][0]


def test_a_quote_from_another_document_is_sent_back(
    context: MakeContext, lease: Document, add: AddPages
) -> None:
    other = add("other.pdf", "Notice is thirty days.")
    plan = PlanReply(question="?", agents=["analyst"], document_ids=[lease.id])
    cited = {"document_id": other.id, "page": 1, "quote": "Notice is thirty days."}

    update = review(context(agrees), draft=draft(cited), plan=plan)
    assert not update["claims"][0].verified
    unknown = {**cited, "document_id": "d-nowhere"}
    update = review(context(agrees), draft=draft(unknown))
    assert not update["claims"][0].verified


def test_one_bad_quote_spoils_a_claim(context: MakeContext, lease: Document) -> None:
    good = {"document_id": lease.id, "page": 1, "quote": "five years"}
    bad = {"document_id": lease.id, "page": 1, "quote": "six years"}
    update = review(context(agrees), draft=draft(good, bad))
    assert update["claims"] == [Claim(text="Ninety days.", verified=False)]


def test_of_quotes_without_end_some_are_looked_for(context: MakeContext, lease: Document) -> None:
    good = {"document_id": lease.id, "page": 1, "quote": "five years"}
    update = review(context(agrees), draft=draft(*[good] * 50))
    assert len(update["claims"][0].citations) == MOST_QUOTES


def test_a_claim_without_quotes_is_not_proven(context: MakeContext) -> None:
    update = review(context(agrees), draft=draft())
    assert update["claims"] == [Claim(text="Ninety days.", verified=False)]
    assert "no quote" in update["objections"][0]


@pytest.mark.parametrize(
    "verdicts",
    [
        [],
        [{"number": 1, "supported": False, "why": "It says sixty."}],
        [{"number": 2, "supported": True}],
    ],
)
def test_a_quote_that_does_not_support_the_claim_proves_nothing(
    context: MakeContext, lease: Document, verdicts: list[dict[str, Any]]
) -> None:
    cited = {"document_id": lease.id, "page": 2, "quote": "ninety days' written notice"}
    given = context(lambda *_: {"verdicts": verdicts})
    update = review(given, draft=draft(cited))
    assert update["claims"] == [Claim(text="Ninety days.", verified=False)]
    assert "do not support" in update["objections"][0]


def test_the_model_is_asked_only_about_what_was_located(context: MakeContext) -> None:
    given = context(agrees)
    review(given, draft=draft())
    review(given, draft=None)
    assert given.model.asked == []  # type: ignore[attr-defined]


class TestMemo:
    """A paragraph rests on proven claims, or it is not published."""

    cited = Citation(document_id="d", document="l", sha256="0", page=1, start=0, end=3, quote="abc")
    proven = Claim(text="abc", verified=True, citations=[cited])

    def memo(self, *paragraphs: tuple[str, list[int]]) -> MemoReply:
        rows = [{"text": text, "claims": claims} for text, claims in paragraphs]
        return MemoReply.model_validate({"title": "T", "file_name": "t.md", "paragraphs": rows})

    def test_paragraphs_that_rest_on_claims_pass(self, context: MakeContext) -> None:
        update = review(context(agrees), memo=self.memo(("abc", [1])), claims=[self.proven])
        assert update["objections"] == []
        assert "claims" not in update

    def test_what_rests_on_nothing_is_sent_back_and_cut_in_the_end(
        self, context: MakeContext
    ) -> None:
        memo = self.memo(("abc", [1]), ("invented", []), ("more", [2]))
        update = review(context(agrees), memo=memo, claims=[self.proven])
        assert len(update["objections"]) == 2
        assert "memo" not in update

        update = review(context(agrees), memo=memo, claims=[self.proven], rounds=2)
        assert [p.text for p in update["memo"].paragraphs] == ["abc"]

    def test_an_unproven_claim_carries_no_paragraph(self, context: MakeContext) -> None:
        unproven = Claim(text="abc", verified=False)
        update = review(context(agrees), memo=self.memo(("abc", [1])), claims=[unproven])
        assert len(update["objections"]) == 1
