"""What `affidavit extract` is given and gives: schemas, documents, and files of tables."""

import importlib
import json
import os
import re
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, get_args

import typer

from graph.extraction import schema_of
from storage.errors import InvalidInput
from storage.sources import S3
from tools.table_files import FileKind

if TYPE_CHECKING:
    from graph import Orchestrator
    from storage.records import Correction

_ID: Final = re.compile(r"d-[0-9a-f]{20}")
_MODEL: Final = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_][\w.]*")


def read_schema(place: str) -> dict[str, Any]:
    """Return the JSON Schema in a file, or of the Pydantic model that `module:Model` names.

    Raises:
        BadParameter: there is neither.
        InvalidInput: it cannot be the columns of a table.
    """
    path = Path(place)
    if path.is_file():
        try:
            schema = json.loads(path.read_bytes())
        except (OSError, ValueError, RecursionError) as error:
            raise typer.BadParameter(f"{place} is no JSON Schema: {error}") from None
        return schema_of(schema)
    if not _MODEL.fullmatch(place):
        raise typer.BadParameter(f"{place} is neither a file nor a model as module:Model.")
    module, _, name = place.partition(":")
    sys.path.insert(0, str(Path.cwd()))
    try:
        found: Any = importlib.import_module(module)
        for part in name.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError) as error:
        raise typer.BadParameter(f"{place} cannot be imported: {error}") from None
    finally:
        sys.path.pop(0)
    return schema_of(found)


def parted(desk: "Orchestrator", places: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return which of the places are files to add, and which are ids of documents, in order.

    Raises:
        BadParameter: one is neither.
        NotFound: it looks like an id, and there is no such document.
    """
    files: list[str] = []
    ids: list[str] = []
    for place in places:
        if place.startswith(S3) or Path(place).exists():
            files.append(place)
        elif _ID.fullmatch(place):
            ids.append(desk.documents.get(place).id)
        else:
            raise typer.BadParameter(f"there is no file {place}, and it is no document's id.")
    return files, ids


def kind_of(out: Path) -> FileKind:
    """Return the kind of a file by its ending, before there is anything to write.

    Raises:
        BadParameter: it is none that a table can be, or there is no such folder.
    """
    for kind in get_args(FileKind):
        if out.suffix.lower() == f".{kind}":
            if not out.absolute().parent.is_dir():
                raise typer.BadParameter(f"there is no folder {out.absolute().parent}.")
            return kind  # type: ignore[no-any-return]
    raise typer.BadParameter(f"{out.name} ends in none of .json, .csv and .xlsx.")


def write(out: Path, data: bytes) -> None:
    """Write a file whole, or not at all.

    Raises:
        InvalidInput: it cannot be written.
    """
    try:
        with tempfile.NamedTemporaryFile(dir=out.absolute().parent, delete=False) as file:
            file.write(data)
        umask = os.umask(0)
        os.umask(umask)
        Path(file.name).chmod(0o666 & ~umask)  # a temporary file is its maker's alone
        Path(file.name).replace(out)
    except OSError as error:
        raise InvalidInput(f"{out} cannot be written: {error.strerror or error}.") from error


def corrected(
    desk: "Orchestrator", run_id: str, cell: str, value: str | None, comment: str
) -> "Correction":
    """Keep a correction of a cell, as the command line has it.

    Raises:
        BadParameter: cell or value is missing.
    """
    document, _, field = cell.partition(":")
    if not (document and field) or value is None:
        raise typer.BadParameter("a correction is --cell DOCUMENT:FIELD --value V.")
    table = desk.runs.get(run_id).table
    kinds = {column.name: column.kind for column in table.columns} if table else {}
    if not value.strip():
        return desk.feedback.correct(run_id, document, field, None, comment)
    given = value.split(";") if kinds.get(field) == "strings" else value
    return desk.feedback.correct(run_id, document, field, given, comment)
