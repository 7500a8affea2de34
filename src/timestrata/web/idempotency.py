"""The answer to a POST that was sent twice with one Idempotency-Key: the first one again.

Only answers that say it was done are kept: what was refused changed nothing and is looked at again. The answer is kept
after the change was made, not with it, so a crash between the two lets the request run again: the library tells a
repetition by the workflow's receipt, or by the key that tracking keeps with its event.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from hashlib import blake2b
from typing import NamedTuple

from sqlalchemy import Engine, delete, select, text
from starlette.datastructures import Headers
from starlette.requests import HTTPConnection, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from timestrata import schema
from timestrata.calendar import instant
from timestrata.dialects import dialect_of
from timestrata.web.limits import STREAM_TYPE
from timestrata.web.problems import Problem
from timestrata.web.service import Service

HEADER = "Idempotency-Key"
REPLAYED = "Idempotency-Replayed"
KEPT_FOR = timedelta(days=7)
_KEY = re.compile(r"[\x20-\x7e]{1,255}")
_TRACKING = re.compile(r"/api/v1/(workflows|time/sessions)(/|$)")
_KEPT_HEADERS = ("content-type", "location", "etag")


class Kept(NamedTuple):
    """What is kept of a request that was answered."""

    digest: bytes
    status: int
    headers: dict[str, str]
    body: str


class Idempotency:
    """Answers repeated POSTs from the table `request`; everything else passes through."""

    def __init__(self, app: ASGIApp, service: Service) -> None:
        self._app = app
        self._service = service
        self._busy: dict[tuple[str, str], tuple[asyncio.Lock, int]] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "POST":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        key = headers.get(HEADER)
        if key is not None:
            _check_key(key)
        streams = headers.get("content-type", "").partition(";")[0].strip().lower() == STREAM_TYPE
        # Each line of a stream is known by its own workflow; tracking keeps the key with its event.
        if key is None or streams or _TRACKING.match(scope["path"]):
            await self._app(scope, receive, send)
            return
        owner = (await self._service.gate.principal(HTTPConnection(scope))).token_id
        body = await _whole_body(receive)
        if body is None:
            return
        async with self._alone(owner, key):
            await self._once(scope, body, (owner, key), send)

    async def _once(self, scope: Scope, body: bytes, name: tuple[str, str], send: Send) -> None:
        service, digest = self._service, _digest(scope, body)
        kept = await service.run(lambda: _find(service.history.engine, *name))
        if kept is not None:
            await _replay(kept, digest, name[1])(scope, _body_again(b""), send)
            return
        captured: list[Message] = []

        async def capture(message: Message) -> None:
            captured.append(message)

        await self._app(scope, _body_again(body), capture)
        answered = _answered(digest, captured)
        if answered is not None:
            try:
                now = instant(service.config.clock())
                await service.run(lambda: _keep(service.history.engine, *name, answered, now))
            except Exception as error:  # the change was made, and a repetition finds that out by itself
                service.log.warning("answer not kept", key=name[1], reason=type(error).__name__)
        for message in captured:
            await send(message)

    @asynccontextmanager
    async def _alone(self, *name: str) -> AsyncIterator[None]:
        """Let requests with the same key pass one after the other, so that the second finds the answer to the first."""
        owner, key = name
        lock, users = self._busy.get((owner, key), (asyncio.Lock(), 0))
        self._busy[owner, key] = (lock, users + 1)
        try:
            async with lock:
                yield
        finally:
            lock, users = self._busy[owner, key]
            if users == 1:
                del self._busy[owner, key]
            else:
                self._busy[owner, key] = (lock, users - 1)


def key_of(request: Request) -> str | None:
    """Return the idempotency key of a POST, which was checked on its way in, for the library to keep with the event."""
    return request.headers.get(HEADER)


def _check_key(key: str) -> None:
    if _KEY.fullmatch(key) is None:
        wanted = "1 to 255 printable ASCII characters"
        raise Problem(422, "invalid_value", f"{HEADER}: want {wanted}", field=HEADER, expected=wanted, found=key[:80])


def _digest(scope: Scope, body: bytes) -> bytes:
    request = repr((scope["method"], scope["path"], scope["query_string"])).encode()
    return blake2b(request + b"\n" + body, digest_size=16).digest()


async def _whole_body(receive: Receive) -> bytes | None:
    """Return the body of a request, None when the client went away."""
    parts = []
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        parts.append(message.get("body", b""))
        if not message.get("more_body", False):
            return b"".join(parts)


def _body_again(body: bytes) -> Receive:
    messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> Message:
        return messages.pop() if messages else {"type": "http.disconnect"}

    return receive


def _answered(digest: bytes, messages: list[Message]) -> Kept | None:
    """Return what is to be kept of an answer, None of one that says that nothing was done."""
    start = next((message for message in messages if message["type"] == "http.response.start"), None)
    if start is None or not 200 <= start["status"] < 300:
        return None
    headers = Headers(raw=start.get("headers", []))
    body = b"".join(message.get("body", b"") for message in messages if message["type"] == "http.response.body")
    kept = {name: headers[name] for name in _KEPT_HEADERS if name in headers}
    return Kept(digest, start["status"], kept, body.decode())


def _replay(kept: Kept, digest: bytes, key: str) -> Response:
    if kept.digest != digest:
        raise Problem(
            422,
            "idempotency_key_reused",
            "the idempotency key was used for another request: take a new key for a new request",
            field=HEADER,
            found=key[:80],
        )
    return Response(kept.body, kept.status, {**kept.headers, REPLAYED: "true"})


def _find(engine: Engine, owner: str, key: str) -> Kept | None:
    c = schema.request.c
    asked = select(c.digest, c.status, c.answer).where(c.owner == owner, c.request_key == key)
    with engine.connect() as connection:
        row = connection.execute(asked).one_or_none()
    if row is None:
        return None
    headers, body = json.loads(row.answer)
    return Kept(bytes(row.digest), row.status, headers, body)


def _keep(engine: Engine, owner: str, key: str, kept: Kept, now: int) -> None:
    # The answer of another process to the same request may stand there already.
    put = text(
        "INSERT INTO ts_request (owner, request_key, digest, status, answer, created_at) "
        "VALUES (:owner, :key, :digest, :status, :answer, :now) ON CONFLICT DO NOTHING"
    )
    answer = json.dumps([kept.headers, kept.body], ensure_ascii=False)
    with engine.connect() as connection:
        dialect_of(engine).begin_write(connection)
        with connection.begin():
            values = {"owner": owner, "key": key, "digest": kept.digest, "status": kept.status}
            connection.execute(put, {**values, "answer": answer, "now": now})


def forget_old(engine: Engine, now: int) -> None:
    """Delete the answers that are older than KEPT_FOR."""
    before = now - KEPT_FOR // timedelta(microseconds=1)
    with engine.connect() as connection:
        dialect_of(engine).begin_write(connection)
        with connection.begin():
            connection.execute(delete(schema.request).where(schema.request.c.created_at < before))
