"""The charts as Vega-Lite specifications, for those who draw them without Altair: the pages of the service do."""

from timestrata.charts.heat_chart import heatmap
from timestrata.charts.slots import colours
from timestrata.charts.step_chart import steps
from timestrata.charts.trend_chart import trend
from timestrata.charts.type_chart import types

__all__ = ["colours", "heatmap", "steps", "trend", "types"]
