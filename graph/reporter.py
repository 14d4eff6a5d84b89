"""What a run tells telemetry: the events of its agents, each in the agent's log group, and metrics.

Events are collected and handed over together every second and at the end, on another thread; a
telemetry that fails or is slow changes nothing of the run. What an event holds are names, numbers
and hashes, as everything that a node may note, and what looks like a key is taken out.

    events    run, thread, checkpoint, step, task, event, and what was noted with it
    metrics   runs_{status} run_seconds queue_seconds step_seconds model_calls input_tokens
              cached_tokens output_tokens dollars approvals_asked citations_rejected
"""

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Any, Final

from storage.ports import LOG_GROUPS, LogEvent, Measurement, Telemetry, Value
from storage.records import Run, RunStatus
from storage.trail import Trail

SOON_SECONDS: Final = 1.0
logger = logging.getLogger(__name__)


class Reporter:
    """The journal of one claim of a run: what is noted goes on the record, and to telemetry."""

    def __init__(
        self, trail: Trail, telemetry: Telemetry, redacted: Callable[[str], str], run: Run
    ) -> None:
        self._trail = trail
        self._telemetry = telemetry
        self._redacted = redacted
        self._run = run
        self._checkpoint = ""
        self._step = 0
        self._agents: dict[str, str] = {}
        self._events: list[LogEvent] = []
        self._values: list[Measurement] = []
        self._soon: asyncio.Task[None] | None = None
        self.measure("queue_seconds", max(0.0, time.time() - run.updated_at), "Seconds")

    def at_checkpoint(self, checkpoint_id: str) -> None:
        """Take down from which checkpoint the next steps run."""
        self._checkpoint = checkpoint_id

    def begin(self, task: str, agent: str, step: int) -> None:
        """Take down that a task begins, and for which agent it works."""
        self._agents[task], self._step = agent, step

    def note(self, kind: str, *, node: str = "", task: str = "", **data: Any) -> None:
        """See `nodes.context.Journal`."""
        self._trail.note(kind, node=node, task=task, **data)
        agent = node if node in LOG_GROUPS else self._agents.get(task, "")
        if agent in LOG_GROUPS:
            event: dict[str, Value] = {
                "event": kind,
                "run": self._run.id,
                "thread": self._run.thread_id,
                "checkpoint": self._checkpoint,
                "step": self._step,
                "task": task,
                **data,
            }
            self._events.append(LogEvent(time.time(), agent, self._clean(event)))
        self._measure_note(kind, data)
        self._report_soon()

    def measure(self, name: str, value: float, unit: str = "Count") -> None:
        """Collect one value of a metric."""
        self._values.append(Measurement(name, value, unit))

    def ended(self, status: RunStatus, *, asked: int = 0, cost_usd: float = 0.0) -> None:
        """Count how the run was left, and how many approvals it asks for."""
        self.measure(f"runs_{status}", 1)
        if status == "interrupted":
            self.measure("approvals_asked", asked)
        else:
            self.measure("run_seconds", max(0.0, time.time() - self._run.created_at), "Seconds")
            self.measure("run_dollars", cost_usd, "None")

    async def close(self) -> None:
        """Hand over what is left."""
        if self._soon:
            self._soon.cancel()
            await asyncio.gather(self._soon, return_exceptions=True)
        await asyncio.to_thread(self._report, *self._take())

    def _measure_note(self, kind: str, data: dict[str, Any]) -> None:
        if kind == "model_call" and not data["recorded"]:
            self.measure("model_calls", 1)
            for tokens in ("input_tokens", "cached_tokens", "output_tokens"):
                self.measure(tokens, data[tokens])
            self.measure("dollars", data["microdollars"] / 1e6, "None")
        elif kind == "reviewed":
            self.measure("citations_rejected", data["rejected"])

    def _clean(self, value: Any) -> Any:
        """Return a value without anything in it that looks like a key."""
        match value:
            case str():
                return self._redacted(value)
            case list() | tuple():
                return [self._clean(each) for each in value]
            case dict():
                return {name: self._clean(each) for name, each in value.items()}
        return value

    def _report_soon(self) -> None:
        if self._soon is None or self._soon.done():
            self._soon = asyncio.create_task(self._report_later())

    async def _report_later(self) -> None:
        await asyncio.sleep(SOON_SECONDS)
        await asyncio.to_thread(self._report, *self._take())

    def _take(self) -> tuple[list[LogEvent], list[Measurement]]:
        taken = self._events, self._values
        self._events, self._values = [], []
        return taken

    def _report(self, events: list[LogEvent], values: list[Measurement]) -> None:
        try:
            self._telemetry.report(events, values)
        except Exception:
            # Whatever telemetry raises, the run goes on.
            logger.warning("Some events of run %s were not kept.", self._run.id, exc_info=True)
