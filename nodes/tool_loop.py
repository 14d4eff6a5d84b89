"""One turn of an agent that works with tools: ask the model, then send its calls to `act`.

The response is checkpointed before anything it asks for is done, because asking and acting are
different nodes. The ids of calls are ours, made from (run, task, index), so that a call has the
same id whenever this turn is taken again.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from langchain_core.messages import AIMessage, AnyMessage, ToolCall
from langgraph.graph import END
from langgraph.runtime import Runtime
from langgraph.types import Command, Send

from nodes.context import Context
from nodes.state import DeskState, Task
from storage.audit import digest

_NO_NAME: Final = re.compile(r"[^A-Za-z0-9_-]")


@dataclass(frozen=True, slots=True)
class Step:
    """What came of a turn: calls to carry out, or the conversation at its end."""

    messages: Sequence[AnyMessage]
    command: Command[str] | None = None
    said: str = ""


async def tool_step(
    agent: str,
    tools: Sequence[str],
    state: DeskState,
    runtime: Runtime[Context],
    opening: Sequence[AnyMessage],
) -> Step:
    """Ask the agent's model, unless it has used up its turns."""
    context = runtime.context
    scratch = state.get("scratch", [])
    turns = sum(isinstance(message, AIMessage) for message in scratch)
    if turns >= context.limits.calls:
        return Step(scratch)
    model = context.model.bind_tools(context.tools.bindable(*tools))
    reply = await model.ainvoke([*opening, *scratch])
    calls = own_calls(context.run_id, task_id(runtime), _wanted(reply))
    calls = calls[: context.limits.parallel_calls]
    if not calls:
        return Step([*scratch, reply], said=str(reply.text))
    asked = AIMessage(content=reply.content, tool_calls=calls, id=f"{calls[0]['id']}-m")
    return Step(scratch, command=send(agent, asked, []))


def send(agent: str, asked: AIMessage, versions: Sequence[str]) -> Command[str]:
    """Return the command that has the calls of a message carried out, one task each."""
    tasks = [
        Send("act", Task(call=call, agent=agent, versions=list(versions)))
        for call in asked.tool_calls
    ]
    return Command(update={"scratch": [asked]}, goto=tasks)


def call_tools(agent: str, reply: AIMessage, runtime: Runtime[Context]) -> Command[str]:
    """Return the command of an agent in a graph of one's own, whose state has `messages`.

    It has the calls of the model's reply carried out by `act`, which the graph needs as a node of
    that name and which comes back to the agent; without calls it ends. Of more calls than a run may
    make at once, the first are made.
    """
    calls = own_calls(runtime.context.run_id, task_id(runtime), _wanted(reply))
    calls = calls[: runtime.context.limits.parallel_calls]
    if not calls:
        return Command(update={"messages": [reply]}, goto=END)
    asked = AIMessage(content=reply.content, tool_calls=calls, id=f"{calls[0]['id']}-m")
    tasks = [
        Send("act", Task(call=call, agent=agent, versions=[], channel="messages")) for call in calls
    ]
    return Command(update={"messages": [asked]}, goto=tasks)


def _wanted(reply: AIMessage) -> list[ToolCall]:
    """Return the calls of a reply; one whose arguments are no JSON has none, and is told so."""
    broken = [ToolCall(name=c["name"] or "", args={}, id="") for c in reply.invalid_tool_calls]
    return [*reply.tool_calls, *broken]


def own_calls(run_id: str, task: str, calls: Sequence[ToolCall]) -> list[ToolCall]:
    """Return calls under ids of our own, and under names that a model may be told again."""
    return [
        ToolCall(
            name=_NO_NAME.sub("_", call["name"])[:64] or "unnamed",
            args=call["args"],
            id=f"call-{digest([run_id, task, index])[:24]}",
            type="tool_call",
        )
        for index, call in enumerate(calls)
    ]


def task_id(runtime: Runtime[Context]) -> str:
    """Return the id of the task that runs; it is the same when the task runs again."""
    return runtime.execution_info.task_id if runtime.execution_info else ""
