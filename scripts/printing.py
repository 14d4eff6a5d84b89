"""How the command line shows things to people: tables, answers with their quotes, questions."""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final
from urllib.parse import urlencode

from rich import markup
from rich.console import Console

from storage.records import (
    Answer,
    Card,
    Cell,
    Correction,
    Document,
    Extraction,
    Interrupt,
    Passage,
    Run,
    Stated,
)
from storage.times import utc
from tools.adding import Added
from tools.table_files import STATES, last_of, shown

VersionTold = Callable[[str, str], str]
"""Tells, of a document's id and a version, which version it is; `desk.documents.version_told`."""

_CONTROLS = re.compile("[\0-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
DEFAULT: Final = "default"
"""The workspace that the page opens, unless the settings or its address say otherwise."""

out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False)

_COLOURS = {
    "ready": "green",
    "success": "green",
    "answered": "green",
    "partial": "yellow",
    "interrupted": "yellow",
    "error": "red",
    "damaged": "red",
}
_VALUE_CHARS = 120
EARLIER = "That file is an earlier version of it: answers and tables are made of the newest."
_DOING = {
    "supervisor": "the supervisor plans",
    "librarian": "the librarian looks for passages",
    "act": "a tool is called",
    "analyst": "the analyst answers",
    "reviewer": "the reviewer locates each quote",
    "writer": "the writer writes",
    "custodian": "the custodian looks",
    "eraser": "a document is to be erased",
}


def escape(text: str) -> str:
    """Return a text that is shown as it is: no markup, and nothing that a terminal would obey.

    What strangers and models write stands in what people approve.
    """
    return markup.escape(_CONTROLS.sub("\ufffd", text))


def doing(node: str) -> str:
    """Return what a node does, in a few words."""
    return _DOING.get(node, node)


def coloured(status: str) -> str:
    """Return a status with its colour."""
    colour = _COLOURS.get(status, "cyan")
    return f"[{colour}]{escape(status)}[/{colour}]"


def documents(added: Sequence[Added]) -> None:
    """Print what became of files, and below each what is attached to it; then how many are what."""
    rows = [row for each in added for row in each.with_attachments()]
    wide = max((len(each.document.status) for each, _ in rows), default=0)
    for each, holder in rows:
        document = each.document
        status = coloured(document.status) + " " * (wide - len(document.status))
        out.print(
            f"{'new' if each.new else 'known':5}  {status}  {document.id}  "
            f"{'└ ' if holder else ''}{_named(each)}  [dim]{_count(document.pages, 'page')}[/dim]"
        )
        if document.reason:
            out.print(f"       [dim]{escape(document.reason)}[/dim]")
        if each.earlier:
            out.print(f"       [yellow]{EARLIER}[/yellow]")
    if len(rows) > 1:
        statuses = Counter({each.document.id: each.document.status for each, _ in rows}.values())
        found = ", ".join(f"{number} {coloured(one)}" for one, number in statuses.most_common())
        out.print(f"\n{_count(statuses.total(), 'document')}: {found}")


def _named(added: Added) -> str:
    """Return the name of a document, after that of the file where it is another."""
    name = escape(added.document.name)
    if added.called in ("", added.document.name):
        return name
    is_what = "is the newest version of" if added.new else "has the same bytes as"
    if added.earlier:
        is_what = "is an earlier version of"
    return f"{escape(added.called)}  [dim]{is_what}[/dim]  {name}"


def listed(found: Iterable[Document]) -> None:
    """Print documents, a line each, so that ids can be copied whole; below it what is amiss."""
    found = list(found)
    wide = max((len(each.status) for each in found), default=0)
    for each in found:
        status = coloured(each.status) + " " * (wide - len(each.status))
        pages = _count(each.pages, "page")
        out.print(f"{each.id}  {status}  {escape(each.name)}  [dim]{pages}[/dim]")
        if each.reason:
            out.print(f"    [dim]{escape(each.reason)}[/dim]")


def card(found: Card, place: Callable[[Stated], str]) -> None:
    """Print a card: each value with what it is, and where the document says it in which words."""
    rows: dict[str, Sequence[Stated]] = {
        "title": [found.title] if found.title else [],
        **{name: getattr(found, name) for name in Card.model_fields if name != "title"},
    }
    if not any(rows.values()):
        err.print("It says nothing of itself that was found.")
    for name, values in rows.items():
        for value in values:
            told = f"{value.what}: {value.value}" if value.what else value.value
            also = f" ({', '.join(value.called)})" if value.called else ""
            quote = " ".join(value.quote.split())
            out.print(
                f"{name:14}{escape(told + also)}\n"
                f"{'':14}[dim]{escape(place(value))}: “{escape(quote)}”[/dim]"
            )


def run(found: Run, version_told: VersionTold) -> None:
    """Print a run: its answer with sources, or what it waits for."""
    out.print(f"[dim]run {found.id}  thread {found.thread_id}[/dim]  {coloured(found.status)}")
    if found.answer:
        out.print()
        out.print(escape(found.answer.text))
        sources(found.answer, version_told)
    for gone in found.erased:
        out.print(
            f"[yellow]Erased on {utc(gone.at)}, with document {gone.document_id} (by run "
            f"{gone.by}): {', '.join(gone.parts)}.[/yellow]"
        )
    if found.error:
        out.print(f"[red]{escape(found.error)}[/red]")
    for interrupt in found.interrupts:
        question(found, interrupt)
    if found.cost_usd:
        tokens = found.usage.input_tokens + found.usage.output_tokens
        out.print(f"[dim]{found.model}: {tokens:,} tokens, ${found.cost_usd:.4f}[/dim]")


def sources(answer: Answer, version_told: VersionTold) -> None:
    """Print the quotes of an answer, each with its document, version and place.

    A quote that the answer itself has in full is not printed twice.
    """
    cited = [c for claim in answer.claims for c in claim.citations]
    said = " ".join(answer.text.split())
    for number, citation in enumerate(dict.fromkeys(cited), 1):
        quote = " ".join(citation.quote.split())
        told = version_told(citation.document_id, citation.sha256)
        out.print(
            f"\n[bold]\\[{number}][/bold] [cyan]{escape(citation.document)}[/cyan], "
            f"{escape(citation.place)} "
            f"[dim]({citation.document_id}, {citation.start}:{citation.end})[/dim]"
            + (f"\n    [yellow]{escape(told)}[/yellow]" if told else "")
            + ("" if quote in said else f"\n    “{escape(quote)}”")
        )


def table(found: Extraction, corrections: Sequence[Correction]) -> None:
    """Print a table, a document after the other: each value with its state and its page."""
    said = last_of(corrections)
    width = max(len(column.name) for column in found.columns)
    for row in found.rows:
        out.print(
            f"\n[cyan]{escape(row.document)}[/cyan]  {coloured(row.status)}  "
            f"[dim]{row.document_id}[/dim]"
        )
        if row.reason:
            out.print(f"  [dim]{escape(row.reason)}[/dim]")
        for column in found.columns:
            if row.status in ("missing", "failed") and not row.cells[column.name].citations:
                continue
            cell = row.cells[column.name]
            name = escape(column.name.ljust(width))
            out.print(f"  {name}  {_cell(cell)}")
            if correction := said.get((row.document_id, column.name)):
                text = _shortened(shown(correction.value)) or "not in document"
                by = f"corrected by {correction.created_by}, {utc(correction.created_at)}"
                out.print(f"  {' ' * width}  [yellow]{escape(f'{text}  ({by})')}[/yellow]")


def counts(found: Extraction) -> None:
    """Print how many cells of a table stand how."""
    states = [cell.state for row in found.rows for cell in row.cells.values()]
    told = ", ".join(f"{states.count(state)} {name}" for state, name in STATES.items())
    rows, columns = _count(len(found.rows), "document"), _count(len(found.columns), "field")
    out.print(f"\n{rows}, {columns}: {told}")


def page_of(workspace: str, found: Run, port: int) -> None:
    """Print where a run is on the page, which `affidavit up` serves."""
    which = {"run": found.id} | ({} if workspace == DEFAULT else {"workspace": workspace})
    what = "each cell opens its page" if found.table else "decide there"
    out.print(
        f"[dim]In the browser, once `affidavit up` runs, {what}: "
        f"http://127.0.0.1:{port}/runs?{urlencode(which)}[/dim]"
    )


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"


def _cell(cell: Cell) -> str:
    """Return a cell on one line: value, state, and where it stands; without a value the quote."""
    places = "; ".join(dict.fromkeys(c.place for c in cell.citations))
    where = f"  [dim]{escape(places)}[/dim]" if places else ""
    value = escape(_shortened(shown(cell.value)))
    if cell.state == "found":
        return f"{value}{where}"
    colour = "yellow" if cell.state == "uncertain" else "dim"
    note = f": {cell.note}" if cell.note else ""
    if cell.citations and not value:
        value = escape(f"“{_shortened(' '.join(cell.citations[0].quote.split()))}”")
    return f"[{colour}]{escape(STATES[cell.state] + note)}[/{colour}]  {value}{where}".rstrip()


def _shortened(text: str) -> str:
    return text if len(text) <= _VALUE_CHARS else f"{text[: _VALUE_CHARS - 1]}…"


def question(found: Run, interrupt: Interrupt) -> None:
    """Print what a run asks a person, and how to answer."""
    value = interrupt.value
    out.print(f"\n[yellow]Waits for a person[/yellow] [dim]({interrupt.id})[/dim]")
    for line in terms(interrupt):
        out.print(f"  [yellow]{escape(line)}[/yellow]")
    for request in value.get("action_requests", ()):
        out.print(f"  {escape(str(request.get('description', '')))}")
        for name, argument in request.get("args", {}).items():
            out.print(f"  [dim]{escape(name)}:[/dim] {escape(str(argument))}")
    if interrupt.kind == "outcome_unknown":
        out.print(f"  {escape(str(value.get('description', '')))}")
        out.print(
            f"  affidavit settle {found.id} --interrupt {interrupt.id} --outcome done|not-done"
        )
        return
    named = f" --interrupt {interrupt.id}" if len(found.interrupts) > 1 else ""
    out.print(
        f"  affidavit approve {found.id}{named}   or   "
        f"affidavit reject {found.id}{named} --reason …\n"
        f"  then: affidavit resume {found.id}"
    )


def terms(interrupt: Interrupt) -> Iterator[str]:
    """Yield until when something can be approved, and by how many."""
    if interrupt.expires_at:
        yield f"It can be approved until {utc(interrupt.expires_at)}; then it counts as rejected."
    if interrupt.approvals > 1:
        so_far = ", ".join(vote.by.name for vote in interrupt.votes) or "nobody"
        yield f"It takes {interrupt.approvals} persons; approved so far by: {so_far}."


def notes(found: Iterable[str]) -> None:
    """Print what there is to know of a run beside its outcome."""
    for note in found:
        out.print(f"[yellow]{escape(note)}[/yellow]")


def checkpoints(found: Iterable[dict[str, Any]]) -> None:
    """Print the checkpoints of a thread, newest first, a line each."""
    for each in found:
        following = ", ".join(each["next"]) or "end"
        out.print(
            f"{each['checkpoint_id']}  step {each['step']:>3}  {each['run_id']}  "
            f"next: {escape(following)}"
        )


def passages(found: Iterable[Passage]) -> None:
    """Print what a search found, in its order; scores say nothing about documents' order."""
    found = list(found)
    if not found:
        err.print("Nothing was found.")
    for passage in found:
        text = " ".join(passage.text.split())
        out.print(
            f"[cyan]{escape(passage.document)}[/cyan], {escape(passage.locator)} "
            f"[dim]({passage.document_id}, {passage.start}:{passage.end})[/dim]\n{escape(text)}\n"
        )


def runs(entries: Iterable[dict[str, Any]]) -> None:
    """Print a list of runs, a line each, so that ids can be copied whole."""
    for entry in entries:
        text = " ".join(str(entry["question"]).split())
        out.print(
            f"{entry['run_id']}  {entry['thread_id']}  {coloured(entry['status']):<24}  "
            f"{escape(text)}"
        )
        if entry.get("dead"):
            out.print(f"    [red]{escape(str(entry['error']))}[/red]")
