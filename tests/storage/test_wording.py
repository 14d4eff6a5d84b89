"""The words of a document are known again wherever they stand, and no others are taken for them."""

from typing import Any

import pytest

from storage.records import Page
from storage.wording import Wording

PAGE = "The Tenant shall pay a monthly rent of $4,200, due on the first day of a month.\n\nNothing."
SHORT = "Quill & Post Inc."


@pytest.fixture
def wording() -> Wording:
    texts = enumerate((PAGE, SHORT, "Void"), 1)
    return Wording(Page(number=n, locator=f"page {n}", text=text) for n, text in texts)


@pytest.mark.parametrize(
    "value",
    [
        "It says: “the tenant shall pay a\nmonthly  rent of $4,200, due”.",
        {"messages": [{"content": f"… {PAGE} …"}]},
        f"Memo\n{PAGE}".encode(),
        ["other", ("Quill & Post Inc. is the tenant",)],
    ],
)
def test_it_stands_in(wording: Wording, value: Any) -> None:
    assert wording.stands_in(value)


@pytest.mark.parametrize(
    "value",
    [
        "",
        None,
        17,
        "The Tenant shall pay a monthly rent.",
        "Each month the tenant pays 4,200 dollars on the first day.",
        "Void",  # a page of one word says nothing
        {"pages": ["Quill and Post"]},
    ],
)
def test_it_does_not(wording: Wording, value: Any) -> None:
    assert not wording.stands_in(value)


def test_what_is_written_without_spaces_is_known_by_its_characters() -> None:
    lease = Wording([Page(number=1, locator="1", text="租户应当在每月第一天支付租金四千二百元。")])
    assert lease.stands_in("合同说：“在每月第一天支付租金”。")
    assert not lease.stands_in("租户每月支付租金。")


def test_of_a_document_without_words_nothing_is_known() -> None:
    assert not Wording([]).stands_in(PAGE)
