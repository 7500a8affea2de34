"""A Chromium that visits the dashboard, and what it must never meet there: errors, violations, other hosts.

Playwright leaves a running event loop in the thread that calls it, which no other test of the process could bear. So
the browser lives in a thread of its own, and tests that ask for it run there.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeVar
from urllib.parse import urlsplit

import pytest
from browser_sites import Site

if TYPE_CHECKING:  # every run of the tests reads this module, few need Playwright
    from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Request, Response

PROGRAMS = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
"""The first one that is there: the shell, which has no window with its buttons, opens a page in a fifth of the time."""
NOT_FOUND = (
    "browser tests not run: no Chromium found (`apt-get install chromium`, or name one with TIMESTRATA_CHROMIUM=PATH)"
)
DEADLINE_MILLISECONDS = 15_000

DESKTOP, TABLET, PHONE, NARROW = (1440, 900), (768, 1024), (390, 844), (320, 640)
Theme = Literal["light", "dark"]
T = TypeVar("T")


def chromium_path() -> str | None:
    """Return the Chromium to use: the one that TIMESTRATA_CHROMIUM names, which has to be there, else one in PATH."""
    named = os.environ.get("TIMESTRATA_CHROMIUM")
    if named:
        return named
    return next((path for path in map(shutil.which, PROGRAMS) if path is not None), None)


# ------------------------------------------------------------------------------------------------------------ visitors


@dataclass
class Visitor:
    """A page in a browser of its own: its cookies, its cache, and all that went wrong in it."""

    site: Site
    context: BrowserContext
    page: Page
    troubles: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    """What was asked for, as METHOD /path?query."""
    expected: tuple[str, ...] = ()
    """Parts of troubles that the test makes on purpose."""

    def open(self, path: str) -> Page:
        """Go to a page of the site, and come back when its HTML is there."""
        self.page.goto(self.site.url + path)
        return self.page

    def watch(self, page: Page) -> None:
        """Listen to a page; also done for those that open by themselves."""
        page.set_default_timeout(DEADLINE_MILLISECONDS)
        page.on("pageerror", lambda error: self.troubles.append(f"error in a script: {error}"))

    def heard(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.troubles.append(f"console: {message.text} ({message.location.get('url')})")

    def asked(self, request: Request) -> None:
        parts = urlsplit(request.url)
        if parts.scheme in ("data", "blob", "about"):
            return
        self.requests.append(f"{request.method} {parts.path}{'?' * bool(parts.query)}{parts.query}")
        if parts.netloc != urlsplit(self.site.url).netloc:
            self.troubles.append(f"another host was asked: {request.url}")

    def answered(self, response: Response) -> None:
        if response.status >= 500:
            self.troubles.append(f"answer {response.status}: {response.url}")

    def check(self) -> None:
        """Fail when anything went wrong that the test did not expect."""
        met = [each for each in self.troubles if not any(part in each for part in self.expected)]
        assert met == []

    def second_tab(self) -> Page:
        """Return one more page of the same browser."""
        return self.context.new_page()


class Chromium:
    """A running browser; call from its thread only."""

    def __init__(self, browser: Browser) -> None:
        self._browser = browser

    @property
    def version(self) -> str:
        return self._browser.version

    @contextmanager
    def visitor(
        self,
        site: Site,
        scopes: Sequence[str] = ("admin",),
        user: str | None = None,
        *,
        theme: Theme = "light",
        size: tuple[int, int] = DESKTOP,
        logged_in: bool = True,
        **options: Any,
    ) -> Iterator[Visitor]:
        """Lend a browser with nothing in it but a session; when the block ends well, nothing may have gone wrong.

        The options are those of a context of Playwright.
        """
        from timestrata.web.principals import COOKIE

        width, height = size
        chosen: dict[str, Any] = {"locale": "en-GB", "timezone_id": "UTC", "reduced_motion": "reduce", **options}
        context = self._browser.new_context(
            viewport={"width": width, "height": height}, color_scheme=theme, service_workers="block", **chosen
        )
        try:
            if logged_in:
                cookie = {"name": COOKIE, "value": site.token(*scopes, user=user), "url": site.url}
                context.add_cookies([cookie])  # type: ignore[list-item]
            visitor = Visitor(site, context, context.new_page())
            visitor.watch(visitor.page)
            context.on("page", visitor.watch)
            context.on("console", visitor.heard)
            context.on("request", visitor.asked)
            context.on("response", visitor.answered)
            yield visitor
            visitor.check()
        finally:
            context.close()


# --------------------------------------------------------------------------------------------------------------- thread


class BrowserThread:
    """The thread in which the browser lives."""

    def __init__(self, path: str) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="browser")
        try:
            self.chromium = self.run(lambda: self._start(path))
        except BaseException:
            self._thread.shutdown()
            raise

    def _start(self, path: str) -> Chromium:
        from playwright.sync_api import sync_playwright

        self._playwright = sync_playwright().start()
        self._browser = self._playwright.chromium.launch(
            executable_path=path, args=["--no-sandbox", "--disable-dev-shm-usage"]
        )
        return Chromium(self._browser)

    def run(self, call: Callable[[], T]) -> T:
        """Return the result of a call that is made in the thread."""
        return self._thread.submit(call).result()

    def close(self) -> None:
        self.run(self._browser.close)
        self.run(self._playwright.stop)
        self._thread.shutdown()


@pytest.fixture(scope="session")
def browser_thread() -> Iterator[BrowserThread]:
    path = chromium_path()
    if path is None:
        pytest.skip(NOT_FOUND)
    thread = BrowserThread(path)
    yield thread
    thread.close()


@pytest.fixture(scope="session")
def chromium(browser_thread: BrowserThread) -> Chromium:
    """The browser. A test that asks for it runs in the browser's thread."""
    return browser_thread.chromium


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    if "chromium" not in pyfuncitem.fixturenames:
        return None
    thread: BrowserThread = pyfuncitem._request.getfixturevalue("browser_thread")
    names = pyfuncitem._fixtureinfo.argnames
    thread.run(lambda: pyfuncitem.obj(**{name: pyfuncitem.funcargs[name] for name in names}))
    return True


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    skipped = terminalreporter.stats.get("skipped", [])
    if any(NOT_FOUND in str(report.longrepr) for report in skipped):
        terminalreporter.section("browser")
        terminalreporter.line(NOT_FOUND)


# ---------------------------------------------------------------------------------------------------------- assertions


def accessibility_findings(page: Page) -> list[str]:
    """Return what axe-core finds on a page, with the elements."""
    from axe_playwright_python.sync_playwright import Axe

    results = Axe().run(page, options={"resultTypes": ["violations"]})
    return [
        f"{found['id']}: {node['target']} {node['html'][:160]} {node.get('failureSummary', '')}"
        for found in results.response["violations"]
        for node in found["nodes"]
    ]


_WIDE = """() => {
  const page = document.documentElement
  if (page.scrollWidth <= page.clientWidth) return []
  return [...document.querySelectorAll("body *")]
    .filter(each => each.getBoundingClientRect().right > page.clientWidth + 1)
    .map(each => `${each.tagName}#${each.id}.${each.getAttribute("class")}`)
    .concat([`page ${page.scrollWidth} > ${page.clientWidth}`])
}"""


def too_wide(page: Page) -> list[str]:
    """Return the elements that make a page scroll sideways, none when it does not."""
    found: list[str] = page.evaluate(_WIDE)
    return found


_DRAWN = """theme => [...document.querySelectorAll("[data-chart]")].every(plot =>
  plot.dataset.drawn === "true" && plot.children.length === 1 && plot.dataset.shown?.includes(theme))"""


def until_drawn(page: Page, theme: str = "") -> None:
    """Wait until every chart of a page is drawn, in a theme."""
    page.wait_for_function(_DRAWN, arg=theme)
