"""What the tests share. A test that takes `backend` runs once on each back end."""

import os
import socket
import sys
import zlib
from collections.abc import Generator, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from storage.backend import Backend, open_aws, open_embedded
from storage.workspace import Workspace
from tests.aws import Aws, start
from tests.lent import Lent, lasting
from tools.library import Library

HERE = Path(__file__).parent


@pytest.fixture(autouse=True)
def loopback_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test opens a connection beyond this machine."""
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: Any) -> None:
        host = address[0] if isinstance(address, tuple) else "unix"
        if host not in ("127.0.0.1", "::1", "localhost", "unix"):
            raise AssertionError(f"A test tried to connect to {address}.")
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", guarded)


@pytest.fixture(autouse=True)
def children_are_lent(monkeypatch: pytest.MonkeyPatch, lasting_children: None) -> None:
    """The desks of a process read files with the same children."""
    if resources := sys.modules.get("graph.resources"):
        monkeypatch.setattr(resources, "Library", partial(Library, sandbox=Lent))


@pytest.fixture(scope="session")
def lasting_children() -> Iterator[None]:
    children = lasting()
    yield
    children.close()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Of what no code above the ports can tell apart, a part runs on AWS in the ordinary suite.

    Over the network a run takes seconds. `make slow` runs all.
    """
    for item in items:
        given = getattr(item, "callspec", None)
        on_aws = given and "aws" in given.params.values()
        if on_aws and zlib.crc32(item.nodeid.encode()) % _one_in(item.path):
            item.add_marker(pytest.mark.slow)


def _one_in(path: Path) -> int:
    """Return of how many tests of a file one runs on AWS each time."""
    folder = path.relative_to(HERE).parts[0]
    if folder == "kill" or path.name.startswith(("test_ports", "test_aws", "test_kill")):
        return 1
    return 4 if folder == "storage" and not path.name.startswith("test_saver_") else 8


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Where `CI` is set nothing may be skipped: what the tests need is there, or they fail."""
    report = yield
    if report.skipped and os.environ.get("CI") and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} was skipped, and in CI nothing may be: {report.longrepr}"
    return report


@pytest.fixture(scope="session")
def aws_server() -> Iterator[Aws]:
    """One server of AWS's services, for all the tests of this process."""
    with start() as server:
        yield server


@pytest.fixture
def aws(aws_server: Aws, monkeypatch: pytest.MonkeyPatch) -> Aws:
    """An AWS account with everything set up and nothing in it, for boto3 to find."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name, value in aws_server.environment().items():
        monkeypatch.setenv(name, value)
    aws_server.forget()
    return aws_server


@pytest.fixture(params=["embedded", "aws"])
def chosen(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """A back end chosen by the environment, as a user does; its name."""
    monkeypatch.delenv("AFFIDAVIT_BACKEND", raising=False)
    if request.param == "aws":
        for name, value in request.getfixturevalue("aws").settings().items():
            monkeypatch.setenv(name, value)
    return str(request.param)


@pytest.fixture(params=["embedded", "aws"])
def backend(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Backend]:
    opened: Backend
    if request.param == "aws":
        aws = request.getfixturevalue("aws")
        opened = open_aws(aws.names.prefix, aws.names.account)
    else:
        opened = open_embedded(tmp_path / "home")
    yield opened
    opened.close()


@pytest.fixture
def workspace(backend: Backend) -> Workspace:
    return backend.workspace("default")
