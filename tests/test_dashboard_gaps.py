"""The page of the gap alerts: what it lists, who may dismiss what, and where a form leads."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from urllib.parse import quote

import pytest
from conftest import NOW
from dashboard_pages import browser, send, texts
from facts_made import made
from web_client import Served, served

from timestrata import CompletedWorkflow, History, StepTime

HOSTILE = '<b onmouseover="x">\u202e"\'&amp;'


def late(number: int, user: str = "ada", **more: Any) -> CompletedWorkflow:
    """A workflow of yesterday that took six times as long as was thought."""
    steps = (StepTime(0, "Test", 3600, estimated_seconds=1800 if number == 0 else None),)
    fields: dict[str, Any] = {"user_id": user, "ticket_key": f"TK-{number}", "estimated_seconds": 600, "steps": steps}
    return made(f"{user}-{number}", completed_at=NOW - timedelta(days=1, minutes=number), **(fields | more))


@pytest.fixture
def one(history: History) -> Iterator[Served]:
    history.record([late(0), late(1), late(2, "ben", ticket_type=HOSTILE)])
    with served(history) as serving:
        yield serving


def rows(page: str) -> list[str]:
    return re.findall(r'<li class="gap(?: below)?" data-alert="([^"]+)"', page)


def ids(history: History, user: str | None = None, **asked: Any) -> list[str]:
    return [alert.id for alert in history.alerts("last_30_days", user, **asked)]


def test_the_page_lists_what_the_library_does(one: Served) -> None:
    page = browser(one, "admin").get("/gaps").text
    steps = browser(one, "admin").get("/gaps?kind=step").text
    elsewhere = browser(one, "admin").get("/gaps?from=2024-01-01&to=2024-01-31").text

    assert rows(page) == ids(one.history)
    assert rows(steps) == ids(one.history, kind="step")
    assert (len(rows(page)), len(rows(steps)), rows(elsewhere)) == (4, 1, [])
    read = texts(page)
    assert "TK-0" in read
    assert "1\u00a0h\u00a000\u00a0min" in page
    assert "600\u00a0%" in page
    assert "No gap alert of these days is open." in texts(elsewhere)


def test_a_step_below_its_ticket_says_only_what_is_its_own(one: Served) -> None:
    client = browser(one, "admin")
    asked = ("/gaps", "/?range=last_30_days", "/gaps?kind=step")
    below = {path: re.findall(r'<li class="gap below".*?</li>', client.get(path).text, re.DOTALL) for path in asked}
    [step] = ids(one.history, kind="step")

    assert {path: len(found) for path, found in below.items()} == {asked[0]: 1, asked[1]: 1, asked[2]: 0}
    for [found] in (below[asked[0]], below[asked[1]]):
        assert rows(found) == [step]
        assert texts(found) == "TK-0 step Test 200 % of the estimate 1 h 00 min of 30 min estimated Dismiss"
    [whole] = [alert.id for alert in one.history.alerts("last_30_days", kind="workflow") if alert.ticket_key == "TK-0"]
    one.history.dismiss_alert(whole)
    alone = client.get("/gaps").text
    assert 'class="gap below"' not in alone
    assert "ada · 14 Jun 2024 · Bug · QA · 1 h 00 min of 30 min estimated" in texts(alone).replace("\u00a0", " ")


def test_hostile_names_are_text(one: Served) -> None:
    page = browser(one, "admin").get("/gaps").text

    assert "<b onmouseover" not in page
    assert "&lt;b onmouseover=&#34;x&#34;&gt;" in page


def test_a_long_list_comes_in_pages(one: Served) -> None:
    one.history.record([late(number) for number in range(10, 65)])
    client = browser(one, "admin")

    first = client.get("/gaps").text
    [next_page] = re.findall(r'<a href="(/gaps\?[^"]*after=[^"]*)"', first)
    second = client.get(next_page.replace("&amp;", "&")).text

    assert rows(first) + rows(second) == ids(one.history, limit=1000)
    assert len(rows(first)) == 50


@pytest.mark.parametrize("scopes", [("admin",), ("read:own", "write:own")], ids=lambda scopes: scopes[0])
def test_a_gap_is_dismissed_and_restored_by_its_form(one: Served, scopes: tuple[str, ...]) -> None:
    client = browser(one, *scopes, user="ada")
    page = client.get("/gaps?range=last_90_days&user_id=ada").text
    first = rows(page)[0]

    answer = send(client, page, f"/gaps/{first}/dismiss")

    assert (answer.status_code, answer.headers["location"]) == (303, "/gaps?range=last_90_days&user_id=ada")
    assert first not in ids(one.history)
    dismissed = client.get("/gaps?state=dismissed").text
    assert rows(dismissed) == [first]
    assert "dismissed 15 Jun 2024" in texts(dismissed)
    assert send(client, dismissed, f"/gaps/{first}/restore").headers["location"] == "/gaps?state=dismissed"
    assert first in ids(one.history)


def test_a_script_gets_no_page(one: Served) -> None:
    client = browser(one, "admin")
    [token] = re.findall(r'data-csrf="([^"]+)"', client.get("/gaps").text)
    first = ids(one.history)[0]

    answer = client.post(f"/gaps/{first}/dismiss", headers={"X-CSRF-Token": token, "Accept": "application/json"})

    assert (answer.status_code, answer.content) == (204, b"")
    assert first not in ids(one.history)


@pytest.mark.parametrize("token", [None, "", "0" * 32, "of another session"])
def test_a_form_of_no_page_of_the_session_changes_nothing(one: Served, token: str | None) -> None:
    client, other = browser(one, "admin"), browser(one, "admin")
    [theirs] = re.findall(r'data-csrf="([^"]+)"', other.get("/gaps").text)
    sent = {} if token is None else {"csrf": theirs if token == "of another session" else token}
    first = ids(one.history)[0]

    answer = client.post(f"/gaps/{first}/dismiss", data=sent)

    assert answer.status_code == 403
    assert first in ids(one.history)


def test_a_link_changes_nothing(one: Served) -> None:
    first = ids(one.history)[0]

    assert browser(one, "admin").get(f"/gaps/{first}/dismiss").status_code == 405
    assert first in ids(one.history)


def test_nobody_dismisses_what_is_not_theirs_to_change(one: Served) -> None:
    [theirs] = ids(one.history, "ben")
    mine = ids(one.history, "ada")[0]
    ada, reader = browser(one, "read:own", "write:own", user="ada"), browser(one, "read:all")
    found = []

    for client, alert in ((ada, theirs), (ada, "9.9.9.9"), (reader, mine)):
        [token] = re.findall(r'data-csrf="([^"]+)"', client.get("/gaps").text)
        found.append(client.post(f"/gaps/{alert}/dismiss", data={"csrf": token}).status_code)

    assert found == [403, 403, 403]
    assert len(ids(one.history)) == 4
    assert "<button" not in reader.get("/gaps").text.partition('id="gap-list"')[2]
    assert theirs not in rows(ada.get("/gaps").text)


@pytest.mark.parametrize("alert", ["nothing", "1.2.3.4", "%2e%2e%2f", "%00", quote(HOSTILE, safe="")])
def test_an_alert_that_does_not_exist_is_told_on_a_page(one: Served, alert: str) -> None:
    client = browser(one, "admin")
    [token] = re.findall(r'data-csrf="([^"]+)"', client.get("/gaps").text)

    answer = client.post(f"/gaps/{alert}/dismiss", data={"csrf": token})

    assert answer.status_code == 404
    assert answer.headers["content-type"].startswith("text/html")


@pytest.mark.parametrize("target", ["https://elsewhere.example/", "//elsewhere.example", "/\\elsewhere.example", ""])
def test_a_form_leads_to_no_other_host(one: Served, target: str) -> None:
    client = browser(one, "admin")
    page = client.get("/gaps").text
    first = rows(page)[0]

    assert send(client, page, f"/gaps/{first}/dismiss", to=target).headers["location"] == "/gaps"


def test_what_is_chosen_stays_when_the_days_change(one: Served) -> None:
    page = browser(one, "admin").get("/gaps?state=dismissed&kind=step&after=").text

    assert '<a href="/gaps?state=dismissed&amp;kind=step&amp;range=last_7_days"' in page
    assert 'href="/?state' not in page
    assert 'href="/exports/alerts.csv?state=dismissed&amp;kind=step"' in page


@pytest.mark.parametrize("query", ["state=all", "kind=both"])
def test_a_choice_that_is_none_is_told_on_a_page(one: Served, query: str) -> None:
    answer = browser(one, "admin").get(f"/gaps?{query}")

    assert answer.status_code == 422
    assert answer.headers["content-type"].startswith("text/html")
