"""The state machine that erases one document: START ─▶ eraser ⇄ act ─▶ END."""

from typing import Any, Final

from langgraph.graph import END, START, StateGraph

from nodes.act import act
from nodes.context import Context
from nodes.eraser import Erasing, eraser

ERASURE: Final = "erasure"


def build_erasure() -> StateGraph[Erasing, Context]:
    """Return it, to be compiled with any checkpointer; its input is `{"document_id": …}`."""
    graph = StateGraph(Erasing, context_schema=Context)
    graph.add_node("eraser", eraser, destinations=("act", END))
    # `act` is reached by `Send` alone, and gets a task instead of the state.
    by_send: Any = act
    graph.add_node("act", by_send, destinations=("eraser",))
    graph.add_edge(START, "eraser")
    return graph
