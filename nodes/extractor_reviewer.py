"""Makes cells of what was read: a program locates each quote and looks for the value in it.

A value is `found` if its quotes stand on the pages of the version that was read, if it is of its
column's type, if the quotes say it as far as a program can tell, and if the model then finds that
they do. What fails goes back with the reason, a bounded number of times; what is still unproven is
`uncertain`, and keeps only the citations that were located. What nobody found is `not_in_document`,
unless the document was not read in full: then nobody knows. A document that has got a new version
since it was read goes back: its passages may not have been found any more.
"""

import asyncio
from dataclasses import dataclass, field
from typing import Any, Final

from langgraph.runtime import Runtime
from langgraph.types import Command, Send

from nodes.context import Context
from nodes.extractor import to_read
from nodes.extractor_reader import one_document, row_of
from nodes.extractor_state import CellReply, Reading, ReadingTask, RowReply, RowReviewReply
from nodes.models import fill, messages_for
from storage.errors import InvalidInput
from storage.records import Cell, CellValue, Citation, Column, Document, Page
from tools.cell_values import says, value_of
from tools.citations import cite, locate

MOST_QUOTES: Final = 12
MOST_REPLACED: Final = 3
_REPLACED: Final = "It got one new version after the other while it was read. Extract it again."
_NOT_WHOLE: Final = "The document was not read in full ({status}): it may say it elsewhere."


@dataclass(slots=True)
class Checked:
    """A cell as it is checked."""

    column: Column
    value: CellValue = None
    citations: list[Citation] = field(default_factory=list)
    absent: bool = False
    """Nothing was said to be there."""
    objection: str = ""
    rejected: int = 0
    """How many quotes do not stand where they were said to."""

    @property
    def proven(self) -> bool:
        """Whether value and citations stand as far as it was checked."""
        return not self.objection and not self.absent


@one_document
async def check_row(task: ReadingTask, runtime: Runtime[Context]) -> Command[str]:
    """Check a row; have what fails read again, or end it."""
    context, reading = runtime.context, task["reading"]
    document = await asyncio.to_thread(context.library.store.get, reading.document_id)
    if reading.sha256 != document.sha256:
        if reading.replaced >= MOST_REPLACED:
            return row_of(reading, "failed", _REPLACED, runtime, document.name)
        return Command(goto=[Send("analyst", to_read(reading.anew()))])
    checked = await asyncio.to_thread(_checked, reading, document, context)
    await _judge(checked, document, context)
    objections = {each.column.name: each.objection for each in checked if each.objection}
    context.journal.note(
        "reviewed",
        node="reviewer",
        statements=len(checked),
        objections=len(objections),
        rejected=sum(each.rejected for each in checked),
    )
    again = reading.rounds < context.limits.objections
    done = [each for each in checked if not (again and each.objection)]
    cells = {**reading.cells, **{each.column.name: _cell(each, document) for each in done}}
    if objections and again:
        return Command(goto=[Send("analyst", to_read(_next(reading, cells, objections)))])
    read = reading.model_copy(update={"cells": cells})
    return row_of(read, document.status, document.reason, runtime, document.name)


def _next(reading: Reading, cells: dict[str, Cell], objections: dict[str, str]) -> Reading:
    """Return what is still open of a document, with what was wrong."""
    return reading.model_copy(
        update={
            "columns": [column for column in reading.columns if column.name in objections],
            "reply": RowReply(cells=[]),
            "objections": objections,
            "cells": cells,
            "rounds": reading.rounds + 1,
        }
    )


def _checked(reading: Reading, document: Document, context: Context) -> list[Checked]:
    replies = {reply.field: reply for reply in reversed(reading.reply.cells)}
    pages = {page.number: page for page in context.library.store.pages(reading.sha256)}
    return [_check(column, replies.get(column.name), document, pages) for column in reading.columns]


def _check(
    column: Column, reply: CellReply | None, document: Document, pages: dict[int, Page]
) -> Checked:
    checked = Checked(column)
    if reply is None:
        checked.objection = "nothing was said of it; give a cell for each field."
        return checked
    if not any(text.strip() for text in reply.values) and not reply.quotes:
        checked.absent = True
        return checked
    wrong = _locate(reply, document, pages, checked)
    try:
        checked.value = value_of(column, reply.values)
    except InvalidInput as error:
        said = any(text.strip() for text in reply.values)
        wrong.append(str(error) if said else "the quotes speak of it, but no value is given.")
    if not reply.quotes:
        wrong.append("no quote is given.")
    quotes = [citation.quote for citation in checked.citations]
    if not wrong and says(column, checked.value, quotes) is False:
        wrong.append("the value does not stand in the quotes.")
    checked.objection = " ".join(wrong)
    return checked


def _locate(
    reply: CellReply, document: Document, pages: dict[int, Page], checked: Checked
) -> list[str]:
    """Locate the quotes of a reply; return what is wrong with those that are not there."""
    wrong: list[str] = []
    for quoted in reply.quotes[:MOST_QUOTES]:
        page = pages.get(quoted.page)
        span = locate(quoted.quote, page.text) if page else None
        if page is None or span is None:
            checked.rejected += 1
            wrong.append(
                f"a quote does not stand on page {quoted.page}; copy it word for word from the "
                "passage, and give that passage's page."
            )
            continue
        citation = cite(document, page, *span)
        if citation not in checked.citations:
            checked.citations.append(citation)
    return wrong


async def _judge(checked: list[Checked], document: Document, context: Context) -> None:
    """Have the model judge what the program let through; no verdict is a bad one."""
    open_ones = {n: each for n, each in enumerate(checked, 1) if each.proven}
    if not open_ones:
        return
    values: list[dict[str, Any]] = [
        {
            "number": n,
            **each.column.model_dump(exclude={"options"}),
            "value": each.value,
            "quotes": [citation.quote for citation in each.citations],
        }
        for n, each in open_ones.items()
    ]
    payload = {"document": document.name, "values": values}
    reply = await fill(context.model, RowReviewReply, messages_for("cell_reviewer", payload))
    verdicts = {verdict.number: verdict for verdict in reply.verdicts}
    for n, each in open_ones.items():
        verdict = verdicts.get(n)
        if verdict is None or not verdict.supported:
            why = verdict.why if verdict else "nobody said that they do."
            each.objection = f"the quotes do not support the value: {why}"


def _cell(checked: Checked, document: Document) -> Cell:
    if checked.absent and document.status != "ready":
        return Cell(state="uncertain", note=_NOT_WHOLE.format(status=document.status))
    if checked.absent:
        return Cell(state="not_in_document")
    if checked.objection:
        note = checked.objection[:1].upper() + checked.objection[1:]
        return Cell(
            value=checked.value, state="uncertain", citations=checked.citations, note=note[:500]
        )
    return Cell(value=checked.value, state="found", citations=checked.citations)
