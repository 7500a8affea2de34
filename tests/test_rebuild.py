"""rebuild(): cells, worked time, alerts and seals become what the facts say, from wherever the facts are."""

from __future__ import annotations

import shutil
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
    dump,
    fill,
    flip,
    integers,
    opened,
    put,
    remove,
    rewrite,
    rows_of,
)
from conftest import NOW, Fill
from facts_made import made
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Table, delete, insert

from timestrata import DateRange, History, schema
from timestrata.audit import Rebuild
from timestrata.audit.findings import LAST_DAY
from timestrata.calendar import day_date
from timestrata.errors import UnknownUser
from timestrata.formats.result_json import document
from timestrata.formats.results import result

DAYS = {"open": OPEN, "sealed": SEALED}
REBUILT = (*CELLS, schema.archived_worked)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "archive"


def fill_twice(history: History) -> None:
    """Record a late fact of a day that is in the archive and archive that too, and one that stays."""
    fill(history)
    history.record(made("second part", 650))
    assert history.retention.run().ok
    history.record(made("late", 640, user_id="bob", template="Long"))


@pytest.fixture
def store(copy_filled: Callable[[Fill, Path], str], folder: Path) -> Iterator[History]:
    """A store with open and sealed days, late facts of a sealed day, and a day in two parts of the archive."""
    with opened(copy_filled(fill_twice, folder), folder) as history:
        yield history


def url_of(history: History) -> str:
    return history.engine.url.render_as_string(hide_password=False)


def revision(history: History) -> int:
    return history.summary("all_time").coverage.revision


# -------------------------------------------------------------------------------------------------- what is put right


def test_where_nothing_is_wrong_nothing_is_written(store: History) -> None:
    before, seq = dump(store), revision(store)

    done = store.audit.rebuild()

    assert (done.ok, done.change_count, done.user_days, done.left) == (True, 0, 0, ())
    assert dump(store) == before
    assert revision(store) == seq


@pytest.mark.parametrize("day", DAYS)
@pytest.mark.parametrize("table", REBUILT, ids=lambda table: table.name)
def test_a_changed_integer_is_put_right_and_nothing_else(store: History, table: Table, day: str) -> None:
    before = dump(store)
    rows = rows_of(store, table, DAYS[day])
    for number, column in enumerate(integers(table)):
        if number % 4 and store.engine.dialect.name != "sqlite":  # which is asked for more, because it is faster
            continue
        row = rows[number % len(rows)] if rows else before[table.name][0]
        changed, _ = flip(store, table, row, column, 3)

        done = store.audit.rebuild()

        assert done.ok, column
        assert dump(store) == before, column
        if column not in table.primary_key:
            place = table.columns.keys().index(column)
            named = (table.name, day_date(row[1]), column, changed[place], row[place])
            assert named in {(c.place, c.day, c.column, c.stored, c.expected) for c in done.changes}, column
    assert store.audit.verify(deep=True).ok


DERIVED = (*REBUILT, schema.gap_alert, schema.day_seal)


@given(data=st.data())
@settings(max_examples=25, deadline=None)
def any_damage_is_repaired(history: History, before: dict[str, Any], data: st.DataObject) -> None:
    with history.engine.begin() as connection:
        for table in DERIVED:
            connection.execute(delete(table))
            connection.execute(insert(table).values(before[table.name]))
    for _ in range(data.draw(st.integers(1, 4), label="times")):
        table = data.draw(st.sampled_from(DERIVED), label="table")
        if not (rows := rows_of(history, table)):
            continue
        row = data.draw(st.sampled_from(rows), label="row")
        if data.draw(st.booleans(), label="gone"):
            remove(history, table, row)
            continue
        column = data.draw(st.sampled_from(integers(table)), label="column")
        place = table.columns.keys().index(column)
        if column not in ("sealed_at", "dismissed_at"):
            put(history, table, row, column, row[place] + data.draw(st.integers(-3, 3), label="by"))
    done = history.audit.rebuild()
    assert done.left == ()
    assert _without_times(dump(history)) == _without_times(before)


def _without_times(tables: dict[str, Any]) -> dict[str, Any]:
    """Return the rows of a store without when a day was sealed, which nothing tells."""
    return tables | {"ts_day_seal": [(*row[:2], row[3]) for row in tables["ts_day_seal"]]}


def test_any_damage_to_what_is_derived_is_put_right(store: History) -> None:
    any_damage_is_repaired(store, dump(store))

    assert store.audit.verify(deep=True).ok


def test_everything_that_is_derived_comes_back_when_it_is_gone(store: History) -> None:
    before, answer = dump(store), store.summary("all_time")
    with store.engine.begin() as connection:
        for table in (*REBUILT, schema.gap_alert, schema.day_seal):
            connection.execute(delete(table))

    done = store.audit.rebuild()

    assert done.ok
    assert _without_times(dump(store)) == _without_times(before)
    again = store.summary("all_time")
    assert (again.completed, again.active_seconds, again.p90_seconds) == (
        answer.completed,
        answer.active_seconds,
        answer.p90_seconds,
    )
    assert store.audit.verify(deep=True).ok


def test_a_purged_day_is_not_rebuilt_from_the_facts_that_are_left(store: History) -> None:
    """Bob's late fact is all that the tables have of his sealed day."""
    before = dump(store)
    bob = next(row for row in rows_of(store, schema.cell_completion, SEALED) if row[0] == 2)
    flip(store, schema.cell_completion, bob, "reworked")

    done = store.audit.rebuild(users=["bob"])

    assert done.ok
    assert dump(store) == before
    assert [(one.user_id, one.day, one.expected) for one in done.changes] == [("bob", day_date(SEALED), bob[-1])]


def test_cells_of_nobody_and_of_no_day_are_removed(store: History) -> None:
    before = dump(store)
    for table in REBUILT:
        row = rows_of(store, table)[0]
        with store.engine.begin() as connection:
            connection.execute(insert(table).values([(77, *row[1:]), (row[0], LAST_DAY + 5, *row[2:])]))

    tried = store.audit.rebuild(dry_run=True)
    done = store.audit.rebuild()

    assert (tried.change_count, done.change_count) == (8, 8)
    assert done.ok
    assert dump(store) == before


def test_a_dismissed_alert_stays_dismissed(store: History) -> None:
    for alert in store.alerts(limit=100):
        store.dismiss_alert(alert.id)
    before = dump(store)
    row = rows_of(store, schema.gap_alert, OPEN)[0]
    put(store, schema.gap_alert, row, "ticket_key", "other")

    assert store.audit.rebuild().ok
    assert dump(store) == before
    flip(store, schema.gap_alert, row, "actual_seconds")
    assert store.audit.rebuild().ok
    again = rows_of(store, schema.gap_alert, OPEN)[0]
    assert again[:-1] == row[:-1]
    assert again[-1] is None  # an alert with other figures is news


def test_an_alert_that_was_cleaned_away_does_not_come_back(store_url: str, folder: Path) -> None:
    with opened(store_url, folder) as history:
        fill(history)
        for alert in history.alerts(limit=100):
            history.dismiss_alert(alert.id)
    with opened(store_url, folder, NOW + timedelta(days=500)) as history:
        assert history.retention.clean_alerts() > 0
        flip(history, schema.cell_step, rows_of(history, schema.cell_step, OPEN)[0], "paused_seconds")

        assert history.audit.rebuild().ok
        assert rows_of(history, schema.gap_alert) == []


# ---------------------------------------------------------------------------------------------------------- what stays


def test_a_dry_run_tells_all_and_writes_nothing(store: History) -> None:
    for table in REBUILT:
        flip(store, table, rows_of(store, table, SEALED)[0], integers(table)[-1])
    damaged = dump(store)

    told = store.audit.rebuild(dry_run=True)

    assert dump(store) == damaged
    assert told.dry_run
    done = store.audit.rebuild()
    assert (told.changes, told.change_count, told.user_days) == (done.changes, done.change_count, done.user_days)
    assert result(Rebuild, document(done)) == done
    assert store.audit.verify(deep=True).ok


def test_only_the_users_and_days_asked_for_are_rebuilt(store: History) -> None:
    before = dump(store)
    rows = rows_of(store, schema.cell_worked)
    for row in rows:
        flip(store, schema.cell_worked, row, "worked_seconds")
    wrong = {(row[0], row[1]) for row in rows}

    def still_wrong() -> set[tuple[int, int]]:
        pairs = zip(rows_of(store, schema.cell_worked), before["ts_cell_worked"], strict=True)
        return {(now[0], now[1]) for now, was in pairs if now != was}

    assert store.audit.rebuild(users=["bob"]).ok
    assert still_wrong() == {unit for unit in wrong if unit[0] == 1}
    day = day_date(SEALED)
    assert store.audit.rebuild(dates=DateRange(day, day)).ok
    assert still_wrong() == {unit for unit in wrong if unit[0] == 1 and unit[1] != SEALED}
    assert store.audit.rebuild(dates=DateRange(day, None)).ok
    assert {unit[1] for unit in still_wrong()} == {SEALED - 1}
    assert store.audit.rebuild().ok
    assert dump(store) == before
    with pytest.raises(UnknownUser):
        store.audit.rebuild(users=["nobody"])


def gone(folder: Path) -> None:
    shutil.rmtree(folder)


def truncated(folder: Path) -> None:
    for file in archive_files(folder):
        file.write_bytes(file.read_bytes()[:-200])


def changed(folder: Path) -> None:
    for file in archive_files(folder):
        rewrite(file, lambda rows: rows[0].update(number=99))


@pytest.mark.parametrize("damage", [gone, truncated, changed], ids=lambda damage: damage.__name__)
@pytest.mark.parametrize("table", REBUILT, ids=lambda table: table.name)
def test_without_the_archive_a_sealed_day_stays_as_it_is(
    store: History, folder: Path, table: Table, damage: Callable[[Path], None]
) -> None:
    open_row, sealed_row = (
        next((row for row in rows_of(store, table, day) if row[0] == 1), None) for day in (OPEN, SEALED)
    )
    assert sealed_row is not None
    before = dump(store)
    column = integers(table)[-1]
    flip(store, table, sealed_row, column)
    damaged = dump(store)
    if open_row is not None and table is not schema.cell_worked:
        flip(store, table, open_row, column)
    damage(folder)

    with opened(url_of(store), folder) as history:
        done = history.audit.rebuild()

        assert not done.ok
        assert dump(history) == damaged != before
        refused = [one for one in done.left if one.user_id == "ada" and one.day == date(2024, 5, 6)]
        assert any("the archive is needed" in one.reason for one in refused)
        assert any(one.kind == "archive" for one in done.left)


def test_where_a_fact_is_missing_the_cells_are_not_made_to_fit(store: History) -> None:
    row = rows_of(store, schema.completion, OPEN)[0]
    remove(store, schema.completion, row)
    before = dump(store)

    done = store.audit.rebuild()

    assert not done.ok
    assert dump(store) == before
    assert any("than were recorded" in one.reason or "as were recorded" in one.reason for one in done.left)
    assert row[3] in {one.item for one in done.left if one.kind == "receipt"}


def test_where_the_manifest_is_gone_the_cells_are_not_made_to_fit(store: History) -> None:
    with store.engine.begin() as connection:
        for table in (schema.archive_part, schema.archive_file):
            connection.execute(delete(table))
    before = {name: rows for name, rows in dump(store).items() if name.startswith("ts_cell")}

    done = store.audit.rebuild()

    assert not done.ok
    after = dump(store)
    sealed = {name: [row for row in rows if row[1] == SEALED] for name, rows in before.items()}
    assert {name: [row for row in after[name] if row[1] == SEALED] for name in before} == sealed


@pytest.mark.parametrize(("column", "value"), [("steps", "[[1,5"), ("completed_at", 5)])
def test_where_a_fact_cannot_be_read_the_day_stays_as_it_is(store: History, column: str, value: Any) -> None:
    row = rows_of(store, schema.completion, OPEN)[0]
    put(store, schema.completion, row, column, value)
    flip(store, schema.cell_completion, rows_of(store, schema.cell_completion, OPEN)[0], "reworked")
    before = dump(store)

    done = store.audit.rebuild()

    assert not done.ok
    assert dump(store) == before
    assert any(one.kind == "fact" and one.item == row[3] for one in done.left)


def test_facts_that_come_while_a_day_is_rebuilt_are_in_it(store: History) -> None:
    """They are recorded between the reading of the archive and the lock."""
    flip(store, schema.cell_completion, rows_of(store, schema.cell_completion, SEALED)[0], "paused_seconds")
    audit = store.audit
    within = audit._transactions
    came: list[str] = []

    class Busy:
        def read(self, action: Any) -> Any:
            return within.read(action)

        def write(self, users: Any, action: Any) -> Any:
            if not came:
                came.append(store.record(made("meanwhile", 633)).status)
            return within.write(users, action)

    audit._transactions = Busy()
    try:
        assert audit.rebuild().ok
    finally:
        audit._transactions = within
    assert came == ["recorded"]
    assert store.audit.verify(deep=True).ok


@pytest.mark.parametrize("times", [1, 9])
def test_a_day_that_is_opened_while_it_is_rebuilt_is_read_again(store: History, times: int) -> None:
    before = cells(store)
    flip(store, schema.cell_completion, rows_of(store, schema.cell_completion, SEALED)[0], "paused_seconds")
    damaged = cells(store)
    audit = store.audit
    within = audit._transactions
    left = [times]

    class Busy:
        def read(self, action: Any) -> Any:
            return within.read(action)

        def write(self, users: Any, action: Any) -> Any:
            if left[0]:
                left[0] -= 1
                if store.retention.restore(DateRange()).completions == 0:
                    store.retention.run()
            return within.write(users, action)

    audit._transactions = Busy()
    try:
        done = audit.rebuild()
    finally:
        audit._transactions = within

    assert cells(store) == (before if done.ok else damaged)
    assert done.ok or any("try again" in one.reason for one in done.left)
    assert store.audit.rebuild().ok
    assert cells(store) == before
    assert store.audit.verify(deep=True).ok


def cells(history: History) -> dict[str, Any]:
    return {table.name: rows_of(history, table) for table in CELLS}
