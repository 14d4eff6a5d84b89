"""The state machines, the orchestrator (the Python API) and the worker."""

from graph.desk import build_desk
from graph.orchestrator import Orchestrator

__all__ = ["Orchestrator", "build_desk"]
