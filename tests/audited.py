"""A store with open and sealed days, and what goes wrong with it: changed integers, files that were rewritten."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from conftest import NOW
from facts_made import NINE, made, session
from sqlalchemy import Integer, Table, and_, delete, exc, select, update

from timestrata import CompletedWorkflow, History, Pause, StepTime, TimeSession, open_history, schema
from timestrata.archive.columns import SCHEMA
from timestrata.audit import Verification
from timestrata.calendar import day_number
from timestrata.retention import RetentionPolicy

SEALED, OPEN = day_number(NINE.date()), day_number((NOW - timedelta(days=3)).date())
"""2024-05-06, 40 days before NOW, and 2024-06-12."""

Row = tuple[Any, ...]


def opened(url: str, folder: Path | str | None, now: datetime = NOW) -> History:
    """Open a store that keeps facts for 30 days."""
    return open_history(
        url, retention=RetentionPolicy(30, archive=None if folder is None else str(folder)), clock=lambda: now
    )


def workflows() -> list[CompletedWorkflow]:
    """Return workflows of two users on old days and recent ones, with everything that a cell counts."""
    return [*_of_day(NINE, "old"), *_of_day(NOW - timedelta(days=3), "new"), *_over_days()]


def _of_day(end: datetime, name: str) -> Iterator[CompletedWorkflow]:
    start = end - timedelta(hours=5)
    pause = Pause(start + timedelta(minutes=5), start + timedelta(minutes=6))
    first = TimeSession(start, start + timedelta(minutes=30), pauses=(pause,))
    again = TimeSession(start + timedelta(hours=1), start + timedelta(hours=1, minutes=10))
    between = TimeSession(start + timedelta(minutes=40), start + timedelta(minutes=50))
    reworked = (StepTime(0, "Test", None, 600, (first, again)), StepTime(1, "Fix", None, None, (between,)))  # type: ignore[arg-type]
    times: dict[str, Any] = {"completed_at": end, "started_at": start}
    yield made(f"{name} reworked", steps=reworked, estimated_seconds=1200, **times)
    yield made(f"{name} plain", steps=(StepTime(0, "Test", 300, 100), StepTime(1, "Fix", 60)), **times)
    yield made(f"{name} alike", steps=(StepTime(0, "Test", 301, 900), StepTime(1, "Fix", 60)), **times)
    yield made(f"{name} of bob", 700, user_id="bob", template="Long", **times)


def _over_days() -> Iterator[CompletedWorkflow]:
    midnight = StepTime(0, "Test", 7200, 3000, (session("2024-05-05T23:00", 7200),))
    yield made("midnight", steps=(midnight, StepTime(1, "Fix", 5)), estimated_seconds=5000)
    long_ago = StepTime(0, "Test", sessions=(session("2024-05-06T12:00", 60),))
    yield made("worked long ago", completed_at=NOW - timedelta(days=2), started_at=NINE, steps=(long_ago,))
    yield made("worked before", completed_at=NINE + timedelta(days=1), started_at=NINE, steps=(long_ago,))


def fill(history: History) -> None:
    """Record the workflows, and archive the old ones; there is live work too."""
    history.record(workflows())
    tracking = history.tracking
    tracking.put_template("Live", "Bug", ["Look", "Fix"])
    tracking.start_workflow("ada", "Live", "TK-9", workflow_id="open", at=NOW - timedelta(hours=30))
    tracking.pause("ada", "open", at=NOW - timedelta(hours=28))
    tracking.start_step("ada", "open", 1, at=NOW - timedelta(hours=27))
    assert history.retention.run().ok


def integers(table: Table) -> list[str]:
    """Return the columns of a table that hold integers."""
    return [column.name for column in table.columns if isinstance(column.type, Integer)]


def rows_of(history: History, table: Table, *days: int) -> list[Row]:
    """Return the rows of a table, of some days or of all."""
    rows = select(table).order_by(*table.primary_key)
    if days:
        rows = rows.where(table.c.day.in_(days))
    with history.engine.connect() as connection:
        return [tuple(row) for row in connection.execute(rows)]


def put(history: History, table: Table, row: Row, column: str, value: object) -> bool:
    """Change one value of a row behind the history's back; False when another row is in the way."""
    try:
        with history.engine.begin() as connection:
            assert connection.execute(update(table).where(_here(table, row)).values({column: value})).rowcount == 1
    except exc.DBAPIError:
        return False
    return True


def flip(history: History, table: Table, row: Row, column: str, by: int = 1) -> tuple[Row, Callable[[], None]]:
    """Change one integer of a row; return the row as it is then, and what puts it back."""
    place = table.columns.keys().index(column)
    changed = row
    while changed == row or not put(history, table, row, column, changed[place]):
        changed = (*changed[:place], changed[place] + by, *changed[place + 1 :])
    return changed, lambda: _put_back(history, table, changed, column, row[place])


def _put_back(history: History, table: Table, row: Row, column: str, value: object) -> None:
    assert put(history, table, row, column, value)


def remove(history: History, table: Table, row: Row) -> None:
    """Delete a row."""
    with history.engine.begin() as connection:
        assert connection.execute(delete(table).where(_here(table, row))).rowcount == 1


def _here(table: Table, row: Row) -> Any:
    return and_(*(column == row[table.columns.keys().index(column.name)] for column in table.primary_key))


def dump(history: History) -> dict[str, list[Row]]:
    """Return every row of the tables that are rebuilt."""
    tables = (*CELLS, schema.archived_worked, schema.gap_alert, schema.day_seal, schema.archive_part, schema.receipt)
    return {table.name: rows_of(history, table) for table in tables}


CELLS = (schema.cell_completion, schema.cell_step, schema.cell_worked)


def archive_files(folder: Path) -> list[Path]:
    """Return the files of an archive."""
    return sorted(folder.rglob("*.parquet"))


def rewrite(file: Path, change: Callable[[list[dict[str, Any]]], None]) -> None:
    """Write a file of the archive anew with its rows changed, all else as it was."""
    table = pq.read_table(file, schema=SCHEMA)
    rows = table.to_pylist()
    change(rows)
    changed = type(table).from_pylist(rows, schema=SCHEMA).replace_schema_metadata(None)
    metadata = pq.ParquetFile(file).metadata.metadata
    with pq.ParquetWriter(file, SCHEMA, compression="zstd", write_page_checksum=True) as writer:
        writer.write_table(changed)
        writer.add_key_value_metadata({key: value for key, value in metadata.items() if key != b"ARROW:schema"})


def told(found: Verification) -> list[tuple[Any, ...]]:
    """Return the problems in short."""
    return [(one.place, one.user_id, one.day, one.column, one.stored, one.expected) for one in found.problems]
