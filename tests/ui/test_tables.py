"""A table on the page of runs: states in words, pages behind cells, corrections beside them."""

import re
from typing import Any

import pytest

from graph import Orchestrator
from storage.records import Column, Document, Extraction
from ui import evidence, tables

SCHEMA = {
    "type": "object",
    "properties": {
        "deposit": {"type": "number", "description": "What is the amount of the security deposit?"},
        "arbitration": {"type": "boolean", "description": "Are disputes settled by arbitration?"},
    },
}


def test_a_cell_opens_its_page(desk: Orchestrator, pages: Any, lease: Document) -> None:
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

    at = pages.press(at, "Open the cell")
    assert "The security deposit amounts to 12,000 euros" in pages.text(at)
    assert ("mark", "aff-quote") in {(name, attrs.get("id")) for name, attrs in pages.tags(at)}


def test_a_cell_is_corrected_beside_what_was_extracted(
    desk: Orchestrator, pages: Any, lease: Document
) -> None:
    run = desk.extract(SCHEMA, documents=[lease.id])
    at = pages.open("runs.py", run=run.id)
    at.selectbox(key=f"column-runs-{run.id}").set_value(1)
    pages.run(at)
    at = pages.press(at, "Open the cell")
    assert "It was read in full, and does not say it." in pages.text(at)
    at.text_input[0].set_value("perhaps")
    pages.press(at, "Keep the correction")
    assert desk.feedback.corrections(run.id) == []
    at = pages.press(at, "Open the cell")
    assert "true or false (boolean)" in pages.text(at)
    at.text_input[0].set_value("yes")
    at.text_input[1].set_value("See section 9.")
    at = pages.press(at, "Keep the correction")
    at = pages.run(at)
    (grid,) = [each.value for each in at.dataframe if "arbitration" in each.value]
    assert list(grid["arbitration"]) == ["Not in the document  ▸ true"]
    said = pages.text(pages.press(at, "Open the cell"))
    assert f"Corrected by {desk.identity.name}" in said
    assert "See section 9." in said
    (kept,) = desk.feedback.corrections(run.id)
    assert (kept.field, kept.value) == ("arbitration", True)
    assert desk.runs.get(run.id).table == run.table


def test_choosing_a_cell_of_the_grid_opens_it_once(
    desk: Orchestrator, lease: Document, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = desk.extract(SCHEMA, documents=[lease.id])
    assert run.table
    chosen: dict[str, Any] = {f"grid-r-{run.id}": {"selection": {"cells": [(0, "arbitration")]}}}
    monkeypatch.setattr(tables.st, "session_state", chosen)
    tables._pick(run.id, run.table, "r")
    assert (chosen[f"row-r-{run.id}"], chosen[f"column-r-{run.id}"]) == (0, 1)
    assert chosen[f"open-cell-r-{run.id}"] == (0, 1)  # and of no other table beside it


def test_a_column_of_the_grid_takes_the_place_of_no_other() -> None:
    names = ["Document", "Document ", "Document (2)", "rent"]
    columns = [Column(name=name, kind="string", asks="?") for name in names]
    heads = tables._heads(Extraction(columns=columns, rows=[]))
    assert len({"Document", *heads}) == 5
    assert heads[-1] == "rent"


def test_many_documents_of_a_question_unfold(
    desk: Orchestrator, pages: Any, lease: Document
) -> None:
    more = [desk.documents.add(b"x" * n, name=f"{n}.txt").id for n in range(1, 5)]
    few = desk.extract(SCHEMA, documents=more)
    many = desk.extract(SCHEMA, documents=[lease.id, *more])
    assert "About 1.txt, 2.txt, 3.txt, 4.txt" in pages.text(pages.open(thread=few.thread_id))
    at = pages.open(thread=many.thread_id)
    assert "About 5 documentslease.txt" in pages.text(at)
    assert ("details", "aff-quiet") in {
        (name, attrs.get("class")) for name, attrs in pages.tags(at)
    }


@pytest.mark.parametrize("quotes", [[(0, 3), (8, 11)], [(0, 9), (4, 11)], [(8, 11), (8, 11)]])
def test_several_quotes_of_a_page_are_marked_and_no_text_is_lost(
    quotes: list[tuple[int, int]],
) -> None:
    text = "one two six"
    pieces = [*evidence._marked(text, 0, len(text), quotes, is_first=True)]
    assert re.sub("<[^>]*>", "", "".join(pieces)) == text
    assert "".join(pieces).count('id="aff-quote"') == 1
