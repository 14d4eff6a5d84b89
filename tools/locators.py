"""Where a person finds a stretch of a page: the page, the slide, the cells, the heading, the lines.

A page's own locator says where the page is; what is quoted from it is often a small part of that,
and then this says which. It never guesses: where it cannot be told, the page's locator stands.
"""

import re
from collections.abc import Sequence
from typing import Final

from storage.records import Grid, Page
from tools.parsers.grids import BETWEEN
from tools.parsers.sections import MARGINS, START
from tools.parsing import MEDIA_TYPES

_LINES: Final = re.compile(r"lines? (\d+)(?:–\d+)?")
_START: Final = re.compile(rf"{START}(?:, (part \d+))?")
_MAIL: Final = re.compile(r"message(?: › (?P<section>.+)|(?P<part>, part \d+))?", re.DOTALL)
_HEADED: Final = frozenset(MEDIA_TYPES[kind] for kind in ("DOCX", "HTML", "Markdown"))


def locator(media_type: str, page: Page, start: int, end: int) -> str:
    """Return where a stretch of a page's text stands, in code points, half open.

    `media_type` is that of the document.
    """
    if page.grid is not None and len(page.grid.rows) == page.text.count("\n") + 1:
        return _cells(page.grid, page.text, start, end)
    if media_type in _HEADED:
        return _section(page.locator)
    if media_type == MEDIA_TYPES["EML"]:
        return _part(page.locator)
    if media_type == MEDIA_TYPES["text"] and (lines := _LINES.fullmatch(page.locator)):
        first = int(lines[1]) + page.text.count("\n", 0, start)
        last = first + page.text.count("\n", start, end)
        return f"lines {first}–{last}" if last > first else f"line {first}"
    return page.locator


def cells(text: str, start: int, end: int) -> list[list[tuple[int, int, bool]]]:
    """Return the cells of a page that is a table, row by row.

    Each is where its text starts and ends, and whether a stretch of the page touches it; an empty
    one is not touched.
    """
    rows = []
    at = 0
    for line in text.split("\n"):
        row = []
        for cell in line.split(BETWEEN):
            stop = at + len(cell)
            row.append((at, stop, at < stop and at < end and start < stop))
            at = stop + len(BETWEEN)
        at += 1 - len(BETWEEN)
        rows.append(row)
    return rows


def column(number: int) -> str:
    """Return the letters of a column, which counts from 1: A to Z, then AA."""
    letters = ""
    while number:
        number, rest = divmod(number - 1, 26)
        letters = chr(ord("A") + rest) + letters
    return letters


def _cells(grid: Grid, text: str, start: int, end: int) -> str:
    touched = [
        (line, place)
        for line, row in enumerate(cells(text, start, end))
        for place, (_, _, is_touched) in enumerate(row, 1)
        if is_touched
    ]
    # The row with the names of the columns stands on each page, whatever rows follow there.
    names = [each for each in touched if each[0] == 0]
    others = [each for each in touched if each[0] > 0]
    parts = [names, others] if grid.rows[1:2] > [grid.rows[0] + 1] else [touched]
    ranges = [_range(grid, part) for part in parts if part]
    if not grid.sheet:
        noun = "cell" if len(ranges) == 1 and ":" not in ranges[0] else "cells"
        return f"{noun} {' and '.join(ranges)}" if ranges else "table"
    return ", ".join([f"sheet {grid.sheet}", *filter(None, [" and ".join(ranges)])])


def _range(grid: Grid, touched: Sequence[tuple[int, int]]) -> str:
    rows = [grid.rows[line] for line, _ in touched]
    places = [place for _, place in touched]
    first, last = f"{column(min(places))}{min(rows)}", f"{column(max(places))}{max(rows)}"
    return first if first == last else f"{first}:{last}"


def _section(found: str) -> str:
    if start := _START.fullmatch(found):
        return start[1] or START
    return found if found == MARGINS else f"§ {found}"


def _part(found: str) -> str:
    if found == "head":
        return "head of the message"
    part = _MAIL.fullmatch(found)
    if part is None:
        return found
    return f"message, {_section(part['section'])}" if part["section"] else found
