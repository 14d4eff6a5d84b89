"""Cuts flowing text into the pages of a document that has none: heading sections, or parts.

Everything here keeps the text as it is; only blank lines around a page are dropped.
"""

import re
from collections.abc import Iterator
from typing import Final

START: Final = "start"
"""The locator of what stands before the first heading."""
MARGINS: Final = "headers and footers"
"""The locator of what repeats on each page as it is printed."""
PART: Final = 3_000
"""Characters of a part, roughly, where a section is cut."""
_LONG = 4_500  # a section up to this length stays whole
_BORDERS = (
    re.compile(r"\n[ \t]*\n"),
    re.compile(r"\n"),
    re.compile(r"[.;!?]\s"),
    re.compile(r"\s"),
)
_SEPARATOR = " › "
_TITLE = 80  # characters of a heading in a locator


def cut(text: str) -> Iterator[tuple[int, int]]:
    """Where the parts of a text start and end; together they are the text.

    A part ends at a paragraph, else at a line, a sentence, a word.
    """
    start = 0
    while len(text) - start > _LONG:
        end = _border(text, start + PART // 3, start + PART)
        yield start, end
        start = end
    yield start, len(text)


def _border(text: str, low: int, high: int) -> int:
    for border in _BORDERS:
        last = None
        for last in border.finditer(text, low, high):  # noqa: B007 - the last one counts
            pass
        if last is not None:
            return last.end()
    return high


class Sections:
    """Collects headings and text in reading order, and gives (locator, text) for each page."""

    def __init__(self, start: str = START) -> None:
        self._start = start
        self._path: list[tuple[int, str]] = []
        self._sections: list[tuple[str, list[str]]] = []
        self._bare = False

    def heading(self, level: int, title: str, text: str | None = None) -> None:
        """Begin a section. `text` is how the heading stands in the page, if not as its title."""
        title = " ".join(title.split())
        deeper = not self._path or level > self._path[-1][0]
        self._path = [each for each in self._path if each[0] < level]
        self._path.append((level, title if len(title) <= _TITLE else title[: _TITLE - 1] + "…"))
        locator = _SEPARATOR.join(name for _, name in self._path if name) or self._start
        if self._bare and deeper:
            # A heading right under a heading: both stand on the page of the inner one.
            self._sections[-1] = (locator, self._sections[-1][1])
        else:
            self._sections.append((locator, []))
        self._sections[-1][1].append(title if text is None else text)
        self._bare = True

    def text(self, text: str) -> None:
        """Add text to the section."""
        if not self._sections:
            self._sections.append((self._start, []))
        self._sections[-1][1].append(text)
        self._bare = self._bare and not text.strip()

    def own(self, locator: str, text: str) -> None:
        """Add a section that is under no heading."""
        self._sections.append((locator, [text]))
        self._bare = False

    def pages(self, joint: str = "\n") -> Iterator[tuple[str, str]]:
        """Locator and text of each page; sections without text have none."""
        for locator, parts in self._sections:
            text = joint.join(parts)
            borders = list(cut(text))
            for number, (start, end) in enumerate(borders, 1):
                if part := text[start:end].strip("\n"):
                    yield (f"{locator}, part {number}" if len(borders) > 1 else locator), part
