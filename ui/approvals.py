"""The card on which a person decides what an agent may do.

It shows what will be done and with what exactly; a decision goes to the record under the identity
that the orchestrator has verified, and is made once, however often one clicks.
"""

import json
from collections.abc import Mapping
from typing import Any, Final

import streamlit as st

from storage.records import Interrupt, Run
from ui import live, markup, parts
from ui.markup import Safe, show, tag

_LONG: Final = 80
Decision = dict[str, Any]


def cards(run: Run) -> None:
    """Show all that a run asks."""
    for interrupt in run.interrupts:
        card(run, interrupt)
    live.watch(run.id, run.status, tuple(each.id for each in run.interrupts))


def card(run: Run, interrupt: Interrupt) -> None:
    """Show one question, with the ways to answer it."""
    value = interrupt.value
    who = parts.desk().resources.identity.name
    with st.container(border=True, key=f"card-{interrupt.id}"):
        show(tag("p", markup.chip("Waits for a person", "warning"), cls="aff-verdict"))
        requests = value.get("action_requests") or []
        for request in requests:
            show(*_request(request))
        if not requests:
            text = str(value.get("description") or json.dumps(value, ensure_ascii=False))
            show(tag("p", text, cls="aff-pre"))
        show(tag("p", "You decide as ", tag("b", who), "; it is kept on record.", cls="aff-quiet"))
        allowed = _allowed(value)
        _plain_choices(run, interrupt, allowed)
        if "reject" in allowed:
            _reject(run, interrupt)
        if "edit" in allowed and requests:
            _edit(run, interrupt, requests[0])


def _request(request: Mapping[str, Any]) -> list[Safe]:
    """Return a request as text: what it will do, and with what."""
    lines = [tag("p", str(request.get("description", "")), cls="aff-pre aff-strong")]
    lines.append(tag("p", "Tool ", tag("code", str(request.get("name", ""))), cls="aff-quiet"))
    for name, argument in dict(request.get("args") or {}).items():
        text = _text(argument)
        long = len(text) > _LONG or "\n" in text
        label = tag("span", str(name), cls="aff-label")
        body = (
            tag("div", text, cls="aff-box", tabindex="0", role="document", aria_label=str(name))
            if long
            else tag("code", text)
        )
        lines.append(tag("div", label, " ", body, cls="aff-argument"))
    return lines


def _text(argument: Any) -> str:
    if isinstance(argument, str):
        return argument
    return json.dumps(argument, ensure_ascii=False, indent=2)


def _allowed(value: Mapping[str, Any]) -> list[str]:
    configs = value.get("review_configs") or [{}]
    return list(value.get("allowed_decisions") or configs[0].get("allowed_decisions") or [])


def decide(run_id: str, interrupt_id: str, decision: Decision) -> None:
    """Put a decision on the record; if someone was first, say so."""
    parts.attempt(parts.desk().runs.resume, run_id, {interrupt_id: decision})


def _plain_choices(run: Run, interrupt: Interrupt, allowed: list[str]) -> None:
    names = {"approve": "Approve", "done": "It was done", "not_done": "It was not done"}
    with st.container(horizontal=True, gap="small"):
        for kind in (each for each in names if each in allowed):
            st.button(
                names[kind],
                key=f"{kind}-{interrupt.id}",
                type="primary" if kind == "approve" else "secondary",
                on_click=decide,
                args=(run.id, interrupt.id, {"type": kind}),
            )


def _reject(run: Run, interrupt: Interrupt) -> None:
    with (
        st.expander("Reject …"),
        st.form(f"reject-{interrupt.id}", border=False, enter_to_submit=True),
    ):
        st.text_input("Why? The agents are told.", key=f"why-{interrupt.id}")
        st.form_submit_button("Reject", on_click=_rejected, args=(run.id, interrupt.id))
        if st.session_state.pop(f"unsaid-{interrupt.id}", False):
            markup.callout("info", "Say why, in a few words.")


def _rejected(run_id: str, interrupt_id: str) -> None:
    reason = str(st.session_state.get(f"why-{interrupt_id}") or "").strip()
    if reason:
        decide(run_id, interrupt_id, {"type": "reject", "message": reason})
    else:
        st.session_state[f"unsaid-{interrupt_id}"] = True


def _edit(run: Run, interrupt: Interrupt, request: Mapping[str, Any]) -> None:
    """Offer the arguments for change: text as text, anything else as JSON."""
    given = dict(request.get("args") or {})
    with (
        st.expander("Change it, then approve …"),
        st.form(f"edit-{interrupt.id}", border=False, enter_to_submit=False),
    ):
        for name, value in given.items():
            _field(interrupt, name, value)
        changed = (run.id, interrupt.id, str(request["name"]), given)
        st.form_submit_button("Approve as changed", on_click=_edited, args=changed)
        if wrong := st.session_state.pop(f"wrong-{interrupt.id}", None):
            markup.callout("error", "One of the fields is no JSON.", wrong)


def _edited(run_id: str, interrupt_id: str, tool: str, given: Mapping[str, Any]) -> None:
    try:
        args = {
            name: text if isinstance(given[name], str) else json.loads(text)
            for name in given
            for text in [str(st.session_state[f"arg-{interrupt_id}-{name}"])]
        }
    except ValueError as error:
        st.session_state[f"wrong-{interrupt_id}"] = str(error)
        return
    edit = {"type": "edit", "edited_action": {"name": tool, "args": args}}
    decide(run_id, interrupt_id, edit)


def _field(interrupt: Interrupt, name: str, value: Any) -> None:
    text, key = _text(value), f"arg-{interrupt.id}-{name}"
    if len(text) > _LONG or "\n" in text:
        st.text_area(markup.plain(name), text, key=key, height=220)
    else:
        st.text_input(markup.plain(name), text, key=key)
