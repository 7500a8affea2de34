"""The statements that PostgreSQL is sent: many tables in one, rows as one array literal a column."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from itertools import count
from typing import Any

from sqlalchemy import Table

from timestrata import schema
from timestrata.dialects.arrays import arrays, integers, texts, type_of
from timestrata.dialects.base import NewFacts, Row, Write, merge_clause


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
    return sql, tuple(array for write in writes for array in arrays(write.table, write.rows))


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
        return f"DELETE FROM {table.name} USING {_stored(table, numbers, width)} WHERE {on}"
    values = _unnested(table, numbers)
    merge = merge_clause(table) if kind == "merge" else ""
    return f"INSERT INTO {table.name} ({', '.join(values)}) SELECT {', '.join(values.values())}{merge}"


def _given(table: Table, numbers: Iterator[int]) -> dict[str, str]:
    """Return the values of a row by column, a parameter each."""
    return {column.name: f"${next(numbers)}::{type_of(column)}" for column in table.columns}


def _unnested(table: Table, numbers: Iterator[int]) -> dict[str, str]:
    """Return the values of rows by column, out of an array each.

    They are for the SELECT of an INSERT and go from there into the table. In a FROM they are stored as a whole first,
    which took a fifth of the server's time, measured.
    """
    return {name: f"unnest({array})" for name, array in _array_parameters(table, numbers).items()}


def _stored(table: Table, numbers: Iterator[int], width: int) -> str:
    """Return the first columns of rows out of arrays, for a FROM."""
    columns = _array_parameters(table, numbers, width)
    return f"unnest({', '.join(columns.values())}) AS r ({', '.join(columns)})"


def _array_parameters(table: Table, numbers: Iterator[int], width: int | None = None) -> dict[str, str]:
    return {column.name: f"${next(numbers)}::{type_of(column)}[]" for column in list(table.columns)[:width]}


@cache
def matching_sql(table: Table, width: int) -> str:
    """Return a SELECT of the rows that begin with keys, given as an array a column."""
    keys = [column.name for column in table.columns][:width]
    on = " AND ".join(f"t.{key} = r.{key}" for key in keys)
    order = ", ".join(f"t.{column.name}" for column in table.primary_key)
    return f"SELECT t.* FROM {_stored(table, count(1), width)} JOIN {table.name} AS t ON {on} ORDER BY {order}"


def new_statement(users: Sequence[NewFacts], plan: Iterable[Write]) -> tuple[str, Row]:
    """Return the statement of record_new() and its parameters.

    A single row of a workflow alone goes without arrays: a third less time, measured. Its numbers go as text: the
    driver gives each its narrowest type and prepares a statement anew for every mix of them.
    """
    writes = [write for write in plan if write.rows]
    writes.sort(key=lambda write: write.table is not schema.receipt)  # the receipts first
    parts = []
    if len(users) == users[0].facts == 1:
        values: list[Any] = [str(users[0].user_id), users[0].timezone]
        for write in writes:
            single = len(write.rows) == 1
            parts.append((write.table, write.kind, single))
            values += map(_as_text, write.rows[0]) if single else arrays(write.table, write.rows)
        return _alone_sql(tuple(parts)), tuple(values)
    ids, zones, counts = zip(*users, strict=True)
    values = [integers(ids), texts(zones), integers(counts)]
    for write in writes:
        parts.append((write.table, write.kind, False))
        values += arrays(write.table, write.rows)
    return _many_sql(tuple(parts)), tuple(values)


def _as_text(value: Any) -> Any:
    return str(value) if type(value) is int else value


@cache
def _alone_sql(parts: tuple[tuple[Table, str, bool], ...]) -> str:
    """Return the statement for one workflow: $1 user, $2 zone, then the values, the receipt's first.

    A part is a table, the kind of its write, and whether it has values and not arrays. Everything hangs on the lock and
    on the receipt that was put, so the order is given. Whatever another transaction committed while this one waited for
    the lock is found by ON CONFLICT, which looks past the snapshot. A fifth faster than as one of many, measured.
    """
    numbers = count(3)
    locked = (
        "SELECT seq FROM ts_user_state WHERE user_id = $1::int "
        "AND ($2::text IS NULL OR coalesce(timezone, '') = $2) FOR UPDATE"
    )
    (receipt, _, _), *others = parts
    go = (
        f"{_dependent(receipt, 'locked', 'locked.seq', True, numbers)} "
        "ON CONFLICT DO NOTHING RETURNING number - 1 AS seq"
    )
    count_up = "UPDATE ts_user_state AS s SET seq = go.seq + 1 FROM go WHERE s.user_id = $1::int"
    return _hanging(locked, go, count_up, [_written(part, "go.seq", numbers) for part in others])


@cache
def _many_sql(parts: tuple[tuple[Table, str, bool], ...]) -> str:
    """Return the statement for many workflows: $1 users, $2 zones, $3 counts, then the arrays, the receipts' first.

    Everything hangs on `go`, which has its row when every user was locked in the zone that was asked for and no receipt
    is there. A twin violates the primary key, and so does a receipt that was committed while this statement waited for
    the lock: it is beyond its snapshot. Those are rare; a replay is not, and would be an error in the server's log.
    """
    numbers = count(4)
    # Sorted: rows are locked in the order in which they are returned (unsorted, two batches deadlock).
    locked = (
        "SELECT s.user_id, s.seq FROM ts_user_state AS s JOIN unnest($1::int[], $2::text[]) AS u (id, zone) "
        "ON s.user_id = u.id WHERE u.zone IS NULL OR coalesce(s.timezone, '') = u.zone "
        "ORDER BY s.user_id FOR UPDATE OF s"
    )
    go = (
        "SELECT array_agg(seq ORDER BY user_id) AS seqs FROM locked HAVING count(*) = cardinality($1::int[]) "
        f"AND NOT EXISTS ({_known_receipts('$4', '$5')})"
    )
    count_up = (
        "UPDATE ts_user_state AS s SET seq = go.seqs[u.place] + u.facts "
        "FROM go, unnest($1::int[], $3::int[]) WITH ORDINALITY AS u (id, facts, place) WHERE s.user_id = u.id"
    )
    before = "go.seqs[array_position($1::int[], {user_id})]"
    return _hanging(locked, go, count_up, [_written(part, before, numbers) for part in parts])


def _hanging(locked: str, go: str, count_up: str, writes: Sequence[str]) -> str:
    """Return a statement of which everything hangs on `go`, which hangs on the lock."""
    parts = [f"locked AS ({locked})", f"go AS ({go})", f"counted AS ({count_up})"]
    parts += [f"w{index} AS ({write})" for index, write in enumerate(writes)]
    return f"WITH {', '.join(parts)} SELECT FROM go"


def _written(part: tuple[Table, str, bool], before: str, numbers: Iterator[int]) -> str:
    table, kind, single = part
    merge = merge_clause(table) if kind == "merge" else ""
    return _dependent(table, "go", before, single, numbers) + merge


def _dependent(table: Table, source: str, before: str, single: bool, numbers: Iterator[int]) -> str:
    """Return an INSERT that happens when `source` has its row; what the user had `before` is added to each number.

    In `before`, {user_id} is who that is.
    """
    values = _given(table, numbers) if single else _unnested(table, numbers)
    if "number" in values:
        values["number"] += f" + {before.format(**values)}"
    return f"INSERT INTO {table.name} ({', '.join(values)}) SELECT {', '.join(values.values())} FROM {source}"


def _known_receipts(users: str, ids: str) -> str:
    """Return a SELECT of the receipts of keys, given as two parameters, as lock() has them.

    LIMIT 1 has each looked up by its key. In a join the plan that was made while the table was small, and is kept with
    the statement, went on to read all of it for each batch: 0.5 ms at six thousand receipts.
    """
    columns = "number, revision, state, day, fingerprint, first_fingerprint"
    return (
        f"SELECT k.user_id, k.workflow_id, r.* FROM unnest({users}::int[], {ids}::text[]) AS k (user_id, workflow_id) "
        f"CROSS JOIN LATERAL (SELECT {columns} FROM ts_receipt AS r "
        "WHERE r.user_id = k.user_id AND r.workflow_id = k.workflow_id LIMIT 1) AS r"
    )


KNOWN_RECEIPTS = _known_receipts("$1", "$2")
"""What lock() asks for the receipts of keys."""
