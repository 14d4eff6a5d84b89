"""The state machine that makes a table: a schema over documents, a cited cell for each question.

START ─▶ supervisor ─▶ analyst ─▶ reviewer ─▶ supervisor ─▶ END
             a few documents at once    └─▶ analyst, once more, for what did not stand

It is driven as the desk is: its run can be killed, resumed, cancelled and verified, and what a
model has answered is not asked again. The schema belongs to the run's input.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Final

from langgraph.graph import START, StateGraph
from langgraph.types import TimeoutPolicy
from pydantic import BaseModel

from nodes.context import Context, Limits
from nodes.extractor import hand_out
from nodes.extractor_reader import read_document
from nodes.extractor_reviewer import check_row
from nodes.extractor_state import ExtractionState, new_table
from storage.errors import InvalidInput
from storage.records import Column, Run
from tools.columns import columns_of

EXTRACTION: Final = "extraction"
EXTRACTION_VERSION: Final = "1"
MOST_DOCUMENTS: Final = 5000
_NAMED: Final = 6
"""Columns that are named in what a run is called."""


def build_extraction(
    *, node_timeout: timedelta = timedelta(minutes=10)
) -> StateGraph[ExtractionState, Context]:
    """Return the graph, to be compiled with any checkpointer; see `graph.desk.build_desk`."""
    patience = TimeoutPolicy(run_timeout=node_timeout)
    graph = StateGraph(ExtractionState, context_schema=Context)
    # Reached by `Send` alone, these get a task instead of the state.
    reads: Any = read_document
    checks: Any = check_row
    graph.add_node("supervisor", hand_out, destinations=("analyst", "__end__"), timeout=patience)
    graph.add_node("analyst", reads, destinations=("reviewer", "supervisor"), timeout=patience)
    graph.add_node("reviewer", checks, destinations=("analyst", "supervisor"), timeout=patience)
    graph.add_edge(START, "supervisor")
    return graph


def schema_of(asked: Any) -> dict[str, Any]:
    """Return the JSON Schema of a Pydantic model, or the one that was given.

    Raises:
        InvalidInput: it is neither, or cannot be the columns of a table.
    """
    if isinstance(asked, type) and issubclass(asked, BaseModel):
        asked = asked.model_json_schema()
    if not isinstance(asked, dict):
        raise InvalidInput("A schema is a JSON Schema as a dictionary, or a Pydantic model.")
    columns_of(asked)
    return asked


def columns_of_run(run: Run) -> list[Column]:
    """Return the columns that a run's input asks for.

    Raises:
        InvalidInput: it has no schema, or one that cannot be a table's.
    """
    return columns_of((run.input or {}).get("schema"))


def table_input(run: Run) -> dict[str, Any]:
    """Return what goes into the graph at the start of a run.

    Raises:
        InvalidInput: the run has no schema, or no documents.
    """
    if not run.documents:
        raise InvalidInput("A table is made of documents: name at least one.")
    return new_table(columns_of_run(run), list(dict.fromkeys(run.documents)))


def called(schema: dict[str, Any], documents: int) -> str:
    """Return what a run is called in lists: what it extracts, from how much."""
    names = [column.name for column in columns_of(schema)]
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    what = f"{', '.join(names[:_NAMED])}{more}"
    return f"Extract {what} from {documents} document{'' if documents == 1 else 's'}"


def most_steps(documents: Sequence[str]) -> int:
    """Return more super-steps than a table of so many documents takes.

    Each document is handed out, read, checked, and read and checked once more, and a number of them
    go together.
    """
    limits = Limits()
    waves = -(-len(documents) // limits.documents_at_once)
    return 10 + waves * (1 + 2 * (1 + limits.objections))
