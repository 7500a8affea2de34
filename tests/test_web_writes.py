"""Completions that are recorded without the routes: the same in every respect as by the route."""

from __future__ import annotations

import asyncio
import io
import json
import re
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import replace
from typing import Any, NamedTuple

import httpx2
import pytest
from conftest import reopened
from facts_made import dump, made
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families
from test_batching import refusing
from web_client import QUIET, Exchange, Served, served

from timestrata import CompletedWorkflow, History, Outcome
from timestrata.formats.jsonl import workflow_to_json
from timestrata.web import wire
from timestrata.web.routes.completions import _encoded

PATH = "/api/v1/time/completions"
BY_THE_ROUTE = {"Content-Encoding": "identity"}
"""Says nothing, and is out of the ordinary."""


class Side(NamedTuple):
    """A store that is served, and what makes its requests take one way or the other."""

    one: Served
    log: io.StringIO
    headers: dict[str, str]
    tokens: dict[str, str]

    def post(self, token: str | None, headers: Mapping[str, str], body: bytes | list[bytes]) -> httpx2.Response:
        """Send a body, one in pieces without its length."""
        sent = {name: value.format(**self.tokens) for name, value in headers.items()} | self.headers
        if token is not None:
            sent["Authorization"] = f"Bearer {self.tokens[token]}"
        content = body if isinstance(body, bytes) else _pieces(body)
        return self.one.anyone().post(PATH, headers=sent, content=content)


async def _pieces(body: list[bytes]) -> AsyncIterator[bytes]:
    for piece in body:
        yield piece


@pytest.fixture
def sides(make_store: Callable[[], str]) -> Iterator[list[Side]]:
    """Two stores alike: one whose requests go the short way, one whose requests go by the route."""
    with ExitStack() as stack:
        found = []
        for headers in ({}, BY_THE_ROUTE):
            log = io.StringIO()
            config = replace(
                QUIET, max_body_bytes=20_000, log_format="json", log_file=log, log_within_seconds=0, failure_limit=None
            )
            one = stack.enter_context(served(stack.enter_context(reopened(make_store())), config))
            tokens = {
                "admin": one.history.access.create_token("a", ["admin"]).secret,
                "writer": one.history.access.create_token("w", ["write:own"], "ada").secret,
                "reader": one.history.access.create_token("r", ["read:all"]).secret,
                "wrong": "timestrata_0123456789ab_nothing",
            }
            found.append(Side(one, log, headers, tokens))
        yield found


def encoded(workflow: CompletedWorkflow, **more: object) -> bytes:
    return json.dumps({**workflow_to_json(workflow), **more}).encode()


JSON = {"Content-Type": "application/json"}
LONG = made("ü" * 255, user_id="ß" * 255)
Sent = tuple[str | None, Mapping[str, str], bytes | list[bytes]]

REQUESTS: dict[str, list[Sent]] = {
    "recorded, replayed, in conflict": [
        ("admin", JSON, encoded(made("w1"))),
        ("admin", JSON, encoded(made("w1"))),
        ("admin", JSON, encoded(made("w1", 700))),
    ],
    "without a content type, and with others": [
        ("admin", {}, encoded(made("w1"))),
        ("admin", {"Content-Type": "text/plain"}, encoded(made("w2"))),
        ("admin", {"Content-Type": "application/json; charset=utf-8"}, encoded(made("w3"))),
    ],
    "worth a note": [("admin", JSON, encoded(made("w1", 90_000))), ("admin", JSON, encoded(made("w2"), extra=1))],
    "ids that JSON has to escape": [
        ("admin", JSON, encoded(made('"\\\t\x7f\u2028é', user_id="\n"))),
        ("admin", JSON, encoded(made("w1"), user_id="\ud800")),
    ],
    "a long answer": [
        ("admin", {**JSON, "Accept-Encoding": "gzip"}, encoded(LONG)),
        ("admin", {**JSON, "Accept-Encoding": "identity"}, encoded(LONG)),
    ],
    "a list": [
        ("writer", JSON, b"[]"),
        (
            "writer",
            JSON,
            b"["
            + b",".join([encoded(made("w1")), encoded(made("w1")), encoded(made("w2", user_id="ben")), b"1", b"{}"])
            + b"]",
        ),
        (
            "admin",
            {**JSON, "Accept-Encoding": "gzip"},
            b"[" + b",".join(encoded(made(f"x{number}")) for number in range(20)) + b"]",
        ),
    ],
    "a value that cannot be accepted": [
        ("admin", JSON, encoded(made("w1"), started_at="2024-05-06T10:00:00Z")),
        ("admin", JSON, encoded(made("w1"), steps=[])),
        ("admin", JSON, b'{"workflow_id":"w1"}'),
        ("admin", JSON, b'"text"'),
        ("admin", JSON, b"{}"),
    ],
    "no JSON": [
        ("admin", JSON, body)
        for body in (b"", b"{", b"\xff", b"\xef\xbb\xbf{}", b'{"a":1,"a":2}', b"NaN", b"[" * 10_000, b"9" * 5_000)
    ],
    "a body that is too large": [
        ("admin", JSON, b" " * 20_001),
        ("admin", JSON, [b" " * 20_000, b"{}"]),
        ("reader", JSON, b" " * 20_001),
    ],
    "a body in pieces": [("admin", JSON, [encoded(made("w1"))[:100], encoded(made("w1"))[100:]])],
    "somebody who may not": [
        (None, JSON, encoded(made("w1"))),
        ("wrong", JSON, encoded(made("w1"))),
        ("reader", JSON, encoded(made("w1"))),
        ("reader", JSON, b"{"),
        ("writer", JSON, encoded(made("w1", user_id="ben"))),
        ("writer", JSON, encoded(made("w1"))),
        (None, {**JSON, "Authorization": "Basic abc"}, encoded(made("w1"))),
    ],
    "a cookie": [
        (None, {**JSON, "Cookie": "timestrata_session={admin}"}, encoded(made("w1"))),
        (
            None,
            {**JSON, "Cookie": "timestrata_session={admin}", "Sec-Fetch-Site": "same-origin"},
            encoded(made("w1")),
        ),
    ],
    "an id of the request's own": [
        ("admin", {**JSON, "X-Request-ID": "trace-1"}, encoded(made("w1"))),
        ("admin", {**JSON, "X-Request-ID": "no good"}, encoded(made("w2"))),
    ],
}


def shown(answer: httpx2.Response) -> object:
    """Return all of an answer but what is another's each time."""
    headers = [(name, value) for name, value in answer.headers.raw if name != b"x-request-id"]
    return answer.status_code, sorted(headers), answer.content, answer.headers["x-request-id"].partition("-")[0]


def figures(one: Served) -> dict[object, float]:
    """Return every count of requests and workflows."""
    return {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(one.anyone().get("/metrics").text)
        for sample in family.samples
        if sample.name.endswith(("_total", "_count"))
    }


def lines(side: Side) -> list[dict[str, Any]]:
    """Return the lines of the log, without what is another's each time: the token is told by its name."""
    ids = {secret.split("_")[1]: name for name, secret in side.tokens.items()}
    found = [json.loads(line) for line in side.log.getvalue().splitlines()]
    for line in found:
        assert {"request_id", "ms", "at"} <= line.keys()
        del line["request_id"], line["ms"], line["at"]
        line["token"] = ids.get(line["token"])
    return found


@pytest.mark.parametrize("sent", REQUESTS.values(), ids=list(REQUESTS))
def test_the_short_way_answers_counts_logs_and_stores_as_the_route_does(sides: list[Side], sent: list[Sent]) -> None:
    short, route = ([shown(side.post(*each)) for each in sent] for side in sides)

    assert short == route
    assert figures(sides[0].one) == figures(sides[1].one)
    assert lines(sides[0]) == lines(sides[1])
    assert dump(sides[0].one.history) == dump(sides[1].one.history)


def test_plain_json_needs_no_route_and_what_is_out_of_the_ordinary_does(history: History) -> None:
    with served(history) as one:
        one.app.router.routes.clear()
        client = one.client("admin")
        found = [
            client.post(PATH, json=workflow_to_json(made("w1"))),
            client.post(PATH, json=[workflow_to_json(made("w2"))]),
            *(
                client.post(PATH, headers=headers, json=workflow_to_json(made("w3")))
                for headers in (
                    {"Idempotency-Key": "k"},
                    BY_THE_ROUTE,
                    {"Content-Type": "application/x-ndjson"},
                    [("X-Twice", "1"), ("X-Twice", "2")],
                )
            ),
            client.post(f"{PATH}/", json=workflow_to_json(made("w3"))),
            client.put(PATH, json=workflow_to_json(made("w3"))),
        ]

    assert [answer.status_code for answer in found] == [201, 200, 404, 404, 404, 404, 404, 404]


def test_the_line_of_a_request_is_the_one_that_the_logger_would_write(history: History) -> None:
    """Letter by letter, and whatever a client put into it."""
    log = io.StringIO()
    config = replace(QUIET, log_format="json", log_file=log, log_within_seconds=0)
    with served(history, config) as one:
        one.client("admin").get('/a"b\\c%C3%A9')
        sent = json.loads(log.getvalue())
        one.service.log.info("request", **{name: sent[name] for name in list(sent)[:-3]})

    ours, theirs = (re.sub(r'"at": "[^"]*Z"', "", line) for line in log.getvalue().splitlines())
    assert ours == theirs
    assert len(ours) < len(log.getvalue().splitlines()[0])  # both had their time


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)


@given(TEXTS, TEXTS, st.sampled_from(["recorded", "replayed"]), st.lists(TEXTS, max_size=2))
def test_an_outcome_is_written_as_any_result_is(user: str, workflow: str, status: Any, notes: list[str]) -> None:
    outcome = Outcome(status, user, workflow, 1, notes=tuple(notes))

    assert _encoded(outcome) == wire.encode(outcome)


def test_how_a_document_was_read_is_noted(history: History) -> None:
    document = workflow_to_json(made("w1")) | {"sprint": 7}
    note = ["unknown fields ignored: 'sprint'"]
    with served(history) as one:
        client = one.client("admin")
        alone = client.post(PATH, json=document).json()
        [listed] = client.post(PATH, json=[document]).json()["outcomes"]
        streamed = client.post(
            PATH, content=json.dumps(document), headers={"Content-Type": "application/x-ndjson"}
        ).json()["outcomes"]
        corrected = client.put(f"{PATH}/w1", json=document | {"estimated_seconds": 7}, headers={"If-Match": "1"}).json()

    assert (alone["status"], alone["notes"]) == ("recorded", note)
    assert (listed["status"], listed["notes"]) == ("replayed", note)
    assert [(one["line"], one["status"], one["notes"]) for one in streamed] == [(1, "replayed", note)]
    assert (corrected["status"], corrected["notes"]) == ("corrected", note)


def test_a_client_that_goes_away_before_its_body_is_whole_records_nothing(sides: list[Side]) -> None:
    async def leave(side: Side) -> list[object]:
        headers = [*side.headers.items(), ("authorization", f"Bearer {side.tokens['admin']}"), *JSON.items()]
        async with Exchange(side.one.app, "POST", PATH, headers) as exchange:
            await exchange.send(encoded(made("w1"))[:50])
            await exchange._to_app.put({"type": "http.disconnect"})
            return [message["status"] async for message in _messages(exchange) if "status" in message]

    short, route = (side.one.run(leave(side)) for side in sides)

    assert short == route
    assert [side.one.history.summary("all_time").completed for side in sides] == [0, 0]


async def _messages(exchange: Exchange) -> AsyncIterator[dict[str, Any]]:
    while (message := await exchange.message()) is not None:
        yield message


def test_a_token_is_counted_once_a_request(history: History) -> None:
    with served(history, replace(QUIET, rate_limit="3/minute")) as one:
        client = one.client("admin")
        found = [client.post(PATH, json=workflow_to_json(made(f"w{number}"))) for number in range(4)]

    assert [answer.status_code for answer in found] == [201, 201, 201, 429]
    assert found[-1].json()["code"] == "too_many_requests"


def test_requests_at_once_each_have_their_own_outcome(history: History) -> None:
    def request(workflow: CompletedWorkflow) -> tuple[str, str, dict[str, Any]]:
        return "POST", PATH, {"json": workflow_to_json(workflow)}

    facts = [made(f"w{number}", 60 * number) for number in range(1, 60)]
    with served(history) as one:
        client = one.client("admin")
        client.post(PATH, json=workflow_to_json(facts[0]))
        bad = ("POST", PATH, {"json": {"workflow_id": "bad"}})
        found = client.together(*map(request, facts), bad, request(made("w2", 1)), request(facts[2]))

    statuses = [answer.status_code for answer in found]
    assert statuses[:59] == [200] + [201] * 58
    assert statuses[59:] == [422, 409, 200]
    assert [answer.json()["workflow_id"] for answer in found[:59]] == [fact.workflow_id for fact in facts]
    assert history.summary("all_time").completed == 59


def test_an_item_that_the_database_refuses_is_told_to_its_client_alone(history: History) -> None:
    facts = [made(name) for name in ("w1", "w2", "w3")]
    with served(history) as one, refusing(history, "w2"):
        client = one.client("admin")
        found = client.together(*(("POST", PATH, {"json": workflow_to_json(fact)}) for fact in facts))

    assert [answer.status_code < 400 for answer in found] == [True, False, True]
    assert [fact.workflow_id for fact in history.facts()] == ["w1", "w3"]


def test_ending_waits_for_what_was_sent(history: History) -> None:
    """What is under way when the service ends is recorded and answered."""

    async def send(one: Served) -> list[Outcome]:
        sent = [asyncio.ensure_future(one.service.recorder.record(made(f"w{number}"))) for number in range(30)]
        await asyncio.sleep(0)
        await asyncio.to_thread(history.close)
        return await asyncio.gather(*sent)

    with served(history) as one:
        found = one.run(send(one))

    assert [outcome.status for outcome in found] == ["recorded"] * 30
    assert history.summary("all_time").completed == 30
