"""The routes, by what they are about."""

from fastapi import APIRouter

from timestrata.web.routes import (
    admin,
    aggregations,
    completions,
    documentation,
    events,
    health,
    history,
    login,
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
    login.router,
    documentation.router,
]
"""Every router of the service, those that are asked most first: the framework tries one after the other."""
