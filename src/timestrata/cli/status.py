"""The command that shows what is being worked on: once, or with a timer that runs."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Annotated

import typer
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text

from timestrata.cli import output, screen, work_tables
from timestrata.cli.machine import Machine, Place, place
from timestrata.cli.options import AsJson, Database, Server, Ticket, Token, Worker
from timestrata.cli.wording import name
from timestrata.tracked import TrackedWorkflow

_READ_EVERY = 10
"""Seconds between two looks at what others may have changed."""


def status(
    context: typer.Context,
    ticket: Ticket = None,
    user: Worker = None,
    once: Annotated[bool, typer.Option("--once", help="Show it once, with no running timer on a terminal.")] = False,
    database: Database = None,
    server: Server = None,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """Show what is being worked on; on a terminal the timer runs until Ctrl-C."""
    with place(context, database, server, token, user, to="read") as here:

        def read() -> tuple[TrackedWorkflow, ...]:
            found: tuple[TrackedWorkflow, ...] = here.tracking.active(here.user)
            return tuple(one for one in found if ticket is None or ticket in (one.ticket_key, one.workflow_id))

        found = read()
        if as_json:
            output.write_json(found)
        elif not found:
            on = "" if ticket is None else f" on {name(ticket)}"
            screen.show(f"No workflow of {name(here.who)}{on} is active.")
        elif once or not sys.stdout.isatty() or not any(one.current for one in found):
            screen.show(*_parts(found, here))
        else:
            watch(found, read, here.machine, Console(highlight=False, markup=False, emoji=False))


def _parts(found: Sequence[TrackedWorkflow], here: Place) -> list[RenderableType]:
    parts: list[RenderableType] = []
    for one in found:
        parts += [*work_tables.course(one, here.machine.zone), Text()]
    return parts[:-1]


def watch(
    found: Sequence[TrackedWorkflow],
    read: Callable[[], Sequence[TrackedWorkflow]],
    machine: Machine,
    console: Console,
) -> None:
    """Show workflows with their timers until Ctrl-C; read them again now and then. What stays is their last state."""
    seen_at = machine.clock()
    try:
        with Live(_running(found, seen_at, machine), console=console, auto_refresh=False) as live:
            while True:
                machine.wait(1)
                if (machine.clock() - seen_at).total_seconds() >= _READ_EVERY:
                    found, seen_at = read(), machine.clock()
                live.update(_running(found, seen_at, machine), refresh=True)
    except KeyboardInterrupt:
        return


def _running(found: Sequence[TrackedWorkflow], seen_at: datetime, machine: Machine) -> RenderableType:
    # By this machine's clock, whatever the server's shows: only the difference counts.
    passed = max(0, int((machine.clock() - seen_at).total_seconds()))
    parts: list[RenderableType] = []
    for one in found:
        parts += [*work_tables.course(later(one, passed), machine.zone, work_tables.timer), Text()]
    return Group(*parts, Text("Ctrl-C ends this view; the work goes on." if found else "Nothing is active any more."))


def later(workflow: TrackedWorkflow, seconds: int) -> TrackedWorkflow:
    """Return a workflow as it stands some seconds later when nothing happens."""
    current = workflow.current
    if current is None:
        return workflow
    if current.state == "paused":
        return replace(workflow, paused_seconds=workflow.paused_seconds + seconds)
    steps = tuple(
        replace(step, active_seconds=step.active_seconds + seconds) if step.index == current.step_index else step
        for step in workflow.steps
    )
    return replace(workflow, active_seconds=workflow.active_seconds + seconds, steps=steps)
