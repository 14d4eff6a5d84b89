"""Read the text of a sample.

A source is TOML between two lines of `+++`, then blocks divided by empty lines: `## heading`,
`### heading`, `1.2 clause`, `(a) item`, `- bullet`, plain paragraphs with `**bold**`, and
directives, whose first line is `::name argument` and whose rows, if any, are those of a Markdown
table. The argument of `::table` gives the widths of its columns in percent; a row whose first cell
is bold is a total. What a directive means is for `pdf.py` and `word.py` to say.
"""

import re
import tomllib
from dataclasses import dataclass
from typing import Any

FICTION = "A fictional document, written as a sample"

Row = tuple[str, ...]


@dataclass(frozen=True)
class Block:
    """One block of a source: its kind, its label or argument, its text and its table rows."""

    kind: str
    text: str = ""
    label: str = ""
    rows: tuple[Row, ...] = ()


@dataclass(frozen=True)
class Source:
    """A parsed source: the settings above the text, and the blocks of the text."""

    meta: dict[str, Any]
    blocks: tuple[Block, ...]


_MARKS = (
    ("h3", re.compile(r"###()\s+(.*)")),
    ("h2", re.compile(r"##()\s+(.*)")),
    ("clause", re.compile(r"(\d+\.\d+)\s+(.*)")),
    ("item", re.compile(r"(\([A-Za-z0-9]\))\s+(.*)")),
    ("bullet", re.compile(r"(-)\s+(.*)")),
)


def parse(text: str) -> Source:
    """Read a source."""
    _, meta, body = text.split("+++\n", 2)
    blocks: list[Block] = []
    for chunk in re.split(r"\n\s*\n", body.strip()):
        # The lines of a list are blocks of their own.
        for part in chunk.split("\n") if chunk.startswith("- ") else [chunk]:
            blocks.append(_block(part, blocks))
    return Source(tomllib.loads(meta), tuple(blocks))


def _block(chunk: str, before: list[Block]) -> Block:
    if chunk.startswith("::"):
        first, _, rest = chunk[2:].partition("\n")
        kind, _, argument = first.partition(" ")
        if kind == "chart":  # a chart shows the table before it
            table = next(block for block in reversed(before) if block.kind == "table")
            return Block(kind, label=argument, rows=table.rows)
        if not rest.startswith("|"):
            return Block(kind, text=rest, label=argument)
        rows = (line.strip()[1:-1].split("|") for line in rest.split("\n"))
        return Block(kind, label=argument, rows=tuple(tuple(c.strip() for c in r) for r in rows))
    for kind, mark in _MARKS:
        if found := mark.fullmatch(chunk):
            return Block(kind, found[2], found[1])
    return Block("p", chunk)


def is_total(row: Row) -> bool:
    """Whether a row of a table is a total: its first cell is bold."""
    return row[0].startswith("**")


def is_numeric(rows: tuple[Row, ...], column: int) -> bool:
    """Whether a column is set flush right: of numbers, and not the first."""
    return column > 0 and all(re.fullmatch(r"[\d$(),.%–]+", row[column]) for row in rows[1:])
