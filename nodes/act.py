"""Carries out one tool call: the only place where anything is done, and the gate in front of it.

One task has one call, and asks one question at a time, before any effect. What a person approves is
bound to a hash of what was shown: the tool, its arguments, what the plan says it will do, the
versions of the documents that it rests on, and the version of the graph. If any of these has
changed by the time the decision comes back, the decision is void and the person is asked anew.

    find the ledger entry ──▶ done before: its outcome, again (begun and repeatable: go on)
    check the arguments   ──▶ policy: deny ─▶ refused
                                      allow, a read ─▶ recorded, then returned
                                      ask ─▶ interrupt ─▶ reject, or nobody in time ─▶ refused
                                                          approve, edit ─▶ effect, once

A fork asks a person before it does what one of its ancestors has done, whatever the policy says.
What people were asked about, they decide, whatever the policy says by then; what it denies, it
denies.

An agent is told of an error only if nothing was done: it may ask for the same again, in a call of
its own. Where the ledger has an entry, the error ends the run, and a retry goes on from that entry.
"""

import asyncio
import json
import time
from collections.abc import Mapping, Sequence
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
from storage.decisions import person
from storage.errors import (
    AffidavitError,
    Conflict,
    InvalidInput,
    LeaseLost,
    NotAllowed,
    NotFound,
    Unavailable,
)
from storage.recordings import TOOL, Recording
from storage.run_layout import Decided, check_question
from storage.times import utc
from tools.documents import NAMES_ONLY
from tools.effects import Grant, Outcome, OutcomeUnknown
from tools.policy import Rule
from tools.registry import Entry, Plan, checked_args

ALLOWED = ("approve", "edit", "reject")


@dataclass(frozen=True, slots=True)
class Request:
    """A call that the policy has been asked about."""

    call: ToolCall
    entry: Entry
    args: dict[str, Any]
    versions: list[str]


@dataclass(frozen=True, slots=True)
class Shown:
    """A call as a person is shown it; `binding` is the hash of that."""

    request: Request
    plan: Plan
    description: str
    binding: str
    earlier: str
    """The run that this one was forked from, if it has done it already."""


async def act(task: Task, runtime: Runtime[Context]) -> Command[str]:
    """Carry out a call, or say why not, and go back to the agent.

    Raises:
        LeaseLost: this worker is outdated.
        Unavailable: a service did not answer; the call is carried out when the run is tried again.
        AffidavitError, ToolException: it was begun, and has not come to its end.
    """
    try:
        message = await _act(task, runtime)
    except (LeaseLost, Unavailable):
        raise
    except (AffidavitError, ToolException) as error:
        if await runtime.context.effects.find(_id(task["call"])):
            raise
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
    request = Request(call, entry, checked_args(entry, call["args"]), task["versions"])
    rule = context.policy.decide(entry, request.args, context.workspace)
    context.journal.note(
        "tool_call",
        node="act",
        task=task_id(runtime),
        tool=entry.name,
        args=digest(json.dumps(request.args, sort_keys=True)),
        verdict=rule.verdict,
    )
    if rule.verdict == "deny":
        raise NotAllowed(f"{entry.name} is not allowed here: {rule.why}.")
    if entry.risk == "read":
        if rule.verdict == "ask":
            raise NotAllowed(f"{entry.name} only reads; the policy may allow or deny it.")
        return await _read(request, runtime)
    return await _write(request, rule, runtime)


async def _read(request: Request, runtime: Runtime[Context]) -> ToolMessage:
    """Return what a tool reads, recorded before it is used."""
    recordings, task = runtime.context.recordings, task_id(runtime)
    asked = _same(request)
    found = await asyncio.to_thread(recordings.get, TOOL, task, 0)
    if found is None or found.request != asked:
        message = await _call(request)
        text = json.dumps({"content": message.content, "artifact": message.artifact})
        await asyncio.to_thread(_meet, request, text, runtime.context)
        found = await asyncio.to_thread(recordings.put, TOOL, task, 0, Recording(asked, text))
    return _reply(request.call, **json.loads(found.response))


def _meet(request: Request, text: str, context: Context) -> None:
    """Write down which documents a run meets in what a tool has read: in records of others, say.

    Raises:
        Conflict: one of them is being erased, and what was read may hold its text still.
    """
    if request.entry.name in NAMES_ONLY:
        return
    store = context.library.store
    for document_id in sorted(store.named_in(f"{request.args} {text}")):
        try:
            store.met(document_id)
        except NotFound:
            gone = store.tombstone(document_id)
            if gone and not gone.done:
                raise Conflict(f"Document {document_id} is being erased; look later.") from None


async def _write(request: Request, rule: Rule, runtime: Runtime[Context]) -> ToolMessage:
    """Carry out what a write plans, once, on the word of people or of the policy."""
    effects = runtime.context.effects
    shown = await _shown(request, runtime.context)
    grant = Grant(by="policy", binding=shown.binding, same=_same(request))
    if rule.verdict == "ask" or shown.earlier or await _was_asked(request, runtime.context):
        shown, grant = await _granted(shown, rule, runtime.context)
    entry, task = request.entry, task_id(runtime)
    try:
        outcome = await effects.perform(
            _id(request.call), entry.name, entry.safety, shown.plan, grant, task
        )
    except OutcomeUnknown as unknown:
        runtime.context.journal.note(
            "outcome_unknown", node="act", task=task, tool=entry.name, error=str(unknown)
        )
        return await _known(request.call, Outcome("begun", same=grant.same), runtime)
    return _reply(request.call, outcome.text)


async def _was_asked(request: Request, context: Context) -> bool:
    """Return whether people were asked about a call: then it is theirs to decide."""
    record = await asyncio.to_thread(context.approvals)
    return any(d.interrupt.value.get("tool_call_id") == _id(request.call) for d in record)


async def _shown(request: Request, context: Context) -> Shown:
    """Plan a call, and say all that a person has to know of it."""
    message = await _call(request)
    plan = message.artifact
    if not isinstance(plan, Plan):
        raise InvalidInput(f"{request.entry.name} is a write and returned no plan.")
    lines = [plan.shows]
    earlier = await context.effects.earlier(_id(request.call), _same(request))
    if earlier:
        lines.append(f"Run {earlier}, from which this one was forked, has done it already.")
    outdated = await asyncio.to_thread(context.library.outdated, request.versions)
    lines += [f"It rests on an older version of {document.name}." for document in outdated]
    description = "\n".join(lines)
    binding = digest(
        [
            request.entry.name,
            json.dumps(request.args, sort_keys=True),
            description,
            request.versions,
            context.version,
        ]
    )
    return Shown(request, plan, description, binding, earlier)


async def _granted(shown: Shown, rule: Rule, context: Context) -> tuple[Shown, Grant]:
    """Stop for people until they have decided on exactly what would be done.

    LangGraph gives back the decisions on this task in their order, each time that it runs again.
    One that is void is passed over, and the next question put.

    Raises:
        NotAllowed: it was rejected, or nobody decided in time.
    """
    while True:
        given = interrupt(_question(shown, rule))
        record = await asyncio.to_thread(context.approvals)
        decided = _on_record(record, given, shown)
        if decided is None:  # what was shown is no longer so: ask anew
            continue
        decision = decided.decision or {}
        if decision["type"] == "edit":
            request = replace(shown.request, args=_edited(shown.request, decision))
            rule, told = _rule_of_edited(request, context), shown.earlier
            shown = await _shown(request, context)
            if rule.approvals > 1:  # whoever edits it is one; all of them approve what it became
                continue
            if shown.earlier not in ("", told):  # nobody knew that it would be done again
                continue
        if not _is_latest(decided, record, shown):
            continue
        if decision["type"] == "reject":
            reason = str(decision.get("message") or "no reason was given")
            raise NotAllowed(f"A person rejected {shown.request.entry.name}: {reason}")
        if decision["type"] not in ("approve", "edit"):
            until = utc(decided.interrupt.expires_at)
            raise NotAllowed(f"Nobody approved {shown.request.entry.name} by {until}.")
        if len(_who(decided)) < rule.approvals:  # the rule has become stricter: ask them all
            continue
        return shown, Grant(", ".join(_who(decided)), shown.binding, _same(shown.request))


def _question(shown: Shown, rule: Rule) -> dict[str, Any]:
    """Return what a person is asked, in LangChain's human-in-the-loop form.

    Raises:
        TooLarge: it is more than a person can be asked.
    """
    request, hours = shown.request, rule.expires_after_hours
    allowed = [each for each in ALLOWED if each != "edit" or not shown.plan.as_it_is]
    question: dict[str, Any] = {
        "kind": "approval",
        "action_requests": [
            {
                "name": request.entry.name,
                "args": request.args,
                "description": shown.description,
            }
        ],
        "review_configs": [{"action_name": request.entry.name, "allowed_decisions": allowed}],
        "tool_call_id": _id(request.call),
        "binding": shown.binding,
        "approvals": rule.approvals,
        "expires_at": time.time() + hours * 3600 if hours else 0.0,
    }
    check_question(question)
    return question


def _on_record(record: Sequence[Decided], decision: Any, shown: Shown) -> Decided | None:
    """Find the last decision on the record that was made on exactly this.

    What is only in the state is void.
    """
    for decided in sorted(record, key=lambda each: each.order, reverse=True):
        value = decided.interrupt.value
        if (
            value.get("tool_call_id") == _id(shown.request.call)
            and value.get("binding", "") == shown.binding
            and decided.decision is not None
            and decided.decision == decision
            and decided.decided_by is not None
        ):
            return decided
    return None


def _is_latest(decided: Decided, record: Sequence[Decided], shown: Shown) -> bool:
    """Return whether no later question about the same call was decided."""
    call = _id(shown.request.call)
    same = [d for d in record if d.interrupt.value.get("tool_call_id") == call]
    return all(d.order <= decided.order for d in same)


def _who(decided: Decided) -> list[str]:
    """Return the different persons on whose word it is done.

    Whoever edited it did so alone: who had voted by then approved something else.
    """
    edited = (decided.decision or {}).get("type") == "edit"
    votes = [] if edited else [vote.by for vote in decided.interrupt.votes]
    named = {person(by): by.name for by in [*votes, decided.decided_by] if by}
    return [*named.values()]


def _edited(request: Request, decision: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments as a person edited them."""
    action = decision.get("edited_action") or {}
    if action.get("name") != request.entry.name:
        raise InvalidInput(f"An edit keeps the tool: {request.entry.name}.")
    return checked_args(request.entry, action.get("args") or {})


def _rule_of_edited(request: Request, context: Context) -> Rule:
    """Return the rule that speaks about edited arguments: it may be another one."""
    rule = context.policy.decide(request.entry, request.args, context.workspace)
    if rule.verdict == "deny":
        raise NotAllowed(f"{request.entry.name} is not allowed with these arguments: {rule.why}.")
    return rule


async def _known(call: ToolCall, before: Outcome, runtime: Runtime[Context]) -> ToolMessage:
    """Return the outcome of a call that was begun before; where nobody knows it, ask."""
    if before.state == "begun":
        decided = await _settled(call, runtime.context)
        done = (decided.decision or {}).get("type") == "done"
        text = f"{call['name']} was {'done' if done else 'not done'}, a person found."
        before = await runtime.context.effects.settle(
            _id(call),
            Outcome("done" if done else "not_done", text, before.same),
            task_id(runtime),
            tool=call["name"],
            call=_id(call),
            by=decided.decided_by.name if decided.decided_by else "",
        )
    return _reply(call, before.text)


async def _settled(call: ToolCall, context: Context) -> Decided:
    """Stop for a person until one has said, on the record, how a call has ended.

    What LangGraph gives back first are the earlier decisions on this task: the approval, say.
    """
    question = {
        "kind": "outcome_unknown",
        "tool_call_id": _id(call),
        "description": f"{call['name']} was begun, and it is not known whether it was done. Find "
        "out, and settle it.",
        "allowed_decisions": ["done", "not_done"],
    }
    while True:
        given = interrupt(question)
        for decided in await asyncio.to_thread(context.approvals):
            value = decided.interrupt.value
            if (
                value.get("kind") == "outcome_unknown"
                and value.get("tool_call_id") == _id(call)
                and decided.decision is not None
                and decided.decision == given
                and decided.decided_by is not None
            ):
                return decided


async def _call(request: Request) -> ToolMessage:
    call = {**request.call, "args": request.args}
    message = await request.entry.tool.ainvoke(call)
    if not isinstance(message, ToolMessage):
        raise InvalidInput(f"{request.entry.name} returned no tool message.")
    return message


def _same(request: Request) -> str:
    """Return the hash by which a fork finds what its ancestors have done."""
    return digest([request.entry.name, json.dumps(request.args, sort_keys=True)])


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
