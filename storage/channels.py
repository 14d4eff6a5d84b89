"""The values of a checkpoint's channels: what is written of them.

Of each channel a checkpoint holds one entry:

    ["v", tree]                        the value (`storage.trees`)
    ["l", length, hops, pieces, own]   a list, as a rope (`storage.ropes`)
    ["a", checkpoint]                  the entry that the channel has in an earlier checkpoint

How they are read back is in `storage.channel_reading`.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final, cast

import ormsgpack
from langgraph.checkpoint.base import ChannelVersions

from storage.channel_reading import Reader
from storage.checkpoint_layout import Place, long, short
from storage.codec import Typed, digest
from storage.ports import Item
from storage.ropes import EARLIER, ELEMENTS, Element, Rope, alone, is_same, lay
from storage.saver_memory import Draft, Entry, Known, Row
from storage.segments import ITEM_BYTES
from storage.snapshots import Snapshots
from storage.trees import Tree, Trees, refs_of

_AGAIN_BYTES: Final = 48
"""An entry of no more than this is repeated, where a reference would be as long."""


class Channels(Reader):
    """Writes the values of one table and bucket, by one serializer."""

    def body(self, pk: str, content: Any, made: dict[bytes, bytes]) -> dict[str, Any]:
        """Return the field that holds content; what is too large is added to what is `made`."""
        data = self._codec.pack(content)
        if len(data) <= ITEM_BYTES:
            return {"b": data}
        name = digest(data, pk)
        made[name] = data
        return {"s": name}

    def store(self, pk: str, made: Mapping[bytes, bytes], beside: list[Item]) -> None:
        """Store segments, and other items, before whatever refers to them."""
        self._segments.store(pk, made, beside)

    def packed(
        self, pk: str, contents: Mapping[bytes, Any], there: set[bytes]
    ) -> dict[bytes, bytes]:
        """Return the bytes of those segments that are not there yet."""
        made = {}
        for name, content in contents.items():
            if name not in there:
                made[name] = self._codec.pack(content)
                self._memory.remember_segment(pk, name, 3 * len(made[name]), content)
        return made

    def dump(self, value: Any) -> Typed:
        """Serialize a value that stands in an item."""
        return self._codec.dumps(value)

    def entries(
        self,
        place: Place,
        values: Mapping[str, Any],
        versions: ChannelVersions,
        new_versions: ChannelVersions,
        parent: Known | None,
        made: dict[bytes, Any],
    ) -> Draft:
        """Return the entries of a checkpoint; the segments that they need are added to `made`."""
        draft = Draft()
        if parent:
            for name in parent.row.entries:
                same = name in versions and versions[name] == parent.versions.get(name)
                if same and name not in new_versions:
                    self._carry(draft, name, parent)
        for name, value in values.items():
            if name not in draft.entries:
                trees = Trees(self._codec, place.pk)
                self._write(draft, place, name, value, parent, trees, made)
                made |= {ref: list(typed) for ref, typed in trees.large.items()}
        return draft

    def _carry(self, draft: Draft, name: str, parent: Known) -> None:
        """Take over a channel that has not changed."""
        entry = parent.row.entries[name]
        small = entry[0] == "v" or (entry[0] == "l" and entry[2] == 0)
        if entry[0] != "a" and not (small and len(ormsgpack.packb(entry)) <= _AGAIN_BYTES):
            entry = ["a", short(parent.row.id)]
        draft.entries[name] = entry
        for mine, theirs in (
            (draft.ropes, parent.ropes),
            (draft.prints, parent.prints),
            (draft.seen, parent.seen),
            (draft.alive, parent.alive),
        ):
            if name in theirs:
                cast(dict[str, Any], mine)[name] = cast(dict[str, Any], theirs)[name]

    def _write(
        self,
        draft: Draft,
        place: Place,
        name: str,
        value: Any,
        parent: Known | None,
        trees: Trees,
        made: dict[bytes, Any],
    ) -> None:
        """Write a channel that is new or may have changed."""
        if type(value) is list and value:
            self._write_list(draft, place, name, value, parent, trees, made)
            return
        tree = trees.tree(value)
        found = _name(tree, place.pk)
        if parent and self._print_of(parent, name) == found:
            self._carry(draft, name, parent)
            return
        draft.entries[name] = ["v", tree]
        draft.prints[name] = found
        draft.alive[name] = set(refs_of(tree))

    def _write_list(
        self,
        draft: Draft,
        place: Place,
        name: str,
        value: list[Any],
        parent: Known | None,
        trees: Trees,
        made: dict[bytes, Any],
    ) -> None:
        value = list(value)  # at once: a node may be changing it
        old = self._rope_of(parent, name) if parent else None
        seen = (old and parent and parent.seen.get(name)) or Snapshots()
        same, found = seen.unchanged(value)
        now = seen.and_then(value, same, found)
        before = old.elements if old else []
        elements = before[:same]
        for each, at in zip(value[same:], found, strict=True):
            known = before[at] if at is not None else None
            elements.append(known or _element(trees.tree(each), place.pk))
        if parent and old and is_same(old.elements, elements, same):
            self._carry(draft, name, parent)
        else:
            at_parent = _holder(parent, name) if parent and old else ""
            rope = lay(elements, old, at_parent, lambda held: _name(held, place.pk), same)
            made |= rope.made
            pieces = [list(piece) for piece in rope.pieces]
            draft.entries[name] = ["l", len(elements), rope.hops, pieces, rope.own]
            draft.ropes[name] = rope
            draft.alive[name] = rope.refs
        draft.seen[name] = now

    def known(self, row: Row) -> Known:
        """Return what is known of a checkpoint when it has been read."""
        at = (row.place.pk, row.place.sk(row.id))
        if found := self._memory.known(at):
            return found
        versions = self._codec.loads(row.bare)["channel_versions"]
        found = Known(row, versions)
        self._memory.remember(at, found)
        return found

    def _print_of(self, known: Known, name: str) -> bytes | None:
        if name in known.row.entries and name not in known.prints:
            pk = known.row.place.pk
            job = {0: lambda need: self.held(known.row, name, need)}
            _, entry = self.read(pk, job)[0]
            if entry[0] != "v":
                return None
            known.prints[name] = _name(entry[1], pk)
            known.alive[name] = set(refs_of(entry[1]))
        return known.prints.get(name)

    def _rope_of(self, known: Known, name: str) -> Rope | None:
        if name in known.row.entries and name not in known.ropes:
            pk = known.row.place.pk
            job = {0: lambda need: self.rope(known.row, name, need)}
            rope = self.read(pk, job)[0]
            if rope is None:
                return None
            known.ropes[name] = rope
            known.alive[name] = rope.refs
        return known.ropes.get(name)

    # Upkeep.

    def refers_to(self, row: Row) -> set[str]:
        """Return the ids of the earlier checkpoints in which values of a row stand."""
        ids = set()
        for entry in row.entries.values():
            if entry[0] == "a":
                ids.add(long(entry[1]))
            elif entry[0] == "l":
                ids |= {long(ref) for kind, ref, *_ in entry[3] if kind == EARLIER}
        return ids

    def alone(self, row: Row, made: dict[bytes, Any]) -> dict[str, Entry]:
        """Return the entries of a row as they are without any earlier checkpoint."""
        pk = row.place.pk
        held = self.read(pk, {n: self.held_job(row, n) for n in row.entries})
        entries: dict[str, Entry] = {}
        for name, (_, entry) in held.items():
            if entry[0] != "l":
                entries[name] = entry
                continue
            rope = self._rope_of(Known(row, {}), name)
            assert rope is not None  # noqa: S101 - it is a list
            laid = alone(rope, lambda held: _name(held, pk))
            made |= laid.made
            entries[name] = ["l", len(rope.elements), 0, [list(p) for p in laid.pieces], laid.own]
        return entries

    def refs_of_row(self, row: Row) -> set[bytes]:
        """Return the segments that a row's own entries name, at any depth."""
        found: set[bytes] = set()
        for entry in row.entries.values():
            if entry[0] == "v":
                found |= set(refs_of(entry[1]))
            elif entry[0] == "l":
                for packed in entry[4]:
                    found |= set(refs_of(ormsgpack.unpackb(packed)))
                found |= self._refs_of_pieces(row.place.pk, entry[3])
        return found

    def _refs_of_pieces(self, pk: str, pieces: Iterable[Any]) -> set[bytes]:
        named = {ref: kind for kind, ref, *_ in pieces if kind >= ELEMENTS}
        found = set(named)
        held = self.read(pk, {ref: self.segment_job(pk, ref) for ref in named})
        for ref, kind in named.items():
            if kind == ELEMENTS:
                for packed in held[ref]:
                    found |= set(refs_of(ormsgpack.unpackb(packed)))
            else:
                found |= self._refs_of_pieces(pk, held[ref])
        return found


def _holder(known: Known, name: str) -> bytes | str:
    """Return the checkpoint, short, in which a channel of this one really stands."""
    entry = known.row.entries[name]
    return cast(bytes | str, entry[1]) if entry[0] == "a" else short(known.row.id)


def _name(held: Any, pk: str) -> bytes:
    return digest(ormsgpack.packb(held), pk)


def _element(tree: Tree, pk: str) -> Element:
    packed = ormsgpack.packb(tree)
    return Element(packed, digest(packed, pk), tuple(refs_of(tree)))
