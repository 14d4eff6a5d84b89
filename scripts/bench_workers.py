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
from collections.abc import Awaitable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final, cast

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.runtime import Runtime

from graph import Context, Orchestrator
from graph.settings import Settings

GRAPH: Final = "slow"
RUNS: Final = 256
AT_ONCE: Final = 64
STEPS: Final = 5
ROUNDS: Final = 5
MODEL_SECONDS: Final = 1.0
LOOK_SECONDS: Final = 0.1


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
    bare: Any = SimpleNamespace(model=Slow())
    free = asyncio.Semaphore(AT_ONCE)

    async def one(number: int) -> None:
        async with free:
            config = {"configurable": {"thread_id": str(number)}}
            given = {"messages": [("user", f"question {number}")]}
            await graph.ainvoke(given, config, context=bare, durability="sync")

    await asyncio.gather(*(one(number) for number in range(runs)))


async def durable(desk: Orchestrator, runs: int) -> None:
    """Have one worker drive submitted runs to their end, as many as there are."""
    left = {desk.runs.submit(f"question {n}", graph=GRAPH).id for n in range(runs)}
    worker = desk.worker(concurrency=AT_ONCE)
    working = asyncio.create_task(worker.work())
    while left:
        await asyncio.sleep(LOOK_SECONDS)
        ended = desk.runs.list(status="success", limit=runs)
        left -= {entry["run_id"] for entry in ended}
    worker.stop()
    await working


def timed(work: Awaitable[None]) -> float:
    """Return the seconds that some work takes."""
    since = time.perf_counter()
    asyncio.run(cast(Any, work))
    return time.perf_counter() - since


def one_round(runs: int) -> tuple[float, float]:
    """Return the seconds that the product takes for all runs, from entering them, and the peer."""
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(home=Path(folder) / "home", signing_key=Path(folder) / "key")
        with Orchestrator.open(settings=settings, graphs={GRAPH: build()}, model=Slow()) as desk:
            ours = timed(durable(desk, runs))
    return ours, timed(in_memory(runs))


def main(runs: int = RUNS, rounds: int = ROUNDS) -> None:
    """Measure, and print."""
    ratios = []
    for _ in range(rounds):
        ours, peer = one_round(runs)
        ratios.append(peer / ours)
        print(
            f"{runs} runs, {AT_ONCE} at once: {ours:5.1f} s, {runs / ours:5.1f} runs/s; "
            f"in memory {peer:5.1f} s, {runs / peer:5.1f} runs/s; ratio {ratios[-1]:.2f}",
            flush=True,
        )
    print(f"throughput of one worker to InMemorySaver, median: {statistics.median(ratios):.2f}")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
