"""Hostile names: wherever a name appears, it is text."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator
from datetime import timedelta
from urllib.parse import quote

from browser import NARROW, Chromium, Visitor, accessibility_findings, too_wide, until_drawn
from browser_reading import bars, texts_of_plot
from browser_sites import DEMO_NOW, Site
from facts_made import made
from playwright.sync_api import expect

from timestrata import CompletedWorkflow, StepTime

NAMES = (
    "<script>document.title='owned'</script>",
    "<img src=x onerror=\"document.title='owned'\">",
    "\"><svg onload=document.title='owned'>'",
    "=1+1|cmd",
    "מבדק ‮ قديم",
    "L" * 200,
    "datum['a.b[0]']",
    "{{ 7*7 }}{% raw %}",
    "null",
)
PATHS = ("/", "/tickets", "/steps", "/gaps", "/team", "/work", "/operations")


def hostile() -> Iterator[CompletedWorkflow]:
    """Yield ten workflows of everything that a name can be, all of them over their estimate."""
    for number, name in enumerate(NAMES):
        for day in range(10):
            ended = DEMO_NOW - timedelta(days=day, hours=number)
            yield made(
                f"{number}-{day}",
                user_id=name,
                ticket_key=name,
                ticket_type=name,
                template=name,
                completed_at=ended,
                estimated_seconds=600,
                steps=(StepTime(0, name, 3000 + 60 * number, 600), StepTime(1, name + "2", 60)),
            )


def assert_harmless(visitor: Visitor) -> None:
    page = visitor.page
    assert page.title() != "owned"
    assert page.locator("main script, main img[src='x'], main svg[onload]").count() == 0
    assert page.locator(".failed").count() == 0


def test_names_are_text_on_every_page_and_in_every_chart(chromium: Chromium, site_of: Callable[..., Site]) -> None:
    site = site_of(hostile())
    with chromium.visitor(site) as visitor:
        for path in PATHS:
            page = visitor.open(f"{path}?range=last_90_days")
            until_drawn(page)
            assert_harmless(visitor)

        page = visitor.open("/?range=last_90_days")
        until_drawn(page)
        assert accessibility_findings(page) == []
        drawn = {str(bar["name"]): bar["value"] for bar in bars(page, "types") if "name" in bar}
        summary = site.ask("/api/v1/dashboard?range=last_90_days").json()["summary"]["by_ticket_type"]
        expected = {name: figures["completed"] for name, figures in summary.items()}
        assert {name: value for name, value in drawn.items() if name in NAMES}.items() <= expected.items()
        assert sum(drawn.values()) == len(NAMES) * 10
        assert any(text.startswith("LLLL") and text.endswith("…") for text in texts_of_plot(page, "types"))
        for name in NAMES[:3]:
            page.get_by_text(name, exact=False).first.wait_for(state="attached")

        for name in NAMES:
            page = visitor.open(f"/tickets?range=last_90_days&ticket_type={quote(name, safe='')}")
            assert_harmless(visitor)
            expect(page.locator("#tickets tbody tr").first).to_contain_text(name[:40])


def test_long_names_do_not_widen_a_page(chromium: Chromium, site_of: Callable[..., Site]) -> None:
    site = site_of(hostile())
    with chromium.visitor(site, size=NARROW) as visitor:
        found = {}
        for path in PATHS:
            page = visitor.open(f"{path}?range=last_90_days")
            until_drawn(page)
            found[path] = too_wide(page)

    assert {path: wide for path, wide in found.items() if wide} == {}


def test_no_cell_of_a_csv_is_a_formula(chromium: Chromium, site_of: Callable[..., Site]) -> None:
    site = site_of(hostile())
    with chromium.visitor(site) as visitor:
        links: set[str] = set()
        for path in PATHS:
            page = visitor.open(f"{path}?range=last_90_days")
            links |= {link.get_attribute("href") or "" for link in page.locator("a[href*='.csv']").all()}

        assert len(links) >= 5
        for link in links:
            answer = visitor.context.request.get(site.url + link)
            assert answer.status == 200, link
            assert "attachment" in answer.headers["content-disposition"], link
            cells = [cell for row in csv.reader(io.StringIO(answer.body().decode())) for cell in row]
            assert not [cell for cell in cells if cell[:1] in "=+@\t\r" and cell], link
