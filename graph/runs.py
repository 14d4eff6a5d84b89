"""The runs of a workspace, as the Python API has them: ask, follow, decide, cancel, fork.

What is asked for here is done in `storage.submission`, `storage.decisions` and `storage.stopping`;
nothing here drives a run.
"""

import math
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, TypedDict, Unpack

from graph.desk import DESK
from graph.extraction import EXTRACTION, MOST_DOCUMENTS, called, most_steps, schema_of
from graph.resources import Resources
from graph.worker import workers_alive
from nodes.models import model_name
from storage.audit import Linked
from storage.claims import pinned
from storage.decisions import decide, expire, requested
from storage.errors import InvalidInput, NotFound, OtherVersion
from storage.records import Budget, Interrupt, Run, RunStatus
from storage.runs import new_id
from storage.stopping import retry, stop
from storage.submission import STRATEGIES, Strategy, submit
from storage.uses import Reading
from tools.registry import checked_args
from tools.table_files import FileKind, table_file

QUESTION_CHARS: Final = 20_000
THREAD_CHARS: Final = 200
FOLLOW_SECONDS: Final = 0.2
_RUN_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,80}")
_FRESH: Final = {
    name: Run.model_fields[name].get_default(call_default_factory=True)
    for name in (
        *("epoch", "tries", "retries", "dead", "versions", "worked", "claimed_at"),
        *("answer", "table", "table_sha256", "interrupts", "error", "usage", "cost_usd"),
    )
}
"""What a fork does not take over from its run."""


class Asked(TypedDict, total=False):
    """What can be said of a run beside its question; see `Runs.submit`."""

    documents: Sequence[str]
    thread: str | None
    graph: str
    input: dict[str, Any] | None
    multitask_strategy: Strategy
    budget: Budget | None
    timeout: float | None
    run_id: str
    driven_here: bool


class AskedTable(TypedDict, total=False):
    """What can be said of a table beside its schema; see `Runs.submit_extraction`."""

    budget: Budget | None
    timeout: float | None
    run_id: str
    driven_here: bool


def _check_asked(question: str, thread: str, run_id: str, strategy: str) -> None:
    if not 1 <= len(question) <= QUESTION_CHARS:
        raise InvalidInput(f"A question has 1 to {QUESTION_CHARS:,} characters.")
    if run_id and not _RUN_ID.fullmatch(run_id):
        raise InvalidInput(f"A run's id has 1 to 80 letters, digits, or ._-, not {run_id!r}.")
    if strategy not in STRATEGIES:
        raise InvalidInput(f"multitask_strategy is one of {', '.join(STRATEGIES)}.")
    if len(thread) > THREAD_CHARS:
        raise InvalidInput(f"The id of a thread has at most {THREAD_CHARS} characters.")


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
        multitask_strategy: Strategy = "reject",
        budget: Budget | None = None,
        timeout: float | None = None,
        run_id: str = "",
        driven_here: bool = False,
    ) -> Run:
        """Ask; a worker drives the run.

        Args:
            question: in plain words.
            documents: ids to which it is limited; none: all of the workspace.
            thread: the conversation that it goes on with; none: a new one.
            graph: the name of the state machine.
            input: the input of a graph of one's own.
            multitask_strategy: what becomes of it while the thread is busy: `reject` refuses it,
                `enqueue` has it wait for its turn, `interrupt` cancels the run that is busy.
            budget: what it may use before it asks for more; none: as the settings say.
            timeout: seconds that it may be at work; none: as the settings say, 0: no limit.
            run_id: an id of one's own; to submit it twice, after a crash say, enters it once.
            driven_here: the caller goes on with `Orchestrator.drive`, and workers leave the run
                alone for a lease's time.

        Raises:
            Busy: the thread is at work, or waits for a person.
            NotFound: a document or the graph is not there.
            InvalidInput: there is no question, it or the input is too large, an id cannot be
                used, or the budget limits the dollars of a model without a known price.
            Conflict: the id is that of another question.
        """
        question = question.strip()
        thread = thread or (f"t-{run_id}" if run_id else new_id("t"))
        _check_asked(question, thread, run_id, multitask_strategy)
        if graph not in self._resources.graphs:
            raise NotFound(f"There is no graph {graph!r}; there is {[*self._resources.graphs]}.")
        for document in documents:
            self._resources.library.store.get(document)
        settings = self._resources.settings
        timeout = settings.run_timeout if timeout is None else timeout
        if not 0 <= timeout < math.inf:
            raise InvalidInput(f"A time-out is a number of seconds, 0 for none, not {timeout}.")
        run = Run(
            id=run_id or new_id("r"),
            thread_id=thread,
            status="pending",
            graph=graph,
            question=question,
            documents=list(documents),
            input=input,
            model=model_name(self._resources.model),
            budget=self._resources.budget(budget),
            timeout=timeout,
        )
        entered = submit(
            self._resources.runs,
            run,
            self._resources.identity,
            due_in=settings.lease_seconds if driven_here else 0.0,
            strategy=multitask_strategy,
        )
        if not driven_here:
            self._resources.hint(entered.id)
        return entered

    def submit_extraction(
        self, schema: Any, *, documents: Sequence[str] = (), **asked: Unpack[AskedTable]
    ) -> Run:
        """Have a table made of documents; a worker drives the run.

        Args:
            schema: a JSON Schema as a dictionary, or a Pydantic model: a flat object whose
                properties are texts, numbers, booleans, dates, enums of texts or lists of texts.
            documents: ids, in the order of the rows; none: all of the workspace.
            asked: budget, timeout, run_id and driven_here as `submit` takes them. Without a budget
                it is the one of the settings, with as many steps as the documents need.

        Raises:
            NotFound: a document is not there, or there is none at all.
            InvalidInput: the schema cannot be a table's, or there are too many documents.
        """
        given = schema_of(schema)
        named = list(dict.fromkeys(documents))
        named = named or [d.id for d in self._resources.library.store.all()]
        if not named:
            raise NotFound("There is no document in this workspace; add some first.")
        if len(named) > MOST_DOCUMENTS:
            raise InvalidInput(
                f"A table is made of at most {MOST_DOCUMENTS:,} documents, not {len(named):,}."
            )
        if not asked.get("budget"):
            budget = self._resources.budget()
            if budget.steps is not None:
                steps = max(budget.steps, most_steps(named))
                budget = budget.model_copy(update={"steps": steps})
            asked["budget"] = budget
        return self.submit(
            called(given, len(named)),
            documents=named,
            graph=EXTRACTION,
            input={"schema": given},
            **asked,
        )

    def get(self, run_id: str) -> Run:
        """Return a run with what waits for a decision, and the table that it has made.

        Raises:
            NotFound: there is no such run in this workspace.
            Tampered: the table that is kept is not the one that was recorded.
        """
        return self._resources.extractions.with_table(self._resources.runs.get(run_id))

    def table_file(self, run_id: str, kind: FileKind) -> bytes:
        """Return the table of a run as a file: `json`, `csv` or `xlsx`, with its corrections.

        Raises:
            NotFound: there is no such run, or its table is not made.
        """
        table = self.get(run_id).table
        if table is None:
            raise NotFound(f"Run {run_id} has no table; `show {run_id}` says how it stands.")
        return table_file(kind, table, self._resources.feedback.corrections(run_id))

    def list(
        self, *, status: RunStatus | None = None, dead: bool = False, limit: int = 100
    ) -> "list[dict[str, Any]]":
        """Return entries of runs, newest first; with `dead`, only those that were given up."""
        return self._resources.runs.entries(status=status, dead=dead, limit=limit)

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

        Several are decided together, all or none, or one by one. A decision is
        `{"type": "approve"}`, `{"type": "edit", "edited_action": {"name", "args"}}` or
        `{"type": "reject", "message"}`; where an outcome is unknown, `{"type": "done"}` or
        `{"type": "not_done"}`. Where an approval takes several persons, each approves.

        Raises:
            NotFound: the run has no such interrupt.
            InvalidInput: the decision is not one that is asked for.
            Conflict: it is decided already, has expired, or the run is over.
        """
        waiting = {interrupt.id: interrupt for interrupt in self.get(run_id).interrupts}
        for interrupt_id, decision in decisions.items():
            if interrupt_id in waiting:
                self._check_edit(waiting[interrupt_id], decision)
        run = decide(self._resources.runs, run_id, decisions, self._resources.identity)
        if run.status == "pending":
            self._resources.hint(run_id)
        return run

    def _check_edit(self, interrupt: Interrupt, decision: dict[str, Any]) -> None:
        """Hold edited arguments to the tool's schema, while whoever edits them is there."""
        edits = isinstance(decision, dict) and decision.get("type") == "edit"
        action = decision.get("edited_action") if edits else None
        name = requested(interrupt.value).get("name")
        if (
            interrupt.kind == "approval"
            and isinstance(action, dict)
            and action.get("name") == name
            and "tool_call_id" in interrupt.value  # asked by `act`, and not by a graph of one's own
        ):
            checked_args(self._resources.tools.get(action["name"]), action.get("args") or {})

    def expire(self, run_id: str) -> bool:
        """Write down what a run asked for in vain, so that it can go on; return whether it did."""
        return expire(self._resources.runs, run_id)

    def notes(self, run_id: str) -> Sequence[str]:
        """Return what there is to know of a run that has not ended, in sentences.

        That is: whether it waits for its turn, and whether it began under other versions.
        """
        kept = self._resources.runs.kept(run_id)
        run, notes = kept.run, []
        if kept.queued:
            busy = self._resources.runs.lease(run.thread_id).run_id
            notes.append(f"It waits for its turn: run {busy} has the thread.")
        if not run.ended and run.graph in self._resources.graphs:
            try:
                pinned(run, self._resources.versions(run.graph))
            except OtherVersion as other:
                notes.append(str(other))
        return notes

    def retry(self, run_id: str) -> Run:
        """Make a run that ended in error or timed out due again, from its last checkpoint."""
        run = retry(self._resources.runs, run_id, self._resources.identity)
        self._resources.hint(run_id)
        return run

    def cancel(self, run_id: str) -> Run:
        """End a run; whoever drives it changes nothing more.

        Raises:
            Conflict: it has ended already.
        """
        run, following = stop(self._resources.runs, run_id, "cancelled", self._resources.identity)
        self._resources.hint(following)
        self._resources.workspace.telemetry.metric("runs_cancelled", 1)
        return run

    def fork(self, run_id: str, checkpoint_id: str = "", *, driven_here: bool = False) -> Run:
        """Go on from a checkpoint of a run, on a thread of its own; a worker drives it.

        Without a checkpoint it is the newest of the run's thread. Approvals do not carry over: what
        the run did before is history, and what the fork does is asked anew, under the versions of
        graph, prompts and tools that are here.

        Raises:
            NotFound: there is no such run, or its thread has no such checkpoint.
            InvalidInput: the settings limit the dollars of a model without a known price.
        """
        source, budget = self.get(run_id), self._resources.budget()
        saver = self._resources.saver()
        at = {"thread_id": source.thread_id, "checkpoint_ns": ""}
        found = saver.get_tuple(
            {"configurable": at | ({"checkpoint_id": checkpoint_id} if checkpoint_id else {})}
        )
        if found is None:
            why = " It was erased with a document." if source.erased else ""
            raise NotFound(f"Thread {source.thread_id!r} has no checkpoint {checkpoint_id!r}.{why}")
        checkpoint_id = found.checkpoint["id"]
        fork = source.model_copy(
            update={
                "id": new_id("r"),
                "thread_id": new_id("t"),
                "forked_from": run_id,
                "budget": budget,
                "model": model_name(self._resources.model),
                **_FRESH,
            }
        )
        # Checkpoints first: a run that is entered finds them, and without a run nobody does.
        self._copy(source, fork, checkpoint_id)
        after = self._resources.settings.lease_seconds if driven_here else 0.0
        entered = submit(self._resources.runs, fork, self._resources.identity, due_in=after)
        if not driven_here:
            self._resources.hint(entered.id)
        return entered

    def _copy(self, source: Run, fork: Run, checkpoint_id: str) -> None:
        """Copy a run's thread to its fork, which then has met what the thread's runs have.

        Raises:
            NotFound: a document that they have met has been erased.
        """
        resources, saver = self._resources, self._resources.saver()
        runs = [each.id for each in resources.runs.of_thread(source.thread_id)]
        to = Reading(fork.id, fork.thread_id)
        resources.uses.hand_on(runs, to)
        saver.fork_thread(source.thread_id, fork.thread_id, checkpoint_id)
        try:
            resources.uses.hand_on(runs, to)  # what was erased meanwhile may have been copied
        except NotFound:
            saver.delete_thread(fork.thread_id)
            raise

    def history(self, thread_id: str) -> Sequence[dict[str, Any]]:
        """Return the checkpoints of a thread, newest first: checkpoint_id, run_id, step, next."""
        saver, graphs = self._resources.saver(), self._resources.graphs
        newest = self._resources.runs.newest_of(thread_id)
        name = self._resources.runs.kept(newest).run.graph if newest else DESK
        graph = graphs.get(name, graphs[DESK]).copy({"checkpointer": saver})
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
