"""Small graphs and models for tests of how runs go: each step is one call of a model that bills."""

import asyncio
import operator
import threading
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated, Any, TypedDict
from unittest.mock import patch

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AnyMessage, BaseMessage, HumanMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langgraph.graph import START, StateGraph
from langgraph.graph.message import add_messages
from langgraph.runtime import Runtime
from pydantic import PrivateAttr

from graph import Context, Orchestrator, act, call_tools
from graph.settings import Settings
from graph.worker import Worker
from storage.records import Answer, Interrupt, Run, Usage
from tests.scripted import calls

BILL = Usage(input_tokens=100, cached_tokens=40, output_tokens=10)
"""What each call of the models below takes."""
PRICE = (60 * 2.50 + 40 * 1.25 + 10 * 10.00) / 1e6
"""What gpt-4o costs for that, in dollars."""
APPROVE = {"type": "approve"}
_REPORTED: Any = {
    "input_tokens": 100,
    "output_tokens": 10,
    "total_tokens": 110,
    "input_token_details": {"cache_read": 40},
}


def latest(_: Answer, new: Answer) -> Answer:
    """Of the answers of several nodes at once, one."""
    return new


class Said(TypedDict, total=False):
    """The state of these graphs: what the model said at each step, and the answer made of it."""

    messages: Annotated[list[AnyMessage], add_messages]
    said: Annotated[list[str], operator.add]
    answer: Annotated[Answer, latest]


def asking(name: str) -> Any:
    """A node that asks the model once, and makes an answer of all that it has said so far."""

    async def node(state: Said, runtime: Runtime[Context]) -> dict[str, Any]:
        reply = await runtime.context.model.ainvoke([HumanMessage(name)])
        said = " ".join([*state.get("said", []), reply.text])
        return {"said": [reply.text], "answer": Answer(status="answered", text=said)}

    return node


def chain(length: int = 4) -> StateGraph[Any, Any]:
    """The nodes n1, n2, …, one after the other, each a super-step and a call of the model."""
    nodes = [(f"n{n}", asking(f"n{n}")) for n in range(1, length + 1)]
    return StateGraph(Said, context_schema=Context).add_sequence(nodes).add_edge(START, "n1")


async def acting(state: Said, runtime: Runtime[Context]) -> Any:
    """An agent that has `act` carry out what its model calls."""
    context = runtime.context
    model = context.model.bind_tools(context.tools.bindable())
    return call_tools("agent", await model.ainvoke(state["messages"]), runtime)


def doing() -> StateGraph[Any, Any]:
    """An agent and `act`, as `graph.api.Operations` teaches it."""
    graph = StateGraph(Said, context_schema=Context)
    by_send: Any = act
    graph.add_node("agent", acting, destinations=("act", "__end__"))
    graph.add_node("act", by_send, destinations=("agent",))
    return graph.add_edge(START, "agent")


async def nothing(asked: str) -> None:
    """What happens while a model is asked, unless a test says otherwise."""


class Billing(BaseChatModel):
    """Repeats what it is asked, after `meanwhile`, and bills it as gpt-4o."""

    model_name: str = "gpt-4o"
    bill: Any = _REPORTED
    """The usage that it reports; None: it reports none, as some services do."""
    meanwhile: Callable[[str], Awaitable[None]] = nothing
    _asked: list[str] = PrivateAttr(default_factory=list)

    @property
    def _llm_type(self) -> str:
        return "billing"

    @property
    def asked(self) -> list[str]:
        """What it was asked, in order."""
        return self._asked

    def bind_tools(self, tools: Sequence[Any], **kwargs: Any) -> Any:
        return self.bind()

    def _generate(self, *args: Any, **kwargs: Any) -> ChatResult:
        raise NotImplementedError

    async def _agenerate(self, messages: list[BaseMessage], *_: Any, **kwargs: Any) -> ChatResult:
        asked = str(messages[-1].content)
        self._asked.append(asked)
        await self.meanwhile(asked)
        reply = self.reply(messages).model_copy(update={"usage_metadata": self.bill})
        return ChatResult(generations=[ChatGeneration(message=reply)])

    def reply(self, messages: list[BaseMessage]) -> AIMessage:
        return AIMessage(str(messages[-1].content))


class Calling(Billing):
    """Calls these tools, and says in the end what they returned."""

    wanted: list[tuple[str, dict[str, Any]]]

    def reply(self, messages: list[BaseMessage]) -> AIMessage:
        returned = [str(message.content) for message in messages if message.type == "tool"]
        return AIMessage("; ".join(returned)) if returned else calls(*self.wanted)


class Pause:
    """Happens while a model is asked: at one question it waits until it is told to go on."""

    def __init__(self, at: str = "") -> None:
        self.at = at
        self.reached, self.over = threading.Event(), threading.Event()

    async def __call__(self, asked: str) -> None:
        if asked == self.at:
            self.reached.set()
            while not self.over.is_set():  # noqa: ASYNC110 - another thread sets it
                await asyncio.sleep(0.005)

    def here(self) -> None:
        """Wait in a thread, as a call does that cannot be cancelled."""
        self.reached.set()
        assert self.over.wait(30)


@contextmanager
def standing_still(desk: Orchestrator, run: Run, pause: Pause) -> Iterator[Callable[[], Any]]:
    """A driver that stands still from a pause on, as a process that was stopped: it renews nothing.

    What is yielded lets it go on, and returns what came of it. If nobody does, it never does.
    """
    loop = asyncio.new_event_loop()
    driving = loop.create_task(desk.adrive(run.id))

    async def reached() -> None:
        while not pause.reached.is_set():
            assert not driving.done(), driving
            await asyncio.sleep(0.005)

    def go_on() -> Any:
        pause.over.set()
        (outcome,) = loop.run_until_complete(asyncio.gather(driving, return_exceptions=True))
        return outcome

    try:
        loop.run_until_complete(reached())
        yield go_on
    finally:
        pause.over.set()
        driving.cancel()
        loop.run_until_complete(asyncio.gather(driving, return_exceptions=True))
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()


def quickly(settings: Settings, **changes: Any) -> Settings:
    """The settings with a lease that runs out soon."""
    return settings.model_copy(update={"lease_seconds": 0.2, **changes})


def the_question(run: Run, kind: str = "") -> Interrupt:
    """The one question that a run asks, of that kind."""
    assert run.status == "interrupted", run
    (asked,) = run.interrupts
    assert kind in ("", asked.kind)
    return asked


def decide(desk: Orchestrator, run: Run, decision: dict[str, Any] = APPROVE) -> Run:
    """Decide all that a run asks alike."""
    return desk.runs.resume(run.id, {asked.id: decision for asked in run.interrupts})


def edit(asked: Interrupt, **args: Any) -> dict[str, Any]:
    """The decision that edits what is asked into these arguments."""
    name = asked.value["action_requests"][0]["name"]
    return {"type": "edit", "edited_action": {"name": name, "args": args}}


def kinds(desk: Orchestrator, run: Run) -> list[str]:
    """The kinds of a run's events, in order."""
    return [linked.event.kind for linked in desk.runs.events(run.id, follow=False)]


def values(desk: Orchestrator, run: Run) -> dict[str, Any]:
    """The state of a run's thread."""
    graph = desk.resources.graphs[run.graph].copy({"checkpointer": desk.resources.saver()})
    found = graph.get_state({"configurable": {"thread_id": run.thread_id}})
    return dict(found.values)


class Driving(threading.Thread):
    """Drives a run in a thread of its own; `outcome` is what came of it."""

    def __init__(self, desk: Orchestrator, run: Run, **options: Any) -> None:
        super().__init__(daemon=True)
        self.desk, self.driven, self.options = desk, run, options
        self.outcome: Any = None
        self.start()

    def run(self) -> None:
        try:
            self.outcome = self.desk.drive(self.driven.id, **self.options)
        except Exception as error:  # noqa: BLE001 - it is the outcome
            self.outcome = error

    def ended(self) -> Any:
        """Wait until it lets go of the run, and return what came of it."""
        self.join(20)
        assert not self.is_alive(), "it drives on"
        return self.outcome


def until(holds: Callable[[], Any], seconds: float = 30) -> None:
    """Wait until something holds."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it took too long"
        time.sleep(0.01)


def work_until(*workers: Worker, done: Callable[[], Any], seconds: float = 30) -> None:
    """Run workers, which look often, until something holds; then stop them."""

    async def go() -> None:
        at_work = [asyncio.create_task(worker.work()) for worker in workers]
        deadline = time.monotonic() + seconds
        while not await asyncio.to_thread(done):
            assert time.monotonic() < deadline, "it took too long"
            await asyncio.sleep(0.02)
        for worker in workers:
            worker.stop()
        await asyncio.gather(*at_work)

    # One call for hints is as short as the back end has it.
    embedded = workers[0]._resources.settings.backend == "embedded"
    hints = 0.05 if embedded else 1.0
    with patch.multiple("graph.worker", HINT_SECONDS=hints, SWEEP_SECONDS=0.1):
        asyncio.run(go())
