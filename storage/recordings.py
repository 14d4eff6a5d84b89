"""What a run's models and tools have answered, kept before it is used.

A task that runs again after a crash finds the answers that it had: the same (task, ordinal) with
the same request gives the recorded response, and nothing is asked or paid for twice. Whoever claims
a run reads all of its recordings once. The first recording stands; who comes later with another
answer gets the first. Only when a person has a run tried again after an error are its open tasks
asked anew: each such round has recordings of its own.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from threading import Lock
from typing import Any, Final, cast

from storage.audit import digest
from storage.errors import ConditionFailed, LeaseLost
from storage.keys import key
from storage.ports import Absent, Blobs, Item, Key, Table, VersionIs
from storage.records import Usage

MODEL: Final = "m"
TOOL: Final = "t"
INLINE_CHARS: Final = 100_000


@dataclass(frozen=True, slots=True)
class Recording:
    """A recorded response: a JSON text, the hash of the request that it answers, what it cost."""

    request: str
    response: str
    usage: Usage = field(default_factory=Usage)
    cost_usd: float = 0.0


class Recordings:
    """The recordings of one run, in one round of it, in the hand of one owner."""

    def __init__(
        self,
        table: Table,
        blobs: Blobs,
        run_id: str,
        *,
        round_: int = 0,
        epoch: int = 0,
        still: Callable[[], None] = lambda: None,
    ) -> None:
        """Take where they lie, and the epoch of the owner; `still` raises if he is it no more."""
        self._table = table
        self._blobs = blobs
        self._pk = key("run", run_id)
        self._round = round_
        self._epoch = epoch
        self._still = still
        self._known: dict[str, Item] = {}
        self._lock = Lock()
        self.usage, self.cost_usd = Usage(), 0.0

    def load(self) -> None:
        """Read what the run has recorded so far, and what that has cost."""
        for item in self._table.query(self._pk, between=(f"{MODEL}/", f"{TOOL}/~")):
            if item.sk.startswith((f"{MODEL}/", f"{TOOL}/")):  # the run itself lies between them
                self._known[item.sk] = item
        self.usage, self.cost_usd = _total(self._known.values())

    def get(self, kind: str, task: str, ordinal: int) -> Recording | None:
        """Return what was recorded, or None."""
        item = self._known.get(self._sk(kind, task, ordinal))
        return self._recording(item) if item else None

    def put(self, kind: str, task: str, ordinal: int, recording: Recording) -> Recording:
        """Record a response unless there is one to the same request; return the one that stands.

        Raises:
            LeaseLost: a newer owner has recorded another response here, or took over long ago.
        """
        self._still()
        body: dict[str, Any] = {
            "request": recording.request,
            "epoch": self._epoch,
            "usage": recording.usage.model_dump(),
            "cost_usd": recording.cost_usd,
        }
        if len(recording.response) <= INLINE_CHARS:
            body["response"] = recording.response
        else:
            body["object"] = f"{self._pk}/{digest(recording.response)}"
            self._blobs.put(body["object"], recording.response.encode())
        sk = self._sk(kind, task, ordinal)
        while True:
            known = self._known.get(sk)
            if known and known.body["request"] == recording.request:
                return self._recording(known)
            item = Item(self._pk, sk, body, known.version + 1 if known else 1)
            try:
                self._table.put(item, VersionIs(known.version) if known else Absent())
            except ConditionFailed:
                # Someone was here since we read: an older owner that is late, or a newer one.
                found = self._table.get(self._pk, sk)
                if found is None:
                    raise
                if cast(int, found.body["epoch"]) > self._epoch:
                    raise LeaseLost("The run has a newer owner; this one stops.") from None
                self._known[sk] = found
                continue
            self._known[sk] = item
            with self._lock:  # parallel nodes record from threads of their own
                self.usage += recording.usage
                self.cost_usd += recording.cost_usd
            return recording

    def _recording(self, item: Item) -> Recording:
        response = item.body.get("response")
        if response is None:
            response = self._blobs.get(cast(str, item.body["object"])).decode()
        usage, cost = _total([item])
        return Recording(cast(str, item.body["request"]), cast(str, response), usage, cost)

    def _sk(self, kind: str, task: str, ordinal: int) -> str:
        return f"{kind}/{key(task, self._round, ordinal)}"


def recorded(table: Table, blobs: Blobs, run_id: str) -> tuple[list[Key], list[str]]:
    """Return the items, and the objects, that a run has recorded; its tables are none of them."""
    pk = key("run", run_id)
    items = [(pk, i.sk) for kind in (MODEL, TOOL) for i in table.query(pk, prefix=f"{kind}/")]
    objects = [info.key for info in blobs.list(f"{pk}/") if "/" not in info.key[len(pk) + 1 :]]
    return items, objects


def forget(table: Table, blobs: Blobs, run_id: str) -> None:
    """Delete all that a run has recorded, which has ended."""
    items, objects = recorded(table, blobs, run_id)
    table.batch_write((), items)
    for name in objects:
        blobs.delete(name)


def spent(table: Table, run_id: str) -> tuple[Usage, float]:
    """Return the tokens and the dollars that a run's recorded model calls have cost."""
    return _total(table.query(key("run", run_id), prefix=f"{MODEL}/"))


def _total(items: Iterable[Item]) -> tuple[Usage, float]:
    usage, cost = Usage(), 0.0
    for item in items:
        usage += Usage.model_validate(item.body.get("usage") or {})
        cost += cast(float, item.body.get("cost_usd") or 0.0)
    return usage, cost
