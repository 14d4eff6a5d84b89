"""Finds the documents that a question is about, by what their cards say; the passages come after.

A question about one of many similar documents is answered from the wrong one if the words of its
passages decide: they all say the same. What tells them apart is on their cards. A name counts by
how much of it is said and how rare it is; years, kinds and numbers decide among those of one name,
then the passages. A question that names several documents is to hear each of them. One that names
none goes by the passages, as far as kind and year leave it open.

A `Router` is made of the profiles of a workspace once, and then asked without looking at a document
again. No text on a card is more than words to compare. Next: `tools/questions.py` reads what a
question names, `tools/profiles.py` what a card offers, `tools/naming.py` compares the names,
`tools/search.py` finds the passages.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from heapq import nsmallest
from typing import Final, NamedTuple

from tools import kinds, names
from tools.naming import Names, Said, rarity, together
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
_NEARLY: Final = 1e-5
"""Scores that are no further apart may be taken for equal."""
_CLOSE: Final = 0.8
"""Which part of the best score a document of the same name needs to be as likely meant."""
_MOST_OF_IT: Final = 0.8
"""The share of a document that is surely meant."""

# What the parts of a match weigh.
_BY_NUMBER, _BY_NAME, _BY_YEAR, _BY_KIND, _BY_FILE, _BY_PASSAGES = 3.0, 2.0, 1.0, 0.8, 0.25, 0.5
_PARTIAL: Final = 0.7
"""What the year of a quarterly report, or of a press release, counts for the whole year."""

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


class _Match(NamedTuple):
    at: int
    score: float
    by_name: float = 0.0
    said: int = 0
    """The words of the question that name the document, as bits."""


class _Kinds:
    """The kinds of documents, each compared once with a question, however many are of it."""

    def __init__(self, profiles: Sequence[Profile]) -> None:
        self._documents = len(profiles)
        self._known: dict[tuple[frozenset[str], frozenset[str]], int] = {}
        self._by_word: dict[str, list[int]] = defaultdict(list)
        self._counts: Counter[str] = Counter()
        self.members: list[list[int]] = []
        """The documents of each kind."""
        self.of: list[int] = []
        """The kind of each document."""
        for at, profile in enumerate(profiles):
            kind = profile.kinds, profile.called
            if kind not in self._known:
                self._known[kind] = len(self.members)
                self.members.append([])
                for word in profile.kinds | profile.called:
                    self._by_word[word].append(self._known[kind])
            self._counts.update(profile.kinds | profile.called)
            self.of.append(self._known[kind])
            self.members[self.of[-1]].append(at)
        self._words = list(self._known)

    def fitting(self, asked: Asked) -> dict[int, float]:
        """Return how well kinds fit the words of a question, from 0 to 1; none that does not."""
        found: dict[int, float] = defaultdict(float)
        common: dict[int, int] = defaultdict(int)
        most = 0.0
        for word in asked.kinds & self._by_word.keys():
            weight = rarity(self._counts[word], self._documents)
            most += weight
            for kind in self._by_word[word]:
                found[kind] += weight
                common[kind] += word in self._words[kind][0]
        for kind, matched in found.items():
            own = len(self._words[kind][0])
            found[kind] = matched / most * (1 - 0.2 * (own - common[kind]) / (own or 1))
        return found

    def best(self, fitting: dict[int, float], least: float, spread: float) -> set[int]:
        """Return the documents of the kinds that fit best, and at least so well.

        As many are enough as are looked at; but to a kind that fits less by no more than `spread`
        they may still be second.
        """
        found: set[int] = set()
        for kind in sorted(fitting, key=lambda each: -fitting[each]):
            if fitting[kind] < least - _NEARLY:
                break
            found.update(self.members[kind])
            if len(found) >= _CANDIDATES:
                least = max(least, fitting[kind] - spread)
        return found


class Router:
    """The profiles of a workspace, made ready to be asked."""

    def __init__(self, profiles: Iterable[Profile]) -> None:
        """Prepare the profiles; their order does not matter."""
        self._profiles = sorted(profiles, key=lambda each: each.document_id)
        self._at = {each.document_id: at for at, each in enumerate(self._profiles)}
        self._names = Names(self._profiles, _BY_NUMBER / _BY_NAME)
        self._kinds = _Kinds(self._profiles)
        self._files = frozenset(word for each in self._profiles for word in each.file)
        self._by_time: dict[str, list[int]] = defaultdict(list)
        for at, each in enumerate(self._profiles):
            for time in each.times:
                self._by_time[time].append(at)

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
        said = self._names.said(asked)
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

    # --- How well each document fits

    def _scored(
        self, asked: Asked, said: dict[int, list[Said]], among: Sequence[str]
    ) -> list[_Match]:
        """Score the documents that the question names, or else those of its kind and time.

        Returns the best of them, the best first.
        """
        fitting = self._kinds.fitting(asked)
        by_file = _BY_FILE / (len(asked.kinds) or 1)
        profiles, kinds_of = self._profiles, self._kinds.of

        def scored(at: int) -> tuple[float, int, float, float, int]:  # thousands of times
            by_name, bits = together(said[at]) if at in said else (0.0, 0)
            score = _BY_NAME * by_name + by_file * len(profiles[at].file & asked.kinds)
            score += _BY_KIND * fitting.get(kinds_of[at], 0.0)
            if asked.times:
                score += _BY_YEAR * _time(profiles[at], asked)
            return -round(score, 6), at, score, by_name, bits

        if among:
            candidates = {self._at[each] for each in among if each in self._at}
            return [_Match(*each[1:]) for each in nsmallest(_CANDIDATES, map(scored, candidates))]
        candidates = set(said)
        sure = any(each.strength >= _SURE for found in said.values() for each in found)
        if not sure:
            candidates.update(at for t in asked.times for at in self._by_time.get(t, ()))
        best = nsmallest(_CANDIDATES, map(scored, candidates))
        if not sure:
            least = best[-1][2] if len(best) == _CANDIDATES else 0.0
            spread = by_file * len(asked.kinds & self._files) / _BY_KIND
            others = self._kinds.best(fitting, least / _BY_KIND - spread, spread)
            best = nsmallest(_CANDIDATES, [*best, *map(scored, others - candidates)])
        return [_Match(*each[1:]) for each in best]

    def _weighed(self, order: list[_Match], weigh: Weigh, among: Sequence[str]) -> list[_Match]:
        """Add to the scores what the passages say, and return the matches, best first."""
        sure = bool(order) and order[0].by_name >= _SURE
        limit = among or [self._profiles[m.at].document_id for m in order if sure]
        points = weigh(limit)
        most = max(points.values(), default=0.0) or 1.0
        # Where no name is said, the passages lead and kind and time help.
        mine, theirs = (1.0, _BY_PASSAGES) if sure else (_BY_PASSAGES, 1.0)
        found = []
        for match in order:
            fit = points.pop(self._profiles[match.at].document_id, 0.0) / most
            found.append(match._replace(score=mine * match.score + theirs * fit))
        if not sure:
            found += [
                _Match(self._at[each], theirs * fit / most)
                for each, fit in points.items()
                if each in self._at
            ]
        return sorted(found, key=lambda m: (-round(m.score, 6), m.at))

    # --- Which of them are meant

    def _named(
        self, asked: Asked, said: dict[int, list[Said]], ranked: Sequence[_Match]
    ) -> list[_Match]:
        """Return the best document for each name that the question says, and each of its times."""
        named: list[_Match] = []
        heard = 0
        for match in ranked:
            if match.at not in said:
                continue
            sure = [s.bits for s in said[match.at] if s.strength >= _SURE]
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


def _time(profile: Profile, asked: Asked) -> float:
    """Return how well the times of a document fit those asked for, from 0 to 1."""
    if not asked.times:
        return 0.0
    fits = sum(profile.times.get(time, 0.0) for time in asked.times) / len(asked.times)
    # What is asked of a year is asked of the report on the year, unless a part of it is named.
    year = all(len(time) == 4 for time in asked.times)
    return fits * (_PARTIAL if profile.partial and year else 1.0)
