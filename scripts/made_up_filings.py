"""Makes up a corpus of filings that resemble each other, with questions on them, from a seed.

Every organisation files an annual report each year, quarterly reports and now and then a current
report; all have the same sections in nearly the same words, tables that go back two years, and name
each other as competitors. Nothing in it is real. `scripts/bench_routing.py` asks which of them is
found first.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final


def _words(text: str) -> list[str]:
    return text.split()


_BEGINNINGS: Final = _words(
    """
    Aster Borel Calder Dunmore Elwick Farrow Galen Harrow Ister Juno Keld Lorne Marlow Norwick Orrin
    Pell Quarry Rowan Selby Thorne Ulric Vance Wexley Yarrow Zennor General United American First
    Northern Blue Target Block Summit 4D
    """
)
_SECONDS: Final = _words(
    """
    Foods Energy Motors Health Materials Airlines Networks Semiconductor Brands Financial Mills
    Paper Devices Software Gaming Beauty
    """
)
_ENDINGS: Final = (
    "Inc.", "Corporation", "Holdings, Inc.", "Company", "plc", "Group Ltd.", "International Inc.",
    "& Co.",
)  # fmt: skip
_FISCAL: Final = (
    ("December 31", 0), ("December 31", 0), ("December 31", 0), ("June 30", 0), ("May 31", 0),
    ("September 28", 0), ("February 1", 1), ("January 28", 1), ("February 3", 0),
)  # fmt: skip
"""The last day of a fiscal year, and by how many years the day is later than its name."""
_WORDS: Final = ("first", "second", "third", "fourth")


@dataclass(frozen=True)
class Organisation:
    """One that files: as on a cover, as people call it, when its year ends."""

    name: str
    short: str
    ends: str
    later: int
    number: str


@dataclass(frozen=True)
class MadeUp:
    """A filing: its text, and what it is."""

    file: str
    text: str
    organisation: Organisation
    form: str
    year: int
    quarter: int = 0


@dataclass(frozen=True)
class Question:
    """A question, the filings of which any is right to come first, and all that it names."""

    text: str
    right: frozenset[str]
    named: frozenset[str] = frozenset()


def organisations(random_: random.Random, count: int) -> list[Organisation]:
    """Make up organisations with different names; some begin alike."""
    pairs = [(b, s) for b in _BEGINNINGS for s in _SECONDS]
    found = []
    for number, (first, second) in enumerate(random_.sample(pairs, count)):
        ends, later = random_.choice(_FISCAL)
        short = f"{first} {second}"
        name = f"{short} {random_.choice(_ENDINGS)}"
        written = name.upper() if random_.random() < 0.6 else name
        found.append(
            Organisation(written, short, ends, later, f"{1 + number % 2}-{10000 + 37 * number}")
        )
    return found


def filings(seed: int, count: int, years: range) -> list[MadeUp]:
    """Make up the filings of so many organisations over some years."""
    random_ = random.Random(seed)
    all_of_them = organisations(random_, count)
    found: list[MadeUp] = []
    for one in all_of_them:
        others = random_.sample(all_of_them, 4)
        for year in years:
            found.append(_annual(random_, one, year, others, len(found)))
            if random_.random() < 0.5:
                found.append(
                    _quarterly(random_, one, year, random_.randint(1, 3), others, len(found))
                )
            if random_.random() < 0.25:
                found.append(_release(random_, one, year, len(found)))
    return found


def _cover(one: Organisation, form: str, ended: str) -> str:
    kind = "ANNUAL" if form == "10-K" else "QUARTERLY"
    period = "fiscal year" if form == "10-K" else "quarterly period"
    return (
        "UNITED STATES\nSECURITIES AND EXCHANGE COMMISSION\nWashington, D.C. 20549\n\n"
        f"FORM {form}\n\n(Mark One)\n☒ {kind} REPORT PURSUANT TO SECTION 13 OR 15(d) OF THE "
        f"SECURITIES EXCHANGE ACT OF 1934\nFor the {period} ended {ended}\nor\n☐ TRANSITION REPORT "
        "PURSUANT TO SECTION 13 OR 15(d)\nFor the transition period from ____ to ____\n"
        f"Commission file number {one.number}\n\n{one.name}\n"
        "(Exact name of registrant as specified in its charter)\n\nDelaware 41-0417775\n"
        "(State of incorporation) (I.R.S. Employer Identification No.)\n\f"
    )


def _table(random_: random.Random, years: list[int]) -> str:
    rows = ["Net sales", "Cost of sales", "Operating income", "Net income", "Capital expenditures",
            "Total assets", "Inventories", "Long-term debt"]  # fmt: skip
    head = " ".join(["(in millions)", *map(str, years)])
    body = [f"{row} {' '.join(f'{random_.randint(100, 99999):,}' for _ in years)}" for row in rows]
    return "\n".join([head, *body])


def _body(random_: random.Random, one: Organisation, year: int, others: list[Organisation]) -> str:
    label = f"fiscal {year}"
    rivals = ", ".join(other.short for other in others if other != one)
    words = random_.sample(_SECONDS, 3)
    return (
        f"Item 1. Business\nThe Company makes and sells products for {', '.join(words).lower()}. "
        f"Competitors include {rivals}. Demand in {label} was higher than in fiscal {year - 1}.\n\n"
        f"Item 1A. Risk factors\nThe markets of the Company are competitive. Results of {label} "
        "may not be an indication of results of future periods. Currency, inflation, the supply of "
        "raw materials and regulation may harm the Company.\n\f"
        f"Item 7. Management's discussion and analysis\nNet sales of {label} rose by "
        f"{random_.randint(1, 30)}% over fiscal {year - 1}, and those of fiscal {year - 1} by "
        f"{random_.randint(1, 30)}% over fiscal {year - 2}. Capital expenditures were made for "
        f"plants.\n\n{_table(random_, [year, year - 1, year - 2])}\n\f"
        "Item 8. Financial statements\nConsolidated statements of income\n"
        f"{_table(random_, [year, year - 1, year - 2])}\n"
    )


def _day(one: Organisation, year: int) -> str:
    return f"{one.ends}, {year + one.later}"


def _annual(
    random_: random.Random, one: Organisation, year: int, others: list[Organisation], number: int
) -> MadeUp:
    text = _cover(one, "10-K", _day(one, year)) + _body(random_, one, year, others)
    return MadeUp(f"doc-{number:04}.txt", text, one, "10-K", year)


def _quarterly(
    random_: random.Random,
    one: Organisation,
    year: int,
    quarter: int,
    others: list[Organisation],
    number: int,
) -> MadeUp:
    month = ("March 31", "June 30", "September 30")[quarter - 1]
    word = _WORDS[quarter - 1]
    text = _cover(one, "10-Q", f"{month}, {year}")
    text += f"Results of the {word} quarter of fiscal {year}\n" * 3
    text += _body(random_, one, year, others).replace(
        f"fiscal {year}", f"the {word} quarter of fiscal {year}"
    )
    return MadeUp(f"doc-{number:04}.txt", text, one, "10-Q", year, quarter)


def _release(random_: random.Random, one: Organisation, year: int, number: int) -> MadeUp:
    text = (
        f"{one.name.title()} Reports Fourth Quarter and Full Year {year} Results\n\nNet sales were "
        f"{random_.randint(100, 9999):,} million.\n\f{_table(random_, [year, year - 1])}\n"
    )
    return MadeUp(f"doc-{number:04}.txt", text, one, "release", year, 4)


def questions(made: list[MadeUp], seed: int) -> Iterator[Question]:
    """Yield questions on the filings, as an analyst words them."""
    random_ = random.Random(seed)
    annual = {
        (each.organisation.short, each.year): each.file for each in made if each.form == "10-K"
    }
    for each in made:
        short, year = each.organisation.short, each.year
        mine = frozenset([each.file])
        alike = frozenset(
            e.file for e in made if (e.organisation, e.year) == (each.organisation, year)
        )
        if each.form == "10-K":
            yield Question(f"What was {short}'s net income in FY{year}?", mine)
            yield Question(f"what were the capital expenditures of {short.lower()} in {year}", mine)
            yield Question(f"According to the {year} annual report of {short}, who competes?", mine)
            yield Question(f"{each.organisation.name} {year} 10K long-term debt", mine)
            before = annual.get((short, year - 1))
            if before and random_.random() < 0.3:
                both = frozenset([each.file, before])
                text = f"How did net sales of {short} change from FY{year - 1} to FY{year}?"
                yield Question(text, both, both)
        elif each.form == "10-Q":
            word = _WORDS[each.quarter - 1]
            yield Question(f"What were {short}'s inventories in Q{each.quarter} {year}?", mine)
            yield Question(f"In the {word} quarter of fiscal {year}, what did {short} sell?", mine)
        else:
            yield Question(f"What net sales did {short} report for Q4 of {year}?", alike)
    for one, other in zip(made[::7], made[3::7], strict=False):
        if one.form == other.form == "10-K" and one.organisation != other.organisation:
            text = (
                f"Compare the net sales of {one.organisation.short} in {one.year} with those of "
                f"{other.organisation.short} in {other.year}."
            )
            both = frozenset([one.file, other.file])
            yield Question(text, both, both)
