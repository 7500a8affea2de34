"""For those who run the service: how its jobs stand."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Response

from timestrata.web import wire
from timestrata.web.callers import Reader, Reads
from timestrata.web.principals import forbidden
from timestrata.web.service import Service

router = APIRouter(prefix="/api/v1/admin", tags=["admin"])


async def _admin(reader: Reads) -> Reader:
    if not reader.principal.is_admin:
        raise forbidden("this; it needs the scope admin")
    return reader


Admin = Annotated[Reader, Depends(_admin)]
"""A parameter of a route that is for admins only."""


@router.get("/jobs", summary="How do the jobs stand?")
async def jobs(admin: Admin) -> Response:
    """Return each job with its schedule, its next run, the run that is under way, and the last one with its result."""
    service: Service = admin.service
    return wire.respond({"jobs": await service.run(service.schedule.jobs.states)})
