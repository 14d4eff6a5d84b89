"""Names in the XML of Office, short: "w:p" for a paragraph, in every edition of the standard.

Only looks at elements; what they mean is for the readers to know.
"""

from collections.abc import Iterator
from functools import lru_cache
from xml.etree.ElementTree import Element

_OPEN = "http://schemas.openxmlformats.org/"
_PURL = "http://purl.oclc.org/ooxml/"
_SPACES = {
    f"{_OPEN}wordprocessingml/2006/main": "w",
    f"{_PURL}wordprocessingml/main": "w",
    f"{_OPEN}presentationml/2006/main": "p",
    f"{_PURL}presentationml/main": "p",
    f"{_OPEN}spreadsheetml/2006/main": "s",
    f"{_PURL}spreadsheetml/main": "s",
    f"{_OPEN}drawingml/2006/main": "a",
    f"{_PURL}drawingml/main": "a",
    f"{_OPEN}officeDocument/2006/relationships": "r",
    f"{_PURL}officeDocument/relationships": "r",
    f"{_OPEN}package/2006/relationships": "rel",
    f"{_OPEN}officeDocument/2006/math": "m",
    f"{_PURL}officeDocument/math": "m",
    f"{_OPEN}markup-compatibility/2006": "mc",
    f"{_OPEN}drawingml/2006/chart": "c",
    f"{_PURL}drawingml/chart": "c",
    f"{_OPEN}drawingml/2006/diagram": "dgm",
    f"{_PURL}drawingml/diagram": "dgm",
}
_OFF = frozenset(["0", "false", "off", "none"])


@lru_cache(maxsize=4096)
def _short(tag: str) -> str:
    space, _, local = tag[1:].rpartition("}")
    return f"{_SPACES.get(space, '?')}:{local}"


def name(element: Element) -> str:
    """The short name of an element."""
    return _short(element.tag)


def child(element: Element | None, tag: str) -> Element | None:
    """The first child of that short name."""
    return next(children(element, tag), None)


def children(element: Element | None, tag: str) -> Iterator[Element]:
    """The children of that short name."""
    for each in element if element is not None else ():
        if _short(each.tag) == tag:
            yield each


def value(element: Element | None, attribute: str = "w:val") -> str:
    """An attribute by its short name; "" if there is none."""
    for key, text in element.items() if element is not None else ():
        if _short(key) == attribute:
            return text
    return ""


def flag(element: Element | None, tag: str) -> bool:
    """Whether a property that is on or off is there, and on."""
    found = child(element, tag)
    return found is not None and value(found) not in _OFF
