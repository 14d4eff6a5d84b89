"""Puts clause numbers before their clauses, on pages where a writer has drawn all of them first.

pdfium gives text in the order in which it is drawn, which is nearly always the order in which it is
read. Converters from HTML draw the numbers of a list before its text, though, and "2.1" then stands
far from what it numbers. Nothing else is moved: sorting by place would mix up columns.
"""

import re
from itertools import accumulate

import pypdfium2
import pypdfium2.raw as pdfium

_NUMBER = re.compile(r"\(?(?:\d{1,3}(?:\.\d{1,3})*|[a-zA-Z]|[ivxIVX]{1,6})[.)]{0,2}|[•●○▪·]")


Stretch = tuple[int, int]
"""Code points of the text that pdfium gave, half open."""


def in_order(textpage: pypdfium2.PdfTextPage, text: str) -> list[list[Stretch]]:
    """The lines of a page, each as the stretches of pdfium's text that it is made of.

    Where there is nothing to move, all of the text is one.
    """
    if not _NUMBER.fullmatch(text.partition("\r\n")[0].strip()):
        return [[(0, len(text))]]
    lines = text.split("\r\n")
    count = next((at for at, line in enumerate(lines) if not _NUMBER.fullmatch(line.strip())), 0)
    if (
        count == 0 or max(text) > "\uffff"
    ):  # offsets count UTF-16 units, and there is nothing to gain
        return [[(0, len(text))]]
    places = _places(textpage, lines)
    targets: dict[int, list[int]] = {}
    for number in range(count):
        right_of = [at for at in range(count, len(lines)) if _is_left(places[number], places[at])]
        if len(right_of) == 1:
            targets.setdefault(right_of[0], []).append(number)
    moved = {number for numbers in targets.values() for number in numbers}
    offsets = [0, *accumulate(len(line) + 2 for line in lines)]
    ordered: list[list[Stretch]] = []
    for at, line in enumerate(lines):
        if at not in moved:
            numbers = [_bare(lines[number], offsets[number]) for number in targets.get(at, ())]
            ordered.append([*numbers, (offsets[at], offsets[at] + len(line))])
    return ordered


def _bare(line: str, offset: int) -> Stretch:
    """Where a line stands without the white space around it."""
    first = offset + len(line) - len(line.lstrip())
    return first, first + len(line.strip())


def _places(
    textpage: pypdfium2.PdfTextPage, lines: list[str]
) -> list[tuple[float, float, float] | None]:
    """Left, bottom and top of the first sign of each line; None where there is none to be seen."""
    places: list[tuple[float, float, float] | None] = []
    offset = 0
    for line in lines:
        first = offset + len(line) - len(line.lstrip())
        offset += len(line) + 2
        index = pdfium.FPDFText_GetCharIndexFromTextIndex(textpage, first)
        if index < 0 or not line.strip():
            places.append(None)
            continue
        left, bottom, _, top = textpage.get_charbox(index, loose=True)
        places.append((left, bottom, top))
    return places


def _is_left(
    number: tuple[float, float, float] | None, line: tuple[float, float, float] | None
) -> bool:
    """Whether a number stands left of a line, at the same height."""
    if number is None or line is None:
        return False
    height = max(number[2] - number[1], 1.0)
    return 0 < line[0] - number[0] < 12 * height and abs(line[1] - number[1]) < 0.4 * height
