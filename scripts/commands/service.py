"""Commands of whoever runs it: the worker, the page, the set-up, the doctor, the demo."""

from typing import Annotated

import typer

from scripts.commands.base import PORT, Json, Workspace, app, command, opened


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
    port: Annotated[
        int, typer.Option(min=1, max=65_535, help="The page's port on this machine.")
    ] = PORT,
    workspace: Workspace = "",
) -> int:
    """Start the page and a worker on this machine, and stop both with Ctrl-C.

    The address of a run on it is what `affidavit extract` and `affidavit show` print.
    """
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
    """Add four samples, ask, make a table, publish a memo; nothing from outside is needed."""
    from scripts.demo import run_demo

    return run_demo()
