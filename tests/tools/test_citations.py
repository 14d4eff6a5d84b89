"""A quote is located verbatim, or it is not located."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tools.citations import locate

PAGE = (
    "1. Term. The initial term is twelve (12) months,\nbeginning on May 1, 2024. It may be termi-\n"
    "nated by either party on a long-\nterm notice of 2.5 years. “Fees” are $1,000 per month; the\n"
    "o\ufb03ce pays 5–10 % – no more.\tCafe\u0301 Zu\u0308rich, non\u00adprofit."
)


@pytest.mark.parametrize(
    ("quote", "found"),
    [
        ("twelve (12) months", "twelve (12) months"),
        ("months, beginning on", "months,\nbeginning on"),
        ("  months,\n\n beginning ", "months,\nbeginning"),
        ("be terminated by", "be termi-\nnated by"),
        ("be termi- nated by", "be termi-\nnated by"),
        ("be termi-\nnated by", "be termi-\nnated by"),
        ("a long-term notice", "a long-\nterm notice"),
        ("a longterm notice", "a long-\nterm notice"),
        ('"Fees" are $1,000', "“Fees” are $1,000"),
        ("office pays 5-10 % - no", "o\ufb03ce pays 5–10 % – no"),
        ("Café Zürich", "Cafe\u0301 Zu\u0308rich"),
        ("nonprofit", "non\u00adprofit"),
        ("“The initial term is twelve (12) months”", "The initial term is twelve (12) months"),
        ("2.5", "2.5"),
        ("per month; the office", "per month; the\no\ufb03ce"),
    ],
)
def test_form_is_left_aside(quote: str, found: str) -> None:
    span = locate(quote, PAGE)
    assert span
    assert PAGE[slice(*span)] == found


@pytest.mark.parametrize(
    "quote",
    [
        "twelve (12) month",  # cuts a word
        "welve (12) months",
        "initial term is thirteen",
        "the initial term is",  # case counts
        "term istwelve",
        "5 years",  # 2.5 years
        "$1",  # $1,000
        "000 per month",
        "510 %",  # 5–10 %
        "initial … months",
        "may terminate",
        "",
        " ",
        "...",
        '""',
    ],
)
def test_anything_else_counts(quote: str) -> None:
    assert locate(quote, PAGE) is None


@pytest.mark.parametrize(
    ("page", "found"),
    [
        ("a margin of -5 percent", False),
        ("a margin of (−5 percent)", False),
        ("-5 percent", False),
        ("a margin of 2-5 percent", True),
        ("a margin – 5 percent", True),
        ("a margin –5 percent", True),
        ("- 5 percent", True),
    ],
)
def test_a_number_keeps_its_sign(page: str, found: bool) -> None:
    assert bool(locate("5 percent", page)) == found


@given(st.data())
def test_every_stretch_between_words_is_found(data: st.DataObject) -> None:
    words = data.draw(st.lists(st.text("abcXY19.,-", min_size=1, max_size=6), min_size=1))
    page = "".join(word + data.draw(st.sampled_from([" ", "\n", "  ", "\t\n"])) for word in words)
    first = data.draw(st.integers(0, len(words) - 1))
    last = data.draw(st.integers(first, len(words) - 1))
    quote = " ".join(words[first : last + 1])

    span = locate(quote, page)

    if any(map(str.isalnum, quote)):
        assert span
        found = page[slice(*span)]
        assert "".join(found.split()).replace("-", "") == quote.replace(" ", "").replace("-", "")
    else:
        assert span is None


@given(st.text(max_size=40), st.text(max_size=80))
def test_a_span_lies_on_the_page(quote: str, page: str) -> None:
    span = locate(quote, page)
    if span:
        start, end = span
        assert 0 <= start < end <= len(page)
