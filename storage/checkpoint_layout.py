"""Where a thread's checkpoints lie: one partition of the table.

    c/{namespace}/{checkpoint}                         a checkpoint
    c/{namespace}/{checkpoint}!{epoch}/{order}/{task}  the writes of one `put_writes` upon it
    n/{namespace}                                      a namespace of a nested graph
    s/{digest}                                         a segment: content that checkpoints share
    f/{epoch}                                          a fence: what an owner found and accepted
    p/{digest}                                         a part of a fence too long for one item
    d                                                  while it is deleted: the runs it is of

So one query, backwards from the end of a namespace, finds its latest checkpoint with its writes,
and then those before it. Two directories find threads: `threads` lists all, `run/{run}` those that
a run wrote to.
"""

import heapq
import itertools
import secrets
import threading
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from operator import itemgetter
from typing import Final, cast

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import get_checkpoint_id

from storage.errors import InvalidInput
from storage.keys import key, part
from storage.ports import Item, Key, Table, Value

THREADS: Final = "threads"
CHECKPOINTS: Final = "c/"
NAMESPACES: Final = "n/"
_WRITES: Final = "!"  # sorts before whatever can stand in an id
_BEHIND_WRITES: Final = '"'

_INCARNATION_BYTES: Final = 6
_UUID_EPOCH: Final = 0x01B21DD213814000
"""100-nanosecond intervals between the UUID epoch and the Unix epoch (RFC 9562)."""


class _Order:
    """Numbers in the order in which they are asked for; by the clock, over several processes."""

    def __init__(self) -> None:
        self._last = 0
        self._lock = threading.Lock()

    def next(self) -> int:
        """Return a number that none was before."""
        with self._lock:
            self._last = max(self._last + 1, time.time_ns())
            return self._last


_order = _Order()


@dataclass(frozen=True, slots=True)
class Place:
    """A namespace of a thread, and a checkpoint in it if one is named."""

    thread_id: str
    ns: str = ""
    checkpoint_id: str | None = None

    @property
    def pk(self) -> str:
        """The partition of the thread."""
        return partition(self.thread_id)

    @property
    def all(self) -> str:
        """The prefix of all that lies in this namespace."""
        return f"{CHECKPOINTS}{part(self.ns)}/"

    def sk(self, checkpoint_id: str) -> str:
        """The sort key of a checkpoint of this namespace."""
        return self.all + part(checkpoint_id)

    def writes(self, checkpoint_id: str) -> str:
        """The prefix of the writes of a checkpoint of this namespace."""
        return self.sk(checkpoint_id) + _WRITES

    def up_to(self, checkpoint_id: str) -> tuple[str, str]:
        """The range of a checkpoint, its writes, and what came before it."""
        return self.all, self.sk(checkpoint_id) + _BEHIND_WRITES

    def next_write(self, checkpoint_id: str, epoch: int, task_id: str) -> str:
        """A sort key of its own for one call of `put_writes`, behind those that came before."""
        # Two processes can draw the same number; the task tells their items apart.
        return self.writes(checkpoint_id) + key(epoch, _order.next(), task_id)

    def names(self, checkpoint_id: str) -> dict[str, Value]:
        """What an item's body must say, because its sort key does not show it."""
        hidden: dict[str, Value] = {"ns": self.ns} if self.ns else {}
        return hidden | ({"id": checkpoint_id} if part(checkpoint_id) != checkpoint_id else {})

    def config(self, checkpoint_id: str) -> RunnableConfig:
        """The configuration that names a checkpoint of this namespace."""
        return {
            "configurable": {
                "thread_id": self.thread_id,
                "checkpoint_ns": self.ns,
                "checkpoint_id": checkpoint_id,
            }
        }


@lru_cache(maxsize=1024)
def partition(thread_id: str) -> str:
    """Return the partition of a thread."""
    return key("thread", thread_id)


def directory_entries(thread_id: str, run_id: str) -> list[Key]:
    """Return the items by which a thread is found; no run, one entry."""
    pks = [THREADS, key("run", run_id)] if run_id else [THREADS]
    return [(pk, partition(thread_id)) for pk in pks]


def directory_item(entry: Key, thread_id: str) -> Item:
    """Return such an item; it says when it was made, in seconds since the epoch."""
    return Item(*entry, {"thread_id": thread_id, "at": int(time.time())})


def namespace_entry(place: Place, first: str) -> Item:
    """Return the item by which a namespace is found; `first` is its first checkpoint."""
    return Item(place.pk, NAMESPACES + part(place.ns), {"ns": place.ns, "first": first})


def namespaces(table: Table, thread_id: str) -> list[tuple[str, str]]:
    """Return the namespaces of a thread, but for the root, each with its first checkpoint."""
    rows = table.query(partition(thread_id), prefix=NAMESPACES)
    return [(cast(str, row.body["ns"]), cast(str, row.body["first"])) for row in rows]


def newest_first(table: Table, thread_id: str) -> Iterator[Item]:
    """Yield the checkpoints and writes of all namespaces, those of the newest checkpoint first.

    Writes come before the checkpoint that they belong to.
    """
    named = ["", *(ns for ns, _ in namespaces(table, thread_id))]
    each = (_one(table, Place(thread_id, ns), n) for n, ns in enumerate(named))
    for _, items in heapq.merge(*each, key=itemgetter(0), reverse=True):
        yield from items


def _one(table: Table, place: Place, n: int) -> Iterator[tuple[tuple[str, int], list[Item]]]:
    rows = table.query(place.pk, prefix=place.all, reverse=True)
    for checkpoint_id, items in itertools.groupby(rows, key=id_of):
        yield (checkpoint_id, n), list(items)


def unfinished(table: Table, thread_id: str, head: str) -> list[str]:
    """Return the namespaces that may have checkpoints newer than the root's head.

    A namespace that ends with a task is of one step; any other may be gone on with at every step.
    """
    found = namespaces(table, thread_id)
    return [ns for ns, first in found if first > head or ":" not in ns.rpartition("|")[2]]


def place_of(config: RunnableConfig) -> Place:
    """Return the place that a configuration names.

    Raises:
        InvalidInput: it names no thread.
    """
    configurable = config.get("configurable", {})
    if "thread_id" not in configurable:
        raise InvalidInput('A checkpointer needs {"configurable": {"thread_id": …}}.')
    return Place(
        str(configurable["thread_id"]),
        configurable.get("checkpoint_ns") or "",
        get_checkpoint_id(config),
    )


def is_checkpoint(item: Item) -> bool:
    """Return whether an item is a checkpoint, and not writes."""
    return _WRITES not in item.sk


def id_of(item: Item) -> str:
    """Return the id of the checkpoint that an item holds, or that its writes belong to."""
    shown = item.sk.partition(_WRITES)[0].rpartition("/")[2]
    return cast(str, item.body.get("id", shown))


def ns_of(item: Item) -> str:
    """Return the namespace of a checkpoint or of writes."""
    return cast(str, item.body.get("ns", ""))


def epoch_of(item: Item) -> int:
    """Return the epoch under which an item was written; 0: under no lease."""
    return cast(int, item.body.get("epoch", 0))


def run_of(item: Item) -> str:
    """Return the run that has written a checkpoint, or nothing."""
    return cast(str, item.body.get("run", ""))


def parent_of(item: Item) -> str | None:
    """Return the id of a checkpoint's parent."""
    return cast(str | None, item.body.get("parent"))


def new_incarnation() -> dict[str, Value]:
    """Return what the body of a checkpoint says that is written anew under an id.

    Its children say the same: whoever remembers what was there before learns of it by them, too.
    """
    return {"inc": secrets.token_bytes(_INCARNATION_BYTES)}


def incarnation_of(item: Item) -> bytes:
    """Return which incarnation a checkpoint is of; nothing: it and its ancestors are the first."""
    return cast(bytes, item.body.get("inc", b""))


def short(checkpoint_id: str) -> bytes | str:
    """Return an id as it stands in checkpoints that refer to it: a UUID in its 16 bytes."""
    try:
        found = uuid.UUID(checkpoint_id)
    except ValueError:
        return checkpoint_id
    return found.bytes if str(found) == checkpoint_id else checkpoint_id


def long(short_id: bytes | str) -> str:
    """Return the id that `short` was given."""
    return str(uuid.UUID(bytes=short_id)) if isinstance(short_id, bytes) else short_id


def made_at(checkpoint_id: str) -> float | None:
    """Return when a checkpoint was made, in seconds since the epoch: its id is a UUID of time."""
    try:
        bits = uuid.UUID(checkpoint_id).int
    except ValueError:
        return None
    return (((bits >> 80) << 12 | (bits >> 64) & 0xFFF) - _UUID_EPOCH) / 1e7
