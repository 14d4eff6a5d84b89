"""Adding many files at once, with progress: one that fails stops no other.

As many files are read at once as the sandbox has children, while some more are being stored, and
what has been stored is indexed meanwhile. However many they are, no more is held of them than what
became of each.
"""

import os
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final

from rich.progress import track

from graph import Orchestrator
from scripts import allocation, printing
from storage.errors import AffidavitError, NotFound
from storage.sources import Source, sources
from tools.adding import Added

AT_ONCE: Final = min(4, os.cpu_count() or 1) + 2
"""Files on their way: so that one can be read while another waits for the disk."""
_BATCH: Final = 64
"""Files after which those that have been added are indexed."""


def find(places: Sequence[str]) -> list[Source]:
    """List what the places hold, in order.

    Raises:
        AffidavitError: one of the places cannot be looked at.
    """
    found: list[Source] = []
    with printing.err.status("Looking …") as status:
        for place in places:
            for source in sources(place):
                found.append(source)
                if len(found) % 100 == 0:
                    status.update(f"Looking … {len(found)} files")
    if not found:
        raise NotFound(f"There is no file in {', '.join(places)}.")
    return found


def add_all(
    desk: Orchestrator, found: Sequence[Source], version_of: str = "", password: str = ""
) -> tuple[list[Added], list[str]]:
    """Add all, and index them; return what became of each file, and what failed."""

    def add(source: Source) -> Added | str:
        try:
            return desk.documents.add_new(source, version_of=version_of, password=password)
        except AffidavitError as error:
            return str(error)

    allocation.hold_little()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        work = _indexed(desk, pool.map(add, found))
        ended = list(_shown(work, len(found)))
    with printing.err.status("Indexing …"):
        desk.documents.index()
    added = [each for each in ended if not isinstance(each, str)]
    return added, [each for each in ended if isinstance(each, str)]


def _shown(work: Iterable[Added | str], count: int) -> Iterable[Added | str]:
    """Pass on what became of files, with progress that takes little time itself."""
    return track(
        work,
        "Adding",
        count,
        console=printing.err,
        transient=True,
        refresh_per_second=4,
        update_period=0.25,
    )


def _indexed(desk: Orchestrator, ended: Iterable[Added | str]) -> Iterator[Added | str]:
    """Pass on what became of files, and have what there is indexed every now and then."""
    with ThreadPoolExecutor(1) as indexer:
        indexing: Future[None] | None = None
        for number, each in enumerate(ended, 1):
            yield each
            if number % _BATCH == 0 and (indexing is None or indexing.done()):
                indexing = indexer.submit(_index, desk)


def _index(desk: Orchestrator) -> None:
    desk.documents.index()
    allocation.give_back()
