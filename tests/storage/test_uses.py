"""Which runs have met the text of which documents: written before they get it, and not in vain."""

import pytest

from storage.documents import DocumentStore
from storage.errors import NotFound
from storage.ports import Item
from storage.tombstones import Grave
from storage.uses import Reading, Uses
from storage.workspace import Workspace
from tests.storage.test_stores import add, add_version

ONE, TWO = Reading("r-1", "t-1"), Reading("r-2", "t-2")


class Reader:
    """Says which run reads."""

    now: Reading | None = None

    def __call__(self) -> Reading | None:
        return self.now


@pytest.fixture
def reader() -> Reader:
    return Reader()


@pytest.fixture
def uses(workspace: Workspace, reader: Reader) -> Uses:
    return Uses(workspace.tables.documents, workspace.tables.runs, reader)


@pytest.fixture
def documents(workspace: Workspace, uses: Uses) -> DocumentStore:
    buckets = workspace.buckets
    return DocumentStore(workspace.tables.documents, buckets.documents, buckets.artifacts, uses)


def test_a_run_that_reads_a_page_is_written_down_once(
    documents: DocumentStore, uses: Uses, reader: Reader
) -> None:
    added = add(documents, b"The term is two years.")
    documents.pages(added.sha256)
    assert uses.of(added.id) == []  # nobody's run: a person looks

    reader.now = ONE
    for _ in range(3):
        assert documents.page(added, 1).text == "The term is two years."
    reader.now = TWO
    documents.load(added.sha256)  # to be indexed
    assert uses.of(added.id) == [ONE]
    assert uses.documents("r-1") == [added.id]
    documents.page(added, 1)
    assert uses.of(added.id) == [ONE, TWO]


def test_what_is_not_there_any_more_is_read_by_no_run(
    workspace: Workspace, documents: DocumentStore, uses: Uses, reader: Reader
) -> None:
    added = add(documents, b"The term is two years.")
    documents.pages(added.sha256)  # by now they are in memory
    workspace.tables.documents.delete(f"document/{added.id}", "document")
    reader.now = ONE
    with pytest.raises(NotFound, match="any more"):
        documents.pages(added.sha256)
    assert uses.of(added.id) == []
    assert uses.documents("r-1") == []


def test_what_was_erased_and_is_a_version_of_another_by_now_is_read_as_that(
    workspace: Workspace, documents: DocumentStore, uses: Uses, reader: Reader
) -> None:
    lease = add(documents, b"The term is two years.")
    documents.pages(lease.sha256)  # by now they are in memory
    erasure = [*documents.erasing(lease, "r-0", "yes")]
    workspace.tables.documents.transact(erasure)
    buckets = workspace.buckets
    gone = documents.tombstone(lease.id)
    assert gone
    Grave(workspace.tables.documents, buckets.documents, buckets.artifacts).close(gone)
    other = add(documents, b"A draft.")
    add_version(documents, other.id, b"The term is two years.")
    reader.now = ONE
    assert documents.pages(lease.sha256)[0].text == "The term is two years."
    assert uses.documents("r-1") == [other.id]


def test_what_a_run_has_met_goes_over_to_another(documents: DocumentStore, uses: Uses) -> None:
    a, b = add(documents, b"a"), add(documents, b"b")
    uses.enter([a.id], ONE)
    uses.enter([b.id], Reading("r-9", "t-1"))
    uses.hand_on(["r-1", "r-9"], TWO)
    assert set(uses.documents("r-2")) == {a.id, b.id}

    uses.forget(a.id, ["r-1", "r-2"])
    assert uses.of(a.id) == []
    assert uses.documents("r-2") == [b.id]


def test_the_entry_lies_beside_the_document(
    workspace: Workspace, documents: DocumentStore, uses: Uses
) -> None:
    added = add(documents, b"a")
    uses.enter([added.id], ONE)
    found = workspace.tables.documents.get(f"document/{added.id}", "u/r-1")
    assert isinstance(found, Item)
    assert found.body == {"run_id": "r-1", "thread_id": "t-1"}


def test_of_many_at_once_the_one_that_is_gone_is_named(
    workspace: Workspace, documents: DocumentStore, uses: Uses
) -> None:
    many = [add(documents, f"{n}".encode()).id for n in range(40)]
    uses.enter(many, ONE)
    assert set(uses.documents("r-1")) == set(many)
    workspace.tables.documents.delete(f"document/{many[35]}", "document")
    with pytest.raises(NotFound, match=many[35]):
        uses.enter(many, TWO)
