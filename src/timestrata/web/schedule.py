"""The schedule in one process of the service: a thread that runs what is due, and what is told of the jobs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, TextIO

from prometheus_client.core import GaugeMetricFamily
from sqlalchemy import Engine

from timestrata.dialects import dialect_of
from timestrata.jobs import JobReport, Jobs, JobState
from timestrata.web.config import Config, LogFormat
from timestrata.web.logs import Lines, logger
from timestrata.web.metrics import gauge, gauge_by

_AUDIT = "audit"
_KEPT_SECONDS = 10.0
_PATIENCE_SECONDS = 1.0
"""How long the first who asks for the last verification waits for it."""


@dataclass(frozen=True, slots=True)
class Verified:
    """What the last verification found: `ok` when the figures are what the facts make them."""

    at: datetime
    ok: bool


class Schedule:
    """Runs the jobs of a store in a thread of its own, and knows how they stand."""

    def __init__(self, jobs: Jobs, engine: Engine, config: Config, log: Any) -> None:
        self.jobs = jobs
        self._engine = engine
        self._every_seconds = config.jobs_seconds
        self._monotonic = config.monotonic
        self._log = log
        self._runs = ThreadPoolExecutor(1, thread_name_prefix="timestrata-jobs")
        self._looks = ThreadPoolExecutor(1, thread_name_prefix="timestrata-verified")
        self._looking: asyncio.Future[None] | None = None
        self._looked_at = 0.0
        self._verified: Verified | None = None

    async def keep(self, closing: asyncio.Event) -> None:
        """Run what is due from time to time, until the service closes; what runs then is told to stop, and waited for.

        Several workers do so at once, and one of them runs a job.
        """
        loop = asyncio.get_running_loop()

        def report(what: JobReport) -> None:
            loop.call_soon_threadsafe(note, self._log, what)

        while self._every_seconds is not None and not closing.is_set():
            try:
                await loop.run_in_executor(self._runs, partial(self.jobs.run_due, closing.is_set, report))
            except Exception as error:  # the database may come back: /ready says when
                note_trouble(self._log, error)
            with suppress(TimeoutError):
                await asyncio.wait_for(closing.wait(), self._every_seconds)

    async def verified(self) -> Verified | None:
        """Return what the last verification found, as it was known some seconds ago; None: nothing is known.

        It is looked up apart: who asks waits a moment at most, and never again for a database that is gone.
        """
        now, first = self._monotonic(), self._looking is None
        if self._looking is None or (self._looking.done() and now - self._looked_at >= _KEPT_SECONDS):
            self._looked_at = now
            self._looking = asyncio.get_running_loop().run_in_executor(self._looks, self._look)
        if first:
            await asyncio.wait([self._looking], timeout=_PATIENCE_SECONDS)
        return self._verified

    def _look(self) -> None:
        # Past every retry of the library, and without making a SQLite file that is not there.
        with suppress(Exception):
            if not dialect_of(self._engine).is_absent(self._engine):
                with self._engine.connect() as connection:
                    self._verified = _verified(self.jobs.states(connection))

    def gauges(self) -> list[GaugeMetricFamily]:
        """Return the figures of the jobs, read now."""
        states = self.jobs.states()
        verified = _verified(states)
        outcomes = {state.name: float(state.outcome == "ok") for state in states if state.outcome is not None}
        successes = {state.name: state.succeeded_at.timestamp() for state in states if state.succeeded_at is not None}
        running = {state.name: float(state.running) for state in states}
        found = [
            _by_job("last_success_timestamp_seconds", "When a job last came to a good end.", successes),
            _by_job("last_outcome", "1 when the last run of a job came to a good end, 0 when it did not.", outcomes),
            _by_job("running", "1 while a job runs.", running),
        ]
        if verified is not None:
            help = "1 when the last verification found the figures equal to the facts."
            found.append(gauge("timestrata_verified", help, float(verified.ok)))
        return found

    async def close(self) -> None:
        """End the threads, once what they do is done."""
        await asyncio.to_thread(self._runs.shutdown, wait=True, cancel_futures=True)
        await asyncio.to_thread(self._looks.shutdown, wait=True, cancel_futures=True)


def _verified(states: tuple[JobState, ...]) -> Verified | None:
    for state in states:
        if state.name == _AUDIT and state.finished_at is not None:
            return Verified(state.finished_at, state.outcome == "ok")
    return None


def _by_job(name: str, help: str, values: Mapping[str, float]) -> GaugeMetricFamily:
    return gauge_by("job", f"timestrata_job_{name}", help, values)


def log_to(file: TextIO, log_format: LogFormat) -> tuple[Callable[[JobReport], None], Callable[[Exception], None]]:
    """Return what logs reports and what logs the trouble with the schedule, in lines like those of the service."""
    log = logger(Config(log_format=log_format), Lines(file, within_seconds=0))
    return partial(note, log), partial(note_trouble, log)


def note_trouble(log: Any, error: Exception) -> None:
    """Log that the jobs could not be looked at."""
    log.warning("schedule not kept", reason=type(error).__name__)


def note(log: Any, report: JobReport) -> None:
    """Log that a job began or ended, with the error that ended it."""
    run = report.run
    if run is None:
        log.info("job started", job=report.name, holder=report.holder)
        return
    seconds = round((run.finished_at - run.started_at).total_seconds(), 3)
    told = {"job": run.name, "holder": report.holder, "seconds": seconds, "result": dict(run.result)}
    if run.outcome == "failed":
        log.error("job failed", **told, exc_info=report.error)
    else:
        log.info("job stopped" if run.outcome == "stopped" else "job done", **told)
