"""The offline model reads: it quotes what answers, verbatim, or says nothing."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nodes.reading import LONGEST, Excerpt, quotes

OPENING = Excerpt(
    "opening",
    "SUPPLY AGREEMENT\n\nThis Supply Agreement is made and entered into as of 3 May 2023 by and "
    'between Tern Metals GmbH, a German company (the "Supplier"), and Kestrel Works Ltd. '
    '(the "Buyer").\n',
    opens=True,
)
TERM = Excerpt(
    "term",
    "2. Term. This agreement begins on 1 June 2023 and continues until 31 May 2026, unless it is "
    "ended earlier under clause 9.\n",
)
PAYMENT = Excerpt(
    "payment",
    "5. Payment. The Buyer shall pay each invoice within forty-five days of receipt. A late "
    "payment bears interest of 8 % a year.\n",
)
RECORDS = Excerpt(
    "records",
    "7. Records. The Supplier shall keep records of each delivery for six years. The Buyer may "
    "inspect these records on ten days' notice.\n",
)
AGREEMENT = [TERM, PAYMENT, RECORDS, OPENING]


def answers(question: str) -> list[tuple[str, str]]:
    return [(quote.excerpt, quote.text) for quote in quotes(question, AGREEMENT)]


def test_a_clause_is_answered_with_its_operative_sentence() -> None:
    ((excerpt, text),) = answers("Within how many days is an invoice to be paid?")
    assert excerpt == "payment"
    assert "within forty-five days of receipt" in text


def test_a_question_in_other_words_of_the_same_family_is_understood() -> None:
    found = answers("May the Buyer inspect the Supplier's records?")
    assert found[0][0] == "records"
    assert "may inspect these records" in found[0][1]


def test_when_something_ends_is_answered_with_the_date_of_the_end() -> None:
    ((_, text),) = answers("Until what date does this agreement continue?")
    assert text.endswith("31 May 2026")


def test_the_date_of_the_agreement_is_that_of_its_opening() -> None:
    assert answers("What is the date of this agreement?") == [
        ("opening", quotes("What is the date of this agreement?", AGREEMENT)[0].text)
    ]
    assert "3 May 2023" in answers("What is the date of this agreement?")[0][1]


def test_the_parties_are_quoted_with_what_they_are_called() -> None:
    found = [text for _, text in answers("Who are the parties to this agreement?")]
    assert len(found) >= 2
    assert any("Tern Metals GmbH" in text for text in found)
    assert any("Kestrel Works Ltd" in text for text in found)


def test_one_of_the_parties_is_found_by_its_role() -> None:
    found = [text for _, text in answers("Who is the Buyer?")]
    assert any("Kestrel Works Ltd" in text for text in found)
    assert not any("Tern" in text for text in found)


def test_the_title_stands_at_the_top() -> None:
    assert answers("What is the title of this document?") == [("opening", "SUPPLY AGREEMENT")]


def test_all_parties_are_named_however_many() -> None:
    names = ("Alder", "Birch", "Cedar", "Dogwood", "Elm")
    made = "This Deed is made among " + ", ".join(f'{n} Ltd. (the "{n}")' for n in names) + ".\n"
    found = quotes("Who are the parties to this deed?", [Excerpt("0", made, opens=True)])
    assert [quote.text.split()[0] for quote in found] == list(names)


def test_what_may_be_done_for_no_reason_depends_on_nothing() -> None:
    cause = "9. Breach. Either party may terminate this agreement if the other is in breach.\n"
    none = "10. The Buyer may terminate this agreement at any time, without cause, on notice.\n"
    question = "May a party terminate this agreement for convenience, without cause?"
    assert quotes(question, [Excerpt("cause", cause), *AGREEMENT]) == []
    found = quotes(question, [Excerpt("cause", cause), Excerpt("none", none), *AGREEMENT])
    assert [quote.excerpt for quote in found] == ["none"]


@pytest.mark.parametrize(
    "question",
    [
        "Is the Supplier obliged to carry insurance?",
        "Which most favoured customer does the agreement name?",
        "What is the capital of Mongolia?",
        "?",
        "",
        "the of and",
    ],
)
def test_what_is_not_said_is_not_answered(question: str) -> None:
    assert answers(question) == []


def test_a_figure_in_a_question_is_one_word() -> None:
    fee = "The fee of 1.5 thousand dollars is owed by the licensee."
    asked = "Which fee of 1.5 thousand dollars is owed by licensee, distributor or other reseller?"
    found = quotes(asked, [Excerpt("0", f"{fee} The rest is not.")])
    assert [quote.text for quote in found] == [fee]


def test_no_excerpts_no_quotes() -> None:
    assert quotes("Who are the parties?", []) == []


scraps = st.sampled_from(
    [
        "by and between ", '(the "Buyer")', "Acme Inc. ", "3 May 2023", "(", ")", "“", "”", ". ",
        "\n", "1. Term. ", "shall pay ", "records ", "until ", "$5 ", "x" * 900, ":", ";", "_____",
    ]
) | st.text(max_size=10)  # fmt: skip
hostile = st.lists(scraps, max_size=40).map("".join)


@settings(max_examples=150)
@given(
    question=st.sampled_from(
        [
            "Who are the parties?",
            "What is the date of this agreement?",
            "What is the title?",
            "Until when are records to be kept?",
            "Who is the Buyer?",
        ]
    )
    | hostile,
    texts=st.lists(hostile, max_size=4),
    opens=st.booleans(),
)
def test_whatever_the_excerpts_hold_quotes_are_pieces_of_them(
    question: str, texts: list[str], opens: bool
) -> None:
    excerpts = [Excerpt(str(n), text, opens=opens) for n, text in enumerate(texts)]
    found = quotes(question, excerpts)
    assert len(found) <= 3
    for quote in found:
        text = texts[int(quote.excerpt)]
        assert quote.text
        assert quote.text in text
        assert quote.text == quote.text.strip()
        assert 0 <= quote.score <= 1
        # No word is cut, so a word at either end may stand over.
        assert len(quote.text) <= LONGEST + 2 * max(map(len, text.split()))
    assert found == quotes(question, excerpts)
