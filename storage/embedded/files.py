"""Objects as files of a directory, each written atomically and once.

Keys may hold anything, so the name of a file is its key encoded: every part of the path stands in
lower-case letters, digits, "-" and "_" or as `%xx`, a part too long for a file system continues in
a folder "~", and the file itself ends in ".o". No key can leave the directory, and no two keys
share a file, also where the file system ignores case.
"""

import hashlib
import os
import re
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final
from urllib.parse import unquote_to_bytes

from storage.errors import InvalidInput, NotAllowed, NotFound, Unavailable
from storage.limits import check_blob_key
from storage.ports import BlobInfo
from storage.times import utc

_PIECE: Final = 180
_SUFFIX: Final = ".o"
_RETAINED: Final = ".r"
_EMPTY: Final = "%-"
"""An empty part of a key ("a//b"), for which no file system has a name."""
_TEMPORARY: Final = ".tmp"


class FileBlobs:
    """The port `Blobs` on one folder of a directory."""

    def __init__(self, directory: Path, bucket: str) -> None:
        self._root = directory / bucket
        self._temporary = directory / _TEMPORARY

    def put(self, key: str, data: bytes) -> bool:
        """See `Blobs.put`."""
        check_blob_key(key)
        path = self._path(key)
        if path.exists():
            return False
        try:
            for folder in (path.parent, self._temporary):
                folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            return _write_once(path, data, self._temporary / f"{_mark(path)}-")
        except OSError as error:
            raise Unavailable(f"The object {key!r} cannot be stored: {error}.") from error

    def get(self, key: str, *, start: int = 0, size: int | None = None) -> bytes:
        """See `Blobs.get`."""
        try:
            with self._path(key).open("rb") as file:
                file.seek(start)
                return file.read(-1 if size is None else size)
        except FileNotFoundError:
            raise NotFound(f"There is no object {key!r}.") from None

    def head(self, key: str) -> BlobInfo | None:
        """See `Blobs.head`."""
        try:
            stat = self._path(key).stat()
        except FileNotFoundError:
            return None
        return BlobInfo(key, stat.st_size, stat.st_mtime)

    def list(
        self, prefix: str = "", *, after: str = "", limit: int | None = None
    ) -> Iterator[BlobInfo]:
        """See `Blobs.list`."""
        folder = self._root / _encode(prefix.rpartition("/")[0]) if "/" in prefix else self._root
        keys = sorted(
            key for key in map(self._key, folder.rglob(f"*{_SUFFIX}")) if key.startswith(prefix)
        )
        left = len(keys) if limit is None else limit
        for key in keys:
            if left <= 0:
                return
            if key > after and (info := self.head(key)):
                left -= 1
                yield info

    def delete(self, key: str) -> None:
        """See `Blobs.delete`."""
        path = self._path(key)
        if path.exists() and (until := _retained_until(path)) > time.time():
            raise NotAllowed(f"The object {key!r} is retained until {utc(until)}.")
        path.unlink(missing_ok=True)
        path.with_suffix(_RETAINED).unlink(missing_ok=True)
        for left in self._temporary.glob(f"{_mark(path)}-*"):  # by a writer that was killed
            left.unlink(missing_ok=True)

    def erase(self, key: str) -> None:
        """See `Blobs.erase`; a file has no versions, but its blocks stay until they are reused."""
        self.delete(key)

    def retain(self, key: str, until: float) -> None:
        """See `Blobs.retain`; the date lies in a file beside the object's."""
        path = self._path(key)
        if not path.exists():
            raise NotFound(f"There is no object {key!r}.")
        if until > _retained_until(path):
            try:
                _replace(path.with_suffix(_RETAINED), repr(until).encode(), self._temporary / "r-")
            except OSError as error:
                raise Unavailable(f"The object {key!r} cannot be retained: {error}.") from error

    def link(self, key: str, *, seconds: int, name: str) -> str:  # noqa: ARG002 - the port's
        """See `Blobs.link`: a directory has no server, and a path would never expire."""
        raise InvalidInput(
            f"There is no link to the object {key!r}: it lies on this machine, where no server "
            "would answer. Read it instead, or keep the workspace on AWS to hand out links."
        )

    def _path(self, key: str) -> Path:
        return self._root / f"{_encode(key)}{_SUFFIX}"

    def _key(self, path: Path) -> str:
        name = path.relative_to(self._root).as_posix().removesuffix(_SUFFIX)
        parts = name.replace("/~", "").split("/")
        return "/".join(
            unquote_to_bytes(part.replace(_EMPTY, "")).decode(errors="surrogatepass")
            for part in parts
        )


def _encode(key: str) -> str:
    """Encode a key as a relative path."""
    parts = []
    for part in key.split("/"):
        escaped = re.sub(
            rb"[^a-z0-9_-]",
            lambda match: b"%%%02x" % match[0][0],
            part.encode(errors="surrogatepass"),
        ).decode()
        pieces = re.findall(rf".{{1,{_PIECE}}}", escaped) or [_EMPTY]
        parts.append("/~".join(pieces))
    return "/".join(parts)


def _mark(path: Path) -> str:
    """Return what the temporary files of an object begin with."""
    return hashlib.sha256(bytes(path)).hexdigest()[:20]


def sweep_temporary(directory: Path) -> None:
    """Remove what writers that were killed have left, once no writer can still be at it."""
    for path in (directory / _TEMPORARY).glob("*"):
        with suppress(FileNotFoundError):
            if path.stat().st_mtime < time.time() - 3600:
                path.unlink()


def _write_once(path: Path, data: bytes, temporary: Path) -> bool:
    """Write and sync a temporary file, then link it to its name: there whole, or not at all."""
    name = _write_temporary(data, temporary)
    try:
        os.link(name, path)
    except FileExistsError:
        return False
    finally:
        name.unlink(missing_ok=True)
    _sync_folder(path.parent)
    return True


def _replace(path: Path, data: bytes, temporary: Path) -> None:
    """Write and sync a temporary file, then put it in the place of what was there."""
    _write_temporary(data, temporary).replace(path)
    _sync_folder(path.parent)


def _write_temporary(data: bytes, temporary: Path) -> Path:
    """Write a file whose path begins so."""
    descriptor, name = tempfile.mkstemp(dir=temporary.parent, prefix=temporary.name)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    return Path(name)


def _retained_until(path: Path) -> float:
    try:
        return float(path.with_suffix(_RETAINED).read_text())
    except FileNotFoundError:
        return 0.0


def _sync_folder(folder: Path) -> None:
    """Make a new name durable; some file systems refuse, and need it not."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):
            os.fsync(descriptor)
    finally:
        os.close(descriptor)
