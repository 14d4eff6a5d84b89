"""What everyday words mean in the words of documents: "leave" is "terminate", "late" is "overdue".

Who asks in a few everyday words names a thing once, and documents name it otherwise. The words here
are general business English, each word by itself; it must never hold a phrase of a clause, nor a
list that is keyed to a kind of document. Where a question is long, it names the alternatives
itself, and nothing of this is used. Next: `nodes/reading_question.py` says which questions are
plain, `nodes/reading_score.py` weighs the words found instead.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from nodes.reading_text import stem, stems

MEASURES: Final = stems("much many long often soon far quick quickly fast high large big old")
"""What "how" goes with: answers do not have these words."""
LIGHT: Final = stems(
    """
    get give go goes come happen let need want mean take put allow able possible case somebody
    someone anybody anyone something anything else thing other side exactly actually still ever
    please tell by themselves itself ourselves per say there required necessary unit item piece one
    """
)
"""Words that a plain question is built with: an answer is complete without them."""

_NEAR, _FAR = 0.85, 0.6
"""What a word counts that means nearly the same, or the same in some places."""

# Everyday words | words that mean nearly the same | words that stand for it in some places.
_MEANINGS: Final = """
last long duration run | term duration expire continue remain until | end period
expire end finish over | expire expiry until term lapse end | continue terminate remain
early prematurely | early earlier premature | time prior
term | expire duration period continue | remain until
leave cancel quit exit stop out terminate end | terminate termination cancel end withdraw | notice
terminate | termination end cancel |
start begin | commence effective begin start commencement | force effect from
renew extend prolong automatic automatically | renew renewal extend extension | successive prolong
late overdue delay | overdue unpaid delay late | due default interest
pay | payable pay payment borne bear settle reimburse | cost expense charge due fee
cost price expensive | price fee charge cost rate payable | amount rent pay
fee charge rate | fee charge rate price payable | amount
much | price fee charge cost rate amount | rent pay salary
rent | rent rental | lease
earn wage salary | salary wage remuneration compensation fee | pay bonus
deposit | deposit security |
raise increase | increase raise adjust rise |
reduce lower | reduce decrease lower |
buy | purchase order buy acquire |
sell supply | sell supply sale | deliver distribute
acquire merge | acquire acquisition merger merge | control
own belong | own owner ownership belong property title vest | proprietary
invent invention | invention invent patent work intellectual |
fix repair maintain | repair maintain maintenance keep fix |
assign transfer | assign assignment transfer transferable | delegate
cap capped limit maximum | limit exceed maximum cap aggregate greater | most
liability liable responsible | liability liable responsible indemnify | damages
injury injure hurt | injury bodily |
confidential secret secrecy | confidential confidentiality secret secrecy disclose |
dispute sue lawsuit disagree | dispute arbitration lawsuit litigation controversy | court suit venue
settle resolve decide | settle resolve submit decide | court arbitration
court | court jurisdiction venue tribunal |
judge competent | jurisdiction court arbitration competent |
law | law legislation |
apply applicable govern | govern apply applicable construe subject |
insure insurance | insurance insure insured | cover
inspect check look audit | audit inspect inspection examine | books records
factory plant | factory plant premises foundry facility works |
bankrupt bankruptcy insolvent | bankrupt bankruptcy insolvent insolvency liquidation |
vacation holiday | vacation holiday leave |
ill sick illness | ill illness sick sickness incapacity |
probation trial | probation trial |
warranty guarantee | warranty warrant guarantee |
broken defect defective faulty | defect defective faulty nonconforming |
amend change modify | amend amendment modify modification alter vary | change
delete erase destroy | delete erase destroy deletion | return
job employment | job employment employ work position |
employee staff | employee personnel staff |
compete competitor competition | compete competitor competition competitive |
penalty fine | penalty fine liquidated damages |
breach violate break | breach violate default violation |
notice warning | notice notify notification |
deliver ship arrive | deliver delivery ship shipment |
person people somebody user | person people user individual |
exclusive | exclusive exclusively | sole solely
only sole | only sole solely exclusive exclusively | other
reason cause convenience | reason cause convenience | discretion
allow may | permit allow |
refund money back | refund reimburse repay return |
answer respond react | respond response answer |
lawyer attorney | attorney counsel lawyer legal |
logo brand trademark name | logo trademark mark brand name |
uptime | available availability uptime |
"""

_FILLER: Final = re.compile(
    r"\b(?:not|never) limited to\b|\bwithout (?:any )?limit(?:ation|ing)\b"
    r"|\b(?:its|their|his|her) own\b|\breasonabl[ey]\b",
    re.IGNORECASE,
)
"""What looks like a limit, an owner or a reason, and is none."""
_OVERDUE: Final = re.compile(
    r"\bnot\s+(?:\w+\s+)?\w+\s+(?:when\s+(?:it\s+is\s+)?due|[io]n\s+time|by\s+the\s+due\s+date)\b"
    r"|\bunpaid\b",
    re.IGNORECASE,
)
_RATE: Final = re.compile(
    r"\b(?:(?:each|every|per|an?)\s+(?:calendar\s+)?(?P<unit>hour|day|week|month|quarter|year)"
    r"|(?P<adverb>hour|dai|week|month|quarter|year|annual)(?:ly)?(?<=ly|al))\b",
    re.IGNORECASE,
)
_AMOUNT: Final = re.compile(
    r"(?:[$€£]|\b(?:USD|EUR|GBP|CHF))\s?\d[\d.,]*|\b\d[\d.,]*\s?(?:USD|EUR|GBP|CHF|euros?|dollars)\b",
    re.IGNORECASE,
)
_UNITS: Final = {"dai": "day", "annual": "year"}
_CIRCUMSTANCE: Final = re.compile(
    r"\b(?:upon|after|following|during|throughout|before|prior to|in (?:the event|case) of"
    r"|at the (?:end|time) of|in connection with|notwithstanding)\s+"
    r"(?:(?:the|any|such|its|this|each|then|current|initial|early|said|applicable)\s+)*"
    r"\w+(?:(?:\s+|/)(?:or|and)\s+\w+)?"
    r"(?:\s+(?:of|or)\s+(?:(?:the|this|any|such)\s+)?\w+)?",
    re.IGNORECASE,
)
"""Under which circumstances something is so: "upon the termination of this agreement"."""


def _rows() -> Iterator[tuple[list[str], list[str], list[str]]]:
    for line in _MEANINGS.strip().splitlines():
        words, near, far = (part.split() for part in line.split("|"))
        yield words, near, far


def _shares() -> Mapping[str, Mapping[str, float]]:
    found: dict[str, dict[str, float]] = {}
    for words, near, far in _rows():
        for word in map(stem, words):
            means = found.setdefault(word, {})
            for share, others in ((_FAR, far), (_NEAR, near)):
                for other in map(stem, others):
                    means[other] = max(share, means.get(other, 0.0))
            means[word] = 1.0
    return found


_MEANS: Final = _shares()
_SPELLED: Final = {
    stem(word): (*words, *near, *far) for words, near, far in _rows() for word in words
}


def meanings(words: Iterable[str]) -> dict[str, float]:
    """Return what some alternatives (stems) may be called, with what each counts, at most 1."""
    found: dict[str, float] = {}
    for word in words:
        for other, share in _MEANS.get(word, {word: 1.0}).items():
            found[other] = max(share, found.get(other, 0.0))
    return found


def spelled(words: Iterable[str]) -> list[str]:
    """Return what some words (stems) may be called in documents, each once, to search for."""
    return list(dict.fromkeys(other for word in words for other in _SPELLED.get(word, ())))


def plainly(text: str) -> str:
    """Return a text with what it says otherwise said in one word: each month, monthly; 180 EUR."""
    text = _AMOUNT.sub(r"\g<0> amount", text)
    return _RATE.sub(_rate, _OVERDUE.sub(r"\g<0> overdue", _FILLER.sub(" ", text)))


def _rate(found: re.Match[str]) -> str:
    unit = (found["unit"] or found["adverb"]).lower()
    return f"per{_UNITS.get(unit, unit)}"


def asserted(text: str) -> str:
    """Return the same without the circumstances: "upon the termination" does not terminate."""
    return _CIRCUMSTANCE.sub(" ", plainly(text))
