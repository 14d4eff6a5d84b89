"""Operations on logs and metrics: query the log of an agent, read and record a metric."""

import math
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final, Literal

from pydantic import BaseModel, Field

from storage.errors import InvalidInput
from storage.ports import LogEvent, Statistics, Telemetry
from storage.times import utc
from storage.workspace import Workspace
from tools.operations.results import page, result
from tools.registry import Plan, Registry, plans, reads

MOST_MINUTES: Final = 30 * 24 * 60
MOST_PERIODS: Final = 60
LogGroup = Literal["supervisor", "librarian", "analyst", "writer", "reviewer", "custodian"]
Unit = Literal["Count", "Seconds", "Bytes", "Percent", "None"]


class QueryLogs(BaseModel):
    """Arguments of `query_logs`."""

    group: LogGroup
    minutes: int = Field(60, ge=1, le=MOST_MINUTES, description="How far back")
    until: datetime | None = Field(None, description="The end of the time, in UTC; now if none")
    contains: str = Field("", max_length=200, description="A text in the event, such as failed")
    after: str = Field("", max_length=60, description="Continue with `next` of the last result")
    limit: int = Field(20, ge=1, le=100)


class GetMetrics(BaseModel):
    """Arguments of `get_metrics`."""

    name: str = Field(
        min_length=1,
        max_length=100,
        description="Such as runs_success, runs_error, step_seconds, input_tokens, dollars",
    )
    minutes: int = Field(60, ge=1, le=MOST_MINUTES, description="How far back")
    until: datetime | None = Field(None, description="The end of the time, in UTC; now if none")
    period: int = Field(
        0, ge=0, le=MOST_MINUTES, description="Minutes of each row; 0: as fits the time"
    )


class PutMetric(BaseModel):
    """Arguments of `put_metric`."""

    name: str = Field(pattern=r"^[A-Za-z][A-Za-z0-9_.-]{0,99}$")
    value: float = Field(allow_inf_nan=False)
    unit: Unit = "Count"


def add_signal_tools(registry: Registry, workspace: Workspace) -> None:
    """Register the operations on logs and metrics."""
    _add_log_tools(registry, workspace.telemetry)
    _add_metric_tools(registry, workspace.telemetry)


def _add_log_tools(registry: Registry, telemetry: Telemetry) -> None:
    def query_logs(
        group: LogGroup,
        minutes: int = 60,
        until: datetime | None = None,
        contains: str = "",
        after: str = "",
        limit: int = 20,
    ) -> tuple[str, Any]:
        """Read the newest log events of an agent, optionally those that contain a text."""
        end = _end(until)
        # The events of one instant are told apart by how many of them were shown.
        last, shown = _place(after) if after else (0.0, 0)
        events = telemetry.logs(
            group,
            start=end - 60 * minutes,
            end=math.nextafter(last, math.inf) if after else end,
            contains=contains,
            limit=shown + limit + 1,
        )
        found = events[shown:]
        rows = [{"at": utc(event.at), **event.record} for event in found]
        about = {"group": group, "from": utc(end - 60 * minutes), "to": utc(end)}
        return page(about, "events", rows, limit, lambda n: _next(events[: shown + n]))

    registry.add(reads(QueryLogs, query_logs), "read")


def _add_metric_tools(registry: Registry, telemetry: Telemetry) -> None:
    def get_metrics(
        name: str, minutes: int = 60, until: datetime | None = None, period: int = 0
    ) -> tuple[str, Any]:
        """Read a metric: count, sum, average, minimum, maximum, in all and for each period."""
        end = _end(until)
        seconds = 60 * (period or _fitting(minutes))
        if 60 * minutes / seconds > MOST_PERIODS:
            raise InvalidInput(
                f"There are more than {MOST_PERIODS} periods of {period} minutes in {minutes}: "
                "ask for longer periods or for less time."
            )
        start = end - 60 * minutes
        found = telemetry.statistics(name, start=start, end=end, period=seconds)
        about = {"name": name, "from": utc(start), "to": utc(end), **_in_all(found)}
        return result({**about, "periods": [_row(each) for each in found]})

    def put_metric(name: str, value: float, unit: Unit = "Count") -> Plan:
        """Record one value of a metric."""
        return Plan(
            shows=f"Record {value:g} {unit} for the metric {name}.",
            done=f"Recorded {value:g} {unit} for the metric {name}.",
            call=lambda: telemetry.metric(name, value, unit=unit),
        )

    registry.add(reads(GetMetrics, get_metrics), "read")
    registry.add(plans(PutMetric, put_metric), "write", "at_most_once")


def _end(until: datetime | None) -> float:
    """Return the end of the time that is asked for; a time without a zone is in UTC."""
    if until is None:
        return time.time() + 1
    return (until if until.tzinfo else until.replace(tzinfo=UTC)).timestamp()


def _fitting(minutes: int) -> int:
    """Return a round period, in minutes, of which some twenty make up the time."""
    return next(p for p in (1, 5, 15, 60, 360, 1440, 10_080) if minutes <= 24 * p)


def _next(shown: Sequence[LogEvent]) -> str:
    """Return where to go on: the instant of the last event, and how many of it were shown."""
    last = shown[-1].at
    return f"{last!r}/{sum(event.at == last for event in shown)}"


def _place(after: str) -> tuple[float, int]:
    at, _, shown = after.partition("/")
    try:
        return float(at), int(shown)
    except ValueError:
        raise InvalidInput(f"after={after!r} is not the `next` of a result.") from None


def _in_all(found: Sequence[Statistics]) -> dict[str, Any]:
    count = sum(each.count for each in found)
    if not count:
        return {"count": 0}
    total = math.fsum(each.total for each in found)
    return {
        "unit": found[0].unit,
        "count": count,
        "sum": total,
        "average": total / count,
        "minimum": min(each.minimum for each in found),
        "maximum": max(each.maximum for each in found),
    }


def _row(each: Statistics) -> dict[str, Any]:
    row = {
        "from": utc(each.start),
        "count": each.count,
        "sum": each.total,
        "average": each.average,
        "minimum": each.minimum,
        "maximum": each.maximum,
        "p50": each.p50,
        "p95": each.p95,
    }
    return {name: value for name, value in row.items() if value is not None}
