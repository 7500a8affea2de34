"""Changes and trends in words."""

from __future__ import annotations

from babel.numbers import format_decimal

from timestrata.answers import Change, TrendMeasure
from timestrata.calendar import Bucket
from timestrata.trends import Trend
from timestrata.wording import report as t
from timestrata.wording.words import Words


def change_words(change: Change, before: str, words: Words) -> str:
    """Return a change with its sign and whether it is for the better; `before` is the earlier figure in words."""
    if change.difference is None:
        return t.NOTHING_BEFORE
    if change.direction == "flat":
        return t.UNCHANGED.format(before=before)
    if change.ratio is None:
        return t.FROM_NOTHING.format(before=before)
    return t.CHANGE.format(change=words.change(change.ratio), verdict=t.VERDICTS[change.verdict], before=before)


def trend_words(trend: Trend, measure: TrendMeasure, bucket: Bucket, words: Words) -> str:
    """Return in a sentence what a trend says of a measure: its direction, slope (Theil-Sen, 95 %) and p."""
    return t.VERDICT.format(measure=t.MEASURES[measure], verdict=_verdict(trend, measure, bucket, words))


def _verdict(trend: Trend, measure: TrendMeasure, bucket: Bucket, words: Words) -> str:
    full = trend.buckets
    buckets = t.ONE_BUCKET[bucket] if full == 1 else t.BUCKETS[bucket].format(count=words.count(full))
    if trend.verdict == "too few":
        return t.TOO_FEW.format(buckets=buckets)
    if trend.verdict == "no evidence of change":
        return t.NO_EVIDENCE.format(buckets=buckets, p=_p_value(trend, words))
    slope, low, high = trend.theil_sen_slope, trend.theil_sen_low, trend.theil_sen_high
    return (t.RISING if trend.verdict == "rising" else t.FALLING).format(
        slope=_signed(abs(slope or 0), measure, words).lstrip("+"),
        per=t.PER[bucket],
        buckets=buckets,
        low=_signed(low, measure, words),
        high=_signed(high, measure, words),
        p=_p_value(trend, words),
    )


def _p_value(trend: Trend, words: Words) -> str:
    if trend.p_value is None:
        return t.P_UNKNOWN
    return t.P_SMALL if trend.p_value < 0.001 else t.P_VALUE.format(p=_digits(trend.p_value, "@@", words))


def _signed(value: float | None, measure: TrendMeasure, words: Words) -> str:
    """Return a change per bucket with its sign, to two digits, or as a duration."""
    if not value:
        return words.duration(0) if measure.endswith("seconds") else words.count(0)
    if measure.endswith("seconds"):
        return f"{'-' if value < 0 else '+'}{words.duration(abs(value))}"
    return _digits(value, "+@@;-@@", words)


def _digits(value: float, pattern: str, words: Words) -> str:
    return str(format_decimal(value, pattern, locale=words.locale))
