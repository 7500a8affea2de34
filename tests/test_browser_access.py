"""The pages for everyone: axe-core, any width, keyboard alone, without JavaScript, in either theme."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from browser import DESKTOP, NARROW, PHONE, TABLET, Chromium, Theme, accessibility_findings, too_wide, until_drawn
from browser_reading import key_figures
from browser_sites import Site
from playwright.sync_api import Page, expect

PAGES = ("/", "/tickets", "/steps", "/gaps", "/team", "/work", "/operations")
QUERY = "?range=last_90_days"
LOOKS: tuple[tuple[Theme, tuple[int, int]], ...] = (
    ("light", DESKTOP),
    ("dark", DESKTOP),
    ("dark", PHONE),
    ("light", PHONE),
)


@pytest.mark.parametrize("path", [*PAGES, "/login", "/cards/no/such", "/?from=soon"])
def test_axe_finds_nothing_in_either_theme_at_either_size(chromium: Chromium, look_site: Site, path: str) -> None:
    found: dict[tuple[str, tuple[int, int]], list[str]] = {}
    with chromium.visitor(look_site) as visitor:
        visitor.expected = ("status of 4",)
        page = visitor.open(path if "?" in path else path + QUERY)
        for theme, size in LOOKS:
            page.emulate_media(color_scheme=theme)
            resize(page, size)
            until_drawn(page, theme)
            open_details(page)
            found[theme, size] = accessibility_findings(page)

    assert {name: findings for name, findings in found.items() if findings} == {}


@pytest.mark.parametrize("path", [*PAGES, "/login"])
def test_no_page_scrolls_sideways_at_any_width(chromium: Chromium, look_site: Site, path: str) -> None:
    found: dict[tuple[int, int], list[str]] = {}
    with chromium.visitor(look_site, size=NARROW) as visitor:
        page = visitor.open(path + QUERY)
        for size in (NARROW, PHONE, TABLET, DESKTOP, NARROW):
            resize(page, size)
            until_drawn(page)
            open_details(page)
            page.wait_for_function(FRAMES)
            found[size] = too_wide(page)

    assert {size: wide for size, wide in found.items() if wide} == {}


FRAMES = "() => new Promise(then => requestAnimationFrame(() => requestAnimationFrame(() => then(true))))"
"""Waits until what a new size means for the page has been painted."""


def resize(page: Page, size: tuple[int, int]) -> None:
    page.set_viewport_size({"width": size[0], "height": size[1]})


def open_details(page: Page) -> None:
    page.evaluate("() => document.querySelectorAll('details.as-table').forEach(each => { each.open = true })")


_BROKEN = """() => [...document.querySelectorAll("th, td, h1, h2, h3")].flatMap(each => {
  const broken = [], texts = document.createTreeWalker(each, NodeFilter.SHOW_TEXT)
  while (texts.nextNode()) for (const word of texts.currentNode.data.matchAll(/[\\p{L}\\p{N}]+/gu)) {
    const range = document.createRange()
    range.setStart(texts.currentNode, word.index)
    range.setEnd(texts.currentNode, word.index + word[0].length)
    if (new Set([...range.getClientRects()].map(box => Math.round(box.top))).size > 1) broken.push(word[0])
  }
  return broken
})"""
"""The words of tables and headings that stand on more than one line."""


@pytest.mark.parametrize("path", PAGES)
def test_words_in_tables_and_headings_stay_whole(chromium: Chromium, look_site: Site, path: str) -> None:
    found: dict[tuple[int, int], list[str]] = {}
    with chromium.visitor(look_site, size=NARROW) as visitor:
        page = visitor.open(path + QUERY)
        for size in (NARROW, PHONE, (1100, 900), DESKTOP):
            resize(page, size)
            until_drawn(page)
            open_details(page)
            page.wait_for_function(FRAMES)
            found[size] = page.evaluate(_BROKEN)

    assert {size: broken for size, broken in found.items() if broken} == {}


def test_on_a_phone_steps_can_be_started_without_moving_their_table(
    chromium: Chromium, site_of: Callable[..., Site]
) -> None:
    site = site_of()
    steps = ["Reproduce", "Check the correction", "Documentation"]
    site.history.tracking.put_template("Bug verification", "Bug", steps, estimated_seconds=3900)
    site.history.tracking.start_workflow("ana", "Bug verification", "SHOP-1")
    with chromium.visitor(site, user="ana", size=NARROW) as visitor:
        page = visitor.open("/work")
        buttons = page.locator(".task table button")
        card = page.locator(".task .scroll").bounding_box()
        boxes = [each.bounding_box() for each in buttons.all()]

    assert card is not None
    assert boxes
    assert all(box is not None and box["x"] + box["width"] <= card["x"] + card["width"] - 36 for box in boxes)


def test_a_table_fades_where_it_goes_on(chromium: Chromium, look_site: Site) -> None:
    with chromium.visitor(look_site, size=PHONE) as visitor:
        page = visitor.open("/team" + QUERY)
        table = page.locator("#people .scroll")
        expect(table).to_have_attribute("data-more", "right")
        table.evaluate("each => { each.scrollLeft = 40 }")
        expect(table).to_have_attribute("data-more", "both")
        table.evaluate("each => { each.scrollLeft = each.scrollWidth }")
        expect(table).to_have_attribute("data-more", "left")
        resize(page, DESKTOP)
        expect(table).not_to_have_attribute("data-more", re.compile(""))


_CROSSED = """() => [...document.querySelectorAll(".kpi")].filter(each => {
  const line = each.querySelector(".spark").getBoundingClientRect()
  const texts = each.querySelectorAll("h2, .value, .level, .change > span")
  return [...texts].flatMap(text => [...text.getClientRects()]).some(box =>
    box.left < line.right && box.right > line.left && box.top < line.bottom && box.bottom > line.top)
}).map(each => each.id)"""
"""The key figures whose line and text meet."""


@pytest.mark.parametrize("width", [320, 390, 560, 768, 1001, 1100, 1290, 1390, 1440])
def test_no_line_of_a_key_figure_crosses_its_text(chromium: Chromium, look_site: Site, width: int) -> None:
    with chromium.visitor(look_site, size=(width, 900)) as visitor:
        page = visitor.open("/?range=all_time")
        page.locator("#kpi-mean data.value").evaluate("each => { each.textContent = '1,234 h 07 min' }")
        crossed = page.evaluate(_CROSSED)

    assert crossed == []


def test_the_button_of_the_period_never_stands_alone(chromium: Chromium, look_site: Site) -> None:
    alone = []
    with chromium.visitor(look_site) as visitor:
        page = visitor.open("/" + QUERY)
        for width in (320, 390, 768, 1100, 1180, 1240, 1440):
            resize(page, (width, 900))
            boxes = [page.locator(f"#period {name}").bounding_box() for name in ("select[name=ticket_type]", "button")]
            field, button = (0 if box is None else box["y"] + box["height"] / 2 for box in boxes)
            if abs(field - button) > 4:
                alone.append(width)

    assert alone == []


# What a label or a stretched link covers is pressed too; a link in a sentence may be as small as its letters.
_SMALL_TARGETS = """() => [...document.querySelectorAll("a[href], button, input:not([type=hidden]), select, summary")]
  .filter(each => each.checkVisibility() && !each.closest("p, td, th, svg, .unseen") && !each.matches(".skip"))
  .filter(each => getComputedStyle(each, "::after").position !== "absolute")
  .map(each => [each, (each.closest("label") ?? each).getBoundingClientRect()])
  .filter(([each, box]) => box.width > 0 && (box.width < 24 || box.height < 23.5))
  .map(([each, box]) => `${each.outerHTML.slice(0, 100)} ${box.width}x${box.height}`)"""


def test_what_can_be_pressed_is_large_enough(chromium: Chromium, look_site: Site) -> None:
    found: dict[str, list[str]] = {}
    with chromium.visitor(look_site, size=PHONE) as visitor:
        for path in PAGES:
            found[path] = visitor.open(path + QUERY).evaluate(_SMALL_TARGETS)

    assert {path: small for path, small in found.items() if small} == {}


# A date has four places for the keyboard in it; the last, its calendar, is marked by the browser alone.
_FOCUS = """() => {
  const focused = document.activeElement
  const rings = [null, "::after"].map(part => getComputedStyle(focused, part))
    .map(style => style.outlineStyle === "none" ? 0 : parseFloat(style.outlineWidth))
  return {name: focused.dataset.range || focused.id || focused.textContent.trim(),
          marked: Math.max(...rings) >= 3 || focused === document.body || !focused.matches(":focus-visible")}
}"""


def test_the_overview_works_with_the_keyboard_alone(chromium: Chromium, look_site: Site) -> None:
    with chromium.visitor(look_site) as visitor:
        page = visitor.open("/")
        page.keyboard.press("Tab")
        expect(page.locator("a.skip")).to_be_focused()
        page.keyboard.press("Enter")
        expect(page).to_have_url(re.compile("#main$"))
        expect(page.locator("#main")).to_be_focused()

        met = []
        for _ in range(60):
            page.keyboard.press("Tab")
            met.append(_focus_on(page))
        assert [each["name"] for each in met if not each["marked"]] == []
        assert "last_7_days" in {each["name"] for each in met}

        page.locator("#period a[data-range='last_7_days']").focus()
        page.keyboard.press("Enter")
        page.wait_for_url("**range=last_7_days*")
        details = page.locator("#trend details.as-table")
        details.locator("summary").focus()
        page.keyboard.press("Enter")
        expect(details.locator("table")).to_be_visible()


def _focus_on(page: Page) -> dict[str, Any]:
    found: dict[str, Any] = page.evaluate(_FOCUS)
    return found


def test_the_theme_is_the_machines_until_it_is_chosen(chromium: Chromium, look_site: Site) -> None:
    background = "getComputedStyle(document.body).backgroundColor"
    with chromium.visitor(look_site, theme="dark") as visitor:
        page = visitor.open("/")
        until_drawn(page)
        dark = page.evaluate(background)
        page.select_option("#theme", "light")
        light = page.evaluate(background)
        assert dark != light
        assert page.locator("html").get_attribute("data-theme") == "light"

        page = visitor.open("/tickets")
        assert page.locator("html").get_attribute("data-theme") == "light"
        assert page.evaluate(background) == light
        page.select_option("#theme", "system")
        assert page.evaluate(background) == dark


def test_charts_follow_the_theme(chromium: Chromium, look_site: Site) -> None:
    with chromium.visitor(look_site, theme="light") as visitor:
        page = visitor.open("/")
        until_drawn(page)
        assert any("theme=light" in each for each in visitor.requests)
        with page.expect_response("**/charts/trend.json?*theme=dark*"):
            page.select_option("#theme", "dark")


def test_forced_colours_keep_the_page_readable(chromium: Chromium, look_site: Site) -> None:
    with chromium.visitor(look_site, forced_colors="active") as visitor:
        page = visitor.open("/" + QUERY)
        until_drawn(page)

        assert accessibility_findings(page) == []


def test_without_javascript_the_pages_work(chromium: Chromium, look_site: Site) -> None:
    summary = look_site.ask("/api/v1/dashboard?range=last_7_days").json()["summary"]
    with chromium.visitor(look_site, java_script_enabled=False) as visitor:
        page = visitor.open("/")
        page.click("#period a[data-range='last_7_days']")
        page.wait_for_url("**range=last_7_days*")
        expect(page.locator("#kpi-completed data.value")).to_have_attribute("value", str(summary["completed"]))
        expect(page.locator("noscript img, img.picture").first).to_be_visible()
        page.click("#types details.as-table summary")
        expect(page.locator("#types details.as-table table")).to_be_visible()
        for path in PAGES:
            visitor.open(path + QUERY)
            expect(page.locator("h1")).to_be_visible()
            assert page.locator(".failed").count() == 0


def test_numbers_and_days_are_written_as_the_browser_wants_them(chromium: Chromium, look_site: Site) -> None:
    worked = key_figures  # the raw values are the same in every language
    shown, raw = {}, {}
    for locale in ("en-US", "de-DE"):
        with chromium.visitor(look_site, locale=locale) as visitor:
            page = visitor.open("/?range=all_time")
            shown[locale] = page.inner_text("#kpi-completed data.value")
            raw[locale] = worked(page)
            until_drawn(page)
            assert {"en-US": "Mon", "de-DE": "Mo."}[locale] in page.locator("#hours .plot text").all_text_contents()

    assert shown == {"en-US": "4,825", "de-DE": "4.825"}
    assert raw["en-US"] == raw["de-DE"]
