"""Reads DOCX as Word shows it with all tracked changes accepted (ECMA-376, part 1).

It takes no more of the package (`tools.parsers.package`) than the parts that hold text. Numbers
that Word only computes come from `tools.parsers.docx_numbering`.
"""

import posixpath
import re
from collections.abc import Iterator
from typing import Final
from xml.etree import ElementTree as ET

from tools.parsers.docx_numbering import Numbering
from tools.parsers.office_xml import child, children, flag, name, value
from tools.parsers.package import Package, opened
from tools.parsers.result import Parsed, Refused, clean, has_text, numbered, words
from tools.parsers.sections import MARGINS, Sections

MEDIA_TYPE: Final = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
_DAMAGED = "Get an intact copy, or open it in Word and save it again, and add that."
_AROUND = words(
    "w:hyperlink w:ins w:moveTo w:smartTag w:sdt w:sdtContent w:fldSimple w:customXml w:dir w:bdo "
    "w:ruby w:rubyBase m:oMathPara m:oMath m:r m:e m:num m:den m:sub m:sup m:deg m:f m:sSub "
    "m:sSup m:sSubSup m:rad m:d m:nary m:func m:fName m:acc m:bar m:m m:mr m:eqArr m:limLow "
    "m:limUpp m:lim m:box m:borderBox m:groupChr"
)
_SHOWN = {"w:tab": "\t", "w:ptab": "\t", "w:br": "\n", "w:cr": "\n", "w:noBreakHyphen": "-"}
# The boxes and ticks of the font Wingdings, by which forms are filled in.
_SYMBOLS = {0xF06F: "☐", 0xF071: "☐", 0xF0A8: "☐", 0xF0FE: "☒", 0xF078: "☒", 0xF0FD: "☒"}
_SYMBOLS |= {0xF052: "☑", 0xF0FC: "✓", 0xF0B7: "•"}


def read(data: bytes) -> Parsed:
    """The sections of a document. May raise `Refused`."""
    with opened(data, "Word") as package:
        return _Document(package).read()


class _Document:
    """One document while it is read."""

    def __init__(self, package: Package) -> None:
        main = package.main("word/document.xml")
        self._root = package.xml(main)
        if name(self._root) != "w:document":
            raise Refused("unsupported", "It is an Office file, but no Word document.")
        related = package.related(main)
        read = package.xml
        parts = {e.kind: read(e.path, f"w:{e.kind}") for e in related if e.kind in _PARTS}
        margins = {e.id: read(e.path, _MARGINS[e.kind]) for e in related if e.kind in _MARGINS}
        self._margins = [*margins.values()]
        if {value(each, "r:id") for each in _margins_of(self._root)} - margins.keys():
            raise Refused("damaged", f"A header or footer of it is missing. {_DAMAGED}")
        self._unread = package.unread(rf"{re.escape(posixpath.dirname(main))}/{_OWN_PARTS}")
        self._numbering = Numbering(parts.get("styles"), parts.get("numbering"))
        self._notes = {
            kind: {value(each, "w:id"): each for each in parts.get(kind, ())} for kind in _NOTES
        }
        self._counts = dict.fromkeys(_NOTES, 0)
        self._waiting: list[str] = []
        self._sections = Sections()
        self._seen: set[str] = set()

    def read(self) -> Parsed:
        """All of it."""
        body = child(self._root, "w:body")
        for element in self._blocks(body):
            self._block(element)
        self._end_section()
        self._running_heads()
        pages = numbered(self._sections.pages())
        if "w:altChunk" in self._seen:
            return Parsed(
                status="unsupported",
                reason="Part of it is another file inside it, which only Word can merge. "
                "Open it in Word, save it as DOCX and add that.",
                media_type=MEDIA_TYPE,
                pages=pages,
            )
        if not has_text(pages):
            if self._seen & {"w:drawing", "w:pict", "w:object"}:
                raise Refused("needs_ocr", "It holds pictures and no text. Put it through OCR.")
            raise Refused("damaged", "There is no text in it.")
        return Parsed(status="ready", reason=self._told(), media_type=MEDIA_TYPE, pages=pages)

    def _told(self) -> str:
        told = [self._unread] if self._unread else []
        if self._seen & {"w:ins", "w:del", "w:moveTo", "w:moveFrom"}:
            told.append("It holds tracked changes and was read as if all were accepted.")
        if self._seen & {"c:chart", "dgm:relIds"}:
            told.append("Text inside its charts and diagrams was not read.")
        return " ".join(told)

    def _blocks(self, container: ET.Element | None) -> Iterator[ET.Element]:
        """The paragraphs and tables in it, in order."""
        for element in container if container is not None else ():
            tag = name(element)
            self._seen.add(tag)
            if tag in ("w:p", "w:tbl"):
                yield element
            elif tag == "w:sdt":
                yield from self._blocks(child(element, "w:sdtContent"))
            elif tag in ("w:ins", "w:moveTo", "w:customXml", "w:smartTag"):
                yield from self._blocks(element)
            elif tag == "mc:AlternateContent":
                yield from self._blocks(_alternative(element))

    def _block(self, element: ET.Element) -> None:
        if name(element) == "w:tbl":
            self._table(element)
            return
        boxes: list[ET.Element] = []
        text = self._paragraph(element, boxes)
        level = self._numbering.heading(element)
        if level is not None and text.strip():
            self._end_section()
            self._sections.heading(level, text, text)
        else:
            self._sections.text(text)
        for box in boxes:
            for inner in self._blocks(box):
                self._block(inner)

    def _table(self, table: ET.Element) -> None:
        for row in self._rows(table):
            cells = list(self._inside(row, "w:tc"))
            if len(cells) == 1:  # it frames text rather than holding data
                for element in self._blocks(cells[0]):
                    self._block(element)
            else:
                self._sections.text(" | ".join(self._cell(cell) for cell in cells))

    def _rows(self, table: ET.Element) -> Iterator[ET.Element]:
        for row in self._inside(table, "w:tr"):
            properties = child(row, "w:trPr")
            if properties is None or child(properties, "w:del") is None:
                yield row

    def _inside(self, container: ET.Element, tag: str) -> Iterator[ET.Element]:
        """The rows of a table or the cells of a row, out of what may be wrapped around them."""
        for element in container:
            if name(element) == tag:
                yield element
            elif name(element) in ("w:sdt", "w:sdtContent", "w:customXml", "w:ins", "w:moveTo"):
                yield from self._inside(element, tag)

    def _cell(self, cell: ET.Element) -> str:
        texts: list[str] = []
        for element in self._blocks(cell):
            if name(element) == "w:tbl":
                for row in self._rows(element):
                    texts += [self._cell(inner) for inner in self._inside(row, "w:tc")]
            else:
                boxes: list[ET.Element] = []
                texts.append(self._paragraph(element, boxes))
                texts += [self._cell(box) for box in boxes]
        return " ".join(" ".join(texts).split())

    def _paragraph(self, paragraph: ET.Element, boxes: list[ET.Element]) -> str:
        """Its text, its number first. Text boxes anchored in it are added to `boxes`."""
        text = clean("".join(self._inline(paragraph, boxes))).replace("\xad", "")
        label = self._numbering.label(paragraph, has_text=bool(text.strip()))
        return f"{label} {text.lstrip()}" if label else text

    def _inline(self, element: ET.Element, boxes: list[ET.Element]) -> Iterator[str]:
        for each in element:
            tag = name(each)
            self._seen.add(tag)
            if tag == "w:r":
                properties = child(each, "w:rPr")
                if properties is None or not flag(properties, "w:vanish"):
                    yield from self._run(each, boxes)
            elif tag == "m:t":
                yield each.text or ""
            elif tag in _AROUND:
                yield from self._inline(each, boxes)
            elif tag == "mc:AlternateContent":
                alternative = _alternative(each)
                if alternative is not None:
                    yield from self._inline(alternative, boxes)

    def _run(self, run: ET.Element, boxes: list[ET.Element]) -> Iterator[str]:
        for each in run:
            tag = name(each)
            self._seen.add(tag)
            if tag == "w:t":
                yield each.text or ""
            elif tag in ("w:drawing", "w:pict", "w:object"):
                self._drawing(each, boxes)
            elif tag == "w:ruby":
                yield from self._inline(each, boxes)
            elif tag == "mc:AlternateContent":
                alternative = _alternative(each)
                if alternative is not None:
                    yield from self._run(alternative, boxes)
            else:
                yield self._sign(each, tag)

    def _sign(self, element: ET.Element, tag: str) -> str:
        """What stands in a run and is not text in itself."""
        if tag == "w:sym":
            return _symbol(value(element, "w:char"))
        if tag == "w:fldChar":
            return _form_field(element)
        if tag in ("w:footnoteReference", "w:endnoteReference"):
            return self._note(tag, value(element, "w:id"))
        return _SHOWN.get(tag, "")

    def _drawing(self, drawing: ET.Element, boxes: list[ET.Element]) -> None:
        """The text boxes in a drawing, each once: an older form of it may stand beside it."""
        for each in drawing:
            tag = name(each)
            self._seen.add(tag)
            if tag == "w:txbxContent":
                boxes.append(each)
            elif tag == "mc:AlternateContent":
                alternative = _alternative(each)
                if alternative is not None:
                    self._drawing(alternative, boxes)
            else:
                self._drawing(each, boxes)

    def _note(self, tag: str, number: str) -> str:
        kind = "footnotes" if tag == "w:footnoteReference" else "endnotes"
        note = self._notes[kind].get(number)
        if note is None:
            raise Refused("damaged", f"A note of it is missing. {_DAMAGED}")
        self._counts[kind] += 1
        mark = f"[{'' if kind == 'footnotes' else 'e'}{self._counts[kind]}]"
        self._waiting.append(f"{mark} {self._cell(note)}")
        return mark

    def _end_section(self) -> None:
        """The notes of a section stand at its end."""
        waiting, self._waiting = self._waiting, []
        for note in waiting:
            self._sections.text(note)

    def _running_heads(self) -> None:
        texts = dict.fromkeys(self._cell(margin) for margin in self._margins)
        together = "\n".join(text for text in texts if text)
        if together:
            self._sections.own(MARGINS, together)


_NOTES = ("footnotes", "endnotes")
_PARTS = frozenset(["styles", "numbering", *_NOTES])
_MARGINS = {"header": "w:hdr", "footer": "w:ftr"}
_OWN_PARTS = r"(?:styles|numbering|footnotes|endnotes|header\d*|footer\d*)\.xml"


def _margins_of(root: ET.Element) -> Iterator[ET.Element]:
    """What the sections of a document say of their headers and footers."""
    for properties in root.iter():
        if name(properties) == "w:sectPr":
            yield from children(properties, "w:headerReference")
            yield from children(properties, "w:footerReference")


def _alternative(element: ET.Element) -> ET.Element | None:
    """What a newer Word shows; the fallback is for older ones, and shows the same again."""
    choice = child(element, "mc:Choice")
    return choice if choice is not None else child(element, "mc:Fallback")


def _symbol(code: str) -> str:
    try:
        number = int(code, 16)
        return _SYMBOLS.get(number) or chr(number)
    except (ValueError, OverflowError):
        return "\ufffd"


def _form_field(element: ET.Element) -> str:
    """What a check box or a list shows in a form; text fields hold their text themselves."""
    data = child(element, "w:ffData")
    box = child(data, "w:checkBox")
    if box is not None:
        checked = child(box, "w:checked")
        return "☒" if flag(box, "w:checked" if checked is not None else "w:default") else "☐"
    choices = child(data, "w:ddList")
    if choices is None:
        return ""
    entries = [value(each) for each in children(choices, "w:listEntry")]
    chosen = value(child(choices, "w:result")) or value(child(choices, "w:default")) or "0"
    return entries[int(chosen)] if chosen.isdigit() and int(chosen) < len(entries) else ""
