"""The commands about the schedule: how the jobs stand, one of them now, or all of them at their times."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from queue import Empty, SimpleQueue
from typing import Annotated, Any, Literal, NamedTuple

import typer
from rich.console import RenderableType
from rich.text import Text

from timestrata.calendar import zone
from timestrata.cli import output, screen
from timestrata.cli.database import open_to_change, open_to_read, shown_database
from timestrata.cli.failures import INTERRUPTED, REFUSED
from timestrata.cli.machine import machine_of
from timestrata.cli.options import AsJson, Database
from timestrata.cli.wording import NOTHING, duration, name
from timestrata.errors import InvalidRequest
from timestrata.jobs import JobReport, JobRun, Jobs, JobState

_EVERY_SECONDS = 20.0


def jobs(context: typer.Context, database: Database = None, as_json: AsJson = False) -> None:
    """Show the jobs: their schedule, when they run next, how they last ended."""
    if context.invoked_subcommand is not None:
        return
    machine = machine_of(context)
    with open_to_read(database, clock=machine.clock) as history:
        scheduled = history.jobs
        states = scheduled.states()
    if as_json:
        output.write_json(states)
        return
    screen.show(*_standing(states, scheduled, machine.clock()))
    if all(state.next_run_at is None for state in states):  # a run by hand plans no other
        screen.note("Nothing keeps this schedule yet: `timestrata serve` does, or `timestrata jobs run`.")


_COLUMNS: tuple[screen.Column, ...] = (
    ("Job", "whole"),
    ("Schedule", "whole"),
    ("Next run", "whole"),
    ("Last end", "whole"),
    ("Outcome", "whole"),
    ("", "left"),
)


def _standing(states: Sequence[JobState], scheduled: Jobs, now: datetime) -> Iterator[RenderableType]:
    def wall(at: datetime | None) -> str:
        return NOTHING if at is None else at.astimezone(zone(scheduled.timezone)).strftime("%Y-%m-%d %H:%M")

    def cells(state: JobState) -> tuple[screen.Cell, ...]:
        doing = _doing(state, wall, now)
        outcome = Text(state.outcome or NOTHING, style="red" if state.outcome == "failed" else "")
        return state.name, state.schedule or "off", wall(state.next_run_at), wall(state.finished_at), outcome, doing

    yield screen.table(_COLUMNS, [cells(state) for state in states])
    yield Text(f"Times are those of {scheduled.timezone}.")
    for state in states:
        error = None if state.result is None else state.result.get("error")
        if state.outcome == "failed" and error is not None:
            yield Text(f"{state.name}: {name(str(error))}")


def _doing(state: JobState, wall: Callable[[datetime | None], str], now: datetime) -> str:
    if state.running:
        return f"running since {wall(state.started_at)} on {name(str(state.holder))}"
    return "due" if state.next_run_at is not None and state.next_run_at <= now else ""


def run(
    context: typer.Context,
    job: Annotated[
        str | None, typer.Argument(metavar="[NAME]", help="Run this job now, then end; without it: run the schedule.")
    ] = None,
    database: Database = None,
    log_format: Annotated[
        Literal["json", "pretty"] | None,
        typer.Option(
            "--log-format",
            envvar="TIMESTRATA_LOG_FORMAT",
            help="Of the schedule's log (default: pretty on a terminal).",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Run one job now, or the schedule until Ctrl-C or SIGTERM. A job that runs then stops at its next safe point."""
    url = _chosen(context, database)
    with open_to_change(url, clock=machine_of(context).clock) as history, _told_to_stop() as stop:
        if job is not None:
            _show(history.jobs.run(job, stop.is_set), as_json)
        elif as_json:
            raise InvalidRequest("--json", "no job", "a job whose result it prints")
        else:
            report = _log(log_format)
            screen.note(f"Running the schedule of {name(shown_database(history))}. Ctrl-C ends it.")
            keep(history.jobs, stop, report)


def _chosen(context: typer.Context, database: str | None) -> str | None:
    """Return the database that is meant: its option may stand before `run`, and then goes before the environment."""
    outer = context.parent
    given = [one for one in (context, outer) if one is not None and _is_given(one)]
    return given[0].params["database"] if given else database


def _is_given(context: Any) -> bool:
    source = context.get_parameter_source("database")
    return source is not None and source.name == "COMMANDLINE"


class Reporting(NamedTuple):
    """What is told of the schedule while it is kept."""

    job: Callable[[JobReport], None]
    trouble: Callable[[Exception], None]


class Stop:
    """Whether the program was told to stop; made to be told by a signal's handler.

    `threading.Event` is not: a signal that arrives while the event is about to wait finds its lock held by the very
    thread that the handler runs in, and the program hangs for good. The queue's `put` is reentrant.
    """

    def __init__(self) -> None:
        self._told: SimpleQueue[None] = SimpleQueue()

    def set(self) -> None:
        self._told.put(None)

    def is_set(self) -> bool:
        return not self._told.empty()

    def wait(self, seconds: float) -> None:
        """Return when it is told to stop, or after these seconds."""
        try:
            self._told.put(self._told.get(timeout=seconds))
        except Empty:
            return


def keep(jobs: Jobs, stop: Stop, report: Reporting, every_seconds: float = _EVERY_SECONDS) -> None:
    """Run what is due from time to time, until it is told to stop."""
    while not stop.is_set():
        try:
            jobs.run_due(stop.is_set, report.job)
        except Exception as error:  # the database may come back
            report.trouble(error)
        stop.wait(every_seconds)


@contextmanager
def _told_to_stop() -> Iterator[Stop]:
    """Yield what is set by the first Ctrl-C or SIGTERM; the next one ends the process as it always does."""
    stop = Stop()
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}

    def close(number: int, frame: Any) -> None:
        stop.set()
        _restore(before)

    for number in before:
        signal.signal(number, close)
    try:
        yield stop
    finally:
        _restore(before)


def _restore(handlers: dict[signal.Signals, Any]) -> None:
    for number, handler in handlers.items():
        signal.signal(number, handler)


def _log(log_format: Literal["json", "pretty"] | None) -> Reporting:
    try:
        from timestrata.web.schedule import log_to  # here, because the packages that it needs are an extra
    except ImportError as error:
        wanted = "the packages of the server: pip install 'timestrata[server]'; or the name of one job"
        raise InvalidRequest("jobs run", f"no package {error.name}", wanted) from error
    return Reporting(*log_to(sys.stderr, log_format or ("pretty" if sys.stderr.isatty() else "json")))


def _show(ended: JobRun, as_json: bool) -> None:
    if as_json:
        output.write_json(ended)
    else:
        took = duration((ended.finished_at - ended.started_at).total_seconds())
        screen.show(f"{ended.name}: {ended.outcome} after {took}")
        rows = [(each, _written(value)) for each, value in ended.result.items()]
        screen.show(screen.pairs(rows))
    if ended.outcome != "ok":
        raise typer.Exit(REFUSED if ended.outcome == "failed" else INTERRUPTED)


def _written(value: object) -> str:
    return name(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))
