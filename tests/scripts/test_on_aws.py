"""From nothing to answers in an AWS account, by the command line alone, as on a laptop."""

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from scripts.cli import app
from storage.ports import LOG_GROUPS
from tests.aws import Aws, start
from tests.graph.conftest import LEASE, SUPPLY

QUESTIONS = [
    "On what notice may the Tenant terminate the lease early?",
    "Who may inspect the aquarium?",
    "Within how many days is an invoice payable?",
]
Cli = Callable[..., Any]


@pytest.fixture(scope="module")
def aws_server() -> Iterator[Aws]:
    """An account in which nothing stands yet."""
    with start(empty=True) as server:
        yield server


@pytest.fixture
def cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, aws: Aws) -> Cli:
    """Run the command line on a back end of this name, and read its JSON."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AFFIDAVIT_SIGNING_KEY", str(tmp_path / "keys" / "signing.key"))
    monkeypatch.setenv("AFFIDAVIT_MODEL", "offline")
    monkeypatch.setenv("AFFIDAVIT_AWS_ACCOUNT_ID", aws.names.account)
    (tmp_path / "lease.txt").write_text(LEASE)
    (tmp_path / "supply.txt").write_text(SUPPLY)

    def run(backend: str, *argv: str, code: int = 0) -> Any:
        monkeypatch.setenv("AFFIDAVIT_BACKEND", backend)
        monkeypatch.setenv("AFFIDAVIT_HOME", str(tmp_path / backend))
        result = CliRunner().invoke(app, [*argv, "--json"])
        assert result.exit_code == code, (result.output, result.exception)
        return json.loads(result.stdout)

    return run


def test_after_the_set_up_the_answers_are_those_of_the_embedded_back_end(
    cli: Cli, aws: Aws
) -> None:
    assert cli("aws", "setup", "--yes")["done"]
    answers = {}
    for backend in ("embedded", "aws"):
        cli(backend, "add", "lease.txt", "supply.txt")
        answers[backend] = [cli(backend, "ask", question)["answer"] for question in QUESTIONS]
    assert answers["aws"] == answers["embedded"]
    assert [a["status"] for a in answers["aws"]] == ["answered", "not_in_documents", "answered"]

    assert all(check["ok"] for check in cli("aws", "doctor")["checks"])
    logs, names = aws.clients().logs, aws.names
    told = {
        agent: logs.filter_log_events(logGroupName=names.log_group(agent))["events"]
        for agent in LOG_GROUPS
    }
    assert all(told[agent] for agent in ("supervisor", "librarian", "analyst", "reviewer"))
    for event in (json.loads(e["message"]) for e in told["analyst"]):
        assert event.keys() >= {"run", "thread", "step", "checkpoint"}
        assert event["run"].startswith("r-")
    assert all(e["timestamp"] <= time.time() * 1000 for e in told["analyst"])
