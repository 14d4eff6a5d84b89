"""Hints, logs and metrics in a SQLite file of their own.

They are no truth: losing the last of them at a power failure loses no work. So this file is not
synced at each commit, and writing it never waits for, nor holds up, the tables.
"""

import json
import logging
import math
import time
from collections.abc import Mapping, Sequence
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Final

from storage.embedded.sqlite import Database
from storage.errors import AffidavitError, InvalidInput
from storage.ports import LOG_GROUPS, LogEvent, Measurement, Message, Statistics, Value
from storage.telemetry import event_text, first_period, is_measurable

HIDDEN_SECONDS: Final = 30.0
"""How long a hint that was received stays hidden before it is offered again."""
POLL_SECONDS: Final = 0.05
RETENTION_SECONDS: Final = 30 * 86_400.0

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS hints (
    id INTEGER PRIMARY KEY, queue TEXT NOT NULL, body TEXT NOT NULL, visible_at REAL NOT NULL);
CREATE TABLE IF NOT EXISTS logs (
    at REAL NOT NULL, workspace TEXT NOT NULL, grp TEXT NOT NULL, record TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS logs_by_time ON logs (workspace, grp, at);
CREATE TABLE IF NOT EXISTS metrics (
    at REAL NOT NULL, workspace TEXT NOT NULL, name TEXT NOT NULL, value REAL NOT NULL,
    unit TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS metrics_by_time ON metrics (workspace, name, at);
"""

logger = logging.getLogger(__name__)


def open_signals(path: Path) -> Database:
    """Open the file of hints, logs and metrics, making it if need be."""
    return Database(path, _SCHEMA, synchronous="OFF")


class SqliteQueue:
    """The port `Queue` on one queue of the file."""

    def __init__(self, database: Database, name: str) -> None:
        self._database = database
        self._name = name

    def send(self, body: str) -> None:
        """See `Queue.send`."""
        with self._database.writing() as connection:
            connection.execute(
                "INSERT INTO hints (queue, body, visible_at) VALUES (?, ?, 0)", (self._name, body)
            )

    def receive(self, *, wait: float = 0.0, limit: int = 10) -> list[Message]:
        """See `Queue.receive`."""
        deadline = time.monotonic() + wait
        while not (messages := self._take(limit)) and time.monotonic() < deadline:
            time.sleep(min(POLL_SECONDS, max(0.0, deadline - time.monotonic())))
        return messages

    def _take(self, limit: int) -> list[Message]:
        visible = "queue = ? AND visible_at <= ?"
        with self._database.connection() as connection:
            now = time.time()
            query = f"SELECT 1 FROM hints WHERE {visible} LIMIT 1"  # noqa: S608
            if connection.execute(query, (self._name, now)).fetchone() is None:
                return []
        with self._database.writing() as connection:
            rows = connection.execute(
                f"UPDATE hints SET visible_at = ? WHERE id IN (SELECT id FROM hints "  # noqa: S608
                f"WHERE {visible} ORDER BY id LIMIT ?) RETURNING id, body",
                (now + HIDDEN_SECONDS, self._name, now, limit),
            ).fetchall()
        return [Message(body, str(row)) for row, body in sorted(rows)]

    def delete(self, message: Message) -> None:
        """See `Queue.delete`."""
        with self._database.writing() as connection:
            connection.execute("DELETE FROM hints WHERE id = ?", (int(message.receipt),))


class SqliteTelemetry:
    """The port `Telemetry` of one workspace on the file."""

    def __init__(self, database: Database, workspace: str) -> None:
        self._database = database
        self._workspace = workspace

    def log(self, group: str, record: Mapping[str, Value], *, at: float | None = None) -> None:
        """See `Telemetry.log`."""
        self.report([LogEvent(at or time.time(), group, record)], ())

    def metric(self, name: str, value: float, *, unit: str = "Count") -> None:
        """See `Telemetry.metric`."""
        self.report((), [Measurement(name, value, unit)])

    def report(self, events: Sequence[LogEvent], values: Sequence[Measurement]) -> None:
        """See `Telemetry.report`."""
        now, workspace = time.time(), self._workspace
        texts = [(e.at, workspace, e.group, event_text(e.record)) for e in events]
        metrics = [
            (now, workspace, each.name, each.value, each.unit)
            for each in values
            if is_measurable(each.name, each.value, each.unit)
        ]
        try:
            with self._database.writing() as connection:
                connection.executemany(
                    "INSERT INTO logs VALUES (?, ?, ?, ?)", [row for row in texts if row[-1]]
                )
                connection.executemany("INSERT INTO metrics VALUES (?, ?, ?, ?, ?)", metrics)
        except AffidavitError:  # telemetry never fails its caller
            logger.warning("Some events could not be recorded.", exc_info=True)

    def logs(
        self, group: str, *, start: float, end: float, contains: str = "", limit: int = 100
    ) -> list[LogEvent]:
        """See `Telemetry.logs`."""
        if group not in LOG_GROUPS:
            raise InvalidInput(f"There is no log group {group!r}; there are {LOG_GROUPS}.")
        sql = (
            "SELECT at, record FROM logs WHERE grp = ? AND instr(record, ?) > 0 "
            "AND workspace = ? AND at >= ? AND at < ? ORDER BY at DESC, rowid DESC LIMIT ?"
        )
        with self._database.connection() as connection:
            parameters = (group, contains, self._workspace, start, end, limit)
            rows = connection.execute(sql, parameters).fetchall()
        return [LogEvent(at, group, json.loads(record)) for at, record in rows]

    def statistics(self, name: str, *, start: float, end: float, period: int) -> list[Statistics]:
        """See `Telemetry.statistics`."""
        first = first_period(start, end, period)
        sql = (
            "SELECT CAST(at / ? AS INTEGER) AS number, unit, value FROM metrics "
            "WHERE workspace = ? AND name = ? AND at >= ? AND at < ? ORDER BY number, unit, value"
        )
        with self._database.connection() as connection:
            rows = connection.execute(sql, (period, self._workspace, name, first, end)).fetchall()
        return [
            _summary(number * period, unit, [value for _, _, value in found])
            for (number, unit), found in groupby(rows, key=itemgetter(0, 1))
        ]


def _summary(start: float, unit: str, ordered: list[float]) -> Statistics:
    return Statistics(
        start=float(start),
        unit=unit,
        count=len(ordered),
        total=math.fsum(ordered),
        minimum=ordered[0],
        maximum=ordered[-1],
        p50=_percentile(ordered, 50),
        p95=_percentile(ordered, 95),
    )


def _percentile(ordered: list[float], percent: int) -> float:
    """Return the least value that so many percent do not exceed (the nearest-rank method)."""
    return ordered[math.ceil(len(ordered) * percent / 100) - 1]


def sweep(database: Database) -> None:
    """Delete logs and metrics past their retention."""
    oldest = time.time() - RETENTION_SECONDS
    with database.writing() as connection:
        connection.execute("DELETE FROM logs WHERE at < ?", (oldest,))
        connection.execute("DELETE FROM metrics WHERE at < ?", (oldest,))
