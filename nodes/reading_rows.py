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
from itertools import pairwise
from typing import Final

from nodes.reading import Excerpt, Quote
from nodes.reading_standing import STATEMENTS, Standing, is_a
from nodes.reading_tables import unit_of
from nodes.reading_times import Calendar, Time, figure_at, share_at, times_asked
from tools.accounting import Item, Mention, mentions, placed, said
from tools.accounting_items import Statement
from tools.passages import Span
from tools.table_rows import Column, Row, aligned, rows

_ENOUGH: Final = 0.5
"""From which weight on a row is taken to be what was asked for."""
_FARTHEST: Final = 400
"""Characters from a caption to a row that are quoted together."""
MOST_ITEMS: Final = 3

# What a row weighs: one that is called what was asked for weighs 1.
_EXTRA, _MOST_EXTRA = 0.12, 0.6
_OTHER_ITEM: Final = 0.35
_PART, _MOST_PART = 0.4, 0.8
_NO_PART: Final = 1.5
_LACKING: Final = 0.6
"""For each time of which it is not known which figure is its."""
_IN_STATEMENT, _IN_ANOTHER = 0.15, 0.25
_AS_ASKED, _NOT_AS_ASKED = 0.35, 0.6
_LATER_DOCUMENT, _LATER_EXCERPT = 0.5, 0.01
_TOTAL: Final = 0.1
_OF_ANOTHER: Final = 0.7
"""For a row of a table that tells how much of another item is in it."""
_IN_PERCENT: Final = 1.2
"""For a row of a table in percent, where no share is asked for."""

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
_IN_SMALL: Final = re.compile(r"\b[a-z]{2,}\b")
_YES_OR_NO: Final = re.compile(
    r"\s*(?:does|do|did|is|are|was|were|has|have|can|will)\b", re.IGNORECASE
)
_YEAR: Final = re.compile(r"(?:fy)?\d+")
_PART_OF: Final = re.compile(r"\b(?:segments?|divisions?|regions?|units?)\b", re.IGNORECASE)
_FILLER: Final = frozenset(
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
_TELLING: Final = frozenset({"current"})
"""Words that say nothing in a question, but in the name of a row of which part it is."""
_SOFT: Final = frozenset(said("total net consolidated note notes less gross our group company"))
"""Words in the name of a row that change nothing of what it is."""


@dataclass(frozen=True, slots=True)
class _Sought:
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


def part_asked(question: str) -> frozenset[str]:
    """Return the words that say of which part of a business, or of which product, a figure is."""
    return frozenset().union(*(s.names | s.before | s.beyond for s in _sought(question)))


def row_quotes(
    question: str,
    excerpts: Sequence[Excerpt],
    calendars: Mapping[str, Calendar] | None = None,
    heard: frozenset[str] = frozenset(),
) -> list[Quote]:
    """Return the rows that have what a question asks for, the figures said: one for each item.

    `calendars` says of documents, by id, how they count their years; `heard` are the words that
    say whose documents are asked for.
    """
    if not about_figures(question):
        return []
    found = []
    for sought in _sought(question):
        weighed = _weighed(sought, excerpts, calendars or {}, heard)
        enough = [found for found in weighed if found.weight >= _ENOUGH]
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
        _Sought(
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
        if between or word in _FILLER or _YEAR.fullmatch(word):
            break
        found.add(word)
    return frozenset(found)


def _weighed(
    sought: _Sought,
    excerpts: Sequence[Excerpt],
    calendars: Mapping[str, Calendar],
    heard: frozenset[str],
) -> Iterator[_Found]:
    documents: dict[str, int] = {}
    parts = _parts(sought, excerpts, heard)
    for rank, excerpt in enumerate(excerpts):
        later = documents.setdefault(excerpt.document, len(documents))
        standing = _LATER_DOCUMENT * later + _LATER_EXCERPT * min(rank, 30)
        table = Standing(excerpt.text, excerpt.heads)
        for row in table.rows:
            called, caption = _called(
                sought, row, excerpt.text, parts.get(excerpt.document, frozenset())
            )
            if called <= 0:
                continue
            weight = called + _by_statement(sought, table.statement_at(row))
            in_percent = table.is_in_percent(row)
            if in_percent and not sought.share:
                weight -= _IN_PERCENT
            if sought.item and table.is_of_another(sought.item, row):
                weight -= _OF_ANOTHER
            calendar = calendars.get(excerpt.document, Calendar())
            quoted = _quoted(sought, excerpt, row, caption, calendar, table)
            if quoted:
                lacking, quote = quoted
                yield _Found(weight, standing + _LACKING * lacking, quote)


def _parts(
    sought: _Sought, excerpts: Sequence[Excerpt], heard: frozenset[str]
) -> dict[str, frozenset[str]]:
    """Return, by document, the words that say of which part of it the figure shall be.

    They stand just before the item, or name rows, or nobody writes them in small letters: then they
    name a place or a product, and a total is not of it. Whose it is says the opening.
    """
    found: dict[str, frozenset[str]] = {}
    said_of = sought.names | sought.beyond
    if not (said_of or sought.before):
        return found
    for document in {excerpt.document for excerpt in excerpts}:
        own = [excerpt for excerpt in excerpts if excerpt.document == document]
        opening = {w for excerpt in own if excerpt.opens for w in said(excerpt.text)}
        labels = {w for excerpt in own for row in rows(excerpt.text) for w in said(row.label)}
        texts = [excerpt.text for excerpt in own]
        small = {w for text in texts for word in _IN_SMALL.findall(text) for w in said(word)}
        proper = said_of - small
        parts = (said_of & (labels | proper)) | sought.before
        whose = heard or opening  # an opening names places too
        found[document] = frozenset(parts - whose - _SOFT) if whose else frozenset()
    return found


def _called(
    sought: _Sought, row: Row, text: str, parts: frozenset[str]
) -> tuple[float, Span | None]:
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
    if (sought.of_part and not part) or not parts <= {*label, *caption}:
        weight -= _NO_PART
    return weight, row.caption if needs else None


def _own(
    item: Item, label: Sequence[str], caption: Sequence[str], asked: set[str]
) -> tuple[tuple[int, int] | None, bool]:
    """Return which words of a label name an item, and whether its caption has to help."""
    for mention in mentions(label):
        if is_a(mention.item, item):
            return (mention.start, mention.end), False
    both = mentions([*caption, *label])
    for mention in both:
        if is_a(mention.item, item):
            if mention.end > len(caption):
                return (0, mention.end - len(caption)), True
            if asked.intersection(label) or label[:1] == ["total"]:
                return (0, 0), True
    return None, False


def _by_words(sought: _Sought, label: Sequence[str], caption: Sequence[str]) -> float:
    """Weigh a row that is asked for by words that are no known item: it must have them all."""
    wanted = [w for w in sought.words if w not in sought.names]
    if not wanted or not set(wanted) <= {*label, *caption} or not set(wanted) & set(label):
        return 0.0
    extra = [w for w in label if w not in sought.words and w not in _SOFT]
    extra = [w for w in extra if w not in _FILLER or w in _TELLING]
    if len(extra) >= len(wanted):
        return 0.0
    return 0.9 - _EXTRA * len(extra)


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
    calendar: Calendar,
    table: Standing,
) -> tuple[int, Quote] | None:
    """Quote a row with its heads and say its figures; None if it has none of the time asked for.

    With it comes of how many times it is not known which figure is theirs.
    """
    text = excerpt.text
    heads = table.heads_of(row)
    near = caption and row.span.end - caption.start <= _FARTHEST
    start = caption.start if caption and near else row.span.start
    name = f"{text[caption.start : caption.end]} {row.label}" if caption and near else row.label
    quote = Quote(excerpt.id, text[start : row.span.end], 0.9, heads)
    by_column = aligned(row, table.columns_of(row))
    if not by_column:
        return len(sought.times), quote
    statement = sought.item.statement if sought.item else None
    figures = []
    for time in sought.times:
        # A day is of the year that it is in, whatever the fiscal year is called.
        of_year = by_column if time.ends else _named(by_column, calendar.ending)
        quarter = not calendar.other_quarter
        told = figure_at(time.on(calendar), of_year, statement=statement, quarter=quarter)
        if told and sought.share and not table.is_in_percent(row):
            told = share_at(told, of_year, name=name, change=sought.change)
        if told:
            figures.append(told)
    if sought.times and not figures:
        return None
    if figures:
        said_of = ", ".join(f"{column.name}: {figure}" for column, figure in figures)
        says = f"{name}, {said_of} {unit_of(name, figures[0][1], heads)}"
        quote = replace(quote, says=" ".join(says.split()))
    return len(sought.times) - len(figures), quote


def _named(placed: Sequence[tuple[Column, str]], ending: str) -> list[tuple[Column, str]]:
    """Return columns with the fiscal years that they are of, where these end a year later."""
    if not ending or max((c.year for c, _ in placed), default="") != ending:
        return list(placed)
    return [(replace(c, year=str(int(c.year) - 1)) if c.year else c, f) for c, f in placed]
