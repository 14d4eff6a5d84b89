"""Finds the row that heads the columns of a table of figures in plain text, and one cell of a row.

Readers of PDF give a table line by line, without its rules: years or quarters stand in one line,
names with their figures in the lines below. What the columns are is said by the nearest line above
that holds nothing but periods, or by several that hold a piece of one each: a head of two lines,
"July 1," over "2023", comes cell by cell. The short lines on top of it ("Year Ended December 31,",
"(In thousands)") belong to it. Everything here is pure, and a span is a pair of offsets into the
text that was given. Next: `nodes/librarian.py` gives passages their heads,
`nodes/reading_tables.py` reads a row with them.
"""

import re
from collections.abc import Iterator, Sequence
from itertools import islice, takewhile
from typing import Final

from tools.openings import MONTH
from tools.passages import Span, lines_of

MOST_ROWS: Final = 60
"""Lines between a row and the line that heads it, at most."""
_ABOVE: Final = 16
"""Lines on top of the periods that may belong to them."""
_BELOW: Final = 1
"""Lines under the periods that may say the unit."""
_LONGEST_LINE: Final = 100
_LONGEST_HEADS: Final = 1_000
_BETWEEN: Final = 6
"""Lines that are no rows at the top and at the end of pages over which a table goes on, at most."""

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
    r"|except|per|share|data|amounts|figures|unaudited|audited|restated|adjusted|reported|revised"
    r"|recast|notes?|actual|us|usd|u\.s|change|increase|decrease|growth|percent|percentage|variance"
    r"|vs|over|total)\b|(?:%|\bpercent(?:age)?)\s+of\s+(?:total\s+|net\s+)*(?:sales|revenues?)\b"
    r"|\b[1-5]?\d\b|[\s.,:;()/$€£%*|–—-])+",
    re.IGNORECASE,
)
_PIECE: Final = re.compile(
    rf"(?:{MONTH}\s+\d\d?\b|{PERIOD.pattern}|\b(?:three|six|nine|twelve|months?|weeks?|years?|quarters?"
    r"|ended|ending|as|of|at|fiscal|change|increase|decrease|percentage|percent|variance|unaudited"
    r"|\d\d?\s+(?:weeks?|months?))\b|[\s.,()$%/|–—-])+",
    re.IGNORECASE,
)
_LONGEST_PIECE: Final = 60
_PROSE: Final = 14
"""Words of a line from which on it is no row."""
_ENDED: Final = re.compile(r"\bend(?:ed|ing)\b", re.IGNORECASE)
_SCALE: Final = re.compile(
    r"\([^()]{0,40}\b(?:thousands|millions|billions)\b[^()]{0,60}\)", re.IGNORECASE
)
_FIGURE: Final = re.compile(r"[\d—–-]|quarter", re.IGNORECASE)
"""What each period and each cell has: most lines have none, and need not be looked at closely."""
CELL: Final = re.compile(
    r"(?<![\w.,])(?:[$€£]\s?)?(?:\(\s?(?:[$€£]\s?)?\d[\d,]*(?:\.\d+)?\s?\)|-?\d[\d,]*(?:\.\d+)?)\s?%?"
    r"|(?<=\s)[—–-](?=\s|$)"
)


def periods(line: str) -> list[str]:
    """Return the periods that a line heads columns with; none, if it is no such line."""
    if len(line) > _LONGEST_HEADS or not _FIGURE.search(line):
        return []
    found = [" ".join(m[0].split()) for m in PERIOD.finditer(line)]
    if len(found) < 2:
        return []
    rest = PERIOD.sub(" ", line)
    return found if not rest or _BESIDES.fullmatch(rest) else []


def is_piece(line: str) -> bool:
    """Say whether a line holds nothing but a part of the head of one column: "July 1,", "2023"."""
    return len(line) <= _LONGEST_PIECE and bool(_PIECE.fullmatch(line))


def tells_columns(line: str) -> bool:
    """Say whether a line heads columns, or is nothing but a part of what heads them."""
    if periods(line) or _BESIDES.fullmatch(line.strip()):
        return True
    return bool(_ENDED.search(line) and _BESIDES.fullmatch(PERIOD.sub(" ", line)))


def column_heads(text: str, at: int) -> Span | None:
    """Return what heads the columns of the row that begins at an offset, or None.

    It ends where a paragraph stands between, or another table, or `MOST_ROWS` lines above.
    """
    above = [*islice(_lines(text, at), MOST_ROWS + _ABOVE)]
    strange = 0
    for number, span in enumerate(above[:MOST_ROWS]):
        line = text[span.start : span.end]
        if periods(line) or (is_piece(line) and _stacked(text, above[number:])):
            start, end = span.start, span.end
            for over in above[number + 1 : number + 1 + _ABOVE]:
                if not _belongs(text[over.start : over.end]):
                    break
                start = over.start
            if strange > _BETWEEN:  # more heads, cell by cell, without a period
                end = above[number - strange].end
            for under in reversed(above[max(0, number - _BELOW) : number]):
                if not _SCALE.fullmatch(text, under.start, under.end):
                    break
                end = under.end
            return Span(start, end)
        words = len(line.split())
        if words >= _PROSE and words - len(CELL.findall(line)) >= _PROSE:
            return None
        row = is_row(line)
        if row and strange > _BETWEEN:
            return None  # it is of another table, and in the heads of this one is no period
        strange = 0 if row else strange + 1
    return None


def _stacked(text: str, above: Sequence[Span]) -> bool:
    """Say whether lines, from below, begin with pieces of the heads of two columns at least."""
    pieces = islice(takewhile(is_piece, (text[s.start : s.end] for s in above)), _ABOVE)
    return sum(len(PERIOD.findall(piece)) for piece in pieces) > 1


def is_row(text: str) -> bool:
    """Say whether a line is a row of figures: two or more, and not many words."""
    if text.rstrip().endswith((".", ";")) or not _FIGURE.search(text):
        return False
    figures = len(CELL.findall(text))
    return figures > 1 and len(text.split()) - figures < _PROSE and not periods(text)


def heads_above(text: str, start: int, end: int, before: str = "") -> tuple[str, bool]:
    """Return what heads the rows that a stretch of a page begins with, if it stands above it.

    If nothing but rows and captions stands between it and the top of the page, the table may go on
    from the page `before`, whose heads then are its own. With the heads comes whether they are on
    the page itself.
    """
    for line in lines_of(text):
        if line is None or line.end <= start:
            continue
        if line.start >= end or periods(line.text):
            break
        if is_row(line.text):
            span = column_heads(text, line.start)
            if span:
                return ("" if span.start >= start else text[span.start : span.end]), True
            return (_going_on(text[:start], before), False) if before else ("", True)
    return "", True


def _going_on(above: str, before: str) -> str:
    """Return what heads the table that a page ends with, if the next one begins with its rows."""
    lines = [line for line in above.splitlines() if line.strip()]
    rows = sum(map(is_row, lines))
    if len(lines) - rows > _BETWEEN or any(
        len(line.split()) >= _PROSE for line in lines if not is_row(line)
    ):
        return ""
    last = [line for line in before.splitlines() if line.strip()][-_BETWEEN:]
    span = column_heads(before, len(before)) if any(map(is_row, last)) else None
    return before[span.start : span.end] if span else ""


def scale(heads: str) -> str:
    """Return in what unit the heads of a table say that its figures are, in brackets as there."""
    found = _SCALE.search(heads)
    return " ".join(found[0].split()) if found else ""


def _belongs(line: str) -> bool:
    """Say whether a line on top of the periods says more about them: until when, in what unit."""
    about = re.search(
        r"\bended\b|\b(?:in|of) (?:thousand|million|dollar)"
        r"|\bstatements? of (?:\w+ ){0,3}(?:income|operations|earnings|loss|cash flows?)\b"
        r"|\bbalance sheets?\b",
        line,
        re.IGNORECASE,
    )
    bare = PERIOD.sub(" ", line).strip()
    return len(line) <= _LONGEST_LINE and bool(about or not bare or _BESIDES.fullmatch(bare))


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
