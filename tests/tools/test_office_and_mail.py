"""Workbooks, presentations, tables of text and mails become pages; what is lost is told."""

import datetime
import io
import re
import zipfile
from collections.abc import Callable
from email.message import EmailMessage
from typing import Any

import openpyxl
import pptx
import pytest
from msoffcrypto.format.ooxml import OOXMLFile
from pptx.util import Inches

from storage.texts import LINE_CHARS
from tools.parsers.result import Parsed
from tools.parsing import parse


def shown(parsed: Parsed) -> list[tuple[str, str]]:
    return [(page.locator, page.text) for page in parsed.pages]


class TestCsv:
    @pytest.mark.parametrize("between", [",", ";", "\t", "|"])
    def test_cells_stand_between_bars(self, between: str) -> None:
        rows = [["party", "rent", "until"], ["Aldous Freight Ltd", "1.200", "2027"]] * 3
        data = "\r\n".join(between.join(row) for row in rows).encode()
        page = parse(data, "rents.csv").pages[0]
        assert page.locator == "rows 1–6"
        assert page.text.startswith("party | rent | until\nAldous Freight Ltd | 1.200 | 2027\n")

    def test_the_row_with_the_names_stands_on_every_page(self) -> None:
        rows = [f'{n},"Tenant {n}, of Columbus",{n * 100}' for n in range(2, 402)]
        pages = parse("\n".join(["no,name,rent", *rows]).encode(), "rents.csv").pages
        assert len(pages) > 2
        assert all(page.text.startswith("no | name | rent\n") for page in pages)
        assert re.fullmatch(r"row 1 and rows \d+–401", pages[-1].locator)
        told = [line for page in pages for line in page.text.splitlines()[1:]]
        assert told == [f"{n} | Tenant {n}, of Columbus | {n * 100}" for n in range(2, 402)]

    def test_what_looks_like_a_formula_is_text(self) -> None:
        parsed = parse(b'name,amount\n"=HYPERLINK(""http://x.test"",""click"")",10\n', "a.csv")
        assert parsed.status == "ready"
        assert '=HYPERLINK("http://x.test","click") | 10' in parsed.pages[0].text

    def test_a_row_that_no_person_reads_is_refused(self) -> None:
        assert parse(b"name,text\na," + b"word " * 40_000, "a.csv").status == "ready"
        parsed = parse(b"name,text\na," + b"word " * 60_000, "a.csv")
        assert parsed.status == "unsupported"
        assert "(row 1 and row 2) holds more than 250,000 characters" in parsed.reason

    def test_a_cell_may_hold_lines(self) -> None:
        parsed = parse(b'a,b\n"one\ntwo",3\n', "a.csv")
        assert shown(parsed) == [("rows 1–2", "a | b\none two | 3")]


def workbook(fill: Callable[[Any], None]) -> bytes:
    book = openpyxl.Workbook()
    fill(book)
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


class TestXlsx:
    def test_each_sheet_says_where_its_cells_are(self) -> None:
        def fill(book: Any) -> None:
            book.active.title = "Rents"
            book.active.append(["Rents of 2026"])
            book.active.append([])
            book.active.append(["tenant", "rent", None, "from"])
            book.active.append(["Birch", 1200.5, None, datetime.date(2026, 5, 3)])
            other = book.create_sheet("It's new")
            other["B2"] = True

        parsed = parse(workbook(fill), "rents.xlsx")
        assert (parsed.status, parsed.reason) == ("ready", "")
        assert shown(parsed) == [
            (
                "Rents!A1:D4",
                "Rents of 2026\ntenant | rent |  | from\nBirch | 1200.5 |  | 2026-05-03",
            ),
            ("'It''s new'!A2:B2", " | TRUE"),
        ]

    @pytest.mark.parametrize(
        ("value", "form", "text"),
        [
            (0.125, "0.0%", "12.5%"),
            (1234567.5, "#,##0.00", "1,234,567.50"),
            (1234567, "#,##0;[Red](#,##0)", "1,234,567"),
            (3, "0.00", "3.00"),
            (0.1 + 0.2, "General", "0.3"),
            (1234.56, "#,##0.##", "1,234.56"),
            (1234.0, "#,##0.##", "1,234"),
            (1.25, "0.0#", "1.25"),
            (7.5, '0.00" per 0.5 hours"', "7.50"),
            (0.00000015, "0.00E+00", "1.50E-07"),
            (1500000, '#,##0.0,,"M"', "1500000"),
            (1234.5, "#,##0", "1,235"),
            (2.675, "0.00", "2.68"),
            (0.125, "0%", "13%"),
            (-2.5, "#,##0", "-3"),
            (1e300, "0.0", f"1{'0' * 300}.0"),
            (datetime.datetime(2026, 5, 3, 14, 30), "yyyy-mm-dd hh:mm", "2026-05-03 14:30"),
        ],
    )
    def test_numbers_read_as_they_are_shown(self, value: Any, form: str, text: str) -> None:
        def fill(book: Any) -> None:
            book.active["A1"] = value
            book.active["A1"].number_format = form

        assert parse(workbook(fill), "a.xlsx").pages[0].text == text

    @pytest.mark.parametrize(
        ("written", "instead"),
        [
            ('<row r="2">', '<row r="1">'),
            ('<row r="1">', "<row spans='1:2' r='9'>"),
            ('r="B2"', 'r="A2"'),
            ('r="A3"', 'r="C3"'),
        ],
    )
    def test_rows_and_cells_that_would_be_left_out_are_told(
        self, written: str, instead: str
    ) -> None:
        def fill(book: Any) -> None:
            for row in ["one", 1], ["two", 2], ["three", 3]:
                book.active.append(row)

        whole = workbook(fill)
        assert parse(whole, "a.xlsx").status == "ready"
        parsed = parse(with_part(whole, "xl/worksheets/sheet1.xml", written, instead), "a.xlsx")
        assert parsed.status == "damaged"
        assert "not in their order" in parsed.reason

    def test_rows_without_numbers_come_one_after_the_other(self) -> None:
        def fill(book: Any) -> None:
            for row in ["one", 1], ["two", 2]:
                book.active.append(row)

        bare = workbook(fill)
        for number in (1, 2):
            bare = with_part(bare, "xl/worksheets/sheet1.xml", f'<row r="{number}">', "<row>")
        assert parse(bare, "a.xlsx").pages[0].text == "one | 1\ntwo | 2"

    def test_the_row_with_the_names_stands_on_every_page(self) -> None:
        def fill(book: Any) -> None:
            for row in [["no", "name"], *([n, f"Tenant {n} of Columbus"] for n in range(2, 402))]:
                book.active.append(row)

        pages = parse(workbook(fill), "a.xlsx").pages
        assert len(pages) > 2
        assert re.fullmatch(r"Sheet!A1:B1 and Sheet!A\d+:B401", pages[-1].locator)
        assert pages[-1].text.startswith("no | name\n")

    def test_a_formula_that_was_never_computed_is_told(self) -> None:
        def fill(book: Any) -> None:
            book.active.append(["a", "b"])
            book.active.append([1, "=A2+1"])

        parsed = parse(workbook(fill), "a.xlsx")
        assert parsed.status == "ready"
        assert "A formula was never computed" in parsed.reason

    def test_one_that_was_computed_reads_as_its_value(self) -> None:
        def fill(book: Any) -> None:
            book.active.append(["a", "b"])
            book.active.append([1, "=A2+1"])

        data = with_part(workbook(fill), "xl/worksheets/sheet1.xml", "<v></v>", "<v>2</v>")
        data = with_part(data, "xl/worksheets/sheet1.xml", "<v />", "<v>2</v>")
        assert shown(parse(data, "a.xlsx")) == [("Sheet!A1:B2", "a | b\n1 | 2")]
        assert not parse(data, "a.xlsx").reason

    def test_what_excel_does_not_show_is_told(self) -> None:
        def fill(book: Any) -> None:
            book.active.append(["rent", 1200])
            for state in "hidden", "veryHidden":
                other = book.create_sheet(f"{state} rents")
                other.append(["rent", 900])
                other.sheet_state = state

        parsed = parse(workbook(fill), "a.xlsx")
        assert (
            parsed.reason == "Hidden in it, and read all the same: hidden rents, veryHidden rents."
        )

    @pytest.mark.parametrize(
        ("part", "old", "new"),
        [
            (
                "[Content_Types].xml",
                "</Types>",
                '<Override PartName="/xl/other.xml" ContentType="x.sharedStrings+xml"/></Types>',
            ),
            ("[Content_Types].xml", "/xl/workbook.xml", "/xl/other.xml"),
            ("xl/_rels/workbook.xml.rels", "sheet2.xml", "SHEET2.xml"),
        ],
    )
    def test_it_is_read_as_excel_would_read_it(self, part: str, old: str, new: str) -> None:
        def fill(book: Any) -> None:
            book.active.append(["rent", 1200])
            book.create_sheet("more").append(["deposit", 900])

        data = workbook(fill)
        assert len(parse(data, "a.xlsx").pages) == 2
        with zipfile.ZipFile(more := io.BytesIO(with_part(data, part, old, new)), "a") as package:
            package.writestr("xl/other.xml", package.read("xl/workbook.xml"))
        parsed = parse(more.getvalue(), "a.xlsx")
        assert (parsed.status, "does not lead to its sheets" in parsed.reason) == ("damaged", True)

    def test_no_part_stands_for_another(self) -> None:
        data = workbook(lambda book: book.active.append(["a", "b"]))
        with zipfile.ZipFile(twice := io.BytesIO(data), "a") as package:
            package.writestr("xl/worksheets/SHEET1.xml", package.read("xl/worksheets/sheet1.xml"))
        parsed = parse(twice.getvalue(), "a.xlsx")
        assert (parsed.status, "the same name" in parsed.reason) == ("damaged", True)

    def test_no_name_in_it_is_told_at_any_length(self) -> None:
        data = workbook(lambda book: book.active.append(["a", "b"]))
        data = with_part(data, "xl/workbook.xml", 'name="Sheet"', f'name="{"S" * 100_000}"')
        with zipfile.ZipFile(more := io.BytesIO(data), "a") as package:
            for n in range(5):
                package.writestr(f"xl/worksheets/{n}\x1b[2J{'€' * 20_000}.xml", "")
        parsed = parse(more.getvalue(), "a.xlsx")
        assert parsed.status == "ready"
        told = (parsed.reason, parsed.pages[0].locator, parsed.pages[0].grid.sheet)  # type: ignore[union-attr]
        assert all(len(each) <= LINE_CHARS and "\x1b" not in each for each in told)

    def test_what_a_sheet_says_of_its_size_is_not_believed(self) -> None:
        data = workbook(lambda book: book.active.append(["a", "b"]))
        sheet = "xl/worksheets/sheet1.xml"
        for size in ("A1:XFD1048576", "A1"):
            said = with_part(data, sheet, '<dimension ref="A1:B1"', f'<dimension ref="{size}"')
            assert parse(said, "a.xlsx").pages[0].text == "a | b"


def with_part(data: bytes, path: str, old: str, new: str) -> bytes:
    """The same package with something replaced in one of its parts."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as source, zipfile.ZipFile(out, "w") as target:
        for each in source.namelist():
            part = source.read(each)
            target.writestr(
                each, part.replace(old.encode(), new.encode()) if each == path else part
            )
    return out.getvalue()


def slides(fill: Callable[[Any], None]) -> bytes:
    show = pptx.Presentation()
    fill(show)
    out = io.BytesIO()
    show.save(out)
    return out.getvalue()


def titled(show: Any, title: str) -> None:
    """Add a slide that has a title alone."""
    show.slides.add_slide(show.slide_layouts[5]).shapes.title.text = title


class TestPptx:
    def test_a_slide_is_a_page_with_its_table_and_notes(self) -> None:
        def fill(show: Any) -> None:
            slide = show.slides.add_slide(show.slide_layouts[5])
            box = slide.shapes.add_textbox(0, 0, Inches(1), Inches(1))
            box.text_frame.text = "A box"
            slide.shapes.title.text = "Rents"
            table = slide.shapes.add_table(2, 2, 0, 0, Inches(1), Inches(1)).table
            for n, text in enumerate(["tenant", "rent", "Birch", "1,200"]):
                table.cell(n // 2, n % 2).text = text
            slide.notes_slide.notes_text_frame.text = "Say that it is due in May."
            second = show.slides.add_slide(show.slide_layouts[6])
            group = second.shapes.add_group_shape()
            group.shapes.add_textbox(0, 0, 9, 9).text_frame.text = "In a group"

        parsed = parse(slides(fill), "rents.pptx")
        assert (parsed.status, parsed.reason) == ("ready", "")
        assert shown(parsed) == [
            (
                "slide 1",
                "Rents\nA box\ntenant | rent\nBirch | 1,200\nNotes:\nSay that it is due in May.",
            ),
            ("slide 2", "In a group"),
        ]

    def test_a_workbook_inside_of_it_does_not_make_it_one(self) -> None:
        def fill(show: Any) -> None:
            titled(show, "Rents of all years")

        out = io.BytesIO(slides(fill))
        with zipfile.ZipFile(out, "a", zipfile.ZIP_STORED) as archive:  # as a chart keeps its rows
            archive.writestr("ppt/embeddings/rents.xlsx", workbook(lambda _: None))
        assert parse(out.getvalue(), "rents.pptx").pages[0].text == "Rents of all years"

    def test_slides_come_as_they_are_shown_and_hidden_ones_are_marked(self) -> None:
        def fill(show: Any) -> None:
            for title in ("first", "second"):
                slide = show.slides.add_slide(show.slide_layouts[5])
                slide.shapes.title.text = title
            order = show.slides._sldIdLst
            order.append(order[0])
            show.slides[1]._element.set("show", "0")

        assert shown(parse(slides(fill), "a.pptx")) == [
            ("slide 1", "second"),
            ("slide 2 (hidden)", "first"),
        ]

    def test_no_text_is_not_ready(self) -> None:
        data = slides(lambda show: show.slides.add_slide(show.slide_layouts[6]))
        assert parse(data, "a.pptx").status == "damaged"


@pytest.mark.parametrize(
    ("name", "make", "part"),
    [
        ("a.xlsx", lambda: workbook(lambda b: b.active.append(["a"])), "xl/worksheets/sheet1.xml"),
        (
            "a.pptx",
            lambda: slides(lambda show: titled(show, "Rents")),
            "ppt/slides/slide1.xml",
        ),
    ],
)
class TestHostilePackages:
    def test_bombs_are_not_unpacked(
        self, name: str, make: Callable[[], bytes], part: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("tools.parsers.package.MAX_PART", 200)
        parsed = parse(make(), name)
        assert parsed.status == "unsupported"
        assert "unpacks" in parsed.reason

    def test_cut_off_anywhere_they_are_damaged(
        self, name: str, make: Callable[[], bytes], part: str
    ) -> None:
        data = make()
        for size in range(10, len(data), len(data) // 7):
            assert parse(data[:size], name).status == "damaged"

    def test_a_part_that_is_no_xml_is_damaged(
        self, name: str, make: Callable[[], bytes], part: str
    ) -> None:
        assert parse(with_part(make(), part, "</", "<<"), name).status == "damaged"

    def test_a_part_that_stands_where_another_should_is_damaged(
        self, name: str, make: Callable[[], bytes], part: str
    ) -> None:
        data = with_part(make(), part, "worksheet", "chartsheet")
        data = with_part(data, part, "p:sld", "p:sldLayout")
        parsed = parse(data, name)
        assert (parsed.status, "stands where another should" in parsed.reason) == ("damaged", True)

    def test_parts_that_nothing_leads_to_are_told(
        self, name: str, make: Callable[[], bytes], part: str
    ) -> None:
        stray = part.replace("1.xml", "7.xml")
        out = io.BytesIO(make())
        with zipfile.ZipFile(out, "a") as archive:
            archive.writestr(stray, archive.read(part))
        parsed = parse(out.getvalue(), name)
        assert (parsed.status, stray in parsed.reason) == ("ready", True)

    def test_entities_are_never_expanded(
        self, name: str, make: Callable[[], bytes], part: str
    ) -> None:
        root = "<worksheet" if name == "a.xlsx" else "<p:sld "
        declared = f'<!DOCTYPE x [<!ENTITY e "expanded">]>{root}'
        parsed = parse(with_part(make(), part, root, declared), name)
        assert parsed.status == "damaged"


class TestLocked:
    """Files that Office has encrypted (MS-OFFCRYPTO) are read with their password."""

    @staticmethod
    def locked(password: str) -> bytes:
        out = io.BytesIO()
        plain = workbook(lambda book: book.active.append(["tenant", "rent"]))
        OOXMLFile(io.BytesIO(plain)).encrypt(password, out)
        return out.getvalue()

    def test_with_its_password_it_is_read(self) -> None:
        data = self.locked("Sesam öffne dich")
        assert parse(data, "rents.xlsx").status == "locked"
        parsed = parse(data, "rents.xlsx", "Sesam öffne dich")
        assert (parsed.status, shown(parsed)) == ("ready", [("Sheet!A1:B1", "tenant | rent")])
        assert "kept without one" in parsed.reason
        wrong = parse(data, "rents.xlsx", "Sesam schließe dich")
        assert (wrong.status, wrong.pages) == ("locked", [])
        assert "does not open it" in wrong.reason
        assert parse(data, "rents.docx", "Sesam öffne dich").status == "unsupported"

    def test_what_was_altered_since_it_was_locked_is_never_ready(self) -> None:
        data = self.locked("Sesam")
        seen = set()
        for at in range(len(data) // 8, len(data), len(data) // 3):
            altered = data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]
            parsed = parse(altered, "rents.xlsx", "Sesam")
            assert parsed.reason
            if parsed.status == "ready":  # that byte stood in no stream
                assert parsed.pages == parse(data, "rents.xlsx", "Sesam").pages
            seen.add(parsed.status)
        assert "damaged" in seen


def mail(**options: Any) -> EmailMessage:
    message = EmailMessage()
    message["From"], message["To"] = "Ann <ann@a.test>", "bob@b.test"
    message["Subject"] = "Kündigung der Lagerhalle"
    message.set_content("Dear Bob,\n\nthe lease ends in May.\n", **options)
    return message


class TestMail:
    def test_its_head_and_its_text_are_pages(self) -> None:
        assert shown(parse(bytes(mail()), "a.eml")) == [
            ("head", "From: Ann <ann@a.test>\nTo: bob@b.test\nSubject: Kündigung der Lagerhalle"),
            ("message", "Dear Bob,\n\nthe lease ends in May."),
        ]

    @pytest.mark.parametrize("charset", ["utf-8", "iso-8859-1", "cp1252"])
    def test_the_declared_encoding_counts(self, charset: str) -> None:
        message = mail()
        message.set_content("Kündigung", charset=charset)
        assert parse(bytes(message), "a.eml").pages[1].text == "Kündigung"

    def test_but_for_one_that_only_python_knows(self) -> None:
        head = b"From: ann@a.test\nContent-Type: text/plain; charset=unicode_escape\n\n"
        assert parse(head + b"\\u0031 million\n", "a.eml").pages[1].text == "\\u0031 million"

    def test_only_in_html_it_reads_as_it_is_shown(self) -> None:
        message = mail()
        message.clear_content()
        message.set_content("<h1>Notice</h1><p>It ends in <b>May</b>.</p>", subtype="html")
        assert shown(parse(bytes(message), "a.eml"))[1] == (
            "message › Notice",
            "Notice\nIt ends in May.",
        )

    def test_what_is_attached_comes_with_it(self) -> None:
        message = mail()
        message.add_attachment(b"rows", maintype="text", subtype="csv", filename="../x/rents.csv")
        message.add_attachment(mail())
        parsed = parse(bytes(message), "a.eml")
        assert [each.name for each in parsed.attachments] == [
            "rents.csv",
            "Kündigung der Lagerhalle.eml",
        ]
        assert parsed.attachments[0].data == b"rows"
        assert "Attachments: rents.csv, Kündigung" in parsed.pages[0].text
        assert Parsed.model_validate_json(parsed.model_dump_json()) == parsed

    def test_a_text_of_pictures_alone_keeps_what_is_attached(self) -> None:
        message = mail()
        message.clear_content()
        message.set_content("<img src='cid:1'>", subtype="html")
        message.add_attachment(b"rows", maintype="text", subtype="csv", filename="rents.csv")
        parsed = parse(bytes(message), "a.eml")
        assert parsed.status == "needs_ocr"
        assert "Its text was not read" in parsed.reason
        assert [each.name for each in parsed.attachments] == ["rents.csv"]

    @pytest.mark.parametrize("to", ["bob\\xfc: ;,@", "=?utf-8?q?=fc?= <=?x?b?/=", ":;:,@<", '"'])
    def test_a_head_that_breaks_the_rules_is_read_as_it_stands(self, to: str) -> None:
        parsed = parse(bytes(mail()).replace(b"bob@b.test", to.encode("latin-1")), "a.eml")
        assert parsed.status == "ready"
        assert "ends in May" in parsed.pages[1].text

    def test_what_is_attached_is_found_however_it_is_nested(self) -> None:
        inner = EmailMessage()
        inner.make_mixed()
        inner.add_attachment(b"rows", maintype="text", subtype="csv", filename="rents.csv")
        inner.add_attachment(b"", maintype="a", subtype="b", filename="empty.bin")
        message = mail()
        message.add_alternative("<p>The lease ends in May.</p>", subtype="html")
        message.make_mixed()
        message.attach(inner)
        parsed = parse(bytes(message), "a.eml")
        assert [(each.name, each.data) for each in parsed.attachments] == [
            ("rents.csv", b"rows"),
            ("empty.bin", b""),
        ]
        assert parsed.pages[1].text == "Dear Bob,\n\nthe lease ends in May."

    @pytest.mark.parametrize(
        ("old", "new", "said"),
        [
            ("\n--marker--", "\n", "its end was not found"),
            ("--marker\n", "--maker\n", "text outside of its parts"),
            ("multipart/mixed", "multip`rt/mixed", "unknown kind"),
            ("boundary=", "bound=", "parts that it announces"),
            (": base64", ": base94", "packed in an unknown way"),
            ("RGVhciBCb2Is", "RGVhciBCb2I!", "packed in it is corrupt"),
        ],
    )
    def test_what_is_lost_of_a_mail_is_told_and_what_is_left_is_kept(
        self, old: str, new: str, said: str
    ) -> None:
        message = mail(cte="base64")
        message.add_attachment(b"rows", maintype="text", subtype="csv", filename="rents.csv")
        message.set_boundary("marker")
        whole = message.as_string()
        assert parse(whole.encode(), "a.eml").reason == ""
        parsed = parse(whole.replace(old, new, 1).encode(), "a.eml")
        assert (parsed.status, said in parsed.reason) == ("damaged", True), parsed.reason
        assert parsed.pages[0].text.startswith("From: Ann")

    def test_an_address_that_breaks_the_rules_loses_no_letter(self) -> None:
        data = bytes(mail()).replace(b"From: Ann", b"From: @nn")
        assert parse(data, "a.eml").pages[0].text.startswith("From: @nn <ann@a.test>")

    def test_a_mail_from_nobody_is_told(self) -> None:
        data = bytes(mail()).replace(b"From:", b"Frim:")
        assert "who it is from" in parse(data, "a.eml").reason

    def test_a_line_of_the_mailbox_that_it_was_in_does_no_harm(self) -> None:
        data = b"From 146282@xxx Mon Mar 17 11:15:17 +0000 2014\n" + bytes(mail())
        parsed = parse(data, "a.eml")
        assert (parsed.status, parsed.reason) == ("ready", "")
        assert parsed.pages == parse(bytes(mail()), "a.eml").pages

    def test_what_is_no_mail_is_refused(self) -> None:
        assert parse(b"This is plain text.", "a.eml").status == "unsupported"
