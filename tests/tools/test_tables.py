"""A table of figures in plain text: what heads its columns."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tools.table_rows import columns
from tools.tables import column_heads, heads_above, periods, scale, tells_columns

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


def test_a_row_is_headed_by_the_periods_above_it_with_the_unit_and_the_title() -> None:
    found = heads("Total revenue $")
    assert found.startswith("CONSOLIDATED STATEMENTS OF INCOME\n(In thousands")
    assert found.endswith("2019 2018 2017")
    assert heads("Interest expense") == found


def test_a_paragraph_parts_a_row_from_what_stands_above() -> None:
    assert heads("Net income") == ""
    assert heads("CONSOLIDATED") == ""


def test_a_line_that_nearly_heads_columns_takes_no_time() -> None:
    line = "2019 2018 " + "year-over-year change, percent of net sales, " * 18
    assert periods(line) == ["2019", "2018"]
    begun = time.thread_time()
    assert periods(f"{line} x") == []
    assert time.thread_time() - begun < 1


def test_the_unit_may_stand_under_the_periods() -> None:
    text = "52 Weeks Ended\nJune 30, June 30,\n2019 2018\n(in millions)\nNet sales 12 13\n"
    span = column_heads(text, text.index("Net sales"))
    assert span is not None
    assert scale(text[span.start : span.end]) == "(in millions)"


CELL_BY_CELL = """\
CONDENSED STATEMENTS OF OPERATIONS (Unaudited)
(In millions)
Three Months Ended Nine Months Ended
July 1,
2023
June 25,
2022
July 1,
2023
June 25,
2022
Net sales 818 830 2,938 3,042
"""


def test_heads_of_two_lines_may_come_cell_by_cell() -> None:
    span = column_heads(CELL_BY_CELL, CELL_BY_CELL.index("Net sales"))
    assert span is not None
    assert (span.start, span.end) == (0, CELL_BY_CELL.index("\nNet sales"))
    at = CELL_BY_CELL.index("July 1")
    assert heads_above(CELL_BY_CELL, at + 20, len(CELL_BY_CELL))[0].startswith("CONDENSED")


@pytest.mark.parametrize("above", ["2023", "July 1,\n2023", "4\n2023 12\n2024 14\n2025 16"])
def test_one_period_heads_no_columns_and_figures_are_no_heads(above: str) -> None:
    text = f"{above}\nNet sales 818 830\n"
    assert column_heads(text, text.index("Net")) is None


def test_a_passage_that_begins_inside_a_table_has_its_heads_above() -> None:
    at = STATEMENT.index("Interest expense")
    found, here = heads_above(STATEMENT, at, at + 30)
    assert found.endswith("2019 2018 2017")
    assert here
    whole = STATEMENT.index("(In thousands")
    assert heads_above(STATEMENT, whole, len(STATEMENT)) == ("", True)  # it has them itself
    assert heads_above(STATEMENT, 0, 90) == ("", True)  # prose needs none


BEFORE = "Consolidated Statements of Cash Flows\n(In millions)\n2019 2018\nNet income 61 52\n4\n"
GOES_ON = "Statements of Cash Flows (continued)\nInvesting activities\nPurchases of land (7) (8)\n"


def test_a_table_that_goes_on_from_the_page_before_has_its_heads_there() -> None:
    found, here = heads_above(GOES_ON, 0, len(GOES_ON), BEFORE)
    assert found.endswith("(In millions)\n2019 2018")
    assert not here


def test_a_page_that_begins_with_anything_else_has_no_heads_on_the_one_before() -> None:
    said = "The notes are an integral part of these statements, as is said in each of the notes.\n"
    assert heads_above(said + GOES_ON, len(said), 200, BEFORE) == ("", False)
    assert heads_above(GOES_ON, 0, len(GOES_ON), BEFORE + 5 * said) == ("", False)


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


@given(st.text() | st.text("2019 \n.Q1(—)$,"))
def test_no_text_is_too_odd(text: str) -> None:
    span = column_heads(text, len(text))
    assert span is None or text[span.start : span.end].strip()
    heads_above(text, 0, len(text), text)


LEVELS = """Fair value
Level
Adjusted
cost
Gains
Losses
Recorded
basis
"""


def test_a_table_whose_heads_name_no_time_is_not_headed_by_the_one_above_it() -> None:
    text = f"2019 2018\nImpairments 9 8\nNOTE 4\n{LEVELS}Bonds Level 1 20 3 4 5\nNotes 7 6 5 4\n"
    assert column_heads(text, text.index("Bonds")) is None
    assert column_heads(text, text.index("Notes")) is None


def test_heads_below_the_days_belong_to_them_and_leave_no_column_certain() -> None:
    text = f"May 1, 2019 May 1, 2018\n{LEVELS}Bonds Level 1 20 3 4 5\nNotes 7 6\n"
    for name in ("Bonds", "Notes"):
        span = column_heads(text, text.index(name))
        assert span is not None
        heads = text[span.start : span.end]
        assert heads.endswith("basis")
        assert columns(heads) == []
