"""Names on a document: those between whom it is made, and the organisations that it mentions.

An organisation is recognised by its legal form; its name is what stands before it in capitals, up
to where a sentence or a heading ends. Of the names that a preamble defines, a role ("Buyer") says
what a party is, and a shorter name ("ESSI") is what questions may call it. Everything is pure.
Next: `tools/cards.py`.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from storage.records import Stated
from tools import names
from tools.card_text import Part
from tools.openings import parties

_STRONG: Final = (
    r"(?:Limited|LIMITED)\s+(?:Liability\s+Company|LIABILITY\s+COMPANY|Partnership|PARTNERSHIP)"
    r"|Inc|INC|Incorporated|INCORPORATED|Corp|CORP|Corporation|CORPORATION|L\.?L\.?C|Ltd|LTD"
    r"|Limited|LIMITED|L\.?P|L\.?L\.?P|P\.?L\.?C|[Pp]\.?l\.?c|GmbH|GMBH|AG|S\.?A|N\.?V|B\.?V"
    r"|S\.?[Pp]\.?A|S\.?[Rr]\.?[Ll]|AB|ASA|Oyj|Pty|PTY|Pte|PTE|N\.A|KGaA|ULC"
)
"""Legal forms, which end a name wherever it stands."""
_WEAK: Final = "Company|Co\\.|Bank|Association|Partnership|University|Foundation|Trust|Fund|Group"
"""Words that end a name where it stands alone on its line."""
# It begins with a sign that is soon found, and goes on only before what a form may begin with.
_FORM: Final = re.compile(
    r"[\s,.](?<=[\w)][\s,.])(?:(?<=\s)\s*|(?<=[,.])\s+)(?=[A-Zp])"
    rf"(?:(?P<strong>{_STRONG})|{_WEAK}|{_WEAK.upper()})(?![\w-])\.?"
)
_WORD: Final = r"(?:[A-Z0-9(“\"]|[a-z]-?[A-Z]|e-[a-z])[\w&'’().@-]*"
_LEFT: Final = re.compile(rf"(?:{_WORD},?\s+(?:(?:of|and|the|de|&|for)\s+)?){{0,7}}{_WORD}$")
# What a name does not go back beyond, on one line.
_STOPS: Final = re.compile(
    r"(?:^|.*\s)(?:(?:because|to|if|by|with|between|among|whereas|this|is|are|as|in|on|that"
    r"|agreement|contract|date|from|not|or|be|parties|president|officer|secretary|director),?"
    rf"|[\w’']{{4,}}\.|\S+,\s+and|source:|\S*\)|\S+[,.]?\s+(?:{_STRONG})\.?)\s+(?=\S)",
    re.IGNORECASE | re.DOTALL,
)
_ARTICLE: Final = re.compile(r"\b[Aa]n?\s+$")
_ADDRESS: Final = re.compile(r",\s+[A-Z]{2}\b(?!\.)")
_JOINS: Final = re.compile(
    r"(?:(?:and|between|by\s+and\s+between|among|parties(?:\s+to\s+this\s+\w+)?|the|ltd|inc|llc)\b[\s:]*"
    r"|\(\w{1,3}\)\s*|[\s,:;&.]+)+",
    re.IGNORECASE,
)
_DEFINED: Final = re.compile(r"\s*[,(]*\s*\(?[^()\n]{0,60}[\"“][^\"“”]*[\"”].*", re.DOTALL)
_ASIDE: Final = re.compile(r"\s*\((?:the\s+|hereinafter|a\s|an\s|each|collectively).*", re.DOTALL)
_QUOTED: Final = re.compile(r"[\"“]\s*([^\"“”]{1,60}?)[\s,.]*[\"”]")
_ABOUT: Final = re.compile(
    rf",?\s+(?:an?\s|having|located|with\s|whose|organi[sz]ed|incorporated\s+in|formed|doing|duly|at\s"
    rf"|company\s+number|residing|for\s+itself|formerly|and/or|on\s+behalf)|,\s+(?!(?:{_STRONG})\b)"
)
_STRONG_END: Final = re.compile(rf"(?<=[\w)]),?\s+(?:{_STRONG})(?![\w-])\.?")
_SPEAKS_FOR: Final = re.compile(
    r",\s+(?:the\s+)?(?:[\w-]+\s+){0,3}(?:director|president|officer|manager|owner|chair\w*|trustee"
    r"|partner|behalf)\s+of\s+(?=[A-Z0-9])",
    re.IGNORECASE,
)
_NO_ROLE: Final = re.compile(r"[a-z][A-Z]|[@.&\d]")


def between(first: Part) -> Iterator[Stated]:
    """Yield those between whom a document is made, with their roles and shorter names."""
    for party in parties(first.text):
        start, end = party.span.start, party.span.end
        joined = _JOINS.match(first.text, start, end)
        start = joined.end() if joined else start
        called = " ".join(party.called.split())
        if more := _STRONG_END.match(first.text, end):
            if first.text[end - 1] == ")":
                called = ""  # "Bunker One (USA) Inc." defines nothing
            end = more.end()  # the form of "EHAVE, INC." belongs to it
        written = first.text[start:end]
        whole = name(written.removesuffix(f"({called})"))
        if not is_name(whole):
            continue
        defined = [" ".join(m[1].split()) for m in _QUOTED.finditer(written)]
        defined += [called] if called else []
        short = [each for each in defined if _is_short(each, whole, written)]
        role = next((each for each in defined if each not in short), "")
        role = re.sub(r"(?i)^the\s+", "", role).lower()
        if stated := first.stated(start, end, whole, what=role, called=short):
            yield stated
        if spoken := _SPEAKS_FOR.search(written):
            begin = start + spoken.end()
            if stated := first.stated(begin, end, name(written[spoken.end() :]), what=role):
                yield stated


def _is_short(defined: str, whole: str, written: str) -> bool:
    """Say whether a defined name is a name, and not a role."""
    if names.is_short_for(defined, whole) or _NO_ROLE.search(defined):
        return True
    before = re.split(r"[\"“]", written, maxsplit=1)[0]
    return (
        bool(defined) and names.telling(defined)[:1] != () and defined.split()[0] in before.split()
    )


def name(written: str) -> str:
    """Return a name without what describes or defines it."""
    bare = _ASIDE.sub("", _DEFINED.sub("", written))
    if spoken := _SPEAKS_FOR.search(bare):
        bare = bare[: spoken.start()]
    if strong := _STRONG_END.search(bare):
        while more := _STRONG_END.match(bare, strong.end()):  # "Pty Ltd"
            strong = more
        return names.plain(bare[: strong.end()])
    about = _ABOUT.search(bare)
    return names.plain(bare[: about.start()] if about else bare)


def is_name(text: str) -> bool:
    """Say whether a text can be a name: mostly capitalised, and more than a legal form."""
    tokens = text.split()
    capital = sum(not word[0].islower() or word.lower() in names.SMALL for word in tokens)
    told = set(names.words(text)) - names.LEGAL - names.SMALL
    ends = not text.endswith(".") or bool(_STRONG_END.search(text)) or len(tokens) > 1
    return (
        0 < len(tokens) <= 12
        and len(text) > 1
        and capital > 0.6 * len(tokens)
        and ends
        and bool(told)
    )


def organisations(texts: Sequence[Part], known: Sequence[Stated], most: int) -> list[Stated]:
    """Return the organisations that some texts name, the most frequent first, but those known."""
    found: dict[tuple[str, ...], Stated] = {}
    counts: dict[tuple[str, ...], int] = {}
    taken = {names.telling(each.value) for each in known}
    for text in texts:
        for start, end in spans(text.text):
            told = names.telling(text.text[start:end])
            counts[told] = counts.get(told, 0) + 1
            if told in found or told in taken or len(found) > 4 * most:
                continue
            if stated := text.stated(start, end, names.plain(text.text[start:end])):
                found[told] = stated
    return sorted(found.values(), key=lambda each: -counts[names.telling(each.value)])[:most]


def spans(text: str) -> Iterator[tuple[int, int]]:
    """Yield where names of organisations stand."""
    for form in _FORM.finditer(text):
        line = text.rfind("\n", 0, form.start()) + 1
        left = _LEFT.search(text, max(line, form.start() - 120), form.start())
        if left is None:
            continue
        begin = left.start()
        if stop := _STOPS.match(text[begin : form.start()]):
            begin += stop.end()
        own = text[begin : form.start()]
        begin += len(own) - len(own.lstrip(' (“"')) if own.count("(") != own.count(")") else 0
        begin += len(own) - len(re.sub(r"^(?:and|&)\s+", "", own))
        told = (
            set(names.words(text[begin : form.start()])) - names.LEGAL - names.COMMON - names.SMALL
        )
        if _ARTICLE.search(text, max(0, begin - 4), begin) or _ADDRESS.match(form[0]):
            continue  # "a Delaware corporation", "Las Vegas, NV"
        if told and (form["strong"] or _alone(text, begin, form.end())):
            yield begin, form.end()


def _alone(text: str, begin: int, end: int) -> bool:
    """Say whether a stretch has its line for itself."""
    line = text[text.rfind("\n", 0, begin) + 1 : (text.find("\n", end) + 1 or len(text) + 1) - 1]
    return len(line.strip()) <= end - begin + 4


def once(values: Iterable[Stated], most: int) -> list[Stated]:
    """Return each name once, however it is spelled; what is said of it comes together."""
    kept: list[Stated] = []
    for value in values:
        known = next((k for k in kept if names.same(k.value, value.value)), None)
        if known is None:
            kept.append(value)
            continue
        called = list(dict.fromkeys([*known.called, *value.called]))
        more = {"called": called, "what": known.what or value.what}
        kept[kept.index(known)] = known.model_copy(update=more)
    return kept[:most]
