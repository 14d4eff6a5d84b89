"""What a reader hands back, and what holds for the text of every page.

Nothing here reads a file. How a file finds its reader is in `tools.parsing`.
"""

import re
from collections.abc import Iterable
from typing import Final

from pydantic import ConfigDict, Field

from storage.records import Card, DocumentStatus, Grid, Page, Record
from storage.texts import Line

MAX_BYTES: Final = 200 << 20
"""Bytes of a file."""
MAX_PAGES: Final = 5_000
MAX_TEXT: Final = 50_000_000
"""Characters of all pages together."""
MAX_PAGE: Final = 250_000
"""Characters of one page: a quote is looked for on it letter by letter."""

HOW_TO_UNLOCK: Final = (
    "Add it again with its password (`affidavit add FILE --password -` asks for it), or add a copy "
    "without one."
)
WRONG_PASSWORD: Final = f"The password that was given does not open it. {HOW_TO_UNLOCK}"
UNLOCKED: Final = "It was opened with its password; the text that was read is kept without one."

_UNWANTED = re.compile("[\0-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]")
_BREAKS = "\x0b\x0c\r\x85"


class Attachment(Record):
    """A file that came inside of another."""

    model_config = ConfigDict(ser_json_bytes="base64", val_json_bytes="base64")

    name: str
    data: bytes


class Parsed(Record):
    """What became of a file."""

    status: DocumentStatus
    reason: Line = ""
    """Why it is not `ready`, and what to do; or what to know although it is. Empty otherwise."""
    media_type: str = ""
    pages: list[Page] = Field(default_factory=list)
    """The text; of a file that is not `ready`, what was saved of it."""
    attachments: list[Attachment] = Field(default_factory=list)
    """Files inside of it, which are documents of their own."""
    card: Card | None = None
    """What it says of itself, if it says anything."""


class Refused(Exception):
    """Raised by a reader that cannot go on: the status and the reason of the outcome."""

    def __init__(self, status: DocumentStatus, reason: str) -> None:
        super().__init__(reason)
        self.status: DocumentStatus = status
        self.reason = reason


def clean(text: str, unknown: str = "") -> str:
    """Text as pages hold it: Unicode scalar values, with line feed and tab as the only controls.

    `unknown` stands for a character that is none; line breaks of all kinds become line feeds.
    """
    text = text.replace("\r\n", "\n")
    if not _UNWANTED.search(text):
        return text
    return _UNWANTED.sub(lambda found: "\n" if found[0] in _BREAKS else unknown, text)


def words(text: str) -> frozenset[str]:
    """A set of words, written as a line of them."""
    return frozenset(text.split())


def numbered(
    sections: Iterable[tuple[str, str] | tuple[str, str, Grid | None]],
) -> list[Page]:
    """Pages from locator and text, of tables their grid too. Raises `Refused` past the limits."""
    pages: list[Page] = []
    characters = 0
    for locator, text, *grid in sections:
        characters += len(text)
        if len(text) > MAX_PAGE:
            raise Refused(
                "unsupported",
                f"A page of it ({locator[:100]}) holds more than {MAX_PAGE:,} characters, as no "
                "page that people read does. Split it and add the parts.",
            )
        if len(pages) >= MAX_PAGES:
            raise Refused(
                "unsupported",
                f"It has more than {MAX_PAGES:,} pages. Split it and add the parts.",
            )
        if characters > MAX_TEXT:
            raise Refused(
                "unsupported",
                f"It holds more than {MAX_TEXT:,} characters. Split it and add the parts.",
            )
        found = grid[0] if grid else None
        pages.append(Page(number=len(pages) + 1, locator=locator, text=text, grid=found))
    return pages


def has_text(pages: Iterable[Page]) -> bool:
    """Whether any page has a letter or a digit."""
    return any(any(map(str.isalnum, page.text)) for page in pages)


def listed(numbers: Iterable[int], noun: str = "page") -> str:
    """Page numbers as a person writes them: "page 3", "pages 1, 4–7 and 9"."""
    runs: list[list[int]] = []
    for number in sorted(set(numbers)):
        if runs and number == runs[-1][-1] + 1:
            runs[-1] = [runs[-1][0], number]
        else:
            runs.append([number])
    shown = ["–".join(map(str, run)) for run in runs]
    if len(shown) > 8:
        shown = [*shown[:7], "others"]
    plural = "s" if len(runs) > 1 or (runs and len(runs[0]) > 1) else ""
    joined = " and ".join(filter(None, [", ".join(shown[:-1]), *shown[-1:]]))
    return f"{noun}{plural} {joined}"
