"""A child process that kills itself inside a node: SIGKILL, its work done and not stored yet.

The child runs the real command line.
"""

import functools
import importlib
import itertools
import os
import signal
import sys
from dataclasses import dataclass
from typing import Any

from tests.children import print_to


@dataclass(frozen=True)
class Moment:
    """When to die: inside this node of this graph, the nth time that it has worked; or never."""

    node: str = ""
    graph: str = "desk"
    nth: int = 1


def run_cli(argv: list[str], environment: dict[str, str], moment: Moment, log: str) -> None:
    """Run the command line in this process, armed, with this environment and no other."""
    os.environ.clear()  # that of the server is of whichever test came first
    os.environ |= environment
    print_to(log)
    sys.argv = ["affidavit", *argv]
    if moment.node:
        _arm_node(moment)
    from scripts.cli import main

    main()


def _arm_node(moment: Moment) -> None:
    module = importlib.import_module(f"graph.{moment.graph}")
    node = getattr(module, moment.node)
    worked = itertools.count(1)

    @functools.wraps(node)
    async def killed(state: Any, runtime: Any) -> Any:
        result = await node(state, runtime)
        if next(worked) == moment.nth:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    setattr(module, moment.node, killed)
