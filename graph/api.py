"""What an orchestrator groups: documents, runs, audit, feedback, operations."""

import time
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, Final, Literal

from langchain_core.tools import BaseTool

from graph.desk import DESK
from graph.resources import Resources
from graph.worker import workers_alive
from nodes.models import model_name
from storage.audit import Linked, Verdict
from storage.errors import InvalidInput, NotFound
from storage.fence import record_fence
from storage.records import (
    Document,
    Feedback,
    Interrupt,
    Page,
    Passage,
    Run,
    RunStatus,
    Usage,
)
from storage.runs import new_id
from storage.sources import Source, sources
from storage.verification import verify_run
from tools.policy import guarded
from tools.registry import checked_args

QUESTION_CHARS: Final = 20_000
THREAD_CHARS: Final = 200
FOLLOW_SECONDS: Final = 0.2


class Documents:
    """The documents of the workspace."""

    def __init__(self, resources: Resources) -> None:
        self._resources = resources

    def add(
        self,
        source: str | Path | Source | bytes,
        *,
        name: str | None = None,
        version_of: str = "",
    ) -> Document:
        """Add a file, an object at `s3://bucket/key`, or bytes under a name.

        The same bytes are the same document. Every file is recorded: look at the document's
        `status` and `reason`. With `version_of` it is the newest version of that document, whose
        earlier versions stay readable and citable.

        Raises:
            NotFound: there is no such file, object or document.
            InvalidInput: it cannot be read, is not one file, or bytes come without a name.
            Conflict: the bytes are an earlier version, or another document already.
        """
        return self.add_new(source, name=name, version_of=version_of)[0]

    def add_new(
        self,
        source: str | Path | Source | bytes,
        *,
        name: str | None = None,
        version_of: str = "",
    ) -> tuple[Document, bool]:
        """Add a file as `add` does; return also whether it is new."""
        add, identity = self._resources.library.add, self._resources.identity
        if isinstance(source, bytes):
            if not name:
                raise InvalidInput("Bytes are added under a name: add(data, name='lease.pdf').")
            return add(source, name, identity, version_of=version_of)
        if not isinstance(source, Source):
            found = [*islice(sources(source), 2)]
            if len(found) != 1:
                raise InvalidInput(f"{source} is not one file: add its files one by one.")
            (source,) = found
        return add(source.read(), name or source.name, identity, version_of=version_of)

    def index(self) -> None:
        """Make what was added searchable now; otherwise the first search does it."""
        self._resources.library.refresh()

    def list(self) -> "list[Document]":
        """Return all documents, oldest first."""
        return [*self._resources.library.store.all()]

    def get(self, document_id: str) -> Document:
        """Return a document.

        Raises:
            NotFound: there is no such document in this workspace.
        """
        return self._resources.library.store.get(document_id)

    def page(self, document_id: str, number: int, *, version: str = "") -> Page:
        """Return a page, of the newest version or of the one with a SHA-256; pages count from 1.

        Raises:
            NotFound: there is no such document, version or page.
        """
        return self._resources.library.page(document_id, number, version)[1]

    def search(
        self, query: str, *, documents: Sequence[str] = (), limit: int = 12
    ) -> "Sequence[Passage]":
        """Return what the librarian would find for a question, best first."""
        return self._resources.library.search(query, documents=documents, limit=limit)


class Runs:
    """The runs of the workspace."""

    def __init__(self, resources: Resources) -> None:
        self._resources = resources

    def submit(
        self,
        question: str,
        *,
        documents: Sequence[str] = (),
        thread: str | None = None,
        graph: str = DESK,
        input: dict[str, Any] | None = None,  # noqa: A002 - LangGraph's word
        driven_here: bool = False,
    ) -> Run:
        """Ask; a worker drives the run.

        With `driven_here` the caller goes on with `Orchestrator.drive`, and workers leave the run
        alone for a lease's time.

        Raises:
            Busy: the thread is at work, or waits for a person.
            NotFound: a document or the graph is not there.
            InvalidInput: there is no question, or it is too long.
        """
        question = question.strip()
        if not 1 <= len(question) <= QUESTION_CHARS:
            raise InvalidInput(f"A question has 1 to {QUESTION_CHARS:,} characters.")
        thread = thread or new_id("t")
        if len(thread) > THREAD_CHARS:
            raise InvalidInput(f"The id of a thread has at most {THREAD_CHARS} characters.")
        if graph not in self._resources.graphs:
            raise NotFound(f"There is no graph {graph!r}; there is {[*self._resources.graphs]}.")
        for document in documents:
            self._resources.library.store.get(document)
        run = Run(
            id=new_id("r"),
            thread_id=thread,
            status="pending",
            graph=graph,
            question=question,
            documents=list(documents),
            input=input,
            model=model_name(self._resources.model),
        )
        after = self._resources.settings.lease_seconds if driven_here else 0.0
        entered = self._resources.runs.submit(run, self._resources.identity, due_in=after)
        if not driven_here:
            self._resources.workspace.queue.send(entered.id)
        return entered

    def get(self, run_id: str) -> Run:
        """Return a run with what waits for a decision.

        Raises:
            NotFound: there is no such run in this workspace.
        """
        return self._resources.runs.get(run_id)

    def list(self, *, status: RunStatus | None = None, limit: int = 100) -> "list[dict[str, Any]]":
        """Return entries of runs, newest first."""
        return self._resources.runs.entries(status=status, limit=limit)

    def of_thread(self, thread_id: str) -> Sequence[Run]:
        """Return the runs of a thread, oldest first."""
        return list(self._resources.runs.of_thread(thread_id))

    def events(self, run_id: str, *, start: int = 0, follow: bool = True) -> Iterator[Linked]:
        """Yield the events of a run; with `follow`, until it ends or waits for a person.

        Raises:
            NotFound: there is no such run in this workspace.
        """
        while True:
            # The status is read first: what it says has its events.
            still = self.get(run_id).status in ("pending", "running")
            for linked in self._resources.audit.read(run_id, start):
                yield linked
                start = linked.event.seq + 1
            if not (follow and still):
                return
            time.sleep(FOLLOW_SECONDS)

    def resume(self, run_id: str, decisions: Mapping[str, dict[str, Any]]) -> Run:
        """Decide what a run asks, by interrupt id; a worker, or `Orchestrator.drive`, goes on.

        A decision is `{"type": "approve"}`, `{"type": "edit", "edited_action": {"name", "args"}}`
        or `{"type": "reject", "message"}`; where an outcome is unknown, `{"type": "done"}` or
        `{"type": "not_done"}`.

        Raises:
            NotFound: the run has no such interrupt.
            InvalidInput: the decision is not one that is asked for.
            Conflict: it is decided already, or the run is over.
        """
        waiting = {interrupt.id: interrupt for interrupt in self.get(run_id).interrupts}
        for interrupt_id, decision in decisions.items():
            if interrupt_id in waiting:
                self._check(waiting[interrupt_id], decision)
        run = self._resources.runs.decide(run_id, decisions, self._resources.identity)
        self._resources.workspace.queue.send(run_id)
        return run

    def _check(self, interrupt: Interrupt, decision: dict[str, Any]) -> None:
        value = interrupt.value
        configs = value.get("review_configs") or [{}]
        allowed = value.get("allowed_decisions") or configs[0].get("allowed_decisions") or []
        if decision.get("type") not in allowed:
            raise InvalidInput(f"Decide one of {', '.join(allowed)}, not {decision.get('type')!r}.")
        if decision["type"] == "edit":
            action = decision.get("edited_action")
            asked = value["action_requests"][0]["name"]
            if not isinstance(action, dict) or action.get("name") != asked:
                raise InvalidInput(f'An edit is {{"name": "{asked}", "args": {{…}}}}.')
            checked_args(self._resources.tools.get(asked), action.get("args") or {})

    def retry(self, run_id: str) -> Run:
        """Make a run that ended in error due again, from its last checkpoint."""
        run = self._resources.runs.retry(run_id, self._resources.identity)
        self._resources.workspace.queue.send(run_id)
        return run

    def cancel(self, run_id: str) -> Run:
        """End a run; whoever drives it changes nothing more.

        Raises:
            Conflict: it has ended already.
        """
        run = self._resources.runs.cancel(run_id, self._resources.identity)
        # What a straggler has written up to here is history; what it still writes is not.
        record_fence(self._resources.workspace.tables.checkpoints, run.thread_id, run.epoch)
        self._resources.workspace.telemetry.metric("runs_cancelled", 1)
        return run

    def fork(self, run_id: str, checkpoint_id: str) -> Run:
        """Go on from an earlier checkpoint of a run, on a thread of its own; a worker drives it.

        Approvals do not carry over: what the run did before is history, and what the fork does
        is asked anew.

        Raises:
            NotFound: there is no such run, or its thread has no such checkpoint.
        """
        source = self.get(run_id)
        saver = self._resources.saver()
        at = {"thread_id": source.thread_id, "checkpoint_ns": "", "checkpoint_id": checkpoint_id}
        if saver.get_tuple({"configurable": at}) is None:
            raise NotFound(f"Thread {source.thread_id!r} has no checkpoint {checkpoint_id!r}.")
        fork = source.model_copy(
            update={
                "id": new_id("r"),
                "thread_id": new_id("t"),
                "forked_from": run_id,
                "epoch": 0,
                "tries": 0,
                "answer": None,
                "error": "",
                "usage": Usage(),
                "cost_usd": 0.0,
            }
        )
        # Checkpoints first: a run that is entered finds them, and without a run nobody does.
        saver.fork_thread(source.thread_id, fork.thread_id, checkpoint_id)
        entered = self._resources.runs.submit(fork, self._resources.identity)
        self._resources.workspace.queue.send(entered.id)
        return entered

    def history(self, thread_id: str) -> Sequence[dict[str, Any]]:
        """Return the checkpoints of a thread, newest first: checkpoint_id, run_id, step, next."""
        saver = self._resources.saver()
        graph = self._resources.graphs[DESK].copy({"checkpointer": saver})
        states = graph.get_state_history({"configurable": {"thread_id": thread_id}})
        return [
            {
                "checkpoint_id": state.config["configurable"]["checkpoint_id"],
                "run_id": (state.metadata or {}).get("run_id", ""),
                "step": (state.metadata or {}).get("step", 0),
                "next": list(state.next),
                "created_at": state.created_at,
            }
            for state in states
        ]

    def workers(self) -> Sequence[str]:
        """Return the workers that have been heard of lately."""
        return list(workers_alive(self._resources))


class Audit:
    """The record of what was done."""

    def __init__(self, resources: Resources) -> None:
        self._resources = resources

    def verify(self, run_id: str) -> Verdict:
        """Recompute the chain of a run and compare it with its anchors and its answer.

        Raises:
            NotFound: there is no such run in this workspace.
        """
        return verify_run(self._resources.runs, run_id)


class FeedbackNotes:
    """What people thought of answers."""

    def __init__(self, resources: Resources) -> None:
        self._resources = resources

    def add(self, run_id: str, rating: Literal["up", "down"], comment: str = "") -> Feedback:
        """Keep a thumb and a comment on a run.

        Raises:
            NotFound: there is no such run in this workspace.
        """
        self._resources.runs.kept(run_id)
        return self._resources.feedback.add(run_id, rating, comment, self._resources.identity)

    def list(self, run_id: str) -> "list[Feedback]":
        """Return the feedback on a run, oldest first."""
        return [*self._resources.feedback.of(run_id)]


class Operations:
    """The tools of the workspace, to be bound to anyone's own model or graph.

    The policy is applied wherever they are called, and a write only plans. It is carried out, once
    and with approval, in a graph that the orchestrator runs and that has `act` as a node:

        async def agent(state: MessagesState, runtime: Runtime[Context]) -> Command[str]:
            model = runtime.context.model.bind_tools(runtime.context.tools.bindable("copy_object"))
            return call_tools("agent", await model.ainvoke(state["messages"]), runtime)

        builder = StateGraph(MessagesState, context_schema=Context)
        builder.add_node("agent", agent, destinations=("act", END))
        builder.add_node("act", act, destinations=("agent",))
        builder.set_entry_point("agent")
        desk = Orchestrator.open(graphs={"mine": builder})
        run = desk.invoke("Copy memo.md to old.md", graph="mine")  # waits for approval
    """

    def __init__(self, resources: Resources) -> None:
        self._resources = resources

    def tools(self, *names: str) -> Sequence[BaseTool]:
        """Return LangChain tools: those named, or all, for any model or LangGraph's `ToolNode`.

        What the policy denies fails with the reason; a write returns what it would do, and does
        nothing.

        Raises:
            NotFound: there is no such tool.
        """
        resources = self._resources
        entries = [resources.tools.get(name) for name in names] or [*resources.tools]
        workspace = resources.workspace.name
        return [guarded(entry, resources.policy, workspace) for entry in entries]
