"""What a saver keeps in memory: it only saves reading and writing, and is bounded.

The rows and segments that were read or written last; and of the last checkpoints which content
there is already, element by element, and what values were when they were written.
"""

import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, cast

from cachetools import LRUCache
from langgraph.checkpoint.base import ChannelVersions

from storage.checkpoint_layout import Place
from storage.codec import Typed
from storage.ports import Key
from storage.ropes import Rope
from storage.snapshots import Snapshots

Entry = list[Any]
"""What a checkpoint holds of a channel: see `storage.channels`."""

CACHE_BYTES: Final = 64 * 1024 * 1024
_KNOWN: Final = 512
_SEEN: Final = 8192
_KNOWN_ELEMENTS: Final = 200_000
_LOCKS: Final = 64


@dataclass(frozen=True)
class Row:
    """A checkpoint as it is stored: all but the values that stand elsewhere."""

    place: Place
    id: str
    run_id: str
    incarnation: bytes
    bare: Typed
    metadata: Typed
    entries: Mapping[str, Entry]


@dataclass
class Draft:
    """What a checkpoint will hold, and what will be known of it."""

    entries: dict[str, Entry] = field(default_factory=dict)
    ropes: dict[str, Rope] = field(default_factory=dict)
    prints: dict[str, bytes] = field(default_factory=dict)
    seen: dict[str, Snapshots] = field(default_factory=dict)
    alive: dict[str, set[bytes]] = field(default_factory=dict)


@dataclass
class Known:
    """A checkpoint whose content is at hand: what a child needs not write again."""

    row: Row
    versions: ChannelVersions
    ropes: dict[str, Rope] = field(default_factory=dict)
    prints: dict[str, bytes] = field(default_factory=dict)
    """Digests of the trees of other values."""
    seen: dict[str, Snapshots] = field(default_factory=dict)
    """What the elements of lists were."""
    alive: dict[str, set[bytes]] = field(default_factory=dict)
    """The segments that each channel needs: they are there for as long as the checkpoint is."""

    @classmethod
    def of(cls, row: Row, versions: ChannelVersions, draft: Draft) -> "Known":
        """Return what is known of a checkpoint when it has been written."""
        return cls(row, versions, draft.ropes, draft.prints, draft.seen, draft.alive)

    @property
    def weight(self) -> int:
        """How much of the memory it takes, in elements of lists."""
        return 10 + sum(len(rope.elements) for rope in self.ropes.values())

    @property
    def there(self) -> set[bytes]:
        """All segments that it needs: they are there."""
        return set().union(*self.alive.values())


class Memory:
    """What the savers of one table remember; bounded, and safe to share between threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._rows: LRUCache[Key, tuple[bytes, Row]] = LRUCache(CACHE_BYTES, lambda r: len(r[0]))
        self._segments: LRUCache[tuple[str, bytes], tuple[int, Any]] = LRUCache(
            CACHE_BYTES, lambda s: s[0]
        )
        self._known: LRUCache[Key, Known] = LRUCache(_KNOWN_ELEMENTS, lambda k: k.weight)
        self._heads: LRUCache[tuple[str, str], str] = LRUCache(_SEEN)
        self._stored: LRUCache[Key, set[bytes]] = LRUCache(_KNOWN)
        self._seen: LRUCache[tuple[str, bytes], None] = LRUCache(_SEEN)
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

    def row_of(self, at: Key, incarnation: bytes, stored: bytes, read: Callable[[], Row]) -> Row:
        """Return the row of stored bytes, from memory if they are the same."""
        self._saw(at[0], incarnation)
        with self._lock:
            held = self._rows.get(at)
        if held and held[0] == stored:
            return held[1]
        row = read()
        known = self.known(at)
        if held or (known and known.row != row):  # somebody else has written it anew since
            self.forget(at[0])
        with self._lock:
            if len(stored) < CACHE_BYTES:
                self._rows[at] = (stored, row)
        return row

    def _saw(self, pk: str, incarnation: bytes) -> None:
        """Forget what is known of a thread where a checkpoint is of an incarnation not seen yet.

        Somebody else has written it, or one before it, anew: under the same id.
        """
        with self._lock:
            new = incarnation and (pk, incarnation) not in self._seen
            self._seen[pk, incarnation] = None
        if new:
            self.forget(pk)

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

    def knows_head(self, place: Place) -> bool:
        """Return whether a latest checkpoint of a namespace has been seen."""
        with self._lock:
            return (place.pk, place.ns) in self._heads

    def is_head(self, place: Place) -> bool:
        """Return whether the checkpoint that is named is the latest one seen of its namespace."""
        with self._lock:
            return self._heads.get((place.pk, place.ns)) == place.checkpoint_id

    def saw_head(self, place: Place, checkpoint_id: str) -> None:
        """Note the latest checkpoint of a namespace, as it was read."""
        with self._lock:
            self._heads[place.pk, place.ns] = checkpoint_id

    def made_head(self, place: Place, checkpoint_id: str) -> None:
        """Note a checkpoint that was written: it is the latest, unless there is a later one."""
        at = (place.pk, place.ns)
        with self._lock:
            self._heads[at] = max(checkpoint_id, self._heads.get(at, ""))

    def forget(self, pk: str) -> None:
        """Forget a thread."""
        with self._lock:
            for held in (self._rows, self._segments, self._known, self._heads, self._stored):
                some = cast(LRUCache[Any, Any], held)
                for at in [each for each in some if each[0] == pk]:
                    del some[at]
