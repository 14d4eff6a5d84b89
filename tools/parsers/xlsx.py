"""Reads XLSX: each sheet as its cells show it, with the range of cells for a locator.

openpyxl reads the values that were computed when the file was saved; nothing is computed here, and
macros, links and pictures are not looked at. Of a formula that was never computed there is no value
to read, and that is told.
"""

import datetime
import io
import re
from collections.abc import Iterator, Sequence
from typing import Any, Final

import openpyxl
from openpyxl.utils import get_column_letter

from tools.parsers.grids import Row, Section, cell, pages
from tools.parsers.package import Package, opened
from tools.parsers.result import Parsed, Refused, has_text, numbered

MEDIA_TYPE: Final = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
_UNCOMPUTED = re.compile(rb"<f\b[^>]*(?:/>|>[^<]*</f>)\s*(?:<v\s*/>|<v>\s*</v>)?\s*</c>")
_READ: Final = {"worksheet": "worksheet", "sharedStrings": "sst", "styles": "styleSheet"}
"""The parts that openpyxl reads by their relations, and what their roots are called."""
_PLAIN_NAME = re.compile(r"\w+")
_DECIMALS = re.compile(r"0\.(0+)")


def read(data: bytes) -> Parsed:
    """The sheets of a workbook. May raise `Refused`."""
    with opened(data, "Excel") as package:
        uncomputed = _uncomputed(package)
        unread = package.unread(r"xl/worksheets/[^/]+\.xml")
        found = numbered(_sheets(data))
    if not has_text(found):
        if uncomputed:
            raise Refused("damaged", _told(uncomputed))
        raise Refused("damaged", "There is no text in it.")
    told = f"{unread} {_told(uncomputed)}".strip()
    return Parsed(status="ready", reason=told, media_type=MEDIA_TYPE, pages=found)


def _told(uncomputed: int) -> str:
    if not uncomputed:
        return ""
    what = "A formula was" if uncomputed == 1 else f"{uncomputed:,} formulas were"
    return f"{what} never computed, and cannot be read. Open it in Excel, save it, and add that."


def _uncomputed(package: Package) -> int:
    """How many formulas have no value. What openpyxl will read is held to the limits before."""
    main = package.main("xl/workbook.xml")
    package.xml(main)
    parts = [each for each in package.related(main) if each.kind in _READ]
    read = {each: package.plain(each.path, _READ[each.kind]) for each in parts}
    sheets = (data for part, data in read.items() if part.kind == "worksheet")
    return sum(len(_UNCOMPUTED.findall(data)) for data in sheets)


def _sheets(data: bytes) -> Iterator[Section]:
    try:
        book = openpyxl.load_workbook(
            io.BytesIO(data), read_only=True, data_only=True, keep_links=False
        )
    except (TypeError, AttributeError, SyntaxError) as error:  # of XML that is no workbook's
        raise ValueError(str(error)) from error
    for sheet in book.worksheets:
        sheet.reset_dimensions()  # what a file says of its size need not be true
        yield from pages(_rows(sheet), _placed(sheet.title), cell(sheet.title))


def _rows(sheet: Any) -> Iterator[Row]:
    try:
        for number, cells in enumerate(sheet.iter_rows(), 1):
            yield Row(number, [_shown(each.value, each) for each in cells])
    except (TypeError, AttributeError, SyntaxError) as error:
        raise ValueError(str(error)) from error


def _placed(title: str) -> Any:
    name = title if _PLAIN_NAME.fullmatch(title) else "'" + title.replace("'", "''") + "'"

    def place(rows: Sequence[Row]) -> str:
        last = get_column_letter(max(1, *(len(row.cells) for row in rows)))
        return f"{cell(name)}!A{rows[0].number}:{last}{rows[-1].number}"

    return place


def _shown(value: Any, holder: Any) -> str:
    """A value as its cell shows it, as far as its number format is a usual one."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, int | float):
        return _number(value, holder.number_format or "General")
    if isinstance(value, datetime.datetime) and value.time() == datetime.time():
        return value.date().isoformat()
    if isinstance(value, datetime.datetime):
        return value.isoformat(sep=" ", timespec="minutes")
    return cell(str(value))


def _number(value: float, form: str) -> str:
    form = form.partition(";")[0]
    decimals = _DECIMALS.search(form)
    places = len(decimals[1]) if decimals else 0
    if "%" in form:
        return f"{value:.{places}%}"
    if "#,##0" in form:
        return f"{value:,.{places}f}"
    if decimals:
        return f"{value:.{places}f}"
    return f"{value:.15g}"
