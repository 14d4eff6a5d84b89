"""Set a source as a DOCX: real headings, clauses with hanging numbers, a table, page numbers.

The same source gives the same bytes: the dates come from the source, and the archive is written
anew with a fixed time on every part and without compression (compressors differ between machines).
"""

import zipfile
from datetime import datetime, time
from io import BytesIO
from itertools import pairwise
from typing import Any

import docx
from docx.document import Document
from docx.enum.style import WD_STYLE_TYPE
from docx.enum.text import WD_ALIGN_PARAGRAPH, WD_TAB_ALIGNMENT
from docx.oxml import OxmlElement
from docx.oxml.ns import qn
from docx.shared import Cm, Pt, RGBColor
from docx.table import _Cell
from docx.text.paragraph import Paragraph

from scripts.samples.sources.markup import FICTION, Block, Source, is_numeric

ACCENT = RGBColor(0x1F, 0x4A, 0x5A)
GREY = RGBColor(0x6B, 0x73, 0x78)
TEXT_WIDTH = Cm(16)  # A4 with margins of 2.5 cm
INDENTS = {"clause": (1.2, 1.2), "item": (1.2, 1.2), "bullet": (2.2, 0.5)}


def make_docx(source: Source) -> bytes:
    """Set a DOCX."""
    document = docx.Document()
    _thin(document)
    _lay_out(document, source.meta)
    document.add_paragraph(source.meta["title"], style="Title")
    document.add_paragraph(source.meta["subtitle"], style="Subtitle")
    for before, block in pairwise((Block("start"), *source.blocks)):
        _add(document, block)
        if before.kind == "page":
            document.paragraphs[-1].paragraph_format.page_break_before = True
    _describe(document, source.meta)
    out = BytesIO()
    document.save(out)
    return _fixed(out.getvalue())


def _add(document: Document, block: Block) -> None:
    match block.kind:
        case "h2" | "h3":
            document.add_heading(block.text, level=int(block.kind[1]) - 1)
        case "table":
            _table(document, block)
        case "signatures":
            _signatures(document, block)
        case "page":
            pass  # the next paragraph begins a page
        case kind:
            paragraph = document.add_paragraph()
            if kind in INDENTS:
                left, hang = INDENTS[kind]
                paragraph.paragraph_format.left_indent = Cm(left)
                paragraph.paragraph_format.first_line_indent = -Cm(hang)
                paragraph.add_run(block.label.replace("-", "•") + "\t")
            _rich(paragraph, block.text)


def _rich(paragraph: Paragraph, text: str, *, bold: bool = False) -> None:
    for number, part in enumerate(text.split("**")):
        if part:
            paragraph.add_run(part).bold = bold or number % 2 == 1 or None


def _thin(document: Document) -> None:
    """Drop what the library's template brings and this document does not use."""
    for style in list(document.styles):
        if style.type == WD_STYLE_TYPE.TABLE and style.name != "Normal Table":
            style.delete()
    for part in (document.part, document.part.package):
        for key, relation in list(part.rels.items()):
            if relation.reltype.endswith(("/stylesWithEffects", "/thumbnail", "/customXml")):
                del part.rels[key]


def _lay_out(document: Document, meta: dict[str, Any]) -> None:
    section = document.sections[0]
    section.page_width, section.page_height = Cm(21), Cm(29.7)
    section.left_margin = section.right_margin = Cm(2.5)
    section.top_margin = section.bottom_margin = Cm(2.4)
    for name, size, before, after, colour in (
        ("Normal", 10.5, 0, 5, None),
        ("Title", 23, 0, 2, ACCENT),
        ("Subtitle", 11, 0, 12, GREY),
        ("Heading 1", 12, 11, 4, ACCENT),
        ("Heading 2", 10.5, 8, 3, ACCENT),
        ("Header", 8.5, 0, 0, GREY),
        ("Footer", 8.5, 0, 0, GREY),
    ):
        style: Any = document.styles[name]
        style.font.bold = name not in ("Normal", "Subtitle", "Header", "Footer")
        style.paragraph_format.tab_stops.clear_all()
        for extra in style.element.xpath("w:pPr/w:pBdr | w:rPr/w:spacing"):
            extra.getparent().remove(extra)
        style.font.name, style.font.size, style.font.italic = meta["face"], Pt(size), False
        fonts = style.element.get_or_add_rPr().get_or_add_rFonts()
        for theme in ("asciiTheme", "hAnsiTheme", "eastAsiaTheme", "cstheme"):
            fonts.attrib.pop(qn(f"w:{theme}"), None)
        style.paragraph_format.space_before, style.paragraph_format.space_after = (
            Pt(before),
            Pt(after),
        )
        style.paragraph_format.line_spacing = 1.12
        if colour is not None:
            style.font.color.rgb = colour
    _head_and_foot(section, meta)


def _head_and_foot(section: Any, meta: dict[str, Any]) -> None:
    head, foot = section.header.paragraphs[0], section.footer.paragraphs[0]
    for paragraph in (head, foot):
        paragraph.paragraph_format.tab_stops.add_tab_stop(TEXT_WIDTH, WD_TAB_ALIGNMENT.RIGHT)
    head.add_run(f"{meta['head']}\t{meta['head_right']}")
    foot.alignment = WD_ALIGN_PARAGRAPH.RIGHT
    foot.add_run("Page ")
    _field(foot, "PAGE")
    foot.add_run(" of ")
    _field(foot, "NUMPAGES")


def _field(paragraph: Paragraph, instruction: str) -> None:
    field: Any = OxmlElement("w:fldSimple")
    field.set(qn("w:instr"), instruction)
    run = paragraph.add_run("1")
    field.append(run._r)  # noqa: SLF001 - python-docx has no call for fields
    paragraph._p.append(field)  # noqa: SLF001


def _table(document: Document, block: Block) -> None:
    table = document.add_table(rows=0, cols=len(block.rows[0]))
    table.autofit = False
    widths = [int(TEXT_WIDTH * int(share) / 100) for share in block.label.split(",")]
    for grid_column, width in zip(table.columns, widths, strict=True):
        grid_column.width = width
    for number, row in enumerate(block.rows):
        cells = table.add_row().cells
        for column, text in enumerate(row):
            cells[column].width = widths[column]
            paragraph = cells[column].paragraphs[0]
            paragraph.paragraph_format.space_before = paragraph.paragraph_format.space_after = Pt(3)
            if is_numeric(block.rows, column):
                paragraph.alignment = WD_ALIGN_PARAGRAPH.RIGHT
            _rich(paragraph, text, bold=number == 0)
            _rule(cells[column], 8 if number in (0, len(block.rows) - 1) else 4)
    repeat: Any = OxmlElement("w:tblHeader")
    table.rows[0]._tr.get_or_add_trPr().append(repeat)  # noqa: SLF001
    document.add_paragraph()


def _rule(cell: _Cell, eighths: int) -> None:
    """Draw the line under a cell, so many eighths of a point thick."""
    borders: Any = OxmlElement("w:tcBorders")
    bottom: Any = OxmlElement("w:bottom")
    for key, value in (("val", "single"), ("sz", str(eighths)), ("color", "6B7378")):
        bottom.set(qn(f"w:{key}"), value)
    borders.append(bottom)
    cell._tc.get_or_add_tcPr().append(borders)  # noqa: SLF001


def _signatures(document: Document, block: Block) -> None:
    (intro,), *parties = block.rows
    document.add_paragraph(intro).paragraph_format.space_before = Pt(14)
    cells = document.add_table(rows=1, cols=len(parties)).rows[0].cells
    for cell, (party, name, office) in zip(cells, parties, strict=True):
        _rich(cell.paragraphs[0], party, bold=True)
        line = cell.add_paragraph("_" * 34)
        line.paragraph_format.space_before, line.paragraph_format.space_after = Pt(26), Pt(2)
        cell.add_paragraph(f"Name: {name}").paragraph_format.space_after = Pt(0)
        cell.add_paragraph(f"Title: {office}")


def _describe(document: Document, meta: dict[str, Any]) -> None:
    core = document.core_properties
    core.title, core.author, core.subject = meta["title"], meta["author"], FICTION
    core.comments = core.keywords = core.last_modified_by = ""
    core.language, core.revision = "en-GB", 1
    core.created = core.modified = datetime.combine(meta["date"], time())


def _fixed(content: bytes) -> bytes:
    out = BytesIO()
    with zipfile.ZipFile(BytesIO(content)) as before, zipfile.ZipFile(out, "w") as after:
        for name in before.namelist():
            info = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
            info.create_system, info.external_attr = 3, 0o644 << 16
            after.writestr(info, before.read(name))
    return out.getvalue()
