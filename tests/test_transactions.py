"""One call is one transaction, the caller's own if one is given; whatever fails inside leaves before or after."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import count
from typing import Any

import pytest
from conftest import reopened
from facts_made import NINE, assert_in_step, at, dump, made, session
from sqlalchemy import Column, Engine, Integer, MetaData, Table, create_engine, event, func, select, text
from sqlalchemy.engine import make_url

from timestrata import (
    BatchRejected,
    CompletedWorkflow,
    History,
    InvalidRequest,
    Pause,
    StaleRevision,
    StepTime,
    TimeSession,
    UnknownWorkflow,
    open_history,
)

OWN = Table("own", MetaData(), Column("id", Integer, primary_key=True))
"""A table of the embedding program."""


@pytest.fixture
def engine(store_url: str) -> Iterator[Engine]:
    """The engine of an embedding program, made without any help of ours, with a table of its own."""
    url = make_url(store_url)
    plain = create_engine(url.set(drivername="postgresql+psycopg") if url.drivername != "sqlite" else url)
    OWN.metadata.create_all(plain)
    yield plain
    plain.dispose()


def own_rows(engine: Engine) -> int:
    with engine.connect() as connection:
        return connection.execute(select(func.count()).select_from(OWN)).scalar_one()


class Changed(Exception):
    """The caller's mind, so that its transaction is rolled back."""


BATCH = [
    made("w1", 200, estimated_seconds=100),
    made(
        "w2",
        user_id="bob",
        ticket_type="Feature",
        template="Release",
        steps=(StepTime(0, "Build", sessions=(session("2024-05-05T23:59", 120),)),),
    ),
]


# ------------------------------------------------------------------------------------------ the caller's transaction


def test_facts_commit_with_the_callers_rows(history: History, engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(OWN.insert().values(id=1))
        result = history.record(BATCH, connection=connection)

        assert history.summary("all_time").completed == 0

    assert result.count("recorded") == 2
    assert own_rows(engine) == 1
    assert history.summary("all_time").completed == 2
    assert_in_step(history)


def test_facts_roll_back_with_the_callers_rows(history: History, engine: Engine) -> None:
    before = dump(history)

    with engine.connect() as connection, connection.begin() as transaction:
        connection.execute(OWN.insert().values(id=1))
        history.record(BATCH, connection=connection)
        transaction.rollback()

    assert own_rows(engine) == 0
    assert dump(history) == before
    assert history.users() == ()


def test_a_connection_that_began_by_itself_is_the_callers_to_commit(history: History, engine: Engine) -> None:
    with engine.connect() as connection:
        assert history.record(BATCH, connection=connection).count("recorded") == 2
        connection.rollback()
        assert history.summary("all_time").completed == 0
        assert history.record(BATCH, connection=connection).count("recorded") == 2
        connection.commit()

    assert history.summary("all_time").completed == 2
    assert_in_step(history)


def test_a_connection_that_commits_every_statement_is_refused(history: History, engine: Engine) -> None:
    """Facts and cells could not be written together on it."""
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        with pytest.raises(InvalidRequest, match="connection"):
            history.record(BATCH, connection=connection)
        with pytest.raises(InvalidRequest, match="connection"):
            history.correct(BATCH[0], connection=connection)
        with pytest.raises(InvalidRequest, match="connection"):
            history.delete("ada", "w1", connection=connection)

    assert history.users() == ()


def test_the_same_workflow_twice_in_one_transaction_counts_once(history: History, engine: Engine) -> None:
    with engine.begin() as connection:
        first = history.record(BATCH[0], connection=connection)
        second = history.record(BATCH[0], connection=connection)
        third = history.record(replace(BATCH[0], ticket_key="TK-2"), connection=connection)

    assert (first.status, second.status, third.status) == ("recorded", "replayed", "conflict")
    assert_in_step(history)


def test_all_changes_join_a_transaction(history: History, engine: Engine) -> None:
    history.record(BATCH)
    before = dump(history)

    def change(done: bool) -> None:
        with engine.begin() as connection:
            corrected = history.correct(made("w1", 300), expected_revision=1, connection=connection)
            again = history.correct(made("w1", 400), expected_revision=2, connection=connection)
            deleted = history.delete("bob", "w2", connection=connection)
            history.record(made("w3"), connection=connection)
            assert (corrected.status, again.revision, deleted.status) == ("corrected", 3, "deleted")
            if not done:
                raise Changed

    with pytest.raises(Changed):
        change(done=False)
    assert dump(history) == before

    change(done=True)
    assert {fact.workflow_id: fact.active_seconds for fact in history.facts()} == {"w1": 400, "w3": 600}
    assert_in_step(history)


def test_a_refused_change_leaves_the_callers_transaction_usable(history: History, engine: Engine) -> None:
    history.record(BATCH[0])
    before = dump(history)

    with engine.begin() as connection:
        connection.execute(OWN.insert().values(id=1))
        with pytest.raises(BatchRejected):
            history.record([made("new"), made("w1", 1)], strict=True, connection=connection)
        with pytest.raises(StaleRevision):
            history.correct(made("w1", 1), expected_revision=7, connection=connection)
        with pytest.raises(UnknownWorkflow):
            history.delete("ada", "nothing", connection=connection)
        with pytest.raises(UnknownWorkflow):
            history.delete("nobody", "w1", connection=connection)

    assert own_rows(engine) == 1
    assert dump(history) == before


def test_a_savepoint_takes_facts_back(history: History, engine: Engine) -> None:
    with engine.begin() as connection:
        history.record(BATCH[0], connection=connection)
        savepoint = connection.begin_nested()
        history.record(BATCH[1], connection=connection)
        savepoint.rollback()
        connection.execute(OWN.insert().values(id=1))

    assert [fact.workflow_id for fact in history.facts()] == ["w1"]
    assert own_rows(engine) == 1
    assert_in_step(history)


def test_names_of_a_rolled_back_transaction_are_not_remembered(
    history: History, engine: Engine, store_url: str
) -> None:
    """The ids they had go to other names next: a memory of them would file ada's facts under bob."""
    with engine.connect() as connection, connection.begin() as transaction:
        history.record(BATCH[0], connection=connection)
        transaction.rollback()
    with reopened(store_url) as other:
        other.record(replace(BATCH[1], workflow_id="w1"))

    assert history.record(BATCH[0]).status == "recorded"

    assert {(fact.user_id, fact.ticket_type, fact.template) for fact in history.facts()} == {
        ("ada", "Bug", "QA"),
        ("bob", "Feature", "Release"),
    }
    assert_in_step(history)


def test_names_are_not_remembered_when_their_commit_fails(history: History, store_url: str, faults: Faults) -> None:
    with faults.at(1), pytest.raises(Exception, match="made"):
        history.record(BATCH[0])
    with faults.on("ts_user_state"), pytest.raises(Exception, match="made"):
        history.record(BATCH[0])
    faults.lift()
    with reopened(store_url) as other:
        other.record(replace(BATCH[1], workflow_id="w1"))

    assert history.record(BATCH[0]).status == "recorded"

    assert {(fact.user_id, fact.ticket_type, fact.template) for fact in history.facts()} == {
        ("ada", "Bug", "QA"),
        ("bob", "Feature", "Release"),
    }
    assert_in_step(history)


def test_names_known_already_are_used_in_the_callers_transaction(history: History, engine: Engine) -> None:
    history.record(BATCH)

    with engine.begin() as connection:
        history.record(
            [replace(fact, workflow_id=f"{fact.workflow_id} again") for fact in BATCH], connection=connection
        )

    assert history.summary("all_time").users == 2
    assert_in_step(history)


# ---------------------------------------------------------------------------------------------------------- failures

CELLS = ("ts_cell_completion", "ts_cell_step", "ts_cell_worked")
FACTS = ("ts_completion", "ts_session", "ts_pause", "ts_session_part")
TABLES = (*FACTS, *CELLS, "ts_receipt", "ts_gap_alert", "ts_user_state")
NAMES = ("ts_user", "ts_ticket_type", "ts_template", "ts_step")
OPERATIONS = ("INSERT", "UPDATE", "DELETE")


class Faults:
    """Makes the database itself fail: at the n-th change of a row or statement, or at every change of one table."""

    def __init__(self, history: History) -> None:
        self._engine = history.engine
        self._sqlite = history.engine.dialect.name == "sqlite"
        self._countdown = 0
        self._table: str | None = None
        if self._sqlite:
            history.engine.dispose()
            event.listen(history.engine, "connect", self._connected)
        with self._engine.begin() as connection:
            for statement in self._sqlite_triggers() if self._sqlite else self._postgresql_triggers():
                connection.exec_driver_sql(statement, execution_options={"no_parameters": True})

    def at(self, number: int) -> Faults:
        """Fail at the n-th change from now on, once."""
        return self._set(number, None)

    def on(self, table: str) -> Faults:
        """Fail at every change of a table."""
        return self._set(0, table)

    def lift(self) -> None:
        """Take the faults away for good."""
        with self._engine.begin() as connection:
            for statement in self._dropped():
                connection.exec_driver_sql(statement)

    def _dropped(self) -> list[str]:
        if not self._sqlite:
            return ["DROP FUNCTION fault() CASCADE"]
        with self._engine.connect() as connection:
            return [
                f"DROP TRIGGER {name}"
                for name in connection.execute(text("SELECT name FROM sqlite_master WHERE type = 'trigger'")).scalars()
            ]

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        self._set(0, None)

    def _set(self, number: int, table: str | None) -> Faults:
        self._countdown, self._table = number, table
        if not self._sqlite:
            with self._engine.begin() as connection:
                connection.execute(text("SELECT setval('changes', 1, false)"))
                connection.execute(text("UPDATE fault SET number = :n, name = :t"), {"n": number, "t": table or ""})
        return self

    def _connected(self, connection: sqlite3.Connection, _record: object) -> None:
        connection.create_function("fails", 1, self._fails)

    def _fails(self, table: str) -> bool:
        self._countdown -= 1
        return self._countdown == 0 or table == self._table

    def _sqlite_triggers(self) -> Iterator[str]:
        for table in (*TABLES, *NAMES):
            for operation in OPERATIONS:
                for when in ("BEFORE", "AFTER"):
                    yield (
                        f"CREATE TRIGGER fault_{when}_{operation}_{table} {when} {operation} ON {table} "
                        f"BEGIN SELECT CASE WHEN fails('{table}') THEN RAISE(ABORT, 'made') END; END"
                    )

    def _postgresql_triggers(self) -> Iterator[str]:
        yield "CREATE SEQUENCE changes"  # counts on through a rollback
        yield "CREATE TABLE fault AS SELECT 0::bigint AS number, ''::text AS name"
        yield (
            "CREATE FUNCTION fault() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
            "IF nextval('changes') = (SELECT number FROM fault) OR TG_TABLE_NAME = (SELECT name FROM fault) "
            "THEN RAISE EXCEPTION 'made'; END IF; RETURN NULL; END $$"
        )
        for table in (*TABLES, *NAMES):
            for operation in OPERATIONS:
                for when in ("BEFORE", "AFTER"):
                    yield (
                        f"CREATE TRIGGER fault_{when}_{operation} {when} {operation} ON {table} "
                        "FOR EACH STATEMENT EXECUTE FUNCTION fault()"
                    )


@pytest.fixture
def faults(history: History) -> Faults:
    return Faults(history)


NIGHT = TimeSession(
    at("2024-05-05T23:00"), at("2024-05-06T02:00"), pauses=(Pause(at("2024-05-05T23:30"), at("2024-05-06T00:30")),)
)
RICH = made(
    "rich",
    estimated_seconds=6000,
    steps=(StepTime(0, "Test", 100, 50), StepTime(1, "Night", sessions=(NIGHT,), estimated_seconds=60)),
)
STANDING = [RICH, made("neighbour", 101, estimated_seconds=100), made("bob's", user_id="bob")]

Change = Callable[[History], Any]
CHANGES: dict[str, Change] = {
    "record one": lambda history: history.record(made("new", 102, estimated_seconds=50)),
    "record with sessions": lambda history: history.record(replace(RICH, workflow_id="new", user_id="bob")),
    "record new names": lambda history: history.record(
        replace(RICH, workflow_id="new", user_id="eve", ticket_type="New", template="New")
    ),
    "record a batch": lambda history: history.record(
        [*STANDING, *(made(f"new {n}", n, user_id=user) for n in range(3) for user in ("ada", "bob", "eve"))]
    ),
    "correct": lambda history: history.correct(replace(RICH, ticket_type="Feature", completed_at=at("2024-05-09"))),
    "correct in place": lambda history: history.correct(
        replace(RICH, steps=(StepTime(0, "Test", 101, 50), StepTime(1, "Night", sessions=(NIGHT,))))
    ),
    "delete": lambda history: history.delete("ada", "rich"),
    "revive": lambda history: history.correct(replace(STANDING[2], ticket_key="TK-2")),
}


@pytest.fixture
def standing(history: History) -> History:
    history.record(STANDING)
    history.delete("bob", "bob's")
    history.dismiss_alert(history.alerts()[0].id)
    return history


def revision(history: History) -> int:
    return history.summary("all_time").coverage.revision


@pytest.mark.parametrize("name", CHANGES)
def test_a_failure_at_any_change_leaves_before_or_after(standing: History, store_url: str, name: str) -> None:
    faults = Faults(standing)
    before = (dump(standing), revision(standing), standing.alerts(dismissed=None))

    for number in count(1):
        try:
            with faults.at(number):
                CHANGES[name](standing)
            break
        except Exception as error:
            if "made" not in str(error):
                raise
        assert (dump(standing), revision(standing), standing.alerts(dismissed=None)) == before, number

    assert number > 10
    assert dump(standing) != before[0]
    assert_in_step(standing)
    faults.lift()
    with reopened(store_url) as other:
        assert dump(other) == dump(standing)


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("name", ["record with sessions", "correct", "delete"])
def test_facts_and_cells_are_written_together_or_not_at_all(standing: History, name: str, table: str) -> None:
    faults = Faults(standing)
    before = (dump(standing), revision(standing))

    with faults.on(table), pytest.raises(Exception, match="made"):
        CHANGES[name](standing)

    assert (dump(standing), revision(standing)) == before
    CHANGES[name](standing)
    assert_in_step(standing)


def failing_commit(history: History) -> None:
    """Let every commit fail that has written a completion or a cell."""
    sqlite = history.engine.dialect.name == "sqlite"
    if sqlite:
        history.engine.dispose()
        event.listen(history.engine, "connect", lambda connection, _: connection.execute("PRAGMA foreign_keys = ON"))
    with history.engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE parent (id INTEGER PRIMARY KEY)")
        reference = "REFERENCES parent (id) DEFERRABLE INITIALLY DEFERRED"
        connection.exec_driver_sql(f"CREATE TABLE made (id INTEGER {reference})")
        if not sqlite:
            connection.exec_driver_sql(
                "CREATE FUNCTION orphan() RETURNS trigger LANGUAGE plpgsql AS "
                "$$ BEGIN INSERT INTO made VALUES (1); RETURN NULL; END $$"
            )
        for table in ("ts_completion", "ts_cell_step"):
            for operation in OPERATIONS:
                action = "EXECUTE FUNCTION orphan()" if not sqlite else "BEGIN INSERT INTO made VALUES (1); END"
                each = "FOR EACH ROW " if not sqlite else ""
                connection.exec_driver_sql(
                    f"CREATE TRIGGER commit_{table}_{operation} AFTER {operation} ON {table} {each}{action}"
                )


@pytest.mark.parametrize("name", CHANGES)
def test_a_commit_that_fails_leaves_before(standing: History, name: str) -> None:
    failing_commit(standing)
    before = (dump(standing), revision(standing), standing.alerts(dismissed=None))

    with pytest.raises(Exception, match=r"made_id_fkey|FOREIGN KEY"):
        CHANGES[name](standing)

    assert (dump(standing), revision(standing), standing.alerts(dismissed=None)) == before


@pytest.mark.parametrize("name", ["record a batch", "correct", "delete"])
def test_an_interruption_at_any_moment_leaves_before_or_after(backend: str, standing: History, name: str) -> None:
    """SQLite asks after every few instructions of its machine whether it is to go on: once, it is not."""
    if backend != "sqlite":
        pytest.skip("only SQLite can be stopped between any two instructions")
    countdown = [0]

    def stop() -> bool:
        countdown[0] -= 1
        return countdown[0] == 0

    standing.engine.dispose()
    event.listen(standing.engine, "connect", lambda connection, _: connection.set_progress_handler(stop, 40))
    before = (dump(standing), revision(standing))

    for moment in count(1, 3):
        countdown[0] = moment
        try:
            CHANGES[name](standing)
            break
        except Exception as error:
            if "interrupted" not in str(error):
                raise
        finally:
            countdown[0] = 0
        assert (dump(standing), revision(standing)) == before

    assert moment > 5
    assert_in_step(standing)


def test_a_failed_dismissal_leaves_the_alert_open(standing: History, faults: Faults) -> None:
    alert = standing.alerts()[0]

    with faults.on("ts_gap_alert"), pytest.raises(Exception, match="made"):
        standing.dismiss_alert(alert.id)

    assert alert in standing.alerts()


def test_a_history_goes_on_after_a_failure(standing: History, faults: Faults) -> None:
    for _ in range(30):  # more than the pool holds: no connection may stay behind
        with faults.on("ts_receipt"), pytest.raises(Exception, match="made"):
            standing.record(made("new"))

    assert standing.record(made("new")).status == "recorded"
    assert_in_step(standing)


def test_reading_facts_does_not_keep_writers_out(history: History) -> None:
    history.record([made(f"w{number}") for number in range(1200)])

    facts = history.facts()
    first = next(facts)
    history.record(made("new", completed_at=NINE))
    rest: list[CompletedWorkflow] = list(facts)

    assert first.workflow_id == "w0"
    assert len(rest) == 1199  # the state it began with, whatever is written meanwhile
    assert history.summary("all_time").completed == 1201


def test_facts_left_half_read_give_their_connection_back(store_url: str) -> None:
    with open_history(store_url) as history:
        history.record([made("w1"), made("w2")])
        for _ in range(40):
            reading = history.facts()
            next(reading)
            reading.close()  # type: ignore[attr-defined]

        assert history.summary("all_time").completed == 2
