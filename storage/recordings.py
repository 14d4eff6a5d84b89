"""What a run's models and tools have answered, kept before it is used.

A task that runs again after a crash finds the answers that it had: the same (task, ordinal) with
the same request gives the recorded response, and nothing is asked or paid for twice. The first
recording stands; who comes later with another answer gets the first. Only when a person has a run
tried again after an error are its open tasks asked anew: each such round has recordings of its own.
"""

from dataclasses import dataclass
from typing import Any, Final, cast

from storage.audit import digest
from storage.errors import ConditionFailed
from storage.keys import key
from storage.ports import Absent, Blobs, Item, Table

MODEL: Final = "m"
TOOL: Final = "t"
INLINE_CHARS: Final = 100_000


@dataclass(frozen=True, slots=True)
class Recording:
    """A recorded response: a JSON text, and the hash of the request that it answers."""

    request: str
    response: str


class Recordings:
    """The recordings of one run, in one round of it."""

    def __init__(self, table: Table, blobs: Blobs, run_id: str, round_: int = 0) -> None:
        self._table = table
        self._blobs = blobs
        self._pk = key("run", run_id)
        self._round = round_

    def get(self, kind: str, task: str, ordinal: int) -> Recording | None:
        """Return what was recorded, or None."""
        item = self._table.get(self._pk, self._sk(kind, task, ordinal))
        return self._recording(item) if item else None

    def all(self, kind: str) -> list[Recording]:
        """Return all recordings of a kind, of all rounds."""
        found = self._table.query(self._pk, prefix=f"{kind}/")
        return [self._recording(item) for item in found]

    def put(self, kind: str, task: str, ordinal: int, recording: Recording) -> Recording:
        """Record a response unless there is one to the same request; return the one that stands."""
        body: dict[str, Any] = {"request": recording.request}
        if len(recording.response) <= INLINE_CHARS:
            body["response"] = recording.response
        else:
            body["object"] = f"{self._pk}/{digest(recording.response)}"
            self._blobs.put(body["object"], recording.response.encode())
        item = Item(self._pk, self._sk(kind, task, ordinal), body)
        try:
            self._table.put(item, Absent())
        except ConditionFailed:
            found = self.get(kind, task, ordinal)
            if found and found.request == recording.request:
                return found
            self._table.put(item)
        return recording

    def _recording(self, item: Item) -> Recording:
        response = item.body.get("response")
        if response is None:
            response = self._blobs.get(cast(str, item.body["object"])).decode()
        return Recording(cast(str, item.body["request"]), cast(str, response))

    def _sk(self, kind: str, task: str, ordinal: int) -> str:
        return f"{kind}/{key(task, self._round, ordinal)}"
