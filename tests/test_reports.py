"""What a history answers: figures worked out by hand, buckets, presets, and the SQL views that say the same."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from conftest import NOW
from facts_made import NINE, assert_in_step, at, made
from sqlalchemy import insert, inspect, text

from timestrata import (
    Coverage,
    DailyRow,
    DateRange,
    Figures,
    History,
    InvalidRequest,
    Pause,
    StepFigures,
    StepTime,
    Summary,
    TimeSession,
    TrendPoint,
    open_history,
    schema,
)
from timestrata.calendar import PRESETS, day_number

NIGHT = TimeSession(
    at("2024-06-13T23:00"), at("2024-06-14T01:00"), pauses=(Pause(at("2024-06-13T23:30"), at("2024-06-14T00:30")),)
)
WEEKS = [
    # Exactly 120 % of its estimate: no alert.
    made(
        "a1",
        completed_at=at("2024-06-03T09:00"),
        steps=(StepTime(0, "Test", 100, 100), StepTime(1, "Fix", 200)),
        estimated_seconds=250,
    ),
    made("a2", 400, completed_at=at("2024-06-04T09:00"), estimated_seconds=200),
    made(
        "a3",
        completed_at=at("2024-06-10T09:00"),
        ticket_type="Feature",
        template="Release",
        steps=(StepTime(0, "Build", 60),),
    ),
    made(
        "a4",
        completed_at=at("2024-06-14T09:00"),
        steps=(StepTime(0, "Test", sessions=(NIGHT,)),),
        estimated_seconds=3600,
    ),
    made("b1", 140, user_id="bob", completed_at=at("2024-06-12T09:00"), estimated_seconds=100),
]
"""Two weeks of two people: the second one is running at NOW, a Saturday."""


@pytest.fixture
def weeks(history: History) -> History:
    history.record(WEEKS)
    return history


def days(first: str | None, last: str | None) -> DateRange:
    return DateRange.parse(first, last)


NOTHING: dict[str, Any] = {
    "completed": 0,
    "users": 0,
    "active_seconds": 0,
    "paused_seconds": 0,
    "worked_seconds": 0,
    "with_estimate": 0,
    "estimated_seconds": 0,
    "mean_estimated_seconds": None,
    "estimate_ratio": None,
    "efficiency": None,
    "mean_seconds": None,
    "stddev_seconds": None,
    "min_seconds": None,
    "max_seconds": None,
    "p25_seconds": None,
    "p50_seconds": None,
    "p75_seconds": None,
    "p80_seconds": None,
    "p90_seconds": None,
    "gap_alerts": 0,
    "reworked": 0,
    "first_pass_ratio": None,
}
FIELDS = tuple(NOTHING)


def figures(found: Figures) -> dict[str, Any]:
    return {name: getattr(found, name) for name in FIELDS}


# --------------------------------------------------------------------------------------------------------- summaries


def test_a_summary_of_everything(weeks: History) -> None:
    assert figures(weeks.summary("all_time")) == {
        "completed": 5,
        "users": 2,
        "active_seconds": 4500,
        "paused_seconds": 3600,
        "worked_seconds": 4500,
        "with_estimate": 4,
        "estimated_seconds": 4150,
        "mean_estimated_seconds": 1037.5,
        "estimate_ratio": pytest.approx(4440 / 4150, rel=1e-15),
        "efficiency": pytest.approx(4150 / 4440, rel=1e-15),
        "mean_seconds": 900.0,
        # The squares of 840, 760, 600, 500 and 2700, which sum to 9,183,200, over 4.
        "stddev_seconds": pytest.approx(1515.1897571, rel=1e-9),
        "min_seconds": 60,
        "max_seconds": 3600,
        "p25_seconds": 140,
        # 300 and 400 stand in buckets of two seconds, whose upper one stands for both.
        "p50_seconds": 301,
        "p75_seconds": 401,
        "p80_seconds": 401,
        "p90_seconds": 3600,
        "gap_alerts": 2,
        "reworked": 0,
        "first_pass_ratio": 1.0,
    }


def test_the_latest_day_is_the_last_with_anything_done_on_it(weeks: History) -> None:
    last = {
        (user, kind): max(
            (row.day for row in weeks.daily("all_time", user) if kind is None or row.ticket_type == kind), default=None
        )
        for user in (None, "ada", "bob")
        for kind in (None, "Bug", "Feature", "Story")
    }

    assert last[None, None] is not None
    assert {asked: weeks.latest_day(*asked) for asked in last} == last
    assert weeks.latest_day("nobody") is weeks.latest_day("\0") is None

    weeks.record(made("late", user_id="bob", completed_at=NOW, ticket_type="Story"))

    assert weeks.latest_day() == weeks.latest_day("bob", "Story") == NOW.date()
    assert weeks.latest_day("ada") == last["ada", None]


def test_the_ticket_types_of_a_person_are_those_with_time(weeks: History) -> None:
    assert weeks.ticket_types() == weeks.ticket_types("ada") == ("Bug", "Feature")
    assert weeks.ticket_types("bob") == ("Bug",)
    assert weeks.ticket_types("nobody") == weeks.ticket_types("\0") == ()

    weeks.delete("ada", "a3")

    assert weeks.ticket_types("ada") == ("Bug",)


def test_a_summary_by_ticket_type(weeks: History) -> None:
    by_type = weeks.summary("all_time").by_ticket_type

    assert list(by_type) == ["Bug", "Feature"]
    assert (by_type["Bug"].completed, by_type["Bug"].active_seconds, by_type["Bug"].users) == (4, 4440, 2)
    assert figures(by_type["Feature"]) == NOTHING | {
        "completed": 1,
        "users": 1,
        "active_seconds": 60,
        "worked_seconds": 60,
        "mean_seconds": 60.0,
        "min_seconds": 60,
        "max_seconds": 60,
        "p25_seconds": 60,
        "p50_seconds": 60,
        "p75_seconds": 60,
        "p80_seconds": 60,
        "p90_seconds": 60,
        "first_pass_ratio": 1.0,
    }


def test_worked_time_stands_on_the_days_it_was_worked(weeks: History) -> None:
    thirteenth, fourteenth = (weeks.summary(days(day, day)) for day in ("2024-06-13", "2024-06-14"))

    assert figures(thirteenth) == NOTHING | {"worked_seconds": 1800}
    assert figures(thirteenth.by_ticket_type["Bug"]) == NOTHING | {"worked_seconds": 1800}
    assert (fourteenth.completed, fourteenth.active_seconds, fourteenth.worked_seconds) == (1, 3600, 1800)


def test_a_step_that_is_entered_again_is_rework(history: History) -> None:
    def worked(start: str) -> TimeSession:
        return TimeSession(at(start), at(start) + timedelta(minutes=1))

    back = (
        StepTime(0, "Test", sessions=(worked("2024-05-06T07:00"), worked("2024-05-06T08:00"))),
        StepTime(1, "Fix", sessions=(worked("2024-05-06T07:30"),)),
    )
    history.record([made("w1", steps=back), made("w2"), made("w3"), made("w4")])

    summary = history.summary("all_time")
    reworked = {(step.step_name, step.reworked, step.first_pass_ratio) for step in history.steps("all_time")}

    assert (summary.reworked, summary.first_pass_ratio) == (1, 0.75)
    assert reworked == {("Test", 1, 0.75), ("Fix", 0, 1.0)}


@pytest.mark.parametrize(
    ("asked", "completed", "active", "users"),
    [
        ((days("2024-06-03", "2024-06-04"),), 2, 700, 1),
        ((days("2024-06-04", "2024-06-10"),), 2, 460, 1),
        ((days(None, "2024-06-03"),), 1, 300, 1),
        ((days("2024-06-12", None),), 2, 3740, 2),
        ((days(None, None),), 5, 4500, 2),
        ((days("1999-01-01", "2099-12-31"),), 5, 4500, 2),
        ((days("2024-06-05", "2024-06-09"),), 0, 0, 0),
        (("all_time", "bob"), 1, 140, 1),
        (("all_time", "ada", "Bug"), 3, 4300, 1),
        (("all_time", None, "Feature"), 1, 60, 1),
        (("all_time", "bob", "Feature"), 0, 0, 0),
        (("all_time", "nobody"), 0, 0, 0),
        (("all_time", None, "Nothing"), 0, 0, 0),
        (("last_7_days",), 3, 3800, 2),
        (("this_week", "ada"), 2, 3660, 1),
        (("last_week",), 2, 700, 1),
        (("today",), 0, 0, 0),
        (("yesterday",), 1, 3600, 1),
    ],
    ids=str,
)
def test_a_summary_of_a_range_a_user_a_type(
    weeks: History, asked: Any, completed: int, active: int, users: int
) -> None:
    summary = weeks.summary(*asked)

    assert (summary.completed, summary.active_seconds, summary.users) == (completed, active, users)


def test_an_empty_store_has_nothing(history: History) -> None:
    summary = history.summary("all_time")

    assert figures(summary) == NOTHING
    assert summary.by_ticket_type == {}
    assert summary.coverage == Coverage(None, None, 0)
    assert history.daily("all_time").rows == ()
    assert history.steps("all_time").steps == ()
    assert history.trend("all_time").points == ()
    assert history.trend("all_time").trend.verdict == "too few"
    averages = history.averages("ada")
    assert figures(averages.total.all_time) == figures(averages.total.rolling_30_days) == NOTHING
    assert averages.by_ticket_type == {}


def test_sums_of_squares_may_pass_63_bits(history: History) -> None:
    """540,000 observations, half of them of 10^7 seconds: their squares sum to 2.7 * 10^19."""
    history.record([made(workflow_id="w1", completed_at=at("2024-05-01T09:00"))])
    cells = schema.cell_completion
    many, most = 90_000, 10_000_000
    with history.engine.begin() as connection:
        template = connection.execute(cells.select()).one()._asdict()
        connection.execute(cells.delete())
        connection.execute(schema.cell_step.delete())
        for day in range(3):
            for seconds, bucket in ((most, 2304), (0, 0)):
                row = template | {
                    "day": day_number(date(2024, 5, 6 + day)),
                    "bucket": bucket,
                    "observations": many,
                    "active_seconds": many * seconds,
                    "active_squared": many * seconds**2,
                    "min_seconds": seconds,
                    "max_seconds": seconds,
                }
                connection.execute(insert(cells).values(**row))

    summary = history.summary("all_time")

    assert (summary.completed, summary.active_seconds) == (540_000, 2_700_000_000_000)
    # Half of 10^7, times the root of 540,000 / 539,999.
    assert summary.stddev_seconds == pytest.approx(5_000_004.62964, rel=1e-11)
    assert summary.mean_seconds == 5_000_000.0


# ----------------------------------------------------------------------------------------------------------- coverage


def test_the_revision_changes_with_every_change_and_with_nothing_else(weeks: History) -> None:
    def revision(user: str | None = None) -> int:
        return weeks.summary("all_time", user).coverage.revision

    assert (revision(), revision("ada"), revision("bob"), revision("nobody")) == (5, 4, 1, 0)

    weeks.record(WEEKS)
    weeks.record(made("a2", 1))
    weeks.correct(WEEKS[0])
    assert (revision(), revision("ada"), revision("bob")) == (5, 4, 1)

    weeks.record(made("new"))
    assert (revision(), revision("ada"), revision("bob")) == (6, 5, 1)
    weeks.correct(made("new", 1))
    assert (revision(), revision("ada")) == (7, 6)
    weeks.delete("ada", "new")
    assert (revision(), revision("ada")) == (8, 7)
    weeks.delete("ada", "new")
    assert (revision(), revision("ada")) == (8, 7)


def test_every_answer_carries_its_coverage(weeks: History) -> None:
    everything, mine = Coverage(None, None, 5), Coverage(None, None, 4)

    assert weeks.summary("today").coverage == everything
    assert weeks.daily("today", "ada").coverage == mine
    assert weeks.steps("today").coverage == everything
    assert weeks.trend("all_time", user_id="ada").coverage == mine
    assert weeks.averages("ada").coverage == mine
    assert weeks.workflows("today").coverage == everything


def test_a_sealed_day_is_part_of_the_coverage(weeks: History) -> None:
    with weeks.engine.begin() as connection:
        sealed = schema.user_state.update().where(schema.user_state.c.user_id == 1)
        connection.execute(sealed.values(sealed_through=day_number(date(2024, 2, 28))))

    assert weeks.summary("all_time").coverage == Coverage(date(2024, 2, 29), date(2024, 2, 28), 5)


# ------------------------------------------------------------------------------------------------------------- trends


def point(bucket: str, **given: Any) -> TrendPoint:
    nothing: dict[str, Any] = {
        "partial": False,
        "completed": 0,
        "active_seconds": 0,
        "worked_seconds": 0,
        "mean_seconds": None,
        "estimate_ratio": None,
        "gap_alerts": 0,
        "moving_mean_seconds": None,
        "moving_completed": None,
        "moving_worked_seconds": None,
    }
    return TrendPoint(bucket=date.fromisoformat(bucket), **(nothing | given))


def test_a_trend_by_week(weeks: History) -> None:
    report = weeks.trend(days("2024-05-27", "2024-06-16"), "week")

    assert report.points == (
        point("2024-05-27"),
        point(
            "2024-06-03",
            completed=2,
            active_seconds=700,
            worked_seconds=700,
            mean_seconds=350.0,
            estimate_ratio=700 / 450,
            gap_alerts=1,
        ),
        point(
            "2024-06-10",
            partial=True,  # it runs at NOW
            completed=3,
            active_seconds=3800,
            worked_seconds=3800,
            mean_seconds=3800 / 3,
            estimate_ratio=3740 / 3700,
            gap_alerts=1,
        ),
    )
    assert report.trend.buckets == 1
    assert report.by == {}


def test_a_trend_by_day_is_zero_filled(weeks: History) -> None:
    points = weeks.trend(days("2024-06-10", "2024-06-15"), "day").points

    assert [(each.bucket.day, each.completed, each.active_seconds, each.worked_seconds) for each in points] == [
        (10, 1, 60, 60),
        (11, 0, 0, 0),
        (12, 1, 140, 140),
        (13, 0, 0, 1800),
        (14, 1, 3600, 1800),
        (15, 0, 0, 0),
    ]
    assert [each.partial for each in points] == [False] * 5 + [True]


def test_a_trend_by_month_covers_empty_months(history: History) -> None:
    history.record(
        [
            made("w1", 10, completed_at=at("2023-11-30T23:59:59")),
            made("w2", 20, completed_at=at("2024-02-01")),
            made("w3", 30, completed_at=at("2024-02-29T23:59:59")),
        ]
    )

    points = history.trend("all_time", "month").points

    assert [(str(each.bucket), each.completed, each.mean_seconds, each.moving_completed) for each in points] == [
        ("2023-11-01", 1, 10.0, None),
        ("2023-12-01", 0, None, None),
        ("2024-01-01", 0, None, 1 / 3),
        ("2024-02-01", 2, 25.0, 2 / 3),
    ]
    assert not any(each.partial for each in points)


@pytest.mark.parametrize(
    ("dates", "bucket", "partial"),
    [
        (days("2024-01-01", "2024-02-29"), "month", [False, False]),
        (days("2024-01-02", "2024-02-29"), "month", [True, False]),
        (days("2024-01-01", "2024-02-28"), "month", [False, True]),
        (days("2024-01-08", "2024-01-21"), "week", [False, False]),
        (days("2024-01-09", "2024-01-20"), "week", [True, True]),
        (days("2024-01-10", "2024-01-10"), "week", [True]),
        (days("2024-01-09", "2024-01-10"), "day", [False, False]),
        (days("2024-06-13", "2024-06-17"), "day", [False, False, True, True, True]),
        (days("2024-05-01", "2024-07-31"), "month", [False, True, True]),
    ],
    ids=str,
)
def test_a_bucket_that_is_cut_or_not_over_is_partial(
    history: History, dates: DateRange, bucket: Any, partial: list[bool]
) -> None:
    assert [each.partial for each in history.trend(dates, bucket).points] == partial


def test_a_day_is_over_when_it_is_over_for_the_user(history: History) -> None:
    dates = days("2024-06-14", "2024-06-15")
    history.set_timezone("ada", "Pacific/Kiritimati")  # 2024-06-16, 2 o'clock

    assert [each.partial for each in history.trend(dates, "day").points] == [False, True]
    assert [each.partial for each in history.trend(dates, "day", "ada").points] == [False, False]


def test_moving_figures_cover_seven_days(weeks: History) -> None:
    points = weeks.trend(days("2024-06-01", "2024-06-15"), "day").points
    moving = {
        each.bucket.day: (each.moving_completed, each.moving_mean_seconds, each.moving_worked_seconds)
        for each in points
    }

    assert all(moving[day] == (None, None, None) for day in range(1, 7))
    assert moving[7] == (2 / 7, 350.0, 100.0)
    assert moving[9] == (2 / 7, 350.0, 100.0)
    assert moving[10] == (2 / 7, 230.0, 460 / 7)
    assert moving[11] == (1 / 7, 60.0, 60 / 7)
    assert moving[14] == (3 / 7, 3800 / 3, 3800 / 7)
    assert moving[15] == (None, None, None)  # today is not over


def test_moving_figures_cover_four_weeks(weeks: History) -> None:
    points = weeks.trend(days("2024-05-13", "2024-06-09"), "week").points

    assert [each.moving_completed for each in points] == [None, None, None, 0.5]
    assert points[3].moving_mean_seconds == 350.0
    assert points[3].moving_worked_seconds == 175.0


def test_a_partial_bucket_has_no_place_in_a_moving_figure(weeks: History) -> None:
    points = weeks.trend(days("2024-05-14", "2024-06-09"), "week").points

    assert [each.moving_completed for each in points] == [None] * 4


def test_an_empty_window_has_a_mean_of_none(history: History) -> None:
    (last,) = history.trend(days("2024-01-01", "2024-01-07"), "day").points[-1:]

    assert (last.moving_completed, last.moving_mean_seconds, last.moving_worked_seconds) == (0.0, None, 0.0)


@pytest.mark.parametrize(
    ("by", "wanted"),
    [
        ("ticket_type", {"Bug": [2, 2], "Feature": [0, 1]}),
        ("template", {"QA": [2, 2], "Release": [0, 1]}),
    ],
)
def test_a_trend_by_name_has_a_series_each(weeks: History, by: Any, wanted: dict[str, list[int]]) -> None:
    report = weeks.trend(days("2024-06-03", "2024-06-16"), "week", by=by)

    assert {name: [each.completed for each in series.points] for name, series in report.by.items()} == wanted
    assert list(report.by) == sorted(wanted)
    assert [each.completed for each in report.points] == [2, 3]


def test_a_trend_of_a_user_and_a_type(weeks: History) -> None:
    dates = days("2024-06-03", "2024-06-16")

    assert [each.completed for each in weeks.trend(dates, "week", "ada").points] == [2, 2]
    assert [each.completed for each in weeks.trend(dates, "week", ticket_type="Feature").points] == [0, 1]
    assert [each.completed for each in weeks.trend(dates, "week", "nobody").points] == [0, 0]
    assert weeks.trend("all_time", "week", "nobody").points == ()


def test_an_open_range_ends_where_there_is_something(weeks: History) -> None:
    def bounds(dates: Any) -> tuple[str, str]:
        points = weeks.trend(dates, "day").points
        return str(points[0].bucket), str(points[-1].bucket)

    assert bounds("all_time") == ("2024-06-03", "2024-06-14")
    assert bounds(days("2024-06-05", None)) == ("2024-06-05", "2024-06-14")
    assert bounds(days(None, "2024-06-08")) == ("2024-06-03", "2024-06-08")
    assert weeks.trend(days("2024-06-20", None), "day").points == ()


MEASURES: dict[Any, list[Any]] = {
    "mean_seconds": [100.0, 110.0, 120.0, 130.0, 140.0, 150.0, 160.0],
    "completed": [1, 1, 1, 1, 1, 1, 1],
    "active_seconds": [100, 110, 120, 130, 140, 150, 160],
}


@pytest.mark.parametrize("measure", MEASURES)
def test_the_verdict_is_about_the_measure_asked_for(history: History, measure: Any) -> None:
    history.record(made(f"w{n}", 100 + 10 * n, completed_at=NINE + timedelta(days=n)) for n in range(7))

    report = history.trend(days("2024-05-06", "2024-05-12"), "day", measure=measure)

    assert [getattr(each, measure) for each in report.points] == MEASURES[measure]
    assert report.trend.buckets == 7
    if measure == "completed":
        assert (report.trend.slope, report.trend.verdict) == (0.0, "no evidence of change")
    else:
        assert (report.trend.slope, report.trend.theil_sen_slope, report.trend.verdict) == (10.0, 10.0, "rising")


def test_partial_and_empty_buckets_are_no_evidence(history: History) -> None:
    history.record(
        made(f"w{n}", 100 + n, completed_at=at("2024-06-08T09:00") + timedelta(days=n)) for n in (0, 1, 3, 6, 7)
    )

    trend = history.trend(days("2024-06-08", "2024-06-15"), "day").trend

    assert (trend.buckets, trend.verdict) == (4, "too few")
    assert trend.slope == 1.0  # the gap is kept: 100, 101, 103 and 106 on days 0, 1, 3 and 6


def test_too_many_buckets_are_refused(history: History) -> None:
    first = date(1997, 1, 1)

    assert len(history.trend(DateRange(first, first + timedelta(days=9_999)), "day").points) == 10_000
    with pytest.raises(InvalidRequest, match=r"dates: found .* want at most 10000 buckets"):
        history.trend(DateRange(first, first + timedelta(days=10_001)), "day")
    with pytest.raises(InvalidRequest, match=r"dates: found '4001 buckets to judge', want at most 4000: "):
        history.trend(DateRange(first, first + timedelta(days=4_000)), "day", measure="completed")
    with pytest.raises(InvalidRequest, match="at most 10000 buckets"):
        history.trend(DateRange(date(1, 1, 1), date(9999, 12, 31)), "week")


def test_two_facts_far_apart_are_too_many_buckets_for_days(history: History) -> None:
    history.record([made("old", completed_at=at("1900-01-01")), made("new")])

    with pytest.raises(InvalidRequest):
        history.trend("all_time", "day")
    assert len(history.trend("all_time", "month").points) == 1493


@pytest.mark.parametrize("bucket", ["day", "week", "month"])
@pytest.mark.parametrize("edge", ["0001-01-03", "9999-12-30"])
def test_a_trend_reaches_the_edges_of_the_calendar(history: History, bucket: Any, edge: str) -> None:
    history.record(made(completed_at=at(edge), started_at=at(edge)))

    points = history.trend("all_time", bucket).points

    assert [each.completed for each in points] == [1]


@pytest.mark.parametrize("as_of", [date(1, 1, 4), date(9999, 12, 31)])
def test_averages_reach_the_edges_of_the_calendar(history: History, as_of: date) -> None:
    history.record(made(completed_at=at("0001-01-03"), started_at=at("0001-01-03")))

    assert history.averages("ada", as_of).total.all_time.completed == 1


@pytest.mark.parametrize(
    ("asked", "argument"),
    [
        ({"bucket": "year"}, "bucket"),
        ({"measure": "p50_seconds"}, "measure"),
        ({"by": "user"}, "by"),
        ({"bucket": None}, "bucket"),
    ],
)
def test_a_trend_of_what_there_is_not_is_refused(history: History, asked: dict[str, Any], argument: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        history.trend("all_time", **asked)

    assert refused.value.argument == argument


# ------------------------------------------------------------------------------------------------------------ presets


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_is_a_range(weeks: History, preset: str) -> None:
    assert weeks.summary(preset).dates == DateRange.preset(preset, date(2024, 6, 15))


@pytest.mark.parametrize(
    "bad", ["", "Today", "last_3_days", "tomorrow", 5, None, ("2024-01-01", "2024-01-02")], ids=repr
)
def test_what_is_no_range_is_refused(history: History, bad: Any) -> None:
    with pytest.raises(InvalidRequest):
        history.summary(bad)


def test_today_is_the_users_when_a_user_is_asked_about(history: History) -> None:
    history.set_timezone("ada", "Pacific/Kiritimati")
    the_fifteenth, the_sixteenth = (DateRange(date(2024, 6, day), date(2024, 6, day)) for day in (15, 16))

    assert history.summary("today").dates == the_fifteenth
    assert history.summary("today", "ada").dates == the_sixteenth
    assert history.summary("today", "bob").dates == the_fifteenth
    assert history.daily("today", "ada").dates == the_sixteenth
    assert history.steps("today", user_id="ada").dates == the_sixteenth
    assert history.averages("ada").as_of == date(2024, 6, 16)
    assert history.averages("bob").as_of == date(2024, 6, 15)


def test_today_follows_the_clock(store_url: str) -> None:
    moments = iter([datetime(2024, 6, 15, 23, 59, 59, 999_999, UTC), datetime(2024, 6, 16, tzinfo=UTC)])
    with open_history(store_url, clock=lambda: next(moments)) as history:
        found = [history.summary("today").dates.first for _ in range(2)]

    assert found == [date(2024, 6, 15), date(2024, 6, 16)]


# -------------------------------------------------------------------------------------------------------------- steps


def test_the_figures_of_steps(weeks: History) -> None:
    build, test, fix = sorted(weeks.steps("all_time"), key=lambda step: "BTF".index(step.step_name[0]))

    assert figures(test) == {
        "completed": 4,
        "users": 2,
        "active_seconds": 4240,
        "paused_seconds": 3600,
        "worked_seconds": 4240,
        "with_estimate": 1,
        "estimated_seconds": 100,
        "mean_estimated_seconds": 100.0,
        "estimate_ratio": 1.0,
        "efficiency": 1.0,
        "mean_seconds": 1060.0,
        # The squares of 960, 920, 660 and 2540, over 3.
        "stddev_seconds": pytest.approx((8_655_200 / 3) ** 0.5, rel=1e-12),
        "min_seconds": 100,
        "max_seconds": 3600,
        "p25_seconds": 100,
        "p50_seconds": 140,
        "p75_seconds": 401,
        "p80_seconds": 3600,
        "p90_seconds": 3600,
        "gap_alerts": 0,
        "reworked": 0,
        "first_pass_ratio": 1.0,
    }
    assert (fix.completed, fix.active_seconds, fix.stddev_seconds) == (1, 200, None)
    assert (build.template, build.completed, build.active_seconds) == ("Release", 1, 60)


def test_steps_come_by_template_index_and_name(history: History) -> None:
    history.record(
        [
            made("w1", template="b", steps=(StepTime(10, "A", 1), StepTime(2, "Z", 1))),
            made("w2", template="b", steps=(StepTime(2, "Y", 1),)),
            made("w3", template="B", steps=(StepTime(0, "é", 1),)),
        ]
    )

    def names(*asked: Any) -> list[tuple[str, int, str]]:
        return [(step.template, step.step_index, step.step_name) for step in history.steps("all_time", *asked)]

    assert names() == [("B", 0, "é"), ("b", 2, "Y"), ("b", 2, "Z"), ("b", 10, "A")]
    assert names("B") == [("B", 0, "é")]
    assert names("c") == []
    assert names(None, "bob") == []


@pytest.mark.parametrize("longest", [1, 2, 3, 4, 9])
def test_the_longest_steps_are_those_that_took_the_most_time_in_their_order(history: History, longest: int) -> None:
    seconds = {"Analyse": 30, "Build": 500, "Check": 30, "Deploy": 70}
    steps = tuple(StepTime(index, *each) for index, each in enumerate(seconds.items()))
    history.record([made("w1", template="A", steps=steps), made("w2", template="B", steps=steps[:1])])

    found, all_of_them = history.steps("all_time", longest=longest), history.steps("all_time")

    first = sorted(all_of_them, key=lambda step: -step.active_seconds)[:longest]  # of equal ones the first
    assert found.steps == tuple(step for step in all_of_them if step in first)
    assert found == all_of_them.longest(longest)
    assert found.count == all_of_them.count == 5


@pytest.mark.parametrize("longest", [0, -1, True, 1.0, "2"])
def test_what_is_no_count_of_steps_is_refused(history: History, longest: Any) -> None:
    with pytest.raises(InvalidRequest, match="longest"):
        history.steps("all_time", longest=longest)


def test_a_skipped_step_is_absent_and_not_zero(weeks: History) -> None:
    the_tenth: list[StepFigures] = list(weeks.steps(days("2024-06-10", "2024-06-12")))

    assert [(step.step_name, step.completed) for step in the_tenth] == [("Test", 1), ("Build", 1)]


# ----------------------------------------------------------------------------------------------------------- averages


@pytest.mark.parametrize(
    ("as_of", "all_time", "rolling"),
    [
        (date(2024, 6, 2), (0, 0), (0, 0)),
        (date(2024, 6, 3), (1, 300), (1, 300)),
        (date(2024, 6, 14), (4, 4360), (4, 4360)),
        (date(2024, 7, 2), (4, 4360), (4, 4360)),
        (date(2024, 7, 3), (4, 4360), (3, 4060)),
        (date(2024, 7, 4), (4, 4360), (2, 3660)),
        (date(2024, 7, 14), (4, 4360), (0, 0)),
        (date(2034, 7, 14), (4, 4360), (0, 0)),
    ],
    ids=str,
)
def test_averages_of_all_time_and_of_thirty_days(
    weeks: History, as_of: date, all_time: tuple[int, int], rolling: tuple[int, int]
) -> None:
    found = weeks.averages("ada", as_of)

    assert found.as_of == as_of
    assert (found.total.all_time.completed, found.total.all_time.active_seconds) == all_time
    assert (found.total.rolling_30_days.completed, found.total.rolling_30_days.active_seconds) == rolling


def test_averages_by_ticket_type(weeks: History) -> None:
    found = weeks.averages("ada", date(2024, 7, 10))

    assert list(found.by_ticket_type) == ["Bug", "Feature"]
    bug, feature = found.by_ticket_type.values()
    assert (bug.all_time.mean_seconds, bug.rolling_30_days.mean_seconds) == (4300 / 3, 3600.0)
    assert (feature.all_time.completed, feature.rolling_30_days.completed) == (1, 0)


# --------------------------------------------------------------------------------------------------- days, SQL views


def row(user: str, day: str, ticket_type: str, **given: Any) -> DailyRow:
    nothing: dict[str, Any] = {
        "completed": 0,
        "active_seconds": 0,
        "paused_seconds": 0,
        "worked_seconds": 0,
        "sessions": 0,
        "with_estimate": 0,
        "estimated_seconds": 0,
        "estimated_active_seconds": 0,
        "min_seconds": None,
        "max_seconds": None,
        "gap_alerts": 0,
    }
    return DailyRow(user_id=user, day=date.fromisoformat(day), ticket_type=ticket_type, **(nothing | given))


def one(seconds: int, estimate: int = 0, gaps: int = 0) -> dict[str, Any]:
    return {
        "completed": 1,
        "active_seconds": seconds,
        "worked_seconds": seconds,
        "with_estimate": 1 if estimate else 0,
        "estimated_seconds": estimate,
        "estimated_active_seconds": seconds if estimate else 0,
        "min_seconds": seconds,
        "max_seconds": seconds,
        "gap_alerts": gaps,
    }


DAYS = (
    row("ada", "2024-06-03", "Bug", **one(300, 250)),
    row("ada", "2024-06-04", "Bug", **one(400, 200, 1)),
    row("ada", "2024-06-10", "Feature", **one(60)),
    row("ada", "2024-06-13", "Bug", worked_seconds=1800, sessions=1),
    row("ada", "2024-06-14", "Bug", **(one(3600, 3600) | {"worked_seconds": 1800, "paused_seconds": 3600})),
    row("bob", "2024-06-12", "Bug", **one(140, 100, 1)),
)


def test_daily_rows(weeks: History) -> None:
    assert weeks.daily("all_time").rows == DAYS
    assert weeks.daily("all_time", "bob").rows == DAYS[5:]
    assert weeks.daily(days("2024-06-04", "2024-06-13"), "ada").rows == DAYS[1:4]
    assert weeks.daily("all_time", "ada", "Feature").rows == DAYS[2:3]
    assert weeks.daily(days("2024-06-13", "2024-06-13"), ticket_type="Bug").rows == DAYS[3:4]


COLUMNS = {
    "time_daily_aggregates": [
        "user_id",
        "day",
        "ticket_type",
        "completed",
        "active_seconds",
        "paused_seconds",
        "worked_seconds",
        "sessions",
        "with_estimate",
        "estimated_seconds",
        "estimated_active_seconds",
        "min_seconds",
        "max_seconds",
        "gap_alerts",
    ],
    "time_step_averages": [
        "template",
        "step_index",
        "step_name",
        "observations",
        "active_seconds",
        "mean_seconds",
        "min_seconds",
        "max_seconds",
        "with_estimate",
        "estimated_seconds",
        "estimated_active_seconds",
        "estimate_ratio",
        "gap_alerts",
        "first_day",
        "last_day",
    ],
    "time_user_averages": [
        "user_id",
        "ticket_type",
        "observations",
        "active_seconds",
        "mean_seconds",
        "min_seconds",
        "max_seconds",
        "with_estimate",
        "estimated_seconds",
        "estimated_active_seconds",
        "estimate_ratio",
        "gap_alerts",
        "first_day",
        "last_day",
    ],
    "time_gap_alerts": [
        "user_id",
        "day",
        "workflow_id",
        "ticket_key",
        "ticket_type",
        "template",
        "kind",
        "step_index",
        "step_name",
        "actual_seconds",
        "estimated_seconds",
        "completed_at",
        "dismissed_at",
    ],
}
"""The public SQL contract. Columns may be added at the end by a new revision; none may change."""


def test_the_columns_of_the_views_stay(history: History) -> None:
    inspector = inspect(history.engine)

    assert sorted(inspector.get_view_names()) == sorted(COLUMNS)
    with history.engine.connect() as connection:
        found = {name: list(connection.execute(text(f"SELECT * FROM {name}")).keys()) for name in COLUMNS}
    assert found == COLUMNS


def view(history: History, name: str, order: str) -> list[tuple[Any, ...]]:
    """Return the rows of a view, dates and times as text."""
    with history.engine.connect() as connection:
        rows = connection.execute(text(f"SELECT * FROM {name} ORDER BY {order}"))
        return [tuple(_plain(value) for value in found) for found in rows]


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return value.isoformat() if isinstance(value, date) else value


AWKWARD = [
    made("before 1970", completed_at=at("1969-12-31T23:59:59")),
    made("long before", completed_at=at("1900-02-28T12:00")),
    made("first", completed_at=at("0001-01-03"), started_at=at("0001-01-03")),
    made("leap", completed_at=at("2024-02-29T23:59:59.999"), estimated_seconds=1),
    made("leap of a century", completed_at=at("2000-02-29")),
    made("no leap", completed_at=at("2100-03-01")),
    made("last", completed_at=at("9999-12-30"), started_at=at("9999-12-30")),
    made("zone", completed_at=at("2024-02-29T23:30"), timezone="Asia/Tokyo", user_id="Jos\u00e9"),
]


def test_the_view_of_days_says_what_daily_says(weeks: History) -> None:
    weeks.record(AWKWARD)

    found = view(weeks, "time_daily_aggregates", "user_id, day, ticket_type")

    assert found == [
        (each.user_id, str(each.day), *(getattr(each, name) for name in COLUMNS["time_daily_aggregates"][2:]))
        for each in weeks.daily("all_time")
    ]
    assert [day for user, day, *_ in found if user == "ada"][:3] == ["0001-01-03", "1900-02-28", "1969-12-31"]
    assert ("Jos\u00e9", "2024-03-01") in [each[:2] for each in found]
    assert "2024-02-29" in [each[1] for each in found]
    assert all(type(value) is int for each in found for value in each[3:] if value is not None)


def test_the_view_of_steps_says_what_steps_says(weeks: History) -> None:
    found = view(weeks, "time_step_averages", "template, step_index, step_name")

    assert found == [
        ("QA", 0, "Test", 4, 4240, 1060.0, 100, 3600, 1, 100, 100, 1.0, 0, "2024-06-03", "2024-06-14"),
        ("QA", 1, "Fix", 1, 200, 200.0, 200, 200, 0, 0, 0, None, 0, "2024-06-03", "2024-06-03"),
        ("Release", 0, "Build", 1, 60, 60.0, 60, 60, 0, 0, 0, None, 0, "2024-06-10", "2024-06-10"),
    ]


def test_the_view_of_users_says_what_averages_says(weeks: History) -> None:
    found = view(weeks, "time_user_averages", "user_id, ticket_type")

    mean, ratio = pytest.approx(4300 / 3, rel=1e-15), pytest.approx(4300 / 4050, rel=1e-15)
    assert found == [
        ("ada", "Bug", 3, 4300, mean, 300, 3600, 3, 4050, 4300, ratio, 1, "2024-06-03", "2024-06-14"),
        ("ada", "Feature", 1, 60, 60.0, 60, 60, 0, 0, 0, None, 0, "2024-06-10", "2024-06-10"),
        ("bob", "Bug", 1, 140, 140.0, 140, 140, 1, 100, 140, 1.4, 1, "2024-06-12", "2024-06-12"),
    ]


def test_the_view_of_alerts_says_what_alerts_says(weeks: History) -> None:
    weeks.record([AWKWARD[3], replace(AWKWARD[0], steps=(StepTime(7, "Test", 600, 1),))])
    weeks.dismiss_alert(weeks.alerts(user_id="bob")[0].id)

    found = view(weeks, "time_gap_alerts", "completed_at, kind")

    assert found == [
        (
            alert.user_id,
            str(alert.day),
            alert.workflow_id,
            alert.ticket_key,
            alert.ticket_type,
            alert.template,
            alert.kind,
            alert.step_index,
            alert.step_name,
            alert.actual_seconds,
            alert.estimated_seconds,
            _plain(alert.completed_at),
            _plain(alert.dismissed_at),
        )
        for alert in reversed(weeks.alerts(dismissed=None))
    ]
    assert [each[11] for each in found[:2]] == ["1969-12-31T23:59:59.000Z", "2024-02-29T23:59:59.999Z"]
    assert [each[12] for each in found] == [None, None, None, _plain(NOW)]


def test_the_views_of_an_empty_store_are_empty(history: History) -> None:
    for name in COLUMNS:
        assert view(history, name, "1") == []


def test_a_week_is_whole_however_it_is_split(weeks: History) -> None:
    weeks.record(AWKWARD)
    whole: Summary = weeks.summary("all_time")
    cuts = [None, date(1970, 1, 1), date(2024, 2, 29), date(2024, 3, 1), date(2024, 6, 13), None]

    parts = [weeks.summary(DateRange(first, last and last - timedelta(days=1))) for first, last in pairwise(cuts)]

    for name in ("completed", "active_seconds", "paused_seconds", "worked_seconds", "estimated_seconds", "gap_alerts"):
        assert sum(getattr(part, name) for part in parts) == getattr(whole, name)
    assert_in_step(weeks)
