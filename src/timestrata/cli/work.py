"""The commands that track work as it happens: start, pause, resume, next, complete, cancel."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated
from uuid import uuid4

import typer

from timestrata.cli import output, screen, work_tables
from timestrata.cli.machine import Place, place
from timestrata.cli.moments import read_duration
from timestrata.cli.options import AsJson, At, Database, Server, Ticket, Token, Worker
from timestrata.cli.wording import duration, name
from timestrata.errors import InvalidRequest, TimestrataError
from timestrata.live import SessionState
from timestrata.tracked import TrackedWorkflow


def start(
    context: typer.Context,
    ticket: Annotated[str, typer.Argument(metavar="TICKET", help="The key of the ticket, as in SHOP-1.")],
    template: Annotated[
        str, typer.Option("--template", metavar="NAME", help="The template (`timestrata template list`).")
    ],
    user: Worker = None,
    estimate: Annotated[
        str | None,
        typer.Option("--estimate", metavar="TIME", help='For the whole, as in "2h" (default: the template\'s).'),
    ] = None,
    workflow: Annotated[
        str | None, typer.Option("--workflow", metavar="ID", help="Its id (default: one is made up).")
    ] = None,
    at: At = None,
    database: Database = None,
    server: Server = None,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """Start a workflow on a ticket: the first step of its template is running."""
    seconds = None if estimate is None else read_duration("--estimate", estimate)
    with place(context, database, server, token, user, ends_forgotten=at is None) as here:
        found = here.tracking.start_workflow(
            here.user,
            template,
            ticket,
            workflow_id=workflow,
            estimated_seconds=seconds,
            at=here.moment("--at", at),
            key=_key(),
        )
    _tell(found, as_json, f"Started {_named(found)} at {here.clock(found.started_at)}: {_course(found)}")


def pause(
    context: typer.Context,
    ticket: Ticket = None,
    user: Worker = None,
    at: At = None,
    database: Database = None,
    server: Server = None,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """Pause the running step; the time until `resume` is no work."""
    with place(context, database, server, token, user, ends_forgotten=at is None) as here:
        chosen = chosen_workflow(here, ticket, "running")
        found = here.tracking.pause(chosen.user_id, chosen.workflow_id, at=here.moment("--at", at), key=_key())
    _tell(found, as_json, f"Paused {_named(found)}: {_course(found)}")


def resume(
    context: typer.Context,
    ticket: Ticket = None,
    user: Worker = None,
    at: At = None,
    database: Database = None,
    server: Server = None,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """Resume the paused step."""
    with place(context, database, server, token, user, ends_forgotten=at is None) as here:
        chosen = chosen_workflow(here, ticket, "paused")
        found = here.tracking.resume(chosen.user_id, chosen.workflow_id, at=here.moment("--at", at), key=_key())
    _tell(found, as_json, f"Resumed {_named(found)}: {_course(found)}")


def next_(
    context: typer.Context,
    step: Annotated[
        str | None, typer.Argument(metavar="[STEP]", help="The step's name or index (default: the one that follows).")
    ] = None,
    ticket: Annotated[
        str | None,
        typer.Option("--ticket", metavar="TICKET", help="The ticket or workflow id, where several are active."),
    ] = None,
    user: Worker = None,
    at: At = None,
    database: Database = None,
    server: Server = None,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """Go on to the next step, or to the one that is named; the running one ends."""
    with place(context, database, server, token, user, ends_forgotten=at is None) as here:
        chosen = chosen_workflow(here, ticket)
        index = chosen_step(chosen, step)
        when = here.moment("--at", at)
        found = here.tracking.start_step(chosen.user_id, chosen.workflow_id, index, at=when, key=_key())
    _tell(found, as_json, f"{_named(found)}: {_course(found)}")


def cancel(
    context: typer.Context,
    ticket: Ticket = None,
    user: Worker = None,
    at: At = None,
    database: Database = None,
    server: Server = None,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """Cancel a workflow: it is never completed, but the time worked on it stays counted."""
    with place(context, database, server, token, user, ends_forgotten=at is None) as here:
        chosen = chosen_workflow(here, ticket)
        found = here.tracking.cancel(chosen.user_id, chosen.workflow_id, at=here.moment("--at", at), key=_key())
    held = sum(one.active_seconds for one in found.sessions if one.forgotten)
    counted = f"the {duration(found.active_seconds - held)} worked on it stay counted as worked"
    if held:
        counted += f"; {duration(held)} of a session that was left running count once `timestrata forgotten` settles it"
    _tell(found, as_json, f"Cancelled {_named(found)}: {counted}.")


def complete(
    context: typer.Context,
    ticket: Ticket = None,
    user: Worker = None,
    at: At = None,
    database: Database = None,
    server: Server = None,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """Complete a workflow: its times become history, and are compared with the estimates."""
    with place(context, database, server, token, user, ends_forgotten=at is None) as here:
        chosen = chosen_workflow(here, ticket)
        done = here.tracking.complete(chosen.user_id, chosen.workflow_id, at=here.moment("--at", at), key=_key())
    if as_json:
        output.write_json(done)
        return
    screen.show(*work_tables.completion(done, _named(done.workflow)))
    if done.status == "held":
        screen.note(
            "A session was left running, so it is in no figure until its true end is known: `timestrata forgotten`"
        )


# ------------------------------------------------------------------------------------------------------- what is meant


def chosen_workflow(here: Place, ticket: str | None, state: SessionState | None = None) -> TrackedWorkflow:
    """Return the active workflow that is meant: of an id, on a ticket, the only one, or the only one in a state.

    Raises TimestrataError when there is none, InvalidRequest with the choice when there are several.
    """
    active = [one for one in here.tracking.active(here.user) if one.state == "active"]
    if not active:
        raise TimestrataError(
            f"no workflow of {here.who} is active: `timestrata start TICKET --template NAME` starts one"
        )
    named = [one for one in active if one.workflow_id == ticket]
    named = named or [one for one in active if ticket is None or ticket == one.ticket_key]
    if not named:
        raise TimestrataError(f"no workflow of {here.who} on {name(str(ticket))} is active, but {_choice(active)}")
    # Without a state none fits: one whose session was forgotten is in none either, and is not the one that is meant.
    fitting = named if len(named) == 1 else [one for one in named if state is not None and _state(one) == state]
    if len(fitting) != 1:
        raise InvalidRequest("TICKET", ticket, f"one of the active workflows, by its ticket or id: {_choice(named)}")
    return fitting[0]


def chosen_step(workflow: TrackedWorkflow, step: str | None) -> int:
    """Return the index of the step that is meant: by name or index, or the one after the last that was worked on.

    Raises InvalidRequest.
    """
    steps = workflow.steps
    if step is None:
        following = workflow.sessions[-1].step_index + 1
        if following < len(steps):
            return following
        last = name(steps[-1].name)
        raise InvalidRequest("STEP", step, f"a step to do again, or `timestrata complete`: {last} is the last one")
    found = {one.index for one in steps if step in (one.name, str(one.index))}
    if len(found) != 1:
        raise InvalidRequest("STEP", step, f"one of {', '.join(f'{one.index} ({name(one.name)})' for one in steps)}")
    return found.pop()


def _state(workflow: TrackedWorkflow) -> SessionState | None:
    return None if workflow.current is None else workflow.current.state


def _choice(workflows: Sequence[TrackedWorkflow]) -> str:
    return ", ".join(
        f"{name(one.ticket_key)} (id {name(one.workflow_id)}, {work_tables.state(one)})" for one in workflows
    )


def _key() -> str:
    """Return a key of this call, so that it is carried out once however often it has to be tried."""
    return uuid4().hex


# ------------------------------------------------------------------------------------------------------- what is told


def _tell(workflow: TrackedWorkflow, as_json: bool, sentence: str) -> None:
    if as_json:
        output.write_json(workflow)
    else:
        screen.show(sentence)


def _named(workflow: TrackedWorkflow) -> str:
    return f"{name(workflow.ticket_key)} ({name(workflow.template)})"


def _course(workflow: TrackedWorkflow) -> str:
    """Return what is going on in a workflow, as the end of a sentence."""
    if workflow.current is None:
        return f"no step is running, {duration(workflow.active_seconds)} so far."
    step = workflow.steps[workflow.current.step_index]
    of = f" of {duration(step.estimated_seconds)}" if step.estimated_seconds else ""
    return f"{name(step.name)} is {workflow.current.state}, {duration(step.active_seconds)}{of} so far."
