"""The conversation: ask, watch, read the answer with its citations, approve, say what one thinks.

It is rebuilt from the record at each look, so that a reload in the middle of a run loses nothing.
How a run is shown is in `outcome.py`, the sidebar in `shelf.py`. It never drives a run.
"""

from collections.abc import Sequence
from typing import Final

import streamlit as st

from graph import Orchestrator
from storage.errors import AffidavitError
from storage.records import Document, Run
from ui import opinion, outcome, parts, shelf, words
from ui.markup import show, tag

QUESTION_CHARS: Final = 20_000
_SHOWN: Final = 20


def page() -> None:
    """Show the conversation that the address names, or a new one."""
    parts.arrive(parts.CHAT)
    desk = parts.desk()
    thread = parts.given("thread")
    turns = desk.runs.of_thread(thread) if thread else []
    documents = desk.documents.list()
    limit = shelf.sidebar(desk, documents, turns)
    if not turns:
        _welcome(desk, documents)
    _conversation(desk, turns, {document.id: document.name for document in documents})
    parts.said()
    _ask(desk, turns, limit)


def _welcome(desk: Orchestrator, documents: Sequence[Document]) -> None:
    if documents:
        st.title("Ask your documents", anchor=False)
        text = (
            "Every statement of an answer carries a citation that a program has found on the "
            "page, word for word. What cannot be proven is said to be so."
        )
        show(tag("p", text, cls="aff-lead"))
        return
    st.title("Add a document to begin", anchor=False)
    text = (
        "Contracts, policies, filings, letters: add a few, then ask a question in plain words. "
        "Every statement of the answer will open the page that proves it."
    )
    show(tag("p", text, cls="aff-lead"))
    shelf.uploader(desk)


def _conversation(desk: Orchestrator, turns: Sequence[Run], names: dict[str, str]) -> None:
    hidden = len(turns) - _SHOWN
    if hidden > 0 and not st.toggle(f"Show {words.count(hidden, 'earlier question')}"):
        turns = turns[hidden:]
    for run in turns:
        with st.chat_message("user", avatar=":material/person:"):
            show(tag("div", run.question, cls="aff-question"))
            if run.documents:
                about = ", ".join(names.get(each, each) for each in run.documents)
                show(tag("p", f"About {about}", cls="aff-quiet"))
        with st.chat_message("assistant", avatar=":material/balance:"):
            _turn(desk, run, last=run is turns[-1])


def _turn(desk: Orchestrator, run: Run, *, last: bool) -> None:
    outcome.outcome(run, "chat")
    kept = desk.feedback.list(run.id) if run.ended and run.answer else None
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        outcome.controls(desk, run, "chat", retry=last)
        if kept is not None:
            opinion.thumbs(desk, run.id, kept)
        if st.button("Record", key=f"record-{run.id}", type="tertiary", icon=":material/history:"):
            parts.go(parts.RUNS, run=run.id)
        if run.ended:
            show(tag("span", words.spent(run), cls="aff-quiet"), width="content")
    opinion.comments(kept or ())


def _ask(desk: Orchestrator, turns: Sequence[Run], limit: Sequence[str]) -> None:
    busy = bool(turns) and not turns[-1].ended
    hint = "Ask a question, or for a memo"
    if busy:
        waits = turns[-1].status == "interrupted"
        hint = "Decide first, or cancel" if waits else "An answer is under way"
    asked = st.chat_input(hint, key="ask", max_chars=QUESTION_CHARS, disabled=busy)
    if not asked:
        return
    thread = turns[0].thread_id if turns else None
    try:
        run = desk.runs.submit(str(asked), documents=limit, thread=thread)
    except AffidavitError as error:
        parts.trouble(error)
    else:
        parts.address("thread", run.thread_id)
    st.rerun()


if __name__ == "__main__":
    page()
