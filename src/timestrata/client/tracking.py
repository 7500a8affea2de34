"""Live tracking through a service: `client.tracking`, with the methods of `history.tracking`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar, get_args

from timestrata.calendar import zone
from timestrata.client.requests import Requests, segment
from timestrata.errors import InvalidRequest, KeyReused, UnknownTemplate
from timestrata.facts import MAX_STEP_INDEX, askable, checked_estimate, checked_moment, checked_text
from timestrata.formats.moments import write_iso
from timestrata.live import State
from timestrata.tracked import (
    Completion,
    Template,
    TemplateStep,
    TrackedSession,
    TrackedWorkflow,
    WorkflowList,
    checked_steps,
)
from timestrata.tracking.rules import checked_attributes

T = TypeVar("T")

_MOST_VERSIONS = 2**31 - 1
_MOST_WORKFLOWS = 1000


@dataclass(frozen=True, slots=True)
class _Templates:
    templates: tuple[Template, ...]


@dataclass(frozen=True, slots=True)
class _Sessions:
    sessions: tuple[TrackedSession, ...]


class ClientTracking:
    """Templates and live work of a service: see `timestrata.tracking.Tracking`, whose errors are raised here too.

    A user of None is the one that the token is for. Every call that changes something is made once, however often it
    has to be sent; `key` makes it the same call again in another process too.
    """

    def __init__(self, requests: Requests) -> None:
        self._requests = requests

    # ------------------------------------------------------------------------------------------------------ templates

    def put_template(
        self,
        name: str,
        ticket_type: str,
        steps: Iterable[TemplateStep | str],
        *,
        estimated_seconds: int | None = None,
    ) -> Template:
        """Put a template, or a new version of one; the same content again is the same version."""
        body = {
            "name": checked_text("name", name),
            "ticket_type": checked_text("ticket_type", ticket_type),
            "steps": [{"name": one.name, "estimated_seconds": one.estimated_seconds} for one in checked_steps(steps)],
            "estimated_seconds": checked_estimate("estimated_seconds", estimated_seconds),
        }
        return self._requests.post(Template, "/api/v1/templates", body)

    def template(self, name: str, version: int | None = None) -> Template:
        """Return a template in a version (default: the latest). Raises UnknownTemplate."""
        if version is not None and (type(version) is not int or not 1 <= version <= _MOST_VERSIONS):
            raise UnknownTemplate(name, version)
        path = f"/api/v1/templates/{segment(name)}"
        return self._requests.get(Template, path, {"version": version}, about={"template": name, "version": version})

    def templates(self) -> tuple[Template, ...]:
        """Return the latest version of every template, by name."""
        return self._requests.get(_Templates, "/api/v1/templates").templates

    # ---------------------------------------------------------------------------------------------------- live work

    def start_workflow(
        self,
        user_id: str | None,
        template: str,
        ticket_key: str,
        *,
        workflow_id: str | None = None,
        estimated_seconds: int | None = None,
        timezone: str | None = None,
        attributes: Mapping[str, object] | None = None,
        at: datetime | None = None,
        key: str | None = None,
    ) -> TrackedWorkflow:
        """Start a workflow on a ticket, and with it the session of the template's first step."""
        if not askable(template):
            raise UnknownTemplate(template)
        if timezone is not None:
            zone(timezone)
        body = {
            "user_id": None if user_id is None else checked_text("user_id", user_id),
            "template": template,
            "ticket_key": checked_text("ticket_key", ticket_key),
            "workflow_id": None if workflow_id is None else checked_text("workflow_id", workflow_id),
            "estimated_seconds": checked_estimate("estimated_seconds", estimated_seconds),
            "timezone": timezone,
            "attributes": checked_attributes(attributes) or None,
            **_when(at),
        }
        about = {"user_id": user_id, "workflow_id": workflow_id, "template": template}
        return self._requests.post(TrackedWorkflow, "/api/v1/workflows", body, key=key, about=about)

    def start_step(
        self,
        user_id: str | None,
        workflow_id: str,
        step_index: int,
        *,
        at: datetime | None = None,
        key: str | None = None,
    ) -> TrackedWorkflow:
        """Start a session on a step of the template; the one that is running or paused ends. Raises SessionRunning."""
        if type(step_index) is not int or not 0 <= step_index <= MAX_STEP_INDEX:
            steps = len(self.workflow(user_id, workflow_id).steps)
            raise InvalidRequest("step_index", step_index, f"0 to {steps - 1}, a step of the template")
        path = f"/api/v1/time/sessions/{segment(workflow_id)}/start/{step_index}"
        return self._change(TrackedWorkflow, path, user_id, workflow_id, at, key)

    def pause(
        self,
        user_id: str | None,
        workflow_id: str,
        *,
        session_id: str | None = None,
        at: datetime | None = None,
        key: str | None = None,
    ) -> TrackedWorkflow:
        """Pause the running session."""
        return self._change_session("pause", user_id, workflow_id, session_id, at, key)

    def resume(
        self,
        user_id: str | None,
        workflow_id: str,
        *,
        session_id: str | None = None,
        at: datetime | None = None,
        key: str | None = None,
    ) -> TrackedWorkflow:
        """Resume the paused session. Raises SessionRunning when the user works on something else."""
        return self._change_session("resume", user_id, workflow_id, session_id, at, key)

    def end_step(
        self,
        user_id: str | None,
        workflow_id: str,
        *,
        session_id: str | None = None,
        at: datetime | None = None,
        key: str | None = None,
    ) -> TrackedWorkflow:
        """End the session that is running or paused; its worked time counts from now on."""
        return self._change_session("end", user_id, workflow_id, session_id, at, key)

    def cancel(
        self, user_id: str | None, workflow_id: str, *, at: datetime | None = None, key: str | None = None
    ) -> TrackedWorkflow:
        """Cancel the workflow: it is never completed. The time worked on it was worked, and stays so."""
        path = f"/api/v1/workflows/{segment(workflow_id)}/cancel"
        return self._change(TrackedWorkflow, path, user_id, workflow_id, at, key)

    def complete(
        self, user_id: str | None, workflow_id: str, *, at: datetime | None = None, key: str | None = None
    ) -> Completion:
        """Complete the workflow: its times become history in one transaction; compare them with the estimates."""
        path = f"/api/v1/workflows/{segment(workflow_id)}/complete"
        return self._change(Completion, path, user_id, workflow_id, at, key)

    def confirm(self, session_id: str, *, key: str | None = None) -> TrackedWorkflow:
        """Confirm the end that a forgotten session was given; its time counts from now on."""
        path = f"/api/v1/time/sessions/{segment(session_id)}/confirm"
        return self._requests.post(TrackedWorkflow, path, key=key, about={"session_id": session_id})

    def correct(self, session_id: str, ended_at: datetime, *, key: str | None = None) -> TrackedWorkflow:
        """Put the true end of a forgotten session; its time counts from now on."""
        path = f"/api/v1/time/sessions/{segment(session_id)}/correct"
        body = {"ended_at": write_iso(checked_moment("ended_at", ended_at))}
        return self._requests.post(TrackedWorkflow, path, body, key=key, about={"session_id": session_id})

    # -------------------------------------------------------------------------------------------------------- reading

    def workflow(self, user_id: str | None, workflow_id: str) -> TrackedWorkflow:
        """Return a tracked workflow as it stands now."""
        path, about = f"/api/v1/workflows/{segment(workflow_id)}", {"user_id": user_id, "workflow_id": workflow_id}
        return self._requests.get(TrackedWorkflow, path, {"user_id": user_id}, about=about)

    def sessions(self, user_id: str | None, workflow_id: str) -> tuple[TrackedSession, ...]:
        """Return the sessions of a workflow in the order of their start."""
        path, about = f"/api/v1/time/sessions/{segment(workflow_id)}", {"user_id": user_id, "workflow_id": workflow_id}
        return self._requests.get(_Sessions, path, {"user_id": user_id}, about=about).sessions

    def active(self, user_id: str | None) -> tuple[TrackedWorkflow, ...]:
        """Return a user's workflows that are active or held, those with a running session first, then the latest."""
        parameters = {"user_id": user_id, "state": "open"}
        return self._requests.get(WorkflowList, "/api/v1/workflows", parameters).workflows

    def workflows(
        self, user_id: str | None, *, state: State | None = None, limit: int = 50, after: str | None = None
    ) -> WorkflowList:
        """Return a page of a user's tracked workflows, the latest started first. 1 <= limit <= 1000."""
        if type(limit) is not int or not 1 <= limit <= _MOST_WORKFLOWS:
            raise InvalidRequest("limit", limit, f"a whole number from 1 to {_MOST_WORKFLOWS}")
        if state is not None and state not in get_args(State):
            raise InvalidRequest("state", state, f"one of {', '.join(get_args(State))}")
        parameters = {"user_id": user_id, "state": state, "limit": limit, "after": after}
        return self._requests.get(WorkflowList, "/api/v1/workflows", parameters)

    # -------------------------------------------------------------------------------------------------------- changes

    def _change_session(
        self,
        action: str,
        user_id: str | None,
        workflow_id: str,
        session_id: str | None,
        at: datetime | None,
        key: str | None,
    ) -> TrackedWorkflow:
        """Change a session, by default the current one: the service takes sessions by their id."""
        if session_id is not None:
            return self._change_one(action, (user_id, workflow_id, session_id), at, key)
        *earlier, current = [one.id for one in self.workflow(user_id, workflow_id).sessions]
        try:
            return self._change_one(action, (user_id, workflow_id, current), at, key)
        except KeyReused:
            # The same call again, made for a session that is no longer current: under its key it does nothing new.
            for session_id in reversed(earlier):
                with suppress(KeyReused):
                    return self._change_one(action, (user_id, workflow_id, session_id), at, key)
            raise

    def _change_one(
        self, action: str, names: tuple[str | None, str, str], at: datetime | None, key: str | None
    ) -> TrackedWorkflow:
        about = dict(zip(("user_id", "workflow_id", "session_id"), names, strict=True))
        path = f"/api/v1/time/sessions/{segment(names[-1])}/{action}"
        return self._requests.post(TrackedWorkflow, path, _when(at), key=key, about=about)

    def _change(
        self,
        kind: type[T],
        path: str,
        user_id: str | None,
        workflow_id: str,
        at: datetime | None,
        key: str | None,
    ) -> T:
        about = {"user_id": user_id, "workflow_id": workflow_id}
        return self._requests.post(kind, path, _when(at), {"user_id": user_id}, key, about=about)


def _when(at: datetime | None) -> dict[str, object]:
    return {} if at is None else {"at": write_iso(checked_moment("at", at))}
