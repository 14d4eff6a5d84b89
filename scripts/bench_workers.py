"""How many runs one worker drives at once, beside the same graph held in memory.

A graph of five steps whose model takes a second to answer, 256 runs of it, 64 at once. The product
adds the claim, durable checkpoints, recorded model calls and the signed audit chain; the peer is
LangGraph with `InMemorySaver` and nothing recorded, in the same process, in turn. The ratio of the
throughputs is what durability costs when the model is what takes time.
"""

import asyncio
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, Final

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.runtime import Runtime

from graph import Context, Orchestrator
from graph.settings import Settings

RUNS: Final = 256
AT_ONCE: Final = 64
STEPS: Final = 5
ROUNDS: Final = 5
MODEL_SECONDS: Final = 1.0


class Slow(BaseChatModel):
    """A model that answers after a second."""

    @property
    def _llm_type(self) -> str:
        return "slow"

    def _generate(self, messages: list[BaseMessage], *_: Any, **__: Any) -> ChatResult:
        raise NotImplementedError

    async def _agenerate(self, messages: list[BaseMessage], *_: Any, **__: Any) -> ChatResult:
        await asyncio.sleep(MODEL_SECONDS)
        reply = AIMessage(f"answer {len(messages)}", id=f"a-{len(messages)}")
        return ChatResult(generations=[ChatGeneration(message=reply)])


def build() -> StateGraph[Any, Any]:
    """Return five steps, each of which asks the model once."""

    async def step(state: MessagesState, runtime: Runtime[Context]) -> dict[str, Any]:
        return {"messages": [await runtime.context.model.ainvoke(state["messages"])]}

    builder = StateGraph(MessagesState, context_schema=Context)
    names = [f"step{n}" for n in range(STEPS)]
    for name in names:
        builder.add_node(name, step)
    for one, other in zip([START, *names], names, strict=False):
        builder.add_edge(one, other)
    return builder


async def in_memory(runs: int) -> None:
    """Run the graph so many times with nothing durable."""
    graph: Any = build().compile(checkpointer=InMemorySaver())
    free = asyncio.Semaphore(AT_ONCE)

    class Bare:
        model = Slow()

    async def one(number: int) -> None:
        async with free:
            config = {"configurable": {"thread_id": str(number)}}
            given = {"messages": [("user", f"question {number}")]}
            await graph.ainvoke(given, config, context=Bare(), durability="sync")

    await asyncio.gather(*(one(number) for number in range(runs)))


async def durable(desk: Orchestrator, runs: int) -> None:
    """Have one worker drive so many submitted runs to their end."""
    ids = [desk.runs.submit(f"question {n}", graph="slow").id for n in range(runs)]
    worker = desk.worker(concurrency=AT_ONCE)
    began = time.perf_counter()
    working = asyncio.create_task(worker.work())
    left = set(ids)
    while left:
        await asyncio.sleep(0.1)
        ended = {e["run_id"] for e in desk.runs.list(limit=runs) if e["status"] == "success"}
        left -= ended
    durable.seconds = time.perf_counter() - began  # type: ignore[attr-defined]
    worker.stop()
    await working


def main() -> None:
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else RUNS
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(home=Path(folder) / "home", signing_key=Path(folder) / "key")
        with Orchestrator.open(
            settings=settings, graphs={"slow": build()}, model=Slow()
        ) as desk:
            t = time.perf_counter(); c = time.process_time()
            asyncio.run(durable(desk, runs))
            print("ours", durable.seconds, "cpu", time.process_time() - c)
            t = time.perf_counter(); c = time.process_time()
            asyncio.run(in_memory(runs))
            print("memory", time.perf_counter() - t, "cpu", time.process_time() - c)


if __name__ == "__main__":
    main()
