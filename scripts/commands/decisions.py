"""Commands that decide what a run asks; a worker, or `resume`, goes on."""

import json
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from scripts.commands.base import (
    InterruptId,
    Json,
    RunId,
    Workspace,
    app,
    command,
    opened,
    show_run,
)
from storage.errors import AffidavitError

if TYPE_CHECKING:
    from graph import Orchestrator


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
