"""What the offline reader knows of words: terms, function words, and the sentences of an excerpt.

Only general English lives here. It must never hold a list that is keyed to a kind of question or
of document. Next: `nodes/reading_question.py` reads a question with it, `nodes/reading_score.py`
weighs sentences.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from threading import Lock
from typing import Final

import snowballstemmer

from tools.passages import is_heading, sentences
from tools.tables import periods, tells_columns

WORD: Final = re.compile(r"[^\W\d_]+(?:[’'](?:s|t|re|ve|ll)\b)?|\d[\d.,/]*\d|\d|§|\$|%")

_STEMMER = snowballstemmer.stemmer("english")
_ONE_AT_A_TIME = Lock()
"""The stemmer keeps the word that it works on in itself, and several nodes read at once."""


_IRREGULAR: Final = {
    "bought": "buy", "brought": "bring", "chosen": "choose", "fell": "fall", "gave": "give",
    "given": "give", "grew": "grow", "grown": "grow", "held": "hold", "kept": "keep", "led": "lead",
    "lost": "lose", "made": "make", "paid": "pay", "rose": "rise", "risen": "rise", "sold": "sell",
    "sought": "seek", "spent": "spend", "taken": "take", "took": "take", "written": "write",
}  # fmt: skip
"""Forms of verbs that no stemmer brings together, those of business."""


@lru_cache(maxsize=50_000)
def stem(word: str) -> str:
    """Return the stem of a lower-case word (Porter's second English stemmer)."""
    word = _IRREGULAR.get(word, word)
    with _ONE_AT_A_TIME:
        return str(_STEMMER.stemWord(word))


def stems(words: str) -> frozenset[str]:
    """Return the stems of some words written one after the other."""
    return frozenset(map(stem, words.split()))


FUNCTION: Final = stems(
    """
    a an the this that these those such said it its he she they them their his her i we you your our
    is are was were be been being am do does did done have has had having
    of to in on at by for from with as into onto upon per via over under within during through
    between among about against and or nor but if then than so also both either neither each every
    all any some no not none other others another same
    which what who whom whose where when how why whether
    may might can could shall should will would must
    there here thereof hereof herein thereto hereto hereunder thereunder therein hereby thereby
    s t re ve ll etc e g i
    """
)
"""Words that carry no content of their own: they neither find nor prove an answer."""
FRAME: Final = stems(
    "agreement contract document party parties counterparty clause provision section condition"
)
"""What documents call themselves and those who made them: questions name them in passing."""
MODALS: Final = stems("shall must will may can cannot agrees agree hereby entitled")
_AFTER_MODAL: Final = FUNCTION | stems("only at time immediately fully")


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
    """The terms of the sentence that introduces the list it is an item of, or of the row of years
    over the figures."""
    states: bool
    """It says something: it is no heading, number or scrap."""
    row: bool
    """It is a row of figures, or a name with its value, and so is short by nature."""


_VERBAL: Final = re.compile(
    r"\b(shall|must|will|may|agrees?|hereby|cannot|is entitled|are entitled)\b", re.IGNORECASE
)
_ITEM: Final = re.compile(r"\s*(?:\(|[A-Za-z0-9]{1,3}[.)]|[•·-])")
_YEAR: Final = re.compile(r"\b(?:19|20)\d\d\b")
_NAMED: Final = re.compile(r"\W*[^\W\d][^:.;|]{2,40}[:|]\s*\S")
_FIGURE: Final = re.compile(r"(?<=\s)[$€£(]?\d[\d.,]*")


def _titles(text: str, words: Sequence[str]) -> bool:
    """Say whether a unit is a heading, be it one that runs into its paragraph."""
    short = len(text) < 70 and len(words) <= 8 and not _VERBAL.search(text)
    return short or is_heading(text)


def _states(text: str, words: Sequence[str]) -> bool:
    if len(words) >= 5 and sum(map(str.isalnum, text)) >= 20:
        return True
    item = bool(_ITEM.match(text)) and text[-1] in ";,."
    return len(content(words)) >= 2 and (item or bool(_FIGURE.search(text)))


@lru_cache(maxsize=512)
def units(text: str, heads: str = "", wording: Callable[[str], str] = str) -> tuple[Unit, ...]:
    """Cut an excerpt into units; `heads` are the columns of the table that it begins inside of.

    `wording` puts a unit into the words of which it has its terms.
    """
    found: list[Unit] = []
    over: tuple[str, ...] = ()
    lead: tuple[str, ...] = ()
    columns = terms(heads)
    for span in sentences(text):
        piece = text[span.start : span.end]
        words = terms(wording(piece))
        figures = len(_FIGURE.findall(piece))
        is_head = tells_columns(piece)
        if periods(piece) or (figures and figures == len(_YEAR.findall(piece))):
            columns = words
        elif _titles(piece, words):
            over = words
        introduced = lead if _ITEM.match(piece) else columns if figures > 1 else ()
        states = _states(piece, words) and not is_head
        row = states and (figures > 1 or bool(_NAMED.match(piece))) and len(words) < 16
        found.append(Unit(span.start, span.end, piece, words, over, introduced, states, row))
        if piece.endswith(":"):
            lead = words
    return tuple(found)
