"""The record: every run, what happened in it event by event, and whether the record is sound.

It shows and decides; it never drives. The events are those of the audit chain, as they were kept.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, cast

import streamlit as st

from graph import Orchestrator
from storage.audit import Linked
from storage.records import Run, RunStatus
from ui import markup, outcome, parts, standing, words
from ui.markup import Safe, show, tag

_LISTED: Final = 200
_ROWS: Final = "rows"
_DEAD: Final = "dead"
_WIDTHS: Final = {
    "Asked": 130,
    "Status": 150,
    "Question": 330,
    "Last error": 230,
    "Conversation": 170,
    "Run": 170,
}


def page() -> None:
    """Show the list, and the run that the address names."""
    parts.arrive(parts.RUNS)
    desk = parts.desk()
    st.title("Runs", anchor=False)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        status = st.selectbox(
            "Status",
            [*words.RUN, _DEAD],
            index=None,
            format_func=_named,
            placeholder="All",
            width=260,
        )
        st.button("Refresh", icon=":material/refresh:")
    _table(_listed(desk, status), status)
    parts.said()
    if parts.given("run"):
        _details(desk, desk.runs.get(parts.given("run")))


def _named(status: str) -> str:
    return words.GIVEN_UP[0] if status == _DEAD else words.RUN[cast(RunStatus, status)][0]


def _listed(desk: Orchestrator, status: str | None) -> Sequence[dict[str, Any]]:
    if status == _DEAD:
        return desk.runs.list(dead=True, limit=_LISTED)
    return desk.runs.list(status=cast(RunStatus | None, status), limit=_LISTED)


def _status(entry: Mapping[str, Any]) -> str:
    status = cast(RunStatus, entry["status"])
    queued = standing.waits_its_turn(entry["run_id"], status)
    return words.standing(status, dead=bool(entry.get("dead")), queued=queued)[0]


def _error(entry: Mapping[str, Any]) -> str:
    """Return the last error of a run; why it was cancelled is none."""
    error = entry.get("error") if entry["status"] != "cancelled" else ""
    return " ".join(str(error or "").split())


def _table(entries: Sequence[dict[str, Any]], status: str | None) -> None:
    if not entries:
        what = "No run stands so." if status else "Nothing has been asked yet."
        show(tag("p", what, cls="aff-lead"))
        return
    st.session_state[_ROWS] = [entry["run_id"] for entry in entries]
    rows = [
        {
            "Asked": parts.when(entry["created_at"]),
            "Status": _status(entry),
            "Question": " ".join(str(entry["question"]).split()),
            "Last error": _error(entry),
            "Conversation": entry["thread_id"],
            "Run": entry["run_id"],
        }
        for entry in entries
    ]
    if not any(row["Last error"] for row in rows):
        rows = [{name: row[name] for name in row if name != "Last error"} for row in rows]
    st.dataframe(
        rows,
        key="runs",
        hide_index=True,
        height=min(38 + 35 * len(rows), 320),
        column_config={
            name: st.column_config.TextColumn(width=cast(Any, width))
            for name, width in _WIDTHS.items()
        },
        on_select=_chosen,
        selection_mode="single-row",
        alt="The runs of the workspace, newest first",
    )
    if not parts.given("run"):
        show(tag("p", "Choose a run to see what happened in it.", cls="aff-quiet"))


def _chosen() -> None:
    """Open the row that was chosen, as the table was when it was shown."""
    rows = st.session_state["runs"]["selection"]["rows"]
    if rows and rows[0] < len(st.session_state[_ROWS]):
        parts.address("run", st.session_state[_ROWS][rows[0]])


def _details(desk: Orchestrator, run: Run) -> None:
    st.divider()
    queued = standing.waits_its_turn(run.id, run.status)
    label, kind = words.standing(run.status, dead=run.dead, queued=queued)
    forked = [", taken over from ", tag("code", run.forked_from)] if run.forked_from else []
    show(
        tag("div", run.question, cls="aff-title"),
        tag("p", markup.chip(label, kind), " ", words.spent(run), cls="aff-quiet"),
        tag("p", "Run ", tag("code", run.id), " by ", run.created_by, *forked, cls="aff-quiet"),
    )
    _actions(desk, run)
    with st.container(width="stretch" if run.table else 760):
        _outcome(run)
    st.subheader("What happened", anchor=False)
    _timeline(list(desk.runs.events(run.id, follow=False)))


def _actions(desk: Orchestrator, run: Run) -> None:
    with st.container(horizontal=True, gap="small"):
        if st.button("Open the conversation", icon=":material/chat_bubble:"):
            parts.go(parts.CHAT, thread=run.thread_id)
        verify = st.button("Verify", icon=":material/verified:")
        outcome.controls(desk, run, "runs", retry=True)
    if verify:
        _verify(desk, run.id)


def _verify(desk: Orchestrator, run_id: str) -> None:
    verdict = desk.audit.verify(run_id)
    bad = verdict.first_bad
    if verdict.ok or bad is None:
        markup.callout("ok", f"{words.count(verdict.events, 'event')}, each as it was recorded.")
    else:
        markup.callout("error", f"Event {bad.seq} is wrong ({bad.where}).", bad.why)


def _outcome(run: Run) -> None:
    st.subheader("Outcome", anchor=False)
    outcome.outcome(run, "runs")
    if run.status not in ("pending", "running") or (stands := standing.of(run)).other:
        return
    if stands.queued:
        text = "Until then its conversation belongs to run "
        show(tag("p", text, tag("code", standing.in_front(run)), ".", cls="aff-quiet"))
        return
    text = (
        "A worker takes it up by itself. If the one that has it stopped, another goes on "
        "from the last checkpoint once its lease has run out; there is nothing to do."
    )
    show(tag("p", text, cls="aff-quiet"))


def _timeline(events: Sequence[Linked]) -> None:
    """Show the events; where a run was taken up more than once, attempt by attempt."""
    attempts: list[list[Linked]] = [[]]
    for linked in events:
        if linked.event.kind == "claimed" and any(e.event.kind == "claimed" for e in attempts[-1]):
            attempts.append([])
        attempts[-1].append(linked)
    heads = ("No.", "Time", "Agent", "Event", "What")
    head = tag("thead", tag("tr", *(tag("th", each, scope="col") for each in heads)))
    bodies: list[Safe] = []
    for number, attempt in enumerate(attempts, 1):
        title = [tag("tr", tag("th", f"Attempt {number}", colspan="5", scope="rowgroup"))]
        bodies.append(tag("tbody", *(title if len(attempts) > 1 else []), *_rows(attempt)))
    table = tag("table", head, *bodies)
    show(tag("div", table, cls="aff-timeline", tabindex="0", role="region", aria_label="Events"))


def _rows(events: Iterable[Linked]) -> Iterable[Safe]:
    for linked in events:
        event = linked.event
        data = json.dumps({**event.data, "hash": linked.hash}, ensure_ascii=False, indent=1)
        more = tag("details", tag("summary", words.what(event) or "–"), tag("pre", data))
        cells = (
            str(event.seq),
            parts.when(event.at / 1000, exact=True)[11:],
            words.agent(event.node),
            event.kind.replace("_", " "),
        )
        yield tag("tr", *(tag("td", cell) for cell in cells), tag("td", more))


if __name__ == "__main__":
    page()
