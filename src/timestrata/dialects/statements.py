"""The statements that PostgreSQL is sent: many tables in one, rows as one array literal a column."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache
from itertools import count
from typing import Any

from sqlalchemy import Table

from timestrata.dialects.base import Row, Write, merge_clause


def statements(plan: Iterable[Write]) -> Iterator[tuple[str, Row]]:
    """Yield statements that each carry out writes to several tables, as common table expressions.

    Measured on one workflow a transaction: one statement for all tables takes half the time of one a table.
    A table comes once in a statement, because its parts run in no particular order.
    """
    group: dict[str, Write] = {}
    for write in plan:
        if not write.rows:
            continue
        if write.table.name in group:
            yield _statement(group.values())
            group = {}
        group[write.table.name] = write
    if group:
        yield _statement(group.values())


def _statement(writes: Iterable[Write]) -> tuple[str, Row]:
    writes = list(writes)
    sql = _combined(tuple((write.table, write.kind, len(write.rows[0])) for write in writes))
    return sql, tuple(array for write in writes for array in _arrays(write.table, write.rows))


@cache
def _combined(parts: tuple[tuple[Table, str, int], ...]) -> str:
    numbers = count(1)
    *others, last = [_unnest_sql(table, kind, width, numbers) for table, kind, width in parts]
    if not others:
        return last
    return "WITH " + ", ".join(f"w{index} AS ({sql})" for index, sql in enumerate(others)) + f" {last}"


def _unnest_sql(table: Table, kind: str, width: int, numbers: Iterator[int]) -> str:
    if kind == "delete":
        keys = [column.name for column in table.columns][:width]
        on = " AND ".join(f"{table.name}.{key} = r.{key}" for key in keys)
        return f"DELETE FROM {table.name} USING {_unnested(table, numbers, width)} WHERE {on}"
    names = ", ".join(column.name for column in table.columns)
    merge = merge_clause(table) if kind == "merge" else ""
    return f"INSERT INTO {table.name} ({names}) SELECT * FROM {_unnested(table, numbers)}{merge}"


def _unnested(table: Table, numbers: Iterator[int], width: int | None = None) -> str:
    """Return a table's rows, or the first columns of them, out of arrays."""
    columns = list(table.columns)[:width]
    names = ", ".join(column.name for column in columns)
    arrays = ", ".join(f"${next(numbers)}::{_array_type(column)}[]" for column in columns)
    return f"unnest({arrays}) AS r ({names})"


def single_values(write: Write) -> Row:
    """Return the parameters of one write in record_one(): values for one row (but its number), else arrays.

    Numbers go as text: the driver gives each its narrowest type and prepares a statement anew for every mix of them.
    """
    if len(write.rows) > 1:
        return _arrays(write.table, write.rows)
    row, at = write.rows[0], _number_at(write.table)
    values = row if at is None else row[:at] + row[at + 1 :]
    return tuple([str(value) if type(value) is int else value for value in values])


@cache
def matching_sql(table: Table, width: int) -> str:
    """Return a SELECT of the rows that begin with keys, given as an array a column."""
    keys = [column.name for column in table.columns][:width]
    on = " AND ".join(f"t.{key} = r.{key}" for key in keys)
    order = ", ".join(f"t.{column.name}" for column in table.primary_key)
    return f"SELECT t.* FROM {_unnested(table, count(1), width)} JOIN {table.name} AS t ON {on} ORDER BY {order}"


@cache
def _number_at(table: Table) -> int | None:
    names = table.columns.keys()
    return names.index("number") if "number" in names else None


@cache
def single_sql(parts: tuple[tuple[Table, str, bool], ...]) -> str:
    """Return the statement of record_one(): $1 user, $2 zone, then the values, the receipt's first.

    Everything hangs on the lock and on the receipt that was put, so the order is given. Whatever another transaction
    committed while this one waited for the lock is found by ON CONFLICT, which looks past the snapshot.
    A single row goes without arrays: a third less time, measured.
    """
    numbers = count(3)
    lock = (
        "SELECT seq + 1 AS number FROM ts_user_state WHERE user_id = $1::int "
        "AND ($2::text IS NULL OR coalesce(timezone, '') = $2) FOR UPDATE"
    )
    count_up = "UPDATE ts_user_state SET seq = new.number FROM new WHERE ts_user_state.user_id = $1::int"
    (receipt, _, _), *others = parts
    names = [f"locked AS ({lock})", f"new AS ({_dependent(receipt, 'locked', True, numbers)} "]
    names[1] += "ON CONFLICT DO NOTHING RETURNING number)"
    names.append(f"counted AS ({count_up})")
    for index, (table, kind, one) in enumerate(others):
        merge = merge_clause(table) if kind == "merge" else ""
        names.append(f"w{index} AS ({_dependent(table, 'new', one, numbers)}{merge})")
    return f"WITH {', '.join(names)} SELECT number FROM new"


def _dependent(table: Table, source: str, one: bool, numbers: Iterator[int]) -> str:
    """Return an INSERT that happens when `source` has a row, and takes the number from it."""

    def value(column: Any) -> str:
        if column.name == "number":
            return f"{source}.number"
        return f"${next(numbers)}::{_array_type(column)}" if one else f"r.{column.name}"

    columns = ", ".join(column.name for column in table.columns)
    rows = "" if one else f", {_unnested(table, numbers)}"
    values = ", ".join(value(column) for column in table.columns)
    return f"INSERT INTO {table.name} ({columns}) SELECT {values} FROM {source}{rows}"


@cache
def _array_type(column: Any) -> str:
    """Return the PostgreSQL type of a column, as it is declared in schema.py."""
    from sqlalchemy.dialects import postgresql

    return str(column.type.compile(postgresql.dialect())).partition(" COLLATE")[0].lower()  # type: ignore[no-untyped-call]


@cache
def _array_formats(table: Table) -> tuple[Callable[[Sequence[Any]], str], ...]:
    whole = dict.fromkeys(("smallint", "integer", "bigint"), integers)
    formats: dict[str, Callable[[Sequence[Any]], str]] = {"bytea": _bytes, "text": texts, **whole}
    return tuple(formats[_array_type(column)] for column in table.columns)


def _arrays(table: Table, rows: Sequence[Row]) -> Row:
    """Return the rows as one array literal a column.

    Written here because the driver writes a list element by element in Python: measured, a quarter of its time.
    """
    columns = zip(*rows, strict=True)
    formats = _array_formats(table)[: len(rows[0])]
    return tuple(write(values) for write, values in zip(formats, columns, strict=True))


def integers(values: Sequence[int | None]) -> str:
    first = values[0] if values else 0
    # Many columns hold one value throughout; comparing with the last one spares counting in most others.
    if not values or (first == values[-1] and values.count(first) == len(values)):
        return "{" + ",".join(["NULL" if first is None else str(first)] * len(values)) + "}"
    text = repr(values)[1:-1]  # half the time of joining them
    return "{" + (text.replace("None", "NULL") if "N" in text else text) + "}"


def texts(values: Sequence[str | None]) -> str:
    present = [value for value in values if value is not None]
    joined = '","'.join(present)
    if len(present) == len(values) and "\\" not in joined and joined.count('"') == 2 * (len(values) - 1):
        return '{"' + joined + '"}'
    return "{" + ",".join(["NULL" if value is None else _quoted(value) for value in values]) + "}"


def _quoted(value: str) -> str:
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _bytes(values: Sequence[bytes | None]) -> str:
    return "{" + ",".join(["NULL" if value is None else f'"\\\\x{value.hex()}"' for value in values]) + "}"
