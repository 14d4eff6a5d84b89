"""The writer publishes what the reviewer is content with, and nothing else."""

import asyncio
from typing import Any

from langgraph.types import Command, Send

from nodes.state import MemoReply, ParagraphReply
from nodes.writer import render, writer
from storage.records import Citation, Claim

from .conftest import MakeContext, runtime, state

QUOTE = "The term is <b>five</b> years."
CITED = Citation(
    document_id="d-1", document="lease.pdf", sha256="ab" * 32, page=2, start=0, end=30, quote=QUOTE
)
PROVEN = Claim(text="It runs for five years.", verified=True, citations=[CITED])
MEMO = MemoReply(
    title="The term",
    file_name="term.md",
    paragraphs=[ParagraphReply(text="It runs for five years.", claims=[1])],
)


def write(context: Any, **given: Any) -> Command[str]:
    before = {"claims": [PROVEN], "memo": None, "objections": [], **given}
    return asyncio.run(writer(state("Write a memo.", **before), runtime(context)))


def test_what_is_objected_to_is_written_anew_and_not_published(context: MakeContext) -> None:
    seen: dict[str, Any] = {}

    def model(agent: str, form: str, payload: dict[str, Any]) -> dict[str, Any]:
        seen.update(payload)
        return MEMO.model_dump()

    objections = ["paragraph 1 goes beyond its claims"]
    command = write(context(model), memo=MEMO, objections=objections)
    assert command.goto == "reviewer"
    assert seen["objections"] == objections


def test_what_nobody_objects_to_goes_to_the_tool_that_publishes(context: MakeContext) -> None:
    command = write(context(lambda *_: {}), memo=MEMO)
    (task,) = command.goto
    assert isinstance(task, Send)
    assert task.arg["call"]["name"] == "publish_deliverable"
    assert task.arg["versions"] == [CITED.sha256]


def test_a_memo_holds_text_and_no_markup_of_its_own() -> None:
    text = render(MEMO, [PROVEN])
    assert "It runs for five years. [1]" in text
    assert "1. “The term is &lt;b>five&lt;/b> years.” — lease.pdf, page 2" in text


def test_whoever_opens_a_memo_fetches_nothing_that_a_document_names() -> None:
    quote = "![](https://x.test/a.png) and [here](https://x.test)"
    claim = PROVEN.model_copy(update={"citations": [CITED.model_copy(update={"quote": quote})]})
    told = ParagraphReply(text="[a]: https://x.test ![a]", claims=[1])
    text = render(MEMO.model_copy(update={"paragraphs": [told]}), [claim])
    assert r"“!\[]\(https://x.test/a.png) and [here]\(https://x.test)”" in text
    assert r"[a]\: https://x.test !\[a]" in text
