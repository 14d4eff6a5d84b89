"""Commands on documents: add, list, search, card, page, erase."""

import sys
from getpass import getpass
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from scripts.commands.base import (
    DONE,
    FAILED,
    DocumentId,
    Json,
    Limit,
    Workspace,
    app,
    command,
    emit,
    opened,
    show_run,
)
from storage.errors import InvalidInput

_ASK: Final = "-"
Password = Annotated[
    str,
    typer.Option(
        metavar="P",
        envvar="AFFIDAVIT_DOCUMENT_PASSWORD",
        help="Opens what is locked. With - it is asked for: others on this machine may see what "
        "stands on a command line.",
    ),
]

Kind = Annotated[
    str, typer.Option(metavar="WORDS", help="Only documents of this kind: 'supply agreement'.")
]
Party = Annotated[str, typer.Option(metavar="NAME", help="Only documents that name this party.")]
Dated = Annotated[
    str, typer.Option(metavar="TIME", help="Only of this time: 2019, 2019-03, 2018..2020.")
]
_LISTED: Final = {"id", "name", "sha256", "status", "reason", "pages"}


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
    password: Password = "",
    workspace: Workspace = "",
    as_json: Json = False,
) -> int:
    """Add files. Each ends with a status and, unless all is well, a reason.

    The same bytes are added once. A folder stands for the files in it, and s3://bucket/prefix for
    the objects whose keys begin so. What is attached to a mail is added with it. What cannot be
    read is said, and the rest is added. A locked file is added again with --password, which is
    kept nowhere; its text is then kept as that of any other document.
    """
    from scripts import printing
    from scripts.adding import add_all, find

    for file in files:
        if not (file.startswith("s3://") or Path(file).exists()):
            raise typer.BadParameter(f"there is no file {file}.")
    found = find(files)
    if version_of and len(found) != 1:
        raise typer.BadParameter(f"--version-of takes one file, not {len(found)}.")
    password = _given(password)
    with opened(workspace) as desk:
        added, failed = add_all(desk, found, version_of, password)
    for message in failed:
        print(f"affidavit: {message}", file=sys.stderr)
    if as_json:
        rows = [row for each in added for row in each.with_attachments()]
        emit(
            [
                each.document.model_dump(include=_LISTED) | {"new": each.new, "attached_to": holder}
                for each, holder in rows
            ]
        )
    else:
        printing.documents(added)
    return FAILED if failed else DONE


def _given(password: str) -> str:
    """Ask for a password, without showing it; a program writes it to standard input, as a line."""
    if password != _ASK:
        return password
    if sys.stdin.isatty():
        return getpass("Password: ", sys.stderr)
    return sys.stdin.readline().rstrip("\r\n")


@app.command()
@command
def documents(
    kind: Kind = "",
    party: Party = "",
    dated: Dated = "",
    workspace: Workspace = "",
    as_json: Json = False,
) -> None:
    """List the documents, newest first, with their ids, and why any cannot be read in full."""
    from scripts import printing

    with opened(workspace) as desk:
        found = desk.documents.list(kind=kind, party=party, dated=dated)[::-1]
    if as_json:
        emit([each.model_dump(include=_LISTED) for each in found])
        return
    if not found:
        limits = bool(kind or party or dated)
        printing.err.print("No document is like that." if limits else "Nothing was added yet.")
    printing.listed(found)


@app.command()
@command
def search(
    query: Annotated[str, typer.Argument(help="What to look for.")],
    document: Limit = None,
    kind: Kind = "",
    party: Party = "",
    dated: Dated = "",
    limit: Annotated[int, typer.Option(min=1, max=100, help="At most so many.")] = 10,
    workspace: Workspace = "",
    as_json: Json = False,
) -> None:
    """Show what the librarian finds for a question, best first.

    The documents that the question names come first, by what their cards say (`affidavit card`),
    then those whose passages fit best; of each its best passages, with their START:END on the page.
    The scores that --json has compare passages of one document, and no documents.
    """
    from scripts import printing

    with opened(workspace) as desk:
        found = desk.documents.search(
            query, documents=document or [], kind=kind, party=party, dated=dated, limit=limit
        )
        limits = {"kind": kind, "party": party, "dated": dated}
        if not found and any(limits.values()) and not desk.documents.list(**limits):
            printing.err.print("No document is like that; `affidavit card` shows what theirs say.")
    inner = {"sha256", "opens", "cited", "heads", "heads_page"}
    rows = [passage.model_dump(exclude=inner) for passage in found]
    emit(rows) if as_json else printing.passages(found)


@app.command()
@command
def card(document_id: DocumentId, workspace: Workspace = "", as_json: Json = False) -> None:
    """Print what a document says of itself: title, kind, parties, dates, numbers, with their pages.

    It is read from the text alone, when the document is added.
    """
    from scripts import printing

    with opened(workspace) as desk:
        found = desk.documents.card(document_id)
        if as_json:
            emit(found.model_dump())
            return
        if reason := desk.documents.get(document_id).reason:
            printing.err.print(reason, markup=False)
        place = desk.documents.place
        printing.card(found, lambda s: place(document_id, s.page, s.start, s.end))


@app.command()
@command
def page(
    document_id: DocumentId,
    number: Annotated[int, typer.Argument(metavar="N", help="The page; counts from 1.")],
    version: Annotated[
        str, typer.Option(metavar="SHA256", help="Of this version; otherwise of the newest.")
    ] = "",
    picture: Annotated[
        Path | None, typer.Option(metavar="OUT.png", help="Draw it there; pages of PDF only.")
    ] = None,
    mark: Annotated[
        list[str] | None,
        typer.Option(metavar="START:END", help="Mark this stretch of its text on the picture."),
    ] = None,
    password: Password = "",
    workspace: Workspace = "",
    as_json: Json = False,
) -> None:
    """Print the stored text of a page: what citations point into. Or draw it."""
    marks = [_stretch(each) for each in mark or ()]
    if marks and picture is None:
        raise typer.BadParameter("--mark goes with --picture OUT.png.")
    with opened(workspace) as desk:
        found = desk.documents.page(document_id, number, version=version)
        if picture is None:
            emit(found.model_dump(exclude_none=True)) if as_json else sys.stdout.write(
                found.text + "\n"
            )
            return
        password = _given(password)
        asked: dict[str, Any] = {"version": version, "marks": marks, "password": password}
        png = desk.documents.picture(document_id, number, **asked)
        drawn = desk.documents.drawn(document_id, number, **asked)  # which is kept by now
    try:
        picture.write_bytes(png)
    except OSError as error:
        raise InvalidInput(f"{picture} cannot be written: {error.strerror}.") from error
    if as_json:
        emit({"picture": str(picture), **drawn.model_dump(exclude={"png", "reason"})})
    else:
        print(f"{picture}: {found.locator}, {len(png):,} bytes")


def _stretch(given: str) -> tuple[int, int]:
    start, _, end = given.partition(":")
    if not (start.isdecimal() and end.isdecimal()):
        raise typer.BadParameter(f"--mark takes START:END, two numbers, not {given!r}.")
    return int(start), int(end)


@app.command()
@command
def erase(document_id: DocumentId, workspace: Workspace = "", as_json: Json = False) -> int:
    """Erase a document for good, once it is approved: all versions, and what runs kept of it.

    It asks first, and says what would go and what stays. `affidavit approve` and `affidavit resume`
    go on; broken off, it is gone on with by asking again.
    """
    with opened(workspace) as desk:
        return show_run(desk, desk.documents.erase(document_id), as_json)
