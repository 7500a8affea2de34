"""Watching the revisions of users from an event loop, without a thread."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection
from typing import Any

from sqlalchemy import Engine

from timestrata.dialects.arrays import texts
from timestrata.dialects.base import States, Watch

_WATCHED_ONE = (
    "SELECT u.name, s.seq, s.timezone FROM ts_user AS u JOIN ts_user_state AS s ON s.user_id = u.user_id WHERE u.name "
)
_WATCHED_ALL = "SELECT coalesce(sum(seq), 0) FROM ts_user_state"


def own_connection(engine: Engine) -> Any:
    """Return a new connection of the driver that no pool knows of."""
    pooled = engine.raw_connection()
    raw = pooled.driver_connection
    pooled.detach()
    return raw


class SQLiteWatch(Watch):
    """Remembers states until another connection commits, which SQLite tells in two microseconds without a lock."""

    _MOST_KEPT = 10_000

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._connection.execute("PRAGMA busy_timeout = 0")
        self._version: int | None = None
        self._kept: States = {}
        self._asked: Collection[str | None] = ()

    def ask(self, names: Collection[str | None]) -> None:
        # First the version, then the states: what is committed between the two is read again with the next question.
        version: int = self._connection.execute("PRAGMA data_version").fetchone()[0]
        if version != self._version or len(self._kept) > self._MOST_KEPT:
            self._version, self._kept = version, {}
        for name in names:
            if name not in self._kept:
                self._kept[name] = self._state(name)
        self._asked = names

    def _state(self, name: str | None) -> tuple[int, str | None]:
        if name is None:
            return self._connection.execute(_WATCHED_ALL).fetchone()[0], None
        found = self._connection.execute(f"{_WATCHED_ONE} = ?", (name,)).fetchone()
        return (found[1], found[2]) if found else (0, None)

    def answer(self) -> States:
        return {name: self._kept[name] for name in self._asked}

    def fileno(self) -> int:
        return -1  # never asked for: the answer is there at once

    def close(self) -> None:
        self._connection.close()


class PostgreSQLWatch(Watch):
    """Sends a prepared statement and is told by its socket when the answer is there."""

    def __init__(self, connection: Any) -> None:
        connection.autocommit = True
        self._connection = connection
        self._wire = connection.pgconn
        some = f"{_WATCHED_ONE} = ANY($1::text[])"
        everyone = f"{some} UNION ALL SELECT NULL, ({_WATCHED_ALL})::bigint, NULL"
        for statement, sql in ((b"some", some), (b"everyone", everyone)):
            self._check(self._wire.prepare(statement, sql.encode()))
        self._asked: Collection[str | None] = ()
        self._found: States = {}

    def ask(self, names: Collection[str | None]) -> None:
        self._asked, self._found = names, {}
        values = texts([name for name in names if name is not None])
        self._wire.send_query_prepared(b"everyone" if None in names else b"some", [values.encode()])
        self._wire.flush()

    def answer(self) -> States | None:
        self._wire.consume_input()
        while not self._wire.is_busy():
            result = self._wire.get_result()
            if result is None:
                return {name: self._found.get(name, (0, None)) for name in self._asked}
            self._keep(self._check(result))
        return None

    def _keep(self, result: Any) -> None:
        for row in range(result.ntuples):
            name, seq, timezone = (result.get_value(row, column) for column in range(3))
            key = None if name is None else name.decode()
            self._found[key] = (int(seq), None if timezone is None else timezone.decode())

    @staticmethod
    def _check(result: Any) -> Any:
        from psycopg import OperationalError, pq

        if result.status not in (pq.ExecStatus.COMMAND_OK, pq.ExecStatus.TUPLES_OK):
            raise OperationalError(pq.error_message(result))
        return result

    def fileno(self) -> int:
        return int(self._wire.socket)

    def close(self) -> None:
        self._connection.close()
