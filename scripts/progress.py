"""What the agents do, on standard error, while a run is driven."""

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from graph.extraction import EXTRACTION
from scripts import printing
from storage.errors import AffidavitError

if TYPE_CHECKING:
    from graph import Orchestrator

_LOOK_SECONDS = 0.2
Say = Callable[[str], None]


@contextmanager
def shown(desk: "Orchestrator", run_id: str) -> Iterator[Callable[[str], None]]:
    """Show the run's events as they are recorded; yield what says anything else.

    On a terminal it is one line that changes; elsewhere what is said, and each tenth of a table.
    """
    if sys.stderr.isatty():
        with printing.err.status("Starting …") as status, _watched(desk, run_id, status.update):
            yield status.update
        return
    said: set[str] = set()

    def say(text: str) -> None:
        if (first := text.partition(".")[0]) not in said:
            said.add(first)
            printing.err.print(f"[dim]{text}[/dim]")

    if desk.runs.get(run_id).graph != EXTRACTION:
        yield say
        return
    with _watched(desk, run_id, lambda _: None, say):
        yield say


@contextmanager
def _watched(
    desk: "Orchestrator", run_id: str, update: Say, tenth: Say = lambda _: None
) -> Iterator[None]:
    """Follow a run in a thread: `update` hears of every step, `tenth` of each tenth of a table."""
    over = threading.Event()
    watcher = threading.Thread(target=_watch, args=(desk, run_id, update, tenth, over))
    watcher.start()
    try:
        yield
    finally:
        over.set()
        watcher.join()


def _watch(
    desk: "Orchestrator", run_id: str, update: Say, tenth: Say, over: threading.Event
) -> None:
    start, last, documents = 0, 0, 0
    rows: set[str] = set()
    ended = False
    while not ended:
        ended = over.wait(_LOOK_SECONDS)  # and one more look, at how it ended
        try:
            for linked in desk.runs.events(run_id, start=start, follow=False):
                event = linked.event
                start = event.seq + 1
                if event.kind == "handed_out":
                    documents = event.data["documents"]
                elif event.kind == "extracted":
                    rows.add(event.data["document"])
                    update(f"{len(rows)} of {documents} documents …")
                elif event.kind == "started" and not documents:
                    update(f"{printing.doing(event.node)} …")
            if documents and (done := 10 * len(rows) // documents) > last:
                last = done
                tenth(f"{len(rows)} of {documents} documents")
        except AffidavitError:  # progress is no reason to fail
            continue
