"""Says of a row of a table what heads its columns, and in what unit its figures are.

A row alone does not say which figure is of which year. So it is quoted together with the lines that
head its columns. Nothing is added that the two quotes do not say.
It must never compute: a total is quoted where it stands. Next: `tools/tables.py` finds the heads,
`nodes/reading_rows.py` chooses rows and says the figures that were asked for.
"""

import re
from typing import Final

from tools.tables import column_heads, is_row, scale

_NO_AMOUNT: Final = re.compile(
    r"\b(?:per|number|employees|headcount|percent\w*|ratio|margin|rate|days)\b|%", re.IGNORECASE
)
"""Rows of counts and ratios: the unit that heads a table of amounts is not theirs."""


def heads_of(text: str, start: int, end: int, above: str) -> str:
    """Return what heads the columns of a row: in its excerpt, or else above it; nothing if none."""
    if not is_row(text[start:end]):
        return ""
    span = column_heads(text, start)
    return text[span.start : span.end] if span else above


def statement(quote: str, heads: str) -> str:
    """Return what a row states of which no one figure was asked for: all of it, and its heads."""
    flat = " ".join(quote.split())
    return f"{flat} ({' '.join(heads.split())})" if heads else flat


def unit_of(name: str, figure: str, heads: str) -> str:
    """Return the unit of a figure, in brackets as the heads have it; none of counts and ratios."""
    return "" if _NO_AMOUNT.search(name) or "%" in figure else scale(heads)
