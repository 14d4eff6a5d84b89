"""Serialized values in their place: small ones inside an item, large ones beside it, by their hash.

A value that does not fit inline becomes a segment: an item of the same partition, or an object when
it is too large for an item. Segments are named by the hash of their bytes, so that writing one
twice changes nothing, and they are never shared between partitions, so that deleting a partition
deletes all of it. A reference is what an item holds instead of the value:

    {"t": type, "v": bytes}      inline
    {"t": type, "s": sha256}     a segment in the table
    {"t": type, "o": sha256}     a segment in the bucket
"""

import hashlib
from collections.abc import Iterable, Mapping
from typing import Final, cast

from storage.keys import key
from storage.ports import Blobs, Item, Key, Table, Value

Typed = tuple[str, bytes]
"""A serialized value: LangGraph's type tag and the bytes."""
Ref = Mapping[str, Value]

INLINE_BYTES: Final = 4 * 1024
INLINE_TOTAL_BYTES: Final = 200 * 1024
ITEM_BYTES: Final = 300 * 1024
_PREFIX: Final = "s/"


class Segments:
    """Stores and loads the values of one table and bucket."""

    def __init__(self, table: Table, blobs: Blobs) -> None:
        self._table = table
        self._blobs = blobs

    def store(
        self, pk: str, values: Mapping[str, Typed], inherited: Mapping[str, Ref] | None = None
    ) -> dict[str, Ref]:
        """Store what does not fit inline, and return the references by name.

        `inherited` references go into the same item; what stands inline in them counts too.
        """
        refs = dict(inherited or {})
        refs |= {name: {"t": kind, "v": data} for name, (kind, data) in values.items()}
        by_size = sorted((len(cast(bytes, r["v"])), name) for name, r in refs.items() if "v" in r)
        room = INLINE_TOTAL_BYTES
        items: dict[str, Item] = {}
        for size, name in by_size:
            room -= size
            if size > INLINE_BYTES or room < 0:
                kind, data = cast(str, refs[name]["t"]), cast(bytes, refs[name]["v"])
                digest = hashlib.sha256(data).hexdigest()
                refs[name] = {"t": kind, "s" if size <= ITEM_BYTES else "o": digest}
                if size <= ITEM_BYTES:
                    items[digest] = Item(pk, _PREFIX + digest, {"v": data})
                else:
                    self._blobs.put(_object(pk, digest), data)
        if items:
            self._table.batch_write(list(items.values()))
        return refs

    def load(self, pk: str, refs: Iterable[Ref]) -> list[Typed]:
        """Return the serialized values of references, in their order."""
        refs = list(refs)
        keys = [_item_key(pk, ref) for ref in refs if "s" in ref]
        found = self._table.batch_get(list(dict.fromkeys(keys))) if keys else {}
        return [self._value(pk, ref, found) for ref in refs]

    def _value(self, pk: str, ref: Ref, found: Mapping[Key, Item]) -> Typed:
        kind = cast(str, ref["t"])
        if "v" in ref:
            return kind, cast(bytes, ref["v"])
        if "s" in ref:
            return kind, cast(bytes, found[_item_key(pk, ref)].body["v"])
        return kind, self._blobs.get(_object(pk, cast(str, ref["o"])))

    def copy(self, source: str, target: str) -> None:
        """Copy all segments of a partition into another."""
        for item in self._table.query(source, prefix=_PREFIX):
            self._table.put(Item(target, item.sk, item.body))
        for info in self._blobs.list(f"{source}/"):
            digest = info.key.rpartition("/")[2]
            self._blobs.put(_object(target, digest), self._blobs.get(info.key))

    def keep(self, pk: str, refs: Iterable[Ref]) -> None:
        """Delete the segments of a partition that none of the references names."""
        named = {ref["s"] if "s" in ref else ref.get("o") for ref in refs}
        keys = [(pk, item.sk) for item in self._table.query(pk, prefix=_PREFIX)]
        gone = [k for k in keys if k[1].removeprefix(_PREFIX) not in named]
        self._table.batch_write((), gone)
        for info in list(self._blobs.list(f"{pk}/")):
            if info.key.rpartition("/")[2] not in named:
                self._blobs.delete(info.key)


def _item_key(pk: str, ref: Ref) -> Key:
    return pk, _PREFIX + cast(str, ref["s"])


def _object(pk: str, digest: str) -> str:
    return f"{pk}/{key(digest)}"
