"""Deleting, pruning and copying threads, for `storage.checkpointer`.

What finds a thing is deleted after it, so that a second call after a crash finds what is left. The
caller holds the thread's lease where there is one: nobody writes to the thread meanwhile.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import cast

from storage.checkpoint_layout import (
    CHECKPOINTS,
    WRITES,
    Place,
    directory_entries,
    id_of,
    ns_of,
    partition,
    refs_of,
)
from storage.keys import key
from storage.ports import Blobs, Item, Table
from storage.segments import Ref, Segments

Accepts = Callable[[str, Iterable[Item]], Iterator[Item]]


class Upkeep:
    """Maintains the threads of one table and bucket, without reading a value."""

    def __init__(self, table: Table, blobs: Blobs, segments: Segments) -> None:
        self._table = table
        self._blobs = blobs
        self._segments = segments

    def delete_thread(self, thread_id: str) -> None:
        """Delete a thread: no item and no object is left."""
        pk = partition(thread_id)
        rows = self._table.query(pk, prefix=CHECKPOINTS)
        entries = {
            entry
            for run_id in ["", *{cast(str, item.body["run_id"]) for item in rows}]
            for entry in directory_entries(thread_id, run_id)
        }
        # Checkpoints last: they name the runs whose directory entries must go.
        others = [(pk, i.sk) for i in self._table.query(pk) if not i.sk.startswith(CHECKPOINTS)]
        self._table.batch_write((), others)
        for info in list(self._blobs.list(f"{pk}/")):
            self._blobs.delete(info.key)
        self._table.batch_write((), sorted(entries))
        checkpoints = [(pk, i.sk) for i in self._table.query(pk, prefix=CHECKPOINTS)]
        self._table.batch_write((), checkpoints)

    def delete_for_runs(self, run_ids: Sequence[str]) -> None:
        """Delete the checkpoints that runs have written, with their writes."""
        for run_id in run_ids:
            for entry in list(self._table.query(key("run", run_id))):
                thread_id = cast(str, entry.body["thread_id"])
                rows = list(self._table.query(partition(thread_id), prefix=CHECKPOINTS))
                self.drop(thread_id, [i for i in rows if i.body["run_id"] == run_id])
                self._table.delete(entry.pk, entry.sk)

    def drop(self, thread_id: str, checkpoints: Sequence[Item]) -> None:
        """Delete checkpoints of a thread with their writes, then the values nobody names."""
        pk = partition(thread_id)
        for item in checkpoints:
            writes = Place(thread_id, ns_of(item)).writes(id_of(item))
            found = self._table.query(pk, prefix=writes)
            self._table.batch_write((), [(pk, write.sk) for write in found])
        self._table.batch_write((), [(pk, item.sk) for item in checkpoints])
        self._segments.keep(pk, self._named(pk))

    def keep_latest(
        self, thread_id: str, accepts: Accepts, deltas: Callable[[Item], set[str]]
    ) -> None:
        """Drop all but the latest checkpoint of each namespace, and what `deltas` of it need."""
        rows = list(self._table.query(partition(thread_id), prefix=CHECKPOINTS))
        counted = list(accepts(thread_id, rows))
        by_sk = {item.sk: item for item in counted}
        latest = {ns_of(item): item for item in counted}
        kept = set[str]()
        for item in latest.values():
            kept |= _with_base(item, by_sk, deltas(item))
        self.drop(thread_id, [item for item in rows if item.sk not in kept])

    def _named(self, pk: str) -> Iterator[Ref]:
        for prefix in (CHECKPOINTS, WRITES):
            for item in self._table.query(pk, prefix=prefix):
                yield from refs_of(item)

    def copy(self, source_id: str, target_id: str, accepts: Accepts, last: str = "") -> None:
        """Copy what counts of a thread to another; up to a checkpoint, as it stood when it was put.

        Values go first and checkpoints last, oldest first, so that a copy that is cut off holds
        checkpoints with all their ancestors, or none.
        """
        source, target = partition(source_id), partition(target_id)
        self._segments.copy(source, target)
        for prefix in (WRITES, CHECKPOINTS):
            for item in accepts(source_id, self._table.query(source, prefix=prefix)):
                if last and (id_of(item) > last or (id_of(item) == last and prefix == WRITES)):
                    continue
                run_id = cast(str, item.body.get("run_id", ""))
                for entry in directory_entries(target_id, run_id):
                    self._table.put(Item(*entry, {"thread_id": target_id}))
                self._table.put(Item(target, item.sk, {**item.body, "epoch": 0}))


def _with_base(item: Item, by_sk: dict[str, Item], missing: set[str]) -> set[str]:
    """Return a checkpoint and its ancestors up to a stored value of each missing channel."""
    kept = {item.sk}
    while missing := missing - set(cast(dict[str, Ref], item.body["channels"])):
        parent = cast(str | None, item.body["parent"])
        sk = Place("", ns_of(item)).sk(parent) if parent else ""
        if sk not in by_sk:
            break
        item = by_sk[sk]
        kept.add(sk)
    return kept
