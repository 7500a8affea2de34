"""Answers to reads: tags, 304, compression, and that what is kept is never out of date."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest
from conftest import NOW
from facts_made import made
from fastapi import APIRouter, Response
from web_client import QUIET, Served, served

from timestrata import History, open_history
from timestrata.web.callers import Reads
from timestrata.web.paths import PathId


class Present:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


class Question:
    """A route whose questions can be counted."""

    def __init__(self) -> None:
        self.asked = 0
        self.router = APIRouter(prefix="/api/v1/probe")
        self.router.get("/summary/{user_id}")(self.summary)
        self.router.get("/summary")(self.everybody)
        self.router.get("/fresh")(self.fresh)

    def count(self, history: History, user: str | None) -> object:
        self.asked += 1
        return history.summary("all_time", user)

    async def summary(self, user_id: PathId, reader: Reads) -> Response:
        return await reader.figures(user_id, lambda history: self.count(history, user_id))

    async def everybody(self, reader: Reads) -> Response:
        return await reader.figures(None, lambda history: self.count(history, None))

    async def fresh(self, reader: Reads) -> Response:
        return await reader.fresh(None, lambda history: self.count(history, None))


@pytest.fixture
def present() -> Present:
    return Present()


@pytest.fixture
def question() -> Question:
    return Question()


@pytest.fixture
def one(store_url: str, present: Present, question: Question) -> Iterator[Served]:
    with open_history(store_url, clock=present) as history, served(history, QUIET) as one:
        one.app.include_router(question.router)
        history.record(made(user_id="ana", workflow_id="wf-1"))
        yield one


ANA = "/api/v1/probe/summary/ana"


def test_an_answer_is_computed_once_a_revision(one: Served, question: Question) -> None:
    client = one.client("admin")

    first, second = client.get(ANA), client.get(ANA)

    assert (first.content, first.headers["etag"]) == (second.content, second.headers["etag"])
    assert first.headers["cache-control"] == "private, no-cache"
    assert question.asked == 1


def test_a_change_is_seen_by_the_next_request(one: Served) -> None:
    client = one.client("admin")
    before = client.get(ANA)
    one.history.record(made(user_id="ana", workflow_id="wf-2"))

    after = client.get(ANA)

    assert (before.json()["completed"], after.json()["completed"]) == (1, 2)
    assert before.headers["etag"] != after.headers["etag"]


def test_a_change_of_another_user_changes_the_answer_about_all_only(one: Served, question: Question) -> None:
    client = one.client("admin")
    mine, all_of_us = client.get(ANA), client.get("/api/v1/probe/summary")
    one.history.record(made(user_id="ben", workflow_id="wf-2"))

    assert client.get(ANA).headers["etag"] == mine.headers["etag"]
    assert client.get("/api/v1/probe/summary").json()["completed"] == all_of_us.json()["completed"] + 1


def test_another_day_is_another_answer(one: Served, present: Present, question: Question) -> None:
    client = one.client("admin")
    before = client.get(ANA)
    present.now = NOW + timedelta(days=1)

    assert client.get(ANA).headers["etag"] != before.headers["etag"]
    assert question.asked == 2


def test_the_day_is_the_users_own(one: Served, present: Present) -> None:
    one.history.set_timezone("ana", "Pacific/Kiritimati")  # 14 hours ahead: its day begins at 10:00 UTC
    client = one.client("admin")
    present.now = datetime.fromisoformat("2024-06-15T09:59:59+00:00")
    before = client.get(ANA), client.get("/api/v1/probe/summary")
    present.now = datetime.fromisoformat("2024-06-15T10:00:00+00:00")
    after = client.get(ANA), client.get("/api/v1/probe/summary")

    changed = [old.headers["etag"] != new.headers["etag"] for old, new in zip(before, after, strict=True)]
    assert changed == [True, False]


def test_another_query_is_another_answer(one: Served, question: Question) -> None:
    client = one.client("admin")

    tags = {client.get(f"{ANA}{query}").headers["etag"] for query in ("", "?a=1", "?a=2")}

    assert (len(tags), question.asked) == (3, 3)


@pytest.mark.parametrize("how", ["{}", '{}, W/"x"', 'W/"x" ,{}', "*"])
@pytest.mark.parametrize("path", [ANA, "/api/v1/probe/fresh"])
def test_who_has_the_answer_is_told_so(one: Served, path: str, how: str) -> None:
    client = one.client("admin")
    tag = client.get(path).headers["etag"]

    answer = client.get(path, headers={"If-None-Match": how.format(tag)})

    assert (answer.status_code, answer.content, answer.headers["etag"]) == (304, b"", tag)


def test_a_tag_of_before_is_answered_anew(one: Served) -> None:
    client = one.client("admin")
    tag = client.get(ANA).headers["etag"]
    one.history.record(made(user_id="ana", workflow_id="wf-2"))

    answer = client.get(ANA, headers={"If-None-Match": tag})

    assert (answer.status_code, answer.json()["completed"]) == (200, 2)


def test_what_is_kept_is_for_those_who_may_read_it(one: Served) -> None:
    tag = one.client("admin").get(ANA).headers["etag"]

    answer = one.client("read:own", user="ben").get(ANA, headers={"If-None-Match": tag})

    assert answer.status_code == 403


def test_a_fresh_answer_is_computed_each_time(one: Served, question: Question) -> None:
    client = one.client("admin")
    for _ in range(2):
        client.get("/api/v1/probe/fresh")

    assert question.asked == 2


def test_a_large_answer_is_compressed_for_who_takes_it(one: Served) -> None:
    client = one.client("admin")

    small = client.get("/health")
    large, plain = (client.get("/openapi.json", headers={"Accept-Encoding": how}) for how in ("gzip", "identity"))

    assert "content-encoding" not in small.headers
    assert large.headers["content-encoding"] == "gzip"
    assert "content-encoding" not in plain.headers
    assert large.json() == plain.json()


def test_every_answer_says_what_a_browser_may_do_with_it(one: Served) -> None:
    client = one.client("admin")

    for path in (ANA, "/health", "/nothing", "/docs"):
        headers = client.get(path).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        assert headers["referrer-policy"] == "no-referrer"
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert "access-control-allow-origin" not in headers


def test_other_origins_are_not_let_in_by_default(one: Served) -> None:
    asked = {"Origin": "http://evil.example", "Access-Control-Request-Method": "GET"}

    answer = one.client("admin").request("OPTIONS", ANA, headers=asked)

    assert answer.status_code == 405
    assert not [name for name in answer.headers if name.startswith("access-control")]
