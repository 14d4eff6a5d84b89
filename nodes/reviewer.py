"""The reviewer: locates every quote by program, then asks the model only whether it supports.

A claim is verified if each of its quotes stands on the page that it names, in a document that the
question may use, and the model finds that the quotes say what the claim says. What fails is sent
back with the reason, a bounded number of times; what is still unproven then loses its citations.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from langgraph.runtime import Runtime
from langgraph.types import Command

from nodes.context import Context
from nodes.models import fill, messages_for
from nodes.state import CitedReply, ClaimReply, DeskState, ParagraphReply, ReviewReply, plan_of
from storage.errors import NotFound
from storage.records import Citation, Claim
from tools.citations import cite, locate, unmarked

MOST_CLAIMS = 20
MOST_QUOTES = 5


@dataclass(slots=True)
class Checked:
    """A statement with what a program found of its quotes."""

    text: str
    citations: list[Citation] = field(default_factory=list)
    objections: list[str] = field(default_factory=list)
    rejected: int = 0
    """How many quotes do not stand where they were said to."""


async def reviewer(state: DeskState, runtime: Runtime[Context]) -> Command[str]:
    """Review the memo if there is one, the draft otherwise."""
    context = runtime.context
    memo, draft = state["memo"], state["draft"]
    if memo is not None:
        checked = [_check_paragraph(p, state["claims"]) for p in memo.paragraphs]
    else:
        claims = draft.claims[:MOST_CLAIMS] if draft else []
        checked = await asyncio.to_thread(_check_claims, claims, state, context)
    await _judge(checked, context)
    objections = [objection for each in checked for objection in each.objections]
    context.journal.note(
        "reviewed",
        node="reviewer",
        statements=len(checked),
        objections=len(objections),
        rejected=sum(each.rejected for each in checked),
    )
    update: dict[str, Any] = {"objections": objections, "rounds": state["rounds"] + 1}
    if memo is not None:
        kept = [p for p, each in zip(memo.paragraphs, checked, strict=True) if not each.objections]
        last = update["rounds"] > context.limits.rounds
        if last:
            update["memo"] = memo.model_copy(update={"paragraphs": kept})
    else:
        update["claims"] = [_claim(each) for each in checked]
    return Command(update=update, goto="supervisor")


def _claim(checked: Checked) -> Claim:
    proven = bool(checked.citations) and not checked.objections
    return Claim(text=checked.text, verified=proven, citations=checked.citations if proven else [])


def _check_claims(
    claims: Sequence[ClaimReply], state: DeskState, context: Context
) -> list[Checked]:
    limit = plan_of(state).document_ids
    return [_check_claim(claim, limit, context) for claim in claims]


def _check_claim(claim: ClaimReply, limit: Sequence[str], context: Context) -> Checked:
    # On one line and without marks of its own, no part of it can pass for another statement.
    checked = Checked(" ".join(unmarked(claim.text).split()))
    if not claim.citations:
        checked.objections.append(f"“{checked.text}”: no quote is given.")
    for cited in claim.citations[:MOST_QUOTES]:
        try:
            checked.citations.append(verify(cited, limit, context))
        except NotFound as error:
            checked.rejected += 1
            checked.objections.append(f"“{checked.text}”: {error}")
    return checked


def verify(cited: CitedReply, limit: Sequence[str], context: Context) -> Citation:
    """Locate a quote where it is said to be, and return it as the page has it.

    Raises:
        NotFound: it is not there; the message says what is wrong.
    """
    if limit and cited.document_id not in limit:
        raise NotFound(f"the document {cited.document_id!r} is not one that the question is about.")
    document, page = context.library.page(cited.document_id, cited.page)
    span = locate(cited.quote, page.text)
    if span is None:
        raise NotFound(
            f"the quote does not stand on page {cited.page} of {document.name}; copy it word for "
            "word from the passage, and give that passage's page."
        )
    return cite(document, page, *span)


def _check_paragraph(paragraph: ParagraphReply, claims: Sequence[Claim]) -> Checked:
    """Resolve the claims that a paragraph rests on."""
    proven = [claim for claim in claims if claim.verified]
    checked = Checked(paragraph.text)
    unknown = [n for n in paragraph.claims if not 1 <= n <= len(proven)]
    if unknown or not paragraph.claims:
        checked.objections.append(
            f"“{paragraph.text[:80]}”: it rests on no claim there is; the numbers are 1 to "
            f"{len(proven)}."
        )
        return checked
    for number in paragraph.claims:
        checked.citations += proven[number - 1].citations
    return checked


async def _judge(checked: Sequence[Checked], context: Context) -> None:
    """Have the model judge what the program let through; no verdict is a bad one."""
    open_ones = {n: each for n, each in enumerate(checked, 1) if not each.objections}
    if not open_ones:
        return
    payload = {
        "statements": [
            {"number": n, "text": each.text, "quotes": [c.quote for c in each.citations]}
            for n, each in open_ones.items()
        ]
    }
    reply = await fill(context.model, ReviewReply, messages_for("reviewer", payload))
    verdicts = {verdict.number: verdict for verdict in reply.verdicts}
    for n, each in open_ones.items():
        verdict = verdicts.get(n)
        if verdict is None or not verdict.supported:
            why = verdict.why if verdict else "nobody said that they do"
            each.objections.append(f"“{each.text}”: the quotes do not support it: {why}")
