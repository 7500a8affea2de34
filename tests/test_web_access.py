"""Who is let in over HTTP: tokens, cookies, logins; and what each of them may ask for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Annotated

import httpx2
import pytest
from conftest import NOW
from fastapi import APIRouter, Query, Response
from sqlalchemy import event
from web_client import QUIET, Served, served

from timestrata import open_history
from timestrata.web import wire
from timestrata.web.callers import Reads, Writes
from timestrata.web.paths import PathId

router = APIRouter(prefix="/api/v1/probe")


@router.get("/of/{user_id}")
async def read(user_id: PathId, reader: Reads) -> Response:
    return await reader.fresh(user_id, lambda history: {"user": user_id})


@router.get("/all")
async def read_all(reader: Reads) -> Response:
    return await reader.fresh(None, lambda history: {"users": "all"})


@router.get("/own")
async def read_own(reader: Reads, user_id: Annotated[str | None, Query()] = None) -> Response:
    user = reader.user(user_id)
    return await reader.fresh(user, lambda history: {"user": user})


@router.post("/of/{user_id}")
async def write(user_id: PathId, writer: Writes) -> Response:
    return await writer.answer(user_id, lambda history: {"user": user_id}, 201)


@router.post("/body")
async def body(writer: Writes) -> Response:
    return wire.respond({"body": await writer.body()})


@router.post("/revision")
async def revision(writer: Writes) -> Response:
    return wire.respond({"revision": writer.revision()})


class Time:
    """Seconds and the present, set by hand."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def monotonic(self) -> float:
        return self.seconds

    def clock(self) -> datetime:
        return NOW + timedelta(seconds=self.seconds)


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def one(store_url: str, time: Time) -> Iterator[Served]:
    with (
        open_history(store_url, clock=time.clock) as history,
        served(history, replace(QUIET, monotonic=time.monotonic)) as one,
    ):
        one.app.include_router(router)
        yield one


def code(answer: httpx2.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


OWN = "/api/v1/probe/of/ana"
UNAUTHENTICATED = (401, "not_authenticated")
FORBIDDEN = (403, "forbidden")


def test_without_a_token_nothing_below_api_is_answered(one: Served) -> None:
    for path in (OWN, "/api/v1/probe/all", "/api/v1/nothing", "/api/"):
        answer = one.anyone().get(path)

        assert code(answer) == UNAUTHENTICATED
        assert answer.headers["www-authenticate"] == 'Bearer realm="timestrata"'


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer ", "Basic YTpi", "Bearer x", "x", "Bearer " + "x" * 9000])
def test_garbage_for_a_token_is_not_let_in(one: Served, header: str) -> None:
    answer = one.anyone().get(OWN, headers={"Authorization": header})

    assert code(answer) == UNAUTHENTICATED
    assert 'Bearer realm="timestrata", error=' in answer.headers["www-authenticate"]


def test_a_token_with_another_secret_is_not_let_in(one: Served) -> None:
    made = one.history.access.create_token("ci", ["admin"])
    other = one.history.access.create_token("ci", ["admin"])
    mixed = made.secret[:24] + other.secret[24:]

    assert code(one.bearer(mixed).get(OWN)) == UNAUTHENTICATED


def test_the_scheme_is_not_case_sensitive(one: Served) -> None:
    made = one.history.access.create_token("ci", ["admin"])

    assert one.anyone().get(OWN, headers={"Authorization": f"bearer {made.secret}"}).status_code == 200


def test_an_expired_token_is_not_let_in(one: Served, time: Time) -> None:
    made = one.history.access.create_token("ci", ["admin"], expires=timedelta(seconds=60))
    client = one.bearer(made.secret)
    assert client.get(OWN).status_code == 200

    time.seconds = 61

    assert code(client.get(OWN)) == UNAUTHENTICATED


def test_a_revoked_token_is_let_in_for_a_second_at_most(one: Served, time: Time) -> None:
    made = one.history.access.create_token("ci", ["admin"])
    client = one.bearer(made.secret)
    assert client.get(OWN).status_code == 200

    one.history.access.revoke(made.token.token_id)
    time.seconds = 0.9
    remembered = client.get(OWN)
    time.seconds = 1.0

    assert remembered.status_code == 200
    assert code(client.get(OWN)) == UNAUTHENTICATED


def test_requests_that_come_at_once_ask_for_their_token_once(one: Served) -> None:
    asked = []
    event.listen(one.history.engine, "before_cursor_execute", lambda *call: asked.append("ts_token" in call[2]))
    client = one.client("admin")
    asked.clear()

    answers = client.together(*[("GET", OWN, {})] * 20)

    assert ({answer.status_code for answer in answers}, sum(asked)) == ({200}, 1)


# By scope: own, another's, all.
READS = {
    "read:own": (200, 403, 403),
    "write:own": (403, 403, 403),
    "read:all": (200, 200, 200),
    "admin": (200, 200, 200),
}
WRITES = {
    "read:own": (403, 403),
    "write:own": (201, 403),
    "read:all": (403, 403),
    "admin": (201, 201),
}


@pytest.mark.parametrize("scope", READS)
def test_each_scope_reads_what_it_may(one: Served, scope: str) -> None:
    client = one.client(scope, user="ana")

    found = [client.get(path).status_code for path in (OWN, "/api/v1/probe/of/ben", "/api/v1/probe/all")]

    assert tuple(found) == READS[scope]


@pytest.mark.parametrize("scope", WRITES)
def test_each_scope_writes_what_it_may(one: Served, scope: str) -> None:
    client = one.client(scope, user="ana")

    assert tuple(client.post(path).status_code for path in (OWN, "/api/v1/probe/of/ben")) == WRITES[scope]


def test_a_refusal_says_nothing_of_the_other_user(one: Served) -> None:
    one.history.set_timezone("ben", "Europe/Berlin")
    client = one.client("read:own", user="ana")

    known, unknown = (client.get(f"/api/v1/probe/of/{user}") for user in ("ben", "nobody"))

    assert code(known) == code(unknown) == FORBIDDEN
    assert known.json() == unknown.json()


def test_a_route_without_a_user_is_about_the_user_of_the_token(one: Served) -> None:
    own = one.client("read:own", user="ana")
    nobody = one.client("read:all")

    assert own.get("/api/v1/probe/own").json() == {"user": "ana"}
    assert code(own.get("/api/v1/probe/own?user_id=ben")) == FORBIDDEN
    assert nobody.get("/api/v1/probe/own?user_id=ben").json() == {"user": "ben"}
    assert code(nobody.get("/api/v1/probe/own")) == (422, "missing_field")


@pytest.mark.parametrize(
    "user", ["a/b", "?", "%", "%2F", "é", "日本", "a b", "..", "#", "a+b", "\U0001f600", ";", "\\"]
)
def test_an_id_in_a_path_may_be_any_text(one: Served, user: str) -> None:
    segment = "".join(f"%{byte:02X}" for byte in user.encode())

    answer = one.client("read:own", user=user).get(f"/api/v1/probe/of/{segment}")

    assert (answer.status_code, answer.json()) == (200, {"user": user})


def test_an_encoded_slash_does_not_lead_to_another_route(one: Served) -> None:
    answer = one.client("admin").get("/api/v1/probe%2Fall")

    assert code(answer) == (404, "not_found")


@pytest.mark.parametrize("segment", ["%FF", "%C3", "%ED%A0%80"])
def test_an_id_that_is_not_utf_8_is_nobodys(one: Served, segment: str) -> None:
    assert code(one.client("admin").get(f"/api/v1/probe/of/{segment}")) == (404, "not_found")


# ------------------------------------------------------------------------------------------------------------- bodies


@pytest.mark.parametrize(
    "sent", [b"", b"{", b'{"a": NaN}', b'{"a": 1, "a": 2}', b"\xff", b'"\\ud800', b"[" * 100_000, b"1" * 10_000]
)
def test_a_body_that_is_not_json_is_refused(one: Served, sent: bytes) -> None:
    answer = one.client("admin").post("/api/v1/probe/body", content=sent)

    assert code(answer) == (422, "invalid_json")


def test_the_token_is_looked_at_before_the_body(one: Served) -> None:
    assert code(one.anyone().post("/api/v1/probe/body", content=b"{")) == UNAUTHENTICATED


@pytest.mark.parametrize(("given", "number"), [("1", 1), ('"3"', 3), ('W/"2147483647"', 2**31 - 1), ("*", None)])
def test_if_match_names_a_revision(one: Served, given: str, number: int | None) -> None:
    answer = one.client("admin").post("/api/v1/probe/revision", headers={"If-Match": given})

    assert answer.json() == {"revision": number}


@pytest.mark.parametrize("given", ["**", '"*"', "0", "-1", "1, 2", "", "1.0", "٣", "9" * 5000, "2147483648"])
def test_if_match_with_anything_else_is_refused(one: Served, given: str) -> None:
    answer = one.client("admin").post("/api/v1/probe/revision", headers={"If-Match": given.encode()})

    assert (*code(answer), answer.json()["field"]) == (422, "invalid_value", "If-Match")


def test_a_missing_if_match_is_asked_for(one: Served) -> None:
    assert code(one.client("admin").post("/api/v1/probe/revision")) == (428, "precondition_required")


# ------------------------------------------------------------------------------------------------------------ browsers


def test_a_login_link_works_once(one: Served) -> None:
    link = f"/login?key={one.history.access.create_login()}"
    first, second = one.anyone(), one.anyone()

    answer, too_late = first.get(link), second.get(link)

    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    assert first.get("/api/v1/probe/all").status_code == 200
    assert too_late.status_code == 401
    assert "set-cookie" not in too_late.headers
    assert code(second.get("/api/v1/probe/all")) == UNAUTHENTICATED


def test_the_cookie_is_for_this_server_and_no_script(one: Served) -> None:
    answer = one.anyone().get(f"/login?key={one.history.access.create_login()}")

    parts = {part.strip().lower() for part in answer.headers["set-cookie"].split(";")[1:]}
    assert {"httponly", "samesite=lax", "path=/", "max-age=604800"} <= parts


@pytest.mark.parametrize("key", ["", "x", "%00", "%ED%A0%80", "x" * 10_000])
def test_what_is_no_login_is_refused(one: Served, key: str) -> None:
    answer = one.anyone().get(f"/login?key={key}")

    assert (answer.status_code, answer.headers["content-type"]) == (401, "text/html; charset=utf-8")
    assert 'role="alert"' in answer.text
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 403),
        ({"Sec-Fetch-Site": "same-origin"}, 201),
        ({"Sec-Fetch-Site": "none"}, 201),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Sec-Fetch-Site": "cross-site", "Origin": "http://testserver"}, 403),
        ({"Origin": "http://testserver"}, 201),
        ({"Origin": "http://testserver:81"}, 403),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
    ],
)
def test_a_cookie_changes_things_for_the_own_pages_only(one: Served, headers: dict[str, str], status: int) -> None:
    browser = one.anyone()
    browser.get(f"/login?key={one.history.access.create_login()}")

    assert browser.post(OWN, headers=headers).status_code == status


def test_a_wrong_token_is_not_made_good_by_a_cookie(one: Served) -> None:
    browser = one.anyone()
    browser.get(f"/login?key={one.history.access.create_login()}")

    assert code(browser.get(OWN, headers={"Authorization": "Bearer x"})) == UNAUTHENTICATED


def test_logging_out_revokes_the_session_at_once(one: Served) -> None:
    browser = one.anyone()
    browser.get(f"/login?key={one.history.access.create_login()}")
    cookie = browser.asynchronous.cookies["timestrata_session"]

    answer = browser.post("/logout", headers={"Sec-Fetch-Site": "same-origin"})

    assert answer.status_code == 204
    assert "timestrata_session" not in browser.asynchronous.cookies
    assert code(one.anyone().get(OWN, headers={"Cookie": f"timestrata_session={cookie}"})) == UNAUTHENTICATED
    assert [token.state for token in one.history.access.tokens()] == ["revoked"]


def test_another_site_cannot_log_anybody_out(one: Served) -> None:
    browser = one.anyone()
    browser.get(f"/login?key={one.history.access.create_login()}")

    assert browser.post("/logout", headers={"Sec-Fetch-Site": "cross-site"}).status_code == 403
    assert browser.get(OWN).status_code == 200


def test_logging_out_without_a_session_is_fine(one: Served) -> None:
    assert one.anyone().post("/logout").status_code == 204
