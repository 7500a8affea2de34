"""Tracked workflows as they are shown: templates, sessions, and the comparison of a completion with its estimates."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from typing import Literal

from timestrata.calendar import moment
from timestrata.errors import InvalidFact
from timestrata.facts import MAX_STEP_INDEX, CompletedWorkflow, StepTime, checked_estimate, checked_text
from timestrata.live import Session, SessionState, State, Work
from timestrata.measures import is_gap, ratio

Level = Literal["within", "over", "gap"]
"""Against an estimate: up to 100 %, above it up to the gap threshold (120 %), above that."""


@dataclass(frozen=True, slots=True)
class TemplateStep:
    """A step of a template; an estimate of 0 or None means that there is none."""

    name: str
    estimated_seconds: int | None = None

    def __post_init__(self) -> None:
        checked_text("name", self.name)
        estimate = checked_estimate("estimated_seconds", self.estimated_seconds)
        object.__setattr__(self, "estimated_seconds", estimate)


@dataclass(frozen=True, slots=True)
class Template:
    """A version of a workflow template. A step's index is its place in `steps`, from 0.

    `estimated_seconds` is for the whole workflow: given, else the sum of the steps' where every step has one.
    """

    name: str
    version: int
    ticket_type: str
    steps: tuple[TemplateStep, ...]
    estimated_seconds: int | None
    created_at: datetime


def checked_steps(steps: Iterable[TemplateStep | str]) -> tuple[TemplateStep, ...]:
    """Return a template's steps, a bare name being one without an estimate. Raises InvalidFact."""
    if isinstance(steps, (str, bytes)) or not isinstance(steps, Iterable):
        raise InvalidFact("steps", steps, "a list of steps")
    checked: list[TemplateStep] = []
    for position, step in enumerate(steps):
        try:
            checked.append(TemplateStep(step) if isinstance(step, str) else step)
        except InvalidFact as refusal:
            raise refusal.under(f"steps[{position}]") from None
        if not isinstance(checked[-1], TemplateStep):
            raise InvalidFact(f"steps[{position}]", step, "a TemplateStep or a name")
    if not 1 <= len(checked) <= MAX_STEP_INDEX + 1:
        raise InvalidFact("steps", len(checked), f"1 to {MAX_STEP_INDEX + 1} steps")
    return tuple(checked)


def whole_estimate(given: int | None, steps: Sequence[TemplateStep]) -> int | None:
    """Return the estimate of a whole workflow: the given one, else the sum where every step has one.

    Raises InvalidFact when the sum is more than an estimate can be.
    """
    if given is not None:
        return given
    estimates = [step.estimated_seconds for step in steps]
    known = [estimate for estimate in estimates if estimate is not None]
    return checked_estimate("estimated_seconds", sum(known)) if len(known) == len(estimates) else None


@dataclass(frozen=True, slots=True)
class TrackedPause:
    """An interruption; `resumed_at` is None while it lasts."""

    paused_at: datetime
    resumed_at: datetime | None


@dataclass(frozen=True, slots=True)
class TrackedSession:
    """A session as it stands. Seconds of one that has not ended are those up to the answer's `as_of`."""

    id: str
    step_index: int
    step_name: str
    state: SessionState
    started_at: datetime
    ended_at: datetime | None
    active_seconds: int
    paused_seconds: int
    pauses: tuple[TrackedPause, ...]
    forgotten: bool
    """True when it was left running, was ended by itself, and nobody confirmed or corrected its end."""


@dataclass(frozen=True, slots=True)
class TrackedStep:
    """A step of the template: the seconds of its sessions so far, against its estimate."""

    index: int
    name: str
    active_seconds: int
    estimated_seconds: int | None
    sessions: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackedWorkflow:
    """A tracked workflow as of an instant.

    `held`: it is completed, but a forgotten session waits to be confirmed or corrected; until then it is in no figure.
    """

    user_id: str
    workflow_id: str
    state: State
    ticket_key: str
    ticket_type: str
    template: str
    template_version: int
    timezone: str
    started_at: datetime
    finished_at: datetime | None
    active_seconds: int
    paused_seconds: int
    estimated_seconds: int | None
    current: TrackedSession | None
    """The session that is running or paused."""
    steps: tuple[TrackedStep, ...]
    """Every step of the template, in order."""
    sessions: tuple[TrackedSession, ...]
    """In the order of their start."""
    events: int
    """How many there were; another number means that something happened."""
    as_of: datetime


@dataclass(frozen=True, slots=True)
class WorkflowList:
    """A page of tracked workflows, the latest started first. `next` is None on the last page."""

    workflows: tuple[TrackedWorkflow, ...]
    next: str | None


@dataclass(frozen=True, slots=True)
class Comparison:
    """Actual against estimated seconds; without an estimate there is no ratio and no level."""

    actual_seconds: int
    estimated_seconds: int | None
    ratio: float | None
    level: Level | None
    gap_alert: bool


@dataclass(frozen=True, slots=True)
class StepComparison(Comparison):
    """The comparison of one step that was worked on."""

    index: int
    name: str


@dataclass(frozen=True, slots=True)
class Completion:
    """What completing a workflow answers. `held`: see TrackedWorkflow; its figures are written once it is settled."""

    status: Literal["recorded", "replayed", "held"]
    workflow: TrackedWorkflow
    comparison: Comparison
    steps: tuple[StepComparison, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """What is fixed when a workflow starts; the rest is in its events."""

    user_id: str
    workflow_id: str
    ticket_key: str
    template: Template
    timezone: str
    estimated_seconds: int | None
    attributes: dict[str, object]


def view(started: Started, work: Work, session_ids: Sequence[str], events: int, now: int) -> TrackedWorkflow:
    """Return a workflow as it is shown at `now`."""
    template = started.template
    sessions = tuple(
        _session(session, name, template.steps[session.step_index].name, now)
        for session, name in zip(work.sessions, session_ids, strict=True)
    )
    steps = tuple(
        TrackedStep(
            index,
            step.name,
            sum(one.active_seconds for one in sessions if one.step_index == index),
            step.estimated_seconds,
            sum(one.step_index == index for one in sessions),
        )
        for index, step in enumerate(template.steps)
    )
    return TrackedWorkflow(
        user_id=started.user_id,
        workflow_id=started.workflow_id,
        state=work.state,
        ticket_key=started.ticket_key,
        ticket_type=template.ticket_type,
        template=template.name,
        template_version=template.version,
        timezone=started.timezone,
        started_at=moment(work.started_at),
        finished_at=None if work.finished_at is None else moment(work.finished_at),
        active_seconds=sum(one.active_seconds for one in sessions),
        paused_seconds=sum(one.paused_seconds for one in sessions),
        estimated_seconds=started.estimated_seconds,
        current=None if work.current is None else sessions[-1],
        steps=steps,
        sessions=sessions,
        events=events,
        as_of=moment(now),
    )


def _session(session: Session, name: str, step_name: str, now: int) -> TrackedSession:
    active, paused = session.seconds(now)
    return TrackedSession(
        name,
        session.step_index,
        step_name,
        session.state,
        moment(session.started_at),
        None if session.ended_at is None else moment(session.ended_at),
        active,
        paused,
        tuple(TrackedPause(moment(since), None if until is None else moment(until)) for since, until in session.pauses),
        session.forgotten,
    )


def completed_fact(started: Started, work: Work) -> CompletedWorkflow:
    """Return the completed workflow as a fact: the steps that were worked on, each with its sessions."""
    assert work.finished_at is not None
    template = started.template
    visited = sorted({session.step_index for session in work.sessions})
    return CompletedWorkflow(
        workflow_id=started.workflow_id,
        user_id=started.user_id,
        ticket_key=started.ticket_key,
        ticket_type=template.ticket_type,
        template=template.name,
        started_at=moment(work.started_at),
        completed_at=moment(work.finished_at),
        steps=tuple(
            StepTime(
                index,
                template.steps[index].name,
                estimated_seconds=template.steps[index].estimated_seconds,
                sessions=tuple(one.fact() for one in work.sessions if one.step_index == index),
            )
            for index in visited
        ),
        estimated_seconds=started.estimated_seconds,
        timezone=started.timezone,
        attributes=started.attributes,
    )


def compare(workflow: CompletedWorkflow, threshold: Fraction) -> tuple[Comparison, tuple[StepComparison, ...]]:
    """Return the comparison of a whole workflow and of its steps with their estimates."""
    steps = tuple(
        StepComparison(*_compared(step.active_seconds, step.estimated_seconds, threshold), step.index, step.name)
        for step in workflow.steps
    )
    return Comparison(*_compared(workflow.active_seconds, workflow.estimated_seconds, threshold)), steps


def _compared(
    actual: int, estimated: int | None, threshold: Fraction
) -> tuple[int, int | None, float | None, Level | None, bool]:
    gap = is_gap(actual, estimated, threshold)
    if not estimated:
        return actual, None, None, None, False
    level: Level = "gap" if gap else "over" if actual > estimated else "within"
    return actual, estimated, ratio(actual, estimated), level, gap
