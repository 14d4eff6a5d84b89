"""Files, folders and objects of S3 are added; what cannot be read is said and stops no other."""

import json
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from graph import Orchestrator
from scripts.adding import add_all
from scripts.cli import app
from storage.errors import InvalidInput, NotFound, TooLarge
from storage.sources import MOST_BYTES, Source, sources
from tests.aws import Aws
from tests.graph.conftest import LEASE, SUPPLY, OpenDesk, open_desk, settings

__all__ = ["open_desk", "settings"]

MAIL = "mail-of-the-team"


@pytest.fixture
def mail(aws: Aws) -> Aws:
    """A bucket of the team's own, with two documents, a folder mark and something else."""
    s3 = aws.clients().s3
    where = {"LocationConstraint": "eu-central-1"}
    if MAIL not in [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]]:
        s3.create_bucket(Bucket=MAIL, CreateBucketConfiguration=where)
    s3.put_object(Bucket=MAIL, Key="2024/", Body=b"")
    s3.put_object(Bucket=MAIL, Key="2024/lease.txt", Body=LEASE.encode())
    s3.put_object(Bucket=MAIL, Key="2024/in/supply.txt", Body=SUPPLY.encode())
    s3.put_object(Bucket=MAIL, Key="2023/old.txt", Body=b"An old letter.")
    return aws


@pytest.fixture
def desk(open_desk: OpenDesk) -> Orchestrator:
    return open_desk()


def test_a_prefix_of_a_bucket_is_added_by_the_command_line(
    mail: Aws, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AFFIDAVIT_HOME", str(tmp_path))
    for _ in "again":
        result = CliRunner().invoke(app, ["add", f"s3://{MAIL}/2024", "--json"])
        assert result.exit_code == 0, result.output
    rows = json.loads(result.stdout)
    assert [(row["name"], row["status"], row["new"]) for row in rows] == [
        ("supply.txt", "ready", False),
        ("lease.txt", "ready", False),
    ]


def test_one_object_is_added_by_the_python_api(mail: Aws, desk: Orchestrator) -> None:
    document = desk.documents.add(f"s3://{MAIL}/2024/lease.txt")
    assert (document.name, document.status) == ("lease.txt", "ready")
    with pytest.raises(InvalidInput, match="not one file"):
        desk.documents.add(f"s3://{MAIL}/2024")


@pytest.mark.parametrize(
    ("url", "error", "says"),
    [
        ("s3://", InvalidInput, "names no bucket"),
        ("s3:///key", InvalidInput, "names no bucket"),
        ("s3://no-such-bucket-anywhere/x", NotFound, "no bucket 'no-such-bucket-anywhere'"),
        (f"s3://{MAIL}/2025", NotFound, "nothing in the bucket"),
    ],
)
def test_what_is_not_there_is_said(mail: Aws, url: str, error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        list(sources(url))


def test_an_object_that_goes_meanwhile_stops_no_other(mail: Aws, desk: Orchestrator) -> None:
    found = list(sources(f"s3://{MAIL}/2024"))
    mail.clients().s3.delete_object(Bucket=MAIL, Key="2024/in/supply.txt")
    added, failed = add_all(desk, found)
    assert [each.document.name for each in added] == ["lease.txt"]
    assert failed == [f"s3://{MAIL}/2024/in/supply.txt has gone."]


def test_without_credentials_it_is_said_what_to_set(
    aws: Aws, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(InvalidInput, match="AWS_PROFILE"):
        list(sources(f"s3://{MAIL}/2024"))


def test_a_folder_stands_for_its_files_and_a_missing_one_is_said(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "lease.txt").write_text(LEASE)
    (tmp_path / "supply.txt").write_text(SUPPLY)
    assert {source.name for source in sources(tmp_path)} == {"lease.txt", "supply.txt"}
    with pytest.raises(NotFound, match=r"no file .*/none\.txt"):
        list(sources(tmp_path / "none.txt"))


def test_what_does_not_fit_in_memory_is_not_read() -> None:
    with pytest.raises(TooLarge, match=r"big\.iso has 2\.1 GB"):
        Source("big.iso", "big.iso", MOST_BYTES + 1, bytes).read()


def test_files_are_added_without_loading_the_client_of_aws(tmp_path: Path) -> None:
    import subprocess

    (tmp_path / "lease.txt").write_text(LEASE)
    code = (
        "import sys; from scripts.adding import find; "
        f"assert find([{str(tmp_path)!r}]); sys.exit('boto3' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
