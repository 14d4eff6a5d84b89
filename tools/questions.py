"""Reads what a question names: words, times, and numbers of documents. It understands no more.

Next: `tools/routing.py` compares it with what stands on cards.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from tools import kinds, names
from tools.dates import iso
from tools.openings import DATE

_MOST_CHARS: Final = 4_000
_MOST_WORDS: Final = 300
YEAR: Final = re.compile(
    r"(?<![\d.,$€£])(?:FY\s?)?((?:19|20)\d\d)(?:[/–-](\d\d(?:\d\d)?))?(?![\d%]|,\d|\.\d)"
)
_SHORT_YEAR: Final = re.compile(r"\bFY\s?[’']?(\d\d)\b", re.IGNORECASE)
_NUMBERS: Final = {"first": 1, "second": 2, "third": 3, "fourth": 4}
QUARTER: Final = re.compile(
    r"(?<![A-Za-z])(?:(?P<word>first|second|third|fourth)[\s-]+(?:fiscal[\s-]+)?quarter"
    r"|Q(?P<figure>[1-4])\b|(?P<back>[1-4])Q)(?:\s+of\b|\s*,)?\s*(?:the\s+)?"
    r"(?:fiscal\s+(?:year\s+)?|FY\s?)?[’']?(?P<year>(?:19|20)\d\d|\d\d(?!\d))?",
    re.IGNORECASE,
)
_JUST_BEFORE: Final = re.compile(r"((?:19|20)\d\d)[\s,]*$")
_RANGE: Final = re.compile(
    r"\b((?:19|20)\d\d)\s*(?:-|–|to|through|until)\s*(?:FY\s?)?((?:19|20)\d\d)\b"
)
_LONGEST_RANGE: Final = 10
"""Years."""
_IDENTIFIER: Final = re.compile(r"(?=[A-Za-z./-]*\d)[A-Za-z0-9][A-Za-z0-9./-]{2,30}[A-Za-z0-9]")


@dataclass(frozen=True, slots=True)
class Asked:
    """What a question names."""

    text: str
    words: tuple[names.Word, ...]
    cased: tuple[bool, ...]
    """Which of the words are written with a capital or a figure."""
    mixed: bool
    """It uses capitals as names have them, so that a small letter says something."""
    kinds: frozenset[str]
    """Its words in the form in which kinds are compared."""
    times: tuple[str, ...]
    """Years, quarters, months and days: "2019", "2019-Q2", "2019-03"."""
    identifiers: tuple[tuple[str, int], ...]
    """What may be a number of a document, squeezed, and which of the words it is, as bits."""

    def without(self, said: int) -> str:
        """Return its text without some of its words, which are given as bits."""
        text = self.text
        for at, word in reversed([*enumerate(self.words)]):
            if said >> at & 1:
                text = f"{text[: word.start]} {text[word.end :]}"
        return text


@lru_cache(maxsize=256)
def read(question: str) -> Asked:
    """Read what a question names."""
    text = question[:_MOST_CHARS]
    words = tuple(names.placed(text)[:_MOST_WORDS])
    cased = tuple(
        text[w.start : w.end] != text[w.start : w.end].lower() or w.word.isdigit() for w in words
    )
    return Asked(
        text=question,
        words=words,
        cased=cased,
        mixed=any(cased[1:]),  # one capital at the beginning says nothing
        kinds=frozenset(kinds.tokens(text)) - names.SMALL,
        times=tuple(_times(text)),
        identifiers=tuple(_identifiers(text, words)),
    )


def squeezed(number: str) -> str:
    """Return a number as numbers are compared: its letters and digits."""
    return "".join(filter(str.isalnum, names.folded(number)))


def _identifiers(text: str, words: tuple[names.Word, ...]) -> Iterator[tuple[str, int]]:
    for match in _IDENTIFIER.finditer(text):
        number = squeezed(match[0])
        if len(number) >= 4 and not re.fullmatch(r"(?:19|20)\d\d", number):
            inside = [match.start() <= w.start and w.end <= match.end() for w in words]
            yield number, sum(1 << at for at, is_inside in enumerate(inside) if is_inside)


def _times(text: str) -> dict[str, None]:
    """Return the times that a text names, each once."""
    found: dict[str, None] = {}
    for match in DATE.finditer(text):
        value = iso(match[0])
        found |= dict.fromkeys([value, value[:7]] if len(value) >= 7 else [])
    years = dict.fromkeys(_years(text))
    quarters: dict[str, None] = {}
    for match in QUARTER.finditer(text):
        before = _JUST_BEFORE.search(text, max(0, match.start() - 8), match.start())
        year = match["year"] or (before[1] if before else "") or (next(iter(years), ""))
        if year:
            quarters[quarter(match, year)] = None
    whole = [year for year in years if not any(each.startswith(year) for each in quarters)]
    return found | quarters | dict.fromkeys(whole)


def quarter(match: re.Match[str], year: str) -> str:
    """Return the quarter that a match of `QUARTER` means, of a year: "2019-Q2"."""
    said = match["word"]
    number = _NUMBERS[said.lower()] if said else match["figure"] or match["back"]
    return f"{full_year(year)}-Q{number}"


def _years(text: str) -> Iterator[str]:
    for match in _RANGE.finditer(text):
        first, last = int(match[1]), int(match[2])
        if first <= last <= first + _LONGEST_RANGE:
            yield from map(str, range(first, last + 1))
    for match in YEAR.finditer(text):
        yield match[1]
        if end := match[2]:
            yield end if len(end) == 4 else match[1][:2] + end
    for match in _SHORT_YEAR.finditer(text):
        yield full_year(match[1])


def full_year(year: str) -> str:
    """Return a year in four digits: "18" is 2018 and "98" is 1998."""
    return year if len(year) == 4 else f"20{year}" if int(year) < 70 else f"19{year}"
