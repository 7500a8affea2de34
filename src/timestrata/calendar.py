"""Zones, local days, ranges and buckets: time arithmetic with no I/O in sight.

An instant is a whole number of microseconds since 1970-01-01T00:00:00Z, a day a whole number of days since
1970-01-01, so that both databases store and compare them alike.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Literal, get_args
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from timestrata.errors import InvalidFact, InvalidRequest

MICROSECONDS = 1_000_000
DAY_MICROSECONDS = 86_400 * MICROSECONDS

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EPOCH_ORDINAL = date(1970, 1, 1).toordinal()
_MICROSECOND = timedelta(microseconds=1)

Bucket = Literal["day", "week", "month"]
BUCKETS: tuple[Bucket, ...] = get_args(Bucket)


def instant(moment: datetime) -> int:
    """Return the microseconds from the epoch to `moment`, which must carry an offset."""
    return (moment - _EPOCH) // _MICROSECOND


def moment(at: int) -> datetime:
    """Return the UTC datetime of an instant: the inverse of instant()."""
    return _EPOCH + timedelta(microseconds=at)


def day_number(day: date) -> int:
    """Return the days from 1970-01-01 to `day`, negative before."""
    return day.toordinal() - _EPOCH_ORDINAL


def day_date(day: int) -> date:
    """Return the calendar date of a day number: the inverse of day_number()."""
    return date.fromordinal(day + _EPOCH_ORDINAL)


def zone(name: str) -> ZoneInfo:
    """Return the IANA zone `name`. Raises InvalidFact when no zone has that name."""
    try:
        return _zone(name)
    except (ZoneInfoNotFoundError, ValueError, TypeError, AttributeError, OSError) as error:
        raise InvalidFact("timezone", name, 'an IANA time zone such as "Europe/Berlin" or "UTC"') from error


@lru_cache(maxsize=1024)
def _zone(name: str) -> ZoneInfo:
    # "" finds the folder of the zones; the others mean another thing on each machine, or count leap seconds.
    if name in ("", "localtime", "posixrules") or name.startswith(("right/", "posix/")):
        raise ZoneInfoNotFoundError(name)
    return ZoneInfo(name)


class LocalDays:
    """The local days of one zone. A day starts at `day_start_seconds` after local midnight."""

    __slots__ = ("_bounds", "_is_utc", "_shift", "_shift_microseconds", "_zone")

    def __init__(self, timezone: str, day_start_seconds: int = 0) -> None:
        self._zone = zone(timezone)
        self._is_utc = timezone == "UTC"
        self._shift = timedelta(seconds=day_start_seconds)
        self._shift_microseconds = day_start_seconds * MICROSECONDS
        self._bounds = lru_cache(maxsize=4096)(self._find_bounds)

    def day(self, at: int) -> int:
        """Return the local day of an instant."""
        if self._is_utc:
            return (at - self._shift_microseconds) // DAY_MICROSECONDS
        wall = moment(at).astimezone(self._zone).replace(tzinfo=None) - self._shift
        return wall.toordinal() - _EPOCH_ORDINAL

    def split(self, started: int, ended: int) -> list[tuple[int, int, int]]:
        """Cut [started, ended) where the local day changes.

        Returns (day, start, end) pieces in time order; they tile the interval, an empty one gives one empty
        piece on its day. A day may come twice where clocks went back over midnight.
        """
        day = self.day(started)
        cuts = [started]
        last = self.day(ended)
        for following in range(day, last + 2):
            cuts.extend(at for at in self._bounds(following) if cuts[-1] < at < ended)
        return [
            (day if index == 0 else self.day(start), start, end)
            for index, (start, end) in enumerate(zip(cuts, [*cuts[1:], ended], strict=True))
        ]

    def _find_bounds(self, day: int) -> tuple[int, ...]:
        """Return the instants at which the wall clock enters or re-enters `day`, in order.

        One on most days. Where the clocks go back over midnight the same wall time comes twice: then the
        instant of the change and the second coming are bounds too (America/St_Johns did so until 2011).
        """
        wall = datetime.combine(day_date(day), datetime.min.time()) + self._shift
        first = instant(wall.replace(tzinfo=self._zone, fold=0))
        second = instant(wall.replace(tzinfo=self._zone, fold=1))
        if second == first:
            return (first,)
        if second < first:  # a gap swallowed the wall time: the day starts where the gap ends
            return (self._change(second, first),)
        return (first, self._change(first, second), second)

    def _change(self, low: int, high: int) -> int:
        """Return the first instant in (low, high] with the offset in force at `high`."""
        target = moment(high).astimezone(self._zone).utcoffset()
        while high - low > 1:
            middle = (low + high) // 2
            if moment(middle).astimezone(self._zone).utcoffset() == target:
                high = middle
            else:
                low = middle
        return high


@lru_cache(maxsize=1024)
def local_days(timezone: str, day_start_seconds: int = 0) -> LocalDays:
    """Return the (cached) local days of a zone. Raises InvalidFact when the zone is unknown."""
    return LocalDays(timezone, day_start_seconds)


Preset = Literal[
    "today", "yesterday", "this_week", "last_week", "last_7_days", "last_30_days", "last_90_days", "this_month",
    "last_month", "this_quarter", "this_year", "last_year", "last_12_months", "all_time",
]  # fmt: skip
PRESETS: tuple[Preset, ...] = get_args(Preset)


@dataclass(frozen=True, slots=True)
class DateRange:
    """Local days from `first` to `last`, both included; None leaves that side open.

    >>> DateRange.parse("2024-02-01", "2024-02-29").days
    29
    """

    first: date | None = None
    last: date | None = None

    def __post_init__(self) -> None:
        if self.first is not None and self.last is not None and self.last < self.first:
            raise InvalidRequest("dates", f"{self.first} to {self.last}", "a first day that is not after the last")

    @classmethod
    def parse(cls, first: str | None, last: str | None) -> DateRange:
        """Read both days as YYYY-MM-DD; None leaves that side open. Raises InvalidRequest."""
        return cls(_parse_day("from", first), _parse_day("to", last))

    @classmethod
    def preset(cls, name: str, today: date) -> DateRange:
        """Return the range a preset names as of `today`.

        `this_*` runs from the start of the period to today, `last_week|month|year` is the whole period before,
        `last_N_days` is today and the N - 1 days before it. Weeks start on Monday. Raises InvalidRequest.
        """
        if name not in PRESETS:
            raise InvalidRequest("range", name, f"one of {', '.join(PRESETS)}")
        return cls(*_preset_days(name, today))

    @property
    def days(self) -> int | None:
        """The number of days, both ends counted; None when a side is open."""
        if self.first is None or self.last is None:
            return None
        return (self.last - self.first).days + 1

    def __str__(self) -> str:
        if self.first is None and self.last is None:
            return "all time"
        return f"{self.first or 'the start'} to {self.last or 'the end'}"


_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def _parse_day(argument: str, text: str | None) -> date | None:
    if text is None:
        return None
    try:
        if not _DAY.fullmatch(text):  # the parsers take more: 2024-1-1, 2024-W01-1, other scripts' digits
            raise ValueError(text)
        return date.fromisoformat(text)
    except ValueError as error:
        raise InvalidRequest(argument, text, "a date as YYYY-MM-DD") from error


def _preset_days(name: str, today: date) -> tuple[date | None, date | None]:
    day = timedelta(days=1)
    monday = bucket_start(today, "week")
    month = today.replace(day=1)
    match name:
        case "today":
            return today, today
        case "yesterday":
            return today - day, today - day
        case "this_week":
            return monday, today
        case "last_week":
            return monday - 7 * day, monday - day
        case "this_month":
            return month, today
        case "last_month":
            return (month - day).replace(day=1), month - day
        case "this_quarter":
            return today.replace(month=(today.month - 1) // 3 * 3 + 1, day=1), today
        case "this_year":
            return today.replace(month=1, day=1), today
        case "last_year":
            return date(today.year - 1, 1, 1), date(today.year - 1, 12, 31)
        case "last_12_months":
            return _a_year_before(today) + day, today
        case "all_time":
            return None, None
        case _:  # last_7_days, last_30_days, last_90_days
            return today - (int(name.split("_")[1]) - 1) * day, today


def _a_year_before(day: date) -> date:
    try:
        return day.replace(year=day.year - 1)
    except ValueError:  # 29 February
        return date(day.year - 1, 2, 28)


def bucket_start(day: date, bucket: Bucket) -> date:
    """Return the first day of the bucket that holds `day`; a week is an ISO week and starts on Monday."""
    if bucket == "week":
        return day - timedelta(days=day.weekday())
    if bucket == "month":
        return day.replace(day=1)
    return day


def next_bucket(start: date, bucket: Bucket, steps: int = 1) -> date:
    """Return the start of the bucket `steps` after (before, when negative) the one that starts at `start`.

    Beyond what a date can hold it is the last or first date there is.
    """
    try:
        if bucket == "month":
            months = start.year * 12 + start.month - 1 + steps
            return date(months // 12, months % 12 + 1, 1)
        return start + timedelta(days=steps * (7 if bucket == "week" else 1))
    except (ValueError, OverflowError):
        return date.max if steps > 0 else date.min


def bucket_starts(first: date, last: date, bucket: Bucket) -> Iterator[date]:
    """Yield the start of every bucket that holds a day of first..last, both included, in order."""
    start = bucket_start(first, bucket)
    while start <= last:
        yield start
        following = next_bucket(start, bucket)
        if bucket_start(following, bucket) == start:  # the end of time
            return
        start = following
