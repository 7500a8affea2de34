"""The overview: its figures are those of the history, each by its states, for whom they are."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

import pytest
from conftest import NOW
from facts_made import made, session
from page_reading import Visitor
from web_client import QUIET, Served, served

from timestrata import CompletedWorkflow, DateRange, History, StepTime

HOSTILE = "<script>alert('1')</script>\"&"
JUNE = DateRange.parse("2024-06-01", "2024-06-14")
QUERY = "from=2024-06-01&to=2024-06-14"


def recorded() -> Iterator[CompletedWorkflow]:
    """Four weeks of two people, one of them with few tickets, and names that are no markup."""
    for number in range(28):
        day = datetime(2024, 5, 18, 15, tzinfo=UTC) + timedelta(days=number)
        started = day - timedelta(hours=2)
        step = StepTime(0, "Test", estimated_seconds=1500, sessions=(session(started.isoformat(), 1200 + 60 * number),))
        types = ("Bug", "Story", HOSTILE)
        user = "ben" if number in (15, 20) else "ada"
        yield made(
            f"w-{number}",
            user_id=user,
            ticket_key=f"TK-{number}",
            ticket_type=types[number % 3],
            completed_at=day,
            started_at=started,
            estimated_seconds=2000,
            steps=(step, StepTime(1, HOSTILE, 300)),
        )


@pytest.fixture
def one(history: History) -> Iterator[Served]:
    history.record(list(recorded()))
    with served(history, QUIET) as serving:
        yield serving


@pytest.fixture
def everyone(one: Served) -> Visitor:
    return Visitor(one, "admin")


# ------------------------------------------------------------------------------------------------------------- figures


def test_the_key_figures_and_the_tables_are_those_of_the_history(one: Served, everyone: Visitor) -> None:
    found = one.history.overview(JUNE)
    steps = one.history.steps(JUNE)

    page = everyone.page(f"/?{QUERY}")

    assert page.value_of("kpi-completed") == found.summary.completed == 14
    assert page.value_of("kpi-mean") == found.summary.mean_seconds
    assert page.value_of("kpi-ratio") == found.summary.estimate_ratio
    assert page.value_of("kpi-worked") == found.summary.worked_seconds
    assert {row[0]: int(row[1]) for row in page.rows("types")} == {
        name: figures.completed for name, figures in found.summary.by_ticket_type.items()
    }
    assert [row[2] for row in page.rows("steps")] == [str(step.completed) for step in steps]
    assert [(row[0], int(row[1]), int(row[2])) for row in page.rows("team")] == [
        (each.name, each.completed, each.worked_seconds) for each in one.history.aggregations(JUNE, "user")
    ]
    weeks = [float(row[-1]) for row in page.rows("hours")]
    assert sum(weeks) == found.summary.worked_seconds


@pytest.mark.parametrize("bucket", ["day", "week", "month"])
@pytest.mark.parametrize("measure", ["completed", "worked_seconds"])
def test_the_trend_is_shown_in_the_buckets_and_of_the_measure_that_are_asked_for(
    one: Served, everyone: Visitor, bucket: str, measure: str
) -> None:
    dates = DateRange.parse("2024-03-01", "2024-06-14")
    trend = one.history.trend(dates, bucket, by="ticket_type", measure=measure)  # type: ignore[arg-type]

    page = everyone.page(f"/?from=2024-03-01&to=2024-06-14&bucket={bucket}&measure={measure}")

    expected = [
        [getattr(point, measure), *(getattr(each.points[place], measure) for each in trend.by.values())]
        for place, point in enumerate(trend.points)
    ]
    shown = [[int(row[1]), *map(int, row[3:])] for row in page.rows("trend")]
    assert shown == expected
    assert sum("(partial)" in row[0] for row in page.rows("trend")) == sum(point.partial for point in trend.points)


def test_a_change_is_an_arrow_a_sign_and_words(everyone: Visitor) -> None:
    page = everyone.page(f"/?{QUERY}")

    assert "▲ +44.4 % (worse) vs 32 min before" in page.text_of("kpi-mean")
    assert "■ as before" in page.text_of("kpi-completed")
    assert "(better)" not in page.text_of("kpi-worked")
    assert "(worse)" not in page.text_of("kpi-worked")


def test_key_figures_and_types_lead_to_their_tickets(everyone: Visitor) -> None:
    page = everyone.page(f"/?{QUERY}")

    assert page.links("kpi-completed") == ["/tickets?from=2024-06-01&to=2024-06-14"]
    bug = next(link for link in page.links("types") if "ticket_type=Bug" in link)
    assert bug.startswith(f"/tickets?{QUERY}")
    tickets = everyone.page(bug)
    assert len(tickets.rows("tickets")) == int(next(row[1] for row in page.rows("types") if row[0] == "Bug"))


def test_a_slope_is_told_only_when_there_is_one(everyone: Visitor) -> None:
    assert "no evidence of change" in everyone.page(f"/?{QUERY}").text_of("trend")
    assert "too few" in everyone.page(f"/?{QUERY}&bucket=week").text_of("trend")
    rising = everyone.page("/?from=2024-05-18&to=2024-06-14&measure=worked_seconds&user_id=ada&ticket_type=Bug")
    assert "too few" not in rising.text_of("trend")


def test_a_period_of_more_than_120_days_is_never_shown_by_day(everyone: Visitor) -> None:
    page = everyone.page("/?from=2024-01-01&to=2024-06-14&bucket=day")

    assert "more than 120 bars" in page.text_of("trend")
    assert len(page.rows("trend")) == 24
    buckets = [each["text"] for each in page.of("trend", "a") if each["href"].endswith("#trend")]
    assert buckets == ["Tickets", "Hours", "Week", "Month"]


def test_below_three_buckets_there_are_numbers_and_no_picture(everyone: Visitor) -> None:
    page = everyone.page("/?from=2024-06-13&to=2024-06-14")

    assert [int(row[1]) for row in page.rows("trend")] == [1, 1]
    assert not [each for each in page.of("trend", "div") if "data-chart" in each]


# -------------------------------------------------------------------------------------------------------------- states


def test_an_empty_store_says_what_to_do_and_shows_no_cards(history: History) -> None:
    with served(history) as one:
        page = Visitor(one, "admin").page("/")

    assert "timestrata import workflows.jsonl" in page.text_of("nothing-yet")
    assert not page.has("kpi-completed")
    assert not [each for each in page.elements if "data-card" in each]


def test_an_empty_period_says_so_and_keeps_the_frame(everyone: Visitor) -> None:
    page = everyone.page("/?from=2020-01-01&to=2020-02-01")

    assert "Nothing was completed or worked on in this period." in page.text_of("notice")
    assert page.links("notice") == ["/?from=2024-05-16&to=2024-06-14"]
    assert page.value_of("kpi-completed") == 0
    assert page.value_of("kpi-mean") is None
    assert not [each for each in page.elements if "data-chart" in each]


def test_many_ticket_types_are_in_one_table_only(history: History) -> None:
    history.record(made(f"w-{number}", ticket_type=f"Type {number % 6}", completed_at=NOW) for number in range(18))
    with served(history, QUIET) as serving:
        page = Visitor(serving, "admin").page("/")
        fewer = Visitor(serving, "admin").page("/?ticket_type=Type 1")

    assert [len(page.rows("types", number)) for number in range(len(page.of("types", "table")))] == [6]
    assert len([link for link in page.links("types") if "ticket_type=Type" in link]) == 6
    assert [len(fewer.rows("types", number)) for number in range(len(fewer.of("types", "table")))] == [1, 1]


def test_without_a_period_before_nothing_is_compared(everyone: Visitor) -> None:
    page = everyone.page("/?range=all_time")

    assert "no previous period" in page.text_of("kpi-completed")


def test_one_ticket_type_has_no_steps_because_none_are_kept_by_it(everyone: Visitor) -> None:
    page = everyone.page(f"/?{QUERY}&ticket_type=Bug")

    assert page.value_of("kpi-completed") == 5
    assert page.links("steps")[-1] == f"/steps?{QUERY}"


# --------------------------------------------------------------------------------------------------------------- lists


def test_a_type_that_is_new_in_the_store_can_be_chosen_whoever_is_shown(one: Served, everyone: Visitor) -> None:
    path = f"/?{QUERY}&user_id=ada"
    assert "Brand new" not in everyone.page(path).source

    one.history.record(made("of another", user_id="somebody else", ticket_type="Brand new"))

    assert "Brand new" in everyone.page(path).source
    assert "Brand new" not in Visitor(one, "read:own", user="ada").page(f"/?{QUERY}").source


def test_open_gaps_stand_above_the_figures_until_they_are_dismissed(one: Served, everyone: Visitor) -> None:
    alerts = one.history.alerts(JUNE)

    page = everyone.page(f"/?{QUERY}")

    tickets = sum(alert.kind == "workflow" for alert in alerts)
    said = f"{tickets} tickets and {len(alerts) - tickets} steps took more than 120 % of the estimate in this period"
    assert tickets == one.history.summary(JUNE).gap_alerts
    assert page.text_of("notice").startswith(said)
    rows = [each["data-alert"] for each in page.of("gaps", "li") if "data-alert" in each]
    assert rows == [alert.id for alert in alerts[:6]]
    for alert in alerts:
        one.history.dismiss_alert(alert.id)
    after = everyone.page(f"/?{QUERY}")
    assert after.text_of("notice") == ""
    assert "No gap alert of this period is open." in after.text_of("gaps")


def test_all_open_gaps_are_counted_however_many_there_are(history: History) -> None:
    history.record(
        made(f"w-{number}", completed_at=NOW, estimated_seconds=100, steps=[StepTime(0, "Test", 600, 100 + number)])
        for number in range(120)
    )
    with served(history, QUIET) as serving:
        page = Visitor(serving, "admin").page("/")

    assert page.text_of("notice").startswith("120 tickets and 120 steps took more than")
    assert [each["text"] for each in page.elements if each.get("class") == "badge"] == ["240"]


def test_only_who_may_change_a_gap_alert_has_its_button(one: Served) -> None:
    buttons = {
        scopes: len(Visitor(one, *scopes, user="ada").page(f"/?{QUERY}&user_id=ada").of("gaps", "button"))
        for scopes in (("read:own",), ("read:own", "write:own"), ("admin",))
    }

    assert buttons == {("read:own",): 0, ("read:own", "write:own"): 6, ("admin",): 6}


def test_nobody_with_few_tickets_is_compared(everyone: Visitor) -> None:
    ada, ben = everyone.page(f"/?{QUERY}").rows("team")

    assert (ben[0], ben[1], ben[3]) == ("ben", "2", "too few")
    assert ada[3].endswith("%")


def test_who_may_read_only_their_own_data_sees_nothing_of_others(one: Served) -> None:
    ben = Visitor(one, "read:own", user="ben")
    summary = one.history.summary(JUNE, "ben")

    page = ben.page(f"/?{QUERY}")

    assert page.value_of("kpi-completed") == summary.completed == 2
    assert page.text_of("team") == ""
    without_secrets = re.sub(r"\b[0-9a-f]{16,}\b", "", page.source)  # random digits may well spell a name
    assert "ada" not in without_secrets.replace("data-", "")
    assert ben.get(f"/?{QUERY}&user_id=ada").status_code == 403
    assert ben.get(f"/cards/overview/kpis?{QUERY}&user_id=ada").status_code == 403


def test_names_are_text_wherever_they_stand(everyone: Visitor) -> None:
    page = everyone.page(f"/?{QUERY}")

    assert "<script>alert" not in page.source
    assert HOSTILE in [row[0] for row in page.rows("types")]
    assert any(row[0] == HOSTILE for row in page.rows("steps"))


def test_the_recent_tickets_are_the_last_of_the_history(one: Served, everyone: Visitor) -> None:
    page = everyone.page(f"/?{QUERY}")

    keys = [row.ticket_key for row in one.history.overview(JUNE).recent[:6]]
    assert [each["text"] for each in page.of("recent", "a") if "/tickets/workflow?" in each["href"]] == keys


def test_dates_and_numbers_are_written_as_the_reader_has_them(one: Served) -> None:
    page = Visitor(one, "admin").get(f"/?{QUERY}", **{"Accept-Language": "de-DE"}).text

    assert "1.–14. Juni 2024" in page
    assert "+44,4" in page


def test_a_period_that_goes_on_says_how_long(one: Served, everyone: Visitor) -> None:
    ahead = one.history.revisions([None])[None].today + timedelta(days=10)

    page = everyone.page(f"/?from=2024-06-01&to={ahead}")

    assert one.history.revisions([None])[None].today == NOW.date() == date(2024, 6, 15)
    assert "The period is not over: 10 more days." in page.text_of("kpi-completed")
