"""The command line as a program uses it: one JSON document on standard output, and an exit code."""

import json
import re
import threading
from collections.abc import Callable
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from pydantic import BaseModel
from reportlab.lib.pdfencrypt import StandardEncryption
from typer.testing import CliRunner

from graph import Orchestrator
from scripts.cli import app
from storage.claims import MOST_TRIES, claim
from storage.errors import Conflict
from storage.records import Budget
from tests.graph.conftest import LEASE, SUPPLY
from tests.graph.stage import until
from tests.scripted import Scripted, calls
from tests.tools.test_parsing import pdf
from tools.registry import Registry, reads

NOTICE = "On what notice may the Tenant terminate the lease early?"
MEMO = "Write a memo on early termination of the lease and publish it."
ROOT = Path(__file__).parents[2]
SAMPLES = ROOT / "scripts" / "samples"
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

    def run(*argv: str, code: int = 0, typed: str | None = None) -> Result:
        result = runner.invoke(app, list(argv), input=typed)
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

    def test_what_is_attached_to_a_mail_follows_it(self, cli: Cli, tmp_path: Path) -> None:
        message = EmailMessage()
        message.set_content("See the notes.")
        message.add_attachment(b"notes", maintype="application", subtype="x", filename="notes.xyz")
        (tmp_path / "notice.eml").write_bytes(bytes(message))
        mail, notes = read(cli("add", "notice.eml", "--json"))
        assert (mail["name"], mail["status"], mail["attached_to"]) == ("notice.eml", "ready", "")
        assert (notes["name"], notes["status"]) == ("notice.eml › notes.xyz", "unsupported")
        assert (notes["attached_to"], notes["new"]) == (mail["id"], True)
        shown = cli("add", "notice.eml").stdout
        assert "notice.eml › notes.xyz" in shown
        assert notes["reason"] in shown

    @pytest.mark.parametrize("how", ["asked for", "in the environment", "on the command line"])
    def test_a_locked_file_is_opened_with_its_password(
        self, cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
    ) -> None:
        (tmp_path / "lease.pdf").write_bytes(pdf(encrypt=StandardEncryption("Sesame-7")))
        locked = read(cli("add", "lease.pdf", "--json"))
        assert locked[0]["status"] == "locked"
        given = {
            "asked for": ["--password", "-"],
            "on the command line": ["--password", "Sesame-7"],
        }
        if how == "in the environment":
            monkeypatch.setenv("AFFIDAVIT_DOCUMENT_PASSWORD", "Sesame-7")
        added = cli("add", "lease.pdf", "--json", *given.get(how, ()), typed="Sesame-7\n")
        opened = read(added)
        assert [(row["id"], row["status"]) for row in opened] == [(locked[0]["id"], "ready")]
        assert "Sesame" not in added.output
        files = [each for each in tmp_path.rglob("*") if each.is_file()]
        assert not any(b"Sesame" in each.read_bytes() for each in files)

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
            *("document_id", "document", "sha256", "page", "start", "end", "quote", "locator")
        }
        assert cited["locator"] == "line 7"
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
        assert "lease.txt, line 7 (" in shown

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


class TestLimits:
    def test_a_run_asks_for_more_steps_and_goes_on_with_them(self, stocked: Cli) -> None:
        unlimited = read(stocked("ask", NOTICE, "--json"))
        asked = read(stocked("ask", NOTICE, "--max-steps", "2", "--json", code=3))
        run_id, (interrupt,) = asked["run_id"], asked["interrupts"]
        assert interrupt["kind"] == "budget"
        assert interrupt["value"]["action_requests"][0]["args"]["steps"] == 4
        shown = stocked("show", run_id).stdout
        assert "budget of 2 steps" in shown
        assert f"affidavit approve {run_id}" in shown

        assert read(stocked("approve", run_id, "--json"))["status"] == "pending"
        assert (
            read(stocked("resume", run_id, "--json", code=3))["interrupts"][0]["kind"] == "budget"
        )
        stocked("approve", run_id, "--edit", '{"steps": 0}', code=1)
        stocked("approve", run_id, "--edit", '{"steps": 60}')
        assert read(stocked("resume", run_id, "--json"))["answer"] == unlimited["answer"]

    def test_without_more_it_is_over(self, stocked: Cli) -> None:
        run_id = read(stocked("ask", NOTICE, "--max-steps", "1", "--json", code=3))["run_id"]
        ended = read(stocked("reject", run_id, "--reason", "too dear", "--json"))
        assert ended["status"] == "cancelled"
        assert "too dear" in ended["error"]
        stocked("resume", run_id, code=1)

    def test_the_offline_model_needs_no_tokens(self, stocked: Cli) -> None:
        stocked("ask", NOTICE, "--max-tokens", "1", "--max-dollars", "0.0001")

    def test_a_run_that_takes_too_long_has_failed_and_is_tried_again(self, stocked: Cli) -> None:
        ended = read(stocked("ask", NOTICE, "--timeout", "0.001", "--json", code=1))
        assert ended["status"] == "timeout"
        assert "at work" in ended["error"]
        assert "at work" in stocked("resume", ended["run_id"], code=1).stdout

    @pytest.mark.parametrize(
        "wrong",
        [("--max-steps", "0"), ("--max-tokens", "x"), ("--max-dollars", "0"), ("--timeout", "-1")],
    )
    def test_a_limit_that_is_none_is_wrong_usage(self, cli: Cli, wrong: tuple[str, str]) -> None:
        cli("ask", NOTICE, *wrong, code=2)


class TestABusyConversation:
    @pytest.fixture
    def waiting(self, stocked: Cli) -> tuple[str, str]:
        """A run that waits for a person, and its thread."""
        asked = read(stocked("ask", MEMO, "--json", code=3))
        return asked["run_id"], asked["thread_id"]

    def test_a_second_question_is_refused_or_takes_over(
        self, stocked: Cli, waiting: tuple[str, str]
    ) -> None:
        run_id, thread = waiting
        second = ("ask", NOTICE, "--thread", thread, "--json")
        assert "decision" in read(stocked(*second, code=1))["error"]
        stocked(*second, "--multitask-strategy", "rollback", code=2)

        answered = read(stocked(*second, "--multitask-strategy", "interrupt"))
        assert answered["status"] == "success"
        first = read(stocked("show", run_id, "--json"))
        assert first["status"] == "cancelled"
        assert answered["run_id"] in first["error"]
        stocked("approve", run_id, code=1)

    def test_or_it_waits_for_its_turn(self, stocked: Cli, waiting: tuple[str, str]) -> None:
        run_id, thread = waiting

        def decide() -> None:
            with Orchestrator.open() as desk:
                until(lambda: len(desk.runs.of_thread(thread)) == 2)
                (asked,) = desk.runs.get(run_id).interrupts
                desk.runs.resume(run_id, {asked.id: {"type": "reject", "message": "no"}})
                desk.drive(run_id)

        deciding = threading.Thread(target=decide)
        deciding.start()
        told = stocked(
            *("ask", NOTICE, "--thread", thread, "--multitask-strategy", "enqueue", "--json")
        )
        deciding.join()
        assert read(told)["status"] == "success"
        assert f"waits for run {run_id}" in " ".join(told.stderr.split())
        assert read(stocked("show", run_id, "--json"))["status"] == "success"


class TestSeveralQuestions:
    @pytest.fixture
    def asked(self, stocked: Cli) -> tuple[str, list[str]]:
        """A run that asks about two objects at once, and the ids of its questions."""

        def script(agent: str, form: str, payload: dict[str, Any]) -> Any:
            if agent == "supervisor":
                return {"question": payload["question"], "agents": ["custodian"]}
            named = [{"key": name, "text": name} for name in ("a.txt", "b.txt")]
            return calls(*[("put_object", args) for args in named])

        with Orchestrator.open(model=Scripted(script=script)) as desk:
            run = desk.invoke("Put a.txt and b.txt")
        assert len(run.interrupts) == 2
        return run.id, [interrupt.id for interrupt in run.interrupts]

    def objects(self, cli: Cli) -> str:
        listed = read(cli("ask", "List the objects in the bucket deliverables", "--json"))
        return str(listed["answer"]["text"])

    def test_they_are_named_and_decided_one_by_one(
        self, stocked: Cli, asked: tuple[str, list[str]]
    ) -> None:
        run_id, (first, second) = asked
        refused = read(stocked("approve", run_id, "--json", code=1))["error"]
        for named in (first, second, "--interrupt", "--all"):
            assert named in refused
        shown = stocked("show", run_id).stdout
        assert f"affidavit approve {run_id} --interrupt {first}" in shown

        stocked("approve", run_id, "--interrupt", first)
        assert read(stocked("resume", run_id, "--json", code=3))["interrupts"][0]["id"] == second
        assert "already" in stocked("approve", run_id, "--interrupt", first, code=1).stderr
        stocked("reject", run_id, "--reason", "no")  # only one is left
        stocked("resume", run_id)
        listed = self.objects(stocked)
        assert ("a.txt" in listed) != ("b.txt" in listed)

    def test_they_are_decided_together(self, stocked: Cli, asked: tuple[str, list[str]]) -> None:
        run_id, _ = asked
        stocked("approve", run_id, "--all", "--edit", '{"key": "c.txt", "text": "c"}', code=2)
        decided = read(stocked("approve", run_id, "--all", "--json"))
        assert (decided["status"], decided["interrupts"]) == ("pending", [])
        stocked("resume", run_id)
        listed = self.objects(stocked)
        assert "a.txt" in listed
        assert "b.txt" in listed

    def test_they_are_rejected_together(self, stocked: Cli, asked: tuple[str, list[str]]) -> None:
        run_id, _ = asked
        stocked("reject", run_id, "--reason", "no", code=1)
        stocked("reject", run_id, "--all", "--reason", "no")
        stocked("resume", run_id)
        assert "a.txt" not in self.objects(stocked)


class Nothing(BaseModel):
    """Arguments of the test's tool."""


def look() -> tuple[str, Any]:
    """Look."""
    return "", None


class TestForks:
    def test_a_run_is_forked_where_it_published_and_asks_before_it_does_so_again(
        self, stocked: Cli
    ) -> None:
        run_id = read(stocked("ask", MEMO, "--json", code=3))["run_id"]
        stocked("approve", run_id)
        done = read(stocked("resume", run_id, "--json"))
        checkpoints = read(stocked("show", run_id, "--checkpoints", "--json"))
        assert checkpoints[0]["next"] == []
        at = next(each["checkpoint_id"] for each in checkpoints if "act" in each["next"])
        assert f"{at}  step" in stocked("show", run_id, "--checkpoints").stdout

        fork = read(stocked("fork", run_id, "--at", at, "--json", code=3))
        assert fork["run_id"] != run_id
        assert fork["thread_id"] != done["thread_id"]
        (request,) = fork["interrupts"][0]["value"]["action_requests"]
        assert f"Run {run_id}, from which this one was forked" in request["description"]
        stocked("reject", fork["run_id"], "--reason", "once is enough")
        assert (
            "once is enough" in read(stocked("resume", fork["run_id"], "--json"))["answer"]["text"]
        )

        newest = read(stocked("fork", run_id, "--json"))  # its end: there is nothing left to do
        assert newest["answer"] == done["answer"]

    def test_what_is_not_there_cannot_be_forked(self, stocked: Cli) -> None:
        run_id = read(stocked("ask", NOTICE, "--json"))["run_id"]
        assert (
            "no-such" in read(stocked("fork", run_id, "--at", "no-such", "--json", code=1))["error"]
        )
        stocked("fork", "r-0", code=1)

    def test_a_run_of_another_version_is_refused_and_forked(self, stocked: Cli) -> None:
        def one_tool_more(registry: Registry) -> None:
            registry.add(reads(Nothing, look), "read")

        with Orchestrator.open(tools=[one_tool_more]) as desk:
            run = desk.invoke(NOTICE, budget=Budget(steps=2))
            desk.runs.resume(run.id, {run.interrupts[0].id: {"type": "approve"}})
        refused = stocked("resume", run.id, "--json", code=1)
        assert "another version of its tools" in read(refused)["error"]
        assert f"affidavit fork {run.id}" in refused.stderr
        assert f"affidavit fork {run.id}" in stocked("show", run.id).stdout
        fork = read(stocked("fork", run.id, "--json"))
        assert "ninety days" in fork["answer"]["text"]


class TestDeadRuns:
    def test_they_are_listed_with_their_error_and_tried_again(self, stocked: Cli) -> None:
        stocked("ask", NOTICE)
        assert read(stocked("runs", "--dead", "--json")) == []
        with Orchestrator.open() as desk:
            run, runs = desk.runs.submit(NOTICE), desk.resources.runs
            for _ in range(MOST_TRIES):
                claim(runs, run.id, owner="dead", seconds=-1)
            with pytest.raises(Conflict, match="given up"):
                claim(runs, run.id, owner="dead", seconds=-1)
        (entry,) = read(stocked("runs", "--dead", "--json"))
        assert (entry["run_id"], entry["status"], entry["dead"]) == (run.id, "error", True)
        assert "Given up after" in stocked("runs", "--dead").stdout
        assert "Given up after" in stocked("runs").stdout

        assert read(stocked("resume", run.id, "--json"))["status"] == "success"
        assert read(stocked("runs", "--dead", "--json")) == []


class TestAPolicyFile:
    def test_two_persons_approve_or_nobody_has(
        self, stocked: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        rules = ("{verdict: allow, risk: read}", "{verdict: ask, approvals: 2}")
        (tmp_path / "policy.yaml").write_text(f"rules: [{', '.join(rules)}]")
        monkeypatch.setenv("AFFIDAVIT_POLICY", str(tmp_path / "policy.yaml"))
        run_id = read(stocked("ask", MEMO, "--json", code=3))["run_id"]
        half = read(stocked("approve", run_id, "--json"))
        assert half["status"] == "interrupted"
        (vote,) = half["interrupts"][0]["votes"]
        assert "different persons" in stocked("approve", run_id, code=1).stderr
        shown = stocked("show", run_id).stdout
        assert f"It takes 2 persons; approved so far by: {vote['by']['name']}." in shown
        stocked("resume", run_id, code=3)

    def test_one_that_cannot_be_used_is_named(
        self, cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "policy.yaml").write_text("rules: [{verdict: perhaps}]")
        monkeypatch.setenv("AFFIDAVIT_POLICY", str(tmp_path / "policy.yaml"))
        error = read(cli("runs", "--json", code=1))["error"]
        assert "policy.yaml" in error
        assert "Rule 1, verdict" in error


class TestVersionsOfADocument:
    def test_the_newest_counts_and_the_older_can_be_read(
        self, stocked: Cli, tmp_path: Path
    ) -> None:
        (old,) = read(stocked("add", "lease.txt", "--json"))
        (tmp_path / "new.txt").write_text(LEASE.replace("ninety days", "sixty days"))
        (new,) = read(stocked("add", "new.txt", "--version-of", old["id"], "--json"))
        assert (new["id"], new["new"]) == (old["id"], True)
        assert new["sha256"] != old["sha256"]
        assert "sixty days" in read(stocked("ask", NOTICE, "--json"))["answer"]["text"]
        assert "sixty days" in stocked("page", old["id"], "1").stdout
        page = ("page", old["id"], "1", "--version")
        assert "ninety days" in read(stocked(*page, old["sha256"], "--json"))["text"]
        assert "sixty days" in read(stocked(*page, new["sha256"], "--json"))["text"]
        stocked(*page, "0" * 64, code=1)

    def test_a_citation_says_which_it_is_of(self, stocked: Cli, tmp_path: Path) -> None:
        (old,) = read(stocked("add", "lease.txt", "--json"))
        before = stocked("ask", NOTICE).stdout
        assert "sha256" not in before  # there is but one
        run_id = read(stocked("runs", "--json"))[0]["run_id"]
        (tmp_path / "new.txt").write_text(LEASE.replace("ninety days", "sixty days"))
        (new,) = read(stocked("add", "new.txt", "--version-of", old["id"], "--json"))
        shown = stocked("show", run_id).stdout
        assert re.search(rf"version of .* 20\d\d, sha256 {old['sha256'][:12]}, not the new", shown)
        shown = stocked("ask", NOTICE).stdout
        assert re.search(rf"version of .* 20\d\d, sha256 {new['sha256'][:12]}\n", shown)

    def test_it_is_one_file_of_a_document_that_is_there(self, stocked: Cli, tmp_path: Path) -> None:
        (known,) = read(stocked("add", "lease.txt", "--json"))
        (tmp_path / "new.txt").write_text("Another.")
        stocked("add", "new.txt", "supply.txt", "--version-of", known["id"], code=2)
        assert "d-0" in stocked("add", "new.txt", "--version-of", "d-0", code=1).stderr
        again = stocked("add", "supply.txt", "--version-of", known["id"], "--json", code=1)
        assert read(again) == []
        assert "supply.txt" in again.stderr


class TestPictures:
    def test_a_page_is_drawn_with_a_quote_marked(self, cli: Cli, tmp_path: Path) -> None:
        (lease,) = read(cli("add", str(SAMPLES / "lease.pdf"), "--json"))
        page = ("page", lease["id"], "1")
        text = read(cli(*page, "--json"))["text"]
        mark = f"0:{len(text.split(maxsplit=1)[0])}"
        drawn = read(cli(*page, "--picture", "page.png", "--mark", mark, "--json"))
        assert (tmp_path / "page.png").read_bytes().startswith(b"\x89PNG")
        assert drawn.keys() == {"picture", "width", "height", "scale", "marks"}
        (((left, _, right, _),),) = drawn["marks"]
        assert 0 < left < right < drawn["width"]
        assert "page.png: page 1" in cli(*page, "--picture", "page.png").stdout

    def test_what_cannot_be_drawn_is_said(self, stocked: Cli) -> None:
        lease = read(stocked("add", "lease.txt", "--json"))[0]["id"]
        page = ("page", lease, "1", "--picture")
        assert "Only pages of a PDF" in stocked(*page, "page.png", code=1).stderr
        assert (
            "There is no text at 0:99999"
            in stocked(*page, "page.png", "--mark", "0:99999", code=1).stderr
        )
        stocked(*page, "page.png", "--mark", "x", code=2)
        stocked("page", lease, "1", "--mark", "0:1", code=2)


class TestLooking:
    def test_search_shows_what_the_librarian_finds(self, stocked: Cli) -> None:
        found = read(stocked("search", "early termination", "--limit", "2", "--json"))
        assert 1 <= len(found) <= 2
        assert found[0].keys() == {
            *("document_id", "document", "page", "start", "end", "text", "locator", "score")
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


class TestErasure:
    def test_it_asks_and_is_done_once_approved(self, stocked: Cli) -> None:
        (lease,) = read(stocked("add", "lease.txt", "--json"))
        answered = read(stocked("ask", NOTICE, "--json"))["run_id"]
        asked = read(stocked("erase", lease["id"], "--json", code=3))
        (request,) = asked["interrupts"][0]["value"]["action_requests"]
        assert answered in request["description"]
        edit = json.dumps({"document_id": "d-0"})
        assert (
            "approve, reject" in stocked("approve", asked["run_id"], "--edit", edit, code=1).stderr
        )
        stocked("approve", asked["run_id"])
        assert "Erased lease.txt" in stocked("resume", asked["run_id"]).stdout

        gone = read(stocked("show", answered, "--json"))
        assert (gone["answer"], gone["erased"][0]["by"]) == (None, asked["run_id"])
        assert "answer, recordings" in stocked("show", answered).stdout
        assert "Erased with a document" in stocked("audit", "verify", answered).stdout
        assert "erased on" in stocked("page", lease["id"], "1", code=1).stderr
        assert "erased on" in stocked("erase", lease["id"], code=1).stderr
