"""A citation says where a person finds the quote, in the words of its kind of document."""

import io
from email.message import EmailMessage

import docx
import openpyxl
import pptx
import pytest
from reportlab.pdfgen.canvas import Canvas

from storage.audit import digest
from storage.records import Answer, Citation, Claim, Document, Grid, Page
from tools.citations import cite, locate
from tools.locators import column, locator
from tools.parsing import parse
from tools.versions import version_told


def place(data: bytes, name: str, quote: str, number: int = 0) -> str:
    """Where a quote stands in a file, in words; on its first page that has it, or the one named."""
    parsed = parse(data, name)
    for page in parsed.pages[number - 1 : number] if number else parsed.pages:
        if span := locate(quote, page.text):
            return locator(parsed.media_type, page, *span)
    raise AssertionError([page.text for page in parsed.pages])


def saved(made: object) -> bytes:
    buffer = io.BytesIO()
    made.save(buffer)  # type: ignore[attr-defined]
    return buffer.getvalue()


@pytest.fixture(scope="module")
def book() -> bytes:
    book = openpyxl.Workbook()
    book.active.title = "Prices 2026"
    book.active.append(["Item", "Unit", "Price"])
    book.active.append(["Hosting", "month", 1200])
    book.active["B5"], book.active["C5"] = "hour", 80
    for row in range(6, 300):
        book.active.append([f"Item {row} of the long list", "piece", row])
    return saved(book)


class TestTables:
    def test_a_cell(self, book: bytes) -> None:
        assert place(book, "a.xlsx", "Hosting") == "sheet Prices 2026, A2"

    def test_cells_of_a_row(self, book: bytes) -> None:
        assert place(book, "a.xlsx", "month | 1200") == "sheet Prices 2026, B2:C2"

    def test_rows_that_are_empty_are_counted(self, book: bytes) -> None:
        assert place(book, "a.xlsx", "hour") == "sheet Prices 2026, B5"
        assert place(book, "a.xlsx", "1200 | hour") == "sheet Prices 2026, B2:C5"

    def test_the_row_with_the_names_is_where_it_is(self, book: bytes) -> None:
        rows = parse(book, "a.xlsx").pages[1].grid.rows  # type: ignore[union-attr]
        assert rows[0] == 1
        quote = f"Item | Unit | Price Item {rows[1]} of"
        found = place(book, "a.xlsx", quote, number=2)
        assert found == f"sheet Prices 2026, A1:C1 and A{rows[1]}"

    def test_tables_of_text(self) -> None:
        data = b"party,rent\nAldous Freight Ltd,1200\n,90\n"
        assert place(data, "a.csv", "1200") == "cell B2"
        assert place(data, "a.csv", "Freight Ltd | 1200") == "cells A2:B2"

    def test_where_a_cell_holds_what_stands_between_cells_the_page_has_to_do(self) -> None:
        data = b"party,rent\nAldous | Freight,1200\n"
        assert parse(data, "a.csv").pages[0].grid is None
        assert place(data, "a.csv", "1200") == "rows 1\u20132"

    def test_a_grid_that_does_not_fit_its_page_is_not_believed(self) -> None:
        page = Page(number=1, locator="rows 1", text="a\nb", grid=Grid(rows=[1]))
        assert locator("text/csv", page, 2, 3) == "rows 1"

    def test_columns_have_letters(self) -> None:
        assert [column(n) for n in (1, 26, 27, 52, 703)] == ["A", "Z", "AA", "AZ", "AAA"]


class TestHeadings:
    def test_word(self) -> None:
        made = docx.Document()
        made.add_paragraph("Before all headings.")
        made.add_heading("Fees", 1)
        made.add_heading("Late payment", 2)
        made.add_paragraph("Interest is due at once.")
        data = saved(made)
        assert place(data, "a.docx", "Interest") == "§ Fees › Late payment"
        assert place(data, "a.docx", "Before") == "start"

    def test_markdown_and_html(self) -> None:
        assert place(b"# Fees\n\nNone.\n\n## Rent\n\nTen.", "a.md", "Ten") == "§ Fees › Rent"
        page = b"<html><body><h2>Fees</h2><p>None.</p></body></html>"
        assert place(page, "a.html", "None") == "§ Fees"

    def test_a_long_beginning_has_parts(self) -> None:
        data = ("A line of many.\n\n" * 400 + "The end.").encode()
        assert place(data, "a.md", "The end").startswith("part ")


class TestOthers:
    def test_slides(self) -> None:
        deck = pptx.Presentation()
        for title in ("Plan", "Fees"):
            deck.slides.add_slide(deck.slide_layouts[5]).shapes.title.text = title
        assert place(saved(deck), "a.pptx", "Fees") == "slide 2"

    def test_parts_of_a_message(self) -> None:
        mail = EmailMessage()
        mail["Subject"] = "Notice"
        mail.set_content("We terminate.")
        assert place(mail.as_bytes(), "a.eml", "Notice") == "head of the message"
        assert place(mail.as_bytes(), "a.eml", "terminate") == "message"
        mail.set_content("<h2>Why</h2><p>It leaks.</p>", subtype="html")
        assert place(mail.as_bytes(), "a.eml", "leaks") == "message, § Why"

    def test_lines_of_a_text(self) -> None:
        data = b"One.\n\nTwo is\nlong.\n\fThree."
        assert place(data, "a.txt", "One") == "line 1"
        assert place(data, "a.txt", "Two is long.") == "lines 3\u20134"
        assert place(data, "a.txt", "Three") == "line 5"

    def test_pages_as_a_pdf_numbers_them(self) -> None:
        buffer = io.BytesIO()
        canvas = Canvas(buffer)
        canvas.addPageLabel(0, style="ROMAN_LOWER", start=1)
        canvas.addPageLabel(2, style="ARABIC", start=1)
        for word in ("Preface", "Contents", "Lease", "Annex"):
            canvas.drawString(80, 700, word)
            canvas.showPage()
        canvas.save()
        pages = parse(buffer.getvalue(), "a.pdf").pages
        assert [page.locator for page in pages] == [
            *("page i (1 of 4)", "page ii (2 of 4)"),
            *("page 1 (3 of 4)", "page 2 (4 of 4)"),
        ]


class TestVersions:
    FIRST = Document(
        id="d-1", name="a.txt", sha256="aa" * 32, status="ready", added_at=1_740_000_000
    )
    SECOND = FIRST.model_copy(
        update={
            "sha256": "bb" * 32,
            "older": ["aa" * 32],
            "older_at": [1_740_000_000.0],
            "version_at": 1_772_500_000.0,
        }
    )

    def test_one_version_needs_no_words(self) -> None:
        assert version_told(self.FIRST, "aa" * 32) == ""

    def test_of_several_each_says_which_it_is(self) -> None:
        newest = version_told(self.SECOND, "bb" * 32)
        assert newest == "version of 3 March 2026, sha256 bbbbbbbbbbbb"
        older = version_told(self.SECOND, "aa" * 32)
        assert older == "version of 19 February 2025, sha256 aaaaaaaaaaaa, not the newest"

    def test_where_the_day_was_not_written_down_it_is_counted(self) -> None:
        old = self.SECOND.model_copy(
            update={"older": ["aa" * 32, "cc" * 32], "older_at": [], "version_at": 0.0}
        )
        assert version_told(old, "cc" * 32).startswith("version 2 of 3, sha256 cccc")
        assert version_told(old, "aa" * 32).startswith("version of 19 February 2025")

    def test_what_was_erased_is_said(self) -> None:
        assert "not kept any more" in version_told(self.SECOND, "dd" * 32)


def test_a_citation_says_place_and_version() -> None:
    page = Page(number=1, locator="lines 1\u20132", text="One.\nTwo.")
    document = TestVersions.SECOND.model_copy(update={"media_type": "text/plain"})
    cited = cite(document, page, 5, 9)
    assert (cited.quote, cited.locator, cited.place) == ("Two.", "line 2", "line 2")
    assert cited.version.startswith("version of 3 March 2026")
    assert cite(TestVersions.FIRST, page, 5, 9).version == ""


def test_an_answer_that_is_older_than_locators_keeps_its_hash() -> None:
    """The record holds the hash of what was said: a new field must not make it another text."""
    cited = {
        "document_id": "d-1",
        "document": "a.txt",
        "sha256": "aa" * 32,
        "page": 3,
        "start": 0,
        "end": 4,
        "quote": "Rain",
    }
    said = {
        "status": "answered",
        "text": "It rains. [1]",
        "claims": [{"text": "It rains.", "verified": True, "citations": [cited]}],
    }
    answer = Answer.model_validate(said)
    assert digest(answer.model_dump(mode="json")) == digest(said)
    assert answer.claims[0].citations[0].place == "page 3"
    newer = Claim(text="It rains.", verified=True, citations=[Citation(**cited, locator="slide 3")])
    assert newer.model_dump()["citations"][0]["locator"] == "slide 3"
    assert Claim.model_validate(newer.model_dump()) == newer
