"""Reads a mail as it was sent (RFC 5322, MIME): what its head says, then its text.

Of a text in several forms the plain one is read, or else the one in HTML. What is attached becomes
documents of their own; nothing that the mail refers to is fetched.
"""

import email
import email.policy
from collections.abc import Iterator
from email.message import EmailMessage, MIMEPart
from typing import Final

from storage.records import DocumentStatus
from tools.parsers import html
from tools.parsers.result import Attachment, Parsed, Refused, clean, has_text, numbered
from tools.parsers.sections import cut
from tools.parsers.text import decode

MEDIA_TYPE: Final = "message/rfc822"
MOST_ATTACHMENTS: Final = 200
_MALFORMED: Final = (ValueError, LookupError, AttributeError, TypeError)
"""What the library raises for fields that break the rules."""
_HEAD: Final = ("From", "To", "Cc", "Date", "Subject")


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
    reason = _told(message)
    try:
        body = list(_body(message))
    except Refused as refused:  # what is attached is not lost for that
        body, status, reason = [], refused.status, f"Its text was not read. {refused.reason}"
    pages = numbered([head, *body])
    if not has_text(pages):
        raise Refused("damaged", "There is no text in it.")
    return Parsed(
        status=status, reason=reason, media_type=MEDIA_TYPE, pages=pages, attachments=attached
    )


def _told(message: EmailMessage) -> str:
    """What is wrong with a mail that can be read all the same."""
    cut_off = {"StartBoundaryNotFoundDefect", "CloseBoundaryNotFoundDefect"}
    defects = {type(each).__name__ for part in message.walk() for each in part.defects}
    return "A part of it may be missing: its end was not found." if defects & cut_off else ""


def _body(message: EmailMessage) -> Iterator[tuple[str, str]]:
    body = message.get_body(("plain", "html"))
    if body is None:
        return
    if body.get_content_type() == "text/html":
        for page in html.read(_content(body)).pages:
            yield f"message › {page.locator}", page.text
        return
    text = clean(_text(body))
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
    """What fields of a head say; as they stand there, where that breaks the rules."""
    try:
        return [str(value) for value in message.get_all(name, ())]
    except _MALFORMED:
        fields = message.raw_items()
        return [str(value) for field, value in fields if field.lower() == name.lower()]


def _text(part: MIMEPart) -> str:
    data = _content(part)
    try:
        return data.decode(part.get_content_charset("utf-8"))
    except (LookupError, UnicodeError):  # it is declared wrongly
        return decode(data)[0]


def _content(part: MIMEPart) -> bytes:
    found = part.get_payload(decode=True)
    return found if isinstance(found, bytes) else b""


def _attachments(message: EmailMessage) -> Iterator[Attachment]:
    for number, part in enumerate(_attached(message, message.get_body(("plain", "html"))), 1):
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
