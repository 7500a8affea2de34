"""Every difference between the databases: engines, transactions, locks, and how rows are written."""

from __future__ import annotations

from sqlalchemy import Connection, Engine, exc, make_url
from sqlalchemy.engine import URL

from timestrata.dialects.base import (
    Dialect,
    NewFacts,
    Receipt,
    StaleNames,
    States,
    UserState,
    Watch,
    Write,
    measures_of,
    nothing,
)
from timestrata.dialects.postgresql import PostgreSQL
from timestrata.dialects.sqlite import SQLite
from timestrata.errors import InvalidRequest, UnsupportedDatabase, shown

__all__ = [
    "Dialect", "NewFacts", "Receipt", "StaleNames", "States", "UserState", "Watch", "Write", "check_transaction",
    "dialect_of", "engine_for", "measures_of", "nothing",
]  # fmt: skip

_DIALECTS: dict[str, Dialect] = {dialect.name: dialect for dialect in (SQLite(), PostgreSQL())}


def dialect_of(target: Engine | Connection) -> Dialect:
    """Return the Dialect of an engine or a connection. Raises UnsupportedDatabase."""
    name = target.dialect.name
    if name not in _DIALECTS:
        raise UnsupportedDatabase(f"{name} is not supported: want sqlite or postgresql")
    return _DIALECTS[name]


def engine_for(url: str | URL) -> tuple[Engine, Dialect]:
    """Return an engine and its Dialect for sqlite:///FILE or postgresql://... Raises UnsupportedDatabase."""
    try:
        parsed = make_url(url)
    except exc.ArgumentError as error:
        raise UnsupportedDatabase(
            f"{shown(str(url))} is not a database URL: want sqlite:///FILE or postgresql://USER@HOST/NAME"
        ) from error
    name = parsed.get_backend_name()
    name = "postgresql" if name == "postgres" else name
    if name not in _DIALECTS:
        raise UnsupportedDatabase(f"{name} is not supported: want sqlite:///FILE or postgresql://USER@HOST/NAME")
    dialect = _DIALECTS[name]
    return dialect.engine(parsed), dialect


def check_transaction(connection: Connection) -> None:
    """Raise InvalidRequest when a caller's connection commits every statement by itself."""
    dialect = dialect_of(connection)
    connection.exec_driver_sql("SELECT 1")  # begins the transaction where it has not begun
    if dialect.commits_each(connection.connection.driver_connection):
        raise InvalidRequest("connection", "a connection that commits every statement", "one that holds a transaction")
