"""The facts: completed workflows with their steps, time sessions and pauses. Checked when made, then frozen.

Whatever cannot be accepted raises InvalidFact with the path of the field, what was found and what was wanted.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from hashlib import blake2b
from json.encoder import encode_basestring_ascii as _quoted
from math import floor, isfinite
from typing import TypeVar, cast

from timestrata.calendar import MICROSECONDS, instant, zone
from timestrata.errors import InvalidFact

MAX_SECONDS = 10_000_000
"""The largest observation: 10^7 seconds, almost 116 days of work."""

MAX_PAUSE_SECONDS = 2**31 - 1
"""The most that the pauses of all sessions of a workflow may take, 68 years: what both databases can hold."""

MAX_ESTIMATE_SECONDS = 10**11
"""The largest estimate. Real files hold absurd ones (51,264,990 times 1,500); they are kept as they are."""

MAX_STEP_INDEX = 32_767
MAX_TEXT = 255
_LONG_DAYS = 3653  # ten years: likely a mistyped year
MAX_ATTRIBUTES = 65_536

# Two days from either end of what datetime can hold, so that no zone and no start of the day pushes one over the edge.
EARLIEST = datetime(1, 1, 3, tzinfo=UTC)
LATEST = datetime(9999, 12, 30, tzinfo=UTC)

_DERIVED = cast(int, None)  # "work it out": the field is a whole number as soon as the fact is made

T = TypeVar("T")


def checked_text(name: str, value: object) -> str:
    """Return an id or a name of 1 to 255 characters that both databases can hold. Raises InvalidFact."""
    if not isinstance(value, str) or not 1 <= len(value) <= MAX_TEXT:
        raise InvalidFact(name, value, f"text of 1 to {MAX_TEXT} characters")
    if "\0" in value:  # PostgreSQL cannot store it, so neither store takes it
        raise InvalidFact(name, value, "text without the character U+0000")
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError as error:
            raise InvalidFact(name, value, "text without lone surrogates") from error
    return value


def askable(name: str) -> str:
    """Return a name as a store can be asked for it: "", which nobody has, for text that no store can hold."""
    try:
        return checked_text("name", name)
    except InvalidFact:
        return ""


def checked_moment(name: str, value: object) -> datetime:
    """Return a time with an offset, in UTC, that both databases can hold. Raises InvalidFact."""
    if not isinstance(value, datetime):
        raise InvalidFact(name, value, "a datetime with an offset")
    if value.tzinfo is None or value.utcoffset() is None:
        raise InvalidFact(name, value.isoformat(), "a datetime with an offset, such as one in datetime.UTC")
    try:
        inside = EARLIEST <= value <= LATEST
    except OverflowError:
        inside = False
    if not inside:
        raise InvalidFact(name, value.isoformat(), f"an instant between {EARLIEST.date()} and {LATEST.date()}")
    # In UTC, because Python compares two times of one zone by their wall clocks, which run twice through an hour.
    return value if value.tzinfo is UTC else value.astimezone(UTC)


def _is_finite(value: float | Decimal) -> bool:
    return value.is_finite() if isinstance(value, Decimal) else isfinite(value)


def whole_seconds(name: str, value: object, most: int = MAX_SECONDS) -> int:
    """Return `value` (int, float or Decimal seconds) as whole seconds, rounded half up: 0.5 is 1, 1.5 is 2.

    Raises InvalidFact for another type (bool and text too), NaN, infinity, less than 0 or more than `most`.
    """
    seconds = -1
    if type(value) is int:
        seconds = value
    elif isinstance(value, (float, Decimal)) and _is_finite(value) and 0 <= value <= most:
        seconds = floor(Fraction(value) + Fraction(1, 2))
    if not 0 <= seconds <= most:
        raise InvalidFact(name, value, f"a number of seconds from 0 to {most}")
    return seconds


def checked_estimate(name: str, value: object) -> int | None:
    """Return an estimate in whole seconds, None for none and for 0. Raises InvalidFact."""
    if value is None:
        return None
    return whole_seconds(name, value, MAX_ESTIMATE_SECONDS) or None


def _rounded(microseconds: int) -> int:
    return (microseconds + MICROSECONDS // 2) // MICROSECONDS


def _tuple_of(name: str, values: Iterable[T], kind: type[T]) -> tuple[T, ...]:
    try:
        items = tuple(values)
    except TypeError as error:
        raise InvalidFact(name, values, f"a sequence of {kind.__name__}") from error
    for index, item in enumerate(items):
        if not isinstance(item, kind):
            raise InvalidFact(f"{name}[{index}]", item, f"a {kind.__name__}")
    return items


@dataclass(frozen=True, slots=True)
class Pause:
    """An interruption of a session: [paused_at, resumed_at). Both carry an offset."""

    paused_at: datetime
    resumed_at: datetime

    def __post_init__(self) -> None:
        object.__setattr__(self, "paused_at", checked_moment("paused_at", self.paused_at))
        object.__setattr__(self, "resumed_at", checked_moment("resumed_at", self.resumed_at))
        if self.resumed_at < self.paused_at:
            raise InvalidFact("resumed_at", self.resumed_at.isoformat(), "an instant not before paused_at")


@dataclass(frozen=True, slots=True)
class TimeSession:
    """A stretch of work on one step: [started_at, ended_at), with its pauses.

    Seconds that are left out are worked out from the instants and the pauses. Given ones must agree: active and
    pause seconds together are the elapsed time, the pauses together the pause seconds, each to less than a second
    (all of them are rounded). Pauses lie inside the session and do not overlap; they are kept in time order.
    """

    started_at: datetime
    ended_at: datetime
    active_seconds: int = _DERIVED
    pause_seconds: int = _DERIVED
    pauses: tuple[Pause, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "started_at", checked_moment("started_at", self.started_at))
        object.__setattr__(self, "ended_at", checked_moment("ended_at", self.ended_at))
        if self.ended_at < self.started_at:
            raise InvalidFact("ended_at", self.ended_at.isoformat(), "an instant not before started_at")
        paused = self._check_pauses() if self.pauses != () else None
        self._check_seconds(instant(self.ended_at) - instant(self.started_at), paused)

    def _check_pauses(self) -> int | None:
        pauses = _tuple_of("pauses", self.pauses, Pause)
        if not pauses:
            object.__setattr__(self, "pauses", ())
            return None
        pauses = tuple(sorted(pauses, key=lambda pause: (pause.paused_at, pause.resumed_at)))
        free = self.started_at
        for index, pause in enumerate(pauses):
            if pause.paused_at < free:
                wanted = "an instant not before the session's start" if index == 0 else "pauses that do not overlap"
                raise InvalidFact(f"pauses[{index}].paused_at", pause.paused_at.isoformat(), wanted)
            free = pause.resumed_at
        if free > self.ended_at:
            last = f"pauses[{len(pauses) - 1}].resumed_at"
            raise InvalidFact(last, free.isoformat(), "an instant not after the session's end")
        object.__setattr__(self, "pauses", pauses)
        return sum(instant(pause.resumed_at) - instant(pause.paused_at) for pause in pauses)

    def _check_seconds(self, elapsed: int, paused: int | None) -> None:
        active, pause = cast(object, self.active_seconds), cast(object, self.pause_seconds)
        if pause is None and (active is None or paused is None):
            active = _rounded(elapsed - (paused or 0)) if active is None else active
            pause = max(0, _rounded(elapsed) - whole_seconds("active_seconds", active))
        elif pause is None:
            pause = _rounded(paused or 0)
        seconds = whole_seconds("pause_seconds", pause)
        if active is None:
            active = max(0, _rounded(elapsed) - seconds)
        worked = whole_seconds("active_seconds", active)
        if abs((worked + seconds) * MICROSECONDS - elapsed) >= MICROSECONDS:
            raise InvalidFact(
                "active_seconds",
                worked,
                f"active_seconds + pause_seconds ({worked} + {seconds}) to be the elapsed {elapsed / MICROSECONDS:g} s",
            )
        if paused is not None and abs(seconds * MICROSECONDS - paused) >= MICROSECONDS:
            raise InvalidFact("pause_seconds", seconds, f"the {paused / MICROSECONDS:g} s of the pauses")
        object.__setattr__(self, "active_seconds", worked)
        object.__setattr__(self, "pause_seconds", seconds)


@dataclass(frozen=True, slots=True)
class StepTime:
    """The time of one step of a completed workflow: one observation, however often the step was visited.

    `active_seconds` may be left out when there are sessions: it is their sum, and must be when it is given.
    An estimate of 0 or None means that there is none.
    """

    index: int
    name: str
    active_seconds: int = _DERIVED
    estimated_seconds: int | None = None
    sessions: tuple[TimeSession, ...] = ()

    def __post_init__(self) -> None:
        if type(self.index) is not int or not 0 <= self.index <= MAX_STEP_INDEX:
            raise InvalidFact("index", self.index, f"a whole number from 0 to {MAX_STEP_INDEX}")
        checked_text("name", self.name)
        put = object.__setattr__
        put(self, "estimated_seconds", checked_estimate("estimated_seconds", self.estimated_seconds))
        given = cast(object, self.active_seconds)
        sessions = () if self.sessions == () else _tuple_of("sessions", self.sessions, TimeSession)
        if not sessions:
            put(self, "sessions", ())
            put(self, "active_seconds", whole_seconds("active_seconds", given))
            return
        total = sum(session.active_seconds for session in sessions)
        if given is not None and whole_seconds("active_seconds", given) != total:
            raise InvalidFact("active_seconds", given, f"the {total} s of its sessions")
        put(self, "sessions", sessions)
        put(self, "active_seconds", whole_seconds("active_seconds", total))

    @property
    def pause_seconds(self) -> int:
        """The pauses of all its sessions, in seconds."""
        if not self.sessions:  # asked for every step of every fact
            return 0
        return sum(session.pause_seconds for session in self.sessions)


@dataclass(frozen=True, slots=True, kw_only=True)
class CompletedWorkflow:
    """A completed run of a workflow template on one ticket by one user.

    Ids, ticket key, type and template are any text of 1 to 255 characters, kept and compared code point by code
    point. `steps` holds at least one step, each index once. `timezone` (an IANA name) fixes the local days of this
    fact; without it the user's zone does, else the store's. `attributes` is any JSON object, carried along.

    >>> from datetime import datetime, UTC
    >>> CompletedWorkflow(
    ...     workflow_id="w1", user_id="ada", ticket_key="TK-1", ticket_type="Bug", template="QA",
    ...     started_at=datetime(2024, 5, 6, 9, tzinfo=UTC), completed_at=datetime(2024, 5, 6, 11, tzinfo=UTC),
    ...     estimated_seconds=3000, steps=(StepTime(0, "Analyse", 600), StepTime(1, "Test", 1200)),
    ... ).active_seconds
    1800
    """

    workflow_id: str
    user_id: str
    ticket_key: str
    ticket_type: str
    template: str
    started_at: datetime
    completed_at: datetime
    steps: tuple[StepTime, ...]
    estimated_seconds: int | None = None
    timezone: str | None = None
    attributes: Mapping[str, object] = field(default_factory=dict)
    active_seconds: int = field(init=False)
    """The sum over the steps, in seconds."""

    def __post_init__(self) -> None:
        for name in ("workflow_id", "user_id", "ticket_key", "ticket_type", "template"):
            checked_text(name, getattr(self, name))
        put = object.__setattr__
        put(self, "started_at", checked_moment("started_at", self.started_at))
        put(self, "completed_at", checked_moment("completed_at", self.completed_at))
        if self.completed_at < self.started_at:
            raise InvalidFact("completed_at", self.completed_at.isoformat(), "an instant not before started_at")
        if self.timezone is not None:
            zone(self.timezone)
        put(self, "estimated_seconds", checked_estimate("estimated_seconds", self.estimated_seconds))
        put(self, "steps", self._checked_steps())
        total = sum(step.active_seconds for step in self.steps)
        put(self, "active_seconds", whole_seconds("active_seconds", total))
        whole_seconds("pause_seconds", self.pause_seconds, MAX_PAUSE_SECONDS)
        if self.attributes is None:
            put(self, "attributes", {})
        elif self.attributes != {}:
            put(self, "attributes", _checked_attributes(self.attributes))

    def _checked_steps(self) -> tuple[StepTime, ...]:
        steps = _tuple_of("steps", self.steps, StepTime)
        if not steps:
            raise InvalidFact("steps", [], "at least one step")
        seen: set[int] = set()
        for position, step in enumerate(steps):
            if step.index in seen:
                raise InvalidFact(f"steps[{position}].index", step.index, "every index once")
            seen.add(step.index)
        return tuple(sorted(steps, key=_by_index)) if len(steps) > 1 else steps

    @property
    def pause_seconds(self) -> int:
        """The pauses of all sessions of all steps, in seconds."""
        return sum(step.pause_seconds for step in self.steps if step.sessions)

    @property
    def oddities(self) -> tuple[str, ...]:
        """What is accepted as it is but worth a look; empty for most facts."""
        elapsed = self.completed_at - self.started_at
        if self.active_seconds <= elapsed.days * 86_400 + elapsed.seconds and elapsed.days <= _LONG_DAYS:
            return ()
        notes = []
        if timedelta(seconds=self.active_seconds) > elapsed:
            notes.append(f"active {self.active_seconds} s in {elapsed.total_seconds():g} s of elapsed time")
        if elapsed.days > _LONG_DAYS:
            notes.append(f"started {elapsed.days} days before it was completed")
        return tuple(notes)


def _by_index(step: StepTime) -> int:
    return step.index


def _checked_attributes(attributes: Mapping[str, object]) -> dict[str, object]:
    """Return the attributes as JSON gives them back, so that what is read equals what was recorded."""
    wanted = f"a JSON object of at most {MAX_ATTRIBUTES} characters"
    if not isinstance(attributes, Mapping):
        raise InvalidFact("attributes", attributes, wanted)
    try:
        text = json.dumps(dict(attributes), allow_nan=False)
        if len(text) > MAX_ATTRIBUTES:
            raise ValueError(text)
        return cast("dict[str, object]", json.loads(text))
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidFact("attributes", attributes, wanted) from error


def attributes_text(workflow: CompletedWorkflow) -> str | None:
    """Return the attributes as canonical JSON text (sorted, ASCII), None when there are none."""
    if not workflow.attributes:
        return None
    return json.dumps(workflow.attributes, sort_keys=True, separators=(",", ":"))


def visits(workflow: CompletedWorkflow) -> dict[int, int]:
    """Return per step index how often the step was entered from another one (or first), by its sessions.

    A step without sessions counts one visit. Sessions are taken in order of their start.
    """
    if len(workflow.steps) == 1:
        return {workflow.steps[0].index: 1}
    counts = {step.index: 0 if step.sessions else 1 for step in workflow.steps}
    order = sorted(
        (session.started_at, session.ended_at, step.index) for step in workflow.steps for session in step.sessions
    )
    previous = None
    for _, _, index in order:
        if index != previous:
            counts[index] += 1
        previous = index
    return counts


def fingerprint(workflow: CompletedWorkflow) -> bytes:
    """Return 16 bytes that are equal for equal content and differ for other content.

    Content is everything the caller gave, instants in UTC, estimates of 0 as none; but not the zone: a fact that is
    exported carries the zone it was filed in, whether or not it came with one, and must be known again.
    The form is kept for good, because receipts of it outlive the facts. Source: BLAKE2b (RFC 7693) over JSON.
    """
    attributes = attributes_text(workflow)
    # Spelled out: an encoder is made anew for every text, which takes as long again.
    content = (
        f"[1,{_quoted(workflow.workflow_id)},{_quoted(workflow.user_id)},{_quoted(workflow.ticket_key)}"
        f",{_quoted(workflow.ticket_type)},{_quoted(workflow.template)}"
        f",{instant(workflow.started_at)},{instant(workflow.completed_at)},{workflow.estimated_seconds or 'null'}"
        f",{'null' if attributes is None else _quoted(attributes)},[{','.join(map(_step_text, workflow.steps))}]]"
    )
    return blake2b(content.encode(), digest_size=16).digest()


def _step_text(step: StepTime) -> str:
    text = f"{step.index},{_quoted(step.name)},{step.active_seconds},{step.estimated_seconds or 'null'}"
    return f"{text},[{','.join(map(_session_text, step.sessions))}]" if step.sessions else text


def _session_text(session: TimeSession) -> str:
    pauses = [f"[{instant(pause.paused_at)},{instant(pause.resumed_at)}]" for pause in session.pauses]
    span = f"{instant(session.started_at)},{instant(session.ended_at)}"
    return f"[{span},{session.active_seconds},{session.pause_seconds},[{','.join(pauses)}]]"
