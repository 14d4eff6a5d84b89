"""Which runs have met the text of which documents: what an erasure goes by.

A run meets a document when a page of it is read for it, or a record that names it. The entry is
written before the run is given the text, on the condition that the document is there; so when a
document has been erased, in one transaction, every run that can hold its text stands in its list,
and none gets it any more.

    documents   document/{document}   u/{run}        the run, and its thread
    runs        run/{run}             d/{document}   the same, from the other side

A run writes an entry once for each document, and a process remembers those that it has written. A
fork takes over the documents of the thread that it is forked from.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Final, cast

from storage.errors import ConditionFailed, NotFound
from storage.keys import key
from storage.limits import MAX_ACTIONS
from storage.ports import Action, Check, FieldIs, Item, Put, Table, Value

USES: Final = "u/"
MET: Final = "d/"
_REMEMBERED_MOST: Final = 10_000
_AT_ONCE: Final = MAX_ACTIONS // 3


@dataclass(frozen=True, slots=True)
class Reading:
    """Who reads: a run, on its thread."""

    run_id: str
    thread_id: str


class Uses:
    """The runs that have met the documents of a workspace."""

    def __init__(
        self, documents: Table, runs: Table, reading: Callable[[], Reading | None] = lambda: None
    ) -> None:
        """Take the tables, and what says which run reads just now, in whichever thread that is."""
        self._documents = documents
        self._runs = runs
        self._reading = reading
        self._written: set[tuple[str, str]] = set()

    def met(self, document_ids: Iterable[str]) -> None:
        """Write down that the run that reads just now, if it is one, meets documents.

        Raises:
            NotFound: one of them has been erased.
        """
        reading = self._reading()
        if reading is None:
            return
        new = [each for each in document_ids if (reading.run_id, each) not in self._written]
        self.enter(new, reading)
        if len(self._written) >= _REMEMBERED_MOST:
            self._written.clear()
        self._written.update((reading.run_id, each) for each in new)

    def enter(self, document_ids: Sequence[str], reading: Reading) -> None:
        """Write down that a run meets documents; doing so again changes nothing.

        Raises:
            NotFound: there is no such document as one of them, or none any more.
        """
        for at in range(0, len(document_ids), _AT_ONCE):
            some = document_ids[at : at + _AT_ONCE]
            entries = [_entries(document_id, reading) for document_id in some]
            try:
                self._documents.transact(list(chain.from_iterable(entries)))
            except ConditionFailed as failure:
                gone = sorted({some[position // len(entries[0])] for position in failure.failed})
                raise NotFound(f"There is no document {', '.join(gone)} here any more.") from None

    def of(self, document_id: str) -> list[Reading]:
        """Return the runs that have met a document."""
        found = self._documents.query(key("document", document_id), prefix=USES)
        return [
            Reading(cast(str, item.body["run_id"]), cast(str, item.body["thread_id"]))
            for item in found
        ]

    def documents(self, run_id: str) -> list[str]:
        """Return the ids of the documents that a run has met."""
        found = self._runs.query(key("run", run_id), prefix=MET)
        return [cast(str, item.body["document_id"]) for item in found]

    def hand_on(self, runs: Iterable[str], to: Reading) -> None:
        """Write down that a run gets what others hold, with the documents that they have met.

        Raises:
            NotFound: one of the documents has been erased.
        """
        self.enter(sorted({each for run_id in runs for each in self.documents(run_id)}), to)

    def forget(self, document_id: str, runs: Iterable[str]) -> None:
        """Remove what is written of a document and some runs, which hold nothing of it any more."""
        for run_id in runs:
            self._runs.delete(key("run", run_id), MET + key(document_id))
            self._documents.delete(key("document", document_id), USES + key(run_id))


def _entries(document_id: str, reading: Reading) -> list[Action]:
    """Return the actions that enter a run for a document, if the document is there."""
    use: dict[str, Value] = {"run_id": reading.run_id, "thread_id": reading.thread_id}
    other: dict[str, Value] = {"document_id": document_id}
    document, run = key("document", document_id), key("run", reading.run_id)
    return [
        Put(Item(document, USES + key(reading.run_id), use)),
        Put(Item(run, MET + key(document_id), other), table="runs"),
        Check(document, "document", FieldIs("id", document_id)),
    ]
