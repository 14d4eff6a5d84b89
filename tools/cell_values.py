"""Values of typed cells: how they are written one way, and whether a quote says them.

A model proposes a value as text. Here it becomes a value of its column's type (a date as ISO 8601
has it, a number, a name without the white space of the page), or is refused. Then it is looked for
in the quotes, by program: a date or a number has to stand there, in whatever spelling; a text has
to stand there word for word. What a program cannot decide, a reviewer does.

What a person gives for a cell, a correction, has to be the value itself, and nothing beside it.
Everything is pure, and the spellings are those of English business writing (`tools/values.py`).
"""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from typing import Final

from storage.errors import InvalidInput
from storage.records import CellValue, Column, ColumnKind
from tools.openings import DATE
from tools.values import dates

MOST_ENTRIES: Final = 50
MOST_CHARS: Final = 2000
"""Of a text in a cell: a clause fits, a page does not."""

_LARGEST: Final = 10**15
"""Up to it whole numbers are exact, on every back end and in every spreadsheet."""
_WRITTEN: Final = """
    zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen
    sixteen seventeen eighteen nineteen
"""
_TENS: Final = "twenty thirty forty fifty sixty seventy eighty ninety"
_SMALL: Final = {
    **{word: n for n, word in enumerate(_WRITTEN.split())},
    **{word: 10 * n for n, word in enumerate(_TENS.split(), 2)},
}
_SCALES: Final = {"hundred": 100, "thousand": 10**3, "million": 10**6, "billion": 10**9}
_SHORT: Final = {"k": 10**3, "m": 10**6, "mm": 10**6, "mn": 10**6, "b": 10**9, "bn": 10**9}
"""How amounts of money are cut short; of anything else, "5 m" is five metres."""
# "1,5" and "1.250,50" are written as elsewhere, and "4.2.1" is no number: they are passed over.
_NUMBER: Final = re.compile(
    r"(?<![\w.,])[-−]?(?:\d{1,3}(?:,\d{2,3})*,\d{3}|\d+)(?:\.\d+)?(?!\d|[.,]\d)"
    r"|(?<![\w.])[-−]?\.\d+(?!\d|[.,]\d)"
)
_CLAUSE: Final = re.compile(
    r"(?:\d{1,3}(?:\.\d{1,2})?\.|\d{1,3}\.\d{1,2})(?=\s+[A-Z“\"])"
    r"(?!\s+(?:[A-Z]{3}\b|U\.?S|(?i:euro|dollar|pound|percent|hundred|thousand|million|billion)))"
)
_BEGINS: Final = re.compile(r"(?:^|\n|[.;:]\s)\s*$")
"""Together the number of a clause, which counts nothing: "4.5 Rent is due", "13. Termination"."""
_SCALE: Final = re.compile(r"\s*(hundred|thousand|million|billion)\b", re.IGNORECASE)
_SHORT_SCALE: Final = re.compile(r" ?(k|m|mm|mn|b|bn)\b", re.IGNORECASE)
_CURRENCY: Final = re.compile(r"[$€£¥] ?$")
_SCALE_ASKED: Final = re.compile(r"(?:hundred|thousand|million|billion)s?(?![a-z])", re.IGNORECASE)
_WORD: Final = re.compile(r"[^\W_]+")
_HOLDS: Final[dict[ColumnKind, str]] = {
    "string": "texts (string), as Ohio",
    "date": "full dates (date), as 2024-03-01",
    "number": "numbers in figures (number), as 1250.5",
    "integer": "whole numbers in figures (integer), as 60",
    "boolean": "true or false (boolean), as true",
    "strings": 'lists of texts (array of strings), as ["Acme Inc.", "Bolt LLC"]',
}
_YES: Final = {"true": True, "yes": True, "false": False, "no": False}


def value_of(column: Column, texts: Sequence[str]) -> CellValue:
    """Return what texts say as a value of a column's type.

    Raises:
        InvalidInput: they do not, and the message says what would.
    """
    given = [text for each in texts if (text := tidy(each))]
    if not given:
        raise InvalidInput("no value is given.")
    if column.kind == "strings":
        return list({words(each): each for each in reversed(given)}.values())[::-1][:MOST_ENTRIES]
    if len(given) > 1:
        raise InvalidInput(f"one value is asked for, and {len(given)} are given.")
    (text,) = given
    match column.kind:
        case "date":
            return _date_of(text)
        case "boolean":
            if text.lower() not in _YES:
                raise InvalidInput(f"{text[:80]!r} is neither true nor false.")
            return _YES[text.lower()]
        case "number" | "integer":
            return _number_of(text, whole=column.kind == "integer")
    return _option(text, column.options) if column.options else text


def given_value(column: Column, value: CellValue) -> CellValue:
    """Return the value that a person gives for a cell, as its column has it; None stays None.

    It is of the column's type, or a text that is such a value and nothing beside it: "60" and
    "1,250.5", and neither "sixty" nor "60 days", whose number a model's reply may well mean.

    Raises:
        InvalidInput: it is not; the message names the column's type, with an example.
    """
    if value is None:
        return None
    try:
        if not _is_given(column, value):
            raise InvalidInput("it is of another type.")
        if isinstance(value, float) and column.kind == "number":
            return _whole(value)
        return value_of(column, value if isinstance(value, list) else [_text(value)])
    except InvalidInput:
        holds = _HOLDS[column.kind]
        if column.options:
            holds = f"one of {', '.join(column.options)}"
        raise InvalidInput(
            f"{_text(value)[:80]!r} is no value of the column {column.name!r}, which holds {holds}."
        ) from None


def _is_given(column: Column, value: CellValue) -> bool:
    """Say whether a value is of a column's type, or a text that may be one from end to end."""
    match column.kind:
        case "strings":
            return isinstance(value, list) and all(isinstance(each, str) for each in value)
        case "boolean":
            return isinstance(value, bool | str)
        case "number" | "integer":
            if isinstance(value, str):
                return bool(_NUMBER.fullmatch(value.strip()))
            # No infinity is within the bound, and what is no number is not either.
            return isinstance(value, int | float) and _is_number(value)
        case "date":
            return bool(DATE.fullmatch(_text(value).strip()))
    return isinstance(value, str)


def _is_number(value: float) -> bool:
    return not isinstance(value, bool) and abs(value) <= _LARGEST


def _text(value: CellValue) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def says(column: Column, value: CellValue, quotes: Sequence[str]) -> bool | None:
    """Return whether quotes say a value, as far as a program can tell; None: it cannot.

    A date or number that does not stand there is not said, however well it may follow.
    """
    match column.kind:
        case "date":
            return value in {each for quote in quotes for each in iso_dates(quote)}
        case "number" | "integer":
            # "$5 million" says 5 where an amount in millions is asked for, and 5,000,000 elsewhere.
            asked = bool(_SCALE_ASKED.search(f"{column.name} {column.asks}"))
            return any(value in numbers(quote, as_written=asked) for quote in quotes)
        case "boolean":
            return None
    held = [f" {words(quote)} " for quote in quotes]
    entries = value if isinstance(value, list) else [str(value)]
    if all(any(f" {words(each)} " in quote for quote in held) for each in entries):
        return True
    return False if column.kind == "strings" else None


def tidy(text: str) -> str:
    """Return a text on one line, without what cannot be printed, and no longer than a cell."""
    kept = "".join(c for c in text if c.isspace() or unicodedata.category(c) not in _UNSEEN)
    return " ".join(kept.split())[:MOST_CHARS].strip()


_UNSEEN: Final = {"Cc", "Cf", "Cs", "Co", "Cn"}


def words(text: str) -> str:
    """Return the words of a text in one form: case, punctuation and white space left aside."""
    return " ".join(_WORD.findall(unicodedata.normalize("NFKC", text).casefold()))


def iso_dates(text: str) -> list[str]:
    """Return the dates that a text holds, in order, as ISO 8601 has them; each once."""
    found = dates(unicodedata.normalize("NFKC", text))
    return list(dict.fromkeys(day.isoformat() for day in found))


def _date_of(text: str) -> str:
    found = iso_dates(text)
    if len(found) != 1:
        raise InvalidInput(f"{text[:80]!r} is not one full date; write it as 2024-03-01.")
    return found[0]


def numbers(text: str, *, as_written: bool = False) -> list[int | float]:
    """Return the numbers that a text holds, in figures or in words, in order; each once.

    "5 million" is 5,000,000; `as_written` it is 5 as well.
    """
    text = unicodedata.normalize("NFKC", text)
    found: list[tuple[int, int | float]] = []
    for match in _NUMBER.finditer(text):
        number = _figures(match[0])
        if abs(number) > _LARGEST or _is_of_clause(text, match.start()):
            continue
        scale = _scale(text, match)
        if scale:
            found.append((match.start(), _whole(float(number) * scale)))
        if as_written or not scale:
            found.append((match.start(), number))
    found += _in_words(text)
    return list(dict.fromkeys(number for _, number in sorted(found)))


def _is_of_clause(text: str, at: int) -> bool:
    return bool(_CLAUSE.match(text, at) and _BEGINS.search(text[max(0, at - 20) : at] or "\n"))


def _scale(text: str, number: re.Match[str]) -> int:
    """Return by what a number is to be multiplied, by what stands behind it; 0: by nothing."""
    if scale := _SCALE.match(text, number.end()):
        return _SCALES[scale[1].lower()]
    is_money = _CURRENCY.search(text, max(0, number.start() - 2), number.start())
    short = _SHORT_SCALE.match(text, number.end()) if is_money else None
    return _SHORT[short[1].lower()] if short else 0


def _figures(text: str) -> int | float:
    return _whole(float(text.replace(",", "").replace("−", "-")))


def _whole(number: float) -> int | float:
    return int(number) if number.is_integer() else number


def _in_words(text: str) -> Iterator[tuple[int, int]]:
    """Yield the numbers that are written out: "ninety", "twenty-five", "two hundred"."""
    start, total, part = -1, 0, 0
    end = 0
    for match in _WORD.finditer(text):
        word = match[0].lower()
        joined = start >= 0 and text[end : match.start()].strip(" \t\r\n-") == ""
        if start >= 0 and not (joined and (word in _SCALES or word in _SMALL)):
            yield start, total + part
            start, total, part = -1, 0, 0
        if word in _SMALL:
            start = match.start() if start < 0 else start
            part += _SMALL[word]
        elif start >= 0 and word in _SCALES:
            part = max(1, part) * _SCALES[word]
            if word != "hundred":
                total, part = total + part, 0
        end = match.end()
    if start >= 0:
        yield start, total + part


def _number_of(text: str, *, whole: bool) -> int | float:
    found = numbers(text)
    if len(found) != 1:
        raise InvalidInput(f"{text[:80]!r} is not one number; write it in figures, as 1250.5.")
    if whole and not isinstance(found[0], int):
        raise InvalidInput(f"{text[:80]!r} is no whole number.")
    return found[0]


def _option(text: str, options: Sequence[str]) -> str:
    for form in (str.casefold, words):  # "A+" and "A-" have the same words
        like = [option for option in options if form(option) == form(text)]
        if len(like) == 1:
            return like[0]
    raise InvalidInput(f"{text[:80]!r} is none of {', '.join(options)}.")
