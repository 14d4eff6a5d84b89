"""A workspace's view of the back end: every key it can name starts with its own name.

Isolation is by construction: above this module no code mentions a workspace, and what is handed out
here cannot reach another's items or objects, whatever it is asked for.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from storage.errors import InvalidInput
from storage.ports import (
    Action,
    BlobInfo,
    Blobs,
    BucketName,
    Condition,
    Item,
    Key,
    Put,
    Queue,
    Table,
    TableName,
    Telemetry,
)

_NAME: Final = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?")


def check_workspace(name: str) -> str:
    """Return the name.

    Raises:
        InvalidInput: it is not 1 to 40 lower-case letters, digits and inner hyphens.
    """
    if not _NAME.fullmatch(name):
        raise InvalidInput(
            f"A workspace has 1 to 40 lower-case letters, digits and inner hyphens, not {name!r}."
        )
    return name


class WorkspaceTable:
    """A `Table` on which every `pk` is prefixed with the workspace."""

    def __init__(self, table: Table, workspace: str) -> None:
        self._table = table
        self._prefix = f"{check_workspace(workspace)}/"

    def get(self, pk: str, sk: str) -> Item | None:
        """See `Table.get`."""
        item = self._table.get(self._prefix + pk, sk)
        return item and self._inside(item)

    def batch_get(self, keys: Sequence[Key]) -> dict[Key, Item]:
        """See `Table.batch_get`."""
        found = self._table.batch_get([(self._prefix + pk, sk) for pk, sk in keys])
        inside = map(self._inside, found.values())
        return {(item.pk, item.sk): item for item in inside}

    def query(
        self,
        pk: str,
        *,
        prefix: str = "",
        between: tuple[str, str] | None = None,
        after: str = "",
        reverse: bool = False,
        limit: int | None = None,
    ) -> Iterator[Item]:
        """See `Table.query`."""
        found = self._table.query(
            self._prefix + pk,
            prefix=prefix,
            between=between,
            after=after,
            reverse=reverse,
            limit=limit,
        )
        return map(self._inside, found)

    def put(self, item: Item, when: Condition | None = None) -> None:
        """See `Table.put`."""
        self._table.put(self._outside(item), when)

    def delete(self, pk: str, sk: str, when: Condition | None = None) -> None:
        """See `Table.delete`."""
        self._table.delete(self._prefix + pk, sk, when)

    def batch_write(self, puts: Sequence[Item] = (), deletes: Sequence[Key] = ()) -> None:
        """See `Table.batch_write`."""
        self._table.batch_write(
            [self._outside(item) for item in puts], [(self._prefix + pk, sk) for pk, sk in deletes]
        )

    def transact(self, actions: Sequence[Action]) -> None:
        """See `Table.transact`."""
        self._table.transact([self._act_outside(action) for action in actions])

    def _inside(self, item: Item) -> Item:
        return replace(item, pk=item.pk.removeprefix(self._prefix))

    def _outside(self, item: Item) -> Item:
        return replace(item, pk=self._prefix + item.pk)

    def _act_outside(self, action: Action) -> Action:
        if isinstance(action, Put):
            return replace(action, item=self._outside(action.item))
        return replace(action, pk=self._prefix + action.pk)


class WorkspaceBlobs:
    """A `Blobs` on which every key is prefixed with the workspace."""

    def __init__(self, blobs: Blobs, workspace: str) -> None:
        self._blobs = blobs
        self._prefix = f"{check_workspace(workspace)}/"

    def put(self, key: str, data: bytes) -> bool:
        """See `Blobs.put`."""
        return self._blobs.put(self._prefix + key, data)

    def get(self, key: str, *, start: int = 0, size: int | None = None) -> bytes:
        """See `Blobs.get`."""
        return self._blobs.get(self._prefix + key, start=start, size=size)

    def head(self, key: str) -> BlobInfo | None:
        """See `Blobs.head`."""
        info = self._blobs.head(self._prefix + key)
        return info and self._inside(info)

    def list(
        self, prefix: str = "", *, after: str = "", limit: int | None = None
    ) -> Iterator[BlobInfo]:
        """See `Blobs.list`."""
        after = after and self._prefix + after
        return map(self._inside, self._blobs.list(self._prefix + prefix, after=after, limit=limit))

    def delete(self, key: str) -> None:
        """See `Blobs.delete`."""
        self._blobs.delete(self._prefix + key)

    def erase(self, key: str) -> None:
        """See `Blobs.erase`."""
        self._blobs.erase(self._prefix + key)

    def retain(self, key: str, until: float) -> None:
        """See `Blobs.retain`."""
        self._blobs.retain(self._prefix + key, until)

    def link(self, key: str, *, seconds: int, name: str) -> str:
        """See `Blobs.link`."""
        return self._blobs.link(self._prefix + key, seconds=seconds, name=name)

    def _inside(self, info: BlobInfo) -> BlobInfo:
        return replace(info, key=info.key.removeprefix(self._prefix))


@dataclass(frozen=True, slots=True)
class Tables:
    """The six tables."""

    documents: Table
    runs: Table
    checkpoints: Table
    audit: Table
    feedback: Table
    memory: Table


@dataclass(frozen=True, slots=True)
class Buckets:
    """The four buckets."""

    documents: Blobs
    artifacts: Blobs
    deliverables: Blobs
    state: Blobs


@dataclass(frozen=True, slots=True)
class Workspace:
    """All that one workspace has in a back end."""

    name: str
    tables: Tables
    buckets: Buckets
    queue: Queue
    telemetry: Telemetry
    scrub: Callable[[], None]
    """Writes over what deleted items have left where the tables lie, as far as the back end can."""
    backup_days: int
    """For how many days the back end's own backups keep what was deleted."""


def bounded(
    name: str,
    tables: Mapping[TableName, Table],
    buckets: Mapping[BucketName, Blobs],
    *,
    queue: Queue,
    telemetry: Telemetry,
    scrub: Callable[[], None] = lambda: None,
    backup_days: int = 0,
) -> Workspace:
    """Return a workspace over whole tables and buckets, bounded to its own keys.

    Raises:
        InvalidInput: the name is not that of a workspace.
    """
    check_workspace(name)
    return Workspace(
        name=name,
        tables=Tables(**{t: WorkspaceTable(table, name) for t, table in tables.items()}),
        buckets=Buckets(**{b: WorkspaceBlobs(blobs, name) for b, blobs in buckets.items()}),
        queue=queue,
        telemetry=telemetry,
        scrub=scrub,
        backup_days=backup_days,
    )
