"""How much a client may ask for: sizes and rates."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import replace

import pytest
from fastapi import APIRouter, Request, Response
from web_client import QUIET, Exchange, Served, client_for, served

from timestrata import History
from timestrata.web import Config, wire
from timestrata.web.callers import Reads, Writes

router = APIRouter(prefix="/api/v1/probe")


@router.get("/read")
async def read(reader: Reads) -> Response:
    return await reader.open(lambda history: {})


@router.post("/measure")
async def measure(request: Request, writer: Writes) -> Response:
    return wire.respond({"bytes": sum([len(part) async for part in request.stream()])})


SMALL = replace(QUIET, max_body_bytes=100, max_stream_bytes=1000)


@pytest.fixture
def one(history: History) -> Iterator[Served]:
    with served(history, SMALL) as one:
        one.app.include_router(router)
        yield one


async def pieces(*sizes: int) -> AsyncIterator[bytes]:
    for size in sizes:
        yield b"x" * size


def test_a_body_of_exactly_the_limit_is_taken(one: Served) -> None:
    assert one.client("admin").post("/api/v1/probe/measure", content=b"x" * 100).json() == {"bytes": 100}


def test_a_body_that_is_too_large_is_refused(one: Served) -> None:
    answer = one.client("admin").post("/api/v1/probe/measure", content=b"x" * 101)

    assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")
    assert answer.headers["connection"] == "close"


def test_a_body_that_announces_too_much_is_not_read(one: Served) -> None:
    token = one.history.access.create_token("ci", ["admin"]).secret

    async def announce() -> tuple[int, int]:
        headers = [("Authorization", f"Bearer {token}"), ("Content-Length", "101")]
        async with Exchange(one.app, "POST", "/api/v1/probe/measure", headers) as exchange:
            await exchange.send(b"x")
            start = await exchange.message()
            assert start is not None
            return int(start["status"]), exchange.pulled

    assert one.run(announce()) == (413, 0)


def test_a_chunked_body_is_counted_as_it_comes(one: Served) -> None:
    client = one.client("admin")

    fits = client.post("/api/v1/probe/measure", content=pieces(50, 50))
    not_this = client.post("/api/v1/probe/measure", content=pieces(50, 50, 1))

    assert fits.json() == {"bytes": 100}
    assert (not_this.status_code, not_this.json()["code"]) == (413, "body_too_large")


def test_no_more_of_a_chunked_body_is_read_than_the_limit(one: Served) -> None:
    token = one.history.access.create_token("ci", ["admin"]).secret

    async def send_without_end() -> tuple[int, int]:
        async with Exchange(
            one.app, "POST", "/api/v1/probe/measure", [("Authorization", f"Bearer {token}")]
        ) as exchange:
            for _ in range(10):
                await exchange.send(b"x" * 60)
            start = await exchange.message()
            assert start is not None
            while await exchange.message() is not None:
                pass
            return start["status"], exchange.pulled

    assert one.run(send_without_end()) == (413, 2)


def test_a_length_that_lies_does_not_help(one: Served) -> None:
    token = one.history.access.create_token("ci", ["admin"]).secret

    async def lie() -> int:
        headers = [("Authorization", f"Bearer {token}"), ("Content-Length", "5")]
        async with Exchange(one.app, "POST", "/api/v1/probe/measure", headers) as exchange:
            await exchange.send(b"x" * 101, more=False)
            start = await exchange.message()
            assert start is not None
            return int(start["status"])

    assert one.run(lie()) == 413


def test_a_stream_of_lines_may_be_longer(one: Served) -> None:
    client, ndjson = one.client("admin"), {"Content-Type": "application/x-ndjson; charset=utf-8"}

    fits = client.post("/api/v1/probe/measure", content=pieces(500, 500), headers=ndjson)
    not_this = client.post("/api/v1/probe/measure", content=pieces(500, 501), headers=ndjson)

    assert fits.json() == {"bytes": 1000}
    assert not_this.status_code == 413


def test_a_body_that_is_too_large_is_refused_with_a_key_too(one: Served) -> None:
    answer = one.client("admin").post(
        "/api/v1/probe/measure", content=pieces(60, 60), headers={"Idempotency-Key": "key-1"}
    )

    assert answer.status_code == 413


# -------------------------------------------------------------------------------------------------------------- rates


class Time:
    """Seconds, set by hand."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def limited(history: History, time: Time) -> Iterator[Served]:
    config = Config(log_format=None, rate_limit="3/minute", failure_limit="2/minute", monotonic=time)
    with served(history, config) as one:
        one.app.include_router(router)
        yield one


def test_a_token_has_so_many_requests_in_a_window(limited: Served, time: Time) -> None:
    client = limited.client("admin")
    statuses = []
    for _ in range(4):
        statuses.append(client.get("/api/v1/probe/read").status_code)
        time.seconds += 10

    refused = client.get("/api/v1/probe/read")

    assert statuses == [200, 200, 200, 429]
    assert (refused.json()["code"], refused.headers["retry-after"]) == ("too_many_requests", "20")
    time.seconds += 19.9
    assert client.get("/api/v1/probe/read").status_code == 429
    time.seconds += 0.1
    assert client.get("/api/v1/probe/read").status_code == 200


def test_each_token_has_a_rate_of_its_own(limited: Served) -> None:
    greedy, other = limited.client("admin"), limited.client("admin")
    for _ in range(4):
        last = greedy.get("/api/v1/probe/read")

    assert (last.status_code, other.get("/api/v1/probe/read").status_code) == (429, 200)


def test_a_request_counts_once_with_a_key_too(limited: Served) -> None:
    client = limited.client("admin")

    found = [client.post("/api/v1/probe/measure", headers={"Idempotency-Key": f"key-{n}"}) for n in range(4)]

    assert [answer.status_code for answer in found] == [200, 200, 200, 429]


def test_wrong_tokens_are_not_asked_about_for_ever(limited: Served, time: Time) -> None:
    known, right = limited.history.access, limited.client("admin")
    wrong = [limited.bearer(known.create_token("x", ["admin"]).secret[:-5] + "AAAAA") for _ in range(3)]

    found = [client.get("/api/v1/probe/read").status_code for client in wrong]

    assert found == [401, 401, 429]
    assert right.get("/api/v1/probe/read").status_code == 429  # not known yet, from the same address
    time.seconds += 60
    assert right.get("/api/v1/probe/read").status_code == 200


def test_a_token_that_is_known_works_beside_wrong_ones(limited: Served) -> None:
    right = limited.client("admin")
    right.get("/api/v1/probe/read")
    for _ in range(3):
        limited.bearer("x").get("/api/v1/probe/read")
        limited.bearer("timestrata_000000000000_" + "A" * 43).get("/api/v1/probe/read")

    assert right.get("/api/v1/probe/read").status_code == 200


def test_logins_cannot_be_guessed_for_ever(limited: Served) -> None:
    link = f"/login?key={limited.history.access.create_login()}"

    found = [limited.anyone().get(f"/login?key=wrong{n}").status_code for n in range(3)]

    assert found == [401, 401, 429]
    assert limited.anyone().get(link).status_code == 429


def test_health_is_never_refused(limited: Served) -> None:
    assert {limited.anyone().get("/health").status_code for _ in range(10)} == {200}


def test_without_a_limit_nothing_is_counted(history: History) -> None:
    config = Config(log_format=None, rate_limit=None, failure_limit=None)
    with client_for(history, "admin", config=config) as client:
        client.served.app.include_router(router)

        assert {client.get("/api/v1/probe/read").status_code for _ in range(20)} == {200}
