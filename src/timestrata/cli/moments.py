"""Times and durations as people type them: few forms, each with one meaning; what is unclear is refused."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta, tzinfo

from timestrata.errors import InvalidRequest

WANTED = (
    'a time such as "14:30", "yesterday 17:00", "20min ago", "2024-05-06 14:30" or "2024-05-06T14:30+02:00" '
    "(without an offset: in the zone of this machine)"
)
_WANTED_DURATION = 'a duration such as "2h", "90min" or "1h 30min"'

_DAY_AND_TIME = re.compile(
    r"(?:(?P<day>today|yesterday|[0-9]{4}-[0-9]{2}-[0-9]{2})(?: +|[tT](?=[0-9])))?"
    r"(?P<time>[0-9]{1,2}:[0-9]{2}(?::[0-9]{2})?) ?(?P<offset>[zZ]|[+-][0-9]{2}:[0-9]{2})?",
    re.IGNORECASE,
)
_AGO = re.compile(r"(.+?) +ago", re.IGNORECASE)
_PARTS = re.compile(
    r"(?:(?P<h>[0-9]{1,5}) ?(?:h|hours?))?(?: *(?P<m>[0-9]{1,7}) ?(?:m|mins?|minutes?))?"
    r"(?: *(?P<s>[0-9]{1,9}) ?(?:s|secs?|seconds?))?",
    re.IGNORECASE,
)
_EARLY = timedelta(seconds=60)
"""How far a time of today may be ahead of the clock, which another machine may read otherwise."""


def read_duration(option: str, text: str) -> int:
    """Return the seconds of a duration in hours, minutes and seconds. Raises InvalidRequest.

    >>> [read_duration("--estimate", text) for text in ("2h", "90min", "1h 30m", "45 s")]
    [7200, 5400, 5400, 45]
    """
    found = _PARTS.fullmatch(text.strip())
    if found is None or not any(found.groups()):
        raise InvalidRequest(option, text, _WANTED_DURATION)
    hours, minutes, seconds = (int(found[name] or 0) for name in ("h", "m", "s"))
    return hours * 3600 + minutes * 60 + seconds


def read_moment(option: str, text: str, now: datetime, zone: tzinfo | None = None) -> datetime:
    """Return the instant, in UTC, that a text means at `now`; `zone` None is the zone of the machine.

    Raises InvalidRequest for any other text, for a time of today that is still to come, and for a wall time that the
    clocks skip or show twice.

    >>> noon = datetime(2024, 5, 6, 12, tzinfo=UTC)
    >>> [read_moment("--at", text, noon, UTC).isoformat() for text in ("1h 20min ago", "yesterday 17:00")]
    ['2024-05-06T10:40:00+00:00', '2024-05-05T17:00:00+00:00']
    """
    stripped = text.strip()
    if stripped.lower() == "now":
        return now.astimezone(UTC)
    if ago := _AGO.fullmatch(stripped):
        return _before(option, text, now, ago[1])
    found = _DAY_AND_TIME.fullmatch(stripped)
    if found is None or (found["offset"] and (found["day"] or "").lower() in ("", "today", "yesterday")):
        raise InvalidRequest(option, text, WANTED)
    try:
        wall = datetime.combine(_day(found["day"], now.astimezone(zone).date()), _time(found["time"]))
        if found["offset"]:
            return datetime.fromisoformat(f"{wall.isoformat()}{found['offset'].upper()}").astimezone(UTC)
        moment = _moment(option, text, wall, zone)
    except (ValueError, OverflowError, OSError) as error:
        if isinstance(error, InvalidRequest):
            raise
        raise InvalidRequest(option, text, WANTED) from error
    if found["day"] is None and moment > now + _EARLY:
        raise InvalidRequest(
            option,
            text,
            f'a time that has come: today it is still to come, write "yesterday {found["time"]}" if so meant',
        )
    return moment


def _before(option: str, text: str, now: datetime, duration: str) -> datetime:
    try:
        return now.astimezone(UTC) - timedelta(seconds=read_duration(option, duration))
    except InvalidRequest as error:
        # Days too: over a change of the clocks it is not clear whether they are 24 hours.
        wanted = 'hours, minutes and seconds before "ago", as in "20min ago" or "1h 30min ago"'
        raise InvalidRequest(option, text, wanted) from error


def _day(text: str | None, today: date) -> date:
    if text is None or text.lower() == "today":
        return today
    if text.lower() == "yesterday":
        return today - timedelta(days=1)
    return date.fromisoformat(text)


def _time(text: str) -> time:
    hour, minute, second = [*map(int, text.split(":")), 0][:3]
    return time(hour, minute, second)


def _moment(option: str, text: str, wall: datetime, zone: tzinfo | None) -> datetime:
    """Return the one instant at which the clocks show `wall`. Raises InvalidRequest when there is none, or two."""
    early, late = sorted(wall.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
    if early == late:
        return early
    near = " or ".join(f'"{moment.astimezone(zone).isoformat()}"' for moment in (early, late))
    if early.astimezone(zone).replace(tzinfo=None) != wall:
        raise InvalidRequest(option, text, f"a time that there was, {near}: the clocks were put forward over this one")
    raise InvalidRequest(option, text, f"{near}: the clocks were put back, so that this time came twice")
