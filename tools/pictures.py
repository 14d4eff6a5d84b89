"""Pages as pictures, with what is quoted marked on them.

Only PDF has pages that can be drawn as they are. Drawing opens a file that a stranger made, so it
is done by children like those that read (`tools.sandbox`), of their own: nobody who opens a page
waits behind a file that is being read. What a child does is in `tools.parsers.pdf_picture`. A
picture never changes, and what was drawn lately is kept in memory.
"""

import re
from collections.abc import Callable, Sequence
from threading import Lock
from typing import Final

from cachetools import LRUCache
from pydantic import ValidationError

from storage.errors import InvalidInput
from storage.records import Page
from tools.parsers.drawing import MOST_MARKS, SCALE, Order, Picture
from tools.parsers.result import MAX_BYTES
from tools.sandbox import Died, Sandbox

SECONDS: Final = 10
"""How long one picture may take."""
_KEPT_BYTES: Final = 32 << 20
_PNG: Final = b"\x89PNG\r\n\x1a\n"
_PDF: Final = re.compile(rb"%PDF-\d")
_READ: Final = """
from PIL import PngImagePlugin
from tools.parsers.pdf_picture import draw as read
"""
_Key = tuple[str, int, int, tuple[tuple[int, int], ...], float]


class Pictures(Sandbox):
    """A small pool of warm children that draw, and what they drew lately. Thread-safe."""

    def __init__(self, *, processes: int = 1, seconds: float = SECONDS) -> None:
        """Starts nothing yet. `seconds` is how long one picture may take."""
        super().__init__(processes=processes, seconds=seconds)
        self._kept: LRUCache[_Key, Picture] = LRUCache(_KEPT_BYTES, lambda p: len(p.png))
        self._keeping = Lock()

    def _read(self) -> str:
        return _READ

    def draw(
        self,
        sha256: str,
        original: Callable[[], bytes],
        page: Page,
        marks: Sequence[tuple[int, int]] = (),
        scale: float = SCALE,
        password: str = "",
    ) -> Picture:
        """Return a page as a picture.

        Args:
            sha256: of the version that the page is of.
            original: its bytes, which are asked for only if the picture is not at hand.
            page: as it is stored.
            marks: stretches of its text, in code points, half open.
            scale: pixels of a point; fewer where the picture would become too large.
            password: of a file that is locked. It is kept nowhere.

        Raises:
            InvalidInput: the file is no PDF, or the page cannot be drawn; or a mark is not on the
                page, or there are too many.
            Unavailable: no child can be started.
        """
        order = _order(page, marks, scale)
        key = (sha256, page.number, hash(page.text), tuple(order.marks), order.scale)
        with self._keeping:
            if kept := self._kept.get(key):
                return kept
        picture = self._drawn(original(), order, password)
        if len(picture.png) < _KEPT_BYTES:
            with self._keeping:
                self._kept[key] = picture
        return picture

    def forget(self) -> None:
        """Forget the pictures that are kept in memory."""
        with self._keeping:
            self._kept.clear()

    def _drawn(self, data: bytes, order: Order, password: str) -> Picture:
        if not _PDF.search(data[:1024]):
            raise InvalidInput(
                "Only pages of a PDF can be drawn, and this is none: read the text of the page."
            )
        if len(data) > MAX_BYTES:
            raise InvalidInput(f"It has more than {MAX_BYTES >> 20} MB: read the text of the page.")
        try:
            picture = self._ask(data, order.model_dump_json().encode(), Picture, password)
        except Died as died:
            why = f"took more than {self.seconds:g} seconds" if died.late else "failed"
            raise InvalidInput(f"Drawing the page {why}: read the text of the page.") from died
        if picture.reason:
            raise InvalidInput(picture.reason)
        # It comes from where a hostile file was open.
        if not picture.png.startswith(_PNG) or len(picture.marks) != len(order.marks):
            raise InvalidInput("Drawing the page failed: read the text of the page.")
        return picture


def _order(page: Page, marks: Sequence[tuple[int, int]], scale: float) -> Order:
    """What a child is asked. Raises `InvalidInput`."""
    if len(marks) > MOST_MARKS:
        raise InvalidInput(f"{len(marks)} marks are more than the {MOST_MARKS} that are drawn.")
    for start, end in marks:
        if not 0 <= start < end <= len(page.text):
            raise InvalidInput(
                f"There is no text at {start}:{end} to be marked; the page has "
                f"{len(page.text)} characters."
            )
    try:
        return Order(page=page.number, text=page.text, marks=list(marks), scale=scale)
    except ValidationError as error:
        raise InvalidInput(f"A picture cannot have {scale} pixels to a point.") from error
