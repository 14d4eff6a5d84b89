"""Damages real files as disks, networks and strangers do, and judges what was read of them.

Hypothesis chooses a file and what happens to it. `judged` compares what was read of it with what
the whole file says: a `ready` file has all its words, or a person is told what was lost. What a
text format cannot know (that its end is missing, say) counts as what the file now says.
"""

import io
import re
import zipfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from email.message import EmailMessage
from functools import cache
from pathlib import Path
from typing import Any, Final, get_args

import docx
import openpyxl
import pptx
from hypothesis import strategies as st

from storage.records import DocumentStatus
from tests.tools.conftest import DATA
from tools.parsers.result import Parsed, Refused, clean
from tools.parsers.text import decode

SAMPLES: Final = Path(__file__).parents[2] / "scripts" / "samples"
STATUSES: Final = get_args(DocumentStatus)
TEXTS: Final = (".txt", ".md", ".csv")
"""Formats that say of themselves neither where they end nor whether they are whole."""
_LENGTHS: Final = re.compile(rb"/(?:Length|Count|N|First|Size|Prev)\s+(\d+)|startxref\s+(\d+)")
_CLAUSE: Final = "The Tenant of unit {n} may terminate on {n} days' written notice to the Landlord."


@dataclass(frozen=True, slots=True)
class Damaged:
    """A file that something happened to."""

    name: str
    data: bytes
    happened: tuple[str, ...]
    changed: int
    """About how many of its bytes are not what they were."""

    def __repr__(self) -> str:
        return f"{self.name}: {', '.join(self.happened)}"


def _document() -> bytes:
    made = docx.Document()
    made.add_heading("Lease", 1)
    for n in range(1, 30):
        made.add_paragraph(_CLAUSE.format(n=n), style="List Number" if n % 3 else None)
    table = made.add_table(2, 2)
    for cell, text in zip(table._cells, ["Year", "Rent", "2027", "$ 200"], strict=True):
        cell.text = text
    made.sections[0].header.paragraphs[0].text = "Draft of 3 May"
    return _saved(made.save)


def _workbook() -> bytes:
    book = openpyxl.Workbook()
    for title in ("Rents", "Notices"):
        sheet = book.create_sheet(title)
        sheet.append(["unit", "share", "remark"])
        for n in range(1, 40):
            sheet.append([n, n / 100, _CLAUSE.format(n=n)])
            sheet.cell(n + 1, 2).number_format = "0.0%"
    return _saved(book.save)


def _slides() -> bytes:
    show = pptx.Presentation()
    for n in range(1, 5):
        slide = show.slides.add_slide(show.slide_layouts[1])
        slide.shapes.title.text = f"Unit {n}"
        slide.placeholders[1].text = _CLAUSE.format(n=n)
        slide.notes_slide.notes_text_frame.text = f"Say that unit {n} is empty."
    return _saved(show.save)


def _mail() -> bytes:
    message = EmailMessage()
    message["From"], message["To"] = "Ann <ann@a.test>", "bob@b.test"
    message["Subject"] = "Kündigung der Lagerhalle"
    text = "\n".join(_CLAUSE.format(n=n) for n in range(1, 20))
    message.set_content(text, cte="base64")
    message.add_alternative(f"<p>{text}</p>", subtype="html")
    rows = b"tenant,rent\nBirch Storage,1200\n" * 20
    message.add_attachment(rows, maintype="text", subtype="csv", filename="rents.csv")
    for n, part in enumerate(message.walk()):
        if part.is_multipart():
            part.set_boundary(f"boundary-{n}")  # else it is another one each time
    return bytes(message)


def _page() -> bytes:
    clauses = "".join(f"<h2>{n}</h2><p>{_CLAUSE.format(n=n)}</p>" for n in range(1, 20))
    return f"<!doctype html><title>Lease</title><body>{clauses}</body>".encode()


def _rows() -> bytes:
    lines = ["unit;days;remark", *(f'{n};{n};"{_CLAUSE.format(n=n)}"' for n in range(1, 60))]
    return "\r\n".join(lines).encode()


def _saved(save: Callable[[Any], None]) -> bytes:
    out = io.BytesIO()
    save(out)
    return out.getvalue()


_MADE: Final[dict[str, Callable[[], bytes]]] = {
    "made.docx": _document,
    "made.xlsx": _workbook,
    "made.pptx": _slides,
    "made.eml": _mail,
    "made.html": _page,
    "made.csv": _rows,
    "wide.txt": lambda: "\n".join(_CLAUSE.format(n=n) for n in range(40)).encode("utf-16"),
}


def corpus() -> list[str]:
    """Names of the files that are damaged; each format is as likely as any other."""
    return [*_MADE, *_samples(), *_beside("damaged"), *_beside("contracts/pdf")]


def _samples() -> list[str]:
    return sorted(each.name for each in SAMPLES.glob("*.*") if each.suffix not in (".py", ".pyc"))


def _beside(folder: str) -> list[str]:
    there = DATA / folder
    return sorted(f"{folder}/{each.name}" for each in there.iterdir()) if there.is_dir() else []


@cache
def original(name: str) -> bytes:
    """The bytes of a file as it was."""
    if name in _MADE:
        return _MADE[name]()
    return (DATA / name if "/" in name else SAMPLES / name).read_bytes()


@st.composite
def damaged_files(draw: st.DrawFn) -> Damaged:
    """A file to which one to three things happened."""
    formats: dict[str, list[str]] = {}
    for each in corpus():
        formats.setdefault(Path(each).suffix, []).append(each)
    # More of what is most used, and most easily damaged without a word.
    kind = draw(st.sampled_from([*formats, ".pdf", ".pdf", ".pdf", ".docx"]))
    name = draw(st.sampled_from(formats[kind]))
    data, happened, changed = original(name), [], 0
    for _ in range(draw(st.sampled_from([1, 1, 1, 2, 3]))):
        if not data:
            break
        what = draw(st.sampled_from(_for(kind)))
        data, size = _HAPPENINGS[what](draw, data)
        happened.append(what)
        changed += size
    return Damaged(name, data, tuple(happened), changed)


def _for(kind: str) -> list[str]:
    if kind == ".pdf":
        return [*_ANY, "lengths", "index", "lengths", "index"]
    if kind in (".docx", ".xlsx", ".pptx"):
        return [*_ANY, "swapped", "dropped", "emptied", "swapped", "dropped"]
    return _ANY


Happened = tuple[bytes, int]


def _at(draw: st.DrawFn, data: bytes) -> int:
    return draw(st.integers(0, max(0, len(data) - 1)))


def _bits(draw: st.DrawFn, data: bytes) -> Happened:
    flipped = bytearray(data)
    count = draw(st.sampled_from([1, 1, 3, 10]))
    for _ in range(count):
        flipped[_at(draw, data)] ^= 1 << draw(st.integers(0, 7))
    return bytes(flipped), count


def _end(draw: st.DrawFn, data: bytes) -> Happened:
    at = _at(draw, data)
    return data[:at], len(data) - at


def _piece(draw: st.DrawFn, data: bytes) -> Happened:
    at, size = _at(draw, data), draw(st.integers(1, 400))
    return data[:at] + data[at + size :], size


def _sector(draw: st.DrawFn, data: bytes) -> Happened:
    at = _at(draw, data)
    size = min(draw(st.sampled_from([16, 128, 512])), len(data) - at)
    return data[:at] + bytes(size) + data[at + size :], size


def _splice(draw: st.DrawFn, data: bytes) -> Happened:
    """A block of the file, or of another one, stands where it should not."""
    other = draw(st.sampled_from([data, original("made.docx"), original("lease.pdf")]))
    source, at = _at(draw, other), _at(draw, data)
    block = other[source : source + draw(st.integers(1, 600))]
    over = draw(st.sampled_from([0, len(block)]))
    return data[:at] + block + data[at + over :], len(block)


def _lengths(draw: st.DrawFn, data: bytes) -> Happened:
    found = [each.span(1 if each[1] else 2) for each in _LENGTHS.finditer(data)]
    if not found:
        return _bits(draw, data)
    start, end = draw(st.sampled_from(found))
    number = draw(st.sampled_from([0, 1, int(data[start:end]) + 7, 2**31, 10**12]))
    return data[:start] + str(number).encode() + data[end:], end - start


def _index(draw: st.DrawFn, data: bytes) -> Happened:
    """The index at the end of a PDF is gone, or only its place."""
    at = max(data.rfind(b"\nxref"), data.rfind(b"/XRef"), data.rfind(b"startxref"), 0)
    at = draw(st.sampled_from([at, max(data.rfind(b"startxref"), 0)]))
    return data[:at] + draw(st.sampled_from([b"", b"\n%%EOF\n"])), len(data) - at


def _members(data: bytes) -> dict[str, bytes]:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return {each: archive.read(each) for each in archive.namelist()}
    except Exception:  # noqa: BLE001 - it has been damaged before, or is a bomb
        return {}


def _packed(members: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return out.getvalue()


def _swapped(draw: st.DrawFn, data: bytes) -> Happened:
    members = _members(data)
    if len(members) < 2 or len(data) > 1 << 20:
        return _bits(draw, data)
    one, other = draw(st.permutations(sorted(members)))[:2]
    members[one], members[other] = members[other], members[one]
    return _packed(members), len(members[one])


def _dropped(draw: st.DrawFn, data: bytes) -> Happened:
    members = _members(data)
    if not members:
        return _bits(draw, data)
    gone = members.pop(draw(st.sampled_from(sorted(members))))
    return _packed(members), len(gone)


def _emptied(draw: st.DrawFn, data: bytes) -> Happened:
    members = _members(data)
    if not members:
        return _bits(draw, data)
    name = draw(st.sampled_from(sorted(members)))
    size = draw(st.integers(0, len(members[name])))
    cut, members[name] = len(members[name]) - size, members[name][:size]
    return _packed(members), cut


_HAPPENINGS: Final = {
    "bits": _bits,
    "end": _end,
    "piece": _piece,
    "sector": _sector,
    "splice": _splice,
    "lengths": _lengths,
    "index": _index,
    "swapped": _swapped,
    "dropped": _dropped,
    "emptied": _emptied,
}
_ANY: Final = ["bits", "bits", "bits", "end", "piece", "sector", "splice"]


def words(text: str) -> Counter[str]:
    """How often each word stands in a text."""
    return Counter(re.findall(r"\w+", text))


def said(parsed: Parsed) -> Counter[str]:
    """The words of all pages."""
    return words(" ".join(page.text for page in parsed.pages))


def judged(damaged: Damaged, whole: Parsed, parsed: Parsed) -> str:
    """What is dishonest about the outcome; "" if nothing is."""
    kind = Path(damaged.name).suffix
    if parsed.status not in STATUSES:
        return f"there is no status {parsed.status!r}"
    if parsed.status != "ready":
        return "" if parsed.reason else "it is not ready, and nobody is told why"
    if kind in TEXTS:
        held = _held(damaged.data)
        if kind == ".csv":  # quotes that begin or end a cell are no part of it
            return _lost(_letters(held), _letters(said(parsed)))
        return _lost(held, said(parsed))
    if kind == ".html":
        return ""  # what a browser shows of what is left is what it says
    if whole.status != "ready":
        return f"it was {whole.status} before anything happened to it"
    if kind == ".eml":
        lost = said(whole) - said(parsed)
        told = parsed.reason or lost.total() <= 3 + damaged.changed
        return "" if told else f"words are missing: {lost}"
    return "" if parsed.reason != whole.reason else _lost(said(whole), said(parsed))


def _held(data: bytes) -> Counter[str]:
    """The words that a text holds now."""
    try:
        return words(clean(decode(data)[0]))
    except Refused:
        return Counter({"no text at all": 1})


def _letters(found: Counter[str]) -> Counter[str]:
    return Counter("".join(found.elements()))


def _lost(held: Counter[str], found: Counter[str]) -> str:
    lost = held - found
    return f"words are missing: {lost}" if lost else ""
