"""What changes while a page is open: gaps dismissed, workflows recorded, servers and cards that fail and come back."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta

from browser import Chromium, until_drawn
from browser_reading import key_figures
from browser_sites import DEMO_NOW, Site
from facts_made import made
from playwright.sync_api import Page, expect
from sqlalchemy import text

from timestrata import CompletedWorkflow, StepTime, schema

LIVE = {"poll_seconds": 0.1}


def late(count: int, seconds: int = 6000) -> Iterator[CompletedWorkflow]:
    """Yield workflows of yesterday that took ten times as long as was thought."""
    for number in range(count):
        ended = DEMO_NOW - timedelta(days=1, minutes=number)
        yield made(f"late-{number}", completed_at=ended, estimated_seconds=600, steps=(StepTime(0, "Test", seconds),))


def gaps(page: Page) -> list[str | None]:
    return [row.get_attribute("data-alert") for row in page.locator("li.gap").all()]


# ----------------------------------------------------------------------------------------------------------------- gaps


def test_a_dismissed_gap_goes_at_once_and_comes_back_by_undo(chromium: Chromium, site_of: Callable[..., Site]) -> None:
    site = site_of(late(3), **LIVE)
    with chromium.visitor(site) as visitor:
        page = visitor.open("/gaps")
        first, second, third = gaps(page)

        page.click(f"li.gap[data-alert='{first}'] button:has-text('Dismiss')")
        expect(page.locator(f"li.gap[data-alert='{first}']")).to_have_count(0)
        expect(
            page.locator(f"li.gap[data-alert='{second}'] :focus, li.gap[data-alert='{second}']:focus")
        ).to_have_count(1)
        expect(page.locator("#status")).not_to_be_empty()
        page.click("#undo button")
        expect(page.locator(f"li.gap[data-alert='{first}']")).to_have_count(1)
        assert len(site.history.alerts()) == 3

        page.click(f"li.gap[data-alert='{second}'] button:has-text('Dismiss')")
        expect(page.locator("#undo")).to_be_visible()
        page.reload()
        assert gaps(page) == [first, third]
        assert {alert.id for alert in site.history.alerts(dismissed=True)} == {second}


def test_a_dismissal_is_seen_in_a_second_tab_and_on_the_overview(
    chromium: Chromium, site_of: Callable[..., Site]
) -> None:
    site = site_of(late(3), **LIVE)
    with chromium.visitor(site) as visitor:
        page = visitor.open("/gaps")
        first, _, _ = gaps(page)
        other = visitor.second_tab()
        other.goto(f"{site.url}/")
        expect(other.locator("nav .badge")).to_have_text("3")
        other.bring_to_front()
        visitor.context.request.get(site.url)  # both are there before anything changes

        page.click(f"li.gap[data-alert='{first}'] button:has-text('Dismiss')")

        expect(other.locator("nav .badge")).to_have_text("2")
        expect(other.locator("li.gap")).to_have_count(2)


def test_a_gap_is_dismissed_and_restored_without_javascript(chromium: Chromium, site_of: Callable[..., Site]) -> None:
    site = site_of(late(2))
    with chromium.visitor(site, java_script_enabled=False) as visitor:
        page = visitor.open("/gaps")
        first = gaps(page)[0]
        page.click(f"li.gap[data-alert='{first}'] button:has-text('Dismiss')")
        assert (
            first not in gaps(page) or page.locator(f"li.gap[data-alert='{first}'] button:has-text('Restore')").count()
        )
        assert [alert.id for alert in site.history.alerts(dismissed=True)] == [first]


# ----------------------------------------------------------------------------------------------------------------- live


def test_a_new_workflow_appears_within_two_seconds(chromium: Chromium, site_of: Callable[..., Site]) -> None:
    site = site_of(late(1))  # with the pace of a server as it is started
    with chromium.visitor(site) as visitor:
        page = visitor.open("/?range=last_7_days")
        expect(page.locator("#live")).to_have_text("Live")
        until_drawn(page)
        page.locator("#trend details.as-table summary").click()
        page.locator("#trend details.as-table summary").focus()

        site.history.record(made("new", completed_at=DEMO_NOW - timedelta(minutes=5)))

        expect(page.locator("#kpi-completed data.value")).to_have_attribute("value", "2", timeout=2_000)
        expect(page.locator("#trend details.as-table")).to_have_attribute("open", "")
        expect(page.locator("#trend details.as-table summary")).to_be_focused()


def test_a_page_outlives_its_server(chromium: Chromium, site_of: Callable[..., Site]) -> None:
    site = site_of(late(1), **LIVE)
    with chromium.visitor(site) as visitor:
        visitor.expected = ("ERR_CONNECTION_REFUSED", "ERR_INCOMPLETE_CHUNKED_ENCODING", "ERR_CONNECTION_RESET")
        page = visitor.open("/?range=last_7_days")
        expect(page.locator("#live")).to_have_text("Live")

        site.stop()
        expect(page.locator("#live")).to_contain_text("Reconnecting")
        assert key_figures(page)["completed"] == 1  # the figures stay
        site.history.record(made("meanwhile", completed_at=DEMO_NOW - timedelta(minutes=5)))
        site.start()

        expect(page.locator("#live")).to_have_text("Live")
        expect(page.locator("#kpi-completed data.value")).to_have_attribute("value", "2")


# ----------------------------------------------------------------------------------------------------------- no figures


def test_an_empty_store_says_how_to_begin(chromium: Chromium, site_of: Callable[..., Site]) -> None:
    site = site_of()
    with chromium.visitor(site) as visitor:
        page = visitor.open("/")
        expect(page.locator("main")).to_contain_text("Nothing is recorded yet")
        expect(page.locator("main code, main pre").first).to_contain_text("timestrata ")
        assert page.locator("[data-chart]").count() == 0
        for path in ("/tickets", "/steps", "/gaps", "/team", "/work", "/operations"):
            page = visitor.open(path)
            expect(page.locator("h1")).to_be_visible()
            assert page.locator(".failed").count() == 0


def test_an_empty_period_says_so_and_leads_to_the_last_work(chromium: Chromium, site_of: Callable[..., Site]) -> None:
    ended = DEMO_NOW - timedelta(days=400)
    site = site_of([made(completed_at=ended)])
    with chromium.visitor(site) as visitor:
        page = visitor.open("/?range=last_7_days")
        expect(page.locator("main")).to_contain_text("Nothing was completed")
        assert page.locator("[data-chart]").count() == 0
        page.click("main a:has-text('the last day with work')")
        page.wait_for_url(f"**to={ended.date()}*")
        expect(page.locator("#kpi-completed data.value")).to_have_attribute("value", "1")


# ------------------------------------------------------------------------------------------------------------- failures


def test_a_card_that_fails_says_so_and_the_others_stay(chromium: Chromium, site_of: Callable[..., Site]) -> None:
    site = site_of(late(3))
    with chromium.visitor(site) as visitor:
        visitor.expected = ("status of 5", "answer 5", "console: chart")
        rename(site, schema.cell_step.name, "away")
        page = visitor.open("/?range=last_7_days")

        expect(page.locator(".card.failed")).to_have_count(1)
        expect(page.locator("#steps.failed .again")).to_be_visible()
        assert key_figures(page)["completed"] == 3
        rename(site, "away", schema.cell_step.name)
        page.click("#steps .again")
        expect(page.locator(".card.failed")).to_have_count(0)
        expect(page.locator("#steps table")).to_have_count(1)
        expect(page.locator("#steps .plot[data-drawn='true']")).to_have_count(1)


def rename(site: Site, table: str, name: str) -> None:
    with site.history.engine.begin() as connection:
        connection.execute(text(f"ALTER TABLE {table} RENAME TO {name}"))


def test_a_chart_that_cannot_be_drawn_leaves_its_table(chromium: Chromium, site_of: Callable[..., Site]) -> None:
    site = site_of(late(3))
    with chromium.visitor(site) as visitor:
        visitor.expected = ("status of 500", "console: chart", "ERR_FAILED", "answer 500")
        visitor.page.route("**/charts/types.json*", lambda route: route.fulfill(status=500, body="gone"))
        page = visitor.open("/?range=last_7_days")

        expect(page.locator("#types details.as-table table")).to_be_visible()
        expect(page.locator("#types .plot")).to_contain_text("could not be drawn")
        expect(page.locator("#trend .plot[data-drawn='true']")).to_have_count(1)


# -------------------------------------------------------------------------------------------------------------- my work


def test_work_is_tracked_from_the_page_with_the_mouse_and_with_keys(
    chromium: Chromium, site_of: Callable[..., Site]
) -> None:
    site = site_of([made(user_id="ada")], **LIVE)
    site.history.tracking.put_template("Checks", "Bug", ["Look", "Report"])
    with chromium.visitor(site, ("read:own", "write:own"), "ada") as visitor:
        page = visitor.open("/work")
        page.fill("#ticket-key", "TK-9")
        page.select_option("#template", "Checks")
        page.click("form[action='/work/start'] button")
        expect(page.locator("#timer .timer")).to_contain_text("TK-9")
        expect(page.locator("#timer .timer")).to_contain_text("Look")
        site.clock.now += timedelta(minutes=20)
        page.click("button:has-text('Pause')")
        expect(page.locator(".task[data-state='paused']")).to_have_count(1)
        site.clock.now += timedelta(minutes=5)
        page.keyboard.press("p")
        expect(page.locator(".task[data-state='running']")).to_have_count(1)
        site.clock.now += timedelta(minutes=10)
        page.keyboard.press("n")
        expect(page.locator("#timer .timer")).to_contain_text("Report")
        site.clock.now += timedelta(minutes=30)
        page.click("button:has-text('Complete')")
        expect(page.locator("main")).to_contain_text("TK-9 is completed")
        expect(page.locator("#timer .timer")).to_have_count(0)

    (row,) = [row for row in site.history.workflows("all_time", "ada").workflows if row.ticket_key == "TK-9"]
    assert (row.active_seconds, row.paused_seconds) == (60 * 60, 5 * 60)


def test_a_ticket_with_steps_that_have_not_begun_is_completed_after_a_question(
    chromium: Chromium, site_of: Callable[..., Site]
) -> None:
    site = site_of([made(user_id="ada")], **LIVE)
    site.history.tracking.put_template("Checks", "Bug", ["Look", "Report"])
    for ticket in ("TK-8", "TK-9"):
        site.history.tracking.start_workflow("ada", "Checks", ticket, workflow_id=ticket)
        site.clock.now += timedelta(minutes=10)
        site.history.tracking.pause("ada", ticket)
    with chromium.visitor(site, ("read:own", "write:own"), "ada") as visitor:
        page = visitor.open("/work")
        first = page.locator("[data-key='c']").first
        first.click()
        expect(page.locator("details[open]")).to_have_count(1)
        first.click()
        expect(page.locator("details[open]")).to_have_count(0)
        for _ in range(3):
            page.keyboard.press("c")
        expect(page.locator("details[open] button.main")).to_be_focused()
        expect(page.locator("details[open]")).to_contain_text("One step has not begun.")
        assert len(site.history.tracking.active("ada")) == 2
        page.keyboard.press("Enter")
        expect(page.locator("main")).to_contain_text(" is completed")
        expect(page.locator(".task")).to_have_count(1)
        expect(page.locator("details[open]")).to_have_count(0)  # the question was about the other ticket
        assert len(site.history.tracking.active("ada")) == 1


def test_a_running_step_counts_on_in_the_header_of_every_page(chromium: Chromium, site_of: Callable[..., Site]) -> None:
    site = site_of([made(user_id="ada")])
    site.history.tracking.put_template("Checks", "Bug", ["Look", "Report"])
    with chromium.visitor(site, ("read:own", "write:own"), "ada") as visitor:
        page = visitor.open("/work")
        page.fill("#ticket-key", "TK-9")
        page.click("form[action='/work/start'] button")
        expect(page.locator("#timer .timer")).to_contain_text("TK-9")
        site.clock.now += timedelta(minutes=61)
        page.clock.install()
        page = visitor.open("/")
        expect(page.locator("#timer")).to_contain_text("1:01:0")
        page.clock.fast_forward(9 * 60_000)
        expect(page.locator("#timer")).to_contain_text("1:10:0")
