"""How a run stands, whichever page shows it: its answer, its progress, what it asks a person.

It must never drive a run. Each has a file: `answers.py`, `tables.py`, `live.py`, `approvals.py`;
what the status alone does not say is in `standing.py`.
"""

import streamlit as st

from graph import Orchestrator
from storage.records import Run
from ui import answers, approvals, live, markup, parts, standing, tables, words
from ui.markup import show, tag


def outcome(run: Run, room: str) -> None:
    """Show what a run has come to; `room` keeps the keys of two pages apart."""
    answers.answer(run, room)
    tables.table(run, room)
    if run.erased:
        markup.callout("info", "Parts of this run were erased.", words.erased(run))
    match run.status:
        case "pending" | "running" | "interrupted":
            _open(run, room)
        case "error":
            title = "It failed again and again." if run.dead else "The run ended without an answer."
            markup.callout("error", title, run.error)
        case "timeout":
            more = "To try again gives it the same time once more, from its last checkpoint."
            markup.callout("warning", "Its time was up.", f"{run.error}\n{more}")
        case "cancelled":
            show(tag("p", words.cancelled(run), cls="aff-quiet"))
        case "success" if run.answer is None and run.table is None and not run.erased:
            show(tag("p", "This run ended without an answer.", cls="aff-quiet"))


def _open(run: Run, room: str) -> None:
    """Show a run that has not ended: where it stands, and what it asks."""
    stands = standing.of(run)
    if stands.other:
        standing.offer(run, stands.other, room)
    elif stands.queued:
        said = f"{words.WAITS_ITS_TURN[0]}; it begins when what was asked before has ended."
        show(tag("ol", tag("li", said, cls="aff-later"), cls="aff-steps"))
    elif run.status != "interrupted":
        live.follow(run.id, stands)
        approvals.cards(run)  # what is left to decide while the agents go on with the rest
        return
    approvals.cards(run)
    live.watch(run.id, run.status, stands)


def controls(desk: Orchestrator, run: Run, room: str, *, retry: bool) -> None:
    """Offer to end a run that is under way, and to try one again that failed."""
    if not run.ended:
        st.button(
            "Cancel question" if standing.waits_its_turn(run.id, run.status) else "Cancel run",
            key=f"cancel-{room}-{run.id}",
            icon=":material/close:",
            on_click=parts.attempt,
            args=(desk.runs.cancel, run.id),
        )
    if run.status in ("error", "timeout") and retry and not run.erased:
        st.button(
            "Try again",
            key=f"retry-{room}-{run.id}",
            type="primary",
            icon=":material/refresh:",
            on_click=parts.attempt,
            args=(desk.runs.retry, run.id),
        )
