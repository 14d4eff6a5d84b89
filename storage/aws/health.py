"""Whether each service of the AWS account answers, by a real call to each resource.

The calls are the reading ones that a worker makes anyway, so that they need no further permission.
They go out together, with short time-outs and without a second try: a service that is down is
named, and holds up none of the others.
"""

import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Final

from storage.aws.account import check_account
from storage.aws.clients import Clients
from storage.aws.errors import AwsError, translate
from storage.aws.names import Names
from storage.errors import AffidavitError
from storage.health import REACH, Check, checked
from storage.ports import BUCKETS, LOG_GROUPS, TABLES

_THREADS: Final = 8
_SET_UP: Final = "Run `affidavit setup`: it says what is missing and puts it right."


def health(prefix: str, account: str, clients: Clients | None = None) -> Iterator[Check]:
    """Yield how the account, each table, bucket and log group, the queue and the metrics do."""
    clients = clients or Clients(attempts=1, read_seconds=5)
    remedy = "Set the credentials of the account that AFFIDAVIT_AWS_ACCOUNT_ID names."
    who = checked("account", lambda: check_account(clients, account).arn, remedy, silent=REACH)
    yield who
    try:
        names = Names(prefix, account, clients.region)
    except AffidavitError as error:
        yield Check("names", False, str(error), "Correct the setting.")
        return
    with ThreadPoolExecutor(_THREADS) as pool:
        waiting = [
            pool.submit(checked, name, partial(_answered, name, call), _SET_UP, silent=REACH)
            for name, call in _calls(clients, names)
        ]
        for future in waiting:
            yield future.result()


def _calls(clients: Clients, names: Names) -> Iterator[tuple[str, Callable[[], Any]]]:
    """Yield the name of each resource, and a call that reads from it."""
    probe = {"pk": {"S": f"doctor/{uuid.uuid4().hex}"}, "sk": {"S": "-"}}
    for table in map(names.table, TABLES):
        yield f"table {table}", partial(clients.dynamodb.get_item, TableName=table, Key=probe)
    owned = {"ExpectedBucketOwner": names.account, "MaxKeys": 1}
    for bucket in map(names.bucket, BUCKETS):
        yield f"bucket {bucket}", partial(clients.s3.list_objects_v2, Bucket=bucket, **owned)
    yield f"queue {names.queue}", partial(clients.sqs.get_queue_url, QueueName=names.queue)
    now = datetime.now(UTC)
    recent = {"startTime": int(now.timestamp() * 1000) - 1000, "limit": 1}
    for group in map(names.log_group, LOG_GROUPS):
        read = partial(clients.logs.filter_log_events, logGroupName=group, **recent)
        yield f"log group {group}", read
    yield (
        f"metrics {names.metric_namespace}",
        partial(
            clients.cloudwatch.get_metric_statistics,
            Namespace=names.metric_namespace,
            MetricName="runs_success",
            StartTime=now - timedelta(minutes=5),
            EndTime=now,
            Period=300,
            Statistics=["Sum"],
        ),
    )


def _answered(what: str, call: Callable[[], Any]) -> str:
    try:
        call()
    except AwsError as error:
        raise translate(error, what) from error
    return "answers"
