"""Finds the documents that a question is about, by what their cards say; the passages come after.

A question about one of many similar documents is answered from the wrong one if the words of its
passages decide: they all say the same. What tells them apart is on their cards. A name counts by
how much of it is said and how rare it is; years, kinds and numbers decide among those of one name,
then the passages. A question that names several documents is to hear each of them. One that names
none goes by the passages, as far as kind and year leave it open.

A `Router` is made of the profiles of a workspace once, and then asked without looking at a document
again. No text on a card is more than words to compare. Next: `tools/questions.py` reads what a
question names, `tools/profiles.py` what a card offers, `tools/search.py` finds the passages.
"""

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from tools import kinds, names
from tools.profiles import Profile, Wanted
from tools.questions import Asked, read

MOST_NAMED: Final = 6
"""Documents that one question can name."""
MOST_CHOSEN: Final = 4
"""Documents in which to look, where the question names fewer."""
_CANDIDATES: Final = 40
"""Documents whose passages are weighed against each other."""
_SURE: Final = 0.5
"""From which strength on a name is taken to be meant."""
_CLOSE: Final = 0.8
"""Which part of the best score a document of the same name needs to be as likely meant."""
_MOST_OF_IT: Final = 0.8
"""The share of a document that is surely meant."""

# What the parts of a match weigh.
_BY_NUMBER, _BY_NAME, _BY_YEAR, _BY_KIND, _BY_FILE, _BY_PASSAGES = 3.0, 2.0, 1.0, 0.8, 0.25, 0.5
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
_PARTIAL: Final = 0.7
"""What the year of a quarterly report, or of a press release, counts for the whole year."""
_LONGEST: Final = 6
"""Words of a name that may be joined or parted in a question."""

Weigh = Callable[[Sequence[str]], dict[str, float]]
"""Returns how well the passages of some documents fit, or of all if none is given."""


@dataclass(frozen=True, slots=True)
class Choice:
    """A document in which to look."""

    document_id: str
    share: float
    """The part of all passages that should be its own."""
    query: str
    """What to look for in it: the question without the names that led to it."""


@dataclass(frozen=True, slots=True)
class _Match:
    at: int
    score: float
    by_name: float = 0.0
    said: int = 0
    """The words of the question that name the document, as bits."""


@dataclass(frozen=True, slots=True)
class _Said:
    """A name, or a number, that a question says: how strongly, and by which words, as bits."""

    strength: float
    bits: int


class Router:
    """The profiles of a workspace, made ready to be asked."""

    def __init__(self, profiles: Iterable[Profile]) -> None:
        """Prepare the profiles; their order does not matter."""
        self._profiles = sorted(profiles, key=lambda each: each.document_id)
        self._at = {each.document_id: at for at, each in enumerate(self._profiles)}
        self._names: list[tuple[int, tuple[str, ...], float]] = []
        self._by_start: dict[str, list[tuple[int, int]]] = defaultdict(list)
        self._by_word: dict[str, list[int]] = defaultdict(list)
        self._by_prefix: dict[str, list[int]] = defaultdict(list)
        self._by_number: dict[str, list[int]] = defaultdict(list)
        self._by_kind: dict[str, list[int]] = defaultdict(list)
        self._by_time: dict[str, list[int]] = defaultdict(list)
        documents: dict[str, set[int]] = defaultdict(set)
        for at, each in enumerate(self._profiles):
            self._add(at, each)
            for told, _ in each.names:
                for word in told:
                    documents[word].add(at)
        self._rarity = {w: self._rare(len(d)) for w, d in documents.items()}
        for word in names.COMMON & self._rarity.keys():
            self._rarity[word] *= _COMMON

    def _add(self, at: int, profile: Profile) -> None:
        for word in profile.kinds | profile.called:
            self._by_kind[word].append(at)
        for time in profile.times:
            self._by_time[time].append(at)
        for number in profile.numbers:
            self._by_number[number].append(at)
        for told, weight in profile.names:
            number_of_name = len(self._names)
            self._names.append((at, told, weight))
            for count in range(1, min(len(told), _LONGEST) + 1):
                self._by_start["".join(told[:count])].append((number_of_name, count))
            for word in set(told) - names.SMALL:
                self._by_word[word].append(number_of_name)
            for end in range(_PREFIX, len(told[0])):
                self._by_prefix[told[0][:end]].append(number_of_name)

    def _rare(self, documents: int) -> float:
        """Return how telling a word of so many documents is: 1 for a word of one document."""
        count = len(self._profiles) + 1
        return math.log(1 + count / (documents + 0.5)) / math.log(1 + count / 1.5)

    def matching(self, wanted: Wanted) -> list[str]:
        """Return the documents that are wanted.

        Raises:
            InvalidInput: what is wanted cannot be read.
        """
        return [each.document_id for each in self._profiles if wanted.accepts(each)]

    def choose(self, query: str, weigh: Weigh, among: Sequence[str] = ()) -> list[Choice]:
        """Return the documents in which to look, the likeliest first; `among` limits them.

        Where `among` has several, each gets a share, as if the question named it.
        """
        asked = read(query)
        said = self._said(asked)
        ranked = self._weighed(self._scored(asked, said, among), weigh, among)
        if not ranked:
            return []
        if 1 < len(among) <= MOST_NAMED:
            return self._shared(asked, ranked[:MOST_NAMED], len(ranked))
        named = self._named(asked, said, ranked)
        taken = {match.at for match in named}
        others = [match for match in ranked if match.at not in taken]
        chosen = [*named, *others[: max(0, MOST_CHOSEN - len(named))]]
        return self._shared(asked, chosen, len(named))

    # --- What the question says

    def _said(self, asked: Asked) -> dict[int, list[_Said]]:
        """Return, for each document, the names and numbers of it that the question says."""
        best = self._by_words(asked)
        for number, said in self._by_starts(asked):
            if number not in best or said.strength > best[number].strength:
                best[number] = said
        found: dict[int, list[_Said]] = defaultdict(list)
        for number, said in best.items():
            at, _, weight = self._names[number]
            found[at].append(replace(said, strength=said.strength * weight))
        for number_of, bits in asked.identifiers:
            for at in self._by_number.get(number_of, ()):
                found[at].append(_Said(_BY_NUMBER / _BY_NAME, bits))
        return found

    def _by_starts(self, asked: Asked) -> Iterator[tuple[int, _Said]]:
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
                    yield number, _Said(counts * self._beginning(number, count), bits)
                if at == first and glued not in self._by_word:  # "Pepsi" for PepsiCo
                    for number in self._by_prefix.get(glued, ()):
                        yield number, _Said(counts * _CUT * self._beginning(number, 1), bits)

    def _beginning(self, number: int, count: int) -> float:
        """Return what the first words of a name count for all of it."""
        weights = [self._rarity[word] for word in self._names[number][1]]
        rarest = max(weights[:count])
        share = sum(weights[:count]) / sum(weights)
        return max(share, _BEGINNING if rarest > _COMMON else 0.0) * (0.4 + 0.6 * rarest)

    def _by_words(self, asked: Asked) -> dict[int, _Said]:
        """Match names by the words they share with the question, wherever these stand."""
        hits: dict[int, dict[str, int]] = defaultdict(dict)
        for at, each in enumerate(asked.words):
            if asked.cased[at] or not asked.mixed:
                for number in self._by_word.get(each.word, ()):
                    hits[number].setdefault(each.word, at)
        found = {}
        for number, places in hits.items():
            weights = {word: self._rarity[word] for word in self._names[number][1]}
            share = sum(weights[word] for word in places) / sum(weights.values())
            rarest = max(weights[word] for word in places)
            bits = sum(1 << at for at in places.values())
            found[number] = _Said(share**1.5 * (0.4 + 0.6 * rarest), bits)
        return found

    # --- How well each document fits

    def _scored(
        self, asked: Asked, said: dict[int, list[_Said]], among: Sequence[str]
    ) -> list[_Match]:
        """Score the documents that the question names, or else those of its kind and time."""
        wanted = self._kinds_in(asked)
        candidates = set(said)
        if not any(each.strength >= _SURE for found in said.values() for each in found):
            candidates.update(at for word in wanted for at in self._by_kind[word])
            candidates.update(at for time in asked.times for at in self._by_time.get(time, ()))
        if among:
            candidates = {self._at[each] for each in among if each in self._at}
        matches = []
        for at in candidates:
            profile = self._profiles[at]
            by_name, bits = _together(said.get(at, ()))
            file = len(profile.file & asked.kinds) / (len(asked.kinds) or 1)
            score = _BY_NAME * by_name + _BY_FILE * file
            score += _BY_KIND * _kind(profile, wanted) + _BY_YEAR * _time(profile, asked)
            matches.append(_Match(at, score, by_name, bits))
        return matches

    def _kinds_in(self, asked: Asked) -> dict[str, float]:
        """Return the words of the question that kinds consist of, with how telling each is."""
        counts = {word: len(self._by_kind[word]) for word in asked.kinds if word in self._by_kind}
        return {word: self._rare(count) for word, count in counts.items()}

    def _weighed(self, matches: list[_Match], weigh: Weigh, among: Sequence[str]) -> list[_Match]:
        """Add to the scores what the passages say, and return the matches, best first."""
        order = sorted(matches, key=lambda m: (-round(m.score, 6), m.at))[:_CANDIDATES]
        sure = bool(order) and order[0].by_name >= _SURE
        limit = among or [self._profiles[m.at].document_id for m in order if sure]
        points = weigh(limit)
        most = max(points.values(), default=0.0) or 1.0
        known = {match.at: match for match in order}
        for each in points:
            if each in self._at and self._at[each] not in known and not sure:
                known[self._at[each]] = _Match(self._at[each], 0.0)
        # Where no name is said, the passages lead and kind and time help.
        mine, theirs = (1.0, _BY_PASSAGES) if sure else (_BY_PASSAGES, 1.0)
        found = [
            replace(
                match,
                score=mine * match.score
                + theirs * points.get(self._profiles[at].document_id, 0.0) / most,
            )
            for at, match in known.items()
        ]
        return sorted(found, key=lambda m: (-round(m.score, 6), m.at))

    # --- Which of them are meant

    def _named(
        self, asked: Asked, said: dict[int, list[_Said]], ranked: Sequence[_Match]
    ) -> list[_Match]:
        """Return the best document for each name that the question says, and each of its times."""
        named: list[_Match] = []
        heard = 0
        for match in ranked:
            sure = [s.bits for s in said.get(match.at, ()) if s.strength >= _SURE]
            new = any(not bits & heard for bits in sure)
            if new or (sure and self._other_time(asked, named, match)):
                named.append(match)
                heard |= match.said
        return named[:MOST_NAMED]

    def _other_time(self, asked: Asked, named: Sequence[_Match], match: _Match) -> bool:
        """Say whether a document of a name already heard is on a time that was not yet."""
        kin = [each for each in named if each.said & match.said]
        heard = {time for each in kin for time in self._on(asked, each)}
        return bool(kin) and bool(self._on(asked, match) - heard)

    def _on(self, asked: Asked, match: _Match) -> set[str]:
        times = self._profiles[match.at].times
        return {time for time in asked.times if times.get(time, 0.0) >= 1}

    def _shared(self, asked: Asked, chosen: Sequence[_Match], named: int) -> list[Choice]:
        """Share the passages out: evenly among those named, or halving from one to the next."""
        rivals = [m for m in chosen[1:] if m.score >= _CLOSE * chosen[0].score]
        alone = named == 1 and not rivals
        shares = []
        for rank in range(len(chosen)):
            if named > 1:
                shares.append(1 / named if rank < named else 0.0)
            elif alone:
                shares.append(_MOST_OF_IT if rank == 0 else (1 - _MOST_OF_IT) / 2**rank)
            else:
                shares.append(1 / 2 ** (rank + 1))
        return [
            Choice(self._profiles[match.at].document_id, share, self._left(asked, match))
            for match, share in zip(chosen, shares, strict=True)
        ]

    def _left(self, asked: Asked, match: _Match) -> str:
        """Return what to look for in a document: what is asked, without what led to it.

        Its name and the name of its kind stand everywhere in it and say nothing there. A word of
        the kind that stands alone is left: "Is the license in the License Agreement exclusive?"
        """
        if match.by_name < _SURE:
            return asked.text
        said, run = match.said, 0
        own = self._profiles[match.at].kinds | self._profiles[match.at].called
        for at, word in enumerate([*(each.word for each in asked.words), ""]):
            if kinds.token(word) in own:
                run |= 1 << at
            elif word not in names.SMALL:
                alone = run.bit_count() == 1 and not kinds.ENDS.fullmatch(
                    asked.words[run.bit_length() - 1].word
                )
                said |= 0 if alone else run
                run = 0
        return asked.without(said)


def _together(found: Sequence[_Said]) -> tuple[float, int]:
    """Return the strength of all that a question says of a document, and by which words.

    Several names for the same words count once; each further name counts half the one before.
    """
    total, heard, share = 0.0, 0, 1.0
    for said in sorted(found, key=lambda each: -each.strength):
        if not said.bits & heard:
            heard |= said.bits
            total += share * said.strength
            share /= 2
    return total, heard


def _kind(profile: Profile, wanted: dict[str, float]) -> float:
    """Return how well the kind of a document fits the words for kinds, from 0 to 1."""
    if not wanted:
        return 0.0
    own = profile.kinds | profile.called
    matched = sum(weight for word, weight in wanted.items() if word in own)
    further = len(profile.kinds - wanted.keys()) / (len(profile.kinds) or 1)
    return matched / sum(wanted.values()) * (1 - 0.2 * further)


def _time(profile: Profile, asked: Asked) -> float:
    """Return how well the times of a document fit those asked for, from 0 to 1."""
    if not asked.times:
        return 0.0
    fits = sum(profile.times.get(time, 0.0) for time in asked.times) / len(asked.times)
    # What is asked of a year is asked of the report on the year, unless a part of it is named.
    year = all(len(time) == 4 for time in asked.times)
    return fits * (_PARTIAL if profile.partial and year else 1.0)
