"""What all pages have in common: who gets in, headers, assets, parts that fail by themselves, language."""

from __future__ import annotations

import asyncio
import re
import zlib
from collections.abc import Iterator
from threading import Barrier, Event, Thread

import pytest
from facts_made import made
from markupsafe import Markup
from sqlalchemy import event, text
from web_client import Exchange, Served, served

from timestrata import History
from timestrata.web.dashboard.cards import together
from timestrata.web.dashboard.forms import own_path
from timestrata.web.dashboard.view import View
from timestrata.web.principals import COOKIE

HTML = {"Accept": "text/html,*/*"}


@pytest.fixture
def one(history: History) -> Iterator[Served]:
    history.record([made("w-1", user_id="ada"), made("w-2", user_id="ben", ticket_type="<script>alert(1)</script>")])
    with served(history) as serving:
        yield serving


def browser(one: Served, *scopes: str, user: str | None = None) -> dict[str, str]:
    """The headers of a browser with the session of a token."""
    token = one.history.access.create_token("test", scopes, user).secret
    return {**HTML, "Cookie": f"{COOKIE}={token}", "Sec-Fetch-Site": "same-origin"}


def test_who_is_not_logged_in_is_led_to_the_login_and_back(one: Served) -> None:
    answer = one.anyone().get("/?range=last_7_days&user_id=a%26b", headers=HTML)

    assert answer.status_code == 303
    assert answer.headers["location"] == "/login?to=/%3Frange%3Dlast_7_days%26user_id%3Da%2526b"


def test_every_page_forbids_what_it_does_not_need(one: Served) -> None:
    answer = one.anyone().get("/", headers=browser(one, "admin"))

    assert answer.status_code == 200
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert answer.headers["cache-control"] == "private, no-cache"
    assert {"Cookie", "Accept-Language"} <= set(answer.headers["vary"].split(", "))
    assert " style=" not in answer.text
    assert not re.findall(r"<script(?![^>]* src=)", answer.text)


def test_a_token_of_one_user_shows_nobody_else(one: Served) -> None:
    mine = browser(one, "read:own", user="ada")

    own, other, everyone = (one.anyone().get(path, headers=mine) for path in ("/", "/?user_id=ben", "/team"))

    assert own.status_code == 200
    assert "ben" not in own.text
    assert (other.status_code, everyone.status_code) == (403, 403)
    assert "ben" not in other.text.replace("user_id=ben", "")


def test_names_are_text(one: Served) -> None:
    page = one.anyone().get("/?range=all_time", headers=browser(one, "admin")).text

    assert "<script>alert" not in page
    assert "&lt;script&gt;alert" in page


@pytest.mark.parametrize("query", ["from=2024-06-02&to=2024-06-01", "range=last_week_but_one", "bucket=year"])
def test_a_question_that_cannot_be_asked_is_told_on_a_page(one: Served, query: str) -> None:
    answer = one.anyone().get(f"/?{query}", headers=browser(one, "admin"))

    assert answer.status_code == 422
    assert answer.headers["content-type"].startswith("text/html")
    assert 'role="alert"' in answer.text


def test_empty_fields_of_a_form_ask_for_nothing(one: Served) -> None:
    answer = one.anyone().get("/?from=&to=&user_id=&ticket_type=&bucket=&measure=", headers=browser(one, "admin"))

    assert answer.status_code == 200


def test_assets_are_kept_for_good_and_compressed_once(one: Served) -> None:
    page = one.anyone().get("/login", headers=HTML).text
    path = re.search(r'href="(/assets/[0-9a-f]{16}/app\.css)"', page)
    assert path is not None

    answer = one.anyone().get(path[1], headers={"Accept-Encoding": "gzip"})
    plain = one.anyone().get(path[1], headers={"Accept-Encoding": "identity"})

    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert answer.headers["content-encoding"] == "gzip"
    assert answer.content == plain.content
    assert "content-encoding" not in plain.headers


def test_a_page_of_another_version_gets_the_present_asset_and_does_not_keep_it(one: Served) -> None:
    answer = one.anyone().get("/assets/0000000000000000/app.css")

    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-cache"


@pytest.mark.parametrize("name", ["nothing.css", "..%2Fview.py", "%2e%2e/view.py", "app.css%00"])
def test_nothing_else_is_served_as_an_asset(one: Served, name: str) -> None:
    assert one.anyone().get(f"/assets/0000000000000000/{name}").status_code == 404


def test_a_card_that_fails_says_so_and_the_others_stay(one: Served) -> None:
    with one.history.engine.begin() as connection:
        connection.execute(text("ALTER TABLE ts_cell_step RENAME TO ts_gone"))

    answer = one.anyone().get("/?range=all_time", headers=browser(one, "admin"))

    assert answer.status_code == 200
    failed = re.findall(r'<section class="card failed" id="([a-z-]+)"', answer.text)
    assert failed == ["steps"]
    assert answer.text.count('class="again"') == 1
    assert '<data class="value" value="2">' in answer.text


def test_what_several_cards_ask_is_asked_once() -> None:
    view = object.__new__(View)
    object.__setattr__(view, "found", {})
    asked: list[int] = []
    together = Barrier(4)
    answers: list[int] = []

    def ask() -> int:
        asked.append(1)
        return 42

    def card() -> None:
        together.wait()
        answers.append(view.once("figures", ask))

    threads = [Thread(target=card) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert (len(asked), answers) == (1, [42] * 4)


@pytest.mark.parametrize(
    "target",
    ["//elsewhere.example", "https://elsewhere.example", "/\\elsewhere.example", "javascript:alert(1)", "", "/\n/x"],
)
def test_a_form_never_leads_to_another_host(target: str) -> None:
    assert own_path(target) == "/"


def test_a_page_arrives_in_parts_that_can_be_unpacked_at_once(one: Served) -> None:
    """The head comes first; the figures are held back until the browser has what stands around them."""
    headers = [*browser(one, "admin").items(), ("Accept-Encoding", "gzip")]
    unpacker, begun = zlib.decompressobj(16 + zlib.MAX_WBITS), Event()

    def hold(connection: object, cursor: object, statement: str, *rest: object) -> None:
        if "FROM ts_cell_completion" in statement and "GROUP BY" in statement:
            assert begun.wait(60)

    async def read() -> list[str]:
        parts = []
        async with Exchange(one.app, "GET", "/", headers) as exchange:
            while (message := await exchange.message()) is not None:
                parts.append(unpacker.decompress(message.get("body", b"")).decode())
                if "<main" in parts[-1]:
                    begun.set()
        return parts

    event.listen(one.history.engine, "before_cursor_execute", hold)
    try:
        head, first, *rest = filter(None, one.run(read()))
    finally:
        event.remove(one.history.engine, "before_cursor_execute", hold)

    assert (head[:15], head[-7:]) == ("<!doctype html>", "</head>")
    assert '<main id="main"' in first
    assert "kpi-worked" not in first
    assert "kpi-worked" in "".join(rest)


@pytest.mark.parametrize(("seconds", "parts"), [(0, ["<ab", "c"]), (3600, ["<abc"])])
def test_cards_that_are_there_at_the_same_time_arrive_in_one_part(seconds: float, parts: list[str]) -> None:
    async def read() -> list[str]:
        loop = asyncio.get_running_loop()
        cards: list[asyncio.Future[Markup]] = [loop.create_future() for _ in "abc"]
        cards[0].set_result(Markup("a"))
        cards[1].set_result(Markup("b"))
        reading = together("<", ((card, "") for card in cards), seconds)
        if seconds:
            loop.call_soon(cards[2].set_result, Markup("c"))
        found = []
        async for part in reading:
            found.append(part)
            if not cards[2].done():
                cards[2].set_result(Markup("c"))
        return found

    assert asyncio.run(read()) == parts


def test_a_browser_that_goes_nowhere_is_told_so_on_a_page_and_a_program_in_json(one: Served) -> None:
    page, document = one.anyone().get("/nothing", headers=HTML), one.anyone().get("/nothing")

    assert (page.status_code, document.status_code) == (404, 404)
    assert page.headers["content-type"].startswith("text/html")
    assert document.json()["code"] == "not_found"


def test_browsers_find_an_icon_where_a_page_names_none(one: Served) -> None:
    assert one.anyone().get("/favicon.ico").headers["content-type"].startswith("image/svg+xml")


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 303),
        ({"Sec-Fetch-Site": "same-origin"}, 303),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Origin": "http://testserver"}, 303),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
    ],
    ids=["a program", "its own page", "another site", "a sister site", "its origin", "another origin", "no origin"],
)
def test_no_other_site_logs_its_visitors_in(one: Served, headers: dict[str, str], status: int) -> None:
    secret = one.history.access.create_token("theirs", ["admin"]).secret
    form = {"Content-Type": "application/x-www-form-urlencoded", **HTML, **headers}

    answer = one.anyone().post("/login", content=f"token={secret}", headers=form)

    assert answer.status_code == status
    assert ("set-cookie" in answer.headers) is (status == 303)
