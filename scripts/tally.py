"""Runs that leave a trace of everything that may be lost, doubled or out of order; and the check.

A run asks the model, has an effect, and asks again; many runs come to each of many threads, and
wait for their turn. Afterwards `wrong` reads every checkpoint, effect and event that counts and
yields what should not be there. It is what `scripts/chaos.py` and `scripts/error_storm.py` go by.
"""

import os
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any, Final

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.runtime import Runtime
from langgraph.types import Command
from pydantic import BaseModel, Field

from graph import Context, Orchestrator, act, call_tools
from storage.audit import Event
from storage.keys import key
from storage.ports import Absent, Item, Put
from storage.records import Run
from tools.registry import Plan, Registry, plans

GRAPH: Final = "tally"
SECONDS: Final = "TALLY_MODEL_SECONDS"
"""A variable: how long the model thinks."""
PATIENCE: Final = 300.0
"""Seconds in which at least one run has to end, and workers that are told to."""
POLICY: Final = "rules: [{verdict: allow, tool: count_run}]"
"""What is counted is the effect of a run, and nobody has to be asked."""


class CountRun(BaseModel):
    """Arguments of `count_run`."""

    thread: str
    name: str


def add_tools(registry: Registry) -> None:
    """Register the effect: an item that can be written once."""

    def count_run(thread: str, name: str) -> Plan:
        """Count a run of a thread."""
        item = Item(f"item/{thread}", name, {"at": time.time()})
        return Plan(
            shows=f"Count {name}.", done=f"Counted {name}.", actions=[Put(item, Absent(), "memory")]
        )

    registry.add(plans(CountRun, count_run), "write", "transaction")


class TallyModel(BaseChatModel):
    """Asks for the effect first, and then says that it is done, each after a while."""

    seconds: float = Field(default_factory=lambda: float(os.environ.get(SECONDS, "0.1")))

    @property
    def _llm_type(self) -> str:
        return "tally"

    def bind_tools(self, *_: Any, **__: Any) -> Any:
        """See `BaseChatModel.bind_tools`."""
        return self.bind()

    def _generate(self, messages: list[BaseMessage], *_: Any, **__: Any) -> ChatResult:
        time.sleep(self.seconds)
        last = messages[-1]
        message = AIMessage(f"done {last.content}")
        if isinstance(last, HumanMessage):
            thread, name = str(last.content).split()
            args = {"thread": thread, "name": name}
            call = {"name": "count_run", "args": args, "id": "theirs", "type": "tool_call"}
            message = AIMessage("", tool_calls=[call])
        return ChatResult(generations=[ChatGeneration(message=message)])


def build() -> StateGraph[Any, Any]:
    """Return the graph: an agent that has its calls carried out."""

    async def agent(state: MessagesState, runtime: Runtime[Context]) -> Command[str]:
        model = runtime.context.model.bind_tools([])
        return call_tools("agent", await model.ainvoke(state["messages"]), runtime)

    builder = StateGraph(MessagesState, context_schema=Context)
    builder.add_node("agent", agent, destinations=("act", END))
    by_send: Any = act
    builder.add_node("act", by_send, destinations=("agent",))
    builder.add_edge(START, "agent")
    return builder


def enter(desk: Orchestrator, threads: int, runs: int) -> dict[str, list[str]]:
    """Submit runs, in turn to each thread; return the ids by thread, in their order."""
    entered: dict[str, list[str]] = {f"t{n}": [] for n in range(threads)}
    for number in range(runs):
        thread = f"t{number % threads}"
        name = f"{thread}-{number // threads}"
        desk.runs.submit(
            f"{thread} {name}",
            thread=thread,
            graph=GRAPH,
            run_id=name,
            multitask_strategy="enqueue",
        )
        entered[thread].append(name)
    return entered


def left(desk: Orchestrator, entered: Mapping[str, Sequence[str]]) -> int:
    """Return how many of the runs have not ended."""
    count = sum(map(len, entered.values()))
    return sum(not _ended(entry) for entry in desk.runs.list(limit=count))


def counted_down(desk: Orchestrator, entered: Mapping[str, Sequence[str]]) -> Iterator[int]:
    """Yield how many of the runs have not ended, until all have, or none does for too long."""
    least, moved = sum(map(len, entered.values())) + 1, time.monotonic()
    while (now := left(desk, entered)) and time.monotonic() - moved < PATIENCE:
        if now < least:
            least, moved = now, time.monotonic()
        yield now


def _ended(entry: Mapping[str, Any]) -> bool:
    return entry["status"] in ("success", "error", "timeout", "cancelled")


def wrong(desk: Orchestrator, entered: Mapping[str, Sequence[str]]) -> Iterator[str]:
    """Yield what is lost, doubled, out of order, or counts although an outdated worker wrote it."""
    for thread, names in entered.items():
        runs = list(desk.resources.runs.of_thread(thread))
        if [run.id for run in runs] != list(names):
            yield f"{thread} has the runs {[run.id for run in runs]}"
        events = {run.id: _events(desk, run.id) for run in runs}
        for run in runs:
            yield from _wrong_run(desk, run, events[run.id])
        yield from _wrong_order(thread, list(events.values()))
        yield from _wrong_effects(desk, thread, names)
        yield from _wrong_checkpoints(desk, thread, names)


def _events(desk: Orchestrator, run_id: str) -> list[Event]:
    return [linked.event for linked in desk.runs.events(run_id, follow=False)]


def _wrong_run(desk: Orchestrator, run: Run, events: Sequence[Event]) -> Iterator[str]:
    """Check a run by itself: its end, its chain, and that only the owner of the time wrote."""
    if run.status != "success":
        yield f"{run.id} is {run.status}: {run.error}"
    verdict = desk.audit.verify(run.id)
    if not verdict.ok:
        yield f"{run.id} does not verify: {verdict.first_bad}"
    kinds = Counter(event.kind for event in events)
    for kind in ("submitted", "ended", "effect"):
        if kinds[kind] != 1:
            yield f"{run.id} has {kinds[kind]} events of {kind}"
    owner = 0
    for event in events:
        if event.kind == "claimed":
            owner = event.epoch
        elif event.kind != "submitted" and event.epoch != owner:
            yield f"{run.id}: epoch {event.epoch} wrote event {event.seq}, {owner} owned it"


def _wrong_order(thread: str, events: Sequence[Sequence[Event]]) -> Iterator[str]:
    """Check that each run of a thread began when the one before it had ended."""
    for before, after in pairwise(events):
        ended = max((e.epoch for e in before if e.kind == "ended"), default=0)
        claims = [e.epoch for e in after if e.kind == "claimed"]
        if not claims or min(claims) <= ended:
            yield f"{thread}: a run was claimed at {claims}, the one before ended at {ended}"


def _wrong_effects(desk: Orchestrator, thread: str, names: Sequence[str]) -> Iterator[str]:
    """Check that each run has had its effect, once, and nobody else has had one."""
    tables = desk.resources.workspace.tables
    found = [item.sk for item in tables.memory.query(f"item/{thread}")]
    if sorted(found) != sorted(names):
        yield f"{thread} has the effects {found}"
    for name in names:
        states = [item.body["state"] for item in tables.runs.query(key("run", name), prefix="l/")]
        if states != ["done"]:
            yield f"{name} has the ledger {states}"


def _wrong_checkpoints(desk: Orchestrator, thread: str, names: Sequence[str]) -> Iterator[str]:
    """Check that the checkpoints that count are one line, run by run, and the state is whole."""
    history = list(desk.resources.saver().list({"configurable": {"thread_id": thread}}))
    for newer, older in pairwise(history):
        if newer.parent_config != older.config:
            yield f"{thread}: {newer.config} does not follow {older.config}"
        steps = newer.metadata["step"], older.metadata["step"]
        if steps[0] != steps[1] + 1:
            yield f"{thread}: step {steps[0]} follows step {steps[1]}"
    of_runs = [str(each.metadata.get("run_id")) for each in reversed(history)]
    if list(dict.fromkeys(of_runs)) != list(names):
        yield f"{thread}: its checkpoints are of {list(dict.fromkeys(of_runs))}"
    values = history[0].checkpoint["channel_values"] if history else {}
    said = [str(message.content) for message in values.get("messages", [])]
    expected = [
        text
        for name in names
        for text in (f"{thread} {name}", "", f"Counted {name}.", f"done Counted {name}.")
    ]
    if said != expected:
        yield f"{thread} says {said} instead of {expected}"
