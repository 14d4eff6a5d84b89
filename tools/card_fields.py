"""Fields with a label, as forms, letters, mails, policies and invoices have them: "Policy No. 7".

A label stands at the beginning of a line and its value behind it. Numbers of the document are found
within lines as well. Everything is pure. Next: `tools/cards.py`, which decides what they are.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from storage.records import Stated
from tools import card_names, names
from tools.card_text import Part
from tools.dates import iso

_PERSONS: Final = (
    r"from|to|cc|sender|recipient|author|owner|prepared\s+(?:by|for)|issued\s+(?:by|to)|approved\s+by"
    r"|bill(?:ed)?\s+to|ship\s+to|sold\s+to|customer|client|vendor|supplier|seller|buyer|purchaser"
    r"|company(?:\s+name)?|organi[sz]ation|employer|employee|(?:named\s+)?insured|insurer|policy\s?holder"
    r"|landlord|tenant|lessor|lessee|licensor|licensee|borrower|lender|contractor|consultant"
    r"|department|name\s+of\s+(?:the\s+)?(?:company|issuer|insured|fund)|issuer|fund|claimant"
)
_DATED: Final = (
    r"(?:(?:effective|issue|invoice|order|contract|agreement|report|review|revision|start"
    r"|commencement|expir(?:y|ation)|approval|policy|meeting)\s+)?dated?"
    r"|date\s+of\s+(?:issue|report|meeting|agreement|letter|approval)"
    r"|sent|received|issued|effective(?:\s+from)?|last\s+(?:revised|updated)|adopted|approved"
)
_TITLED: Final = r"subject|re|title|regarding|document\s+title|document\s+name"
_FIELD: Final = re.compile(
    rf"^[^\S\n]*(?:[-*•|][^\S\n]*)?(?:\*\*)?(?P<label>{_PERSONS}|{_DATED}|{_TITLED})(?:\*\*)?"
    r"[^\S\n]*[:|][^\S\n]*(?:\*\*)?[^\S\n]*(?P<value>[^\n|]{2,200})",
    re.IGNORECASE | re.MULTILINE,
)
_IS_DATE: Final = re.compile(rf"(?:{_DATED})", re.IGNORECASE)
_IS_TITLE: Final = re.compile(rf"(?:{_TITLED})", re.IGNORECASE)

_HOW: Final = (
    r"no\b\.?|nos\b\.?|number|num\b\.?|id\b|identification(?:\s+(?:no\b\.?|number))?|code|key"
)
_VALUE: Final = r"(?P<value>(?=[A-Z0-9./_-]*\d)[A-Z0-9][A-Z0-9./_-]{2,30})"
_NUMBERED: Final = re.compile(
    r"\b(?P<label>(?:[A-Z][\w&]*\s+)?(?:agreement|contract|policy|invoice|(?:purchase\s+)?order|account"
    r"|claim|reference|ref|our\s+ref|file|case|project|docket|document|certificate|registration|loan"
    r"|permit|licen[cs]e|matter|customer|quot(?:e|ation)|tender|bid|grant|lease|company|tax|report"
    r"|commission\s+file|CIK|LEI|ISIN|CUSIP|VAT|EIN|D-?U-?N-?S|PO|RFP))"
    rf"(?:\s+(?P<how>{_HOW})\s*[:#]?|\s*[:#№])\s*{_VALUE}",
    re.IGNORECASE,
)
# What such a number has behind its label. It is rare, and soon found.
_BEHIND: Final = re.compile(rf"(?=[nick:#№])(?:(?:{_HOW})\s*[:#]?|[:#№])\s*{_VALUE}", re.IGNORECASE)
_BEGINS: Final = re.compile(r"\b(?=\w)")
_LONGEST_LABEL: Final = 5
"""Words before what `_BEHIND` finds that a label may have, and more."""
_MOST_NUMBERS: Final = 12
_DIGITS: Final = re.compile(r"\d")
_MAIL: Final = re.compile(r"<?([\w.+-]+@[\w-]+(?:\.[\w-]+)+)>?")


@dataclass(frozen=True, slots=True)
class Field:
    """A field: its label in lower case, and where its value stands."""

    label: str
    start: int
    end: int
    value: str

    @property
    def is_date(self) -> bool:
        """Whether the label asks for a date."""
        return bool(_IS_DATE.fullmatch(self.label))

    @property
    def is_title(self) -> bool:
        """Whether the label asks for what the document is about."""
        return bool(_IS_TITLE.fullmatch(self.label))


def fields(text: Part) -> Iterator[Field]:
    """Yield the labelled fields of a text, in order."""
    for match in _FIELD.finditer(text.text):
        label = " ".join(match["label"].lower().split())
        value = match["value"].strip(" *_")
        if value:
            yield Field(label, match.start("value"), match.end("value"), value)


def is_mail(found: list[Field]) -> bool:
    """Say whether fields are the head of a mail, sent or printed."""
    first = {field.label for field in found[:8]}
    return "from" in first and bool(first & {"to", "date", "sent"}) and "subject" in first


def persons(text: Part, found: list[Field]) -> Iterator[Stated]:
    """Yield those whom the fields name, with their addresses as other names."""
    for field in found:
        if field.is_date or field.is_title or iso(field.value):
            continue
        many = field.label in ("to", "cc")
        for start, end in _listed(field) if many else ((field.start, field.end),):
            written = text.text[start:end]
            addresses = _MAIL.findall(written)
            bare = _MAIL.sub("", written).replace('"', "")
            name = names.plain(bare) if addresses else card_names.name(bare)
            name = name or "".join(addresses[:1])
            is_name = name[:1].isupper() or name[:1].isdigit() or "@" in name
            if is_name and len(name.split()) <= 12:
                stated = text.stated(start, end, name, what=field.label, called=addresses)
                if stated:
                    yield stated


_ONE_OF_MANY: Final = re.compile(r"[^,;<>\"]*(?:\"[^\"]*\")?[^,;<>\"]*<[^>]*>|[^,;]+")


def _listed(field: Field) -> Iterator[tuple[int, int]]:
    """Part a list of addresses."""
    for match in _ONE_OF_MANY.finditer(field.value):
        yield field.start + match.start(), field.start + match.end()


def identifiers(text: Part) -> Iterator[Stated]:
    """Yield the numbers by which the document, or one who made it, is known."""
    count = 0
    for match in _numbered(text.text):
        value = match["value"].rstrip("./-_")
        # "Section 3 of the Agreement: 2019": a year, or a small figure, is no number of anything.
        if len(_DIGITS.findall(value)) < 2 or re.fullmatch(
            r"(?:19|20)\d\d|\d{1,2}(?:\.\d+)*", value
        ):
            continue
        end = match.start("value") + len(value)
        what = " ".join(f"{match['label']} {(match['how'] or '')}".split()).strip(" .:#").lower()
        stated = text.stated(match.start(), end, value, what=what)
        if stated and count < _MOST_NUMBERS:
            count += 1
            yield stated


def _numbered(text: str) -> Iterator[re.Match[str]]:
    """Yield all that `_NUMBERED` finds, which is tried only where a number with a sign follows."""
    end = at = 0
    while behind := _BEHIND.search(text, at):
        at = behind.start()
        words = text[end:at].rsplit(maxsplit=_LONGEST_LABEL)
        begin = end + len(words[0]) if len(words) > _LONGEST_LABEL else end
        places = (found.start() for found in _BEGINS.finditer(text, begin, at))
        match = next(filter(None, (_NUMBERED.match(text, place) for place in places)), None)
        if match:
            yield match
            end = match.end()
        at = match.end() if match else at + 1
