"""How a PDF numbers its own pages: in roman numerals, say, or from 1 again (ISO 32000-1, 12.4.2).

What a viewer shows is what a person finds, so a locator says both, as viewers do: "page iv (4 of
20)". Where label and number are the same, or there is no label, it is "page 4".
"""

from collections.abc import Iterator
from typing import Final

import pypdfium2

from tools.parsers.result import clean

_MOST: Final = 24
"""Characters of a label; a longer one is no number."""


def locators(document: pypdfium2.PdfDocument) -> Iterator[str]:
    """Yield the locator of each page."""
    count = len(document)
    for number in range(1, count + 1):
        label = " ".join(clean(document.get_page_label(number - 1)).split())
        own = label if len(label) <= _MOST else ""
        yield f"page {number}" if own in ("", str(number)) else f"page {own} ({number} of {count})"
