"""One's own work: what runs, what was left running, how what was completed compares with its estimates."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from secrets import token_hex
from typing import Any, Literal

from timestrata.calendar import zone
from timestrata.errors import UnknownWorkflow, UntrackedWorkflow
from timestrata.history import History
from timestrata.tracked import TrackedSession, TrackedStep, TrackedWorkflow, compare
from timestrata.web.dashboard.cards import Card, Page
from timestrata.web.dashboard.surroundings import MOST_PEOPLE
from timestrata.web.dashboard.view import View
from timestrata.wording import work as texts
from timestrata.wording.words import Words

StepState = Literal["running", "paused", "done", "open"]


@dataclass(frozen=True, slots=True)
class StepRow:
    """A step of a workflow that is worked on."""

    step: TrackedStep
    state: StepState


@dataclass(frozen=True, slots=True)
class Task:
    """A workflow that is worked on: `state` is that of its session, `following` the step after the last one."""

    workflow: TrackedWorkflow
    state: Literal["running", "paused", "ended"]
    steps: tuple[StepRow, ...]
    following: TrackedStep | None

    @property
    def not_begun(self) -> int:
        """How many steps nobody has worked on: completing it leaves them out, and cannot be taken back."""
        return sum(row.state == "open" for row in self.steps)


@dataclass(frozen=True, slots=True)
class Forgotten:
    """A session that was left running, by the clocks of its workflow's zone."""

    workflow: TrackedWorkflow
    session: TrackedSession
    start: str
    end: str
    wall: str
    """The end that it was given, as a form has it."""


def worker(view: View) -> str | None:
    """Return whose work the page is about: who is named, else the user of the token; None: nobody yet."""
    return view.arguments.get("user_id") or view.principal.user


def _open(view: View, history: History) -> tuple[TrackedWorkflow, ...]:
    user = worker(view)
    if user is None or not view.principal.may_write(user):
        return ()
    return view.once(f"open work of {user}", lambda: history.tracking.active(user))


def _frame(view: View, history: History) -> Mapping[str, Any]:
    user = worker(view)
    return {
        "user": user,
        "may_track": user is not None and view.principal.may_write(user),
        "refused": texts.REFUSED.get(view.arguments.get("refused", "")),
        "others": history.users()[:MOST_PEOPLE] if view.principal.is_admin else (),
    }


def _running(view: View, history: History) -> Mapping[str, Any]:
    tasks = [_task(one) for one in _open(view, history) if one.state == "active"]
    return {"tasks": tasks, **_form(view)}


def _task(workflow: TrackedWorkflow) -> Task:
    current = workflow.current
    at = workflow.sessions[-1].step_index
    following = workflow.steps[at + 1] if at + 1 < len(workflow.steps) else None
    steps = tuple(StepRow(step, _state(step, current)) for step in workflow.steps)
    return Task(workflow, "ended" if current is None else current.state, steps, following)


def _state(step: TrackedStep, current: TrackedSession | None) -> StepState:
    if current is not None and current.step_index == step.index and current.state != "ended":
        return current.state
    return "done" if step.sessions else "open"


def _start(view: View, history: History) -> Mapping[str, Any]:
    return {"templates": history.tracking.templates(), **_form(view)}


def _forgotten(view: View, history: History) -> Mapping[str, Any]:
    found = []
    for workflow in _open(view, history):
        words = Words(view.words.locale, zone(workflow.timezone))
        found += [_left(workflow, session, words) for session in workflow.sessions if session.forgotten]
    return {"left": found, **_form(view)}


def _left(workflow: TrackedWorkflow, session: TrackedSession, words: Words) -> Forgotten:
    ended = session.ended_at or workflow.as_of
    wall = ended.astimezone(words.zone).strftime("%Y-%m-%dT%H:%M")
    return Forgotten(workflow, session, words.moment(session.started_at), words.moment(ended), wall)


def _done(view: View, history: History) -> Mapping[str, Any]:
    user, name = worker(view), view.arguments.get("done")
    nothing: Mapping[str, Any] = {"done": None, "whole": None, "steps": ()}
    if user is None or name is None or not view.principal.may_write(user):
        return nothing
    with suppress(UntrackedWorkflow):
        done = history.tracking.workflow(user, name)
        with suppress(UnknownWorkflow):  # it is held, or was archived or deleted meanwhile
            fact = history.workflow(user, name).workflow
            threshold = history.settings.gap_threshold
            whole, steps = compare(fact, threshold)
            return {"done": done, "whole": whole, "steps": steps, "threshold": float(threshold)}
        return {**nothing, "done": done}
    return nothing


def _form(view: View) -> Mapping[str, Any]:
    """Return what the forms carry: `key` makes of one that is sent twice one change, `back` is where they lead."""
    return {"key": token_hex(8), "user": worker(view), "back": view.link("/work", done=None, refused=None)}


PAGE = Page(
    "work",
    "/work",
    "work.html",
    texts,
    (
        Card("done", "work_done.html", _done, fresh=True),
        Card("running", "work_running.html", _running, fresh=True),
        Card("forgotten", "work_forgotten.html", _forgotten, fresh=True),
        Card("start", "work_start.html", _start, fresh=True),
    ),
    load=_frame,
    scope="may_track",
    has_period=False,
)
