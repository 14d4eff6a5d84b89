"""Tables as files: every cell with its state and citation, and nothing that a spreadsheet runs."""

import csv
import io
import json
from datetime import date, datetime
from typing import Any

import pytest
from openpyxl import load_workbook

from storage.records import Cell, Citation, Column, Correction, Extraction, Row
from tools.table_files import table_file

LAW = Citation(
    document_id="d-1",
    document="lease.pdf",
    sha256="a" * 64,
    page=2,
    locator="sheet Terms, B7",
    start=10,
    end=27,
    quote="the laws\nof Ohio",
)
TABLE = Extraction(
    columns=[
        Column(name="law"),
        Column(name="made", kind="date"),
        Column(name="parties", kind="strings"),
        Column(name="rent", kind="number"),
        Column(name="renews", kind="boolean"),
    ],
    rows=[
        Row(
            document_id="d-1",
            document="lease.pdf",
            sha256="a" * 64,
            status="ready",
            cells={
                "law": Cell(value="Ohio", state="found", citations=[LAW]),
                "made": Cell(value="2024-03-01", state="found", citations=[LAW]),
                "parties": Cell(value=["Acme", "Bolt"], state="uncertain", note="Whose?"),
                "rent": Cell(value=-4200.5, state="found", citations=[LAW]),
                "renews": Cell(value=True, state="found", citations=[LAW]),
            },
        ),
        Row(
            document_id="d-2",
            document="=cmd.pdf",
            status="locked",
            reason="It has a password.",
            cells=dict.fromkeys(
                ("law", "made", "parties", "rent", "renews"), Cell(state="not_in_document")
            ),
        ),
    ],
)
FIXED = Correction(
    id="c",
    run_id="r",
    document_id="d-1",
    field="law",
    value="Utah",
    created_at=1_800_000_000,
    created_by="ann",
)


def rows_of(table: Extraction, *corrections: Correction) -> list[dict[str, str]]:
    text = table_file("csv", table, corrections).decode("utf-8")
    return list(csv.DictReader(io.StringIO(text)))


def test_csv_has_a_value_a_state_a_place_and_a_quote_for_each_cell() -> None:
    first, second = rows_of(TABLE)
    assert first["law"] == "Ohio"
    assert first["law (state)"] == "found"
    assert first["law (place)"] == "sheet Terms, B7"
    assert first["law (quote)"] == "the laws of Ohio"
    assert first["parties"] == "Acme; Bolt"
    assert (first["rent"], first["renews"]) == ("-4200.5", "true")
    assert second["law (state)"] == "not in document"
    assert (second["status"], second["reason"]) == ("locked", "It has a password.")


def test_a_column_takes_the_place_of_no_other() -> None:
    names = ("status", "law", "law (state)")
    cells = {name: Cell(value=f"the {name}", state="found") for name in names}
    row = Row(document_id="d-1", document="a", status="ready", cells=cells)
    (line,) = rows_of(Extraction(columns=[Column(name=name) for name in names], rows=[row]))
    assert (line["status"], line["status (2)"]) == ("ready", "the status")
    assert (line["law (state)"], line["law (state) (2)"]) == ("found", "the law (state)")


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@x", "\t=1", " =1", "\r=1", "=HYPERLINK(1)"])
def test_no_text_is_a_formula(text: str) -> None:
    cell = Cell(value=text, state="found", citations=[LAW.model_copy(update={"quote": text})])
    row = Row(document_id="d-1", document=text, status="ready", cells={"=x": cell})
    table = Extraction(columns=[Column(name="=x")], rows=[row])
    for line in csv.reader(io.StringIO(table_file("csv", table).decode("utf-8"))):
        assert not any(field.lstrip().startswith(("=", "+", "-", "@", "\t")) for field in line)
    book = load_workbook(io.BytesIO(table_file("xlsx", table)))
    for sheet in book:
        for line in sheet.iter_rows():
            assert not any(each.data_type == "f" for each in line)
    at = book["Table"]["C2"]
    assert at.value in (text, text.replace("\r", "\n"))
    assert at.quotePrefix  # typing into it makes it none either
    assert at.fill.fgColor.rgb == "00E3F1E4"


@pytest.mark.parametrize("text", ["a;=1+1", "a; @x", "a;-1+cmd", "a;+1;=2"])
def test_nor_is_it_where_a_semicolon_begins_a_cell(text: str) -> None:
    cell = Cell(value=text, state="found", citations=[LAW.model_copy(update={"quote": text})])
    row = Row(document_id="d-1", document=text, status="ready", cells={"x": cell})
    file = table_file("csv", Extraction(columns=[Column(name="x")], rows=[row]))
    for line in csv.reader(io.StringIO(file.decode("utf-8")), delimiter=";"):
        assert not any(field.lstrip().startswith(("=", "+", "-", "@")) for field in line)
    assert rows_of(TABLE)[0]["parties"] == "Acme; Bolt"


def test_a_workbook_shows_states_in_words_and_colours_and_leads_to_the_quotes() -> None:
    book = load_workbook(io.BytesIO(table_file("xlsx", TABLE)))
    values, quotes = book["Table"], book["Citations"]
    heads = [each.value for each in values[1]]
    assert heads[:5] == ["Document", "Status", "law", "law (state)", "made"]
    law, state, made = values["C2"], values["D2"], values["E2"]
    assert (law.value, state.value) == ("Ohio", "found")
    assert made.value in (datetime(2024, 3, 1), date(2024, 3, 1))
    assert law.fill.fgColor.rgb != values["G2"].fill.fgColor.rgb  # found, and uncertain
    assert "sheet Terms, B7: “the laws of Ohio”" in law.comment.text
    assert "Whose?" in values["G2"].comment.text
    assert law.hyperlink.location == "'Citations'!A2"
    assert [each.value for each in quotes[2]][:6] == [
        *("lease.pdf", "law", "Ohio", "found", "sheet Terms, B7"),
        "the laws\nof Ohio",
    ]
    assert values["B3"].value == "locked: It has a password."


def test_values_are_cells_of_their_types_in_a_workbook() -> None:
    fixes = [("renews", False), ("made", "2025-01-02"), ("rent", 10), ("law", None)]
    said = [FIXED.model_copy(update={"field": field, "value": value}) for field, value in fixes]
    book = load_workbook(io.BytesIO(table_file("xlsx", TABLE, said)))
    heads = [each.value for each in book["Table"][1]]
    held = dict(zip(heads, book["Table"][2], strict=True))
    assert [held[name].data_type for name in ("law", "made", "rent", "renews")] == [*"sdnb"]
    assert (held["rent"].value, held["renews"].value) == (-4200.5, True)
    assert held["renews (corrected)"].value is False
    assert held["made (corrected)"].value == datetime(2025, 1, 2)
    assert held["rent (corrected)"].value == 10
    assert held["law (corrected)"].value == "not in document"
    cited: dict[Any, Any] = {row[1].value: row[2] for row in book["Citations"].iter_rows(2)}
    assert (cited["renews"].data_type, cited["made"].data_type) == ("b", "d")


def test_the_first_name_of_a_csv_file_is_the_first_name() -> None:
    assert table_file("csv", TABLE).startswith(b"document_id,")


def test_a_cell_without_a_value_is_empty_and_leads_to_its_quote() -> None:
    cell = Cell(state="uncertain", citations=[LAW], note="Which state?")
    row = Row(document_id="d-1", document="lease.pdf", status="ready", cells={"law": cell})
    table = Extraction(columns=[Column(name="law")], rows=[row])
    values = load_workbook(io.BytesIO(table_file("xlsx", table)))["Table"]
    law, state = values["C2"], values["D2"]
    assert law.value is None
    assert (state.value, state.hyperlink.location) == ("uncertain", "'Citations'!A2")
    assert law.comment.text == "Which state?\nsheet Terms, B7: “the laws of Ohio”"
    assert values.auto_filter.ref == "A1:D2"


def test_a_correction_stands_beside_what_was_extracted() -> None:
    (first, second) = rows_of(TABLE, FIXED)
    assert (first["law"], first["law (corrected)"], second["law (corrected)"]) == (
        "Ohio",
        "Utah",
        "",
    )
    assert "made (corrected)" not in first
    cell = json.loads(table_file("json", TABLE, [FIXED]))["rows"][0]["cells"]["law"]
    assert cell["value"] == "Ohio"
    kept = cell["correction"]
    assert (kept["value"], kept["created_by"], kept["created_at"]) == ("Utah", "ann", 1_800_000_000)
    values = load_workbook(io.BytesIO(table_file("xlsx", TABLE, [FIXED])))["Table"]
    assert [each.value for each in values[1]][2:5] == ["law", "law (state)", "law (corrected)"]
    assert [each.value for each in values[2]][2:5] == ["Ohio", "found", "Utah"]
    assert values["C2"].comment.text.startswith("Corrected by ann, 2027-01-15: Utah.")
    assert [each.value for each in values[1]][5] == "made"
    none = FIXED.model_copy(update={"value": None})
    assert rows_of(TABLE, FIXED, none)[0]["law (corrected)"] == "not in document"


def test_json_is_the_table_as_it_was_recorded() -> None:
    assert Extraction.model_validate_json(table_file("json", TABLE)) == TABLE


def test_what_no_workbook_can_hold_is_replaced_or_cut() -> None:
    cell = Cell(value="a\x00b_x0041_" + "𝄞" * 20_000, state="found", citations=[LAW])
    row = Row(document_id="d-1", document="\ufffe", status="ready", cells={"x": cell})
    table = Extraction(columns=[Column(name="x")], rows=[row])
    value = load_workbook(io.BytesIO(table_file("xlsx", table)))["Table"]["C2"].value
    assert value.startswith("a\ufffdb_x005F_x0041_𝄞")  # Excel shows _x0041_, and not A
    assert value.endswith("𝄞…")
    assert len(value.encode("utf-16-le")) <= 2 * 32_767


def test_a_large_table_is_a_workbook_that_excel_opens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tools.table_workbook._MOST_ROWS", 12)
    monkeypatch.setattr("tools.table_workbook._MOST_LINKS", 7)
    cells = {"law": Cell(value="Ohio", state="found", citations=[LAW] * 2)}
    rows = [Row(document_id=f"d-{n}", document="a", status="ready", cells=cells) for n in range(9)]
    table = Extraction(columns=[Column(name="law")], rows=rows)
    book = load_workbook(io.BytesIO(table_file("xlsx", table)))
    assert book["Citations"].max_row == 12
    assert "more citations" in book["Citations"]["A12"].value
    links = [each[0].hyperlink for each in book["Table"].iter_rows(2, min_col=3, max_col=3)]
    assert [each.location if each else "" for each in links[:4]] == [
        *("'Citations'!A2", "'Citations'!A4", "'Citations'!A6"),
        "",
    ]


@pytest.mark.parametrize(("most", "shown"), [(3, 2), (2, 2), (1, 1)])
def test_comments_of_a_large_table_are_bounded_and_what_is_left_out_is_told(
    monkeypatch: pytest.MonkeyPatch, most: int, shown: int
) -> None:
    monkeypatch.setattr("tools.table_workbook._MOST_COMMENTS", most)
    unsure = Cell(state="uncertain", note="Which state?")
    laws = [Cell(value="Ohio", state="found", citations=[LAW]), unsure, unsure]
    rows = [Row(document_id="d", document="a", status="ready", cells={"law": law}) for law in laws]
    table = Extraction(columns=[Column(name="law")], rows=rows)
    book = load_workbook(io.BytesIO(table_file("xlsx", table)))
    comments = [book["Table"].cell(number, 3).comment for number in (2, 3, 4)]
    assert bool(comments[0]) == (most == 3)  # its quote stands among the citations
    assert [each.text for each in comments[1:] if each] == ["Which state?"] * shown
    last = [row[0].value for row in book["Citations"].iter_rows(2)][-1]
    assert ("more citations or notes" in str(last)) == (most == 1)
