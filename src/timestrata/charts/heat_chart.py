"""The calendar of hours: a column a week, a row a day of the week, the darker the more."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

from timestrata.answers import Overview, TrendReport
from timestrata.calendar import DateRange, next_bucket
from timestrata.charts.themes import MOST, ROOM, Palette, frame, palette_of
from timestrata.errors import InvalidRequest
from timestrata.wording import charts as t

MOST_WEEKS = 54
MOST_DAYS = 53 * 7
"""Days of a long period: as many weeks as are wide enough to be seen."""
_ROW_HEIGHT = 24
_FEW_WEEKS = 9
"""Up to here a day is wide enough to have its hours written on it."""


def heatmap(report: TrendReport, *, theme: str = "light", week_start: int = 0) -> dict[str, Any]:
    """Return the calendar of worked hours as a Vega-Lite specification.

    report: by day. The last 54 weeks of it are drawn.
    week_start: the day on which weeks begin, 0 Monday to 6 Sunday.

    The dataset "days" has a row a day from the first to the last of the range: `day`, its `week` (the first day of it),
    `row` in the week, and `value`, the worked seconds of the report. Raises InvalidRequest for other buckets.
    """
    if report.bucket != "day":
        raise InvalidRequest("bucket", report.bucket, "day")
    palette = palette_of(theme)
    rows = _rows(report, week_start)
    weeks = list(dict.fromkeys(row["week"] for row in rows))
    few = len(weeks) <= _FEW_WEEKS
    most = max((row["value"] for row in rows), default=0)
    layers = [_cells(palette), *([_hours(len(weeks), palette)] if few else [])]
    return {
        **frame(palette, t.HEAT_OF.format(range=report.dates), most or len(palette.heat) - 1),
        "height": 7 * _ROW_HEIGHT,
        "datasets": {"days": rows},
        "data": {"name": "days"},
        "transform": [
            {"calculate": "utcFormat(toDate(datum.day), '%a %-d %b %Y')", "as": "when"},
            {"calculate": "format(datum.value / 3600, ',.1f')", "as": "hours"},
        ],
        "encoding": {"x": _across(weeks, few), "y": _down(week_start)},
        "layer": layers,
    }


def last_weeks(overview: Overview) -> DateRange:
    """Return the period; of a longer one than 53 weeks those that end with the last bucket that has anything."""
    dates, trend = overview.dates, overview.trend
    filled = [point.bucket for point in trend.points if point.completed or point.worked_seconds]
    if not filled or (dates.days is not None and dates.days <= MOST_DAYS):
        return dates
    end = next_bucket(filled[-1], trend.bucket) - timedelta(days=1)
    last = end if dates.last is None else min(dates.last, end)
    least = date.fromordinal(max(last.toordinal() - MOST_DAYS + 1, 1))
    return DateRange(least if dates.first is None else max(dates.first, least), last)


def _rows(report: TrendReport, week_start: int) -> list[dict[str, Any]]:
    worked = {point.bucket: point.worked_seconds for point in report.points}
    first = report.dates.first or min(worked, default=None)
    last = report.dates.last or max(worked, default=None)
    if first is None or last is None or last < first:
        return []
    count = min((last - first).days, MOST_WEEKS * 7 - 1)
    rows: list[dict[str, Any]] = []
    for day in (last - timedelta(days=each) for each in range(count, -1, -1)):
        row = (day.weekday() - week_start) % 7
        rows.append(
            {
                "day": day.isoformat(),
                "week": _start(day, row).isoformat(),
                "row": row,
                "value": worked.get(day, 0),
            }
        )
    return [row for row in rows if row["week"] >= _first_week(rows)]


def _start(day: date, row: int) -> date:
    return day - timedelta(days=min(row, day.toordinal() - 1))


def _first_week(rows: Sequence[dict[str, Any]]) -> str:
    """Return the first of the weeks that are drawn: MOST_WEEKS in days may begin in the middle of one more."""
    weeks = sorted({row["week"] for row in rows})
    return str(weeks[-MOST_WEEKS:][0])


def _across(weeks: Sequence[str], few: bool) -> dict[str, Any]:
    labelled = weeks if few else _months(weeks)
    form = "%-d %b" if few else "%b"
    return {
        "field": "week",
        "type": "ordinal",
        "scale": {"domain": list(weeks), "paddingInner": 0.1, "paddingOuter": 0},
        "axis": {
            "title": None,
            "grid": False,
            "values": list(labelled),
            "labelExpr": f"utcFormat(toDate(datum.value), '{form}')",
            "labelAngle": 0,
            "labelOverlap": "parity",
            "labelSeparation": 4,
        },
    }


def _months(weeks: Sequence[str]) -> list[str]:
    """Return the first week that begins in each month."""
    return [week for place, week in enumerate(weeks) if place == 0 or weeks[place - 1][:7] != week[:7]][
        1 if len(weeks) > 1 and weeks[0][8:] > "21" else 0 :
    ]


def _down(week_start: int) -> dict[str, Any]:
    monday = f"datetime(2024, 0, 1 + (datum.value + {week_start}) % 7)"  # in the zone of the browser, as timeFormat is
    return {
        "field": "row",
        "type": "ordinal",
        "scale": {"domain": list(range(7)), "paddingInner": 0.12, "paddingOuter": 0},
        "axis": {"title": None, "grid": False, "labelExpr": f"timeFormat({monday}, '%a')"},
    }


def _cells(palette: Palette) -> dict[str, Any]:
    steps = len(palette.heat) - 1
    limits = [1, *({"expr": f"max(1, {MOST} * {place} / {steps})"} for place in range(1, steps))]
    return {
        "mark": {"type": "rect", "cornerRadius": 3},
        "encoding": {
            "color": {
                "field": "value",
                "type": "quantitative",
                "scale": {"type": "threshold", "domain": limits, "range": list(palette.heat)},
                "legend": None,
            },
            "tooltip": [
                {"field": "when", "type": "nominal", "title": t.DAY},
                {"field": "hours", "type": "nominal", "title": t.HOURS_WORKED},
            ],
        },
    }


def _hours(weeks: int, palette: Palette) -> dict[str, Any]:
    """Return the hours as text where there is room, in the colour that is read on the cell."""
    return {
        "transform": [{"filter": "datum.value > 0"}],
        "mark": {"type": "text", "fontSize": 11, "opacity": {"expr": f"{ROOM} / {weeks} < 42 ? 0 : 1"}},
        "encoding": {
            "text": {"field": "hours", "type": "nominal"},
            "color": {
                "condition": {"test": f"datum.value >= {MOST} / 2", "value": palette.ground},
                "value": palette.text,
            },
        },
    }
