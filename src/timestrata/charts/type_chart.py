"""The chart of ticket types: a bar each, the longest first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from timestrata.answers import Summary
from timestrata.charts.slots import OTHER_SLOT, gathered, slots_of
from timestrata.charts.themes import MOST, Palette, frame, palette_of
from timestrata.wording import charts as t

_ROW_HEIGHT = 38
_FEW = 8
_NARROW_ROW_HEIGHT = 24
"""Of more bars than a few: they stand beside a chart of one height."""
_ROOM_FOR_NUMBERS = 1.25


def types(
    summary: Summary,
    *,
    theme: str = "light",
    types: Sequence[str] | None = None,
    links: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Return the chart of the ticket types of a summary as a Vega-Lite specification.

    types: all ticket types of the store (History.ticket_types()), whose order gives each its colour.
    links: where a click on the bar of a type leads.

    The bars are in the dataset "bars": `name`, and `value`, the completed workflows.
    """
    palette = palette_of(theme)
    bars = list(_bars(summary, slots_of(tuple(summary.by_ticket_type), types), links or {}))
    most = max((bar["value"] for bar in bars), default=0)
    titles = {"name": t.TICKET_TYPE, "shown": t.TICKETS, "hours": t.HOURS_WORKED}
    href = {"href": {"field": "link", "type": "nominal"}} if any("link" in bar for bar in bars) else {}
    return {
        **frame(palette, t.TYPES_OF.format(range=summary.dates), most * _ROOM_FOR_NUMBERS or 1),
        "height": max(len(bars), 1) * (_ROW_HEIGHT if len(bars) <= _FEW else _NARROW_ROW_HEIGHT),
        "datasets": {"bars": bars},
        "data": {"name": "bars"},
        "transform": [
            {"calculate": "format(datum.value, ',d')", "as": "shown"},
            {"calculate": "format(datum.worked_seconds / 3600, ',.1f')", "as": "hours"},
        ],
        "encoding": {
            "y": {
                "field": "name",
                "type": "ordinal",
                "scale": {"domain": [bar["name"] for bar in bars], "paddingInner": 0.55, "paddingOuter": 0.3},
                "axis": {"title": None, "grid": False, "labelLimit": 110, "labelColor": palette.text},
            },
            "x": _across(),
            **href,
        },
        "layer": [
            {
                "mark": {"type": "bar", "cornerRadius": 4, "minBandSize": 6},
                "encoding": {
                    "color": _colour(palette),
                    "tooltip": [{"field": field, "type": "nominal", "title": title} for field, title in titles.items()],
                },
            },
            {
                "mark": {"type": "text", "align": "left", "dx": 6, "fontSize": 12, "color": palette.text},
                "encoding": {"text": {"field": "shown", "type": "nominal"}},
            },
        ],
    }


def _across() -> dict[str, Any]:
    return {
        "field": "value",
        "type": "quantitative",
        "stack": None,  # it groups by names, and fails at one of `__proto__`
        "axis": None,  # each bar has its number
        "scale": {"domain": [0, {"expr": MOST}], "nice": False},
    }


def _colour(palette: Palette) -> dict[str, Any]:
    return {
        "field": "slot",
        "type": "ordinal",
        "scale": {"domain": list(range(len(palette.slots))), "range": list(palette.slots)},
        "legend": None,
    }


def _bars(summary: Summary, slots: Mapping[str, int], links: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    figures = {name: each for name, each in summary.by_ticket_type.items() if each.completed or each.worked_seconds}
    drawn = gathered({name: each.completed for name, each in figures.items()}, slots)
    rows: list[dict[str, Any]] = []
    for name, behind in drawn.items():
        row = {
            "name": name,
            "slot": slots.get(name, OTHER_SLOT),
            "value": sum(figures[each].completed for each in behind),
            "worked_seconds": sum(figures[each].worked_seconds for each in behind),
        }
        rows.append(row | {"link": links[name]} if name in links else row)
    yield from sorted(rows, key=lambda row: (len(drawn[row["name"]]) > 1, -row["value"]))
