"""What a run asks a person, as text: what an agent would do, what was used up, what nobody knows.

Pure show: nothing here decides. Whatever stands in a question may be the text of strangers, or of a
graph of one's own with fields of any kind, and goes through `markup`. Next: `approvals.py` puts it
on a card with the ways to answer.
"""

import json
from collections.abc import Mapping
from typing import Any, Final

from graph import Orchestrator
from storage.records import Interrupt, Run
from ui import parts, words
from ui.markup import Safe, tag

LONG: Final = 80
PARTS: Final = ("steps", "tokens", "dollars")
"""The parts of a budget, in the order in which they are shown."""


def told(desk: Orchestrator, run: Run, interrupt: Interrupt) -> list[Safe]:
    """Return what an interrupt asks."""
    match interrupt.kind:
        case "budget":
            return [*_described(interrupt), _budget(run, interrupt)]
        case "outcome_unknown":
            return _unknown(desk, run, interrupt)
        case "approval" if requests(interrupt):
            return [line for request in requests(interrupt) for line in _request(request)]
    text = interrupt.value.get("description") or json.dumps(interrupt.value, ensure_ascii=False)
    return [tag("p", str(text), cls="aff-pre")]


def requests(interrupt: Interrupt) -> list[Mapping[str, Any]]:
    """Return the actions that an interrupt is about."""
    found = interrupt.value.get("action_requests")
    return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []


def args_of(request: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of an action."""
    args = request.get("args")
    return dict(args) if isinstance(args, dict) else {}


def text_of(argument: Any) -> str:
    """Return an argument as text: text as it is, anything else as JSON."""
    if isinstance(argument, str):
        return argument
    return json.dumps(argument, ensure_ascii=False, indent=2)


def _request(request: Mapping[str, Any]) -> list[Safe]:
    """Return a request as text: what it will do, and with what."""
    lines = [tag("p", str(request.get("description", "")), cls="aff-pre aff-strong")]
    lines.append(tag("p", "Tool ", tag("code", str(request.get("name", ""))), cls="aff-quiet"))
    for name, argument in args_of(request).items():
        text = text_of(argument)
        long = len(text) > LONG or "\n" in text
        label = tag("span", str(name), cls="aff-label")
        body = (
            tag("div", text, cls="aff-box", tabindex="0", role="document", aria_label=str(name))
            if long
            else tag("code", text)
        )
        lines.append(tag("div", label, " ", body, cls="aff-argument"))
    return lines


def _described(interrupt: Interrupt) -> list[Safe]:
    return [
        tag("p", str(request.get("description", "")), cls="aff-pre aff-strong")
        for request in requests(interrupt)
    ]


def _budget(run: Run, interrupt: Interrupt) -> Safe:
    """Return what was used, what the run may use, and what it asks for, side by side."""
    wanted = args_of(requests(interrupt)[0]) if requests(interrupt) else {}
    spent = interrupt.value.get("spent")
    used = dict(spent) if isinstance(spent, dict) else {}
    now = run.budget.model_dump()
    if wanted.get("steps") != now["steps"]:  # they are what is used up
        used["steps"] = now["steps"]
    heads = ("", "Used", "Budget", "Asked for")
    rows = [tag("tr", *(tag("th", head, scope="col") for head in heads))]
    for part in PARTS:
        more = tag("b", words.amount(part, wanted.get(part)))
        same = wanted.get(part) == now[part]
        cells = (
            words.amount(part, used[part]) if used.get(part) is not None else "–",
            words.amount(part, now[part]),
            "as it is" if same else more,
        )
        label = tag("th", part.capitalize(), scope="row")
        rows.append(tag("tr", label, *(tag("td", cell) for cell in cells)))
    return tag("table", *rows, cls="aff-table")


def _unknown(desk: Orchestrator, run: Run, interrupt: Interrupt) -> list[Safe]:
    """Return what was begun, that nobody knows how it ended, and what to find out."""
    call = interrupt.value.get("tool_call_id")
    events = (linked.event for linked in desk.runs.events(run.id, follow=False))
    begun = [e for e in events if e.kind == "effect_begun" and e.data.get("call") == call]
    if not begun:
        return [tag("p", str(interrupt.value.get("description", "")), cls="aff-pre aff-strong")]
    event = begun[-1]
    when, word = parts.when(event.at / 1000), words.on_word_of(event.data.get("by", "?"))
    said = f"{event.data.get('tool', '?')} was begun at {when}, {word}."
    why = (
        "Nobody knows whether it was done: whoever carried it out stopped in the middle of it, and "
        "to do it again might do it twice. Look where it would show, then say what you found."
    )
    lines = [tag("p", said, cls="aff-pre aff-strong"), tag("p", why, cls="aff-why")]
    request = _approved(desk, run, call)
    return [*lines, *_request(request)] if request else lines


def _approved(desk: Orchestrator, run: Run, call: Any) -> Mapping[str, Any] | None:
    """Return the action that was approved for a call, as it was approved."""
    for each in sorted(desk.resources.runs.decided(run.id), key=lambda d: d.order, reverse=True):
        decision, asked = each.decision or {}, requests(each.interrupt)
        if not asked or each.interrupt.value.get("tool_call_id") != call:
            continue
        if decision.get("type") == "edit":
            args = args_of(decision.get("edited_action") or {})
            return {**asked[0], "args": args, "description": "As it was changed and approved:"}
        if decision.get("type") == "approve":
            return asked[0]
    return None
