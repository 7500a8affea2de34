"""PostgreSQL, through psycopg 3: one INSERT from arrays a table, all in one statement, several in a pipeline."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache, partial
from itertools import chain
from time import monotonic
from typing import Any

from sqlalchemy import Connection, Engine, Table, create_engine, event, exc
from sqlalchemy.engine import URL

from timestrata import schema
from timestrata.dialects.arrays import BinaryArray, arrays, integers, texts
from timestrata.dialects.base import (
    Dialect,
    NewFacts,
    Receipt,
    Row,
    UserState,
    Watch,
    Write,
    by_key,
    driver,
    nothing,
    wrapped_errors,
)
from timestrata.dialects.statements import KNOWN_RECEIPTS, matching_sql, new_statement, statements
from timestrata.dialects.watches import PostgreSQLWatch, own_connection
from timestrata.errors import UnsupportedDatabase

OLDEST_POSTGRESQL = 140000


class PostgreSQL(Dialect):
    """The team store, through psycopg 3."""

    name = "postgresql"
    title = "PostgreSQL"

    def engine(self, url: URL) -> Engine:
        try:
            import psycopg  # noqa: F401
        except ImportError as error:
            raise UnsupportedDatabase(
                "PostgreSQL needs the driver psycopg 3: pip install 'timestrata[postgres]'"
            ) from error
        engine = create_engine(
            # Kept, not opened anew: of the usual five, every further thread would open and close one each time.
            url.set(drivername="postgresql+psycopg"),
            pool_size=16,
            max_overflow=16,
        )
        event.listen(engine, "checkin", _note_checkin)
        event.listen(engine, "checkout", _ping_when_idle)
        return engine

    def adopt(self, engine: Engine) -> None:
        pass

    def begin_write(self, connection: Connection) -> None:
        pass

    def snapshot(self, engine: Engine) -> Engine:
        return engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)

    def watch(self, engine: Engine) -> Watch | None:
        return PostgreSQLWatch(own_connection(engine))

    def lock(
        self, connection: Connection, user_ids: Sequence[int], keys: Sequence[tuple[int, str]]
    ) -> tuple[dict[int, UserState], dict[tuple[int, str], Receipt]]:
        with _psycopg(connection) as (raw, execute), raw.pipeline():
            # Sorted: rows are locked in the order in which they are returned (unsorted, two batches deadlock).
            states = execute(
                "SELECT user_id, seq, timezone, sealed_through FROM ts_user_state "
                "WHERE user_id = ANY($1::int[]) ORDER BY user_id FOR UPDATE",
                (integers(user_ids),),
            )
            # A statement of its own: its snapshot is taken after the lock was granted.
            receipts = execute(
                KNOWN_RECEIPTS,
                (integers([key[0] for key in keys]), texts([key[1] for key in keys])),
            )
        return by_key(user_ids, states.fetchall(), receipts.fetchall())

    def apply(self, connection: Connection, plan: Iterable[Write], planned: Callable[[], None] = nothing) -> None:
        parts = statements(plan)
        first, second = next(parts, None), next(parts, None)
        if first is None:
            return
        with _psycopg(connection) as (raw, execute):
            if second is None:
                planned()
                execute(*first)
                return
            with raw.pipeline():  # sends without waiting: the server works on one statement while the next is made
                for statement in chain((first, second), parts):
                    execute(*statement)
                planned()

    def matching(self, connection: Connection, table: Table, keys: Sequence[tuple[int, ...]]) -> list[Row]:
        if not keys:
            return []
        with _psycopg(connection) as (_, execute):
            rows: list[Row] = execute(matching_sql(table, len(keys[0])), arrays(table, keys)).fetchall()
        return rows

    most_at_once = 100

    def record_new(
        self, engine: Engine, users: Sequence[NewFacts], plan: Iterable[Write], planned: Callable[[], None]
    ) -> bool:
        from psycopg.errors import UniqueViolation

        sql, values = new_statement(users, plan)
        with _autocommit(engine) as raw, suppress(UniqueViolation):
            planned()
            return _run(raw, sql, values).fetchone() is not None
        return False

    def analyze(self, engine: Engine) -> None:
        tables = ", ".join(table.name for table in schema.metadata.sorted_tables)
        # It only helps: where it cannot be done, what was recorded stands and is found all the same.
        with suppress(exc.DBAPIError), engine.connect() as connection, connection.begin():
            connection.exec_driver_sql(f"ANALYZE {tables}")

    def lock_schema(self, connection: Connection) -> None:
        connection.exec_driver_sql("SELECT pg_advisory_xact_lock(7461726)")  # any number, the same everywhere

    def is_transient(self, error: Exception) -> bool:
        if isinstance(error, exc.DBAPIError) and error.connection_invalidated:
            return True
        cause = error.orig if isinstance(error, exc.DBAPIError) else error
        if type(cause).__module__.partition(".")[0] != "psycopg":
            return False
        state = getattr(cause, "sqlstate", None)
        if state is None:  # the connection broke before the server could answer
            return type(cause).__name__ in ("OperationalError", "InterfaceError", "PipelineAborted")
        return state[:2] in ("08", "40", "57") or state == "55P03"

    def database_bytes(self, connection: Connection) -> int:
        return int(connection.exec_driver_sql("SELECT pg_database_size(current_database())").scalar_one())

    def commits_each(self, raw: Any) -> bool:
        return bool(getattr(raw, "autocommit", False))

    def check_version(self, connection: Connection) -> None:
        found = int(connection.exec_driver_sql("SHOW server_version_num").scalar_one())
        if found < OLDEST_POSTGRESQL:
            raise UnsupportedDatabase(f"PostgreSQL {found // 10000} is too old: want 14 or newer")


IDLE_SECONDS = 5.0


def _note_checkin(_connection: object, record: Any) -> None:
    record.info["idle_since"] = monotonic()


def _ping_when_idle(connection: Any, record: Any, _proxy: object) -> None:
    """Replace a pooled connection that died while it was idle. Asking each time would cost a round trip a call."""
    if monotonic() - record.info.get("idle_since", float("inf")) < IDLE_SECONDS:
        return
    try:
        connection.execute("")
        connection.rollback()
    except Exception as error:
        raise exc.DisconnectionError from error


@contextmanager
def _psycopg(connection: Connection) -> Iterator[tuple[Any, Callable[[str, Row], Any]]]:
    """Lend psycopg's connection and a function that runs a statement with $1, $2, ... on it."""
    with driver(connection) as raw:
        if not hasattr(raw, "pipeline"):
            raise UnsupportedDatabase(
                f"the connection's driver is {connection.dialect.driver}: want psycopg 3 (postgresql+psycopg://)"
            )
        yield raw, partial(_run, raw)


def _run(raw: Any, sql: str, parameters: Row) -> Any:
    # A raw cursor, because others look for placeholders in a long statement each time: 0.3 ms measured.
    from psycopg import RawCursor

    _teach(raw)
    return RawCursor(raw).execute(sql, parameters)


def _teach(raw: Any) -> None:
    """Have a connection, which may be a caller's own, know how a BinaryArray is sent."""
    from psycopg.adapt import PyFormat

    if raw.adapters.get_dumper(BinaryArray, PyFormat.BINARY) is not _array_dumper():  # until then that of bytes
        raw.adapters.register_dumper(BinaryArray, _array_dumper())


@cache
def _array_dumper() -> Any:
    from psycopg.adapt import Dumper
    from psycopg.pq import Format

    class BinaryArrayDumper(Dumper):
        """Sends it as it is; its type follows from the statement."""

        format = Format.BINARY

        def dump(self, obj: BinaryArray) -> BinaryArray:
            return obj

    return BinaryArrayDumper


@contextmanager
def _autocommit(engine: Engine) -> Iterator[Any]:
    """Lend a pooled connection on which a statement commits by itself: a round trip instead of three."""
    with wrapped_errors(engine.dialect):
        pooled = engine.raw_connection()
        raw: Any = pooled.driver_connection
        try:
            raw.autocommit = True
            yield raw
        finally:
            if raw.closed:
                pooled.invalidate()
            else:
                raw.autocommit = False
            pooled.close()
