"""The charts of the pages: their specifications for the browser, and pictures of them."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Literal

from fastapi import APIRouter
from starlette.responses import Response

from timestrata.charts import specs
from timestrata.web.dashboard import questions
from timestrata.web.dashboard.files import file_name, sent
from timestrata.web.dashboard.route import PageRoute
from timestrata.web.dashboard.view import Asked, View
from timestrata.web.service import Service, service_of

router = APIRouter(include_in_schema=False, route_class=PageRoute)

Chart = Literal["trend", "types", "steps", "heatmap"]
Theme = Literal["light", "dark"]
_MEDIA_TYPES = {"png": "image/png", "svg": "image/svg+xml"}


@router.get("/charts/{chart}.json")
async def specification(chart: Chart, view: Asked, theme: Theme = "light") -> Response:
    """Return a chart as a Vega-Lite specification with its data."""
    service = service_of(view.request)

    async def make() -> bytes:
        return await service.run(lambda: _encoded(drawing(chart, service, view, theme)))

    return await sent(view, make, "application/json")


@router.get("/charts/{chart}.{form}")
async def picture(chart: Chart, form: Literal["png", "svg"], view: Asked, theme: Theme = "light") -> Response:
    """Return a picture of a chart."""
    service = service_of(view.request)

    async def make() -> bytes:
        spec = await service.run(lambda: drawing(chart, service, view, theme, linked=False))
        return await service.studio.picture(spec, form)

    return await sent(view, make, _MEDIA_TYPES[form], file_name(chart, view.range, form))


def drawing(chart: Chart, service: Service, view: View, theme: Theme, linked: bool = True) -> dict[str, Any]:
    """Return the specification of a chart in the reader's language; `linked` leads from types to tickets. Blocks."""
    draw: Callable[[], dict[str, Any]] = {
        "trend": lambda: specs.trend(
            questions.trend(view, service.history), theme=theme, types=questions.ticket_types(view, service.history)
        ),
        "types": lambda: _types(service, view, theme, linked),
        "steps": lambda: specs.steps(questions.longest_steps(view, service.history), theme=theme),
        "heatmap": lambda: specs.heatmap(
            questions.days(view, service.history), theme=theme, week_start=view.words.first_weekday
        ),
    }[chart]
    spec = draw()
    return {**spec, "config": {**spec["config"], "locale": view.words.chart_locale()}}


def _types(service: Service, view: View, theme: Theme, linked: bool) -> dict[str, Any]:
    summary = questions.overview(view, service.history).summary
    links = {name: view.link("/tickets", ticket_type=name) for name in summary.by_ticket_type} if linked else None
    return specs.types(summary, theme=theme, types=questions.ticket_types(view, service.history), links=links)


def _encoded(spec: dict[str, Any]) -> bytes:
    return json.dumps(spec, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()
