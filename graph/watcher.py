"""Watches the nodes of a run through LangChain's callbacks, whatever graph they belong to.

It notes when a node starts and how it ends, and how long that took, and tells the recorder that a
task begins anew.
"""

import time
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from langchain_core.callbacks import AsyncCallbackHandler
from langgraph.errors import GraphBubbleUp

from graph.reporter import Reporter
from nodes.models import Recorded


class Watcher(AsyncCallbackHandler):
    """One for each claim of a run."""

    run_inline = True  # before the node's first line, and after its last

    def __init__(self, reporter: Reporter, model: Recorded) -> None:
        self._reporter = reporter
        self._model = model
        self._at_work: dict[UUID, tuple[str, str, float]] = {}

    async def on_chain_start(
        self,
        serialized: Any,  # noqa: ARG002 - LangChain's signature
        inputs: Any,
        *,
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
        step = int(metadata.get("langgraph_step", 0))
        # A task of `act` names the agent whose call it carries out.
        agent = str(inputs.get("agent", node)) if isinstance(inputs, Mapping) else node
        self._model.begin(task)
        self._reporter.begin(task, agent, step)
        self._at_work[run_id] = (node, task, time.monotonic())
        self._reporter.note("started", node=node, task=task, step=step)

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
        self._reporter.measure("step_seconds", time.monotonic() - since, "Seconds")
        self._reporter.note(kind, node=node, task=task, **data)
