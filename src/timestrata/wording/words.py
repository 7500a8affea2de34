"""Figures, days and times as people read them in their language's way of writing numbers and dates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, tzinfo
from functools import cache, lru_cache
from typing import Any, TypeVar

from babel import Locale, UnknownLocaleError
from babel.core import negotiate_locale
from babel.dates import format_date, format_interval, format_time
from babel.localedata import locale_identifiers
from babel.numbers import NumberPattern, format_decimal, format_percent, parse_pattern

from timestrata.calendar import Bucket, DateRange, zone
from timestrata.wording import common

DEFAULT_LOCALE = "en_GB"
_SPACE = "\u00a0"
"""Between a number and its unit, which are not to be parted at the end of a line."""

Number = TypeVar("Number", int, float)


@dataclass(frozen=True, slots=True)
class Words:
    """Writes figures for a reader: numbers and dates by the locale, moments in the zone. None is a dash."""

    locale: Locale
    zone: tzinfo = UTC

    @property
    def first_weekday(self) -> int:
        """The day that weeks begin with where the reader lives: 0 is Monday, 6 Sunday."""
        return int(self.locale.first_week_day)

    @property
    def language(self) -> str:
        """The locale as browsers name it: `en-GB`."""
        return str(self.locale).replace("_", "-")

    def count(self, value: float | None) -> str:
        """Return a whole number with its thousands grouped; a mean of counts has one decimal."""
        if value is None:
            return common.NONE
        return self._decimal(value, "#,##0" if float(value).is_integer() else "#,##0.0")

    def duration(self, seconds: float | None) -> str:
        """Return seconds in two units at most: `12 s`, `45 min`, `2 h 07 min`, and from 100 hours on `1,234 h`."""
        if seconds is None:
            return common.NONE
        whole = int(seconds + 0.5)
        if whole < 60:
            return f"{whole}{_SPACE}s"
        minutes = (whole + 30) // 60
        if minutes < 60:
            return f"{minutes}{_SPACE}min"
        if minutes < 6000:
            return f"{minutes // 60}{_SPACE}h{_SPACE}{minutes % 60:02d}{_SPACE}min"
        return f"{self.count((whole + 1800) // 3600)}{_SPACE}h"

    def clock(self, seconds: float) -> str:
        """Return seconds as a timer shows them: `0:12:05`."""
        whole = int(seconds)
        return f"{whole // 3600}:{whole // 60 % 60:02d}:{whole % 60:02d}"

    def hours(self, seconds: float | None) -> str:
        """Return seconds as hours with one decimal: `2.1 h`."""
        return common.NONE if seconds is None else f"{self._decimal(seconds / 3600, '#,##0.0')}{_SPACE}h"

    def size(self, size: int) -> str:
        """Return bytes in units of a thousand: `12.3 MB`."""
        for unit, least in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
            if size >= least:
                return f"{self._decimal(size / least, '#,##0.0')}{_SPACE}{unit}"
        return f"{size}{_SPACE}B"

    def percent(self, ratio: float | None, above: float | None = None) -> str:
        """Return a share or a ratio in whole per cent, as the locale writes it.

        above: a limit that it is greater than, which has to be seen: 120.03 % then has its decimals, up to four.
        """
        if ratio is None:
            return common.NONE
        digits = 0
        while above is not None and digits < 4 and round(100 * ratio, digits) <= 100 * above:
            digits += 1
        pattern = f"#,##0.{'0' * digits}\u00a0%" if digits else "#,##0\u00a0%"
        return _percent(ratio, pattern, self.locale)

    def change(self, ratio: float | None) -> str:
        """Return a relative change with its sign and one decimal: `+19.5 %`."""
        if ratio is None:
            return common.NONE
        return _percent(ratio, "+#,##0.0\u00a0%;-#,##0.0\u00a0%", self.locale)

    def ratio(self, value: float | None) -> str:
        """Return actual over estimated time with two decimals."""
        return common.NONE if value is None else self._decimal(value, "0.00")

    def day(self, day: date | None) -> str:
        """Return a day with its year."""
        return common.NONE if day is None else _date(day, "medium", self.locale)

    def bucket(self, first: date, bucket: Bucket) -> str:
        """Return a day, week or month by its first day."""
        if bucket == "month":
            return _date(first, "MMM yyyy", self.locale)
        return self.day(first)

    def range(self, dates: DateRange) -> str:
        """Return a range in words, both ends included."""
        first, last = dates.first, dates.last
        if first is None:
            return common.ALL_TIME if last is None else common.UNTIL.format(day=self.day(last))
        if last is None:
            return common.SINCE.format(day=self.day(first))
        return str(format_interval(first, last, "yMMMd", locale=self.locale))

    def moment(self, at: datetime | None) -> str:
        """Return an instant as a day and a time of the zone."""
        if at is None:
            return common.NONE
        return f"{self.day(at.astimezone(self.zone).date())}, {self.time(at)}"

    def filed(self, at: datetime, timezone: str) -> str:
        """Return an instant as a day and a time of the zone that it was filed under, named where clocks differ there.

        It is the day of that zone on which it counts, whoever reads it.
        """
        there = replace(self, zone=zone(timezone))
        same = at.astimezone(self.zone).utcoffset() == at.astimezone(there.zone).utcoffset()
        return there.moment(at) if same else common.MOMENT_OF_ZONE.format(moment=there.moment(at), zone=timezone)

    def time(self, at: datetime) -> str:
        """Return the time of day of an instant in the zone, to the minute."""
        return str(format_time(at, "short", tzinfo=self.zone, locale=self.locale))

    def chart_locale(self) -> dict[str, Any]:
        """Return how charts write numbers, days and months. Source: vega.github.io/vega/docs/api/locale."""
        symbols = self.locale.number_symbols["latn"]
        days, months = self.locale.days["format"], self.locale.months["format"]
        week, year = (6, *range(6)), range(1, 13)  # from Sunday on, from January on
        return {
            "number": {
                "decimal": symbols["decimal"],
                "thousands": symbols["group"],
                "grouping": [3],
                "currency": ["", ""],
            },
            "time": {
                "dateTime": "%x, %X",
                "date": "%-d %b %Y",
                "time": "%H:%M",
                "periods": ["AM", "PM"],
                "days": [days["wide"][day] for day in week],
                "shortDays": [days["abbreviated"][day] for day in week],
                "months": [months["wide"][month] for month in year],
                "shortMonths": [months["abbreviated"][month] for month in year],
            },
        }

    def _decimal(self, value: float, pattern: str) -> str:
        return _decimal(value, pattern, self.locale)


# Remembered, because most figures of a page are those of the last one: to write them took a tenth of its time.
_remembered = lru_cache(maxsize=8192)


@_remembered
def _decimal(value: float, pattern: str, locale: Locale) -> str:
    return str(format_decimal(value, _pattern(pattern), locale=locale))


@_remembered
def _percent(ratio: float, pattern: str, locale: Locale) -> str:
    return str(format_percent(ratio, _pattern(pattern), locale=locale))


@_remembered
def _date(day: date, pattern: str, locale: Locale) -> str:
    return str(format_date(day, pattern, locale=locale))


@cache
def _pattern(pattern: str) -> NumberPattern:
    """Return a pattern in parts: finding them takes as long as writing a number."""
    return parse_pattern(pattern)


def preferred_locale(languages: str | None) -> Locale:
    """Return the best locale that an Accept-Language header names, else English.

    >>> str(preferred_locale("de-CH;q=0.8, fr-CH, *;q=0.1"))
    'fr_CH'
    """
    return _preferred_locale((languages or "")[:200])


@lru_cache(maxsize=256)
def _preferred_locale(languages: str) -> Locale:
    found = negotiate_locale(_by_weight(languages), _known(), sep="-") or DEFAULT_LOCALE
    try:
        return Locale.parse(found, sep="_" if "_" in found else "-")
    except (ValueError, UnknownLocaleError):
        return Locale.parse(DEFAULT_LOCALE)


@lru_cache(maxsize=1)
def _known() -> Sequence[str]:
    return [name.replace("_", "-") for name in locale_identifiers()]


def _by_weight(languages: str) -> list[str]:
    """Return language tags, the most wanted first. Source: RFC 9110, section 12.5.4."""
    weighed = []
    for place, each in enumerate(languages.split(",")):
        tag, _, weight = each.partition(";q=")
        try:
            weighed.append((-float(weight or 1), place, tag.strip()))
        except ValueError:
            continue
    return [tag for _, _, tag in sorted(weighed) if tag and tag != "*"]
