"""The commands that ask: summary, trend, daily, steps, averages."""

from __future__ import annotations

from functools import partial
from typing import Annotated

import typer

from timestrata.answers import TREND_MEASURES, By, TrendMeasure
from timestrata.calendar import Bucket, DateRange, Preset
from timestrata.cli import tables, trend_table
from timestrata.cli.absence import nothing
from timestrata.cli.database import open_to_read
from timestrata.cli.options import (
    AsCsv,
    AsJson,
    Database,
    First,
    Last,
    Range30Days,
    RangeTrend,
    TicketType,
    Today,
    User,
    chosen_dates,
    chosen_day,
    chosen_form,
)
from timestrata.cli.printing import show
from timestrata.formats import sheets

_TREND_RANGES: dict[Bucket, Preset] = {"day": "last_30_days", "week": "last_90_days", "month": "last_12_months"}


def summary(
    database: Database = None,
    user: User = None,
    ticket_type: TicketType = None,
    preset: Range30Days = None,
    first: First = None,
    last: Last = None,
    today: Today = None,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
) -> None:
    """Show the figures of a range: counts, times, estimates and gap alerts, in total and by ticket type."""
    form, day = chosen_form(as_json, as_csv), chosen_day("--today", today)
    dates = chosen_dates(preset, first, last, day, "last_30_days")
    with open_to_read(database, day) as history:
        found = history.summary(dates, user, ticket_type)
        empty = nothing(history, found.dates, user=user, ticket_type=ticket_type) if not found.by_ticket_type else None
    show(found, form, sheets.summary_sheet, tables.summary_table, empty)


def trend(
    database: Database = None,
    bucket: Annotated[Bucket, typer.Option("--bucket", help="One point a day, ISO week or month.")] = "week",
    measure: Annotated[
        TrendMeasure,
        typer.Option("--measure", metavar="NAME", help=f"What is judged: {', '.join(TREND_MEASURES)}."),
    ] = "mean_seconds",
    by: Annotated[By | None, typer.Option("--by", help="A verdict for each ticket type or template too.")] = None,
    user: User = None,
    ticket_type: TicketType = None,
    preset: RangeTrend = None,
    first: First = None,
    last: Last = None,
    today: Today = None,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
) -> None:
    """Show a range by day, week or month, and whether the figures rise or fall."""
    form, day = chosen_form(as_json, as_csv), chosen_day("--today", today)
    dates = chosen_dates(preset, first, last, day, _TREND_RANGES[bucket])
    with open_to_read(database, day) as history:
        found = history.trend(dates, bucket, user, by=by, ticket_type=ticket_type, measure=measure)
        blank = not any(point.completed or point.worked_seconds for point in found.points)
        empty = nothing(history, found.dates, user=user, ticket_type=ticket_type) if blank else None
    show(found, form, sheets.trend_sheet, partial(trend_table.trend_table, by=by, ticket_type=ticket_type), empty)


def daily(
    database: Database = None,
    user: User = None,
    ticket_type: TicketType = None,
    preset: Range30Days = None,
    first: First = None,
    last: Last = None,
    today: Today = None,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
) -> None:
    """List each user's days by ticket type: the rows of the view time_daily_aggregates."""
    form, day = chosen_form(as_json, as_csv), chosen_day("--today", today)
    dates = chosen_dates(preset, first, last, day, "last_30_days")
    with open_to_read(database, day) as history:
        found = history.daily(dates, user, ticket_type)
        empty = nothing(history, found.dates, user=user, ticket_type=ticket_type) if not found.rows else None
    show(found, form, sheets.daily_sheet, tables.daily_table, empty)


def steps(
    database: Database = None,
    template: Annotated[
        str | None, typer.Option("--template", metavar="NAME", help="Only the steps of this workflow template.")
    ] = None,
    user: User = None,
    preset: Range30Days = None,
    first: First = None,
    last: Last = None,
    today: Today = None,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
) -> None:
    """Show the figures of each step of the workflow templates."""
    form, day = chosen_form(as_json, as_csv), chosen_day("--today", today)
    dates = chosen_dates(preset, first, last, day, "last_30_days")
    with open_to_read(database, day) as history:
        found = history.steps(dates, template, user)
        empty = nothing(history, found.dates, user=user, template=template) if not found.steps else None
    show(found, form, sheets.steps_sheet, tables.steps_table, empty)


def averages(
    user: Annotated[str, typer.Argument(metavar="USER", help="The user's id.")],
    database: Database = None,
    as_of: Annotated[
        str | None,
        typer.Option(
            "--as-of", "--today", metavar="DATE", help="The last day that counts, YYYY-MM-DD (default: today)."
        ),
    ] = None,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
) -> None:
    """Show a person's averages by ticket type: all time beside the last 30 days."""
    form, day = chosen_form(as_json, as_csv), chosen_day("--as-of", as_of)
    with open_to_read(database, day) as history:
        found = history.averages(user, day)
        until = DateRange(None, found.as_of)
        empty = nothing(history, until, user=user) if not found.by_ticket_type else None
    show(found, form, sheets.averages_sheet, tables.averages_table, empty)
