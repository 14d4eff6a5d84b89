"""GPT-4o through its real client, against a service on loopback that checks what it is asked.

The service is answered for by the offline model, so that there are answers to compare; what is
tested is the way there and back: requests, streams, tokens, faults, and what a run makes of them.
"""

import asyncio
import json
import logging
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from langchain_core.messages import AIMessage
from langchain_core.messages.tool import InvalidToolCall
from pydantic import SecretStr
from typer.testing import CliRunner

from graph import Orchestrator
from graph.settings import Settings
from nodes.offline import OFFLINE_NOTE
from nodes.prompts import prompt
from nodes.state import AGENTS
from scripts.cli import app
from storage.errors import Conflict, InvalidInput
from storage.records import Run, Usage
from tests.openai_server import (
    KEY,
    Fault,
    OpenAIServer,
    broken,
    failing,
    limited,
    refusing,
    serving,
)
from tests.scripted import calls

from .conftest import LEASE, SUPPLY, OpenDesk

NOTICE = "On what notice may the Tenant terminate the lease early?"
MEMO = "Write a memo on early termination of the lease and publish it."
TURNS = [
    NOTICE,
    "And which law governs that lease?",
    "What colour are the curtains of the embassy in Ulan Bator?",
    "list the objects of the bucket deliverables",
    "read the metric m1",
]


@pytest.fixture
def service() -> Iterator[OpenAIServer]:
    with serving() as server:
        yield server
        assert server.problems == []


@pytest.fixture
def settings(settings: Settings, service: OpenAIServer) -> Settings:
    return settings.model_copy(
        update={
            "model": "gpt-4o",
            "model_base_url": service.url,
            "openai_api_key": SecretStr(KEY),
            "model_timeout": 20.0,
            "model_retries": 1,
        }
    )


@pytest.fixture
def desk(open_desk: OpenDesk) -> Orchestrator:
    """A desk with two documents."""
    desk = open_desk()
    desk.documents.add(LEASE.encode(), name="lease.txt")
    desk.documents.add(SUPPLY.encode(), name="supply.txt")
    return desk


def proven(run: Run) -> bool:
    return bool(run.answer and run.answer.claims and run.answer.claims[0].verified)


class TestTheWholeWay:
    def test_answers_are_those_that_the_model_behind_the_service_gives(
        self, desk: Orchestrator, open_desk: OpenDesk, settings: Settings, service: OpenAIServer
    ) -> None:
        offline = open_desk(settings=settings.model_copy(update={"model": "offline"}))
        for question in TURNS:
            here = desk.invoke(question, thread="t-gpt")
            there = offline.invoke(question, thread="t-offline")
            assert here.answer
            assert there.answer
            note = f"\n\n{OFFLINE_NOTE}"
            assert here.answer.text == there.answer.text.replace(note, "")
            assert here.answer.claims == there.answer.claims
            assert desk.audit.verify(here.id).ok
        assert set(service.asked) == {
            *("supervisor", "librarian", "analyst", "reviewer", "custodian")
        }

    def test_a_memo_is_written_approved_and_published(
        self, desk: Orchestrator, service: OpenAIServer
    ) -> None:
        service.fails(broken(), broken(), agent="writer")
        failed = desk.invoke(MEMO)
        assert (failed.status, failed.interrupts) == ("pending", [])
        asked = desk.drive(failed.id)
        assert (asked.status, asked.error) == ("interrupted", "")
        assert asked.usage == spent(service)
        desk.runs.resume(asked.id, {asked.interrupts[0].id: {"type": "approve"}})
        done = desk.drive(asked.id)
        assert done.status == "success"
        assert done.answer
        assert "Published memo-" in done.answer.text
        assert Counter(service.answered)["writer"] == 1

    def test_tokens_and_their_price_are_on_the_record(
        self, desk: Orchestrator, service: OpenAIServer
    ) -> None:
        run = desk.invoke(NOTICE)
        assert run.model == "gpt-4o"
        assert run.usage == spent(service)
        assert run.usage.cached_tokens > 0
        fresh = run.usage.input_tokens - run.usage.cached_tokens
        price = fresh * 2.50 + run.usage.cached_tokens * 1.25 + run.usage.output_tokens * 10.00
        assert run.cost_usd == pytest.approx(price / 1e6)
        asked = [e.event for e in desk.runs.events(run.id) if e.event.kind == "model_call"]
        assert [call.node for call in asked] == service.asked
        assert sum(call.data["input_tokens"] for call in asked) == run.usage.input_tokens
        # The same agent has the same prompt, and no other has it.
        assert len({(c.node, c.data["prompt"]) for c in asked}) == len({c.node for c in asked})

    def test_what_documents_say_enters_as_json_in_a_message_that_is_no_prompt(
        self, desk: Orchestrator, service: OpenAIServer
    ) -> None:
        desk.invoke(NOTICE)
        prompts = {prompt(agent) for agent in (*AGENTS, "supervisor", "reviewer")}
        carrying = 0
        for message in (m for body in service.requests for m in body["messages"]):
            if message["role"] == "system":
                assert message["content"] in prompts
            elif message["role"] in ("user", "tool"):
                json.loads(message["content"])
                carrying += "ninety days" in message["content"]
        assert carrying >= 3

    def test_a_run_after_a_run_needs_no_second_try(
        self, open_desk: OpenDesk, settings: Settings, service: OpenAIServer
    ) -> None:
        """Each has an event loop of its own, and no connection outlives its loop."""
        impatient = open_desk(settings=settings.model_copy(update={"model_retries": 0}))
        for _ in range(2):
            run = impatient.invoke("list the objects of the bucket deliverables")
            assert run.status == "success"
        assert service.asked == ["supervisor", "custodian", "custodian"] * 2


def spent(service: OpenAIServer) -> Usage:
    return Usage(
        input_tokens=sum(u["prompt_tokens"] for u in service.usage),
        cached_tokens=sum(u["prompt_tokens_details"]["cached_tokens"] for u in service.usage),
        output_tokens=sum(u["completion_tokens"] for u in service.usage),
    )


SOON = {"retry_after_ms": "1"}
PASSING = [
    pytest.param(failing(429, "rate_limit_exceeded", **SOON), id="limited"),
    pytest.param(failing(500, **SOON), id="broken"),
    pytest.param(failing(503, **SOON), id="overloaded"),
    pytest.param(Fault(body=b"<html>Bad gateway</html>"), id="no JSON"),
    pytest.param(Fault(cut="ended"), id="a stream that just ends"),
    pytest.param(Fault(cut="dropped"), id="a stream that breaks off"),
    pytest.param(Fault(told={"message": "Oh.", "code": "server_error"}), id="an error within"),
]


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Faults are waited out, but not for long."""
    monkeypatch.setattr("nodes.gpt._backoff", lambda waits: 0.001)


@pytest.mark.usefixtures("at_once")
class TestFaults:
    @pytest.mark.parametrize("fault", PASSING)
    def test_a_fault_that_passes_is_waited_out(
        self, desk: Orchestrator, service: OpenAIServer, fault: Fault
    ) -> None:
        service.fails(fault, agent="analyst")
        run = desk.invoke(NOTICE)
        assert run.status == "success"
        assert proven(run)
        assert Counter(service.asked)["analyst"] == 2
        # The librarian searches, once more in the words of documents, and has enough then.
        searches = ["librarian"] * 3
        assert service.answered == ["supervisor", *searches, "analyst", "reviewer"]
        assert run.usage == spent(service)

    @pytest.mark.parametrize(
        ("fault", "said"),
        [
            (failing(401, "invalid_api_key", f"Incorrect: {KEY}"), "OPENAI_API_KEY"),
            (failing(403, "forbidden"), "AFFIDAVIT_MODEL"),
            (failing(404, "model_not_found"), "AFFIDAVIT_MODEL"),
            (failing(400, "context_length_exceeded"), "fewer documents"),
            (failing(400, "invalid_value", "The sky is blue."), "The sky is blue."),
            (failing(429, "insufficient_quota", "Pay."), "quota"),
            (Fault(told={"message": "Pay.", "code": "insufficient_quota"}), "quota"),
            (refusing("I cannot help with that."), "refused: “I cannot help with that.”"),
            (Fault(finish="length"), "length limit"),
            (Fault(finish="content_filter"), "content filter"),
            (Fault(reply=AIMessage("I would rather talk.")), "could not be used"),
        ],
    )
    def test_a_fault_that_stays_ends_the_run_until_a_person_has_mended_it(
        self, desk: Orchestrator, service: OpenAIServer, fault: Fault, said: str
    ) -> None:
        talks = fault.reply is not None and not fault.reply.additional_kwargs
        service.fails(fault, agent="analyst", times=2)
        run = desk.invoke(NOTICE)
        assert run.status == "error"
        assert said in run.error
        assert KEY not in run.error
        assert len(run.error) < 300
        assert Counter(service.asked)["analyst"] == 1 + talks  # a form that does not fit, once more
        service.mends()
        self.goes_on(desk, service, run)

    @pytest.mark.parametrize("fault", [Fault(body=b"{"), Fault(cut="ended"), Fault(cut="dropped")])
    def test_a_reply_that_is_never_whole_ends_the_run(
        self, desk: Orchestrator, service: OpenAIServer, fault: Fault
    ) -> None:
        service.fails(fault, agent="analyst", times=9)
        run = desk.invoke(NOTICE)
        assert run.status == "error"
        assert "no whole response" in run.error
        assert Counter(service.asked)["analyst"] == 2
        service.mends()
        self.goes_on(desk, service, run)

    @pytest.mark.parametrize(
        ("fault", "said"),
        [
            (limited(), "(429): Slow down."),
            (broken(), "(500)"),
            (failing(429, "rate_limit_exceeded", retry_after="3000"), "(429)"),
        ],
    )
    def test_a_service_that_does_not_answer_leaves_the_run_due(
        self, desk: Orchestrator, service: OpenAIServer, fault: Fault, said: str
    ) -> None:
        service.fails(fault, agent="analyst", times=9)
        run = desk.invoke(NOTICE)
        assert run.status == "pending"
        assert said in run.error
        assert "can be resumed" in run.error
        long = "retry-after" in fault.headers and fault.headers["retry-after"] != "0"
        assert Counter(service.asked)["analyst"] == (1 if long else 2)
        due = desk.resources.runs.kept(run.id).due_at / 1000
        assert (due - run.updated_at > 2500) == long
        service.mends()
        self.goes_on(desk, service, run)

    def test_a_silent_service_leaves_the_run_due(
        self, desk: Orchestrator, open_desk: OpenDesk, settings: Settings, service: OpenAIServer
    ) -> None:
        changes = {"model_timeout": 0.3, "model_retries": 0}
        hasty = open_desk(settings=settings.model_copy(update=changes))
        service.fails(Fault(hangs=3.0), agent="analyst")
        run = hasty.invoke(NOTICE)
        assert run.status == "pending"
        assert "silent for 0.3 s" in run.error
        assert "AFFIDAVIT_MODEL_TIMEOUT" in run.error
        self.goes_on(desk, service, run)

    def goes_on(self, desk: Orchestrator, service: OpenAIServer, run: Run) -> None:
        """The run is finished from where it stood, and nothing that was answered is asked again."""
        if run.status == "error":
            desk.runs.retry(run.id)
        again = desk.drive(run.id)
        assert again.status == "success"
        assert again.error == ""
        assert proven(again)
        asked = Counter(service.asked)
        assert (asked["supervisor"], asked["librarian"], asked["reviewer"]) == (1, 3, 1)
        assert desk.audit.verify(run.id).ok

    def test_a_service_that_is_not_there_leaves_the_run_due(
        self, open_desk: OpenDesk, settings: Settings, service: OpenAIServer
    ) -> None:
        nowhere = {"model_base_url": "http://127.0.0.1:9/v1"}
        run = open_desk(settings=settings.model_copy(update=nowhere)).invoke(NOTICE)
        assert run.status == "pending"
        assert "127.0.0.1 cannot be reached" in run.error
        assert "AFFIDAVIT_MODEL_BASE_URL" in run.error
        assert open_desk().drive(run.id).status == "success"

    def test_a_run_that_never_gets_an_answer_is_given_up_and_can_be_taken_up(
        self, desk: Orchestrator, service: OpenAIServer
    ) -> None:
        service.fails(broken(), times=99)
        run = desk.invoke(NOTICE)
        while run.status == "pending":
            try:
                run = desk.drive(run.id)
            except Conflict:
                run = desk.runs.get(run.id)
        assert run.status == "error"
        assert "Given up after 5 tries" in run.error
        # Two tries a claim, and six claims: the first made progress, the checkpoint of the input.
        assert len(service.asked) == 12
        service.mends()
        desk.runs.retry(run.id)
        assert desk.drive(run.id).status == "success"

    def test_a_recorded_reply_is_not_asked_for_again(
        self, desk: Orchestrator, service: OpenAIServer
    ) -> None:
        """The analyst's first reply does not fit; on the way to the second the service fails."""
        service.fails(Fault(reply=AIMessage("No form.")), broken(), broken(), agent="analyst")
        run = desk.invoke(NOTICE)
        assert run.status == "pending"
        again = desk.drive(run.id)
        assert proven(again)
        analyst = [body for body in service.requests if body["messages"][0]["content"] in ANALYST]
        assert ["could not be used" in str(body["messages"]) for body in analyst] == [
            *(False, True, True, True)
        ]
        assert again.usage == spent(service)


ANALYST = {prompt("analyst")}


class TestReplies:
    """A model that is up to something: what it says never breaks the next request."""

    @pytest.mark.parametrize(
        "reply",
        [
            pytest.param(calls(("multi_tool_use.parallel", {})), id="a name that is none"),
            pytest.param(calls(("", {})), id="no name"),
            pytest.param(calls(("x" * 300, {})), id="a long name"),
            pytest.param(calls(("search_documents", {"query": "\ud83d"})), id="half a character"),
            pytest.param(calls(*[("list_documents", {})] * 9), id="more calls than are allowed"),
            pytest.param(
                AIMessage(
                    "",
                    invalid_tool_calls=[
                        InvalidToolCall(name="read_page", args="page one", id="x", error="")
                    ],
                ),
                id="arguments that are no JSON",
            ),
        ],
    )
    def test_a_call_that_is_none_is_answered_and_the_run_goes_on(
        self, desk: Orchestrator, service: OpenAIServer, reply: AIMessage
    ) -> None:
        service.fails(Fault(reply=reply), agent="librarian")
        run = desk.invoke(NOTICE)
        assert run.status == "success", run.error
        assert Counter(service.asked)["librarian"] == 2
        roles = [message["role"] for message in service.requests[2]["messages"]]
        assert roles[:4] == ["system", "user", "assistant", "tool"]
        assert len(roles) <= 7  # four calls at most, each answered


class TestTheKey:
    def test_the_key_is_nowhere(
        self,
        desk: Orchestrator,
        settings: Settings,
        service: OpenAIServer,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        """Not in what is kept, not in what is logged, also where the service repeats it."""
        caplog.set_level(logging.DEBUG)
        assert proven(desk.invoke(NOTICE))
        repeats = f"You sent {KEY}, didn't you?"
        faults = [
            failing(401, "invalid_api_key", repeats),
            failing(400, "invalid_value", repeats),
            Fault(told={"message": repeats, "code": "invalid_value"}),
        ]
        for fault in faults:
            service.fails(fault, agent="analyst", times=2)
            failed = desk.invoke(NOTICE)
            assert failed.status in ("error", "pending")
            service.mends()
        desk.close()
        kept = b"".join(f.read_bytes() for f in settings.home.rglob("*") if f.is_file())
        if settings.backend == "aws":
            kept += caplog.text.encode()  # at this level boto3 logs whatever it sends
        assert NOTICE.encode() in kept
        assert KEY.encode() not in kept
        assert KEY not in caplog.text

    def test_a_key_that_is_missing_or_is_none_is_named_before_anything_is_asked(
        self, open_desk: OpenDesk, settings: Settings
    ) -> None:
        for key, url in ((None, ""), (SecretStr(" "), ""), (SecretStr("sk-…"), "http://x/v1")):
            changes = {"openai_api_key": key, "model_base_url": url}
            desk = open_desk(settings=settings.model_copy(update=changes))
            with pytest.raises(InvalidInput, match="OPENAI_API_KEY"):
                desk.invoke(NOTICE)

    def test_without_a_key_no_run_is_claimed(
        self, desk: Orchestrator, open_desk: OpenDesk, settings: Settings
    ) -> None:
        run = desk.runs.submit(NOTICE)
        changes = {"openai_api_key": None, "model_base_url": ""}
        keyless = open_desk(settings=settings.model_copy(update=changes))
        with pytest.raises(InvalidInput, match="OPENAI_API_KEY"):
            keyless.drive(run.id)
        with pytest.raises(InvalidInput, match="OPENAI_API_KEY"):
            asyncio.run(keyless.worker().work())
        assert desk.runs.get(run.id).tries == 0
        assert desk.drive(run.id).status == "success"


class TestTheCommandLine:
    @pytest.fixture
    def cli(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, service: OpenAIServer
    ) -> Callable[..., Result]:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("AFFIDAVIT_HOME", str(tmp_path / "cli"))
        monkeypatch.setenv("AFFIDAVIT_SIGNING_KEY", str(tmp_path / "keys" / "cli.key"))
        monkeypatch.setenv("AFFIDAVIT_MODEL", "gpt-4o")
        monkeypatch.setenv("AFFIDAVIT_MODEL_BASE_URL", service.url)
        monkeypatch.setenv("AFFIDAVIT_MODEL_RETRIES", "0")
        monkeypatch.setenv("OPENAI_API_KEY", KEY)
        (tmp_path / "lease.txt").write_text(LEASE)

        def run(*argv: str, code: int = 0) -> Any:
            result = CliRunner().invoke(app, [*argv, "--json"])
            assert result.exit_code == code, (result.output, result.exception)
            assert KEY not in result.output
            return json.loads(result.stdout)

        return run

    def test_a_run_that_the_service_failed_is_resumed(
        self, cli: Callable[..., Any], service: OpenAIServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        cli("add", "lease.txt")
        service.fails(broken())
        due = cli("ask", NOTICE, code=1)
        assert (due["status"], due["answer"]) == ("pending", None)
        monkeypatch.setenv("OPENAI_API_KEY", "sk-test-out-of-date")
        wrong = cli("resume", due["run_id"], code=1)
        assert wrong["status"] == "error"
        assert "OPENAI_API_KEY" in wrong["error"]
        monkeypatch.setenv("OPENAI_API_KEY", KEY)
        done = cli("resume", due["run_id"])
        assert (done["status"], done["model"]) == ("success", "gpt-4o")
        assert done["answer"]["claims"][0]["citations"][0]["page"] == 1
        assert done["usage"]["input_tokens"] > 0
        assert done["cost_usd"] > 0
        assert cli("show", due["run_id"]) == done

    def test_a_model_that_the_service_does_not_know_is_named(
        self, cli: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("AFFIDAVIT_MODEL", "gpt-4o-typo")
        cli("add", "lease.txt")
        failed = cli("ask", NOTICE, code=1)
        assert "knows no model 'gpt-4o-typo' (404). Set AFFIDAVIT_MODEL" in failed["error"]
