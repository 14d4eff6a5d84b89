"""How text becomes the terms by which it is found: English stems; numbers, dates and "§" stay.

Passages have the same words again and again, so a text is cut where no term goes on, at its white
space, and what each piece gives is remembered. Tantivy is handed terms, and leaves them as they
are: its own way from text to terms, for each word of each passage, took most of the time it needs.
"""

from functools import cache
from typing import Any, Final

import tantivy

_MOST_PIECES: Final = 100_000
"""Pieces that are remembered, at a few hundred bytes each."""
_LONGEST: Final = 60
"""Bytes of a word beyond which it is no term; longer pieces are not remembered."""

# No passage is found by these words, unless the query has no others.
_STOP_WORDS: Final = """
    a an and are as at be been being but by can could did do does for from had has have he her his
    how i if in into is it its may might must of on or shall should so such than that the their
    them then there these they this those to was we were what when where which while who whom whose
    will with would you your s t any other another
"""


@cache
def _analyzer() -> Any:
    words = r"§|[\p{L}\p{M}][\p{L}\p{M}\p{N}]*|\p{N}[\p{L}\p{N}]*(?:[.,]\p{N}+)*"
    builder = tantivy.TextAnalyzerBuilder(tantivy.Tokenizer.regex(words))
    for each in (
        tantivy.Filter.remove_long(_LONGEST),
        tantivy.Filter.lowercase(),
        tantivy.Filter.stemmer("english"),
    ):
        builder = builder.filter(each)
    return builder.build()


@cache
def of_terms() -> Any:
    """Return what makes terms of a text that consists of them, with white space between."""
    return tantivy.TextAnalyzerBuilder(tantivy.Tokenizer.whitespace()).build()


def terms_of(text: str) -> list[str]:
    """Return the terms of a text, in its order."""
    found: list[str] = _analyzer().analyze(text)
    return found


@cache
def stop_terms() -> frozenset[str]:
    """Return the terms that tell nothing."""
    return frozenset(terms_of(_STOP_WORDS))


class _Pieces(dict[str, str]):
    """The terms of pieces that have no white space inside."""

    def __missing__(self, piece: str) -> str:
        found = " ".join(terms_of(piece))
        if len(piece) <= _LONGEST:
            if len(self) >= _MOST_PIECES:
                self.clear()
            self[piece] = found
        return found


_of_piece = _Pieces().__getitem__


def as_terms(text: str) -> str:
    """Return the terms of a text, in its order, with white space between: what is indexed of it."""
    return " ".join(map(_of_piece, text.split()))
