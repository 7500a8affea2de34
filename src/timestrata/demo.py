"""A made-up history of a small QA team: two years, the same on every machine. For the demo, the docs and tests."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from heapq import merge
from itertools import count
from random import Random
from zoneinfo import ZoneInfo

from timestrata.facts import CompletedWorkflow, Pause, StepTime, TimeSession

UNTIL = date(2025, 6, 30)
"""The last day of the history, unless another one is asked for."""

DAYS = 730

_MINUTE = 60
_HOUR = 3600


@dataclass(frozen=True, slots=True)
class Step:
    """A step of a template: its usual time, and whether the team estimates it on its own."""

    name: str
    minutes: int
    estimated: bool = False
    growth: float = 0.0
    """The share by which it takes longer at the end of the history."""


@dataclass(frozen=True, slots=True)
class Template:
    """A workflow template with the weights of the ticket types it is used for."""

    name: str
    ticket_types: dict[str, int]
    steps: tuple[Step, ...]
    back_to: int
    """The step that a run goes back to when it finds trouble."""


REGRESSION = Template(
    "Regression test",
    {"Story": 7, "Task": 3},
    (
        Step("Plan", 17, estimated=True),
        Step("Prepare data", 26, estimated=True),
        # The suite grows with the product, and nobody takes anything out of it.
        Step("Execute", 46, estimated=True, growth=1.6),
        Step("Look into failures", 28, growth=0.5),
        Step("Report", 14, estimated=True),
    ),
    back_to=2,
)
VERIFICATION = Template(
    "Bug verification",
    {"Bug": 1},
    (Step("Reproduce", 19), Step("Check the fix", 17), Step("Test around it", 22), Step("Report", 7)),
    back_to=1,
)
EXPLORATION = Template(
    "Exploratory session",
    {"Story": 6, "Task": 2, "Bug": 1},
    (Step("Charter", 11), Step("Explore", 74, estimated=True), Step("Write up findings", 19), Step("Debrief", 12)),
    back_to=1,
)
RELEASE = Template(
    "Release check",
    {"Task": 1},
    (
        Step("Smoke test", 34, estimated=True),
        Step("Upgrade test", 48, estimated=True),
        Step("Rollback test", 39, estimated=True),
        Step("Performance check", 51, estimated=True),
        Step("Release notes", 18),
        Step("Sign-off", 11),
    ),
    back_to=1,
)
INCIDENT = Template("Bug verification", {"Incident": 1}, VERIFICATION.steps, back_to=1)
TEMPLATES = (REGRESSION, VERIFICATION, EXPLORATION, RELEASE)


@dataclass(frozen=True, slots=True)
class Person:
    """One of the team. `pace` is the time they take against the usual; `learning` is added to it at the start."""

    user_id: str
    timezone: str
    weights: tuple[int, int, int, int]
    """How often they do each of TEMPLATES."""
    pace: float = 1.0
    learning: float = 0.0
    optimism: float = 1.0
    """Their estimates against the usual time: below 1 is too little."""
    joined_after_days: int = 0
    holidays: tuple[tuple[int, int], ...] = ()
    """(month, day) of the fixed public holidays where they live."""
    summer_week: int = 30
    """The ISO week in which their summer leave starts."""


_CHRISTMAS = ((1, 1), (12, 25))
TEAM = (
    Person("ana", "America/Sao_Paulo", (4, 9, 3, 1), 0.95, 0.0, 0.98, 0, (*_CHRISTMAS, (9, 7), (10, 12), (11, 15)), 2),
    Person("björn", "Europe/Berlin", (6, 7, 3, 3), 1.02, 0.0, 1.06, 0, (*_CHRISTMAS, (5, 1), (10, 3), (12, 26)), 31),
    Person("chidi", "Africa/Lagos", (3, 9, 5, 1), 1.05, 0.0, 0.8, 0, (*_CHRISTMAS, (5, 1), (10, 1)), 33),
    Person("lena", "Europe/Berlin", (4, 10, 3, 0), 0.9, 0.75, 1.0, 95, (*_CHRISTMAS, (5, 1), (10, 3), (12, 26)), 34),
    Person("priya", "Asia/Kolkata", (6, 8, 3, 3), 0.92, 0.0, 1.0, 0, ((1, 26), (8, 15), (10, 2), (12, 25)), 20),
    Person("zoe", "America/New_York", (2, 7, 8, 1), 1.0, 0.12, 0.9, 0, (*_CHRISTMAS, (6, 19), (7, 4), (11, 11)), 28),
)


class Dice:
    """Draws that are the same on every platform and Python: of Random only random() is promised to stay as it is.

    Nothing but + - * / on what it gives, because exp() and log() differ in their last digit between platforms.
    """

    __slots__ = ("_draw",)

    def __init__(self, seed: str) -> None:
        self._draw = Random(seed).random

    def chance(self, share: float) -> bool:
        """Return True in this share of the calls."""
        return self._draw() < share

    def between(self, low: int, high: int) -> int:
        """Return a whole number from low to high, both included, each as likely."""
        return low + int(self._draw() * (high - low + 1))

    def factor(self, sigma: float) -> float:
        """Return a factor about 1, above and below it alike, skewed as durations are (nearly log-normal)."""
        normal = sum(self._draw() for _ in range(12)) - 6.0
        power = 1.0 + sigma * normal / 16.0
        for _ in range(4):
            power *= power
        return power

    def index(self, weights: Sequence[int]) -> int:
        """Return an index, each as likely as its weight."""
        rest = self._draw() * sum(weights)
        for index, weight in enumerate(weights):
            rest -= weight
            if rest < 0:
                return index
        return len(weights) - 1


@dataclass(slots=True)
class _Run:
    """A workflow on its way: what is left to do, and the sessions so far."""

    template: Template
    ticket_key: str
    ticket_type: str
    estimates: tuple[int | None, ...]
    """Of the whole, then of each step."""
    visits: list[tuple[int, int]]
    """(step, seconds) that are left, in order."""
    sessions: dict[int, list[TimeSession]] = field(default_factory=dict)

    def completed(self, person: Person, number: int) -> CompletedWorkflow:
        sessions = [session for visited in self.sessions.values() for session in visited]
        names = [step.name for step in self.template.steps]
        return CompletedWorkflow(
            workflow_id=f"{person.user_id}-{number:04}",
            user_id=person.user_id,
            ticket_key=self.ticket_key,
            ticket_type=self.ticket_type,
            template=self.template.name,
            started_at=min(session.started_at for session in sessions),
            completed_at=max(session.ended_at for session in sessions),
            steps=tuple(
                StepTime(index, names[index], estimated_seconds=self.estimates[index + 1], sessions=tuple(visited))
                for index, visited in sorted(self.sessions.items())
            ),
            estimated_seconds=self.estimates[0],
            timezone=person.timezone,
        )


def workflows(until: date = UNTIL) -> Iterator[CompletedWorkflow]:
    """Yield what the team completed in the 730 days to `until`, in the order of completion: about 5,000 workflows.

    Weekdays, holidays and leave follow the calendar, so another `until` gives another history, not a shifted one.

    >>> next(workflows()).workflow_id
    'priya-0001'
    """
    people = (_Worker(person, until).workflows() for person in TEAM)
    yield from merge(*people, key=lambda workflow: (workflow.completed_at, workflow.user_id))


class _Worker:
    """One person at work, day by day."""

    def __init__(self, person: Person, until: date) -> None:
        self._person = person
        self._dice = Dice(f"timestrata demo {person.user_id}")
        self._zone = ZoneInfo(person.timezone)
        self._first = until - timedelta(days=DAYS - 1)
        self._until = until
        self._run: _Run | None = None

    def workflows(self) -> Iterator[CompletedWorkflow]:
        numbers = count(1)
        for passed in range(self._person.joined_after_days, DAYS):
            day = self._first + timedelta(days=passed)
            if self._is_off(day):
                continue
            for run in self._work(day, passed):
                workflow = run.completed(self._person, next(numbers))
                if workflow.completed_at.astimezone(self._zone).date() <= self._until:
                    yield workflow

    def _is_off(self, day: date) -> bool:
        leave = self._person.summer_week <= day.isocalendar().week < self._person.summer_week + 3
        holiday = (day.month, day.day) in self._person.holidays or (day.month == 12 and day.day > 23)
        ill = self._dice.chance(0.02)
        if day.weekday() >= 5:
            return not self._dice.chance(0.015)
        return leave or holiday or ill

    def _work(self, day: date, passed: int) -> Iterator[_Run]:
        """Yield the runs that are completed on a day, or in the night after it."""
        dice = self._dice
        at = 9 * _HOUR + dice.between(-35, 35) * _MINUTE
        end = 17 * _HOUR + dice.between(-40, 60) * _MINUTE
        while at < end - 15 * _MINUTE:
            run = self._run or self._begin(day, passed)
            at = self._sit(run, day, at, end)
            self._run = run if run.visits else None
            if self._run is None:
                yield run
            at += dice.between(45, 170) * _MINUTE if dice.chance(0.26) else dice.between(60, 840)
        if dice.chance(0.013):
            yield self._night(day, passed)

    def _night(self, day: date, passed: int) -> _Run:
        """An incident is looked into at once, and often past midnight."""
        run = self._plan(INCIDENT, passed, 1.4)
        at = 22 * _HOUR + self._dice.between(0, 100) * _MINUTE
        while run.visits:
            at = self._sit(run, day, at, 40 * _HOUR) + self._dice.between(5, 240)
        return run

    def _begin(self, day: date, passed: int) -> _Run:
        dice, weights = self._dice, list(self._person.weights)
        if day.isocalendar().week % 2 == 0 and day.weekday() in (2, 3):  # releases go out every other Thursday
            weights[0] *= 2
            weights[3] *= 6
        elif day.weekday() < 5:
            weights[3] = 0
        template = TEMPLATES[dice.index(weights)]
        if template is VERIFICATION and dice.chance(0.09):
            template = INCIDENT
        return self._plan(template, passed, 1.0)

    def _plan(self, template: Template, passed: int, times: float) -> _Run:
        """Draw how long each step of a new run will take, and what was estimated before."""
        dice = self._dice
        types = list(template.ticket_types)
        ticket_type = types[dice.index(list(template.ticket_types.values()))]
        size = times * dice.factor(0.3)
        visits = [
            (index, max(20, int(step.minutes * _MINUTE * size * self._pace(passed, step) * dice.factor(0.25))))
            for index, step in enumerate(template.steps)
            if index in (0, template.back_to) or not dice.chance(0.03)
        ]
        if dice.chance(0.07):
            visits = _with_rework(visits, template.back_to, dice)
        key = (
            f"INC-{100 + passed // 3}"
            if ticket_type == "Incident"
            else f"SHOP-{2100 + passed * 9 + dice.between(0, 60)}"
        )
        return _Run(template, key, ticket_type, self._estimates(template, size, passed), visits)

    def _pace(self, passed: int, step: Step) -> float:
        """Return the time a step takes against the usual: people learn, and some steps grow."""
        person = self._person
        ahead = 1.0 - (passed - person.joined_after_days) / (DAYS - person.joined_after_days)
        return (person.pace + person.learning * ahead * ahead) * (1.0 + step.growth * passed / DAYS)

    def _estimates(self, template: Template, size: float, passed: int) -> tuple[int | None, ...]:
        """Guess the size of a ticket from afar, in quarters of an hour, steps in units of 5 minutes.

        That a step has grown is noticed half a year late.
        """
        dice = self._dice
        guess = 1.15 * (0.3 + 0.7 * size) * self._person.optimism * dice.factor(0.12)
        if dice.chance(0.08):
            return (None,) * (len(template.steps) + 1)
        noticed = max(0, passed - 180) / DAYS
        minutes = [guess * step.minutes * (1.0 + step.growth * noticed) for step in template.steps]
        return _rounded(sum(minutes), 15), *(
            _rounded(each, 5) if step.estimated else None for step, each in zip(template.steps, minutes, strict=True)
        )

    def _sit(self, run: _Run, day: date, at: int, end: int) -> int:
        """Work on the next step in one sitting from `at` seconds after local midnight; return when it ended."""
        index, seconds = run.visits.pop(0)
        active = min(seconds, self._dice.between(45, 130) * _MINUTE, max(10 * _MINUTE, end - at))
        if active < seconds:
            run.visits.insert(0, (index, seconds - active))
        started = self._moment(day, at)
        pauses = tuple(self._pauses(started, at, active))
        ended = started + timedelta(seconds=active) + sum((p.resumed_at - p.paused_at for p in pauses), timedelta())
        run.sessions.setdefault(index, []).append(TimeSession(started, ended, pauses=pauses))
        return at + int((ended - started).total_seconds())

    def _pauses(self, started: datetime, at: int, active: int) -> Iterator[Pause]:
        """Yield lunch when the sitting runs into it, else now and then a break."""
        dice = self._dice
        noon = 12 * _HOUR + dice.between(0, 45) * _MINUTE
        if at < noon < at + active:
            paused, length = started + timedelta(seconds=noon - at), dice.between(28 * _MINUTE, 52 * _MINUTE)
        elif active > 15 * _MINUTE and dice.chance(0.3):
            paused = started + timedelta(seconds=dice.between(300, active - 60))
            length = dice.between(3 * _MINUTE, 14 * _MINUTE)
        else:
            return
        yield Pause(paused, paused + timedelta(seconds=length))

    def _moment(self, day: date, seconds: int) -> datetime:
        midnight = datetime.combine(day, datetime.min.time(), self._zone)
        return midnight.astimezone(UTC) + timedelta(seconds=seconds)


def _rounded(minutes: float, unit: int) -> int:
    """Return seconds in whole units of minutes, at least one."""
    return max(1, int(minutes / unit + 0.5)) * unit * _MINUTE


def _with_rework(visits: list[tuple[int, int]], back_to: int, dice: Dice) -> list[tuple[int, int]]:
    """Return visits that go back once: the fix did not hold, so a step and what follows it are done again, faster."""
    start = next(position for position, (index, _) in enumerate(visits) if index == back_to)
    stop = min(start + dice.between(2, 3), len(visits))
    again = [(index, max(20, seconds * dice.between(25, 60) // 100)) for index, seconds in visits[start:stop]]
    return [*visits[:stop], *again, *visits[stop:]]
