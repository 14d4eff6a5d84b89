"""Names of organisations and persons: written plainly, and by which words one knows them.

The same organisation is "THE BOEING COMPANY" on a cover, "Boeing" in a question and "Boeing Co."
in a signature. Here its legal form, case, accents and line breaks are set aside. Everything is
pure. Next: `tools/cards.py` writes names down, `tools/routing.py` finds them in questions.
"""

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

LONGEST: Final = 120
"""Characters of a name."""


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Legal forms, glued together as `words` leaves them: they tell no organisation from another.
LEGAL: Final = _words(
    """
    inc incorporated corp corporation llc lc limited ltd lp llp plc gmbh ag kg kgaa sa sas sarl spa
    srl nv bv ab as asa oy oyj pty pte co company se ulc pllc pc na kk bhd sdn cv
    """
)
# Words that many names share.
COMMON: Final = _words(
    """
    group holdings holding international global partners partnership association foundation trust
    technologies technology systems solutions services service industries enterprises management
    capital fund financial american national united first general energy media resources products
    networks network university bank usa us america north south worldwide operating investment
    investments pharmaceuticals therapeutics health care medical software com www new
    """
)
# Words that stand in names and are never a name.
SMALL: Final = _words(
    "a an and at by de del der des du for from in la le les of on or the to und van von y"
)

_WORD: Final = re.compile(r"[^\W_]+(?:['’.][^\W_]+)*(?:\s?&\s?[^\W_](?![^\W_]))*")
_INNER: Final = re.compile(r"[^\w&]|_")
_PARTS: Final = re.compile(r"[^.'’]+")
_POSSESSIVE: Final = re.compile(r"['’]s?$")


def folded(text: str) -> str:
    """Return a text in lower case and without accents."""
    apart = unicodedata.normalize("NFKD", text.casefold())
    return "".join(c for c in apart if not unicodedata.combining(c))


@dataclass(frozen=True, slots=True)
class Word:
    """A word of a text: in lower case, and where it stands."""

    word: str
    start: int
    end: int


@lru_cache(maxsize=20_000)
def words(text: str) -> tuple[str, ...]:
    """Return the words of a text in lower case: "J&J's U.S. unit" is "j&j", "us", "unit"."""
    return tuple(each.word for each in placed(text))


def placed(text: str) -> list[Word]:
    """Return the words of a text with their places."""
    found = []
    for match in _WORD.finditer(text):
        bare = _POSSESSIVE.sub("", match[0])
        parts = [re.match(".*", bare, re.DOTALL)] if _is_initials(bare) else _PARTS.finditer(bare)
        for part in filter(None, parts):
            if word := _INNER.sub("", folded(part[0])):
                start = match.start() + part.start()
                found.append(Word(word, start, start + len(part[0])))
    return found


def _is_initials(word: str) -> bool:
    """Say whether a word is one in spite of its stops: "L.L.C", "U.S", "J&J", "O'Neil"."""
    stops = re.split(r"[.'’]", word)
    return all(len(part) == 1 for part in stops) or "." not in word


def telling(name: str) -> tuple[str, ...]:
    """Return the words by which a name is known: without legal forms and articles around it."""
    found = [word for word in words(name) if word != "the"]
    while len(found) > 1 and (found[-1] in LEGAL or found[-1] in SMALL):
        found.pop()
    kept = [word for word in found if word not in LEGAL]
    return tuple(kept or found)


def initials(name: str) -> list[str]:
    """Return the initials by which a name may be known, in lower case: "amd", or "j&j"."""
    found = [word for word in telling(name) if word not in SMALL]
    if len(found) < 2:
        return []
    if len(found) == 2:
        return [f"{found[0][0]}&{found[1][0]}"] if "&" in name else []
    return ["".join(word[0] for word in found)]


def plain(name: str) -> str:
    """Return a name on one line, without what stands around it by accident."""
    return " ".join(name.split()).strip(" ,;:-–—#*•\"“”'’_|")[:LONGEST]


def same(one: str, other: str) -> bool:
    """Say whether two names are one name, legal forms and spelling aside."""
    return telling(one) == telling(other) or "".join(telling(one)) == "".join(telling(other))


def is_short_for(short: str, name: str) -> bool:
    """Say whether a defined name is a shorter name and no role: "ESSI" or "Vertex", not "Buyer".

    A shorter name shares a word or the initials with the whole one, or is an abbreviation.
    """
    own, whole = telling(short), telling(name)
    if not own or len(short) > LONGEST:
        return False
    glued, full = "".join(own), "".join(whole)
    if own[0] in whole or full.startswith(glued) or glued in initials(name):
        return True
    bare = short.strip("\"“”' ")
    return " " not in bare and len(bare) <= 6 and bare.isupper() and bare.isalpha()
