"""The definition of every figure: duration buckets, measures, contributions of a fact, and what is derived.

A cell is one row of integers for (user, local day, dimensions, duration bucket). Cells of one grain add up, so the
statistics of a range are the sum of its cells, and its histogram is their `observations` by bucket. Means, deviations
and percentiles are derived when they are asked for and never stored.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import accumulate
from math import sqrt
from typing import NamedTuple

from timestrata.calendar import LocalDays, instant
from timestrata.facts import CompletedWorkflow, TimeSession, visits

GAP_THRESHOLD = Fraction(6, 5)
"""A gap is strictly more than this share of the estimate: 120 %."""


def duration_bucket(seconds: int) -> int:
    """Return the bucket of a duration: exact below 256 s, then 128 buckets an octave.

    Source: the counts index of an HDR histogram (HdrHistogram, Gil Tene) with 2 significant digits.
    """
    if seconds < 256:
        return seconds
    exponent = seconds.bit_length() - 8
    return 128 * exponent + (seconds >> exponent)


def bucket_range(bucket: int) -> tuple[int, int]:
    """Return the least and the greatest duration in a bucket, both included."""
    if bucket < 256:
        return bucket, bucket
    exponent = bucket // 128 - 1
    low = (bucket - 128 * exponent) << exponent
    return low, low + (1 << exponent) - 1


def bucket_midpoint(bucket: int) -> int:
    """Return the duration that stands for a bucket: within 1/256 of each duration in it."""
    low, high = bucket_range(bucket)
    return (low + high + 1) // 2


def is_gap(actual_seconds: int, estimated_seconds: int | None, threshold: Fraction = GAP_THRESHOLD) -> bool:
    """Tell whether an actual time is strictly above `threshold` times its estimate; never without an estimate.

    In integers, because a threshold such as 1.15 is no binary fraction: floats alert at exactly 115 %.
    """
    if not estimated_seconds:
        return False
    return threshold.denominator * actual_seconds > threshold.numerator * estimated_seconds


class Measure(NamedTuple):
    """The integers of one or more observations (completions, or times of a step). Merging adds them up."""

    observations: int
    active_seconds: int
    active_squared: int
    """The sum of the squares of the active seconds."""
    min_seconds: int
    max_seconds: int
    paused_seconds: int
    with_estimate: int
    """Observations that have an estimate; the next two are sums over them."""
    estimated_seconds: int
    estimated_active_seconds: int
    gap_alerts: int
    reworked: int
    """Observations that came back to a step they had left."""

    def merge(self, other: Sums) -> Measure:
        """Return the measure of both sets of observations together."""
        return Measure._make(added(self, other))


Sums = tuple[int, ...]
"""A Measure or a Worked as a plain tuple.

Cells hold these while they are being added up: the garbage collector stops looking at plain tuples of integers, which
halves the time of a batch.
"""


def added(one: Sums, other: Sums) -> Sums:
    """Return the integers of the measure of both sets of observations together."""
    # Spelled out: a loop over the fields took three times as long.
    return (
        one[0] + other[0],
        one[1] + other[1],
        one[2] + other[2],
        one[3] if one[3] < other[3] else other[3],
        one[4] if one[4] > other[4] else other[4],
        one[5] + other[5],
        one[6] + other[6],
        one[7] + other[7],
        one[8] + other[8],
        one[9] + other[9],
        one[10] + other[10],
    )


LEAST, GREATEST = Measure._fields.index("min_seconds"), Measure._fields.index("max_seconds")


def removed(whole: Sums, part: Sums) -> Sums:
    """Return the integers of a measure without those of a part of its observations.

    The least and the greatest stay: whether others are as short or as long cannot be told from sums.
    """
    rest = [one - other for one, other in zip(whole, part, strict=True)]
    rest[LEAST], rest[GREATEST] = whole[LEAST], whole[GREATEST]
    return tuple(rest)


class Worked(NamedTuple):
    """Time worked on a day: the seconds of its session parts, and the sessions of which it is the first day."""

    worked_seconds: int
    sessions: int


def observe(active: int, paused: int, estimated: int | None, reworked: int, gap: int) -> Sums:
    """Return the measure of one observation from its seconds, as a plain tuple; `reworked` and `gap` are 0 or 1."""
    if estimated is None:
        return (1, active, active * active, active, active, paused, 0, 0, 0, 0, reworked)
    return (1, active, active * active, active, active, paused, 1, estimated, active, gap, reworked)


# ---------------------------------------------------------------------------------------------- filing under days


class SessionPart(NamedTuple):
    """The piece of a session on one local day. `session` counts through the sessions of all steps, from 0."""

    session: int
    day: int
    worked_seconds: int


class Filed(NamedTuple):
    """A workflow with the local days it is filed under, as they were in force when it was written."""

    workflow: CompletedWorkflow
    day: int
    timezone: str
    parts: tuple[SessionPart, ...]
    """In the order of the sessions, then of the days; a session is counted on the first of its days."""


def file_under(workflow: CompletedWorkflow, days: LocalDays, timezone: str) -> Filed:
    """Return the workflow with the local days of its completion and of its sessions."""
    parts: list[SessionPart] = []
    ordinal = 0
    for step in workflow.steps:
        for session in step.sessions:
            parts.extend(SessionPart(ordinal, day, seconds) for day, seconds in session_days(session, days))
            ordinal += 1
    return Filed(workflow, days.day(instant(workflow.completed_at)), timezone, tuple(parts))


def session_days(session: TimeSession, days: LocalDays) -> list[tuple[int, int]]:
    """Return (local day, active seconds) of a session in day order; the seconds sum to its active seconds.

    The first day is always there, later ones when they have at least one second. Pauses fall on their own days.
    Without pause intervals the active seconds are spread in proportion to the elapsed time.
    """
    pieces = days.split(instant(session.started_at), instant(session.ended_at))
    if len(pieces) == 1:
        return [(pieces[0][0], session.active_seconds)]
    weights: dict[int, int] = {}
    for day, start, end in pieces:
        weights[day] = weights.get(day, 0) + end - start - _paused_within(session, start, end)
    shares = apportion(session.active_seconds, list(weights.values()))
    first = min(weights)  # the day it started on, unless clocks went back over midnight
    return sorted((day, share) for day, share in zip(weights, shares, strict=True) if share or day == first)


def _paused_within(session: TimeSession, start: int, end: int) -> int:
    bounds = ((instant(pause.paused_at), instant(pause.resumed_at)) for pause in session.pauses)
    return sum(max(0, min(end, resumed) - max(start, paused)) for paused, resumed in bounds)


def apportion(total: int, weights: list[int]) -> list[int]:
    """Split `total` in proportion to `weights` into whole numbers that sum to it; no weight at all: to the first.

    Source: the largest remainder method (Hamilton); of equal remainders the earlier one wins.
    """
    whole = sum(weights)
    if whole == 0:
        return [total, *[0] * (len(weights) - 1)]
    shares = [total * weight // whole for weight in weights]
    by_remainder = sorted(range(len(weights)), key=lambda index: -(total * weights[index] % whole))
    for index in by_remainder[: total - sum(shares)]:
        shares[index] += 1
    return shares


# -------------------------------------------------------------------------------------------- contributions to cells


class Labels(NamedTuple):
    """What the cells of a workflow are keyed by: interned ids in the store, names in the definition."""

    user: Hashable
    ticket_type: Hashable
    template: Hashable
    steps: tuple[Hashable, ...]
    """One a step, in the order of the workflow's steps; distinct."""


def names(workflow: CompletedWorkflow) -> Labels:
    """Return the labels of a workflow by name; a step is (template, index, name)."""
    steps = tuple((workflow.template, step.index, step.name) for step in workflow.steps)
    return Labels(workflow.user_id, workflow.ticket_type, workflow.template, steps)


Observed = tuple[Hashable, int, int, int, int | None, int]
"""The time of a step: its label, active and paused seconds, visits, estimated seconds, 1 when it is a gap, else 0."""


class Contribution(NamedTuple):
    """What one workflow contributes to the cells: everything about its steps in one place, read once."""

    filed: Filed
    labels: Labels
    gap: int
    """1 when the whole workflow is a gap, else 0."""
    steps: list[Observed]


def contribution(filed: Filed, labels: Labels, threshold: Fraction = GAP_THRESHOLD) -> Contribution:
    """Return what a workflow contributes. A step without sessions has one visit and no pause."""
    workflow = filed.workflow
    share, whole = threshold.numerator, threshold.denominator
    # The gaps are is_gap(), without its calls: an estimate is more than 0 where there is one.
    steps: list[Observed] = [
        (
            label,
            active := step.active_seconds,
            0,
            1,
            estimated := step.estimated_seconds,
            1 if estimated is not None and whole * active > share * estimated else 0,
        )
        for step, label in zip(workflow.steps, labels.steps, strict=True)
    ]
    if filed.parts:
        entries = visits(workflow)
        steps = [
            (label, active, step.pause_seconds, entries[step.index], estimated, gap)
            for step, (label, active, _, _, estimated, gap) in zip(workflow.steps, steps, strict=True)
        ]
    gap = 1 if is_gap(workflow.active_seconds, workflow.estimated_seconds, threshold) else 0
    return Contribution(filed, labels, gap, steps)


Key = tuple[Hashable, ...]


@dataclass(slots=True)
class Cells:
    """Cells of the three grains, by key, being added up.

    completion: (user, day, ticket type, template, duration bucket) -> Measure, filed on the completion's day
    step:       (user, day, step, duration bucket) -> Measure, filed on the completion's day
    worked:     (user, day, ticket type, template) -> Worked, filed on the days the work happened
    """

    completion: dict[Key, Sums] = field(default_factory=dict)
    step: dict[Key, Sums] = field(default_factory=dict)
    worked: dict[Key, Sums] = field(default_factory=dict)

    def add(self, filed: Filed, labels: Labels, threshold: Fraction = GAP_THRESHOLD) -> None:
        """Add what one workflow contributes. Steps without sessions are worked on the completion's day."""
        self.put(contribution(filed, labels, threshold))

    def put(self, one: Contribution) -> None:
        """Add a contribution."""
        (workflow, day, _, parts), (user, ticket_type, template, _), gap, steps = one
        by_step = self.step
        reworked = 0
        for label, active, paused, entered, estimated, over in steps:
            again = 1 if entered > 1 else 0
            reworked |= again
            key: Key = (user, day, label, duration_bucket(active))
            single = observe(active, paused, estimated, again, over)
            known = by_step.get(key)
            by_step[key] = single if known is None else added(known, single)
        active = workflow.active_seconds
        paused = workflow.pause_seconds if parts else 0
        single = observe(active, paused, workflow.estimated_seconds, reworked, gap)
        key = (user, day, ticket_type, template, duration_bucket(active))
        known = self.completion.get(key)
        self.completion[key] = single if known is None else added(known, single)
        if parts:
            active = sum(step.active_seconds for step in workflow.steps if not step.sessions)
            self._put_parts(parts, (user, ticket_type, template))
        if active:
            self._work((user, day, ticket_type, template), active, 0)

    def _put_parts(self, parts: Sequence[SessionPart], labels: tuple[Hashable, Hashable, Hashable]) -> None:
        user, ticket_type, template = labels
        seen = -1
        for session, day, seconds in parts:
            self._work((user, day, ticket_type, template), seconds, 1 if session != seen else 0)
            seen = session

    def _work(self, key: Key, seconds: int, sessions: int) -> None:
        before = self.worked.get(key)
        self.worked[key] = (seconds, sessions) if before is None else (before[0] + seconds, before[1] + sessions)


def difference(after: Mapping[Key, Sums], before: Mapping[Key, Sums]) -> list[Key]:
    """Return the rows, key and sums, that turn cells of plain sums `before` into `after`, in order."""
    rows: list[Key] = []
    for key in sorted({*after, *before}):
        more, less = after.get(key), before.get(key)
        nothing = (0,) * len(more or less or ())
        if more != less:
            rows.append((*key, *(one - other for one, other in zip(more or nothing, less or nothing, strict=True))))
    return rows


# --------------------------------------------------------------------------------------------------- what is derived


@dataclass(slots=True)
class Tally:
    """Measures being merged over duration buckets: the exact integers and the histogram of a set of observations.

    Merging the tallies of any split of a range gives the tally of the range.
    """

    measure: Measure | None = None
    """None while there is no observation."""
    histogram: dict[int, int] = field(default_factory=dict)
    """Observations by duration bucket."""

    def add(self, bucket: int, measure: Measure) -> None:
        """Merge the observations of one duration bucket into this tally."""
        self.measure = measure if self.measure is None else self.measure.merge(measure)
        self.histogram[bucket] = self.histogram.get(bucket, 0) + measure.observations

    def merge(self, other: Tally) -> None:
        """Merge another tally into this one."""
        if other.measure is not None:
            self.measure = other.measure if self.measure is None else self.measure.merge(other.measure)
        for bucket, observations in other.histogram.items():
            self.histogram[bucket] = self.histogram.get(bucket, 0) + observations

    def percentile(self, percent: int) -> int | None:
        """Return the nearest-rank percentile in seconds, 0 <= percent <= 100; None without observations.

        The value at rank ceil(n * percent / 100), within 1/256 of the exact one, exact below 256 s; the first and the
        last rank are the exact minimum and maximum. Source: nearest-rank definition; HdrHistogram for the buckets.
        """
        return self.percentiles((percent,))[0]

    def percentiles(self, percents: Sequence[int]) -> list[int | None]:
        """Return several percentiles."""
        if self.measure is None:
            return [None] * len(percents)
        count, low, high = self.measure.observations, self.measure.min_seconds, self.measure.max_seconds
        buckets = sorted(self.histogram)
        reached = list(accumulate(map(self.histogram.__getitem__, buckets)))
        values: list[int | None] = []
        for percent in percents:
            rank = -(-count * percent // 100)
            if rank <= 1 or rank >= count:
                values.append(low if rank <= 1 else high)
            else:
                middle = bucket_midpoint(buckets[bisect_left(reached, rank)])
                values.append(min(max(middle, low), high))
        return values


def mean(measure: Measure | None) -> float | None:
    """Return the mean active seconds of the observations, None without any."""
    return None if measure is None else measure.active_seconds / measure.observations


def sample_deviation(measure: Measure | None) -> float | None:
    """Return the sample standard deviation (n - 1) in seconds, None below two observations.

    From exact integers, (n * Q - S^2) / (n * (n - 1)), so that nothing cancels.
    """
    if measure is None or measure.observations < 2:
        return None
    n, total, squares = measure.observations, measure.active_seconds, measure.active_squared
    return sqrt((n * squares - total * total) / (n * (n - 1)))


def ratio(numerator: int, denominator: int) -> float | None:
    """Return a ratio of sums, None where the denominator is 0."""
    return numerator / denominator if denominator else None
