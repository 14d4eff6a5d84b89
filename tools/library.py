"""The library of a workspace: adding documents, finding passages, reading pages.

It ties together what each does one thing: the parser in its sandbox, the document store, and the
search index. The index is a local cache of what the store has; it is brought up to date before a
search (`tools/indexing.py`), and can be deleted at any time.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property, partial
from pathlib import Path
from threading import Lock

from storage.documents import DocumentStore
from storage.errors import NotFound
from storage.records import Card, Document, Identity, Page, Passage
from storage.versions import KeptCard
from tools.adding import Added, Adding
from tools.cards import CARD_VERSION, make_card
from tools.index import ANY, Hit, IndexedDocument, PassageIndex
from tools.indexing import Indexing, Progress
from tools.locators import locator
from tools.parsers.drawing import SCALE, Picture
from tools.parsers.result import Parsed
from tools.pictures import Pictures
from tools.profiles import Wanted
from tools.sandbox import Sandbox
from tools.tables import heads_above


class Library:
    """The documents of a workspace, searchable. Thread-safe."""

    def __init__(
        self, store: DocumentStore, index_at: Path, sandbox: Callable[[], Sandbox] = Sandbox
    ) -> None:
        self.store = store
        self._index_at = index_at
        self._make_sandbox = sandbox
        self._starting = Lock()

    @cached_property
    def _pictures(self) -> Pictures:
        return Pictures()

    @cached_property
    def _sandbox(self) -> Sandbox:
        return self._make_sandbox()

    @cached_property
    def _index(self) -> PassageIndex:
        from tools.tantivy_index import TantivyIndex  # a command that finds nothing needs it not

        return TantivyIndex(self._index_at)

    @cached_property
    def _indexing(self) -> Indexing:
        return Indexing(self.store, self._index, self._indexed)

    def close(self) -> None:
        """End the children that parse and draw."""
        for name in ("_sandbox", "_pictures"):
            if name in self.__dict__:
                self.__dict__[name].close()

    def add(
        self,
        data: bytes,
        name: str,
        identity: Identity,
        *,
        version_of: str = "",
        password: str = "",
    ) -> Added:
        """Add a file, or a new version of a document; see `Adding.add`."""
        adding = Adding(self.store, self._parse, identity, password)
        return adding.add(data, name, version_of=version_of)

    def _parse(self, data: bytes, name: str, password: str) -> Parsed:
        with self._starting:
            sandbox = self._sandbox
        return sandbox.parse(data, name, password)

    def outdated(self, versions: Sequence[str]) -> list[Document]:
        """Return the documents of which some of the versions are not the newest any more."""
        found = {sha256: self.store.find(sha256) for sha256 in versions}
        return [d for sha256, d in found.items() if d is not None and d.sha256 != sha256]

    def refresh(self, progress: Progress | None = None) -> None:
        """Index what is in the store and not in the index, and share it with other workers."""
        self._indexing.catch_up(progress)
        self._indexing.share()

    def forget(self, document_id: str) -> None:
        """Remove what is indexed of a document that is gone, here and for all, and its pictures.

        Raises:
            Unavailable: it could not be done; call it again.
        """
        self._indexing.forget(document_id)
        if "_pictures" in self.__dict__:
            self._pictures.forget()

    def _indexed(self, document: Document) -> IndexedDocument:
        """Return a document as the index takes it; its card is made where there is none yet."""
        return IndexedDocument(
            document_id=document.id,
            sha256=document.sha256,
            name=document.name,
            pages=self.store.load(document.sha256),
            card=self._cards([document])[document.id],
        )

    def cards(self, documents: Sequence[Document]) -> dict[str, Card]:
        """Return the cards of documents, by id, for whoever reads them; they are text of theirs."""
        self.store.met(*(document.id for document in documents))
        return self._cards(documents)

    def _cards(self, documents: Sequence[Document]) -> dict[str, Card]:
        """Return the cards of documents, by id; one that was not made yet is made and kept."""
        kept = self.store.cards([document.sha256 for document in documents], CARD_VERSION)
        for document in documents:
            if document.sha256 not in kept:
                card = make_card(self.store.load(document.sha256))
                self.store.keep_card(document.sha256, KeptCard(card, CARD_VERSION))
                kept[document.sha256] = card
        return {document.id: kept[document.sha256] for document in documents}

    def likeliest(self, query: str, documents: Sequence[Document]) -> list[Document]:
        """Return documents in the order given, but those first that a query is likely about."""
        self._indexing.catch_up()
        rank = {each: number for number, each in enumerate(self._index.likely(query))}
        return sorted(documents, key=lambda document: rank.get(document.id, len(rank)))

    def wanted(self, wanted: Wanted) -> list[Document]:
        """Return the documents whose cards say what is wanted, oldest first.

        Raises:
            InvalidInput: what is wanted cannot be read.
        """
        if not wanted:
            return [*self.store.all()]
        self._indexing.catch_up()
        matching = frozenset(self._index.matching(wanted))
        return [document for document in self.store.all() if document.id in matching]

    def card(self, document_id: str) -> Card:
        """Return what a document says of itself, each value with its place.

        Raises:
            NotFound: there is no such document in this workspace.
        """
        return self.cards([self.store.get(document_id)])[document_id]

    def search(
        self,
        query: str,
        *,
        documents: Sequence[str] = (),
        wanted: Wanted = ANY,
        limit: int = 12,
    ) -> list[Passage]:
        """Return the passages that answer a query best: the likeliest documents', best first.

        Raises:
            NotFound: one of `documents` is not in this workspace.
            InvalidInput: what is wanted cannot be read.
        """
        if documents:
            known = self.store.some(documents)
            for each in documents:
                if each not in known:
                    self.store.get(each)  # it says what became of it
        self._indexing.catch_up()
        hits = self._index.search(query, documents=documents, wanted=wanted, limit=limit)
        return self.passages(hits)

    def passages(self, hits: Sequence[Hit]) -> list[Passage]:
        """Return hits with their texts; documents are looked up together.

        What has been erased since it was found is left out.
        """
        if not hits:
            return []
        found = self.store.some({hit.document_id for hit in hits})
        left = [hit for hit in hits if hit.document_id in found]
        self.store.met(*dict.fromkeys(hit.document_id for hit in left))
        pages = {each: self.store.pages(each) for each in {hit.sha256 for hit in left}}
        return [self._passage(found[hit.document_id], pages[hit.sha256], hit) for hit in left]

    def _passage(self, document: Document, pages: Sequence[Page], hit: Hit) -> Passage:
        page = pages[hit.page - 1]
        before = pages[hit.page - 2].text if hit.page > 1 else ""
        heads, on = heads_above(page.text, hit.start, hit.end, before)
        return Passage(
            document_id=hit.document_id,
            document=document.name,
            sha256=hit.sha256,
            page=hit.page,
            start=hit.start,
            end=hit.end,
            text=page.text[hit.start : hit.end],
            locator=locator(document.media_type, page, hit.start, hit.end),
            heads=heads,
            heads_page=hit.page - 1 if heads and not on else 0,
            score=hit.score,
        )

    def page(self, document_id: str, number: int, sha256: str = "") -> tuple[Document, Page]:
        """Return a document and one of its pages, which count from 1; of the newest version.

        Raises:
            NotFound: there is no such document, version or page in this workspace.
        """
        document = self.store.get(document_id)
        return document, self.store.page(document, number, sha256)

    def picture(
        self,
        document_id: str,
        number: int,
        sha256: str = "",
        *,
        marks: Sequence[tuple[int, int]] = (),
        scale: float = SCALE,
        password: str = "",
    ) -> Picture:
        """Return a page of a PDF as a picture, with stretches of its text marked.

        Raises:
            NotFound: there is no such document, version or page in this workspace.
            InvalidInput: the page cannot be drawn, or has no such text to be marked.
        """
        document, page = self.page(document_id, number, sha256)
        version = sha256 or document.sha256
        with self._starting:
            pictures = self._pictures
        original = partial(self.store.original, version)
        return pictures.draw(version, original, page, marks, scale, password)

    def in_scope(self, documents: Sequence[str]) -> Iterator[Document]:
        """Yield the documents named, or all if none is; those that are not there are left out."""
        if not documents:
            yield from self.store.all()
            return
        for each in documents:
            try:
                yield self.store.get(each)
            except NotFound:
                continue
