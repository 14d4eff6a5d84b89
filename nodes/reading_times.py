"""The times that a question about figures asks for, and the column of a table that is of one.

"The quarter ended June 30, 2023" is a time, "fiscal 2019" another. A column is of it only where its
heads leave no doubt. Next: `nodes/reading_rows.py` finds the row.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import takewhile
from typing import Final

from tools.accounting_items import Statement
from tools.dates import iso
from tools.openings import DATE
from tools.questions import read
from tools.table_rows import Column

_LENGTH: Final = re.compile(
    r"\b(three|six|nine|twelve)[\s-]+months?\b|\b(quarter)(?:ly\s+period)?\s+end(?:ed|ing)\b",
    re.IGNORECASE,
)
_RATE: Final = re.compile(r"%|\b(?:percent\w*|rates?|ratio)\b", re.IGNORECASE)
_CHANGE: Final = re.compile(r"\b(?:change|increase|decrease|variance|growth)\b", re.IGNORECASE)
ORDINALS: Final = ("first", "second", "third", "fourth")
_LENGTHS: Final = {"three": 3, "quarter": 3, "six": 6, "nine": 9, "twelve": 12}


@dataclass(frozen=True, slots=True)
class Calendar:
    """How a document counts its years, as far as it differs from the calendar."""

    ending: str = ""
    """The year in which a fiscal year ends that has the name of the one before: 2020 of 2019."""
    shift: int = 0
    """Years from the fiscal year of a quarter to the one on the calendar: the quarter that ended in
    April 2023 is of fiscal 2024, and so it is -1."""
    other_quarter: bool = False
    """It is on another quarter than is asked for."""


@dataclass(frozen=True, slots=True)
class Time:
    """A time that is asked for."""

    year: str
    quarter: int = 0
    months: int = 0
    ends: int = 0
    """The month, 1 to 12, in which it ends, if it is asked for by a date."""

    def is_of(
        self, column: Column, *, at_end: bool = False, quarter: bool = True, longer: bool = False
    ) -> bool:
        """Say whether a column is of this time, or `at_end` of it, as those of balance sheets are.

        `quarter` says whether three months that are not numbered may be the quarter, `longer`
        whether the months of the year up to its end may stand for it.
        """
        if column.year != self.year or not self.ends_with(column, by=1):
            return False
        if column.quarter:
            return column.quarter == self.quarter
        if column.months == 0:
            return at_end or self.length == 12
        if longer and self.length == 3 < column.months < 12:
            return True
        return column.months == self.length and (not self.quarter or quarter)

    def ends_with(self, column: Column, *, by: int = 0) -> bool:
        """Say whether it ends in the month in which a column does, or so many before or after.

        A quarter that is said to end on the last of September may end on the first of October.
        """
        return not (self.ends and column.ends) or _apart(self.ends, column.ends) <= by

    def on(self, calendar: Calendar) -> "Time":
        """Return the same time as the heads of a document's columns have it."""
        if not self.quarter or not calendar.shift:
            return self
        return replace(self, year=str(int(self.year) + calendar.shift))

    @property
    def length(self) -> int:
        """In months."""
        return 3 if self.quarter else self.months or 12


def times_asked(question: str) -> tuple[Time, ...]:
    """Return the times that a question names, each once."""
    length = _LENGTH.search(question)
    months = _LENGTHS[(length[1] or length[2]).lower()] if length else 0
    times = read(question).times
    dated = {time[:4] for time in times if len(time) > 4 and time[5:6] != "Q"}
    found: list[Time] = []
    for time in times:
        if time[5:6] == "Q":
            found.append(Time(time[:4], quarter=int(time[6])))
        elif len(time) > 4:
            found.append(Time(time[:4], months=months, ends=int(time[5:7])))
        elif time not in dated:
            found.append(Time(time, months=months))
    return tuple(dict.fromkeys(found))


def figure_at(
    time: Time,
    placed: Sequence[tuple[Column, str]],
    *,
    statement: Statement | None = None,
    quarter: bool = True,
) -> tuple[Column, str] | None:
    """Return the column of a time, if there is one and only one.

    Balance sheets have columns of days. Of cash flows many quarterly reports have no quarter, only
    the year up to its end: that is returned then, named so.
    """
    at_end = statement == "balance"
    found = [each for each in placed if time.is_of(each[0], at_end=at_end, quarter=quarter)]
    found = [each for each in found if time.ends_with(each[0])] if len(found) > 1 else found
    if found or statement != "cash flow":
        return found[0] if len(found) == 1 else None
    found = [each for each in placed if time.is_of(each[0], quarter=quarter, longer=True)]
    if len(found) != 1:
        return None
    column, figure = found[0]
    lasting = column.lasting if column.lasting not in column.name else ""
    return replace(column, name=f"{lasting} {column.name}".strip()), figure


def share_at(
    told: tuple[Column, str],
    placed: Sequence[tuple[Column, str]],
    *,
    name: str,
    change: bool = False,
) -> tuple[Column, str] | None:
    """Return a figure if it is a percentage, or by what percentage it changed; None if neither.

    A change is that of the later of two years that stand side by side.
    """
    column, figure = told
    if not change:
        return told if "%" in figure or _RATE.search(f"{name} {column.name}") else None
    at = placed.index(told)
    behind = list(takewhile(lambda each: not each[0].year, placed[at + 1 :]))
    before = list(takewhile(lambda each: each[0].year, reversed(placed[:at])))
    if not behind:  # the year before stands between
        beside = placed[at + 1 : at + 2]
        behind = list(takewhile(lambda each: not each[0].year, placed[at + 2 :]))
        before = [*before, *beside]
    changed = [each for each in behind if "%" in each[1] and _CHANGE.search(each[0].name)]
    if len(changed) != 1 or len(before) != 1 or before[0][0].year >= column.year:
        return None
    (by, percent), over = changed[0], before[0][0]
    return replace(column, name=f"{column.name} {over.name} {by.name}"), percent


@dataclass(frozen=True, slots=True)
class When:
    """The quarters and the months that a question names: what a sentence is not to contradict."""

    quarters: frozenset[int]
    months: frozenset[str]
    """In which a period or a day lies that is asked for: "2023-06"."""

    @classmethod
    def of(cls, question: str) -> "When":
        """Read a question."""
        times = read(question).times
        return cls(
            frozenset(int(time[6]) for time in times if time[5:6] == "Q"),
            frozenset(time[:7] for time in times if len(time) > 4 and time[5:6] != "Q"),
        )

    def fits(self, text: str, ended: str = "") -> bool:
        """Say whether a text may be of this time, in a document whose quarter `ended` in a month.

        One that names only other quarters, or other days, is not.
        """
        named = _quarters_in(text)
        if self.quarters and named and not self.quarters & named:
            return False
        if not self.months:
            return True
        told = {iso(match[0])[5:7] for match in DATE.finditer(text)} - {""}
        if told:
            return any(m[:4] in text and _near(m[5:7], t) for m in self.months for t in told)
        return not ended or any(m[:4] == ended[:4] and _near(m[5:], ended[5:]) for m in self.months)


def _quarters_in(text: str) -> set[int]:
    """Return the quarters that a text names, 1 to 4, of whatever year."""
    return {
        number
        for number, word in enumerate(ORDINALS, 1)
        if re.search(rf"\b{word}\s+(?:fiscal\s+)?quarter|\bQ{number}\b", text, re.IGNORECASE)
    }


def _near(month: str, other: str) -> bool:
    """Say whether two months are the same or next to each other, whatever the year."""
    return _apart(int(month), int(other)) <= 1


def _apart(month: int, other: int) -> int:
    apart = (month - other) % 12
    return min(apart, 12 - apart)
