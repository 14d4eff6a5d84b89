"""Reads one document for the columns of a table: finds passages, has the model fill in a row.

For each column the document is searched by what the column asks; its opening and its end go with
what was found, as parties and dates stand there. The model answers in texts and quotes, and nothing
of that is trusted: `nodes/extractor_reviewer.py` makes cells of it. A document that cannot be read
becomes a row that says why, and stops no other. One that gets a new version meanwhile is begun
anew: a row is of one version, and only the newest is searched.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator, Sequence
from functools import wraps
from typing import Any, Final

from langgraph.errors import GraphBubbleUp
from langgraph.runtime import Runtime
from langgraph.types import Command, Send

from nodes.context import Context
from nodes.extractor import to_check
from nodes.extractor_state import CellReply, Reading, ReadingTask, RowReply
from nodes.librarian import edges_of
from nodes.models import briefly, fill, messages_for
from storage.errors import (
    AffidavitError,
    LeaseLost,
    ModelError,
    NotFound,
    OverBudget,
    Unanswered,
    Unavailable,
)
from storage.records import Cell, Column, Document, Passage, Row, RowStatus

COLUMNS_AT_ONCE: Final = 10
"""Columns in one request: more are asked for in several."""
PASSAGES: Final = 8
"""Passages that are searched for each column."""
MOST_BYTES: Final = 120_000
"""Of passages in one request: some 30,000 tokens."""

logger = logging.getLogger(__name__)

Node = Callable[[ReadingTask, Runtime[Context]], Awaitable[Command[str]]]


def one_document(node: Node) -> Node:
    """Make a node a step on one document: if it fails, the row says so, and the others go on.

    What is no fault of the document (a lease that is lost, a service that does not answer, a key
    that is refused, a budget that is used up) concerns the run.
    """

    @wraps(node)
    async def guarded(task: ReadingTask, runtime: Runtime[Context]) -> Command[str]:
        reading = task["reading"]
        try:
            return await node(task, runtime)
        except (GraphBubbleUp, LeaseLost, Unavailable, OverBudget):
            raise
        except NotFound as error:
            return row_of(reading, "missing", str(error), runtime)
        except ModelError as error:
            if not isinstance(error, Unanswered):
                raise
            return row_of(reading, "failed", str(error), runtime)
        except AffidavitError as error:
            return row_of(reading, "failed", str(error), runtime)
        except Exception as error:
            logger.exception("Document %s could not be read for a table.", reading.document_id)
            return row_of(reading, "failed", briefly(error) or type(error).__name__, runtime)

    return guarded


def row_of(
    reading: Reading, status: RowStatus, reason: str, runtime: Runtime[Context], name: str = ""
) -> Command[str]:
    """Return the command that gives a document its row; columns without a cell are uncertain."""
    blank = Cell(state="uncertain", note=reason)
    cells = {**{column.name: blank for column in reading.columns}, **reading.cells}
    row = Row(
        document_id=reading.document_id,
        document=name or reading.document_id,
        sha256=reading.sha256,
        status=status,
        reason=reason,
        cells=cells,
    )
    states = [cell.state for cell in cells.values()]
    counts: dict[str, Any] = {
        state: states.count(state) for state in ("found", "not_in_document", "uncertain")
    }
    runtime.context.journal.note(
        "extracted",
        node="reviewer",
        document=reading.document_id,
        status=status,
        **counts,
    )
    return Command(update={"rows": [row]}, goto="supervisor")


@one_document
async def read_document(task: ReadingTask, runtime: Runtime[Context]) -> Command[str]:
    """Have the model fill in what is open of a row, or say why the document cannot be read."""
    context, reading = runtime.context, task["reading"]
    document = await asyncio.to_thread(context.library.store.get, reading.document_id)
    if reading.sha256 not in ("", document.sha256):
        reading = reading.anew()
    if not document.pages:
        reason = document.reason or "No page of it could be read."
        reading = reading.model_copy(update={"sha256": document.sha256})
        return row_of(reading, document.status, reason, runtime, document.name)
    cells: list[CellReply] = []
    for columns in _in_parts(reading.columns):
        payload = await asyncio.to_thread(_payload, context, document, columns, reading)
        reply = await fill(context.model, RowReply, messages_for("extractor", payload))
        cells += reply.cells
    read = reading.model_copy(
        update={"sha256": document.sha256, "reply": RowReply(cells=cells)},
    )
    context.journal.note("drafted", node="analyst", claims=len(cells))
    return Command(goto=[Send("reviewer", to_check(read))])


def _in_parts(columns: Sequence[Column]) -> Iterator[Sequence[Column]]:
    for start in range(0, len(columns), COLUMNS_AT_ONCE):
        yield columns[start : start + COLUMNS_AT_ONCE]


def _payload(
    context: Context, document: Document, columns: Sequence[Column], reading: Reading
) -> dict[str, Any]:
    """Return what the model gets: the fields, and the passages with numbers, each once."""
    around = [p for p in edges_of(context, document.id) if p.sha256 == document.sha256]
    found = {column.name: _searched(context, document, column) for column in columns}
    numbers: dict[tuple[int, int, int], int] = {}
    shown: list[dict[str, Any]] = []
    left = MOST_BYTES
    # The opening first, then the best of each column, then the second best of each.
    ranked = [each[rank] for rank in range(PASSAGES) for each in found.values() if rank < len(each)]
    for passage in [*around, *ranked]:
        left -= 0 if _place(passage) in numbers else len(passage.text.encode(errors="replace"))
        if left < 0:
            break
        if _place(passage) not in numbers:
            numbers[_place(passage)] = len(numbers) + 1
            told = passage.model_dump(include={"page", "opens", "text"})
            shown.append({"number": numbers[_place(passage)], **told})
    fields = [
        {
            **column.model_dump(exclude={"options"}),
            **({"options": column.options} if column.options else {}),
            "passages": [numbers[_place(p)] for p in found[column.name] if _place(p) in numbers],
            **_objection(reading, column),
        }
        for column in columns
    ]
    return {"document": document.name, "fields": fields, "passages": shown}


def _objection(reading: Reading, column: Column) -> dict[str, str]:
    objection = reading.objections.get(column.name)
    return {"objection": objection} if objection else {}


def _searched(context: Context, document: Document, column: Column) -> Sequence[Passage]:
    query = f"{column.name.replace('_', ' ')} {column.asks}"
    found = context.library.search(query, documents=[document.id], limit=PASSAGES)
    return [passage for passage in found if passage.sha256 == document.sha256]


def _place(passage: Passage) -> tuple[int, int, int]:
    return passage.page, passage.start, passage.end
