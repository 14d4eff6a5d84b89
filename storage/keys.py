"""Keys of items and objects, made of parts that may hold any characters.

Parts are joined by "/" and percent-encoded, so that no part can reach into another's place. A part
too long for a key is replaced by its start and its hash: it stays unique, and is no longer readable
back. Whatever must be read back from a key is stored in the body as well.
"""

import hashlib
from functools import lru_cache
from typing import Final
from urllib.parse import quote

MAX_PART: Final = 200
"""Most characters of an encoded part; five such parts fit DynamoDB's sort key of 1,024 bytes."""


@lru_cache(maxsize=4096)
def part(text: str) -> str:
    """Encode one part of a key: letters, digits and `-_.~` stand for themselves."""
    encoded = quote(text, safe="", errors="surrogatepass")
    if len(encoded) < MAX_PART:  # what is replaced is as long: nothing can be named like it
        return encoded
    digest = hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()
    return f"{encoded[: MAX_PART - 65]}~{digest}"


def key(*parts: str | int) -> str:
    """Join parts. A number is padded to 16 digits, so that it sorts as a number."""
    return "/".join(f"{p:016d}" if isinstance(p, int) else part(p) for p in parts)
