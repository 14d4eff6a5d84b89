"""A child process that kills itself at a chosen moment: SIGKILL, between any two lines.

The moment is either inside a node (its work is done, its result not stored yet) or just before or
after the n-th write to storage that follows the claim. The child runs the real command line.
"""

import functools
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Moment:
    """When to die. Neither a node nor a write: never."""

    node: str = ""
    write: int = 0
    after: bool = False
    count_to: str = ""
    """A file that gets the number of writes that there were."""


def run_cli(argv: list[str], environment: dict[str, str], moment: Moment, log: str) -> None:
    """Run the command line in this process, armed."""
    os.environ |= environment
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(output, 1)
    os.dup2(output, 2)
    sys.argv = ["affidavit", *argv]
    _arm(moment)
    from scripts.cli import main

    main()


def _arm(moment: Moment) -> None:
    if moment.node:
        _arm_node(moment.node)
    if moment.write or moment.count_to:
        _arm_writes(moment)


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _arm_node(name: str) -> None:
    import graph.desk

    node = getattr(graph.desk, name)

    @functools.wraps(node)
    async def killed(state: Any, runtime: Any) -> Any:
        result = await node(state, runtime)
        _die()
        return result

    setattr(graph.desk, name, killed)


def _arm_writes(moment: Moment) -> None:
    from graph.drive import Drive
    from storage.workspace import WorkspaceBlobs, WorkspaceTable

    written = {"claimed": 0, "n": 0}
    go = Drive.go

    @functools.wraps(go)
    async def counted_from_here(self: Drive) -> Any:
        written["claimed"] = 1
        return await go(self)

    Drive.go = counted_from_here  # type: ignore[method-assign]

    def armed(function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def write(*args: Any, **kwargs: Any) -> Any:
            written["n"] += written["claimed"]
            now = written["claimed"] and written["n"] == moment.write
            if now and not moment.after:
                _die()
            result = function(*args, **kwargs)
            if now:
                _die()
            if moment.count_to:
                Path(moment.count_to).write_text(str(written["n"]))
            return result

        return write

    for port, name in (
        *((WorkspaceTable, name) for name in ("put", "delete", "batch_write", "transact")),
        *((WorkspaceBlobs, name) for name in ("put", "delete")),
    ):
        setattr(port, name, armed(getattr(port, name)))
