"""Pages as pictures: what is marked is what was quoted, and nothing else.

The pages here are drawn with the quote in red and everything else in black, so that the pixels of
the picture tell whether a mark is exact, whatever the reader of PDF says of its own boxes.
"""

import io
import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pypdfium2
import pytest
from PIL import Image, ImageChops, ImageDraw
from reportlab.lib.pdfencrypt import StandardEncryption
from reportlab.pdfgen.canvas import Canvas

from storage.errors import InvalidInput
from storage.records import Page
from tests.tools.conftest import DATA
from tools.citations import locate
from tools.parsers import pdf_picture
from tools.parsers.drawing import MOST_MARKS, Box, Order, Picture
from tools.parsers.pdf_boxes import Sheet
from tools.parsers.pdf_picture import draw
from tools.parsing import parse
from tools.passages import sentences
from tools.pictures import Pictures

BLACK, RED = (0, 0, 0), (1, 0, 0)


class Paper:
    """A page on which words between asterisks are red: they are the quote."""

    def __init__(self, **options: object) -> None:
        self._bytes = io.BytesIO()
        self.canvas = Canvas(self._bytes, pagesize=(400, 300), invariant=1, **options)
        self._quote: list[str] = []

    def write(self, x: float, y: float, text: str, size: float = 11) -> None:
        line = self.canvas.beginText(x, y)
        line.setFont("Times-Roman", size)
        for number, part in enumerate(text.split("*")):
            line.setFillColorRGB(*(RED if number % 2 else BLACK))
            line.textOut(part)
            self._quote += [part] if number % 2 else []
        self.canvas.drawText(line)

    def lines(self, x: float, y: float, *lines: str, size: float = 11, lead: float = 1.15) -> None:
        for number, line in enumerate(lines):
            self.write(x, y - number * size * lead, line, size)

    def done(self) -> tuple[bytes, str]:
        """The file, and the quote."""
        self.canvas.save()
        return self._bytes.getvalue(), " ".join(self._quote)


def over_lines(paper: Paper) -> None:
    paper.lines(
        40, 250,
        "1. The fee is due monthly. *The tenant may give*",
        "*notice of ninety days, in writing, to the*",
        "*landlord.* The landlord may not object to it.",
    )  # fmt: skip


def hyphenated(paper: Paper) -> None:
    paper.lines(40, 250, "It is agreed that *any termi-*", "*nation for convenience* is excluded.")


def columns(paper: Paper) -> None:
    paper.lines(40, 60, "Left column begins and", "*goes on to the right*")
    paper.lines(220, 250, "*column without a break.* Then", "it says something else.")


def level_columns(paper: Paper) -> None:
    paper.lines(40, 250, "*What is quoted stands*", "*in the left column*, and", "it ends here.")
    paper.lines(
        170, 250, "Beside it another text", "stands in its own column", "on the same lines."
    )


def table(paper: Paper) -> None:
    for y, cells in ((250, ("Item", "Fee", "Due")), (235, ("*Hosting", "1,200.00", "monthly*"))):
        marks = "*" if cells[0].startswith("*") else ""
        for x, cell in zip((40, 150, 260), cells, strict=True):
            paper.write(x, y, f"{marks}{cell.strip('*')}{marks}")
    paper.write(40, 220, "Support")
    paper.write(150, 220, "300.00")


def small_print(paper: Paper) -> None:
    lines = ("No liability is *accepted for any*", "*loss of profit*, however caused,", "at all.")
    paper.lines(40, 250, *lines, size=4, lead=1.0)


def solid(paper: Paper) -> None:
    lines = ("Typography gets *jumpy quickly*", "*gjpqy Ägypten ÅÉÎ* in solid", "gypsy lines.")
    paper.lines(40, 250, *lines, size=12, lead=0.95)


def sideways(paper: Paper) -> None:
    paper.canvas.translate(200, 40)
    paper.canvas.rotate(90)
    paper.lines(0, 0, "Along the edge *it says that*", "*all is void* after a year.")


def turned(degrees: int) -> Callable[[Paper], None]:
    def turn(paper: Paper) -> None:
        paper.canvas.setPageRotation(degrees)
        paper.canvas.translate(*{90: (400, 0), 180: (400, 300), 270: (0, 300)}[degrees])
        paper.canvas.rotate(degrees)
        over_lines(paper)

    turn.__name__ = f"turned {degrees}"
    return turn


def cropped(paper: Paper) -> None:
    paper.canvas.setCropBox((30, 20, 390, 290))
    over_lines(paper)


def askew(paper: Paper) -> None:
    paper.canvas.translate(60, 60)
    paper.canvas.rotate(30)
    paper.write(0, 0, "A stamp says *void since May* here.", 16)


def numbers_drawn_first(paper: Paper) -> None:
    paper.write(40, 250, "2.1")
    paper.write(40, 235, "*2.2*")
    paper.write(70, 250, "The term is five years.")
    paper.write(70, 235, "*The fee is due at once.* It is not refunded.")


def far_apart(paper: Paper) -> None:
    paper.write(40, 250, "The price: *80 euros*")
    paper.canvas.setFont("Times-Roman", 30)
    paper.write(230, 250, "*net*, at most", 11)


HARD = (
    over_lines, hyphenated, columns, level_columns, table, small_print, solid, sideways,
    turned(90), turned(180), turned(270), cropped, askew, numbers_drawn_first, far_apart,
)  # fmt: skip


def asked(data: bytes, quote: str, scale: float = 3) -> tuple[Picture, str]:
    """The picture with a quote marked, and the text of its page."""
    text = parse(data, "a.pdf").pages[0].text
    span = locate(quote, text)
    assert span, (quote, text)
    order = Order(page=1, text=text, marks=[span], scale=scale)
    return draw(data, order.model_dump_json()), text


Channel = Callable[[int], bool]


def ink(picture: Picture, red: Channel, green: Channel, blue: Channel) -> Image.Image:
    """Where a picture has some colour: a mask."""
    image = Image.open(io.BytesIO(picture.png)).convert("RGB")
    channels = zip(image.split(), (red, green, blue), strict=True)
    masks = [each.point([255 * test(level) for level in range(256)]) for each, test in channels]
    return ImageChops.darker(ImageChops.darker(masks[0], masks[1]), masks[2])


def share(mask: Image.Image, boxes: list[Box], scale: float) -> float:
    """The share of the places in a mask that are in the boxes."""
    inside = Image.new("L", mask.size)
    for box in boxes:
        ImageDraw.Draw(inside).rectangle([scale * each for each in box], fill=255)
    return count(ImageChops.darker(mask, inside)) / count(mask)


def count(mask: Image.Image) -> int:
    return mask.histogram()[255]


@pytest.mark.parametrize("page", HARD, ids=lambda page: page.__name__.replace("_", " "))
def test_the_mark_covers_the_quote_and_nothing_else(page: Callable[[Paper], None]) -> None:
    paper = Paper()
    page(paper)
    data, quote = paper.done()
    picture, _ = asked(data, quote)
    (boxes,) = picture.marks
    red = ink(picture, lambda r: r > 180, lambda g: g < 90, lambda b: b < 90)
    black = ink(picture, *[lambda level: level < 60] * 3)
    marked = ink(picture, lambda r: r > 240, lambda g: g > 200, lambda b: b < 130)
    assert share(red, boxes, picture.scale) > 0.97
    # Where lines are set so close, letters of one reach down into the next.
    assert share(black, boxes, picture.scale) < (0.06 if page is solid else 0.02)
    assert share(marked, boxes, picture.scale) > 0.85  # it is wider by a hair: no letter is cut
    assert len(boxes) <= quote.count(" ") + 1 or page is askew  # lines, not letters


def test_a_line_is_one_box() -> None:
    paper = Paper()
    over_lines(paper)
    picture, _ = asked(*paper.done())
    assert [len(boxes) for boxes in picture.marks] == [3]


def test_on_a_dark_ground_the_mark_is_seen_and_the_text_stays_readable() -> None:
    paper = Paper()
    paper.canvas.rect(0, 0, 400, 300, fill=1)
    text = paper.canvas.beginText(40, 250)
    text.setFont("Helvetica", 12)
    text.setFillColorRGB(1, 1, 1)
    text.textOut("White on black")
    paper.canvas.drawText(text)
    picture, _ = asked(paper.done()[0], "White on black")
    amber = [lambda level, wanted=wanted: level == wanted for wanted in pdf_picture._ON_DARK]
    assert count(ink(picture, *amber))
    assert count(ink(picture, *[lambda level: level > 250] * 3))


def test_what_a_form_shows_is_drawn_and_marked() -> None:
    paper = Paper()
    paper.canvas.acroForm.textfield(value="Harbor Street Holdings", x=40, y=200, width=200)
    paper.write(40, 250, "The landlord is:")
    picture, _ = asked(paper.done()[0], "Harbor Street Holdings")
    (box,) = picture.marks[0]
    assert 40 <= box.left < box.right <= 240
    assert 300 - 200 - 40 <= box.top < box.bottom <= 300 - 200


def test_signs_beyond_the_first_plane_and_ligatures_do_not_shift_it() -> None:
    data = lettered({0x41: "D83DDE42", 0x42: "00660069", 0x43: "0043"}, "ABA CCC AB")
    text = parse(data, "a.pdf").pages[0].text
    assert text == "🙂fi🙂 CCC 🙂fi"
    order = Order(page=1, text=text, marks=[(5, 8), (10, 12)])
    first, second = draw(data, order.model_dump_json()).marks
    (c,), (fi,) = first, second
    assert c.right - c.left == pytest.approx(3 * 14.4, abs=3)
    assert fi.right - fi.left == pytest.approx(13.3, abs=3)
    assert fi.left > c.right + 13


def lettered(letters: dict[int, str], shown: str) -> bytes:
    """A PDF whose font says itself which letters its codes are."""
    rows = "\n".join(f"<{code:02X}> <{letter}>" for code, letter in letters.items())
    table = (
        "/CIDInit /ProcSet findresource begin 12 dict begin begincmap 1 begincodespacerange "
        f"<00> <FF> endcodespacerange {len(letters)} beginbfchar\n{rows}\nendbfchar endcmap end end"
    )
    contents = f"BT /F 20 Tf 20 100 Td ({shown}) Tj ET"
    resources = "/Resources << /Font << /F 5 0 R >> >>"
    objects = [
        "<< /Type /Catalog /Pages 2 0 R >>",
        "<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 300 200] /Contents 4 0 R {resources} >>",
        f"<< /Length {len(contents)} >>\nstream\n{contents}\nendstream",
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /ToUnicode 6 0 R >>",
        f"<< /Length {len(table)} >>\nstream\n{table}\nendstream",
    ]
    out = "%PDF-1.4\n"
    places = []
    for number, each in enumerate(objects, 1):
        places.append(len(out))
        out += f"{number} 0 obj\n{each}\nendobj\n"
    index = "".join(f"{place:010d} 00000 n \n" for place in places)
    head = f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n{index}"
    tail = f"trailer << /Size {len(objects) + 1} /Root 1 0 R >>\nstartxref\n{len(out)}\n%%EOF"
    return (out + head + tail).encode()


class TestNoMark:
    """Where it cannot be told what to mark, nothing is."""

    data, _ = (lambda paper: (over_lines(paper), paper.done())[1])(Paper())

    def marks(self, text: str, quote: str, at: int = 0) -> list[Box]:
        start = text.index(quote, at)
        order = Order(page=1, text=text, marks=[(start, start + len(quote))])
        (boxes,) = draw(self.data, order.model_dump_json()).marks
        return boxes

    def test_text_that_another_reader_found_is_marked_by_its_letters(self) -> None:
        text = parse(self.data, "a.pdf").pages[0].text.replace("\n", "  ").replace(". ", " . ")
        assert len(self.marks(text, "The tenant may give  notice of ninety days")) == 2

    def test_not_if_the_page_does_not_spell_it(self) -> None:
        assert self.marks("The tenant may give notice of sixty days", "sixty days") == []

    def test_nor_if_it_stands_there_more_than_once(self) -> None:
        text = "the landlord. Another reading: the landlord"
        assert self.marks(text, "landlord") == []

    def test_what_stands_around_it_tells_which_it_is(self) -> None:
        text = parse(self.data, "a.pdf").pages[0].text.replace("\n", " ")
        (box,) = self.marks(text, "The", 20)
        assert box == self.marks(text, "The tenant")[0]._replace(right=box.right)

    def test_what_is_off_the_page_is_not_marked(self) -> None:
        paper = Paper()
        paper.write(40, 250, "Here.")
        paper.write(500, 250, "*Beyond the edge.*")
        assert asked(*paper.done())[0].marks == [[]]


@pytest.fixture(scope="module")
def pictures() -> Iterator[Pictures]:
    with Pictures() as pictures:
        yield pictures


class TestHarm:
    """Whatever a file holds, a picture has its bounds, or there is none and it is said why."""

    def drawn(self, pictures: Pictures, data: bytes, **more: object) -> Picture:
        page = Page(number=1, locator="page 1", text="The fee.")
        return pictures.draw(f"{hash(data)}", lambda: data, page, **more)  # type: ignore[arg-type]

    def test_a_page_of_any_size_is_drawn_within_bounds(self, pictures: Pictures) -> None:
        buffer = io.BytesIO()
        canvas = Canvas(buffer, pagesize=(14_400, 14_400))
        canvas.drawString(100, 100, "The fee.")
        canvas.save()
        picture = self.drawn(pictures, buffer.getvalue(), scale=20)
        width, height = Image.open(io.BytesIO(picture.png)).size
        assert width * height <= 1.01 * pdf_picture.MOST_PIXELS
        assert (picture.width, picture.height) == (14_400, 14_400)

    def test_what_is_no_pdf_is_not_drawn(self, pictures: Pictures) -> None:
        for data in (b"", b"# Lease\n", b"PK\x03\x04" + bytes(100)):
            with pytest.raises(InvalidInput, match="Only pages of a PDF"):
                self.drawn(pictures, data)
        with pytest.raises(InvalidInput, match="damaged, or locked"):
            self.drawn(pictures, b"%PDF-1.7 and no more")

    def test_a_locked_file_is_drawn_with_its_password(self, pictures: Pictures) -> None:
        paper = Paper(encrypt=StandardEncryption("secret"))
        paper.write(40, 250, "The fee.")
        data, _ = paper.done()
        with pytest.raises(InvalidInput, match="damaged, or locked"):
            self.drawn(pictures, data)
        assert self.drawn(pictures, data, password="secret").png

    def test_marks_are_of_text_that_is_there(self, pictures: Pictures) -> None:
        paper = Paper()
        paper.write(40, 250, "The fee.")
        data, _ = paper.done()
        for mark in ((0, 9), (3, 3), (-1, 2), (5, 4)):
            with pytest.raises(InvalidInput, match="There is no text at"):
                self.drawn(pictures, data, marks=[mark])
        with pytest.raises(InvalidInput, match="marks are more than"):
            self.drawn(pictures, data, marks=[(0, 3)] * (MOST_MARKS + 1))
        with pytest.raises(InvalidInput, match="pixels to a point"):
            self.drawn(pictures, data, scale=float("nan"))
        assert self.drawn(pictures, data, marks=[(0, 3)]).marks[0]

    def test_a_picture_is_drawn_once(self, pictures: Pictures) -> None:
        paper = Paper()
        paper.write(40, 250, "The fee.")
        data, _ = paper.done()
        page = Page(number=1, locator="page 1", text="The fee.")
        asked: list[int] = []
        for marks in ([], [(0, 3)], []):
            pictures.draw("abc", lambda: asked.append(1) or data, page, marks)  # type: ignore[func-returns-value]
        assert len(asked) == 2
        pictures.forget()
        pictures.draw("abc", lambda: asked.append(1) or data, page)  # type: ignore[func-returns-value]
        assert len(asked) == 3

    @pytest.mark.parametrize(
        ("body", "said"),
        [("import time; time.sleep(60)", "took more than 1 seconds"), ("os.abort()", "failed")],
    )
    def test_one_that_stalls_or_crashes_is_stopped(self, body: str, said: str) -> None:
        class Hooked(Pictures):
            def _read(self) -> str:
                return f"import os\ndef read(data, order, password):\n    {body}"

        with Hooked(seconds=1) as pictures, pytest.raises(InvalidInput, match=said):
            self.drawn(pictures, b"%PDF-1.7")

    def test_a_child_is_not_believed(self) -> None:
        class Taken(Pictures):
            def _read(self) -> str:
                return (
                    "from tools.parsers.drawing import Picture\n"
                    "def read(data, order, password): return Picture(png=b'<script>')"
                )

        with Taken() as pictures, pytest.raises(InvalidInput, match="failed"):
            self.drawn(pictures, b"%PDF-1.7")


def contracts() -> list[Path]:
    return sorted((DATA / "contracts/pdf").glob("*.pdf"))


@pytest.mark.skipif(not DATA.is_dir(), reason="the contracts are not beside the project")
@pytest.mark.parametrize(
    "many", [2, pytest.param(48, marks=pytest.mark.slow)], ids=["a few", "all"]
)
def test_marks_on_real_contracts_are_exact(many: int) -> None:
    chance = random.Random(11)
    paths = chance.sample(contracts(), min(many, len(contracts())))
    checked = sum(exact_marks(path, chance) for path in paths)
    assert checked >= 8 * len(paths)


def exact_marks(path: Path, chance: random.Random) -> int:
    """How many quotes of a file were checked: the characters under the boxes spell each of them."""
    checked = 0
    document = pypdfium2.PdfDocument(path)
    for number in chance.sample(range(len(document)), min(3, len(document))):
        page = document[number]
        textpage = page.get_textpage()
        sheet = Sheet(page, textpage)
        spans = [(each.start, each.end) for each in sentences(sheet.text)]
        chosen = chance.sample(spans, min(5, len(spans)))
        for start, end in chosen:
            boxes = sheet.boxes(sheet.text, start, end)
            quote = sorted(filter(str.isalnum, sheet.text[start:end]))
            assert sorted(spelt_under(page, textpage, boxes)) == quote, (path.name, number, start)
            checked += 1
    document.close()
    return checked


def spelt_under(
    page: pypdfium2.PdfPage, textpage: pypdfium2.PdfTextPage, boxes: list[Box]
) -> Iterator[str]:
    """The letters and digits whose middle is under a mark, on a page that is not turned."""
    left, _, _, top = page.get_cropbox()
    for index in range(textpage.count_chars()):
        box = textpage.get_charbox(index)
        x, y = (box[0] + box[2]) / 2 - left, top - (box[1] + box[3]) / 2
        if any(each.holds(x, y) for each in boxes):
            yield from filter(str.isalnum, textpage.get_text_range(index, 1))
