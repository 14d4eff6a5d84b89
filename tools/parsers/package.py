"""Opens the packages that Office files are: ZIP archives of XML parts (ECMA-376, part 2).

Each part is read within a limit, XML that could be made to expand is refused, a relation is never
followed out of the package, and nothing is written anywhere.
"""

import io
import posixpath
import re
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, NamedTuple
from xml.etree import ElementTree as ET

from tools.parsers.office_xml import name
from tools.parsers.result import Refused

MAX_ENTRIES: Final = 10_000
MAX_PART: Final = 64 << 20
"""Bytes that one part with text may unpack to."""
MAX_PARTS: Final = 128 << 20
"""Bytes that all parts that are read may unpack to together."""

_ROOT = re.compile(rb"<(?:[\w.-]+:)?([A-Za-z]+)[\s/>]")
_BROKEN = (  # what zipfile raises for bytes that are no archive, or a broken one
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    NotImplementedError,
    EOFError,
    OSError,
    ValueError,
    LookupError,
)


class Relation(NamedTuple):
    """What a part says of another one in the package: its id there, its kind and its path."""

    id: str
    kind: str
    path: str


@contextmanager
def opened(data: bytes, program: str) -> "Iterator[Package]":
    """Open a package; `program` is what could mend it. Raises `Refused` for what is broken."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            yield Package(data, archive, program)
    except _BROKEN as error:
        raise Refused("damaged", f"It is cut off or corrupt. {_remedy(program)}") from error
    except RecursionError:  # which is a RuntimeError, and no password
        raise
    except RuntimeError as error:  # zipfile's word for a part with a password
        raise Refused("locked", "It is locked with a password. Add a copy without one.") from error


def listed(data: bytes) -> list[str]:
    """Return the names of the parts of an archive; none, if it is broken."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return archive.namelist()
    except _BROKEN:
        return []


def _remedy(program: str) -> str:
    return f"Get an intact copy, or open it in {program} and save it again, and add that."


def _declares(remedy: str) -> Refused:
    return Refused("damaged", f"Its XML declares a document type, as Office never does. {remedy}")


class _Builder(ET.TreeBuilder):
    """Refuses a document type: it is the way to entities, and the format forbids it."""

    def __init__(self, remedy: str) -> None:
        super().__init__()
        self._remedy = remedy

    def doctype(self, *_: str | None) -> None:
        """Called before anything that the document type declares is read."""
        raise _declares(self._remedy)


class Package:
    """The parts of a package and their relations, within limits."""

    def __init__(self, data: bytes, archive: zipfile.ZipFile, program: str) -> None:
        self._archive = archive
        self._opened: set[str] = set()
        self._remedy = _remedy(program)
        self._left = MAX_PARTS
        for entry in archive.infolist():
            # The list of parts has no checksum, but each part repeats its own name.
            encoding = "utf-8" if entry.flag_bits & 0x800 else "cp437"
            written = entry.orig_filename.encode(encoding, "replace")
            start = entry.header_offset + 30
            if data[start : start + len(written)] != written:
                raise Refused("damaged", f"Its list of parts is corrupt. {self._remedy}")
        self._names = {entry.filename.lower(): entry for entry in archive.infolist()}
        if len(self._names) < len(archive.infolist()):  # one would be examined, the other read
            raise Refused("damaged", f"Some of its parts have the same name. {self._remedy}")
        if len(archive.infolist()) > MAX_ENTRIES:
            raise Refused("unsupported", f"It holds more than {MAX_ENTRIES:,} parts.")

    def has(self, path: str) -> bool:
        """Whether there is a part."""
        return path.lower() in self._names

    def read(self, path: str) -> bytes:
        """The bytes of a part. Raises `Refused` if it is missing, too large or corrupt."""
        entry = self._names.get(path.lower())
        self._opened.add(path.lower())
        if entry is None:
            raise Refused("damaged", f"A part of it is missing. {self._remedy}")
        limit = min(MAX_PART, self._left)
        if entry.file_size > limit:  # what it declares, before anything is unpacked
            raise Refused(
                "unsupported",
                f"It unpacks to {entry.file_size / 1e6:,.0f} MB of text, more than the "
                f"{limit / 1e6:,.0f} MB that are read: it may be made to do harm. Split it if not.",
            )
        with self._archive.open(entry) as part:
            data = part.read(limit + 1)
        self._left -= len(data)
        if len(data) > limit:
            raise Refused("unsupported", "It unpacks to more than it declares. It is not opened.")
        return data

    def plain(self, path: str, root: str) -> bytes:
        """The bytes of a part of XML that others will parse: it declares no entities.

        `root` is what its root must be called; "" leaves that to the caller.
        """
        data = self.read(path)
        if b"<!DOCTYPE" in data:
            raise _declares(self._remedy)
        first = _ROOT.search(data)
        if first is None or (root and first[1].decode() != root):
            raise self._misplaced()
        return data

    def _misplaced(self) -> Refused:
        return Refused("damaged", f"A part of it stands where another should. {self._remedy}")

    def unread(self, names: str) -> str:
        """What to say of parts with such names (a pattern) that nothing led to."""
        wanted = re.compile(names, re.IGNORECASE)
        left = sorted(
            entry.filename
            for path, entry in self._names.items()
            if path not in self._opened and wanted.fullmatch(path)
        )
        if not left:
            return ""
        shown = ", ".join([*left[:5], *(["others"] if len(left) > 5 else [])])
        return f"Nothing in it leads to some of its parts, which were not read: {shown}."

    def xml(self, path: str, root: str = "") -> ET.Element:
        """The root of a part. Raises `Refused` if it is missing, too large or corrupt.

        `root` is what the root must be called, as in "w:hdr"; "" leaves that to the caller.
        """
        parser = ET.XMLParser(target=_Builder(self._remedy))  # noqa: S314 - see `_Builder`
        try:
            parser.feed(self.read(path))
            found: ET.Element = parser.close()
        except ET.ParseError as error:
            raise Refused("damaged", f"A part of it is corrupt. {self._remedy}") from error
        if root and name(found) != root:
            raise self._misplaced()
        return found

    def main(self, usual: str) -> str:
        """The path of the part that everything else hangs on."""
        found = [each.path for each in self.related("") if each.kind == "officeDocument"]
        return found[0] if found else usual

    def related(self, path: str) -> list[Relation]:
        """The parts that a part refers to; "" is the package itself."""
        folder, base = posixpath.split(path)
        relations = posixpath.join(folder, "_rels", f"{base}.rels")
        if not self.has(relations):
            return []
        found = []
        for each in self.xml(relations, "rel:Relationships"):
            if each.get("TargetMode") != "External":
                target = each.get("Target", "")
                inside = target.lstrip("/") if target[:1] == "/" else posixpath.join(folder, target)
                kind = each.get("Type", "").rpartition("/")[2]
                found.append(Relation(each.get("Id", ""), kind, posixpath.normpath(inside)))
        return found
