"""A table and a bucket whose calls are counted, and can be made to fail."""

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

from storage.aws.items import encode
from storage.ports import BlobInfo, Blobs, Condition, Item, Key, Table
from storage.segments import SEGMENTS

Fault = Callable[[str, str], None]
"""Called with the name of each call and "before" or "after"; what it raises is the failure."""


class Cut(Exception):
    """The call, or its answer, was lost."""


class Count:
    """What was called and written, in calls, write units and bytes."""

    def __init__(self) -> None:
        self.reads = self.writes = self.units = self.written = 0
        self.read_segments: Counter[str] = Counter()
        self.written_segments: Counter[str] = Counter()
        self.fault: Fault = lambda name, when: None

    def clear(self) -> None:
        """Begin anew; the fault stays."""
        fault = self.fault
        self.__init__()  # type: ignore[misc]
        self.fault = fault

    def wrote(self, item: Item) -> None:
        size = _size(encode(item, b"12345678"))
        self.units += -(-size // 1024)
        self.written += size
        if item.sk.startswith(SEGMENTS):
            self.written_segments[item.sk] += 1


def _size(attributes: Any) -> int:
    if isinstance(attributes, dict):
        return sum(len(name) + _size(value) for name, value in attributes.items())
    if isinstance(attributes, list):
        return sum(map(_size, attributes))
    return len(attributes)


class CountedTable:
    """A table whose calls are counted."""

    def __init__(self, table: Table, count: Count) -> None:
        self._table, self._count = table, count

    def _call(self, name: str, make: Callable[[], Any]) -> Any:
        self._count.fault(name, "before")
        result = make()
        self._count.fault(name, "after")
        return result

    def get(self, pk: str, sk: str) -> Item | None:
        self._count.reads += 1
        found: Item | None = self._call("get", lambda: self._table.get(pk, sk))
        return found

    def batch_get(self, keys: list[Key]) -> dict[Key, Item]:
        self._count.reads += -(-len(keys) // 100)
        self._count.read_segments.update(sk for _, sk in keys if sk.startswith(SEGMENTS))
        found: dict[Key, Item] = self._call("batch_get", lambda: self._table.batch_get(keys))
        return found

    def query(self, pk: str, **options: Any) -> Iterator[Item]:
        self._count.reads += 1
        found: list[Item] = self._call("query", lambda: list(self._table.query(pk, **options)))
        yield from found

    def put(self, item: Item, when: Condition | None = None) -> None:
        self._count.writes += 1
        self._count.wrote(item)
        self._call("put", lambda: self._table.put(item, when))

    def delete(self, pk: str, sk: str, when: Condition | None = None) -> None:
        self._call("delete", lambda: self._table.delete(pk, sk, when))

    def batch_write(self, puts: Any = (), deletes: Any = ()) -> None:
        self._count.writes += -(-(len(puts) + len(deletes)) // 25)
        for item in puts:
            self._count.wrote(item)
        self._call("batch_write", lambda: self._table.batch_write(puts, deletes))

    def transact(self, actions: Any) -> None:
        self._call("transact", lambda: self._table.transact(actions))


class CountedBlobs:
    """A bucket whose calls can be made to fail."""

    def __init__(self, blobs: Blobs, count: Count) -> None:
        self._blobs, self._count = blobs, count

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._blobs, name)

        def call(*args: Any, **options: Any) -> Any:
            self._count.fault(name, "before")
            result = method(*args, **options)
            if name == "list":
                result = iter(list[BlobInfo](result))
            if name == "put":
                self._count.written += len(args[1])
            self._count.fault(name, "after")
            return result

        return call
