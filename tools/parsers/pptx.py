"""Reads PPTX: a page for each slide, in the order in which they are shown (ECMA-376, part 1).

What stands on a slide comes in the order of its shapes, the title first, tables in rows; then the
speaker's notes. Charts, diagrams and pictures have no text here, and that is told.
"""

from collections.abc import Iterator
from typing import Final
from xml.etree.ElementTree import Element

from tools.parsers.office_xml import child, children, name, value
from tools.parsers.package import Package, opened
from tools.parsers.result import Parsed, Refused, clean, has_text, listed, numbered

MEDIA_TYPE: Final = "application/vnd.openxmlformats-officedocument.presentationml.presentation"
_TITLES: Final = frozenset(["title", "ctrTitle"])
_FURNITURE: Final = frozenset(["sldNum", "dt", "ftr", "hdr", "sldImg"])
"""Of a page of notes: what repeats on each."""


def read(data: bytes) -> Parsed:
    """The slides of a presentation. May raise `Refused`."""
    with opened(data, "PowerPoint") as package:
        return _Slides(package).read()


class _Slides:
    """One presentation while it is read."""

    def __init__(self, package: Package) -> None:
        self._package = package
        self._pictured: set[int] = set()
        """Slides with something on them that has no text here."""

    def read(self) -> Parsed:
        """All of it."""
        pages = numbered(self._pages())
        bare = [page.number for page in pages if not has_text([page])]
        if not has_text(pages):
            if self._pictured:
                raise Refused("needs_ocr", "It holds pictures and no text. Put it through OCR.")
            raise Refused("damaged", "There is no text in it.")
        unread = self._package.unread(r"ppt/(?:slides|notesSlides)/[^/]+\.xml")
        told = [unread] if unread else []
        if scanned := [number for number in bare if number in self._pictured]:
            told.append(f"There are only pictures on {listed(scanned, 'slide')}.")
        elif self._pictured:
            told.append("Text inside its pictures, charts and diagrams was not read.")
        return Parsed(status="ready", reason=" ".join(told), media_type=MEDIA_TYPE, pages=pages)

    def _pages(self) -> Iterator[tuple[str, str]]:
        main = self._package.main("ppt/presentation.xml")
        root = self._package.xml(main)
        if name(root) != "p:presentation":
            raise Refused("unsupported", "It is an Office file, but no presentation.")
        paths = {each.id: each.path for each in self._package.related(main)}
        order = children(child(root, "p:sldIdLst"), "p:sldId")
        for number, each in enumerate(order, 1):
            path = paths.get(value(each, "r:id"), "")
            slide = self._package.xml(path, "p:sld")
            hidden = slide.get("show") in ("0", "false")
            locator = f"slide {number} (hidden)" if hidden else f"slide {number}"
            yield locator, "\n".join(self._slide(number, slide, path))

    def _slide(self, number: int, slide: Element, path: str) -> Iterator[str]:
        shapes = list(self._shapes(child(child(slide, "p:cSld"), "p:spTree")))
        shapes.sort(key=lambda shape: _placeholder(shape) not in _TITLES)  # else as they stand
        for shape in shapes:
            if name(shape) in ("p:pic", "p:graphicFrame") and not _has_table(shape):
                self._pictured.add(number)
            yield from _texts(shape)
        for each in self._package.related(path):
            if each.kind == "notesSlide":
                yield from self._notes(each.path)

    def _notes(self, path: str) -> Iterator[str]:
        tree = child(child(self._package.xml(path, "p:notes"), "p:cSld"), "p:spTree")
        shown = [s for s in self._shapes(tree) if _placeholder(s) not in _FURNITURE]
        lines = [line for shape in shown for line in _texts(shape)]
        if any(map(str.strip, lines)):
            yield "Notes:"
            yield from lines

    def _shapes(self, tree: Element | None) -> Iterator[Element]:
        """The shapes of a slide, those of groups in their place."""
        waiting = list(tree)[::-1] if tree is not None else []
        while waiting:
            shape = waiting.pop()
            if name(shape) == "p:grpSp":
                waiting += list(shape)[::-1]
            elif name(shape) in ("p:sp", "p:graphicFrame", "p:pic"):
                yield shape


def _placeholder(shape: Element) -> str:
    """What a shape is there for, by the layout; "" if for nothing special."""
    properties = child(child(shape, "p:nvSpPr"), "p:nvPr")
    mark = child(properties, "p:ph")
    return "" if mark is None else mark.get("type", "obj")


def _has_table(shape: Element) -> bool:
    return any(name(each) == "a:tbl" for each in shape.iter())


def _texts(shape: Element) -> Iterator[str]:
    """The paragraphs of a shape, or the rows of a table."""
    for table in (each for each in shape.iter() if name(each) == "a:tbl"):
        for row in children(table, "a:tr"):
            cells = (" ".join(_paragraphs(each)) for each in children(row, "a:tc"))
            yield " | ".join(" ".join(text.split()) for text in cells)
    if name(shape) == "p:sp":
        yield from _paragraphs(shape)


def _paragraphs(holder: Element) -> Iterator[str]:
    for paragraph in (each for each in holder.iter() if name(each) == "a:p"):
        text = "".join(_runs(paragraph))
        if text.strip():
            yield clean(text)


def _runs(paragraph: Element) -> Iterator[str]:
    for each in paragraph:
        if name(each) in ("a:r", "a:fld"):
            text = child(each, "a:t")
            yield (text.text or "") if text is not None else ""
        elif name(each) == "a:br":
            yield "\n"
