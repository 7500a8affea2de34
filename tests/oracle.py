"""A slow oracle: every figure worked out from plain lists of workflows, by other means than the code under test.

Local days come from stretches of constant offset, found by asking the zone hour by hour and then bisecting; a session
is first cut at its pauses and only then into days; sums, means and deviations come from lists and fractions;
percentiles from the sorted raw values. Of Timestrata it knows the shape of a fact and nothing else.
"""

from __future__ import annotations

import json
import statistics
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from fractions import Fraction
from functools import cache
from itertools import groupby, pairwise
from math import ceil
from typing import Literal, NamedTuple
from zoneinfo import ZoneInfo

from timestrata.facts import CompletedWorkflow, TimeSession

GAP = Fraction(6, 5)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
TICK = timedelta(microseconds=1)

Figures = dict[str, float | None]
"""Named figures; every count and every sum of seconds is an int."""

Measure = tuple[int, int, int, int, int, int, int, int, int, int, int]
Completions = dict[tuple[str, date, str, str, int], Measure]
"""(user, day, ticket type, template, bucket) -> the measure of the completions."""
Steps = dict[tuple[str, date, str, int, str, int], Measure]
"""(user, day, template, step index, step name, bucket) -> the measure of the step's times."""
Worked = dict[tuple[str, date, str, str], tuple[int, int]]
"""(user, day, ticket type, template) -> (worked seconds, sessions that started)."""


class Part(NamedTuple):
    """The piece of a session on one local day; `session` counts through the sessions of all steps, from 0."""

    session: int
    day: date
    worked_seconds: int
    started: bool
    """Whether the session is counted here: on the least of its days."""


@dataclass(frozen=True)
class Recorded:
    """A workflow with what was fixed when it was recorded: the zone in force, its local day and its parts."""

    workflow: CompletedWorkflow
    timezone: str
    day: date
    parts: tuple[Part, ...]


class Observation(NamedTuple):
    """A completion, or the time of one of its steps."""

    active_seconds: int
    paused_seconds: int
    estimated_seconds: int | None
    reworked: bool


Change = Literal["recorded", "replayed", "conflict"]


class Receipt(NamedTuple):
    """What is remembered of a workflow id for ever."""

    first: object
    """The content that was recorded."""
    last: object
    """The content that was put in its place."""
    day: date
    corrected: bool = False


class Oracle:
    """What a store holds after a history of changes.

    A receipt outlives its fact: the content that was recorded first and the content that was put there last are
    replays for ever, also after a correction or a deletion, and any other content is a conflict. A zone is no content,
    but a replay may not name one in which it would have been on another local day; only what was recorded first may,
    once a correction (of the zone, perhaps) came after it.
    """

    def __init__(self, day_start_seconds: int = 0) -> None:
        self.day_start_seconds = day_start_seconds
        self.facts: dict[tuple[str, str], Recorded] = {}
        self._receipts: dict[tuple[str, str], Receipt] = {}

    @property
    def recorded(self) -> list[Recorded]:
        """What is held."""
        return list(self.facts.values())

    def record(self, workflow: CompletedWorkflow, timezone: str) -> Change:
        """Record a workflow; `timezone` is in force where it names none itself."""
        key = (workflow.user_id, workflow.workflow_id)
        said = content(workflow)
        fact = recorded_in(workflow, timezone, self.day_start_seconds)
        if key in self._receipts:
            receipt = self._receipts[key]
            superseded = receipt.corrected and said == receipt.first
            moved = workflow.timezone is not None and not superseded and fact.day != receipt.day
            return "conflict" if moved or said not in (receipt.first, receipt.last) else "replayed"
        self.facts[key] = fact
        self._receipts[key] = Receipt(said, said, fact.day)
        return "recorded"

    def correct(self, workflow: CompletedWorkflow, timezone: str) -> None:
        """Put a workflow in the place of what its id stands for; a deleted one comes back.

        Where it names no zone itself, the one in force for the old content stays, `timezone` for a deleted one.
        Raises KeyError when its id was never recorded.
        """
        key = (workflow.user_id, workflow.workflow_id)
        receipt = self._receipts[key]
        in_force = self.facts[key].timezone if key in self.facts else timezone
        self.facts[key] = recorded_in(workflow, in_force, self.day_start_seconds)
        self._receipts[key] = Receipt(receipt.first, content(workflow), self.facts[key].day, corrected=True)

    def delete(self, user_id: str, workflow_id: str) -> None:
        """Remove a workflow, but not its receipt; a deleted one stays so. Raises KeyError when it never was there."""
        self._receipts[user_id, workflow_id]
        self.facts.pop((user_id, workflow_id), None)


def content(workflow: CompletedWorkflow) -> object:
    """Return all that the caller said in a workflow, comparable, with its instants in UTC and without its zone."""
    steps = [
        (
            step.index,
            step.name,
            step.active_seconds,
            step.estimated_seconds,
            [_session_content(s) for s in step.sessions],
        )
        for step in workflow.steps
    ]
    return (
        (workflow.workflow_id, workflow.user_id, workflow.ticket_key, workflow.ticket_type, workflow.template),
        (workflow.started_at.astimezone(UTC), workflow.completed_at.astimezone(UTC)),
        (workflow.estimated_seconds, json.dumps(workflow.attributes, sort_keys=True)),
        steps,
    )


def _session_content(session: TimeSession) -> object:
    pauses = [(pause.paused_at.astimezone(UTC), pause.resumed_at.astimezone(UTC)) for pause in session.pauses]
    started, ended = session.started_at.astimezone(UTC), session.ended_at.astimezone(UTC)
    return started, ended, session.active_seconds, session.pause_seconds, pauses


# ------------------------------------------------------------------------------------------------------- local days


def recorded_in(workflow: CompletedWorkflow, timezone: str, day_start_seconds: int = 0) -> Recorded:
    """Return a workflow under its local days; `timezone` is in force where it names none itself."""
    in_force = workflow.timezone or timezone
    shift = timedelta(seconds=day_start_seconds)
    sessions = [session for step in workflow.steps for session in step.sessions]
    parts = [part for n, session in enumerate(sessions) for part in session_parts(n, session, in_force, shift)]
    return Recorded(workflow, in_force, local_day(workflow.completed_at, in_force, shift), tuple(parts))


def local_day(at: datetime, timezone: str, shift: timedelta = timedelta()) -> date:
    """Return the date on the wall at an instant, on a calendar whose days start `shift` after midnight."""
    return (at.astimezone(UTC).replace(tzinfo=None) + _offset(at, timezone) - shift).date()


def local_pieces(
    started: datetime, ended: datetime, timezone: str, shift: timedelta = timedelta()
) -> list[tuple[date, datetime, datetime]]:
    """Cut [started, ended) wherever the local day changes: (day, start, end) in time order, at least one."""
    started, ended = started.astimezone(UTC), ended.astimezone(UTC)
    days = [started.date() + n * DAY for n in range((ended.date() - started.date()).days + 1)]
    changes = [at for day in days for at in _changes(timezone, day) if started < at < ended]
    pieces: list[tuple[date, datetime, datetime]] = []
    for start, end in zip([started, *changes], [*changes, ended], strict=True):
        offset = _offset(start, timezone)
        for piece in _days_at_one_offset(start, end, offset - shift):
            if pieces and pieces[-1][0] == piece[0]:
                pieces[-1] = (piece[0], pieces[-1][1], piece[2])
            else:
                pieces.append(piece)
    return pieces


def _days_at_one_offset(start: datetime, end: datetime, offset: timedelta) -> list[tuple[date, datetime, datetime]]:
    pieces = []
    while True:
        day = (start + offset).date()
        midnight = datetime.combine(day + DAY, time(), UTC) - offset
        pieces.append((day, start, min(midnight, end)))
        if midnight >= end:
            return pieces
        start = midnight


@cache
def _changes(timezone: str, day: date) -> tuple[datetime, ...]:
    """Return the instants of a UTC day, its end rather than its start included, at which the zone's offset changes."""
    start = datetime.combine(day, time(), UTC)
    hours = [start + hour * HOUR for hour in range(25)]
    return tuple(
        _change(low, high, timezone)
        for low, high in pairwise(hours)
        if _offset(low, timezone) != _offset(high, timezone)
    )


def _change(before: datetime, after: datetime, timezone: str) -> datetime:
    while after - before > TICK:
        middle = before + (after - before) / 2
        if _offset(middle, timezone) == _offset(before, timezone):
            before = middle
        else:
            after = middle
    return after


def _offset(at: datetime, timezone: str) -> timedelta:
    offset = at.astimezone(ZoneInfo(timezone)).utcoffset()
    assert offset is not None
    return offset


def session_parts(ordinal: int, session: TimeSession, timezone: str, shift: timedelta = timedelta()) -> list[Part]:
    """Return the parts of a session in the order it reached their days: the least day, and those with work.

    Whole seconds in proportion to the time not paused, by largest remainder; of equal ones the day reached earlier
    wins. Where nothing but pauses fell on any day, the day it started on has it all.
    """
    days = list(dict.fromkeys(day for day, _, _ in local_pieces(session.started_at, session.ended_at, timezone, shift)))
    at_work = dict.fromkeys(days, timedelta())
    for start, end in _stretches_at_work(session):
        for day, piece_start, piece_end in local_pieces(start, end, timezone, shift):
            # An empty stretch may lie on the very end of the session, which can be a day of its own.
            if piece_end > piece_start:
                at_work[day] += piece_end - piece_start
    seconds = _whole_seconds(session.active_seconds, [at_work[day] for day in days])
    counted = min(days)
    return [
        Part(ordinal, day, worked, day == counted)
        for day, worked in zip(days, seconds, strict=True)
        if worked or day == counted
    ]


def _stretches_at_work(session: TimeSession) -> list[tuple[datetime, datetime]]:
    starts = [session.started_at, *(pause.resumed_at for pause in session.pauses)]
    ends = [*(pause.paused_at for pause in session.pauses), session.ended_at]
    return list(zip(starts, ends, strict=True))


def _whole_seconds(total: int, weights: Sequence[timedelta]) -> list[int]:
    whole = sum(weights, timedelta())
    if not whole:
        return [total, *(0 for _ in weights[1:])]
    exact = [total * Fraction(weight // TICK, whole // TICK) for weight in weights]
    seconds = [int(share) for share in exact]
    while sum(seconds) < total:
        # max() takes the first of equals: the day reached earlier.
        neediest = max(range(len(exact)), key=lambda n: exact[n] - seconds[n])
        seconds[neediest] += 1
    return seconds


# ------------------------------------------------------------------------------------------------------------ cells


class Cells(NamedTuple):
    """The three grains, by name."""

    completion: Completions
    step: Steps
    worked: Worked


def cells(recorded: Iterable[Recorded], threshold: Fraction = GAP) -> Cells:
    """Return the cells that a store of these facts must hold."""
    held = list(recorded)
    completions: dict[tuple[str, date, str, str, int], list[Observation]] = defaultdict(list)
    steps: dict[tuple[str, date, str, int, str, int], list[Observation]] = defaultdict(list)
    worked: dict[tuple[str, date, str, str], list[tuple[int, bool]]] = defaultdict(list)
    for fact in held:
        workflow = fact.workflow
        user, kind, template = workflow.user_id, workflow.ticket_type, workflow.template
        whole = completion_of(fact)
        completions[user, fact.day, kind, template, bucket(whole.active_seconds)].append(whole)
        for (_, index, name), seen in step_times_of(fact):
            steps[user, fact.day, template, index, name, bucket(seen.active_seconds)].append(seen)
        for day, seconds, started in work_of(fact):
            worked[user, day, kind, template].append((seconds, started))
    return Cells(
        {key: measure(seen, threshold) for key, seen in completions.items()},
        {key: measure(seen, threshold) for key, seen in steps.items()},
        {key: (sum(s for s, _ in work), sum(started for _, started in work)) for key, work in worked.items()},
    )


def completion_of(fact: Recorded) -> Observation:
    """Return the workflow as one observation."""
    workflow, entries = fact.workflow, _entries(fact.workflow)
    return Observation(
        sum(step.active_seconds for step in workflow.steps),
        sum(session.pause_seconds for step in workflow.steps for session in step.sessions),
        workflow.estimated_seconds or None,
        any(count > 1 for count in entries.values()),
    )


def step_times_of(fact: Recorded) -> list[tuple[tuple[str, int, str], Observation]]:
    """Return ((template, index, name), observation) for each step of the workflow."""
    workflow, entries = fact.workflow, _entries(fact.workflow)
    return [
        (
            (workflow.template, step.index, step.name),
            Observation(
                step.active_seconds,
                sum(session.pause_seconds for session in step.sessions),
                step.estimated_seconds or None,
                entries.get(step.index, 0) > 1,
            ),
        )
        for step in workflow.steps
    ]


def work_of(fact: Recorded) -> list[tuple[date, int, bool]]:
    """Return (day, seconds, whether a session started) for each piece of work, steps without sessions last."""
    work = [(part.day, part.worked_seconds, part.started) for part in fact.parts]
    unrecorded = sum(step.active_seconds for step in fact.workflow.steps if not step.sessions)
    return [*work, (fact.day, unrecorded, False)] if unrecorded else work


def _entries(workflow: CompletedWorkflow) -> dict[int, int]:
    """Return by step index how many runs of sessions on it there are, over all sessions in order of their start."""
    sessions = sorted(
        (session.started_at.astimezone(UTC), session.ended_at.astimezone(UTC), step.index)
        for step in workflow.steps
        for session in step.sessions
    )
    runs = [index for index, _ in groupby(index for _, _, index in sessions)]
    return {index: runs.count(index) for index in runs}


def bucket(seconds: int) -> int:
    """Return the duration bucket by walking up the octaves: 256 buckets of one second, then 128 for each octave."""
    if seconds < 256:
        return seconds
    octave_start, width, first = 256, 2, 256
    while seconds >= 2 * octave_start:
        octave_start, width, first = 2 * octave_start, 2 * width, first + 128
    return first + (seconds - octave_start) // width


def measure(seen: Sequence[Observation], threshold: Fraction = GAP) -> Measure:
    """Return the integers of one or more observations in the order of a cell."""
    active = [one.active_seconds for one in seen]
    estimated = [(one.active_seconds, one.estimated_seconds) for one in seen if one.estimated_seconds]
    return (
        len(seen),
        sum(active),
        sum(seconds**2 for seconds in active),
        min(active),
        max(active),
        sum(one.paused_seconds for one in seen),
        len(estimated),
        sum(estimate for _, estimate in estimated),
        sum(seconds for seconds, _ in estimated),
        sum(Fraction(seconds, estimate) > threshold for seconds, estimate in estimated),
        sum(one.reworked for one in seen),
    )


# ---------------------------------------------------------------------------------------------------------- figures


def nearest_rank(values: Iterable[int], percent: int) -> int | None:
    """Return the value at rank ceil(n * percent / 100) of the sorted values, the least for 0; None without any."""
    ordered = sorted(values)
    if not ordered:
        return None
    return ordered[max(1, ceil(Fraction(len(ordered) * percent, 100))) - 1]


def figures(seen: Sequence[Observation], threshold: Fraction = GAP) -> Figures:
    """Return the figures of any number of observations; without any, sums are 0 and the rest is None."""
    active = [one.active_seconds for one in seen]
    estimated = [(one.active_seconds, one.estimated_seconds) for one in seen if one.estimated_seconds]
    taken, estimate = sum(seconds for seconds, _ in estimated), sum(seconds for _, seconds in estimated)
    return {
        "completed": len(seen),
        "active_seconds": sum(active),
        "paused_seconds": sum(one.paused_seconds for one in seen),
        "with_estimate": len(estimated),
        "estimated_seconds": estimate,
        "estimated_active_seconds": taken,
        "estimate_ratio": float(Fraction(taken, estimate)) if estimate else None,
        "efficiency": float(Fraction(estimate, taken)) if taken else None,
        "mean_seconds": float(Fraction(sum(active), len(active))) if active else None,
        "stddev_seconds": statistics.stdev(active) if len(active) > 1 else None,
        "min_seconds": min(active, default=None),
        "max_seconds": max(active, default=None),
        "p50_seconds": nearest_rank(active, 50),
        "p80_seconds": nearest_rank(active, 80),
        "p90_seconds": nearest_rank(active, 90),
        "gap_alerts": sum(Fraction(seconds, goal) > threshold for seconds, goal in estimated),
        "reworked": sum(one.reworked for one in seen),
    }


def summary(
    recorded: Iterable[Recorded],
    first: date | None = None,
    last: date | None = None,
    user: str | None = None,
    ticket_type: str | None = None,
) -> Figures:
    """Return the figures of the completions of a range, `users` that completed, and the work done in the range.

    Days are inclusive; None leaves a side open. Work counts on its own days, so it may belong to other workflows.
    """
    return _together(_events(recorded, first, last, user, ticket_type))


def steps(
    recorded: Iterable[Recorded],
    first: date | None = None,
    last: date | None = None,
    user: str | None = None,
    ticket_type: str | None = None,
) -> dict[tuple[str, int, str], Figures]:
    """Return by (template, index, name) the figures of each step that was completed in the range, in key order."""
    seen = defaultdict(list)
    for event in _events(recorded, first, last, user, ticket_type):
        for step, observation in step_times_of(event.completed) if event.completed else ():
            seen[step].append(observation)
    return {step: figures(seen[step]) for step in sorted(seen)}


def daily(
    recorded: Iterable[Recorded],
    first: date | None = None,
    last: date | None = None,
    user: str | None = None,
    ticket_type: str | None = None,
) -> dict[tuple[str, date, str], Figures]:
    """Return by (user, day, ticket type) the figures of each one with a completion or work, in key order."""
    seen = defaultdict(list)
    for event in _events(recorded, first, last, user, ticket_type):
        seen[event.user, event.day, event.ticket_type].append(event)
    return {key: _together(seen[key]) for key in sorted(seen)}


def trend(
    recorded: Iterable[Recorded],
    first: date | None = None,
    last: date | None = None,
    by: Literal["day", "week", "month"] = "week",
    user: str | None = None,
    ticket_type: str | None = None,
) -> dict[date, Figures]:
    """Return the figures of every bucket that holds a day of the range, by its first day, empty ones too.

    An open side ends at the outermost day with a completion or work. Only days inside the range count, so the first
    and the last bucket may hold less than the whole of theirs.
    """
    events = _events(recorded, first, last, user, ticket_type)
    start = first or min((event.day for event in events), default=None)
    end = last or max((event.day for event in events), default=None)
    if start is None or end is None:
        return {}
    days = [start + n * DAY for n in range((end - start).days + 1)]
    seen: dict[date, list[Event]] = {_bucket_start(day, by): [] for day in days}
    for event in events:
        seen[_bucket_start(event.day, by)].append(event)
    return {day: _together(seen[day]) for day in sorted(seen)}


def averages(recorded: Iterable[Recorded], user: str, as_of: date) -> dict[str, Figures]:
    """Return a user's figures up to and including a day: `all_time`, and `rolling_30_days` that end on it."""
    held = list(recorded)
    return {
        "all_time": summary(held, None, as_of, user),
        "rolling_30_days": summary(held, as_of - 29 * DAY, as_of, user),
    }


class Event(NamedTuple):
    """Something that counts on a day: a completion, or a piece of work."""

    user: str
    day: date
    ticket_type: str
    completed: Recorded | None
    worked_seconds: int
    started: bool


def _events(
    recorded: Iterable[Recorded], first: date | None, last: date | None, user: str | None, ticket_type: str | None
) -> list[Event]:
    found = []
    for fact in recorded:
        who, kind = fact.workflow.user_id, fact.workflow.ticket_type
        if user in (None, who) and ticket_type in (None, kind):
            found.append(Event(who, fact.day, kind, fact, 0, False))
            found += [Event(who, day, kind, None, seconds, started) for day, seconds, started in work_of(fact)]
    return [event for event in found if (first or date.min) <= event.day <= (last or date.max)]


def _together(events: Sequence[Event]) -> Figures:
    done = [event.completed for event in events if event.completed]
    return {
        "users": len({fact.workflow.user_id for fact in done}),
        **figures([completion_of(fact) for fact in done]),
        "worked_seconds": sum(event.worked_seconds for event in events),
        "sessions": sum(event.started for event in events),
    }


def _bucket_start(day: date, by: Literal["day", "week", "month"]) -> date:
    if by == "day":
        return day
    if by == "month":
        return date(day.year, day.month, 1)
    year, week, _ = day.isocalendar()
    return date.fromisocalendar(year, week, 1)
