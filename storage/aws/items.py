"""Items as DynamoDB holds them, and conditions in its language.

    pk, sk       S
    version      N
    expires_at   N, seconds since the epoch; the table's time-to-live attribute
    body         M of the fields
    w            B, drawn for each write, by which a writer whose answer was lost knows its own

A field that is text, bytes, an integer, a truth value or nothing stands in DynamoDB's own type, so
that `FieldIs` can be asked of it. Everything else (a number with a fraction, a list, a mapping)
is a binary set (BS) of one, the value in MessagePack, as the embedded back end keeps it: DynamoDB's
numbers are decimal, know no NaN and do not tell 1 from 1.0, and its lists and maps end at 32 levels
and have no empty names. It reads every type back exactly.

DynamoDB deletes an expired item some time later; until then it is filtered here and in conditions.
"""

import time
from collections.abc import Mapping
from typing import Any, assert_never, cast

import ormsgpack

from storage.ports import Absent, Condition, FieldIs, Item, Value, VersionIs

Attributes = dict[str, Any]

_LIVE = "(attribute_not_exists(#e) OR #e > :now)"


def encode(item: Item, mark: bytes) -> Attributes:
    """Return the attributes of an item, marked as written by this write."""
    attributes: Attributes = {
        "pk": {"S": item.pk},
        "sk": {"S": item.sk},
        "version": {"N": str(item.version)},
        "body": {"M": {name: _attribute(value) for name, value in item.body.items()}},
        "w": {"B": mark},
    }
    if item.expires_at is not None:
        attributes["expires_at"] = {"N": str(item.expires_at)}
    return attributes


def decode(attributes: Attributes) -> Item | None:
    """Return the item that the attributes hold; None once it has expired."""
    expires_at = int(attributes["expires_at"]["N"]) if "expires_at" in attributes else None
    if expires_at is not None and expires_at <= time.time():
        return None
    body = {name: _value(held) for name, held in attributes["body"]["M"].items()}
    version = int(attributes["version"]["N"])
    return Item(attributes["pk"]["S"], attributes["sk"]["S"], body, version, expires_at)


def key(pk: str, sk: str) -> Attributes:
    """Return the primary key as attributes."""
    return {"pk": {"S": pk}, "sk": {"S": sk}}


def _attribute(value: Value) -> Attributes:
    match value:
        case None:
            return {"NULL": True}
        case bool():
            return {"BOOL": value}
        case int():
            return {"N": str(value)}
        case str():
            return {"S": value}
        case bytes():
            return {"B": value}
    return {"BS": [ormsgpack.packb(value)]}


def _value(attribute: Mapping[str, Any]) -> Value:
    ((kind, held),) = attribute.items()
    match kind:
        case "NULL":
            return None
        case "N":
            return int(held)
        case "BS":
            return cast(Value, ormsgpack.unpackb(held[0]))
    return cast(Value, held)


def condition(when: Condition | None) -> dict[str, Any]:
    """Return the arguments by which a write is bound to a condition, none where there is none."""
    if when is None:
        return {}
    now = {":now": {"N": f"{time.time():.3f}"}}
    match when:
        case Absent():
            return _arguments("attribute_not_exists(#p) OR #e <= :now", {"#p": "pk"}, now)
        case VersionIs(version):
            values = now | {":v": _attribute(version)}
            return _arguments(f"#v = :v AND {_LIVE}", {"#v": "version"}, values)
        case FieldIs(name, value):
            ((kind, _),) = (wanted := _attribute(value)).items()
            text = f"attribute_type(#b.#f, :t) AND #b.#f = :v AND {_LIVE}"
            values = now | {":t": {"S": kind}, ":v": wanted}
            return _arguments(text, {"#b": "body", "#f": name}, values)
    assert_never(when)


def _arguments(text: str, names: dict[str, str], values: Attributes) -> dict[str, Any]:
    return {
        "ConditionExpression": text,
        "ExpressionAttributeNames": names | {"#e": "expires_at"},
        "ExpressionAttributeValues": values,
    }
