"""Lists of single things: pages of gap alerts, and what a dismissal does to the revision."""

from __future__ import annotations

import base64
import json
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from facts_made import NINE, made

from timestrata import History, InvalidRequest, StepTime
from timestrata.answers import Alert


@pytest.fixture
def alerted(history: History) -> History:
    """Nine alerts: three people at the same moment, each with a workflow and two of its steps."""
    steps = (StepTime(0, "Test", 200, 100), StepTime(3, "Fix", 300, 100))
    history.record([made("w", user_id=user, steps=steps, estimated_seconds=100) for user in ("ada", "bob", "用户 🧪")])
    history.record(made("other", user_id="ada", completed_at=NINE.replace(hour=10)))
    return history


def revisions(history: History) -> tuple[int, int, int]:
    return tuple(history.summary("all_time", user).coverage.revision for user in (None, "ada", "bob"))  # type: ignore[return-value]


def test_dismissing_and_restoring_are_changes_to_a_history(alerted: History) -> None:
    mine, other = alerted.alerts(user_id="ada")[:2]
    assert revisions(alerted) == (4, 2, 1)

    alerted.dismiss_alert(mine.id)
    assert revisions(alerted) == (5, 3, 1)
    alerted.dismiss_alert(mine.id)
    alerted.restore_alert(other.id)
    assert revisions(alerted) == (5, 3, 1)  # nothing changed

    alerted.restore_alert(mine.id)
    assert revisions(alerted) == (6, 4, 1)


def test_a_dismissal_by_many_at_once_counts_once(alerted: History) -> None:
    mine = alerted.alerts(user_id="bob")[0]

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(alerted.dismiss_alert, [mine.id] * 8))

    assert revisions(alerted) == (5, 2, 2)


def test_what_is_recorded_after_a_dismissal_keeps_a_number_of_its_own(alerted: History) -> None:
    alerted.dismiss_alert(alerted.alerts(user_id="ada")[0].id)

    alerted.record([made("next"), made("after")])
    alerted.correct(made("next", 1))

    assert revisions(alerted)[1] == 6
    assert alerted.summary("all_time", "ada").completed == 4


@pytest.mark.parametrize("limit", [1, 2, 3, 8, 9, 10])
@pytest.mark.parametrize("kind", [None, "workflow", "step"])
def test_pages_of_alerts_hold_every_alert_once_and_in_order(alerted: History, limit: int, kind: Any) -> None:
    alerted.dismiss_alert(alerted.alerts(user_id="bob")[1].id)
    whole = alerted.alerts(dismissed=None, kind=kind, limit=100)
    found: list[Alert] = []
    after = None
    while True:
        page = alerted.alert_page(dismissed=None, kind=kind, limit=limit, after=after)
        assert (len(page.alerts), page.count) == (min(limit, len(whole) - len(found)), len(whole))
        assert page.workflow_count == sum(alert.kind == "workflow" for alert in whole)
        found.extend(page)
        after = page.next
        if after is None:
            break

    assert tuple(found) == whole
    assert len(whole) == {None: 9, "workflow": 3, "step": 6}[kind]


@pytest.mark.parametrize("limit", [1, 4, 30])
def test_pages_are_in_order_though_days_begin_at_other_times_for_each(history: History, limit: int) -> None:
    zones = ("Pacific/Kiritimati", "Etc/GMT+12", "UTC")  # 26 hours between the first two
    facts = [
        made(
            f"{zone} {hours}",
            200 + hours,
            user_id=zone,
            timezone=zone,
            completed_at=NINE + timedelta(hours=hours),
            estimated_seconds=100,
        )
        for hours in range(0, 24 * 20, 7)
        for zone in zones
    ]
    latest_first = sorted(facts, key=lambda fact: (-fact.completed_at.timestamp(), fact.user_id))
    history.record(facts)
    listed: dict[str, list[str]] = {"workflows": [], "alert_page": []}
    for method, found in listed.items():
        after = None
        while after is not None or not found:
            page = getattr(history, method)("all_time", limit=limit, after=after)
            found += [row.workflow_id for row in page]
            after = page.next

    wanted = [fact.workflow_id for fact in latest_first]
    assert listed == {"workflows": wanted, "alert_page": wanted}


def token(*place: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(place).encode()).decode()


@pytest.mark.parametrize(
    "after",
    [
        "",
        "x",
        "\ud800",
        "é",
        token(),
        token(1),
        token(1, "ada", "w", 0, 0, 0),
        token("1", "ada", "w", 0, 0),
        token(1, 2, "w", 0, 0),
        token(1, "a\0", "w", 0, 0),
        token(1, "ada", "w", 2**15, 0),
        token(1, "ada", "w", 0, 2**31),
        token(2**62, "ada", "w", 0, 0),
        token(True, "ada", "w", 0, 0),
        token(None, "ada", "w", 0, 0),
        "WyI" * 5000,
        base64.urlsafe_b64encode(b"[" * 50_000).decode(),
    ],
    ids=lambda after: ascii(after)[:40],
)
def test_a_page_that_no_page_named_is_refused(alerted: History, after: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        alerted.alert_page(after=after)

    assert refused.value.argument == "after"


@pytest.mark.parametrize("after", [token(-(2**61), "ada", "w", -(2**15) + 1, 0), token(2**61, "~", "~", 0, 2**31 - 1)])
def test_a_place_at_the_edge_is_a_place(alerted: History, after: str) -> None:
    alerted.alert_page(after=after)
