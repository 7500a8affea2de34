"""How a period went: its figures beside those of the period before, its course, and what was done last.

Everything is put together from the answers of summary(), trend() and workflows(), in one snapshot.
"""

from __future__ import annotations

from datetime import date, timedelta

from sqlalchemy import func, select

from timestrata import lists, reports, schema, series
from timestrata.answers import By, Change, Direction, Overview, Summary, Verdict
from timestrata.calendar import BUCKETS, Bucket, DateRange, bucket_starts, day_date
from timestrata.sums import Scope, Snapshot, values_of, within

MOST_BARS = 120
RECENT = 10

_BETTER: dict[str, Direction | None] = {
    "completed": "up",
    "mean_seconds": "down",
    "estimate_ratio": "down",
    "worked_seconds": None,
    "gap_alerts": "down",
}
"""The direction in which a figure gets better; hours have none."""


def overview(snapshot: Snapshot, scope: Scope, by: By | None, today: date) -> Overview:
    """Return the overview of a scope. Raises InvalidRequest."""
    previous_dates = period_before(scope.dates)
    summary = reports.summary(snapshot, scope)
    previous = None
    if previous_dates is not None:
        previous = reports.summary(snapshot, scope._replace(dates=previous_dates))
    return Overview(
        dates=scope.dates,
        previous_dates=previous_dates,
        user_id=scope.user_id,
        ticket_type=scope.ticket_type,
        **{name: _change(name, summary, previous) for name in _BETTER},
        summary=summary,
        previous=previous,
        trend=series.trends(snapshot, scope, _bars(snapshot, scope), "mean_seconds", by, today),
        recent=lists.workflows(snapshot, scope, RECENT, None).workflows,
        coverage=summary.coverage,
    )


def period_before(dates: DateRange) -> DateRange | None:
    """Return the days before a range, as many as it has; None when it is open or there are not so many.

    >>> str(period_before(DateRange.parse("2024-03-01", "2024-03-30")))
    '2024-01-31 to 2024-02-29'
    """
    if dates.first is None or dates.days is None or (dates.first - date.min).days < dates.days:
        return None
    return DateRange(dates.first - timedelta(days=dates.days), dates.first - timedelta(days=1))


def _change(name: str, summary: Summary, previous: Summary | None) -> Change:
    value, before = getattr(summary, name), getattr(previous, name, None)
    if value is None or before is None:
        return Change(value, before, None, None, "none", "neutral")
    direction: Direction = "up" if value > before else "down" if value < before else "flat"
    ratio = (value - before) / before if before else None
    return Change(value, before, value - before, ratio, direction, _verdict(_BETTER[name], direction))


def _verdict(better: Direction | None, direction: Direction) -> Verdict:
    if better is None or direction == "flat":
        return "neutral"
    return "better" if direction == better else "worse"


def _bars(snapshot: Snapshot, scope: Scope) -> Bucket:
    """Return the finest bucket of which a range has at most 120, else a month."""
    first, last = scope.dates.first, scope.dates.last
    if first is None or last is None:
        least, most = _days(snapshot, scope)
        first, last = first or least, last or most
    if first is None or last is None or last < first:
        return "day"
    for bucket in BUCKETS[:-1]:
        # Counted by length first: a range may have three million days.
        if (last - first).days <= MOST_BARS * 7 and len(list(bucket_starts(first, last, bucket))) <= MOST_BARS:
            return bucket
    return BUCKETS[-1]


def _days(snapshot: Snapshot, scope: Scope) -> tuple[date | None, date | None]:
    """Return the first and the last day of a scope on which something was completed or worked."""
    days: list[int] = []
    for cells in (schema.cell_completion, schema.cell_worked):
        found = snapshot.connection.execute(
            select(func.min(cells.c.day), func.max(cells.c.day)).where(within(cells, scope)), values_of(scope)
        )
        days += [day for day in found.one() if day is not None]
    return (day_date(min(days)), day_date(max(days))) if days else (None, None)
