"""What the offline reader knows of words: terms, function words, and the sentences of an excerpt.

Only general English lives here. It must never hold a list that is keyed to a kind of question or
of document. Next: `nodes/reading_question.py` reads a question with it, `nodes/reading_score.py`
weighs sentences.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import snowballstemmer

from tools.passages import is_heading, sentences

WORD: Final = re.compile(r"[^\W\d_]+(?:[’'](?:s|t|re|ve|ll)\b)?|\d[\d.,/]*\d|\d|§|\$|%")

# Words that carry no content of their own: they neither find nor prove an answer.
_FUNCTION_WORDS: Final = """
    a an the this that these those such said it its he she they them their his her i we you your our
    is are was were be been being am do does did done have has had having
    of to in on at by for from with as into onto upon per via over under within during through
    between among about against and or nor but if then than so also both either neither each every
    all any some no not none other others another same
    which what who whom whose where when how why whether
    may might can could shall should will would must
    there here thereof hereof herein thereto hereto hereunder thereunder therein hereby thereby
    s t re ve ll etc e g i
""".split()

# What documents call themselves and those who made them: a question names them in passing.
_FRAME_WORDS: Final = """
    agreement contract document party parties counterparty clause provision section condition
""".split()

_MODALS: Final = "shall must will may can cannot agrees agree hereby entitled".split()
_SKIPPED_AFTER_MODAL: Final = "only at time immediately fully".split()

_STEMMER = snowballstemmer.stemmer("english")


@lru_cache(maxsize=50_000)
def stem(word: str) -> str:
    """Return the stem of a lower-case word (Porter's second English stemmer)."""
    return str(_STEMMER.stemWord(word))


FUNCTION: Final = frozenset(map(stem, _FUNCTION_WORDS))
FRAME: Final = frozenset(map(stem, _FRAME_WORDS))
MODALS: Final = frozenset(map(stem, _MODALS))
_AFTER_MODAL: Final = FUNCTION | frozenset(map(stem, _SKIPPED_AFTER_MODAL))


def terms(text: str) -> tuple[str, ...]:
    """Return the stems of the words of a text, in order; possessive endings are dropped."""
    return tuple(stem(re.split("[’']", m[0], maxsplit=1)[0].lower()) for m in WORD.finditer(text))


def content(words: Iterable[str]) -> set[str]:
    """Return the terms that are no function words."""
    return set(words) - FUNCTION


def akin(one: str, other: str) -> bool:
    """Say whether two different stems are probably of one family: "liabl" and "liabil"."""
    shared = 0
    for a, b in zip(one, other, strict=False):
        if a != b:
            break
        shared += 1
    return shared >= 5 and shared >= 0.75 * max(len(one), len(other))


def operative(words: Sequence[str]) -> set[str]:
    """Return what a sentence orders or allows: the first two content terms after each modal."""
    found: set[str] = set()
    for at, word in enumerate(words):
        if word in MODALS:
            after = [w for w in words[at + 1 : at + 7] if w not in _AFTER_MODAL]
            found.update(after[:2])
    return found


@dataclass(frozen=True, slots=True)
class Unit:
    """A sentence, list item, row or heading of an excerpt, with what stands over it."""

    start: int
    end: int
    text: str
    terms: tuple[str, ...]
    over: tuple[str, ...]
    """The terms of the heading it stands under."""
    lead: tuple[str, ...]
    """The terms of the sentence that introduces the list it is an item of."""


_VERBAL: Final = re.compile(
    r"\b(shall|must|will|may|agrees?|hereby|cannot|is entitled|are entitled)\b", re.IGNORECASE
)
_ITEM: Final = re.compile(r"\s*(?:\(|[A-Za-z0-9]{1,3}[.)]|[•·])")


def _titles(text: str, words: Sequence[str]) -> bool:
    """Say whether a unit is a heading, be it one that runs into its paragraph."""
    short = len(text) < 70 and len(words) <= 8 and not _VERBAL.search(text)
    return short or is_heading(text)


@lru_cache(maxsize=512)
def units(text: str) -> tuple[Unit, ...]:
    """Cut an excerpt into units."""
    found: list[Unit] = []
    over: tuple[str, ...] = ()
    lead: tuple[str, ...] = ()
    for span in sentences(text):
        piece = text[span.start : span.end]
        words = terms(piece)
        if _titles(piece, words):
            over = words
        introduced = lead if _ITEM.match(piece) else ()
        found.append(Unit(span.start, span.end, piece, words, over, introduced))
        if piece.endswith(":"):
            lead = words
    return tuple(found)
