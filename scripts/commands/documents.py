"""Commands on documents: add, search, page."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from scripts.commands.base import DONE, FAILED, Json, Limit, Workspace, app, command, emit, opened


@app.command()
@command
def add(
    files: Annotated[
        list[str],
        typer.Argument(metavar="FILE…", help="Files, folders, or s3://bucket/prefix."),
    ],
    version_of: Annotated[
        str, typer.Option(metavar="ID", help="The one file is the newest version of this document.")
    ] = "",
    workspace: Workspace = "",
    as_json: Json = False,
) -> int:
    """Add files. Each ends with a status and, unless all is well, a reason.

    The same bytes are added once. A folder stands for the files in it, and s3://bucket/prefix for
    the objects whose keys begin so. What cannot be read is said, and the rest is added.
    """
    from scripts import printing
    from scripts.adding import add_all, find

    for file in files:
        if not (file.startswith("s3://") or Path(file).exists()):
            raise typer.BadParameter(f"there is no file {file}.")
    found = find(files)
    if version_of and len(found) != 1:
        raise typer.BadParameter(f"--version-of takes one file, not {len(found)}.")
    with opened(workspace) as desk:
        added, failed = add_all(desk, found, version_of)
    for message in failed:
        print(f"affidavit: {message}", file=sys.stderr)
    if as_json:
        names = ("id", "name", "sha256", "status", "reason", "pages")
        rows = [(document.model_dump(), new) for document, new in added]
        emit([{**{name: row[name] for name in names}, "new": new} for row, new in rows])
    else:
        printing.documents(added)
    return FAILED if failed else DONE


@app.command()
@command
def search(
    query: Annotated[str, typer.Argument(help="What to look for.")],
    document: Limit = None,
    limit: Annotated[int, typer.Option(min=1, max=100, help="At most so many.")] = 10,
    workspace: Workspace = "",
    as_json: Json = False,
) -> None:
    """Show what the librarian finds for a question, best first."""
    from scripts import printing

    with opened(workspace) as desk:
        found = desk.documents.search(query, documents=document or [], limit=limit)
    rows = [passage.model_dump(exclude={"sha256", "opens", "cited"}) for passage in found]
    emit(rows) if as_json else printing.passages(found)


@app.command()
@command
def page(
    document_id: Annotated[str, typer.Argument(metavar="DOCUMENT", help="The document's id.")],
    number: Annotated[int, typer.Argument(metavar="N", help="The page; counts from 1.")],
    version: Annotated[
        str, typer.Option(metavar="SHA256", help="Of this version; otherwise of the newest.")
    ] = "",
    workspace: Workspace = "",
    as_json: Json = False,
) -> None:
    """Print the stored text of a page: what citations point into."""
    with opened(workspace) as desk:
        found = desk.documents.page(document_id, number, version=version)
    emit(found.model_dump()) if as_json else sys.stdout.write(found.text + "\n")
