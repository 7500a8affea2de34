"""Charts drawn for the forms of a report."""

from __future__ import annotations

from typing import Literal, Protocol

from timestrata import charts
from timestrata.report.document import Picture, Spec, Theme

_MESSAGE = 672
"""Pixels of the text of a message."""


_FONT = "Arial, 'Liberation Sans', Helvetica, sans-serif"
"""Of one width: a chart is laid out here and shown elsewhere, where a wider font would be cut off at its edge."""


class Draw(Protocol):
    """Draws a chart `width` pixels wide, as timestrata.charts.picture() does."""

    def __call__(self, chart: Spec, form: Literal["png", "svg"], /, *, width: int) -> bytes: ...


def draw(chart: Spec, form: Literal["png", "svg"], /, *, width: int) -> bytes:
    """Draw a chart in this process."""
    return bytes(charts.picture(chart, form, width=width))


def svg(picture: Picture, theme: Theme, draw: Draw) -> str:
    """Return a picture as SVG."""
    return draw(_to_go(picture.charts[theme]), "svg", width=picture.width).decode()


def png(picture: Picture, draw: Draw) -> bytes:
    """Return a picture in the light theme as PNG, of twice the width in pixels."""
    return draw(_to_go(picture.charts["light"]), "png", width=min(picture.width, _MESSAGE))


def _to_go(chart: Spec) -> Spec:
    return {**chart, "config": {**chart.get("config", {}), "font": _FONT}}
