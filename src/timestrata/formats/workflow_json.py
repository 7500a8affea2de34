"""The JSON document of one completed workflow: the shape of a line of JSONL and of the bodies of the HTTP API."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from datetime import datetime
from itertools import islice
from typing import Any, TypeVar

from timestrata.calendar import zone
from timestrata.errors import InvalidFact, MissingField, shown
from timestrata.facts import MAX_STEP_INDEX, MAX_TEXT, CompletedWorkflow, Pause, StepTime, TimeSession
from timestrata.formats.moments import WANTED_MOMENT, in_zone, parse_iso, write_iso

T = TypeVar("T")

_TEXT = f"text of 1 to {MAX_TEXT} characters"
_ZONE = 'an IANA time zone such as "Europe/Berlin"'
_WANTED = {
    "workflow_id": _TEXT,
    "user_id": _TEXT,
    "ticket_key": _TEXT,
    "ticket_type": _TEXT,
    "template": _TEXT,
    "name": _TEXT,
    "steps": "a list of at least one step",
    "index": f"a whole number from 0 to {MAX_STEP_INDEX}",
    "active_seconds": "a number of seconds",
}
_KNOWN = {
    name: frozenset(field.name for field in fields(kind) if field.init)
    for name, kind in (
        ("workflow", CompletedWorkflow),
        ("steps", StepTime),
        ("sessions", TimeSession),
        ("pauses", Pause),
    )
}
_NAMED_IN_NOTE = 10

_ABSENT: Any = None  # for a field that a fact works out, or takes as none


def workflow_from_json(document: object, timezone: str = "UTC") -> CompletedWorkflow:
    """Return the workflow of one decoded document; a time without an offset is read as read_jsonl() reads it.

    Raises InvalidFact whose field is the path, such as `steps[0].sessions[1].pauses[0].paused_at`.
    """
    return Reading(timezone).workflow(document)


class Reading:
    """One document on its way to a fact: the zone of its naive times, and what is to be noted."""

    __slots__ = ("_naive", "_timezone", "_unknown")

    def __init__(self, timezone: str) -> None:
        self._timezone = timezone
        self._naive: dict[str, None] = {}
        self._unknown: dict[str, None] = {}

    @property
    def notes(self) -> tuple[str, ...]:
        notes = []
        if self._naive:
            notes.append(f"{', '.join(self._naive)}: no offset, read in {self._timezone}")
        if self._unknown:
            names = ", ".join(map(shown, islice(self._unknown, _NAMED_IN_NOTE)))
            more = len(self._unknown) - _NAMED_IN_NOTE
            notes.append(f"unknown fields ignored: {names}" + (f" and {more} more" if more > 0 else ""))
        return tuple(notes)

    def workflow(self, document: object) -> CompletedWorkflow:
        if not isinstance(document, dict):
            raise InvalidFact("workflow", document, "a JSON object")
        timezone = self._own_zone(document)
        attributes = document.get("attributes")
        if attributes is not None and not isinstance(attributes, dict):
            raise InvalidFact("attributes", attributes, "a JSON object")
        if not document.keys() <= _KNOWN["workflow"]:
            self._note_unknown("", document, _KNOWN["workflow"])
        try:
            return CompletedWorkflow(
                workflow_id=document["workflow_id"],
                user_id=document["user_id"],
                ticket_key=document["ticket_key"],
                ticket_type=document["ticket_type"],
                template=document["template"],
                started_at=self._moment(document, "started_at"),
                completed_at=self._moment(document, "completed_at"),
                estimated_seconds=document.get("estimated_seconds"),
                timezone=timezone,
                steps=self._items(document, "steps", self._step),
                attributes=attributes or {},
            )
        except KeyError as missing:
            raise _missing(missing) from None

    def _own_zone(self, document: dict[str, Any]) -> str | None:
        """Return the zone of the document, checked first: it is the zone of its naive times."""
        timezone = document.get("timezone")
        if timezone is None:
            return None
        if not isinstance(timezone, str):
            raise InvalidFact("timezone", timezone, _ZONE)
        zone(timezone)
        self._timezone = timezone
        return timezone

    def _step(self, document: dict[str, Any]) -> StepTime:
        sessions = self._items(document, "sessions", self._session) if document.get("sessions") is not None else ()
        active = document.get("active_seconds", _ABSENT) if sessions else document["active_seconds"]
        return StepTime(document["index"], document["name"], active, document.get("estimated_seconds"), sessions)

    def _session(self, document: dict[str, Any]) -> TimeSession:
        return TimeSession(
            self._moment(document, "started_at"),
            self._moment(document, "ended_at"),
            document.get("active_seconds", _ABSENT),
            document.get("pause_seconds", _ABSENT),
            self._items(document, "pauses", self._pause) if document.get("pauses") is not None else (),
        )

    def _pause(self, document: dict[str, Any]) -> Pause:
        return Pause(self._moment(document, "paused_at"), self._moment(document, "resumed_at"))

    def _items(self, document: dict[str, Any], name: str, read: Callable[[dict[str, Any]], T]) -> tuple[T, ...]:
        found = document[name]
        if not isinstance(found, list):
            raise InvalidFact(name, found, "a list")
        known = _KNOWN[name]
        items: list[T] = []
        for item in found:
            if not isinstance(item, dict):
                raise InvalidFact(f"{name}[{len(items)}]", item, "a JSON object")
            if not item.keys() <= known:
                self._note_unknown(f"{name}.", item, known)
            try:
                items.append(read(item))
            except InvalidFact as refusal:
                raise refusal.under(f"{name}[{len(items)}]") from None
            except KeyError as missing:
                raise _missing(missing).under(f"{name}[{len(items)}]") from None
        return tuple(items)

    def _moment(self, document: dict[str, Any], name: str) -> datetime:
        found = document[name]
        try:
            moment = parse_iso(found)
        except (ValueError, TypeError, IndexError, KeyError) as error:
            raise InvalidFact(name, found, WANTED_MOMENT) from error
        if moment.tzinfo is not None:
            return moment
        self._naive[name] = None
        return in_zone(name, moment, self._timezone)

    def _note_unknown(self, path: str, document: dict[str, Any], known: frozenset[str]) -> None:
        self._unknown.update((f"{path}{key}", None) for key in document if key not in known)


def _missing(error: KeyError) -> MissingField:
    field = str(error.args[0])
    return MissingField(field, _WANTED.get(field, WANTED_MOMENT))


def workflow_to_json(workflow: CompletedWorkflow) -> dict[str, object]:
    """Return the document of a workflow: fields in the order of the documentation, absent ones left out."""
    document: dict[str, object] = {
        "workflow_id": workflow.workflow_id,
        "user_id": workflow.user_id,
        "ticket_key": workflow.ticket_key,
        "ticket_type": workflow.ticket_type,
        "template": workflow.template,
        "started_at": write_iso(workflow.started_at),
        "completed_at": write_iso(workflow.completed_at),
        "estimated_seconds": workflow.estimated_seconds,
    }
    if workflow.timezone is not None:
        document["timezone"] = workflow.timezone
    document["steps"] = [_step_to_json(step) for step in workflow.steps]
    if workflow.attributes:
        document["attributes"] = dict(workflow.attributes)
    return document


def _step_to_json(step: StepTime) -> dict[str, object]:
    document: dict[str, object] = {"index": step.index, "name": step.name, "active_seconds": step.active_seconds}
    if step.estimated_seconds is not None:
        document["estimated_seconds"] = step.estimated_seconds
    if step.sessions:
        document["sessions"] = [_session_to_json(session) for session in step.sessions]
    return document


def _session_to_json(session: TimeSession) -> dict[str, object]:
    document: dict[str, object] = {
        "started_at": write_iso(session.started_at),
        "ended_at": write_iso(session.ended_at),
        "active_seconds": session.active_seconds,
        "pause_seconds": session.pause_seconds,
    }
    if session.pauses:
        document["pauses"] = [
            {"paused_at": write_iso(pause.paused_at), "resumed_at": write_iso(pause.resumed_at)}
            for pause in session.pauses
        ]
    return document
