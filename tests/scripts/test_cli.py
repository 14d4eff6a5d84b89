"""The command line as a program uses it: one JSON document on standard output, and an exit code."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from scripts.cli import app
from tests.graph.conftest import LEASE, SUPPLY

NOTICE = "On what notice may the Tenant terminate the lease early?"
MEMO = "Write a memo on early termination of the lease and publish it."
ROOT = Path(__file__).parents[2]
Cli = Callable[..., Result]


@pytest.fixture
def cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chosen: str) -> Cli:
    """Run the command line on a home of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AFFIDAVIT_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("AFFIDAVIT_SIGNING_KEY", str(tmp_path / "keys" / "signing.key"))
    monkeypatch.setenv("AFFIDAVIT_LEASE_SECONDS", "1")
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    for name in ("AFFIDAVIT_MODEL", "AFFIDAVIT_WORKSPACE"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "lease.txt").write_text(LEASE)
    (tmp_path / "supply.txt").write_text(SUPPLY)
    runner = CliRunner()

    def run(*argv: str, code: int = 0) -> Result:
        result = runner.invoke(app, list(argv))
        assert result.exit_code == code, (result.output, result.exception)
        return result

    return run


@pytest.fixture
def stocked(cli: Cli) -> Cli:
    cli("add", "lease.txt", "supply.txt")
    return cli


def read(result: Result) -> Any:
    return json.loads(result.stdout)


class TestAdd:
    def test_bytes_that_are_no_text_in_a_name_or_a_question_do_no_harm(
        self, cli: Cli, tmp_path: Path
    ) -> None:
        (tmp_path / "lease\udcff.txt").write_text(LEASE)
        (row,) = read(cli("add", "lease\udcff.txt", "--json"))
        assert (row["name"], row["status"]) == ("lease\ufffd.txt", "ready")
        found = read(cli("ask", f"{NOTICE} \udcff", "--json"))
        assert found["answer"]["claims"][0]["citations"][0]["document"] == "lease\ufffd.txt"
        run = read(cli("ask", MEMO, "--json", code=3))["run_id"]
        cli("reject", run, "--reason", "no\udcff", code=1)

    def test_each_file_has_a_status(self, cli: Cli, tmp_path: Path) -> None:
        (tmp_path / "empty.pdf").write_bytes(b"")
        rows = read(cli("add", "lease.txt", "empty.pdf", "--json"))
        assert [row["name"] for row in rows] == ["lease.txt", "empty.pdf"]
        assert rows[0].keys() >= {"id", "name", "sha256", "status", "reason", "pages"}
        assert (rows[0]["status"], rows[0]["new"]) == ("ready", True)
        assert rows[1]["status"] == "damaged"
        assert rows[1]["reason"]

    def test_again_adds_none(self, cli: Cli) -> None:
        first = read(cli("add", "lease.txt", "--json"))
        again = read(cli("add", "lease.txt", "--json"))
        assert (first[0]["new"], again[0]["new"]) == (True, False)
        assert first[0]["id"] == again[0]["id"]

    def test_a_folder_stands_for_its_files(self, cli: Cli, tmp_path: Path) -> None:
        (tmp_path / "policies").mkdir()
        (tmp_path / "policies" / "a.txt").write_text("A policy.")
        assert [row["name"] for row in read(cli("add", "policies", "--json"))] == ["a.txt"]

    def test_a_file_that_is_not_there_is_wrong_usage(self, cli: Cli) -> None:
        cli("add", "nothing.pdf", code=2)


class TestAsk:
    def test_an_answer_has_the_form_that_was_promised(self, stocked: Cli) -> None:
        answered = read(stocked("ask", NOTICE, "--json"))
        assert answered.keys() >= {
            *("run_id", "thread_id", "status", "answer", "interrupts"),
            *("usage", "cost_usd", "model"),
        }
        assert answered["status"] == "success"
        assert answered["model"] == "offline"
        assert answered["usage"] == {"input_tokens": 0, "cached_tokens": 0, "output_tokens": 0}
        claim = answered["answer"]["claims"][0]
        assert claim["verified"]
        cited = claim["citations"][0]
        assert cited.keys() == {
            *("document_id", "document", "sha256", "page", "start", "end", "quote")
        }
        page = read(stocked("page", cited["document_id"], str(cited["page"]), "--json"))
        assert page["text"][cited["start"] : cited["end"]] == cited["quote"]
        assert stocked("page", cited["document_id"], "1").stdout == page["text"] + "\n"

    def test_it_can_be_limited_to_a_document(self, stocked: Cli) -> None:
        documents = {row["name"]: row["id"] for row in read(stocked("add", ".", "--json"))}
        law = ("ask", "Which law governs it?", "--json", "--document")
        answer = read(stocked(*law, documents["supply.txt"]))["answer"]
        assert "Bavaria" in answer["text"]
        assert "Ohio" not in answer["text"]

    def test_a_conversation_goes_on(self, stocked: Cli) -> None:
        thread = read(stocked("ask", "Who may terminate the lease early?", "--json"))["thread_id"]
        answer = read(stocked("ask", "And on what notice?", "--thread", thread, "--json"))
        assert "ninety days" in answer["answer"]["text"]
        assert answer["thread_id"] == thread

    def test_people_see_the_quote_and_the_page(self, stocked: Cli) -> None:
        shown = stocked("ask", NOTICE).stdout
        assert "ninety days' written notice" in shown
        assert "lease.txt, page 1" in shown

    def test_what_is_not_there_fails_with_a_message(self, stocked: Cli) -> None:
        result = stocked("ask", NOTICE, "--document", "d-0", "--json", code=1)
        assert "d-0" in read(result)["error"]
        assert "d-0" in result.stderr
        for command in ("show", "resume", "cancel", "feedback"):
            stocked(command, "r-0", code=1)
        stocked("audit", "verify", "r-0", code=1)
        stocked("page", "d-0", "1", code=1)


class TestDeciding:
    def test_a_memo_waits_is_approved_and_published(self, stocked: Cli) -> None:
        asked = read(stocked("ask", MEMO, "--json", code=3))
        run_id = asked["run_id"]
        assert asked["status"] == "interrupted"
        assert asked["interrupts"][0]["kind"] == "approval"
        assert read(stocked("resume", run_id, "--json", code=3))["status"] == "interrupted"
        assert read(stocked("runs", "--status", "interrupted", "--json"))[0]["run_id"] == run_id

        interrupt = asked["interrupts"][0]["id"]
        approved = read(stocked("approve", run_id, "--interrupt", interrupt, "--json"))
        assert approved["status"] == "pending"
        assert "asks nothing" in stocked("approve", run_id, code=1).stderr
        done = read(stocked("resume", run_id, "--json"))
        assert done["status"] == "success"
        assert "Published" in done["answer"]["text"]
        assert read(stocked("show", run_id, "--json")) == done
        listed = read(stocked("ask", "List the objects in the bucket deliverables", "--json"))
        assert "memo-early-termination-of-the-lease.md" in listed["answer"]["text"]

    def test_an_edit_is_what_is_done(self, stocked: Cli) -> None:
        run_id = read(stocked("ask", MEMO, "--json", code=3))["run_id"]
        stocked("approve", run_id, "--edit", "[]", code=2)
        stocked("approve", run_id, "--edit", '{"name": "x.md"}', code=1)
        stocked("approve", run_id, "--edit", '{"name": "x.md", "text": "Short."}')
        assert "Published x.md" in stocked("resume", run_id).stdout

    def test_a_rejection_needs_a_reason(self, stocked: Cli) -> None:
        run_id = read(stocked("ask", MEMO, "--json", code=3))["run_id"]
        stocked("reject", run_id, code=2)
        stocked("reject", run_id, "--reason", "not yet")
        assert "not yet" in read(stocked("resume", run_id, "--json"))["answer"]["text"]

    def test_a_waiting_run_is_cancelled(self, stocked: Cli) -> None:
        run_id = read(stocked("ask", MEMO, "--json", code=3))["run_id"]
        assert read(stocked("cancel", run_id, "--json"))["status"] == "cancelled"
        stocked("cancel", run_id, code=1)
        stocked("settle", run_id, "--outcome", "done", code=1)


class TestLooking:
    def test_search_shows_what_the_librarian_finds(self, stocked: Cli) -> None:
        found = read(stocked("search", "early termination", "--limit", "2", "--json"))
        assert 1 <= len(found) <= 2
        assert found[0].keys() == {
            *("document_id", "document", "page", "start", "end", "text", "score")
        }
        assert "terminat" in found[0]["text"]
        assert "lease.txt" in stocked("search", "early termination").stdout

    def test_the_record_verifies(self, stocked: Cli) -> None:
        run_id = read(stocked("ask", NOTICE, "--json"))["run_id"]
        verdict = read(stocked("audit", "verify", run_id, "--json"))
        assert verdict["ok"]
        assert verdict["first_bad"] is None
        assert "as it was recorded" in stocked("audit", "verify", run_id).stdout

    def test_feedback_is_kept(self, stocked: Cli) -> None:
        run_id = read(stocked("ask", NOTICE, "--json"))["run_id"]
        kept = read(stocked("feedback", run_id, "--down", "--comment", "No.", "--json"))
        assert (kept["rating"], kept["comment"]) == ("down", "No.")

    def test_runs_are_listed(self, stocked: Cli) -> None:
        stocked("ask", NOTICE)
        (entry,) = read(stocked("runs", "--json"))
        assert entry.keys() >= {"run_id", "thread_id", "status"}
        assert entry["run_id"] in stocked("runs").stdout
        stocked("runs", "--status", "nonsense", code=2)

    def test_workspaces_do_not_see_each_other(self, stocked: Cli) -> None:
        run_id = read(stocked("ask", NOTICE, "--json"))["run_id"]
        assert read(stocked("runs", "-w", "other", "--json")) == []
        assert read(stocked("search", "notice", "-w", "other", "--json")) == []
        stocked("show", run_id, "-w", "other", code=1)
        stocked("runs", "-w", "No/Name", code=1)


class TestSettings:
    def test_a_setting_that_cannot_be_used_is_named(
        self, cli: Cli, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("AFFIDAVIT_LEASE_SECONDS", "soon")
        assert "AFFIDAVIT_LEASE_SECONDS" in cli("runs", code=1).stderr
        monkeypatch.setenv("AFFIDAVIT_LEASE_SECONDS", "1")
        monkeypatch.setenv("AFFIDAVIT_BACKEND", "cloud")
        assert "AFFIDAVIT_BACKEND" in cli("runs", code=1).stderr

    def test_a_dot_env_file_is_read(self, cli: Cli, tmp_path: Path) -> None:
        (tmp_path / ".env").write_text("AFFIDAVIT_MODEL_TIMEOUT=never\n")
        assert "AFFIDAVIT_MODEL_TIMEOUT" in cli("runs", code=1).stderr


def test_every_command_of_the_readme_is_one(cli: Cli) -> None:
    """Each command line in the README names a command, and options that it has."""
    readme = (ROOT / "README.md").read_text()
    lines = re.findall(r"^affidavit (.+)$", readme, re.MULTILINE)
    assert len(lines) > 10
    for line in lines:
        words = re.sub(r'"[^"]*"', "X", line.partition("  #")[0]).split()
        names = words[:2] if words[0] == "audit" else words[:1]
        usage = re.sub(r"\x1b\[[0-9;]*m", "", cli(*names, "--help").stdout)
        for word in words:
            if word.startswith("--"):
                assert word in usage, line


def test_nothing_found_is_said(stocked: Cli, tmp_path: Path) -> None:
    assert "Nothing was found" in stocked("search", "zzz").stderr
    (tmp_path / "empty").mkdir()
    assert "no file in empty" in stocked("add", "empty", code=1).stderr


@pytest.mark.parametrize("chosen", ["embedded"], indirect=True)
def test_a_damaged_database_is_named_with_the_remedy(stocked: Cli, tmp_path: Path) -> None:
    (tmp_path / "home" / "affidavit.sqlite").write_bytes(b"no database" * 1000)
    assert "Put a copy of its directory back" in stocked("runs", code=1).stderr


def test_the_version_is_printed(cli: Cli) -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+\n", cli("--version").stdout)


@pytest.mark.parametrize("chosen", ["embedded"], indirect=True)
def test_a_home_that_cannot_be_made_is_said(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AFFIDAVIT_HOME", str(tmp_path / "lease.txt" / "home"))
    result = cli("runs", "--json", code=1)
    assert "AFFIDAVIT_HOME" in read(result)["error"]
