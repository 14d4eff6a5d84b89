"""Reads dates as business writing has them, into ISO 8601: "7th day of April, 2017" is 2017-04-07.

A date may be known to the year or the month only: "2017", "2017-04". Everything is pure. Next:
`tools/openings.py` finds where dates stand.
"""

import re
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

from storage.errors import InvalidInput

_MONTHS: Final = (
    "jan",
    "feb",
    "mar",
    "apr",
    "may",
    "jun",
    "jul",
    "aug",
    "sep",
    "oct",
    "nov",
    "dec",
)
_NAMED: Final = re.compile(r"\b(" + "|".join(_MONTHS) + r")[a-z]*", re.IGNORECASE)
_YEAR: Final = re.compile(r"\b(?:19|20)\d\d\b")
_DAY: Final = re.compile(r"\b(\d{1,2})(?!\d)")
_FIGURES: Final = re.compile(r"(\d{1,4})([/.-])(\d{1,2})\2(\d{1,4})")
_ISO: Final = re.compile(r"((?:19|20)\d\d)(?:-(\d\d?)(?:-(\d\d?))?)?")


def iso(text: str) -> str:
    """Return the date that a text gives, as YYYY-MM-DD, YYYY-MM or YYYY; nothing if it gives none.

    Figures are read with the month first, as in the United States, unless that cannot be or they
    are joined by full stops.
    """
    if figures := _FIGURES.search(text):
        return _of_figures(figures)
    year = _YEAR.search(text)
    if year is None:
        return ""
    month = _NAMED.search(text)
    if month is None:
        return year[0]
    number = _MONTHS.index(month[1].lower()) + 1
    day = _DAY.search(text[: year.start()])
    return _valid(int(year[0]), number, int(day[1]) if day else 0)


def _of_figures(found: re.Match[str]) -> str:
    first, second, third = int(found[1]), int(found[3]), int(found[4])
    if len(found[1]) == 4:
        return _valid(first, second, third)
    year = third if len(found[4]) == 4 else third + (2000 if third < 70 else 1900)
    day_first = found[2] == "." or first > 12
    month, day = (second, first) if day_first else (first, second)
    return _valid(year, month, day)


def _valid(year: int, month: int, day: int) -> str:
    """Return a date as far as there is such a one."""
    try:
        if day:
            return date(year, month, day).isoformat()
        return date(year, month, 1).isoformat()[:7]
    except ValueError:
        return str(year) if 1900 <= year <= 2100 else ""


@dataclass(frozen=True, slots=True)
class During:
    """A stretch of time, both ends included, as ISO dates; an empty end is open."""

    since: str
    until: str

    def meets(self, value: str) -> bool:
        """Say whether a date, month, year or quarter ("2019-Q2") lies in it, if only in part."""
        first, last = bounds(value)
        return (not self.until or first <= self.until) and (not self.since or last >= self.since)


def bounds(value: str) -> tuple[str, str]:
    """Return the first and the last day of a date, a month, a year or a quarter."""
    if len(value) == 7 and value[5] == "Q":
        end = 3 * int(value[6])
        return f"{value[:4]}-{end - 2:02d}-01", _last_day(int(value[:4]), end)
    year, _, rest = value.partition("-")
    if not rest:
        return f"{year}-01-01", f"{year}-12-31"
    if len(rest) == 2:
        return f"{value}-01", _last_day(int(year), int(rest))
    return value, value


def _last_day(year: int, month: int) -> str:
    following = date(year + month // 12, month % 12 + 1, 1)
    return (following - timedelta(days=1)).isoformat()


def during(text: str) -> During:
    """Read a stretch of time: "2019", "2019-03", "2018..2020", "2019-06-01..", "..2020".

    Raises:
        InvalidInput: it is none.
    """
    first, dots, last = text.strip().partition("..")
    ends = [_ISO.fullmatch(end.strip()) for end in (first, last if dots else first)]
    given = [end for end in (first, last if dots else first) if end.strip()]
    if not given or sum(end is not None for end in ends) != len(given):
        raise _wrong(text)
    try:
        since = bounds(_padded(ends[0]))[0] if ends[0] else ""
        until = bounds(_padded(ends[1]))[1] if ends[1] else ""
        for end in filter(None, (since, until)):
            date.fromisoformat(end)
    except ValueError:
        raise _wrong(text) from None
    if since and until and since > until:
        raise InvalidInput(
            f"{text!r} ends before it begins: put the earlier time first, as in 2018..2019."
        )
    return During(since, until)


def _padded(found: re.Match[str]) -> str:
    return "-".join(part if len(part) == 4 else part.zfill(2) for part in found.groups() if part)


def _wrong(text: str) -> InvalidInput:
    return InvalidInput(
        f"{text!r} is no time: give a year, a month or a day, or two of them: 2019, 2019-03, "
        "2018..2020, 2019-06-01.."
    )
