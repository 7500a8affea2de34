"""What a history answers: the result types of every question. Days are local days, seconds are whole."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Literal, get_args

from timestrata.calendar import Bucket, DateRange
from timestrata.trends import Trend

TrendMeasure = Literal["mean_seconds", "completed", "active_seconds", "worked_seconds", "estimate_ratio", "gap_alerts"]
TREND_MEASURES: tuple[TrendMeasure, ...] = get_args(TrendMeasure)

By = Literal["ticket_type", "template"]
BYS: tuple[By, ...] = get_args(By)

GroupBy = Literal["user", "ticket_type", "template", "step", "day", "week", "month"]
GROUPS: tuple[GroupBy, ...] = get_args(GroupBy)

Direction = Literal["up", "down", "flat", "none"]
Verdict = Literal["better", "worse", "neutral"]


@dataclass(frozen=True, slots=True)
class Coverage:
    """What an answer rests on.

    `sealed_through` is the last local day whose facts are archived, for any user asked about; None when nothing is.
    `raw_from` is the first day after it: from there on every figure can be followed to raw facts; None: everywhere.
    `revision` counts the changes to these users' history; while it is the same, so are the answers.
    `held_out` is how many tracked workflows have a session that was left running, which nobody has confirmed or
    corrected yet: its time is in no figure, and neither is the workflow when it was completed.
    """

    raw_from: date | None
    sealed_through: date | None
    revision: int
    held_out: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """The figures of a set of completions. Seconds are whole; derived figures are None where there is nothing."""

    completed: int
    users: int
    active_seconds: int
    paused_seconds: int
    worked_seconds: int
    """Time worked on these days, whether or not the workflow was completed on them."""
    with_estimate: int
    estimated_seconds: int
    mean_estimated_seconds: float | None
    estimate_ratio: float | None
    """Active seconds of the completions that have an estimate over their estimates: above 1 is over the estimate."""
    efficiency: float | None
    """Its inverse."""
    mean_seconds: float | None
    stddev_seconds: float | None
    """Sample standard deviation (n - 1)."""
    min_seconds: int | None
    max_seconds: int | None
    p25_seconds: int | None
    """Percentiles are nearest-rank, within 1/256 of the exact value, exact below 256 s."""
    p50_seconds: int | None
    p75_seconds: int | None
    p80_seconds: int | None
    p90_seconds: int | None
    gap_alerts: int
    reworked: int
    """Completions in which a step was entered again."""
    first_pass_ratio: float | None
    """The share that was not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary(Figures):
    """The figures of a range, in total and by ticket type (by name, in order)."""

    dates: DateRange
    user_id: str | None
    ticket_type: str | None
    by_ticket_type: Mapping[str, Figures]
    coverage: Coverage


@dataclass(frozen=True, slots=True, kw_only=True)
class StepFigures(Figures):
    """The figures of one step; `completed` counts the workflows in which it was done. A skipped step is absent.

    Worked time is not kept by step: `worked_seconds` is the step's active time.
    """

    template: str
    step_index: int
    step_name: str


@dataclass(frozen=True, slots=True)
class StepReport:
    """Steps in the order of template, index, name; `count` is how many there are, also where only some are answered."""

    dates: DateRange
    user_id: str | None
    template: str | None
    steps: tuple[StepFigures, ...]
    count: int
    coverage: Coverage

    def __iter__(self) -> Iterator[StepFigures]:
        return iter(self.steps)

    def longest(self, most: int) -> StepReport:
        """Return the report of those that took the most time, in their order."""
        by_time = sorted(range(len(self.steps)), key=lambda place: -self.steps[place].active_seconds)
        return replace(self, steps=tuple(self.steps[place] for place in sorted(by_time[:most])))


@dataclass(frozen=True, slots=True)
class DailyRow:
    """One row of the view time_daily_aggregates: a user's local day and ticket type."""

    user_id: str
    day: date
    ticket_type: str
    completed: int
    active_seconds: int
    paused_seconds: int
    worked_seconds: int
    sessions: int
    with_estimate: int
    estimated_seconds: int
    estimated_active_seconds: int
    min_seconds: int | None
    max_seconds: int | None
    gap_alerts: int


@dataclass(frozen=True, slots=True)
class DailyReport:
    """Days on which something was completed or worked, in the order of user, day, ticket type."""

    dates: DateRange
    user_id: str | None
    rows: tuple[DailyRow, ...]
    coverage: Coverage

    def __iter__(self) -> Iterator[DailyRow]:
        return iter(self.rows)


@dataclass(frozen=True, slots=True)
class TrendPoint:
    """One bucket. Moving figures cover it and the buckets before it, None while one of them is missing or partial."""

    bucket: date
    """Its first day."""
    partial: bool
    """True when the range cuts it or it is not over yet."""
    completed: int
    active_seconds: int
    worked_seconds: int
    mean_seconds: float | None
    estimate_ratio: float | None
    gap_alerts: int
    moving_mean_seconds: float | None
    """Active seconds over completions, summed over 7 days, 4 weeks or 3 months."""
    moving_completed: float | None
    """Completions a bucket, over the same buckets."""
    moving_worked_seconds: float | None


@dataclass(frozen=True, slots=True)
class Series:
    """Every bucket of the range in order, and the trend of one measure over its full buckets."""

    points: tuple[TrendPoint, ...]
    trend: Trend


@dataclass(frozen=True, slots=True)
class TrendReport:
    """A series for everything and, where asked for, one by name of ticket type or template.

    Without bounds in `dates` the series run from the first to the last day that has anything.
    """

    dates: DateRange
    bucket: Bucket
    measure: TrendMeasure
    user_id: str | None
    total: Series
    by: Mapping[str, Series]
    coverage: Coverage

    @property
    def points(self) -> tuple[TrendPoint, ...]:
        """The points of the total."""
        return self.total.points

    @property
    def trend(self) -> Trend:
        """The trend of the total."""
        return self.total.trend


@dataclass(frozen=True, slots=True, kw_only=True)
class Aggregation(Figures):
    """The figures of one group, and of the groups in it.

    `completed` counts completed workflows, and in a group of a step the workflows in which it was done; worked time is
    not kept by step, there `worked_seconds` is the step's active time.
    """

    name: str
    """The user, ticket type, template or step; of a day, week or month its first day as YYYY-MM-DD."""
    template: str | None = None
    """Of a step, as its index is."""
    step_index: int | None = None
    bucket: date | None = None
    """The first day of a day, week or month."""
    partial: bool = False
    """True of a day, week or month that the range (or the group around it) cuts, or that is not over yet."""
    sub_groups: tuple[Aggregation, ...] = ()


@dataclass(frozen=True, slots=True)
class AggregationReport:
    """The figures of a range in total and by group, in the order of the groups' names (steps: template, index, name).

    Where all groups are here they add up to the total, and its sub-groups to each: completed, active and worked time,
    estimates and gap alerts, but for users, who may be in several. Steps add up to the active time.
    """

    dates: DateRange
    group: GroupBy
    sub_group: GroupBy | None
    user_id: str | None
    ticket_type: str | None
    template: str | None
    total: Figures
    groups: tuple[Aggregation, ...]
    count: int
    """Groups that there are; no fewer than are here, of which there may be a limit."""
    coverage: Coverage

    def __iter__(self) -> Iterator[Aggregation]:
        return iter(self.groups)


@dataclass(frozen=True, slots=True)
class Change:
    """A figure beside its value in the period before, of equal length.

    What cannot be derived is None: everything but `value` without a period before, `ratio` where `before` is 0.
    """

    value: float | None
    before: float | None
    difference: float | None
    ratio: float | None
    """The difference over the value before: 0.25 is a quarter more."""
    direction: Direction
    verdict: Verdict
    """Whether it changed for the better; neutral when it did not, or when it has no good direction, as hours have."""


@dataclass(frozen=True, slots=True)
class Overview:
    """How a period went: its figures, each with its change, and its course.

    `previous_dates` is the period of equal length before, None for a range that is open or begins with time itself.
    """

    dates: DateRange
    previous_dates: DateRange | None
    user_id: str | None
    ticket_type: str | None
    completed: Change
    mean_seconds: Change
    estimate_ratio: Change
    worked_seconds: Change
    gap_alerts: Change
    summary: Summary
    previous: Summary | None
    trend: TrendReport
    """By the finest of day, week and month that makes at most 120 buckets, else by month."""
    recent: tuple[WorkflowRow, ...]
    """The last ten completions of the period, the latest first."""
    coverage: Coverage


@dataclass(frozen=True, slots=True)
class Average:
    """The figures up to a day: since the beginning, and of the 30 days that end with it."""

    all_time: Figures
    rolling_30_days: Figures


@dataclass(frozen=True, slots=True)
class Averages:
    """A person's averages as of a day (included), in total and by ticket type."""

    user_id: str
    as_of: date
    total: Average
    by_ticket_type: Mapping[str, Average]
    coverage: Coverage


@dataclass(frozen=True, slots=True)
class Alert:
    """A completion, or one of its steps, that took more than 120 % (or the store's threshold) of its estimate."""

    id: str
    kind: Literal["workflow", "step"]
    user_id: str
    day: date
    workflow_id: str
    ticket_key: str
    ticket_type: str
    template: str
    step_index: int | None
    step_name: str | None
    completed_at: datetime
    actual_seconds: int
    estimated_seconds: int
    ratio: float
    dismissed_at: datetime | None


@dataclass(frozen=True, slots=True)
class AlertPage:
    """Gap alerts, the latest first. `next` is None on the last page.

    `count` is how many there are on all pages, `workflow_count` how many of these are of whole workflows.
    """

    alerts: tuple[Alert, ...]
    next: str | None
    coverage: Coverage
    count: int
    workflow_count: int

    def __iter__(self) -> Iterator[Alert]:
        return iter(self.alerts)


@dataclass(frozen=True, slots=True)
class WorkflowRow:
    """A completed workflow in a list."""

    user_id: str
    workflow_id: str
    revision: int
    ticket_key: str
    ticket_type: str
    template: str
    started_at: datetime
    completed_at: datetime
    day: date
    timezone: str
    active_seconds: int
    paused_seconds: int
    estimated_seconds: int | None
    estimate_ratio: float | None
    gap_alert: bool


@dataclass(frozen=True, slots=True)
class DeletedWorkflow:
    """A workflow that was recorded and is no more; `revision` is that of its deletion."""

    workflow_id: str
    revision: int


@dataclass(frozen=True, slots=True)
class WorkflowPage:
    """Completed workflows, the latest first (then by user and workflow id). `next` is None on the last page.

    Of what changed after a revision: in the order of the changes, with those that were deleted.
    """

    workflows: tuple[WorkflowRow, ...]
    next: str | None
    coverage: Coverage
    deleted: tuple[DeletedWorkflow, ...] = ()

    def __iter__(self) -> Iterator[WorkflowRow]:
        return iter(self.workflows)
