"""Reads a question: what it asks about, and what kind of answer would do.

A question is general English; nothing here knows what a question is about. Words that it links
with "or", "and" or commas are alternatives: one of them is enough, so they form one slot. The
words that every question about a document shares ("agreement", "party") weigh nothing as slots.
Next: `nodes/reading_score.py` weighs sentences against what this returns.
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Final, Literal

from nodes.reading_plain import LIGHT, MEASURES, meanings, plainly
from nodes.reading_text import FRAME, FUNCTION, WORD, content, stems, terms

Kind = Literal["title", "parties", "made", "named", "clause"]
"""The title, the parties or the date of the document as a whole; who has a role; anything else."""

_PLAIN: Final = 5
"""Content words that a plain question has at most."""
_DATE: Final = re.compile(r"\bdate\b", re.IGNORECASE)
"""Who asks for a date asks for it by its name, which is the word of documents already."""
_NAMES_IT: Final = re.compile(r"\b(\w+)\s+(?:agreement|contract|document)\b", re.IGNORECASE)
"""In "the sponsorship agreement" a word names the document, and asks for nothing in it."""
_ASKING: Final = stems(
    "which what who whom whose where when how why whether there is are do does did can"
)
_LINK: Final = re.compile(r"[,/]|\b(?:or|and|nor)\b", re.IGNORECASE)
_BREAK: Final = re.compile(r"[:;?.]|\b(?:which|who|that)\b")
_PART: Final = re.compile(r"[,:;?.()]|\b(?:or|and|such as|so that)\b")

_UNCONDITIONAL: Final = re.compile(
    r"\b(?:without|any reason|no reason|any time|regardless|merely|solely)\b", re.IGNORECASE
)
FREELY: Final = re.compile(
    r"\b(?:without (?:\w+ )?(?:cause|reason)|for (?:\w+ )?convenience|any (?:reason|time)|no reason"
    r"|(?:sole|own|absolute) discretion|whether or not|with or without|regardless)\b",
    re.IGNORECASE,
)
"""Without a reason, or for whichever: what may be done so depends on nothing."""
_FOLLOWS: Final = re.compile(r"\b(?:happens?|if|in case|after|upon|during|before)\b", re.IGNORECASE)
_WHEN: Final = re.compile(
    r"\b(?:when|(?:what|which) (?:\w+ )?(?:date|day)|date|until)\b", re.IGNORECASE
)
_HOW_LONG: Final = re.compile(
    r"\bhow (?:long|much notice|many (?:hours|days|weeks|months|years))\b|\bduration\b"
    r"|\b(?:what|which) (?:\w+ ){0,3}(?:periods?|terms?|length)\b|\b(?:time|successive) periods?\b"
    r"|\bperiod of time\b|\bnotice period\b",
    re.IGNORECASE,
)
_HOW_MUCH: Final = re.compile(
    r"\bhow (?:much|many)\b(?! (?:notice|hours|days|weeks|months|years))"
    r"|\b(?:what|which) (?!happens|if)(?:\w+ ){0,3}"
    r"(?:amount|number|percentage|rate|price|fees?|sum|rent|costs?|revenues?|income|limit)\b",
    re.IGNORECASE,
)

_TITLE: Final = re.compile(r"\b(?:title|name|heading|headline|called|entitled)\b", re.IGNORECASE)
_PARTIES: Final = re.compile(
    r"\bwho (?:are|is|were) (?:\w+ ){0,5}?part(?:y|ies)\b|\bnames? (?:\w+ ){0,3}part(?:y|ies)\b"
    r"|\bbetween (?:which|what|whom)\b"
    r"|\b(?:which|what) (?:\w+ ){0,3}(?:are|were) (?:the )?parties\b"
    r"|\bwho (?:\w+ )?(?:signed|made|entered into|concluded|executed)\b",
    re.IGNORECASE,
)
_WHO: Final = re.compile(r"\s*who (?:is|are|was|were) (?:the |its |our )", re.IGNORECASE)

# What a question may say besides, if it asks for the title, the date or the parties of the whole.
_ABOUT_TITLE: Final = stems("title name head headline call entitle give conclude under written")
_ABOUT_MAKING: Final = stems(
    "date dated day made make enter sign execute conclude issue publish write written made"
)
_ABOUT_PARTIES: Final = stems(
    "name define refer call company person entity organization two more side make sign enter"
)
_DOCUMENTS: Final = stems(
    "lease policy report deed plan letter license licence statement memorandum note handbook"
)


@dataclass(frozen=True, slots=True)
class Question:
    """What was asked, taken apart. All words are stems."""

    text: str
    kind: Kind
    terms: tuple[str, ...]
    """Content words, each once, in order."""
    slots: tuple[tuple[str, ...], ...]
    """Content words without the frame; alternatives together."""
    parts: tuple[tuple[str, ...], ...]
    """The content words between commas and conjunctions."""
    pairs: frozenset[tuple[str, str]]
    """Neighbouring words, at least one of them a content word."""
    unconditional: bool
    freely: bool
    """It asks what may be done for no reason, or for any."""
    when: bool
    how_long: bool
    how_much: bool
    plain: bool
    """It says in a few everyday words what it asks for: each of them has to be met."""

    follows: bool
    """It asks what follows from something, which then is the circumstance of the answer."""

    @property
    def wanted(self) -> frozenset[str]:
        """What its slots ask for, in all its words."""
        words = [word for slot in self.slots for word in slot]
        return frozenset(meanings(words) if self.plain else words)


@lru_cache(maxsize=256)
def read_question(text: str, may_be_plain: bool = True) -> Question:
    """Take a question apart; one that is left of a longer one cannot be plain."""
    sequence = terms(text)
    words = tuple(dict.fromkeys(t for t in sequence if t not in FUNCTION))
    when, long = bool(_WHEN.search(text)), bool(_HOW_LONG.search(text))
    kind, slots = _kind(text, words, when), _slots(text)
    few = len(words) <= _PLAIN and not _DATE.search(text)
    plain = may_be_plain and few and kind in ("clause", "named")
    if plain:
        slots = _telling(_slots(plainly(text)), frozenset(terms(" ".join(_NAMES_IT.findall(text)))))
        words = tuple(dict.fromkeys(word for slot in slots for word in slot))
    parts = (words,) if plain else _parts(text, words)
    return Question(
        text=text,
        kind=kind,
        terms=words,
        slots=slots,
        parts=parts,
        pairs=_pairs(sequence),
        freely=bool(FREELY.search(text)),
        unconditional=bool(_UNCONDITIONAL.search(text)),
        when=when,
        how_long=long,
        how_much=bool(_HOW_MUCH.search(text)),
        plain=plain,
        follows=bool(_FOLLOWS.search(text)),
    )


def _telling(
    slots: tuple[tuple[str, ...], ...], names: frozenset[str]
) -> tuple[tuple[str, ...], ...]:
    """Return the slots of a plain question that an answer has to meet; `names` name the document.

    If it says nothing but "how long" or "how much", that is what it asks.
    """
    solid = _without(slots, LIGHT)
    telling = _without(solid, MEASURES)
    return _without(telling, names) or telling or solid


def _without(
    slots: tuple[tuple[str, ...], ...], words: frozenset[str]
) -> tuple[tuple[str, ...], ...]:
    left = (tuple(word for word in slot if word not in words) for slot in slots)
    return tuple(filter(None, left))


def _kind(text: str, words: tuple[str, ...], when: bool) -> Kind:
    rest = set(words) - FRAME - _DOCUMENTS
    if _TITLE.search(text) and rest <= _ABOUT_TITLE:
        return "title"
    if _PARTIES.search(text) and rest <= _ABOUT_PARTIES | _ABOUT_MAKING:
        return "parties"
    if when and rest and rest <= _ABOUT_MAKING:
        return "made"
    return "named" if _WHO.match(text) else "clause"


def _pairs(sequence: tuple[str, ...]) -> frozenset[tuple[str, str]]:
    return frozenset(
        (a, b)
        for a, b in pairwise(sequence)
        if not (a in FUNCTION and b in FUNCTION) and a not in _ASKING and b not in _ASKING
    )


def _parts(text: str, words: tuple[str, ...]) -> tuple[tuple[str, ...], ...]:
    """Return the words of each part of a question: not what a figure falls into that is cut."""
    parts = (tuple(dict.fromkeys(t for t in terms(p) if t in words)) for p in _PART.split(text))
    return tuple(part for part in parts if part)


def _slots(text: str) -> tuple[tuple[str, ...], ...]:
    """Group content words with their alternatives: "books, records or premises" is one slot."""
    groups: list[list[str]] = []
    last = None
    for match in WORD.finditer(text):
        (term,) = terms(match[0]) or ("",)
        if term in FUNCTION:
            continue
        gap = text[last : match.start()] if last is not None else ""
        if last is not None and _LINK.search(gap) and not _BREAK.search(gap):
            groups[-1].append(term)
        else:
            groups.append([term])
        last = match.end()
    slots = (tuple(dict.fromkeys(t for t in group if t not in FRAME)) for group in groups)
    seen: set[str] = set()
    found = []
    for slot in slots:
        if content(slot) - seen:
            found.append(slot)
        seen.update(slot)
    return tuple(found)
