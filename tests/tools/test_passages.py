"""A page is cut into passages and sentences: nothing is lost, nothing is changed."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tools.passages import MOST, Span, blocks, is_heading, passages, sentence_at, sentences

LEASE = """LEASE AGREEMENT

1. Term. The term of this lease is five years. It begins on
1 April 2024, i.e. one month after signing.
2. Rent. The Tenant shall pay, to Harbor Row Inc. of Akron, Ohio:
(a) $4,200 a month; and
(b) the cost of water.

Year ended        2024     2023
Revenue          1,204    1,101
Net income         201      187
"""


def texts(page: str, spans: list[Span]) -> list[str]:
    return [page[span.start : span.end] for span in spans]


# Pieces of real pages, so that the structure the cutter looks for comes up.
scraps = st.sampled_from(
    ["1. ", "(a) ", "Rent", ". ", "\n", "\n\n", " ", "  ", "Inc. ", "the ", "x" * 700, "\t", "\f"]
) | st.text(max_size=12)
pages = st.lists(scraps, max_size=60).map("".join)


@given(pages)
def test_passages_hold_all_that_is_not_blank_once_and_in_order(page: str) -> None:
    spans = passages(page)
    assert all(0 < span.end - span.start <= MOST for span in spans)
    assert all(a.end <= b.start for a, b in pairwise(spans))
    assert "".join("".join(t.split()) for t in texts(page, spans)) == "".join(page.split())


@given(pages)
def test_sentences_hold_all_that_is_not_blank_once_and_in_order(page: str) -> None:
    spans = sentences(page)
    assert all(a.end <= b.start for a, b in pairwise(spans))
    assert "".join("".join(t.split()) for t in texts(page, spans)) == "".join(page.split())


@given(pages, st.integers(0, 3_000))
def test_a_character_stands_in_the_sentence_that_holds_it(page: str, at: int) -> None:
    holding = [span for span in sentences(page) if span.start <= at < span.end]
    assert sentence_at(page, at) == next(iter(holding), None)


def test_sentences_end_at_full_stops_and_not_at_abbreviations() -> None:
    found = [" ".join(t.split()) for t in texts(LEASE, sentences(LEASE))]
    assert "1. Term." in found[1]
    assert any(
        t.endswith("It begins on 1 April 2024, i.e. one month after signing.") for t in found
    )
    assert any("Harbor Row Inc. of Akron" in t for t in found)


def test_items_and_rows_are_blocks_of_their_own() -> None:
    found = texts(LEASE, blocks(LEASE))
    assert "(a) $4,200 a month; and" in found
    assert "(b) the cost of water." in found
    assert "Revenue          1,204    1,101" in found


@pytest.mark.parametrize(
    "line", ["LEASE AGREEMENT", "4.2 Limitation of Liability", "ARTICLE IV Rent", "Governing Law"]
)
def test_headings_are_seen(line: str) -> None:
    assert is_heading(line)


@pytest.mark.parametrize(
    "line", ["The Tenant shall pay.", "Revenue 1,204 1,101", "and the", "12", "", "of Ohio,"]
)
def test_other_lines_are_none(line: str) -> None:
    assert not is_heading(line)


def test_a_page_without_any_structure_is_cut_all_the_same() -> None:
    page = "word " * 2000
    spans = passages(page)
    assert max(s.end - s.start for s in spans) <= MOST
    assert all(t == t.strip() and not t.startswith("ord") for t in texts(page, spans))


def test_a_sentence_with_several_figures_is_no_row_and_the_name_of_a_row_may_go_over_a_line() -> (
    None
):
    prose = (
        "We have paid dividends on our common stock without interruption since 1966,\n"
        "and declared 3.81 per share in 2018. On June 30, 2018 there were 1\nholder of record."
    )
    assert len(blocks(prose)) == 1
    table = "Capital expenditures 12 11\nPurchases of property, plant and\nequipment 12 11\n"
    assert [table[b.start : b.end].count("\n") for b in blocks(table)] == [0, 1]
