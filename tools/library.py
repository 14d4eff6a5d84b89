"""The library of a workspace: adding documents, finding passages, reading pages.

It ties together what each does one thing: the parser in its sandbox, the document store, and the
search index. The index is a local cache of what the store has; it is brought up to date before a
search (`tools/indexing.py`), and can be deleted at any time.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from threading import Lock

from storage.documents import DocumentStore, document_id
from storage.errors import AffidavitError, Conflict, NotFound
from storage.records import Card, Document, Identity, Page, Passage
from storage.texts import on_one_line
from storage.versions import KeptCard, sha256_of
from tools.cards import CARD_VERSION, make_card
from tools.index import ANY, Hit, IndexedDocument, PassageIndex
from tools.indexing import Indexing, Progress
from tools.locators import locator
from tools.parsers.drawing import SCALE, Picture
from tools.parsers.result import Parsed
from tools.parsing import PARSER_VERSION
from tools.pictures import Pictures
from tools.profiles import Wanted
from tools.sandbox import Sandbox
from tools.tables import heads_above

_INSIDE = " › "
_MOST_DEEP = 5
"""How many files a document may lie inside of each other."""
_MOST_INSIDE = 1_000
"""Files inside of a file, however deep, after which no more are added."""


@dataclass(frozen=True, slots=True)
class Added:
    """What became of a file that was added."""

    document: Document
    new: bool
    """It was not there before; reading it again does not make it new."""
    attachments: tuple["Added", ...] = ()
    """What became of the files that are attached to it."""
    earlier: bool = False
    """The bytes are an earlier version of it; whoever asks about it is answered by the newest."""
    called: str = ""
    """What the file was called; a document keeps its first name, which may be another."""

    def with_attachments(self) -> "Iterator[tuple[Added, str]]":
        """Yield it and all that lies inside of it, each with the id of what it is attached to."""
        yield self, ""
        for attachment in self.attachments:
            for each, holder in attachment.with_attachments():
                yield each, holder or self.document.id


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
        """Add a file, or a new version of a document.

        Every file is recorded, whatever its status. Identical bytes are one document. What is
        attached to a mail becomes documents of its own, before the mail is one. What was `locked`
        is read again when it is added with a password, and what was not `ready` for any reason
        when the readers have become better; so is what is attached to what is added again.

        The password opens what is locked, attachments too; it is kept nowhere.

        Raises:
            NotFound: there is no document of which it could be a version.
            Conflict: the bytes are an earlier version, or another document already; or somebody
                else has just read the document again.
        """
        sha256, called = sha256_of(data), on_one_line(name)
        if version_of:
            self.store.get(version_of)
        found = self.store.find(sha256)
        if found is None:
            with self._or_nothing(sha256):
                new = self._add_new(data, name, identity, version_of, password)
                return replace(new, called=called)
        if version_of and (found.id, found.sha256) != (version_of, sha256):
            raise Conflict(f"These bytes are a version of {found.name} ({found.id}) already.")
        if found.sha256 != sha256:  # an earlier version stays as it is
            return Added(found, new=False, earlier=True, called=called)
        return replace(self._add_again(found, identity, password), called=called)

    @contextmanager
    def _or_nothing(self, sha256: str) -> Iterator[None]:
        """Leave nothing of bytes that do not become a document after all."""
        try:
            yield
        except BaseException:
            with suppress(AffidavitError):  # why they do not counts, and is told
                self.store.abandon(sha256)
            raise

    def _add_new(
        self, data: bytes, name: str, identity: Identity, version_of: str, password: str
    ) -> Added:
        parsed = self._parse(data, name, password)
        sha256 = sha256_of(data)
        self.store.keep_original(sha256, data)  # not before: killed while it is read, nothing stays
        attached, reason = self._attached(parsed, name, identity, password)
        document = Document(
            id=document_id(sha256),
            name=name,
            sha256=sha256,
            media_type=parsed.media_type,
            status=parsed.status,
            reason=reason,
            pages=len(parsed.pages),
            size=len(data),
            added_at=time.time(),
            added_by=identity.name,
            attachments=_ids(attached),
        )
        card = KeptCard(parsed.card, CARD_VERSION) if parsed.card else None
        if version_of:
            pages = parsed.pages
            added = self.store.add_version(version_of, document, pages, PARSER_VERSION, card)
            return Added(added, True, attached)
        added = self.store.add(document, parsed.pages, PARSER_VERSION, card)
        return Added(added, added == document, attached)

    def _add_again(
        self, found: Document, identity: Identity, password: str, depth: int = 0
    ) -> Added:
        """Read a document again if it may be worth it, and what is attached to it."""
        if self._is_worth_reading_again(found, password):
            return self._read_again(found, identity, password)
        attached = []
        for each in found.attachments if depth < _MOST_DEEP else ():
            with suppress(NotFound):  # it has been erased
                inner = self.store.get(each)
                attached.append(self._add_again(inner, identity, password, depth + 1))
        return Added(found, False, tuple(attached))

    def _is_worth_reading_again(self, found: Document, password: str) -> bool:
        if found.status == "ready":
            return False
        if found.status == "locked" and password:
            return True
        read_by = self.store.read_by(found.sha256)
        return not read_by.isdigit() or int(read_by) < int(PARSER_VERSION)

    def _read_again(self, found: Document, identity: Identity, password: str) -> Added:
        parsed = self._parse(self.store.original(found.sha256), found.name, password)
        if found.status == parsed.status == "locked":
            # That a password was tried in vain is told to who tried it, and to nobody else.
            return Added(found.model_copy(update={"reason": parsed.reason}), False)
        attached, reason = self._attached(parsed, found.name, identity, password)
        document = found.model_copy(
            update={
                "media_type": parsed.media_type,
                "status": parsed.status,
                "reason": reason,
                "pages": len(parsed.pages),
                "attachments": _ids(attached),
            }
        )
        card = KeptCard(parsed.card, CARD_VERSION) if parsed.card else None
        with self._or_nothing(found.sha256):
            read = self.store.read_again(document, parsed.pages, PARSER_VERSION, card)
        return Added(read, False, attached)

    def _parse(self, data: bytes, name: str, password: str) -> Parsed:
        with self._starting:
            sandbox = self._sandbox
        return sandbox.parse(data, name, password)

    def _attached(
        self, parsed: Parsed, name: str, identity: Identity, password: str
    ) -> tuple[tuple[Added, ...], str]:
        """Add what is attached to a file; return it, and what is to be said of the file."""
        if parsed.attachments and name.count(_INSIDE) >= _MOST_DEEP:
            names = ", ".join(each.name for each in parsed.attachments)
            told = f"What is attached to it lies too deep and was not added: {names}."
            return (), f"{parsed.reason} {told}".strip()
        added: list[Added] = []
        inside = 0
        for number, each in enumerate(parsed.attachments):
            if inside >= _MOST_INSIDE:
                left = len(parsed.attachments) - number
                told = f"{inside:,} files inside of it were added, and {left} of its own were not."
                return tuple(added), f"{parsed.reason} {told}".strip()
            title = f"{name}{_INSIDE}{each.name}"
            added.append(self.add(each.data, title, identity, password=password))
            inside += sum(1 for _ in added[-1].with_attachments())
        return tuple(added), parsed.reason

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


def _ids(added: Sequence[Added]) -> list[str]:
    return list(dict.fromkeys(each.document.id for each in added))
