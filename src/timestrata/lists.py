"""Lists of single things: gap alerts and completed workflows, the latest first; workflows as they changed."""

from __future__ import annotations

import base64
import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import date
from functools import cache
from typing import Any, Literal

from sqlalchemy import Connection, Select, Table, and_, case, exists, func, select, tuple_, update
from sqlalchemy.sql import ColumnElement

from timestrata import schema
from timestrata.answers import Alert, AlertPage, DeletedWorkflow, WorkflowPage, WorkflowRow
from timestrata.calendar import DAY_MICROSECONDS, MICROSECONDS, DateRange, day_date, moment
from timestrata.dialects import StaleNames
from timestrata.errors import InvalidRequest, UnknownAlert
from timestrata.facts import checked_text
from timestrata.ingest import Context
from timestrata.reports import coverage
from timestrata.sums import Key, Scope, Snapshot, values_of, within

MOST_ROWS = 10_000

_ALERT_ID = re.compile(r"[0-9]{1,9}\.-?[0-9]{1,7}\.[0-9]{1,18}\.[0-9]{1,9}")


def alerts(
    snapshot: Snapshot,
    scope: Scope,
    dismissed: bool | None,
    kind: Literal["workflow", "step"] | None,
    limit: int,
    after: str | None = None,
) -> AlertPage:
    """Return one page of gap alerts, the latest first (then by user, workflow, whole before steps): dismissed, open,
    or both; `after` is the `next` of the page before. Raises InvalidRequest.
    """
    _check_limit(limit)
    if kind not in ("workflow", "step", None):
        raise InvalidRequest("kind", kind, "workflow, step or None for both")
    table, c = schema.gap_alert, schema.gap_alert.c
    wanted: dict[str, ColumnElement[bool]] = {}
    if dismissed is not None:
        wanted["dismissed" if dismissed else "open"] = (
            c.dismissed_at.is_not(None) if dismissed else c.dismissed_at.is_(None)
        )
    if kind is not None:
        wanted[kind] = c.step_id == schema.WHOLE if kind == "workflow" else c.step_id != schema.WHOLE
    at, *place = (None,) if after is None else _read_token(after, _ALERT_PLACE)
    rows = snapshot.rows(table, scope, {"day": c.day, "whole": case((c.step_id == schema.WHOLE, 1), else_=0)}, wanted)
    near, conditions = _late_enough(snapshot, table, scope, [*wanted.values()], _by_day(rows), limit + 1, at)
    statement = _alert_rows().where(*conditions).limit(limit + 1)
    if at is not None:
        same_time = and_(c.completed_at == at, tuple_(*_ALERT_ORDER) > tuple(place))
        statement = statement.where((c.completed_at < at) | same_time)
    found = snapshot.connection.execute(statement, values_of(near)).fetchall()
    page = found[:limit]
    following = _token([getattr(page[-1], name) for name in _ALERT_PLACE]) if len(found) > limit else None
    covered = coverage(snapshot.connection, scope.user_id)
    of_workflows = sum(count for (_, whole), count in rows.items() if whole)
    return AlertPage(tuple(map(_alert, page)), following, covered, sum(rows.values()), of_workflows)


def _by_day(rows: Mapping[Key, int]) -> Counter[int]:
    """Return rows by day from rows by (day, ...)."""
    days: Counter[int] = Counter()
    for key, count in rows.items():
        days[key[0]] += count
    return days


def _late_enough(
    snapshot: Snapshot,
    table: Table,
    scope: Scope,
    wanted: Sequence[ColumnElement[bool]],
    days: Mapping[int, int],
    limit: int,
    at: int | None,
) -> tuple[Scope, list[ColumnElement[bool]]]:
    """Return a scope and conditions without rows that are too early for its last `limit` before an instant (None: all).

    `days` are how many rows there are by day. So that names are looked up, and rows sorted, for little more than a
    page: a year of everybody's takes a second at a million.
    """
    c = table.c
    earlier = wanted if at is None else [*wanted, c.completed_at < at]
    # What is filed three days before an instant's date happened before it, see _DAY_ENDS_WITHIN.
    last = None if at is None else at // DAY_MICROSECONDS - 3
    found = 0
    for day in sorted((day for day in days if last is None or day <= last), reverse=True):
        found += days[day]
        if found >= limit:
            break
    else:
        return scope, [within(table, scope), *wanted]
    near = _from(scope, day_date(day))
    rows = select(c.completed_at).where(within(table, near), *earlier).order_by(c.completed_at.desc())
    since = snapshot.connection.execute(rows.offset(limit - 1).limit(1), values_of(near)).scalar_one()
    near = _from(scope, day_date((since - _DAY_ENDS_WITHIN) // DAY_MICROSECONDS + 1))
    return near, [within(table, near), *wanted, c.completed_at >= since]


_DAY_ENDS_WITHIN = 64 * 3_600 * MICROSECONDS
"""After its date begins in UTC: it lasts 24 hours, and begins 12 later in the west (16 before there were zones) and up
to 24 later by the start of the day."""


def _from(scope: Scope, first: date) -> Scope:
    """Return a scope without what is before a day."""
    return scope._replace(dates=DateRange(max(first, scope.dates.first or date.min), scope.dates.last))


def alert(connection: Connection, alert_id: str) -> Alert:
    """Return one gap alert. Raises UnknownAlert."""
    row = connection.execute(_alert_rows().where(_here(_key(alert_id)))).one_or_none()
    if row is None:
        raise UnknownAlert(alert_id)
    return _alert(row)


def user_of_alert(connection: Connection, alert_id: str) -> str:
    """Return the user to whom an alert of this id belongs, also when it is gone. Raises UnknownAlert."""
    names = schema.user.c
    found = connection.execute(select(names.name).where(names.user_id == _key(alert_id)[0])).scalar()
    if found is None:
        raise UnknownAlert(alert_id)
    return str(found)


def mark_alert(context: Context, alert_id: str, at: int | None) -> None:
    """Dismiss an alert at an instant, or restore it with None; what is so already stays. Raises UnknownAlert.

    A dismissal counts as a change to its user's history: whoever holds an answer learns from the revision that it is
    old.
    """
    connection, table, c = context.connection, schema.gap_alert, schema.gap_alert.c
    key = _key(alert_id)
    here = _here(key)
    try:
        context.dialect.lock(connection, key[:1], [])
    except StaleNames:  # there is no such user
        raise UnknownAlert(alert_id) from None
    found = connection.execute(select(c.dismissed_at).where(here)).one_or_none()
    if found is None:
        raise UnknownAlert(alert_id)
    if (found.dismissed_at is None) == (at is None):
        return
    connection.execute(update(table).where(here).values(dismissed_at=at))
    states = schema.user_state
    connection.execute(update(states).where(states.c.user_id == key[0]).values(seq=states.c.seq + 1))


def _key(alert_id: str) -> list[int]:
    if not isinstance(alert_id, str) or not _ALERT_ID.fullmatch(alert_id):
        raise UnknownAlert(alert_id)
    return [int(part) for part in alert_id.split(".")]


def _here(key: list[int]) -> ColumnElement[bool]:
    return and_(*(column == value for column, value in zip(schema.gap_alert.primary_key, key, strict=True)))


_ALERT_ORDER = (
    schema.user.c.name,
    schema.gap_alert.c.workflow_id,
    func.coalesce(schema.step.c.step_index, -1),
    schema.gap_alert.c.step_id,
)
_ALERT_PLACE = {"completed_at": 2**62, "user": None, "workflow_id": None, "place": 2**15, "step_id": 2**31}
"""What a page's token holds of the last alert: a name, or a number below this."""


@cache
def _alert_rows() -> Select[Any]:
    table, c = schema.gap_alert, schema.gap_alert.c
    return (
        select(
            table,
            schema.user.c.name.label("user"),
            schema.ticket_type.c.name.label("ticket_type"),
            schema.template.c.name.label("template"),
            schema.step.c.step_index,
            schema.step.c.name.label("step_name"),
            _ALERT_ORDER[2].label("place"),
        )
        .join(schema.user, schema.user.c.user_id == c.user_id)
        .join(schema.ticket_type, schema.ticket_type.c.ticket_type_id == c.ticket_type_id)
        .join(schema.template, schema.template.c.template_id == c.template_id)
        .outerjoin(schema.step, schema.step.c.step_id == c.step_id)
        .order_by(c.completed_at.desc(), *_ALERT_ORDER)
    )


def _alert(row: Any) -> Alert:
    return Alert(
        id=f"{row.user_id}.{row.day}.{row.number}.{row.step_id}",
        kind="workflow" if row.step_id == schema.WHOLE else "step",
        user_id=row.user,
        day=day_date(row.day),
        workflow_id=row.workflow_id,
        ticket_key=row.ticket_key,
        ticket_type=row.ticket_type,
        template=row.template,
        step_index=row.step_index,
        step_name=row.step_name,
        completed_at=moment(row.completed_at),
        actual_seconds=row.actual_seconds,
        estimated_seconds=row.estimated_seconds,
        ratio=row.actual_seconds / row.estimated_seconds,
        dismissed_at=None if row.dismissed_at is None else moment(row.dismissed_at),
    )


def workflows(snapshot: Snapshot, scope: Scope, limit: int, after: str | None) -> WorkflowPage:
    """Return one page of completed workflows; `after` is the `next` of the page before. Raises InvalidRequest."""
    _check_limit(limit)
    table, c = schema.completion, schema.completion.c
    names = (schema.user.c.name, c.workflow_id)
    at, *place = (None,) if after is None else _read_token(after, _WORKFLOW_PLACE)
    days = _by_day(snapshot.rows(table, scope, {"day": c.day}, {}))
    near, conditions = _late_enough(snapshot, table, scope, [], days, limit + 1, at)
    statement = _workflow_rows().where(*conditions).limit(limit + 1)
    statement = statement.order_by(c.completed_at.desc(), *names)
    if at is not None:
        same_time = and_(c.completed_at == at, tuple_(*names) > tuple(place))
        statement = statement.where((c.completed_at < at) | same_time)
    rows = snapshot.connection.execute(statement, values_of(near)).fetchall()
    page = rows[:limit]
    following = _token([getattr(page[-1], name) for name in _WORKFLOW_PLACE]) if len(rows) > limit else None
    return WorkflowPage(tuple(map(_workflow, page)), following, coverage(snapshot.connection, scope.user_id))


@cache
def _workflow_rows() -> Select[Any]:
    c = schema.completion.c
    return (
        select(
            schema.completion,
            schema.receipt.c.revision,
            schema.user.c.name.label("user"),
            schema.ticket_type.c.name.label("ticket_type"),
            schema.template.c.name.label("template"),
            schema.gap_alert.c.number.label("alerted"),
        )
        .join(schema.user, schema.user.c.user_id == c.user_id)
        .join(schema.ticket_type, schema.ticket_type.c.ticket_type_id == c.ticket_type_id)
        .join(schema.template, schema.template.c.template_id == c.template_id)
        .join(
            schema.receipt,
            and_(schema.receipt.c.user_id == c.user_id, schema.receipt.c.workflow_id == c.workflow_id),
        )
        .outerjoin(
            schema.gap_alert,
            and_(
                schema.gap_alert.c.user_id == c.user_id,
                schema.gap_alert.c.day == c.day,
                schema.gap_alert.c.number == c.number,
                schema.gap_alert.c.step_id == schema.WHOLE,
            ),
        )
    )


def changes(snapshot: Snapshot, scope: Scope, limit: int, after: str | None, modified_after: int) -> WorkflowPage:
    """Return one page of a user's workflows that were recorded, corrected or deleted after a revision, in that order.

    Raises InvalidRequest.
    """
    _check_limit(limit)
    if type(modified_after) is not int or not 0 <= modified_after < 2**62:
        raise InvalidRequest("modified_after", modified_after, "a revision that was seen before, or 0")
    if scope.user_id is None or scope.ticket_type is not None or scope.dates != DateRange():
        wanted = "one user, all_time and no ticket type: a workflow may have moved to another day or type"
        raise InvalidRequest("modified_after", modified_after, wanted)
    marks = _marks(snapshot.connection, scope.user_id, limit + 1, modified_after, after)
    page = marks[:limit]
    rows = {row.number: row for row in _numbered(snapshot.connection, page)}
    return WorkflowPage(
        tuple(_workflow(rows[mark.number]) for mark in page if mark.state != schema.DELETED),
        _token([getattr(page[-1], name) for name in _CHANGE_PLACE]) if len(marks) > limit else None,
        coverage(snapshot.connection, scope.user_id),
        tuple(DeletedWorkflow(mark.workflow_id, mark.revision) for mark in page if mark.state == schema.DELETED),
    )


_CHANGE_PLACE = {"mark": 2**62, "workflow_id": None}


def _marks(connection: Connection, user: str, limit: int, revision: int, after: str | None) -> Sequence[Any]:
    """Return the receipts of what changed after a revision or a page: (mark, the revision of the change, ...)."""
    c, facts = schema.receipt.c, schema.completion.c
    mark = func.coalesce(c.changed, c.number)
    kept = and_(facts.user_id == c.user_id, facts.day == c.day, facts.number == c.number)
    statement = (
        select(c.user_id, c.workflow_id, c.day, c.number, c.revision, c.state, mark.label("mark"))
        .join(schema.user, schema.user.c.user_id == c.user_id)
        .where(schema.user.c.name == user, mark > revision)
        .where((c.state == schema.DELETED) | exists().where(kept))
        .order_by(mark, c.workflow_id)
        .limit(limit)
    )
    if after is not None:
        statement = statement.where(tuple_(mark, c.workflow_id) > tuple(_read_token(after, _CHANGE_PLACE)))
    return connection.execute(statement).fetchall()


def _numbered(connection: Connection, marks: Sequence[Any]) -> Sequence[Any]:
    """Return the workflows of receipts of one user."""
    found: list[Any] = []
    c = schema.completion.c
    for start in range(0, len(marks), _AT_ONCE):
        some = marks[start : start + _AT_ONCE]
        days, numbers = ({getattr(mark, name) for mark in some} for name in ("day", "number"))
        mine = and_(c.user_id == some[0].user_id, c.day.in_(sorted(days)), c.number.in_(sorted(numbers)))
        found += connection.execute(_workflow_rows().where(mine)).fetchall()
    return found


_AT_ONCE = 500
"""Numbers in one statement."""

_WORKFLOW_PLACE = {"completed_at": 2**62, "user": None, "workflow_id": None}


def _workflow(row: Any) -> WorkflowRow:
    estimate = row.estimated_seconds
    return WorkflowRow(
        user_id=row.user,
        workflow_id=row.workflow_id,
        revision=row.revision,
        ticket_key=row.ticket_key,
        ticket_type=row.ticket_type,
        template=row.template,
        started_at=moment(row.started_at),
        completed_at=moment(row.completed_at),
        day=day_date(row.day),
        timezone=row.timezone,
        active_seconds=row.active_seconds,
        paused_seconds=row.paused_seconds,
        estimated_seconds=estimate,
        estimate_ratio=row.active_seconds / estimate if estimate else None,
        gap_alert=row.alerted is not None,
    )


def _token(place: list[int | str]) -> str:
    return base64.urlsafe_b64encode(json.dumps(place).encode()).decode()


def _read_token(token: str, wanted: Mapping[str, int | None]) -> list[Any]:
    """Return the place that a token stands for. Raises InvalidRequest for what no page gave."""
    try:
        place = json.loads(base64.urlsafe_b64decode(token.encode()))
        if type(place) is list and len(place) == len(wanted):
            return [_part(name, value, wanted[name]) for name, value in zip(wanted, place, strict=True)]
    except (ValueError, TypeError, AttributeError, RecursionError):
        pass
    raise InvalidRequest("after", token, "the `next` of a page")


def _part(name: str, value: Any, bound: int | None) -> Any:
    if bound is None:
        return checked_text(name, value)
    if type(value) is not int or abs(value) >= bound:
        raise ValueError(value)
    return value


def _check_limit(limit: int) -> None:
    if type(limit) is not int or not 1 <= limit <= MOST_ROWS:
        raise InvalidRequest("limit", limit, f"a whole number from 1 to {MOST_ROWS}")
