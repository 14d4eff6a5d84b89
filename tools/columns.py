"""Reads a JSON Schema as the columns of a table: which properties, of which type, asking what.

A row is flat: each property holds a text, a number, yes or no, a date, one of some options, or a
list of texts. What cannot be a column is refused with the property's name and the remedy, before
anything is read: a schema is somebody's file, and a table of a thousand documents is dear.

    string · number · integer · boolean          as JSON Schema has them
    string with "format": "date"                 a date, written as ISO 8601 does
    "enum": [texts], "const": text               one of these
    array of strings                             a list

Each may be null too, in any of the ways in which JSON Schema and Pydantic say so.
Source of the words: https://json-schema.org/draft/2020-12/json-schema-validation
"""

from collections.abc import Mapping
from typing import Any, Final

from storage.errors import InvalidInput
from storage.records import Column, ColumnKind
from storage.texts import readable

MOST_COLUMNS: Final = 40
MOST_OPTIONS: Final = 50
NAME_CHARS: Final = 100
ASKS_CHARS: Final = 1000
_MOST_REFS: Final = 10
_PLAIN: Final[Mapping[str, ColumnKind]] = {
    "string": "string",
    "number": "number",
    "integer": "integer",
    "boolean": "boolean",
}
_CAN_BE: Final = (
    "A column is a string, number, integer, boolean, a date (a string with format date), an enum "
    "of strings, or an array of strings."
)


def columns_of(schema: Any) -> list[Column]:
    """Return the columns that a JSON Schema asks for, in its order.

    Raises:
        InvalidInput: it is no schema of an object with properties, has too many of them, or one
            that cannot be a column; the message names it.
    """
    if not isinstance(schema, Mapping):
        raise InvalidInput("A schema is a JSON object, with what to extract in its properties.")
    whole = _resolved(schema, schema, "the schema")
    properties = whole.get("properties")
    if whole.get("type", "object") != "object" or not isinstance(properties, Mapping):
        raise InvalidInput('A schema has "type": "object", and what to extract in its properties.')
    if not 1 <= len(properties) <= MOST_COLUMNS:
        raise InvalidInput(
            f"A schema has 1 to {MOST_COLUMNS} properties, not {len(properties)}: make two tables."
        )
    return [_column(name, each, schema) for name, each in properties.items()]


def _column(name: Any, schema: Any, root: Mapping[str, Any]) -> Column:
    if not isinstance(name, str) or not name.strip() or len(name) > NAME_CHARS:
        raise InvalidInput(f"The name of a property has 1 to {NAME_CHARS} characters: {name!r}.")
    if not name.isprintable():
        raise InvalidInput(f"The name of the property {name!r} holds what cannot be printed.")
    where = f"the property {name!r}"
    found = _plain(_resolved(schema, root, where), root, where)
    asks = str(found.get("description") or found.get("title") or "")
    if len(asks) > ASKS_CHARS:
        raise InvalidInput(f"The description of {where} has more than {ASKS_CHARS} characters.")
    kind, options = _kind(found, root, where)
    return Column(name=readable(name), kind=kind, asks=readable(asks), options=options)


def _first(where: str) -> str:
    """Return what begins a sentence, with the name in it as it is written."""
    return where[:1].upper() + where[1:]


def _kind(
    schema: Mapping[str, Any], root: Mapping[str, Any], where: str
) -> tuple[ColumnKind, list[str]]:
    listed = schema.get("enum", [schema["const"]] if "const" in schema else None)
    if listed is not None:
        return "string", _options(listed, where)
    kind = schema.get("type")
    if kind == "string" and schema.get("format") == "date":
        return "date", []
    if isinstance(kind, str) and kind in _PLAIN:
        return _PLAIN[kind], []
    if kind == "array":
        items = _plain(_resolved(schema.get("items", {}), root, where), root, where)
        if items.get("type", "string") == "string":
            return "strings", []
    raise InvalidInput(f"{_first(where)} is of type {kind!r}. {_CAN_BE}")


def _options(listed: Any, where: str) -> list[str]:
    options = [each for each in listed if each is not None] if isinstance(listed, list) else []
    if not all(isinstance(each, str) and each.strip() for each in options):
        raise InvalidInput(f"The enum of {where} holds something that is no text. {_CAN_BE}")
    if not 1 <= len(options) <= MOST_OPTIONS:
        raise InvalidInput(f"The enum of {where} has 1 to {MOST_OPTIONS} texts.")
    return [readable(each) for each in dict.fromkeys(options)]


def _plain(
    schema: Mapping[str, Any], root: Mapping[str, Any], where: str, left: int = _MOST_REFS
) -> Mapping[str, Any]:
    """Return a schema without "or null", and without the choice among one, so many times over."""
    kind = schema.get("type")
    if isinstance(kind, list):
        kinds = [each for each in kind if each != "null"]
        schema = {**schema, "type": kinds[0] if len(kinds) == 1 else kinds}
    for choice in ("anyOf", "oneOf", "allOf"):
        if isinstance(schema.get(choice), list):
            others = [_resolved(each, root, where) for each in schema[choice]]
            others = [each for each in others if each.get("type") != "null"]
            if len(others) != 1:
                raise InvalidInput(f"{_first(where)} may be several things. {_CAN_BE}")
            if not left:
                raise InvalidInput(f"{_first(where)} refers to itself, or is nested too deep.")
            said = {name: schema[name] for name in ("title", "description") if name in schema}
            return _plain({**others[0], **said}, root, where, left - 1)
    return schema


def _resolved(schema: Any, root: Mapping[str, Any], where: str) -> Mapping[str, Any]:
    """Follow "$ref" within the schema itself; nothing is ever fetched."""
    for _ in range(_MOST_REFS):
        if not isinstance(schema, Mapping):
            raise InvalidInput(f"{_first(where)} is no schema. {_CAN_BE}")
        reference = schema.get("$ref")
        if reference is None:
            return schema
        found: Any = root
        for part in str(reference).removeprefix("#/").split("/"):
            found = found.get(part) if isinstance(found, Mapping) else None
        if not str(reference).startswith("#/") or not isinstance(found, Mapping):
            raise InvalidInput(f"{_first(where)} refers to {reference!r}, which is not in it.")
        said = {name: each for name, each in schema.items() if name != "$ref"}
        schema = {**found, **said}
    raise InvalidInput(f"{_first(where)} refers to itself.")
