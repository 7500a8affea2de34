"""What is kept for how long, where it goes, and which days may go: nothing here touches a database or a clock."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import NamedTuple

from timestrata.calendar import DAY_MICROSECONDS, day_date
from timestrata.errors import InvalidRequest

LEAST_SESSIONS_DAYS = 30
_MOST_DAYS = 36_500
_LAST_ZONE_MICROSECONDS = 12 * 3600 * 1_000_000
"""A day is over everywhere when it is over in UTC-12, the last zone on earth."""


@dataclass(frozen=True, slots=True)
class RetentionPolicy:
    """How long raw data is kept, in days after the day is over everywhere.

    `sessions_days`: sessions, and the completions they belong to (one horizon: a fact is here, or in the archive, as a
    whole); at least 30. `alerts_days`: dismissed gap alerts, after their dismissal. Aggregates are kept for good.
    `archive`: a folder or an fsspec URL such as s3://bucket/folder; None: `NAME-archive` beside a SQLite file.
    A run is refused when the clock is behind the last run, or more than `clock_limit_days` ahead of it.
    """

    sessions_days: int = 90
    alerts_days: int = 365
    archive: str | None = None
    clock_limit_days: int = 31

    def __post_init__(self) -> None:
        _check_days("sessions_days", self.sessions_days, LEAST_SESSIONS_DAYS)
        _check_days("alerts_days", self.alerts_days, 1)
        _check_days("clock_limit_days", self.clock_limit_days, 1)
        if self.archive is not None and not self.archive.strip():
            raise InvalidRequest("archive", self.archive, "a folder or a URL such as s3://bucket/folder")

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> RetentionPolicy:
        """Return the policy that TIMESTRATA_SESSIONS_DAYS and its like set. Raises InvalidRequest."""
        days: dict[str, int] = {}
        for name in ("sessions_days", "alerts_days", "clock_limit_days"):
            variable = f"TIMESTRATA_{name.upper()}"
            if variable in environ:
                days[name] = _whole(variable, environ[variable])
        facts = environ.get("TIMESTRATA_FACTS_DAYS")
        policy = cls(**days, archive=environ.get("TIMESTRATA_ARCHIVE") or None)
        if facts is not None and _whole("TIMESTRATA_FACTS_DAYS", facts) != policy.sessions_days:
            wanted = "no such setting: sessions and their completions share one horizon, TIMESTRATA_SESSIONS_DAYS"
            raise InvalidRequest("TIMESTRATA_FACTS_DAYS", facts, wanted)
        return policy


def _check_days(name: str, value: object, least: int) -> None:
    if type(value) is not int or not least <= value <= _MOST_DAYS:
        raise InvalidRequest(name, value, f"a whole number of days, {least} or more")


def _whole(variable: str, text: str) -> int:
    try:
        return int(text)
    except ValueError as error:
        raise InvalidRequest(variable, text, "a whole number of days") from error


def eligible_through(policy: RetentionPolicy, now: int, day_start_seconds: int = 0) -> int:
    """Return the last local day that may be archived at `now` (microseconds): over everywhere for the days kept."""
    over = now - _LAST_ZONE_MICROSECONDS - day_start_seconds * 1_000_000
    return over // DAY_MICROSECONDS - 1 - policy.sessions_days


class DayCount(NamedTuple):
    """What the tables hold of one local day."""

    day: int
    users: int
    completions: int
    bytes: int
    """About; rows and indexes weigh more or less on each database."""


@dataclass(frozen=True, slots=True)
class PlannedDay:
    """What a run would archive of one local day."""

    day: date
    users: int
    completions: int
    bytes: int


@dataclass(frozen=True, slots=True)
class RetentionPlan:
    """What a run would archive and purge: the days up to `through`, oldest first. `bytes` are about."""

    through: date
    days: tuple[PlannedDay, ...]
    user_days: int
    completions: int
    bytes: int


def plan(policy: RetentionPolicy, now: int, counts: Iterable[DayCount], day_start_seconds: int = 0) -> RetentionPlan:
    """Return what a run at `now` would archive, of what the tables hold by day."""
    through = eligible_through(policy, now, day_start_seconds)
    days = sorted(one for one in counts if one.day <= through and one.completions)
    return RetentionPlan(
        day_date(through),
        tuple(PlannedDay(day_date(one.day), *one[1:]) for one in days),
        sum(one.users for one in days),
        sum(one.completions for one in days),
        sum(one.bytes for one in days),
    )
