"""An installation in an AWS account, open.

Opening asks STS who is calling, and stops where the credentials are another account's than the one
that was named; nothing else is asked for before.
"""

from collections.abc import Callable
from functools import cached_property
from typing import Final

from storage.aws.account import Caller, check_account
from storage.aws.clients import Clients
from storage.aws.cloudwatch import CloudWatchTelemetry
from storage.aws.dynamodb import DynamoTable
from storage.aws.names import Names
from storage.aws.s3 import S3Blobs
from storage.aws.sqs import SqsQueue
from storage.ports import BUCKETS, TABLES, Blobs, BucketName, Table, TableName
from storage.workspace import Workspace, bounded

# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/PointInTimeRecovery_Howitworks.html
BACKUP_DAYS: Final = 35


class AwsBackend:
    """Six tables, four buckets, a queue, log groups and metrics of one account."""

    def __init__(self, clients: Clients, prefix: str, account: str) -> None:
        """Open the installation that a prefix names in the account.

        Raises:
            InvalidInput: no credentials, no region, or a prefix that cannot be used.
            NotAllowed: the credentials are another account's, or are not accepted.
            Unavailable: STS did not answer.
        """
        self.caller: Caller = check_account(clients, account)
        self._clients = clients
        self._names = Names(prefix, account, clients.region)
        self._closing: list[Callable[[], None]] = [clients.close]

    def workspace(self, name: str) -> Workspace:
        """See `Backend.workspace`."""
        telemetry = CloudWatchTelemetry(self._clients, self._names, name)
        self._closing.insert(0, telemetry.close)
        return bounded(
            name,
            {table: self.table(table) for table in TABLES},
            {bucket: self.blobs(bucket) for bucket in BUCKETS},
            queue=SqsQueue(self._clients, self._names, name),
            telemetry=telemetry,
            backup_days=BACKUP_DAYS,
        )

    def table(self, name: TableName) -> Table:
        """See `Backend.table`."""
        return DynamoTable(self._clients.dynamodb, self._names.table(name), self._tables)

    def blobs(self, name: BucketName) -> Blobs:
        """Return a bucket without the bounds of a workspace."""
        bucket, owner = self._names.bucket(name), self._names.account
        return S3Blobs(self._clients.s3, bucket, owner=owner, locks=name == "deliverables")

    def close(self) -> None:
        """See `Backend.close`."""
        while self._closing:
            self._closing.pop(0)()

    @cached_property
    def _tables(self) -> dict[str, str]:
        return {table: self._names.table(table) for table in TABLES}
