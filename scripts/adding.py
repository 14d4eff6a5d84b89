"""Adding many files at once, with progress: two at a time, and one that fails stops no other."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from rich.progress import track

from graph import Orchestrator
from scripts import printing
from storage.errors import AffidavitError, NotFound
from storage.sources import Source, sources
from tools.library import Added

AT_ONCE = 2


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
    """Add all, then index; return what became of each file, and what failed."""

    def add(source: Source) -> Added | str:
        try:
            return desk.documents.add_new(source, version_of=version_of, password=password)
        except AffidavitError as error:
            return str(error)

    with ThreadPoolExecutor(AT_ONCE) as pool:
        work = pool.map(add, found)
        ended = list(track(work, "Adding", len(found), console=printing.err, transient=True))
    with printing.err.status("Indexing …"):
        desk.documents.index()
    added = [each for each in ended if not isinstance(each, str)]
    return added, [each for each in ended if isinstance(each, str)]
