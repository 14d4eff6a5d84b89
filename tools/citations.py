"""Locating a quote on a page, by program: the one test that makes a citation verified.

A quote is found if it stands on the page verbatim, at the borders of words, with three things left
aside: white space (any run of it equals any other), hyphenation (a hyphen between letters at a
line's end may be there or not), and Unicode form (compatibility characters, ligatures, typographic
quotes and dashes; soft hyphens and zero-width characters are nothing). Case counts, and so does
every other character.
"""

import re
import unicodedata
from collections.abc import Iterator
from typing import Final

from storage.records import Citation, Document, Page
from tools.locators import locator
from tools.versions import version_told

_SAME: Final = str.maketrans(
    {
        **dict.fromkeys("‘’‚‛′`´", "'"),
        **dict.fromkeys("“”„‟″«»", '"'),
        **dict.fromkeys("‐‑‒–—―−", "-"),
    }
)
_NOTHING: Final = frozenset("\u00ad\u200b\u200c\u200d\u2060\ufeff")
_PIECE: Final = re.compile(
    # A hyphen between letters, and white space behind it: what was a line's end on the page is any
    # white space in a quote of it.
    r"(?P<broken>(?<=[^\W\d_])[-‐\u00ad]\s+(?=[^\W\d_]))"
    r"|(?P<space>\s+)"
    r"|(?P<char>.[\u0300-\u036f\u1ab0-\u1aff\u20d0-\u20ff]*)",
    re.DOTALL,
)
_MARK: Final = re.compile(r"\[\s*(\d{1,3})\s*\]")
_WRAPPED: Final = re.compile(r'^["\'“‘«](.+)["\'”’»]$', re.DOTALL)


def cite(document: Document, page: Page, start: int, end: int) -> Citation:
    """Return a citation of a stretch of a page, which is of the document's newest version."""
    return Citation(
        document_id=document.id,
        document=document.name,
        sha256=document.sha256,
        page=page.number,
        start=start,
        end=end,
        quote=page.text[start:end],
        locator=locator(document.media_type, page, start, end),
        version=version_told(document, document.sha256),
    )


def locate(quote: str, page: str) -> tuple[int, int] | None:
    """Return where a quote stands on a page, as code points, half open; None if it does not."""
    found = _locate(quote, page)
    if found is None and (wrapped := _WRAPPED.match(quote.strip())):
        # Models often put quotation marks of their own around what they quote.
        return _locate(wrapped[1], page)
    return found


def unmarked(text: str) -> str:
    """Return a text without marks that look like citations, “[1]”: only a program sets those."""
    return _MARK.sub(r"(\1)", text)


def _locate(quote: str, page: str) -> tuple[int, int] | None:
    for hyphen in ("", "-"):
        wanted = "".join(form for form, _, _ in _forms(quote.strip(), hyphen))
        forms = list(_forms(page, hyphen))
        text = "".join(form for form, _, _ in forms)
        spans = [(start, end) for form, start, end in forms for _ in form]
        at = text.find(wanted) if any(map(str.isalnum, wanted)) else -1
        while at >= 0:
            start, end = spans[at][0], spans[at + len(wanted) - 1][1]
            if _at_borders(text, at, at + len(wanted)) and not _lacks_sign(page, start):
                return start, end
            at = text.find(wanted, at + 1)
    return None


def _forms(text: str, hyphen: str) -> Iterator[tuple[str, int, int]]:
    """Yield the text piece by piece in one form, each with the span that it stands for.

    A hyphen before a break stands as `hyphen`: the word's own, or nothing.
    """
    for match in _PIECE.finditer(text):
        piece = match[0]
        if match.lastgroup == "broken":
            form = hyphen
        elif match.lastgroup == "space":
            form = " "
        elif piece in _NOTHING:
            form = ""
        else:
            form = unicodedata.normalize("NFKC", piece.translate(_SAME)).translate(_SAME)
        if form:
            yield form, match.start(), match.end()


def _at_borders(text: str, start: int, end: int) -> bool:
    """Return whether a stretch cuts no word and no number in two."""
    first, last = text[start], text[end - 1]
    before, after = text[max(0, start - 2) : start], text[end : end + 2]
    return not (
        (first.isalnum() and before[-1:].isalnum())
        or (last.isalnum() and after[:1].isalnum())
        # "5" is not in "2.5" nor "1" in "1,000": a number goes on behind its separator.
        or (first.isdigit() and re.fullmatch(r"\d[.,]", before))
        or (last.isdigit() and re.fullmatch(r"[.,]\d", after))
    )


def _lacks_sign(page: str, start: int) -> bool:
    """Return whether a stretch begins with a number whose minus stands before it: not in "2-5"."""
    before = page[max(0, start - 2) : start]
    return page[start].isdigit() and before[-1:] in ("-", "−") and not before[:-1].isalnum()
