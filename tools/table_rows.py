"""Reads a table of figures in plain text: its columns by their heads, and its rows by their names.

What a line of figures means is said in other places: the column by the lines that head the table
("Three Months Ended" over "2019 2018"), the name of the row by the line itself, by the one above it
where a name takes two, and by the caption that it stands under ("Income per share:" over "Basic").
Everything here is pure; nothing is computed, and where heads and figures do not match nothing is
guessed. Next: `tools/tables.py` finds the heads, `nodes/reading_rows.py` chooses a row.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Final

from tools.dates import iso
from tools.openings import MONTH
from tools.passages import Span, lines_of
from tools.tables import CELL, PERIOD, is_piece, tells_columns

_LONGEST_NAME: Final = 110
"""Characters of a line that may be the first half of the name of a row, or a caption."""
_MOST_WORDS: Final = 20
"""Words of a name: a sentence that ends in a figure has more."""
_CHANGE: Final = re.compile(
    r"(?:[$€£%]|percent(?:age)?|dollar)?\s*\b(?:change|increase|variance|growth)\b"
    r"(?:\s*/?\s*\(?(?:decrease|loss|\$|%)\)?)?|(?:%|percent(?:age)?)\s+of\s+[\w ]{0,12}"
    r"(?:sales|revenues?)|(?<!\S)[$%](?!\S)|\bnotes?\b",
    re.IGNORECASE,
)
"""Columns beside those of periods: differences, shares, the numbers of notes."""
_SPANS: Final[dict[str, int]] = {"three": 3, "six": 6, "nine": 9, "twelve": 12}
_WEEKS: Final = {
    12: 3,
    13: 3,
    14: 3,
    16: 3,
    24: 6,
    26: 6,
    27: 6,
    36: 9,
    39: 9,
    40: 9,
    52: 12,
    53: 12,
}
_LASTING: Final = re.compile(
    r"\b(?P<word>three|six|nine|twelve)[\s-]+months?\b"
    r"|\b(?P<weeks>\d\d)[\s-]+weeks?\b|\b(?P<months>3|6|9|12)[\s-]+months?\b"
    r"|\b(?P<quarter>quarters?(?:ly\s+period)?\s+ended)\b"
    r"|\b(?P<year>(?:fiscal\s+|full\s+|calendar\s+)?years?(?:[\s-]+ended)?)\b",
    re.IGNORECASE,
)
_QUARTER: Final = re.compile(r"first|second|third|fourth|Q[1-4]", re.IGNORECASE)
_QUARTERS: Final = ("first", "second", "third", "fourth")
_BETWEEN_CELLS: Final = re.compile(r"[\s$€£%|)*]*(?:\(\w\)\s*)?")
_NOTE: Final = re.compile(r"\(?\d{1,2}\)?")
_DATED: Final = re.compile(rf"\b(?P<month>{MONTH})\s+(?:\d\d?\b|(?=(?:19|20)\d\d))", re.IGNORECASE)
_GOES_ON: Final = re.compile(
    r"(?:,|-|\b(?:and|of|or|for|to|in|from|on|by|with|the|net|per|attributable|other|less))$",
    re.IGNORECASE,
)
_CAPTION: Final = re.compile(r"[^\W\d_]{3}")
_UNIT: Final = re.compile(r"\b(?:thousands|millions|billions)\b|\bexcept\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Column:
    """What a column of figures is of."""

    name: str
    """As it is headed, with the length of time it is of where several stand side by side."""
    year: str = ""
    """In four digits; nothing for a column of differences, or shares, or notes."""
    quarter: int = 0
    """1 to 4 for a column of that quarter; 0: the whole year, or as `months` says."""
    months: int = 0
    """How long the period is, where the heads say it; 0: they do not."""
    lasting: str = ""
    """The same as it is written: "Nine Months"."""
    ends: int = 0
    """The month, 1 to 12, in which the period ends, where the heads say it for each column."""


@dataclass(frozen=True, slots=True)
class Row:
    """A line of figures with its name."""

    span: Span
    """Of its name and figures, both lines of the name where it has two."""
    label: str
    figures: tuple[str, ...]
    """As they are written."""
    caption: Span | None = None
    """The line that it stands under, if one does."""


def rows(text: str) -> list[Row]:
    """Return the rows of figures of a text, in order."""
    found: list[Row] = []
    caption: Span | None = None
    above: Span | None = None
    for line in lines_of(text):
        if line is None:
            continue
        span = Span(line.start, line.end)
        cells = _cells(line.text) if line.text[-1:] not in ",;." else []
        if tells_columns(line.text) or _UNIT.search(line.text):
            above = None
        elif cells:
            name = line.text[: cells[0][0]].rstrip(" .:|$€£(")
            if above and (not name or _runs_on(text[above.start : above.end], name)):
                span = Span(above.start, line.end)
                name = f"{text[above.start : above.end]} {name}".strip()
                caption = None if caption == above else caption
            if any(map(str.isalpha, name)) and len(name.split()) <= _MOST_WORDS:
                figures = tuple(" ".join(figure.split()) for _, figure in cells)
                found.append(Row(span, " ".join(name.split()), figures, caption))
                caption = None if name.lower().startswith("total") else caption
            above = None
        else:
            short = len(line.text) <= _LONGEST_NAME and line.text[-1:] not in ".;"
            above = span if short and _CAPTION.search(line.text) else None
            caption = above
    return found


def _runs_on(first: str, second: str) -> bool:
    """Say whether two lines are one name."""
    return first[-1:] != ":" and (
        bool(_GOES_ON.search(first)) or second[:1].islower() or first.count("(") > first.count(")")
    )


def _cells(line: str) -> list[tuple[int, str]]:
    """Return the figures that a line ends in, and where they begin."""
    found = [(m.start(), m.end(), m[0]) for m in CELL.finditer(line)]
    kept: list[tuple[int, str]] = []
    end = len(line)
    for start, stop, figure in reversed(found):
        if not _BETWEEN_CELLS.fullmatch(line, stop, end):
            break
        kept.append((start, figure))
        end = start
    return kept[::-1]


def columns(heads: str) -> list[Column]:
    """Return the columns that heads name, from left to right; none if there is no telling."""
    lines = [line for line in heads.splitlines() if line.strip()]
    last = max((n for n, line in enumerate(lines) if PERIOD.search(line)), default=-1)
    if last < 0:
        return []
    first, end = last, last + 1
    if len(PERIOD.findall(lines[last])) < 2:  # the heads came cell by cell
        while first > 0 and is_piece(lines[first - 1]) and not _LASTING.search(lines[first - 1]):
            first -= 1
        while end < len(lines) and is_piece(lines[end]):
            end += 1
    if any(not (tells_columns(under) or _UNIT.search(under)) for under in lines[end:]):
        return []  # more heads, which stand for columns between
    line, over = " ".join(lines[first:end]), "\n".join(lines[:first])
    found = _with_lengths(_with_years(_in_line(line), over), f"{over}\n{line}")
    return _with_ends(_with_changes(found, over), line, over)


def _in_line(line: str) -> list[Column]:
    """Return the columns of one line: periods, and what stands beside them."""
    marks = [(m.start(), m.end(), True) for m in PERIOD.finditer(line)]
    marks += [(m.start(), m.end(), False) for m in _CHANGE.finditer(line) if m[0].strip()]
    marks.sort()
    found: list[Column] = []
    ends: list[int] = []
    for start, end, is_period in marks:
        name = " ".join(line[start:end].split())
        if not is_period:
            found.append(Column(name))
        elif (number := _quarter(name)) is not None:
            found.append(Column(name, _year(name), number, 3))
        elif found and found[-1].quarter and not found[-1].year and start - ends[-1] <= 4:
            before = found.pop()
            ends.pop()
            found.append(Column(f"{before.name} {name}", _year(name), before.quarter, 3))
        else:
            found.append(Column(name, _year(name)))
        ends.append(end)
    return _quarters_of_a_year(found)


def _quarters_of_a_year(found: list[Column]) -> list[Column]:
    """Give quarters the year that stands before all of them: "2019 Q1 Q2"."""
    bare = [c for c in found if c.quarter and not c.year]
    years = [c for c in found if c.year and not c.quarter]
    if not bare or len(years) != 1:
        return found
    year = years[0]
    quarters = [Column(c.name, year.year, c.quarter, 3) if c in bare else c for c in found]
    # A year behind its quarters is a column of its own, one in front of them heads them.
    return quarters[1:] if found[0] == year else quarters


def _with_years(found: list[Column], over: str) -> list[Column]:
    """Give quarters without a year the one that the lines above name."""
    years = [_year(m[0]) for m in PERIOD.finditer(over) if _quarter(m[0]) is None]
    years = list(dict.fromkeys(years))
    lacking = [c for c in found if c.quarter and not c.year]
    if not lacking or len(found) % max(1, len(years)) or not years:
        return found
    each = len(found) // len(years)
    return [Column(c.name, years[n // each], c.quarter, c.months) for n, c in enumerate(found)]


def _with_lengths(found: list[Column], over: str) -> list[Column]:
    """Tell how long the periods are, where lines above say it for one or several columns each."""
    lengths = [(_months(m), " ".join(m[0].split())) for m in _LASTING.finditer(over)]
    count = len(lengths)
    own = [c for c in found if c.year]
    if not count or len(own) % count or any(c.quarter for c in own):
        return found
    each = len(own) // count
    several = len({months for months, _ in lengths}) > 1
    given: list[Column] = []
    number = 0
    for column in found:
        if not column.year:
            given.append(column)
            continue
        months, said = lengths[number // each]
        name = f"{said} {column.name}" if several else column.name
        given.append(Column(name, column.year, 0, months, said))
        number += 1
    return given


def _with_changes(found: list[Column], over: str) -> list[Column]:
    """Add the columns of differences that the lines above name: behind each length of time."""
    named = [
        " ".join(m[0].split()) for m in _CHANGE.finditer(" ".join(over.split())) if m[0].strip()
    ]
    groups = len(_LASTING.findall(over)) or 1
    if len(named) not in (1, groups) or len(found) % len(named) or not all(c.year for c in found):
        return found
    each = len(found) // len(named)
    parts = [[*found[n * each : (n + 1) * each], Column(name)] for n, name in enumerate(named)]
    return [column for part in parts for column in part]


def _with_ends(found: list[Column], line: str, over: str) -> list[Column]:
    """Tell in which month each period ends: as its own date says, or the one date of all."""
    own = [c for c in found if c.year and not c.quarter]
    for text in (line, over):
        months = [int(iso(f"{m['month']} 2000")[5:7]) for m in _DATED.finditer(text)]
        if own and (len(months) == len(own) or len(set(months)) == 1):
            months = months if len(months) == len(own) else months[:1] * len(own)
            ends = iter(months)
            return [replace(c, ends=next(ends)) if c in own else c for c in found]
    return found


def _months(match: re.Match[str]) -> int:
    if match["word"]:
        return _SPANS[match["word"].lower()]
    if match["weeks"]:
        return _WEEKS.get(int(match["weeks"]), 0)
    if match["months"]:
        return int(match["months"])
    return 3 if match["quarter"] else 12


def _quarter(name: str) -> int | None:
    found = _QUARTER.search(name)
    if not found:
        return None
    word = found[0].lower()
    return int(word[1]) if word[0] == "q" else _QUARTERS.index(word) + 1


def _year(name: str) -> str:
    found = re.search(r"\d{4}|(?<=FY)\s?[’']?\d\d", name, re.IGNORECASE)
    return f"20{found[0].strip(' ’' + chr(39))}"[-4:] if found else ""


def aligned(row: Row, heads: Sequence[Column]) -> list[tuple[Column, str]]:
    """Return the figures of a row with the columns that they stand in; none if there is doubt.

    A row may have more figures than there are columns: the number of a note, or of a footnote,
    before them; differences and shares behind.
    """
    figures = row.figures
    if not heads or len(figures) < len([c for c in heads if c.year]):
        return []
    spare = len(figures) - len(heads)
    if spare > 0:
        return _without_spare(figures, heads, spare)
    if spare == 0:
        return list(zip(heads, figures, strict=True))
    periods = [c for c in heads if c.year]
    trailing = all(not after.year for before, after in pairwise(heads) if not before.year)
    notes_first = bool(heads) and not heads[0].year
    if notes_first and len(figures) == len(periods):
        return list(zip(periods, figures, strict=True))
    if trailing and not notes_first:
        return list(zip(periods, figures, strict=False))
    return []


def _without_spare(
    figures: Sequence[str], heads: Sequence[Column], spare: int
) -> list[tuple[Column, str]]:
    """Leave out figures that no column is named for: shares behind, or numbers of notes before."""
    behind = ["%" in figure for figure in figures]
    if all(behind[-spare:]) and not any(behind[:-spare]):
        return list(zip(heads, figures[:-spare], strict=True))
    if all(map(_NOTE.fullmatch, figures[:spare])):
        return list(zip(heads, figures[spare:], strict=True))
    return []
