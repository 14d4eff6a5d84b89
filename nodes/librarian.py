"""The librarian: finds the passages from which the question can be answered.

The model searches with tools; `act` carries the calls out. In the end the passages are taken from
what the tools returned, not from what the model says, and the opening of each document that turned
up is added: parties, dates and titles stand there, and no query finds them well.
"""

import asyncio
from collections.abc import Iterable
from typing import Any

from langchain_core.messages import ToolMessage
from langgraph.runtime import Runtime
from langgraph.types import Command

from nodes.context import Context
from nodes.models import messages_for
from nodes.state import DeskState, Focus, PlanReply, plan_of
from nodes.tool_loop import Step, tool_step
from storage.records import Document, Passage
from tools.cards import brief
from tools.index import Hit
from tools.passages import Span
from tools.passages import passages as cut

TOOLS = ("list_documents", "search_documents", "read_page")
MOST_DOCUMENTS = 4
OPENING_CHARS = 2_500
"""How much of the beginning of a document goes with what was found in it."""
OPENING_PAGES = 4
LISTED = 30
"""Documents that the model is told of before it searches."""


async def librarian(state: DeskState, runtime: Runtime[Context]) -> Command[str]:
    """Search until the model has enough, then hand over the passages."""
    context = runtime.context
    plan = plan_of(state)
    payload = {
        "question": plan.question,
        "documents": await asyncio.to_thread(_listed, context, plan),
        "limited_to": plan.document_ids,
    }
    step = await tool_step("librarian", TOOLS, state, runtime, messages_for("librarian", payload))
    if step.command is not None:
        return step.command
    found = await asyncio.to_thread(_found, context, plan, state.get("focus") or Focus(), step)
    documents = {passage.document_id for passage in found}
    context.journal.note("found", node="librarian", passages=len(found), documents=len(documents))
    return Command(update={"passages": found}, goto="supervisor")


def _listed(context: Context, plan: PlanReply) -> list[dict[str, Any]]:
    """List documents with what their cards say, those first that the question is likely about."""
    library = context.library
    readable = [d for d in library.in_scope(plan.document_ids) if d.pages]
    listed = library.likeliest(plan.question, readable)[:LISTED]
    cards = library.cards(listed)
    return [{"id": d.id, "name": d.name, **brief(cards[d.id])} for d in listed]


def _found(context: Context, plan: PlanReply, focus: Focus, step: Step) -> list[Passage]:
    """Return what the tools found, best first, without what lies outside the limit."""
    earlier = [p for number in plan.earlier for p in _around(context, focus, number)]
    found = _distinct([*earlier, *_from_tools(step.messages)])
    inside = [p for p in found if not plan.document_ids or p.document_id in plan.document_ids]
    documents = list(dict.fromkeys([*plan.document_ids, *(p.document_id for p in inside)]))
    edges = [p for d in documents[:MOST_DOCUMENTS] for p in edges_of(context, d)]
    opening = {_place(p) for p in edges if p.opens}
    together = _distinct([*inside, *edges])
    return [p.model_copy(update={"opens": _place(p) in opening}) for p in together]


def _from_tools(messages: Iterable[object]) -> Iterable[Passage]:
    """Yield what the tools returned; what several searches found stands where the first has it."""
    found: dict[tuple[str, int, int, int], Passage] = {}
    for message in messages:
        if isinstance(message, ToolMessage) and isinstance(message.artifact, list):
            for row in message.artifact:
                if isinstance(row, dict) and "start" in row:
                    passage = Passage.model_validate(row)
                    found.setdefault(_place(passage), passage)
    return found.values()


def _distinct(passages: Iterable[Passage]) -> list[Passage]:
    at = {_place(p): p for p in reversed(list(passages))}
    return list(reversed(at.values()))


def _place(passage: Passage) -> tuple[str, int, int, int]:
    return passage.document_id, passage.page, passage.start, passage.end


def _around(context: Context, focus: Focus, number: int) -> Iterable[Passage]:
    """Yield the passage in which an earlier citation stands, and the one behind it."""
    cited = focus.citations[number - 1]
    document = context.library.store.get(cited.document_id)
    if document.sha256 != cited.sha256:
        return  # what is asked now is answered from the newest version
    page = context.library.store.page(document, cited.page)
    behind = [span for span in cut(page.text) if span.end > cited.start]
    hits = [_hit(document, page.number, span) for span in behind[:2]]
    for passage in context.library.passages(hits):
        yield passage.model_copy(update={"cited": True})


def edges_of(context: Context, document_id: str) -> Iterable[Passage]:
    """Yield the opening of a document and its last passage."""
    document = context.library.store.get(document_id)
    pages = [page for page in context.library.store.pages(document.sha256) if page.text.strip()]
    opening: list[Hit] = []
    left = OPENING_CHARS
    for page in pages[:OPENING_PAGES]:
        for span in cut(page.text):
            if left > 0:
                left -= span.end - span.start
                opening.append(_hit(document, page.number, span))
    ends = [_hit(document, p.number, span) for p in pages[-1:] for span in cut(p.text)[-1:]]
    found = context.library.passages([*opening, *ends])
    for number, passage in enumerate(found):
        yield passage.model_copy(update={"opens": number < len(opening)})


def _hit(document: Document, page: int, span: Span) -> Hit:
    return Hit(document.id, document.sha256, page, span.start, span.end, 0.0)
