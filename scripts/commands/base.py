"""What the commands share: the application, options, exit codes, how results are printed.

Each command takes `--workspace` and `--json` (one JSON document on standard output and nothing else
there; progress goes to standard error) and exits 0 done, 1 failed, 2 wrong usage, 3 waiting for a
person. What a command needs is imported when it runs, so that help comes at once.
"""

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import wraps
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import typer

from scripts import __version__
from storage.errors import AffidavitError

if TYPE_CHECKING:
    from graph import Orchestrator
    from storage.records import Claim, Correction, Run

DONE: Final = 0
FAILED: Final = 1
WAITING: Final = 3
PORT: Final = 8501
"""Where `affidavit up` serves the page, unless it is told otherwise."""
STOPPED: Final = ("error", "timeout", "cancelled")

app = typer.Typer(
    name="affidavit",
    help="Document agents whose answers you can swear to: every statement carries a citation that "
    "a program has verified against the page.\n\nStart with `affidavit demo`, or add a file and "
    "ask:\n\n    affidavit add lease.pdf\n\n    affidavit ask 'On what notice may the tenant "
    "terminate?'",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def _version(asked: bool) -> None:
    if asked:
        print(__version__)
        raise typer.Exit


@app.callback()
def _options(
    _: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


audit = typer.Typer(help="Check the record of a run.", no_args_is_help=True)
app.add_typer(audit, name="audit")

Workspace = Annotated[
    str, typer.Option("--workspace", "-w", help="The workspace; none sees another's documents.")
]
Json = Annotated[bool, typer.Option("--json", help="One JSON document on standard output.")]
DocumentId = Annotated[
    str,
    typer.Argument(metavar="DOCUMENT", help="The document's id: `affidavit documents` lists them."),
]
RunId = Annotated[
    str, typer.Argument(metavar="RUN", help="The run's id: `affidavit runs` lists them.")
]
Limit = Annotated[
    list[str] | None, typer.Option("--document", "-d", metavar="ID", help="Only this document.")
]
Thread = Annotated[
    str | None, typer.Option("--thread", "-t", help="Go on with a conversation, by its id.")
]
InterruptId = Annotated[
    str | None, typer.Option("--interrupt", metavar="ID", help="Which question, if it asks more.")
]


All = Annotated[bool, typer.Option("--all", help="All that it asks, together: all or none.")]
Strategy = Annotated[
    Literal["reject", "enqueue", "interrupt"],
    typer.Option(
        "--multitask-strategy",
        help="While the conversation is busy: refuse, wait for one's turn, or cancel what is busy.",
    ),
]


def command(function: Callable[..., int | None]) -> Callable[..., None]:
    """Make a function a command: its result is the exit code, an error of ours is a message."""

    @wraps(function)
    def wrapped(*args: Any, **kwargs: Any) -> None:
        try:
            code = function(*args, **kwargs)
        except AffidavitError as error:
            if kwargs.get("as_json"):
                print(json.dumps({"error": str(error)}, ensure_ascii=False))
            print(f"affidavit: {error}", file=sys.stderr)
            raise typer.Exit(FAILED) from None
        raise typer.Exit(code or DONE)

    return wrapped


@contextmanager
def opened(workspace: str) -> Iterator["Orchestrator"]:
    """Open a workspace; empty names the one of the settings."""
    from graph import Orchestrator

    with Orchestrator.open(workspace or None) as desk:
        yield desk


def emit(value: Any) -> None:
    """Print one JSON document."""
    print(json.dumps(value, ensure_ascii=False, indent=2))


def run_json(run: "Run", corrections: Sequence["Correction"] = ()) -> dict[str, Any]:
    """Return a run as `ask`, `extract`, `show` and `resume` print it."""
    fields = run.model_dump(mode="json", exclude={"table"})
    names = ("thread_id", "status", "answer", "interrupts", "usage", "cost_usd", "model", "error")
    for claim, shown in zip(_claims(run), (fields["answer"] or {}).get("claims", ()), strict=True):
        for cited, citation in zip(claim.citations, shown["citations"], strict=True):
            citation["locator"] = cited.place
    printed = {"run_id": run.id, **{name: fields[name] for name in names}}
    printed |= {"erased": fields["erased"]} if run.erased else {}
    if run.graph == "extraction":  # what names it takes a while to load
        from tools.table_files import as_json

        printed["table"] = as_json(run.table, corrections) if run.table else None
    return printed


def _claims(run: "Run") -> "list[Claim]":
    return run.answer.claims if run.answer else []


def show_run(desk: "Orchestrator", run: "Run", as_json: bool, *, written: bool = False) -> int:
    """Print a run and return the exit code that tells how it stands.

    Of a table that is `written` to a file only the counts are printed.
    """
    corrections = desk.feedback.corrections(run.id) if run.table else []
    if as_json:
        emit(run_json(run, corrections))
    else:
        from scripts import printing

        printing.run(run, desk.documents.version_told)
        if run.table and not written:
            printing.table(run.table, corrections)
        if run.table:
            printing.counts(run.table)
        if run.table or run.interrupts:
            printing.page_of(desk.resources.workspace.name, run, PORT)
    if run.status == "interrupted":
        return WAITING
    return FAILED if run.status in STOPPED else DONE
