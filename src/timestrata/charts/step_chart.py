"""The chart of steps: how long each takes, beside its estimate."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from timestrata.answers import StepFigures, StepReport
from timestrata.charts.slots import unlike
from timestrata.charts.themes import MOST, ROOM, Palette, frame, legend, palette_of
from timestrata.wording import charts as t

MOST_STEPS = 40
_ROW_HEIGHT = 30
_SHARE = 0.58
"""How much of the width is left beside the labels."""
_LEAST_WIDTH, _LEAST_ROOM = 8, 100
"""Of a bar, and of the plot, in pixels."""
_MINUTES_UP_TO = 3 * 3600
"""The longest time that is drawn in minutes."""

_TIMES = ("p25_seconds", "p50_seconds", "p75_seconds", "p90_seconds", "estimate_seconds")


def steps(report: StepReport, *, theme: str = "light") -> dict[str, Any]:
    """Return the chart of step durations as a Vega-Lite specification.

    A bar spans the middle half of the times, a line goes on to the 90th percentile; a light tick is the median, a dark
    one the mean estimate. What took longer than its estimates has another colour and its ratio behind a triangle. Of
    more than 40 steps those are drawn that took the most time. The dataset "steps" has a row a step with the report's
    figures in seconds: `p25_seconds`, `p50_seconds`, `p75_seconds`, `p90_seconds`, `estimate_seconds`.
    """
    palette = palette_of(theme)
    rows = list(_rows(_longest(report.steps)))
    longest = max((row[name] or 0 for row in rows for name in _TIMES), default=0)
    unit, title = (60, t.MINUTES) if longest <= _MINUTES_UP_TO else (3600, t.HOURS)
    axis = {"title": title, "format": ",.1~f", "tickCount": 6} if rows else None
    names = {name: name.removesuffix("_seconds") for name in _TIMES}
    return {
        **frame(palette, t.STEPS_OF.format(range=report.dates), longest / unit or 1),
        "height": max(len(rows), 1) * _ROW_HEIGHT,
        "datasets": {"steps": rows},
        "data": {"name": "steps"},
        "transform": [
            *(
                {"calculate": f"datum.{name} == null ? null : datum.{name} / {unit}", "as": short}
                for name, short in names.items()
            ),
            {"calculate": _RATIO_TEXT, "as": "ratio_text"},
        ],
        "encoding": {"y": _down(rows, palette)},
        "layer": list(_layers(rows, palette, axis, longest)),
    }


_RATIO_TEXT = "datum.ratio == null ? '' : (datum.ratio > 1 ? '▲ ' : '') + format(datum.ratio, '.0%')"


def _duration(seconds: float | None) -> str:
    """Return seconds as people write them.

    >>> [_duration(seconds) for seconds in (None, 11.6, 2700, 3599, 7620)]
    ['–', '12 s', '45 min', '1 h 00 min', '2 h 07 min']
    """
    if seconds is None:
        return "–"
    whole = int(seconds + 0.5)
    minutes = (whole + 30) // 60
    if whole < 60:
        return f"{whole} s"
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"


def _longest(steps: Sequence[StepFigures]) -> Sequence[StepFigures]:
    """Return the steps that took the most time, in their order."""
    most = sorted(range(len(steps)), key=lambda place: -steps[place].active_seconds)[:MOST_STEPS]
    return [steps[place] for place in sorted(most)]


def _rows(steps: Sequence[StepFigures]) -> Iterator[dict[str, Any]]:
    several = len({step.template for step in steps}) > 1
    taken: set[str] = set()
    for step in steps:
        label = t.STEP.format(template=step.template, step=step.step_name) if several else step.step_name
        label = unlike(label, taken)
        taken.add(label)
        times = {
            "p25_seconds": step.p25_seconds,
            "p50_seconds": step.p50_seconds,
            "p75_seconds": step.p75_seconds,
            "p90_seconds": step.p90_seconds,
            "estimate_seconds": step.mean_estimated_seconds,
        }
        yield {
            "label": label,
            "template": step.template,
            "step": step.step_name,
            "completed": step.completed,
            **times,
            **{name.replace("seconds", "text"): _duration(seconds) for name, seconds in times.items()},
            "ratio": step.estimate_ratio,
            "state": _state(step),
        }


def _state(step: StepFigures) -> str:
    if step.estimate_ratio is None:
        return t.UNESTIMATED
    return t.OVER if step.estimate_ratio > 1 else t.WITHIN


def _down(rows: Sequence[dict[str, Any]], palette: Palette) -> dict[str, Any]:
    return {
        "field": "label",
        "type": "ordinal",
        "scale": {"domain": [row["label"] for row in rows], "paddingInner": 0.5, "paddingOuter": 0.25},
        "axis": {"title": None, "grid": False, "labelLimit": {"expr": f"clamp({ROOM} * 0.36, 90, 240)"}},
    }


def _layers(
    rows: Sequence[dict[str, Any]], palette: Palette, axis: dict[str, Any] | None, longest: float
) -> Iterator[dict[str, Any]]:
    # The ratio stands behind the longest line, and needs room for 55 pixels of text.
    most = {"expr": f"{MOST} * (1 + 55 / max(55, {ROOM} * {_SHARE} - 60))"}
    scale = {"domain": [0, most], "nice": False}
    x = {"field": "p25", "type": "quantitative", "axis": axis, "scale": scale}
    yield {
        "mark": {"type": "rule", "color": palette.muted, "strokeWidth": 1.5},
        "encoding": {"x": {**x, "field": "p75"}, "x2": {"field": "p90"}},
    }
    yield {
        "mark": {"type": "tick", "color": palette.muted, "thickness": 1.5, "height": 8},
        "encoding": {"x": {**x, "field": "p90"}},
    }
    yield {
        "mark": {"type": "bar", "cornerRadius": 4},
        "encoding": {"x": x, "x2": {"field": "p75"}, "color": _colour(rows, palette), "tooltip": _tooltip()},
    }
    if any(_is_thin(row, longest) for row in rows):
        yield {
            "mark": {"type": "tick", "thickness": _LEAST_WIDTH, "height": 17, "cornerRadius": 3, "opacity": 1},
            "encoding": {"x": {**x, "field": "p50"}, "color": _colour(rows, palette), "tooltip": _tooltip()},
            "transform": [{"filter": f"(datum.p75 - datum.p25) * {ROOM} * {_SHARE} < {_LEAST_WIDTH} * {MOST}"}],
        }
    yield {
        "mark": {"type": "tick", "color": palette.ground, "thickness": 2.5, "height": 13},
        "encoding": {"x": {**x, "field": "p50"}},
    }
    if any(row["estimate_seconds"] is not None for row in rows):  # a field of nothing makes Vega warn
        yield {
            "mark": {"type": "tick", "color": palette.text, "thickness": 2, "height": 22},
            "encoding": {"x": {**x, "field": "estimate"}},
        }
    yield {
        "mark": {"type": "text", "align": "left", "dx": 6, "fontSize": 11, "color": palette.muted},
        "encoding": {"x": {**x, "field": "end"}, "text": {"field": "ratio_text", "type": "nominal"}},
        "transform": [{"calculate": "max(datum.p90, datum.estimate || 0)", "as": "end"}],
    }


def _is_thin(row: dict[str, Any], longest_seconds: float) -> bool:
    """Tell whether a bar may be so thin that the light tick of its median hides it: in a narrow plot, most are."""
    if row["p25_seconds"] is None or row["p75_seconds"] is None:
        return False
    spread: int = row["p75_seconds"] - row["p25_seconds"]
    return spread * _LEAST_ROOM < _LEAST_WIDTH * (longest_seconds or 1)


def _colour(rows: Sequence[dict[str, Any]], palette: Palette) -> dict[str, Any]:
    states = {t.WITHIN: palette.slots[0], t.OVER: palette.slots[1], t.UNESTIMATED: palette.slots[-1]}
    seen = [state for state in states if any(row["state"] == state for row in rows)]
    return {
        "field": "state",
        "type": "nominal",
        "scale": {"domain": seen, "range": [states[state] for state in seen]},
        "legend": legend(seen, _SHARE) if seen else None,
    }


def _tooltip() -> list[dict[str, Any]]:
    titles = {
        "label": t.STEP_COLUMN,
        "completed": t.COMPLETED,
        "p50_text": t.MEDIAN,
        "p25_text": "25 %",
        "p75_text": "75 %",
        "p90_text": t.NINETIETH,
        "estimate_text": t.ESTIMATE,
        "ratio_text": t.RATIO,
    }
    return [{"field": field, "type": "nominal", "title": title} for field, title in titles.items()]
