"""What every request passes through first and last: its id, its errors, its headers, its line in the log."""

from __future__ import annotations

from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from timestrata.web.logs import request_id
from timestrata.web.metrics import route_of
from timestrata.web.paths import route_on_raw_path
from timestrata.web.problems import MEDIA_TYPE, Problem, problem_of
from timestrata.web.service import Service

_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"DENY"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cache-control", b"no-store"),
)
"""Sent unless the route says otherwise."""

_QUIET = frozenset(("/health", "/ready", "/metrics"))
"""Asked every few seconds by machines: counted, and logged only when they fail."""


class Edge:
    """The outermost layer that is ours."""

    def __init__(self, app: ASGIApp, service: Service) -> None:
        self._app = app
        self._service = service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        route_on_raw_path(scope)
        name = request_id(_given_id(scope))
        scope.setdefault("state", {})["request_id"] = name
        own = (b"x-request-id", name.encode())
        began = self._service.config.monotonic()
        status, streams = 0, False

        async def sent(message: Message) -> None:
            nonlocal status, streams
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = message["headers"] = list(message.get("headers", ()))
                there = dict(headers)
                streams = there.get(b"content-type", b"").startswith(b"text/event-stream")
                headers.append(own)
                headers.extend(pair for pair in _HEADERS if pair[0] not in there)
            await send(message)

        try:
            await self._app(scope, receive, sent)
        except Exception as error:
            problem = problem_of(error, self._service.dialect)
            if problem.status == 500 or status:
                self._service.log.exception("request failed", request_id=name, route=route_of(scope))
            if status:  # too late for another answer: the connection breaks off
                raise
            await problem_response(problem)(scope, receive, sent)
        finally:
            self._note(scope, name, status, self._service.config.monotonic() - began, streams)

    def _note(self, scope: Scope, name: str, status: int, seconds: float, streams: bool) -> None:
        route, method = route_of(scope), scope["method"]
        # How long somebody listened says nothing of how fast we are.
        self._service.metrics.count_request(method, route, status, None if streams else seconds)
        if route in _QUIET and status < 500:
            return
        principal = scope["state"].get("principal")
        self._service.log.info(
            "request",
            request_id=name,
            method=method,
            route=route,
            path=scope["path"],
            status=status,
            ms=round(seconds * 1000, 1),
            token=principal.token_id if principal is not None else None,
        )


def _given_id(scope: Scope) -> str | None:
    for header, value in scope["headers"]:
        if header == b"x-request-id":
            return str(value.decode("latin-1"))
    return None


def problem_response(problem: Problem) -> Response:
    """Return a problem as a response."""
    return Response(problem.body(), problem.status, problem.headers, MEDIA_TYPE)
