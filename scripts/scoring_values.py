"""Compare the value that quotes state with the value that a label gives.

Both are read by `tools/values.py`: from the label's `answer`, and from the quotes of an answer in
their order, however many there are. A label from which no value can be read ("[]/[]/2019",
"perpetual") is not compared.

- date: the first whole date of the quotes is the label's.
- jurisdiction: the first jurisdiction of the quotes is among those of the label ("Ontario, Canada"
  names two).
- parties: the names of the quotes are those of the label, each of one being one of the other. Two
  names are the same if letters and digits are, without the legal form; or nearly so (`_ALIKE`), as
  labels are typed by hand. Names that a label only joins under another name are left out (`Buyer
  and Seller ("Parties")`).
- money: the first amount of the quotes is the label's, and so is its currency.

It must never know how an answer came about. Next: `scripts/scoring.py` counts.
"""

import re
from collections.abc import Callable, Sequence
from difflib import SequenceMatcher
from typing import Any, Final, Literal

from tools.values import iso_date, jurisdiction, money, party_key, party_names

ValueKind = Literal["date", "jurisdiction", "parties", "money"]

_ALIKE: Final = 0.9
"""Of two names, how much has to be the same letters in the same order (Ratcliff and Obershelp)."""
_DEFINED: Final = re.compile(r"[\"“”]+\s*([^\"“”;]+?)[\s,.]*[\"“”]+")
_JOINED: Final = re.compile(r"\s+(?:and/or|and|or)\s+|\s*[,/]\s*(?:and\s+)?")
_LISTED: Final = re.compile(r"\s*(?:[,;/]|\band\b)\s*")


def label_value(kind: ValueKind, answer: str) -> Any:
    """Return the value that a label gives, or something false if it gives none."""
    if kind == "parties":
        return _label_names(answer)
    if kind == "jurisdiction":
        found = [jurisdiction(f"laws of {part}") for part in (answer, *_LISTED.split(answer))]
        return {each for each in found if each}
    return _FIRST[kind](answer)


def value_right(kind: ValueKind, answer: str, quotes: Sequence[str]) -> bool | None:
    """Say whether quotes give the value of a label; None where the label gives none."""
    wanted = label_value(kind, answer)
    if not wanted:
        return None
    if kind == "parties":
        return _same_names([party_key(n) for q in quotes for n in party_names(q)], wanted)
    found = next(filter(None, map(_FIRST[kind], quotes)), None)
    return found in wanted if kind == "jurisdiction" else found == wanted


_FIRST: Final[dict[ValueKind, Callable[[str], Any]]] = {
    "date": iso_date,
    "jurisdiction": jurisdiction,
    "money": money,
}


def _label_names(answer: str) -> list[str]:
    """Return the keys of the parties that a label lists, with ";" between them."""
    defined = [party_key(name) for name in _DEFINED.findall(answer)]
    keys = []
    for entry in answer.split(";"):
        if entry.strip().startswith(("“", '"', "(")):
            continue  # it defines a name for one that stands before it
        bare = entry.partition("(")[0] if _DEFINED.search(entry) else entry
        parts = [party_key(part) for part in _JOINED.split(bare.strip(" ,")) if part.strip()]
        joins = len(parts) > 1 and all(any(_same(p, d) for d in defined) for p in parts)
        names = party_names(bare)
        if names and not joins:
            keys.append(party_key(names[0]))
    return list(dict.fromkeys(keys))


def _same(one: str, other: str) -> bool:
    return one == other or SequenceMatcher(None, one, other, autojunk=False).ratio() >= _ALIKE


def _same_names(found: Sequence[str], wanted: Sequence[str]) -> bool:
    return all(any(_same(f, w) for w in wanted) for f in found) and all(
        any(_same(f, w) for f in found) for w in wanted
    )
