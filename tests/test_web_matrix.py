"""Every route of the service, with every scope, on one's own data and on another's: nothing leaks, nothing changes."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from conftest import reopened
from facts_made import dump, made
from web_client import Served, served

from timestrata import History
from timestrata.access import SCOPES
from timestrata.formats.jsonl import workflow_to_json

SECRET = "secret of ben"
HISTORY = ("", "/trend", "/averages", "/alerts", "/daily", "/steps", "/workflows")
SESSION = ("pause", "resume", "end", "confirm", "correct")

Call = tuple[str, str, dict[str, Any]]
"""(method, template of the path, what is sent; `{user}` and the ids stand for those of the user it is about)."""

READS: list[Call] = [
    *(("GET", f"/api/v1/time/history/{{user_id}}{what}", {}) for what in HISTORY),
    ("GET", "/api/v1/time/aggregations", {"params": {"group": "ticket_type"}}),
    ("GET", "/api/v1/dashboard", {"params": {}}),
    ("GET", "/api/v1/workflows", {"params": {}}),
    ("GET", "/api/v1/workflows/{workflow_id}", {"params": {}}),
    ("GET", "/api/v1/time/sessions/{workflow_id}", {"params": {}}),
    ("GET", "/api/v1/time/sessions/{workflow_id}/active", {"params": {}}),
    ("GET", "/api/v1/time/completions/{completion}", {"params": {}}),
]
WRITES: list[Call] = [
    ("POST", "/api/v1/workflows", {"json": {"template": "QA", "ticket_key": "TK-9"}}),
    *(("POST", f"/api/v1/time/sessions/{{session_id}}/{what}", {"json": {}}) for what in SESSION),
    ("POST", "/api/v1/time/sessions/{workflow_id}/start/{step_index}", {"params": {}}),
    ("POST", "/api/v1/workflows/{workflow_id}/cancel", {"params": {}}),
    ("POST", "/api/v1/workflows/{workflow_id}/complete", {"params": {}}),
    ("POST", "/api/v1/time/alerts/{alert_id}/dismiss", {}),
    ("POST", "/api/v1/time/alerts/{alert_id}/restore", {}),
    ("POST", "/api/v1/time/completions", {"json": "a new one"}),
    ("PUT", "/api/v1/time/completions/{completion}", {"json": "the same one", "headers": {"If-Match": "1"}}),
    ("DELETE", "/api/v1/time/completions/{completion}", {"params": {}, "headers": {"If-Match": "1"}}),
]
OTHERS = {
    ("GET", "/api/v1/admin/jobs"),  # tests/test_web_jobs.py
    ("GET", "/api/v1/events"),  # tests/test_web_events.py
    ("GET", "/api/v1/templates"),  # nobody's data
    ("GET", "/api/v1/templates/{name}"),
    ("POST", "/api/v1/templates"),
}


@contextmanager
def prepared(history: History) -> Iterator[Served]:
    """Serve a history after two people have done the same."""
    history.tracking.put_template("QA", "Bug", ["Analyse", "Test"])
    for user, ticket in (("ada", "TK-1"), ("ben", SECRET)):
        history.record(made("done", user_id=user, ticket_key=ticket, estimated_seconds=1))
        history.tracking.start_workflow(user, "QA", ticket, workflow_id="live")
    with served(history) as opened:
        yield opened


@pytest.fixture(scope="module")
def shared(session_store: Callable[[], str]) -> Iterator[Served]:
    """A store for all calls that change nothing."""
    with reopened(session_store()) as history, prepared(history) as opened:
        yield opened


@pytest.fixture
def own(history: History) -> Iterator[Served]:
    """A store for a call that changes it."""
    with prepared(history) as opened:
        yield opened


def asked(history: History, call: Call, user: str) -> tuple[str, str, dict[str, Any]]:
    """Return the call about a user's data, as it is sent."""
    method, path, more = call
    [alert, *_] = history.alerts(user_id=user)
    session = history.tracking.workflow(user, "live").sessions[-1].id
    ids = {"user_id": user, "workflow_id": "live", "completion": "done", "session_id": session, "alert_id": alert.id}
    sent = dict(more)
    if "params" in sent:
        sent["params"] = {**sent["params"], "user_id": user}
    if path.endswith("/correct"):
        sent["json"] = {"ended_at": "2024-06-15T11:00:00Z"}
    elif isinstance(sent.get("json"), str):
        known = history.workflow(user, "done").workflow
        sent["json"] = workflow_to_json(known if method == "PUT" else made("new", user_id=user))
    elif call[:2] == ("POST", "/api/v1/workflows"):
        sent["json"] = {**sent["json"], "user_id": user}
    return method, path.format(step_index=1, **ids), sent


def state(history: History) -> object:
    """Return all that a call could have changed."""
    tracked = [history.tracking.workflows(user).workflows for user in ("ada", "ben")]
    return dump(history), history.alerts(dismissed=None), [[one.events for one in some] for some in tracked]


def may(scope: str, call: Call, user: str) -> bool:
    if scope == "admin":
        return True
    if call in READS:
        return scope == "read:all" or (scope == "read:own" and user == "ada")
    return scope == "write:own" and user == "ada"


def test_the_matrix_has_every_route(shared: Served) -> None:
    documented = shared.anyone().get("/openapi.json").json()["paths"]
    found = {
        (method.upper(), path)
        for path, operations in documented.items()
        for method in operations
        if path.startswith("/api/")
    }

    known = {(method, path.replace("{completion}", "{workflow_id}")) for method, path, _ in READS + WRITES} | OTHERS

    assert found == known


@pytest.mark.parametrize("user", ["ada", "ben"])
@pytest.mark.parametrize("scope", SCOPES)
@pytest.mark.parametrize("call", READS + WRITES, ids=lambda call: re.sub(r"[{}]", "", f"{call[0]}{call[1]}"))
def test_ada_gets_what_her_scope_allows_and_nothing_else(
    shared: Served, call: Call, scope: str, user: str, request: pytest.FixtureRequest
) -> None:
    changes = call in WRITES and may(scope, call, user)
    one: Served = request.getfixturevalue("own") if changes else shared
    client = one.client(scope, user="ada")
    method, path, sent = asked(one.history, call, user)
    before = state(one.history)

    answer = client.request(method, path, **sent)

    if may(scope, call, user):
        assert answer.status_code not in (401, 403), answer.text
        assert call not in READS or answer.status_code == 200, answer.text
    else:
        assert answer.status_code in (403, 404), answer.text
        assert SECRET not in answer.text
    assert changes or state(one.history) == before


@pytest.mark.parametrize("scope", ["read:own", "write:own"])
@pytest.mark.parametrize("path", ["/api/v1/time/aggregations?group=user", "/api/v1/dashboard"])
def test_without_a_user_nobody_sees_more_than_their_own(shared: Served, scope: str, path: str) -> None:
    answer = shared.client(scope, user="ada").get(path)

    assert SECRET not in answer.text
    assert '"ben"' not in answer.text
    assert answer.status_code == (200 if scope == "read:own" else 403)
