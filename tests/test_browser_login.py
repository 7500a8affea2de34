"""Who may see the pages: logging in and out, what a session may do, and what no other site can make it do."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import httpx2
from browser import Chromium, until_drawn
from browser_sites import Site
from facts_made import made
from playwright.sync_api import Route, expect

from timestrata import StepTime
from timestrata.web.principals import COOKIE


def test_a_token_logs_in_and_leads_back_to_the_page_that_was_asked_for(chromium: Chromium, demo_site: Site) -> None:
    with chromium.visitor(demo_site, logged_in=False) as visitor:
        visitor.expected = ("status of 401",)
        page = visitor.open("/tickets?range=last_7_days")
        assert "/login" in page.url
        page.fill("#token", "timestrata_000000000000_" + "x" * 43)
        page.click("button.main")
        expect(page.locator("[role='alert']")).to_be_visible()
        page.fill("#token", demo_site.token("read:all"))
        page.keyboard.press("Enter")
        page.wait_for_url("**/tickets?range=last_7_days")

        cookie = next(each for each in visitor.context.cookies() if each.get("name") == COOKIE)
        assert cookie.get("httpOnly") is True
        assert cookie.get("sameSite") in ("Lax", "Strict")
        assert page.evaluate("document.cookie").count(COOKIE) == 0

        page.click("form[action='/logout'] button")
        page.wait_for_url("**/login*")
        page = visitor.open("/")
        assert "/login" in page.url


def test_a_link_logs_in_once(chromium: Chromium, demo_site: Site) -> None:
    key = demo_site.history.access.create_login()
    with chromium.visitor(demo_site, logged_in=False) as visitor:
        page = visitor.open(f"/login?key={key}")
        assert page.url == f"{demo_site.url}/"
        expect(page.locator("#kpi-completed")).to_be_visible()
    with chromium.visitor(demo_site, logged_in=False) as visitor:
        visitor.expected = ("status of 401",)
        page = visitor.open(f"/login?key={key}")
        expect(page.locator("[role='alert']")).to_be_visible()


def test_a_login_never_leads_to_another_host(chromium: Chromium, look_site: Site) -> None:
    for target in ("https://example.com/", "//example.com", "/\\example.com", "javascript:alert(1)"):
        with chromium.visitor(look_site, logged_in=False) as visitor:
            page = visitor.open(f"/login?to={target}")
            page.fill("#token", look_site.token("read:all"))
            page.click("button.main")
            page.wait_for_url(f"{look_site.url}/", wait_until="commit")


def test_a_person_sees_their_own_pages_and_data_only(chromium: Chromium, demo_site: Site) -> None:
    own = demo_site.ask("/api/v1/dashboard?user_id=lena").json()["summary"]["completed"]
    with chromium.visitor(demo_site, ("read:own", "write:own"), "lena") as visitor:
        page = visitor.open("/")
        expect(page.locator("#kpi-completed data.value")).to_have_attribute("value", str(own))
        titles = page.locator("nav[aria-label='Pages'] a").all_inner_texts()
        assert not {"Team", "Operations"} & set(titles)
        visitor.expected = ("status of 403",)
        for path in ("/team", "/operations", "/?user_id=zoe", "/tickets?user_id=zoe"):
            answer = page.goto(demo_site.url + path)
            assert answer is not None
            assert answer.status == 403
            expect(page.locator("[role='alert']")).to_be_visible()


def test_a_form_that_no_page_of_the_session_made_changes_nothing(
    chromium: Chromium, site_of: Callable[..., Site]
) -> None:
    site = site_of([made("late", steps=(StepTime(0, "Test", 6000),), estimated_seconds=600)])
    alert = site.history.alerts()[0]
    path = f"/gaps/{alert.id}/dismiss"
    cookies = {COOKIE: site.token("admin")}

    crossed = [
        httpx2.post(site.url + path, cookies=cookies, headers=headers, data=data)
        for headers in ({"Origin": "https://example.com"}, {"Sec-Fetch-Site": "cross-site"}, {"Origin": site.url}, {})
        for data in ({}, {"csrf": "0" * 32})
    ]

    assert {answer.status_code for answer in crossed} == {403}
    assert [each.id for each in site.history.alerts()] == [alert.id]


def test_a_session_that_ended_leads_to_the_login_and_back(chromium: Chromium, site_of: Callable[..., Site]) -> None:
    site = site_of([made()], token_kept_seconds=0)
    new = site.history.access.create_token("short", ["read:all"], expires=timedelta(days=1))
    with chromium.visitor(site, logged_in=False) as visitor:
        visitor.expected = ("status of 401",)
        visitor.context.add_cookies([{"name": COOKIE, "value": new.secret, "url": site.url}])
        page = visitor.open("/?range=all_time")
        until_drawn(page)
        site.history.access.revoke(new.token.token_id)
        page.click("nav[aria-label='Pages'] a:has-text('Tickets')")
        page.wait_for_url("**/login?**")
        expect(page.locator("[role='alert']")).to_have_text("Your session has ended. Log in to go on.")
        page.fill("#token", site.token("read:all"))
        page.click("button.main")
        page.wait_for_url("**/tickets?range=all_time")


def test_a_session_that_ends_before_the_charts_are_drawn_leads_to_the_login(
    chromium: Chromium, site_of: Callable[..., Site]
) -> None:
    site = site_of([made()], token_kept_seconds=0)
    new = site.history.access.create_token("short", ["read:all"], expires=timedelta(days=1))

    def end(route: Route) -> None:
        site.history.access.revoke(new.token.token_id)
        route.continue_()

    with chromium.visitor(site, logged_in=False) as visitor:
        visitor.expected = ("status of 401",)
        visitor.context.add_cookies([{"name": COOKIE, "value": new.secret, "url": site.url}])
        visitor.page.route("**/charts/*.json*", end)
        page = visitor.open("/?range=all_time")
        page.wait_for_url("**/login?**")
        expect(page.locator("[role='alert']")).to_have_text("Your session has ended. Log in to go on.")
        expect(page.locator("form input[name='to']")).to_have_value("/?range=all_time")


def test_every_page_carries_the_policy_that_the_tests_rely_on(look_site: Site) -> None:
    for path in ("/", "/tickets", "/steps", "/gaps", "/team", "/work", "/operations", "/login"):
        answer = httpx2.get(look_site.url + path, cookies={COOKIE: look_site.token("admin")})
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
