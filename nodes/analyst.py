"""The analyst: answers in claims, each with the quotes that are to prove it."""

from collections.abc import Iterator, Sequence
from typing import Final

from langgraph.runtime import Runtime
from langgraph.types import Command

from nodes.context import Context
from nodes.models import fill, messages_for
from nodes.state import DeskState, DraftReply, plan_of
from storage.records import Passage

MOST_BYTES: Final = 240_000
"""Of passages in one request: some 60,000 tokens, half of what GPT-4o reads at once."""

_SHOWN: Final = {"document_id", "document", "page", "opens", "cited", "heads", "heads_page", "text"}


async def analyst(state: DeskState, runtime: Runtime[Context]) -> Command[str]:
    """Draft the answer from the passages; the reviewer decides what stands."""
    context = runtime.context
    payload = {
        "question": plan_of(state).question,
        "passages": [p.model_dump(include=_SHOWN) for p in _best(state["passages"])],
        "objections": state["objections"],
    }
    draft = await fill(context.model, DraftReply, messages_for("analyst", payload))
    context.journal.note("drafted", node="analyst", claims=len(draft.claims))
    return Command(update={"draft": draft}, goto="reviewer")


def _best(passages: Sequence[Passage]) -> Iterator[Passage]:
    """Yield passages, best first, as many as fit into a request."""
    left = MOST_BYTES
    for passage in passages:
        left -= len(passage.text.encode(errors="replace"))
        if left < 0:
            return
        yield passage
