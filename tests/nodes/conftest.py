"""A node is a function: here is what it is given, built by hand."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from langgraph.runtime import ExecutionInfo, Runtime

from nodes.context import Context
from nodes.state import DeskState, new_question
from storage.documents import DocumentStore, document_id
from storage.recordings import MODEL, Recordings
from storage.records import Document, Identity, Page
from storage.run_layout import Decided
from storage.versions import sha256_of
from storage.workspace import Workspace
from tests.scripted import Script, Scripted
from tools.effects import Effects, Grant, Outcome
from tools.library import Library
from tools.policy import DEFAULT, Policy
from tools.registry import Plan, Registry, Safety

RUN = "r-1"


@dataclass
class Notes:
    """A journal that remembers."""

    kinds: list[str] = field(default_factory=list)

    def note(self, kind: str, **_: Any) -> None:
        self.kinds.append(kind)


class Ledger(Effects):
    """The effects of a run, in memory: each plan is carried out when it is performed."""

    def __init__(self) -> None:
        self.done: dict[str, Outcome] = {}
        self.ancestor = ""
        self.grants: list[Grant] = []

    async def find(self, call_id: str) -> Outcome | None:
        return self.done.get(call_id)

    async def earlier(self, call_id: str, same: str) -> str:
        return self.ancestor

    async def perform(
        self, call_id: str, tool: str, safety: Safety | None, plan: Plan, grant: Grant, task: str
    ) -> Outcome:
        if plan.call:
            plan.call()
        self.grants.append(grant)
        self.done[call_id] = Outcome("done", plan.done)
        return self.done[call_id]

    async def settle(self, call_id: str, outcome: Outcome, task: str, **about: Any) -> Outcome:
        self.done[call_id] = outcome
        return outcome


@pytest.fixture
def library(workspace: Workspace, tmp_path: Path) -> Library:
    buckets = workspace.buckets
    store = DocumentStore(workspace.tables.documents, buckets.documents, buckets.artifacts)
    return Library(store, tmp_path / "index")


AddPages = Callable[..., Document]


@pytest.fixture
def add(library: Library) -> AddPages:
    """Add a document of given pages, as if it had been parsed."""
    return lambda name, *texts: library.store.add(*parsed(name, *texts), "test")


@pytest.fixture
def replace(library: Library) -> AddPages:
    """Give a document, by its id, a new version in the same way."""
    return lambda of, name, *texts: library.store.add_version(of, *parsed(name, *texts), "test")


def parsed(name: str, *texts: str) -> tuple[Document, list[Page]]:
    sha256 = sha256_of("\f".join(texts).encode())
    document = Document(
        id=document_id(sha256),
        name=name,
        sha256=sha256,
        status="ready",
        pages=len(texts),
        added_at=time.time(),
    )
    return document, [Page(number=n, locator=f"page {n}", text=t) for n, t in enumerate(texts, 1)]


MakeContext = Callable[..., Context]


@pytest.fixture
def context(workspace: Workspace, library: Library) -> MakeContext:
    """Build the context of a node around a scripted model."""

    def build(
        script: Script | None = None,
        *,
        registry: Registry | None = None,
        policy: Policy = DEFAULT,
        approvals: Sequence[Decided] = (),
    ) -> Context:
        return Context(
            run_id=RUN,
            workspace=workspace.name,
            model=Scripted(script=script or (lambda *_: {})),
            library=library,
            tools=registry or Registry(),
            journal=Notes(),
            effects=Ledger(),
            recordings=Recordings(workspace.tables.runs, workspace.buckets.state, RUN),
            approvals=lambda: approvals,
            policy=policy,
            version="1",
        )

    return build


def on_record(recordings: Recordings, kind: str = MODEL) -> list[dict[str, Any]]:
    """What stands in the table of a run's recordings of a kind."""
    rows = recordings._table.query(recordings._pk, prefix=f"{kind}/")
    return [dict(item.body) for item in rows]


def runtime(context: Context, task: str = "task-1") -> Runtime[Context]:
    """The runtime that LangGraph would pass."""
    info = ExecutionInfo(checkpoint_id="c", checkpoint_ns="", task_id=task)
    return Runtime(context=context, execution_info=info)


def state(question: str = "On what notice?", **fields: Any) -> DeskState:
    """The state at the start of a run, with some fields set."""
    return DeskState(**{**new_question(question, [], "m-1"), **fields})  # type: ignore[typeddict-item]


ANN = Identity(name="ann", source="os")
