"""What the routes of one process share: the history, who asks, the limits, the counts."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from fastapi import Request
from prometheus_client.core import GaugeMetricFamily

from timestrata.dialects import dialect_of
from timestrata.history import History
from timestrata.keeping import Kept
from timestrata.web.config import Config
from timestrata.web.dashboard.studio import Studio
from timestrata.web.limits import Rates
from timestrata.web.logs import Lines, logger, request_log
from timestrata.web.lookup import Lookup
from timestrata.web.metrics import Metrics, gauge
from timestrata.web.notes import Notes
from timestrata.web.principals import Gate
from timestrata.web.readiness import Readiness
from timestrata.web.recorder import Recorder
from timestrata.web.revisions import Feed, Revisions
from timestrata.web.schedule import Schedule

T = TypeVar("T")


class Service:
    """One process of the service. Nothing in it needs to outlive the process: the state is in the store."""

    def __init__(self, history: History, config: Config) -> None:
        self.history = history
        self.config = config
        self.dialect = dialect_of(history.engine)
        self._lines = Lines(config.log_file, config.log_within_seconds)
        self.log = logger(config, self._lines)
        self.note_request = request_log(config, self._lines, self.log)
        self.metrics = Metrics()
        self.rates = Rates(config)
        self.recorder = Recorder(history)
        self.lookup = Lookup(history, self.run)
        self.revisions = Revisions(self.lookup)
        self.gate = Gate(lambda bearer: self.run(lambda: history.access.authenticate(bearer)), self.rates, config)
        self.answers = Kept(config.answers_kept_bytes)
        """Encoded answers by ETag. The tag names the revision, so what is kept is never out of date, only unused."""
        self.notes = Notes()
        self.feed = Feed(self.revisions, config.poll_seconds)
        self.readiness = Readiness(history.engine, config)
        self.studio = Studio()
        self.schedule = Schedule(history.jobs, history.engine, config, self.log)
        self.closing = asyncio.Event()
        self._threads = ThreadPoolExecutor(config.threads, thread_name_prefix="timestrata")

    async def run(self, call: Callable[[], T]) -> T:
        """Make a call of the library in a thread."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, call)

    def gauges(self) -> Iterable[GaugeMetricFamily]:
        """Return the figures that are read from the store."""
        running = gauge("timestrata_active_sessions", "Time sessions that run now.", self.history.tracking.running())
        return [running, *self.schedule.gauges()]

    async def close(self) -> None:
        """End the threads, once their calls are done, and the history if it is ours."""
        await self.revisions.settle()
        # Waited for, because a connection that comes back to a history that was closed stays open.
        await asyncio.to_thread(self._threads.shutdown, wait=True, cancel_futures=True)
        await asyncio.to_thread(self.readiness.close)
        await self.schedule.close()
        await self.studio.close()
        self._lines.drain()
        self.lookup.close()
        if self.config.closes_history:
            self.history.close()


def service_of(request: Request) -> Service:
    """Return the service that a request came to."""
    service: Service = request.app.state.service
    return service
