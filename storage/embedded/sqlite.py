"""Tables in one SQLite file, in WAL mode with `synchronous=FULL`: what was acknowledged is on disk.

A read sees everything that was committed before it. Writers of one process queue on a lock, those
of other processes on SQLite's own; nobody is refused before `BUSY_SECONDS`. The file may be opened
by any number of processes of one machine; it must not lie on a network drive.
"""

import sqlite3
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, cast

import ormsgpack

from storage.errors import ConditionFailed, InvalidInput, Unavailable
from storage.limits import check_item, check_transaction, what_failed
from storage.ports import (
    Absent,
    Action,
    Condition,
    Delete,
    FieldIs,
    Item,
    Key,
    Put,
    TableName,
    Value,
    VersionIs,
)

BUSY_SECONDS: Final = 30.0
FIRST_PAGE_ROWS: Final = 4
PAGE_ROWS: Final = 256
_COLUMNS: Final = "pk, sk, version, expires_at, body"
_LIVE: Final = "(expires_at IS NULL OR expires_at > ?)"


class Database:
    """Connections to one SQLite file, shared by threads; makes the file and its tables."""

    def __init__(self, path: Path, schema: str, *, synchronous: str = "FULL") -> None:
        self.path = path
        self._synchronous = synchronous
        self._idle: list[sqlite3.Connection] = []
        self._lock = threading.Lock()
        self._writing = threading.Lock()
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise Unavailable(
                f"The directory {path.parent} cannot be made: {error.strerror}. "
                "Set AFFIDAVIT_HOME to one that can be written."
            ) from error
        with self.connection() as connection:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.executescript(schema)

    @contextmanager
    def connection(self) -> Iterator[sqlite3.Connection]:
        """Lend a connection; translate SQLite's errors into ours."""
        with self._lock:
            idle = self._idle.pop() if self._idle else None
        try:
            connection = idle or self._connect()
        except sqlite3.Error as error:
            raise Unavailable(_why(self.path, error)) from error
        try:
            yield connection
        except sqlite3.Error as error:
            connection.close()
            raise Unavailable(_why(self.path, error)) from error
        except BaseException:
            self._return(connection)
            raise
        self._return(connection)

    def _return(self, connection: sqlite3.Connection) -> None:
        with self._lock:
            self._idle.append(connection)

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """Lend a connection inside a transaction that commits at the end, or not at all."""
        with self._writing, self.connection() as connection:
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                connection.execute("ROLLBACK")
                raise

    def write(self, sql: str, values: Sequence[Any]) -> int:
        """Do one statement, which is a transaction by itself; return how many rows it wrote."""
        with self._writing, self.connection() as connection:
            return connection.execute(sql, values).rowcount

    def scrub(self) -> None:
        """Write the file anew, and empty its log: no deleted row is left in either.

        SQLite itself only forgets where a deleted row lay. Others wait meanwhile, for about as
        long as the file takes to be copied.

        Raises:
            Unavailable: others kept reading.
        """
        with self._writing, self.connection() as connection:
            connection.execute("VACUUM")
            (busy, *_) = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        if busy:
            raise Unavailable(f"{self.path} is being read, and its log could not be emptied.")

    def close(self) -> None:
        """Close the connections that are not in use."""
        with self._lock:
            while self._idle:
                self._idle.pop().close()

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self.path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
        )
        connection.execute(f"PRAGMA synchronous={self._synchronous}")
        return connection


def tables_schema(names: Sequence[str]) -> str:
    """Return the SQL that makes the tables, if they are not there."""
    return "\n".join(
        f"""
        CREATE TABLE IF NOT EXISTS {name} (
            pk TEXT NOT NULL, sk TEXT NOT NULL, version INTEGER NOT NULL,
            expires_at INTEGER, body BLOB NOT NULL,
            PRIMARY KEY (pk, sk)
        ) WITHOUT ROWID;
        CREATE INDEX IF NOT EXISTS {name}_expiry ON {name} (expires_at)
            WHERE expires_at IS NOT NULL;
        """
        for name in names
    )


def sweep_expired(database: Database, names: Sequence[str]) -> None:
    """Delete the items that have expired; DynamoDB does it by itself."""
    with database.writing() as connection:
        for name in names:
            sql = f"DELETE FROM {name} WHERE expires_at <= ?"  # noqa: S608
            connection.execute(sql, (time.time(),))


class SqliteTable:
    """The port `Table` on one table of the file. Names of tables are the project's own."""

    def __init__(self, database: Database, name: TableName) -> None:
        self._database = database
        self._name = name

    def get(self, pk: str, sk: str) -> Item | None:
        """See `Table.get`."""
        with self._database.connection() as connection:
            return _read(connection, self._name, pk, sk)

    def batch_get(self, keys: Sequence[Key]) -> dict[Key, Item]:
        """See `Table.batch_get`."""
        with self._database.connection() as connection:
            found = ((key, _read(connection, self._name, *key)) for key in keys)
            return {key: item for key, item in found if item is not None}

    def query(
        self,
        pk: str,
        *,
        prefix: str = "",
        between: tuple[str, str] | None = None,
        after: str = "",
        reverse: bool = False,
        limit: int | None = None,
    ) -> Iterator[Item]:
        """See `Table.query`."""
        if prefix and between:
            raise InvalidInput("A query takes a prefix or a range, not both.")
        left = sys.maxsize if limit is None else limit
        # Who wants one row often does not know how many to skip: pages begin small, and grow.
        most = FIRST_PAGE_ROWS
        while left > 0:
            rows = min(left, most)
            page = self._page(pk, prefix, between, after, reverse, rows)
            yield from page
            if len(page) < rows:
                return
            after = page[-1].sk
            left -= len(page)
            most = min(most * 4, PAGE_ROWS)

    def _page(
        self,
        pk: str,
        prefix: str,
        between: tuple[str, str] | None,
        after: str,
        reverse: bool,
        rows: int,
    ) -> list[Item]:
        where = ["pk = ?", _LIVE]
        values: list[str | float | int] = [pk, time.time()]
        if prefix:
            # Every string with this prefix sorts below the prefix and the highest code point.
            where += ["sk >= ?", "sk < ?"]
            values += [prefix, prefix + "\U0010ffff"]
        if between:
            where += ["sk >= ?", "sk <= ?"]
            values += list(between)
        if after:
            where.append("sk < ?" if reverse else "sk > ?")
            values.append(after)
        sql = (
            f"SELECT {_COLUMNS} FROM {self._name} WHERE {' AND '.join(where)} "  # noqa: S608
            f"ORDER BY sk {'DESC' if reverse else 'ASC'} LIMIT ?"
        )
        with self._database.connection() as connection:
            return [_item(row) for row in connection.execute(sql, [*values, rows])]

    def put(self, item: Item, when: Condition | None = None) -> None:
        """See `Table.put`. Where it may stand is said in the statement itself: it is one call."""
        if not (when is None or isinstance(when, Absent)):
            self.transact([Put(item, when)])
            return
        check_item(item)
        sql, values = _insert(self._name, item)
        if when:
            sql += f" WHERE NOT {_LIVE}"
            values += (time.time(),)
        if not self._database.write(sql, values):
            raise ConditionFailed(what_failed([Put(item, when)], (0,)), (0,))

    def delete(self, pk: str, sk: str, when: Condition | None = None) -> None:
        """See `Table.delete`."""
        self.transact([Delete(pk, sk, when)])

    def batch_write(self, puts: Sequence[Item] = (), deletes: Sequence[Key] = ()) -> None:
        """See `Table.batch_write`."""
        for item in puts:
            check_item(item)
        with self._database.writing() as connection:
            for item in puts:
                _write(connection, self._name, item)
            for pk, sk in deletes:
                _remove(connection, self._name, pk, sk)

    def transact(self, actions: Sequence[Action]) -> None:
        """See `Table.transact`."""
        check_transaction(actions)
        with self._database.writing() as connection:
            failed = tuple(
                position
                for position, action in enumerate(actions)
                if not self._holds(connection, action)
            )
            if failed:
                raise ConditionFailed(what_failed(actions, failed), failed)
            for action in actions:
                name = action.table or self._name
                if isinstance(action, Put):
                    _write(connection, name, action.item)
                elif isinstance(action, Delete):
                    _remove(connection, name, action.pk, action.sk)

    def _holds(self, connection: sqlite3.Connection, action: Action) -> bool:
        if action.when is None:
            return True
        target = action.item if isinstance(action, Put) else action
        found = _read(connection, action.table or self._name, target.pk, target.sk)
        return holds(action.when, found)


def holds(condition: Condition, item: Item | None) -> bool:
    """Return whether a condition holds for what was found."""
    match condition:
        case Absent():
            return item is None
        case VersionIs(version):
            return item is not None and item.version == version
        case FieldIs(name, value):
            # By type too, as DynamoDB does: 1 is not True.
            found = item.body.get(name, ...) if item else ...
            return type(found) is type(value) and found == value


def _why(path: Path, error: sqlite3.Error) -> str:
    code = getattr(error, "sqlite_errorcode", None)
    if code in (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT):
        return f"{path} is damaged ({error}). Put a copy of its directory back, as a whole."
    return f"The database {path} did not answer: {error}."


def _read(connection: sqlite3.Connection, table: str, pk: str, sk: str) -> Item | None:
    sql = f"SELECT {_COLUMNS} FROM {table} WHERE pk = ? AND sk = ? AND {_LIVE}"  # noqa: S608
    row = connection.execute(sql, (pk, sk, time.time())).fetchone()
    return None if row is None else _item(row)


def _write(connection: sqlite3.Connection, table: str, item: Item) -> None:
    connection.execute(*_insert(table, item))


def _insert(table: str, item: Item) -> tuple[str, tuple[Any, ...]]:
    """Return the statement that writes an item, over another if there is one, and its values."""
    sql = (
        f"INSERT INTO {table} ({_COLUMNS}) VALUES (?, ?, ?, ?, ?) "  # noqa: S608
        "ON CONFLICT DO UPDATE SET version = excluded.version, "
        "expires_at = excluded.expires_at, body = excluded.body"
    )
    body = ormsgpack.packb(dict(item.body))
    return sql, (item.pk, item.sk, item.version, item.expires_at, body)


def _remove(connection: sqlite3.Connection, table: str, pk: str, sk: str) -> None:
    connection.execute(f"DELETE FROM {table} WHERE pk = ? AND sk = ?", (pk, sk))  # noqa: S608


def _item(row: tuple[str, str, int, int | None, bytes]) -> Item:
    pk, sk, version, expires_at, body = row
    return Item(pk, sk, cast(dict[str, Value], ormsgpack.unpackb(body)), version, expires_at)
