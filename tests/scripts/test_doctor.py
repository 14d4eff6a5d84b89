"""`affidavit doctor`: a line for each thing, by using it; what fails is named with its remedy."""

import json
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from scripts.cli import app
from storage.ports import BUCKETS, LOG_GROUPS, TABLES
from tests.aws import ACCOUNT, Aws

Examine = Callable[..., Any]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AFFIDAVIT_HOME", str(tmp_path / "home"))
    for name in ("OPENAI_API_KEY", "AFFIDAVIT_MODEL", "AFFIDAVIT_BACKEND"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path / "home"


@pytest.fixture
def on_aws(home: Path, aws: Aws, monkeypatch: pytest.MonkeyPatch) -> Aws:
    monkeypatch.setenv("AFFIDAVIT_BACKEND", "aws")
    monkeypatch.setenv("AFFIDAVIT_PREFIX", aws.names.prefix)
    monkeypatch.setenv("AFFIDAVIT_AWS_ACCOUNT_ID", ACCOUNT)
    return aws


@pytest.fixture
def silent() -> Iterator[str]:
    """A service that is stopped: a port that nobody listens on."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{held.getsockname()[1]}"


def run(*argv: str) -> Result:
    return CliRunner().invoke(app, ["doctor", *argv])


def examine() -> tuple[int, dict[str, Any]]:
    result = run("--json")
    checks = json.loads(result.stdout)["checks"]
    return result.exit_code, {check["name"]: check for check in checks}


def failing(checks: dict[str, Any]) -> set[str]:
    return {name for name, check in checks.items() if not check["ok"]}


class TestEmbedded:
    def test_a_fresh_machine_is_well(self, home: Path) -> None:
        code, checks = examine()
        assert (code, failing(checks)) == (0, set())
        assert "offline" in checks["model"]["detail"]
        assert "not made yet" in checks["affidavit.sqlite"]["detail"]

    def test_it_leaves_nothing_in_the_home(self, home: Path) -> None:
        run()
        assert not [path for path in home.rglob("*") if path.is_file()]

    def test_a_damaged_database_is_named(self, home: Path) -> None:
        home.mkdir()
        (home / "affidavit.sqlite").write_bytes(b"This is no database." * 500)
        code, checks = examine()
        assert (code, failing(checks)) == (1, {"affidavit.sqlite"})
        assert "backup" in checks["affidavit.sqlite"]["remedy"]

    def test_a_home_that_is_no_directory_is_named(self, home: Path) -> None:
        home.write_text("a file")
        code, checks = examine()
        assert code == 1
        assert "AFFIDAVIT_HOME" in checks["home"]["remedy"]

    def test_a_setting_that_cannot_be_used_is_named(
        self, home: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("AFFIDAVIT_LEASE_SECONDS", "soon")
        result = run()
        assert result.exit_code == 1
        assert "AFFIDAVIT_LEASE_SECONDS" in result.stdout

    def test_a_model_that_does_not_answer_is_named(
        self, home: Path, silent: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("OPENAI_API_KEY", "sk-secret-secret-secret")
        monkeypatch.setenv("AFFIDAVIT_MODEL_BASE_URL", silent)
        code, checks = examine()
        assert (code, failing(checks)) == (1, {"model"})
        assert "sk-secret" not in json.dumps(checks)

    def test_people_see_a_mark_for_each_and_the_remedy(self, home: Path) -> None:
        home.mkdir()
        (home / "signals.sqlite").write_bytes(b"This is no database." * 500)
        shown = run().stdout
        assert "✓ home" in shown
        assert "✗ signals.sqlite" in shown
        assert "Put signals.sqlite back" in shown


class TestOnAws:
    def test_every_resource_is_used_and_answers(self, on_aws: Aws) -> None:
        code, checks = examine()
        assert (code, failing(checks)) == (0, set())
        names = on_aws.names
        assert checks.keys() >= {
            "account",
            f"queue {names.queue}",
            f"metrics {names.metric_namespace}",
            *(f"table {names.table(table)}" for table in TABLES),
            *(f"bucket {names.bucket(bucket)}" for bucket in BUCKETS),
            *(f"log group {names.log_group(group)}" for group in LOG_GROUPS),
        }

    @pytest.mark.parametrize(
        ("service", "kind"),
        [
            ("DYNAMODB", "table"),
            ("S3", "bucket"),
            ("SQS", "queue"),
            ("CLOUDWATCH_LOGS", "log group"),
            ("CLOUDWATCH", "metrics"),
        ],
    )
    def test_a_service_that_is_stopped_is_named_and_no_other(
        self, on_aws: Aws, silent: str, service: str, kind: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv(f"AWS_ENDPOINT_URL_{service}", silent)
        code, checks = examine()
        assert code == 1
        assert failing(checks) == {name for name in checks if name.startswith(f"{kind} ")}
        assert failing(checks)

    def test_what_was_not_set_up_is_named_with_the_command(
        self, on_aws: Aws, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("AFFIDAVIT_PREFIX", "nobody")
        code, checks = examine()
        assert code == 1
        assert "table nobody-runs" in failing(checks)
        assert "affidavit setup" in checks["table nobody-runs"]["remedy"]

    def test_credentials_of_another_account_are_named(
        self, on_aws: Aws, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("AFFIDAVIT_AWS_ACCOUNT_ID", "210987654321")
        code, checks = examine()
        assert code == 1
        assert "names the account 210987654321" in checks["account"]["detail"]
