"""What the status of a run does not say: it waits for its turn, or began under other versions.

The way out of the second is offered here: a fork goes on from the last checkpoint under the
versions that are installed, and the run itself is cancelled. Nothing here drives a run.
"""

import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

import streamlit as st

from storage.errors import Conflict, NotFound
from storage.records import Interrupt, Run, RunStatus
from ui import markup, parts


@dataclass(frozen=True, slots=True)
class Standing:
    """How a run stands beside its status; when that changes, a page is built anew."""

    asks: tuple[tuple[str, int, bool], ...] = ()
    """Of each question its id, how many have approved, and whether it is too late to decide."""
    queued: bool = False
    """It waits for others to leave its thread."""
    other: tuple[str, ...] = ()
    """The parts of which it began under other versions than are installed here."""


def of(run: Run) -> Standing:
    """Return how a run stands."""
    if run.ended:
        return Standing()
    asks = [(each.id, len(each.votes), has_expired(each)) for each in run.interrupts]
    return Standing(tuple(asks), waits_its_turn(run.id, run.status), other_versions(run))


def has_expired(interrupt: Interrupt) -> bool:
    """Return whether it is too late to decide."""
    return 0 < interrupt.expires_at <= time.time()


def waits_its_turn(run_id: str, status: RunStatus) -> bool:
    """Return whether a run waits for others to leave its thread."""
    return status == "pending" and bool(parts.desk().resources.runs.kept(run_id).queued)


def in_front(run: Run) -> str:
    """Return the run that has the thread."""
    return parts.desk().resources.runs.lease(run.thread_id).run_id


def other_versions(run: Run) -> tuple[str, ...]:
    """Return the parts of which a run began under other versions than are installed here.

    None while a worker that has its versions is at work on it.
    """
    resources = parts.desk().resources
    if not run.versions:
        return ()
    try:
        here = resources.versions(run.graph)
    except NotFound:  # a graph of one's own, which only its workers know
        return ()
    other = sorted(part for part, version in run.versions.items() if here.get(part) != version)
    if not other or resources.runs.lease(run.thread_id).live(time.time()):
        return ()
    return tuple(other)


def offer(run: Run, other: Sequence[str], room: str) -> None:
    """Say under which other versions a run began, and offer to take it over."""
    markup.callout(
        "warning",
        f"It began under another version of its {' and '.join(other)}.",
        "A worker that has that version goes on with it. Or take it over on the version that is "
        "installed here: it goes on from its last checkpoint in a conversation of its own, asks "
        "again what was approved, and this run is cancelled.",
    )
    st.button(
        "Take over on this version",
        key=f"over-{room}-{run.id}",
        icon=":material/fork_right:",
        on_click=parts.attempt,
        args=(_take_over, run.id, room),
    )


def _take_over(run_id: str, room: str) -> None:
    runs = parts.desk().runs
    fork = runs.fork(run_id)
    with suppress(Conflict):  # it has ended by itself meanwhile
        runs.cancel(run_id)
    if room == "chat":
        parts.address("thread", fork.thread_id)
    else:
        parts.address("run", fork.id)
