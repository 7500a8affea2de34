"""How fast the overview stands in a browser with a million workflows behind it, and how much travels.

    uv run python benchmarks/dashboard.py [--database sqlite|postgresql|both] [--workflows 1000000] [--rounds 7]
        [--range last_30_days] [--stores FOLDER]

A real server in a process of its own, Chromium (TIMESTRATA_CHROMIUM, else the one in PATH) on the same machine, with a
profile on disk as people have it: a private window keeps no compiled scripts and draws the charts half as fast. A round
is one visit with a new profile, in a browser that has been running for some seconds, and one with what that left
behind; before each a workflow is recorded, so that the server has to answer every question anew: a person's figures
from all of her cells, everyone's from what it keeps of all others and the cells of this person. A third one (kept)
finds what the server kept of the second. The page is that of a person, then everyone's, then that when each fifth
person did something, so that all is read again. All times count from the moment the browser asks for the page:

answered   the last byte of the page is here
figures    the key figures are in the document, and the browser has painted (the page is sent part by part)
readable   all figures and tables are, and it has painted
charts     the last chart of the page is drawn

With --stores, FOLDER/WORKFLOWS.db is measured (made when it is not there); what is recorded goes into a copy.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import databases
import workload
from http_reads import free_port, process
from playwright.sync_api import BrowserContext, BrowserType, Page, sync_playwright

from timestrata import History, open_history
from timestrata.web.principals import COOKIE

NOW = datetime(2024, 12, 31, 12, tzinfo=UTC)
"""On the last day of the workload."""

USER = "user00005"
"""One of the busiest: 22,000 of a million workflows."""

_BATCH = 5000
_READY_MILLISECONDS = 60_000
_SETTLED_MILLISECONDS = 4_000
"""What a browser does for itself after its start takes both processors for so long, and is no part of a page."""

# Tells when the key figures stand in the document and have been painted, when its last element has (#status: the state
# of the document says so a task later, after a paint of all of it, and another is waited for), and when the last chart
# is drawn.
_WATCH = """
const seen = window.seen = {};
const frame = then => requestAnimationFrame(() => setTimeout(then));
const look = () => {
  if (!seen.met && document.querySelector("#kpi-worked data.value")) {
    seen.met = true;
    frame(() => { seen.figures = performance.now(); });
  }
  if (!seen.asked && document.querySelector("#kpi-worked data.value") && document.getElementById("status")) {
    seen.asked = true;
    frame(() => { seen.readable = performance.now(); });
  }
  if (seen.drawn || !seen.readable) return;
  const charts = [...document.querySelectorAll("[data-chart]")];
  if (charts.length && charts.every(chart => chart.dataset.drawn === "true")) {
    seen.drawn = true;
    frame(() => { seen.charts = performance.now(); console.info("drawn"); });
  }
};
new MutationObserver(look).observe(document, {subtree: true, childList: true, attributeFilter: ["data-drawn"]});
document.addEventListener("readystatechange", look);
"""
_SEEN = """() => {
  const [navigation] = performance.getEntriesByType("navigation");
  return {figures: seen.figures, readable: seen.readable, charts: seen.charts, answered: navigation.responseEnd};
}"""


@dataclass(frozen=True, slots=True)
class Visit:
    """One visit of a page: milliseconds from the request, bytes as they travelled, hosts that were asked."""

    answered: float
    figures: float
    readable: float
    charts: float
    bytes: int
    hosts: frozenset[str]


def serve(url: str, port: int) -> None:
    """Serve the store as `timestrata serve` does, its log to a file that nobody reads."""
    import uvicorn

    from timestrata.web.app import create_app
    from timestrata.web.config import Config
    from timestrata.web.server import settle

    with open_history(url, clock=lambda: NOW) as history, open("/dev/null", "w") as log:  # noqa: PTH123
        app = create_app(history, Config(rate_limit=None, log_file=log, clock=lambda: NOW))
        settle()
        uvicorn.run(app, port=port, log_level="warning", access_log=False)


def fill(history: History, count: int) -> None:
    """Record the workload, unless it is there."""
    if history.users():
        return
    rest = workload.workflows(count)
    while batch := list(islice(rest, _BATCH)):
        history.record(batch)


def program() -> str:
    programs = map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))
    found = os.environ.get("TIMESTRATA_CHROMIUM") or next(filter(None, programs), None)
    if found is None:
        raise SystemExit("no Chromium in PATH: apt-get install chromium")
    return found


# ------------------------------------------------------------------------------------------------------------- visits


def visit(context: BrowserContext, url: str) -> Visit:
    """Open a page in a new tab and wait until all of it stands."""
    page = context.new_page()
    travelled, hosts = _listen(page)
    page.add_init_script(_WATCH)
    # What waits in the page would take its processor: the scripts of wait_for_function() hold it up for 20 ms.
    with page.expect_console_message(lambda message: message.text == "drawn", timeout=_READY_MILLISECONDS):
        page.goto(url)
    seen = page.evaluate(_SEEN)
    page.close()
    times = {name: float(seen[name]) for name in ("answered", "figures", "readable", "charts")}
    return Visit(**times, bytes=sum(travelled), hosts=frozenset(hosts))


def _listen(page: Page) -> tuple[list[int], set[str]]:
    """Return lists that grow as the page loads: the bytes of each answer with its headers, the hosts."""
    travelled: list[int] = []
    hosts: set[str] = set()
    protocol = page.context.new_cdp_session(page)
    protocol.send("Network.enable")
    protocol.on("Network.loadingFinished", lambda event: travelled.append(int(event["encodedDataLength"])))
    page.on("request", lambda asked: hosts.add(urlsplit(asked.url).netloc))
    return travelled, hosts


class Recorder:
    """Records one more workflow of each of some people, so that no answer that the server has kept holds any more."""

    def __init__(self, history: History, users: Sequence[str]) -> None:
        self._history = history
        self._users = users
        self._one = next(workload.workflows(1))

    def __call__(self) -> None:
        ended = NOW - timedelta(seconds=1)
        fresh = replace(self._one, started_at=ended - timedelta(hours=12), completed_at=ended)
        self._history.record(replace(fresh, user_id=user, workflow_id=f"fresh-{uuid4().hex}") for user in self._users)


def rounds(
    chromium: BrowserType, url: str, token: str, count: int, change: Callable[[], None]
) -> dict[str, list[Visit]]:
    """Return visits with a new profile, with a used one, and with a used one of a page that the server has kept."""
    found: dict[str, list[Visit]] = {"cold": [], "warm": [], "kept": []}
    for number in range(count + 1):
        with profile(chromium) as context:
            site = "{0.scheme}://{0.netloc}".format(urlsplit(url))
            _until_ready(context, f"{site}/health")  # the browser has started; nothing of a page is there yet
            _settle(context)
            context.add_cookies([{"name": COOKIE, "value": token, "url": site}])
            for kind in found:
                if kind != "kept":
                    change()
                met = visit(context, url)
                if number > 0:  # the first one makes the server's picture library, and warms the database
                    found[kind].append(met)
    return found


@contextmanager
def profile(chromium: BrowserType) -> Iterator[BrowserContext]:
    """Lend a browser with a new profile."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        context = chromium.launch_persistent_context(
            folder,
            executable_path=program(),
            args=["--no-sandbox"],
            viewport={"width": 1440, "height": 900},
            locale="en-GB",
        )
        yield context
        context.close()


# ------------------------------------------------------------------------------------------------------------- report


WANTED = {
    ("readable", "cold"): 150.0,
    ("readable", "warm"): 150.0,
    ("charts", "cold"): 900.0,
    ("charts", "warm"): 400.0,
    ("bytes", "cold"): 400_000.0,
    ("bytes", "warm"): 60_000.0,
}


def report(name: str, found: dict[str, list[Visit]]) -> None:
    print(f"\n{name}: medians of {len(found['cold'])} visits (least .. greatest)")
    for what, unit in (("answered", "ms"), ("figures", "ms"), ("readable", "ms"), ("charts", "ms"), ("bytes", "bytes")):
        for kind, visits in found.items():
            values = [float(getattr(each, what)) for each in visits]
            middle, wanted = statistics.median(values), WANTED.get((what, kind))
            told = "" if wanted is None else f"   wanted < {wanted:,.0f}: {'yes' if middle < wanted else 'NO'}"
            print(f"  {what:9} {kind:5} {middle:9,.0f} {unit}  ({min(values):,.0f} .. {max(values):,.0f}){told}")
    hosts = frozenset().union(*(each.hosts for visits in found.values() for each in visits))
    print(f"  hosts asked: {', '.join(sorted(hosts))}   wanted 1: {'yes' if len(hosts) == 1 else 'NO'}", flush=True)


@contextmanager
def sqlite_store(stores: Path | None, count: int) -> Iterator[str]:
    """Lend a copy of a filled store."""
    with tempfile.TemporaryDirectory() as folder:
        kept = (stores or Path(folder)) / f"{count}.db"
        if not kept.exists():
            with open_history(f"sqlite:///{kept}", clock=lambda: NOW) as history:
                fill(history, count)
        copy = Path(folder) / "copy.db"
        shutil.copyfile(kept, copy)
        yield f"sqlite:///{copy}"


@contextmanager
def postgresql_store(stores: Path | None, count: int) -> Iterator[str]:
    """Lend a filled database; none is kept."""
    with databases.postgresql_urls() as new:
        url = new()
        with open_history(url, clock=lambda: NOW) as history:
            fill(history, count)
        yield url


def measure(name: str, url: str, dates: str, count: int) -> None:
    port = free_port()
    with open_history(url, clock=lambda: NOW) as history:
        own = history.access.create_token("benchmark", ["read:own"], user=USER).secret
        all_of_them = history.access.create_token("benchmark", ["read:all"]).secret
        with process(serve, url, port), sync_playwright() as playwright:
            with profile(playwright.chromium) as context:
                _until_ready(context, f"http://127.0.0.1:{port}/health")
            page = f"http://127.0.0.1:{port}/?range={dates}"
            one, many = (USER,), history.users()[::5]
            for whose, token, who in (
                ("one person", own, one),
                ("everyone", all_of_them, one),
                ("everyone, all read again", all_of_them, many),
            ):
                found = rounds(playwright.chromium, page, token, count, Recorder(history, who))
                report(f"{name}, {dates}, {whose}", found)


def _until_ready(context: BrowserContext, url: str) -> None:
    page = context.new_page()
    for _ in range(600):
        try:
            page.goto(url)
            break
        except Exception:
            page.wait_for_timeout(100)
    page.close()


def _settle(context: BrowserContext) -> None:
    page = context.new_page()
    page.wait_for_timeout(_SETTLED_MILLISECONDS)
    page.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--database", choices=("sqlite", "postgresql", "both"), default="sqlite")
    parser.add_argument("--workflows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--range", default="last_30_days")
    parser.add_argument("--stores", type=Path)
    arguments = parser.parse_args()
    for name, store in (("sqlite", sqlite_store), ("postgresql", postgresql_store)):
        if arguments.database in (name, "both"):
            with store(arguments.stores, arguments.workflows) as url:
                measure(f"{name}, {arguments.workflows:,} workflows", url, arguments.range, arguments.rounds)


if __name__ == "__main__":
    main()
