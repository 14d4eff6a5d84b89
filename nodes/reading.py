"""Answers a question with quotes from excerpts, or with none: they do not say.

This is what the offline model knows how to do. It reads the question, weighs the sentences, and
cuts the shortest stretch that answers: the date that was asked for, the names of the parties, the
operative sentences of a clause. Everything is pure and deterministic, and a quote is always a
verbatim piece of its excerpt that cuts no word.

It must never hold a list of kinds of clauses or of phrases for them: what it knows is English, and
statistics of the excerpts themselves. Next: `nodes/reading_question.py` reads the question,
`nodes/reading_score.py` weighs sentences, `tools/openings.py` finds dates and names.
"""

import math
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from nodes.reading_plain import MEASURES, asserted, plainly
from nodes.reading_question import Question, read_question
from nodes.reading_score import Scorer
from nodes.reading_tables import heads_of
from nodes.reading_text import Unit, akin, terms, units
from tools.openings import DATE, document_dates, parties, titles
from tools.passages import Span, clause_number, is_heading
from tools.tables import is_row, tells_columns

LONGEST: Final = 600
"""Characters of a quote that gives a clause."""
BRIEF: Final = 120
"""Characters of a quote that gives a date or a name."""

SAYS: Final = -1.4
"""Log-odds from which on the excerpts are taken to answer."""
ALSO: Final = 1.0
"""How far below the best a further quote may lie."""
JOINED: Final = 3.0
"""How far below the best a neighbouring sentence may lie to be quoted with it."""
MOST_NAMED: Final = 12
"""Parties that are named at most."""
_DATED: Final = 1.0
_TITLED: Final = 1.0


@dataclass(frozen=True, slots=True)
class Excerpt:
    """A passage offered by the librarian; the best come first."""

    id: str
    text: str
    opens: bool = False
    """It stands in the opening of its document."""
    heads: str = ""
    """What heads the columns of the table that it goes on with, from above it on the page."""
    document: str = ""
    """The id of the document that it is of."""


@dataclass(frozen=True, slots=True)
class Quote:
    """A verbatim piece of an excerpt that answers."""

    excerpt: str
    """The id of the excerpt."""
    text: str
    score: float
    """How likely it answers, between 0 and 1, as far as the model can tell."""
    heads: str = ""
    """If it is a row of a table: what heads its columns, verbatim, from the same page."""
    says: str = ""
    """What it states, if that is less than all of it: the figures of the columns asked for."""


def quotes(
    question: str,
    excerpts: Sequence[Excerpt],
    *,
    most: int = 3,
    says: float = SAYS,
    weigh: Callable[[Excerpt, str], float] | None = None,
    whole: bool = False,
    plain: bool = True,
) -> list[Quote]:
    """Return the quotes that answer a question, best first; none if the excerpts do not say.

    Of parties all are named, up to `MOST_NAMED`: a list that is cut short would be wrong.
    `says` is how likely the best has to be, in log-odds, for the excerpts to say anything;
    `weigh` returns what else speaks for a sentence of an excerpt, in the same measure; `whole` says
    that a plain "when" is answered with the sentence, and not with the date in it alone; `plain`
    that few words may be plain words: what is left of a longer question is not.
    """
    asked = read_question(question, plain)
    distinct = list({excerpt.text: excerpt for excerpt in reversed(excerpts)}.values())[::-1]
    found: list[Quote] = []
    if asked.kind == "title":
        found = _title(distinct)
    elif asked.kind == "made":
        found = _made(distinct)
    elif asked.kind in ("parties", "named"):
        found = _parties(asked, distinct)
    if asked.kind == "parties" and found:
        return found[:MOST_NAMED]
    if not found and asked.kind != "title":
        found = _clauses(asked, distinct, says, weigh, whole=whole and asked.plain)
    return found[:most]


def mentions(question: str, text: str) -> bool:
    """Say whether a text has all that a question asks about, in the same or a kindred word."""
    slots = [slot for slot in read_question(question).slots if not MEASURES.issuperset(slot)]
    words = set(terms(text))
    return bool(slots) and all(
        any(word in words or any(akin(word, w) for w in words) for word in slot) for slot in slots
    )


def _openings(excerpts: Sequence[Excerpt]) -> list[Excerpt]:
    """Return the excerpts that open a document; all, if nobody said which do."""
    return [excerpt for excerpt in excerpts if excerpt.opens] or list(excerpts)


def _quote(excerpt: Excerpt, span: Span, score: float) -> Quote:
    """Quote a span, widened where it would begin or end inside a word."""
    text, start, end = excerpt.text, span.start, span.end
    while start > 0 and text[start - 1].isalnum() and text[start].isalnum():
        start -= 1
    while end < len(text) and text[end - 1].isalnum() and text[end].isalnum():
        end += 1
    return Quote(excerpt.id, text[start:end].strip(), score)


def _title(excerpts: Sequence[Excerpt]) -> list[Quote]:
    best: tuple[float, Quote] | None = None
    for excerpt in _openings(excerpts):
        for found in titles(excerpt.text)[:1]:
            if found.score >= _TITLED and (best is None or found.score > best[0]):
                best = found.score, _quote(excerpt, found.span, 0.9)
    return [best[1]] if best else []


def _made(excerpts: Sequence[Excerpt]) -> list[Quote]:
    """Quote the date of the document itself: at its opening, else beside the signatures."""
    found = document_dates([e.text for e in excerpts], [e.opens for e in excerpts])
    return [_quote(excerpts[f.text], f.span, 0.8) for f in found[:1] if f.score >= _DATED]


def _parties(asked: Question, excerpts: Sequence[Excerpt]) -> list[Quote]:
    """Quote the parties, or those among them who have the role that is asked for."""
    roles = {term for slot in asked.slots for term in slot}
    for group in (_openings(excerpts), excerpts):
        found: dict[str, Quote] = {}
        for excerpt in group:
            for party in parties(excerpt.text):
                quote = _quote(excerpt, party.span, 0.8)
                if asked.kind == "parties" or roles & set(terms(party.called)):
                    found.setdefault(" ".join(quote.text.lower().split()), quote)
            if len(found) > 1:
                break
        if found:
            return list(found.values())
    return []


def _clauses(
    asked: Question,
    excerpts: Sequence[Excerpt],
    says: float,
    weigh: Callable[[Excerpt, str], float] | None,
    *,
    whole: bool,
) -> list[Quote]:
    """Quote the sentences that answer best, each with the neighbours that belong to it."""
    wording = (plainly if asked.follows else asserted) if asked.plain else str
    cut = [units(excerpt.text, excerpt.heads, wording) for excerpt in excerpts]
    scorer = Scorer(asked, cut, [excerpt.opens for excerpt in excerpts])
    scores = {scorer.places[i]: scorer.score(i) for i in scorer.promising()}
    if weigh:
        for excerpt, unit in scores:
            scores[excerpt, unit] += weigh(excerpts[excerpt], cut[excerpt][unit].text)
    order = sorted(scores, key=lambda place: (-scores[place], place))
    if not order or scores[order[0]] < says:
        return []
    best = scores[order[0]]
    found: list[Quote] = []
    used: set[tuple[int, int]] = set()
    for place in order:
        if place not in used and scores[place] >= best - ALSO:
            excerpt, unit = place
            dates = asked.when and DATE.search(cut[excerpt][unit].text)
            row, around = cut[excerpt][unit], excerpts[excerpt]
            heads = heads_of(around.text, row.start, row.end, around.heads)
            alone = dates or heads
            group = [unit] if alone else _with_neighbours(place, cut[excerpt], scores, best, used)
            group = _with_announced(group, cut[excerpt])
            used.update((excerpt, u) for u in group)
            pieces = [cut[excerpt][u] for u in group]
            span = _stretch(asked, excerpts[excerpt].text, pieces, whole=whole)
            quote = _quote(excerpts[excerpt], span, 1 / (1 + math.exp(-scores[place])))
            found.append(replace(quote, heads=heads))
    return found


def _with_neighbours(
    place: tuple[int, int],
    among: Sequence[Unit],
    scores: dict[tuple[int, int], float],
    best: float,
    used: Iterable[tuple[int, int]],
) -> list[int]:
    """Return a sentence with those around it that answer nearly as well, while there is room."""
    excerpt, unit = place
    low = high = unit
    while True:
        sides = [
            u for u in (low - 1, high + 1) if scores.get((excerpt, u), -math.inf) >= best - JOINED
        ]
        fits = [
            u
            for u in sides
            if (excerpt, u) not in used
            and max(among[high].end, among[u].end) - min(among[low].start, among[u].start)
            <= LONGEST
        ]
        if not fits:
            return list(range(low, high + 1))
        chosen = max(fits, key=lambda u: (scores[excerpt, u], -u))
        low, high = min(low, chosen), max(high, chosen)


def _with_announced(group: Sequence[int], among: Sequence[Unit]) -> list[int]:
    """Return sentences with the items or rows that the last of them announces, while there is room.

    What ends in a colon does not say anything without them.
    """
    found = list(group)
    announced = among[found[-1]].text.endswith(":")
    for unit in range(found[-1] + 1, len(among) if announced else 0):
        text = among[unit].text
        listed = " | " in text or tells_columns(text) or is_row(text)
        long = among[unit].end - among[found[0]].start > LONGEST
        if long or (is_heading(text) and not listed):
            break
        goes_on = among[unit - 1].text.endswith((":", ";", ","))
        if not (listed or goes_on or clause_number(text)):
            break
        found.append(unit)
    return found


def _stretch(asked: Question, text: str, group: Sequence[Unit], *, whole: bool) -> Span:
    """Return what to quote of some neighbouring sentences."""
    span = Span(group[0].start, group[-1].end)
    if asked.when and len(group) == 1 and not whole:
        dates = list(DATE.finditer(text, span.start, span.end))
        if dates:
            return _around_date(asked, text, span, dates)
    return span if span.end - span.start <= LONGEST else _densest(asked, text, span)


_CLAUSE_END: Final = re.compile(r"[;:,.]\s|[;:]$")
_WORDS: Final = re.compile(r"\S+")
_TO: Final = re.compile(r"\s*(?:,?\s*(?:to|through|until|till|and\s+ending(?:\s+on)?)\s+|[–—-]\s*)")
"""What stands between the two dates of a stretch of time."""
_AFTER_DATE: Final = re.compile(r"\s*\([^()]{1,60}\)")


def _around_date(asked: Question, text: str, span: Span, dates: Sequence[re.Match[str]]) -> Span:
    """Return the date nearest to what was asked, with the words that say what it is the date of."""
    wanted = asked.wanted
    places = [
        m.start() for m in _WORDS.finditer(text, span.start, span.end) if wanted & set(terms(m[0]))
    ]
    date = min(dates, key=lambda m: min((abs(m.start() - p) for p in places), default=0))
    to = _TO.match(text, date.end(), span.end)
    until = next((d for d in dates if to and d.start() == to.end()), date)
    after = _AFTER_DATE.match(text, until.end(), span.end)
    end = after.end() if after and after.end() - date.start() <= BRIEF else until.end()
    begins = [m.start() for m in _WORDS.finditer(text, span.start, date.start())]
    start = next((b for b in begins if end - b <= BRIEF), date.start())
    return Span(start, end)


def _densest(asked: Question, text: str, span: Span) -> Span:
    """Return the part of a very long sentence that holds most of what was asked."""
    wanted = asked.wanted or set(asked.terms)
    words = [
        (m.start(), m.end(), wanted & set(terms(m[0])))
        for m in _WORDS.finditer(text, span.start, span.end)
    ]
    begins = [span.start, *(m.end() for m in _CLAUSE_END.finditer(text, span.start, span.end))]
    best = (-1, span)
    for begin in begins:
        inside = [w for w in words if w[0] >= begin and w[1] <= begin + LONGEST]
        if inside:
            held = len({term for _, _, found in inside for term in found})
            if held > best[0]:
                best = held, Span(inside[0][0], inside[-1][1])
    return best[1]
