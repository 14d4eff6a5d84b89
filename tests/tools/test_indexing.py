"""The index follows the catalogue, and what one worker has indexed the others take over.

Each `worker` is a library with files of its own, as on another machine. What is shared lies in the
bucket `artifacts` behind a pointer, and may be broken, late, doubled or left half-way.
"""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import zstandard

from storage.backend import open_embedded
from storage.documents import DocumentStore, document_id
from storage.errors import Unavailable
from storage.index_snapshots import Snapshot
from storage.keys import key
from storage.ports import Table
from storage.records import Document, Page
from storage.versions import sha256_of
from storage.workspace import Workspace
from tools import indexing
from tools.library import Library

Worker = Callable[[str], Library]


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Workspace]:
    backend = open_embedded(tmp_path / "home")
    yield backend.workspace("default")
    backend.close()


class Watched:
    """A table that notes which partitions are read in order."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self.queried: list[str] = []

    def query(self, pk: str, **options: Any) -> Any:
        self.queried.append(pk)
        return self._table.query(pk, **options)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._table, name)


def open_worker(workspace: Workspace, folder: Path) -> Library:
    buckets = workspace.buckets
    table: Any = Watched(workspace.tables.documents)
    return Library(DocumentStore(table, buckets.documents, buckets.artifacts), folder)


@pytest.fixture
def worker(home: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Worker:
    monkeypatch.setattr(indexing, "ENOUGH", 3)
    return lambda name: open_worker(home, tmp_path / name)


def put(library: Library, *texts: str) -> list[Document]:
    """Put documents of one page each into the catalogue, as parsing does."""
    added = []
    for text in texts:
        sha256 = sha256_of(text.encode())
        document = Document(
            id=document_id(sha256), name=text.split()[0], sha256=sha256, status="ready", pages=1
        )
        page = Page(number=1, locator="page 1", text=text)
        added.append(library.store.add(document, [page], "1"))
    return added


def erase(library: Library, document: Document) -> None:
    """Take a document out of the catalogue, as an erasure does before the index forgets it."""
    table = library.store._table
    table.delete(key("document", document.id), "document")
    table.delete(key("version", document.sha256), "document")
    for item in table.query("documents"):
        if item.body["id"] == document.id:
            table.delete("documents", item.sk)


def found(library: Library, query: str) -> list[str]:
    return [passage.document for passage in library.search(query)]


def shared(workspace: Workspace) -> bytes:
    """Return all that snapshots hold."""
    blobs = workspace.buckets.artifacts
    return b"".join(zstandard.decompress(blobs.get(i.key)) for i in blobs.list("index/"))


def on_disk(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


def newest(library: Library) -> Snapshot:
    snapshot = library.store.snapshots.newest()
    assert snapshot
    return snapshot


def test_a_search_asks_what_changed_and_never_reads_the_catalogue(worker: Worker) -> None:
    ours = worker("ours")
    put(ours, "Rome is old.", "Bern is calm.")
    assert found(ours, "calm") == ["Bern"]
    table: Any = ours.store._table
    table.queried.clear()
    put(worker("other"), "Oslo is cold.")
    assert found(ours, "cold") == ["Oslo"]
    assert found(ours, "calm") == ["Bern"]
    assert table.queried == ["changes", "changes"]


def test_a_cold_worker_takes_the_snapshot_and_indexes_only_what_came_after(worker: Worker) -> None:
    first = worker("first")
    put(first, "Rome is old.", "Bern is calm.", "Oslo is cold.")
    first.refresh()
    assert newest(first).position == 3
    (late,) = put(first, "Lima is late.")
    cold = worker("cold")
    read: list[str] = []
    load = cold.store.load
    cold.store.load = lambda sha256: read.append(sha256) or load(sha256)  # type: ignore[method-assign, func-returns-value]
    assert [found(cold, word) for word in ("calm", "late")] == [["Bern"], ["Lima"]]
    assert {*read} == {late.sha256}


def test_a_snapshot_is_made_when_enough_is_new_and_stores_only_what_is_new(
    worker: Worker, home: Workspace
) -> None:
    ours = worker("ours")
    for text in ("Rome is old.", "Bern is calm.", "Oslo is cold.", "Lima is late.", "Kiel is far."):
        put(ours, text)
        ours.refresh()
    assert newest(ours).number == 1
    before = {chunk.key for chunk in newest(ours).chunks()}
    put(ours, "Graz is green.")
    ours.refresh()
    after = {chunk.key for chunk in newest(ours).chunks()}
    assert newest(ours).number == 2
    assert before & after
    assert {info.key for info in home.buckets.artifacts.list("index/")} == after


@pytest.mark.parametrize("harm", ["gone", "changed", "of another kind", "of another module"])
def test_a_snapshot_that_cannot_be_used_is_ignored_and_replaced(
    worker: Worker, home: Workspace, harm: str
) -> None:
    first = worker("first")
    put(first, "Rome is old.", "Bern is calm.", "Oslo is cold.")
    first.refresh()
    chunk = max(newest(first).chunks(), key=lambda chunk: chunk.size)
    pointer = home.tables.documents.get("index", "newest")
    assert pointer
    if harm == "gone":
        home.buckets.artifacts.delete(chunk.key)
    elif harm == "changed":
        home.buckets.artifacts.delete(chunk.key)
        home.buckets.artifacts.put(chunk.key, zstandard.compress(b"\0" * chunk.size))
    else:
        kind = {"kind": "vectors-1"} if harm == "of another kind" else {"files": 7}
        home.tables.documents.put(
            type(pointer)("index", "newest", {**pointer.body, **kind}, pointer.version)
        )
    cold = worker("cold")
    assert found(cold, "calm") == ["Bern"]
    assert newest(cold).number == 2
    assert found(worker("next"), "calm") == ["Bern"]


def test_of_two_that_publish_at_once_one_wins_and_the_other_leaves_nothing(
    worker: Worker, home: Workspace
) -> None:
    first, second = worker("first"), worker("second")
    put(first, "Rome is old.", "Bern is calm.", "Oslo is cold.")
    found(second, "calm")
    over = newest(second)
    put(first, "Lima is late.", "Kiel is far.", "Graz is green.")
    first.refresh()
    with second._index.copy() as folder:
        kind = second._index.kind
        lost = second.store.snapshots.publish(folder, kind=kind, position=9, over=over)
    assert lost is None
    kept = {chunk.key for chunk in newest(first).chunks()}
    assert {info.key for info in home.buckets.artifacts.list("index/")} == kept
    assert found(worker("cold"), "green") == ["Graz"]


class Killed(BaseException):
    """What a process that is killed does: nothing more."""


def test_what_a_killed_publisher_left_goes_with_the_next_publication(
    worker: Worker, home: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = worker("first")
    put(first, "Rome is old.", "Bern is calm.", "Oslo is cold.")
    first.cards([*first.store.all()])  # these are kept in the same table

    def killed(*_: Any) -> None:
        raise Killed

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(first.store.snapshots._table, "put", killed, raising=False)
        first.refresh()
    assert first.store.snapshots.newest() is None
    assert len([*home.buckets.artifacts.list("index/")]) > 0
    first.refresh()
    kept = {chunk.key for chunk in newest(first).chunks()}
    assert {info.key for info in home.buckets.artifacts.list("index/")} == kept


def test_what_is_forgotten_is_gone_here_from_what_is_shared_and_elsewhere(
    worker: Worker, home: Workspace, tmp_path: Path
) -> None:
    ours, other = worker("ours"), worker("other")
    _, zanzibar, _ = put(ours, "Rome is old.", "Zanzibar is secret.", "Oslo is cold.")
    ours.refresh()
    assert found(other, "secret") == ["Zanzibar"]
    assert b"zanzibar" in shared(home).lower()
    erase(ours, zanzibar)
    assert found(other, "secret") == []  # before the index knows, too
    ours.forget(zanzibar.id)
    assert b"zanzibar" not in shared(home).lower()
    assert b"zanzibar" not in on_disk(tmp_path / "ours").lower()
    assert found(other, "secret cold") == ["Oslo"]
    assert b"zanzibar" not in on_disk(tmp_path / "other").lower()
    ours.forget(zanzibar.id)  # as after a crash
    assert found(worker("cold"), "secret cold") == ["Oslo"]


def test_an_older_version_is_forgotten_with_its_document(worker: Worker, tmp_path: Path) -> None:
    ours = worker("ours")
    (document,) = put(ours, "Zanzibar is secret.")
    assert found(ours, "secret") == ["Zanzibar"]
    newer = document.model_copy(update={"sha256": sha256_of(b"2")})
    page = Page(number=1, locator="page 1", text="It is public.")
    erase(ours, ours.store.add_version(document.id, newer, [page], "1"))
    ours.forget(document.id)
    assert b"zanzibar" not in on_disk(tmp_path / "ours").lower()


@pytest.mark.parametrize("killed_at", ["removing", "sharing"])
def test_what_a_killed_process_left_here_is_forgotten_too(
    worker: Worker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, killed_at: str
) -> None:
    ours = worker("ours")
    zanzibar, *_ = put(ours, "Zanzibar is secret.", "Rome is old.")
    ours.refresh()

    def killed(*_: Any, **__: Any) -> None:
        raise Killed

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr("tools.tantivy_index.shutil.rmtree", killed)
        if killed_at == "sharing":
            with ours._index.copy():
                pass
        erase(ours, zanzibar)
        ours.forget(zanzibar.id)
    if killed_at == "sharing":
        erase(ours, zanzibar)
    assert b"zanzibar" in on_disk(tmp_path / "ours").lower()
    worker("ours").forget(zanzibar.id)
    assert b"zanzibar" not in on_disk(tmp_path / "ours").lower()


def test_what_a_killed_process_left_goes_in_time_while_others_go_on(
    worker: Worker, tmp_path: Path
) -> None:
    ours = worker("ours")
    put(ours, "Rome is old.")
    assert found(ours, "old") == ["Rome"]
    (current,) = (tmp_path / "ours").glob("v*/*/meta.json")
    left = shutil.copytree(current.parent, current.parent.with_name("left"))
    os.utime(left, (0, 0))
    put(ours, "Oslo is cold.")
    assert found(ours, "cold") == ["Oslo"]
    assert not left.exists()


def test_who_shares_an_index_that_is_erased_meanwhile_shares_nothing(worker: Worker) -> None:
    ours = worker("ours")
    zanzibar, *_ = put(ours, "Zanzibar is secret.", "Rome is old.")
    ours.refresh()
    erase(ours, zanzibar)
    with pytest.raises(Unavailable), ours._index.copy() as folder:
        worker("ours").forget(zanzibar.id)
        ours.store.snapshots.publish(folder, kind="tantivy-4", position=9, over=None)
    assert found(ours, "old") == ["Rome"]


def test_nobody_can_publish_what_was_forgotten_meanwhile(worker: Worker, home: Workspace) -> None:
    ours, late = worker("ours"), worker("late")
    zanzibar, *_ = put(ours, "Zanzibar is secret.", "Rome is old.", "Oslo is cold.")
    late._indexing.catch_up()
    over = late.store.snapshots.newest()
    erase(ours, zanzibar)
    ours.forget(zanzibar.id)
    with late._index.copy() as folder:
        late.store.snapshots.publish(folder, kind=late._index.kind, position=3, over=over)
    assert b"zanzibar" not in shared(home).lower()


def test_a_new_version_is_found_and_the_old_one_is_not(worker: Worker) -> None:
    ours, other = worker("ours"), worker("other")
    (document,) = put(ours, "Rent is high.")
    assert found(other, "high") == ["Rent"]
    newer = document.model_copy(update={"sha256": sha256_of(b"2")})
    page = Page(number=1, locator="page 1", text="Rent is low.")
    ours.store.add_version(document.id, newer, [page], "1")
    assert (found(other, "high"), found(other, "low")) == ([], ["Rent"])


def test_building_says_how_far_it_is(worker: Worker) -> None:
    ours = worker("ours")
    put(ours, "Rome is old.", "Bern is calm.")
    told: list[tuple[int, int]] = []
    ours.refresh(lambda done, of: told.append((done, of)))
    assert told == [(1, 2), (2, 2)]


def test_it_is_shared_the_same_way_on_every_back_end(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(indexing, "ENOUGH", 3)
    first = open_worker(workspace, tmp_path / "first")
    _, secret, _ = put(first, "Rome is old.", "Zanzibar is secret.", "Oslo is cold.")
    first.refresh()
    cold = open_worker(workspace, tmp_path / "cold")
    assert found(cold, "secret") == ["Zanzibar"]
    erase(first, secret)
    first.forget(secret.id)
    assert found(cold, "secret cold") == ["Oslo"]
    assert b"zanzibar" not in shared(workspace).lower()
