"""The ports of a workspace with every call named and watched: what the crash matrix goes by.

A call is named by what it does and where: table or bucket, operation, and the keys with what
differs from run to run (times, checkpoints, hashes) left out. The same name comes again and again;
with the number of its coming it is a point:

    transact audit.put run/memo/e/{n} + runs.put thread/t/lease + …   #3

`watch` returns a workspace whose calls are told to a hook before they are made and after they have
returned. Product code knows nothing of it.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from threading import Lock
from typing import Any, Final, Literal

from storage.ports import BUCKETS, TABLES, Action, Check, Delete, Item, Put
from storage.workspace import Buckets, Tables, Workspace

When = Literal["before", "after"]
_SHAPES: Final = (
    (re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"), "{id}"),
    (re.compile(r"\b[0-9a-f]{64}\b"), "{sha}"),
    (re.compile(r"\b(\d{16})-[0-9a-f]{12}\b"), r"\1-{snapshot}"),
    (re.compile(r"\b\d{13,19}\b"), "{n}"),
    (re.compile(r"call-[0-9a-f]{24}"), "{call}"),
    (re.compile(r"\bi/[0-9a-f]{32}"), "i/{interrupt}"),
    (re.compile(r"[A-Za-z0-9_.-]+-\d+-[0-9a-f]{6}$"), "{worker}"),
)


@dataclass(frozen=True, slots=True)
class Point:
    """A moment of a program: just before or after the n-th call of a name; n counts from 1."""

    name: str
    n: int
    when: When

    def __str__(self) -> str:
        return f"{self.when:<6} {self.name}  #{self.n}"


Hook = Callable[[Point], None]


class Watcher:
    """Numbers calls by their names, and tells a hook of each."""

    def __init__(self, hook: Hook) -> None:
        self._hook = hook
        self._seen: Counter[str] = Counter()
        self._lock = Lock()

    def call(self, name: str, make: Callable[[], Any]) -> Any:
        """Make a call, watched."""
        with self._lock:
            self._seen[name] += 1
            n = self._seen[name]
        self._hook(Point(name, n, "before"))
        result = make()
        self._hook(Point(name, n, "after"))
        return result


def shape(key: str) -> str:
    """Return a key without what differs from run to run."""
    for pattern, name in _SHAPES:
        key = pattern.sub(name, key)
    return key


def _item(action: Action, table: str) -> str:
    kind = {Put: "put", Delete: "delete", Check: "check"}[type(action)]
    at = action.item if isinstance(action, Put) else action
    return f"{action.table or table}.{kind} {shape(at.pk)}/{shape(at.sk)}"


class _Table:
    def __init__(self, table: Any, name: str, watcher: Watcher) -> None:
        self._table, self._name, self._call = table, name, watcher.call

    def get(self, pk: str, sk: str) -> Any:
        name = f"get {self._name} {shape(pk)}/{shape(sk)}"
        return self._call(name, lambda: self._table.get(pk, sk))

    def batch_get(self, keys: Sequence[tuple[str, str]]) -> Any:
        where = " + ".join(sorted({f"{shape(pk)}/{shape(sk)}" for pk, sk in keys}))
        return self._call(f"batch_get {self._name} {where}", lambda: self._table.batch_get(keys))

    def query(self, pk: str, **options: Any) -> Iterator[Item]:
        way = options.get("prefix") or "…".join(options.get("between") or ()) or "*"
        name = f"query {self._name} {shape(pk)}/{shape(way)}"
        rows = self._table.query(pk, **options)
        # Pages are read as they are needed: the first with the first row.
        first = self._call(name, lambda: next(rows, None))
        if first is not None:
            yield first
            yield from rows

    def put(self, item: Item, when: Any = None) -> None:
        name = f"put {self._name} {shape(item.pk)}/{shape(item.sk)}"
        self._call(name, lambda: self._table.put(item, when))

    def delete(self, pk: str, sk: str, when: Any = None) -> None:
        name = f"delete {self._name} {shape(pk)}/{shape(sk)}"
        self._call(name, lambda: self._table.delete(pk, sk, when))

    def batch_write(self, puts: Sequence[Item] = (), deletes: Sequence[Any] = ()) -> None:
        where = {f"put {shape(i.pk)}/{shape(i.sk)}" for i in puts}
        where |= {f"delete {shape(pk)}/{shape(sk)}" for pk, sk in deletes}
        name = f"batch_write {self._name} {' + '.join(sorted(where))}"
        self._call(name, lambda: self._table.batch_write(puts, deletes))

    def transact(self, actions: Sequence[Action]) -> None:
        name = f"transact {' + '.join(_item(action, self._name) for action in actions)}"
        self._call(name, lambda: self._table.transact(actions))


class _Others:
    """Any other port: each method is a call, named with what its first argument is."""

    def __init__(self, port: Any, name: str, watcher: Watcher) -> None:
        self._port, self._name, self._watcher = port, name, watcher

    def __getattr__(self, method: str) -> Any:
        def call(*args: Any, **kwargs: Any) -> Any:
            about = f" {shape(args[0])}" if args and isinstance(args[0], str) else ""
            name = f"{method} {self._name}{about}"
            return self._watcher.call(name, lambda: getattr(self._port, method)(*args, **kwargs))

        return call


def watch(workspace: Workspace, watcher: Watcher) -> Workspace:
    """Return a workspace whose calls are watched."""
    tables = {name: _Table(getattr(workspace.tables, name), name, watcher) for name in TABLES}
    buckets = {name: _Others(getattr(workspace.buckets, name), name, watcher) for name in BUCKETS}
    return replace(
        workspace,
        tables=Tables(**tables),
        buckets=Buckets(**buckets),
        queue=_Others(workspace.queue, "queue", watcher),
        telemetry=_Others(workspace.telemetry, "telemetry", watcher),
    )
