"""The OpenAPI document against the service: schemathesis sends what the document allows, and what it forbids."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import schemathesis
from facts_made import made
from hypothesis import HealthCheck, settings
from schemathesis.config import SchemathesisConfig
from starlette.types import Receive, Scope, Send

from timestrata import History, open_history
from timestrata.web import Config, create_app

EXAMPLES = 25
EXPECTED = [200, 201, 204, 302, 303, 304, 401, 403, 404, 409, 412, 422, 428]
"""What a request that fits the document may be answered: its values may still be unknown, stale, or in the future."""


@cache
def _history() -> History:
    """A history with somebody's work in it, so that ids can be met."""
    history = open_history("sqlite://")
    history.record([made(f"w{number}", user_id="ada") for number in range(3)])
    history.tracking.put_template("QA", "Bug", ["Analyse", "Test"])
    history.tracking.start_workflow("ada", "QA", "TK-1", workflow_id="live")
    return history


@cache
def _token() -> str:
    return _history().access.create_token("all", ["admin"], user="ada").secret


_CONFIG = SchemathesisConfig.from_dict(
    {
        "checks": {
            "positive_data_acceptance": {"expected-statuses": EXPECTED},
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
