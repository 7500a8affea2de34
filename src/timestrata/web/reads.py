"""Reads that were answered before: answered again without the routes, for as long as their revision stands.

A route costs several times what it costs to send an answer that is kept. So the first answer to a URL leaves a note of
whose data it shows; the next request with the same token and URL needs to know who asks, which revision the data has,
and no more. Both are asked of the store after the request came in, so that an answer is never older than what was
committed before that: here, in another process, or by another program.
"""

from __future__ import annotations

import zlib

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from timestrata.web import answers
from timestrata.web.service import Service

_GZIP_LEVEL = 5
_INLINE_BYTES = 1 << 17
"""A larger answer is compressed in a thread: this much takes about 2 ms."""


class Reads:
    """Answers what was answered before, compressed for who takes that; everything else passes through."""

    def __init__(self, app: ASGIApp, service: Service) -> None:
        self._app = app
        self._service = service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        answer = None
        if scope["type"] == "http" and scope["method"] == "GET" and scope["path"].startswith("/api/"):
            answer = await self._answer(Request(scope))
        await (self._app if answer is None else answer)(scope, receive, send)

    async def _answer(self, request: Request) -> Response | None:
        """Return the answer to a request, None where only a route can tell. Raises Problem (401, 429)."""
        service = self._service
        principal = await service.gate.principal(request)
        note = service.notes.of(principal.token_id, request.scope)
        if note is None:
            return None
        etag = answers.tag_of_revision(request, note.user, await service.revisions.of(note.user))
        request.scope["route"] = note.route
        if answers.is_known(request, etag):
            return answers.not_modified(etag)
        body = service.answers.get(etag)
        if body is None:
            return None
        if len(body) < service.config.gzip_from_bytes:
            return answers.found(body, etag)
        return await self._large(request, body, etag)

    async def _large(self, request: Request, body: bytes, etag: str) -> Response:
        if "gzip" not in request.headers.get("accept-encoding", ""):
            answer = answers.found(body, etag)
        else:
            answer = answers.found(await self._compressed(body, etag), etag)
            answer.headers["Content-Encoding"] = "gzip"
        answer.headers["Vary"] = "Accept-Encoding"
        return answer

    async def _compressed(self, body: bytes, etag: str) -> bytes:
        kept, name = self._service.answers, f"{etag};gzip"
        compressed = kept.get(name)
        if compressed is None:
            compressed = _gzip(body) if len(body) <= _INLINE_BYTES else await self._service.run(lambda: _gzip(body))
            kept.put(name, compressed)
        return compressed


def _gzip(body: bytes) -> bytes:
    packer = zlib.compressobj(_GZIP_LEVEL, zlib.DEFLATED, 16 + zlib.MAX_WBITS)
    return packer.compress(body) + packer.flush()
