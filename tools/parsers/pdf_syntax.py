"""The syntax of PDF, as far as it takes to follow a page to its text (ISO 32000-1, 7.2 to 7.5).

It finds the objects of a file by looking for them, not by trusting the file's own index, so that
what a reader was given can be compared with what is there. It must never decide what a page says:
that is a reader's work (`tools.parsers.pdf`). What is wrong with a file is judged in
`tools.parsers.pdf_integrity`, which uses this.
"""

import base64
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TypeAlias

MAX_DEPTH = 64
MAX_STREAM = 100 << 20
"""Bytes that one stream may unpack to; text of one page is never near it."""

_WHITE = rb"\0\t\n\f\r "
_END = rb"(?![^\0\t\n\f\r ()<>\[\]{}/%])"  # a token ends before white space or a delimiter
_TOKEN = re.compile(
    rb"(?:[" + _WHITE + rb"]|%[^\r\n]*[\r\n])*+(?:"
    rb"(?P<ref>\d{1,10}[" + _WHITE + rb"]+\d+[" + _WHITE + rb"]+R" + _END + rb")"
    rb"|(?P<name>/[^\0\t\n\f\r ()<>\[\]{}/%]*)"
    rb"|(?P<numbers>\[[" + _WHITE + rb"]*[\d.+\-][\d.+\-" + _WHITE + rb"]*\])"
    rb"|(?P<number>[+-]*[\d.][\d.\-]*" + _END + rb")"
    rb"|(?P<open><<|\[)"
    rb"|(?P<close>>>|\])"
    rb"|(?P<hex><[\dA-Fa-f" + _WHITE + rb"]*>)"
    rb"|(?P<string>\([^()\\]*+(?:\\.[^()\\]*+)*+\))"
    rb"|(?P<word>(?:true|false|null)" + _END + rb")"
    rb"|(?P<nested>\())",
    re.DOTALL,
)
# Most dictionaries are of this kind: no value has parts. This is the same grammar, only faster.
_SIMPLE = re.compile(
    rb"[" + _WHITE + rb"]*<<(?:[" + _WHITE + rb"]*/[A-Za-z\d]+(?:/[A-Za-z\d]+|[" + _WHITE + rb"]+"
    rb"(?:/[A-Za-z\d]+|\d{1,18}(?=[" + _WHITE + rb"/>]))))*+[" + _WHITE + rb"]*>>"
)
_PAIR = re.compile(rb"/([A-Za-z\d]+)[" + _WHITE + rb"]*(?:/([A-Za-z\d]+)|(\d+))")
_PAREN = re.compile(rb"\\.|[()]", re.DOTALL)
_HEAD = re.compile(rb"(\d{1,10})[" + _WHITE + rb"]+\d{1,5}[" + _WHITE + rb"]+$")
_STREAM = re.compile(rb"[" + _WHITE + rb"]*stream(?:\r\n|\n|\r)")
_LENGTH = re.compile(
    rb"/Length[" + _WHITE + rb"]+(\d{1,18}+)(?![" + _WHITE + rb"]+\d+[" + _WHITE + rb"]+R)"
)
_ENDSTREAM = re.compile(rb"[" + _WHITE + rb"]*(?:endstream|endobj)")


class Malformed(ValueError):
    """The bytes are not what the syntax allows here."""


class Ref(int):
    """A reference to the object of that number; generations play no part in finding text."""


class Name(bytes):
    """A name, without its slash."""


class Numbers(bytes):
    """An array of numbers as it is written: widths and boxes, which are many and not looked at."""


@dataclass(slots=True)
class Stream:
    """A stream: its dictionary, and its bytes as they stand in the file."""

    dictionary: "Dictionary"
    raw: bytes
    exact: bool = True
    """Whether it ends where its own /Length says."""


Value: TypeAlias = "None | bool | int | bytes | list[Value] | dict[bytes, Value] | Stream"
Dictionary: TypeAlias = dict[bytes, Value]


def parse_value(data: bytes, position: int = 0) -> tuple[Value, int]:
    """The value at a position, and where it ends. Raises `Malformed`."""
    simple = _SIMPLE.match(data, position)
    if simple is not None:
        pairs = _PAIR.findall(data, position, simple.end())
        return {key: Name(name) if name else int(n) for key, name, n in pairs}, simple.end()
    outer: list[tuple[bytes, list[Value]]] = []
    items: list[Value] = []
    while True:
        token = _TOKEN.match(data, position)
        if token is None:
            raise Malformed(f"no PDF value at byte {position}")
        position = token.end()
        kind, text = token.lastgroup, token[token.lastindex or 0]
        if kind == "open":
            if len(outer) >= MAX_DEPTH:
                raise Malformed(f"nested deeper than {MAX_DEPTH} at byte {position}")
            outer.append((text, items))
            items = []
        elif kind == "close":
            if not outer:
                raise Malformed(f"unexpected {text!r} at byte {position}")
            opening, above = outer.pop()
            above.append(_close(opening, text, items))
            items = above
        elif kind == "nested":
            position = _end_of_string(data, position)
            items.append(b"")
        else:
            items.append(_scalar(kind, text))
        if not outer:
            return items[0], position


def _scalar(kind: str | None, text: bytes) -> Value:
    """A value that is one token. Strings are not unescaped: none of them matters here."""
    if kind == "ref":
        return Ref(text.split(None, 1)[0].partition(b"\0")[0])
    if kind == "name":
        return Name(text[1:])
    if kind == "number":
        return _number(text)
    if kind == "numbers":
        return Numbers(text[1:-1])
    if kind == "word":
        return {b"true": True, b"false": False, b"null": None}[text]
    return text


def _number(text: bytes) -> Value:
    return int(text) if text.isdigit() and len(text) < 19 else text


def _close(opening: bytes, closing: bytes, items: list[Value]) -> Value:
    if (opening == b"<<") != (closing == b">>"):
        raise Malformed("brackets do not match")
    if opening == b"[":
        return items
    keys = items[::2]
    if len(items) % 2 or not all(type(key) is Name for key in keys):
        raise Malformed("a dictionary whose keys are not names")
    return dict(zip(keys, items[1::2], strict=True))  # type: ignore[arg-type]


def _end_of_string(data: bytes, position: int) -> int:
    """Where a string with brackets inside ends, its opening one being behind the position."""
    depth = 1
    for match in _PAREN.finditer(data, position):
        depth += {b"(": 1, b")": -1}.get(match[0], 0)
        if depth == 0:
            return match.end()
    raise Malformed("a string without an end")


@dataclass(slots=True)
class Found:
    """Where an object stands: in the file, or in an object stream."""

    offset: int
    """Of its number, in bytes from the beginning of the file; -1 in an object stream."""
    body: int
    data: bytes
    stream: int = -1
    """Where the keyword that begins a stream is expected, if the object is one."""
    stream_end: int = -1
    exact: bool = True


@dataclass(slots=True)
class Objects:
    """The objects of a file by number; of several with one number the last counts."""

    data: bytes
    found: dict[int, Found] = field(default_factory=dict)
    offsets: dict[int, int] = field(default_factory=dict)
    """The number of the object at each offset, older versions included."""
    cache: dict[int, Value] = field(default_factory=dict)
    end: int = 0
    """Where the last object's body or stream ends."""

    def get(self, value: Value) -> Value:
        """What a value stands for: itself, or the object that it refers to, or None.

        Raises `Malformed` where that object is.
        """
        for _ in range(8):  # a reference may lead to a reference, in a circle if it is hostile
            if not isinstance(value, Ref):
                return value
            if value not in self.cache:
                found = self.found.get(value)
                self.cache[value] = None if found is None else self._read(found)
            value = self.cache[value]
        return None

    def _read(self, found: Found) -> Value:
        value, end = parse_value(found.data, found.body)
        if not isinstance(value, dict):
            return value
        start = _STREAM.match(found.data, end)
        if start is None:
            if found.stream_end >= 0:
                raise Malformed(f"what should begin a stream at byte {end} does not")
            return value
        end = max(found.stream_end, start.end())
        return Stream(value, found.data[start.end() : end], found.exact)

    def dictionary(self, value: Value) -> Dictionary:
        """The dictionary that a value stands for, or that of the stream; else an empty one."""
        value = self.get(value)
        if isinstance(value, Stream):
            return value.dictionary
        return value if isinstance(value, dict) else {}

    def unpack(self, numbers: list[int]) -> None:
        """Add the objects inside these object streams (7.5.7). Raises `Malformed`.

        What is no object stream is passed over: if its objects matter, they will be missed.
        """
        for number in numbers:
            stream = self.get(Ref(number))
            if not isinstance(stream, Stream) or stream.dictionary.get(b"Type") != b"ObjStm":
                continue
            data = decode(stream)
            count, first = stream.dictionary.get(b"N"), stream.dictionary.get(b"First")
            if not isinstance(count, int) or not isinstance(first, int):
                raise Malformed(f"object stream {number} has no index")
            index = data[:first].split()[: 2 * count]
            for inner, offset in zip(index[::2], index[1::2], strict=False):
                if not (inner.isdigit() and offset.isdigit()):
                    raise Malformed(f"the index of object stream {number} is no list of numbers")
                # A later update in the file itself outranks what was packed before it.
                known = self.found.get(int(inner))
                if known is None or known.offset < self.found[number].offset:
                    self.found[int(inner)] = Found(-1, first + int(offset), data)
                    self.cache.pop(int(inner), None)


def find_objects(data: bytes) -> Objects:
    """Every object that stands in the file itself, found by its "N G obj"."""
    objects = Objects(data)
    for number, offset, body in _heads(data, objects):
        end = data.find(b"endobj", body)
        end = body if end < 0 else end
        found = Found(offset, body, data)
        keyword = data.find(b"stream", body, end if end > body else len(data))
        if keyword >= 0 and data[body:keyword].rstrip().endswith(b">>"):
            found.stream = keyword
            found.stream_end, found.exact = _end_of_stream(data, body, keyword)
            end = found.stream_end
        objects.found[number] = found
        objects.offsets[offset] = number
        objects.end = end
    return objects


def _heads(data: bytes, objects: Objects) -> Iterator[tuple[int, int, int]]:
    """Number, offset and beginning of the body of each object; streams are passed over."""
    position = 0
    while (position := data.find(b"obj", max(position, objects.end))) >= 0:
        start = max(0, position - 24)
        head = _HEAD.search(data[start:position])
        position += 3
        if head is not None:
            yield int(head[1]), start + head.start(), position


def _end_of_stream(data: bytes, body: int, keyword: int) -> tuple[int, bool]:
    """Where the bytes of a stream end, and whether /Length says so too, if it says a number.

    It is where /Length says if "endstream" follows there, else wherever that is.
    """
    start = keyword + len(b"stream")
    start += 2 if data[start : start + 2] == b"\r\n" else 1
    declared = _LENGTH.search(data, body, keyword)
    if declared is not None:
        end = start + int(declared[1])
        if _ENDSTREAM.match(data, end):
            return end, True
    end = data.find(b"endstream", start)
    return (len(data) if end < 0 else end), declared is None


def decode(stream: Stream) -> bytes:
    """The bytes of a stream, unpacked and proved whole by the checksum of their packing.

    Filters without a checksum (LZW, run lengths, those of images) are left as they are. Raises
    `Malformed` where the bytes are not what was packed.
    """
    data = stream.raw
    for name in _filters(stream.dictionary):
        if name in (b"FlateDecode", b"Fl"):
            data = _inflate(data, checked=not stream.exact)
        elif name in (b"ASCII85Decode", b"A85"):
            data = _ascii85(data)
        elif name in (b"ASCIIHexDecode", b"AHx"):
            data = _ascii_hex(data)
        elif name in _UNCHECKED:
            return data
        else:
            raise Malformed(f"unknown packing {name[:40]!r}")
    return data


_UNCHECKED = frozenset(
    b"LZWDecode LZW RunLengthDecode RL Crypt DCTDecode DCT CCITTFaxDecode CCF JBIG2Decode "
    b"JPXDecode".split()
)


def _filters(dictionary: Dictionary) -> list[bytes]:
    value = dictionary.get(b"Filter", dictionary.get(b"F"))
    names = value if isinstance(value, list) else [value]
    return [name for name in names if isinstance(name, bytes)]


def _inflate(data: bytes, *, checked: bool) -> bytes:
    """Unpack; only where a stream is as long as it says may its checksum be missing."""
    unpacker = zlib.decompressobj()
    try:
        unpacked = unpacker.decompress(data, MAX_STREAM)
    except zlib.error as error:
        raise Malformed(f"packed bytes are corrupt ({error})") from error
    if unpacker.unconsumed_tail:
        raise Malformed(f"it unpacks to more than {MAX_STREAM >> 20} MB")
    if not unpacker.eof and (checked or not _lacks_only_checksum(data)):
        raise Malformed("packed bytes are cut off")
    return unpacked


def _lacks_only_checksum(data: bytes) -> bool:
    """Some writers leave the checksum out, or count it out of /Length: nothing is lost then."""
    unpacker = zlib.decompressobj(-15)
    try:
        unpacker.decompress(data[2:], MAX_STREAM)
    except zlib.error:
        return False
    return unpacker.eof


def _ascii85(data: bytes) -> bytes:
    try:
        return base64.a85decode(data.split(b"~")[0].strip())
    except ValueError as error:
        raise Malformed(f"packed bytes are corrupt ({error})") from error


def _ascii_hex(data: bytes) -> bytes:
    digits = b"".join(data.split(b">")[0].split())
    try:
        return bytes.fromhex((digits + b"0" * (len(digits) % 2)).decode("ascii"))
    except ValueError as error:
        raise Malformed("packed bytes are no hexadecimal digits") from error
