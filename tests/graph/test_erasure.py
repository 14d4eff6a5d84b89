"""A document is erased once a person has approved exactly that, and nothing of its text is left."""

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatResult

from graph import Orchestrator
from graph.settings import Settings
from storage.documents import document_id
from storage.erasure import Erasure
from storage.errors import Conflict, NotFound
from storage.records import Document, Page, Run
from storage.tombstones import Grave
from storage.versions import sha256_of
from tests.graph.haystack import found
from tests.scripted import Scripted, calls
from tools.parsers.result import Parsed

from .conftest import LEASE, SUPPLY, OpenDesk
from .stage import APPROVE, Driving, until

CANARY = "a monthly rent of $4,200, due on the first day of a month"
"""It stands in the lease, and nowhere else."""
QUESTION = "What is the monthly rent?"
MEMO = "Write a memo on the monthly rent of the lease and publish it."


class Suspended(Scripted):
    """While it answers, its process does nothing else: it is not even told that it lost its run."""

    async def _agenerate(
        self, messages: list[BaseMessage], stop: Any = None, run_manager: Any = None, **options: Any
    ) -> ChatResult:
        return self._generate(messages, stop, run_manager, **options)


@pytest.fixture
def lease(desk: Orchestrator) -> Document:
    shelve(desk, SUPPLY, "supply.txt")
    return shelve(desk, LEASE, "lease.txt")


def shelve(desk: Orchestrator, text: str, name: str, *, version_of: str = "") -> Document:
    """Add a text as a parser would read it, without the parser."""
    store, sha256 = desk.resources.library.store, sha256_of(text.encode())
    pages = [
        Page(number=n, locator=f"page {n}", text=page) for n, page in enumerate(text.split("\f"), 1)
    ]
    document = Document(
        id=document_id(sha256),
        name=name,
        sha256=sha256,
        status="ready",
        pages=len(pages),
        added_at=time.time(),
    )
    store.find(sha256)
    store.keep_original(sha256, text.encode())
    if version_of:
        return store.add_version(version_of, document, pages, "1")
    return store.add(document, pages, "1")


def asked(run: Run) -> str:
    """What a person is shown."""
    (interrupt,) = run.interrupts
    return str(interrupt.value["action_requests"][0]["description"])


def approve(desk: Orchestrator, run: Run) -> Run:
    desk.runs.resume(run.id, {each.id: APPROVE for each in run.interrupts})
    return desk.drive(run.id)


def erase(desk: Orchestrator, document: Document) -> Run:
    run = approve(desk, desk.documents.erase(document.id))
    assert run.status == "success", run.error
    return run


@pytest.mark.parametrize(
    "settings", ["embedded", pytest.param("aws", marks=pytest.mark.slow)], indirect=True
)
def test_nothing_of_it_is_left(desk: Orchestrator, lease: Document, settings: Settings) -> None:
    run = desk.invoke(QUESTION, documents=[lease.id])
    fork = desk.runs.fork(run.id)
    memo = desk.invoke(MEMO)
    desk.feedback.add(run.id, "down", f"It says {CANARY}.")
    desk.resources.memory.put(("lessons",), "rent", {"learned": [CANARY]})
    desk.resources.memory.put(("lessons",), "other", {"learned": ["Ask for the rent first."]})
    places = found(settings, CANARY)
    assert places >= {"runs", "checkpoints", "feedback", "memory"}
    assert places >= {"objects/documents", "objects/artifacts"}

    erasing = desk.documents.erase(lease.id)
    assert erasing.status == "interrupted"
    told = asked(erasing)
    assert f"Erase lease.txt ({lease.id}) for good: 1 version, 2 pages." in told
    assert "what 3 runs in 3 conversations have kept of it" in told
    assert f"Not ended, and cancelled first: {fork.id}, {memo.id}." in told
    assert "1 memory item with its words" in told
    assert ("Backups of the tables hold it for 35 days" in told) == (settings.backend == "aws")
    assert places == found(settings, CANARY)  # asking does nothing

    done = approve(desk, erasing)
    assert done.status == "success"
    assert done.answer
    assert done.answer.text.startswith(f"Erased lease.txt ({lease.id}).\nDone: 3 conversations")
    assert found(settings, CANARY) == set()
    assert desk.resources.memory.get(("lessons",), "other")

    assert {desk.runs.get(each.id).status for each in (memo, fork)} == {"cancelled"}
    gone = desk.runs.get(run.id)
    assert gone.answer is None
    assert [(each.document_id, each.by) for each in gone.erased] == [(lease.id, erasing.id)]
    verdict = desk.audit.verify(run.id)
    assert verdict.ok
    assert verdict.erased == ["answer", "feedback", "recordings"]
    assert "approvals" in desk.audit.verify(memo.id).erased
    assert all(desk.audit.verify(each.id).ok for each in (memo, fork, erasing))

    with pytest.raises(NotFound, match="it was erased on"):
        desk.documents.get(lease.id)
    assert [each.document for each in desk.documents.search("rent governing law")] == ["supply.txt"]
    assert desk.invoke("And the governing law?", thread=run.thread_id).status == "success"


@pytest.mark.parametrize("settings", ["embedded"], indirect=True)
class TestApproval:
    """It is bound to what was shown, and asked anew when that has changed."""

    def test_a_version_more(self, desk: Orchestrator, lease: Document) -> None:
        erasing = desk.documents.erase(lease.id)
        assert "1 version, 2 pages" in asked(erasing)
        shelve(desk, LEASE.replace("ninety", "sixty"), "new.txt", version_of=lease.id)
        again = approve(desk, erasing)
        assert again.status == "interrupted"
        assert "2 versions, 4 pages" in asked(again)
        assert approve(desk, again).status == "success"
        with pytest.raises(NotFound):
            desk.documents.page(lease.id, 1, version=lease.sha256)

    def test_a_conversation_more(self, desk: Orchestrator, lease: Document) -> None:
        erasing = desk.documents.erase(lease.id)
        run = desk.invoke(QUESTION, documents=[lease.id])
        again = approve(desk, erasing)
        assert f"The runs are {run.id}." in asked(again)

    def test_a_version_that_comes_at_the_last_moment(
        self, desk: Orchestrator, lease: Document, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        erasing = desk.documents.erase(lease.id)
        begin = Erasure.begin

        def late(self: Erasure, *args: Any) -> Any:
            actions = begin(self, *args)
            monkeypatch.undo()
            shelve(desk, LEASE.replace("ninety", "sixty"), "new.txt", version_of=lease.id)
            return actions

        monkeypatch.setattr(Erasure, "begin", late)
        run = approve(desk, erasing)
        assert run.answer
        assert "nothing was done" in run.answer.text
        assert len(desk.documents.get(lease.id).older) == 1

    def test_a_person_may_say_no(self, desk: Orchestrator, lease: Document) -> None:
        erasing = desk.documents.erase(lease.id)
        (interrupt,) = erasing.interrupts
        desk.runs.resume(erasing.id, {interrupt.id: {"type": "reject", "message": "We need it."}})
        run = desk.drive(erasing.id)
        assert run.answer
        assert "We need it." in run.answer.text
        assert desk.documents.get(lease.id) == lease

    def test_what_is_published_is_named_and_kept(self, desk: Orchestrator, lease: Document) -> None:
        published = approve(desk, desk.invoke(MEMO))
        assert published.status == "success"
        (memo,) = desk.resources.objects.all()
        objects, end = desk.resources.objects, time.time() + 3600
        desk.resources.workspace.tables.documents.transact(objects.retain(memo, end))
        erasing = desk.documents.erase(lease.id)
        assert f"Published, and kept: {memo.name}, version 1, retained until" in asked(erasing)
        done = approve(desk, erasing)
        assert done.answer
        assert f"Published, and kept: {memo.name}, version 1, retained until" in done.answer.text
        assert CANARY in desk.resources.objects.get(memo.name).decode()


@pytest.mark.parametrize("settings", ["embedded"], indirect=True)
class TestConversations:
    def test_one_asks_for_it_in_the_chat(self, desk: Orchestrator, lease: Document) -> None:
        run = desk.invoke(f"Please erase document {lease.id}.")
        assert f"Erase lease.txt ({lease.id}) for good" in asked(run)
        done = approve(desk, run)
        assert done.answer
        assert "Erased lease.txt" in done.answer.text

    def test_but_not_where_its_text_was_spoken_of(
        self, desk: Orchestrator, lease: Document
    ) -> None:
        run = desk.invoke(QUESTION, documents=[lease.id])
        said = desk.invoke(f"Erase document {lease.id}.", thread=run.thread_id)
        assert said.answer
        assert "ask in a new one" in said.answer.text
        assert desk.documents.get(lease.id) == lease

    def test_an_answer_that_others_prove_stays(
        self, desk: Orchestrator, lease: Document, settings: Settings
    ) -> None:
        supply = next(each for each in desk.documents.list() if each.id != lease.id)
        other = desk.invoke("Which laws govern the supply agreement?", documents=[supply.id])
        both = desk.invoke("Within how many days of receipt is an invoice payable?")
        assert both.answer
        assert {c.document_id for claim in both.answer.claims for c in claim.citations} == {
            supply.id
        }
        assert both.id in [each.run_id for each in desk.resources.uses.of(lease.id)]
        erase(desk, lease)
        assert desk.runs.get(both.id).answer == both.answer
        assert desk.audit.verify(both.id).erased == ["recordings"]
        assert desk.runs.get(other.id) == other
        assert desk.audit.verify(other.id).erased == []

    def test_a_table_is_left_without_its_row(
        self, desk: Orchestrator, lease: Document, settings: Settings
    ) -> None:
        supply = desk.documents.list()[0]
        law = {"law": {"type": "string", "description": "Which law governs it?"}}
        rent = {"rent": {"type": "string", "description": "What is the monthly rent?"}}
        schema = {"type": "object", "properties": law | rent}
        run = desk.extract(schema, documents=[supply.id, lease.id])
        assert "objects/state" in found(settings, CANARY)
        desk.feedback.correct(run.id, lease.id, "rent", f"It is {CANARY}.")
        erasing = desk.documents.erase(lease.id)
        assert "1 table of theirs will lack its row." in asked(erasing)
        assert approve(desk, erasing).status == "success"
        assert found(settings, CANARY) == set()

        left = desk.runs.get(run.id)
        assert left.table
        assert [row.document_id for row in left.table.rows] == [supply.id]
        assert left.table.rows[0].cells["law"].value == "Bavaria"
        verdict = desk.audit.verify(run.id)
        assert (verdict.ok, verdict.erased) == (True, ["feedback", "recordings", "table"])
        desk.resources.extractions.keep_only(run.id, "")
        assert not desk.audit.verify(run.id).ok  # nothing says that all of it went

    @pytest.mark.parametrize("model", [Scripted, Suspended], ids=["at work", "suspended"])
    def test_a_run_at_work_is_cancelled_and_what_it_still_writes_is_nothing(
        self, open_desk: OpenDesk, settings: Settings, model: type[Scripted]
    ) -> None:
        reached, over = threading.Event(), threading.Event()

        def script(agent: str, form: str, payload: dict[str, Any]) -> Any:
            if agent == "supervisor":
                return {"question": QUESTION, "agents": ["librarian", "analyst"]}
            if agent == "librarian":
                return AIMessage("") if payload["returned"] else calls(("search_documents", query))
            reached.set()
            over.wait(30)
            return {"claims": [{"text": CANARY, "citations": []}]}

        query = {"query": "monthly rent"}
        quick = settings.model_copy(update={"lease_seconds": 1})
        desk = open_desk(settings=quick, model=model(script=script))
        lease = shelve(desk, LEASE, "lease.txt")
        run = desk.runs.submit(QUESTION, driven_here=True)
        driving = Driving(desk, run)
        until(reached.is_set)
        assert "runs" in found(settings, CANARY)

        other = open_desk(settings=quick)
        erasing = other.documents.erase(lease.id)
        assert f"cancelled first: {run.id}" in asked(erasing)
        assert approve(other, erasing).status == "success"
        over.set()
        driving.ended()
        assert desk.runs.get(run.id).status == "cancelled"
        assert found(settings, CANARY) == set()
        assert desk.audit.verify(run.id).ok


@pytest.mark.parametrize("settings", ["embedded"], indirect=True)
class TestBrokenOff:
    """Whoever comes next goes on with an erasure that has begun."""

    @pytest.fixture
    def begun(self, desk: Orchestrator, lease: Document, monkeypatch: pytest.MonkeyPatch) -> Run:
        desk.invoke(QUESTION, documents=[lease.id])
        run = desk.documents.erase(lease.id)
        monkeypatch.setattr(Erasure, "finish", lambda *_: 1 / 0)
        assert approve(desk, run).status == "error"
        monkeypatch.undo()
        return run

    def test_the_run_itself(
        self, desk: Orchestrator, lease: Document, begun: Run, settings: Settings
    ) -> None:
        with pytest.raises(Conflict, match="being erased"):
            shelve(desk, LEASE, "lease.txt")
        with pytest.raises(NotFound):
            desk.documents.page(lease.id, 1)
        desk.runs.retry(begun.id)
        assert desk.drive(begun.id).status == "success"
        assert found(settings, CANARY) == set()
        kinds = [linked.event.kind for linked in desk.runs.events(begun.id)]
        assert kinds.count("effect_begun") == kinds.count("effect") == 1
        assert desk.audit.verify(begun.id).ok

    def test_another_that_is_asked_for_and_approved(
        self, desk: Orchestrator, lease: Document, begun: Run, settings: Settings
    ) -> None:
        run = desk.documents.erase(lease.id)
        assert f"Go on with what run {begun.id} has begun" in asked(run)
        assert approve(desk, run).status == "success"
        assert found(settings, CANARY) == set()
        with pytest.raises(NotFound, match="erased on"):
            desk.documents.erase(lease.id)


@pytest.mark.parametrize("settings", ["embedded"], indirect=True)
def test_added_again_it_is_a_new_document_that_nothing_late_can_touch(
    desk: Orchestrator, lease: Document
) -> None:
    erase(desk, lease)
    late = desk.resources.library.store.tombstone(lease.id)
    assert late
    again = shelve(desk, LEASE, "again.txt")
    assert (again.id, again.name) == (lease.id, "again.txt")
    ports = desk.resources.workspace
    Grave(ports.tables.documents, ports.buckets.documents, ports.buckets.artifacts).close(late)
    assert desk.resources.library.store.original(sha256_of(LEASE.encode())) == LEASE.encode()
    assert CANARY in desk.documents.page(again.id, 2).text
    run = desk.invoke(QUESTION, documents=[again.id])
    assert run.answer
    assert run.answer.claims
    erase(desk, again)  # and erased again, as often as one likes
    assert desk.documents.list()[0].name == "supply.txt"


@pytest.mark.parametrize("settings", ["embedded"], indirect=True)
class TestWhileItIsAdded:
    """Who is adding the same bytes, or a version, when the document is erased leaves nothing."""

    @pytest.fixture
    def desk(self, desk: Orchestrator, monkeypatch: pytest.MonkeyPatch) -> Orchestrator:
        def parse(data: bytes, *_: Any) -> Parsed:
            pages = [Page(number=1, locator="page 1", text=data.decode())]
            return Parsed(status="ready", pages=pages)

        monkeypatch.setattr(desk.resources.library, "_parse", parse)
        return desk

    @pytest.mark.parametrize("bucket", ["_originals", "_artifacts"])
    def test_the_same_bytes(
        self, desk: Orchestrator, settings: Settings, bucket: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        text = LEASE.replace("\f", "\n")
        lease = shelve(desk, text, "lease.txt")
        store = desk.resources.library.store
        late = Late(getattr(store, bucket), lambda: erase(desk, lease))
        with monkeypatch.context() as patch, pytest.raises(Conflict, match="erased meanwhile"):
            patch.setattr(store, "find", lambda _: None)  # it looked before they were there
            patch.setattr(store, bucket, late)
            desk.documents.add(text.encode(), name="lease.txt")
        assert found(settings, CANARY) == set()
        assert shelve(desk, text, "lease.txt").id == lease.id

    def test_a_version(
        self, desk: Orchestrator, settings: Settings, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        draft = shelve(desk, "A draft without terms.", "draft.txt")
        store = desk.resources.library.store
        late = Late(store._originals, lambda: erase(desk, draft))
        monkeypatch.setattr(store, "_originals", late)
        with pytest.raises(NotFound, match="it was erased on"):
            desk.documents.add(LEASE.encode(), name="lease.txt", version_of=draft.id)
        assert found(settings, CANARY) == set()

    def test_what_has_become_a_document_meanwhile_stays(
        self, desk: Orchestrator, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        store = desk.resources.library.store
        lease = shelve(desk, LEASE, "lease.txt")
        store.abandon(lease.sha256)
        assert store.original(lease.sha256) == LEASE.encode()
        assert CANARY in store.pages(lease.sha256)[1].text


class Late:
    """A bucket into which the first object comes only after something else has happened."""

    def __init__(self, blobs: Any, first: Callable[[], object]) -> None:
        self._blobs, self._first = blobs, [first]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._blobs, name)

    def put(self, key: str, data: bytes) -> bool:
        while self._first:
            self._first.pop()()
        return bool(self._blobs.put(key, data))


@pytest.mark.parametrize("settings", ["embedded"], indirect=True)
class TestVerification:
    """What an erasure has taken is known to be gone; nothing else may stand in its place."""

    @pytest.mark.parametrize(
        ("altered", "where"),
        [
            pytest.param(lambda run: {"answer": None}, "answer", id="an answer that is missing"),
            pytest.param(
                lambda run: {
                    "answer": None,
                    "erased": [{"document_id": "d", "by": "r", "at": 1.0}],
                },
                "answer",
                id="or is said to be erased",
            ),
        ],
    )
    def test_without_an_erasure(
        self,
        desk: Orchestrator,
        lease: Document,
        altered: Callable[[Run], dict[str, Any]],
        where: str,
    ) -> None:
        run = desk.invoke(QUESTION, documents=[lease.id])
        alter(desk, run, altered(run))
        verdict = desk.audit.verify(run.id)
        assert verdict.first_bad
        assert verdict.first_bad.where == where

    def test_another_answer_in_the_place_of_an_erased_one(
        self, desk: Orchestrator, lease: Document
    ) -> None:
        run = desk.invoke(QUESTION, documents=[lease.id])
        assert run.answer
        erase(desk, lease)
        alter(desk, run, {"answer": {**run.answer.model_dump(), "text": "Two dollars."}})
        verdict = desk.audit.verify(run.id)
        assert verdict.first_bad
        assert verdict.first_bad.where == "answer"


def alter(desk: Orchestrator, run: Run, changes: dict[str, Any]) -> None:
    """Alter the record of a run behind its chain."""
    table = desk.resources.workspace.tables.runs
    item = table.get(f"run/{run.id}", "run")
    assert item
    record: Any = item.body["run"]
    erased = [{"parts": [], **each} for each in changes.get("erased", record["erased"])]
    body: Any = {**item.body, "run": {**record, **changes, "erased": erased}}
    table.put(type(item)(item.pk, item.sk, body, item.version))


@pytest.mark.parametrize("settings", ["embedded"], indirect=True)
def test_a_table_and_its_corrections_go_with_the_document(
    desk: Orchestrator, lease: Document, settings: Settings
) -> None:
    schema = {"type": "object", "properties": {"deposit": {"type": "string", "title": QUESTION}}}
    run = desk.extract(schema, documents=[lease.id])
    assert run.table
    desk.feedback.correct(run.id, lease.id, "deposit", f"It says {CANARY}.")
    assert found(settings, CANARY) >= {"feedback"}

    erase(desk, lease)
    assert found(settings, CANARY) == set()
    gone = desk.runs.get(run.id)
    assert gone.table
    assert gone.table.rows == []  # although it was read in this process before
    assert desk.feedback.corrections(run.id) == []
    assert desk.audit.verify(run.id).ok


@pytest.mark.parametrize("settings", ["embedded"], indirect=True)
def test_a_correction_that_comes_while_it_is_erased_is_not_kept(
    desk: Orchestrator, lease: Document, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    schema = {"type": "object", "properties": {"deposit": {"type": "string", "title": QUESTION}}}
    run = desk.extract(schema, documents=[lease.id])
    feedback = desk.resources.feedback
    corrections = feedback.corrections

    def late(run_id: str) -> Any:
        monkeypatch.setattr(feedback, "corrections", corrections)
        erase(desk, lease)
        return corrections(run_id)

    monkeypatch.setattr(feedback, "corrections", late)
    with pytest.raises(NotFound, match="any more"):
        desk.feedback.correct(run.id, lease.id, "deposit", f"It says {CANARY}.")
    assert found(settings, CANARY) == set()
