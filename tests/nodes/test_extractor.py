"""The nodes that make a table: what a model says of a document becomes cells, or does not."""

import asyncio
from typing import Any

import pytest
from langgraph.types import Command, Send

from nodes.extractor import hand_out
from nodes.extractor_reader import read_document
from nodes.extractor_reviewer import check_row
from nodes.extractor_state import Reading, gathered, new_table, table_of
from storage.errors import LeaseLost, ModelError, OverBudget, Unanswered, Unavailable
from storage.records import Cell, Column, Document, Row
from tests.scripted import Script

from .conftest import AddPages, MakeContext, runtime

LAW = Column(name="law", asks="Which law governs it?")
MADE = Column(name="made", kind="date")
PAGES = ("This lease is made on 1 March 2024.", "It is governed by the laws of the State of Ohio.")
OHIO = {"field": "law", "values": ["Ohio"], "quotes": [{"page": 2, "quote": "the State of Ohio"}]}
MARCH = {
    "field": "made",
    "values": ["2024-03-01"],
    "quotes": [{"page": 1, "quote": "made on 1 March 2024"}],
}


def said(*cells: dict[str, Any], supported: bool = True) -> Script:
    """A model that gives these cells, and finds each of them supported, or none."""

    def script(agent: str, form: str, payload: dict[str, Any]) -> dict[str, Any]:
        if form == "RowReply":
            return {"cells": list(cells)}
        verdicts = [
            {"number": v["number"], "supported": supported, "why": "" if supported else "no"}
            for v in payload["values"]
        ]
        return {"verdicts": verdicts}

    return script


def row_of(make: MakeContext, document: str, script: Script, *columns: Column) -> Row:
    """Read and check a document until it has its row, as the graph would."""
    given = runtime(make(script))
    reading = Reading(document_id=document, columns=list(columns))
    command = asyncio.run(read_document({"agent": "analyst", "reading": reading}, given))
    nodes = {"reviewer": check_row, "analyst": read_document}
    while isinstance(command.goto, list):
        (send,) = command.goto
        assert isinstance(send, Send)
        command = asyncio.run(nodes[send.node](send.arg, given))
    assert command.goto == "supervisor"
    (row,) = command.update["rows"]  # type: ignore[index, call-overload]
    assert isinstance(row, Row)
    return row


def test_a_value_with_its_quote_is_found(context: MakeContext, add: AddPages) -> None:
    lease = add("lease.txt", *PAGES)
    row = row_of(context, lease.id, said(OHIO, MARCH), LAW, MADE)
    assert (row.document, row.status, row.sha256) == ("lease.txt", "ready", lease.sha256)
    law, made = row.cells["law"], row.cells["made"]
    assert (law.value, law.state, made.value, made.state) == (
        *("Ohio", "found"),
        *("2024-03-01", "found"),
    )
    (cited,) = law.citations
    assert PAGES[cited.page - 1][cited.start : cited.end] == cited.quote == "the State of Ohio"


@pytest.mark.parametrize(
    ("cell", "note"),
    [
        ({**OHIO, "quotes": []}, "No quote is given."),
        ({**OHIO, "quotes": [{"page": 1, "quote": "the State of Ohio"}]}, "stand on page 1"),
        ({**OHIO, "quotes": [{"page": 9, "quote": "the State of Ohio"}]}, "stand on page 9"),
        ({**MARCH, "field": "law"}, "The quotes do not support the value: no"),
        ({**MARCH, "values": ["2029-03-01"]}, "The value does not stand in the quotes."),
        ({**MARCH, "values": []}, "The quotes speak of it, but no value is given."),
        ({**MARCH, "values": ["soon"]}, "'soon' is not one full date"),
        ({**MARCH, "field": "another"}, "Nothing was said of it"),
    ],
)
def test_what_is_not_proven_is_uncertain_and_says_why(
    context: MakeContext, add: AddPages, cell: dict[str, Any], note: str
) -> None:
    column = LAW if cell["field"] == "law" else MADE
    row = row_of(context, add("lease.txt", *PAGES).id, said(cell, supported=False), column)
    found = row.cells[column.name]
    assert found.state == "uncertain"
    assert note in found.note
    assert all(PAGES[c.page - 1][c.start : c.end] == c.quote for c in found.citations)


def test_an_objection_is_mended_in_a_second_round(context: MakeContext, add: AddPages) -> None:
    asked: list[dict[str, Any]] = []

    def script(agent: str, form: str, payload: dict[str, Any]) -> dict[str, Any]:
        if form == "RowReply":
            asked.append(payload)
            wrong = {**OHIO, "quotes": [{"page": 1, "quote": "Ohio"}]}
            return {"cells": [wrong, MARCH] if len(asked) == 1 else [OHIO]}
        return said()(agent, form, payload)  # type: ignore[return-value]

    row = row_of(context, add("lease.txt", *PAGES).id, script, LAW, MADE)
    assert {name: cell.state for name, cell in row.cells.items()} == dict.fromkeys(
        ("law", "made"), "found"
    )
    # Only what did not stand is asked again, with the reason.
    assert [[f["name"] for f in payload["fields"]] for payload in asked] == [
        ["law", "made"],
        ["law"],
    ]
    assert "does not stand on page 1" in asked[1]["fields"][0]["objection"]


def test_nothing_found_is_not_in_the_document(context: MakeContext, add: AddPages) -> None:
    none = {"field": "law", "values": [], "quotes": []}
    row = row_of(context, add("lease.txt", *PAGES).id, said(none), LAW)
    assert row.cells == {"law": Cell(state="not_in_document")}


def test_a_document_that_was_not_read_in_full_leaves_it_open(
    context: MakeContext, add: AddPages, monkeypatch: pytest.MonkeyPatch
) -> None:
    lease = add("lease.txt", *PAGES)
    scanned = lease.model_copy(update={"status": "needs_ocr", "reason": "Page 3 is a picture."})
    given = context(said({"field": "law", "values": [], "quotes": []}))
    monkeypatch.setattr(given.library.store, "get", lambda _: scanned)
    row = row_of(lambda _: given, lease.id, said(), LAW)  # type: ignore[arg-type, return-value]
    assert (row.status, row.reason) == ("needs_ocr", "Page 3 is a picture.")
    assert row.cells["law"].state == "uncertain"


def test_a_document_that_cannot_be_read_has_a_row_with_the_reason(
    context: MakeContext, add: AddPages, monkeypatch: pytest.MonkeyPatch
) -> None:
    missing = row_of(context, "d-0", said(), LAW)
    assert (missing.status, missing.document) == ("missing", "d-0")
    assert "d-0" in missing.reason

    given = context(said())
    locked = Document(id="d-1", name="a.pdf", sha256="0", status="locked", reason="A password.")
    monkeypatch.setattr(given.library.store, "get", lambda _: locked)
    row = row_of(lambda _: given, "d-1", said(), LAW)  # type: ignore[arg-type, return-value]
    assert (row.document, row.status, row.reason) == ("a.pdf", "locked", "A password.")
    assert row.cells["law"].state == "uncertain"


@pytest.mark.parametrize("error", [Unanswered("It was cut."), KeyError("oops")])
def test_a_document_on_which_reading_fails_stops_no_other(
    context: MakeContext, add: AddPages, error: Exception
) -> None:
    def script(*_: Any) -> dict[str, Any]:
        raise error

    row = row_of(context, add("lease.txt", *PAGES).id, script, LAW)
    assert row.status == "failed"
    assert str(error) in row.reason


@pytest.mark.parametrize(
    "error",
    [LeaseLost("no"), Unavailable("no"), OverBudget("tokens"), ModelError("The key is refused.")],
)
def test_what_concerns_the_run_stops_it(
    context: MakeContext, add: AddPages, error: Exception
) -> None:
    def script(*_: Any) -> dict[str, Any]:
        raise error

    with pytest.raises(type(error)):
        row_of(context, add("lease.txt", *PAGES).id, script, LAW)


@pytest.mark.parametrize("backend", ["embedded"], indirect=True)
@pytest.mark.parametrize("when", ["RowReply", "RowReviewReply"], ids=["read", "checked"])
def test_one_that_is_replaced_meanwhile_is_begun_anew(
    context: MakeContext, add: AddPages, replace: AddPages, when: str
) -> None:
    lease = add("lease.txt", *PAGES)
    newer = ("This lease is made on 1 May 2024.", PAGES[1].replace("Ohio", "Iowa"))
    iowa = {**OHIO, "values": ["Iowa"], "quotes": [{"page": 2, "quote": "the State of Iowa"}]}

    def script(agent: str, form: str, payload: dict[str, Any]) -> dict[str, Any]:
        text = str(payload.get("passages"))
        reply = said(*[each for each in (OHIO, iowa) if each["values"][0] in text])
        if form == when and lease.sha256 == given.library.store.get(lease.id).sha256:
            replace(lease.id, "lease.txt", *newer)
            reply = said(supported=False)
        return reply(agent, form, payload)

    given = context(script)
    row = row_of(lambda _: given, lease.id, script, LAW)  # type: ignore[arg-type, return-value]
    assert (row.status, row.sha256) == ("ready", given.library.store.get(lease.id).sha256)
    assert (row.cells["law"].value, row.cells["law"].state) == ("Iowa", "found")
    assert {cited.sha256 for cited in row.cells["law"].citations} == {row.sha256}


@pytest.mark.parametrize("backend", ["embedded"], indirect=True)
def test_but_not_again_and_again(context: MakeContext, add: AddPages, replace: AddPages) -> None:
    lease = add("lease.txt", *PAGES)
    count = iter(range(100))

    def script(*_: Any) -> dict[str, Any]:
        replace(lease.id, "lease.txt", *PAGES, f"Amendment {next(count)} of this lease.")
        return {"cells": []}

    row = row_of(context, lease.id, script, LAW)
    assert (row.status, row.cells["law"].state) == ("failed", "uncertain")
    assert "one new version after the other" in row.reason


def test_documents_are_handed_out_a_few_at_a_time(context: MakeContext) -> None:
    documents = [f"d-{n}" for n in range(20)]
    given = context()
    most = given.limits.documents_at_once

    def turn(sent: int, done: int) -> Command[str]:
        rows = [Row(document_id=d, document=d, status="ready") for d in documents[:done]]
        state: Any = {**new_table([LAW], documents), "sent": sent, "rows": rows}
        return asyncio.run(hand_out(state, runtime(given)))

    assert len(turn(0, 0).goto) == most
    # Some are done and the others under way: as many more are handed out.
    command = turn(most, 3)
    assert [send.arg["reading"].document_id for send in command.goto] == documents[most : most + 3]  # type: ignore[union-attr]
    assert command.update == {"sent": most + 3}
    assert turn(20, 19).goto == []
    assert turn(20, 20).goto == "__end__"


def test_rows_come_as_they_are_done_and_stand_as_they_were_named() -> None:
    one, two = (Row(document_id=d, document=d, status="ready") for d in ("d-1", "d-2"))
    rows = gathered(gathered(None, [two]), [one, two])
    assert rows == [two, one]
    state: Any = {**new_table([LAW], ["d-1", "d-2"]), "rows": rows}
    assert [row.document_id for row in table_of(state).rows] == ["d-1", "d-2"]
    assert gathered(rows, None) == []
