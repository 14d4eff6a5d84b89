"""Serialized values as trees, so that what is large in them is stored once, by its content.

    [0, type, bytes]                     a serialized value
    [1, digest]                          the same, in a segment of its own: [type, bytes]
    [2, [tree, ...]]                     a list with something large in it
    [3, [[[type, bytes], tree], ...]]    a mapping with something large in it: keys and values

A document of 50 KB is the same segment wherever it stands: in an input, among the writes of a task,
in a channel that is a list of documents.
"""

from collections.abc import Callable, Iterator
from typing import Any, Final

from storage.codec import Codec, Typed, digest

Tree = list[Any]

LARGE_BYTES: Final = 4 * 1024
"""From here on a serialized value has a segment of its own."""
LEAF: Final = 0
REF: Final = 1
LIST: Final = 2
MAPPING: Final = 3


class Trees:
    """Makes trees of values of one partition, and collects the segments that they need."""

    def __init__(self, codec: Codec, pk: str) -> None:
        self._codec, self._pk = codec, pk
        self.large: dict[bytes, Typed] = {}
        """What the trees made so far refer to, by digest."""

    def tree(self, value: Any) -> Tree:
        """Return the tree of a value."""
        kind, data = self._codec.dumps(value)
        if len(data) < LARGE_BYTES:
            return [LEAF, kind, data]
        # Subclasses are for the serializer to tell, and so are keys that are no texts. Nodes may be
        # changing a list or mapping meanwhile: it is copied at once.
        if type(value) is list:
            return [LIST, [self.tree(each) for each in list(value)]]
        if type(value) is dict:
            pairs = list(value.items())
            if all(type(key) is str for key, _ in pairs):
                dumps = self._codec.dumps
                return [MAPPING, [[list(dumps(key)), self.tree(each)] for key, each in pairs]]
        name = digest(kind.encode() + b"\0" + data, self._pk)
        self.large[name] = (kind, data)
        return [REF, name]


def refs_of(tree: Tree) -> Iterator[bytes]:
    """Yield the digests that a tree refers to."""
    match tree:
        case [1, name]:
            yield name
        case [2, parts]:
            for part in parts:
                yield from refs_of(part)
        case [3, pairs]:
            for _, part in pairs:
                yield from refs_of(part)


def value_of(tree: Tree, codec: Codec, segment: Callable[[bytes], Any]) -> Any:
    """Return the value of a tree; `segment` returns what stands under a digest."""
    match tree:
        case [0, kind, data]:
            return codec.loads((kind, data))
        case [1, name]:
            kind, data = segment(name)
            return codec.loads((kind, data))
        case [2, parts]:
            return [value_of(part, codec, segment) for part in parts]
        case [3, pairs]:
            return {
                codec.loads((kind, data)): value_of(part, codec, segment)
                for (kind, data), part in pairs
            }
    raise ValueError(f"There is no tree of kind {tree[0]}; a newer version has written it.")
