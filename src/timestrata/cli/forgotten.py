"""The commands about sessions that were left running and ended by themselves: list them, confirm or correct the end."""

from __future__ import annotations

from typing import Annotated
from uuid import uuid4

import typer

from timestrata.cli import output, screen
from timestrata.cli.log import LoggedSession, logged, sessions_table
from timestrata.cli.machine import Place, place
from timestrata.cli.options import AsJson, Database, Server, Token, Worker
from timestrata.cli.wording import duration, name
from timestrata.errors import InvalidRequest, TimestrataError
from timestrata.tracked import TrackedWorkflow

Session = Annotated[
    str | None,
    typer.Argument(metavar="[SESSION]", help="The session's id, where several wait (`timestrata forgotten`)."),
]


def forgotten(
    context: typer.Context,
    user: Worker = None,
    database: Database = None,
    server: Server = None,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """List sessions that were left running too long: in no figure until their end is confirmed or corrected."""
    if context.invoked_subcommand is not None:
        return
    with place(context, database, server, token, user, ends_forgotten=True) as here:
        found = _waiting(here)
    if as_json:
        output.write_json(found)
    elif not found:
        screen.show(f"No session of {name(here.who)} waits for its true end.")
    else:
        screen.show(sessions_table(found, here.machine, with_day=True))
        screen.note(
            "`timestrata forgotten confirm` takes the end as it is, `timestrata forgotten correct` another one."
        )


def confirm(
    context: typer.Context,
    session: Session = None,
    user: Worker = None,
    database: Database = None,
    server: Server = None,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """Confirm the end that a forgotten session was given."""
    with place(context, database, server, token, user, ends_forgotten=True) as here:
        chosen = _chosen(here, session)
        found = here.tracking.confirm(chosen.session_id, key=uuid4().hex)
    _tell(found, chosen, as_json, "confirmed")


def correct(
    context: typer.Context,
    ended_at: Annotated[
        str, typer.Option("--ended-at", metavar="TIME", help='When it really ended, as in "yesterday 17:00".')
    ],
    session: Session = None,
    user: Worker = None,
    database: Database = None,
    server: Server = None,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """Put the true end of a forgotten session."""
    with place(context, database, server, token, user, ends_forgotten=True) as here:
        moment = here.moment("--ended-at", ended_at)
        assert moment is not None
        chosen = _chosen(here, session)
        found = here.tracking.correct(chosen.session_id, moment, key=uuid4().hex)
    _tell(found, chosen, as_json, "corrected")


def _waiting(here: Place) -> list[LoggedSession]:
    return [one for one in logged(here.tracking.active(here.user)) if one.forgotten]


def _chosen(here: Place, session: str | None) -> LoggedSession:
    """Return the session that is meant: by its id, or the only one that waits."""
    waiting = _waiting(here)
    if not waiting:
        raise TimestrataError(f"no session of {here.who} waits for its true end")
    found = [one for one in waiting if session is None or one.session_id == session]
    if len(found) != 1:
        choice = ", ".join(f"{one.session_id} ({name(one.ticket_key)}, {name(one.step_name)})" for one in waiting)
        raise InvalidRequest("SESSION", session, f"one of {choice}")
    return found[0]


def _tell(workflow: TrackedWorkflow, chosen: LoggedSession, as_json: bool, done: str) -> None:
    if as_json:
        output.write_json(workflow)
        return
    one = next(each for each in workflow.sessions if each.id == chosen.session_id)
    what = f"{name(chosen.step_name)} on {name(chosen.ticket_key)}"
    screen.show(f"{done} {what}: {duration(one.active_seconds)} worked, which count from now on")
