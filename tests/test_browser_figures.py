"""The figures of the pages: those of the API, the CSV and the command; drawn, written and downloaded."""

from __future__ import annotations

import csv
import io
import json
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from browser import Chromium, Visitor, until_drawn
from browser_reading import bars, key_figures, table
from browser_sites import Site
from playwright.sync_api import expect
from typer.testing import CliRunner

from timestrata.cli import app

DEMO_QUERIES = (
    "range=last_30_days",
    "range=this_year&user_id=lena",
    "from=2024-02-01&to=2024-05-17&ticket_type=Bug",
    "range=all_time&user_id=bj%C3%B6rn&ticket_type=Story",
)
SIP_QUERIES = ("range=all_time", "from=2012-01-01&to=2012-12-31&ticket_type=Enhancement", "range=last_90_days")

SUMS = (
    "completed",
    "worked_seconds",
    "active_seconds",
    "paused_seconds",
    "estimated_seconds",
    "with_estimate",
    "gap_alerts",
)


def download(visitor: Visitor, path: str) -> str:
    """Return what a link of the page leads to, with the cookie of the browser."""
    answer = visitor.context.request.get(visitor.site.url + path)
    assert answer.status == 200, (path, answer.status, answer.text())
    return answer.body().decode()


def rows(text: str) -> list[dict[str, str]]:
    """Return the rows of a CSV file."""
    return list(csv.DictReader(io.StringIO(text.removeprefix("\ufeff"))))


def command(site: Site, query: str, *args: str) -> str:
    """Return what the command prints for the query of a page."""
    names = {"range": "--range", "from": "--from", "to": "--to", "user_id": "--user", "ticket_type": "--type"}
    options = [part for name, value in parse_qsl(query) for part in (names[name], value)]
    url = site.history.engine.url.render_as_string(hide_password=False)
    today = str(site.clock.now.date())
    result = CliRunner().invoke(app, [*args, "--database", url, "--today", today, *options])
    assert result.exit_code == 0, result.output
    return result.stdout


# ---------------------------------------------------------------------------------------------------------------- sums


def assert_sums_agree(visitor: Visitor, query: str) -> None:
    """The sums on the page, of the API, in the CSV and of the command are the same integers."""
    page = visitor.open(f"/?{query}")
    shown = key_figures(page)
    api = visitor.site.ask(f"/api/v1/dashboard?{query}").json()["summary"]
    link = page.locator("a[href*='/exports/summary.csv']").first.get_attribute("href")
    assert link is not None
    total = next(row for row in rows(download(visitor, link)) if row["row"] == "total")
    told = json.loads(command(visitor.site, query, "summary", "--json"))

    assert api["completed"] > 0
    assert shown["completed"] == api["completed"]
    assert shown["worked"] == api["worked_seconds"]
    assert shown["mean"] == pytest.approx(api["mean_seconds"])
    assert shown["ratio"] == pytest.approx(api["estimate_ratio"])
    assert {name: int(total[name]) for name in SUMS} == {name: api[name] for name in SUMS}
    assert {name: told[name] for name in SUMS} == {name: api[name] for name in SUMS}
    assert told["by_ticket_type"] == api["by_ticket_type"]
    assert _by_type(table(page, "types")) == {
        name: figures["completed"] for name, figures in api["by_ticket_type"].items()
    }
    assert download(visitor, link) == command(visitor.site, query, "summary", "--csv")


def _by_type(shown: list[list[str]]) -> dict[str, int]:
    return {row[0]: int(row[1]) for row in shown}


def test_the_page_the_api_the_csv_and_the_command_say_the_same(chromium: Chromium, demo_site: Site) -> None:
    with chromium.visitor(demo_site) as visitor:
        for query in DEMO_QUERIES:
            assert_sums_agree(visitor, query)


def test_they_say_the_same_of_ten_years_of_a_software_house(chromium: Chromium, sip_site: Site) -> None:
    with chromium.visitor(sip_site) as visitor:
        for query in SIP_QUERIES:
            assert_sums_agree(visitor, query)


# -------------------------------------------------------------------------------------------------------------- charts


def drawn(visitor: Visitor, card: str, *keys: str) -> dict[tuple[str, ...], int]:
    """Return the values of the bars of a chart by what they stand for; bars of nothing are left out."""
    found = bars(visitor.page, card)
    values = {tuple(str(bar[key]) for key in keys): int(bar["value"]) for bar in found if bar.get("value")}
    assert len(values) == len([bar for bar in found if bar.get("value")])
    return values


def trend_of(visitor: Visitor, query: str, field: str) -> dict[tuple[str, ...], int]:
    """Return a trend by bucket and ticket type, by the API."""
    user = dict(parse_qsl(query)).get("user_id")
    path = f"/api/v1/time/history/{user}/trend" if user else "/api/v1/dashboard"
    report = visitor.site.ask(f"{path}?{query}&by=ticket_type").json()
    trend = report if user else report["trend"]
    return {
        (point["bucket"], name): point[field]
        for name, series in trend["by"].items()
        for point in series["points"]
        if point[field]
    }


def heights_agree(found: list[dict[str, Any]], along: str) -> bool:
    """Tell whether the sizes of bars are as their values are, to a pixel."""
    shown = [bar for bar in found if bar.get("value")]
    greatest = max(shown, key=lambda bar: bar["value"])
    unit = greatest["box"][along] / greatest["value"]
    return all(abs(bar["box"][along] - bar["value"] * unit) <= 1.5 for bar in shown)


@pytest.mark.parametrize("measure", ["completed", "worked_seconds"])
def test_the_bars_of_the_trend_are_the_figures_of_the_api_and_the_csv(
    chromium: Chromium, demo_site: Site, measure: str
) -> None:
    query = "from=2025-01-01&to=2025-06-30&user_id=priya"
    with chromium.visitor(demo_site) as visitor:
        for bucket in ("week", "month"):
            whole = f"{query}&bucket={bucket}&measure={measure}"
            page = visitor.open(f"/?{whole}")
            expected = trend_of(visitor, whole, measure)
            assert expected

            assert drawn(visitor, "trend", "bucket", "name") == expected
            assert heights_agree(bars(page, "trend"), "height")
            link = page.locator("#trend a[href*='.csv']").first.get_attribute("href")
            assert link is not None
            series = [row for row in rows(download(visitor, link)) if row["series"]]
            assert {(row["bucket"], row["series"]): int(row[measure]) for row in series if row[measure] != "0"} == (
                expected
            )


def test_the_bucket_and_the_measure_are_switched_in_place(chromium: Chromium, demo_site: Site) -> None:
    query = "from=2025-01-01&to=2025-06-30&user_id=priya"
    with chromium.visitor(demo_site) as visitor:
        page = visitor.open(f"/?{query}")
        for link, argument, field in (
            ("month", "bucket=month", "completed"),
            ("worked_seconds", "measure=worked_seconds", "worked_seconds"),
            ("week", "bucket=week", "worked_seconds"),
        ):
            page.click(f"#trend a[href*='={link}']")
            page.wait_for_url(f"**/?*{argument}*")
            until_drawn(page)
            asked = urlsplit(page.url).query
            expected = trend_of(visitor, asked, field)
            page.wait_for_function("n => document.querySelectorAll('#trend .plot svg').length === n", arg=1)
            assert drawn(visitor, "trend", "bucket", "name") == expected


def test_every_chart_has_its_figures_as_a_table(chromium: Chromium, demo_site: Site) -> None:
    query = "from=2025-01-01&to=2025-06-30"
    with chromium.visitor(demo_site) as visitor:
        page = visitor.open(f"/?{query}")
        until_drawn(page)
        cards = [card.get_attribute("id") for card in page.locator(".card:has([data-chart])").all()]

        assert {"trend", "types", "steps"} <= set(cards)
        for card in cards:
            details = page.locator(f"#{card} details.as-table")
            details.locator("summary").click()
            expect(details.locator("table")).to_be_visible()
            assert details.locator("table caption").count() == 1
        types = {name: value for (name,), value in drawn(visitor, "types", "name").items()}
        assert types == _by_type(table(page, "types"))


def test_a_type_leads_to_the_list_with_the_same_count(chromium: Chromium, demo_site: Site) -> None:
    query = "from=2025-06-01&to=2025-06-30"
    with chromium.visitor(demo_site) as visitor:
        page = visitor.open(f"/?{query}")
        count = _by_type(table(page, "types"))["Incident"]
        details = page.locator("#types details.as-table")
        if details.count():
            details.locator("summary").click()
        page.click("#types table a:has-text('Incident')")
        page.wait_for_url("**/tickets?*ticket_type=Incident*")

        assert 0 < count < 50
        assert page.locator("#tickets tbody tr").count() == count
        assert "2025-06-01" in page.url
