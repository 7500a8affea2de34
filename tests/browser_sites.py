"""Real servers for browsers: a history behind a socket of this process, its clock where the data ends."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from itertools import islice
from threading import Thread
from typing import TYPE_CHECKING, Any

import pytest
from conftest import SHARED_DATA

from timestrata import CompletedWorkflow, History, demo, open_history
from timestrata.formats import open_input
from timestrata.formats.jsonl import read_jsonl

if TYPE_CHECKING:  # every run of the tests reads this module, few need a server
    import httpx2

DEMO_NOW = datetime(2025, 7, 1, 12, tzinfo=UTC)
"""The day after the made-up history ends: a Tuesday, so that the running week and month are partial."""

SIP_NOW = datetime(2014, 12, 6, 12, tzinfo=UTC)
"""The day after that data ends: a Saturday."""

_BATCH = 1000


class Clock:
    """A clock that stands still until it is set."""

    def __init__(self, now: datetime) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now


class Site:
    """A history that is served on a port of this machine, over and over if need be."""

    def __init__(self, history: History, clock: Clock, **config: Any) -> None:
        from timestrata.web import Config

        self.history = history
        self.clock = clock
        self.config = replace(Config(log_format=None, rate_limit=None, clock=clock), **config)
        self._tokens: dict[tuple[Any, ...], str] = {}
        self._port = 0
        self.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def start(self) -> None:
        """Begin to listen, on the same port as before; whoever connects from now on is answered."""
        import uvicorn

        from timestrata.web import create_app

        bound = socket.create_server(("127.0.0.1", self._port))
        self._port = bound.getsockname()[1]
        self._app = create_app(self.history, self.config)
        settings = uvicorn.Config(self._app, log_config=None, access_log=False, timeout_graceful_shutdown=5)
        self._server = uvicorn.Server(settings)
        self._thread = Thread(target=self._run, args=(bound,), name=f"site-{self._port}")
        self._thread.start()

    def _run(self, bound: socket.socket) -> None:
        with asyncio.Runner() as runner, bound:
            self._loop = runner.get_loop()
            runner.run(self._server.serve([bound]))

    def stop(self) -> None:
        """End; connections are closed, also those that listen to events."""
        import httpx2

        httpx2.get(f"{self.url}/health")  # it is not told to end before it has begun
        self._server.should_exit = True
        self._loop.call_soon_threadsafe(self._app.state.service.closing.set)
        self._thread.join(30)
        assert not self._thread.is_alive()

    def token(self, *scopes: str, user: str | None = None) -> str:
        """Return a token of these scopes; the same for the same."""
        key = (scopes, user)
        if key not in self._tokens:
            self._tokens[key] = self.history.access.create_token("browser", scopes, user).secret
        return self._tokens[key]

    def ask(self, path: str, *scopes: str, user: str | None = None, **more: Any) -> httpx2.Response:
        """GET a path as a program does, with a bearer token; by default one that may do everything."""
        import httpx2

        headers = {"Authorization": f"Bearer {self.token(*(scopes or ('admin',)), user=user)}"}
        answer = httpx2.get(self.url + path, headers=headers, timeout=30, **more)
        assert answer.status_code == 200, (path, answer.status_code, answer.text)
        return answer


def fill(history: History, workflows: Iterable[CompletedWorkflow]) -> None:
    """Record workflows, all of which must be new."""
    rest = iter(workflows)
    while batch := list(islice(rest, _BATCH)):
        assert history.record(batch, strict=True).count("recorded") == len(batch)


def sip() -> Iterator[CompletedWorkflow]:
    """Yield the 9,548 workflows of a software house from 2004 to 2014."""
    with open_input(SHARED_DATA / "sip.jsonl.gz") as lines:
        for entry in read_jsonl(lines):
            assert entry.workflow is not None
            yield entry.workflow


StoreUrl = Callable[[], str]


@pytest.fixture(scope="session")
def session_store(
    backend: str, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[StoreUrl]:
    """A function that makes one more empty, migrated store for the whole session and returns its URL."""
    if backend == "sqlite":
        folder = tmp_path_factory.mktemp("sites")
        numbers = iter(range(1000))
        yield lambda: f"sqlite:///{folder / f'{next(numbers)}.db'}"
        return
    server: Any = request.getfixturevalue(backend)
    made: list[Any] = []

    def make() -> str:
        made.append(server.store())
        return str(made[-1].render_as_string(hide_password=False))

    yield make
    for url in made:
        server.drop(url)


def _site(url: str, now: datetime, workflows: Iterable[CompletedWorkflow], **config: Any) -> Iterator[Site]:
    clock = Clock(now)
    with open_history(url, clock=clock) as history:
        fill(history, workflows)
        site = Site(history, clock, **config)
        try:
            yield site
        finally:
            site.stop()


@pytest.fixture(scope="session")
def demo_site(session_store: StoreUrl) -> Iterator[Site]:
    """The made-up team, for tests that change nothing."""
    yield from _site(session_store(), DEMO_NOW, demo.workflows())


@pytest.fixture(scope="session")
def look_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The made-up team on SQLite alone, for tests of how pages look, which is no matter of the database."""
    yield from _site(f"sqlite:///{tmp_path_factory.mktemp('look') / 'demo.db'}", DEMO_NOW, demo.workflows())


@pytest.fixture(scope="session")
def sip_site(session_store: StoreUrl) -> Iterator[Site]:
    """Ten years of a software house, for tests that change nothing; skipped where the data is absent."""
    if not SHARED_DATA.exists():
        pytest.skip(f"no reference data in {SHARED_DATA}")
    yield from _site(session_store(), SIP_NOW, sip())


@pytest.fixture
def site_of(store_url: str) -> Iterator[Callable[..., Site]]:
    """A function that serves a store of the test's own, with the workflows it is given."""
    opened: list[Any] = []

    def serve(workflows: Iterable[CompletedWorkflow] = (), now: datetime = DEMO_NOW, **config: Any) -> Site:
        opened.append(_site(store_url, now, workflows, **config))
        site: Site = next(opened[-1])
        return site

    yield serve
    for each in opened:
        each.close()
