"""Carries out one tool call: the only place where anything is done, and the gate in front of it.

One task has one call, and asks at most one question, before any effect. What a person approves is
bound to a hash of what was shown: the tool, its arguments, what the plan says it will do, the
versions of the documents that it rests on, and the version of the graph. If any of these has
changed by the time the decision comes back, the decision is void and the person is asked anew.

    find the ledger entry ──▶ done before: its outcome, again (begun and repeatable: go on)
    check the arguments   ──▶ policy: deny ─▶ refused
                                      allow, a read ─▶ recorded, then returned
                                      ask ─▶ interrupt ─▶ reject ─▶ refused
                                                          approve, edit ─▶ effect, once
"""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from langchain_core.messages import ToolCall, ToolMessage
from langchain_core.tools import ToolException
from langgraph.runtime import Runtime
from langgraph.types import Command, interrupt

from nodes.context import Context
from nodes.state import Task
from nodes.tool_loop import task_id
from storage.audit import digest
from storage.errors import (
    AffidavitError,
    InvalidInput,
    LeaseLost,
    NotAllowed,
    Unavailable,
)
from storage.recordings import TOOL, Recording
from tools.effects import Grant, Outcome
from tools.registry import Entry, Plan, checked_args

ALLOWED = ("approve", "edit", "reject")


@dataclass(frozen=True, slots=True)
class Request:
    """A call that the policy has been asked about."""

    call: ToolCall
    entry: Entry
    args: dict[str, Any]
    versions: list[str]


async def act(task: Task, runtime: Runtime[Context]) -> Command[str]:
    """Carry out a call, or say why not, and go back to the agent."""
    try:
        message = await _act(task, runtime)
    except (LeaseLost, Unavailable):
        raise
    except (AffidavitError, ToolException) as error:
        message = _reply(task["call"], str(error), status="error")
    return Command(update={task.get("channel", "scratch"): [message]}, goto=task["agent"])


async def _act(task: Task, runtime: Runtime[Context]) -> ToolMessage:
    context, call = runtime.context, task["call"]
    entry = context.tools.get(call["name"])
    if entry.risk != "read":
        before = await context.effects.find(_id(call))
        again = before is not None and before.state == "begun" and entry.safety == "repeatable"
        if before is not None and not again:
            return await _known(call, before, runtime)
    args = checked_args(entry, call["args"])
    request = Request(call, entry, args, task["versions"])
    verdict, why = context.policy.decide(entry, args, context.workspace)
    context.journal.note(
        "tool_call",
        node="act",
        task=task_id(runtime),
        tool=entry.name,
        args=digest(json.dumps(args, sort_keys=True)),
        verdict=verdict,
    )
    if verdict == "deny":
        raise NotAllowed(f"{entry.name} is not allowed here: {why}.")
    if entry.risk == "read":
        if verdict == "ask":
            raise NotAllowed(f"{entry.name} only reads; the policy may allow or deny it.")
        return await _read(request, runtime)
    return await _write(request, runtime, ask=verdict == "ask")


async def _read(request: Request, runtime: Runtime[Context]) -> ToolMessage:
    """Return what a tool reads, recorded before it is used."""
    recordings, task = runtime.context.recordings, task_id(runtime)
    asked = digest([request.entry.name, json.dumps(request.args, sort_keys=True)])
    found = await asyncio.to_thread(recordings.get, TOOL, task, 0)
    if found is None or found.request != asked:
        message = await _call(request)
        text = json.dumps({"content": message.content, "artifact": message.artifact})
        found = await asyncio.to_thread(recordings.put, TOOL, task, 0, Recording(asked, text))
    return _reply(request.call, **json.loads(found.response))


async def _write(request: Request, runtime: Runtime[Context], *, ask: bool) -> ToolMessage:
    """Carry out what a write plans, once, on the word of a person or of the policy."""
    context = runtime.context
    plan = await _plan(request)
    grant = Grant(by="policy", binding=_binding(request, plan, context))
    while ask:
        granted = _ask(request, plan, context)
        if granted is None:  # what was shown is no longer so: ask anew
            continue
        request, grant = granted
        plan = await _plan(request)
        break
    outcome = await context.effects.perform(
        _id(request.call),
        request.entry.name,
        request.entry.safety,
        plan,
        grant,
        task_id(runtime),
    )
    return _reply(request.call, outcome.text)


def _ask(request: Request, plan: Plan, context: Context) -> tuple[Request, Grant] | None:
    """Stop for a person; return what was granted, or None if the decision is void.

    Raises:
        NotAllowed: it was rejected.
    """
    binding = _binding(request, plan, context)
    decision = interrupt(
        {
            "kind": "approval",
            "action_requests": [
                {"name": request.entry.name, "args": request.args, "description": plan.shows}
            ],
            "review_configs": [
                {"action_name": request.entry.name, "allowed_decisions": list(ALLOWED)}
            ],
            "tool_call_id": _id(request.call),
            "binding": binding,
        }
    )
    grant = _on_record(decision, _id(request.call), binding, context)
    if grant is None:
        return None
    if decision["type"] == "reject":
        reason = str(decision.get("message") or "no reason was given")
        raise NotAllowed(f"A person rejected {request.entry.name}: {reason}")
    if decision["type"] == "edit":
        return replace(request, args=_edited(request, decision, context)), grant
    return request, grant


def _on_record(
    decision: Mapping[str, Any], call_id: str, binding: str, context: Context
) -> Grant | None:
    """Find the decision on the record, made on exactly this; what is only in the state is void."""
    for decided in context.approvals():
        value = decided.interrupt.value
        if (
            value.get("tool_call_id") == call_id
            and value.get("binding", "") == binding
            and decided.decision == dict(decision)
            and decided.decided_by is not None
        ):
            return Grant(decided.decided_by.name, binding, decided.interrupt.id)
    return None


def _edited(request: Request, decision: Mapping[str, Any], context: Context) -> dict[str, Any]:
    """Return the arguments as a person edited them, if the policy does not deny those."""
    action = decision.get("edited_action") or {}
    if action.get("name") != request.entry.name:
        raise InvalidInput(f"An edit keeps the tool: {request.entry.name}.")
    args = checked_args(request.entry, action.get("args") or {})
    verdict, why = context.policy.decide(request.entry, args, context.workspace)
    if verdict == "deny":
        raise NotAllowed(f"{request.entry.name} is not allowed with these arguments: {why}.")
    return args


async def _known(call: ToolCall, before: Outcome, runtime: Runtime[Context]) -> ToolMessage:
    """Return the outcome of a call that was begun before; where nobody knows it, ask."""
    if before.state == "begun":
        decision = interrupt(
            {
                "kind": "outcome_unknown",
                "tool_call_id": _id(call),
                "description": f"{call['name']} was begun, and it is not known whether it was "
                "done. Find out, and settle it.",
                "allowed_decisions": ["done", "not_done"],
            }
        )
        grant = _on_record(decision, _id(call), "", runtime.context)
        if grant is None:
            raise NotAllowed(f"Nobody has settled {call['name']} on the record.")
        done = decision.get("type") == "done"
        text = f"{call['name']} was {'done' if done else 'not done'}, a person found."
        outcome = Outcome("done" if done else "not_done", text)
        before = await runtime.context.effects.settle(
            _id(call), outcome, task_id(runtime), tool=call["name"], call=_id(call), by=grant.by
        )
    return _reply(call, before.text)


async def _plan(request: Request) -> Plan:
    message = await _call(request)
    if not isinstance(message.artifact, Plan):
        raise InvalidInput(f"{request.entry.name} is a write and returned no plan.")
    return message.artifact


async def _call(request: Request) -> ToolMessage:
    call = {**request.call, "args": request.args}
    message = await request.entry.tool.ainvoke(call)
    if not isinstance(message, ToolMessage):
        raise InvalidInput(f"{request.entry.name} returned no tool message.")
    return message


def _binding(request: Request, plan: Plan, context: Context) -> str:
    """Return the hash of what a person is shown."""
    return digest(
        [
            request.entry.name,
            json.dumps(request.args, sort_keys=True),
            plan.shows,
            request.versions,
            context.version,
        ]
    )


def _reply(
    call: ToolCall, content: Any, artifact: Any = None, *, status: Any = "success"
) -> ToolMessage:
    return ToolMessage(
        content=content,
        artifact=artifact,
        tool_call_id=_id(call),
        name=call["name"],
        status=status,
        id=f"{_id(call)}-r",
    )


def _id(call: ToolCall) -> str:
    return call["id"] or ""
