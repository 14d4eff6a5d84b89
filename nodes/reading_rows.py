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
from typing import Final

from nodes.reading import Excerpt, Quote
from nodes.reading_sought import FILLER, SOFT, TELLING, Sought, about_figures, sought_by
from nodes.reading_standing import Standing, is_a
from nodes.reading_tables import unit_of
from nodes.reading_times import Calendar, figure_at, share_at
from tools.accounting import Item, mentions, said
from tools.accounting_items import Statement
from tools.passages import Span
from tools.table_rows import Column, Row, aligned

_ENOUGH: Final = 0.5
"""From which weight on a row is taken to be what was asked for."""
_FARTHEST: Final = 400
"""Characters from a caption to a row that are quoted together."""

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

_IN_SMALL: Final = re.compile(r"\b[a-z]{2,}\b")


@dataclass(frozen=True, slots=True)
class _Found:
    weight: float
    later: float
    """What it loses to one that stands in a better document or passage."""
    quote: Quote


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
    tables = [(excerpt, Standing(excerpt.text, excerpt.heads)) for excerpt in excerpts]
    for sought in sought_by(question):
        weighed = _weighed(sought, tables, calendars or {}, heard)
        enough = [found for found in weighed if found.weight >= _ENOUGH]
        best = max(enough, key=lambda f: f.weight - f.later, default=None)
        if best:
            found.append(best.quote)
    return list(dict.fromkeys(found))


def _weighed(
    sought: Sought,
    tables: Sequence[tuple[Excerpt, Standing]],
    calendars: Mapping[str, Calendar],
    heard: frozenset[str],
) -> Iterator[_Found]:
    documents: dict[str, int] = {}
    parts = _parts(sought, tables, heard)
    for rank, (excerpt, table) in enumerate(tables):
        later = documents.setdefault(excerpt.document, len(documents))
        standing = _LATER_DOCUMENT * later + _LATER_EXCERPT * min(rank, 30)
        for row in table.rows:
            called, caption = _called(
                sought, row, excerpt.text, parts.get(excerpt.document, frozenset())
            )
            if called <= 0:
                continue
            weight = called + _by_statement(sought, table.statement_at(row))
            if not sought.share and table.is_in_percent(row):
                weight -= _IN_PERCENT
            if sought.item and table.is_of_another(sought.item, row):
                weight -= _OF_ANOTHER
            calendar = calendars.get(excerpt.document, Calendar())
            quoted = _quoted(sought, excerpt, row, caption, calendar, table)
            if quoted:
                lacking, quote = quoted
                yield _Found(weight, standing + _LACKING * lacking, quote)


def _parts(
    sought: Sought, tables: Sequence[tuple[Excerpt, Standing]], heard: frozenset[str]
) -> dict[str, frozenset[str]]:
    """Return, by document, the words that say of which part of it the figure shall be.

    They stand just before the item, or name rows, or nobody writes them in small letters: then they
    name a place or a product, and a total is not of it. Whose it is says the opening.
    """
    found: dict[str, frozenset[str]] = {}
    said_of = sought.names | sought.beyond
    if not (said_of or sought.before):
        return found
    for document in {excerpt.document for excerpt, _ in tables}:
        own = [(excerpt, table) for excerpt, table in tables if excerpt.document == document]
        opening = {w for excerpt, _ in own if excerpt.opens for w in said(excerpt.text)}
        labels = {w for _, table in own for row in table.rows for w in said(row.label)}
        texts = [excerpt.text for excerpt, _ in own]
        small = {w for text in texts for word in _IN_SMALL.findall(text) for w in said(word)}
        proper = said_of - small
        parts = (said_of & (labels | proper)) | sought.before
        whose = heard or opening  # an opening names places too
        found[document] = frozenset(parts - whose - SOFT) if whose else frozenset()
    return found


def _called(
    sought: Sought, row: Row, text: str, parts: frozenset[str]
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
    rest = [w for at, w in enumerate(label) if not first <= at < last and w not in SOFT]
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


def _by_words(sought: Sought, label: Sequence[str], caption: Sequence[str]) -> float:
    """Weigh a row that is asked for by words that are no known item: it must have them all."""
    wanted = [w for w in sought.words if w not in sought.names]
    if not wanted or not set(wanted) <= {*label, *caption} or not set(wanted) & set(label):
        return 0.0
    extra = [w for w in label if w not in sought.words and w not in SOFT]
    extra = [w for w in extra if w not in FILLER or w in TELLING]
    if len(extra) >= len(wanted):
        return 0.0
    return 0.9 - _EXTRA * len(extra)


def _by_statement(sought: Sought, at: Statement | None) -> float:
    if sought.statement:
        return _AS_ASKED if at == sought.statement else -_NOT_AS_ASKED * (at is not None)
    own = sought.item.statement if sought.item else None
    if own is None or own == "note" or at is None:
        return 0.0
    return _IN_STATEMENT if at == own else -_IN_ANOTHER


def _quoted(
    sought: Sought,
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
