"""The OpenAPI document against the service: schemathesis sends what the document allows, and what it forbids."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import schemathesis
from conftest import NOW
from facts_made import made
from hypothesis import HealthCheck, settings
from schemathesis.config import SchemathesisConfig
from starlette.testclient import TestClient
from starlette.types import Receive, Scope, Send

from timestrata import History, open_history
from timestrata.web import Config, create_app

EXAMPLES = 25
EXPECTED = [200, 201, 204, 302, 303, 304, 401, 403, 404, 409, 412, 422, 428]
"""What a request that fits the document may be answered: its values may still be unknown, stale, or in the future."""


def _filled(**settings: Any) -> History:
    """A history with somebody's work in it, so that ids can be met."""
    history = open_history("sqlite://", **settings)
    history.record([made(f"w{number}", user_id="ada") for number in range(3)])
    history.tracking.put_template("QA", "Bug", ["Analyse", "Test"])
    history.tracking.start_workflow("ada", "QA", "TK-1", workflow_id="live")
    return history


@cache
def _history() -> History:
    return _filled()


@cache
def _token() -> str:
    return _history().access.create_token("all", ["admin"], user="ada").secret


_CONFIG = SchemathesisConfig.from_dict(
    {
        "checks": {
            "positive_data_acceptance": {"expected-statuses": EXPECTED},
            "missing_required_header": {"expected-statuses": [428]},
            "negative_data_rejection": {"expected-statuses": [400, 401, 403, 404, 405, 406, 409, 412, 415, 422, 428]},
        }
    }
)


@schemathesis.serializer("application/x-ndjson")
def _lines(context: Any, value: Any) -> bytes:
    return value if isinstance(value, bytes) else json.dumps(value).encode()


_app = create_app(_history(), Config(log_format=None, rate_limit=None, failure_limit=None))


async def _running(scope: Scope, receive: Receive, send: Send) -> None:
    """The service without its end: schemathesis starts and stops what it is given again and again."""
    if scope["type"] != "lifespan":
        await _app(scope, receive, send)
        return
    for what in ("startup", "shutdown"):
        await receive()
        await send({"type": f"lifespan.{what}.complete"})


schema = schemathesis.openapi.from_asgi("/openapi.json", _running, config=_CONFIG)


@schema.exclude(path="/api/v1/events").parametrize()
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck), database=None)
def test_every_answer_is_as_documented(case: schemathesis.Case[Any]) -> None:
    case.call_and_validate(headers={"Authorization": f"Bearer {_token()}"})


def test_the_document_tells_which_answers_are_tagged_and_which_changes_want_a_revision() -> None:
    history = _filled(clock=lambda: NOW)
    headers = {"Authorization": f"Bearer {history.access.create_token('all', ['admin'], user='ada').secret}"}
    app = create_app(history, Config(log_format=None, closes_history=True))
    seen = set()
    with TestClient(app) as client:
        for path, operations in app.openapi()["paths"].items():
            for method, told in operations.items():
                named = {one["name"] for one in told.get("parameters", ())}
                assert ("If-Match" in named) == (method in ("put", "delete")), path
            workflow = "w0" if "completions" in path else "live"
            if not path.startswith("/api/") or "get" not in operations or path.endswith("/events"):
                continue
            asked = path.format(user_id="ada", workflow_id=workflow, name="QA")
            answer = client.get(asked, headers=headers)
            tag = answer.headers.get("etag", "")
            again = client.get(asked, headers={**headers, "If-None-Match": tag}).status_code
            told = operations["get"]["responses"]
            assert (answer.status_code, bool(tag)) == (200, "headers" in told["200"]), path
            assert (again == 304) == ("304" in told), path
            seen.add((bool(tag), again))

    assert seen == {(True, 304), (True, 200), (False, 200)}


def test_every_operation_has_a_short_name_of_its_own() -> None:
    names = [told["operationId"] for each in _app.openapi()["paths"].values() for told in each.values()]

    assert len(set(names)) == len(names)
    assert {"completions_correct", "tracking_correct", "history_summary", "operation_health"} <= set(names)
