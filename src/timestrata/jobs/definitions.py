"""What a job is, how it stands, and what its runs bring."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Literal

from timestrata.jobs.schedule import Schedules


@dataclass(frozen=True, slots=True)
class JobContext:
    """What a run is told. `should_stop` is to be asked at every safe point: True when the process is about to end."""

    should_stop: Callable[[], bool]


Action = Callable[[JobContext], Mapping[str, object]]
"""Does the work of a job and returns what is to be known of it, as a document takes it. Raises JobFailed."""


class JobFailed(Exception):
    """Raised by an action that came to its end, but not to a good one; `result` is what it would have returned."""

    def __init__(self, result: Mapping[str, object]) -> None:
        super().__init__("the job came to a bad end")
        self.result = result


@dataclass(frozen=True, slots=True)
class JobDefinition:
    """A job: its name, its cron expression (see Schedules; None: run by hand only), what it does."""

    name: str
    schedule: str | None
    action: Action


def definitions(schedules: Schedules, actions: Mapping[str, Action]) -> tuple[JobDefinition, ...]:
    """Return the jobs that there are actions for, in the order of their schedules."""
    names = [field.name for field in fields(schedules)]
    return tuple(JobDefinition(name, getattr(schedules, name), actions[name]) for name in names if name in actions)


@dataclass(frozen=True, slots=True)
class JobState:
    """A job as it stands: the run that is under way, when the next is due, and the last that came to an end."""

    name: str
    schedule: str | None
    next_run_at: datetime | None
    """In the past: it is due. None: it is switched off, or no process has run the schedule of this store yet."""
    running: bool
    holder: str | None
    """The process that runs it."""
    started_at: datetime | None
    """Of the run that is under way, else of the last one, though it may have been stopped or killed."""
    finished_at: datetime | None
    outcome: Literal["ok", "failed"] | None
    result: Mapping[str, object] | None
    succeeded_at: datetime | None
    """The end of the last run that was ok."""


@dataclass(frozen=True, slots=True)
class JobRun:
    """A run that ended. `stopped`: it was told to, and is not counted as an end; a job that was due is so still."""

    name: str
    started_at: datetime
    finished_at: datetime
    outcome: Literal["ok", "failed", "stopped"]
    result: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class JobReport:
    """Something to be logged: a job began (`run` is None) or ended, with the error that ended it."""

    name: str
    holder: str
    run: JobRun | None = None
    error: BaseException | None = None


Report = Callable[[JobReport], None]
