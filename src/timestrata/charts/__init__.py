"""Charts of what a history answers, for notebooks (Altair), pages (Vega-Lite) and files (PNG, SVG, PDF)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from timestrata.answers import StepReport, Summary, TrendReport
from timestrata.charts import pictures, specs
from timestrata.charts.slots import colours

if TYPE_CHECKING:
    import altair as alt

__all__ = ["colours", "heatmap", "picture", "spec", "steps", "trend", "types"]


def trend(
    report: TrendReport,
    *,
    theme: str = "light",
    types: Sequence[str] | None = None,
    links: Mapping[str, str] | None = None,
) -> alt.LayerChart:
    """Return the chart of a trend: see timestrata.charts.specs.trend()."""
    return _chart(specs.trend(report, theme=theme, types=types, links=links))


def types(
    summary: Summary,
    *,
    theme: str = "light",
    types: Sequence[str] | None = None,
    links: Mapping[str, str] | None = None,
) -> alt.LayerChart:
    """Return the chart of the ticket types of a summary: see timestrata.charts.specs.types()."""
    return _chart(specs.types(summary, theme=theme, types=types, links=links))


def steps(report: StepReport, *, theme: str = "light") -> alt.LayerChart:
    """Return the chart of step durations: see timestrata.charts.specs.steps()."""
    return _chart(specs.steps(report, theme=theme))


def heatmap(report: TrendReport, *, theme: str = "light", week_start: int = 0) -> alt.LayerChart:
    """Return the calendar of worked hours: see timestrata.charts.specs.heatmap()."""
    return _chart(specs.heatmap(report, theme=theme, week_start=week_start))


def spec(chart: alt.TopLevelMixin | Mapping[str, Any]) -> dict[str, Any]:
    """Return a chart as a Vega-Lite specification that json.dumps() takes, its data in it."""
    if isinstance(chart, Mapping):
        return dict(chart)
    return dict(chart.to_dict(validate=False))


def picture(
    chart: alt.TopLevelMixin | Mapping[str, Any],
    form: str,
    *,
    width: int = pictures.WIDTH,
    scale: float = pictures.SCALE,
) -> bytes:
    """Return a chart, or its specification, drawn as "png", "svg" or "pdf".

    width: of the whole picture, in points; a PNG has `scale` pixels for each.
    """
    return pictures.picture(spec(chart), form, width=width, scale=scale)


def _chart(spec: Mapping[str, Any]) -> alt.LayerChart:
    import altair as alt  # here, because it takes a second and 50 MB, and pages are made without it

    return alt.LayerChart.from_dict(dict(spec), validate=False)
