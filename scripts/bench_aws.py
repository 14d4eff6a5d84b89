"""What a run costs on AWS: calls, read and write units, and bytes on the wire, by service.

The product runs against a moto server, through the meter of `scripts.metering`, which says by what
rules it counts. Nothing here is a time: the server is none of AWS's.
"""

import tempfile
from pathlib import Path
from typing import Any, Final

from langgraph.graph import START, MessagesState, StateGraph

from graph import Orchestrator
from scripts.demo import MEMO, QUESTIONS
from scripts.metering import LEASE, Meter, environment, metered, product
from storage.checkpointer import DynamoDBSaver
from tests.aws import Aws

TURNS: Final = (10, 100, 300)
"""Of a thread whose every turn says 200 characters and hears 600."""


def main() -> None:
    """Measure, and print."""
    with metered() as (meter, aws, endpoint), tempfile.TemporaryDirectory() as folder:
        with environment(aws, endpoint):
            measure_runs(meter, Path(folder))
        measure_thread(meter, aws, endpoint)


def measure_runs(meter: Meter, folder: Path) -> None:
    """Print what the steps of the product's main job cost."""
    with Orchestrator.open(settings=product(folder)) as desk:
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
    counts = meter.take().counts
    print(what)
    for service in sorted({service for service, _ in counts}):
        found = {name: n for (of, name), n in sorted(counts.items()) if of == service and n}
        # Figures first, and then which calls there were.
        rows = sorted(found, key=lambda name: name[0].isupper())
        print(f"    {service:<11}", ", ".join(f"{found[name]:,} {name}" for name in rows))


if __name__ == "__main__":
    main()
