"""The read path: every figure from cells in one snapshot. Rows become exact integers, are merged, then derived.

Days are local days. A range includes both ends. Lists have a total order.
"""

from __future__ import annotations

from datetime import date
from functools import cache
from typing import Any, NamedTuple

from sqlalchemy import Connection, Select, Table, func, select, union

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
from timestrata.calendar import DateRange, day_date
from timestrata.errors import InvalidRequest
from timestrata.measures import Tally, mean, ratio, sample_deviation
from timestrata.sums import Scope, Snapshot, id_of, values_of, within


def names_of(connection: Connection, table: Table) -> dict[int, str]:
    """Return the names of a dimension table by id."""
    # Fetched at once, here and below: row by row it takes three times as long.
    return dict(connection.execute(_names(table)).all())


@cache
def _names(table: Table) -> Select[Any]:
    return select(table.columns[0], table.c.name)


def ticket_types(connection: Connection, user_id: str | None) -> tuple[str, ...]:
    """Return the names of the ticket types of a user, None: of all, in the order in which they came to the store."""
    types = schema.ticket_type.c
    found = select(types.name).order_by(types.ticket_type_id)
    if user_id is not None:
        cells = (schema.cell_completion.c, schema.cell_worked.c)
        user = id_of(schema.user, "named")
        found = found.where(
            types.ticket_type_id.in_(union(*(select(c.ticket_type_id).where(c.user_id == user) for c in cells)))
        )
    return tuple(connection.execute(found, {"named": user_id}).scalars().all())


def latest_day(connection: Connection, user_id: str | None, ticket_type: str | None) -> date | None:
    """Return the last local day of a user, None: of anyone, on which anything was completed or worked on.

    Asked user by user: the latest cells of each are the end of a stretch of the key.
    """
    user, last = schema.user.c, []
    for cells in (schema.cell_completion.c, schema.cell_worked.c):
        mine = select(func.max(cells.day)).where(cells.user_id == user.user_id).correlate(schema.user)
        if ticket_type is not None:
            mine = mine.where(cells.ticket_type_id == id_of(schema.ticket_type, "named"))
        last.append(func.max(mine.scalar_subquery()))
    asked = select(*last).select_from(schema.user)
    if user_id is not None:
        asked = asked.where(user.name == user_id)
    days = [day for day in connection.execute(asked, {"named": ticket_type}).one() if day is not None]
    return day_date(max(days)) if days else None


class Group(NamedTuple):
    """Everything that Figures are made of."""

    tally: Tally
    users: int
    worked_seconds: int


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
    sealed, revision, held_out = connection.execute(_coverage(user_id is not None), {"covered": user_id}).one()
    from_, through = (None, None) if sealed is None else (day_date(sealed + 1), day_date(sealed))
    return Coverage(from_, through, int(revision), held_out)


@cache
def _coverage(of_one: bool) -> Select[Any]:
    c, o = schema.user_state.c, schema.open_workflow.c
    waiting = select(func.count()).where(o.forgotten > 0)
    statement = select(func.max(c.sealed_through), func.coalesce(func.sum(c.seq), 0))
    if of_one:
        user = id_of(schema.user, "covered")
        statement, waiting = statement.where(c.user_id == user), waiting.where(o.user_id == user)
    return statement.add_columns(waiting.scalar_subquery())


# ------------------------------------------------------------------------------------------------------- the questions


def _by_ticket_type(snapshot: Snapshot, scope: Scope) -> tuple[Group, dict[str, Group]]:
    """Return the groups of a scope: everything, and by ticket type name in order."""
    cells, work = schema.cell_completion, schema.cell_worked
    found = snapshot.tallies(cells, scope, {"ticket_type": cells.c.ticket_type_id})
    done = {number: counted for (number,), counted in found.items()}
    seconds = snapshot.sums(work, scope, {"ticket_type": work.c.ticket_type_id}, ["worked_seconds"])
    worked = {number: worked_seconds for (number,), (worked_seconds,) in seconds.items()}
    names = names_of(snapshot.connection, schema.ticket_type)
    groups: dict[str, Group] = {}
    whole = Tally()
    for number in sorted(done.keys() | worked.keys(), key=lambda number: names[number]):
        tally, users = done.get(number, (Tally(), 0))
        groups[names[number]] = Group(tally, users, worked.get(number, 0))
        whole.merge(tally)
    people = min(1, len(done)) if scope.user_id is not None else snapshot.users(cells, scope)
    return Group(whole, people, sum(worked.values())), groups


def summary(snapshot: Snapshot, scope: Scope) -> Summary:
    """Return the figures of a scope. Empty: zeros, and None for what cannot be derived."""
    whole, groups = _by_ticket_type(snapshot, scope)
    return Summary(
        **figures(whole),
        dates=scope.dates,
        user_id=scope.user_id,
        ticket_type=scope.ticket_type,
        by_ticket_type={name: Figures(**figures(group)) for name, group in groups.items()},
        coverage=coverage(snapshot.connection, scope.user_id),
    )


def averages(snapshot: Snapshot, user_id: str, as_of: date) -> Averages:
    """Return a person's averages as of a day, which is included. Rolling: that day and the 29 before."""
    rolling = DateRange(date.fromordinal(max(1, as_of.toordinal() - 29)), as_of)
    all_time, by_type = _by_ticket_type(snapshot, Scope(DateRange(None, as_of), user_id))
    recent, recent_by_type = _by_ticket_type(snapshot, Scope(rolling, user_id))
    nothing = Group(Tally(), 0, 0)

    def average(before: Group, lately: Group) -> Average:
        return Average(Figures(**figures(before)), Figures(**figures(lately)))

    by = {name: average(group, recent_by_type.get(name, nothing)) for name, group in by_type.items()}
    return Averages(user_id, as_of, average(all_time, recent), by, coverage(snapshot.connection, user_id))


_NAMED_STEPS = select(
    schema.step.c.step_id, schema.template.c.name, schema.step.c.step_index, schema.step.c.name.label("step")
).join(schema.template, schema.template.c.template_id == schema.step.c.template_id)


def steps(snapshot: Snapshot, scope: Scope, template: str | None, longest: int | None = None) -> StepReport:
    """Return the figures of each step that was done in a scope, of one template or all.

    `longest`: only of so many, those that took the most time; to find the percentiles of one takes 40 µs. Raises
    InvalidRequest.
    """
    check_longest(longest)
    cells = schema.cell_step
    found = snapshot.tallies(cells, scope, {"step": cells.c.step_id})
    named = sorted(
        (template_name, index, name, (step_id,))
        for step_id, template_name, index, name in snapshot.connection.execute(_NAMED_STEPS).all()
        if (step_id,) in found and template in (None, template_name)
    )
    chosen = sorted(named, key=lambda step: -found.active_seconds(step[-1]))[:longest]
    rows = [
        StepFigures(
            **figures(Group(*counted, active_of(counted[0]))), template=template_name, step_index=index, step_name=name
        )
        for template_name, index, name, key in sorted(chosen)
        for counted in (found[key],)
    ]
    covered = coverage(snapshot.connection, scope.user_id)
    return StepReport(scope.dates, scope.user_id, template, tuple(rows), len(named), covered)


def check_longest(longest: int | None) -> None:
    """Raise InvalidRequest for what is no count of steps."""
    if longest is not None and not (type(longest) is int and longest >= 1):
        raise InvalidRequest("longest", longest, "a whole number from 1, or None for all")


def active_of(tally: Tally) -> int:
    """Return the active seconds of a tally: what stands for worked time where that is not kept."""
    return tally.measure.active_seconds if tally.measure else 0


def daily(snapshot: Snapshot, scope: Scope) -> DailyReport:
    """Return the rows of time_daily_aggregates in a scope."""
    inner = schema.daily_rows(within(schema.cell_completion, scope), within(schema.cell_worked, scope)).subquery(
        "daily"
    )
    rows = snapshot.connection.execute(
        select(schema.user.c.name.label("user"), schema.ticket_type.c.name.label("ticket_type"), inner)
        .join_from(inner, schema.user, schema.user.c.user_id == inner.c.user_id)
        .join(schema.ticket_type, schema.ticket_type.c.ticket_type_id == inner.c.ticket_type_id)
        .order_by(schema.user.c.name, inner.c.day, schema.ticket_type.c.name),
        values_of(scope),
    )
    counted = DailyRow.__slots__[3:]
    return DailyReport(
        scope.dates,
        scope.user_id,
        tuple(
            DailyRow(row.user, day_date(row.day), row.ticket_type, *(getattr(row, name) for name in counted))
            for row in rows
        ),
        coverage(snapshot.connection, scope.user_id),
    )
