"""Keeps the search index in step with the catalogue, and shares it among workers.

Before a search one small question is asked: what changed since the change that the index has
followed. The documents that did are indexed anew, or removed if they are gone. An index that is
begun anew, or is far behind, takes the newest snapshot and adds what came after it; without one, or
with one that is broken or of another version of the index, it is built from the parsed pages.
Whoever has indexed enough publishes a snapshot.

Nothing here is the only copy of anything, and all of it may happen twice.
"""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from threading import Lock
from typing import Final

from storage.changes import Change
from storage.documents import DocumentStore
from storage.errors import NotAllowed, NotFound, Tampered, Unavailable
from storage.index_snapshots import Snapshot
from storage.records import Document
from tools.index import IndexedDocument, PassageIndex

ENOUGH: Final = 64
"""Changes behind the newest snapshot: from so many on another is worth making, or taking."""
_AHEAD: Final = 8
"""Documents whose pages are read while others are indexed."""

Progress = Callable[[int, int], None]
"""Is told how many documents of how many have been indexed."""


class Indexing:
    """The index of a workspace, following its catalogue. Thread-safe."""

    def __init__(
        self,
        store: DocumentStore,
        index: PassageIndex,
        read: Callable[[Document], IndexedDocument],
    ) -> None:
        """Follow a store with an index; `read` gives what is indexed of a document."""
        self._store = store
        self._snapshots = store.snapshots
        self._index = index
        self._read = read
        self._lock = Lock()
        self._sharing = Lock()
        self._broken = 0
        """The number of a snapshot that could not be used."""

    def catch_up(self, progress: Progress | None = None) -> None:
        """Index what has changed; where that was much, share it."""
        with self._lock:
            followed = self._follow(progress)
        if followed >= ENOUGH:
            self.share()

    def share(self) -> None:
        """Publish a snapshot if enough has been indexed since the newest.

        Who may not (the page deletes nothing), or cannot at the moment, leaves it to the next.
        """
        if not self._sharing.acquire(blocking=False):
            return
        try:
            position, newest = self._index.position, self._snapshots.newest()
            shared = newest.position if newest and self._usable(newest) else 0
            if position is not None and position - shared >= ENOUGH:
                self._publish(position, newest)
        except (NotAllowed, Unavailable):
            return
        finally:
            self._sharing.release()

    def forget(self, document_id: str) -> None:
        """Remove a document from the index here and from what is shared, to the last byte.

        The catalogue must not have it any more. Others remove it from their own files before their
        next search. Called again, after it was killed say, it goes on; when it has returned, no
        object of a snapshot holds any of the document's words, but what a publisher that was killed
        just then has left: the next publication deletes that.

        Raises:
            Unavailable: it could not be done; call it again.
        """
        number = self._store.changes.commit(document_id)
        with self._lock:
            self._follow()
            if not self._store.some([document_id]):  # it may have been added again meanwhile
                self._index.remove([document_id])
        # Where there is no snapshot yet one is made, so that nobody can publish what he had before.
        while (newest := self._snapshots.newest()) is None or newest.position < number:
            self._publish(self._index.position or 0, newest)
        self._snapshots.sweep(newest)

    def _publish(self, position: int, over: Snapshot | None) -> None:
        """Publish what is here, which is at `position` or beyond, if `over` is still the newest."""
        with self._index.copy() as folder:
            self._snapshots.publish(folder, kind=self._index.kind, position=position, over=over)

    def _usable(self, snapshot: Snapshot) -> bool:
        return snapshot.kind == self._index.kind and snapshot.number != self._broken

    def _follow(self, progress: Progress | None = None) -> int:
        """Bring the index up to date; return how many documents had to be looked at."""
        position = self._index.position
        if position is None:
            if not self._restore():
                return self._build(progress)
            position = self._index.position
        changes = [*self._store.changes.after(position or 0)]
        if len(changes) > ENOUGH and self._restore():
            changes = [*self._store.changes.after(self._index.position or 0)]
        if not changes:
            return 0
        ids = dict.fromkeys(change.document_id for change in changes)
        found = self._store.some(ids)
        if gone := [each for each in ids if each not in found and self._index.mentions(each)]:
            self._drop(gone, changes)
        documents = self._ahead(list(found.values()), progress)
        self._index.add(documents, position=changes[-1].number, since=changes[0].number - 1)
        return len(changes)

    def _drop(self, gone: Sequence[str], changes: Sequence[Change]) -> None:
        """Remove documents; a snapshot of whoever removed them is had sooner than made."""
        removed = max(change.number for change in changes if change.document_id in gone)
        newest = self._snapshots.newest()
        if not (newest and newest.position >= removed and self._restore()):
            self._index.remove(gone)

    def _build(self, progress: Progress | None) -> int:
        """Index the whole catalogue."""
        position = self._store.changes.last()
        documents = [*self._store.all()]
        # What a build that was killed has done stands, where it cannot have been read anew since.
        left = [d for d in documents if not (d.status == "ready" and self._index.holds(d.sha256))]
        self._index.add(self._ahead(left, progress), position=position)
        return len(documents)

    def _ahead(
        self, documents: Sequence[Document], progress: Progress | None
    ) -> Iterator[IndexedDocument]:
        """Yield documents with their pages, which are read ahead."""
        with ThreadPoolExecutor(_AHEAD) as pool:
            reading: deque[Future[IndexedDocument | None]] = deque()
            for number, document in enumerate([*documents, *[None] * _AHEAD], start=1):
                reading.append(pool.submit(self._indexed, document))
                if len(reading) <= _AHEAD:
                    continue
                if read := reading.popleft().result():
                    yield read
                if progress:
                    progress(number - _AHEAD, len(documents))

    def _indexed(self, document: Document | None) -> IndexedDocument | None:
        if document is None:
            return None
        with suppress(NotFound):  # it has been erased since; there is a change that says so
            return self._read(document)
        return None

    def _restore(self) -> bool:
        """Take over the newest snapshot; return whether there was one of use."""
        while (newest := self._snapshots.newest()) and self._usable(newest):
            with suppress(NotFound, Tampered):
                if self._index.restore(partial(self._snapshots.fetch, newest)):
                    return True
                if self._index.position is not None:
                    return False
            again = self._snapshots.newest()
            if again and again.number == newest.number:
                self._broken = newest.number  # else it was replaced while it was read
        return False
