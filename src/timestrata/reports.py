"""The read path: every figure from cells in one snapshot. Rows become exact integers, are merged, then derived.

Days are local days. A range includes both ends. Lists have a total order.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date
from typing import Any, NamedTuple

from sqlalchemy import Connection, Select, Table, and_, func, select, union
from sqlalchemy.sql import ColumnElement

from timestrata import schema
from timestrata.answers import (
    Average,
    Averages,
    Coverage,
    DailyReport,
    DailyRow,
    Figures,
    StepFigures,
    StepReport,
    Summary,
)
from timestrata.calendar import DateRange, day_date, day_number
from timestrata.dialects.functions import json_list
from timestrata.errors import InvalidRequest
from timestrata.measures import Measure, Tally, mean, ratio, sample_deviation


class Scope(NamedTuple):
    """What a question is about; names, None for all."""

    dates: DateRange
    user_id: str | None = None
    ticket_type: str | None = None


def _id_of(table: Table, name: str) -> Any:
    return select(table.columns[0]).where(table.c.name == name).scalar_subquery()


def within(cells: Table, scope: Scope) -> ColumnElement[bool]:
    """Return the condition of a scope on a table keyed by (user_id, day).

    Without a user the ids are spelled out as a list, so that a range of days is one stretch of the key a user
    instead of a scan of everything (SQLite has no other way, and needs no second index for it).
    """
    c, dates = cells.c, scope.dates
    bounded = dates.first is not None or dates.last is not None
    conditions: list[ColumnElement[bool]] = []
    if scope.user_id is not None:
        conditions.append(c.user_id == _id_of(schema.user, scope.user_id))
    elif bounded:
        conditions.append(c.user_id.in_(select(schema.user.c.user_id)))
    if dates.first is not None:
        conditions.append(c.day >= day_number(dates.first))
    if dates.last is not None:
        conditions.append(c.day <= day_number(dates.last))
    if scope.ticket_type is not None:
        conditions.append(c.ticket_type_id == _id_of(schema.ticket_type, scope.ticket_type))
    return and_(True, *conditions)


def _sums(cells: Table) -> list[ColumnElement[Any]]:
    """Return the merged columns of a cell table, in its order; the sum of squares in two halves.

    A sum of squares can pass 63 bits, on which SQLite fails: 92,000 observations of 10^7 seconds do.
    """
    choose: dict[schema.Merge, Any] = {"sum": func.sum, "min": func.min, "max": func.max}
    columns: list[ColumnElement[Any]] = []
    for column in cells.columns:
        if column.name == "active_squared":
            columns += [func.sum(column // 2**32), func.sum(column % 2**32)]
        elif "merge" in column.info:
            columns.append(choose[column.info["merge"]](column))
    return columns


def _measure(sums: Iterable[Any]) -> Measure:
    """Return the measure of a row of _sums(): exact integers, whatever type the database gave a sum."""
    n, active, high, low, *rest = map(int, sums)
    return Measure(n, active, (high << 32) + low, *rest)


def names_of(connection: Connection, table: Table) -> dict[int, str]:
    """Return the names of a dimension table by id."""
    return {row[0]: row[1] for row in connection.execute(select(table.columns[0], table.c.name))}


def ticket_types(connection: Connection, user_id: str | None) -> tuple[str, ...]:
    """Return the names of the ticket types of a user, None: of all, in the order in which they came to the store."""
    types = schema.ticket_type.c
    found = select(types.name).order_by(types.ticket_type_id)
    if user_id is not None:
        cells = (schema.cell_completion.c, schema.cell_worked.c)
        user = _id_of(schema.user, user_id)
        found = found.where(
            types.ticket_type_id.in_(union(*(select(c.ticket_type_id).where(c.user_id == user) for c in cells)))
        )
    return tuple(connection.execute(found).scalars())


class Group(NamedTuple):
    """Everything that Figures are made of."""

    tally: Tally
    users: int
    worked_seconds: int


def limited(connection: Connection, statement: Select[Any], most: int | None) -> Sequence[Any]:
    """Return the rows of a statement by group. Raises InvalidRequest when there are more than `most`."""
    rows = connection.execute(statement if most is None else statement.limit(most + 1)).fetchall()
    if most is not None and len(rows) > most:
        raise InvalidRequest("group", f"more than {most} groups", "fewer: a shorter range or a coarser group")
    return rows


def tallies(
    connection: Connection,
    cells: Table,
    condition: ColumnElement[bool],
    keys: Sequence[ColumnElement[Any]],
    most: int | None = None,
) -> dict[tuple[Any, ...], tuple[Tally, int]]:
    """Return (tally, distinct users) by the values of key expressions over a cell table; without keys, one or none.

    Two statements: sorting wide rows by (keys, bucket) in one takes longer. A histogram comes in one row, because the
    driver gives up the interpreter at each row, and threads that ask at the same time then wait for each other.
    Raises InvalidRequest when there are more than `most`.
    """
    labelled = [key.label(f"key_{position}") for position, key in enumerate(keys)]
    # Grouped by name: PostgreSQL takes an expression with parameters for another one each time it is written.
    names, width = [label.name for label in labelled], len(labelled)
    c = cells.c
    wide = select(*labelled, func.count(c.user_id.distinct()), *_sums(cells)).where(condition).group_by(*names)
    rows = limited(connection, wide, most)
    # Without keys a row comes even when there is nothing to add up: it has no users.
    found = {tuple(row[:width]): (Tally(_measure(row[width + 1 :])), int(row[width])) for row in rows if row[width]}
    if not found:
        return found
    observations = func.sum(c.observations).label("observations")
    narrow = select(*labelled, c.bucket, observations).where(condition).group_by(*names, c.bucket).subquery()
    keyed = [narrow.c[name] for name in names]
    histograms = select(*keyed, json_list(narrow.c.bucket), json_list(narrow.c.observations)).group_by(*keyed)
    for *values, buckets, counts in connection.execute(histograms).fetchall():
        found[tuple(values)][0].histogram.update(zip(buckets, counts, strict=True))
    return found


def _users(connection: Connection, scope: Scope) -> int:
    cells = schema.cell_completion
    return connection.execute(select(func.count(cells.c.user_id.distinct())).where(within(cells, scope))).scalar_one()


def _worked(connection: Connection, scope: Scope) -> dict[int, int]:
    """Return worked seconds by ticket type id."""
    cells = schema.cell_worked
    key = cells.c.ticket_type_id
    rows = connection.execute(select(key, func.sum(cells.c.worked_seconds)).where(within(cells, scope)).group_by(key))
    return {number: int(seconds) for number, seconds in rows}


def figures(group: Group) -> dict[str, Any]:
    """Return the fields of Figures."""
    tally, users, worked_seconds = group
    measure = tally.measure
    count = measure.observations if measure else 0
    estimated = measure.estimated_seconds if measure else 0
    estimated_active = measure.estimated_active_seconds if measure else 0
    with_estimate = measure.with_estimate if measure else 0
    reworked = measure.reworked if measure else 0
    return {
        "completed": count,
        "users": users,
        "active_seconds": measure.active_seconds if measure else 0,
        "paused_seconds": measure.paused_seconds if measure else 0,
        "worked_seconds": worked_seconds,
        "with_estimate": with_estimate,
        "estimated_seconds": estimated,
        "mean_estimated_seconds": ratio(estimated, with_estimate),
        "estimate_ratio": ratio(estimated_active, estimated),
        "efficiency": ratio(estimated, estimated_active),
        "mean_seconds": mean(measure),
        "stddev_seconds": sample_deviation(measure),
        "min_seconds": measure.min_seconds if measure else None,
        "max_seconds": measure.max_seconds if measure else None,
        **dict(zip(_PERCENTILE_FIELDS, tally.percentiles(_PERCENTS), strict=True)),
        "gap_alerts": measure.gap_alerts if measure else 0,
        "reworked": reworked,
        "first_pass_ratio": ratio(count - reworked, count),
    }


_PERCENTS = (25, 50, 75, 80, 90)
_PERCENTILE_FIELDS = tuple(f"p{percent}_seconds" for percent in _PERCENTS)


def coverage(connection: Connection, user_id: str | None) -> Coverage:
    """Return what answers about one user, or all, rest on."""
    c, o = schema.user_state.c, schema.open_workflow.c
    waiting = select(func.count()).where(o.forgotten > 0)
    statement = select(func.max(c.sealed_through), func.coalesce(func.sum(c.seq), 0))
    if user_id is not None:
        statement = statement.where(c.user_id == _id_of(schema.user, user_id))
        waiting = waiting.where(o.user_id == _id_of(schema.user, user_id))
    sealed, revision, held_out = connection.execute(statement.add_columns(waiting.scalar_subquery())).one()
    from_, through = (None, None) if sealed is None else (day_date(sealed + 1), day_date(sealed))
    return Coverage(from_, through, int(revision), held_out)


# ------------------------------------------------------------------------------------------------------- the questions


def _by_ticket_type(connection: Connection, scope: Scope) -> tuple[Group, dict[str, Group]]:
    """Return the groups of a scope: everything, and by ticket type name in order."""
    cells = schema.cell_completion
    found = tallies(connection, cells, within(cells, scope), [cells.c.ticket_type_id])
    done = {number: counted for (number,), counted in found.items()}
    worked = _worked(connection, scope)
    names = names_of(connection, schema.ticket_type)
    groups: dict[str, Group] = {}
    whole = Tally()
    for number in sorted(done.keys() | worked.keys(), key=lambda number: names[number]):
        tally, users = done.get(number, (Tally(), 0))
        groups[names[number]] = Group(tally, users, worked.get(number, 0))
        whole.merge(tally)
    people = min(1, len(done)) if scope.user_id is not None else _users(connection, scope)
    return Group(whole, people, sum(worked.values())), groups


def summary(connection: Connection, scope: Scope) -> Summary:
    """Return the figures of a scope. Empty: zeros, and None for what cannot be derived."""
    whole, groups = _by_ticket_type(connection, scope)
    return Summary(
        **figures(whole),
        dates=scope.dates,
        user_id=scope.user_id,
        ticket_type=scope.ticket_type,
        by_ticket_type={name: Figures(**figures(group)) for name, group in groups.items()},
        coverage=coverage(connection, scope.user_id),
    )


def averages(connection: Connection, user_id: str, as_of: date) -> Averages:
    """Return a person's averages as of a day, which is included. Rolling: that day and the 29 before."""
    rolling = DateRange(date.fromordinal(max(1, as_of.toordinal() - 29)), as_of)
    all_time, by_type = _by_ticket_type(connection, Scope(DateRange(None, as_of), user_id))
    recent, recent_by_type = _by_ticket_type(connection, Scope(rolling, user_id))
    nothing = Group(Tally(), 0, 0)

    def average(before: Group, lately: Group) -> Average:
        return Average(Figures(**figures(before)), Figures(**figures(lately)))

    by = {name: average(group, recent_by_type.get(name, nothing)) for name, group in by_type.items()}
    return Averages(user_id, as_of, average(all_time, recent), by, coverage(connection, user_id))


def steps(connection: Connection, scope: Scope, template: str | None) -> StepReport:
    """Return the figures of each step that was done in a scope, of one template or all."""
    cells, step = schema.cell_step, schema.step
    named = select(step.c.step_id, schema.template.c.name, step.c.step_index, step.c.name).join(
        schema.template, schema.template.c.template_id == step.c.template_id
    )
    found = tallies(connection, cells, within(cells, scope), [cells.c.step_id])
    done = {step_id: counted for (step_id,), counted in found.items()}
    rows = [
        StepFigures(
            **figures(Group(*done[step_id], active_of(done[step_id][0]))),
            template=template_name,
            step_index=index,
            step_name=name,
        )
        for step_id, template_name, index, name in connection.execute(named)
        if step_id in done and template in (None, template_name)
    ]
    rows.sort(key=lambda row: (row.template, row.step_index, row.step_name))
    return StepReport(scope.dates, scope.user_id, template, tuple(rows), coverage(connection, scope.user_id))


def active_of(tally: Tally) -> int:
    """Return the active seconds of a tally: what stands for worked time where that is not kept."""
    return tally.measure.active_seconds if tally.measure else 0


def daily(connection: Connection, scope: Scope) -> DailyReport:
    """Return the rows of time_daily_aggregates in a scope."""
    inner = schema.daily_rows(within(schema.cell_completion, scope), within(schema.cell_worked, scope)).subquery(
        "daily"
    )
    rows = connection.execute(
        select(schema.user.c.name.label("user"), schema.ticket_type.c.name.label("ticket_type"), inner)
        .join_from(inner, schema.user, schema.user.c.user_id == inner.c.user_id)
        .join(schema.ticket_type, schema.ticket_type.c.ticket_type_id == inner.c.ticket_type_id)
        .order_by(schema.user.c.name, inner.c.day, schema.ticket_type.c.name)
    )
    counted = DailyRow.__slots__[3:]
    return DailyReport(
        scope.dates,
        scope.user_id,
        tuple(
            DailyRow(row.user, day_date(row.day), row.ticket_type, *(getattr(row, name) for name in counted))
            for row in rows
        ),
        coverage(connection, scope.user_id),
    )
