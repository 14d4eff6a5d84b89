"""Hints, logs and metrics in a SQLite file of their own.

They are no truth: losing the last of them at a power failure loses no work. So this file is not
synced at each commit, and writing it never waits for, nor holds up, the tables.
"""

import json
import logging
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from storage.embedded.sqlite import Database
from storage.errors import AffidavitError, InvalidInput
from storage.ports import LOG_GROUPS, LogEvent, Message, MetricPoint, Value

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

    def log(self, group: str, record: Mapping[str, Value]) -> None:
        """See `Telemetry.log`."""
        text = json.dumps(dict(record), default=str, ensure_ascii=False)
        self._write("INSERT INTO logs VALUES (?, ?, ?, ?)", group, text)

    def metric(self, name: str, value: float, *, unit: str = "Count") -> None:
        """See `Telemetry.metric`."""
        self._write("INSERT INTO metrics VALUES (?, ?, ?, ?, ?)", name, value, unit)

    def _write(self, sql: str, *values: str | float) -> None:
        try:
            with self._database.writing() as connection:
                connection.execute(sql, (time.time(), self._workspace, *values))
        except AffidavitError:  # telemetry never fails its caller
            logger.warning("An event could not be recorded.", exc_info=True)

    def logs(
        self, group: str, *, start: float, end: float, contains: str = "", limit: int = 100
    ) -> list[LogEvent]:
        """See `Telemetry.logs`."""
        if group not in LOG_GROUPS:
            raise InvalidInput(f"There is no log group {group!r}; there are {LOG_GROUPS}.")
        rows = self._newest(
            "SELECT at, record FROM logs WHERE grp = ? AND instr(record, ?) > 0",
            (group, contains),
            start,
            end,
            limit,
        )
        return [LogEvent(at, group, json.loads(record)) for at, record in rows]

    def metrics(
        self, name: str, *, start: float, end: float, limit: int = 1000
    ) -> list[MetricPoint]:
        """See `Telemetry.metrics`."""
        sql = "SELECT at, value, unit FROM metrics WHERE name = ?"
        rows = self._newest(sql, (name,), start, end, limit)
        return [MetricPoint(at, name, value, unit) for at, value, unit in rows]

    def _newest(
        self, sql: str, values: tuple[str, ...], start: float, end: float, limit: int
    ) -> list[Any]:
        sql += " AND workspace = ? AND at >= ? AND at < ? ORDER BY at DESC, rowid DESC LIMIT ?"
        with self._database.connection() as connection:
            parameters = (*values, self._workspace, start, end, limit)
            return connection.execute(sql, parameters).fetchall()


def sweep(database: Database) -> None:
    """Delete logs and metrics past their retention."""
    oldest = time.time() - RETENTION_SECONDS
    with database.writing() as connection:
        connection.execute("DELETE FROM logs WHERE at < ?", (oldest,))
        connection.execute("DELETE FROM metrics WHERE at < ?", (oldest,))
