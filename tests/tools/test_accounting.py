"""Line items of financial statements have several names, and a name within a name is another's."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tools.accounting import items, mentions, renamed, said, wordings


def named(text: str) -> list[str]:
    return [mention.item.element for mention in mentions(said(text))]


@pytest.mark.parametrize(
    ("text", "elements"),
    [
        ("What was the revenue of 2019?", ["Revenues"]),
        ("Total net sales", ["Revenues"]),
        ("Cost of sales", ["CostOfRevenue"]),
        ("Deferred revenue", ["ContractWithCustomerLiability"]),
        ("How much was the capex?", ["PaymentsToAcquirePropertyPlantAndEquipment"]),
        (
            "Purchases of property, plant and equipment",
            ["PaymentsToAcquirePropertyPlantAndEquipment"],
        ),
        ("Property, plant and equipment, net", ["PropertyPlantAndEquipmentNet"]),
        ("net PP&E", ["PropertyPlantAndEquipmentNet"]),
        ("Net cash provided by (used in) operating activities", [
            "NetCashProvidedByOperatingActivities"
        ]),
        ("Total stockholders’ equity", ["StockholdersEquity"]),
        ("Total liabilities and shareholders' equity", ["LiabilitiesAndStockholdersEquity"]),
        ("Income before provision for income taxes", ["IncomeLossBeforeIncomeTaxes"]),
        ("Income taxes paid", ["IncomeTaxesPaid"]),
        ("Earnings per share: Diluted", ["EarningsPerShareDiluted"]),
        ("The Tenant shall keep the roof in repair", []),
        ("", []),
    ],
)  # fmt: skip
def test_an_item_is_known_by_any_of_its_names(text: str, elements: list[str]) -> None:
    assert named(text) == elements


def test_each_name_is_that_of_one_item_and_finds_it() -> None:
    for item in items():
        plain = " ".join(word.split("|")[0] for word in item.names[0].replace("?", "").split())
        assert named(plain) == [item.element], item.element
        assert wordings(item)


def test_a_question_can_be_asked_in_the_other_names_of_its_item() -> None:
    other = renamed("What were the net sales?")
    assert "What were the revenues?" in other
    assert "What were the net sales?" not in other
    assert renamed("Who is the tenant?") == []


@given(st.text())
def test_no_text_is_too_odd(text: str) -> None:
    assert all(0 <= m.start < m.end <= len(said(text)) for m in mentions(said(text)))
    renamed(text)
