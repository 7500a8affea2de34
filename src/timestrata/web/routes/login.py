"""The session of a browser: begun by a link that works once, ended by logging out."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import RedirectResponse, Response

from timestrata.access import SESSION_LIFETIME
from timestrata.web.principals import COOKIE
from timestrata.web.problems import Problem
from timestrata.web.service import service_of

router = APIRouter(tags=["access"])

HOME = "/docs"
"""Where a login leads."""


@router.get(
    "/login",
    summary="Begin a browser session",
    status_code=303,
    response_class=RedirectResponse,
    responses={401: {"description": "The link is unknown, used or too old"}},
)
async def login(request: Request, key: Annotated[str, Query(description="The secret of a login link.")]) -> Response:
    """Use up a login link, which works once, and set the cookie of a new session."""
    service = service_of(request)
    address = request.client.host if request.client else ""
    service.rates.check_failures(address)
    made = await service.run(lambda: service.history.access.redeem_login(key))
    if made is None:
        service.rates.count_failure(address)
        raise Problem(
            401,
            "not_authenticated",
            "this login link is unknown, used or too old: `timestrata serve` prints a new one",
            {"WWW-Authenticate": 'Bearer realm="timestrata"'},
        )
    response = RedirectResponse(HOME, 303)
    response.set_cookie(
        COOKIE,
        made.secret,
        max_age=int(SESSION_LIFETIME.total_seconds()),
        httponly=True,
        samesite="lax",
        secure=request.url.scheme == "https",
    )
    return response


@router.post("/logout", summary="End the browser session", status_code=204, response_class=Response)
async def logout(request: Request) -> Response:
    """Revoke the token of the session, whose cookie goes. A request without one is answered alike."""
    service = service_of(request)
    secret = request.cookies.get(COOKIE)
    if secret is not None and "authorization" not in request.headers:
        principal = await service.gate.principal(request)
        await service.run(lambda: service.history.access.revoke(principal.token_id))
        service.gate.forget(secret)
    response = Response(status_code=204)
    response.delete_cookie(COOKIE, httponly=True, samesite="lax")
    return response
