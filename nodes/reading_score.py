"""Weighs how well each sentence of the excerpts answers a question.

A linear model over features that any question has: how much of it a sentence covers, weighted by
how rare the words are among the excerpts; how close together; under which heading; whether a date,
period or amount that is asked for is there; what the sentence orders or allows; what conditions it
sets. The weights say nothing about any subject. `WEIGHTS` tells how they were fitted.
Next: `nodes/reading.py` chooses quotes by these scores.
"""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from nodes.reading_plain import meanings
from nodes.reading_question import FREELY, Question
from nodes.reading_text import FUNCTION, Unit, akin, content, operative
from tools.openings import AMOUNT, DATE, PERIOD

_TOGETHER: Final = 25
"""Words within which a sentence has to meet a plain question: a long one has some of everything."""
_RECITAL: Final = re.compile(r"\W*whereas\b", re.IGNORECASE)
_MADE: Final = re.compile(
    r"\W*this\s+(?:[\w-]+\s+){1,5}(?:\([^()]*\)\s*)?(?:is|was)\s+(?:made|entered|dated)",
    re.IGNORECASE,
)
_TELLS: Final = 6.0
"""Weight of what is met from which on a sentence can hardly meet it by chance."""
CONSIDERED: Final = 20
"""Sentences that are weighed in full, the most promising by their words alone."""
_KIN: Final = 0.7
"""What a word of the same family counts, beside the word itself."""

_OPENING: Final = 0.25
"""What the rank of an opening counts: it is read in any case, so that search says little of it."""

_ALLOWS: Final = re.compile(r"\b(?:may|can|entitled|right to|permit\w*|option)\b", re.IGNORECASE)
_PERMITS: Final = re.compile(r"\b(?:may|can)\b")
"""When something is, does not say what somebody may do."""
_DEFINES: Final = re.compile(
    r"[”\"’']\s*(?:\)|,)?\s*(?:shall\s+)?(?:means?|has the meaning|refers? to|includes?)\b"
)
_CONDITION: Final = re.compile(
    r"\b(?:if|in (?:the|any) event|in case|unless|due to|as a result of|on account of|because"
    r"|should|where|following|in the absence of|provided that|of any"
    r"|upon (?:the|any|a|an|such|its|either|written notice of))\b|\b(?:if|upon|follows|following):",
    re.IGNORECASE,
)
_FIGURE: Final = re.compile(r"(?<=\s)[$€£(]?\d")


class _Terms:
    """Some words to look for, each with its family, weighed by how few sentences have it."""

    def __init__(self, groups: Sequence[Mapping[str, float]], among: Sequence[Unit]) -> None:
        """`groups` are the words that will do for each, with what they count, at most 1."""
        vocabulary: dict[str, list[str]] = {}
        for term in {term for unit in among for term in unit.terms}:
            vocabulary.setdefault(term[:4], []).append(term)
        self.finds: dict[str, list[tuple[int, float]]] = {}
        for number, group in enumerate(groups):
            found: dict[str, float] = {}
            for word, worth in group.items():
                for term in vocabulary.get(word[:4], ()):
                    share = worth * (1.0 if term == word else _KIN * akin(word, term))
                    if share > found.get(term, 0.0):
                        found[term] = share
            for term, share in found.items():
                self.finds.setdefault(term, []).append((number, share))
        counts = [0] * len(groups)
        for unit in among:
            for number in {n for t in set(unit.terms) for n, _ in self.finds.get(t, ())}:
                counts[number] += 1
        self.weights = [_rarity(count, len(among)) for count in counts]
        self.total = sum(self.weights) or 1.0

    def found(self, words: Iterable[str]) -> dict[int, float]:
        """Return which of them are among the words, and how closely."""
        best: dict[int, float] = {}
        for word in words:
            for number, share in self.finds.get(word, ()):
                if share > best.get(number, 0.0):
                    best[number] = share
        return best

    def weigh(self, found: Mapping[int, float]) -> float:
        """Return the weight of what was found."""
        return sum(self.weights[number] * share for number, share in found.items())

    def densest(self, words: Sequence[str], length: int) -> Mapping[int, float]:
        """Return the most that stands within `length` neighbouring words, each with its weight."""
        at = [
            (i, n, self.weights[n] * s)
            for i, w in enumerate(words)
            for n, s in self.finds.get(w, ())
        ]
        best: dict[int, float] = {}
        for first, (start, _, _) in enumerate(at):
            near: dict[int, float] = {}
            for place, number, weight in at[first:]:
                if place - start >= length:
                    break
                near[number] = max(near.get(number, 0.0), weight)
            best = max(best, near, key=lambda each: sum(each.values()))
        return best


def _rarity(count: int, total: int) -> float:
    """Return the inverse document frequency as BM25 has it, from 0 to 5 however many there are."""
    return 5 * math.log(1 + (total - count + 0.5) / (count + 0.5)) / math.log(2 * total + 2)


def _themselves(words: Iterable[str]) -> dict[str, float]:
    return dict.fromkeys(words, 1.0)


class _Pairs:
    """The question's neighbouring words, weighed alike."""

    def __init__(self, pairs: Iterable[tuple[str, str]], among: Sequence[Unit]) -> None:
        wanted = set(pairs)
        self.found = [wanted.intersection(zip(u.terms, u.terms[1:], strict=False)) for u in among]
        counts = dict.fromkeys(wanted, 0)
        for pairs_here in self.found:
            for pair in pairs_here:
                counts[pair] += 1
        self.weights = {pair: _rarity(count, len(among)) for pair, count in counts.items()}
        self.total = sum(self.weights.values()) or 1.0

    def weigh(self, index: int) -> float:
        return sum(self.weights[pair] for pair in self.found[index])


class Scorer:
    """Weighs the sentences of some excerpts for one question."""

    def __init__(
        self, question: Question, excerpts: Sequence[Sequence[Unit]], opens: Sequence[bool] = ()
    ) -> None:
        """`opens` says which of the excerpts open their document."""
        self.question = question
        self.opens = [*opens, *[False] * (len(excerpts) - len(opens))]
        self.places = [(e, u) for e, units in enumerate(excerpts) for u in range(len(units))]
        self.units = [excerpts[e][u] for e, u in self.places]
        means = meanings if question.plain else _themselves
        self.terms = _Terms([means([t]) for t in question.terms], self.units)
        self.slots = _Terms([means(slot) for slot in question.slots], self.units)
        self.pairs = _Pairs(question.pairs, self.units)
        self.found = [self.terms.found(unit.terms) for unit in self.units]
        self.weight = [self.terms.weigh(found) for found in self.found]
        self.mean = sum(self.weight) / max(1, len(self.weight))
        variance = sum((w - self.mean) ** 2 for w in self.weight) / max(1, len(self.weight))
        self.spread = math.sqrt(variance) or 1.0
        self.around = [
            self.terms.weigh(self.terms.found(t for unit in units for t in unit.terms))
            for units in excerpts
        ]
        self.ranks = list(range(len(excerpts)))
        if question.plain:  # what was found by other words stands behind, wherever it belongs
            order = sorted(self.ranks, key=lambda each: -self.around[each])
            self.ranks = [min(each, order.index(each)) for each in self.ranks]

    def promising(self) -> list[int]:
        """Return the sentences worth weighing in full, by their words alone."""
        total, pairs = self.terms.total, self.pairs.total
        points = {
            i: self.weight[i] / total
            + self.pairs.weigh(i) / pairs
            + 0.3 * self.terms.weigh(self.terms.found(unit.over)) / total
            for i, unit in enumerate(self.units)
            if unit.states
        }
        return sorted(sorted(points, key=lambda i: (-points[i], i))[:CONSIDERED])

    def features(self, index: int) -> dict[str, float]:
        """Return what speaks for and against one sentence. Nearly all lie between -1 and 1."""
        unit = self.units[index]
        return {
            **self._words(index, unit),
            **self._slots(unit),
            **self._place(index, unit),
            **self._form(unit),
            **self._type(unit),
            **self._condition(unit),
            **self._plain(unit),
        }

    def _plain(self, unit: Unit) -> dict[str, float]:
        """Say how much of a plain question a sentence meets, with what stands over it.

        What the other features count grows with the words of a question; this does not.
        """
        asked = self.question
        if not asked.plain:
            return {}
        weights, total = self.slots.weights, self.slots.total
        own = self.slots.densest(unit.terms, _TOGETHER)
        over = self.slots.found({*unit.over, *unit.lead})
        met = sum(max(own.get(i, 0.0), w * over.get(i, 0.0)) for i, w in enumerate(weights))
        titled = sum(w * over.get(i, 0.0) for i, w in enumerate(weights))
        ordered = self.slots.weigh(self.slots.found(operative(unit.terms)))
        typed = self._type(unit)
        recital = _RECITAL.match(unit.text) or (not asked.when and _MADE.match(unit.text))
        return {
            "plain": 1.0,
            "met": met / total,
            "tells": met / total * max(min(1.0, total / _TELLS), (min(len(weights), 3) - 1) / 2),
            "titled": titled / total,
            "ordered": ordered / total,
            "recital": float(bool(recital)),
            "elsewhere": float(bool(content(unit.over)) and not titled),
            "permits": float(
                (asked.when or asked.how_long)
                and bool(_PERMITS.search(unit.text))
                and not _PERMITS.search(asked.text)
            ),
            "plain_untyped": typed["untyped"],
            "plain_typed": (asked.when or asked.how_long or asked.how_much)
            * (1 - typed["untyped"]),
        }

    def _words(self, index: int, unit: Unit) -> dict[str, float]:
        terms, found, weight = self.terms, self.found[index], self.weight[index]
        orders = [
            terms.weights[i] * s for w in operative(unit.terms) for i, s in terms.finds.get(w, ())
        ]
        return {
            "pure": min(0.3, len(found) / (len(content(unit.terms)) or 1)),
            "dense": weight / math.sqrt(len(unit.terms) + 6),
            "stands_out": (weight - self.mean) / self.spread / 3,
            "orders": max(orders, default=0.0) / 5,
            "pairs": math.log(1 + self.pairs.weigh(index)),
            "part": self._best_part(found),
            "within_12": sum(terms.densest(unit.terms, 12).values()) / 10,
        }

    def _best_part(self, found: Mapping[int, float]) -> float:
        """Return how well the best part of the question is covered; a weak part counts less."""
        number = {term: i for i, term in enumerate(self.question.terms)}
        best = 0.0
        for part in self.question.parts:
            weight = sum(self.terms.weights[number[t]] for t in part)
            here = sum(self.terms.weights[number[t]] * found.get(number[t], 0.0) for t in part)
            best = max(best, here / (weight or 1.0) * min(1.0, weight / 4))
        return best

    def _slots(self, unit: Unit) -> dict[str, float]:
        slots, count = self.slots, len(self.question.slots)
        here = slots.found(unit.terms)
        near = slots.found({*unit.terms, *unit.over, *unit.lead})
        weights = slots.weights
        return {
            "slots_near": sum(weights[i] for i in near) / slots.total,
            "slots_share": len(here) / (count or 1),
            "no_first_two": float(count > 1 and not {0, 1} & here.keys()),
        }

    def _place(self, index: int, unit: Unit) -> dict[str, float]:
        excerpt, place = self.places[index]
        total = self.terms.total
        title = {t for t in unit.over if t not in FUNCTION and not t[0].isdigit()}
        in_title = [self.terms.weights[i] * s for i, s in self.terms.found(unit.over).items()]
        follows = index + 1 < len(self.places) and self.places[index + 1][0] == excerpt
        return {
            "title_share": sum(t in self.terms.finds for t in title) / (len(title) or 1),
            "title_best": max(in_title, default=0.0) / 5,
            "around": self.around[excerpt] / total,
            "after": self.weight[index + 1] / total if follows else 0.0,
            "before": self.weight[index - 1] / total if place else 0.0,
            "rank": min(self.ranks[excerpt], 15) / 15 * (_OPENING if self.opens[excerpt] else 1.0),
        }

    def _form(self, unit: Unit) -> dict[str, float]:
        text = unit.text
        letters = sum(map(str.isalpha, text))
        return {
            "short": float(len(unit.terms) < 8 and not unit.row),
            "length": math.log(1 + len(unit.terms)) / 5,
            "capitals": float(sum(map(str.isupper, text)) > 0.6 * max(1, letters)),
            "defines": float(bool(_DEFINES.search(text))),
            "allows": float(bool(_ALLOWS.search(text))),
        }

    def _type(self, unit: Unit) -> dict[str, float]:
        asked, text = self.question, unit.text
        date, period = bool(DATE.search(text)), bool(PERIOD.search(text))
        amount = bool(AMOUNT.search(text))
        timed = asked.when or asked.how_long
        figure = asked.how_much and (amount or bool(_FIGURE.search(text)))
        typed = (timed and (date or period)) or figure
        return {
            "date": float(date),
            "period": float(period),
            "amount": float(amount),
            "date_asked": float(asked.when and date),
            "figure_asked": float((asked.how_long and period) or figure),
            "untyped": float((timed or asked.how_much) and not typed),
        }

    def _condition(self, unit: Unit) -> dict[str, float]:
        """Say whether the sentence sets a condition that a question asked without one rules out."""
        asked = float(self.question.unconditional)
        freely = float(bool(FREELY.search(unit.text)))
        condition = float(bool(_CONDITION.search(unit.text)))
        return {
            "conditional": asked * condition,
            "not_freely": asked * (1 - freely),
            "bound": self.question.freely * condition * (1 - freely),
        }

    def score(self, index: int) -> float:
        """Return the log-odds that a sentence answers the question."""
        return BIAS + sum(WEIGHTS[name] * value for name, value in self.features(index).items())


BIAS: Final = -4.28
WEIGHTS: Final[Mapping[str, float]] = {
    "pure": -3.36,
    "dense": 0.84,
    "stands_out": -0.91,
    "orders": 1.71,
    "pairs": 0.18,
    "part": 0.50,
    "within_12": 1.37,
    "slots_near": 0.67,
    "slots_share": 2.14,
    "no_first_two": -0.56,
    "title_share": 0.62,
    "title_best": 1.30,
    "around": 1.12,
    "after": 0.80,
    "before": 0.73,
    "rank": -1.95,
    "short": -1.26,
    "length": -0.14,
    "capitals": 0.84,
    "defines": -0.78,
    "allows": -0.17,
    "date": -0.83,
    "period": 0.49,
    "amount": 0.87,
    "date_asked": 1.85,
    "figure_asked": 0.61,
    "untyped": -0.94,
    "conditional": -0.75,
    "not_freely": -0.59,
    "bound": -1.5,
    "recital": -2.0,
    "elsewhere": -0.5,
    "permits": -1.5,
    "plain": -5.5,
    "met": 4.0,
    "tells": 2.0,
    "titled": 1.0,
    "ordered": 1.5,
    "plain_untyped": -2.0,
    "plain_typed": 0.7,
}
"""Weights of the features above.

"bound" and all behind it were set by hand, as `_OPENING` was; the others come from a fit:
logistic regression on the sentences of 48 contracts with lawyers' labels (CUAD, 2021), each kind of
clause weighed alike and asked for in four wordings; features that helped only in the wording or the
contracts they were fitted on were left out. `docs/decisions/0007` tells what the same procedure
gives on contracts, and on kinds of clauses, that it had not seen.
"""
