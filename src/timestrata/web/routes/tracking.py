"""Live tracking: templates, workflows, and the sessions of their steps."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Literal
from urllib.parse import quote

from fastapi import APIRouter, Depends, Path, Query, Response

from timestrata.errors import UnknownSession, UnknownTemplate
from timestrata.facts import MAX_STEP_INDEX
from timestrata.history import History
from timestrata.ingest import Outcome
from timestrata.tracked import TemplateStep, TrackedWorkflow
from timestrata.web import wire
from timestrata.web.bodies import AtBody, EndBody, Name, StartBody, TemplateBody, moment_of
from timestrata.web.callers import Reads, Writer, Writes
from timestrata.web.idempotency import key_of
from timestrata.web.paths import PathId

router = APIRouter(prefix="/api/v1", tags=["tracking"])

UserId = Annotated[Name | None, Query(description="Whose it is; default: the user of the token.")]
StepIndex = Annotated[int, Path(ge=0, le=MAX_STEP_INDEX, description="The step's place in the template, from 0.")]
IdempotencyKey = Annotated[str | None, Depends(key_of)]
Change = Callable[[History, str, str, datetime | None, str | None], object]
"""(history, user, workflow id, time, idempotency key) -> what is answered."""

# ---------------------------------------------------------------------------------------------------------- templates


@router.post("/templates", status_code=201, responses={200: {"description": "It is there already"}})
async def put_template(body: TemplateBody, writer: Writes) -> Response:
    """Put a template, or a new version of it; the same content again answers 200 with the version there is."""
    writer.check_any()
    steps = [TemplateStep(step.name, step.estimated_seconds) for step in body.steps]

    def put(history: History) -> tuple[object, bool]:
        try:
            known = history.tracking.template(body.name)
        except UnknownTemplate:
            known = None
        template = history.tracking.put_template(
            body.name, body.ticket_type, steps, estimated_seconds=body.estimated_seconds
        )
        return template, template == known

    template, known = await writer.run(put)
    return wire.respond(template, 200 if known else 201, {"Location": f"/api/v1/templates/{quote(body.name, safe='')}"})


@router.get("/templates")
async def templates(reader: Reads) -> Response:
    """Return the latest version of every template, by name."""
    return await reader.open(lambda history: {"templates": history.tracking.templates()})


@router.get("/templates/{name}")
async def template(
    name: PathId, reader: Reads, version: Annotated[int | None, Query(ge=1, lt=2**31)] = None
) -> Response:
    """Return one template, in its latest version or another."""
    return await reader.open(lambda history: history.tracking.template(name, version))


# ---------------------------------------------------------------------------------------------------------- workflows


@router.post("/workflows", status_code=201)
async def start_workflow(body: StartBody, writer: Writes, key: IdempotencyKey = None) -> Response:
    """Start a workflow on a ticket, and with it the session of its first step."""
    user = writer.user(body.user_id)
    writer.check(user)

    def start(history: History) -> TrackedWorkflow:
        return history.tracking.start_workflow(
            user,
            body.template,
            body.ticket_key,
            workflow_id=body.workflow_id,
            estimated_seconds=body.estimated_seconds,
            timezone=body.timezone,
            attributes=body.attributes,
            at=moment_of(body.at),
            key=key,
        )

    started = await writer.run(start)
    return wire.respond(started, 201, {"Location": f"/api/v1/workflows/{quote(started.workflow_id, safe='')}"})


@router.get("/workflows")
async def workflows(
    reader: Reads,
    user_id: UserId = None,
    state: Annotated[Literal["open", "active", "held", "completed", "cancelled"] | None, Query()] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 50,
    after: Annotated[str | None, Query(description="The `next` of the page before.")] = None,
) -> Response:
    """Return tracked workflows, the latest started first; `state=open`: active and held ones, running ones first."""
    user = reader.user(user_id)
    if state == "open":
        return await reader.fresh(user, lambda history: {"workflows": history.tracking.active(user), "next": None})
    return await reader.fresh(
        user, lambda history: history.tracking.workflows(user, state=state, limit=limit, after=after)
    )


@router.get("/workflows/{workflow_id}")
async def workflow(workflow_id: PathId, reader: Reads, user_id: UserId = None) -> Response:
    """Return a tracked workflow as it stands now."""
    user = reader.user(user_id)
    return await reader.fresh(user, lambda history: history.tracking.workflow(user, workflow_id))


async def _change(
    writer: Writer, user_id: str | None, workflow_id: str, body: AtBody | None, key: str | None, change: Change
) -> Response:
    user = writer.user(user_id)
    at = moment_of(body.at) if body is not None else None
    return await writer.answer(user, lambda history: change(history, user, workflow_id, at, key))


@router.post("/workflows/{workflow_id}/complete")
async def complete(
    workflow_id: PathId,
    writer: Writes,
    user_id: UserId = None,
    body: AtBody | None = None,
    key: IdempotencyKey = None,
) -> Response:
    """Complete a workflow: its times become history. The answer compares them with the estimates."""

    def change(history: History, user: str, name: str, at: datetime | None, key: str | None) -> object:
        done = history.tracking.complete(user, name, at=at, key=key)
        if done.status == "recorded":
            writer.service.metrics.count_outcomes([Outcome("recorded", user, name)])
        return done

    return await _change(writer, user_id, workflow_id, body, key, change)


@router.post("/workflows/{workflow_id}/cancel")
async def cancel(
    workflow_id: PathId,
    writer: Writes,
    user_id: UserId = None,
    body: AtBody | None = None,
    key: IdempotencyKey = None,
) -> Response:
    """Cancel a workflow: it is never completed. The time worked on it was worked, and stays so."""

    def change(history: History, user: str, name: str, at: datetime | None, key: str | None) -> object:
        return history.tracking.cancel(user, name, at=at, key=key)

    return await _change(writer, user_id, workflow_id, body, key, change)


# ----------------------------------------------------------------------------------------------------------- sessions


@router.post("/time/sessions/{workflow_id}/start/{step_index}")
async def start_step(
    workflow_id: PathId,
    step_index: StepIndex,
    writer: Writes,
    user_id: UserId = None,
    body: AtBody | None = None,
    key: IdempotencyKey = None,
) -> Response:
    """Start a session on a step; the one that is running or paused ends."""

    def change(history: History, user: str, name: str, at: datetime | None, key: str | None) -> object:
        return history.tracking.start_step(user, name, step_index, at=at, key=key)

    return await _change(writer, user_id, workflow_id, body, key, change)


@router.get("/time/sessions/{workflow_id}")
async def sessions(workflow_id: PathId, reader: Reads, user_id: UserId = None) -> Response:
    """Return the sessions of a workflow, in the order of their start."""
    user = reader.user(user_id)
    return await reader.fresh(user, lambda history: {"sessions": history.tracking.sessions(user, workflow_id)})


@router.get("/time/sessions/{workflow_id}/active")
async def active_session(workflow_id: PathId, reader: Reads, user_id: UserId = None) -> Response:
    """Return the session that is running or paused, null when there is none."""
    user = reader.user(user_id)

    def current(history: History) -> dict[str, object]:
        found = history.tracking.workflow(user, workflow_id)
        return {"session": found.current, "as_of": found.as_of}

    return await reader.fresh(user, current)


async def _owner(writer: Writer, session_id: str) -> tuple[str, str]:
    """Return (user, workflow id) of a session that the caller may change; another's session is not to be found."""
    user, workflow_id = await writer.run(lambda history: history.tracking.owner(session_id))
    if not writer.principal.may_write(user):
        raise UnknownSession(session_id)
    return user, workflow_id


@router.post("/time/sessions/{session_id}/pause")
async def pause(session_id: PathId, writer: Writes, body: AtBody | None = None, key: IdempotencyKey = None) -> Response:
    """Pause a session that is running."""

    def change(history: History, user: str, name: str, at: datetime | None, key: str | None) -> object:
        return history.tracking.pause(user, name, session_id=session_id, at=at, key=key)

    return await _change_session(writer, session_id, body, key, change)


@router.post("/time/sessions/{session_id}/resume")
async def resume(
    session_id: PathId, writer: Writes, body: AtBody | None = None, key: IdempotencyKey = None
) -> Response:
    """Resume a session that is paused."""

    def change(history: History, user: str, name: str, at: datetime | None, key: str | None) -> object:
        return history.tracking.resume(user, name, session_id=session_id, at=at, key=key)

    return await _change_session(writer, session_id, body, key, change)


@router.post("/time/sessions/{session_id}/end")
async def end(session_id: PathId, writer: Writes, body: AtBody | None = None, key: IdempotencyKey = None) -> Response:
    """End a session that is running or paused; its time counts from now on."""

    def change(history: History, user: str, name: str, at: datetime | None, key: str | None) -> object:
        return history.tracking.end_step(user, name, session_id=session_id, at=at, key=key)

    return await _change_session(writer, session_id, body, key, change)


async def _change_session(
    writer: Writer, session_id: str, body: AtBody | None, key: str | None, change: Change
) -> Response:
    user, workflow_id = await _owner(writer, session_id)
    return await _change(writer, user, workflow_id, body, key, change)


@router.post("/time/sessions/{session_id}/confirm")
async def confirm(session_id: PathId, writer: Writes, key: IdempotencyKey = None) -> Response:
    """Confirm the end that a forgotten session was given."""
    user, _ = await _owner(writer, session_id)
    return await writer.answer(user, lambda history: history.tracking.confirm(session_id, key=key))


@router.post("/time/sessions/{session_id}/correct")
async def correct(session_id: PathId, writer: Writes, body: EndBody, key: IdempotencyKey = None) -> Response:
    """Put the true end of a forgotten session."""
    ended_at = moment_of(body.ended_at)
    assert ended_at is not None
    user, _ = await _owner(writer, session_id)
    return await writer.answer(user, lambda history: history.tracking.correct(session_id, ended_at, key=key))
