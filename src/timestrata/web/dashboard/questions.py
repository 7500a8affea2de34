"""Questions that cards, pictures and downloads have in common: asked once for a page, kept for a revision."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from contextlib import suppress
from datetime import date
from typing import TypeVar

from timestrata import series
from timestrata.answers import AggregationReport, AlertPage, Overview, StepReport, Summary, TrendReport
from timestrata.calendar import BUCKETS, Bucket, DateRange
from timestrata.charts.heat_chart import MOST_DAYS, last_weeks
from timestrata.history import History
from timestrata.web.dashboard.view import View
from timestrata.web.service import service_of

T = TypeVar("T")

MOST_STEPS = 12
MOST_STEPS_OF_TEMPLATE = 40
MOST_GAPS = 100
MOST_DAYS_OF_COURSE = 120


def _kept(view: View, name: str, ask: Callable[[], T], *more: object) -> T:
    """Return an answer about the person, days and ticket type of a page; asked for at most once a revision.

    Kept as bytes among the other answers, which bounds what all of them take.
    """

    def ask_or_find() -> T:
        answers = service_of(view.request).answers
        asked = (name, view.user, view.revision.number, view.range, view.revision.today, view.ticket_type, *more)
        key = f"question;{asked!r}"
        kept = answers.get(key)
        if kept is not None:
            found: T = pickle.loads(kept)
            return found
        found = ask()
        answers.put(key, pickle.dumps(found, pickle.HIGHEST_PROTOCOL))
        return found

    return view.once(name, ask_or_find)


def overview(view: View, history: History) -> Overview:
    """Return how the period went, with its trend by ticket type."""
    return _kept(
        view,
        "overview",
        lambda: history.overview(view.range, view.user, ticket_type=view.ticket_type, by="ticket_type"),
    )


def await_overview(view: View, history: History) -> None:
    """Wait until the overview is there, or cannot be: what the first line shows is not to be slowed down by the rest.

    Questions share one interpreter: four at once are each answered when all of them are.
    """
    with suppress(Exception):
        overview(view, history)


def summary(view: View, history: History) -> Summary:
    """Return the figures of the period."""
    return _kept(view, "summary", lambda: history.summary(view.range, view.user, view.ticket_type))


def bucket_of(view: View, finest: Bucket) -> Bucket:
    """Return the buckets of the trend: those asked for, but none finer than make the most bars."""
    return max(view.bucket or finest, finest, key=BUCKETS.index)


def trend(view: View, history: History) -> TrendReport:
    """Return the trend by ticket type, in the buckets and of the measure that the page is asked for."""
    found = overview(view, history).trend
    bucket = bucket_of(view, found.bucket)
    if bucket == found.bucket:
        return series.judged(found, view.measure)
    return _kept(
        view,
        "trend",
        lambda: history.trend(
            view.range, bucket, view.user, by="ticket_type", ticket_type=view.ticket_type, measure=view.measure
        ),
        bucket,
        view.measure,
    )


def steps(view: View, history: History) -> StepReport:
    """Return the figures of the steps, of one template where the page names one; of all ticket types."""
    if view.template is None:
        return all_steps(view, history)
    return _kept(view, "steps", lambda: history.steps(view.range, view.template, view.user), view.template)


def all_steps(view: View, history: History) -> StepReport:
    """Return the figures of the steps of all templates."""
    return _kept(view, "all_steps", lambda: history.steps(view.range, None, view.user))


def step_bucket(view: View) -> Bucket:
    """Return the buckets of the course of a step: those asked for, else days, weeks or months by the period."""
    if view.bucket is not None and view.bucket != "day":
        return view.bucket
    count = view.range.days
    if count is not None and count <= MOST_DAYS_OF_COURSE:
        return "day" if view.bucket == "day" or count <= 2 * 7 else "week"
    return "week" if count is not None and count <= MOST_DAYS else "month"


def step_trends(view: View, history: History) -> AggregationReport:
    """Return the figures of each step by day, week or month, with those without anything among them."""
    bucket = step_bucket(view)
    return _kept(
        view,
        "step_trends",
        lambda: history.aggregations(view.range, "step", bucket, view.user, template=view.template, fill_gaps=True),
        bucket,
        view.template,
    )


def longest_steps(view: View, history: History) -> StepReport:
    """Return the steps that a picture has room for: those that took the most time, in their order."""
    most = MOST_STEPS if view.template is None else MOST_STEPS_OF_TEMPLATE
    return _kept(
        view,
        "longest_steps",
        lambda: history.steps(view.range, view.template, view.user, longest=most),
        view.template,
    )


def days(view: View, history: History) -> TrendReport:
    """Return the trend by day; of a longer period that of its last 53 weeks that have anything."""
    found = overview(view, history)
    dates = last_weeks(found)
    if found.trend.bucket == "day" and dates == found.dates:
        return found.trend
    return _kept(view, "days", lambda: history.trend(dates, "day", view.user, ticket_type=view.ticket_type))


def latest(view: View, history: History) -> DateRange | None:
    """Return the 30 days up to the last one on which anything was done; None when nothing ever was."""
    day = history.latest_day(view.user, view.ticket_type)
    return None if day is None else DateRange(date.fromordinal(max(1, day.toordinal() - 29)), day)


def ticket_types(view: View, history: History) -> tuple[str, ...]:
    """Return the ticket types that the reader may see, those that were recorded first first.

    Their place is their colour, whatever is shown of them. Those of everyone are not kept: the revision of the person
    who is shown does not tell of them.
    """
    if view.principal.may_read_all:
        return view.once("all ticket types", history.ticket_types)
    return _kept(view, "ticket_types", lambda: history.ticket_types(view.user))


def gaps(view: View, history: History) -> AlertPage:
    """Return the open gap alerts, the latest first, a hundred at most."""
    return _kept(
        view,
        "gaps",
        lambda: history.alert_page(view.range, view.user, ticket_type=view.ticket_type, limit=MOST_GAPS),
    )


def people(view: View, history: History, limit: int) -> AggregationReport:
    """Return the figures of the first people by name."""
    return _kept(
        view, "people", lambda: history.aggregations(view.range, "user", ticket_type=view.ticket_type, limit=limit)
    )
