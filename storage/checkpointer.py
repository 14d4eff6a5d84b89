"""A LangGraph checkpoint saver over the ports, whose price does not grow with history.

`put` looks at the channels of `new_versions` only, and writes what is new in them: content that the
parent has is referred to, element by element (`storage.channels`). Segments go first, the
checkpoint last, as the single commit point: killed in between, there is no new checkpoint, and what
no checkpoint names is swept. Nothing is written over, but for a checkpoint that is put again under
its own id.

Reading is one query, backwards from the checkpoint, which brings its writes and what it refers to
in those before it, and one batch of segments that are not at hand.

Used alone, a saver promises no fencing. `storage.fence` binds one to a lease, so that whatever an
outdated owner still writes is not read. How a thread lies in the table is in
`storage.checkpoint_layout`.
"""

import itertools
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, cast

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import (
    WRITES_IDX_MAP,
    ChannelVersions,
    Checkpoint,
    CheckpointMetadata,
    CheckpointTuple,
    DeltaChannelHistory,
    PendingWrite,
    get_checkpoint_id,
    get_serializable_checkpoint_metadata,
    writes_sort_key,
)
from langgraph.checkpoint.serde.base import SerializerProtocol

from storage.channel_reading import StaleError
from storage.channels import Channels
from storage.checkpoint_layout import (
    THREADS,
    Place,
    directory_entries,
    id_of,
    is_checkpoint,
    namespace_entry,
    newest_first,
    ns_of,
    parent_of,
    place_of,
)
from storage.checkpoint_upkeep import Upkeep
from storage.codec import Codec
from storage.errors import ConditionFailed, InvalidInput
from storage.ports import Absent, Blobs, Item, Key, Table
from storage.ropes import MOST_HOPS
from storage.saver_in_threads import InThreads
from storage.saver_memory import Known, Memory, Row
from storage.trees import Trees

_LISTED_MOST: Final = 10_000
_ROWS_WARM: Final = 8
_ROWS_COLD: Final = 4 * MOST_HOPS
"""Items that hold a checkpoint, its writes, and the checkpoints that its lists refer to."""
_ROWS_MOST: Final = 1024


_Write = tuple[str, str, Any]
"""A pending write: task, channel, and the tree of the value."""
_Writes = list[_Write]
_Items = list[Item]
_Ids = list[str]


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


class CheckpointSaver(InThreads):
    """A `BaseCheckpointSaver` with all its capabilities, synchronous and asynchronous."""

    epoch = 0
    """Stands in what is written; 0 where no lease guards the thread."""

    def __init__(
        self, table: Table, blobs: Blobs, *, serde: SerializerProtocol | None = None
    ) -> None:
        super().__init__(serde=serde)
        self._table, self._blobs = table, blobs
        # Clones share these: none of them holds the serializer.
        self._memory = Memory()
        self._listed: set[Key] = set()

    @property
    def _channels(self) -> Channels:
        return Channels(self._table, self._blobs, self._memory, Codec(self.serde))

    @property
    def _upkeep(self) -> Upkeep:
        return Upkeep(self._table, self._blobs, self._memory, self._channels, self._accepts)

    def _accepts(self, thread_id: str, items: Iterable[Item]) -> Iterator[Item]:  # noqa: ARG002
        """Yield those checkpoints and writes of a thread that count: without a lease, all."""
        yield from items

    # Reading.

    def get_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        """See `BaseCheckpointSaver.get_tuple`."""
        place = place_of(config)
        found = next(self._groups(place, self._rows_of(place), ahead=0), None)
        if found is None or place.checkpoint_id not in (None, found.id):
            return None
        if place.checkpoint_id is None:
            self._memory.is_head(place, found.id)
        return self._tuple(found)

    def _rows_of(self, place: Place) -> int:
        at = place.checkpoint_id and self._memory.row((place.pk, place.sk(place.checkpoint_id)))
        return _ROWS_WARM if at or self._memory.is_head(place) else _ROWS_COLD

    def _groups(
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
        channels, writes = self._channels, _Items()
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

    def _pages(self, place: Place, size: int, end: str | None) -> Iterator[tuple[_Items, bool]]:
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

    def list(
        self,
        config: RunnableConfig | None,
        *,
        filter: dict[str, Any] | None = None,  # noqa: A002 - the name is LangGraph's
        before: RunnableConfig | None = None,
        limit: int | None = None,
    ) -> Iterator[CheckpointTuple]:
        """See `BaseCheckpointSaver.list`: newest first, over all namespaces if none is named."""
        end = get_checkpoint_id(before) if before else None
        found = self._matching(config, filter or {}, end)
        for group in itertools.islice(found, limit):
            yield self._tuple(group)

    def _matching(
        self, config: RunnableConfig | None, wanted: dict[str, Any], end: str | None
    ) -> Iterator[Group]:
        ns = config["configurable"].get("checkpoint_ns") if config else None
        named = get_checkpoint_id(config) if config else None
        for thread_id in [place_of(config).thread_id] if config else self._threads():
            if ns is None:
                found = self._everywhere(thread_id)
            else:
                found = self._groups(Place(thread_id, ns, named), end=end)
            for group in found:
                if named not in (None, group.id) or (end is not None and group.id >= end):
                    continue
                metadata = self._metadata(group) if wanted else {}
                if all(metadata.get(name) == value for name, value in wanted.items()):
                    yield group

    def _threads(self) -> Iterator[str]:
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

    def _tuple(self, group: Group) -> CheckpointTuple:
        try:
            return self._made_tuple(group)
        except StaleError:  # somebody else has pruned the thread since
            self._memory.forget(group.place.pk)
            return self._made_tuple(group)

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

    def _ordered(self, group: Group, only: set[str] | None = None) -> _Writes:
        """Return the writes that count as (task, channel, tree), in `writes_sort_key` order.

        Items come in the order in which they were written: of regular writes under one key the
        first stands, of special ones the last.
        """
        kept: dict[tuple[str, str, int], tuple[str, Any]] = {}
        for item in group.writes:
            task_id, path, writes = self._channels.content(item)
            for index, channel, tree in writes:
                at = writes_sort_key(path, task_id, index)
                if index < 0 or at not in kept:
                    kept[at] = (channel, tree)
        return [(at[1], *kept[at]) for at in sorted(kept) if only is None or kept[at][0] in only]

    def get_delta_channel_history(
        self, *, config: RunnableConfig, channels: Sequence[str]
    ) -> Mapping[str, DeltaChannelHistory]:
        """See `BaseCheckpointSaver.get_delta_channel_history`: one query, however long the way."""
        if not channels:
            return {}
        place = place_of(config)
        left = set(channels)
        found: dict[str, _Writes] = {name: [] for name in channels}
        seeds: dict[str, Any] = {}
        cursor: str | None = ""
        for group in self._groups(place, _ROWS_MOST):
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
        found: Mapping[str, _Writes],
        seeds: Mapping[str, Any],
    ) -> dict[str, DeltaChannelHistory]:
        jobs: dict[Any, Any] = dict(seeds)
        for name in names:
            for n, (*_, tree) in enumerate(found[name]):
                jobs[name, n] = self._channels.tree_job(pk, tree)
        values = self._channels.read(pk, jobs)
        histories: dict[str, DeltaChannelHistory] = {}
        for name in names:
            writes: list[PendingWrite] = [
                (task, name, values[name, n]) for n, (task, *_) in enumerate(found[name])
            ]
            histories[name] = {"writes": writes[::-1]}
            if name in seeds:
                histories[name]["seed"] = values[name]
        return histories

    # Writing.

    def put(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        """See `BaseCheckpointSaver.put`. The parent is the checkpoint that `config` names."""
        place, channels = place_of(config), self._channels
        metadata = get_serializable_checkpoint_metadata(config, metadata)
        run_id = str(metadata.get("run_id") or "")
        parent = self._known(place)
        contents: dict[bytes, Any] = {}
        versions = checkpoint["channel_versions"]
        sk = place.sk(checkpoint["id"])
        with self._memory.storing(place.pk):
            values = checkpoint["channel_values"]
            try:
                draft = channels.entries(place, values, versions, new_versions, parent, contents)
            except StaleError:  # somebody else has pruned the thread since
                self._memory.forget(place.pk)
                parent = self._known(place)
                draft = channels.entries(place, values, versions, new_versions, parent, contents)
            there = self._there(place, parent) | self._memory.stored((place.pk, sk))
            made = channels.packed(place.pk, contents, there)
            bare = {name: value for name, value in checkpoint.items() if name != "channel_values"}
            content = (*channels.dump(bare), *channels.dump(metadata), draft.entries)
            body = channels.body(place.pk, content, made)
            body |= self._around(place, checkpoint["id"])
            body |= {"parent": place.checkpoint_id} if place.checkpoint_id else {}
            body |= {"run": run_id} if run_id else {}
            beside = self._unlisted(place, run_id, checkpoint["id"], parent)
            channels.store(place.pk, made, beside)
            self._memory.stored((place.pk, sk), set().union(*draft.alive.values()))
        item = Item(place.pk, sk, body)
        self._commit(place, item)
        self._listed |= {(each.pk, each.sk) for each in beside}
        row = channels.row(place, item, checkpoint["id"], content)
        self._memory.remember((item.pk, item.sk), Known.of(row, versions, draft))
        return place.config(checkpoint["id"])

    def _there(self, place: Place, parent: Known | None) -> set[bytes]:
        """Return the segments that are there for as long as the parent, and writes upon it, are."""
        if parent is None:
            return set()
        return parent.there | self._memory.stored((place.pk, place.sk(parent.row.id)))

    def _around(self, place: Place, checkpoint_id: str) -> dict[str, Any]:
        """Return what an item says beside its content."""
        epoch = {"epoch": self.epoch} if self.epoch else {}
        return {**place.names(checkpoint_id), **epoch}

    def _commit(self, place: Place, item: Item) -> None:
        """Write the checkpoint: with it, everything counts."""
        try:
            self._table.put(item, Absent())
        except ConditionFailed:
            # It is put again. Others may refer to what it held before.
            self._upkeep.detach(place.thread_id, place.ns, {id_of(item)})
            self._table.put(item)
            # What is remembered of those still refers to it.
            self._memory.forget(place.pk)

    def _known(self, place: Place) -> Known | None:
        """Return what is known of the parent; None if there is none."""
        if place.checkpoint_id is None:
            return None
        sk = place.sk(place.checkpoint_id)
        if found := self._memory.known((place.pk, sk)):
            return found
        row = self._memory.row((place.pk, sk))
        if row is None:
            item = self._table.get(place.pk, sk)
            if item is None:
                return None
            row = self._channels.row(place, item, place.checkpoint_id)
        return self._channels.known(row)

    def put_writes(
        self,
        config: RunnableConfig,
        writes: Sequence[tuple[str, Any]],
        task_id: str,
        task_path: str = "",
    ) -> None:
        """See `BaseCheckpointSaver.put_writes`: one new item for each call.

        Raises:
            InvalidInput: the configuration names no checkpoint.
        """
        place, channels = place_of(config), self._channels
        if place.checkpoint_id is None:
            raise InvalidInput("Writes belong to a checkpoint; the configuration names none.")
        trees = Trees(Codec(self.serde), place.pk)
        rows = [
            [WRITES_IDX_MAP.get(channel, n), channel, trees.tree(value)]
            for n, (channel, value) in enumerate(writes)
        ]
        content = (task_id, task_path, rows)
        made: dict[bytes, bytes] = {}
        body = channels.body(place.pk, content, made) | self._around(place, place.checkpoint_id)
        if trees.large or made:
            upon = (place.pk, place.sk(place.checkpoint_id))
            with self._memory.storing(place.pk):
                large = {name: list(typed) for name, typed in trees.large.items()}
                made |= channels.packed(place.pk, large, self._memory.stored(upon))
                channels.store(place.pk, made, [])
                self._memory.stored(upon, large)
        sk = place.next_write(place.checkpoint_id, self.epoch, task_id)
        self._table.put(Item(place.pk, sk, body))

    def _unlisted(self, place: Place, run_id: str, first: str, parent: Known | None) -> _Items:
        """Return the entries by which a thread is found, unless it can be found by them already."""
        entries = directory_entries(place.thread_id, run_id)
        if parent and parent.row.run_id == run_id:
            return []
        new = [entry for entry in entries if entry not in self._listed]
        if len(self._listed) > _LISTED_MOST:
            self._listed.clear()
        items = [Item(*entry, {"thread_id": place.thread_id}) for entry in new]
        return [*items, namespace_entry(place, first)] if place.ns and not parent else items

    # Upkeep.

    def delete_thread(self, thread_id: str) -> None:
        """See `BaseCheckpointSaver.delete_thread`: no item and no object is left."""
        self._listed.clear()
        self._upkeep.delete_thread(thread_id)

    def delete_for_runs(self, run_ids: Sequence[str]) -> None:
        """See `BaseCheckpointSaver.delete_for_runs`."""
        self._listed.clear()
        self._upkeep.delete_for_runs(run_ids)

    def copy_thread(self, source_thread_id: str, target_thread_id: str) -> None:
        """See `BaseCheckpointSaver.copy_thread`: the whole thread, as it counts now."""
        self._upkeep.copy(source_thread_id, target_thread_id)

    def fork_thread(self, source_thread_id: str, target_thread_id: str, checkpoint_id: str) -> None:
        """Copy a thread up to a checkpoint, as it counts now, to go on from there."""
        self._upkeep.copy(source_thread_id, target_thread_id, checkpoint_id)

    def prune(self, thread_ids: Sequence[str], *, strategy: str = "keep_latest") -> None:
        """See `BaseCheckpointSaver.prune`.

        The latest checkpoint of each namespace stays, and with it the ancestors from which a
        `DeltaChannel` of it is rebuilt.

        Raises:
            InvalidInput: the strategy is neither "keep_latest" nor "delete".
        """
        if strategy not in ("keep_latest", "delete"):
            raise InvalidInput(f'Prune by "keep_latest" or "delete", not {strategy!r}.')
        self._listed.clear()
        for thread_id in thread_ids:
            if strategy == "delete":
                self.delete_thread(thread_id)
            else:
                self._upkeep.keep_latest(thread_id)

    def sweep(self, thread_ids: Sequence[str]) -> None:
        """Delete what calls that were cut off have left of threads: content that nobody names."""
        for thread_id in thread_ids:
            self._upkeep.sweep(thread_id)

    def expire(self, seconds: float) -> _Ids:
        """Delete the threads that nothing was put in for so many seconds; return their ids."""
        gone = [each for each in self._threads() if self._upkeep.is_older(each, seconds)]
        for thread_id in gone:
            self.delete_thread(thread_id)
        return gone


class DynamoDBSaver(CheckpointSaver):
    """A `CheckpointSaver` on a DynamoDB table and an S3 bucket, for any LangGraph program.

    Small values stand in the table, those too large for an item in the bucket.
    """

    def __init__(
        self,
        table_name: str,
        *,
        dynamodb_client: Any,
        s3_client: Any,
        s3_bucket: str,
        serde: SerializerProtocol | None = None,
    ) -> None:
        # boto3 stays unloaded until somebody comes with its clients.
        from storage.aws import dynamodb, making, s3

        table = dynamodb.DynamoTable(dynamodb_client, table_name)
        super().__init__(table, s3.S3Blobs(s3_client, s3_bucket), serde=serde)
        self._make_table = partial(making.make_table, dynamodb_client, table_name)
        self._make_bucket = partial(making.make_bucket, s3_client, s3_bucket)

    def setup(self) -> None:
        """Make the table and the bucket, unless they are there; safe to repeat.

        Raises:
            InvalidInput: the bucket's name is another account's.
            NotAllowed: the credentials may not make them.
            Unavailable: AWS did not answer.
        """
        self._make_table()
        self._make_bucket()
