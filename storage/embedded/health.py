"""Whether the embedded back end can work in its directory: it is written, read and measured."""

import shutil
import sqlite3
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from storage.errors import AffidavitError
from storage.health import Check, checked

LEAST_FREE: Final = 500 * 1024 * 1024
_FILES: Final = ("affidavit.sqlite", "signals.sqlite")


def health(home: Path) -> Iterator[Check]:
    """Yield how the directory, the disk, the databases and the index cache do.

    Each database is opened as it stands and checked; one that is not there yet is fine.
    """
    where = "Set AFFIDAVIT_HOME to a directory that this user may write to."
    yield checked("home", lambda: _write(home), where)
    yield checked("disk", lambda: _measure(home), f"Free some space on the disk of {home}.")
    for name in _FILES:
        restore = f"Put {name} back from a backup; what is beside it, ending in -wal, goes with it."
        yield checked(name, lambda file=home / name: _look_into(file), restore)  # type: ignore[misc]
    cache = home / "cache" / "index"
    yield checked("index cache", lambda: _write(cache), f"Delete {cache}; it is made anew.")


def _write(directory: Path) -> str:
    directory.mkdir(parents=True, exist_ok=True)
    probe = directory / f".probe-{uuid.uuid4().hex}"
    try:
        probe.write_bytes(b"well")
        if probe.read_bytes() != b"well":
            raise AffidavitError(f"{directory} does not give back what was written to it.")
    finally:
        probe.unlink(missing_ok=True)
    return f"{directory} can be written"


def _measure(home: Path) -> str:
    free = shutil.disk_usage(home).free
    if free < LEAST_FREE:
        raise AffidavitError(
            f"Only {free // 2**20:,} MB are free; {LEAST_FREE // 2**20} are needed."
        )
    return f"{free // 2**20:,} MB free"


def _look_into(file: Path) -> str:
    if not file.exists():
        return "not made yet"
    try:
        connection = sqlite3.connect(f"{file.as_uri()}?mode=rw", uri=True, timeout=2)
        try:
            (verdict,) = connection.execute("PRAGMA quick_check(1)").fetchone()
        finally:
            connection.close()
    except sqlite3.Error as error:
        raise AffidavitError(f"{file.name} cannot be read: {error}.") from error
    if verdict != "ok":
        raise AffidavitError(f"{file.name} is damaged: {verdict}.")
    return f"{file.stat().st_size // 1024:,} KB, sound"
