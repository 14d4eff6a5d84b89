"""Of whom and of when a question speaks: which documents may answer it, and what of it is left.

The librarian finds the documents that a question names. Their names, and the time and the kind of
report that it names, stand everywhere in them and tell no sentence from another, so they are not
read for again; but who or when it is has to fit: what another company reports, or a report of
another year, does not answer. Nothing here knows what a question is about. Next:
`nodes/reading_rows.py` and `nodes/reading.py` answer what is left of the question.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from nodes.reading import Excerpt, Quote
from nodes.reading_sought import about_figures, changes, figures_asked, part_asked, yes_or_no
from nodes.reading_times import ORDINALS, Calendar, When
from tools.accounting import mentions, placed, said
from tools.dates import iso
from tools.names import LEGAL
from tools.openings import DATE, MONTH
from tools.questions import read
from tools.table_rows import rows

_CAPITAL: Final = re.compile(
    r"(?<=[\w,’'&-])\s+(?P<name>[A-Z][\w&’'.-]*)|^(?P<first>[A-Z][\w&-]*[A-Z\d&][\w&-]*)\b"
)
_NO_NAME: Final = re.compile(
    rf"(?:{MONTH}|FY\d*|Q[1-4]|[1-4]Q|I|US|USD|U\.S\.?|GAAP|EPS|SEC|Form|Item|Note|Inc\.?|Company"
    r"|Corporation|Corp\.?|10-[KQ]|8-K|P&L|R&D|PP&E|SG&A|MD&A|CEO|CFO|EBITDA|Annual|Report)$",
    re.IGNORECASE,
)
_REPORT: Final = re.compile(
    r",?\s*\b(?:(?:according\s+to|in|from|per|on|of|as\s+stated\s+in)\s+)?(?:its|their|the|his)?\s*"
    r"(?:(?:19|20)\d\d\s+)?(?:form\s+)?\b(?:10-?[KQ]|annual\s+report|quarterly\s+report)\b"
    r"(?:\s+(?:for|of)\s+(?:fiscal\s+)?(?:19|20)\d\d)?",
    re.IGNORECASE,
)
_WHEN: Final = re.compile(
    r"\b(?:from|between)\s+(?:fiscal\s+(?:year\s+)?|FY\s?)?(?:19|20)\d\d\s+(?:to|and|through)\s+"
    r"(?:fiscal\s+(?:year\s+)?|FY\s?)?(?:19|20)\d\d\b|,?\s*\b(?:(?:at|as\s+of|by|in|for|during|of|on)\s+)?(?:the\s+)?(?:(?:end|close)\s+of\s+)?(?:the\s+)?"
    r"(?:(?:full|whole)\s+)?(?:(?:fiscal|financial|calendar)\s+(?:year\s+)?|year\s+|FY\s?)?(?:19|20)\d\d\b(?:[’']s)?",
    re.IGNORECASE,
)
_FISCAL: Final = re.compile(r"\b(?:fiscal(?:\s+year)?\s+|FY\s?)((?:19|20)\d\d)\b", re.IGNORECASE)
_ENDED_EARLY: Final = re.compile(
    r"\byear\s+ended:?\s+(?:January|February)\s+\d{1,2},\s+(\d{4})", re.IGNORECASE
)
_SAYS_FISCAL: Final = re.compile(r"\bfiscal\b|\bFY\s?\d", re.IGNORECASE)
_QUARTER_ENDED: Final = re.compile(
    rf"\bquarter(?:ly\s+period)?\s+ended:?\s+{MONTH}\s+\d{{1,2}},?\s+(\d{{4}})", re.IGNORECASE
)
_PERIOD_ENDED: Final = re.compile(r"\b(?:quarter|period|months)\s+ended:?\s+", re.IGNORECASE)
_AMOUNT: Final = re.compile(
    r"[$€£]\s?\(?\d|\d\s?%|\d,\d{3}|\d\.\d|\d\s+(?:thousand|million|billion|percent)\b"
)
_YEAR: Final = re.compile(r"\b(?:19|20)\d\d\b")
_SHORT_YEAR: Final = re.compile(r"\bFY\s?[’']?(\d\d)\b", re.IGNORECASE)
_OPENING: Final = 2_500
_FILED_WITH: Final = re.compile(
    r"\bunited\s+states\s+securities\s+and\s+exchange\s+commission\b", re.IGNORECASE
)
"""It stands on the cover of a filing, which is not of the United States for that."""
_WORD: Final = re.compile(r"[^\W_]+")
_SMALL: Final = re.compile(r"\b[a-z]{2,}\b")
_MOST_PARTS: Final = 4
"""Words of a text that are one word of a name: "Mac Millan" of MacMillan."""
_LEAST: Final = 4
"""Letters that the beginning of a word has to have to stand for it."""

# What speaks for a sentence, in log-odds.
_OTHER_YEAR, _OTHER_DOCUMENT, _HAS_YEAR, _HEDGE = -2.0, -1.0, 0.5, -1.0
_HAS_ITEM, _HAS_FIGURE, _HAS_CAUSE, _NAMES, _NEVER = 1.2, 1.0, 2.5, 1.0, -20.0
_WHICH: Final = re.compile(r"\s*(?:which|what\s+(?:are|were)|name|list)\b", re.IGNORECASE)
_NAMED: Final = re.compile(r"(?<=[a-z,:]\s)[A-Z][a-z]+")
_WHY: Final = re.compile(r"\bwhy\b|\b(?:drove|reasons?|caused?|explain\w*)\b", re.IGNORECASE)
_CAUSE: Final = re.compile(
    r"\b(?:due\s+to|because|driven\s+by|attributable\s+to|as\s+a\s+result|reflect(?:s|ed|ing)"
    r"|resulting\s+from|offset\s+by|owing\s+to)\b",
    re.IGNORECASE,
)
_FIGURE: Final = re.compile(
    r"(?<![\w.])[$€£]?\d[\d,.]*\d\b|\b(?:one|two|three|four|five|six|seven|eight|nine|ten)\b"
)
_HEDGED: Final = re.compile(r"\b(?:may|might|could|would|no assurance|if)\b", re.IGNORECASE)
"""What may come about; of a report it is asked what came about."""


@dataclass(frozen=True, slots=True)
class Scope:
    """What may answer, and how it is to be read."""

    asked: str
    """What is left of the question."""
    excerpts: list[Excerpt]
    of_each: list[list[Excerpt]]
    """The same, those of each company apart if a question names several."""
    heard: frozenset[str]
    """Words that say whose documents are asked for."""
    calendars: dict[str, Calendar]
    """How the documents count their years."""
    when: When
    ended: dict[str, str]
    """The months in which the quarters ended that the documents are of: "2023-06"."""
    part: frozenset[str] | None
    """Words that a sentence must have, if an amount is asked for; None: it need not tell one."""
    years: frozenset[str]
    on_time: frozenset[str]
    """Documents that are of a time asked for."""
    items: frozenset[str]
    """The line items that are asked about."""
    figures: bool
    """It asks how many or how much."""
    whether: bool
    """It asks whether something is so: a sentence says it better than a row of figures."""
    which: bool
    """It asks which there are: whoever answers names them."""
    why: bool

    def weigh(self, excerpt: Excerpt, text: str) -> float:
        """Return what speaks for or against a sentence by who and when it is of, and what it tells.

        Of a report it is asked what came about, and not what may.
        """
        weight = _OTHER_DOCUMENT * (excerpt.document != self.excerpts[0].document)
        if not self.years:
            return weight
        if _HEDGED.search(text) and not _HEDGED.search(self.asked):
            weight += _HEDGE
        if self.items & {m.item.element for m in mentions(said(text))}:
            weight += _HAS_ITEM
            if self.why and _CAUSE.search(text):
                weight += _HAS_CAUSE
            if self.figures:
                weight += _HAS_FIGURE if _FIGURE.search(_YEAR.sub(" ", text)) else -_HAS_FIGURE
        if self.whether and rows(text):
            weight -= 2 * _HAS_ITEM
        if self.which:
            weight += _NAMES if len(_NAMED.findall(text)) > 1 else -_NAMES
        told = years_in(f"{text} {excerpt.heads}")
        if told & self.years:
            return weight + _HAS_YEAR
        if told and excerpt.document not in self.on_time:
            return _NEVER
        late = excerpt.document not in self.on_time
        return weight + _OTHER_YEAR * late + _OTHER_YEAR / 2 * bool(told)

    def has_time(self, quote: Quote) -> bool:
        """Say whether a row, with its heads, names a year that is asked for."""
        return not self.years or bool(self.years & years_in(f"{quote.text} {quote.heads}"))

    def answers(self, quote: Quote) -> bool:
        """Say whether what was quoted may be the answer; which row of an item is, was seen before.

        Who asks for the figure of an item wants a sentence that names it, and who asks why, no row.
        """
        of_item = bool(self.items) and about_figures(self.asked)
        if not self.years:
            return True
        if quote.heads or rows(quote.text):
            return self.has_time(quote) and not (self.why or of_item)
        if not of_item:
            return True
        words = said(quote.text)
        told = {e for m in mentions(words) for e in (m.item.element, m.item.within)}
        return bool(self.items & told) and (self.part is None or self._tells(quote, words))

    def _tells(self, quote: Quote, words: Sequence[str]) -> bool:
        """Say whether a sentence tells an amount, of the part and the time that are asked for."""
        part = self.part or frozenset()
        if not _AMOUNT.search(quote.text) or not part <= {*words}:
            return False
        document = next((e.document for e in self.excerpts if e.id == quote.excerpt), "")
        return self.when.fits(quote.text, self.ended.get(document, ""))


def scope(question: str, excerpts: Sequence[Excerpt], names: dict[str, str]) -> Scope:
    """Say which excerpts may answer a question; `names` are those of their documents, by id."""
    openings = {d: _opening(d, excerpts, name) for d, name in names.items()}
    heard, of_each = _of_whom(question, excerpts, openings)
    years = frozenset(time[:4] for time in read(question).times)
    ending = {d: year for d in names if (year := _ending(d, excerpts))}
    # What is called by another year than stands on its cover is put behind, if that year is asked.
    off = {d for d, year in ending.items() if years and str(int(year) - 1) not in years}
    of_each = [sorted(of_one, key=lambda e: e.document in off) for of_one in of_each]
    asked = _left(question, heard)
    return Scope(
        asked=asked,
        excerpts=[e for of_one in of_each for e in of_one],
        of_each=of_each,
        heard=frozenset(w for word in heard for w in said(word)),
        calendars={
            d: Calendar(
                ending.get(d, ""), _shift(question, d, excerpts), _other_quarter(question, opening)
            )
            for d, opening in openings.items()
        },
        when=When.of(question),
        ended={d: m for d, text in openings.items() if (m := _month_ended(text))},
        part=_part(question, asked, heard),
        years=years,
        on_time=frozenset(d for d, text in openings.items() if years & _years_of(text)),
        items=frozenset(m.item.element for m in mentions(said(asked))),
        figures=figures_asked(question),
        whether=yes_or_no(question),
        which=bool(_WHICH.match(question)),
        why=bool(_WHY.search(question)),
    )


def _part(question: str, asked: str, heard: set[str]) -> frozenset[str] | None:
    """Return the words that a sentence must have which tells the amount that is asked for."""
    of_amounts = any(m.item.statement != "text" for m in mentions(said(asked)))
    if not of_amounts or _WHY.search(question) or yes_or_no(question) or changes(question):
        return None
    return part_asked(question) - {w for word in heard for w in said(word)}


def _month_ended(opening: str) -> str:
    """Return in which month the quarter ended that a document is of; nothing if it says none."""
    found = _PERIOD_ENDED.search(opening)
    date = DATE.match(opening, found.end()) if found else None
    return iso(date[0])[:7] if date else ""


def _of_whom(
    question: str, excerpts: Sequence[Excerpt], openings: dict[str, str]
) -> tuple[set[str], list[list[Excerpt]]]:
    """Return the names that a question and the documents say, and the excerpts of each company.

    All together where none is named; none where somebody is named of whom no excerpt speaks.
    """
    who = _who(question)
    proper = set(_proper(who, excerpts))
    fits = {d: {w for w in who if _speaks_of(w, text)} for d, text in openings.items()}
    heard = set().union(*fits.values())
    if heard & proper:
        apart = _apart(frozenset(proper & fits[e.document]) for e in excerpts)
        return heard, [[e for e in excerpts if names & fits[e.document]] for names in apart]
    unknown = proper and not any(_speaks_of(w, e.text) for w in who for e in excerpts)
    return heard, [[] if unknown else list(excerpts)]


def _opening(document: str, excerpts: Iterable[Excerpt], name: str) -> str:
    own = [e.text for e in excerpts if e.document == document and e.opens]
    return f"{name}\n{_FILED_WITH.sub(' ', ' '.join(own)[:_OPENING])}"


def _who(question: str) -> list[str]:
    """Return the words of a question that may be of somebody's name."""
    words = placed(question)
    items = [(words[m.start][1], words[m.end - 1][2]) for m in mentions([w for w, _, _ in words])]
    found = []
    for match in _CAPITAL.finditer(question):
        group = "name" if match["name"] else "first"
        word = re.sub(r"[’']s?$", "", match[group].rstrip(".,'’"))
        inside = any(start <= match.start(group) < end for start, end in items)
        if len(word) > 1 and not inside and not _NO_NAME.match(word):
            found.append(word)
    return [word for word in dict.fromkeys(found) if word.lower() not in LEGAL]


def _apart(named: Iterable[frozenset[str]]) -> list[frozenset[str]]:
    """Return sets of names that have none in common: each is that of another company."""
    found: list[frozenset[str]] = []
    for names in dict.fromkeys(named):
        if names and not any(names & other for other in found):
            found.append(names)
    return found


def _proper(who: Iterable[str], excerpts: Iterable[Excerpt]) -> Iterator[str]:
    """Yield the words that the texts never write in small letters: those of names alone."""
    small = {word for e in excerpts for word in _SMALL.findall(e.text)}
    return (word for word in who if word.lower() not in small)


def _speaks_of(word: str, text: str) -> bool:
    """Say whether a text has a word, the beginning of one, or what its letters stand for."""
    squeezed = "".join(_WORD.findall(word)).casefold()
    words = _WORD.findall(text)
    folded = [each.casefold() for each in words]
    least = _LEAST - word.isupper()
    if squeezed in folded or (
        len(squeezed) >= least and any(f.startswith(squeezed) for f in folded)
    ):
        return True
    if len(squeezed) >= _LEAST:
        parts = range(len(folded))
        return any("".join(folded[n : n + _MOST_PARTS]).startswith(squeezed) for n in parts)
    initials = "".join(each[0] for each in words if each[0].isupper()).casefold()
    return len(squeezed) > 1 and word.isupper() and squeezed in initials


def _left(question: str, heard: set[str]) -> str:
    """Return a question without the names, the times and the reports that it speaks of."""
    left = " ".join(question.split())  # where spaces run on, each pattern would go through them
    for word in heard:
        left = re.sub(rf"\s*\b{re.escape(word)}\b(?:[’']s?)?", " ", left)
    left = timeless(left)
    return left if len(left.split()) > 1 else question


def of_report(question: str) -> bool:
    """Say whether a question is one to a report: it names a time, or the kind of report."""
    return bool(read(question).times or _REPORT.search(" ".join(question.split())))


def timeless(question: str) -> str:
    """Return a question without the times and the kinds of reports that it names."""
    plain = " ".join(question.split())  # else these patterns would go through each run of spaces
    return " ".join(_WHEN.sub(" ", _REPORT.sub(" ", plain)).split())


def years_in(text: str) -> set[str]:
    """Return the years that a text names, in four digits."""
    short = {f"20{year}" for year in _SHORT_YEAR.findall(text)}
    return {*_YEAR.findall(text), *short}


def _years_of(text: str) -> set[str]:
    """Return the years that a document names at its opening; a fiscal year may end in the next."""
    found = set(re.findall(r"(?:19|20)\d\d(?!\d)", text))
    return found | {str(int(year) - 1) for year in _ENDED_EARLY.findall(text)}


def _other_quarter(question: str, opening: str) -> bool:
    """Say whether the opening of a document names quarters, and none that a question names."""
    asked = {int(time[6]) for time in read(question).times if time[5:6] == "Q"}
    named = {
        n
        for n, word in enumerate(ORDINALS, 1)
        if re.search(rf"\b{word}\s+quarter\b|\bQ{n}\b", opening, re.IGNORECASE)
    }
    return bool(asked and named and not asked & named)


def _ending(document: str, excerpts: Iterable[Excerpt]) -> str:
    """Return in which year a fiscal year ends that is called by the year before; nothing if not.

    One that ends in January or February has the one name or the other: the text says which.
    """
    own = [e.text for e in excerpts if e.document == document]
    ended = next((m[1] for text in own if (m := _ENDED_EARLY.search(text))), "")
    if not ended:
        return ""
    named = Counter(year for text in own for year in _FISCAL.findall(text))
    return ended if named[str(int(ended) - 1)] > named[ended] else ""


def _shift(question: str, document: str, excerpts: Iterable[Excerpt]) -> int:
    """Return how many years lie between the fiscal year of a quarter and the one it ended in.

    Its opening says when the quarter ended, and its text of which year it is the first, say.
    """
    own = [e for e in excerpts if e.document == document]
    ended = next((m for e in own if e.opens and (m := _QUARTER_ENDED.search(e.text))), None)
    asked = {int(time[6]) for time in read(question).times if time[5:6] == "Q"}
    if not ended or len(asked) != 1:
        return 0
    word = ORDINALS[asked.pop() - 1]
    # "The first quarter of 2023" may be one of the calendar's, where a document says "fiscal 2023".
    fiscal = "" if _SAYS_FISCAL.search(question) else "(?!fiscal)"
    of_year = re.compile(
        rf"\b{word}\s+quarters?\s+(?:of\s+)?{fiscal}(?:fiscal\s+)?(?:years?\s+)?((?:19|20)\d\d)",
        re.IGNORECASE,
    )
    named = [int(year) for e in own for year in of_year.findall(e.text)]
    shift = int(ended[1]) - max(named, default=int(ended[1]))
    return shift if abs(shift) == 1 else 0
