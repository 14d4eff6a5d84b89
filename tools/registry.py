"""The tools that agents may call: LangChain tools, each with its declared risk.

Calling a tool never changes anything. A tool that reads returns what it found; a tool that writes
returns a `Plan` of what it would do, as its artifact, and only the node `act` carries a plan out,
after the policy and a person allowed it (`tools.effects`). So a tool can be bound to any model and
any graph, and still cannot act alone. A write that declares no way to be made safe to repeat cannot
be registered.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any, Final, Literal, get_args

from langchain_core.tools import BaseTool, StructuredTool
from pydantic import BaseModel, ValidationError

from storage.errors import InvalidInput, NotFound
from storage.ports import Action

Risk = Literal["read", "write", "destructive"]
Safety = Literal["transaction", "repeatable", "at_most_once"]
"""How a write is kept from happening twice.

- `transaction`: its plan is table actions that commit together with their ledger entry.
- `repeatable`: its plan is table actions that commit together with a note that it was begun, and a
  call that changes nothing more when it is made again; after a crash it is made again.
- `at_most_once`: its plan is a call to something that takes no idempotency token. It is begun once;
  if nobody can say whether it was done, a person is asked.

An error of a tool while it plans, or of `prepare`, says that nothing was done. One of `call` does
not, whatever it is: what a tool has to refuse, it refuses before.
"""

MOST_ARGUMENT_BYTES: Final = 150_000
"""As JSON: what was asked for and what a person made of it have to fit one item together."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a write would do. `shows` is what a person approves, and `done` what is said after."""

    shows: str
    done: str
    actions: Sequence[Action] = ()
    call: Callable[[], str | None] | None = None
    """What is done outside the tables; a text that it returns is added to what is said."""
    prepare: Callable[[], None] | None = None
    """Stores content under its hash before the transaction names it; safe to repeat."""
    as_it_is: bool = False
    """It cannot be approved with other arguments: of another plan, more would have to be shown."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A registered tool."""

    tool: BaseTool
    risk: Risk
    safety: Safety | None = None

    @property
    def name(self) -> str:
        """The tool's name."""
        return self.tool.name


@dataclass(slots=True)
class Registry:
    """The tools of a desk, by name."""

    _entries: dict[str, Entry] = field(default_factory=dict)

    def add(self, tool: BaseTool, risk: Risk, safety: Safety | None = None) -> None:
        """Register a tool.

        Raises:
            InvalidInput: the name is taken, or a write does not declare its safety.
        """
        if tool.name in self._entries:
            raise InvalidInput(f"There is a tool {tool.name!r} already.")
        if risk not in get_args(Risk):
            raise InvalidInput(
                f"The tool {tool.name!r} must declare its risk: 'read', 'write' or 'destructive'."
            )
        if risk != "read" and safety not in get_args(Safety):
            raise InvalidInput(
                f"The tool {tool.name!r} is a {risk} and must declare how it is made safe to "
                "repeat: safety='transaction', 'repeatable' or 'at_most_once'."
            )
        self._entries[tool.name] = Entry(tool, risk, safety)

    def get(self, name: str) -> Entry:
        """Return a tool.

        Raises:
            NotFound: there is no such tool; the message lists those there are.
        """
        if name not in self._entries:
            raise NotFound(f"There is no tool {name!r}; there are {', '.join(self._entries)}.")
        return self._entries[name]

    def bindable(self, *names: str) -> list[BaseTool]:
        """Return tools to bind to a model: those named, or all."""
        return [self.get(name).tool for name in names or self._entries]

    def __iter__(self) -> Iterator[Entry]:
        return iter(self._entries.values())


def reads(args: type[BaseModel], function: Callable[..., tuple[str, Any]]) -> StructuredTool:
    """Make a LangChain tool of a function from keyword arguments to `(content, artifact)`.

    The name is the function's, the description its docstring's first paragraph.
    """
    return _tool(args, function)


def plans(args: type[BaseModel], function: Callable[..., Plan]) -> StructuredTool:
    """Make a LangChain tool of a function from keyword arguments to a `Plan`."""

    def planned(**arguments: Any) -> tuple[str, Plan]:
        plan = function(**arguments)
        return plan.shows, plan

    planned.__name__, planned.__doc__ = function.__name__, function.__doc__
    return _tool(args, planned)


def _tool(args: type[BaseModel], function: Callable[..., Any]) -> StructuredTool:
    description = " ".join((function.__doc__ or "").split("\n\n")[0].split())
    return StructuredTool.from_function(
        func=function,
        name=function.__name__,
        description=description,
        args_schema=args,
        response_format="content_and_artifact",
    )


def checked_args(entry: Entry, args: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments as the tool's schema reads them, those left out with their defaults.

    Raises:
        InvalidInput: they do not fit, or are too long; the message names each and why.
    """
    size = len(json.dumps(dict(args), default=str))
    if size > MOST_ARGUMENT_BYTES:
        raise InvalidInput(
            f"The arguments of {entry.name} have {size:,} bytes; at most {MOST_ARGUMENT_BYTES:,} "
            "fit. Say it in less, or in parts."
        )
    schema = entry.tool.args_schema
    if not (isinstance(schema, type) and issubclass(schema, BaseModel)):
        return {**_defaults(entry.tool), **args}
    try:
        return schema.model_validate(dict(args)).model_dump(mode="json")
    except ValidationError as error:
        wrong = "; ".join(
            f"{'.'.join(map(str, e['loc'])) or 'arguments'}: {e['msg']}" for e in error.errors()
        )
        raise InvalidInput(f"The arguments of {entry.name} do not fit: {wrong}.") from None


def _defaults(tool: BaseTool) -> dict[str, Any]:
    """Return what a JSON schema says of arguments that are left out."""
    schema = tool.args_schema
    properties = schema.get("properties", {}) if isinstance(schema, dict) else tool.args
    told = {name: each for name, each in properties.items() if isinstance(each, dict)}
    return {name: deepcopy(each["default"]) for name, each in told.items() if "default" in each}
