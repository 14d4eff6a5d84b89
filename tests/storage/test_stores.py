"""Documents, feedback, recordings and memory on the ports."""

import time
from collections.abc import Callable, Sequence

import pytest
from langgraph.store.memory import InMemoryStore

from storage.documents import DocumentStore, document_id
from storage.errors import Conflict, LeaseLost, NotFound
from storage.feedback import FeedbackStore
from storage.memory import TableStore
from storage.ports import Action, Condition, Item
from storage.recordings import MODEL, TOOL, Recording, Recordings, spent
from storage.records import Card, Document, Identity, Page, Usage
from storage.versions import KeptCard, sha256_of
from storage.workspace import Workspace
from tests.storage.steps import together


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


def add_version(
    store: DocumentStore, document_id: str, data: bytes, name: str = "new.txt"
) -> Document:
    sha256 = sha256_of(data)
    store.keep_original(sha256, data)
    version = Document(id="", name=name, sha256=sha256, status="ready", added_at=time.time())
    pages = [Page(number=1, locator="page 1", text=data.decode())]
    return store.add_version(document_id, version, pages, "1")


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

    def test_a_card_that_comes_late_takes_back_nothing(
        self, documents: DocumentStore, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        locked = Document(id="d-1", name="a.pdf", sha256="0" * 64, status="locked")
        documents.add(locked, [], "1")
        page = Page(number=1, locator="page 1", text="The term is two years.")
        table = documents._table
        put = table.put

        def late(item: Item, when: Condition | None = None) -> None:
            monkeypatch.setattr(table, "put", put)
            opened = locked.model_copy(update={"status": "ready", "pages": 1})
            documents.read_again(opened, [page], "2")
            put(item, when)

        monkeypatch.setattr(table, "put", late)
        documents.keep_card(locked.sha256, KeptCard(Card(), "1"))
        assert documents.load(locked.sha256) == [page]

    def test_what_is_not_there_is_said(self, documents: DocumentStore) -> None:
        added = add(documents, b"text")
        assert documents.find("0" * 64) is None
        for missing in (lambda: documents.get("d-0"), lambda: documents.pages("0" * 64)):
            with pytest.raises(NotFound):
                missing()
        for number in (0, 2, -1):
            with pytest.raises(NotFound, match="1 to 1"):
                documents.page(added, number)


class TestVersions:
    """A new version takes the place of the one before, which stays readable."""

    def test_it_keeps_id_name_and_place(self, documents: DocumentStore) -> None:
        first = add(documents, b"two years", "lease.txt")
        add(documents, b"other", "other.txt")
        order = [document.id for document in documents.all()]
        second = add_version(documents, first.id, b"three years", "lease-2.txt")

        assert (second.id, second.name) == (first.id, "lease.txt")
        assert (second.sha256, second.older) == (sha256_of(b"three years"), [first.sha256])
        assert documents.get(first.id) == second
        assert [document.id for document in documents.all()] == order
        assert second in documents.all()

    def test_all_versions_stay_readable_oldest_first(self, documents: DocumentStore) -> None:
        texts = [b"two years", b"three years", b"four years"]
        document = add(documents, texts[0])
        for text in texts[1:]:
            document = add_version(documents, document.id, text)

        hashes = [sha256_of(text) for text in texts]
        assert [*document.older, document.sha256] == hashes
        for sha256, text in zip(hashes, texts, strict=True):
            assert documents.original(sha256) == text
            assert documents.page(document, 1, sha256).text == text.decode()
            assert documents.find(sha256) == document
        assert documents.page(document, 1).text == "four years"

    def test_a_version_of_another_document_is_none_of_this(self, documents: DocumentStore) -> None:
        document, other = add(documents, b"two years"), add(documents, b"other", "other.txt")
        with pytest.raises(NotFound, match="has no version"):
            documents.page(document, 1, other.sha256)

    @pytest.mark.parametrize("again", [b"two years", b"three years"], ids=["older", "newest"])
    def test_the_same_bytes_again_are_no_new_version(
        self, documents: DocumentStore, again: bytes
    ) -> None:
        first = add(documents, b"two years")
        second = add_version(documents, first.id, b"three years")
        with pytest.raises(Conflict, match=r"a version of lease\.txt already"):
            add_version(documents, first.id, again)
        assert documents.get(first.id) == second

    def test_nor_are_the_bytes_of_another_document(self, documents: DocumentStore) -> None:
        first, other = add(documents, b"two years"), add(documents, b"other", "other.txt")
        with pytest.raises(Conflict, match=r"a version of other\.txt already"):
            add_version(documents, first.id, b"other")
        assert [documents.get(each.id) for each in (first, other)] == [first, other]
        assert documents.find(other.sha256) == other

    def test_to_add_what_is_a_version_already_adds_nothing(self, documents: DocumentStore) -> None:
        first = add(documents, b"two years")
        second = add_version(documents, first.id, b"three years")
        assert add(documents, b"two years", "new.txt") == second
        assert add(documents, b"three years", "new.txt") == second
        assert list(documents.all()) == [second]

    def test_of_two_at_once_one_is_the_next(
        self, documents: DocumentStore, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        first = add(documents, b"two years")
        table = workspace.tables.documents
        transact = table.transact

        def second_comes_between(actions: Sequence[Action]) -> None:
            monkeypatch.setattr(table, "transact", transact)
            add_version(documents, first.id, b"three years")
            transact(actions)

        monkeypatch.setattr(table, "transact", second_comes_between)
        with pytest.raises(Conflict, match=r"lease\.txt has got another version meanwhile"):
            add_version(documents, first.id, b"four years")
        assert documents.get(first.id).sha256 == sha256_of(b"three years")
        assert documents.find(sha256_of(b"four years")) is None

        assert add_version(documents, first.id, b"four years").older == [
            sha256_of(text) for text in (b"two years", b"three years")
        ]

    def test_of_the_same_two_at_once_one_is_entered(self, documents: DocumentStore) -> None:
        first = add(documents, b"two years")
        done = together(*[lambda: add_version(documents, first.id, b"three years")] * 2)
        assert sum(isinstance(each, Conflict) for each in done) == 1
        assert documents.get(first.id).older == [first.sha256]

    def test_there_must_be_a_document(self, documents: DocumentStore) -> None:
        with pytest.raises(NotFound, match="d-0"):
            add_version(documents, "d-0", b"three years")


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


class TestFeedbackTwice:
    """A form that is sent twice says one thing; a mind that is changed says another."""

    @pytest.fixture
    def said(self, workspace: Workspace) -> Callable[..., list[tuple[str, str]]]:
        store = FeedbackStore(workspace.tables.feedback)

        def say(*sayings: str, comment: str = "", by: str = "ann") -> list[tuple[str, str]]:
            for rating in sayings:
                store.add("r-1", rating, comment, Identity(name=by, source="os"))  # type: ignore[arg-type]
            return [(each.created_by, each.rating) for each in store.of("r-1")]

        return say

    def test_the_same_twice_in_a_row_is_kept_once(
        self, said: Callable[..., list[tuple[str, str]]]
    ) -> None:
        assert said("up", "up", "down", "down") == [("ann", "up"), ("ann", "down")]

    def test_up_down_up_is_three(self, said: Callable[..., list[tuple[str, str]]]) -> None:
        assert [rating for _, rating in said("up", "down", "up")] == ["up", "down", "up"]
        assert [rating for _, rating in said("down", "up")] == ["up", "down", "up", "down", "up"]

    def test_another_comment_says_more(self, said: Callable[..., list[tuple[str, str]]]) -> None:
        said("down", comment="Wrong page.")
        said("down", comment="Wrong page.")
        assert len(said("down", comment="And the wrong year.")) == 2

    def test_a_comment_with_stray_bytes_is_the_same_when_it_comes_again(
        self, said: Callable[..., list[tuple[str, str]]]
    ) -> None:
        assert len(said("down", "down", comment="caf\udce9")) == 1

    def test_what_others_say_in_between_changes_nothing(
        self, said: Callable[..., list[tuple[str, str]]]
    ) -> None:
        said("up")
        said("down", by="bob")
        assert said("up") == [("ann", "up"), ("bob", "down")]

    def test_a_click_that_is_doubled_counts_once(
        self, said: Callable[..., list[tuple[str, str]]]
    ) -> None:
        together(*[lambda: said("up")] * 4)
        assert said() == [("ann", "up")]


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
