"""The charts of the pages: their shapes are compiled once, and what is drawn of a kept one is the same."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import vl_convert
from browser import Chromium, until_drawn
from browser_sites import DEMO_NOW, Site
from facts_made import made
from playwright.sync_api import Page, expect

from timestrata import StepTime

CHARTS = ("trend", "types", "steps", "heatmap")
PERIODS = ("last_30_days", "all_time", "today")

_DRAW = """async (specification) => {
    const script = document.getElementById("app");
    const {default: embed} = await import(script.dataset.vega);
    const {shaped} = await import(script.src.replace("app.js", "shapes.js"));
    const [known, {mode, patch}] = shaped(specification);
    const room = document.body.appendChild(document.createElement("div"));
    let vega;
    const look = (made) => { vega = JSON.parse(JSON.stringify(made)); return patch ? patch(made) : made; };
    const silent = {ast: true, actions: false, defaultStyle: false, tooltip: {disableDefaultStyle: true}};
    const view = await embed(room, known, {...silent, mode, patch: look});
    view.finalize();
    room.remove();
    return {mode, vega};
}"""


def is_compiled(page: Page, specification: Any) -> bool:
    """Draw a specification and tell whether it was compiled for that; either way it is what Vega-Lite makes of it."""
    drawn = page.evaluate(_DRAW, specification)
    assert drawn["vega"] == vl_convert.vegalite_to_vega(specification)
    return bool(drawn["mode"] == "vega-lite")


def kept(page: Page) -> list[str]:
    return [name for name in page.evaluate("() => Object.keys(localStorage)") if name.startswith("timestrata_shape ")]


@pytest.mark.parametrize("chart", CHARTS)
def test_a_kept_shape_draws_what_a_compiled_one_does(chromium: Chromium, look_site: Site, chart: str) -> None:
    with chromium.visitor(look_site) as visitor:
        page = visitor.open("/gaps")
        specifications = [look_site.ask(f"/charts/{chart}.json?range={period}").json() for period in PERIODS]
        first, *_ = [is_compiled(page, each) for each in specifications]  # other periods may have the same shape
        page.reload()
        again = [is_compiled(page, each) for each in specifications]
        assert (first, again) == (True, [False, False, False])


def test_new_figures_are_drawn_without_compiling(chromium: Chromium, site_of: Callable[..., Site]) -> None:
    def late(number: int, seconds: int) -> Any:
        ended = DEMO_NOW - timedelta(days=2, minutes=number)
        return made(f"late-{number}", completed_at=ended, steps=(StepTime(0, "Test", seconds),))

    site = site_of(late(number, 3600 + number) for number in range(8))
    with chromium.visitor(site) as visitor:
        page = visitor.open("/?range=last_30_days")
        until_drawn(page)
        before = {chart: site.ask(f"/charts/{chart}.json?range=last_30_days").json() for chart in CHARTS}
        site.history.record(late(8, 9000))

        for chart, old in before.items():
            new = site.ask(f"/charts/{chart}.json?range=last_30_days").json()
            assert new["datasets"] != old["datasets"], chart
            assert not is_compiled(page, new), chart


def test_who_logs_out_leaves_no_shapes_behind(chromium: Chromium, look_site: Site) -> None:
    with chromium.visitor(look_site, ("read:own",), user="ana") as visitor:
        page = visitor.open("/")
        until_drawn(page)
        assert kept(page) != []
        page.click("form[action='/logout'] button")
        expect(page).to_have_url(f"{look_site.url}/login")
        assert kept(page) == []


def test_a_browser_that_keeps_nothing_draws_all_charts(chromium: Chromium, look_site: Site) -> None:
    with chromium.visitor(look_site) as visitor:
        denied = "throw new DOMException('denied', 'SecurityError')"
        visitor.page.add_init_script(f"Object.defineProperty(window, 'localStorage', {{get() {{ {denied}; }}}})")
        page = visitor.open("/")
        until_drawn(page)


def test_shapes_do_not_heap_up(chromium: Chromium, look_site: Site) -> None:
    specification = look_site.ask("/charts/types.json").json()
    with chromium.visitor(look_site) as visitor:
        page = visitor.open("/gaps")
        for number in range(61):
            page.evaluate(_DRAW, {**specification, "usermeta": {"number": number}})
        assert 0 < len(kept(page)) <= 60
