"""The AWS of the tests: one moto server for each pytest-xdist worker, clean for each test.

`start` starts the process; the fixture `aws` of `conftest.py` shares it. Here is the one place
where the tests' tables, buckets and the rest are made: `make_resources`.
"""

import http.client
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import botocore.session

from storage.aws.clients import Clients
from storage.aws.names import Names
from storage.ports import BUCKETS, LOG_GROUPS, TABLES

ACCOUNT = "123456789012"
REGION = "eu-central-1"
SERVER = Path(__file__).parent / "aws_server.py"

# What describes a service is megabytes of JSON, that each boto3 session reads for itself: here all
# sessions of a process share it.
botocore.session.create_loader = cache(botocore.session.create_loader)


@dataclass(frozen=True)
class Aws:
    """A running server, and how to reach it."""

    endpoint: str
    names: Names
    process: int

    def clients(self, *, endpoint: str = "", **options: Any) -> Clients:
        """Return clients that need nothing from the environment."""
        return Clients(
            **options,
            region_name=REGION,
            endpoint_url=endpoint or self.endpoint,
            aws_access_key_id="testing",
            aws_secret_access_key="testing",
        )

    def environment(self) -> dict[str, str]:
        """Return the variables by which boto3 finds the server, and nothing else."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "testing",
            "AWS_DEFAULT_REGION": REGION,
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_CONFIG_FILE": "/dev/null",
            "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
        }

    def settings(self) -> dict[str, str]:
        """Return the variables by which the product finds the server."""
        return {
            "AFFIDAVIT_BACKEND": "aws",
            "AFFIDAVIT_PREFIX": self.names.prefix,
            "AFFIDAVIT_AWS_ACCOUNT_ID": self.names.account,
            **self.environment(),
        }

    def forget(self, prefix: str = "") -> None:
        """Delete all data, or those of a prefix; tables, buckets, queues and log groups stay."""
        connection = http.client.HTTPConnection(self.endpoint.removeprefix("http://"))
        connection.request("POST", f"/forget?{prefix}")
        assert connection.getresponse().status == 204
        connection.close()


@contextmanager
def start(*, empty: bool = False) -> Iterator[Aws]:
    """Start a server with all resources, or none; its process ends when this one does."""
    process = subprocess.Popen(
        [sys.executable, str(SERVER)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdin
    assert process.stdout
    try:
        port = int(process.stdout.readline())
        aws = Aws(f"http://127.0.0.1:{port}", Names("affidavit", ACCOUNT, REGION), process.pid)
        clients = aws.clients()
        if not empty:
            make_resources(clients, aws.names)
        clients.close()
        yield aws
    finally:
        process.stdin.close()
        process.wait(timeout=30)
        process.stdout.close()


def make_resources(clients: Clients, names: Names) -> None:
    """Make every table, bucket, queue and log group."""
    for table in TABLES:
        clients.dynamodb.create_table(
            TableName=names.table(table),
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[
                {"AttributeName": "pk", "AttributeType": "S"},
                {"AttributeName": "sk", "AttributeType": "S"},
            ],
            KeySchema=[
                {"AttributeName": "pk", "KeyType": "HASH"},
                {"AttributeName": "sk", "KeyType": "RANGE"},
            ],
        )
    for bucket in BUCKETS:
        clients.s3.create_bucket(
            Bucket=names.bucket(bucket),
            CreateBucketConfiguration={"LocationConstraint": names.region},
            ObjectLockEnabledForBucket=bucket == "deliverables",
        )
    for agent in LOG_GROUPS:
        clients.logs.create_log_group(logGroupName=names.log_group(agent))
    clients.sqs.create_queue(QueueName=names.queue)
