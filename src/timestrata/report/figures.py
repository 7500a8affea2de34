"""The figures of a report: the answers of a history about one period."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date
from fractions import Fraction

from timestrata.answers import AggregationReport, AlertPage, Overview, StepReport, TrendReport
from timestrata.charts.heat_chart import last_weeks
from timestrata.history import Dates, History

MOST_ALERTS = 20
MOST_PEOPLE = 500
_ATTEMPTS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What a report shows, as the history answered it."""

    made_on: date
    """The day in `timezone`, which is the user's, or the store's."""
    timezone: str
    gap_threshold: Fraction
    """The share of an estimate past which there is a gap alert."""
    overview: Overview
    trend: TrendReport
    """Completed tickets by ticket type, in the buckets of the overview."""
    steps: StepReport | None
    """None for one ticket type: steps are kept by template."""
    days: TrendReport
    """By day, at most the last 53 weeks."""
    alerts: AlertPage
    """Those of the period that are open, the latest 20."""
    people: AggregationReport | None
    """None for one person, and for more than 500."""
    ticket_types: tuple[str, ...]
    """Every ticket type of the history, in an order that decides on the colour of each."""
    steady: bool = True
    """False when the history was changed while it was asked, so that the parts may differ by that."""

    @property
    def is_empty(self) -> bool:
        """Whether nothing was completed or worked on."""
        return not (self.overview.summary.completed or self.overview.summary.worked_seconds)


def overview_report(
    history: History,
    dates: Dates = "last_30_days",
    user_id: str | None = None,
    ticket_type: str | None = None,
    *,
    ticket_types: tuple[str, ...] | None = None,
) -> Report:
    """Ask a history how a period went, of one person or everyone.

    It takes several questions: when the history is changed between them, they are put again, three times at most.
    `ticket_types` saves looking up those of the whole history. Raises InvalidRequest.
    """
    for _ in range(_ATTEMPTS):
        before = history.revisions([user_id])[user_id]
        report = _asked(history, dates, user_id, ticket_type, ticket_types)
        report = replace(report, made_on=before.today, timezone=before.timezone)
        if history.revisions([user_id])[user_id] == before:
            return report
    return replace(report, steady=False)


def _asked(
    history: History, dates: Dates, user_id: str | None, ticket_type: str | None, types: tuple[str, ...] | None
) -> Report:
    overview = history.overview(dates, user_id, ticket_type=ticket_type)
    dates, bucket = overview.dates, overview.trend.bucket
    alone = user_id is not None or overview.summary.users > MOST_PEOPLE
    return Report(
        made_on=date.min,
        timezone="",
        gap_threshold=history.settings.gap_threshold,
        overview=overview,
        trend=history.trend(dates, bucket, user_id, by="ticket_type", ticket_type=ticket_type, measure="completed"),
        steps=history.steps(dates, user_id=user_id) if ticket_type is None else None,
        days=history.trend(last_weeks(overview), "day", user_id, ticket_type=ticket_type),
        alerts=history.alert_page(dates, user_id, ticket_type=ticket_type, limit=MOST_ALERTS),
        people=None if alone else history.aggregations(dates, "user", ticket_type=ticket_type),
        ticket_types=types if types is not None else history.ticket_types(),
    )
