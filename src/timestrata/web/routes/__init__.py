"""The routes, by what they are about."""

from fastapi import APIRouter

from timestrata.web.dashboard import assets, exports, gap_routes, login, pictures, token_routes, work_routes, workflow
from timestrata.web.dashboard import routes as pages
from timestrata.web.routes import (
    admin,
    aggregations,
    completions,
    documentation,
    events,
    health,
    history,
    tracking,
)

ROUTERS: list[APIRouter] = [
    completions.router,
    history.router,
    tracking.router,
    aggregations.router,
    events.router,
    health.router,
    admin.router,
    assets.router,
    gap_routes.router,
    work_routes.router,
    token_routes.router,
    pictures.router,
    exports.router,
    workflow.router,
    pages.router,
    login.router,
    documentation.router,
]
"""Every router of the service, those that are asked most first: the framework tries one after the other."""
