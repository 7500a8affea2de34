"""What stands on a page of the dashboard, read from its DOM: key figures, tables, the bars of charts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from playwright.sync_api import Page

KEY_FIGURES = ("completed", "mean", "ratio", "worked")

_KEY_FIGURES = """names => Object.fromEntries(names.map(name => {
  const figure = document.querySelector(`#kpi-${name} data.value`)
  return [name, figure.value === "" ? null : Number(figure.value)]
}))"""

_TABLE = """table => [...table.querySelectorAll("tbody tr")].map(row => [...row.cells].map(cell => {
  const figure = cell.querySelector("data")
  return figure ? figure.value : cell.textContent.trim()
}))"""

# Vega keeps the item that it drew in each element: the datum, as it came from the specification.
_BARS = """plot => [...plot.querySelectorAll("svg *")]
  .filter(element => element.__data__?.mark?.marktype === "rect" && element.__data__.datum)
  .map(element => {
    const box = element.getBoundingClientRect()
    return {...element.__data__.datum, box: {width: box.width, height: box.height}}
  })"""

_PLOT_TEXT = """plot => [...plot.querySelectorAll("svg text")].map(text => text.textContent)"""


def key_figures(page: Page) -> dict[str, float | None]:
    """Return the raw values of the four cards; None for one that shows nothing."""
    found: dict[str, float | None] = page.evaluate(_KEY_FIGURES, list(KEY_FIGURES))
    return found


def table(page: Page, card: str) -> list[list[str]]:
    """Return the rows of the table of a card, below its head: raw values where it has them, else what is read."""
    found: list[list[str]] = page.locator(f"#{card} table").first.evaluate(_TABLE)
    return found


def bars(page: Page, card: str) -> list[dict[str, Any]]:
    """Return the drawn rectangles of a chart with their data and sizes."""
    page.wait_for_selector(f"#{card} .plot[data-drawn='true']")
    found: list[dict[str, Any]] = page.locator(f"#{card} .plot").evaluate(_BARS)
    return found


def texts_of_plot(page: Page, card: str) -> list[str]:
    """Return the texts that a chart is labelled with."""
    page.wait_for_selector(f"#{card} .plot[data-drawn='true']")
    found: list[str] = page.locator(f"#{card} .plot").evaluate(_PLOT_TEXT)
    return found
