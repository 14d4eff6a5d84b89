"""The offline model fills in a row: dates, numbers, names and places, or where to look for them."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from nodes.offline_table import review_row, row
from nodes.reading_places import whose_law
from nodes.reading_text import stem

OPENING = (
    "SUPPLY AGREEMENT\n\nThis Supply Agreement is entered into as of the 3rd day of May, 2021, by "
    "and between Tern Metals (Europe) GmbH, a company organized under the laws of Austria "
    "(“Supplier”), and Kestrel Works, Inc., a Nevada corporation (the “Buyer”)."
)
TERM = (
    "2. Term. This Agreement becomes effective on June 1, 2021 and, unless terminated earlier as "
    "provided below, shall expire on May 31, 2026."
)
PRICE = (
    "3. Price. The Buyer shall pay a monthly fee of $4,200.50 within forty-five days of receipt."
)
LAW = (
    "9. This Agreement shall be governed by and construed under the laws of the State of New York."
)


def fill(kind: str, name: str, asks: str = "", **more: Any) -> dict[str, Any]:
    """Fill in one field from the four passages above."""
    texts = (OPENING, TERM, PRICE, LAW)
    passages = [
        {"number": n, "page": n, "opens": n == 1, "text": text} for n, text in enumerate(texts, 1)
    ]
    field = {"name": name, "kind": kind, "asks": asks, "passages": [2, 3, 4], **more}
    (cell,) = row({"fields": [field], "passages": passages})["cells"]
    for cited in cell["quotes"]:
        assert cited["quote"] in texts[cited["page"] - 1]
    return dict(cell)


@pytest.mark.parametrize(
    ("kind", "name", "asks", "values"),
    [
        ("date", "agreement_date", "", ["2021-05-03"]),
        ("date", "signedOn", "The date on which the agreement was made", ["2021-05-03"]),
        ("date", "effective_date", "", ["2021-06-01"]),
        ("date", "expiration_date", "On what date does the term expire?", ["2026-05-31"]),
        ("strings", "parties", "", ["Tern Metals (Europe) GmbH", "Kestrel Works, Inc."]),
        (
            "strings",
            "Parties",
            "Legal names of all",
            ["Tern Metals (Europe) GmbH", "Kestrel Works, Inc."],
        ),
        ("string", "governing_law", "", ["New York"]),
        ("string", "GoverningLaw", "Jurisdiction whose law governs, e.g. 'Ohio'", ["New York"]),
        ("number", "monthly_fee", "", ["4200.5"]),
        ("integer", "payment_days", "Within how many days of receipt is the fee due?", ["45"]),
        ("string", "colour", "Which colour has the moon of Jupiter?", []),
        ("boolean", "arbitration", "Are disputes settled by arbitration?", []),
    ],
)
def test_a_field_is_filled_by_its_kind(kind: str, name: str, asks: str, values: list[str]) -> None:
    assert fill(kind, name, asks)["values"] == values


@pytest.mark.parametrize(
    ("name", "value"),
    [("price", "2500000000"), ("deposit", "4000"), ("liability_limit", "5000000")],
)
def test_of_several_amounts_it_is_the_one_that_is_asked_for(name: str, value: str) -> None:
    text = (
        "The liability is limited to $5 million in all cases, which limit the parties accept. "
        "The price is $2.5 billion, and the deposit is $4,000."
    )
    field = {"name": name, "kind": "number", "asks": "", "passages": [1]}
    passage = {"number": 1, "page": 1, "opens": True, "text": text}
    (cell,) = row({"fields": [field], "passages": [passage]})["cells"]
    assert cell["values"] == [value]


def only(kind: str, name: str, asks: str, text: str) -> dict[str, Any]:
    """Fill in one field from one passage."""
    field = {"name": name, "kind": kind, "asks": asks, "passages": [1]}
    passage = {"number": 1, "page": 1, "opens": True, "text": text}
    (cell,) = row({"fields": [field], "passages": [passage]})["cells"]
    return dict(cell)


def test_what_a_quote_denies_or_limits_is_left_to_a_person() -> None:
    asks = "May the agreement be assigned without consent?"
    denied = (
        "Neither party may assign this agreement without the prior written consent of the other."
    )
    cell = only("boolean", "assignable", asks, denied)
    assert cell["quotes"]
    assert cell["values"] == []
    allowed = "Either party may assign this agreement to any affiliate by notice to the other."
    assert only("boolean", "assignable", "May a party assign it?", allowed)["values"] == ["true"]


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("Either party may terminate by thirty (30) days' prior written notice.", ["30"]),
        ("Notice to terminate under Section 19 must be given in writing.", []),
        ("Notice to terminate shall be deemed to have been duly given 3 days after mailing.", []),
    ],
)
def test_what_is_counted_is_what_the_field_asks_for(text: str, values: list[str]) -> None:
    asks = "How many days of notice to terminate must be given?"
    assert only("integer", "notice_days", asks, text)["values"] == values


def test_when_a_notice_arrives_is_counted_where_that_is_asked() -> None:
    text = "A notice shall be deemed delivered three (3) days after it was mailed."
    asks = "After how many days is a mailed notice deemed delivered?"
    assert only("integer", "delivery_days", asks, text)["values"] == ["3"]


def test_the_number_of_a_clause_is_no_value() -> None:
    text = "4.4 The late charge is due at once. 4.5 Rent for part of a month is prorated by days."
    assert only("number", "rent", "What is the rent for a month?", text)["values"] == []


def test_an_option_is_one_of_those_there_are() -> None:
    asks = "Which state's laws govern the agreement?"
    assert fill("string", "law", asks, options=["Ohio", "New York"])["values"] == ["New York"]
    other = fill("string", "law", asks, options=["Ohio", "Utah"])
    assert other["values"] == []
    assert other["quotes"]  # a person sees where to look


def test_a_date_of_something_else_is_no_answer() -> None:
    """The passages say when it begins: that is not when it ends, however it is asked."""
    passage = {"number": 1, "page": 1, "opens": True, "text": TERM.partition(" and,")[0] + "."}
    field = {"name": "expiration_date", "kind": "date", "asks": "", "passages": [1]}
    (cell,) = row({"fields": [field], "passages": [passage]})["cells"]
    assert cell["values"] == []


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("governed by the laws of the State of Ohio, U.S.A.", "Ohio"),
        ("THE LAW OF THE STATE OF NEW YORK SHALL APPLY", "New York"),
        ("construed in accordance with Ohio law", "Ohio"),
        ("the laws of New York State, without regard to those of Delaware", "New York"),
        ("the law of the Federal Republic of Germany applies", "Germany"),
        ("the laws of England and Wales", "England and Wales"),
        ("governed by the laws of Bavaria", "Bavaria"),
        ("the laws of the Kingdom of Ruritania", "Ruritania"),
        ("executed in the State of Nevada and governed by the laws thereof", "Nevada"),
        ("all applicable laws and regulations", None),
    ],
)
def test_whose_law_is_spoken_of(text: str, name: str | None) -> None:
    found = whose_law(f"This agreement is {text}.")
    assert (found.name if found else None) == name


def test_a_place_without_a_law_does_where_there_is_no_doubt() -> None:
    text = "Its seat is in Delaware."
    assert whose_law(text, sure=True) is None
    place = whose_law(text)
    assert place
    assert (place.name, text[place.span.start : place.span.end]) == ("Delaware", "Delaware")


def test_a_review_finds_the_words_of_a_text_in_its_quotes() -> None:
    values = [
        {"number": 1, "kind": "string", "value": "New York", "quotes": ["the State of New York"]},
        {"number": 2, "kind": "string", "value": "Ohio", "quotes": ["the State of New York"]},
        {"number": 3, "kind": "date", "value": "2021-05-03", "quotes": ["3rd day of May, 2021"]},
    ]
    verdicts = review_row({"values": values})["verdicts"]
    assert [each["supported"] for each in verdicts] == [True, False, True]
    assert "ohio" in verdicts[1]["why"]


def test_words_are_stemmed_alike_however_many_read_at_once() -> None:
    """The stemmer keeps the word that it works on: several threads would mix up their words."""
    words = [f"notices{n}ations" for n in range(50)] * 4
    alone = [stem.__wrapped__(word) for word in words]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(stem.__wrapped__, words)) == alone
