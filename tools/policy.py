"""The policy: what a tool call is allowed, asked about, or denied. It is code and data, no prompt.

Rules are tried in order and the first that matches decides; with no rule the call is denied. What a
rule looks at is the tool, its declared risk, the arguments and the workspace: no text in a document
or a message reaches it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, Literal

from langchain_core.tools import BaseTool, StructuredTool, ToolException
from pydantic import Field

from storage.errors import AffidavitError
from storage.records import Record
from tools.registry import Entry, checked_args

Verdict = Literal["allow", "ask", "deny"]


class Rule(Record):
    """Patterns are those of `fnmatch`; an argument that is absent matches no pattern."""

    verdict: Verdict
    tool: str = "*"
    risk: str = "*"
    workspace: str = "*"
    args: dict[str, str] = Field(default_factory=dict)
    why: str = ""

    def matches(self, entry: Entry, args: Mapping[str, Any], workspace: str) -> bool:
        """Return whether the rule speaks about a call."""
        return (
            fnmatchcase(entry.name, self.tool)
            and fnmatchcase(entry.risk, self.risk)
            and fnmatchcase(workspace, self.workspace)
            and all(
                name in args and fnmatchcase(str(args[name]), pattern)
                for name, pattern in self.args.items()
            )
        )


@dataclass(frozen=True, slots=True)
class Policy:
    """Ordered rules."""

    rules: Sequence[Rule] = ()

    def decide(self, entry: Entry, args: Mapping[str, Any], workspace: str) -> tuple[Verdict, str]:
        """Return the verdict on a call, and why."""
        for rule in self.rules:
            if rule.matches(entry, args, workspace):
                return rule.verdict, rule.why or f"a rule for {rule.tool} says {rule.verdict}"
        return "deny", "no rule allows it"


def guarded(entry: Entry, policy: Policy, workspace: str) -> BaseTool:
    """Return a tool that asks the policy at each call, and never does more than read or plan.

    What it returns can be kept in any state: text, and no plan.
    """

    def call(**arguments: Any) -> str:
        args = checked_args(entry, arguments)
        verdict, why = policy.decide(entry, args, workspace)
        if verdict == "deny" or (verdict == "ask" and entry.risk == "read"):
            raise ToolException(f"{entry.name} is not allowed here: {why}.")
        try:
            said = str(entry.tool.invoke(args))
        except AffidavitError as error:
            raise ToolException(str(error)) from error
        return said if entry.risk == "read" else f"Nothing was done. It would: {said}"

    return StructuredTool.from_function(
        func=call,
        name=entry.name,
        description=entry.tool.description,
        args_schema=entry.tool.args_schema,
        handle_tool_error=True,
    )


DEFAULT = Policy(
    (
        Rule(verdict="allow", risk="read", why="reading is allowed"),
        Rule(verdict="ask", risk="write", why="a person approves what is written"),
        Rule(verdict="ask", risk="destructive", why="a person approves what is removed"),
    )
)
"""Reads are allowed, everything else is asked."""
