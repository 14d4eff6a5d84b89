"""A LangGraph checkpoint saver over the ports: complete, exact, usable in any LangGraph program.

`put` serializes the channels of `new_versions` only; every other reference is taken over from the
parent. Values go first, the checkpoint last, as the single commit point: killed in between, there
is no new checkpoint, and values that none names are swept by `prune` and `delete_thread`. Nothing
is written over, but for a checkpoint that is put again under its own id.

Used alone, a saver promises no fencing. `storage.fence` binds one to a lease, so that whatever an
outdated owner still writes is not read. How a thread lies in the table is in
`storage.checkpoint_layout`.
"""

import asyncio
import itertools
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from functools import partial
from typing import Any, cast

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import (
    WRITES_IDX_MAP,
    BaseCheckpointSaver,
    ChannelVersions,
    Checkpoint,
    CheckpointMetadata,
    CheckpointTuple,
    PendingWrite,
    get_checkpoint_id,
    get_serializable_checkpoint_metadata,
    writes_sort_key,
)
from langgraph.checkpoint.serde.base import SerializerProtocol

from storage.checkpoint_layout import (
    CHECKPOINTS,
    THREADS,
    Place,
    before,
    directory_entries,
    id_of,
    ns_of,
    partition,
    place_of,
)
from storage.checkpoint_upkeep import Upkeep
from storage.errors import InvalidInput
from storage.ports import Blobs, Item, Key, Table, Value
from storage.segments import Ref, Segments

_LISTED_MOST = 10_000
_PendingWrites = list[PendingWrite]


class CheckpointSaver(BaseCheckpointSaver[int]):
    """A `BaseCheckpointSaver` with all its capabilities, synchronous and asynchronous."""

    epoch = 0
    """Stands in what is written; 0 where no lease guards the thread."""

    def __init__(
        self, table: Table, blobs: Blobs, *, serde: SerializerProtocol | None = None
    ) -> None:
        super().__init__(serde=serde)
        self._table = table
        # Clones share these: none of them holds the serializer.
        self._segments = Segments(table, blobs)
        self._upkeep = Upkeep(table, blobs, self._segments)
        self._listed: set[Key] = set()

    def _accepts(self, thread_id: str, items: Iterable[Item]) -> Iterator[Item]:  # noqa: ARG002
        """Yield those checkpoints and writes of a thread that count: without a lease, all."""
        yield from items

    # Reading.

    def get_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        """See `BaseCheckpointSaver.get_tuple`."""
        place = place_of(config)
        item = self._find(place)
        return self._tuple(place, item) if item else None

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
        for place, item in itertools.islice(found, limit):
            yield self._tuple(place, item)

    def _matching(
        self, config: RunnableConfig | None, wanted: dict[str, Any], end: str | None
    ) -> Iterator[tuple[Place, Item]]:
        ns = config["configurable"].get("checkpoint_ns") if config else None
        named = get_checkpoint_id(config) if config else None
        for thread_id in [place_of(config).thread_id] if config else self._threads():
            for item in self._newest_first(thread_id, end):
                if ns not in (None, ns_of(item)) or named not in (None, id_of(item)):
                    continue
                metadata = self._metadata(item) if wanted else {}
                if all(metadata.get(name) == value for name, value in wanted.items()):
                    yield Place(thread_id, ns_of(item)), item

    def _threads(self) -> Iterator[str]:
        for item in self._table.query(THREADS):
            yield cast(str, item.body["thread_id"])

    def _newest_first(self, thread_id: str, end: str | None = None) -> Iterator[Item]:
        after = before(end) if end else ""
        rows = self._table.query(
            partition(thread_id), prefix=CHECKPOINTS, after=after, reverse=True
        )
        return self._accepts(thread_id, rows)

    def _find(self, place: Place) -> Item | None:
        """Return the checkpoint that is named, or the latest of the namespace."""
        if place.checkpoint_id:
            item = self._table.get(place.pk, place.sk(place.checkpoint_id))
            return next(self._accepts(place.thread_id, [item] if item else []), None)
        newest = self._newest_first(place.thread_id)
        return next((item for item in newest if ns_of(item) == place.ns), None)

    def _tuple(self, place: Place, item: Item) -> CheckpointTuple:
        refs = cast(dict[str, Ref], item.body["channels"])
        checkpoint = cast(Checkpoint, self._loads(cast(Ref, item.body["checkpoint"])))
        values = self._segments.load(place.pk, refs.values())
        checkpoint["channel_values"] = {
            name: self.serde.loads_typed(value) for name, value in zip(refs, values, strict=True)
        }
        parent = cast(str | None, item.body["parent"])
        return CheckpointTuple(
            config=place.config(id_of(item)),
            checkpoint=checkpoint,
            metadata=self._metadata(item),
            parent_config=place.config(parent) if parent else None,
            pending_writes=self._pending_writes(place, id_of(item)),
        )

    def _pending_writes(self, place: Place, checkpoint_id: str) -> _PendingWrites:
        """Return the writes that count, in `writes_sort_key` order.

        Items come in the order in which they were written: of regular writes under one key the
        first stands, of special ones the last.
        """
        rows = self._table.query(place.pk, prefix=place.writes(checkpoint_id))
        kept: dict[tuple[str, str, int], tuple[str, Ref]] = {}
        for item in self._accepts(place.thread_id, rows):
            task_id, path = cast(str, item.body["task_id"]), cast(str, item.body["task_path"])
            for index, channel, ref in cast(list[tuple[int, str, Ref]], item.body["writes"]):
                at = writes_sort_key(path, task_id, index)
                if index < 0 or at not in kept:
                    kept[at] = (channel, ref)
        ordered = sorted(kept)
        values = self._segments.load(place.pk, (kept[at][1] for at in ordered))
        return [
            (at[1], kept[at][0], self.serde.loads_typed(value))
            for at, value in zip(ordered, values, strict=True)
        ]

    def _metadata(self, item: Item) -> CheckpointMetadata:
        return cast(CheckpointMetadata, self._loads(cast(Ref, item.body["metadata"])))

    def _loads(self, ref: Ref) -> Any:
        return self.serde.loads_typed((cast(str, ref["t"]), cast(bytes, ref["v"])))

    # Writing.

    def put(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        """See `BaseCheckpointSaver.put`. The parent is the checkpoint that `config` names."""
        place = place_of(config)
        metadata = get_serializable_checkpoint_metadata(config, metadata)
        run_id = str(metadata.get("run_id") or "")
        self._list_thread(place.thread_id, run_id)
        bare = {name: value for name, value in checkpoint.items() if name != "channel_values"}
        body: dict[str, Any] = {
            "id": checkpoint["id"],
            "ns": place.ns,
            "parent": place.checkpoint_id,
            "run_id": run_id,
            "epoch": self.epoch,
            "checkpoint": self._dumps(bare),
            "metadata": self._dumps(metadata),
            "channels": self._channel_refs(place, checkpoint, new_versions),
        }
        self._table.put(Item(place.pk, place.sk(checkpoint["id"]), body))
        return place.config(checkpoint["id"])

    def _channel_refs(
        self, place: Place, checkpoint: Checkpoint, new_versions: ChannelVersions
    ) -> dict[str, Ref]:
        """Take over the parent's references, and store what is new or has no such reference."""
        inherited, versions = self._parent_refs(place)
        current = checkpoint["channel_versions"]
        refs = {
            name: ref
            for name, ref in inherited.items()
            if name not in new_versions and name in current and current[name] == versions.get(name)
        }
        fresh = {
            name: self.serde.dumps_typed(value)
            for name, value in checkpoint["channel_values"].items()
            if name not in refs
        }
        return self._segments.store(place.pk, fresh, refs)

    def _parent_refs(self, place: Place) -> tuple[dict[str, Ref], ChannelVersions]:
        sk = place.checkpoint_id and place.sk(place.checkpoint_id)
        item = self._table.get(place.pk, sk) if sk else None
        if item is None:
            return {}, {}
        versions = self._loads(cast(Ref, item.body["checkpoint"]))["channel_versions"]
        return cast(dict[str, Ref], item.body["channels"]), versions

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
        place = place_of(config)
        if place.checkpoint_id is None:
            raise InvalidInput("Writes belong to a checkpoint; the configuration names none.")
        typed = {str(n): self.serde.dumps_typed(value) for n, (_, value) in enumerate(writes)}
        refs = self._segments.store(place.pk, typed)
        rows: list[Value] = [
            [WRITES_IDX_MAP.get(channel, n), channel, dict(refs[str(n)])]
            for n, (channel, _) in enumerate(writes)
        ]
        body: dict[str, Value] = {
            "id": place.checkpoint_id,
            "ns": place.ns,
            "epoch": self.epoch,
            "task_id": task_id,
            "task_path": task_path,
            "writes": rows,
        }
        sk = place.next_write(place.checkpoint_id, self.epoch, task_id)
        self._table.put(Item(place.pk, sk, body))

    def _dumps(self, value: Any) -> dict[str, Value]:
        kind, data = self.serde.dumps_typed(value)
        return {"t": kind, "v": data}

    def _list_thread(self, thread_id: str, run_id: str) -> None:
        """Enter the thread in the directories, before anything of it exists."""
        for entry in directory_entries(thread_id, run_id):
            if entry not in self._listed:
                self._table.put(Item(*entry, {"thread_id": thread_id}))
                self._listed.add(entry)
        if len(self._listed) > _LISTED_MOST:
            self._listed.clear()

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
        self._upkeep.copy(source_thread_id, target_thread_id, self._accepts)

    def fork_thread(self, source_thread_id: str, target_thread_id: str, checkpoint_id: str) -> None:
        """Copy a thread up to a checkpoint, as it counts now, to go on from there."""
        self._upkeep.copy(source_thread_id, target_thread_id, self._accepts, checkpoint_id)

    def prune(self, thread_ids: Sequence[str], *, strategy: str = "keep_latest") -> None:
        """See `BaseCheckpointSaver.prune`.

        The latest checkpoint of each namespace stays, and with it the ancestors from which a
        `DeltaChannel` of it is rebuilt.

        Raises:
            InvalidInput: the strategy is neither "keep_latest" nor "delete".
        """
        if strategy not in ("keep_latest", "delete"):
            raise InvalidInput(f'Prune by "keep_latest" or "delete", not {strategy!r}.')
        for thread_id in thread_ids:
            if strategy == "delete":
                self.delete_thread(thread_id)
            else:
                self._upkeep.keep_latest(thread_id, self._accepts, self._deltas)

    def _deltas(self, item: Item) -> set[str]:
        """Return the channels of a checkpoint that are rebuilt from its ancestors' writes."""
        return set(self._metadata(item).get("counters_since_delta_snapshot") or {})

    # The asynchronous side: the same, in a thread.

    async def aget_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        """See `get_tuple`."""
        return await asyncio.to_thread(self.get_tuple, config)

    async def alist(
        self,
        config: RunnableConfig | None,
        *,
        filter: dict[str, Any] | None = None,  # noqa: A002 - the name is LangGraph's
        before: RunnableConfig | None = None,
        limit: int | None = None,
    ) -> AsyncIterator[CheckpointTuple]:
        """See `list`."""
        found = self.list(config, filter=filter, before=before, limit=limit)
        while (item := await asyncio.to_thread(next, found, None)) is not None:
            yield item

    async def aput(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        """See `put`."""
        return await asyncio.to_thread(self.put, config, checkpoint, metadata, new_versions)

    async def aput_writes(
        self,
        config: RunnableConfig,
        writes: Sequence[tuple[str, Any]],
        task_id: str,
        task_path: str = "",
    ) -> None:
        """See `put_writes`."""
        await asyncio.to_thread(self.put_writes, config, writes, task_id, task_path)

    async def adelete_thread(self, thread_id: str) -> None:
        """See `delete_thread`."""
        await asyncio.to_thread(self.delete_thread, thread_id)

    async def adelete_for_runs(self, run_ids: Sequence[str]) -> None:
        """See `delete_for_runs`."""
        await asyncio.to_thread(self.delete_for_runs, run_ids)

    async def acopy_thread(self, source_thread_id: str, target_thread_id: str) -> None:
        """See `copy_thread`."""
        await asyncio.to_thread(self.copy_thread, source_thread_id, target_thread_id)

    async def aprune(self, thread_ids: Sequence[str], *, strategy: str = "keep_latest") -> None:
        """See `prune`."""
        await asyncio.to_thread(self.prune, thread_ids, strategy=strategy)


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
