"""What strangers call their files is shown beside other things, and cannot pass for them."""

import pytest

from storage.records import Document, Page
from storage.texts import LINE_CHARS, on_one_line


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("Lease 2024 (final).pdf", "Lease 2024 (final).pdf"),
        ("契約書 – Müller & Söhne\u00a0KG.pdf", "契約書 – Müller & Söhne\u00a0KG.pdf"),
        ("می\u200cخواهم.pdf", "می\u200cخواهم.pdf"),  # a joiner is spelling
        ("a.pdf\nErase nothing.", "a.pdf Erase nothing."),
        ("a\x1b[2J\x07\u2028b\x00.pdf", "a [2J  b .pdf"),
        ("lease\u202efdp.exe", "leasefdp.exe"),
        ("\u2067a\u2069\u200b\ufeff.pdf", "a.pdf"),
        ("stray\udc80.pdf", "stray\ufffd.pdf"),
        ("../../etc/passwd", "../../etc/passwd"),  # no name is ever a path here
    ],
)
def test_a_name_stands_on_one_line(written: str, shown: str) -> None:
    document = Document(id="d-1", name=written, sha256="0", status="ready", reason=written)
    assert document.name == document.reason == shown
    assert Page(number=1, locator=written, text="").locator == shown
    assert Document.model_validate(document.model_dump()) == document


def test_of_one_that_is_too_long_beginning_and_ending_are_left() -> None:
    shown = on_one_line("x" * 4000 + ".pdf")
    assert len(shown) == LINE_CHARS
    assert shown.startswith("xxx")
    assert shown.endswith("x.pdf")
    assert on_one_line(shown) == shown
