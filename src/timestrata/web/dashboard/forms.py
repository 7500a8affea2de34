"""Forms of the pages: what they send, and the proof that a page of this session sent it."""

from __future__ import annotations

from hmac import compare_digest
from urllib.parse import parse_qsl

from fastapi import Request

from timestrata.web.dashboard.view import csrf_token
from timestrata.web.principals import forbidden

CSRF_FIELD = "csrf"
CSRF_HEADER = "x-csrf-token"
_MOST_BYTES = 1 << 16


async def form_of(request: Request, checked: bool = True) -> dict[str, str]:
    """Return the fields of a form. Raises Problem (403) unless it carries the token of the session."""
    body = (await request.body())[:_MOST_BYTES]
    fields = dict(parse_qsl(body.decode(errors="replace"), keep_blank_values=True))
    given = request.headers.get(CSRF_HEADER) or fields.pop(CSRF_FIELD, "")
    if checked and not compare_digest(given.encode(), csrf_token(request).encode()):
        raise forbidden("this: the form is not of your session; load the page again")
    fields.pop(CSRF_FIELD, None)
    return fields


def own_path(target: str | None, otherwise: str = "/") -> str:
    """Return where to go after a form: a path of this server, never an address of another."""
    if target is None or not target.startswith("/") or target[1:2] in ("/", "\\"):
        return otherwise
    return target if target.isprintable() and "\\" not in target else otherwise
