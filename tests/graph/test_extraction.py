"""A table through the Python API: a schema over documents, cited cells, and a run that goes on."""

import asyncio
import json
import time
from collections import Counter
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import BaseMessage
from langchain_core.outputs import ChatResult
from pydantic import BaseModel, Field, PrivateAttr

from graph import Orchestrator
from graph.settings import Settings
from nodes.offline import OfflineModel
from storage.documents import document_id
from storage.errors import InvalidInput, NotFound, Unavailable
from storage.records import Budget, Document, DocumentStatus, Page, Run
from storage.versions import sha256_of

from .conftest import LEASE, SUPPLY, OpenDesk
from .stage import kinds


class Contract(BaseModel):
    """What is asked of each document."""

    parties: list[str] = Field(description="Names of the parties")
    agreement_date: date | None = None
    governing_law: str | None = None
    monthly_rent: float | None = None
    arbitration: bool | None = Field(None, description="Are disputes settled by arbitration?")


LAW = {"type": "object", "properties": {"law": {"type": "string", "description": "Which law?"}}}


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Embedded alone: on AWS, tables are made in `tests/kill`."""
    return Settings(
        _env_file=None,  # type: ignore[call-arg]
        home=tmp_path / "home",
        signing_key=tmp_path / "keys" / "signing.key",
        model="offline",
        lease_seconds=5,
    )


def add(desk: Orchestrator, name: str, text: str, status: DocumentStatus = "ready") -> str:
    """Add a document as if it had been parsed, which takes longer than all else here."""
    sha256 = sha256_of(text.encode())
    pages = [Page(number=n, locator="", text=t) for n, t in enumerate(text.split("\f"), 1) if t]
    document = Document(
        id=document_id(sha256),
        name=name,
        sha256=sha256,
        status=status,
        reason="" if status == "ready" else f"It is {status}.",
        pages=len(pages),
        added_at=time.time(),
    )
    return desk.resources.library.store.add(document, pages, "test").id


def add_all(desk: Orchestrator) -> list[str]:
    lease, supply = add(desk, "lease.txt", LEASE), add(desk, "supply.txt", SUPPLY)
    return [supply, lease, add(desk, "empty.pdf", "", "damaged")]


def values(run: Run, row: int) -> dict[str, Any]:
    assert run.table
    return {name: (c.value, c.state) for name, c in run.table.rows[row].cells.items()}


def test_a_table_has_a_cited_cell_for_each_question(desk: Orchestrator) -> None:
    documents = add_all(desk)
    run = desk.extract(Contract, documents=documents)
    assert (run.status, run.graph) == ("success", "extraction")
    assert run.table
    assert [row.document_id for row in run.table.rows] == documents
    assert [row.status for row in run.table.rows] == ["ready", "ready", "damaged"]
    assert values(run, 1) == {
        "parties": (["Harbor Row LLC", "Quill & Post Inc."], "found"),
        "agreement_date": ("2024-03-01", "found"),
        "governing_law": ("Ohio", "found"),
        "monthly_rent": (4200, "found"),
        "arbitration": (None, "not_in_document"),
    }
    assert values(run, 0)["governing_law"] == ("Bavaria", "found")
    assert values(run, 0)["monthly_rent"] == (None, "not_in_document")
    assert set(values(run, 2).values()) == {(None, "uncertain")}
    assert run.table.rows[2].reason == "It is damaged."

    for row in run.table.rows:
        for cell in row.cells.values():
            assert bool(cell.citations) == (cell.state == "found")
            for cited in cell.citations:
                page = desk.documents.page(cited.document_id, cited.page, version=cited.sha256)
                assert page.text[cited.start : cited.end] == cited.quote
    assert kinds(desk, run).count("extracted") == 3
    assert desk.audit.verify(run.id).ok
    assert desk.runs.get(run.id) == run


def test_without_documents_named_it_is_made_of_all(open_desk: OpenDesk) -> None:
    desk = open_desk()
    with pytest.raises(NotFound, match="no document"):
        desk.extract(LAW)
    documents = add_all(desk)
    run = desk.runs.submit_extraction(LAW)
    assert set(run.documents) == set(documents)
    assert run.question == "Extract law from 3 documents"
    assert run.input == {"schema": LAW}
    assert desk.drive(run.id).table


def test_what_cannot_be_a_table_is_refused_before_anything_is_read(open_desk: OpenDesk) -> None:
    desk = open_desk()
    (document, *_) = add_all(desk)
    refused: list[Any] = [{"type": "object"}, Contract(parties=[]), "law"]
    for schema in refused:
        with pytest.raises(InvalidInput, match="schema"):
            desk.extract(schema, documents=[document])
    with pytest.raises(NotFound, match="d-0"):
        desk.extract(LAW, documents=["d-0"])
    assert desk.runs.list() == []
    # Entered past the check, a run ends with the reason.
    assert "schema" in desk.invoke("x", graph="extraction", documents=[document]).error


def test_steps_are_as_many_as_the_documents_need(open_desk: OpenDesk, settings: Settings) -> None:
    desk = open_desk(settings=settings.model_copy(update={"budget_steps": 2}))
    documents = add_all(desk)
    assert desk.extract(LAW, documents=documents).status == "success"
    given = desk.extract(LAW, documents=documents, budget=Budget(steps=2))
    assert (given.status, given.interrupts[0].kind) == ("interrupted", "budget")


class Watched(OfflineModel):
    """The offline model; it counts who asks it of which document, and fails at one of the calls."""

    fails_at: int = 0
    _asked: Counter[tuple[str, str]] = PrivateAttr(default_factory=Counter)

    @property
    def asked(self) -> Counter[tuple[str, str]]:
        return self._asked

    async def _agenerate(
        self, messages: list[BaseMessage], *args: Any, **kwargs: Any
    ) -> ChatResult:
        if self.fails_at and self._asked.total() >= self.fails_at:
            # All that were asked before have answered by the time that this stops the run.
            await asyncio.sleep(0.2)
            raise Unavailable("The model does not answer.")
        payload = json.loads(str(messages[-1].content))
        self._asked[payload["agent"], payload["document"]] += 1
        return await super()._agenerate(messages, *args, **kwargs)


def test_what_was_answered_is_not_asked_again(open_desk: OpenDesk) -> None:
    first = Watched(fails_at=27)
    desk = open_desk(model=first)
    documents = [add(desk, f"{n}.txt", f"Number {n}. {SUPPLY}") for n in range(20)]
    run = desk.extract(LAW, documents=documents)
    assert run.status == "pending"
    assert run.table is None
    done = [e.event for e in desk.runs.events(run.id, follow=False) if e.event.kind == "extracted"]
    assert 0 < len(done) < 20
    desk.close()

    second = Watched()
    desk = open_desk(model=second)
    run = desk.drive(run.id)
    assert run.status == "success"
    assert run.table
    assert [row.cells["law"].value for row in run.table.rows] == ["Bavaria"] * 20
    assert [row.document_id for row in run.table.rows] == documents
    # Each document was read once and checked once, whoever drove.
    together = first.asked + second.asked
    assert together == {
        (agent, f"{n}.txt"): 1 for n in range(20) for agent in ("extractor", "cell_reviewer")
    }
    assert desk.audit.verify(run.id).ok


def test_a_table_that_was_changed_is_found_out(open_desk: OpenDesk, settings: Settings) -> None:
    desk = open_desk()
    run = desk.extract(LAW, documents=add_all(desk))
    desk.close()
    (kept,) = (settings.home / "objects").rglob(f"*{run.table_sha256}*")
    kept.write_bytes(kept.read_bytes().replace(b"Bavaria", b"Bohemia"))
    verdict = open_desk().audit.verify(run.id)
    assert not verdict.ok
    assert verdict.first_bad
    assert verdict.first_bad.where == "table"


def test_a_run_that_was_cancelled_has_no_table(open_desk: OpenDesk) -> None:
    desk = open_desk()
    run = desk.runs.submit_extraction(LAW, documents=add_all(desk))
    assert desk.runs.cancel(run.id).table is None


def test_a_fork_makes_a_table_of_its_own(open_desk: OpenDesk) -> None:
    desk = open_desk()
    run = desk.extract(LAW, documents=add_all(desk))
    first = desk.runs.history(run.thread_id)[-1]["checkpoint_id"]
    fork = desk.runs.fork(run.id, first, driven_here=True)
    assert fork.table is None
    made = desk.drive(fork.id)
    assert (made.status, made.table) == ("success", run.table)
