"""How a table is shown: a row for each document, and behind each cell the page that proves it.

A cell of the grid opens: its value and state, its page with the quotes marked, and what people say
that it should have held. What is shown in the grid is plain text.
"""

from functools import partial
from typing import Final

import streamlit as st
from pandas import DataFrame

from graph import Orchestrator
from storage.errors import AffidavitError
from storage.records import Cell, CellState, Column, Correction, Extraction, Row, Run
from tools.table_files import FileKind, distinct, last_of, shown
from ui import evidence, markup, parts, words
from ui.markup import show, tag

_DOCUMENT: Final = "Document"
_FILES: Final[dict[FileKind, str]] = {
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "csv": "text/csv",
    "json": "application/json",
}
_HEIGHT: Final = 420
_WIDTHS: Final = (210, 200)
"""Pixels of a field, and of the documents."""
_COLOURS: Final[dict[CellState, str]] = {
    "found": "",
    "not_in_document": "color: #7a8087",
    "uncertain": "background-color: rgba(217, 168, 0, .16)",
}
"""The state in colour, for the light theme and the dark one; it also stands there in words."""
_OPEN: Final = "open-cell"
_VALUE, _WHY, _WRONG, _KEPT = "cell-value", "cell-why", "cell-wrong", "cell-kept"


def table(run: Run, room: str) -> None:
    """Show the table that a run has made; `room` keeps the keys of two pages apart."""
    if run.table is not None and run.table.rows:
        _whole(run.id, run.table, room)


# A fragment: choosing a cell does not read the run and its record again.
@st.fragment
def _whole(run_id: str, made: Extraction, room: str) -> None:
    desk = parts.desk()
    st.session_state.pop(_KEPT, None)
    corrections = last_of(desk.feedback.corrections(run_id))
    show(tag("p", *_counts(made), cls="aff-verdict"))
    _grid(run_id, made, corrections, room)
    _files(desk, run_id, room)
    chosen = _chosen(run_id, made, room)
    pressed = st.button("Open the cell", key=_key("open", room, run_id))
    opened = st.session_state.pop(_key(_OPEN, room, run_id), chosen if pressed else None)
    if opened:
        row, column = made.rows[opened[0]], made.columns[opened[1]]
        _opened(run_id, row, column, corrections.get((row.document_id, column.name)), room)


@st.dialog("A cell, and the page that proves it", width="medium")
def _opened(
    run_id: str, row: Row, column: Column, correction: Correction | None, room: str
) -> None:
    """Show a cell with its state, its pages with the quotes marked, and the way to correct it."""
    cell = row.cells[column.name]
    _cell(row, column, cell, correction)
    _correct(run_id, row, column, room)
    pages = evidence.by_page(cell.citations)
    chosen = 0
    if len(pages) > 1:
        chosen = st.segmented_control(
            "Pages",
            range(len(pages)),
            default=0,
            required=True,
            format_func=lambda n: markup.plain(pages[n][0].place, 60),
            key=_key("page", room, run_id),
            label_visibility="collapsed",
        )
    if pages:
        evidence.page(pages[chosen])


def _counts(made: Extraction) -> list[str]:
    states = [cell.state for row in made.rows for cell in row.cells.values()]
    chips: list[str] = []
    for state, (label, kind) in words.CELL.items():
        if count := states.count(state):
            chips += [markup.chip(f"{count} {label.lower()}", kind), " "]
    return chips


def _grid(
    run_id: str, made: Extraction, corrections: dict[tuple[str, str], Correction], room: str
) -> None:
    lines, colours = [], []
    heads = _heads(made)
    for row in made.rows:
        line = {_DOCUMENT: row.document}
        colour = {_DOCUMENT: ""}
        for head, column in zip(heads, made.columns, strict=True):
            cell = row.cells[column.name]
            text = words.of_cell(cell)
            if corrected := corrections.get((row.document_id, column.name)):
                text = f"{text}  ▸ {shown(corrected.value) or words.CELL['not_in_document'][0]}"
            line[head] = text
            colour[head] = _COLOURS[cell.state]
        lines.append(line)
        colours.append(colour)
    painted = DataFrame(colours)
    st.dataframe(
        DataFrame(lines).style.apply(lambda _: painted, axis=None),
        key=_key("grid", room, run_id),
        hide_index=True,
        height=min(38 + 35 * len(lines), _HEIGHT),
        column_config={
            head: st.column_config.TextColumn(
                width=_WIDTHS[head == _DOCUMENT], pinned=head == _DOCUMENT
            )
            for head in lines[0]
        },
        on_select=lambda: _pick(run_id, made, room),
        selection_mode="single-cell",
        alt="What the documents say, a row for each; choose a cell to open its page",
    )


def _heads(made: Extraction) -> list[str]:
    """Return the heads of the grid behind that of the documents; no two are the same."""
    return distinct([_DOCUMENT, *(column.name for column in made.columns)])[1:]


def _key(what: str, room: str, run_id: str) -> str:
    return f"{what}-{room}-{run_id}"


def _pick(run_id: str, made: Extraction, room: str) -> None:
    """Choose the cell that was chosen in the grid, and have its page opened once."""
    cells = st.session_state[_key("grid", room, run_id)]["selection"]["cells"]
    heads = {head: place for place, head in enumerate(_heads(made))}
    for number, head in cells:
        if head in heads:
            st.session_state[_key("row", room, run_id)] = number
            st.session_state[_key("column", room, run_id)] = heads[head]
            st.session_state[_key(_OPEN, room, run_id)] = number, heads[head]


def _chosen(run_id: str, made: Extraction, room: str) -> tuple[int, int]:
    """Offer the cells by document and field, to whoever does not use the grid, and once more."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        row = st.selectbox(
            "Document",
            range(len(made.rows)),
            key=_key("row", room, run_id),
            format_func=lambda n: made.rows[n].document,
        )
        column = st.selectbox(
            "Field",
            range(len(made.columns)),
            key=_key("column", room, run_id),
            format_func=lambda n: made.columns[n].name,
            width=260,
        )
    return row, column


def _cell(row: Row, column: Column, cell: Cell, correction: Correction | None) -> None:
    label, kind = words.CELL[cell.state]
    lines = [tag("p", markup.chip(label, kind), " ", tag("b", column.name), cls="aff-verdict")]
    if cell.value is not None:
        lines.append(tag("div", shown(cell.value), cls="aff-claim"))
    if cell.note:
        lines.append(tag("p", cell.note, cls="aff-why"))
    if not cell.citations:
        lines.append(tag("div", row.document, cls="aff-title"))
    if cell.state == "not_in_document" and row.status == "ready":
        lines.append(tag("p", "It was read in full, and does not say it.", cls="aff-quiet"))
    if row.status != "ready" and row.reason != cell.note:
        lines.append(tag("p", row.reason or row.status, cls="aff-quiet"))
    if correction:
        said = shown(correction.value) or words.CELL["not_in_document"][0]
        by = f"Corrected by {correction.created_by}, {parts.when(correction.created_at)}: "
        more = [tag("p", correction.comment, cls="aff-quiet")] if correction.comment else []
        lines += [tag("p", by, tag("b", said)), *more]
    show(*lines)


def _correct(run_id: str, row: Row, column: Column, room: str) -> None:
    with (
        st.expander("Correct this cell"),
        st.form(_key("correct", room, run_id), border=False),
    ):
        hint = "; between the entries" if column.kind == "strings" else "nothing: not in it"
        st.text_input("What it should have held", placeholder=hint, key=_VALUE)
        st.text_input("Why (optional)", key=_WHY)
        given = run_id, row.document_id, column
        st.form_submit_button("Keep the correction", on_click=_keep, args=given)
        if wrong := st.session_state.pop(_WRONG, ""):
            markup.callout("error", "That was not kept.", wrong)
    if st.session_state.pop(_KEPT, False):
        st.rerun()  # which closes the cell, and shows the correction in the grid


# In a callback, which is run whole, as decisions are.
def _keep(run_id: str, document_id: str, column: Column) -> None:
    value = str(st.session_state.get(_VALUE) or "")
    listed = [each.strip() for each in value.split(";")] if column.kind == "strings" else value
    said = listed if value.strip() else None
    why = str(st.session_state.get(_WHY) or "")
    try:
        parts.desk().feedback.correct(run_id, document_id, column.name, said, why)
    except AffidavitError as error:
        st.session_state[_WRONG] = str(error)
    else:
        st.session_state[_KEPT] = True


def _files(desk: Orchestrator, run_id: str, room: str) -> None:
    with st.container(horizontal=True, gap="small"):
        for kind, mime in _FILES.items():
            st.download_button(
                kind.upper(),
                partial(desk.runs.table_file, run_id, kind),  # made when it is asked for
                file_name=f"{run_id}.{kind}",
                mime=mime,
                key=_key(f"file-{kind}", room, run_id),
                icon=":material/download:",
                on_click="ignore",
            )
