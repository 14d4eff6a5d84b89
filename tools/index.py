"""What an index of passages does, whatever finds them in it: one small protocol.

`tools/tantivy_index.py` is the one that is used. Another (of embeddings, or a service's) takes its
place by these few methods: `tools/indexing.py` keeps any of them in step with the catalogue and
shares it among workers, and `tools/library.py` asks it.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from storage.records import Card, Page
from tools.profiles import Wanted

ANY: Final = Wanted()
"""Documents of whatever card."""


@dataclass(frozen=True, slots=True)
class IndexedDocument:
    """A document as the index takes it: one version, with its pages."""

    document_id: str
    sha256: str
    """The version."""
    name: str
    pages: Sequence[Page]
    card: Card = Card()  # noqa: RUF009 - it is frozen


@dataclass(frozen=True, slots=True)
class Hit:
    """A passage: code point offsets into the text of a page, half open."""

    document_id: str
    sha256: str
    page: int
    start: int
    end: int
    score: float
    """How well it fits; it compares passages of one search, nothing else."""


class PassageIndex(Protocol):
    """The passages of one workspace, searchable. Thread-safe, and safe among processes."""

    kind: str
    """What made its files, with a number that goes up when the same pages would be indexed
    differently: files of another kind are of no use."""

    @property
    def position(self) -> int | None:
        """The last change of the catalogue that it has followed; None where it is begun anew."""

    def holds(self, sha256: str) -> bool:
        """Say whether a version is in the index."""

    def mentions(self, document_id: str) -> bool:
        """Say whether words of any version of a document may still be in its files."""

    def add(
        self,
        documents: Iterable[IndexedDocument],
        *,
        position: int | None = None,
        since: int | None = None,
    ) -> None:
        """Add documents; what was there of them before, another version say, is replaced.

        With `position` they are what changed until then, after `since` where it is given, and with
        the last of them it is written down that the catalogue was followed to there. Nothing is
        done if it already was, or if the index has not come as far as `since`.

        Raises:
            Unavailable: another process kept writing, or the disk did not take it.
        """

    def remove(self, document_ids: Collection[str]) -> None:
        """Remove every version of documents, from the files too.

        Raises:
            Unavailable: another process kept writing, or the disk did not take it.
        """

    def search(
        self,
        query: str,
        *,
        documents: Sequence[str] = (),
        wanted: Wanted = ANY,
        limit: int = 12,
    ) -> list[Hit]:
        """Return the passages that answer a query best, best first.

        Those of the documents that fit best come first, each with its share of `limit`; `documents`
        and `wanted` limit the documents in which to look.

        Raises:
            InvalidInput: what is wanted cannot be read.
        """

    def likely(self, query: str) -> list[str]:
        """Return the few documents that a query is most likely about, the likeliest first."""

    def matching(self, wanted: Wanted) -> list[str]:
        """Return the documents whose cards say what is wanted.

        Raises:
            InvalidInput: what is wanted cannot be read.
        """

    def copy(self) -> AbstractContextManager[Path]:
        """Give a folder with the index's files as of now, for as long as the context lasts."""

    def restore(self, fill: Callable[[Path], None]) -> bool:
        """Take the place of what is here by files that `fill` puts into the folder it is given.

        Returns whether it could be used; one that is not further than what is here is not.
        """
