"""Finds passages: a BM25 index of the passages of a workspace's documents, kept by tantivy.

The index is a cache in one directory, made from the parsed pages. It may be deleted at any time,
and one that cannot be opened, or that an older version of this module wrote, is thrown away and
begun anew: `holds` says what has to be added again. Several processes may use a directory at once:
one writes at a time, the others wait for it; whoever searches sees the latest commit. A commit is
one atomic step, so a writer that is killed leaves what was there before.

A query is words to look for, never a query language: no text of a question or of a document can
change what is searched. Removing a document rewrites the index, so that none of its words stay on
the disk and all scores are as if it had never been there.

Next: `tools/passages.py` cuts the pages, `tools/routing.py` chooses the documents by their cards,
`tools/library.py` keeps the index up to date.
"""

import re
import shutil
import threading
import time
import uuid
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

import tantivy

from storage.errors import Unavailable
from storage.records import Card, Page, readable
from tools.passages import passages
from tools.profiles import Profile, Wanted, profile
from tools.routing import Choice, Router

_VERSION: Final = 2
"""Goes up when the same pages would be indexed differently."""
_WRITER_BYTES: Final = 50_000_000
_ABOUT: Final = 1_500
"""Characters of the first page that say, with the name, what a document is about."""
_MOST_QUERY: Final = 20_000
_MOST_TERMS: Final = 100
_POOL: Final = 200
"""Passages from which the documents are judged."""
_BY_ABOUT: Final = 4.0
"""What a match of a document's name and opening weighs beside its best passages."""

ANY: Final = Wanted()

# No passage is found by these words, unless the query has no others.
_STOP_WORDS: Final = """
    a an and are as at be been being but by can could did do does for from had has have he her his
    how i if in into is it its may might must of on or shall should so such than that the their
    them then there these they this those to was we were what when where which while who whom whose
    will with would you your s t any other another
"""


@dataclass(frozen=True, slots=True)
class IndexedDocument:
    """A document as the index takes it: one version, with its pages."""

    document_id: str
    sha256: str
    """The version."""
    name: str
    pages: Sequence[Page]
    card: Card = Card()  # noqa: RUF009 - it is frozen


@dataclass(frozen=True, slots=True)
class Hit:
    """A passage: code point offsets into the text of a page, half open."""

    document_id: str
    sha256: str
    page: int
    start: int
    end: int
    score: float
    """BM25; it compares passages of one search, nothing else."""


_PLACE: Final = ("document_id", "sha256", "page", "start", "end")


@cache
def _analyzer() -> Any:
    """Return what makes terms of text: English stems; numbers, dates and "§" stay findable."""
    words = r"§|[\p{L}\p{M}][\p{L}\p{M}\p{N}]*|\p{N}[\p{L}\p{N}]*(?:[.,]\p{N}+)*"
    builder = tantivy.TextAnalyzerBuilder(tantivy.Tokenizer.regex(words))
    for each in (
        tantivy.Filter.remove_long(60),
        tantivy.Filter.lowercase(),
        tantivy.Filter.stemmer("english"),
    ):
        builder = builder.filter(each)
    return builder.build()


@cache
def _stop_terms() -> frozenset[str]:
    return frozenset(_analyzer().analyze(_STOP_WORDS))


@cache
def _schema() -> Any:
    builder = tantivy.SchemaBuilder()
    for name in ("document_id", "sha256", "kind"):
        builder.add_text_field(name, stored=True, tokenizer_name="raw", index_option="basic")
    for name in ("about", "body"):
        builder.add_text_field(name, stored=True, tokenizer_name="words", index_option="freq")
    for name in ("page", "start", "end"):
        builder.add_unsigned_field(name, stored=True)
    for name in ("name", "card"):
        builder.add_bytes_field(name, stored=True, indexed=False)
    return builder.build()


def _terms(query: str) -> list[str]:
    """Return the terms to look for, each once; stop words only where there is nothing else."""
    found = list(dict.fromkeys(_analyzer().analyze(readable(query[:_MOST_QUERY]))))
    telling = [term for term in found if term not in _stop_terms()]
    return (telling or found)[:_MOST_TERMS]


def _any_of(field: str, terms: Sequence[str]) -> Any:
    each = [tantivy.Query.term_query(_schema(), field, term, "freq") for term in terms]
    return tantivy.Query.boolean_query([(tantivy.Occur.Should, query) for query in each])


def _only(query: Any, field: str, values: Sequence[str]) -> Any:
    """Limit a query without changing its scores."""
    exact = [tantivy.Query.term_query(_schema(), field, value, "basic") for value in values]
    among = tantivy.Query.boolean_query([(tantivy.Occur.Should, each) for each in exact])
    limit = tantivy.Query.const_score_query(among, 0.0)
    return tantivy.Query.boolean_query([(tantivy.Occur.Must, limit), (tantivy.Occur.Must, query)])


_CAMEL: Final = re.compile(r"(?<=[a-z])(?=[A-Z])|_")


def _records(document: IndexedDocument) -> Iterator[dict[str, Any]]:
    """Yield what is indexed of a document: one record about it, and its passages."""
    keys = {"document_id": document.document_id, "sha256": document.sha256}
    opening = next((page.text for page in document.pages if page.text.strip()), "")[:_ABOUT]
    # The words of a file's name stand together: "MasterServices_2020" is to be found by "services".
    names = f"{document.name}\n{_CAMEL.sub(' ', document.name)}"
    kept = {"name": document.name.encode(), "card": document.card.model_dump_json().encode()}
    yield {**keys, "kind": "document", "about": f"{names}\n{opening}", **kept}
    for page in document.pages:
        for span in passages(page.text):
            place = {"page": page.number, "start": span.start, "end": span.end}
            yield {**keys, "kind": "passage", "body": page.text[span.start : span.end], **place}


@dataclass(frozen=True, slots=True)
class _View:
    """The index as of one commit."""

    stamp: tuple[int, int, int]
    index: Any
    searcher: Any
    held: dict[str, str]
    """Versions, and the documents that they are of."""
    profiles: dict[str, Profile]
    """Versions, and what of them a question can name."""
    router: Router


class Index:
    """The passages of one workspace, searchable. Thread-safe, and safe among processes."""

    def __init__(self, directory: Path, *, patience: float = 60.0) -> None:
        """Use the index in `directory`, which is made if it is not there.

        `patience` is how long, in seconds, to wait for another writer.
        """
        self._root = directory
        self._at = directory / f"v{_VERSION}"
        self._patience = patience
        self._lock = threading.Lock()
        self._view: _View | None = None

    def holds(self, sha256: str) -> bool:
        """Say whether a version is in the index."""
        return sha256 in self._now().held

    def documents(self) -> set[str]:
        """Return the ids of the documents that are in the index."""
        return set(self._now().held.values())

    def _has(self, document: IndexedDocument) -> bool:
        return self._now().held.get(document.sha256) == document.document_id

    def add(self, documents: Iterable[IndexedDocument]) -> None:
        """Add documents; another version of one that is there takes its place.

        Raises:
            Unavailable: another process kept writing, or the disk did not take it.
        """
        given = list(documents)
        if all(self._has(document) for document in given):
            return
        with self._writer() as writer:
            held = dict(self._now().held)
            for document in given:
                if held.get(document.sha256) == document.document_id:
                    continue
                if document.document_id in held.values():
                    self._drop(writer, document.document_id)
                for record in _records(document):
                    writer.add_document(tantivy.Document(**record))
                held[document.sha256] = document.document_id

    def remove(self, document_id: str) -> None:
        """Remove every version of a document, from the disk too.

        Raises:
            Unavailable: another process kept writing, or the disk did not take it.
        """
        with self._writer() as writer:
            if document_id in self._now().held.values():
                self._drop(writer, document_id)

    def matching(self, wanted: Wanted) -> list[str]:
        """Return the documents whose cards say what is wanted.

        Raises:
            InvalidInput: what is wanted cannot be read.
        """
        return self._now().router.matching(wanted)

    def search(
        self,
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
        view = self._now()
        among = documents
        if wanted:
            matching = view.router.matching(wanted)
            among = [each for each in documents if each in matching] if documents else matching
        if limit < 1 or not _terms(query) or (wanted and not among):
            return []
        chosen = _chosen(view, query, among)
        found = [_found(view, query, choice, limit) for choice in chosen]
        return _shared_out(found, [choice.share for choice in chosen], limit)

    def likely(self, query: str) -> list[str]:
        """Return the few documents that a query is most likely about, the likeliest first."""
        if not _terms(query):
            return []
        return [choice.document_id for choice in _chosen(self._now(), query, ())]

    def _drop(self, writer: Any, document_id: str) -> None:
        """Write everything anew but one document, as part of the writer's next commit."""
        searcher = self._now().searcher
        everything = searcher.search(tantivy.Query.all_query(), max(1, searcher.num_docs))
        writer.delete_documents_by_query(tantivy.Query.all_query())
        for _, address in everything.hits:
            kept = searcher.doc(address).to_dict()
            if kept["document_id"] != [document_id]:
                writer.add_document(tantivy.Document(**kept))

    @contextmanager
    def _writer(self) -> Iterator[Any]:
        """Hold the only writer, and commit at the end."""
        writer = self._wait_for_writer()
        try:
            yield writer
            writer.commit()
            writer.garbage_collect_files()
        except (ValueError, OSError) as error:
            raise Unavailable(f"The search index could not be written: {error}") from error
        finally:
            with suppress(ValueError, OSError):
                writer.wait_merging_threads()  # this also gives the lock back

    def _wait_for_writer(self) -> Any:
        until = time.monotonic() + self._patience
        while True:
            try:
                return self._now().index.writer(_WRITER_BYTES, 1)
            except ValueError as error:
                if "LockBusy" not in str(error):
                    raise Unavailable(f"The search index cannot be written: {error}") from error
                if time.monotonic() > until:
                    message = "Another process has been writing the search index. Try again later."
                    raise Unavailable(message) from error
            time.sleep(0.05)

    def _now(self) -> _View:
        """Return the index as of the latest commit, whichever process made it."""
        with self._lock:
            stamp = self._stamp()
            if self._view is None or stamp is None or self._view.stamp != stamp:
                self._view = self._open()
            return self._view

    def _stamp(self) -> tuple[int, int, int] | None:
        try:
            meta = (self._at / "meta.json").stat()
        except FileNotFoundError:
            return None
        return meta.st_ino, meta.st_mtime_ns, meta.st_size

    def _open(self) -> _View:
        """Open what is there; make it if nothing is; throw away what cannot be read."""
        self._make()
        try:
            return self._read()
        except (ValueError, OSError):
            # Another process may just be replacing it: look once more before giving it up.
            time.sleep(0.05)
        try:
            self._make()
            return self._read()
        except (ValueError, OSError):
            self._discard(self._at)
        self._make()
        try:
            return self._read()
        except (ValueError, OSError) as error:
            raise Unavailable(f"The search index cannot be opened: {error}") from error

    def _make(self) -> None:
        """Put an empty index in place, in one step, unless there is one."""
        if self._stamp() is not None:
            return
        self._root.mkdir(parents=True, exist_ok=True)
        for old in self._root.glob("v*"):
            if old != self._at:
                self._discard(old)
        if self._at.exists() and any(self._at.iterdir()):
            self._discard(self._at)  # files without the one that says what they are
        new = self._root / f"new-{uuid.uuid4().hex}"
        new.mkdir()
        tantivy.Index(_schema(), str(new))
        try:
            new.rename(self._at)
        except OSError:
            shutil.rmtree(new, ignore_errors=True)  # another process was first

    def _discard(self, directory: Path) -> None:
        aside = self._root / f"old-{uuid.uuid4().hex}"
        with suppress(OSError):
            directory.rename(aside)
        shutil.rmtree(aside, ignore_errors=True)

    def _read(self) -> _View:
        stamp = self._stamp()
        if stamp is None:
            raise FileNotFoundError(str(self._at))
        index = tantivy.Index(_schema(), str(self._at), reuse=True)
        index.register_tokenizer("words", _analyzer())
        index.config_reader(reload_policy="manual")
        index.reload()
        searcher = index.searcher()
        query = tantivy.Query.term_query(_schema(), "kind", "document", "basic")
        hits = searcher.search(query, max(1, searcher.num_docs)).hits
        rows = [searcher.doc(address) for _, address in hits]
        held = {row["sha256"][0]: row["document_id"][0] for row in rows}
        profiles = {row["sha256"][0]: self._profile(row) for row in rows}
        return _View(stamp, index, searcher, held, profiles, Router(profiles.values()))

    def _profile(self, row: Any) -> Profile:
        """Return the profile of a version; one that was made before is not made again."""
        before = self._view.profiles.get(row["sha256"][0]) if self._view else None
        if before is not None and before.document_id == row["document_id"][0]:
            return before
        card = Card.model_validate_json(row["card"][0])
        return profile(row["document_id"][0], row["name"][0].decode(), card)


def _passages(view: _View, terms: Sequence[str], documents: Sequence[str], limit: int) -> list[Hit]:
    """Return the best passages; where `documents` are given, of these, with the same scores."""
    query = _any_of("body", terms)
    if documents:
        query = _only(query, "document_id", documents)
    # Equal scores come back in the order of the segments: take more, and order them here.
    found = view.searcher.search(query, limit + 20).hits
    hits = []
    for score, address in found:
        row = view.searcher.doc(address)
        values = {name: row[name][0] for name in _PLACE}
        hits.append(Hit(**values, score=round(score, 4)))
    hits.sort(key=lambda hit: (-hit.score, hit.document_id, hit.page, hit.start))
    return hits[:limit]


def _chosen(view: _View, query: str, among: Sequence[str]) -> list[Choice]:
    """Choose the documents in which to look: by their cards, then by their passages."""

    def weigh(documents: Sequence[str]) -> dict[str, float]:
        return _points(view, _terms(query), documents)

    return view.router.choose(query, weigh, among)


def _points(view: _View, terms: Sequence[str], documents: Sequence[str]) -> dict[str, float]:
    """Return how well documents fit by their best passages, names and openings; all if none."""
    points: dict[str, float] = {}
    seen: dict[str, int] = {}
    for hit in _passages(view, terms, documents, _POOL):
        rank = seen[hit.document_id] = seen.get(hit.document_id, 0) + 1
        points[hit.document_id] = points.get(hit.document_id, 0.0) + hit.score / 2 ** (rank - 1)
    about = _any_of("about", terms)
    if documents:
        about = _only(about, "document_id", documents)
    for score, address in view.searcher.search(about, _POOL).hits:
        document_id = view.searcher.doc(address)["document_id"][0]
        points[document_id] = points.get(document_id, 0.0) + _BY_ABOUT * score
    return points


def _found(view: _View, query: str, choice: Choice, limit: int) -> list[Hit]:
    """Return the best passages of a chosen document: without the names that led to it, if any."""
    hits = _passages(view, _terms(choice.query), [choice.document_id], limit)
    return hits or _passages(view, _terms(query), [choice.document_id], limit)


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
