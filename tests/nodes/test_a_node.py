"""How to write and test a node: a function of the state and a runtime, and nothing else.

A node reads the state, uses what the runtime's context offers, and returns what is to be changed.
It has no globals, so a test needs no patching: it builds a context by hand.
"""

import asyncio
from typing import Any

from langgraph.graph import END, START, StateGraph
from langgraph.runtime import Runtime

from nodes.analyst import analyst
from nodes.context import Context
from nodes.state import DeskState, PlanReply
from storage.records import Passage

from .conftest import MakeContext, runtime, state

TERM = Passage(
    document_id="d-1",
    document="lease.pdf",
    sha256="0" * 64,
    page=2,
    start=0,
    end=30,
    text="The term is five years. Rent is due monthly.",
)


# A node of one's own. Asynchronous, if it calls a model.
def shouter(state: DeskState, runtime: Runtime[Context]) -> dict[str, Any]:
    runtime.context.journal.note("shouted", node="shouter")
    return {"report": state["question"].upper()}


def test_a_node_is_called_like_a_function(context: MakeContext) -> None:
    given = context()
    assert shouter(state("how long?"), runtime(given)) == {"report": "HOW LONG?"}
    assert given.journal.kinds == ["shouted"]  # type: ignore[attr-defined]


def test_a_node_stands_in_a_graph(context: MakeContext) -> None:
    graph = StateGraph(DeskState, context_schema=Context)
    graph.add_node("shouter", shouter)
    graph.add_edge(START, "shouter").add_edge("shouter", END)

    final = graph.compile().invoke(state("how long?"), context=context())

    assert final["report"] == "HOW LONG?"


def test_a_node_of_the_desk(context: MakeContext) -> None:
    """The analyst shows the model the passages, and passes its draft to the reviewer."""
    seen: dict[str, Any] = {}

    def model(agent: str, form: str, payload: dict[str, Any]) -> dict[str, Any]:
        seen.update(payload)
        quote = {"document_id": "d-1", "page": 2, "quote": "The term is five years."}
        return {"claims": [{"text": "It runs for five years.", "citations": [quote]}]}

    plan = PlanReply(question="How long is the term?", agents=["librarian", "analyst"])
    given = state("And how long?", plan=plan, passages=[TERM])
    command = asyncio.run(analyst(given, runtime(context(model))))

    assert command.goto == "reviewer"
    assert command.update["draft"].claims[0].text == "It runs for five years."  # type: ignore[index, call-overload]
    assert seen["question"] == "How long is the term?"
    (shown,) = seen["passages"]
    assert (shown["document_id"], shown["page"], shown["text"]) == ("d-1", 2, TERM.text)
