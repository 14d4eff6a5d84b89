"""Snapshots of a search index: what one worker has indexed, for all to take over.

A snapshot is the files of an index at one position in the catalogue's changes. Files are kept in
chunks, each an object of its own in `artifacts`, named by the content's hash and compressed; a
snapshot stores only the chunks that the one before it has not. The pointer, one item, lists the
files and their chunks, and is replaced on the condition that it is still the one that was read:
of two that publish at once one wins, and what the other stored is garbage.

    index/{number}-{random}/{sha256}      a chunk, stored for the snapshot of that number

An object's number says what is garbage, without a clock: once the pointer has a number, nobody else
can publish that number or a smaller one, so of these only what the pointer lists is in use. Every
publication sweeps. So after a removal was published, no object holds what was removed; what a
publisher that was killed at that moment had stored goes with the next one.
"""

import hashlib
import uuid
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

import zstandard
from pydantic import BaseModel, ConfigDict, ValidationError

from storage.errors import ConditionFailed, Tampered
from storage.ports import Absent, Blobs, Item, Table, VersionIs

_POINTER: Final = ("index", "newest")
_FOLDER: Final = "index/"
_CHUNK: Final = 8 * 1024 * 1024
"""Bytes of a file in one object, before compression."""
_AT_ONCE: Final = 8
"""Objects that are moved at the same time."""
_LEVEL: Final = 3


class Chunk(BaseModel):
    """A part of a file: the SHA-256 of its content, and where it lies."""

    model_config = ConfigDict(frozen=True)

    at: str
    sha256: str
    size: int
    """Bytes of the content."""

    @property
    def key(self) -> str:
        """The object's."""
        return f"{_FOLDER}{self.at}/{self.sha256}"


class Snapshot(BaseModel):
    """The files of an index, as the pointer lists them."""

    model_config = ConfigDict(frozen=True)

    number: int
    kind: str
    """What can read the files; for anything else they are of no use."""
    position: int
    """The last change of the catalogue that is in them, at least."""
    files: dict[str, list[Chunk]]

    def chunks(self) -> Iterator[Chunk]:
        """Yield the chunks of all files."""
        for each in self.files.values():
            yield from each

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(chunk.size for chunk in self.chunks())


class IndexSnapshots:
    """The snapshots of a workspace's index."""

    def __init__(self, table: Table, artifacts: Blobs) -> None:
        self._table = table
        self._artifacts = artifacts

    def newest(self) -> Snapshot | None:
        """Return the newest snapshot, of whatever kind, or None."""
        item = self._table.get(*_POINTER)
        if item is None:
            return None
        try:
            return Snapshot.model_validate({**item.body, "number": item.version})
        except ValidationError:  # another version of this module wrote it
            return Snapshot(number=item.version, kind="", position=0, files={})

    def fetch(self, snapshot: Snapshot, folder: Path) -> None:
        """Write the files of a snapshot into a folder.

        Raises:
            NotFound: a part is not there (any more).
            Tampered: a part is not what was stored.
        """
        parts: list[tuple[Path, int, Chunk]] = []
        for name, chunks in snapshot.files.items():
            if name != Path(name).name:
                raise Tampered(f"A snapshot of the index has a file {name!r}.")
            (folder / name).touch()
            parts += [(folder / name, n * _CHUNK, chunk) for n, chunk in enumerate(chunks)]
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            for _ in pool.map(self._fetch, parts):
                pass

    def _fetch(self, part: tuple[Path, int, Chunk]) -> None:
        path, start, chunk = part
        stored = self._artifacts.get(chunk.key)
        try:
            content = zstandard.decompress(stored, max_output_size=chunk.size)
        except zstandard.ZstdError:
            content = b""
        if hashlib.sha256(content).hexdigest() != chunk.sha256:
            raise Tampered(f"The object {chunk.key!r} is not what was stored there.")
        with path.open("r+b") as file:
            file.seek(start)
            file.write(content)

    def publish(
        self, folder: Path, *, kind: str, position: int, over: Snapshot | None
    ) -> Snapshot | None:
        """Make the files of a folder the newest snapshot, if `over` is the newest until now.

        Returns None if another was published meanwhile; nothing is changed then. Raises OSError
        where the files cannot be read.
        """
        number = over.number + 1 if over else 1
        at = f"{number:016d}-{uuid.uuid4().hex[:12]}"
        known = {chunk.sha256: chunk for chunk in over.chunks()} if over else {}
        parts = [
            (path, start)
            for path in sorted(folder.iterdir())
            for start in range(0, path.stat().st_size, _CHUNK)
        ]
        files: dict[str, list[Chunk]] = {path.name: [] for path in folder.iterdir()}
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            stored = pool.map(lambda part: self._store(part[0], part[1], at, known), parts)
            for (path, _), chunk in zip(parts, stored, strict=True):
                files[path.name].append(chunk)
        made = Snapshot(number=number, kind=kind, position=position, files=files)
        body = made.model_dump(exclude={"number"})
        try:
            self._table.put(
                Item(*_POINTER, body, number), VersionIs(over.number) if over else Absent()
            )
        except ConditionFailed:
            for info in self._artifacts.list(f"{_FOLDER}{at}/"):
                self._artifacts.delete(info.key)
            return None
        self.sweep(made)
        return made

    def _store(self, path: Path, start: int, at: str, known: Mapping[str, Chunk]) -> Chunk:
        """Store a chunk of a file, unless the snapshot before has it."""
        with path.open("rb") as file:
            file.seek(start)
            content = file.read(_CHUNK)
        chunk = Chunk(at=at, sha256=hashlib.sha256(content).hexdigest(), size=len(content))
        if chunk.sha256 in known:
            return known[chunk.sha256]
        self._artifacts.put(chunk.key, zstandard.compress(content, _LEVEL))
        return chunk

    def sweep(self, newest: Snapshot) -> None:
        """Delete the objects that no snapshot can use any more."""
        used = {chunk.key for chunk in newest.chunks()}
        for info in self._artifacts.list(_FOLDER):
            number = int(info.key.removeprefix(_FOLDER).partition("-")[0])
            if number <= newest.number and info.key not in used:
                self._artifacts.delete(info.key)
