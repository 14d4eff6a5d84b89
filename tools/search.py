"""Searches an index of passages: which documents first, then where in them.

The ranking is BM25, by tantivy. A passage is found by its own words and, with less weight, by its
context: the headings above it and the row that names the columns of its table. A document is found
by its card, its best passages, its name and its opening. The work of a query is bounded, however
large the index: by the terms that are looked for, and the passages that documents are judged by.

A query is words to look for, never a query language: no text of a question or of a document can
change what is searched. Next: `tools/routing.py` chooses the documents by their cards,
`tools/tantivy_index.py` keeps the index that is searched here.
"""

import hashlib
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache, cached_property, lru_cache
from typing import Any, Final, NamedTuple

import tantivy

from storage.records import Card
from storage.texts import readable
from tools.index import ANY, Hit, IndexedDocument
from tools.outline import outlined
from tools.profiles import Profile, Wanted, profile
from tools.routing import Choice, Router
from tools.terms import as_terms, stop_terms, terms_of

_ABOUT: Final = 1_500
"""Characters of the first page that say, with the name, what a document is about."""
_MOST_QUERY: Final = 20_000
_MOST_TERMS: Final = 100
_POOL: Final = 200
"""Passages from which the documents are judged."""
_BY_ABOUT: Final = 4.0
"""What a match of a document's name and opening weighs beside its best passages."""
_BY_CONTEXT: Final = 0.2
"""What a word of its context weighs beside one of the passage itself."""
_MOST_JOINED: Final = 2_400
"""Characters of neighbours that are put together."""
_QUERIES: Final = 32
"""Queries that are remembered as terms: one is asked of several documents."""
_SPARE: Final = 20
"""Equal scores come back in the order of the segments: so many more are taken, and put in order."""

_PLACE: Final = ("page", "number", "start", "end", "goes_on")
"""The columns that say where a passage stands."""


@dataclass(frozen=True)
class View:
    """The index as of one commit."""

    stamp: tuple[str, int, int, int]
    """Which files these are: whoever sees another stamp opens them anew."""
    index: Any
    searcher: Any
    profiles: dict[tuple[str, str, bytes], Profile]
    """What of documents a question can name, by their ids, versions and names."""
    ids: dict[int, str]
    """The documents, by the numbers that stand in the column."""
    versions: dict[str, str]
    """Which version of each document is in it."""
    position: int | None
    """The last change of the catalogue that it has followed."""

    @cached_property
    def router(self) -> Router:
        """What chooses documents. Whoever only adds to the index has no need of it."""
        return Router(self.profiles.values())


@cache
def schema() -> Any:
    """Return the fields of the index; the names of their analyzers are `raw` and `terms`."""
    builder = tantivy.SchemaBuilder()
    for name in ("document_id", "sha256", "kind"):
        builder.add_text_field(name, stored=True, tokenizer_name="raw", index_option="basic")
    for name in ("about", "body", "context"):
        builder.add_text_field(name, stored=True, tokenizer_name="terms", index_option="freq")
    builder.add_unsigned_field("position", stored=True)
    # What is read of every passage that is looked at stands in columns: a row would be unpacked
    # with its text.
    for name in ("document", *_PLACE):
        builder.add_unsigned_field(name, stored=True, fast=True)
    for name in ("name", "card"):
        builder.add_bytes_field(name, stored=True, indexed=False)
    return builder.build()


_CAMEL: Final = re.compile(r"(?<=[a-z])(?=[A-Z])|_")


def records(document: IndexedDocument) -> Iterator[dict[str, Any]]:
    """Yield what is indexed of a document: one record about it, and its passages."""
    if not document.pages:
        return
    keys = {
        "document_id": document.document_id,
        "sha256": document.sha256,
        "document": _number(document.document_id),
    }
    opening = next((page.text for page in document.pages if page.text.strip()), "")[:_ABOUT]
    # The words of a file's name stand together: "MasterServices_2020" is to be found by "services".
    names = f"{document.name}\n{_CAMEL.sub(' ', document.name)}"
    kept = {"name": document.name.encode(), "card": document.card.model_dump_json().encode()}
    yield {**keys, "kind": "document", "about": as_terms(f"{names}\n{opening}"), **kept}
    for page, cuts in outlined(document.pages):
        for number, cut in enumerate(cuts):
            yield {
                **keys,
                "kind": "passage",
                "page": page.number,
                "number": number,
                "goes_on": int(cut.goes_on),
                "start": cut.span.start,
                "end": cut.span.end,
                "body": as_terms(page.text[cut.span.start : cut.span.end]),
                "context": _context(cut.context),
            }


_context = lru_cache(1)(as_terms)
"""Passages that follow each other mostly stand under the same headings."""


def _number(document_id: str) -> int:
    """Return a number that no two documents share."""
    digest = hashlib.blake2b(document_id.encode(errors="surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest) >> 1


def open_view(
    stamp: tuple[str, int, int, int], index: Any, searcher: Any, before: View | None
) -> View:
    """Return an index as of its latest commit; profiles that were made before are not made again.

    Raises:
        ValueError: its records cannot be read.
    """
    known = before.profiles if before else {}
    hits = searcher.search(exactly("kind", ["document"]), max(1, searcher.num_docs), count=False)
    rows = [searcher.doc(address) for _, address in hits.hits]
    keyed = {(row["document_id"][0], row["sha256"][0], row["name"][0]): row for row in rows}
    profiles = {key: known.get(key) or _profile(row) for key, row in keyed.items()}
    ids = {row["document"][0]: row["document_id"][0] for row in rows}
    versions = {document_id: sha256 for document_id, sha256, _ in keyed}
    return View(stamp, index, searcher, profiles, ids, versions, position_in(searcher))


def _profile(row: Any) -> Profile:
    card = Card.model_validate_json(row["card"][0])
    return profile(row["document_id"][0], row["name"][0].decode(), card)


def search(
    view: View,
    query: str,
    *,
    documents: Sequence[str] = (),
    wanted: Wanted = ANY,
    limit: int = 12,
) -> list[Hit]:
    """Return the passages that have most of the query's words, best first.

    Those of the documents that fit best come first, each with its share of `limit`; `documents`
    and `wanted` limit the documents in which to look.

    Raises:
        InvalidInput: what is wanted cannot be read.
    """
    among = documents
    if wanted:
        matching = view.router.matching(wanted)
        among = [each for each in documents if each in matching] if documents else matching
    if limit < 1 or not _terms(query) or (wanted and not among):
        return []
    chosen = _chosen(view, query, among)
    found = [_found_in(view, query, choice, limit) for choice in chosen]
    return _shared_out(found, [choice.share for choice in chosen], limit)


def likely(view: View, query: str) -> list[str]:
    """Return the few documents that a query is most likely about, the likeliest first."""
    if not _terms(query):
        return []
    return [choice.document_id for choice in _chosen(view, query, ())]


@lru_cache(_QUERIES)
def _terms(query: str) -> tuple[str, ...]:
    """Return the terms to look for, each once; stop words only where there is nothing else."""
    found = tuple(dict.fromkeys(terms_of(readable(query[:_MOST_QUERY]))))
    telling = tuple(term for term in found if term not in stop_terms())
    return (telling or found)[:_MOST_TERMS]


def _all_terms(field: str, terms: Sequence[str]) -> list[Any]:
    return [tantivy.Query.term_query(schema(), field, term, "freq") for term in terms]


def _any_of(queries: Sequence[Any]) -> Any:
    return tantivy.Query.boolean_query([(tantivy.Occur.Should, each) for each in queries])


@lru_cache(_QUERIES)
def _saying(terms: tuple[str, ...]) -> Any:
    """Return a query for passages: by their words, and with less weight by what they stand under.

    Terms stand beside each other in it, not in queries of their own: so tantivy skips what cannot
    come among the best.
    """
    context = _all_terms("context", terms)
    less = [tantivy.Query.boost_query(each, _BY_CONTEXT) for each in context]
    return _any_of([*_all_terms("body", terms), *less])


def exactly(field: str, values: Sequence[str]) -> Any:
    """Return a query for records of which a field is one of the values."""
    return _any_of([tantivy.Query.term_query(schema(), field, each, "basic") for each in values])


def address_of(searcher: Any, field: str, value: str) -> Any:
    """Return the address of a record of which a field is the value, or None."""
    hits = searcher.search(exactly(field, [value]), 1, count=False).hits
    return hits[0][1] if hits else None


def position_in(searcher: Any) -> int | None:
    """Return the last change of the catalogue that an index has followed, if it has any."""
    address = address_of(searcher, "kind", "position")
    return searcher.doc(address)["position"][0] if address else None


def _only(query: Any, field: str, values: Sequence[str]) -> Any:
    """Limit a query without changing its scores."""
    limit = tantivy.Query.const_score_query(exactly(field, values), 0.0)
    return tantivy.Query.boolean_query([(tantivy.Occur.Must, limit), (tantivy.Occur.Must, query)])


class _Found(NamedTuple):
    """A passage of a document with its score, and its place among those of its page."""

    score: float
    page: int
    number: int
    start: int
    end: int
    goes_on: int


def _passages(view: View, terms: tuple[str, ...], document_id: str, limit: int) -> list[Hit]:
    """Return the best passages of a document, by the scores they have among all."""
    query = _only(_saying(terms), "document_id", [document_id])
    hits = view.searcher.search(query, limit + _SPARE, count=False).hits
    least = round(hits[:limit][-1][0], 4) if hits else 0.0
    best = [(round(score, 4), address) for score, address in hits if round(score, 4) >= least]
    addresses = [address for _, address in best]
    columns = [view.searcher.fast_field_values(name, addresses) for name in _PLACE]
    found = map(_Found, (score for score, _ in best), *columns)
    sha256 = view.versions[document_id]
    return [
        Hit(document_id, sha256, each.page, each.start, each.end, each.score)
        for each in _neighbours_joined(sorted(found, key=_best_first)[:limit])
    ]


def _best_first(found: _Found) -> tuple[float, int, int]:
    return -found.score, found.page, found.number


def _neighbours_joined(found: Sequence[_Found]) -> list[_Found]:
    """Put together what was cut only for its length, where both parts were found; best first."""
    joined: list[_Found] = []
    for each in sorted(found, key=lambda each: (each.page, each.number)):
        before = joined[-1] if joined else None
        if before is None or not _belongs(before, each):
            joined.append(each)
            continue
        joined[-1] = each._replace(start=before.start, score=max(before.score, each.score))
    return sorted(joined, key=_best_first)


def _belongs(before: _Found, after: _Found) -> bool:
    """Say whether a passage goes on from another, and together they are not too long."""
    beside = (after.page, after.number) == (before.page, before.number + 1)
    return beside and bool(after.goes_on) and after.end - before.start <= _MOST_JOINED


def _chosen(view: View, query: str, among: Sequence[str]) -> list[Choice]:
    """Choose the documents in which to look: by their cards, then by their passages."""

    def weigh(documents: Sequence[str]) -> dict[str, float]:
        return _points(view, _terms(query), documents)

    return view.router.choose(query, weigh, among)


def _points(view: View, terms: tuple[str, ...], documents: Sequence[str]) -> dict[str, float]:
    """Return how well documents fit by their best passages, names and openings; all if none."""
    points: dict[int, float] = defaultdict(float)
    counts: dict[int, float] = defaultdict(lambda: 1.0)
    for score, number in _judged(view, _saying(terms), documents):
        points[number] += score * counts[number]
        counts[number] /= 2  # the best passage, half of the next, ...
    for score, number in _judged(view, _any_of(_all_terms("about", terms)), documents):
        points[number] += _BY_ABOUT * score
    return {view.ids[number]: found for number, found in points.items()}


def _judged(view: View, query: Any, documents: Sequence[str]) -> Iterator[tuple[float, int]]:
    """Yield the scores of the best records, best first, with the documents that they are of."""
    if documents:
        query = _only(query, "document_id", documents)
    hits = view.searcher.search(query, _POOL, count=False).hits
    numbers = view.searcher.fast_field_values("document", [address for _, address in hits])
    return zip((round(score, 4) for score, _ in hits), numbers, strict=True)


def _found_in(view: View, query: str, choice: Choice, limit: int) -> list[Hit]:
    """Return the best passages of a chosen document: without the names that led to it, if any."""
    hits = _passages(view, _terms(choice.query), choice.document_id, limit)
    return hits or _passages(view, _terms(query), choice.document_id, limit)


def _shared_out(found: list[list[Hit]], shares: list[float], limit: int) -> list[Hit]:
    """Give each document its share of the places, and what is left in their order."""
    counts = [
        min(len(hits), max(1, round(limit * s)) if s else 0)
        for hits, s in zip(found, shares, strict=True)
    ]
    left = limit - sum(counts)
    for at, hits in enumerate(found):
        more = min(left, len(hits) - counts[at]) if left > 0 else 0
        counts[at] += more
        left -= more
    return [hit for hits, count in zip(found, counts, strict=True) for hit in hits[:count]][:limit]
