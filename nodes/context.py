"""What a node is given to work with: the runtime context, and never a global.

A test of a node builds a `Context` by hand. In a run, `graph.drive` builds one for each claim.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from langchain_core.language_models import BaseChatModel

from storage.recordings import Recordings
from storage.run_layout import Decided
from tools.effects import Effects
from tools.library import Library
from tools.policy import DEFAULT, Policy
from tools.registry import Registry


class Journal(Protocol):
    """Where a node notes what it did, for whoever watches and for the record."""

    def note(self, kind: str, *, node: str = "", task: str = "", **data: Any) -> None:
        """Note an event. It holds numbers, names and hashes, and no text of a document."""


@dataclass(frozen=True, slots=True)
class Limits:
    """The bounds of a run."""

    visits: int = 12
    """How often the supervisor may be asked."""
    rounds: int = 2
    """How often work may be sent back by the reviewer."""
    calls: int = 4
    """How often an agent may call tools before it must come to an end."""
    parallel_calls: int = 4
    """How many tools it may call at once."""
    documents_at_once: int = 8
    """How many documents of a table may be under way at once."""
    objections: int = 1
    """How often the cells of a row may be sent back."""


@dataclass(frozen=True, slots=True)
class Context:
    """The dependencies of the nodes of one run."""

    run_id: str
    workspace: str
    model: BaseChatModel
    library: Library
    tools: Registry
    journal: Journal
    effects: Effects
    recordings: Recordings
    approvals: Callable[[], Sequence[Decided]]
    """Reads the decisions of people on this run, with who made them."""
    policy: Policy = DEFAULT
    limits: Limits = field(default_factory=Limits)
    version: str = ""
    """The version of graph and prompts; an approval is bound to it."""
