"""The analyst: answers in claims, each with the quotes that are to prove it."""

from langgraph.runtime import Runtime
from langgraph.types import Command

from nodes.context import Context
from nodes.models import fill, messages_for
from nodes.state import DeskState, DraftReply, plan_of

_SHOWN = {"document_id", "document", "page", "opens", "cited", "text"}


async def analyst(state: DeskState, runtime: Runtime[Context]) -> Command[str]:
    """Draft the answer from the passages; the reviewer decides what stands."""
    context = runtime.context
    payload = {
        "question": plan_of(state).question,
        "passages": [p.model_dump(include=_SHOWN) for p in state["passages"]],
        "objections": state["objections"],
    }
    draft = await fill(context.model, DraftReply, messages_for("analyst", payload))
    context.journal.note("drafted", node="analyst", claims=len(draft.claims))
    return Command(update={"draft": draft}, goto="reviewer")
