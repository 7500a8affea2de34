"""Server-sent events: that something changed, so that a page asks again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Depends, Header, Query, Request
from fastapi.sse import EventSourceResponse, ServerSentEvent

from timestrata.web.callers import Reads
from timestrata.web.principals import forbidden
from timestrata.web.revisions import Scope
from timestrata.web.service import Service, service_of

router = APIRouter(tags=["events"])

_RECONNECT_MILLISECONDS = 2000


async def _scope(
    reader: Reads, user_id: Annotated[str | None, Query(description="Only this user's changes.")] = None
) -> Scope:
    """Return whose changes are listened to: the user's that is named, all, or the token's own."""
    scope = _chosen(reader, user_id)
    await reader.service.revisions.of(scope)  # while a refusal can still be told: 503 when the database is gone
    return scope


def _chosen(reader: Reads, user_id: str | None) -> Scope:
    principal = reader.principal
    if user_id is not None:
        reader.check(user_id)
        return user_id
    if principal.may_read_all:
        return None
    if principal.user is None or not principal.may_read(principal.user):
        raise forbidden("listening to changes; it needs the scope read:own or read:all")
    return principal.user


@router.get("/api/v1/events", summary="Listen to changes", response_class=EventSourceResponse)
async def events(
    request: Request,
    scope: Annotated[Scope, Depends(_scope)],
    last_event_id: Annotated[str | None, Header(description="The last event that was seen.")] = None,
) -> AsyncIterator[ServerSentEvent]:
    """Send a `revision` event when data changed that the token may read; its id is the revision.

    The first comes at once, unless Last-Event-ID names the present revision. Events carry no data of anybody.
    """
    service = service_of(request)
    seen = _number(last_event_id)
    async with service.feed.listen(scope) as queue:
        number = await _present(scope, service)
        while not service.closing.is_set():
            if number is not None and number != seen:
                seen = number
                yield ServerSentEvent(
                    data={"revision": number}, event="revision", id=str(number), retry=_RECONNECT_MILLISECONDS
                )
            number = await _next(queue, service)
            if not await _may_listen(request, service):
                return


async def _present(scope: Scope, service: Service) -> int | None:
    """Return the revision of now, asked for after the queue was there; None when the database has just gone."""
    try:
        return (await service.revisions.of(scope)).number
    except Exception:
        return None


async def _next(queue: asyncio.Queue[int], service: Service) -> int | None:
    """Return the next revision; None when it is time to look at the token, or the service ends."""
    waits = [asyncio.ensure_future(queue.get()), asyncio.ensure_future(service.closing.wait())]
    try:
        seconds = service.config.events_check_seconds
        await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        return waits[0].result() if waits[0].done() else None
    finally:
        for wait in waits:
            wait.cancel()


async def _may_listen(request: Request, service: Service) -> bool:
    try:
        return await service.gate.still(request)
    except Exception:  # the database is gone, which says nothing of the token
        return True


def _number(text: str | None) -> int | None:
    return int(text) if text is not None and text.isascii() and text.isdecimal() and len(text) < 20 else None
