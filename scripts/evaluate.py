"""Ask a labelled set through the whole product, in a workspace of its own that is then gone.

Each document is added and asked, by its id, the question of each category that it has a label for;
two baselines answer the same questions beside it. The workspace is embedded and stands in a
temporary folder, whatever the settings say: an evaluation neither sees nor touches a team's
documents. What counts is in `scripts/scoring.py`, how it is shown in `scripts/evaluation_table.py`
and `scripts/evaluation_report.py`.

    python scripts/evaluate.py DIR …      the same as `affidavit evaluate DIR …`
"""

import sys
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import Final

from rich.progress import Progress

from graph import Orchestrator
from graph.settings import OFFLINE, read_settings
from scripts.labelled import Labelled, LabelledSet, Question
from scripts.scoring import Case, best_passages, first_page
from storage.records import Answer, Citation, Document, Run

PRODUCT: Final = "product"
BASELINES: Final = ("first page", "best passages")

_desk: list[Orchestrator] = []


@dataclass(frozen=True, slots=True)
class Asked:
    """One question to one document, with what the product and each baseline answered."""

    question: str
    document_id: str
    cases: dict[str, Case]
    """By who answered: the product, and each baseline."""
    cited: list[Citation] = field(default_factory=list)
    """The citations of the product, in the order of its quotes."""
    astray: int = 0
    """Of those, how many are not the stored page's own text at their offsets."""
    failed: str = ""
    """Why the run ended without an answer; such a question is not counted."""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What came of asking a labelled set. `desk` is open as long as the evaluation is."""

    desk: Orchestrator
    model: str
    asked: list[Asked]
    documents: list[Document]

    @property
    def counted(self) -> list[Asked]:
        """The questions that were answered, be it with nothing."""
        return [each for each in self.asked if not each.failed]


@contextmanager
def evaluated(
    labelled: LabelledSet, progress: Progress, *, model: str = OFFLINE, processes: int = 1
) -> Iterator[Evaluation]:
    """Add the documents to a new workspace, ask them in parallel, and keep it open for a report.

    Raises:
        AffidavitError: a document cannot be added, or the model cannot be opened.
    """
    with (
        tempfile.TemporaryDirectory(prefix="affidavit-evaluate-") as home,
        open_desk(home, model) as desk,
    ):
        documents = []
        adding = progress.add_task("Adding", total=len(labelled.documents))
        for each in labelled.documents:
            documents.append(desk.documents.add(each.path))
            progress.advance(adding)
        desk.documents.index()
        asking = progress.add_task("Asking", total=labelled.asked)
        work = zip(labelled.documents, [d.id for d in documents], strict=True)
        asked: list[Asked] = []
        for found in _ask(desk, list(work), labelled.questions, (home, model), processes):
            asked += found
            progress.advance(asking, len(found))
        yield Evaluation(desk, model, asked, documents)


def open_desk(home: str, model: str) -> Orchestrator:
    """Open a desk that is embedded and stands in a folder, whatever the settings say."""
    settings = read_settings().model_copy(
        update={
            "home": Path(home) / "home",
            "signing_key": Path(home) / "signing.key",
            "backend": "embedded",
            "workspace": "evaluation",
            "model": model,
        }
    )
    return Orchestrator.open(settings=settings)


def _ask(
    desk: Orchestrator,
    work: Sequence[tuple[Labelled, str]],
    questions: dict[str, Question],
    start: tuple[str, str],
    processes: int,
) -> Iterator[list[Asked]]:
    """Yield what came of each document, in their order: asked here, or in a pool of processes."""
    if processes == 1:
        for each, document_id in work:
            yield ask_all(desk, each, document_id, questions)
        return
    with ProcessPoolExecutor(processes, get_context("spawn"), _start, start) as pool:
        for done in [pool.submit(_ask_in_pool, *each, questions) for each in work]:
            yield done.result()


def _start(home: str, model: str) -> None:
    _desk.append(open_desk(home, model))


def _ask_in_pool(
    labelled: Labelled, document_id: str, questions: dict[str, Question]
) -> list[Asked]:
    return ask_all(_desk[0], labelled, document_id, questions)


def ask_all(
    desk: Orchestrator, labelled: Labelled, document_id: str, questions: dict[str, Question]
) -> list[Asked]:
    """Ask one document every question that it has a label for."""
    document = desk.documents.get(document_id)
    pages = [desk.documents.page(document_id, n + 1).text for n in range(document.pages)]
    found = []
    for category, question in questions.items():
        if category in labelled.labels:
            run = desk.invoke(question.question, documents=[document_id])
            found.append(_asked(labelled, category, question, run, document_id, pages))
    return found


def _asked(
    labelled: Labelled,
    category: str,
    question: Question,
    run: Run,
    document_id: str,
    pages: Sequence[str],
) -> Asked:
    label = labelled.labels[category]
    cited = _citations(run.answer)
    quotes = {
        PRODUCT: [citation.quote for citation in cited],
        "first page": first_page(pages),
        "best passages": best_passages(question.question, pages),
    }
    failed = "" if run.answer else f"{run.status}: {run.error or 'it waits for a person'}"
    return Asked(
        question=question.question,
        document_id=document_id,
        cases={
            name: Case(category, labelled.name, label.spans, given, label.answer, question.value)
            for name, given in quotes.items()
        },
        cited=cited,
        astray=sum(pages[c.page - 1][c.start : c.end] != c.quote for c in cited),
        failed=failed,
    )


def _citations(answer: Answer | None) -> list[Citation]:
    return [c for claim in (answer.claims if answer else ()) for c in claim.citations]


if __name__ == "__main__":
    from scripts.cli import app

    app(["evaluate", *sys.argv[1:]])
