"""Reads a row of a table: with what heads its columns, and the figure that was asked for.

A row alone does not say which figure is of which year. So it is quoted together with the line that
heads its columns, and where the question names one of them, the claim names its figure. Nothing is
added that the two quotes do not say.
It must never compute: a total is quoted where it stands. Next: `tools/tables.py` finds the heads.
"""

import re
from typing import Final

from tools.tables import cell, column_heads, is_row, label, scale

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


def statement(question: str, quote: str, heads: str) -> str:
    """Return what a quote states: itself, or of a row the figure in the column asked for."""
    flat = " ".join(quote.split())
    if not heads:
        return flat
    found = cell(quote, heads, question)
    if found is None:
        return f"{flat} ({' '.join(heads.split())})"
    column, figure = found
    name = label(quote)
    unit = "" if _NO_AMOUNT.search(name) or "%" in figure else scale(heads)
    return " ".join(f"{name}, {column}: {figure} {unit}".split())
