"""Answers as rows of a CSV file: what the command line prints, and what pages show and export."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from typing import Any, cast

from timestrata.answers import (
    Aggregation,
    AggregationReport,
    Alert,
    Averages,
    DailyReport,
    DailyRow,
    Figures,
    StepFigures,
    StepReport,
    Summary,
    TrendPoint,
    TrendReport,
    WorkflowPage,
    WorkflowRow,
)
from timestrata.formats.result_json import document

_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True, slots=True)
class Sheet:
    """The rows of a CSV file, of JSON values."""

    columns: tuple[str, ...]
    rows: tuple[tuple[object, ...], ...]


def csv_text(sheet: Sheet) -> str:
    """Return rows as CSV after a header: true and false in words, nothing for null."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(sheet.columns)
    writer.writerows([cell(value) for value in row] for row in sheet.rows)
    return text.getvalue()


def cell(value: object) -> object:
    """Return what a CSV cell holds; text that a spreadsheet would run as a formula gets an apostrophe in front."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str) and value.startswith(_FORMULA_STARTS):
        return f"'{value}"
    return value


def summary_sheet(summary: Summary) -> Sheet:
    """One row a ticket type, then the total."""
    items = [(("ticket_type", name), figures) for name, figures in summary.by_ticket_type.items()]
    return _sheet(Figures, [*items, (("total", None), summary)], ("row", "ticket_type"))


def averages_sheet(averages: Averages) -> Sheet:
    """Two rows a ticket type, all time and rolling 30 days, then two of the total."""
    named = [("ticket_type", name, each) for name, each in averages.by_ticket_type.items()]
    items = [
        ((row, name, window), getattr(average, window))
        for row, name, average in [*named, ("total", None, averages.total)]
        for window in ("all_time", "rolling_30_days")
    ]
    return _sheet(Figures, items, ("row", "ticket_type", "window"))


def trend_sheet(trend: TrendReport) -> Sheet:
    """One row a bucket of each series, the total last; verdicts are in the JSON only."""
    series = [*trend.by.items(), (None, trend.total)]
    items = [(("total" if name is None else "series", name), point) for name, one in series for point in one.points]
    return _sheet(TrendPoint, items, ("row", "series"))


def daily_sheet(daily: DailyReport) -> Sheet:
    """One row a user, day and ticket type."""
    return _sheet(DailyRow, [((), row) for row in daily])


def steps_sheet(steps: StepReport) -> Sheet:
    """One row a step."""
    first = ("template", "step_index", "step_name")
    items = [((step.template, step.step_index, step.step_name), step) for step in steps]
    return _sheet(StepFigures, items, first)


def alerts_sheet(alerts: Sequence[Alert]) -> Sheet:
    """One row an alert."""
    return _sheet(Alert, [((), alert) for alert in alerts])


def workflows_sheet(page: WorkflowPage) -> Sheet:
    """One row a workflow."""
    return _sheet(WorkflowRow, [((), row) for row in page])


def aggregations_sheet(report: AggregationReport) -> Sheet:
    """One row a group, each before its sub-groups, the total last. Days, weeks and months are named by their first."""
    items: list[tuple[tuple[object, ...], object]] = []
    for group in report:
        items.append((("group", group.name, None, *_of(group)), group))
        items += [(("sub_group", group.name, sub.name, *_of(sub)), sub) for sub in group.sub_groups]
    items.append((("total", None, None, None, None, None), report.total))
    return _sheet(Figures, items, ("row", "group", "sub_group", "template", "step_index", "partial"))


def _of(group: Aggregation) -> tuple[object, ...]:
    return (group.template, group.step_index, group.partial)


def _sheet(kind: type[Any], items: Iterable[tuple[tuple[object, ...], object]], labels: tuple[str, ...] = ()) -> Sheet:
    """Return a sheet of the labels of each item, then its fields as far as `kind` has them and no label does."""
    names = tuple(field.name for field in fields(kind) if field.name not in labels)
    rows = []
    for label, item in items:
        values = cast(dict[str, object], document(item))
        rows.append((*label, *(values[name] for name in names)))
    return Sheet((*labels, *names), tuple(rows))
