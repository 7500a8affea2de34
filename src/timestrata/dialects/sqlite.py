"""SQLite, through the driver of the standard library: rows by its own executemany()."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, QueuePool, Table, create_engine, event, exc
from sqlalchemy.engine import URL

from timestrata.dialects.base import (
    Dialect,
    Receipt,
    Row,
    UserState,
    Watch,
    Write,
    by_key,
    delete_sql,
    driver,
    insert_sql,
    merge_clause,
    nothing,
)
from timestrata.dialects.watches import SQLiteWatch, own_connection
from timestrata.errors import UnsupportedDatabase

OLDEST_SQLITE = (3, 37, 0)
BUSY_SECONDS = 60.0

# An UPDATE and not a SELECT: in a caller's own transaction it takes the write lock before anything is read.
LOCK = """
UPDATE ts_user_state SET seq = seq WHERE user_id IN (SELECT value FROM json_each(?))
RETURNING user_id, seq, timezone, sealed_through"""

RECEIPTS = """
SELECT r.user_id, r.workflow_id, r.number, r.revision, r.state, r.day, r.fingerprint, r.first_fingerprint
FROM json_each(?) AS k CROSS JOIN ts_receipt AS r
ON r.user_id = json_extract(k.value, '$[0]') AND r.workflow_id = json_extract(k.value, '$[1]')"""


class SQLite(Dialect):
    """The embedded default: WAL, every commit flushed, writers one after the other from their first statement."""

    name = "sqlite"
    title = "SQLite"

    def engine(self, url: URL) -> Engine:
        in_memory = not url.database or url.database == ":memory:"
        # A database in memory lives in one connection, so that one is shared and waited for.
        pool = {"pool_size": 1, "max_overflow": 0} if in_memory else {"pool_size": 5, "max_overflow": 20}
        engine = create_engine(
            url.set(drivername="sqlite+pysqlite"),
            connect_args={"timeout": BUSY_SECONDS, "isolation_level": None, "check_same_thread": False},
            poolclass=QueuePool,
            **pool,
        )
        event.listen(engine, "connect", _set_up)
        event.listen(engine, "begin", _begin)
        return engine

    def file(self, engine: Engine) -> Path | None:
        name = engine.url.database
        return Path(name) if name and name != ":memory:" else None

    def adopt(self, engine: Engine) -> None:
        # Not on every connection: it writes into the file, which may be another program's until we have looked.
        with engine.connect() as connection, driver(connection) as raw:
            if raw.execute("PRAGMA journal_mode").fetchone()[0] == "delete":
                _enter_wal(raw)

    def begin_write(self, connection: Connection) -> None:
        connection.execution_options(timestrata_write=True)

    def snapshot(self, engine: Engine) -> Engine:
        return engine  # a deferred transaction reads the state of its first SELECT

    def watch(self, engine: Engine) -> Watch | None:
        # A database in memory lives in one connection, which is lent to whoever works with it.
        return SQLiteWatch(own_connection(engine)) if self.file(engine) is not None else None

    def lock(
        self, connection: Connection, user_ids: Sequence[int], keys: Sequence[tuple[int, str]]
    ) -> tuple[dict[int, UserState], dict[tuple[int, str], Receipt]]:
        with driver(connection) as raw:
            states = raw.execute(LOCK, (json.dumps(list(user_ids)),)).fetchall()
            receipts = raw.execute(RECEIPTS, (json.dumps(list(keys)),)).fetchall()
        return by_key(user_ids, states, receipts)

    def apply(self, connection: Connection, plan: Iterable[Write], planned: Callable[[], None] = nothing) -> None:
        with driver(connection) as raw:
            for write in plan:
                if write.rows:
                    raw.executemany(_values_sql(write), write.rows)
        planned()

    def matching(self, connection: Connection, table: Table, keys: Sequence[tuple[int, ...]]) -> list[Row]:
        if not keys:
            return []
        with driver(connection) as raw:
            rows: list[Row] = raw.execute(_matching_sql(table, len(keys[0])), (json.dumps(keys),)).fetchall()
        return rows

    def analyze(self, engine: Engine) -> None:
        pass  # its plans follow from how the questions are put

    def lock_schema(self, connection: Connection) -> None:
        pass  # BEGIN IMMEDIATE has it

    def is_transient(self, error: Exception) -> bool:
        return _is_busy(error.orig if isinstance(error, exc.DBAPIError) else error)

    def database_bytes(self, connection: Connection) -> int:
        size = "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size"
        return int(connection.exec_driver_sql(size).scalar_one())

    def commits_each(self, raw: Any) -> bool:
        return raw.isolation_level is None and not raw.in_transaction

    def check_version(self, connection: Connection) -> None:
        found = connection.exec_driver_sql("SELECT sqlite_version()").scalar_one()
        if tuple(map(int, found.split("."))) < OLDEST_SQLITE:
            raise UnsupportedDatabase(f"SQLite {found} is too old: want 3.37 or newer (for STRICT tables)")


def _is_busy(error: BaseException | None) -> bool:
    code = getattr(error, "sqlite_errorcode", None)
    return code is not None and code & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def _set_up(connection: sqlite3.Connection, _record: object) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA synchronous = FULL")
    # Measured on imports of 1,000 a batch: the default checkpoint after 1,000 pages comes with nearly every commit.
    cursor.execute("PRAGMA wal_autocheckpoint = 8000")
    cursor.execute("PRAGMA journal_size_limit = 67108864")
    # Also how large a sort grows before it goes to a file. `temp_store = MEMORY` keeps sorts in memory row by row:
    # measured on the steps of a million workflows, a fifth slower alone, and two threads took turns.
    cursor.execute("PRAGMA cache_size = -65536")
    cursor.close()


def _enter_wal(connection: sqlite3.Connection) -> None:
    # The switch needs the file alone and does not honour the busy timeout when two processes open a new file at once;
    # an exclusive lock, which does, waits for readers too. Whoever comes second finds the file switched.
    for _ in range(100):
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if not _is_busy(error):
                raise
            connection.execute("BEGIN EXCLUSIVE")
            connection.execute("ROLLBACK")
    raise UnsupportedDatabase("the SQLite file cannot be switched to WAL: another program keeps it locked")


def _begin(connection: Connection) -> None:
    write = connection.get_execution_options().get("timestrata_write", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")


@cache
def _matching_sql(table: Table, width: int) -> str:
    names = [column.name for column in table.columns][:width]
    on = " AND ".join(f"t.{name} = json_extract(k.value, '$[{place}]')" for place, name in enumerate(names))
    order = ", ".join(f"t.{column.name}" for column in table.primary_key)
    # CROSS: the keys lead, each a search of the primary key.
    return f"SELECT t.* FROM json_each(?) AS k CROSS JOIN {table.name} AS t ON {on} ORDER BY {order}"


def _values_sql(write: Write) -> str:
    if write.kind == "delete":
        return delete_sql(write.table, len(write.rows[0]))
    return insert_sql(write.table) + (merge_clause(write.table) if write.kind == "merge" else "")
