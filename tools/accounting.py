"""Finds the line items of financial statements that a question, or the name of a row, names.

Of names within each other the longest counts: "cost of sales" is not sales. Words are compared in
the singular and without small ones. Everything here is pure. Next: `nodes/reading_rows.py` finds
the row of an item, `nodes/offline_plan.py` searches for it in its other names.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import product
from typing import Final

from tools.accounting_items import LISTED, Statement
from tools.kinds import token


@dataclass(frozen=True, slots=True)
class Item:
    """A line item."""

    element: str
    """As the taxonomy calls it."""
    statement: Statement
    names: tuple[str, ...]
    """The most usual first, with choices."""
    within: str = ""
    """An item that it is a kind of: "diluted earnings per share" of earnings per share."""


_ENTRY: Final = re.compile(
    r"^(?P<element>\w+)(?: < (?P<within>\w+))?:\n(?P<names>(?: +.*\n)+)", re.MULTILINE
)
_WORD: Final = re.compile(r"[^\W_]+")
_SMALL: Final = frozenset(
    re.findall(
        r"\w+", "a an and at by did do does for from had has have in of on or per s the to with"
    )
)


@dataclass(frozen=True, slots=True)
class Mention:
    """An item that a text names, and by which of its words: half open, counted from 0."""

    item: Item
    start: int
    end: int


def said(text: str) -> list[str]:
    """Return the words of a text as names of items are compared: singular, without small words."""
    return [word for word, _, _ in placed(text)]


def placed(text: str) -> list[tuple[str, int, int]]:
    """Return the same words with where they stand in the text."""
    return [
        (token(match[0].lower()), match.start(), match.end())
        for match in _WORD.finditer(text)
        if match[0].lower() not in _SMALL
    ]


def mentions(words: Sequence[str]) -> list[Mention]:
    """Return the items that words name, in order; of names within each other the longest."""
    known, longest = _names()
    found: list[Mention] = []
    at = 0
    while at < len(words):
        for length in range(min(longest, len(words) - at), 0, -1):
            item = known.get(tuple(words[at : at + length]))
            if item:
                found.append(Mention(item, at, at + length))
                at += length - 1
                break
        at += 1
    return found


@cache
def items() -> tuple[Item, ...]:
    """Return every item that is known."""
    found = []
    for statement, listed in LISTED.items():
        for entry in _ENTRY.finditer(listed):
            names = tuple(" ".join(name.split()) for name in entry["names"].split(";"))
            found.append(Item(entry["element"], statement, names, entry["within"] or ""))
    return tuple(found)


@cache
def _names() -> tuple[dict[tuple[str, ...], Item], int]:
    known: dict[tuple[str, ...], Item] = {}
    for item in items():
        for name in item.names:
            for spelled in _spelled(name):
                known.setdefault(tuple(said(spelled)), item)
    known.pop((), None)
    return known, max(map(len, known))


def _spelled(name: str) -> Iterator[str]:
    """Yield the names that one with choices stands for."""
    choices = []
    for word in name.split():
        bare = word.removesuffix("?")
        choices.append([*bare.replace("?", "").split("|"), *([""] if word != bare else [])])
    for chosen in product(*choices):
        yield " ".join(filter(None, chosen))


def renamed(text: str, most: int = 6) -> list[str]:
    """Return a text with the first item that it names under other names, up to so many."""
    words = placed(text)
    found = mentions([word for word, _, _ in words])
    if not found:
        return []
    first = found[0]
    start, end = words[first.start][1], words[first.end - 1][2]
    called = " ".join(said(text[start:end]))
    plain = [next(_spelled(name)) for name in first.item.names]
    others = [name for name in plain if " ".join(said(name)) != called]
    return [f"{text[:start]}{name}{text[end:]}" for name in others[:most]]


def wordings(item: Item) -> str:
    """Return the words of all names of an item, each once: what to search for it by."""
    words = (word for name in item.names for word in re.findall(r"[\w-]+", name))
    return " ".join(dict.fromkeys(words))
