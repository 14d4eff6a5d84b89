"""Documents as they are kept: the original, its pages, and one entry in the catalogue.

The original (bucket `documents`) and the pages (bucket `artifacts`) are named by the hash of the
original's bytes and written first; one transaction then makes the document exist, whole. Killed
before it, nothing was added, and adding again finds the objects there. Identical bytes in a
workspace are one document: its id is made from their hash, and the first name is kept. A new
version of a document takes its place in the catalogue; the older ones stay readable by their hash.
Each of these transactions notes a change (`storage.changes`), which the search index follows.
What a version consists of is in `storage.versions`.
"""

import re
import time
from collections.abc import Iterable, Iterator
from typing import Any, Final, cast

from storage.changes import Changes
from storage.errors import ConditionFailed, Conflict, NotFound
from storage.index_snapshots import IndexSnapshots
from storage.keys import key
from storage.ports import Absent, Action, Blobs, Delete, FieldIs, Item, Put, Table, VersionIs
from storage.records import Document, Page
from storage.times import utc
from storage.tombstones import Tombstone, stands, stored_as, tombstone_of
from storage.uses import Uses
from storage.versions import PAGES, KeptCard, Versions, kept_with, sha256_of

CATALOGUE: Final = "documents"
_ID: Final = re.compile(r"\bd-[0-9a-f]{20}\b")
_SHA256: Final = re.compile(r"\b[0-9a-f]{64}\b")
_MEANWHILE: Final = "These bytes were added and erased meanwhile; add them again."


def document_id(sha256: str) -> str:
    """Return the id of the document whose first version has this hash."""
    return f"d-{sha256[:20]}"


def added_at(document: Document) -> list[float]:
    """Return when each version of a document was added, oldest first; 0 where nobody knows."""
    if not document.older:
        return [document.added_at]
    unknown = [0.0] * (len(document.older) - len(document.older_at))
    return [document.added_at, *[*unknown, *document.older_at][1:], document.version_at]


class DocumentStore(Versions):
    """The documents of a workspace, with what their versions consist of."""

    def __init__(
        self, table: Table, originals: Blobs, artifacts: Blobs, uses: Uses | None = None
    ) -> None:
        """Take where documents lie, and where it is written down which runs meet their text."""
        super().__init__(table, originals, artifacts, uses)
        self.changes = Changes(table)
        self.snapshots = IndexSnapshots(table, artifacts)

    def find(self, sha256: str) -> Document | None:
        """Return the document that has these bytes, or None.

        Raises:
            Conflict: they are being erased.
        """
        item = self._table.get(key("version", sha256), "document")
        if item is None:
            return None
        document_id = cast(str, item.body["document_id"])
        found = self._table.get(key("document", document_id), "document")
        if found is None:
            raise Conflict(f"These bytes are being erased, with document {document_id}; try later.")
        return Document.model_validate(found.body)

    def get(self, document_id: str) -> Document:
        """Return a document.

        Raises:
            NotFound: there is no such document in this workspace.
        """
        return Document.model_validate(self._item(document_id).body)

    def _item(self, document_id: str) -> Item:
        item = self._table.get(key("document", document_id), "document")
        if item is None:
            gone = tombstone_of(self._table, document_id)
            more = (
                f" any more: it was erased on {utc(gone.at)}"
                if gone
                else "; `documents` lists them"
            )
            raise NotFound(f"There is no document {document_id!r} in this workspace{more}.")
        return item

    def named_in(self, text: str) -> set[str]:
        """Return the ids of documents that a text names: by the id, or by the hash of a version."""
        versions = [(key("version", each), "document") for each in set(_SHA256.findall(text))]
        found = self._table.batch_get(versions).values() if versions else ()
        return {*_ID.findall(text), *(cast(str, item.body["document_id"]) for item in found)}

    def some(self, document_ids: Iterable[str]) -> dict[str, Document]:
        """Return those of the documents that are in this workspace, by id; in one read or few."""
        found = self._table.batch_get(
            [(key("document", each), "document") for each in document_ids]
        )
        documents = (Document.model_validate(item.body) for item in found.values())
        return {document.id: document for document in documents}

    def all(self) -> Iterator[Document]:
        """Yield all documents, oldest first."""
        for item in self._table.query(CATALOGUE):
            yield Document.model_validate(item.body)

    def add(
        self, document: Document, pages: list[Page], parser: str, card: KeptCard | None = None
    ) -> Document:
        """Make a document exist, with its pages as a parser of that version read them, and a card.

        Of two that add the same bytes at once one wins, and both get what it added.

        Raises:
            Conflict: the bytes were added by another and erased meanwhile, or are being erased.
        """
        try:
            self._enter(document, pages, parser, card, 0)
        except ConditionFailed:
            found = self.find(document.sha256)
            if found is None:
                raise Conflict(_MEANWHILE) from None
            return found
        return document

    def add_version(
        self,
        document_id: str,
        version: Document,
        pages: list[Page],
        parser: str,
        card: KeptCard | None = None,
    ) -> Document:
        """Make bytes the newest version of a document, whose id, name and place it keeps.

        Raises:
            NotFound: there is no such document in this workspace.
            Conflict: the bytes are a version of a document already, or another version came first.
        """
        item = self._item(document_id)
        before = Document.model_validate(item.body)
        document = version.model_copy(
            update={
                "id": before.id,
                "name": before.name,
                "added_at": before.added_at,
                "older": [*before.older, before.sha256],
                "version_at": version.added_at,
                "older_at": added_at(before),
            }
        )
        try:
            self._enter(document, pages, parser, card, item.version)
        except ConditionFailed:
            if found := self.find(version.sha256):
                raise Conflict(f"These bytes are a version of {found.name} already.") from None
            raise Conflict(f"{before.name} has got another version meanwhile.") from None
        return document

    def read_again(
        self, document: Document, pages: list[Page], parser: str, card: KeptCard | None = None
    ) -> Document:
        """Replace what was read of the newest version of a document that was not `ready`.

        Raises:
            NotFound: there is no such document in this workspace.
            Conflict: it has become another meanwhile, or has been read by someone else.
        """
        item = self._item(document.id)
        before = Document.model_validate(item.body)
        if before.sha256 != document.sha256 or before.status == "ready":
            raise Conflict(f"{before.name} has been read meanwhile.")
        try:
            self._enter(document, pages, parser, card, item.version, again=True)
        except ConditionFailed:
            raise Conflict(f"{before.name} has changed meanwhile.") from None
        return document

    def _enter(
        self,
        document: Document,
        pages: list[Page],
        parser: str,
        card: KeptCard | None,
        version: int,
        *,
        again: bool = False,
    ) -> None:
        """Store a document with its newest version, if it is at this version of its entry."""
        stored, still = stored_as(self._table, document.sha256)
        if stored != document.sha256 and self._originals.head(f"originals/{stored}") is None:
            raise Conflict(_MEANWHILE)
        text = PAGES.dump_json(pages)
        name = f"pages/{stored}/{sha256_of(text)[:20]}.json"
        self._artifacts.put(name, text)
        body = document.model_dump(mode="json")
        bytes_: dict[str, Any] = {
            "document_id": document.id,
            "pages": name,
            "stored": stored,
            "parser": parser,
            "final": document.status == "ready",
            **kept_with(card),
        }
        entry = Item(key("document", document.id), "document", body, version + 1)
        of_bytes = Item(key("version", document.sha256), "document", bytes_)
        self.changes.commit(
            document.id,
            [
                Put(entry, VersionIs(version) if version else Absent()),
                Put(of_bytes, FieldIs("document_id", document.id) if again else Absent()),
                Put(Item(*_listed(document), body)),
                still,
            ],
        )

    def erasing(self, document: Document, by: str, shows: str) -> list[Action]:
        """Return the actions with which a document is gone, if it is still as it was read.

        `by` is the run that has it erased, and `shows` what a person has approved.
        What it consists of and what was made of it is deleted after that (`storage.erasure`).

        Raises:
            Conflict: it has changed since.
        """
        item = self._item(document.id)
        if Document.model_validate(item.body) != document:
            raise Conflict(f"{document.name} has changed meanwhile.")
        versions = [*document.older, document.sha256]
        before = tombstone_of(self._table, document.id)
        tombstone = Tombstone(
            document_id=document.id,
            versions={v: cast(str, self._item_of(v).body["stored"]) for v in versions},
            at=time.time(),
            by=by,
            approved={by: shows},
            revision=before.revision if before else 0,
        )
        return [
            Delete(item.pk, item.sk, VersionIs(item.version), table="documents"),
            Delete(*_listed(document), table="documents"),
            stands(tombstone),
        ]

    def tombstone(self, document_id: str) -> Tombstone | None:
        """Return what is left of a document that was erased and is not there again, or None."""
        if self._table.get(key("document", document_id), "document"):
            return None
        return tombstone_of(self._table, document_id)

    def page(self, document: Document, number: int, sha256: str = "") -> Page:
        """Return a page by its number, which counts from 1, of the newest or another version.

        Raises:
            NotFound: the document has no such version, or that no such page.
        """
        sha256 = sha256 or document.sha256
        if sha256 not in (document.sha256, *document.older):
            raise NotFound(f"{document.name} has no version {sha256!r}.")
        pages = self.pages(sha256)
        if not 1 <= number <= len(pages):
            reason = document.reason if sha256 == document.sha256 else ""
            none = f"no page of it could be read. {reason}".rstrip()
            there = f"its pages are 1 to {len(pages)}." if pages else none
            raise NotFound(f"{document.name} has no page {number}; {there}")
        return pages[number - 1]


def _listed(document: Document) -> tuple[str, str]:
    """Return the key of a document's entry in the catalogue."""
    return CATALOGUE, key(int(document.added_at * 1000), document.id)
