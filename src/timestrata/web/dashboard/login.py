"""The page where a session begins: by a token, or by a link that works once."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import RedirectResponse, Response

from timestrata.access import SESSION_LIFETIME, SESSION_NAME
from timestrata.calendar import instant
from timestrata.web.dashboard.forms import form_of, own_path
from timestrata.web.dashboard.rendering import rendered
from timestrata.web.dashboard.route import HEADERS, PageRoute, page
from timestrata.web.dashboard.view import theme_of
from timestrata.web.principals import COOKIE, is_cross_site
from timestrata.web.problems import Problem
from timestrata.web.service import service_of
from timestrata.wording import login as texts

router = APIRouter(include_in_schema=False, route_class=PageRoute)

_LONGEST_TOKEN = 200


def _form(request: Request, to: str, message: str | None, status: int = 200) -> Response:
    return page(
        rendered("login.html", t=texts, to=to, message=message, wrong=status != 200, theme=theme_of(request)), status
    )


@router.get("/login")
async def login(
    request: Request,
    key: Annotated[str | None, Query()] = None,
    to: Annotated[str, Query()] = "/",
    ended: Annotated[bool, Query()] = False,
) -> Response:
    """Use up a login link and set the cookie of a new session; without a key, show the form that takes a token.

    `ended` tells that there was a session: the form says why it is there.
    """
    if key is None:
        return _form(request, own_path(to), texts.ENDED if ended else None)
    service = service_of(request)
    address = request.client.host if request.client else ""
    service.rates.check_failures(address)
    made = await service.run(lambda: service.history.access.redeem_login(key))
    if made is None:
        service.rates.count_failure(address)
        return _form(request, own_path(to), texts.LINK_USED, 401)
    return _begun(request, made.secret, own_path(to), int(SESSION_LIFETIME.total_seconds()))


@router.post("/login")
async def token(request: Request) -> Response:
    """Begin a session with the token that the form sends."""
    service = service_of(request)
    if is_cross_site(request):  # or another site could log its visitors in as somebody else
        raise Problem(403, "forbidden", "a login is not accepted from the page of another site")
    fields = await form_of(request, checked=False)  # there is no session yet that a form could be of
    to, given = own_path(fields.get("to")), fields.get("token", "").strip()
    address = request.client.host if request.client else ""
    service.rates.check_failures(address)
    principal = None
    if 1 <= len(given) <= _LONGEST_TOKEN and given.isascii():
        principal = await service.run(lambda: service.history.access.authenticate(given))
    if principal is None:
        service.rates.count_failure(address)
        return _form(request, to, texts.TOKEN_REFUSED, 401)
    seconds = int(SESSION_LIFETIME.total_seconds())
    if principal.expires_at is not None:
        left = (instant(principal.expires_at) - instant(service.config.clock())) // 1_000_000
        seconds = max(1, min(seconds, left))
    return _begun(request, given, to, seconds)


def _begun(request: Request, secret: str, to: str, seconds: int) -> Response:
    response = RedirectResponse(to, 303, HEADERS)
    secure = request.url.scheme == "https"
    response.set_cookie(COOKIE, secret, max_age=seconds, httponly=True, samesite="lax", secure=secure)
    return response


@router.post("/logout")
async def logout(request: Request) -> Response:
    """End the session: its cookie goes, and so does its token if a link made it for this session alone.

    A token that was typed in stays valid elsewhere. A request without a session is answered alike.
    """
    service = service_of(request)
    secret = request.cookies.get(COOKIE)
    if secret is not None and "authorization" not in request.headers:
        principal = await service.gate.principal(request)
        if principal.name == SESSION_NAME:
            await service.run(lambda: service.history.access.revoke(principal.token_id))
        service.gate.forget(secret)
    in_browser = "text/html" in request.headers.get("accept", "")
    response = RedirectResponse("/login", 303, HEADERS) if in_browser else Response(status_code=204)
    response.delete_cookie(COOKIE, httponly=True, samesite="lax")
    return response
