"""The period of a page: chosen, written into the URL, read from it, and what cannot be a period."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from browser import Chromium
from browser_reading import key_figures
from browser_sites import Site
from facts_made import made
from playwright.sync_api import Page, expect

from timestrata import CompletedWorkflow, StepTime, TimeSession


def chosen(page: Page) -> list[str | None]:
    """Return the names of the ranges that are marked as chosen."""
    return [each.get_attribute("data-range") for each in page.locator("#period a[aria-current='true']").all()]


def completed(site: Site, query: str) -> int:
    """Return the tickets of a range, by the API."""
    count: int = site.ask(f"/api/v1/dashboard?{query}").json()["summary"]["completed"]
    return count


def expect_completed(page: Page, count: int) -> None:
    expect(page.locator("#kpi-completed data.value")).to_have_attribute("value", str(count))


def test_the_period_stands_in_the_url_and_back_goes_back(chromium: Chromium, demo_site: Site) -> None:
    with chromium.visitor(demo_site) as visitor:
        page = visitor.open("/")
        assert chosen(page) == ["last_30_days"]
        expect_completed(page, completed(demo_site, "range=last_30_days"))

        for name in ("last_7_days", "last_90_days", "this_year"):
            page.click(f"#period a[data-range='{name}']")
            page.wait_for_url(f"**/?*range={name}*")
            expect_completed(page, completed(demo_site, f"range={name}"))
            assert chosen(page) == [name]

        page.go_back()
        page.wait_for_url("**/?*range=last_90_days*")
        expect_completed(page, completed(demo_site, "range=last_90_days"))
        assert chosen(page) == ["last_90_days"]
        page.reload()
        expect_completed(page, completed(demo_site, "range=last_90_days"))


def test_a_custom_period_can_be_shared_and_goes_along_to_the_other_pages(chromium: Chromium, demo_site: Site) -> None:
    query = "from=2024-02-01&to=2024-03-15"
    with chromium.visitor(demo_site) as visitor:
        page = visitor.open("/")
        page.fill("#period input[name='from']", "2024-02-01")
        page.fill("#period input[name='to']", "2024-03-15")
        page.click("#period button:has-text('Apply')")
        page.wait_for_url(f"**/?*{query}*")
        expect_completed(page, completed(demo_site, query))
        shared = page.url.removeprefix(demo_site.url)
        page.click("nav[aria-label='Pages'] a:has-text('Tickets')")
        page.wait_for_url(f"**/tickets?*{query}*")

    with chromium.visitor(demo_site) as other:
        page = other.open(shared)
        assert page.input_value("#period input[name='from']") == "2024-02-01"
        assert page.input_value("#period input[name='to']") == "2024-03-15"
        assert chosen(page) == []
        assert key_figures(page)["completed"] == completed(demo_site, query)


PERIODS = (
    "from=2025-06-16&to=2025-06-16",
    "from=2024-02-29&to=2024-02-29",
    "from=2025-06-20",
    "to=2023-09-30",
    "range=all_time",
    "range=last_month",
)


def test_any_period_of_the_api_is_one_of_the_page(chromium: Chromium, demo_site: Site) -> None:
    with chromium.visitor(demo_site) as visitor:
        for query in PERIODS:
            summary = demo_site.ask(f"/api/v1/dashboard?{query}").json()["summary"]
            assert summary["completed"] > 0

            assert key_figures(visitor.open(f"/?{query}")) == {
                "completed": summary["completed"],
                "mean": pytest.approx(summary["mean_seconds"]),
                "ratio": pytest.approx(summary["estimate_ratio"]),
                "worked": summary["worked_seconds"],
            }


def test_what_is_no_period_is_told(chromium: Chromium, look_site: Site) -> None:
    queries = ("from=2025-06-30&to=2025-06-01", "from=2025-02-29&to=2025-03-01", "range=for_ever", "from=soon")
    with chromium.visitor(look_site) as visitor:
        visitor.expected = ("status of 4",)
        for query in queries:
            page = visitor.open(f"/?{query}")
            expect(page.locator("[role='alert']")).to_be_visible()
            assert page.locator("#kpi-completed").count() == 0
        page.click("main a[href='/']")
        expect_completed(page, completed(look_site, "range=last_30_days"))


def test_a_start_after_the_end_is_told_when_it_is_chosen(chromium: Chromium, demo_site: Site) -> None:
    with chromium.visitor(demo_site) as visitor:
        visitor.expected = ("status of 4",)
        page = visitor.open("/")
        page.fill("#period input[name='from']", "2025-06-30")
        page.fill("#period input[name='to']", "2025-06-01")
        page.click("#period button:has-text('Apply')")

        expect(page.locator("[role='alert']")).to_contain_text("2025-06-30")
        page.go_back()
        expect_completed(page, completed(demo_site, "range=last_30_days"))


def test_days_are_those_of_the_person_also_when_the_clocks_change(
    chromium: Chromium, site_of: Callable[..., Site]
) -> None:
    """In Berlin 2025-03-30 has 23 hours; at 22:30 UTC it is the 31st there, and still the 30th in UTC."""
    night = worked_hour("night", datetime(2025, 3, 30, 0, 30, tzinfo=UTC))  # from 01:30 to 03:30 on the wall
    evening = worked_hour("evening", datetime(2025, 3, 29, 22, 30, tzinfo=UTC))  # until half past midnight
    site = site_of([evening, night], now=datetime(2025, 3, 30, 22, 30, tzinfo=UTC))
    site.history.set_timezone("ada", "Europe/Berlin")

    with chromium.visitor(site, ("read:own",), "ada") as visitor:
        page = visitor.open("/?from=2025-03-30&to=2025-03-30")
        assert key_figures(page)["completed"] == 2
        assert key_figures(page)["worked"] == 3600 + 1800
        page = visitor.open("/?range=last_7_days")
        assert page.input_value("#period input[name='to']") == "2025-03-31"


def worked_hour(name: str, start: datetime) -> CompletedWorkflow:
    """Return a workflow of somebody in Berlin, worked on for one hour."""
    end = start + timedelta(hours=1)
    steps = (StepTime(0, "Test", sessions=(TimeSession(start, end),)),)
    return made(name, started_at=start, completed_at=end, timezone="Europe/Berlin", steps=steps)
