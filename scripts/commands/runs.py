"""Commands on runs: ask, resume, show, list, cancel, check the record, give an opinion."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from scripts.commands.base import (
    DONE,
    FAILED,
    Json,
    Limit,
    RunId,
    Strategy,
    Thread,
    Workspace,
    app,
    audit,
    command,
    emit,
    opened,
    show_run,
)

if TYPE_CHECKING:
    from pydantic import BaseModel

    from graph import Orchestrator
    from storage.records import Run

Out = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="Write the table here instead: by its ending .json, .csv (UTF-8, for programs) or "
        ".xlsx (for Excel).",
    ),
]


@app.command()
@command
def ask(
    question: Annotated[str, typer.Argument(help="The question, in plain words.")],
    document: Limit = None,
    thread: Thread = None,
    strategy: Strategy = "reject",
    max_steps: Annotated[
        int | None, typer.Option(min=1, help="Ask for more after so many steps.")
    ] = None,
    max_tokens: Annotated[
        int | None, typer.Option(min=1, help="Ask for more after so many tokens.")
    ] = None,
    max_dollars: Annotated[
        float | None, typer.Option(min=0.0001, help="Ask for more after so many dollars.")
    ] = None,
    timeout: Annotated[
        float | None, typer.Option(min=0, help="End it after so many seconds at work; 0: never.")
    ] = None,
    workspace: Workspace = "",
    as_json: Json = False,
) -> int:
    """Ask a question; the answer quotes the page that proves it, or says there is none.

    A run that has used what it may stops and asks for more: `affidavit approve` gives it.
    """
    limits = {"steps": max_steps, "tokens": max_tokens, "dollars": max_dollars}
    given = {name: limit for name, limit in limits.items() if limit is not None}
    with opened(workspace) as desk:
        run = desk.runs.submit(
            question,
            documents=document or [],
            thread=thread,
            multitask_strategy=strategy,
            budget=desk.resources.budget().model_copy(update=given),
            timeout=timeout,
            driven_here=True,
        )
        return driven(desk, run.id, as_json)


def driven(desk: "Orchestrator", run_id: str, as_json: bool, out: Path | None = None) -> int:
    """Drive a run here and print it; one that stays due, as a service failed, is not done.

    With `out`, its table is written there, if it has come to one.
    """
    run = _drive(desk, run_id)
    code = _shown(desk, run, as_json, out)
    return FAILED if run.status == "pending" else code


def _shown(desk: "Orchestrator", run: "Run", as_json: bool, out: Path | None) -> int:
    """Print a run, and write its table."""
    from scripts import printing
    from scripts.tables import kind_of, write

    code = show_run(desk, run, as_json, written=out is not None)
    if out and run.table:
        write(out, desk.runs.table_file(run.id, kind_of(out)))
        printing.err.print(f"The table is in {out}.")
    elif out:
        printing.err.print("There is no table to write yet.")
        return code or FAILED
    return code


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
def resume(run_id: RunId, out: Out = None, workspace: Workspace = "", as_json: Json = False) -> int:
    """Go on with a run from where it stands: after a crash, a decision or an error."""
    from scripts.tables import kind_of

    if out:
        kind_of(out)
    with opened(workspace) as desk:
        run = desk.runs.get(run_id)
        if run.status in ("error", "timeout"):
            desk.runs.retry(run_id)
        elif run.ended or (run.status == "interrupted" and not desk.runs.expire(run_id)):
            return _shown(desk, run, as_json, out)
        return driven(desk, run_id, as_json, out)


@app.command()
@command
def show(
    run_id: RunId,
    checkpoints: Annotated[
        bool, typer.Option("--checkpoints", help="List the checkpoints that it can be forked at.")
    ] = False,
    out: Out = None,
    workspace: Workspace = "",
    as_json: Json = False,
) -> int:
    """Show a run: its answer, its table, or what it waits for."""
    from scripts import printing
    from scripts.tables import kind_of

    if out:
        kind_of(out)
    with opened(workspace) as desk:
        run = desk.runs.get(run_id)
        found = desk.runs.history(run.thread_id) if checkpoints else None
        if found is None:
            code = _shown(desk, run, as_json, out)
            if out and not run.table:
                return code
            if not as_json:
                printing.notes(desk.runs.notes(run_id))
        elif as_json:
            emit(found)
        else:
            printing.checkpoints(found)
        return DONE


@app.command()
@command
def fork(
    run_id: RunId,
    at: Annotated[
        str, typer.Option(metavar="CHECKPOINT", help="From this one; otherwise from the newest.")
    ] = "",
    workspace: Workspace = "",
    as_json: Json = False,
) -> int:
    """Go on from a checkpoint of a run as a run of its own; approvals do not carry over.

    It is driven here, or by a worker. This is also how a run goes on that began under other
    versions of the graph, its prompts or tools than are here.
    """
    with opened(workspace) as desk:
        run = desk.runs.fork(run_id, at, driven_here=True)
        return driven(desk, run.id, as_json)


@app.command()
@command
def runs(
    status: Annotated[str | None, typer.Option(help="Only runs with this status.")] = None,
    dead: Annotated[
        bool, typer.Option("--dead", help="Only those that failed again and again.")
    ] = False,
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
        found = desk.runs.list(status=status, dead=dead, limit=limit)  # type: ignore[arg-type]
    emit(found) if as_json else printing.runs(found)


@app.command()
@command
def cancel(run_id: RunId, workspace: Workspace = "", as_json: Json = False) -> None:
    """End a run; whoever drives it changes nothing more."""
    with opened(workspace) as desk:
        show_run(desk, desk.runs.cancel(run_id), as_json)


@app.command()
@command
def feedback(
    run_id: RunId,
    up: Annotated[bool, typer.Option("--up/--down", help="A thumb up or down.")] = True,
    comment: Annotated[str, typer.Option(help="What to say about it.")] = "",
    cell: Annotated[
        str, typer.Option(metavar="DOCUMENT:FIELD", help="Correct this cell of the run's table.")
    ] = "",
    value: Annotated[
        str | None,
        typer.Option(
            help="What it should have held, of its type: of a list a;b, of nothing an empty text."
        ),
    ] = None,
    workspace: Workspace = "",
    as_json: Json = False,
) -> None:
    """Say what you think of an answer, or correct a cell of a table; it is kept with the run.

    What was extracted stays as it was; the correction stands beside it.
    """
    from scripts.tables import corrected

    with opened(workspace) as desk:
        kept: BaseModel
        if cell or value is not None:
            kept = corrected(desk, run_id, cell, value, comment)
        else:
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
        if verdict.erased:
            print(f"Erased with a document, as they say: {', '.join(verdict.erased)}.")
    else:
        bad = verdict.first_bad
        print(f"Event {bad.seq} is wrong ({bad.where}): {bad.why}.")
    return DONE if verdict.ok else FAILED
