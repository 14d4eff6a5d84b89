"""The command line: `affidavit --help` teaches it.

Each command takes `--workspace` and `--json` (one JSON document on standard output and nothing else
there; progress goes to standard error) and exits 0 done, 1 failed, 2 wrong usage, 3 waiting for a
person. What a command needs is imported when it runs, so that help comes at once.
"""

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import typer

from storage.errors import AffidavitError

if TYPE_CHECKING:
    from graph import Orchestrator
    from storage.records import Run

DONE: Final = 0
FAILED: Final = 1
WAITING: Final = 3

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
        from importlib.metadata import version

        print(version("affidavit"))
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
RunId = Annotated[str, typer.Argument(metavar="RUN", help="The run's id, as `ask` printed it.")]
Limit = Annotated[
    list[str] | None, typer.Option("--document", "-d", metavar="ID", help="Only this document.")
]
Thread = Annotated[
    str | None, typer.Option("--thread", "-t", help="Go on with a conversation, by its id.")
]
InterruptId = Annotated[
    str | None, typer.Option("--interrupt", metavar="ID", help="Which question, if it asks more.")
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


def run_json(run: "Run") -> dict[str, Any]:
    """Return a run as `ask`, `show` and `resume` print it."""
    fields = run.model_dump(mode="json")
    names = ("thread_id", "status", "answer", "interrupts", "usage", "cost_usd", "model", "error")
    return {"run_id": run.id, **{name: fields[name] for name in names}}


def show_run(run: "Run", as_json: bool) -> int:
    """Print a run and return the exit code that tells how it stands."""
    if as_json:
        emit(run_json(run))
    else:
        from scripts import printing

        printing.run(run)
    if run.status == "interrupted":
        return WAITING
    return FAILED if run.status in ("error", "timeout", "cancelled") else DONE


@app.command()
@command
def add(
    files: Annotated[
        list[str],
        typer.Argument(metavar="FILE…", help="Files, folders, or s3://bucket/prefix."),
    ],
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
    with opened(workspace) as desk:
        added, failed = add_all(desk, found)
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
def ask(
    question: Annotated[str, typer.Argument(help="The question, in plain words.")],
    document: Limit = None,
    thread: Thread = None,
    workspace: Workspace = "",
    as_json: Json = False,
) -> int:
    """Ask a question; the answer quotes the page that proves it, or says there is none."""
    with opened(workspace) as desk:
        run = desk.runs.submit(question, documents=document or [], thread=thread, driven_here=True)
        return _driven(desk, run.id, as_json)


def _driven(desk: "Orchestrator", run_id: str, as_json: bool) -> int:
    """Drive a run here and print it; one that stays due, as a service failed, is not done."""
    run = _drive(desk, run_id)
    code = show_run(run, as_json)
    return FAILED if run.status == "pending" else code


def _drive(desk: "Orchestrator", run_id: str) -> "Run":
    """Drive a run here, with what the agents do on standard error."""
    from scripts import printing, progress

    run = desk.runs.get(run_id)
    printing.err.print(f"[dim]run {run_id}  thread {run.thread_id}[/dim]")
    try:
        with progress.shown(desk, run_id) as say:
            return desk.drive(run_id, progress=say)
    except KeyboardInterrupt:
        printing.err.print(f"Stopped; nothing is lost. `affidavit resume {run_id}` goes on.")
        raise typer.Exit(FAILED) from None


@app.command()
@command
def resume(run_id: RunId, workspace: Workspace = "", as_json: Json = False) -> int:
    """Go on with a run from where it stands: after a crash, a decision or an error."""
    with opened(workspace) as desk:
        run = desk.runs.get(run_id)
        if run.status == "error":
            desk.runs.retry(run_id)
        elif run.ended or run.status == "interrupted":
            return show_run(run, as_json)
        return _driven(desk, run_id, as_json)


@app.command()
@command
def show(run_id: RunId, workspace: Workspace = "", as_json: Json = False) -> int:
    """Show a run: its answer, or what it waits for."""
    with opened(workspace) as desk:
        show_run(desk.runs.get(run_id), as_json)
        return DONE


@app.command()
@command
def runs(
    status: Annotated[str | None, typer.Option(help="Only runs with this status.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = 50,
    workspace: Workspace = "",
    as_json: Json = False,
) -> None:
    """List the runs, newest first."""
    from scripts import printing

    known = ("pending", "running", "interrupted", "success", "error", "timeout", "cancelled")
    if status is not None and status not in known:
        raise typer.BadParameter(f"{status!r} is none of {', '.join(known)}.")
    with opened(workspace) as desk:
        found = desk.runs.list(status=status, limit=limit)  # type: ignore[arg-type]
    emit(found) if as_json else printing.runs(found)


@app.command()
@command
def cancel(run_id: RunId, workspace: Workspace = "", as_json: Json = False) -> None:
    """End a run; whoever drives it changes nothing more."""
    with opened(workspace) as desk:
        show_run(desk.runs.cancel(run_id), as_json)


@app.command()
@command
def approve(
    run_id: RunId,
    interrupt: InterruptId = None,
    edit: Annotated[
        str | None, typer.Option(metavar="JSON", help="Approve with these arguments instead.")
    ] = None,
    workspace: Workspace = "",
    as_json: Json = False,
) -> None:
    """Approve what a run asks for. The decision is stored; a worker or `resume` goes on."""
    with opened(workspace) as desk:
        waiting = _waiting(desk, run_id, interrupt)
        decision: dict[str, Any] = {"type": "approve"}
        if edit is not None:
            name = waiting.value["action_requests"][0]["name"]
            decision = {
                "type": "edit",
                "edited_action": {"name": name, "args": _json_object(edit)},
            }
        show_run(desk.runs.resume(run_id, {waiting.id: decision}), as_json)


@app.command()
@command
def reject(
    run_id: RunId,
    reason: Annotated[str, typer.Option(help="Why; the agents are told.")],
    interrupt: InterruptId = None,
    workspace: Workspace = "",
    as_json: Json = False,
) -> None:
    """Reject what a run asks for, with a reason that goes back to the agents."""
    with opened(workspace) as desk:
        waiting = _waiting(desk, run_id, interrupt)
        decision = {"type": "reject", "message": reason}
        show_run(desk.runs.resume(run_id, {waiting.id: decision}), as_json)


@app.command()
@command
def settle(
    run_id: RunId,
    outcome: Annotated[Literal["done", "not-done"], typer.Option(help="What you found.")],
    interrupt: InterruptId = None,
    workspace: Workspace = "",
    as_json: Json = False,
) -> None:
    """Say how an effect has ended whose outcome nobody knows."""
    with opened(workspace) as desk:
        waiting = _waiting(desk, run_id, interrupt)
        decision = {"type": outcome.replace("-", "_")}
        show_run(desk.runs.resume(run_id, {waiting.id: decision}), as_json)


def _waiting(desk: "Orchestrator", run_id: str, interrupt: str | None) -> Any:
    """Return the interrupt that is meant: the one that is named, or the only one."""
    waiting = desk.runs.get(run_id).interrupts
    if interrupt is None and len(waiting) == 1:
        return waiting[0]
    for each in waiting:
        if each.id == interrupt:
            return each
    if not waiting:
        raise AffidavitError(f"Run {run_id} asks nothing; `affidavit show {run_id}` tells why.")
    ids = ", ".join(each.id for each in waiting)
    raise AffidavitError(f"Name the question with --interrupt; run {run_id} asks: {ids}.")


def _json_object(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except ValueError as error:
        raise typer.BadParameter(f"--edit is no JSON: {error}") from None
    if not isinstance(value, dict):
        raise typer.BadParameter("--edit is a JSON object of arguments.")
    return value


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
    workspace: Workspace = "",
    as_json: Json = False,
) -> None:
    """Print the stored text of a page: what citations point into."""
    with opened(workspace) as desk:
        found = desk.documents.page(document_id, number)
    emit(found.model_dump()) if as_json else sys.stdout.write(found.text + "\n")


@app.command()
@command
def feedback(
    run_id: RunId,
    up: Annotated[bool, typer.Option("--up/--down", help="A thumb up or down.")] = True,
    comment: Annotated[str, typer.Option(help="What to say about it.")] = "",
    workspace: Workspace = "",
    as_json: Json = False,
) -> None:
    """Say what you think of an answer; it is kept with the run."""
    with opened(workspace) as desk:
        kept = desk.feedback.add(run_id, "up" if up else "down", comment)
    emit(kept.model_dump(mode="json")) if as_json else print("Thank you; it is kept with the run.")


@audit.command()
@command
def verify(run_id: RunId, workspace: Workspace = "", as_json: Json = False) -> int:
    """Recompute the chain of a run and compare it with its signed anchors."""
    with opened(workspace) as desk:
        verdict = desk.audit.verify(run_id)
    if as_json:
        emit(verdict.model_dump())
    elif verdict.first_bad is None:
        print(f"{verdict.events} events, each as it was recorded.")
    else:
        bad = verdict.first_bad
        print(f"Event {bad.seq} is wrong ({bad.where}): {bad.why}.")
    return DONE if verdict.ok else FAILED


@app.command()
@command
def worker(
    concurrency: Annotated[int, typer.Option(min=1, help="Runs at once.")] = 4,
    workspace: Workspace = "",
) -> None:
    """Drive runs as they come, until interrupted; as many workers as one likes."""
    from scripts.serving import work

    with opened(workspace) as desk:
        work(desk, concurrency)


@app.command()
@command
def up(
    port: Annotated[int, typer.Option(help="The page's port on this machine.")] = 8501,
    workspace: Workspace = "",
) -> int:
    """Start the page and a worker on this machine, and stop both with Ctrl-C."""
    from scripts.serving import serve

    return serve(port, workspace)


@app.command()
@command
def setup(
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    destroy: Annotated[bool, typer.Option(help="Take down what holds no data.")] = False,
    and_data: Annotated[
        str, typer.Option(metavar="PREFIX", help="With --destroy: delete all data of PREFIX too.")
    ] = "",
    as_json: Json = False,
) -> int:
    """Set up the AWS account: show what is missing or was changed, ask, and put it right.

    Safe to run again, also after it was interrupted. With --json and without --yes it only looks,
    and exits 1 if there is anything to do.
    """
    from scripts.setup_aws_infrastructure import set_up, take_down

    if and_data and not destroy:
        raise typer.BadParameter("--and-data goes with --destroy.")
    return take_down(yes, and_data, as_json) if destroy else set_up(yes, as_json)


@app.command()
@command
def doctor(as_json: Json = False) -> int:
    """Check everything that a run needs, by using it; each trouble comes with its remedy."""
    from scripts.doctor import examine

    return examine(as_json)


@app.command()
@command
def demo() -> int:
    """Add four samples, ask three questions, publish a memo; nothing from outside is needed."""
    from scripts.demo import run_demo

    return run_demo()


def main() -> None:
    """Run the command line."""
    app()


if __name__ == "__main__":
    main()
