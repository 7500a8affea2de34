"""Answers to reads: their ETag, the 304 for who has them already, and the bytes kept while they are true."""

from __future__ import annotations

from collections import OrderedDict
from hashlib import blake2b
from threading import Lock

from starlette.requests import Request
from starlette.responses import Response

from timestrata.history import Revision
from timestrata.web import wire

CACHE_CONTROL = "private, no-cache"


class Answers:
    """Encoded answers by ETag. The tag names the revision, so what is kept is never out of date, only unused.

    Threads may share it: the parts of pages are made in several.
    """

    def __init__(self, most_bytes: int) -> None:
        self._lock = Lock()
        self._most_bytes = most_bytes
        self._bytes = 0
        self._kept: OrderedDict[str, bytes] = OrderedDict()

    def get(self, etag: str) -> bytes | None:
        """Return the answer with a tag, if it is kept."""
        with self._lock:
            body = self._kept.get(etag)
            if body is not None:
                self._kept.move_to_end(etag)
            return body

    def put(self, etag: str, body: bytes) -> None:
        """Keep an answer; the ones that were not used for longest go."""
        with self._lock:
            if etag in self._kept or len(body) > self._most_bytes // 8:
                return
            self._kept[etag] = body
            self._bytes += len(body)
            while self._bytes > self._most_bytes:
                self._bytes -= len(self._kept.popitem(last=False)[1])


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
