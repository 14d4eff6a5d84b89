"""Turns the bytes of a file into pages of text, or into an honest word on why not.

Pure: it touches nothing but its argument, so that it runs in a child process (`tools.sandbox`,
through which everything goes that is not made here) as well as in a test. What a file is, its
content and its name decide together; where they disagree it is never `ready`, because one of them
is wrong and nobody knows which. The readers are in `tools.parsers`, what they hand back in
`tools.parsers.result`.
"""

import re
from collections.abc import Callable
from functools import partial
from importlib import import_module
from typing import Final, cast

from tools.parsers.office_lock import LOCKED, unlocked
from tools.parsers.result import MAX_BYTES, UNLOCKED, Parsed, Refused, words

__all__ = ["MEDIA_TYPES", "PARSER_VERSION", "SUPPORTED", "Parsed", "parse"]

PARSER_VERSION: Final = "5"
"""Goes up when the same bytes give another result."""
SUPPORTED: Final = "PDF, DOCX, XLSX, PPTX, HTML, Markdown, CSV, EML or plain text"

_KINDS = {
    ".pdf": "PDF",
    ".docx": "DOCX",
    ".docm": "DOCX",
    ".xlsx": "XLSX",
    ".xlsm": "XLSX",
    ".pptx": "PPTX",
    ".pptm": "PPTX",
    ".ppsx": "PPTX",
    ".csv": "CSV",
    ".tsv": "CSV",
    ".eml": "EML",
    ".html": "HTML",
    ".htm": "HTML",
    ".xhtml": "HTML",
    ".md": "Markdown",
    ".markdown": "Markdown",
    ".txt": "text",
    ".text": "text",
    "": "",  # a name without an ending claims nothing
}
_OPEN_XML = "application/vnd.openxmlformats-officedocument"
MEDIA_TYPES = {
    "PDF": "application/pdf",
    "DOCX": f"{_OPEN_XML}.wordprocessingml.document",
    "XLSX": f"{_OPEN_XML}.spreadsheetml.sheet",
    "PPTX": f"{_OPEN_XML}.presentationml.presentation",
    "CSV": "text/csv",
    "EML": "message/rfc822",
    "HTML": "text/html",
    "Markdown": "text/markdown",
    "text": "text/plain",
}
_LINES = frozenset(["text", "Markdown", "CSV", "EML"])
"""Kinds that are told from text by their name alone."""
_READERS = {
    "DOCX": "docx",
    "XLSX": "xlsx",
    "PPTX": "pptx",
    "CSV": "delimited",
    "EML": "eml",
    "HTML": "html",
}
_PICTURES = words(".png .jpg .jpeg .tif .tiff .gif .bmp .webp .heic .heif .jp2")
_MAGIC = (
    (b"\x89PNG\r\n", "a picture"),
    (b"\xff\xd8\xff", "a picture"),
    (b"GIF8", "a picture"),
    (b"II*\0", "a picture"),
    (b"MM\0*", "a picture"),
    (b"\0\0\0\x0cjP  ", "a picture"),
    (b"{\\rtf", "RTF"),
    (b"\x1f\x8b", "a compressed archive"),
    (b"7z\xbc\xaf", "a compressed archive"),
    (b"Rar!", "a compressed archive"),
    (b"\x7fELF", "a program"),
    (b"MZ\x90", "a program"),
    (b"%!PS", "PostScript"),
)
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_OFFICE = (("word/", "DOCX"), ("xl/", "XLSX"), ("ppt/", "PPTX"))
_PDF = re.compile(rb"%PDF-\d")
_HTML = re.compile(
    rb"(?:\xef\xbb\xbf)?(?:\s|<!--.*?-->|<\?xml[^>]*>)*<(?:!doctype\s+html|html[\s>]|head[\s>]|body[\s>])",
    re.IGNORECASE | re.DOTALL,
)
_MAIL = re.compile(
    rb"(?:From [^\r\n]*\r?\n)?(?:[!-9;-~]{1,76}:[ \t][^\r\n]*\r?\n(?:[ \t][^\r\n]*\r?\n)*){2,}",
    re.IGNORECASE,
)
_TAG = re.compile(rb"<(?:!--|/?[a-zA-Z][a-zA-Z0-9]*[\s/>])")


def parse(data: bytes, name: str, password: str = "") -> Parsed:
    """The pages of a file, or why there are none. Raises nothing for any bytes or name.

    The password opens the file if it is locked; otherwise it plays no part.
    It may still run long, or out of memory: `tools.sandbox` sets the limits.
    """
    kind = ""
    try:
        if password and _is_locked_office(data):
            parsed = parse(unlocked(data, password), name)
            return parsed.model_copy(update={"reason": f"{UNLOCKED} {parsed.reason}".strip()})
        kind = _decide(data, _ending(name))
        return _reader(kind, password)(data)
    except Refused as refused:
        status, reason = refused.status, refused.reason
    except (MemoryError, RecursionError):
        status = "damaged"
        reason = "Reading it takes more memory than is allowed. Split it, or get another copy."
    return Parsed(status=status, reason=reason, media_type=MEDIA_TYPES.get(kind, ""))


def _is_locked_office(data: bytes) -> bool:
    """Whether it is a compound file that holds an encrypted one (MS-OFFCRYPTO, 2.3.4)."""
    return data.startswith(_OLE) and "EncryptedPackage".encode("utf-16-le") in data


def _ending(name: str) -> str:
    """What a name ends in, if that tells a kind; "Exhibit 10.1" and "Acme Inc. lease" do not."""
    found = re.search(r"\.(?=\d*[a-z])[a-z0-9]{1,10}$", name.lower())
    return found[0] if found else ""


def _decide(data: bytes, ending: str) -> str:
    """The kind that name and content agree on. Raises `Refused` where they do not."""
    claimed = _KINDS.get(ending)
    if not data:
        raise Refused("damaged", "The file is empty. Get a complete copy and add that.")
    if len(data) > MAX_BYTES:
        raise Refused(
            "unsupported",
            f"It has {len(data) >> 20} MB; {MAX_BYTES >> 20} MB can be read. Split it.",
        )
    if ending in _PICTURES:
        raise Refused("needs_ocr", "It is a picture. Put it through OCR and add the result as PDF.")
    if claimed is None:
        raise Refused("unsupported", f"{ending} files are not supported. Add it as {SUPPORTED}.")
    held = _held(data, claimed)
    if held == claimed:
        return held
    if not claimed and held in MEDIA_TYPES:
        return held
    raise _mismatch(ending, held)


def _held(data: bytes, claimed: str) -> str:
    """What the content is, as far as it shows; what is claimed, where nothing speaks against."""
    if _is_locked_office(data):
        return "a locked Office file"
    if data.startswith(_OLE):
        return "a document of an old Office format"
    if data.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return _zipped(data, claimed)
    for magic, held in _MAGIC:
        if data.startswith(magic):
            return held
    if _HTML.match(data[:4096]):
        return "HTML"
    if _PDF.search(data[:1024] if claimed == "PDF" else data[:16].lstrip()[:6]):
        return "PDF"
    if b"\0" in data[:4096] and not data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "text" if claimed in _LINES else "no readable text"
    return _text(data, claimed)


def _text(data: bytes, claimed: str) -> str:
    if claimed == "HTML" and _TAG.search(data):
        return "HTML"
    if claimed == "EML":
        return "EML" if _MAIL.match(data) else "text"
    return claimed if claimed in _LINES else "text"


def _zipped(data: bytes, claimed: str) -> str:
    """An Office file is a ZIP archive. Where its list is lost, parts stand at the end or first."""
    from tools.parsers.package import listed  # few files need it

    names = listed(data)
    for folder, kind in _OFFICE:
        if any(name.startswith(folder) for name in names):
            return kind
    for folder, kind in _OFFICE if not names else ():
        if folder.encode() in data[-65536:] or folder.encode() in data[:4096]:
            return kind
    return claimed if claimed in ("DOCX", "XLSX", "PPTX") else "a compressed archive"


def _mismatch(ending: str, held: str) -> Refused:
    if held == "a locked Office file":
        return Refused("locked", LOCKED)
    if held == "a picture":
        return Refused("needs_ocr", "It holds a picture. Put it through OCR and add the result.")
    named = f"It is named {ending} but holds" if ending else "It holds"
    if held in MEDIA_TYPES:
        right = next((ending for ending, kind in _KINDS.items() if kind == held), ".txt")
        return Refused("unsupported", f"{named} {held}. Rename it to {right} and add it again.")
    if held in ("no readable text", "text"):
        return Refused("damaged", f"{named} {held}. Get an intact copy and add that.")
    return Refused("unsupported", f"{named} {held}. Add it as {SUPPORTED}.")


def _reader(kind: str, password: str) -> Callable[[bytes], Parsed]:
    """The reader of a kind; what it needs is imported when it is first asked for."""
    if kind == "PDF":
        from tools.parsers import pdf

        return partial(pdf.read, password=password)
    if kind in _READERS:
        module = import_module(f"tools.parsers.{_READERS[kind]}")
        return cast(Callable[[bytes], Parsed], module.read)
    from tools.parsers import text

    return text.read_markdown if kind == "Markdown" else text.read_text
