"""Whether elements of a list are what they were: not said of what is serialized otherwise."""

from collections.abc import Callable
from enum import StrEnum
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.messages import AIMessage, AIMessageChunk, HumanMessage
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer

from storage.snapshots import Snapshots

SERDE = JsonPlusSerializer()
numbers = st.sampled_from([0, 0.0, -0.0, False, 1, 1.0, True, float("nan")])
# So few that many are equal.
plain = st.recursive(
    st.none() | numbers | st.sampled_from(["", "a", b"", b"a", bytearray(b"a")]),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.lists(inner, max_size=2).map(tuple)
        | st.dictionaries(st.sampled_from(["", 1, True, 1.0]), inner, max_size=1)
    ),
    max_leaves=3,
)
messages = st.builds(
    lambda kind, content, more: kind(content=content, id="m", additional_kwargs=more),
    st.sampled_from([HumanMessage, AIMessage, AIMessageChunk]),
    st.sampled_from(["", "a"]),
    st.dictionaries(st.just("k"), plain, max_size=1),
)
lists = st.lists(plain | messages, max_size=5)


def taken(values: list[Any]) -> Snapshots:
    """Snapshots of a list that is seen for the first time."""
    return Snapshots().and_then(values, *Snapshots().unchanged(values))


@given(lists, lists, lists)
def test_what_is_said_to_be_unchanged_is_serialized_alike(
    old: list[Any], between: list[Any], new: list[Any]
) -> None:
    snapshots = taken(old)
    snapshots = snapshots.and_then(between, *snapshots.unchanged(between))
    same, others = snapshots.unchanged(new)
    places = [*range(same), *others]
    assert len(places) == len(new)
    for value, place in zip(new, places, strict=True):
        if place is not None:
            assert SERDE.dumps_typed(value) == SERDE.dumps_typed(between[place])


@given(lists, st.integers(0, 5), st.integers(0, 5))
def test_plain_texts_are_found_in_their_place_or_as_far_from_the_end(
    new: list[Any], start: int, stop: int
) -> None:
    old: list[Any] = [HumanMessage(f"{n}", id=f"{n}") for n in range(6)]
    cut = [*old[:start], *new, *old[max(start, stop) :]]
    same, others = taken(old).unchanged(cut)
    places = [*range(same), *others]
    assert places[:start] == [*range(start)]
    assert places[len(places) - len(old) + max(start, stop) :] == [*range(max(start, stop), 6)]


class Colour(StrEnum):
    RED = "red"


class Odd:
    """Says that it is anything."""

    def __eq__(self, other: object) -> bool:
        return True

    __hash__ = None  # type: ignore[assignment]


class Pair(NamedTuple):
    one: int
    two: int


def set_nested(message: AIMessage) -> None:
    message.additional_kwargs["deep"]["list"][0] = 2


def grow(message: AIMessage) -> None:
    message.additional_kwargs["deep"]["list"].append(1)


def set_content(message: AIMessage) -> None:
    message.content = "another"


def set_equal_number(message: AIMessage) -> None:
    message.additional_kwargs["n"] = True


def add_extra(message: AIMessage) -> None:
    message.__pydantic_extra__["more"] = 1  # type: ignore[index]


def set_enum(message: AIMessage) -> None:
    message.content = Colour.RED


def set_nested_enum(message: AIMessage) -> None:
    message.additional_kwargs["colour"] = Colour.RED


def set_named_tuple(message: AIMessage) -> None:
    message.additional_kwargs["pair"] = Pair(1, 2)


def set_order(message: AIMessage) -> None:
    message.additional_kwargs["n"] = message.additional_kwargs.pop("n")


def set_odd(message: AIMessage) -> None:
    message.content = Odd()  # type: ignore[assignment]


CHANGES = [set_enum, set_nested_enum, set_named_tuple, set_order, set_odd]


@pytest.mark.parametrize(
    "change", [*CHANGES, set_nested, grow, set_content, set_equal_number, add_extra]
)
def test_what_is_changed_in_place_is_seen(change: Callable[[AIMessage], None]) -> None:
    held = {"deep": {"list": [1]}, "n": 1, "colour": "red", "pair": (1, 2)}
    values = [AIMessage("red", additional_kwargs=held), AIMessage("b")]
    snapshots = taken(values)
    assert snapshots.unchanged(values) == (2, [])
    change(values[0])
    assert snapshots.unchanged(values) == (0, [None, 1])


@pytest.mark.parametrize("value", [Colour.RED, Odd(), {"a": {2, 3}}, b"bytes", [Odd()]])
def test_of_what_is_not_plain_nothing_is_said(value: Any) -> None:
    assert taken([value]).unchanged([value]) == (0, [None])
    assert taken(["red"]).unchanged([value]) == (0, [None])
