"""The units of the benchmark, by the rules of DynamoDB's developer guide."""

import json
from typing import Any

import pytest

from scripts.metering import units


def item(size: int) -> dict[str, Any]:
    return {"k": {"S": "x" * (size - 1)}}


def of(operation: str, asked: dict[str, Any], answer: dict[str, Any]) -> tuple[int, int]:
    return units(operation, asked, json.dumps(answer).encode())


@pytest.mark.parametrize(("size", "written"), [(10, 1), (1024, 1), (1025, 2), (10_240, 10)])
def test_a_write_unit_is_a_begun_kb_and_a_transaction_doubles_it(size: int, written: int) -> None:
    put = {"Put": {"Item": item(size)}}
    batch = {"RequestItems": {"t": [{"PutRequest": {"Item": item(size)}}] * 3}}

    assert of("PutItem", {"Item": item(size)}, {}) == (written, 0)
    assert of("TransactWriteItems", {"TransactItems": [put, {"ConditionCheck": {}}]}, {}) == (
        2 * written + 2,
        0,
    )
    assert of("BatchWriteItem", batch, {}) == (3 * written, 0)


@pytest.mark.parametrize(("size", "read"), [(10, 1), (4096, 1), (4097, 2)])
def test_a_read_unit_is_begun_4_kb_of_an_item_or_of_a_whole_query(size: int, read: int) -> None:
    batch = {"RequestItems": {"t": {"Keys": [{}, {}, {}]}}}

    assert of("GetItem", {}, {"Item": item(size)}) == (0, read)
    assert of("GetItem", {}, {}) == (0, 1)
    assert of("BatchGetItem", batch, {"Responses": {"t": [item(size)] * 2}}) == (0, 2 * read + 1)
    assert of("Query", {}, {"Items": [item(100)] * 40}) == (0, 1)


def test_what_is_nested_counts_with_its_names() -> None:
    body = {"b": {"M": {"n": {"N": "17"}, "x": {"B": "AAAA"}, "f": {"BS": ["AAAA"]}}}}
    filled = {**body, "k": {"S": "x" * 1000}}
    # 1 + 3 for the mapping, then 1 + 1 + 3, 1 + 1 + 3 and 1 + 1 + 7 bytes; 1,001 beside it.
    assert of("PutItem", {"Item": filled}, {}) == (1, 0)
    assert of("PutItem", {"Item": {**body, "k": {"S": "x" * 1001}}}, {}) == (2, 0)
