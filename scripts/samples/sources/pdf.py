"""Set a source as a PDF, with the fonts that every PDF reader has.

Nothing here reads a clock, and nothing is compressed (compressors differ between machines), so the
same source gives the same bytes.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from html import escape
from io import BytesIO
from itertools import pairwise
from typing import Any

from reportlab.graphics.shapes import Drawing, Line, Rect, String
from reportlab.lib.colors import HexColor, white
from reportlab.lib.enums import TA_JUSTIFY, TA_LEFT, TA_RIGHT
from reportlab.lib.pagesizes import A4, LETTER
from reportlab.lib.styles import ParagraphStyle
from reportlab.platypus import (
    BaseDocTemplate,
    CondPageBreak,
    Frame,
    HRFlowable,
    KeepTogether,
    PageBreak,
    PageTemplate,
    Paragraph,
    Spacer,
    Table,
)

from scripts.samples.sources.markup import FICTION, Block, Source, is_numeric, is_total

INK, ACCENT = HexColor(0x22272B), HexColor(0x1F4A5A)
GREY, HAIR = HexColor(0x6B7378), HexColor(0xD5DADD)
SHADES = (ACCENT, HexColor(0x5E8EA0), HexColor(0xA9C4CE))


@dataclass
class Sheet:
    """What drawing a PDF needs besides its blocks; `pages` is known from the second pass on."""

    meta: dict[str, Any]
    width: float
    styles: dict[str, ParagraphStyle]
    pages: dict[str, int] = field(default_factory=dict)
    total: int = 0


def _styles(face: str) -> dict[str, ParagraphStyle]:
    roman, bold = (face + "-Roman", face + "-Bold") if face == "Times" else (face, face + "-Bold")
    contract = face == "Times"
    size, lead = (10.5, 14) if contract else (9.6, 13.9)
    base = ParagraphStyle("p", fontName=roman, fontSize=size, leading=lead, textColor=INK)
    base.alignment = TA_JUSTIFY if contract else TA_LEFT
    base.spaceAfter, base.allowWidows, base.allowOrphans = 6, 0, 0
    make = partial(ParagraphStyle, parent=base)
    head = partial(make, fontName=bold, textColor=ACCENT, alignment=TA_LEFT, keepWithNext=1)
    h2 = {"fontSize": 12, "leading": 15, "spaceBefore": 10, "spaceAfter": 5}
    h2_report = {"fontSize": 19, "leading": 23, "spaceBefore": 18, "spaceAfter": 10}
    styles = [
        base,
        head("title", fontSize=23, leading=27, spaceAfter=3),
        make("subtitle", textColor=GREY, alignment=TA_LEFT, spaceAfter=12),
        head("h2", **(h2 if contract else h2_report)),
        head("h3", fontSize=11, leading=14, spaceBefore=8, spaceAfter=4),
        make("clause", leftIndent=32, bulletFontName=roman, bulletFontSize=size),
        make("item", leftIndent=52, bulletIndent=32, bulletFontName=roman, bulletFontSize=size),
        make("cell", fontSize=9.2, leading=11.6, alignment=TA_LEFT, spaceAfter=0),
        make("number", fontSize=9.2, leading=11.6, alignment=TA_RIGHT, spaceAfter=0),
        make("note", fontSize=8, leading=10.6, textColor=GREY, spaceBefore=2),
        make("figure", fontName=bold, fontSize=22, leading=27, textColor=ACCENT, spaceAfter=0),
    ]
    return {style.name: style for style in styles}


def _rich(text: str) -> str:
    return re.sub(r"\*\*(.+?)\*\*", r"<b>\1</b>", escape(text, quote=False))


def _text(sheet: Sheet, block: Block) -> list[Any]:
    label = block.label if block.kind in ("clause", "item") else None
    return [Paragraph(_rich(block.text), sheet.styles[block.kind], bulletText=label)]


def _table(sheet: Sheet, block: Block) -> list[Any]:
    rows, last = block.rows, len(block.rows) - 1
    numeric = [is_numeric(rows, column) for column in range(len(rows[0]))]
    brackets = [any(row[column].endswith(")") for row in rows) for column in range(len(rows[0]))]
    cells = []
    commands: list[tuple[Any, ...]] = [
        ("VALIGN", (0, 0), (-1, -1), "TOP"),
        ("VALIGN", (0, 0), (-1, 0), "BOTTOM"),
        ("LEFTPADDING", (0, 0), (0, -1), 0),
        ("RIGHTPADDING", (-1, 0), (-1, -1), 0),
        ("TOPPADDING", (0, 0), (-1, -1), 2.8),
        ("BOTTOMPADDING", (0, 0), (-1, -1), 3.2),
        ("LINEBELOW", (0, 1), (-1, -2), 0.4, HAIR),
        ("LINEBELOW", (0, 0), (-1, 0), 0.9, ACCENT),
        ("LINEBELOW", (0, last), (-1, last), 0.9, ACCENT),
    ]
    for number, row in enumerate(rows):
        strong = number == 0 or is_total(row)
        line = []
        for column, cell in enumerate(row):
            rich = _rich(cell.replace("**", ""))
            style = sheet.styles["number" if numeric[column] else "cell"]
            line.append(Paragraph(f"<b>{rich}</b>" if strong else rich, style))
            if numeric[column]:  # closing brackets hang
                hang = 3 if brackets[column] and not cell.endswith(")") else 0
                commands.append(("RIGHTPADDING", (column, number), (column, number), hang))
        cells.append(line)
        if number and is_total(row):
            commands.append(("LINEABOVE", (0, number), (-1, number), 0.7, INK))
    widths = [sheet.width * int(share) / 100 for share in block.label.split(",")]
    return [Table(cells, widths, style=commands, repeatRows=1, spaceBefore=3, spaceAfter=11)]


def _figures(sheet: Sheet, block: Block) -> list[Any]:
    style = sheet.styles
    cells = [
        [Paragraph(big, style["figure"]), Paragraph(rest, style["p"])] for big, rest in block.rows
    ]
    commands = [
        ("VALIGN", (0, 0), (-1, -1), "MIDDLE"),
        ("LINEBELOW", (0, 0), (-1, -2), 0.4, HAIR),
        ("LEFTPADDING", (0, 0), (0, -1), 0),
        ("TOPPADDING", (0, 0), (-1, -1), 9),
        ("BOTTOMPADDING", (0, 0), (-1, -1), 11),
    ]
    return [Spacer(1, 372), Table(cells, [190, sheet.width - 190], style=commands)]


def _contents(sheet: Sheet, _: Block) -> list[Any]:
    cells = [
        [Paragraph(name, sheet.styles["cell"]), Paragraph(str(page), sheet.styles["number"])]
        for name, page in sheet.pages.items()
        if name != "Contents"
    ]
    commands = [
        ("LINEBELOW", (0, 0), (-1, -1), 0.4, HAIR),
        ("LEFTPADDING", (0, 0), (0, -1), 0),
        ("RIGHTPADDING", (-1, 0), (-1, -1), 0),
    ]
    width = [sheet.width - 40, 40]
    return [Table(cells or [["", ""]], width, style=commands), Spacer(1, 10)]


def _signatures(sheet: Sheet, block: Block) -> list[Any]:
    (intro,), *parties = block.rows
    columns = []
    for party, name, office in parties:
        rule = HRFlowable(width="88%", thickness=0.6, color=INK, hAlign="LEFT", spaceBefore=34)
        lines = [f"<b>{_rich(party)}</b>", f"Name: {name}", f"Title: {office}"]
        texts = [Paragraph(line, sheet.styles["cell"]) for line in lines]
        columns.append([texts[0], rule, Spacer(1, 3), *texts[1:]])
    table = Table([columns], [sheet.width / 2] * 2, style=[("LEFTPADDING", (0, 0), (0, 0), 0)])
    return [KeepTogether([Spacer(1, 8), Paragraph(intro, sheet.styles["p"]), table])]


def _chart(sheet: Sheet, block: Block) -> list[Any]:
    """Stacked columns, one for each year, oldest first, with a legend in the last one's order."""
    head, *rows = [row for row in block.rows if not is_total(row)]
    drawing, base, scale = Drawing(sheet.width, 212), 18, 180 / 220_000
    write = partial(String, fontName="Helvetica", fontSize=8.5, fillColor=INK)
    for place, column in enumerate(reversed(range(1, len(head)))):
        left, top = 20 + place * 105, float(base)
        for shade, row in zip(SHADES, rows, strict=True):
            value = int(row[column].replace(",", ""))
            drawing.add(Rect(left, top, 66, value * scale, fillColor=shade, strokeColor=white))
            colour = INK if shade is SHADES[-1] else white
            middle, label = top + value * scale / 2 - 3, f"{value / 1000:.1f}"
            drawing.add(write(left + 33, middle, label, textAnchor="middle", fillColor=colour))
            top += value * scale
            if column == 1:
                drawing.add(write(left + 76, middle, row[0]))
        drawing.add(write(left + 33, 4, head[column], textAnchor="middle"))
    drawing.add(Line(0, base, 20 + 2 * 105 + 86, base, strokeColor=GREY, strokeWidth=0.7))
    title = Paragraph(block.label, sheet.styles["h3"])
    return [KeepTogether([Spacer(1, 6), title, drawing])]


_DRAW: dict[str, Callable[[Sheet, Block], list[Any]]] = {
    "table": _table,
    "figures": _figures,
    "contents": _contents,
    "signatures": _signatures,
    "chart": _chart,
    "page": lambda _sheet, _block: [PageBreak()],
}


def _story(sheet: Sheet, source: Source) -> list[Any]:
    story: list[Any] = []
    if not sheet.meta.get("cover"):
        story = [
            Paragraph(sheet.meta["title"], sheet.styles["title"]),
            Paragraph(sheet.meta["subtitle"], sheet.styles["subtitle"]),
        ]
    for block, following in pairwise((*source.blocks, Block("end"))):
        if block.kind == "h2":  # no heading alone at the foot of a page
            story.append(CondPageBreak(70))
        flowables = _DRAW.get(block.kind, _text)(sheet, block)
        if following.kind == "table":  # a table stays with the words that announce it
            flowables[-1].keepWithNext = 1
        story += flowables
    return story


def _cover(sheet: Sheet, canvas: Any, width: float, height: float) -> None:
    canvas.setFillColor(ACCENT)
    canvas.rect(0, height * 0.46, width, height * 0.54, stroke=0, fill=1)
    canvas.setFillColor(white)
    for text, font, size, up in (
        (sheet.meta["author"], "Helvetica", 15, 0.86),
        (sheet.meta["title"], "Helvetica-Bold", 40, 0.57),
        (sheet.meta["subtitle"], "Helvetica", 13, 0.525),
    ):
        canvas.setFont(font, size)
        canvas.drawString(72, height * up, text)


def _furniture(sheet: Sheet, canvas: Any, doc: Any, *, foot: bool) -> None:
    """Draw the head of a page before its text, or the foot after it, so that it reads in order."""
    (width, height), page = doc.pagesize, canvas.getPageNumber()
    canvas.saveState()
    canvas.setFillColor(GREY)
    canvas.setStrokeColor(HAIR)
    canvas.setFont(sheet.styles["p"].fontName, 8.5)
    if page == 1 and sheet.meta.get("cover"):
        if not foot:
            _cover(sheet, canvas, width, height)
    elif foot:
        canvas.drawRightString(width - 72, 40, f"Page {page} of {sheet.total}")
    elif page > 1:
        canvas.drawString(72, height - 46, sheet.meta["head"])
        canvas.drawRightString(width - 72, height - 46, sheet.meta["head_right"])
        canvas.line(72, height - 52, width - 72, height - 52)
    canvas.restoreState()


def make_pdf(source: Source) -> bytes:
    """Set a PDF, twice: the first pass finds the page of each heading and the number of pages."""
    meta = source.meta
    size = {"letter": LETTER, "a4": A4}[meta["paper"]]
    sheet = Sheet(meta, size[0] - 144, _styles(meta["face"]))
    out = BytesIO()
    for _ in range(2):
        out = BytesIO()
        doc = BaseDocTemplate(
            out, pagesize=size, title=meta["title"], author=meta["author"], subject=FICTION,
            creator="Affidavit", lang="en", invariant=1, pageCompression=0,
        )  # fmt: skip
        frame = Frame(72, 64, sheet.width, size[1] - 136, 0, 0, 0, 0)
        top, bottom = partial(_furniture, sheet, foot=False), partial(_furniture, sheet, foot=True)
        doc.addPageTemplates(PageTemplate(frames=[frame], onPage=top, onPageEnd=bottom))
        doc.afterFlowable = partial(_note_heading, sheet, doc)
        doc.build(_story(sheet, source))
        sheet.total = doc.page
    return out.getvalue()


def _note_heading(sheet: Sheet, doc: Any, flowable: Any) -> None:
    if getattr(getattr(flowable, "style", None), "name", "") == "h2":
        name = flowable.getPlainText()
        sheet.pages[name] = doc.page
        doc.canv.bookmarkPage(name)
        doc.canv.addOutlineEntry(name, name)
