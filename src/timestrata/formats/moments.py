"""Moments as text: ISO 8601 in both directions, and naive times in a zone."""

from __future__ import annotations

from datetime import UTC, datetime

from timestrata.calendar import zone
from timestrata.errors import InvalidFact

WANTED_MOMENT = 'a date and time in ISO 8601 such as "2024-02-29T09:30:00Z" or "2024-02-29T10:30:00.25+01:00"'


def parse_iso(text: str) -> datetime:
    """Read "YYYY-MM-DDTHH:MM[:SS[.ffffff]]" with or without an offset; digits past the microsecond are cut off.

    The result is naive when there is no offset. Raises ValueError, IndexError or TypeError for anything else.

    >>> parse_iso("2024-02-29T10:30+01:00").isoformat()
    '2024-02-29T10:30:00+01:00'
    """
    # fromisoformat takes more than we do: bare dates, week dates, the form without dashes, any separator.
    if text[7] != "-" or text[10] not in "T ":
        raise ValueError(text)
    return datetime.fromisoformat(text)


def write_iso(moment: datetime) -> str:
    """Return the moment in UTC with Z and as few fractional digits as it needs.

    >>> write_iso(parse_iso("2024-02-29T10:30:00.250+01:00"))
    '2024-02-29T09:30:00.25Z'
    """
    text = moment.astimezone(UTC).isoformat()[: -len("+00:00")]
    return (text.rstrip("0") if moment.microsecond else text) + "Z"


def in_zone(name: str, naive: datetime, timezone: str) -> datetime:
    """Return the UTC moment of a wall time in a zone; one the clocks skip or repeat has the offset before the change.

    In UTC, because Python compares two times of one zone by their wall clocks, which run back once a year.
    Raises InvalidFact, under the field `name`, when the moment is outside of what a datetime can hold.
    """
    try:
        return naive.replace(tzinfo=zone(timezone)).astimezone(UTC)
    except OverflowError as error:
        raise InvalidFact(name, naive.isoformat(), "an instant between the years 1 and 9999") from error
