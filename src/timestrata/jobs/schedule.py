"""When jobs run: cron expressions by the clocks of a zone, and the settings that hold them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime, timedelta

from timestrata.calendar import instant, moment, zone
from timestrata.errors import InvalidRequest

OFF = "off"
_WANTED = (
    'a cron expression of five fields (minute, hour, day of month, month, weekday) such as "30 2 * * *" that is due '
    f'at some time, or "{OFF}"'
)
_LONGEST_SKIP = timedelta(hours=2)
"""After a change of the clocks, wall times from before it may still be to come."""
_CHOSEN_AT_RANDOM = re.compile(r"(?<![a-z])[hr](?![a-z])", re.IGNORECASE)


def next_run(expression: str, timezone: str, after: int) -> int:
    """Return the first instant after `after` at which a cron expression is due, by the clocks of a zone.

    A time that the clocks skip comes as much later as they skip: "30 2" at 3:30 in the night to summer time. One that
    they show twice comes once, the first time.
    """
    from croniter import croniter  # here, because it is an extra, and slow to import

    local = zone(timezone)
    wall = moment(after).astimezone(local).replace(tzinfo=None)
    # By wall times, not by croniter's own zones: it comes back to a time that is shown twice.
    times = croniter(expression, wall - _LONGEST_SKIP)
    while True:
        at = instant(times.get_next(datetime).replace(tzinfo=local))
        if at > after:
            return at


def checked_expression(name: str, text: object) -> str:
    """Return a cron expression of five fields. Raises InvalidRequest, also for one that is never due."""
    try:
        if not isinstance(text, str) or len(text.split()) != 5 or _CHOSEN_AT_RANDOM.search(text):
            raise ValueError(text)
        next_run(text, "UTC", 0)
    except ImportError as error:
        wanted = "the packages of the schedule: pip install 'timestrata[archive]'"
        raise InvalidRequest(name, f"no package {error.name}", wanted) from error
    except (ValueError, LookupError, ArithmeticError, TypeError, AttributeError) as error:
        raise InvalidRequest(name, text, _WANTED) from error
    return text


@dataclass(frozen=True, slots=True)
class Schedules:
    """When each job runs: cron expressions of five fields, by the clocks of the store's zone; None: never by itself.

    `retention` archives and purges, `audit` verifies the figures, `alerts` deletes what was dismissed long ago,
    `archive` verifies its files. Raises InvalidRequest.
    """

    retention: str | None = "30 2 * * *"
    audit: str | None = "30 3 * * *"
    alerts: str | None = "15 4 * * *"
    archive: str | None = "45 4 * * 0"

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if value is not None and value != field.default:
                checked_expression(field.name, value)

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> Schedules:
        """Return the schedules that TIMESTRATA_RETENTION_SCHEDULE and its like set. Raises InvalidRequest."""
        given: dict[str, str | None] = {}
        for field in fields(cls):
            variable = f"TIMESTRATA_{field.name.upper()}_SCHEDULE"
            text = environ.get(variable, "").strip()
            if text:
                given[field.name] = None if text.lower() == OFF else checked_expression(variable, text)
        return cls(**given)
