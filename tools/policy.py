"""The policy: what a tool call is allowed, asked about, or denied. It is code and data, no prompt.

Rules are tried in order and the first that matches decides; with no rule the call is denied. What a
rule looks at is the tool, its declared risk, the arguments and the workspace: no text in a document
or a message reaches it. A file of rules (`read_policy`) takes the place of `DEFAULT`:

    rules:
      - {verdict: deny, tool: delete_object, why: nothing is deleted here}
      - {verdict: ask, tool: publish_deliverable, args: {name: "board-*"}, approvals: 2}
      - {verdict: ask, tool: put_object, args: {key: "board-*"}, approvals: 2}
      - {verdict: ask, tool: copy_object, args: {to: "board-*"}, approvals: 2}
      - {verdict: ask, risk: write, expires_after_hours: 48}
      - {verdict: allow, risk: read}

A rule speaks about the tools that its pattern names, and about no other that comes to the same:
each of the three above gives a deliverable its name, so each has its rule.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Final, Literal

import yaml
from langchain_core.tools import BaseTool, StructuredTool, ToolException
from pydantic import Field, ValidationError, model_validator

from storage.errors import AffidavitError, InvalidInput
from storage.records import Record
from tools.registry import Entry, checked_args

Verdict = Literal["allow", "ask", "deny"]
MOST_POLICY_BYTES: Final = 1_000_000
MOST_HOURS: Final = 10 * 366 * 24


class Rule(Record):
    """Patterns are those of `fnmatch`; an argument that is absent matches no pattern."""

    verdict: Verdict
    tool: str = "*"
    risk: Literal["read", "write", "destructive", "*"] = "*"
    workspace: str = "*"
    args: dict[str, str] = Field(default_factory=dict)
    why: str = ""
    approvals: int = Field(1, ge=1, le=10)
    """How many different persons have to approve, where the verdict is to ask."""
    expires_after_hours: float | None = Field(None, gt=0, le=MOST_HOURS)
    """How long one can approve; after that the call counts as rejected. None: for good."""

    @model_validator(mode="after")
    def _only_questions_have_terms(self) -> "Rule":
        if self.verdict != "ask" and (self.approvals > 1 or self.expires_after_hours):
            raise ValueError("approvals and expires_after_hours go with the verdict ask")
        return self

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


NO_RULE: Final = Rule(verdict="deny", why="no rule allows it")


@dataclass(frozen=True, slots=True)
class Policy:
    """Ordered rules."""

    rules: Sequence[Rule] = ()

    def decide(self, entry: Entry, args: Mapping[str, Any], workspace: str) -> Rule:
        """Return the rule that decides on a call, with its reason."""
        for rule in self.rules:
            if rule.matches(entry, args, workspace):
                why = rule.why or f"a rule for {rule.tool} says {rule.verdict}"
                return rule.model_copy(update={"why": why})
        return NO_RULE

    def idle(self, tools: Iterable[Entry]) -> list[int]:
        """Return the numbers of the rules, from 1, that speak about none of the tools."""
        known = list(tools)
        return [
            number
            for number, rule in enumerate(self.rules, 1)
            if not any(
                fnmatchcase(entry.name, rule.tool) and fnmatchcase(entry.risk, rule.risk)
                for entry in known
            )
        ]


class _File(Record):
    """What a file of rules holds."""

    rules: list[Rule]


def read_policy(path: Path) -> Policy:
    """Read a file of ordered rules, in YAML or JSON.

    Raises:
        InvalidInput: it cannot be read, or holds what is no rule; the message names the place.
    """
    try:
        with path.open("rb") as file:
            text = file.read(MOST_POLICY_BYTES + 1)
        if len(text) > MOST_POLICY_BYTES:
            raise InvalidInput(f"The policy {path} has more than {MOST_POLICY_BYTES:,} bytes.")
        return Policy(tuple(_File.model_validate(yaml.load(text, _Loader)).rules))  # noqa: S506
    except OSError as error:
        raise InvalidInput(
            f"The policy {path} cannot be read: {error.strerror}. "
            "AFFIDAVIT_POLICY names a file of rules; unset it for the rules that come along."
        ) from error
    except InvalidInput:
        raise
    except Exception as error:  # what a scalar of a wrong tag raises is any error
        raise InvalidInput(f"The policy {path} cannot be used. {_wrong(error)}") from error


class _Loader(yaml.SafeLoader):  # type: ignore[misc] # it has no types
    """YAML without objects, merged mappings, which can grow without bounds, or doubled fields."""

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        """Return a mapping whose fields are each there once."""
        seen: set[str] = set()
        for key, _ in node.value:
            name = str(key.value)
            if name in seen or key.tag == "tag:yaml.org,2002:merge":
                why = "is there twice" if name in seen else "cannot be used here"
                raise yaml.constructor.ConstructorError(
                    problem=f"the field {name!r} {why}", problem_mark=key.start_mark
                )
            seen.add(name)
        return dict(super().construct_mapping(node, deep))


def _wrong(error: Exception) -> str:
    if isinstance(error, ValidationError):
        return "; ".join(f"{_place(e['loc'])}{e['msg']}" for e in error.errors()[:5]) + "."
    mark = getattr(error, "problem_mark", None)
    where = f" at line {mark.line + 1}" if mark else ""
    return f"It is no YAML{where}: {getattr(error, 'problem', None) or 'it cannot be parsed'}."


def _place(location: tuple[int | str, ...]) -> str:
    """Return where in the file something is wrong, as a person counts."""
    match location:
        case ("rules", int(index), *rest):
            return f"Rule {index + 1}{''.join(f', {part}' for part in rest)}: "
        case ():
            return "It is a mapping with the list `rules`: "
    return f"{'.'.join(map(str, location))}: "


def guarded(entry: Entry, policy: Policy, workspace: str) -> BaseTool:
    """Return a tool that asks the policy at each call, and never does more than read or plan.

    What it returns can be kept in any state: text, and no plan.
    """

    def call(**arguments: Any) -> str:
        args = checked_args(entry, arguments)
        rule = policy.decide(entry, args, workspace)
        if rule.verdict == "deny" or (rule.verdict == "ask" and entry.risk == "read"):
            raise ToolException(f"{entry.name} is not allowed here: {rule.why}.")
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
