"""Which document a question is about: by names, kinds, times and numbers, not by file names."""

import random
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storage.errors import InvalidInput
from storage.records import Card, Stated
from tools.profiles import Wanted, profile
from tools.questions import read
from tools.routing import Router


def said(value: str, what: str = "", called: Sequence[str] = ()) -> Stated:
    return Stated(value=value, what=what, called=list(called), page=1, start=0, end=1, quote="x")


def contract(kind: str, *parties: Stated | str, made: str = "2017-05-03", number: str = "") -> Card:
    return Card(
        kinds=[said(kind)],
        parties=[said(p) if isinstance(p, str) else p for p in parties],
        dates=[said(made, "made")],
        identifiers=[said(number, "contract no")] if number else [],
    )


def filing(
    who: str, form: str, called: str, period: str, ended: str = "", ticker: str = ""
) -> Card:
    return Card(
        kinds=[said(form, called=[called])],
        parties=[said(who, "registrant")],
        periods=[said(period, f"ended {ended}" if ended else "year")],
        identifiers=[said(ticker, "ticker")] if ticker else [],
    )


def annual(who: str, year: int, ticker: str = "") -> Card:
    return filing(who, "10-K", "annual report", str(year), f"{year}-12-31", ticker)


CARDS = {
    "tern": contract("master supply agreement", said("Tern Metals GmbH", called=["Tern"]),
                     said("Kestrel Works, Ltd.", "buyer"), number="TK-2291"),
    "kestrel": contract("endorsement agreement", "Kestrel Works, Ltd.", "Geno Marsh", made="2014"),
    "net-a": contract("co-branding agreement", "VertaNet, Inc.", "Impresa Corporation"),
    "net-b": contract("co-branding agreement", "VertaNet, Inc.", "PaperTrade.com, LLC"),
    "boxes": contract("services agreement", "MAILBOXES ETC. USA, INC.", "iShop.com, Inc."),
    "mills-18": annual("GENERAL MILLWORKS, INC.", 2018),
    "mills-19": annual("GENERAL MILLWORKS, INC.", 2019),
    "mills-q2": filing("GENERAL MILLWORKS, INC.", "10-Q", "quarterly report", "2019-Q2"),
    "motors-19": annual("General Motorworks Company", 2019, ticker="GMW"),
    "4d-19": annual("4D COMPANY", 2019),
    "devices-19": annual("Advanced Micro Devices, Inc.", 2019),
}  # fmt: skip


@pytest.fixture(scope="module")
def router() -> Router:
    return Router(
        profile(name, f"scan {n}.pdf", card) for n, (name, card) in enumerate(CARDS.items())
    )


def chosen(router: Router, question: str, among: Sequence[str] = ()) -> list[str]:
    return [choice.document_id for choice in router.choose(question, lambda _: {}, among)]


@pytest.mark.parametrize(
    ("question", "first"),
    [
        ("When does the supply agreement with Kestrel Works expire?", "tern"),
        ("When does Kestrel's endorsement agreement expire?", "kestrel"),
        ("May Geno Marsh compete?", "kestrel"),
        ("vertanet impresa co-branding agreement liability", "net-a"),
        ("Is PaperTrade.com's contract exclusive?", "net-b"),
        ("Which fees does Mail Boxes Etc. pay?", "boxes"),
        ("What is due under contract TK-2291?", "tern"),
        ("What were General Millworks' net sales in FY2018?", "mills-18"),
        ("What were General Millworks' net sales in 2019?", "mills-19"),
        ("What did General Millworks sell in Q2 2019?", "mills-q2"),
        ("What did General Millworks sell in the second quarter of fiscal 2019?", "mills-q2"),
        ("General Motorworks 10K 2019 inventories", "motors-19"),
        ("How much did GMW invest in 2019?", "motors-19"),
        ("What is 4D's capital expenditure for FY19?", "4d-19"),
        ("What was AMD's revenue in 2019?", "devices-19"),
    ],
)
def test_the_document_that_a_question_names_comes_first(
    router: Router, question: str, first: str
) -> None:
    assert chosen(router, question)[0] == first


@pytest.mark.parametrize(
    ("question", "named"),
    [
        ("Compare the Impresa contract with the PaperTrade.com contract.", {"net-a", "net-b"}),
        ("Did sales of General Millworks grow from 2018 to 2019?", {"mills-18", "mills-19"}),
        ("Who sold more in 2019, 4D or General Motorworks?", {"4d-19", "motors-19"}),
    ],
)
def test_each_document_that_a_question_names_has_its_share(
    router: Router, question: str, named: set[str]
) -> None:
    choices = router.choose(question, lambda _: {})
    assert {c.document_id for c in choices if c.share == 1 / len(named)} == named


def test_where_several_are_named_alike_the_passages_decide(router: Router) -> None:
    def weigh(documents: Sequence[str]) -> dict[str, float]:
        assert {"net-a", "net-b"} <= set(documents)
        return {"net-b": 7.0, "net-a": 3.0}

    choices = router.choose("What does VertaNet's co-branding agreement pay for leads?", weigh)
    assert [c.document_id for c in choices[:2]] == ["net-b", "net-a"]
    assert choices[1].share > 0.2


def test_where_none_is_named_the_passages_lead(router: Router) -> None:
    choices = router.choose("Who pays for the steel?", lambda _: {"boxes": 9.0, "tern": 10.0})
    assert [c.document_id for c in choices] == ["tern", "boxes"]


def test_a_word_in_small_letters_is_no_name_beside_capitals() -> None:
    router = Router(
        [profile("target", "1", annual("Target Corporation", 2019)),
         profile("borel", "2", annual("Borel Foods, Inc.", 2019))]
    )  # fmt: skip
    assert chosen(router, "Did Borel Foods reach its target in 2019?")[0] == "borel"
    assert chosen(router, "What did Target sell in 2019?")[0] == "target"


@pytest.mark.parametrize(
    ("question", "left"),
    [
        ("What rebate does Tern Metals grant?", "What rebate does grant?"),
        ("Which law governs Tern's Master Supply Agreement?", "Which law governs 's ?"),
        ("Who pays for the supply under TK-2291?", "Who pays for the supply under - ?"),
        ("Who pays for the steel?", "Who pays for the steel?"),
    ],
)  # fmt: skip
def test_passages_are_looked_for_without_the_words_that_led_to_the_document(
    router: Router, question: str, left: str
) -> None:
    (first, *_) = router.choose(question, lambda _: {"tern": 1.0})
    assert first.document_id == "tern"
    assert first.query.split() == left.split()


def test_documents_that_were_chosen_by_hand_share_evenly(router: Router) -> None:
    choices = router.choose("Which law governs?", lambda _: {"boxes": 1.0}, ["tern", "boxes"])
    assert [(c.document_id, c.share) for c in choices] == [("boxes", 0.5), ("tern", 0.5)]


def test_the_name_of_a_file_helps_where_no_card_says_more() -> None:
    router = Router(
        [profile("a", "Zennor_2019_10K.pdf", Card()), profile("b", "Pell_2019_10K.pdf", Card())]
    )
    assert chosen(router, "What was Zennor's revenue in 2019?")[0] == "a"


def test_documents_that_are_not_looked_at_could_not_have_been_chosen() -> None:
    chance = random.Random(3)
    sorts = ["annual report", "report", "sales report", "annual sales report", "plan", "copy"]
    who = ["Tern GmbH", "Kestrel Ltd", "Osprey Inc", "Osprey Plan Inc", "Sales Tern Corp"]
    files = ["scan", "report", "annual report", "final", "copy"]
    many = [
        profile(f"d{n}", f"{chance.choice(files)} {n}.pdf",
                contract(chance.choice(sorts), chance.choice(who), made=f"{2000 + n % 20}"))
        for n in range(600)
    ]  # fmt: skip
    router, everything = Router(many), [each.document_id for each in many]
    words = ["annual", "report", "sales", "copy", "final", "plan", "2004", "due", "kestrels"]
    for _ in range(60):
        asked = read(" ".join(chance.sample(words, chance.randint(1, 5))))
        said = router._names.said(asked)
        if any(each.strength >= 0.5 for found in said.values() for each in found):
            continue  # then only documents of that name are meant
        best = router._scored(asked, said, ())
        assert best == router._scored(asked, said, everything)[: len(best)], asked.text


class TestWanted:
    @pytest.mark.parametrize(
        ("wanted", "found"),
        [
            (Wanted(kind="supply agreement"), {"tern"}),
            (Wanted(kind="Co-Branding Agreements"), {"net-a", "net-b"}),
            (Wanted(kind="annual report", party="general millworks"), {"mills-18", "mills-19"}),
            (Wanted(kind="10-K", dated="2018"), {"mills-18"}),
            (Wanted(party="Kestrel"), {"tern", "kestrel"}),
            (Wanted(party="kestrel works ltd", dated="2014..2016"), {"kestrel"}),
            (Wanted(party="Millworks", dated="2019-04..2019-05-01"), {"mills-19", "mills-q2"}),
            (Wanted(dated="..2014"), {"kestrel"}),
            (Wanted(party="Nobody"), set()),
        ],
    )  # fmt: skip
    def test_limits_by_what_cards_say(
        self, router: Router, wanted: Wanted, found: set[str]
    ) -> None:
        assert set(router.matching(wanted)) == found

    @pytest.mark.parametrize("dated", ["soon", "2019-13", "2020..2018", "..", "2019-02-30", "19"])
    def test_a_time_that_is_none_is_refused_with_what_to_write(
        self, router: Router, dated: str
    ) -> None:
        with pytest.raises(InvalidInput, match="2019"):
            router.matching(Wanted(dated=dated))


@settings(max_examples=50, deadline=None)
@given(st.text(max_size=80), st.lists(st.sampled_from([*CARDS, "d-gone"]), max_size=3))
def test_no_question_fails(router: Router, question: str, among: list[str]) -> None:
    choices = router.choose(question, lambda documents: dict.fromkeys(documents, 1.0), among)
    assert len({c.document_id for c in choices}) == len(choices)
    assert not among or {c.document_id for c in choices} <= set(among)
