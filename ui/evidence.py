"""The page that citations point to: as a picture, as a table, or as text, with the quotes marked.

A page of a PDF is shown as it is printed. Of what has no pages of its own (text, mail, Word, HTML,
slides) the honest nearest thing is the text under its place; of a workbook the cells. What is shown
is the version that was cited, and everything in it is the text of strangers (`markup`).
"""

from base64 import b64encode
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

import streamlit as st

from graph import Orchestrator
from storage.errors import AffidavitError, InvalidInput
from storage.records import Citation, Page
from tools.locators import cells, column
from tools.versions import SHA_CHARS
from ui import markup, parts
from ui.markup import Safe, show, tag

Stretch = tuple[int, int]
"""Code points of a page's text, half open."""
_MOST_COLUMNS: Final = 200
_QUOTE: Final = "aff-quote"

# A constant, with nothing of the page's text in it: that goes through `tag`.
_SCROLL: Final = """<script>
(function find(tries) {
  const quote = document.getElementById("aff-quote");
  const box = quote && quote.closest(".aff-print, .aff-page, .aff-grid");
  if (box) {  // within its box, so that what stands above it stays in sight
    const above = quote.getBoundingClientRect().top - box.getBoundingClientRect().top;
    box.scrollTop += above - box.clientHeight / 3;
    quote.scrollIntoView({block: "nearest", inline: "nearest"});
  } else if (tries) setTimeout(find, 50, tries - 1);
})(40);
</script>"""


@st.dialog("The page that proves it", width="medium")
def source(citation: Citation) -> None:
    """Show a page with the quote marked."""
    page([citation])


def by_page(citations: Iterable[Citation]) -> list[list[Citation]]:
    """Return citations by the page that they stand on, in their order."""
    pages: dict[tuple[str, str, int], list[Citation]] = {}
    for each in citations:
        pages.setdefault((each.document_id, each.sha256, each.page), []).append(each)
    return [*pages.values()]


def page(citations: Sequence[Citation]) -> None:
    """Show the page that all of these citations stand on, with each quote marked."""
    desk = parts.desk()
    citation = citations[0]
    try:
        stored = desk.documents.page(citation.document_id, citation.page, version=citation.sha256)
        told = desk.documents.version_told(citation.document_id, citation.sha256)
        newest = desk.documents.get(citation.document_id).sha256 == citation.sha256
    except AffidavitError as error:
        markup.callout("warning", "The page cannot be shown.", str(error))
        return
    version = told or tag("code", f"sha256 {citation.sha256[:SHA_CHARS]}", title=citation.sha256)
    places = "; ".join(dict.fromkeys(each.place for each in citations))
    show(
        tag("div", citation.document, cls="aff-title"),
        tag("p", places, " · ", version, cls="aff-quiet"),
    )
    if not newest:
        why = "The document has a newer version than the one that is cited and shown here."
        markup.callout("info", why)
    label = f"{places} of {citation.document}"
    quotes = list(_standing(stored, citations))
    if stored.grid is not None:
        _table(stored, quotes, label)
    elif not _picture(desk, citation, stored, quotes, label):
        _text(stored, quotes, label)
    st.html(_SCROLL, unsafe_allow_javascript=True)


def _standing(stored: Page, citations: Iterable[Citation]) -> Iterator[Stretch]:
    """Yield where the quotes stand, first things first; say of each that does not stand there."""
    for each in sorted(citations, key=lambda each: (each.start, each.end)):
        if stored.text[each.start : each.end] == each.quote:
            yield each.start, each.end
        else:
            markup.callout("warning", "The quote is not what is stored there now.", each.quote)


def _picture(
    desk: Orchestrator, citation: Citation, stored: Page, quotes: Sequence[Stretch], label: str
) -> bool:
    """Show a page as it is printed, and its text below; return whether it could be drawn."""
    if not stored.locator.startswith("page "):
        return False
    try:
        drawn = desk.documents.drawn(
            citation.document_id, citation.page, version=citation.sha256, marks=quotes
        )
    except InvalidInput as error:
        show(tag("p", str(error), cls="aff-quiet"))
        return False
    boxes = [box for each in drawn.marks for box in each]
    unmarked = not all(drawn.marks)
    if unmarked:
        what = "the quote" if len(quotes) == 1 else "each quote"
        why = f"Where {what} stands on the picture cannot be told exactly. It is marked below."
        markup.callout("info", why)
    data = f"data:image/png;base64,{b64encode(drawn.png).decode()}"
    shape = f"aspect-ratio: {drawn.width} / {drawn.height}"  # known before the picture is there
    alt = f"{label}, as it is printed, with the quote marked"
    picture = tag("img", src=data, alt=alt, style=shape)
    anchors = [
        tag("span", id=_QUOTE, style=f"top: {100 * box.middle[1] / drawn.height:.2f}%")
        for box in boxes[:1]
    ]
    sheet = tag("div", picture, *anchors, cls="aff-sheet")
    show(tag("div", sheet, cls="aff-print", tabindex="0", role="document", aria_label=label))
    with st.expander("The text of the page, as it was read", expanded=unmarked):
        _text(stored, quotes, label, is_first=not boxes)
    return True


def _text(stored: Page, quotes: Sequence[Stretch], label: str, *, is_first: bool = True) -> None:
    """Show the stored text; `is_first` is whether its first mark is the one to scroll to."""
    text = _marked(stored.text, 0, len(stored.text), quotes, is_first=is_first)
    show(tag("div", *text, cls="aff-page", tabindex="0", role="document", aria_label=label))


def _table(stored: Page, quotes: Sequence[Stretch], label: str) -> None:
    """Show a page that is a table by its cells, as a spreadsheet does."""
    rows = cells(stored.text, 0, 0)
    numbers = stored.grid.rows if stored.grid else []
    width = min(_MOST_COLUMNS, max(map(len, rows)))
    head = tag("tr", tag("th"), *(tag("th", column(n), scope="col") for n in range(1, width + 1)))
    body: list[Safe] = []
    is_first = True
    for number, row in zip(numbers, rows, strict=False):
        shown = []
        for at, to, _ in row[:width]:
            touched = at < to and any(at < end and start < to for start, end in quotes)
            quoted = _marked(stored.text, at, to, quotes, is_first=is_first and touched)
            is_first = is_first and not touched
            shown.append(tag("td", *quoted, cls="aff-cell" if touched else ""))
        shown += [tag("td")] * (width - len(shown))
        body.append(tag("tr", tag("th", str(number), scope="row"), *shown))
    table = tag("table", tag("thead", head), tag("tbody", *body))
    show(tag("div", table, cls="aff-grid", tabindex="0", role="document", aria_label=label))


def _marked(
    text: str, at: int, to: int, quotes: Sequence[Stretch], *, is_first: bool
) -> Iterator[str]:
    """Yield a stretch of a text with what is quoted of it marked; the quotes come in order."""
    for start, end in quotes:
        start, end = max(at, start), min(to, end)
        if start >= end:
            continue
        yield text[at:start]
        yield tag("mark", text[start:end], cls="aff-quoted", id=_QUOTE if is_first else "")
        at, is_first = end, False
    yield text[at:to]
