"""Makes the card of a document: title, kind, parties, dates, periods and identifiers, each cited.

It is made once, when a document is added, from its pages alone: the name of a file may say anything
and goes on no card. It is pure and deterministic, takes bounded time however long the document, and
leaves out what is not said rather than guess. What it finds is text of strangers: values to compare
and to show, never to follow.

The parts that it looks at are cut in `tools/card_text.py`; fields with a label are read in
`tools/card_fields.py`, covers of filings in `tools/card_filings.py`, preambles in
`tools/openings.py`. Next: `tools/routing.py` finds the document that a question is about.
"""

import re
from collections.abc import Iterable, Sequence
from typing import Any, Final

from storage.records import Card, Page, Stated
from tools import card_fields, card_names, kinds, names
from tools.card_filings import Filing, filing, periods
from tools.card_text import Part, opening, running, signatures, whole
from tools.dates import iso
from tools.openings import DATE, document_dates, titles
from tools.passages import is_heading

CARD_VERSION: Final = "4"
"""Changes when the same pages would give another card; the version of the index goes up with it."""
MOST: Final = 12
"""Values of one sort."""

_TITLED: Final = 1.0
_DATED: Final = 1.0
_SURELY: Final = 2.5
_SELF: Final = re.compile(
    r"\b(?:This|THIS)\s+(?P<kind>(?:(?:[A-Z][\w&/,-]*|and|of|for|the|to|-)\s+){0,9}"
    r"(?:Agreement|AGREEMENT|Contract|CONTRACT|Lease|LEASE|Deed|DEED|Policy|POLICY|Plan|PLAN"
    r"|Amendment|AMENDMENT|Letter|LETTER|Note|NOTE|Report|REPORT|License|LICENSE))\b"
)
_RESULTS: Final = re.compile(
    r"(?P<who>\S[^\n]{1,80}?)\s+(?:Reports?|Announces?|REPORTS?|ANNOUNCES?)\s+[^\n]*\b"
    r"(?i:results|earnings|sales|revenues?)\b"
)
_ANNOUNCED: Final = re.compile(
    r"(?:Report|Announce|REPORT|ANNOUNCE)[sS]?\s+[^\n]*\b(?i:results|earnings|sales|revenues?)\b"
)


def make_card(pages: Sequence[Page]) -> Card:
    """Make the card of a document from its pages."""
    first = opening(pages)
    found = [*card_fields.fields(first)]
    filed = filing(pages)
    mail = card_fields.is_mail(found)
    release = _release(first)
    title = _title(first, found, filed, pages, mail=mail)
    sorts = _kinds(first, title, filed, release, mail=mail)
    between = _parties(first, found, filed, release, mail=mail)
    repeated = running(pages)
    return Card(
        title=title,
        kinds=sorts,
        parties=between,
        organisations=card_names.organisations([repeated, first, signatures(pages)], between, MOST),
        dates=_dates(first, found, filed, pages),
        periods=_periods(first, repeated, sorts, title, filed, pages),
        identifiers=_distinct([*filed.identifiers, *card_fields.identifiers(first)]),
    )


def brief(card: Card) -> dict[str, Any]:
    """Return what tells a document from others, as a model reads it: data, whatever it says."""
    told = {
        "title": card.title.value if card.title else "",
        "kind": card.kinds[0].value if card.kinds else "",
        "parties": [party.value for party in (card.parties or card.organisations)[:4]],
        "dated": card.dates[0].value if card.dates else "",
        "period": card.periods[0].value if card.periods else "",
    }
    return {name: value for name, value in told.items() if value}


def _distinct(values: Iterable[Stated | None]) -> list[Stated]:
    """Return each value once, in the order of the first, and only so many."""
    found: dict[str, Stated] = {}
    for value in values:
        if value is not None:
            found.setdefault(value.value.casefold(), value)
    return [*found.values()][:MOST]


# --- What it is


def _title(
    first: Part, found: list[card_fields.Field], filed: Filing, pages: Sequence[Page], *, mail: bool
) -> Stated | None:
    labelled = [f for f in found if f.is_title and (mail or f.label not in ("re", "regarding"))]
    if filed.forms:
        form = filed.forms[0]
        return form.model_copy(update={"value": f"Form {form.value}", "called": []})
    if mail and labelled:
        field = labelled[0]
        return first.stated(field.start, field.end, names.plain(field.value))
    values = (first.stated(f.start, f.end, names.plain(f.value)) for f in labelled)
    return _headed(pages) or next(values, None) or _self_named(first) or _heading(first)


def _headed(pages: Sequence[Page]) -> Stated | None:
    """Return the title that stands as one, on the first page or one of the next two."""
    best: tuple[float, Stated] | None = None
    for page in [page for page in pages[:10] if page.text.strip()][:3]:
        text = whole(page, 3_000)
        for found in titles(text.text)[:1]:
            start, end = _undated(text.text, found.span.start, found.span.end)
            stated = text.stated(start, end, names.plain(text.text[start:end]))
            if stated and found.score >= _TITLED and (best is None or found.score > best[0] + 1):
                best = found.score, stated
        if best and best[0] >= _SURELY:
            break
    return best[1] if best else None


def _undated(text: str, start: int, end: int) -> tuple[int, int]:
    """Leave out the line of a title that is a date."""
    before, line_feed, behind = text[start:end].partition("\n")
    if line_feed and DATE.search(before):
        return end - len(behind), end
    return (start, start + len(before)) if DATE.search(behind) else (start, end)


def _self_named(first: Part) -> Stated | None:
    """Return what a document calls itself in its first sentence: "This License Agreement"."""
    match = _SELF.search(first.text, 0, 4_000)
    if match is None:
        return None
    return first.stated(match.start("kind"), match.end("kind"), names.plain(match["kind"]))


def _heading(first: Part) -> Stated | None:
    """Return the first line that looks like a heading."""
    for start, end, line in first.lines(12):
        if is_heading(line) or _RESULTS.match(line):
            return first.stated(start, end, names.plain(line))
    return None


def _release(first: Part) -> re.Match[str] | None:
    """Return the headline of a release of results, and who releases them."""
    # Looked for at every sign of a text, the headline takes long; its end is soon found.
    return (
        _RESULTS.search(first.text, 0, 2_000) if _ANNOUNCED.search(first.text, 0, 2_000) else None
    )


def _kinds(
    first: Part,
    title: Stated | None,
    filed: Filing,
    release: re.Match[str] | None,
    *,
    mail: bool,
) -> list[Stated]:
    found: list[Stated | None] = [*filed.forms]
    if mail:
        start, end, _ = next(iter(first.lines(1)))
        found.append(first.stated(start, end, kinds.MAIL, called=kinds.MAIL_CALLED))
    if release:
        called = ("earnings release", "press release")
        found.append(
            first.stated(release.start(), release.end(), "earnings release", called=called)
        )
    if title and not filed.forms and not mail and (kind := _kind_of(title)):
        found.append(title.model_copy(update={"value": kind}))
    if not filed.forms and not mail:
        named = _self_named(first)
        kind = kinds.of_title(named.value) if named else ""
        if named and not any(set(kind.split()) <= set(k.value.split()) for k in found if k):
            found.append(named.model_copy(update={"value": kind}))
    return _distinct(found)[:4]


def _kind_of(title: Stated) -> str:
    """Return the kind that a title names: in one of its lines, or in all of them together."""
    lines = [kinds.of_title(line) for line in title.quote.splitlines()]
    return next((kind for kind in lines if " " in kind), kinds.of_title(title.value))


# --- Who made it


def _parties(
    first: Part,
    found: list[card_fields.Field],
    filed: Filing,
    release: re.Match[str] | None,
    *,
    mail: bool,
) -> list[Stated]:
    if filed.forms:
        covers = [filed.cover] if filed.cover else []
        return _distinct(filed.filers or card_names.organisations(covers, (), 1))
    named = [*card_fields.persons(first, found)]
    if mail:
        return _distinct(named)
    if release:
        who = names.plain(release["who"])
        return _distinct(
            [first.stated(release.start("who"), release.end("who"), who, what="issuer")]
        )
    return card_names.once([*card_names.between(first), *named], MOST)


# --- When


def _dates(
    first: Part, found: list[card_fields.Field], filed: Filing, pages: Sequence[Page]
) -> list[Stated]:
    values: list[Stated | None] = [*filed.dates]
    labelled = [f for f in found if f.is_date and len(iso(f.value)) >= 4]
    values += [first.stated(f.start, f.end, iso(f.value), what=f.label) for f in labelled]
    if not filed.forms:
        values += _made(first, opens=True) or _made(signatures(pages), opens=False)
    return _distinct(values)


def _made(text: Part, *, opens: bool) -> list[Stated | None]:
    """Return the day on which a document was made: at its opening, else beside its signatures."""
    best = document_dates([text.text], [opens])[:1]
    return [
        text.stated(
            f.span.start, f.span.end, iso(text.text[f.span.start : f.span.end]), what="made"
        )
        for f in best
        if f.score >= (_DATED if opens else -2.0)
    ]


def _periods(
    first: Part,
    repeated: Part,
    sorts: Sequence[Stated],
    title: Stated | None,
    filed: Filing,
    pages: Sequence[Page],
) -> list[Stated]:
    """Return the period that a document reports on, if it is one that does."""
    named = [kind.value for kind in sorts] + ([title.value] if title else [])
    if not any(kinds.REPORTING.search(name) for name in named):
        return []
    quarterly = bool(kinds.QUARTERLY & set(named))
    texts = [filed.cover, repeated, first] if filed.cover else [first, repeated]
    return periods(texts, pages, quarterly=quarterly)
