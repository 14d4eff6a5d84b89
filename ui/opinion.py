"""What a person thinks of an answer: a thumb, and a comment if they like; both are kept."""

from collections.abc import Sequence
from typing import Literal

import streamlit as st

from graph import Orchestrator
from storage.records import Feedback
from ui import parts
from ui.markup import show, tag

RATINGS: tuple[Literal["down", "up"], ...] = ("down", "up")
"""In the order in which Streamlit counts its thumbs."""


def thumbs(desk: Orchestrator, run_id: str, kept: Sequence[Feedback]) -> None:
    """Show the thumbs as they were kept, and take new ones; with one, a comment can be given."""
    rating = kept[-1].rating if kept else None
    key = f"thumbs-{run_id}"
    st.feedback(
        "thumbs",
        key=key,
        default=RATINGS.index(rating) if rating else None,
        on_change=_rated,
        args=(desk, run_id, key),
    )
    if rating:
        show(tag("span", f"Thumb {rating} kept", cls="aff-quiet"), width="content")
        _comment(desk, run_id, rating, f"comment-{run_id}-{len(kept)}")


def _rated(desk: Orchestrator, run_id: str, key: str) -> None:
    value = st.session_state.get(key)
    if value is not None:
        parts.attempt(desk.feedback.add, run_id, RATINGS[value])


def _comment(desk: Orchestrator, run_id: str, rating: Literal["down", "up"], key: str) -> None:
    with (
        st.popover("Comment", icon=":material/comment:", type="tertiary", key=key),
        st.form(f"{key}-form", border=False),
    ):
        text = f"{key}-text"
        st.text_area("What should be known about this answer?", max_chars=2000, key=text)
        st.form_submit_button("Keep", on_click=_said, args=(desk, run_id, rating, text))


def _said(desk: Orchestrator, run_id: str, rating: Literal["down", "up"], key: str) -> None:
    # A callback is run whole; what a page does with a button's value is lost where the next
    # message of the browser comes first.
    if text := str(st.session_state.get(key) or "").strip():
        parts.attempt(desk.feedback.add, run_id, rating, text)


def comments(kept: Sequence[Feedback]) -> None:
    """Show what was said about an answer, and by whom."""
    for each in kept:
        if each.comment:
            said = tag("div", each.comment)
            by = tag("span", f"{each.created_by}, {parts.when(each.created_at)}", cls="aff-quiet")
            show(tag("div", said, by, cls="aff-comment"))
