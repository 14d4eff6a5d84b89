"""Reading the values of a checkpoint: as few calls as there are steps from one thing to the next.

A job reads what is at hand, and says what it misses; all jobs are tried, what they miss is read in
one call, and they are tried again.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, cast

import ormsgpack

from storage.checkpoint_layout import Place, incarnation_of, long, run_of
from storage.codec import Codec, Typed, digest
from storage.errors import Unavailable
from storage.ports import Blobs, Item, Table
from storage.ropes import (
    EARLIER,
    ELEMENTS,
    OWN,
    Element,
    Piece,
    Rope,
    cut,
    joined,
    loose_bytes,
    refs_of_elements,
)
from storage.saver_memory import Entry, Memory, Row
from storage.segments import Segments
from storage.trees import refs_of, value_of


class Need(set[Any]):
    """What reading still misses: digests of segments, and places and ids of checkpoints.

    What has been read for it is `held`, so that it may be more than the memory keeps.
    """

    def __init__(self) -> None:
        super().__init__()
        self.held: dict[Any, Any] = {}


class MissingError(Exception):
    """A value needs what has not been read yet."""


class StaleError(Unavailable):
    """What is in memory names something that is gone: somebody else has pruned the thread."""


Job = Callable[[Need], Any]


class Reader:
    """Reads the values of one table and bucket, by one serializer."""

    def __init__(self, table: Table, blobs: Blobs, memory: Memory, codec: Codec) -> None:
        self._codec, self._memory = codec, memory
        self._segments = Segments(table, blobs)

    def row(self, place: Place, item: Item, checkpoint_id: str, content: Any = None) -> Row:
        """Return what a checkpoint's item holds; `content` is that, where it is known."""

        def read() -> Row:
            kind, bare, metadata_kind, metadata, entries = content or self.content(item)
            return Row(
                Place(place.thread_id, place.ns),
                checkpoint_id,
                run_of(item),
                incarnation_of(item),
                (kind, bare),
                (metadata_kind, metadata),
                entries,
            )

        stored = cast(bytes, item.body.get("b") or item.body["s"])
        return self._memory.row_of((item.pk, item.sk), incarnation_of(item), stored, read)

    def content(self, item: Item) -> Any:
        """Return what an item's bytes hold, wherever they stand."""
        if "b" in item.body:
            return self._codec.unpack(cast(bytes, item.body["b"]))
        name = cast(bytes, item.body["s"])
        return self.read(item.pk, {0: lambda need: self.segment(item.pk, name, need)})[0]

    def load(self, typed: Typed) -> Any:
        """Return a value that stands in an item."""
        return self._codec.loads(typed)

    def job(self, row: Row, name: str) -> Job:
        """Return what reads a channel's value."""
        return lambda need: self._value(row, name, need)

    def tree_job(self, pk: str, tree: Any) -> Job:
        """Return what reads the value of a tree."""
        return lambda need: self._tree_value(pk, tree, need)

    def read(self, pk: str, jobs: Mapping[Any, Job]) -> dict[Any, Any]:
        """Do jobs, and read what they need in as few calls as possible."""
        done: dict[Any, Any] = {}
        left = dict(jobs)
        need = Need()
        while left:
            need.clear()
            for name, job in list(left.items()):
                try:
                    done[name] = job(need)
                except MissingError:
                    continue
                del left[name]
            if need:
                self._fetch(pk, need)
                if not need & need.held.keys():
                    raise StaleError(f"A part of {pk} is gone; somebody deletes of the thread.")
        return {name: done[name] for name in jobs}

    def _fetch(self, pk: str, need: Need) -> None:
        names = [each for each in need if isinstance(each, bytes)]
        places = [each for each in need if isinstance(each, tuple)]
        at = {
            (pk, place.sk(checkpoint_id)): (place, checkpoint_id) for place, checkpoint_id in places
        }
        segments, rows = self._segments.load(pk, names, list(at))
        for name, data in segments.items():
            need.held[name] = self._codec.unpack(data)
            self._memory.remember_segment(pk, name, 3 * len(data), need.held[name])
        for key, item in rows.items():
            need.held[at[key]] = self.row(at[key][0], item, at[key][1])

    def _row(self, place: Place, checkpoint_id: str, need: Need) -> Row:
        found: Row | None = need.held.get((place, checkpoint_id))
        found = found or self._memory.row((place.pk, place.sk(checkpoint_id)))
        if found is None:
            need.add((place, checkpoint_id))
            raise MissingError
        return found

    def segment(self, pk: str, name: bytes, need: Need) -> Any:
        """Return the content of a segment."""
        found = need.held[name] if name in need.held else self._memory.segment(pk, name)
        if found is None:
            need.add(name)
            raise MissingError
        return found

    def held(self, row: Row, name: str, need: Need) -> tuple[Row, Entry]:
        """Return the row and the entry in which a channel really stands."""
        entry = row.entries[name]
        if entry[0] != "a":
            return row, entry
        holder = self._row(row.place, long(entry[1]), need)
        return holder, holder.entries[name]

    def _value(self, row: Row, name: str, need: Need) -> Any:
        holder, entry = self.held(row, name, need)
        pk = row.place.pk
        if entry[0] == "v":
            return self._tree_value(pk, entry[1], need)
        trees = [ormsgpack.unpackb(each) for each in self._list(holder, name, need)]
        self._want(pk, (ref for tree in trees for ref in refs_of(tree)), need)
        return [self._tree_value(pk, tree, need) for tree in trees]

    def _tree_value(self, pk: str, tree: Any, need: Need) -> Any:
        self._want(pk, refs_of(tree), need)
        return value_of(tree, self._codec, lambda name: self.segment(pk, name, need))

    def _want(self, pk: str, names: Iterable[bytes], need: Need) -> None:
        """Ask for all segments at once that are not at hand."""
        if not self._at_hand(pk, names, need):
            raise MissingError

    def _at_hand(self, pk: str, names: Iterable[bytes], need: Need) -> bool:
        missing = {
            name
            for name in names
            if name not in need.held and self._memory.segment(pk, name) is None
        }
        need.update(missing)
        return not missing

    def _list(self, row: Row, name: str, need: Need) -> list[bytes]:
        """Return the serialized elements of a list that stands in a row."""
        _, _, _, pieces, own = row.entries[name]
        segments = [ref for kind, ref, *_ in pieces if kind >= ELEMENTS]
        missing = not self._at_hand(row.place.pk, segments, need)
        out: list[bytes] = []
        for kind, ref, start, stop in pieces:
            if kind == OWN:
                out += own[start:stop]
            elif kind == EARLIER:
                holder = self._row(row.place, long(ref), need)
                out += self._list(holder, name, need)[start:stop]
            elif not missing:
                out += self._elements(row.place.pk, kind, ref, need)[start:stop]
        if missing:
            raise MissingError
        return out

    def _elements(self, pk: str, kind: int, name: bytes, need: Need) -> list[bytes]:
        held = self.segment(pk, name, need)
        if kind == ELEMENTS:
            return cast(list[bytes], held)
        self._want(pk, (ref for _, ref, *_ in held), need)
        out: list[bytes] = []
        for inner, ref, start, stop in held:
            out += self._elements(pk, inner, ref, need)[start:stop]
        return out

    def rope(self, row: Row, name: str, need: Need) -> Rope | None:
        """Return the rope of a list that was read, to go on from."""
        holder, entry = self.held(row, name, need)
        if entry[0] != "l":
            return None
        pk = row.place.pk
        elements = [_read_element(packed, pk) for packed in self._list(holder, name, need)]
        spans = joined(self._spans(holder, name, need))
        pieces: list[Piece] = [tuple(piece) for piece in entry[3]]
        loose, of_elements = loose_bytes(elements, spans), refs_of_elements(elements)
        return Rope(elements, pieces, entry[4], spans, entry[2], loose, {}, of_elements)

    def _spans(self, row: Row, name: str, need: Need) -> list[Piece]:
        """Return where the elements of a list lie, those in checkpoints by their position."""
        out: list[Piece] = []
        position = 0
        for kind, ref, start, stop in row.entries[name][3]:
            count = stop - start
            if kind == EARLIER:
                holder = self._row(row.place, long(ref), need)
                at = position
                for inner, seg, first, last in cut(self._spans(holder, name, need), start, stop):
                    n = last - first
                    out.append(
                        (OWN, None, at, at + n) if inner == OWN else (inner, seg, first, last)
                    )
                    at += n
            elif kind == OWN:
                out.append((OWN, None, position, position + count))
            else:
                out.append((kind, ref, start, stop))
            position += count
        return out

    def held_job(self, row: Row, name: str) -> Job:
        """Return what reads the row and the entry in which a channel really stands."""
        return lambda need: self.held(row, name, need)

    def segment_job(self, pk: str, name: bytes) -> Job:
        """Return what reads the content of a segment."""
        return lambda need: self.segment(pk, name, need)


def _read_element(packed: bytes, pk: str) -> Element:
    refs = tuple(refs_of(ormsgpack.unpackb(packed)))
    return Element(packed, digest(packed, pk), refs)
