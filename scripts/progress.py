"""What the agents do, on standard error, while a run is driven."""

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from scripts import printing
from storage.errors import AffidavitError

if TYPE_CHECKING:
    from graph import Orchestrator

_LOOK_SECONDS = 0.2


@contextmanager
def shown(desk: "Orchestrator", run_id: str) -> Iterator[Callable[[str], None]]:
    """Show the run's events as they are recorded; yield what says anything else.

    On a terminal it is one line that changes; elsewhere nothing but what is said.
    """
    if not sys.stderr.isatty():
        said: set[str] = set()

        def say(text: str) -> None:
            if (first := text.partition(".")[0]) not in said:
                said.add(first)
                printing.err.print(f"[dim]{text}[/dim]")

        yield say
        return
    with printing.err.status("Starting …") as status:
        over = threading.Event()
        watcher = threading.Thread(target=_watch, args=(desk, run_id, status.update, over))
        watcher.start()
        try:
            yield status.update
        finally:
            over.set()
            watcher.join()


def _watch(
    desk: "Orchestrator", run_id: str, update: Callable[[str], None], over: threading.Event
) -> None:
    start = 0
    while not over.wait(_LOOK_SECONDS):
        try:
            for linked in desk.runs.events(run_id, start=start, follow=False):
                start = linked.event.seq + 1
                if linked.event.kind == "started":
                    update(f"{printing.doing(linked.event.node)} …")
        except AffidavitError:  # progress is no reason to fail
            continue
