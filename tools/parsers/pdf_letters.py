"""Whether the tables that tell a PDF's letters are whole (ToUnicode CMaps, ISO 32000-1, 9.10.3).

They are often not packed, so that no checksum guards them; and one wrong byte in one changes a
letter all over a document. This looks for what no writer of such tables writes.
"""

import re
from collections import Counter

from tools.parsers.pdf_syntax import Malformed

_NOT_IN_TABLES = re.compile(rb"[\0-\x08\x0e-\x1f\x7f]")
_VARIANTS = (0xA0, 0xAD)  # a space and a hyphen that stand for the usual ones
_LISTS = re.compile(rb"(\d{1,6})\s*beginbf(char|range)\b(.*?)endbf\2", re.DOTALL)
_CODE = rb"<([\dA-Fa-f]*+)>\s*"
_CHARACTER = re.compile(_CODE + _CODE)
_RANGE = re.compile(_CODE + _CODE + rb"(?:" + _CODE + rb"|\[\s*(?:<[\dA-Fa-f]*+>\s*)*\]\s*)")


def check_letters(table: bytes) -> None:
    """Raise `Malformed` where a table of letters (a ToUnicode CMap, 9.10.3) is corrupt.

    It is for tables that are not packed, which no checksum guards.
    """
    lists = _LISTS.findall(table)
    whole = len(lists) == table.count(b"beginbf") == table.count(b"endbf")
    if not whole or _NOT_IN_TABLES.search(table) or not all(map(_list_is_whole, lists)):
        raise Malformed("the table of letters of a font is corrupt")


def _list_is_whole(listed: tuple[bytes, bytes, bytes]) -> bool:
    count, kind, rows = listed
    row = _RANGE if kind == b"range" else _CHARACTER
    found = row.findall(rows)
    if len(found) != int(count) or row.sub(b"", rows).strip():
        return False
    numbers = [[int(code, 16) if code else 0 for code in each] for each in found]
    if kind == b"range" and any(first > last for first, last, _ in numbers):
        return False
    return not _one_bit_off([(each[0], each[-1]) for each in numbers])


def _one_bit_off(pairs: list[tuple[int, int]]) -> bool:
    """Whether one letter alone is one bit off a rule that the others follow.

    In most fonts a code and its letter differ by one number throughout, for ASCII at least.
    """
    shifts = Counter(letter - code for code, letter in pairs)
    if not shifts:
        return False
    shift, followers = shifts.most_common(1)[0]
    off = [(code, letter) for code, letter in pairs if letter - code != shift]
    flipped = sum(
        _is_flipped(letter, code + shift) or _is_flipped(code, letter - shift, letter)
        for code, letter in off
    )
    return followers > 8 and flipped == 1 and followers > 4 * len(off)


def _is_flipped(found: int, expected: int, letter: int = -1) -> bool:
    """Whether a number is one bit off the one expected, where that makes a sign of ASCII."""
    letter = expected if letter < 0 else letter
    is_sign = 0x20 < letter < 0x7F and found not in _VARIANTS
    return is_sign and expected > 0 and (found ^ expected).bit_count() == 1
