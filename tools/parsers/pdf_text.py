"""The text of a PDF's page as it is stored, and which of pdfium's characters each part of it is.

Both come from one walk, so that what is marked on a picture of the page is what was quoted from its
text. Where characters stand on the page is told by `tools.parsers.pdf_boxes`.
"""

import math
import re
from functools import cached_property

import pypdfium2
import pypdfium2.raw as pdfium

from tools.parsers.pdf_order import in_order
from tools.parsers.result import clean

UNKNOWN = "\ufffd"
"""Stands for a sign that cannot be made out."""
_LOOKED_AT = 12
"""Characters by which it is told how a page is turned, about."""
_ASKEW = 10
"""Degrees."""
_HYPHEN = "\ufffe"  # pdfium's, at the end of a line; it leaves the line break out
_OTHER_LENGTH = re.compile(f"\r\n|{_HYPHEN}")


def opened_text(page: pypdfium2.PdfPage) -> pypdfium2.PdfTextPage:
    """The text of a page as pdfium has it, first line first; close it.

    pdfium begins with the last line where lines run downwards on the page as it is shown; turned
    upright, they come in their order. Where characters stand is told without the turning.
    """
    textpage = page.get_textpage()
    rotation = page.get_rotation()
    if not _runs_downwards(textpage, rotation):
        return textpage
    textpage.close()
    page.set_rotation((rotation + 270) % 360)
    try:
        return page.get_textpage()
    finally:
        page.set_rotation(rotation)


def _runs_downwards(textpage: pypdfium2.PdfTextPage, rotation: int) -> bool:
    """Whether most of a page is turned clockwise, by a quarter, as it is shown."""
    count, raw = textpage.count_chars(), textpage.raw
    drawn = downwards = 0
    looked_at = range(0, count, count // _LOOKED_AT + 1)
    angles = [math.degrees(pdfium.FPDFText_GetCharAngle(raw, index)) for index in looked_at]
    turned = [abs((angle + rotation) % 360 - 90) < _ASKEW for angle in angles]
    if not any(turned):  # as on nearly all pages
        return False
    for index, is_turned in zip(looked_at, turned, strict=True):
        if pdfium.FPDFText_IsGenerated(raw, index) == 0:
            drawn += 1
            downwards += is_turned
    return downwards > drawn / 2


class Writing:
    """What is written on a page."""

    def __init__(self, textpage: pypdfium2.PdfTextPage) -> None:
        self._textpage = textpage
        self._raw = textpage.get_text_range()
        self._lines = in_order(textpage, self._raw)
        self._joined = "\r\n".join(
            " ".join(self._raw[start:end] for start, end in line) for line in self._lines
        )
        # A soft hyphen that is drawn is a hyphen.
        text = self._joined.replace(_HYPHEN, "-\n").replace("\xad", "-")
        self.text = clean(text, UNKNOWN)

    def characters(self, start: int, end: int) -> list[int]:
        """The indexes, in pdfium's list, of the characters drawn for a stretch of the text.

        They come in the order of the text; what only separates words has none.
        """
        # Code points of the raw text are its UTF-16 units but for those that take two.
        found: list[int] = []
        for at in self._origins[start:end]:
            if at < 0:
                continue
            first = at + self._wide_before[at] if self._wide_before else at
            width = 2 if self._raw[at] > "\uffff" else 1
            found += [
                pdfium.FPDFText_GetCharIndexFromTextIndex(self._textpage, unit)
                for unit in range(first, first + width)
            ]
        return [index for index in found if index >= 0]

    @cached_property
    def _origins(self) -> list[int]:
        """Of each character of the text, the one of the raw text that it is; -1 for none."""
        joined: list[int] = []
        for number, line in enumerate(self._lines):
            joined += [-1, -1] if number else []
            for place, (start, end) in enumerate(line):
                joined += [-1] if place else []
                joined += range(start, end)
        found: list[int] = []
        done = 0
        for match in _OTHER_LENGTH.finditer(self._joined):
            found += joined[done : match.start()]
            found += [joined[match.start()], -1] if match[0] == _HYPHEN else [-1]
            done = match.end()
        return found + joined[done:]

    @cached_property
    def _wide_before(self) -> list[int]:
        """How many characters before each take two units; empty if none on the page does."""
        if not self._raw or max(self._raw) <= "\uffff":
            return []
        counts, wide = [], 0
        for character in self._raw:
            counts.append(wide)
            wide += character > "\uffff"
        return counts
