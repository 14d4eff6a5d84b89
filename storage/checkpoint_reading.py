"""Reading checkpoints, for `storage.checkpointer`: one query, backwards from the one that is named.

It brings the checkpoint, the writes upon it, and those before it that its lists go back to; then
one batch brings the segments that are not at hand.
"""

import itertools
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar, cast

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import (
    Checkpoint,
    CheckpointMetadata,
    CheckpointTuple,
    DeltaChannelHistory,
    PendingWrite,
    get_checkpoint_id,
    writes_sort_key,
)

from storage.channel_reading import StaleError
from storage.channels import Channels
from storage.checkpoint_layout import (
    THREADS,
    Place,
    id_of,
    is_checkpoint,
    newest_first,
    ns_of,
    parent_of,
    place_of,
)
from storage.ports import Item, Table
from storage.ropes import MOST_HOPS
from storage.saver_memory import Memory, Row

Accepts = Callable[[str, Iterable[Item]], Iterator[Item]]
"""Yields those checkpoints and writes of a thread that count."""
_ROWS_WARM: Final = 8
_ROWS_COLD: Final = 4 * MOST_HOPS
"""Items that hold a checkpoint, its writes, and the checkpoints that its lists refer to."""
_ROWS_MOST: Final = 1024
_Read = TypeVar("_Read")
_Write = tuple[str, str, Any]
"""A pending write: task, channel, and the tree of the value."""


@dataclass(frozen=True)
class Group:
    """A checkpoint as it lies in the table, and the writes upon it, in the order of their keys."""

    place: Place
    item: Item
    writes: Sequence[Item]

    @property
    def id(self) -> str:
        """The checkpoint's id."""
        return id_of(self.item)


class Checkpoints:
    """Reads the checkpoints of the threads of one table."""

    def __init__(self, table: Table, memory: Memory, channels: Channels, accepts: Accepts) -> None:
        self._table, self._memory = table, memory
        self._channels, self._accepts = channels, accepts

    def latest(self, place: Place) -> CheckpointTuple | None:
        """Return the checkpoint that is named, or the latest; None if there is none."""
        found = next(self.groups(place, self._rows_of(place), ahead=0), None)
        if place.checkpoint_id is None:
            self._memory.saw_head(place, found.id if found else "")
        if found is None or place.checkpoint_id not in (None, found.id):
            return None
        return self.read(found)

    def _rows_of(self, place: Place) -> int:
        at = place.checkpoint_id and self._memory.row((place.pk, place.sk(place.checkpoint_id)))
        return _ROWS_WARM if at or self._memory.knows_head(place) else _ROWS_COLD

    def groups(
        self,
        place: Place,
        rows: int = _ROWS_COLD,
        *,
        ahead: int = MOST_HOPS,
        end: str | None = None,
    ) -> Iterator[Group]:
        """Yield the checkpoints of a namespace, newest first, from the one that is named.

        `rows` is how many items the first call reads, and `ahead` how many checkpoints are read
        before one is yielded; `end` is a checkpoint to begin behind.
        """
        channels, writes = self._channels, list[Item]()
        held: deque[Group] = deque()
        for page, more in self._pages(place, rows, end):
            for item in self._accepts(place.thread_id, page):
                if not is_checkpoint(item):
                    writes.append(item)
                    continue
                mine = [each for each in writes if id_of(each) == id_of(item)]
                writes = []
                channels.row(place, item, id_of(item))
                held.append(Group(place, item, mine[::-1]))
            # A list may lie in checkpoints that are on the next page.
            while held and (not more or len(held) > ahead):
                yield held.popleft()
        yield from held

    def _pages(self, place: Place, size: int, end: str | None) -> Iterator[tuple[list[Item], bool]]:
        between = place.all, place.all + "\x7f"
        if place.checkpoint_id:
            between = place.up_to(place.checkpoint_id)
        after = place.sk(end) if end else ""
        while True:
            rows = self._table.query(
                place.pk, between=between, after=after, reverse=True, limit=size
            )
            page = list(rows)
            if not page:
                return
            yield page, len(page) == size
            if len(page) < size:
                return
            after, size = page[-1].sk, min(4 * size, _ROWS_MOST)

    def matching(
        self, config: RunnableConfig | None, wanted: Mapping[str, Any], end: str | None
    ) -> Iterator[Group]:
        """Yield those checkpoints whose metadata has what is wanted, and which are before `end`."""
        ns = config["configurable"].get("checkpoint_ns") if config else None
        named = get_checkpoint_id(config) if config else None
        for thread_id in [place_of(config).thread_id] if config else self.threads():
            if ns is None:
                found = self._everywhere(thread_id)
            else:
                found = self.groups(Place(thread_id, ns, named), end=end)
            for group in found:
                if named not in (None, group.id) or (end is not None and group.id >= end):
                    continue
                metadata = self._metadata(group) if wanted else {}
                if all(metadata.get(name) == value for name, value in wanted.items()):
                    yield group

    def threads(self) -> Iterator[str]:
        """Yield the ids of all threads."""
        for item in self._table.query(THREADS):
            yield cast(str, item.body["thread_id"])

    def _everywhere(self, thread_id: str) -> Iterator[Group]:
        """Yield the checkpoints of all namespaces, newest first."""
        rows = self._accepts(thread_id, newest_first(self._table, thread_id))
        for (checkpoint_id, ns), items in itertools.groupby(rows, lambda i: (id_of(i), ns_of(i))):
            *writes, last = items
            if is_checkpoint(last):
                place = Place(thread_id, ns)
                self._channels.row(place, last, checkpoint_id)
                yield Group(place, last, writes[::-1])

    def _row(self, group: Group) -> Row:
        return self._channels.row(group.place, group.item, group.id)

    def _metadata(self, group: Group) -> CheckpointMetadata:
        return cast(CheckpointMetadata, self._channels.load(self._row(group).metadata))

    def read(self, group: Group) -> CheckpointTuple:
        """Return a checkpoint with its values and the writes upon it."""
        return self._unless_stale(group.place.pk, lambda: self._made_tuple(group))

    def _unless_stale(self, pk: str, get: Callable[[], _Read]) -> _Read:
        try:
            return get()
        except StaleError:  # somebody else has pruned the thread since
            self._memory.forget(pk)
            return get()

    def _made_tuple(self, group: Group) -> CheckpointTuple:
        channels, row, pk = self._channels, self._row(group), group.place.pk
        writes = self._ordered(group)
        jobs: dict[Any, Any] = {name: channels.job(row, name) for name in row.entries}
        jobs |= {n: channels.tree_job(pk, tree) for n, (*_, tree) in enumerate(writes)}
        found = channels.read(pk, jobs)
        checkpoint = cast(Checkpoint, channels.load(row.bare))
        checkpoint["channel_values"] = {name: found[name] for name in row.entries}
        parent = parent_of(group.item)
        return CheckpointTuple(
            config=group.place.config(group.id),
            checkpoint=checkpoint,
            metadata=self._metadata(group),
            parent_config=group.place.config(parent) if parent else None,
            pending_writes=[(task, name, found[n]) for n, (task, name, _) in enumerate(writes)],
        )

    def _ordered(self, group: Group, only: set[str] | None = None) -> list[_Write]:
        """Return the writes that count as (task, channel, tree), in `writes_sort_key` order.

        Items come in the order in which they were written: of a task's regular writes under one
        index the first stands, of special ones the last.
        """
        kept: dict[tuple[str, int], tuple[tuple[str, str, int], str, Any]] = {}
        for item in group.writes:
            task_id, path, writes = self._channels.content(item)
            for index, channel, tree in writes:
                if index < 0 or (task_id, index) not in kept:
                    at = writes_sort_key(path, task_id, index)
                    kept[task_id, index] = (at, channel, tree)
        found = sorted(kept.items(), key=lambda write: write[1][0])
        return [
            (task_id, channel, tree)
            for (task_id, _), (_, channel, tree) in found
            if only is None or channel in only
        ]

    def histories(self, place: Place, channels: Sequence[str]) -> dict[str, DeltaChannelHistory]:
        """Return what channels are rebuilt from: one query, however long the way."""
        left = set(channels)
        found: dict[str, list[_Write]] = {name: [] for name in channels}
        seeds: dict[str, Any] = {}
        cursor: str | None = ""
        for group in self.groups(place, _ROWS_MOST):
            if cursor == "":
                if place.checkpoint_id not in (None, group.id):
                    break
            elif group.id == cursor:
                for write in reversed(self._ordered(group, left)):
                    found[write[1]].append(write)
                row = self._row(group)
                for name in left & set(row.entries):
                    seeds[name] = self._channels.job(row, name)
                    left.discard(name)
            else:
                continue
            cursor = parent_of(group.item)
            if not left or cursor is None:
                break
        return self._histories(place.pk, channels, found, seeds)

    def _histories(
        self,
        pk: str,
        names: Sequence[str],
        found: Mapping[str, list[_Write]],
        seeds: Mapping[str, Any],
    ) -> dict[str, DeltaChannelHistory]:
        jobs: dict[Any, Any] = dict(seeds)
        for name in names:
            for n, (*_, tree) in enumerate(found[name]):
                jobs[name, n] = self._channels.tree_job(pk, tree)
        values = self._unless_stale(pk, lambda: self._channels.read(pk, jobs))
        histories: dict[str, DeltaChannelHistory] = {}
        for name in names:
            writes: list[PendingWrite] = [
                (task, name, values[name, n]) for n, (task, *_) in enumerate(found[name])
            ]
            histories[name] = {"writes": writes[::-1]}
            if name in seeds:
                histories[name]["seed"] = values[name]
        return histories
