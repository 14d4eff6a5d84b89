"""The parts of a document that say what it is: its opening, its running lines, its signatures.

They are looked for in bounded time, however long the document: in its first pages, at the edges of
pages, and around the last signatures. Every value that is taken from them keeps the place of the
words that say it. Next: `tools/cards.py`, which writes them down.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from storage.records import Page, Stated

OPENING_PAGES: Final = 5
OPENING_CHARS: Final = 8_000
LONGEST_QUOTE: Final = 400
"""Characters of a quote."""
_RUNNING_PAGES: Final = 30
_SIGNED_PAGES: Final = 60
"""Pages from the end on which signatures are looked for: exhibits may follow them."""
_SIGNED_CHARS: Final = 3_000
_LINE: Final = re.compile(r"\S(?:[^\n]*\S)?")
_FIGURES: Final = re.compile(r"\d+")
_SIGNED: Final = re.compile(r"IN WITNESS WHEREOF|In witness whereof|/s/|By:(?<=\bBy:)")


@dataclass(frozen=True, slots=True)
class Part:
    """Some text of some pages, joined, that knows where each character stands."""

    text: str
    """As on the pages, with plain spaces for hard ones; pages are parted by a line feed."""
    borders: tuple[tuple[int, int, int], ...]
    """Of each page: where it begins in `text`, its number, and the offset there."""
    originals: tuple[str, ...]
    """The exact text of each page's part."""

    def stated(
        self, start: int, end: int, value: str, *, what: str = "", called: Iterable[str] = ()
    ) -> Stated | None:
        """Return a value with the place that says it; nothing if there is no such place."""
        for (begin, number, offset), original in zip(self.borders, self.originals, strict=True):
            if begin <= start < begin + len(original):
                quote = original[start - begin : min(end - begin, start - begin + LONGEST_QUOTE)]
                at = offset + start - begin + len(quote) - len(quote.lstrip())
                bare = quote.strip()
                if not bare or not value:
                    return None
                return Stated(
                    value=value,
                    what=what,
                    called=list(dict.fromkeys(called)),
                    page=number,
                    start=at,
                    end=at + len(bare),
                    quote=bare,
                )
        return None

    def lines(self, most: int = 10_000) -> Iterator[tuple[int, int, str]]:
        """Yield the first lines that are not blank: start, end and text."""
        for number, match in enumerate(_LINE.finditer(self.text)):
            if number >= most:
                return
            yield match.start(), match.end(), match[0]


def part(pieces: Iterable[tuple[int, int, str]]) -> Part:
    """Join pieces of pages: the number of the page, where the piece begins, and its text."""
    borders, originals, at = [], [], 0
    for number, offset, text in pieces:
        borders.append((at, number, offset))
        originals.append(text)
        at += len(text) + 1
    text = "\n".join(originals).replace("\xa0", " ").replace("\u2007", " ").replace("\u202f", " ")
    return Part(text, tuple(borders), tuple(originals))


def opening(pages: Sequence[Page]) -> Part:
    """Return the beginning of a document."""
    pieces, left = [], OPENING_CHARS
    for page in [page for page in pages[:40] if page.text.strip()][:OPENING_PAGES]:
        if left <= 0:
            break
        pieces.append((page.number, 0, page.text[:left]))
        left -= len(page.text)
    return part(pieces)


def whole(page: Page, most: int = OPENING_CHARS) -> Part:
    """Return one page, or its beginning."""
    return part([(page.number, 0, page.text[:most])])


def running(pages: Sequence[Page]) -> Part:
    """Return the lines that stand at the edges of page after page, each once, figures aside."""
    seen: dict[str, list[tuple[int, int, str]]] = {}
    shown = [page for page in pages[:_RUNNING_PAGES] if page.text.strip()]
    for page in shown:
        lines = [*_edges(page.text)]
        for start, line in dict.fromkeys(lines):
            place = (page.number, start, line)
            seen.setdefault(_FIGURES.sub("#", " ".join(line.split())), []).append(place)
    least = max(2, len(shown) // 3)
    return part(places[0] for places in seen.values() if len(places) >= least)


def _edges(text: str) -> Iterator[tuple[int, str]]:
    """Yield the first and the last two lines of a page with their offsets."""
    head = [(m.start(), m[0]) for m in _LINE.finditer(text, 0, 400)][:2]
    begin = max(0, len(text) - 400)
    tail = [(m.start(), m[0]) for m in _LINE.finditer(text, begin)][-2:]
    for start, line in (*head, *tail):
        if len(line) < 150:
            yield start, line


def signatures(pages: Sequence[Page]) -> Part:
    """Return what stands around the last signatures of a document."""
    for page in reversed(pages[-_SIGNED_PAGES:]):
        found = _SIGNED.search(page.text)
        if found:
            begin = max(0, found.start() - 300)
            return part([(page.number, begin, page.text[begin : begin + _SIGNED_CHARS])])
    return part([])
