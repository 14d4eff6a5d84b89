"""Recognises whose law a text speaks of: states, countries, and what else bears a law.

The names that are known are in `tools/places.py`. One that is not among them is read where English
puts it: behind "laws of" or "State of", before "law". Nothing here knows of kinds of clauses.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Final

from tools.passages import Span
from tools.places import COUNTRIES, PARTS

_OF: Final = (
    r"(?:states?|commonwealth|province|territory|republic|kingdom|federation|principality)\s+of"
)
_LAW: Final = r"\b(?:laws?|legislation)\b"
_I: Final = re.IGNORECASE
# What may stand before the name of a place whose law is spoken of, likeliest first: a state is
# named with what it is, and its country behind it.
_BEFORE: Final = (
    re.compile(rf"{_LAW}[^.;]{{0,80}}?{_OF}\s+(?:the\s+)?$", _I),
    re.compile(rf"{_LAW}[^.;]{{0,60}}?\b(?:of|in)\s+(?:the\s+)?(?:[\w’']+\s+){{0,3}}$", _I),
)
_AFTER: Final = re.compile(rf"(?:\s+state)?\s+{_LAW}", _I)
_IN: Final = re.compile(rf"{_OF}\s+(?:the\s+)?$", _I)
_PROPER: Final = r"(?P<name>[A-Z][\w’'-]+(?:\s+(?:(?:and|of)\s+)?[A-Z][\w’'-]+){0,3})"
_UNKNOWN: Final = (
    re.compile(rf"(?i:{_LAW}[^.;]{{0,60}}?\bof\s+(?:the\s+)?{_OF}\s+(?:the\s+)?){_PROPER}"),
    re.compile(rf"(?i:{_LAW}[^.;,]{{0,30}}?\b(?:of|in)\s+(?:the\s+)?){_PROPER}"),
    re.compile(rf"{_PROPER}(?i:\s+(?:state\s+)?{_LAW})"),
)
_NO_PLACE: Final = re.compile(
    r"\b(?:Agreement|Party|Parties|Contract|Section|Act|Code|Company|Courts?|Conflicts?"
    r"|Laws?|State|Such|Any|All|The|This|Applicable|Governing|Choice)\b",
    _I,
)
_BACK: Final = 200
"""Characters before a name in which a law may be spoken of."""


@dataclass(frozen=True, slots=True)
class Place:
    """A name of a place in a text."""

    span: Span
    name: str
    """As it is usually written, however the text has it."""


@cache
def _usual() -> dict[str, str]:
    return {name.casefold(): name for name in (*PARTS, *COUNTRIES)}


@cache
def _any_name() -> re.Pattern[str]:
    longest = sorted(_usual().values(), key=lambda each: -len(each))
    names = "|".join(re.escape(name).replace(r"\ ", r"\s+") for name in longest)
    return re.compile(rf"\b(?:{names})\b", _I)


def known(text: str) -> list[Place]:
    """Return the places in a text that are known by name, in order."""
    return [
        Place(Span(*match.span()), _usual()[" ".join(match[0].split()).casefold()])
        for match in _any_name().finditer(text)
        if match[0][0].isupper()
    ]


def whose_law(text: str, *, sure: bool = False) -> Place | None:
    """Return the place whose law a text speaks of; of several, the likeliest.

    Where a text speaks of no place's law it is any place in it, unless it has to be `sure`.
    """
    places = known(text)
    before = {place: text[max(0, place.span.start - _BACK) : place.span.start] for place in places}
    likely = [
        *(place for pattern in _BEFORE for place in places if pattern.search(before[place])),
        *(place for place in places if _AFTER.match(text, place.span.end)),
        *_unknown(text),
    ]
    if not (likely or sure):
        likely = [*(place for place in places if _IN.search(before[place])), *places]
    return likely[0] if likely else None


def _unknown(text: str) -> Iterator[Place]:
    """Yield what stands where the name of a place would."""
    for pattern in _UNKNOWN:
        for match in pattern.finditer(text):
            if not _NO_PLACE.search(match["name"]):
                yield Place(Span(*match.span("name")), " ".join(match["name"].split()))
