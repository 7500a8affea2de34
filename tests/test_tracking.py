"""Live tracking on both databases: figures, answers, refusals, idempotency, forgotten sessions, crashes, rivals."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from fractions import Fraction
from itertools import count
from pathlib import Path
from threading import Barrier
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from facts_made import NINE, assert_in_step, at, cells_of, dump, fold, made
from fold import wipe
from processes import PROCESSES
from sqlalchemy import event, select, text
from strategies import TEMPLATES, TICKET_TYPES, USERS, WORKFLOW_IDS
from test_transactions import OPERATIONS, Faults

from timestrata import (
    CompletedWorkflow,
    History,
    InvalidFact,
    InvalidRequest,
    Settings,
    StepTime,
    TimeSession,
    open_history,
    schema,
)
from timestrata.calendar import day_date
from timestrata.errors import (
    KeyReused,
    SessionRunning,
    TimestrataError,
    UnknownSession,
    UnknownTemplate,
    UntrackedWorkflow,
    WorkflowExists,
    WrongState,
)
from timestrata.facts import MAX_ESTIMATE_SECONDS
from timestrata.ingest import Context
from timestrata.tracked import Completion, TemplateStep, TrackedWorkflow, checked_steps
from timestrata.tracking import Tracking, TrackingRules

HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
SECOND = timedelta(seconds=1)


class Clock:
    """A clock that goes on when it is told to, from a Monday at nine."""

    def __init__(self) -> None:
        self.now = NINE

    def __call__(self) -> datetime:
        return self.now

    def on(self, span: timedelta) -> datetime:
        self.now += span
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def history(store_url: str, clock: Clock) -> Iterator[History]:
    """A history with two templates and no facts."""
    with open_history(store_url, clock=clock) as opened:
        opened.tracking.put_template("QA", "Bug", [TemplateStep("Analyse", 600), TemplateStep("Test", 1200)])
        opened.tracking.put_template("Release", "Feature", ["Build", "Test", "Ship"])
        yield opened


@pytest.fixture
def tracking(history: History) -> Tracking:
    return history.tracking


@contextmanager
def elsewhere(history: History, clock: Clock, **rules: Any) -> Iterator[History]:
    """The same store as another process has it."""
    url = history.engine.url.render_as_string(hide_password=False)
    with open_history(url, tracking=TrackingRules(**rules), clock=clock) as opened:
        yield opened


def new_store(url: str, clock: Clock, settings: Settings) -> History:
    """Open a store that has settings of its own."""
    with open_history(url) as made_before:
        wipe(made_before.engine)
    return open_history(url, settings=settings, clock=clock)


LIVE = (schema.workflow, schema.workflow_event, schema.open_workflow, schema.template_version)


def everything(history: History) -> tuple[object, ...]:
    """Return all that live work consists of and leads to, and how many changes there were."""
    with history.engine.connect() as connection:
        live = [sorted(map(repr, connection.execute(select(table)))) for table in LIVE]
    return dump(history), live, history.summary("all_time").coverage.revision


@contextmanager
def refused(history: History, error: type[Exception], match: str | None = None) -> Iterator[None]:
    """What is done inside raises the error, and nothing has changed."""
    before = everything(history)
    with pytest.raises(error, match=match):
        yield
    assert everything(history) == before


def all_refused(
    history: History, error: type[Exception], match: str, wrong: Iterable[Any], call: Callable[[Any], Any]
) -> None:
    """A call raises the error for each of the arguments, and nothing has changed."""
    with refused(history, error, match):
        for argument in wrong:
            with pytest.raises(error, match=match) as met:
                call(argument)
        raise met.value


def worked(history: History) -> dict[str, tuple[int, int]]:
    """Return (worked seconds, sessions) by local day, of all users."""
    found: dict[str, tuple[int, int]] = {}
    for key, (seconds, sessions) in cells_of(history).worked.items():
        day = str(day_date(key[1]))  # type: ignore[arg-type]
        before = found.get(day, (0, 0))
        found[day] = (before[0] + seconds, before[1] + sessions)
    return found


def events(history: History) -> int:
    with history.engine.connect() as connection:
        return len(connection.execute(select(schema.workflow_event)).all())


def start(tracking: Tracking, workflow_id: str = "w1", user_id: str = "ada", **more: Any) -> TrackedWorkflow:
    return tracking.start_workflow(user_id, more.pop("template", "QA"), "TK-1", workflow_id=workflow_id, **more)


def forgotten(tracking: Tracking, clock: Clock, workflow_id: str = "w1", **more: Any) -> str:
    """Start a workflow, let it run for a day, sweep; return the id of its session."""
    started = start(tracking, workflow_id, **more)
    clock.on(24 * HOUR)
    assert tracking.end_forgotten() == 1
    return started.sessions[0].id


# ---------------------------------------------------------------------------------------------------- a whole ticket


def whole_ticket(tracking: Tracking, clock: Clock) -> Completion:
    """Analyse for 10 minutes, a break, analyse for 2, test for 20, and come back to the analysis for 1."""
    start(tracking, estimated_seconds=1500, attributes={"sprint": 8})
    clock.on(10 * MINUTE)
    tracking.pause("ada", "w1")
    clock.on(30 * MINUTE)
    tracking.resume("ada", "w1")
    clock.on(2 * MINUTE)
    tracking.start_step("ada", "w1", 1)
    clock.on(20 * MINUTE)
    tracking.start_step("ada", "w1", 0)
    clock.on(MINUTE)
    return tracking.complete("ada", "w1")


def test_a_tracked_ticket_counts_as_the_same_facts_imported(
    history: History, clock: Clock, make_store: Callable[[], str]
) -> None:
    whole_ticket(history.tracking, clock)
    assert_in_step(history)

    with open_history(make_store(), clock=clock) as other:
        outcomes = other.record(list(history.facts()))

        assert outcomes.count("recorded") == 1
        assert dump(other) == dump(history)
        assert list(other.facts()) == list(history.facts())
        assert other.summary("all_time").gap_alerts == history.summary("all_time").gap_alerts == 1


def test_a_tracked_ticket_counts_as_the_same_facts_written_by_hand(
    history: History, clock: Clock, make_store: Callable[[], str]
) -> None:
    whole_ticket(history.tracking, clock)
    document = {
        "workflow_id": "w1",
        "user_id": "ada",
        "ticket_key": "TK-1",
        "ticket_type": "Bug",
        "template": "QA",
        "started_at": "2024-05-06T09:00:00Z",
        "completed_at": "2024-05-06T10:03:00Z",
        "estimated_seconds": 1500,
        "timezone": "UTC",
        "attributes": {"sprint": 8},
        "steps": [
            {
                "index": 0,
                "name": "Analyse",
                "estimated_seconds": 600,
                "sessions": [
                    {
                        "started_at": "2024-05-06T09:00:00Z",
                        "ended_at": "2024-05-06T09:42:00Z",
                        "pauses": [{"paused_at": "2024-05-06T09:10:00Z", "resumed_at": "2024-05-06T09:40:00Z"}],
                    },
                    {"started_at": "2024-05-06T10:02:00Z", "ended_at": "2024-05-06T10:03:00Z"},
                ],
            },
            {
                "index": 1,
                "name": "Test",
                "estimated_seconds": 1200,
                "sessions": [{"started_at": "2024-05-06T09:42:00Z", "ended_at": "2024-05-06T10:02:00Z"}],
            },
        ],
    }

    with open_history(make_store(), clock=clock) as other:
        assert other.record(document).status == "recorded"

        assert dump(other) == dump(history)


def test_a_completion_is_compared_with_the_estimates(history: History, clock: Clock) -> None:
    done = whole_ticket(history.tracking, clock)

    assert done.status == "recorded"
    assert (done.comparison.actual_seconds, done.comparison.estimated_seconds) == (1980, 1500)
    assert (done.comparison.ratio, done.comparison.level, done.comparison.gap_alert) == (1.32, "gap", True)
    assert [(one.index, one.name, one.actual_seconds, one.level) for one in done.steps] == [
        (0, "Analyse", 780, "gap"),
        (1, "Test", 1200, "within"),
    ]
    assert [(alert.kind, alert.step_name, alert.actual_seconds) for alert in history.alerts()] == [
        ("workflow", None, 1980),
        ("step", "Analyse", 780),
    ]
    assert history.workflow("ada", "w1").revision == 1
    assert history.summary("all_time").reworked == 1


@pytest.mark.parametrize(
    ("actual", "estimate", "level"),
    [
        (600, 601, "within"),
        (600, 600, "within"),
        (601, 600, "over"),
        (720, 600, "over"),
        (78, 65, "over"),
        (721, 600, "gap"),
        (0, 600, "within"),
        (600, 0, None),
        (600, None, None),
    ],
)
def test_a_time_is_within_over_or_a_gap_against_its_estimate(
    history: History, clock: Clock, actual: int, estimate: int | None, level: str | None
) -> None:
    history.tracking.put_template("One", "Bug", [TemplateStep("Only", estimate)])
    start(history.tracking, template="One")
    clock.on(actual * SECOND)

    done = history.tracking.complete("ada", "w1")

    for compared in (done.comparison, done.steps[0]):
        assert (compared.level, compared.gap_alert) == (level, level == "gap")
        assert compared.ratio == (actual / estimate if estimate else None)
        assert (compared.actual_seconds, compared.estimated_seconds) == (actual, estimate or None)
    assert len(history.alerts()) == (2 if level == "gap" else 0)


def test_the_threshold_of_the_store_decides_what_a_gap_is(make_store: Callable[[], str], clock: Clock) -> None:
    with new_store(make_store(), clock, Settings(gap_threshold=Fraction(3, 2))) as history:
        history.tracking.put_template("QA", "Bug", [TemplateStep("Only", 100)])
        start(history.tracking)
        clock.on(150 * SECOND)

        assert history.tracking.complete("ada", "w1").comparison.level == "over"


def test_an_estimate_given_at_the_start_goes_before_the_templates(tracking: Tracking) -> None:
    assert start(tracking, "w1").estimated_seconds == 1800
    assert start(tracking, "w2", "bob", estimated_seconds=77).estimated_seconds == 77


def test_a_whole_estimate_is_that_of_the_steps_where_each_has_one(tracking: Tracking) -> None:
    steps = [TemplateStep("a", 10), TemplateStep("b", 20)]

    assert tracking.put_template("1", "Bug", steps).estimated_seconds == 30
    assert tracking.put_template("2", "Bug", steps, estimated_seconds=50).estimated_seconds == 50
    assert tracking.put_template("3", "Bug", [*steps, "c"]).estimated_seconds is None
    assert tracking.put_template("4", "Bug", [*steps, TemplateStep("c", 0)]).estimated_seconds is None


def test_a_workflow_shows_its_steps_sessions_and_pauses(tracking: Tracking, clock: Clock) -> None:
    start(tracking)
    clock.on(10 * MINUTE)
    tracking.pause("ada", "w1")
    clock.on(5 * MINUTE)
    tracking.resume("ada", "w1")
    clock.on(5 * MINUTE)
    tracking.start_step("ada", "w1", 1)
    clock.on(3 * MINUTE)

    shown = tracking.workflow("ada", "w1")

    assert (shown.state, shown.active_seconds, shown.paused_seconds, shown.events) == ("active", 1080, 300, 4)
    assert [(step.index, step.active_seconds, step.sessions) for step in shown.steps] == [(0, 900, 1), (1, 180, 1)]
    assert shown.current == shown.sessions[1] == tracking.sessions("ada", "w1")[1]
    assert [(one.paused_at, one.resumed_at) for one in shown.sessions[0].pauses] == [
        (NINE + 10 * MINUTE, NINE + 15 * MINUTE)
    ]
    assert tracking.session(shown.sessions[0].id) == (shown, shown.sessions[0])
    assert (shown.started_at, shown.as_of, shown.finished_at) == (NINE, clock.now, None)


# ----------------------------------------------------------------------------------------- worked time, on its days


def test_the_time_of_a_session_counts_as_soon_as_it_has_ended(history: History, clock: Clock) -> None:
    tracking = history.tracking
    start(tracking)
    clock.on(10 * MINUTE)
    tracking.pause("ada", "w1")
    assert worked(history) == {}
    tracking.start_step("ada", "w1", 1)
    assert worked(history) == {"2024-05-06": (600, 1)}
    clock.on(5 * MINUTE)
    tracking.end_step("ada", "w1")
    assert worked(history) == {"2024-05-06": (900, 2)}
    assert history.summary("today", "ada").worked_seconds == 900
    assert history.summary("today", "ada").completed == 0

    tracking.complete("ada", "w1")

    assert worked(history) == {"2024-05-06": (900, 2)}
    assert_in_step(history)


def test_cancelled_work_stays_worked_and_is_never_completed(history: History, clock: Clock) -> None:
    start(history.tracking)
    clock.on(10 * MINUTE)

    cancelled = history.tracking.cancel("ada", "w1")

    assert (cancelled.state, cancelled.current, cancelled.finished_at) == ("cancelled", None, clock.now)
    assert worked(history) == {"2024-05-06": (600, 1)}
    assert history.summary("all_time").completed == 0
    assert list(history.facts()) == []


def test_a_session_over_midnight_counts_on_both_days(history: History, clock: Clock) -> None:
    clock.now = at("2024-05-06T23:50")
    start(history.tracking)
    clock.on(30 * MINUTE)
    history.tracking.end_step("ada", "w1")

    assert worked(history) == {"2024-05-06": (600, 1), "2024-05-07": (1200, 0)}
    history.tracking.complete("ada", "w1")
    assert worked(history) == {"2024-05-06": (600, 1), "2024-05-07": (1200, 0)}
    assert_in_step(history)


def test_a_pause_over_night_leaves_each_day_its_own_work(history: History, clock: Clock) -> None:
    clock.now = at("2024-05-06T17:00")
    start(history.tracking)
    history.tracking.pause("ada", "w1", at=clock.on(HOUR))
    history.tracking.resume("ada", "w1", at=clock.on(15 * HOUR))
    history.tracking.end_step("ada", "w1", at=clock.on(2 * HOUR))

    assert worked(history) == {"2024-05-06": (3600, 1), "2024-05-07": (7200, 0)}


def test_a_day_without_an_hour_has_the_hours_it_has(history: History, clock: Clock) -> None:
    """In Berlin 31 March 2024 began at 23:00 UTC and ended at 22:00."""
    clock.now = at("2024-03-30T22:30")
    start(history.tracking, timezone="Europe/Berlin")
    for _ in range(2):
        clock.on(11 * HOUR)
        history.tracking.pause("ada", "w1")
        history.tracking.resume("ada", "w1")
    clock.on(HOUR + 30 * MINUTE)
    history.tracking.complete("ada", "w1", at=at("2024-03-31T22:00:01"))

    assert worked(history) == {"2024-03-30": (1800, 1), "2024-03-31": (23 * 3600, 0), "2024-04-01": (1, 0)}
    assert [fact.timezone for fact in history.facts()] == ["Europe/Berlin"]
    assert_in_step(history)


def test_a_workflow_keeps_the_zone_it_was_started_in(history: History, clock: Clock) -> None:
    clock.now = at("2024-05-06T23:30")
    history.set_timezone("ada", "America/Sao_Paulo")
    start(history.tracking)
    clock.on(10 * MINUTE)
    history.tracking.start_step("ada", "w1", 1)
    history.set_timezone("ada", "Asia/Kathmandu")
    clock.on(10 * MINUTE)

    done = history.tracking.complete("ada", "w1")
    second = start(history.tracking, "w2")

    assert (done.workflow.timezone, second.timezone) == ("America/Sao_Paulo", "Asia/Kathmandu")
    assert worked(history) == {"2024-05-06": (1200, 2)}
    assert [row.day for row in history.workflows("all_time")] == [date(2024, 5, 6)]
    assert_in_step(history)


def test_the_zone_is_the_calls_else_the_users_else_the_stores(make_store: Callable[[], str], clock: Clock) -> None:
    with new_store(make_store(), clock, Settings(timezone="Asia/Kathmandu")) as history:
        history.tracking.put_template("QA", "Bug", ["a"])
        history.set_timezone("bob", "Europe/Berlin")

        assert start(history.tracking).timezone == "Asia/Kathmandu"
        assert start(history.tracking, "w1", "bob").timezone == "Europe/Berlin"
        assert start(history.tracking, "w1", "eve", timezone="UTC").timezone == "UTC"


def test_a_day_that_starts_late_takes_the_work_after_midnight(make_store: Callable[[], str], clock: Clock) -> None:
    with new_store(make_store(), clock, Settings(day_start=time(4))) as history:
        history.tracking.put_template("QA", "Bug", ["a"])
        clock.now = at("2024-05-07T03:00")
        start(history.tracking)
        history.tracking.end_step("ada", "w1", at=clock.on(2 * HOUR))

        assert worked(history) == {"2024-05-06": (3600, 1), "2024-05-07": (3600, 0)}
        history.tracking.complete("ada", "w1")
        assert_in_step(history)


def test_what_is_recorded_while_another_workflow_is_tracked_is_kept_apart(history: History, clock: Clock) -> None:
    tracking = history.tracking
    for name in ("w1", "w2", "w3"):
        history.record(made(f"before {name}", 60))
        start(tracking, name)
        history.record(made(f"after {name}", 60))
        tracking.pause("ada", name, at=clock.on(MINUTE))
    for name in ("w2", "w3", "w1"):
        tracking.complete("ada", name)
        history.record(made(f"then {name}", 60))

    for fact in list(history.facts()):
        history.correct(replace(fact, ticket_key="TK-2"))

    assert history.summary("all_time").completed == len(list(history.facts())) == 12
    assert {fact.ticket_key for fact in history.facts()} == {"TK-2"}
    with history.engine.connect() as connection:
        numbers = connection.execute(select(schema.receipt.c.number)).scalars().all()
    assert len(set(numbers)) == 12
    assert_in_step(history)


def test_a_corrected_completion_is_corrected_in_all_its_figures(history: History, clock: Clock) -> None:
    whole_ticket(history.tracking, clock)
    [fact] = history.facts()

    history.correct(replace(fact, completed_at=fact.completed_at + timedelta(days=1)))
    assert_in_step(history)
    history.delete("ada", "w1")

    assert worked(history) == {}
    assert_in_step(history)
    again = history.tracking.complete("ada", "w1")
    assert (again.status, again.comparison.actual_seconds) == ("replayed", 1980)
    assert worked(history) == {}


# -------------------------------------------------------------------------------------------------------- idempotency


def calls(tracking: Tracking, clock: Clock) -> Iterator[tuple[str, Callable[[str | None], Any]]]:
    """Yield (key, call) for each kind of call, to be made at the time they are yielded."""
    yield "start", lambda key: start(tracking, key=key)
    clock.on(10 * MINUTE)
    yield "pause", lambda key: tracking.pause("ada", "w1", key=key)
    clock.on(10 * MINUTE)
    yield "resume", lambda key: tracking.resume("ada", "w1", key=key)
    clock.on(10 * MINUTE)
    yield "step", lambda key: tracking.start_step("ada", "w1", 1, key=key)
    clock.on(10 * MINUTE)
    yield "end", lambda key: tracking.end_step("ada", "w1", key=key)
    yield "again", lambda key: tracking.start_step("ada", "w1", 0, key=key)
    clock.on(24 * HOUR)
    session = tracking.workflow("ada", "w1").sessions[-1].id
    yield "confirm", lambda key: tracking.confirm(session, key=key)
    yield "complete", lambda key: tracking.complete("ada", "w1", key=key)
    yield "other", lambda key: start(tracking, "w2", key=key)
    clock.on(HOUR)
    yield "cancel", lambda key: tracking.cancel("ada", "w2", key=key)


def test_a_call_under_its_key_is_carried_out_once_and_answered_as_it_was(history: History, clock: Clock) -> None:
    made_calls = []
    for key, call in calls(history.tracking, clock):
        made_calls.append((key, call, call(key)))
        before = everything(history)
        for earlier, again, first in made_calls:
            answer = again(earlier)
            if isinstance(answer, Completion):
                assert answer.status == "replayed"
                answer = replace(answer, status=first.status)
            if earlier == "confirm":
                answer = replace(answer, as_of=first.as_of)
            assert answer == first, earlier
        assert everything(history) == before
    assert len(made_calls) == 10


def test_a_key_is_known_again_by_another_process(history: History, clock: Clock) -> None:
    first = start(history.tracking, key="k")

    with elsewhere(history, clock) as other:
        assert start(other.tracking, key="k") == first


def test_another_call_under_the_same_key_is_refused(history: History) -> None:
    tracking = history.tracking
    start(tracking)
    tracking.pause("ada", "w1", key="k")
    start(tracking, "w2")
    others: list[Callable[[], Any]] = [
        lambda: tracking.pause("ada", "w1", at=NINE, key="k"),
        lambda: tracking.end_step("ada", "w1", key="k"),
        lambda: tracking.pause("ada", "w2", key="k"),
        lambda: tracking.pause("ada", "w1", session_id="1.1.0", key="k"),
        lambda: tracking.start_step("ada", "w1", 1, key="k"),
        lambda: tracking.complete("ada", "w1", key="k"),
        lambda: start(tracking, "w3", key="k"),
        lambda: tracking.confirm("1.1.0", key="k"),
        lambda: tracking.correct("1.1.0", NINE, key="k"),
    ]

    all_refused(history, KeyReused, "'k' was used for another call", others, lambda other: other())


def test_the_same_key_of_another_user_is_another_key(tracking: Tracking) -> None:
    ada, bob = start(tracking, key="k"), start(tracking, user_id="bob", key="k")

    assert (ada.user_id, bob.user_id) == ("ada", "bob")
    assert start(tracking, user_id="bob", key="k") == bob


def test_the_same_instant_in_another_zone_is_the_same_call(tracking: Tracking, clock: Clock) -> None:
    clock.on(HOUR)
    first = start(tracking, key="k", at=NINE)

    again = start(tracking, key="k", at=NINE.astimezone(ZoneInfo("Asia/Kathmandu")))

    assert (again.workflow_id, again.events) == (first.workflow_id, 1)


def test_a_start_without_an_id_makes_one_id_for_one_key(tracking: Tracking) -> None:
    first = tracking.start_workflow("ada", "QA", "TK-1", key="k")
    again = tracking.start_workflow("ada", "QA", "TK-1", key="k")
    tracking.end_step("ada", first.workflow_id)
    other = tracking.start_workflow("ada", "QA", "TK-1")

    assert first == again
    assert other.workflow_id != first.workflow_id


def test_a_refused_call_does_not_use_its_key(history: History, clock: Clock) -> None:
    start(history.tracking)
    with refused(history, WrongState):
        history.tracking.resume("ada", "w1", key="k")
    clock.on(MINUTE)

    assert history.tracking.pause("ada", "w1", key="k").events == 2


class AnswersLost:
    """Transactions whose first answer is lost after the commit, so that they are repeated."""

    def __init__(self, history: History) -> None:
        self._transactions = history.tracking._transactions

    def write(self, users: Any, action: Callable[[Context], Any]) -> Any:
        self._transactions.write(users, action)
        return self._transactions.write(users, action)

    def read(self, action: Any) -> Any:
        return self._transactions.read(action)


@pytest.mark.parametrize("keyed", [True, False])
def test_a_call_whose_commit_was_not_heard_of_is_carried_out_once(history: History, clock: Clock, keyed: bool) -> None:
    rules = history.settings.rules()
    tracking = Tracking(AnswersLost(history), TrackingRules(), rules, clock)

    for key, call in calls(tracking, clock):
        before = events(history)
        call(key if keyed else None)
        assert events(history) == before + (2 if key == "confirm" else 1), key

    assert tracking.put_template("QA", "bug", ["a"]).version == 2
    assert_worked_once(history)


def assert_worked_once(history: History) -> None:
    """The cells are those of the facts and of the sessions that are in none."""
    with history.engine.connect() as connection:
        c = schema.workflow.c
        named = select(schema.user.c.name, c.workflow_id).join(schema.user, schema.user.c.user_id == c.user_id)
        rows = connection.execute(named.where(c.state != schema.COMPLETED)).all()
    unrecorded = [session for row in rows for session in history.tracking.sessions(*row)]
    counted = sum(one.active_seconds for one in unrecorded if one.ended_at is not None and not one.forgotten)
    recorded = sum(fact.active_seconds for fact in history.facts())
    assert sum(seconds for seconds, _ in worked(history).values()) == counted + recorded
    completed = replace(cells_of(history), worked={})
    assert completed == replace(fold(history), worked={})


# --------------------------------------------------------------------------------------------------------------- times


def test_a_time_may_be_given_late(history: History, clock: Clock) -> None:
    clock.on(5 * HOUR)
    start(history.tracking, at=NINE)
    history.tracking.pause("ada", "w1", at=NINE + 10 * MINUTE)
    history.tracking.resume("ada", "w1", at=NINE + 20 * MINUTE)

    done = history.tracking.complete("ada", "w1", at=NINE + 30 * MINUTE)

    assert (done.workflow.started_at, done.workflow.finished_at) == (NINE, NINE + 30 * MINUTE)
    assert done.comparison.actual_seconds == 1200


@pytest.mark.parametrize("seconds", [61, 3600, 10**9])
def test_a_time_in_the_future_is_refused(history: History, clock: Clock, seconds: int) -> None:
    start(history.tracking)
    later = clock.now + timedelta(seconds=seconds)

    for call in (
        lambda: start(history.tracking, "w2", "bob", at=later),
        lambda: history.tracking.pause("ada", "w1", at=later),
        lambda: history.tracking.start_step("ada", "w1", 1, at=later),
        lambda: history.tracking.complete("ada", "w1", at=later),
        lambda: history.tracking.cancel("ada", "w1", at=later),
    ):
        with pytest.raises(InvalidRequest, match=r"at: .* not after now, 2024-05-06T09:00:00"):
            call()
    assert events(history) == 1


def test_a_time_that_a_clock_ahead_of_ours_gave_is_taken(tracking: Tracking, clock: Clock) -> None:
    ahead = clock.now + timedelta(seconds=60)

    started = start(tracking, at=ahead)
    paused = tracking.pause("ada", "w1")  # by our clock, which is behind

    assert (started.started_at, started.as_of, started.active_seconds) == (ahead, ahead, 0)
    assert paused.sessions[0].pauses[0].paused_at == ahead


def test_a_time_without_an_offset_or_out_of_range_is_refused(history: History) -> None:
    start(history.tracking)
    for wrong in (datetime(2024, 5, 6, 9), datetime(1, 1, 1, tzinfo=UTC), "2024-05-06T09:00:00Z", 0):
        with refused(history, InvalidFact, "^at: found"):
            history.tracking.pause("ada", "w1", at=wrong)  # type: ignore[arg-type]
    with refused(history, InvalidFact, "^ended_at: found"):
        history.tracking.correct(history.tracking.sessions("ada", "w1")[0].id, datetime(2024, 5, 6, 9))


def test_a_time_before_the_previous_event_is_refused(history: History, clock: Clock) -> None:
    start(history.tracking)
    history.tracking.pause("ada", "w1", at=clock.on(10 * MINUTE))
    clock.on(HOUR)

    with refused(history, InvalidRequest, "not before the previous event, 2024-05-06T09:10:00"):
        history.tracking.resume("ada", "w1", at=NINE + 10 * MINUTE - SECOND)
    assert history.tracking.resume("ada", "w1", at=NINE + 10 * MINUTE).current is not None


def test_a_time_before_the_end_of_other_work_is_refused(history: History, clock: Clock) -> None:
    start(history.tracking)
    history.tracking.end_step("ada", "w1", at=clock.on(HOUR))
    start(history.tracking, "w2")
    history.tracking.pause("ada", "w2", at=clock.on(HOUR))
    early = NINE + HOUR + 30 * MINUTE

    with refused(history, InvalidRequest, "not before 2024-05-06T11:00:00.*, the end of other work"):
        history.tracking.start_step("ada", "w1", 1, at=early)
    with refused(history, InvalidRequest, "the end of other work"):
        start(history.tracking, "w3", at=early)
    assert start(history.tracking, "w3", "bob", at=early).state == "active"
    assert history.tracking.complete("ada", "w1", at=early).status == "recorded"  # which is no work
    assert start(history.tracking, "w3", at=NINE + 2 * HOUR).state == "active"


def test_now_is_never_before_what_happened(tracking: Tracking, clock: Clock) -> None:
    """The clocks of two machines differ: a call without a time is not refused for it."""
    start(tracking)
    ended = clock.on(HOUR)
    tracking.end_step("ada", "w1")
    clock.on(-SECOND)

    other = start(tracking, "w2")
    clock.on(-HOUR)
    paused = tracking.pause("ada", "w2")

    assert (other.started_at, paused.sessions[0].pauses[0].paused_at) == (ended, ended)
    assert tracking.complete("ada", "w1").workflow.finished_at == ended


# ------------------------------------------------------------------------------------------------ refused, and why


def test_two_sessions_of_a_user_do_not_run_at_once(history: History, clock: Clock) -> None:
    tracking = history.tracking
    start(tracking)
    clock.on(MINUTE)

    with refused(history, SessionRunning, "'ada' has a session running on workflow 'w1': pause or end it first"):
        start(tracking, "w2")
    tracking.pause("ada", "w1")
    start(tracking, "w2")
    with refused(history, SessionRunning, "'w2'"):
        tracking.resume("ada", "w1")
    with refused(history, SessionRunning, "'w2'"):
        tracking.start_step("ada", "w1", 1)
    assert start(tracking, "w1", "bob").state == "active"
    tracking.end_step("ada", "w2")
    assert tracking.resume("ada", "w1").current is not None


def test_other_work_that_runs_keeps_nobody_from_finishing(history: History, clock: Clock) -> None:
    tracking = history.tracking
    for name in ("w1", "w2"):
        start(tracking, name)
        tracking.pause("ada", name, at=clock.on(HOUR))
    start(tracking, "w3")
    clock.on(HOUR)

    assert tracking.end_step("ada", "w1").state == "active"
    assert tracking.complete("ada", "w1").status == "recorded"
    assert tracking.cancel("ada", "w2").state == "cancelled"


def test_parallel_sessions_run_where_they_are_let(history: History, clock: Clock) -> None:
    with elsewhere(history, clock, parallel_sessions=True) as other:
        start(other.tracking, "w1")
        start(other.tracking, "w2")
        clock.on(HOUR)
        assert other.tracking.start_step("ada", "w2", 1, at=NINE + MINUTE).events == 2
        assert other.tracking.running() == 2
        for name in ("w1", "w2"):
            other.tracking.complete("ada", name)

    assert worked(history) == {"2024-05-06": (7200, 3)}
    assert_in_step(history)


def test_what_cannot_be_done_now_is_refused_with_the_reason(history: History, clock: Clock) -> None:
    tracking = history.tracking
    start(tracking)
    clock.on(MINUTE)

    with refused(history, WrongState, "resume: found a session that is running, want one that is paused"):
        tracking.resume("ada", "w1")
    with refused(history, WrongState, "start a step: found step 0 running already, want another step"):
        tracking.start_step("ada", "w1", 0)
    tracking.pause("ada", "w1")
    with refused(history, WrongState, "pause: found a session that is paused, want one that is running"):
        tracking.pause("ada", "w1")
    tracking.end_step("ada", "w1")
    with refused(history, WrongState, "end a step: found no session, want one that is running or paused"):
        tracking.end_step("ada", "w1")
    tracking.complete("ada", "w1")
    for call in (tracking.pause, tracking.resume, tracking.end_step, tracking.cancel):
        with refused(history, WrongState, "found a workflow that is completed, want an active one"):
            call("ada", "w1")


def test_an_unknown_step_is_refused(history: History) -> None:
    start(history.tracking)
    unknown: list[Any] = [-1, 2, 10**30, True, 1.0, "1", None, object()]

    wanted = r"^step_index: found .*, want 0 to 1, a step of the template"
    all_refused(history, InvalidRequest, wanted, unknown, lambda index: history.tracking.start_step("ada", "w1", index))


def test_what_was_never_started_is_not_to_be_found(history: History) -> None:
    start(history.tracking)
    tracking = history.tracking

    unknown = [("ada", "w2"), ("bob", "w1"), ("", "w1"), ("a\0", "w1"), ("ada", "\ud800"), ("x" * 999, "")]
    ways: list[Callable[..., Any]] = [tracking.pause, tracking.complete, tracking.workflow, tracking.sessions]
    both = [(way, names) for way in (*ways, tracking.cancel) for names in unknown]
    all_refused(history, UntrackedWorkflow, "was not started here", both, lambda one: one[0](*one[1]))
    assert history.users() == ("ada",)  # asking for bob did not make him
    assert tracking.active("bob") == tracking.workflows("a\0").workflows == ()


def test_a_session_that_does_not_exist_is_not_to_be_found(history: History) -> None:
    tracking = history.tracking
    start(tracking)
    unknown: list[Any] = ["", "1", "1.1", "9.1.0", "1.9.0", "1.1.1", "1.1.-1", "\u00b2", "1.1.0\n", "1" * 99, None, 5]

    for call in (tracking.session, tracking.confirm, lambda name: tracking.correct(name, NINE)):
        all_refused(history, UnknownSession, r"take an id from the list of its sessions", unknown, call)


def test_a_call_for_a_session_acts_on_no_other(history: History, clock: Clock) -> None:
    tracking = history.tracking
    first = start(tracking).sessions[0].id
    clock.on(MINUTE)
    second = tracking.start_step("ada", "w1", 1).sessions[1].id

    for call in (tracking.pause, tracking.end_step):
        with refused(history, WrongState, "a session that has ended"):
            call("ada", "w1", session_id=first)
    for unknown in ("what", first.rpartition(".")[0] + ".2", "9" + first):
        with refused(history, UnknownSession):
            tracking.pause("ada", "w1", session_id=unknown)
    assert tracking.pause("ada", "w1", session_id=second).events == 3


def test_an_unknown_template_is_refused(history: History) -> None:
    unknown: list[Any] = ["Never", "", "a\0b", "\ud800", None, 7, object()]
    versions: list[Any] = [0, 3, -1, 2**31, 10**30, "1", 1.0, True]

    first = r"put_template\(\) first"
    all_refused(history, UnknownTemplate, first, unknown, lambda name: start(history.tracking, template=name))
    all_refused(history, UnknownTemplate, first, unknown, history.tracking.template)
    all_refused(
        history, UnknownTemplate, " in version ", versions, lambda version: history.tracking.template("QA", version)
    )


def test_a_start_with_an_id_that_is_taken_is_refused(history: History, clock: Clock) -> None:
    start(history.tracking)
    history.tracking.cancel("ada", "w1")
    history.record([made("recorded"), made("deleted")])
    history.delete("ada", "deleted")

    for taken in ("w1", "recorded", "deleted"):
        with refused(history, WorkflowExists, "exists already: take another id"):
            start(history.tracking, taken)
    assert start(history.tracking, "recorded", "bob").state == "active"


def test_a_completion_of_a_completed_workflow_answers_the_same_or_is_refused(history: History, clock: Clock) -> None:
    done = whole_ticket(history.tracking, clock)
    completed_at = clock.now
    clock.on(HOUR)

    assert history.tracking.complete("ada", "w1", at=completed_at).comparison == done.comparison
    again = history.tracking.complete("ada", "w1")
    assert replace(again, status="recorded", workflow=replace(again.workflow, as_of=completed_at)) == done
    with refused(history, WrongState, "completed at 2024-05-06T10:03:00.*, want the same time again, or none"):
        history.tracking.complete("ada", "w1", at=completed_at - SECOND)


def tracked_twice(history: History, clock: Clock, **changed: Any) -> CompletedWorkflow:
    """Track w1, and record it by hand meanwhile, altered or not."""
    start(history.tracking)
    clock.on(10 * MINUTE)
    history.tracking.end_step("ada", "w1")
    sessions = history.tracking.sessions("ada", "w1")
    ended = sessions[0].ended_at
    assert ended is not None
    step = StepTime(0, "Analyse", estimated_seconds=600, sessions=(TimeSession(sessions[0].started_at, ended),))
    fact = made(started_at=NINE, completed_at=clock.now, steps=(step,), estimated_seconds=1800, **changed)
    assert history.record(fact).status == "recorded"
    return fact


def test_a_workflow_that_was_recorded_meanwhile_with_the_same_content_counts_once(
    history: History, clock: Clock
) -> None:
    tracked_twice(history, clock)

    done = history.tracking.complete("ada", "w1")

    assert (done.status, done.workflow.state) == ("recorded", "completed")
    assert worked(history) == {"2024-05-06": (600, 1)}
    assert history.summary("all_time").completed == 1
    assert_in_step(history)


def test_a_workflow_that_was_recorded_meanwhile_on_other_days_counts_there_only(history: History, clock: Clock) -> None:
    tracked_twice(history, clock, timezone="Pacific/Kiritimati")
    history.correct(replace(next(history.facts()), timezone="Pacific/Pago_Pago"))
    assert len(cells_of(history).worked) == 2

    history.tracking.complete("ada", "w1")

    assert list(worked(history)) == ["2024-05-05"]
    assert_in_step(history)


def test_a_workflow_that_was_recorded_meanwhile_with_other_content_cannot_be_completed(
    history: History, clock: Clock
) -> None:
    tracked_twice(history, clock, ticket_key="TK-2")

    with refused(history, WorkflowExists, "was recorded with other content"):
        history.tracking.complete("ada", "w1")
    assert history.tracking.cancel("ada", "w1").state == "cancelled"


# ----------------------------------------------------------------------------------------------------------- templates


def test_versions_of_a_template_are_kept(history: History, clock: Clock) -> None:
    first = history.tracking.template("QA")
    clock.on(HOUR)

    again = history.tracking.put_template("QA", "Bug", [TemplateStep("Analyse", 600), TemplateStep("Test", 1200)])
    second = history.tracking.put_template("QA", "bug", ["Analyse"])
    back = history.tracking.put_template("QA", "Bug", first.steps)

    assert again == first
    assert (first.version, second.version, back.version) == (1, 2, 3)
    assert history.tracking.template("QA", 1) == first
    assert history.tracking.template("QA") == back == replace(first, version=3, created_at=clock.now)
    assert [(one.name, one.version) for one in history.tracking.templates()] == [("QA", 3), ("Release", 1)]


def test_a_workflow_keeps_the_version_it_was_started_with(history: History, clock: Clock) -> None:
    start(history.tracking)
    history.tracking.put_template("QA", "Chore", [TemplateStep("Look", 1)], estimated_seconds=1)
    clock.on(10 * MINUTE)

    moved = history.tracking.start_step("ada", "w1", 1)
    done = history.tracking.complete("ada", "w1")
    later = start(history.tracking, "w2")

    assert (moved.template_version, moved.ticket_type, len(moved.steps)) == (1, "Bug", 2)
    assert [(fact.ticket_type, fact.estimated_seconds) for fact in history.facts()] == [("Bug", 1800)]
    assert done.comparison.estimated_seconds == 1800
    assert (later.template_version, later.ticket_type, later.estimated_seconds) == (2, "Chore", 1)


def test_a_template_that_could_not_be_completed_is_refused(history: History) -> None:
    wrong: list[tuple[str, dict[str, Any]]] = [
        ("name", {"name": ""}),
        ("name", {"name": "x" * 256}),
        ("ticket_type", {"ticket_type": "a\0"}),
        ("steps", {"steps": []}),
        ("steps", {"steps": "Test"}),
        ("steps", {"steps": None}),
        (r"steps\[1\].name", {"steps": ["a", ""]}),
        (r"steps\[1\]", {"steps": ["a", 7]}),
        ("steps", {"steps": ["a"] * 32_769}),
        ("estimated_seconds", {"estimated_seconds": -1}),
        ("estimated_seconds", {"estimated_seconds": "1"}),
        ("estimated_seconds", {"steps": [TemplateStep("a", MAX_ESTIMATE_SECONDS), TemplateStep("b", 1)]}),
    ]
    before = everything(history)

    for field, fields in wrong:
        with pytest.raises(InvalidFact, match=rf"^{field}: found"):
            history.tracking.put_template(**({"name": "New", "ticket_type": "Bug", "steps": ["a"]} | fields))
    assert everything(history) == before


@pytest.mark.parametrize("known", [False, True])
def test_templates_put_at_once_are_versions_of_one(history: History, rivals: list[Tracking], known: bool) -> None:
    """Those whose names are known have nothing to wait for each other at, but the version."""
    steps = [[f"step {number}"] for number in range(4)]
    if known:
        for names in steps:
            history.tracking.put_template("Race", "Kind", names)

    for _ in range(4):
        puts = [
            lambda one=one, names=names: one.put_template("Race", "Kind", names)
            for one, names in zip(rivals, steps, strict=True)
        ]
        found = at_once(*puts)

        assert [template.steps for template in found] == [checked_steps(names) for names in steps]
        assert len({template.version for template in found}) == 4
        assert [history.tracking.template("Race", template.version) for template in found] == found
    assert history.tracking.template("Race").version <= 4 * known + 16


def test_the_same_template_put_at_once_is_one_version(history: History, rivals: list[Tracking]) -> None:
    found = at_once(*[lambda one=one: one.put_template("Race", "Kind", ["a"]) for one in rivals])

    assert [template.version for template in found] == [1] * 4


# ------------------------------------------------------------------------------------------------- forgotten sessions


def test_a_session_left_running_is_ended_and_held_out(history: History, clock: Clock) -> None:
    tracking = history.tracking
    start(tracking)
    clock.on(12 * HOUR)
    assert tracking.end_forgotten() == 0
    clock.on(timedelta(microseconds=1))
    assert tracking.end_forgotten() == 1
    assert tracking.end_forgotten() == 0

    shown = tracking.workflow("ada", "w1")

    assert [(one.ended_at, one.forgotten, one.active_seconds) for one in shown.sessions] == [
        (NINE + 12 * HOUR, True, 43_200)
    ]
    assert (shown.state, shown.current, tracking.running()) == ("active", None, 0)
    assert worked(history) == {}
    assert history.summary("all_time").coverage.held_out == 1


def test_the_time_since_the_last_event_counts_for_forgetting(tracking: Tracking, clock: Clock) -> None:
    start(tracking)
    for _ in range(3):
        tracking.pause("ada", "w1", at=clock.on(7 * HOUR))
        tracking.resume("ada", "w1", at=clock.on(HOUR))

    assert tracking.end_forgotten() == 0
    clock.on(13 * HOUR)
    assert tracking.end_forgotten() == 1
    assert tracking.sessions("ada", "w1")[0].ended_at == NINE + 36 * HOUR


def test_a_paused_session_is_never_forgotten(tracking: Tracking, clock: Clock) -> None:
    start(tracking)
    tracking.pause("ada", "w1")
    clock.on(timedelta(days=100))

    assert tracking.end_forgotten() == 0
    assert tracking.resume("ada", "w1").current is not None


def test_how_long_is_too_long_can_be_said(history: History, clock: Clock) -> None:
    start(history.tracking)
    clock.on(31 * MINUTE)

    with elsewhere(history, clock, forgotten_after=30 * MINUTE) as other:
        assert other.tracking.end_forgotten() == 1
        assert other.tracking.sessions("ada", "w1")[0].ended_at == NINE + 30 * MINUTE


@pytest.mark.parametrize(
    ("field", "span"),
    [
        ("forgotten_after", 59 * SECOND),
        ("forgotten_after", timedelta(days=101)),
        ("clock_skew", -SECOND),
        ("clock_skew", 61 * MINUTE),
    ],
)
def test_rules_that_make_no_sense_are_refused(field: str, span: timedelta) -> None:
    with pytest.raises(InvalidRequest, match=f"^{field}: found"):
        TrackingRules(**{field: span})  # type: ignore[arg-type]


def test_some_of_the_forgotten_sessions_may_be_ended_at_a_time(tracking: Tracking, clock: Clock) -> None:
    for number in range(5):
        start(tracking, "w", f"user {number}")
    clock.on(24 * HOUR)

    assert [tracking.end_forgotten(2) for _ in range(4)] == [2, 2, 1, 0]


def test_a_forgotten_session_counts_when_its_end_is_confirmed(history: History, clock: Clock) -> None:
    session = forgotten(history.tracking, clock)

    history.tracking.confirm(session)

    assert worked(history) == {"2024-05-06": (43_200, 1)}
    assert history.summary("all_time").coverage.held_out == 0
    with refused(history, WrongState, "not forgotten"):
        history.tracking.confirm(session)


def test_a_forgotten_session_counts_to_its_corrected_end(history: History, clock: Clock) -> None:
    session = forgotten(history.tracking, clock)

    corrected = history.tracking.correct(session, NINE + 20 * MINUTE)

    assert (corrected.sessions[0].ended_at, corrected.sessions[0].forgotten) == (NINE + 20 * MINUTE, False)
    assert worked(history) == {"2024-05-06": (1200, 1)}
    late = start(history.tracking, "w2", at=NINE + HOUR)  # the guess is forgotten as well
    assert late.started_at == NINE + HOUR


def test_a_corrected_end_lies_after_the_start_and_not_in_the_future(history: History, clock: Clock) -> None:
    session = forgotten(history.tracking, clock)

    for wrong in (NINE - SECOND, clock.now + SECOND):
        with refused(history, InvalidRequest, "^ended_at: found"):
            history.tracking.correct(session, wrong)
    assert history.tracking.correct(session, clock.now).active_seconds == 86_400


def test_a_corrected_end_does_not_lie_in_other_work(history: History, clock: Clock) -> None:
    session = forgotten(history.tracking, clock)
    start(history.tracking, "w2")  # on the next day at nine
    history.tracking.pause("ada", "w2", at=clock.on(HOUR))
    start(history.tracking, "w3", at=clock.on(HOUR))
    clock.on(HOUR)

    for wrong in (NINE + 24 * HOUR + SECOND, clock.now):
        with refused(history, InvalidRequest, "^ended_at: .*not after 2024-05-07T09:00:00.*, the start of other work"):
            history.tracking.correct(session, wrong)
    assert history.tracking.correct(session, NINE + 24 * HOUR).sessions[0].active_seconds == 86_400


def test_a_completion_is_held_until_its_sessions_are_settled(history: History, clock: Clock) -> None:
    tracking = history.tracking
    session = forgotten(tracking, clock)
    tracking.start_step("ada", "w1", 1)
    completed_at = clock.on(10 * MINUTE)

    held = tracking.complete("ada", "w1")

    assert (held.status, held.workflow.state, held.workflow.finished_at) == ("held", "held", completed_at)
    assert tracking.complete("ada", "w1").status == "held"
    assert worked(history) == {"2024-05-07": (600, 1)}
    assert history.summary("all_time").completed == 0
    assert history.summary("all_time").coverage.held_out == 1
    assert [one.workflow_id for one in tracking.active("ada")] == ["w1"]

    clock.on(HOUR)
    settled = tracking.correct(session, NINE + 5 * MINUTE)

    assert (settled.state, settled.finished_at) == ("completed", completed_at)
    assert worked(history) == {"2024-05-06": (300, 1), "2024-05-07": (600, 1)}
    assert history.summary("all_time").active_seconds == 900
    assert tracking.active("ada") == ()
    assert tracking.complete("ada", "w1").comparison.actual_seconds == 900
    assert_in_step(history)


def test_a_cancelled_workflow_can_still_be_settled(history: History, clock: Clock) -> None:
    session = forgotten(history.tracking, clock)
    history.tracking.cancel("ada", "w1")
    assert [one.workflow_id for one in history.tracking.active("ada")] == ["w1"]

    settled = history.tracking.confirm(session)

    assert settled.state == "cancelled"
    assert worked(history) == {"2024-05-06": (43_200, 1)}
    assert history.tracking.active("ada") == ()


def test_nobody_has_to_sweep_before_a_forgotten_session_is_seen_to(history: History, clock: Clock) -> None:
    tracking = history.tracking
    session = start(tracking).sessions[0].id
    clock.on(24 * HOUR)

    for call in (tracking.pause, tracking.end_step):
        with refused(history, WrongState, "ran too long and was ended at 2024-05-06T21:00:00.*confirm or correct"):
            call("ada", "w1")
    assert tracking.confirm(session).sessions[0].ended_at == NINE + 12 * HOUR
    assert worked(history) == {"2024-05-06": (43_200, 1)}


def test_forgotten_work_keeps_nobody_from_starting_other_work(history: History, clock: Clock) -> None:
    tracking = history.tracking
    start(tracking)
    clock.on(11 * HOUR)
    with refused(history, SessionRunning):
        start(tracking, "w2")
    clock.on(13 * HOUR)

    other = start(tracking, "w2")

    assert other.started_at == NINE + 24 * HOUR
    first = tracking.workflow("ada", "w1")
    assert (first.sessions[0].ended_at, first.sessions[0].forgotten) == (NINE + 12 * HOUR, True)
    assert history.summary("all_time").coverage.held_out == 1


def test_a_step_started_late_forgets_the_one_before_it(tracking: Tracking, clock: Clock) -> None:
    start(tracking)
    clock.on(24 * HOUR)

    shown = tracking.start_step("ada", "w1", 1)

    assert [(one.forgotten, one.ended_at) for one in shown.sessions] == [(True, NINE + 12 * HOUR), (False, None)]


def test_the_truth_told_late_is_no_guess(history: History, clock: Clock) -> None:
    start(history.tracking)
    clock.on(24 * HOUR)

    done = history.tracking.complete("ada", "w1", at=NINE + 12 * HOUR)

    assert done.status == "recorded"
    assert history.summary("all_time").active_seconds == 43_200


def test_a_late_truth_is_refused_once_the_session_was_ended(history: History, clock: Clock) -> None:
    forgotten(history.tracking, clock)

    with refused(history, InvalidRequest, "the last session ran too long .*: confirm or correct it"):
        history.tracking.complete("ada", "w1", at=NINE + HOUR)


# ---------------------------------------------------------------------------------------------------------------- lists


def test_a_users_workflows_come_in_pages_the_latest_first(tracking: Tracking, clock: Clock) -> None:
    for number in range(5):
        start(tracking, f"w{number}")
        tracking.complete("ada", f"w{number}", at=clock.on(MINUTE))
    start(tracking, "w5")
    start(tracking, "w6", "bob")

    pages, after = [], None
    while True:
        page = tracking.workflows("ada", limit=2, after=after)
        pages.append([one.workflow_id for one in page.workflows])
        after = page.next
        if after is None:
            break

    assert pages == [["w5", "w4"], ["w3", "w2"], ["w1", "w0"]]
    assert [one.workflow_id for one in tracking.workflows("ada", state="active").workflows] == ["w5"]
    assert len(tracking.workflows("ada", state="completed", limit=5).workflows) == 5


def test_a_page_that_cannot_be_is_refused(tracking: Tracking) -> None:
    tokens: list[Any] = ["", "x", "\u00e9", "W10=", "WzEsMl0", "W251bGwsMV0=", "WzEsMWU5OV0=", "\ud800", 7]
    wrong: list[dict[str, Any]] = [{"limit": 0}, {"limit": 1001}, {"limit": True}, {"state": "open"}]

    for token in tokens:
        with pytest.raises(InvalidRequest, match=r"^after: found"):
            tracking.workflows("ada", after=token)
    for arguments in wrong:
        with pytest.raises(InvalidRequest, match=r"^(limit|state): found"):
            tracking.workflows("ada", **arguments)


def test_active_work_is_listed_with_what_runs_first(tracking: Tracking, clock: Clock) -> None:
    for name in ("w1", "w2", "w3"):
        start(tracking, name)
        tracking.pause("ada", name, at=clock.on(MINUTE))
    tracking.resume("ada", "w2")

    assert [one.workflow_id for one in tracking.active("ada")] == ["w2", "w3", "w1"]
    assert tracking.active("bob") == ()
    assert tracking.running() == 1


# ------------------------------------------------------------------------------------------------------- hostile names


@pytest.mark.parametrize("number", range(0, 7, 2))
def test_names_are_kept_as_they_are(history: History, clock: Clock, number: int) -> None:
    tracking = history.tracking
    user, workflow = USERS[number % len(USERS)], WORKFLOW_IDS[number]
    template, ticket_type = TEMPLATES[number % len(TEMPLATES)], TICKET_TYPES[number % len(TICKET_TYPES)]
    steps = ["a\x1f1", "'; DROP TABLE ts_workflow; --", "{}", "%s :name"]
    tracking.put_template(template, ticket_type, steps)

    started = tracking.start_workflow(
        user, template, 'TK"\\1', workflow_id=workflow, attributes={"a\0": ["\ud800", {"": None}]}, key=workflow
    )
    again = tracking.start_workflow(
        user, template, 'TK"\\1', workflow_id=workflow, attributes={"a\0": ["\ud800", {"": None}]}, key=workflow
    )
    tracking.start_step(user, workflow, 3, at=clock.on(MINUTE), key="%(x)s")
    done = tracking.complete(user, workflow, at=clock.on(MINUTE), key="\\")

    assert started == again
    assert (done.workflow.user_id, done.workflow.workflow_id, done.workflow.template) == (user, workflow, template)
    assert [step.name for step in done.workflow.steps] == steps
    [fact] = history.facts(user_id=user)
    assert fact.attributes == {"a\0": ["\ud800", {"": None}]}
    assert (fact.user_id, fact.workflow_id, fact.ticket_key, fact.ticket_type) == (
        user,
        workflow,
        'TK"\\1',
        ticket_type,
    )
    assert_in_step(history)


def test_a_name_that_cannot_be_kept_is_refused(history: History) -> None:
    wrong: list[Any] = ["", "x" * 256, "a\0b", "\ud800", 7, b"x", object()]
    fine: dict[str, Any] = {"user_id": "ada", "template": "QA", "ticket_key": "TK-1", "workflow_id": "w1"}

    def begin(fields: dict[str, Any]) -> None:
        history.tracking.start_workflow(**(fine | fields))

    for field in ("user_id", "workflow_id", "ticket_key", "key", "timezone"):
        all_refused(history, InvalidFact, f"^{field}: found", [{field: value} for value in wrong], begin)
    assert history.users() == ()


def test_attributes_that_are_no_json_are_refused(history: History) -> None:
    wrong: list[Any] = [{"a": object()}, {"a": float("nan")}, {"a": "x" * 70_000}, [1], "x"]

    all_refused(
        history, InvalidFact, "^attributes: found", wrong, lambda value: start(history.tracking, attributes=value)
    )


# --------------------------------------------------------------------------------------------------- crashes and rivals


def live_faults(history: History) -> Faults:
    """Faults at the changes of live work too."""
    faults = Faults(history)
    sqlite = history.engine.dialect.name == "sqlite"
    with history.engine.begin() as connection:
        for table in ("ts_workflow", "ts_workflow_event", "ts_open_workflow"):
            for operation in OPERATIONS:
                for when in ("BEFORE", "AFTER"):
                    action = (
                        f"BEGIN SELECT CASE WHEN fails('{table}') THEN RAISE(ABORT, 'made') END; END"
                        if sqlite
                        else "FOR EACH STATEMENT EXECUTE FUNCTION fault()"
                    )
                    connection.exec_driver_sql(
                        f"CREATE TRIGGER live_{when}_{operation}_{table} {when} {operation} ON {table} {action}",
                        execution_options={"no_parameters": True},
                    )
    return faults


CHANGES: dict[str, Callable[[Tracking], Any]] = {
    "start": lambda tracking: start(tracking, "w9", "bob"),
    "step": lambda tracking: tracking.start_step("ada", "w1", 1),
    "complete": lambda tracking: tracking.complete("ada", "w1"),
    "settle": lambda tracking: tracking.correct(tracking.sessions("eve", "held")[0].id, NINE + HOUR),
    "start after forgotten work": lambda tracking: start(tracking, "w9", "kim"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_failure_at_any_change_leaves_before_or_after(history: History, clock: Clock, name: str) -> None:
    tracking = history.tracking
    start(tracking, "held", "eve")
    start(tracking, "forgotten", "kim")
    clock.on(24 * HOUR)
    tracking.complete("eve", "held")
    start(tracking)
    tracking.pause("ada", "w1", at=clock.on(MINUTE))
    tracking.resume("ada", "w1", at=clock.on(MINUTE))
    clock.on(HOUR)
    history.set_timezone("bob", None)
    faults = live_faults(history)
    before = everything(history)

    for number in count(1, 1 if history.engine.dialect.name == "sqlite" else 3):
        try:
            with faults.at(number):
                CHANGES[name](tracking)
            break
        except TimestrataError:
            raise
        except Exception as error:
            if "made" not in str(error):
                raise
        assert everything(history) == before, number

    assert number > 6
    assert everything(history) != before
    faults.lift()
    assert_worked_once(history)


def track_and_tell(url: str, path: str, seed: int) -> None:
    """Track without end, each call under a key, and tell of each one in a file; run in a process that is killed."""
    user, clock = f"user {seed}", Clock()
    with open_history(url, clock=clock) as history, Path(path).open("a") as log:
        tracking = history.tracking

        def tell(key: str) -> None:
            log.write(f"{key}\n")
            log.flush()

        for number in count():
            name = f"w{number}"
            start(tracking, name, user, key=f"{number} start")
            tell(f"{number} start")
            for kind, call in (
                ("pause", tracking.pause),
                ("resume", tracking.resume),
                ("complete", tracking.complete if number % 3 else tracking.cancel),
            ):
                clock.on(7 * HOUR)
                call(user, name, key=f"{number} {kind}")
                tell(f"{number} {kind}")


@pytest.mark.parametrize("lines", [3, 18])
def test_a_killed_process_leaves_every_acknowledged_event_once(
    history: History, clock: Clock, tmp_path: Path, lines: int
) -> None:
    path, url = tmp_path / "log", history.engine.url.render_as_string(hide_password=False)
    path.touch()
    process = PROCESSES.Process(target=track_and_tell, args=(url, str(path), 1))
    process.start()
    while path.read_text().count("\n") < lines:
        process.join(0.001)
        assert process.is_alive()
    process.kill()
    process.join()

    told = path.read_text().splitlines()
    with history.engine.connect() as connection:
        c = schema.workflow_event.c
        keys = connection.execute(select(c.request_key).order_by(c.number, c.position)).scalars().all()
    assert list(keys[: len(told)]) == told
    assert len(keys) - len(told) in (0, 1)  # committed, and killed before it was told
    assert_worked_once(history)
    assert all(one.events <= 4 for one in history.tracking.workflows("user 1").workflows)


def at_once(*work: Callable[[], Any]) -> list[Any]:
    """Call functions in threads that start together; return what they return or raise, in order."""
    ready = Barrier(len(work))

    def wait_and(call: Callable[[], Any]) -> Any:
        ready.wait()
        try:
            return call()
        except TimestrataError as error:
            return error

    with ThreadPoolExecutor(len(work)) as pool:
        return list(pool.map(wait_and, work))


@pytest.fixture
def rivals(history: History, clock: Clock) -> Iterator[list[Tracking]]:
    """The store as four processes have it."""
    with ExitStack() as stack:
        yield [stack.enter_context(elsewhere(history, clock)).tracking for _ in range(4)]


def kinds(found: list[Any]) -> Counter[str]:
    return Counter(type(one).__name__ for one in found)


def test_of_sessions_started_at_once_one_wins(history: History, rivals: list[Tracking]) -> None:
    found = at_once(*[lambda one=one, n=n: start(one, f"w{n}") for n, one in enumerate(rivals)])

    assert kinds(found) == {"TrackedWorkflow": 1, "SessionRunning": 3}
    assert history.tracking.running() == events(history) == 1


def test_of_starts_under_one_id_at_once_one_wins(history: History, rivals: list[Tracking]) -> None:
    found = at_once(
        *[
            lambda one=one, n=n: one.start_workflow("ada", "QA", f"TK-{n}", workflow_id="w1")
            for n, one in enumerate(rivals)
        ]
    )

    assert kinds(found) == {"TrackedWorkflow": 1, "WorkflowExists": 3}
    assert events(history) == 1


def test_calls_under_one_key_at_once_are_one(history: History, clock: Clock, rivals: list[Tracking]) -> None:
    found = at_once(*[lambda one=one: start(one, key="k") for one in rivals])
    assert found == [found[0]] * 4
    clock.on(MINUTE)

    found = at_once(*[lambda one=one: one.pause("ada", "w1", key="p") for one in rivals])
    assert found == [found[0]] * 4
    found = at_once(*[lambda one=one: one.complete("ada", "w1", key="c") for one in rivals])

    assert Counter(one.status for one in found) == {"recorded": 1, "replayed": 3}
    assert events(history) == 3
    assert_in_step(history)


def test_other_calls_under_one_key_at_once_are_refused(history: History, rivals: list[Tracking]) -> None:
    start(history.tracking)
    ways = [
        lambda: rivals[0].pause("ada", "w1", key="k"),
        lambda: rivals[1].end_step("ada", "w1", key="k"),
        lambda: rivals[2].start_step("ada", "w1", 1, key="k"),
        lambda: rivals[3].cancel("ada", "w1", key="k"),
    ]

    assert kinds(at_once(*ways)) == {"TrackedWorkflow": 1, "KeyReused": 3}
    assert events(history) == 2


def test_completions_at_once_are_one(history: History, clock: Clock, rivals: list[Tracking]) -> None:
    start(history.tracking)
    clock.on(MINUTE)

    found = at_once(*[lambda one=one: one.complete("ada", "w1") for one in rivals])

    assert Counter(one.status for one in found) == {"recorded": 1, "replayed": 3}
    assert_in_step(history)


def test_users_track_at_once_without_waiting_in_circles(history: History, clock: Clock, rivals: list[Tracking]) -> None:
    def work(tracking: Tracking, number: int) -> None:
        for index in range(5):
            name = f"{number} {index}"
            start(tracking, name, f"user {(number + index) % 4}")
            tracking.start_step(f"user {(number + index) % 4}", name, 1)
            tracking.complete(f"user {(number + index) % 4}", name)

    found = at_once(*[lambda one=one, n=n: work(one, n) for n, one in enumerate(rivals)])

    assert all(one is None or isinstance(one, SessionRunning) for one in found)
    assert_worked_once(history)


# ----------------------------------------------------------------------------------------------------------------- cost


def test_no_call_looks_through_all_the_work(backend: str, history: History, clock: Clock) -> None:
    """Not at every workflow, event, user or receipt: only names, and what is open, are ever looked through."""
    if backend != "sqlite":
        pytest.skip("the statements are the same, and SQLite says how it carries them out")
    seen: list[str] = []
    history.engine.dispose()
    event.listen(history.engine, "connect", lambda connection, _: connection.set_trace_callback(seen.append))
    for _, call in calls(history.tracking, clock):
        call(None)
    history.tracking.end_forgotten()
    history.tracking.active("ada")
    history.tracking.workflows("ada")
    statements = [one for one in seen if one.split()[0] in ("SELECT", "UPDATE", "DELETE")]

    with history.engine.connect() as connection:
        scans = [
            row.detail
            for statement in statements
            for row in connection.execute(text("EXPLAIN QUERY PLAN " + statement.replace(":", "\\:")))
            if row.detail.startswith("SCAN ts_") and "LIMIT 100000" not in statement
        ]

    assert len(statements) > 80
    assert set(scans) <= {"SCAN ts_open_workflow", "SCAN ts_step", "SCAN ts_template", "SCAN ts_user"}
    assert max(Counter(statements).values()) < len(statements)
