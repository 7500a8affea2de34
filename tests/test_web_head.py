"""HEAD: what GET answers, without the body."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from dataclasses import replace

import pytest
from facts_made import made
from web_client import QUIET, Exchange, Served, served

from timestrata import History

PATHS = [
    "/health",
    "/ready",
    "/openapi.json",
    "/api/v1/time/history/ada?range=all_time",
    "/api/v1/time/completions/w1?user_id=ada",
    "/api/v1/templates",
    "/api/v1/time/history/ada?range=nonsense",
    "/nothing",
]


@pytest.fixture
def one(history: History) -> Iterator[Served]:
    history.record(made("w1"))
    with served(history) as opened:
        yield opened


@pytest.mark.parametrize("encoding", ["gzip", "identity"])
@pytest.mark.parametrize("path", PATHS)
def test_head_has_the_status_and_headers_of_get_and_no_body(one: Served, path: str, encoding: str) -> None:
    client = one.client("admin")
    headers = {"Accept-Encoding": encoding, "X-Request-ID": "same"}
    whole = client.get(path, headers=headers)

    answer = client.request("HEAD", path, headers=headers)

    assert (answer.status_code, answer.content) == (whole.status_code, b"")
    assert sorted(answer.headers.raw) == sorted(whole.headers.raw)


def test_head_needs_a_token_as_get_does(one: Served) -> None:
    assert one.anyone().request("HEAD", "/api/v1/dashboard").status_code == 401
    assert one.client("read:own", user="ben").request("HEAD", "/api/v1/time/history/ada").status_code == 403


def test_head_of_what_is_known_is_304(one: Served) -> None:
    client = one.client("admin")
    path = "/api/v1/time/history/ada?range=all_time"
    etag = client.get(path).headers["etag"]

    assert client.request("HEAD", path, headers={"If-None-Match": etag}).status_code == 304


def test_head_of_what_can_only_be_sent_to_is_refused(one: Served) -> None:
    answer = one.client("admin").request("HEAD", "/api/v1/time/completions")

    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")


def test_a_login_link_is_not_used_up_by_head(one: Served) -> None:
    link = f"/login?key={one.history.access.create_login()}"

    answer = one.anyone().request("HEAD", link)

    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, POST")
    assert one.anyone().get(link).status_code == 303


def test_head_of_events_ends(one: Served) -> None:
    async def ask() -> list[object]:
        token = one.history.access.create_token("t", ["admin"]).secret
        headers = [("Authorization", f"Bearer {token}")]
        async with Exchange(one.app, "HEAD", "/api/v1/events", headers) as exchange:
            first, second = await exchange.message(), await exchange.message()
            assert first is not None
            return [first["status"], second]

    assert one.run(ask()) == [200, {"type": "http.response.body", "body": b"", "more_body": False}]


def test_head_is_counted_and_logged_as_such(history: History) -> None:
    log = io.StringIO()
    with served(history, replace(QUIET, log_format="json", log_file=log, log_within_seconds=0)) as one:
        one.client("admin").request("HEAD", "/api/v1/templates")
        figures = one.anyone().get("/metrics").text

    assert json.loads(log.getvalue())["method"] == "HEAD"
    assert 'timestrata_http_requests_total{method="HEAD",route="/api/v1/templates",status="200"} 1.0' in figures
