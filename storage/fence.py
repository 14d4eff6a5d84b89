"""Fences: what a worker that lost its lease still writes is stored, and never read.

Each claim of a thread raises its epoch, and everything written under a claim carries the epoch. A
claim leaves an open fence (in the same transaction); the claimer then reads the thread, records in
the fence what it found and goes on from there, before it acts:

    old owner, epoch 6      put A   put_writes A      ·············  put B (late)
    new owner, epoch 7              claim, read A and its writes, record fence 7, put C, ...

From then on an item of epoch 6 counts only as far as fence 7 accepted it: A and the listed writes
do, B does not, whenever it arrives. Nobody who writes a checkpoint pays for this; a claim pays one
put and the reading of what was written since the last one.

In a nested graph a checkpoint of an older epoch counts up to the head that its own namespace had at
the fence, or, where that was passed long ago, up to the head of the root. Writes on a checkpoint
that has an accepted successor in its namespace count: their effect is in the successor.
"""

import itertools
import logging
import time
from bisect import bisect_right
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, Final, cast

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import ChannelVersions, Checkpoint, CheckpointMetadata
from langgraph.checkpoint.serde.base import SerializerProtocol

from storage.audit import digest
from storage.checkpoint_layout import (
    Place,
    epoch_of,
    id_of,
    is_checkpoint,
    made_at,
    ns_of,
    partition,
    unfinished,
)
from storage.checkpointer import CheckpointSaver
from storage.errors import AffidavitError, ConditionFailed, LeaseLost, Unavailable
from storage.keys import key
from storage.ports import Absent, Blobs, Item, Put, Table, Value, VersionIs

logger = logging.getLogger(__name__)

FENCES: Final = "f/"
PARTS: Final = "p/"
PART_ENTRIES: Final = 150
"""Heads, and as many writes, that fit into an item however long their keys are."""
MOST_SKEW_SECONDS: Final = 60.0


@dataclass(frozen=True, slots=True)
class Fence:
    """What the owner of an epoch found: the head of each namespace, and the writes on the heads."""

    epoch: int
    heads: dict[str, str]
    writes: frozenset[str]

    def admits(self, item: Item) -> bool:
        """Return whether an item of an older epoch was accepted."""
        head = self.heads.get(ns_of(item))
        if head is None:
            return id_of(item) < self.heads.get("", "")
        if id_of(item) == head and not is_checkpoint(item):
            return item.sk in self.writes
        return id_of(item) <= head


class Fences:
    """The recorded fences of a thread, oldest first."""

    def __init__(self, fences: Sequence[Fence]) -> None:
        self._fences = fences
        self._epochs = [fence.epoch for fence in fences]

    def then(self, fence: Fence) -> "Fences":
        """Return these fences with a newer one."""
        return Fences([*self._fences, fence])

    def admit(self, items: Iterable[Item]) -> Iterator[Item]:
        """Yield the checkpoints and writes that count."""
        for item in items:
            epoch = epoch_of(item)
            first_later = bisect_right(self._epochs, epoch)
            # Epoch 0 was written under no lease: a copy of another thread.
            if (
                epoch == 0
                or first_later == len(self._fences)
                or self._fences[first_later].admits(item)
            ):
                yield item


def open_fence(thread_id: str, epoch: int) -> Put:
    """Return the action that a claim does in its transaction."""
    item = Item(partition(thread_id), _sk(epoch), {"epoch": epoch})
    return Put(item, Absent(), table="checkpoints")


def load_fences(table: Table, thread_id: str) -> Fences:
    """Read the recorded fences of a thread."""
    return _fences(table, table.query(partition(thread_id), prefix=FENCES))


def _fences(table: Table, rows: Iterable[Item]) -> Fences:
    return Fences([_fence(table, row) for row in rows if "heads" in row.body])


def _fence(table: Table, item: Item) -> Fence:
    names = [(item.pk, name) for name in cast(list[str], item.body.get("parts", []))]
    parts = table.batch_get(names) if names else {}
    # One is missing only where the thread is being deleted, and its checkpoints are gone.
    bodies = [item.body, *(parts[name].body for name in names if name in parts)]
    heads = [cast(dict[str, str], body["heads"]) for body in bodies]
    writes = [cast(list[str], body["writes"]) for body in bodies]
    return Fence(
        cast(int, item.body["epoch"]),
        {ns: head for each in heads for ns, head in each.items()},
        frozenset(itertools.chain.from_iterable(writes)),
    )


def record_fence(table: Table, thread_id: str, epoch: int) -> Fences:
    """Read a thread as a new owner, record what is accepted, and return all fences.

    Raises:
        LeaseLost: a newer owner was here in the meantime.
        Unavailable: this machine's clock is behind the thread by more than a minute.
    """
    pk = partition(thread_id)
    fences = _void_open(table, thread_id, epoch)
    heads, seen = _heads(table, thread_id, fences)
    writes = [
        item.sk
        for ns, head in heads.items()
        for item in fences.admit(table.query(pk, prefix=Place(thread_id, ns).writes(head)))
    ]
    wait_past(max(seen, default=""))
    first, *rest = _bodies(heads, writes)
    parts = [Item(pk, f"{PARTS}{digest(body)}", body) for body in rest]
    body = {"epoch": epoch, **first}
    if parts:
        table.batch_write(parts)
        body["parts"] = [part.sk for part in parts]
    try:
        table.put(Item(pk, _sk(epoch), cast(Any, body), version=2), VersionIs(1))
    except ConditionFailed:
        raise LeaseLost(f"Thread {thread_id!r} has a newer owner; this one stops.") from None
    return fences.then(Fence(epoch, heads, frozenset(writes)))


def _bodies(heads: dict[str, str], writes: Sequence[str]) -> list[dict[str, Value]]:
    """Return what a fence holds in pieces that fit into an item each; most fences have one."""
    namespaces = list(heads)
    bodies = [
        {
            "heads": {ns: heads[ns] for ns in namespaces[at : at + PART_ENTRIES]},
            "writes": writes[at : at + PART_ENTRIES],
        }
        for at in range(0, max(1, len(heads), len(writes)), PART_ENTRIES)
    ]
    return cast(list[dict[str, Value]], bodies)


def _heads(table: Table, thread_id: str, fences: Fences) -> tuple[dict[str, str], list[str]]:
    """Return the head of the root and of each namespace that is ahead of it, and all ids seen."""
    heads: dict[str, str] = {}
    seen: list[str] = []
    for ns in itertools.chain([""], _ahead(table, thread_id, heads)):
        place = Place(thread_id, ns)
        for item in table.query(place.pk, prefix=place.all, reverse=True):
            if not is_checkpoint(item):
                continue
            seen.append(id_of(item))
            if id_of(item) < heads.get("", ""):
                break
            if next(fences.admit([item]), None):
                heads[ns] = id_of(item)
                break
    return heads, seen


def _ahead(table: Table, thread_id: str, heads: dict[str, str]) -> Iterator[str]:
    yield from unfinished(table, thread_id, heads.get("", ""))


def sealed(thread_id: str, epoch: int) -> Item:
    """Return the fence of a thread that was emptied: nothing of an older epoch counts."""
    body = {"epoch": epoch, **_bodies({}, [])[0]}
    return Item(partition(thread_id), _sk(epoch), body, version=2)


def close_fence(table: Table, thread_id: str, epoch: int) -> None:
    """Record the fence of a stop, as far as that is possible: the stop itself has been committed.

    What a straggler has written up to here is history, and what it still writes is not. A claim
    that comes first voids this fence and records its own.
    """
    try:
        record_fence(table, thread_id, epoch)
    except AffidavitError as error:
        logger.warning("The fence of thread %r is left to the next claim: %s", thread_id, error)


def _void_open(table: Table, thread_id: str, epoch: int) -> Fences:
    """Void the fences that older owners left open, and return the recorded ones.

    An owner that stopped between its claim and its fence would otherwise record, when it goes on,
    what a newer one has written by then.
    """
    pk = partition(thread_id)
    rows = list(table.query(pk, prefix=FENCES))
    left = [row for row in rows if row.version == 1 and cast(int, row.body["epoch"]) < epoch]
    for row in left:
        # If it was recorded just now, it holds nothing of ours: we have written nothing yet.
        with suppress(ConditionFailed):
            table.put(replace(row, version=2), VersionIs(1))
    return load_fences(table, thread_id) if left else _fences(table, rows)


def wait_past(checkpoint_id: str) -> None:
    """Wait until checkpoints made here sort behind those made on another machine.

    Ids are UUIDs of version 6, in the order of their maker's clock.

    Raises:
        Unavailable: this machine's clock is behind by more than a minute.
    """
    made = made_at(checkpoint_id)
    if made is None:
        return
    behind = made - time.time()
    if behind > MOST_SKEW_SECONDS:
        raise Unavailable(
            f"This machine's clock is {behind:.0f} s behind the thread's; set it.",
            after=behind - MOST_SKEW_SECONDS,
        )
    if behind > 0:
        time.sleep(behind + 0.001)


def _sk(epoch: int) -> str:
    return f"{FENCES}{key(epoch)}"


class FencedSaver(CheckpointSaver):
    """A saver for threads under lease: reads what counts.

    Bound to an epoch it also writes; `before_write` is awaited before each write, so that what must
    be durable no later than a checkpoint can be, and `written` is told the id and the step of each
    checkpoint of the graph itself.
    """

    def __init__(
        self,
        table: Table,
        blobs: Blobs,
        *,
        serde: SerializerProtocol | None = None,
        epoch: int = 0,
        fences: Fences | None = None,
        before_write: Callable[[], Awaitable[None]] | None = None,
        written: Callable[[str, int], None] | None = None,
    ) -> None:
        super().__init__(table, blobs, serde=serde)
        self.epoch = epoch
        self._fences = fences
        self._before_write = before_write
        self._written = written

    def _accepts(self, thread_id: str, items: Iterable[Item]) -> Iterator[Item]:
        # An owner knows all fences; anyone else reads them anew, since claims go on.
        fences = self._fences or load_fences(self._table, thread_id)
        return fences.admit(items)

    async def aput(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        """See `CheckpointSaver.put`."""
        await self._ready()
        put = await super().aput(config, checkpoint, metadata, new_versions)
        if self._written and not put["configurable"].get("checkpoint_ns"):
            self._written(checkpoint["id"], metadata.get("step", 0))
        return put

    async def aput_writes(
        self,
        config: RunnableConfig,
        writes: Sequence[tuple[str, Any]],
        task_id: str,
        task_path: str = "",
    ) -> None:
        """See `CheckpointSaver.put_writes`."""
        await self._ready()
        await super().aput_writes(config, writes, task_id, task_path)

    async def _ready(self) -> None:
        if self._before_write:
            await self._before_write()
