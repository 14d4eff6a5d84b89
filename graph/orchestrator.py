"""The Python API: one object that groups what a workspace offers.

    desk = Orchestrator.open()
    doc = desk.documents.add("master-services.pdf")
    run = desk.invoke("Who may terminate, and on what notice?", documents=[doc.id])
    print(run.answer.claims[0].citations[0].page)

`invoke` drives the run here; `runs.submit` leaves it to a worker. Who acts is the identity that the
composition root has verified, and no method takes one as an argument.
"""

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any, Final, Self, TypeVar, Unpack

from langchain_core.language_models import BaseChatModel
from langgraph.graph import StateGraph

from graph.api import Audit, Documents, FeedbackNotes, Operations
from graph.drive import Drive, take
from graph.resources import AddTools, Resources, open_resources
from graph.runs import Asked, AskedTable, Runs
from graph.settings import Settings, read_settings
from graph.worker import Worker, owner_name
from storage.errors import Leased, Queued
from storage.records import Identity, Run

T = TypeVar("T")
_POLL_SECONDS: Final = 0.25
Progress = Callable[[str], None]


class Orchestrator:
    """The desk of one workspace. Use it as a context manager, or `close` it."""

    def __init__(self, resources: Resources) -> None:
        self.resources = resources
        self.documents = Documents(resources, self.invoke)
        self.runs = Runs(resources)
        self.audit = Audit(resources)
        self.feedback = FeedbackNotes(resources)
        self.operations = Operations(resources)

    @property
    def identity(self) -> Identity:
        """Who acts here, as the composition root has verified it."""
        return self.resources.identity

    @classmethod
    def open(
        cls,
        workspace: str | None = None,
        *,
        identity: Identity | None = None,
        graphs: Mapping[str, StateGraph[Any, Any]] | None = None,
        tools: Sequence[AddTools] = (),
        model: BaseChatModel | None = None,
        settings: Settings | None = None,
    ) -> Self:
        """Open a workspace as the settings say: embedded and offline unless they say otherwise.

        `graphs` adds state machines by name; each of `tools` is given the registry to add to;
        `model` is any LangChain chat model, instead of the one that the settings name.

        Raises:
            InvalidInput: a setting or the workspace's name cannot be used.
            Unavailable: the storage cannot be opened.
        """
        settings = settings or read_settings()
        resources = open_resources(
            settings,
            workspace=workspace or settings.workspace,
            identity=identity,
            graphs=graphs,
            tools=tools,
            model=model,
        )
        return cls(resources)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of files, connections and children."""
        self.resources.close()

    def invoke(self, question: str, **asked: Unpack[Asked]) -> Run:
        """Ask, and drive the run here until it ends or waits for a person.

        Args:
            question: in plain words.
            asked: as `runs.submit` takes it: documents, thread, graph, and so on.

        Raises:
            Busy: the thread is at work, or waits for a person.
            NotFound: one of the documents is not in this workspace.
        """
        return _await(self.ainvoke(question, **asked))

    async def ainvoke(self, question: str, **asked: Unpack[Asked]) -> Run:
        """See `invoke`."""
        asked["driven_here"] = True
        run = await asyncio.to_thread(lambda: self.runs.submit(question, **asked))
        return await self.adrive(run.id)

    def extract(
        self, schema: Any, *, documents: Sequence[str] = (), **asked: Unpack[AskedTable]
    ) -> Run:
        """Have a table made of documents, and drive the run here; its `table` has a row for each.

        Args:
            schema: a JSON Schema as a dictionary, or a Pydantic model.
            documents: ids, in the order of the rows; none: all of the workspace.
            asked: as `runs.submit_extraction` takes it: budget, timeout, run_id.

        Raises:
            NotFound: one of the documents is not in this workspace, or there is none.
            InvalidInput: the schema cannot be a table's.
        """
        return _await(self.aextract(schema, documents=documents, **asked))

    async def aextract(
        self, schema: Any, *, documents: Sequence[str] = (), **asked: Unpack[AskedTable]
    ) -> Run:
        """See `extract`."""
        asked["driven_here"] = True
        run = await asyncio.to_thread(
            lambda: self.runs.submit_extraction(schema, documents=documents, **asked)
        )
        return await self.adrive(run.id)

    def drive(self, run_id: str, *, progress: Progress | None = None) -> Run:
        """Drive a run here from where it stands.

        It waits while another worker's lease is live, and while other runs have the thread.

        Raises:
            Conflict: the run has ended, or waits for a decision.
            NotFound: there is no such run.
            InvalidInput: the model cannot be opened, for want of a key perhaps.
        """
        return _await(self.adrive(run_id, progress=progress))

    async def adrive(self, run_id: str, *, progress: Progress | None = None) -> Run:
        """See `drive`."""
        await asyncio.to_thread(self.resources.ready)
        owner = owner_name()
        while True:
            try:
                owned = await asyncio.to_thread(take, self.resources, run_id, owner)
            except Queued as queued:
                wait, said = _POLL_SECONDS, str(queued)
            except Leased as leased:
                left = max(0.0, leased.until - time.time())
                wait, said = left, f"{leased} Waiting up to {left:.0f} s for its lease."
            else:
                await Drive(self.resources, owned).go()
                return await asyncio.to_thread(self.runs.get, run_id)
            if progress:
                progress(said)
            await asyncio.sleep(min(max(wait, 0.01), _POLL_SECONDS))
            run = await asyncio.to_thread(self.runs.get, run_id)
            if run.status not in ("pending", "running"):
                return run

    def worker(self, *, concurrency: int = 4) -> Worker:
        """Return a worker of this workspace; run it with `asyncio.run(worker.work())`."""
        return Worker(self.resources, concurrency=concurrency)


def _await(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end, also where a loop is running already (a notebook, say)."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(work)
    results: list[T] = []
    failures: list[BaseException] = []

    def run() -> None:
        try:
            results.append(asyncio.run(work))
        except BaseException as failure:  # noqa: BLE001 - raised below, to the caller
            failures.append(failure)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if failures:
        raise failures[0]
    return results[0]
