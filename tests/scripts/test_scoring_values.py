"""The rules by which the value of an answer is compared with a label's, each by an example."""

import pytest

from scripts.scoring import Case, score_case
from scripts.scoring_values import ValueKind, value_right


@pytest.mark.parametrize(
    ("kind", "answer", "quotes", "right"),
    [
        ("date", "5/8/14", ["this 8th day of May 2014"], True),
        ("date", "5/8/14", ["May 2014", "as of May 8, 2014"], True),  # the first whole one
        ("date", "5/8/14", ["June 1, 2014", "May 8, 2014"], False),
        ("date", "[]/[]/2019", ["May 8, 2014"], None),  # the label gives none
        ("date", "5/8/14", [], False),
        ("jurisdiction", "Ontario, Canada", ["the laws of the Province of Ontario"], True),
        ("jurisdiction", "New York", ["the laws of the State of New Jersey"], False),
        ("jurisdiction", "", ["the laws of Ohio"], None),
        (
            "parties",
            'Tern Metals GmbH ("Supplier"); Kestrel Ltd. ("Buyer"); Supplier and Buyer ("Parties")',
            ["TERN METALS GMBH (the “Supplier”)", "Kestrel Limited"],
            True,
        ),
        ("parties", "Mount Kowledge Holdings Inc.", ["MOUNT KNOWLEDGE HOLDINGS, INC."], True),
        ("parties", "Tern GmbH; Ann Lee", ["Tern GmbH"], False),  # one is missing
        ("parties", "Tern GmbH; Ann Lee", ["Tern GmbH", "Ann Lee", "Bo Poe"], False),  # too many
        ("parties", 'Tern GmbH; "Buyer" means who buys', ["Tern GmbH"], True),
        ("money", "$1.2 million", ["a fee of USD 1,200,000"], True),
        ("money", "€5", ["$5"], False),
    ],
)
def test_a_value_is_right_by_what_it_comes_to(
    kind: ValueKind, answer: str, quotes: list[str], right: bool | None
) -> None:
    assert value_right(kind, answer, quotes) is right


def test_values_are_counted_where_a_label_gives_one() -> None:
    law = Case("Law", "a", ["the laws of Ohio"], ["the laws of Ohio"], "Ohio", "jurisdiction")
    assert score_case(law).agreement == 1.0
    absent = Case("Law", "b", [], ["the laws of Ohio"], "", "jurisdiction")
    assert score_case(absent).valued == 0
    assert score_case(Case("Law", "c", ["the laws of Ohio"], [], "Ohio")).valued == 0
