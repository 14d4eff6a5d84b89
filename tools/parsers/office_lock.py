"""Unlocks Office files that a password encrypts (MS-OFFCRYPTO, 2.3.4), for who gives it.

What is inside is an ordinary package, which `tools.parsing` reads as any other. Nothing is written
anywhere, and the password is kept nowhere.
"""

import io
from typing import Final

from tools.parsers.result import HOW_TO_UNLOCK, WRONG_PASSWORD, Refused

LOCKED: Final = f"It is locked with a password. {HOW_TO_UNLOCK}"
_DAMAGED: Final = "It is locked, and its lock is corrupt or of an unknown kind. "
_ALTERED: Final = "The password is right, but what it opens is corrupt. "
_REMEDY: Final = "Get an intact copy, or save it without a password, and add that."


def unlocked(data: bytes, password: str) -> bytes:
    """Return the package inside of a locked file. Raises `Refused`."""
    from msoffcrypto.exceptions import InvalidKeyError  # few files are locked
    from msoffcrypto.format.ooxml import OOXMLFile

    try:
        file = OOXMLFile(io.BytesIO(data))
        file.load_key(password=password, verify_password=True)
    except InvalidKeyError as error:
        raise Refused("locked", WRONG_PASSWORD) from error
    except Exception as error:
        raise Refused("damaged", _DAMAGED + _REMEDY) from error
    package = io.BytesIO()
    try:
        file.decrypt(package, verify_integrity=True)
    except Exception as error:
        raise Refused("damaged", _ALTERED + _REMEDY) from error
    return package.getvalue()
