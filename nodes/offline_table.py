"""How the offline model fills in a row of a table, and how it reviews one.

By rules, on the JSON it gets: for each field it takes the quotes that answer what the field asks,
and from them a value of the field's kind: the date, the number, the names, whose law it is. A text
that is none of these is the quote itself. Where the quotes hold no such value it gives the quotes
alone, and a person sees where to look.
"""

import re
from collections.abc import Callable, Sequence
from typing import Any, Final

from nodes.reading import Excerpt, Quote, quotes
from nodes.reading_places import whose_law
from nodes.reading_question import read_question
from tools.cell_values import iso_dates, numbers, tidy
from tools.openings import AMOUNT

Payload = dict[str, Any]
Filled = tuple[list[str], list[Quote]]
"""The values of a cell, and the quotes that give them."""

_CAMEL: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|[_\W]+")
_PARTIES: Final = re.compile(
    r"\b(?:part(?:y|ies)|counterpart(?:y|ies)|signator(?:y|ies))\b", re.IGNORECASE
)
_PLACE: Final = re.compile(
    r"\b(?:jurisdiction|country|state|province|nation|whose laws?|governing laws?|applicable laws?"
    r"|choice of laws?|laws? (?:that|which|of which|governing|by which))\b",
    re.IGNORECASE,
)
_MADE: Final = "On which date was it made?"
_WHO: Final = "Who are the parties?"
_NAME_ENDS: Final = re.compile(
    r"\s*(?:[(“\"]|,?\s+(?:an?\s|having\b|located\b|with\s|whose\b|organi[sz]ed\b|incorporated\b"
    r"|formed\b|doing\s|duly\b|at\s|company\s+number|residing\b|formerly\b|d/b/a\b|for\s)"
    r"|,\s(?!(?:Inc|LLC|L\.|Ltd|Limited|Corp|LP|LLP|PLC|S\.|N\.|N\.A|GmbH|AG|Co)\b))",
)


def row(payload: Payload) -> Payload:
    """Fill in `RowReply`: a cell for each field."""
    passages = {passage["number"]: passage for passage in payload["passages"]}
    cells = []
    for field in payload["fields"]:
        excerpts = _excerpts(field, passages)
        values, found = _FILL[field["kind"]](field, excerpts)
        cited = [{"page": passages[int(q.excerpt)]["page"], "quote": q.text} for q in found]
        cells.append({"field": field["name"], "values": values, "quotes": cited})
    return {"cells": cells}


def _excerpts(field: Payload, passages: dict[int, Payload]) -> list[Excerpt]:
    """Return what was found for a field, best first, and then how the document opens and ends."""
    own = [n for n in field["passages"] if n in passages]
    around = [n for n, p in passages.items() if n not in own and p.get("opens")]
    last = [max(passages, key=lambda n: (passages[n]["page"], n))] if passages else []
    order = dict.fromkeys([*own, *around, *last])
    return [Excerpt(str(n), passages[n]["text"], bool(passages[n].get("opens"))) for n in order]


def _named(field: Payload) -> str:
    """Return the name of a field in words: "agreementDate" is "agreement date"."""
    return " ".join(_CAMEL.sub(" ", field["name"]).split()).lower()


def _question(field: Payload) -> str:
    """Return what a field asks, as a question."""
    name, asks = _named(field), str(field.get("asks") or "").strip()
    if not asks or asks.lower() == name:
        return f"What is the {name}?"
    return asks if asks.endswith("?") else f"{name}: {asks}"


def _asked(field: Payload, kind: str) -> bool:
    """Say whether a field asks a question of a kind: by its name, or by what it says of itself."""
    said = (f"What is the {_named(field)}?", str(field.get("asks") or ""))
    return any(read_question(each).kind == kind for each in said)


def _date(field: Payload, excerpts: Sequence[Excerpt]) -> Filled:
    asked = _MADE if _asked(field, "made") else _question(field)
    if asked != _MADE and not read_question(asked).when:
        asked = f"When? {asked}"
    found = quotes(asked, excerpts)
    for quote in found:
        if held := iso_dates(quote.text):
            return held[:1], [quote]
    return [], found[:1]


def _number(field: Payload, excerpts: Sequence[Excerpt]) -> Filled:
    found = quotes(_question(field), excerpts)
    for quote in found:
        amount = AMOUNT.search(quote.text)
        held = numbers(quote.text[amount.start() :]) if amount else numbers(quote.text)
        whole = [n for n in held if field["kind"] == "number" or isinstance(n, int)]
        if whole:
            return [str(whole[0])], [quote]
    return [], found[:1]


def _boolean(field: Payload, excerpts: Sequence[Excerpt]) -> Filled:
    found = quotes(_question(field), excerpts, most=1)
    return (["true"], found) if found else ([], [])


def _strings(field: Payload, excerpts: Sequence[Excerpt]) -> Filled:
    if _PARTIES.search(f"{_named(field)} {field.get('asks')}"):
        return _names(quotes(_WHO, excerpts, most=10))
    found = quotes(_question(field), excerpts)
    return [tidy(quote.text) for quote in found], found


def _string(field: Payload, excerpts: Sequence[Excerpt]) -> Filled:
    if field.get("options"):
        return _option(field, excerpts)
    said = f"{_named(field)} {field.get('asks')}"
    found = quotes(_question(field), excerpts)
    if _PLACE.search(said):
        for quote in found:
            if place := whose_law(quote.text):
                return [place.name], [quote]
    elif read_question(_question(field)).kind in ("parties", "named"):
        values, named = _names(found[:1])
        return values[:1], named
    return [tidy(quote.text) for quote in found[:1]], found[:1]


def _option(field: Payload, excerpts: Sequence[Excerpt]) -> Filled:
    found = quotes(_question(field), excerpts)
    for quote in found:
        for option in field["options"]:
            if re.search(rf"\b{re.escape(option)}\b", quote.text, re.IGNORECASE):
                return [option], [quote]
    return [], found[:1]


def _names(found: Sequence[Quote]) -> Filled:
    """Return the bare names of those who are quoted, without the names defined for them."""
    named = [(tidy(_NAME_ENDS.split(q.text, maxsplit=1)[0]).strip(" ,;:"), q) for q in found]
    kept = [(name, quote) for name, quote in named if name]
    return [name for name, _ in kept], [quote for _, quote in kept]


_FILL: Final[dict[str, Callable[[Payload, Sequence[Excerpt]], Filled]]] = {
    "date": _date,
    "number": _number,
    "integer": _number,
    "boolean": _boolean,
    "strings": _strings,
    "string": _string,
}


def review_row(payload: Payload) -> Payload:
    """Fill in `RowReviewReply`: a value is supported if a program can find it in its quotes.

    A text has all its words there; that dates, numbers and names stand there was seen before, and
    that the quotes answer what was asked is why they were chosen.
    """
    verdicts = []
    for value in payload["values"]:
        text = " ".join(value["quotes"])
        missing = _words(value["value"]) - _words(text) if value["kind"] == "string" else set()
        why = f"not in the quotes: {', '.join(sorted(missing)[:5])}" if missing else ""
        verdicts.append({"number": value["number"], "supported": not why, "why": why})
    return {"verdicts": verdicts}


def _words(text: Any) -> set[str]:
    return set(re.findall(r"\w+", str(text).casefold()))
