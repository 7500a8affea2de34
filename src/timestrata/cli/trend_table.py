"""A trend for people: the buckets with bars, and the verdicts in words."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import RenderableType
from rich.text import Text

from timestrata.answers import By, Series, TrendMeasure, TrendPoint, TrendReport
from timestrata.calendar import Bucket
from timestrata.cli import wording
from timestrata.cli.screen import Cell, Column, heading, ratio_cell, table
from timestrata.cli.tables import RATIO
from timestrata.cli.wording import duration, name, number

_BAR_WIDTH = 7
_STARTS: dict[Bucket, str] = {"day": "Day", "week": "Week of", "month": "Month"}
_MOVING: dict[TrendMeasure, str] = {
    "mean_seconds": "moving_mean_seconds",
    "completed": "moving_completed",
    "worked_seconds": "moving_worked_seconds",
}


def trend_table(trend: TrendReport, by: By | None = None, ticket_type: str | None = None) -> Iterator[RenderableType]:
    """A row a bucket of the total, its verdict, then a row a series."""
    yield heading(f"Trend by {trend.bucket}", trend.dates, trend.user_id, ticket_type)
    yield points_table(trend)
    if any(point.partial for point in trend.points):
        yield Text(f"* not a full {trend.bucket}: left out of the trend", style="dim")
    yield Text()
    sentence = wording.verdict(trend.trend, trend.measure, trend.bucket)
    yield Text(f"{wording.measure(trend.measure)}: {sentence}")
    if by is not None:
        yield Text()
        yield series_table(trend, by)


def points_table(trend: TrendReport) -> RenderableType:
    """Return the points of the total; the bar shows the measure of the trend."""
    columns: list[Column] = [(_STARTS[trend.bucket], "whole"), ("Done", "right"), ("Mean", "right")]
    columns += [("Worked", "right"), RATIO, ("Alerts", "right")]
    if trend.measure in _MOVING:
        columns.append(("Moving", "right"))
    columns.append((_bar_title(trend.measure), "whole"))
    most = max((getattr(point, trend.measure) or 0 for point in trend.points), default=0)
    return table(columns, (_point(point, trend, most) for point in trend.points))


def _bar_title(measure: TrendMeasure) -> str:
    return {"mean_seconds": "Mean", "completed": "Completed", "worked_seconds": "Worked"}.get(
        measure, wording.measure(measure)
    )


def _point(point: TrendPoint, trend: TrendReport, most: float) -> list[Cell]:
    start = point.bucket.isoformat()[:7] if trend.bucket == "month" else str(point.bucket)
    row: list[Cell] = [
        start + ("*" if point.partial else ""),
        number(point.completed),
        duration(point.mean_seconds),
        duration(point.worked_seconds),
        ratio_cell(point.estimate_ratio),
        number(point.gap_alerts),
    ]
    if trend.measure in _MOVING:
        moving = getattr(point, _MOVING[trend.measure])
        row.append(number(moving) if trend.measure == "completed" else duration(moving))
    value = getattr(point, trend.measure)
    row.append(
        Text("█" * round(_BAR_WIDTH * (value or 0) / most) if most else "", style="dim" if point.partial else "")
    )
    return row


def series_table(trend: TrendReport, by: By) -> RenderableType:
    """Return the verdict of each series of a trend."""
    columns: list[Column] = [("Template" if by == "template" else "Ticket type", "left"), ("Done", "right")]
    columns += [(f"Change per {trend.bucket}", "right"), ("p", "right"), (wording.measure(trend.measure), "left")]
    return table(columns, (_verdict(each, one, trend.measure) for each, one in trend.by.items()))


def _verdict(label: str, series: Series, measure: TrendMeasure) -> list[Cell]:
    found = series.trend
    p = wording.NOTHING if found.p_value is None else wording.p_value(found).removeprefix("p ").removeprefix("= ")
    return [
        Text(name(label)),
        number(sum(point.completed for point in series.points)),
        wording.change(found.theil_sen_slope, measure),
        p,
        found.verdict,
    ]
