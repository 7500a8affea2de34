"""Lists of single things: gap alerts and completed workflows, the latest first."""

from __future__ import annotations

import base64
import json
import re
from typing import Any, Literal

from sqlalchemy import Connection, Select, and_, func, select, tuple_, update

from timestrata import schema
from timestrata.answers import Alert, WorkflowPage, WorkflowRow
from timestrata.calendar import day_date, instant, moment
from timestrata.errors import InvalidRequest, UnknownAlert
from timestrata.facts import checked_text
from timestrata.reports import Scope, coverage, within

MOST_ROWS = 10_000

_ALERT_ID = re.compile(r"[0-9]{1,9}\.-?[0-9]{1,7}\.[0-9]{1,18}\.[0-9]{1,9}")


def alerts(
    connection: Connection,
    scope: Scope,
    dismissed: bool | None,
    kind: Literal["workflow", "step"] | None,
    limit: int,
) -> tuple[Alert, ...]:
    """Return gap alerts, the latest first (then by user, workflow, whole before steps): dismissed, open, or both."""
    _check_limit(limit)
    if kind not in ("workflow", "step", None):
        raise InvalidRequest("kind", kind, "workflow, step or None for both")
    table, c = schema.gap_alert, schema.gap_alert.c
    statement = _alert_rows().where(within(table, scope)).limit(limit)
    if dismissed is not None:
        statement = statement.where(c.dismissed_at.is_not(None) if dismissed else c.dismissed_at.is_(None))
    if kind is not None:
        statement = statement.where(c.step_id == schema.WHOLE if kind == "workflow" else c.step_id != schema.WHOLE)
    return tuple(map(_alert, connection.execute(statement)))


def mark_alert(connection: Connection, alert_id: str, at: int | None) -> None:
    """Dismiss an alert at an instant, or restore it with None; what is so already stays. Raises UnknownAlert."""
    table, c = schema.gap_alert, schema.gap_alert.c
    if not isinstance(alert_id, str) or not _ALERT_ID.fullmatch(alert_id):
        raise UnknownAlert(alert_id)
    key = [int(part) for part in alert_id.split(".")]
    here = and_(*(column == value for column, value in zip(table.primary_key, key, strict=True)))
    if connection.execute(select(c.number).where(here)).one_or_none() is None:
        raise UnknownAlert(alert_id)
    changed = c.dismissed_at.is_(None) if at is not None else c.dismissed_at.is_not(None)
    connection.execute(update(table).where(here, changed).values(dismissed_at=at))


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
        )
        .join(schema.user, schema.user.c.user_id == c.user_id)
        .join(schema.ticket_type, schema.ticket_type.c.ticket_type_id == c.ticket_type_id)
        .join(schema.template, schema.template.c.template_id == c.template_id)
        .outerjoin(schema.step, schema.step.c.step_id == c.step_id)
        .order_by(
            c.completed_at.desc(),
            schema.user.c.name,
            c.workflow_id,
            func.coalesce(schema.step.c.step_index, -1),
            c.step_id,
        )
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


def workflows(connection: Connection, scope: Scope, limit: int, after: str | None) -> WorkflowPage:
    """Return one page of completed workflows; `after` is the `next` of the page before. Raises InvalidRequest."""
    _check_limit(limit)
    c, names = schema.completion.c, (schema.user.c.name, schema.completion.c.workflow_id)
    statement = (
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
        .where(within(schema.completion, scope))
        .order_by(c.completed_at.desc(), *names)
        .limit(limit + 1)
    )
    if after is not None:
        at, user, workflow_id = _read_token(after)
        same_time = and_(c.completed_at == at, tuple_(*names) > (user, workflow_id))
        statement = statement.where((c.completed_at < at) | same_time)
    rows = connection.execute(statement).fetchall()
    page = tuple(map(_workflow, rows[:limit]))
    following = _token(page[-1]) if len(rows) > limit else None
    return WorkflowPage(page, following, coverage(connection, scope.user_id))


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


def _token(row: WorkflowRow) -> str:
    place = json.dumps([instant(row.completed_at), row.user_id, row.workflow_id])
    return base64.urlsafe_b64encode(place.encode()).decode()


def _read_token(token: str) -> tuple[int, str, str]:
    try:
        at, user, workflow_id = json.loads(base64.urlsafe_b64decode(token.encode()))
        if type(at) is int and abs(at) < 2**62:
            return at, checked_text("user_id", user), checked_text("workflow_id", workflow_id)
    except (ValueError, TypeError, AttributeError, RecursionError):
        pass
    raise InvalidRequest("after", token, "the `next` of a page")


def _check_limit(limit: int) -> None:
    if type(limit) is not int or not 1 <= limit <= MOST_ROWS:
        raise InvalidRequest("limit", limit, f"a whole number from 1 to {MOST_ROWS}")
