"""The rows of tracked workflows and their events."""

from __future__ import annotations

import base64
import json
import re
from collections import defaultdict
from collections.abc import Mapping
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, Table, and_, bindparam, delete, insert, select, update
from sqlalchemy.sql import ColumnElement

from timestrata import schema
from timestrata.calendar import moment
from timestrata.dialects import Receipt, UserState, Write
from timestrata.errors import InvalidRequest, UnknownSession, UntrackedWorkflow, WrongState
from timestrata.facts import askable
from timestrata.ingest import Context
from timestrata.live import Event, State, Work, WorkedCells, fold
from timestrata.tracked import Started, Template, TemplateStep
from timestrata.tracking.rules import Call

_SESSION_ID = re.compile(r"([0-9]{1,9})\.([0-9]{1,18})\.([0-9]{1,6})")
_STATES: dict[int, State] = {
    schema.ACTIVE: "active",
    schema.HELD: "held",
    schema.COMPLETED: "completed",
    schema.CANCELLED: "cancelled",
}
CODES = {state: code for code, state in _STATES.items()}


class Live(NamedTuple):
    """A workflow under its user's lock."""

    user_id: int
    number: int
    started: Started
    ticket_type_id: int
    template_id: int
    work: Work
    events: int

    def check_current(self, session_id: str) -> None:
        """Raise UnknownSession or WrongState unless this is the last session of the workflow."""
        user_id, number, index = session_key(session_id)
        if (user_id, number) != (self.user_id, self.number) or index >= len(self.work.sessions):
            raise UnknownSession(session_id)
        if index != len(self.work.sessions) - 1:
            raise WrongState(session_id, "a session that has ended", "the current one of its workflow")


_USER = select(schema.user.c.user_id).where(schema.user.c.name == bindparam("user_name"))


def known_user(context: Context, user_id: str) -> int | None:
    """Return a user's id. Nobody is made up: a name that is only asked for must not be in the store afterwards."""
    name = askable(user_id)
    known = context.dimensions.users
    if name not in known:
        row = context.connection.execute(_USER, {"user_name": name}).one_or_none()
        if row is None:
            return None
        known[name] = row.user_id
    return known[name]


def lock(context: Context, user: int, workflow_id: str) -> tuple[UserState, Receipt | None]:
    key = (user, askable(workflow_id))
    states, receipts = context.dialect.lock(context.connection, [user], [key])
    return states[user], receipts.get(key)


def count_change(context: Context, user: int) -> None:
    context.dialect.apply(context.connection, [Write("merge", schema.user_state, [(user, 1, None, None)])])


def workflow_rows() -> Any:
    """Return the SELECT of what read_live() reads; narrow it to one user."""
    c, version = schema.workflow.c, schema.template_version.c
    return (
        select(
            schema.workflow,
            schema.user.c.name.label("user"),
            schema.template.c.name,
            schema.ticket_type.c.name.label("ticket_type"),
            version.ticket_type_id,
            version.steps,
            version.estimated_seconds.label("template_estimate"),
            version.created_at,
        )
        .join(schema.user, schema.user.c.user_id == c.user_id)
        .join(schema.template, schema.template.c.template_id == c.template_id)
        .join(schema.template_version, and_(version.template_id == c.template_id, version.version == c.version))
        .join(schema.ticket_type, schema.ticket_type.c.ticket_type_id == version.ticket_type_id)
    )


# Statements that every call needs are built once: building one costs as much as sending it.
_BY_NAME = workflow_rows().where(
    schema.user.c.name == bindparam("user_name"), schema.workflow.c.workflow_id == bindparam("name")
)
_BY_NUMBER = workflow_rows().where(
    schema.workflow.c.user_id == bindparam("user"), schema.workflow.c.number == bindparam("at")
)


def find(connection: Connection, user_id: str, workflow_id: str) -> Live:
    names = {"user_name": askable(user_id), "name": askable(workflow_id)}
    found = read_live(connection, _BY_NAME, names)
    if not found:
        raise UntrackedWorkflow(user_id, workflow_id)
    return found[0]


def owner_of(connection: Connection, user: int, number: int) -> tuple[str, str] | None:
    """Return (user, workflow id) of a workflow."""
    row = connection.execute(_OWNER, {"user": user, "at": number}).one_or_none()
    return None if row is None else (row[0], row[1])


def _owner_rows() -> Any:
    c = schema.workflow.c
    names = select(schema.user.c.name, c.workflow_id).join(schema.user, schema.user.c.user_id == c.user_id)
    return names.where(c.user_id == bindparam("user"), c.number == bindparam("at"))


_OWNER = _owner_rows()


def number_of(connection: Connection, user: int, workflow_id: str) -> Row[Any] | None:
    c = schema.workflow.c
    here = and_(c.user_id == user, c.workflow_id == workflow_id)
    return connection.execute(select(c.number).where(here)).one_or_none()


def at_number(connection: Connection, user: int, number: int, position: int | None = None) -> Live | None:
    """Return a workflow with its events, up to one of them."""
    found = read_live(connection, _BY_NUMBER, {"user": user, "at": number}, position)
    return found[0] if found else None


def _event_rows() -> Any:
    c = schema.workflow_event.c
    return (
        select(c.number, c.kind, c.at, c.step_index, c.session)
        .where(c.user_id == bindparam("user"), c.number.in_(bindparam("numbers", expanding=True)))
        .where(c.position <= bindparam("last"))
        .order_by(c.number, c.position)
    )


_EVENTS = _event_rows()
_EVERY_EVENT = 2**31 - 1


def read_live(
    connection: Connection, rows: Any, values: Mapping[str, object] | None = None, position: int | None = None
) -> list[Live]:
    """Return workflows of one user with their events (up to a position), in the order of the rows: two statements."""
    found = connection.execute(rows, values or {}).fetchall()
    if not found:
        return []
    last = _EVERY_EVENT if position is None else position
    chosen = {"user": found[0].user_id, "numbers": [row.number for row in found], "last": last}
    events: dict[int, list[Event]] = defaultdict(list)
    for number, *event in connection.execute(_EVENTS, chosen):
        events[number].append(Event(*event))
    return [_live(row, events[row.number]) for row in found]


def _live(row: Row[Any], events: list[Event]) -> Live:
    template = Template(
        row.name,
        row.version,
        row.ticket_type,
        tuple(TemplateStep(name, estimate) for name, estimate in json.loads(row.steps)),
        row.template_estimate,
        moment(row.created_at),
    )
    started = Started(
        user_id=row.user,
        workflow_id=row.workflow_id,
        ticket_key=row.ticket_key,
        template=template,
        timezone=row.timezone,
        estimated_seconds=row.estimated_seconds,
        attributes=json.loads(row.attributes) if row.attributes else {},
    )
    return Live(row.user_id, row.number, started, row.ticket_type_id, row.template_id, fold(events), len(events))


def _running_rows() -> Any:
    c, o = schema.workflow.c, schema.open_workflow.c
    return (
        select(o.number, c.workflow_id)
        .join(schema.workflow, and_(c.user_id == o.user_id, c.number == o.number))
        .where(o.user_id == bindparam("user"), o.number != bindparam("but"), o.running_since.is_not(None))
        .order_by(o.number)
    )


def _worked_rows() -> Any:
    c = schema.workflow.c
    others = and_(c.user_id == bindparam("user"), c.number != bindparam("but"), c.worked_until.is_not(None))
    return select(c.worked_until).where(others).order_by(c.worked_until.desc()).limit(1)


_RUNNING, _WORKED = _running_rows(), _worked_rows()
_NONE = -1
"""The number of no workflow."""


def _call_rows() -> Any:
    c = schema.workflow_event.c
    mine = and_(c.user_id == bindparam("user"), c.request_key == bindparam("key"))
    return select(c.number, c.position, c.request_digest).where(mine)


_CALL = _call_rows()


def find_call(connection: Connection, user: int, key: str | None) -> Row[Any] | None:
    """Return where the event of a call stands (number, position, request_digest), None when it has none."""
    return connection.execute(_CALL, {"user": user, "key": key}).one_or_none()


def running_elsewhere(connection: Connection, user: int, but: int | None) -> list[tuple[int, str]]:
    """Return (number, workflow id) of a user's workflows in which a session runs, but for one."""
    found = connection.execute(_RUNNING, {"user": user, "but": _NONE if but is None else but})
    return [(number, workflow_id) for number, workflow_id in found]


def worked_elsewhere(connection: Connection, user: int, but: int | None) -> int | None:
    """Return the end of the last stretch of work on a user's workflows, but for one."""
    return connection.execute(_WORKED, {"user": user, "but": _NONE if but is None else but}).scalar()


def worked_since(connection: Connection, user: int, but: int, since: int) -> list[int]:
    """Return the numbers of a user's other workflows that were worked on after an instant, or are now."""
    c = schema.workflow.c
    later = select(c.number).where(c.user_id == user, c.number != but, c.worked_until > since)
    numbers = {
        *connection.execute(later).scalars(),
        *(number for number, _ in running_elsewhere(connection, user, but)),
    }
    return sorted(numbers)


def insert_workflow(connection: Connection, live: Live) -> None:
    started = live.started
    connection.execute(
        insert(schema.workflow).values(
            user_id=live.user_id,
            number=live.number,
            workflow_id=started.workflow_id,
            state=CODES[live.work.state],
            ticket_key=started.ticket_key,
            template_id=live.template_id,
            version=started.template.version,
            timezone=started.timezone,
            estimated_seconds=started.estimated_seconds,
            attributes=json.dumps(started.attributes, sort_keys=True) if started.attributes else None,
            started_at=live.work.started_at,
            worked_until=live.work.worked_until,
        )
    )


_INSERT_EVENT = insert(schema.workflow_event)


def insert_event(connection: Connection, live: Live, position: int, event: Event, call: Call | None) -> None:
    row = {
        "user_id": live.user_id,
        "number": live.number,
        "position": position,
        "request_key": call.key if call is not None else None,
        "request_digest": call.digest if call is not None else None,
    }
    connection.execute(_INSERT_EVENT, row | event._asdict())


def open_row(live: Live) -> dict[str, Any]:
    work = live.work
    return {
        "user_id": live.user_id,
        "number": live.number,
        "running_since": work.last_at if work.running else None,
        "forgotten": work.forgotten,
    }


def _here(table: Table) -> ColumnElement[bool]:
    return and_(table.c.user_id == bindparam("user"), table.c.number == bindparam("at"))


_UPDATE_WORKFLOW = (
    update(schema.workflow)
    .where(_here(schema.workflow))
    .values(state=bindparam("new_state"), worked_until=bindparam("until"))
)
_UPDATE_OPEN = (
    update(schema.open_workflow)
    .where(_here(schema.open_workflow))
    .values(running_since=bindparam("since"), forgotten=bindparam("forgotten_sessions"))
)
_DELETE_OPEN = delete(schema.open_workflow).where(_here(schema.open_workflow))


def update_workflow(connection: Connection, before: Live, after: Live) -> None:
    here = {"user": after.user_id, "at": after.number}
    work = after.work
    if (work.state, work.worked_until) != (before.work.state, before.work.worked_until):
        connection.execute(_UPDATE_WORKFLOW, here | {"new_state": CODES[work.state], "until": work.worked_until})
    # A cancelled one with a forgotten session stays open: somebody may still say when it ended.
    if work.state == "completed" or (work.state == "cancelled" and not work.forgotten):
        connection.execute(_DELETE_OPEN, here)
    else:
        row = open_row(after)
        connection.execute(_UPDATE_OPEN, here | {"since": row["running_since"], "forgotten_sessions": row["forgotten"]})


def drop_empty(context: Context, cells: WorkedCells) -> None:
    """Delete those of the cells of worked time that hold nothing any more."""
    found = context.dialect.matching(context.connection, schema.cell_worked, sorted(cells))  # type: ignore[arg-type]
    empty = [row[:-2] for row in found if not any(row[-2:])]
    context.dialect.apply(context.connection, [Write("delete", schema.cell_worked, empty)])


def session_key(session_id: str) -> tuple[int, int, int]:
    found = _SESSION_ID.fullmatch(session_id) if isinstance(session_id, str) else None
    if found is None:
        raise UnknownSession(session_id)
    return int(found[1]), int(found[2]), int(found[3])


def page_token(last: Live) -> str:
    return base64.urlsafe_b64encode(json.dumps([last.work.started_at, last.number]).encode()).decode()


def read_page_token(token: str) -> tuple[int, int]:
    try:
        started_at, number = json.loads(base64.urlsafe_b64decode(token.encode()))
        if type(started_at) is type(number) is int and max(abs(started_at), abs(number)) < 2**62:
            return started_at, number
    except (ValueError, TypeError, AttributeError, RecursionError):
        pass
    raise InvalidRequest("after", token, "the `next` of a page")
