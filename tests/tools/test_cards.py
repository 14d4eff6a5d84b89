"""Cards: what a document says of itself, each value with the words on the page that say it."""

import string
import time
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storage.records import Card, Page, Stated
from tools.cards import brief, make_card


def card(*texts: str) -> Card:
    return make_card(pages(*texts))


def pages(*texts: str) -> list[Page]:
    return [Page(number=n, locator=f"page {n}", text=text) for n, text in enumerate(texts, 1)]


def values(stated: Sequence[Stated]) -> list[str]:
    return [each.value for each in stated]


def every(made: Card) -> list[Stated]:
    lists = [getattr(made, name) for name in Card.model_fields if name != "title"]
    return [*([made.title] if made.title else []), *(each for found in lists for each in found)]


SUPPLY = (
    (
        "Exhibit 10.4\nMASTER SUPPLY AGREEMENT\nContract No. TK-2291\n"
        "This Master Supply Agreement (this “Agreement”) is made as of the 3rd day of May, 2017 by "
        "and between Tern Metals GmbH, a German company (“Tern”), and KESTREL\xa0WORKS, LTD., an "
        "English company (the “Buyer”).\n1. Supply. Tern shall supply steel."
    ),
    "IN WITNESS WHEREOF the parties have signed.\nHARBOR GUARANTY CORP.\nBy: /s/ Ann Low",
)


class TestAContract:
    def test_says_its_title_kind_and_number(self) -> None:
        made = card(*SUPPLY)
        assert made.title is not None
        assert made.title.value == "MASTER SUPPLY AGREEMENT"
        assert values(made.kinds) == ["master supply agreement"]
        assert values(made.identifiers) == ["TK-2291"]

    def test_says_who_made_it_with_roles_and_shorter_names(self) -> None:
        tern, kestrel = card(*SUPPLY).parties
        assert (tern.value, tern.called, tern.what) == ("Tern Metals GmbH", ["Tern"], "")
        assert (kestrel.value, kestrel.called, kestrel.what) == ("KESTREL WORKS, LTD.", [], "buyer")

    def test_says_when_in_one_form_of_dates(self) -> None:
        (made_on,) = card(*SUPPLY).dates
        assert (made_on.value, made_on.quote) == ("2017-05-03", "3rd day of May, 2017")

    def test_names_who_signed_beside_the_parties(self) -> None:
        assert values(card(*SUPPLY).organisations) == ["HARBOR GUARANTY CORP."]

    def test_that_has_no_title_is_what_it_calls_itself(self) -> None:
        made = card("THIS LICENSE AND RESELLER AGREEMENT dated June 1, 2018 is made\nBETWEEN:\n…")
        assert values(made.kinds) == ["license and reseller agreement"]


TEN_K = (
    "UNITED STATES\nSECURITIES AND EXCHANGE COMMISSION\nWashington, D.C. 20549\nFORM 10-K\n"
    "☒ ANNUAL REPORT PURSUANT TO SECTION 13 OR 15(d)\nFor the fiscal year ended {ended}\n"
    "Commission file number 1-3285\n4D MATERIALS COMPANY\n"
    "(Exact name of registrant as specified in its charter)\nDelaware 41-0417775\n"
    "Common Stock, par value $.01 per share FDM New York Stock Exchange\n"
)


class TestAFiling:
    def test_says_its_form_who_filed_it_and_its_numbers(self) -> None:
        made = card(TEN_K.format(ended="December 31, 2018"))
        assert [(k.value, k.called) for k in made.kinds] == [("10-K", ["annual report"])]
        assert values(made.parties) == ["4D MATERIALS COMPANY"]
        assert [(i.what, i.value) for i in made.identifiers] == [
            ("commission file number", "1-3285"),
            ("EIN", "41-0417775"),
            ("ticker", "FDM"),
        ]

    def test_is_on_the_year_that_it_names(self) -> None:
        made = card(TEN_K.format(ended="December 31, 2018"), "Net sales of 2018 and of 2017.")
        assert values(made.periods) == ["2018"]

    @pytest.mark.parametrize(("label", "year"), [("fiscal 2018", "2018"), ("fiscal 2019", "2019")])
    def test_whose_year_ends_early_names_it_as_its_text_does(self, label: str, year: str) -> None:
        made = card(TEN_K.format(ended="February 2, 2019"), f"In {label} we grew. " * 3)
        (period,) = made.periods
        assert (period.value, period.what) == (year, "ended 2019-02-02")

    def test_behind_a_letter_to_shareholders_is_found(self) -> None:
        made = card("Dear shareholders,", "We grew.", TEN_K.format(ended="December 31, 2018"))
        assert (values(made.kinds), made.kinds[0].page) == (["10-K"], 3)

    def test_that_does_not_ask_for_a_name_is_of_the_organisation_on_its_cover(self) -> None:
        text = TEN_K.replace("4D MATERIALS COMPANY\n(Exact name of registrant as specified in its "
                             "charter)", "Borel Foods, Inc.\nOne Borel Way")  # fmt: skip
        assert values(card(text.format(ended="September 30, 2023")).parties) == [
            "Borel Foods, Inc."
        ]

    @pytest.mark.parametrize(
        "dated",
        ["Date of Report (Date of earliest event reported): May 26, 2023",
         "May 26, 2023\nDate of Report (Date of earliest event reported)"],
    )  # fmt: skip
    def test_on_an_event_is_dated(self, dated: str) -> None:
        text = TEN_K.replace("10-K", "8-K").replace("For the fiscal year ended {ended}", dated)
        made = card(text)
        assert (values(made.kinds), values(made.dates)) == (["8-K"], ["2023-05-26"])

    def test_is_named_in_a_contract_that_is_none(self) -> None:
        later = "The Buyer files with the Securities and Exchange Commission its\nForm 8-K within"
        assert values(card(*SUPPLY, later).kinds) == ["master supply agreement"]

    def test_of_a_quarter_is_on_the_quarter(self) -> None:
        text = TEN_K.replace("10-K", "10-Q").replace("fiscal year", "quarterly period")
        made = card(text.format(ended="June 30, 2019"))
        assert (values(made.kinds), values(made.periods)) == (["10-Q"], ["2019-Q2"])

    def test_that_is_no_form_is_a_report_all_the_same(self) -> None:
        made = card("Norwick plc\nAnnual Report and Accounts 2019\nStrategic report")
        assert "annual report and accounts" in values(made.kinds)
        assert values(made.periods) == ["2019"]

    def test_that_announces_results_names_its_issuer_and_quarter(self) -> None:
        made = card("Borel Foods Reports Third Quarter 2020 Results\nSales rose.")
        assert values(made.parties) == ["Borel Foods"]
        assert values(made.periods) == ["2020-Q3"]
        assert made.kinds[0].value == "earnings release"


def test_a_mail_says_from_whom_to_whom_when_and_about_what() -> None:
    made = card(
        'From: Ann Low <ann@low.example>\nTo: "Roe, Bob" <bob@roe.example>, eve@x.example\n'
        "Date: Tue, 04 Feb 2020 10:00:00 +0000\nSubject: Notice of termination",
        "Dear Bob, the lease ends.",
    )
    assert made.title is not None
    assert (made.title.value, values(made.kinds)) == ("Notice of termination", ["mail"])
    assert [(p.what, p.value) for p in made.parties] == [
        ("from", "Ann Low"),
        ("to", "Roe, Bob"),
        ("to", "eve@x.example"),
    ]
    assert values(made.dates) == ["2020-02-04"]


def test_a_policy_says_its_number_owner_and_day() -> None:
    made = card(
        "Travel and Expense Policy\nLinnoway Instruments, Inc.\nPolicy No.: HR-012\n"
        "- Effective date: January 1, 2026\n- Owner: Tobias Wrennick, Chief Financial Officer"
    )
    assert values(made.kinds) == ["travel and expense policy"]
    assert values(made.identifiers) == ["HR-012"]
    assert (made.dates[0].what, made.dates[0].value) == ("effective date", "2026-01-01")
    assert values(made.parties) == ["Tobias Wrennick"]
    assert values(made.organisations) == ["Linnoway Instruments, Inc."]


@pytest.mark.parametrize(
    ("text", "what", "value"),
    [
        ("Our Purchase Order No. 4711-A of today", "our purchase order no", "4711-A"),
        ("see invoice: INV/2019/7", "see invoice", "INV/2019/7"),
        (
            "The Tax\nIdentification Number: 12-3456789.",
            "the tax identification number",
            "12-3456789",
        ),
        ("Lease 12 months; certificate no. 9 of the file #88/2", "the file", "88/2"),
    ],
)
def test_a_number_is_known_by_its_label(text: str, what: str, value: str) -> None:
    assert [(i.what, i.value) for i in card(text).identifiers] == [(what, value)]


def test_numbers_in_a_row_have_each_its_label() -> None:
    found = card("Policy No. HR-012 claim no: 55-1 order code 7 account id 998").identifiers
    assert [(i.what, i.value) for i in found] == [
        ("policy no", "HR-012"),
        ("claim no", "55-1"),
        ("account id", "998"),
    ]


def test_what_says_nothing_of_itself_has_an_empty_card() -> None:
    assert card("the cat sat on the mat and looked at the rain for a while") == Card()
    assert card() == card("", " \n ") == Card()


def test_lines_that_run_through_the_pages_name_organisations() -> None:
    body = "the text goes on in small letters and says little of anything\n" * 8
    made = card(*(f"{body}{n} of 4 – Ister Paper Ltd. – confidential" for n in range(1, 5)))
    assert values(made.organisations) == ["Ister Paper Ltd."]


def test_in_brief_it_is_a_few_words() -> None:
    assert brief(card(*SUPPLY)) == {
        "title": "MASTER SUPPLY AGREEMENT",
        "kind": "master supply agreement",
        "parties": ["Tern Metals GmbH", "KESTREL WORKS, LTD."],
        "dated": "2017-05-03",
    }


PIECES = st.sampled_from(
    [
        *SUPPLY, TEN_K, "From: a\nTo: b\nSubject: c\n", "between", "“", "(", ")", "Inc.", "\xa0",
        "\n", "FORM 10-K", "Policy No. 7", "May 3, 2017", "fiscal year ended ", "𝕏", "\u0301", "-",
    ]
)  # fmt: skip


@settings(max_examples=40, deadline=None)
@given(st.lists(st.lists(PIECES | st.text(max_size=20), max_size=8).map("".join), max_size=4))
def test_every_value_has_the_words_of_a_page_that_say_it(texts: list[str]) -> None:
    made = card(*texts)
    for each in every(made):
        assert each.quote == texts[each.page - 1][each.start : each.end]
        assert each.quote.strip()
    assert card(*texts) == made


@pytest.mark.parametrize(
    "piece",
    [
        "A", "A ", "(", "“a” ", " ", "and the ", "A, ", "From: ", "No. 1 ", "Contract ", "Of A ",
        "this Of ", "1-1-", "\n", string.printable, "A & ", "x \n", "Form 10-K\n", "years ended ",
    ],
)  # fmt: skip
def test_no_text_holds_it_up(piece: str) -> None:
    began = time.process_time()
    text = ("x" + piece * 20_000)[:20_000]
    card(*[text] * 6)
    assert time.process_time() - began < 4
