"""Tables in DynamoDB.

A write may have been carried out although its answer was lost; boto3 then tries again, and a
condition finds the write itself in its way. So every write carries a mark of its own, and a failure
that leaves doubt is settled by reading which mark stands. Only a deletion leaves no mark: what is
gone by then counts as deleted. (The client request token settles transactions too, within ten
minutes; nothing depends on it.)

How an item lies in DynamoDB is in `storage.aws.items`.
"""

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from storage.aws.errors import AwsError, is_conflict, may_have_been_done, rested, translate
from storage.aws.items import Attributes, condition, decode, encode, key
from storage.errors import AffidavitError, ConditionFailed, InvalidInput, Unavailable
from storage.limits import check_item, check_transaction, what_failed
from storage.ports import Action, Check, Condition, Delete, Item, Key, Put

# https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/
BATCH_GET: Final = 100
BATCH_WRITE: Final = 25
FIRST_PAGE_ROWS: Final = 4
PAGE_ROWS: Final = 1024
PAUSES: Final = (0.05, 0.1, 0.2, 0.4, 0.8, 1.0, 1.0, 1.0)
"""At most so many seconds between tries, where others were at the same items."""
_HIGHEST: Final = "\U0010ffff"


class DynamoTable:
    """The port `Table` on one table of an account."""

    def __init__(self, client: Any, name: str, sisters: Mapping[str, str] | None = None) -> None:
        """Take boto3's client, the table's full name, and its sisters' by their `TableName`."""
        self._client = client
        self._name = name
        self._names: dict[str, str] = {"": name, **(sisters or {})}

    def get(self, pk: str, sk: str) -> Item | None:
        """See `Table.get`."""
        found = self._stored(self._name, pk, sk)
        return decode(found) if found else None

    def batch_get(self, keys: Sequence[Key]) -> dict[Key, Item]:
        """See `Table.batch_get`."""
        found: dict[Key, Item] = {}
        wanted = [key(*each) for each in dict.fromkeys(keys)]
        for start in range(0, len(wanted), BATCH_GET):
            some = {"Keys": wanted[start : start + BATCH_GET], "ConsistentRead": True}
            for answer in self._batch("batch_get_item", some, "UnprocessedKeys"):
                for attributes in answer["Responses"].get(self._name, ()):
                    if item := decode(attributes):
                        found[item.pk, item.sk] = item
        return found

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
        """See `Table.query`."""
        if prefix and between:
            raise InvalidInput("A query takes a prefix or a range, not both.")
        narrowed = _narrowed(prefix, between, after, reverse)
        left = sys.maxsize if limit is None else limit
        if narrowed is None or left <= 0:
            return
        text, bounds = narrowed
        request: dict[str, Any] = {
            "KeyConditionExpression": f"pk = :pk{text}",
            "ExpressionAttributeValues": {":pk": {"S": pk}, **bounds},
            "ScanIndexForward": not reverse,
            "ConsistentRead": True,
        }
        # Who gives no limit may still want one row only: pages begin small, and grow.
        rows = FIRST_PAGE_ROWS if limit is None else min(limit, PAGE_ROWS)
        while True:
            page = self._ask("query", TableName=self._name, Limit=rows, **request)
            for item in filter(None, map(decode, page["Items"])):
                if item.sk != after:
                    yield item
                    left -= 1
                    if left == 0:
                        return
            if "LastEvaluatedKey" not in page:
                return
            request["ExclusiveStartKey"] = page["LastEvaluatedKey"]
            rows = min(rows * 4, PAGE_ROWS, left)

    def put(self, item: Item, when: Condition | None = None) -> None:
        """See `Table.put`."""
        self.transact([Put(item, when)])

    def delete(self, pk: str, sk: str, when: Condition | None = None) -> None:
        """See `Table.delete`."""
        self.transact([Delete(pk, sk, when)])

    def batch_write(self, puts: Sequence[Item] = (), deletes: Sequence[Key] = ()) -> None:
        """See `Table.batch_write`."""
        for item in puts:
            check_item(item)
        mark = _new_mark()
        writes: dict[Key, Attributes] = {
            (item.pk, item.sk): {"PutRequest": {"Item": encode(item, mark)}} for item in puts
        }
        writes |= {each: {"DeleteRequest": {"Key": key(*each)}} for each in deletes}
        requests = list(writes.values())
        for start in range(0, len(requests), BATCH_WRITE):
            some = requests[start : start + BATCH_WRITE]
            for _ in self._batch("batch_write_item", some, "UnprocessedItems"):
                pass

    def transact(self, actions: Sequence[Action]) -> None:
        """See `Table.transact`. A single write is no transaction, and costs half."""
        check_transaction(actions)
        mark = _new_mark()
        requests = [self._request(action, mark) for action in actions]
        match requests:
            case []:
                return
            case [{"Put": request}]:
                self._write("put_item", request, actions, mark)
            case [{"Delete": request}]:
                self._write("delete_item", request, actions, mark)
            case _:
                whole = {"TransactItems": requests, "ClientRequestToken": mark.hex()}
                self._write("transact_write_items", whole, actions, mark)

    def _request(self, action: Action, mark: bytes) -> dict[str, Any]:
        request = {"TableName": self._table_of(action), **condition(action.when)}
        match action:
            case Put(item):
                return {"Put": {**request, "Item": encode(item, mark)}}
            case Delete(pk, sk):
                return {"Delete": {**request, "Key": key(pk, sk)}}
            case Check(pk, sk):
                return {"ConditionCheck": {**request, "Key": key(pk, sk)}}

    def _write(
        self, operation: str, request: dict[str, Any], actions: Sequence[Action], mark: bytes
    ) -> None:
        """Write, again while others are at the same items, and settle what is in doubt."""
        doubtful, pauses = False, iter(PAUSES)
        while True:
            try:
                getattr(self._client, operation)(**request)
                return
            except AwsError as error:
                doubtful = doubtful or may_have_been_done(error)
                if is_conflict(error) and rested(pauses):
                    continue
                ours = translate(error, f"table {self._name}")
                if doubtful and self._stands(actions, mark, ours):
                    return
                if isinstance(ours, ConditionFailed):
                    raise ConditionFailed(what_failed(actions, ours.failed), ours.failed) from error
                raise ours from error

    def _stands(self, actions: Sequence[Action], mark: bytes, failure: AffidavitError) -> bool:
        """Return whether a write that failed was carried out; fail as it did if unknown."""
        try:
            puts = [(a, a.item.pk, a.item.sk) for a in actions if isinstance(a, Put)]
            if puts:
                stored = (self._stored(self._table_of(a), pk, sk) for a, pk, sk in puts)
                return any(found and found["w"]["B"] == mark for found in stored)
            gone = [(a, a.pk, a.sk) for a in actions if isinstance(a, Delete)]
            stored = (self._stored(self._table_of(a), pk, sk) for a, pk, sk in gone)
            return bool(gone) and not any(stored)
        except AffidavitError:
            raise Unavailable(f"Whether it was written is not known: {failure}") from failure

    def _stored(self, table: str, pk: str, sk: str) -> Attributes | None:
        """Return an item's attributes, expired or not."""
        answer = self._ask("get_item", TableName=table, Key=key(pk, sk), ConsistentRead=True)
        found: Attributes | None = answer.get("Item")
        return found

    def _table_of(self, action: Action) -> str:
        try:
            return self._names[action.table]
        except KeyError:
            raise InvalidInput(f"The table {self._name} has no sister {action.table!r}.") from None

    def _batch(self, operation: str, asked: Any, unprocessed: str) -> Iterator[dict[str, Any]]:
        """Yield the answers to a request until nothing of it is left."""
        request: Any = {self._name: asked}
        pauses = iter(PAUSES)
        while request:
            answer = self._ask(operation, RequestItems=request)
            yield answer
            request = answer.get(unprocessed)
            if request and not rested(pauses):
                raise Unavailable(f"The table {self._name} takes no more at the moment. Try again.")

    def _ask(self, operation: str, **request: Any) -> dict[str, Any]:
        try:
            answer: dict[str, Any] = getattr(self._client, operation)(**request)
        except AwsError as error:
            raise translate(error, f"table {self._name}") from error
        return answer


def _narrowed(
    prefix: str, between: tuple[str, str] | None, after: str, reverse: bool
) -> tuple[str, Attributes] | None:
    """Return the condition on `sk` and its values, or None if it can hold for nothing.

    DynamoDB takes one condition, so `after` is made an end of the range. The end is in it:
    the caller leaves out the item itself.
    """
    if prefix and not after:
        return " AND begins_with(sk, :low)", {":low": {"S": prefix}}
    low, high = between or (prefix, prefix + _HIGHEST)
    if after:
        low, high = (low, min(high, after)) if reverse else (max(low, after), high)
    if low > high or not high:
        return None
    if not low:  # DynamoDB takes no empty end
        return " AND sk <= :high", {":high": {"S": high}}
    return " AND sk BETWEEN :low AND :high", {":low": {"S": low}, ":high": {"S": high}}


def _new_mark() -> bytes:
    return os.urandom(8)
