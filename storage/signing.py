"""The key that signs the heads of audit chains. It stands outside the data that it vouches for.

Ed25519 (RFC 8032), raw 32-byte seed in a file that only its owner can read. Whoever can change the
data but not read the key cannot make a head that verifies.
"""

import os
import tempfile
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey,
    Ed25519PublicKey,
)

from storage.errors import InvalidInput, Unavailable


class Signer:
    """Signs and verifies with one key."""

    def __init__(self, seed: bytes) -> None:
        self._key = Ed25519PrivateKey.from_private_bytes(seed)
        self.public = self._key.public_key().public_bytes_raw()
        """The public key, 32 bytes."""

    def sign(self, message: bytes) -> bytes:
        """Return the signature, 64 bytes."""
        return self._key.sign(message)


def verifies(public: bytes, message: bytes, signature: bytes) -> bool:
    """Return whether a signature is the key's on the message."""
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


def open_signer(path: Path) -> Signer:
    """Read the key, or make it once; of two processes that make it, one wins and both use it.

    Raises:
        InvalidInput: the file holds no key.
        Unavailable: the file can be neither read nor made.
    """
    try:
        if not path.exists():
            _make(path)
        seed = path.read_bytes()
    except OSError as error:
        raise Unavailable(
            f"The signing key {path} cannot be opened: {error}. "
            "Set AFFIDAVIT_SIGNING_KEY to a path that can be written."
        ) from error
    if len(seed) != 32:
        raise InvalidInput(f"{path} is no signing key; move it away to have a new one made.")
    return Signer(seed)


def _make(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=".key-")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(Ed25519PrivateKey.generate().private_bytes_raw())
            file.flush()
            os.fsync(file.fileno())
        # Linking fails where the name exists: no key is ever replaced.
        os.link(name, path)
    except FileExistsError:
        pass
    finally:
        Path(name).unlink(missing_ok=True)
