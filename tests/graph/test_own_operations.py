"""The operations in a graph of one's own: bound in five lines, and the policy still decides."""

from collections.abc import Sequence
from typing import Any

import pytest
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langgraph.graph import END, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode
from langgraph.runtime import Runtime
from langgraph.types import Command

from graph import Context, Orchestrator, act, call_tools
from storage.errors import NotFound
from tests.scripted import calls
from tools.policy import DEFAULT, Policy, Rule

from .conftest import OpenDesk


class OneCall(BaseChatModel):
    """A model that calls one tool, and then repeats what it returned; or calls it several times."""

    tool: str
    args: dict[str, Any]
    times: int = 1

    @property
    def _llm_type(self) -> str:
        return "one-call"

    def bind_tools(self, tools: Sequence[Any], **kwargs: Any) -> Any:
        assert self.tool in [tool.name for tool in tools]
        return self.bind()

    def _generate(self, messages: list[BaseMessage], *args: Any, **kwargs: Any) -> ChatResult:
        returned = [message for message in messages if message.type == "tool"]
        reply = (
            AIMessage(returned[-1].text)
            if returned
            else calls(*[(self.tool, self.args)] * self.times)
        )
        return ChatResult(generations=[ChatGeneration(message=reply)])


async def agent(state: MessagesState, runtime: Runtime[Context]) -> Command[str]:
    context = runtime.context
    model = context.model.bind_tools(context.tools.bindable())
    return call_tools("agent", await model.ainvoke(state["messages"]), runtime)


@pytest.fixture
def builder() -> StateGraph[Any, Any]:
    builder = StateGraph(MessagesState, context_schema=Context)
    builder.add_node("agent", agent, destinations=("act", END))
    builder.add_node("act", act, destinations=("agent",))
    builder.set_entry_point("agent")
    return builder


def publish(desk: Orchestrator, name: str) -> None:
    objects = desk.resources.objects
    objects.keep(b"text")
    desk.resources.workspace.tables.documents.transact(objects.publish(name, b"text", None))


def said(desk: Orchestrator, thread: str, name: str) -> str:
    config: Any = {"configurable": {"thread_id": thread}}
    graph = desk.resources.graphs[name].copy({"checkpointer": desk.resources.saver()})
    return str(graph.get_state(config).values["messages"][-1].text)


def test_a_read_is_allowed(open_desk: OpenDesk, builder: StateGraph[Any, Any]) -> None:
    model = OneCall(tool="list_objects", args={})
    desk = open_desk(graphs={"mine": builder}, model=model)
    publish(desk, "a.md")
    run = desk.invoke("What is there?", graph="mine")
    assert run.status == "success"
    assert '"key": "a.md"' in said(desk, run.thread_id, "mine")


def test_a_write_waits_for_a_person_and_is_done_once(
    open_desk: OpenDesk, builder: StateGraph[Any, Any]
) -> None:
    model = OneCall(tool="copy_object", args={"key": "a.md", "to": "b.md"})
    desk = open_desk(graphs={"mine": builder}, model=model)
    publish(desk, "a.md")
    run = desk.invoke("Copy a.md to b.md", graph="mine")
    (asked,) = run.interrupts
    assert asked.value["action_requests"][0]["description"] == (
        "Copy a.md, version 1 (4 bytes) to b.md."
    )
    assert desk.resources.objects.find("b.md") is None

    desk.runs.resume(run.id, {asked.id: {"type": "approve"}})
    assert desk.drive(run.id).status == "success"
    copied = desk.resources.objects.find("b.md")
    assert copied
    assert copied.version == 1
    assert said(desk, run.thread_id, "mine") == "Copied a.md to b.md, version 1."
    assert [e.event.kind for e in desk.runs.events(run.id)].count("effect") == 1
    assert desk.audit.verify(run.id).ok


def test_of_a_hundred_calls_at_once_a_few_are_made(
    open_desk: OpenDesk, builder: StateGraph[Any, Any]
) -> None:
    model = OneCall(tool="copy_object", args={"key": "a.md", "to": "b.md"}, times=100)
    desk = open_desk(graphs={"mine": builder}, model=model)
    publish(desk, "a.md")
    assert len(desk.invoke("Copy a.md to b.md", graph="mine").interrupts) == 4


def test_what_is_denied_is_not_done(open_desk: OpenDesk, builder: StateGraph[Any, Any]) -> None:
    model = OneCall(tool="delete_object", args={"key": "a.md"})
    desk = open_desk(graphs={"mine": builder}, model=model)
    desk.resources.policy = Policy((Rule(verdict="deny", tool="delete_*", why="it is a rule"),))
    publish(desk, "a.md")
    run = desk.invoke("Delete a.md", graph="mine")
    assert run.status == "success"
    assert said(desk, run.thread_id, "mine") == "delete_object is not allowed here: it is a rule."
    assert desk.resources.objects.find("a.md")


class TestAnywhere:
    """The tools as LangChain has them, in a graph that the orchestrator knows nothing of."""

    def invoke(self, desk: Orchestrator, tool: str, **args: Any) -> str:
        def think(state: MessagesState) -> dict[str, Any]:
            return {"messages": [calls((tool, args))]}

        builder = StateGraph(MessagesState)
        builder.add_sequence([think, ToolNode(desk.operations.tools())])
        builder.set_entry_point("think")
        done = builder.compile().invoke({"messages": []})
        return str(done["messages"][-1].text)

    def test_a_write_only_says_what_it_would_do(self, desk: Orchestrator) -> None:
        publish(desk, "a.md")
        told = self.invoke(desk, "delete_object", key="a.md")
        assert told == "Nothing was done. It would: Delete a.md, version 1 (4 bytes)."
        assert desk.resources.objects.find("a.md")

    def test_the_policy_decides_there_too(self, desk: Orchestrator) -> None:
        publish(desk, "a.md")
        assert '"a.md"' in self.invoke(desk, "list_objects")
        no_items = Rule(verdict="deny", tool="*_item*", why="items are private")
        desk.resources.policy = Policy((no_items, *DEFAULT.rules))
        told = self.invoke(desk, "get_item", table="runs", pk="p", sk="s")
        assert told == "get_item is not allowed here: items are private."
        desk.resources.policy = Policy()
        assert "no rule allows it" in self.invoke(desk, "list_objects")

    def test_what_cannot_be_done_is_said(self, desk: Orchestrator) -> None:
        assert "There is no object 'none'" in self.invoke(desk, "get_object", key="none")

    def test_some_of_the_tools_by_name(self, desk: Orchestrator) -> None:
        assert [tool.name for tool in desk.operations.tools("get_object")] == ["get_object"]
        with pytest.raises(NotFound, match="get_objekt"):
            desk.operations.tools("get_objekt")
