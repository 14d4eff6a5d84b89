"""The text of a page of a PDF comes in the order in which a person reads it."""

from pathlib import Path

import pytest
import reportlab
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.pdfgen.canvas import Canvas

from tests.tools.test_parsing import pdf
from tools.parsers.drawing import Order
from tools.parsers.pdf_picture import draw
from tools.parsing import parse

TENANT = ["The Tenant shall pay the rent", "on the first day of a month", "in advance."]
LANDLORD = ["The Landlord shall insure the", "building against fire and", "flood."]


def drawn(canvas: Canvas, x: float, y: float, lines: list[str]) -> None:
    text = canvas.beginText(x, y)
    text.textLines(lines)
    canvas.drawText(text)


def lines_of(data: bytes) -> list[str]:
    parsed = parse(data, "a.pdf")
    assert (parsed.status, parsed.reason) == ("ready", "")
    return parsed.pages[0].text.split("\n")


def turned(drawn_by: int, shown_by: int) -> bytes:
    """A page whose text is drawn at an angle and which is shown at another, in degrees."""

    def draw_turned(canvas: Canvas) -> None:
        canvas.setPageRotation(shown_by)
        canvas.translate(300, 400)
        canvas.rotate(drawn_by)
        drawn(canvas, 0, 0, TENANT)

    return pdf([[]], draw=draw_turned)


@pytest.mark.parametrize("drawn_by", [0, 90, 180, 270])
@pytest.mark.parametrize("shown_by", [0, 90, 180, 270])
def test_a_page_reads_from_its_first_line_on_however_it_is_turned(
    drawn_by: int, shown_by: int
) -> None:
    assert lines_of(turned(drawn_by, shown_by)) == TENANT


def test_on_a_turned_page_the_quote_is_still_marked_where_it_stands() -> None:
    data, text = turned(270, 0), "\n".join(TENANT)
    quote = text.index("first day"), text.index("first day") + len("first day")
    picture = draw(data, Order(page=1, text=text, marks=[quote]).model_dump_json())
    (box,) = picture.marks[0]
    assert box.right - box.left < box.bottom - box.top, "its line runs downwards"


def test_a_column_is_read_to_its_end_before_the_next_one() -> None:
    def columns(canvas: Canvas) -> None:
        drawn(canvas, 50, 700, TENANT)
        drawn(canvas, 320, 700, LANDLORD)

    assert lines_of(pdf([[]], draw=columns)) == [*TENANT, *LANDLORD]


def test_the_cells_of_a_row_stand_in_a_line() -> None:
    def table(canvas: Canvas) -> None:
        for number, row in enumerate([["Year", "Rent"], ["2026", "1,200"], ["2027", "1,300"]]):
            for column, cell in enumerate(row):
                canvas.drawString(50 + 150 * column, 700 - 20 * number, cell)

    assert lines_of(pdf([[]], draw=table)) == ["Year Rent", "2026 1,200", "2027 1,300"]


def test_running_heads_stand_on_each_page_and_break_no_sentence() -> None:
    def page(canvas: Canvas) -> None:
        canvas.drawString(50, 30, "Page 1 of 3")
        canvas.drawString(50, 800, "Master Lease")
        drawn(canvas, 50, 700, TENANT)

    lines = lines_of(pdf([[]], draw=page))
    assert sorted({*lines} - {*TENANT}) == ["Master Lease", "Page 1 of 3"]
    assert "\n".join(TENANT) in "\n".join(lines)


def test_ligatures_read_as_their_letters() -> None:
    font = Path(reportlab.__file__).parent / "fonts" / "Vera.ttf"
    pdfmetrics.registerFont(TTFont("Vera", str(font)))

    def page(canvas: Canvas) -> None:
        canvas.setFont("Vera", 12)
        canvas.drawString(50, 700, "the \ufb01rst \ufb02oor")

    assert lines_of(pdf([[]], draw=page)) == ["the first floor"]
