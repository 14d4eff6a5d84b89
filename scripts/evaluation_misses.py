"""What an evaluation got wrong, each miss with the places on the pages that tell about it.

A miss is a clause of which nothing was quoted that hits it, a quote although the clause is absent,
or a value that is not the label's. The clause that was expected is looked for on the pages by
letters and digits alone, as labels and readers part lines differently; a clause that is not found
there was lost before any question was asked, which is worth knowing.
Next: `scripts/evaluation_report.py` shows them.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Literal

from scripts.evaluate import PRODUCT, Asked
from scripts.scoring import Case, letters, score_case

MissKind = Literal["missed", "not absent", "value"]
_ENOUGH: Final = 60
"""Letters by whose first ones a longer clause is found, where it is not found whole: it may go on
on the next page, or be labelled with something left out."""

Pages = Callable[[str], Sequence[str]]
"""Gives the texts of the pages of a document, by its id."""


@dataclass(frozen=True, slots=True)
class Place:
    """A stretch of the text of a page; `page` counts from 1."""

    page: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Miss:
    """A question that was answered wrongly."""

    kind: MissKind
    asked: Asked
    expected: list[Place | None]
    """Where each labelled clause stands; None: it is not in the text of any page."""

    @property
    def case(self) -> Case:
        """What was labelled and what was quoted."""
        return self.asked.cases[PRODUCT]

    @property
    def quoted(self) -> list[Place]:
        """Where each quote stands."""
        return [Place(c.page, c.start, c.end) for c in self.asked.cited]


def misses(asked: Sequence[Asked], pages: Pages) -> Iterator[Miss]:
    """Yield what went wrong, in the order of the questions."""
    for each in asked:
        kind = _kind(each.cases[PRODUCT])
        if kind:
            texts = pages(each.document_id)
            spans = each.cases[PRODUCT].spans
            yield Miss(kind, each, [find(span, texts) for span in spans])


def _kind(case: Case) -> MissKind | None:
    counted = score_case(case)
    if counted.present > counted.found:
        return "missed"
    if counted.absent > counted.silent:
        return "not absent"
    return "value" if counted.valued > counted.agreed else None


def find(span: str, pages: Sequence[str]) -> Place | None:
    """Return where a clause stands, by letters and digits; None if nowhere."""
    wanted = letters(span)
    for length in (len(wanted), _ENOUGH):
        for number, text in enumerate(pages, 1):
            have, at = _spread(text)
            found = have.find(wanted[:length]) if wanted else -1
            if found >= 0:
                return Place(number, at[found], at[found + len(wanted[:length]) - 1] + 1)
    return None


@lru_cache(maxsize=256)
def _spread(text: str) -> tuple[str, list[int]]:
    """Return the letters and digits of a text, with the offset of each."""
    pairs = [(c, at) for at, char in enumerate(text) for c in letters(char)]
    return "".join(c for c, _ in pairs), [at for _, at in pairs]
