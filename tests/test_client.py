"""The client: its answers are the library's, its errors too, and what cannot be heard of is done once."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest
import uvicorn
from client_service import URL, client_answered_by, client_of, never, transport_to
from conftest import NOW
from facts_made import made, session
from typer.testing import CliRunner, Result

import timestrata
from timestrata import (
    DateRange,
    History,
    InvalidFact,
    InvalidRequest,
    Outcome,
    RetentionPolicy,
    StepTime,
    TimestrataError,
    UnknownWorkflow,
    UnsupportedDatabase,
    errors,
    open_history,
)
from timestrata.cli import app
from timestrata.cli.machine import Machine
from timestrata.client import Client, ServiceRefused, ServiceUnavailable, UnexpectedAnswer
from timestrata.client.refusals import KINDS, error_of
from timestrata.dialects import dialect_of
from timestrata.tracked import TemplateStep
from timestrata.web import Config, create_app
from timestrata.web.problems import TABLE, problem_of

TOKEN = "timestrata_0123456789ab_" + "s" * 43
SUMMARY = "/api/v1/time/history/ada"


@pytest.fixture
def store_url(tmp_path: Path) -> str:
    """One database: what differs between them is not seen from afar."""
    return f"sqlite:///{tmp_path / 'store.db'}"


@pytest.fixture
def client(history: History) -> Iterator[Client]:
    """A client of the history, of an admin."""
    with client_of(history) as opened:
        yield opened


@pytest.fixture
def worked(history: History) -> History:
    """A history with work of two people: completed, with sessions and alerts, and still going on."""
    steps = (
        StepTime(0, "Analyse", estimated_seconds=300, sessions=(session("2024-06-01T08:00", 600),)),
        StepTime(1, "Test", 900),
    )
    history.record(
        [
            made(f"{user}{number}", user_id=user, completed_at=NOW - timedelta(days=9 * number), steps=steps, **extra)
            for user, extra in (("ada", {"estimated_seconds": 600}), ("b/ö?#%2F ..", {"ticket_type": "Story/+&"}))
            for number in range(8)
        ]
    )
    history.dismiss_alert(history.alerts()[0].id)
    tracking = history.tracking
    tracking.put_template("QA", "Bug", [TemplateStep("Analyse", 60), "Test"])
    tracking.start_workflow("ada", "QA", "TK-9", workflow_id="done", at=NOW - timedelta(hours=3))
    tracking.complete("ada", "done", at=NOW - timedelta(minutes=30))
    tracking.start_workflow("ada", "QA", "TK-10", workflow_id="running")
    return history


# ---------------------------------------------------------------------------------------------------- the same answers

JUNE = DateRange(date(2024, 5, 20), date(2024, 6, 15))
CALLS: dict[str, Callable[[Any], object]] = {
    "summary": lambda one: one.summary(JUNE, "ada"),
    "summary of a type": lambda one: one.summary("last_90_days", "b/ö?#%2F ..", "Story/+&"),
    "summary of everybody": lambda one: one.summary("all_time"),
    "summary of everybody of a type": lambda one: one.summary(JUNE, None, "Bug"),
    "summary of nobody": lambda one: one.summary("today", "nobody"),
    "summary of no name": lambda one: one.summary("today", ""),
    "summary of a name that is none": lambda one: one.summary("today", "\ud800"),
    "summary of a long name": lambda one: one.summary("today", "x" * 300),
    "summary up to a day": lambda one: one.summary(DateRange(None, date(2024, 6, 1)), "ada"),
    "summary from a day": lambda one: one.summary(DateRange(date(2024, 6, 1), None), "ada"),
    "summary of an unknown preset": lambda one: one.summary("last_5_days", "ada"),
    "summary of no range": lambda one: one.summary(5, "ada"),
    "trend": lambda one: one.trend("last_90_days", user_id="ada"),
    "trend of a measure": lambda one: one.trend(
        JUNE, "day", "ada", by="template", measure="estimate_ratio", ticket_type="Bug"
    ),
    "trend by hours": lambda one: one.trend(JUNE, "hour", "ada"),
    "trend of no measure": lambda one: one.trend(JUNE, user_id="ada", measure="speed"),
    "trend by weather": lambda one: one.trend(JUNE, user_id="ada", by="weather"),
    "trend of too many buckets": lambda one: one.trend(DateRange(date(1, 1, 1), date(9999, 1, 1)), "day", "ada"),
    "aggregations": lambda one: one.aggregations(JUNE, "user", "week", fill_gaps=True),
    "aggregations of one": lambda one: one.aggregations(
        "all_time", "step", user_id="ada", ticket_type=None, template="QA"
    ),
    "the first of the aggregations": lambda one: one.aggregations(JUNE, "user", limit=1),
    "none of the aggregations": lambda one: one.aggregations(JUNE, "user", limit=0),
    "aggregations by weather": lambda one: one.aggregations(JUNE, "weather"),
    "aggregations of what is not kept": lambda one: one.aggregations(JUNE, "step", "ticket_type"),
    "overview": lambda one: one.overview(),
    "overview of one": lambda one: one.overview("this_month", "ada", ticket_type="Bug", by="template"),
    "daily": lambda one: one.daily("all_time", "ada", "Bug"),
    "steps": lambda one: one.steps(JUNE, "QA", "ada"),
    "the longest step": lambda one: one.steps("all_time", None, "ada", longest=1),
    "none of the steps": lambda one: one.steps("all_time", None, "ada", longest=0),
    "averages": lambda one: one.averages("ada"),
    "averages of a day": lambda one: one.averages("b/ö?#%2F ..", date(2024, 6, 1)),
    "alerts": lambda one: one.alerts(user_id="ada"),
    "some alerts": lambda one: one.alerts(JUNE, "ada", dismissed=None, kind="step", ticket_type="Bug", limit=2),
    "dismissed alerts": lambda one: one.alerts(None, "ada", dismissed=True),
    "more alerts than a page has": lambda one: one.alerts(user_id="ada", limit=2500),
    "no alerts": lambda one: one.alerts(user_id="ada", limit=0),
    "alerts of no kind": lambda one: one.alerts(user_id="ada", kind="day"),
    "workflows": lambda one: one.workflows("all_time", "ada", "Bug", limit=3),
    "the next workflows": lambda one: one.workflows(
        "all_time", "ada", after=one.workflows("all_time", "ada", limit=3).next
    ),
    "more workflows than a page has": lambda one: one.workflows("all_time", "ada", limit=10_000),
    "too many workflows": lambda one: one.workflows("all_time", "ada", limit=10_001),
    "workflows after nothing": lambda one: one.workflows("all_time", "ada", after="x"),
    "the content of a workflow": lambda one: one.workflow("b/ö?#%2F ..", "b/ö?#%2F ..0").workflow,
    "the revision of a workflow": lambda one: one.workflow("ada", "ada0").revision,
    "a workflow that is not there": lambda one: one.workflow("ada", ".."),
    "a stale correction": lambda one: one.correct(made("ada0"), expected_revision=7),
    "an impossible correction": lambda one: one.correct(made("ada0"), expected_revision=-1),
    "a correction of nothing": lambda one: one.correct(made("none")),
    "a deletion of nothing": lambda one: one.delete("nobody", "none"),
    "an unknown alert": lambda one: one.dismiss_alert("1.2.3.4"),
    "a template": lambda one: one.tracking.template("QA", 1),
    "templates": lambda one: one.tracking.templates(),
    "an unknown template": lambda one: one.tracking.template("a/b"),
    "tracked work": lambda one: one.tracking.workflow("ada", "done"),
    "active work": lambda one: one.tracking.active("ada"),
    "a page of tracked work": lambda one: one.tracking.workflows("ada", state="completed", limit=1),
    "sessions": lambda one: one.tracking.sessions("ada", "done"),
    "a replayed completion": lambda one: one.tracking.complete("ada", "done"),
    "another completion": lambda one: one.tracking.complete("ada", "done", at=NOW),
    "work on what is done": lambda one: one.tracking.start_step("ada", "done", 0),
    "unknown work": lambda one: one.tracking.pause("ada", "none"),
    "a second session": lambda one: one.tracking.start_workflow("ada", "QA", "TK-1", workflow_id="second"),
    "an id that is taken": lambda one: one.tracking.start_workflow("ada", "QA", "TK-1", workflow_id="ada0"),
    "an unknown session": lambda one: one.tracking.confirm("1.2.3"),
    "a session that is no one": lambda one: one.tracking.correct("x", NOW),
    "a session that was not forgotten": lambda one: one.tracking.confirm(
        one.tracking.sessions("ada", "done")[0].id
    ),
    "a template without steps": lambda one: one.tracking.put_template("New", "Bug", []),
    "a template without a name": lambda one: one.tracking.put_template("", "Bug", ["A"]),
    "work in no zone": lambda one: one.tracking.start_workflow("bob", "QA", "TK", timezone="Mars/Olympus"),
    "work without an offset": lambda one: one.tracking.pause("ada", "running", at=datetime(2024, 6, 1)),
    "work in the future": lambda one: one.tracking.pause("ada", "running", at=NOW + timedelta(hours=1)),
}  # fmt: skip


def answer(call: Callable[[Any], object], one: Any) -> object:
    """Return what a call answers, or the class of its error with its message and what it carries."""
    try:
        return call(one)
    except TimestrataError as error:
        return type(error), str(error), error.__dict__


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS.keys())
def test_a_client_answers_what_the_library_answers(
    call: Callable[[Any], object], worked: History, client: Client
) -> None:
    wanted, found = answer(call, worked), answer(call, client)

    if isinstance(wanted, tuple) and isinstance(wanted[0], type):
        assert isinstance(found, tuple)
        assert found[0] is wanted[0]
        assert found[1] == wanted[1] or "Input should be" in found[1]
        assert found[2].keys() == wanted[2].keys()
        known = {name: value for name, value in found[2].items() if value is not None}
        assert _in_same_words(known) == {
            name: value for name, value in _in_same_words(wanted[2]).items() if name in known
        }
    else:
        assert found == wanted


def _in_same_words(values: dict[str, Any]) -> dict[str, Any]:
    """Return what an error carries but what it found and wanted, which are told in other words over HTTP."""
    return {name: value for name, value in values.items() if name not in ("found", "wanted")}


def test_a_long_list_is_fetched_page_by_page(history: History, client: Client) -> None:
    history.record([made(f"w{number}", estimated_seconds=100) for number in range(2100)])

    for limit in (1000, 1001, 2050, 5000):
        assert client.alerts(user_id="ada", limit=limit) == history.alerts(user_id="ada", limit=limit)
        assert client.workflows("all_time", "ada", limit=limit) == history.workflows("all_time", "ada", limit=limit)


def test_of_everybody_a_service_answers_as_far_as_it_can(client: Client) -> None:
    for call in (client.trend, client.daily, client.steps, client.alerts, client.workflows):
        with pytest.raises(InvalidRequest, match="user_id: found None, want a user"):
            call("all_time")


# ------------------------------------------------------------------------------------------------------------ errors


def test_every_error_of_the_library_is_known_by_its_code() -> None:
    for kind, (_, code) in TABLE.items():
        if code != "invalid_json":
            assert issubclass(KINDS[code].error, kind), code
    assert {kind.code for kind in TABLE.values()} == KINDS.keys()


@pytest.mark.parametrize(
    "error",
    [
        InvalidFact("steps[0].name", 5, "text"),
        errors.MissingField("user_id", "text"),
        InvalidRequest("limit", 0, "more"),
        errors.InvalidInput(7, "day", "is no day"),
        errors.BatchRejected(3, "w1", "conflict", "other content"),
        UnknownWorkflow("ada", "w1"),
        errors.UnknownAlert("1.2.3.4"),
        errors.UnknownTemplate("QA", 3),
        errors.UntrackedWorkflow("ada", "w1"),
        errors.UnknownSession("1.2.3"),
        errors.UnknownToken("0123"),
        errors.WorkflowExists("ada", "w1", "exists"),
        errors.WrongState("pause", "a paused session", "a running one"),
        errors.SessionRunning("ada", "w1"),
        errors.FactsSealed("ada", "w1", "no archive is configured"),
        errors.UnknownUser("ada"),
        errors.StaleRevision("ada", "w1", 3, 5),
        errors.SchemaNotReady("not ready"),
        errors.NewerSchema("3", "2"),
        errors.SettingsMismatch("timezone", "UTC", "Asia/Tokyo"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_an_error_arrives_as_what_it_was(error: TimestrataError, history: History) -> None:
    problem = problem_of(error, dialect_of(history.engine))
    document = json.loads(problem.body())

    found = error_of(problem.status, document, {"user_id": "ada", "workflow_id": "w1"})

    assert (type(found), str(found)) == (type(error), str(error))
    assert found.__dict__.keys() == error.__dict__.keys()
    if isinstance(found, errors.StaleRevision):
        assert (found.expected, found.current, found.workflow_id) == (3, 5, "w1")
    if isinstance(found, InvalidRequest):
        assert (found.argument, found.found, found.wanted) == ("limit", "0", "more")


def test_an_error_can_be_pickled_as_the_librarys_can(history: History, client: Client) -> None:
    import pickle

    with pytest.raises(UnknownWorkflow) as met:
        client.workflow("ada", "w1")

    again = pickle.loads(pickle.dumps(met.value))
    assert (str(again), again.workflow_id) == (str(met.value), "w1")


def test_what_only_a_service_refuses_has_its_code(history: History) -> None:
    with client_of(history, "read:own", user="ada") as client:
        client.averages("ada")
        with pytest.raises(ServiceRefused) as met:
            client.averages("bob")
    assert (met.value.status, met.value.code) == (403, "forbidden")
    with (
        transport_to(history) as transport,
        httpx2.Client(transport=transport) as http,
        pytest.raises(ServiceRefused) as met,
    ):
        Client(URL, TOKEN, http=http, wait=never).averages("ada")
    assert (met.value.status, met.value.code) == (401, "not_authenticated")


def test_too_many_requests_say_when_to_come_back() -> None:
    problem = {"code": "too_many_requests", "detail": "more than 5", "status": 429}
    with (
        client_answered_by(lambda _: httpx2.Response(429, json=problem, headers={"Retry-After": "17"})) as client,
        pytest.raises(ServiceRefused, match="more than 5") as met,
    ):
        client.averages("ada")

    assert met.value.retry_after_seconds == 17


@pytest.mark.parametrize(
    "given",
    [
        httpx2.Response(200, text="<html>Welcome</html>"),
        httpx2.Response(200, json=[]),
        httpx2.Response(200, json={"as_of": "2024-01-01"}),
        httpx2.Response(404, text="nothing here"),
        httpx2.Response(404, json=["nothing"]),
        httpx2.Response(404, json={"detail": "Not Found"}),
        httpx2.Response(301, headers={"Location": "http://elsewhere.test/"}),
        httpx2.Response(200, headers={"Content-Encoding": "gzip"}, stream=httpx2.ByteStream(b"no gzip")),
    ],
)
def test_what_is_no_service_is_told_as_such(given: httpx2.Response) -> None:
    with client_answered_by(lambda _: given) as client, pytest.raises(UnexpectedAnswer, match=URL):
        client.averages("ada")


# ---------------------------------------------------------------------------------------------------------- attempts


class Waits:
    """Takes note of how long it was to wait, and goes on at once."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)


class Flaky:
    """Answers from a list; an error in it is raised. Takes note of the requests."""

    def __init__(self, *answers: httpx2.Response | Exception) -> None:
        self._answers = list(answers)
        self.requests: list[httpx2.Request] = []

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        self.requests.append(request)
        answer = self._answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    @property
    def keys(self) -> list[str | None]:
        return [request.headers.get("Idempotency-Key") for request in self.requests]


OUTCOME = httpx2.Response(201, json={"status": "recorded", "user_id": "ada", "workflow_id": "w1", "revision": 1})


@pytest.mark.parametrize(
    "failure",
    [
        httpx2.Response(502, text="bad gateway"),
        httpx2.Response(503, json={"code": "database_unavailable", "detail": "gone"}),
        httpx2.Response(504),
        httpx2.ConnectError("refused"),
        httpx2.ReadTimeout("slow"),
        httpx2.RemoteProtocolError("broken off"),
    ],
)
def test_what_may_pass_is_tried_again_after_1_2_and_4_seconds(failure: httpx2.Response | Exception) -> None:
    service, waits = Flaky(failure, failure, failure, OUTCOME), Waits()

    with client_answered_by(service, wait=waits) as client:
        assert client.record(made("w1")).status == "recorded"

    assert waits.seconds == [1, 2, 4]
    assert len(set(service.keys)) == 1
    assert service.keys[0]
    assert len({request.content for request in service.requests}) == 1


@pytest.mark.parametrize(
    ("failure", "message"),
    [
        (httpx2.Response(503, json={"code": "database_unavailable", "detail": "the database is gone"}), "is gone"),
        (httpx2.Response(502, text="bad gateway"), "answers 502"),
        (httpx2.ConnectError("Connection refused"), f"cannot reach {URL}: Connection refused"),
        (httpx2.ReadTimeout(""), f"cannot reach {URL}: ReadTimeout"),
    ],
)
def test_what_does_not_pass_is_unavailable(failure: httpx2.Response | Exception, message: str) -> None:
    waits = Waits()
    with (
        client_answered_by(Flaky(*[failure] * 4), wait=waits) as client,
        pytest.raises(ServiceUnavailable, match=message) as met,
    ):
        client.averages("ada")

    assert waits.seconds == [1, 2, 4]
    assert isinstance(met.value, UnsupportedDatabase)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 412, 422, 429, 500, 501])
def test_what_will_not_pass_is_not_tried_again(status: int) -> None:
    service = Flaky(httpx2.Response(status, json={"code": "whatever", "detail": "no"}))

    with client_answered_by(service) as client, pytest.raises(ServiceRefused, match="no"):
        client.averages("ada")


def test_each_change_has_a_key_of_its_own_and_questions_have_none() -> None:
    service = Flaky(*[OUTCOME] * 2, httpx2.Response(500, json={"code": "internal_error"}))
    with client_answered_by(service) as client:
        client.record(made("w1"))
        client.record(made("w1"))
        with pytest.raises(ServiceRefused):
            client.averages("ada")

    assert len(set(service.keys[:2])) == 2
    assert service.keys[2] is None


def test_a_key_that_is_given_is_the_one_that_is_sent() -> None:
    service = Flaky(httpx2.Response(404, json={"code": "untracked_workflow", "detail": "not here"}))
    with client_answered_by(service) as client, pytest.raises(errors.UntrackedWorkflow):
        client.tracking.cancel("ada", "w1", key="my key")

    assert service.keys == ["my key"]


@contextmanager
def losing(history: History, losses: int) -> Iterator[tuple[Client, Waits]]:
    """Lend a client to whom the first answers to changes are lost, after the service has made them."""
    waits = Waits()
    with transport_to(history) as transport:

        def handle(request: httpx2.Request) -> httpx2.Response:
            nonlocal losses
            answer = transport.handle_request(request)
            if request.method != "GET" and losses:
                losses -= 1
                raise httpx2.ReadError("connection lost")
            return answer

        token = history.access.create_token("test", ["admin"]).secret
        with client_answered_by(handle, token, waits) as client:
            yield client, waits


def test_a_change_whose_answer_was_lost_is_made_once_and_answered(history: History) -> None:
    with losing(history, 2) as (client, waits):
        outcome = client.record(made("w1"))

    assert (outcome.status, outcome.revision) == ("recorded", 1)
    assert waits.seconds == [1, 2]
    assert history.summary("all_time").completed == 1


def test_a_lost_start_of_work_starts_it_once(history: History) -> None:
    history.tracking.put_template("QA", "Bug", ["A"])
    with losing(history, 1) as (client, _):
        started = client.tracking.start_workflow("ada", "QA", "TK-1")

    assert [one.workflow_id for one in history.tracking.active("ada")] == [started.workflow_id]


def test_a_lost_batch_is_sent_again_as_replays(history: History) -> None:
    with losing(history, 1) as (client, _):
        outcomes = client.record([made("w1"), made("w2")])

    assert [outcome.status for outcome in outcomes] == ["replayed", "replayed"]
    assert history.summary("all_time").completed == 2


def test_a_lost_correction_and_deletion_are_replays(history: History) -> None:
    history.record(made("w1"))
    with losing(history, 1) as (client, _):
        assert client.correct(made("w1", 700), expected_revision=1).status == "replayed"
    with losing(history, 1) as (client, _):
        assert client.delete("ada", "w1", expected_revision=2).status == "replayed"

    assert history.summary("all_time").completed == 0


def test_a_pause_of_long_ago_under_its_key_is_answered_as_it_was(history: History) -> None:
    history.tracking.put_template("QA", "Bug", ["A", "B"])
    with client_of(history) as client:
        tracking = client.tracking
        tracking.start_workflow("ada", "QA", "TK-1", workflow_id="w1")
        paused = tracking.pause("ada", "w1", key="k")
        tracking.start_step("ada", "w1", 1)
        before = history.tracking.workflow("ada", "w1")

        again = tracking.pause("ada", "w1", key="k")
        with pytest.raises(errors.KeyReused, match="'k'"):
            tracking.resume("ada", "w1", key="k")

    assert again == paused
    assert history.tracking.workflow("ada", "w1") == before


def test_a_change_without_a_revision_is_made_at_once_though_others_are_faster(history: History) -> None:
    history.record(made("w1"))
    sent = []
    with transport_to(history) as transport:

        def handle(request: httpx2.Request) -> httpx2.Response:
            sent.append(request.method)
            history.correct(made("w1", 700))
            return transport.handle_request(request)

        token = history.access.create_token("test", ["admin"]).secret
        with client_answered_by(handle, token) as client:
            outcome = client.correct(made("w1", 900))

    assert (outcome.status, outcome.revision) == ("corrected", 3)
    assert sent == ["PUT"]


def test_what_is_archived_is_corrected_and_deleted_as_by_the_library(store_url: str, tmp_path: Path) -> None:
    later, policy = NOW + timedelta(days=400), RetentionPolicy(60, archive=str(tmp_path / "archive"))
    with open_history(store_url, clock=lambda: NOW) as history:
        history.record([made("w1"), made("w2")], strict=True)
    with open_history(store_url, retention=policy, clock=lambda: later) as history:
        assert history.retention.run().completions == 2
        with client_of(history) as client:
            corrected = client.correct(made("w1", 900))
            deleted = client.delete("ada", "w2")

        assert (corrected.status, corrected.revision) == ("corrected", 2)
        assert (deleted.status, deleted.revision) == ("deleted", 2)
        assert history.summary("all_time").active_seconds == 900
        assert history.audit.verify().ok


# ---------------------------------------------------------------------------------------------------------- requests


def test_batches_of_a_thousand_are_sent_as_they_come(history: History) -> None:
    yielded, seen = 0, []
    with transport_to(history) as transport:

        def handle(request: httpx2.Request) -> httpx2.Response:
            seen.append((yielded, request.headers["Content-Type"], request.content.count(b"\n")))
            return transport.handle_request(request)

        def items() -> Iterator[Any]:
            nonlocal yielded
            for number in range(2500):
                yielded += 1
                yield {"user_id": "ada", "workflow_id": number} if number == 1234 else made(f"w{number}")

        token = history.access.create_token("test", ["admin"]).secret
        with client_answered_by(handle, token) as client:
            outcomes = client.record(items())

    stream = "application/x-ndjson"
    assert seen == [(1000, stream, 1000), (2000, stream, 999), (2500, stream, 500)]
    assert (outcomes.count("recorded"), outcomes.count("rejected")) == (2499, 1)
    assert outcomes.outcomes[1234] == history.record({"user_id": "ada", "workflow_id": 1234})
    assert outcomes.outcomes[1235].workflow_id == "w1235"


def test_what_is_no_workflow_is_not_sent() -> None:
    with client_answered_by(Flaky()) as client:
        outcome = client.record({"user_id": "ada", "steps": object()})
        several = client.record([5, "w1"])  # type: ignore[list-item]

    assert (outcome.status, outcome.user_id) == ("rejected", "ada")
    assert several.count("rejected") == 2


def test_a_conflict_is_an_outcome(history: History, client: Client) -> None:
    history.record(made("w1"))

    outcome = client.record(made("w1", 700))

    assert outcome == history.record(made("w1", 700))
    assert outcome.status == "conflict"


def test_another_users_workflow_is_refused_to_who_is_no_admin(history: History) -> None:
    with client_of(history, "write:own", "read:own", user="bob") as client:
        with pytest.raises(ServiceRefused, match="token"):
            client.record(made("w1"))
        outcomes = client.record([made("w1"), made("w2", user_id="bob")])

    assert [outcome.status for outcome in outcomes] == ["rejected", "recorded"]


def test_a_user_of_none_is_the_tokens(history: History) -> None:
    history.tracking.put_template("QA", "Bug", ["A", "B"])
    with client_of(history, "write:own", "read:own", user="bob") as client:
        tracking = client.tracking
        name = tracking.start_workflow(None, "QA", "TK-1").workflow_id
        tracking.pause(None, name)
        tracking.resume(None, name)
        tracking.start_step(None, name, 1)
        assert [one.user_id for one in tracking.active(None)] == ["bob"]
        assert tracking.workflows(None).workflows == (tracking.workflow(None, name),)
        assert len(tracking.sessions(None, name)) == 2
        assert tracking.complete(None, name).workflow.user_id == "bob"


def test_a_path_holds_any_id() -> None:
    service = Flaky(*[httpx2.Response(404, json={"code": "untracked_workflow"})] * 4)
    with client_answered_by(service) as client:
        for name in ("..", "a/b?c#d", "ö%2F", ""):
            with pytest.raises(errors.UntrackedWorkflow):
                client.tracking.workflow("a+b &", name)

    assert [request.url.raw_path.decode() for request in service.requests] == [
        f"/api/v1/workflows/{name}?user_id=a%2Bb+%26" for name in ("%2E%2E", "a%2Fb%3Fc%23d", "%C3%B6%252F", "%00")
    ]


def test_an_address_may_have_a_path() -> None:
    service = Flaky(OUTCOME)
    with httpx2.Client(transport=httpx2.MockTransport(service)) as http:
        Client("https://host.test/timestrata/", http=http).record(made("w1"))

    assert str(service.requests[0].url) == "https://host.test/timestrata/api/v1/time/completions"


@pytest.mark.parametrize("url", ["", "host", "ftp://host", "http://", "http://u:secret@host", "http://h?x=1", None, 5])
def test_an_address_that_is_none_is_refused(url: Any) -> None:
    with pytest.raises(InvalidRequest, match="url: found") as refusal:
        Client(url)

    assert "secret" not in str(refusal.value)


@pytest.mark.parametrize("key", ["", "ö", "a\nb", "x" * 256, 5])
def test_a_key_that_no_header_can_hold_is_refused(key: Any) -> None:
    with client_answered_by(Flaky()) as client, pytest.raises(InvalidFact, match="key: found"):
        client.tracking.cancel("ada", "w1", key=key)


# ------------------------------------------------------------------------------------------------------- the token


def test_the_token_is_in_the_header_and_nowhere_else() -> None:
    service = Flaky(*[httpx2.ConnectError("refused")] * 4)
    with client_answered_by(service, TOKEN, Waits()) as client, pytest.raises(ServiceUnavailable) as met:
        client.averages("ada")

    assert [request.headers["Authorization"] for request in service.requests] == [f"Bearer {TOKEN}"] * 4
    assert TOKEN not in f"{client!r} {vars(client)} {vars(client._requests)} {met.value!r} {met.value.__dict__}"
    assert met.value.__cause__ is None
    assert repr(client) == f"Client('{URL}')"


@pytest.mark.parametrize("token", ["", "timestrata_1_\nX: y", "secret ö", "secret token"])
def test_a_token_that_no_header_can_hold_is_refused_without_showing_it(token: str) -> None:
    with pytest.raises(InvalidRequest, match=r"token: found '\.\.\.'") as refusal:
        Client(URL, token)

    assert not token or token not in str(refusal.value)


# ------------------------------------------------------------------------------------------------------ the process


def test_threads_share_a_client(history: History) -> None:
    with client_of(history) as client, ThreadPoolExecutor(8) as pool:
        outcomes = list(pool.map(lambda number: client.record(made(f"w{number % 40}")), range(80)))

    assert sorted(outcome.status for outcome in outcomes) == ["recorded"] * 40 + ["replayed"] * 40
    assert history.summary("all_time").completed == 40


def test_a_client_of_its_own_connections_reaches_a_server(history: History) -> None:
    config = uvicorn.Config(create_app(history, Config(log_format=None)), log_config=None, lifespan="on")
    bound = config.bind_socket()
    bound.listen()  # so that a client that is faster than the server waits for it
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]})
    thread.start()
    try:
        token = history.access.create_token("test", ["admin"]).secret
        with Client(f"http://127.0.0.1:{bound.getsockname()[1]}", token, wait=never) as client:
            assert client.record([made("w1"), made("w2")]).count("recorded") == 2
            assert client.summary("all_time", "ada") == history.summary("all_time", "ada")
        client.close()
    finally:
        server.should_exit = True
        thread.join(30)
        bound.close()
    assert not thread.is_alive()


def test_a_client_of_lent_connections_leaves_them_open() -> None:
    with httpx2.Client(transport=httpx2.MockTransport(Flaky(OUTCOME))) as http:
        Client(URL, http=http).close()

        assert not http.is_closed


def test_the_client_is_loaded_when_it_is_asked_for() -> None:
    program = (
        "import sys, timestrata; assert 'httpx2' not in sys.modules; timestrata.Client; assert 'httpx2' in sys.modules"
    )

    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
    assert timestrata.Client is Client
    with pytest.raises(AttributeError, match="'timestrata' has no attribute 'Cleint'"):
        timestrata.Cleint  # noqa: B018


def test_without_the_extra_an_error_says_what_to_install(tmp_path: Path) -> None:
    (tmp_path / "httpx2.py").write_text("raise ImportError('No module named httpx2')\n")
    found = subprocess.run(
        [sys.executable, "-c", "from timestrata import Client"],
        capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(tmp_path)}, check=False,
    )  # fmt: skip

    assert "the client needs httpx2: pip install 'timestrata[client]'" in found.stderr


# ------------------------------------------------------------------------------------------------- the command line


class Commands:
    """The command line on a server, with a token of bob's."""

    def __init__(self, history: History, transport: httpx2.BaseTransport) -> None:
        self._secret = history.access.create_token("test", ["read:own", "write:own"], "bob").secret
        self._transport = transport
        self.now = NOW

    def __call__(self, *args: str, exit_code: int = 0, env: dict[str, str] | None = None) -> Result:
        machine = Machine(clock=lambda: self.now, zone=UTC, login=lambda: "nobody", connect=self._connect)
        options = ["--server", URL, "--token", self._secret] if env is None else []
        result = CliRunner().invoke(app, [*args, *options], obj=machine, env=env)
        assert result.exit_code == exit_code, result.output
        assert self._secret not in result.output
        return result

    def json(self, *args: str) -> Any:
        return json.loads(self(*args, "--json").stdout)

    def _connect(self, url: str, token: str | None) -> Client:
        return Client(url, token, http=httpx2.Client(transport=self._transport), wait=never)


@pytest.fixture
def commands(history: History) -> Iterator[Commands]:
    with transport_to(history) as transport:
        yield Commands(history, transport)


def test_a_whole_ticket_on_the_command_line_through_a_server(commands: Commands, history: History) -> None:
    commands("template", "put", "QA", "--type", "Bug", "--step", "Analyse=20min", "--step", "Test=40min")
    commands("start", "TK-1", "--template", "QA", "--workflow", "w1", "--at", "2h ago")
    commands("pause", "--at", "100min ago")
    commands("resume", "--at", "90min ago")
    commands("next", "--at", "85min ago")
    assert "Test running" in commands("status").stdout
    assert [one["step_name"] for one in commands.json("log")] == ["Test", "Analyse"]
    done = commands.json("complete", "--at", "20min ago")

    assert (done["status"], done["workflow"]["user_id"]) == ("recorded", "bob")
    assert [step["level"] for step in done["steps"]] == ["gap", "gap"]
    assert history.workflow("bob", "w1").workflow.active_seconds == 90 * 60
    assert commands.json("template", "list")[0]["name"] == "QA"


def test_the_server_and_the_token_may_stand_in_the_environment(commands: Commands) -> None:
    env = {"TIMESTRATA_SERVER": URL, "TIMESTRATA_TOKEN": commands._secret}

    assert commands("status", env=env).stdout == "No workflow of you is active.\n"


def test_what_a_server_refuses_is_told_with_an_exit_code(commands: Commands) -> None:
    commands("template", "put", "QA", "--type", "Bug", "--step", "A")

    for args, code, message in (
        (("start", "TK-1", "--template", "None"), 1, "does not exist"),
        (("start", "TK-1", "--template", "QA", "--user", "ada"), 1, "token"),
        (("template", "show", "None"), 1, "does not exist"),
        (("start", "TK-1", "--template", "QA", "--at", "2999-01-01 10:00"), 2, "at: found"),
    ):
        assert message in commands(*args, exit_code=code).stderr


def test_a_server_that_is_not_there_is_exit_code_3() -> None:
    def connect(url: str, token: str | None) -> Client:
        transport = httpx2.MockTransport(Flaky(*[httpx2.ConnectError("Connection refused")] * 4))
        return Client(url, token, http=httpx2.Client(transport=transport), wait=Waits())

    result = CliRunner().invoke(app, ["status", "--server", URL], obj=Machine(connect=connect))

    assert result.exit_code == 3
    assert result.stderr == f"error: cannot reach {URL}: Connection refused\n"


def test_outcomes_are_of_the_librarys_type(client: Client) -> None:
    assert type(client.record(made("w1"))) is Outcome
