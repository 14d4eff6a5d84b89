"""`affidavit up` says what hinders it before it starts anything."""

import socket

import pytest

from .test_cli import Cli, cli  # noqa: F401 - a fixture


@pytest.fixture
def chosen() -> str:
    """Embedded alone: nothing here knows which back end it has."""
    return "embedded"


def test_a_port_that_is_taken_is_named_with_the_remedy(cli: Cli) -> None:  # noqa: F811
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        said = cli("up", "--port", str(port), code=1).stderr
    assert f"Port {port} of this machine cannot be had" in said
    assert "choose another one with --port" in said
    cli("up", "--port", "99999", code=2)
