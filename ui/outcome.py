"""How a run stands, whichever page shows it: its answer, its progress, what it asks a person.

It must never drive a run. Each of the three has a file: `answers.py`, `live.py`, `approvals.py`.
"""

import streamlit as st

from graph import Orchestrator
from storage.records import Run
from ui import answers, approvals, live, markup, parts
from ui.markup import show, tag


def outcome(run: Run, room: str) -> None:
    """Show what a run has come to; `room` keeps the keys of two pages apart."""
    answers.answer(run, room)
    match run.status:
        case "pending" | "running":
            live.follow(run.id)
        case "interrupted":
            approvals.cards(run)
        case "error" | "timeout":
            markup.callout("error", "The run ended without an answer.", run.error)
        case "cancelled":
            show(tag("p", "This run was cancelled.", cls="aff-quiet"))
        case "success" if run.answer is None:
            show(tag("p", "This run ended without an answer.", cls="aff-quiet"))


def controls(desk: Orchestrator, run: Run, room: str, *, retry: bool) -> None:
    """Offer to end a run that is under way, and to try one again that failed."""
    if not run.ended:
        st.button(
            "Cancel run",
            key=f"cancel-{room}-{run.id}",
            icon=":material/close:",
            on_click=parts.attempt,
            args=(desk.runs.cancel, run.id),
        )
    if run.status == "error" and retry:
        st.button(
            "Try again",
            key=f"retry-{room}-{run.id}",
            type="primary",
            icon=":material/refresh:",
            on_click=parts.attempt,
            args=(desk.runs.retry, run.id),
        )
