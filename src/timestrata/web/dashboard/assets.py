"""Styles and scripts of the pages: their names carry a digest of all of them, so that browsers keep them for good."""

from __future__ import annotations

from functools import cache
from hashlib import blake2b
from pathlib import Path

from fastapi import APIRouter, Request
from starlette.exceptions import HTTPException
from starlette.responses import Response

from timestrata.web.dashboard.packing import Asset, packed
from timestrata.web.service import service_of

router = APIRouter(include_in_schema=False)

_FOLDER = Path(__file__).parent / "static"
_TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
_FOR_GOOD = "public, max-age=31536000, immutable"


@cache
def _all() -> dict[str, Asset]:
    files = sorted(path for path in _FOLDER.iterdir() if path.suffix in _TYPES)
    return {path.name: packed(path.read_bytes(), _TYPES[path.suffix]) for path in files}


@cache
def _digest() -> str:
    whole = blake2b(digest_size=8)
    for name, asset in _all().items():
        whole.update(name.encode() + b"\0" + asset.body)
    return whole.hexdigest()


def path(name: str) -> str:
    """Return the path of a file. Raises KeyError for one that is not there. Files name each other relatively."""
    _all()[name]
    return f"/assets/{_digest()}/{name}"


@router.get("/assets/vega-{digest}.js")
async def vega(request: Request, digest: str) -> Response:
    """Return the library that draws charts, as charts.js imports it."""
    asset = await service_of(request).studio.bundle()
    return _sent(request, asset, for_good=digest == service_of(request).studio.bundle_digest)


@router.get("/favicon.ico")
async def icon(request: Request) -> Response:
    """Return the icon that browsers look for where a page names none."""
    return _sent(request, _all()["logo.svg"], for_good=False)


@router.get("/assets/{digest}/{name}")
async def asset(request: Request, digest: str, name: str) -> Response:
    """Return a style or script; of another digest, as a page of an older process names it, the present one."""
    found = _all().get(name)
    if found is None:
        raise HTTPException(404)
    return _sent(request, found, for_good=digest == _digest())


def _sent(request: Request, asset: Asset, for_good: bool) -> Response:
    headers = {"Cache-Control": _FOR_GOOD if for_good else "no-cache", "Vary": "Accept-Encoding"}
    if "gzip" not in request.headers.get("accept-encoding", ""):
        return Response(asset.body, 200, headers, asset.media_type)
    return Response(asset.compressed, 200, {**headers, "Content-Encoding": "gzip"}, asset.media_type)
