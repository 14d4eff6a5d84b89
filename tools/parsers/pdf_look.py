"""What a page of a PDF shows beside its text: filled-in fields, scans, drawn letters.

It looks at pages through pdfium and judges nothing: that is for `tools.parsers.pdf`.
"""

import ctypes
import itertools
from collections.abc import Iterator
from contextlib import suppress

import pypdfium2
import pypdfium2.raw as pdfium

_PICTURE = 0.6
"""Share of a page from which on a picture is taken for a scan of the page."""
_STRANGE = 0.05
"""Share of a page's characters that may be unknown: bullets are, often."""
_WITH_TEXT = frozenset(
    [
        pdfium.FPDF_ANNOT_FREETEXT,
        pdfium.FPDF_ANNOT_STAMP,
        pdfium.FPDF_ANNOT_WIDGET,
        pdfium.FPDF_ANNOT_WATERMARK,
        pdfium.FPDF_ANNOT_REDACT,
    ]
)


def with_annotations(
    document: pypdfium2.PdfDocument, page: pypdfium2.PdfPage, number: int
) -> pypdfium2.PdfPage:
    """The page with what form fields and notes show drawn on it; the same page if none do."""
    count = pdfium.FPDFPage_GetAnnotCount(page)
    if not any(_is_drawn(page, index) for index in range(min(count, 5_000))):
        return page
    if pdfium.FPDFPage_Flatten(page, pdfium.FLAT_NORMALDISPLAY) != pdfium.FLATTEN_SUCCESS:
        return page
    page.close()
    return document[number - 1]


def _is_drawn(page: pypdfium2.PdfPage, index: int) -> bool:
    annotation = pdfium.FPDFPage_GetAnnot(page, index)
    if not annotation:
        return False
    try:
        kind = pdfium.FPDFAnnot_GetSubtype(annotation)
        return kind in _WITH_TEXT
    finally:
        pdfium.FPDFPage_CloseAnnot(annotation)


def is_picture(page: pypdfium2.PdfPage) -> bool:
    """Whether one picture covers most of the page."""
    width, height = page.get_size()
    area = max(width * height, 1.0)
    for item in _objects(page):
        left, bottom, right, top = item
        if (right - left) * (top - bottom) >= _PICTURE * area:
            return True
    return False


def _objects(page: pypdfium2.PdfPage) -> Iterator[tuple[float, float, float, float]]:
    """Bounds on the page of its pictures, and of the forms that hold some."""
    objects = page.get_objects(max_depth=1)
    for item in itertools.islice(objects, 20_000):
        if item.type == pdfium.FPDF_PAGEOBJ_IMAGE or (
            item.type == pdfium.FPDF_PAGEOBJ_FORM and _holds_picture(page, item)
        ):
            with suppress(pypdfium2.PdfiumError):
                yield item.get_bounds()


def _holds_picture(page: pypdfium2.PdfPage, form: pypdfium2.PdfObject) -> bool:
    inside = page.get_objects([pdfium.FPDF_PAGEOBJ_IMAGE], max_depth=5, form=form.raw, level=1)
    return any(True for _ in itertools.islice(inside, 1))


def shows_something(page: pypdfium2.PdfPage) -> bool:
    """Whether a person sees more than a rule or a speck: the page, drawn small, is not blank."""
    width, height = page.get_size()
    scale = 200 / max(width, height, 1.0)
    bitmap = page.render(scale=scale, grayscale=True, may_draw_forms=False)
    try:
        pixels = bytes(ctypes.string_at(bitmap.buffer, bitmap.stride * bitmap.height))
        dark = sum(pixels.count(level) for level in range(200))
        return dark > 0.004 * len(pixels)
    finally:
        bitmap.close()


def guessed_letters(document: pypdfium2.PdfDocument, number: int) -> tuple[int, int]:
    """How many characters of a page pdfium has guessed, and how many there are."""
    page = document[number - 1]
    textpage = page.get_textpage()
    try:
        count = textpage.count_chars()
        return sum(
            pdfium.FPDFText_HasUnicodeMapError(textpage, i) == 1 for i in range(count)
        ), count
    finally:
        textpage.close()
        page.close()
