"""How an answer is shown: what is proven, what is not, and the page behind each quote.

Only a claim that the record calls verified looks proven, whatever its text says. Everything in an
answer is the text of strangers and goes through `markup`.
"""

import re
from dataclasses import dataclass
from typing import Final

import streamlit as st

from storage.errors import AffidavitError
from storage.records import Answer, Citation, Claim, Run
from ui import markup, parts, words
from ui.markup import Safe, show, tag

_MARKS: Final = re.compile(r"(?: \[\d+\])+")
_UNPROVEN: Final = "Not proven by the documents"
_SHA_CHARS: Final = 12

# A constant, with nothing of the page's text in it: that goes through `tag`.
_SCROLL: Final = """<script>
(function find(tries) {
  const quote = document.getElementById("aff-quote");
  if (quote) quote.scrollIntoView({block: "center"});
  else if (tries) setTimeout(find, 50, tries - 1);
})(40);
</script>"""


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
    with st.container(horizontal=True, gap="small", key=f"sources-{room}-{run.id}"):
        for citation, number in numbers.items():
            name = markup.plain(citation.document, 48)
            label = f"{markup.plain(f'[{number}]')} {name}, p. {citation.page}"
            tip = f"Show the quote on page {citation.page}"
            if st.button(label, key=f"cite-{room}-{run.id}-{number}", help=tip):
                source(citation)


@st.dialog("The page that proves it", width="medium")
def source(citation: Citation) -> None:
    """Show the stored text of a page, with the quote marked."""
    desk = parts.desk()
    try:
        document = desk.documents.get(citation.document_id)
        sha256 = citation.sha256
        page = desk.documents.page(citation.document_id, citation.page, version=sha256)
    except AffidavitError as error:
        markup.callout("warning", "The page cannot be shown.", str(error))
        return
    show(
        tag("div", citation.document, cls="aff-title"),
        tag("p", page.locator, " · version ", _sha(citation.sha256), cls="aff-quiet"),
    )
    start, end = citation.start, citation.end
    if document.sha256 != citation.sha256:
        why = "The document has a newer version than the one that is cited and shown here."
        markup.callout("info", why)
    if page.text[start:end] != citation.quote:
        markup.callout("warning", "The quote is not what is stored there now.", citation.quote)
        start = end = 0
    quote = [tag("mark", page.text[start:end], id="aff-quote")] if end > start else []
    text = (page.text[:start], *quote, page.text[end:])
    label = f"Page {citation.page} of {citation.document}"
    show(tag("div", *text, cls="aff-page", tabindex="0", role="document", aria_label=label))
    st.html(_SCROLL, unsafe_allow_javascript=True)


def _sha(sha256: str) -> Safe:
    return tag("code", f"sha256 {sha256[:_SHA_CHARS]}", title=sha256)
