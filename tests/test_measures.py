"""The definition of every figure: hand-made cases, laws, and the oracle's other way to the same numbers."""

import doctest
import math
import statistics
import sys
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import oracle
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import Oracle
from strategies import ZONES, durations, histories, instants, long_durations, session_start, sessions, workflows

from timestrata import measures
from timestrata.calendar import day_date, day_number, local_days
from timestrata.facts import CompletedWorkflow, Pause, StepTime, TimeSession
from timestrata.measures import (
    Cells,
    Filed,
    Measure,
    Tally,
    apportion,
    bucket_midpoint,
    bucket_range,
    duration_bucket,
    file_under,
    is_gap,
    mean,
    names,
    observe,
    ratio,
    sample_deviation,
    session_days,
)

NOON = datetime(2024, 5, 6, 12, tzinfo=UTC)
MOST = 10_000_000

seconds = durations | long_durations


def measured(active: int, paused: int = 0, estimated: int | None = None, reworked: bool = False) -> Measure:
    """The measure of one observation, with the gap that it is."""
    return Measure(*observe(active, paused, estimated, reworked, is_gap(active, estimated)))


observations = st.tuples(seconds, durations, st.none() | st.integers(1, 400_000), st.booleans())


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def session(started: str, ended: str, *pauses: tuple[str, str], **given: Any) -> TimeSession:
    """A session between two UTC times."""
    return TimeSession(utc(started), utc(ended), pauses=tuple(Pause(utc(a), utc(b)) for a, b in pauses), **given)


def shares(found: TimeSession, timezone: str = "UTC", day_start_seconds: int = 0) -> list[tuple[str, int]]:
    """The active seconds of a session by day, as text."""
    days = session_days(found, local_days(timezone, day_start_seconds))
    return [(day_date(day).isoformat(), worked) for day, worked in days]


def workflow(*steps: StepTime, completed: datetime = NOON, **given: Any) -> CompletedWorkflow:
    fields: dict[str, Any] = {
        "workflow_id": "w1",
        "user_id": "ada",
        "ticket_key": "TK-1",
        "ticket_type": "Bug",
        "template": "QA",
        "started_at": min([completed, *(session.started_at for step in steps for session in step.sessions)]),
        "completed_at": completed,
        "steps": steps,
    }
    return CompletedWorkflow(**{**fields, **given})


def filed(found: CompletedWorkflow, timezone: str = "UTC", day_start_seconds: int = 0) -> Filed:
    in_force = found.timezone or timezone
    return file_under(found, local_days(in_force, day_start_seconds), in_force)


def folded(facts: Iterable[Filed]) -> Cells:
    cells = Cells()
    for fact in facts:
        cells.add(fact, names(fact.workflow))
    return cells


def by_name(cells: Any) -> oracle.Cells:
    """Cells of names, in the shape of the oracle's."""
    return oracle.Cells(
        {
            (user, day_date(day), kind, template, bucket): tuple(measure)
            for (user, day, kind, template, bucket), measure in cells.completion.items()
        },
        {
            (user, day_date(day), *label, bucket): tuple(measure)
            for (user, day, label, bucket), measure in cells.step.items()
        },
        {
            (user, day_date(day), kind, template): tuple(work)
            for (user, day, kind, template), work in cells.worked.items()
        },
    )


# ------------------------------------------------------------------------------------------------ duration buckets


def test_buckets_are_exact_below_256_seconds() -> None:
    assert [duration_bucket(value) for value in range(256)] == list(range(256))
    assert [bucket_range(bucket) for bucket in range(256)] == [(value, value) for value in range(256)]


def test_buckets_are_contiguous_up_to_the_largest_duration() -> None:
    last = duration_bucket(MOST)

    ranges = [bucket_range(bucket) for bucket in range(last + 1)]

    assert ranges[0][0] == 0
    assert ranges[-1][0] <= MOST <= ranges[-1][1]
    assert all(before[1] + 1 == after[0] for before, after in pairwise(ranges))
    assert all(duration_bucket(value) == bucket for bucket, ends in enumerate(ranges) for value in ends)


def test_a_bucket_is_a_small_whole_number() -> None:
    assert duration_bucket(MOST) == 2200
    assert (duration_bucket(256), duration_bucket(257), duration_bucket(258)) == (256, 256, 257)
    assert (duration_bucket(511), duration_bucket(512), duration_bucket(515), duration_bucket(516)) == (
        383,
        384,
        384,
        385,
    )


def test_a_midpoint_is_within_a_256th_of_each_duration_in_its_bucket() -> None:
    for bucket in range(duration_bucket(MOST) + 1):
        low, high = bucket_range(bucket)
        middle = bucket_midpoint(bucket)
        assert low <= middle <= high
        # At the least duration the error is the largest share of it; at the greatest it is not larger in seconds.
        assert 256 * (middle - low) <= low
        assert high - middle <= middle - low


@given(seconds)
def test_a_bucket_is_the_one_the_oracle_walks_to(value: int) -> None:
    assert duration_bucket(value) == oracle.bucket(value)


@given(seconds, seconds)
def test_a_longer_duration_is_never_in_an_earlier_bucket(one: int, other: int) -> None:
    low, high = sorted((one, other))

    assert duration_bucket(low) <= duration_bucket(high)


# ------------------------------------------------------------------------------------------------------ gap alerts


@pytest.mark.parametrize(
    ("actual", "estimated", "gap"),
    [
        (120, 100, False),  # exactly 120 %
        (121, 100, True),
        (6, 5, False),
        (7, 5, True),
        (1, 1, False),
        (2, 1, True),
        (0, 1, False),
        (MOST, MOST * 5 // 6, True),  # a third of a second above 120 %
        (MOST, MOST * 5 // 6 + 1, False),
        (MOST, 10**11, False),
        (100, None, False),
        (100, 0, False),
    ],
)
def test_a_gap_is_strictly_above_120_percent(actual: int, estimated: int | None, gap: bool) -> None:
    assert is_gap(actual, estimated) is gap


@given(st.integers(1, 10**10))
def test_exactly_120_percent_is_no_gap_and_a_second_more_is(fifth: int) -> None:
    assert not is_gap(6 * fifth, 5 * fifth)
    assert is_gap(6 * fifth + 1, 5 * fifth)


@pytest.mark.parametrize("percent", range(101, 200))
def test_exactly_the_threshold_is_no_gap_whatever_it_is(percent: int) -> None:
    # Floats are right at 120 %, by luck: 115 > 1.15 * 100.
    for whole in (1, 2, 17, 100):
        assert not is_gap(percent * whole, 100 * whole, Fraction(percent, 100))
        assert is_gap(percent * whole + 1, 100 * whole, Fraction(percent, 100))


@given(seconds, st.integers(1, 10**11), st.fractions(1, 5, max_denominator=100))
def test_a_gap_is_what_a_fraction_says_it_is(actual: int, estimated: int, threshold: Fraction) -> None:
    assert is_gap(actual, estimated, threshold) == (Fraction(actual, estimated) > threshold)


# ------------------------------------------------------------------------------------------------------- measures


def test_one_observation_is_measured() -> None:
    found = measured(130, 20, 100, reworked=True)

    assert found == Measure(
        observations=1,
        active_seconds=130,
        active_squared=16_900,
        min_seconds=130,
        max_seconds=130,
        paused_seconds=20,
        with_estimate=1,
        estimated_seconds=100,
        estimated_active_seconds=130,
        gap_alerts=1,
        reworked=1,
    )


def test_an_observation_without_an_estimate_counts_in_no_estimate() -> None:
    assert measured(130) == (1, 130, 16_900, 130, 130, 0, 0, 0, 0, 0, 0)


def test_two_measures_merge_into_the_measure_of_both() -> None:
    one, other = measured(130, 20, 100, reworked=True), measured(10, 5)

    assert one.merge(other) == (2, 140, 17_000, 10, 130, 25, 1, 100, 130, 1, 1)


@given(st.lists(observations, min_size=1, max_size=20))
def test_merged_observations_are_what_the_oracle_sums(seen: list[tuple[int, int, int | None, bool]]) -> None:
    merged, *rest = (measured(*one) for one in seen)
    for measure in rest:
        merged = merged.merge(measure)

    assert tuple(merged) == oracle.measure([oracle.Observation(*one) for one in seen])


@given(*[observations.map(lambda seen: measured(*seen))] * 3)
def test_merging_does_not_depend_on_order_or_grouping(a: Measure, b: Measure, c: Measure) -> None:
    assert a.merge(b) == b.merge(a)
    assert a.merge(b).merge(c) == a.merge(b.merge(c))


# ------------------------------------------------------------------------------------------- shares of whole seconds


@pytest.mark.parametrize(
    ("total", "weights", "expected"),
    [
        (10, [1], [10]),
        (10, [1, 1], [5, 5]),
        (1, [1, 1], [1, 0]),  # equal remainders: the earlier
        (2, [1, 1, 1], [1, 1, 0]),
        (100, [1, 1, 1], [34, 33, 33]),
        (10, [1, 2], [3, 7]),  # 3.33 and 6.67: the larger remainder, not the earlier
        (10, [2, 1], [7, 3]),
        (7, [0, 1, 0], [0, 7, 0]),
        (5, [0, 0], [5, 0]),  # no weight at all: the first
        (0, [3, 4], [0, 0]),
        (0, [0], [0]),
    ],
)
def test_a_total_is_split_by_largest_remainder(total: int, weights: list[int], expected: list[int]) -> None:
    assert apportion(total, weights) == expected


@given(st.integers(0, MOST), st.lists(st.integers(0, 10**12), min_size=1, max_size=8))
def test_shares_sum_to_the_total_and_are_less_than_one_from_exact(total: int, weights: list[int]) -> None:
    found = apportion(total, weights)

    assert sum(found) == total
    if any(weights):
        exact = [Fraction(total * weight, sum(weights)) for weight in weights]
        assert all(abs(share - wanted) < 1 for share, wanted in zip(found, exact, strict=True))


# ------------------------------------------------------------------------------------------------ sessions on days


def test_a_session_over_midnight_is_worked_on_both_days() -> None:
    assert shares(session("2024-05-06T23:00", "2024-05-07T01:30")) == [("2024-05-06", 3600), ("2024-05-07", 5400)]


def test_a_session_over_the_end_of_february_knows_leap_years() -> None:
    assert shares(session("2024-02-28T23:00", "2024-03-01T01:00")) == [
        ("2024-02-28", 3600),
        ("2024-02-29", 86_400),
        ("2024-03-01", 3600),
    ]
    assert shares(session("2023-02-28T23:00", "2023-03-01T01:00")) == [("2023-02-28", 3600), ("2023-03-01", 3600)]


def test_a_session_over_the_end_of_a_year_is_worked_in_both() -> None:
    assert shares(session("2023-12-31T22:00", "2024-01-01T00:10")) == [("2023-12-31", 7200), ("2024-01-01", 600)]


def test_a_session_that_ends_at_midnight_is_worked_on_one_day() -> None:
    assert shares(session("2024-05-06T23:00", "2024-05-07T00:00")) == [("2024-05-06", 3600)]


@pytest.mark.parametrize("at", ["2024-05-06T12:00", "2024-05-07T00:00"])
def test_a_session_of_no_length_is_worked_on_its_day(at: str) -> None:
    assert shares(session(at, at)) == [(at[:10], 0)]


def test_a_pause_at_night_takes_time_from_its_own_day() -> None:
    found = session("2024-05-06T22:00", "2024-05-07T02:00", ("2024-05-06T23:30", "2024-05-07T01:00"))

    assert shares(found) == [("2024-05-06", 5400), ("2024-05-07", 3600)]


def test_a_day_that_is_all_pause_has_no_part() -> None:
    found = session("2024-05-06T22:00", "2024-05-08T01:00", ("2024-05-06T23:00", "2024-05-08T00:00"))

    assert shares(found) == [("2024-05-06", 3600), ("2024-05-08", 3600)]


def test_the_day_a_session_starts_has_a_part_though_all_work_is_later() -> None:
    found = session("2024-05-06T23:00", "2024-05-07T01:00", ("2024-05-06T23:00", "2024-05-07T00:00"))

    assert shares(found) == [("2024-05-06", 0), ("2024-05-07", 3600)]


def test_a_pause_total_is_spread_in_proportion_to_the_elapsed_time() -> None:
    found = session("2024-05-06T23:00", "2024-05-07T02:00", pause_seconds=3600)

    assert shares(found) == [("2024-05-06", 2400), ("2024-05-07", 4800)]


def test_seconds_that_do_not_divide_go_to_the_largest_remainder() -> None:
    # 100 s over 1 h and 2 h: 33.33 and 66.67.
    found = session("2024-05-06T23:00", "2024-05-07T02:00", active_seconds=100)

    assert shares(found) == [("2024-05-06", 33), ("2024-05-07", 67)]


def test_of_equal_remainders_the_earlier_day_has_the_second() -> None:
    found = session("2024-05-06T23:00", "2024-05-07T01:00", active_seconds=101)

    assert shares(found) == [("2024-05-06", 51), ("2024-05-07", 50)]


def test_a_second_that_straddles_midnight_is_not_lost() -> None:
    found = session("2024-05-06T23:59:59.500000", "2024-05-07T00:00:00.500000")

    assert shares(found) == [("2024-05-06", 1)]


def test_work_that_is_left_of_a_session_all_paused_is_on_the_day_it_started() -> None:
    # 1.9 s of pause in 1.9 s: a given second of pause and one of work are both within a second of it.
    night = ("2024-05-06T23:59:59", "2024-05-07T00:00:00.900000")
    found = session(*night, night, active_seconds=1, pause_seconds=1)

    assert shares(found) == [("2024-05-06", 1)]


@pytest.mark.parametrize(
    ("timezone", "started", "ended", "expected"),
    [
        # The night of 23 hours, and the one of 25.
        (
            "Europe/Berlin",
            "2024-03-30T22:00",
            "2024-03-31T23:00",
            [("2024-03-30", 3600), ("2024-03-31", 82_800), ("2024-04-01", 3600)],
        ),
        (
            "Europe/Berlin",
            "2024-10-26T21:00",
            "2024-10-28T00:00",
            [("2024-10-26", 3600), ("2024-10-27", 90_000), ("2024-10-28", 3600)],
        ),
        # Clocks change at midnight itself: forward, then back.
        ("America/Sao_Paulo", "2018-11-04T02:00", "2018-11-04T04:30", [("2018-11-03", 3600), ("2018-11-04", 5400)]),
        ("America/Sao_Paulo", "2018-02-18T01:30", "2018-02-18T03:30", [("2018-02-17", 5400), ("2018-02-18", 1800)]),
        # Back from 0:01 to 23:01: a minute of the new day, an hour less a minute of the old one, the new one again.
        ("America/St_Johns", "2010-11-07T02:00", "2010-11-07T04:00", [("2010-11-06", 5340), ("2010-11-07", 1860)]),
        # No 30 December.
        ("Pacific/Apia", "2011-12-30T09:00", "2011-12-30T10:30", [("2011-12-29", 3600), ("2011-12-31", 1800)]),
        # A quarter of an hour is skipped after midnight, for good.
        ("Asia/Kathmandu", "1985-12-31T18:00", "1985-12-31T19:00", [("1985-12-31", 1800), ("1986-01-01", 1800)]),
    ],
)
def test_a_session_is_worked_on_the_days_on_the_wall(
    timezone: str, started: str, ended: str, expected: list[tuple[str, int]]
) -> None:
    assert shares(session(started, ended), timezone) == expected


def test_a_day_that_starts_late_takes_the_work_of_the_night() -> None:
    found = session("2024-05-06T23:00", "2024-05-07T05:00")

    assert shares(found, day_start_seconds=4 * 3600) == [("2024-05-06", 5 * 3600), ("2024-05-07", 3600)]


@given(sessions(), st.sampled_from(ZONES))
@settings(deadline=None)
def test_the_parts_of_a_session_sum_to_its_active_seconds(found: TimeSession, timezone: str) -> None:
    parts = session_days(found, local_days(timezone))

    assert sum(worked for _, worked in parts) == found.active_seconds
    assert len({day for day, _ in parts}) == len(parts)
    assert all(worked > 0 for _, worked in parts[1:])
    assert day_date(parts[0][0]) == oracle.local_day(found.started_at, timezone)


@st.composite
def short_sessions(draw: st.DrawFn) -> tuple[TimeSession, str]:
    """Draw a session of up to an hour and a half in whole seconds, over a midnight if that is near, and its zone."""
    timezone = draw(st.sampled_from(ZONES))
    start = session_start(draw(instants[timezone]).replace(microsecond=0))
    marks = sorted(draw(st.lists(st.integers(0, 5400), min_size=1, max_size=5)))
    end, inner = marks[-1], marks[:-1][len(marks) % 2 == 0 :]
    pauses = zip(inner[::2], inner[1::2], strict=True)
    at = [start + timedelta(seconds=second) for second in range(end + 1)]
    return TimeSession(start, at[end], pauses=tuple(Pause(at[a], at[b]) for a, b in pauses)), timezone


@given(short_sessions())
@settings(deadline=None, max_examples=60)
def test_seconds_are_on_the_days_that_counting_them_one_by_one_gives(drawn: tuple[TimeSession, str]) -> None:
    found, timezone = drawn
    zone, second = ZoneInfo(timezone), timedelta(seconds=1)
    expected: dict[date, int] = {found.started_at.astimezone(zone).date(): 0}
    at = found.started_at
    while at < found.ended_at:
        if not any(pause.paused_at <= at < pause.resumed_at for pause in found.pauses):
            day = at.astimezone(zone).date()
            expected[day] = expected.get(day, 0) + 1
        at += second

    assert dict(shares(found, timezone)) == {day.isoformat(): worked for day, worked in expected.items()}
    assert {part.day: part.worked_seconds for part in oracle.session_parts(0, found, timezone)} == expected


# ------------------------------------------------------------------------------------------------ filing and cells


def test_a_workflow_is_filed_on_the_day_of_its_completion() -> None:
    found = filed(workflow(StepTime(0, "Analyse", 5), completed=utc("2024-02-29T23:30")), "Europe/Berlin")

    assert (found.day, found.timezone, found.parts) == (day_number(date(2024, 3, 1)), "Europe/Berlin", ())


def test_parts_count_through_the_sessions_of_all_steps() -> None:
    night = session("2024-05-05T23:00", "2024-05-06T01:00")
    morning = session("2024-05-06T08:00", "2024-05-06T09:00")
    fifth, sixth = day_number(date(2024, 5, 5)), day_number(date(2024, 5, 6))

    found = filed(workflow(StepTime(1, "Test", sessions=(morning,)), StepTime(0, "Analyse", sessions=(night, morning))))

    assert found.parts == ((0, fifth, 3600), (0, sixth, 3600), (1, sixth, 3600), (2, sixth, 3600))


SIXTH = date(2024, 5, 6)


def test_a_workflow_without_sessions_is_worked_on_the_day_of_its_completion() -> None:
    found = by_name(folded([filed(workflow(StepTime(0, "Analyse", 100), StepTime(3, "Test", 200)))]))

    assert found.completion == {("ada", SIXTH, "Bug", "QA", 278): (1, 300, 90_000, 300, 300, 0, 0, 0, 0, 0, 0)}
    assert found.step == {
        ("ada", SIXTH, "QA", 0, "Analyse", 100): (1, 100, 10_000, 100, 100, 0, 0, 0, 0, 0, 0),
        ("ada", SIXTH, "QA", 3, "Test", 200): (1, 200, 40_000, 200, 200, 0, 0, 0, 0, 0, 0),
    }
    assert found.worked == {("ada", SIXTH, "Bug", "QA"): (300, 0)}


def test_a_session_counts_once_on_the_day_it_started() -> None:
    night = session("2024-05-04T23:00", "2024-05-06T01:00")

    found = by_name(folded([filed(workflow(StepTime(0, "Analyse", sessions=(night,))))]))

    assert found.worked == {
        ("ada", date(2024, 5, 4), "Bug", "QA"): (3600, 1),
        ("ada", date(2024, 5, 5), "Bug", "QA"): (86_400, 0),
        ("ada", date(2024, 5, 6), "Bug", "QA"): (3600, 0),
    }


def test_a_session_counts_on_the_first_of_its_days_though_clocks_go_back() -> None:
    # It starts on the 7th, thirty seconds before the clocks go back to the 6th.
    night = session("2010-11-07T02:30:30", "2010-11-07T04:00")
    fact = workflow(StepTime(0, "Analyse", sessions=(night,)), completed=utc("2010-11-08T12:00"))

    found = by_name(folded([filed(fact, "America/St_Johns")]))

    assert found.worked == {
        ("ada", date(2010, 11, 6), "Bug", "QA"): (3540, 1),
        ("ada", date(2010, 11, 7), "Bug", "QA"): (1830, 0),
    }


def test_a_session_of_no_length_counts_and_steps_of_no_seconds_do_not() -> None:
    empty = session("2024-05-05T12:00", "2024-05-05T12:00")

    found = by_name(folded([filed(workflow(StepTime(0, "Analyse", sessions=(empty,)), StepTime(1, "Test", 0)))]))

    assert found.worked == {("ada", date(2024, 5, 5), "Bug", "QA"): (0, 1)}


def test_steps_without_sessions_are_worked_beside_those_that_have_them() -> None:
    evening = session("2024-05-05T12:00", "2024-05-05T13:00")

    found = by_name(folded([filed(workflow(StepTime(0, "Analyse", sessions=(evening,)), StepTime(1, "Test", 50)))]))

    assert found.worked == {
        ("ada", date(2024, 5, 5), "Bug", "QA"): (3600, 1),
        ("ada", SIXTH, "Bug", "QA"): (50, 0),
    }


def test_a_workflow_at_exactly_120_percent_alerts_only_where_a_step_is_above() -> None:
    fact = workflow(StepTime(0, "Analyse", 60, 50), StepTime(1, "Test", 61, 50), estimated_seconds=101)

    found = by_name(folded([filed(fact)]))

    (whole,) = found.completion.values()
    assert whole == (1, 121, 14_641, 121, 121, 0, 1, 101, 121, 0, 0)
    assert [step[6:10] for step in found.step.values()] == [(1, 50, 60, 0), (1, 50, 61, 1)]


def test_a_threshold_of_ones_own_decides_what_a_gap_is() -> None:
    steps = StepTime(0, "Analyse", 115, 100), StepTime(1, "Test", 116, 100)
    fact, cells = filed(workflow(*steps, estimated_seconds=200)), Cells()

    cells.add(fact, names(fact.workflow), threshold=Fraction(115, 100))

    assert [measure[9] for measure in (*cells.completion.values(), *cells.step.values())] == [1, 0, 1]
    assert by_name(cells) == oracle.cells([_recorded(fact)], Fraction(115, 100))


def test_coming_back_to_a_step_is_rework_of_that_step_and_of_the_whole() -> None:
    first, second, third = (session(f"2024-05-06T0{hour}:00", f"2024-05-06T0{hour}:01") for hour in (1, 2, 3))
    again = workflow(StepTime(0, "Analyse", sessions=(first, third)), StepTime(1, "Test", sessions=(second,)))

    found = by_name(folded([filed(again)]))

    assert [measure[10] for measure in found.completion.values()] == [1]
    assert [measure[10] for measure in found.step.values()] == [1, 0]


def test_pauses_of_all_sessions_are_summed() -> None:
    paused = session("2024-05-06T01:00", "2024-05-06T02:00", ("2024-05-06T01:10", "2024-05-06T01:20"))
    total = session("2024-05-06T03:00", "2024-05-06T04:00", pause_seconds=60)

    found = by_name(folded([filed(workflow(StepTime(0, "Analyse", sessions=(paused, total)), StepTime(1, "Test", 1)))]))

    assert [measure[5] for measure in found.completion.values()] == [660]
    assert [measure[5] for measure in found.step.values()] == [660, 0]


def test_workflows_of_one_day_and_bucket_share_a_cell_and_others_do_not() -> None:
    facts = [filed(workflow(StepTime(0, "Analyse", value), workflow_id=str(value))) for value in (256, 257, 258)]

    found = by_name(folded(facts))

    assert {key[4]: measure[:5] for key, measure in found.completion.items()} == {
        256: (2, 513, 131_585, 256, 257),
        257: (1, 258, 66_564, 258, 258),
    }
    assert found.worked == {("ada", SIXTH, "Bug", "QA"): (771, 0)}


def _recorded(fact: Filed) -> oracle.Recorded:
    return oracle.recorded_in(fact.workflow, fact.timezone)


@given(histories(), st.sampled_from(ZONES))
@settings(deadline=None, max_examples=150)
def test_cells_are_those_of_the_oracle(history: list[CompletedWorkflow], timezone: str) -> None:
    found = folded(filed(fact, timezone) for fact in history)

    assert by_name(found) == oracle.cells(oracle.recorded_in(fact, timezone) for fact in history)


# No time that comes twice where clocks go back: it would be what session_start() keeps sessions out of.
@given(workflows(), st.sampled_from([1, 14_400, 43_200, 80_000]))
@settings(deadline=None, max_examples=60)
def test_cells_are_those_of_the_oracle_whenever_days_start(fact: CompletedWorkflow, day_start: int) -> None:
    found = folded([filed(fact, "UTC", day_start)])

    assert by_name(found) == oracle.cells([oracle.recorded_in(fact, "UTC", day_start)])


@st.composite
def shuffles(draw: st.DrawFn) -> tuple[list[Filed], list[Filed], int]:
    """Draw facts, the same ones in another order, and where to split those."""
    facts = [filed(fact) for fact in draw(histories())]
    return facts, draw(st.permutations(facts)), draw(st.integers(0, len(facts)))


@given(shuffles())
@settings(deadline=None, max_examples=50)
def test_any_order_and_any_split_of_the_facts_gives_the_same_cells(drawn: tuple[list[Filed], list[Filed], int]) -> None:
    facts, others, split = drawn
    first, second = folded(others[:split]), folded(others[split:])

    whole = folded(facts)

    assert folded(others) == whole
    assert _merged(first.completion, second.completion, _measure_of_both) == whole.completion
    assert _merged(first.step, second.step, _measure_of_both) == whole.step
    assert _merged(first.worked, second.worked, _work_of_both) == whole.worked


def _merged(one: dict[Any, Any], other: dict[Any, Any], both: Callable[[Any, Any], Any]) -> dict[Any, Any]:
    shared = {key: both(one[key], other[key]) for key in one.keys() & other.keys()}
    return {**one, **other, **shared}


def _measure_of_both(one: tuple[int, ...], other: tuple[int, ...]) -> tuple[int, ...]:
    return Measure(*one).merge(Measure(*other))


def _work_of_both(one: tuple[int, ...], other: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(map(sum, zip(one, other, strict=True)))


@given(histories())
@settings(deadline=None, max_examples=50)
def test_all_grains_hold_the_same_seconds(history: list[CompletedWorkflow]) -> None:
    cells = folded(filed(fact) for fact in history)

    total = sum(fact.active_seconds for fact in history)
    completions = {key: Measure(*measure) for key, measure in cells.completion.items()}
    steps = {key: Measure(*measure) for key, measure in cells.step.items()}
    assert sum(measure.active_seconds for measure in completions.values()) == total
    assert sum(measure.active_seconds for measure in steps.values()) == total
    assert sum(worked for worked, _ in cells.worked.values()) == total
    assert sum(started for _, started in cells.worked.values()) == sum(
        len(step.sessions) for fact in history for step in fact.steps
    )
    for key, measure in (completions | steps).items():
        assert duration_bucket(measure.min_seconds) == duration_bucket(measure.max_seconds) == key[-1]


# --------------------------------------------------------------------------------------------------- what is derived


def tally(values: Iterable[int]) -> Tally:
    found = Tally()
    for value in values:
        found.add(duration_bucket(value), measured(value))
    return found


def test_nothing_is_derived_from_nothing() -> None:
    assert Tally().percentile(50) is None
    assert mean(None) is None
    assert sample_deviation(None) is None
    assert ratio(5, 0) is None


@pytest.mark.parametrize(
    ("percent", "expected"),
    [(0, 10), (1, 10), (10, 10), (11, 20), (50, 50), (51, 60), (80, 80), (90, 90), (91, 100), (99, 100), (100, 100)],
)
def test_a_percentile_is_the_value_at_the_nearest_rank(percent: int, expected: int) -> None:
    assert tally(range(10, 101, 10)).percentile(percent) == expected


def test_the_median_of_an_odd_number_is_the_middle_one() -> None:
    assert tally([3, 1, 2]).percentile(50) == 2
    assert tally([5]).percentile(50) == 5


def test_a_percentile_is_never_outside_what_was_seen() -> None:
    # Both lie below the midpoint of their bucket.
    assert tally([1_000_000, 1_000_001, 1_000_001]).percentile(50) == 1_000_001


def test_a_percentile_between_the_ends_is_the_midpoint_of_its_bucket() -> None:
    low, high = bucket_range(duration_bucket(5000))

    assert tally([1, 5000, 9000]).percentile(50) == (low + high + 1) // 2


@given(st.lists(seconds, min_size=1, max_size=40), st.integers(0, 100))
def test_a_percentile_is_within_a_256th_of_the_nearest_rank(values: list[int], percent: int) -> None:
    exact = oracle.nearest_rank(values, percent)

    found = tally(values).percentile(percent)

    assert found is not None
    assert exact is not None
    assert 256 * abs(found - exact) <= exact
    if exact < 256 or percent in (0, 100):
        assert found == exact
    assert min(values) <= found <= max(values)


@given(st.lists(seconds, max_size=20), st.lists(st.integers(0, 100), max_size=6).map(sorted))
def test_several_percentiles_at_once_are_those_one_by_one_and_never_fall(
    values: list[int], percents: list[int]
) -> None:
    found = tally(values)

    several = found.percentiles(percents)

    assert several == [found.percentile(percent) for percent in percents]
    assert not values or several == sorted(each for each in several if each is not None)


@given(st.lists(seconds, max_size=12), st.lists(seconds, max_size=12))
def test_merged_tallies_are_the_tally_of_all_their_values(one: list[int], other: list[int]) -> None:
    merged = tally(one)

    merged.merge(tally(other))

    assert merged == tally([*one, *other])
    assert sum(merged.histogram.values()) == len(one) + len(other)


def test_the_mean_and_deviation_of_hand_made_values() -> None:
    found = tally([2, 4, 4, 4, 5, 5, 7, 9]).measure

    assert mean(found) == 5.0
    assert sample_deviation(found) == pytest.approx(math.sqrt(32 / 7), rel=1e-15)


def test_one_observation_has_no_deviation_and_equal_ones_have_none_to_speak_of() -> None:
    assert sample_deviation(tally([7]).measure) is None
    assert sample_deviation(tally([MOST - 1] * 1000).measure) == 0.0


def test_a_deviation_of_large_values_does_not_cancel() -> None:
    assert sample_deviation(tally([MOST - 1, MOST]).measure) == pytest.approx(math.sqrt(0.5), rel=1e-15)


@given(st.lists(seconds, min_size=1, max_size=40))
def test_mean_and_deviation_are_those_of_the_list(values: list[int]) -> None:
    found = tally(values).measure

    assert mean(found) == float(Fraction(sum(values), len(values)))
    if len(values) > 1:
        assert sample_deviation(found) == pytest.approx(statistics.stdev(values), rel=1e-12)


@given(st.integers(0, 10**12), st.integers(1, 10**12))
def test_a_ratio_is_of_sums(numerator: int, denominator: int) -> None:
    assert ratio(numerator, denominator) == float(Fraction(numerator, denominator))


@given(histories())
@settings(deadline=None, max_examples=50)
def test_what_is_derived_from_cells_is_what_the_oracle_finds_in_lists(history: list[CompletedWorkflow]) -> None:
    found = Tally()
    for key, measure in folded(filed(fact) for fact in history).completion.items():
        bucket = key[-1]
        assert isinstance(bucket, int)
        found.add(bucket, Measure(*measure))

    expected = oracle.summary(oracle.recorded_in(fact, "UTC") for fact in history)

    assert mean(found.measure) == expected["mean_seconds"]
    whole = found.measure
    if whole is None or whole.observations < 2:
        assert sample_deviation(whole) is expected["stddev_seconds"] is None
    else:
        assert sample_deviation(whole) == pytest.approx(expected["stddev_seconds"], rel=1e-12)
    if whole is not None:
        assert ratio(whole.estimated_active_seconds, whole.estimated_seconds) == expected["estimate_ratio"]
        assert ratio(whole.estimated_seconds, whole.estimated_active_seconds) == expected["efficiency"]
        assert (whole.min_seconds, whole.max_seconds) == (expected["min_seconds"], expected["max_seconds"])
        for name in ("active_seconds", "paused_seconds", "with_estimate", "estimated_seconds", "gap_alerts"):
            assert getattr(whole, name) == expected[name]


# ------------------------------------------------------------------------------------------------- the oracle itself


def oracle_of(*facts: CompletedWorkflow) -> Oracle:
    held = Oracle()
    for fact in facts:
        held.record(fact, "UTC")
    return held


def test_the_oracle_counts_work_on_its_days_and_completions_on_theirs() -> None:
    night = session("2024-04-30T23:00", "2024-05-01T01:00")
    late = workflow(
        StepTime(0, "Analyse", 7200, 6000, (night,)), completed=utc("2024-05-02T12:00"), estimated_seconds=5000
    )
    other = workflow(StepTime(0, "Analyse", 30), workflow_id="w2", user_id="bob", completed=utc("2024-05-01T12:00"))
    held = oracle_of(late, other).recorded

    april, may = oracle.trend(held, by="month").values()

    assert (april["completed"], april["active_seconds"], april["worked_seconds"]) == (0, 0, 3600)
    assert (april["mean_seconds"], april["p50_seconds"], april["estimate_ratio"]) == (None, None, None)
    assert (may["completed"], may["active_seconds"], may["worked_seconds"]) == (2, 7230, 3630)
    assert (may["users"], may["gap_alerts"], may["estimate_ratio"], may["efficiency"]) == (2, 1, 1.44, 5000 / 7200)
    assert (may["p50_seconds"], may["p80_seconds"], may["mean_seconds"]) == (30, 7200, 3615.0)
    assert oracle.summary(held, date(2024, 5, 1), date(2024, 5, 1))["worked_seconds"] == 3630
    assert list(oracle.daily(held)) == [
        ("ada", date(2024, 4, 30), "Bug"),
        ("ada", date(2024, 5, 1), "Bug"),
        ("ada", date(2024, 5, 2), "Bug"),
        ("bob", date(2024, 5, 1), "Bug"),
    ]
    assert oracle.steps(held)["QA", 0, "Analyse"]["with_estimate"] == 1


def test_the_oracle_fills_weeks_and_rolls_thirty_days() -> None:
    old = workflow(StepTime(0, "Analyse", 10), completed=utc("2024-01-01T00:00"))
    new = workflow(StepTime(0, "Analyse", 20), completed=utc("2024-01-30T23:59:59.999999"), workflow_id="w2")
    held = oracle_of(old, new).recorded

    weeks = oracle.trend(held, by="week")

    assert [day.isoformat() for day in weeks] == [
        "2024-01-01",
        "2024-01-08",
        "2024-01-15",
        "2024-01-22",
        "2024-01-29",
    ]
    assert [week["completed"] for week in weeks.values()] == [1, 0, 0, 0, 1]
    assert oracle.averages(held, "ada", date(2024, 1, 30))["rolling_30_days"]["completed"] == 2
    assert oracle.averages(held, "ada", date(2024, 1, 31))["rolling_30_days"]["completed"] == 1
    assert oracle.averages(held, "ada", date(2024, 1, 31))["all_time"]["mean_seconds"] == 15.0
    assert oracle.averages(held, "ada", date(2024, 1, 29))["all_time"]["completed"] == 1


def test_the_oracle_remembers_what_it_was_told() -> None:
    first, second = workflow(StepTime(0, "Analyse", 10)), workflow(StepTime(0, "Analyse", 20))
    held = oracle_of()

    assert [held.record(fact, "UTC") for fact in (first, first, second)] == ["recorded", "replayed", "conflict"]
    held.correct(second, "UTC")
    assert [held.record(fact, "UTC") for fact in (first, second)] == ["replayed", "replayed"]
    assert oracle.cells(held.recorded) == oracle.cells(oracle_of(second).recorded)
    held.delete("ada", "w1")
    assert held.record(second, "UTC") == "replayed"
    assert held.recorded == []
    held.correct(first, "UTC")
    assert [fact.workflow for fact in held.recorded] == [first]
    with pytest.raises(KeyError):
        held.delete("ada", "w2")


def test_the_oracle_takes_no_replay_on_another_day() -> None:
    late = workflow(StepTime(0, "Analyse", 10), completed=utc("2024-05-06T23:30"))
    held = oracle_of(late)

    zones = ("UTC", "Europe/Lisbon", "America/Sao_Paulo", None)

    assert [held.record(replace(late, timezone=zone), "Europe/Berlin") for zone in zones] == [
        "replayed",
        "conflict",
        "replayed",
        "replayed",
    ]


def test_the_oracle_keeps_the_zone_of_what_it_corrects() -> None:
    late = utc("2024-05-06T23:30")
    first, second = (workflow(StepTime(0, "Analyse", value), completed=late) for value in (10, 20))
    held = Oracle()

    held.record(first, "Europe/Berlin")
    held.correct(second, "UTC")

    assert [fact.day for fact in held.recorded] == [date(2024, 5, 7)]


def test_the_examples_in_its_docstrings_hold() -> None:
    assert doctest.testmod(sys.modules[measures.__name__]).failed == 0
