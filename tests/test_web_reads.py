"""Figures over HTTP: those of the library, never older than the last commit, and only for who may see them."""

from __future__ import annotations

import re
import select
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import httpx2
import pytest
from conftest import NOW, reopened
from facts_made import at, made, session
from sqlalchemy import text
from web_client import QUIET, Client, Served, served

from timestrata import DateRange, History, StepTime, open_history
from timestrata.answers import GROUPS
from timestrata.calendar import PRESETS
from timestrata.formats.result_json import document
from timestrata.history import Revision

HOSTILE = (
    "a/b",
    "a%2Fb",
    "100%",
    "a?b=c",
    "a#b",
    "o\"neil'; --",
    "مرحبا\u202e",
    "用户 🧪",
    "a b",
    "é" * 255,
    "+&=",
)
MINE = "/api/v1/time/history/ada"


def days(first: str | None, last: str | None) -> DateRange:
    return DateRange.parse(first, last)


@pytest.fixture
def filled(history: History) -> History:
    """Forty days of two people, with alerts, steps and sessions."""
    steps = (StepTime(0, "Test", 900, 600), StepTime(1, "Fix", 300))
    facts = [
        made(
            f"w{number}",
            user_id="ada" if number % 3 else "bob",
            completed_at=NOW - timedelta(days=number, hours=number % 5),
            ticket_type=("Bug", "Feature")[number % 2],
            estimated_seconds=(None, 900, 2000)[number % 3],
            steps=steps if number % 2 else (StepTime(0, "Build", 60 * number),),
            template=("QA", "Release")[number % 2],
        )
        for number in range(40)
    ]
    night = made("night", completed_at=NOW, steps=(StepTime(0, "Test", sessions=(session("2024-06-14T23:30", 3600),)),))
    history.record([*facts, night])
    return history


@pytest.fixture
def service(filled: History) -> Iterator[Served]:
    with served(filled) as one:
        yield one


@pytest.fixture
def ada(service: Served) -> Client:
    return service.client("read:own", "write:own", user="ada")


@pytest.fixture
def everyone(service: Served) -> Client:
    return service.client("read:all")


# ------------------------------------------------------------------------------------------------------- the figures

Call = Callable[[History], object]
JUNE = days("2024-06-01", "2024-06-14")

QUESTIONS: list[tuple[str, Call]] = [
    ("", lambda h: h.summary("last_30_days", "ada")),
    ("?ticket_type=Bug", lambda h: h.summary("last_30_days", "ada", "Bug")),
    ("?from=2024-06-01&to=2024-06-14", lambda h: h.summary(JUNE, "ada")),
    ("?from=2024-06-01", lambda h: h.summary(days("2024-06-01", None), "ada")),
    ("?to=2024-06-01", lambda h: h.summary(days(None, "2024-06-01"), "ada")),
    *((f"?range={name}", lambda h, name=name: h.summary(name, "ada")) for name in PRESETS),
    ("?days=10", lambda h: h.summary(days("2024-06-06", "2024-06-15"), "ada")),
    ("?days=1", lambda h: h.summary("today", "ada")),
    ("?days=36600", lambda h: h.summary(days("1924-04-02", "2024-06-15"), "ada")),
    ("?period=7d", lambda h: h.summary("last_7_days", "ada")),
    ("?period=30d", lambda h: h.summary("last_30_days", "ada")),
    ("?period=90d", lambda h: h.summary("last_90_days", "ada")),
    ("?period=1y", lambda h: h.summary("last_12_months", "ada")),
    ("/trend", lambda h: h.trend("last_30_days", "week", "ada")),
    (
        "/trend?range=all_time&bucket=day&by=ticket_type&measure=worked_seconds&ticket_type=Bug",
        lambda h: h.trend("all_time", "day", "ada", by="ticket_type", measure="worked_seconds", ticket_type="Bug"),
    ),
    ("/averages", lambda h: h.averages("ada")),
    ("/averages?as_of=2024-06-01", lambda h: h.averages("ada", at("2024-06-01T00:00").date())),
    ("/alerts", lambda h: h.alert_page("last_30_days", "ada")),
    (
        "/alerts?state=all&kind=step&ticket_type=Feature&limit=3&range=all_time",
        lambda h: h.alert_page("all_time", "ada", dismissed=None, kind="step", ticket_type="Feature", limit=3),
    ),
    ("/alerts?state=dismissed", lambda h: h.alert_page("last_30_days", "ada", dismissed=True)),
    ("/daily?ticket_type=Feature", lambda h: h.daily("last_30_days", "ada", "Feature")),
    ("/steps", lambda h: h.steps("last_30_days", None, "ada")),
    ("/steps?longest=2&range=all_time", lambda h: h.steps("all_time", None, "ada", longest=2)),
    ("/steps?template=QA&range=all_time", lambda h: h.steps("all_time", "QA", "ada")),
    ("/workflows", lambda h: h.workflows("last_30_days", "ada")),
    (
        "/workflows?days=20&limit=2&ticket_type=Bug",
        lambda h: h.workflows(days("2024-05-27", "2024-06-15"), "ada", "Bug", limit=2),
    ),
]


@pytest.mark.parametrize(("url", "call"), QUESTIONS, ids=[url or "summary" for url, _ in QUESTIONS])
def test_the_figures_are_those_of_the_library(ada: Client, filled: History, url: str, call: Call) -> None:
    first, again = ada.get(MINE + url), ada.get(MINE + url)

    assert first.status_code == 200, first.text
    assert first.json() == again.json() == document(call(filled))


GROUPINGS: list[tuple[str, Call]] = [
    ("", lambda h: h.aggregations("last_30_days", "user")),
    *((f"?group={name}", lambda h, name=name: h.aggregations("last_30_days", name)) for name in GROUPS),
    (
        "?group=week&sub_group=step&template=QA&fill_gaps=true&range=all_time&user_id=bob",
        lambda h: h.aggregations("all_time", "week", "step", "bob", template="QA", fill_gaps=True),
    ),
    (
        "?group=template&sub_group=month&ticket_type=Bug&days=20",
        lambda h: h.aggregations(days("2024-05-27", "2024-06-15"), "template", "month", ticket_type="Bug"),
    ),
    ("?group=user&limit=1", lambda h: h.aggregations("last_30_days", "user", limit=1)),
]


@pytest.mark.parametrize(("url", "call"), GROUPINGS, ids=[url or "default" for url, _ in GROUPINGS])
def test_the_groups_are_those_of_the_library(everyone: Client, filled: History, url: str, call: Call) -> None:
    answer = everyone.get("/api/v1/time/aggregations" + url)

    assert answer.status_code == 200, answer.text
    assert answer.json() == document(call(filled))


@pytest.mark.parametrize(
    ("url", "call"),
    [
        ("", lambda h: h.overview()),
        ("?period=7d&user_id=ada", lambda h: h.overview("last_7_days", "ada")),
        (
            "?range=all_time&ticket_type=Bug&by=template",
            lambda h: h.overview("all_time", ticket_type="Bug", by="template"),
        ),
        ("?days=3", lambda h: h.overview(days("2024-06-13", "2024-06-15"))),
    ],
    ids=["default", "period", "filtered", "days"],
)
def test_the_dashboard_is_the_overview_of_the_library(everyone: Client, filled: History, url: str, call: Call) -> None:
    assert everyone.get("/api/v1/dashboard" + url).json() == document(call(filled))


@pytest.mark.parametrize("name", HOSTILE, ids=ascii)
def test_any_id_can_be_asked_about(service: Served, filled: History, name: str) -> None:
    filled.record(made("w", user_id=name, completed_at=NOW))
    client = service.client("read:own", user=name)

    for _ in range(2):
        answer = client.get(f"/api/v1/time/history/{quote(name, safe='')}")
        assert (answer.status_code, answer.json()["user_id"], answer.json()["completed"]) == (200, name, 1)
        assert client.get("/api/v1/time/aggregations", params={"user_id": name}).json()["groups"][0]["name"] == name


@pytest.mark.parametrize("path", ["%00", "%ED%A0%80", "a%00b"])
def test_an_id_that_nobody_can_have_finds_nothing(everyone: Client, path: str) -> None:
    answer = everyone.get(f"/api/v1/time/history/{path}")

    assert answer.status_code in (200, 404), answer.text
    assert answer.status_code == 404 or answer.json()["completed"] == 0


def test_text_that_nothing_has_is_no_error(everyone: Client) -> None:
    hostile = {"ticket_type": "\0", "template": "\0", "user_id": "\0"}
    for name, value in hostile.items():
        for group in ("user", "template"):
            answer = everyone.get("/api/v1/time/aggregations", params={"group": group, name: value})
            assert (answer.status_code, answer.json()["groups"]) == (200, [])


# ------------------------------------------------------------------------------------------------------------ ranges


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("from=2024-01-01&range=today", "range"),
        ("to=2024-01-01&days=3", "days"),
        ("range=today&days=3", "days"),
        ("days=3&period=7d", "period"),
        ("from=2024-01-01&to=2024-02-01&period=7d", "period"),
        ("from=2024-02-01&to=2024-01-31", "to"),
        ("from=2024-02-30", "from"),
        ("from=", "from"),
        ("to=20240101", "to"),
        ("from=2024-01-01T00:00:00Z", "from"),
        ("range=last_week_or_so", "range"),
        ("range=", "range"),
        ("days=0", "days"),
        ("days=36601", "days"),
        ("days=ten", "days"),
        ("period=2d", "period"),
        ("from=%00", "from"),
        ("from=%F0%9F%A7%AA", "from"),
    ],
)
def test_a_range_that_cannot_be_used_is_a_problem_that_names_it(ada: Client, query: str, field: str) -> None:
    for route in ("", "/trend", "/alerts", "/daily", "/steps", "/workflows"):
        answer = ada.get(f"{MINE}{route}?{query}")

        assert answer.status_code == 422, (route, answer.text)
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["field"] == field


@pytest.mark.parametrize(
    ("url", "field"),
    [
        ("/trend?bucket=hour", "bucket"),
        ("/trend?by=user", "by"),
        ("/trend?measure=joy", "measure"),
        ("/trend?bucket=day&from=0001-01-01", "dates"),
        ("/averages?as_of=soon", "as_of"),
        ("/alerts?state=closed", "state"),
        ("/alerts?limit=0", "limit"),
        ("/alerts?limit=1001", "limit"),
        ("/alerts?after=x", "after"),
        ("/workflows?after=x", "after"),
    ],
)
def test_an_argument_that_cannot_be_used_is_a_problem(ada: Client, url: str, field: str) -> None:
    answer = ada.get(MINE + url)

    assert (answer.status_code, answer.json()["field"]) == (422, field)


def test_the_days_end_on_the_persons_own_today(service: Served, filled: History) -> None:
    filled.set_timezone("ada", "Pacific/Kiritimati")  # where it is 16 June already
    client = service.client("read:own", user="ada")

    assert client.get(f"{MINE}?days=2").json()["dates"] == {"from": "2024-06-15", "to": "2024-06-16"}
    assert client.get(f"{MINE}?period=7d").json()["dates"] == {"from": "2024-06-10", "to": "2024-06-16"}


# ------------------------------------------------------------------------------------------------------------- pages


@pytest.mark.parametrize(("route", "items"), [("/workflows", "workflows"), ("/alerts", "alerts")])
def test_pages_hold_everything_once_and_in_order(ada: Client, route: str, items: str) -> None:
    whole = ada.get(f"{MINE}{route}?range=all_time&limit=1000").json()
    found: list[Any] = []
    query: dict[str, Any] = {"range": "all_time", "limit": 4}
    while True:
        page = ada.get(MINE + route, params=query).json()
        found += page[items]
        if page["next"] is None:
            break
        query["after"] = page["next"]

    assert found == whole[items]
    assert whole["next"] is None
    assert len(found) > 8


# ------------------------------------------------------------------------------------------------- who may see what


def test_a_person_sees_themself_and_nobody_else(ada: Client) -> None:
    for route in ("", "/trend", "/averages", "/alerts", "/daily", "/steps", "/workflows"):
        assert ada.get(MINE + route).status_code == 200
        assert ada.get(f"/api/v1/time/history/bob{route}").status_code == 403
    for route in ("/api/v1/time/aggregations", "/api/v1/dashboard"):
        assert ada.get(f"{route}?user_id=bob").status_code == 403


def test_without_a_name_it_is_everyone_or_oneself(ada: Client, everyone: Client, filled: History) -> None:
    own = document(filled.overview("last_30_days", "ada"))

    assert ada.get("/api/v1/dashboard").json() == own
    assert everyone.get("/api/v1/dashboard").json() == document(filled.overview())
    assert ada.get("/api/v1/dashboard").json() == own
    assert [group["name"] for group in ada.get("/api/v1/time/aggregations").json()["groups"]] == ["ada"]
    assert len(everyone.get("/api/v1/time/aggregations").json()["groups"]) == 2


def test_a_token_that_only_writes_reads_nothing(service: Served) -> None:
    writer = service.client("write:own", user="ada")

    for url in (MINE, "/api/v1/time/aggregations", "/api/v1/dashboard"):
        assert writer.get(url).status_code == 403


def test_a_token_of_nobody_without_the_right_to_all_is_refused(service: Served, everyone: Client) -> None:
    everyone.get("/api/v1/dashboard")

    assert service.bearer("timestrata_000000000000_" + "x" * 43).get("/api/v1/dashboard").status_code == 401
    assert service.anyone().get("/api/v1/dashboard").status_code == 401


def test_what_one_token_was_answered_is_not_answered_to_another(service: Served, everyone: Client) -> None:
    bob = service.client("read:own", user="bob")
    for _ in range(3):
        assert everyone.get(MINE).status_code == 200

    assert bob.get(MINE).status_code == 403
    assert bob.get("/api/v1/dashboard").json()["user_id"] == "bob"


def test_a_token_that_was_revoked_is_answered_nothing(filled: History) -> None:
    now = [0.0]
    with served(filled, replace(QUIET, monotonic=lambda: now[0])) as service:
        made_now = filled.access.create_token("x", ["read:own"], "ada")
        client = service.bearer(made_now.secret)
        assert [client.get(MINE).status_code for _ in range(3)] == [200] * 3

        filled.access.revoke(made_now.token.token_id)
        now[0] += service.service.config.token_kept_seconds

        assert client.get(MINE).status_code == 401


# ------------------------------------------------------------------------------------------------------- nothing old


def same(one: httpx2.Response, other: httpx2.Response) -> None:
    """Assert that two answers do not differ but in their ids."""
    unlike = {"x-request-id"}
    assert one.status_code == other.status_code
    assert one.content == other.content
    assert {k: v for k, v in one.headers.items() if k not in unlike} == {
        k: v for k, v in other.headers.items() if k not in unlike
    }


@pytest.mark.parametrize("encoding", ["gzip", "identity", "br, gzip;q=0.5"])
def test_an_answer_that_was_kept_is_the_answer_of_the_route(ada: Client, encoding: str) -> None:
    for url in (MINE, f"{MINE}/alerts?state=dismissed", f"{MINE}/trend?bucket=day&by=ticket_type&period=1y"):
        by_route, kept, kept_again = (ada.get(url, headers={"accept-encoding": encoding}) for _ in range(3))

        same(by_route, kept)
        same(by_route, kept_again)
        assert by_route.headers["cache-control"] == "private, no-cache"
        known = {"if-none-match": by_route.headers["etag"]}
        assert ada.get(url, headers=known).status_code == 304
        assert ada.get(url, headers={"if-none-match": 'W/"other"'}).status_code == 200


def test_answers_are_compressed(ada: Client) -> None:
    for _ in range(3):
        answer = ada.get(MINE, headers={"accept-encoding": "gzip"})
        assert answer.headers["content-encoding"] == "gzip"
        assert int(answer.headers["content-length"]) < len(answer.content)


def test_a_kept_answer_is_counted_under_its_route(ada: Client, service: Served) -> None:
    for _ in range(3):
        ada.get(MINE)

    counts = service.service.metrics.exposition(()).decode()
    found = re.search(r'timestrata_http_requests_total\{method="GET",route="([^"]*)",status="200"\} 3.0', counts)
    assert found is not None
    assert found[1] == "/api/v1/time/history/{user_id}"


def test_no_answer_is_older_than_a_commit_of_another_process(service: Served, ada: Client, store_url: str) -> None:
    completed = ada.get(f"{MINE}?range=all_time").json()["completed"]
    with reopened(store_url) as other:
        for number in range(25):
            other.record(made(f"new{number}", completed_at=NOW))
            etag = ""
            for _ in range(2):
                answer = ada.get(f"{MINE}?range=all_time", headers={"if-none-match": etag} if etag else {})
                if not etag:
                    assert answer.json()["completed"] == completed + number + 1
                    etag = answer.headers["etag"]
                else:
                    assert answer.status_code == 304


def test_no_answer_is_older_than_a_commit_of_this_process(service: Served, ada: Client, filled: History) -> None:
    for number in range(5):
        filled.record(made("same", number, completed_at=NOW) if number == 0 else made(f"n{number}", completed_at=NOW))
        before = ada.get(MINE).json()["completed"]
        filled.delete("ada", "same" if number == 0 else f"n{number}")
        assert ada.get(MINE).json()["completed"] == before - 1
        filled.correct(made("w1", 1000 + number, completed_at=NOW))
        assert ada.get(MINE).json()["min_seconds"] == filled.summary("last_30_days", "ada").min_seconds


def test_requests_at_the_same_time_see_what_was_committed_before(service: Served, ada: Client, store_url: str) -> None:
    urls = [MINE, f"{MINE}/workflows", "/api/v1/dashboard?user_id=ada", f"{MINE}?days=5"] * 8
    with reopened(store_url) as other:
        for number in range(5):
            other.record(made(f"new{number}", completed_at=NOW))
            revision = other.revisions(["ada"])["ada"].number

            found = ada.together(*(("GET", url, {}) for url in urls))

            assert {answer.json()["coverage"]["revision"] for answer in found} == {revision}


def test_a_dismissal_is_seen_at_once(ada: Client, service: Served) -> None:
    url = f"{MINE}/alerts?range=all_time"
    before = ada.get(url)
    ada.get(url)
    alert = before.json()["alerts"][0]

    assert ada.post(f"/api/v1/time/alerts/{alert['id']}/dismiss").json() == {
        **alert,
        "dismissed_at": "2024-06-15T12:00:00Z",
    }
    after = ada.get(url, headers={"if-none-match": before.headers["etag"]})
    assert after.status_code == 200
    assert alert not in after.json()["alerts"]

    assert ada.post(f"/api/v1/time/alerts/{alert['id']}/restore").json() == alert
    assert ada.get(url).json()["alerts"] == before.json()["alerts"]


def test_another_time_zone_is_another_today(ada: Client, filled: History) -> None:
    before = ada.get(f"{MINE}?range=today")
    ada.get(f"{MINE}?range=today")

    filled.set_timezone("ada", "Pacific/Kiritimati")

    after = ada.get(f"{MINE}?range=today", headers={"if-none-match": before.headers["etag"]})
    assert (after.status_code, after.json()["dates"]["from"]) == (200, "2024-06-16")


def test_at_midnight_begins_another_today(store_url: str) -> None:
    now = [datetime(2024, 6, 15, 23, 59, 59, tzinfo=UTC)]
    with open_history(store_url, clock=lambda: now[0]) as history:
        history.record(made("w", completed_at=now[0]))
        with served(history) as service:
            client = service.client("read:own", "read:all", user="ada")
            urls = (f"{MINE}?range=today", "/api/v1/dashboard?range=today", "/api/v1/time/aggregations?days=1")
            before = [client.get(url) for url in urls]
            again = [
                client.get(url, headers={"if-none-match": one.headers["etag"]})
                for url, one in zip(urls, before, strict=True)
            ]
            assert [answer.status_code for answer in again] == [304] * 3

            now[0] += timedelta(seconds=1)

            for url, one in zip(urls, before, strict=True):
                after = client.get(url, headers={"if-none-match": one.headers["etag"]})
                assert (after.status_code, after.json()["dates"]["from"]) == (200, "2024-06-16")


def test_what_is_not_kept_is_computed_again(filled: History) -> None:
    with served(filled, replace(QUIET, answers_kept_bytes=0)) as service:
        client = service.client("read:own", user="ada")

        for _ in range(3):
            assert client.get(MINE).json() == document(filled.summary("last_30_days", "ada"))


# ------------------------------------------------------------------------------------------------------- lookups


def asked(history: History, users: list[str | None]) -> dict[str | None, Revision]:
    """Return what a Watch says, waiting for it as an event loop would."""
    watch = history.watch()
    assert watch is not None
    try:
        watch.ask(users)
        while (found := watch.answer()) is None:
            select.select([watch.fileno()], [], [], 10)
        return found
    finally:
        watch.close()


NAMES: list[str | None] = ["ada", "bob", "nobody", None, "a'; --", '{"x",}', "\\", "\0", "\ud800", "用户 🧪", ""]


def test_a_watch_says_what_revisions_says(filled: History) -> None:
    filled.record(made("w", user_id="用户 🧪"))
    filled.record(made("w", user_id="\\"))
    filled.set_timezone("bob", "Pacific/Kiritimati")

    assert asked(filled, NAMES) == filled.revisions(NAMES)
    assert asked(filled, ["bob"]) == filled.revisions(["bob"])
    assert asked(filled, [None]) == filled.revisions([None])


def test_a_watch_sees_every_commit(filled: History, store_url: str) -> None:
    watch = filled.watch()
    assert watch is not None
    with reopened(store_url) as other:
        for number in range(20):
            for writer in (filled, other):
                writer.record(made(f"{number}{writer is other}"))
                watch.ask(["ada", None])
                while (found := watch.answer()) is None:
                    select.select([watch.fileno()], [], [], 10)
                assert found == other.revisions(["ada", None])
    watch.close()


def test_a_database_in_memory_has_no_watch_and_is_served_all_the_same() -> None:
    with open_history("sqlite://", clock=lambda: NOW) as history:
        assert history.watch() is None
        history.record(made("w", completed_at=NOW))
        with served(history) as service:
            client = service.client("read:own", user="ada")
            assert [client.get(MINE).json()["completed"] for _ in range(3)] == [1, 1, 1]


def test_a_lost_connection_is_replaced(service: Served, ada: Client, filled: History, backend: str) -> None:
    ada.get(MINE)
    for number in range(2):
        watch = service.service.lookup._watch
        assert watch is not None
        if backend == "sqlite":
            watch.close()
        else:
            raw = watch._watch._connection  # type: ignore[attr-defined]
            with filled.engine.begin() as connection:
                connection.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": raw.info.backend_pid})
        filled.record(made(f"new{number}", completed_at=NOW))

        assert ada.get(MINE).json() == document(filled.summary("last_30_days", "ada"))
        assert ada.get(MINE).status_code == 200
        assert service.service.lookup._watch not in (watch, None)


# -------------------------------------------------------------------------------------------------------------- alerts


def test_alerts_are_dismissed_by_their_own_person_or_an_admin(service: Served, ada: Client, filled: History) -> None:
    def post(client: Client, alert: str, verb: str = "dismiss") -> int:
        return client.post(f"/api/v1/time/alerts/{quote(alert, safe='')}/{verb}").status_code

    mine, theirs = (filled.alerts(user_id=user)[0].id for user in ("ada", "bob"))
    admin, reader = service.client("admin"), service.client("read:all")
    own_number = mine.partition(".")[0]

    assert [post(ada, mine), post(ada, mine), post(ada, mine, "restore")] == [200, 200, 200]
    assert [post(admin, theirs), post(admin, theirs, "restore")] == [200, 200]
    assert [post(reader, mine), post(ada, theirs), post(ada, theirs, "restore")] == [403, 403, 403]
    assert filled.alerts(dismissed=True) == ()
    assert post(ada, f"{own_number}.0.1.0") == 404
    for unknown in ("99999.0.1.0", "x", "1/2", "0", "\u202e"):
        assert (post(ada, unknown), post(admin, unknown)) == (403, 404)


def test_the_routes_are_described(ada: Client) -> None:
    paths = ada.get("/openapi.json").json()["paths"]

    for route in ("", "/trend", "/averages", "/alerts", "/daily", "/steps", "/workflows"):
        names = {each["name"] for each in paths[f"/api/v1/time/history/{{user_id}}{route}"]["get"]["parameters"]}
        assert names >= ({"as_of"} if route == "/averages" else {"from", "to", "range", "days", "period"})
