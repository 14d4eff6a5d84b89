"""The offline model reads tables: the row and the columns that a question asks for, or nothing."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodes.offline_plan import draft, look_again, review
from nodes.reading import Excerpt
from nodes.reading_rows import row_quotes
from nodes.reading_scope import scope, timeless

INCOME = Excerpt(
    "income",
    "Consolidated Statements of Income\n(In thousands, except per share data)\n"
    "Year Ended December 31,\n2019 2018\nNet sales $ 812,430 $ 745,118\n"
    "Cost of sales (512,100) (470,300)\nOperating profit 120,000 110,000\n"
    "Interest expense (8,120) (7,905)\nNet earnings 61,335 52,870\n"
    "Earnings per share:\nBasic 1.20 1.10\nDiluted 1.15 1.05\nEffective tax rate 21.0 % 20.5 %\n",
)
CASH = Excerpt(
    "cash",
    "Capital expenditures (12,100) (11,900)\nDividends paid (3,100) —\n",
    heads="Consolidated Statements of Cash Flows\n(In thousands)\n2019 2018",
)
SEGMENTS = Excerpt(
    "segments",
    "(In thousands)\n2019 2018\nNet sales:\nSnacks 500,000 450,000\nBeverages 312,430 295,118\n"
    "Total 812,430 745,118\n",
)
QUARTERS = Excerpt(
    "quarters",
    "Three Months Ended Nine Months Ended\nSeptember 30, September 30,\n2019 2018 2019 2018\n"
    "Net sales 210 190 600 550\n",
)
UNIT = "(In thousands, except per share data)"
REPORT = [INCOME, CASH, SEGMENTS]


def says(question: str, *excerpts: Excerpt) -> list[str]:
    return [quote.says for quote in row_quotes(question, excerpts or REPORT)]


@pytest.mark.parametrize(
    ("question", "said"),
    [
        ("What was the revenue in fiscal 2019?", f"Net sales, 2019: $ 812,430 {UNIT}"),
        ("What was the cost of goods sold in 2018?", f"Cost of sales, 2018: (470,300) {UNIT}"),
        (
            "How did operating income change from 2018 to 2019?",
            f"Operating profit, 2018: 110,000, 2019: 120,000 {UNIT}",
        ),
        (
            "What was capex in FY2018 according to the cash flow statement?",
            "Capital expenditures, 2018: (11,900) (In thousands)",
        ),
        ("How much was paid in dividends in 2018?", "Dividends paid, 2018: — (In thousands)"),
        ("What was diluted EPS in 2019?", "Earnings per share: Diluted, 2019: 1.15"),
        ("What was the effective tax rate in 2018?", "Effective tax rate, 2018: 20.5 %"),
        (
            "What were the sales of the Snacks segment in 2019?",
            "Net sales: Snacks, 2019: 500,000 (In thousands)",
        ),
    ],
)
def test_the_figure_that_is_asked_for_is_said_with_its_column_and_unit(
    question: str, said: str
) -> None:
    assert says(question) == [said]


def test_a_quarter_is_not_a_year_and_nine_months_are_neither() -> None:
    assert says("What was the revenue in Q3 of 2019?", QUARTERS)[0].endswith("2019: 210")
    (nine,) = says("What was revenue for the nine months ended September 30, 2019?", QUARTERS)
    assert nine.endswith("2019: 600")
    assert says("What was the revenue in 2019?", QUARTERS) == []


@pytest.mark.parametrize(
    "question",
    [
        "What was the revenue in 2012?",
        "How much was spent on research and development in 2019?",
        "What was the goodwill in 2019?",
        "Why did net sales change in 2019?",
        "Who is the auditor in 2019?",
        "What were the sales of the Toys segment in 2019?",
        "?",
        "",
    ],
)
def test_what_no_row_says_is_not_said(question: str) -> None:
    assert says(question) == []


def test_where_no_time_is_asked_for_the_row_is_quoted_with_its_heads() -> None:
    (quote,) = row_quotes("How much was net income?", REPORT)
    assert quote.text == "Net earnings 61,335 52,870"
    assert quote.heads.endswith("2019 2018")
    assert quote.says == ""


def test_a_fiscal_year_that_ends_in_january_has_the_name_that_the_report_gives_it() -> None:
    table = Excerpt("t", "January 31, 2020 January 31, 2019\nNet sales 12 11\n", document="d-1")
    question = "What was the revenue in fiscal 2019?"
    assert [q.says for q in row_quotes(question, [table])] == ["Net sales, 2019: 11"]
    assert [q.says for q in row_quotes(question, [table], {"d-1": "2020"})] == [
        "Net sales, 2020: 12"
    ]


def passage(document: str, page: int, text: str, **more: object) -> dict[str, object]:
    given = {"document_id": f"d-{document}", "document": f"{document}.pdf", "page": page}
    return {**given, "text": text, **more}


COVER = "ACME STORES, INC.\nAnnual report for the fiscal year ended December 31, 2019\n"
ACME = [
    passage("acme", 40, INCOME.text),
    passage("acme", 41, CASH.text, heads=CASH.heads, heads_page=40),
    passage("acme", 1, COVER, opens=True),
    passage(
        "acme", 9, "We employed 4,310 people on December 31, 2019.\nWe may hire more people.\n"
    ),
]


def answer(question: str) -> list[dict[str, object]]:
    claims: list[dict[str, object]] = draft({"question": question, "passages": ACME})["claims"]
    return claims


def test_a_row_and_its_heads_are_cited_each_with_its_page() -> None:
    (claim,) = answer("What was the capital expenditure of Acme Stores in 2019?")
    assert claim["text"] == "Capital expenditures, 2019: (12,100) (In thousands)"
    assert claim["citations"] == [
        {"document_id": "d-acme", "page": 41, "quote": "Capital expenditures (12,100) (11,900)"},
        {"document_id": "d-acme", "page": 40, "quote": CASH.heads},
    ]
    reviewed = {"number": 1, "text": claim["text"], "quotes": [CASH.text, CASH.heads]}
    assert review({"statements": [reviewed]})["verdicts"][0]["supported"]


def test_what_a_sentence_says_is_answered_by_the_sentence() -> None:
    claims = answer("How many employees did Acme Stores have in 2019?")
    assert claims[0]["text"] == "We employed 4,310 people on December 31, 2019."


REPORTED = [
    passage("acme", 7, "We may pay dividends.\nWe have paid dividends each year since 1966.\n"),
    passage(
        "acme",
        8,
        "The Company has two segments in 2019.\nOur segments are, in 2019, Snacks and Pet Food.\n",
    ),
    passage("acme", 9, "Operating income rose in 2019 by 9%.\nOperating income rose in 2019 "
            "due to lower prices of cocoa.\n"),
    *ACME,
]  # fmt: skip


@pytest.mark.parametrize(
    ("question", "said"),
    [
        ("Did Acme Stores pay dividends in 2019?", "We have paid dividends each year since 1966."),
        (
            "Which segments did Acme Stores report in 2019?",
            "Our segments are, in 2019, Snacks and Pet Food.",
        ),
        (
            "Why did the operating income of Acme Stores change in 2019?",
            "Operating income rose in 2019 due to lower prices of cocoa.",
        ),
    ],
)
def test_of_a_report_is_said_what_came_about_who_is_named_and_why(question: str, said: str) -> None:
    claims = draft({"question": question, "passages": REPORTED})["claims"]
    assert said in claims[0]["text"]


def test_a_release_on_another_quarter_does_not_answer() -> None:
    table = "Three Months Ended\n2019 2018\nNet sales 210 190\n"
    release = [
        passage("acme-4", 2, table),
        passage("acme-4", 1, "Acme Stores reports fourth quarter of 2019", opens=True),
    ]
    asked = "What was the revenue of Acme Stores in Q{} of 2019?"
    assert draft({"question": asked.format(1), "passages": release})["claims"] == []
    (claim,) = draft({"question": asked.format(4), "passages": release})["claims"]
    assert claim["text"].startswith("Net sales, 2019: 210")


@pytest.mark.parametrize(
    "question",
    [
        "What was the revenue of Zenith Motors in 2019?",
        "What was the revenue of Acme Stores in 2012?",
        "How many employees did Acme Stores have in 2012?",
    ],
)
def test_another_company_or_another_year_does_not_answer(question: str) -> None:
    assert answer(question) == []


def test_of_several_companies_each_is_answered_from_its_own_report() -> None:
    other = [
        passage("zenith", 30, "2019 2018\nRevenues 77 66\n"),
        passage("zenith", 1, "ZENITH MOTORS plc\nAnnual report 2019\n", opens=True),
    ]
    question = "Compare the revenue of Acme Stores in 2019 with that of Zenith Motors."
    claims = draft({"question": question, "passages": [*ACME, *other]})["claims"]
    assert [claim["citations"][0]["document_id"] for claim in claims[:2]] == ["d-acme", "d-zenith"]


@pytest.mark.parametrize("name", ["ACME", "Acme", "Acme Stores", "AS", "the Stores", "ACM"])
def test_a_name_is_known_by_its_beginning_and_its_initials(name: str) -> None:
    assert len(answer(f"What was the revenue of {name} in 2019?")) == 1


def test_a_word_that_the_texts_write_in_small_letters_names_nobody() -> None:
    assert len(answer("What was the Revenue by People in 2019?")) == 1


def test_the_report_that_came_first_is_searched_once_more_for_the_item() -> None:
    returned = (
        '{"passages": [{"document_id": "d-1"}, {"document_id": "d-1"}, {"document_id": "d-2"}]}'
    )
    (again,) = look_again("What was the revenue of Acme in fiscal 2019?", returned)
    assert again["document_ids"] == ["d-1"]
    assert "2019" not in again["query"]
    assert "sales" in again["query"]
    assert look_again("On what notice may the tenant terminate?", returned) == []
    assert look_again("What was the revenue of Acme in 2019?", '{"passages": []}') == []
    refused = "There is no document 'd-1' in this workspace any more."
    assert look_again("What was the revenue of Acme in 2019?", refused) == []


def test_a_question_with_much_space_in_it_takes_no_time() -> None:
    begun = time.thread_time()
    assert timeless("What was" + " " * 3_000 + "the revenue in 2019?") == "What was the revenue ?"
    within = scope("What was" + " " * 3_000 + "the revenue in 2019?", REPORT, {})
    assert within.asked == "What was the revenue ?"
    assert time.thread_time() - begun < 1


@given(st.text() | st.text("2019 \n.Q1(—)$,aB:%"), st.text(max_size=40))
def test_no_text_is_too_odd(text: str, heads: str) -> None:
    for quote in row_quotes("What was the revenue in 2019?", [Excerpt("0", text, heads=heads)]):
        assert quote.text in text
