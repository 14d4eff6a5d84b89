"""Everyday questions: the offline model finds the clause though it says it in other words.

The two contracts are made up, and so are the questions; `docs/decisions/0017` tells of the larger
set that they are of. What a contract does not say is not answered with whatever is near.
"""

import random
from typing import Final

import pytest

from nodes.offline_plan import draft, look_again
from nodes.reading_plain import asserted, plainly
from nodes.reading_question import read_question
from tools.passages import passages

SOFTWARE: Final = """SOFTWARE SUBSCRIPTION AGREEMENT

This Agreement is entered into on 20 January 2021 by Quillon Systems BV ("Provider") and Marwick \
Hospitals Trust ("Customer").

1. Subscription. Provider grants Customer a non-exclusive, non-transferable right for up to 350 \
named users to access the Quillon scheduling service.

2. Charges. The subscription charge is EUR 18 per user per month, invoiced quarterly in advance \
and payable within thirty days.

3. Availability. Provider shall keep the service available for 99.5 % of each calendar month. If \
it falls short, Customer is credited 5 % of the monthly charge.

4. Support. Provider shall respond to critical incidents within one hour and to all other requests \
within one working day.

5. Data. All data entered by Customer remain the property of Customer. Provider shall delete them \
within sixty days after this Agreement ends.

6. Liability. Except for wilful misconduct, a party's liability under this Agreement shall not be \
greater than the charges paid in the preceding twelve months.

7. Duration. This Agreement takes effect on 1 February 2021 and has a minimum duration of \
thirty-six months. After that it renews for successive periods of twelve months, unless either \
party gives notice of non-renewal at least ninety days before the end of the current period.

8. Final provisions. This Agreement is subject to Dutch law. Disputes shall be submitted to the \
District Court of Amsterdam.
"""
SPONSORSHIP: Final = """SPONSORSHIP AGREEMENT

This Sponsorship Agreement is made effective April 1, 2018 (the "Effective Date") between the \
Larkhill Cycling Association ("Association") and Peak Oats Company ("Sponsor").

1. TERM
The term of this Agreement begins on the Effective Date and shall expire on December 31, 2020, \
unless terminated earlier as set out in Section 8.

2. SPONSORSHIP FEE
Sponsor shall pay Association a sponsorship fee as follows:
Season | Fee
2018 | $80,000
2019 | $95,000
Each fee is payable in two equal installments on April 15 and July 15.

3. BENEFITS
Association shall display Sponsor's logo on all jerseys. Sponsor shall receive forty (40) guest \
passes for each Event.

6. INSURANCE
Association shall procure and keep in force, at its own expense, commercial general liability \
insurance with limits of not less than $3,000,000 per occurrence.

8. TERMINATION
Either party may end this Agreement without cause by giving the other ninety (90) days written \
notice.

9. MISCELLANEOUS
This Agreement may not be transferred by either party without the consent of the other. This \
Agreement shall be governed by the laws of the State of Oregon. Any lawsuit shall be brought in \
the courts of Multnomah County, Oregon.
"""

SAID: Final = [
    (SOFTWARE, "How long does the agreement last?", "thirty-six months"),
    (SOFTWARE, "Is it extended automatically?", "renews for successive periods"),
    (SOFTWARE, "What does it cost per user?", "EUR 18 per user"),
    (SOFTWARE, "What is the monthly charge per user?", "EUR 18 per user"),
    (SOFTWARE, "Who owns our data?", "property of Customer"),
    (SOFTWARE, "When will our data be erased?", "within sixty days"),
    (SOFTWARE, "Is there a limit on liability?", "shall not be greater than"),
    (SOFTWARE, "Which law applies?", "Dutch law"),
    (SOFTWARE, "Where are disputes settled?", "District Court of Amsterdam"),
    (SPONSORSHIP, "How long does the sponsorship agreement last?", "December 31, 2020"),
    (SPONSORSHIP, "When does it run out?", "December 31, 2020"),
    (SPONSORSHIP, "How much does the sponsor pay?", "2018 | $80,000"),
    (SPONSORSHIP, "How many guest passes does the sponsor get?", "forty (40)"),
    (SPONSORSHIP, "How can we cancel?", "ninety (90) days"),
    (SPONSORSHIP, "What insurance is needed?", "commercial general liability"),
    (SPONSORSHIP, "May we assign the contract?", "may not be transferred"),
    (SPONSORSHIP, "Where would we have to sue?", "Multnomah County"),
]
NOT_SAID: Final = [
    (SOFTWARE, "Must the provider be insured?"),
    (SOFTWARE, "Is there a setup fee?"),
    (SOFTWARE, "Does the provider offer training?"),
    (SOFTWARE, "Is there a right of first refusal?"),
    (SPONSORSHIP, "Does the agreement renew automatically?"),
    (SPONSORSHIP, "Can we audit the books?"),
    (SPONSORSHIP, "Are pets allowed?"),
]


def answers(contract: str, question: str) -> list[str]:
    """Answer from the passages of a contract, which a search has put into some order."""
    cut = [contract[span.start : span.end] for span in passages(contract)]
    found = [
        {"document_id": "d-1", "page": 1, "opens": text.isupper() or number == 0, "text": text}
        for number, text in enumerate(cut)
    ]
    random.Random(17).shuffle(found)
    return [claim["text"] for claim in draft({"question": question, "passages": found})["claims"]]


@pytest.mark.parametrize(("contract", "question", "said"), SAID)
def test_what_a_contract_says_in_other_words_is_found(
    contract: str, question: str, said: str
) -> None:
    assert said in " ".join(answers(contract, question))


@pytest.mark.parametrize(("contract", "question"), NOT_SAID)
def test_what_a_contract_does_not_say_is_not_answered(contract: str, question: str) -> None:
    assert answers(contract, question) == []


def test_a_sentence_that_announces_a_table_is_quoted_with_it() -> None:
    (quote,) = answers(SPONSORSHIP, "How much does the sponsor pay?")
    assert quote.startswith("Sponsor shall pay")
    assert "2019 | $95,000" in quote
    assert "BENEFITS" not in quote


def test_when_is_answered_with_the_sentence_and_a_date_with_both_ends_of_its_stretch() -> None:
    text = "6. TERM: November 01, 2014 to October 31, 2017\n7. Effect: none.\n"
    passage = {"document_id": "d-1", "page": 1, "text": text}
    (claim,) = draft({"question": "When does it expire?", "passages": [passage]})["claims"]
    assert claim["text"] == "6. TERM: November 01, 2014 to October 31, 2017"


def test_when_something_ends_is_not_when_somebody_may_end_it() -> None:
    end = "2. Term. The lease begins on 1 March 2022 and continues until 28 February 2027."
    leave = "10. Notice. The Tenant may terminate this lease by six months' notice to the Landlord."
    passage = {"document_id": "d-1", "page": 1, "text": f"{leave}\n{end}\n"}
    first = draft({"question": "When does the lease end?", "passages": [passage]})["claims"][0]
    assert "28 February 2027" in first["text"]


def test_a_row_of_a_table_of_text_tells_what_something_costs() -> None:
    table = "Expense | Limit\nTrain | second class\nHotel | 180 EUR\nMeals | 45 EUR\n"
    passage = {"document_id": "d-1", "page": 1, "text": table}
    (claim,) = draft({"question": "What may a hotel cost?", "passages": [passage]})["claims"]
    assert "Hotel | 180 EUR" in claim["text"]
    assert "Meals" not in claim["text"]


def test_a_plain_question_is_searched_for_in_the_words_of_documents_too() -> None:
    returned = '{"passages": [{"document_id": "d-1"}]}'
    (again,) = look_again("Can we leave early?", returned)
    assert again["document_ids"] == ["d-1"]
    assert {"leave", "terminate"} <= set(again["query"].split())


def test_only_the_words_that_ask_for_something_have_to_be_met() -> None:
    assert read_question("How long does the supply agreement last?").slots == (("last",),)
    assert read_question("How long is it?").slots == (("long",),)
    long = "May a party assign or transfer this agreement, or any rights under it, without consent?"
    assert not read_question(long).plain


def test_what_only_looks_like_a_word_is_none() -> None:
    assert "limit" not in plainly("fees, including but not limited to fees, without limitation")
    assert plainly("EUR 5 each month") == "EUR 5 amount permonth"
    assert "overdue" in plainly("sums that are not paid when due bear interest")
    assert "termination" not in asserted("Upon the termination of this Agreement it is returned.")
