"""`affidavit setup` as an operator uses it: what it shows, asks, refuses, and its exit codes."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import pytest
from click.testing import Result
from typer.testing import CliRunner

from scripts.cli import app
from tests.aws import ACCOUNT, REGION, Aws, start
from tests.installing import Installation, quiet


class Cli(Protocol):
    def __call__(self, *argv: str, code: int = 0, typed: str = "") -> Result: ...


@pytest.fixture(scope="module")
def aws_server() -> Iterator[Aws]:
    """A server of its own, as what is set up here would be in the way of other tests."""
    with start() as server:
        yield server


@pytest.fixture
def installation(aws: Aws) -> Iterator[Installation]:
    installation = Installation(aws)
    yield installation
    installation.clients.close()


@pytest.fixture
def cli(installation: Installation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cli:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AFFIDAVIT_PREFIX", installation.prefix)
    monkeypatch.setenv("AFFIDAVIT_AWS_ACCOUNT_ID", ACCOUNT)
    runner = CliRunner()

    def run(*argv: str, code: int = 0, typed: str = "") -> Result:
        result = runner.invoke(app, ["setup", *argv], input=typed)
        assert result.exit_code == code, (result.output, result.exception)
        return result

    return run


def read(result: Result) -> Any:
    return json.loads(result.stdout)


def test_it_shows_the_account_the_region_and_every_change_and_asks(
    cli: Cli, installation: Installation
) -> None:
    result = cli(code=1, typed="n\n")
    assert f"Account {ACCOUNT}" in result.stderr
    assert f"region {REGION}" in result.stderr
    assert "The endpoint has no TLS, so the buckets will not ask for it." in result.stderr
    for resource in installation.resources(tls=False):
        assert str(resource) in result.stderr
    assert "Nothing was changed." in result.stderr
    assert all(d.missing for d in installation.infrastructure.plan(quiet).differences)


def test_yes_does_not_ask_and_again_finds_nothing_to_do(cli: Cli) -> None:
    assert "each property was read back" in cli("--yes").stdout
    assert "is missing" not in cli("--yes").stderr


def test_json_without_yes_only_looks_and_fails_if_there_is_anything_to_do(
    cli: Cli, installation: Installation
) -> None:
    plan = read(cli("--json", code=1))
    assert (plan["account"], plan["region"]) == (ACCOUNT, REGION)
    assert not plan["done"]
    assert {change["action"] for change in plan["changes"]} == {"make"}
    done = read(cli("--json", "--yes"))
    assert (done["done"], done["changes"]) == (True, [])
    installation.clients.logs.delete_retention_policy(
        logGroupName=installation.names.log_group("analyst")
    )
    (change,) = read(cli("--json", code=1))["changes"]
    assert (change["property"], change["found"], change["wanted"], change["action"]) == (
        *("RetentionInDays", None, 90),
        "set",
    )


def test_a_table_that_is_lost_is_not_made_anew_unasked(
    cli: Cli, installation: Installation
) -> None:
    cli("--yes")
    table = installation.names.table("audit")
    installation.clients.dynamodb.update_table(TableName=table, DeletionProtectionEnabled=False)
    installation.clients.dynamodb.delete_table(TableName=table)
    refused = cli("--yes", code=1).stderr
    assert f"table {table}" in refused
    assert "point-in-time" in refused
    cli(typed="y\n")
    assert read(cli("--json"))["done"]


def test_another_account_is_refused_before_anything(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AFFIDAVIT_AWS_ACCOUNT_ID", "210987654321")
    for arguments in (["--yes"], ["--destroy", "--yes"]):
        assert "names the account 210987654321" in cli(*arguments, code=1).stderr


def test_without_an_account_it_names_the_one_it_found(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AFFIDAVIT_AWS_ACCOUNT_ID")
    assert f"set AFFIDAVIT_AWS_ACCOUNT_ID={ACCOUNT}" in cli(code=1).stderr


def test_without_credentials_it_says_what_to_set(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    assert "Set AWS_PROFILE, or AWS_ACCESS_KEY_ID" in cli(code=1).stderr


def test_without_a_region_it_says_what_to_set(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    assert "Set AWS_DEFAULT_REGION" in cli(code=1).stderr


def test_a_prefix_that_cannot_be_used_is_refused(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AFFIDAVIT_PREFIX", "Acme_Legal")
    assert "The prefix 'Acme_Legal' cannot be used" in cli(code=1).stderr


def test_destroy_keeps_the_data_and_says_so(cli: Cli, installation: Installation) -> None:
    cli("--yes")
    cli("--destroy", code=1, typed="something else\n")
    assert read(cli("--json"))["done"]
    shown = cli("--destroy", typed=f"{installation.prefix}\n").stdout
    for resource in installation.resources(tls=False):
        assert (str(resource) in shown) == resource.holds_data


def test_destroy_deletes_data_only_when_the_prefix_is_named_too(
    cli: Cli, installation: Installation
) -> None:
    cli("--yes")
    assert "Nothing was done" in cli("--destroy", "--yes", "--and-data", "other", code=1).stderr
    assert read(cli("--json"))["done"]
    shown = read(cli("--destroy", "--yes", "--and-data", installation.prefix, "--json"))
    assert shown == {"done": True, "kept": []}
    assert len(read(cli("--json", code=1))["changes"]) == len(installation.resources(tls=False))


def test_and_data_alone_is_wrong_usage(cli: Cli, installation: Installation) -> None:
    cli("--and-data", installation.prefix, code=2)
