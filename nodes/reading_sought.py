"""What a question about figures asks for: which item, of when, and of which part of a business.

"What was the cloud revenue of Acme in fiscal 2019?" asks for an item (revenue), a part (cloud) and
a time. Nothing of a document is known here. Next: `nodes/reading_rows.py` finds the row.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Final

from nodes.reading_standing import STATEMENTS
from nodes.reading_times import Time, times_asked
from tools.accounting import Item, Mention, mentions, placed, said
from tools.accounting_items import Statement

MOST_ITEMS: Final = 3
_WHY: Final = re.compile(
    r"\b(?:why|reasons?|drove|driven?|drivers?|caused?|because|explain\w*|who|where|which)\b",
    re.IGNORECASE,
)
_ASKS: Final = re.compile(
    r"\b(?:how\s+(?:much|many|high|large|did|has|have|does)|what(?:[’']s|\s+(?:was|were|is|are|did))"
    r"|compare|amounts?|values?)\b",
    re.IGNORECASE,
)
_MANY: Final = re.compile(
    r"\bhow\s+(?:many|much|large)\b|\b(?:number|amount)\s+of\b", re.IGNORECASE
)
_CHANGES: Final = re.compile(
    r"\b(?:change[sd]?|increas\w+|decreas\w+|grow\w*|grew|declin\w+|improv\w+|compar\w+|rose|fell"
    r"|higher|lower|differ\w*|versus|vs)\b",
    re.IGNORECASE,
)
_SHARE: Final = re.compile(r"%|\bpercent|(?<!per )\bshare of\b|\bproportion", re.IGNORECASE)
_OF_WHICH: Final = re.compile(r"\b(?:in|of|for|from|by|within)\b", re.IGNORECASE)
_WITHIN: Final = re.compile(
    r"\s+(?:(?:expenses?|costs?|charges?)\s+)?(?:(?:was|were|is|are|included|recorded|recognized)\s+)*"
    r"(?:in|within)\s+(?:the\s+|its\s+|their\s+|[\w.&-]{1,30}[’']s?\s+)?",
    re.IGNORECASE,
)
"""What stands between an item and another in which some of it is."""
_YES_OR_NO: Final = re.compile(
    r"\s*(?:does|do|did|is|are|was|were|has|have|can|will)\b", re.IGNORECASE
)
_YEAR: Final = re.compile(r"(?:fy)?\d+")
_PART_OF: Final = re.compile(r"\b(?:segments?|divisions?|regions?|units?)\b", re.IGNORECASE)
FILLER: Final = frozenset(
    said(
        """
        what was were is are how much many did does do has have had its their it they this these
        which that as year fiscal trailing latest recent current prior previous most full months
        end ended ending quarter first second third fourth
        three six nine twelve annual quarterly report reported reporting record recorded amount
        value level figure number company business according give response answer question relying
        rely details detail shown show using use primarily information based only statement
        statements sheet balance income cash flow statement us usd dollars dollar million millions
        billion billions thousand thousands total overall change changed increase decrease compared
        compare compares between versus vs than during over q1 q2 q3 q4 fy 10-k 10k 10-q form
        high large spend spent earn earned generate generated make made pay paid be been so far
        january february march april may june july august september october november december
        share shares per
        """
    )
)
TELLING: Final = frozenset({"current"})
"""Words that say nothing in a question, but in the name of a row of which part it is."""
SOFT: Final = frozenset(said("total net consolidated note notes less gross our group company"))
"""Words in the name of a row that change nothing of what it is."""


@dataclass(frozen=True, slots=True)
class Sought:
    """What a question about figures asks for."""

    item: Item | None
    words: tuple[str, ...]
    """What it says besides: an item that is not a known one, or a part of the business."""
    names: frozenset[str]
    """Words with a capital: of a company, or of a part of it."""
    before: frozenset[str]
    """The words just before the item: those of whom it is, or of which part of it."""
    times: tuple[Time, ...]
    statement: Statement | None
    of_part: bool
    """It asks for a segment, a division, a region."""
    share: bool
    """It asks for a percentage."""
    beyond: frozenset[str]
    """Words that say in, of or for what it is."""
    change: bool
    """It asks by how much a figure changed."""


def about_figures(question: str) -> bool:
    """Say whether a question may be answered by a row of figures."""
    if _WHY.search(question):
        return False
    known = bool(mentions(said(question)))
    return known or bool(_ASKS.search(question))


def yes_or_no(question: str) -> bool:
    """Say whether a question asks whether something is so, other than whether a figure changed."""
    return bool(_YES_OR_NO.match(question)) and not _CHANGES.search(question)


def changes(question: str) -> bool:
    """Say whether a question asks how a figure changed."""
    return bool(_CHANGES.search(question))


def figures_asked(question: str) -> bool:
    """Say whether a question asks how many or how much of something there is."""
    return bool(_MANY.search(question))


def part_asked(question: str) -> frozenset[str]:
    """Return the words that say of which part of a business, or of which product, a figure is."""
    return frozenset().union(*(s.names | s.before | s.beyond for s in sought_by(question)))


@lru_cache(maxsize=64)
def sought_by(question: str) -> tuple[Sought, ...]:
    """Return what a question asks for, each item apart; nothing if it names no item or time."""
    words = said(question)
    named = mentions(words)
    inside = {at for m in named for at in range(m.start, m.end)}
    left = tuple(
        dict.fromkeys(
            w
            for at, w in enumerate(words)
            if at not in inside and w not in FILLER and not _YEAR.fullmatch(w)
        )
    )
    capitals = frozenset(
        w for m in re.finditer(r"(?<=[\w,’'&-])\s+([A-Z][\w&’'.-]*)", question) for w in said(m[1])
    )
    times = times_asked(question)
    statement = next((s for s, p in STATEMENTS.items() if p.search(question)), None)
    of_part, share = bool(_PART_OF.search(question)), bool(_SHARE.search(question))
    names = capitals & frozenset(left)
    before: dict[Item | None, frozenset[str]] = {
        m.item: _just_before(question, m.start) for m in reversed(named)
    }
    items: list[Item | None] = list(dict.fromkeys(m.item for m in named))
    if (not times and not items) or _of_one_another(question, named):
        return ()
    beyond, change = _beyond(question) & frozenset(left), bool(_CHANGES.search(question))
    return tuple(
        Sought(
            item,
            left,
            names,
            before.get(item, names),
            times,
            statement,
            of_part,
            share,
            beyond,
            change,
        )
        for item in (items or [None])[:MOST_ITEMS]
    )


def _of_one_another(question: str, named: Sequence[Mention]) -> bool:
    """Say whether it is asked how much of one item is in another, which is neither of the two."""
    words = placed(question)
    return any(
        _WITHIN.fullmatch(question[words[one.end - 1][2] : words[other.start][1]])
        for one, other in pairwise(named)
    )


def _beyond(question: str) -> frozenset[str]:
    """Return the words behind the first "in", "of" or "for": they say of what the figure shall be.

    "How much revenue came from Atlantis?", "the costs of its cloud business".
    """
    words = placed(question)
    first = next(
        (
            at
            for at, ((_, _, end), (_, start, _)) in enumerate(pairwise(words), 1)
            if _OF_WHICH.search(question[end:start])
        ),
        len(words),
    )
    return frozenset(word for word, _, _ in words[first:])


def _just_before(question: str, at: int) -> frozenset[str]:
    """Return the words just before one, with no small word between: "Acme's cloud sales"."""
    found: set[str] = set()
    words = placed(question)
    for (word, _, end), (_, start, _) in reversed(list(pairwise(words[: at + 1]))):
        between = question[end:start].strip(" \n’'s")
        if between or word in FILLER or _YEAR.fullmatch(word):
            break
        found.add(word)
    return frozenset(found)
