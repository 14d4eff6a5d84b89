"""Reads CSV, with whatever stands between its cells (RFC 4180 and its relatives).

Cells are text: what begins like a formula is not one here, and is never computed.
"""

import csv
import io
from collections.abc import Iterator, Sequence
from typing import Final

from tools.parsers.grids import Row, cell, pages
from tools.parsers.result import MAX_TEXT, Parsed, Refused, has_text, numbered
from tools.parsers.text import decode

MEDIA_TYPE: Final = "text/csv"
_BETWEEN: Final = ",;\t|"
_SAMPLE: Final = 16_384
"""Characters by which it is told what stands between cells."""


def read(data: bytes) -> Parsed:
    """The rows of a file, as many to a page as fit. May raise `Refused`."""
    text, reason = decode(data)
    found = numbered(pages(_rows(text), _place))
    if not has_text(found):
        raise Refused("damaged", "There is no text in it.")
    return Parsed(status="ready", reason=reason, media_type=MEDIA_TYPE, pages=found)


def _rows(text: str) -> Iterator[Row]:
    csv.field_size_limit(MAX_TEXT)
    reader = csv.reader(io.StringIO(text, newline=""), _dialect(text))
    try:
        for number, cells in enumerate(reader, 1):
            yield Row(number, [cell(each) for each in cells])
    except csv.Error as error:
        raise Refused(
            "damaged", f"Row {reader.line_num} cannot be read: {error}. Export it again."
        ) from error


def _dialect(text: str) -> csv.Dialect | type[csv.Dialect]:
    lines = text[:_SAMPLE].splitlines(keepends=True)
    if len(text) > _SAMPLE and len(lines) > 1:
        lines.pop()  # it is cut off
    try:
        return csv.Sniffer().sniff("".join(lines), _BETWEEN)
    except csv.Error:  # one column, or so few rows that nothing can be told
        return csv.excel


def _place(rows: Sequence[Row]) -> str:
    first, last = rows[0].number, rows[-1].number
    return f"rows {first}–{last}" if last > first else f"row {first}"
