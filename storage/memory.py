"""LangGraph's `BaseStore` on the table `memory`: what is remembered across threads.

A namespace's first element is the partition, the rest and the key make up the sort key. Searching
reads the partitions under the prefix and filters; there is no vector search, and a `query` is
ignored, as LangGraph's own stores do without an index.
"""

import asyncio
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from typing import Any, Final, cast

from langgraph.store.base import (
    BaseStore,
    GetOp,
    Item,
    ListNamespacesOp,
    MatchCondition,
    Op,
    PutOp,
    Result,
    SearchItem,
    SearchOp,
)

from storage.errors import InvalidInput
from storage.keys import key
from storage.ports import Item as TableItem
from storage.ports import Table

FIRSTS: Final = "namespaces"
Namespace = tuple[str, ...]


class TableStore(BaseStore):
    """A `BaseStore` over a table. Values are JSON objects of up to 400 KB."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def batch(self, ops: Iterable[Op]) -> list[Result]:
        """See `BaseStore.batch`; operations are done in their order."""
        return [self._do(op) for op in ops]

    async def abatch(self, ops: Iterable[Op]) -> list[Result]:
        """See `BaseStore.abatch`."""
        return await asyncio.to_thread(self.batch, list(ops))

    def _do(self, op: Op) -> Result:
        match op:
            case GetOp():
                found = self._table.get(*_at(op.namespace, op.key))
                return Item(**_fields(found)) if found else None
            case PutOp():
                self._put(op)
                return None
            case SearchOp():
                wanted = op.filter or {}
                matching = [
                    SearchItem(**_fields(item))
                    for item in self._under(op.namespace_prefix)
                    if _matches(item.body["value"], wanted)
                ]
                return matching[op.offset : op.offset + op.limit]
            case ListNamespacesOp():
                return self._namespaces(op)
        raise InvalidInput(f"A store cannot do {op!r}.")

    def _put(self, op: PutOp) -> None:
        pk, sk = _at(op.namespace, op.key)
        if op.value is None:
            self._table.delete(pk, sk)
            return
        now = datetime.now(UTC).isoformat()
        found = self._table.get(pk, sk)
        body: dict[str, Any] = {
            "namespace": list(op.namespace),
            "key": op.key,
            "value": op.value,
            "created_at": found.body["created_at"] if found else now,
            "updated_at": now,
        }
        if found is None:
            self._table.put(TableItem(FIRSTS, pk, {"pk": pk}))
        self._table.put(TableItem(pk, sk, body))

    def forget(self, holds: Callable[[Any], bool]) -> int:
        """Delete the items whose value is one of a kind; return how many."""
        found = [item for item in self._under(()) if holds(item.body["value"])]
        for item in found:
            self._table.delete(item.pk, item.sk)
        return len(found)

    def count(self, holds: Callable[[Any], bool]) -> int:
        """Return of how many items the value is one of a kind."""
        return sum(holds(item.body["value"]) for item in self._under(()))

    def _under(self, prefix: Namespace) -> Iterator[TableItem]:
        """Yield the items whose namespace begins with a prefix."""
        firsts = (cast(str, item.body["pk"]) for item in self._table.query(FIRSTS))
        for pk in [_pk(prefix)] if prefix else firsts:
            for item in self._table.query(pk):
                if _namespace(item)[: len(prefix)] == prefix:
                    yield item

    def _namespaces(self, op: ListNamespacesOp) -> list[Namespace]:
        conditions = op.match_conditions or ()
        found = {
            namespace[: op.max_depth]
            for namespace in map(_namespace, self._under(()))
            if all(_is_at(namespace, condition) for condition in conditions)
        }
        return sorted(found)[op.offset : op.offset + op.limit]


def _pk(namespace: Namespace) -> str:
    return key("store", namespace[0])


def _at(namespace: Namespace, name: str) -> tuple[str, str]:
    if not namespace:
        raise InvalidInput("A namespace has at least one element.")
    return _pk(namespace), f"{key(*namespace[1:])}//{key(name)}"


def _namespace(item: TableItem) -> Namespace:
    return tuple(cast(list[str], item.body["namespace"]))


def _fields(item: TableItem) -> dict[str, Any]:
    body = cast(dict[str, Any], dict(item.body))
    dates = {name: datetime.fromisoformat(body[name]) for name in ("created_at", "updated_at")}
    return {**body, "namespace": _namespace(item), **dates}


def _is_at(namespace: Namespace, condition: MatchCondition) -> bool:
    path = tuple(condition.path)
    if len(namespace) < len(path):
        return False
    end = len(namespace) - len(path)
    part = namespace[end:] if condition.match_type == "suffix" else namespace[: len(path)]
    return all(want in ("*", have) for have, want in zip(part, path, strict=True))


def _matches(value: Any, wanted: Any) -> bool:
    """Compare as LangGraph does: nested equality, and the operators `$eq`, `$gt` and so on."""
    if not isinstance(wanted, dict):
        return bool(value == wanted)
    if any(name.startswith("$") for name in wanted):
        return all(_compare(value, operator, other) for operator, other in wanted.items())
    return isinstance(value, dict) and all(_matches(value.get(k), v) for k, v in wanted.items())


def _compare(value: Any, operator: str, other: Any) -> bool:
    if operator in ("$eq", "$ne"):
        return bool((value == other) is (operator == "$eq"))
    if value is None:
        return False
    left, right = float(value), float(other)
    known = {"$gt": left > right, "$gte": left >= right, "$lt": left < right, "$lte": left <= right}
    if operator not in known:
        raise InvalidInput(f"A filter has no operator {operator!r}.")
    return known[operator]
