"""How an answer is shown: what is proven, what is not, and where each quote stands.

Only a claim that the record calls verified looks proven, whatever its text says. Everything in an
answer is the text of strangers and goes through `markup`. The page behind a quote is in
`evidence.py`.
"""

import re
from dataclasses import dataclass
from typing import Final

import streamlit as st

from storage.records import Answer, Citation, Claim, Run
from ui import evidence, markup, parts, words
from ui.markup import Safe, show, tag

_MARKS: Final = re.compile(r"(?: \[\d+\])+")
_UNPROVEN: Final = "Not proven by the documents"


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of an answer: a claim, or something else that was said."""

    text: str
    claim: Claim | None = None


def pieces(answer: Answer) -> list[Piece]:
    """Take an answer apart into its claims, in order, and what stands around them.

    A claim that is not in the text is added at the end, so that none is missing.
    """
    found: list[Piece] = []
    elsewhere: list[Piece] = []
    left = answer.text
    for claim in answer.claims:
        before, there, after = left.partition(claim.text) if claim.text else (left, "", "")
        if not there:
            elsewhere.append(Piece(claim.text, claim))
            continue
        found += _said(before.rstrip().removesuffix(f"{_UNPROVEN}:"))
        found.append(Piece(claim.text, claim))
        marks = _MARKS.match(after)
        left = after[marks.end() :] if marks else after
    return [*found, *_said(left), *elsewhere]


def _said(text: str) -> list[Piece]:
    return [Piece(text.strip())] if text.strip() else []


def numbered(answer: Answer) -> dict[Citation, int]:
    """Return the citations of an answer with the numbers that its text gives them."""
    cited = (citation for claim in answer.claims for citation in claim.citations)
    return {citation: number for number, citation in enumerate(dict.fromkeys(cited), 1)}


def answer(run: Run, room: str) -> None:
    """Show the answer of a run; `room` keeps the keys of two pages apart."""
    if run.answer is None:
        return
    numbers = numbered(run.answer)
    label, kind = words.ANSWER[run.answer.status]
    if run.answer.claims or run.answer.status == "not_in_documents":
        show(tag("p", markup.chip(label, kind), cls="aff-verdict"))
    found = pieces(run.answer)
    last = max((n for n, piece in enumerate(found, 1) if piece.claim), default=0)
    blocks = [_piece(each, numbers, run.answer) for each in found]
    if blocks[:last]:
        show(*blocks[:last])
    if numbers:
        _sources(run, numbers, room)
    if blocks[last:]:
        show(*blocks[last:])
    if run.answer.status == "not_in_documents":
        hint = "Try other words, or add the document that would say it."
        show(tag("p", hint, cls="aff-quiet"))


def _piece(piece: Piece, numbers: dict[Citation, int], whole: Answer) -> Safe:
    if piece.claim is None:
        calm = whole.status == "not_in_documents" or not whole.claims
        return tag("div", piece.text, cls="aff-said" if calm else "aff-said aff-report")
    if not piece.claim.verified:
        label = tag("span", f"{_UNPROVEN}. ", cls="aff-label")
        return tag("div", label, piece.text, cls="aff-claim aff-unproven")
    marks = (tag("sup", f"[{numbers[c]}]", cls="aff-mark") for c in piece.claim.citations)
    return tag("div", piece.text, *marks, cls="aff-claim")


def _sources(run: Run, numbers: dict[Citation, int], room: str) -> None:
    """Show a button for each citation, which opens its page."""
    versions = {(c.document_id, c.sha256) for c in numbers}
    told = {each: parts.desk().documents.version_told(*each) for each in versions}
    with st.container(horizontal=True, gap="small", key=f"sources-{room}-{run.id}"):
        for citation, number in numbers.items():
            name = f"{markup.plain(citation.document, 48)}, {markup.plain(citation.place, 60)}"
            version = told[citation.document_id, citation.sha256]
            label = f"{markup.plain(f'[{number}]')} {name}"
            if version:
                label += f" · {markup.plain(version)}"
            key = f"cite-{room}-{run.id}-{number}"
            if st.button(label, key=key, help="Show the quote where it stands"):
                evidence.source(citation)
