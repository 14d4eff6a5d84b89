"""Documents as they are kept: the original, its pages, and one entry in the catalogue.

The original (bucket `documents`) and the pages (bucket `artifacts`) are named by the hash of the
original's bytes and written first; one transaction then makes the document exist, whole. Killed
before it, nothing was added, and adding again finds the objects there. Identical bytes in a
workspace are one document: its id is made from their hash, and the first name is kept.
"""

import hashlib
import json
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, Final, cast

from storage.errors import ConditionFailed, NotFound
from storage.keys import key
from storage.ports import Absent, Blobs, Item, Put, Table
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
        item = self._table.get(key("document", document_id), "document")
        if item is None:
            raise NotFound(f"There is no document {document_id!r} in this workspace.")
        return Document.model_validate(item.body)

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
        name = f"pages/{document.sha256}/{parser}.json"
        text = json.dumps([page.model_dump() for page in pages], ensure_ascii=False)
        self._artifacts.put(name, text.encode())
        body = document.model_dump(mode="json")
        version: dict[str, Any] = {"document_id": document.id, "pages": name}
        added = int(document.added_at * 1000)
        try:
            self._table.transact(
                [
                    Put(Item(key("document", document.id), "document", body), Absent()),
                    Put(Item(key("version", document.sha256), "document", version), Absent()),
                    Put(Item(CATALOGUE, key(added, document.id), body)),
                ]
            )
        except ConditionFailed:
            found = self.find(document.sha256)
            if found is None:
                raise
            return found
        return document

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

    def page(self, document_id: str, number: int) -> Page:
        """Return a page by its number, which counts from 1.

        Raises:
            NotFound: there is no such document, or it has no such page.
        """
        document = self.get(document_id)
        pages = self.pages(document.sha256)
        if not 1 <= number <= len(pages):
            raise NotFound(
                f"{document.name} has no page {number}; "
                + (f"its pages are 1 to {len(pages)}." if pages else "no page of it could be read.")
            )
        return pages[number - 1]
