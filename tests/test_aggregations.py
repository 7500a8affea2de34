"""Figures by group and sub-group: each is what the oracle makes of the facts of that group, and all add up."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import oracle
import pytest
from conftest import NOW
from facts_made import at, made
from fold import wipe
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Integer, bindparam, insert, select
from strategies import histories
from test_stateful import check_figures

from timestrata import DateRange, History, InvalidRequest, StepTime, open_history, schema
from timestrata.aggregations import _month
from timestrata.answers import GROUPS, Aggregation, AggregationReport, Figures, GroupBy
from timestrata.calendar import bucket_start, day_number

PROFILE = settings(
    max_examples=300 if os.environ.get("HYPOTHESIS_PROFILE") == "thorough" else 40,
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)
SUMS = (
    "completed",
    "active_seconds",
    "paused_seconds",
    "worked_seconds",
    "with_estimate",
    "estimated_seconds",
    "gap_alerts",
    "reworked",
)


def days(first: str | None, last: str | None) -> DateRange:
    return DateRange.parse(first, last)


def names(groups: Any) -> list[str]:
    return [group.name for group in groups]


# ------------------------------------------------------------------------------------------------------- the oracle


Recorded = list[oracle.Recorded]


def part(recorded: Recorded, group: GroupBy, found: Aggregation, dates: DateRange) -> tuple[Recorded, DateRange]:
    """Return the facts and the days that a group is about (all facts, for a step)."""
    if group == "user":
        return [fact for fact in recorded if fact.workflow.user_id == found.name], dates
    if group == "ticket_type":
        return [fact for fact in recorded if fact.workflow.ticket_type == found.name], dates
    if group == "template":
        return [fact for fact in recorded if fact.workflow.template == found.name], dates
    if group == "step":
        return recorded, dates
    assert found.bucket is not None
    assert found.name == found.bucket.isoformat()
    whole = [day for day in all_days(recorded) if bucket_start(day, group) == found.bucket]
    first, last = min([found.bucket, *whole]), max([found.bucket, *whole])
    return recorded, DateRange(max(first, dates.first or date.min), min(last, dates.last or date.max))


def all_days(recorded: Recorded) -> set[date]:
    return {day for fact in recorded for day in (fact.day, *(part.day for part in fact.parts))}


def wanted(recorded: Recorded, levels: list[tuple[GroupBy, Aggregation]], dates: DateRange) -> oracle.Figures:
    """Return the figures of a group inside another one, worked out from lists."""
    for group, found in levels:
        recorded, dates = part(recorded, group, found, dates)
    step = next((found for group, found in levels if group == "step"), None)
    if step is None:
        return oracle.summary(recorded, dates.first, dates.last)
    assert step.step_index is not None
    steps = oracle.steps(recorded, dates.first, dates.last)
    return steps[str(step.template), step.step_index, step.name]


def check(report: AggregationReport, recorded: Recorded) -> None:
    """Every group and sub-group is what the oracle says, and they add up."""
    mine = [
        fact
        for fact in recorded
        if report.user_id in (None, fact.workflow.user_id)
        and report.ticket_type in (None, fact.workflow.ticket_type)
        and report.template in (None, fact.workflow.template)
    ]
    check_figures(report.total, oracle.summary(mine, report.dates.first, report.dates.last))
    check_sums(report.total, report.groups, report.group == "step")
    for group in report.groups:
        check_figures(group, wanted(mine, [(report.group, group)], report.dates))
        if report.sub_group is not None:
            check_sums(group, group.sub_groups, report.sub_group == "step")
            for inner in group.sub_groups:
                levels = [(report.group, group), (report.sub_group, inner)]
                check_figures(inner, wanted(mine, levels, report.dates))


def check_sums(whole: Figures, parts: tuple[Aggregation, ...], steps: bool) -> None:
    assert sum(part.active_seconds for part in parts) == whole.active_seconds
    for name in () if steps else SUMS:
        assert sum(getattr(part, name) for part in parts) == getattr(whole, name), name


@pytest.fixture
def stores(store_url: str) -> Iterator[str]:
    with open_history(store_url):
        yield store_url


ALLOWED = [(a, b) for a in GROUPS for b in (None, *GROUPS) if a != b and {a, b} != {"step", "ticket_type"}]
DAYS = st.none() | st.sampled_from([date(2024, 2, 29), date(2024, 3, 1), date(2024, 4, 7), date(2012, 1, 1)])


@given(
    facts=histories(max_size=8),
    groups=st.sampled_from(ALLOWED),
    bounds=st.tuples(DAYS, DAYS),
    only=st.sampled_from([None, "user", "ticket_type", "template"]),
)
@PROFILE
def test_groups_are_what_their_facts_say_and_add_up(
    stores: str, facts: Any, groups: tuple[GroupBy, GroupBy | None], bounds: Any, only: str | None
) -> None:
    first, last = bounds
    if first is not None and last is not None:
        first, last = sorted(bounds)
    told = oracle.Oracle()
    with open_history(stores, clock=lambda: NOW) as history:
        wipe(history.engine)
        history.record(facts)
        for fact in facts:
            told.record(fact, "UTC")
        asked: dict[str, Any] = {}
        if facts and only is not None and not ("step" in groups and only == "ticket_type"):
            asked = {{"user": "user_id"}.get(only, only): getattr(facts[0], {"user": "user_id"}.get(only, only))}

        report = history.aggregations(DateRange(first, last), *groups, **asked)

    check(report, told.recorded)
    assert [group.name for group in report.groups] == names(sorted(report.groups, key=place))


def place(group: Aggregation) -> Any:
    return (group.template or "", group.step_index or 0, group.name)


@PROFILE
@given(
    facts=histories(max_size=6),
    groups=st.sampled_from(ALLOWED),
    limit=st.integers(1, 7) | st.just(10_000),
    fill_gaps=st.booleans(),
)
def test_a_limit_leaves_the_first_groups_as_they_are(
    stores: str, facts: Any, groups: tuple[GroupBy, GroupBy | None], limit: int, fill_gaps: bool
) -> None:
    dates = days("2024-02-20", "2024-04-10")
    with open_history(stores, clock=lambda: NOW) as history:
        wipe(history.engine)
        history.record(facts)

        whole = history.aggregations(dates, *groups, fill_gaps=fill_gaps)
        first = history.aggregations(dates, *groups, fill_gaps=fill_gaps, limit=limit)

    assert whole.count == len(whole.groups)
    assert first == replace(whole, groups=whole.groups[:limit])


@pytest.mark.parametrize("limit", [0, -1, 10_001, True, 1.0, "1"])
def test_a_limit_is_a_count_of_groups(history: History, limit: Any) -> None:
    with pytest.raises(InvalidRequest, match="a whole number from 1 to 10000") as refused:
        history.aggregations("all_time", "user", limit=limit)
    assert refused.value.argument == "limit"


@PROFILE
@given(facts=histories(max_size=6), groups=st.sampled_from(ALLOWED))
def test_filling_gaps_adds_nothing_but_zeros(stores: str, facts: Any, groups: tuple[GroupBy, GroupBy | None]) -> None:
    dates = days("2024-02-20", "2024-04-10")
    with open_history(stores, clock=lambda: NOW) as history:
        wipe(history.engine)
        history.record(facts)

        bare = history.aggregations(dates, *groups)
        filled = history.aggregations(dates, *groups, fill_gaps=True)

    assert filled.total == bare.total
    assert without_empty(filled.groups) == without_empty(bare.groups)
    starts = {"day": 51, "week": 8, "month": 3}
    if groups[0] in starts:
        assert len(filled.groups) == starts[groups[0]]
    elif groups[1] in starts:
        assert {len(group.sub_groups) for group in filled.groups} <= {starts[groups[1]]}


def without_empty(groups: tuple[Aggregation, ...]) -> list[Any]:
    return [
        (group.name, figures_of(group), without_empty(group.sub_groups))
        for group in groups
        if group.completed or group.worked_seconds
    ]


def figures_of(group: Figures) -> dict[str, Any]:
    return {name: getattr(group, name) for name in Figures.__dataclass_fields__}


# ---------------------------------------------------------------------------------------------------------- by hand


@pytest.fixture
def weeks(history: History) -> History:
    history.record(
        [
            made("a1", completed_at=at("2024-06-03T09:00"), steps=(StepTime(0, "Test", 100), StepTime(1, "Fix", 200))),
            made("a2", 400, completed_at=at("2024-06-05T09:00"), estimated_seconds=200),
            made("b1", 140, user_id="bob", completed_at=at("2024-06-12T09:00"), ticket_type="Feature"),
            made(
                "b2",
                user_id="bob",
                completed_at=at("2024-04-30T09:00"),
                template="Alpha",
                steps=(StepTime(0, "Test", 60),),
            ),
        ]
    )
    return history


def test_groups_come_with_all_figures(weeks: History) -> None:
    report = weeks.aggregations(days("2024-06-01", "2024-06-30"), "user")

    ada, bob = report
    assert (ada.name, ada.completed, ada.active_seconds, ada.worked_seconds, ada.users) == ("ada", 2, 700, 700, 1)
    assert (ada.estimate_ratio, ada.gap_alerts, ada.p50_seconds, ada.mean_seconds) == (2.0, 1, 300, 350.0)
    assert (bob.name, bob.completed, bob.estimate_ratio) == ("bob", 1, None)
    assert (report.total.completed, report.total.users) == (3, 2)
    assert report.total == Figures(**figures_of(weeks.summary(days("2024-06-01", "2024-06-30"))))
    assert (ada.template, ada.step_index, ada.bucket, ada.partial, ada.sub_groups) == (None, None, None, False, ())


def test_a_group_is_the_same_whatever_it_is_divided_into(weeks: History) -> None:
    by_template = weeks.aggregations("all_time", "template")
    by_step = weeks.aggregations("all_time", "template", "step")

    assert [figures_of(group) for group in by_step] == [figures_of(group) for group in by_template]
    assert [(step.template, step.step_index, step.name) for step in by_step.groups[1].sub_groups] == [
        ("QA", 0, "Test"),
        ("QA", 1, "Fix"),
    ]


def test_steps_are_told_apart_by_template_and_index(weeks: History) -> None:
    report = weeks.aggregations("all_time", "step")

    found = [(step.template, step.step_index, step.name, step.completed, step.worked_seconds) for step in report]
    assert found == [("Alpha", 0, "Test", 1, 60), ("QA", 0, "Test", 3, 640), ("QA", 1, "Fix", 1, 200)]


def test_weeks_and_months_without_anything_are_filled_in(weeks: History) -> None:
    dates = days("2024-05-31", "2024-06-20")

    report = weeks.aggregations(dates, "week", "month", fill_gaps=True)

    assert [(group.name, group.completed, group.partial) for group in report] == [
        ("2024-05-27", 0, True),  # cut by the range
        ("2024-06-03", 2, False),
        ("2024-06-10", 1, True),  # running at NOW
        ("2024-06-17", 0, True),
    ]
    assert names(report.groups[0].sub_groups) == ["2024-05-01", "2024-06-01"]
    assert [inner.partial for inner in report.groups[1].sub_groups] == [True]


def test_an_open_range_is_filled_between_what_there_is(weeks: History) -> None:
    by_month = weeks.aggregations("all_time", "month", fill_gaps=True)
    by_user = weeks.aggregations("all_time", "user", "month", fill_gaps=True)
    by_day = weeks.aggregations("all_time", "day", "month", fill_gaps=True)

    assert [(group.name, group.completed) for group in by_month] == [
        ("2024-04-01", 1),
        ("2024-05-01", 0),
        ("2024-06-01", 3),
    ]
    assert [[inner.completed for inner in group.sub_groups] for group in by_user] == [[0, 0, 2], [1, 0, 1]]
    assert len(by_day.groups) == 44
    assert {len(group.sub_groups) for group in by_day} == {1}


def test_an_empty_store_has_no_groups(history: History) -> None:
    for group, sub_group in ALLOWED:
        report = history.aggregations("all_time", group, sub_group, fill_gaps=True)

        assert (report.groups, report.total.completed, report.total.p90_seconds) == ((), 0, None)

    filled = history.aggregations(days("2024-06-01", "2024-06-03"), "day", "user", fill_gaps=True)
    assert [(group.name, group.completed, group.sub_groups) for group in filled] == [
        ("2024-06-01", 0, ()),
        ("2024-06-02", 0, ()),
        ("2024-06-03", 0, ()),
    ]


def test_months_are_numbered_alike_by_the_database_and_the_calendar(history: History) -> None:
    firsts = [
        date(year, month, 1)
        for year in (1, 2, 4, 100, 400, 1582, 1969, 1970, 2000, 2023, 2024, 2100, 9999)
        for month in range(1, 13)
    ]
    edges = [*firsts, *(first - timedelta(days=1) for first in firsts[1:]), date(2024, 2, 29), date.max]
    number = select(_month(bindparam("day", type_=Integer)))
    with history.engine.connect() as connection:
        found = {day_number(day): connection.execute(number, {"day": day_number(day)}).scalar_one() for day in edges}

    assert found == {day_number(day): 12 * day.year + day.month - 1 for day in edges}


@pytest.mark.parametrize(
    ("asked", "argument"),
    [
        (("all_time", "people"), "group"),
        (("all_time", None), "group"),
        (("all_time", "user", "hour"), "sub_group"),
        (("all_time", "user", "user"), "sub_group"),
        (("all_time", "step", "ticket_type"), "sub_group"),
        (("all_time", "ticket_type", "step"), "sub_group"),
        (("never", "user"), "range"),
        ((days("1000-01-01", "2024-01-01"), "day"), "dates"),
    ],
    ids=str,
)
def test_what_cannot_be_grouped_is_refused(weeks: History, asked: Any, argument: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        weeks.aggregations(*asked, fill_gaps=True)

    assert refused.value.argument == argument


def test_a_ticket_type_has_no_steps(weeks: History) -> None:
    with pytest.raises(InvalidRequest, match="kept by template"):
        weeks.aggregations("all_time", "step", ticket_type="Bug")


def test_too_many_groups_are_refused(weeks: History) -> None:
    with weeks.engine.begin() as connection:
        row = connection.execute(schema.cell_worked.select()).first()
        assert row is not None
        connection.execute(insert(schema.cell_worked), [row._asdict() | {"day": day} for day in range(10_000)])

    with pytest.raises(InvalidRequest, match="more than 10000 groups"):
        weeks.aggregations("all_time", "day")
    with pytest.raises(InvalidRequest, match="more than 10000 groups"):
        weeks.aggregations("all_time", "user", "day")
    assert len(weeks.aggregations("all_time", "month").groups) == 331


def test_too_many_gaps_are_refused(weeks: History) -> None:
    decades = days("2000-01-01", "2024-12-31")

    assert len(weeks.aggregations(decades, "user", "day").groups) == 2
    with pytest.raises(InvalidRequest, match="sub-groups"):
        weeks.aggregations(decades, "user", "day", fill_gaps=True)


@pytest.mark.parametrize("name", ["nobody", "a'; --", "\0", "\ud800", "x" * 5000], ids=ascii)
def test_a_name_that_nothing_has_finds_nothing(weeks: History, name: str) -> None:
    assert weeks.aggregations("all_time", "week", user_id=name).groups == ()
    assert weeks.aggregations("all_time", "week", template=name).groups == ()
    assert weeks.aggregations("all_time", "step", template=name).groups == ()
    assert weeks.aggregations("all_time", "template", ticket_type=name).total.completed == 0
