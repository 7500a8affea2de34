"""How a period went: put together from the reports of the same ranges, and the changes between them."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest
from facts_made import at, made

from timestrata import DateRange, History, InvalidRequest
from timestrata.answers import Change, Overview
from timestrata.calendar import PRESETS, bucket_starts
from timestrata.overview import period_before


def days(first: str | None, last: str | None) -> DateRange:
    return DateRange.parse(first, last)


JUNE_5_TO_14 = days("2024-06-05", "2024-06-14")
MAY_26_TO_JUNE_4 = days("2024-05-26", "2024-06-04")
PERIODS = [
    made("p0", 9000, completed_at=at("2024-05-25T09:00"), estimated_seconds=1),
    made("p1", 600, completed_at=at("2024-05-26T09:00"), estimated_seconds=500),
    made("p2", 400, completed_at=at("2024-06-04T23:00"), estimated_seconds=200, ticket_type="Feature"),
    made("n1", 300, completed_at=at("2024-06-05T00:00"), estimated_seconds=600),
    made("n2", 300, completed_at=at("2024-06-14T23:59:59"), user_id="bob"),
    made("n3", 150, completed_at=at("2024-06-14T08:00"), estimated_seconds=100),
    made("n4", 9000, completed_at=at("2024-06-15T00:00"), estimated_seconds=1),
]
"""Two periods of ten days, with something on each side."""


@pytest.fixture
def periods(history: History) -> History:
    history.record(PERIODS)
    return history


def approximately(change: Change) -> tuple[Any, ...]:
    ratio = None if change.ratio is None else round(change.ratio, 9)
    return change.value, change.before, change.difference, ratio, change.direction, change.verdict


def test_every_figure_stands_beside_that_of_the_period_before(periods: History) -> None:
    overview = periods.overview(JUNE_5_TO_14)

    assert overview.previous_dates == MAY_26_TO_JUNE_4
    assert approximately(overview.completed) == (3, 2, 1, 0.5, "up", "better")
    assert approximately(overview.mean_seconds) == (250.0, 500.0, -250.0, -0.5, "down", "better")
    assert approximately(overview.worked_seconds) == (750, 1000, -250, -0.25, "down", "neutral")
    assert approximately(overview.gap_alerts) == (1, 1, 0, 0.0, "flat", "neutral")
    assert overview.estimate_ratio.value == 450 / 700
    assert overview.estimate_ratio.before == 1000 / 700
    assert (overview.estimate_ratio.direction, overview.estimate_ratio.verdict) == ("down", "better")


def test_more_time_more_alerts_and_fewer_tickets_are_worse(periods: History) -> None:
    later = periods.overview(days("2024-06-15", "2024-06-15"))

    assert (later.completed.direction, later.completed.verdict) == ("down", "worse")
    assert (later.mean_seconds.direction, later.mean_seconds.verdict) == ("up", "worse")
    assert (later.estimate_ratio.direction, later.estimate_ratio.verdict) == ("up", "worse")
    assert (later.gap_alerts.direction, later.gap_alerts.verdict) == ("flat", "neutral")
    assert (later.worked_seconds.direction, later.worked_seconds.verdict) == ("up", "neutral")


def test_what_cannot_be_compared_has_no_change(periods: History) -> None:
    first = periods.overview(days("2024-05-25", "2024-05-25"))
    empty = periods.overview(days("2024-06-16", "2024-06-16"))

    assert first.completed == Change(1, 0, 1, None, "up", "better")
    assert first.mean_seconds == Change(9000.0, None, None, None, "none", "neutral")
    assert empty.mean_seconds == Change(None, 9000.0, None, None, "none", "neutral")
    assert approximately(empty.completed) == (0, 1, -1, -1.0, "down", "worse")


@pytest.mark.parametrize(
    "dates", ["all_time", days("2024-06-01", None), days(None, "2024-06-14"), days("0001-01-05", "0050-06-14")], ids=str
)
def test_a_range_without_a_period_before_has_no_changes(periods: History, dates: Any) -> None:
    overview = periods.overview(dates)

    assert (overview.previous_dates, overview.previous) == (None, None)
    assert overview.completed.value == overview.summary.completed
    assert overview.completed == Change(overview.summary.completed, None, None, None, "none", "neutral")


def test_the_period_before_has_as_many_days() -> None:
    def before(first: str, last: str) -> str:
        return str(period_before(days(first, last)))

    assert before("2024-03-01", "2024-03-31") == "2024-01-30 to 2024-02-29"
    assert before("2024-06-15", "2024-06-15") == "2024-06-14 to 2024-06-14"
    assert before("0001-01-02", "0001-01-02") == "0001-01-01 to 0001-01-01"
    assert before("0001-01-02", "0001-01-03") == "None"


@pytest.mark.parametrize("dates", [*PRESETS, JUNE_5_TO_14, days("2020-01-01", "2024-06-20")], ids=str)
@pytest.mark.parametrize("asked", [{}, {"user_id": "ada"}, {"ticket_type": "Bug"}, {"user_id": "nobody"}], ids=str)
def test_an_overview_says_what_the_other_reports_say(periods: History, dates: Any, asked: dict[str, Any]) -> None:
    overview = periods.overview(dates, **asked)

    assert overview.summary == periods.summary(dates, **asked)
    assert overview.trend == periods.trend(dates, overview.trend.bucket, **asked)
    assert overview.recent == periods.workflows(dates, limit=10, **asked).workflows
    assert overview.coverage == overview.summary.coverage
    if overview.previous_dates is not None:
        assert overview.previous == periods.summary(overview.previous_dates, **asked)
    for name in ("completed", "mean_seconds", "estimate_ratio", "worked_seconds", "gap_alerts"):
        change: Change = getattr(overview, name)
        assert change.value == getattr(overview.summary, name)
        assert change.before == getattr(overview.previous, name, None)


def test_the_trend_is_divided_where_asked(periods: History) -> None:
    overview = periods.overview(JUNE_5_TO_14, by="ticket_type")

    assert overview.trend == periods.trend(JUNE_5_TO_14, "day", by="ticket_type")
    with pytest.raises(InvalidRequest):
        periods.overview(JUNE_5_TO_14, by="colour")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("length", "bucket"),
    [(1, "day"), (120, "day"), (121, "week"), (827, "week"), (834, "week"), (835, "month"), (3600, "month")],
)
def test_a_trend_has_at_most_120_buckets(history: History, length: int, bucket: str) -> None:
    first = date(2024, 1, 7)  # a Sunday: its week begins six days earlier
    dates = DateRange(first, first + timedelta(days=length - 1))

    trend = history.overview(dates).trend

    assert trend.bucket == bucket
    assert len(trend.points) <= 120


def test_over_ten_years_come_by_month(history: History) -> None:
    trend = history.overview(days("2000-01-01", "2024-06-15")).trend

    assert (trend.bucket, len(trend.points)) == ("month", 294)


def test_an_open_range_is_as_long_as_what_it_holds(periods: History) -> None:
    assert periods.overview("all_time").trend.bucket == "day"
    periods.record(made("old", completed_at=at("2023-06-15T09:00")))

    overview = periods.overview("all_time")

    assert overview.trend.bucket == "week"
    assert len(overview.trend.points) == len(list(bucket_starts(date(2023, 6, 15), date(2024, 6, 15), "week")))
    assert periods.overview(days(None, "2023-01-01")).trend.bucket == "day"


def zoned(workflow_id: str, completed_at: str, timezone: str) -> Any:
    return made(workflow_id, completed_at=at(completed_at), timezone=timezone)


def test_the_last_completions_are_the_last_by_the_clock_and_not_by_the_calendar(history: History) -> None:
    west = [zoned(f"w{hour}", f"2024-06-10T{hour:02}:30", "Pacific/Pago_Pago") for hour in range(1, 11)]  # 9 June there
    east = [zoned(f"e{hour}", f"2024-06-09T{hour:02}:00", "Pacific/Kiritimati") for hour in range(10, 22)]  # 10 June
    history.record([*west, *east])

    overview = history.overview("all_time")

    assert [row.workflow_id for row in overview.recent] == [f"w{hour}" for hour in range(10, 0, -1)]
    assert {row.day for row in overview.recent} == {date(2024, 6, 9)}


def test_an_empty_store_has_an_overview(history: History) -> None:
    overview: Overview = history.overview()

    assert overview.dates == days("2024-05-17", "2024-06-15")
    assert overview.completed == Change(0, 0, 0, None, "flat", "neutral")
    assert overview.estimate_ratio == Change(None, None, None, None, "none", "neutral")
    assert overview.recent == ()
    assert len(overview.trend.points) == 30
