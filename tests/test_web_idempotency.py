"""A POST that is sent twice with one Idempotency-Key is done once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta

import httpx2
import pytest
from conftest import NOW, reopened
from fastapi import APIRouter, HTTPException, Request, Response
from sqlalchemy import text
from web_client import QUIET, Served, served

from timestrata import History
from timestrata.calendar import instant
from timestrata.errors import WrongState
from timestrata.web import wire
from timestrata.web.callers import Writes
from timestrata.web.idempotency import forget_old, key_of

KEY = {"Idempotency-Key": "key-1"}


class Work:
    """A route whose effect can be counted."""

    def __init__(self) -> None:
        self.done = 0
        self.refusal: Exception | None = None
        self.router = APIRouter(prefix="/api/v1/probe")
        self.router.post("/work", status_code=201)(self.work)

    async def work(self, request: Request, writer: Writes) -> Response:
        if self.refusal is not None:
            raise self.refusal
        body = await request.body()
        self.done += 1
        number = self.done
        answered = {"number": number, "body": body.decode(), "key": key_of(request)}
        return await writer.answer("ana", lambda history: answered, 201, {"Location": f"/work/{number}"})


@pytest.fixture
def work() -> Work:
    return Work()


@pytest.fixture
def one(history: History, work: Work) -> Iterator[Served]:
    with served(history, replace(QUIET, clock=lambda: NOW)) as one:
        one.app.include_router(work.router)
        yield one


def same(first: httpx2.Response, second: httpx2.Response) -> bool:
    headers = ("content-type", "location")
    return (first.status_code, first.content, [first.headers[name] for name in headers]) == (
        second.status_code,
        second.content,
        [second.headers[name] for name in headers],
    )


def test_the_same_request_again_is_answered_and_not_done(one: Served, work: Work) -> None:
    client = one.client("admin")

    first = client.post("/api/v1/probe/work", content=b"x", headers=KEY)
    second = client.post("/api/v1/probe/work", content=b"x", headers=KEY)

    assert (work.done, same(first, second)) == (1, True)
    assert "idempotency-replayed" not in first.headers
    assert second.headers["idempotency-replayed"] == "true"


def test_the_library_gets_the_key(one: Served) -> None:
    assert one.client("admin").post("/api/v1/probe/work", headers=KEY).json()["key"] == "key-1"


def test_without_a_key_each_request_is_done(one: Served, work: Work) -> None:
    client = one.client("admin")
    for _ in range(2):
        client.post("/api/v1/probe/work", content=b"x")

    assert work.done == 2


@pytest.mark.parametrize(
    ("url", "body"), [("/api/v1/probe/work", b"y"), ("/api/v1/probe/work?at=1", b"x"), ("/api/v1/probe/nothing", b"x")]
)
def test_another_request_with_the_key_is_refused(one: Served, work: Work, url: str, body: bytes) -> None:
    client = one.client("admin")
    client.post("/api/v1/probe/work", content=b"x", headers=KEY)

    answer = client.post(url, content=body, headers=KEY)

    assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_key_reused")
    assert work.done == 1


def test_keys_of_different_tokens_have_nothing_to_do_with_each_other(one: Served, work: Work) -> None:
    for _ in range(2):
        answer = one.client("admin").post("/api/v1/probe/work", content=b"x", headers=KEY)

    assert (answer.status_code, work.done) == (201, 2)


@pytest.mark.parametrize("refusal", [WrongState("work", "a holiday", "a working day"), HTTPException(409)])
def test_what_was_refused_is_looked_at_again(one: Served, work: Work, refusal: Exception) -> None:
    client = one.client("admin")
    work.refusal = refusal
    refused = client.post("/api/v1/probe/work", headers=KEY)
    work.refusal = None

    answer = client.post("/api/v1/probe/work", headers=KEY)

    assert (refused.status_code, answer.status_code, work.done) == (409, 201, 1)


def test_requests_with_one_key_at_once_are_done_once(one: Served, work: Work) -> None:
    request = ("POST", "/api/v1/probe/work", {"content": b"x", "headers": KEY})

    answers = one.client("admin").together(*[request] * 8)

    assert work.done == 1
    assert {answer.content for answer in answers} == {answers[0].content}
    assert sorted("idempotency-replayed" in answer.headers for answer in answers) == [False] + [True] * 7


def test_another_process_knows_the_answer(one: Served, work: Work, store_url: str) -> None:
    made = one.history.access.create_token("ci", ["admin"])
    one.bearer(made.secret).post("/api/v1/probe/work", content=b"x", headers=KEY)

    with reopened(store_url) as history, served(history) as other:
        other.app.include_router(work.router)
        answer = other.bearer(made.secret).post("/api/v1/probe/work", content=b"x", headers=KEY)

    assert (answer.headers["idempotency-replayed"], work.done) == ("true", 1)


@pytest.mark.parametrize("key", [b"", b"x" * 256, b"\xe9", b"a\tb"])
def test_a_key_that_cannot_be_used_is_refused(one: Served, work: Work, key: bytes) -> None:
    answer = one.client("admin").post("/api/v1/probe/work", headers={b"Idempotency-Key": key})

    found = answer.status_code, answer.json()["code"], answer.json()["field"]
    assert found == (422, "invalid_value", "Idempotency-Key")
    assert work.done == 0


def test_the_longest_key_is_taken(one: Served) -> None:
    answer = one.client("admin").post("/api/v1/probe/work", headers={"Idempotency-Key": "~" * 255})

    assert answer.status_code == 201


def test_a_key_without_a_token_is_nobodys(one: Served, work: Work) -> None:
    assert one.anyone().post("/api/v1/probe/work", headers=KEY).status_code == 401
    assert work.done == 0


def test_a_stream_is_not_kept(one: Served, work: Work) -> None:
    client = one.client("admin")
    for _ in range(2):
        client.post("/api/v1/probe/work", content=b"{}", headers={**KEY, "Content-Type": "application/x-ndjson"})

    assert work.done == 2


def test_answers_are_forgotten_after_a_week(one: Served) -> None:
    one.client("admin").post("/api/v1/probe/work", headers=KEY)
    engine = one.history.engine

    def kept_at(now: datetime) -> int:
        forget_old(engine, instant(now))
        with engine.connect() as connection:
            return int(connection.execute(text("SELECT count(*) FROM ts_request")).scalar_one())

    assert kept_at(NOW + timedelta(days=7)) == 1
    assert kept_at(NOW + timedelta(days=7, microseconds=1)) == 0


def test_the_change_stands_when_its_answer_cannot_be_kept(one: Served, work: Work) -> None:
    with one.history.engine.connect() as connection, connection.begin():
        connection.execute(text("ALTER TABLE ts_request RENAME COLUMN answer TO other"))
        connection.execute(text("ALTER TABLE ts_request ADD COLUMN answer TEXT"))

    answer = one.client("admin").post("/api/v1/probe/work", headers=KEY)

    assert (answer.status_code, work.done) == (201, 1)


def test_a_json_body_is_read_after_all(one: Served) -> None:
    router = APIRouter(prefix="/api/v1/probe")

    @router.post("/json")
    async def read(writer: Writes) -> Response:
        return wire.respond({"body": await writer.body()})

    one.app.include_router(router)
    answer = one.client("admin").post("/api/v1/probe/json", json={"a": [1, "é"]}, headers=KEY)

    assert answer.json() == {"body": {"a": [1, "é"]}}
