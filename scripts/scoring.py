"""Score quoted answers against labelled clauses, and make the two baselines to compare with.

The rules: at most `COUNTED` quotes of an answer count, each cut at `LONGEST` characters. Quote and
label are compared on letters and digits alone. A label of `SHORT` or more of them is hit when the
longest stretch that both share is at least half of the shorter one; a shorter label must stand at
word boundaries in a quote of at most `BRIEF` characters. Where a category asks for a value, the one
that the quotes state is compared with the label's by the rules of `scripts/scoring_values.py`.

It must never know how an answer came about: it sees quotes and labels. Next: `scripts/evaluate.py`
asks the product and prints what this counts.
"""

import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from scripts.scoring_values import ValueKind, value_right

COUNTED, LONGEST, BRIEF, SHORT = 3, 600, 120, 20

_RUN = re.compile(r"[^\W_]+")


def letters(text: str) -> str:
    """Return the letters and digits of a text, casefolded."""
    return "".join(_RUN.findall(text.casefold()))


def shares(one: str, other: str, length: int) -> bool:
    """Say whether two strings have a substring of `length` characters in common.

    A shared stretch of `length` covers, in `one`, a whole block of half that length from a fixed
    grid; so each block is looked up in `other` and the find is extended both ways. Exact.
    """
    step = max(1, length // 2)
    for at in range(0, len(one) - step + 1, step):
        block = one[at : at + step]
        found = other.find(block)
        while found >= 0:
            if _extent(one, at, other, found, step) >= length:
                return True
            found = other.find(block, found + 1)
    return False


def _extent(one: str, at: int, other: str, found: int, size: int) -> int:
    """Return how far the equal stretch reaches that holds one[at:at+size] and other[found:…]."""
    before = 0
    while before < min(at, found) and one[at - before - 1] == other[found - before - 1]:
        before += 1
    after = size
    most = min(len(one) - at, len(other) - found)
    while after < most and one[at + after] == other[found + after]:
        after += 1
    return before + after


def hits(quote: str, span: str) -> bool:
    """Say whether a quote hits a labelled span, by the rules of this module."""
    quote = quote[:LONGEST]
    want = letters(span)
    if not want:
        return False
    if len(want) < SHORT:
        return len(quote) <= BRIEF and _stands_in(want, quote)
    have = letters(quote)
    shorter = min(len(have), len(want))
    return shorter > 0 and shares(have, want, math.ceil(shorter / 2))


def _stands_in(want: str, quote: str) -> bool:
    """Say whether `want` is a run of whole words of the quote."""
    words = _RUN.findall(quote.casefold())
    starts = {0}
    at = 0
    for word in words:
        at += len(word)
        starts.add(at)
    have = "".join(words)
    found = have.find(want)
    while found >= 0:
        if found in starts and found + len(want) in starts:
            return True
        found = have.find(want, found + 1)
    return False


@dataclass(frozen=True, slots=True)
class Case:
    """One question to one document: what was labelled and what was quoted."""

    category: str
    document: str
    spans: Sequence[str]
    quotes: Sequence[str]
    answer: str = ""
    """What the labelled spans come to: "5/8/14", "Nevada"."""
    value: ValueKind | None = None
    """What kind of value that is; None: it is not compared."""


@dataclass(frozen=True, slots=True)
class Score:
    """Counts over some cases, and the four rates that they give. A rate of nothing is NaN."""

    present: int = 0
    found: int = 0
    absent: int = 0
    silent: int = 0
    quotes: int = 0
    right: int = 0
    valued: int = 0
    agreed: int = 0

    def __add__(self, other: "Score") -> "Score":
        return Score(
            self.present + other.present,
            self.found + other.found,
            self.absent + other.absent,
            self.silent + other.silent,
            self.quotes + other.quotes,
            self.right + other.right,
            self.valued + other.valued,
            self.agreed + other.agreed,
        )

    @property
    def recall(self) -> float:
        """Of the documents that have the clause, the share in which a quote hits it."""
        return self.found / self.present if self.present else math.nan

    @property
    def precision(self) -> float:
        """Of all quotes given, those for absent clauses included, the share that hits."""
        return self.right / self.quotes if self.quotes else math.nan

    @property
    def silence(self) -> float:
        """Of the documents without the clause, the share for which nothing is quoted."""
        return self.silent / self.absent if self.absent else math.nan

    @property
    def agreement(self) -> float:
        """Of the labels that give a value, the share whose value the quotes state."""
        return self.agreed / self.valued if self.valued else math.nan


def score_case(case: Case) -> Score:
    """Count one case."""
    quotes = [quote for quote in case.quotes[:COUNTED] if quote.strip()]
    right = sum(any(hits(quote, span) for span in case.spans) for quote in quotes)
    present = bool(case.spans)
    agrees = value_right(case.value, case.answer, case.quotes) if case.value and present else None
    return Score(
        present=int(present),
        found=int(right > 0),
        absent=int(not present),
        silent=int(not present and not quotes),
        quotes=len(quotes),
        right=right,
        valued=int(agrees is not None),
        agreed=int(agrees is True),
    )


def score(cases: Iterable[Case]) -> dict[str, Score]:
    """Count cases by category, in the order in which the categories first occur."""
    found: dict[str, Score] = {}
    for case in cases:
        found[case.category] = found.get(case.category, Score()) + score_case(case)
    return found


def total(scores: Iterable[Score]) -> Score:
    """Pool counts: the rates of the sum weigh every document alike, not every category."""
    result = Score()
    for one in scores:
        result += one
    return result


def first_page(pages: Sequence[str]) -> list[str]:
    """Answer anything with the first page: the baseline that reads no question."""
    text = pages[0] if pages else ""
    quotes = (text[at : at + LONGEST] for at in range(0, len(text), LONGEST))
    return [quote for quote in quotes if quote.strip()][:COUNTED]


def best_passages(question: str, pages: Sequence[str], *, most: int = COUNTED) -> list[str]:
    """Answer with the best windows of one document by plain BM25: the baseline that only searches.

    Windows of `LONGEST` characters every half of that; k1 = 1.2, b = 0.75 (Robertson and
    Zaragoza, "The Probabilistic Relevance Framework", 2009); overlapping windows are left out.
    """
    windows = [
        (number, at, text[at : at + LONGEST])
        for number, text in enumerate(pages)
        for at in range(0, max(1, len(text) - LONGEST // 2), LONGEST // 2)
    ]
    bags = [Counter(_RUN.findall(window.casefold())) for _, _, window in windows]
    average = sum(bag.total() for bag in bags) / max(1, len(bags)) or 1.0
    points = [0.0] * len(windows)
    for term in set(_RUN.findall(question.casefold())):
        among = sum(term in bag for bag in bags)
        weight = math.log(1 + (len(bags) - among + 0.5) / (among + 0.5))
        for index, bag in enumerate(bags):
            if term in bag:
                norm = 1.2 * (0.25 + 0.75 * bag.total() / average)
                points[index] += weight * bag[term] * 2.2 / (bag[term] + norm)
    chosen: list[tuple[int, int, str]] = []
    for index in sorted(range(len(windows)), key=lambda i: (-points[i], i)):
        number, at, window = windows[index]
        apart = all(number != n or abs(at - a) >= LONGEST for n, a, _ in chosen)
        if points[index] > 0 and apart and len(chosen) < most:
            chosen.append((number, at, window))
    return [window for _, _, window in chosen]
