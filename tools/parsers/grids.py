"""Cuts the rows of a table into pages, each with the row that names its columns.

A page is so many rows as a part of a text has characters; its cells stand in lines, between bars.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

from tools.parsers.result import clean
from tools.parsers.sections import PART


class Row(NamedTuple):
    """A row as it is counted in the file, from 1, and the texts of its cells."""

    number: int
    cells: Sequence[str]

    @property
    def text(self) -> str:
        """Its cells in one line; empty ones at its end are left out."""
        return " | ".join(self.cells).rstrip(" |")


Place = Callable[[Sequence[Row]], str]
"""Says where rows that follow each other stand."""


def pages(rows: Iterable[Row], place: Place) -> Iterator[tuple[str, str]]:
    """Yield (locator, text) of each page; rows without text are in none."""
    head: Row | None = None
    held: list[Row] = []
    size = 0
    for row in rows:
        if not row.text:
            continue
        if size + len(row.text) > PART and held:
            yield _page(head, held, place)
            held, size = [], 0
        held.append(row)
        size += len(row.text)
        # What comes before it, in one cell each, is a title or a remark.
        if head is None and sum(map(bool, row.cells)) > 1:
            head = row
    if held:
        yield _page(head, held, place)


def _page(head: Row | None, rows: Sequence[Row], place: Place) -> tuple[str, str]:
    texts = [row.text for row in rows]
    locator = place(rows)
    if head is not None and head.number < rows[0].number:
        texts.insert(0, head.text)
        locator = f"{place([head])} and {locator}"
    return locator, "\n".join(texts)


def cell(text: str) -> str:
    """The text of a cell in one line."""
    return " ".join(clean(text).split())
