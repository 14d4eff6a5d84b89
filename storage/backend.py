"""Opens a back end: the one place that knows there is more than one.

`open_embedded` needs nothing but a directory. What it returns hands out workspaces, whose ports
are all that the floors above see.
"""

from pathlib import Path
from typing import Protocol

from storage.embedded.files import FileBlobs, sweep_temporary
from storage.embedded.signals import SqliteQueue, SqliteTelemetry, open_signals, sweep
from storage.embedded.sqlite import Database, SqliteTable, sweep_expired, tables_schema
from storage.ports import BUCKETS, TABLES, Blobs, Table, TableName
from storage.workspace import (
    Buckets,
    Tables,
    Workspace,
    WorkspaceBlobs,
    WorkspaceTable,
    check_workspace,
)


class Backend(Protocol):
    """An open back end."""

    def workspace(self, name: str) -> Workspace:
        """Return a workspace's ports; a workspace needs no making."""

    def table(self, name: TableName) -> Table:
        """Return a table without the bounds of a workspace, for a saver used alone."""

    def close(self) -> None:
        """Let go of files and connections."""


class EmbeddedBackend:
    """SQLite and files under one directory."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._database = Database(home / "affidavit.sqlite", tables_schema(TABLES))
        self._signals = open_signals(home / "signals.sqlite")
        sweep_expired(self._database, TABLES)
        sweep_temporary(home / "objects")
        sweep(self._signals)

    def workspace(self, name: str) -> Workspace:
        """See `Backend.workspace`."""
        check_workspace(name)
        return Workspace(
            name=name,
            tables=Tables(**{t: WorkspaceTable(self.table(t), name) for t in TABLES}),
            buckets=Buckets(**{b: WorkspaceBlobs(self.blobs(b), name) for b in BUCKETS}),
            queue=SqliteQueue(self._signals, name),
            telemetry=SqliteTelemetry(self._signals, name),
        )

    def table(self, name: TableName) -> Table:
        """See `Backend.table`."""
        return SqliteTable(self._database, name)

    def blobs(self, name: str) -> Blobs:
        """Return a bucket without the bounds of a workspace."""
        return FileBlobs(self._home / "objects", name)

    def close(self) -> None:
        """See `Backend.close`."""
        self._database.close()
        self._signals.close()


def open_embedded(home: Path) -> EmbeddedBackend:
    """Open the embedded back end in a directory, which is made if need be."""
    return EmbeddedBackend(home)
