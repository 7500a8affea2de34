"""How charts look in a light and a dark surrounding."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from timestrata.errors import InvalidRequest

Theme = Literal["light", "dark"]
THEMES: tuple[Theme, ...] = get_args(Theme)

_LETTER = 7
_SYMBOL = 30
_LABEL_LIMIT = 140
"""Widths in pixels."""

ROOM = "room"
"""The parameter that holds the width of what a chart is in; `width` changes while a chart is laid out."""

FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Liberation Sans', Arial, sans-serif"


@dataclass(frozen=True, slots=True)
class Palette:
    """The colours of a theme: at least 3.4:1 on the ground, and distinct without red, green or blue cones."""

    ground: str
    text: str
    muted: str
    grid: str
    slots: tuple[str, ...]
    """Of the first five ticket types, then grey for all others."""
    heat: tuple[str, ...]
    """From nothing to the most."""


PALETTES: Mapping[Theme, Palette] = {
    "light": Palette(
        ground="#ffffff",
        text="#111827",
        muted="#5b6472",
        grid="#e6e9ef",
        slots=("#1f5fbf", "#a5310f", "#0b9a92", "#6a1560", "#b07d10", "#7b8492"),
        heat=("#eceff4", "#c9d9f2", "#8fb2e6", "#4d82d0", "#123f8a"),
    ),
    "dark": Palette(
        ground="#161b26",
        text="#e8edf5",
        muted="#9aa7b8",
        grid="#2a3343",
        slots=("#5b98fe", "#ec8167", "#4fdcd6", "#ad4c88", "#f7d23c", "#8b97a8"),
        heat=("#222a38", "#1c3a6b", "#2c5ca8", "#5b98fe", "#b9d4ff"),
    ),
}


def palette_of(theme: str) -> Palette:
    """Return the colours of a theme. Raises InvalidRequest for one that there is not."""
    for each in THEMES:
        if each == theme:
            return PALETTES[each]
    raise InvalidRequest("theme", theme, f"one of {', '.join(THEMES)}")


MOST = "most"
"""The parameter that holds the number in which a scale ends.

Numbers that follow from the rows are parameters, and the description is at the top: without these and the datasets a
specification is the same before and after a change, so that a page compiles it once (shapes.js).
"""


def frame(palette: Palette, description: str, most: float) -> dict[str, Any]:
    """Return what every chart has in common: as wide as what holds it, in the colours and letters of the theme.

    most: the value of the parameter MOST.
    """
    return {
        "$schema": "https://vega.github.io/schema/vega-lite/v6.json",
        "description": description,
        "width": "container",
        "autosize": {"type": "fit-x", "contains": "padding"},
        "params": [{"name": ROOM, "expr": "width && containerSize()[0] || 600"}, {"name": MOST, "value": most}],
        "background": palette.ground,
        "padding": {"left": 2, "top": 4, "right": 10, "bottom": 2},
        "config": _config(palette),
    }


def legend(labels: Iterable[str], share: float = 0.9) -> dict[str, Any]:
    """Return the legend above a chart, with as many columns as there is room for.

    share: how much of the room the plot has, which the legend stands above.
    """
    widest = min(max(map(len, labels), default=0) * _LETTER, _LABEL_LIMIT) + _SYMBOL
    columns = {"expr": f"max(1, floor({ROOM} * {share} / {widest}))"}
    return {"orient": "top", "symbolType": "square", "labelLimit": _LABEL_LIMIT, "columns": columns}


def _config(palette: Palette) -> dict[str, Any]:
    return {
        "font": FONT,
        "aria": False,  # the description stands for the picture, and the table beside it for its figures
        "mark": {"aria": False},
        "view": {"stroke": None},
        "axis": {
            "labelColor": palette.muted,
            "labelFontSize": 12,
            "labelPadding": 6,
            "titleColor": palette.muted,
            "titleFontSize": 12,
            "titleFontWeight": "normal",
            "gridColor": palette.grid,
            "domain": False,
            "ticks": False,
        },
        "legend": {
            "labelColor": palette.muted,
            "labelFontSize": 12,
            "symbolSize": 90,
            "symbolStrokeWidth": 2,
            "title": None,
            "offset": 10,
        },
    }
