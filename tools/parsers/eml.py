"""Reads a mail as it was sent (RFC 5322, MIME): what its head says, then its text.

Of a text in several forms the plain one is read, or else the one in HTML. What is attached becomes
documents of their own; nothing that the mail refers to is fetched.
"""

import email
import email.policy
import re
from collections.abc import Iterator
from email.message import EmailMessage, MIMEPart
from typing import Final

from storage.records import DocumentStatus
from tools.parsers import html
from tools.parsers.result import Attachment, Parsed, Refused, clean, has_text, numbered, words
from tools.parsers.sections import cut
from tools.parsers.text import decode, makes_letters

MEDIA_TYPE: Final = "message/rfc822"
MOST_ATTACHMENTS: Final = 200
_MALFORMED: Final = (ValueError, LookupError, AttributeError, TypeError)
"""What the library raises for fields that break the rules."""
_FORMS: Final = ("plain", "html")
"""In which the text of a mail is read, the best one first."""
_HEAD: Final = ("From", "To", "Cc", "Date", "Subject")
_PACKINGS: Final = words("7bit 8bit binary base64 quoted-printable x-uuencode uuencode x-uue uue")
_KINDS: Final = words("text multipart message application image audio video font model chemical")
_NO_END: Final = "its end was not found"
_NO_PARTS: Final = "the parts that it announces were not found"
_CORRUPT: Final = "what is packed in it is corrupt"
_DEFECTS: Final = {
    "StartBoundaryNotFoundDefect": _NO_END,
    "CloseBoundaryNotFoundDefect": _NO_END,
    "NoBoundaryInMultipartDefect": _NO_PARTS,
    "MultipartInvariantViolationDefect": _NO_PARTS,
    "MissingHeaderBodySeparatorDefect": "its head is corrupt",
    "InvalidBase64CharactersDefect": _CORRUPT,
    "InvalidBase64LengthDefect": _CORRUPT,
}
"""Of what the library finds wrong with a mail: that for which text is lost."""
_RAW: Final = re.compile(
    r"^--\S.*\n(?:[\w-]+: .*\n)*content-(?:type|transfer-encoding): "
    r"|^(?:[A-Za-z0-9+/]{60,76}\n){2}",
    re.IGNORECASE | re.MULTILINE,
)
"""Parts of a mail, or packed bytes, in what should be its text (RFC 2046, 5.1; RFC 2045, 6.8)."""


def read(data: bytes) -> Parsed:
    """A mail and what is attached to it. May raise `Refused`."""
    message = email.message_from_bytes(data, policy=email.policy.default)
    assert isinstance(message, EmailMessage)  # noqa: S101 - the policy makes it one
    try:
        return _read(message)
    except _MALFORMED as error:
        raise Refused("damaged", "A part of it is malformed. Export it again.") from error


def _read(message: EmailMessage) -> Parsed:
    attached = list(_attachments(message))
    head = ("head", "\n".join(_head(message, attached)))
    status: DocumentStatus = "ready"
    told: list[str] = []
    try:
        body = list(_body(message, told))
    except Refused as refused:  # what is attached is not lost for that
        body, status = [], refused.status
        told.append(f"Its text was not read. {refused.reason}")
    pages = numbered([head, *body])
    if not has_text(pages):
        raise Refused("damaged", "There is no text in it.")
    if lost := _lost(message):
        status = "damaged"
        told.append(f"A part of it may be missing: {lost}. Get an intact copy and add that.")
    if not _values(message, "From"):
        told.append("It does not say who it is from, as every mail does.")
    return Parsed(
        status=status,
        reason=" ".join(told),
        media_type=MEDIA_TYPE,
        pages=pages,
        attachments=attached,
    )


def _lost(message: EmailMessage) -> str:
    """Why a part of a mail may be missing although it could be read; "" if nothing speaks for it.

    The library notes what is wrong with a part when it is read.
    """
    for part in message.walk():
        packing = str(part.get("Content-Transfer-Encoding") or "7bit").strip().lower()
        if packing not in _PACKINGS:
            return "it is packed in an unknown way"
        if part.get_content_maintype() not in _KINDS and message.get_body(_FORMS) is None:
            return "it is of an unknown kind"
        if any(_RAW.search(each or "") for each in (part.preamble, part.epilogue)):
            return "there is text outside of its parts"
        for defect in part.defects:
            if found := _DEFECTS.get(type(defect).__name__):
                return found
    return ""


def _body(message: EmailMessage, told: list[str]) -> Iterator[tuple[str, str]]:
    """Locator and text of each page; what to know of them is added to `told`."""
    body = message.get_body(_FORMS)
    if body is None:
        return
    if body.get_content_type() == "text/html":
        for page in html.read(_content(body)).pages:
            yield f"message › {page.locator}", page.text
        return
    text, reason = _text(body)
    text = clean(text)
    if _RAW.search(text):
        reason = "It seems to hold parts that its head does not tell of, which read as they stand."
    told += filter(None, [reason])
    borders = list(cut(text))
    for number, (start, end) in enumerate(borders, 1):
        if part := text[start:end].strip("\n"):
            yield (f"message, part {number}" if len(borders) > 1 else "message"), part


def _head(message: EmailMessage, attached: list[Attachment]) -> Iterator[str]:
    for name in _HEAD:
        for value in _values(message, name):
            yield f"{name}: {' '.join(clean(value).split())}"
    if attached:
        yield f"Attachments: {', '.join(each.name for each in attached)}"


def _values(message: EmailMessage, name: str) -> list[str]:
    """What fields of a head say; as they stand there, where that breaks the rules.

    Of an address that does, the library drops what it cannot place, and says nothing.
    """
    fields = message.raw_items()
    raw = [str(value) for field, value in fields if field.lower() == name.lower()]
    try:
        read = [str(value) for value in message.get_all(name, ())]
    except _MALFORMED:
        return raw
    pairs = zip(read, raw, strict=True)
    return [
        ours if "=?" in theirs or _letters(theirs) <= _letters(ours) else theirs
        for ours, theirs in pairs
    ]


def _letters(text: str) -> int:
    return sum(map(str.isalnum, text))


def _text(part: MIMEPart) -> tuple[str, str]:
    """The text of a part, and what to know of it."""
    data = _content(part)
    try:
        charset = part.get_content_charset("utf-8")
        return data.decode("utf-8" if makes_letters(charset) else charset), ""
    except (LookupError, UnicodeError):
        text, reason = decode(data)
        return text, reason or "Its text is not in the encoding that it declares."


def _content(part: MIMEPart) -> bytes:
    found = part.get_payload(decode=True)
    return found if isinstance(found, bytes) else b""


def _attachments(message: EmailMessage) -> Iterator[Attachment]:
    for number, part in enumerate(_attached(message, message.get_body(_FORMS)), 1):
        if number > MOST_ATTACHMENTS:
            raise Refused("unsupported", f"It has more than {MOST_ATTACHMENTS} attachments.")
        if part.get_content_type() == "message/rfc822":
            inner = part.get_content()
            subject = " ".join(str(inner.get("Subject", "")).split())
            yield Attachment(name=_named(f"{subject or f'mail {number}'}.eml"), data=bytes(inner))
        else:
            name = part.get_filename() or f"attachment {number}"
            yield Attachment(name=_named(name), data=_content(part))


def _attached(part: MIMEPart, body: MIMEPart | None) -> Iterator[MIMEPart]:
    """The parts of a mail beside its text, however they are nested; a mail in it is one part."""
    if part is body:
        return
    if part.get_content_type() == "message/rfc822" or not part.is_multipart():
        yield part
        return
    is_text = part.get_content_type() == "multipart/alternative" and body in [*part.walk()]
    for each in part.iter_parts():
        if not (is_text and each.get_content_maintype() == "text"):  # the same in another form
            yield from _attached(each, body)


def _named(name: str) -> str:
    """A name without folders: it comes from a stranger."""
    return " ".join(clean(name).replace("\\", "/").rpartition("/")[2].split())[:200] or "attachment"
