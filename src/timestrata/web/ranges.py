"""Ranges of days in a URL: from and to, range, days or period; one way at a time, else the last 30 days."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Annotated, Literal

from fastapi import Depends, Query

from timestrata.calendar import PRESETS, DateRange
from timestrata.errors import InvalidRequest
from timestrata.history import Dates, History

Period = Literal["7d", "30d", "90d", "1y"]
_PERIODS: dict[str, str] = {
    "7d": "last_7_days",
    "30d": "last_30_days",
    "90d": "last_90_days",
    "1y": "last_12_months",
}
DEFAULT = "last_30_days"
MOST_DAYS = 36_600

_DATE = {"format": "date", "example": "2024-05-06"}


@dataclass(frozen=True, slots=True)
class Range:
    """The days that a request asks for: as the library takes them, or so many days that end today."""

    asked: Dates | int
    default: bool = False
    """Whether nothing was asked for."""

    def dates(self, history: History, user: str | None) -> Dates:
        """Return the days as the library takes them; today is the user's, else the store's."""
        if not isinstance(self.asked, int):
            return self.asked
        today = history.revisions([user])[user].today
        return DateRange(date.fromordinal(max(1, today.toordinal() - self.asked + 1)), today)


async def _range(
    first: Annotated[
        str | None, Query(alias="from", description="The first day; without `to`: until now.", json_schema_extra=_DATE)
    ] = None,
    last: Annotated[
        str | None,
        Query(alias="to", description="The last day, included; without `from`: all before.", json_schema_extra=_DATE),
    ] = None,
    preset: Annotated[
        str | None, Query(alias="range", description="A preset.", json_schema_extra={"enum": list(PRESETS)})
    ] = None,
    days: Annotated[int | None, Query(description="So many days, today included.", ge=1, le=MOST_DAYS)] = None,
    period: Annotated[Period | None, Query(description="As the dashboard has them.")] = None,
) -> Range:
    """Return the days that are asked for. Raises InvalidRequest, also for two ways at once."""
    return asked_days(first, last, preset, days, period)


def asked_days(
    first: str | None = None,
    last: str | None = None,
    preset: str | None = None,
    days: int | None = None,
    period: str | None = None,
) -> Range:
    """Return the days that the arguments of a URL name. Raises InvalidRequest, also for two ways at once."""
    given = {
        "from": first if first is not None else last,
        "range": preset,
        "days": days,
        "period": period,
    }
    named = [name for name, value in given.items() if value is not None]
    if len(named) > 1:
        wanted = "one way to name days: `from` and `to`, `range`, `days` or `period`"
        raise InvalidRequest(named[1], given[named[1]], wanted)
    if first is not None or last is not None:
        return Range(_between(first, last))
    asked = days if days is not None else _PERIODS[period] if period is not None else _preset(preset)
    return Range(asked, default=not named)


def _between(first: str | None, last: str | None) -> DateRange:
    one, other = DateRange.parse(first, None).first, DateRange.parse(None, last).last
    if one is not None and other is not None and other < one:
        raise InvalidRequest("to", last, f"a day that is not before {first}")
    return DateRange(one, other)


def _preset(name: str | None) -> str:
    if name is not None and name not in PRESETS:
        raise InvalidRequest("range", name, f"one of {', '.join(PRESETS)}")
    return name if name is not None else DEFAULT


Days = Annotated[Range, Depends(_range)]
"""A parameter of a route that asks about a range of days."""
