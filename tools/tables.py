"""Finds the row that heads the columns of a table of figures in plain text, and one cell of a row.

Readers of PDF give a table line by line, without its rules: years or quarters stand in one line,
names with their figures in the lines below. What the columns are is said by the nearest line above
that holds nothing but periods; the short lines on top of it ("Year Ended December 31,", "(In
thousands)") belong to it. Everything here is pure, and a span is a pair of offsets into the text
that was given. Next: `nodes/librarian.py` gives passages their heads, `nodes/reading_tables.py`
reads a row with them.
"""

import re
from collections.abc import Iterator
from itertools import islice
from typing import Final

from tools.passages import Span

MOST_ROWS: Final = 60
"""Lines between a row and the line that heads it, at most."""
_ABOVE: Final = 3
"""Lines on top of the periods that may belong to them."""
_LONGEST_LINE: Final = 100

PERIOD: Final = re.compile(
    r"\b(?:(?:first|second|third|fourth)\s+(?:fiscal\s+)?quarter|Q[1-4]\b"
    r"|(?:fiscal\s+(?:year\s+)?|FY\s?)?(?:19|20)\d\d|FY\s?\d\d)\b",
    re.IGNORECASE,
)
"""A year or a quarter, as columns are headed by them."""
_BESIDES: Final = re.compile(
    r"(?:\b(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?"
    r"|sept?(?:ember)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?|years?|months?|quarters?|weeks?"
    r"|three|six|nine|twelve|ended|ending|fiscal|as|of|at|for|the|and|in|dollars|thousands|millions"
    r"|except|per|share|data|amounts|unaudited|audited|restated|notes?|actual"
    r"|change|increase|decrease|percent|percentage|variance|vs|total)\b"
    r"|\b[1-3]?\d\b|[\s.,:;()$€£%*|–—-])+",
    re.IGNORECASE,
)
_PROSE: Final = 14
"""Words of a line from which on it is no row."""
_ENDED: Final = re.compile(r"\bend(?:ed|ing)\b", re.IGNORECASE)
_SCALE: Final = re.compile(
    r"\([^()]{0,40}\b(?:thousands|millions|billions)\b[^()]{0,60}\)", re.IGNORECASE
)
_FIGURE: Final = re.compile(r"[\d—–-]|quarter", re.IGNORECASE)
"""What each period and each cell has: most lines have none, and need not be looked at closely."""
_CELL: Final = re.compile(
    r"(?<![\w.,])(?:[$€£]\s?)?(?:\(\s?(?:[$€£]\s?)?\d[\d,]*(?:\.\d+)?\s?\)|-?\d[\d,]*(?:\.\d+)?)\s?%?"
    r"|(?<=\s)[—–-](?=\s|$)"
)


def periods(line: str) -> list[str]:
    """Return the periods that a line heads columns with; none, if it is no such line."""
    if not _FIGURE.search(line):
        return []
    found = [" ".join(m[0].split()) for m in PERIOD.finditer(line)]
    if len(found) < 2:
        return []
    rest = PERIOD.sub(" ", line)
    return found if not rest or _BESIDES.fullmatch(rest) else []


def tells_columns(line: str) -> bool:
    """Say whether a line heads columns, or is nothing but a part of what heads them."""
    if periods(line) or _BESIDES.fullmatch(line.strip()):
        return True
    return bool(_ENDED.search(line) and _BESIDES.fullmatch(PERIOD.sub(" ", line)))


def column_heads(text: str, at: int) -> Span | None:
    """Return what heads the columns of the row that begins at an offset, or None.

    It ends where a paragraph stands between, or `MOST_ROWS` lines above.
    """
    above = _lines(text, at)
    for span in islice(above, MOST_ROWS):
        line = text[span.start : span.end]
        if periods(line):
            start = span.start
            for over in islice(above, _ABOVE):
                if not _belongs(text[over.start : over.end]):
                    break
                start = over.start
            return Span(start, span.end)
        words = len(line.split())
        if words >= _PROSE and words - len(_CELL.findall(line)) >= _PROSE:
            return None
    return None


def is_row(text: str) -> bool:
    """Say whether a line is a row of figures: two or more, and not many words."""
    if not _FIGURE.search(text):
        return False
    figures = len(_CELL.findall(text))
    return figures > 1 and len(text.split()) - figures < _PROSE and not periods(text)


def heads_above(text: str, start: int, end: int) -> Span | None:
    """Return what heads the rows that a stretch of a page begins with, if it stands above it."""
    for line in text[start:end].splitlines():
        if periods(line):
            return None
        if is_row(line):
            return column_heads(text, start)
    return None


def scale(heads: str) -> str:
    """Return in what unit the heads of a table say that its figures are, in brackets as there."""
    found = _SCALE.search(heads)
    return " ".join(found[0].split()) if found else ""


def label(row: str) -> str:
    """Return what a row is called: its words up to the first figure."""
    first = _CELL.search(row)
    return " ".join((row[: first.start()] if first else row).split()).rstrip(" .:|$€£")


def _belongs(line: str) -> bool:
    """Say whether a line on top of the periods says more about them: until when, in what unit."""
    about = re.search(r"\bended\b|\b(?:in|of) (?:thousand|million|dollar)", line, re.IGNORECASE)
    return len(line) <= _LONGEST_LINE and bool(about or _BESIDES.fullmatch(line))


def _lines(text: str, at: int) -> Iterator[Span]:
    """Yield the lines above an offset that are not blank, from below."""
    end = text.rfind("\n", 0, at)
    while end > 0:
        start = text.rfind("\n", 0, end) + 1
        line = text[start:end]
        if line.strip():
            lead = len(line) - len(line.lstrip())
            yield Span(start + lead, start + len(line.rstrip()))
        end = start - 1


def cell(row: str, heads: str, wanted: str) -> tuple[str, str] | None:
    """Return the column that a question wants, and the figure that a row has in it.

    Only where the row has as many figures as the heads have columns, and the question names one of
    them: the last line of the heads is what counts. None otherwise.
    """
    columns = periods(heads.strip().rpartition("\n")[2])
    quarters = [c for c in columns if not re.search(r"\d\d", c)]
    columns = quarters or columns
    figures = [" ".join(m[0].split()) for m in _CELL.finditer(row)]
    if len(figures) != len(columns) or len(set(columns)) < len(columns):
        return None
    named = {_plain(m[0]) for m in PERIOD.finditer(wanted)}
    asked = [n for n, column in enumerate(columns) if _plain(column) in named]
    if len(asked) != 1:
        return None
    return columns[asked[0]], figures[asked[0]]


def _plain(period: str) -> str:
    """Return what names a period, however it is written: the year, or the quarter."""
    year = re.search(r"\d{4}|(?<=FY)\s?\d\d", period, re.IGNORECASE)
    if year:
        return f"20{year[0].strip()}"[-4:]
    words = ("first", "second", "third", "fourth")
    return next((w for w in words if w in period.lower()), "") or words[int(period[-1]) - 1]
