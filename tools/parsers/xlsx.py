"""Reads XLSX: each sheet as its cells show it, with the range of cells for a locator.

openpyxl reads the values that were computed when the file was saved; nothing is computed here, and
macros, links and pictures are not looked at. Of a formula that was never computed there is no value
to read, and that is told. Rows and cells come in order, each once: of others openpyxl drops some,
so such a sheet is `damaged`.
"""

import datetime
import io
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from decimal import ROUND_HALF_UP, Context, Decimal
from typing import Any, Final, NamedTuple

import openpyxl
from openpyxl.utils import get_column_letter

from tools.parsers.grids import Row, Section, cell, pages
from tools.parsers.office_xml import child, children, value
from tools.parsers.package import Package, opened
from tools.parsers.result import Parsed, Refused, has_text, numbered

MEDIA_TYPE: Final = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
_UNCOMPUTED = re.compile(rb"<f\b[^>]*(?:/>|>[^<]*</f>)\s*(?:<v\s*/>|<v>\s*</v>)?\s*</c>")
_READ: Final = {"sharedStrings": "sst", "styles": "styleSheet"}
"""The parts that openpyxl reads beside sheets, and what their roots are called."""
_TYPES: Final = re.compile(r"\.(sharedStrings|main)\+xml$")
_NO_SHEET: Final = (
    "What its list of parts says does not lead to its sheets. Open it in Excel, save it again, and "
    "add that."
)
_DISORDER: Final = (
    "Rows or cells of it are not in their order, so that some would be left out. Open it in Excel, "
    "save it again, and add that."
)
_PLAIN_NAME = re.compile(r"\w+")
_PLACE = re.compile(
    rb"<(?:\w+:)?(?:(?P<row>row)\b(?:[^>]*?\sr=[\"'](?P<number>\d+)[\"'])?"
    rb"|c\s(?:[^>]*?\s)?r=[\"'](?P<column>[A-Z]+)\d+[\"'])"
)
# What of a number format is no digit to be shown (ECMA-376, part 1, 18.8.31).
_LITERAL = re.compile(r'"[^"]*"|\\.|\[[^\]]*\]|[_*].')
_DECIMALS = re.compile(r"\.([0#?]+)")
_THOUSANDS = re.compile(r"[0#?],[0#?]")
_SCALED = re.compile(r"[0#?],+(?![0#?,])")
_MOST_DECIMALS: Final = 30
_NAME_CHARS: Final = 31
"""Of a sheet, in Excel."""
_DIGITS: Final = Context(prec=400)
"""Enough for every number that a cell can hold."""


def read(data: bytes) -> Parsed:
    """The sheets of a workbook. May raise `Refused`."""
    with opened(data, "Excel") as package:
        sheets = _examined(package)
        uncomputed = sum(len(_UNCOMPUTED.findall(sheet.data)) for sheet in sheets)
        unread = package.unread(r"xl/worksheets/[^/]+\.xml")
        found = numbered(_sheets(data, [sheet.name for sheet in sheets]))
    if not has_text(found):
        if uncomputed:
            raise Refused("damaged", _told(uncomputed))
        raise Refused("damaged", "There is no text in it.")
    told = " ".join(filter(None, [_hidden(sheets), unread, _told(uncomputed)]))
    return Parsed(status="ready", reason=told, media_type=MEDIA_TYPE, pages=found)


class _Sheet(NamedTuple):
    """A sheet with cells, before openpyxl reads it."""

    name: str
    is_hidden: bool
    data: bytes


def _told(uncomputed: int) -> str:
    if not uncomputed:
        return ""
    what = "A formula was" if uncomputed == 1 else f"{uncomputed:,} formulas were"
    return f"{what} never computed, and cannot be read. Open it in Excel, save it, and add that."


def _hidden(sheets: Sequence[_Sheet]) -> str:
    """What to say of sheets that Excel does not show."""
    names = [cell(sheet.name)[:_NAME_CHARS] for sheet in sheets if sheet.is_hidden]
    shown = ", ".join([*names[:5], *(["others"] if len(names) > 5 else [])])
    return f"Hidden in it, and read all the same: {shown}." if names else ""


def _examined(package: Package) -> list[_Sheet]:
    """The sheets that Excel would show, all that openpyxl will read being held to the limits."""
    main = package.main("xl/workbook.xml")
    related = {each.id: each for each in package.related(main)}
    by_kind = {each.kind: each.path for each in related.values() if each.kind in _READ}
    _check_types(package, {**by_kind, "main": main})
    for kind, path in by_kind.items():
        package.plain(path, _READ[kind])
    sheets = []
    for each in children(child(package.xml(main), "s:sheets"), "s:sheet"):
        part = related.get(value(each, "r:id"))
        if part is None:
            raise Refused("damaged", _NO_SHEET)
        if part.kind == "chartsheet":
            continue
        data = package.plain(part.path, "worksheet" if part.kind == "worksheet" else "")
        if not _in_order(data):
            raise Refused("damaged", _DISORDER)
        hidden = each.get("state", "visible") != "visible"  # 18.2.19
        sheets.append(_Sheet(each.get("name", ""), hidden, data))
    return sheets


def _check_types(package: Package, paths: Mapping[str, str]) -> None:
    """Refuse a workbook of which Excel, by relations, and openpyxl, by types, read other parts."""
    for each in package.xml("[Content_Types].xml"):
        kind, part = _TYPES.search(each.get("ContentType", "")), each.get("PartName")
        if kind and part and part.lstrip("/").lower() != paths.get(kind[1], "").lower():
            raise Refused("damaged", _NO_SHEET)


def _in_order(sheet: bytes) -> bool:
    """Whether rows, and cells in each, come one after the other (ECMA-376, part 1, 18.3.1).

    A row without a number is the next one.
    """
    row, column = 0, (0, b"")
    for place in _PLACE.finditer(sheet):
        if place["row"]:
            number = int(place["number"] or row + 1)
            if number <= row:
                return False
            row, column = number, (0, b"")
        elif (len(place["column"]), place["column"]) <= column:
            return False
        else:
            column = len(place["column"]), place["column"]
    return True


def _sheets(data: bytes, names: Sequence[str]) -> Iterator[Section]:
    try:
        book = openpyxl.load_workbook(
            io.BytesIO(data), read_only=True, data_only=True, keep_links=False
        )
    except (TypeError, AttributeError, SyntaxError) as error:  # of XML that is no workbook's
        raise ValueError(str(error)) from error
    if [sheet.title for sheet in book.worksheets] != names:
        raise Refused("damaged", _NO_SHEET)
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
    exact = f"{value:.15g}"  # Excel keeps no more digits
    form = _LITERAL.sub("", form).partition(";")[0]
    found = _DECIMALS.search(form)
    places = found[1][:_MOST_DECIMALS] if found else ""
    if "E" in form.removeprefix("General"):
        return f"{value:.{len(places)}E}"
    percent, thousands = "%" in form, bool(_THOUSANDS.search(form))
    shows = found or percent or thousands
    if not shows or _SCALED.search(form) or not math.isfinite(value):
        return exact
    number = _DIGITS.multiply(Decimal(exact), Decimal(100 if percent else 1))
    number = number.quantize(Decimal(1).scaleb(-len(places)), ROUND_HALF_UP, _DIGITS)
    text = f"{number:{',' if thousands else ''}f}"
    for optional in reversed(places):
        if optional == "0" or not text.endswith("0"):
            break
        text = text[:-1]
    return text.rstrip(".") + ("%" if percent else "")
