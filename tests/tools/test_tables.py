"""A table of figures in plain text: what heads its columns, and the figure of one of them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tools.tables import cell, column_heads, heads_above, periods, tells_columns

STATEMENT = """\
Management believes that total revenue for the coming fiscal year depends on many things in 2019.
CONSOLIDATED STATEMENTS OF INCOME
(In thousands, except per share amounts)
Year Ended December 31,
2019 2018 2017
Revenue:
Total revenue $ 812,430 $ 745,118 $ 690,002
Interest expense (8,120) — (7,330)
The notes are an integral part of these statements, and nobody should read them without the notes.
Net income 61,335 52,870 44,120
"""


def heads(row: str) -> str:
    span = column_heads(STATEMENT, STATEMENT.index(row))
    return STATEMENT[span.start : span.end] if span else ""


def test_a_row_is_headed_by_the_periods_above_it_with_the_unit() -> None:
    found = heads("Total revenue $")
    assert found.startswith("(In thousands")
    assert found.endswith("2019 2018 2017")
    assert heads("Interest expense") == found


def test_a_paragraph_parts_a_row_from_what_stands_above() -> None:
    assert heads("Net income") == ""
    assert heads("CONSOLIDATED") == ""


def test_a_passage_that_begins_inside_a_table_has_its_heads_above() -> None:
    at = STATEMENT.index("Interest expense")
    span = heads_above(STATEMENT, at, at + 30)
    assert span is not None
    assert STATEMENT[span.start : span.end].endswith("2019 2018 2017")
    whole = STATEMENT.index("(In thousands")
    assert heads_above(STATEMENT, whole, len(STATEMENT)) is None  # it has them itself
    assert heads_above(STATEMENT, 0, 90) is None  # prose needs none


def test_a_line_that_says_nothing_but_the_period_answers_nothing() -> None:
    assert tells_columns("For the fiscal year ended December 31, 2019")
    assert tells_columns("(In thousands, except per share amounts)")
    assert not tells_columns("December 31, 2019")  # it may be what was asked for
    assert not tells_columns("The plant in Ohio was closed in the year ended December 31, 2019")


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("2019 2018 2017", ["2019", "2018", "2017"]),
        ("December 31, 2019 December 31, 2018", ["2019", "2018"]),
        ("Fiscal 2019 | FY2018", ["Fiscal 2019", "FY2018"]),
        ("2019 First Quarter Q2", ["2019", "First Quarter", "Q2"]),
        ("2019 2018 Change % Change", ["2019", "2018"]),
        ("FY19 FY18", ["FY19", "FY18"]),
        ("Revenue 2019 2018", []),
        ("TERM: November 1, 2014 to October 31, 2017", []),
        ("2019", []),
        ("", []),
    ],
)
def test_a_line_that_holds_nothing_but_periods_heads_columns(line: str, found: list[str]) -> None:
    assert periods(line) == found


@pytest.mark.parametrize(
    ("row", "wanted", "found"),
    [
        ("Total revenue $ 812,430 $ 745,118 $ 690,002", "revenue in 2018?", ("2018", "$ 745,118")),
        ("Interest expense (8,120) — (7,330)", "interest in fiscal 2018", ("2018", "—")),
        ("Interest expense (8,120) — (7,330)", "interest in FY2019", ("2019", "(8,120)")),
        ("Total revenue $ 812,430 $ 745,118", "revenue in 2018?", None),  # which is which?
        ("Total revenue $ 812,430 $ 745,118 $ 690,002", "revenue in 2018 and 2019?", None),
        ("Total revenue $ 812,430 $ 745,118 $ 690,002", "revenue in 2012?", None),
    ],
)
def test_a_cell_is_told_only_where_there_is_no_doubt(
    row: str, wanted: str, found: tuple[str, str] | None
) -> None:
    assert cell(row, "Year Ended December 31,\n2019 2018 2017", wanted) == found


def test_a_year_is_the_same_however_it_is_written() -> None:
    assert cell("Revenue 12 13", "FY19 FY18", "revenue in fiscal 2018") == ("FY18", "13")
    assert cell("Revenue 12 13", "Fiscal 2019 Fiscal 2018", "in FY2019") == ("Fiscal 2019", "12")


def test_quarters_are_columns_under_their_year() -> None:
    columns = "2019 First Quarter Second Quarter"
    assert cell("Revenue 12 13", columns, "revenue in Q2 of 2019") == ("Second Quarter", "13")


@given(st.text() | st.text("2019 \n.Q1(—)$,"))
def test_no_text_is_too_odd(text: str) -> None:
    span = column_heads(text, len(text))
    assert span is None or text[span.start : span.end].strip()
    cell(text, text, text)
