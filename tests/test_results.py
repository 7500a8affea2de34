"""Results as JSON documents and back: what a service sends is what its library answered."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any, Literal

import pytest
from conftest import NOW
from facts_made import made, session

from timestrata import (
    Alert,
    Averages,
    CompletedWorkflow,
    DailyReport,
    DateRange,
    History,
    InvalidFact,
    Outcome,
    Recorded,
    StepReport,
    StepTime,
    Summary,
    TrendReport,
    WorkflowPage,
)
from timestrata.access import Token
from timestrata.answers import AggregationReport, AlertPage, Overview
from timestrata.errors import MissingField
from timestrata.formats.result_json import document
from timestrata.formats.results import result
from timestrata.history import BatchResult
from timestrata.tracked import Completion, Template, TemplateStep, TrackedSession, TrackedWorkflow, WorkflowList

ROW: dict[str, Any] = {
    "user_id": "ada", "workflow_id": "w1", "revision": 1, "ticket_key": "TK-1", "ticket_type": "Bug",
    "template": "QA", "started_at": "2024-05-06T08:00:00Z", "completed_at": "2024-05-06T09:00:00Z",
    "day": "2024-05-06", "timezone": "UTC", "active_seconds": 600, "paused_seconds": 0, "estimated_seconds": None,
    "estimate_ratio": 0.5, "gap_alert": False,
}  # fmt: skip
PAGE: dict[str, Any] = {
    "workflows": [ROW],
    "next": None,
    "coverage": {"raw_from": None, "sealed_through": None, "revision": 1, "held_out": 0},
}


def sent(kind: Any, answer: object) -> Any:
    """Return a result as it arrives at the other end."""
    return result(kind, json.loads(json.dumps(document(answer), allow_nan=False)))


@pytest.fixture
def worked(history: History) -> History:
    """A history with work of two people: completed, with sessions and alerts, and still going on."""
    steps = (
        StepTime(0, "Analyse", estimated_seconds=300, sessions=(session("2024-06-01T08:00", 600),)),
        StepTime(1, "Test", 900),
    )
    history.record(
        [
            made(f"{user}{number}", user_id=user, completed_at=NOW - timedelta(days=7 * number), steps=steps, **extra)
            for user, extra in (("ada", {"estimated_seconds": 600}), ("béla/ß", {"attributes": {"a": [1, None, {}]}}))
            for number in range(8)
        ]
    )
    history.dismiss_alert(history.alerts()[0].id)
    tracking = history.tracking
    tracking.put_template("QA", "Bug", [TemplateStep("Analyse", 60), "Test"])
    tracking.start_workflow("ada", "QA", "TK-9", workflow_id="done", at=NOW - timedelta(hours=3))
    tracking.pause("ada", "done", at=NOW - timedelta(hours=2, microseconds=1))
    tracking.resume("ada", "done", at=NOW - timedelta(hours=1))
    tracking.complete("ada", "done", at=NOW - timedelta(minutes=30))
    tracking.start_workflow("ada", "QA", "TK-10", workflow_id="running", attributes={"x": 1})
    return history


ANSWERS: list[tuple[Any, Callable[[History], object]]] = [
    (Summary, lambda history: history.summary("all_time")),
    (Summary, lambda history: history.summary("today", "nobody", "Bug")),
    (TrendReport, lambda history: history.trend("last_90_days", "week", by="template")),
    (TrendReport, lambda history: history.trend("today", "day")),
    (AggregationReport, lambda history: history.aggregations("all_time", "user", "week")),
    (AggregationReport, lambda history: history.aggregations("all_time", "step")),
    (Overview, lambda history: history.overview("last_30_days", "ada", by="ticket_type")),
    (Overview, lambda history: history.overview("all_time")),
    (DailyReport, lambda history: history.daily("all_time")),
    (StepReport, lambda history: history.steps("all_time", "QA", "ada")),
    (Averages, lambda history: history.averages("ada")),
    (tuple[Alert, ...], lambda history: history.alerts(dismissed=None)),
    (AlertPage, lambda history: history.alert_page(limit=3, dismissed=None)),
    (Alert, lambda history: history.alert(history.alerts()[0].id)),
    (WorkflowPage, lambda history: history.workflows("all_time", limit=3)),
    (Recorded, lambda history: history.workflow("béla/ß", "béla/ß0")),
    (CompletedWorkflow, lambda history: next(history.facts())),
    (Outcome, lambda history: history.record(made("béla/ß0", user_id="béla/ß"))),
    (BatchResult, lambda history: history.record([made("new"), {"user_id": 1}])),
    (Template, lambda history: history.tracking.template("QA")),
    (tuple[Template, ...], lambda history: history.tracking.templates()),
    (TrackedWorkflow, lambda history: history.tracking.workflow("ada", "done")),
    (tuple[TrackedWorkflow, ...], lambda history: history.tracking.active("ada")),
    (tuple[TrackedSession, ...], lambda history: history.tracking.sessions("ada", "done")),
    (WorkflowList, lambda history: history.tracking.workflows("ada", limit=1)),
    (Completion, lambda history: history.tracking.complete("ada", "done")),
    (Token, lambda history: history.access.create_token("laptop", ["read:own"], "ada", timedelta(days=1)).token),
    (DateRange, lambda _: DateRange(date(2024, 2, 29), None)),
    (type(None) | int, lambda _: None),
    (tuple[datetime, ...], lambda _: (datetime(1, 1, 3, tzinfo=UTC), datetime(9999, 12, 30, 1, 2, 3, 4, tzinfo=UTC))),
]


@pytest.mark.parametrize(("kind", "ask"), ANSWERS, ids=lambda value: getattr(value, "__name__", None))
def test_an_answer_is_the_same_after_it_was_sent(kind: Any, ask: Callable[[History], object], worked: History) -> None:
    answer = ask(worked)

    assert sent(kind, answer) == answer


def test_what_a_newer_service_adds_is_passed_over() -> None:
    newer = {**PAGE, "links": [], "workflows": [{**ROW, "colour": "green"}]}

    assert result(WorkflowPage, newer) == result(WorkflowPage, PAGE)


def test_a_float_that_lost_its_point_is_still_one() -> None:
    found = result(WorkflowPage, {**PAGE, "workflows": [{**ROW, "estimate_ratio": 1}]}).workflows[0].estimate_ratio

    assert type(found) is float


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"revision": "1"}, "answer.workflows[0].revision"),
        ({"revision": 1.0}, "answer.workflows[0].revision"),
        ({"revision": True}, "answer.workflows[0].revision"),
        ({"revision": None}, "answer.workflows[0].revision"),
        ({"gap_alert": 0}, "answer.workflows[0].gap_alert"),
        ({"ticket_key": 7}, "answer.workflows[0].ticket_key"),
        ({"estimate_ratio": "0.5"}, "answer.workflows[0].estimate_ratio"),
        ({"estimate_ratio": False}, "answer.workflows[0].estimate_ratio"),
        ({"day": "2024-5-6"}, "answer.workflows[0].day"),
        ({"day": "2024-02-30"}, "answer.workflows[0].day"),
        ({"day": 20240506}, "answer.workflows[0].day"),
        ({"started_at": "2024-05-06T08:00:00"}, "answer.workflows[0].started_at"),
        ({"started_at": "2024-05-06"}, "answer.workflows[0].started_at"),
        ({"started_at": 5}, "answer.workflows[0].started_at"),
    ],
)
def test_a_value_of_another_type_is_refused_with_its_place(changed: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidFact) as refusal:
        result(WorkflowPage, {**PAGE, "workflows": [{**ROW, **changed}]})

    assert refusal.value.field == field


@pytest.mark.parametrize(
    ("kind", "value", "field"),
    [
        (WorkflowPage, [PAGE], "answer"),
        (WorkflowPage, {**PAGE, "workflows": {}}, "answer.workflows"),
        (WorkflowPage, {**PAGE, "workflows": [ROW, None]}, "answer.workflows[1]"),
        (DateRange, {"from": "2024-05-06", "to": "2024-05-05"}, "answer"),
        (DateRange, {"from": "today", "to": None}, "answer.from"),
        (Literal["day", "week"], "month", "answer"),
        (Literal[1], True, "answer"),
    ],
)
def test_what_has_another_shape_is_refused_with_its_place(kind: Any, value: object, field: str) -> None:
    with pytest.raises(InvalidFact) as refusal:
        result(kind, value)

    assert refusal.value.field == field


@pytest.mark.parametrize(
    ("kind", "value", "field"),
    [
        (WorkflowPage, {name: value for name, value in PAGE.items() if name != "next"}, "answer.next"),
        (WorkflowPage, {**PAGE, "coverage": {}}, "answer.coverage.raw_from"),
        (DateRange, {"from": "2024-05-06"}, "answer.to"),
    ],
)
def test_a_field_that_is_missing_is_named(kind: Any, value: object, field: str) -> None:
    with pytest.raises(MissingField) as refusal:
        result(kind, value)

    assert refusal.value.field == field


@pytest.mark.parametrize("kind", [int | str, tuple[int, str], set[int], complex, list[int]])
def test_a_type_that_no_result_has_is_an_error_of_the_caller(kind: Any) -> None:
    with pytest.raises(TypeError, match="want a"):
        result(kind, [])
