"""The command that lists the sessions of a range, the latest first."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields
from datetime import date, datetime
from itertools import groupby

import typer
from rich.console import RenderableType
from rich.text import Text

from timestrata.calendar import DateRange
from timestrata.cli import output, screen
from timestrata.cli.absence import nothing_in
from timestrata.cli.machine import Machine, Place, place
from timestrata.cli.options import (
    AsCsv,
    AsJson,
    Database,
    First,
    Last,
    Range7Days,
    Server,
    Ticket,
    Token,
    Worker,
    chosen_dates,
    chosen_form,
)
from timestrata.cli.screen import Column, table
from timestrata.cli.wording import duration, name
from timestrata.formats.result_json import document
from timestrata.formats.sheets import Sheet
from timestrata.live import SessionState
from timestrata.tracked import TrackedWorkflow

_PAGE = 200


@dataclass(frozen=True, slots=True)
class LoggedSession:
    """A session with the workflow it is of. Seconds of one that has not ended are those until now."""

    session_id: str
    user_id: str
    workflow_id: str
    ticket_key: str
    ticket_type: str
    template: str
    step_index: int
    step_name: str
    state: SessionState
    started_at: datetime
    ended_at: datetime | None
    active_seconds: int
    paused_seconds: int
    forgotten: bool


def log(
    context: typer.Context,
    ticket: Ticket = None,
    user: Worker = None,
    preset: Range7Days = None,
    first: First = None,
    last: Last = None,
    database: Database = None,
    server: Server = None,
    token: Token = None,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
) -> None:
    """List tracked sessions, the latest first, by the day they began on by this machine's clock."""
    form = chosen_form(as_json, as_csv)
    with place(context, database, server, token, user, to="read") as here:
        machine, today = here.machine, here.now.astimezone(here.machine.zone).date()
        dates = chosen_dates(preset, first, last, today, "last_7_days")
        assert isinstance(dates, DateRange)
        found = [
            one
            for one in logged(_workflows(here))
            if _holds(dates, _day(one, machine)) and (ticket is None or ticket in (one.ticket_key, one.workflow_id))
        ]
    found.sort(key=lambda one: one.started_at, reverse=True)
    if form == "json":
        output.write_json(found)
    elif form == "csv":
        output.write_csv(_sheet(found))
    elif found:
        screen.show(*_days(found, machine))
    else:
        on = "" if ticket is None else f" on {name(ticket)}"
        screen.show(nothing_in(f"No session of {name(here.who)}{on}", dates))


def logged(workflows: Iterable[TrackedWorkflow]) -> Iterator[LoggedSession]:
    """Yield the sessions of workflows, of each the latest first."""
    for workflow in workflows:
        for one in reversed(workflow.sessions):
            yield LoggedSession(
                session_id=one.id,
                user_id=workflow.user_id,
                workflow_id=workflow.workflow_id,
                ticket_key=workflow.ticket_key,
                ticket_type=workflow.ticket_type,
                template=workflow.template,
                step_index=one.step_index,
                step_name=one.step_name,
                state=one.state,
                started_at=one.started_at,
                ended_at=one.ended_at,
                active_seconds=one.active_seconds,
                paused_seconds=one.paused_seconds,
                forgotten=one.forgotten,
            )


def _sheet(found: Iterable[LoggedSession]) -> Sheet:
    names = tuple(field.name for field in fields(LoggedSession))
    return Sheet(names, tuple(tuple(document(getattr(one, name)) for name in names) for one in found))


def _workflows(here: Place) -> Iterator[TrackedWorkflow]:
    # All of them: one that began long ago may have been worked on today.
    after = None
    while True:
        page = here.tracking.workflows(here.user, limit=_PAGE, after=after)
        yield from page.workflows
        after = page.next
        if after is None:
            return


def _day(one: LoggedSession, machine: Machine) -> date:
    return one.started_at.astimezone(machine.zone).date()


def _holds(dates: DateRange, day: date) -> bool:
    return (dates.first is None or dates.first <= day) and (dates.last is None or day <= dates.last)


def _days(found: Iterable[LoggedSession], machine: Machine) -> Iterator[RenderableType]:
    for day, sessions in groupby(found, lambda one: _day(one, machine)):
        rows = list(sessions)
        total = duration(sum(one.active_seconds for one in rows))
        yield Text(f"{day.strftime('%A')[:3]} {day}, {total}", style="bold")
        yield sessions_table(rows, machine)
        yield Text()


def sessions_table(rows: Iterable[LoggedSession], machine: Machine, with_day: bool = False) -> RenderableType:
    """A row a session."""
    columns: list[Column] = [("From", "whole"), ("To", "whole"), ("Active", "right"), ("Ticket", "left")]
    columns += [("Step", "left"), ("", "left"), ("Session", "whole")]
    return table(
        columns,
        (
            (
                _clock(one.started_at, machine, with_day),
                "now" if one.ended_at is None else _clock(one.ended_at, machine, with_day),
                duration(one.active_seconds),
                Text(name(one.ticket_key)),
                Text(name(f"{one.template}: {one.step_name}")),
                "forgotten: its end is a guess" if one.forgotten else "" if one.state == "ended" else one.state,
                one.session_id,
            )
            for one in rows
        ),
    )


def _clock(moment: datetime, machine: Machine, with_day: bool) -> str:
    return moment.astimezone(machine.zone).strftime("%Y-%m-%d %H:%M" if with_day else "%H:%M")
