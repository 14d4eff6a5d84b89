"""How a table is shown: a row for each document, and behind each cell the page that proves it.

A cell of the grid opens its page; below the grid, the cell that is chosen stands with its state,
its quotes, and what people say that it should have held. What is shown in the grid is plain text.
"""

from functools import partial
from typing import Final

import streamlit as st

from graph import Orchestrator
from storage.errors import AffidavitError
from storage.records import Cell, Column, Correction, Extraction, Row, Run
from tools.table_files import FileKind, last_of, shown
from ui import evidence, markup, parts, words
from ui.markup import show, tag

_DOCUMENT: Final = "Document"
_FILES: Final[dict[FileKind, str]] = {
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "csv": "text/csv",
    "json": "application/json",
}
_HEIGHT: Final = 420
_OPEN: Final = "open-cell"


def table(run: Run, room: str) -> None:
    """Show the table that a run has made; `room` keeps the keys of two pages apart."""
    if run.table is None or not run.table.rows:
        return
    desk = parts.desk()
    corrections = last_of(desk.feedback.corrections(run.id))
    show(tag("p", *_counts(run.table), cls="aff-verdict"))
    _grid(run.id, run.table, corrections, room)
    _files(desk, run.id, room)
    row, column = _chosen(run.id, run.table, room)
    cell = row.cells[column.name]
    _cell(row, column, cell, corrections.get((row.document_id, column.name)))
    _sources(run.id, cell, room)
    _correct(desk, run.id, row, column, room)


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
    lines = []
    for row in made.rows:
        line = {_DOCUMENT: row.document}
        for column in made.columns:
            text = words.of_cell(row.cells[column.name])
            if corrected := corrections.get((row.document_id, column.name)):
                text = f"{text}  ▸ {shown(corrected.value) or words.CELL['not_in_document'][0]}"
            line[_head(column)] = text
        lines.append(line)
    st.dataframe(
        lines,
        key=_key("grid", room, run_id),
        hide_index=True,
        height=min(38 + 35 * len(lines), _HEIGHT),
        on_select=lambda: _pick(run_id, made, room),
        selection_mode="single-cell",
        alt="What the documents say, a row for each; choose a cell to open its page",
    )


def _head(column: Column) -> str:
    """Return the name of a column of the grid; none is that of the documents."""
    return f"{column.name} " if column.name == _DOCUMENT else column.name


def _key(what: str, room: str, run_id: str) -> str:
    return f"{what}-{room}-{run_id}"


def _pick(run_id: str, made: Extraction, room: str) -> None:
    """Choose the cell that was chosen in the grid, and have its page opened once."""
    cells = st.session_state[_key("grid", room, run_id)]["selection"]["cells"]
    heads = {_head(column): place for place, column in enumerate(made.columns)}
    for number, head in cells:
        st.session_state[_key("row", room, run_id)] = number
        if head in heads:
            st.session_state[_key("column", room, run_id)] = heads[head]
            st.session_state[_OPEN] = True


def _chosen(run_id: str, made: Extraction, room: str) -> tuple[Row, Column]:
    """Offer the cells by document and field, for whoever does not use the grid."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        row = st.selectbox(
            "Document",
            range(len(made.rows)),
            key=_key("row", room, run_id),
            format_func=lambda n: markup.plain(made.rows[n].document),
        )
        column = st.selectbox(
            "Field",
            range(len(made.columns)),
            key=_key("column", room, run_id),
            format_func=lambda n: markup.plain(made.columns[n].name),
            width=260,
        )
    return made.rows[row], made.columns[column]


def _cell(row: Row, column: Column, cell: Cell, correction: Correction | None) -> None:
    label, kind = words.CELL[cell.state]
    lines = [tag("p", markup.chip(label, kind), " ", tag("b", column.name), cls="aff-verdict")]
    if cell.value is not None:
        lines.append(tag("div", shown(cell.value), cls="aff-claim"))
    if cell.note:
        lines.append(tag("p", cell.note, cls="aff-why"))
    if row.status != "ready":
        lines.append(tag("p", f"{row.document}: {row.reason or row.status}", cls="aff-quiet"))
    if correction:
        said = shown(correction.value) or words.CELL["not_in_document"][0]
        by = f"Corrected by {correction.created_by}, {parts.when(correction.created_at)}: "
        more = [tag("p", correction.comment, cls="aff-quiet")] if correction.comment else []
        lines += [tag("p", by, tag("b", said)), *more]
    show(*lines)


def _sources(run_id: str, cell: Cell, room: str) -> None:
    """Show a button for each citation; where a cell of the grid was chosen, open the first."""
    opened = st.session_state.pop(_OPEN, False) and bool(cell.citations)
    with st.container(horizontal=True, gap="small", key=_key("cited", room, run_id)):
        for number, citation in enumerate(cell.citations, 1):
            label = f"{markup.plain(f'[{number}]')} {markup.plain(citation.place, 60)}"
            key = _key(f"cell-{number}", room, run_id)
            if st.button(label, key=key, help="Show the quote where it stands") or (
                opened and number == 1
            ):
                evidence.source(citation)


def _correct(desk: Orchestrator, run_id: str, row: Row, column: Column, room: str) -> None:
    with st.expander("Correct this cell"):
        with st.form(_key("correct", room, run_id), border=False, clear_on_submit=True):
            hint = "; between the entries" if column.kind == "strings" else "nothing: not in it"
            value = st.text_input("What it should have held", placeholder=hint)
            comment = st.text_input("Why (optional)")
            if not st.form_submit_button("Keep the correction"):
                return
        _keep(desk, run_id, row, column, (value, comment))


def _keep(desk: Orchestrator, run_id: str, row: Row, column: Column, said: tuple[str, str]) -> None:
    value, comment = said
    listed = [each.strip() for each in value.split(";")] if column.kind == "strings" else value
    try:
        desk.feedback.correct(
            run_id, row.document_id, column.name, listed if value.strip() else None, comment
        )
    except AffidavitError as error:
        markup.callout("error", "That was not kept.", str(error))
        return
    st.rerun()


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
