"""How the offline model fills in a row of a table, and how it reviews one.

By rules, on the JSON it gets: for each field it takes the quotes that answer what the field asks,
and from them a value of the field's kind: the date, the number, the names, whose law it is. A text
that is none of these is the quote itself. Where the quotes hold no such value it gives the quotes
alone, and a person sees where to look.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from nodes.reading import SAYS, Excerpt, Quote, quotes
from nodes.reading_places import whose_law
from nodes.reading_question import read_question
from nodes.reading_text import WORD, terms
from tools.cell_values import iso_dates, numbers, tidy
from tools.openings import AMOUNT, DATE
from tools.passages import sentences
from tools.values import party_names

Payload = dict[str, Any]
Filled = tuple[list[str], list[Quote]]
"""The values of a cell, and the quotes that give them."""


@dataclass(frozen=True, slots=True)
class Field:
    """What is asked, and where it may be answered."""

    name: str
    """In words: "agreementDate" is "agreement date"."""
    kind: str
    asks: str
    options: Sequence[str]
    excerpts: Sequence[Excerpt]
    """What was found for it, best first, then how the document opens and ends."""
    openings: Sequence[Excerpt]
    """How the document opens, a page in one piece: a name may run over from passage to passage."""

    @property
    def questions(self) -> Sequence[str]:
        """What it asks as questions: in its own words, and by its name alone."""
        plain = f"What is the {self.name}?"
        if not self.asks or self.asks.lower() == self.name:
            return [plain]
        own = self.asks if self.asks.endswith("?") else f"{self.name}: {self.asks}"
        return [own, plain]

    def is_about(self, kind: str) -> bool:
        """Say whether it asks a question of a kind."""
        return any(read_question(each).kind == kind for each in (*self.questions, self.asks))


_DENIES: Final = re.compile(
    r"\b(?:no|not|nor|neither|never|none|cannot|without|unless|except|only|prohibited)\b"
    r"|\bother than\b|\bsubject to\b",
    re.IGNORECASE,
)
_UNIT: Final = re.compile(
    r"\b(hour|day|week|month|year)s?$"
    r"|\b(?:how many|number of)\s+(?:\w+\s+){0,2}?(hour|day|week|month|year)s?\b",
    re.IGNORECASE,
)
"""What is counted: at the end of a field's name, or in its question."""
_COUNT_CHARS: Final = 40
"""Characters before a unit in which its number stands: "thirty (30) business"."""
_LAST_COUNT: Final = re.compile(r"^.*?((?:\S+\s*){1,4})$", re.DOTALL)
"""The last words of a stretch: what is counted further away is something else."""
_DEEMED: Final = re.compile(
    r"\bdeemed\s+(?:to\s+(?:be|have\s+been)\s+)?(?:\w+ly\s+)?"
    r"(?:given|delivered|received|served|made|effective)\b",
    re.IGNORECASE,
)
"""When a letter counts as arrived: no notice is that long, unless just that is asked."""
_ARRIVES: Final = re.compile(r"\b(?:deem|deliver|receiv|receipt|served)", re.IGNORECASE)
_CAMEL: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|[_\W]+")
_PARTIES: Final = re.compile(
    r"\b(?:part(?:y|ies)|counterpart(?:y|ies)|signator(?:y|ies))\b", re.IGNORECASE
)
_PLACE: Final = re.compile(
    r"\b(?:jurisdiction|country|state|province|nation|whose laws?|governing laws?|applicable laws?"
    r"|choice of laws?|laws? (?:that|which|of which|governing|by which))\b",
    re.IGNORECASE,
)
_ENDS: Final = re.compile(
    r"\b(?:expir|terminat|end(?:s|ing)?\b|until|through|lapse)", re.IGNORECASE
)
_BEGINS: Final = re.compile(r"\b(?:effect|commenc|begin|start|in\s+force)", re.IGNORECASE)
_CALLED: Final = re.compile(r"\s*\([^()]*\)")
_BEFORE: Final = 80
"""Characters before a date in which it is said what begins or ends."""
_STOP: Final = re.compile(r"[.!?;]\s")
_BEHIND: Final = 300
"""Characters behind a quote in which its sentence may go on to a date."""
_MADE: Final = "On which date was it made?"
_WHO: Final = "Who are the parties?"
MOST_NAMES: Final = 10
_DOUBT: Final = -4.0
"""From which log-odds on a quote is looked at for whose law it speaks of."""
_ALIAS: Final = re.compile(r"\s+\([A-Z]\w*(?:\s[A-Z]\w*)?\)$")
_SAID: Final = re.compile(r"\b(?:may|shall|is|are|was|be|been|referred|hereby)\b")
_STAMP: Final = re.compile(r"\W*(?:source|filed|exhibit)\b", re.IGNORECASE)


def row(payload: Payload) -> Payload:
    """Fill in `RowReply`: a cell for each field."""
    passages = {passage["number"]: passage for passage in payload["passages"]}
    cells = []
    for given in payload["fields"]:
        field = _field(given, passages)
        values, found = _FILL[field.kind](field)
        cited = [{"page": passages[int(q.excerpt)]["page"], "quote": q.text} for q in found]
        cells.append({"field": given["name"], "values": values, "quotes": cited})
    return {"cells": cells}


def _field(given: Payload, passages: dict[int, Payload]) -> Field:
    opens: dict[int, list[int]] = {}
    for number, passage in passages.items():
        if passage.get("opens"):
            opens.setdefault(passage["page"], []).append(number)
    own = [n for n in given["passages"] if n in passages]
    around = [n for numbers in opens.values() for n in numbers]
    last = [max(passages, key=lambda n: (passages[n]["page"], n))] if passages else []
    return Field(
        name=" ".join(_CAMEL.sub(" ", given["name"]).split()).lower(),
        kind=given["kind"],
        asks=str(given.get("asks") or "").strip(),
        options=given.get("options", ()),
        excerpts=[
            Excerpt(str(n), passages[n]["text"], bool(passages[n].get("opens")))
            for n in dict.fromkeys([*own, *around, *last])
        ],
        openings=[
            Excerpt(str(numbers[0]), "\n".join(passages[n]["text"] for n in numbers), True)
            for numbers in opens.values()
        ],
    )


def _date(field: Field) -> Filled:
    if field.is_about("made"):
        found = quotes(_MADE, field.excerpts)
        held = [(day, quote) for quote in found for day in iso_dates(quote.text)]
    else:
        asked = field.questions[0]
        asked = asked if read_question(asked).when else f"When? {asked}"
        found = quotes(asked, field.excerpts)
        held = list(_fitting(field, found))
        if not held and _cues(field):
            held = list(_fitting(field, quotes(asked, field.excerpts, says=_DOUBT)))
    for day, quote in held[:1]:
        return [day], [quote]
    return [], found[:1]


def _fitting(field: Field, found: Sequence[Quote]) -> Iterator[tuple[str, Quote]]:
    """Yield the dates in and behind some quotes that are of what is asked: a beginning, an end."""
    wanted = _cues(field)
    texts = {excerpt.id: excerpt.text for excerpt in field.excerpts}
    for quote in found:
        text = texts[quote.excerpt]
        at = max(0, text.find(quote.text))
        if _STAMP.match(text, text.rfind("\n", 0, at) + 1):
            continue
        behind = _STOP.search(text, at + len(quote.text), at + len(quote.text) + _BEHIND)
        until = behind.start() if behind else at + len(quote.text) + _BEHIND
        for start, end, day in _dated(text[at:until]):
            inside = start < len(quote.text)
            if (inside and not wanted) or any(_cued(text, at + start, at + end, wanted)):
                whole = text[at : at + max(end, len(quote.text))]
                yield day, Quote(quote.excerpt, whole, quote.score)


def _dated(text: str) -> Iterator[tuple[int, int, str]]:
    for match in DATE.finditer(text):
        for day in iso_dates(match[0]):
            yield *match.span(), day


def _cues(field: Field) -> Sequence[re.Pattern[str]]:
    return [cue for cue in (_ENDS, _BEGINS) if cue.search(f"{field.name} {field.asks}")]


def _cued(text: str, start: int, end: int, wanted: Sequence[re.Pattern[str]]) -> Iterator[bool]:
    """Yield whether the words around a date say that something begins or ends then, as wanted."""
    before = text[max(0, start - _BEFORE) : start]
    called = _CALLED.match(text, end)
    for cue in wanted:
        other = _BEGINS if cue is _ENDS else _ENDS
        yield _last(cue, before) > _last(other, before)
        yield bool(called and cue.search(called[0]))


def _last(cue: re.Pattern[str], text: str) -> int:
    return max((match.end() for match in cue.finditer(text)), default=-1)


def _number(field: Field) -> Filled:
    found = quotes(field.questions[0], field.excerpts)
    for quote in found:
        held = _counts(field, quote.text)
        fits = [n for n in held if field.kind == "number" or isinstance(n, int)]
        if fits:
            return [str(fits[0])], [quote]
    return [], found[:1]


def _counts(field: Field, text: str) -> list[int | float]:
    """Return the numbers of a quote that may be asked for: of the unit, where one is named."""
    unit = _UNIT.search(field.name) or _UNIT.search(field.asks)
    if unit is None:
        text = _most_asked(field, text)
        amount = AMOUNT.search(text)
        return numbers(text[amount.start() :] if amount else text)
    if not _ARRIVES.search(f"{field.name} {field.asks}".replace("_", " ")):
        said = (text[span.start : span.end] for span in sentences(text))
        text = "\n".join(each for each in said if not _DEEMED.search(each))
    of_unit = re.compile(rf"\b{unit[1] or unit[2]}s?\b", re.IGNORECASE)
    before = (text[max(0, m.start() - _COUNT_CHARS) : m.start()] for m in of_unit.finditer(text))
    return [held[-1] for each in before if (held := numbers(_LAST_COUNT.sub(r"\1", each)))]


def _most_asked(field: Field, text: str) -> str:
    """Return a quote from where it says most of what is asked, if it says several amounts."""
    asked = set(read_question(field.questions[0]).terms)
    parts = [text[span.start : span.end] for span in sentences(text)]
    parts = [each for each in parts if numbers(each)] or [text]
    best = max(parts, key=lambda each: len(asked & set(terms(each))))
    amounts = list(AMOUNT.finditer(best))
    said = [m.end() for m in WORD.finditer(best) if asked & set(terms(m[0]))]
    behind = [at for at in said if len(amounts) > 1 and at <= amounts[-1].start()]
    return best[max(behind, default=0) :]


def _boolean(field: Field) -> Filled:
    """Say that something is so where it is written; what denies or limits it is for a person."""
    found = quotes(field.questions[0], field.excerpts, most=1)
    if not found or _DENIES.search(found[0].text):
        return [], found
    return ["true"], found


def _strings(field: Field) -> Filled:
    if _PARTIES.search(f"{field.name} {field.asks}"):
        return _parties(field)
    found = quotes(field.questions[0], field.excerpts)
    return [tidy(quote.text) for quote in found], found


def _string(field: Field) -> Filled:
    if field.options:
        return _option(field)
    if _PLACE.search(f"{field.name} {field.asks}"):
        return _place(field)
    found = quotes(field.questions[0], field.excerpts)
    if field.is_about("parties") or field.is_about("named"):
        values, named = _names(found[:1], field.excerpts)
        return values[:1], named
    return [tidy(quote.text) for quote in found[:1]], found[:1]


def _place(field: Field) -> Filled:
    """Find whose law, or which place, is spoken of: where there is doubt, a law has to be."""
    shown: list[Quote] = []
    for says in (SAYS, _DOUBT):
        for question in field.questions:
            found = quotes(question, field.excerpts, says=says)
            shown = shown or (found if says == SAYS else [])
            for quote in found:
                place = whose_law(quote.text, sure=says != SAYS)
                if place:
                    return [place.name], [quote]
    return [], shown[:1]


def _option(field: Field) -> Filled:
    found = quotes(field.questions[0], field.excerpts)
    for quote in found:
        for option in field.options:
            if re.search(rf"\b{re.escape(option)}\b", quote.text, re.IGNORECASE):
                return [option], [quote]
    return [], found[:1]


def _parties(field: Field) -> Filled:
    """Name the parties; where a passage breaks off among them, of the whole opening."""
    found = _names(quotes(_WHO, field.excerpts, most=MOST_NAMES), field.excerpts)
    if len(found[0]) > 1:
        return found
    whole = _names(quotes(_WHO, field.openings, most=MOST_NAMES), field.openings)
    return whole if len(whole[0]) > len(found[0]) else found


def _names(found: Sequence[Quote], excerpts: Sequence[Excerpt]) -> Filled:
    """Return the bare names of those who are quoted, without the names defined for them."""
    texts = {excerpt.id: excerpt.text for excerpt in excerpts}
    named = [
        (_ALIAS.sub("", tidy(name)), quote)
        for quote in found
        if not _stamped(quote, texts[quote.excerpt])
        for name in party_names(quote.text)
    ]
    kept = [(name, quote) for name, quote in named if name and not _SAID.search(name)]
    return [name for name, _ in kept], list(dict.fromkeys(quote for _, quote in kept))


def _stamped(quote: Quote, text: str) -> bool:
    """Say whether a quote stands on a line that tells where the file comes from."""
    at = text.find(quote.text)
    return bool(_STAMP.match(text, text.rfind("\n", 0, max(0, at)) + 1))


_FILL: Final[dict[str, Callable[[Field], Filled]]] = {
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
