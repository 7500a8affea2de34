"""A completion as a row of the archive: names instead of ids, instants and days as whole numbers, and its digest."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from hashlib import blake2b
from operator import itemgetter
from typing import Any, NamedTuple

from timestrata.calendar import instant, moment
from timestrata.facts import CompletedWorkflow, Pause, StepTime, TimeSession, attributes_text, visits
from timestrata.measures import Filed, SessionPart

Row = dict[str, Any]
"""One completion by column; steps, sessions, pauses and parts are lists of such.

Instants are microseconds since 1970 in UTC, days count from 1970-01-01, seconds are whole.
"""


class ArchivedFact(NamedTuple):
    """A completion as it comes back: its number among those of its user, and the days it was filed under."""

    number: int
    filed: Filed


# ------------------------------------------------------------------------------------------------------ from a fact


def row_of(filed: Filed, number: int) -> Row:
    """Return a filed workflow as a row."""
    workflow, day, timezone, parts = filed
    return {
        "user_id": workflow.user_id,
        "day": day,
        "number": number,
        "workflow_id": workflow.workflow_id,
        "ticket_key": workflow.ticket_key,
        "ticket_type": workflow.ticket_type,
        "template": workflow.template,
        "started_at": instant(workflow.started_at),
        "completed_at": instant(workflow.completed_at),
        "timezone": timezone,
        "active_seconds": workflow.active_seconds,
        "paused_seconds": workflow.pause_seconds if parts else 0,
        "estimated_seconds": workflow.estimated_seconds,
        "attributes": attributes_text(workflow),
        "steps": _steps(workflow, visits(workflow) if parts else {}),
        "worked": [{"session": one.session, "day": one.day, "seconds": one.worked_seconds} for one in parts],
    }


def _steps(workflow: CompletedWorkflow, entered: Mapping[int, int]) -> list[Row]:
    return [
        {
            "index": step.index,
            "name": step.name,
            "active_seconds": step.active_seconds,
            "paused_seconds": step.pause_seconds if entered else 0,
            "visits": entered[step.index] if entered else 1,
            "estimated_seconds": step.estimated_seconds,
            "sessions": [_session(session) for session in step.sessions],
        }
        for step in workflow.steps
    ]


def _session(session: TimeSession) -> Row:
    return {
        "started_at": instant(session.started_at),
        "ended_at": instant(session.ended_at),
        "active_seconds": session.active_seconds,
        "paused_seconds": session.pause_seconds,
        "pauses": [
            {"paused_at": instant(pause.paused_at), "resumed_at": instant(pause.resumed_at)} for pause in session.pauses
        ],
    }


# ------------------------------------------------------------------------------------------------------ and back again


def fact_of(row: Row) -> ArchivedFact:
    """Return the completion of a row: the inverse of row_of(). Its days are those it was filed under then."""
    attributes = row["attributes"]
    workflow = CompletedWorkflow(
        workflow_id=row["workflow_id"],
        user_id=row["user_id"],
        ticket_key=row["ticket_key"],
        ticket_type=row["ticket_type"],
        template=row["template"],
        started_at=moment(row["started_at"]),
        completed_at=moment(row["completed_at"]),
        steps=tuple([_step_time(step) for step in row["steps"]]),
        estimated_seconds=row["estimated_seconds"],
        timezone=row["timezone"],
        attributes={} if attributes is None else json.loads(attributes),
    )
    parts = tuple([SessionPart(one["session"], one["day"], one["seconds"]) for one in row["worked"]])
    return ArchivedFact(row["number"], Filed(workflow, row["day"], row["timezone"], parts))


def _step_time(step: Row) -> StepTime:
    sessions = tuple([_time_session(session) for session in step["sessions"]])
    return StepTime(step["index"], step["name"], step["active_seconds"], step["estimated_seconds"], sessions)


def _time_session(session: Row) -> TimeSession:
    return TimeSession(
        moment(session["started_at"]),
        moment(session["ended_at"]),
        session["active_seconds"],
        session["paused_seconds"],
        tuple([Pause(moment(pause["paused_at"]), moment(pause["resumed_at"])) for pause in session["pauses"]]),
    )


# ------------------------------------------------------------------------------------------------------------- digests

_compact = json.JSONEncoder(separators=(",", ":")).encode

_completion = itemgetter(
    "user_id", "day", "number", "workflow_id", "ticket_key", "ticket_type", "template", "started_at", "completed_at",
    "timezone", "active_seconds", "paused_seconds", "estimated_seconds", "attributes",
)  # fmt: skip
_step = itemgetter("index", "name", "active_seconds", "paused_seconds", "visits", "estimated_seconds")
_span = itemgetter("started_at", "ended_at", "active_seconds", "paused_seconds")
_pause = itemgetter("paused_at", "resumed_at")
_part = itemgetter("session", "day", "seconds")


def digest_of(row: Row) -> bytes:
    """Return 16 bytes that are other ones when any value of a row is another one.

    BLAKE2b (RFC 7693) of the values as JSON: arrays in the order of the columns, in ASCII, without spaces; the last two
    are the steps, each [index, ..., sessions], and the parts. The form is kept for good, because the manifest outlives
    versions of Timestrata.
    """
    steps = [
        (*_step(step), [(*_span(one), list(map(_pause, one["pauses"]))) for one in step["sessions"]])
        for step in row["steps"]
    ]
    text = _compact((*_completion(row), steps, list(map(_part, row["worked"]))))
    return blake2b(text.encode(), digest_size=16).digest()


def unit_digest(digests: Iterable[bytes]) -> bytes:
    """Return the digest of the rows of one user and day, from theirs in the order of their numbers."""
    return blake2b(b"".join(digests), digest_size=16).digest()
