"""The application: what a request passes through, the routes, and what happens at start and end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.responses import Response
from starlette.routing import Match

from timestrata.calendar import instant
from timestrata.history import History
from timestrata.web.config import Config
from timestrata.web.dashboard.route import error_page
from timestrata.web.edge import Edge, has_head, problem_response
from timestrata.web.idempotency import Idempotency, forget_old
from timestrata.web.limits import BodyLimit
from timestrata.web.openapi import describe
from timestrata.web.principals import Doorkeeper
from timestrata.web.problems import problem_of
from timestrata.web.reads import Reads
from timestrata.web.routes import ROUTERS
from timestrata.web.service import Service
from timestrata.web.signals import told_to_end
from timestrata.web.writes import Writes

_GZIP_LEVEL = 5


def create_app(history: History, config: Config | None = None) -> FastAPI:
    """Return the service over a history, which stays its owner's to close unless the configuration says otherwise."""
    service = Service(history, config or Config())
    app = FastAPI(
        title="Timestrata",
        lifespan=_lifespan,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        separate_input_output_schemas=False,
        telemetry={"tracing": False, "metrics": False, "logs": False},  # asked each time whether somebody wants it
        middleware=[
            Middleware(Edge, service=service),
            Middleware(Reads, service=service),
            Middleware(Writes, service=service, gzip_level=_GZIP_LEVEL),
            Middleware(GZipMiddleware, minimum_size=service.config.gzip_from_bytes, compresslevel=_GZIP_LEVEL),
            Middleware(Doorkeeper, gate=service.gate),
            Middleware(BodyLimit, config=service.config),
            Middleware(Idempotency, service=service),
        ],
        exception_handlers={HTTPException: _as_problem, RequestValidationError: _as_problem},
    )
    app.state.service = service
    for router in ROUTERS:
        # As they are: include_router() makes each route anew at the first request, which takes 25 ms of each app.
        app.router.routes.extend(router.routes)
    describe(app)
    return app


async def _as_problem(request: Request, error: Exception) -> Response:
    service: Service = request.app.state.service
    problem = problem_of(error, service.dialect)
    if problem.status == 404 and "text/html" in request.headers.get("accept", ""):
        return error_page(request, problem)
    response = problem_response(problem)
    if response.status_code == 405:
        response.headers["Allow"] = ", ".join(_methods(request))
    return response


def _methods(request: Request) -> list[str]:
    """Return the methods of a path, in order. The framework names those of the first route that has it, not of all."""
    scope = dict(request.scope)
    found: set[str] = set()
    for router in ROUTERS:
        for route in router.routes:
            match, _ = route.matches(scope)
            if match is not Match.NONE:
                found |= getattr(route, "methods", None) or set()
    if "GET" in found and has_head(scope):
        found.add("HEAD")
    return sorted(found)


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[dict[str, Any]]:
    service: Service = app.state.service
    with _signals(service):
        tidying = asyncio.ensure_future(_keep_tidy(service))
        scheduling = asyncio.ensure_future(service.schedule.keep(service.closing))
        preparing = asyncio.ensure_future(_prepare(service))
        try:
            yield {}
        finally:
            tidying.cancel()
            preparing.cancel()
            service.closing.set()
            await scheduling
            await service.close()


async def _keep_tidy(service: Service) -> None:
    """Do what is due from time to time. Several workers may do it at once."""
    while service.config.tidy_seconds is not None:
        try:
            await service.run(service.history.tracking.end_forgotten)
            await service.run(lambda: forget_old(service.history.engine, instant(service.config.clock())))
        except Exception as error:  # the database may come back: /ready says when
            service.log.warning("not tidied", reason=type(error).__name__)
        await asyncio.sleep(service.config.tidy_seconds)


async def _prepare(service: Service) -> None:
    """Make what the first page needs before anybody asks for it."""
    if not service.config.prepares_pages:
        return
    try:
        await service.studio.bundle()
    except Exception as error:  # pages show tables then
        service.log.warning("charts not prepared", reason=type(error).__name__)


@contextmanager
def _signals(service: Service) -> Iterator[None]:
    """Tell streams to end when the process is told to.

    The server waits for its connections before it ends the lifespan, and a stream of events would keep it waiting.
    """
    if not service.config.watches_signals:
        yield
        return
    loop = asyncio.get_running_loop()
    with told_to_end(lambda: loop.call_soon_threadsafe(service.closing.set)):
        yield
