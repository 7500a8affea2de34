"""For those who watch the service: is it alive, can it answer, what has it done."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.metadata import version

from fastapi import APIRouter, Request, Response
from prometheus_client.core import GaugeMetricFamily

from timestrata.web import wire
from timestrata.web.metrics import MEDIA_TYPE
from timestrata.web.problems import unavailable
from timestrata.web.service import service_of

router = APIRouter(tags=["operation"])


@router.get("/health", summary="Is the process alive?")
async def health(request: Request) -> Response:
    """Answer, also while the database is gone: an orchestrator must not restart a process because of that.

    `verified` is what the last verification found, as it was known some seconds ago.
    """
    verified = await service_of(request).schedule.verified()
    return wire.respond({"status": "ok", "version": version("timestrata"), "verified": verified})


@router.get("/ready", summary="Can requests be answered?", responses={503: {"description": "Not now"}})
async def ready(request: Request) -> Response:
    """Answer 200 while the database answers and has the schema that this version needs, else 503."""
    obstacle = await service_of(request).readiness.obstacle()
    if obstacle is not None:
        raise unavailable(obstacle, "not_ready")
    return wire.respond({"status": "ready"})


@router.get("/metrics", summary="Figures for Prometheus", response_class=Response)
async def metrics(request: Request) -> Response:
    """Return the counts of all workers, and what the store says now, in the text format of Prometheus."""
    service = service_of(request)
    gauges: Iterable[GaugeMetricFamily] = ()
    # The counts are wanted most of all while the database is gone, and by somebody who does not wait long.
    obstacle = await service.readiness.obstacle()
    try:
        if obstacle is None:
            gauges = await service.run(service.gauges)
    except Exception as error:
        obstacle = type(error).__name__
    if obstacle is not None:
        service.log.warning("gauges not read", reason=obstacle)
    return Response(service.metrics.exposition(gauges), media_type=MEDIA_TYPE)
