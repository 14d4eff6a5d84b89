"""The conversation: ask, watch, read the answer with its citations, approve, say what one thinks.

While an answer is under way one can ask on: next, or instead.

It is rebuilt from the record at each look, so that a reload in the middle of a run loses nothing.
How a run is shown is in `outcome.py`, the sidebar in `shelf.py`. It never drives a run.
"""

from collections.abc import Sequence
from typing import Final

import streamlit as st

from graph import Orchestrator
from storage.errors import AffidavitError
from storage.records import Document, Run
from storage.submission import Strategy
from ui import opinion, outcome, parts, shelf, words
from ui.markup import Safe, show, tag

QUESTION_CHARS: Final = 20_000
_SHOWN: Final = 20
_NAMED: Final = 4  # documents whose names stand beside a question
_ASKED: Final = "ask"
_CHOICE: Final = "how"
_HOW: Final[dict[Strategy, str]] = {"enqueue": "Ask next", "interrupt": "Ask instead"}
_HOW_FIRST: Final[Strategy] = "enqueue"
_NEW: Final = "new-turn"
# A constant: it finds the last question by its class, below which the answer grows for a while.
# Whoever takes hold of the page meanwhile is left alone.
_SCROLL: Final = """<script>
(function () {
  let tries = 60;
  const stop = () => { tries = 0; };
  for (const each of ["wheel", "keydown", "pointerdown", "touchstart"])
    window.addEventListener(each, stop, {once: true, passive: true});
  (function follow() {
    const asked = [...document.querySelectorAll(".aff-question")].pop();
    const turn = asked && asked.closest(".stChatMessage");
    if (turn && tries) turn.scrollIntoView({block: "start"});
    if (tries-- > 0) setTimeout(follow, 250);
  })();
})();
</script>"""
_HINTS: Final = {
    "ask": "Ask a question, or for a memo",
    "decide": "Decide first, or cancel",
    "enqueue": "Ask next: it waits for its turn",
    "interrupt": "Ask instead: what is under way is cancelled",
}


def page() -> None:
    """Show the conversation that the address names, or a new one."""
    parts.arrive(parts.CHAT)
    desk = parts.desk()
    thread = parts.given("thread")
    turns = desk.runs.of_thread(thread) if thread else []
    documents = desk.documents.list()
    shelf.sidebar(desk, documents, turns)
    if not turns:
        _welcome(desk, documents)
    _conversation(desk, turns, {document.id: document.name for document in documents})
    parts.said()
    _ask(turns)
    if st.session_state.pop(_NEW, False) and len(turns) > 1:
        st.html(_SCROLL, unsafe_allow_javascript=True)


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
                show(_about([names.get(each, each) for each in run.documents]))
        with st.chat_message("assistant", avatar=":material/balance:"):
            _turn(desk, run, last=run is turns[-1])


def _about(names: Sequence[str]) -> Safe:
    """Return what a question is about; many names unfold."""
    if len(names) <= _NAMED:
        return tag("p", f"About {', '.join(names)}", cls="aff-quiet")
    lines = (tag("p", name, cls="aff-quiet") for name in names)
    summary = tag("summary", f"About {words.count(len(names), 'document')}")
    return tag("details", summary, *lines, cls="aff-quiet")


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


def _ask(turns: Sequence[Run]) -> None:
    """Take a question, also while an answer is under way; not while a person has to decide."""
    under_way = [run for run in turns if not run.ended]
    waits = any(run.interrupts for run in under_way)
    hint = _HINTS["decide" if waits else "ask"]
    with st.bottom:
        with st.container(key="ask-how"):  # always there, so that what is being typed stays
            if under_way and not waits:
                chosen = st.segmented_control(
                    "While an answer is under way",
                    list(_HOW),
                    default=_HOW_FIRST,
                    format_func=lambda each: _HOW[each],
                    required=True,
                    key=_CHOICE,
                    label_visibility="collapsed",
                )
                hint = _HINTS[chosen]
        st.chat_input(
            hint,
            key=_ASKED,
            max_chars=QUESTION_CHARS,
            disabled=waits,
            on_submit=_asked,
            args=(turns[0].thread_id if turns else None,),
        )


# In a callback, which is run whole: while a run is followed, the page's own messages come often.
def _asked(thread: str | None) -> None:
    """Enter a question; if its conversation is busy, it waits for its turn or takes it."""
    question = str(st.session_state.get(_ASKED) or "")
    how: Strategy = st.session_state.get(_CHOICE) or _HOW_FIRST
    if _CHOICE in st.session_state:
        st.session_state[_CHOICE] = _HOW_FIRST
    try:
        run = parts.desk().runs.submit(
            question, documents=shelf.limit(), thread=thread, multitask_strategy=how
        )
    except AffidavitError as error:
        parts.trouble(error)
    else:
        st.session_state[_NEW] = True
        parts.address("thread", run.thread_id)


if __name__ == "__main__":
    page()
