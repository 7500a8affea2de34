"""The page of one's own work: the forms do what the library does, once, for those who may; the timer in the header."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest
from conftest import NOW
from dashboard_pages import browser, fields, send, texts
from facts_made import made
from web_client import Client, Served, served

from timestrata import TemplateStep, open_history

HOSTILE = "<img src=x>/%2F"


class Time:
    """The present, set by hand."""

    def __init__(self) -> None:
        self.now = NOW

    def clock(self) -> datetime:
        return self.now

    def passes(self, **span: float) -> None:
        self.now += timedelta(**span)


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def one(store_url: str, time: Time) -> Iterator[Served]:
    with open_history(store_url, clock=time.clock) as history, served(history) as serving:
        history.record(made("w-1", user_id="ben"))
        steps = [TemplateStep("Look", 600), TemplateStep("Report", 600)]
        history.tracking.put_template("Checks", "Bug", steps)
        yield serving


@pytest.fixture
def ada(one: Served) -> Client:
    return browser(one, "read:own", "write:own", user="ada")


def started(client: Client, ticket: str = "TK-9") -> str:
    """Start a ticket by the form, and return the page after it."""
    answer = send(client, client.get("/work").text, "/work/start", ticket_key=ticket, template="Checks")
    assert (answer.status_code, answer.headers["location"]) == (303, "/work")
    return client.get("/work").text


def path(one: Served, action: str, user: str = "ada") -> str:
    return f"/work/workflows/{one.history.tracking.active(user)[0].workflow_id}/{action}"


def next_step(page: str) -> dict[str, str]:
    """The fields of the form that goes on to the next step, which stands before those of single steps."""
    [form] = re.findall(r'<form method="post" action="[^"]*/step">((?:(?!</form>).)*data-key="n")', page, re.DOTALL)
    return dict(re.findall(r'name="([^"]+)" value="([^"]*)"', form))


def test_a_ticket_is_worked_on_from_its_start_to_its_comparison(one: Served, ada: Client, time: Time) -> None:
    page = started(ada)
    time.passes(minutes=5)
    assert send(ada, page, path(one, "pause")).status_code == 303
    time.passes(minutes=30)
    assert send(ada, ada.get("/work").text, path(one, "resume")).status_code == 303
    time.passes(minutes=5)
    assert ada.post(path(one, "step"), data=next_step(ada.get("/work").text)).status_code == 303
    time.passes(minutes=15)
    done = send(ada, ada.get("/work").text, path(one, "complete"))
    page = ada.get(done.headers["location"]).text

    figures = [
        re.findall(r'<data value="([^"]*)"', row)
        for row in re.findall(r'<tr><th scope="row">.*?</tr>', page, re.DOTALL)
    ]
    assert figures == [["600", "1.0"], ["900", "1.5"], ["1500", "1.25"]]
    read = texts(page)
    assert "TK-9 is completed" in read
    assert [read.count(words) for words in ("within the estimate", "over the estimate: a gap")] == [1, 2]
    assert one.history.summary("today", "ada").active_seconds == 1500
    assert "Nothing is being worked on." in read


def test_a_comparison_says_what_its_level_does(one: Served, ada: Client, time: Time) -> None:
    page = started(ada)
    time.passes(seconds=601)
    ada.post(path(one, "step"), data=next_step(page))
    time.passes(seconds=721)
    done = send(ada, ada.get("/work").text, path(one, "complete"))

    read = texts(ada.get(done.headers["location"]).text).replace("\u00a0", " ")

    assert "100.2 % over the estimate, by less than a gap" in read
    assert "120.2 % over the estimate: a gap" in read
    assert "110 % over the estimate, by less than a gap" in read


def test_the_header_of_every_page_has_the_timer(one: Served, ada: Client, time: Time) -> None:
    assert '<div id="timer" aria-live="off"></div>' in ada.get("/").text
    started(ada)
    time.passes(minutes=61, seconds=5)

    for page in ("/", "/gaps", "/work"):
        timer = ada.get(page).text.partition('<div id="timer"')[2].partition("</div>")[0]
        assert re.findall(r'<data class="clock" value="(\d+)" data-runs>', timer) == ["3665", "3665"]
        assert "Running TK-9 Look this step 1:01:05 in all 1:01:05" in texts(timer)

    send(ada, ada.get("/work").text, path(one, "pause"))
    timer = ada.get("/").text.partition('<div id="timer"')[2].partition("</div>")[0]
    assert "data-runs" not in timer
    assert "Paused" in texts(timer)


def test_the_timer_is_nobody_elses(one: Served, ada: Client) -> None:
    started(ada)

    for other in (browser(one, "admin"), browser(one, "read:own", user="ada"), browser(one, "read:all")):
        assert '<div id="timer" aria-live="off"></div>' in other.get("/?user_id=ada").text


def test_a_form_that_is_sent_twice_changes_things_once(one: Served, ada: Client, time: Time) -> None:
    page = ada.get("/work").text
    for _ in range(2):
        send(ada, page, "/work/start", ticket_key="TK-9", template="Checks")
    assert len(one.history.tracking.active("ada")) == 1

    page = ada.get("/work").text
    send(ada, page, path(one, "pause"))
    time.passes(minutes=1)
    again = send(ada, page, path(one, "pause"))

    assert again.headers["location"] == "/work"
    assert one.history.tracking.active("ada")[0].events == 2


def test_what_the_library_refuses_is_told_and_changes_nothing(one: Served, ada: Client, time: Time) -> None:
    page = started(ada)
    start = ada.get("/work").text
    second = send(ada, start, "/work/start", ticket_key="TK-10", template="Checks")
    send(ada, page, path(one, "pause"))
    stale = ada.post(path(one, "pause"), data={**fields(page, path(one, "pause")), "key": "another"})
    unknown = send(ada, start, "/work/start", ticket_key="TK-10", template="gone", key="a")
    empty = send(ada, start, "/work/start", ticket_key=" ", template="Checks", key="b")

    found = [answer.headers["location"] for answer in (second, stale, unknown, empty)]
    codes = ["session_running", "wrong_state", "unknown_template", "invalid_value"]
    assert found == [f"/work?refused={code}" for code in codes]
    [workflow] = one.history.tracking.active("ada")
    assert (workflow.ticket_key, workflow.events) == ("TK-9", 2)
    for location in found:
        page = ada.get(location).text
        assert '<p class="notice" id="refused" role="alert">' in page
        assert "Nothing was changed" in texts(page)


def test_what_stands_in_the_url_is_never_shown_as_a_message(ada: Client) -> None:
    page = ada.get("/work?refused=Call+this+number&done=%3Cb%3E").text

    assert "Call this number" not in texts(page)
    assert 'id="refused"' not in page
    assert "is completed" not in texts(page)


def test_cancelling_is_asked_for_twice_and_keeps_the_time(one: Served, ada: Client, time: Time) -> None:
    page = started(ada)
    time.passes(minutes=5)
    form = page[: page.index("/cancel")]
    assert form.rindex("<details") > form.rindex("</details>") if "</details>" in form else "<details" in form

    answer = send(ada, page, path(one, "cancel"))

    assert answer.headers["location"] == "/work"
    assert one.history.tracking.active("ada") == ()
    assert (one.history.summary("today", "ada").completed, one.history.summary("today", "ada").worked_seconds) == (
        0,
        300,
    )


@pytest.mark.parametrize(
    ("begun", "asked"),
    [
        (1, "2 steps have not begun. The ticket is completed without them."),
        (2, "One step has not begun. The ticket is completed without it."),
        (3, None),
    ],
)
def test_completing_is_asked_for_twice_while_steps_have_not_begun(
    one: Served, ada: Client, begun: int, asked: str | None
) -> None:
    one.history.tracking.put_template("Long", "Bug", ["Look", "Mend", "Report"])
    one.history.tracking.start_workflow("ada", "Long", "TK-9", workflow_id="live")
    for step in range(1, begun):
        one.history.tracking.start_step("ada", "live", step)

    page = ada.get("/work").text
    before = page[: page.index('action="/work/workflows/live/complete"')]
    answer = send(ada, page, "/work/workflows/live/complete")

    inside = before.count("<details") > before.count("</details>")
    assert inside == ('<summary class="button" data-key="c">' in page) == (asked is not None)
    assert ("begun. The ticket" in texts(page)) == inside
    assert asked is None or asked in texts(page)
    assert answer.headers["location"] == "/work?done=live"


def test_a_session_that_was_left_running_is_confirmed_or_corrected(one: Served, ada: Client, time: Time) -> None:
    one.history.set_timezone("ada", "Europe/Berlin")
    for ticket in ("TK-1", "TK-2"):
        started(ada, ticket)
        time.passes(hours=20)
        one.history.tracking.end_forgotten()
        page = ada.get("/work").text
        send(ada, page, path(one, "complete"))
    page = ada.get("/work").text
    held = {one.ticket_key: one.sessions[0] for one in one.history.tracking.active("ada")}
    assert "Left running" in texts(page)
    assert 'value="2024-06-17T00:00"' not in page  # by the clocks of Berlin, not by UTC's
    assert 'value="2024-06-16T02:00"' in page

    confirmed = send(ada, page, f"/work/sessions/{held['TK-1'].id}/confirm")
    corrected = f"/work/sessions/{held['TK-2'].id}/correct"
    early = send(ada, page, corrected, ended_at="2024-06-01T00:00", key="a")
    nonsense = send(ada, page, corrected, ended_at="tomorrow", key="b")
    put = send(ada, page, corrected, ended_at="2024-06-16T11:00")

    assert [answer.headers["location"] for answer in (confirmed, put)] == ["/work"] * 2
    assert [answer.headers["location"] for answer in (early, nonsense)] == ["/work?refused=invalid_argument"] * 2
    workflows = one.history.workflows("all_time", "ada").workflows
    assert {row.ticket_key: row.active_seconds for row in workflows} == {"TK-1": 12 * 3600, "TK-2": 3600}


@pytest.mark.parametrize("token", [None, "", "0" * 32])
def test_without_the_token_of_the_session_nothing_changes(one: Served, ada: Client, token: str | None) -> None:
    page = started(ada)
    sent = {} if token is None else {"csrf": token}
    session = one.history.tracking.active("ada")[0].sessions[0].id
    before = one.history.tracking.active("ada")[0].events
    paths = ["/work/start", *(path(one, action) for action in ("pause", "resume", "step", "complete", "cancel"))]
    paths += [f"/work/sessions/{session}/confirm", f"/work/sessions/{session}/correct"]

    for each in paths:
        data = {"template": "Checks", "ticket_key": "TK-1", "step": "1", "ended_at": "2024-06-15T11:00", **sent}
        assert ada.post(each, data=data).status_code == 403
    assert page
    assert [each.events for each in one.history.tracking.active("ada")] == [before]


def test_nobody_changes_the_work_of_another(one: Served, ada: Client) -> None:
    one.history.tracking.start_workflow("ben", "Checks", "TK-7", workflow_id="live")
    session = one.history.tracking.active("ben")[0].sessions[0].id
    page = ada.get("/work").text
    token = fields(page, "/work/start")["csrf"]

    tries = {
        "/work/start": 403,
        "/work/workflows/live/pause": 403,
        "/work/workflows/live/complete": 403,
        f"/work/sessions/{session}/confirm": 303,
    }
    for each, status in tries.items():
        data = {"csrf": token, "user_id": "ben", "template": "Checks", "ticket_key": "TK-8"}
        answer = ada.post(each, data=data)
        assert answer.status_code == status
        assert answer.headers.get("location", "") in ("", "/work?refused=unknown_session")
    assert [each.events for each in one.history.tracking.active("ben")] == [1]
    assert ada.get("/work?user_id=ben").status_code == 403


def test_an_admin_says_whose_work_it_is(one: Served) -> None:
    admin = browser(one, "admin")
    assert "/work/start" not in admin.get("/work").text

    page = admin.get("/work?user_id=eve").text
    answer = send(admin, page, "/work/start", ticket_key="TK-3", template="Checks")

    assert answer.headers["location"] == "/work?user_id=eve"
    assert [each.ticket_key for each in one.history.tracking.active("eve")] == ["TK-3"]
    assert "TK-3" in texts(admin.get("/work?user_id=eve").text)


def test_who_may_not_track_has_no_such_page(one: Served) -> None:
    for client in (browser(one, "read:own", user="ada"), browser(one, "read:all")):
        assert client.get("/work").status_code == 403
        assert client.get("/cards/work/running").status_code == 403
        assert 'href="/work"' not in client.get("/").text


def test_hostile_names_are_text_also_in_paths(one: Served, ada: Client) -> None:
    one.history.tracking.put_template(HOSTILE, HOSTILE, [HOSTILE, "two"])
    one.history.tracking.start_workflow("ada", HOSTILE, HOSTILE, workflow_id=HOSTILE)
    page = ada.get("/work").text

    assert HOSTILE not in page
    answer = send(ada, page, "/work/workflows/%3Cimg%20src%3Dx%3E%2F%252F/complete")

    done = ada.get(answer.headers["location"]).text
    assert f"{HOSTILE} is completed" in texts(done)
    assert HOSTILE not in done


@pytest.mark.parametrize("target", ["https://elsewhere.example/", "//elsewhere.example", "/\\elsewhere.example"])
def test_a_form_leads_to_no_other_host(one: Served, ada: Client, target: str) -> None:
    answer = send(ada, ada.get("/work").text, "/work/start", ticket_key="TK-9", template="Checks", to=target)

    assert answer.headers["location"] == "/work"


def test_without_a_template_the_page_says_how_to_put_one(store_url: str) -> None:
    with open_history(store_url, clock=lambda: NOW) as history, served(history) as one:
        page = browser(one, "read:own", "write:own", user="ada").get("/work").text

    assert "timestrata template put" in page


def test_an_action_that_nobody_knows_is_no_page(ada: Client) -> None:
    assert ada.post("/work/workflows/w-1/destroy").status_code == 404
    assert ada.get("/work/workflows/w-1/pause").status_code == 405
