"""Gap alerts dismissed and restored by the forms of the pages."""

from __future__ import annotations

from collections.abc import Callable

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from timestrata.access import Principal
from timestrata.errors import UnknownAlert
from timestrata.history import History
from timestrata.web.dashboard.forms import form_of, own_path
from timestrata.web.dashboard.route import HEADERS, PageRoute
from timestrata.web.paths import PathId
from timestrata.web.principals import check_write, forbidden
from timestrata.web.service import service_of

router = APIRouter(include_in_schema=False, route_class=PageRoute)

Mark = Callable[[History, str], None]


@router.post("/gaps/{alert_id}/dismiss")
async def dismiss(alert_id: PathId, request: Request) -> Response:
    """Dismiss a gap alert; one that was dismissed keeps its time."""
    return await _mark(request, alert_id, History.dismiss_alert)


@router.post("/gaps/{alert_id}/restore")
async def restore(alert_id: PathId, request: Request) -> Response:
    """Take the dismissal of a gap alert back."""
    return await _mark(request, alert_id, History.restore_alert)


async def _mark(request: Request, alert_id: str, mark: Mark) -> Response:
    service = service_of(request)
    principal = await service.gate.principal(request)
    fields = await form_of(request)

    def change() -> None:
        check_write(principal, _owner(service.history, principal, alert_id))
        mark(service.history, alert_id)

    await service.run(change)
    if "text/html" not in request.headers.get("accept", ""):  # a script of the page, which has no use for another one
        return Response(status_code=204)
    return RedirectResponse(own_path(fields.get("to"), "/gaps"), 303, HEADERS)


def _owner(history: History, principal: Principal, alert_id: str) -> str:
    """Return whose alert it is. Who may not change everything does not learn which alerts others have: 403."""
    try:
        return history.alert_user(alert_id)
    except UnknownAlert:
        if principal.is_admin:
            raise
        raise forbidden("changing the data of this user") from None
