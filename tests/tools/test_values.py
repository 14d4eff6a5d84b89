"""What is read out of a quote, and what is left alone because the quote does not say it."""

from datetime import date
from decimal import Decimal

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tools.values import Money, iso_date, jurisdiction, money, party_key, party_names


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("made as of May 8, 2014 by", date(2014, 5, 8)),
        ("this 8th day of May 2014", date(2014, 5, 8)),
        ("the eighth day of May, 2014", date(2014, 5, 8)),
        ("the Thirty First day of March, 2020", date(2020, 3, 31)),
        ("on the 22nd day of May, in the year 2000", date(2000, 5, 22)),
        ("31 May 2026", date(2026, 5, 31)),
        ("1st of January 2009", date(2009, 1, 1)),
        ("SEPT. 3 , 2001", date(2001, 9, 3)),
        ("2024-02-29", date(2024, 2, 29)),
        ("5/8/14", date(2014, 5, 8)),
        ("4/27/99", date(1999, 4, 27)),
        ("25/12/2020", date(2020, 12, 25)),  # no month has that number
        ("08.05.2014", date(2014, 5, 8)),
        ("February 30, 2020 or March 1, 2020", date(2020, 3, 1)),
        ("May 2014", None),
        ("the ___ day of May, 2014", None),
        ("[●] 2019", None),
        ("within thirty (30) days", None),
        ("", None),
    ],
)
def test_a_date_is_read_if_day_month_and_year_are_said(text: str, found: date | None) -> None:
    assert iso_date(text) == found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("governed by the laws of the State of New York, without regard to", "New York"),
        ("GOVERNED BY THE LAWS OF THE COMMONWEALTH OF VIRGINIA WITHOUT REGARD", "Virginia"),
        ("signed in the State of Nevada and governed by the laws thereof", "Nevada"),
        ("Delaware law applies to a company that has its seat in Texas", "Delaware"),
        ("the laws of the Province of Ontario and the laws of Canada applicable there", "Ontario"),
        ("the laws of the United States and of the State of Ohio", "Ohio"),
        ("the internal laws of the Federal Republic of Germany", "Germany"),
        ("the laws of England and Wales", "England and Wales"),
        ("the law of West\nVirginia", "West Virginia"),
        ("Paris, France; the laws of the State of Israel shall govern", "Israel"),
        ("dishes of fine china", None),
        ("the laws of the Territory in which the Licensee works", None),
    ],
)
def test_a_jurisdiction_is_the_place_whose_law_it_is(text: str, found: str | None) -> None:
    assert jurisdiction(text) == found


@pytest.mark.parametrize(
    ("text", "names"),
    [
        (
            'Tern Metals GmbH, a German company (the "Supplier"), and Ann Lee ("Buyer")',
            ["Tern Metals GmbH", "Ann Lee"],
        ),
        ("Bunker One (USA) Inc. (“Bunker One”)", ["Bunker One (USA) Inc."]),
        ("made by and between Marine MP, LLC", ["Marine MP, LLC"]),
        ("HOF VILLAGE, LLC and PACTIV LLC", ["HOF VILLAGE, LLC", "PACTIV LLC"]),
        ("Ernst and Young LLP", ["Ernst and Young LLP"]),
        ("iShip.com, Inc.", ["iShip.com, Inc."]),
        ("the parties hereto", []),
        ("", []),
        ("between Acme Inc. (the Buyer) and Siemens AG.", ["Acme Inc.", "Siemens AG"]),
        (
            "between Acme Co., Ltd., Beta Holdings LLC, Hotel Fells GmbH, and X Y S.A.",
            ["Acme Co., Ltd.", "Beta Holdings LLC", "Hotel Fells GmbH", "X Y S.A."],
        ),
        ("between Acme Inc., New York, and Ann Lee .", ["Acme Inc."]),
    ],
)
def test_names_are_taken_without_what_describes_them(text: str, names: list[str]) -> None:
    assert party_names(text) == names


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("PACTIV LLC", "Pactiv, L.L.C."),
        ("The University of Iowa", "University of Iowa"),
        ("Dai Nippon Printing Co., Ltd.", "Dai  Nippon Printing"),
        ("Mitchell’s Web", "Mitchell's Web"),
    ],
)
def test_spellings_of_one_name_have_one_key(one: str, other: str) -> None:
    assert party_key(one) == party_key(other)


def test_a_name_that_is_all_legal_form_keeps_its_first_word() -> None:
    assert party_key("Limited Ltd.") == "limited"
    assert party_key("") == ""


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("a fee of $1,250.50 a month", Money(Decimal("1250.50"), "USD")),
        ("five million dollars ($5,000,000)", Money(Decimal(5_000_000), "USD")),
        ("€2.5 million", Money(Decimal(2_500_000), "EUR")),
        ("EUR 300bn", Money(Decimal(300_000_000_000), "EUR")),
        ("HK$ 12", Money(Decimal(12), "HKD")),
        ("RMB 40,000", Money(Decimal(40_000), "CNY")),
        ("500 thousand euros", Money(Decimal(500_000), "EUR")),
        ("a loss of $(1,204)", Money(Decimal(-1204), "USD")),
        ("12,000 units in 30 days", None),
        ("", None),
    ],
)
def test_money_is_an_amount_with_a_currency(text: str, found: Money | None) -> None:
    assert money(text) == found


@example("1" * 50_000)
@example(" " * 50_000)
@given(st.text() | st.text('("“,;. and Inc1/0$May'))
@settings(deadline=None)
def test_no_text_is_too_odd(text: str) -> None:
    iso_date(text), jurisdiction(text), money(text)
    assert all(name.strip() == name and name for name in party_names(text))
    assert party_key(text).isalnum() or party_key(text) == ""
