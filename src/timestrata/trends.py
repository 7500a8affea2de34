"""Slopes and a rank test over one series of bucket values; pure arithmetic, no I/O."""

import math
import statistics
from collections import Counter
from collections.abc import Iterable, Sequence, Sized
from dataclasses import dataclass
from itertools import combinations
from operator import mul
from typing import Literal

Verdict = Literal["rising", "falling", "no evidence of change", "too few"]

# Up to here a bucket number is exact as a float, so no slope is off because of its x.
LARGEST_BUCKET = 2**53


@dataclass(frozen=True, slots=True)
class Trend:
    """What one series says about change over time.

    Slopes are in the unit of y per bucket, `intercept` in the unit of y at bucket 0.
    Everything but `buckets` and `verdict` is None below two points; `r_squared` is also None for a
    constant series, which has no variation to explain.
    With "too few", the numbers are arithmetic, not evidence.
    """

    buckets: int  # points used; buckets without a value are not counted
    slope: float | None = None
    intercept: float | None = None
    r_squared: float | None = None
    theil_sen_slope: float | None = None
    theil_sen_low: float | None = None
    theil_sen_high: float | None = None
    mann_kendall_s: int | None = None
    mann_kendall_variance: float | None = None
    mann_kendall_z: float | None = None
    p_value: float | None = None
    verdict: Verdict = "too few"


def trend(points: Iterable[tuple[int, float]], alpha: float = 0.05, minimum: int = 6) -> Trend:
    """Judge whether a series rises or falls, with the slopes that say by how much.

    points: (bucket, y) with whole buckets since an origin, strictly increasing, gaps allowed; may be empty.
    y is used as a float, so whole numbers are exact up to 2**53; a result beyond the float range is inf.
    The verdict is the two-sided Mann-Kendall test at level alpha (change when p < alpha), and "too few"
    below `minimum` points (never fewer than 2).
    Raises ValueError as `least_squares` and `theil_sen` do, but not for a short series.

    >>> found = trend(enumerate([60, 62, 61, 65, 70, 72, 71]))
    >>> found.verdict, found.theil_sen_slope, found.mann_kendall_s
    ('rising', 2.0, 17)
    """
    series = _checked(points)
    critical = _critical_z(alpha)
    if len(series) < 2:
        return Trend(buckets=len(series))
    slope, intercept, r_squared = least_squares(series)
    middle, low, high = theil_sen(series, alpha)
    s, variance, z, p_value = mann_kendall([y for _, y in series])
    return Trend(
        buckets=len(series),
        slope=slope,
        intercept=intercept,
        r_squared=r_squared,
        theil_sen_slope=middle,
        theil_sen_low=low,
        theil_sen_high=high,
        mann_kendall_s=s,
        mann_kendall_variance=variance,
        mann_kendall_z=z,
        p_value=p_value,
        verdict="too few" if len(series) < minimum else _verdict(z, critical),
    )


def least_squares(points: Iterable[tuple[int, float]]) -> tuple[float, float, float | None]:
    """Fit y = slope * bucket + intercept; return (slope, intercept, r_squared).

    Units: y per bucket, y, none.  Each number is the exact rational result rounded once, so a constant
    series has slope exactly 0.0; its r_squared is None.
    Raises ValueError for fewer than 2 points, buckets that do not increase or exceed +-2**53, and y that is
    not finite.  Source: ordinary least squares, Sxy / Sxx and Sxy**2 / (Sxx * Syy).

    >>> least_squares([(0, 5), (1, 7), (3, 11)])
    (2.0, 5.0, 1.0)
    """
    series = _checked(points)
    _require_two(series)
    # Whole numbers, because floats cancel on large y (with fsum too: it is the mean that gets rounded) and overflow on
    # huge y.  A float is a whole number over a power of two, so the largest of those divides them all.
    ratios = [y.as_integer_ratio() for _, y in series]
    scale = max(denominator for _, denominator in ratios)
    n, xs = len(series), [x for x, _ in series]
    ys = [numerator * (scale // denominator) for numerator, denominator in ratios]
    x_sum, y_sum = sum(xs), sum(ys)
    sxx = n * sum(x * x for x in xs) - x_sum**2
    sxy = n * sum(map(mul, xs, ys)) - x_sum * y_sum
    syy = n * sum(y * y for y in ys) - y_sum**2
    r_squared = sxy * sxy / (sxx * syy) if syy else None
    return _divided(sxy, sxx * scale), _divided(y_sum * sxx - sxy * x_sum, n * sxx * scale), r_squared


def theil_sen(points: Iterable[tuple[int, float]], alpha: float = 0.05) -> tuple[float, float, float]:
    """Return (slope, low, high): the median of all pairwise slopes and its 1 - alpha confidence limits.

    All in the unit of y per bucket; low <= slope <= high.  With an even number of pairs the median is the
    mean of the middle two.  A series too short for the level gets its smallest and largest pairwise slope
    as limits.  Raises ValueError as `least_squares` does, and for alpha outside (0, 1).
    Source: Sen 1968, JASA 63:1379-1389, eq. 2.6 for the variance with ties.

    >>> theil_sen([(1, 9), (2, 15), (3, 19), (4, 20), (10, 45)])
    (3.875, 1.0, 6.0)
    """
    series = _checked(points)
    _require_two(series)
    # The difference of two huge values overflows; a quarter of it cannot, and quartering them is exact.
    scale = 0.25 if max(abs(y) for _, y in series) > 1e300 else 1.0
    scaled = [(x, y * scale) for x, y in series]
    slopes = sorted((y2 - y1) / (x2 - x1) for (x1, y1), (x2, y2) in combinations(scaled, 2))
    spread = _critical_z(alpha) * math.sqrt(_variance_of_s([y for _, y in series]))
    low = max(round((len(slopes) - spread) / 2) - 1, 0)
    high = min(round((len(slopes) + spread) / 2), len(slopes) - 1)
    return statistics.median(slopes) / scale, slopes[low] / scale, slopes[high] / scale


def mann_kendall(values: Sequence[float]) -> tuple[int, float, float, float]:
    """Test values in time order for a monotonic trend; return (s, variance, z, p_value).

    s counts later-is-larger pairs minus later-is-smaller pairs; variance is that of s under no trend,
    corrected for ties; z has the continuity correction and is 0.0 when s is 0; p_value is two-sided normal.
    Raises ValueError for fewer than 2 values and for a value that is not finite.
    Source: Mann 1945, Econometrica 13:245-259; Kendall 1975, Rank Correlation Methods; tie correction as in
    Gilbert 1987, Statistical Methods for Environmental Pollution Monitoring, section 16.4.

    >>> s, variance, z, p_value = mann_kendall([1, 2, 2, 3, 5, 4])
    >>> s, round(variance, 3), round(z, 3), round(p_value, 3)
    (12, 27.333, 2.104, 0.035)
    """
    numbers = [_finite(value, f"value {i}") for i, value in enumerate(values, start=1)]
    _require_two(numbers)
    s = sum((later > earlier) - (later < earlier) for earlier, later in combinations(numbers, 2))
    variance = _variance_of_s(numbers)
    z = math.copysign(abs(s) - 1, s) / math.sqrt(variance) if abs(s) > 1 else 0.0
    # erfc, because 2 * (1 - cdf) is 0 from z = 8.3 on.
    return s, variance, z, math.erfc(abs(z) / math.sqrt(2))


def _checked(points: Iterable[tuple[int, float]]) -> list[tuple[int, float]]:
    """Return the points with y as float; raise ValueError where they are not a series."""
    series: list[tuple[int, float]] = []
    for bucket, y in points:
        if abs(bucket) > LARGEST_BUCKET:
            raise ValueError(f"point {len(series) + 1}: the bucket is out of range (want -2**53 to 2**53)")
        if series and bucket <= series[-1][0]:
            raise ValueError(
                f"point {len(series) + 1}: bucket {bucket} follows bucket {series[-1][0]}"
                " (want strictly increasing buckets: sort the points, one per bucket)"
            )
        series.append((bucket, _finite(y, f"bucket {bucket}")))
    return series


def _finite(value: float, where: str) -> float:
    try:
        number = float(value)
    except OverflowError:  # an int beyond the float range
        number = math.inf
    if not math.isfinite(number):
        raise ValueError(f"{where}: {number} is not a finite number (leave out a bucket without a value)")
    return number


def _require_two(items: Sized) -> None:
    if len(items) < 2:
        raise ValueError(f"found {len(items)} point(s), want at least 2 for a slope or a test")


def _critical_z(alpha: float) -> float:
    """Return the normal quantile that |z| must exceed in a two-sided test at level alpha."""
    if not (alpha / 2 > 0 and alpha < 1):
        raise ValueError(f"alpha is {alpha}, want a number between 0 and 1 such as 0.05")
    return -statistics.NormalDist().inv_cdf(alpha / 2)


def _variance_of_s(numbers: list[float]) -> float:
    """Return var(S) under no trend, less what each group of equal numbers cannot contribute."""
    n = len(numbers)
    ties = sum(k * (k - 1) * (2 * k + 5) for k in Counter(numbers).values())
    return (n * (n - 1) * (2 * n + 5) - ties) / 18


def _verdict(z: float, critical: float) -> Verdict:
    if abs(z) <= critical:
        return "no evidence of change"
    return "rising" if z > 0 else "falling"


def _divided(numerator: int, denominator: int) -> float:
    """Return the float that is nearest to a quotient, infinite beyond the float range. The denominator is positive."""
    try:
        return numerator / denominator
    except OverflowError:
        return math.inf if numerator > 0 else -math.inf
