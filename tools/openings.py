"""Recognises dates, periods, amounts, and the parts of an opening: title, parties, date.

The patterns are of English business writing in general: how a date is written, where a title
stands, how a preamble names those between whom something is made. They must never name a kind of
clause. Every function returns stretches of the text it was given, never a normalised value:
`tools/values.py` makes those. Next: `nodes/reading.py` decides when to quote them, `tools/cards.py`
what to keep of them.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from tools.passages import Span, is_heading, sentence_at

MONTH: Final = (
    r"(?:Jan(?:uary)?|Feb(?:ruary)?|Mar(?:ch)?|Apr(?:il)?|May|June?|July?|Aug(?:ust)?"
    r"|Sept?(?:ember)?|Oct(?:ober)?|Nov(?:ember)?|Dec(?:ember)?)\.?"
)
_BLANK: Final = r"_+|\[[^\]]{0,6}\]"  # what a form leaves open
_ORDINAL: Final = r"\s?(?:st|nd|rd|th|t\s?h)"
SPELLED_DAY: Final = (
    r"(?:(?:twenty[\s-])?(?:first|second|third|fourth|fifth|sixth|seventh|eighth|ninth)|tenth"
    r"|eleventh|twelfth|(?:thir|four|fif|six|seven|eigh|nine)teenth|twentieth|thirtieth"
    r"|thirty[\s-]first)"
)
# What a date begins with. Told first, it keeps the patterns of dates from being tried everywhere.
_DATE_BEGINS: Final = (
    r"(?:(?=[_\[])|\b(?=[\djfmasondte])"
    r"(?=\d|jan|feb|ma[ry]|apr|ju[nl]|aug|sep|oct|nov|dec|t[ehw]|f[io]|se|si|e[il]|ni))"
)
DATE: Final = re.compile(
    rf"""
    {_DATE_BEGINS}(?:
      \b{MONTH}\s+(?:\d{{1,2}}\b{_ORDINAL}?|\d{{1,2}}{_ORDINAL}|{_BLANK})\s*,?\s*(?:\d{{4}}|{_BLANK})
    | (?:\b(?:\d{{1,2}}{_ORDINAL}?|{SPELLED_DAY})|{_BLANK})\s+day\s+of\s+(?:{MONTH}|{_BLANK})
        (?:\s*,?\s*(?:\d{{4}}|{_BLANK}))?(?:,\s+in\s+the\s+year\s+(?:\d{{4}}|{_BLANK}))?
    | \b\d{{1,2}}(?:st|nd|rd|th)?\s+(?:of\s+)?{MONTH}\s*,?\s+\d{{4}}
    | \b\d{{1,2}}([/.-])\d{{1,2}}\1(?:\d{{4}}|\d{{2}})\b
    | \b\d{{4}}-\d{{2}}-\d{{2}}\b
    | \b{MONTH}\s+\d{{4}}\b
    )
    """,
    re.VERBOSE | re.IGNORECASE,
)
_NUMBER: Final = (
    r"(?:\d+|one|two|three|four|five|six|seven|eight|nine|ten|twelve|fifteen|eighteen|twenty|thirty"
    r"|forty|sixty|ninety|hundred)"
)
PERIOD: Final = re.compile(
    rf"\b{_NUMBER}\)?[\s-]+(?:\(?\d+\)?[\s-]+)?"
    r"(?:(?:calendar|business|consecutive|working|full|additional|successive) )?"
    r"(?:day|week|month|year|quarter|hour)s?\b",
    re.IGNORECASE,
)
AMOUNT: Final = re.compile(
    r"(?:[$€£]|USD|EUR|GBP|US\$)\s?\d|\bdollars?\b|\d\s?%|\bpercent|\b\d{1,3}(?:,\d{3})+\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Found:
    """A stretch of a text that may be what is asked for; the higher the score the likelier."""

    score: float
    text: int
    """Which of the texts, counted from 0."""
    span: Span


# --- The date of a document

_MAKING: Final = re.compile(
    r"\b(?:dated?|as\s+of|made|entered\s+into|executed|signed|this)\b", re.IGNORECASE
)
_JUST_BEFORE: Final = re.compile(
    r"\b(?:dated(?:\s+as\s+of)?|as\s+of|entered\s+into(?:\s+\w+){0,4}|date:?)(?:\s+(?:the|this))*\s*$",
    re.IGNORECASE,
)
_JUST_AFTER: Final = re.compile(
    r"(?:\s*\([^()]{0,60}\))?[,\s]*(?:(?:is|are)\s+(?:made|entered)|(?:by\s+and\s+)?(?:between|among))\b",
    re.IGNORECASE,
)
_OF_ANOTHER: Final = re.compile(
    r"\bact\s+of$|\b(?:agreement|letter|plan|lease|contract|note)[,\s]+(?:dated|on)(?:\s+as\s+of)?$"
    r"|\bsupersedes\b.*$",
    re.IGNORECASE,
)
_OF_THIS: Final = re.compile(r"\bthis\s+(?:[\w&/-]+\s+){0,7}\S+$", re.IGNORECASE)
_EARLIER: Final = re.compile(
    r"\b(?:have|has|had|previously|whereas|parties)\b.{0,60}\bentered\s+into\b",
    re.IGNORECASE | re.DOTALL,
)
_ENDS: Final = re.compile(
    r"\b(?:expir|terminat|until|end(?:s|ing)|through)\w*\b|\bto\s*$", re.IGNORECASE
)
_IN_FORCE: Final = re.compile(r"\b(?:effective|commenc|begin)", re.IGNORECASE)
_STAMP: Final = re.compile(r"\b(?:source|filed|exhibit|form|rev)\b", re.IGNORECASE)
_SELF: Final = re.compile(r"\bthis\b|\bbetween\b|\bamong\b", re.IGNORECASE)
_SIGNED: Final = re.compile(r"/s/|\b(?:By|Name|Title|Signature)\s?:|\bIN WITNESS\b")


def document_dates(texts: Sequence[str], first: Sequence[bool]) -> list[Found]:
    """Find the date on which the document itself was made, likeliest first.

    `first` says which texts open the document: there the date of a document stands, or else beside
    its signatures.
    """
    found = [
        Found(_date_score(text, match, opens), number, Span(match.start(), match.end()))
        for number, (text, opens) in enumerate(zip(texts, first, strict=True))
        for match in DATE.finditer(text)
    ]
    return sorted(found, key=lambda f: (-f.score, f.text, f.span))


def _date_score(text: str, match: re.Match[str], opens: bool) -> float:
    before = text[max(0, match.start() - 60) : match.start()].rstrip()
    line = text[text.rfind("\n", 0, match.start()) + 1 : match.start()]
    around = text[max(0, match.start() - 200) : match.end() + 200]
    just = _JUST_BEFORE.search(before)
    score = 2.0 * opens - match.start() / 3000
    score += 0.7 * min(3, len({m[0].lower() for m in _MAKING.finditer(before)}))
    score += 1.0 * bool(just) + 0.7 * bool(_SELF.search(around))
    score += 1.5 * bool(_JUST_AFTER.match(text, match.end()))
    score += 1.0 * (not opens and bool(_SIGNED.search(around[:200])))
    score -= 2.5 * bool(_OF_ANOTHER.search(before[-40:]) and not _OF_THIS.search(before))
    score -= 1.5 * bool(_EARLIER.search(text, max(0, match.start() - 150), match.start()))
    score -= 2.5 * bool(_ENDS.search(before[-30:]))
    score -= 1.0 * bool(_IN_FORCE.search(before[-25:]))
    score -= 3.0 * bool(_STAMP.search(line))
    return score


# --- Those between whom something is made

_BETWEEN: Final = re.compile(
    r"\b(?=[ab])(?:by\s+and\s+)?(?:between|among(?:st)?)\b:?\s*", re.IGNORECASE
)
_BY: Final = re.compile(r"\b(?:entered\s+into|made)\s+by\b", re.IGNORECASE)
_NAME_FOLLOWS: Final = re.compile(
    r"[\s:,]*(?:the\s+|\(\d\)\s*)?(?:[A-Z“\"(]|[a-z]-?[A-Z]|[a-z]-[a-z]|[a-z]\d\s)"
)
_BODY: Final = re.compile(
    r"\b(?:WHEREAS|Whereas|RECITALS?|Recitals|WITNESSETH|W I T N E S S|NOW,?\s+THEREFORE)\b"
    r"|\bBACKGROUND\b|\bagrees?\s+as\s+follows"
)
# A defined name in parentheses: (the "Buyer"), (hereinafter “Seller”), ("A" or "B").
_CALLED: Final = re.compile(
    r"\([^()\"“”]{0,90}[\"“']{1,2}\s?(?P<name>[^\"“”()]{1,60}?)[\s,.]*[\"”']{1,2}"
    r"(?:[^()\"“”]{0,60}[\"“][^\"“”()]{1,50}[\"”])*[^()\"“”]{0,60}\)"
    r"|[\"“]\((?P<inside>[^\"“”()]{1,60})\)[\"”]"
    r"|(?<=\s)\((?P<bare>[A-Z][A-Za-z]{2,30})\)(?!\s+(?:Inc|Ltd|LLC|Limited|Corp|GmbH|Pty|Co|PLC))"
)
_NO_NAME: Final = re.compile(
    r"\b(?:Agreement|Date|Term|Contract|Lease|Part(?:y|ies)(?!\s+[A-Z\d]\b))\b", re.IGNORECASE
)
_JOINER: Final = re.compile(
    r"(?:[\s,;:.()\d]|[–—-](?=\s)|\b(?:and/or|and|by|between|among|or|the(?=\s+[a-z])|the(?=\s+[A-Z])"
    r"|on\s+the\s+one\s+hand|on\s+the\s+other(?:\s+hand)?|together\s+with"
    r"|(?:party\s+)?of\s+the\s+(?:first|second|third|fourth|one|other)\s+part)\b)+",
    re.IGNORECASE,
)
_AND: Final = re.compile(r"\band\s+")
LEGAL: Final = (
    r"Incorporated|Inc|Corporation|Corp|LLC|L\.L\.C|Limited|Ltd|LP|L\.P|LLP|PLC|GmbH|AG|S\.A|N\.V"
    r"|B\.V|Pty|Company|Co|Partnership|Association|University|Foundation|Trust|Bank"
)
_AFTER_COMMA: Final = (
    rf"(?i:{LEGAL}|L\.L\.P|SA|NV|BV|KG|SE|AB|Pte|S\.?p\.?A|S\.?r\.?l|P\.?C|P\.?A|N\.A"
    r"|Jr|Sr|I{2,3}|Esq|M\.?D|Ph\.?D)\b"
)
DESCRIBED: Final = re.compile(
    r",?\s+(?:an?\s|having|located|with\s|whose|organi[sz]ed|incorporated|formed|doing|duly|at\s"
    rf"|company\s+number|residing|for\s|formerly)|,\s(?!{_AFTER_COMMA})|\s\(|\bd/b/a\b"
)
"""Where a name ends and what describes it begins."""
_MORE_NAME: Final = r"(?:(?:,?\s+|\s+(?:of|and|the|de|&)\s+)[A-Z(&][\w.&'’()-]*){0,8}?"
COMPANY: Final = re.compile(rf"[A-Z][\w.&'’-]*{_MORE_NAME},?\s+(?:{LEGAL}|{LEGAL.upper()})\b\.?")
"""A name that ends in a legal form, however many words stand before it."""
_ARTICLE: Final = re.compile(r"\b[Aa]n?\s+$")
_BEGINS_NAME: Final = re.compile(
    r"(?!(?:An?|Whose|With|Is|Are|Its)\s)[A-Z0-9“\"]|[a-z]\w?-?[A-Z]|[a-z]+-[a-z]|[a-z]\d\s"
)
_NEXT_NAME: Final = re.compile(r"\b(?:and|AND)\s+|;\s*")
_LISTED_NAME: Final = re.compile(
    rf"[A-Z\d][\w.&'’-]*(?:(?:\s+(?:of|and|the|de|van|von|&)\s+|\s+[–-]\s+(?!AND\b)|,?\s+)"
    r"[A-Z(&][\w.&'’()-]*){1,9}?"
    rf"(?:,?\s+{_AFTER_COMMA}\.?)?(?={DESCRIBED.pattern}|\.?\s*$|\.\s|;)"
)
_FIRST_OF_TWO: Final = re.compile(
    r"[A-Z\d][\w.&'’-]*(?:(?:,?\s+|\s+(?:of|and|the|de|&|[–-])\s+(?!AND\b))[A-Z(&][\w.&'’()-]*){0,8}?"
    r",?\s+(?i:Inc|Incorporated|Corp|LLC|L\.L\.C|Ltd|Limited|L\.P|LLP|PLC|GmbH|AG|S\.A|N\.V|B\.V)\b"
    r"\.?(?=,?\s+(?:[–-]\s+)?(?i:and)\b)"
)
"""A company with another one behind it; with fewer forms: "Bank and Trust Company" is one name."""
_SEAT: Final = re.compile(
    r"(?:State|Commonwealth|Province|Territory|Canton|County|City|Republic|Kingdom)\s+of\s"
)
_HOME: Final = re.compile(
    r"\b(?:laws?|organi[sz]ed|incorporated|formed|existing|registered|located|residing|offices?"
    r"|business)\b",
    re.IGNORECASE,
)
"""What is said of a party before the place where it has its seat, or whose law it is under."""
_LAST_NAME: Final = re.compile(
    r"(?:[A-Z][\w.&'’-]+,?\s+(?:(?:of|and|the|de|van|von)\s+)?)+[A-Z][\w.&'’-]+$"
)
_ROLE: Final = re.compile(
    r"^[ \t]*(?P<role>[A-Z][\w /&-]{2,30}):[ \t]+(?P<name>[^\n:]{2,80}?)[ \t]*$", re.MULTILINE
)
_HEADED: Final = re.compile(
    r"^[ \t]*(?:\d+\.?\s*)?(?:the\s+)?parties(?:\s+to\s+this\s+\w+)?[ \t]*:?[ \t]*$"
    r"|\bbetween:?[ \t]*$",
    re.IGNORECASE | re.MULTILINE,
)
_ENTRY: Final = re.compile(r"^[ \t]*\(?(?P<number>\d)[.)][ \t]*", re.MULTILINE)
LONGEST_NAME: Final = 120


@dataclass(frozen=True, slots=True, order=True)
class Party:
    """One of those between whom a document is made."""

    span: Span
    """Its name, with the name that is defined for it where there is room."""
    called: str = ""
    """The defined name."""


def parties(text: str) -> list[Party]:
    """Find those between whom a document is made, in order."""
    if numbered := _numbered(text):
        return numbered
    best: list[Party] = []
    for pattern in (_BETWEEN, _BY):
        for anchor in pattern.finditer(text):
            if len(best) < 2 and _NAME_FOLLOWS.match(text, anchor.end()):
                found = _parties_after(text, anchor.end())
                best = found if len(found) > len(best) else best
    return best if len(best) > 1 else _with_roles(text) or best


def _numbered(text: str) -> list[Party]:
    """Find those who stand under "Parties", each with a number: "(1) Acme Ltd of 2 High Street"."""
    heading = _HEADED.search(text)
    if not heading:
        return []
    body = _BODY.search(text, heading.end())
    end = min(body.start() if body else len(text), heading.end() + 1800)
    found: list[Party] = []
    for entry in _ENTRY.finditer(text, heading.end(), end):
        if int(entry["number"]) != len(found) + 1:
            break
        name = _LISTED_NAME.match(text, entry.end(), end) or COMPANY.match(text, entry.end(), end)
        if not name:
            return []
        called = _CALLED.search(text, name.end(), text.find("\n", name.end()) + 300)
        found.append(Party(Span(*name.span()), (called["name"] or "") if called else ""))
    return found if len(found) > 1 else []


def _with_roles(text: str) -> list[Party]:
    """Find companies that stand in a line each behind what they are: "Client: Acme Ltd."."""
    lines = _ROLE.finditer(text)
    found = [Party(Span(*m.span("name")), m["role"]) for m in lines if COMPANY.fullmatch(m["name"])]
    return found if len(found) > 1 else []


def _parties_after(text: str, start: int) -> list[Party]:
    body = _BODY.search(text, start)
    end = min(body.start() if body else len(text), start + 1800)
    sentence = sentence_at(text[:end], start)
    stop = min(end, sentence.end) if sentence else end
    found = list(_called(text, start, stop))
    if len(found) < 2:
        found = list(_called(text, start, end))
    if len(found) < 2:
        found = _with_more(found, _listed(text, start, stop))
    if len(found) < 2:
        names = (Span(m.start(), m.end()) for m in COMPANY.finditer(text, start, end))
        names = (n for n in names if not _ARTICLE.search(text, max(0, n.start - 4), n.start))
        found = _with_more(found, names)
    return [party for party in found if party.span.end - party.span.start <= LONGEST_NAME]


def _with_more(found: Sequence[Party], names: Iterable[Span]) -> list[Party]:
    """Return parties with those names that stand apart from theirs."""
    taken = [party.span for party in found]
    apart = (n for n in names if all(n.end <= t.start or t.end <= n.start for t in taken))
    return sorted([*found, *map(Party, apart)])


def _listed(text: str, start: int, end: int) -> Iterator[Span]:
    """Yield each name that stands in the list itself: at its beginning, or behind "and" or ";"."""
    at = start
    for begin in (start, *(m.end() for m in _NEXT_NAME.finditer(text, start, end))):
        joiner = _JOINER.match(text, begin, end)
        name_at = joiner.end() if joiner else begin
        one = _FIRST_OF_TWO.match(text, name_at, end)
        name = one or _LISTED_NAME.match(text, name_at, end)
        if name and _SEAT.match(name[0]) and _HOME.search(text, at, name_at):
            continue  # "under the laws of Canada and Province of Ontario"
        if name_at >= at and name:
            at = name.end()
            yield Span(name_at, at)


def _called(text: str, start: int, end: int) -> Iterator[Party]:
    """Yield each name that a defined name in parentheses follows."""
    at = start
    for match in _CALLED.finditer(text, start, end):
        name = match["name"] or match["inside"] or match["bare"]
        joiner = _JOINER.match(text, at)
        begin = joiner.end() if joiner else at
        for again in _BETWEEN.finditer(text, begin, match.start()):
            begin = again.end()
        begin = _begin_of_name(text, begin, match.start())
        at = match.end()
        if begin < 0 or _NO_NAME.search(name):
            continue  # nothing stands before it: it names several together; or it names no party
        if match.end() - begin <= LONGEST_NAME:
            yield Party(Span(begin, match.end()), name)
            continue
        described = text[begin : match.start()].rstrip()
        after = DESCRIBED.search(described)
        length = after.start() if after else len(described)
        yield Party(Span(begin, begin + min(length, LONGEST_NAME)), name)


def _begin_of_name(text: str, begin: int, end: int) -> int:
    """Return where the name begins that stands before a definition; -1 if there is none.

    What comes first may describe the one before: ", a Nevada corporation, and Stephen Marley", ",
    for services of Arnold Lee".
    """
    described = text[begin:end].rstrip()
    if _BEGINS_NAME.match(described):
        return begin
    after_and = [m.end() for m in _AND.finditer(described)]
    if names := [at for at in after_and if _BEGINS_NAME.match(described, at)]:
        return begin + names[-1]
    last = _LAST_NAME.search(described)
    return begin + last.start() if last else -1


# --- The title

_KINDS: Final = re.compile(
    r"\b(?:agreement|contract|lease|polic(?:y|ies)|report|statement|plan|letter|memorandum|deed"
    r"|licen[cs]e|order|terms|conditions|notice|certificate|minutes|addendum|amendment|handbook|guide"
    r"|manual|charter|by-?laws)\b",
    re.IGNORECASE,
)
_LABEL: Final = re.compile(r"(?:exhibit|annex|schedule|appendix|page|source)\b", re.IGNORECASE)
_SENTENCE_LIKE: Final = re.compile(
    r"\b(?:this|is|are|shall|has|have|been|between|by)\b|[.;:,]$", re.IGNORECASE
)
_SMALL: Final = frozenset(["a", "an", "and", "for", "in", "of", "on", "the", "to"])


def titles(text: str) -> list[Found]:
    """Find the title in the opening of a document, likeliest first: one line, or two together."""
    lines = [(m.start(), m.end()) for m in re.finditer(r"\S(?:[^\r\n]*\S)?", text)][:25]
    flat = " ".join(text.lower().split())
    found = []
    for number, (start, end) in enumerate(lines):
        found.append(Found(_title_score(text[start:end], number, flat), 0, Span(start, end)))
        if number + 1 < len(lines):
            span = Span(start, lines[number + 1][1])
            both = text[span.start : span.end]
            if text[start:end].isupper() == text[slice(*lines[number + 1])].isupper():
                found.append(Found(_title_score(both, number, flat) - 0.1, 0, span))
    return sorted(found, key=lambda f: (-f.score, f.span))


def _title_score(line: str, number: int, flat: str) -> float:
    words = line.split()
    telling = [w for w in words if w[0].isalpha() and w.lower() not in _SMALL]
    if not telling or len(words) > 14 or len(line) > LONGEST_NAME:
        return -9.0
    score = sum(w[0].isupper() for w in telling) / len(telling) - 0.06 * number
    score += 1.5 * bool(_KINDS.search(line)) + 0.7 * bool(_KINDS.search(words[-1]))
    score += 0.4 * line.isupper() + 1.2 * (flat.count(" ".join(line.lower().split())) > 1)
    score -= 2.5 * bool(_LABEL.match(line)) + 1.4 * bool(_SENTENCE_LIKE.search(line))
    return score - 1.0 * (len(words) == 1) + 0.2 * is_heading(line)
