"""What the pages share: the desk, what the address says, messages, times.

A reload begins with an empty session, so that whatever matters stands in the address (workspace,
thread, run) or in the record. The session holds only what may be lost: a message to be shown once,
and the address of the page that one came from.
"""

from collections.abc import Callable
from datetime import datetime, tzinfo
from typing import Any, Final, cast
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import streamlit as st

from graph import Orchestrator
from storage.errors import AffidavitError, Busy, Conflict, Unavailable
from ui.markup import Kind, callout

CHAT: Final = "chat.py"
RUNS: Final = "runs.py"
_KEPT: Final = {CHAT: ("workspace", "thread"), RUNS: ("workspace", "run")}
_NOTES: Final = "notes"
_ADDRESS: Final = "address"
_PAGE: Final = "page"


@st.cache_resource(show_spinner=False, on_release=Orchestrator.close)
def opened(workspace: str) -> Orchestrator:
    """Return the orchestrator of a workspace: one for all sessions of this process."""
    return Orchestrator.open(workspace or None)


def desk() -> Orchestrator:
    """Return the orchestrator of the workspace that the address names, or of the settings'."""
    return opened(given("workspace"))


def given(name: str) -> str:
    """Return what the address says, or nothing."""
    return str(st.query_params.get(name, ""))


def address(name: str, value: str) -> None:
    """Put something into the address; nothing takes it out."""
    if value:
        st.query_params[name] = value
    elif name in st.query_params:
        del st.query_params[name]


def arrive(page: str) -> None:
    """Coming back to a page by its link, go on with what was open there."""
    kept: dict[str, str] = st.session_state.setdefault(_ADDRESS, {})
    if st.session_state.get(_PAGE, page) != page:
        for name in _KEPT[page]:
            if kept.get(name) and not given(name):
                address(name, kept[name])
    st.session_state[_PAGE] = page
    kept.update({name: given(name) for name in _KEPT[page]})


def go(page: str, **names: str) -> None:
    """Switch to a page, in the same workspace."""
    names["workspace"] = given("workspace")
    st.session_state.setdefault(_ADDRESS, {}).update(names)
    st.switch_page(page, query_params={name: value for name, value in names.items() if value})


def say(kind: Kind, title: str, text: str = "") -> None:
    """Have a message shown once, at the next `said`."""
    st.session_state.setdefault(_NOTES, []).append((kind, title, text))


def said() -> None:
    """Show what there is to say."""
    for kind, title, text in st.session_state.pop(_NOTES, []):
        callout(kind, title, text)


def attempt(do: Callable[..., Any], *args: Any) -> None:
    """Do something for a person; what hinders it becomes a message."""
    try:
        do(*args)
    except AffidavitError as error:
        trouble(error)


def trouble(error: AffidavitError) -> None:
    """Say what went wrong, in the tone that it deserves."""
    match error:
        case Busy():
            say("info", "Not now.", str(error))
        case Conflict():
            say("info", "Someone was first; nothing was done. This is how it stands.", str(error))
        case Unavailable():
            say("warning", "The storage does not answer. Try again in a moment.", str(error))
        case _:
            say("error", "That did not work.", str(error))


def worker_command() -> str:
    """Return how a worker is started for this workspace."""
    workspace = given("workspace")
    return f"affidavit worker --workspace {workspace}" if workspace else "affidavit worker"


def zone() -> tzinfo | None:
    """Return the time zone of the browser; None is that of this machine."""
    try:
        return ZoneInfo(cast(str, st.context.timezone))
    except (ZoneInfoNotFoundError, TypeError, ValueError):
        return None


def when(seconds: float, *, exact: bool = False) -> str:
    """Return a time as the person who looks would write it."""
    at = datetime.fromtimestamp(seconds).astimezone(zone())
    if exact:
        return f"{at:%Y-%m-%d %H:%M:%S}.{at.microsecond // 1000:03d}"
    today = at.date() == datetime.now(at.tzinfo).date()
    return f"{at:%H:%M}" if today else f"{at:%Y-%m-%d %H:%M}"
