"""Completions in plain JSON: recorded without the routes.

What a request passes through on its way to a route costs more than to record a completion. So the one request that
comes in numbers is answered here: by the same functions in the same order, without the layers that have nothing to do
for it. Whatever is out of the ordinary goes on to the route.
"""

from __future__ import annotations

from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp, Receive, Scope, Send

from timestrata.web import wire
from timestrata.web.callers import Writer
from timestrata.web.limits import check_announced, too_large
from timestrata.web.routes import completions
from timestrata.web.service import Service

_PATH = completions.router.prefix
[_ROUTE] = [route for route in completions.router.routes if getattr(route, "endpoint", None) is completions.record]
_PLAIN_TYPES = frozenset((b"application/json", b"application/json; charset=utf-8", None))
_OTHERWISE = frozenset((b"idempotency-key", b"content-encoding"))
"""Headers of requests that go on to the route."""


class Writes:
    """Answers a POST of completions in plain JSON; everything else passes through."""

    def __init__(self, app: ASGIApp, service: Service, gzip_level: int) -> None:
        self._app = app
        self._service = service
        self._gzip_level = gzip_level

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = _plain_headers(scope)
        if headers is None:
            await self._app(scope, receive, send)
            return
        service, request = self._service, Request(scope, receive)
        writer = Writer(request, service, await service.gate.principal(request))
        most = service.config.max_body_bytes
        check_announced(headers.get(b"content-length", b"").decode("latin-1"), most)
        scope["route"] = _ROUTE
        writer.check_any()
        answer = await completions.answer(writer, wire.parse(await _body(receive, most)))
        if len(answer.body) < service.config.gzip_from_bytes:
            await answer(scope, receive, send)
        else:
            packed = GZipMiddleware(answer, service.config.gzip_from_bytes, self._gzip_level)
            await packed(scope, receive, send)


def _plain_headers(scope: Scope) -> dict[bytes, bytes] | None:
    """Return the headers of a request that can be answered here."""
    if scope["type"] != "http" or scope["path"] != _PATH or scope["method"] != "POST":
        return None
    headers = dict(scope["headers"])
    if len(headers) != len(scope["headers"]) or not _OTHERWISE.isdisjoint(headers):
        return None
    return headers if headers.get(b"content-type") in _PLAIN_TYPES else None


async def _body(receive: Receive, most: int) -> bytes:
    """Return a body. Raises Problem (413) as soon as it is too large, ClientDisconnect when it does not end."""
    parts, received = [], 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        part = message.get("body", b"")
        parts.append(part)
        received += len(part)
        if received > most:
            raise too_large(most)
        if not message.get("more_body", False):
            return b"".join(parts)
