"""The numbers and levels of paragraphs that Word computes and does not store (ECMA-376, 17.9).

"3.2" before a clause is mostly not in its text: it follows from the lists and styles of the
document and from what came before, so every paragraph has to be asked for once, in order.
"""

import re
from dataclasses import dataclass, field
from xml.etree.ElementTree import Element

from tools.parsers.office_xml import child, children, flag, name, value

_LEVELS = 9
_HEADING = re.compile(r"heading ([1-9])$")
_PLACE = re.compile(r"%([1-9])")
_ROMAN = tuple(
    zip(
        (1000, 900, 500, 400, 100, 90, 50, 40, 10, 9, 5, 4, 1),
        ["M", "CM", "D", "CD", "C", "XC", "L", "XL", "X", "IX", "V", "IV", "I"],
        strict=True,
    )
)


@dataclass(slots=True)
class _Level:
    start: int = 1
    kind: str = "decimal"
    pattern: str = ""
    legal: bool = False
    restart: bool = True


@dataclass(slots=True)
class _Style:
    heading: int | None = None
    list_id: str = ""
    level: str = ""
    based_on: str = ""


@dataclass(slots=True)
class _List:
    abstract: str
    levels: dict[int, _Level] = field(default_factory=dict)
    starts: dict[int, int] = field(default_factory=dict)
    """Where levels start anew for this use of the list."""
    used: set[int] = field(default_factory=set)


class Numbering:
    """Gives each paragraph its number and its heading level."""

    def __init__(self, styles: Element | None, numbering: Element | None) -> None:
        self._styles = {
            value(each, "w:styleId"): _style(each) for each in children(styles, "w:style")
        }
        self._default = next(
            (
                value(each, "w:styleId")
                for each in children(styles, "w:style")
                if value(each, "w:default") in ("1", "true")
                and value(each, "w:type") == "paragraph"
            ),
            "",
        )
        self._lists: dict[str, _List] = {}
        self._by_style: dict[tuple[str, str], int] = {}
        self._counts: dict[str, list[int | None]] = {}
        self._read(numbering)

    def heading(self, paragraph: Element) -> int | None:
        """The level of the heading, from 1; None for other text."""
        properties = child(paragraph, "w:pPr")
        own = value(child(properties, "w:outlineLvl"))
        if own.isdigit():
            return int(own) + 1 if int(own) < _LEVELS else None
        for style in self._chain(properties):
            if style.heading is not None:
                return style.heading if style.heading <= _LEVELS else None
        return None

    def label(self, paragraph: Element, *, has_text: bool) -> str:
        """The number as it stands before the paragraph; "" if it has none."""
        properties = child(paragraph, "w:pPr")
        if not has_text and child(child(properties, "w:rPr"), "w:del") is not None:
            return ""
        list_id, level = self._place(properties)
        found = self._lists.get(list_id)
        if found is None or level not in found.levels:
            return ""
        counts = self._count(found, level)
        return _label(found, level, counts) if has_text else ""

    def _chain(self, properties: Element | None) -> list[_Style]:
        """The style of a paragraph and those that it is based on."""
        name = value(child(properties, "w:pStyle")) or self._default
        chain: list[_Style] = []
        while name in self._styles and len(chain) < 20:
            chain.append(self._styles[name])
            name = self._styles[name].based_on
        return chain

    def _place(self, properties: Element | None) -> tuple[str, int]:
        """List and level of a paragraph, its own or those of its style."""
        own = child(properties, "w:numPr")
        list_id, level = value(child(own, "w:numId")), value(child(own, "w:ilvl"))
        chain = self._chain(properties)
        if not list_id:
            list_id = next((style.list_id for style in chain if style.list_id), "")
            named = value(child(properties, "w:pStyle"))
            linked = self._by_style.get((list_id, named))
            if linked is not None and not level:
                return list_id, linked
        level = level or next((style.level for style in chain if style.level), "")
        return list_id, int(level) if level.isdigit() else 0

    def _count(self, found: _List, level: int) -> list[int | None]:
        counts = self._counts.setdefault(found.abstract, [None] * _LEVELS)
        if level in found.starts and level not in found.used:
            counts[level] = found.starts[level]
        else:
            current = counts[level]
            counts[level] = found.levels[level].start if current is None else current + 1
        found.used.add(level)
        for above in range(level):
            if counts[above] is None:
                counts[above] = found.levels[above].start if above in found.levels else 1
        for below in range(level + 1, _LEVELS):
            if below not in found.levels or found.levels[below].restart:
                counts[below] = None
        return counts

    def _read(self, numbering: Element | None) -> None:
        abstracts: dict[str, dict[int, _Level]] = {}
        styles: dict[str, dict[str, int]] = {}
        for each in children(numbering, "w:abstractNum"):
            key = value(each, "w:abstractNumId")
            abstracts[key] = dict(map(_level, children(each, "w:lvl")))
            styles[key] = {
                value(child(level, "w:pStyle")): _level(level)[0]
                for level in children(each, "w:lvl")
                if child(level, "w:pStyle") is not None
            }
        for each in children(numbering, "w:num"):
            key = value(child(each, "w:abstractNumId"))
            list_id = value(each, "w:numId")
            found = _List(key, dict(abstracts.get(key, {})))
            for override in children(each, "w:lvlOverride"):
                _override(found, override)
            self._lists[list_id] = found
            for style, level in styles.get(key, {}).items():
                self._by_style[list_id, style] = level


def _style(element: Element) -> _Style:
    properties = child(element, "w:pPr")
    named = _HEADING.match(value(child(element, "w:name")).lower())
    outline = value(child(properties, "w:outlineLvl"))
    numbers = child(properties, "w:numPr")
    style = _Style(
        list_id=value(child(numbers, "w:numId")),
        level=value(child(numbers, "w:ilvl")),
        based_on=value(child(element, "w:basedOn")),
    )
    if outline.isdigit():
        style.heading = int(outline) + 1
    elif named is not None:
        style.heading = int(named[1])
    return style


def _level(element: Element) -> tuple[int, _Level]:
    number, start = value(element, "w:ilvl"), value(child(element, "w:start"))
    restart = child(element, "w:lvlRestart")
    return int(number) if number.isdigit() else 0, _Level(
        start=int(start) if start.isdigit() else 0,
        kind=value(child(element, "w:numFmt")) or "decimal",
        pattern=value(child(element, "w:lvlText")),
        legal=flag(element, "w:isLgl"),
        restart=restart is None or value(restart) != "0",
    )


def _override(found: _List, element: Element) -> None:
    number = value(element, "w:ilvl")
    if not number.isdigit():
        return
    for each in element:
        if name(each) == "w:startOverride" and value(each).isdigit():
            found.starts[int(number)] = int(value(each))
        elif name(each) == "w:lvl":
            found.levels[int(number)] = _level(each)[1]


def _label(found: _List, level: int, counts: list[int | None]) -> str:
    current = found.levels[level]
    if current.kind == "bullet":
        return "•"
    if current.kind == "none" and "%" not in current.pattern:
        return current.pattern.strip()

    def number(place: re.Match[str]) -> str:
        index = int(place[1]) - 1
        kind = found.levels[index].kind if index in found.levels else "decimal"
        return _formatted(counts[index] or 0, "decimal" if current.legal else kind)

    return _PLACE.sub(number, current.pattern).strip()


def _formatted(number: int, kind: str) -> str:
    """A number in one of the formats of ST_NumberFormat; those not known here as decimal."""
    if kind in ("lowerLetter", "upperLetter") and number > 0:
        letter = chr(ord("A") + (number - 1) % 26) * min((number - 1) // 26 + 1, 20)
        return letter if kind == "upperLetter" else letter.lower()
    if kind in ("lowerRoman", "upperRoman") and 0 < number < 4000:
        roman = ""
        for amount, letters in _ROMAN:
            roman += letters * (number // amount)
            number %= amount
        return roman if kind == "upperRoman" else roman.lower()
    if kind == "decimalZero":
        return f"{number:02d}"
    if kind == "ordinal":
        ending = (
            "th" if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10)
        )
        return f"{number}{ending or 'th'}"
    return "" if kind == "none" else str(number)
