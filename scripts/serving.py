"""What runs until it is stopped: a worker, and the page with a worker beside it."""

import asyncio
import logging
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from storage.errors import InvalidInput

if TYPE_CHECKING:
    from graph import Orchestrator

STOP_SECONDS = 20.0


def work(desk: "Orchestrator", concurrency: int) -> None:
    """Run a worker until SIGINT or SIGTERM; runs at hand are brought to the end of their step."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")

    async def until_stopped() -> None:
        worker = desk.worker(concurrency=concurrency)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, worker.stop)
        print(f"A worker is driving the runs of {desk.resources.workspace.name}.", file=sys.stderr)
        await worker.work()

    asyncio.run(until_stopped())


def serve(port: int, workspace: str) -> int:
    """Run the page and a worker as children; when one ends, or on Ctrl-C, end both.

    Raises:
        InvalidInput: something else listens on the port.
    """
    _free(port)
    environment = dict(os.environ)
    if workspace:
        environment["AFFIDAVIT_WORKSPACE"] = workspace
    commands = [worker_command(), page_command(port)]
    children = [subprocess.Popen(command, env=environment) for command in commands]
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        if _answers(port, children):
            print(f"Affidavit is at http://127.0.0.1:{port} (Ctrl-C stops it).", file=sys.stderr)
        while all(child.poll() is None for child in children):
            time.sleep(0.5)
    except KeyboardInterrupt:
        return 0
    finally:
        _end(children)
    return 1


def _free(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as servers do
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            why = f"Port {port} of this machine cannot be had ({error.strerror})"
            raise InvalidInput(f"{why}: choose another one with --port.") from error


def _answers(port: int, children: Sequence["subprocess.Popen[bytes]"]) -> bool:
    """Wait until the page can be opened; false if a child has ended before that."""
    while all(child.poll() is None for child in children):
        with socket.socket() as probe:
            probe.settimeout(1)
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return True
        time.sleep(0.1)
    return False


def worker_command() -> list[str]:
    """Return the command that runs a worker."""
    return [sys.executable, "-m", "scripts.cli", "worker"]


def page_command(port: int) -> list[str]:
    """Return the command that serves the page, to this machine only."""
    page = find_spec("ui.app")
    assert page is not None  # noqa: S101 - the page is part of the installation
    assert page.origin is not None  # noqa: S101
    return [
        *(sys.executable, "-m", "streamlit", "run", page.origin),
        *("--server.address", "127.0.0.1", "--server.port", str(port)),
        *("--server.headless", "true", "--browser.gatherUsageStats", "false"),
        *("--server.fileWatcherType", "none", "--client.toolbarMode", "viewer"),
        # What there is to say is said by `serve`.
        *("--logger.hideWelcomeMessage", "true", "--logger.level", "warning"),
    ]


def _interrupt(*_: Any) -> None:
    raise KeyboardInterrupt


def _end(children: list["subprocess.Popen[bytes]"]) -> None:
    for child in children:
        child.terminate()
    deadline = time.monotonic() + STOP_SECONDS
    for child in children:
        try:
            child.wait(max(0.1, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
