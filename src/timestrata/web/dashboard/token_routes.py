"""Tokens made and revoked by the forms of the operations page."""

from __future__ import annotations

from datetime import timedelta

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from timestrata.access import SCOPES, NewToken
from timestrata.errors import InvalidFact, InvalidRequest, TimestrataError
from timestrata.web.dashboard.forms import form_of
from timestrata.web.dashboard.pages.operations import MAKE_TOKEN, Typed
from timestrata.web.dashboard.rendering import rendered
from timestrata.web.dashboard.route import HEADERS, PageRoute, page
from timestrata.web.dashboard.view import csrf_token, theme_of
from timestrata.web.paths import PathId
from timestrata.web.principals import forbidden
from timestrata.web.problems import problem_of
from timestrata.web.service import Service, service_of
from timestrata.wording import operations as texts
from timestrata.wording.words import Words, preferred_locale

router = APIRouter(include_in_schema=False, route_class=PageRoute)


@router.post(MAKE_TOKEN)
async def make(request: Request) -> Response:
    """Make a token and show its secret, this once."""
    service, fields = await _admitted(request)
    scopes = tuple(scope for scope in SCOPES if scope in fields)
    typed = Typed(fields.get("name", ""), fields.get("user", ""), scopes, fields.get("days", ""))
    lifetime = _lifetime(typed.days)
    access = service.history.access
    try:
        made = await service.run(lambda: access.create_token(typed.name, typed.scopes, typed.user or None, lifetime))
    except (InvalidFact, InvalidRequest) as error:
        return _again(request, typed, error)
    return _shown(request, made)


@router.post(MAKE_TOKEN + "/{token_id}/revoke")
async def revoke(token_id: PathId, request: Request) -> Response:
    """End a token; one that was revoked stays as it is."""
    service, _ = await _admitted(request)
    try:
        await service.run(lambda: service.history.access.revoke(token_id))
    except TimestrataError as error:
        return _refused(service, error)
    return RedirectResponse("/operations", 303, HEADERS)


async def _admitted(request: Request) -> tuple[Service, dict[str, str]]:
    """Return the fields of an admin's form. Raises Problem (401, 403)."""
    service = service_of(request)
    principal = await service.gate.principal(request)
    fields = await form_of(request)
    if not principal.is_admin:
        raise forbidden("this; it needs the scope admin")
    return service, fields


def _lifetime(days: str) -> timedelta | None:
    """Return how long a token is to last, None: for good. Raises InvalidRequest for what the form does not offer."""
    if days not in texts.LIFETIMES:
        raise InvalidRequest("days", days, "one of those that the form offers")
    return timedelta(days=int(days)) if days else None


def _refused(service: Service, error: TimestrataError) -> Response:
    """Lead back to the page, which says what was refused. Raises what it has no words for."""
    code = problem_of(error, service.dialect).code
    if code not in texts.REFUSED:
        raise error
    return RedirectResponse(f"/operations?refused={code}", 303, HEADERS)


def _again(request: Request, typed: Typed, error: InvalidFact | InvalidRequest) -> Response:
    """Return the form with what was typed and why it was refused. Raises what it has no words for.

    It is a page of its own: one that listens for changes would fetch the form anew, without what was typed.
    """
    wrong = error.field if isinstance(error, InvalidFact) else error.argument
    why = texts.WRONG.get(type(error).__name__, {}).get(wrong)
    if why is None:
        raise error
    form = {"scopes": SCOPES, "action": MAKE_TOKEN, "csrf": csrf_token(request), "typed": typed}
    html = rendered("token_refused.html", t=texts, wrong=wrong, why=why, theme=theme_of(request), **form)
    return page(html, 422, {"Cache-Control": "no-store"})


def _shown(request: Request, made: NewToken) -> Response:
    words = Words(preferred_locale(request.headers.get("accept-language")))
    html = rendered("token_made.html", t=texts, w=words, made=made, theme=theme_of(request))
    return page(html, headers={"Cache-Control": "no-store"})
