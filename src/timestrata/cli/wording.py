"""Figures as people read them: durations, ratios, shares, names."""

from __future__ import annotations

from timestrata.answers import TrendMeasure
from timestrata.calendar import Bucket
from timestrata.trends import Trend

NOTHING = "-"

_MEASURES: dict[TrendMeasure, str] = {
    "mean_seconds": "Mean time of a workflow",
    "completed": "Completed workflows",
    "active_seconds": "Active time",
    "worked_seconds": "Worked time",
    "estimate_ratio": "Actual against estimate",
    "gap_alerts": "Gap alerts",
}


def duration(seconds: float | None) -> str:
    """Return seconds in two units at most: to the second below ten minutes, then to the minute, from 100 h to the hour.

    >>> [duration(seconds) for seconds in (None, 0, 59, 125, 600, 6720, 360_000, 4_000_000)]
    ['-', '0 s', '59 s', '2 min 5 s', '10 min', '1 h 52 min', '100 h', '1,111 h']
    """
    if seconds is None:
        return NOTHING
    whole = int(seconds + 0.5)
    if whole < 60:
        return f"{whole} s"
    if whole < 600:
        return f"{whole // 60} min" + (f" {whole % 60} s" if whole % 60 else "")
    minutes = (whole + 30) // 60
    if minutes < 60:
        return f"{minutes} min"
    if minutes < 6000:
        return f"{minutes // 60} h" + (f" {minutes % 60} min" if minutes % 60 else "")
    return f"{(whole + 1800) // 3600:,} h"


def ratio(value: float | None) -> str:
    """Return actual against estimate with two decimals: 1.00 is on estimate, above is over it."""
    return NOTHING if value is None else f"{value:.2f}"


def share(part: float | None, whole: float = 1) -> str:
    """Return a share in whole per cent."""
    return NOTHING if part is None or not whole else f"{100 * part / whole:.0f} %"


def number(value: float | None) -> str:
    """Return a count with thousands separated; a mean of counts with one decimal."""
    if value is None:
        return NOTHING
    return f"{value:,}" if isinstance(value, int) else f"{value:,.1f}"


def plural(count: int, noun: str, several: str | None = None) -> str:
    """Return a count with its noun: 1 workflow, 2 workflows."""
    return f"{count:,} {noun if count == 1 else several or f'{noun}s'}"


def name(text: str) -> str:
    """Return a name as a terminal may show it: control characters, which could steer it, become escapes."""
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)


def measure(which: TrendMeasure) -> str:
    """Return the name of a measure at the start of a sentence."""
    return _MEASURES[which]


def verdict(trend: Trend, which: TrendMeasure, bucket: Bucket) -> str:
    """Return what a trend says in words, with its slope (Theil-Sen, with the 95 % interval) and p (Mann-Kendall)."""
    full = plural(trend.buckets, f"full {bucket}")
    if trend.verdict == "too few":
        return f"too few for a verdict: {full}, 6 are needed"
    slope, low, high = (
        change(value, which) for value in (trend.theil_sen_slope, trend.theil_sen_low, trend.theil_sen_high)
    )
    return f"{trend.verdict} ({p_value(trend)}); {slope} per {bucket} (95 %: {low} to {high}), {full}"


def p_value(trend: Trend) -> str:
    """Return p as in a sentence: "p = 0.43"."""
    if trend.p_value is None:
        return "p unknown"
    return "p < 0.001" if trend.p_value < 0.001 else f"p = {trend.p_value:.2g}"


def change(value: float | None, which: TrendMeasure) -> str:
    """Return a change of a measure with its sign."""
    if value is None:
        return NOTHING
    size = duration(abs(value)) if which.endswith("seconds") else f"{abs(value):.2g}"
    return size if size in ("0 s", "0") else f"{'-' if value < 0 else '+'}{size}"
