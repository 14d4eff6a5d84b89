"""Commands that decide what a run asks; a worker, or `resume`, goes on."""

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from scripts.commands.base import (
    All,
    InterruptId,
    Json,
    RunId,
    Workspace,
    app,
    command,
    opened,
    show_run,
)
from storage.decisions import requested
from storage.errors import AffidavitError
from storage.records import Interrupt

if TYPE_CHECKING:
    from graph import Orchestrator


@app.command()
@command
def approve(
    run_id: RunId,
    interrupt: InterruptId = None,
    every: All = False,
    edit: Annotated[
        str | None, typer.Option(metavar="JSON", help="Approve with these arguments instead.")
    ] = None,
    workspace: Workspace = "",
    as_json: Json = False,
) -> None:
    """Approve what a run asks for. The decision is stored; a worker or `resume` goes on.

    To approve is also how a run gets more that has used up its budget; --edit gives it another one.
    """
    with opened(workspace) as desk:
        waiting = _waiting(desk, run_id, interrupt, every)
        if edit is None:
            decisions: dict[str, Any] = {each.id: {"type": "approve"} for each in waiting}
        elif len(waiting) == 1:
            name = requested(waiting[0].value).get("name")
            action = {"name": name, "args": _json_object(edit)}
            decisions = {waiting[0].id: {"type": "edit", "edited_action": action}}
        else:
            raise typer.BadParameter("--edit is for one question: name it with --interrupt.")
        show_run(desk, desk.runs.resume(run_id, decisions), as_json)


@app.command()
@command
def reject(
    run_id: RunId,
    reason: Annotated[str, typer.Option(help="Why; the agents are told.")],
    interrupt: InterruptId = None,
    every: All = False,
    workspace: Workspace = "",
    as_json: Json = False,
) -> None:
    """Reject what a run asks for, with a reason that goes back to the agents."""
    with opened(workspace) as desk:
        waiting = _waiting(desk, run_id, interrupt, every)
        decision = {"type": "reject", "message": reason}
        show_run(desk, desk.runs.resume(run_id, {each.id: decision for each in waiting}), as_json)


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
        (waiting,) = _waiting(desk, run_id, interrupt)
        decision = {"type": outcome.replace("-", "_")}
        show_run(desk, desk.runs.resume(run_id, {waiting.id: decision}), as_json)


def _waiting(
    desk: "Orchestrator", run_id: str, interrupt: str | None, every: bool = False
) -> Sequence["Interrupt"]:
    """Return the interrupts that are meant: the one that is named, the only one, or all."""
    waiting = desk.runs.get(run_id).interrupts
    if interrupt is not None:
        # One that is decided or expired is refused with the reason, by whoever knows it.
        named = [each for each in waiting if each.id == interrupt]
        return named or [Interrupt(id=interrupt, kind="approval", value={})]
    if not waiting:
        raise AffidavitError(f"Run {run_id} asks nothing; `affidavit show {run_id}` tells why.")
    if len(waiting) > 1 and not every:
        ids = ", ".join(each.id for each in waiting)
        raise AffidavitError(
            f"Run {run_id} asks {len(waiting)} things: name one with --interrupt, or take --all. "
            f"They are: {ids}."
        )
    return waiting


def _json_object(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except ValueError as error:
        raise typer.BadParameter(f"--edit is no JSON: {error}") from None
    if not isinstance(value, dict):
        raise typer.BadParameter("--edit is a JSON object of arguments.")
    return value
