"""What a passage stands under: the headings above it, and the row that names its table's columns.

A passage in the middle of a long clause, or of a table, does not say what it is about. People look
for the words of the headings and of the column names, so the index holds these with the passage,
beside its text. They are never part of it: offsets, quotes and what is shown are those of the page.

Clauses go on over the end of a page, so the headings of a document are followed from page to page.
A line that looks like a heading and comes again on later pages is taken for the page's own.
Next: `tools/passages.py` has the rules of structure, `tools/search.py` indexes what is found here.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from storage.records import Page
from tools.passages import (
    Span,
    blocks,
    clause_number,
    first_sentence,
    is_heading,
    is_row,
    lines_of,
    passages_and_beginnings,
)

_MOST_CONTEXT: Final = 400
"""Characters of a context; of a row with the names of columns half of them."""
_CELLS: Final = " | "
_NUMBERED_PAGE: Final = re.compile(r"(?:page|slide) \d+.*|document|start", re.IGNORECASE)
"""A locator that says where something stands, and not what it is about."""
_DIGITS: Final = re.compile(r"\d+")
_DEEPEST: Final = 9
_LETTERED: Final = 5
"""Characters of "(iii)" and "VIII."; more of them begin with a word, as "Section 4.2" does."""


@dataclass(frozen=True, slots=True)
class Cut:
    """A passage of a page, with what it stands under."""

    span: Span
    goes_on: bool
    """It goes on from the passage before it, which was cut off for its length."""
    context: str


class Outline:
    """Follows the headings of one document from page to page."""

    def __init__(self) -> None:
        self._path: list[tuple[int, str]] = []
        self._seen: set[str] = set()

    def cut(self, page: Page) -> Iterator[Cut]:
        """Yield the passages of the next page."""
        place = "" if _NUMBERED_PAGE.fullmatch(page.locator) else page.locator
        headings = _headings(page.text)
        tables = _tables(page.text)
        new = 0
        for number, (span, begins) in enumerate(passages_and_beginnings(page.text)):
            while new < len(headings) and headings[new][0] < span.start:
                self._enter(headings[new][1])
                new += 1
            above = _DEEPEST
            if new < len(headings) and headings[new][0] == span.start:
                above = self._level(headings[new][1])
            path = [text for level, text in self._path if level < above]
            names = next((row for table, row in tables if table.start < span.start < table.end), "")
            yield Cut(span, number > 0 and not begins, _joined([place, *path, names]))
        for _, text in headings[new:]:
            self._enter(text)
        self._seen.update(text for _, text in headings)

    def _enter(self, heading: str) -> None:
        level = self._level(heading)
        if level < _DEEPEST:
            self._path = [each for each in self._path if each[0] < level]
            self._path.append((level, heading))

    def _level(self, heading: str) -> int:
        """Return how deep a heading stands: 1 for a title or an article, 2 for "4.", 3 for "4.2".

        A heading of the pages themselves stands deeper than all, so that none ends at it.
        """
        number = clause_number(heading)
        if not number:
            return _DEEPEST if heading in self._seen else 1
        if number[0].isalpha() and len(number) > _LETTERED:
            return 1 + min(number.count("."), 4)
        return min(1 + len(_DIGITS.findall(number)), _DEEPEST - 1) if _DIGITS.search(number) else 8


def outlined(pages: Iterable[Page]) -> Iterator[tuple[Page, list[Cut]]]:
    """Yield the pages of a document with their passages."""
    outline = Outline()
    for page in pages:
        yield page, list(outline.cut(page))


def _headings(text: str) -> list[tuple[int, str]]:
    """Return the headings of a page and where they begin; "2. Rent." before a clause is one."""
    found = []
    for block in blocks(text):
        span = block
        if clause_number(text[block.start : block.end]):
            span = first_sentence(text, block)
        line = text[span.start : span.end]
        if is_heading(line):
            found.append((span.start, " ".join(line.split())))
    return found


def _tables(text: str) -> list[tuple[Span, str]]:
    """Return the tables of a page, as far as they show in plain text, and what names their columns.

    That is their first row; where the rows are of figures, with the line above it.
    """
    found: list[tuple[Span, str]] = []
    above, before = "", False
    for line in lines_of(text):
        text_of = line.text if line else ""
        row = _CELLS in text_of or is_row(text_of) if line else False
        if line and row and before:
            table, names = found[-1]
            found[-1] = Span(table.start, line.end), names
        elif line and row:
            names = text_of if _CELLS in text_of else f"{above} {text_of}"
            found.append((Span(line.start, line.end), names[: _MOST_CONTEXT // 2].strip()))
        above = text_of if text_of[-1:] not in (".", ";", ",") else ""
        before = row
    return found


def _joined(parts: Iterable[str]) -> str:
    """Return what there is of the parts, each once; if it is too long, the nearest."""
    return "\n".join(dict.fromkeys(filter(None, parts)))[-_MOST_CONTEXT:]
