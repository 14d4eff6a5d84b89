"""What a run costs: the desk as the product drives it, beside the same graph held in memory.

Both answer the same question with the same offline model in the same process, in turn. The product
adds the claim, the durable checkpoints, the recorded model calls, the signed audit chain; the peer
is LangGraph with `InMemorySaver` and nothing recorded. The ratio is what durability costs when the
model takes no time; a real model takes a second.
"""

import asyncio
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from langgraph.checkpoint.memory import InMemorySaver

from graph import Orchestrator, build_desk
from graph.settings import Settings
from nodes.context import Context
from nodes.state import new_question
from storage.embedded.files import FileBlobs
from storage.embedded.sqlite import SqliteTable
from storage.recordings import Recordings

ROUNDS = 30
QUESTION = "On what notice may the Tenant terminate the lease early?"
LEASE = "The Tenant may terminate this lease early on ninety days' written notice."


class Silent:
    """A journal that keeps nothing."""

    def note(self, kind: str, *, node: str = "", task: str = "", **data: Any) -> None:
        """Forget an event."""


def main() -> None:
    """Measure, and print."""
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(home=Path(folder) / "home", signing_key=Path(folder) / "key")
        with Orchestrator.open(settings=settings) as desk:
            document = desk.documents.add(LEASE.encode(), name="lease.txt")
            desk.invoke(QUESTION, documents=[document.id])
            ours, peer = [], []
            for _ in range(ROUNDS):
                ours.append(_timed(lambda: desk.invoke(QUESTION, documents=[document.id])))
                peer.append(_timed(lambda: _in_memory(desk, document.id)))
            writes = _writes(desk, document.id)
    median, other = statistics.median(ours), statistics.median(peer)
    print(f"a run of the desk       {median * 1000:6.1f} ms, {writes} durable writes")
    print(f"the same graph, memory  {other * 1000:6.1f} ms")
    print(f"ratio                   {median / other:6.2f}")


def _timed(work: Any) -> float:
    since = time.perf_counter()
    work()
    return time.perf_counter() - since


def _in_memory(desk: Orchestrator, document_id: str) -> None:
    resources = desk.resources
    ports = resources.workspace
    context = Context(
        run_id="bench",
        workspace="default",
        model=resources.model,
        library=resources.library,
        tools=resources.tools,
        journal=Silent(),
        effects=None,  # type: ignore[arg-type] # a question has none
        recordings=Recordings(ports.tables.runs, ports.buckets.state, f"bench-{time.time_ns()}"),
        approvals=list,
    )
    graph = build_desk().compile(checkpointer=InMemorySaver())
    given: Any = new_question(QUESTION, [document_id], "q")
    config: Any = {"configurable": {"thread_id": "t"}}
    asyncio.run(graph.ainvoke(given, config, context=context))


def _writes(desk: Orchestrator, document_id: str) -> int:
    """Count the transactions and objects of one run."""
    written = 0

    def counting(function: Any) -> Any:
        def counted(*args: Any, **kwargs: Any) -> Any:
            nonlocal written
            written += 1
            return function(*args, **kwargs)

        return counted

    kept = SqliteTable.transact, SqliteTable.batch_write, FileBlobs.put
    SqliteTable.transact = counting(kept[0])  # type: ignore[method-assign]
    SqliteTable.batch_write = counting(kept[1])  # type: ignore[method-assign]
    FileBlobs.put = counting(kept[2])  # type: ignore[method-assign]
    desk.invoke(QUESTION, documents=[document_id])
    SqliteTable.transact, SqliteTable.batch_write, FileBlobs.put = kept  # type: ignore[method-assign]
    return written


if __name__ == "__main__":
    main()
