"""The desk: the state machine that answers questions.

START ─▶ supervisor ⇄ librarian ⇄ act
─▶ analyst ─▶ reviewer ─▶ supervisor
─▶ writer ─▶ reviewer ─▶ supervisor ─▶ writer ⇄ act
⇄ custodian ⇄ act
─▶ END
"""

from datetime import timedelta
from typing import Any, Final

from langgraph.graph import START, StateGraph
from langgraph.types import TimeoutPolicy

from nodes.act import act
from nodes.analyst import analyst
from nodes.context import Context
from nodes.custodian import custodian
from nodes.librarian import librarian
from nodes.prompts import prompts_version
from nodes.reviewer import reviewer
from nodes.state import DeskState
from nodes.supervisor import supervisor
from nodes.writer import writer

DESK: Final = "desk"
VERSION: Final = "1"
STEPS: Final = 60
"""More super-steps than any run within its limits takes."""


def build_desk(
    *, node_timeout: timedelta = timedelta(minutes=10)
) -> StateGraph[DeskState, Context]:
    """Return the desk, to be compiled with any checkpointer.

    `node_timeout` ends a node that hangs; a model call has a shorter one of its own.
    """
    patience = TimeoutPolicy(run_timeout=node_timeout)
    graph = StateGraph(DeskState, context_schema=Context)
    ends = ("librarian", "analyst", "writer", "custodian", "__end__")
    graph.add_node("supervisor", supervisor, destinations=ends, timeout=patience)
    graph.add_node("librarian", librarian, destinations=("act", "supervisor"), timeout=patience)
    graph.add_node("analyst", analyst, destinations=("reviewer",), timeout=patience)
    graph.add_node(
        "writer", writer, destinations=("reviewer", "act", "supervisor"), timeout=patience
    )
    graph.add_node("custodian", custodian, destinations=("act", "supervisor"), timeout=patience)
    graph.add_node("reviewer", reviewer, destinations=("supervisor",), timeout=patience)
    # `act` is reached by `Send` alone, and gets a task instead of the state.
    by_send: Any = act
    agents = ("librarian", "writer", "custodian")
    graph.add_node("act", by_send, destinations=agents, timeout=patience)
    graph.add_edge(START, "supervisor")
    return graph


def desk_version() -> str:
    """Return the version of the desk: of its graph and of its prompts."""
    return f"{VERSION}-{prompts_version()}"
