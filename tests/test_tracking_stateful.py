"""Live work under any history of calls: a state machine on real stores against a model of plain lists.

The model keeps, for each session, the instants at which work began and stopped, and builds the facts by hand; the days
and cells come from the oracle. After every call the worked time, the cells, the facts and what is shown are those of
the model, refused calls change nothing, and the work of a user never overlaps.
HYPOTHESIS_PROFILE=thorough tells many more and longer histories, others each time.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from random import Random
from typing import Any, ClassVar, NamedTuple

import oracle
import pytest
from facts_made import alerts_of
from fold import stored_cells, wanted_alerts, wanted_facts, wipe
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from sqlalchemy import Engine

from timestrata import CompletedWorkflow, History, Pause, StepTime, TimeSession, TimestrataError, open_history
from timestrata.dialects import engine_for
from timestrata.errors import KeyReused
from timestrata.tracked import Completion, TemplateStep, TrackedSession, TrackedWorkflow
from timestrata.tracking import TrackingRules

_COMMON = {"deadline": None, "database": None, "suppress_health_check": list(HealthCheck)}
PROFILES = {
    "sqlite": settings(max_examples=22, stateful_step_count=25, derandomize=True, **_COMMON),  # type: ignore[arg-type]
    "postgresql": settings(max_examples=6, stateful_step_count=25, derandomize=True, **_COMMON),  # type: ignore[arg-type]
    "bite": settings(
        max_examples=30,
        stateful_step_count=25,
        derandomize=True,
        phases=(Phase.generate,),
        report_multiple_bugs=False,
        **_COMMON,  # type: ignore[arg-type]
    ),
    "thorough": settings(max_examples=400, stateful_step_count=50, print_blob=True, **_COMMON),  # type: ignore[arg-type]
}

USERS = ("ada", "Jos\u00e9")
IDS = ("w1", "w|1", "W1", None)
ZONES = ("Europe/Berlin", "America/St_Johns", "Asia/Kathmandu")
START = datetime(2024, 3, 30, 21, 50, tzinfo=UTC)
"""Some hours before the clocks of Berlin go forward."""
SKEW = timedelta(seconds=60)
FORGOTTEN_AFTER = timedelta(hours=12)
TICK = timedelta(microseconds=1)

# ------------------------------------------------------------------------------------------------------- the model


class Refused(Exception):
    """The call must raise the error of this name."""


class Version(NamedTuple):
    """A version of a template."""

    name: str
    ticket_type: str
    steps: tuple[tuple[str, int | None], ...]
    estimate: int | None


VERSIONS = (
    Version("QA", "Bug", (("Analyse", 1800), ("Test", 0)), None),
    Version("QA", "Bug", (("Analyse", 1800), ("Test", 3600), ("Report", 60)), 5460),
    Version("QA", "bug", (("Test", 600),), 600),
    Version("Release", "Bug", (("Build", None), ("Test", 7200)), 7200),
)


@dataclass
class Stint:
    """A session: `marks` are the instants at which work began and stopped in turn, from its start."""

    step: int
    marks: list[datetime]
    ended: datetime | None = None
    guessed: bool = False

    @property
    def running(self) -> bool:
        return self.ended is None and len(self.marks) % 2 == 1

    @property
    def paused(self) -> bool:
        return self.ended is None and len(self.marks) % 2 == 0

    def end(self, at: datetime) -> None:
        self.ended = self.marks.pop() if self.paused else at

    def stretches(self, now: datetime) -> list[tuple[datetime, datetime]]:
        """Return when there was work, up to now."""
        marks = list(self.marks)
        if len(marks) % 2 == 1:
            marks.append(self.ended or now)
        return list(zip(marks[::2], marks[1::2], strict=True))

    def fact(self) -> TimeSession:
        assert self.ended is not None
        pauses = tuple(
            Pause(paused, resumed) for paused, resumed in zip(self.marks[1::2], self.marks[2::2], strict=True)
        )
        return TimeSession(self.marks[0], self.ended, pauses=pauses)


@dataclass
class Tracked:
    """A workflow that is tracked."""

    user: str
    id: str
    version: Version
    zone: str
    stints: list[Stint]
    last: datetime
    """Its last event."""
    events: int = 1
    finished: datetime | None = None
    cancelled: bool = False

    @property
    def running(self) -> bool:
        return self.stints[-1].running

    @property
    def guesses(self) -> int:
        return sum(stint.guessed for stint in self.stints)

    @property
    def state(self) -> str:
        if self.cancelled:
            return "cancelled"
        if self.finished is None:
            return "active"
        return "held" if self.guesses else "completed"

    @property
    def open(self) -> bool:
        return self.state in ("active", "held") or self.guesses > 0

    def forget(self) -> None:
        """End the session that was left running."""
        self.last += FORGOTTEN_AFTER
        self.events += 1
        self.stints[-1].ended, self.stints[-1].guessed = self.last, True

    def is_forgotten(self, when: datetime) -> bool:
        return self.running and when > self.last + FORGOTTEN_AFTER

    def possible(self) -> list[tuple[str, int]]:
        """Return (kind of call, step) of what can be done to it now."""
        if self.state != "active":
            return [("complete", 0)]
        last = self.stints[-1]
        now = "pause" if last.running else "resume" if last.paused else "start_step"
        following = (last.step + 1) % len(self.version.steps)
        others = [("end_step", 0), ("start_step", following), ("start_step", 0), ("complete", 0), ("cancel", 0)]
        return [(now, 0), (now, following), (now, 1), *others]

    def worked_until(self) -> datetime | None:
        ends = [stint.ended for stint in self.stints if stint.ended]
        return max([*ends, *(mark for stint in self.stints for mark in stint.marks[1::2])], default=None)

    def stretches(self, now: datetime) -> list[tuple[datetime, datetime]]:
        return [stretch for stint in self.stints for stretch in stint.stretches(now)]

    def fact(self) -> CompletedWorkflow:
        assert self.finished is not None
        steps: dict[int, list[TimeSession]] = {}
        for stint in self.stints:
            steps.setdefault(stint.step, []).append(stint.fact())
        return CompletedWorkflow(
            workflow_id=self.id,
            user_id=self.user,
            ticket_key="TK-1",
            ticket_type=self.version.ticket_type,
            template=self.version.name,
            started_at=self.stints[0].marks[0],
            completed_at=self.finished,
            steps=tuple(
                StepTime(
                    index,
                    self.version.steps[index][0],
                    estimated_seconds=self.version.steps[index][1],
                    sessions=tuple(done),
                )
                for index, done in sorted(steps.items())
            ),
            estimated_seconds=self.version.estimate,
            timezone=self.zone,
        )


Key = tuple[str, str]


@dataclass
class Model:
    """What the store must hold and answer. A method that raises Refused may have changed something: work on a copy."""

    parallel: bool
    now: datetime = START
    zones: dict[str, str | None] = field(default_factory=dict)
    templates: dict[str, Version] = field(default_factory=dict)
    tracked: dict[Key, Tracked] = field(default_factory=dict)
    facts: oracle.Oracle = field(default_factory=oracle.Oracle)
    changes: int = 0

    def start(self, user: str, id_: str, template: str, zone: str | None, at: datetime | None) -> Tracked:
        if template not in self.templates:
            raise Refused("UnknownTemplate")
        if (user, id_) in self.tracked or (user, id_) in self.facts._receipts:
            raise Refused("WorkflowExists")
        when = self._free(user, id_, at)
        in_force = zone or self.zones.get(user) or "UTC"
        work = Tracked(user, id_, self.templates[template], in_force, [Stint(0, [when])], when)
        self.tracked[user, id_] = work
        self.changes += 1
        return work

    def add(self, key: Key, kind: str, step: int, at: datetime | None) -> Tracked:
        work = self._find(key)
        self._forget(work, at or self.now)
        if kind == "complete" and work.state in ("held", "completed"):
            if at not in (None, work.finished):
                raise Refused("WrongState")
            return work
        when = self._free(*key, at) if kind in ("start_step", "resume") else self._checked(at)
        if kind == "start_step" and not 0 <= step < len(work.version.steps):
            raise Refused("InvalidRequest")
        if at is None:
            when = max(when, work.last)
        if work.state != "active":
            raise Refused("WrongState")
        if when < work.last:
            raise Refused("InvalidRequest")
        self._change(work, kind, step, when)
        work.last = when
        work.events += 1
        self.changes += 1
        if work.finished and not work.cancelled:
            self._settle(work)
        return work

    def _change(self, work: Tracked, kind: str, step: int, when: datetime) -> None:
        last = work.stints[-1]
        allowed = {
            "pause": last.running,
            "resume": last.paused,
            "end_step": last.ended is None,
            "start_step": last.ended is not None or last.step != step,
        }
        if not allowed.get(kind, True):
            raise Refused("WrongState")
        if kind in ("pause", "resume"):
            last.marks.append(when)
            return
        if last.ended is None:
            last.end(when)
        if kind == "start_step":
            work.stints.append(Stint(step, [when]))
        if kind in ("complete", "cancel"):
            work.finished, work.cancelled = when, kind == "cancel"

    def mend(self, key: Key, number: int, end: datetime | None) -> Tracked:
        """Confirm the end of a session, or correct it to `end`."""
        if end is not None and end > self.now:
            raise Refused("InvalidRequest")
        work = self._find(key)
        self._forget(work, self.now)
        stint = work.stints[number]
        if not stint.guessed:
            raise Refused("WrongState")
        if end is not None:
            following = [later.marks[0] for later in work.stints[number + 1 :]] or [work.finished or end]
            if not stint.marks[-1] <= end <= following[0] or self._in_other_work(work, stint.ended, end):
                raise Refused("InvalidRequest")
            stint.ended = end
        stint.guessed = False
        work.last = max(at for each in work.stints for at in (*each.marks, each.ended) if at is not None)
        work.events += 1
        self.changes += 1
        if work.finished and not work.cancelled:
            self._settle(work)
        return work

    def sweep(self) -> int:
        return sum(self._forget(work, self.now) for work in self.tracked.values())

    def worked(self) -> oracle.Worked:
        """Return the time of sessions that count before their workflow is recorded."""
        worked: dict[Any, tuple[int, int]] = {}
        for work in self.tracked.values():
            if work.state == "completed":
                continue
            for stint in work.stints:
                if stint.ended is None or stint.guessed:
                    continue
                for part in oracle.session_parts(0, stint.fact(), work.zone):
                    key = (work.user, part.day, work.version.ticket_type, work.version.name)
                    seconds, sessions = worked.get(key, (0, 0))
                    worked[key] = (seconds + part.worked_seconds, sessions + part.started)
        return worked

    def cells(self) -> oracle.Cells:
        cells = oracle.cells(self.facts.recorded)
        worked = dict(cells.worked)
        for key, (seconds, sessions) in self.worked().items():
            before = worked.get(key, (0, 0))
            worked[key] = (before[0] + seconds, before[1] + sessions)
        return cells._replace(worked=worked)

    def _find(self, key: Key) -> Tracked:
        if key not in self.tracked:
            raise Refused("UntrackedWorkflow")
        return self.tracked[key]

    def _forget(self, work: Tracked, when: datetime) -> bool:
        if not work.is_forgotten(when):
            return False
        work.forget()
        self.changes += 1
        return True

    def _checked(self, at: datetime | None) -> datetime:
        if at is not None and at > self.now + SKEW:
            raise Refused("InvalidRequest")
        return at or self.now

    def _free(self, user: str, id_: str, at: datetime | None) -> datetime:
        """Return when a session starts or goes on, unless the user works on something else then."""
        when = self._checked(at)
        if self.parallel:
            return when
        others = [work for work in self.tracked.values() if work.user == user and work.id != id_]
        for other in others:
            if other.running and not self._forget(other, when):
                raise Refused("SessionRunning")
        busy = max((until for other in others if (until := other.worked_until())), default=when)
        if at is not None and at < busy:
            raise Refused("InvalidRequest")
        return max(when, busy)

    def _in_other_work(self, work: Tracked, guess: datetime | None, end: datetime) -> bool:
        assert guess is not None
        others = [other for other in self.tracked.values() if other.user == work.user and other is not work]
        return not self.parallel and any(
            began < end and stopped > guess
            for other in others
            for began, stopped in other.stretches(datetime.max.replace(tzinfo=UTC))
        )

    def _settle(self, work: Tracked) -> None:
        """Record a completed workflow, once no end of its sessions is a guess."""
        if work.guesses:
            return
        fact, key = work.fact(), (work.user, work.id)
        receipt = self.facts._receipts.get(key)
        if receipt is None:
            self.facts.record(fact, work.zone)
        elif key not in self.facts.facts or oracle.content(fact) not in (receipt.first, receipt.last):
            raise Refused("WorkflowExists")


# ----------------------------------------------------------------------------------------------------- the machine


@dataclass(frozen=True)
class Call:
    """A call of history.tracking."""

    user: str
    method: str
    arguments: tuple[Any, ...]
    named: tuple[tuple[str, Any], ...]
    key: str | None

    def on(self, history: History) -> Any:
        return getattr(history.tracking, self.method)(*self.arguments, **dict(self.named), key=self.key)


class Luck(Random):
    """What is drawn in a step. Drawn from a seed, because Hypothesis would dwell on a few choices."""

    def ticks(self) -> timedelta:
        return self.choice([0, 0, 0, 1, 499_999, 500_000, 30_500_000]) * TICK

    def delay(self) -> timedelta:
        seconds = [0, 59, 1200, 1800, 3600, 5400, 5400, 9000, 21_600, 43_200, 50_000, 200_000]
        return timedelta(seconds=self.choices(seconds, [2, 1, 2, 3, 3, 3, 3, 3, 1, 0.3, 0.5, 0.2])[0]) + self.ticks()

    def key(self) -> str | None:
        return self.choices([None, "k1", "k2", "k3", str(self.random())], [6, 0.3, 0.3, 0.3, 2])[0]

    def when(self, now: datetime, last: datetime) -> datetime | None:
        """Draw the time of a call; `last` is the last event of its workflow."""
        before = timedelta(minutes=self.choice([0, 1, 29, 90, 400])) + self.ticks()
        kinds = [
            None,
            last + (now - last) * self.random(),
            now - before,
            last + before,
            last - TICK,
            now + SKEW,
            now + SKEW + TICK,
        ]
        return self.choices(kinds, [8, 2, 1, 1, 0.3, 0.3, 0.3])[0]


KINDS = ("start_step", "pause", "resume", "end_step", "complete", "cancel")


seeds = st.integers(0, 2**32)


class Stores(NamedTuple):
    """The store under test."""

    url: str
    engine: Engine


class Told(RuleBasedStateMachine):
    """A store and its model are told the same."""

    stores: ClassVar[Stores]

    @initialize(
        parallel=st.sampled_from([False, False, False, True]),
        first=st.lists(st.sampled_from(VERSIONS), min_size=1, max_size=2),
        seed=seeds,
    )
    def begin(self, parallel: bool, first: list[Version], seed: int) -> None:
        wipe(self.stores.engine)
        self.model = Model(parallel)
        self.histories = [self._opened()]
        self.kept: dict[tuple[str, str], tuple[Call, Any]] = {}
        for version in first:
            self.put_template(version)
        self.luck = Luck(seed)
        for user in USERS:
            self.start(user)

    def _opened(self) -> History:
        rules = TrackingRules(parallel_sessions=self.model.parallel)
        return open_history(self.stores.url, tracking=rules, clock=lambda: self.model.now)

    @property
    def history(self) -> History:
        return self.histories[0]

    def perform(self, call: Call, on_model: Callable[[Model, str], Tracked]) -> None:
        """Make a call, and the same on the model; the model gets the id of the workflow that was answered."""
        model = deepcopy(self.model)
        kept = self.kept.get((call.user, call.key)) if call.key else None
        answer = answer_of(lambda: call.on(self.history))
        if isinstance(answer, TimestrataError):
            if kept is None or kept[0] == call or not isinstance(answer, KeyReused):
                assert type(answer).__name__ == refusal_of(lambda: on_model(model, "new")), answer
            return
        workflow = answer.workflow if isinstance(answer, Completion) else answer
        if kept is not None:
            assert kept[0] == call
            check_replay(
                kept[1],
                answer,
                exactly=dict(call.named).get("at") is None and call.method not in ("confirm", "correct"),
            )
            return
        done = on_model(model, workflow.workflow_id)
        self.model = model
        check_shown(workflow, done, done.last)
        if call.key:
            self.kept[call.user, call.key] = call, answer

    def put_template(self, version: Version) -> None:
        known = self.model.templates.get(version.name)
        before = self.history.tracking.template(version.name).version if known else 0
        steps = [TemplateStep(name, estimate) for name, estimate in version.steps]

        given = version.estimate if version.name == "Release" else None  # else the sum of the steps'
        put = self.history.tracking.put_template
        template = put(version.name, version.ticket_type, steps, estimated_seconds=given)

        assert template.version == before + (known != version)
        assert template.estimated_seconds == version.estimate
        self.model.templates[version.name] = version

    @rule(seed=seeds)
    def do_something(self, seed: int) -> None:
        self.luck = Luck(seed)
        self.model.now += self.luck.delay()
        [act] = self.luck.choices(
            [self.work_on, self.start, self.mend, self.retry, self.change_what_is_around, self.record],
            [12, 3, 3, 2, 2, 1],
        )

        act()

    def start(self, user: str | None = None) -> None:
        """Start a workflow, mostly after what runs was paused."""
        luck, model = self.luck, self.model
        user = user or luck.choice(USERS)
        for work in list(model.tracked.values()):
            if work.user == user and work.running and luck.random() < 0.8:
                self.add(work, "pause", 0, None, None)
        id_ = luck.choice(IDS)
        template = luck.choices([*self.model.templates, "Never"], [*(6 for _ in self.model.templates), 1])[0]
        zone = luck.choice([None, None, *ZONES])
        at = luck.when(self.model.now, self.model.now)
        named = (("workflow_id", id_), ("timezone", zone), ("at", at))
        call = Call(user, "start_workflow", (user, template, "TK-1"), named, luck.key())

        self.perform(call, lambda model, made: model.start(user, id_ or made, template, zone, at))

    def work_on(self) -> None:
        """Do something to a workflow that is tracked, mostly something that can be done to it now."""
        luck, work = self.luck, self._chosen()
        kind, step = luck.choice(KINDS), luck.choice([1, 0, 2, 3, -1])
        if luck.random() < 0.85 and work is not None:
            kind, step = luck.choice(work.possible())
        at = luck.when(self.model.now, work.last if work else self.model.now)

        self.add(work, kind, step, at, luck.key())

    def add(self, work: Tracked | None, kind: str, step: int, at: datetime | None, key: str | None) -> None:
        name = (work.user, work.id) if work else ("ada", "never")
        arguments = (*name, step) if kind == "start_step" else name
        call = Call(name[0], kind, arguments, (("at", at),), key)

        self.perform(call, lambda model, _: model.add(name, kind, step, at))

    def _chosen(self) -> Tracked | None:
        """Choose a workflow, mostly one that is active, now and then none."""
        works = list(self.model.tracked.values())
        usual = [work for work in works if work.state == "active"] if self.luck.random() < 0.85 else works
        return self.luck.choice(usual) if usual and self.luck.random() < 0.97 else None

    def mend(self) -> None:
        """Confirm or correct a session that was left running, now and then another one."""
        luck = self.luck
        places = [(work, n) for work in self.model.tracked.values() for n in range(len(work.stints))]
        guessed = [(work, n) for work, n in places if work.stints[n].guessed]
        if luck.random() < 0.1:
            guessed = places
        if not guessed:
            return self.forget()
        work, number = luck.choice(guessed)
        session = self.history.tracking.sessions(work.user, work.id)[number]
        began, end = work.stints[number].marks[-1], None
        if luck.random() < 0.7:
            ends = [
                began + (self.model.now - began) * luck.random(),
                began + timedelta(hours=11),
                began - TICK,
                self.model.now + TICK,
            ]
            [end] = luck.choices(ends, [3, 3, 1, 1])
        method, arguments = ("correct", (session.id, end)) if end else ("confirm", (session.id,))
        call = Call(work.user, method, arguments, (), luck.key())

        return self.perform(call, lambda model, _: model.mend((work.user, work.id), number, end))

    def forget(self) -> None:
        """Leave what runs running, and go on after a day."""
        self.model.now += timedelta(days=1)
        if self.luck.random() < 0.5:
            assert self.history.tracking.end_forgotten() == self.model.sweep()

    def retry(self) -> None:
        """Make a call again that was carried out under a key."""
        if self.kept:
            call, _ = self.luck.choice(list(self.kept.values()))
            self.perform(call, lambda model, _: pytest.fail("it was carried out again"))

    def change_what_is_around(self) -> None:
        """Move a user, put a template, drop every cache, or go on in another process."""
        what = self.luck.choice(["set_timezone", "put_template", "reopen", "change_process"])
        if what == "set_timezone":
            user, zone = self.luck.choice(USERS), self.luck.choice([None, *ZONES])
            self.history.set_timezone(user, zone)
            self.model.zones[user] = zone
        elif what == "put_template":
            self.put_template(self.luck.choice(VERSIONS))
        elif what == "reopen":
            self.history.close()
            self.histories[0] = self._opened()
        else:
            if len(self.histories) == 1:
                self.histories.append(self._opened())
            self.histories.reverse()

    def record(self) -> None:
        """Record by hand what is tracked or was completed, as it would be if it were completed now, or altered.

        What stands there already is corrected, or deleted.
        """
        work = deepcopy(self._chosen())
        if work is None or work.guesses:
            return
        if work.stints[-1].ended is None:
            work.stints[-1].end(max(self.model.now, work.last))
        work.finished = work.finished or max(self.model.now, work.last)
        fact = altered(work.fact(), self.luck.choice(["same", "same", "longer", "other day", "other zone"]))
        key, held = (work.user, work.id), self.model.facts
        if key in held.facts and self.luck.random() < 0.4:
            outcome = self.history.delete(*key)
            held.delete(*key)
        elif key in held._receipts:
            outcome = self.history.correct(fact)
            held.correct(fact, work.zone)
        else:
            outcome = self.history.record(fact)
            assert outcome.status == held.record(fact, work.zone)
        self.model.changes += outcome.status != "replayed"

    @invariant()
    def cells_are_in_step(self) -> None:
        assert stored_cells(self.history) == self.model.cells()

    @invariant()
    def everything_is_shown_as_it_is(self) -> None:
        tracking, works = self.history.tracking, self.model.tracked.values()
        for work in works:
            check_shown(tracking.workflow(work.user, work.id), work, self.model.now)
        for user in USERS:
            mine = {work.id for work in works if work.user == user and work.open}
            assert {shown.workflow_id for shown in tracking.active(user)} == mine
        assert tracking.running() == sum(work.running for work in works)

    @invariant()
    def changes_are_counted(self) -> None:
        coverage = self.history.summary("all_time").coverage
        assert coverage.revision == self.model.changes
        assert coverage.held_out == sum(work.guesses > 0 for work in self.model.tracked.values())

    @invariant()
    def nobody_works_on_two_things_at_once(self) -> None:
        if self.model.parallel:
            return
        for user in USERS:
            mine = [work for work in self.model.tracked.values() if work.user == user]
            stretches = sorted(one for work in mine for one in work.stretches(self.model.now + SKEW))
            assert all(
                one[1] <= other[0] for one, other in pairwise(stretches) if one[0] < one[1] and other[0] < other[1]
            )

    def teardown(self) -> None:
        try:
            recorded = self.model.facts.recorded
            assert list(self.history.facts()) == wanted_facts(recorded)
            assert alerts_of(self.history) == wanted_alerts(recorded, oracle.GAP)
            for user in USERS:
                pages = list(paged(self.history, user))
                assert {work.id for work in self.model.tracked.values() if work.user == user} == set(pages)
                assert len(set(pages)) == len(pages)
        finally:
            for history in self.histories:
                history.close()


def answer_of(ask: Callable[[], Any]) -> Any:
    """Return the answer, or the error."""
    try:
        return ask()
    except TimestrataError as error:
        return error


def refusal_of(ask: Callable[[], object]) -> str:
    """Return the name of the error that is wanted, "" for none."""
    try:
        ask()
    except Refused as refused:
        return str(refused)
    return ""


def paged(history: History, user: str) -> Iterator[str]:
    after = None
    while True:
        page = history.tracking.workflows(user, limit=2, after=after)
        yield from (workflow.workflow_id for workflow in page.workflows)
        after = page.next
        if after is None:
            return


def altered(fact: CompletedWorkflow, alteration: str) -> CompletedWorkflow:
    if alteration == "longer":
        return replace(fact, steps=(StepTime(0, "Analyse", 5000, 60),))
    if alteration == "other day":
        return replace(fact, completed_at=fact.completed_at + timedelta(days=1))
    if alteration == "other zone":
        return replace(fact, timezone="Pacific/Auckland")
    return fact


def check_replay(first: Any, again: Any, exactly: bool) -> None:
    """The repetition of a call is answered as the call was."""
    if isinstance(first, Completion):
        assert again.status == ("held" if first.status == "held" else "replayed")
        assert (again.comparison, again.steps) == (first.comparison, first.steps)
        first, again = first.workflow, again.workflow
    assert isinstance(first, TrackedWorkflow)
    if exactly:
        assert again == first
    assert [timeless(session) for session in again.sessions] == [timeless(session) for session in first.sessions]
    assert (again.state, again.events, again.finished_at) == (first.state, first.events, first.finished_at)


def timeless(session: TrackedSession) -> TrackedSession:
    return session if session.ended_at else replace(session, active_seconds=0, paused_seconds=0)


def check_shown(shown: TrackedWorkflow, work: Tracked, now: datetime) -> None:
    """What is shown is what the model has, with seconds counted up to now, or to the last event if that is later."""
    version, now = work.version, max(now, work.last)
    assert (shown.user_id, shown.workflow_id, shown.state, shown.events) == (
        work.user,
        work.id,
        work.state,
        work.events,
    )
    assert (shown.template, shown.ticket_type, shown.timezone) == (version.name, version.ticket_type, work.zone)
    assert tuple((step.name, step.estimated_seconds) for step in shown.steps) == tuple(
        (name, estimate or None) for name, estimate in version.steps
    )
    assert (shown.started_at, shown.finished_at, shown.as_of) == (work.stints[0].marks[0], work.finished, now)
    assert len(shown.sessions) == len(work.stints)
    for session, stint in zip(shown.sessions, work.stints, strict=True):
        assert (session.step_index, session.ended_at, session.forgotten) == (stint.step, stint.ended, stint.guessed)
        marks = [
            session.started_at,
            *(at for pause in session.pauses for at in (pause.paused_at, pause.resumed_at) if at),
        ]
        assert marks == stint.marks
        at_work = sum((max(timedelta(), until - since) for since, until in stint.stretches(now)), timedelta())
        assert session.active_seconds == (at_work + timedelta(seconds=0.5)) // timedelta(seconds=1)
    assert shown.active_seconds == sum(session.active_seconds for session in shown.sessions)
    assert (shown.current is not None) == (work.stints[-1].ended is None)


# --------------------------------------------------------------------------------------------------------- the run


@pytest.fixture
def stores(store_url: str) -> Iterator[Stores]:
    engine, _ = engine_for(store_url)
    open_history(store_url).close()
    yield Stores(store_url, engine)
    engine.dispose()


def test_live_work_is_counted_as_it_was_done_in_any_history(backend: str, stores: Stores) -> None:
    machine = type("ToldHere", (Told,), {"stores": stores})
    chosen = PROFILES.get(os.environ.get("HYPOTHESIS_PROFILE", ""), PROFILES[backend])

    run_state_machine_as_test(machine, settings=chosen)
