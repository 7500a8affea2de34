"""The tickets, one ticket, and the steps: the same figures as the history's, page by page, as long as they are kept."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from urllib.parse import quote

import pytest
from facts_made import at, made
from page_reading import Visitor
from web_client import Served, served

from timestrata import (
    CompletedWorkflow,
    DateRange,
    History,
    Pause,
    RetentionPolicy,
    StepTime,
    TimeSession,
    open_history,
)
from timestrata.trends import trend

HOSTILE = "<img src=x onerror=alert('1')>\"&../%2F"
QUERY = "from=2024-03-01&to=2024-05-31"
SPRING = DateRange.parse("2024-03-01", "2024-05-31")


def recorded() -> Iterator[CompletedWorkflow]:
    for number in range(70):
        day = datetime(2024, 3, 4, 9, tzinfo=UTC) + timedelta(days=number)
        yield made(
            f"w-{number}",
            user_id=("ada", "ben")[number % 2],
            ticket_key=f"TK-{number}",
            ticket_type=("Bug", "Story", "Task")[number % 3],
            template=("QA", HOSTILE)[number % 2],
            completed_at=day,
            estimated_seconds=1000,
            steps=(StepTime(0, "Plan", 100 + 10 * number, 300), StepTime(1, "Test", 600)),
        )


def on_two_days() -> CompletedWorkflow:
    """Work with pauses, on both sides of a midnight and of the hour that comes twice in Berlin."""
    pause = Pause(at("2024-10-26T20:30:00Z"), at("2024-10-26T20:45:00Z"))
    first = TimeSession(at("2024-10-26T20:00:00Z"), at("2024-10-26T22:30:00Z"), pauses=(pause,))
    second = TimeSession(at("2024-10-27T00:30:00Z"), at("2024-10-27T01:30:00Z"))
    return made(
        HOSTILE,
        user_id="ada/ben",
        ticket_key="TK-<b>",
        started_at=first.started_at,
        completed_at=at("2024-10-27T02:00:00Z"),
        timezone="Europe/Berlin",
        estimated_seconds=3600,
        steps=(StepTime(0, "Plan", sessions=(first,)), StepTime(1, HOSTILE, sessions=(second,))),
    )


@pytest.fixture
def one(history: History) -> Iterator[Served]:
    history.record([*recorded(), on_two_days()])
    with served(history) as serving:
        yield serving


@pytest.fixture
def everyone(one: Served) -> Visitor:
    return Visitor(one, "admin")


# ------------------------------------------------------------------------------------------------------------- tickets


def test_every_ticket_of_the_period_is_on_one_page_the_latest_first(one: Served, everyone: Visitor) -> None:
    expected = [row.ticket_key for row in one.history.workflows(SPRING, limit=100)]

    first = everyone.page(f"/tickets?{QUERY}")
    following = next(each["href"] for each in first.of("tickets", "a") if each.get("rel") == "next")
    second = everyone.page(following)

    assert [row[0] for row in first.rows("tickets") + second.rows("tickets")] == expected
    assert len(first.rows("tickets")) == 50
    assert first.text_of("tickets").startswith("Completed tickets70 tickets were completed.")
    assert f"/tickets?{QUERY}" in second.links("tickets")
    assert not [each for each in second.of("tickets", "a") if each.get("rel") == "next"]


def test_the_count_is_that_of_the_filter(one: Served, everyone: Visitor) -> None:
    page = everyone.page(f"/tickets?{QUERY}&ticket_type=Bug&user_id=ada")

    summary = one.history.summary(SPRING, "ada", "Bug")
    assert page.value_of("tickets") == summary.completed == len(page.rows("tickets")) == 12
    assert "only the type Bug" in page.text_of("tickets")


def test_a_list_tells_the_day_on_which_a_ticket_counts(one: Served) -> None:
    late = datetime(2025, 3, 20, 23, 30, tzinfo=UTC)
    one.history.record(made("late", user_id="ada", ticket_key="TK-L", completed_at=late, timezone="Asia/Kolkata"))
    visitor = Visitor(one, "admin")
    [row] = one.history.workflows(DateRange.parse("2025-03-21", "2025-03-21"))

    [listed] = visitor.page("/tickets?from=2025-03-21&to=2025-03-21").rows("tickets")
    [recent] = visitor.page("/?from=2025-03-21&to=2025-03-21").of("recent", "time")
    alone = visitor.page("/tickets/workflow?of=ada&workflow_id=late")

    assert (row.workflow_id, row.day) == ("late", date(2025, 3, 21))
    assert "21 Mar 2025, 05:00 (Asia/Kolkata)" in listed
    assert recent["text"] == "21 Mar 2025, 05:00 (Asia/Kolkata)"
    assert "Started21 Mar 2025, 04:00 (Asia/Kolkata)" in alone.text_of("facts")
    assert "Completed21 Mar 2025, 05:00 (Asia/Kolkata)" in alone.text_of("facts")


def test_a_gap_reads_as_one_wherever_its_ratio_stands(one: Served) -> None:
    ended, steps = datetime(2025, 3, 20, 9, tzinfo=UTC), (StepTime(0, "Test", 3601, 3000),)
    for name, estimated in (("gap", 3000), ("none", 3001)):
        one.history.record(made(name, ticket_key=name, completed_at=ended, estimated_seconds=estimated, steps=steps))
    visitor, days = Visitor(one, "admin"), "from=2025-03-20&to=2025-03-20"

    listed = {row[0]: row[-1] for row in visitor.page(f"/tickets?{days}").rows("tickets")}
    recent = visitor.page(f"/?{days}").text_of("recent")
    alone = visitor.page("/tickets/workflow?of=ada&workflow_id=gap")

    assert listed == {"gap": "120.03 % gap alert", "none": "120 %"}
    assert recent.count("120.03 %") == 1
    assert "120.03 %" in alone.text_of("facts")
    assert "120.03 %" in alone.text_of("workflow-steps")


def test_a_page_that_nobody_gave_is_told(everyone: Visitor) -> None:
    page = everyone.page(f"/tickets?{QUERY}&after=nonsense")

    assert "`next` of a page" in page.text_of("tickets")


def test_a_period_without_tickets_offers_the_last_days_that_have_some(everyone: Visitor) -> None:
    page = everyone.page("/tickets?from=2020-01-01&to=2020-01-31")

    assert "No ticket was completed in this period." in page.text_of("tickets")
    assert "/tickets?from=2024-09-28&to=2024-10-27" in page.links("tickets")


def test_tickets_of_others_are_not_listed(one: Served) -> None:
    ada = Visitor(one, "read:own", user="ada")

    assert len(ada.page(f"/tickets?{QUERY}").rows("tickets")) == 35
    assert ada.get(f"/tickets?{QUERY}&user_id=ben").status_code == 403
    assert ada.get("/tickets/workflow?of=ben&workflow_id=w-1").status_code == 403
    assert ada.get("/tickets/workflow?of=ada&workflow_id=w-0").status_code == 200


# ---------------------------------------------------------------------------------------------------------- one ticket


def test_a_ticket_has_its_steps_sessions_and_pauses_on_a_timeline(everyone: Visitor) -> None:
    tickets = everyone.page("/tickets?from=2024-10-01&to=2024-10-31")
    page = everyone.page(tickets.links("tickets")[2])

    assert "<img src=x" not in page.source
    plan, test = page.rows("workflow-steps")
    assert (plan[0], plan[1], plan[3], plan[4]) == ("Plan", "8100", "900", "1")
    assert (test[0], test[1], test[3], test[4]) == (HOSTILE, "3600", "0", "1")
    drawn = page.of("timeline", "rect")
    assert [each["class"] for each in drawn if each["class"] == "pause"] == ["pause"]
    assert [each["aria-label"].partition(":")[0] for each in page.of("timeline", "svg") if "aria-label" in each] == [
        "Sessions of 26 Oct 2024, from 22",
        "Sessions of 27 Oct 2024, from 00",
    ]
    assert "26 Oct 2024, 22:00" in page.text_of("timeline")
    assert "22:30 to 22:45" in page.text_of("timeline")
    assert "in the time of Europe/Berlin" in page.text_of("timeline")
    assert " style=" not in page.source


def test_a_day_of_25_hours_is_drawn_as_long_as_it_is(everyone: Visitor) -> None:
    page = everyone.page(f"/tickets/workflow?of=ada%2Fben&workflow_id={quote(HOSTILE, safe='')}")

    bars = {each["text"]: float(each["width"].rstrip("%")) for each in page.of("timeline", "rect") if each["text"]}
    hour = next(width for title, width in bars.items() if title.startswith(HOSTILE))
    pause = next(width for title, width in bars.items() if title.startswith("Paused"))
    assert pause == pytest.approx(hour / 4, abs=0.01)


def test_a_ticket_that_has_only_totals_says_so(everyone: Visitor) -> None:
    page = everyone.page("/tickets/workflow?of=ada&workflow_id=w-0")

    assert "no single sessions" in page.text_of("timeline")
    assert [row[1] for row in page.rows("workflow-steps")] == ["100", "600"]


@pytest.mark.parametrize("query", ["of=ada&workflow_id=w-1", "of=nobody&workflow_id=w-0", "of=ada&workflow_id=%00"])
def test_a_ticket_that_there_is_not_is_not_found(everyone: Visitor, query: str) -> None:
    answer = everyone.get(f"/tickets/workflow?{query}")

    assert answer.status_code == 404
    assert answer.headers["content-type"].startswith("text/html")


def test_what_is_archived_is_told_and_counted(make_store: Callable[[], str], tmp_path: Path) -> None:
    policy = RetentionPolicy(30, archive=str(tmp_path / "archive"))
    with open_history(make_store(), retention=policy, clock=lambda: at("2024-06-15T12:00:00Z")) as history:
        history.record(list(recorded()))
        history.retention.run()
        sealed = history.summary("all_time").coverage.sealed_through
        assert sealed is not None
        with served(history) as one:
            everyone = Visitor(one, "admin")
            tickets = everyone.page(f"/tickets?{QUERY}")
            ticket = everyone.page("/tickets/workflow?of=ada&workflow_id=w-0")

    assert tickets.value_of("tickets") == 70
    assert "What was completed before 16 May 2024 is archived" in tickets.text_of("tickets")
    assert "was completed on 4 Mar 2024; what was recorded of it is archived" in ticket.source


# --------------------------------------------------------------------------------------------------------------- steps


def test_the_figures_of_the_steps_are_those_of_the_history(one: Served, everyone: Visitor) -> None:
    page = everyone.page(f"/steps?{QUERY}&template=QA")

    steps = one.history.steps(SPRING, "QA").steps
    assert [row[:7] for row in page.rows("figures")] == [
        [
            step.step_name,
            *map(
                str,
                (
                    step.completed,
                    step.p25_seconds,
                    step.p50_seconds,
                    step.p75_seconds,
                    step.p90_seconds,
                    step.mean_seconds,
                ),
            ),
        ]
        for step in steps
    ]
    over = [float(row[9]) for row in page.rows("figures") if row[9] != "–"]
    assert over == [steps[0].gap_alerts / steps[0].with_estimate]


def test_the_course_of_a_step_is_its_mean_by_week_with_a_verdict(one: Served, everyone: Visitor) -> None:
    weeks = one.history.aggregations(SPRING, "step", "week", template="QA", fill_gaps=True).groups[0].sub_groups
    means = [(place, week.mean_seconds) for place, week in enumerate(weeks) if not week.partial]

    page = everyone.page(f"/steps?{QUERY}&template=QA")

    assert trend((place, mean) for place, mean in means if mean is not None).verdict == "rising"
    assert page.rows("courses")[0][-1] == "▲ taking longer"
    assert page.rows("courses")[1][-1] == "no evidence of change"
    shown = page.rows("courses", 1)[0][2:]
    assert shown == [str(week.mean_seconds) if week.mean_seconds is not None else "–" for week in weeks[-12:]]


def test_a_template_is_chosen_by_a_link(everyone: Visitor) -> None:
    page = everyone.page(f"/steps?{QUERY}")

    names = [each["text"] for each in page.of("templates", "a")]
    assert names == ["All templates", HOSTILE, "QA"]
    chosen = everyone.page(page.links("templates")[1])
    assert [each["text"] for each in chosen.of("templates", "a") if "aria-current" in each] == [HOSTILE]
    assert [row[0] for row in chosen.rows("figures")] == ["Plan", "Test"]


def test_steps_of_one_ticket_type_are_not_pretended(everyone: Visitor) -> None:
    page = everyone.page(f"/steps?{QUERY}&ticket_type=Bug")

    assert "these are of all ticket types" in page.source
    assert len(page.rows("figures")) == 4


def test_a_period_without_steps_says_so(everyone: Visitor) -> None:
    page = everyone.page("/steps?from=2020-01-01&to=2020-01-31")

    assert "No step was completed in this period." in page.text_of("steps")
    assert not [each for each in page.elements if "data-chart" in each]
