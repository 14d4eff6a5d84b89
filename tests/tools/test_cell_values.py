"""Values are written one way, and found in quotes by program, in whatever spelling."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.errors import InvalidInput
from storage.records import Column
from tools.cell_values import given_value, iso_dates, numbers, says, value_of


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("May 8, 2014", "2014-05-08"),
        ("the 8th day of May 2014", "2014-05-08"),
        ("8 May 2014", "2014-05-08"),
        ("1st of March, 2024", "2024-03-01"),
        ("Sept. 3, 1999", "1999-09-03"),
        ("12th day of November,\n2019", "2019-11-12"),
        ("2024-03-01", "2024-03-01"),
        ("3-14-18", "2018-03-14"),
        ("29/3/18", "2018-03-29"),  # there is no month 29
        ("5/17/98", "1998-05-17"),
        ("1.2.2020", "2020-02-01"),  # with dots, the day comes first
    ],
)
def test_a_date_is_read_in_any_spelling(text: str, day: str) -> None:
    assert iso_dates(f"made on {text}, between") == [day]


@pytest.mark.parametrize(
    "text", ["September ___, 2019", "[ ] day of [ ], 2020", "May 2014", "31/31/2020", "1.2.3.4"]
)
def test_what_is_no_full_date_is_none(text: str) -> None:
    assert iso_dates(text) == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("ninety (90) days", [90]),
        ("$4,200.50 a month", [4200.5]),
        ("$1.5 million of 3", [1_500_000, 3]),
        ("twenty-five percent", [25]),
        ("two hundred thousand", [200_000]),
        ("-3 degrees", [-3]),
        ("$5m, €2.5 bn and 5m of cable", [5_000_000, 2_500_000_000, 5]),
        ("12,34,567 rupees", [1_234_567]),
        ("1,5 % or 1.250,50 by Section 4.2.1", []),
        ("4.5 Rent for a month is $900. 13. Early termination: 9.1 The fee is 2", [900, 2]),
        ("It was 4.5 Percent in 13. Not more", [4.5, 13]),
        ("4.50 EUR, or 4.5 Million", [4.5, 4_500_000]),
        ("no number at all", []),
        ("9" * 400, []),
    ],
)
def test_numbers_are_read_in_figures_and_in_words(text: str, found: list[float]) -> None:
    assert numbers(text) == found


@given(st.text(max_size=200))
def test_no_text_breaks_the_readers(text: str) -> None:
    iso_dates(text)
    numbers(text)


def column(kind: Any, *options: str) -> Column:
    return Column(name="x", kind=kind, options=list(options))


@pytest.mark.parametrize(
    ("of", "texts", "value"),
    [
        (column("string"), ["  New\n York\u200b "], "New York"),
        (column("date"), ["1 March 2024"], "2024-03-01"),
        (column("number"), ["4,200.50"], 4200.5),
        (column("integer"), ["90"], 90),
        (column("boolean"), ["Yes"], True),
        (column("string", "EUR", "USD"), ["eur"], "EUR"),
        (column("string", "A+", "A-"), ["a-"], "A-"),
        (column("string", "30 days", "60 days"), ["30 days."], "30 days"),
        (column("strings"), ["Acme, Inc.", "ACME INC", "Bolt"], ["Acme, Inc.", "Bolt"]),
    ],
)
def test_a_text_becomes_a_value_of_its_type(of: Column, texts: list[str], value: Any) -> None:
    found = value_of(of, texts)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("of", "texts"),
    [
        (column("string"), []),
        (column("string"), [" "]),
        (column("string"), ["a", "b"]),
        (column("date"), ["in spring"]),
        (column("date"), ["from 2024-03-01 to 2025-03-01"]),
        (column("number"), ["some"]),
        (column("integer"), ["1.5"]),
        (column("boolean"), ["perhaps"]),
        (column("string", "EUR"), ["GBP"]),
        (column("string", "A+", "A-"), ["A"]),
    ],
)
def test_a_text_of_another_type_is_refused(of: Column, texts: list[str]) -> None:
    with pytest.raises(InvalidInput):
        value_of(of, texts)


@pytest.mark.parametrize(
    ("of", "value", "quote", "said"),
    [
        (column("date"), "2024-03-01", "made on March 1st, 2024", True),
        (column("date"), "2029-03-01", "for five years from March 1, 2024", False),
        (column("integer"), 90, "on ninety days' notice", True),
        (column("integer"), 90, "on 900 days' notice", False),
        (column("number"), 5_000_000, "limited to $5 million", True),
        (column("number"), 5, "limited to $5 million", False),
        (Column(name="cap_in_millions", kind="number"), 5, "limited to $5 million", True),
        (column("string"), "New York", "THE LAW OF THE STATE OF NEW-YORK", True),
        (column("string"), "York", "Yorkshire", None),  # a reviewer decides
        (column("strings"), ["Acme Inc.", "Bolt"], "ACME, INC. and Bolt", True),
        (column("strings"), ["Acme Inc.", "Bolt"], "ACME, INC.", False),
        (column("boolean"), True, "anything", None),
    ],
)
def test_a_program_finds_a_value_in_its_quote(
    of: Column, value: Any, quote: str, said: bool | None
) -> None:
    assert says(of, value, [quote]) is said


@pytest.mark.parametrize(
    ("of", "given", "kept"),
    [
        (column("integer"), "60", 60),
        (column("integer"), 60.0, 60),
        (column("number"), "4,200.50", 4200.5),
        (column("number"), 1e-9, 1e-9),
        (column("boolean"), False, False),
        (column("boolean"), "yes", True),
        (column("date"), "1 March 2024", "2024-03-01"),
        (column("string", "EUR", "USD"), "eur", "EUR"),
        (column("strings"), ["Acme", "Bolt"], ["Acme", "Bolt"]),
        (column("integer"), None, None),  # the document does not say
    ],
)
def test_what_a_person_gives_is_kept_as_its_column_has_it(
    of: Column, given: Any, kept: Any
) -> None:
    found = given_value(of, given)
    assert found == kept
    assert type(found) is type(kept)


@pytest.mark.parametrize(
    ("of", "given", "holds"),
    [
        (column("integer"), "sixty", r"'sixty' .*'x'.*integer\), as 60"),
        (column("integer"), "60 days", "integer"),
        (column("integer"), 60.5, "integer"),
        (column("integer"), True, "integer"),
        (column("number"), "about 5", "number"),
        (column("number"), float("nan"), "number"),
        (column("number"), float("inf"), "number"),
        (column("boolean"), 1, "boolean"),
        (column("date"), "from 2024-03-01 on", "date.*2024-03-01"),
        (column("string"), 5, "string"),
        (column("string"), "", "string"),
        (column("string", "EUR"), "GBP", "one of EUR"),
        (column("strings"), "Acme", "array of strings"),
        (column("strings"), [1], "array of strings"),
    ],
)
def test_what_is_of_another_type_is_refused_with_the_type_and_an_example(
    of: Column, given: Any, holds: str
) -> None:
    with pytest.raises(InvalidInput, match=holds):
        given_value(of, given)
