"""What a run costs on AWS: calls, read and write units, and bytes on the wire, by service.

The product runs against a moto server, through a proxy that counts what passes. Units are computed
from the items by DynamoDB's rules ("Read consistency" and "Capacity unit consumption" in its
developer guide): a write unit for each begun KB, twice that in a transaction, a read unit for each
begun 4 KB that is read strongly consistent. Nothing here is a time: the server is none of AWS's.
"""

import base64
import json
import math
import os
import re
import tempfile
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from langgraph.graph import START, MessagesState, StateGraph

from graph import Orchestrator
from graph.settings import Settings
from scripts.demo import MEMO, QUESTIONS
from storage.checkpointer import DynamoDBSaver
from tests.aws import ACCOUNT, Aws, start
from tests.faults import Answer, Faults, Pass, Request

LEASE: Final = Path(__file__).parent / "samples" / "lease.pdf"
TURNS: Final = (10, 100, 300)
"""Of a thread whose every turn says 200 characters and hears 600."""
_SERVICE: Final = re.compile(r"Credential=[^/]+/\d+/[^/]+/(\w+)/aws4_request")


class Meter:
    """Counts what passes the proxy."""

    def __init__(self) -> None:
        self._counts: Counter[tuple[str, str]] = Counter()
        self._lock = threading.Lock()

    def passes(self, request: Request, on: Pass) -> Answer:
        """Pass a request on, and count it."""
        answer = on(request)
        found = _SERVICE.search(request.headers.get("Authorization", ""))
        seen = {"calls": 1, "bytes out": len(request.body), "bytes in": len(answer.body)}
        if request.operation != request.method and answer.status == 200:
            writes, reads = units(request.operation, json.loads(request.body), answer.body)
            seen |= {"write units": writes, "read units": reads, request.operation: 1}
        with self._lock:
            for name, count in seen.items():
                self._counts[found[1] if found else "other", name] += count
        return answer

    def take(self) -> Counter[tuple[str, str]]:
        """Return the counts, and begin anew."""
        with self._lock:
            counts, self._counts = self._counts, Counter()
        return counts


def units(operation: str, asked: dict[str, Any], body: bytes) -> tuple[int, int]:
    """Return the write units and the read units of a call."""
    answer = json.loads(body or "{}")
    match operation:
        case "PutItem":
            return _written(asked), 0
        case "DeleteItem":
            return 1, 0
        case "BatchWriteItem":
            requests = [r for table in asked["RequestItems"].values() for r in table]
            return sum(_written(r.get("PutRequest", {})) for r in requests), 0
        case "TransactWriteItems":
            actions = (next(iter(action.values())) for action in asked["TransactItems"])
            return 2 * sum(map(_written, actions)), 0
        case "GetItem":
            return 0, _read(_size(answer.get("Item", {})))
        case "BatchGetItem":
            items = [item for table in answer["Responses"].values() for item in table]
            keys = sum(len(table["Keys"]) for table in asked["RequestItems"].values())
            return 0, sum(_read(_size(item)) for item in items) + keys - len(items)
        case "Query":
            return 0, _read(sum(map(_size, answer["Items"])))
    return 0, 0


def _written(request: dict[str, Any]) -> int:
    return max(1, math.ceil(_size(request.get("Item", {})) / 1024))


def _read(size: int) -> int:
    return max(1, math.ceil(size / 4096))


def _size(item: dict[str, Any]) -> int:
    """Return the bytes of attributes: "Item sizes and formats" in the developer guide."""
    return sum(len(name.encode()) + _value_size(value) for name, value in item.items())


def _value_size(attribute: dict[str, Any]) -> int:
    ((kind, value),) = attribute.items()
    match kind:
        case "S":
            return len(value.encode())
        case "N":
            return len(value) // 2 + 2
        case "B":
            return len(base64.b64decode(value))
        case "BS":
            return 3 + sum(1 + len(base64.b64decode(element)) for element in value)
        case "M":
            return 3 + len(value) + _size(value)
    return 1


def main() -> None:
    """Measure, and print."""
    with start() as aws, Faults(aws.endpoint) as proxy, tempfile.TemporaryDirectory() as folder:
        meter = Meter()
        proxy.choose(lambda _: meter.passes)
        with _environment(aws, proxy.endpoint):
            measure_runs(meter, Path(folder))
        measure_thread(meter, aws, proxy.endpoint)


def measure_runs(meter: Meter, folder: Path) -> None:
    """Print what the steps of the product's main job cost."""
    settings = Settings(
        backend="aws",
        aws_account_id=ACCOUNT,
        model="offline",
        home=folder / "home",
        signing_key=folder / "key",
    )
    with Orchestrator.open(settings=settings) as desk:
        document = desk.documents.add(LEASE)
        _print(f"adding a document of {document.pages} pages", meter)
        desk.invoke(QUESTIONS[0])
        _print("a question and its answer", meter)
        asked = desk.invoke(MEMO)
        _print("a memo, up to the approval", meter)
        desk.runs.resume(asked.id, {asked.interrupts[0].id: {"type": "approve"}})
        desk.drive(asked.id)
        _print("its publication", meter)


def measure_thread(meter: Meter, aws: Aws, endpoint: str) -> None:
    """Print what one turn costs as a thread grows."""
    clients = aws.clients(endpoint=endpoint)
    saver = DynamoDBSaver(
        "bench", dynamodb_client=clients.dynamodb, s3_client=clients.s3, s3_bucket="bench-objects"
    )
    saver.setup()
    builder = StateGraph(MessagesState).add_node("say", lambda _: {"messages": [("ai", "a" * 600)]})
    graph: Any = builder.add_edge(START, "say").compile(checkpointer=saver)
    for turn in range(1, max(TURNS) + 1):
        meter.take()
        graph.invoke({"messages": [("user", "u" * 200)]}, {"configurable": {"thread_id": "t"}})
        if turn in TURNS:
            _print(f"DynamoDBSaver, turn {turn} of a thread", meter)
    clients.close()


def _print(what: str, meter: Meter) -> None:
    counts = meter.take()
    print(what)
    for service in sorted({service for service, _ in counts}):
        found = {name: n for (of, name), n in sorted(counts.items()) if of == service and n}
        # Figures first, and then which calls there were.
        rows = sorted(found, key=lambda name: name[0].isupper())
        print(f"    {service:<11}", ", ".join(f"{found[name]:,} {name}" for name in rows))


@contextmanager
def _environment(aws: Aws, endpoint: str) -> Iterator[None]:
    """Let boto3 find the proxy for a while, and nothing else."""
    kept = dict(os.environ)
    os.environ.update(aws.environment() | {"AWS_ENDPOINT_URL": endpoint})
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(kept)


if __name__ == "__main__":
    main()
