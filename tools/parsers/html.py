"""Reads HTML as a browser would show it, without running, fetching or following anything.

Scripts, styles and whatever is marked hidden are dropped: they are not on the page that a person
reads. What only a style sheet hides is not known here, and stays.
"""

import re
from collections.abc import Iterator
from typing import Final

from selectolax.lexbor import LexborHTMLParser, LexborNode

from tools.parsers.result import Parsed, Refused, clean, has_text, numbered, words
from tools.parsers.sections import Sections
from tools.parsers.text import decode

MEDIA_TYPE: Final = "text/html"

_CHARSET = re.compile(
    rb"<meta[^>]{0,200}?charset\s*=\s*[\"']?\s*([A-Za-z0-9_.:\-]{2,40})", re.IGNORECASE
)
_HIDDEN_STYLE = re.compile(r"(?:display\s*:\s*none|visibility\s*:\s*hidden)", re.IGNORECASE)
_SPACE = re.compile(r"[ \t\n\f\r]+")
_HEADINGS = {f"h{level}": level for level in range(1, 7)}
_DROPPED = words(
    "script style template noscript head title desc iframe object embed canvas audio video select "
    "datalist"
)
_BLOCKS = words(
    "address article aside blockquote body center dd details dialog dir div dl dt fieldset "
    "figcaption figure footer form header hr html legend li main menu nav ol p pre section "
    "summary table caption tbody thead tfoot tr ul"
)
_PARAGRAPHS = words("p blockquote pre table ul ol dl figure section article")
_CELLS = frozenset(["td", "th"])
_LAYOUT = ", ".join(["table", *_HEADINGS])


def read(data: bytes) -> Parsed:
    """The sections of a page. May raise `Refused`."""
    declared = _CHARSET.search(data[:2048])
    text, reason = decode(data, declared[1].decode("ascii") if declared else "")
    tree = LexborHTMLParser(text)
    title = tree.css_first("title")
    name = " ".join(title.text().split()) if title is not None else ""
    pages = numbered(_Reader(clean(name)[:80] or "start").read(tree))
    if not has_text(pages):
        pictures = tree.css_first("img") is not None
        raise Refused(
            "needs_ocr" if pictures else "damaged",
            "It holds pictures and no text. Put them through OCR and add the result."
            if pictures
            else "There is no text in it. Save the page as it is shown, as PDF, and add that.",
        )
    return Parsed(status="ready", reason=reason, media_type=MEDIA_TYPE, pages=pages)


class _Reader:
    """Walks a tree once, without recursion: a hostile one is as deep as the file is long."""

    def __init__(self, start: str) -> None:
        self._sections = Sections(start)
        self._line: list[str] = []
        self._lines: list[str] = []
        self._preformatted = 0
        self._layout: list[bool] = []
        """Of each table around: whether it places text, rather than holding data."""
        self._row: list[str] | None = None
        """The cells so far of the row of data that is being read."""

    def read(self, tree: LexborHTMLParser) -> Iterator[tuple[str, str]]:
        """Locator and text of each section."""
        if tree.body is not None:
            self._walk(tree.body)
        self._end_section()
        return self._sections.pages()

    def _walk(self, root: LexborNode) -> None:
        node: LexborNode | None = root
        while node is not None:
            inside = self._enter(node)
            child = node.child if inside else None
            while child is None and node is not None:
                if inside:
                    self._leave(node)
                if node.mem_id == root.mem_id:  # `==` would compare all that is inside
                    return
                child, inside = node.next, True
                if child is None:
                    node = node.parent
            node = child

    def _enter(self, node: LexborNode) -> bool:
        """Take in what a node shows itself; whether its children are to follow."""
        tag = str(node.tag)
        if tag == "-text":
            self._words(node.text(deep=False) or "")
            return False
        if tag.startswith(("-", "!")) or tag in _DROPPED or _is_hidden(node):
            return False
        if tag == "br":
            self._end_line()
        elif tag == "img":
            self._words(f" {node.attributes.get('alt') or ''} ")
        elif tag == "tr" and self._layout and not self._layout[-1]:
            self._end_line()
            self._row = []
        else:
            self._begin(node, tag)
        return True

    def _begin(self, node: LexborNode, tag: str) -> None:
        if tag in _HEADINGS and self._row is None:
            self._end_section()
        elif tag in _BLOCKS or (tag in _CELLS and self._row is None):
            self._block(tag)
        if tag == "table":
            self._layout.append(_places_text(node))
        self._preformatted += tag == "pre"

    def _leave(self, node: LexborNode) -> None:
        tag = str(node.tag)
        if tag in _HEADINGS and self._row is None:
            self._end_heading(_HEADINGS[tag])
        elif tag in _CELLS and self._row is not None:
            self._row.append(" ".join("".join(self._line).split()))
            self._line = []
        elif tag == "tr" and self._row is not None:
            self._line, self._row = [" | ".join(self._row)], None
            self._end_line()
        elif tag in _BLOCKS or tag in _CELLS:
            self._block(tag)
        if tag == "table":
            self._layout.pop()
        self._preformatted -= tag == "pre"

    def _block(self, tag: str) -> None:
        self._end_line()
        if tag in _PARAGRAPHS and self._row is None and self._lines and self._lines[-1]:
            self._lines.append("")

    def _words(self, text: str) -> None:
        text = clean(text).replace("\xad", "")
        if not self._preformatted:
            self._line.append(_SPACE.sub(" ", text))
            return
        *whole, rest = text.split("\n")
        for line in whole:
            self._line.append(line)
            self._end_line()
        self._line.append(rest)

    def _end_line(self) -> None:
        if self._row is not None:
            self._line.append(" ")
            return
        line = "".join(self._line)
        line = line.rstrip() if self._preformatted else _SPACE.sub(" ", line).strip(" ")
        if line or self._preformatted:
            self._lines.append(line)
        self._line = []

    def _end_section(self) -> None:
        self._end_line()
        if self._lines:
            self._sections.text("\n".join(self._lines))
        self._lines = []

    def _end_heading(self, level: int) -> None:
        self._end_line()
        title = " ".join(self._lines)
        if title.strip():
            self._sections.heading(level, title)
        self._lines = []


def _places_text(table: LexborNode) -> bool:
    """Whether a table is there for the layout: it holds headings, tables, or whole passages."""
    inner = table.css(_LAYOUT)
    if any(each.mem_id != table.mem_id for each in inner[:2]):
        return True
    return any(len(cell.css("p, div, li")) > 3 for cell in table.css("td"))


def _is_hidden(node: LexborNode) -> bool:
    attributes = node.attributes
    if not attributes:
        return False
    return "hidden" in attributes or bool(_HIDDEN_STYLE.search(attributes.get("style") or ""))
