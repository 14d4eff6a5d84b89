"""Where a stretch of a page's text stands on the page of a PDF: a box for each line of it.

A mark proves something, so it must be exact: the characters marked spell the stretch, or there is
no mark. Text that was read in another way than here (by the second reader, or an earlier one) is
found on the page by its letters and digits, and only where they stand there once.
"""

import ctypes
import math
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from functools import reduce
from typing import NamedTuple

import pypdfium2
import pypdfium2.raw as pdfium

from tools.parsers.drawing import Box
from tools.parsers.pdf_text import Writing

_FINE = 64
"""Parts of a point to which boxes are told."""
_SPAN = 1_000
"""Points over which the place of the page is measured."""
_SKEW = math.radians(3)
_FAR = 2.5
"""A gap in a line, in heights of its letters, that is not marked: another column begins behind."""
_AROUND = 80
"""Letters on each side that tell one of several equal stretches from the others."""


class Sign(NamedTuple):
    """A character as it is drawn."""

    tight: Box
    """Around its ink."""
    loose: Box
    """As high as its font is."""
    turns: int | None
    """Quarter turns of its line on the page as it is shown; None where it is askew."""


class Sheet:
    """One page and the characters on it."""

    def __init__(self, page: pypdfium2.PdfPage, textpage: pypdfium2.PdfTextPage) -> None:
        self.width, self.height = page.get_size()
        """In points, as it is shown."""
        self._turned = page.get_rotation() // 90
        self._textpage = textpage
        self._writing = Writing(textpage)
        self._shown = _shown_by(page)

    @property
    def text(self) -> str:
        """What is written on it, as it is stored."""
        return self._writing.text

    def boxes(self, text: str, start: int, end: int) -> list[Box]:
        """Where a stretch of the stored text of the page stands; none where that cannot be told."""
        indexes = self._indexes(text, start, end)
        if _letters(text[start:end]) != _letters(self._spelt(indexes)):
            return []
        signs = [sign for sign in map(self._sign, dict.fromkeys(indexes)) if sign]
        high, low = _lines(signs, loose=True), _lines(signs, loose=False)
        others = self._others(set(indexes), high)
        if not any(box.touches(other) for box in high for other in others):
            return high
        if not any(box.holds(*other.middle) for box in low for other in others):
            return low
        return [sign.tight for sign in signs]

    def _indexes(self, text: str, start: int, end: int) -> list[int]:
        if self._writing.text == text:
            return self._writing.characters(start, end)
        return self._found(text, start, end)

    def _found(self, text: str, start: int, end: int) -> list[int]:
        """The characters of a stretch, by its letters alone, if those stand on the page once."""
        drawn = [
            (letter, index)
            for index in range(self._textpage.count_chars())
            for letter in _letters(self._spelt([index]))
        ]
        there = "".join(letter for letter, _ in drawn)
        wanted = _letters(text[start:end])
        for around in (0, _AROUND):
            before = _letters(text[:start])[-around:] if around else ""
            after = _letters(text[end:])[:around]
            whole = before + wanted + after
            if wanted and there.count(whole) == 1:
                first = there.index(whole) + len(before)
                return [index for _, index in drawn[first : first + len(wanted)]]
        return []

    def _spelt(self, indexes: Iterable[int]) -> str:
        units = [pdfium.FPDFText_GetUnicode(self._textpage, index) for index in indexes]
        joined = "".join(chr(unit) for unit in units if unit <= 0x10FFFF)
        return joined.encode("utf-16", "surrogatepass").decode("utf-16", "ignore")

    def _sign(self, index: int) -> Sign | None:
        """A character of pdfium's list; None for white space and what has no place."""
        tight = self._tight(index)
        if tight is None:
            return None
        loose = self._shown(*self._textpage.get_charbox(index, loose=True))
        angle = pdfium.FPDFText_GetCharAngle(self._textpage, index)
        quarters = round(angle / (math.pi / 2))
        straight = angle >= 0 and abs(angle - quarters * math.pi / 2) < _SKEW
        return Sign(tight, loose, (quarters + self._turned) % 4 if straight else None)

    def _tight(self, index: int) -> Box | None:
        unit = pdfium.FPDFText_GetUnicode(self._textpage, index)
        if not 0 < unit <= 0x10FFFF or chr(unit).isspace():
            return None
        for loose in (False, True):  # a font may not tell the outline of its letters
            box = self._shown(*self._textpage.get_charbox(index, loose=loose))
            if not box.is_empty:
                return box
        return None

    def _others(self, marked: set[int], near: Sequence[Box]) -> list[Box]:
        """All other characters on the page that are near."""
        if not near:
            return []
        around = reduce(Box.joined, near)
        indexes = (i for i in range(self._textpage.count_chars()) if i not in marked)
        boxes = (box for box in map(self._tight, indexes) if box)
        return [box for box in boxes if around.touches(box)]


def _shown_by(page: pypdfium2.PdfPage) -> Callable[[float, float, float, float], Box]:
    """What puts a box of a page's own coordinates onto the page as it is shown: cropped, turned."""
    width, height = page.get_size()
    size = int(width * _FINE), int(height * _FINE)

    def point(across: float, up: float) -> tuple[float, float]:
        x, y = ctypes.c_int(), ctypes.c_int()
        pdfium.FPDF_PageToDevice(page, 0, 0, *size, 0, across, up, x, y)
        return x.value / _FINE, y.value / _FINE

    (x0, y0), (x1, y1), (x2, y2) = point(0, 0), point(_SPAN, 0), point(0, _SPAN)
    xa, ya, xb, yb = ((each / _SPAN) for each in (x1 - x0, y1 - y0, x2 - x0, y2 - y0))

    def shown(left: float, bottom: float, right: float, top: float) -> Box:
        one = x0 + xa * left + xb * bottom, y0 + ya * left + yb * bottom
        two = x0 + xa * right + xb * top, y0 + ya * right + yb * top
        return Box(
            min(one[0], two[0]), min(one[1], two[1]), max(one[0], two[0]), max(one[1], two[1])
        )

    return shown


def _letters(text: str) -> str:
    """A text with all but letters and digits removed, in one form."""
    return "".join(filter(str.isalnum, unicodedata.normalize("NFKC", text)))


def _lines(signs: Sequence[Sign], *, loose: bool) -> list[Box]:
    """One box for the characters of each line, as high as the font or as what is drawn."""
    found: list[Box] = []
    last: Sign | None = None
    for sign in signs:
        box = _kept_low(sign) if loose else sign.tight
        if last is not None and _goes_on(found[-1], last, sign):
            found[-1] = found[-1].joined(box)
        else:
            found.append(box)
        last = sign
    return found


def _kept_low(sign: Sign) -> Box:
    """The loose box of a character; the tight one where a font claims much more than its letters.

    Only along the line: to its sides a letter ends where its ink does.
    """
    tight, loose = sign.tight, sign.loose
    if sign.turns is None:
        return tight
    if sign.turns % 2:
        return Box(loose.left, tight.top, loose.right, tight.bottom)
    return Box(tight.left, loose.top, tight.right, loose.bottom)


def _goes_on(line: Box, last: Sign, sign: Sign) -> bool:
    """Whether a character stands on the same line as the one before it, and not far from it."""
    if sign.turns is None or sign.turns != last.turns:
        return False
    a, b = last.loose, sign.loose
    if sign.turns % 2:
        along = max(b.top - line.bottom, line.top - b.bottom)
        height = min(a.right - a.left, b.right - b.left)
        level = min(a.right, b.right) - max(a.left, b.left)
    else:
        along = max(b.left - line.right, line.left - b.right)
        height = min(a.bottom - a.top, b.bottom - b.top)
        level = min(a.bottom, b.bottom) - max(a.top, b.top)
    return height > 0 and level >= 0.5 * height and along <= _FAR * height
