"""A LangGraph checkpoint saver over the ports, whose price does not grow with history.

`put` looks at the channels of `new_versions` only, and writes what is new in them: content that the
parent has is referred to, element by element (`storage.channels`). Segments go first, the
checkpoint last, as the single commit point: killed in between, there is no new checkpoint, and what
no checkpoint names is swept. Nothing is written over, but for a checkpoint that is put again under
its own id.

Reading is in `storage.checkpoint_reading`, deleting and copying in `storage.checkpoint_upkeep`.

Used alone, a saver promises no fencing. `storage.fence` binds one to a lease, so that whatever an
outdated owner still writes is not read. How a thread lies in the table is in
`storage.checkpoint_layout`.
"""

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Final

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import (
    WRITES_IDX_MAP,
    ChannelVersions,
    Checkpoint,
    CheckpointMetadata,
    CheckpointTuple,
    DeltaChannelHistory,
    get_checkpoint_id,
    get_serializable_checkpoint_metadata,
)
from langgraph.checkpoint.serde.base import SerializerProtocol

from storage.channel_reading import StaleError
from storage.channels import Channels
from storage.checkpoint_layout import (
    Place,
    directory_entries,
    directory_item,
    id_of,
    namespace_entry,
    new_incarnation,
    place_of,
)
from storage.checkpoint_reading import Checkpoints
from storage.checkpoint_upkeep import Upkeep
from storage.codec import Codec
from storage.errors import ConditionFailed, InvalidInput
from storage.ports import Absent, Blobs, Item, Key, Table
from storage.saver_in_threads import InThreads
from storage.saver_memory import Known, Memory
from storage.trees import Trees

_LISTED_MOST: Final = 10_000
# The class has a method `list`, which would be what annotations below it mean.
_Items = list[Item]
_Ids = list[str]


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
    def _checkpoints(self) -> Checkpoints:
        return Checkpoints(self._table, self._memory, self._channels, self._accepts)

    @property
    def _upkeep(self) -> Upkeep:
        return Upkeep(self._table, self._blobs, self._memory, self._channels, self._accepts)

    def _accepts(self, thread_id: str, items: Iterable[Item]) -> Iterator[Item]:  # noqa: ARG002
        """Yield those checkpoints and writes of a thread that count: without a lease, all."""
        yield from items

    # Reading.

    def get_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        """See `BaseCheckpointSaver.get_tuple`."""
        return self._checkpoints.latest(place_of(config))

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
        found = self._checkpoints.matching(config, filter or {}, end)
        for group in itertools.islice(found, limit):
            yield self._checkpoints.read(group)

    def get_delta_channel_history(
        self, *, config: RunnableConfig, channels: Sequence[str]
    ) -> Mapping[str, DeltaChannelHistory]:
        """See `BaseCheckpointSaver.get_delta_channel_history`: one query, however long the way."""
        return self._checkpoints.histories(place_of(config), channels) if channels else {}

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
        at = (place.pk, place.sk(checkpoint["id"]))
        metadata = get_serializable_checkpoint_metadata(config, metadata)
        run_id = str(metadata.get("run_id") or "")
        parent = self._known(place, checkpoint["id"])
        contents: dict[bytes, Any] = {}
        versions = checkpoint["channel_versions"]
        with self._memory.storing(place.pk):
            values = checkpoint["channel_values"]
            try:
                draft = channels.entries(place, values, versions, new_versions, parent, contents)
            except StaleError:  # somebody else has pruned the thread since
                self._memory.forget(place.pk)
                parent = self._known(place, checkpoint["id"])
                draft = channels.entries(place, values, versions, new_versions, parent, contents)
            there = self._there(place, parent) | self._memory.stored(at)
            made = channels.packed(place.pk, contents, there)
            bare = {name: value for name, value in checkpoint.items() if name != "channel_values"}
            content = (*channels.dump(bare), *channels.dump(metadata), draft.entries)
            body = channels.body(place.pk, content, made)
            body |= self._around(place, checkpoint["id"])
            body |= {"parent": place.checkpoint_id} if place.checkpoint_id else {}
            body |= {"run": run_id} if run_id else {}
            body |= {"inc": parent.row.incarnation} if parent and parent.row.incarnation else {}
            beside = self._unlisted(place, run_id, checkpoint["id"], parent)
            channels.store(place.pk, made, beside)
            item = Item(*at, body)
            item = self._commit(place, item)
            self._memory.stored(at, set().union(*draft.alive.values()))
        self._listed |= {(each.pk, each.sk) for each in beside}
        self._memory.made_head(place, checkpoint["id"])
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

    def _commit(self, place: Place, item: Item) -> Item:
        """Write the checkpoint, and return what was written: with it, everything counts."""
        try:
            self._table.put(item, Absent())
        except ConditionFailed:
            # It is put again. Others may refer to what it held before.
            born = new_incarnation()
            self._upkeep.detach(place.thread_id, place.ns, {id_of(item)}, born)
            item = Item(item.pk, item.sk, {**item.body, **born})
            self._table.put(item)
            # What is remembered of those still refers to it.
            self._memory.forget(place.pk)
        return item

    def _known(self, place: Place, child: str) -> Known | None:
        """Return what is known of the parent; None if there is none, or it is the child itself.

        Of any but the latest, which was read or written last, it is looked at whether it is still
        as it is remembered: somebody else may have deleted what it referred to.
        """
        if place.checkpoint_id in (None, child):
            return None
        assert place.checkpoint_id is not None  # noqa: S101 - for the type checker
        sk = place.sk(place.checkpoint_id)
        row = self._memory.row((place.pk, sk))
        if row is None or not self._memory.is_head(place):
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
        item = Item(place.pk, place.next_write(place.checkpoint_id, self.epoch, task_id), body)
        if not (trees.large or made):
            self._table.put(item)
            return
        upon = (place.pk, place.sk(place.checkpoint_id))
        with self._memory.storing(place.pk):
            large = {name: list(typed) for name, typed in trees.large.items()}
            made |= channels.packed(place.pk, large, self._memory.stored(upon))
            channels.store(place.pk, made, [])
            self._table.put(item)
            # Only what an item names stays: before it, anyone may have swept what was stored.
            self._memory.stored(upon, large)

    def _unlisted(self, place: Place, run_id: str, first: str, parent: Known | None) -> _Items:
        """Return the entries by which a thread is found, unless it can be found by them already."""
        entries = directory_entries(place.thread_id, run_id)
        if parent:
            entries = entries[1:] if parent.row.run_id != run_id else []
        elif place.ns:  # the graph around it has begun before
            entries = [entry for entry in entries if entry not in self._listed]
        if len(self._listed) > _LISTED_MOST:
            self._listed.clear()
        items = [directory_item(entry, place.thread_id) for entry in entries]
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
        gone = [
            each for each in self._checkpoints.threads() if self._upkeep.is_older(each, seconds)
        ]
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
