"""Search: the passages that say it, of the right documents, whatever the query and whoever writes.

The index is a cache among processes: a writer that is killed, or two at once, must leave it right.
"""

import multiprocessing
import os
import shutil
import signal
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from storage.errors import Unavailable
from storage.records import Page
from tools.index import Hit, IndexedDocument
from tools.tantivy_index import TantivyIndex

_children = multiprocessing.get_context("spawn")


def document(name: str, *pages: str) -> IndexedDocument:
    kept = [Page(number=n, locator=f"page {n}", text=text) for n, text in enumerate(pages, start=1)]
    return IndexedDocument(f"d-{name}", f"sha-{name}", f"{name}.pdf", kept)


LEASE = document(
    "HarborLease_2024",
    "LEASE between Harbor Row LLC and Quill & Post Inc.",
    "Rent. The Tenant shall pay a monthly rent of $4,200.\n\n" + "Repairs are shared. " * 60,
    "Governing law. This lease is governed by the laws of Ohio.",
)
SUPPLY = document(
    "supply",
    "SUPPLY AGREEMENT between Tern Metals GmbH and Kestrel Works Ltd.",
    "Governing law. This agreement is governed by the laws of Bavaria. Zürich § 7.",
)


@pytest.fixture
def index(tmp_path: Path) -> TantivyIndex:
    made = TantivyIndex(tmp_path / "index")
    made.add([LEASE, SUPPLY])
    return made


def text_of(hit: Hit, *documents: IndexedDocument) -> str:
    (page,) = (d.pages[hit.page - 1] for d in documents if d.document_id == hit.document_id)
    return page.text[hit.start : hit.end]


def found(index: TantivyIndex, query: str, documents: Sequence[str] = ()) -> list[tuple[str, int]]:
    return [(hit.document_id, hit.page) for hit in index.search(query, documents=documents)]


def test_the_passage_that_says_it_comes_first(index: TantivyIndex) -> None:
    assert found(index, "How much rent does the tenant pay?")[0] == (LEASE.document_id, 2)


def test_a_document_is_found_by_the_words_of_its_file_name(index: TantivyIndex) -> None:
    assert found(index, "governing law of the harbor lease 2024")[0] == (LEASE.document_id, 3)


def test_inside_a_document_nothing_else_is_found(index: TantivyIndex) -> None:
    hits = found(index, "Which laws govern?", [SUPPLY.document_id])
    assert {each for each, _ in hits} == {SUPPLY.document_id}
    assert found(index, "rent", [SUPPLY.document_id]) == []


def test_a_hit_gives_the_place_of_its_text(index: TantivyIndex) -> None:
    (hit, *_) = index.search("laws of Ohio", documents=[LEASE.document_id])
    assert "laws of Ohio" in LEASE.pages[hit.page - 1].text[hit.start : hit.end]
    assert hit.sha256 == LEASE.sha256


def test_the_rows_of_a_table_are_found_by_the_names_of_its_columns(index: TantivyIndex) -> None:
    rows = "\n".join(f"Birch {n} | {n}" for n in range(200))
    leases = document("leases", f"Tenant | Surface\n{rows}")
    index.add([leases])
    (hit,) = index.search("surface birch 180", limit=1)
    assert "Birch 180 | 180" in text_of(hit, leases)
    assert "Surface" not in text_of(hit, leases)


def test_neighbours_are_one_hit_where_a_clause_was_cut_for_its_length(index: TantivyIndex) -> None:
    clause = "4. Zeal. " + "The zealous tenant is zealous. " * 52
    text = f"{clause}\n\n5. Haste. The zealous landlord is hasty. {'He is. ' * 60}"
    zeal = document("zeal", text)
    index.add([zeal])
    first, second = index.search("zealous", documents=["d-zeal"])
    assert text_of(first, zeal) == clause.strip()
    assert text_of(second, zeal).startswith("5. Haste.")


@pytest.mark.parametrize("query", ["zürich", "§ 7", "4,200", "$4,200", "GmbH", "TERN metal"])
def test_signs_numbers_and_accents_are_findable(index: TantivyIndex, query: str) -> None:
    assert found(index, query)


@pytest.mark.parametrize(
    "query",
    [
        "", " ", "?", '"', "body:*", "AND OR NOT", "(((", "a" * 50_000, "\x00", "law~5", "[a TO z]",
        "-law +rent", "document_id:d-supply", "\ud800", "🙂",
    ],
)  # fmt: skip
def test_a_query_is_words_and_never_a_language(index: TantivyIndex, query: str) -> None:
    assert all(isinstance(hit, tuple) for hit in found(index, query))


def test_of_what_is_added_twice_there_is_one(index: TantivyIndex) -> None:
    before = index.search("rent", limit=8)
    index.add([LEASE, LEASE])
    again = index.search("rent", limit=8)
    assert [(h.page, h.start) for h in again] == [(h.page, h.start) for h in before]


def test_an_index_says_how_far_it_has_come_and_never_goes_back(index: TantivyIndex) -> None:
    assert index.position is None
    index.add([], position=3)
    index.add([document("late", "Too late.")], position=2)
    index.add([document("far", "Too far.")], position=9, since=8)
    assert index.position == 3
    assert not found(index, "late")
    assert not found(index, "far")


def test_a_copy_takes_the_place_of_an_index_that_is_behind(
    index: TantivyIndex, tmp_path: Path
) -> None:
    index.add([], position=3)
    other = TantivyIndex(tmp_path / "other")
    other.add([document("old", "Old news.")], position=2)
    with index.copy() as copied:

        def fill(folder: Path) -> None:
            shutil.copytree(copied, folder, dirs_exist_ok=True)

        assert other.restore(fill)
        assert not other.restore(fill)  # it is as far already
    assert found(other, "Ohio") == [(LEASE.document_id, 3)]
    assert found(other, "news") == []
    other.add([document("new", "Good news.")], position=4)
    assert found(other, "news") == [("d-new", 1)]
    assert found(index, "news") == []


def test_what_cannot_be_opened_takes_the_place_of_nothing(index: TantivyIndex) -> None:
    assert not index.restore(lambda folder: None)
    assert not index.restore(lambda folder: (folder / "meta.json").write_text("{") and None)
    assert found(index, "Ohio") == [(LEASE.document_id, 3)]


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(query=st.text(max_size=60), limit=st.integers(-1, 8))
def test_no_query_fails_and_none_gives_more_than_the_limit(
    index: TantivyIndex, query: str, limit: int
) -> None:
    assert len(index.search(query, limit=limit)) <= max(0, limit)


def test_another_version_takes_the_place_of_the_first(index: TantivyIndex) -> None:
    newer = IndexedDocument(LEASE.document_id, "sha-2", LEASE.name, [
        Page(number=1, locator="page 1", text="The rent is now a secret."),
    ])  # fmt: skip
    index.add([newer])
    assert {h.sha256 for h in index.search("rent", documents=[LEASE.document_id])} == {"sha-2"}
    assert not index.holds(LEASE.sha256)


def test_bytes_that_came_back_under_another_id_and_name_are_known_by_these(
    index: TantivyIndex, tmp_path: Path
) -> None:
    assert found(index, "laws of Bavaria")[0] == (SUPPLY.document_id, 2)
    another = TantivyIndex(tmp_path / "index")
    another.remove([SUPPLY.document_id])
    another.add([replace(SUPPLY, document_id="d-back", name="Zanzibar.pdf")])
    assert found(index, "Which laws govern Zanzibar?")[0] == ("d-back", 2)


def test_what_is_removed_is_gone_from_the_disk_too(index: TantivyIndex, tmp_path: Path) -> None:
    index.remove([SUPPLY.document_id])
    assert found(index, "Bavaria") == []
    assert found(index, "Ohio") == [(LEASE.document_id, 3)]
    on_disk = b"".join(p.read_bytes() for p in (tmp_path / "index").rglob("*") if p.is_file())
    assert b"bavaria" not in on_disk.lower()


def test_an_index_that_cannot_be_read_is_made_anew(index: TantivyIndex, tmp_path: Path) -> None:
    for file in (tmp_path / "index").rglob("meta.json"):
        file.write_text("{")
    again = TantivyIndex(tmp_path / "index")
    assert not again.holds(LEASE.sha256)
    again.add([LEASE])
    assert found(again, "Ohio") == [(LEASE.document_id, 3)]


def _write_and_die(directory: str) -> None:
    import tools.tantivy_index as module

    def die(*_: Any) -> Any:
        os.kill(os.getpid(), signal.SIGKILL)

    records = module.records

    def killed_half_way(document: IndexedDocument) -> Any:
        if document.document_id == SUPPLY.document_id:
            die()
        yield from records(document)

    module.records = killed_half_way
    TantivyIndex(Path(directory)).add([LEASE, SUPPLY])


def test_a_writer_that_is_killed_leaves_no_trace_and_no_lock(tmp_path: Path) -> None:
    child = _children.Process(target=_write_and_die, args=(str(tmp_path),))
    child.start()
    child.join()
    assert child.exitcode == -signal.SIGKILL
    index = TantivyIndex(tmp_path, patience=5)
    assert not index.holds(LEASE.sha256)
    index.add([LEASE, SUPPLY])
    assert found(index, "Bavaria") == [(SUPPLY.document_id, 2)]


def _write(directory: str, number: int) -> None:
    index = TantivyIndex(Path(directory))
    for each in range(5):
        index.add([document(f"n{number}-{each}", f"Clause {number} of paper {each}.")])


def test_two_processes_that_write_lose_nothing(tmp_path: Path) -> None:
    children = [_children.Process(target=_write, args=(str(tmp_path), n)) for n in (1, 2)]
    for child in children:
        child.start()
    for child in children:
        child.join()
        assert child.exitcode == 0
    index = TantivyIndex(tmp_path)
    assert all(index.holds(f"sha-n{n}-{each}") for n in (1, 2) for each in range(5))


def test_a_reader_sees_what_another_process_wrote(index: TantivyIndex, tmp_path: Path) -> None:
    TantivyIndex(tmp_path / "index").add([document("memo", "The moon is made of cheese.")])
    assert found(index, "moon cheese") == [("d-memo", 1)]


def test_a_writer_that_waits_too_long_says_so(index: TantivyIndex, tmp_path: Path) -> None:
    with index._writer(), pytest.raises(Unavailable, match="Another process"):
        TantivyIndex(tmp_path / "index", patience=0.1).add([document("memo", "The moon.")])
