"""What of a document a question can name: its names, kinds, times and numbers, from its card.

The name of the file counts too, a little: it is often right, and may say anything. Everything is
pure. Next: `tools/routing.py`, which compares profiles with questions.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from storage.errors import InvalidInput
from storage.records import Card
from tools import kinds, names
from tools.dates import During, during
from tools.questions import YEAR, squeezed

# What a name counts as one of those who made a document, as another that it mentions, as initials
# or a ticker, and as words of the file's name.
_PARTY, _OTHER, _SHORT, _FILE = 1.0, 0.6, 0.8, 0.5
_MOST_WORDS: Final = 12
_CAMEL: Final = re.compile(r"(?<=[a-z])(?=[A-Z])|_")
# Words in names of files that name nobody.
_NO_NAME: Final = re.compile(
    r"\d+|10[kq]\w*|\d{1,2}[kf]|fy\d*|q[1-4]|\d{4}q[1-4]|annual|report|final|copy|scan|doc|document|file"
)
_QUARTER: Final = re.compile(r"((?:19|20)\d\d)[ -]?Q([1-4])", re.IGNORECASE)

# What a time counts: of the period reported on, of its end, of the year before, which stands beside
# it in tables, of a quarter in a year, of other dates, of the name of the file.
_ON, _ENDED, _BEFORE, _WITHIN, _DATED, _NAMED = 1.0, 0.6, 0.35, 0.5, 0.8, 0.4


@dataclass(frozen=True, slots=True)
class Profile:
    """What of a document a question can name."""

    document_id: str
    names: tuple[tuple[tuple[str, ...], float], ...]
    """The words of each name, with what it counts."""
    people: frozenset[tuple[str, ...]]
    """The names on the card alone."""
    kinds: frozenset[str]
    """The words of its kind and title."""
    called: frozenset[str]
    """The words of other names of its kind."""
    times: dict[str, float]
    """Years, quarters, months and days, with what they count."""
    days: tuple[str, ...]
    """The dates and periods on the card."""
    partial: bool
    """It reports on a period, and is no report on the whole of a year."""
    numbers: frozenset[str]
    file: frozenset[str]
    """The words of the name of the file."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which documents to look in, by what their cards say; empty: any.

    `kind` and `party` are words that the kind, title or a name on the card has to have, `dated` a
    year, month or day, or two with ".." between them, in which a date or period of it lies.
    """

    kind: str = ""
    party: str = ""
    dated: str = ""

    def __bool__(self) -> bool:
        return bool(self.kind or self.party or self.dated)

    def accepts(self, profile: Profile) -> bool:
        """Say whether a document is wanted.

        Raises:
            InvalidInput: what is wanted cannot be read.
        """
        return (
            (not self.kind or self._kind() <= profile.kinds | profile.called)
            and (not self.party or self._is_party(profile))
            and (not self.dated or self._is_dated(profile))
        )

    def _kind(self) -> set[str]:
        found = set(kinds.tokens(self.kind)) - names.SMALL - names.LEGAL
        if not found:
            raise InvalidInput(
                f"{self.kind!r} names no kind: give words, as in 'supply agreement'."
            )
        return found

    def _is_party(self, profile: Profile) -> bool:
        told = names.telling(self.party)
        if not told:
            raise InvalidInput(f"{self.party!r} is no name: give a word of it.")
        glued = "".join(told)
        return any(set(told) <= set(name) or glued == "".join(name) for name in profile.people)

    def _is_dated(self, profile: Profile) -> bool:
        stretch: During = during(self.dated)
        return any(stretch.meets(day) for day in profile.days)


def profile(document_id: str, name: str, card: Card) -> Profile:
    """Make the profile of a document with a name of a file and a card."""
    own = _names(card)
    titled = [value.value for value in (*card.kinds, *filter(None, [card.title]))]
    called = frozenset(w for k in card.kinds for each in k.called for w in kinds.tokens(each))
    sort = frozenset(w for each in titled for w in kinds.tokens(each) if not w.isdigit())
    named = {word for each in own for word in (*each, *kinds.tokens(" ".join(each)))}
    file = _CAMEL.sub(" ", name.rpartition(".")[0] or name)
    told = tuple(word for word in names.words(file) if not _NO_NAME.fullmatch(word))[:_MOST_WORDS]
    return Profile(
        document_id=document_id,
        names=tuple({told: _FILE, **own}.items()) if told else tuple(own.items()),
        people=frozenset(own),
        kinds=sort - names.SMALL - names.LEGAL - kinds.TIMES - named,
        called=called,
        times=_times(card, file),
        days=tuple(each.value for each in (*card.dates, *card.periods)),
        partial=bool(card.periods) and "annual" not in sort | called,
        numbers=frozenset(squeezed(number.value) for number in card.identifiers),
        file=frozenset(kinds.tokens(file)) - names.SMALL,
    )


def _names(card: Card) -> dict[tuple[str, ...], float]:
    """Return the names on a card, as their telling words, with the most that each counts."""
    found: dict[tuple[str, ...], float] = {}

    def note(name: str, weight: float) -> None:
        told = names.telling(name)[:_MOST_WORDS]
        if told and not set(told) <= names.SMALL:
            found[told] = max(weight, found.get(told, 0.0))

    for weight, values in ((_PARTY, card.parties), (_OTHER, card.organisations)):
        for value in values:
            for each in (value.value, *value.called):
                note(each, weight)
            for short in names.initials(value.value):
                note(short, _SHORT * weight)
    for number in card.identifiers:
        if number.what == "ticker":
            note(number.value, _SHORT)
    return found


def _times(card: Card, file: str) -> dict[str, float]:
    """Return the times of a document, with the most that each counts."""
    found: dict[str, float] = {}
    for time, weight in _each_time(card, file):
        found[time] = max(weight, found.get(time, 0.0))
    return found


def _each_time(card: Card, file: str) -> Iterator[tuple[str, float]]:
    for period in card.periods:
        year = period.value[:4]
        yield from ((period.value, _ON), (year, _ON), (str(int(year) - 1), _BEFORE))
        if "Q" not in period.value:
            yield from ((f"{year}-Q{number}", _WITHIN) for number in range(1, 5))
        end = period.what.removeprefix("ended ")
        if end != period.what:
            yield from ((end, _ON), (end[:7], _ON), (end[:4], _ENDED))
    for rank, stated in enumerate(card.dates):
        year, month = stated.value[:4], stated.value[:7]
        yield from ((stated.value, _ON), (month, _ON if len(month) == 7 else 0.0))
        yield year, _WITHIN if card.periods else _ON if rank == 0 else _DATED
    for match in YEAR.finditer(file):
        yield match[1], _NAMED
    for match in _QUARTER.finditer(file):
        yield from ((match[1], _NAMED), (f"{match[1]}-Q{match[2]}", _NAMED))
