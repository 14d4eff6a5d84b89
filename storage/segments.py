"""Content of one partition by its digest: in the table, or in the bucket if an item cannot hold it.

Segments are never changed and never shared between partitions, so that writing one twice changes
nothing and deleting a partition deletes all of it.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, cast

from storage.keys import key
from storage.ports import Blobs, Item, Key, Table

ITEM_BYTES: Final = 300 * 1024
SEGMENTS: Final = "s/"


class Segments:
    """Stores and loads the segments of one table and bucket."""

    def __init__(self, table: Table, blobs: Blobs) -> None:
        self._table = table
        self._blobs = blobs

    def store(self, pk: str, stored: Mapping[bytes, bytes], beside: Sequence[Item] = ()) -> None:
        """Store segments, and other items in the same call; safe to repeat."""
        for name, data in stored.items():
            if len(data) > ITEM_BYTES:
                self._blobs.put(_object(pk, name.hex()), data)
        items = [
            Item(pk, SEGMENTS + name.hex(), {"b": data})
            for name, data in stored.items()
            if len(data) <= ITEM_BYTES
        ]
        if found := [*beside, *items]:
            self._table.batch_write(found)

    def load(
        self, pk: str, names: Iterable[bytes], beside: Sequence[Key] = ()
    ) -> tuple[dict[bytes, bytes], dict[Key, Item]]:
        """Return those segments that there are, and other items, read in the same call."""
        wanted = {(pk, SEGMENTS + name.hex()): name for name in names}
        items = self._table.batch_get([*wanted, *beside]) if wanted or beside else {}
        found = {
            name: cast(bytes, items[at].body["b"]) for at, name in wanted.items() if at in items
        }
        for name in set(wanted.values()) - set(found):
            if self._blobs.head(_object(pk, name.hex())):
                found[name] = self._blobs.get(_object(pk, name.hex()))
        return found, {at: item for at, item in items.items() if at not in wanted}

    def copy(self, source: str, target: str) -> None:
        """Copy all segments of a partition into another."""
        for item in self._table.query(source, prefix=SEGMENTS):
            self._table.put(Item(target, item.sk, item.body))
        for info in self._blobs.list(f"{source}/"):
            name = info.key.rpartition("/")[2]
            self._blobs.put(_object(target, name), self._blobs.get(info.key))

    def keep(self, pk: str, names: set[bytes]) -> None:
        """Delete the segments of a partition that are not among these."""
        named = {name.hex() for name in names}
        rows = self._table.query(pk, prefix=SEGMENTS)
        gone = [(pk, row.sk) for row in rows if row.sk.removeprefix(SEGMENTS) not in named]
        if gone:
            self._table.batch_write((), gone)
        for info in list(self._blobs.list(f"{pk}/")):
            if info.key.rpartition("/")[2] not in named:
                self._blobs.delete(info.key)


def _object(pk: str, name: str) -> str:
    return f"{pk}/{key(name)}"
