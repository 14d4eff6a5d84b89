"""Child processes that are forked from a server which has everything imported.

They are real processes, with an environment and a directory of their own, and are quickly there.
"""

import multiprocessing
import os
import runpy
import sys
from pathlib import Path
from typing import Any

# What a child runs is named here, so that the server has imported it.
PRELOADED = (
    *("graph", "scripts.cli", "scripts.serving", "tests.kill.armed"),
    *("streamlit.web.bootstrap", "ui.answers", "ui.parts", "ui.tables"),
)

children = multiprocessing.get_context("forkserver")
children.set_forkserver_preload([*PRELOADED])


def start(command: list[str], log: Path) -> Any:
    """Run `python -m …` in a child, from here and with this environment; it prints to a file."""
    _, minus_m, *argv = command
    assert minus_m == "-m"
    child = children.Process(target=_run, args=(argv, dict(os.environ), str(Path.cwd()), str(log)))
    child.start()
    return child


def _run(argv: list[str], environment: dict[str, str], directory: str, log: str) -> None:
    os.environ.clear()
    os.environ |= environment
    os.chdir(directory)
    print_to(log)
    sys.argv = argv
    runpy.run_module(argv[0], run_name="__main__", alter_sys=True)


def print_to(log: str) -> None:
    """Have this process print to the end of a file."""
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(output, 1)
    os.dup2(output, 2)
