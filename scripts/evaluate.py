"""Measure the answers on labelled contracts, through the whole product.

    python scripts/evaluate.py DIR [--sample N --seed S] [--processes P] [--json]

DIR holds `labels.jsonl` (a line per contract: `{"file", "labels": {CATEGORY: {"spans": [...]}}}`)
and the files under `pdf/`. Each contract is added to a workspace of its own making and asked, by
its document id, one question per category (`scripts/questions.json`, which only this reads). What
counts is in `scripts/scoring.py`; two baselines answer the same questions beside it. Exit code 1 if
a quote is not the stored page's own text at its offsets.
"""

import json
import os
import random
import tempfile
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from importlib.resources import files
from multiprocessing import get_context
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from graph import Orchestrator
from graph.settings import Settings
from scripts.scoring import Case, Score, best_passages, first_page, score, total
from storage.records import Answer, Document

MAIN: Final = (
    "Governing Law",
    "Agreement Date",
    "Expiration Date",
    "Parties",
    "Cap On Liability",
    "Anti-Assignment",
    "Termination For Convenience",
    "Audit Rights",
)
"""The eight categories that are looked at first; all others go through the same code."""

Labels = dict[str, dict[str, Any]]
_desk: list[Orchestrator] = []


@dataclass(frozen=True)
class Asked:
    """All questions to one contract: the quotes of the product and of the two baselines."""

    product: list[Case]
    first: list[Case]
    search: list[Case]
    wrong_offsets: int


def open_desk(home: str) -> Orchestrator:
    """Open the desk of a process, offline."""
    settings = Settings(
        _env_file=None,
        home=Path(home) / "home",
        signing_key=Path(home) / "signing.key",
        model="offline",
    )
    return Orchestrator.open(settings=settings)


def _start(home: str) -> None:
    _desk.append(open_desk(home))


def ask_all(file: str, document_id: str, labels: Labels, questions: dict[str, str]) -> Asked:
    """Ask one contract every question."""
    desk = _desk[0]
    document = desk.documents.get(document_id)
    pages = [desk.documents.page(document_id, n + 1).text for n in range(document.pages)]
    asked = Asked([], [], [], 0)
    wrong = 0
    for category, question in questions.items():
        spans = labels[category]["spans"]
        answer = desk.invoke(question, documents=[document_id]).answer
        quotes = []
        for quote, as_stored in _quotes(answer, pages):
            quotes.append(quote)
            wrong += not as_stored
        asked.product.append(Case(category, file, spans, quotes))
        asked.first.append(Case(category, file, spans, first_page(pages)))
        asked.search.append(Case(category, file, spans, best_passages(question, pages)))
    return Asked(asked.product, asked.first, asked.search, wrong)


def _quotes(answer: Answer | None, pages: list[str]) -> Iterator[tuple[str, bool]]:
    """Yield the quotes of an answer, each with whether it is the page's text at its offsets."""
    for claim in answer.claims if answer else []:
        for c in claim.citations:
            yield c.quote, pages[c.page - 1][c.start : c.end] == c.quote


def load(folder: Path, sample: int, seed: int) -> list[tuple[Path, Labels]]:
    """Return the contracts with their labels, or a seeded sample of them."""
    lines = (folder / "labels.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines if line.strip()]
    contracts = [(folder / "pdf" / row["file"], row["labels"]) for row in rows]
    if 0 < sample < len(contracts):
        contracts = random.Random(seed).sample(contracts, sample)
    return contracts


def evaluate(
    contracts: list[tuple[Path, Labels]], processes: int, progress: Progress
) -> tuple[list[Asked], list[Document]]:
    """Add the contracts to a new workspace and ask them, in parallel."""
    questions = json.loads(files("scripts").joinpath("questions.json").read_text(encoding="utf-8"))
    with tempfile.TemporaryDirectory() as home:
        with open_desk(home) as desk:
            adding = progress.add_task("adding", total=len(contracts))
            documents = []
            for path, _ in contracts:
                documents.append(desk.documents.add(path))
                progress.advance(adding)
            desk.documents.index()
        asking = progress.add_task("asking", total=len(contracts) * len(questions))
        pool = ProcessPoolExecutor(processes, get_context("spawn"), _start, (home,))
        with pool:
            work = [
                pool.submit(ask_all, path.name, document.id, labels, questions)
                for (path, labels), document in zip(contracts, documents, strict=True)
            ]
            asked = []
            for done in as_completed(work):
                asked.append(done.result())
                progress.advance(asking, len(questions))
    return asked, documents


def rows_of(asked: list[Asked]) -> dict[str, dict[str, Score]]:
    """Return the scores by category, the main ones first, and of the pools, for each answerer."""
    cases = {
        "product": [case for each in asked for case in each.product],
        "first page": [case for each in asked for case in each.first],
        "best passages": [case for each in asked for case in each.search],
    }
    by_name = {name: score(found) for name, found in cases.items()}
    categories = [*MAIN, *sorted(set(by_name["product"]) - set(MAIN))]
    rows = {c: {name: scores[c] for name, scores in by_name.items()} for c in categories}
    pools = {"The eight": MAIN, "All": tuple(categories)}
    for title, pool in pools.items():
        rows[title] = {name: total(scores[c] for c in pool) for name, scores in by_name.items()}
    return rows


def print_table(rows: dict[str, dict[str, Score]], console: Console) -> None:
    """Print recall, precision and the share of absent clauses said absent, beside the baselines."""
    table = Table(box=None, header_style="bold")
    table.add_column("")
    for title in ("has it", "recall", "precision", "absent", "said absent"):
        table.add_column(title, justify="right")
    for name in ("first page", "best passages"):
        table.add_column(f"{name}: recall", justify="right")
        table.add_column("precision", justify="right")
    for category, scores in rows.items():
        ours = scores["product"]
        cells = [str(ours.present), f"{ours.recall:.2f}", f"{ours.precision:.2f}"]
        cells += [str(ours.absent), f"{ours.silence:.2f}"]
        for name in ("first page", "best passages"):
            cells += [f"{scores[name].recall:.2f}", f"{scores[name].precision:.2f}"]
        style = "bold" if category in ("The eight", "All") else None
        table.add_row(category, *(cell.replace("nan", "–") for cell in cells), style=style)
        if category in (MAIN[-1], "The eight"):
            table.add_section()
    console.print(table)


def main(
    folder: Annotated[Path, typer.Argument(exists=True, file_okay=False, metavar="DIR")],
    sample: Annotated[int, typer.Option(help="Only so many contracts, by the seed.")] = 0,
    seed: Annotated[int, typer.Option()] = 0,
    processes: Annotated[int, typer.Option(min=1)] = min(4, os.cpu_count() or 1),
    as_json: Annotated[bool, typer.Option("--json", help="The table as JSON.")] = False,
) -> None:
    """Ask labelled contracts and print how good the answers are, beside two baselines."""
    err = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TimeRemainingColumn(), console=err, transient=True) as progress:
        contracts = load(folder, sample, seed)
        asked, documents = evaluate(contracts, processes, progress)
    rows = rows_of(asked)
    if as_json:
        print(json.dumps(_as_json(rows), indent=2))
    else:
        print_table(rows, Console(width=150))
    wrong = sum(each.wrong_offsets for each in asked)
    quotes = rows["All"]["product"].quotes
    unread = [d.name for d in documents if d.status != "ready"]
    err.print(f"{len(documents)} contracts, {len(unread)} not ready {unread or ''}")
    err.print(f"{quotes - wrong} of {quotes} quotes equal the stored page text at their offsets.")
    raise typer.Exit(1 if wrong else 0)


def _as_json(rows: dict[str, dict[str, Score]]) -> dict[str, Any]:
    def rate(value: float) -> float | None:
        return None if value != value else round(value, 4)

    return {
        category: {
            name: {
                "recall": rate(found.recall),
                "precision": rate(found.precision),
                "said_absent": rate(found.silence),
                "present": found.present,
                "absent": found.absent,
                "quotes": found.quotes,
            }
            for name, found in scores.items()
        }
        for category, scores in rows.items()
    }


if __name__ == "__main__":
    typer.run(main)
