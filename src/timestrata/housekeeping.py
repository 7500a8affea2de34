"""What the jobs of a store do: retention, audit, old alerts, the files of the archive."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import fields
from typing import Any

from sqlalchemy.exc import DBAPIError

from timestrata.audit import Audit, Verification
from timestrata.jobs import JobContext, JobFailed, Jobs
from timestrata.jobs.definitions import Action
from timestrata.retention import Retention

_SHOWN = 20
_NO_ARCHIVE: Mapping[str, object] = {
    "ok": True,
    "skipped": "no archive is configured, so everything stays in the database: TIMESTRATA_ARCHIVE names one",
}


def actions(retention: Retention, audit: Audit) -> dict[str, Action]:
    """Return the actions of the jobs by name. A job fails when something is left that somebody has to look at."""

    def retain(context: JobContext) -> Mapping[str, object]:
        if retention.archive_url is None:
            return _NO_ARCHIVE
        return _told(retention.run(should_stop=context.should_stop))

    def verify(context: JobContext) -> Mapping[str, object]:
        return _told(audit.verify(should_stop=context.should_stop))

    def clean(_: JobContext) -> Mapping[str, object]:
        return {"ok": True, "deleted": retention.clean_alerts()}

    def check(context: JobContext) -> Mapping[str, object]:
        if retention.archive_url is None:
            return _NO_ARCHIVE
        return _told(retention.check(should_stop=context.should_stop))

    return {"retention": retain, "audit": verify, "alerts": clean, "archive": check}


def note_audit(jobs: Jobs, found: Verification) -> None:
    """Note what a verification found that was made by hand; not in a database that cannot be written."""
    with suppress(DBAPIError):
        jobs.put_result("audit", found.started_at, "ok" if found.ok else "failed", _mapping(found))


def _mapping(result: Any) -> dict[str, object]:
    """Return a result as a mapping, with its first problems."""
    told: dict[str, object] = {"ok": result.ok}
    told.update((field.name, getattr(result, field.name)) for field in fields(result) if field.name != "ok")
    told["problems"] = list(result.problems[:_SHOWN])
    return told


def _told(result: Any) -> Mapping[str, object]:
    """Return a result as a mapping. Raises JobFailed when it is not ok."""
    told = _mapping(result)
    if not result.ok and not getattr(result, "stopped", False):
        raise JobFailed(told)
    return told
