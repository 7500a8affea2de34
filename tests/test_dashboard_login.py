"""How a session of the pages begins and ends: by a token that is typed in, by a link, by logging out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from conftest import NOW
from dashboard_pages import HTML, texts
from web_client import QUIET, Client, Served, served

from timestrata import open_history
from timestrata.web.principals import COOKIE


class Time:
    """The present, set by hand."""

    def __init__(self) -> None:
        self.now = NOW

    def clock(self) -> datetime:
        return self.now


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def one(store_url: str, time: Time) -> Iterator[Served]:
    config = replace(QUIET, clock=time.clock, token_kept_seconds=0)
    with open_history(store_url, clock=time.clock) as history, served(history, config) as serving:
        yield serving


def visitor(one: Served) -> Client:
    return Client(one, HTML)


def test_a_token_that_is_typed_in_logs_in_and_leads_back(one: Served) -> None:
    secret = one.history.access.create_token("laptop", ["admin"]).secret
    client = visitor(one)

    page = client.get("/login?to=/gaps%3Frange%3Dlast_7_days").text
    answer = client.post("/login", data={"token": f" {secret}\n", "to": "/gaps?range=last_7_days"})

    assert '<input type="hidden" name="to" value="/gaps?range=last_7_days">' in page
    assert (answer.status_code, answer.headers["location"]) == (303, "/gaps?range=last_7_days")
    parts = {part.strip().lower() for part in answer.headers["set-cookie"].split(";")[1:]}
    assert {"httponly", "samesite=lax", "path=/", "max-age=604800"} <= parts
    assert client.get("/gaps").status_code == 200


def test_the_session_ends_with_its_token(one: Served, time: Time) -> None:
    secret = one.history.access.create_token("laptop", ["admin"], expires=timedelta(hours=1)).secret
    client = visitor(one)

    answer = client.post("/login", data={"token": secret})

    assert "max-age=3600" in answer.headers["set-cookie"].lower()
    time.now += timedelta(hours=2)
    assert client.get("/gaps").headers["location"] == "/login?to=/gaps&ended=1"
    assert "Your session has ended." in texts(client.get("/login?to=/gaps&ended=1").text)
    assert "ended" not in texts(client.get("/login").text)


@pytest.mark.parametrize("given", ["", "x", "timestrata_0_0", "é", "\x00", "x" * 10_000, "<script>alert(1)</script>"])
def test_what_is_no_token_is_refused_and_not_shown_again(one: Served, given: str) -> None:
    answer = visitor(one).post("/login", data={"token": given, "to": "/team"})

    assert (answer.status_code, answer.headers["content-type"]) == (401, "text/html; charset=utf-8")
    assert "set-cookie" not in answer.headers
    assert "unknown, expired or revoked" in texts(answer.text)
    assert '<input type="hidden" name="to" value="/team">' in answer.text
    assert "alert(1)" not in answer.text


@pytest.mark.parametrize(
    "target", ["https://elsewhere.example", "//elsewhere.example", "/\\elsewhere.example", "javascript:alert(1)"]
)
def test_a_login_leads_to_no_other_host(one: Served, target: str) -> None:
    secret = one.history.access.create_token("laptop", ["admin"]).secret
    link = one.history.access.create_login()

    page = visitor(one).get("/login", params={"to": target}).text
    by_token = visitor(one).post("/login", data={"token": secret, "to": target})
    by_link = visitor(one).get("/login", params={"key": link, "to": target})

    assert '<input type="hidden" name="to" value="/">' in page
    assert (by_token.headers["location"], by_link.headers["location"]) == ("/", "/")


def test_guessing_is_limited(store_url: str) -> None:
    config = replace(QUIET, failure_limit="3/minute")
    with open_history(store_url) as history, served(history, config) as one:
        secret = history.access.create_token("laptop", ["admin"]).secret
        found = [visitor(one).post("/login", data={"token": "x"}).status_code for _ in range(5)]
        right = visitor(one).post("/login", data={"token": secret}).status_code
        link = visitor(one).get("/login?key=x").status_code

    assert found == [401, 401, 401, 429, 429]
    assert (right, link) == (429, 429)


def test_a_used_link_says_so_on_a_page(one: Served) -> None:
    link = f"/login?key={one.history.access.create_login()}"
    first, second = visitor(one).get(link), visitor(one).get(link)

    assert (first.status_code, first.headers["location"]) == (303, "/")
    assert second.status_code == 401
    assert "unknown, used or too old" in texts(second.text)


def test_logging_out_leaves_a_token_that_was_typed_in_alone(one: Served) -> None:
    secret = one.history.access.create_token("laptop", ["admin"]).secret
    client = visitor(one)
    client.post("/login", data={"token": secret})

    answer = client.post("/logout")

    assert (answer.status_code, answer.headers["location"]) == (303, "/login")
    assert COOKIE not in client.asynchronous.cookies
    assert client.get("/gaps").status_code == 303
    assert one.history.access.authenticate(secret) is not None


def test_logging_out_ends_the_session_of_a_link(one: Served) -> None:
    client = visitor(one)
    client.get(f"/login?key={one.history.access.create_login()}")
    cookie = client.asynchronous.cookies[COOKIE]

    client.post("/logout")

    assert one.history.access.authenticate(cookie) is None


def test_the_login_needs_no_session_and_nothing_from_elsewhere(one: Served) -> None:
    answer = visitor(one).get("/login")

    assert answer.status_code == 200
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert "<script" not in answer.text
    assert 'autocomplete="current-password"' in answer.text
