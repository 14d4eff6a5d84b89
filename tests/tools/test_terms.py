"""Tests of terms: the words by which a text is found."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tools import terms
from tools.terms import as_terms, of_terms, terms_of


def test_words_are_found_by_their_stems_and_numbers_as_they_stand() -> None:
    text = "Renewals (§ 10.1) of the “Licences” cost 1,200,000.50 EUR; see 2.4.1."
    assert " ".join(terms_of(text)) == "renew § 10.1 of the licenc cost 1,200,000.50 eur see 2.4.1"


@given(st.text() | st.text(alphabet="aA1.,§é \u0301\u00a0\u2028\x1c’-½"))
def test_what_is_indexed_of_a_text_are_its_terms(text: str) -> None:
    assert of_terms().analyze(as_terms(text)) == terms_of(text)


def test_a_word_without_end_is_no_term_and_is_not_remembered() -> None:
    assert as_terms(f"a {'b' * 1_000_000} c") == "a  c"


def test_only_so_many_words_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(terms, "_MOST_PIECES", 3)
    pieces = terms._Pieces()
    assert [pieces[word] for word in ["renewal", "renewals", "renewed", "renewing"]] == [
        "renew"
    ] * 4
    assert len(pieces) == 1
