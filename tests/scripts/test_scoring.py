"""The rules by which the evaluation counts, each by an example."""

import math
from difflib import SequenceMatcher

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scripts.scoring import (
    BRIEF,
    LONGEST,
    Case,
    best_passages,
    first_page,
    hits,
    score,
    score_case,
    shares,
    total,
)

CLAUSE = "This Agreement shall be governed by the laws of the State of Ohio."


@pytest.mark.parametrize(
    ("quote", "span", "hit"),
    [
        (CLAUSE, CLAUSE, True),
        ("governed by the LAWS of\nthe State of Ohio", CLAUSE, True),  # letters and digits alone
        ("shall be governed by", CLAUSE, True),  # half of the shorter side is shared
        ("The fee shall be paid in the State of Ohio", CLAUSE, False),
        ("x" * LONGEST + CLAUSE, CLAUSE, False),  # only the first 600 characters count
        ("made on May 1, 2024", "May 1, 2024", True),  # a short label stands in a short quote
        ("made on May 1, 20245", "May 1, 2024", False),  # at word boundaries
        ("made on May 1, 2024 " + "x" * BRIEF, "May 1, 2024", False),
        (CLAUSE, " . ", False),  # a label without a letter
        ("", CLAUSE, False),
    ],
)
def test_what_hits(quote: str, span: str, hit: bool) -> None:
    assert hits(quote, span) is hit


@given(
    st.text("ab", max_size=30), st.text("ab", max_size=30), st.integers(min_value=1, max_value=12)
)
def test_a_shared_stretch_is_found_exactly_if_there_is_one(one: str, other: str, n: int) -> None:
    longest = SequenceMatcher(None, one, other, autojunk=False).find_longest_match().size
    assert shares(one, other, n) == (longest >= n)


def test_cases_are_counted_and_pooled() -> None:
    cases = [
        Case("Law", "a", [CLAUSE], [CLAUSE, "something else entirely, of some length"]),
        Case("Law", "b", [CLAUSE], []),
        Case("Law", "c", [], []),
        Case("Law", "d", [], ["quoted all the same"]),
    ]
    law = score(cases)["Law"]
    assert (law.present, law.found, law.absent, law.silent) == (2, 1, 2, 1)
    assert (law.recall, law.precision, law.silence) == (0.5, 1 / 3, 0.5)
    assert total([law, law]).recall == 0.5


def test_only_three_quotes_count() -> None:
    wrong = "nothing of the kind stands here"
    assert score_case(Case("Law", "a", [CLAUSE], [wrong, wrong, wrong, CLAUSE])).found == 0


def test_a_rate_of_nothing_is_no_number() -> None:
    assert math.isnan(total([]).recall)


def test_the_baselines_quote_without_reading_the_question_and_by_words_alone() -> None:
    pages = ["A" * 700, "", f"{'Other text. ' * 40}{CLAUSE}{' More text.' * 60}"]
    assert first_page(pages) == ["A" * LONGEST, "A" * 100]
    assert first_page([]) == []
    found = best_passages("Which laws govern the agreement?", pages)
    assert CLAUSE in found[0]
    assert len(found[0]) == LONGEST
    assert best_passages("zzz", pages) == []
