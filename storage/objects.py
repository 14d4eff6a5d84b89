"""Named objects that can be published and withdrawn in a transaction, though a bucket has none.

The bytes lie in the bucket under their hash, written before anything names them; a name is an item
that points to them. So publishing is one conditional write that commits with whatever belongs to
it, a name is never half there, and every version that a name once had stays readable.

    objects           {name}              the name's latest version
    object/{name}     {version}           every version
"""

import time
from collections.abc import Iterator
from typing import Any, Final, cast

from storage.documents import sha256_of
from storage.errors import NotFound
from storage.keys import key
from storage.ports import Absent, Action, Blobs, Delete, Item, Put, Table, VersionIs
from storage.records import Record

OBJECTS: Final = "objects"


class NamedObject(Record):
    """A version of a named object. `size` in bytes, `published_at` in seconds since the epoch."""

    name: str
    version: int
    sha256: str
    size: int
    published_at: float


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
        version = self.next_version(name)
        new = NamedObject(
            name=name,
            version=version,
            sha256=sha256_of(data),
            size=len(data),
            published_at=time.time(),
        )
        body: dict[str, Any] = new.model_dump(mode="json")
        when = VersionIs(before.version) if before else Absent()
        return [
            Put(Item(OBJECTS, key(name), body, version), when, table="documents"),
            Put(Item(key("object", name), key(version), body), Absent(), table="documents"),
        ]

    def withdraw(self, before: NamedObject) -> list[Action]:
        """Return the actions that remove a name, if it is still as `before`."""
        when = VersionIs(before.version)
        return [Delete(OBJECTS, key(before.name), when, table="documents")]

    def next_version(self, name: str) -> int:
        """Return the number that the next version of a name will have."""
        versions = self._table.query(key("object", name), reverse=True, limit=1)
        return 1 + max((cast(int, item.body["version"]) for item in versions), default=0)


def _blob(sha256: str) -> str:
    return f"objects/{sha256}"
