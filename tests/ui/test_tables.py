"""A table on the page of runs: states in words, pages behind cells, corrections beside them."""

from typing import Any

from graph import Orchestrator
from storage.records import Document
from ui import tables

SCHEMA = {
    "type": "object",
    "properties": {
        "deposit": {"type": "number", "description": "What is the amount of the security deposit?"},
        "arbitration": {"type": "boolean", "description": "Are disputes settled by arbitration?"},
    },
}


def test_a_cell_opens_its_page_and_is_corrected(
    desk: Orchestrator, pages: Any, lease: Document
) -> None:
    run = desk.extract(SCHEMA, documents=[lease.id])
    at = pages.open("runs.py", run=run.id)
    said = pages.text(at)
    assert "1 found" in said
    assert "1 not in the document" in said
    assert "ended without" not in said
    (grid,) = [each.value for each in at.dataframe if "deposit" in each.value]
    assert list(grid["Document"]) == ["lease.txt"]
    assert list(grid["deposit"]) == ["12000"]
    assert list(grid["arbitration"]) == ["Not in the document"]

    opened = pages.text(pages.press(at, key=f"cell-1-runs-{run.id}"))
    assert "The security deposit amounts to 12,000 euros" in opened
    assert ("mark", "aff-quote") in {(name, attrs.get("id")) for name, attrs in pages.tags(at)}

    at = pages.open("runs.py", run=run.id)
    at.selectbox(key=f"column-runs-{run.id}").set_value(1)
    pages.run(at)
    at.text_input[0].set_value("perhaps")
    assert "neither true nor false" in pages.text(pages.press(at, "Keep the correction"))
    at.text_input[0].set_value("yes")
    at.text_input[1].set_value("See section 9.")
    said = pages.text(pages.press(at, "Keep the correction"))
    assert f"Corrected by {desk.identity.name}" in said
    assert "See section 9." in said
    (kept,) = desk.feedback.corrections(run.id)
    assert (kept.field, kept.value) == ("arbitration", True)
    assert desk.runs.get(run.id).table == run.table


def test_choosing_a_cell_of_the_grid_opens_its_page_once(
    desk: Orchestrator, pages: Any, lease: Document, monkeypatch: Any
) -> None:
    run = desk.extract(SCHEMA, documents=[lease.id])
    assert run.table
    chosen = {f"grid-r-{run.id}": {"selection": {"cells": [(0, "arbitration")]}}}
    monkeypatch.setattr(tables.st, "session_state", chosen)
    tables._pick(run.id, run.table, "r")
    assert (chosen[f"row-r-{run.id}"], chosen[f"column-r-{run.id}"]) == (0, 1)
    assert chosen["open-cell"] is True
