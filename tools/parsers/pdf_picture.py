"""Draws a page of a PDF, with stretches of its text marked. It runs in a child process.

The bytes are hostile: only `tools.pictures` asks for this, through a sandbox. The page is made as
`tools.parsers.pdf` made it when it read it: what form fields and notes show is on it.
"""

import io
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

import pypdfium2
from PIL import Image, ImageChops, ImageStat

from tools.parsers.drawing import Box, Order, Picture
from tools.parsers.pdf_boxes import Sheet
from tools.parsers.pdf_look import with_annotations
from tools.parsers.pdf_text import opened_text

MOST_PIXELS = 12_000_000
MOST_SIDE = 20_000
"""Pixels of a side; PDF knows pages of kilometres."""
_ON_LIGHT = (255, 226, 110)
_ON_DARK = (150, 105, 0)
_DARK = 90
"""Mean level of grey up to which a ground is dark."""
_ROUND = 0.75
"""Points by which a mark is wider than what it marks."""


def draw(data: bytes, order: str, password: str = "") -> Picture:
    """The picture that an `Order`, as JSON, asks for. Raises nothing for any bytes of a PDF."""
    wanted = Order.model_validate_json(order)
    for only_as_read in (True, False):
        for reading in _readings(data):
            with suppress(pypdfium2.PdfiumError), _opened(reading, wanted.page, password) as page:
                if page and (picture := _drawn(page, wanted, only_as_read=only_as_read)):
                    return picture
    return Picture(reason="It is damaged, or locked: then it is drawn with its password.")


def _readings(data: bytes) -> Iterator[bytes]:
    """The file as it is, and without its index: so it was read if that is wrong (`pdf`)."""
    yield data
    yield data.replace(b"startxref", b"startxxxx")


@contextmanager
def _opened(data: bytes, number: int, password: str) -> Iterator[pypdfium2.PdfPage | None]:
    """A page as it is read; None where it cannot be opened."""
    try:
        document = pypdfium2.PdfDocument(data, password=password or None)
    except pypdfium2.PdfiumError:
        yield None
        return
    try:
        document.init_forms()
        if number > len(document):
            yield None
            return
        page = with_annotations(document, document[number - 1], number)
        try:
            yield page
        finally:
            page.close()
    finally:
        document.close()


def _drawn(page: pypdfium2.PdfPage, order: Order, *, only_as_read: bool) -> Picture | None:
    """The picture; None if another text stands on the page than the one that is stored."""
    textpage = opened_text(page)
    try:
        sheet = Sheet(page, textpage)
        if only_as_read and sheet.text != order.text:
            return None
        boxes = [sheet.boxes(order.text, start, end) for start, end in order.marks]
        visible = [_inside(each, sheet.width, sheet.height) for each in boxes]
    finally:
        textpage.close()
    scale = _bounded(order.scale, sheet.width, sheet.height)
    bitmap = page.render(scale=scale)
    try:
        image = bitmap.to_pil().convert("RGB")
    finally:
        bitmap.close()
    for box in (box for each in visible for box in each):
        _mark(image, box, scale)
    png = io.BytesIO()
    image.save(png, "PNG", compress_level=1)
    return Picture(
        png=png.getvalue(), width=sheet.width, height=sheet.height, scale=scale, marks=visible
    )


def _inside(boxes: Sequence[Box], width: float, height: float) -> list[Box]:
    """Boxes if all of them are on the page; what is written off it cannot be shown."""
    page = Box(0, 0, width, height)
    return list(boxes) if all(page.holds(*box.middle) for box in boxes) else []


def _bounded(scale: float, width: float, height: float) -> float:
    """A scale at which a picture has no more pixels than it may."""
    area, side = max(width * height, 1.0), max(width, height, 1.0)
    return min(scale, math.sqrt(MOST_PIXELS / area), MOST_SIDE / side)


def _mark(image: Image.Image, box: Box, scale: float) -> None:
    """Colour what is in a box, as a marker would: what is written there stays readable."""
    place = (
        max(0, math.floor((box.left - _ROUND) * scale)),
        max(0, math.floor(box.top * scale)),
        min(image.width, math.ceil((box.right + _ROUND) * scale)),
        min(image.height, math.ceil(box.bottom * scale)),
    )
    if place[0] >= place[2] or place[1] >= place[3]:
        return
    part = image.crop(place)
    is_dark = ImageStat.Stat(part.convert("L")).mean[0] < _DARK
    colour = Image.new("RGB", part.size, _ON_DARK if is_dark else _ON_LIGHT)
    blend = ImageChops.lighter if is_dark else ImageChops.multiply
    image.paste(blend(part, colour), place)
