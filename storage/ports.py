"""The four ports that everything above storage is written against, and their one vocabulary.

The vocabulary is DynamoDB's and S3's, limits included (`storage.limits`), whatever back end
answers. The calls are synchronous and thread-safe; asynchronous callers use
`asyncio.to_thread`. Errors are those of `storage.errors`; no error of a driver passes this edge.

Look next at `storage.embedded` for a back end and at `storage.workspace` for how a workspace is
kept to its own keys.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

Value = None | bool | int | float | str | bytes | list["Value"] | dict[str, "Value"]
"""What a field of an item may hold. Integers fit 64 bits."""

TableName = Literal["documents", "runs", "checkpoints", "audit", "feedback", "memory"]
BucketName = Literal["documents", "artifacts", "deliverables", "state"]
TABLES: tuple[TableName, ...] = (
    "documents",
    "runs",
    "checkpoints",
    "audit",
    "feedback",
    "memory",
)
BUCKETS: tuple[BucketName, ...] = ("documents", "artifacts", "deliverables", "state")
LOG_GROUPS = ("supervisor", "librarian", "analyst", "writer", "reviewer", "custodian")
UNITS = ("Count", "Seconds", "Bytes", "Percent", "None")


@dataclass(frozen=True, slots=True)
class Item:
    """One row. Its key is `(pk, sk)`; `version` is the writer's to set and to condition on.

    `expires_at` is in whole seconds since the epoch; from then on the item counts as absent,
    and it is deleted some time later.
    """

    pk: str
    sk: str
    body: Mapping[str, Value] = field(default_factory=dict)
    version: int = 1
    expires_at: int | None = None


@dataclass(frozen=True, slots=True)
class Absent:
    """Holds if there is no such item."""


@dataclass(frozen=True, slots=True)
class VersionIs:
    """Holds if the item exists at this version."""

    version: int


@dataclass(frozen=True, slots=True)
class FieldIs:
    """Holds if the item exists and a field at the top of its body has this value."""

    field: str
    value: None | bool | int | str | bytes


Condition = Absent | VersionIs | FieldIs


@dataclass(frozen=True, slots=True)
class Put:
    """Write an item whole. `table` names a sister table in a transaction; empty: the one called."""

    item: Item
    when: Condition | None = None
    table: TableName | Literal[""] = ""


@dataclass(frozen=True, slots=True)
class Delete:
    """Remove an item; removing what is not there succeeds."""

    pk: str
    sk: str
    when: Condition | None = None
    table: TableName | Literal[""] = ""


@dataclass(frozen=True, slots=True)
class Check:
    """Write nothing, but let the transaction fail unless the condition holds."""

    pk: str
    sk: str
    when: Condition
    table: TableName | Literal[""] = ""


Action = Put | Delete | Check
Key = tuple[str, str]


class Table(Protocol):
    """One table. Every read is strongly consistent."""

    def get(self, pk: str, sk: str) -> Item | None:
        """Return the item, or None."""

    def batch_get(self, keys: Sequence[Key]) -> dict[Key, Item]:
        """Return those of the items that exist, by key; any number of keys."""

    def query(
        self,
        pk: str,
        *,
        prefix: str = "",
        between: tuple[str, str] | None = None,
        after: str = "",
        reverse: bool = False,
        limit: int | None = None,
    ) -> Iterator[Item]:
        """Yield the items of a partition in the order of `sk` (by UTF-8 bytes).

        Either `prefix` or `between` (both ends included) narrows; `after` is the `sk` to start
        behind, in the direction of reading. Pages are read as they are needed, so a reader sees
        each item as it is then, not one snapshot of all.
        """

    def put(self, item: Item, when: Condition | None = None) -> None:
        """Write an item whole.

        Raises:
            ConditionFailed: `when` does not hold; nothing was written.
            TooLarge: the item exceeds the limits.
        """

    def delete(self, pk: str, sk: str, when: Condition | None = None) -> None:
        """Remove an item; removing what is not there succeeds unless `when` forbids it.

        Raises:
            ConditionFailed: `when` does not hold; nothing was removed.
        """

    def batch_write(self, puts: Sequence[Item] = (), deletes: Sequence[Key] = ()) -> None:
        """Write and remove any number of items without conditions, each for itself.

        Interrupted, it may leave some done and others not; calling it again is safe.
        """

    def transact(self, actions: Sequence[Action]) -> None:
        """Do all actions or none, over this table and its sisters.

        Raises:
            ConditionFailed: with `failed`, the positions of the actions that did not hold.
            TooLarge: more than 100 actions or 4 MB.
        """


@dataclass(frozen=True, slots=True)
class BlobInfo:
    """What is known of an object without reading it; `modified` in seconds since the epoch."""

    key: str
    size: int
    modified: float


class Blobs(Protocol):
    """One bucket. An object is written once and never changed."""

    def put(self, key: str, data: bytes) -> bool:
        """Store an object if there is none by this key; return whether it was stored now."""

    def get(self, key: str, *, start: int = 0, size: int | None = None) -> bytes:
        """Return the bytes, or a part of them.

        Raises:
            NotFound: there is no such object.
        """

    def head(self, key: str) -> BlobInfo | None:
        """Return what is known of the object, or None."""

    def list(
        self, prefix: str = "", *, after: str = "", limit: int | None = None
    ) -> Iterator[BlobInfo]:
        """Yield objects in the order of their keys, starting behind `after`."""

    def delete(self, key: str) -> None:
        """Remove the object; removing what is not there succeeds.

        Raises:
            NotAllowed: it is retained, and still there.
        """

    def erase(self, key: str) -> None:
        """Remove the object with every version of it that the bucket keeps; safe to repeat.

        Raises:
            NotAllowed: it is retained, and still there.
        """

    def retain(self, key: str, until: float) -> None:
        """Let nobody delete the object before a time, in seconds since the epoch.

        It can be retained for longer, never for shorter; repeating it changes nothing.

        Raises:
            NotFound: there is no such object.
            InvalidInput: the bucket keeps no retention.
        """

    def link(self, key: str, *, seconds: int, name: str) -> str:
        """Return a URL from which anyone can download the object, as a file of that name.

        It stops working after the seconds; nothing is asked of the service to make it.

        Raises:
            InvalidInput: this back end has no server that a link could point to.
        """


@dataclass(frozen=True, slots=True)
class Message:
    """A hint as it was received; `receipt` is what deletes it."""

    body: str
    receipt: str


class Queue(Protocol):
    """A wake-up hint, nothing more: a message may be lost, late or doubled."""

    def send(self, body: str) -> None:
        """Leave a hint."""

    def receive(self, *, wait: float = 0.0, limit: int = 10) -> list[Message]:
        """Return hints, waiting up to `wait` seconds for the first.

        A hint that is not deleted reappears after a while.
        """

    def delete(self, message: Message) -> None:
        """Forget a hint that was followed."""


@dataclass(frozen=True, slots=True)
class LogEvent:
    """A structured log event of one agent; `at` in seconds since the epoch."""

    at: float
    group: str
    record: Mapping[str, Value]


@dataclass(frozen=True, slots=True)
class Measurement:
    """One value of a metric; the unit is one of `UNITS`."""

    name: str
    value: float
    unit: str = "Count"


@dataclass(frozen=True, slots=True)
class Statistics:
    """What the values of a metric came to in one period that begins at `start`.

    `start` is in seconds since the epoch and a multiple of the period; a percentile is None where
    the back end cannot tell it.
    """

    start: float
    unit: str
    count: int
    total: float
    minimum: float
    maximum: float
    p50: float | None = None
    p95: float | None = None

    @property
    def average(self) -> float:
        """The mean of the values."""
        return self.total / self.count


class Telemetry(Protocol):
    """Structured log events by agent, and metrics. Writing them never fails its caller.

    What was written a moment ago by another process may not be there yet to be read.
    """

    def log(self, group: str, record: Mapping[str, Value], *, at: float | None = None) -> None:
        """Record an event of an agent; it happened now unless `at` says when."""

    def metric(self, name: str, value: float, *, unit: str = "Count") -> None:
        """Record one value of a metric; the unit is one of `UNITS`."""

    def report(self, events: Sequence[LogEvent], values: Sequence[Measurement]) -> None:
        """Record events and values together."""

    def logs(
        self, group: str, *, start: float, end: float, contains: str = "", limit: int = 100
    ) -> list[LogEvent]:
        """Return the newest events of a group in `[start, end)`, newest first.

        Raises:
            InvalidInput: there is no such group.
        """

    def statistics(self, name: str, *, start: float, end: float, period: int) -> list[Statistics]:
        """Return what a metric came to, for each period (in seconds) that has values, oldest first.

        Periods are whole, so the first begins at or before `start`.

        Raises:
            InvalidInput: the period is no multiple of 60, or there are more than 1,440 of them.
        """
