"""Whether values are still what they were when they were serialized, told without doing it again.

A value may have been changed in place since, so it is compared with a copy, by content. The copy
shares what cannot change, such as texts: those are compared at the speed of comparing addresses.
Plain data are told, as messages hold; of anything else it is never said that it is the same. What
stands deep inside is told as Python tells it, numbers by their types too: a subclass of `str` in
the place of an equal text, or keys in another order, go unseen.
"""

import marshal
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any, Final, cast

from pydantic import BaseModel

_OF_MODEL: Final = attrgetter("__dict__", "__pydantic_extra__")


class _Number:
    """Equals the same number of the same type: 1, 1.0 and True are equal, and stored apart."""

    __slots__ = ("kind", "written")
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, value: float) -> None:
        self.kind, self.written = type(value), marshal.dumps(value, 2)

    def __eq__(self, other: object) -> bool:
        return type(other) is self.kind and marshal.dumps(other, 2) == self.written


class _Never:
    """Equals nothing."""

    __hash__ = None  # type: ignore[assignment]

    def __eq__(self, other: object) -> bool:
        return False


def _copy(value: Any) -> Any:
    """Return what equals a value for as long as it would be serialized as it would be now."""
    kind = type(value)
    if kind is str or value is None:
        return value
    if kind in (int, float, bool):
        return _Number(value)
    if kind in (list, tuple):
        return kind(map(_copy, value))
    if kind is dict:
        held = cast(dict[Any, Any], value)
        if all(type(key) is str for key in held):
            return {key: _copy(each) for key, each in held.items()}
    return _Never()


def _held(values: Sequence[Any], kinds: Sequence[type]) -> list[Any]:
    """Return the content of values; that of a model is its fields."""
    models = {kind for kind in set(kinds) if issubclass(kind, BaseModel)}
    if models and len(models) == len(set(kinds)):
        return list(map(_OF_MODEL, values))
    pairs = zip(values, kinds, strict=True)
    return [_OF_MODEL(value) if kind in models else value for value, kind in pairs]


@dataclass(frozen=True)
class Snapshots:
    """What the elements of a list were."""

    kinds: list[type] = field(default_factory=list)
    copies: list[Any] = field(default_factory=list)

    def unchanged(self, values: Sequence[Any]) -> tuple[int, list[int | None]]:
        """Return how many values at the start are what they were; of each other, which it is.

        That is the position of what it was, counted from the start or from the end, or None.
        """
        kinds = list(map(type, values))
        held = _held(values, kinds)
        count = len(self.copies)
        if kinds[:count] == self.kinds and _equal(held[:count], self.copies):
            return count, [None] * (len(values) - count)
        places = list(self._places(kinds, held))
        same = next(n for n, place in enumerate([*places, None]) if place != n)
        return same, places[same:]

    def _places(self, kinds: Sequence[type], held: Sequence[Any]) -> Iterator[int | None]:
        longer = len(held) - len(self.copies)
        for n, (kind, content) in enumerate(zip(kinds, held, strict=True)):
            places = (n, n - longer)
            yield next((at for at in places if self._is_at(at, kind, content)), None)

    def _is_at(self, at: int, kind: type, content: Any) -> bool:
        there = 0 <= at < len(self.copies) and kind is self.kinds[at]
        return there and _equal(content, self.copies[at])

    def and_then(
        self, values: Sequence[Any], same: int, places: Sequence[int | None]
    ) -> "Snapshots":
        """Return snapshots of a list of which `unchanged` has said this.

        They are to be taken before it is serialized: what is changed between, is seen to have.
        """
        new = values[same:]
        kinds = list(map(type, new))
        copies = [
            self.copies[place] if place is not None else _copy(content)
            for place, content in zip(places, _held(new, kinds), strict=True)
        ]
        return Snapshots(self.kinds[:same] + kinds, self.copies[:same] + copies)


def _equal(values: Any, copies: Any) -> bool:
    try:
        return bool(values == copies)
    except Exception:  # noqa: BLE001 - somebody's own `__eq__`: what cannot be compared has changed
        return False
