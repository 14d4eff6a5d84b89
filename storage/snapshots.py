"""Whether values are still what they were when they were serialized, told without doing it again.

A value may have been changed in place since, so it is compared with a copy, by content and by type.
The copy shares what cannot change, such as texts: those are compared at the speed of comparing
addresses. Plain data are told, as messages hold; of anything else it is never said that it is the
same, and it is never asked whether it is.
"""

import marshal
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import chain
from operator import attrgetter
from typing import Any, Final, cast

from pydantic import BaseModel

_FIELDS: Final = attrgetter("__dict__")
_EXTRA: Final = attrgetter("__pydantic_extra__")
_SCALARS: Final = frozenset([str, int, float, bool, type(None)])
_HOLDERS: Final = frozenset([list, tuple, dict])


class _Written:
    """Equals what would be written alike: 1, 1.0 and True are equal, and stored apart."""

    __slots__ = ("_data", "kind")
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, value: Any) -> None:
        self.kind = type(value)
        self._data = _written(value)

    def __eq__(self, other: object) -> bool:
        return _written(other) == self._data


def _written(value: Any) -> bytes | None:
    try:
        # Version 2 writes each value out; later ones also tell what is the same object.
        return marshal.dumps(value, 2)
    except ValueError:
        return None


class _Never:
    """Stands for what cannot be told; no value has this type."""


_Taken = tuple[type, tuple[type, ...], dict[str, Any], Any]
"""What an element was: its type, those of its fields, the fields, and what it held beside."""


def _copy(value: Any) -> Any:
    """Return what equals a value of the same type for as long as it would be serialized alike."""
    kind = type(value)
    if kind is str or value is None or (kind in _HOLDERS and not value):
        return value if kind not in (list, dict) else kind()
    return _Written(value) if _is_plain(value) else _Never()


def _is_plain(value: Any) -> bool:
    """Return whether `marshal` tells all of a value: it also takes buffers for bytes."""
    kind = type(value)
    if kind is dict:
        pairs = list(cast(dict[Any, Any], value).items())
        return all(_is_plain(key) and _is_plain(each) for key, each in pairs)
    return kind in _SCALARS or (kind in (list, tuple) and all(map(_is_plain, list(value))))


def _parts(values: Sequence[Any], kinds: Sequence[type]) -> tuple[list[Any], list[Any]]:
    """Return the fields of values, and what models hold beside; what is no model is one field."""
    models = {kind for kind in set(kinds) if issubclass(kind, BaseModel)}
    if models and len(models) == len(set(kinds)):
        return list(map(_FIELDS, values)), list(map(_EXTRA, values))
    each = list(zip(values, kinds, strict=True))
    fields = [_FIELDS(value) if kind in models else {"": value} for value, kind in each]
    return fields, [_EXTRA(value) if kind in models else None for value, kind in each]


@dataclass(frozen=True)
class Snapshots:
    """What the elements of a list were, each at the same place of all these lists."""

    kinds: list[type] = field(default_factory=list)
    types: list[tuple[type, ...]] = field(default_factory=list)
    """Of the fields of each."""
    fields: list[dict[str, Any]] = field(default_factory=list)
    extras: list[Any] = field(default_factory=list)

    def unchanged(self, values: Sequence[Any]) -> tuple[int, list[int | None]]:
        """Return how many values at the start are what they were; of each other, which it is.

        That is the position of what it was, counted from the start or from the end, or None.
        """
        kinds = list(map(type, values))
        fields, extras = _parts(values, kinds)
        count = len(self.kinds)
        if self.equal(kinds[:count], fields[:count], extras[:count]):
            return count, [None] * (len(values) - count)
        each = zip(kinds, fields, extras, strict=True)
        places = [self._place(n, len(values) - count, *parts) for n, parts in enumerate(each)]
        same = next(n for n, place in enumerate([*places, None]) if place != n)
        return same, places[same:]

    def equal(self, kinds: list[type], fields: list[dict[str, Any]], extras: list[Any]) -> bool:
        """Return whether these are all that the elements were; types first, they are not asked."""
        return (
            kinds == self.kinds
            and _types(fields) == list(chain.from_iterable(self.types))
            and fields == self.fields
            and extras == self.extras
        )

    def _place(
        self, n: int, longer: int, kind: type, fields: dict[str, Any], extra: Any
    ) -> int | None:
        for at in (n, n - longer):
            if 0 <= at < len(self.kinds) and self._one(at).equal([kind], [fields], [extra]):
                return at
        return None

    def _one(self, at: int) -> "Snapshots":
        one = slice(at, at + 1)
        return Snapshots(self.kinds[one], self.types[one], self.fields[one], self.extras[one])

    def and_then(
        self, values: Sequence[Any], same: int, places: Sequence[int | None]
    ) -> "Snapshots":
        """Return snapshots of a list of which `unchanged` has said this.

        They are to be taken before it is serialized: what is changed between, is seen to have.
        """
        new = values[same:]
        kinds = list(map(type, new))
        found = zip(places, kinds, *_parts(new, kinds), strict=True)
        taken = [
            _taken(kind, fields, extra) if place is None else self._at(place)
            for place, kind, fields, extra in found
        ]
        return Snapshots(
            self.kinds[:same] + [kind for kind, *_ in taken],
            self.types[:same] + [types for _, types, *_ in taken],
            self.fields[:same] + [fields for *_, fields, _ in taken],
            self.extras[:same] + [extra for *_, extra in taken],
        )

    def _at(self, n: int) -> _Taken:
        return self.kinds[n], self.types[n], self.fields[n], self.extras[n]


def _types(fields: Sequence[dict[str, Any]]) -> list[type]:
    return list(map(type, chain.from_iterable(map(dict.values, fields))))


def _taken(kind: type, fields: dict[str, Any], extra: Any) -> _Taken:
    copies = {name: _copy(value) for name, value in dict(fields).items()}
    types = tuple(copy.kind if type(copy) is _Written else type(copy) for copy in copies.values())
    beside = _copy(extra)
    return (_Never if type(beside) is _Never else kind), types, copies, beside
