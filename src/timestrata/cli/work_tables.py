"""Live work for people: how far it is, how it compares with the estimates, the sessions it was done in."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, tzinfo

from rich.console import RenderableType
from rich.text import Text

from timestrata.cli.screen import Cell, Column, ratio_cell, table
from timestrata.cli.wording import NOTHING, duration, name, ratio
from timestrata.tracked import Comparison, Completion, Level, Template, TrackedStep, TrackedWorkflow

_LEVELS: dict[Level | None, tuple[str, str]] = {
    "within": ("within the estimate", "green"),
    "over": ("over the estimate", "yellow"),
    "gap": ("far over the estimate: gap alert", "red"),
    None: ("no estimate", ""),
}
"""What a level is called, and its colour."""

Written = Callable[[int | None], str]
"""Writes seconds."""


def completion(done: Completion, what: str) -> Iterator[RenderableType]:
    """How a completed workflow compares with its estimates, as a whole and by step."""
    opening = {"held": "Completed, but held", "replayed": "Completed before", "recorded": "Completed"}[done.status]
    yield Text(f"{opening}: {what}", style="bold")
    columns: list[Column] = [("", "right"), ("Step", "left"), ("Actual", "right"), ("Estimate", "right")]
    columns += [("Actual/\nest.", "right"), ("", "whole")]
    rows = [(str(step.index), Text(name(step.name)), *_compared(step)) for step in done.steps]
    yield table(columns, [*rows, ("", "Whole", *_compared(done.comparison))], last_is_total=True)


def _compared(comparison: Comparison) -> tuple[Cell, ...]:
    words, colour = _LEVELS[comparison.level]
    return (
        duration(comparison.actual_seconds),
        duration(comparison.estimated_seconds),
        Text(ratio(comparison.ratio), style=colour),
        Text(words, style=colour),
    )


def state(workflow: TrackedWorkflow) -> str:
    """Return what a workflow is doing: "Analyse running"."""
    if workflow.state == "held":
        return "held, a session waits for its true end"
    if workflow.current is None:
        return "no step running" if workflow.state == "active" else workflow.state
    return f"{name(workflow.current.step_name)} {workflow.current.state}"


def course(workflow: TrackedWorkflow, zone: tzinfo | None, written: Written = duration) -> Iterator[RenderableType]:
    """How far a workflow is: a line, then a row a step."""
    since = wall(workflow.started_at, workflow.as_of, zone)
    heading = f"{name(workflow.ticket_key)} ({name(workflow.template)}), since {since}: {state(workflow)}"
    yield Text(heading, style="bold")
    columns: list[Column] = [("", "right"), ("Step", "left"), ("", "whole"), ("Actual", "right")]
    columns += [("Estimate", "right"), ("Actual/\nest.", "right")]
    rows = [_step(workflow, step, written) for step in workflow.steps]
    whole = _against(workflow.active_seconds, workflow.estimated_seconds, written)
    paused = f"paused {written(workflow.paused_seconds)}" if workflow.paused_seconds else ""
    yield table(columns, [*rows, ("", "Whole", paused, *whole)], last_is_total=True)


def _step(workflow: TrackedWorkflow, step: TrackedStep, written: Written) -> tuple[Cell, ...]:
    current = workflow.current
    is_current = current is not None and current.step_index == step.index
    doing = current.state if current is not None and is_current else "" if step.sessions else "to do"
    actual = _against(step.active_seconds if step.sessions else None, step.estimated_seconds, written)
    return str(step.index), Text(name(step.name), style="bold" if is_current else ""), doing, *actual


def _against(actual: int | None, estimate: int | None, written: Written) -> tuple[Cell, ...]:
    return (
        written(actual),
        written(estimate),
        ratio_cell(actual / estimate if actual is not None and estimate else None),
    )


def timer(seconds: int | None) -> str:
    """Return seconds as a running clock shows them.

    >>> timer(3725)
    '1:02:05'
    """
    if seconds is None:
        return NOTHING
    return f"{seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02}"


def wall(moment: datetime, now: datetime, zone: tzinfo | None) -> str:
    """Return an instant as the clocks of a zone showed it: the time of day, with the day unless it is today's."""
    local = moment.astimezone(zone)
    return local.strftime("%H:%M" if local.date() == now.astimezone(zone).date() else "%Y-%m-%d %H:%M")


def templates(found: Sequence[Template]) -> RenderableType:
    """A row a template."""
    columns: list[Column] = [("Template", "left"), ("Version", "right"), ("Ticket type", "left"), ("Steps", "left")]
    columns += [("Estimate", "right")]
    return table(
        columns,
        (
            (
                Text(name(one.name)),
                str(one.version),
                Text(name(one.ticket_type)),
                Text(", ".join(name(step.name) for step in one.steps)),
                duration(one.estimated_seconds),
            )
            for one in found
        ),
    )


def template(found: Template) -> Iterator[RenderableType]:
    """A template: a row a step."""
    yield Text(f"{name(found.name)}, version {found.version}, for ticket type {name(found.ticket_type)}", style="bold")
    steps = [(str(at), Text(name(one.name)), duration(one.estimated_seconds)) for at, one in enumerate(found.steps)]
    columns: list[Column] = [("", "right"), ("Step", "left"), ("Estimate", "right")]
    yield table(columns, [*steps, ("", "Whole", duration(found.estimated_seconds))], last_is_total=True)
