"""What people read when they add and list documents: names, statuses, what is amiss."""

from pathlib import Path

import pytest

from .test_cli import Cli, cli, read  # noqa: F401 - a fixture


@pytest.fixture
def chosen() -> str:
    """Embedded alone: nothing here knows which back end it has."""
    return "embedded"


def test_each_file_is_told_under_its_name_and_all_are_counted(
    cli: Cli,  # noqa: F811
    tmp_path: Path,
) -> None:
    (tmp_path / "empty.pdf").write_bytes(b"")
    (tmp_path / "copy of the lease.txt").write_bytes((tmp_path / "lease.txt").read_bytes())
    cli("add", "lease.txt")
    said = cli("add", "copy of the lease.txt", "supply.txt", "empty.pdf").stdout.splitlines()
    copied = next(line for line in said if "copy of the lease.txt" in line)
    assert copied.startswith("known")
    assert "has the same bytes as  lease.txt" in copied
    assert said[-1] == "3 documents: 2 ready, 1 damaged"


def test_a_new_version_is_told_from_a_copy_and_from_an_earlier_one(
    cli: Cli,  # noqa: F811
    tmp_path: Path,
) -> None:
    (lease,) = read(cli("add", "lease.txt", "--json"))
    (tmp_path / "old.txt").write_bytes((tmp_path / "lease.txt").read_bytes())
    (tmp_path / "new.txt").write_text("The notice period is sixty days.")
    newest = cli("add", "new.txt", "--version-of", lease["id"]).stdout
    assert "new.txt  is the newest version of  lease.txt" in newest
    assert "new.txt  has the same bytes as  lease.txt" in cli("add", "new.txt").stdout
    assert "old.txt  is an earlier version of  lease.txt" in cli("add", "old.txt").stdout


def test_documents_are_listed_with_their_ids_newest_first(
    cli: Cli,  # noqa: F811
    tmp_path: Path,
) -> None:
    assert "Nothing was added yet." in cli("documents").stderr
    (tmp_path / "empty.pdf").write_bytes(b"")
    for name in ("lease.txt", "supply.txt", "empty.pdf"):
        cli("add", name)
    rows = read(cli("documents", "--json"))
    assert [row["name"] for row in rows] == ["empty.pdf", "supply.txt", "lease.txt"]
    said = cli("documents").stdout
    assert all(row["id"] in said for row in rows)
    assert rows[0]["reason"] in said
    (supply,) = read(cli("documents", "--kind", "supply agreement", "--json"))
    assert supply["name"] == "supply.txt"
    assert "`documents` lists them" in cli("card", "lease.txt", code=1).stderr


def test_limits_that_no_document_meets_are_told_from_words_that_none_has(
    cli: Cli,  # noqa: F811
) -> None:
    cli("add", "lease.txt")
    assert "No document is like that" in cli("search", "rent", "--kind", "zebra").stderr
    nothing = cli("search", "xyzzy").stderr
    assert "Nothing was found." in nothing
    assert "No document is like that" not in nothing


def test_why_a_document_has_no_pages_is_told_where_one_asks_for_them(
    cli: Cli,  # noqa: F811
    tmp_path: Path,
) -> None:
    (tmp_path / "empty.pdf").write_bytes(b"")
    (row,) = read(cli("add", "empty.pdf", "--json"))
    assert row["reason"] in cli("page", row["id"], "1", code=1).stderr
    assert row["reason"] in cli("card", row["id"]).stderr.replace("\n", " ")


def test_where_a_passage_stands_can_be_marked_on_its_page(
    cli: Cli,  # noqa: F811
) -> None:
    cli("add", "lease.txt")
    (found,) = read(cli("search", "early termination", "--limit", "1", "--json"))
    said = cli("search", "early termination", "--limit", "1").stdout
    assert f"{found['start']}:{found['end']}" in said
