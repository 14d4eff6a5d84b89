"""Where documents come from: files, folders, and objects of any S3 bucket that may be read.

A source is named and measured first and read later, so that a thousand of them can be counted
before the first is read. Next: `storage/aws/source.py` for `s3://`.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from storage.errors import InvalidInput, NotFound, TooLarge

S3: Final = "s3://"
MOST_BYTES: Final = 2 * 1024**3
"""What is not read at all, because it would have to be held in memory."""


@dataclass(frozen=True, slots=True)
class Source:
    """A file or an object that was not read yet."""

    name: str
    """What the document is to be called."""
    place: str
    """The path or URL, for people."""
    size: int
    """Bytes."""
    fetch: Callable[[], bytes]

    def read(self) -> bytes:
        """Return the bytes.

        Raises:
            TooLarge: it has more than `MOST_BYTES`.
            NotFound: it has gone since it was found.
            InvalidInput: it cannot be read; the message says why.
            Unavailable: the service did not answer.
        """
        if self.size > MOST_BYTES:
            raise TooLarge(
                f"{self.place} has {self.size / 1e9:.1f} GB; "
                f"at most {MOST_BYTES / 1e9:.1f} GB are read. Split it."
            )
        return self.fetch()


def sources(place: str | Path) -> Iterator[Source]:
    """Yield what a place holds: a file, the files of a folder, or the objects under an S3 URL.

    Raises:
        NotFound: there is no such file, folder, bucket or object.
        InvalidInput: it cannot be looked at.
    """
    if str(place).startswith(S3):
        # Only who reads from S3 pays for loading its client.
        from storage.aws.source import objects

        return objects(str(place))
    return _files(Path(place))


def _files(path: Path) -> Iterator[Source]:
    try:
        found = sorted(path.rglob("*")) if path.is_dir() else [path]
        for each in found:
            if each.is_file():
                yield Source(each.name, str(each), each.stat().st_size, _reader(each))
            elif not each.exists():
                raise NotFound(f"There is no file {each}.")
    except OSError as error:
        raise InvalidInput(f"{path} cannot be read: {error.strerror or error}.") from error


def _reader(path: Path) -> Callable[[], bytes]:
    def read() -> bytes:
        try:
            return path.read_bytes()
        except OSError as error:
            raise InvalidInput(f"{path} cannot be read: {error.strerror or error}.") from error

    return read
