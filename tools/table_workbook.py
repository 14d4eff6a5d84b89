"""A table as a workbook (XLSX): a sheet of values, each with its state, and a sheet of citations.

A state is a word and a colour. A cell links to its citations, and has them in its comment; a column
in which people corrected a cell is followed by one of what they say. Numbers, dates and booleans
are cells of these types, so that they can be sorted, filtered and counted with.
"""

import io
import re
from collections.abc import Container, Sequence
from datetime import UTC, date, datetime
from itertools import chain
from typing import Final

from openpyxl import Workbook
from openpyxl.cell import Cell as Free
from openpyxl.cell import MergedCell
from openpyxl.comments import Comment
from openpyxl.styles import Alignment, Font, PatternFill
from openpyxl.utils import get_column_letter
from openpyxl.worksheet.hyperlink import Hyperlink
from openpyxl.worksheet.worksheet import Worksheet

from storage.records import (
    Cell,
    CellState,
    CellValue,
    Citation,
    Column,
    Correction,
    Extraction,
)
from tools.table_files import FORMULA, STATES, corrected_to, distinct, last_of, plain

Field = Free | MergedCell
_FILLS: Final[dict[CellState, str]] = {
    "found": "E3F1E4",
    "not_in_document": "ECECEC",
    "uncertain": "FFF1CC",
}
_UNSTORABLE: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
_MOST_CHARS: Final = 32_767
"""Characters of a cell of a workbook.
https://support.microsoft.com/office/excel-specifications-and-limits-1672b34d-7043-467e-8e27-269d656771c3
"""
_MOST_ROWS: Final = 1_048_576
_MOST_LINKS: Final = 65_530
"""Rows of a sheet and links on it, by the same page: with more, Excel calls a file corrupt."""
_MORE: Final = (
    "There are more citations than a sheet has rows. A JSON file of the table has them all."
)
_ESCAPE: Final = re.compile("_(?=x[0-9A-Fa-f]{4}_)")
"""What a workbook takes for a character by its code (ST_Xstring; ECMA-376, part 1, 22.9.2.19)."""
_NOTE_CHARS: Final = 600
_FIRST_DAY: Final = "1900-03-01"
"""Workbooks have no days before 1900, and one too many in its February."""
_QUOTES: Final = "Citations"
_CITED: Final = (
    *("Document", "Field", "Value", "State", "Place", "Quote"),
    *("Page", "Start", "End", "SHA-256"),
)
_CORRECTED: Final = "9C5700"
_WIDE, _NARROW, _NAME = 30, 16, 40
"""Widths of a column, in characters."""


def workbook(table: Extraction, corrections: Sequence[Correction]) -> bytes:
    """Return a table as a workbook: a sheet of values with their states, and one of citations."""
    said = last_of(corrections)
    corrected = {field for _, field in said}
    titles = [_titles(column, corrected) for column in table.columns]
    book = Workbook()
    book.remove(book.worksheets[0])
    values, quotes = book.create_sheet("Table"), _Quotes(book.create_sheet(_QUOTES))
    _heads(values, distinct(["Document", "Status", *chain(*titles)]))
    for number, row in enumerate(table.rows, 2):
        _put(values.cell(number, 1), row.document)
        _put(values.cell(number, 2), f"{row.status}: {row.reason}" if row.reason else row.status)
        place = 3
        for column, heads in zip(table.columns, titles, strict=True):
            cell = row.cells[column.name]
            fields = [values.cell(number, place + n) for n in range(len(heads))]
            _fill_in(fields, column, cell, said.get((row.document_id, column.name)))
            quotes.add(column, cell, fields[:2])
            place += len(heads)
    widths = (_WIDE, _NARROW, _WIDE)
    _finish(values, (_NAME, _NARROW, *chain(*(widths[: len(heads)] for heads in titles))))
    quotes.finish()
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def _fill_in(
    fields: Sequence[Field], column: Column, cell: Cell, correction: Correction | None
) -> None:
    """Write a value, its state and, where there is a column for it, what people say."""
    at, state, *more = fields
    _cell(at, column, cell, correction)
    _put(state, STATES[cell.state])
    state.fill = _fill(cell)
    if correction:
        _typed(more[0], column, correction.value, corrected_to(correction))
        more[0].font = Font(italic=True, color=_CORRECTED)


class _Quotes:
    """The sheet of citations, as far as a workbook can hold and link them."""

    def __init__(self, sheet: Worksheet) -> None:
        self._sheet = sheet
        self._last = 1  # counted here: the sheet would go through its cells for it
        self._links = 0
        _heads(sheet, _CITED)

    def add(self, column: Column, cell: Cell, fields: Sequence[Field]) -> None:
        """Write the citations of a cell, and link its fields to the first."""
        room = _MOST_ROWS - 1 - self._last
        if cell.citations and room and self._links + len(fields) <= _MOST_LINKS:
            _link(self._last + 1, *fields)
            self._links += len(fields)
        for citation in cell.citations[:room]:
            self._last += 1
            _cite(self._sheet, self._last, column, cell, citation)

    def finish(self) -> None:
        """Say in the last row if there are more."""
        if self._last == _MOST_ROWS - 1:
            _put(self._sheet.cell(_MOST_ROWS, 1), _MORE)
        _finish(self._sheet, (_NAME, 24, _WIDE, _NARROW, 24, 90, 8, 9, 9, 20))


def _titles(column: Column, corrected: Container[str]) -> tuple[str, ...]:
    more = (f"{column.name} (corrected)",) if column.name in corrected else ()
    return column.name, f"{column.name} (state)", *more


def _fill(cell: Cell) -> PatternFill:
    return PatternFill("solid", fgColor=_FILLS[cell.state])


def _finish(sheet: Worksheet, widths: Sequence[int]) -> None:
    """Have a sheet read well: each text from the top of its cell on, and rows to choose from."""
    for place, width in enumerate(widths, 1):
        sheet.column_dimensions[get_column_letter(place)].width = width
    from_the_top = Alignment(wrap_text=True, vertical="top")
    for line in sheet.iter_rows():
        for at in line:
            at.alignment = from_the_top
    sheet.freeze_panes = "B2"
    sheet.auto_filter.ref = sheet.dimensions


def _heads(sheet: Worksheet, heads: Sequence[str]) -> None:
    for place, head in enumerate(heads, 1):
        at = sheet.cell(1, place)
        _put(at, head)
        at.font = Font(bold=True)


def _link(line: int, *cells: Field) -> None:
    """Link to a line of the citations; for an empty cell, readers would show where it leads to."""
    for at in cells:
        if at.value is not None:
            at.hyperlink = Hyperlink(at.coordinate, location=f"'{_QUOTES}'!A{line}")


def _cell(at: Field, column: Column, cell: Cell, correction: Correction | None) -> None:
    """Fill in a cell, with its quotes and what a person says in its comment."""
    _typed(at, column, cell.value, plain(cell.value))
    at.fill = _fill(cell)
    notes = [cell.note] if cell.note else []
    notes += [f"{c.place}: “{' '.join(c.quote.split())}”" for c in cell.citations]
    if correction:
        when = datetime.fromtimestamp(correction.created_at, UTC).date()
        text = f"Corrected by {correction.created_by}, {when}: {corrected_to(correction)}"
        notes = [f"{text}. {correction.comment}".strip(), *notes]
    if notes:
        text = _storable("\n".join(notes))
        text = text if len(text) <= _NOTE_CHARS else f"{text[: _NOTE_CHARS - 1]}…"
        at.comment = Comment(text, "Affidavit", 160, 360)


def _cite(sheet: Worksheet, number: int, column: Column, cell: Cell, citation: Citation) -> None:
    line = [
        *(citation.document, column.name, "", STATES[cell.state], citation.place),
        *(citation.quote, citation.page, citation.start, citation.end, citation.sha256),
    ]
    for place, value in enumerate(line, 1):
        _put(sheet.cell(number, place), value)
    _typed(sheet.cell(number, _CITED.index("Value") + 1), column, cell.value, plain(cell.value))


def _typed(at: Field, column: Column, value: CellValue, said: float | str) -> None:
    """Store a value as a cell of its type where workbooks have it, and else as it is said."""
    if isinstance(value, bool):
        at.value = value
    elif column.kind == "date" and isinstance(value, str) and value >= _FIRST_DAY:
        at.value = date.fromisoformat(value)
        at.number_format = "yyyy-mm-dd"
    else:
        _put(at, said)


def _put(at: Field, value: float | str) -> None:
    """Store a value; a text stays one, whatever it begins with."""
    if not isinstance(value, str):
        at.value = value
        return
    if not value:
        return
    at.value = _cut(_storable(value))
    at.data_type = "s"
    if FORMULA.match(value):
        at.quotePrefix = True  # typing into the cell does not make it a formula either


def _storable(text: str) -> str:
    return _ESCAPE.sub("_x005F_", _UNSTORABLE.sub("\ufffd", text))


def _cut(text: str) -> str:
    """Return a text as far as a cell takes it, which counts characters as UTF-16 does."""
    units = text.encode("utf-16-le")
    if len(units) <= 2 * _MOST_CHARS:
        return text
    return units[: 2 * _MOST_CHARS - 2].decode("utf-16-le", "ignore") + "…"
