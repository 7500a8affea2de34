"""The command that draws a chart into a file."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from timestrata.answers import TrendMeasure
from timestrata.calendar import Bucket, DateRange
from timestrata.charts import pictures, specs
from timestrata.charts.heat_chart import last_weeks
from timestrata.charts.themes import Theme
from timestrata.cli import screen
from timestrata.cli.absence import nothing
from timestrata.cli.database import open_to_read
from timestrata.cli.options import (
    Database,
    First,
    Last,
    Range30Days,
    TicketType,
    Today,
    User,
    chosen_dates,
    chosen_day,
)
from timestrata.cli.targets import target_form, write_target
from timestrata.errors import InvalidRequest
from timestrata.history import History

Kind = Literal["trend", "types", "steps", "heatmap"]
_FORMS = (*pictures.FORMS, "json")


@dataclass(frozen=True, slots=True)
class _Asked:
    """What is to be drawn."""

    dates: DateRange | str
    user: str | None
    ticket_type: str | None
    template: str | None
    bucket: Bucket | None
    measure: TrendMeasure
    theme: Theme


def chart(
    kind: Annotated[Kind, typer.Argument(metavar="trend|types|steps|heatmap", help="What is drawn.")],
    target: Annotated[
        Path,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="Write to this file: .png, .svg, .pdf or .json; - is standard output.",
        ),
    ],
    database: Database = None,
    user: User = None,
    ticket_type: TicketType = None,
    template: Annotated[
        str | None, typer.Option("--template", metavar="NAME", help="Of steps: only those of this workflow template.")
    ] = None,
    preset: Range30Days = None,
    first: First = None,
    last: Last = None,
    today: Today = None,
    bucket: Annotated[
        Bucket | None,
        typer.Option("--bucket", help="Of a trend: one bar a day, ISO week or month (default: by the range)."),
    ] = None,
    measure: Annotated[
        TrendMeasure, typer.Option("--measure", metavar="NAME", help="Of a trend: what is drawn (default: completed).")
    ] = "completed",
    theme: Annotated[Theme, typer.Option("--theme", help="For a light or a dark ground.")] = "light",
    width: Annotated[
        int, typer.Option("--width", min=200, max=4000, metavar="N", help="In points; a PNG has two pixels for each.")
    ] = pictures.WIDTH,
    form: Annotated[
        str | None,
        typer.Option(
            "--format",
            metavar="FORM",
            help="png, svg, pdf or json, a Vega-Lite specification (default: by the ending).",
        ),
    ] = None,
) -> None:
    """Draw a chart: a trend, the ticket types, how long steps take, or a calendar of the hours worked."""
    chosen, day = target_form(form, target, _FORMS), chosen_day("--today", today)
    dates = chosen_dates(preset, first, last, day, "last_30_days")
    with open_to_read(database, day) as history:
        spec = _spec(history, kind, _Asked(dates, user, ticket_type, template, bucket, measure, theme))
        if _is_empty(spec):
            within = history.summary(dates, user).dates
            screen.note(nothing(history, within, user=user, ticket_type=ticket_type, template=template))
    write_target(target, _drawn(spec, chosen, width), "chart")


def _spec(history: History, kind: Kind, asked: _Asked) -> dict[str, Any]:
    match kind:
        case "trend":
            return _trend(history, asked)
        case "types":
            summary = history.summary(asked.dates, asked.user, asked.ticket_type)
            return specs.types(summary, theme=asked.theme, types=history.ticket_types())
        case "steps":
            if asked.ticket_type is not None:
                raise InvalidRequest("--type", asked.ticket_type, "no --type: step times are kept by template")
            return specs.steps(history.steps(asked.dates, asked.template, asked.user), theme=asked.theme)
    weeks = last_weeks(history.overview(asked.dates, asked.user, ticket_type=asked.ticket_type))
    days = history.trend(weeks, "day", asked.user, ticket_type=asked.ticket_type)
    return specs.heatmap(days, theme=asked.theme)


def _is_empty(spec: dict[str, Any]) -> bool:
    rows = [row for each in spec["datasets"].values() for row in each]
    return not any(row.get("value") or row.get("completed") for row in rows)


def _trend(history: History, asked: _Asked) -> dict[str, Any]:
    bucket = asked.bucket
    if bucket is None:
        bucket = history.overview(asked.dates, asked.user, ticket_type=asked.ticket_type).trend.bucket
    found = history.trend(
        asked.dates, bucket, asked.user, by="ticket_type", ticket_type=asked.ticket_type, measure=asked.measure
    )
    return specs.trend(found, theme=asked.theme, types=history.ticket_types())


def _drawn(spec: dict[str, Any], form: str, width: int) -> bytes:
    if form == "json":
        return json.dumps(spec, indent=2, ensure_ascii=False, allow_nan=False).encode() + b"\n"
    try:
        return pictures.picture(spec, form, width=width)
    except ImportError as error:
        wanted = "what draws charts: pip install 'timestrata[charts]'"
        raise InvalidRequest("chart", f"no package {error.name}", wanted) from error
