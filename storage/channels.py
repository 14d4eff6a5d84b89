"""The values of a checkpoint's channels: what is written of them, and how they are read back.

Of each channel a checkpoint holds one entry:

    ["v", tree]                        the value (`storage.trees`)
    ["l", length, hops, pieces, own]   a list, as a rope (`storage.ropes`)
    ["a", checkpoint]                  the entry that the channel has in an earlier checkpoint

What is in memory only saves reading and writing: the rows and segments read last, and of the last
checkpoints which content there is already, element by element.
"""

import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, cast

import ormsgpack
from cachetools import LRUCache
from langgraph.checkpoint.base import ChannelVersions

from storage.checkpoint_layout import Place, long, run_of, short
from storage.codec import Codec, Print, Typed, digest, fingerprint, is_plain
from storage.errors import Unavailable
from storage.ports import Blobs, Item, Key, Table
from storage.ropes import (
    EARLIER,
    ELEMENTS,
    OWN,
    Element,
    Piece,
    Rope,
    cut,
    joined,
    lay,
    loose_bytes,
)
from storage.segments import ITEM_BYTES, Segments
from storage.trees import Trees, refs_of, value_of

Entry = list[Any]

CACHE_BYTES: Final = 64 * 1024 * 1024
_KNOWN: Final = 512
_KNOWN_ELEMENTS: Final = 200_000
_LOCKS: Final = 64
_MOST_GROUPS: Final = 16
_AGAIN_BYTES: Final = 48
"""An entry of no more than this is repeated, where a reference would be as long."""


@dataclass(frozen=True)
class Row:
    """A checkpoint as it is stored: all but the values that stand elsewhere."""

    place: Place
    id: str
    run_id: str
    bare: Typed
    metadata: Typed
    entries: Mapping[str, Entry]


@dataclass(frozen=True)
class Made:
    """By what the elements of a list are told from what they may have become.

    `groups` are fingerprints of ranges that follow each other, with their lengths; `by_print` finds
    elements one by one, when the list is no longer the same up to its end.
    """

    groups: list[tuple[int, Print]] = field(default_factory=list)
    by_print: dict[Any, Element] = field(default_factory=dict)

    def unchanged(self, values: list[Any]) -> int:
        """Return how many values at the start are what they were."""
        position = 0
        for length, found in self.groups:
            if fingerprint(values[position : position + length]) != found:
                break
            position += length
        return position

    def and_then(self, values: list[Any], start: int, by_print: dict[Any, Element]) -> "Made":
        """Return this for a longer list, of which the values before `start` are unchanged."""
        position, kept = 0, []
        for group in self.groups:
            if position >= start:
                break
            kept.append(group)
            position += group[0]
        # What stands behind elements that cannot be told is told one by one.
        if position == start and all(map(is_plain, values[start:])):
            if len(kept) >= _MOST_GROUPS:
                kept, position = [], 0
            if found := fingerprint(values[position:]):
                kept.append((len(values) - position, found))
        return Made(kept, by_print)


@dataclass
class Known:
    """A checkpoint whose content is at hand: what a child needs not write again."""

    row: Row
    versions: ChannelVersions
    ropes: dict[str, Rope] = field(default_factory=dict)
    prints: dict[str, bytes] = field(default_factory=dict)
    """Digests of the trees of other values."""
    made: dict[str, Made] = field(default_factory=dict)
    """How the elements of lists were told."""
    alive: dict[str, set[bytes]] = field(default_factory=dict)
    """The segments that each channel needs: they are there for as long as the checkpoint is."""

    @classmethod
    def of(cls, row: Row, versions: ChannelVersions, draft: "Draft") -> "Known":
        """Return what is known of a checkpoint when it has been written."""
        return cls(row, versions, draft.ropes, draft.prints, draft.made, draft.alive)

    @property
    def weight(self) -> int:
        """How much of the memory it takes, in elements of lists."""
        return 10 + sum(len(rope.elements) for rope in self.ropes.values())

    @property
    def there(self) -> set[bytes]:
        """All segments that it needs: they are there."""
        return set().union(*self.alive.values())


class _MissingError(Exception):
    """A value needs what has not been read yet."""


class StaleError(Unavailable):
    """What is in memory names something that is gone: somebody else has pruned the thread."""


class Memory:
    """What the savers of one table remember; bounded, and safe to share between threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._rows: LRUCache[Key, tuple[bytes, Row]] = LRUCache(CACHE_BYTES, lambda r: len(r[0]))
        self._segments: LRUCache[tuple[str, bytes], tuple[int, Any]] = LRUCache(
            CACHE_BYTES, lambda s: s[0]
        )
        self._known: LRUCache[Key, Known] = LRUCache(_KNOWN_ELEMENTS, lambda k: k.weight)
        self._heads: LRUCache[tuple[str, str], str] = LRUCache(_KNOWN)
        self._stored: LRUCache[Key, set[bytes]] = LRUCache(_KNOWN)
        self._storing = [threading.Lock() for _ in range(_LOCKS)]

    def storing(self, pk: str) -> threading.Lock:
        """Return the lock under which a thread's segments are stored.

        LangGraph has the writes of tasks stored while the checkpoint that they belong to is: what
        both hold is stored once.
        """
        return self._storing[hash(pk) % _LOCKS]

    def stored(self, at: Key, names: Iterable[bytes] = ()) -> set[bytes]:
        """Note segments that a checkpoint or writes upon it need; return all that were noted."""
        with self._lock:
            found = self._stored.get(at, set()) | set(names)
            self._stored[at] = found
            return found

    def row(self, at: Key) -> Row | None:
        """Return a row read or written before."""
        with self._lock:
            return (self._rows.get(at) or (b"", None))[1]

    def row_of(self, at: Key, stored: bytes, read: Callable[[], Row]) -> Row:
        """Return the row of stored bytes, from memory if they are the same."""
        with self._lock:
            held = self._rows.get(at)
        if held and held[0] == stored:
            return held[1]
        row = read()
        with self._lock:
            if len(stored) < CACHE_BYTES:
                self._rows[at] = (stored, row)
        return row

    def segment(self, pk: str, name: bytes) -> Any:
        """Return the content of a segment; None: not at hand."""
        with self._lock:
            return (self._segments.get((pk, name)) or (0, None))[1]

    def remember_segment(self, pk: str, name: bytes, size: int, content: Any) -> None:
        """Keep the content of a segment at hand."""
        with self._lock:
            if size < CACHE_BYTES:
                self._segments[pk, name] = (size, content)

    def known(self, at: Key) -> Known | None:
        """Return what is known of a checkpoint."""
        with self._lock:
            return self._known.get(at)

    def remember(self, at: Key, known: Known) -> None:
        """Keep what is known of a checkpoint at hand."""
        with self._lock:
            if known.weight < _KNOWN_ELEMENTS:
                self._known[at] = known

    def is_head(self, place: Place, checkpoint_id: str | None = None) -> bool:
        """Note the latest checkpoint that was seen of a namespace; return whether one was known."""
        at = (place.pk, place.ns)
        with self._lock:
            seen = at in self._heads
            if checkpoint_id:
                self._heads[at] = checkpoint_id
            return seen

    def forget(self, pk: str) -> None:
        """Forget a thread."""
        with self._lock:
            for held in (self._rows, self._segments, self._known, self._heads, self._stored):
                some = cast(LRUCache[Any, Any], held)
                for at in [each for each in some if each[0] == pk]:
                    del some[at]


class Channels:
    """Reads and writes the values of one table and bucket, by one serializer."""

    def __init__(self, table: Table, blobs: Blobs, memory: Memory, codec: Codec) -> None:
        self._table, self._codec, self._memory = table, codec, memory
        self._segments = Segments(table, blobs)

    # Items.

    def row(self, place: Place, item: Item, checkpoint_id: str) -> Row:
        """Return what a checkpoint's item holds."""

        def read() -> Row:
            kinds = self.content(item)
            bare_kind, bare, metadata_kind, metadata, entries = kinds
            return Row(
                Place(place.thread_id, place.ns),
                checkpoint_id,
                run_of(item),
                (bare_kind, bare),
                (metadata_kind, metadata),
                entries,
            )

        stored = cast(bytes, item.body.get("b") or item.body["s"])
        return self._memory.row_of((item.pk, item.sk), stored, read)

    def content(self, item: Item) -> Any:
        """Return what an item's bytes hold, wherever they stand."""
        if "b" in item.body:
            return self._codec.unpack(cast(bytes, item.body["b"]))
        name = cast(bytes, item.body["s"])
        return self._resolve(item.pk, {0: lambda need: self._segment(item.pk, name, need)})[0]

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

    def load(self, typed: Typed) -> Any:
        """Return a value that stands in an item."""
        return self._codec.loads(typed)

    # Writing.

    def entries(
        self,
        place: Place,
        values: Mapping[str, Any],
        versions: ChannelVersions,
        new_versions: ChannelVersions,
        parent: Known | None,
        made: dict[bytes, Any],
    ) -> "Draft":
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

    def _carry(self, draft: "Draft", name: str, parent: Known) -> None:
        """Take over a channel that has not changed."""
        entry = parent.row.entries[name]
        small = entry[0] == "v" or (entry[0] == "l" and entry[2] == 0)
        if entry[0] != "a" and not (small and len(ormsgpack.packb(entry)) <= _AGAIN_BYTES):
            entry = ["a", short(parent.row.id)]
        draft.entries[name] = entry
        for mine, theirs in (
            (draft.ropes, parent.ropes),
            (draft.prints, parent.prints),
            (draft.made, parent.made),
            (draft.alive, parent.alive),
        ):
            if name in theirs:
                cast(dict[str, Any], mine)[name] = cast(dict[str, Any], theirs)[name]

    def _write(
        self,
        draft: "Draft",
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
        found = digest(ormsgpack.packb(tree), place.pk)
        if parent and self._print_of(parent, name) == found:
            self._carry(draft, name, parent)
            return
        draft.entries[name] = ["v", tree]
        draft.prints[name] = found
        draft.alive[name] = set(refs_of(tree))

    def _write_list(
        self,
        draft: "Draft",
        place: Place,
        name: str,
        value: list[Any],
        parent: Known | None,
        trees: Trees,
        made: dict[bytes, Any],
    ) -> None:
        old = self._rope_of(parent, name) if parent else None
        before = parent.made.get(name, Made()) if parent else Made()
        same = before.unchanged(value) if old else 0
        elements = old.elements[:same] if old else []
        memo = before.by_print
        kept = dict(memo) if same else {}
        pk = place.pk
        elements += [_element(each, memo, kept, trees, pk) for each in value[same:]]
        made_of = before.and_then(value, same, kept)
        draft.made[name] = made_of
        if parent and old and [e.name for e in elements] == [e.name for e in old.elements]:
            self._carry(draft, name, parent)
            draft.made[name] = made_of
            return
        at: bytes | str = ""
        if parent and old:
            entry = parent.row.entries[name]
            at = entry[1] if entry[0] == "a" else short(parent.row.id)
        rope = lay(elements, old, at, lambda held: digest(ormsgpack.packb(held), pk))
        made |= rope.made
        pieces = [list(piece) for piece in rope.pieces]
        draft.entries[name] = ["l", len(elements), rope.hops, pieces, rope.own]
        draft.ropes[name] = rope
        refs = {ref for each in elements for ref in each.refs}
        draft.alive[name] = refs.union(ref for kind, ref, *_ in rope.spans if kind >= ELEMENTS)

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
            job = {0: lambda need: self._held(known.row, name, need)}
            _, entry = self._resolve(pk, job)[0]
            if entry[0] != "v":
                return None
            known.prints[name] = digest(ormsgpack.packb(entry[1]), pk)
            known.alive[name] = set(refs_of(entry[1]))
        return known.prints.get(name)

    def _rope_of(self, known: Known, name: str) -> Rope | None:
        if name in known.row.entries and name not in known.ropes:
            pk = known.row.place.pk
            job = {0: lambda need: self._rope(known.row, name, need)}
            rope = self._resolve(pk, job)[0]
            if rope is None:
                return None
            known.ropes[name] = rope
            refs = {ref for each in rope.elements for ref in each.refs}
            named = (ref for kind, ref, *_ in rope.spans if kind >= ELEMENTS)
            known.alive[name] = refs.union(named)
        return known.ropes.get(name)

    # Reading.

    def values(self, row: Row) -> dict[str, Any]:
        """Return the values of a checkpoint's channels."""
        return self.read(row.place.pk, {name: self.job(row, name) for name in row.entries})

    def job(self, row: Row, name: str) -> "Job":
        """Return what reads a channel's value."""
        return lambda need: self._value(row, name, need)

    def tree_job(self, pk: str, tree: Any) -> "Job":
        """Return what reads the value of a tree."""
        return lambda need: self._tree_value(pk, tree, need)

    def read(self, pk: str, jobs: "Mapping[Any, Job]") -> dict[Any, Any]:
        """Do jobs, and read what they need in as few calls as possible."""
        return self._resolve(pk, jobs)

    def _resolve(self, pk: str, jobs: "Mapping[Any, Job]") -> dict[Any, Any]:
        done: dict[Any, Any] = {}
        left = dict(jobs)
        asked: set[Any] = set()
        while left:
            need: set[Any] = set()
            for name, job in list(left.items()):
                try:
                    done[name] = job(need)
                except _MissingError:
                    continue
                del left[name]
            if need:
                if need <= asked:
                    raise StaleError(f"A part of {pk} is gone; somebody deletes of the thread.")
                asked |= need
                self._fetch(pk, need)
        return {name: done[name] for name in jobs}

    def _fetch(self, pk: str, need: Iterable[Any]) -> None:
        names = [each for each in need if isinstance(each, bytes)]
        places = [each for each in need if isinstance(each, tuple)]
        at = {
            (pk, place.sk(checkpoint_id)): (place, checkpoint_id) for place, checkpoint_id in places
        }
        segments, rows = self._segments.load(pk, names, list(at))
        for name, data in segments.items():
            self._memory.remember_segment(pk, name, 3 * len(data), self._codec.unpack(data))
        for key, item in rows.items():
            self.row(at[key][0], item, at[key][1])

    def _row(self, place: Place, checkpoint_id: str, need: set[Any]) -> Row:
        found = self._memory.row((place.pk, place.sk(checkpoint_id)))
        if found is None:
            need.add((place, checkpoint_id))
            raise _MissingError
        return found

    def _segment(self, pk: str, name: bytes, need: set[Any]) -> Any:
        found = self._memory.segment(pk, name)
        if found is None:
            need.add(name)
            raise _MissingError
        return found

    def _held(self, row: Row, name: str, need: set[Any]) -> tuple[Row, Entry]:
        """Return the row and the entry in which a channel really stands."""
        entry = row.entries[name]
        if entry[0] != "a":
            return row, entry
        holder = self._row(row.place, long(entry[1]), need)
        return holder, holder.entries[name]

    def _value(self, row: Row, name: str, need: set[Any]) -> Any:
        holder, entry = self._held(row, name, need)
        pk = row.place.pk
        if entry[0] == "v":
            return self._tree_value(pk, entry[1], need)
        trees = [ormsgpack.unpackb(each) for each in self._list(holder, name, need)]
        self._want(pk, (ref for tree in trees for ref in refs_of(tree)), need)
        return [self._tree_value(pk, tree, need) for tree in trees]

    def _tree_value(self, pk: str, tree: Any, need: set[Any]) -> Any:
        self._want(pk, refs_of(tree), need)
        return value_of(tree, self._codec, lambda name: self._segment(pk, name, need))

    def _want(self, pk: str, names: Iterable[bytes], need: set[Any]) -> None:
        """Ask for all segments at once that are not at hand."""
        if not self._at_hand(pk, names, need):
            raise _MissingError

    def _at_hand(self, pk: str, names: Iterable[bytes], need: set[Any]) -> bool:
        missing = {name for name in names if self._memory.segment(pk, name) is None}
        need |= missing
        return not missing

    def _list(self, row: Row, name: str, need: set[Any]) -> list[bytes]:
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
            raise _MissingError
        return out

    def _elements(self, pk: str, kind: int, name: bytes, need: set[Any]) -> list[bytes]:
        held = self._segment(pk, name, need)
        if kind == ELEMENTS:
            return cast(list[bytes], held)
        self._want(pk, (ref for _, ref, *_ in held), need)
        out: list[bytes] = []
        for inner, ref, start, stop in held:
            out += self._elements(pk, inner, ref, need)[start:stop]
        return out

    def _rope(self, row: Row, name: str, need: set[Any]) -> Rope | None:
        """Return the rope of a list that was read, to go on from."""
        holder, entry = self._held(row, name, need)
        if entry[0] != "l":
            return None
        pk = row.place.pk
        elements = [_read_element(packed, pk) for packed in self._list(holder, name, need)]
        spans = joined(self._spans(holder, name, need))
        pieces: list[Piece] = [tuple(piece) for piece in entry[3]]
        return Rope(elements, pieces, entry[4], spans, entry[2], loose_bytes(elements, spans))

    def _spans(self, row: Row, name: str, need: set[Any]) -> list[Piece]:
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
        held = self._resolve(pk, {n: self._held_job(row, n) for n in row.entries})
        entries: dict[str, Entry] = {}
        for name, (_, entry) in held.items():
            if entry[0] != "l":
                entries[name] = entry
                continue
            rope = self._rope_of(Known(row, {}), name)
            assert rope is not None  # noqa: S101 - it is a list
            laid = lay(rope.elements, None, "", lambda c: digest(ormsgpack.packb(c), pk))
            made |= laid.made
            entries[name] = ["l", len(rope.elements), 0, [list(p) for p in laid.pieces], laid.own]
        return entries

    def _held_job(self, row: Row, name: str) -> "Job":
        return lambda need: self._held(row, name, need)

    def _segment_job(self, pk: str, name: bytes) -> "Job":
        return lambda need: self._segment(pk, name, need)

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
        held = self._resolve(pk, {ref: self._segment_job(pk, ref) for ref in named})
        for ref, kind in named.items():
            if kind == ELEMENTS:
                for packed in held[ref]:
                    found |= set(refs_of(ormsgpack.unpackb(packed)))
            else:
                found |= self._refs_of_pieces(pk, held[ref])
        return found


Job = Callable[[set[Any]], Any]


@dataclass
class Draft:
    """What a checkpoint will hold, and what will be known of it."""

    entries: dict[str, Entry] = field(default_factory=dict)
    ropes: dict[str, Rope] = field(default_factory=dict)
    prints: dict[str, bytes] = field(default_factory=dict)
    made: dict[str, Made] = field(default_factory=dict)
    alive: dict[str, set[bytes]] = field(default_factory=dict)


def _element(
    value: Any, memo: Mapping[Any, Element], kept: dict[Any, Element], trees: Trees, pk: str
) -> Element:
    """Serialize an element of a list, unless it has been; `kept` gets what may be kept."""
    told = fingerprint([value])
    print_ = told and (told[0][0], told[1])
    found = memo.get(print_) if print_ else None
    if found is None:
        tree = trees.tree(value)
        packed = ormsgpack.packb(tree)
        found = Element(packed, digest(packed, pk), tuple(refs_of(tree)))
    # What has segments is found among the parent's elements, or they may be gone.
    if print_ and not found.refs and is_plain(value):
        kept[print_] = found
    return found


def _read_element(packed: bytes, pk: str) -> Element:
    refs = tuple(refs_of(ormsgpack.unpackb(packed)))
    return Element(packed, digest(packed, pk), refs)
