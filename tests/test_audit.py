"""verify(): everything that is stored is what the facts make it, and every integer that is not is found and named."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from audited import (
    CELLS,
    OPEN,
    SEALED,
    archive_files,
    fill,
    flip,
    integers,
    opened,
    put,
    remove,
    rewrite,
    rows_of,
    told,
)
from conftest import NOW, Fill
from facts_made import NINE, made
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Table, insert

from timestrata import History, StepTime, schema
from timestrata.audit import AuditProgress, Verification
from timestrata.audit.chunks import Ledger, spans
from timestrata.audit.findings import FIRST_DAY, LAST_DAY, MOST_LISTED
from timestrata.audit.structure import day_faults, faults
from timestrata.calendar import day_date
from timestrata.errors import UnknownUser
from timestrata.formats.result_json import document
from timestrata.formats.results import result
from timestrata.measures import Cells, Filed, Measure, duration_bucket, names, observe

DAYS = {"open": OPEN, "sealed": SEALED}
KEYS = ("user_id", "day", "ticket_type_id", "template_id", "step_id", "bucket")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "archive"


@pytest.fixture
def store(copy_filled: Callable[[Fill, Path], str], folder: Path) -> Iterator[History]:
    """A store with open and sealed days."""
    with opened(copy_filled(fill, folder), folder) as history:
        yield history


def url_of(history: History) -> str:
    return history.engine.url.render_as_string(hide_password=False)


# ------------------------------------------------------------------------------------------------- nothing is wrong


@pytest.mark.parametrize("deep", [False, True], ids=["shallow", "deep"])
def test_a_store_that_nobody_touched_is_well(store: History, deep: bool) -> None:
    found = store.audit.verify(deep=deep)

    assert found.ok
    assert found.problems == ()
    assert (found.users, found.days_open, found.days_sealed, found.facts) == (2, 3, 3, 5)
    assert found.cells == sum(len(rows_of(store, table)) for table in CELLS)
    assert (found.archived_facts, found.archive_files) == ((6, 1) if deep else (0, 0))
    assert found.unsettled_users == 0


def test_an_empty_store_is_well(history: History) -> None:
    assert history.audit.verify(deep=True).ok


def test_late_facts_corrections_and_restored_days_are_well(store: History) -> None:
    store.record([made("late", 650), made("late too", 9, user_id="bob")])
    assert store.audit.verify().ok
    assert store.audit.verify().archived_facts == 5
    assert store.audit.verify(deep=True).ok
    store.retention.run()
    assert store.audit.verify(deep=True).ok
    store.correct(made("late", 100))
    store.delete("ada", "old plain")
    assert store.audit.verify(deep=True).ok
    store.retention.run()
    assert store.audit.verify(deep=True).ok


def test_a_verification_as_json_gives_itself_again(store: History) -> None:
    flip(store, schema.cell_step, rows_of(store, schema.cell_step, OPEN)[0], "active_seconds")

    found = store.audit.verify()

    assert found.problems
    assert result(Verification, document(found)) == found


def test_only_the_users_asked_for_are_looked_at(store: History) -> None:
    rows = rows_of(store, schema.cell_completion, OPEN)
    bob = next(row for row in rows if row[0] != rows[0][0])
    flip(store, schema.cell_completion, bob, "reworked")

    assert store.audit.verify(users=["ada"], deep=True).ok
    assert [one.user_id for one in store.audit.verify(users=["bob"]).problems] == ["bob"]
    with pytest.raises(UnknownUser, match="'nobody'"):
        store.audit.verify(users=["ada", "nobody"])


# ------------------------------------------------------------------------------------------ a changed cell


@pytest.mark.parametrize("day", DAYS)
@pytest.mark.parametrize("table", CELLS, ids=lambda table: table.name)
def test_every_changed_integer_of_a_cell_is_named(store: History, table: Table, day: str) -> None:
    rows, steps = rows_of(store, table, DAYS[day]), [1, -1]
    if store.engine.dialect.name != "sqlite":  # which is asked for more, because it is faster
        rows, steps = rows[:1], [1]
    for row in rows[::2]:
        for column in integers(table):
            for by in steps:
                changed, undo = flip(store, table, row, column, by)
                found = store.audit.verify()
                if column in KEYS:
                    assert {(one.place, one.stored is None) for one in found.problems} >= {(table.name, True)}, column
                else:
                    place = table.columns.keys().index(column)
                    user = "ada" if row[0] == 1 else "bob"
                    wanted = (table.name, user, day_date(row[1]), column, changed[place], row[place])
                    assert told(found) == [wanted], (column, by)
                    assert found.problems[0].item
                undo()
    assert store.audit.verify(deep=True).ok


@pytest.mark.parametrize("table", CELLS[:2], ids=lambda table: table.name)
def test_without_the_archive_a_changed_integer_of_a_sealed_day_is_told_with_its_user_and_day(
    store: History, folder: Path, table: Table
) -> None:
    shutil.move(folder, folder.with_name("gone"))
    with opened(url_of(store), folder) as history:
        for row in rows_of(store, table, SEALED)[:1]:
            for column in integers(table):
                if column not in KEYS:
                    _, undo = flip(store, table, row, column)
                    found = history.audit.verify()
                    seals = [one for one in found.problems if one.kind == "seal"]
                    user = "ada" if row[0] == 1 else "bob"
                    assert [(one.user_id, one.day) for one in seals] == [(user, date(2024, 5, 6))], column
                    assert "the archive is needed to say more" in seals[0].reason
                    undo()
        assert history.audit.verify().ok


@pytest.mark.parametrize("day", DAYS)
@pytest.mark.parametrize("table", CELLS, ids=lambda table: table.name)
def test_a_cell_that_is_gone_and_one_too_many_are_named(store: History, table: Table, day: str) -> None:
    row = rows_of(store, table, DAYS[day])[0]
    width = len(table.primary_key)
    remove(store, table, row)

    gone = store.audit.verify().problems

    assert {(one.place, one.stored) for one in gone} == {(table.name, None)}
    assert [one.expected for one in gone] == list(row[width:])
    more = (*row[: width - 1], row[width - 1] + 1, *row[width:])
    with store.engine.begin() as connection:
        connection.execute(insert(table).values([row, more]))
    assert {(one.place, one.expected) for one in store.audit.verify().problems} == {(table.name, None)}


def test_what_archived_facts_put_into_worked_time_is_named_by_a_deep_audit(store: History) -> None:
    table = schema.archived_worked
    for row in rows_of(store, table):
        for column in integers(table):
            changed, undo = flip(store, table, row, column)
            assert not store.audit.verify().ok, column
            found = store.audit.verify(deep=True)
            if column not in KEYS:
                place = table.columns.keys().index(column)
                named = (table.name, "ada" if row[0] == 1 else "bob", day_date(row[1]), column)
                assert (*named, changed[place], row[place]) in told(found), column
            else:
                assert any(one.place == table.name and one.stored is None for one in found.problems)
            undo()
    assert store.audit.verify(deep=True).ok


@given(data=st.data())
@settings(max_examples=60, deadline=None)
def any_flip_is_found(history: History, data: st.DataObject) -> None:
    table = data.draw(st.sampled_from([*CELLS, schema.archived_worked]), label="table")
    row = data.draw(st.sampled_from(rows_of(history, table)), label="row")
    column = data.draw(st.sampled_from(integers(table)), label="column")
    bit = data.draw(st.integers(0, 14 if column == "bucket" else 30), label="bit")
    place = table.columns.keys().index(column)
    changed = (*row[:place], row[place] ^ (1 << bit), *row[place + 1 :])
    if not put(history, table, row, column, changed[place]):
        return
    found = history.audit.verify()
    assert put(history, table, changed, column, row[place])
    assert not found.ok
    assert found.problems


def test_one_flipped_bit_in_any_integer_of_any_cell_is_found(store: History) -> None:
    any_flip_is_found(store)

    assert store.audit.verify(deep=True).ok


# ------------------------------------------------------------------------------------------ the archive, row by row


def places(rows: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    """Return the path of every integer and instant in the rows of a file."""
    found: list[tuple[Any, ...]] = []

    def walk(value: Any, path: tuple[Any, ...]) -> None:
        if isinstance(value, dict):
            for name, each in value.items():
                walk(each, (*path, name))
        elif isinstance(value, list):
            for index, each in enumerate(value):
                walk(each, (*path, index))
        elif value is not None and not isinstance(value, (str, bytes)):
            found.append(path)

    walk(rows, ())
    return found


def change(rows: list[dict[str, Any]], path: tuple[Any, ...]) -> None:
    """Change a value a little."""
    at: Any = rows
    for name in path[:-1]:
        at = at[name]
    value = at[path[-1]]
    at[path[-1]] = value + (1 if isinstance(value, int) else timedelta(days=1))


def test_every_changed_integer_of_every_archived_row_is_named(store: History, folder: Path) -> None:
    [file] = archive_files(folder)
    whole, rows = file.read_bytes(), []  # type: ignore[var-annotated]
    rewrite(file, rows.extend)
    everything = places(rows)
    assert len(everything) > 100

    for path in everything[:: 2 if store.engine.dialect.name == "sqlite" else 17]:
        rewrite(file, lambda rows, path=path: change(rows, path))  # type: ignore[misc]
        found = store.audit.verify(deep=True)
        file.write_bytes(whole)

        row = rows[path[0]]
        of_file = [one for one in found.problems if one.place == str(file.relative_to(folder))]
        reasons = " ".join(one.reason for one in of_file)
        assert "bytes, the manifest says" in reasons or "SHA-256" in reasons
        if path[1:] == ("day",):
            assert "users, days or digests of row group 0 are not those that were written" in reasons
        else:
            named = f"workflow {row['workflow_id']!r} of user {row['user_id']!r} on {row['day']}"
            assert f"{named} is not as it was written" in reasons, path
        assert (row["user_id"], row["day"]) in {(one.user_id, one.day) for one in of_file}, path
    assert store.audit.verify(deep=True).ok


def test_every_damaged_row_of_a_file_is_named_and_the_others_are_looked_at(store_url: str, folder: Path) -> None:
    with opened(store_url, folder) as history:
        history.record(
            [
                made(f"{user} {day}", 60 + day, user_id=user, completed_at=NINE - timedelta(days=day % 4))
                for user in ("ada", "bob", "cleo", "dan", "eva")
                for day in range(8)
            ]
        )
        history.retention.run()
        [file] = archive_files(folder)

        def damage(rows: list[dict[str, Any]]) -> None:
            for row in rows:
                if row["workflow_id"] in ("bob 5", "eva 2"):
                    row["active_seconds"] += 1

        rewrite(file, damage)
        row = next(row for row in rows_of(history, schema.cell_completion) if row[0] == 3)
        changed, _ = flip(history, schema.cell_completion, row, "reworked")

        found = history.audit.verify(deep=True)

        unread = {(one.user_id, one.day) for one in found.problems if "cannot be read" in one.reason}
        assert unread == {("bob", date(2024, 5, 5)), ("eva", date(2024, 5, 4))}
        reasons = " ".join(one.reason for one in found.problems)
        assert "'bob 5'" in reasons
        assert "'eva 2'" in reasons
        assert found.archived_facts == 40 - 4
        assert ("ts_cell_completion", "cleo", day_date(row[1]), "reworked", changed[-1], row[-1]) in told(found)


@pytest.mark.parametrize("how", ["gone", "truncated", "empty", "not parquet", "other rows"])
def test_a_file_of_the_archive_that_is_not_as_it_was_is_named(store: History, folder: Path, how: str) -> None:
    [file] = archive_files(folder)
    whole = file.read_bytes()
    if how == "gone":
        file.unlink()
    elif how == "other rows":
        rewrite(file, lambda rows: rows.__delitem__(-1))
    else:
        file.write_bytes({"truncated": whole[: len(whole) // 2], "empty": b"", "not parquet": b"x" * len(whole)}[how])

    found = store.audit.verify(deep=True)

    assert not found.ok
    assert {(one.kind, one.place) for one in found.problems} == {("archive", str(file.relative_to(folder)))}
    assert store.audit.verify().ok  # the digests of sealed days tell that nothing of the database is wrong


def test_without_an_archive_a_deep_audit_says_what_it_needs(store: History, folder: Path) -> None:
    shutil.rmtree(folder)
    with opened(url_of(store), None) as history:
        history.retention._url = None

        found = history.audit.verify(deep=True)

        assert [one.kind for one in found.problems] == ["archive"]
        assert "TIMESTRATA_ARCHIVE" in found.problems[0].reason


# ------------------------------------------------------------------------------------- receipts, alerts, seals, facts


@pytest.mark.parametrize("day", DAYS)
@pytest.mark.parametrize("column", ["number", "day", "state", "fingerprint", "workflow_id"])
def test_a_receipt_that_is_not_that_of_its_workflow_is_named(store: History, day: str, column: str) -> None:
    row = rows_of(store, schema.receipt, DAYS[day])[0]
    values = {"number": row[2] + 1000, "day": row[5] + 1, "state": 2, "fingerprint": b"x" * 16, "workflow_id": "other"}
    put(store, schema.receipt, row, column, values[column])

    found = store.audit.verify(deep=True)

    assert not found.ok
    assert {one.kind for one in found.problems} <= {"receipt", "fact"}
    assert row[1] in {one.item for one in found.problems}


@pytest.mark.parametrize("day", DAYS)
def test_a_receipt_that_is_gone_and_one_without_a_workflow_are_named(store: History, day: str) -> None:
    row = rows_of(store, schema.receipt, DAYS[day])[0]
    remove(store, schema.receipt, row)
    gone = store.audit.verify()
    with store.engine.begin() as connection:
        other = (row[0], "made up", 999, 1, schema.RECORDED, row[5], row[6], None, None)
        connection.execute(insert(schema.receipt).values([row, other]))
    more = store.audit.verify()

    assert ("ts_receipt", "ada", day_date(row[5]), "count") in {one[:4] for one in told(gone)}
    recorded = sum(one[5] == row[5] and one[0] == row[0] for one in rows_of(store, schema.receipt))
    assert told(more)[0] == ("ts_receipt", "ada", day_date(row[5]), "count", recorded, recorded - 1)
    if day == "open":
        assert "made up" in {one.item for one in more.problems}


@pytest.mark.parametrize("column", ["actual_seconds", "estimated_seconds", "completed_at", "template_id", "ticket_key"])
def test_an_alert_that_its_workflow_does_not_make_is_named(store: History, column: str) -> None:
    for day, deep in ((OPEN, False), (SEALED, True)):
        row = rows_of(store, schema.gap_alert, day)[0]
        place = schema.gap_alert.columns.keys().index(column)
        value = f"{row[place]}x" if column == "ticket_key" else row[place] + 1
        put(store, schema.gap_alert, row, column, value)

        [one] = store.audit.verify(deep=deep).problems

        assert (one.kind, one.place, one.day, one.column) == ("alert", "ts_gap_alert", day_date(day), column)
        put(store, schema.gap_alert, (*row[:place], value, *row[place + 1 :]), column, row[place])


@pytest.mark.parametrize("day", DAYS)
def test_an_alert_that_is_gone_and_one_too_many_are_named(store: History, day: str) -> None:
    rows = rows_of(store, schema.gap_alert, DAYS[day])
    remove(store, schema.gap_alert, rows[0])
    [gone] = store.audit.verify(deep=True).problems
    made_up = [(*row[:3], 900 + place, *row[4:]) for place, row in enumerate(rows)]
    with store.engine.begin() as connection:
        connection.execute(insert(schema.gap_alert).values([rows[0], *made_up]))

    assert gone.reason == "the workflow makes one that is not there"
    assert {one.kind for one in store.audit.verify().problems} == {"alert"}
    deep = store.audit.verify(deep=True)
    assert {one.kind for one in deep.problems} == {"alert"}
    assert deep.problem_count >= len(made_up)


def test_a_dismissed_alert_and_one_that_was_cleaned_away_are_well(store_url: str, folder: Path) -> None:
    with opened(store_url, folder) as history:
        fill(history)
        for alert in history.alerts(limit=100):
            history.dismiss_alert(alert.id)
        assert history.audit.verify(deep=True).ok
    with opened(store_url, folder, NOW + timedelta(days=500)) as history:
        assert history.retention.clean_alerts() > 0
        assert history.audit.verify(deep=True).ok


def test_a_seal_that_is_not_that_of_its_cells_is_named(store: History) -> None:
    row = rows_of(store, schema.day_seal)[0]
    put(store, schema.day_seal, row, "cells_digest", b"x" * 16)
    for deep in (False, True):
        [one] = store.audit.verify(deep=deep).problems
        assert (one.kind, one.user_id, one.day) == ("seal", "ada", day_date(row[1]))
        assert "not that of the cells that the archived facts make" in one.reason
    remove(store, schema.day_seal, row)
    reasons = [one.reason for one in store.audit.verify().problems if one.kind == "seal"]
    assert reasons[0].endswith("is not sealed")
    with store.engine.begin() as connection:
        connection.execute(insert(schema.day_seal).values([row]))
        connection.execute(insert(schema.day_seal).values([(row[0], OPEN, 0, b"y" * 16)]))
    assert any("none of its facts" in one.reason for one in store.audit.verify().problems)


def test_a_completion_that_is_gone_or_cannot_be_read_is_named(store: History) -> None:
    row = rows_of(store, schema.completion, OPEN)[0]
    for column, value in (("steps", "[[1,5"), ("steps", "[[999,5,0,1,null]]"), ("completed_at", 5), ("timezone", "X")):
        place = schema.completion.columns.keys().index(column)
        put(store, schema.completion, row, column, value)
        found = store.audit.verify()
        put(store, schema.completion, (*row[:place], value, *row[place + 1 :]), column, row[place])
        facts = [one for one in found.problems if one.kind == "fact"]
        assert row[3] in {one.item for one in facts}, (column, value)
    changed, undo = flip(store, schema.completion, row, "active_seconds")
    assert ("ts_completion", "ada", day_date(OPEN), "active_seconds", changed[10], row[10]) in told(
        store.audit.verify()
    )
    undo()
    assert store.audit.verify().ok
    remove(store, schema.completion, row)
    assert row[3] in {one.item for one in store.audit.verify().problems if one.kind == "receipt"}


def test_a_session_that_cannot_be_read_does_not_end_the_audit(store: History) -> None:
    for row in rows_of(store, schema.session):
        _, undo = flip(store, schema.session, row, "active_seconds", 5)
        found = store.audit.verify()
        assert {one.kind for one in found.problems} >= {"fact"}
        assert found.users == 2
        undo()
    assert store.audit.verify().ok


@pytest.mark.parametrize("table", [*CELLS, schema.archived_worked, schema.gap_alert], ids=lambda table: table.name)
def test_rows_of_nobody_and_of_no_day_are_named(store: History, table: Table) -> None:
    row = rows_of(store, table)[0]
    with store.engine.begin() as connection:
        strays = [(77, *row[1:]), (79, *row[1:]), (row[0], LAST_DAY + 5, *row[2:]), (row[0], FIRST_DAY - 5, *row[2:])]
        connection.execute(insert(table).values(strays))

    found = [one for one in store.audit.verify().problems if one.kind == "stray"]

    assert {(one.place, one.user_id, one.day) for one in found} == {
        (table.name, "#77", None),
        (table.name, "#79", None),
        (table.name, "ada", None),
    }
    assert {f"(day {LAST_DAY + 5})", f"(day {FIRST_DAY - 5})"} <= {one.reason.partition("has ")[2] for one in found}


def test_what_an_erased_person_leaves_is_well(store: History) -> None:
    store.retention.erase("bob")

    assert store.audit.verify(deep=True).ok


# ------------------------------------------------------------------------------------------------------- structure


def test_cells_of_any_observations_are_sound() -> None:
    @given(
        st.lists(
            st.tuples(st.integers(0, 10**7), st.integers(0, 99), st.none() | st.integers(1, 10**11), st.booleans()),
            min_size=1,
            max_size=6,
        )
    )
    def sound(observed: list[tuple[int, int, int | None, bool]]) -> None:
        cells = Cells()
        for active, paused, estimated, again in observed:
            gap = estimated is not None and 5 * active > 6 * estimated
            one = Measure(*observe(active, paused, estimated, again, gap))
            key = (1, 0, 1, 1, duration_bucket(active))
            known = cells.completion.get(key)
            cells.completion[key] = tuple(one if known is None else one.merge(known))
        assert list(faults(cells)) == []

    sound()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("observations", 0), ("observations", 3), ("min_seconds", 599), ("max_seconds", 604), ("active_seconds", 1205),
        ("active_squared", 722_402), ("active_squared", 722_406), ("paused_seconds", -1), ("with_estimate", 3),
        ("with_estimate", 0), ("estimated_seconds", 0), ("estimated_active_seconds", 605), ("gap_alerts", 2),
        ("gap_alerts", -1), ("reworked", 3), ("reworked", -1), ("min_seconds", 603),
    ],
)  # fmt: skip
def test_a_cell_that_no_facts_could_make_is_at_fault(field: str, value: int) -> None:
    # 600 s with an estimate, and 602 s without: one bucket, 600 to 603 s.
    sound = Measure(2, 1202, 600**2 + 602**2, 600, 602, 7, 1, 500, 600, 0, 1)
    key = (1, 0, 1, 1, duration_bucket(600))
    assert list(faults(Cells(completion={key: tuple(sound)}))) == []

    [(mismatch, reason)] = faults(Cells(completion={key: tuple(sound._replace(**{field: value}))}))

    assert mismatch.table == "ts_cell_completion"
    assert reason


@pytest.mark.parametrize("bucket", [-1, duration_bucket(10**7) + 1, 2**62])
def test_a_cell_of_no_bucket_is_at_fault(bucket: int) -> None:
    cells = Cells(step={(1, 0, 1, bucket): observe(5, 0, None, False, False)})

    assert [(one.column, one.stored) for one, _ in faults(cells)] == [("bucket", bucket)]


def test_completions_and_steps_of_a_day_that_do_not_fit_together_are_at_fault() -> None:
    fact = made(steps=(StepTime(0, "a", 5), StepTime(1, "b", 7)))
    cells = Cells()
    cells.add(Filed(fact, 3, "UTC", ()), names(fact))
    assert list(day_faults(cells)) == []
    key = next(iter(cells.step))
    cells.step[key] = (cells.step[key][0], cells.step[key][1] + 1, *cells.step[key][2:])

    found: list[Any] = [unit for unit, _ in day_faults(cells)]
    assert found == [("ada", 3)]


# ------------------------------------------------------------------------------------------------ portions and time


def test_portions_hold_every_day_of_every_user_once() -> None:
    @given(
        st.dictionaries(
            st.integers(1, 9),
            st.dictionaries(st.integers(0, 30), st.integers(1, 700), max_size=12),
            max_size=9,
        )
    )
    def tiles(counts: dict[int, dict[int, int]]) -> None:
        users = sorted(counts)
        entries = [Ledger(u, d, n, n, 0) for u in users for d, n in sorted(counts[u].items())]
        found = list(spans(users, entries, (0, 30)))
        seen = [(user, day) for span in found for user in span.users for day in range(span.first, span.last + 1)]
        assert sorted(seen) == [(user, day) for user in users for day in range(31)]
        for span in found:
            held = [one for one in entries if (one.user_id, one.day) in span]
            assert sum(one.hot for one in held) <= 1000 or len({one.day for one in held}) == 1

    tiles()


def test_a_busy_user_is_looked_at_in_stretches(store_url: str, folder: Path) -> None:
    with opened(store_url, folder) as history:
        long = [made(f"w{n}", 60, completed_at=NINE - timedelta(days=n % 9)) for n in range(2600)]
        for start in range(0, 2600, 1000):
            history.record(long[start : start + 1000])
        told: list[AuditProgress] = []

        assert history.audit.verify().facts == 2600
        history.retention.run()
        done = history.audit.verify(deep=True, progress=told.append)

        assert (done.ok, done.archived_facts, done.facts) == (True, 2600, 0)
        assert [(one.place, one.done, one.total) for one in told][-1] == ("users", 1, 1)
        assert told[0].place.endswith(".parquet")
        assert (told[0].seconds, told[0].rate) == (0.0, 0.0)


def test_a_flip_between_stretches_is_found_wherever_it_is(store_url: str, folder: Path) -> None:
    with opened(store_url, folder) as history:
        long = [made(f"w{n}", 60 + n % 7, completed_at=NINE - timedelta(days=n % 9)) for n in range(1500)]
        history.record(long)
        rows = rows_of(history, schema.cell_worked)
        for day in (rows[0][1] - 1000, rows[0][1] - 1, rows[-1][1] + 1, rows[-1][1] + 1000):
            assert put(history, schema.cell_worked, rows[4], "day", day)
            assert len(history.audit.verify().problems) == 4, day
            assert put(history, schema.cell_worked, (rows[4][0], day, *rows[4][2:]), "day", rows[4][1])


def test_an_audit_stops_when_it_is_told_to(store: History) -> None:
    for most in range(4):
        asked: list[None] = []
        found = store.audit.verify(deep=True, should_stop=lambda asked=asked, most=most: _more(asked, most))  # type: ignore[misc]
        assert found.problems == ()
        assert found.ok is not found.stopped
        assert found.stopped is (most < 2)


def _more(asked: list[None], most: int) -> bool:
    asked.append(None)
    return len(asked) > most


def test_many_problems_are_counted_and_the_first_are_listed(history: History) -> None:
    history.record([made(f"w{n}", 60, completed_at=NINE - timedelta(days=n)) for n in range(70)])
    with history.engine.begin() as connection:
        connection.execute(schema.cell_completion.delete())
        connection.execute(schema.cell_step.delete())

    found = history.audit.verify()

    assert len(found.problems) == MOST_LISTED
    assert found.problem_count == 70 * 22


def test_an_audit_while_others_write_finds_nothing_wrong(store: History) -> None:
    """Each portion is one snapshot: what is recorded, corrected, archived and restored meanwhile is whole in it."""
    stop = threading.Event()
    errors: list[BaseException] = []

    def write() -> None:
        try:
            with opened(url_of(store), store.retention.archive_url) as other:
                number = 0
                while not stop.is_set():
                    number += 1
                    other.record(made(f"more {number}", 60 + number, completed_at=NINE - timedelta(days=number % 50)))
                    other.correct(made(f"more {number}", 30 + number, completed_at=NINE + timedelta(days=number % 50)))
                    if number % 5 == 0:
                        other.delete("ada", f"more {number}")
                        other.retention.run()
        except BaseException as error:
            errors.append(error)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        found = [store.audit.verify(deep=deep) for _ in range(6) for deep in (False, True)]
    finally:
        stop.set()
        writer.join()

    assert errors == []
    assert [one.problems for one in found if not one.ok] == []
    assert store.audit.verify(deep=True).ok
