"""What all routes of the pages have in common: their headers, and errors as pages."""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any
from urllib.parse import quote

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse, RedirectResponse, Response, StreamingResponse

from timestrata.errors import TimestrataError
from timestrata.web.dashboard.rendering import rendered
from timestrata.web.dashboard.view import theme_of
from timestrata.web.edge import problem_response
from timestrata.web.principals import COOKIE
from timestrata.web.problems import Problem, problem_of
from timestrata.web.service import service_of
from timestrata.wording.words import Words, preferred_locale

_GZIP_LEVEL = 5

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "Cache-Control": "private, no-cache",
    "Vary": "Cookie, Accept-Language",
    "Referrer-Policy": "same-origin",
}


class PageRoute(APIRoute):
    """A route whose errors are pages; who is not logged in is led to the login and back."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        answer = super().get_route_handler()

        async def handler(request: Request) -> Response:
            try:
                return await answer(request)
            except (Problem, TimestrataError, HTTPException, RequestValidationError) as error:
                return error_page(request, problem_of(error, service_of(request).dialect))
            except Exception as error:
                problem = problem_of(error, service_of(request).dialect)
                if problem.status == 500:
                    raise
                return error_page(request, problem)

        return handler


def page(html: str, status: int = 200, headers: dict[str, str] | None = None) -> HTMLResponse:
    """Return a page or part of one with the headers that all have."""
    return HTMLResponse(html, status, {**HEADERS, **(headers or {})})


def streamed(request: Request, parts: AsyncIterator[str]) -> StreamingResponse:
    """Return a page that is sent part by part, each of which can be read when it arrives, compressed or not."""
    packs = "gzip" in request.headers.get("accept-encoding", "")
    headers = {**HEADERS, "Vary": f"{HEADERS['Vary']}, Accept-Encoding"}
    if packs:
        headers["Content-Encoding"] = "gzip"
    body = _packed(parts) if packs else (part.encode() async for part in parts)
    return StreamingResponse(body, headers=headers, media_type="text/html; charset=utf-8")


async def _packed(parts: AsyncIterator[str]) -> AsyncIterator[bytes]:
    packer = zlib.compressobj(_GZIP_LEVEL, zlib.DEFLATED, 16 + zlib.MAX_WBITS)
    async for part in parts:
        # What is flushed can be unpacked at once; that is what streaming is for.
        yield packer.compress(part.encode()) + packer.flush(zlib.Z_SYNC_FLUSH)
    yield packer.flush()


def error_page(request: Request, problem: Problem) -> Response:
    """Return a problem as a page; of a reader who is not logged in, the way to the login.

    Who sends a token in a header is a program, and keeps whatever a redirect leads to as the file that it asked for.
    """
    if problem.status == 401 and "authorization" in request.headers:
        return problem_response(problem)
    if problem.status == 401 and request.method in ("GET", "HEAD") and not request.url.path.startswith("/login"):
        target = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        ended = "&ended=1" if COOKIE in request.cookies else ""  # a session that is none any more
        return RedirectResponse(f"/login?to={quote(target)}{ended}", 303, HEADERS)
    words = Words(preferred_locale(request.headers.get("accept-language")))
    html = rendered(
        "error.html",
        problem=problem,
        w=words,
        theme=theme_of(request),
        request_id=request.state.request_id,
        given=request.query_params,
    )
    return page(html, problem.status, problem.headers)
