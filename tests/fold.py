"""What a store holds and what it must hold, in one shape: by name, with dates, as the oracle speaks."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from typing import Any

import oracle
from facts_made import cells_of
from sqlalchemy import Engine, delete, select

from timestrata import CompletedWorkflow, History, schema
from timestrata.calendar import day_date, day_number

Key = tuple[str, str]
"""(user, workflow id)."""
AlertRow = tuple[str, int, tuple[str, int, str], str, str, str, str, int, int, int]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def wipe(engine: Engine) -> None:
    """Delete every row of a store, its settings too: opened again it is a new one."""
    with engine.begin() as connection:
        for table in schema.metadata.sorted_tables:
            connection.execute(delete(table))


# ------------------------------------------------------------------------------------------------- what is stored


def stored_cells(history: History) -> oracle.Cells:
    """Return every cell of a store."""
    cells = cells_of(history)
    completion: Any = {_dated(key): tuple(measure) for key, measure in cells.completion.items()}
    worked: Any = {_dated(key): tuple(work) for key, work in cells.worked.items()}
    step: Any = {}
    for key, measure in cells.step.items():
        user, day, (template, index, name), bucket = _dated(key)
        step[user, day, template, index, name, bucket] = tuple(measure)
    return oracle.Cells(completion, step, worked)


def _dated(key: tuple[Any, ...]) -> tuple[Any, ...]:
    user, day, *rest = key
    return user, day_date(day), *rest


def stored_receipts(history: History) -> dict[Key, tuple[int, bool, date]]:
    """Return (revision, whether the workflow stands, its day) of every workflow id that was ever recorded."""
    c = schema.receipt.c
    rows = select(schema.user.c.name, c.workflow_id, c.revision, c.state, c.day).join(
        schema.user, schema.user.c.user_id == c.user_id
    )
    with history.engine.connect() as connection:
        return {
            (row.name, row.workflow_id): (row.revision, row.state == schema.RECORDED, day_date(row.day))
            for row in connection.execute(rows)
        }


# ------------------------------------------------------------------------------------------- what must be stored


def wanted_facts(recorded: Iterable[oracle.Recorded]) -> list[CompletedWorkflow]:
    """Return the facts as they must come back: by user, day and id, each with the zone it was filed in."""
    ordered = sorted(recorded, key=lambda fact: (fact.workflow.user_id, fact.day, fact.workflow.workflow_id))
    return [replace(fact.workflow, timezone=fact.timezone) for fact in ordered]


def wanted_alerts(recorded: Iterable[oracle.Recorded], threshold: Fraction) -> list[AlertRow]:
    """Return the gap alerts that facts_made.alerts_of() must find, sorted."""
    rows: list[AlertRow] = []
    for fact in recorded:
        workflow, day = fact.workflow, day_number(fact.day)
        shown = (workflow.workflow_id, workflow.ticket_key, workflow.ticket_type, workflow.template)
        completed_at = (workflow.completed_at - _EPOCH) // timedelta(microseconds=1)
        whole = (("", -1, ""), oracle.completion_of(fact))
        for step, seen in (whole, *oracle.step_times_of(fact)):
            goal = seen.estimated_seconds
            if goal and Fraction(seen.active_seconds, goal) > threshold:
                rows.append((workflow.user_id, day, step, *shown, completed_at, seen.active_seconds, goal))
    return sorted(rows)
