"""Work tracked by the forms of the page: started, paused, resumed, completed, cancelled, settled."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from urllib.parse import parse_qsl, quote, urlencode

from fastapi import APIRouter, Request
from starlette.exceptions import HTTPException
from starlette.responses import RedirectResponse, Response

from timestrata.access import Principal
from timestrata.calendar import zone
from timestrata.errors import InvalidRequest, TimestrataError, UnknownSession
from timestrata.ingest import Outcome
from timestrata.tracked import Completion
from timestrata.tracking import Tracking
from timestrata.web.dashboard.forms import form_of, own_path
from timestrata.web.dashboard.route import HEADERS, PageRoute
from timestrata.web.paths import PathId
from timestrata.web.principals import check_write, named_user
from timestrata.web.problems import problem_of
from timestrata.web.service import Service, service_of
from timestrata.wording import work as texts

router = APIRouter(include_in_schema=False, route_class=PageRoute)

Fields = Mapping[str, str]
Change = Callable[[Tracking, str, str, Fields], object]
"""(tracking, user, workflow or session id, fields of the form)."""


def _step(tracking: Tracking, user: str, name: str, fields: Fields) -> object:
    given = fields.get("step", "")
    if not given.isascii() or not given.isdecimal() or len(given) > 5:
        raise InvalidRequest("step", given, "the place of a step")
    return tracking.start_step(user, name, int(given), key=_key(fields))


def _correct(tracking: Tracking, _: str, name: str, fields: Fields) -> object:
    workflow, _session = tracking.session(name)
    given = fields.get("ended_at", "")
    try:
        wall = datetime.fromisoformat(given)
    except ValueError as error:
        raise InvalidRequest("ended_at", given, "a day and a time") from error
    ended_at = wall if wall.tzinfo is not None else wall.replace(tzinfo=zone(workflow.timezone))
    return tracking.correct(name, ended_at, key=_key(fields))


def _key(fields: Fields) -> str | None:
    return fields.get("key") or None


def _start(tracking: Tracking, user: str, _: str, fields: Fields) -> object:
    template, ticket = fields.get("template", ""), fields.get("ticket_key", "").strip()
    return tracking.start_workflow(user, template, ticket, key=_key(fields))


def _pause(tracking: Tracking, user: str, name: str, fields: Fields) -> object:
    return tracking.pause(user, name, session_id=fields.get("session"), key=_key(fields))


def _resume(tracking: Tracking, user: str, name: str, fields: Fields) -> object:
    return tracking.resume(user, name, session_id=fields.get("session"), key=_key(fields))


def _complete(tracking: Tracking, user: str, name: str, fields: Fields) -> object:
    return tracking.complete(user, name, key=_key(fields))


def _cancel(tracking: Tracking, user: str, name: str, fields: Fields) -> object:
    return tracking.cancel(user, name, key=_key(fields))


def _confirm(tracking: Tracking, _: str, name: str, fields: Fields) -> object:
    return tracking.confirm(name, key=_key(fields))


_OF_WORKFLOWS: dict[str, Change] = {
    "pause": _pause,
    "resume": _resume,
    "step": _step,
    "complete": _complete,
    "cancel": _cancel,
}
_OF_SESSIONS: dict[str, Change] = {"confirm": _confirm, "correct": _correct}


@router.post("/work/start")
async def start(request: Request) -> Response:
    """Start a workflow on a ticket, and with it the session of its first step."""
    service, principal, fields = await _asked(request)
    user = named_user(principal, fields.get("user_id") or None)
    check_write(principal, user)
    return await _changed(service, fields, lambda tracking: _start(tracking, user, "", fields))


@router.post("/work/workflows/{workflow_id}/{action}")
async def change_workflow(workflow_id: PathId, action: str, request: Request) -> Response:
    """Pause, resume, complete or cancel a workflow, or go on to one of its steps."""
    change = _known(_OF_WORKFLOWS, action)
    service, principal, fields = await _asked(request)
    user = named_user(principal, fields.get("user_id") or None)
    check_write(principal, user)
    done = workflow_id if action == "complete" else None
    return await _changed(service, fields, lambda tracking: change(tracking, user, workflow_id, fields), done)


@router.post("/work/sessions/{session_id}/{action}")
async def settle_session(session_id: PathId, action: str, request: Request) -> Response:
    """Say when a session that was left running ended: as it was guessed, or otherwise."""
    change = _known(_OF_SESSIONS, action)
    service, principal, fields = await _asked(request)

    def settle(tracking: Tracking) -> object:
        user, _ = tracking.owner(session_id)
        if not principal.may_write(user):  # another's session is not to be found
            raise UnknownSession(session_id)
        return change(tracking, user, session_id, fields)

    return await _changed(service, fields, settle)


def _known(changes: Mapping[str, Change], action: str) -> Change:
    if action not in changes:
        raise HTTPException(404)
    return changes[action]


async def _asked(request: Request) -> tuple[Service, Principal, Fields]:
    """Return who sent a form, and its fields. Raises Problem (401, 403)."""
    service = service_of(request)
    principal = await service.gate.principal(request)
    return service, principal, await form_of(request)


async def _changed(
    service: Service, fields: Fields, change: Callable[[Tracking], object], done: str | None = None
) -> Response:
    """Make a change and lead back to the page; what was refused is told there, by the code of the refusal."""
    back = own_path(fields.get("to"), "/work")
    try:
        found = await service.run(lambda: change(service.history.tracking))
    except TimestrataError as error:
        code = problem_of(error, service.dialect).code
        if code not in texts.REFUSED:
            raise
        return RedirectResponse(_with(back, refused=code), 303, HEADERS)
    if isinstance(found, Completion) and found.status == "recorded":
        service.metrics.count_outcomes([Outcome("recorded", found.workflow.user_id, found.workflow.workflow_id)])
    return RedirectResponse(_with(back, done=done) if done is not None else back, 303, HEADERS)


def _with(target: str, **more: str) -> str:
    """Return a path with arguments added to its query."""
    path, _, query = target.partition("?")
    arguments = dict(parse_qsl(query)) | more
    return f"{path}?{urlencode(arguments, quote_via=quote)}"
