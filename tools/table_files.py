"""Tables as files: JSON with everything, CSV for any program, XLSX for people.

What stands in a cell was written by strangers, and spreadsheets run texts that look like formulas:
in CSV such a text gets an apostrophe in front, in XLSX it is stored as text. So does what stands
behind a semicolon, where spreadsheets of half of the world begin another cell. CSV is UTF-8 with no
mark at the beginning, which programs take for a part of the first name. A correction stands beside
what was extracted, and never in its place. Workbooks are made in `tools/table_workbook.py`.
"""

import csv
import io
import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Literal

from storage.records import Cell, CellState, CellValue, Correction, Extraction

FileKind = Literal["json", "csv", "xlsx"]
Corrected = Mapping[tuple[str, str], Correction]
"""The last correction of each cell that has one, by document and column."""

STATES: Final[dict[CellState, str]] = {
    "found": "found",
    "not_in_document": "not in document",
    "uncertain": "uncertain",
}
FORMULA: Final = re.compile(r"\s*[=+\-@]|[\t\r\n]")
_BEHIND: Final = re.compile(r"(?<=;)\s*(?=[=+@]|-\S)")


def last_of(corrections: Sequence[Correction]) -> dict[tuple[str, str], Correction]:
    """Return the last correction of each cell; they come oldest first."""
    return {(each.document_id, each.field): each for each in corrections}


def as_json(table: Extraction, corrections: Sequence[Correction] = ()) -> dict[str, Any]:
    """Return a table as one JSON value, with the corrections in the cells that they are about."""
    said = last_of(corrections)
    value = table.model_dump(mode="json")
    for row in value["rows"]:
        for name, cell in row["cells"].items():
            if each := said.get((row["document_id"], name)):
                kept = each.model_dump(
                    mode="json", exclude={"id", "run_id", "document_id", "field"}
                )
                cell["correction"] = kept
    return value


def table_file(kind: FileKind, table: Extraction, corrections: Sequence[Correction] = ()) -> bytes:
    """Return a table as a file."""
    write: dict[str, Callable[[Extraction, Sequence[Correction]], bytes]] = {
        "json": _json,
        "csv": _csv,
        "xlsx": _workbook,
    }
    return write[kind](table, corrections)


def shown(value: CellValue) -> str:
    """Return a value as text on one line: of a list the entries, one behind the other."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return "; ".join(value) if isinstance(value, list) else str(value)


def _workbook(table: Extraction, corrections: Sequence[Correction]) -> bytes:
    from tools.table_workbook import workbook  # which takes a while to load

    return workbook(table, corrections)


def _json(table: Extraction, corrections: Sequence[Correction]) -> bytes:
    return json.dumps(as_json(table, corrections), ensure_ascii=False, indent=2).encode()


# --- CSV


def _csv(table: Extraction, corrections: Sequence[Correction]) -> bytes:
    said = last_of(corrections)
    corrected = {field for _, field in said}
    out = io.StringIO(newline="")
    write = csv.writer(out)
    heads = ["document_id", "document", "sha256", "status", "reason"]
    for column in table.columns:
        more = [f"{column.name} (corrected)"] if column.name in corrected else []
        name = column.name
        heads += [name, f"{name} (state)", f"{name} (place)", f"{name} (quote)", *more]
    write.writerow(map(_harmless, distinct(heads)))
    for row in table.rows:
        line: list[Any] = [row.document_id, row.document, row.sha256, row.status, row.reason]
        for column in table.columns:
            cell = row.cells[column.name]
            line += [plain(cell.value), STATES[cell.state], _places(cell), _quotes(cell)]
            if column.name in corrected:
                line.append(corrected_to(said.get((row.document_id, column.name))))
        write.writerow(map(_harmless, line))
    return out.getvalue().encode()


def plain(value: CellValue) -> float | str:
    """Return a value as a file of text has it; numbers stay numbers."""
    return value if isinstance(value, int | float) and not isinstance(value, bool) else shown(value)


def distinct(heads: Sequence[str]) -> list[str]:
    """Return the heads of columns so that no two are the same: a schema may ask for "status"."""
    found: list[str] = []
    for head in heads:
        others = (f"{head} ({n})" for n in range(2, len(heads) + 2))
        found.append(next(each for each in (head, *others) if each not in found))
    return found


def _harmless(value: Any) -> Any:
    """Return what no spreadsheet takes for a formula."""
    if not isinstance(value, str):
        return value
    value = _BEHIND.sub(r"\g<0>'", value)
    return f"'{value}" if FORMULA.match(value) else value


def _places(cell: Cell) -> str:
    return "; ".join(dict.fromkeys(citation.place for citation in cell.citations))


def _quotes(cell: Cell) -> str:
    return " | ".join(" ".join(citation.quote.split()) for citation in cell.citations)


def corrected_to(correction: Correction | None) -> float | str:
    """Return what a person says that a cell should have held."""
    if correction is None:
        return ""
    return "not in document" if correction.value is None else plain(correction.value)
