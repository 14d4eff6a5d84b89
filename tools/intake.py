"""What is made of a file when it comes in: its pages, and the card that they give.

Pure, as its two parts are: it runs in the children of `tools.sandbox`, since text is as hostile as
the bytes that it was read from. Next: `tools/parsing.py` reads, `tools/cards.py` makes the card.
"""

from tools.cards import make_card
from tools.parsers.result import Parsed
from tools.parsing import parse


def take_in(data: bytes, name: str, password: str = "") -> Parsed:
    """The pages of a file and their card, or why there are none. Raises nothing for any file."""
    parsed = parse(data, name, password)
    try:
        card = make_card(parsed.pages) if parsed.pages else None
    except (MemoryError, RecursionError):  # the pages are worth more than the card
        card = None
    return parsed.model_copy(update={"card": card})
