"""Series over time: sums by bucket, moving figures, and the trend of a measure."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import lru_cache

from sqlalchemy import Connection, Table

from timestrata import schema
from timestrata.answers import BYS, TREND_MEASURES, By, Series, TrendMeasure, TrendPoint, TrendReport
from timestrata.calendar import BUCKETS, Bucket, DateRange, bucket_start, bucket_starts, day_date, next_bucket
from timestrata.errors import InvalidRequest
from timestrata.measures import ratio
from timestrata.reports import coverage, names_of
from timestrata.sums import Key, Scope, Snapshot
from timestrata.trends import Trend, trend

MOST_BUCKETS = 10_000
MOST_JUDGED = 4_000
"""Points of a trend, 11 years of days. Every two have a slope: 3,650 take 4.5 s and 0.4 GB, 10,000 35 s and 3 GB."""

_MOST_REMEMBERED = 400
"""Points of a series whose trend is remembered: a year of days."""

MOVING_BUCKETS: dict[Bucket, int] = {"day": 7, "week": 4, "month": 3}
"""Buckets in a moving average."""


@dataclass(slots=True)
class _Bucket:
    """Sums of one bucket, being added up."""

    completed: int = 0
    active: int = 0
    estimated: int = 0
    estimated_active: int = 0
    gaps: int = 0
    worked: int = 0


def trends(
    snapshot: Snapshot, scope: Scope, bucket: Bucket, measure: TrendMeasure, by: By | None, today: date
) -> TrendReport:
    """Return the series of a scope by bucket.

    Raises InvalidRequest for more than 10,000 buckets, and for more than 4,000 that are full and have a value.
    """
    _check_choice("bucket", bucket, BUCKETS)
    _check_choice("measure", measure, TREND_MEASURES)
    if by is not None:
        _check_choice("by", by, BYS)
    sums = _bucket_sums(snapshot, scope, bucket, by)
    starts = starts_of(scope.dates, bucket, {start for buckets in sums.values() for start in buckets})
    whole = _added(sums)
    named = _named(snapshot.connection, sums, by) if by else {}
    partial = {start for start in starts if is_partial(start, bucket, scope.dates, today)}

    def series(buckets: dict[date, _Bucket]) -> Series:
        points = _points(starts, partial, buckets, MOVING_BUCKETS[bucket])
        return Series(points, _trend(points, measure))

    return TrendReport(
        scope.dates,
        bucket,
        measure,
        scope.user_id,
        series(whole),
        {name: series(named[name]) for name in sorted(named)},
        coverage(snapshot.connection, scope.user_id),
    )


def judged(report: TrendReport, measure: TrendMeasure) -> TrendReport:
    """Return a report with the trend of another measure: as if it had been asked for. Raises InvalidRequest."""
    _check_choice("measure", measure, TREND_MEASURES)
    by = {name: Series(one.points, _trend(one.points, measure)) for name, one in report.by.items()}
    return replace(report, measure=measure, total=Series(report.points, _trend(report.points, measure)), by=by)


def _named(
    connection: Connection, sums: Mapping[int | None, dict[date, _Bucket]], by: By
) -> dict[str, dict[date, _Bucket]]:
    names = names_of(connection, schema.template if by == "template" else schema.ticket_type)
    return {names[number]: buckets for number, buckets in sums.items() if number is not None}


def _check_choice(argument: str, found: str, choices: tuple[str, ...]) -> None:
    if found not in choices:
        raise InvalidRequest(argument, found, f"one of {', '.join(choices)}")


def _bucket_sums(
    snapshot: Snapshot, scope: Scope, bucket: Bucket, by: By | None
) -> dict[int | None, dict[date, _Bucket]]:
    """Return sums by dimension id (None when not asked for) and bucket start; only buckets that have anything."""
    done, work = schema.cell_completion, schema.cell_worked
    wanted = ("observations", "active_seconds", "estimated_seconds", "estimated_active_seconds", "gap_alerts")
    sums: dict[int | None, dict[date, _Bucket]] = {}

    def at(day: int, number: int | None = None) -> _Bucket:
        return sums.setdefault(number, {}).setdefault(bucket_start(day_date(day), bucket), _Bucket())

    def by_day(cells: Table, columns: Sequence[str]) -> dict[Key, tuple[int, ...]]:
        keys = {"day": cells.c.day}
        if by is not None:
            keys[by] = cells.c[f"{by}_id"]
        return snapshot.sums(cells, scope, keys, columns)

    for key, (completed, active, estimated, estimated_active, gaps) in by_day(done, wanted).items():
        one = at(*key)
        one.completed += completed
        one.active += active
        one.estimated += estimated
        one.estimated_active += estimated_active
        one.gaps += gaps
    for key, (seconds,) in by_day(work, ("worked_seconds",)).items():
        at(*key).worked += seconds
    return sums


def _added(sums: Mapping[int | None, Mapping[date, _Bucket]]) -> dict[date, _Bucket]:
    whole: dict[date, _Bucket] = {}
    for buckets in sums.values():
        for start, one in buckets.items():
            into = whole.setdefault(start, _Bucket())
            for name in _Bucket.__slots__:
                setattr(into, name, getattr(into, name) + getattr(one, name))
    return whole


def starts_of(dates: DateRange, bucket: Bucket, filled: Collection[date]) -> list[date]:
    """Return the start of every bucket of a range; an open side ends at the first or last one that has anything.

    Raises InvalidRequest for more than 10,000.
    """
    first = dates.first or min(filled, default=None)
    last = dates.last or max(filled, default=None)
    if first is None or last is None or last < first:
        return []
    if (last - first).days // {"day": 1, "week": 7, "month": 31}[bucket] > MOST_BUCKETS:
        raise InvalidRequest("dates", f"{first} to {last} by {bucket}", f"at most {MOST_BUCKETS} buckets")
    return list(bucket_starts(first, last, bucket))


def is_partial(start: date, bucket: Bucket, dates: DateRange, today: date) -> bool:
    """Tell whether a range cuts a bucket, or the bucket is not over yet."""
    after = next_bucket(start, bucket)
    begins_late = dates.first is not None and start < dates.first
    ends_early = dates.last is not None and after - timedelta(days=1) > dates.last
    return begins_late or ends_early or after > today


def _points(
    starts: list[date], partial: set[date], buckets: Mapping[date, _Bucket], window: int
) -> tuple[TrendPoint, ...]:
    nothing = _Bucket()
    row = [buckets.get(start, nothing) for start in starts]
    points = []
    for index, (start, one) in enumerate(zip(starts, row, strict=True)):
        first = index - window + 1
        full = first >= 0 and not partial.intersection(starts[first : index + 1])
        recent = row[first : index + 1] if full else []
        completed = sum(each.completed for each in recent)
        points.append(
            TrendPoint(
                bucket=start,
                partial=start in partial,
                completed=one.completed,
                active_seconds=one.active,
                worked_seconds=one.worked,
                mean_seconds=ratio(one.active, one.completed),
                estimate_ratio=ratio(one.estimated_active, one.estimated),
                gap_alerts=one.gaps,
                moving_mean_seconds=ratio(sum(each.active for each in recent), completed),
                moving_completed=completed / window if full else None,
                moving_worked_seconds=sum(each.worked for each in recent) / window if full else None,
            )
        )
    return tuple(points)


def _trend(points: tuple[TrendPoint, ...], measure: TrendMeasure) -> Trend:
    values = [(index, getattr(point, measure)) for index, point in enumerate(points) if not point.partial]
    known = [(index, value) for index, value in values if value is not None]
    if len(known) > MOST_JUDGED:
        wanted = f"at most {MOST_JUDGED}: a shorter range, or weeks or months"
        raise InvalidRequest("dates", f"{len(known)} buckets to judge", wanted)
    return _remembered(tuple(known)) if len(known) <= _MOST_REMEMBERED else trend(known)


# A bucket that is over hardly changes any more, so the same series are judged at every visit: 0.2 ms for thirty days.
_remembered = lru_cache(maxsize=256)(trend)
