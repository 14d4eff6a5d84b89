"""Opens a back end: the one place that knows there is more than one.

`open_embedded` needs nothing but a directory, `open_aws` an account that was set up. What they
return hands out workspaces, whose ports are all that the floors above see.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from storage.embedded.files import FileBlobs, sweep_temporary
from storage.embedded.signals import SqliteQueue, SqliteTelemetry, open_signals, sweep
from storage.embedded.sqlite import Database, SqliteTable, sweep_expired, tables_schema
from storage.ports import BUCKETS, TABLES, Blobs, Table, TableName
from storage.workspace import Workspace, bounded

if TYPE_CHECKING:
    from storage.aws.backend import AwsBackend


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
        return bounded(
            name,
            {table: self.table(table) for table in TABLES},
            {bucket: self.blobs(bucket) for bucket in BUCKETS},
            queue=SqliteQueue(self._signals, name),
            telemetry=SqliteTelemetry(self._signals, name),
            scrub=self._scrub,
        )

    def table(self, name: TableName) -> Table:
        """See `Backend.table`."""
        return SqliteTable(self._database, name)

    def blobs(self, name: str) -> Blobs:
        """Return a bucket without the bounds of a workspace."""
        return FileBlobs(self._home / "objects", name)

    def _scrub(self) -> None:
        sweep_temporary(self._home / "objects")
        self._database.scrub()

    def close(self) -> None:
        """See `Backend.close`."""
        self._database.close()
        self._signals.close()


def open_embedded(home: Path) -> EmbeddedBackend:
    """Open the embedded back end in a directory, which is made if need be."""
    return EmbeddedBackend(home)


def open_aws(prefix: str, account: str) -> "AwsBackend":
    """Open what a prefix names in an AWS account; where that is, boto3's own settings say.

    Raises:
        InvalidInput: no credentials, no region, or a prefix that cannot be used.
        NotAllowed: the credentials are another account's, or are not accepted.
        Unavailable: AWS did not answer.
    """
    # boto3 takes longer to load than most commands to run, and only this back end needs it.
    from storage.aws.backend import AwsBackend
    from storage.aws.clients import Clients

    return AwsBackend(Clients(), prefix, account)
