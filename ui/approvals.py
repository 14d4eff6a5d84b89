"""The cards on which people decide what agents may do.

A card shows what will be done and with what exactly, until when and by how many it is approved; a
decision goes to the record under the identity that the orchestrator has verified, and is made once,
however often one clicks. Next: `asked.py` is what a card says, `changes.py` the form on it.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

import streamlit as st

from storage.decisions import allowed_decisions
from storage.records import Interrupt, Run
from ui import asked, changes, markup, parts, standing, words
from ui.markup import Safe, show, tag

_PLAIN: Final = {"approve": "Approve", "done": "It was done", "not_done": "It was not done"}
_ANY: Final = ("approve", "reject")
"""What is offered where a question names no decisions, so that any is taken."""
Decision = dict[str, Any]


def cards(run: Run) -> None:
    """Show all that a run asks; where that is several things, also one button for all."""
    _together(run)
    for interrupt in run.interrupts:
        card(run, interrupt)


def card(run: Run, interrupt: Interrupt) -> None:
    """Show one question, with the ways to answer it."""
    desk = parts.desk()
    expired = standing.has_expired(interrupt)
    label, kind = words.EXPIRED if expired else words.ASKS[interrupt.kind]
    with st.container(border=True, key=f"card-{interrupt.id}"):
        show(
            tag("p", markup.chip(label, kind), cls="aff-verdict"),
            *asked.told(desk, run, interrupt),
            tag("div", *_terms(interrupt, desk.identity.name), cls="aff-terms"),
        )
        if not expired:
            _choices(run, interrupt)


def _terms(interrupt: Interrupt, who: str) -> Iterator[Safe]:
    """Yield until when one can decide, how many persons it takes, and as whom one does."""
    if standing.has_expired(interrupt):
        text = f"Nobody decided by {parts.when(interrupt.expires_at)}, so it is not done. "
        yield tag("p", text, "A worker tells the agents so.", cls="aff-quiet")
        return
    if interrupt.approvals > 1:
        text = f"Takes the approval of {interrupt.approvals} different persons."
        yield tag("p", text, *_approved_by(interrupt), cls="aff-quiet")
    if interrupt.expires_at:
        until = tag("b", parts.when(interrupt.expires_at))
        yield tag("p", "Can be approved until ", until, "; then it is rejected.", cls="aff-quiet")
    yield tag("p", "You decide as ", tag("b", who), "; it is kept on record.", cls="aff-quiet")


def _approved_by(interrupt: Interrupt) -> Iterator[str]:
    for number, vote in enumerate(interrupt.votes):
        yield ", " if number else " Approved so far by "
        yield tag("b", vote.by.name)
        yield f" at {parts.when(vote.at)}"
    yield "." if interrupt.votes else " Nobody has approved it yet."


def _choices(run: Run, interrupt: Interrupt) -> None:
    allowed = allowed_decisions(interrupt.value) or _ANY
    with st.container(horizontal=True, gap="small", vertical_alignment="center"):
        for kind in (each for each in _PLAIN if each in allowed):
            if kind == "approve" and _has_approved(interrupt):
                show(tag("p", "You have approved it.", cls="aff-quiet"), width="content")
                continue
            st.button(
                _PLAIN[kind],
                key=f"{kind}-{interrupt.id}",
                type="primary" if kind == "approve" else "secondary",
                on_click=decide,
                args=(run.id, {interrupt.id: {"type": kind}}),
            )
    if "reject" in allowed:
        _reject(run, interrupt)
    if "edit" in allowed and asked.requests(interrupt):
        _edit(run, interrupt, asked.requests(interrupt)[0])


def _has_approved(interrupt: Interrupt) -> bool:
    return any(vote.by == parts.desk().identity for vote in interrupt.votes)


def _together(run: Run) -> None:
    """Offer to approve all at once that one can approve."""
    mine = [
        each.id
        for each in run.interrupts
        if "approve" in (allowed_decisions(each.value) or _ANY)
        and not standing.has_expired(each)
        and not _has_approved(each)
    ]
    if len(mine) < 2:
        return
    of = "all" if len(mine) == len(run.interrupts) else f"{len(mine)} of"
    decisions = {each: {"type": "approve"} for each in mine}
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.button(
            f"Approve {of} {len(run.interrupts)}",
            key=f"together-{run.id}",
            icon=":material/done_all:",
            on_click=decide,
            args=(run.id, decisions),
        )
        show(tag("p", "Or decide each by itself.", cls="aff-quiet"), width="content")


# A callback is run whole; what a page does with a button's value is lost where the next message of
# the browser comes first. So every decision is made in one.
def decide(run_id: str, decisions: Mapping[str, Decision]) -> None:
    """Put decisions on the record, all or none; if someone was first, say so."""
    parts.attempt(parts.desk().runs.resume, run_id, decisions)


def _reject(run: Run, interrupt: Interrupt) -> None:
    ends = interrupt.kind == "budget"
    with (
        st.expander("Reject, and end the run …" if ends else "Reject …"),
        st.form(f"reject-{interrupt.id}", border=False, enter_to_submit=True),
    ):
        label = "Why? It is kept with the run." if ends else "Why? The agents are told."
        st.text_input(label, key=f"why-{interrupt.id}")
        st.form_submit_button("Reject", on_click=_rejected, args=(run.id, interrupt.id))
        if st.session_state.pop(f"unsaid-{interrupt.id}", False):
            markup.callout("info", "Say why, in a few words.")


def _rejected(run_id: str, interrupt_id: str) -> None:
    reason = str(st.session_state.get(f"why-{interrupt_id}") or "").strip()
    if reason:
        decide(run_id, {interrupt_id: {"type": "reject", "message": reason}})
    else:
        st.session_state[f"unsaid-{interrupt_id}"] = True


def _edit(run: Run, interrupt: Interrupt, request: Mapping[str, Any]) -> None:
    """Offer the arguments for change; where it takes several persons, all approve the change."""
    several = interrupt.approvals > 1
    with (
        st.expander("Change it, and ask again …" if several else "Change it, then approve …"),
        st.form(f"edit-{interrupt.id}", border=False, enter_to_submit=False),
    ):
        changes.fields(interrupt, asked.args_of(request))
        if several:
            show(tag("p", "Everybody is asked again about the change.", cls="aff-quiet"))
        label = "Ask about the change" if several else "Approve as changed"
        st.form_submit_button(label, on_click=_edited, args=(run.id, interrupt, request))
        if wrong := st.session_state.pop(f"wrong-{interrupt.id}", None):
            markup.callout("error", "One of the fields is no JSON.", wrong)


def _edited(run_id: str, interrupt: Interrupt, request: Mapping[str, Any]) -> None:
    try:
        args = changes.changed(interrupt, asked.args_of(request))
    except ValueError as error:
        st.session_state[f"wrong-{interrupt.id}"] = str(error)
        return
    action = {"name": request.get("name"), "args": args}
    decide(run_id, {interrupt.id: {"type": "edit", "edited_action": action}})
