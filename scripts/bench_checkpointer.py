"""What a long conversation costs: our checkpointer beside the published ones, in one run.

    PYTHONPATH=. python scripts/bench_checkpointer.py [--turns 400] [--ours 2000]

A turn says 200 characters and hears 600: three checkpoints and two calls of `put_writes`. On AWS
everything passes the meter of `scripts.metering`; what DynamoDB would charge is reckoned from the
items. Embedded, ours and `SqliteSaver` take turns in one process; bytes are what the process hands
to the system to write. The peers are installed for the benchmark only, in a folder of its own.
"""

import random
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Final, TypedDict

import typer
from langchain_core.messages import AIMessage, HumanMessage
from langgraph.graph import START, MessagesState, StateGraph
from rich.console import Console
from rich.progress import track

from scripts.metering import Meter, environment, metered
from scripts.peers import installed
from storage.aws.dynamodb import DynamoTable
from storage.aws.s3 import S3Blobs
from storage.backend import open_embedded
from storage.checkpoint_layout import directory_entries
from storage.checkpointer import CheckpointSaver, DynamoDBSaver
from storage.fence import FencedSaver, open_fence, record_fence
from tests.aws import Aws

PEERS: Final = (
    "langgraph-checkpoint-aws==1.2.6",
    "langgraph-checkpoint-sqlite==3.1.2",
    "aiosqlite==0.22.1",
    "sqlite-vec==0.1.9",
)
WORDS: Final = Path(__file__).parents[1].joinpath("LICENSE").read_text().split()
AT: Final[Any] = {"configurable": {"thread_id": "bench"}}
SHOWN: Final = (10, 100, 300, 400, 1000, 2000)
WINDOW: Final = 50
DOCUMENTS: Final = 20
STEPS: Final = 50
err = Console(stderr=True)


def text(chance: random.Random, size: int) -> str:
    """Return so many characters of prose."""
    start = chance.randrange(len(WORDS) - size)
    return " ".join(WORDS[start : start + size])[:size]


def chat(saver: Any, chance: random.Random) -> Any:
    """Return a graph whose one node says 600 characters."""

    def say(_: Any) -> Any:
        return {"messages": [AIMessage(text(chance, 600))]}

    builder: Any = StateGraph(MessagesState)
    return builder.add_node("say", say).add_edge(START, "say").compile(checkpointer=saver)


def turn(graph: Any, chance: random.Random, **options: Any) -> None:
    """Have one turn."""
    graph.invoke({"messages": [HumanMessage(text(chance, 200))]}, AT, **options)


def savers(aws: Aws, endpoint: str) -> Iterator[tuple[str, Callable[[], Any]]]:
    """Yield the names of the savers, and what opens them, on tables that are there."""
    from langgraph_checkpoint_aws import DynamoDBSaver as Peer

    clients = aws.clients(endpoint=endpoint)
    ours = DynamoDBSaver(
        "ours", dynamodb_client=clients.dynamodb, s3_client=clients.s3, s3_bucket="ours-objects"
    )
    ours.setup()
    yield "DynamoDBSaver", lambda: ours
    where = {"LocationConstraint": clients.region}
    clients.s3.create_bucket(Bucket="peer-objects", CreateBucketConfiguration=where)
    for n, (name, options) in enumerate(
        {
            "langgraph-checkpoint-aws": {},
            "  with S3": {"s3_offload_config": {"bucket_name": "peer-objects"}},
            "  with S3 and gzip": {
                "s3_offload_config": {"bucket_name": "peer-objects"},
                "enable_checkpoint_compression": True,
            },
        }.items()
    ):
        table = f"peer-{n}"
        clients.dynamodb.create_table(
            TableName=table,
            KeySchema=[
                {"AttributeName": "PK", "KeyType": "HASH"},
                {"AttributeName": "SK", "KeyType": "RANGE"},
            ],
            AttributeDefinitions=[
                {"AttributeName": "PK", "AttributeType": "S"},
                {"AttributeName": "SK", "AttributeType": "S"},
            ],
            BillingMode="PAY_PER_REQUEST",
        )
        yield (
            name,
            lambda table=table, options=options: Peer(  # type: ignore[misc]
                table, region_name=clients.region, endpoint_url=endpoint, **options
            ),
        )


class Line:
    """What the turns of one saver have cost, turn by turn."""

    def __init__(self) -> None:
        self.units: list[int] = []
        self.calls: list[int] = []
        self.reads: list[int] = []
        self.s3 = 0
        self.died = ""

    def add(self, meter: Meter) -> None:
        """Count a turn."""
        counts = meter.take().counts
        self.units.append(counts["dynamodb", "write units"])
        names = ("PutItem", "BatchWriteItem", "TransactWriteItems", "UpdateItem", "DeleteItem")
        self.calls.append(sum(counts["dynamodb", name] for name in names))
        self.reads.append(
            sum(counts["dynamodb", name] for name in ("GetItem", "Query", "BatchGetItem"))
        )
        self.s3 += counts["s3", "bytes out"]

    def show(self, name: str) -> None:
        """Print a row, and what a mean turn and the worst cost."""
        at = [f"{self.units[n - 1]:>6,}" if n <= len(self.units) else "     -" for n in SHOWN]
        print(f"{name:<26}{''.join(at)}{sum(self.units):>10,}{self.s3 / 1e6:>9.1f} {self.died}")

    def show_means(self) -> None:
        """Print the worst mean of any fifty turns that follow each other, and the worst turn."""
        for what, values in (
            ("write units", self.units),
            ("write calls", self.calls),
            ("read calls", self.reads),
        ):
            spans = range(max(1, len(values) - WINDOW + 1))
            means = [statistics.mean(values[n : n + WINDOW]) for n in spans]
            print(
                f"    {what} a turn, over any {WINDOW}: {max(means):.2f}; worst turn {max(values)}"
            )


def on_aws(turns: int, ours: int) -> None:
    """Measure the savers on DynamoDB."""
    print("\nWrite units of a turn, of all turns, and MB to S3")
    print(f"{'at turn':<26}{''.join(f'{n:>6}' for n in SHOWN)}{'all':>10}{'S3 MB':>9}")
    with metered() as (meter, aws, endpoint), environment(aws, endpoint):
        for name, open_saver in savers(aws, endpoint):
            chance, line = random.Random(1), Line()
            graph = chat(open_saver(), chance)
            meter.take()
            count = ours if name == "DynamoDBSaver" else turns
            for n in track(range(count), name, console=err, transient=True):
                if name == "DynamoDBSaver" and n == turns:
                    _history(_reads(meter, aws, endpoint, n), meter, n)
                try:
                    turn(graph, chance)
                except Exception as error:  # noqa: BLE001 - how it dies is what is measured
                    line.died = f"dead: {type(error).__name__}"
                    break
                line.add(meter)
            line.show(name)
            if name == "DynamoDBSaver":
                line.show_means()
                _reads(meter, aws, endpoint, count)
                _at_exit(graph.checkpointer, meter, chance)
                _documents(graph.checkpointer, meter)
                _leased(aws, endpoint, meter)


def _reads(meter: Meter, aws: Aws, endpoint: str, turns: int) -> Any:
    """Print what the latest state takes by a saver that knows nothing; return the saver."""
    clients = aws.clients(endpoint=endpoint)
    cold = DynamoDBSaver(
        "ours", dynamodb_client=clients.dynamodb, s3_client=clients.s3, s3_bucket="ours-objects"
    )
    for name in ("cold", "warm"):
        meter.take()
        cold.get_tuple(AT)
        line = Line()
        line.add(meter)
        print(f"    turn {turns:,}, the latest checkpoint, {name}: {line.reads[0]} calls")
    return cold


def _history(saver: Any, meter: Meter, turns: int) -> None:
    history = sum(1 for _ in chat(saver, random.Random()).get_state_history(AT))
    line = Line()
    line.add(meter)
    print(f"    turn {turns:,}, a history of {history:,} checkpoints: {line.reads[0]} calls")


def _at_exit(saver: Any, meter: Meter, chance: random.Random) -> None:
    graph, line = chat(saver, chance), Line()
    for _ in range(WINDOW):
        at: Any = {"configurable": {"thread_id": "exit"}}
        graph.invoke({"messages": [HumanMessage(text(chance, 200))]}, at, durability="exit")
        line.add(meter)
    mean = statistics.mean(line.units)
    print(f'    with durability="exit": {mean:.2f} write units a turn, worst {max(line.units)}')


class Documents(TypedDict):
    """A state with documents that do not change."""

    documents: list[str]
    n: int


def _documents(saver: Any, meter: Meter) -> None:
    chance = random.Random(2)
    documents = [chance.randbytes(25_000).hex() for _ in range(DOCUMENTS)]
    builder = StateGraph(Documents).add_node("step", lambda state: {"n": state["n"] + 1})
    graph: Any = builder.add_edge(START, "step").compile(checkpointer=saver)
    at: Any = {"configurable": {"thread_id": "documents"}}
    meter.take()
    graph.invoke({"documents": documents, "n": 0}, at)
    first, later = Line(), Line()
    first.add(meter)
    for _ in range(STEPS // 3):
        graph.invoke({"n": 1}, at)
    later.add(meter)
    print(
        f"    {DOCUMENTS} documents of 50 KB: {first.units[0]} write units, and "
        f"{later.units[0]} in the steps that follow"
    )


def _leased(aws: Aws, endpoint: str, meter: Meter) -> None:
    """Print what each run under a lease writes beside its checkpoints, and that they cost no more.

    A turn of each thread is a run of its own, by a worker with nothing in memory.
    """
    clients = aws.clients(endpoint=endpoint)
    table, blobs = DynamoTable(clients.dynamodb, "ours"), S3Blobs(clients.s3, "ours-objects")
    fence, under, without = Line(), Line(), Line()
    chances = random.Random(3), random.Random(3)
    for epoch in range(1, WINDOW // 5 + 1):
        meter.take()
        table.transact([replace(open_fence("leased", epoch), table="")])
        fences = record_fence(table, "leased", epoch)
        fence.add(meter)
        owned = FencedSaver(table, blobs, epoch=epoch, fences=fences)
        for line, saver, thread, chance in (
            (under, owned, "leased", chances[0]),
            (without, CheckpointSaver(table, blobs), "alone", chances[1]),
        ):
            at: Any = {"configurable": {"thread_id": thread, "run_id": f"{thread}-{epoch}"}}
            chat(saver, chance).invoke({"messages": [HumanMessage(text(chance, 200))]}, at)
            line.add(meter)
    entries = len(directory_entries("t", "r"))
    print(f"    a run's fence: {max(fence.units)} write units in {max(fence.calls)} calls;")
    print(f"    a run's directory entries: {entries} write units at most, in one call")
    print(
        f"    a turn with a lease and its directory entries: {statistics.mean(under.units):.2f} "
        f"write units in {statistics.mean(under.calls):.2f} calls, "
        f"without the lease {statistics.mean(without.units):.2f} in "
        f"{statistics.mean(without.calls):.2f}"
    )


def embedded(turns: int) -> None:
    """Measure ours beside `SqliteSaver`."""
    from langgraph.checkpoint.sqlite import SqliteSaver

    chances = random.Random(1), random.Random(1)
    with tempfile.TemporaryDirectory() as folder:
        backend = open_embedded(Path(folder) / "ours")
        ports = backend.workspace("default")
        ours = CheckpointSaver(ports.tables.checkpoints, ports.buckets.state)
        path = Path(folder) / "peer.sqlite"
        peer = SqliteSaver(sqlite3.connect(path, check_same_thread=False))
        timed = {"ours": _timed(ours), "SqliteSaver": _timed(peer)}
        written = {"ours": 0, "SqliteSaver": 0}
        graphs = {"ours": chat(ours, chances[0]), "SqliteSaver": chat(peer, chances[1])}
        for _ in track(range(turns), "embedded", console=err, transient=True):
            for (name, graph), chance in zip(graphs.items(), chances, strict=True):
                before = _handed_over()
                turn(graph, chance)
                written[name] += _handed_over() - before
        values = {"ours": _values(ports), "SqliteSaver": _peer_values(path)}
        backend.close()
    print(f"\nEmbedded, {turns} turns{'ours':>24}{'SqliteSaver':>14}{'ratio':>10}")
    for what, of in (("bytes of values", values), ("bytes handed over", written)):
        ratio = of["SqliteSaver"] / of["ours"]
        print(f"    {what:<28}{of['ours']:>14,}{of['SqliteSaver']:>14,}{ratio:>9.0f} x")
    for n in (10, turns):
        a, b = (statistics.median(times[3 * (n - 5) : 3 * n]) for times in timed.values())
        print(f"    ms a put, at turn {n:<11}{1e3 * a:>13.2f}{1e3 * b:>14.2f}{a / b:>11.2f}")


def _timed(saver: Any) -> list[float]:
    """Have a saver's `put` timed."""
    times: list[float] = []
    put = saver.put

    def timed(*args: Any, **options: Any) -> Any:
        since = time.perf_counter()
        result = put(*args, **options)
        times.append(time.perf_counter() - since)
        return result

    saver.put = timed
    return times


def _handed_over() -> int:
    """Return the bytes that this process has handed to the system to write, so far."""
    lines = Path("/proc/self/io").read_text().splitlines()
    return int(lines[1].removeprefix("wchar: "))


def _values(ports: Any) -> int:
    rows = ports.tables.checkpoints.query("thread/bench")
    return sum(len(v) for row in rows for v in row.body.values() if isinstance(v, bytes))


def _peer_values(path: Path) -> int:
    asked = "SELECT (SELECT sum(length(checkpoint) + length(metadata)) FROM checkpoints) + "
    asked += "(SELECT sum(length(value)) FROM writes)"
    with sqlite3.connect(path) as connection:
        return int(connection.execute(asked).fetchone()[0])


def main(
    turns: Annotated[int, typer.Option(min=20, help="Of the peers, and embedded.")] = 400,
    ours: Annotated[int, typer.Option(min=20, help="Of our saver on DynamoDB.")] = 2000,
) -> None:
    """Measure a conversation that grows, by several checkpointers, and print what it costs."""
    with installed(PEERS):
        embedded(turns)
        on_aws(turns, ours)


if __name__ == "__main__":
    typer.run(main)
