"""Versions of documents, by the hash of their bytes: the original, its pages, and its card.

What a `ready` version says never changes. One that is not may be read again, with a password or by
a newer reader; its pages are then another object under `pages/{sha256}/`, since an object is
written once and somebody may just be reading the former one. The card of a version stands in the
entry of its bytes, so that what removes one removes both.
"""

import hashlib
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from threading import Lock
from typing import Any, Final, cast

from cachetools import LRUCache
from pydantic import TypeAdapter

from storage.errors import ConditionFailed, NotFound
from storage.keys import key
from storage.ports import Blobs, FieldIs, Item, Table
from storage.records import Card, Page
from storage.tombstones import Grave, stored_as
from storage.uses import Uses

_CACHED: Final = 8_000_000
"""Characters of pages that are remembered."""
PAGES: Final = TypeAdapter(list[Page])
"""Pages as they are kept: JSON."""


def sha256_of(data: bytes) -> str:
    """Return the SHA-256 of bytes, in hexadecimal: what a version is."""
    return hashlib.sha256(data).hexdigest()


@dataclass(frozen=True, slots=True)
class KeptCard:
    """A card, and the version of what made it: a newer one makes it anew."""

    card: Card
    made_by: str


def kept_with(card: KeptCard | None) -> dict[str, Any]:
    """Return what an entry of a version holds of its card."""
    return {"card": card.card.model_dump(mode="json"), "card_by": card.made_by} if card else {}


class Versions:
    """What there is of the versions of a workspace's documents."""

    def __init__(
        self, table: Table, originals: Blobs, artifacts: Blobs, uses: Uses | None = None
    ) -> None:
        """Take where they lie, and where it is written down which runs meet their text."""
        self._table = table
        self._originals = originals
        self._artifacts = artifacts
        self._uses = uses
        self._grave = Grave(table, originals, artifacts)
        # An answer reads the same pages again and again. Only what cannot change is kept.
        self._cached: LRUCache[str, tuple[str, list[Page]]] = LRUCache(
            _CACHED, getsizeof=lambda read: sum(len(page.text) for page in read[1])
        )
        self._lock = Lock()

    def keep_original(self, sha256: str, data: bytes) -> None:
        """Store the bytes of a version."""
        stored, _ = stored_as(self._table, sha256)
        self._originals.put(f"originals/{stored}", data)

    def abandon(self, sha256: str) -> None:
        """Delete what was stored of bytes that were not added; of a document nothing is touched."""
        self._grave.abandon(sha256)

    def original(self, sha256: str) -> bytes:
        """Return the bytes of a version.

        Raises:
            NotFound: there is no such version in this workspace.
        """
        stored = cast(str, self._item_of(sha256).body["stored"])
        return self._originals.get(f"originals/{stored}")

    def read_by(self, sha256: str) -> str:
        """Return the version of the reader that read a version of a document.

        Raises:
            NotFound: there is no such version in this workspace.
        """
        return cast(str, self._item_of(sha256).body.get("parser", ""))

    def cards(self, versions: Sequence[str], made_by: str) -> dict[str, Card]:
        """Return the cards of those of the versions that have one, made by that version of us."""
        keys = {(key("version", sha256), "document"): sha256 for sha256 in versions}
        items = self._table.batch_get([*keys])
        return {
            keys[place]: Card.model_validate(item.body["card"])
            for place, item in items.items()
            if item.body.get("card_by") == made_by
        }

    def keep_card(self, sha256: str, card: KeptCard) -> None:
        """Keep a card that was made of a version later than the version was added.

        It can be made again at any time: where the version has changed meanwhile, or is gone,
        nothing is kept.
        """
        item = self._table.get(key("version", sha256), "document")
        if item is None or item.body.get("card_by") == card.made_by:
            return
        entry = Item(item.pk, item.sk, {**item.body, **kept_with(card)}, item.version + 1)
        # An entry that was made anew counts from 1 again, but never with the same pages elsewhere.
        with suppress(ConditionFailed):
            self._table.put(entry, FieldIs("pages", cast(str, item.body["pages"])))

    def pages(self, sha256: str) -> list[Page]:
        """Return the pages of a version, for whoever reads them: a run that does is written down.

        Raises:
            NotFound: there is no such version in this workspace.
        """
        document_id, pages = self._read(sha256)
        try:
            self.met(document_id)
        except NotFound:  # erased since; the same bytes may be a version of another by now
            self.forget()
            document_id, pages = self._read(sha256)
            self.met(document_id)
        return pages

    def met(self, *document_ids: str) -> None:
        """Write down that the run that reads just now, if it is one, meets text of documents.

        Whatever gives a run such text that did not come from `pages` says so here, and before.

        Raises:
            NotFound: one of them has been erased.
        """
        if self._uses:
            self._uses.met(document_ids)

    def load(self, sha256: str) -> list[Page]:
        """Return the pages of a version for what gives none of their text to a run: an index.

        Raises:
            NotFound: there is no such version in this workspace.
        """
        return self._read(sha256, keep=False)[1]  # it reads each document once

    def _read(self, sha256: str, *, keep: bool = True) -> tuple[str, list[Page]]:
        """Return the id of the document that has a version, and the version's pages."""
        with self._lock:
            known = self._cached.get(sha256)
        if known is not None:
            return known
        item = self._item_of(sha256)
        text = self._artifacts.get(cast(str, item.body["pages"]))
        pages = PAGES.validate_json(text)
        read = cast(str, item.body["document_id"]), pages
        if keep and item.body.get("final"):
            with self._lock, suppress(ValueError):  # it is larger than all that is remembered
                self._cached[sha256] = read
        return read

    def _item_of(self, sha256: str) -> Item:
        item = self._table.get(key("version", sha256), "document")
        if item is None:
            raise NotFound(f"There is no version {sha256!r} in this workspace.")
        return item

    def forget(self) -> None:
        """Forget the pages that are kept in memory."""
        with self._lock:
            self._cached.clear()
