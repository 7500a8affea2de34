"""Slopes and verdicts against scipy and pymannkendall, their laws, and hand-made series."""

import doctest
import math
import sys
from itertools import accumulate

import pymannkendall
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import linregress, theilslopes

from timestrata import trends
from timestrata.trends import Trend, Verdict, least_squares, mann_kendall, theil_sen, trend

Points = list[tuple[int, float]]

HUGE = sys.float_info.max
TIED = st.integers(0, 3)
SECONDS = st.integers(-(10**6), 10**6)
MILLISECONDS = st.integers(-(10**9), 10**9).map(lambda n: n / 1000)


@st.composite
def with_gaps(draw: st.DrawFn, values: st.SearchStrategy[float]) -> Points:
    """Draw 2 to 60 points whose buckets start anywhere and leave some out."""
    ys = draw(st.lists(values, min_size=2, max_size=60))
    steps = draw(st.lists(st.integers(1, 5), min_size=len(ys), max_size=len(ys)))
    origin = draw(st.integers(-100, 100))
    return list(zip(accumulate(steps, initial=origin), ys, strict=False))


constant_series = st.builds(lambda series, y: [(x, y) for x, _ in series], with_gaps(TIED), MILLISECONDS)
# Without these hardly any drawn series is rising or falling.
sloping = st.builds(
    lambda series, slope: [(x, y + slope * x) for x, y in series], with_gaps(TIED), st.sampled_from([-2, -1, 1, 2])
)
whole_numbers = with_gaps(TIED) | with_gaps(SECONDS) | sloping
any_series = whole_numbers | with_gaps(MILLISECONDS) | constant_series
alphas = st.sampled_from([0.001, 0.01, 0.05, 0.1, 0.32])


def columns(points: Points) -> tuple[list[int], list[float]]:
    return [x for x, _ in points], [y for _, y in points]


def slopes(found: Trend) -> list[float]:
    numbers = found.slope, found.theil_sen_slope, found.theil_sen_low, found.theil_sen_high
    return [number for number in numbers if number is not None]


def rank_test(found: Trend) -> tuple[object, ...]:
    return found.mann_kendall_s, found.mann_kendall_variance, found.mann_kendall_z, found.p_value


def without_intercept(found: Trend) -> tuple[object, ...]:
    return found.buckets, *slopes(found), found.r_squared, *rank_test(found), found.verdict


# Against other implementations


@given(any_series)
def test_least_squares_agrees_with_scipy(points: Points) -> None:
    expected = linregress(*columns(points))
    # scipy's float sums cancel, so near zero only this much of its answer is meant.
    noise = 1e-9 * max(abs(y) for _, y in points)

    slope, intercept, r_squared = least_squares(points)

    assert slope == pytest.approx(expected.slope, rel=1e-9, abs=noise)
    assert intercept == pytest.approx(expected.intercept, rel=1e-9, abs=noise)
    if r_squared is None:
        assert len({y for _, y in points}) == 1
    else:
        assert r_squared == pytest.approx(expected.rvalue**2, rel=1e-9, abs=1e-9)


@given(any_series, alphas)
def test_theil_sen_agrees_with_scipy(points: Points, alpha: float) -> None:
    x, y = columns(points)
    expected = theilslopes(y, x, alpha)

    found = theil_sen(points, alpha)

    assert found == pytest.approx((expected.slope, expected.low_slope, expected.high_slope), rel=1e-9)


@given(any_series, alphas)
def test_mann_kendall_and_its_verdict_agree_with_pymannkendall(points: Points, alpha: float) -> None:
    expected = pymannkendall.original_test(columns(points)[1], alpha)
    words = {"increasing": "rising", "decreasing": "falling", "no trend": "no evidence of change"}

    found = trend(points, alpha, minimum=2)

    assert found.mann_kendall_s == expected.s
    assert found.mann_kendall_variance == pytest.approx(expected.var_s, rel=1e-9)
    assert found.mann_kendall_z == pytest.approx(expected.z, rel=1e-9)
    # abs, because pymannkendall takes 1 - cdf, which has no digits left below 1e-16.
    assert found.p_value == pytest.approx(expected.p, rel=1e-9, abs=1e-14)
    assert found.verdict == words[expected.trend]


# Laws


@given(whole_numbers, st.integers(-(10**9), 10**9))
def test_adding_to_every_value_moves_only_the_intercept(points: Points, shift: int) -> None:
    before, after = trend(points), trend([(x, y + shift) for x, y in points])

    assert before.intercept is not None
    assert after.intercept == pytest.approx(before.intercept + shift, rel=1e-12, abs=1e-6)
    assert without_intercept(after) == without_intercept(before)


@given(whole_numbers, st.integers(-(10**6), 10**6))
def test_another_origin_moves_only_the_intercept(points: Points, buckets: int) -> None:
    before, after = trend(points), trend([(x + buckets, y) for x, y in points])

    assert without_intercept(after) == without_intercept(before)


@given(whole_numbers)
def test_another_unit_scales_slopes_and_leaves_the_test_alone(points: Points) -> None:
    before, after = trend(points), trend([(x, y * 4) for x, y in points])

    assert slopes(after) == [slope * 4 for slope in slopes(before)]
    assert after.r_squared == before.r_squared
    assert rank_test(after) == rank_test(before)


@given(whole_numbers)
def test_time_reversed_negates_slopes_and_s(points: Points) -> None:
    opposite: dict[Verdict, Verdict] = {"rising": "falling", "falling": "rising"}

    before, after = trend(points, minimum=2), trend([(-x, y) for x, y in reversed(points)], minimum=2)

    slope, middle, low, high = slopes(before)
    assert slopes(after) == [-slope, -middle, -high, -low]
    assert before.mann_kendall_s is not None
    assert after.mann_kendall_s == -before.mann_kendall_s
    assert after.p_value == before.p_value
    assert after.verdict == opposite.get(before.verdict, before.verdict)


@given(any_series, st.floats(0.001, 0.999))
def test_the_confidence_interval_contains_the_slope(points: Points, alpha: float) -> None:
    slope, low, high = theil_sen(points, alpha)

    assert low <= slope <= high


@given(constant_series)
def test_a_constant_series_is_exactly_flat(points: Points) -> None:
    found = trend(points, minimum=2)

    assert slopes(found) == [0.0, 0.0, 0.0, 0.0]
    assert (found.intercept, found.r_squared) == (points[0][1], None)
    assert rank_test(found) == (0, 0.0, 0.0, 1.0)
    assert found.verdict == "no evidence of change"


@given(with_gaps(st.floats(allow_nan=False, allow_infinity=False) | st.sampled_from([HUGE, -HUGE, 5e-324])))
def test_every_finite_series_has_a_trend_without_nan(points: Points) -> None:
    found = trend(points)

    assert not any(math.isnan(slope) for slope in slopes(found))
    assert found.r_squared is None or 0 <= found.r_squared <= 1


# Hand-made series


def test_an_empty_series_is_too_few_and_has_no_numbers() -> None:
    assert trend([]) == Trend(buckets=0, verdict="too few")


def test_one_point_is_too_few_and_has_no_numbers() -> None:
    assert trend([(7, 3600)], minimum=1) == Trend(buckets=1, verdict="too few")


def test_a_short_series_shows_its_numbers_but_no_verdict() -> None:
    assert trend([(0, 60), (2, 100)]) == Trend(
        buckets=2,
        slope=20.0,
        intercept=60.0,
        r_squared=1.0,
        theil_sen_slope=20.0,
        theil_sen_low=20.0,
        theil_sen_high=20.0,
        mann_kendall_s=1,
        mann_kendall_variance=1.0,
        mann_kendall_z=0.0,
        p_value=1.0,
        verdict="too few",
    )


def test_the_minimum_itself_is_enough() -> None:
    rising = list(enumerate([1, 2, 3, 4, 5, 6]))

    assert trend(rising[:5]).verdict == "too few"
    assert trend(rising).verdict == "rising"
    assert trend(rising, minimum=7).verdict == "too few"


def test_a_perfect_line_is_exact_at_a_trillion_seconds() -> None:
    found = trend((x, 10**12 + 7 * x) for x in (0, 1, 2, 5, 6, 7, 30))

    assert slopes(found) == [7.0, 7.0, 7.0, 7.0]
    assert (found.intercept, found.r_squared) == (1e12, 1.0)
    assert found.verdict == "rising"


def test_a_steady_decline_is_falling() -> None:
    found = trend(enumerate([90, 80, 70, 60, 50, 40]))

    assert found.slope == -10.0
    assert found.mann_kendall_s == -15
    assert found.verdict == "falling"


def test_ups_and_downs_are_no_evidence_of_change() -> None:
    assert trend(enumerate([5, 9, 5, 9, 5, 9, 5, 9])).verdict == "no evidence of change"


def test_a_gap_counts_in_slopes_and_not_in_the_rank_test() -> None:
    close, apart = trend([(0, 0), (1, 6), (2, 12)]), trend([(0, 0), (1, 6), (12, 12)])

    assert (close.theil_sen_slope, apart.theil_sen_slope) == (6.0, 1.0)
    assert rank_test(apart) == rank_test(close)


def test_an_even_number_of_slopes_has_the_mean_of_the_middle_two() -> None:
    # The six pairwise slopes: 1, 2, 3, 5, 7, 11.
    slope, _, _ = theil_sen([(0, 0), (1, 1), (2, 4), (3, 15)])

    assert slope == 4.0


def test_sens_own_example() -> None:
    """Sen 1968, at the 93 % level, with the numbers that scipy's own tests quote."""
    points = list(zip([1, 2, 3, 4, 10, 12, 18], [9, 15, 19, 20, 45, 55, 78], strict=True))

    slope, low, high = theil_sen(points, alpha=0.07)

    assert (slope, round(low, 2), round(high, 2)) == (4.0, 3.71, 4.38)


def test_mann_kendall_by_hand_with_one_tie() -> None:
    # 15 pairs: 13 rise, one falls, one is tied; var = (6*5*17 - 2*1*9) / 18; z = (12 - 1) / sqrt(var).
    s, variance, z, p_value = mann_kendall([1, 2, 2, 3, 5, 4])

    assert (s, variance) == (12, 492 / 18)
    assert z == pytest.approx(11 / math.sqrt(492 / 18), rel=1e-15)
    assert p_value == pytest.approx(0.03538, abs=1e-5)


def test_an_overwhelming_trend_keeps_a_p_value_above_zero() -> None:
    assert 0 < mann_kendall(range(100))[3] < 1e-40


def test_a_slope_beyond_the_float_range_is_infinite() -> None:
    found = trend([(0, -HUGE), (1, HUGE)])

    assert slopes(found) == [math.inf] * 4
    assert found.r_squared == 1.0


def test_huge_values_have_a_finite_slope_where_it_fits() -> None:
    found = trend([(0, -HUGE), (4, HUGE)])

    assert slopes(found) == [HUGE / 2] * 4


# Input errors


@pytest.mark.parametrize("buckets", [(0, 2, 1), (0, 1, 1)])
def test_buckets_that_do_not_increase_are_refused(buckets: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"point 3: bucket 1 follows bucket [12] \(want strictly increasing"):
        trend((bucket, 60) for bucket in buckets)


def test_a_bucket_that_a_float_cannot_hold_is_refused() -> None:
    with pytest.raises(ValueError, match=r"point 1: the bucket is out of range"):
        trend([(2**53 + 1, 60)])


@pytest.mark.parametrize("y", [math.nan, math.inf, -math.inf, 10**400])
def test_a_value_that_is_not_finite_is_refused(y: float) -> None:
    with pytest.raises(ValueError, match=r"bucket 4: \S+ is not a finite number"):
        trend([(3, 60), (4, y)])
    with pytest.raises(ValueError, match=r"value 2: \S+ is not a finite number"):
        mann_kendall([60, y])


@pytest.mark.parametrize("alpha", [0, 1, -0.05, 5, math.nan])
def test_an_alpha_outside_zero_to_one_is_refused(alpha: float) -> None:
    with pytest.raises(ValueError, match=r"alpha is \S+, want a number between 0 and 1"):
        trend([], alpha)


def test_one_point_alone_has_no_slope_and_no_test() -> None:
    with pytest.raises(ValueError, match=r"found 1 point\(s\), want at least 2"):
        least_squares([(0, 60)])
    with pytest.raises(ValueError, match=r"found 1 point\(s\), want at least 2"):
        theil_sen([(0, 60)])
    with pytest.raises(ValueError, match=r"found 1 point\(s\), want at least 2"):
        mann_kendall([60])


def test_the_examples_in_the_docstrings_hold() -> None:
    failed, attempted = doctest.testmod(trends)

    assert (failed, attempted > 0) == (0, True)
