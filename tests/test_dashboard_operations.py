"""The page of the operations: jobs, verification, archive, database; tokens made and revoked by its forms."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from html import unescape

import pytest
from conftest import NOW
from dashboard_pages import browser, fields, send, texts
from facts_made import made
from web_client import Client, Served, served

from timestrata import History
from timestrata.access import SCOPES

HOSTILE = '<script>alert("x")</script>'


@pytest.fixture
def one(history: History) -> Iterator[Served]:
    history.record([made("w-1"), made("w-2", user_id="ben")])
    with served(history) as serving:
        yield serving


@pytest.fixture
def admin(one: Served) -> Client:
    return browser(one, "admin")


def card(page: str, name: str) -> str:
    return page.partition(f'<section class="card" id="{name}"')[2].partition("</section>")[0]


def test_the_store_is_described_as_it_is(one: Served, admin: Client) -> None:
    read = texts(card(admin.get("/operations").text, "store"))

    kind = one.history.database().kind
    assert kind in ("SQLite", "PostgreSQL")
    assert one.history.database().bytes > 50_000
    for words in (
        "Last verification Never",
        "Sealed until Nothing is sealed",
        "Held out nothing",
        f"Database {kind}, ",
    ):
        assert words in read
    assert f"Revision {one.history.revisions([None])[None].number} " in read
    assert "Time zone UTC" in read


def test_jobs_show_their_last_end_in_words(one: Served, admin: Client) -> None:
    assert "No process has kept this schedule yet" in texts(card(admin.get("/operations").text, "jobs"))
    one.history.jobs.run("audit")
    one.history.jobs.put_result("archive", NOW, "failed", {"error": f"no {HOSTILE} there"})
    one.history.jobs.put_result("retention", NOW, "ok", {"ok": True, "completions": 1234})

    page = admin.get("/operations").text
    jobs, store = texts(card(page, "jobs")), texts(card(page, "store"))

    assert "0 problems in 2 people's figures" in jobs
    assert f"failed no {HOSTILE} there" in jobs
    assert "1,234 tickets archived" in jobs
    assert "All well, 15 Jun 2024, 12:00" in store
    assert HOSTILE not in page


def test_a_verification_that_found_something_says_what_to_do(one: Served, admin: Client) -> None:
    one.history.jobs.put_result("audit", NOW, "failed", {"ok": False, "problem_count": 3, "users": 2})

    page = admin.get("/operations").text

    assert "3 problems, 15 Jun 2024, 12:00: timestrata verify names them" in texts(card(page, "store"))
    assert "<code>timestrata verify</code>" in page


def test_tokens_are_listed_without_their_secrets(one: Served, admin: Client) -> None:
    made_here = one.history.access.create_token(HOSTILE, ["read:own"], "ada", timedelta(days=1))
    gone = one.history.access.create_token("gone", ["read:all"])
    one.history.access.revoke(gone.token.token_id)

    page = admin.get("/operations").text

    read = texts(card(page, "tokens"))
    assert f"{HOSTILE} {made_here.token.token_id} ada read:own 15 Jun 2024, 12:00 16 Jun 2024, 12:00 active" in read
    assert f"gone {gone.token.token_id} – read:all 15 Jun 2024, 12:00 never revoked" in read
    assert made_here.secret not in page
    assert HOSTILE not in page
    assert f"{gone.token.token_id}/revoke" not in page


def test_a_token_is_made_and_its_secret_shown_once(one: Served, admin: Client) -> None:
    page = admin.get("/operations").text
    chosen = {"name": HOSTILE, "user": "ada", "read:own": "yes", "write:own": "yes", "days": "7"}

    answer = send(admin, page, "/operations/tokens", **chosen)

    assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")
    [secret] = re.findall(r'<input id="secret" readonly value="([^"]+)"', answer.text)
    principal = one.history.access.authenticate(unescape(secret))
    assert principal is not None
    assert (principal.name, principal.user, principal.scopes) == (HOSTILE, "ada", frozenset(("read:own", "write:own")))
    assert principal.expires_at == NOW + timedelta(days=7)
    assert HOSTILE not in answer.text
    assert secret not in admin.get("/operations").text


REFUSED_TOKENS: dict[str, tuple[dict[str, str], str, str]] = {
    "no scope": ({"name": "x", "user": "ada", "days": "7"}, "scopes", "Choose at least one scope."),
    "no user": (
        {"name": HOSTILE, "user": "", "read:own": "yes", "admin": "yes", "days": ""},
        "user",
        "A scope that ends in “own” needs the user that it is for.",
    ),
    "no name": (
        {"name": "", "user": HOSTILE, "read:all": "yes", "days": "365"},
        "name",
        "A name needs 1 to 255 characters that can be shown.",
    ),
    "a user that cannot be": (
        {"name": "x", "user": "a" * 256, "read:all": "yes", "days": "90"},
        "user",
        "A user needs 1 to 255 characters that can be shown.",
    ),
}


@pytest.mark.parametrize(("chosen", "wrong", "why"), REFUSED_TOKENS.values(), ids=REFUSED_TOKENS.keys())
def test_a_token_that_cannot_be_is_refused_with_what_was_typed(
    one: Served, admin: Client, chosen: dict[str, str], wrong: str, why: str
) -> None:
    before = one.history.access.tokens()

    answer = send(admin, admin.get("/operations").text, "/operations/tokens", **chosen)

    page = answer.text
    assert answer.status_code == 422
    assert one.history.access.tokens() == before
    assert unescape(page).count(f'<p class="bad" id="token-wrong" role="alert">{why}</p>') == 1
    invalid = set(re.findall(r'<input[^>]* name="([^"]+)"[^>]* aria-invalid="true"', page))
    assert invalid == (set(SCOPES) if wrong == "scopes" else {wrong})
    assert len(re.findall(r"<(?:input|fieldset)[^>]* aria-describedby=\"token-wrong", page)) == 1
    typed = dict(re.findall(r'<input id="[^"]*" name="(name|user)" value="([^"]*)"', page))
    assert {name: unescape(value) for name, value in typed.items()} == {name: chosen[name] for name in ("name", "user")}
    assert re.findall(r'name="([^"]+)" value="yes" checked', page) == [scope for scope in SCOPES if scope in chosen]
    assert re.findall(r'<option value="([^"]*)" selected', page) == [chosen["days"]]
    assert HOSTILE not in page


def test_a_token_that_was_refused_is_made_by_the_form_that_came_back(one: Served, admin: Client) -> None:
    chosen = {"name": "x", "user": "", "read:own": "yes", "days": "7"}
    refused = send(admin, admin.get("/operations").text, "/operations/tokens", **chosen)

    answer = send(admin, refused.text, "/operations/tokens", **{**chosen, "user": "ada"})

    assert answer.status_code == 200
    assert {token.user for token in one.history.access.tokens() if token.name == "x"} == {"ada"}


def test_a_lifetime_that_is_not_offered_is_none_that_lasts_longer(one: Served, admin: Client) -> None:
    page = admin.get("/operations").text

    answer = send(admin, page, "/operations/tokens", name="x", user="", days="99999", **{"read:all": "yes"})

    assert answer.status_code == 422
    assert len(one.history.access.tokens()) == 1


def test_a_token_is_revoked_by_its_form(one: Served, admin: Client) -> None:
    token = one.history.access.create_token("laptop", ["read:all"])

    answer = send(admin, admin.get("/operations").text, f"/operations/tokens/{token.token.token_id}/revoke")

    assert (answer.status_code, answer.headers["location"]) == (303, "/operations")
    assert one.history.access.authenticate(token.secret) is None


def test_a_token_that_does_not_exist_is_told(one: Served, admin: Client) -> None:
    csrf = fields(admin.get("/operations").text, "/operations/tokens")["csrf"]

    answer = admin.post("/operations/tokens/000000000000/revoke", data={"csrf": csrf})

    assert answer.headers["location"] == "/operations?refused=unknown_token"


@pytest.mark.parametrize("scopes", [("read:own", "write:own"), ("read:all",)], ids=lambda scopes: scopes[0])
def test_the_operations_are_for_admins(one: Served, admin: Client, scopes: tuple[str, ...]) -> None:
    token = one.history.access.create_token("laptop", ["admin"]).token.token_id
    other = browser(one, *scopes, user="ada")
    [csrf] = re.findall(r'data-csrf="([^"]+)"', other.get("/").text)
    before = one.history.access.tokens()
    chosen = {"csrf": csrf, "name": "x", "admin": "yes", "days": ""}

    found = [other.get(path).status_code for path in ("/operations", "/cards/operations/tokens")]
    found += [
        other.post(path, data=chosen).status_code
        for path in ("/operations/tokens", f"/operations/tokens/{token}/revoke")
    ]

    assert found == [403] * 4
    assert one.history.access.tokens() == before


@pytest.mark.parametrize("csrf", ["", "0" * 32])
def test_without_the_token_of_the_session_nothing_changes(one: Served, admin: Client, csrf: str) -> None:
    token = one.history.access.create_token("laptop", ["admin"]).token.token_id
    before = one.history.access.tokens()

    for path in ("/operations/tokens", f"/operations/tokens/{token}/revoke"):
        assert admin.post(path, data={"csrf": csrf, "name": "x", "admin": "yes", "days": ""}).status_code == 403
    assert one.history.access.tokens() == before
