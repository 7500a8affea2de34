"""Local days, the cut at midnight, ranges and buckets: hand-made cases, laws, and the oracle's way of finding days."""

import doctest
import sys
from datetime import UTC, date, datetime, timedelta, timezone
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import oracle
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import ZONES, durations, instants

from timestrata import calendar
from timestrata.calendar import (
    BUCKETS,
    PRESETS,
    Bucket,
    DateRange,
    LocalDays,
    bucket_start,
    bucket_starts,
    day_date,
    day_number,
    instant,
    local_days,
    moment,
    next_bucket,
    zone,
)
from timestrata.errors import InvalidFact, InvalidRequest

days_of_history = st.dates(date(1900, 1, 1), date(2200, 12, 31))
buckets = st.sampled_from(BUCKETS)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def split(timezone: str, started: str, ended: str, day_start_seconds: int = 0) -> list[tuple[str, str, str]]:
    """Cut a stretch between two UTC times; give day and times back as text."""
    days = local_days(timezone, day_start_seconds)
    return [
        (day_date(day).isoformat(), f"{moment(start):%m-%d %H:%M:%S}", f"{moment(end):%m-%d %H:%M:%S}")
        for day, start, end in days.split(instant(utc(started)), instant(utc(ended)))
    ]


# ---------------------------------------------------------------------------------------------- instants and days


def test_the_epoch_is_instant_0_on_day_0() -> None:
    assert instant(datetime(1970, 1, 1, tzinfo=UTC)) == 0
    assert day_number(date(1970, 1, 1)) == 0
    assert (instant(utc("1969-12-31T23:59:59.999999")), day_number(date(1969, 12, 31))) == (-1, -1)


def test_an_instant_does_not_depend_on_the_offset_it_is_told_in() -> None:
    nepal = timezone(timedelta(hours=5, minutes=45))

    assert instant(datetime(2024, 1, 1, 5, 45, tzinfo=nepal)) == instant(datetime(2024, 1, 1, tzinfo=UTC))


def test_both_comings_of_a_repeated_hour_are_instants_of_their_own() -> None:
    berlin = ZoneInfo("Europe/Berlin")

    first = instant(datetime(2024, 10, 27, 2, 30, fold=0, tzinfo=berlin))
    second = instant(datetime(2024, 10, 27, 2, 30, fold=1, tzinfo=berlin))

    assert second - first == 3600 * 1_000_000


@given(st.datetimes(timezones=st.just(UTC)))
def test_an_instant_turns_back_into_its_moment(at: datetime) -> None:
    assert moment(instant(at)) == at


@given(st.dates())
def test_a_day_number_turns_back_into_its_date(day: date) -> None:
    assert day_date(day_number(day)) == day


# ---------------------------------------------------------------------------------------------------------- zones


@pytest.mark.parametrize(
    "name", ["", "Berlin", "europe/berlin ", "Europe", "../UTC", "/etc/passwd", "tzdata.zi", "\0", "\ud800", "x" * 5000]
)
def test_a_name_of_no_zone_is_refused(name: str) -> None:
    with pytest.raises(InvalidFact) as refusal:
        zone(name)

    assert (refusal.value.field, refusal.value.found) == ("timezone", name)
    assert refusal.value.wanted == 'an IANA time zone such as "Europe/Berlin" or "UTC"'


@pytest.mark.parametrize("found", [None, 3600, True, b"UTC", [], {}])
def test_what_is_no_text_is_no_zone(found: Any) -> None:
    with pytest.raises(InvalidFact, match=r"^timezone: found .*, want an IANA time zone"):
        zone(found)


# ------------------------------------------------------------------------------------------- the day of an instant


@pytest.mark.parametrize(
    ("timezone", "at", "day"),
    [
        ("UTC", "2024-02-29T23:59:59.999999", "2024-02-29"),
        ("UTC", "2024-03-01T00:00:00", "2024-03-01"),
        ("UTC", "1969-12-31T23:59:59", "1969-12-31"),
        ("Europe/Berlin", "2023-12-31T22:59:59.999999", "2023-12-31"),
        ("Europe/Berlin", "2023-12-31T23:00:00", "2024-01-01"),
        ("Europe/Berlin", "2024-07-31T22:00:00", "2024-08-01"),
        ("Asia/Kathmandu", "2024-02-28T18:14:59", "2024-02-28"),
        ("Asia/Kathmandu", "2024-02-28T18:15:00", "2024-02-29"),
        # Clocks go forward at 0:00 to 1:00: the day has no midnight and starts an hour late.
        ("America/Sao_Paulo", "2018-11-04T02:59:59", "2018-11-03"),
        ("America/Sao_Paulo", "2018-11-04T03:00:00", "2018-11-04"),
        # Clocks go back at 24:00 to 23:00: the day lasts an hour longer.
        ("America/Sao_Paulo", "2018-02-18T02:30:00", "2018-02-17"),
        ("America/Sao_Paulo", "2018-02-18T03:00:00", "2018-02-18"),
        # Clocks go back at 0:01 to 23:01: the new day is there for a minute, and comes again an hour later.
        ("America/St_Johns", "2010-11-07T02:30:30", "2010-11-07"),
        ("America/St_Johns", "2010-11-07T02:31:00", "2010-11-06"),
        ("America/St_Johns", "2010-11-07T03:30:00", "2010-11-07"),
        # The 30th of December 2011 never came to Samoa.
        ("Pacific/Apia", "2011-12-30T09:59:59.999999", "2011-12-29"),
        ("Pacific/Apia", "2011-12-30T10:00:00", "2011-12-31"),
    ],
)
def test_an_instant_belongs_to_the_day_on_the_wall(timezone: str, at: str, day: str) -> None:
    found = local_days(timezone).day(instant(utc(at)))

    assert day_date(found).isoformat() == day


@pytest.mark.parametrize("timezone", ["UTC", "Africa/Abidjan"])  # the second is UTC by another way through the code
def test_a_day_may_start_hours_after_midnight(timezone: str) -> None:
    night = LocalDays(timezone, day_start_seconds=4 * 3600)

    assert day_date(night.day(instant(utc("2024-03-01T03:59:59.999999")))) == date(2024, 2, 29)
    assert day_date(night.day(instant(utc("2024-03-01T04:00:00")))) == date(2024, 3, 1)


def test_the_first_instant_that_is_accepted_has_a_day_whenever_days_start() -> None:
    LocalDays("Etc/GMT+12", day_start_seconds=20 * 3600).day(instant(datetime(1, 1, 3, tzinfo=UTC)))


# ------------------------------------------------------------------------------------------------ the cut at midnight


def test_a_stretch_within_one_day_stays_whole() -> None:
    assert split("UTC", "2024-05-06T09:00", "2024-05-06T17:00") == [("2024-05-06", "05-06 09:00:00", "05-06 17:00:00")]


def test_a_stretch_is_cut_at_each_midnight() -> None:
    assert split("UTC", "2024-02-28T23:00", "2024-03-01T01:00") == [
        ("2024-02-28", "02-28 23:00:00", "02-29 00:00:00"),
        ("2024-02-29", "02-29 00:00:00", "03-01 00:00:00"),
        ("2024-03-01", "03-01 00:00:00", "03-01 01:00:00"),
    ]


def test_a_stretch_that_ends_at_midnight_has_nothing_on_the_next_day() -> None:
    assert split("UTC", "2024-05-31T23:00", "2024-06-01T00:00") == [("2024-05-31", "05-31 23:00:00", "06-01 00:00:00")]


def test_a_stretch_that_starts_at_midnight_has_nothing_on_the_day_before() -> None:
    assert split("UTC", "2024-06-01T00:00", "2024-06-01T01:00") == [("2024-06-01", "06-01 00:00:00", "06-01 01:00:00")]


@pytest.mark.parametrize("at", ["2024-05-06T09:00", "2024-06-01T00:00"])
def test_an_empty_stretch_is_one_empty_piece(at: str) -> None:
    ((day, start, end),) = split("UTC", at, at)

    assert (day, start) == (at[:10], end)


def test_a_cut_follows_the_zone_and_not_utc() -> None:
    assert split("Asia/Kathmandu", "2024-02-29T18:00", "2024-02-29T19:00") == [
        ("2024-02-29", "02-29 18:00:00", "02-29 18:15:00"),
        ("2024-03-01", "02-29 18:15:00", "02-29 19:00:00"),
    ]


@pytest.mark.parametrize(
    ("started", "ended", "hours"),
    [
        ("2024-03-30T23:00", "2024-03-31T22:00", 23),
        ("2024-10-26T22:00", "2024-10-27T23:00", 25),
    ],
)
def test_days_of_23_and_25_hours_are_one_piece_each(started: str, ended: str, hours: int) -> None:
    (piece,) = local_days("Europe/Berlin").split(instant(utc(started)), instant(utc(ended)))

    assert piece[2] - piece[1] == hours * 3600 * 1_000_000


def test_a_day_whose_midnight_is_skipped_starts_where_the_clocks_go_forward() -> None:
    assert split("America/Sao_Paulo", "2018-11-04T02:00", "2018-11-04T04:00") == [
        ("2018-11-03", "11-04 02:00:00", "11-04 03:00:00"),
        ("2018-11-04", "11-04 03:00:00", "11-04 04:00:00"),
    ]


def test_a_midnight_in_the_middle_of_what_is_skipped_is_where_the_clocks_go_forward() -> None:
    # From 23:30 to 0:30.
    assert split("America/Toronto", "1919-03-31T04:00", "1919-03-31T05:30") == [
        ("1919-03-30", "03-31 04:00:00", "03-31 04:30:00"),
        ("1919-03-31", "03-31 04:30:00", "03-31 05:30:00"),
    ]


def test_a_day_start_that_is_skipped_is_where_the_clocks_go_forward() -> None:
    assert split("Europe/Berlin", "2024-03-31T00:00", "2024-03-31T02:00", day_start_seconds=9000) == [
        ("2024-03-30", "03-31 00:00:00", "03-31 01:00:00"),
        ("2024-03-31", "03-31 01:00:00", "03-31 02:00:00"),
    ]


def test_a_day_whose_last_hour_comes_twice_is_cut_once() -> None:
    assert split("America/Sao_Paulo", "2018-02-18T01:00", "2018-02-18T04:00") == [
        ("2018-02-17", "02-18 01:00:00", "02-18 03:00:00"),
        ("2018-02-18", "02-18 03:00:00", "02-18 04:00:00"),
    ]


def test_clocks_that_go_back_over_midnight_bring_the_old_day_again() -> None:
    assert split("America/St_Johns", "2010-11-07T02:00", "2010-11-07T04:00") == [
        ("2010-11-06", "11-07 02:00:00", "11-07 02:30:00"),
        ("2010-11-07", "11-07 02:30:00", "11-07 02:31:00"),
        ("2010-11-06", "11-07 02:31:00", "11-07 03:30:00"),
        ("2010-11-07", "11-07 03:30:00", "11-07 04:00:00"),
    ]


def test_a_stretch_may_start_on_a_later_day_than_it_ends_on() -> None:
    assert split("America/St_Johns", "2010-11-07T02:30:30", "2010-11-07T02:31:30") == [
        ("2010-11-07", "11-07 02:30:30", "11-07 02:31:00"),
        ("2010-11-06", "11-07 02:31:00", "11-07 02:31:30"),
    ]


def test_clocks_that_go_forward_after_midnight_change_no_cut() -> None:
    assert split("America/St_Johns", "2010-03-14T03:00", "2010-03-14T04:00") == [
        ("2010-03-13", "03-14 03:00:00", "03-14 03:30:00"),
        ("2010-03-14", "03-14 03:30:00", "03-14 04:00:00"),
    ]


def test_a_day_that_never_was_gets_no_piece() -> None:
    assert split("Pacific/Apia", "2011-12-30T09:00", "2011-12-30T11:00") == [
        ("2011-12-29", "12-30 09:00:00", "12-30 10:00:00"),
        ("2011-12-31", "12-30 10:00:00", "12-30 11:00:00"),
    ]


def test_days_that_start_late_are_cut_where_they_start() -> None:
    assert split("UTC", "2024-03-01T03:00", "2024-03-01T05:00", day_start_seconds=4 * 3600) == [
        ("2024-02-29", "03-01 03:00:00", "03-01 04:00:00"),
        ("2024-03-01", "03-01 04:00:00", "03-01 05:00:00"),
    ]


def test_a_day_start_that_comes_twice_cuts_like_a_midnight_that_does() -> None:
    assert split("Europe/Berlin", "2024-10-27T00:00", "2024-10-27T02:00", day_start_seconds=9000) == [
        ("2024-10-26", "10-27 00:00:00", "10-27 00:30:00"),
        ("2024-10-27", "10-27 00:30:00", "10-27 01:00:00"),
        ("2024-10-26", "10-27 01:00:00", "10-27 01:30:00"),
        ("2024-10-27", "10-27 01:30:00", "10-27 02:00:00"),
    ]


@st.composite
def stretches(draw: st.DrawFn) -> tuple[str, int, datetime, datetime]:
    """Draw (zone, start of the day in seconds, start, end)."""
    name = draw(st.sampled_from(ZONES))
    day_start = draw(st.sampled_from([0, 0, 0, 1, 60, 3600, 9000, 43_200, 86_399]))
    start = draw(instants[name])
    return name, day_start, start, start + timedelta(seconds=draw(durations), microseconds=draw(st.integers(0, 1)))


@given(stretches())
@settings(deadline=None)
def test_pieces_tile_the_stretch_and_each_is_of_one_day(stretch: tuple[str, int, datetime, datetime]) -> None:
    name, day_start, start, end = stretch
    days = LocalDays(name, day_start)

    pieces = days.split(instant(start), instant(end))

    assert (pieces[0][1], pieces[-1][2]) == (instant(start), instant(end))
    for before, after in pairwise(pieces):
        assert before[2] == after[1]
        assert before[0] != after[0]
    for day, first, beyond in pieces:
        assert first < beyond or len(pieces) == 1
        last = max(first, beyond - 1)
        assert {days.day(first), days.day((first + last) // 2), days.day(last)} == {day}


@given(stretches())
@settings(deadline=None)
def test_pieces_are_those_the_oracle_finds_hour_by_hour(stretch: tuple[str, int, datetime, datetime]) -> None:
    name, day_start, start, end = stretch

    pieces = LocalDays(name, day_start).split(instant(start), instant(end))

    expected = oracle.local_pieces(start, end, name, timedelta(seconds=day_start))
    assert [(day_date(day), moment(first), moment(beyond)) for day, first, beyond in pieces] == expected


@given(stretches())
@settings(deadline=None)
def test_the_day_is_the_one_the_oracle_reads_off_the_wall(stretch: tuple[str, int, datetime, datetime]) -> None:
    name, day_start, at, _ = stretch

    assert day_date(LocalDays(name, day_start).day(instant(at))) == oracle.local_day(
        at, name, timedelta(seconds=day_start)
    )


# ---------------------------------------------------------------------------------------------------------- ranges


ENDS: dict[str, dict[str, tuple[str | None, str | None]]] = {
    # Thursday, 29 February.
    "2024-02-29": {
        "today": ("2024-02-29", "2024-02-29"),
        "yesterday": ("2024-02-28", "2024-02-28"),
        "this_week": ("2024-02-26", "2024-02-29"),
        "last_week": ("2024-02-19", "2024-02-25"),
        "last_7_days": ("2024-02-23", "2024-02-29"),
        "last_30_days": ("2024-01-31", "2024-02-29"),
        "last_90_days": ("2023-12-02", "2024-02-29"),
        "this_month": ("2024-02-01", "2024-02-29"),
        "last_month": ("2024-01-01", "2024-01-31"),
        "this_quarter": ("2024-01-01", "2024-02-29"),
        "this_year": ("2024-01-01", "2024-02-29"),
        "last_year": ("2023-01-01", "2023-12-31"),
        "last_12_months": ("2023-03-01", "2024-02-29"),
        "all_time": (None, None),
    },
    # A Monday that starts a year, a quarter, a month and a week.
    "2024-01-01": {
        "yesterday": ("2023-12-31", "2023-12-31"),
        "this_week": ("2024-01-01", "2024-01-01"),
        "last_week": ("2023-12-25", "2023-12-31"),
        "last_7_days": ("2023-12-26", "2024-01-01"),
        "last_30_days": ("2023-12-03", "2024-01-01"),
        "this_month": ("2024-01-01", "2024-01-01"),
        "last_month": ("2023-12-01", "2023-12-31"),
        "this_quarter": ("2024-01-01", "2024-01-01"),
        "this_year": ("2024-01-01", "2024-01-01"),
        "last_year": ("2023-01-01", "2023-12-31"),
        "last_12_months": ("2023-01-02", "2024-01-01"),
    },
    # A Sunday that ends a year.
    "2023-12-31": {
        "this_week": ("2023-12-25", "2023-12-31"),
        "last_week": ("2023-12-18", "2023-12-24"),
        "this_month": ("2023-12-01", "2023-12-31"),
        "last_month": ("2023-11-01", "2023-11-30"),
        "this_quarter": ("2023-10-01", "2023-12-31"),
        "last_12_months": ("2023-01-01", "2023-12-31"),
    },
    # The end of a longer month than the one before, in a leap year; a Sunday on which Berlin's clocks change.
    "2024-03-31": {
        "yesterday": ("2024-03-30", "2024-03-30"),
        "last_month": ("2024-02-01", "2024-02-29"),
        "this_quarter": ("2024-01-01", "2024-03-31"),
        "last_30_days": ("2024-03-02", "2024-03-31"),
        "last_12_months": ("2023-04-01", "2024-03-31"),
    },
    "2025-02-28": {
        "last_12_months": ("2024-02-29", "2025-02-28"),
        "last_year": ("2024-01-01", "2024-12-31"),
    },
    "2025-03-01": {
        "yesterday": ("2025-02-28", "2025-02-28"),
        "last_month": ("2025-02-01", "2025-02-28"),
        "last_12_months": ("2024-03-02", "2025-03-01"),
    },
    "2024-07-01": {"this_quarter": ("2024-07-01", "2024-07-01")},
    "2024-09-30": {"this_quarter": ("2024-07-01", "2024-09-30")},
}


@pytest.mark.parametrize(
    ("today", "name", "ends"), [(today, name, ends) for today in ENDS for name, ends in ENDS[today].items()]
)
def test_a_preset_names_these_days(today: str, name: str, ends: tuple[str | None, str | None]) -> None:
    assert DateRange.preset(name, date.fromisoformat(today)) == DateRange.parse(*ends)


def test_every_preset_has_a_case() -> None:
    assert set(ENDS["2024-02-29"]) == set(PRESETS)


@given(days_of_history, st.sampled_from(["last_7_days", "last_30_days", "last_90_days"]))
def test_last_n_days_are_n_days_that_end_today(today: date, name: str) -> None:
    found = DateRange.preset(name, today)

    assert (found.days, found.last) == (int(name.split("_")[1]), today)


@given(days_of_history, st.sampled_from(["week", "month", "year"]))
def test_the_last_period_ends_the_day_before_this_one_starts(today: date, period: str) -> None:
    this, last = DateRange.preset(f"this_{period}", today), DateRange.preset(f"last_{period}", today)

    assert this.first is not None
    assert last.last == this.first - timedelta(days=1)
    assert this.last == today
    assert last.first is not None
    assert last.days in {"week": [7], "month": [28, 29, 30, 31], "year": [365, 366]}[period]


@given(days_of_history)
def test_last_12_months_hold_each_day_of_a_year_once(today: date) -> None:
    found = DateRange.preset("last_12_months", today)

    assert found.days in (365, 366)
    assert found.last == today


@pytest.mark.parametrize("name", ["", "Today", "last_31_days", "last_x_days", "next_week"])
def test_an_unknown_preset_is_refused_with_the_known_ones(name: str) -> None:
    with pytest.raises(InvalidRequest) as refusal:
        DateRange.preset(name, date(2024, 1, 1))

    assert (refusal.value.argument, refusal.value.found) == ("range", name)
    assert refusal.value.wanted == "one of " + ", ".join(PRESETS)


def test_a_range_holds_both_its_ends() -> None:
    assert DateRange.parse("2024-02-28", "2024-03-01").days == 3
    assert DateRange.parse("2024-02-29", "2024-02-29").days == 1


@pytest.mark.parametrize(
    ("first", "last", "text"),
    [
        ("2024-01-01", "2024-01-31", "2024-01-01 to 2024-01-31"),
        (None, "2024-01-31", "the start to 2024-01-31"),
        ("2024-01-01", None, "2024-01-01 to the end"),
        (None, None, "all time"),
    ],
)
def test_a_range_says_what_it_is(first: str | None, last: str | None, text: str) -> None:
    found = DateRange.parse(first, last)

    assert str(found) == text
    assert (found.days is None) == (first is None or last is None)


def test_a_range_that_ends_before_it_starts_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="2024-03-01 to 2024-02-29") as refusal:
        DateRange.parse("2024-03-01", "2024-02-29")

    assert refusal.value.argument == "dates"


NO_DATES = ["", "2024-02-30", "2023-02-29", "2024-1-1", "20240101", "2024-W01-1", "2024-01-01T00:00", "01/02/2024"]


@pytest.mark.parametrize("text", [*NO_DATES, " 2024-01-1", "0000-01-01"])
@pytest.mark.parametrize("argument", ["from", "to"])
def test_what_is_no_date_is_refused_under_the_name_of_its_argument(argument: str, text: str) -> None:
    with pytest.raises(InvalidRequest) as refusal:
        DateRange.parse(*((text, None) if argument == "from" else (None, text)))

    assert (refusal.value.argument, refusal.value.found) == (argument, text)
    assert refusal.value.wanted == "a date as YYYY-MM-DD"


@pytest.mark.parametrize("text", ["2024-01- 1", "२०२४-01-01"])
def test_only_ten_ascii_characters_are_a_date(text: str) -> None:
    with pytest.raises(InvalidRequest):
        DateRange.parse(text, None)


# --------------------------------------------------------------------------------------------------------- buckets


@pytest.mark.parametrize(
    ("day", "bucket", "start"),
    [
        ("2024-02-29", "day", "2024-02-29"),
        ("2024-02-29", "month", "2024-02-01"),
        ("2024-01-01", "week", "2024-01-01"),  # a Monday
        ("2023-12-31", "week", "2023-12-25"),  # a Sunday
        ("2021-01-03", "week", "2020-12-28"),  # of the ISO year before
    ],
)
def test_a_bucket_starts_here(day: str, bucket: Bucket, start: str) -> None:
    assert bucket_start(date.fromisoformat(day), bucket).isoformat() == start


@given(days_of_history, buckets)
def test_a_day_lies_between_its_bucket_and_the_next(day: date, bucket: Bucket) -> None:
    start = bucket_start(day, bucket)

    assert start <= day < next_bucket(start, bucket)
    assert bucket_start(start, bucket) == start


@given(days_of_history, buckets)
def test_a_bucket_ends_where_the_next_starts(day: date, bucket: Bucket) -> None:
    following = next_bucket(bucket_start(day, bucket), bucket)

    assert bucket_start(following, bucket) == following
    assert bucket_start(following - timedelta(days=1), bucket) == bucket_start(day, bucket)


@given(days_of_history, buckets, st.integers(-1200, 1200), st.integers(-1200, 1200))
def test_steps_between_buckets_add_up(day: date, bucket: Bucket, there: int, further: int) -> None:
    start = bucket_start(day, bucket)

    assert next_bucket(next_bucket(start, bucket, there), bucket, further) == next_bucket(
        start, bucket, there + further
    )
    assert next_bucket(start, bucket, 0) == start


def test_a_month_after_december_is_january() -> None:
    assert next_bucket(date(2023, 12, 1), "month") == date(2024, 1, 1)
    assert next_bucket(date(2024, 1, 1), "month", -1) == date(2023, 12, 1)
    assert next_bucket(date(2024, 1, 1), "month", 25) == date(2026, 2, 1)


@given(days_of_history, st.integers(0, 800), buckets)
def test_bucket_starts_are_those_of_the_days_in_the_range(first: date, more: int, bucket: Bucket) -> None:
    days = [first + timedelta(days=n) for n in range(more + 1)]

    assert list(bucket_starts(first, days[-1], bucket)) == sorted({bucket_start(day, bucket) for day in days})


def test_no_bucket_holds_a_day_of_a_range_that_ends_before_it_starts() -> None:
    assert list(bucket_starts(date(2024, 1, 2), date(2024, 1, 1), "day")) == []


@pytest.mark.parametrize("bucket", BUCKETS)
def test_the_last_day_there_is_has_a_last_bucket(bucket: Bucket) -> None:
    starts = list(bucket_starts(date(9999, 12, 31), date(9999, 12, 31), bucket))

    assert starts == [bucket_start(date(9999, 12, 31), bucket)]


def test_the_examples_in_its_docstrings_hold() -> None:
    assert doctest.testmod(sys.modules[calendar.__name__]).failed == 0
