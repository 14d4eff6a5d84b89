"""A row of figures has a name, and each of its figures a column; where there is doubt, none."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tools.table_rows import aligned, columns, rows

CASH_FLOWS = """\
Consolidated Statements of Cash Flows
(In millions)
2019 2018
Investing activities:
Purchases of property, plant and
equipment $ (1,577) $ (1,373)
Acquisitions, net of cash acquired (1,2)
Earnings per share:
Basic 1.20 (0.30)
Common stock, $0.01 par value; 900 shares issued 9 9
Interest paid (12 ) —
We have paid dividends without interruption since 1966,
"""


def test_the_name_of_a_row_may_take_two_lines() -> None:
    row = rows(CASH_FLOWS)[0]
    assert row.label == "Purchases of property, plant and equipment"
    assert row.figures == ("$ (1,577)", "$ (1,373)")
    assert CASH_FLOWS[row.span.start : row.span.end].startswith("Purchases of")


def test_a_row_knows_the_caption_that_it_stands_under() -> None:
    row = next(row for row in rows(CASH_FLOWS) if row.label == "Basic")
    assert row.caption is not None
    assert CASH_FLOWS[row.caption.start : row.caption.end] == "Earnings per share:"


def test_a_sentence_that_ends_in_a_year_is_no_row() -> None:
    assert not any("interruption" in row.label for row in rows(CASH_FLOWS))


def test_figures_within_a_name_are_not_those_of_the_columns() -> None:
    row = next(row for row in rows(CASH_FLOWS) if row.label.startswith("Common stock"))
    assert [figure for _, figure in aligned(row, columns("2019 2018"))] == ["9", "9"]


@pytest.mark.parametrize(
    ("heads", "found"),
    [
        ("2019 2018", [("2019", 0, 0), ("2018", 0, 0)]),
        ("FY19 FY18", [("2019", 0, 0), ("2018", 0, 0)]),
        ("Years ended June 30,\n2019 2018", [("2019", 0, 12), ("2018", 0, 12)]),
        ("June 30, 2019 June 30, 2018", [("2019", 0, 0), ("2018", 0, 0)]),
        ("52 Weeks Ended\nMay 1, May 2,\n2019 2018\n(in millions)", [
            ("2019", 0, 12), ("2018", 0, 12)
        ]),
        ("2019 2018 $ Change % Change", [
            ("2019", 0, 0), ("2018", 0, 0), ("", 0, 0), ("", 0, 0)
        ]),
        ("2019 % of net sales 2018 % of net sales", [
            ("2019", 0, 0), ("", 0, 0), ("2018", 0, 0), ("", 0, 0)
        ]),
        ("Three Months Ended Nine Months Ended\nSeptember 30, September 30,\n2019 2018 2019 2018", [
            ("2019", 0, 3), ("2018", 0, 3), ("2019", 0, 9), ("2018", 0, 9)
        ]),
        ("2019\nFirst Quarter Second Quarter", [("2019", 1, 3), ("2019", 2, 3)]),
        ("2019 First Quarter Second Quarter", [("2019", 1, 3), ("2019", 2, 3)]),
        ("Q3 2019 Q3 2018", [("2019", 3, 3), ("2018", 3, 3)]),
        ("Three Months Ended Nine Months Ended" + 2 * "\nJuly 1,\n2023\nJune 25,\n2022", [
            ("2023", 0, 3), ("2022", 0, 3), ("2023", 0, 9), ("2022", 0, 9)
        ]),
        ("Three Months Ended Six Months Ended" + 2 * "\nJuly 1,\n2023\nJune 25,\n2022 Change", [
            ("2023", 0, 3), ("2022", 0, 3), ("", 0, 0), ("2023", 0, 6), ("2022", 0, 6), ("", 0, 0)
        ]),
        ("Three Months Ended\nSeptember 30,\nPercentage\nChange\n2023 2022", [
            ("2023", 0, 3), ("2022", 0, 3), ("", 0, 0)
        ]),
        ("nothing", []),
        ("", []),
    ],
)  # fmt: skip
def test_columns_are_of_a_time(heads: str, found: list[tuple[str, int, int]]) -> None:
    assert [(c.year, c.quarter, c.months) for c in columns(heads)] == found


@pytest.mark.parametrize(
    ("row", "heads", "found"),
    [
        ("Sales 12 11 1 9%", "2019 2018 $ Change % Change", ["12", "11", "1", "9%"]),
        ("Sales 12 11", "2019 2018 Change", ["12", "11"]),
        ("Sales (Note 3) 12 11", "2019 2018", ["12", "11"]),
        ("Sales 3 12 11", "Notes 2019 2018", ["3", "12", "11"]),
        ("Sales 12 11", "Notes 2019 2018", ["12", "11"]),
        ("Sales 12", "2019 2018", []),  # of which year?
        ("Sales 12 11 9%", "2019 2018", ["12", "11"]),  # nothing but a difference is a share
        ("Margin 12% 11% 9%", "2019 2018", []),
        ("Sales 1,200 1,100 900", "2019 2018", []),
        ("Sales 12 11", "", []),
    ],
)
def test_a_figure_is_in_a_column_only_where_there_is_no_doubt(
    row: str, heads: str, found: list[str]
) -> None:
    assert [figure for _, figure in aligned(rows(row)[0], columns(heads))] == found


@pytest.mark.parametrize(
    ("heads", "ends"),
    [
        ("September 30,\n2023\nJune 30,\n2023", [9, 6]),
        ("Sep 30, 2023 Oct 1, 2022", [9, 10]),
        ("Three Months Ended\nJune 30,\nSix Months Ended\nJune 30,\n2023 2022 2023 2022", [6] * 4),
        ("October 29, January 29,\n2023 2022", [10, 1]),
        ("June 30, July 1, May 2,\n2023 2022", [0, 0]),
        ("2023 2022", [0, 0]),
    ],
)
def test_a_column_knows_the_month_in_which_it_ends(heads: str, ends: list[int]) -> None:
    assert [column.ends for column in columns(heads)] == ends


@given(st.text() | st.text("2019 \n.Q1(—)$,aB:%"))
def test_no_text_is_too_odd(text: str) -> None:
    for row in rows(text):
        assert text[row.span.start : row.span.end]
        aligned(row, columns(text))
