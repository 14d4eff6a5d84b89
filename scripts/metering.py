"""A meter on the wire between the product and AWS, and the work that is measured through it.

The product runs against a moto server, through a proxy that counts what passes. Units are computed
from the items by DynamoDB's rules ("Read consistency" and "Capacity unit consumption" in its
developer guide): a write unit for each begun KB, twice that in a transaction, a read unit for each
begun 4 KB that is read strongly consistent. Nothing here is a time: the server is none of AWS's.

What is used is also told by place: the table and the shape of the partition key, or the bucket and
the beginning of the key. Next: `scripts.bench_aws` prints it, `scripts.cost_model` reckons with it.
"""

import base64
import json
import math
import os
import re
import tempfile
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

from graph import Orchestrator
from graph.settings import Settings
from graph.worker import (
    HEARTBEAT_SECONDS,
    NEWEST_RUNS,
    SCANNED_MOST,
    SWEEP_SECONDS,
    WORKERS,
    measure_backlog,
)
from scripts.demo import MEMO, QUESTIONS
from storage.aws.clients import Clients
from storage.aws.cloudwatch import CloudWatchTelemetry
from storage.aws.names import Names
from storage.documents import CATALOGUE
from storage.keys import key
from storage.ports import BUCKETS, TABLES, Item
from storage.records import Run
from storage.run_layout import RUNS
from tests.aws import ACCOUNT, Aws, start
from tests.faults import Answer, Faults, Pass, Request

LEASE: Final = Path(__file__).parent / "samples" / "lease.pdf"
WRITES: Final = "write units"
READS: Final = "read units"
S3_PUTS: Final = "S3 puts"
"""PUT, POST and LIST, which cost the same."""
S3_GETS: Final = "S3 gets"
SQS: Final = "SQS requests"
METRICS: Final = "PutMetricData"
LOG_BYTES: Final = "log bytes"
ITEM_BYTES: Final = "item bytes"
OBJECT_BYTES: Final = "object bytes"

# https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutLogEvents.html
EVENT_BYTES: Final = 26
"""What CloudWatch counts for each log event beside its text."""
# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html
INDEX_BYTES: Final = 100
"""What DynamoDB counts for each stored item beside its attributes."""
SWEEP_EVERY: Final = 0.85 * SWEEP_SECONDS
"""Seconds from sweep to sweep: a worker draws 0.7 to 1 of the most. Each comes with one poll."""
FLUSH_SECONDS: Final = 30.0
_SERVICE: Final = re.compile(r"Credential=[^/]+/\d+/[^/]+/(\w+)/aws4_request")


class Use(NamedTuple):
    """What is used, and where; the key is a shape (see `shape`), or empty."""

    place: str
    key: str
    unit: str


Load = Mapping[Use, float]


@dataclass(frozen=True)
class Measured:
    """What a run of each kind uses, and what a worker uses in a second in which nothing is due."""

    question: Load
    memo: Load
    idle: Load


@dataclass
class Reading:
    """What a meter has counted: calls, units and bytes by service, and what is paid by place."""

    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    uses: Counter[Use] = field(default_factory=Counter)


class Meter:
    """Counts what passes the proxy."""

    def __init__(self) -> None:
        self._reading = Reading()
        self._lock = threading.Lock()

    def passes(self, request: Request, on: Pass) -> Answer:
        """Pass a request on, and count it."""
        answer = on(request)
        found = _SERVICE.search(request.headers.get("Authorization", ""))
        service = found[1] if found else "other"
        seen = {"calls": 1, "bytes out": len(request.body), "bytes in": len(answer.body)}
        if request.operation != request.method and answer.status == 200:
            seen[request.operation] = 1
        uses = list(used(service, request, answer))
        with self._lock:
            for name, count in seen.items():
                self._reading.counts[service, name] += count
            for use, count in uses:
                self._reading.uses[use] += count
                if service == "dynamodb":
                    self._reading.counts[service, use.unit] += count
        return answer

    def take(self) -> Reading:
        """Return what was counted, and begin anew."""
        with self._lock:
            reading, self._reading = self._reading, Reading()
        return reading


@contextmanager
def metered() -> Iterator[tuple[Meter, Aws, str]]:
    """Start a server with a meter before it; yield the meter, the server, and the way through."""
    with start() as aws, Faults(aws.endpoint) as proxy:
        meter = Meter()
        proxy.choose(lambda _: meter.passes)
        yield meter, aws, proxy.endpoint


@contextmanager
def environment(aws: Aws, endpoint: str) -> Iterator[None]:
    """Let boto3 find the proxy for a while, and nothing else."""
    kept = dict(os.environ)
    os.environ.update(aws.environment() | {"AWS_ENDPOINT_URL": endpoint})
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(kept)


def product(folder: Path) -> Settings:
    """Return the settings of the product on the server, offline; the folder is its home."""
    return Settings(
        backend="aws",
        aws_account_id=ACCOUNT,
        model="offline",
        home=folder / "home",
        signing_key=folder / "key",
    )


def used(service: str, request: Request, answer: Answer) -> Iterator[tuple[Use, int]]:
    """Yield what a call used of what AWS counts, and how much of it."""
    match service, request.operation:
        case "dynamodb", operation if answer.status == 200:
            asked, answered = json.loads(request.body), json.loads(answer.body or "{}")
            for table, pk, writes, reads in consumed(operation, asked, answered):
                yield Use(table, shape(pk), WRITES), writes
                yield Use(table, shape(pk), READS), reads
        case "s3", method if method != "DELETE":  # deletions are free
            bucket, _, name = urlsplit(request.path).path.lstrip("/").partition("/")
            is_get = method == "HEAD" or (method == "GET" and bool(name))  # a LIST names none
            beginning = "/".join(name.split("/")[:2])
            yield Use(bucket, beginning, S3_GETS if is_get else S3_PUTS), 1
        case "sqs", _:
            yield Use("sqs", "", SQS), 1
        case "monitoring", "PutMetricData":
            yield Use("metrics", "", METRICS), 1
        case "logs", "PutLogEvents":
            asked = json.loads(request.body)
            texts = [event["message"].encode() for event in asked["logEvents"]]
            size = sum(len(text) + EVENT_BYTES for text in texts)
            yield Use(asked["logGroupName"], "", LOG_BYTES), size


def shape(pk: str) -> str:
    """Return a partition key with names replaced: `w/run/r-1` is `w/run/{run}`, `w/due` itself.

    What remains itself is a list of the workspace, and all of its runs share it.
    """
    workspace, _, rest = pk.partition("/")
    kind, named, _ = rest.partition("/")
    return f"{workspace}/{kind}/{{{kind}}}" if named else pk


def consumed(
    operation: str, asked: Mapping[str, Any], answer: Mapping[str, Any]
) -> Iterator[tuple[str, str, int, int]]:
    """Yield table, partition key, write units and read units of each part of a call."""
    for table, request, factor in _writes(operation, asked):
        pk = _pk(request.get("Item") or request.get("Key") or {})
        yield table, pk, factor * _begun(size_of(request.get("Item", {})), 1024), 0
    for table, pk, size in _reads(operation, asked, answer):
        yield table, pk, 0, _begun(size, 4096)


def _writes(
    operation: str, asked: Mapping[str, Any]
) -> Iterator[tuple[str, Mapping[str, Any], int]]:
    """Yield the table of each write of a call, the write, and how often its units count."""
    match operation:
        case "PutItem" | "DeleteItem":
            yield asked.get("TableName", ""), asked, 1
        case "BatchWriteItem":
            for table, requests in asked["RequestItems"].items():
                for request in requests:
                    yield table, next(iter(request.values())), 1
        case "TransactWriteItems":
            for action in asked["TransactItems"]:
                write = next(iter(action.values()))
                yield write.get("TableName", ""), write, 2


def _reads(
    operation: str, asked: Mapping[str, Any], answer: Mapping[str, Any]
) -> Iterator[tuple[str, str, int]]:
    """Yield the table of each read of a call, the partition key, and how many bytes were read."""
    table = asked.get("TableName", "")
    match operation:
        case "GetItem":
            yield table, _pk(asked.get("Key", {})), size_of(answer.get("Item", {}))
        case "BatchGetItem":
            for name, part in asked["RequestItems"].items():
                items = answer["Responses"].get(name, [])
                yield from ((name, _pk(item), size_of(item)) for item in items)
                missing = Counter(map(_pk, part["Keys"])) - Counter(map(_pk, items))
                yield from ((name, pk, 0) for pk in missing.elements())
        case "Query":
            pk = asked.get("ExpressionAttributeValues", {}).get(":pk", {}).get("S", "")
            yield table, pk, sum(map(size_of, answer["Items"]))


def units(operation: str, asked: Mapping[str, Any], body: bytes) -> tuple[int, int]:
    """Return the write units and the read units of a call."""
    parts = list(consumed(operation, asked, json.loads(body or "{}")))
    return sum(writes for *_, writes, _ in parts), sum(reads for *_, reads in parts)


def stored(clients: Clients, names: Names) -> Counter[Use]:
    """Return the bytes that stand in the tables and the buckets, as AWS counts them."""
    found = Counter[Use]()
    for table in map(names.table, TABLES):
        for page in clients.dynamodb.get_paginator("scan").paginate(TableName=table):
            size = sum(size_of(item) + INDEX_BYTES for item in page["Items"])
            found[Use(table, "", ITEM_BYTES)] += size
    for bucket in map(names.bucket, BUCKETS):
        for page in clients.s3.get_paginator("list_object_versions").paginate(Bucket=bucket):
            size = sum(version["Size"] for version in page.get("Versions", ()))
            found[Use(bucket, "", OBJECT_BYTES)] += size
    return found


def _pk(attributes: Mapping[str, Any]) -> str:
    return str(attributes.get("pk", {}).get("S", ""))


def _begun(size: int, block: int) -> int:
    """Return how many blocks of bytes are begun; whatever is asked begins one."""
    return max(1, math.ceil(size / block))


def size_of(item: Mapping[str, Any]) -> int:
    """Return the bytes of attributes: "Item sizes and formats" in the developer guide."""
    return sum(len(name.encode()) + _value_size(value) for name, value in item.items())


def _value_size(attribute: Mapping[str, Any]) -> int:
    ((kind, value),) = attribute.items()
    match kind:
        case "S":
            return len(value.encode())
        case "N":
            return len(value) // 2 + 2
        case "B":
            # On the wire it is base64, in Python bytes.
            return len(value if isinstance(value, bytes) else base64.b64decode(value))
        case "BS":
            return 3 + sum(1 + _value_size({"B": element}) for element in value)
        case "M":
            return 3 + len(value) + size_of(value)
    return 1


def added(*parts: tuple[float, Load]) -> dict[Use, float]:
    """Return the sum of loads, each so many times."""
    total: dict[Use, float] = defaultdict(float)
    for times, load in parts:
        for use, count in load.items():
            total[use] += times * count
    return dict(total)


def of_unit(load: Load, unit: str) -> float:
    """Return how much of a unit is used at all places."""
    return sum(count for use, count in load.items() if use.unit == unit)


def measure(documents: int) -> Measured:
    """Drive a question and a memo in a workspace with so many documents; return what they used."""
    with (
        tempfile.TemporaryDirectory() as folder,
        metered() as (meter, aws, endpoint),
        environment(aws, endpoint),
        Orchestrator.open(settings=product(Path(folder))) as desk,
        closing(aws.clients()) as aside,
    ):
        _fill_catalogue(desk, documents)
        ask(desk)  # what a process opens once is no run's
        loads = []
        for work in (ask, publish):
            before = stored(aside, aws.names)
            uses = _uses(desk, meter, work)
            after = stored(aside, aws.names)
            loads.append({**uses, **{use: size - before[use] for use, size in after.items()}})
        _fill_runs(desk)
        sweep, beat = _uses(desk, meter, _sweep), _uses(desk, meter, _beat)
    idle = added((1 / SWEEP_EVERY, sweep), (1 / HEARTBEAT_SECONDS, beat))
    question, memo = loads
    return Measured(question, memo, idle)


def _uses(desk: Orchestrator, meter: Meter, work: Callable[[Orchestrator], None]) -> Load:
    """Do some work; return what it used."""
    _settle(desk)
    meter.take()
    work(desk)
    _settle(desk)
    return meter.take().uses


def _settle(desk: Orchestrator) -> None:
    telemetry = desk.resources.workspace.telemetry  # it sends behind its caller's back
    if isinstance(telemetry, CloudWatchTelemetry):
        telemetry.flush(FLUSH_SECONDS)


def ask(desk: Orchestrator) -> None:
    """Have a question answered."""
    _drive(desk, desk.runs.submit(QUESTIONS[0]).id, "success")


def publish(desk: Orchestrator) -> None:
    """Have a memo written, approve it, and have it published."""
    run = _drive(desk, desk.runs.submit(MEMO).id, "interrupted")
    desk.runs.resume(run.id, {run.interrupts[0].id: {"type": "approve"}})
    _drive(desk, run.id, "success")


def _drive(desk: Orchestrator, run_id: str, status: str) -> Run:
    """Drive a run as a worker does that got its hint."""
    queue = desk.resources.workspace.queue
    hints = queue.receive()
    run = desk.drive(run_id)
    for hint in hints:
        queue.delete(hint)
    if run.status != status:
        raise RuntimeError(f"The run to be measured ended {run.status}: {run.error}")
    return run


def _sweep(desk: Orchestrator) -> None:
    desk.resources.workspace.queue.receive()
    list(desk.resources.runs.due(time.time(), limit=SCANNED_MOST))


def _beat(desk: Orchestrator) -> None:
    desk.resources.workspace.tables.runs.put(Item(WORKERS, "a-worker"))
    measure_backlog(desk.resources)


def _fill_catalogue(desk: Orchestrator, documents: int) -> None:
    """Add a document, and list others that nobody needs to index."""
    like = desk.documents.add(LEASE)
    fields = like.model_dump(mode="json") | {"pages": 0}
    desk.resources.workspace.tables.documents.batch_write(
        [Item(CATALOGUE, key(n, like.id), fields) for n in range(1, documents)]
    )


def _fill_runs(desk: Orchestrator) -> None:
    """List as many runs as a heartbeat looks at."""
    table = desk.resources.workspace.tables.runs
    like = next(iter(table.query(RUNS, limit=1)))
    table.batch_write([replace(like, sk=key(n, like.sk)) for n in range(NEWEST_RUNS)])
