"""The promises under any history of changes: a state machine on real stores against the independent oracle.

After every change the cells, the receipts and the outcomes are those of the model; whole histories are checked again
at their end. HYPOTHESIS_PROFILE=thorough tells many more and longer ones, others each time; =bite stops at the first
flaw, unshrunk.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from fractions import Fraction
from pathlib import Path
from random import Random
from shutil import rmtree
from typing import Any, ClassVar, Literal, Protocol, TypeVar

import oracle
import pytest
import strategies
from conftest import NOW
from facts_made import alerts_of, batches, dump, made
from fold import Key, stored_cells, stored_receipts, wanted_alerts, wanted_facts, wipe
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from sqlalchemy import Connection, Engine, select, update

from timestrata import (
    BatchRejected,
    BatchResult,
    CompletedWorkflow,
    DateRange,
    History,
    Pause,
    Settings,
    StaleRevision,
    StepTime,
    Summary,
    TimeSession,
    TimestrataError,
    UnknownWorkflow,
    open_history,
    schema,
    shares,
)
from timestrata.answers import Figures
from timestrata.calendar import instant
from timestrata.dialects import engine_for, measures_of
from timestrata.dimensions import Names
from timestrata.errors import ClockJumped
from timestrata.formats.jsonl import workflow_to_json
from timestrata.ingest import Context
from timestrata.manifest import archived, parts
from timestrata.measures import Measure, Tally, mean, ratio, sample_deviation
from timestrata.retention import RetentionPolicy, eligible_through
from timestrata.retention.sealing import Sealing
from timestrata.tracking.rules import Transactions

T = TypeVar("T")

PROFILES = {
    "default": settings(max_examples=50, stateful_step_count=20, derandomize=True),
    "thorough": settings(max_examples=500, stateful_step_count=50, print_blob=True),
    "bite": settings(  # the histories are others after each change of the source, and fifty may miss a flaw
        max_examples=200,
        stateful_step_count=20,
        derandomize=True,
        phases=(Phase.generate,),
        report_multiple_bugs=False,
    ),
}
PROFILE = settings(
    PROFILES[os.environ.get("HYPOTHESIS_PROFILE", "default")],
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)

# ---------------------------------------------------------------------------------------------- what is said to it

USERS = ("ada", "Jos\u00e9")
IDS = ("w1", "W1", "w|1", "w\n1", *(f"w{n}" for n in range(2, 12)))
TICKET_TYPES = ("Bug", "bug")
TEMPLATES = ("QA", "QA\x1fa")
ZONES = ("Asia/Kathmandu", "America/Sao_Paulo")

_LAST_MINUTES = datetime(2024, 5, 6, 23, 50, tzinfo=UTC)
_AFTER_MIDNIGHT = _LAST_MINUTES + timedelta(minutes=30)
_LATER = _LAST_MINUTES + timedelta(hours=5)
_SCENES = (
    *[("ada", "Bug", "QA", _LAST_MINUTES, None)] * 4,
    ("ada", "bug", "QA", _LAST_MINUTES, None),
    ("ada", "Bug", "QA", _AFTER_MIDNIGHT, None),
    ("ada", "Bug", "QA\x1fa", _AFTER_MIDNIGHT, ZONES[1]),
    ("ada", "Bug", "QA", _LATER, ZONES[0]),
    ("Jos\u00e9", "Bug", "QA", _LAST_MINUTES, None),
    ("Jos\u00e9", "bug", "QA\x1fa", _LATER, None),
)
"""(user, ticket type, template, completed at, zone): few, so that many facts meet in a cell."""
_SECONDS = (0, 78, 115, 207, 230, 256, 257, 600, 601, 602, 603, 690, 86_400, 100_000)
_GOALS: tuple[Callable[[int], int | None], ...] = (
    lambda _: None,
    lambda active: active,
    lambda active: 5 * active // 6,
    lambda active: 20 * active // 23,
    lambda active: 5 * active // 7,
    lambda active: max(0, 5 * active - 1) // 6,
)


def _session(start: timedelta, length: timedelta, *pauses: timedelta) -> TimeSession:
    began = _LAST_MINUTES + start
    marks = [began + mark for mark in pauses]
    return TimeSession(began, began + length, pauses=tuple(map(Pause, marks[::2], marks[1::2])))


_M = timedelta(minutes=1)
_OVER_MIDNIGHT = _session(-30 * _M, 50 * _M + timedelta(seconds=1))
_PAUSED_OVER_MIDNIGHT = _session(-_M, 40 * _M, 2 * _M, 3 * _M, 5 * _M, 15 * _M)
_OVER_THREE_DAYS = TimeSession(_LAST_MINUTES, _LAST_MINUTES + timedelta(days=2, seconds=7), pause_seconds=3601)
_SESSIONS = ((), (), (_OVER_MIDNIGHT,), (_PAUSED_OVER_MIDNIGHT,), (_OVER_THREE_DAYS,))


def _step(index: int, sessions: tuple[TimeSession, ...], seconds: int, goal: Callable[[int], int | None]) -> StepTime:
    seconds = sum(session.active_seconds for session in sessions) if sessions else seconds
    return StepTime(index, "Test", seconds, goal(seconds), sessions)


def _steps(goal: Callable[[int], int | None], seconds: int, rest: int) -> list[tuple[StepTime, ...]]:
    """Return step lists: one without sessions, some with, two steps, and a step that is come back to."""
    again = (_session(-10 * _M, _M), _session(-5 * _M, 2 * _M))
    return [
        (_step(0, (), seconds, goal),),
        (_step(0, (), seconds, goal), StepTime(1, "Tëst", rest)),
        *((_step(0, sessions, seconds, goal),) for sessions in _SESSIONS),
        (_step(0, again, seconds, goal), _step(1, (_session(-7 * _M, _M),), seconds, goal)),
    ]


_STEP_LISTS = [
    steps
    for position, seconds in enumerate(_SECONDS)
    for goal in _GOALS
    for steps in _steps(goal, seconds, _SECONDS[-position])
]
_NEIGHBOURS = [(StepTime(0, "Test", seconds, 500),) for seconds in (600, 601, 602, 603)]
"""Many in one bucket, so that its extremes come and go."""
_TIES = [
    (StepTime(0, "Test", seconds, goal),)
    for seconds, goal in ((78, 65), (90, 75), (115, 100), (207, 180), (63, 45), (119, 85))
]
"""Exactly 120 %, 115 % and 140 % of the estimate, where arithmetic in floats or in hours errs."""


@st.composite
def crowded(draw: st.DrawFn) -> CompletedWorkflow:
    """Draw a workflow of one of a few scenes and durations."""
    steps = draw(st.sampled_from(_NEIGHBOURS) | st.sampled_from(_TIES) | st.sampled_from(_STEP_LISTS))
    user, ticket_type, template, completed, timezone = draw(st.sampled_from(_SCENES))
    ends = [session.ended_at for step in steps for session in step.sessions]
    return CompletedWorkflow(
        workflow_id=draw(st.sampled_from(IDS)),
        user_id=user,
        ticket_key="TK-1",
        ticket_type=ticket_type,
        template=template,
        started_at=_LAST_MINUTES - timedelta(days=1),
        completed_at=max(completed, *ends) if ends else completed,
        steps=steps,
        estimated_seconds=draw(st.sampled_from(_GOALS))(sum(step.active_seconds for step in steps)),
        timezone=timezone,
    )


def mostly(often: st.SearchStrategy[Any], rarely: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Draw three times out of four from the first. (One_of() takes a strategy that comes twice for one.)"""
    return st.integers(0, 3).flatmap(lambda number: rarely if number == 3 else often)


wild = strategies.workflows(USERS, IDS, TICKET_TYPES, TEMPLATES)
facts = mostly(crowded(), wild)


def _moved(workflow: CompletedWorkflow, days: int) -> CompletedWorkflow:
    completed = workflow.completed_at + timedelta(days=days)
    return replace(workflow, completed_at=completed, started_at=min(workflow.started_at, completed))


def _timed(workflow: CompletedWorkflow, change: Callable[[int], int]) -> CompletedWorkflow:
    """Change the seconds of the first step, which loses its sessions."""
    first, *rest = workflow.steps
    first = replace(first, active_seconds=min(max(0, change(first.active_seconds)), 10**6), sessions=())
    return replace(workflow, steps=(first, *rest))


def _renamed(workflow: CompletedWorkflow) -> CompletedWorkflow:
    first, *rest = workflow.steps
    return replace(workflow, steps=(replace(first, name="Analyse" if first.name == "Test" else "Test"), *rest))


def _without(workflow: CompletedWorkflow) -> CompletedWorkflow:
    return replace(workflow, steps=workflow.steps[:-1] or (StepTime(5, "Test", 600),))


ALTERATIONS: dict[str, Callable[[CompletedWorkflow], CompletedWorkflow]] = {
    "same": lambda workflow: workflow,
    "same, no zone": lambda workflow: replace(workflow, timezone=None),
    "in Kathmandu": lambda workflow: replace(workflow, timezone=ZONES[0]),
    "in Sao Paulo": lambda workflow: replace(workflow, timezone=ZONES[1]),
    "a day later": lambda workflow: _moved(workflow, 1),
    "a day before": lambda workflow: _moved(workflow, -1),
    "other type": lambda workflow: replace(workflow, ticket_type="bug" if workflow.ticket_type == "Bug" else "Bug"),
    "other template": lambda workflow: replace(workflow, template="QA" if workflow.template != "QA" else "QA\x1fa"),
    "other ticket": lambda workflow: replace(workflow, ticket_key="TK-2"),
    "other attributes": lambda workflow: replace(workflow, attributes={"sprint": 8}),
    "no estimate": lambda workflow: replace(workflow, estimated_seconds=None),
    "tight estimate": lambda workflow: replace(workflow, estimated_seconds=20 * workflow.active_seconds // 23),
    "faster": lambda workflow: _timed(workflow, lambda seconds: seconds - 1),
    "slower": lambda workflow: _timed(workflow, lambda seconds: seconds + 1),
    "far slower": lambda workflow: _timed(workflow, lambda seconds: seconds + 5000),
    "step renamed": _renamed,
    "step dropped": _without,
}
alterations = st.sampled_from([*ALTERATIONS, *["faster", "slower"] * 4])  # which often stay in their bucket

# ------------------------------------------------------------------------------------------------------- the model

Answer = tuple[object, ...]
"""(status, user, workflow id, revision) of every outcome, or the name of an error with its values."""


@dataclass(frozen=True)
class Item:
    """A workflow on its way in: as a fact, as a JSON document, or as a document that cannot be accepted."""

    workflow: CompletedWorkflow
    kind: Literal["fact", "document", "broken"] = "fact"

    @property
    def handed(self) -> Any:
        if self.kind == "fact":
            return self.workflow
        document = workflow_to_json(self.workflow)
        return document if self.kind == "document" else document | {"steps": []}


items = st.builds(Item, facts, st.sampled_from(["fact", "fact", "fact", "document", "broken"]))


@dataclass
class Model:
    """What the store must hold and answer, after the oracle."""

    settings: Settings
    oracle: oracle.Oracle
    revisions: dict[Key, int] = field(default_factory=dict)
    zones: dict[str, str | None] = field(default_factory=dict)
    told: dict[Key, CompletedWorkflow] = field(default_factory=dict)
    """The content that stands or stood last."""
    handed: list[CompletedWorkflow] = field(default_factory=list)
    """Every workflow that was ever handed in."""
    changes: int = 0
    archived: set[Key] = field(default_factory=set)
    """The facts that are in the archive."""

    def seal(self) -> None:
        """Archive every fact that is due, of each user one month after the other."""
        due = {
            key: fact.day
            for key, fact in self.oracle.facts.items()
            if key not in self.archived and fact.day <= last_due(self.settings)
        }
        self.changes += len({(key[0], day.replace(day=1)) for key, day in due.items()})
        self.archived |= due.keys()

    def open(self, key: Key) -> None:
        """Bring the day of a fact back from the archive: all that is there of it, whether or not the fact itself is."""
        if key in self.oracle.facts:
            self.archived -= self.of_day(key[0], self.oracle.facts[key].day)

    def of_day(self, user: str, day: date) -> set[Key]:
        """Return what is archived of a user's day."""
        return {key for key in self.archived if key[0] == user and self.oracle.facts[key].day == day}

    def restore(self) -> None:
        """Bring everything back."""
        self.changes += len({(key[0], self.oracle.facts[key].day) for key in self.archived})
        self.archived.clear()

    def fork(self) -> Model:
        """Return a copy that goes its own way."""
        other = oracle.Oracle(self.oracle.day_start_seconds)
        other.facts = dict(self.oracle.facts)
        other._receipts = dict(self.oracle._receipts)
        return Model(
            self.settings,
            other,
            dict(self.revisions),
            dict(self.zones),
            dict(self.told),
            list(self.handed),
            self.changes,
            set(self.archived),
        )

    def in_force(self, user: str) -> str:
        return self.zones.get(user) or self.settings.timezone

    def record(self, workflow: CompletedWorkflow) -> Answer:
        key = strategies.key(workflow)
        status = self.oracle.record(workflow, self.in_force(workflow.user_id))
        self.handed.append(workflow)
        if status == "recorded":
            self._write(key, workflow)
        return (status, *key, self.revisions[key])

    def correct(self, workflow: CompletedWorkflow, expected: int | None) -> Answer:
        key = strategies.key(workflow)
        self._know(key)
        held = self.oracle.facts.get(key)
        known = set(self.archived)
        self.open(key)
        same = held is not None and oracle.content(workflow) == oracle.content(held.workflow)
        same = same and held is not None and workflow.timezone in (None, held.timezone)
        try:
            self._check(key, expected, same)
        except StaleRevision:
            self.archived = known  # what the refused change brought back is not committed
            raise
        if same:
            return ("replayed", *key, self.revisions[key])
        self.oracle.correct(workflow, self.in_force(workflow.user_id))
        self.handed.append(workflow)
        self._write(key, workflow)
        return ("corrected", *key, self.revisions[key])

    def delete(self, key: Key, expected: int | None) -> Answer:
        self._know(key)
        gone = key not in self.oracle.facts
        self._check(key, expected, gone)
        if gone:
            return ("replayed", *key, self.revisions[key])
        self.open(key)
        self.oracle.delete(*key)
        self._write(key, self.told[key])
        return ("deleted", *key, self.revisions[key])

    def receipts(self) -> dict[Key, tuple[int, bool, date]]:
        """Return what fold.stored_receipts() must find."""
        return {
            key: (revision, key in self.oracle.facts, self.oracle._receipts[key].day)
            for key, revision in self.revisions.items()
        }

    def _know(self, key: Key) -> None:
        if key not in self.revisions:
            raise UnknownWorkflow(*key)

    def _check(self, key: Key, expected: int | None, done: bool) -> None:
        current = self.revisions[key]
        if expected not in (None, current) and not (done and expected == current - 1):
            assert expected is not None
            raise StaleRevision(*key, expected, current)

    def _write(self, key: Key, workflow: CompletedWorkflow) -> None:
        self.told[key] = workflow
        self.revisions[key] = self.revisions.get(key, 0) + 1
        self.changes += 1


def last_due(chosen: Settings) -> date:
    """Return the last day that is over in UTC-12, and for 30 days, at NOW: by hand, not by the code's arithmetic."""
    start = timedelta(hours=chosen.day_start.hour, minutes=chosen.day_start.minute)
    return (NOW - timedelta(hours=12) - start).date() - timedelta(days=31)


# ----------------------------------------------------------------------------------------------------- the changes

positions = st.integers(0, 99)
Offset = int | None
"""The expected revision, counted from the present one; None: whatever it is."""
offsets: st.SearchStrategy[Offset] = st.sampled_from([None, None, None, 0, 0, 0, 0, -1, 1])


class Change(Protocol):
    """Something that is done to the store and to the model alike, with the same answer or error."""

    def on_store(self, history: History, connection: Connection | None) -> Answer: ...

    def on_model(self, model: Model) -> Answer: ...


@dataclass(frozen=True)
class Record:
    """Hand in one item, or a batch."""

    items: tuple[Item, ...]
    strict: bool = False
    alone: bool = False

    def settled(self, _: Model) -> Change:
        return self

    def on_store(self, history: History, connection: Connection | None) -> Answer:
        handed = [item.handed for item in self.items]
        result = history.record(handed[0] if self.alone else handed, strict=self.strict, connection=connection)
        outcomes = result if isinstance(result, BatchResult) else [result]
        assert all(outcome.ok == (outcome.reason is None) for outcome in outcomes)
        return tuple((one.status, one.user_id, one.workflow_id, one.revision) for one in outcomes)

    def on_model(self, model: Model) -> Answer:
        if self.strict:
            self._refuse(self._record(model.fork()))
        return tuple(self._record(model))

    def _record(self, model: Model) -> list[Answer]:
        return [
            ("rejected", *strategies.key(item.workflow), None) if item.kind == "broken" else model.record(item.workflow)
            for item in self.items
        ]

    def _refuse(self, answers: list[Answer]) -> None:
        # What is no workflow is refused before the database is asked.
        for status in ("rejected", "conflict"):
            for index, answer in enumerate(answers):
                if answer[0] == status:
                    raise BatchRejected(index, self.items[index].workflow.workflow_id, status, None)


@dataclass(frozen=True)
class Correct:
    """Correct to new content."""

    workflow: CompletedWorkflow
    expected: int | None

    def on_store(self, history: History, connection: Connection | None) -> Answer:
        one = history.correct(self.workflow, expected_revision=self.expected, connection=connection)
        return one.status, one.user_id, one.workflow_id, one.revision

    def on_model(self, model: Model) -> Answer:
        return model.correct(self.workflow, self.expected)


@dataclass(frozen=True)
class Delete:
    """Delete."""

    key: Key
    expected: int | None

    def on_store(self, history: History, connection: Connection | None) -> Answer:
        one = history.delete(*self.key, expected_revision=self.expected, connection=connection)
        return one.status, one.user_id, one.workflow_id, one.revision

    def on_model(self, model: Model) -> Answer:
        return model.delete(self.key, self.expected)


def answer_of(ask: Callable[[], Answer]) -> Answer:
    """Return the answer, or what an error says."""
    try:
        return ask()
    except TimestrataError as error:
        values = {name: value for name, value in vars(error).items() if name != "reason"}
        return type(error).__name__, values


# What is drawn before it is known what stands in the store.


@dataclass(frozen=True)
class Again:
    """Hand in something that was handed in before, altered or not, under its own id or another."""

    position: int
    alteration: str
    workflow_id: str | None

    def settled(self, model: Model) -> Change:
        if not model.handed:
            return Record(())
        workflow = ALTERATIONS[self.alteration](model.handed[self.position % len(model.handed)])
        return Record((Item(replace(workflow, workflow_id=self.workflow_id or workflow.workflow_id)),))


@dataclass(frozen=True)
class Correction:
    """Correct what stands or stood somewhere to the same, altered; or to other content whole."""

    position: int
    alteration: str | CompletedWorkflow
    offset: Offset

    def settled(self, model: Model) -> Change:
        key = _key(model, self.position)
        if isinstance(self.alteration, CompletedWorkflow):
            workflow = replace(self.alteration, user_id=key[0], workflow_id=key[1])
        else:
            workflow = ALTERATIONS[self.alteration](model.told.get(key) or made(key[1], user_id=key[0]))
        return Correct(workflow, _revision(model, key, self.offset))


@dataclass(frozen=True)
class Deletion:
    """Delete by a revision that is right or wrong."""

    position: int
    offset: Offset

    def settled(self, model: Model) -> Change:
        key = _key(model, self.position)
        return Delete(key, _revision(model, key, self.offset))


def _key(model: Model, position: int) -> Key:
    """Return a key that was recorded, now and then one that was not."""
    known = list(model.revisions)
    return known[position % len(known)] if known and position % 25 else ("ada", "never")


def _revision(model: Model, key: Key, offset: Offset) -> int | None:
    return None if offset is None else model.revisions.get(key, 1) + offset


again = st.builds(
    Again,
    positions,
    st.one_of(st.just("same"), alterations),
    st.one_of(st.none(), st.sampled_from(IDS)),
)
corrections = st.builds(Correction, positions, mostly(alterations, facts), offsets)
deletions = st.builds(Deletion, positions, offsets)
few = st.builds(Record, st.lists(items, max_size=2).map(tuple))

# ----------------------------------------------------------------------------------------------------- the machine


@dataclass(frozen=True)
class Stores:
    """The store that is told the history, its archive, and a second store, always SQLite in memory, for comparison."""

    url: str
    engine: Engine
    archive: Path
    twin: History


STORE_SETTINGS = (
    Settings(),
    Settings(),
    Settings(gap_threshold=Fraction(23, 20)),
    Settings("America/Sao_Paulo", time(4, 30), Fraction(7, 5)),
)


class Told(RuleBasedStateMachine):
    """A history of changes told to a store and to the model."""

    stores: ClassVar[Stores]

    def __init__(self) -> None:
        super().__init__()
        self.sound = False
        self.histories: list[History] = []

    @initialize(
        chosen=st.sampled_from(STORE_SETTINGS),
        seed=st.integers(0, 1000),
        first=st.lists(crowded(), max_size=3) | st.lists(crowded(), min_size=5, max_size=10),
    )
    def open(self, chosen: Settings, seed: int, first: list[CompletedWorkflow]) -> None:
        wipe(self.stores.engine)
        rmtree(self.stores.archive, ignore_errors=True)
        self.histories = [self._opened(chosen)]
        self.model = Model(chosen, oracle.Oracle(chosen.rules().day_start_seconds))
        self.random = Random(seed)
        self.perform(Record(tuple(map(Item, first))))

    def _opened(self, chosen: Settings | None = None) -> History:
        policy = RetentionPolicy(30, archive=str(self.stores.archive))
        return open_history(self.stores.url, settings=chosen, retention=policy, clock=lambda: NOW)

    @property
    def history(self) -> History:
        return self.histories[0]

    def perform(self, change: Change, connection: Connection | None = None) -> None:
        self.sound = False

        found = answer_of(lambda: change.on_store(self.history, connection))

        assert found == answer_of(lambda: change.on_model(self.model))

    @rule(item=items, strict=st.booleans())
    def record_one(self, item: Item, strict: bool) -> None:
        self.perform(Record((item,), strict, alone=True))

    @rule(batch=st.lists(items, max_size=6).map(tuple), strict=st.sampled_from([False, False, True]))
    def record_batch(self, batch: tuple[Item, ...], strict: bool) -> None:
        self.perform(Record(batch, strict))

    @rule(again=again)
    def record_again(self, again: Again) -> None:
        self.perform(again.settled(self.model))

    @rule(first=again, second=again, twin=st.booleans())
    def record_together(self, first: Again, second: Again, twin: bool) -> None:
        """Facts that meet in a cell, in one batch, perhaps twice."""
        one, other = first.settled(self.model), second.settled(self.model)
        assert isinstance(one, Record)
        assert isinstance(other, Record)
        self.perform(Record((*one.items, *other.items, *(one.items if twin else ()))))

    @rule(correction=corrections, retry=st.booleans(), late=st.booleans())
    def correct(self, correction: Correction, retry: bool, late: bool) -> None:
        self._change(correction, retry, late)

    @rule(deletion=deletions, retry=st.booleans(), late=st.booleans())
    def delete(self, deletion: Deletion, retry: bool, late: bool) -> None:
        self._change(deletion, retry, late)

    def _change(self, drawn: Correction | Deletion, retry: bool, late: bool) -> None:
        """Change something, perhaps twice; perhaps what stood there before is handed in again afterwards."""
        stood = self.model.told.get(_key(self.model, drawn.position))
        change = drawn.settled(self.model)
        self.perform(change)
        if retry:
            self.perform(change)
        if late and stood is not None:
            self.perform(Record((Item(stood),), alone=True))

    @rule(
        user=st.sampled_from(USERS),
        timezone=st.sampled_from([None, *ZONES]),
        elsewhere=st.booleans(),
        then=st.one_of(st.none(), again, corrections),
    )
    def set_timezone(self, user: str, timezone: str | None, elsewhere: bool, then: Again | Correction | None) -> None:
        """Move to another zone, in this process or the other, perhaps just before a change."""
        (self.other if elsewhere else self.history).set_timezone(user, timezone)
        self.model.zones[user] = timezone
        if then is not None:
            self.perform(then.settled(self.model))

    @rule(crash=st.none() | st.tuples(st.integers(1, 25), st.booleans()), elsewhere=st.booleans())
    def seal(self, crash: tuple[int, bool] | None, elsewhere: bool) -> None:
        """Archive and purge what is due, perhaps killed at a transaction and begun anew; a killed run loses nothing."""
        self.sound = False
        history = self.other if elsewhere else self.history
        if crash is not None:
            killed_run(history, *crash)
            assert stored_cells(self.history) == self.cells()
            assert sorted(kept_facts(self.history), key=str) == sorted(self.wanted(), key=str)
        assert history.retention.run().ok
        self.model.seal()

    @rule(then=st.none() | corrections | deletions | again)
    def restore(self, then: Correction | Deletion | Again | None) -> None:
        """Bring everything back from the archive."""
        self.sound = False
        self.history.retention.restore(DateRange())
        self.model.restore()
        if then is not None:
            self.perform(then.settled(self.model))

    @rule(damage=st.booleans(), elsewhere=st.booleans())
    def rebuild(self, damage: bool, elsewhere: bool) -> None:
        """Verify finds nothing, or the integer that was changed behind the store's back; rebuild puts it right."""
        history = self.other if elsewhere else self.history
        damaged = damage and self._damage()

        assert history.audit.verify(deep=True).ok is not damaged
        done = history.audit.rebuild()

        assert (done.ok, done.change_count > 0) == (True, damaged)
        self.model.changes += damaged

    def _damage(self) -> bool:
        """Change an integer of a cell; return False where there is none."""
        table = self.random.choice([schema.cell_completion, schema.cell_step, schema.cell_worked])
        with self.stores.engine.begin() as connection:
            rows = connection.execute(select(table).order_by(*table.primary_key)).fetchall()
            if not rows:
                return False
            row, column = self.random.choice(rows), self.random.choice(measures_of(table))
            here = [key == row._mapping[key.name] for key in table.primary_key]
            connection.execute(update(table).where(*here).values({column.name: column + 1}))
        return True

    @rule(days=st.sampled_from([-1, 32, 10_000]))
    def run_with_a_clock_that_jumped(self, days: int) -> None:
        """It stops before it does anything, once there was a run."""
        policy = RetentionPolicy(30, archive=str(self.stores.archive))
        assert self.history.retention.run().ok
        self.model.seal()
        elsewhere = open_history(self.stores.url, retention=policy, clock=lambda: NOW + timedelta(days=days))
        with elsewhere as jumped, pytest.raises(ClockJumped):
            jumped.retention.run()

    def wanted(self) -> list[CompletedWorkflow]:
        return wanted_facts(self.model.oracle.recorded)

    @rule()
    def reopen(self) -> None:
        """Drop every cache."""
        self.history.close()
        self.histories[0] = self._opened()

    @rule()
    def change_process(self) -> None:
        """Go on as another process that has the store open and its own caches."""
        self.histories = [self.other, self.history]

    @property
    def other(self) -> History:
        if len(self.histories) == 1:
            self.histories.append(self._opened())
        return self.histories[1]

    @rule(
        changes=st.lists(st.one_of(few, again, corrections, deletions), min_size=1, max_size=3),
        commit=st.booleans(),
        retry=st.booleans(),
    )
    def join_a_transaction(
        self, changes: Sequence[Record | Again | Correction | Deletion], commit: bool, retry: bool
    ) -> None:
        """Change things inside the caller's own transaction; nobody sees them before it is committed.

        What was rolled back is perhaps handed in again, now for the first time.
        """
        before, model = stored_cells(self.history), self.model.fork()
        with self.history.engine.connect() as connection, connection.begin() as transaction:
            for change in changes:
                self.perform(change.settled(self.model), connection)
            assert stored_cells(self.history) == before
            if not commit:
                transaction.rollback()
        if not commit:
            lost = self.model.handed[len(model.handed) :]
            self.model = model
            if retry:
                self.perform(Record(tuple(map(Item, lost))))

    @rule(
        bounds=st.tuples(st.integers(-1, 12), st.integers(0, 12), st.integers(0, 12)),
        user=st.sampled_from([None, *USERS]),
        ticket_type=st.sampled_from([None, None, "Bug"]),
    )
    def ask(self, bounds: tuple[int, int, int], user: str | None, ticket_type: str | None) -> None:
        days = sorted({key[1] for grain in self.cells() for key in grain})
        if not days:
            return
        start, length, split = bounds
        first = days[start % len(days)] if start >= 0 else days[0] - timedelta(days=1)
        last = first + timedelta(days=length) if length < 8 else days[-1] + timedelta(days=1)
        last = max(first, last)
        check_range(self, first, first + (last - first) * split // 12, last, user, ticket_type)

    def cells(self) -> oracle.Cells:
        return oracle.cells(self.model.oracle.recorded, self.model.settings.gap_threshold)

    @invariant()
    def cells_are_in_step(self) -> None:
        assert stored_cells(self.history) == self.cells()
        self.sound = True

    @invariant()
    def everyone_is_counted(self) -> None:
        """Asked after every step, because a history keeps what it added up."""
        self.sound = False
        told, recorded = self.history.summary("all_time"), self.model.oracle.recorded
        assert told.users == len({fact.workflow.user_id for fact in recorded})
        gaps = sum(measure[9] for measure in self.cells().completion.values())
        check_figures(told, oracle.summary(recorded, None, None, None, None) | {"gap_alerts": gaps})
        self.sound = True

    @invariant()
    def receipts_are_kept(self) -> None:
        self.sound = False
        assert stored_receipts(self.history) == self.model.receipts()
        self.sound = True

    def teardown(self) -> None:
        try:
            if self.sound:
                check_archive(self)
                check_range(self, None, None, None, None, None)
                self.history.retention.restore(DateRange())
                self.model.restore()
                check_facts(self)
                check_order(self)
                check_range(self, None, None, None, None, None)
        finally:
            for history in self.histories:
                history.close()


# ------------------------------------------------------------------------------------------------------ the checks


def archived_facts(history: History) -> list[CompletedWorkflow]:
    """Return what counts in the archive."""
    with history.engine.connect() as connection:
        wanted = parts(connection)
        if not wanted:
            return []
        found = archived(history.retention.archive(), connection, Names(), wanted)
        return [one.filed.workflow for _, rows in found for one in rows]


def kept_facts(history: History) -> list[CompletedWorkflow]:
    """Return every fact, wherever it is."""
    return [*history.facts(), *archived_facts(history)]


def check_archive(told: Told) -> None:
    """The tables and the archive hold each fact once, and each where the model has it."""
    recorded, gone = told.model.oracle.recorded, told.model.archived
    hot = [fact for fact in recorded if strategies.key(fact.workflow) not in gone]
    cold = [fact for fact in recorded if strategies.key(fact.workflow) in gone]
    assert list(told.history.facts()) == wanted_facts(hot)
    assert sorted(archived_facts(told.history), key=str) == sorted(wanted_facts(cold), key=str)


class Killed(BaseException):
    """The process is gone."""


class Failing:
    """Transactions of which the k-th never begins, or is the last that is committed."""

    def __init__(self, within: Transactions, at: int, after: bool) -> None:
        self._within = within
        self._left = at
        self._after = after

    def write(self, users: Sequence[str], action: Callable[[Context], T]) -> T:
        return self._counted(lambda: self._within.write(users, action))

    def read(self, action: Callable[[Connection], T]) -> T:
        return self._counted(lambda: self._within.read(action))

    def _counted(self, call: Callable[[], T]) -> T:
        self._left -= 1
        if self._left == 0 and not self._after:
            raise Killed
        result = call()
        if self._left == 0:
            raise Killed
        return result


def killed_run(history: History, at: int, after: bool) -> None:
    """Run retention until it is killed at its k-th transaction, or done."""
    failing = Failing(history.retention._transactions, at, after)
    rules = history.settings.rules()
    sealing = Sealing(failing, history.retention.archive(), rules, lambda: instant(NOW))
    with suppress(Killed):
        sealing.run(eligible_through(history.retention.policy, instant(NOW), rules.day_start_seconds))


def check_facts(told: Told) -> None:
    """The facts, their days and their alerts are those of the model, and only changes were counted."""
    recorded = told.model.oracle.recorded
    assert list(told.history.facts()) == wanted_facts(recorded)
    assert alerts_of(told.history) == wanted_alerts(recorded, told.model.settings.gap_threshold)
    assert told.history.summary("all_time").coverage.revision == told.model.changes
    page = told.history.workflows("all_time", limit=1000)
    assert {(row.user_id, row.workflow_id): row.day for row in page} == {
        strategies.key(fact.workflow): fact.day for fact in recorded
    }


def check_order(told: Told) -> None:
    """The facts that stand, recorded in any order and batches into a new store, give the same dump but for receipts."""
    facts = list(told.history.facts())
    told.random.shuffle(facts)
    facts += told.random.choices(facts, k=3) if facts else []
    wipe(told.stores.twin.engine)
    twin = History(told.stores.twin.engine, told.model.settings, clock=lambda: NOW)
    for batch in batches(facts, told.random.choice([1, 2, 3, 7])):
        twin.record(batch)
    assert _without_receipts(dump(twin)) == _without_receipts(dump(told.history))


def _without_receipts(text: str) -> list[str]:
    return [line for line in text.split("\n") if line and not line.startswith("receipt ")]


def check_range(
    told: Told, first: date | None, split: date | None, last: date | None, user: str | None, ticket_type: str | None
) -> None:
    """The figures of a range are those of the oracle, and the merge of the figures of its two parts."""
    whole = told.history.summary(DateRange(first, last), user, ticket_type)
    recorded = told.model.oracle.recorded
    completions = told.cells().completion
    inside = {
        key: measure
        for key, measure in completions.items()
        if (first or date.min) <= key[1] <= (last or date.max)
        and user in (None, key[0])
        and ticket_type in (None, key[2])
    }
    wanted = oracle.summary(recorded, first, last, user, ticket_type)
    check_figures(whole, wanted | {"gap_alerts": sum(measure[9] for measure in inside.values())})
    for name, figures in whole.by_ticket_type.items():
        wanted = oracle.summary(recorded, first, last, user, name)
        gaps = sum(measure[9] for key, measure in inside.items() if key[2] == name)
        check_figures(figures, wanted | {"gap_alerts": gaps})
    active = [
        oracle.completion_of(fact).active_seconds
        for fact in recorded
        if (first or date.min) <= fact.day <= (last or date.max)
        and user in (None, fact.workflow.user_id)
        and ticket_type in (None, fact.workflow.ticket_type)
    ]
    for percent in (25, 75):
        check_percentile(getattr(whole, f"p{percent}_seconds"), oracle.nearest_rank(active, percent))
    if split is not None and last is not None and split < last:
        check_merge(told, whole, (DateRange(first, split), DateRange(split + timedelta(days=1), last)))


def check_figures(found: Figures, wanted: oracle.Figures) -> None:
    """Counts and sums equal exactly, what is divided to the last bits, percentiles within 1/256."""
    for name, value in wanted.items():
        if name in ("estimated_active_seconds", "sessions"):
            continue  # not in a summary
        if name in ("p50_seconds", "p80_seconds", "p90_seconds"):
            check_percentile(getattr(found, name), value)
        elif isinstance(value, float):
            assert getattr(found, name) == pytest.approx(value, rel=1e-9, abs=1e-9), name
        else:
            assert getattr(found, name) == value, name


def check_percentile(found: int | None, exact: float | None) -> None:
    """Within 1/256 of the exact nearest rank; below 256 s that leaves nothing but the exact value."""
    if found is None or exact is None:
        assert found is exact
    else:
        assert 256 * abs(found - exact) <= exact


_SUMS = (
    "completed",
    "active_seconds",
    "paused_seconds",
    "worked_seconds",
    "with_estimate",
    "estimated_seconds",
    "gap_alerts",
    "reworked",
)


def check_merge(told: Told, whole: Summary, parts: Sequence[DateRange]) -> None:
    """The sums of the parts are the sums of the whole, and what is derived of their merge is what the whole says."""
    summaries = [told.history.summary(dates, whole.user_id, whole.ticket_type) for dates in parts]
    for name in _SUMS:
        assert sum(getattr(part, name) for part in summaries) == getattr(whole, name), name
    merged = Tally()
    for dates in parts:
        merged.merge(_tally(told, dates, whole.user_id, whole.ticket_type))
    measure = merged.measure
    assert (mean(measure), sample_deviation(measure)) == (whole.mean_seconds, whole.stddev_seconds)
    assert merged.percentiles((0, 25, 50, 75, 80, 90, 100)) == [
        whole.min_seconds,
        whole.p25_seconds,
        whole.p50_seconds,
        whole.p75_seconds,
        whole.p80_seconds,
        whole.p90_seconds,
        whole.max_seconds,
    ]
    if measure is not None:
        assert ratio(measure.estimated_active_seconds, measure.estimated_seconds) == whole.estimate_ratio


def _tally(told: Told, dates: DateRange, user: str | None, ticket_type: str | None) -> Tally:
    tally = Tally()
    assert dates.first is not None
    assert dates.last is not None
    for (who, day, kind, _, bucket), measure in stored_cells(told.history).completion.items():
        if dates.first <= day <= dates.last and user in (None, who) and ticket_type in (None, kind):
            tally.add(bucket, Measure(*measure))
    return tally


# --------------------------------------------------------------------------------------------------------- the run


@pytest.fixture
def stores(store_url: str, tmp_path: Path) -> Iterator[Stores]:
    engine, _ = engine_for(store_url)
    with open_history(store_url), open_history("sqlite://", clock=lambda: NOW) as twin:
        yield Stores(store_url, engine, tmp_path / "archive", twin)
    engine.dispose()


def test_the_promises_hold_in_any_history(stores: Stores, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shares, "MANY_CHANGES", 0)  # sums of everyone are put together from parts from the first on
    machine = type("ToldHere", (Told,), {"stores": stores})

    run_state_machine_as_test(machine, settings=PROFILE)
