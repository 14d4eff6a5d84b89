"""Reads plain text and Markdown. Both are their own text: nothing is rendered, nothing dropped."""

import codecs
import re
from collections.abc import Iterator

from tools.parsers.result import Parsed, Refused, clean, has_text, numbered
from tools.parsers.sections import Sections, cut

_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # begins as the mark of UTF-16 does
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_ASSUMED = "It is not UTF-8 and was read as Windows-1252: check letters with accents."
_DAMAGED = "It holds bytes that are no text. Get an intact copy and add that."
_HEADING = re.compile(r" {0,3}(#{1,6})(?:[ \t]+(.*?))??(?:[ \t]+#+)?[ \t]*$")
_UNDERLINE = re.compile(r" {0,3}(=+|-+)[ \t]*$")
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})(.*)$")
_NO_PARAGRAPH = re.compile(r" {0,3}(?:[-*+>|]|\d+[.)]|#)|\s*$| {4}|\t")


def decode(data: bytes, declared: str = "") -> tuple[str, str]:
    """The text of these bytes, and what to tell a person about its encoding.

    A byte order mark decides, then what is declared, then UTF-8 if it is that; anything else is
    taken for Windows-1252. Raises `Refused` where the bytes are no text.
    """
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return _strict(data[len(mark) :], encoding), ""
    if b"\0" in data:
        raise Refused("damaged", _DAMAGED)
    if declared and _is_superset_of_ascii(declared):
        return _strict(data, declared), ""
    try:
        return data.decode("utf-8"), ""
    except UnicodeDecodeError:
        pass
    # A text has few control characters; bytes at random have many.
    controls = sum(data.count(byte) for byte in range(32) if byte not in b"\t\n\f\r\x1b")
    if controls > len(data) // 100:
        raise Refused("damaged", _DAMAGED)
    try:
        return data.decode("cp1252"), _ASSUMED
    except UnicodeDecodeError:
        return data.decode("latin-1"), _ASSUMED.replace("Windows-1252", "Latin-1")


def _strict(data: bytes, encoding: str) -> str:
    try:
        text = data.decode(encoding)
    except UnicodeError as error:
        raise Refused("damaged", _DAMAGED) from error
    if "\0" in text:
        raise Refused("damaged", _DAMAGED)
    return text


def _is_superset_of_ascii(encoding: str) -> bool:
    try:
        if makes_letters(encoding):
            return False
        return bytes(range(32, 127)).decode(encoding) == "".join(map(chr, range(32, 127)))
    except (LookupError, UnicodeError, ValueError):
        return False


def makes_letters(encoding: str) -> bool:
    """Whether Python knows an encoding that no other program does, which unfolds escapes."""
    return b"\\u0041".decode(encoding, "replace") == "A"


def read_text(data: bytes) -> Parsed:
    """Plain text, cut at form feeds and into parts. May raise `Refused`."""
    text, reason = decode(data)
    pages = numbered(_by_lines(text))
    if not has_text(pages):
        raise Refused("damaged", "There is no text in it.")
    return Parsed(status="ready", reason=reason, media_type="text/plain", pages=pages)


def _by_lines(text: str) -> Iterator[tuple[str, str]]:
    line = 1
    for sheet in text.replace("\r\n", "\n").replace("\r", "\n").split("\f"):
        sheet = clean(sheet)
        for start, end in cut(sheet):
            part = sheet[start:end]
            body = part.strip("\n")
            first = line + len(part) - len(part.lstrip("\n"))
            if body.strip():
                last = first + body.count("\n")
                yield (f"lines {first}–{last}" if last > first else f"line {first}"), body
            line += part.count("\n")


def read_markdown(data: bytes) -> Parsed:
    """Markdown as its source, one page for each section. May raise `Refused`."""
    text, reason = decode(data)
    sections = Sections()
    for level, title, lines in _markdown(clean(text).split("\n")):
        if level:
            sections.heading(level, title, "\n".join(lines))
        else:
            sections.text("\n".join(lines))
    pages = numbered(sections.pages())
    if not has_text(pages):
        raise Refused("damaged", "There is no text in it.")
    return Parsed(status="ready", reason=reason, media_type="text/markdown", pages=pages)


def _markdown(lines: list[str]) -> Iterator[tuple[int, str, list[str]]]:
    """Level, title and lines of each heading; 0 for lines that are none (CommonMark 4.2 to 4.5)."""
    fence = ""
    paragraph: list[str] = []  # lines that an underline would make a heading
    matter = _front_matter(lines)
    if matter:
        yield 0, "", lines[:matter]
    for line in lines[matter:]:
        fence, was_fenced = _fenced(line, fence), fence
        atx = None if fence or was_fenced else _HEADING.match(line)
        underline = None if fence or was_fenced else _UNDERLINE.match(line)
        if atx is not None:
            yield from _flush(paragraph)
            yield len(atx[1]), (atx[2] or "").strip(), [line]
        elif underline is not None and paragraph:
            title = " ".join(map(str.strip, paragraph))
            yield (1 if "=" in underline[1] else 2), title, [*paragraph, line]
            paragraph.clear()
        elif fence or was_fenced or (_NO_PARAGRAPH.match(line) and not _goes_on(paragraph, line)):
            yield from _flush(paragraph)
            yield 0, "", [line]
        else:
            paragraph.append(line)
    yield from _flush(paragraph)


def _goes_on(paragraph: list[str], line: str) -> bool:
    """An indented line goes on with a paragraph; without one it is code."""
    return bool(paragraph) and line.startswith((" ", "\t")) and bool(line.strip())


def _flush(paragraph: list[str]) -> Iterator[tuple[int, str, list[str]]]:
    if paragraph:
        yield 0, "", list(paragraph)
        paragraph.clear()


def _fenced(line: str, fence: str) -> str:
    """The fence that the next line is inside of; empty outside of code."""
    match = _FENCE.match(line)
    if match is None:
        return fence
    if not fence:
        return "" if match[1][0] == "`" and "`" in match[2] else match[1]
    closes = match[1][0] == fence[0] and len(match[1]) >= len(fence) and not match[2].strip()
    return "" if closes else fence


def _front_matter(lines: list[str]) -> int:
    """How many lines a block of metadata at the very beginning takes."""
    if lines[0].rstrip() != "---":
        return 0
    ends = (
        number for number, line in enumerate(lines[1:200], 1) if line.rstrip() in ("---", "...")
    )
    return next(ends, -1) + 1
