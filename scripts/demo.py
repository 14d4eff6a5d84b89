"""The main job, shown: four documents, three questions, a table, and a memo that someone approves.

Everything is real: the workspace is called `demo` and stays, to be looked at on the page. The
approval is given by the demo itself, under the name `demo`, and it says so.
"""

from collections.abc import Sequence
from importlib.resources import as_file, files
from typing import Final

from rich.markup import escape
from rich.progress import track

from graph import Orchestrator
from scripts import printing, progress
from scripts.commands.base import PORT
from storage.records import Identity, Run
from tools.adding import Added

WORKSPACE: Final = "demo"
SAMPLES: Final = ("lease.pdf", "supply-agreement.docx", "annual-report.pdf", "travel-policy.md")
QUESTIONS: Final = (
    "On what notice may the Tenant terminate the lease early?",
    "Within how many days must the Buyer pay an undisputed invoice?",
    "Where is the seat of arbitration?",
)
CONTRACTS: Final = SAMPLES[:2]
TABLE: Final = {
    "type": "object",
    "properties": {
        "parties": {
            "type": "array",
            "items": {"type": "string"},
            "description": "Who are the parties to the agreement?",
        },
        "date": {
            "type": "string",
            "format": "date",
            "description": "On what date was the agreement made?",
        },
        "law": {"type": "string", "description": "Which state's law governs the agreement?"},
    },
}
MEMO: Final = "Write a memo on early termination of the lease by the Tenant and publish it."


def run_demo() -> int:
    """Run the demo; return the exit code."""
    identity = Identity(name="demo", source="demo")
    with Orchestrator.open(WORKSPACE, identity=identity) as desk:
        added = _add_samples(desk)
        runs = [_ask(desk, question) for question in QUESTIONS]
        runs.append(_tabulate(desk, [each.document.id for each in added[: len(CONTRACTS)]]))
        runs.append(_publish(desk))
        verdicts = [desk.audit.verify(run.id) for run in runs]
        events = sum(verdict.events for verdict in verdicts)
        ok = all(verdict.ok for verdict in verdicts)
        said = f"{events} events recorded, each as it was." if ok else "The record is not intact!"
        printing.out.rule("The record")
        printing.out.print(said)
        printing.out.print(
            f"\n[dim]Look at it: affidavit up --workspace {WORKSPACE}    "
            f"Ask on: affidavit ask -w {WORKSPACE} 'What is the monthly rent?'[/dim]"
        )
    return 0 if ok and all(run.status == "success" for run in runs) else 1


def _add_samples(desk: Orchestrator) -> list[Added]:
    printing.out.rule("Four documents")
    folder = files("scripts.samples")
    added: list[Added] = []
    for name in track(SAMPLES, "Adding", console=printing.err, transient=True):
        with as_file(folder.joinpath(name)) as path:
            added.append(desk.documents.add_new(path))
    with printing.err.status("Indexing …"):
        desk.documents.index()
    printing.documents(added)
    return added


def _ask(desk: Orchestrator, question: str) -> Run:
    printing.out.rule(escape(question))
    run = desk.runs.submit(question, driven_here=True)
    done = _drive(desk, run.id)
    printing.run(done, desk.documents.version_told)
    return done


def _tabulate(desk: Orchestrator, contracts: Sequence[str]) -> Run:
    printing.out.rule("A table of the contracts")
    run = desk.runs.submit_extraction(TABLE, documents=contracts, driven_here=True)
    done = _drive(desk, run.id)
    if done.table:
        printing.table(done.table, [])
        printing.counts(done.table)
        printing.page_of(WORKSPACE, done, PORT)
    return done


def _publish(desk: Orchestrator) -> Run:
    printing.out.rule(escape(MEMO))
    run = desk.runs.submit(MEMO, driven_here=True)
    waiting = _drive(desk, run.id)
    printing.run(waiting, desk.documents.version_told)
    for interrupt in waiting.interrupts:
        printing.out.print("\n[yellow]The demo approves this itself, as “demo”.[/yellow]")
        desk.runs.resume(run.id, {interrupt.id: {"type": "approve"}})
    done = _drive(desk, run.id) if waiting.interrupts else waiting
    printing.run(done, desk.documents.version_told)
    return done


def _drive(desk: Orchestrator, run_id: str) -> Run:
    with progress.shown(desk, run_id) as say:
        return desk.drive(run_id, progress=say)
