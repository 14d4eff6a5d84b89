"""Follows each page of a PDF from the catalogue to everything that its text depends on.

What is missing on the way, or corrupt, is written down as `Findings`: a reader would go on without
it and say nothing. It never extracts text. What is examined, and what follows from the findings, is
in `tools.parsers.pdf_integrity`; section numbers are those of ISO 32000-1.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from tools.parsers.pdf_index import Index
from tools.parsers.pdf_letters import check_letters
from tools.parsers.pdf_syntax import (
    Dictionary,
    Malformed,
    Name,
    Objects,
    Ref,
    Stream,
    Value,
    decode,
)

MAX_PAGES = 5_000
MAX_UNPACKED = 1 << 30
"""Bytes that the contents of all pages may unpack to together."""

CUT_OFF = "its end is cut off"
_USED = re.compile(rb"/([^\s/<>\[\]()]+)\s+(?:[-+\d.]+\s+(Tf)|Do)\b")
_FOREIGN = re.compile(rb"(?:^|[\r\n])[ \t]*(?:endobj|endstream)\b")  # no operator is called so
_SHOWS = re.compile(rb"[)>\]]\s*T[jJ]\b")  # the operators that show text (9.4.3)
_FONTS = frozenset(
    [b"Type0", b"Type1", b"MMType1", b"Type3", b"TrueType", b"CIDFontType0", b"CIDFontType2"]
)
_ORDERINGS = (b"(Japan1)", b"(Korea1)", b"(KR)", b"(GB1)", b"(CNS1)")
_FONT_PROGRAMS = (b"FontFile", b"FontFile2", b"FontFile3")
# The keys without which text is lost. A flipped bit turns one of them into its neighbour, and the
# dictionary stays well-formed without it.
_KEYS = {
    "catalogue": b"Pages Type",
    "tree": b"Kids Count Type Parent Resources",
    "page": b"Contents Resources Type Parent",
    "resources": b"Font XObject",
    "font": b"Type Subtype BaseFont Encoding ToUnicode DescendantFonts FirstChar LastChar Widths "
    b"FontDescriptor CIDToGIDMap W DW",
    "stream": b"Filter Length DecodeParms Resources Subtype",
}
_KNOWN = {kind: frozenset(keys.split()) for kind, keys in _KEYS.items()}


@dataclass(slots=True)
class Findings:
    """What is wrong with a file, as far as its text goes."""

    page_count: int | None = None
    """Pages in the tree, if it can be followed."""
    pages: dict[int, str] = field(default_factory=dict)
    """What is missing, by page number."""
    unknown: set[int] = field(default_factory=set)
    """The pages that use a font which does not tell its letters: a reader has to guess."""
    file: list[str] = field(default_factory=list)
    """What is wrong with the file as a whole."""
    misindexed: bool = False
    """The index leads a reader past objects that are there: it must look for them itself."""

    @property
    def whole(self) -> bool:
        """Whether nothing that text needs is missing or corrupt."""
        return not self.pages and not self.file


class Walk:
    """Follows the page tree to everything that text depends on (7.7.3)."""

    def __init__(
        self,
        objects: Objects,
        index: Index,
        findings: Findings,
        unpacked: frozenset[int] = frozenset(),
    ) -> None:
        self.unpacked_before = unpacked
        self.objects = objects
        self.index = index
        self.findings = findings
        self.reached: set[int] = set()
        self.checked: dict[int | None, tuple[str, bool]] = {}
        self.unknown = False
        self.inexact = False
        self.resources: Value = None
        self.unpacked = 0

    def run(self) -> None:
        """Follow everything, and write down what is wrong."""
        root = self._root()
        self.note(root)
        pages: list[tuple[Dictionary, Value]] = []
        self._tree(root.get(b"Pages"), None, pages, set())
        declared = self.objects.dictionary(root.get(b"Pages")).get(b"Count")
        self.findings.page_count = len(pages)
        if declared != len(pages):
            self.findings.file.append(
                f"its list of pages counts {declared!r} and leads to {len(pages)}"
            )
        for number, (page, resources) in enumerate(pages, 1):
            self.unknown = False
            self.resources = resources
            try:
                self._page(page, resources)
            except Malformed as error:
                self.findings.pages[number] = str(error)
            if self.unknown:
                self.findings.unknown.add(number)
        missed = self.reached & self.index.wrong
        unlisted = self.index.present and self.reached - self.index.listed
        self.findings.misindexed = bool(missed or unlisted or self.index.unreadable)
        if self.inexact and missed:
            # Writers err in lengths, or in places; both together, and bytes have been lost.
            self.findings.file.append("pieces of it are missing")
        self.strays()

    def strays(self) -> None:
        """Text that no page leads to, because what led to it now leads elsewhere."""
        data = self.objects.data
        if data.count(b"%%EOF") > 1 + (b"/Linearized" in data[:1024]):
            return  # the file was updated, and what an update replaces stays in it
        for number, found in self.objects.found.items():
            if found.stream < 0 or number in self.reached:
                continue
            head = found.data[found.body : found.stream]
            if b"/Type" in head or b"/Subtype" in head:
                continue  # only the contents of pages have neither
            try:
                stream = self.objects.get(Ref(number))
                shows = isinstance(stream, Stream) and _SHOWS.search(decode(stream))
            except Malformed:
                continue
            if shows and not self._is_referred_to(number):
                self.findings.file.append("some of its text is on none of its pages")
                return

    def _is_referred_to(self, number: int) -> bool:
        reference = re.compile(rb"(?<!\d)%d\s+\d+\s+R\b" % number)
        packed = {id(found.data): found.data for found in self.objects.found.values()}
        return any(reference.search(data) for data in packed.values())

    def note(self, value: Value) -> None:
        """Remember that text depends on this object."""
        if isinstance(value, Ref):
            self.reached.add(int(value))

    def follow(self, value: Value, what: str) -> Value:
        """What a value that text depends on stands for; raises `Malformed` if nothing does."""
        self.note(value)
        try:
            found = self.objects.get(value)
        except Malformed as error:
            raise Malformed(f"{what} is corrupt") from error
        if found is None and value is not None:
            raise Malformed(f"{what} is missing")
        return found

    def _root(self) -> Dictionary:
        for trailer in reversed(self.index.trailers):
            try:
                root = self.objects.dictionary(trailer.get(b"Root"))
            except Malformed:
                continue
            if b"Pages" in root:
                self.note(trailer.get(b"Root"))
                near_miss(root, "catalogue")
                return root
        for number in reversed(self.objects.found):
            try:
                root = self.objects.dictionary(Ref(number))
            except Malformed:
                continue
            if root.get(b"Type") == b"Catalog" and b"Pages" in root:
                self.findings.file.append(CUT_OFF)
                return root
        raise Malformed("the list of its pages is missing")

    def _tree(
        self,
        value: Value,
        resources: Value,
        pages: list[tuple[Dictionary, Value]],
        above: set[int],
    ) -> None:
        node = self.follow(value, "the list of its pages")
        if not isinstance(node, dict):
            raise Malformed("the list of its pages is corrupt")
        if isinstance(value, Ref) and int(value) in above:
            raise Malformed("the list of its pages runs in a circle")
        resources = node.get(b"Resources", resources)
        if b"Kids" not in node:
            pages.append((node, resources))
            if len(pages) > MAX_PAGES:
                raise Malformed(f"it has more than {MAX_PAGES:,} pages")
            return
        near_miss(node, "tree")
        kids = self.follow(node[b"Kids"], "the list of its pages")
        if not isinstance(kids, list):
            raise Malformed("the list of its pages is corrupt")
        above = above | ({int(value)} if isinstance(value, Ref) else set())
        for kid in kids:
            self._tree(kid, resources, pages, above)

    def _page(self, page: Dictionary, resources: Value) -> None:
        near_miss(page, "page")
        contents = self.follow(page.get(b"Contents"), "its text")
        streams = contents if isinstance(contents, list) else [page.get(b"Contents")]
        data = b"\n".join(self.decoded(each, "its text") for each in streams if each is not None)
        zeros = bytes(16) in data and b"BI" not in data  # only pictures in it may have some
        # A plain search takes no time, beside one for where the words stand.
        foreign = (b"endobj" in data or b"endstream" in data) and _FOREIGN.search(data)
        if zeros or foreign:
            raise Malformed("its text is corrupt: it has been overwritten")
        self._used(data, resources)

    def decoded(self, value: Value, what: str) -> bytes:
        """The bytes of a stream that text depends on. Raises `Malformed`."""
        stream = self.follow(value, what)
        if not isinstance(stream, Stream):
            raise Malformed(f"{what} is missing")
        try:
            near_miss(stream.dictionary, "stream")
            data = decode(self._direct(stream))
            if b"Filter" not in stream.dictionary:
                self.inexact = self.inexact or not stream.exact
        except Malformed as error:
            raise Malformed(f"{what} is corrupt: {error}") from error
        self.unpacked += len(data)
        if self.unpacked > MAX_UNPACKED:
            raise Malformed(f"it unpacks to more than {MAX_UNPACKED >> 20} MB")
        return data

    def _direct(self, stream: Stream) -> Stream:
        """The stream with its filter looked up, should that be a reference."""
        if not isinstance(stream.dictionary.get(b"Filter"), Ref):
            return stream
        packed = self.follow(stream.dictionary[b"Filter"], "the packing")
        return Stream({**stream.dictionary, b"Filter": packed}, stream.raw)

    def _used(self, contents: bytes, resources: Value) -> None:
        """The fonts and forms that contents call by name (7.8.3)."""
        known = self.follow(resources, "its list of fonts")
        if not isinstance(known, dict):
            if _USED.search(contents):
                raise Malformed("its list of fonts is missing")
            return
        near_miss(known, "resources")
        fonts = self.follow(known.get(b"Font"), "its list of fonts")
        forms = self.follow(known.get(b"XObject"), "its list of forms")
        for name, operator in self.calls(contents, fonts, forms):
            if operator:
                self._named(fonts, name, "a font", self._font)
            else:
                self._named(forms, name, "a part", self._form)

    def calls(self, contents: bytes, *_: Value) -> Iterable[tuple[bytes, bytes]]:
        """The names that contents call, in order, and by which operator: b"Tf" for a font."""
        return dict.fromkeys(_USED.findall(contents))

    def _named(self, known: Value, name: bytes, what: str, check: Callable[[Value], None]) -> None:
        value = known.get(Name(name)) if isinstance(known, dict) else None
        if value is None:
            raise Malformed(f"{what} that it uses is missing")
        key = int(value) if isinstance(value, Ref) else None
        if key in self.checked:
            self.note(value)
            why, unknown = self.checked[key]
        else:
            why, unknown = self._checked(key, value, check)
        self.unknown = self.unknown or unknown
        if why:
            raise Malformed(why)

    def _checked(
        self, key: int | None, value: Value, check: Callable[[Value], None]
    ) -> tuple[str, bool]:
        """What is wrong with a font or form, and whether it has letters that nothing tells."""
        if key is not None:
            self.checked[key] = "", False  # it may contain itself
        before, self.unknown = self.unknown, False
        try:
            check(value)
            found = "", self.unknown
        except Malformed as error:
            found = str(error), self.unknown
        self.unknown = before
        if key is not None:
            self.checked[key] = found
        return found

    def _form(self, value: Value) -> None:
        form = self.follow(value, "a part of it")
        if not isinstance(form, Stream):
            raise Malformed("a part of it is missing")
        if form.dictionary.get(b"Subtype") == b"Image":
            return
        if form.dictionary.get(b"Subtype") not in (b"Form", b"PS"):
            raise Malformed("a part of it is corrupt")
        # An old form without resources uses those of its page.
        resources = form.dictionary.get(b"Resources", self.resources)
        self._used(self.decoded(value, "a part of it"), resources)

    def _font(self, value: Value) -> None:
        font = self.follow(value, "a font")
        if not isinstance(font, dict) or font.get(b"Subtype") not in _FONTS:
            raise Malformed("a font is corrupt")
        near_miss(font, "font")
        self.follow(font.get(b"Encoding"), "the encoding of a font")
        if isinstance(font.get(b"ToUnicode"), Ref):
            self.letters(font[b"ToUnicode"])
        elif b"ToUnicode" not in font:
            self.unknown = self.unknown or self._keeps_letters_back(font)
        self._program(font)
        descendants = self.follow(font.get(b"DescendantFonts"), "a font")
        if font[b"Subtype"] == b"Type0" and not isinstance(descendants, list):
            raise Malformed("a font is missing")
        for each in descendants if isinstance(descendants, list) else []:
            self._font(each)

    def _keeps_letters_back(self, font: Dictionary) -> bool:
        """Whether a font without a table of letters has no other way to tell them (9.10.2)."""
        if font.get(b"Encoding") not in (b"Identity-H", b"Identity-V"):
            return False
        descendants = self.objects.get(font.get(b"DescendantFonts"))
        each = descendants[0] if isinstance(descendants, list) and descendants else None
        system = self.objects.dictionary(self.objects.dictionary(each).get(b"CIDSystemInfo"))
        return system.get(b"Ordering") not in _ORDERINGS

    def letters(self, value: Value) -> None:
        """Prove the table of letters of a font. Raises `Malformed`."""
        table = self.decoded(value, "the table of letters of a font")
        packed = b"Filter" in self.objects.dictionary(value)
        if not packed or (isinstance(value, Ref) and int(value) in self.unpacked_before):
            check_letters(table)

    def _program(self, font: Dictionary) -> None:
        """A font's own program tells what its letters are (9.10.2) and where words end."""
        descriptor = self.follow(font.get(b"FontDescriptor"), "a font")
        if isinstance(descriptor, dict):
            for key in _FONT_PROGRAMS:
                if key in descriptor:
                    self.decoded(descriptor[key], "a font")


def near_miss(dictionary: Dictionary, kind: str) -> None:
    """Raise `Malformed` for a key that is one byte off one that is missing."""
    known = _KNOWN[kind]
    strange = dictionary.keys() - known
    missing = known - dictionary.keys()
    for key in strange:
        for other in missing:
            if len(key) == len(other) and sum(map(int.__ne__, key, other)) == 1:
                raise Malformed(f"the key {key[:40]!r} is corrupt")
