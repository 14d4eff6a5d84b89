"""Finds the row of a table, and the columns in it, that a question about figures asks for.

A question names an item ("revenue"), a time ("fiscal 2019"), and sometimes a statement or a part of
the business. A row is weighed by what it is called, under which caption, in which statement, and
whether its heads have the time; the figures of the columns asked for are then said with the unit.
What an item may be called instead is known from `tools/accounting.py`; any other is compared by its
words. It must never compute a figure. Next: `nodes/reading.py` answers with sentences,
`tools/table_rows.py` reads rows and columns.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final

from nodes.reading import Excerpt, Quote
from nodes.reading_tables import unit_of
from tools.accounting import Item, mentions, said
from tools.accounting_items import Statement
from tools.passages import Span
from tools.questions import read
from tools.table_rows import Column, Row, aligned, columns, rows
from tools.tables import column_heads

_ENOUGH: Final = 0.5
"""From which weight on a row is taken to be what was asked for."""
_FARTHEST: Final = 400
"""Characters from a caption to a row that are quoted together."""
MOST_ITEMS: Final = 3

# What a row weighs: one that is called what was asked for weighs 1.
_EXTRA, _MOST_EXTRA = 0.12, 0.6
_OTHER_ITEM: Final = 0.35
_PART, _MOST_PART = 0.4, 0.8
_NO_PART: Final = 0.8
_LACKING: Final = 0.6
"""For each time of which it is not known which figure is its."""
_IN_STATEMENT, _IN_ANOTHER = 0.15, 0.25
_AS_ASKED, _NOT_AS_ASKED = 0.35, 0.6
_LATER_DOCUMENT, _LATER_EXCERPT = 0.5, 0.01
_TOTAL: Final = 0.1

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
_YES_OR_NO: Final = re.compile(
    r"\s*(?:does|do|did|is|are|was|were|has|have|can|will)\b", re.IGNORECASE
)
_STATEMENTS: Final[dict[Statement, re.Pattern[str]]] = {
    "cash flow": re.compile(
        r"\bcash[\s-]+flows?\s+statements?\b|\bstatements?\s+of\s+(?:\w+\s+)?cash\s+flows?",
        re.IGNORECASE,
    ),
    "balance": re.compile(
        r"\bbalance\s+sheets?\b|\bstatements?\s+of\s+financial\s+(?:position|condition)",
        re.IGNORECASE,
    ),
    "income": re.compile(
        r"\b(?:income|earnings|operations|p\s?&\s?l|profit\s+and\s+loss)\s+statements?\b"
        r"|\bstatements?\s+of\s+(?:\w+\s+){0,2}(?:income|operations|earnings|loss)\b",
        re.IGNORECASE,
    ),
}
_YEAR: Final = re.compile(r"(?:fy)?\d+")
_PART_OF: Final = re.compile(r"\b(?:segments?|divisions?|regions?|units?)\b", re.IGNORECASE)
_LENGTH: Final = re.compile(r"\b(three|six|nine|twelve)[\s-]+months?\b", re.IGNORECASE)
_LENGTHS: Final = {"three": 3, "six": 6, "nine": 9, "twelve": 12}
_FILLER: Final = frozenset(
    said(
        """
        what was were is are how much many did does do has have had its their it they this these
        which that as year fiscal end ended ending quarter first second third fourth full months
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
_SOFT: Final = frozenset(said("total net consolidated note notes less gross our group company"))
"""Words in the name of a row that change nothing of what it is."""


@dataclass(frozen=True, slots=True)
class _Time:
    """A time that is asked for."""

    year: str
    quarter: int = 0
    months: int = 0

    def is_of(self, column: Column, *, at_end: bool = False, quarter: bool = True) -> bool:
        """Say whether a column is of this time, or `at_end` of it, as those of balance sheets are.

        `quarter` says whether three months that are not numbered may be the quarter.
        """
        if column.year != self.year:
            return False
        if column.quarter:
            return column.quarter == self.quarter
        if column.months == 0:
            return at_end or self.length == 12
        return column.months == self.length and (not self.quarter or quarter)

    @property
    def length(self) -> int:
        """In months."""
        return 3 if self.quarter else self.months or 12


@dataclass(frozen=True, slots=True)
class _Sought:
    """What a question about figures asks for."""

    item: Item | None
    words: tuple[str, ...]
    """What it says besides: an item that is not a known one, or a part of the business."""
    names: frozenset[str]
    """Words with a capital: of a company, or of a part of it."""
    times: tuple[_Time, ...]
    statement: Statement | None
    of_part: bool
    """It asks for a segment, a division, a region."""


@dataclass(frozen=True, slots=True)
class _Found:
    weight: float
    later: float
    """What it loses to one that stands in a better document or passage."""
    quote: Quote


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


def row_quotes(
    question: str,
    excerpts: Sequence[Excerpt],
    ending: Mapping[str, str] | None = None,
    other_quarter: frozenset[str] = frozenset(),
) -> list[Quote]:
    """Return the rows that have what a question asks for, the figures said: one for each item.

    `ending` has documents of which the fiscal year has the name of the year before the one in
    which it ends, with the year in which it ends: fiscal 2019 ends in January 2020;
    `other_quarter` has documents on another quarter than is asked for.
    """
    if not about_figures(question):
        return []
    found = []
    for sought in _sought(question):
        enough = [
            f
            for f in _weighed(sought, excerpts, ending or {}, other_quarter)
            if f.weight >= _ENOUGH
        ]
        best = max(enough, key=lambda f: f.weight - f.later, default=None)
        if best:
            found.append(best.quote)
    return list(dict.fromkeys(found))


@lru_cache(maxsize=64)
def _sought(question: str) -> tuple[_Sought, ...]:
    words = said(question)
    named = mentions(words)
    inside = {at for m in named for at in range(m.start, m.end)}
    left = tuple(
        dict.fromkeys(
            w
            for at, w in enumerate(words)
            if at not in inside and w not in _FILLER and not _YEAR.fullmatch(w)
        )
    )
    capitals = frozenset(
        w for m in re.finditer(r"(?<=[\w,’'&-])\s+([A-Z][\w&’'.-]*)", question) for w in said(m[1])
    )
    times = _times(question)
    statement = next((s for s, p in _STATEMENTS.items() if p.search(question)), None)
    of_part = bool(_PART_OF.search(question))
    items: list[Item | None] = list(dict.fromkeys(m.item for m in named))
    if not times and not items:
        return ()
    return tuple(
        _Sought(item, left, capitals & frozenset(left), times, statement, of_part)
        for item in (items or [None])[:MOST_ITEMS]
    )


def _times(question: str) -> tuple[_Time, ...]:
    length = _LENGTH.search(question)
    months = _LENGTHS[length[1].lower()] if length else 0
    found: list[_Time] = []
    for time in read(question).times:
        if len(time) == 4:
            found.append(_Time(time, months=months))
        elif time[5:6] == "Q":
            found.append(_Time(time[:4], quarter=int(time[6])))
        else:
            found.append(_Time(time[:4], months=months))
    return tuple(dict.fromkeys(found))


def _weighed(
    sought: _Sought,
    excerpts: Sequence[Excerpt],
    ending: Mapping[str, str],
    other_quarter: frozenset[str],
) -> Iterator[_Found]:
    documents: dict[str, int] = {}
    for rank, excerpt in enumerate(excerpts):
        later = documents.setdefault(excerpt.document, len(documents))
        standing = _LATER_DOCUMENT * later + _LATER_EXCERPT * min(rank, 30)
        inside = rows(excerpt.text)
        for row in inside:
            called, caption = _called(sought, row, excerpt.text)
            if called <= 0:
                continue
            weight = called + _by_statement(sought, _statement_at(excerpt, row, inside))
            year, own_quarter = (
                ending.get(excerpt.document, ""),
                excerpt.document not in other_quarter,
            )
            quoted = _quoted(sought, excerpt, row, caption, year, own_quarter)
            if quoted:
                lacking, quote = quoted
                yield _Found(weight, standing + _LACKING * lacking, quote)


def _called(sought: _Sought, row: Row, text: str) -> tuple[float, Span | None]:
    """Return how well a row is called what is asked for, and the caption that is needed for it."""
    label = said(re.sub(r"\([^()]*\)?", " ", row.label)) or said(row.label)
    caption = said(text[row.caption.start : row.caption.end]) if row.caption else []
    asked = set(sought.words)
    if sought.item is None:
        return _by_words(sought, label, caption), None
    own, needs = _own(sought.item, label, caption, asked)
    if own is None:
        return 0.0, None
    first, last = own
    rest = [w for at, w in enumerate(label) if not first <= at < last and w not in _SOFT]
    extra = [w for w in rest if w not in asked and not w.isdigit()]
    if extra and sought.item.statement == "text":
        return 0.0, None  # "Employee benefits"
    others = [m for m in mentions(label) if not (first <= m.start < last)]
    part = asked.intersection(rest)
    weight = 1.0 - min(_MOST_EXTRA, _EXTRA * len(extra)) - _OTHER_ITEM * len(others)
    weight += min(_MOST_PART, _PART * len(part)) + _TOTAL * (label[:1] == ["total"])
    if sought.of_part and not part:
        weight -= _NO_PART
    return weight, row.caption if needs else None


def _own(
    item: Item, label: Sequence[str], caption: Sequence[str], asked: set[str]
) -> tuple[tuple[int, int] | None, bool]:
    """Return which words of a label name an item, and whether its caption has to help."""
    for mention in mentions(label):
        if _is(mention.item, item):
            return (mention.start, mention.end), False
    both = mentions([*caption, *label])
    for mention in both:
        if _is(mention.item, item):
            if mention.end > len(caption):
                return (0, mention.end - len(caption)), True
            if asked.intersection(label) or label[:1] == ["total"]:
                return (0, 0), True
    return None, False


def _is(found: Item, wanted: Item) -> bool:
    return wanted.element in (found.element, found.within)


def _by_words(sought: _Sought, label: Sequence[str], caption: Sequence[str]) -> float:
    """Weigh a row that is asked for by words that are no known item: it must have them all."""
    wanted = [w for w in sought.words if w not in sought.names]
    if not wanted or not set(wanted) <= {*label, *caption} or not set(wanted) & set(label):
        return 0.0
    extra = [w for w in label if w not in sought.words and w not in _SOFT and w not in _FILLER]
    if len(extra) >= len(wanted):
        return 0.0
    return 0.9 - _EXTRA * len(extra)


def _statement_at(excerpt: Excerpt, row: Row, inside: Sequence[Row]) -> Statement | None:
    """Return the statement that a row stands in: by its title above, or by the rows beside it."""
    above = f"{excerpt.heads}\n{excerpt.text[: row.span.start]}"
    titles = [
        (m.start(), statement) for statement, p in _STATEMENTS.items() for m in p.finditer(above)
    ]
    if titles:
        return max(titles)[1]
    votes: dict[Statement, int] = {}
    for each in inside:
        for item in {m.item for m in mentions(said(each.label))}:
            votes[item.statement] = votes.get(item.statement, 0) + 1
    best = max(votes, key=lambda s: votes[s], default=None)
    return best if best and votes[best] > 2 else None


def _by_statement(sought: _Sought, at: Statement | None) -> float:
    if sought.statement:
        return _AS_ASKED if at == sought.statement else -_NOT_AS_ASKED * (at is not None)
    own = sought.item.statement if sought.item else None
    if own is None or own == "note" or at is None:
        return 0.0
    return _IN_STATEMENT if at == own else -_IN_ANOTHER


def _quoted(
    sought: _Sought,
    excerpt: Excerpt,
    row: Row,
    caption: Span | None,
    ending: str,
    own_quarter: bool,
) -> tuple[int, Quote] | None:
    """Quote a row with its heads and say its figures; None if it has none of the time asked for.

    With it comes of how many times it is not known which figure is theirs.
    """
    text = excerpt.text
    span = column_heads(text, row.span.start)
    heads = text[span.start : span.end] if span else excerpt.heads
    placed = aligned(row, _named(columns(heads), ending))
    near = caption and row.span.end - caption.start <= _FARTHEST
    start = caption.start if caption and near else row.span.start
    name = f"{text[caption.start : caption.end]} {row.label}" if caption and near else row.label
    quote = Quote(excerpt.id, text[start : row.span.end], 0.9, heads)
    if not placed:
        return len(sought.times), quote
    at_end = sought.item is not None and sought.item.statement == "balance"
    figures = [each for time in sought.times if (each := _at(time, placed, at_end, own_quarter))]
    if sought.times and not figures:
        return None
    if figures:
        told = ", ".join(f"{column.name}: {figure}" for column, figure in figures)
        says = f"{name}, {told} {unit_of(name, figures[0][1], heads)}"
        quote = replace(quote, says=" ".join(says.split()))
    return len(sought.times) - len(figures), quote


def _named(found: Sequence[Column], ending: str) -> list[Column]:
    """Return columns with the fiscal years that they are of, where these end a year later."""
    if not ending or max((c.year for c in found), default="") != ending:
        return list(found)
    return [replace(c, year=str(int(c.year) - 1)) if c.year else c for c in found]


def _at(
    time: _Time, placed: Sequence[tuple[Column, str]], at_end: bool, quarter: bool
) -> tuple[Column, str] | None:
    """Return the column of a time, if there is one and only one."""
    found = [each for each in placed if time.is_of(each[0], at_end=at_end, quarter=quarter)]
    return found[0] if len(found) == 1 else None
