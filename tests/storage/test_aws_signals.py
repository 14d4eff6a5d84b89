"""Hints, logs and metrics on AWS: how much goes at once, and what happens when nothing does."""

import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storage.aws import cloudwatch, outbox, sqs
from storage.aws.clients import Clients
from storage.aws.cloudwatch import CloudWatchTelemetry
from storage.aws.names import Names
from storage.aws.outbox import Batch, Outbox
from storage.aws.sqs import SqsQueue
from storage.errors import InvalidInput, Unavailable
from tests.aws import ACCOUNT, REGION, Aws

NOWHERE = "http://127.0.0.1:9"
"""The port of `discard`: nothing answers there."""


@pytest.fixture
def clients(aws: Aws) -> Iterator[Clients]:
    made = aws.clients()
    yield made
    made.close()


@pytest.fixture
def refused(aws: Aws) -> Iterator[Clients]:
    made = aws.clients(attempts=1, endpoint=NOWHERE)
    yield made
    made.close()


class Service:
    """A service that an outbox sends to: it fails as often as it is told."""

    def __init__(self, *failures: Exception) -> None:
        self.failures = list(failures)
        self.taken: list[tuple[str, list[int]]] = []

    def send(self, lane: str, contents: list[int]) -> None:
        if self.failures:
            raise self.failures.pop(0)
        self.taken.append((lane, contents))


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox, "GATHER_SECONDS", 0.0)
    monkeypatch.setattr(outbox, "BACK_OFF_SECONDS", (0.0,))


class TestOutbox:
    """Whoever puts something in never waits and never fails."""

    def test_what_waits_goes_together_by_lane_and_within_the_bounds(self) -> None:
        service = Service()
        box = Outbox[int]("numbers", service.send, Batch(entries=3, bytes=100))
        for n in range(8):
            box.put("even" if n % 2 == 0 else "odd", 60 if n == 6 else 20, n)
        assert box.flush(30)
        assert service.taken == [
            ("even", [0, 2, 4]),
            ("odd", [1, 3, 5]),
            ("even", [6]),
            ("odd", [7]),
        ]

    def test_it_has_no_thread_before_it_has_something_to_send(self) -> None:
        before = threading.active_count()
        box = Outbox[int]("numbers", Service().send, Batch(3, 100))
        assert box.flush(0)
        box.close(0)
        assert threading.active_count() == before

    @pytest.mark.usefixtures("impatient")
    def test_what_was_not_taken_is_sent_again_in_order(self) -> None:
        service = Service(*[Unavailable("down")] * 3)
        box = Outbox[int]("numbers", service.send, Batch(100, 1000))
        for n in range(5):
            box.put("lane", 1, n)
        assert box.flush(30)
        assert [n for _, taken in service.taken for n in taken] == [0, 1, 2, 3, 4]
        assert box.dropped == 0

    @pytest.mark.usefixtures("impatient")
    def test_what_the_service_refuses_is_dropped_and_what_follows_goes_on(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        service = Service(InvalidInput("no such thing"), ZeroDivisionError("a defect"))
        box = Outbox[int]("numbers", service.send, Batch(1, 1000))
        for n in range(3):
            box.put("lane", 1, n)
        assert box.flush(30)
        assert service.taken == [("lane", [2])]
        assert box.dropped == 2
        assert "no such thing" in caplog.text

    def test_when_the_service_is_down_the_oldest_is_dropped(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(outbox, "MOST_ENTRIES", 10)
        gate = threading.Event()
        sent: list[int] = []

        def hang(_: str, contents: list[int]) -> None:
            assert gate.wait(30)
            sent.extend(contents)

        box = Outbox[int]("numbers", hang, Batch(1, 1000))
        for n in range(25):
            box.put("lane", 1, n)
        gate.set()
        assert box.flush(30)
        assert sent[-10:] == list(range(15, 25))
        assert box.dropped + len(sent) == 25

    def test_large_entries_are_bounded_by_their_bytes(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(outbox, "MOST_BYTES", 1000)
        service = Service(*[Unavailable("down")] * 9)
        box = Outbox[int]("numbers", service.send, Batch(100, 10_000))
        for n in range(20):
            box.put("lane", 300, n)
        box.close(0)
        assert box.dropped == 20

    def test_a_service_that_hangs_holds_nobody_up(self, caplog: pytest.LogCaptureFixture) -> None:
        hung, gate = threading.Event(), threading.Event()

        def hang(_: str, contents: list[int]) -> None:
            hung.set()
            gate.wait(60)

        box = Outbox[int]("numbers", hang, Batch(1, 1000))
        box.put("lane", 1, 1)
        assert hung.wait(30)
        box.put("lane", 1, 2)
        assert not box.flush(0.01)
        box.close(0.01)  # comes back, though nothing does from the service
        box.put("lane", 1, 3)
        assert box.dropped == 3
        assert "2 numbers were not sent" in caplog.text
        gate.set()

    def test_after_a_fork_the_child_sends_its_own_and_nothing_else(self) -> None:
        program = """
import os, sys
from storage.aws.outbox import Batch, Outbox
box = Outbox("numbers", lambda lane, contents: print(os.getpid() == child, contents, flush=True),
             Batch(9, 99))
child = 0
for n in range(3):
    box.put("", 1, n)
child = os.fork()
if child == 0:
    child = os.getpid()
    box.put("", 1, 7)
    assert box.flush(20)
    os._exit(0)
os.waitpid(child, 0)
assert box.flush(20)
"""
        done = subprocess.run(
            [sys.executable, "-c", program],
            cwd=Path(__file__).parents[2],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert sorted(done.stdout.splitlines()) == ["False [0, 1, 2]", "True [7]"]


class TestCloudWatch:
    def test_a_batch_is_one_request_in_one_stream_of_the_workspace(
        self, aws: Aws, clients: Clients
    ) -> None:
        telemetry = CloudWatchTelemetry(clients, aws.names, "ours")
        now = time.time()
        for n in range(3000):
            telemetry.log("analyst", {"n": n, "fill": "x" * 600}, at=now + n / 1000)
        telemetry.flush(60)

        streams = clients.logs.describe_log_streams(logGroupName="affidavit-analyst")["logStreams"]
        days = {stream["logStreamName"].split("/")[1] for stream in streams}
        assert all(stream["logStreamName"].startswith("ours/") for stream in streams)
        assert len(streams) == len(days)  # two, if midnight came in between
        found = telemetry.logs("analyst", start=now - 1, end=now + 60, limit=5000)
        assert [event.record["n"] for event in found] == list(reversed(range(3000)))
        found = telemetry.logs("analyst", start=0, end=now + 60, contains='"n": 17,')
        assert [event.record["n"] for event in found] == [17]
        telemetry.close()
        assert telemetry.dropped == 0

    def test_a_name_that_begins_like_another_s_shows_nothing_of_it(
        self, aws: Aws, clients: Clients
    ) -> None:
        ours = CloudWatchTelemetry(clients, aws.names, "team")
        theirs = CloudWatchTelemetry(clients, aws.names, "team-2")
        theirs.log("writer", {"secret": 1})
        theirs.metric("m", 1)
        theirs.flush(30)

        now = time.time()
        assert ours.logs("writer", start=0, end=now + 1) == []
        assert ours.statistics("m", start=now - 60, end=now + 1, period=60) == []
        assert len(theirs.logs("writer", start=0, end=now + 1)) == 1

    def test_when_nothing_answers_nobody_notices(
        self, aws: Aws, refused: Clients, caplog: pytest.LogCaptureFixture
    ) -> None:
        telemetry = CloudWatchTelemetry(refused, aws.names, "ours")
        for n in range(50):
            telemetry.log("writer", {"n": n})
            telemetry.metric("m", n)
        telemetry.close()
        assert telemetry.dropped == 100
        assert "cannot be sent for now" in caplog.text
        assert "were not sent before the end" in caplog.text

    def test_without_log_groups_events_are_dropped_and_metrics_kept(
        self, aws: Aws, clients: Clients, caplog: pytest.LogCaptureFixture
    ) -> None:
        telemetry = CloudWatchTelemetry(clients, Names("other", ACCOUNT, REGION), "ours")
        telemetry.log("writer", {"n": 1})
        telemetry.metric("m", 1)
        telemetry.flush(30)
        assert telemetry.dropped == 1
        assert "no log group other-writer" in caplog.text

    def test_percentiles_are_asked_of_cloudwatch(self, aws: Aws) -> None:
        """The server of the tests knows none, so this one answers as CloudWatch does."""
        at = time.time() // 60 * 60

        class Answers:
            cloudwatch: Any

            def get_metric_statistics(self, **asked: Any) -> dict[str, Any]:
                point: dict[str, Any] = {"Timestamp": asked["StartTime"], "Unit": "Seconds"}
                if "ExtendedStatistics" in asked:
                    point["ExtendedStatistics"] = {"p50": 1.5, "p95": 4.0}
                else:
                    point |= {"SampleCount": 2.0, "Sum": 5.5, "Minimum": 1.5, "Maximum": 4.0}
                return {"Datapoints": [point]}

        clients = Answers()
        clients.cloudwatch = clients
        telemetry = CloudWatchTelemetry(clients, aws.names, "ours")  # type: ignore[arg-type]
        (found,) = telemetry.statistics("m", start=at, end=at + 60, period=60)
        assert (found.count, found.average, found.p50, found.p95) == (2, 2.75, 1.5, 4.0)


class Pages:
    """Answers `filter_log_events` like CloudWatch: forward, in pages, some of them empty."""

    def __init__(self, events: list[int], size: int) -> None:
        self.events, self.size, self.asked = sorted(events), size, 0
        self.logs = self

    def filter_log_events(self, **asked: Any) -> dict[str, Any]:
        self.asked += 1
        within = [at for at in self.events if asked["startTime"] <= at <= asked["endTime"]]
        start = int(asked.get("nextToken", 0))
        page = within[start : start + self.size]
        answer: dict[str, Any] = {
            "events": [
                {"timestamp": at, "message": json.dumps({"at": at}), "logStreamName": "ours/x"}
                for at in page
            ]
        }
        if start + self.size < len(within):
            answer["nextToken"] = str(start + self.size)
        return answer


class TestReadingBack:
    """CloudWatch reads forward in pages; the port reads the newest first."""

    @settings(max_examples=150, deadline=None)
    @given(
        events=st.lists(st.integers(0, 3_000_000), max_size=60, unique=True),
        size=st.integers(1, 7),
        start=st.integers(0, 2000),
        length=st.integers(0, 3000),
        limit=st.integers(1, 70),
    )
    def test_it_is_the_newest_of_the_time(
        self, events: list[int], size: int, start: int, length: int, limit: int
    ) -> None:
        names = Names("affidavit", ACCOUNT, REGION)
        telemetry = CloudWatchTelemetry(Pages(events, size), names, "ours")  # type: ignore[arg-type]
        end = start + length
        found = telemetry.logs("writer", start=start, end=end, limit=limit)
        within = [at for at in sorted(events, reverse=True) if start * 1000 <= at < end * 1000]
        assert [event.record["at"] for event in found] == within[:limit]

    def test_a_crowded_log_is_read_within_bounds_and_newest_first(self) -> None:
        names = Names("affidavit", ACCOUNT, REGION)
        pages = Pages(list(range(100_000)), 3)
        telemetry = CloudWatchTelemetry(pages, names, "ours")  # type: ignore[arg-type]
        found = telemetry.logs("writer", start=0, end=100, limit=50)
        assert [event.record["at"] for event in found] == list(range(99_999, 99_949, -1))
        assert pages.asked <= cloudwatch.MOST_PAGES + cloudwatch.WINDOW_PAGES


class TestQueue:
    def test_a_queue_that_does_not_answer_fails_nobody(
        self, aws: Aws, refused: Clients, caplog: pytest.LogCaptureFixture
    ) -> None:
        queue = SqsQueue(refused, aws.names, "ours")
        queue.send("run-1")
        assert queue.receive() == []
        assert "a sweep will find" in caplog.text

    def test_what_is_none_of_ours_is_deleted(self, aws: Aws, clients: Clients) -> None:
        queue = SqsQueue(clients, aws.names, "ours")
        url = clients.sqs.get_queue_url(QueueName=aws.names.queue)["QueueUrl"]
        for body in ("no json", "[]", '{"workspace": "ours"}'):
            clients.sqs.send_message(QueueUrl=url, MessageBody=body)
        queue.send("run-1")
        assert [message.body for message in queue.receive(wait=2)] == ["run-1"]
        assert _left(clients, url) == 1

    def test_a_hint_that_nobody_wanted_is_deleted_by_anybody(
        self, aws: Aws, clients: Clients, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        url = clients.sqs.get_queue_url(QueueName=aws.names.queue)["QueueUrl"]
        SqsQueue(clients, aws.names, "gone").send("run-1")
        ours = SqsQueue(clients, aws.names, "ours")
        assert ours.receive() == []
        assert _left(clients, url) == 1
        monkeypatch.setattr(sqs, "STALE_SECONDS", 0.0)
        while _left(clients, url):  # it reappears after a second
            assert ours.receive(wait=2) == []

    def test_waiting_ends_with_the_first_hint(self, aws: Aws, clients: Clients) -> None:
        queue = SqsQueue(clients, aws.names, "ours")
        later = threading.Timer(0.3, queue.send, ["run-1"])
        later.start()
        assert [message.body for message in queue.receive(wait=60)] == ["run-1"]
        later.join()


def _left(clients: Clients, url: str) -> int:
    """How many messages there are, hidden or not."""
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    found = clients.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
    return sum(map(int, found.values()))
