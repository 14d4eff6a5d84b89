"""Whether something that is kept holds words of a document: so many in a row as no chance brings.

Eight words that follow one another on a page are taken for the page's; of a page with fewer, all.
White space, case and marks between words do not count, and of what is written without spaces, in
Chinese and Japanese, each character is a word. What says the same in other words is not
found, and what every contract says is found to be this one's: to be erased, rather too much.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from storage.records import Page

IN_A_ROW: Final = 8
LEAST: Final = 3
"""Words of a page below which it says nothing by which it could be known."""
_UNSPACED: Final = "\u3005-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_WORD: Final = re.compile(rf"[{_UNSPACED}]|[^\W{_UNSPACED}]+")


class Wording:
    """The words of some pages."""

    def __init__(self, pages: Iterable[Page]) -> None:
        self._rows: dict[int, set[int]] = {}
        for page in pages:
            words = _WORD.findall(page.text.casefold())
            size = min(IN_A_ROW, len(words))
            if size >= LEAST:
                self._rows.setdefault(size, set()).update(_rows(words, size))

    def stands_in(self, value: Any) -> bool:
        """Return whether the words of the pages stand in a value: in any text within it."""
        return any(self._stands_in(text) for text in _texts(value))

    def _stands_in(self, text: str) -> bool:
        words = _WORD.findall(text.casefold())
        return any(row in known for size, known in self._rows.items() for row in _rows(words, size))


def _rows(words: list[str], size: int) -> Iterator[int]:
    for start in range(len(words) - size + 1):
        yield hash(" ".join(words[start : start + size]))


def _texts(value: Any) -> Iterator[str]:
    match value:
        case str():
            yield value
        case bytes():
            yield value.decode(errors="replace")
        case Mapping():
            for name, each in value.items():
                yield from _texts(name)
                yield from _texts(each)
        case list() | tuple():
            for each in value:
                yield from _texts(each)
