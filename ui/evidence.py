"""The page that a citation points to: as a picture, as a table, or as text, with the quote marked.

A page of a PDF is shown as it is printed. Of what has no pages of its own (text, mail, Word, HTML,
slides) the honest nearest thing is the text under its place; of a workbook the cells. What is shown
is the version that was cited, and everything in it is the text of strangers (`markup`).
"""

from base64 import b64encode
from typing import Final

import streamlit as st

from graph import Orchestrator
from storage.errors import AffidavitError, InvalidInput
from storage.records import Citation, Page
from tools.locators import cells, column
from tools.versions import SHA_CHARS
from ui import markup, parts
from ui.markup import Safe, show, tag

_MOST_COLUMNS: Final = 200
_QUOTE: Final = "aff-quote"

# A constant, with nothing of the page's text in it: that goes through `tag`.
_SCROLL: Final = """<script>
(function find(tries) {
  const quote = document.getElementById("aff-quote");
  if (quote) quote.scrollIntoView({block: "center"});
  else if (tries) setTimeout(find, 50, tries - 1);
})(40);
</script>"""


@st.dialog("The page that proves it", width="medium")
def source(citation: Citation) -> None:
    """Show a page with the quote marked."""
    desk = parts.desk()
    try:
        page = desk.documents.page(citation.document_id, citation.page, version=citation.sha256)
        told = desk.documents.version_told(citation.document_id, citation.sha256)
        newest = desk.documents.get(citation.document_id).sha256 == citation.sha256
    except AffidavitError as error:
        markup.callout("warning", "The page cannot be shown.", str(error))
        return
    version = told or tag("code", f"sha256 {citation.sha256[:SHA_CHARS]}", title=citation.sha256)
    show(
        tag("div", citation.document, cls="aff-title"),
        tag("p", citation.place, " · ", version, cls="aff-quiet"),
    )
    if not newest:
        why = "The document has a newer version than the one that is cited and shown here."
        markup.callout("info", why)
    start, end = citation.start, citation.end
    if page.text[start:end] != citation.quote:
        markup.callout("warning", "The quote is not what is stored there now.", citation.quote)
        start = end = 0
    label = f"{citation.place} of {citation.document}"
    if page.grid is not None:
        _table(page, start, end, label)
    elif not _picture(desk, citation, page, (start, end), label):
        _text(page, start, end, label)
    st.html(_SCROLL, unsafe_allow_javascript=True)


def _picture(
    desk: Orchestrator, citation: Citation, page: Page, quote: tuple[int, int], label: str
) -> bool:
    """Show a page as it is printed, and its text below; return whether it could be drawn."""
    if not page.locator.startswith("page "):
        return False
    marks = [quote] if quote[1] > quote[0] else []
    try:
        drawn = desk.documents.drawn(
            citation.document_id, citation.page, version=citation.sha256, marks=marks
        )
    except InvalidInput as error:
        show(tag("p", str(error), cls="aff-quiet"))
        return False
    boxes = [box for each in drawn.marks for box in each]
    if marks and not boxes:
        why = "Where the quote stands on the picture cannot be told exactly. It is marked below."
        markup.callout("info", why)
    data = f"data:image/png;base64,{b64encode(drawn.png).decode()}"
    picture = tag("img", src=data, alt=f"{label}, as it is printed, with the quote marked")
    anchors = [
        tag("span", id=_QUOTE, style=f"top: {100 * box.middle[1] / drawn.height:.2f}%")
        for box in boxes[:1]
    ]
    sheet = tag("div", picture, *anchors, cls="aff-sheet")
    show(tag("div", sheet, cls="aff-print", tabindex="0", role="document", aria_label=label))
    with st.expander("The text of the page, as it was read", expanded=bool(marks) and not boxes):
        _text(page, *quote, label, is_first=not boxes)
    return True


def _text(page: Page, start: int, end: int, label: str, *, is_first: bool = True) -> None:
    """Show the stored text; `is_first` is whether its mark is the one to scroll to."""
    text = _marked(page.text, 0, len(page.text), (start, end), is_first=is_first)
    show(tag("div", *text, cls="aff-page", tabindex="0", role="document", aria_label=label))


def _table(page: Page, start: int, end: int, label: str) -> None:
    """Show a page that is a table by its cells, as a spreadsheet does."""
    rows = cells(page.text, start, end)
    numbers = page.grid.rows if page.grid else []
    width = min(_MOST_COLUMNS, max(map(len, rows)))
    head = tag("tr", tag("th"), *(tag("th", column(n), scope="col") for n in range(1, width + 1)))
    body: list[Safe] = []
    is_first = True
    for number, row in zip(numbers, rows, strict=False):
        shown = []
        for at, to, touched in row[:width]:
            quoted = _marked(page.text, at, to, (start, end), is_first=is_first and touched)
            is_first = is_first and not touched
            shown.append(tag("td", *quoted, cls="aff-cell" if touched else ""))
        shown += [tag("td")] * (width - len(shown))
        body.append(tag("tr", tag("th", str(number), scope="row"), *shown))
    table = tag("table", tag("thead", head), tag("tbody", *body))
    show(tag("div", table, cls="aff-grid", tabindex="0", role="document", aria_label=label))


def _marked(text: str, at: int, to: int, quote: tuple[int, int], *, is_first: bool) -> list[str]:
    """Return a stretch of a text with what is quoted of it marked."""
    start, end = max(at, quote[0]), min(to, quote[1])
    if start >= end:
        return [text[at:to]]
    mark = tag("mark", text[start:end], cls="aff-quoted", id=_QUOTE if is_first else "")
    return [text[at:start], mark, text[end:to]]
