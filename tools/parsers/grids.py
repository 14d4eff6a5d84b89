"""Cuts the rows of a table into pages, each with the row that names its columns.

A page is so many rows as a part of a text has characters; its cells stand in lines, between bars.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final, NamedTuple

from storage.records import Grid
from tools.parsers.result import clean
from tools.parsers.sections import PART

BETWEEN: Final = " | "
"""Stands between the cells of a row."""


class Row(NamedTuple):
    """A row as it is counted in the file, from 1, and the texts of its cells."""

    number: int
    cells: Sequence[str]

    @property
    def text(self) -> str:
        """Its cells in one line; empty ones at its end are left out."""
        return BETWEEN.join(self.cells).rstrip(" |")

    @property
    def is_plain(self) -> bool:
        """Whether its text tells its cells: none holds what stands between them."""
        cells = list(self.cells)
        while cells and not cells[-1]:
            cells.pop()
        return self.text.split(BETWEEN) == cells


Place = Callable[[Sequence[Row]], str]
"""Says where rows that follow each other stand."""


Section = tuple[str, str, Grid | None]


def pages(rows: Iterable[Row], place: Place, sheet: str = "") -> Iterator[Section]:
    """Yield locator, text and grid of each page; rows without text are in none."""
    head: Row | None = None
    held: list[Row] = []
    size = 0
    for row in rows:
        if not row.text:
            continue
        if size + len(row.text) > PART and held:
            yield _page(head, held, place, sheet)
            held, size = [], 0
        held.append(row)
        size += len(row.text)
        # What comes before it, in one cell each, is a title or a remark.
        if head is None and sum(map(bool, row.cells)) > 1:
            head = row
    if held:
        yield _page(head, held, place, sheet)


def _page(head: Row | None, rows: Sequence[Row], place: Place, sheet: str) -> Section:
    locator = place(rows)
    if head is not None and head.number < rows[0].number:
        locator = f"{place([head])} and {locator}"
        rows = [head, *rows]
    grid = None
    if all(row.is_plain for row in rows):
        grid = Grid(sheet=sheet, rows=[row.number for row in rows])
    return locator, "\n".join(row.text for row in rows), grid


def cell(text: str) -> str:
    """The text of a cell in one line."""
    return " ".join(clean(text).split())
