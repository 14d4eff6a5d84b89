"""Says in which statement a row of figures stands, and whether its table is one of something else.

The same name stands in many tables: costs in the income statement, and again where a note tells how
much of another item is in each; amounts, and again in percent of the first of them. Each passage is
gone through once, however many rows it has. Next: `nodes/reading_rows.py` weighs rows with it,
`tools/tables.py` finds what heads them.
"""

import re
from bisect import bisect_right
from collections import Counter
from functools import cached_property
from itertools import islice
from typing import Final

from tools.accounting import Item, mentions, said
from tools.accounting_items import Statement
from tools.passages import Span
from tools.table_rows import Column, Row, columns, rows
from tools.tables import column_heads

_INTRODUCED: Final = 250
"""Characters above the heads of a table in which it is said of what it is."""
_SUMMED: Final = 10
"""Rows after which their sum comes, at most."""
_A_COST: Final = re.compile(r"Cost|Expense")
_WHOLE: Final = re.compile(r"100(?:\.0+)?\s?%")
STATEMENTS: Final[dict[Statement, re.Pattern[str]]] = {
    "cash flow": re.compile(
        r"\bcash[\s-]+flows?\s+statements?\b|\bstatements?\s+of\s+(?:\w+\s+)?cash\s+flows?",
        re.IGNORECASE,
    ),
    "balance": re.compile(
        r"\bbalance\s+sheets?\b|\bstatements?\s+of\s+financial\s+(?:position|condition)",
        re.IGNORECASE,
    ),
    "income": re.compile(
        r"\b(?:income|earnings|operations|p\s?&\s?l|profit\s+and\s+loss)\s+statements?\b"
        r"|\bstatements?\s+of\s+(?:\w+\s+){0,2}(?:income|operations|earnings|loss)\b",
        re.IGNORECASE,
    ),
}


class Standing:
    """The tables of one passage."""

    def __init__(self, text: str, heads: str = "") -> None:
        """`heads` is what heads the rows that the passage begins with, from above it."""
        self.text = text
        self.above = heads
        self.rows = rows(text)
        self._spans: dict[int, Span | None] = {}
        self._columns: dict[str, list[Column]] = {}

    def heads_of(self, row: Row) -> str:
        """Return what heads the columns of a row; nothing if nobody says it."""
        span = self._span(row)
        return self.text[span.start : span.end] if span else self.above

    def columns_of(self, row: Row) -> list[Column]:
        """Return the columns of a row; none if there is no telling."""
        heads = self.heads_of(row)
        if heads not in self._columns:
            self._columns[heads] = columns(heads)
        return self._columns[heads]

    def statement_at(self, row: Row) -> Statement | None:
        """Return the statement that a row stands in: by its title, or by the rows beside it."""
        place = bisect_right(self._titles, (row.span.start, ""))
        return self._titles[place - 1][1] if place else self._voted

    def is_in_percent(self, row: Row) -> bool:
        """Say whether figures are in percent, as the first row of the table says for all.

        It has the sign, or is a hundred percent of itself.
        """
        if row.caption and not any("%" in figure for figure in row.figures):
            led = next(each for each in self.rows if each.caption == row.caption)
            if all("%" in figure for figure in led.figures):
                return True  # the sign stands in the first row under a caption alone
        first = self._whole
        if first is None or first.span.start > row.span.start:
            return False
        return self._span(first) == self._span(row)

    def is_of_another(self, item: Item, row: Row) -> bool:
        """Say whether a table is one of another item: of what of it each expense has.

        It is introduced so, or adds up to it: "Total stock-based compensation".
        """
        behind = islice(self.rows, bisect_right(self._starts, row.span.start), None)
        totals = (each.label for each in islice(behind, _SUMMED) if each.label.startswith("Total"))
        total = next(totals, "")
        if _is_another(item, total) or (total == "Total" and _A_COST.search(item.element)):
            return True  # of nothing that statements add up costs to is the sum called a total
        span = self._span(row)
        if not span:
            return False
        # What introduces a table may have been taken for the first of its heads.
        above, _, below = self.text[max(0, span.start - _INTRODUCED) : span.end].rpartition(":")
        between = below[: max(0, len(below) - (span.end - span.start))]
        if not above or between.strip():
            return False
        return _is_another(item, re.split(r"[.;]\s", above)[-1])

    def _span(self, row: Row) -> Span | None:
        start = row.span.start
        if start not in self._spans:
            self._spans[start] = column_heads(self.text, start)
        return self._spans[start]

    @cached_property
    def _starts(self) -> list[int]:
        return [row.span.start for row in self.rows]

    @cached_property
    def _titles(self) -> list[tuple[int, Statement]]:
        """Where titles of statements end in the text; those above it stand before all."""
        found: list[tuple[int, Statement]] = []
        for statement, title in STATEMENTS.items():
            found += [(m.end(), statement) for m in title.finditer(self.text)]
            found += [
                (m.end() - len(self.above) - 1, statement) for m in title.finditer(self.above)
            ]
        return sorted(found)

    @cached_property
    def _voted(self) -> Statement | None:
        votes: Counter[Statement] = Counter()
        for row in self.rows:
            votes.update({m.item.statement for m in mentions(said(row.label))})
        best = max(votes, key=lambda s: votes[s], default=None)
        return best if best and votes[best] > 2 else None

    @cached_property
    def _whole(self) -> Row | None:
        return next((r for r in self.rows if all(map(_WHOLE.fullmatch, r.figures))), None)


def is_a(found: Item, wanted: Item) -> bool:
    """Say whether an item is another, or a kind of it."""
    return wanted.element in (found.element, found.within)


def _is_another(item: Item, name: str) -> bool:
    named = [m.item for m in mentions(said(name))]
    if any(is_a(each, item) or is_a(item, each) for each in named):
        return False
    return any(each.statement in ("cash flow", "note") for each in named)
