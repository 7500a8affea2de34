"""Pictures of the dashboard for the documentation, all in docs/images.

    uv run python docs/screenshots.py [PAGE ...]

Serves the made-up team of `timestrata demo` with a clock that stands still, and saves each page in both themes, 1440
pixels wide, from Chromium (TIMESTRATA_CHROMIUM, else the one in PATH).
"""

from __future__ import annotations

import asyncio
import io
import os
import shutil
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Thread

import uvicorn
from PIL import Image
from playwright.sync_api import Browser, sync_playwright

from timestrata import History, demo, open_history
from timestrata.web import Config, create_app
from timestrata.web.principals import COOKIE

NOW = datetime(2025, 6, 30, 21, tzinfo=UTC)
"""The evening of the last day of the made-up history."""

FOLDER = Path(__file__).parent / "images"
PAGES = {
    "overview": "/?range=this_year",
    "tickets": "/tickets?range=last_30_days",
    "steps": "/steps?range=this_year",
    "gaps": "/gaps?range=last_30_days",
    "team": "/team?range=this_year",
    "work": "/work",
    "operations": "/operations",
}
WIDTH, HEIGHT, MOST_HEIGHT = 1440, 900, 2100
_BATCH = 1000
_DRAWN = "() => [...document.querySelectorAll('[data-chart]')].every(plot => plot.dataset.drawn === 'true')"


def fill(history: History) -> str:
    """Record the made-up team and a ticket that somebody works on; return a token that may see everything."""
    rest = demo.workflows()
    while batch := list(islice(rest, _BATCH)):
        history.record(batch)
    name, steps = demo.VERIFICATION.name, [step.name for step in demo.VERIFICATION.steps]
    history.tracking.put_template(name, "Bug", steps, estimated_seconds=65 * 60)
    begun = NOW - timedelta(minutes=31, seconds=12)
    ticket = history.tracking.start_workflow("lena", name, "SHOP-8731", timezone="Europe/Berlin", at=begun)
    history.tracking.start_step("lena", ticket.workflow_id, 1, at=begun + timedelta(minutes=18))
    return history.access.create_token("screenshots", ["admin"], user="lena").secret


@contextmanager
def served(history: History) -> Iterator[str]:
    """Serve a history in a thread; lend its URL."""
    bound = socket.create_server(("127.0.0.1", 0))
    app = create_app(history, Config(log_format=None, clock=lambda: NOW))
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False))
    thread = Thread(target=lambda: asyncio.run(server.serve([bound])))
    thread.start()
    try:
        yield f"http://127.0.0.1:{bound.getsockname()[1]}"
    finally:
        app.state.service.closing.set()
        server.should_exit = True
        thread.join()


def pictures(browser: Browser, url: str, token: str, names: list[str]) -> Iterator[tuple[str, bytes]]:
    """Yield the file names and PNG pictures of pages, in both themes."""
    for theme in ("light", "dark"):
        context = browser.new_context(
            viewport={"width": WIDTH, "height": HEIGHT},
            color_scheme=theme,
            locale="en-GB",
            reduced_motion="reduce",
        )
        context.add_cookies([{"name": COOKIE, "value": token, "url": url}])
        page = context.new_page()
        for name in names:
            page.goto(url + PAGES[name])
            page.wait_for_function(_DRAWN)
            page.wait_for_function("() => document.getElementById('live').textContent === 'Live'")
            page.evaluate("() => document.fonts.ready")
            height = min(MOST_HEIGHT, page.evaluate("() => document.documentElement.scrollHeight"))
            page.set_viewport_size({"width": WIDTH, "height": height})
            page.wait_for_function(_DRAWN)
            yield f"{name}-{theme}.png", page.screenshot()
            page.set_viewport_size({"width": WIDTH, "height": HEIGHT})
        context.close()


def small(picture: bytes) -> bytes:
    """Return a PNG with as few colours as nobody misses."""
    with Image.open(io.BytesIO(picture)) as opened:
        # Maximum coverage: of the few green and red points none may turn grey.
        reduced = opened.convert("RGB").quantize(256, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    out = io.BytesIO()
    reduced.save(out, "PNG", optimize=True)
    return out.getvalue()


def chromium() -> str:
    programs = map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))
    found = os.environ.get("TIMESTRATA_CHROMIUM") or next(filter(None, programs), None)
    if found is None:
        raise SystemExit("no Chromium in PATH: apt-get install chromium")
    return found


def main() -> None:
    names = sys.argv[1:] or list(PAGES)
    FOLDER.mkdir(exist_ok=True)
    with (
        TemporaryDirectory() as folder,
        open_history(f"sqlite:///{folder}/demo.db", clock=lambda: NOW) as history,
    ):
        token = fill(history)
        with served(history) as url, sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
            for name, picture in pictures(browser, url, token, names):
                (FOLDER / name).write_bytes(small(picture))
                print(f"{name}: {(FOLDER / name).stat().st_size / 1000:.0f} kB", flush=True)
            browser.close()


if __name__ == "__main__":
    main()
