"""Follows a run while it is at work: who does what, from the events as they are recorded.

What is shown is what is recorded. When the run ends or asks a person, the whole page is built anew.
"""

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

import streamlit as st

from storage.audit import Event
from storage.errors import Unavailable
from storage.records import Run
from ui import markup, parts, standing, words
from ui.markup import Safe, show, tag
from ui.standing import Standing

LOOK_SECONDS: Final = 0.5
IDLE_SECONDS: Final = 2.0
QUIET_SECONDS: Final = 60.0
_TOLD: Final = frozenset(
    (
        *("planned", "found", "drafted", "wrote", "reviewed", "tool_call"),
        *("vote", "decision", "effect_begun", "effect"),
    )
)


@dataclass(frozen=True, slots=True)
class Step:
    """A line of what is shown; `now` is still going on."""

    agent: str
    text: str
    state: Literal["done", "now", "bad"] = "done"


def steps(events: Iterable[Event]) -> list[Step]:
    """Return what the agents have done so far, and what they are at."""
    done: list[Step] = []
    at_work: dict[str, str] = {}
    claims = 0
    for event in events:
        if event.kind == "claimed":
            claims += 1
            at_work.clear()
            if claims > 1:
                done.append(Step("Worker", "went on from where it stood"))
        elif event.kind == "started":
            at_work[event.task] = event.node
        elif event.kind in ("finished", "asked", "failed"):
            at_work.pop(event.task, None)
        if event.kind in _TOLD:
            done.append(Step(words.agent(event.node), words.what(event)))
        elif event.kind in ("failed", "released") and words.what(event):
            done.append(Step(words.agent(event.node), words.what(event), "bad"))
    now = [Step(words.agent(n), words.DOING.get(n, "is at work"), "now") for n in at_work.values()]
    return [*done, *now]


@st.fragment(run_every=LOOK_SECONDS)
def follow(run_id: str, stands: Standing) -> None:
    """Show a run that is at work until it ends, waits for a person, or stands otherwise."""
    desk = parts.desk()
    try:
        run = desk.runs.get(run_id)
        events = [linked.event for linked in desk.runs.events(run_id, follow=False)]
        workers, now = desk.runs.workers(), standing.of(run)
    except Unavailable as error:
        markup.callout("warning", "The storage does not answer; trying again.", str(error))
        return
    if run.status not in ("pending", "running") or now != stands:
        st.rerun()
    seen = steps(events)
    if not any(step.state == "now" for step in seen):
        seen.append(Step("Desk", _waits(run, workers), "now"))
    show(tag("ol", *map(_line, seen), cls="aff-steps", aria_live="polite"))
    if not workers and (run.status == "pending" or _quiet(events)):
        markup.callout(
            "warning",
            "No worker is running.",
            f"Nothing is lost. Start one in a terminal with: {parts.worker_command()}",
        )


def _quiet(events: Sequence[Event]) -> bool:
    """Return whether nothing was heard of a run for longer than whoever drives it is silent."""
    return not events or time.time() - events[-1].at / 1000 > QUIET_SECONDS


def _waits(run: Run, workers: Sequence[str]) -> str:
    if run.status == "pending":
        return "waits for a worker to take it up"
    return "is at work" if workers else "waits until the lease of its last worker runs out"


def _line(step: Step) -> Safe:
    return tag("li", tag("b", step.agent), " ", step.text, cls=f"aff-{step.state}")


@st.fragment(run_every=IDLE_SECONDS)
def watch(run_id: str, status: str, stands: Standing) -> None:
    """Notice that a run which waits, for a person or for its turn, does so no longer."""
    try:
        run = parts.desk().runs.get(run_id)
        changed = run.status != status or standing.of(run) != stands
    except Unavailable:
        return
    if changed:
        st.rerun()
