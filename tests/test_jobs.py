"""The schedule: when a job is due, who runs it, and what becomes of a run that fails, stops or is killed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from queue import Queue
from threading import Barrier, Event, Thread
from time import monotonic
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from conftest import NOW, reopened
from hypothesis import given
from hypothesis import strategies as st

from timestrata import History, InvalidRequest
from timestrata.calendar import instant, moment
from timestrata.errors import JobRunning, UnknownJob
from timestrata.jobs import (
    JobContext,
    JobDefinition,
    JobFailed,
    JobReport,
    Jobs,
    JobState,
    Schedules,
    definitions,
    next_run,
    rows,
)

NIGHTLY = "30 2 * * *"
NIGHT = datetime(2024, 6, 16, 2, 30, tzinfo=UTC)
"""The first night after NOW."""
DAY = timedelta(days=1)


@dataclass
class Clock:
    """A clock that stands until it is put on."""

    now: datetime = NOW

    def __call__(self) -> datetime:
        return self.now

    def put_on(self, **span: float) -> None:
        self.now += timedelta(**span)


@dataclass
class Work:
    """An action that counts its runs, and does what it is told."""

    runs: int = 0
    also: Callable[[JobContext], Mapping[str, object]] = field(default=lambda context: {"ok": True})

    def __call__(self, context: JobContext) -> Mapping[str, object]:
        self.runs += 1
        return self.also(context)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def work() -> Work:
    return Work()


def never_beats(ended: Event, seconds: float) -> bool:
    return ended.wait()


def jobs_of(
    history: History,
    clock: Callable[[], datetime],
    action: Callable[[JobContext], Mapping[str, object]],
    schedule: str | None = NIGHTLY,
    **more: Any,
) -> Jobs:
    """Return the jobs of a store, of which there is one."""
    named: dict[str, Any] = {"holder": "here", "wait": never_beats} | more
    return Jobs(history.tracking._transactions, clock, [JobDefinition("audit", schedule, action)], **named)


@pytest.fixture
def jobs(history: History, clock: Clock, work: Work) -> Jobs:
    """A schedule that was looked at before: its job is due in the night to come."""
    made = jobs_of(history, clock, work)
    assert made.run_due() == []
    return made


@pytest.fixture
def other(store_url: str) -> Iterator[History]:
    """The same store in another process."""
    with reopened(store_url) as opened:
        yield opened


def state(jobs: Jobs) -> JobState:
    [found] = jobs.states()
    return found


# ------------------------------------------------------------------------------------------------------------ the time


def at(text: str, zone: str) -> int:
    return instant(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)))


def test_a_job_is_due_by_the_clocks_of_the_zone() -> None:
    found = next_run(NIGHTLY, "Europe/Berlin", at("2024-06-15T12:00", "Europe/Berlin"))

    assert moment(found) == datetime(2024, 6, 16, 0, 30, tzinfo=UTC)


def test_the_time_of_a_job_is_not_due_twice() -> None:
    due = at("2024-06-16T02:30", "Europe/Berlin")

    assert next_run(NIGHTLY, "Europe/Berlin", due - 1) == due
    assert next_run(NIGHTLY, "Europe/Berlin", due) == at("2024-06-17T02:30", "Europe/Berlin")


def test_in_a_night_without_the_hour_a_job_is_due_once() -> None:
    found = [moment(each).isoformat() for each in due_times("Europe/Berlin", "2024-03-30T12:00", 2)]

    assert found == ["2024-03-31T01:30:00+00:00", "2024-04-01T00:30:00+00:00"]


def test_in_a_night_with_the_hour_twice_a_job_is_due_once() -> None:
    found = [moment(each).isoformat() for each in due_times("Europe/Berlin", "2024-10-26T12:00", 2)]

    assert found == ["2024-10-27T00:30:00+00:00", "2024-10-28T01:30:00+00:00"]


def test_between_the_two_comings_of_an_hour_a_job_is_not_due_again() -> None:
    between = instant(datetime(2024, 10, 27, 1, 10, tzinfo=UTC))  # 2:10 for the second time

    assert next_run(NIGHTLY, "Europe/Berlin", between) == at("2024-10-28T02:30", "Europe/Berlin")


def test_a_time_that_the_clocks_skipped_is_still_to_come_after_they_did() -> None:
    skipped = instant(datetime(2024, 3, 31, 1, 10, tzinfo=UTC))  # 3:10, ten minutes after 1:59

    assert moment(next_run(NIGHTLY, "Europe/Berlin", skipped)) == datetime(2024, 3, 31, 1, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    "zone", ["UTC", "Europe/Berlin", "Australia/Lord_Howe", "America/Santiago", "Africa/Casablanca"]
)
@pytest.mark.parametrize("expression", ["0 0 * * *", NIGHTLY, "59 23 * * *"])
def test_every_day_of_a_year_has_one_run(zone: str, expression: str) -> None:
    found = [
        moment(each).astimezone(ZoneInfo(zone)).date() for each in due_times(zone, "2024-01-01T12:00", 366, expression)
    ]

    assert all(later - earlier == DAY for earlier, later in pairwise(found))


def due_times(zone: str, start: str, count: int, expression: str = NIGHTLY) -> list[int]:
    found = [next_run(expression, zone, at(start, zone))]
    while len(found) < count:
        found.append(next_run(expression, zone, found[-1]))
    return found


# -------------------------------------------------------------------------------------------------------- the settings


def test_without_settings_every_job_has_its_time() -> None:
    assert Schedules.from_environment({"TIMESTRATA_AUDIT_SCHEDULE": ""}) == Schedules()


def test_schedules_come_from_the_environment() -> None:
    found = Schedules.from_environment(
        {
            "TIMESTRATA_RETENTION_SCHEDULE": "0 1 * * mon-fri",
            "TIMESTRATA_ARCHIVE_SCHEDULE": "off",
            "TIMESTRATA_ARCHIVE": "x",
        }
    )

    assert found == Schedules(retention="0 1 * * mon-fri", archive=None)


@pytest.mark.parametrize(
    "expression",
    ["never", "* * * *", "* * * * * *", "61 * * * *", "@daily", "0 0 31 2 *", "H 2 * * *", "R 2 * * *", "*/0 * * * *"],
)
def test_an_expression_that_means_nothing_is_refused_by_the_name_of_its_variable(expression: str) -> None:
    with pytest.raises(
        InvalidRequest, match=r"^TIMESTRATA_AUDIT_SCHEDULE: found .* want a cron expression of five fields"
    ):
        Schedules.from_environment({"TIMESTRATA_AUDIT_SCHEDULE": expression})
    with pytest.raises(InvalidRequest, match=r"^audit: found"):
        Schedules(audit=expression)


@given(st.lists(st.text("0123456789*/,-?LHRW#marsun", max_size=6), min_size=4, max_size=6))
def test_an_expression_is_due_at_some_time_or_refused(parts: list[str]) -> None:
    try:
        expression = Schedules(audit=" ".join(parts)).audit
    except InvalidRequest:
        return

    assert expression is not None
    assert next_run(expression, "Europe/Berlin", instant(NOW)) > instant(NOW)


def test_jobs_are_those_that_there_are_actions_for(work: Work) -> None:
    found = definitions(Schedules(alerts=None), {"alerts": work, "retention": work})

    assert [(each.name, each.schedule) for each in found] == [("retention", NIGHTLY), ("alerts", None)]


# ----------------------------------------------------------------------------------------------------------------- due


def test_a_job_waits_for_its_first_time(jobs: Jobs, work: Work, clock: Clock) -> None:
    clock.now = NIGHT - timedelta(seconds=1)

    assert jobs.run_due() == []
    assert state(jobs).next_run_at == NIGHT


def test_a_job_that_is_due_runs_and_is_due_again_at_its_next_time(jobs: Jobs, work: Work, clock: Clock) -> None:
    clock.now = NIGHT

    [run] = jobs.run_due()
    again = jobs.run_due()

    assert (run.name, run.outcome, run.result, run.started_at) == ("audit", "ok", {"ok": True}, NIGHT)
    assert (again, work.runs) == ([], 1)
    found = state(jobs)
    assert (found.next_run_at, found.outcome, found.result) == (NIGHT + DAY, "ok", {"ok": True})
    assert (found.started_at, found.finished_at, found.succeeded_at) == (NIGHT, NIGHT, NIGHT)
    assert (found.running, found.holder) == (False, None)


def test_missed_nights_are_made_good_once(jobs: Jobs, work: Work, clock: Clock, store_url: str, other: History) -> None:
    clock.now = NIGHT + 10 * DAY + timedelta(hours=5)

    restarted = jobs_of(other, clock, work)
    runs = restarted.run_due() + restarted.run_due() + jobs.run_due()

    assert len(runs) == work.runs == 1
    assert state(jobs).next_run_at == NIGHT + 11 * DAY


def test_a_job_that_took_longer_than_its_period_runs_at_the_next_time_to_come(
    jobs: Jobs, work: Work, clock: Clock
) -> None:
    clock.now = NIGHT
    work.also = lambda context: clock.put_on(hours=30) or {}  # type: ignore[func-returns-value]

    jobs.run_due()

    assert state(jobs).next_run_at == NIGHT + 2 * DAY


def test_a_changed_expression_holds_from_the_next_start_on(
    jobs: Jobs, work: Work, clock: Clock, other: History
) -> None:
    restarted = jobs_of(other, clock, work, "0 14 * * *")

    restarted.run_due()

    assert work.runs == 0
    assert state(restarted).next_run_at == NOW.replace(hour=14)


def test_a_job_that_is_switched_off_runs_by_hand_only(jobs: Jobs, work: Work, clock: Clock, other: History) -> None:
    clock.now = NIGHT
    off = jobs_of(other, clock, work, None)

    assert off.run_due() == []
    assert off.run("audit").outcome == "ok"
    assert (state(off).schedule, state(off).next_run_at) == (None, None)


def test_a_job_that_is_switched_on_again_waits_for_its_time(
    jobs: Jobs, work: Work, clock: Clock, other: History
) -> None:
    jobs_of(other, clock, work, None).run_due()
    clock.put_on(days=3)

    assert jobs_of(other, clock, work).run_due() == []
    assert work.runs == 0


def test_jobs_run_in_their_order_one_after_the_other(history: History, clock: Clock) -> None:
    order: list[str] = []

    def action(name: str) -> Callable[[JobContext], Mapping[str, object]]:
        return lambda context: order.append(name) or {}  # type: ignore[func-returns-value]

    named = [JobDefinition(name, NIGHTLY, action(name)) for name in ("retention", "audit", "alerts")]
    jobs = Jobs(history.tracking._transactions, clock, named, wait=never_beats)
    jobs.run_due()
    clock.now = NIGHT

    assert [run.name for run in jobs.run_due()] == order == ["retention", "audit", "alerts"]


def test_the_zone_of_the_store_decides_when_a_job_is_due(history: History, clock: Clock, work: Work) -> None:
    jobs = jobs_of(history, clock, work, timezone="Asia/Tokyo")

    jobs.run_due()

    assert state(jobs).next_run_at == datetime(2024, 6, 15, 17, 30, tzinfo=UTC)


# --------------------------------------------------------------------------------------------------------------- claims


def test_what_one_process_runs_no_other_does(jobs: Jobs, work: Work, clock: Clock, other: History) -> None:
    clock.now = NIGHT
    theirs = Work()
    others = jobs_of(other, clock, theirs, holder="there")
    seen: list[JobState] = []

    def meanwhile(context: JobContext) -> Mapping[str, object]:
        seen.append(state(others))
        assert others.run_due() == []
        with pytest.raises(JobRunning, match=r"^job 'audit' is run by 'here/[0-9a-f]{8}' since 2024-06-16 02:30:00"):
            others.run("audit")
        return {}

    work.also = meanwhile
    jobs.run_due()

    assert (work.runs, theirs.runs) == (1, 0)
    assert (seen[0].running, seen[0].started_at) == (True, NIGHT)
    assert str(seen[0].holder).startswith("here/")


def test_of_processes_that_try_at_the_same_time_one_runs_a_job(store_url: str, jobs: Jobs, clock: Clock) -> None:
    clock.now = NIGHT
    work, barrier = Work(), Barrier(4)

    def process() -> None:
        with reopened(store_url) as history:
            mine = jobs_of(history, clock, work)
            barrier.wait()
            mine.run_due()

    threads = [Thread(target=process) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert work.runs == 1


def killed(history: History, clock: Clock, lease: timedelta = timedelta(minutes=5)) -> bool:
    """Begin a run of the job in a process that is killed in the middle of it; tell whether it could begin."""
    now, span = instant(clock()), lease // timedelta(microseconds=1)
    claim = rows.Claim("audit", f"killed/{now}")
    with history.engine.connect() as connection, connection.begin():
        return rows.take(connection, claim, now, span, next_run(NIGHTLY, "UTC", now), only_due=True)


def test_the_run_of_a_process_that_was_killed_is_made_good_after_its_lease(
    jobs: Jobs, work: Work, clock: Clock, history: History
) -> None:
    clock.now = NIGHT
    assert killed(history, clock)

    clock.put_on(minutes=4, seconds=59)
    too_early = jobs.run_due()
    held = state(jobs).running
    clock.put_on(seconds=1)
    free = state(jobs).running
    [run] = jobs.run_due()

    assert (too_early, held, free, run.outcome) == ([], True, False, "ok")
    assert state(jobs).next_run_at == NIGHT + DAY


def test_a_job_that_kills_its_process_is_made_good_once_a_night(
    jobs: Jobs, work: Work, clock: Clock, history: History
) -> None:
    clock.now = NIGHT
    assert killed(history, clock)
    clock.put_on(minutes=5)
    assert killed(history, clock)
    clock.put_on(minutes=5)

    assert jobs.run_due() == []
    clock.now = NIGHT + DAY
    assert [run.outcome for run in jobs.run_due()] == ["ok"]


@dataclass
class Heart:
    """Beats when it is told to, and says when a beat is done."""

    beats: Queue[bool] = field(default_factory=Queue)
    done: Queue[bool] = field(default_factory=Queue)
    began: bool = False

    def wait(self, ended: Event, seconds: float) -> bool:
        if self.began:
            self.done.put(True)
        self.began = True
        self.beats.get(timeout=30)
        return ended.is_set()

    def beat(self) -> None:
        self.beats.put(True)
        self.done.get(timeout=30)


def test_a_run_that_takes_long_is_not_taken_over(history: History, clock: Clock, other: History) -> None:
    heart, theirs = Heart(), Work()
    others = jobs_of(other, clock, theirs)
    others.run_due()
    clock.now = NIGHT

    def long(context: JobContext) -> Mapping[str, object]:
        for _ in range(10):
            clock.put_on(minutes=4)
            heart.beat()
            assert others.run_due() == []
            assert not context.should_stop()
        heart.beats.put(True)
        return {}

    [run] = jobs_of(history, clock, long, wait=heart.wait).run_due()

    assert (run.outcome, theirs.runs, run.finished_at - run.started_at) == ("ok", 0, timedelta(minutes=40))


def test_who_was_taken_over_is_told_to_stop_and_writes_nothing(history: History, clock: Clock, other: History) -> None:
    heart = Heart()
    others = jobs_of(other, clock, lambda context: {"by": "the other"})
    others.run_due()
    clock.now = NIGHT
    told: list[bool] = []

    def asleep(context: JobContext) -> Mapping[str, object]:
        told.append(context.should_stop())
        clock.put_on(minutes=6)
        [run] = others.run_due()
        assert run.outcome == "ok"
        heart.beats.put(True)
        until(context.should_stop)
        told.append(context.should_stop())
        return {"by": "me"}

    jobs = jobs_of(history, clock, asleep, wait=heart.wait)
    [run] = jobs.run_due()

    assert (told, run.outcome) == ([False, True], "stopped")
    found = state(jobs)
    assert (found.outcome, found.result, found.running) == ("ok", {"by": "the other"}, False)


@pytest.mark.parametrize("asks", [False, True])
def test_who_was_taken_over_leaves_the_claim_of_the_other_alone(
    jobs: Jobs, work: Work, clock: Clock, history: History, asks: bool
) -> None:
    def asleep(context: JobContext) -> Mapping[str, object]:
        clock.put_on(minutes=6)
        assert killed(history, clock)
        return {"told": asks and context.should_stop()}

    clock.now = NIGHT
    work.also = asleep
    jobs.run("audit", lambda: asks)

    found = state(jobs)
    assert (found.running, str(found.holder).partition("/")[0], found.outcome) == (True, "killed", None)


def until(holds: Callable[[], bool]) -> None:
    """Give another thread its turn until something holds."""
    deadline = monotonic() + 30
    while not holds():
        assert monotonic() < deadline
        Event().wait(0.001)


# ---------------------------------------------------------------------------------------------------------------- ends


def raising(error: BaseException) -> Callable[[JobContext], Mapping[str, object]]:
    def action(context: JobContext) -> Mapping[str, object]:
        raise error

    return action


@pytest.mark.parametrize(
    ("error", "result"),
    [
        (JobFailed({"ok": False, "problems": 3}), {"ok": False, "problems": 3}),
        (UnknownJob("x", ["y"]), {"error": "job 'x' does not exist: want one of y"}),
        (ZeroDivisionError("first\nsecond"), {"error": "ZeroDivisionError: first"}),
        (ValueError(), {"error": "ValueError: "}),
        (ValueError("x" * 1000), {"error": f"ValueError: {'x' * 488}"}),
    ],
    ids=["on purpose", "ours", "lines", "nothing", "long"],
)
def test_a_job_that_fails_is_tried_again_at_its_next_time(
    jobs: Jobs, work: Work, clock: Clock, error: Exception, result: Mapping[str, object]
) -> None:
    clock.now = NIGHT
    jobs.run_due()
    clock.now = NIGHT + DAY
    work.also = raising(error)

    [run] = jobs.run_due()
    again = jobs.run_due()

    assert (run.outcome, run.result, again) == ("failed", result, [])
    found = state(jobs)
    assert (found.outcome, found.result, found.next_run_at) == ("failed", result, NIGHT + 2 * DAY)
    assert (found.succeeded_at, found.finished_at) == (NIGHT, NIGHT + DAY)


@pytest.mark.parametrize("result", [{"a": {1}}, {"a": float("nan")}, [1]], ids=["set", "nan", "list"])
def test_a_result_that_cannot_be_kept_is_a_failure(jobs: Jobs, work: Work, clock: Clock, result: Any) -> None:
    clock.now = NIGHT
    work.also = lambda context: result

    assert [run.outcome for run in jobs.run_due()] == ["failed"]
    assert jobs.run_due() == []
    work.also = raising(JobFailed(result))
    assert jobs.run("audit").outcome == "failed"


def test_a_result_holds_any_text(jobs: Jobs, work: Work, clock: Clock) -> None:
    clock.now = NIGHT
    text = "Zoë \x00 \ud800"
    work.also = lambda context: {"text": text, "day": NIGHT.date(), "at": NIGHT}

    jobs.run_due()

    assert state(jobs).result == {"text": text, "day": "2024-06-16", "at": "2024-06-16T02:30:00Z"}


def test_a_run_that_is_told_to_stop_leaves_the_job_due(jobs: Jobs, work: Work, clock: Clock) -> None:
    clock.now = NIGHT
    jobs.run_due()
    clock.now = NIGHT + DAY
    closing = Event()

    def stopped(context: JobContext) -> Mapping[str, object]:
        before = context.should_stop()
        closing.set()
        return {"asked": [before, context.should_stop()]}

    work.also = stopped
    [run] = jobs.run_due(closing.is_set)
    between = state(jobs)
    closed = jobs.run_due(closing.is_set)
    work.also = lambda context: {"whole": True}
    [following] = jobs.run_due()

    assert (run.outcome, run.result, closed) == ("stopped", {"asked": [False, True]}, [])
    assert (between.outcome, between.result, between.running) == ("ok", {"ok": True}, False)
    assert (between.finished_at, between.next_run_at) == (NIGHT, NIGHT + DAY)
    assert (following.outcome, work.runs) == ("ok", 3)


def test_a_bad_end_after_being_told_to_stop_is_no_failure(jobs: Jobs, work: Work, clock: Clock) -> None:
    def stopped(context: JobContext) -> Mapping[str, object]:
        raise JobFailed({"half": context.should_stop()})

    work.also = stopped
    run = jobs.run("audit", lambda: True)

    assert (run.outcome, run.result, state(jobs).outcome) == ("stopped", {"half": True}, None)


def test_a_run_that_ends_before_it_asks_has_its_outcome(jobs: Jobs, work: Work, clock: Clock) -> None:
    assert jobs.run("audit", lambda: True).outcome == "ok"


def test_an_interrupted_run_frees_the_job_at_once(jobs: Jobs, work: Work, clock: Clock) -> None:
    clock.now = NIGHT
    work.also = raising(KeyboardInterrupt())

    with pytest.raises(KeyboardInterrupt):
        jobs.run_due()

    assert (state(jobs).running, state(jobs).outcome, state(jobs).next_run_at) == (False, None, NIGHT)


def test_what_begins_and_ends_is_reported(jobs: Jobs, work: Work, clock: Clock) -> None:
    clock.now = NIGHT
    error = ZeroDivisionError("ours")
    work.also = raising(error)
    reports: list[JobReport] = []

    [run] = jobs.run_due(report=reports.append)

    assert [(each.name, each.run, each.error) for each in reports] == [("audit", None, None), ("audit", run, error)]
    assert reports[0].holder == reports[1].holder


# ------------------------------------------------------------------------------------------------------------- by hand


def test_a_job_runs_by_hand_at_any_time_and_keeps_its_own(jobs: Jobs, work: Work, clock: Clock) -> None:
    run = jobs.run("audit")

    assert (run.outcome, work.runs) == ("ok", 1)
    assert (state(jobs).next_run_at, state(jobs).succeeded_at) == (NIGHT, NOW)


def test_a_job_that_was_due_is_made_good_by_hand(jobs: Jobs, work: Work, clock: Clock) -> None:
    clock.now = NIGHT

    jobs.run("audit")

    assert jobs.run_due() == []
    assert state(jobs).next_run_at == NIGHT + DAY


def test_a_job_runs_by_hand_where_nobody_keeps_the_schedule(history: History, clock: Clock, work: Work) -> None:
    jobs = jobs_of(history, clock, work)
    before = state(jobs)

    jobs.run("audit")

    assert before == JobState("audit", NIGHTLY, None, False, None, None, None, None, None, None)
    assert (state(jobs).next_run_at, state(jobs).outcome) == (None, "ok")


def test_a_job_that_is_not_there_is_refused_by_its_name(jobs: Jobs) -> None:
    with pytest.raises(UnknownJob, match=r"^job 'dance' does not exist: want one of audit$"):
        jobs.run("dance")
    with pytest.raises(UnknownJob):
        jobs.put_result("dance", NOW, "ok", {})


def test_the_result_of_a_run_apart_is_noted(jobs: Jobs, work: Work, clock: Clock) -> None:
    began = clock.now
    clock.put_on(minutes=3)

    jobs.put_result("audit", began, "failed", {"ok": False})

    found = state(jobs)
    assert (found.outcome, found.result) == ("failed", {"ok": False})
    assert (found.started_at, found.finished_at) == (began, began + timedelta(minutes=3))
    assert (found.next_run_at, found.succeeded_at) == (NIGHT, None)


def test_the_result_of_a_run_apart_leaves_the_one_that_is_under_way(jobs: Jobs, work: Work, clock: Clock) -> None:
    clock.now = NIGHT
    seen: list[JobState] = []

    def meanwhile(context: JobContext) -> Mapping[str, object]:
        jobs.put_result("audit", NOW, "ok", {"apart": True})
        seen.append(state(jobs))
        return {"apart": False}

    work.also = meanwhile
    jobs.run_due()

    assert (seen[0].running, seen[0].started_at, seen[0].result) == (True, NIGHT, {"apart": True})
    assert state(jobs).result == {"apart": False}


def test_a_result_can_be_noted_where_nobody_keeps_the_schedule(history: History, clock: Clock, work: Work) -> None:
    jobs = jobs_of(history, clock, work)

    jobs.put_result("audit", NOW, "ok", {"ok": True})
    jobs.run_due()

    assert (state(jobs).outcome, state(jobs).next_run_at, work.runs) == ("ok", NIGHT, 0)


def test_states_can_be_read_in_a_transaction_of_ones_own(jobs: Jobs, history: History) -> None:
    with history.engine.connect() as connection:
        assert jobs.states(connection) == jobs.states()


# -------------------------------------------------------------------------------------------------------------- clocks


def test_a_clock_that_goes_back_brings_one_more_run_at_most(jobs: Jobs, work: Work, clock: Clock) -> None:
    clock.now = NIGHT
    jobs.run_due()

    clock.now = NIGHT - timedelta(hours=1)
    for _ in range(2 * 60):
        jobs.run_due()
        clock.put_on(minutes=1)

    assert work.runs <= 2


def test_a_clock_that_goes_back_during_a_run_brings_one_more_at_most(jobs: Jobs, work: Work, clock: Clock) -> None:
    def going_back(context: JobContext) -> Mapping[str, object]:
        if work.runs == 1:
            clock.put_on(hours=-1)
        return {}

    clock.now = NIGHT
    work.also = going_back
    for _ in range(2 * 60):
        jobs.run_due()
        clock.put_on(minutes=1)

    assert work.runs <= 2


def test_a_clock_that_was_a_year_ahead_does_not_silence_a_job(
    jobs: Jobs, work: Work, clock: Clock, history: History
) -> None:
    clock.now = NIGHT + 365 * DAY
    jobs.run_due()
    clock.now = NIGHT + 366 * DAY
    assert killed(history, clock)
    clock.now = NIGHT + 367 * DAY
    jobs.run_due()

    clock.now = NOW
    jobs.run_due()
    clock.now = NIGHT
    [run] = jobs.run_due()

    assert (run.outcome, work.runs) == ("ok", 3)


def test_a_claim_from_a_clock_that_was_a_year_ahead_is_not_believed(
    jobs: Jobs, work: Work, clock: Clock, history: History
) -> None:
    clock.now = NIGHT + 365 * DAY
    assert killed(history, clock)

    clock.now = NIGHT

    assert [run.outcome for run in jobs.run_due()] == ["ok"]


def test_processes_whose_clocks_differ_by_an_hour_run_a_job_once_a_night(
    jobs: Jobs, work: Work, clock: Clock, other: History
) -> None:
    ahead = jobs_of(other, lambda: clock() + timedelta(hours=1), work)
    for _ in range(2 * 24 * 6):
        ahead.run_due()
        jobs.run_due()
        clock.put_on(minutes=10)

    assert work.runs == 2


def test_processes_with_different_schedules_both_let_a_job_run(
    jobs: Jobs, work: Work, clock: Clock, other: History
) -> None:
    often = jobs_of(other, clock, work, "0 * * * *")
    for _ in range(24 * 6):
        jobs.run_due()
        often.run_due()
        clock.put_on(minutes=10)

    assert 12 <= work.runs <= 26
