"""Answers to reads: their ETag, and the 304 for who has them already."""

from __future__ import annotations

from hashlib import blake2b

from starlette.requests import Request
from starlette.responses import Response

from timestrata.history import Revision
from timestrata.web import wire

CACHE_CONTROL = "private, no-cache"


def tag_of_revision(request: Request, user: str | None, revision: Revision) -> str:
    """Return the ETag of what follows from the data of a user at a revision, the day, and the URL."""
    scope = request.scope
    parts = (user, revision.number, revision.today, scope["path"], scope["query_string"])
    return _tag(repr(parts).encode())


def tag_of_body(body: bytes) -> str:
    """Return the ETag of an answer that is known by its bytes only."""
    return _tag(body)


def _tag(content: bytes) -> str:
    # Weak: gzip may come over it.
    return f'W/"{blake2b(content, digest_size=12).hexdigest()}"'


def is_known(request: Request, etag: str) -> bool:
    """Tell whether the client has the answer with a tag already (If-None-Match, compared weakly)."""
    given = request.headers.get("if-none-match")
    if given is None:
        return False
    opaque = etag.removeprefix("W/")
    return any(each.strip().removeprefix("W/") in (opaque, "*") for each in given.split(","))


def not_modified(etag: str) -> Response:
    """Return the answer to a client that has it already."""
    return Response(status_code=304, headers={"ETag": etag, "Cache-Control": CACHE_CONTROL})


def found(body: bytes, etag: str) -> Response:
    """Return an answer with its tag."""
    return Response(body, 200, {"ETag": etag, "Cache-Control": CACHE_CONTROL}, wire.MEDIA_TYPE)
