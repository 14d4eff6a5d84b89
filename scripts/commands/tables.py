"""Commands on tables: extract."""

import sys
from typing import Annotated

import typer

from scripts.commands.base import FAILED, Json, Workspace, app, command, opened
from scripts.commands.runs import Out, driven


@app.command()
@command
def extract(
    schema: Annotated[
        str,
        typer.Argument(metavar="SCHEMA", help="A JSON Schema file, or module:Model (Pydantic)."),
    ],
    files: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="FILE…", help="Files, folders, s3://bucket/prefix, or ids of documents."
        ),
    ] = None,
    out: Out = None,
    workspace: Workspace = "",
    as_json: Json = False,
) -> int:
    """Fill in a table: a row for each document, a cited cell for each property of the schema.

    Each cell says whether its value was found, is not in the document, or is uncertain. What is not
    known yet is added first; without FILE it is made of all documents. A run that was stopped goes
    on with `affidavit resume RUN --out FILE`; `affidavit show RUN --out FILE` writes it again.
    """
    from scripts.adding import add_all, find
    from scripts.printing import EARLIER
    from scripts.tables import kind_of, parted, read_schema

    if out:
        kind_of(out)
    asked = read_schema(schema)
    failed: list[str] = []
    with opened(workspace) as desk:
        places, ids = parted(desk, files or [])
        if places:
            added, failed = add_all(desk, find(places))
            ids += [each.document.id for each in added]
            for each in added:
                if each.earlier:
                    print(f"affidavit: {each.document.name}: {EARLIER}", file=sys.stderr)
        for message in failed:
            print(f"affidavit: {message}", file=sys.stderr)
        if failed and not ids:
            return FAILED
        run = desk.runs.submit_extraction(asked, documents=ids, driven_here=True)
        code = driven(desk, run.id, as_json, out)
    return FAILED if failed else code
