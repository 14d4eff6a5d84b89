"""The report of an evaluation: one HTML file that needs nothing else, with pictures of the misses.

It holds the table, the rules in short, and for each miss the question, what was expected and what
was quoted, with a picture of the page of each, or its text where a page cannot be drawn. Everything
in it is the text of strangers and is escaped. Its size is bounded, and it says what was left out.
"""

import base64
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import lru_cache
from html import escape
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Final

from graph import Orchestrator
from scripts.evaluate import Evaluation
from scripts.evaluation_misses import Miss, Pages, Place, misses
from scripts.evaluation_table import HEADINGS, POOLS, Rows, cells
from scripts.scoring import COUNTED, LONGEST
from storage.errors import AffidavitError, InvalidInput

MOST_MISSES: Final = 400
"""Misses that are listed."""
MOST_SHOWN: Final = 60
"""Misses whose pages are shown."""
_SCALE: Final = 1.0
"""Pixels of a point in the pictures: to be read, and some 60 KB each."""
_AROUND: Final = 700
"""Characters of a page's text before and behind what is marked."""

_KINDS: Final = {
    "missed": "missed",
    "not absent": "quoted, though the document has no such clause",
    "value": "found, with another value",
}
_RULES: Final = (
    f"At most {COUNTED} quotes of an answer count, each cut at {LONGEST} characters. Quote and "
    "label are compared on letters and digits alone: a quote hits if the longest stretch that both "
    "share is at least half of the shorter one; a short label has to stand whole in a short quote. "
    "Recall: of the documents that have the clause, the share in which a quote hits. Precision: of "
    "all quotes, the share that hits. Said absent: of the documents without the clause, the share "
    "for which nothing was quoted. Value right: of the labels that give a value, the share whose "
    "value the quotes state."
)
_STYLE: Final = """
body { font: 16px/1.55 system-ui, sans-serif; margin: 2rem auto; max-width: 76rem; padding: 1rem; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: .9rem; }
th, td { padding: .25rem .7rem; text-align: right; border-bottom: 1px solid #8884; }
th { vertical-align: bottom; } th:first-child, td:first-child { text-align: left; }
tr.pool { font-weight: 600; }
.scroll { overflow-x: auto; }
article { border-top: 1px solid #8886; padding: .5rem 0 1rem; }
h3 { font-size: 1rem; margin: .6rem 0; overflow-wrap: anywhere; }
h3 small { font-weight: 400; opacity: .75; }
blockquote { margin: .3rem 0; padding-left: .9rem; border-left: 3px solid #8888; }
blockquote.expected { border-color: #23a05a; } blockquote.quoted { border-color: #cf3a34; }
blockquote small { opacity: .75; }
figure { margin: .8rem 0; } figcaption { font-size: .85rem; opacity: .8; }
figure pre { white-space: pre-wrap; border: 1px solid #8886; padding: .8rem; max-height: 24rem;
  overflow: auto; font: .9rem/1.6 Georgia, serif; }
figure img { max-width: 100%; border: 1px solid #8886; }
mark { background: #ffe58a; color: #20262e; }
@media (prefers-color-scheme: dark) { body { background: #16181c; color: #e6e6e6; } }
"""


def write_report(evaluation: Evaluation, rows: Rows, out: Path) -> int:
    """Write the report, whole or not at all; return the number of misses.

    Raises:
        InvalidInput: it cannot be written there.
    """
    found = list(misses(evaluation.counted, _pages_of(evaluation.desk)))
    text = "".join(_html(evaluation, rows, found))
    beside = out.with_name(f".{out.name}.{os.getpid()}")
    try:
        beside.write_text(text, encoding="utf-8", errors="replace")
        beside.replace(out)
    except OSError as error:
        raise InvalidInput(f"The report cannot be written to {out}: {error}.") from None
    finally:
        with suppress(OSError):
            beside.unlink(missing_ok=True)
    return len(found)


def _pages_of(desk: Orchestrator) -> Pages:
    @lru_cache(maxsize=8)
    def pages(document_id: str) -> list[str]:
        count = desk.documents.get(document_id).pages
        return [desk.documents.page(document_id, n + 1).text for n in range(count)]

    return pages


def _html(evaluation: Evaluation, rows: Rows, found: Sequence[Miss]) -> Iterator[str]:
    documents, questions = len(evaluation.documents), len(evaluation.asked)
    yield '<!doctype html><html lang="en"><meta charset="utf-8">'
    yield '<meta name="viewport" content="width=device-width">'
    yield f"<title>Evaluation of {documents} documents</title><style>{_STYLE}</style>"
    yield f"<h1>Evaluation of {documents} documents</h1>"
    yield f"<p>{questions} questions, answered by the model <b>{escape(evaluation.model)}</b>; "
    yield f"{len(found)} of the answers are wrong, in full or in their value.</p>"
    yield from _unwell(evaluation)
    yield from _table(rows)
    yield f"<p>{_RULES}</p><h2>What was wrong</h2>"
    if len(found) > MOST_SHOWN:
        left_out = "" if len(found) <= MOST_MISSES else f" The first {MOST_MISSES} are listed."
        yield f"<p>Of {MOST_SHOWN} the pages are shown, in each category alike.{left_out}</p>"
    shown = _shown(found)
    pages = _pages_of(evaluation.desk)
    for category, of_category in groupby(found[:MOST_MISSES], key=lambda m: m.case.category):
        yield f"<h2>{escape(category)}</h2>"
        for miss in of_category:
            yield from _miss(evaluation.desk, miss, pages if id(miss) in shown else None)
    yield "</html>\n"


def _shown(found: Sequence[Miss]) -> set[int]:
    """Return which misses are shown with their pages: as many of each category as there is room."""
    counted: Counter[str] = Counter()
    ranked: list[tuple[int, int, Miss]] = []
    for miss in found[:MOST_MISSES]:
        ranked.append((counted[miss.case.category], len(ranked), miss))
        counted[miss.case.category] += 1
    return {id(miss) for _, _, miss in sorted(ranked, key=itemgetter(0, 1))[:MOST_SHOWN]}


def _unwell(evaluation: Evaluation) -> Iterator[str]:
    """Say what was not asked as it should be: documents that cannot be read, runs that failed."""
    unread = [d for d in evaluation.documents if d.status != "ready"]
    failed = [each for each in evaluation.asked if each.failed]
    for document in unread:
        yield f"<p><b>{escape(document.name)}</b> is {escape(document.status)}: "
        yield f"{escape(document.reason)}</p>"
    if failed:
        yield f"<p><b>{len(failed)} questions got no answer</b> and are not counted; the first: "
        yield f"{escape(failed[0].failed)}</p>"


def _table(rows: Rows) -> Iterator[str]:
    yield '<div class="scroll"><table><tr><th></th>'
    yield "".join(f"<th>{escape(heading)}</th>" for heading in HEADINGS)
    for category, scores in rows.items():
        pool = ' class="pool"' if category in POOLS else ""
        yield f"</tr><tr{pool}><td>{escape(category)}</td>"
        yield "".join(f"<td>{cell}</td>" for cell in cells(scores))
    yield "</tr></table></div>"


def _miss(desk: Orchestrator, miss: Miss, pages: Pages | None) -> Iterator[str]:
    case = miss.case
    yield f"<article><h3>{escape(case.document)} <small>{_KINDS[miss.kind]}</small></h3>"
    yield f"<p>{escape(miss.asked.question)}</p>"
    for span, place in zip(case.spans, miss.expected, strict=True):
        where = f"page {place.page}" if place else "not in the text that was read"
        yield _quoted("expected", f"expected, {where}", span)
    if miss.kind == "value":
        yield _quoted("expected", "value expected", case.answer)
    for quote, place in zip(case.quotes, miss.quoted, strict=True):
        yield _quoted("quoted", f"quoted, page {place.page}", quote)
    if not case.quotes:
        yield "<p>Nothing was quoted: it was said that the document does not say.</p>"
    if pages is not None:
        yield from _figures(desk, miss, pages(miss.asked.document_id))
    yield "</article>"


def _quoted(cls: str, label: str, text: str) -> str:
    flat = escape(" ".join(text.split()))
    return f'<blockquote class="{cls}"><small>{escape(label)}</small><br>{flat}</blockquote>'


def _figures(desk: Orchestrator, miss: Miss, pages: Sequence[str]) -> Iterator[str]:
    """Yield the first page of what was expected and of what was quoted, once if it is one."""
    expected = [place for place in miss.expected if place]
    shown: dict[int, list[str]] = {}
    for label, places in (("expected", expected), ("quoted", miss.quoted)):
        if places:
            shown.setdefault(places[0].page, []).append(label)
    for page, labels in shown.items():
        marks = [p for p in (*expected, *miss.quoted) if p.page == page]
        yield f"<figure><figcaption>Page {page}: {' and '.join(labels)}</figcaption>"
        yield _picture(desk, miss.asked.document_id, marks) or _text(pages[page - 1], marks)
        yield "</figure>"


def _picture(desk: Orchestrator, document_id: str, marks: Sequence[Place]) -> str:
    """Return the picture of a page with what is marked; nothing where it cannot be drawn."""
    spans = [(mark.start, mark.end) for mark in marks]
    try:
        drawn = desk.documents.drawn(document_id, marks[0].page, marks=spans, scale=_SCALE)
    except AffidavitError:
        return ""
    data = base64.b64encode(drawn.png).decode()
    return f'<img alt="The page" loading="lazy" src="data:image/png;base64,{data}">'


def _text(text: str, marks: Sequence[Place]) -> str:
    """Return the text of a page around what is marked."""
    first = min(mark.start for mark in marks)
    last = max(mark.end for mark in marks)
    at = start = max(0, first - _AROUND)
    end = min(len(text), max(last, first) + _AROUND)
    parts = ["… " if start else ""]
    for mark in sorted(marks, key=lambda m: (m.start, m.end)):
        if mark.start >= at:
            parts.append(escape(text[at : mark.start]))
            parts.append(f"<mark>{escape(text[mark.start : mark.end])}</mark>")
            at = mark.end
    parts += [escape(text[at:end]), " …" if end < len(text) else ""]
    return f"<pre>{''.join(parts)}</pre>"
