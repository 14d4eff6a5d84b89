"""Named objects that can be published and withdrawn in a transaction, though a bucket has none.

The bytes lie in the bucket under their hash, written before anything names them; a name is an item
that points to them. So publishing is one conditional write that commits with whatever belongs to
it, a name is never half there, and every version that a name once had stays readable. Tags belong
to a name, not to its bytes, which other names may share; retention belongs to both: the record says
it, in the same transaction, and the bucket is told after.

    objects           {name}              the name's latest version
    object/{name}     {version}           every version
"""

import time
from collections.abc import Callable, Iterator
from typing import Any, Final, cast

from pydantic import Field

from storage.errors import NotAllowed, NotFound
from storage.keys import key
from storage.ports import (
    Absent,
    Action,
    Blobs,
    Check,
    Condition,
    Delete,
    Item,
    Put,
    Table,
    VersionIs,
)
from storage.records import Record
from storage.times import utc
from storage.versions import sha256_of

OBJECTS: Final = "objects"


class NamedObject(Record):
    """A version of a named object. `size` in bytes, times in seconds since the epoch."""

    name: str
    version: int
    sha256: str
    size: int
    published_at: float
    tags: dict[str, str] = Field(default_factory=dict)
    retain_until: float = 0.0
    """Until then the name is not withdrawn and the bytes are not deleted; 0: not retained."""
    revision: int = 0
    """Counts every change of the record, also of tags and retention."""


class ObjectStore:
    """The named objects of a workspace's bucket `deliverables`; the names are in a table."""

    def __init__(self, table: Table, blobs: Blobs) -> None:
        self._table = table
        self._blobs = blobs

    def find(self, name: str) -> NamedObject | None:
        """Return the latest version of a name, or None."""
        item = self._table.get(OBJECTS, key(name))
        return NamedObject.model_validate(item.body) if item else None

    def all(self, prefix: str = "", *, after: str = "") -> Iterator[NamedObject]:
        """Yield the names, in the order of their encoded form."""
        start = key(after) if after else ""
        for item in self._table.query(OBJECTS, after=start):
            if cast(str, item.body["name"]).startswith(prefix):
                yield NamedObject.model_validate(item.body)

    def get(self, name: str) -> bytes:
        """Return the bytes of the latest version.

        Raises:
            NotFound: there is no such name.
        """
        found = self.find(name)
        if found is None:
            raise NotFound(f"There is no object {name!r}.")
        return self._blobs.get(_blob(found.sha256))

    def keep(self, data: bytes) -> None:
        """Store bytes under their hash; nothing names them yet. Safe to repeat."""
        self._blobs.put(_blob(sha256_of(data)), data)

    def publish(self, name: str, data: bytes, before: NamedObject | None) -> list[Action]:
        """Return the actions that point a name to bytes, if it is still as `before`."""
        return self._point(name, sha256_of(data), len(data), before)

    def copy(self, source: NamedObject, name: str, before: NamedObject | None) -> list[Action]:
        """Return the actions that point a name to the bytes of another, as it is now."""
        still = Check(OBJECTS, key(source.name), VersionIs(source.revision), table="documents")
        return [still, *self._point(name, source.sha256, source.size, before)]

    def tag(self, before: NamedObject, tags: dict[str, str]) -> list[Action]:
        """Return the actions that give a name these tags and no other."""
        return self._change(before, tags=tags)

    def retain(self, before: NamedObject, until: float) -> list[Action]:
        """Return the actions that retain a name, for longer and never for shorter.

        What they write down `apply_retention` does to the bytes.
        """
        return self._change(before, retain_until=max(until, before.retain_until))

    def apply_retention(self, of: NamedObject, until: float) -> None:
        """Retain the bytes of a version. Safe to repeat."""
        self._blobs.retain(_blob(of.sha256), until)

    def withdraw(self, before: NamedObject) -> list[Action]:
        """Return the actions that remove a name, if it is still as `before`.

        Raises:
            NotAllowed: it is retained.
        """
        if before.retain_until > time.time():
            raise NotAllowed(
                f"The object {before.name!r} is retained until {utc(before.retain_until)}; it "
                "cannot be deleted before."
            )
        when = VersionIs(before.revision)
        return [Delete(OBJECTS, key(before.name), when, table="documents")]

    def holding(self, holds: Callable[[str], bool]) -> list[tuple[str, float]]:
        """Return what is published whose text is of a kind, and until when it is retained, or 0.

        That is every version of each name, and the bytes of names that were withdrawn.
        """
        kept = [info.key for info in self._blobs.list(_blob(""))]
        hashes = {k for k in kept if holds(self._blobs.get(k).decode(errors="replace"))}
        if not hashes:
            return []
        named = [
            version
            for latest in self.all()
            for item in self._table.query(key("object", latest.name))
            if _blob((version := NamedObject.model_validate(item.body)).sha256) in hashes
        ]
        # Retention is the bytes', whichever name it was set by.
        until = {_blob(each.sha256): 0.0 for each in named}
        for each in named:
            until[_blob(each.sha256)] = max(until[_blob(each.sha256)], each.retain_until)
        rows = [(f"{o.name}, version {o.version}", until[_blob(o.sha256)]) for o in named]
        return rows + [
            (f"bytes of a name that was withdrawn (sha256 {each[len(_blob('')) :][:12]})", 0.0)
            for each in sorted(hashes - until.keys())
        ]

    def link(self, of: NamedObject, seconds: int) -> str:
        """Return a URL that gives anyone the bytes of a version, for so long; see `Blobs.link`."""
        return self._blobs.link(
            _blob(of.sha256), seconds=seconds, name=of.name.rpartition("/")[2] or "object"
        )

    def next_version(self, name: str) -> int:
        """Return the number that the next version of a name will have."""
        last = self._last(name)
        return last.version + 1 if last else 1

    def _last(self, name: str) -> NamedObject | None:
        """Return the newest version that a name ever had, withdrawn or not."""
        versions = self._table.query(key("object", name), reverse=True, limit=1)
        return next((NamedObject.model_validate(item.body) for item in versions), None)

    def _point(self, name: str, sha256: str, size: int, before: NamedObject | None) -> list[Action]:
        last = self._last(name)
        new = NamedObject(
            name=name,
            version=last.version + 1 if last else 1,
            sha256=sha256,
            size=size,
            published_at=time.time(),
            revision=last.revision + 1 if last else 1,
        )
        return self._puts(new, before, Absent())

    def _change(self, before: NamedObject, **changes: Any) -> list[Action]:
        update = {**changes, "revision": before.revision + 1}
        return self._puts(before.model_copy(update=update), before, None)

    def _puts(
        self, new: NamedObject, before: NamedObject | None, when: Condition | None
    ) -> list[Action]:
        """Write the name, if it is still as `before`, and its version."""
        body: dict[str, Any] = new.model_dump(mode="json")
        still = VersionIs(before.revision) if before else Absent()
        return [
            Put(Item(OBJECTS, key(new.name), body, new.revision), still, table="documents"),
            Put(
                Item(key("object", new.name), key(new.version), body, new.revision),
                when,
                table="documents",
            ),
        ]


def _blob(sha256: str) -> str:
    return f"objects/{sha256}"
