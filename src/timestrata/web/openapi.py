"""The OpenAPI document: what no route says by itself, because it is the same for all."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute

from timestrata.web.idempotency import HEADER
from timestrata.web.problems import MEDIA_TYPE, TITLES

_DESCRIPTION = """\
A time-history store for step-based work on tickets.

Send `Authorization: Bearer TOKEN`; `timestrata token create` makes one. Errors are RFC 9457 problem documents with a
stable `code`. Every POST takes an `Idempotency-Key`. Reads carry an `ETag` and answer `If-None-Match` with 304.
Seconds are whole numbers, instants ISO 8601 in UTC with `Z`, days `YYYY-MM-DD`; ids in paths are percent-encoded.
"""

_PROBLEM = {
    "type": "object",
    "description": "An error, as RFC 9457 has it.",
    "required": ["type", "title", "status", "detail", "code"],
    "properties": {
        "type": {"type": "string", "format": "uri"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "code": {"type": "string", "description": "Stable: to tell errors apart by."},
        "field": {"type": "string", "description": "Which value is at fault."},
        "expected": {"description": "What was wanted of it."},
        "found": {"description": "What came."},
    },
}
_EXAMPLES: dict[str, dict[str, Any]] = {
    "401": {"code": "not_authenticated", "detail": "the token is unknown, expired or revoked"},
    "403": {"code": "forbidden", "detail": "the token does not allow reading the data of this user"},
    "404": {"code": "not_found", "detail": "Not Found"},
    "409": {
        "code": "wrong_state",
        "detail": "resume: found a running session, want a paused one",
        "expected": "a paused one",
        "found": "a running session",
    },
    "412": {
        "code": "stale_revision",
        "detail": "workflow 'wf-1' of user 'ana' is at revision 2, not 1: read it again and repeat the change on what "
        "it holds now",
        "field": "If-Match",
        "expected": 2,
        "found": 1,
    },
    "413": {"code": "body_too_large", "detail": "the body is larger than 10485760 bytes: send it in parts"},
    "422": {
        "code": "invalid_argument",
        "detail": "range: found 'last_week', want one of last_7_days, last_30_days",
        "field": "range",
        "expected": "one of last_7_days, last_30_days",
        "found": "'last_week'",
    },
    "428": {
        "code": "precondition_required",
        "detail": "If-Match: missing, want the revision that you read, as in If-Match: 1",
        "field": "If-Match",
    },
    "429": {"code": "too_many_requests", "detail": "more requests than 12000 in 60 s: come back in 12 s"},
    "503": {
        "code": "database_unavailable",
        "detail": "the database did not answer in time; the request may be repeated",
    },
}
_ALWAYS = ("401", "403", "404", "422", "429", "503")
_BY_METHOD = {"post": ("409", "413"), "put": ("409", "412", "413", "428"), "delete": ("409", "412", "428")}
_HEADERS = {
    "401": ("WWW-Authenticate", "string", "How to authenticate."),
    "429": ("Retry-After", "integer", "Seconds to wait."),
    "503": ("Retry-After", "integer", "Seconds to wait."),
}
_SECURITY = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "A token, as `timestrata token create` prints it."},
    "session": {
        "type": "apiKey",
        "in": "cookie",
        "name": "timestrata_session",
        "description": "What a login link sets; accepted for changes from the service's own pages only.",
    },
}
_KEY_PARAMETER = {
    "name": HEADER,
    "in": "header",
    "required": False,
    "description": "The same request again with the same key is answered with the first answer, and not done twice.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[ -~]+$"},
}
_TAG = {"description": "Names the revision of what is answered.", "schema": {"type": "string"}}
_IF_MATCH = {
    "name": "If-Match",
    "in": "header",
    "required": True,
    "description": "The revision that was read, which is refused when it is no longer the one (412); `*`: any.",
    "schema": {"type": "string", "pattern": '^([*]|"?[1-9][0-9]{0,8}"?)$'},
}
_UNTAGGED = ("/api/v1/events", "/api/v1/admin/jobs")
_ALWAYS_SENT = ("/api/v1/time/completions/{workflow_id}",)
"""Tagged for who wants to change it."""


def describe(app: FastAPI) -> None:
    """Let an app tell, of each route below /api/, its problems, its security, and the headers that all have."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _document(app)
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


def _document(app: FastAPI) -> dict[str, Any]:
    from importlib.metadata import version

    found = get_openapi(title=app.title, version=version("timestrata"), description=_DESCRIPTION, routes=app.routes)
    components = found.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    for generated in ("HTTPValidationError", "ValidationError"):
        schemas.pop(generated, None)
    schemas["Problem"] = _PROBLEM
    components["securitySchemes"] = _SECURITY
    names = {
        (route.path_format, method.lower()): f"{route.tags[0]}_{route.name}"
        for route in app.routes
        if isinstance(route, APIRoute) and route.include_in_schema
        for method in route.methods or ()
    }
    for path, operations in found["paths"].items():
        for method, operation in operations.items():
            # A router that whoever embeds the service includes is not listed by its routes: theirs keep their names.
            operation["operationId"] = names.get((path, method), operation["operationId"])
            if operation["responses"].pop("422", None) is not None:
                operation["responses"]["422"] = _response("422")
            if path.startswith("/api/"):
                if method == "get" and path not in _UNTAGGED:
                    _tag(operation, may_be_known=path not in _ALWAYS_SENT)
                _complete(method, operation)
    return found


def _tag(operation: dict[str, Any], may_be_known: bool) -> None:
    operation["responses"]["200"]["headers"] = {"ETag": _TAG}
    if may_be_known:
        operation["responses"]["304"] = {"description": "What If-None-Match names", "headers": {"ETag": _TAG}}


def _complete(method: str, operation: dict[str, Any]) -> None:
    operation["security"] = [{name: []} for name in _SECURITY]
    for status in (*_ALWAYS, *_BY_METHOD.get(method, ())):
        operation["responses"].setdefault(status, _response(status))
    operation["responses"] = dict(sorted(operation["responses"].items()))
    parameters = operation.setdefault("parameters", [])
    if "428" in operation["responses"]:
        parameters.append(_IF_MATCH)
    if method == "post":
        parameters[:] = [each for each in parameters if each.get("name", "").lower() != HEADER.lower()]
        parameters.append(_KEY_PARAMETER)


def _response(status: str) -> dict[str, Any]:
    shown = _EXAMPLES[status]
    title = TITLES[shown["code"]]
    example = {"type": f"urn:timestrata:problem:{shown['code']}", "title": title, "status": int(status)}
    content = {"schema": {"$ref": "#/components/schemas/Problem"}, "example": {**example, **shown}}
    response: dict[str, Any] = {"description": title, "content": {MEDIA_TYPE: content}}
    if status in _HEADERS:
        name, kind, what = _HEADERS[status]
        response["headers"] = {name: {"description": what, "schema": {"type": kind}}}
    return response
