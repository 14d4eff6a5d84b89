"""The custodian: looks after what the workspace stores, with the AWS operations as its tools."""

from langgraph.runtime import Runtime
from langgraph.types import Command

from nodes.context import Context
from nodes.models import messages_for
from nodes.state import DeskState, plan_of
from nodes.tool_loop import tool_step

TOOLS = (
    "list_objects",
    "get_object",
    "put_object",
    "copy_object",
    "delete_object",
    "tag_object",
    "set_retention",
    "presign_object",
    "get_item",
    "query_items",
    "put_item",
    "query_logs",
    "get_metrics",
    "put_metric",
    "name_documents",
    "erase_document",
)


async def custodian(state: DeskState, runtime: Runtime[Context]) -> Command[str]:
    """Call tools until the request is met, then report."""
    payload = {"request": plan_of(state).question}
    step = await tool_step("custodian", TOOLS, state, runtime, messages_for("custodian", payload))
    if step.command is not None:
        return step.command
    report = step.said or "The request could not be met within the tool calls that are allowed."
    return Command(update={"report": report}, goto="supervisor")
