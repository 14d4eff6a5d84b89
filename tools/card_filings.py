"""What a filing or a report says of itself: its form, who filed it, and the period it reports on.

The cover of a filing with the Securities and Exchange Commission has a fixed order; reports without
one name their year in the title, or beside the word "ended". A fiscal year has the name that the
report gives it, which is not always the year in which it ends. Everything is pure. Next:
`tools/cards.py`.
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from storage.records import Page, Stated
from tools import kinds, names
from tools.card_text import Part, whole
from tools.dates import iso
from tools.openings import DATE
from tools.questions import QUARTER, full_year, quarter

_COVER_PAGES: Final = 40
"""Pages among which the cover is looked for: letters and pictures may come before it."""
_COVER_CHARS: Final = 6_000
_FIRST: Final = 3
"""Pages among which it can be told by the commission's name alone."""
_LABEL_PAGES: Final = 60
_LABEL_CHARS: Final = 150_000
_COMMISSION: Final = re.compile(r"SECURITIES\s+AND\s+EXCHANGE\s+COMMISSION", re.IGNORECASE)
_CHARTER: Final = re.compile(
    r"(?:\(\s*)?exact\s+name\s+of\s+(?:the\s+)?(?:registrant|company|issuer)[^:)\n]*[):]?",
    re.IGNORECASE,
)
_NO_NAME: Final = re.compile(
    r"commission|file\s+(?:no|number)|transition|fiscal|period\s+(?:from|ended)|pursuant|washington"
    r"|exchange\s+act|^or$|mark\s+one|form\s+\d|^\W*$|\(.*of\s+incorporation",
    re.IGNORECASE,
)
_FILE_NUMBER: Final = re.compile(r"^.*?file\s+(?:no\.?|numbers?):?\s*[\d-]+\s*", re.IGNORECASE)
_EIN: Final = re.compile(r"(?<![\d-])\d{2}-\d{7}(?![\d-])")
_FILE: Final = re.compile(
    r"file\s+(?:no\.?|numbers?):?\s*(\d{1,3}-\d{3,6}(?:-\d{2})?)", re.IGNORECASE
)
_TICKER: Final = re.compile(
    r"\(\s*(?:NYSE(?:\s+American)?|NASDAQ(?:\s*GS)?|Nasdaq|LSE|TSX|ASX|OTC\w*|AMEX)\s*:\s*([A-Z][A-Z.]{0,5})\s*\)"
    r"|\b(?-i:([A-Z]{1,5}))[\s|]+(?:The\s+)?(?:New\s+York\s+Stock\s+Exchange|NASDAQ|NYSE)\b",
    re.IGNORECASE,
)
_ENDED: Final = re.compile(
    r"\b(?P<what>fiscal\s+years?|years?|quarterly\s+period|(?:fiscal\s+)?quarters?|periods?"
    r"|(?:three|six|nine|twelve|3|6|9|12)\s+months|(?:\d\d|thirteen|twenty-six|thirty-nine|fifty-two)\s+weeks)"
    r"\s+(?:ended|ending):?\s*",
    re.IGNORECASE,
)
_REPORTED: Final = re.compile(
    r"date\s+of\s+(?:report|earliest\s+event)[^\n:]*:?\s*(?:\(date[^)]*\)\s*:?\s*)?", re.IGNORECASE
)
_FISCAL: Final = re.compile(
    r"\b(?:fiscal(?:\s+year)?\s+|FY\s?[’']?)(?P<year>(?:19|20)\d\d|\d\d)\b(?!\s*[,%])",
    re.IGNORECASE,
)
_IN_TITLE: Final = re.compile(
    r"(?P<before>(?:19|20)\d\d)(?:[/–-]\d\d(?:\d\d)?)?\s+(?:\w+\s+){0,3}?(?:report|results|accounts|10-?K)\b"
    r"|\b(?:report|results|accounts|statements?|10-?K)(?:\s+and\s+(?:financial\s+)?(?:accounts|statements))?"
    r"(?:\s+(?:for|of|on|the|year|fiscal))*\s*[,:–-]?\s*(?P<after>(?:19|20)\d\d)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Filing:
    """What the cover of a filing says; empty where there is none."""

    forms: list[Stated]
    filers: list[Stated]
    identifiers: list[Stated]
    dates: list[Stated]
    cover: Part | None = None


def filing(pages: Sequence[Page]) -> Filing:
    """Read the cover of a filing, if there is one."""
    for number, page in enumerate(pages[:_COVER_PAGES]):
        cover = whole(page, _COVER_CHARS)
        form = kinds.FORM.search(cover.text)
        if form is None or not _heads(cover.text, form, first=number < _FIRST):
            continue
        forms = [*_forms(cover)]
        filers = [*_filers(cover)]
        return Filing(forms, filers, [*_numbers(cover)], [*_dates(cover)], cover)
    return Filing([], [], [], [])


def _heads(text: str, form: re.Match[str], *, first: bool) -> bool:
    """Say whether a form is what a page is, and not one that its text mentions."""
    begin = text.rfind("\n", 0, form.start()) + 1
    behind = text[form.end() :].partition("\n")[0].replace("Mark One", "")
    if any(map(str.isalpha, text[begin : form.start()])) or any(map(str.islower, behind)):
        return False
    over = text[max(0, form.start() - 400) : form.start()]
    return bool(_CHARTER.search(text) or (first and _COMMISSION.search(over)))


def _forms(cover: Part) -> Iterator[Stated]:
    match = kinds.FORM.search(cover.text)
    if match:
        form = kinds.of_form(match["form"])
        amended = ["amendment"] if match["amended"] else []
        called = [*kinds.FORMS.get(form, ()), *amended]
        stated = cover.stated(match.start(), match.end(), form, called=called)
        if stated:
            yield stated


def _filers(cover: Part) -> Iterator[Stated]:
    """Yield the registrants: each stands on the line over the words that ask for its name."""
    lines = [*cover.lines(150)]
    for number, (start, end, line) in enumerate(lines):
        match = _CHARTER.search(line)
        if match is None:
            continue
        behind = line[match.end() :].strip(" :")
        if names.telling(behind) and behind[:1].isalnum() and not behind.lower().startswith("as "):
            places = [(start + match.end(), end)]
        else:
            above = [(s, s + match.start()) for s in (start,) if line[: match.start()].strip()]
            places = above or [(s, e) for s, e, _ in reversed(lines[max(0, number - 3) : number])]
        for begin, stop in places:
            begin += _past_number(cover.text[begin:stop])
            name = names.plain(cover.text[begin:stop])
            if set(names.words(name)) <= names.LEGAL:  # "Inc." on a line of its own
                begin = cover.text.rfind("\n", 0, max(0, begin - 1)) + 1
                name = names.plain(cover.text[begin:stop])
            if name and not _NO_NAME.search(name) and any(map(str.isalpha, name)):
                stated = cover.stated(begin, stop, name, what="registrant")
                if stated:
                    yield stated
                break


def _past_number(line: str) -> int:
    match = _FILE_NUMBER.match(line)
    return match.end() if match and match.end() < len(line) else 0


def _numbers(cover: Part) -> Iterator[Stated]:
    for pattern, what in ((_FILE, "commission file number"), (_EIN, "EIN"), (_TICKER, "ticker")):
        seen: set[str] = set()
        for match in pattern.finditer(cover.text):
            group = match.lastindex or 0
            if match[group] not in seen and len(seen) < 4:
                seen.add(match[group])
                stated = cover.stated(match.start(group), match.end(group), match[group], what=what)
                if stated:
                    yield stated


def _dates(cover: Part) -> Iterator[Stated]:
    for match in _REPORTED.finditer(cover.text):
        behind = DATE.search(cover.text, match.end(), match.end() + 60)
        over = [*DATE.finditer(cover.text, max(0, match.start() - 60), match.start())]
        if found := behind or (over[-1] if over else None):
            stated = cover.stated(found.start(), found.end(), iso(found[0]), what="report")
            if stated:
                yield stated
                return


def periods(parts: Sequence[Part], pages: Sequence[Page], *, quarterly: bool) -> list[Stated]:
    """Return the period that a report is on, and where it ended; the parts by their weight.

    A quarterly report is on a quarter; any other on a year, unless it names no more than a quarter.
    """
    named = [each for part in parts for each in _named_quarters(part)]
    ends = [each for part in parts for each in _ended(part, pages, quarterly=quarterly)]
    if not quarterly:
        years = [each for part in parts for each in _in_titles(part)]
        annual = [each for each in ends if "Q" not in each.value]
        # "Third Quarter 2019 Results": the quarter begins before the year.
        titled = sorted([*years[:1], *named[:1]], key=lambda each: (each.page, each.start))
        return (annual or titled or ends)[:1]
    return (named or ends)[:1]


def _named_quarters(part: Part) -> Iterator[Stated]:
    for match in QUARTER.finditer(part.text[:3_000]):
        if match["year"]:
            value = quarter(match, match["year"])
            if stated := part.stated(match.start(), match.end(), value, what="quarter"):
                yield stated


def _in_titles(part: Part) -> Iterator[Stated]:
    for match in _IN_TITLE.finditer(part.text[:3_000]):
        year = match["before"] or match["after"]
        stated = part.stated(match.start(), match.end(), year, what="year")
        if stated:
            yield stated
    for match in _FISCAL.finditer(part.text[:1_500]):
        year = full_year(match["year"])
        stated = part.stated(match.start(), match.end(), year, what="fiscal year")
        if stated:
            yield stated


def _ended(part: Part, pages: Sequence[Page], *, quarterly: bool) -> Iterator[Stated]:
    for match in _ENDED.finditer(part.text):
        found = DATE.search(part.text, match.end(), match.end() + 40)
        end = iso(found[0]) if found else ""
        if not found or len(end) < 7 or part.text[match.end() : found.start()].strip(" :\n_"):
            continue
        what = match["what"].lower()
        if "year" in what or "12" in what or "twelve" in what or "52" in what or "53" in what:
            value = _fiscal_year(end, pages)
        else:
            value = _quarter(end, pages)
        if quarterly == ("Q" in value):
            stated = part.stated(match.start(), found.end(), value, what=f"ended {end}")
            if stated:
                yield stated


def _fiscal_year(end: str, pages: Sequence[Page]) -> str:
    """Return the name of the fiscal year that ends on a day.

    One that ends early in a year is named by that year or the one before, as its report has it.
    """
    year, month = int(end[:4]), int(end[5:7])
    if month > 6:
        return str(year)
    said = Counter(full_year(m["year"]) for text in _some(pages) for m in _FISCAL.finditer(text))
    before = said[str(year - 1)] > said[str(year)] and said[str(year - 1)] > said[str(year + 1)]
    # A report also speaks of the year before its own; of its own it speaks more.
    return str(year - 1) if before and month <= 2 else str(year)


def _quarter(end: str, pages: Sequence[Page]) -> str:
    """Return the fiscal quarter that ends on a day: as it is called, or else of the calendar."""
    year = end[:4]
    said: Counter[str] = Counter()
    for text in _some(pages):
        for match in QUARTER.finditer(text):
            if match["year"]:
                said[quarter(match, match["year"])] += 1
    near = [q for q, count in said.most_common(3) if abs(int(q[:4]) - int(year)) <= 1 and count > 2]
    if near:
        return max(near, key=lambda q: (said[q], q))
    return f"{year}-Q{(int(end[5:7]) - 1) // 3 + 1}"


def _some(pages: Sequence[Page]) -> Iterator[str]:
    left = _LABEL_CHARS
    for page in pages[:_LABEL_PAGES]:
        if left <= 0:
            return
        yield page.text[:left]
        left -= len(page.text)
