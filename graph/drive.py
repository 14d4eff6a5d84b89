"""Drives a claimed run from where it stands to its end, or to a question to a person.

What goes in is decided by the record, never guessed:

    the latest checkpoint belongs to another run      the run's input
    open interrupts have a decision on the record     Command(resume={interrupt id: decision})
    otherwise                                         nothing: go on

Losing the lease stops everything at once; what this process still does counts for nothing. A run
whose time is up is ended by raising the epoch first, so that what it still does is just that.
"""

import asyncio
import logging
import math
import time
from contextlib import suppress
from typing import Any, Final, TypedDict

from langchain_core.messages import HumanMessage
from langgraph.errors import GraphDrained
from langgraph.runtime import RunControl
from langgraph.types import Command, StateSnapshot
from langsmith import tracing_context

from graph.budget import STEPS, question_for_more, steps_done
from graph.desk import DESK
from graph.extraction import EXTRACTION, table_input
from graph.reporter import Reporter
from graph.resources import Resources
from graph.versions import version_of
from graph.watcher import Watcher
from nodes.context import Context
from nodes.extractor_state import table_of
from nodes.models import Recorded, briefly
from nodes.state import new_question
from storage.claims import claim
from storage.decisions import expire
from storage.errors import (
    AffidavitError,
    Conflict,
    LeaseLost,
    NotFound,
    OverBudget,
    Unavailable,
    Waits,
)
from storage.leases import Ownership
from storage.recordings import Recordings
from storage.records import Answer, Interrupt
from storage.run_layout import interrupt_kind
from storage.stopping import stop
from storage.texts import readable
from tools.effects import Effects

logger = logging.getLogger(__name__)

RETRY_SECONDS: Final = (1.0, 4.0, 15.0, 60.0)
_ERROR_CHARS: Final = 2000
_TERMS: Final = ("expires_at", "approvals")
"""What of an interrupt's value is kept beside it."""
_NO_LIMIT: Final = 10_000_000
"""LangGraph's own bound on steps; the budget's is asked about, and comes first."""


def take(resources: Resources, run_id: str, owner: str) -> Ownership:
    """Claim a run for this process; what it waited for in vain has expired first.

    Raises:
        NotFound: there is no such run, or no such graph here.
        Conflict: it cannot be claimed; see `storage.claims.claim`.
    """
    terms: dict[str, Any] = {
        "owner": owner,
        "seconds": resources.settings.lease_seconds,
        "versions": resources.versions,
    }
    try:
        return claim(resources.runs, run_id, **terms)
    except Waits:
        if not expire(resources.runs, run_id):
            raise
        return claim(resources.runs, run_id, **terms)


class _Told(TypedDict):
    error: str
    """For the run's record: without what pydantic was given, or anything that looks like a secret.
    """
    error_type: str
    """For the chain, which cannot be erased."""


class Drive:
    """One claim of one run."""

    def __init__(self, resources: Resources, owned: Ownership) -> None:
        self._resources = resources
        self._owned = owned
        self._run = owned.run
        ports = resources.workspace
        self._recordings = Recordings(
            ports.tables.runs,
            ports.buckets.state,
            owned.run.id,
            round_=owned.run.retries,
            epoch=owned.run.epoch,
            still=owned.still,
        )
        self._reporter = Reporter(owned.trail, ports.telemetry, resources.redacted, owned.run)
        self._model = Recorded(
            inner=resources.model,
            recordings=self._recordings,
            journal=self._reporter,
            budget=owned.run.budget,
            price=resources.price,
        )
        self._watcher = Watcher(self._reporter, self._model)
        self._control = RunControl()
        self._ancestors: list[str] = []
        self._first_step = -1
        self._over = ""
        """The part of the budget that is used up: steps, tokens or dollars."""

    def drain(self) -> None:
        """Stop at the end of the current step and give the run back."""
        self._control.request_drain()

    async def go(self) -> None:
        """Drive the run as far as it goes.

        Raises:
            LeaseLost: another worker owns it by now, or it was cancelled.
        """
        try:
            await self._go()
        finally:
            if self._owned.next_run:
                await asyncio.to_thread(self._resources.hint, self._owned.next_run)

    async def _go(self) -> None:
        work = asyncio.create_task(self._work())
        beat = asyncio.create_task(self._renew())
        try:
            left = min(max(0.0, self._owned.left), _NO_LIMIT)
            done, _ = await asyncio.wait(
                {work, beat}, timeout=left, return_when=asyncio.FIRST_COMPLETED
            )
            if not done:
                await self._time_out(work)
                return
            if not work.done():
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
            await self._owned.close()
            await self._reporter.close()

    async def _time_out(self, work: asyncio.Task[None]) -> None:
        """End the run, if it has not ended by now, and then what it is doing."""
        run, runs = self._run, self._resources.runs
        why = f"It was at work for {run.timeout:,.0f} s, as long as it may be."
        epoch = run.epoch
        with suppress(Conflict):  # it has ended by itself, or somebody else has ended it
            _, self._owned.next_run = await self._owned.thread.do(
                stop, runs, run.id, "timeout", None, error=why, epoch=epoch
            )
            self._reporter.ended("timeout", cost_usd=self._recordings.cost_usd)
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)

    async def _renew(self) -> None:
        """Keep the lease until it is lost; one renewal that fails is not the end of it."""
        while True:
            await asyncio.sleep(self._resources.settings.lease_seconds / 3)
            try:
                await self._owned.thread.do(self._owned.renew)
            except LeaseLost:
                raise
            except Unavailable:
                continue  # the lease may outlive a storage that does not answer
            except Exception as error:
                if time.time() >= self._owned.expires_at:
                    raise
                logger.warning("The lease of run %s was not renewed: %s", self._run.id, error)

    async def _work(self) -> None:
        try:
            with tracing_context(enabled=False):
                await self._to_the_end()
        except (LeaseLost, asyncio.CancelledError):
            raise
        except Unavailable as error:
            after = RETRY_SECONDS[min(self._run.tries, len(RETRY_SECONDS)) - 1]
            await self._owned.give_back(after=max(after, error.after), **self._told(error))
        except Exception as error:  # noqa: BLE001 - whatever a node raises ends the run, with its reason
            await self._fail(error)

    async def _to_the_end(self) -> None:
        graph = self._graph()
        await asyncio.to_thread(self._recordings.load)
        if self._run.forked_from:
            self._ancestors = await asyncio.to_thread(self._resources.runs.ancestors, self._run)
        while True:
            state = await graph.aget_state(self._config)
            if self._is_done(state):
                await self._succeed(state.values)
                return
            found = await self._advance(graph, state)
            if found is not None and "__interrupt__" not in found:
                await self._succeed(found)
                return
            if found is not None:
                state = await graph.aget_state(self._config)
                interrupts = [_interrupt(each.id, each.value) for each in state.interrupts]
            elif self._over:
                interrupts = [await self._more()]
            else:  # drained
                await self._owned.give_back(after=0, error="")
                return
            if await self._wait(interrupts):
                return

    async def _advance(self, graph: Any, state: StateSnapshot) -> dict[str, Any] | None:
        """Go on from a state; return what came of it, or None if it stopped between two steps."""
        self._over = ""
        self._reporter.at_checkpoint(state.config["configurable"].get("checkpoint_id", ""))
        metadata = state.metadata if self._is_ours(state) else None
        self._first_step, done = steps_done(self._run, state.metadata, ours=metadata is not None)
        self._count(done)
        if self._over:
            return None
        given = await self._input(state)
        config = self._config
        config["configurable"]["first_step"] = self._first_step
        try:
            found = await graph.ainvoke(
                given, config, context=self._context(), durability="sync", control=self._control
            )
        except GraphDrained:  # at the end of a step, with its checkpoint stored
            return None
        except OverBudget as error:
            self._over = error.part
            return None
        return found if isinstance(found, dict) else {}

    def _written(self, checkpoint_id: str, step: int) -> None:
        """Take down a checkpoint of the graph itself, and whether a further step may be taken."""
        self._reporter.at_checkpoint(checkpoint_id)
        self._count(step - self._first_step - 1)

    def _count(self, steps: int) -> None:
        most = self._run.budget.steps
        if most is not None and steps >= most:
            self._over = STEPS
            self._control.request_drain()

    async def _more(self) -> Interrupt:
        """Return the question for more of what is used up."""
        asked = await asyncio.to_thread(self._resources.runs.decided, self._run.id)
        # One that still waits, while another question was decided, is the same question.
        count = sum(d.interrupt.kind == "budget" and d.decision is not None for d in asked)
        spent = (self._recordings.usage, self._recordings.cost_usd)
        return question_for_more(self._run, self._over, *spent, number=count)

    async def _wait(self, interrupts: list[Interrupt]) -> bool:
        """Leave the run to a person; return False if one has decided by now."""
        usage, cost = self._recordings.usage, self._recordings.cost_usd
        if await self._owned.wait_for_person(interrupts, usage=usage, cost_usd=cost):
            self._reporter.ended("interrupted", asked=len(interrupts))
            return True
        kept = await asyncio.to_thread(self._resources.runs.kept, self._run.id)
        self._run = self._run.model_copy(update={"budget": kept.run.budget})
        self._model.budget = kept.run.budget
        if self._over:  # what stopped it was the budget, and nobody who stops this worker
            self._control = RunControl()
        return False

    @property
    def _config(self) -> Any:
        return {
            "configurable": {"thread_id": self._run.thread_id, "run_id": self._run.id},
            "callbacks": [self._watcher],
            "recursion_limit": _NO_LIMIT,
        }

    def _graph(self) -> Any:
        graphs = self._resources.graphs
        if self._run.graph not in graphs:
            raise NotFound(f"There is no graph {self._run.graph!r} here; there is {[*graphs]}.")
        saver = self._resources.saver(
            epoch=self._run.epoch,
            fences=self._owned.fences,
            before_write=self._owned.before_write,
            written=self._written,
        )
        update = {"checkpointer": saver, "store": self._resources.memory}
        return graphs[self._run.graph].copy(update)

    def _context(self) -> Context:
        resources, run = self._resources, self._run
        effects = Effects(
            self._owned.trail,
            resources.workspace.tables.runs,
            run.id,
            ancestors=self._ancestors,
            owns=self._owned.check,
        )
        return Context(
            run_id=run.id,
            workspace=resources.workspace.name,
            model=self._model,
            library=resources.library,
            tools=resources.tools,
            journal=self._reporter,
            effects=effects,
            recordings=self._recordings,
            approvals=lambda: resources.runs.decided(run.id),
            policy=resources.policy,
            version=version_of(run.versions),
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
            if run.graph == EXTRACTION:
                return table_input(run)
            asked = {"messages": [HumanMessage(run.question, id=f"{run.id}-q")]}
            return run.input if run.input is not None else asked
        waiting = {each.id for each in state.interrupts}
        if not waiting:
            return None
        decided = await asyncio.to_thread(self._resources.runs.decided, run.id)
        answers = {
            d.interrupt.id: d.decision
            for d in decided
            if d.interrupt.id in waiting and d.decision is not None
        }
        return Command(resume=answers) if answers else None

    async def _succeed(self, values: Any) -> None:
        answer = values.get("answer") if isinstance(values, dict) else None
        usage, cost = self._recordings.usage, self._recordings.cost_usd
        answer = answer if isinstance(answer, Answer) else None
        table = ""
        if self._run.graph == EXTRACTION:
            made = table_of(values)
            await self._owned.still_beside()
            table = await asyncio.to_thread(self._resources.extractions.put, self._run.id, made)
        await self._owned.end("success", answer=answer, table=table, usage=usage, cost_usd=cost)
        self._reporter.ended("success", cost_usd=cost)

    async def _fail(self, error: Exception) -> None:
        usage, cost = self._recordings.usage, self._recordings.cost_usd
        await self._owned.end("error", usage=usage, cost_usd=cost, **self._told(error))
        self._reporter.ended("error", cost_usd=cost)

    def _told(self, error: Exception) -> _Told:
        """Return what is kept of an error."""
        kind = type(error).__name__
        text = self._resources.redacted(readable(briefly(error) or kind))
        return {"error": text[:_ERROR_CHARS], "error_type": kind}


def _interrupt(interrupt_id: str, value: Any) -> Interrupt:
    fields = value if isinstance(value, dict) else {"value": value}
    return Interrupt(
        id=interrupt_id,
        kind=interrupt_kind(fields),
        value={name: each for name, each in fields.items() if name not in _TERMS},
        expires_at=_number(fields.get("expires_at")),
        approvals=max(1, int(_number(fields.get("approvals")))),
    )


def _number(value: Any) -> float:
    """Return a number of an interrupt's value; a graph of one's own may put anything there."""
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else 0.0
