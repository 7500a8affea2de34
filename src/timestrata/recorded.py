"""Recorded facts read back, exactly as they were recorded: for corrections, for export, and for proofs."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import Connection, Row, and_, select, tuple_

from timestrata import schema
from timestrata.calendar import DAY_MICROSECONDS, DateRange, day_date, day_number, moment
from timestrata.facts import CompletedWorkflow, Pause, StepTime, TimeSession
from timestrata.measures import Filed, SessionPart
from timestrata.packed import unpack

_PAGE = 500


@dataclass(frozen=True, slots=True)
class Recorded:
    """A workflow as it stands in the store. Its `timezone` is the zone that was in force for it."""

    workflow: CompletedWorkflow
    revision: int
    number: int
    filed: Filed


Place = tuple[int, int]
"""(day, number) of a completion of one user."""


def find(connection: Connection, user_id: int, place: Place) -> Recorded | None:
    """Return the completion at one place, None when it is not there (its day was archived, say)."""
    found = _read(connection, user_id, _completions(user_id).where(_place() == place))
    return found[0] if found else None


def find_by_name(connection: Connection, user: str, workflow_id: str) -> Recorded | None:
    """Return a workflow by its names, None when it is not there."""
    c = schema.receipt.c
    receipt = (
        select(c.user_id, c.day, c.number)
        .join(schema.user, schema.user.c.user_id == c.user_id)
        .where(schema.user.c.name == user, c.workflow_id == workflow_id, c.state == schema.RECORDED)
    )
    found = connection.execute(receipt).one_or_none()
    return found and find(connection, found.user_id, (found.day, found.number))


def filed_on(connection: Connection, user: str, workflow_id: str) -> date | None:
    """Return the local day of a recorded workflow by its names, also when its facts are archived; None: none is."""
    c = schema.receipt.c
    receipt = (
        select(c.day)
        .join(schema.user, schema.user.c.user_id == c.user_id)
        .where(schema.user.c.name == user, c.workflow_id == workflow_id, c.state == schema.RECORDED)
    )
    found = connection.execute(receipt).scalar()
    return None if found is None else day_date(found)


def read_all(connection: Connection, user: str | None, dates: DateRange) -> Iterator[Recorded]:
    """Yield the completions of a user, or of all by name, by local day, then workflow id.

    Reads pages of a few hundred, so memory stays flat.
    """
    users = select(schema.user.c.user_id).order_by(schema.user.c.name)
    if user is not None:
        users = users.where(schema.user.c.name == user)
    first, last = (None if day is None else day_number(day) for day in (dates.first, dates.last))
    for user_id in connection.execute(users).scalars().all():
        yield from _read_user(connection, user_id, first, last)


def _read_user(connection: Connection, user_id: int, first: int | None, last: int | None) -> Iterator[Recorded]:
    c = schema.completion.c
    page = _completions(user_id).order_by(c.day, c.workflow_id).limit(_PAGE)
    if first is not None:
        page = page.where(c.day >= first)
    if last is not None:
        page = page.where(c.day <= last)
    rest = page
    while found := _read(connection, user_id, rest):
        yield from found
        end = found[-1]
        rest = page.where(tuple_(c.day, c.workflow_id) > (end.filed.day, end.workflow.workflow_id))


def _place() -> Any:
    return tuple_(schema.completion.c.day, schema.completion.c.number)


def _completions(user_id: int) -> Any:
    completion, receipt = schema.completion, schema.receipt
    return (
        select(
            completion,
            receipt.c.revision,
            schema.user.c.name.label("user"),
            schema.ticket_type.c.name.label("ticket_type"),
            schema.template.c.name.label("template"),
        )
        .join(schema.user, schema.user.c.user_id == completion.c.user_id)
        .join(schema.ticket_type, schema.ticket_type.c.ticket_type_id == completion.c.ticket_type_id)
        .join(schema.template, schema.template.c.template_id == completion.c.template_id)
        .join(
            receipt,
            and_(receipt.c.user_id == completion.c.user_id, receipt.c.workflow_id == completion.c.workflow_id),
        )
        .where(completion.c.user_id == user_id)
    )


def _read(connection: Connection, user_id: int, completions: Any) -> list[Recorded]:
    rows = connection.execute(completions).fetchall()
    if not rows:
        return []
    numbers = [row.number for row in rows]
    named = _named_steps(connection, {step.step_id for row in rows for step in unpack(row.steps)})
    sessions = _grouped(connection, _of_numbers(schema.session, user_id, numbers))
    if not sessions:
        return [_build(row, named, [], [], []) for row in rows]
    pauses = _grouped(connection, _of_numbers(schema.pause, user_id, numbers))
    parts = _grouped(connection, _parts(user_id, numbers, [one for group in sessions.values() for one in group]))
    return [_build(row, named, sessions[row.number], pauses[row.number], parts[row.number]) for row in rows]


def _grouped(connection: Connection, statement: Any) -> dict[int, list[Row[Any]]]:
    groups: dict[int, list[Row[Any]]] = defaultdict(list)
    for row in connection.execute(statement):
        groups[row.number].append(row)
    return groups


def _named_steps(connection: Connection, step_ids: Iterable[int]) -> dict[int, tuple[int, str]]:
    """Return the index and name of each step."""
    c, wanted = schema.step.c, sorted(step_ids)
    named: dict[int, tuple[int, str]] = {}
    for start in range(0, len(wanted), _PAGE):
        found = select(c.step_id, c.step_index, c.name).where(c.step_id.in_(wanted[start : start + _PAGE]))
        named.update((step_id, (index, name)) for step_id, index, name in connection.execute(found))
    return named


def _of_numbers(table: Any, user_id: int, numbers: Sequence[int]) -> Any:
    return select(table).where(table.c.user_id == user_id, table.c.number.in_(numbers)).order_by(*table.primary_key)


def _parts(user_id: int, numbers: Sequence[int], sessions: Sequence[Any]) -> Any:
    c = schema.session_part.c
    # The key starts with the day: its bounds (UTC days, a zone and a shifted day start wider) spare a scan.
    first = min(one.started_at for one in sessions) // DAY_MICROSECONDS - 2
    last = max(one.ended_at for one in sessions) // DAY_MICROSECONDS + 2
    return (
        select(schema.session_part)
        .where(c.user_id == user_id, c.day.between(first, last), c.number.in_(numbers))
        .order_by(c.number, c.ordinal, c.day)
    )


def _build(
    row: Any,
    named: Mapping[int, tuple[int, str]],
    sessions: Sequence[Any],
    pauses: Sequence[Any],
    parts: Sequence[Any],
) -> Recorded:
    filed = assemble(row, (row.user, row.ticket_type, row.template), named, (sessions, pauses, parts))
    return Recorded(filed.workflow, row.revision, row.number, filed)


def assemble(
    row: Any,
    names: tuple[str, str, str],
    named: Mapping[int, tuple[int, str]],
    raw: tuple[Sequence[Any], Sequence[Any], Sequence[Any]],
) -> Filed:
    """Return a completion as it was recorded, from its rows: completion, then sessions, pauses and parts.

    `names` are those of its user, ticket type and template, `named` the index and name of each step id.
    """
    sessions, pauses, parts = raw
    by_session: dict[int, list[Pause]] = defaultdict(list)
    for one in pauses:
        by_session[one.ordinal].append(Pause(moment(one.paused_at), moment(one.resumed_at)))
    by_step: dict[int, list[TimeSession]] = defaultdict(list)
    for one in sessions:
        by_step[one.step_id].append(
            TimeSession(
                moment(one.started_at),
                moment(one.ended_at),
                one.active_seconds,
                one.paused_seconds,
                tuple(by_session[one.ordinal]),
            )
        )
    user, ticket_type, template = names
    workflow = CompletedWorkflow(
        workflow_id=row.workflow_id,
        user_id=user,
        ticket_key=row.ticket_key,
        ticket_type=ticket_type,
        template=template,
        started_at=moment(row.started_at),
        completed_at=moment(row.completed_at),
        steps=tuple(
            StepTime(*named[one.step_id], one.active_seconds, one.estimated_seconds, tuple(by_step[one.step_id]))
            for one in unpack(row.steps)
        ),
        estimated_seconds=row.estimated_seconds,
        timezone=row.timezone,
        attributes=json.loads(row.attributes) if row.attributes else {},
    )
    filed_parts = tuple(SessionPart(one.ordinal, one.day, one.worked_seconds) for one in parts)
    return Filed(workflow, row.day, row.timezone, filed_parts)
