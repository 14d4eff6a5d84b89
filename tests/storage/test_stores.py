"""Documents, feedback, recordings and memory on the ports."""

import time

import pytest
from langgraph.store.memory import InMemoryStore

from storage.documents import DocumentStore, document_id, sha256_of
from storage.errors import LeaseLost, NotFound
from storage.feedback import FeedbackStore
from storage.memory import TableStore
from storage.recordings import MODEL, TOOL, Recording, Recordings, spent
from storage.records import Document, Identity, Page, Usage
from storage.workspace import Workspace


@pytest.fixture
def documents(workspace: Workspace) -> DocumentStore:
    buckets = workspace.buckets
    return DocumentStore(workspace.tables.documents, buckets.documents, buckets.artifacts)


def add(store: DocumentStore, data: bytes, name: str = "lease.txt") -> Document:
    sha256 = sha256_of(data)
    store.keep_original(sha256, data)
    document = Document(
        id=document_id(sha256),
        name=name,
        sha256=sha256,
        status="ready",
        pages=1,
        size=len(data),
        added_at=time.time(),
    )
    return store.add(document, [Page(number=1, locator="page 1", text=data.decode())], "1")


class TestDocuments:
    def test_a_document_has_its_bytes_and_pages(self, documents: DocumentStore) -> None:
        added = add(documents, b"The term is two years.")

        assert documents.get(added.id) == added
        assert documents.find(added.sha256) == added
        assert documents.original(added.sha256) == b"The term is two years."
        assert documents.page(added, 1).text == "The term is two years."
        assert list(documents.all()) == [added]

    def test_identical_bytes_are_one_document_and_the_first_name_is_kept(
        self, documents: DocumentStore
    ) -> None:
        first = add(documents, b"same", "first.txt")
        assert add(documents, b"same", "second.txt") == first
        assert list(documents.all()) == [first]

    def test_what_is_not_there_is_said(self, documents: DocumentStore) -> None:
        added = add(documents, b"text")
        assert documents.find("0" * 64) is None
        for missing in (lambda: documents.get("d-0"), lambda: documents.pages("0" * 64)):
            with pytest.raises(NotFound):
                missing()
        for number in (0, 2, -1):
            with pytest.raises(NotFound, match="1 to 1"):
                documents.page(added, number)


def test_feedback_is_kept_with_its_run(workspace: Workspace) -> None:
    store = FeedbackStore(workspace.tables.feedback)
    ann = Identity(name="ann", source="os")
    store.add("r-1", "up", "", ann)
    store.add("r-1", "down", "The notice is 60 days.", ann)
    store.add("r-2", "up", "", ann)

    assert [(f.rating, f.comment, f.created_by) for f in store.of("r-1")] == [
        ("up", "", "ann"),
        ("down", "The notice is 60 days.", "ann"),
    ]


class TestRecordings:
    @pytest.mark.parametrize("size", [3, 300_000])
    def test_the_first_recording_stands(self, workspace: Workspace, size: int) -> None:
        store = Recordings(workspace.tables.runs, workspace.buckets.state, "r-1")
        first = Recording("request", "a" * size)
        assert store.get(MODEL, "task", 0) is None
        assert store.put(MODEL, "task", 0, first) == first
        assert store.put(MODEL, "task", 0, Recording("request", "other")) == first
        assert store.get(MODEL, "task", 0) == first
        assert store.get(TOOL, "task", 0) is None

        after_a_crash = Recordings(workspace.tables.runs, workspace.buckets.state, "r-1")
        after_a_crash.load()
        assert after_a_crash.get(MODEL, "task", 0) == first

    def test_another_request_is_recorded_anew(self, workspace: Workspace) -> None:
        store = Recordings(workspace.tables.runs, workspace.buckets.state, "r-1")
        store.put(MODEL, "task", 0, Recording("request", "a"))
        changed = Recording("changed request", "b")
        assert store.put(MODEL, "task", 0, changed) == changed
        assert store.get(MODEL, "task", 0) == changed

    def test_what_was_paid_is_counted_once(self, workspace: Workspace) -> None:
        ports = workspace.tables.runs, workspace.buckets.state, "r-1"
        store = Recordings(*ports)
        paid = Recording("request", "a", Usage(input_tokens=7, output_tokens=2), 0.25)
        store.put(MODEL, "task", 0, paid)
        store.put(MODEL, "task", 0, paid)
        store.put(TOOL, "task", 0, Recording("request", "b"))

        after_a_crash = Recordings(*ports)
        after_a_crash.load()
        for known in (store, after_a_crash):
            assert (known.usage, known.cost_usd) == (paid.usage, 0.25)
        assert spent(workspace.tables.runs, "r-1") == (paid.usage, 0.25)

    def test_an_outdated_owner_replaces_nothing(self, workspace: Workspace) -> None:
        """It is late with another request; with the same, what stands is as good."""
        ports = workspace.tables.runs, workspace.buckets.state, "r-1"
        old, new = Recordings(*ports, epoch=1), Recordings(*ports, epoch=2)
        mine = new.put(MODEL, "task", 0, Recording("request", "new"))
        with pytest.raises(LeaseLost):
            old.put(MODEL, "task", 0, Recording("another", "late"))
        assert new.get(MODEL, "task", 0) == mine

        old.put(MODEL, "task", 1, Recording("another", "late, but first"))
        replaced = new.put(MODEL, "task", 1, Recording("request", "new"))
        after_a_crash = Recordings(*ports, epoch=3)
        after_a_crash.load()
        assert after_a_crash.get(MODEL, "task", 1) == replaced


class TestMemory:
    """Ours and LangGraph's own store answer alike."""

    @pytest.fixture(params=["ours", "reference"])
    def memory(self, request: pytest.FixtureRequest, workspace: Workspace) -> TableStore:
        ours = request.param == "ours"
        return TableStore(workspace.tables.memory) if ours else InMemoryStore()  # type: ignore[return-value]

    def test_put_get_and_delete(self, memory: TableStore) -> None:
        memory.put(("users", "ann"), "k/1", {"a": 1})
        memory.put(("users", "ann"), "k/1", {"a": 2})
        found = memory.get(("users", "ann"), "k/1")
        assert found
        assert (found.value, found.key, found.namespace) == ({"a": 2}, "k/1", ("users", "ann"))
        assert found.created_at <= found.updated_at
        assert memory.get(("users", "bob"), "k/1") is None
        memory.delete(("users", "ann"), "k/1")
        assert memory.get(("users", "ann"), "k/1") is None

    def test_search_is_by_prefix_and_filter(self, memory: TableStore) -> None:
        for n in range(4):
            memory.put(("lessons", "leases"), f"k{n}", {"n": n, "by": {"name": "ann"}})
        memory.put(("lessons",), "top", {"n": 9})
        memory.put(("lesson",), "other", {"n": 1})

        def keys(*prefix: str, **options: object) -> list[str]:
            return sorted(item.key for item in memory.search(prefix, **options))  # type: ignore[arg-type]

        assert keys("lessons") == ["k0", "k1", "k2", "k3", "top"]
        assert keys("lessons", "leases", filter={"n": {"$gte": 2}}) == ["k2", "k3"]
        assert keys("lessons", filter={"by": {"name": "ann"}, "n": {"$ne": 1}}) == [
            "k0",
            "k2",
            "k3",
        ]
        assert len(keys(limit=3)) == 3
        assert len(keys(limit=10, offset=4)) == 2

    def test_namespaces(self, memory: TableStore) -> None:
        for namespace in (("a", "b", "c"), ("a", "b", "d"), ("a", "x"), ("e",)):
            memory.put(namespace, "k", {"v": 1})
        assert memory.list_namespaces() == [("a", "b", "c"), ("a", "b", "d"), ("a", "x"), ("e",)]
        assert memory.list_namespaces(prefix=("a", "*"), max_depth=2) == [("a", "b"), ("a", "x")]
        assert memory.list_namespaces(suffix=("d",)) == [("a", "b", "d")]
