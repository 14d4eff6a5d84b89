"""What a PDF says about where its objects are, compared with where they are (ISO 32000-1, 7.5).

A reader that follows a wrong entry finds nothing there and goes on without a word. This only
compares: what follows from it is up to `tools.parsers.pdf_integrity`.
"""

import re
from collections.abc import Iterator

from tools.parsers.pdf_syntax import (
    Dictionary,
    Malformed,
    Numbers,
    Objects,
    Ref,
    Stream,
    Value,
    decode,
    parse_value,
)

_SECTION = re.compile(rb"xref\s+(?=\d+\s+\d+\s)")


class Index:
    """What the file's own cross-reference tables and streams say (7.5.4, 7.5.8)."""

    def __init__(self, objects: Objects) -> None:
        self.objects = objects
        self.listed: set[int] = set()
        self.wrong: set[int] = set()
        self.present = False
        self.unreadable = False
        self.packing: set[int] = set()
        self.trailers: list[Dictionary] = []
        header = objects.data.find(b"%PDF-", 0, 1024)
        self.base = max(header, 0)  # offsets count from the header where junk precedes it
        self._tables()
        self._streams()

    def _tables(self) -> None:
        data = self.objects.data
        for section in _SECTION.finditer(data):
            end = data.find(b"trailer", section.end())
            if end < 0:
                continue
            self.present = True
            self._table(data[section.end() : end].split())
            try:
                trailer, _ = parse_value(data, end + len(b"trailer"))
            except Malformed:
                continue
            if isinstance(trailer, dict):
                self.trailers.append(trailer)

    def _table(self, words: list[bytes]) -> None:
        number, position = 0, 0
        while position + 1 < len(words):
            kind = words[position + 2] if position + 2 < len(words) else b""
            if kind == b"n":
                self._entry(number, words[position])
            if kind in (b"n", b"f"):
                number, position = number + 1, position + 3
            elif words[position].isdigit():
                number, position = int(words[position]), position + 2
            else:
                return

    def _entry(self, number: int, offset: bytes | int) -> None:
        if isinstance(offset, bytes):
            offset = int(offset) if offset.isdigit() else -1
        if self._stands_at(number, offset + self.base) or self._stands_at(number, offset):
            self.listed.add(number)
        elif number in self.objects.found:
            self.wrong.add(number)

    def _stands_at(self, number: int, offset: int) -> bool:
        if self.objects.offsets.get(offset) == number:
            return True
        head = self.objects.data[offset : offset + 16] if offset >= 0 else b""
        skipped = len(head) - len(head.lstrip())
        return bool(skipped) and self.objects.offsets.get(offset + skipped) == number

    def _streams(self) -> None:
        for number, found in self.objects.found.items():
            if found.stream < 0:
                continue
            head = found.data[found.body : found.stream]
            if b"ObjStm" in head:
                self.packing.add(number)
            elif b"XRef" in head:
                self._stream(number)

    def _stream(self, number: int) -> None:
        stream = self.objects.get(Ref(number))
        if not isinstance(stream, Stream) or stream.dictionary.get(b"Type") != b"XRef":
            return
        self.present = True
        self.trailers.append(stream.dictionary)
        try:
            entries = list(_entries(stream))
        except Malformed:
            self.unreadable = True
            return
        for inner, kind, place in entries:
            if kind == 1:
                self._entry(inner, place)
            elif kind == 2:
                self.packing.add(place)
                self.listed.add(inner)


def _entries(stream: Stream) -> Iterator[tuple[int, int, int]]:
    """Number, kind, and second field of each entry of a cross-reference stream (7.5.8.3)."""
    widths = _numbers(stream.dictionary.get(b"W"))
    if len(widths) != 3 or sum(widths) == 0 or sum(widths) > 32:
        raise Malformed("the index of the file cannot be read")
    data = _unpredicted(stream, sum(widths))
    index = _numbers(stream.dictionary.get(b"Index"))
    if not index:
        size = stream.dictionary.get(b"Size")
        index = [0, size if isinstance(size, int) else 0]
    first, second, _ = widths
    position = 0
    for start, count in zip(index[::2], index[1::2], strict=False):
        for number in range(start, start + min(count, len(data))):
            row = data[position : position + sum(widths)]
            if len(row) < sum(widths):
                return
            position += len(row)
            kind = int.from_bytes(row[:first], "big") if first else 1
            yield number, kind, int.from_bytes(row[first : first + second], "big")


def _unpredicted(stream: Stream, width: int) -> bytes:
    """The bytes of a cross-reference stream with the PNG prediction undone (7.4.4.4)."""
    data = decode(stream)
    parameters = stream.dictionary.get(b"DecodeParms")
    if isinstance(parameters, list):
        parameters = next((each for each in parameters if isinstance(each, dict)), None)
    if not isinstance(parameters, dict) or parameters.get(b"Predictor", 1) == 1:
        return data
    rows: list[bytes] = []
    above = bytes(width)
    for start in range(0, len(data), width + 1):
        row = data[start + 1 : start + 1 + width]
        if data[start] == 2:
            row = bytes((a + b) & 255 for a, b in zip(row, above, strict=False))
        elif data[start] != 0:
            raise Malformed("the index of the file is packed in a way that is not known")
        rows.append(row)
        above = row
    return b"".join(rows)


def _numbers(value: Value) -> list[int]:
    parts = value.split() if isinstance(value, Numbers) else ()
    return [int(part) for part in parts if part.isdigit() and len(part) < 19]
