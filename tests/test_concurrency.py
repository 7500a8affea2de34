"""Several writers at once, in processes and in threads: nothing lost, nothing doubled, no error reaches the caller."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from itertools import count
from pathlib import Path
from random import Random
from threading import Barrier
from typing import Any

import pytest
from conftest import NOW, reopened
from facts_made import NINE, assert_in_step, batches, dump, fold, made, session
from processes import PROCESSES
from sqlalchemy import Connection, create_engine, exc, text

from timestrata import (
    CompletedWorkflow,
    History,
    StaleRevision,
    StepTime,
    UnknownWorkflow,
    UnsupportedDatabase,
    open_history,
)
from timestrata.dialects import dialect_of, engine_for

USERS = ("ada", "bob", "Jos\u00e9")


def shared_facts(number: int) -> list[CompletedWorkflow]:
    """Return facts that every writer records: a few users, types and days, so that all meet in the same cells."""
    return [
        made(
            f"w{index}",
            index % 40,
            user_id=USERS[index % 3],
            ticket_type=f"type {index % 4}",
            template=f"template {index % 5}",
            completed_at=NINE + timedelta(hours=index % 60),
            steps=(
                StepTime(0, f"step {index % 7}", index % 40, 20),
                StepTime(1, "night", sessions=(session("2024-05-05T23:59:30", 60),)),
            ),
            estimated_seconds=50,
        )
        for index in range(number)
    ]


Report = list[tuple[str, str, str]]
"""(user, workflow, status) of every outcome a writer was told."""


@contextmanager
def hasty(url: str) -> Iterator[History]:
    """A history that may not wait: a deadlock or a locked database is an error here, and not repeated."""

    def wait(seconds: float) -> None:
        raise AssertionError(f"the call would have been repeated after {seconds} s")

    with open_history(url) as opened, History(opened.engine, opened.settings, clock=lambda: NOW, wait=wait) as history:
        yield history


def record_in_batches(url: str, seed: int, number: int, size: int) -> Report:
    """Record all shared facts in an order of its own, and some that nobody else has; run in another process."""
    own = [made(f"own {seed} {index}", index, user_id=USERS[index % 3]) for index in range(20)]
    facts = [*shared_facts(number), *own]
    Random(seed).shuffle(facts)
    with hasty(url) as history:
        return [
            (outcome.user_id or "", outcome.workflow_id or "", outcome.status)
            for batch in batches(facts, size)
            for outcome in history.record(batch)
        ]


def change_in_any_order(url: str, seed: int, number: int) -> Report:
    """Record, correct and delete the shared facts one by one, in an order of its own; run in another process."""
    random = Random(seed)
    facts = shared_facts(number)
    random.shuffle(facts)
    told: Report = []
    with hasty(url) as history:
        for fact in facts:
            outcomes = [history.record(fact)]
            change = random.randrange(4)
            if change == 0:
                outcomes.append(history.delete(fact.user_id, fact.workflow_id))
            elif change == 1:
                outcomes.append(history.correct(made(fact.workflow_id, seed, user_id=fact.user_id)))
            elif change == 2:
                later = made(fact.workflow_id, 7, user_id=fact.user_id, completed_at=NINE + timedelta(days=seed))
                outcomes.append(history.correct(later))
            told.extend((fact.user_id, fact.workflow_id, outcome.status) for outcome in outcomes)
    return told


def in_processes(processes: int, work: Callable[..., Report], url: str, *arguments: Any) -> list[Report]:
    """Run `work(url, seed, *arguments)` in several new processes at once; their errors are raised here."""
    with ProcessPoolExecutor(processes, PROCESSES) as pool:
        return [job.result() for job in [pool.submit(work, url, seed, *arguments) for seed in range(processes)]]


@pytest.mark.parametrize(("processes", "size"), [(2, 1), (2, 13), (4, 50)])
def test_processes_record_the_same_workflows_once(history: History, store_url: str, processes: int, size: int) -> None:
    number = 90

    reports = in_processes(processes, record_in_batches, store_url, number, size)

    told = Counter((user, workflow) for report in reports for user, workflow, status in report if status == "recorded")
    everything = number + 20 * processes
    assert set(told.values()) == {1}
    assert len(told) == everything
    assert Counter(status for report in reports for *_, status in report) == {
        "recorded": everything,
        "replayed": number * (processes - 1),
    }
    assert history.summary("all_time").completed == everything
    assert_in_step(history)


def test_what_processes_recorded_is_what_one_would_have(
    history: History, store_url: str, make_store: Callable[[], str]
) -> None:
    in_processes(2, record_in_batches, store_url, 60, 7)

    with open_history(make_store()) as alone:
        for seed in range(2):
            record_in_batches(str(alone.engine.url.render_as_string(hide_password=False)), seed, 60, 1000)
        assert dump(history) == dump(alone)


@pytest.mark.parametrize("processes", [2, 4])
def test_processes_correct_and_delete_the_same_workflows(history: History, store_url: str, processes: int) -> None:
    number = 40

    reports = in_processes(processes, change_in_any_order, store_url, number)

    statuses = Counter(status for report in reports for *_, status in report)
    assert statuses["recorded"] == number
    assert statuses["deleted"] > 0
    assert statuses["corrected"] > 0
    assert_in_step(history)
    changes = statuses["recorded"] + statuses["corrected"] + statuses["deleted"]
    assert history.summary("all_time").coverage.revision == changes


def correct_from_revision_one(url: str, seed: int) -> Report:
    """Correct one workflow as if nobody else had, until told of a stale revision; run in another process."""
    with hasty(url) as history:
        try:
            return [("ada", "w1", history.correct(made(active_seconds=seed), expected_revision=1).status)]
        except StaleRevision:
            return [("ada", "w1", "stale")]


def test_of_corrections_from_one_revision_one_wins(history: History, store_url: str) -> None:
    history.record(made())

    reports = in_processes(4, correct_from_revision_one, store_url)

    assert Counter(status for report in reports for *_, status in report) == {"corrected": 1, "stale": 3}
    assert history.workflow("ada", "w1").revision == 2
    assert_in_step(history)


# --------------------------------------------------------------------------------------------------------- threads


def at_once(*work: Callable[[], Any]) -> list[Any]:
    """Call functions in threads that start together; return what they return, in order."""
    start = Barrier(len(work))

    def wait_and(call: Callable[[], Any]) -> Any:
        start.wait()
        return call()

    with ThreadPoolExecutor(len(work)) as pool:
        return list(pool.map(wait_and, work))


def test_threads_share_a_history(history: History) -> None:
    facts = shared_facts(60)

    def record(seed: int) -> list[str]:
        mine = list(facts)
        Random(seed).shuffle(mine)
        return [outcome.status for batch in batches(mine, 7) for outcome in history.record(batch)]

    found = at_once(*[lambda seed=seed: record(seed) for seed in range(6)])

    assert Counter(status for statuses in found for status in statuses) == {"recorded": 60, "replayed": 300}
    assert_in_step(history)


def test_threads_read_whole_states_while_others_write(history: History) -> None:
    """Each answer is of one moment: worked, completed and listed agree, whatever is written meanwhile."""
    rounds = range(25)

    def write() -> None:
        for number in rounds:
            history.record([made(f"w{number}", 60, user_id=user, estimated_seconds=1) for user in USERS])

    def read() -> None:
        for _ in rounds:
            summary = history.summary("all_time")
            assert summary.completed % 3 == 0
            assert summary.worked_seconds == summary.active_seconds == 60 * summary.completed
            assert summary.gap_alerts == summary.completed
            assert len(list(history.facts())) % 3 == 0

    at_once(write, read, read)

    assert history.summary("all_time").completed == 75


def test_a_history_in_memory_is_shared_by_threads() -> None:
    with open_history("sqlite://") as history:
        facts = shared_facts(30)

        at_once(*[lambda: history.record(facts)] * 4)

        assert history.summary("all_time").completed == 30
        assert_in_step(history)


# ------------------------------------------------------------------------------------------------- transient errors


@pytest.fixture
def waits() -> list[float]:
    return []


@pytest.fixture
def patient(history: History, waits: list[float]) -> Iterator[History]:
    """A history that notes how long it would wait instead of waiting."""
    engine, _ = engine_for(history.engine.url)
    with History(engine, history.settings, clock=lambda: NOW, wait=waits.append) as opened:
        yield opened


def kill_others(connection: Connection) -> int:
    """Kill every other backend of this database, and wait until they are gone; return how many there were."""
    others = "FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    return len(connection.execute(text(f"SELECT pg_terminate_backend(pid, 5000) {others}")).all())


@pytest.fixture
def only_postgresql(backend: str) -> None:
    if backend == "sqlite":
        pytest.skip("there is no server that could be lost")


@pytest.mark.usefixtures("only_postgresql")
def test_a_connection_lost_while_idle_is_replaced(history: History, patient: History) -> None:
    patient.record(made("w1"))
    patient.summary("all_time")
    with history.engine.connect() as connection:
        assert kill_others(connection) > 0

    assert patient.summary("all_time").completed == 1
    with history.engine.connect() as connection:
        assert kill_others(connection) > 0
    assert patient.record(made("w2")).status == "recorded"

    assert_in_step(history)


@contextmanager
def failing(history: History, table: str, action: str, times: int) -> Iterator[None]:
    """Let the first `times` inserts into a table fail by `action`, in PL/pgSQL; counted over rolled back work too."""
    with history.engine.begin() as connection:
        connection.execute(text("CREATE SEQUENCE failures"))
        connection.execute(
            text(
                "CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
                f"IF nextval('failures') <= {times} THEN {action}; END IF; RETURN NULL; END $$"
            )
        )
        connection.execute(
            text(f"CREATE TRIGGER fail AFTER INSERT ON {table} FOR EACH STATEMENT EXECUTE FUNCTION fail()")
        )
    yield
    with history.engine.begin() as connection:
        connection.execute(text("DROP FUNCTION fail() CASCADE"))
        connection.execute(text("DROP SEQUENCE failures"))


LOST = "PERFORM pg_terminate_backend(pg_backend_pid())"
DEADLOCK = "RAISE EXCEPTION USING ERRCODE = 'deadlock_detected', MESSAGE = 'made'"
TRANSIENT = {
    "lost connection": LOST,
    "deadlock": DEADLOCK,
    "serialization failure": "RAISE EXCEPTION USING ERRCODE = 'serialization_failure', MESSAGE = 'made'",
    "lock timeout": "RAISE EXCEPTION USING ERRCODE = 'lock_not_available', MESSAGE = 'made'",
    "shutdown": "RAISE EXCEPTION USING ERRCODE = 'admin_shutdown', MESSAGE = 'made'",
}


@pytest.mark.usefixtures("only_postgresql")
@pytest.mark.parametrize("action", TRANSIENT.values(), ids=TRANSIENT)
@pytest.mark.parametrize("table", ["ts_completion", "ts_cell_worked", "ts_user"])
def test_a_call_is_repeated_after_a_transient_error(
    history: History, patient: History, waits: list[float], table: str, action: str
) -> None:
    with failing(history, table, action, 2):
        assert patient.record(made()).status == "recorded"

    assert waits == [1, 2]
    assert history.summary("all_time").completed == 1
    assert_in_step(history)


@pytest.mark.usefixtures("only_postgresql")
@pytest.mark.parametrize("action", [LOST, DEADLOCK], ids=["lost connection", "deadlock"])
def test_a_call_is_repeated_three_times_at_most(
    history: History, patient: History, waits: list[float], action: str
) -> None:
    with (
        failing(history, "ts_completion", action, 99),
        pytest.raises(exc.DBAPIError, match=r"terminat|closed|lost|made") as error,
    ):
        patient.record(made())

    assert dialect_of(history.engine).is_transient(error.value)
    assert waits == [1, 2, 4]
    assert history.summary("all_time").completed == 0
    assert patient.record(made()).status == "recorded"
    assert_in_step(history)


@pytest.mark.usefixtures("only_postgresql")
def test_other_errors_are_not_repeated(history: History, patient: History, waits: list[float]) -> None:
    broken = "RAISE EXCEPTION USING ERRCODE = 'check_violation', MESSAGE = 'made'"
    with failing(history, "ts_completion", broken, 99), pytest.raises(exc.IntegrityError, match="made") as error:
        patient.record(made())

    assert not dialect_of(history.engine).is_transient(error.value)
    assert waits == []
    assert patient.record(made()).status == "recorded"


@pytest.mark.usefixtures("only_postgresql")
def test_corrections_and_deletions_are_repeated_too(history: History, patient: History, waits: list[float]) -> None:
    patient.record(made())
    with failing(history, "ts_user_state", LOST, 1):
        corrected = patient.correct(made(active_seconds=700), expected_revision=1)
    with failing(history, "ts_user_state", LOST, 1):
        deleted = patient.delete("ada", "w1", expected_revision=2)

    assert (corrected.status, deleted.status, waits) == ("corrected", "deleted", [1, 1])
    assert_in_step(history)


@pytest.mark.usefixtures("only_postgresql")
def test_a_commit_whose_answer_was_lost_counts_once(history: History, patient: History) -> None:
    """The server committed and the caller was not told: the repetition is a replay."""
    patient.record(made())
    before = dump(history)
    with history.engine.connect() as connection:
        kill_others(connection)

    assert patient.record(made()).status == "replayed"
    assert patient.correct(made(active_seconds=1), expected_revision=1).status == "corrected"
    assert patient.correct(made(active_seconds=1), expected_revision=1).status == "replayed"
    assert dump(history) != before


@pytest.mark.usefixtures("only_postgresql")
def test_no_call_is_repeated_in_the_callers_transaction(history: History, patient: History, waits: list[float]) -> None:
    with (
        failing(history, "ts_completion", DEADLOCK, 1),
        pytest.raises(Exception, match="made"),
        patient.engine.begin() as connection,
    ):
        patient.record(made(), connection=connection)

    assert waits == []
    assert history.summary("all_time").completed == 0


def test_a_locked_file_is_transient(backend: str, store_url: str, history: History) -> None:
    if backend != "sqlite":
        pytest.skip("only a file is locked as a whole")
    holder = create_engine(store_url, connect_args={"isolation_level": None})
    impatient = create_engine(store_url, connect_args={"timeout": 0, "isolation_level": None})
    with holder.connect() as holding, impatient.connect() as connection:
        holding.exec_driver_sql("BEGIN IMMEDIATE")
        with pytest.raises(exc.OperationalError) as locked:
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        with pytest.raises(exc.OperationalError) as broken:
            connection.exec_driver_sql("SELECT * FROM no_such_table")
        holding.exec_driver_sql("ROLLBACK")
    holder.dispose()
    impatient.dispose()

    dialect = dialect_of(history.engine)
    assert dialect.is_transient(locked.value)
    assert isinstance(locked.value.orig, sqlite3.OperationalError)
    assert dialect.is_transient(locked.value.orig)
    assert not dialect.is_transient(broken.value)


def test_errors_of_our_own_are_not_transient(history: History) -> None:
    dialect = dialect_of(history.engine)

    for error in (UnknownWorkflow("ada", "w1"), UnsupportedDatabase("x"), ValueError("x"), OSError("x")):
        assert not dialect.is_transient(error)


# ----------------------------------------------------------------------------------------------------- killed writers


def record_and_tell(url: str, path: str) -> None:
    """Record batches without end and tell of each one in a file; run in another process, which is killed."""
    with open_history(url) as history, Path(path).open("a") as log:
        for number in count():
            names = [f"{number}-{index}" for index in range(5)]
            history.record([made(name, index, user_id="ada") for index, name in enumerate(names)])
            if number % 3 == 0:
                history.correct(made(names[0], 99, user_id="ada"))
                history.delete("ada", names[1])
            log.write(f"{number}\n")
            log.flush()


@pytest.mark.parametrize("lines", [1, 4, 9])
def test_a_killed_writer_leaves_whole_batches(history: History, store_url: str, tmp_path: Path, lines: int) -> None:
    path = tmp_path / "log"
    path.touch()
    process = PROCESSES.Process(target=record_and_tell, args=(store_url, str(path)))
    process.start()
    while path.read_text().count("\n") < lines:
        process.join(0.001)
        assert process.is_alive()
    process.kill()
    process.join()

    with reopened(store_url) as after:
        assert_in_step(after)
        by_batch = Counter(fact.workflow_id.partition("-")[0] for fact in after.facts())
        told = path.read_text().count("\n")
        assert all(by_batch[str(number)] == (4 if number % 3 == 0 else 5) for number in range(told))
        assert len(fold(after).completion) > 0
        assert set(by_batch.values()) <= {4, 5}
        assert after.record(made("next")).status == "recorded"
