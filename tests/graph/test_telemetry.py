"""What a run leaves in the logs and metrics, and that nothing of it depends on them."""

import asyncio
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest

from graph import Orchestrator
from graph.reporter import Reporter
from graph.worker import measure_backlog
from nodes.offline import OfflineModel
from storage.aws.clients import Clients
from storage.aws.cloudwatch import CloudWatchTelemetry
from storage.aws.names import Names
from storage.ports import LOG_GROUPS, LogEvent, Measurement, Value
from storage.records import Run
from tests.aws import ACCOUNT, REGION
from tests.bad_day import REFUSES, bad_day

from .conftest import LEASE, OpenDesk

NOTICE = "On what notice may the Tenant terminate the lease early?"
MEMO = "Write a memo on the notice for early termination of the lease and publish it."


def events(desk: Orchestrator, agent: str) -> list[LogEvent]:
    """The events of an agent, oldest first."""
    telemetry = desk.resources.workspace.telemetry
    found = telemetry.logs(agent, start=0, end=time.time() + 1, limit=1000)
    return list(reversed(found))


def total(desk: Orchestrator, name: str) -> float:
    """What a metric has come to."""
    telemetry, now = desk.resources.workspace.telemetry, time.time()
    found = telemetry.statistics(name, start=now - 3600, end=now + 1, period=86_400)
    return sum(each.total for each in found)


class TestEvents:
    def test_each_agent_tells_of_its_steps_in_its_own_log(self, desk: Orchestrator) -> None:
        desk.documents.add(LEASE.encode(), name="lease.txt")
        run = desk.invoke(NOTICE)
        told = {agent: [e.record["event"] for e in events(desk, agent)] for agent in LOG_GROUPS}
        assert told["analyst"] == ["started", "model_call", "drafted", "finished"]
        assert told["reviewer"] == ["started", "model_call", "reviewed", "finished"]
        assert told["librarian"][0] == "started"
        assert "tool_call" in told["librarian"]  # carried out by `act`, for the librarian
        assert told["writer"] == told["custodian"] == []
        assert {e.record["run"] for e in events(desk, "analyst")} == {run.id}

    def test_an_event_names_its_run_thread_step_and_checkpoint(self, desk: Orchestrator) -> None:
        desk.documents.add(LEASE.encode(), name="lease.txt")
        run = desk.invoke(NOTICE)
        steps = {c["checkpoint_id"]: c["step"] for c in desk.runs.history(run.thread_id)}
        for agent in LOG_GROUPS:
            for event in events(desk, agent):
                record: Mapping[str, Any] = event.record
                assert (record["run"], record["thread"]) == (run.id, run.thread_id)
                assert record["step"] == steps[record["checkpoint"]] + 1
                assert abs(event.at - run.updated_at) < 600

    def test_no_text_of_a_document_or_a_question_is_in_them(self, desk: Orchestrator) -> None:
        desk.documents.add(LEASE.encode(), name="lease.txt")
        desk.invoke(NOTICE)
        everything = json.dumps([dict(e.record) for a in LOG_GROUPS for e in events(desk, a)])
        assert len(everything) > 1000
        for text in ("ninety", "Tenant", "Landlord", "terminate", "lease.txt"):
            assert text not in everything

    def test_what_looks_like_a_key_is_taken_out(self, open_desk: OpenDesk) -> None:
        desk = open_desk()
        run = Run(id="r-1", thread_id="t-1", status="running", question="?")
        kept: list[Mapping[str, Value]] = []

        class Notes:
            def note(self, kind: str, **data: Any) -> None:
                pass

        class Keeps:
            def report(self, events: Sequence[LogEvent], values: Sequence[Measurement]) -> None:
                kept.extend(event.record for event in events)

        async def report() -> None:
            reporter = Reporter(Notes(), Keeps(), desk.resources.redacted, run)  # type: ignore[arg-type]
            key = "sk-" + "a1" * 20
            reporter.note("noted", node="analyst", model=key, names=[key, {"deep": key}], n=1)
            await reporter.close()

        asyncio.run(report())
        assert kept[0]["n"] == 1
        assert "a1a1" not in json.dumps(kept)

    def test_a_failure_is_told_by_its_kind(
        self, desk: Orchestrator, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fails(*_: Any, **__: Any) -> Any:
            raise ZeroDivisionError("the secret text of a document")

        with monkeypatch.context() as patched:
            patched.setattr(OfflineModel, "_generate", fails)
            assert desk.invoke(NOTICE).status == "error"
        (failed,) = [e for e in events(desk, "supervisor") if e.record["event"] == "failed"]
        assert failed.record["error"] == "ZeroDivisionError"
        assert "secret" not in str(failed.record)
        listed = desk.invoke("Show me the last errors of the supervisor")
        assert listed.answer
        assert "ZeroDivisionError" in listed.answer.text


class TestMetrics:
    def test_runs_are_counted_by_how_they_were_left(self, desk: Orchestrator) -> None:
        desk.documents.add(LEASE.encode(), name="lease.txt")
        desk.invoke(NOTICE)
        asked = desk.invoke(MEMO)
        assert asked.status == "interrupted"
        assert total(desk, "approvals_asked") == 1
        desk.runs.cancel(asked.id)

        counted = {
            status: total(desk, f"runs_{status}")
            for status in ("success", "interrupted", "cancelled", "error")
        }
        assert counted == {"success": 1, "interrupted": 1, "cancelled": 1, "error": 0}
        assert total(desk, "step_seconds") > 0
        assert total(desk, "run_seconds") > 0
        assert total(desk, "queue_seconds") >= 0
        assert total(desk, "model_calls") >= 8
        assert total(desk, "citations_rejected") == 0
        answer = desk.invoke("How many runs succeeded today?").answer
        assert answer
        assert "count: 1" in answer.text

    def test_the_backlog_is_measured(self, desk: Orchestrator) -> None:
        desk.documents.add(LEASE.encode(), name="lease.txt")
        assert desk.invoke(MEMO).status == "interrupted"
        desk.runs.submit(NOTICE)
        time.sleep(0.01)
        measure_backlog(desk.resources)
        assert total(desk, "approvals_waiting") == 1
        assert 0 < total(desk, "queue_age_seconds") < 60


@pytest.fixture(params=["refuses", "throttles", "hangs"])
def endpoint(request: pytest.FixtureRequest) -> Iterator[str]:
    """The endpoint of a CloudWatch that is of no use."""
    if request.param == "refuses":
        yield REFUSES
        return
    with bad_day(60.0 if request.param == "hangs" else 0.0) as url:
        yield url


def test_without_cloudwatch_a_run_is_what_it_is_with_it(desk: Orchestrator, endpoint: str) -> None:
    lease = desk.documents.add(LEASE.encode(), name="lease.txt")
    usual = desk.invoke(NOTICE, documents=[lease.id])

    clients = Clients(
        attempts=1,
        region_name=REGION,
        endpoint_url=endpoint,
        aws_access_key_id="testing",
        aws_secret_access_key="testing",
    )
    telemetry = CloudWatchTelemetry(clients, Names("affidavit", ACCOUNT, REGION), "default")
    desk.resources.workspace = replace(desk.resources.workspace, telemetry=telemetry)
    run = desk.invoke(NOTICE, documents=[lease.id])

    assert run.status == usual.status == "success"
    assert run.answer == usual.answer
    kinds, nodes = (
        [[getattr(e.event, name) for e in desk.runs.events(r.id)] for r in (usual, run)]
        for name in ("kind", "node")
    )
    assert kinds[0] == kinds[1]
    assert nodes[0] == nodes[1]
    assert desk.audit.verify(run.id).ok
    telemetry.close()
    clients.close()
    assert telemetry.dropped > 20
