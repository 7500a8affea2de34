"""The jobs of a store: what is due is claimed, run and noted; of many processes one does it."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from secrets import token_hex
from socket import gethostname
from threading import Event
from typing import Any, Literal, TypeVar

from sqlalchemy import Connection

from timestrata.calendar import instant, moment
from timestrata.errors import JobRunning, TimestrataError, UnknownJob
from timestrata.formats.result_json import document
from timestrata.jobs import rows
from timestrata.jobs.definitions import (
    Action,
    JobContext,
    JobDefinition,
    JobFailed,
    JobReport,
    JobRun,
    JobState,
    Report,
)
from timestrata.jobs.heartbeat import Heartbeat, Wait
from timestrata.jobs.rows import Claim, Row
from timestrata.jobs.schedule import next_run
from timestrata.tracking.rules import Transactions, microseconds

T = TypeVar("T")

LEASE = timedelta(minutes=5)
_BEATS = 5
"""A claim is extended this often within its lease."""
_LONGEST_REASON = 500


def _never() -> bool:
    return False


def _unreported(report: JobReport) -> None:
    return None


class Jobs:
    """The jobs of a store: `history.jobs`. Threads and processes may share them.

    `timezone` is that of the schedules. `holder` names this process to people. A claim that was not extended for
    `lease` is void, because its process was killed; clocks of the processes are to differ by less than that.
    """

    def __init__(
        self,
        transactions: Transactions,
        clock: Callable[[], datetime],
        definitions: Iterable[JobDefinition],
        timezone: str = "UTC",
        *,
        holder: str | None = None,
        lease: timedelta = LEASE,
        wait: Wait = Event.wait,
    ) -> None:
        self.definitions = tuple(definitions)
        self.timezone = timezone
        self._transactions = transactions
        self._clock = clock
        self._holder = holder
        self._lease = lease
        self._wait = wait
        self._seen = False

    # ------------------------------------------------------------------------------------------------------- reading

    def states(self, connection: Connection | None = None) -> tuple[JobState, ...]:
        """Return every job as it stands, in the order of their definitions; `connection` joins a transaction."""
        now = self._now()
        found = self._transactions.read(self._find) if connection is None else self._find(connection)
        return tuple(_state(definition, found.get(definition.name), now) for definition in self.definitions)

    def _find(self, connection: Connection) -> dict[str, Row]:
        return rows.find(connection, [definition.name for definition in self.definitions])

    # ------------------------------------------------------------------------------------------------------- running

    def run_due(self, stop: Callable[[], bool] = _never, report: Report = _unreported) -> list[JobRun]:
        """Run every job that is due and that nobody else runs, one after the other; return the runs that ended.

        A job whose times were missed runs once, then at its next time. When `stop` tells so, the job that runs is asked
        to stop and no other is begun.
        """
        now = self._now()
        found = self._transactions.read(self._find)
        self._keep_times(found, now)
        ended = []
        for definition in self.definitions:
            row = found.get(definition.name)
            if stop() or definition.schedule is None or row is None or row.next_run_at is None:
                continue
            if row.next_run_at <= now and not row.is_held(now):
                run = self._run(definition, stop, report, only_due=True)
                ended += [] if run is None else [run]
        return ended

    def run(self, name: str, stop: Callable[[], bool] = _never, report: Report = _unreported) -> JobRun:
        """Run a job now, whenever it is due. Raises UnknownJob, JobRunning."""
        definition = self._definition(name)
        while True:
            run = self._run(definition, stop, report, only_due=False)
            if run is not None:
                return run
            row = self._transactions.read(self._find)[name]
            if row.is_held(self._now()) and row.holder is not None and row.started_at is not None:
                raise JobRunning(name, row.holder, moment(row.started_at))

    def put_result(
        self, name: str, started_at: datetime, outcome: Literal["ok", "failed"], result: Mapping[str, object]
    ) -> None:
        """Note how a run ended that was made apart from the schedule, which stays as it is. Raises UnknownJob."""
        self._definition(name)
        values = (instant(started_at), self._now(), outcome, _document(result))
        self._write(lambda own: rows.note(own, name, *values))

    def _definition(self, name: str) -> JobDefinition:
        for definition in self.definitions:
            if definition.name == name:
                return definition
        raise UnknownJob(name, [definition.name for definition in self.definitions])

    def _keep_times(self, found: Mapping[str, Row], now: int) -> None:
        """See to it that every job is due at a time that its schedule has."""
        first, self._seen = not self._seen, True
        for definition in self.definitions:
            row = found.get(definition.name)
            before = None if row is None else row.next_run_at
            at = self._due_at(definition, before, now, first)
            if at != before:
                self._put_off(definition.name, before, at)

    def _put_off(self, name: str, before: int | None, at: int | None) -> None:
        self._write(lambda own: rows.put_off(own, name, before, at))

    def _due_at(self, definition: JobDefinition, before: int | None, now: int, first: bool) -> int | None:
        """Return when a job is due that was due at `before`; `first` is the first look of this process at it.

        The first look finds a schedule that was changed. Later ones leave a time alone that another process may have
        from its own clock or schedule, or the two would take turns in putting it off; unless it is so far away that a
        clock must have been wrong when it was made.
        """
        if definition.schedule is None or (before is not None and before <= now):
            return None if definition.schedule is None else before
        at = next_run(definition.schedule, self.timezone, now)
        if before is None or first or before > next_run(definition.schedule, self.timezone, at):
            return at
        return before

    def _run(
        self, definition: JobDefinition, stop: Callable[[], bool], report: Report, *, only_due: bool
    ) -> JobRun | None:
        """Claim a job and run it; None: somebody else has it."""
        holder = self._holder or f"{gethostname()}:{os.getpid()}"
        claim = Claim(definition.name, f"{holder}/{token_hex(4)}")
        started = self._now()
        if not self._write(lambda own: self._take(own, definition, claim, started, only_due)):
            return None
        report(JobReport(claim.name, claim.token))
        every_seconds = self._lease.total_seconds() / _BEATS
        try:
            with Heartbeat(lambda: self._extend(claim), every_seconds, self._wait) as heartbeat:
                stopping = _Stopping(lambda: stop() or heartbeat.lost)
                outcome, result, error = _carry_out(definition.action, JobContext(stopping))
        except BaseException:  # Ctrl-C, for which no action has an answer
            self._write(lambda own: rows.leave(own, claim))
            raise
        finished = self._now()
        if stopping.told and error is None:
            outcome = "stopped"
            self._write(lambda own: rows.leave(own, claim))
        else:
            following = self._following(definition, finished)
            self._write(lambda own: rows.finish(own, claim, finished, following, outcome, result))
        run = JobRun(claim.name, moment(started), moment(finished), outcome, result)
        report(JobReport(claim.name, claim.token, run, error))
        return run

    def _take(self, connection: Connection, definition: JobDefinition, claim: Claim, now: int, only_due: bool) -> bool:
        rows.add(connection, claim.name)
        lease, following = microseconds(self._lease), self._following(definition, now)
        return rows.take(connection, claim, now, lease, following, only_due=only_due)

    def _extend(self, claim: Claim) -> bool:
        until = self._now() + microseconds(self._lease)
        return self._write(lambda own: rows.hold(own, claim, until))

    def _following(self, definition: JobDefinition, now: int) -> int | None:
        return None if definition.schedule is None else next_run(definition.schedule, self.timezone, now)

    def _now(self) -> int:
        return instant(self._clock())

    def _write(self, action: Callable[[Connection], T]) -> T:
        return self._transactions.write([], lambda context: action(context.connection))


class _Stopping:
    """Asks whether to stop, and remembers that the action was told so."""

    def __init__(self, ask: Callable[[], bool]) -> None:
        self._ask = ask
        self.told = False

    def __call__(self) -> bool:
        self.told = self.told or self._ask()
        return self.told


def _carry_out(
    action: Action, context: JobContext
) -> tuple[Literal["ok", "failed", "stopped"], Mapping[str, object], Exception | None]:
    """Return how an action ended, what is to be known of it, and the error that it did not mean to raise."""
    try:
        try:
            return "ok", _document(action(context)), None
        except JobFailed as failure:
            return "failed", _document(failure.result), None
    except Exception as error:
        return "failed", {"error": _reason(error)}, error


def _document(result: Mapping[str, object]) -> dict[str, Any]:
    found = document(result)
    if not isinstance(found, dict):
        raise TypeError(f"found a {type(result).__name__}, want the result of a job as a mapping")
    json.dumps(found, allow_nan=False)
    return found


def _reason(error: Exception) -> str:
    first = (str(error).strip().splitlines() or [""])[0]
    text = first if isinstance(error, TimestrataError) else f"{type(error).__name__}: {first}"
    return text[:_LONGEST_REASON]


def _state(definition: JobDefinition, row: Row | None, now: int) -> JobState:
    if row is None:
        return JobState(definition.name, definition.schedule, None, False, None, None, None, None, None, None)
    is_held = row.is_held(now)
    return JobState(
        definition.name,
        definition.schedule,
        None if definition.schedule is None else _moment(row.next_run_at),
        is_held,
        row.holder if is_held else None,
        _moment(row.started_at),
        _moment(row.finished_at),
        row.outcome,
        row.result,
        _moment(row.succeeded_at),
    )


def _moment(at: int | None) -> datetime | None:
    return None if at is None else moment(at)
