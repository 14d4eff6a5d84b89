"""Lists as ropes: what one checkpoint's list has in common with its parent's is not written again.

A stored list is a row of pieces, each a range of something:

    [0, null, start, stop]          elements that stand in the checkpoint itself
    [1, checkpoint, start, stop]    the list that the same channel has in an earlier checkpoint
    [2, segment, start, stop]       a segment of elements
    [3, segment, start, stop]       a segment of pieces of kind 2; [4, ...] of kind 3, and so on

To append, to change an element, to cut off the start: each is a few pieces over the parent's list
and the elements that are new. From time to time, when the way back has become long or much stands
on it, the elements on it move into a segment, and pieces into segments of pieces: so a checkpoint
stays small however long the list is, and each element is written twice.

Nothing here reads or writes storage.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

Piece = tuple[int, Any, int, int]
"""Kind, what it is a range of, start and stop: half open, in elements of the list."""

OWN: Final = 0
EARLIER: Final = 1
ELEMENTS: Final = 2
MOST_HOPS: Final = 16
"""Earlier checkpoints to go through, until a list is laid out anew."""
LOOSE_BYTES: Final = 12 * 1024
"""Bytes of elements that stand in checkpoints, until they move into a segment."""
INLINE_BYTES: Final = 512
"""A list of no more than this stands whole in each of its checkpoints."""
SEGMENT_BYTES: Final = 128 * 1024
MOST_PIECES: Final = 48
FANOUT: Final = 32


@dataclass(frozen=True, slots=True)
class Element:
    """A serialized element: its bytes, their digest, and the digests that its tree refers to."""

    packed: bytes
    name: bytes
    refs: tuple[bytes, ...] = ()


@dataclass(frozen=True)
class Rope:
    """A list as it was stored in a checkpoint, and where each element lies.

    `spans` has no pieces of kind 1: what stands in any checkpoint is of kind 0, and `start` and
    `stop` of that are positions in this list itself.
    """

    elements: list[Element]
    pieces: list[Piece]
    own: list[bytes]
    spans: list[Piece]
    hops: int = 0
    loose: int = 0
    """Bytes of the elements that stand in checkpoints."""
    made: dict[bytes, Any] = field(default_factory=dict)
    """The segments that have to be stored before the checkpoint, by digest: what they hold."""
    of_elements: frozenset[bytes] = frozenset()
    """The segments that elements refer to."""

    @property
    def refs(self) -> set[bytes]:
        """The segments that the list needs."""
        return {ref for kind, ref, *_ in self.spans if kind >= ELEMENTS}.union(self.of_elements)


def is_same(old: Sequence[Element], new: Sequence[Element], same: int) -> bool:
    """Return whether two lists are equal, of which the elements before `same` are."""
    return len(old) == len(new) and all(
        a.name == b.name for a, b in zip(old[same:], new[same:], strict=True)
    )


def common(old: Sequence[Element], new: Sequence[Element], same: int) -> list[tuple[int, int, int]]:
    """Return ranges of `new` as `(start, stop, position in old)`, -1 for what is not in `old`.

    The ranges follow each other and cover `new`. The elements before `same` are known to be equal.
    """
    pairs = zip(old[same:], new[same:], strict=False)
    start = same + sum(1 for _ in itertools.takewhile(lambda p: p[0].name == p[1].name, pairs))
    ranges = [(0, start, 0)] if start else []
    if start == len(new):
        return ranges
    if start == len(old):  # mostly something was appended
        return [*ranges, (start, len(new), -1)]
    names, wanted = [e.name for e in old], [e.name for e in new]
    sought = set(wanted[start:])
    where = {names[n]: n for n in reversed(range(len(names))) if names[n] in sought}
    while start < len(wanted):
        at = where.get(wanted[start], -1)
        stop = start + 1
        if at < 0:
            while stop < len(wanted) and wanted[stop] not in where:
                stop += 1
        else:
            while (
                stop < len(wanted)
                and at + stop - start < len(names)
                and names[at + stop - start] == wanted[stop]
            ):
                stop += 1
        ranges.append((start, stop, at))
        start = stop
    return ranges


def cut(pieces: Sequence[Piece], start: int, stop: int) -> list[Piece]:
    """Return the pieces of a range of a list."""
    found, position = [], 0
    for kind, ref, first, last in pieces:
        low, high = max(start, position), min(stop, position + last - first)
        if low < high:
            found.append((kind, ref, first + low - position, first + high - position))
        position += last - first
        if position >= stop:
            break
    return found


def joined(pieces: Sequence[Piece]) -> list[Piece]:
    """Join neighbours that are one range."""
    out: list[Piece] = []
    for piece in pieces:
        if out and out[-1][:2] == piece[:2] and out[-1][3] == piece[2]:
            out[-1] = (*out[-1][:3], piece[3])
        else:
            out.append(piece)
    return out


def loose_bytes(elements: Sequence[Element], spans: Sequence[Piece]) -> int:
    """Return how many bytes of a list stand in checkpoints."""
    places = (range(start, stop) for kind, _, start, stop in spans if kind == OWN)
    return sum(len(elements[n].packed) for n in itertools.chain(*places))


def refs_of_elements(elements: Sequence[Element]) -> frozenset[bytes]:
    """Return the segments that elements refer to."""
    return frozenset(ref for each in elements for ref in each.refs)


def lay(
    elements: list[Element], parent: Rope | None, at: bytes | str, name: Any, same: int = 0
) -> Rope:
    """Return how a list is stored, given its parent's rope, which stands in checkpoint `at`.

    `name` returns the digest of what a segment holds. The elements before `same` are the parent's.
    """
    if parent and same == len(parent.elements):
        of_elements = parent.of_elements | refs_of_elements(elements[same:])
    else:
        of_elements = refs_of_elements(elements)
    if _is_small(elements):
        own = [(OWN, None, 0, len(elements))]
        packed = [e.packed for e in elements]
        return Rope(elements, own, packed, own, 0, sum(map(len, packed)), {}, of_elements)
    ranges = common(parent.elements, elements, same) if parent else [(0, len(elements), -1)]
    pieces: list[Piece] = []
    spans: list[Piece] = []
    own_packed: list[bytes] = []
    kept = False
    for start, stop, old in ranges:
        if old < 0 or parent is None:
            pieces.append((OWN, None, len(own_packed), len(own_packed) + stop - start))
            own_packed += [e.packed for e in elements[start:stop]]
            spans.append((OWN, None, start, stop))
            continue
        kept = True
        pieces.append((EARLIER, at, old, old + stop - start))
        position = start
        for kind, ref, first, last in cut(parent.spans, old, old + stop - start):
            count = last - first
            if kind == OWN:
                spans.append((OWN, None, position, position + count))
            else:
                spans.append((kind, ref, first, last))
            position += count
    spans = joined(spans)
    loose = loose_bytes(elements, spans)
    hops = parent.hops + 1 if parent and kept else 0
    if hops <= MOST_HOPS and loose <= LOOSE_BYTES and len(pieces) <= MOST_PIECES:
        made: dict[bytes, Any] = {}
        return Rope(elements, joined(pieces), own_packed, spans, hops, loose, made, of_elements)
    return _settle(elements, spans, name, of_elements)


def alone(rope: Rope, name: Any) -> Rope:
    """Return how a list is stored without any earlier checkpoint."""
    if _is_small(rope.elements):
        return lay(rope.elements, None, "", name)
    return _settle(rope.elements, rope.spans, name, rope.of_elements)


def _is_small(elements: Sequence[Element]) -> bool:
    sizes = itertools.accumulate(len(each.packed) for each in elements)
    return all(size <= INLINE_BYTES for size in sizes)


def _settle(
    elements: list[Element], spans: list[Piece], name: Any, of_elements: frozenset[bytes]
) -> Rope:
    """Move what stands in checkpoints into segments, and many pieces into segments of pieces."""
    made: dict[bytes, Any] = {}
    loose = [n for kind, _, start, stop in spans if kind == OWN for n in range(start, stop)]
    places: dict[int, Piece] = {}
    for group in _groups(elements, loose):
        held = [elements[n].packed for n in group]
        made[segment := name(held)] = held
        places |= {n: (ELEMENTS, segment, at, at + 1) for at, n in enumerate(group)}
    settled: list[Piece] = []
    for kind, ref, start, stop in spans:
        if kind == OWN:
            settled += [places[n] for n in range(start, stop)]
        else:
            settled.append((kind, ref, start, stop))
    settled = joined(settled)
    while len(settled) > MOST_PIECES and (run := _run(settled)):
        low, high = run
        held_pieces = [list(piece) for piece in settled[low:high]]
        made[segment := name(held_pieces)] = held_pieces
        count = sum(piece[3] - piece[2] for piece in settled[low:high])
        settled[low:high] = [(settled[low][0] + 1, segment, 0, count)]
    return Rope(elements, settled, [], settled, 0, 0, made, of_elements)


def _groups(elements: Sequence[Element], loose: Sequence[int]) -> list[list[int]]:
    """Divide the positions of elements among segments."""
    groups: list[list[int]] = []
    room = 0
    for n in loose:
        size = len(elements[n].packed)
        if size > room or not groups:
            groups.append([])
            room = SEGMENT_BYTES
        groups[-1].append(n)
        room -= size
    return groups


def _run(pieces: Sequence[Piece]) -> tuple[int, int] | None:
    """Return the first pieces of one kind that fill a segment of pieces."""
    start = 0
    for n, piece in enumerate(pieces):
        if piece[0] != pieces[start][0]:
            start = n
        if n + 1 - start == FANOUT:
            return start, n + 1
    return None
