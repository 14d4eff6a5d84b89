"""Keeps an index of passages in a directory, by tantivy: a cache that may be deleted at any time.

    v6/current          the name of the folder that is the index
    v6/0f3a…/           tantivy's files

Several processes may use a directory at once: one writes at a time, the others wait for it; whoever
searches sees the latest commit. A commit is one atomic step, and so is putting another folder in
place of the first (`current` is replaced), so a writer that is killed leaves what was there before.
An index that cannot be opened, or that an older version of this module wrote, is thrown away and
begun anew; its `position`, which is committed with what was added, says from where to go on.

A new version of a document hides the older one's passages, whose words go when tantivy next merges
their segment. Removing a document writes all others into a new folder, so that none of its words
stay on the disk. Next: `tools/search.py` has the fields and the ranking, `tools/indexing.py` keeps
the index in step with the catalogue.
"""

import os
import shutil
import threading
import time
import uuid
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

import tantivy

from storage.errors import Unavailable
from tools.index import ANY, Hit, IndexedDocument
from tools.profiles import Wanted
from tools.search import (
    View,
    address_of,
    likely,
    open_view,
    position_in,
    records,
    schema,
    search,
)
from tools.terms import of_terms

_VERSION: Final = 6
"""Goes up when the same pages would be indexed differently, or their cards made differently."""
_WRITER_BYTES: Final = 50_000_000
_COMMIT_EVERY: Final = 500
"""Documents after which a long addition is committed: so much is done again if it is killed."""
_LEFT_SECONDS: Final = 3600.0
"""After which a folder that is not the index was left by a process that was killed."""
_LOCKS: Final = ".lock"


class TantivyIndex:
    """The protocol `PassageIndex` on a directory of this machine."""

    kind = f"tantivy-{_VERSION}"

    def __init__(self, directory: Path, *, patience: float = 60.0) -> None:
        """Use the index in `directory`, which is made if it is not there.

        `patience` is how long, in seconds, to wait for another writer.
        """
        self._root = directory / f"v{_VERSION}"
        self._patience = patience
        self._lock = threading.Lock()
        self._view: View | None = None

    @property
    def position(self) -> int | None:
        """See `PassageIndex.position`."""
        return self._now().position

    def holds(self, sha256: str) -> bool:
        """See `PassageIndex.holds`."""
        return bool(address_of(self._now().searcher, "sha256", sha256))

    def mentions(self, document_id: str) -> bool:
        """See `PassageIndex.mentions`. What was deleted counts until its segment is merged."""
        return bool(self._now().searcher.doc_freq("document_id", document_id))

    def add(
        self,
        documents: Iterable[IndexedDocument],
        *,
        position: int | None = None,
        since: int | None = None,
    ) -> None:
        """See `PassageIndex.add`. Documents are taken one by one, and none is kept in memory."""
        with self._writer() as (writer, view):
            # Another process may have done it meanwhile, or have had to begin anew.
            reached = view.position
            if position is not None and reached is not None and reached >= position:
                return
            if since is not None and (reached is None or reached < since):
                return
            for number, document in enumerate(documents, start=1):
                writer.delete_documents_by_term("document_id", document.document_id)
                for record in records(document):
                    writer.add_document(_document(record))
                if number % _COMMIT_EVERY == 0:
                    writer.commit()
            if position is not None:
                writer.delete_documents_by_term("kind", "position")
                writer.add_document(_document({"kind": "position", "position": position}))

    def remove(self, document_ids: Collection[str]) -> None:
        """See `PassageIndex.remove`."""
        with self._held() as (_, view):
            if any(map(self.mentions, document_ids)):
                self._switch(self._without(view, frozenset(document_ids)))
            self._remove_copies(document_ids)

    def search(
        self,
        query: str,
        *,
        documents: Sequence[str] = (),
        wanted: Wanted = ANY,
        limit: int = 12,
    ) -> list[Hit]:
        """See `PassageIndex.search`."""
        return search(self._now(), query, documents=documents, wanted=wanted, limit=limit)

    def likely(self, query: str) -> list[str]:
        """See `PassageIndex.likely`."""
        return likely(self._now(), query)

    def matching(self, wanted: Wanted) -> list[str]:
        """See `PassageIndex.matching`."""
        return self._now().router.matching(wanted)

    @contextmanager
    def copy(self) -> Iterator[Path]:
        """See `PassageIndex.copy`. The files are linked: none of them is ever changed in place."""
        copied = self._new_folder()
        try:
            with self._held() as (writer, view):
                writer.garbage_collect_files()
                for file in (self._root / view.stamp[0]).iterdir():
                    if file.suffix != _LOCKS:
                        _link(file, copied / file.name)
            yield copied
        except FileNotFoundError as error:
            raise Unavailable("The copy of the search index was removed meanwhile.") from error
        finally:
            shutil.rmtree(copied, ignore_errors=True)

    def restore(self, fill: Callable[[Path], None]) -> bool:
        """See `PassageIndex.restore`."""
        folder = self._new_folder()
        try:
            with suppress(ValueError, OSError):
                fill(folder)
                given = position_in(_open(folder)[1])
                with self._held() as (_, view):
                    here = view.position
                    if given is not None and (here is None or given > here):
                        self._switch(folder)
                        return True
            return False
        finally:
            if self._current() != folder.name:
                shutil.rmtree(folder, ignore_errors=True)

    def _without(self, view: View, document_ids: frozenset[str]) -> Path:
        """Write everything but some documents into a new folder."""
        folder = self._new_folder()
        index = _open(folder)[0]
        writer = index.writer(_WRITER_BYTES, 1)
        everything = view.searcher.search(
            tantivy.Query.all_query(), max(1, view.searcher.num_docs), count=False
        )
        for _, address in everything.hits:
            kept = view.searcher.doc(address).to_dict()
            if document_ids.isdisjoint(kept.get("document_id", ())):
                writer.add_document(_document(kept))
        writer.commit()
        writer.wait_merging_threads()
        return folder

    def _remove_copies(self, document_ids: Collection[str]) -> None:
        """Remove all other folders with words of documents: of who was killed, or still copies."""
        current = self._current()
        for meta in self._root.glob("*/meta.json"):
            if meta.parent.name == current:
                continue
            with suppress(ValueError, OSError):
                searcher = _open(meta.parent)[1]
                if any(searcher.doc_freq("document_id", each) for each in document_ids):
                    shutil.rmtree(meta.parent, ignore_errors=True)

    @contextmanager
    def _writer(self) -> Iterator[tuple[Any, View]]:
        """Hold the only writer, with the index as it is before, and commit at the end."""
        with self._held() as (writer, view):
            yield writer, view
            writer.commit()
            writer.garbage_collect_files()

    @contextmanager
    def _held(self) -> Iterator[tuple[Any, View]]:
        """Hold the only writer: nobody else changes the index, or puts another in its place."""
        writer, view = self._wait_for_writer()
        try:
            yield writer, view
        except (ValueError, OSError) as error:
            raise Unavailable(f"The search index could not be written: {error}") from error
        finally:
            _end(writer)

    def _wait_for_writer(self) -> tuple[Any, View]:
        until = time.monotonic() + self._patience
        while True:
            view = self._now()
            try:
                writer = view.index.writer(_WRITER_BYTES, 1)
            except ValueError as error:
                if "LockBusy" not in str(error) and self._current() == view.stamp[0]:
                    raise Unavailable(f"The search index cannot be written: {error}") from error
                if time.monotonic() > until:
                    message = "Another process has been writing the search index. Try again later."
                    raise Unavailable(message) from error
            else:
                view = self._now()
                if self._current() == view.stamp[0]:
                    return writer, view
                _end(writer)
            time.sleep(0.05)

    def _now(self) -> View:
        """Return the index as of the latest commit, whichever process made it."""
        with self._lock:
            if self._view is None or self._view.stamp != self._stamp():
                self._view = self._open()
            return self._view

    def _current(self) -> str:
        try:
            return (self._root / "current").read_text()
        except FileNotFoundError:
            return ""

    def _stamp(self) -> tuple[str, int, int, int] | None:
        if not (name := self._current()):
            return None
        try:
            meta = (self._root / name / "meta.json").stat()
        except OSError:
            return None
        return name, meta.st_ino, meta.st_mtime_ns, meta.st_size

    def _open(self) -> View:
        """Open what is there; make it if nothing is; throw away what cannot be read."""
        self._sweep()
        for patience in (0.05, 0.0):
            try:
                if stamp := self._stamp():
                    return open_view(stamp, *_open(self._root / stamp[0]), self._view)
            except (ValueError, OSError):
                pass
            if self._current():
                time.sleep(patience)  # another process may just be replacing it: look once more
        try:
            self._begin()
            if stamp := self._stamp():
                return open_view(stamp, *_open(self._root / stamp[0]), self._view)
        except (ValueError, OSError) as error:
            raise Unavailable(f"The search index cannot be opened: {error}") from error
        raise Unavailable(f"The search index in {self._root} cannot be opened.")

    def _begin(self) -> None:
        """Put an empty index in place of nothing, or of one that cannot be read."""
        broken = self._current()
        folder = self._new_folder()
        _open(folder)
        if broken:
            self._switch(folder)
            return
        name = self._named(folder)
        try:
            os.link(name, self._root / "current")
        except FileExistsError:
            shutil.rmtree(folder, ignore_errors=True)  # another process was first
        finally:
            name.unlink()

    def _switch(self, folder: Path) -> None:
        """Make a folder the index, in one step, and remove the one that was."""
        before = self._current()
        self._named(folder).replace(self._root / "current")
        shutil.rmtree(self._root / before, ignore_errors=True)

    def _named(self, folder: Path) -> Path:
        """Write a folder's name into a file beside it."""
        name = folder.with_suffix(".name")
        name.write_text(folder.name)
        return name

    def _new_folder(self) -> Path:
        folder = self._root / uuid.uuid4().hex
        folder.mkdir(parents=True)
        return folder

    def _sweep(self) -> None:
        """Remove what older versions of this module, and processes that were killed, have left."""
        current, now = self._current(), time.time()
        for path in [*self._root.parent.glob("v*"), *self._root.glob("*")]:
            if path == self._root or path.name in ("current", current):
                continue
            with suppress(OSError):
                if path.parent != self._root or now - path.stat().st_mtime > _LEFT_SECONDS:
                    shutil.rmtree(path) if path.is_dir() else path.unlink()


def _open(folder: Path) -> tuple[Any, Any]:
    """Return the index in a folder, and a searcher of its latest commit; an empty one is made."""
    index = tantivy.Index(schema(), str(folder), reuse=True)
    index.register_tokenizer("terms", of_terms())
    index.config_reader(reload_policy="manual")
    index.reload()
    return index, index.searcher()


def _document(record: dict[str, Any]) -> Any:
    return tantivy.Document.from_dict(record, schema())


def _end(writer: Any) -> None:
    with suppress(ValueError, OSError):
        writer.wait_merging_threads()  # this also gives the lock back


def _link(file: Path, to: Path) -> None:
    try:
        os.link(file, to)
    except OSError:  # some file systems have no links
        shutil.copyfile(file, to)
