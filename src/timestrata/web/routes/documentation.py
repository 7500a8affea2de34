"""The documentation of the API as a page, with nothing on it from another host."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from fastapi import APIRouter, FastAPI, Request
from starlette.exceptions import HTTPException
from starlette.responses import FileResponse, HTMLResponse, Response

from timestrata.web import wire

router = APIRouter(include_in_schema=False)

_PACKAGE = "fastapi_offline"
"""The package that brings the files of Swagger UI; without it the page is a link to the document."""

_FILES = {"swagger-ui.css": "text/css", "swagger-ui-bundle.js": "text/javascript"}
_HEADERS = {
    "Content-Security-Policy": "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; "
    "frame-ancestors 'none'",
    "Cache-Control": "no-cache",
}
_HEAD = '<!doctype html><html lang="en"><meta charset="utf-8"><title>Timestrata API</title>'
_PAGE = (
    f'{_HEAD}<meta name="viewport" content="width=device-width, initial-scale=1">'
    '<link rel="stylesheet" href="/docs/swagger-ui.css"><div id="swagger-ui"></div>'
    '<script src="/docs/swagger-ui-bundle.js"></script><script src="/docs/start.js"></script></html>'
)
_START = (
    'SwaggerUIBundle({url: "/openapi.json", dom_id: "#swagger-ui", deepLinking: true, persistAuthorization: false, '
    "validatorUrl: null});"
)
_BARE_PAGE = (
    f'{_HEAD}<p>The API is described in <a href="/openapi.json">/openapi.json</a>.'
    f"<p>To read it here, install the package <code>{_PACKAGE.replace('_', '-')}</code>.</html>"
)


def _folder() -> Path | None:
    found = find_spec(_PACKAGE)
    return None if found is None or found.origin is None else Path(found.origin).parent / "static"


@router.get("/openapi.json")
async def openapi(request: Request) -> Response:
    """Return the description of the API."""
    app: FastAPI = request.app
    return Response(wire.encode(app.openapi()), media_type=wire.MEDIA_TYPE, headers={"Cache-Control": "no-cache"})


@router.get("/docs")
async def page() -> HTMLResponse:
    """Show the documentation."""
    return HTMLResponse(_BARE_PAGE if _folder() is None else _PAGE, headers=_HEADERS)


@router.get("/docs/start.js")
async def start() -> Response:
    """Start Swagger UI: in a file of its own, so that no script in the page need be allowed."""
    return Response(_START, media_type="text/javascript", headers=_HEADERS)


@router.get("/docs/{name}")
async def file(name: str) -> Response:
    """Return a file of Swagger UI."""
    folder = _folder()
    if folder is None or name not in _FILES:
        raise HTTPException(404)
    return FileResponse(folder / name, media_type=_FILES[name], headers=_HEADERS)
