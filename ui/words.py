"""What the record says, in words: statuses, agents, events. Pure functions, no Streamlit.

They return plain text that may hold what strangers wrote; whoever shows it escapes it.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from storage.audit import Event
from storage.records import (
    AnswerStatus,
    Cell,
    CellState,
    Document,
    DocumentStatus,
    InterruptKind,
    Run,
    RunStatus,
)
from storage.times import utc
from tools.table_files import shown
from ui.markup import Kind

AGENTS: Final = {
    "supervisor": "Supervisor",
    "librarian": "Librarian",
    "analyst": "Analyst",
    "reviewer": "Reviewer",
    "writer": "Writer",
    "custodian": "Custodian",
    "eraser": "Eraser",
    "act": "Tools",
}
DOING: Final = {
    "supervisor": "is planning",
    "librarian": "is looking for passages",
    "analyst": "is answering from the passages",
    "reviewer": "is locating each quote on its page",
    "writer": "is writing",
    "custodian": "is looking after what is stored",
    "eraser": "has a document erased",
    "act": "are at work",
}
RUN: Final[dict[RunStatus, tuple[str, Kind]]] = {
    "pending": ("Waiting for a worker", "info"),
    "running": ("Running", "info"),
    "interrupted": ("Waits for a person", "warning"),
    "success": ("Done", "ok"),
    "error": ("Error", "error"),
    "timeout": ("Timed out", "error"),
    "cancelled": ("Cancelled", "info"),
}
WAITS_ITS_TURN: Final[tuple[str, Kind]] = ("Waits for its turn", "info")
GIVEN_UP: Final[tuple[str, Kind]] = ("Given up", "error")
ASKS: Final[dict[InterruptKind, tuple[str, Kind]]] = {
    "approval": ("Waits for a person", "warning"),
    "budget": ("Budget used up", "warning"),
    "outcome_unknown": ("Outcome unknown", "warning"),
}
EXPIRED: Final[tuple[str, Kind]] = ("Too late to decide", "info")
_DECIDED: Final = {
    "approve": "approved",
    "edit": "approved with changes",
    "reject": "rejected",
    "done": "found that it was done",
    "not_done": "found that it was not done",
}
DOCUMENT: Final[dict[DocumentStatus, tuple[str, Kind]]] = {
    "ready": ("ready", "ok"),
    "needs_ocr": ("needs OCR", "warning"),
    "locked": ("locked", "warning"),
    "damaged": ("damaged", "error"),
    "unsupported": ("not supported", "error"),
}
ANSWER: Final[dict[AnswerStatus, tuple[str, Kind]]] = {
    "answered": ("Every statement proven by its quote", "ok"),
    "partial": ("Not every statement is proven", "warning"),
    "not_in_documents": ("Not in the documents", "info"),
}


CELL: Final[dict[CellState, tuple[str, Kind]]] = {
    "found": ("Found", "ok"),
    "not_in_document": ("Not in the document", "info"),
    "uncertain": ("Uncertain", "warning"),
}


def of_cell(cell: Cell) -> str:
    """Return a cell on one line: its value, and its state where that is not `found`."""
    value = " ".join(shown(cell.value).split())
    if cell.state == "found":
        return value
    return f"{CELL[cell.state][0]}: {value}" if value else CELL[cell.state][0]


def count(number: Any, thing: str) -> str:
    """Return a number with its noun: "1 page", "3 pages"."""
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"


def middle(text: str, most: int) -> str:
    """Return a text of at most so many characters: of a longer one both ends."""
    if len(text) <= most:
        return text
    tail = most // 2
    return f"{text[: most - tail - 1].rstrip()}…{text[-tail:].lstrip()}"


def agent(node: str) -> str:
    """Return the name of an agent."""
    return AGENTS.get(node, node.capitalize() if node else "Record")


def about(document: Document) -> str:
    """Return how a document stands, on one line."""
    pages = f", {count(document.pages, 'page')}" if document.pages else ""
    return f"{DOCUMENT[document.status][0]}{pages}"


def standing(status: RunStatus, *, dead: bool = False, queued: bool = False) -> tuple[str, Kind]:
    """Return how a run stands, in a few words."""
    if dead and status == "error":
        return GIVEN_UP
    return WAITS_ITS_TURN if queued else RUN[status]


def cancelled(run: Run) -> str:
    """Return why a run was cancelled, as far as it was said."""
    if run.error.startswith("Interrupted by run"):
        return "This run was cancelled: another question was asked instead."
    return f"This run was cancelled. {run.error}".rstrip()


def erased(run: Run) -> str:
    """Return what of a run went with documents that were erased, a line each."""
    return "\n".join(
        f"On {utc(gone.at)}, with document {gone.document_id}: {', '.join(gone.parts)}."
        for gone in run.erased
    )


def amount(part: str, value: Any) -> str:
    """Return an amount of a part of a budget: steps, tokens or dollars."""
    if value is None:
        return "no limit"
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    if part != "dollars":
        return f"{value:,}"
    return f"${value:,.2f}" if value >= 1 or not value else f"${value:.4f}"


def on_word_of(by: Any) -> str:
    """Return on whose word something was done: that of people, or of the policy."""
    return f"on the word of {'the policy' if by == 'policy' else by}"


def spent(run: Run) -> str:
    """Return what a run took: its model, tokens, cost, and seconds at work."""
    tokens = run.usage.input_tokens + run.usage.output_tokens
    parts = [f"{run.model} model" if run.model else ""]
    parts.append(f"{tokens:,} tokens" if tokens else "")
    parts.append(f"${run.cost_usd:.4f}" if run.cost_usd else "")
    parts.append(f"{run.worked:,.1f} s" if run.ended and run.worked else "")
    return " · ".join(part for part in parts if part)


def what(event: Event) -> str:
    """Return what an event says."""
    tell = _TELL.get(event.kind)
    return tell(_Known(event.data)) if tell else ""


class _Known(dict[str, Any]):
    """The data of an event; a field of another version that is not there is a question mark."""

    def __missing__(self, name: str) -> str:
        return "?"


def _ended(data: Mapping[str, Any]) -> str:
    by = f" by {data['by']}" if "by" in data else ""
    error = f": {data['error']}" if data.get("error") else ""
    status = str(data["status"])
    label = RUN[status][0].lower() if status in RUN else status
    return f"{label}{by}{error}"


def _decision(data: Mapping[str, Any]) -> str:
    if data["decision"] == "expire":
        return "nobody decided in time"
    others = [str(name) for name in data.get("votes") or () if name != data["by"]]
    before = f", after {' and '.join(others)}" if others else ""
    did = _DECIDED.get(str(data["decision"]), f"decided: {data['decision']}")
    return f"{data['by']} {did}{before}"


def _claimed(data: Mapping[str, Any]) -> str:
    again = f", try {data['tries']}" if data["tries"] != 1 else ""
    return f"taken up by {data['owner']}{again}"


def _model_call(data: Mapping[str, Any]) -> str:
    recorded = ", from the record" if data.get("recorded") else ""
    spent = data["input_tokens"] or data["output_tokens"]
    about = "about " if data.get("estimated") else ""
    tokens = f", {about}{data['input_tokens']} + {data['output_tokens']} tokens" if spent else ""
    return f"{data['model']} model{tokens}{recorded}"


def _reviewed(data: Mapping[str, Any]) -> str:
    objections = count(data["objections"], "objection") if data["objections"] else "no objection"
    return f"checked {count(data['statements'], 'statement')}: {objections}"


_TELL: Final[dict[str, Callable[[Mapping[str, Any]], str]]] = {
    "submitted": lambda d: f"asked by {d['by']}",
    "claimed": _claimed,
    "asked": lambda _: "asks a person",
    "failed": lambda d: f"failed: {d['error']}",
    "handed_out": lambda d: f"{d['done']} of {count(d['documents'], 'document')} done",
    "extracted": lambda d: (
        f"{d['found']} found, {d['not_in_document']} not in the document, "
        f"{d['uncertain']} uncertain"
    ),
    "planned": lambda d: f"plans: {', then '.join(d['agents'])}",
    "found": lambda d: (
        f"found {count(d['passages'], 'passage')} in {count(d['documents'], 'document')}"
    ),
    "drafted": lambda d: f"drafted {count(d['claims'], 'claim')}",
    "wrote": lambda d: f"wrote {count(d['paragraphs'], 'paragraph')}",
    "reviewed": _reviewed,
    "tool_call": lambda d: f"{d['tool']}: {d['verdict']}",
    "model_call": _model_call,
    "interrupted": lambda _: "waits for a person",
    "decision": _decision,
    "vote": lambda d: f"{d['by']} approved; it takes more persons",
    "effect": lambda d: f"{d['tool']} carried out, {on_word_of(d['by'])}",
    "effect_begun": lambda d: f"{d['tool']} begun, {on_word_of(d['by'])}",
    "effect_not_done": lambda d: f"{d['tool']} was not done, {d['by']} says",
    "released": lambda d: f"given back: {d['error']}" if d.get("error") else "given back",
    "erased": lambda d: f"{', '.join(d['parts'])} erased, with document {d['document']}",
    "retried": lambda d: f"tried again by {d['by']}",
    "ended": _ended,
}
