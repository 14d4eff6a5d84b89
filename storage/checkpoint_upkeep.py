"""Deleting, pruning, copying and sweeping threads, for `storage.checkpointer`.

What finds a thing is deleted after it, so that a second call after a crash finds what is left. What
others refer to is written into them first. The latest state of a thread comes and goes in one
transaction: cut off, it is there as it was or as it is to be, if with less of its history. The
caller holds the thread's lease where there is one: nobody writes to the thread meanwhile.
"""

import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, cast

from storage.channels import Channels
from storage.checkpoint_layout import (
    CHECKPOINTS,
    Place,
    directory_entries,
    directory_item,
    id_of,
    is_checkpoint,
    made_at,
    namespace_entry,
    namespaces,
    new_incarnation,
    ns_of,
    parent_of,
    partition,
    run_of,
)
from storage.errors import TooLarge
from storage.keys import key
from storage.limits import MAX_ACTIONS, check_transaction
from storage.ports import Blobs, Delete, Item, Put, Table, Value
from storage.saver_memory import Memory, Row
from storage.segments import Segments
from storage.trees import refs_of

_DELETED: Final = "d"
"""An item that names runs of a thread while their checkpoints are deleted."""
Accepts = Callable[[str, Iterable[Item]], Iterator[Item]]


class Upkeep:
    """Maintains the threads of one table and bucket."""

    def __init__(
        self, table: Table, blobs: Blobs, memory: Memory, channels: Channels, accepts: Accepts
    ) -> None:
        self._table, self._blobs = table, blobs
        self._memory, self._channels, self._accepts = memory, channels, accepts
        self._segments = Segments(table, blobs)

    def delete_thread(self, thread_id: str) -> None:
        """Delete a thread: no item and no object is left."""
        pk = partition(thread_id)
        rows = [row for row in self._table.query(pk) if row.sk.startswith(CHECKPOINTS)]
        runs = self._note_runs(pk, {run_of(row) for row in rows})
        self._take(thread_id, [row for row in rows if is_checkpoint(row)])
        others = [row.sk for row in self._table.query(pk) if row.sk != _DELETED]
        self._table.batch_write((), [(pk, sk) for sk in others])
        for info in list(self._blobs.list(f"{pk}/")):
            self._blobs.delete(info.key)
        entries = {entry for run in ["", *runs] for entry in directory_entries(thread_id, run)}
        self._table.batch_write((), sorted(entries))
        self._table.delete(pk, _DELETED)
        self._memory.forget(pk)

    def _note_runs(self, pk: str, runs: set[str]) -> set[str]:
        """Note the runs whose entries have to go in the end; return also those noted before."""
        noted = self._table.get(pk, _DELETED)
        runs = runs | set(cast(list[str], noted.body["runs"]) if noted else [])
        if runs:
            self._table.put(Item(pk, _DELETED, {"runs": cast(Any, sorted(runs))}))
        return runs

    def _take(self, thread_id: str, checkpoints: Sequence[Item]) -> None:
        """Delete checkpoints that no others refer to: what the latest need last, and at once."""
        pk = partition(thread_id)
        last, older = list(checkpoints), list[Item]()
        if len(last) > MAX_ACTIONS:
            kept = self._standing(thread_id, checkpoints)
            last = [item for item in checkpoints if item.sk in kept]
            older = [item for item in checkpoints if item.sk not in kept]
            self._detach_all(thread_id, older)
            self._table.batch_write((), [(pk, item.sk) for item in _newest_first(older)])
        last = sorted(_newest_first(last), key=lambda item: ns_of(item) != "")
        for n in range(0, len(last), MAX_ACTIONS):
            self._table.transact([Delete(pk, item.sk) for item in last[n : n + MAX_ACTIONS]])

    def _standing(self, thread_id: str, checkpoints: Iterable[Item]) -> set[str]:
        """Return the sort keys of the latest that count, and of what they are rebuilt from."""
        counted = list(self._accepts(thread_id, checkpoints))
        latest = {ns_of(item): item for item in reversed(_newest_first(counted))}
        return self._needed(thread_id, counted, latest.values())

    def delete_for_runs(self, run_ids: Sequence[str]) -> None:
        """Delete the checkpoints that runs have written, with their writes.

        Those from which a `DeltaChannel` of another run is rebuilt stay: without them its value
        would be another one.
        """
        for run_id in run_ids:
            for entry in list(self._table.query(key("run", run_id))):
                thread_id = cast(str, entry.body["thread_id"])
                rows = self._checkpoints(thread_id)
                needed = self._needed(thread_id, rows, [i for i in rows if run_of(i) != run_id])
                self.drop(thread_id, [i for i in rows if i.sk not in needed])
                self._table.delete(entry.pk, entry.sk)

    def _checkpoints(self, thread_id: str) -> list[Item]:
        rows = self._table.query(partition(thread_id), prefix=CHECKPOINTS)
        return [row for row in rows if is_checkpoint(row)]

    def drop(self, thread_id: str, checkpoints: Sequence[Item]) -> None:
        """Delete checkpoints of a thread, then the writes and values that nobody names."""
        pk = partition(thread_id)
        self._memory.forget(pk)
        self._detach_all(thread_id, checkpoints)
        runs = self._note_runs(pk, {run_of(item) for item in checkpoints})
        self._take(thread_id, checkpoints)
        left = {run_of(item) for item in self._checkpoints(thread_id)}
        if not left:
            self.delete_thread(thread_id)
            return
        self.sweep(thread_id)
        gone = [directory_entries(thread_id, run)[1] for run in sorted(runs - left) if run]
        if runs:
            self._table.batch_write((), [(pk, _DELETED), *gone])

    def _detach_all(self, thread_id: str, checkpoints: Sequence[Item]) -> None:
        born = new_incarnation()
        for ns in {ns_of(item) for item in checkpoints}:
            self.detach(thread_id, ns, {id_of(i) for i in checkpoints if ns_of(i) == ns}, born)

    def detach(self, thread_id: str, ns: str, ids: set[str], born: Mapping[str, Value]) -> None:
        """Write into the checkpoints that refer to some others what they find there."""
        place = Place(thread_id, ns)
        for item in list(self._table.query(place.pk, prefix=place.all)):
            if not is_checkpoint(item) or id_of(item) in ids:
                continue
            row = self._row(place, item)
            if self._channels.refers_to(row) & ids:
                self._table.put(self._alone(row, item, place.pk, born))

    def _row(self, place: Place, item: Item) -> Row:
        return self._channels.row(place, item, id_of(item))

    def _alone(self, row: Row, item: Item, pk: str, born: Mapping[str, Value]) -> Item:
        """Return an item for `pk` of a checkpoint that refers to no other; store its values."""
        contents: dict[bytes, Any] = {}
        entries = self._channels.alone(row, contents)
        made = self._channels.packed(pk, contents, set())
        content = (*row.bare, *row.metadata, entries)
        held = self._channels.body(pk, content, made)
        self._channels.store(pk, made, [])
        rest = {name: value for name, value in item.body.items() if name not in ("b", "s")}
        return Item(pk, item.sk, {**rest, **held, **born})

    def keep_latest(self, thread_id: str) -> None:
        """Drop all but the latest checkpoint of each namespace, and what it is rebuilt from."""
        rows = self._checkpoints(thread_id)
        kept = self._standing(thread_id, rows)
        self.drop(thread_id, [item for item in rows if item.sk not in kept])

    def _needed(self, thread_id: str, rows: Iterable[Item], kept: Iterable[Item]) -> set[str]:
        """Return the sort keys of checkpoints, and of what their delta channels are rebuilt from.

        That is every ancestor up to a stored value.
        """
        by_id = {(ns_of(item), id_of(item)): item for item in rows}
        needed = set[str]()
        for item in kept:
            place, at = Place(thread_id, ns_of(item)), item
            metadata = self._channels.load(self._row(place, at).metadata)
            missing = set(metadata.get("counters_since_delta_snapshot") or {})
            needed.add(at.sk)
            while missing := missing - set(self._row(place, at).entries):
                parent = by_id.get((place.ns, parent_of(at) or ""))
                if parent is None:
                    break
                at = parent
                needed.add(at.sk)
        return needed

    def sweep(self, thread_id: str) -> None:
        """Delete the writes of a thread upon no checkpoint, and the segments that nobody names."""
        pk = partition(thread_id)
        rows = list(self._table.query(pk, prefix=CHECKPOINTS))
        there = {(ns_of(row), id_of(row)) for row in rows if is_checkpoint(row)}
        astray = [row for row in rows if (ns_of(row), id_of(row)) not in there]
        self._table.batch_write((), [(pk, row.sk) for row in astray])
        named: set[bytes] = set()
        for item in rows:
            if (ns_of(item), id_of(item)) not in there:
                continue
            if "s" in item.body:
                named.add(cast(bytes, item.body["s"]))
            if is_checkpoint(item):
                row = self._row(Place(thread_id, ns_of(item)), item)
                named |= self._channels.refs_of_row(row)
            else:
                writes = self._channels.content(item)[2]
                named |= {ref for *_, tree in writes for ref in refs_of(tree)}
        self._segments.keep(pk, named)
        self._memory.forget(pk)

    def is_older(self, thread_id: str, seconds: float) -> bool:
        """Return whether nothing was put into a thread for so long.

        Of a thread that has no checkpoint, because the first was cut off, it is said by its entry.
        """
        newest = max((id_of(item) for item in self._checkpoints(thread_id)), default="")
        entry = self._table.get(*directory_entries(thread_id, "")[0])
        listed = cast(float, entry.body.get("at", math.inf)) if entry else math.inf
        made = made_at(newest) if newest else listed
        return made is not None and made < time.time() - seconds

    def copy(self, source_id: str, target_id: str, last: str = "") -> None:
        """Copy what counts of a thread to another; up to a checkpoint, as it stood when it was put.

        Values go first; then the latest state at once, which if all is too much for one transaction
        stands by itself; then what came before it.
        """
        source, target = partition(source_id), partition(target_id)
        self._segments.copy(source, target)
        rows = list(self._accepts(source_id, self._table.query(source, prefix=CHECKPOINTS)))
        if last:
            rows = [
                row
                for row in rows
                if id_of(row) < last or (id_of(row) == last and is_checkpoint(row))
            ]
        self._announce(source_id, target_id, rows)
        born = new_incarnation()
        whole = [_moved(row, target, born) for row in rows]
        if not self._put_together(whole):
            # Nobody reads writes without their checkpoint.
            self._table.batch_write([row for row in whole if not is_checkpoint(row)])
            checkpoints = [row for row in rows if is_checkpoint(row)]
            kept = self._standing(source_id, checkpoints)
            first = [row for row in checkpoints if row.sk in kept]
            alone = [self._standing_alone(row, source_id, target, born) for row in first]
            self._put_together(alone)
            for item in sorted(checkpoints, key=id_of):
                self._table.put(_moved(item, target, born))
        self._memory.forget(target)

    def _announce(self, source_id: str, target_id: str, rows: Iterable[Item]) -> None:
        """Put down by what a copy and its namespaces are found."""
        place = Place(target_id)
        runs = {run_of(row) for row in rows if is_checkpoint(row)}
        entries = {entry for run in runs for entry in directory_entries(target_id, run)}
        copied = {ns_of(row) for row in rows}
        found = [directory_item(entry, target_id) for entry in sorted(entries)]
        for ns, first in namespaces(self._table, source_id):
            if ns in copied:
                found.append(namespace_entry(replace(place, ns=ns), first))
        self._table.batch_write(found)

    def _put_together(self, items: Sequence[Item]) -> bool:
        """Put items in one transaction; return whether they fit into it."""
        actions = [Put(item) for item in items]
        try:
            check_transaction(actions)
        except TooLarge:
            return False
        if actions:
            self._table.transact(actions)
        return True

    def _standing_alone(
        self, row: Item, source_id: str, target: str, born: Mapping[str, Value]
    ) -> Item:
        held = self._row(Place(source_id, ns_of(row)), row)
        return _moved(self._alone(held, row, target, born), target, born)


def _moved(row: Item, pk: str, born: Mapping[str, Value]) -> Item:
    """Return the same in another thread, where no lease has been."""
    body = {name: value for name, value in row.body.items() if name != "epoch"}
    return Item(pk, row.sk, {**body, **(born if is_checkpoint(row) else {})})


def _newest_first(items: Iterable[Item]) -> list[Item]:
    return sorted(items, key=id_of, reverse=True)
