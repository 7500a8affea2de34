"""Small facts for tests, and everything a store holds by name: to compare stores, and to compare cells with facts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, select

from timestrata import CompletedWorkflow, History, StepTime, TimeSession, schema
from timestrata.calendar import day_date, local_days
from timestrata.formats.jsonl import write_line
from timestrata.measures import Cells, Measure, Worked, file_under, names

NINE = datetime(2024, 5, 6, 9, tzinfo=UTC)
"""A Monday."""


def at(text: str) -> datetime:
    """Return an instant from ISO text; UTC where the text has no offset."""
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def made(workflow_id: str = "w1", active_seconds: int = 600, **fields: Any) -> CompletedWorkflow:
    """Return a workflow of ada with one step, completed on 2024-05-06 at 9:00 UTC; any field can be given."""
    completed_at = fields.pop("completed_at", NINE)
    defaults: dict[str, Any] = {
        "user_id": "ada",
        "ticket_key": "TK-1",
        "ticket_type": "Bug",
        "template": "QA",
        "started_at": completed_at - timedelta(hours=1),
        "steps": (StepTime(0, "Test", active_seconds),),
    }
    return CompletedWorkflow(workflow_id=workflow_id, completed_at=completed_at, **(defaults | fields))


def session(started_at: str, seconds: int) -> TimeSession:
    """Return a session without pauses."""
    started = at(started_at)
    return TimeSession(started, started + timedelta(seconds=seconds))


def fold(history: History) -> Cells:
    """Return the cells that the recorded facts make, by name."""
    rules = history.settings.rules()
    cells = Cells()
    for fact in history.facts():
        assert fact.timezone is not None
        days = local_days(fact.timezone, rules.day_start_seconds)
        cells.add(file_under(fact, days, fact.timezone), names(fact), rules.gap_threshold)
    return cells


def cells_of(history: History) -> Cells:
    """Return the cells of a store by name, as fold() does."""
    with history.engine.connect() as connection:
        users, types, templates, steps = _names(connection)
        cells = Cells()
        for user, day, kind, template, bucket, *rest in connection.execute(select(schema.cell_completion)):
            cells.completion[users[user], day, types[kind], templates[template], bucket] = Measure(*rest)
        for user, day, step, bucket, *rest in connection.execute(select(schema.cell_step)):
            cells.step[users[user], day, steps[step], bucket] = Measure(*rest)
        for user, day, kind, template, *rest in connection.execute(select(schema.cell_worked)):
            cells.worked[users[user], day, types[kind], templates[template]] = Worked(*rest)
    return cells


def assert_in_step(history: History) -> None:
    """Promise 1: the cells are the fold of the facts."""
    assert cells_of(history) == fold(history)


def alerts_of(history: History) -> list[tuple[Any, ...]]:
    """Return the gap alerts of a store by name, without their ids and dismissals, sorted."""
    with history.engine.connect() as connection:
        users, types, templates, steps = _names(connection)
        c = schema.gap_alert.c
        rows = connection.execute(
            select(
                c.user_id,
                c.day,
                c.step_id,
                c.workflow_id,
                c.ticket_key,
                c.ticket_type_id,
                c.template_id,
                c.completed_at,
                c.actual_seconds,
                c.estimated_seconds,
            )
        )
        steps[schema.WHOLE] = ("", -1, "")
        return sorted(
            (users[user], day, steps[step], workflow_id, ticket, types[kind], templates[template], *rest)
            for user, day, step, workflow_id, ticket, kind, template, *rest in rows
        )


def dump(history: History, facts: Iterable[CompletedWorkflow] | None = None) -> str:
    """Return every cell, alert, receipt, part and fact of a store by name, sorted: equal stores give equal text.

    Interned ids, the order in which workflows arrived and the times of dismissals are left out. `facts` are those of
    the store, where they have been read already.
    """
    cells = cells_of(history)
    lines: list[str] = []
    for name, grain in (("completion", cells.completion), ("step", cells.step), ("worked", cells.worked)):
        lines.extend(f"{name} {key!r} {tuple(values)!r}" for key, values in sorted(grain.items()))
    lines.extend(f"alert {row!r}" for row in alerts_of(history))
    lines.extend(_receipts(history))
    lines.extend(sorted(f"fact {write_line(fact)}" for fact in (history.facts() if facts is None else facts)))
    return "\n".join(lines)


def _receipts(history: History) -> Iterator[str]:
    receipt, part = schema.receipt.c, schema.session_part.c
    with history.engine.connect() as connection:
        users, *_ = _names(connection)
        parts: dict[tuple[int, int], list[tuple[int, int, int]]] = {}
        chosen = select(part.user_id, part.number, part.ordinal, part.day, part.worked_seconds)
        for user, number, *row in connection.execute(chosen):
            parts.setdefault((user, number), []).append((row[0], row[1], row[2]))
        rows = sorted(
            (
                users[row.user_id],
                row.workflow_id,
                row.revision,
                row.state,
                str(day_date(row.day)),
                row.fingerprint.hex(),
                row.first_fingerprint.hex() if row.first_fingerprint else "",
                tuple(sorted(parts.get((row.user_id, row.number), []))),
            )
            for row in connection.execute(select(*receipt))
        )
    return (f"receipt {row!r}" for row in rows)


def _names(
    connection: Connection,
) -> tuple[dict[int, str], dict[int, str], dict[int, str], dict[int, tuple[str, int, str]]]:
    users, types, templates = (
        {row[0]: row[1] for row in connection.execute(select(table.columns[0], table.c.name))}
        for table in (schema.user, schema.ticket_type, schema.template)
    )
    steps = {
        row.step_id: (templates[row.template_id], row.step_index, row.name)
        for row in connection.execute(select(schema.step))
    }
    return users, types, templates, steps


def batches(workflows: Iterable[CompletedWorkflow], size: int) -> Iterator[list[CompletedWorkflow]]:
    """Cut workflows into lists of `size`, the last one shorter."""
    batch: list[CompletedWorkflow] = []
    for workflow in workflows:
        batch.append(workflow)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch
