"""The eraser: has one document erased, by the same tool that the custodian has, without a model."""

from typing import Annotated, TypedDict

from langchain_core.messages import AIMessage, AnyMessage, ToolCall, ToolMessage
from langgraph.graph import END
from langgraph.graph.message import add_messages
from langgraph.runtime import Runtime
from langgraph.types import Command

from nodes.context import Context
from nodes.tool_loop import call_tools
from storage.records import Answer
from tools.erasing import NAME


class Erasing(TypedDict, total=False):
    """The state of an erasure."""

    document_id: str
    messages: Annotated[list[AnyMessage], add_messages]
    answer: Answer


async def eraser(state: Erasing, runtime: Runtime[Context]) -> Command[str]:
    """Ask for the document to be erased, and then say what came of it."""
    outcome = [m for m in state.get("messages", []) if isinstance(m, ToolMessage)]
    if outcome:
        answer = Answer(status="answered", text=str(outcome[-1].content))
        return Command(update={"answer": answer}, goto=END)
    call = ToolCall(name=NAME, args={"document_id": state["document_id"]}, id="")
    return call_tools("eraser", AIMessage("", tool_calls=[call]), runtime)
