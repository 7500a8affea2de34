"""What a fact accepts, works out and refuses; visits, oddities and the fingerprint that outlives the code."""

import doctest
import json
import re
import sys
from collections.abc import Callable
from dataclasses import FrozenInstanceError, replace
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from decimal import Decimal
from hashlib import blake2b
from typing import Any
from zoneinfo import ZoneInfo

import oracle
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import sessions, workflows

from timestrata import facts
from timestrata.calendar import instant
from timestrata.errors import InvalidFact, MissingField, TimestrataError
from timestrata.facts import (
    CompletedWorkflow,
    Pause,
    StepTime,
    TimeSession,
    attributes_text,
    fingerprint,
    visits,
    whole_seconds,
)

NINE = datetime(2024, 5, 6, 9, tzinfo=UTC)
TEN_MILLION = 10_000_000
SECONDS = "a number of seconds from 0 to 10000000"
TEXT = "text of 1 to 255 characters"
OFFSET = "a datetime with an offset"


def at(seconds: float) -> datetime:
    """The time so many seconds after nine."""
    return NINE + timedelta(seconds=seconds)


def session(start: float, end: float, *pauses: tuple[float, float], **given: Any) -> TimeSession:
    return TimeSession(at(start), at(end), pauses=tuple(Pause(at(a), at(b)) for a, b in pauses), **given)


def workflow(**given: Any) -> CompletedWorkflow:
    fields: dict[str, Any] = {
        "workflow_id": "w1",
        "user_id": "ada",
        "ticket_key": "TK-1",
        "ticket_type": "Bug",
        "template": "QA",
        "started_at": NINE,
        "completed_at": at(7200),
        "steps": (StepTime(0, "Analyse", 600),),
    }
    return CompletedWorkflow(**{**fields, **given})


def refusal(make: Callable[[], object]) -> InvalidFact:
    with pytest.raises(InvalidFact) as caught:
        make()
    return caught.value


# ------------------------------------------------------------------------------------------------------ what is refused


class WithoutOffset(tzinfo):
    """A zone that does not say its offset."""

    def utcoffset(self, _: datetime | None) -> None:
        return None

    def dst(self, _: datetime | None) -> None:
        return None

    def tzname(self, _: datetime | None) -> None:
        return None


TEXTS = [("", TEXT), ("x" * 256, TEXT), (7, TEXT), (None, TEXT), (b"ada", TEXT)]
TEXTS += [("a\0b", "text without the character U+0000"), ("a\ud800", "text without lone surrogates")]


@pytest.mark.parametrize("name", ["workflow_id", "user_id", "ticket_key", "ticket_type", "template"])
@pytest.mark.parametrize(("found", "wanted"), TEXTS)
def test_a_text_of_a_workflow_is_refused(name: str, found: object, wanted: str) -> None:
    error = refusal(lambda: workflow(**{name: found}))

    assert (error.field, error.found, error.wanted) == (name, found, wanted)


@pytest.mark.parametrize(("found", "wanted"), TEXTS)
def test_a_name_of_a_step_is_refused(found: Any, wanted: str) -> None:
    error = refusal(lambda: StepTime(0, found, 1))

    assert (error.field, error.found, error.wanted) == ("name", found, wanted)


MOMENTS: dict[str, Callable[[Any], object]] = {
    "paused_at": lambda found: Pause(found, NINE),
    "resumed_at": lambda found: Pause(NINE, found),
    "started_at": lambda found: TimeSession(found, NINE),
    "ended_at": lambda found: TimeSession(NINE, found),
    "completed_at": lambda found: workflow(completed_at=found),
}


@pytest.mark.parametrize("name", MOMENTS)
@pytest.mark.parametrize("found", [None, "2024-05-06T09:00:00Z", 1_714_986_000, NINE.date()])
def test_what_is_no_datetime_is_refused_as_a_moment(name: str, found: object) -> None:
    error = refusal(lambda: MOMENTS[name](found))

    assert (error.field, error.found, error.wanted) == (name, found, OFFSET)


@pytest.mark.parametrize("name", MOMENTS)
@pytest.mark.parametrize("zone", [None, WithoutOffset()])
def test_a_datetime_without_an_offset_is_refused(name: str, zone: tzinfo | None) -> None:
    error = refusal(lambda: MOMENTS[name](NINE.replace(tzinfo=zone)))

    assert (error.field, error.found) == (name, "2024-05-06T09:00:00")
    assert error.wanted == "a datetime with an offset, such as one in datetime.UTC"


@pytest.mark.parametrize("name", MOMENTS)
@pytest.mark.parametrize(
    "found",
    [
        datetime(1, 1, 2, 23, 59, 59, tzinfo=UTC),
        datetime(9999, 12, 30, 0, 0, 0, 1, tzinfo=UTC),
        datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=14))),
        datetime(9999, 12, 31, 23, tzinfo=timezone(timedelta(hours=-12))),
    ],
)
def test_an_instant_at_the_ends_of_time_is_refused(name: str, found: datetime) -> None:
    error = refusal(lambda: MOMENTS[name](found))

    assert (error.field, error.found) == (name, found.isoformat())
    assert re.fullmatch(r"an instant between 0001-01-03 and 9999-12-30", error.wanted)


def test_the_first_instant_is_named_with_four_digits_of_its_year() -> None:
    error = refusal(lambda: workflow(started_at=datetime(1, 1, 1, tzinfo=UTC)))

    assert error.wanted == "an instant between 0001-01-03 and 9999-12-30"


def test_the_first_and_the_last_instant_are_accepted() -> None:
    first, last = datetime(1, 1, 3, tzinfo=UTC), datetime(9999, 12, 30, tzinfo=UTC)

    assert workflow(started_at=first, completed_at=last).active_seconds == 600


NO_SECONDS = [-1, -0.1, TEN_MILLION + 1, TEN_MILLION + 0.1, 1e300, float("inf"), "5", True, None, 5j]
NO_SECONDS += [Decimal(-1), Decimal("Infinity")]


@pytest.mark.parametrize("found", NO_SECONDS)
def test_what_is_no_number_of_seconds_is_refused(found: Any) -> None:
    error = refusal(lambda: StepTime(0, "Analyse", found))

    assert (error.field, error.found, error.wanted) == ("active_seconds", found, SECONDS)


def test_nan_seconds_are_refused() -> None:
    assert refusal(lambda: whole_seconds("active_seconds", float("nan"))).wanted == SECONDS


@pytest.mark.parametrize("text", ["NaN", "sNaN"])
def test_decimal_nan_seconds_are_refused(text: str) -> None:
    assert refusal(lambda: whole_seconds("active_seconds", Decimal(text))).wanted == SECONDS


@pytest.mark.parametrize("found", [-1, 10**11 + 1, False, "60", float("inf")])
@pytest.mark.parametrize("make", [lambda n: StepTime(0, "Analyse", 1, n), lambda n: workflow(estimated_seconds=n)])
def test_what_is_no_estimate_is_refused(make: Callable[[object], object], found: object) -> None:
    error = refusal(lambda: make(found))

    assert (error.field, error.found) == ("estimated_seconds", found)
    assert error.wanted == "a number of seconds from 0 to 100000000000"


REFUSED: dict[str, tuple[Callable[[], object], str, object, str]] = {
    "a pause that ends before it starts": (
        lambda: Pause(at(1), at(0)),
        "resumed_at",
        "2024-05-06T09:00:00+00:00",
        "an instant not before paused_at",
    ),
    "a session that ends before it starts": (
        lambda: session(1, 0),
        "ended_at",
        "2024-05-06T09:00:00+00:00",
        "an instant not before started_at",
    ),
    "a pause before its session": (
        lambda: session(10, 60, (20, 30), (9, 15)),
        "pauses[0].paused_at",
        "2024-05-06T09:00:09+00:00",
        "an instant not before the session's start",
    ),
    "a pause after its session": (
        lambda: session(10, 60, (50, 61), (20, 30)),
        "pauses[1].resumed_at",
        "2024-05-06T09:01:01+00:00",
        "an instant not after the session's end",
    ),
    "pauses that overlap": (
        lambda: session(0, 60, (20, 30), (0, 5), (29, 40)),
        "pauses[2].paused_at",
        "2024-05-06T09:00:29+00:00",
        "pauses that do not overlap",
    ),
    "pauses that are none": (
        lambda: TimeSession(at(0), at(60), pauses=(Pause(at(0), at(1)), "2 s")),  # type: ignore[arg-type]
        "pauses[1]",
        "2 s",
        "a Pause",
    ),
    "no pauses at all": (
        lambda: TimeSession(at(0), at(60), pauses=None),  # type: ignore[arg-type]
        "pauses",
        None,
        "a sequence of Pause",
    ),
    "pauses that are no sequence": (
        lambda: TimeSession(at(0), at(60), pauses=7),  # type: ignore[arg-type]
        "pauses",
        7,
        "a sequence of Pause",
    ),
    "more seconds than elapsed": (
        lambda: session(0, 60, active_seconds=50, pause_seconds=11),
        "active_seconds",
        50,
        "active_seconds + pause_seconds (50 + 11) to be the elapsed 60 s",
    ),
    "fewer seconds than elapsed": (
        lambda: session(0, 60.5, active_seconds=49, pause_seconds=10),
        "active_seconds",
        49,
        "active_seconds + pause_seconds (49 + 10) to be the elapsed 60.5 s",
    ),
    "active seconds that leave no room for the pauses": (
        lambda: session(0, 60, (10, 20), active_seconds=60),
        "active_seconds",
        60,
        "active_seconds + pause_seconds (60 + 10) to be the elapsed 60 s",
    ),
    "more active seconds than elapsed": (
        lambda: session(0, 60, active_seconds=61),
        "active_seconds",
        61,
        "active_seconds + pause_seconds (61 + 0) to be the elapsed 60 s",
    ),
    "more pause seconds than elapsed": (
        lambda: session(0, 60, pause_seconds=61),
        "active_seconds",
        0,
        "active_seconds + pause_seconds (0 + 61) to be the elapsed 60 s",
    ),
    "pause seconds that are not those of the pauses": (
        lambda: session(0, 60, (10, 20), pause_seconds=11),
        "pause_seconds",
        11,
        "the 10 s of the pauses",
    ),
    "a session of more than 10^7 s": (lambda: session(0, TEN_MILLION + 1), "active_seconds", TEN_MILLION + 1, SECONDS),
    "a pause of more than 10^7 s": (
        lambda: session(0, TEN_MILLION + 1, (0, TEN_MILLION + 1)),
        "pause_seconds",
        TEN_MILLION + 1,
        SECONDS,
    ),
    "given active seconds that are no number": (
        lambda: session(0, 60, active_seconds="60"),
        "active_seconds",
        "60",
        SECONDS,
    ),
    "given pause seconds that are no number": (lambda: session(0, 60, pause_seconds=-1), "pause_seconds", -1, SECONDS),
    "a step index below 0": (lambda: StepTime(-1, "A", 1), "index", -1, "a whole number from 0 to 32767"),
    "a step index above 32767": (lambda: StepTime(32_768, "A", 1), "index", 32_768, "a whole number from 0 to 32767"),
    "a step index that is no number": (
        lambda: StepTime(True, "A", 1),
        "index",
        True,
        "a whole number from 0 to 32767",
    ),
    "a step without seconds or sessions": (lambda: StepTime(0, "A"), "active_seconds", None, SECONDS),
    "other seconds than the sessions have": (
        lambda: StepTime(0, "A", 119, sessions=(session(0, 60), session(0, 60))),
        "active_seconds",
        119,
        "the 120 s of its sessions",
    ),
    "sessions that are none": (
        lambda: StepTime(0, "A", sessions=[session(0, 60), None]),  # type: ignore[arg-type]
        "sessions[1]",
        None,
        "a TimeSession",
    ),
    "sessions that are no sequence": (
        lambda: StepTime(0, "A", sessions=session(0, 60)),  # type: ignore[arg-type]
        "sessions",
        session(0, 60),
        "a sequence of TimeSession",
    ),
    "sessions of more than 10^7 s together": (
        lambda: StepTime(0, "A", sessions=(session(0, TEN_MILLION), session(0, 1))),
        "active_seconds",
        TEN_MILLION + 1,
        SECONDS,
    ),
    "a workflow completed before it started": (
        lambda: workflow(completed_at=at(-1)),
        "completed_at",
        "2024-05-06T08:59:59+00:00",
        "an instant not before started_at",
    ),
    "a zone that is none": (
        lambda: workflow(timezone="Europe/Bonn"),
        "timezone",
        "Europe/Bonn",
        'an IANA time zone such as "Europe/Berlin" or "UTC"',
    ),
    "a workflow without steps": (lambda: workflow(steps=()), "steps", [], "at least one step"),
    "steps that are no sequence": (lambda: workflow(steps=None), "steps", None, "a sequence of StepTime"),
    "steps that are none": (lambda: workflow(steps=["Analyse"]), "steps[0]", "Analyse", "a StepTime"),
    "a step index twice": (
        lambda: workflow(steps=[StepTime(1, "A", 1), StepTime(0, "B", 1), StepTime(1, "C", 1)]),
        "steps[2].index",
        1,
        "every index once",
    ),
    "steps of more than 10^7 s together": (
        lambda: workflow(steps=[StepTime(0, "A", TEN_MILLION), StepTime(1, "B", 1)]),
        "active_seconds",
        TEN_MILLION + 1,
        SECONDS,
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_is_refused(case: str) -> None:
    make, field, found, wanted = REFUSED[case]

    error = refusal(make)

    assert (error.field, error.found, error.wanted) == (field, found, wanted)


def endless() -> dict[str, object]:
    circle: dict[str, object] = {}
    circle["again"] = circle
    return circle


@pytest.mark.parametrize(
    "found",
    [
        [("sprint", 7)],
        "sprint 7",
        {"a": float("nan")},
        {"a": float("-inf")},
        {"a": {1, 2}},
        {("a", "b"): 1},
        endless(),
        {"a": "x" * 65_536},
    ],
)
def test_attributes_that_json_cannot_hold_are_refused(found: object) -> None:
    error = refusal(lambda: workflow(attributes=found))

    assert error.field == "attributes"
    assert error.found is found
    assert error.wanted == "a JSON object of at most 65536 characters"


@pytest.mark.parametrize("found", [[], "", 0, False])
def test_attributes_that_are_empty_but_no_object_are_refused(found: object) -> None:
    assert refusal(lambda: workflow(attributes=found)).field == "attributes"


@pytest.mark.parametrize("found", [[], {}, ["UTC"]])
def test_a_zone_that_has_no_hash_is_refused(found: object) -> None:
    assert refusal(lambda: workflow(timezone=found)).field == "timezone"


def test_a_refusal_says_what_was_found_and_what_is_wanted() -> None:
    error = refusal(lambda: StepTime(0, "Analyse", -5))

    assert str(error) == f"active_seconds: found -5, want {SECONDS}"
    assert isinstance(error, TimestrataError)
    assert isinstance(error, ValueError)


def test_a_refusal_is_put_under_the_path_it_came_from() -> None:
    error = refusal(lambda: StepTime(0, "Analyse", -5)).under("steps[2]").under("line")

    assert (error.field, error.found, error.wanted) == ("line.steps[2].active_seconds", -5, SECONDS)
    assert str(error) == f"line.steps[2].active_seconds: found -5, want {SECONDS}"


def test_a_missing_field_stays_missing_under_a_path() -> None:
    error = MissingField("name", TEXT).under("steps[0]")

    assert isinstance(error, MissingField)
    assert (error.field, error.found) == ("steps[0].name", None)
    assert str(error) == "steps[0].name: missing, want text of 1 to 255 characters"


def test_a_long_value_is_shown_by_its_ends() -> None:
    error = refusal(lambda: StepTime(0, "x" * 256, 1))

    assert str(error) == f"name: found '{'x' * 49}...{'x' * 19}' (258 characters), want {TEXT}"


# ------------------------------------------------------------------------------------------------ seconds are whole


@pytest.mark.parametrize(
    ("given_seconds", "whole"),
    [
        (0, 0),
        (TEN_MILLION, TEN_MILLION),
        (0.0, 0),
        (-0.0, 0),
        (0.49999999999999994, 0),
        (0.5, 1),
        (1.5, 2),
        (2.5, 3),
        (2.4999999, 2),
        (9_999_999.5, TEN_MILLION),
        (Decimal("2.5"), 3),
        (Decimal("2.49999999999999999999999999999999"), 2),
        (Decimal("1e3"), 1000),
    ],
)
def test_seconds_are_rounded_half_up(given_seconds: float | Decimal, whole: int) -> None:
    found = whole_seconds("active_seconds", given_seconds)

    assert (found, type(found)) == (whole, int)


@pytest.mark.parametrize(
    ("elapsed", "active"),
    [(0, 0), (0.499999, 0), (0.5, 1), (1.499999, 1), (1.5, 2), (2.5, 3), (86_400, 86_400), (TEN_MILLION, TEN_MILLION)],
)
def test_a_session_is_rounded_half_up_to_whole_seconds(elapsed: float, active: int) -> None:
    assert session(0, elapsed).active_seconds == active


def test_the_seconds_of_a_session_come_from_its_instants_and_pauses() -> None:
    found = session(0, 3600, (600, 900), (1800, 1800), (1800, 2100))

    assert (found.active_seconds, found.pause_seconds) == (3000, 600)


def test_a_session_may_be_all_pause() -> None:
    found = session(0, 60, (0, 60))

    assert (found.active_seconds, found.pause_seconds) == (0, 60)


@pytest.mark.parametrize(
    ("given_seconds", "active", "pause"),
    [
        ({"pause_seconds": 600}, 3000, 600),
        ({"active_seconds": 3000}, 3000, 600),
        ({"active_seconds": 3000, "pause_seconds": 600}, 3000, 600),
        ({"active_seconds": 2999.6, "pause_seconds": Decimal(600)}, 3000, 600),
    ],
)
def test_a_session_without_its_pauses_takes_their_total(given_seconds: dict[str, Any], active: int, pause: int) -> None:
    found = session(0, 3600, **given_seconds)

    assert (found.active_seconds, found.pause_seconds) == (active, pause)


@pytest.mark.parametrize(("active", "pause"), [(50, 10), (51, 10), (50, 11), (60, 1)])
def test_given_seconds_may_differ_from_the_elapsed_time_by_less_than_one(active: int, pause: int) -> None:
    found = session(0, 60.5, active_seconds=active, pause_seconds=pause)

    assert (found.active_seconds, found.pause_seconds) == (active, pause)


@pytest.mark.parametrize("pause", [10, 11])
def test_given_pause_seconds_may_differ_from_the_pauses_by_less_than_one(pause: int) -> None:
    assert session(0, 60, (0, 10.5), pause_seconds=pause).pause_seconds == pause


@pytest.mark.parametrize(
    ("elapsed", "paused", "active"),
    [(10.5, 0.25, 10), (2.4, 0.5, 2), (1.4, 0.5, 1)],
)
def test_active_seconds_are_rounded_once(elapsed: float, paused: float, active: int) -> None:
    assert session(0, elapsed, (0, paused)).active_seconds == active


@given(sessions())
@settings(deadline=None)
def test_active_and_pause_seconds_of_a_session_are_its_elapsed_time(found: TimeSession) -> None:
    elapsed = found.ended_at - found.started_at

    assert found.active_seconds >= 0
    assert found.pause_seconds >= 0
    assert abs(timedelta(seconds=found.active_seconds + found.pause_seconds) - elapsed) < timedelta(seconds=1)


@given(sessions())
@settings(deadline=None)
def test_a_session_made_of_its_own_values_is_the_same(found: TimeSession) -> None:
    again = TimeSession(
        found.started_at, found.ended_at, found.active_seconds, found.pause_seconds, tuple(reversed(found.pauses))
    )

    assert again.pauses == tuple(sorted(found.pauses, key=lambda pause: (pause.paused_at, pause.resumed_at)))
    assert (again.active_seconds, again.pause_seconds) == (found.active_seconds, found.pause_seconds)


def test_pauses_are_kept_in_time_order() -> None:
    assert session(0, 60, (40, 50), (10, 20)) == session(0, 60, (10, 20), (40, 50))


@pytest.mark.parametrize("none", [[], iter(()), ()])
def test_no_pauses_are_an_empty_tuple_whatever_they_came_as(none: Any) -> None:
    assert TimeSession(at(0), at(60), pauses=none) == session(0, 60)


@pytest.mark.parametrize("none", [[], iter(()), ()])
def test_no_sessions_are_an_empty_tuple_whatever_they_came_as(none: Any) -> None:
    assert StepTime(0, "Analyse", 5, sessions=none) == StepTime(0, "Analyse", 5)


# --------------------------------------------------------------------------------------------- steps and workflows


def test_the_seconds_of_a_step_are_those_of_its_sessions() -> None:
    found = StepTime(0, "Analyse", sessions=[session(0, 60, (0, 10)), session(100, 200, pause_seconds=5)])  # type: ignore[arg-type]

    assert (found.active_seconds, found.pause_seconds) == (145, 15)
    assert isinstance(found.sessions, tuple)


def test_the_seconds_of_a_workflow_are_those_of_its_steps() -> None:
    found = workflow(steps=[StepTime(0, "A", 10), StepTime(1, "B", sessions=(session(0, 60, (0, 15)),))])

    assert (found.active_seconds, found.pause_seconds) == (55, 15)


def test_steps_are_kept_in_the_order_of_their_index() -> None:
    late, early = StepTime(9, "Z", 1), StepTime(2, "A", 1)

    assert workflow(steps=[late, early]).steps == (early, late)


@pytest.mark.parametrize("none", [0, 0.4, None])
def test_an_estimate_of_nothing_is_no_estimate(none: float | None) -> None:
    assert StepTime(0, "A", 1, none).estimated_seconds is None  # type: ignore[arg-type]
    assert workflow(estimated_seconds=none).estimated_seconds is None


def test_estimates_may_be_larger_than_any_observation() -> None:
    assert workflow(estimated_seconds=10**11).estimated_seconds == 10**11


def test_texts_are_kept_code_point_by_code_point() -> None:
    composed, decomposed = workflow(user_id="Jos\u00e9"), workflow(user_id="Jose\u0301")

    assert composed != decomposed
    assert workflow(user_id="x" * 255).user_id == "x" * 255
    assert workflow(ticket_key=" a\n|\x1f'").ticket_key == " a\n|\x1f'"


def test_a_fact_cannot_be_changed() -> None:
    for fact in (workflow(), StepTime(0, "A", 1), session(0, 1), Pause(at(0), at(1))):
        with pytest.raises((FrozenInstanceError, TypeError)):
            fact.started_at = NINE  # type: ignore[misc,union-attr]


def test_attributes_are_what_json_gives_back() -> None:
    given_attributes = {"tags": ("a", "b"), "n": {1: None}}

    found = workflow(attributes=given_attributes)

    assert found.attributes == {"tags": ["a", "b"], "n": {"1": None}}
    assert attributes_text(found) == '{"n":{"1":null},"tags":["a","b"]}'


def test_attributes_are_a_copy() -> None:
    mine = {"sprint": [7]}
    found = workflow(attributes=mine)

    mine["sprint"].append(8)

    assert found.attributes == {"sprint": [7]}


@pytest.mark.parametrize("none", [{}, None])
def test_no_attributes_are_an_empty_object_and_no_text(none: Any) -> None:
    found = workflow(attributes=none)

    assert (found.attributes, attributes_text(found)) == ({}, None)


def test_attributes_of_the_greatest_length_are_accepted() -> None:
    longest = {"a": "x" * (65_536 - len('{"a": ""}'))}

    assert workflow(attributes=longest).attributes == longest


# ------------------------------------------------------------------------------------------------ visits and oddities


def steps_of(*route: int) -> list[StepTime]:
    """Return steps with one session of a minute for each stop of a route, one after the other."""
    return [
        StepTime(
            index,
            f"step {index}",
            sessions=tuple(session(60 * n, 60 * n + 60) for n, to in enumerate(route) if to == index),
        )
        for index in dict.fromkeys(route)
    ]


@pytest.mark.parametrize(
    ("route", "expected"),
    [
        ((0, 1, 2), {0: 1, 1: 1, 2: 1}),
        ((0, 0, 1, 1), {0: 1, 1: 1}),
        ((0, 1, 0), {0: 2, 1: 1}),
        ((2, 1, 2, 1, 2), {2: 3, 1: 2}),
        ((5, 5, 5), {5: 1}),
    ],
)
def test_a_visit_is_an_entry_from_another_step(route: tuple[int, ...], expected: dict[int, int]) -> None:
    assert visits(workflow(steps=steps_of(*route))) == expected


def test_a_step_without_sessions_is_visited_once() -> None:
    assert visits(workflow(steps=[*steps_of(0, 1, 0), StepTime(7, "Report", 5)])) == {0: 2, 1: 1, 7: 1}


def test_sessions_are_visits_in_the_order_of_their_start_however_they_are_listed() -> None:
    listed = StepTime(0, "A", sessions=(session(200, 300), session(0, 100)))
    between = StepTime(1, "B", sessions=(session(100, 200),))

    assert visits(workflow(steps=[listed, between])) == {0: 2, 1: 1}


@given(workflows())
@settings(deadline=None)
def test_every_step_is_visited_at_least_once_and_at_most_once_a_session(found: CompletedWorkflow) -> None:
    counts = visits(found)

    assert list(counts) == [step.index for step in found.steps]
    for step in found.steps:
        assert 1 <= counts[step.index] <= max(1, len(step.sessions))


def test_most_facts_have_nothing_odd() -> None:
    assert workflow().oddities == ()
    assert workflow(steps=(StepTime(0, "A", 7200),)).oddities == ()


def test_more_active_than_elapsed_time_is_odd_but_accepted() -> None:
    found = workflow(completed_at=at(60.5), steps=(StepTime(0, "A", 61),))

    assert found.oddities == ("active 61 s in 60.5 s of elapsed time",)


def test_ten_years_from_start_to_completion_are_odd_but_accepted() -> None:
    within = workflow(completed_at=NINE + timedelta(days=3653))
    beyond = workflow(completed_at=NINE + timedelta(days=3654))

    assert within.oddities == ()
    assert beyond.oddities == ("started 3654 days before it was completed",)


# -------------------------------------------------------------------------- instants in a zone whose clocks go back

BERLIN = ZoneInfo("Europe/Berlin")


def berlin(minute: int, fold: int) -> datetime:
    """A time in the hour from 2:00 to 3:00 that came twice."""
    return datetime(2024, 10, 27, 2, minute, fold=fold, tzinfo=BERLIN)


def test_a_session_may_start_and_end_in_a_repeated_hour() -> None:
    found = TimeSession(berlin(30, fold=0), berlin(10, fold=1))

    assert found.active_seconds == 40 * 60


def test_pauses_and_workflows_may_start_and_end_in_a_repeated_hour() -> None:
    start, end = berlin(30, fold=0), berlin(10, fold=1)

    found = TimeSession(start, end, pauses=(Pause(start, end),))

    assert (found.active_seconds, found.pause_seconds) == (0, 40 * 60)
    assert workflow(started_at=start, completed_at=end).active_seconds == 600


@pytest.mark.parametrize(
    "make", [lambda a, b: Pause(a, b), lambda a, b: workflow(started_at=a, completed_at=b)], ids=["pause", "workflow"]
)
def test_what_ends_before_it_starts_in_a_repeated_hour_is_refused(make: Callable[[datetime, datetime], object]) -> None:
    refusal(lambda: make(berlin(10, fold=1), berlin(30, fold=0)))


def test_visits_of_a_repeated_hour_are_in_the_order_they_came() -> None:
    def moment(minute: int, fold: int) -> tuple[TimeSession, ...]:
        return (TimeSession(berlin(minute, fold), berlin(minute, fold)),)

    steps = [StepTime(0, "A", sessions=moment(30, 0) + moment(40, 1)), StepTime(1, "B", sessions=moment(10, 1))]

    assert visits(workflow(steps=steps)) == {0: 2, 1: 1}


def test_the_hour_that_came_twice_is_elapsed_time() -> None:
    start = datetime(2024, 10, 27, 1, 30, tzinfo=BERLIN)

    found = workflow(started_at=start, completed_at=start.replace(hour=3), steps=[StepTime(0, "A", 9000)])

    assert found.oddities == ()


# ------------------------------------------------------------------------------------------------------ fingerprints


def told_in(found: CompletedWorkflow, zone: tzinfo) -> CompletedWorkflow:
    """Return the same workflow with all its instants told in another offset."""

    def pause(old: Pause) -> Pause:
        return Pause(old.paused_at.astimezone(zone), old.resumed_at.astimezone(zone))

    def told(old: TimeSession) -> TimeSession:
        return replace(
            old,
            started_at=old.started_at.astimezone(zone),
            ended_at=old.ended_at.astimezone(zone),
            pauses=tuple(pause(one) for one in old.pauses),
        )

    return replace(
        found,
        started_at=found.started_at.astimezone(zone),
        completed_at=found.completed_at.astimezone(zone),
        steps=tuple(replace(step, sessions=tuple(told(one) for one in step.sessions)) for step in found.steps),
    )


FULL = workflow(
    user_id="Jos\u00e9 用户",
    ticket_type='a|b"\n',
    estimated_seconds=3000,
    timezone="Asia/Kathmandu",
    attributes={"ß": [1, 1.5, None], "a": {"b": True}},
    steps=[
        StepTime(0, "Analyse", 600, 500),
        StepTime(1, "Test", sessions=(session(0, 3600.5, (600, 900)), session(3600, 7200, pause_seconds=60))),
    ],
)


def test_these_fingerprints_never_change() -> None:
    # Receipts hold them and outlive the code. When this fails, mend the code, not the test.
    assert fingerprint(workflow()).hex() == "4534bf2b3bad499b2b519acf95d8c9a1"
    assert fingerprint(FULL).hex() == "e4b8424ad00184582bfeef0e2e5fed7f"


@given(workflows())
@settings(deadline=None)
def test_a_fingerprint_is_that_of_the_content_as_json(found: CompletedWorkflow) -> None:
    steps: list[object] = []
    for step in found.steps:
        steps += (step.index, step.name, step.active_seconds, step.estimated_seconds)
        if step.sessions:
            steps.append(
                [
                    (
                        instant(one.started_at),
                        instant(one.ended_at),
                        one.active_seconds,
                        one.pause_seconds,
                        [(instant(pause.paused_at), instant(pause.resumed_at)) for pause in one.pauses],
                    )
                    for one in step.sessions
                ]
            )
    names = (found.workflow_id, found.user_id, found.ticket_key, found.ticket_type, found.template)
    span = (instant(found.started_at), instant(found.completed_at))
    content = [1, *names, *span, found.estimated_seconds, attributes_text(found), steps]

    text = json.dumps(content, separators=(",", ":"))

    assert fingerprint(found) == blake2b(text.encode(), digest_size=16).digest()


@given(workflows(), st.sampled_from([UTC, timezone(timedelta(hours=-9, minutes=-30)), BERLIN]))
@settings(deadline=None)
def test_a_fact_does_not_depend_on_the_offset_its_instants_are_told_in(found: CompletedWorkflow, zone: tzinfo) -> None:
    other = told_in(found, zone)

    assert other == found
    assert fingerprint(other) == fingerprint(found)


@given(workflows(users=["u"], ids=["w"]), workflows(users=["u"], ids=["w"]))
@settings(deadline=None)
def test_fingerprints_are_equal_where_the_content_is(one: CompletedWorkflow, other: CompletedWorkflow) -> None:
    assert (fingerprint(one) == fingerprint(other)) == (oracle.content(one) == oracle.content(other))


OTHERS: dict[str, CompletedWorkflow] = {
    "workflow": replace(FULL, workflow_id="w2"),
    "user": replace(FULL, user_id="Jose\u0301 用户"),
    "ticket": replace(FULL, ticket_key="TK-2"),
    "type and template": replace(FULL, ticket_type="QA", template='a|b"\n'),
    "start": replace(FULL, started_at=at(0.000001)),
    "completion": replace(FULL, completed_at=at(7200.000001)),
    "estimate": replace(FULL, estimated_seconds=3001),
    "no estimate": replace(FULL, estimated_seconds=None),
    "attributes": replace(FULL, attributes={"ß": [1, 1.5, None], "a": {"b": 1}}),
    "no attributes": replace(FULL, attributes={}),
    "step name": replace(FULL, steps=(replace(FULL.steps[0], name="analyse"), FULL.steps[1])),
    "step index": replace(FULL, steps=(replace(FULL.steps[0], index=3), FULL.steps[1])),
    "step seconds": replace(FULL, steps=(replace(FULL.steps[0], active_seconds=601), FULL.steps[1])),
    "step estimate": replace(FULL, steps=(replace(FULL.steps[0], estimated_seconds=None), FULL.steps[1])),
    "fewer steps": replace(FULL, steps=FULL.steps[:1]),
    "sessions the other way round": replace(
        FULL, steps=(FULL.steps[0], replace(FULL.steps[1], sessions=FULL.steps[1].sessions[::-1]))
    ),
    "a pause instead of its total": replace(
        FULL,
        steps=(
            FULL.steps[0],
            replace(FULL.steps[1], sessions=(FULL.steps[1].sessions[0], session(3600, 7200, (3600, 3660)))),
        ),
    ),
    "a rounding the other way": replace(
        FULL,
        steps=(
            FULL.steps[0],
            StepTime(
                1, "Test", sessions=(session(0, 3600.5, (600, 900), active_seconds=3300), FULL.steps[1].sessions[1])
            ),
        ),
    ),
}


@pytest.mark.parametrize("what", OTHERS)
def test_other_content_has_another_fingerprint(what: str) -> None:
    assert fingerprint(OTHERS[what]) != fingerprint(FULL)


def test_no_two_of_these_have_the_same_fingerprint() -> None:
    assert len({fingerprint(other) for other in (FULL, *OTHERS.values())}) == len(OTHERS) + 1


def test_what_means_the_same_has_the_same_fingerprint() -> None:
    first, second = StepTime(0, "A", 10, 0), StepTime(1, "B", 20.4, None)  # type: ignore[arg-type]
    one = workflow(steps=[first, second], estimated_seconds=0, attributes={"b": 1, "a": 2})
    other = workflow(steps=[second, first], estimated_seconds=None, attributes={"a": 2, "b": 1})

    assert fingerprint(one) == fingerprint(other)


@pytest.mark.parametrize("zone", ["UTC", None])
def test_a_fact_is_known_again_in_another_zone_or_without(zone: str | None) -> None:
    assert fingerprint(replace(FULL, timezone=zone)) == fingerprint(FULL)


def test_a_fingerprint_has_16_bytes() -> None:
    assert len(fingerprint(FULL)) == 16


@given(workflows())
@settings(deadline=None)
def test_attributes_survive_their_text(found: CompletedWorkflow) -> None:
    text = attributes_text(found)

    assert (json.loads(text) if text else {}) == found.attributes


def test_the_examples_in_its_docstrings_hold() -> None:
    assert doctest.testmod(sys.modules[facts.__name__]).failed == 0


def test_the_pauses_of_a_workflow_are_what_both_databases_can_hold() -> None:
    """Of one session they are an observation; of all they were what only SQLite could hold."""

    def paused(*pauses: int) -> CompletedWorkflow:
        steps = tuple(
            StepTime(index, "Wait", sessions=(session(0, seconds, pause_seconds=seconds),))
            for index, seconds in enumerate(pauses)
        )
        return workflow(steps=steps)

    most = [TEN_MILLION] * 214
    rest = 2**31 - 1 - sum(most)
    assert paused(*most, rest).pause_seconds == 2**31 - 1
    with pytest.raises(InvalidFact) as refused:
        paused(*most, rest + 1)
    assert str(refused.value) == "pause_seconds: found 2147483648, want a number of seconds from 0 to 2147483647"
