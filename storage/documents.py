"""Documents as they are kept: the original, its pages, and one entry in the catalogue.

The original (bucket `documents`) and the pages (bucket `artifacts`) are named by the hash of the
original's bytes and written first; one transaction then makes the document exist, whole. Killed
before it, nothing was added, and adding again finds the objects there. Identical bytes in a
workspace are one document: its id is made from their hash, and the first name is kept. A new
version of a document takes its place in the catalogue; the older ones stay readable by their hash.
"""

import hashlib
import json
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, Final, cast

from storage.errors import ConditionFailed, Conflict, NotFound
from storage.keys import key
from storage.ports import Absent, Blobs, Item, Put, Table, VersionIs
from storage.records import Document, Page

CATALOGUE: Final = "documents"
_PAGES_CACHED: Final = 64


def document_id(sha256: str) -> str:
    """Return the id of the document whose first version has this hash."""
    return f"d-{sha256[:20]}"


def sha256_of(data: bytes) -> str:
    """Return the SHA-256 of bytes, in hexadecimal: what a version is."""
    return hashlib.sha256(data).hexdigest()


class DocumentStore:
    """The documents of a workspace."""

    def __init__(self, table: Table, originals: Blobs, artifacts: Blobs) -> None:
        self._table = table
        self._originals = originals
        self._artifacts = artifacts
        # Pages never change, and an answer reads the same ones again and again.
        self._cached = lru_cache(maxsize=_PAGES_CACHED)(self._load_pages)

    def find(self, sha256: str) -> Document | None:
        """Return the document that has these bytes, or None."""
        item = self._table.get(key("version", sha256), "document")
        return self.get(cast(str, item.body["document_id"])) if item else None

    def get(self, document_id: str) -> Document:
        """Return a document.

        Raises:
            NotFound: there is no such document in this workspace.
        """
        return Document.model_validate(self._item(document_id).body)

    def _item(self, document_id: str) -> Item:
        item = self._table.get(key("document", document_id), "document")
        if item is None:
            raise NotFound(f"There is no document {document_id!r} in this workspace.")
        return item

    def all(self) -> Iterator[Document]:
        """Yield all documents, oldest first."""
        for item in self._table.query(CATALOGUE):
            yield Document.model_validate(item.body)

    def keep_original(self, sha256: str, data: bytes) -> None:
        """Store the bytes of a version."""
        self._originals.put(f"originals/{sha256}", data)

    def original(self, sha256: str) -> bytes:
        """Return the bytes of a version."""
        return self._originals.get(f"originals/{sha256}")

    def add(self, document: Document, pages: list[Page], parser: str) -> Document:
        """Make a document exist, with its pages as a parser of that version read them.

        Of two that add the same bytes at once one wins, and both get what it added.
        """
        try:
            self._enter(document, pages, parser, 0)
        except ConditionFailed:
            found = self.find(document.sha256)
            if found is None:
                raise
            return found
        return document

    def add_version(
        self, document_id: str, version: Document, pages: list[Page], parser: str
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
            }
        )
        try:
            self._enter(document, pages, parser, item.version)
        except ConditionFailed:
            if found := self.find(version.sha256):
                raise Conflict(f"These bytes are a version of {found.name} already.") from None
            raise Conflict(f"{before.name} has got another version meanwhile.") from None
        return document

    def _enter(self, document: Document, pages: list[Page], parser: str, version: int) -> None:
        """Store a document with its newest version, if it is at this version of its entry."""
        name = f"pages/{document.sha256}/{parser}.json"
        text = json.dumps([page.model_dump() for page in pages], ensure_ascii=False)
        self._artifacts.put(name, text.encode())
        body = document.model_dump(mode="json")
        bytes_: dict[str, Any] = {"document_id": document.id, "pages": name}
        entry = Item(key("document", document.id), "document", body, version + 1)
        self._table.transact(
            [
                Put(entry, VersionIs(version) if version else Absent()),
                Put(Item(key("version", document.sha256), "document", bytes_), Absent()),
                Put(Item(CATALOGUE, key(int(document.added_at * 1000), document.id), body)),
            ]
        )

    def pages(self, sha256: str) -> list[Page]:
        """Return the pages of a version.

        Raises:
            NotFound: there is no such version in this workspace.
        """
        return self._cached(sha256)

    def _load_pages(self, sha256: str) -> list[Page]:
        item = self._table.get(key("version", sha256), "document")
        if item is None:
            raise NotFound(f"There is no version {sha256!r} in this workspace.")
        text = self._artifacts.get(cast(str, item.body["pages"]))
        return [Page.model_validate(page) for page in json.loads(text)]

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
            raise NotFound(
                f"{document.name} has no page {number}; "
                + (f"its pages are 1 to {len(pages)}." if pages else "no page of it could be read.")
            )
        return pages[number - 1]
