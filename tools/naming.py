"""Finds in a question the names and numbers by which documents are known, however they are written.

A name is said by its words, wherever they stand in the question, or by how it begins, however its
words are joined: "Mail Boxes Etc" for MAILBOXES ETC., "Pepsi" for PepsiCo. It counts by how much of
it is said and how rare its words are. A name that many documents bear is looked at once, so that
what a question costs grows with the names that it may mean, and not with the documents.
Next: `tools/routing.py` chooses the documents.
"""

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from tools import names
from tools.profiles import Profile
from tools.questions import Asked

_LOWER: Final = 0.5
"""What a name counts that a question writes in lower case beside others in capitals."""
_BEGINNING: Final = 0.65
"""What the beginning of a name counts for the whole: people shorten names so."""
_COMMON: Final = 0.3
"""What words count that many names share, beside others as rare."""
_PREFIX: Final = 5
"""Letters that the beginning of a word has to have to stand for it."""
_CUT: Final = 0.8
"""What it counts beside the whole word."""
_LONGEST: Final = 6
"""Words of a name that may be joined or parted in a question."""


class Said(NamedTuple):
    """A name, or a number, that a question says: how strongly, and by which words, as bits."""

    strength: float
    bits: int


class Names:
    """The names and numbers of the documents of a workspace, made ready to be found."""

    def __init__(self, profiles: Sequence[Profile], by_number: float) -> None:
        """Prepare the names; documents are called by their places among the profiles.

        `by_number` is the strength of a number, beside 1 of a whole name.
        """
        self._by_number_counts = by_number
        self._documents = len(profiles)
        self._known: dict[tuple[str, ...], int] = {}
        self._words: list[tuple[str, ...]] = []
        self._bearers: list[dict[float, list[int]]] = []
        self._by_start: dict[str, list[tuple[int, int]]] = defaultdict(list)
        self._by_word: dict[str, list[int]] = defaultdict(list)
        self._by_prefix: dict[str, list[int]] = defaultdict(list)
        self._by_number: dict[str, list[int]] = defaultdict(list)
        having: dict[str, set[int]] = defaultdict(set)
        for at, profile in enumerate(profiles):
            for number in profile.numbers:
                self._by_number[number].append(at)
            for told, weight in profile.names:
                self._bearers[self._numbered(told)].setdefault(weight, []).append(at)
                for word in told:
                    having[word].add(at)
        self._rarity = {word: rarity(len(d), self._documents) for word, d in having.items()}
        for word in names.COMMON & self._rarity.keys():
            self._rarity[word] *= _COMMON
        self._wholes = [sum(self._rarity[w] for w in dict.fromkeys(told)) for told in self._words]

    def _numbered(self, told: tuple[str, ...]) -> int:
        """Return the number of a name; one that is new is made ready to be found."""
        if (known := self._known.get(told)) is not None:
            return known
        number = self._known[told] = len(self._words)
        self._words.append(told)
        self._bearers.append({})
        for count in range(1, min(len(told), _LONGEST) + 1):
            self._by_start["".join(told[:count])].append((number, count))
        for word in set(told) - names.SMALL:
            self._by_word[word].append(number)
        for end in range(_PREFIX, len(told[0])):
            self._by_prefix[told[0][:end]].append(number)
        return number

    def said(self, asked: Asked) -> dict[int, list[Said]]:
        """Return, for each document, the names and numbers of it that the question says."""
        best = self._by_words(asked)
        for number, said in self._by_starts(asked):
            if number not in best or said.strength > best[number].strength:
                best[number] = said
        found: dict[int, list[Said]] = defaultdict(list)
        for number, (strength, bits) in best.items():
            for weight, bearers in self._bearers[number].items():
                said = Said(strength * weight, bits)
                for at in bearers:
                    found[at].append(said)
        for number_of, bits in asked.identifiers:
            for at in self._by_number.get(number_of, ()):
                found[at].append(Said(self._by_number_counts, bits))
        return found

    def _by_starts(self, asked: Asked) -> Iterator[tuple[int, Said]]:
        """Match names by how they begin, however their words are joined: "Mail Boxes Etc"."""
        for first in range(len(asked.words)):
            glued, bits, cased = "", 0, False
            for at in range(first, min(first + _LONGEST, len(asked.words))):
                glued += asked.words[at].word
                bits |= 1 << at
                cased |= asked.cased[at]
                if glued in names.SMALL:
                    continue
                counts = 1.0 if cased or not asked.mixed else _LOWER
                for number, count in self._by_start.get(glued, ()):
                    yield number, Said(counts * self._beginning(number, count), bits)
                if at == first and glued not in self._by_word:  # "Pepsi" for PepsiCo
                    for number in self._by_prefix.get(glued, ()):
                        yield number, Said(counts * _CUT * self._beginning(number, 1), bits)

    def _beginning(self, number: int, count: int) -> float:
        """Return what the first words of a name count for all of it."""
        weights = [self._rarity[word] for word in self._words[number]]
        rarest = max(weights[:count])
        share = sum(weights[:count]) / sum(weights)
        return max(share, _BEGINNING if rarest > _COMMON else 0.0) * _telling(rarest)

    def _by_words(self, asked: Asked) -> dict[int, Said]:
        """Match names by the words they share with the question, wherever these stand."""
        places: dict[str, int] = {}
        for at, each in enumerate(asked.words):
            if (asked.cased[at] or not asked.mixed) and each.word in self._by_word:
                places.setdefault(each.word, at)
        # The rarest first, so that the first word that meets a name is its rarest.
        order = sorted(places, key=lambda word: -self._rarity[word])
        met: dict[int, tuple[float, float, int]] = {}
        for word in order:
            weight, bit = self._rarity[word], 1 << places[word]
            for number in self._by_word[word]:
                if before := met.get(number):
                    rarest, sum_, bits = before
                    met[number] = rarest, sum_ + weight, bits | bit
                else:
                    met[number] = weight, weight, bit
        return {
            number: Said((sum_ / self._wholes[number]) ** 1.5 * _telling(rarest), bits)
            for number, (rarest, sum_, bits) in met.items()
        }


def rarity(documents: int, among: int) -> float:
    """Return how telling a word of so many documents is: 1 for a word of one document."""
    count = among + 1
    return math.log(1 + count / (documents + 0.5)) / math.log(1 + count / 1.5)


def _telling(rarest: float) -> float:
    """Return what a name counts of which the rarest word said is so rare."""
    return 0.4 + 0.6 * rarest


def together(found: Sequence[Said]) -> tuple[float, int]:
    """Return the strength of all that a question says of a document, and by which words.

    Several names for the same words count once; each further name counts half the one before.
    """
    if len(found) == 1:
        return found[0]
    total, heard, share = 0.0, 0, 1.0
    for said in sorted(found, key=lambda each: -each.strength):
        if not said.bits & heard:
            heard |= said.bits
            total += share * said.strength
            share /= 2
    return total, heard
