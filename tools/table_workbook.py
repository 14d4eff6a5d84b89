"""A table as a workbook (XLSX): a sheet of values, each with its state, and a sheet of citations.

A state is a word and a colour. A cell links to its citations, and has them in its comment; a column
in which people corrected a cell is followed by one of what they say. Numbers, dates and booleans
are cells of these types, so that they can be sorted, filtered and counted with.

The largest table has 200,000 cells. Rows are written one by one and none is held; of what a
workbook holds to its end, links and comments, there are so many at most.
"""

import io
import re
from collections.abc import Container, Iterable, Sequence
from datetime import UTC, date, datetime
from itertools import chain
from typing import Final

from openpyxl import Workbook
from openpyxl.cell import Cell as Field
from openpyxl.cell import WriteOnlyCell
from openpyxl.comments import Comment
from openpyxl.styles import Alignment, Font, NamedStyle, PatternFill
from openpyxl.utils import get_column_letter
from openpyxl.worksheet.hyperlink import Hyperlink

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
_MOST_COMMENTS: Final = 20_000
"""Comments of a workbook: each takes 7 KB of memory until it is written."""
_MORE: Final = (
    "There are more citations or notes than a workbook has room for. A JSON file of the table has "
    "them all."
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
_CITED_WIDTHS: Final = (_NAME, 24, _WIDE, _NARROW, 24, 90, 8, 9, 9, 20)
_TEXT, _HEAD, _PERSON = "Affidavit text", "Affidavit head", "Affidavit corrected"


def workbook(table: Extraction, corrections: Sequence[Correction]) -> bytes:
    """Return a table as a workbook: a sheet of values with their states, and one of citations."""
    said = last_of(corrections)
    corrected = {field for _, field in said}
    titles = [_titles(column, corrected) for column in table.columns]
    widths = (_WIDE, _NARROW, _WIDE)
    wide = (_NAME, _NARROW, *chain(*(widths[: len(heads)] for heads in titles)))
    book = Workbook(write_only=True)
    for style in _styles():
        book.add_named_style(style)
    values = _Sheet(book, "Table", distinct(["Document", "Status", *chain(*titles)]), wide)
    quotes = _Quotes(book)
    notes = _Notes(table)
    for row in table.rows:
        status = f"{row.status}: {row.reason}" if row.reason else row.status
        line = [values.field(row.document), values.field(status)]
        for column, heads in zip(table.columns, titles, strict=True):
            cell, correction = row.cells[column.name], said.get((row.document_id, column.name))
            fields = _fields(values, column, cell, correction, len(heads))
            notes.add(fields[0], cell, correction)
            quotes.add(column, cell, fields[:2])
            line += fields
        values.append(line)
    values.finish()
    quotes.finish(is_whole=notes.are_whole)
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def _fields(
    sheet: "_Sheet", column: Column, cell: Cell, correction: Correction | None, count: int
) -> list[Field]:
    """Return a value, its state and, where there is a column for it, what people say."""
    style = _style(cell)
    at = sheet.typed(column, cell.value, plain(cell.value), style)
    fields = [at, sheet.field(STATES[cell.state], style)]
    if count > len(fields):
        value = correction.value if correction else None
        fields.append(sheet.typed(column, value, corrected_to(correction), _PERSON))
    return fields


class _Sheet:
    """A sheet that is written row by row."""

    def __init__(
        self, book: Workbook, title: str, heads: Sequence[str], widths: Sequence[int]
    ) -> None:
        self._sheet = book.create_sheet(title)
        self._columns = len(heads)
        self.rows = 0
        for place, width in enumerate(widths, 1):
            self._sheet.column_dimensions[get_column_letter(place)].width = width
        self._sheet.freeze_panes = "B2"
        self.append([self.field(head, _HEAD) for head in heads])

    def field(self, value: float | str, style: str = _TEXT) -> Field:
        """Return a field that holds a number, or a text as it is."""
        at: Field = WriteOnlyCell(self._sheet)
        at.style = style  # first: what `_put` says of a text is part of it
        _put(at, value)
        return at

    def typed(self, column: Column, value: CellValue, said: float | str, style: str) -> Field:
        """Return a field of a value's type where workbooks have it, and else of what is said."""
        if isinstance(value, bool):
            return self.field(value, style)
        if column.kind == "date" and isinstance(value, str) and value >= _FIRST_DAY:
            at = self.field("", style)
            at.value = date.fromisoformat(value)
            at.number_format = "yyyy-mm-dd"
            return at
        return self.field(said, style)

    def append(self, fields: Iterable[Field]) -> None:
        """Write a row."""
        self._sheet.append([*fields])
        self.rows += 1

    def finish(self) -> None:
        """Let rows be chosen by what they hold; nothing is written after that."""
        self._sheet.auto_filter.ref = f"A1:{get_column_letter(self._columns)}{self.rows}"


class _Quotes(_Sheet):
    """The sheet of citations, as far as a workbook can hold and link them."""

    def __init__(self, book: Workbook) -> None:
        super().__init__(book, _QUOTES, _CITED, _CITED_WIDTHS)
        self._links = 0
        self._left_out = False

    def add(self, column: Column, cell: Cell, fields: Sequence[Field]) -> None:
        """Write the citations of a cell, and link its fields to the first."""
        room = _MOST_ROWS - 1 - self.rows
        if cell.citations and room and self._links + len(fields) <= _MOST_LINKS:
            _link(self.rows + 1, *fields)
            self._links += len(fields)
        for citation in cell.citations[:room]:
            self.append(self._cited(column, cell, citation))
        self._left_out |= len(cell.citations) > room

    def _cited(self, column: Column, cell: Cell, citation: Citation) -> Iterable[Field]:
        yield self.field(citation.document)
        yield self.field(column.name)
        yield self.typed(column, cell.value, plain(cell.value), _TEXT)
        for text in (STATES[cell.state], citation.place, citation.quote):
            yield self.field(text)
        for number in (citation.page, citation.start, citation.end):
            yield self.field(number)
        yield self.field(citation.sha256)

    def finish(self, *, is_whole: bool = True) -> None:
        """Say in the last row if there is more, here or in the comments."""
        if self._left_out or not is_whole:
            self.append([self.field(_MORE)])
        super().finish()


class _Notes:
    """The comments of a table's cells, as many as a workbook holds."""

    def __init__(self, table: Extraction) -> None:
        cells = (cell for row in table.rows for cell in row.cells.values())
        # Where not all have room, quotes, which are on a sheet of their own, make way.
        self._quoted = sum(bool(c.note or c.citations) for c in cells) <= _MOST_COMMENTS
        self._left = _MOST_COMMENTS
        self.are_whole = True

    def add(self, at: Field, cell: Cell, correction: Correction | None) -> None:
        """Put into a cell's comment what a person says, why it is uncertain, and its quotes."""
        lines = [cell.note] if cell.note else []
        if self._quoted:
            lines += [f"{c.place}: “{' '.join(c.quote.split())}”" for c in cell.citations]
        if correction:
            when = datetime.fromtimestamp(correction.created_at, UTC).date()
            text = f"Corrected by {correction.created_by}, {when}: {corrected_to(correction)}"
            lines = [f"{text}. {correction.comment}".strip(), *lines]
        if lines and not self._left:
            self.are_whole = False
        elif lines:
            self._left -= 1
            text = _storable("\n".join(lines))
            text = text if len(text) <= _NOTE_CHARS else f"{text[: _NOTE_CHARS - 1]}…"
            at.comment = Comment(text, "Affidavit", 160, 360)


def _titles(column: Column, corrected: Container[str]) -> tuple[str, ...]:
    more = (f"{column.name} (corrected)",) if column.name in corrected else ()
    return column.name, f"{column.name} (state)", *more


def _style(cell: Cell) -> str:
    return f"Affidavit {STATES[cell.state]}"


def _styles() -> Iterable[NamedStyle]:
    """Yield the looks of fields: each text from the top of its cell on."""
    from_the_top = Alignment(wrap_text=True, vertical="top")
    person = Font(italic=True, color=_CORRECTED)
    yield NamedStyle(_TEXT, alignment=from_the_top)
    yield NamedStyle(_HEAD, alignment=from_the_top, font=Font(bold=True))
    yield NamedStyle(_PERSON, alignment=from_the_top, font=person)
    for state, colour in _FILLS.items():
        fill = PatternFill("solid", fgColor=colour)
        yield NamedStyle(f"Affidavit {STATES[state]}", alignment=from_the_top, fill=fill)


def _link(line: int, *fields: Field) -> None:
    """Link to a line of the citations; for an empty cell, readers would show where it leads to."""
    for at in fields:
        if at.value is not None:
            at.hyperlink = Hyperlink("A1", location=f"'{_QUOTES}'!A{line}")


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
