"""Watches the nodes of a run through LangChain's callbacks, whatever graph they belong to.

It notes in the trail when a node starts and how it ends, tells the recorder that a task begins
anew, and collects what goes to the agents' log groups; these are written when the run is let go, so
that telemetry holds up no step.
"""

import time
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from langchain_core.callbacks import AsyncCallbackHandler
from langgraph.errors import GraphBubbleUp

from nodes.models import Recorded
from storage.ports import LOG_GROUPS, Telemetry, Value
from storage.trail import Trail


class Watcher(AsyncCallbackHandler):
    """One for each claim of a run."""

    run_inline = True  # before the node's first line, and after its last

    def __init__(self, trail: Trail, model: Recorded, run_id: str, thread_id: str) -> None:
        self._trail = trail
        self._model = model
        self._about: dict[str, Value] = {"run": run_id, "thread": thread_id}
        self._at_work: dict[UUID, tuple[str, str, float]] = {}
        self._collected: list[tuple[str, dict[str, Value]]] = []
        self._seconds: list[float] = []

    async def on_chain_start(
        self,
        *args: Any,
        run_id: UUID,
        tags: list[str] | None = None,
        metadata: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        """Note that a node starts."""
        if not any(tag.startswith("graph:step:") for tag in tags or ()):
            return  # something inside a node
        metadata = metadata or {}
        node = str(metadata.get("langgraph_node", ""))
        task = str(metadata.get("langgraph_checkpoint_ns", "")).rpartition(":")[2]
        self._model.begin(task)
        self._at_work[run_id] = (node, task, time.monotonic())
        step = int(metadata.get("langgraph_step", 0))
        self._trail.note("started", node=node, task=task, step=step)
        self._log(node, {"event": "started", "task": task, "step": step})

    async def on_chain_end(self, *args: Any, run_id: UUID, **kwargs: Any) -> None:
        """Note that a node has finished."""
        self._ended(run_id, "finished", {})

    async def on_chain_error(self, error: BaseException, *, run_id: UUID, **kwargs: Any) -> None:
        """Note that a node asks a person, or failed; what failed stands in the run's record."""
        if isinstance(error, GraphBubbleUp):
            self._ended(run_id, "asked", {})
        else:
            self._ended(run_id, "failed", {"error": type(error).__name__})

    def _ended(self, run_id: UUID, kind: str, data: dict[str, str]) -> None:
        if run_id not in self._at_work:
            return
        node, task, since = self._at_work.pop(run_id)
        self._trail.note(kind, node=node, task=task, **data)
        self._seconds.append(time.monotonic() - since)
        self._log(node, {"event": kind, "task": task, **data})

    def _log(self, node: str, record: Mapping[str, Value]) -> None:
        if node in LOG_GROUPS:
            self._collected.append((node, {**self._about, **record}))

    def report(self, telemetry: Telemetry) -> None:
        """Write what was collected."""
        collected: Sequence[tuple[str, dict[str, Value]]] = self._collected
        for group, record in collected:
            telemetry.log(group, record)
        for seconds in self._seconds:
            telemetry.metric("step_seconds", seconds, unit="Seconds")
        self._collected, self._seconds = [], []
