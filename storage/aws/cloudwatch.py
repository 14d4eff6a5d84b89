"""Log events and metrics in CloudWatch, written behind the caller's back (`storage.aws.outbox`).

Every event is one line of JSON in the log group of its agent, in a stream
`{workspace}/{day}/{process}`: a workspace reads the streams that begin with its own name, and no
other. Every value of a metric is kept singly, so that CloudWatch can tell percentiles, under one
dimension, the workspace.

Reading first sends what this process has still to send. CloudWatch itself shows new events after
some seconds and new values after a minute or two.
"""

import json
import math
import os
import socket
import time
import uuid
from collections import deque
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from storage.aws.clients import Clients
from storage.aws.errors import AwsError, code_of, translate
from storage.aws.names import Names
from storage.aws.outbox import Batch, Outbox
from storage.ports import LogEvent, Measurement, Statistics, Value
from storage.telemetry import event_text, first_period, is_measurable

FLUSH_SECONDS: Final = 2.0
OWN_SECONDS: Final = 10.0
"""How long a reader waits until what this process wrote is there to be read."""
# https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutLogEvents.html
EVENTS: Final = Batch(entries=10_000, bytes=1_048_576)
EVENT_OVERHEAD: Final = 26
# https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricData.html
VALUES: Final = Batch(entries=1_000, bytes=1_000_000)
VALUE_BYTES: Final = 700
"""More than one value takes in a request, whose largest part is names."""
MOST_PAGES: Final = 100
"""How many pages of a log one reading goes through; the newest come first."""
WINDOW_PAGES: Final = 10
FIRST_WINDOW: Final = 60.0

Line = tuple[int, str]
"""When, in milliseconds since the epoch, and the event's text."""


class CloudWatchTelemetry:
    """The port `Telemetry` of one workspace. `close` it at the end."""

    def __init__(self, clients: Clients, names: Names, workspace: str) -> None:
        """Take what is needed; nothing is sent or started yet."""
        self._clients = clients
        self._names = names
        self._workspace = workspace
        self._streams: set[tuple[str, str]] = set()
        self._process = ""
        self._events = Outbox[Line]("log events", self._send_events, EVENTS)
        self._values = Outbox[dict[str, Any]]("metric values", self._send_values, VALUES)

    @property
    def dropped(self) -> int:
        """How many events and values were not sent, and will not be."""
        return self._events.dropped + self._values.dropped

    def log(self, group: str, record: Mapping[str, Value], *, at: float | None = None) -> None:
        """See `Telemetry.log`."""
        if text := event_text(record):
            when = int((at or time.time()) * 1000)
            size = len(text.encode()) + EVENT_OVERHEAD
            # A batch goes to one group, and spans less than a day.
            self._events.put(f"{_day(when)} {group}", size, (when, text))

    def metric(self, name: str, value: float, *, unit: str = "Count") -> None:
        """See `Telemetry.metric`."""
        if is_measurable(name, value, unit):
            datum = {
                "MetricName": name,
                "Dimensions": self._dimensions,
                "Timestamp": datetime.now(UTC).replace(second=0, microsecond=0),
                "Value": float(value),
                "Unit": unit,
            }
            self._values.put("", VALUE_BYTES, datum)

    def report(self, events: Sequence[LogEvent], values: Sequence[Measurement]) -> None:
        """See `Telemetry.report`."""
        for event in events:
            self.log(event.group, event.record, at=event.at)
        for each in values:
            self.metric(each.name, each.value, unit=each.unit)

    def flush(self, seconds: float = FLUSH_SECONDS) -> None:
        """Wait until everything is sent, but no longer."""
        deadline = time.monotonic() + seconds
        self._events.flush(seconds)
        self._values.flush(max(0.0, deadline - time.monotonic()))

    def close(self) -> None:
        """Send what is left, for two seconds at most; what then remains is dropped."""
        deadline = time.monotonic() + FLUSH_SECONDS
        self._events.close(FLUSH_SECONDS)
        self._values.close(max(0.0, deadline - time.monotonic()))

    # Sending: on the thread of an outbox.

    def _send_events(self, lane: str, lines: list[Line]) -> None:
        day, _, agent = lane.partition(" ")
        group, stream = self._names.log_group(agent), self._stream(day)
        events = [{"timestamp": at, "message": text} for at, text in sorted(lines, key=_when)]
        try:
            if (group, stream) not in self._streams:
                self._create_stream(group, stream)
            self._clients.logs.put_log_events(
                logGroupName=group, logStreamName=stream, logEvents=events
            )
        except AwsError as error:
            self._streams.discard((group, stream))
            raise translate(error, f"log group {group}") from error

    def _create_stream(self, group: str, stream: str) -> None:
        try:
            self._clients.logs.create_log_stream(logGroupName=group, logStreamName=stream)
        except AwsError as error:
            if code_of(error) != "ResourceAlreadyExistsException":
                raise
        self._streams.add((group, stream))

    def _stream(self, day: str) -> str:
        if not self._process.startswith(f"{os.getpid()}-"):  # a fork is another process
            host = socket.gethostname().translate(str.maketrans(":*", "--"))
            self._process = f"{os.getpid()}-{uuid.uuid4().hex[:8]}-{host}"
        return f"{self._workspace}/{day}/{self._process}"

    def _send_values(self, _: str, data: list[dict[str, Any]]) -> None:
        try:
            self._clients.cloudwatch.put_metric_data(
                Namespace=self._names.metric_namespace, MetricData=data
            )
        except AwsError as error:
            raise translate(error, f"metrics {self._names.metric_namespace}") from error

    # Reading.

    def logs(
        self, group: str, *, start: float, end: float, contains: str = "", limit: int = 100
    ) -> list[LogEvent]:
        """See `Telemetry.logs`; it goes through `MOST_PAGES` pages of a log at most.

        CloudWatch reads forward only, so this goes back in windows, which grow as long as they are
        easily read. The text is searched here, as a filter pattern would search for words.
        """
        name = self._names.log_group(group)
        self._events.flush(OWN_SECONDS)
        found: list[LogEvent] = []
        until, width, pages = _ms(end), FIRST_WINDOW * 1000, MOST_PAGES
        while until > _ms(start) and len(found) < limit and pages > 0:
            since = max(_ms(start), until - int(width))
            read, lines, complete = self._window(name, since, until, contains, limit - len(found))
            pages -= read
            if not complete and since < until - 1:
                width = max(1.0, (until - since) / 8)
                continue
            found += [LogEvent(at / 1000, group, json.loads(text)) for at, text in reversed(lines)]
            until, width = since, width * 4
        return found

    def _window(
        self, group: str, since: int, until: int, contains: str, limit: int
    ) -> tuple[int, deque[Line], bool]:
        """Read a window of a log: how many pages, its newest lines, and whether that was all."""
        lines: deque[Line] = deque(maxlen=limit)
        more: dict[str, str] = {}
        for page in range(1, WINDOW_PAGES + 1):
            try:
                answer = self._clients.logs.filter_log_events(
                    logGroupName=group,
                    logStreamNamePrefix=f"{self._workspace}/",
                    startTime=since,
                    endTime=until - 1,
                    interleaved=True,
                    **more,
                )
            except AwsError as error:
                raise translate(error, f"log group {group}") from error
            lines.extend(
                (event["timestamp"], event["message"])
                for event in answer["events"]
                # Not every server that speaks this protocol heeds the prefix.
                if event["logStreamName"].startswith(f"{self._workspace}/")
                and contains in event["message"]
            )
            if not (token := answer.get("nextToken")):
                return page, deque(sorted(lines, key=_when)), True
            more = {"nextToken": token}
        return WINDOW_PAGES, lines, False

    def statistics(self, name: str, *, start: float, end: float, period: int) -> list[Statistics]:
        """See `Telemetry.statistics`."""
        first = first_period(start, end, period)
        if first >= end:
            return []
        self._values.flush(OWN_SECONDS)
        asked = {
            "Namespace": self._names.metric_namespace,
            "MetricName": name,
            "Dimensions": self._dimensions,
            "StartTime": datetime.fromtimestamp(first, UTC),
            "EndTime": datetime.fromtimestamp(end, UTC),
            "Period": period,
        }
        plain = ["SampleCount", "Sum", "Minimum", "Maximum"]
        try:
            found = self._clients.cloudwatch.get_metric_statistics(**asked, Statistics=plain)
            ranked = self._clients.cloudwatch.get_metric_statistics(
                **asked, ExtendedStatistics=["p50", "p95"]
            )
        except AwsError as error:
            raise translate(error, f"metrics {self._names.metric_namespace}") from error
        percentiles = {
            (point["Timestamp"], point["Unit"]): point.get("ExtendedStatistics", {})
            for point in ranked["Datapoints"]
        }
        ordered = sorted(found["Datapoints"], key=lambda p: (p["Timestamp"], p["Unit"]))
        return [
            _statistics(point, percentiles.get((point["Timestamp"], point["Unit"]), {}))
            for point in ordered
        ]

    @property
    def _dimensions(self) -> list[dict[str, str]]:
        return [{"Name": "Workspace", "Value": self._workspace}]


def _statistics(point: dict[str, Any], percentiles: dict[str, float]) -> Statistics:
    return Statistics(
        start=point["Timestamp"].timestamp(),
        unit=point["Unit"],
        count=int(point["SampleCount"]),
        total=point["Sum"],
        minimum=point["Minimum"],
        maximum=point["Maximum"],
        p50=percentiles.get("p50"),
        p95=percentiles.get("p95"),
    )


def _when(line: Line) -> int:
    return line[0]


def _ms(seconds: float) -> int:
    """Return the first millisecond that is not before a moment."""
    return math.ceil(seconds * 1000)


def _day(at: int) -> str:
    return datetime.fromtimestamp(at / 1000, UTC).date().isoformat()
