"""Whether requests can be answered now: the database answers, and has our schema."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

from sqlalchemy import Engine, exc

from timestrata import migrations
from timestrata.dialects import dialect_of
from timestrata.errors import TimestrataError
from timestrata.web.config import Config


class Readiness:
    """Asks the database, past every retry. A check that hangs is joined, and not repeated beside itself."""

    def __init__(self, engine: Engine, config: Config) -> None:
        self._engine = engine
        self._within_seconds = config.ready_within_seconds
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="timestrata-ready")
        self._checking: asyncio.Future[str | None] | None = None

    async def obstacle(self) -> str | None:
        """Return why requests cannot be answered now, None when they can."""
        if self._checking is None or self._checking.done():
            self._checking = asyncio.get_running_loop().run_in_executor(self._thread, self._check)
        try:
            return await asyncio.wait_for(asyncio.shield(self._checking), self._within_seconds)
        except TimeoutError:
            return f"the database did not answer within {self._within_seconds:g} s"

    def _check(self) -> str | None:
        # A SQLite file that was removed still answers through a connection that holds it open.
        if dialect_of(self._engine).is_absent(self._engine):
            return "the database file is not there"
        for last in (False, True):
            try:
                with self._engine.connect() as connection:
                    migrations.require(connection)
                return None
            except TimestrataError as error:
                return str(error)
            except exc.DBAPIError as error:
                # A connection that died in the pool says nothing of the database: the second one is new.
                if last or not error.connection_invalidated:
                    return "the database cannot be used"
            except Exception as error:
                return f"the database cannot be used ({type(error).__name__})"
        return None

    def close(self) -> None:
        """End the thread, once its check is done."""
        self._thread.shutdown(wait=True, cancel_futures=True)
