"""The routes of the pages and of their cards."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.exceptions import HTTPException
from starlette.responses import RedirectResponse, Response

from timestrata.web.dashboard.cards import Card, Page, frame, parts, render
from timestrata.web.dashboard.pages import PAGES
from timestrata.web.dashboard.period import address
from timestrata.web.dashboard.route import HEADERS, PageRoute, page, streamed
from timestrata.web.dashboard.view import Asked, Shown, View
from timestrata.web.principals import forbidden
from timestrata.web.service import service_of

router = APIRouter(include_in_schema=False, route_class=PageRoute)


def _check(shown: Page, view: View) -> None:
    if not shown.is_open_to(view.principal):
        raise forbidden(f"the page {shown.path}")


def _add(shown: Page) -> None:
    @router.get(shown.path, name=shown.name)
    async def answer(view: Shown) -> Response:
        _check(shown, view)
        chosen = address(view.request)
        if chosen is not None:
            return RedirectResponse(chosen, 303, HEADERS)
        service = service_of(view.request)
        pages = [each for each in PAGES if each.is_open_to(view.principal)]
        html = await service.run(lambda: frame(service, shown, pages, view))
        if shown.refuses(view):
            return page(html, 422)
        return streamed(view.request, parts(service, shown, html, view))


for _page in PAGES:
    _add(_page)


@router.get("/cards/{page_name}/{card_name}")
async def card(page_name: str, card_name: str, view: Asked) -> Response:
    """Return one card, for who asks for it again."""
    shown, asked = _found(page_name, card_name)
    _check(shown, view)
    service = service_of(view.request)
    return page(await service.run(lambda: render(service, shown, asked, view)))


def _found(page_name: str, card_name: str) -> tuple[Page, Card]:
    for shown in PAGES:
        for each in shown.cards:
            if (shown.name, each.name) == (page_name, card_name):
                return shown, each
    raise HTTPException(404)
