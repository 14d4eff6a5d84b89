"""The state of a table in the making, and the forms in which a model fills in a row.

Documents are handed out a few at a time. What is under way of one travels in its task; only rows
that are done are kept in the state, so that it holds each document's text once and no more.
"""

from collections.abc import Sequence
from typing import Annotated, Any, TypedDict

from pydantic import BaseModel, Field

from storage.records import Cell, Column, Extraction, Row


class QuoteReply(BaseModel):
    """The exact words of a passage that give a value."""

    page: int
    quote: str = Field(description="Copied word for word from one passage of that page")


class CellReply(BaseModel):
    """One field of the document."""

    field: str = Field(description="The name of the field")
    values: list[str] = Field(
        description="The value, as text; for a list, one text for each entry; none, if the "
        "passages do not say"
    )
    quotes: list[QuoteReply] = Field(
        description="What proves the value; none, if the passages do not say"
    )


class RowReply(BaseModel):
    """A cell for each field that was asked for."""

    cells: list[CellReply]


class CellVerdictReply(BaseModel):
    """Whether its quotes support one value."""

    number: int
    supported: bool
    why: str = ""


class RowReviewReply(BaseModel):
    """A verdict on each value."""

    verdicts: list[CellVerdictReply]


class Reading(BaseModel):
    """One document under way, as it is passed between those who read it and those who check."""

    document_id: str
    columns: list[Column]
    """Those that are still open."""
    asked: list[Column] = Field(default_factory=list)
    """All that the table asks for."""
    sha256: str = ""
    """The version that was read."""
    reply: RowReply = Field(default_factory=lambda: RowReply(cells=[]))
    objections: dict[str, str] = Field(default_factory=dict)
    """What was wrong with the last reply, by column."""
    cells: dict[str, Cell] = Field(default_factory=dict)
    """What stands by now."""
    rounds: int = 0
    """How often it was checked; bounded."""
    replaced: int = 0
    """How often it got a new version meanwhile, and was begun anew; bounded."""

    def anew(self) -> "Reading":
        """Return it as it begins: what was read is of a version that is not the newest any more."""
        columns = self.asked or self.columns
        return Reading(
            document_id=self.document_id,
            columns=columns,
            asked=columns,
            replaced=self.replaced + 1,
        )


class ReadingTask(TypedDict):
    """What a task gets; `agent` is whose work it is, for the logs."""

    agent: str
    reading: Reading


def gathered(rows: Sequence[Row] | None, new: Sequence[Row] | None) -> list[Row]:
    """Add rows; None begins a new table. A document that comes twice has one row."""
    if new is None:
        return []
    held = {row.document_id for row in rows or ()}
    return [*(rows or ()), *(row for row in new if row.document_id not in held)]


class ExtractionState(TypedDict, total=False):
    """The state of a table in the making."""

    columns: list[Column]
    documents: list[str]
    """The ids, in the order of the rows."""
    sent: int
    """How many of the documents have been handed out."""
    rows: Annotated[list[Row], gathered]
    """Those that are done, as they came."""


EXTRACTION_TYPES: tuple[type[BaseModel], ...] = (
    Cell,
    CellReply,
    Column,
    QuoteReply,
    Reading,
    Row,
    RowReply,
)
"""The types that a checkpoint may hold beside those of the desk."""


def new_table(columns: Sequence[Column], documents: Sequence[str]) -> dict[str, Any]:
    """Return the input of a run: nothing is read yet."""
    return {"columns": list(columns), "documents": list(documents), "sent": 0, "rows": None}


def table_of(state: ExtractionState) -> Extraction:
    """Return the table, its rows in the order in which the documents were named."""
    rows = {row.document_id: row for row in state.get("rows", [])}
    named = [rows[each] for each in state.get("documents", []) if each in rows]
    return Extraction(columns=state.get("columns", []), rows=named)
