"""Cut a page into passages, and a text into sentences, as offsets into exactly that text.

A passage is what search returns: some clauses, a paragraph, the rows of a table. It follows the
structure that survives in plain text (clause numbers, headings, list items, indentation, short
last lines), because readers of PDF keep line breaks and drop blank lines. A sentence is what gets
quoted.

It must never change a character: everything here is pure, and a span is a half-open pair of code
point offsets into the text it was given. Next: `tools/search.py` indexes passages and
`nodes/reading.py` quotes sentences.
"""

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

_LINES = 512
"""Lines of which is remembered what they look like: each is asked for again with the next one."""
_LONGEST_HEADING = 90
"""Characters."""
LEAST, AIM, MOST = 300, 800, 1200
"""Characters of a passage: the least worth returning alone, what to aim for, and the limit."""


class Span(NamedTuple):
    """A half-open stretch of a text, in code points."""

    start: int
    end: int


# A clause number or a bullet at the beginning of a line: "3.", "4.2.1", "(a)", "b)", "IV.", "§ 7".
_NUMBER = re.compile(
    r"""(?: (?:ARTICLE|Article|SECTION|Section|CLAUSE|Clause|SCHEDULE|Schedule|EXHIBIT|Exhibit
             |ANNEX|Annex|APPENDIX|Appendix|PART|Part|ITEM|Item)\s+[\dA-Z][\w.]{0,6}
          | §+\s*\d[\d.]*
          | \d{1,3}(?:\.\d{1,3}){1,4}\.?(?=\s|$)
          | \d{1,3}[.)](?=\s|$)
          | [A-Za-z][.)](?=\s)
          | [ivxlIVXL]{2,5}[.)](?=\s)
          | \((?:[A-Za-z]{1,2}|[ivxl]{1,5}|\d{1,2})\)
          | [•·▪●◦‣■*–-](?=\s)
        )""",
    re.VERBOSE,
)
_ENDS = (".", ":", ";", "!", "?")
_CLOSING = "\"'”’)]"
# A line that a list item may follow, although no sentence ended there.
_LISTED = re.compile(r"(?:,|\s(?:and|or|and/or))$")
_LONGEST_LISTED = len(" and/or")
_WORD = re.compile(r"[^\W\d_]+")
_FIGURES = re.compile(r"\d[,.]*[^\d,.]\D*\d")  # two at least
_FIGURE = re.compile(r"[$€£(]?\d[\d,.]*%?\)?")
_SENTENCES = re.compile(r"[a-z\d)]\.\s+[A-Z][a-z]*\s+[a-zA-Z]")  # one ends, the next begins


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_LOWER_WORDS = _words("a an and as at by for from in into of on or per the to with")
_STARTERS = _words(
    """
    a all an any as at by each either every for he however if in it its neither no nothing
    notwithstanding on she should such that the their then there these they this those to under
    unless until upon we when where whereas while with without you your
    """
)


_LEADING = _LOWER_WORDS | _STARTERS


class Line(NamedTuple):
    """One line of a page without the white space around it."""

    start: int
    end: int
    text: str
    indent: int


@lru_cache(maxsize=1)
def lines_of(text: str) -> tuple[Line | None, ...]:
    """Return the lines; None stands for a blank line."""
    found: list[Line | None] = []
    at = 0
    for raw in text.splitlines(keepends=True):
        if bare := raw.strip():
            indent = 0 if raw[0] == bare[0] else len(raw) - len(raw.lstrip())
            found.append(Line(at + indent, at + indent + len(bare), bare, indent))
        else:
            found.append(None)
        at += len(raw)
    return tuple(found)


def is_heading(text: str) -> bool:
    """Say whether a line looks like a heading: short, titled, and without a full stop."""
    bare = text.strip()
    return 0 < len(bare) <= _LONGEST_HEADING and bare[-1] not in ",;" and _is_heading(bare)


@lru_cache(_LINES)
def _is_heading(bare: str) -> bool:
    number = _NUMBER.match(bare)
    stopped = bare[-1] in ".?!"
    if stopped and not number:  # as most lines end that end anything
        return False
    title = bare[number.end() :].strip(" .:-–") if number else bare
    count, telling, word = 0, False, ""
    for match in _WORD.finditer(title):  # most lines are prose, which shows in a word or two
        word = match[0]
        count += 1
        if word in _LOWER_WORDS:
            continue
        if not word[0].isupper():
            return False
        telling = True
    if not telling or count > (6 if stopped else 12) or word.lower() in _LEADING:
        return False
    return len(_FIGURE.findall(title)) <= 1


@lru_cache(_LINES)
def is_row(text: str) -> bool:
    """Say whether a line is a row of a table: figures with few words around them."""
    if text[-1] in ".;," or not _FIGURES.search(text) or _SENTENCES.search(text):
        return False
    return len(_WORD.findall(text)) <= 2 * len(_FIGURE.findall(text)) + 4


def _goes_on(heading: str, line: str, width: int) -> bool:
    """Say whether two lines in capitals are one text, not a heading and what stands under it."""
    if not (heading.isupper() and line.isupper()) or _NUMBER.match(line):
        return False
    return len(heading) >= 0.6 * width or len(line) < 0.75 * width


def _begins(before: Line, line: Line, width: int, *, row: bool) -> bool:
    """Say whether a new block begins at `line`; the name of a row may take two lines."""
    if row:
        return not line.text[0].islower() or _is_ended(before.text)
    return _parts(before, line, width)


def _is_ended(text: str) -> bool:
    return text[-1] in _ENDS or (text[-1] in _CLOSING and text.rstrip(_CLOSING).endswith(_ENDS))


def _is_listed(text: str) -> bool:
    return text[-1] in ",dr" and bool(_LISTED.search(text, len(text) - _LONGEST_LISTED))


def _parts(before: Line, line: Line, width: int) -> bool:
    """Say whether a new block begins at `line`; neither is a row of a table."""
    ended = _is_ended(before.text)
    short = len(before.text) < 0.75 * width
    if is_heading(before.text) and not _goes_on(before.text, line.text, width):
        return True
    if (ended or short or _is_listed(before.text)) and _NUMBER.match(line.text):
        return True
    if ended and (line.indent > before.indent or len(before.text) > 180):
        return True
    begins = not line.text[0].islower()
    if short and begins:
        return ended or is_heading(line.text) or len(before.text) < 0.5 * width
    return ended and begins and is_heading(line.text)


def blocks(text: str) -> list[Span]:
    """Cut a text where its structure does: clauses, paragraphs, headings, items, rows."""
    return list(_blocks(text))


@lru_cache(maxsize=4)
def _blocks(text: str) -> tuple[Span, ...]:
    lines = lines_of(text)
    lengths = sorted(len(line.text) for line in lines if line)
    width = lengths[int(0.9 * (len(lengths) - 1))] if lengths else 0
    found: list[Span] = []
    start = end = 0
    before, after_row = None, False
    for line in lines:
        row = line is not None and is_row(line.text)
        if line is None or before is None or after_row or _begins(before, line, width, row=row):
            if before:
                found.append(Span(start, end))
            start = line.start if line else 0
        end = line.end if line else 0
        before, after_row = line, row
    return (*found, Span(start, end)) if before else tuple(found)


# What ends in a full stop without ending a sentence. Initials and single letters are a rule.
_ABBREVIATIONS = _words(
    """
    inc corp ltd co llc lp plc l.l.c l.p l.l.p n.v b.v s.a s.p.a p.c p.a
    bros no nos sec secs art arts cl para paras sched ex exh fig figs
    vol pp pg p ch ed eds rev mr mrs ms dr prof hon jr sr st ave blvd rd bldg dept div est assn
    gov gen col lt sgt vs v eg ie etc al cf viz approx appx incl max min tel ext u.s u.k e.g i.e
    a.m p.m d.c ph.d jan feb mar apr jun jul aug sept sep oct nov dec mon tue wed thu fri
    """
)
_STOP = re.compile(r"[.!?…][\"'”’)\]]*(?=\s)")
_LAST_TOKEN = re.compile(r"[\w.&’'-]*$")
_NEXT = re.compile(r"\s+[\"'“‘(\[]*")


def first_sentence(text: str, block: Span) -> Span:
    """Return the first sentence of a block."""
    return next(_in_block(text, block))


def clause_number(text: str) -> str:
    """Return the number, letter or bullet with which a line begins; empty if there is none."""
    found = _NUMBER.match(text)
    return found[0] if found else ""


def _is_end(text: str, stop: int, after: int, end: int) -> bool:
    """Say whether the full stop at `stop` ends a sentence that is followed by `text[after:end]`."""
    gap = _NEXT.match(text, after, end)
    begin = gap.end() if gap else after
    if begin >= end:
        return True
    if text[begin].islower():
        return False
    if text[stop] != ".":
        return True
    found = _LAST_TOKEN.search(text, max(0, stop - 24), stop)
    token = found.group().strip("'’") if found else ""
    if token.isdigit():
        # A number that begins the line is a clause number; one inside the line can end it.
        line = text.rfind("\n", 0, stop) + 1
        return bool(text[line : stop - len(token)].strip())
    is_initial = len(token) == 1 and token.isupper()
    if not (is_initial or token.lower().strip(".") in _ABBREVIATIONS):
        return True
    word = _WORD.match(text, begin, end)
    return word is not None and word[0].lower() in _STARTERS and word[0][0].isupper()


def _in_block(text: str, block: Span) -> Iterator[Span]:
    """Cut one block into sentences."""
    start = block.start
    number = _NUMBER.match(text, start, block.end)
    for found in _STOP.finditer(text, number.end() if number else start, block.end):
        if _is_end(text, found.start(), found.end(), block.end):
            yield Span(start, found.end())
            start = _past_space(text, found.end(), block.end)
    if start < block.end:
        yield Span(start, block.end)


def _past_space(text: str, at: int, end: int) -> int:
    while at < end and text[at].isspace():
        at += 1
    return at


def sentences(text: str) -> list[Span]:
    """Cut a text into sentences. None crosses a paragraph, a list item or a row of a table."""
    return [span for block in blocks(text) for span in _in_block(text, block)]


def sentence_at(text: str, at: int) -> Span | None:
    """Return the sentence in which a character stands, if it stands in one."""
    block = next((block for block in blocks(text) if block.start <= at < block.end), None)
    within = _in_block(text, block) if block else iter(())
    return next((span for span in within if span.start <= at < span.end), None)


def _pieces(text: str, span: Span) -> Iterator[Span]:
    """Cut a span that is longer than `MOST` at white space; inside a word only if it is longer."""
    start = span.start
    while span.end - start > MOST:
        cut = text.rfind("\n", start + LEAST, start + MOST)
        if cut < 0:
            cut = text.rfind(" ", start + LEAST, start + MOST)
        if cut < 0:
            cut = start + MOST
        yield Span(start, start + len(text[start:cut].rstrip()))
        start = _past_space(text, cut, span.end)
    if start < span.end:
        yield Span(start, span.end)


def _units(text: str) -> Iterator[tuple[Span, bool]]:
    """Yield what passages are made of, with whether a passage had better begin there."""
    for block in blocks(text):
        line = text[block.start : block.end]
        begins = bool(_NUMBER.match(line)) or is_heading(line)
        if block.end - block.start <= AIM:
            yield block, begins
            continue
        for sentence in _in_block(text, block):
            for piece in _pieces(text, sentence):
                yield piece, begins
                begins = False


def passages(text: str) -> list[Span]:
    """Cut the text of one page into passages, in order, together holding all that is not blank.

    Most have between `LEAST` and `MOST` characters; none has more than `MOST`. A heading stays
    with what follows it.
    """
    return [span for span, _ in passages_and_beginnings(text)]


def passages_and_beginnings(text: str) -> list[tuple[Span, bool]]:
    """Cut a page as `passages` does; say of each whether something begins there.

    Where nothing does (no clause, item or heading) the passage goes on from the one before it, and
    was cut off only because both together were too long.
    """
    found: list[tuple[Span, bool]] = []
    for unit, begins in _units(text):
        if not found:
            found.append((unit, begins))
            continue
        last, began = found[-1]
        length, joined = last.end - last.start, unit.end - last.start
        full = length >= AIM or joined > MOST or (begins and length >= LEAST)
        if full and not (length < LEAST and joined <= MOST):
            found.append((unit, begins))
        else:
            found[-1] = Span(last.start, unit.end), began
    if len(found) > 1:
        (before, began), (last, _) = found[-2:]
        if last.end - last.start < LEAST and last.end - before.start <= MOST:
            found[-2:] = [(Span(before.start, last.end), began)]
    return found
