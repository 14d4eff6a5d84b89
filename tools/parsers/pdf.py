"""Reads PDF: each page as text, and an honest word on what is missing.

pypdfium2 reads; pdf_oxide is asked where that fails or finds no text on a page that shows some.
Neither says when it leaves text out, so `tools.parsers.pdf_integrity` looks at the file beside
them. A file whose text may be incomplete must never end `ready` here. Bytes are hostile: this runs
in the child process of `tools.sandbox`.
"""

import io
import re
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass, field
from typing import Any, TypeVar

import pypdfium2
import pypdfium2.raw as pdfium

from storage.records import DocumentStatus, Page
from tools.parsers.pdf_integrity import Findings, examine, examine_encrypted
from tools.parsers.pdf_labels import locators
from tools.parsers.pdf_look import guessed_letters, is_picture, shows_something, with_annotations
from tools.parsers.pdf_text import UNKNOWN, Writing, opened_text
from tools.parsers.result import (
    HOW_TO_UNLOCK,
    MAX_PAGES,
    UNLOCKED,
    WRONG_PASSWORD,
    Parsed,
    Refused,
    clean,
    listed,
    numbered,
)

MEDIA_TYPE = "application/pdf"

_CLOSED = "It cannot be opened as a PDF. Get an intact copy and add that."
T = TypeVar("T")

FEW = 100
"""Letters on a page that a stamp or a running head can make up alone."""
_SAVED = 50
"""Damaged pages that are read a second time."""
_STRANGE = 0.05
"""Share of a page's characters that may be unknown: bullets are, often."""
_UNREADABLE = re.compile("[\ufffd\ue000-\uf8ff]")
_REMOVE_SECURITY = 3  # FPDF_REMOVE_SECURITY of fpdf_save.h


def read(data: bytes, password: str = "") -> Parsed:
    """The pages of a PDF; the password plays a part if it is locked. Raises nothing."""
    try:
        return _read(data, password)
    except Refused as refused:
        return Parsed(status=refused.status, reason=refused.reason, media_type=MEDIA_TYPE)
    except pypdfium2.PdfiumError:
        return Parsed(status="damaged", reason=_CLOSED, media_type=MEDIA_TYPE)


def _read(data: bytes, password: str) -> Parsed:
    try:
        document = _open(data)
    except _Locked:
        if not password:
            raise
        return _unlocked(data, password)
    if document is None:
        return _without_first_reader(data)
    with closing(document):
        return _with_first_reader(document, data)


def _unlocked(data: bytes, password: str) -> Parsed:
    try:
        document = _open(data, password)
    except _Locked as locked:
        raise Refused("locked", WRONG_PASSWORD) from locked
    if document is None:
        raise Refused("damaged", _CLOSED)
    with closing(document):
        parsed = _with_first_reader(document, data, password)
    return parsed.model_copy(update={"reason": f"{UNLOCKED} {parsed.reason}".strip()})


class _Locked(Refused):
    """Raised where a password is missing, or is not the right one."""

    def __init__(self) -> None:
        super().__init__("locked", f"It opens only with a password. {HOW_TO_UNLOCK}")


def _open(data: bytes, password: str = "") -> pypdfium2.PdfDocument | None:
    """The document; None if pdfium cannot open it. Raises `Refused` if it is locked."""
    try:
        return pypdfium2.PdfDocument(data, password=password or None)
    except pypdfium2.PdfiumError:
        raw = pdfium.FPDF_LoadMemDocument64(data, len(data), password.encode() or None)
    if raw:  # it opens and has no pages; the error is then that of some earlier file
        pdfium.FPDF_CloseDocument(raw)
        return None
    error = pdfium.FPDF_GetLastError()
    if error == pdfium.FPDF_ERR_PASSWORD:
        raise _Locked
    if error == pdfium.FPDF_ERR_SECURITY:
        raise Refused("locked", "It is protected in an unknown way. Add an unprotected copy.")
    return None


def _with_first_reader(document: pypdfium2.PdfDocument, data: bytes, password: str = "") -> Parsed:
    _refuse_what_hides_pages(document)
    findings = _examined(document, data)
    second = _SecondReader(data, password)
    if not findings.misindexed:
        return _judge(document, second, findings)
    # The index passes over objects that are there. Without one, the reader looks for them itself.
    unindexed = data.replace(b"startxref", b"startxxxx")
    rebuilt = _open(unindexed, password)
    if rebuilt is None:
        findings.file.append("its index is corrupt")
        return _judge(document, second, findings)
    with closing(rebuilt):
        return _agreed(_judge(rebuilt, second, findings), document, second)


def _agreed(parsed: Parsed, indexed: pypdfium2.PdfDocument, second: "_SecondReader") -> Parsed:
    """What was read past a wrong index, if no other reading of a page holds much more."""
    if parsed.status != "ready":
        return parsed
    fuller: list[int] = []
    for page in parsed.pages:
        others = [second.page(page.number)]
        with suppress(pypdfium2.PdfiumError, IndexError):
            others.append(_text(indexed[page.number - 1]))
        if any(_is_fuller(other, page.text) for other in others):
            fuller.append(page.number)
    if not fuller:
        return parsed.model_copy(update={"reason": "Its index was corrupt and has been rebuilt."})
    reason = f"Its index is corrupt, and readings of {listed(fuller)} differ. Get an intact copy."
    return parsed.model_copy(update={"status": "damaged", "reason": reason})


def _letters(text: str) -> int:
    return sum(map(str.isalnum, text))


def _is_fuller(other: str, text: str) -> bool:
    """Whether another reading of a page has more than differences in style can explain."""
    return _letters(other) > 1.02 * _letters(text) + 20


def _refuse_what_hides_pages(document: pypdfium2.PdfDocument) -> None:
    if len(document) > MAX_PAGES:
        raise Refused(
            "unsupported", f"It has more than {MAX_PAGES:,} pages. Split it and add the parts."
        )
    if document.get_formtype() == pdfium.FORMTYPE_XFA_FULL:
        raise Refused(
            "unsupported",
            "It is an XFA form, whose text is made only while it is shown. "
            "Open it in Adobe Reader, print it to PDF and add that.",
        )


def _examined(document: pypdfium2.PdfDocument, data: bytes) -> Findings:
    if pdfium.FPDF_GetSecurityHandlerRevision(document) < 0:
        return examine(data)
    # What an owner's password alone protects is readable without it.
    copy = io.BytesIO()
    document.save(copy, flags=_REMOVE_SECURITY)
    return examine_encrypted(data, copy.getvalue())


@dataclass(slots=True)
class _Seen:
    """What was read of each page, and the numbers of those of which something is to be told."""

    texts: list[str] = field(default_factory=list)
    wordless: list[int] = field(default_factory=list)
    """They show something that is not in their text."""
    unreadable: list[int] = field(default_factory=list)
    second: list[int] = field(default_factory=list)
    """They are as the second reader read them."""


def _judge(document: pypdfium2.PdfDocument, second: "_SecondReader", findings: Findings) -> Parsed:
    document.init_forms()
    seen = _Seen()
    for number in range(1, len(document) + 1):
        try:
            text = _page(document, number, second, seen)
        except pypdfium2.PdfiumError:
            text = ""
            findings.pages.setdefault(number, "the page cannot be opened")
        if number not in seen.wordless and (
            _mostly_unreadable(text)
            or (number in findings.unknown and _mostly_guessed(document, number))
        ):
            seen.unreadable.append(number)
        seen.texts.append(text)
    _save(findings, second, seen)
    pages = numbered(zip(locators(document), seen.texts, strict=True))
    if findings.page_count not in (None, len(pages)):
        findings.file.append(f"{findings.page_count} pages are expected and {len(pages)} found")
    return _outcome(pages, findings, seen, document)


def _save(findings: Findings, second: "_SecondReader", seen: _Seen) -> None:
    """Keep what the second reader has of damaged pages, where it has clearly more."""
    for number in sorted(findings.pages)[:_SAVED]:
        if number <= len(seen.texts):
            other = clean(second.page(number), UNKNOWN)
            if _is_fuller(other, seen.texts[number - 1]):
                seen.texts[number - 1] = other
                seen.second.append(number)


def _outcome(
    pages: list[Page], findings: Findings, seen: _Seen, document: pypdfium2.PdfDocument
) -> Parsed:
    def parsed(status: DocumentStatus, reason: str) -> Parsed:
        told = f"{reason} {_reread(seen.second)}".strip()
        return Parsed(status=status, reason=told, media_type=MEDIA_TYPE, pages=pages)

    if not findings.whole:
        return parsed("damaged", _loss(findings))
    if not any(page.text.strip() for page in pages):
        return parsed(
            "needs_ocr",
            f"There is no text on its {len(pages)} page{'s' * (len(pages) > 1)}. "
            "If a person can read it, it is a picture: put it through OCR and add the result.",
        )
    if seen.wordless or seen.unreadable:
        what = []
        if seen.wordless:
            what.append(f"there are pictures without text on {listed(seen.wordless)}")
        if seen.unreadable:
            what.append(f"the letters on {listed(seen.unreadable)} cannot be made out")
        reason = "; ".join(what)
        reason = f"{reason[0].upper()}{reason[1:]}. Put it through OCR and add the result."
        return parsed("needs_ocr", reason)
    return parsed("ready", _told(pages, document))


def _reread(numbers: list[int]) -> str:
    """What to know of pages that a second reader read."""
    if not numbers:
        return ""
    return (
        f"On {listed(numbers)} a second reader found more than the first, and what it found is "
        "kept: lines may be out of order."
    )


def _told(pages: list[Page], document: pypdfium2.PdfDocument) -> str:
    told = []
    if unknown := [page.number for page in pages if UNKNOWN in page.text]:
        told.append(f"Some signs on {listed(unknown)} cannot be made out; they read as {UNKNOWN}.")
    attached = pdfium.FPDFDoc_GetAttachmentCount(document)
    if attached > 0:
        each = (
            f"{attached} attached files: add each" if attached > 1 else "an attached file: add it"
        )
        told.append(f"It carries {each} too.")
    return " ".join(told)


def _loss(findings: Findings) -> str:
    """What is lost, in a sentence."""
    parts = list(findings.file)
    if findings.pages:
        by_kind: dict[str, list[int]] = {}
        for number, what in findings.pages.items():
            by_kind.setdefault(what.split(":")[0], []).append(number)
        parts += [f"on {listed(numbers)} {what}" for what, numbers in by_kind.items()]
    return f"Text may be missing: {'; '.join(parts[:4])}. Get an intact copy and add that."


def _page(
    document: pypdfium2.PdfDocument, number: int, second: "_SecondReader", seen: _Seen
) -> str:
    """The text of a page; whatever is to be told of it is added to what was seen."""
    page = document[number - 1]
    try:
        page = with_annotations(document, page, number)
        text = _text(page)
        letters = _letters(text[: 4 * FEW])
        if letters >= FEW:
            return text
        if not is_picture(page) and (letters or not shows_something(page)):
            return text
    finally:
        page.close()
    other = clean(second.page(number), UNKNOWN)
    if _letters(other) >= FEW:
        seen.second.append(number)
        return other
    seen.wordless.append(number)
    return text


def _text(page: pypdfium2.PdfPage) -> str:
    textpage = opened_text(page)
    try:
        return Writing(textpage).text
    finally:
        textpage.close()


def _mostly_unreadable(text: str) -> bool:
    if text.isascii():
        return False
    strange = len(_UNREADABLE.findall(text))
    return strange > 5 and strange > _STRANGE * len("".join(text.split()))


def _mostly_guessed(document: pypdfium2.PdfDocument, number: int) -> bool:
    """Whether pdfium made up letters that the fonts of a page do not tell."""
    guessed, count = guessed_letters(document, number)
    return guessed > 5 and guessed > _STRANGE * count


class _SecondReader:
    """pdf_oxide, opened when it is first asked."""

    def __init__(self, data: bytes, password: str = "") -> None:
        self._data = data
        self._password = password or None
        self._opened = False
        self._document: Any = None

    def page(self, number: int) -> str:
        """The text of a page; empty where it has none to give."""
        document = self._open()
        if document is None:
            return ""
        return _unless_it_fails(
            lambda: str(document.extract_text(number - 1, extract_tables=False)), ""
        )

    def count(self) -> int:
        """How many pages it sees; 0 where it cannot open the file."""
        document = self._open()
        return 0 if document is None else _unless_it_fails(lambda: int(document.page_count()), 0)

    def _open(self) -> Any:
        if not self._opened:
            import pdf_oxide

            pdf_oxide.disable_logging()
            self._document = _unless_it_fails(
                lambda: pdf_oxide.PdfDocument.from_bytes(self._data, self._password), None
            )
            self._opened = True
        return self._document


def _unless_it_fails(call: Callable[[], T], otherwise: T) -> T:
    """What pdf_oxide gives; whatever it raises, a panic of Rust too, it has nothing for us."""
    try:
        return call()
    except Exception:  # noqa: BLE001
        return otherwise
    except BaseException as error:
        if type(error).__name__ != "PanicException":  # its class cannot be imported
            raise
        return otherwise


def _without_first_reader(data: bytes) -> Parsed:
    """What the second reader makes of a file that the first cannot open."""
    second = _SecondReader(data)
    findings = examine(data)
    count = min(second.count(), MAX_PAGES)
    texts = [clean(second.page(number), UNKNOWN) for number in range(1, count + 1)]
    pages = numbered((f"page {number}", text) for number, text in enumerate(texts, 1))
    if not any(page.text.strip() for page in pages):
        raise Refused("damaged", _CLOSED)
    empty = [page.number for page in pages if not page.text.strip()]
    if findings.page_count not in (None, count):
        findings.file.append(f"{findings.page_count} pages are expected and {count} found")
    if empty:
        findings.file.append(f"{listed(empty)} cannot be read")
    if not findings.whole:
        return Parsed(status="damaged", reason=_loss(findings), media_type=MEDIA_TYPE, pages=pages)
    reason = "It is an unusual PDF, and a second reader was needed: lines may be out of order."
    return Parsed(status="ready", reason=reason, media_type=MEDIA_TYPE, pages=pages)
