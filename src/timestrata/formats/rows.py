"""One row of a mapped CSV file: its cells read as texts, moments and durations."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Context, Decimal
from typing import cast

from timestrata.calendar import zone
from timestrata.errors import InvalidFact
from timestrata.facts import MAX_ESTIMATE_SECONDS, MAX_SECONDS, MAX_STEP_INDEX, MAX_TEXT, TimeSession, whole_seconds
from timestrata.formats.columns import Fields
from timestrata.formats.mapping import ATTRIBUTE, ColumnMapping
from timestrata.formats.moments import in_zone, parse_iso

_TEXTS = ("ticket_key", "ticket_type", "template", "timezone", "step_name")
_WANTED_TEXT = f"text of 1 to {MAX_TEXT} characters"
_SECONDS_PER = {"seconds": 1, "minutes": 60, "hours": 3600}
_NUMBER = re.compile(r"-?(?:[0-9]+\.?[0-9]*|\.[0-9]+)")
_NUMBER_WITH_COMMA = re.compile(r"-?(?:[0-9]+,?[0-9]*|,[0-9]+)")
_CLOCK = re.compile(r"([0-9]{1,9}):([0-5][0-9])(?::([0-5][0-9]))?")
_EXACT = Context(prec=100)  # hours times 3600 without rounding: whole_seconds() rounds, once


@dataclass(frozen=True, slots=True)
class Row:
    """What one row says; None where it says nothing. Durations are in seconds, by name ("active", "estimated")."""

    line: int
    texts: Mapping[str, str | None]
    durations: Mapping[str, int | None]
    attributes: Mapping[str, str | None]
    step_index: int | None
    started_at: datetime | None
    completed_at: datetime | None
    session: TimeSession | None


class RowReader:
    """Reads the rows of one file by a mapping. Every refusal is an InvalidInput with line and column."""

    def __init__(self, mapping: ColumnMapping) -> None:
        self._mapping = mapping
        self._zone_mapped = "timezone" in mapping.targets
        self._units = {name: unit for name in ("active", "pause", "estimated", "step_estimated")
                       if (unit := mapping.unit(name))}  # fmt: skip
        self._attributes = {
            name: name.removeprefix(ATTRIBUTE) for name in mapping.targets if name.startswith(ATTRIBUTE)
        }

    def key(self, fields: Fields) -> tuple[str, str]:
        """Return user and workflow; rows of one workflow have the same."""
        return fields.needed("user_id", _WANTED_TEXT), fields.needed("workflow_id", _WANTED_TEXT)

    def row(self, fields: Fields) -> Row:
        timezone = self._zone(fields) if self._zone_mapped else self._mapping.timezone
        durations = {name: self._duration(fields, name, unit) for name, unit in self._units.items()}
        session = None
        if self._mapping.row == "session":
            session = self._session(fields, timezone, durations)
        elif durations["active"] is None:
            raise fields.missing(f"active_{self._units['active']}", "the time that was worked")
        return Row(
            line=fields.line,
            texts={name: fields.text(name) for name in _TEXTS},
            durations=durations,
            attributes={name: fields.text(target) for target, name in self._attributes.items()},
            step_index=self._step_index(fields),
            started_at=session.started_at if session else self._moment(fields, "started_at", timezone),
            completed_at=self._moment(fields, "completed_at", timezone),
            session=session,
        )

    def _zone(self, fields: Fields) -> str:
        name = fields.text("timezone")
        if name is None:
            return self._mapping.timezone
        try:
            zone(name)
        except InvalidFact as error:
            raise fields.refused("timezone", error.wanted) from error
        return name

    def _step_index(self, fields: Fields) -> int | None:
        text = fields.text("step_index")
        if text is None:
            return None
        if not (text.isascii() and text.isdigit() and len(text) <= len(str(MAX_STEP_INDEX))):
            raise fields.refused("step_index", f"a whole number from 0 to {MAX_STEP_INDEX}")
        return int(text)

    def _moment(self, fields: Fields, target: str, timezone: str) -> datetime | None:
        text = fields.text(target)
        if text is None:
            return None
        try:
            moment, whole_day = self._parsed(text)
        except (ValueError, IndexError) as error:
            raise fields.refused(target, self._wanted_moment()) from error
        if whole_day and target != "started_at":
            moment = moment.replace(hour=23, minute=59, second=59)
        try:
            return moment if moment.tzinfo else in_zone(target, moment, timezone)
        except InvalidFact as error:
            raise fields.refused(target, error.wanted) from error

    def _parsed(self, text: str) -> tuple[datetime, bool]:
        """Return the moment, and whether it is a date without a time of day."""
        if self._mapping.date_format is not None:
            return datetime.strptime(text, self._mapping.date_format), self._mapping.dates_only
        if len(text) == len("YYYY-MM-DD"):
            return parse_iso(f"{text}T00:00"), True
        return parse_iso(text), False

    def _wanted_moment(self) -> str:
        if self._mapping.date_format is not None:
            return f"a time in the date format {self._mapping.date_format}"
        return "a date or time in ISO 8601 such as 2024-02-29 or 2024-02-29T09:30:00Z, or else name the date format"

    def _duration(self, fields: Fields, name: str, unit: str) -> int | None:
        target = f"{name}_{unit}"
        text = fields.text(target)
        if text is None:
            return None
        most = MAX_ESTIMATE_SECONDS if name.endswith("estimated") else MAX_SECONDS
        try:
            return whole_seconds(name, self._seconds(text, unit), most)
        except InvalidFact as error:
            raise fields.refused(target, f"{unit} that make {error.wanted.removeprefix('a number of ')}") from error
        except ValueError as error:
            raise fields.refused(target, str(error)) from error

    def _seconds(self, text: str, unit: str) -> Decimal | int:
        """Return the exact seconds. Raises ValueError that says what is wanted."""
        if unit == "clock":
            clock = _CLOCK.fullmatch(text)
            if clock is None:
                raise ValueError("H:MM or H:MM:SS")
            hours, minutes, seconds = (int(part or 0) for part in clock.groups())
            return hours * 3600 + minutes * 60 + seconds
        if self._mapping.decimal_comma:
            if not _NUMBER_WITH_COMMA.fullmatch(text):
                raise ValueError(f"{unit} with a decimal comma such as 1,5")
            text = text.replace(",", ".")
        elif not _NUMBER.fullmatch(text):
            raise ValueError(f"{unit} such as 1.5 (for 1,5 choose the decimal comma)")
        return _EXACT.multiply(Decimal(text), Decimal(_SECONDS_PER[unit]))

    def _session(self, fields: Fields, timezone: str, durations: Mapping[str, int | None]) -> TimeSession:
        started = self._moment(fields, "started_at", timezone)
        if started is None:
            raise fields.missing("started_at", "the start of the session")
        active, pause = durations.get("active"), durations.get("pause")
        ended = self._moment(fields, "ended_at", timezone)
        try:
            if ended is None:
                ended = started + self._elapsed(fields, active, pause)
            return TimeSession(started, ended, cast(int, active), cast(int, pause))
        except InvalidFact as error:
            raise fields.columns.refusal(fields.line, error) from error
        except OverflowError as error:
            raise fields.refused("started_at", "a time before the year 9999") from error

    def _elapsed(self, fields: Fields, active: int | None, pause: int | None) -> timedelta:
        if active is None:
            target = "ended_at" if "ended_at" in self._mapping.targets else f"active_{self._units['active']}"
            raise fields.missing(target, "the end of the session, or its active time")
        return timedelta(seconds=active + (pause or 0))
