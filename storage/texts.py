"""Texts that strangers bring, as they can be stored and shown: on a page, or in one line."""

import re
from typing import Annotated, Final

from pydantic import AfterValidator


def readable(text: str) -> str:
    """Return a text with U+FFFD for what is no character: stray bytes of a file's name, say."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


Text = Annotated[str, AfterValidator(readable)]
"""What people type and files bring: whatever it was, it can be stored and shown."""

LINE_CHARS: Final = 1_000
_BREAKS: Final = re.compile("[\0-\x1f\x7f-\x9f\u2028\u2029]")
_UNSEEN: Final = re.compile("[\u00ad\u061c\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff]")
"""Marks that are not seen, and turn about what stands beside them. Joiners are spelling."""


def on_one_line(text: str) -> str:
    """Return a text that can stand in any line, for what it is: it ends no line, and turns none.

    Of a longer one than `LINE_CHARS` beginning and end are left.
    """
    if not text.isprintable():
        text = _UNSEEN.sub("", _BREAKS.sub(" ", readable(text)))
    if len(text) <= LINE_CHARS:
        return text
    end = text[-LINE_CHARS // 4 :]
    return f"{text[: LINE_CHARS - len(end) - 1]}…{end}"


Line = Annotated[str, AfterValidator(on_one_line)]
"""What is shown beside something else: a name, a place, a reason. A stranger may have made it."""
