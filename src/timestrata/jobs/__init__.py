"""The schedule: jobs that are due at their times, each run by one process of many."""

from timestrata.jobs.calls import Jobs
from timestrata.jobs.definitions import (
    JobContext,
    JobDefinition,
    JobFailed,
    JobReport,
    JobRun,
    JobState,
    Report,
    definitions,
)
from timestrata.jobs.schedule import Schedules, next_run

__all__ = [
    "JobContext", "JobDefinition", "JobFailed", "JobReport", "JobRun", "JobState", "Jobs", "Report", "Schedules",
    "definitions", "next_run",
]  # fmt: skip
