"""Live work as a pure state machine: events in, sessions and their state out. Nothing here asks for the time.

Everything about a tracked workflow's time follows from its events, in their order. Instants are microseconds.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

from timestrata.calendar import MICROSECONDS, LocalDays, moment
from timestrata.errors import InvalidRequest, WrongState
from timestrata.facts import MAX_SECONDS, Pause, TimeSession
from timestrata.measures import Key, Sums, session_days

Kind = Literal[
    "started", "step_started", "paused", "resumed", "step_ended", "forgotten", "confirmed", "corrected", "completed",
    "cancelled",
]  # fmt: skip
State = Literal["active", "held", "completed", "cancelled"]
SessionState = Literal["running", "paused", "ended"]


class Event(NamedTuple):
    """One thing that happened. `step_index` says which step starts, `session` which session is confirmed or corrected.

    `at` is when it happened; for "corrected" and "forgotten" it is the end of the session.
    """

    kind: Kind
    at: int
    step_index: int | None = None
    session: int | None = None


@dataclass(frozen=True, slots=True)
class Session:
    """A stretch of work on one step: its pauses are [paused, resumed), the last one open while it is paused."""

    step_index: int
    started_at: int
    ended_at: int | None = None
    pauses: tuple[tuple[int, int | None], ...] = ()
    forgotten: bool = False
    """True while its end is a guess that nobody confirmed."""

    @property
    def state(self) -> SessionState:
        """What it is doing."""
        if self.ended_at is not None:
            return "ended"
        return "paused" if self.pauses and self.pauses[-1][1] is None else "running"

    def ended(self, at: int) -> Session:
        """Return it ended; one that is paused ends where the pause began."""
        if self.state == "paused":
            at, pauses = self.pauses[-1][0], self.pauses[:-1]
            return replace(self, ended_at=at, pauses=pauses)
        return replace(self, ended_at=at)

    def seconds(self, now: int) -> tuple[int, int]:
        """Return (active, paused) seconds up to its end, or to `now` while it has none; each rounded half up."""
        end = now if self.ended_at is None else self.ended_at
        paused = sum((end if until is None else until) - since for since, until in self.pauses)
        elapsed = max(0, end - self.started_at)
        return _rounded(max(0, elapsed - paused)), _rounded(paused)

    def fact(self) -> TimeSession:
        """Return the ended session as a fact."""
        assert self.ended_at is not None
        pauses = tuple(Pause(moment(since), moment(until)) for since, until in self.pauses if until is not None)
        return TimeSession(moment(self.started_at), moment(self.ended_at), pauses=pauses)


def _rounded(microseconds: int) -> int:
    return (microseconds + MICROSECONDS // 2) // MICROSECONDS


@dataclass(frozen=True, slots=True)
class Work:
    """A tracked workflow as its events leave it: `last_at` is the last of them."""

    started_at: int
    last_at: int
    sessions: tuple[Session, ...]
    state: State = "active"
    finished_at: int | None = None
    """When it was completed or cancelled."""

    @property
    def current(self) -> Session | None:
        """The session that is running or paused."""
        last = self.sessions[-1]
        return last if last.ended_at is None else None

    @property
    def running(self) -> bool:
        """Whether time is being counted."""
        return self.current is not None and self.current.state == "running"

    @property
    def forgotten(self) -> int:
        """How many sessions wait to be confirmed."""
        return sum(session.forgotten for session in self.sessions)

    @property
    def counted(self) -> tuple[Session, ...]:
        """The sessions whose time counts: ended, and not by a guess."""
        return tuple(one for one in self.sessions if one.ended_at is not None and not one.forgotten)

    @property
    def stretches(self) -> list[tuple[int, int | None]]:
        """When work was done on it: [start, end) in order, without the pauses; the end is None while it runs."""
        found: list[tuple[int, int | None]] = []
        for session in self.sessions:
            start: int | None = session.started_at
            for paused, resumed in session.pauses:
                assert start is not None
                found.append((start, paused))
                start = resumed
            if start is not None:
                found.append((start, session.ended_at))
        return found

    @property
    def worked_until(self) -> int | None:
        """The end of its last stretch of work, None while the first one runs."""
        current = self.current
        if current is not None and current.pauses:
            return current.pauses[-1][0]
        return max((one.ended_at for one in self.sessions if one.ended_at is not None), default=None)


def fold(events: Iterable[Event]) -> Work:
    """Return what the events of one workflow leave, at least "started"."""
    first, *rest = events
    assert first.kind == "started"
    assert first.step_index is not None
    work = Work(first.at, first.at, (Session(first.step_index, first.at),))
    for event in rest:
        work = advance(work, event)
    return work


def advance(work: Work, event: Event) -> Work:
    """Return the work after one more event. Raises WrongState, InvalidRequest when it cannot happen now."""
    if event.kind in ("confirmed", "corrected"):
        return _settled(_mended(work, event))
    if work.state != "active":
        raise WrongState(_ACTIONS[event.kind], f"a workflow that is {work.state}", "an active one")
    if event.at < work.last_at:
        wanted = (
            f"an instant not before the previous event, {moment(work.last_at).isoformat()}{_why(work.sessions[-1])}"
        )
        raise InvalidRequest("at", moment(event.at).isoformat(), wanted)
    match event.kind:
        case "step_started":
            after = _step_started(work, event)
        case "completed":
            after = _settled(replace(_ended(work, event.at), state="held", finished_at=event.at))
        case "cancelled":
            after = replace(_ended(work, event.at), state="cancelled", finished_at=event.at)
        case _:
            after = _changed(work, event)
    return replace(after, last_at=event.at)


_ACTIONS: dict[Kind, str] = {
    "step_started": "start a step",
    "paused": "pause",
    "resumed": "resume",
    "step_ended": "end a step",
    "forgotten": "end a forgotten session",
    "confirmed": "confirm a session",
    "corrected": "correct a session",
    "completed": "complete",
    "cancelled": "cancel",
}


def _changed(work: Work, event: Event) -> Work:
    """Pause, resume or end the current session."""
    current = work.current
    wanted: dict[Kind, tuple[SessionState, ...]] = {
        "paused": ("running",),
        "resumed": ("paused",),
        "step_ended": ("running", "paused"),
        "forgotten": ("running",),
    }
    if current is None or current.state not in wanted[event.kind]:
        last = work.sessions[-1]
        found = f"a session that is {current.state}" if current else "no session" + _why(last)
        raise WrongState(_ACTIONS[event.kind], found, f"one that is {' or '.join(wanted[event.kind])}")
    if event.kind == "paused":
        changed = replace(current, pauses=(*current.pauses, (event.at, None)))
    elif event.kind == "resumed":
        changed = replace(current, pauses=(*current.pauses[:-1], (current.pauses[-1][0], event.at)))
        if changed.seconds(event.at)[1] > MAX_SECONDS:  # a fact cannot hold it, so it could never be ended
            most = f"one paused for at most {MAX_SECONDS} s: end it and start the step again"
            raise WrongState("resume", f"a session paused for {changed.seconds(event.at)[1]} s", most)
    else:
        changed = replace(current.ended(event.at), forgotten=event.kind == "forgotten")
    return replace(work, sessions=(*work.sessions[:-1], changed))


def _why(last: Session) -> str:
    if not last.forgotten or last.ended_at is None:
        return ""
    ended_at = moment(last.ended_at).isoformat()
    return f" (the last session ran too long and was ended at {ended_at}: confirm or correct it)"


def _ended(work: Work, at: int) -> Work:
    current = work.current
    return work if current is None else replace(work, sessions=(*work.sessions[:-1], current.ended(at)))


def _step_started(work: Work, event: Event) -> Work:
    assert event.step_index is not None
    current = work.current
    if current is not None and current.step_index == event.step_index:
        wanted = "another step" if current.state == "running" else "another step, or resume this one"
        raise WrongState("start a step", f"step {event.step_index} {current.state} already", wanted)
    work = _ended(work, event.at)
    return replace(work, sessions=(*work.sessions, Session(event.step_index, event.at)))


def _mended(work: Work, event: Event) -> Work:
    """Take a forgotten session's end as it is, or put the true one."""
    assert event.session is not None
    session = work.sessions[event.session] if event.session < len(work.sessions) else None
    if session is None or not session.forgotten:
        raise WrongState(_ACTIONS[event.kind], "one that was not forgotten", "one that was left running too long")
    if event.kind == "corrected":
        _check_end(work, event.session, event.at)
        session = replace(session, ended_at=event.at)
    sessions = list(work.sessions)
    sessions[event.session] = replace(session, forgotten=False)
    # The guess is no longer the last that happened: what is done next may be earlier than it.
    last_at = max(at for one in sessions for at in _instants(one))
    return replace(work, sessions=tuple(sessions), last_at=last_at)


def _check_end(work: Work, number: int, ended_at: int) -> None:
    session = work.sessions[number]
    earliest = max(_instants(replace(session, ended_at=None)))
    latest = min((one.started_at for one in work.sessions[number + 1 :]), default=work.finished_at)
    if ended_at < earliest or (latest is not None and ended_at > latest):
        until = "" if latest is None else f" and not after {moment(latest).isoformat()}"
        wanted = f"an instant not before {moment(earliest).isoformat()}{until}"
        raise InvalidRequest("ended_at", moment(ended_at).isoformat(), wanted)


def _instants(session: Session) -> list[int]:
    bounds = [session.started_at, session.ended_at, *(at for pause in session.pauses for at in pause)]
    return [at for at in bounds if at is not None]


def _settled(work: Work) -> Work:
    """A completed workflow is held while a session's end is a guess, and completed once none is."""
    if work.state == "held" and not work.forgotten:
        return replace(work, state="completed")
    return work


WorkedCells = dict[Key, Sums]
"""(user, day, ticket type, template) -> (worked seconds, sessions)."""


def worked_cells(work: Work, days: LocalDays, key: tuple[int, int, int]) -> WorkedCells:
    """Return what the sessions of a workflow that is not recorded contribute to cell_worked.

    `key` is (user, ticket type, template). A recorded one contributes as a fact does, see measures.Cells.
    """
    cells: WorkedCells = {}
    if work.state == "completed":
        return cells
    user, ticket_type, template = key
    for session in work.counted:
        for position, (day, seconds) in enumerate(session_days(session.fact(), days)):
            here = (user, day, ticket_type, template)
            before = cells.get(here, (0, 0))
            cells[here] = (before[0] + seconds, before[1] + (position == 0))
    return cells
