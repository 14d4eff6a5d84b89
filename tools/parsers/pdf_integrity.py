"""Whether everything that the pages of a PDF need for their text is there and whole.

A PDF reader that meets corrupt bytes leaves text out and says nothing. So the file is examined
beside the reader: every packed stream that text depends on is proved by its checksum, and the
file's index compared with where the objects really are. This must never extract text, and never
raise on any bytes. The reader is `tools.parsers.pdf`, the way from a page to its text is in
`tools.parsers.pdf_walk`.
"""

import re
from collections.abc import Iterable

from tools.parsers.pdf_index import Index
from tools.parsers.pdf_syntax import Malformed, Objects, Stream, Value, find_objects
from tools.parsers.pdf_walk import CUT_OFF, Findings, Walk, near_miss

__all__ = ["Findings", "examine", "examine_encrypted"]

_END = re.compile(rb"startxref\s+\d+|%%EOF")


def examine(data: bytes, *, unpacked: frozenset[int] = frozenset()) -> Findings:
    """What is wrong with these bytes of an unencrypted PDF.

    `unpacked` are streams which no checksum has ever guarded, though now they are packed.
    """
    findings = Findings()
    objects = find_objects(data)
    try:
        index = Index(objects)
        objects.unpack(sorted(index.packing))
        Walk(objects, index, findings, unpacked).run()
    except (ValueError, RecursionError) as error:
        findings.file.append(str(error))
    _check_end(objects, findings)
    return findings


def examine_encrypted(data: bytes, decrypted: bytes) -> Findings:
    """What is wrong with the bytes of an encrypted PDF, of which a reader made a decrypted copy.

    The copy has what the reader could still make out, and its streams can be proved. What the
    reader left out shows in the original, where all but the insides of streams can be followed.
    """
    objects = find_objects(data)
    unpacked = frozenset(
        number
        for number, found in objects.found.items()
        if found.stream >= 0 and b"/Filter" not in data[found.body : found.stream]
    )
    findings = examine(decrypted, unpacked=unpacked)
    try:
        index = Index(objects)
        # The copy has an index of its own, beside what is left of the file's.
        findings.misindexed = index.unreadable
        if not index.packing:  # else objects are inside of streams
            outside = Findings()
            _Outside(objects, index, outside).run()
            findings.pages = {**outside.pages, **findings.pages}
            findings.file += outside.file
            findings.misindexed = outside.misindexed
    except (ValueError, RecursionError) as error:
        findings.file.append(str(error))
    _check_end(objects, findings)
    return findings


def _check_end(objects: Objects, findings: Findings) -> None:
    """A file whose end is cut off may have lost an update that no reader could know of."""
    if not _END.search(objects.data, objects.end) and CUT_OFF not in findings.file:
        findings.file.append(CUT_OFF)


class _Outside(Walk):
    """Follows an encrypted file: what is in its streams cannot be told, only where they end."""

    def decoded(self, value: Value, what: str) -> bytes:
        stream = self.follow(value, what)
        if not isinstance(stream, Stream):
            raise Malformed(f"{what} is missing")
        near_miss(stream.dictionary, "stream")
        if not stream.exact:
            raise Malformed(f"{what} is corrupt")
        return b""

    def letters(self, value: Value) -> None:
        self.decoded(value, "the table of letters of a font")

    def calls(self, contents: bytes, *known: Value) -> Iterable[tuple[bytes, bytes]]:
        """Any of the fonts and forms may be called, as far as one can tell."""
        named = [
            (name, operator)
            for operator, each in zip((b"Tf", b""), known, strict=True)
            for name in (each if isinstance(each, dict) else ())
        ]
        return dict.fromkeys([*named, *super().calls(contents)])

    def strays(self) -> None:
        pass
