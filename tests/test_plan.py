"""The write path's own promises: plans are sorted and add up, locks are taken in order, nothing is half written."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from itertools import count
from typing import Any

import oracle
import psycopg
import pytest
import strategies
from facts_made import dump, made, session
from hypothesis import given, settings
from sqlalchemy import Connection, exc, text

from timestrata import CompletedWorkflow, History, StepTime, schema
from timestrata.calendar import day_date, local_days
from timestrata.dialects import Write
from timestrata.ingest import _New, plan
from timestrata.measures import Labels, contribution, file_under

# ----------------------------------------------------------------------------------------------------------- plans


class Interned:
    """Names by number and back, numbered so that the order of the names is not that of the numbers."""

    def __init__(self) -> None:
        self.names: dict[Any, int] = {}
        self._next = count(999, -1)

    def number(self, *name: Any) -> int:
        return self.names.setdefault(name, next(self._next))

    def name(self, number: Any) -> tuple[Any, ...]:
        (found,) = (name[1:] for name, known in self.names.items() if known == number)
        return tuple(found)


def planned(facts: Sequence[CompletedWorkflow], interned: Interned, chunk: int = 3) -> list[Write]:
    """Return the plan of facts that are handed over `chunk` at a time."""
    numbers = count(1)
    news = [
        _New(
            contribution(
                file_under(fact, local_days(fact.timezone or "UTC"), fact.timezone or "UTC"),
                Labels(
                    interned.number("user", fact.user_id),
                    interned.number("type", fact.ticket_type),
                    interned.number("template", fact.template),
                    tuple(interned.number("step", fact.template, step.index, step.name) for step in fact.steps),
                ),
            ),
            next(numbers),
            b"",
        )
        for fact in facts
    ]
    return list(plan([news[start : start + chunk] for start in range(0, len(news), chunk)]))


def key_length(write: Write) -> int:
    return len(write.table.primary_key.columns)


def keys_of(write: Write) -> list[tuple[Any, ...]]:
    return [row[: key_length(write)] for row in write.rows]


@settings(deadline=None, max_examples=60, derandomize=True, database=None)
@given(strategies.histories(max_size=8))
def test_each_key_comes_once_and_in_order(facts: list[CompletedWorkflow]) -> None:
    for write in planned(facts, Interned()):
        keys = keys_of(write)
        assert len(set(keys)) == len(keys), write.table.name
        if write.kind == "merge" or write.table in (schema.receipt, schema.gap_alert):
            assert keys == sorted(keys), write.table.name


def test_merges_are_in_order_whatever_the_order_of_the_facts() -> None:
    facts = [
        made(f"w{number}", 600 * (number % 3), user_id=f"u{number % 4}", ticket_type=f"t{number % 5}")
        for number in range(101)
    ]
    merges = [write for write in planned(facts, Interned(), chunk=50) if write.kind == "merge"]

    assert len(merges) == 3 * 3 + 1
    for write in merges:
        assert keys_of(write) == sorted(set(keys_of(write)))


@settings(deadline=None, max_examples=60, derandomize=True, database=None)
@given(strategies.histories(max_size=8))
def test_a_plan_adds_up_to_the_cells_of_its_facts(facts: list[CompletedWorkflow]) -> None:
    interned = Interned()
    writes = planned(facts, interned)

    assert planned_cells(writes, interned) == oracle.cells(oracle.recorded_in(fact, "UTC") for fact in facts)


def test_chunks_add_up_to_the_cells_of_their_facts() -> None:
    facts = [made(f"w{number}", number % 7, user_id=f"u{number % 2}") for number in range(101)]
    interned = Interned()
    writes = planned(facts, interned, chunk=50)

    assert planned_cells(writes, interned) == oracle.cells(oracle.recorded_in(fact, "UTC") for fact in facts)
    assert [len(write.rows) for write in writes if write.table is schema.completion] == [50, 50, 1]


def planned_cells(writes: Sequence[Write], interned: Interned) -> oracle.Cells:
    """Return the sum of the merges of a plan, by name."""
    completion: dict[Any, Any] = {}
    step: dict[Any, Any] = {}
    worked: dict[Any, Any] = {}
    for write in writes:
        length = key_length(write)
        for row in write.rows:
            key, values = row[:length], row[length:]
            if write.table is schema.cell_completion:
                user, day, kind, template, bucket = key
                _add(completion, (*_people(interned, user, day), *_of(interned, kind, template), bucket), values)
            elif write.table is schema.cell_step:
                user, day, label, bucket = key
                _add(step, (*_people(interned, user, day), *interned.name(label), bucket), values)
            elif write.table is schema.cell_worked:
                user, day, kind, template = key
                _add(worked, (*_people(interned, user, day), *_of(interned, kind, template)), values)
    return oracle.Cells(completion, step, worked)


def _people(interned: Interned, user: int, day: int) -> tuple[Any, ...]:
    return *interned.name(user), day_date(day)


def _of(interned: Interned, *labels: int) -> tuple[Any, ...]:
    return tuple(interned.name(label)[0] for label in labels)


def _add(cells: dict[Any, Any], key: Any, values: tuple[int, ...]) -> None:
    """Add up, but for the extremes: the fourth and the fifth of a measure."""
    known = cells.get(key)
    if known is None:
        cells[key] = values
    else:
        pairs = enumerate(zip(known, values, strict=True))
        cells[key] = tuple(min(pair) if at == 3 else max(pair) if at == 4 else sum(pair) for at, pair in pairs)


def test_facts_come_before_their_cells_and_the_counters_last() -> None:
    worked = StepTime(0, "Test", sessions=(session("2024-05-06T08:00", 60),))
    facts = [made("w1", steps=(worked,)), made("w2", user_id="bob"), made("w3")]

    writes = planned(facts, Interned())

    names = [write.table.name.removeprefix("ts_") for write in writes if write.rows]
    assert names == [
        "completion",
        "session",
        "session_part",
        "receipt",
        "cell_completion",
        "cell_step",
        "cell_worked",
        "user_state",
    ]
    assert sorted(row[1] for row in writes[-1].rows) == [1, 2]


def test_a_statement_is_prepared_once_whatever_the_size_of_its_numbers(history: History) -> None:
    """The driver would send 10 as a smallint and 100,000 as an integer: two statements on the server."""
    if history.engine.dialect.name == "sqlite":
        return  # its driver knows one kind of number
    history.record([made(active_seconds=0)])
    for active in (10, 100_000):
        for number in range(10):
            assert history.record(made(f"{active} {number}", active)).status == "recorded"

    with history.engine.connect() as connection:
        prepared = connection.execute(
            text("SELECT statement FROM pg_prepared_statements WHERE statement LIKE 'WITH locked%'")
        ).scalars()
        assert len(list(prepared)) == 1


# ----------------------------------------------------------------------------------------------------------- locks


def test_users_are_locked_in_order_of_their_ids(history: History) -> None:
    """However the rows lie on the disk: two batches that lock one another's users in turn would deadlock."""
    if history.engine.dialect.name == "sqlite":
        return  # one writer at a time, from its first statement
    history.record([made(user_id=user) for user in ("u1", "u2", "u3")])
    dialect = history._dialect
    with history.engine.connect() as admin, history.engine.connect() as holder, history.engine.connect() as waiter:
        for user in (2, 1):  # an updated row moves to the end: they lie in the order 3, 2, 1
            with admin.begin():
                admin.execute(
                    text("UPDATE ts_user_state SET sealed_through = NULL WHERE user_id = :user"), {"user": user}
                )
        with holder.begin(), waiter.begin(), ThreadPoolExecutor(1) as threads:
            dialect.lock(holder, [2], [])
            for way in ("indexscan", "bitmapscan", "indexonlyscan"):
                waiter.execute(text(f"SET LOCAL enable_{way} = off"))
            backend = waiter.execute(text("SELECT pg_backend_pid()")).scalar_one()
            waiting = threads.submit(dialect.lock, waiter, [1, 2, 3], [])
            try:
                until_blocked(admin, backend)
                free = [user for user in (1, 2, 3) if is_free(admin, user)]
            finally:
                holder.rollback()
            waiting.result()

    assert free == [3]


def until_blocked(connection: Connection, backend: int) -> None:
    for _ in range(100_000):
        with connection.begin():
            if connection.execute(text("SELECT cardinality(pg_blocking_pids(:pid))"), {"pid": backend}).scalar_one():
                return
    pytest.fail("nobody waited for the lock")


def is_free(connection: Connection, user: int) -> bool:
    with connection.begin():
        found = connection.execute(
            text("SELECT user_id FROM ts_user_state WHERE user_id = :user FOR UPDATE SKIP LOCKED"), {"user": user}
        )
        return found.scalar() is not None


# ------------------------------------------------------------------------------------------------- all or nothing

FULL = made(
    "full",
    estimated_seconds=60,
    steps=(StepTime(0, "Test", 600, 500), StepTime(1, "Night", sessions=(session("2024-05-05T23:59", 180),))),
)
OTHER = replace(FULL, estimated_seconds=70, ticket_type="Feature", steps=FULL.steps[:1])

CHANGES: dict[str, Callable[[History], object]] = {
    "record": lambda history: history.record(made("new", 601)),
    "record a batch": lambda history: history.record([made(f"w{number}", number) for number in range(600)]),
    "correct": lambda history: history.correct(OTHER),
    "delete": lambda history: history.delete("ada", "full"),
}


@pytest.mark.parametrize(
    "broken", ["ts_cell_completion", "ts_cell_step", "ts_cell_worked", "ts_completion", "ts_receipt"]
)
@pytest.mark.parametrize("change", CHANGES)
def test_a_change_that_fails_half_way_leaves_nothing(history: History, change: str, broken: str) -> None:
    history.record([FULL, made("base")])
    before = dump(history)

    with without_table(history, broken), pytest.raises(exc.DBAPIError) as error:
        CHANGES[change](history)

    assert isinstance(error.value.orig, (sqlite3.Error, psycopg.Error))
    assert dump(history) == before
    CHANGES[change](history)
    assert dump(history) != before


@contextmanager
def without_table(history: History, name: str) -> Iterator[None]:
    with history.engine.begin() as connection:
        connection.execute(text(f"ALTER TABLE {name} RENAME TO ts_gone"))
    try:
        yield
    finally:
        with history.engine.begin() as connection:
            connection.execute(text(f"ALTER TABLE ts_gone RENAME TO {name}"))
