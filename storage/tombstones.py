"""What is left of a document that was erased: that there was one, and what has to go with it.

    document/{document}   erased    the tombstone
    version/{sha256}      erased    how often these bytes have been erased

A document is gone with its tombstone, in one transaction; whatever holds its text goes after that,
and the tombstone says when it has. Until then its versions stand as taken, so that nobody adds the
same bytes while they are being deleted. Added again later, they are stored under another name: what
deletes the old ones and is late cannot touch them. And who was adding them, and is late, has
written under a name that is of no use any more, and deletes what he has written.
"""

from collections.abc import Iterable
from contextlib import suppress
from typing import Any, Final, cast

from pydantic import Field

from storage.errors import ConditionFailed
from storage.keys import key
from storage.ports import (
    Absent,
    Blobs,
    Check,
    Delete,
    FieldIs,
    Item,
    Put,
    Table,
    VersionIs,
)
from storage.records import Record

ERASED: Final = "erased"
DERIVED: Final = ("pages",)
"""Kinds of objects in the bucket `artifacts` that are made of a version: `{kind}/{stored}/…`."""


class Tombstone(Record):
    """What is left of a document: nothing of its text."""

    document_id: str
    versions: dict[str, str]
    """The SHA-256 of its versions, and what each is stored as."""
    at: float
    """When it was erased, in seconds since the epoch."""
    by: str
    """The run that erased it."""
    approved: dict[str, str]
    """What people have approved, by the run that asked them: another may have gone on with it."""
    done: bool = False
    """All that held its text is deleted."""
    revision: int = Field(0, exclude=True)
    """Of its item."""


def tombstone_of(table: Table, document_id: str) -> Tombstone | None:
    """Return the tombstone of a document, or None if it was never erased."""
    item = table.get(key("document", document_id), ERASED)
    if item is None:
        return None
    return Tombstone.model_validate({**item.body, "revision": item.version})


def stands(tombstone: Tombstone) -> Put:
    """Return the action that writes a tombstone, if it is still at its revision."""
    body: dict[str, Any] = tombstone.model_dump(mode="json")
    item = Item(key("document", tombstone.document_id), ERASED, body, tombstone.revision + 1)
    when = VersionIs(tombstone.revision) if tombstone.revision else Absent()
    return Put(item, when, table="documents")


def stored_as(table: Table, sha256: str) -> tuple[str, Check]:
    """Return what a version is stored as if it is added now, and what holds as long as it is."""
    times, still = _times(table, sha256)
    return _name(sha256, times), Check(key("version", sha256), ERASED, still)


def _name(sha256: str, times: int) -> str:
    return f"{sha256}.{times}" if times else sha256


def _times(table: Table, sha256: str) -> tuple[int, VersionIs | Absent]:
    """Return how often bytes have been erased, and what holds as long as it is so often."""
    item = table.get(key("version", sha256), ERASED)
    return (cast(int, item.body["times"]), VersionIs(item.version)) if item else (0, Absent())


def _counted(sha256: str, times: int) -> Item:
    return Item(key("version", sha256), ERASED, {"times": times}, times)


class Grave:
    """Deletes what a document consists of; what others have made of it is not its affair."""

    def __init__(self, table: Table, originals: Blobs, artifacts: Blobs) -> None:
        self._table = table
        self._originals = originals
        self._artifacts = artifacts

    def close(self, tombstone: Tombstone) -> None:
        """Delete the originals and what was made of them, then let go of the versions.

        Safe to repeat, at any time: whoever has added the same bytes since loses nothing.
        """
        names = [*tombstone.versions.values()]
        self._delete(names)
        for sha256, stored in tombstone.versions.items():
            self._let_go(sha256, stored)
        # Who was adding the same bytes may have written them between.
        self._delete(names)

    def abandon(self, sha256: str) -> None:
        """Delete what was written of bytes that did not become a document, or are none any more.

        Who is adding the same bytes just then has to begin anew.
        """
        version = key("version", sha256)
        while True:
            times, still = _times(self._table, sha256)
            if self._table.get(version, "document"):
                break  # they became a document under the newest name
            nobodys = Check(version, "document", Absent())
            with suppress(ConditionFailed):
                self._table.transact([nobodys, Put(_counted(sha256, times + 1), still)])
                times += 1
                break
        self._delete([_name(sha256, each) for each in range(times)])

    def _delete(self, names: Iterable[str]) -> None:
        for stored in names:
            for kind in DERIVED:
                for info in list(self._artifacts.list(f"{kind}/{stored}/")):
                    self._artifacts.delete(info.key)
            self._originals.erase(f"originals/{stored}")

    def _let_go(self, sha256: str, stored: str) -> None:
        version = key("version", sha256)
        times, still = _times(self._table, sha256)
        try:
            self._table.transact(
                [
                    Delete(version, "document", FieldIs("stored", stored)),
                    Put(_counted(sha256, times + 1), still),
                ]
            )
        except ConditionFailed:
            return  # it was let go before
