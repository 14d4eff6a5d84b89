"""Drives a claimed run from where it stands to its end, or to a question to a person.

What goes in is decided by the record, never guessed:

    the latest checkpoint belongs to another run      the run's input
    open interrupts have a decision on the record     Command(resume={interrupt id: decision})
    otherwise                                         nothing: go on

Losing the lease stops everything at once; what this process still does counts for nothing.
"""

import asyncio
from contextlib import suppress
from typing import Any, Final

from langchain_core.messages import HumanMessage
from langgraph.errors import GraphDrained, GraphRecursionError
from langgraph.runtime import RunControl
from langgraph.types import Command, StateSnapshot
from langsmith import tracing_context

from graph.desk import DESK, STEPS, desk_version
from graph.reporter import Reporter
from graph.resources import Resources
from graph.watcher import Watcher
from nodes.context import Context
from nodes.models import Recorded, cost_of, message_of, model_name, usage_of
from nodes.state import new_question
from storage.errors import AffidavitError, LeaseLost, NotFound, Unavailable
from storage.leases import Ownership
from storage.recordings import MODEL, Recordings
from storage.records import Interrupt, Run, Usage
from storage.run_layout import interrupt_kind
from tools.effects import Effects

RETRY_SECONDS: Final = (1.0, 4.0, 15.0, 60.0)
_ERROR_CHARS: Final = 2000


class Drive:
    """One claim of one run."""

    def __init__(self, resources: Resources, owned: Ownership) -> None:
        self._resources = resources
        self._owned = owned
        self._run = owned.run
        self._recordings = Recordings(
            resources.workspace.tables.runs,
            resources.workspace.buckets.state,
            owned.run.id,
            owned.run.retries,
        )
        self._reporter = Reporter(
            owned.trail, resources.workspace.telemetry, resources.redacted, owned.run
        )
        self._model = Recorded(
            inner=resources.model, recordings=self._recordings, journal=self._reporter
        )
        self._watcher = Watcher(self._reporter, self._model)
        self._control = RunControl()
        self._ancestors: frozenset[str] = frozenset()

    def drain(self) -> None:
        """Stop at the end of the current step and give the run back."""
        self._control.request_drain()

    async def go(self) -> Run:
        """Drive the run as far as it goes, and return it.

        Raises:
            LeaseLost: another worker owns it by now.
        """
        work = asyncio.create_task(self._work())
        beat = asyncio.create_task(self._renew())
        try:
            await asyncio.wait({work, beat}, return_when=asyncio.FIRST_COMPLETED)
            if beat.done() and not work.done():
                work.cancel()
                await asyncio.gather(work, return_exceptions=True)
                beat.result()  # raises: the lease is lost
            await work
        except asyncio.CancelledError:
            # Someone stops this process: leave the run to the next worker at once.
            work.cancel()
            await asyncio.gather(work, return_exceptions=True)
            with suppress(AffidavitError):
                await self._owned.give_back(after=0, error="")
            raise
        finally:
            beat.cancel()
            work.cancel()
            await asyncio.gather(beat, work, return_exceptions=True)
            await self._owned.trail.close()
            await self._reporter.close()
        return await asyncio.to_thread(self._resources.runs.get, self._run.id)

    async def _renew(self) -> None:
        """Keep the lease until it is lost."""
        while True:
            await asyncio.sleep(self._resources.settings.lease_seconds / 3)
            try:
                await asyncio.to_thread(self._owned.renew)
            except Unavailable:
                continue  # the lease may outlive a storage that does not answer

    async def _work(self) -> None:
        try:
            with tracing_context(enabled=False):
                await self._to_the_end()
        except (LeaseLost, asyncio.CancelledError):
            raise
        except Unavailable as error:
            after = RETRY_SECONDS[min(self._run.tries, len(RETRY_SECONDS)) - 1]
            await self._owned.give_back(after=max(after, error.after), error=self._short(error))
        except GraphRecursionError:
            await self._fail("The run took more steps than it may.")
        except Exception as error:  # noqa: BLE001 - whatever a node raises ends the run, with its reason
            await self._fail(self._short(error))

    async def _to_the_end(self) -> None:
        graph = self._graph()
        self._ancestors = await asyncio.to_thread(self._resources.runs.ancestors, self._run)
        while True:
            state = await graph.aget_state(self._config)
            self._reporter.at_checkpoint(state.config["configurable"].get("checkpoint_id", ""))
            if not self._is_done(state):
                given = await self._input(state)
                with suppress(GraphDrained):  # at the end of a step, with its checkpoint stored
                    await graph.ainvoke(
                        given,
                        self._config,
                        context=self._context(),
                        durability="sync",
                        control=self._control,
                    )
                state = await graph.aget_state(self._config)
            if self._is_done(state):
                await self._succeed(state)
                return
            if not state.interrupts:  # drained
                await self._owned.give_back(after=0, error="")
                return
            interrupts = [_interrupt(each.id, each.value) for each in state.interrupts]
            usage, cost = await asyncio.to_thread(self._spent)
            if await self._owned.wait_for_person(interrupts, usage=usage, cost_usd=cost):
                self._reporter.ended("interrupted", asked=len(interrupts))
                return

    @property
    def _config(self) -> Any:
        return {
            "configurable": {"thread_id": self._run.thread_id, "run_id": self._run.id},
            "callbacks": [self._watcher],
            "recursion_limit": STEPS,
        }

    def _graph(self) -> Any:
        graphs = self._resources.graphs
        if self._run.graph not in graphs:
            raise NotFound(f"There is no graph {self._run.graph!r} here; there is {[*graphs]}.")
        saver = self._resources.saver(
            epoch=self._run.epoch,
            fences=self._owned.fences,
            before_write=self._owned.trail.flush,
            written=self._reporter.at_checkpoint,
        )
        update = {"checkpointer": saver, "store": self._resources.memory}
        return graphs[self._run.graph].copy(update)

    def _context(self) -> Context:
        resources, run = self._resources, self._run
        runs_table = resources.workspace.tables.runs
        return Context(
            run_id=run.id,
            workspace=resources.workspace.name,
            model=self._model,
            library=resources.library,
            tools=resources.tools,
            journal=self._reporter,
            effects=Effects(self._owned.trail, runs_table, run.id),
            recordings=self._recordings,
            approvals=lambda: resources.runs.decided(run.id),
            policy=resources.policy,
            version=desk_version() if run.graph == DESK else run.graph,
        )

    def _is_ours(self, state: StateSnapshot) -> bool:
        owner = (state.metadata or {}).get("run_id")
        return owner == self._run.id or owner in self._ancestors

    def _is_done(self, state: StateSnapshot) -> bool:
        # Not `next`: a task whose writes are stored is no longer next, and the step is still open.
        return self._is_ours(state) and not state.tasks

    async def _input(self, state: StateSnapshot) -> Any:
        run = self._run
        if not self._is_ours(state):
            if run.graph == DESK:
                return new_question(run.question, run.documents, f"{run.id}-q")
            asked = {"messages": [HumanMessage(run.question, id=f"{run.id}-q")]}
            return run.input if run.input is not None else asked
        waiting = {each.id for each in state.interrupts}
        decided = await asyncio.to_thread(self._resources.runs.decided, run.id)
        answers = {
            d.interrupt.id: d.decision
            for d in decided
            if d.interrupt.id in waiting and d.decision is not None
        }
        return Command(resume=answers) if answers else None

    async def _succeed(self, state: StateSnapshot) -> None:
        answer = state.values.get("answer") if isinstance(state.values, dict) else None
        usage, cost = await asyncio.to_thread(self._spent)
        await self._owned.end("success", answer=answer, usage=usage, cost_usd=cost)
        self._reporter.ended("success", cost_usd=cost)

    async def _fail(self, error: str) -> None:
        usage, cost = await asyncio.to_thread(self._spent)
        await self._owned.end("error", usage=usage, cost_usd=cost, error=error)
        self._reporter.ended("error", cost_usd=cost)

    def _spent(self) -> tuple[Usage, float]:
        """Return what the run's model calls have cost, each counted once."""
        usages = [usage_of(message_of(each)) for each in self._recordings.all(MODEL)]
        name = model_name(self._resources.model)
        return sum(usages, Usage()), sum(cost_of(name, usage) for usage in usages)

    def _short(self, error: Exception) -> str:
        text = str(error) or type(error).__name__
        return self._resources.redacted(text)[:_ERROR_CHARS]


def _interrupt(interrupt_id: str, value: Any) -> Interrupt:
    fields = value if isinstance(value, dict) else {"value": value}
    return Interrupt(id=interrupt_id, kind=interrupt_kind(fields), value=fields)
