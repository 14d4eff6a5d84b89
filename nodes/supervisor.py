"""The supervisor: makes the question self-contained, plans, routes, and composes the answer.

The model plans once; the route from there is code, within bounds on visits and rounds. The answer
is composed from what the reviewer left, so that no sentence of it passes for proven that is not.
"""

import asyncio
from collections.abc import Sequence
from typing import Any, Literal

from langchain_core.messages import AIMessage, RemoveMessage
from langgraph.graph.message import REMOVE_ALL_MESSAGES
from langgraph.runtime import Runtime
from langgraph.types import Command

from nodes.context import Context
from nodes.models import fill, messages_for, model_name
from nodes.offline import OFFLINE, OFFLINE_NOTE
from nodes.state import AGENTS, Agent, DeskState, Focus, PlanReply, plan_of
from storage.records import Answer, AnswerStatus, Citation, Claim
from tools.citations import unmarked

Next = Literal["librarian", "analyst", "writer", "custodian", "__end__"]
EARLIER_TURNS = 6
_CLEARED = [RemoveMessage(REMOVE_ALL_MESSAGES)]


async def supervisor(state: DeskState, runtime: Runtime[Context]) -> Command[Next]:
    """Plan at first, then send the work to whoever is next, or end."""
    context = runtime.context
    visits = state["visits"] + 1
    if state["plan"] is None:
        plan = await _plan(state, context)
        context.journal.note("planned", node="supervisor", agents=plan.agents)
        return _dispatch(plan.agents[0], plan=plan, visits=visits)
    if visits >= context.limits.visits:
        return await _finish(state, context)
    if again := _sent_back(state, context):
        return _dispatch(again, visits=visits)
    step, agent = _next(state)
    if agent is None:
        return await _finish(state, context)
    rounds = state["rounds"] if step == state["step"] else 0
    return _dispatch(agent, step=step, visits=visits, rounds=rounds, objections=[])


def _dispatch(agent: Agent, **update: Any) -> Command[Next]:
    return Command(update={**update, "scratch": _CLEARED}, goto=agent)


def _sent_back(state: DeskState, context: Context) -> Agent | None:
    """Return who must do it again, because the reviewer objects and there is a round left."""
    if not state["objections"] or state["rounds"] > context.limits.rounds:
        return None
    return "writer" if state["memo"] is not None else "analyst"


def _next(state: DeskState) -> tuple[int, Agent | None]:
    """Return the step of the plan that comes now, and whose it is."""
    agents, step = plan_of(state).agents, state["step"]
    if agents[step] == "writer" and state["memo"] is not None and not state["report"]:
        return step, "writer"  # what was written and reviewed is published
    step += 1
    agent = agents[step] if step < len(agents) else None
    if agent == "writer" and not any(claim.verified for claim in state["claims"]):
        agent = None  # nothing is proven, so there is nothing to write
    return step, agent


async def _plan(state: DeskState, context: Context) -> PlanReply:
    focus = state.get("focus") or Focus()
    in_play = {c.document_id: c.document for c in focus.citations}
    payload = {
        "question": state["question"],
        "conversation": [
            {"who": "user" if m.type == "human" else "desk", "said": str(m.content)[:2000]}
            for m in state["messages"][:-1][-EARLIER_TURNS:]
        ],
        "last_question": focus.question,
        "citations": [
            {"number": n, "document_id": c.document_id, "page": c.page, "quote": c.quote}
            for n, c in enumerate(focus.citations, 1)
        ],
        "documents": [{"id": i, "name": name} for i, name in in_play.items()],
    }
    reply = await fill(context.model, PlanReply, messages_for("supervisor", payload))
    return _sound(reply, state, focus)


def _sound(plan: PlanReply, state: DeskState, focus: Focus) -> PlanReply:
    """Make a plan that can be carried out of whatever the model planned."""
    agents: list[Agent] = [a for a in AGENTS if a in plan.agents]
    if "custodian" in agents:
        agents = ["custodian"]
    elif "writer" in agents:
        agents = ["librarian", "analyst", "writer"]
    else:
        agents = ["librarian", "analyst"]
    # The user's limit stands; the model can only narrow it.
    limit = state["documents"]
    chosen = [d for d in plan.document_ids if not limit or d in limit]
    earlier = [n for n in plan.earlier if 1 <= n <= len(focus.citations)]
    return PlanReply(
        question=plan.question.strip() or state["question"],
        agents=agents,
        document_ids=chosen or limit,
        earlier=earlier,
    )


async def _finish(state: DeskState, context: Context) -> Command[Next]:
    answer = compose(state["claims"], state["report"], model_name(context.model))
    cited = [c for claim in answer.claims for c in claim.citations]
    if not state["report"] or cited:
        caveats = await asyncio.to_thread(_caveats, state, context, cited)
        text = "\n\n".join([answer.text, *caveats])
        answer = answer.model_copy(update={"text": text})
    focus = Focus(question=plan_of(state).question, citations=cited)
    if not cited:
        focus = state.get("focus") or focus
    said = AIMessage(answer.text, id=f"{state['messages'][-1].id}-answer")
    update = {"answer": answer, "focus": focus, "messages": [said], "scratch": _CLEARED}
    return Command(update=update, goto="__end__")


def _caveats(state: DeskState, context: Context, cited: Sequence[Citation]) -> list[str]:
    """Return what must be said of documents that were not read in full.

    That is of those that the answer rests on or was limited to; where it found nothing in the
    whole workspace, how many there are, or that there is nothing.
    """
    limit = plan_of(state).document_ids
    concerned = {c.document_id for c in cited} | set(limit)
    in_scope = list(context.library.in_scope(limit))
    if not in_scope and not limit:
        return ["Nothing was added to this workspace yet."]
    partly = [d for d in in_scope if d.status != "ready"]
    if not concerned and partly:
        return [f"{len(partly)} of the documents could not be read in full; their list says why."]
    return [
        f"{d.name} was not read in full ({d.status}): {d.reason}"
        for d in partly
        if d.id in concerned
    ]


def compose(claims: Sequence[Claim], report: str, model: str) -> Answer:
    """Compose the answer: proven claims with their numbers, unproven ones named as such."""
    proven = [claim for claim in claims if claim.verified]
    unproven = [claim for claim in claims if not claim.verified]
    lines: list[str] = []
    numbers: dict[tuple[str, int, int, int], int] = {}
    for claim in proven:
        marks = "".join(f" [{_number(numbers, citation)}]" for citation in claim.citations)
        lines.append(f"{claim.text}{marks}")
    lines += [f"Not proven by the documents: {claim.text}" for claim in unproven]
    status: AnswerStatus = "partial" if unproven else "answered"
    if not claims and not report:
        status, lines = "not_in_documents", ["The documents do not say."]
    if report:
        lines.append(unmarked(report))  # no citation stands behind it
    if proven and model == OFFLINE:
        lines.append(OFFLINE_NOTE)
    return Answer(status=status, text="\n\n".join(lines), claims=[*proven, *unproven])


def _number(numbers: dict[tuple[str, int, int, int], int], citation: Citation) -> int:
    at = (citation.document_id, citation.page, citation.start, citation.end)
    return numbers.setdefault(at, len(numbers) + 1)
