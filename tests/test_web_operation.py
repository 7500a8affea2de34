"""What those who run the service see: health, readiness, metrics, logs."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from conftest import Server
from fastapi import APIRouter
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import make_url, text
from web_client import QUIET, Served, served

from timestrata import History, Outcome, __version__, open_history
from timestrata.web import Config


@pytest.fixture
def one(history: History) -> Iterator[Served]:
    with served(history) as one:
        yield one


def test_health_needs_no_token(one: Served) -> None:
    answer = one.anyone().get("/health")

    assert answer.status_code == 200
    assert answer.json() == {"status": "ok", "version": __version__, "verified": None}


def test_a_store_that_can_be_asked_is_ready(one: Served) -> None:
    answer = one.anyone().get("/ready")

    assert (answer.status_code, answer.json()) == (200, {"status": "ready"})


@pytest.fixture
def outage(backend: str, request: pytest.FixtureRequest, store_url: str, history: History) -> Callable[[], Any]:
    """A block in which the database is gone: its folder moved away; no connection allowed, and those there are cut."""

    @contextmanager
    def file_gone() -> Iterator[None]:
        folder = Path(str(make_url(store_url).database)).parent
        away = folder.rename(folder.with_name(f"{folder.name}-away"))
        history.engine.dispose()  # a connection that is open would go on reading the file where it is now
        yield
        away.rename(folder)

    @contextmanager
    def server_gone() -> Iterator[None]:
        server: Server = request.getfixturevalue(backend)
        name = make_url(store_url).database
        server._execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
        server._execute(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")
        yield
        server._execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")

    return file_gone if backend == "sqlite" else server_gone


def test_readiness_goes_and_comes_back_with_the_database(one: Served, outage: Callable[[], Any]) -> None:
    client = one.anyone()
    before = client.get("/ready").status_code

    with outage():
        while_gone = [client.get("/ready") for _ in range(3)]
        alive = client.get("/health").status_code
    after = client.get("/ready").status_code

    assert (before, [answer.status_code for answer in while_gone], alive, after) == (200, [503] * 3, 200, 200)
    assert while_gone[0].json()["code"] == "not_ready"
    assert int(while_gone[0].headers["retry-after"]) > 0


def test_connections_that_died_in_the_pool_say_nothing_of_the_database(one: Served, outage: Callable[[], Any]) -> None:
    one.anyone().get("/ready")
    with outage():
        pass

    assert one.anyone().get("/ready").status_code == 200


def test_an_absent_file_is_not_made_by_asking_for_it(tmp_path: Path) -> None:
    file = tmp_path / "store.db"
    with open_history(f"sqlite:///{file}") as history, served(history) as one:
        history.engine.dispose()
        file.unlink()

        answer = one.anyone().get("/ready")

        assert (answer.status_code, file.exists()) == (503, False)


def test_figures_are_told_while_the_database_is_gone(one: Served, outage: Callable[[], Any]) -> None:
    waits: list[float] = []
    one.history._wait = waits.append

    with outage():
        answer = one.anyone().get("/metrics")

    assert (answer.status_code, waits) == (200, [])
    assert "timestrata_workflows_total" in answer.text
    assert "timestrata_active_sessions" not in answer.text


def test_a_schema_of_another_version_is_not_ready(one: Served) -> None:
    with one.history.engine.connect() as connection, connection.begin():
        connection.execute(text("UPDATE ts_schema_version SET version_num = '9999'"))

    answer = one.anyone().get("/ready")

    assert answer.status_code == 503
    assert "9999" in answer.json()["detail"]


def test_an_outage_is_503_for_those_who_ask(one: Served, outage: Callable[[], Any], backend: str) -> None:
    waits: list[float] = []
    one.history._wait = waits.append
    client = one.client("admin")

    with outage():
        answer = client.get("/api/v1/events")

    assert requests(one, "GET", "/api/v1/events", 503) == 1
    assert (answer.status_code, answer.json()["code"]) == (503, "database_unavailable")
    assert int(answer.headers["retry-after"]) > 0
    assert waits == ([1, 2, 4] if backend == "postgresql" else [])  # an absent file is not waited for


# ------------------------------------------------------------------------------------------------------------ metrics


def figures(one: Served) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    found = one.anyone().get("/metrics").text
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(found)
        for sample in family.samples
        if not sample.name.endswith(("_created", "_bucket"))
    }


def requests(one: Served, method: str, route: str, status: int) -> float:
    labels = (("method", method), ("route", route), ("status", str(status)))
    return figures(one).get(("timestrata_http_requests_total", labels), 0)


def test_requests_are_counted_by_the_template_of_their_route(one: Served) -> None:
    router = APIRouter(prefix="/api/v1/probe")

    @router.get("/of/{user_id}")
    async def read(user_id: str) -> dict[str, str]:
        return {}

    one.app.include_router(router)
    client = one.client("admin")
    for user in ("ana", "ben", "a%2Fb"):
        client.get(f"/api/v1/probe/of/{user}")

    assert requests(one, "GET", "/api/v1/probe/of/{user_id}", 200) == 3


def test_what_leads_nowhere_has_one_label_for_all(one: Served) -> None:
    for path in ("/ana", "/ben", "/%00"):
        one.anyone().request("BREW", path)

    assert requests(one, "OTHER", "unmatched", 404) == 3


def test_refusals_are_counted_too(one: Served) -> None:
    one.anyone().get("/api/v1/events")
    one.anyone().get("/api/v1/time/history/ana")
    one.anyone().post("/health")

    assert requests(one, "GET", "/api/v1/events", 401) == 1
    assert requests(one, "GET", "/api/v1/time/history/{user_id}", 401) == 1
    assert requests(one, "POST", "/health", 405) == 1


def test_no_label_names_a_user_or_a_token(one: Served) -> None:
    client = one.client("admin", user="ana-lena")
    client.get("/api/v1/time/history/ana-lena?days=30")
    client.get("/ana-lena")

    text = one.anyone().get("/metrics").text

    assert "ana-lena" not in text
    assert one.history.access.tokens()[0].token_id not in text
    labels = {name for family in text_string_to_metric_families(text) for s in family.samples for name in s.labels}
    assert labels <= {"method", "route", "status", "le", "outcome", "job"}


def test_outcomes_are_counted(one: Served) -> None:
    statuses = ("recorded", "recorded", "replayed", "conflict", "rejected", "deleted")
    one.service.metrics.count_outcomes([Outcome(status, "ana", "wf-1") for status in statuses])  # type: ignore[arg-type]

    found = {
        labels[0][1]: value for (name, labels), value in figures(one).items() if name == "timestrata_workflows_total"
    }
    assert found == {"recorded": 2, "replayed": 1, "conflicts": 1, "rejected": 1}


def test_latency_is_observed_but_not_of_streams(one: Served) -> None:
    one.anyone().get("/health")

    found = figures(one)

    assert found["timestrata_http_request_seconds_count", (("method", "GET"), ("route", "/health"))] == 1


def test_sessions_that_run_are_told(one: Served) -> None:
    assert figures(one)["timestrata_active_sessions", ()] == 0

    one.history.tracking.put_template("QA", "Bug", ["Test"])
    one.history.tracking.start_workflow("ana", "QA", "TK-1")

    assert figures(one)["timestrata_active_sessions", ()] == 1


# --------------------------------------------------------------------------------------------------------------- logs


@pytest.fixture
def log() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def logged(history: History, log: io.StringIO) -> Iterator[Served]:
    with served(history, replace(QUIET, log_format="json", log_file=log, log_within_seconds=0)) as one:
        yield one


def lines(log: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in log.getvalue().splitlines()]


def test_a_request_is_one_line_with_its_id(logged: Served, log: io.StringIO) -> None:
    client = logged.client("admin")

    answer = client.get("/nothing?key=hunter2", headers={"X-Request-ID": "trace-1"})

    [line] = lines(log)
    assert answer.headers["x-request-id"] == "trace-1"
    assert (line["event"], line["request_id"], line["method"], line["status"]) == ("request", "trace-1", "GET", 404)
    assert (line["path"], line["route"], line["level"]) == ("/nothing", "unmatched", "info")


@pytest.mark.parametrize("given", [None, "", "x" * 65, "a b", "é", 'a"b', "a\tb"])
def test_an_id_that_cannot_be_used_is_replaced(logged: Served, given: str | None) -> None:
    headers = {} if given is None else {"X-Request-ID": given.encode()}

    found = logged.anyone().get("/health", headers=headers).headers["x-request-id"]

    assert re.fullmatch(r"[0-9a-f]{16}-[0-9a-f]+", found)


def test_the_line_of_a_request_names_the_token_by_its_id(logged: Served, log: io.StringIO) -> None:
    made = logged.history.access.create_token("ci", ["read:own"], "ana")
    logged.bearer(made.secret).get("/api/v1/nothing")

    assert lines(log)[-1]["token"] == made.token.token_id


def test_no_secret_is_ever_logged(logged: Served, log: io.StringIO) -> None:
    made = logged.history.access.create_token("ci", ["admin"])
    login = logged.history.access.create_login()
    router = APIRouter(prefix="/api/v1")

    @router.get("/broken")
    async def broken(key: str = "") -> None:
        secret = made.secret
        raise RuntimeError(f"failed with {len(secret)}")

    logged.app.include_router(router)
    browser = logged.anyone()
    browser.get(f"/login?key={login}")
    cookie = browser.asynchronous.cookies["timestrata_session"]
    browser.get("/api/v1/events/nothing?key=hunter2")
    logged.bearer(made.secret).get("/api/v1/broken?key=hunter2")
    logged.bearer(made.secret[:-3] + "xyz").get("/api/v1/broken")

    text = log.getvalue()
    assert "RuntimeError" in text
    for secret in (made.secret, made.secret[24:], login, cookie, cookie[24:], "hunter2"):
        assert secret not in text


def test_an_error_of_ours_is_logged_with_its_request(logged: Served, log: io.StringIO) -> None:
    router = APIRouter()

    @router.get("/broken")
    async def broken() -> None:
        raise ZeroDivisionError("ours")

    logged.app.include_router(router)
    answer = logged.anyone().get("/broken")

    failed, request = lines(log)
    assert failed["request_id"] == request["request_id"] == answer.headers["x-request-id"]
    assert (failed["level"], request["status"]) == ("error", 500)
    assert failed["exception"][0]["exc_type"] == "ZeroDivisionError"


def test_machines_that_watch_do_not_fill_the_log(logged: Served, log: io.StringIO) -> None:
    for path in ("/health", "/ready", "/metrics"):
        logged.anyone().get(path)

    assert lines(log) == []


def test_logs_can_be_read_by_people(history: History, log: io.StringIO) -> None:
    with served(history, Config(log_format="pretty", log_file=log, log_within_seconds=0)) as one:
        one.anyone().get("/nothing")

    assert re.search(r"\[info *\] request .*status=404", log.getvalue())
