"""The command that measures: how good are the answers on documents that someone has labelled?"""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from scripts.commands.base import DONE, FAILED, Json, app, command, emit
from storage.errors import InvalidInput

if TYPE_CHECKING:
    from scripts.evaluate import Evaluation


Folder = Annotated[
    Path, typer.Argument(exists=True, file_okay=False, metavar="DIR", help="The labelled set.")
]
Out = Annotated[Path, typer.Option(metavar="REPORT", help="Where the report is written.")]
AT_ONCE: Final = min(4, os.cpu_count() or 1)


@app.command()
@command
def evaluate(
    folder: Folder,
    sample: Annotated[int, typer.Option(min=0, help="Only so many documents, by the seed.")] = 0,
    seed: Annotated[int, typer.Option(help="Which sample.")] = 0,
    processes: Annotated[int, typer.Option(min=1, help="Documents asked at once.")] = AT_ONCE,
    out: Out = Path("evaluation.html"),
    model: Annotated[
        str, typer.Option(help="The model that answers; another than this may cost money.")
    ] = "offline",
    as_json: Json = False,
) -> int:
    """Ask labelled documents and print how good the answers are, beside two baselines.

    DIR holds labels.jsonl, the files under pdf/, and questions.json, unless it is the 41 built-in
    questions on contracts that are to be asked. A report with the pages of the misses is written.
    Everything happens in a temporary workspace. Exits 1 if a quote is not the stored page's own
    text, or if a question got no answer.
    """
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    from scripts import printing
    from scripts.evaluate import evaluated
    from scripts.evaluation_report import write_report
    from scripts.evaluation_table import as_json as table_as_json
    from scripts.evaluation_table import print_table, rows_of
    from scripts.labelled import read_labelled

    if not out.parent.is_dir() or out.is_dir():
        raise InvalidInput(f"The report cannot be written to {out}: name a file in a folder.")
    labelled = read_labelled(folder, sample, seed)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with (
        Progress(*columns, TimeRemainingColumn(), console=printing.err, transient=True) as progress,
        evaluated(labelled, progress, model=model, processes=processes) as evaluation,
    ):
        rows = rows_of(evaluation.counted)
        missed = write_report(evaluation, rows, out)
    emit(table_as_json(rows)) if as_json else print_table(rows, Console(width=160))
    return _tell(evaluation, missed, out)


def _tell(evaluation: "Evaluation", missed: int, out: Path) -> int:
    """Say on standard error what the table does not; return the exit code."""
    from scripts import printing

    unread = [each.name for each in evaluation.documents if each.status != "ready"]
    failed = [each.failed for each in evaluation.asked if each.failed]
    quotes = sum(len(each.cited) for each in evaluation.asked)
    astray = sum(each.astray for each in evaluation.asked)
    said = [f"{len(evaluation.documents)} documents, {len(unread)} not ready {unread or ''}"]
    said.append(
        f"{quotes - astray} of {quotes} quotes equal the stored page text at their offsets."
    )
    if failed:
        said.append(f"{len(failed)} questions got no answer; the first: {failed[0]}")
    said.append(f"Wrong answers, shown in {out}: {missed}")
    for line in said:
        printing.err.print(line, markup=False, soft_wrap=True)
    return FAILED if astray or failed else DONE
