"""The settings of a store. They are kept in the database, because its figures rest on them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import time
from fractions import Fraction

from sqlalchemy import Connection, select, text

from timestrata import schema
from timestrata.calendar import zone
from timestrata.errors import InvalidRequest, SettingsMismatch
from timestrata.ingest import Rules
from timestrata.measures import GAP_THRESHOLD


@dataclass(frozen=True, slots=True)
class Settings:
    """Fixed when a store is created: what decides on which day a fact is filed, and what a gap is.

    `timezone` is the zone of facts and users that have none, `day_start` when their days begin, `gap_threshold` the
    share of the estimate that must be passed for a gap alert: a fraction of small whole numbers, such as 6/5.
    """

    timezone: str = "UTC"
    day_start: time = time(0)
    gap_threshold: Fraction = GAP_THRESHOLD

    def __post_init__(self) -> None:
        zone(self.timezone)
        if self.day_start.tzinfo is not None or self.day_start.microsecond:
            raise InvalidRequest("day_start", self.day_start.isoformat(), "a time of day in whole seconds, no zone")
        threshold = self.gap_threshold
        if not isinstance(threshold, Fraction) or threshold <= 0 or max(threshold.as_integer_ratio()) > 10_000:
            raise InvalidRequest("gap_threshold", threshold, "a fraction such as 6/5, of whole numbers to 10,000")

    def rules(self) -> Rules:
        """Return the settings as the write path takes them."""
        start = self.day_start
        return Rules(self.timezone, start.hour * 3600 + start.minute * 60 + start.second, self.gap_threshold)

    def _texts(self) -> dict[str, str]:
        return {
            "timezone": self.timezone,
            "day_start": self.day_start.isoformat(),
            "gap_threshold": str(self.gap_threshold),
        }


def load(connection: Connection) -> Settings | None:
    """Return the settings of a store, None while it has none."""
    rows = connection.execute(select(schema.setting.c.name, schema.setting.c.value)).fetchall()
    if not rows:
        return None
    found = {row.name: row.value for row in rows}
    day_start, threshold = time.fromisoformat(found["day_start"]), Fraction(found["gap_threshold"])
    return Settings(found["timezone"], day_start, threshold)


def settle(connection: Connection, asked: Settings | None) -> Settings:
    """Return the settings of a store, which it gets now if it has none. Raises SettingsMismatch."""
    stored = load(connection)
    if stored is None:
        stored = asked or Settings()
        connection.execute(
            text("INSERT INTO ts_setting (name, value) VALUES (:name, :value)"),
            [{"name": name, "value": value} for name, value in stored._texts().items()],
        )
    check(stored, asked)
    return stored


def check(stored: Settings, asked: Settings | None) -> None:
    """Raise SettingsMismatch when a store was created with other settings than those asked for."""
    if asked is None:
        return
    for (name, kept), wanted in zip(stored._texts().items(), asked._texts().values(), strict=True):
        if kept != wanted:
            raise SettingsMismatch(name, kept, wanted)
