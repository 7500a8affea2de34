"""The library's results as tables for people."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import RenderableType
from rich.text import Text

from timestrata.answers import Alert, Averages, DailyReport, Figures, StepFigures, StepReport, Summary, WorkflowPage
from timestrata.cli.screen import Cell, Column, heading, pairs, ratio_cell, table
from timestrata.cli.wording import duration, name, number, plural, share

RATIO: Column = ("Actual/\nest.", "right")


def summary_table(summary: Summary) -> Iterator[RenderableType]:
    """Key figures in words, then a row a ticket type."""
    yield heading("Summary", summary.dates, summary.user_id, summary.ticket_type)
    yield pairs(_key_figures(summary))
    yield Text()
    yield table(
        (("Ticket type", "left"), *_FIGURES),
        [
            *((Text(name(kind)), *_figures(figures)) for kind, figures in summary.by_ticket_type.items()),
            ("Total", *_figures(summary)),
        ],
        last_is_total=True,
    )


def _key_figures(summary: Summary) -> Iterator[tuple[str, Cell]]:
    yield "Completed", f"{plural(summary.completed, 'workflow')} by {plural(summary.users, 'person', 'people')}"
    spread = f"mean {duration(summary.mean_seconds)}, half within {duration(summary.p50_seconds)}"
    yield "Active time", f"{duration(summary.active_seconds)} ({spread}, 90 % within {duration(summary.p90_seconds)})"
    yield "Worked", f"{duration(summary.worked_seconds)} on these days, paused {duration(summary.paused_seconds)}"
    estimates = Text(f"{share(summary.with_estimate, summary.completed)} of the workflows, actual/estimate ")
    yield "Estimates", estimates.append_text(ratio_cell(summary.estimate_ratio))
    over = share(summary.gap_alerts, summary.with_estimate)
    yield "Gap alerts", f"{number(summary.gap_alerts)}, {over} of those with an estimate"
    yield "First pass", f"{share(summary.first_pass_ratio)} went through without a step done again"


_FIGURES: tuple[Column, ...] = (
    ("Done", "right"),
    ("Active", "right"),
    ("Mean", "right"),
    ("Median", "right"),
    ("90 %", "right"),
    RATIO,
    ("Alerts", "right"),
)


def _figures(figures: Figures) -> tuple[Cell, ...]:
    return (
        number(figures.completed),
        duration(figures.active_seconds),
        duration(figures.mean_seconds),
        duration(figures.p50_seconds),
        duration(figures.p90_seconds),
        ratio_cell(figures.estimate_ratio),
        number(figures.gap_alerts),
    )


def daily_table(daily: DailyReport) -> Iterator[RenderableType]:
    """A row a user, day and ticket type."""
    yield heading("Days", daily.dates, daily.user_id)
    columns: list[Column] = [("User", "left"), ("Day", "whole"), ("Ticket type", "left"), ("Done", "right")]
    columns += [("Active", "right"), ("Worked", "right"), RATIO, ("Alerts", "right")]
    yield table(
        columns,
        (
            (
                Text(name(row.user_id)),
                str(row.day),
                Text(name(row.ticket_type)),
                number(row.completed),
                duration(row.active_seconds),
                duration(row.worked_seconds),
                ratio_cell(row.estimated_active_seconds / row.estimated_seconds if row.estimated_seconds else None),
                number(row.gap_alerts),
            )
            for row in daily
        ),
    )


def steps_table(steps: StepReport) -> Iterator[RenderableType]:
    """A row a step."""
    yield heading("Steps", steps.dates, steps.user_id)
    yield steps_rows(steps.steps)


def steps_rows(steps: Sequence[StepFigures]) -> RenderableType:
    """Return steps as a table, in their order."""
    columns: list[Column] = [
        ("Template", "left"),
        ("", "right"),
        ("Step", "left"),
        ("Done", "right"),
        ("Mean", "right"),
    ]
    columns += [("Median", "right"), ("90 %", "right"), RATIO]
    return table(
        columns,
        (
            (
                Text(name(step.template)),
                str(step.step_index),
                Text(name(step.step_name)),
                number(step.completed),
                duration(step.mean_seconds),
                duration(step.p50_seconds),
                duration(step.p90_seconds),
                ratio_cell(step.estimate_ratio),
            )
            for step in steps
        ),
    )


def averages_table(averages: Averages) -> Iterator[RenderableType]:
    """A row a ticket type: all time beside the rolling 30 days."""
    yield heading("Averages", f"as of {averages.as_of}", averages.user_id)
    columns: list[Column] = [("Ticket type", "left")]
    columns += [("All time:\ndone", "right"), ("Mean", "right"), RATIO]
    columns += [("30 days:\ndone", "right"), ("Mean", "right"), RATIO]
    named = [(name(kind), average) for kind, average in averages.by_ticket_type.items()]
    yield table(
        columns,
        (
            (Text(kind), *_average(average.all_time), *_average(average.rolling_30_days))
            for kind, average in [*named, ("Total", averages.total)]
        ),
        last_is_total=True,
    )


def _average(figures: Figures) -> tuple[Cell, ...]:
    return (
        number(figures.completed),
        duration(figures.mean_seconds),
        ratio_cell(figures.estimate_ratio),
    )


def alerts_table(alerts: Sequence[Alert]) -> Iterator[RenderableType]:
    """A row an alert, the latest first; its id is what `alerts dismiss` takes."""
    columns: list[Column] = [("Id", "whole"), ("Day", "whole"), ("User", "left"), ("Ticket", "left"), ("What", "left")]
    columns += [("Actual", "right"), ("Estimate", "right"), RATIO]
    yield table(
        columns,
        (
            (
                alert.id,
                str(alert.day),
                Text(name(alert.user_id)),
                Text(name(alert.ticket_key)),
                Text(name(alert.template if alert.step_name is None else f"{alert.template}: {alert.step_name}")),
                duration(alert.actual_seconds),
                duration(alert.estimated_seconds),
                ratio_cell(alert.ratio),
            )
            for alert in alerts
        ),
    )


def workflows_table(page: WorkflowPage) -> Iterator[RenderableType]:
    """A row a workflow, the latest first."""
    columns: list[Column] = [("Day", "whole"), ("User", "left"), ("Workflow", "left"), ("Rev.", "right")]
    columns += [("Ticket", "left"), ("Ticket type", "left"), ("Template", "left")]
    columns += [("Active", "right"), RATIO]
    yield table(
        columns,
        (
            (
                str(row.day),
                Text(name(row.user_id)),
                Text(name(row.workflow_id)),
                str(row.revision),
                Text(name(row.ticket_key)),
                Text(name(row.ticket_type)),
                Text(name(row.template)),
                duration(row.active_seconds),
                ratio_cell(row.estimate_ratio),
            )
            for row in page
        ),
    )
