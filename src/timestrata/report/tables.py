"""The tables of a report. A cell of a figure carries the value that the history answered."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from timestrata.answers import (
    Aggregation,
    AggregationReport,
    AlertPage,
    Figures,
    StepReport,
    Summary,
    TrendReport,
    WorkflowRow,
)
from timestrata.report.document import Cell, Column, Table
from timestrata.wording import common as c
from timestrata.wording import report as t
from timestrata.wording.words import Words

LEAST_TO_COMPARE = 5
"""Completed tickets from which on a person's averages are shown beside those of others."""

_NOTHING = Cell(c.NONE)
_SHORT = (t.DAY, t.GAP_COLUMN)


class _Cells:
    """Makes cells of figures."""

    def __init__(self, words: Words) -> None:
        self._words = words

    def count(self, value: float | None) -> Cell:
        return Cell(self._words.count(value), value)

    def time(self, seconds: float | None) -> Cell:
        return Cell(self._words.duration(seconds), seconds)

    def hours(self, seconds: float | None) -> Cell:
        return Cell(self._words.hours(seconds), seconds)

    def percent(self, ratio: float | None, above: float | None = None) -> Cell:
        return Cell(self._words.percent(ratio, above), ratio)

    def day(self, day: date | None) -> Cell:
        return Cell(self._words.day(day))


def _columns(texts: Sequence[str], figures: Sequence[str]) -> tuple[Column, ...]:
    return (*(Column(title, is_short=title in _SHORT) for title in texts), *(Column(title, True) for title in figures))


def trend_table(trend: TrendReport, words: Words) -> Table:
    """One row a bucket."""
    cells = _Cells(words)
    rows = []
    for point in trend.points:
        bucket = words.bucket(point.bucket, trend.bucket)
        rows.append(
            (
                Cell(t.PARTIAL.format(bucket=bucket) if point.partial else bucket),
                cells.count(point.completed),
                cells.hours(point.worked_seconds),
                cells.time(point.mean_seconds),
                cells.percent(point.estimate_ratio),
                cells.count(point.gap_alerts),
            )
        )
    figures = (t.DONE, t.HOURS_COLUMN, t.AVERAGE, t.RATIO_COLUMN, t.ALERTS)
    return Table(t.TREND_TABLE, _columns([t.BUCKET[trend.bucket]], figures), tuple(rows))


def types_table(summary: Summary, words: Words) -> Table:
    """One row a ticket type, then the total."""
    cells = _Cells(words)
    named: list[tuple[str, Figures]] = [*summary.by_ticket_type.items(), (t.TOTAL, summary)]
    rows = tuple(
        (
            Cell(name),
            cells.count(one.completed),
            cells.hours(one.worked_seconds),
            cells.time(one.mean_seconds),
            cells.time(one.p50_seconds),
            cells.time(one.p90_seconds),
            cells.percent(one.estimate_ratio),
            cells.count(one.gap_alerts),
        )
        for name, one in named
    )
    figures = (t.DONE, t.HOURS_COLUMN, t.AVERAGE, t.MEDIAN, t.NINETIETH, t.RATIO_COLUMN, t.ALERTS)
    return Table(t.TYPES, _columns([t.TICKET_TYPE], figures), rows, has_total=True)


def steps_table(steps: StepReport, words: Words) -> Table:
    """One row a step, in the order of template and index."""
    cells = _Cells(words)
    rows = tuple(
        (
            Cell(step.step_name),
            Cell(step.template),
            cells.count(step.completed),
            cells.time(step.p25_seconds),
            cells.time(step.p50_seconds),
            cells.time(step.p75_seconds),
            cells.time(step.p90_seconds),
            cells.time(step.mean_estimated_seconds),
            cells.percent(step.estimate_ratio),
        )
        for step in steps
    )
    figures = (t.DONE, t.LOWER_QUARTER, t.MEDIAN, t.UPPER_QUARTER, t.NINETIETH, t.ESTIMATE, t.RATIO_COLUMN)
    return Table(t.STEPS, _columns([t.STEP, t.TEMPLATE], figures), rows)


def hours_table(days: TrendReport, words: Words) -> Table:
    """One row a week with hours in it, its days as the reader's weeks begin, and its sum."""
    cells = _Cells(words)
    by_day = {day.bucket: day.worked_seconds for day in days.points if day.worked_seconds}
    starts = sorted({day.toordinal() - (day.weekday() - words.first_weekday) % 7 for day in by_day})
    rows = []
    for start in starts:
        # Beyond the last date there is a week may have fewer days.
        week = [date.fromordinal(each) for each in range(max(start, 1), min(start + 7, date.max.toordinal() + 1))]
        worked = [by_day.get(day) for day in week]
        sums = cells.hours(sum(seconds or 0 for seconds in worked))
        padding = [_NOTHING] * (7 - len(week))
        rows.append((cells.day(week[0]), *map(cells.hours, worked), *padding, sums))
    return Table(t.HOURS_TABLE, _columns([t.WEEK], [*_weekdays(words), t.TOTAL]), tuple(rows))


def _weekdays(words: Words) -> list[str]:
    names = words.locale.days["format"]["abbreviated"]
    return [names[(words.first_weekday + day) % 7] for day in range(7)]


def gaps_table(page: AlertPage, is_of_all: bool, threshold: float, words: Words) -> Table:
    """One row an alert, the latest first; its ratio reads as one above the threshold."""
    cells = _Cells(words)
    rows = tuple(
        (
            Cell(alert.ticket_key),
            *([Cell(alert.user_id)] if is_of_all else []),
            cells.day(alert.day),
            Cell(alert.template if alert.step_name is None else f"{alert.template}: {alert.step_name}"),
            cells.time(alert.actual_seconds),
            cells.time(alert.estimated_seconds),
            cells.percent(alert.ratio, threshold),
        )
        for alert in page
    )
    texts = [t.TICKET, *([t.PERSON] if is_of_all else []), t.DAY, t.WHAT]
    return Table(t.GAPS, _columns(texts, (t.ACTUAL, t.ESTIMATE, t.RATIO_COLUMN)), rows)


def people_table(people: AggregationReport, words: Words) -> Table:
    """One row a person, by name; below five completions without what would compare them."""
    cells = _Cells(words)
    figures = (t.DONE, t.HOURS_COLUMN, t.AVERAGE, t.MEDIAN, t.RATIO_COLUMN, t.ALERTS)
    rows = tuple(
        (
            Cell(person.name),
            cells.count(person.completed),
            cells.hours(person.worked_seconds),
            *_compared(person, cells),
            cells.count(person.gap_alerts),
        )
        for person in people
    )
    return Table(t.PEOPLE, _columns([t.PERSON], figures), rows)


def _compared(person: Aggregation, cells: _Cells) -> tuple[Cell, Cell, Cell]:
    if person.completed < LEAST_TO_COMPARE:
        return (Cell(t.TOO_FEW_TO_COMPARE),) * 3
    return (cells.time(person.mean_seconds), cells.time(person.p50_seconds), cells.percent(person.estimate_ratio))


def recent_table(recent: Sequence[WorkflowRow], is_of_all: bool, threshold: float, words: Words) -> Table:
    """One row a ticket, the latest first; the ratio of one with a gap reads as one above the threshold."""
    cells = _Cells(words)
    rows = tuple(
        (
            Cell(row.ticket_key),
            *([Cell(row.user_id)] if is_of_all else []),
            cells.day(row.day),
            Cell(row.ticket_type),
            Cell(row.template),
            cells.time(row.active_seconds),
            cells.time(row.estimated_seconds),
            cells.percent(row.estimate_ratio, threshold if row.gap_alert else None),
            Cell(t.GAP_YES if row.gap_alert else ""),
        )
        for row in recent
    )
    texts = [t.TICKET, *([t.PERSON] if is_of_all else []), t.DAY, t.TICKET_TYPE, t.TEMPLATE]
    columns = (*_columns(texts, (t.TIME, t.ESTIMATE, t.RATIO_COLUMN)), *_columns([t.GAP_COLUMN], ()))
    return Table(t.RECENT, columns, rows)
