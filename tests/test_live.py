"""Live work as a state machine: what each event makes of the sessions, what is refused, and the days of the work."""

from __future__ import annotations

from datetime import timedelta

import oracle
import pytest
from facts_made import at
from hypothesis import given, settings
from hypothesis import strategies as st

from timestrata import InvalidRequest
from timestrata.calendar import day_date, instant, local_days
from timestrata.errors import WrongState
from timestrata.facts import MAX_SECONDS
from timestrata.live import Event, Kind, Work, advance, fold, worked_cells

NINE = instant(at("2024-05-06T09:00"))
MINUTE = 60 * 10**6
HOUR = 60 * MINUTE


def told(*events: tuple[Kind, int] | tuple[Kind, int, int]) -> Work:
    """Return the work after "started" at nine on step 0 and further events: (kind, minutes after nine[, what])."""
    return fold([Event("started", NINE, 0), *(event(*one) for one in events)])


def event(kind: Kind, minutes: int, what: int = 1) -> Event:
    mended = kind in ("confirmed", "corrected")
    return Event(kind, NINE + minutes * MINUTE, what if kind == "step_started" else None, what if mended else None)


def seconds(work: Work, minutes: int) -> list[tuple[int, int]]:
    """Return the (active, paused) minutes of each session, up to some minutes after nine."""
    found = [session.seconds(NINE + minutes * MINUTE) for session in work.sessions]
    return [(active // 60, paused // 60) for active, paused in found]


# ----------------------------------------------------------------------------------------------------- what happens


def test_a_workflow_starts_with_the_session_of_its_first_step() -> None:
    work = told()

    assert work.state == "active"
    assert work.running
    assert [(session.step_index, session.state) for session in work.sessions] == [(0, "running")]
    assert seconds(work, 5) == [(5, 0)]


def test_a_pause_stops_the_time_and_a_resume_lets_it_go_on() -> None:
    paused = told(("paused", 10))
    resumed = told(("paused", 10), ("resumed", 25))

    assert (paused.running, resumed.running) == (False, True)
    assert seconds(paused, 30) == [(10, 20)]
    assert seconds(resumed, 30) == [(15, 15)]


def test_a_step_that_starts_ends_the_one_that_runs() -> None:
    work = told(("step_started", 10, 2))

    assert [(session.step_index, session.state) for session in work.sessions] == [(0, "ended"), (2, "running")]
    assert seconds(work, 15) == [(10, 0), (5, 0)]


@pytest.mark.parametrize("kind", ["step_started", "step_ended", "completed", "cancelled"])
def test_a_paused_session_ends_where_its_pause_began(kind: Kind) -> None:
    work = told(("paused", 10), ("resumed", 20), ("paused", 30), (kind, 50))

    assert work.sessions[0].ended_at == NINE + 30 * MINUTE
    assert seconds(work, 50)[0] == (20, 10)
    assert work.last_at == NINE + 50 * MINUTE


def test_a_step_can_be_started_again_once_it_has_ended() -> None:
    work = told(("step_ended", 10), ("step_started", 20, 0), ("step_ended", 25))

    assert work.state == "active"
    assert [session.step_index for session in work.sessions] == [0, 0]
    assert seconds(work, 60) == [(10, 0), (5, 0)]


def test_events_at_one_instant_are_fine() -> None:
    work = told(("paused", 0), ("resumed", 0), ("step_started", 0), ("paused", 0), ("completed", 0))

    assert (work.state, work.finished_at) == ("completed", NINE)
    assert seconds(work, 0) == [(0, 0), (0, 0)]


def test_completing_and_cancelling_end_what_runs() -> None:
    completed, cancelled = told(("completed", 10)), told(("cancelled", 10))

    for work, state in ((completed, "completed"), (cancelled, "cancelled")):
        assert (work.state, work.finished_at, work.current) == (state, NINE + 10 * MINUTE, None)
        assert seconds(work, 99) == [(10, 0)]


def test_seconds_are_rounded_half_up() -> None:
    work = fold([Event("started", NINE, 0), Event("paused", NINE + 1_500_000)])

    assert work.sessions[0].seconds(NINE + 2_999_999) == (2, 1)
    assert work.sessions[0].seconds(NINE + 3_000_000) == (2, 2)


def test_seconds_never_count_backwards() -> None:
    """A clock that is behind the last event shows no negative time."""
    assert told().sessions[0].seconds(NINE - MINUTE) == (0, 0)


@pytest.mark.parametrize(
    ("events", "until"),
    [
        ((), None),
        ((("paused", 10),), 10),
        ((("paused", 10), ("resumed", 20)), 10),
        ((("paused", 10), ("step_ended", 20)), 10),
        ((("step_ended", 20),), 20),
        ((("step_started", 20),), 20),
        ((("step_started", 20), ("paused", 30)), 30),
        ((("forgotten", 720),), 720),
        ((("forgotten", 720), ("corrected", 30, 0)), 30),
        ((("completed", 40),), 40),
    ],
)
def test_work_goes_until_the_end_of_its_last_stretch(
    events: tuple[tuple[Kind, int] | tuple[Kind, int, int], ...], until: int | None
) -> None:
    assert told(*events).worked_until == (None if until is None else NINE + until * MINUTE)


def test_stretches_leave_the_pauses_out() -> None:
    work = told(("paused", 10), ("resumed", 20), ("step_started", 30), ("paused", 40))

    stretches = [(start, end) for start, end in work.stretches]
    assert [((start - NINE) // MINUTE, (end or 0) - NINE) for start, end in stretches] == [
        (0, 10 * MINUTE),
        (20, 10 * MINUTE + 20 * MINUTE),
        (30, 40 * MINUTE),
    ]
    assert told().stretches == [(NINE, None)]


# ---------------------------------------------------------------------------------------------- what is refused, why


@pytest.mark.parametrize(
    ("events", "refused", "found"),
    [
        ((("paused", 10),), "paused", "paused"),
        ((), "resumed", "running"),
        ((("step_ended", 10),), "paused", "no session"),
        ((("step_ended", 10),), "resumed", "no session"),
        ((("step_ended", 10),), "step_ended", "no session"),
        ((("paused", 10),), "forgotten", "paused"),
        ((("completed", 10),), "paused", "a workflow that is completed"),
        ((("completed", 10),), "step_started", "completed"),
        ((("completed", 10),), "cancelled", "completed"),
        ((("completed", 10),), "completed", "completed"),
        ((("cancelled", 10),), "completed", "cancelled"),
        ((("cancelled", 10),), "cancelled", "cancelled"),
        ((("forgotten", 10), ("completed", 20)), "completed", "held"),
        ((("forgotten", 10), ("completed", 20)), "cancelled", "held"),
        ((("forgotten", 10),), "paused", "confirm or correct"),
        ((("forgotten", 10),), "step_ended", "confirm or correct"),
        ((), "confirmed", "not forgotten"),
        ((), "corrected", "not forgotten"),
        ((("forgotten", 10), ("confirmed", 10, 0)), "confirmed", "not forgotten"),
        ((("forgotten", 10), ("corrected", 5, 0)), "corrected", "not forgotten"),
    ],
)
def test_what_cannot_be_done_now_is_refused_with_the_reason(
    events: tuple[tuple[Kind, int] | tuple[Kind, int, int], ...], refused: Kind, found: str
) -> None:
    work = told(*events)

    with pytest.raises(WrongState, match=found):
        advance(work, event(refused, 30, 0 if refused in ("confirmed", "corrected") else 1))


def test_the_step_that_is_worked_on_cannot_be_started() -> None:
    with pytest.raises(WrongState, match=r"step 0 running already, want another step$"):
        advance(told(), event("step_started", 5, 0))
    with pytest.raises(WrongState, match="step 0 paused already, want another step, or resume this one"):
        advance(told(("paused", 1)), event("step_started", 5, 0))


def test_an_event_before_the_previous_one_is_refused() -> None:
    work = told(("paused", 10))

    with pytest.raises(InvalidRequest, match="not before the previous event, 2024-05-06T09:10:00"):
        advance(work, Event("resumed", NINE + 10 * MINUTE - 1))
    assert advance(work, Event("resumed", NINE + 10 * MINUTE)).running


def test_an_event_before_the_end_that_a_forgotten_session_was_given_says_so() -> None:
    with pytest.raises(InvalidRequest, match=r"ran too long and was ended at 2024-05-06T21:00:00.*confirm or correct"):
        advance(told(("forgotten", 720)), event("step_started", 60))


def test_a_session_that_paused_longer_than_a_fact_can_hold_is_not_resumed_but_can_be_ended() -> None:
    """Resumed it could never be ended, so its workflow could be neither completed nor cancelled."""
    work = told(("paused", 10))
    late = NINE + 10 * MINUTE + MAX_SECONDS * 10**6

    assert advance(work, Event("resumed", late)).running
    with pytest.raises(WrongState, match="end it and start the step again"):
        advance(work, Event("resumed", late + 10**6))
    ended = advance(work, Event("step_ended", late + 10**6))
    assert [session.fact().active_seconds for session in ended.sessions] == [600]


def test_events_change_nothing_in_place() -> None:
    before = told(("paused", 10))
    work = advance(before, event("resumed", 20))

    assert before == told(("paused", 10))
    assert work != before


# --------------------------------------------------------------------------------------------------------- forgotten


def test_a_forgotten_session_counts_once_its_end_is_known() -> None:
    forgotten = told(("forgotten", 720))
    confirmed = advance(forgotten, event("confirmed", 720, 0))
    corrected = advance(forgotten, event("corrected", 45, 0))

    assert (forgotten.forgotten, len(forgotten.counted)) == (1, 0)
    assert (confirmed.forgotten, seconds(confirmed, 0)) == (0, [(720, 0)])
    assert (corrected.forgotten, seconds(corrected, 0)) == (0, [(45, 0)])
    assert corrected.last_at == NINE + 45 * MINUTE  # the next thing may have happened before the guess


def test_a_completed_workflow_is_held_until_no_end_is_a_guess() -> None:
    events: list[tuple[Kind, int] | tuple[Kind, int, int]] = [("forgotten", 720), ("step_started", 800)]
    held = told(*events, ("forgotten", 1600), ("completed", 1700))
    one = advance(held, event("confirmed", 0, 1))

    assert (held.state, one.state) == ("held", "held")
    assert advance(one, event("corrected", 60, 0)).state == "completed"
    assert held.finished_at == one.finished_at == NINE + 1700 * MINUTE


def test_a_cancelled_workflow_stays_cancelled_when_its_forgotten_session_is_settled() -> None:
    cancelled = told(("forgotten", 720), ("cancelled", 800))

    settled = advance(cancelled, event("confirmed", 720, 0))

    assert (settled.state, settled.forgotten, len(settled.counted)) == ("cancelled", 0, 1)


@pytest.mark.parametrize(("minutes", "fine"), [(19, False), (20, True), (800, True), (801, False)])
def test_a_corrected_end_lies_between_what_was_known_and_the_next_session(minutes: int, fine: bool) -> None:
    work = told(("paused", 10), ("resumed", 20), ("forgotten", 740), ("step_started", 800))

    if fine:
        assert advance(work, event("corrected", minutes, 0)).sessions[0].ended_at == NINE + minutes * MINUTE
    else:
        with pytest.raises(InvalidRequest, match=r"ended_at.*not before 2024-05-06T09:20.* and not after .*T22:20"):
            advance(work, event("corrected", minutes, 0))


def test_a_corrected_end_lies_before_the_completion() -> None:
    work = told(("forgotten", 720), ("completed", 800))

    with pytest.raises(InvalidRequest, match="ended_at"):
        advance(work, event("corrected", 801, 0))
    assert advance(work, event("corrected", 800, 0)).state == "completed"


def test_without_anything_after_it_a_corrected_end_may_be_later_than_the_guess() -> None:
    assert advance(told(("forgotten", 720)), event("corrected", 900, 0)).sessions[0].ended_at == NINE + 900 * MINUTE


# ------------------------------------------------------------------------------------------------------------- days


def test_worked_time_is_filed_on_the_days_of_the_work() -> None:
    """A pause over night leaves both days the time before and after it."""
    started = instant(at("2024-05-06T21:00"))
    work = fold(
        [
            Event("started", started, 0),
            Event("paused", started + HOUR),
            Event("resumed", started + 11 * HOUR),
            Event("step_ended", started + 12 * HOUR + 1),
        ]
    )

    cells = worked_cells(work, local_days("UTC"), (1, 2, 3))

    day = local_days("UTC").day(started)
    assert cells == {(1, day, 2, 3): (3600, 1), (1, day + 1, 2, 3): (3600, 0)}


def test_what_runs_is_forgotten_or_recorded_is_not_counted_here() -> None:
    days = local_days("UTC")

    assert worked_cells(told(), days, (1, 2, 3)) == {}
    assert worked_cells(told(("paused", 10)), days, (1, 2, 3)) == {}
    assert worked_cells(told(("forgotten", 720)), days, (1, 2, 3)) == {}
    assert worked_cells(told(("completed", 10)), days, (1, 2, 3)) == {}
    assert list(worked_cells(told(("cancelled", 10)), days, (1, 2, 3)).values()) == [(600, 1)]


KINDS: tuple[Kind, ...] = ("step_started", "paused", "resumed", "step_ended", "cancelled")
ZONES = ("UTC", "Europe/Berlin", "America/St_Johns", "Asia/Kathmandu")


@settings(deadline=None, max_examples=150, derandomize=True, database=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(KINDS), st.sampled_from([0, 1, 7, 29, 61, 400]), st.integers(0, 2)), max_size=12
    ),
    st.sampled_from(ZONES),
    st.sampled_from(["2024-03-30T21:50", "2024-10-26T20:00", "2010-11-07T00:30"]),
)
def test_the_minutes_of_the_work_are_on_their_days(
    events: list[tuple[Kind, int, int]], timezone: str, started: str
) -> None:
    """Whatever happened, minute by minute: a minute counts on its local day if a session ran through it."""
    start = at(started)
    work = fold([Event("started", instant(start), 0)])
    minutes: list[tuple[int, int]] = []  # (session, minute after the start) at work
    now, session, running = 0, 0, True
    for kind, wait, step in events:
        before, was_running, was_session = now, running, session
        now += wait
        what = Event(kind, instant(start) + now * MINUTE, step if kind == "step_started" else None)
        try:
            work = advance(work, what)
        except WrongState:
            now = before
            continue
        if was_running:
            minutes += [(was_session, minute) for minute in range(before, now)]
        running = kind in ("step_started", "resumed")
        session += kind == "step_started"

    ended = {number for number, one in enumerate(work.sessions) if one.ended_at is not None}
    found = worked_cells(work, local_days(timezone), (1, 2, 3))

    wanted: dict[object, int] = {}
    for number, minute in minutes:
        if number in ended:
            day = oracle.local_day(start + timedelta(minutes=minute), timezone)
            wanted[day] = wanted.get(day, 0) + 60
    assert {day_date(key[1]): worked for key, (worked, _) in found.items() if worked} == wanted  # type: ignore[arg-type]
    assert sum(sessions for _, sessions in found.values()) == len(ended)
