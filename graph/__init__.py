"""The state machines, the orchestrator (the Python API) and the worker."""

from graph.desk import build_desk
from graph.extraction import build_extraction
from graph.orchestrator import Orchestrator
from nodes.act import act
from nodes.context import Context
from nodes.tool_loop import call_tools

__all__ = ["Context", "Orchestrator", "act", "build_desk", "build_extraction", "call_tools"]
