"""Which back end opens, on whose behalf, and what that loads."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from graph import Orchestrator
from graph.settings import Settings, read_settings
from storage.errors import InvalidInput, NotAllowed, NotFound
from tests.aws import ACCOUNT, Aws

ASK = """
import sys
from scripts.cli import app
app(["ask", "Who is the landlord?"], standalone_mode=False)
loaded = {name.split(".")[0] for name in sys.modules}
sys.exit(bool(loaded & {"boto3", "botocore"}))
"""


@pytest.fixture
def on_aws(aws: Aws, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """An environment whose settings name the account, and a directory without a `.env`."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("AFFIDAVIT_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AFFIDAVIT_BACKEND", "aws")
    monkeypatch.setenv("AFFIDAVIT_AWS_ACCOUNT_ID", ACCOUNT)
    monkeypatch.setenv("AFFIDAVIT_HOME", str(tmp_path / "home"))
    return monkeypatch


def test_on_aws_the_caller_is_whom_sts_names(on_aws: pytest.MonkeyPatch) -> None:
    with Orchestrator.open() as desk:
        assert desk.resources.identity.source == "sts"
        assert desk.resources.identity.name.startswith(f"arn:aws:sts::{ACCOUNT}:")


def test_an_account_other_than_the_one_named_is_refused(on_aws: pytest.MonkeyPatch) -> None:
    on_aws.setenv("AFFIDAVIT_AWS_ACCOUNT_ID", "210987654321")
    with pytest.raises(NotAllowed, match="210987654321"):
        Orchestrator.open()


def test_an_account_has_to_be_named(on_aws: pytest.MonkeyPatch) -> None:
    on_aws.delenv("AFFIDAVIT_AWS_ACCOUNT_ID")
    with pytest.raises(InvalidInput, match=f"AFFIDAVIT_AWS_ACCOUNT_ID={ACCOUNT}"):
        Orchestrator.open()


def test_a_back_end_that_there_is_not_is_refused(on_aws: pytest.MonkeyPatch) -> None:
    on_aws.setenv("AFFIDAVIT_BACKEND", "azure")
    with pytest.raises(InvalidInput, match=r"AFFIDAVIT_BACKEND.*'embedded' or 'aws'"):
        read_settings()


def test_an_installation_that_was_not_set_up_says_so(on_aws: pytest.MonkeyPatch) -> None:
    on_aws.setenv("AFFIDAVIT_PREFIX", "elsewhere")
    with Orchestrator.open() as desk, pytest.raises(NotFound, match="affidavit setup"):
        desk.documents.list()


def test_without_aws_boto3_is_not_loaded(tmp_path: Path) -> None:
    environment = {
        "PATH": os.environ["PATH"],
        "AFFIDAVIT_HOME": str(tmp_path / "home"),
        "AFFIDAVIT_SIGNING_KEY": str(tmp_path / "signing.key"),
    }
    asked = subprocess.run(
        [sys.executable, "-c", ASK],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert asked.returncode == 0, asked.stdout + asked.stderr


def test_the_settings_of_the_tests_are_those_of_the_product(settings: Settings) -> None:
    """Every test of this folder that takes a desk runs on each back end."""
    with Orchestrator.open(settings=settings) as desk:
        assert desk.resources.identity.source == ("sts" if settings.backend == "aws" else "os")
