"""The chart of a trend: bars by day, week or month, stacked by ticket type, and what moves through them."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from timestrata.answers import TrendMeasure, TrendPoint, TrendReport
from timestrata.calendar import Bucket
from timestrata.charts.slots import OTHER_SLOT, gathered, slots_of, unlike
from timestrata.charts.themes import MOST, Palette, frame, legend, palette_of
from timestrata.wording import charts as t

_HEIGHT = 250
_LABELS = 13
_WHOLE = ",d"
_TENTHS = ",.1~f"
_FEW = 5
"""Up to here each whole number has its line."""


@dataclass(frozen=True, slots=True)
class _Measure:
    """How a measure is drawn."""

    moving: str | None
    """The field of its moving average."""
    stacked: bool
    """Whether the values of ticket types add up to the total."""
    per_unit: int = 1
    """How much of it is one on the axis: 3600 where seconds are drawn as hours."""
    format: str = _TENTHS


_MEASURES: Mapping[TrendMeasure, _Measure] = {
    "completed": _Measure("moving_completed", stacked=True, format=_WHOLE),
    "worked_seconds": _Measure("moving_worked_seconds", stacked=True, per_unit=3600),
    "active_seconds": _Measure(None, stacked=True, per_unit=3600),
    "mean_seconds": _Measure("moving_mean_seconds", stacked=False, per_unit=3600),
    "estimate_ratio": _Measure(None, stacked=False, format=".0%"),
    "gap_alerts": _Measure(None, stacked=True, format=_WHOLE),
}

_STRIDES: Mapping[Bucket, Sequence[int]] = {"day": (1, 2, 7, 14), "week": (1, 2, 4, 8, 13), "month": (1, 2, 3, 6, 12)}
"""How many buckets may lie between two labels, as people count: Mondays, quarters."""


def trend(
    report: TrendReport,
    *,
    theme: str = "light",
    types: Sequence[str] | None = None,
    links: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Return the chart of a trend as a Vega-Lite specification.

    report: its measure is drawn, stacked by the names of `by` where their values add up (not means and ratios).
    types: all ticket types of the store (History.ticket_types()), whose order gives each its colour.
    links: where a click on the bars of a name leads.

    The bars are in the dataset "bars", one row a bucket and name that has anything: `bucket` (its first day), `name`,
    and `value`, the integer of the report. The moving average and, where the verdict is rising or falling, the line
    with the slope of Theil and Sen are in "lines". Partial buckets are pale, dashed, and in neither line.
    """
    palette, measure = palette_of(theme), _MEASURES[report.measure]
    is_stacked = measure.stacked and bool(report.by)
    slots = slots_of(tuple(report.by), types)
    bars = list(_stacked(report, measure, slots, links or {}) if is_stacked else _plain(report, measure))
    lines = list(_lines(report, measure)) if bars else []
    highest = max((*(bar["high"] for bar in bars), *(line["at"] or 0 for line in lines)), default=0)
    fill = _fill(bars, slots if is_stacked else {t.ALL: 0}, palette)
    layers = [_bar_layer(report, measure, is_stacked, highest or 1, fill)]
    if lines:
        layers += _line_layers(lines, palette)
    if any("link" in bar for bar in bars):
        layers[0]["encoding"]["href"] = {"field": "link", "type": "nominal"}
    form = t.TREND_OF if is_stacked else t.TREND_OF_TOTAL
    description = form.format(measure=t.MEASURES[report.measure], bucket=report.bucket, range=report.dates)
    return {
        **frame(palette, description, highest or 1),
        "height": _HEIGHT,
        "datasets": {"bars": bars, "lines": lines},
        "encoding": {"x": _across(report)},
        "layer": layers,
    }


# ---------------------------------------------------------------------------------------------------------------- data


def _plain(report: TrendReport, measure: _Measure) -> Iterator[dict[str, Any]]:
    """Yield a row for each bucket that has anything."""
    for point in report.points:
        value = getattr(point, report.measure)
        if value:
            yield _bar(point, t.ALL, t.ALL, value, 0, measure)


def _stacked(
    report: TrendReport, measure: _Measure, slots: Mapping[str, int], links: Mapping[str, str]
) -> Iterator[dict[str, Any]]:
    """Yield a row for each bucket and name with anything, those of a bucket from the bottom up."""
    values = {name: _values(series.points, report.measure) for name, series in report.by.items()}
    drawn = gathered({name: sum(each.values()) for name, each in values.items()}, slots)
    other = unlike(t.OTHER, report.by)
    for point in report.points:
        below = 0
        for name, behind in drawn.items():
            value = sum(values[each].get(point.bucket, 0) for each in behind)
            if value:
                group = name if slots.get(name, OTHER_SLOT) < OTHER_SLOT else other
                row = _bar(point, name, group, value, below, measure)
                yield row | {"link": links[name]} if name in links else row
                below += value


def _values(points: Sequence[TrendPoint], measure: TrendMeasure) -> dict[date, int]:
    return {point.bucket: getattr(point, measure) for point in points}


def _bar(point: TrendPoint, name: str, group: str, value: float, below: float, measure: _Measure) -> dict[str, Any]:
    return {
        "bucket": point.bucket.isoformat(),
        "name": name,
        "group": group,
        "value": value,
        "low": round(below / measure.per_unit, 4),
        "high": round((below + value) / measure.per_unit, 4),
        "partial": point.partial,
    }


def _lines(report: TrendReport, measure: _Measure) -> Iterator[dict[str, Any]]:
    """Yield the points of the moving average, with None where it has a gap, then the two ends of the trend."""
    if measure.moving is not None:
        moving = [getattr(point, measure.moving) for point in report.points]
        if any(value is not None for value in moving):
            for point, value in zip(report.points, moving, strict=True):
                yield _line(point, t.AVERAGE[report.bucket], value, measure)
    if report.trend.verdict in ("rising", "falling"):
        for point, value in _ends(report):
            yield _line(point, t.TREND, value, measure)


def _line(point: TrendPoint, name: str, value: float | None, measure: _Measure) -> dict[str, Any]:
    at = None if value is None else round(value / measure.per_unit, 4)
    return {"bucket": point.bucket.isoformat(), "line": name, "at": at}


def _ends(report: TrendReport) -> tuple[tuple[TrendPoint, float], ...]:
    """Return the first and the last full bucket with their heights on the line of the trend.

    It has the slope of Theil and Sen and passes as many values below as above. Source: Conover, Practical
    Nonparametric Statistics, section 5.5.
    """
    slope = report.trend.theil_sen_slope or 0.0
    full = [
        (place, point, getattr(point, report.measure))
        for place, point in enumerate(report.points)
        if not point.partial and getattr(point, report.measure) is not None
    ]
    start = statistics.median(value - slope * place for place, _, value in full)
    return tuple((point, start + slope * place) for place, point, _ in (full[0], full[-1]))


# --------------------------------------------------------------------------------------------------------------- marks


def _across(report: TrendReport) -> dict[str, Any]:
    buckets = [point.bucket for point in report.points]
    labelled = _labelled(buckets, report.bucket)
    return {
        "field": "bucket",
        "type": "ordinal",
        "scale": {"domain": [each.isoformat() for each in buckets], "paddingInner": 0.12, "paddingOuter": 0.06},
        "axis": {
            "title": None,
            "grid": False,
            "values": [each.isoformat() for each in labelled],
            "labelExpr": _label(labelled, report.bucket),
            "labelAngle": 0,
            "labelOverlap": "parity",
            "labelSeparation": 6,
        },
    }


def _labelled(buckets: Sequence[date], bucket: Bucket) -> Sequence[date]:
    """Return the buckets that have a label on the axis."""
    strides = _STRIDES[bucket]
    stride = next((each for each in strides if each * _LABELS >= len(buckets)), -(-len(buckets) // _LABELS))
    first = 0
    if bucket == "day" and stride % 7 == 0:
        first = next((place for place, day in enumerate(buckets) if day.weekday() == 0), 0)
    elif bucket == "month":
        first = next((place for place, day in enumerate(buckets) if (day.month - 1) % stride == 0), 0)
    return buckets[first::stride]


def _label(labelled: Sequence[date], bucket: Bucket) -> str:
    """Return the expression of a label: the day or month, the year below it where it is another."""
    changes = [
        day.isoformat() for place, day in enumerate(labelled) if place == 0 or labelled[place - 1].year != day.year
    ]
    form = "%b" if bucket == "month" else "%-d %b"
    label = f"utcFormat(toDate(datum.value), '{form}')"
    return f"indexof({changes!r}, datum.value) < 0 ? {label} : [{label}, utcFormat(toDate(datum.value), '%Y')]"


def _bar_layer(
    report: TrendReport, measure: _Measure, is_stacked: bool, highest: float, fill: Mapping[str, Any]
) -> dict[str, Any]:
    day = "%b %Y" if report.bucket == "month" else "%-d %b %Y"
    when = f"utcFormat(toDate(datum.bucket), '{day}') + (datum.partial ? ' ({t.PARTIAL_MARK})' : '')"
    tooltip = {"when": t.BUCKETS[report.bucket], "name": t.TICKET_TYPE, "shown": t.MEASURES[report.measure]}
    if not is_stacked:
        del tooltip["name"]
    return {
        "data": {"name": "bars"},
        "transform": [
            {"calculate": when, "as": "when"},
            {"calculate": f"format(datum.value / {measure.per_unit}, '{measure.format}')", "as": "shown"},
        ],
        "mark": {"type": "rect", "strokeWidth": 1, "strokeDash": [3, 2]},
        "encoding": {
            "y": {
                "field": "low",
                "type": "quantitative",
                "axis": _height_axis(report.measure, measure, highest),
                "scale": {"domain": [0, {"expr": MOST}], "nice": True},
            },
            "y2": {"field": "high"},
            "fill": fill,
            "stroke": fill,
            "fillOpacity": {"condition": {"test": "datum.partial", "value": 0.35}, "value": 1},
            "strokeOpacity": {"condition": {"test": "datum.partial", "value": 1}, "value": 0},
            "tooltip": [{"field": field, "type": "nominal", "title": title} for field, title in tooltip.items()],
        },
    }


def _height_axis(name: TrendMeasure, measure: _Measure, highest: float) -> dict[str, Any]:
    axis = {"title": t.MEASURES[name], "format": measure.format, "tickCount": 5}
    if measure.format == _WHOLE:
        return axis | ({"values": list(range(int(highest) + 1))} if highest <= _FEW else {"tickMinStep": 1})
    return axis | ({"format": ",.2~f"} if measure.format == _TENTHS and highest < 1 else {})


def _fill(bars: Sequence[Mapping[str, Any]], slots: Mapping[str, int], palette: Palette) -> dict[str, Any]:
    """Return the colours of the names that are drawn; one name alone needs no legend."""
    groups = sorted({bar["group"] for bar in bars}, key=lambda group: (slots.get(group, OTHER_SLOT), group))
    return {
        "field": "group",
        "type": "nominal",
        "scale": {"domain": groups, "range": [palette.slots[slots.get(group, OTHER_SLOT)] for group in groups]},
        "legend": legend(groups) if len(groups) > 1 else None,
    }


def _line_layers(lines: Sequence[Mapping[str, Any]], palette: Palette) -> list[dict[str, Any]]:
    """Return the lines, each on a wider one in the colour of the ground, so that it is seen on every bar."""
    names = list(dict.fromkeys(line["line"] for line in lines))
    dashes = [[1, 0] if name != t.TREND else [5, 4] for name in names]
    at = {"field": "at", "type": "quantitative"}
    dash = {
        "field": "line",
        "type": "nominal",
        "scale": {"domain": names, "range": dashes},
        "legend": {"orient": "bottom", "symbolType": "stroke", "symbolStrokeColor": palette.text},
    }
    return [
        {
            "data": {"name": "lines"},
            "mark": {
                "type": "line",
                "strokeWidth": 5,
                "stroke": palette.ground,
                "opacity": 0.7,
                "clip": True,
                "tooltip": None,
            },
            "encoding": {"y": at, "detail": {"field": "line", "type": "nominal"}},
        },
        {
            "data": {"name": "lines"},
            "mark": {"type": "line", "strokeWidth": 2, "stroke": palette.text, "clip": True, "tooltip": None},
            "encoding": {"y": at, "strokeDash": dash},
        },
    ]
