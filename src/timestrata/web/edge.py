"""What every request passes through first and last: its id, its errors, its headers, its line in the log."""

from __future__ import annotations

from urllib.parse import parse_qsl

from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from timestrata.errors import InvalidRequest
from timestrata.web.logs import Answered, request_id
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
        method = scope["method"]
        if method == "HEAD" and has_head(scope):
            scope, send = {**scope, "method": "GET"}, _without_body(send)
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
            check_query(scope)
            await self._app(scope, receive, sent)
        except Exception as error:
            problem = problem_of(error, self._service.dialect)
            if problem.status == 500 or status:
                self._service.log.exception("request failed", request_id=name, route=route_of(scope))
            if status:  # too late for another answer: the connection breaks off
                raise
            await problem_response(problem)(scope, receive, sent)
        finally:
            self._note(scope, method, name, status, self._service.config.monotonic() - began, streams)

    def _note(self, scope: Scope, method: str, name: str, status: int, seconds: float, streams: bool) -> None:
        route = route_of(scope)
        # How long somebody listened says nothing of how fast we are.
        self._service.metrics.count_request(method, route, status, None if streams else seconds)
        if route in _QUIET and status < 500:
            return
        principal = scope["state"].get("principal")
        token = principal.token_id if principal is not None else None
        self._service.note_request(
            Answered(name, method, route, scope["path"], status, round(seconds * 1000, 1), token)
        )


def check_query(scope: Scope) -> None:
    """Refuse a query that gives an argument twice: one of its values would be passed over. Raises InvalidRequest."""
    query: bytes = scope["query_string"]
    if b"&" not in query or not scope["path"].startswith("/api/"):
        return
    names = [name for name, _ in parse_qsl(query.decode("latin-1"), keep_blank_values=True)]
    for place, name in enumerate(names):
        if name in names[:place]:
            raise InvalidRequest(name, "it more than once", "one value")


def has_head(scope: Scope) -> bool:
    """Tell whether HEAD is answered as GET is; a link that works once is not to be used up by who looks at it."""
    return bool(scope["path"] != "/login")


def _without_body(send: Send) -> Send:
    """Return what sends no more of an answer than its status and headers."""

    async def sent(message: Message) -> None:
        if message["type"] == "http.response.start":
            await send(message)
            await send({"type": "http.response.body", "body": b"", "more_body": False})

    return sent


def _given_id(scope: Scope) -> str | None:
    for header, value in scope["headers"]:
        if header == b"x-request-id":
            return str(value.decode("latin-1"))
    return None


def problem_response(problem: Problem) -> Response:
    """Return a problem as a response."""
    return Response(problem.body(), problem.status, problem.headers, MEDIA_TYPE)
