"""A schema becomes columns, or is refused with what is wrong and what would do."""

from datetime import date
from enum import Enum
from typing import Any, Literal

import pytest
from pydantic import BaseModel, Field

from storage.errors import InvalidInput
from storage.records import Column
from tools.columns import MOST_COLUMNS, columns_of


def schema(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties}


@pytest.mark.parametrize(
    ("given", "column"),
    [
        ({"type": "string"}, Column(name="x", kind="string")),
        ({"type": "number"}, Column(name="x", kind="number")),
        ({"type": "integer"}, Column(name="x", kind="integer")),
        ({"type": "boolean"}, Column(name="x", kind="boolean")),
        ({"type": "string", "format": "date"}, Column(name="x", kind="date")),
        ({"type": ["string", "null"], "format": "date"}, Column(name="x", kind="date")),
        ({"type": "array", "items": {"type": "string"}}, Column(name="x", kind="strings")),
        ({"enum": ["a", "b", None]}, Column(name="x", options=["a", "b"])),
        ({"const": "a"}, Column(name="x", options=["a"])),
        ({"anyOf": [{"type": "null"}, {"type": "number"}]}, Column(name="x", kind="number")),
        (
            {"type": "string", "title": "X", "description": "Which?"},
            Column(name="x", asks="Which?"),
        ),
        ({"type": "string", "title": "The law"}, Column(name="x", asks="The law")),
    ],
)
def test_a_property_is_a_column(given: dict[str, Any], column: Column) -> None:
    assert columns_of(schema(x=given)) == [column]


class Currency(Enum):
    EUR = "EUR"
    USD = "USD"


class Contract(BaseModel):
    parties: list[str]
    made: date | None = None
    currency: Currency | None = Field(None, description="Of the price")
    renews: Literal["yes", "no"] = "no"
    price: float


def test_a_pydantic_model_is_a_schema() -> None:
    assert [(c.name, c.kind, c.options) for c in columns_of(Contract.model_json_schema())] == [
        ("parties", "strings", []),
        ("made", "date", []),
        ("currency", "string", ["EUR", "USD"]),
        ("renews", "string", ["yes", "no"]),
        ("price", "number", []),
    ]


A_CIRCLE = {"anyOf": [{"$ref": "#/$defs/A"}, {"type": "null"}]}


def nested(depth: int) -> dict[str, Any]:
    return {"allOf": [nested(depth - 1)]} if depth else {"type": "string"}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("text", "JSON object"),
        ([], "JSON object"),
        ({"type": "array"}, "properties"),
        (schema(), f"1 to {MOST_COLUMNS}"),
        (schema(**{f"x{n}": {"type": "string"} for n in range(MOST_COLUMNS + 1)}), "two tables"),
        (schema(x={"type": "object"}), "'x' is of type 'object'"),
        (schema(x={"type": "array", "items": {"type": "number"}}), "'x' is of type 'array'"),
        (schema(x={"anyOf": [{"type": "string"}, {"type": "number"}]}), "'x' may be several"),
        (schema(x={"enum": [1, 2]}), "no text"),
        (schema(x={"enum": "ab"}), "1 to 50 texts"),
        (schema(x={"type": "string", "description": "x" * 1001}), "more than 1000"),
        (schema(x="string"), "no schema"),
        (schema(Rent={"type": "object"}), "The property 'Rent' is of type"),
        (schema(x=nested(500)), "nested too deep"),
        ({**schema(x={"$ref": "#/$defs/A"}), "$defs": {"A": A_CIRCLE}}, "refers to itself"),
        (schema(**{"": {"type": "string"}}), "1 to 100 characters"),
        (schema(**{"a\nb": {"type": "string"}}), "cannot be printed"),
        (schema(x={"$ref": "https://example.org/x"}), "not in it"),
        (schema(x={"$ref": "#/$defs/none"}), "not in it"),
        ({**schema(x={"$ref": "#/$defs/x"}), "$defs": {"x": {"$ref": "#/$defs/x"}}}, "itself"),
    ],
)
def test_what_cannot_be_a_table_is_refused_by_name(given: Any, said: str) -> None:
    with pytest.raises(InvalidInput, match=said.replace("$", r"\$")):
        columns_of(given)
