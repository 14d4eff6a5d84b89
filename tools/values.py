"""Normalises what was quoted: a date, a jurisdiction, the names of parties, an amount of money.

Each function takes a stretch of text, a quote most often, and returns the value that it states
first, or nothing where it states none or leaves it open ("the __ day of May"): a value is read,
never guessed or computed. The patterns are of English business writing in general.
It must never know which question was asked. Next: `tools/openings.py` finds what to quote,
`scripts/scoring.py` compares values with labels.
"""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Final

from tools.openings import COMPANY, DATE, DESCRIBED, LEGAL, MONTH, SPELLED_DAY
from tools.places import COUNTRIES, PARTS

MOST_CHARS: Final = 4_000
"""Of a text that are looked at: more than a quote has, and not enough to keep a machine busy."""

# --- Dates

_MONTHS: Final = re.findall(r"\w+", "jan feb mar apr may jun jul aug sep oct nov dec")
_ORDINALS: Final = {
    word: number
    for number, word in enumerate(
        re.findall(
            r"\w+",
            "first second third fourth fifth sixth seventh eighth ninth tenth eleventh"
            " twelfth thirteenth fourteenth fifteenth sixteenth seventeenth eighteenth"
            " nineteenth twentieth",
        ),
        1,
    )
} | {"thirtieth": 30}
_TENS: Final = {"twenty": 20, "thirty": 30}
_MONTH_NAME: Final = re.compile(rf"(?<![^\W\d_]){MONTH}", re.IGNORECASE)
_NUMBERS: Final = re.compile(r"\d+")
_SPELLED_OUT: Final = re.compile(rf"\b(?:{SPELLED_DAY})\b", re.IGNORECASE)
_PIVOT: Final = 69
"""Years of two digits from here on are of the last century (POSIX, `strptime`)."""


def iso_date(text: str) -> date | None:
    """Return the first whole date that a text states: one with a day, a month and a year.

    Figures alone are read as month, day, year where slashes or hyphens part them, unless only day,
    month, year makes a date; full stops part day, month, year.
    """
    return next(dates(text), None)


def dates(text: str) -> Iterator[date]:
    """Yield every whole date that a text states, in order, as `iso_date` reads them."""
    for match in DATE.finditer(text[:MOST_CHARS]):
        if found := _date(match[0]):
            yield found


def _date(text: str) -> date | None:
    figures = [int(each) for each in _NUMBERS.findall(text)]
    if month := _MONTH_NAME.search(text):
        if spelled := _SPELLED_OUT.search(text):
            figures.insert(0, _spelled(spelled[0]))
        if len(figures) != 2:
            return None
        return _calendar(figures[1], _MONTHS.index(month[0][:3].lower()) + 1, figures[0])
    if len(figures) != 3:
        return None
    first, second, third = figures
    if re.match(r"\d{4}", text):
        return _calendar(first, second, third)
    if third < 100:
        third += 1900 if third >= _PIVOT else 2000
    day_first = _calendar(third, second, first)
    return day_first if "." in text else _calendar(third, first, second) or day_first


def _spelled(words: str) -> int:
    """Return the number of a day that is spelled out: "twenty-first"."""
    *tens, last = re.split(r"[\s-]+", words.lower())
    return sum(_TENS[ten] for ten in tens) + _ORDINALS[last]


def _calendar(year: int, month: int, day: int) -> date | None:
    try:
        return date(year, month, day)
    except ValueError:
        return None


# --- Jurisdictions

_PLACES: Final = {" ".join(name.casefold().split()): name for name in (*PARTS, *COUNTRIES)}
_PLACE: Final = re.compile(
    r"(?<![\w-])(?:"
    + "|".join(re.escape(p).replace(r"\ ", r"\s+") for p in sorted(_PLACES, key=len, reverse=True))
    + r")(?!\w)",
    re.IGNORECASE,
)
_STATE_OF: Final = (
    r"(?:(?:the\s+)?(?:\w+[’']s\s+|federal\s+)?(?:state|commonwealth|province|republic|kingdom"
    r"|federation|territory|emirate|courts)s?\s+of\s+)?(?:the\s+)?"
)
_LAWS_OF: Final = re.compile(
    r"\b(?:laws?|legislation|statutes|rules)\b(?:\s+(?:in\s+force\s+)?(?:of|in)\b)?[\s,]+"
    rf"(?:[^.;]{{0,40}}\band\s+(?:of\s+)?)?{_STATE_OF}$",
    re.IGNORECASE,
)
_IN_STATE: Final = re.compile(
    r"\b(?:state|commonwealth|province|republic|kingdom)\s+of\s+(?:the\s+)?$", re.IGNORECASE
)
_ITS_LAW: Final = re.compile(r"(?:[’']s)?\s+(?:\w+\s+)?laws?\b", re.IGNORECASE)
_CONTEXT: Final = 80


def jurisdiction(text: str) -> str | None:
    """Return the state, province or country whose law a text names, in English.

    Of several the one that stands as "laws of …" or "… law" is taken, a part of a country before
    the country. A text that names one place only needs no such words.
    """
    best: tuple[int, str] | None = None
    text = text[:MOST_CHARS]
    for match in _PLACE.finditer(text):
        name = _PLACES[" ".join(match[0].casefold().split())]
        if match[0].islower():
            continue  # "china", "turkey"
        before = text[max(0, match.start() - _CONTEXT) : match.start()]
        score = 4 * bool(_LAWS_OF.search(before)) + 3 * bool(_ITS_LAW.match(text, match.end()))
        score += 2 * bool(_IN_STATE.search(before)) + (name in PARTS)
        if best is None or score > best[0]:
            best = score, name
    return best[1] if best else None


# --- Names

_FORM: Final = re.compile(
    r"^(?:inc|incorporated|corp|corporation|llc|limited|ltd|lp|llp|plc|gmbh|ag|sa|nv|bv|pty|co"
    r"|company|kg|se|spa|srl|sarl|ab|oy|as|aps|pte|pllc|pc|limited liability company)$"
)
_PARENS: Final = re.compile(r"\s*\(([^()]*)\)")
_DEFINING: Final = re.compile(
    r"[\"“”„]|\b(?:hereinafter|collectively|together|formerly)\b|(?-i:^the\s+[A-Z])", re.IGNORECASE
)
_LEAD: Final = re.compile(
    r"^(?:.*\b(?:by\s+and\s+between|between|among(?:st)?)\b)?[\s,;:.]*"
    r"(?:(?:and/or|and|or|by|both)\b[\s,;:.]*)*(?:\(?(?:\d|[a-z])[.)]\s*)?",
    re.IGNORECASE | re.DOTALL,
)
_ROLE: Final = re.compile(r"^[A-Z][a-z]{2,20}:\s+(?=[A-Z])")
"""What somebody is, before the name: "Client: Acme Ltd."."""
_FULL_NAME: Final = re.compile(rf"(?:{LEGAL}|{LEGAL.upper()})\.?[\s,]+(and)\s+(?=[A-Z])")
_NEXT_COMPANY: Final = re.compile(
    rf"((?:{LEGAL}|{LEGAL.upper()})\.?),\s+(?!(?:{LEGAL}|{LEGAL.upper()})\b)"
    rf"(?=[A-Z][\w.&'’-]*(?:\s+[A-Z&(][\w.&'’()-]*){{0,6}},?\s+(?:{LEGAL}|{LEGAL.upper()})\b)"
)
"""A comma between two companies: "Acme Inc., Beta LLC"."""
_SHORTENED: Final = re.compile(
    r"(?:\b(?:inc|corp|ltd|co|cie|bros|assn|jr|sr|esq|pty|pte|ltda|sr?l|s\.?p\.?a)|(?:\b\w\.)*\b\w)\.$",
    re.IGNORECASE,
)
"""Ends with a full stop of its own: "Acme Corp.", "X Y S.A."."""
_WORD: Final = re.compile(r"[^\W_]+")


def party_names(text: str) -> list[str]:
    """Return the names that a text lists, as it spells them, without what describes or defines.

    `Tern Metals GmbH, a German company (the "Supplier"), and Ann Lee ("Buyer")` gives
    `["Tern Metals GmbH", "Ann Lee"]`.
    """
    names = []
    for piece in _pieces(text[:MOST_CHARS]):
        bare = _ROLE.sub("", _LEAD.sub("", " ".join(piece.split()), count=1))
        after = DESCRIBED.search(bare)
        # "Bunker One (USA) Inc.": brackets inside a name do not end it.
        while after and after[0] == " (" and COMPANY.match(bare, 0):
            company = COMPANY.match(bare, 0)
            if company is None or company.end() <= after.start():
                break
            after = DESCRIBED.search(bare, company.end())
        name = (bare[: after.start()] if after else bare).strip(" ,;:-–\"“”'")
        if not _SHORTENED.search(name):
            name = name.rstrip(" .")
        if any(map(str.isupper, name)):
            names.append(name)
    return list(dict.fromkeys(names))


def _pieces(text: str) -> Iterator[str]:
    """Yield the parts of a list of parties: each ends where a name is defined for it."""
    marked = _PARENS.sub(lambda m: " ; " if _DEFINING.search(m[1]) else m[0], text)
    marked = _NEXT_COMPANY.sub(r"\1; ", marked)
    marked = _FULL_NAME.sub(lambda m: m[0].replace("and", ";", 1), marked)
    yield from marked.split(";")


def party_key(name: str) -> str:
    """Return what two spellings of one name share: letters and digits, without its legal form."""
    folded = unicodedata.normalize("NFKC", name).casefold().replace(".", "").replace("’", "'")
    words = _WORD.findall(folded.replace("'", ""))
    if words[:1] == ["the"]:
        words = words[1:]
    while len(words) > 1 and _FORM.match(words[-1]):
        words.pop()
    return "".join(words)


# --- Money


@dataclass(frozen=True, slots=True)
class Money:
    """An amount with its currency (ISO 4217)."""

    amount: Decimal
    currency: str


_SIGNS: Final = {
    "US$": "USD",
    "C$": "CAD",
    "CA$": "CAD",
    "CAD$": "CAD",
    "A$": "AUD",
    "AU$": "AUD",
    "NZ$": "NZD",
    "HK$": "HKD",
    "S$": "SGD",
    "$": "USD",
    "€": "EUR",
    "£": "GBP",
    "¥": "JPY",
}
_WORDS: Final = {
    "dollar": "USD",
    "euro": "EUR",
    "pound": "GBP",
    "yen": "JPY",
    "franc": "CHF",
    "yuan": "CNY",
    "renminbi": "CNY",
    "rupee": "INR",
}
_CODES: Final = (
    "USD|EUR|GBP|JPY|CHF|CAD|AUD|NZD|CNY|RMB|HKD|SGD|INR|SEK|NOK|DKK|PLN|CZK|ILS|KRW|BRL|MXN|ZAR"
)
_SCALES: Final = {
    "hundred": 2,
    "thousand": 3,
    "k": 3,
    "million": 6,
    "mn": 6,
    "mm": 6,
    "m": 6,
    "billion": 9,
    "bn": 9,
    "b": 9,
    "trillion": 12,
}
_SIGN: Final = "|".join(re.escape(sign) for sign in sorted(_SIGNS, key=len, reverse=True))
# Possessive: hostile figures are gone through once.
_AMOUNT: Final = r"\d{1,3}(?:,\d{3})++(?:\.\d++)?|\d++(?:\.\d++)?"
_SCALE: Final = r"hundred|thousand|million|billion|trillion|mn|mm|bn|[kKmMbB]"
MONEY: Final = re.compile(
    rf"(?:(?P<sign>{_SIGN})|\b(?P<before>{_CODES})\$?)\s?(?P<minus>[(-]\s?)?(?P<a>{_AMOUNT})"
    rf"(?:\s?(?P<scale>{_SCALE})\b)?"
    rf"|(?<!\d)(?P<b>{_AMOUNT})(?:\s?(?P<times>{_SCALE}))?\)?\s?(?:(?P<after>{_CODES}|€|£)(?!\w)"
    rf"|(?:U\.?S\.?\s|United\s+States\s)?(?P<word>{'|'.join(_WORDS)})s?\b)",
    re.IGNORECASE,
)
"""An amount of money, with a sign, a code or the word for its currency."""


def money(text: str) -> Money | None:
    """Return the first amount with a currency that a text states in figures.

    "$" and "dollars" alone are the dollar of the United States, "¥" the yen. A scale that stands
    with the amount is applied ("$1.2 million"); one that heads a table is not known here.
    """
    match = MONEY.search(text[:MOST_CHARS])
    if match is None:
        return None
    figures = Decimal((match["a"] or match["b"]).replace(",", ""))
    scale = (match["scale"] or match["times"] or "").lower()
    amount = figures.scaleb(_SCALES[scale]) if scale else figures
    minus = bool(match["minus"])
    sign, code = match["sign"] or match["after"] or "", match["before"] or match["after"] or ""
    currency = _SIGNS.get(sign.upper()) or code.upper() or _WORDS[(match["word"] or "").lower()]
    return Money(-amount if minus else amount, "CNY" if currency == "RMB" else currency)
