"""The page of the team: figures side by side, and no comparison of who has done too little to be compared."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta

import pytest
from conftest import NOW
from dashboard_pages import browser, texts
from facts_made import made
from web_client import Served, served

from timestrata import History
from timestrata.answers import Aggregation

HOSTILE = "<i>zed</i>"
COUNTS = {"ben": 7, "ada": 5, HOSTILE: 6, "eve": 4, "dan": 1}
SECONDS = {"ben": 300, "ada": 900, HOSTILE: 600, "eve": 60, "dan": 60}


@pytest.fixture
def one(history: History) -> Iterator[Served]:
    history.record(
        made(
            f"{user}-{number}",
            SECONDS[user],
            user_id=user,
            estimated_seconds=600,
            completed_at=NOW - timedelta(days=1, hours=number),
            started_at=NOW - timedelta(days=2),
        )
        for user, count in COUNTS.items()
        for number in range(count)
    )
    with served(history) as serving:
        yield serving


def people(page: str) -> tuple[list[str], list[str]]:
    """The people that are compared, and those that are not, in their order."""
    compared, _, few = page.partition('<tbody class="few">')
    names = re.compile(r'<th scope="row"><a href="[^"]*">([^<]*)</a>')
    return names.findall(compared), names.findall(few)


def test_people_stand_by_name_and_those_with_too_little_apart(one: Served) -> None:
    page = browser(one, "read:all").get("/team").text

    assert people(page) == (["&lt;i&gt;zed&lt;/i&gt;", "ada", "ben"], ["dan", "eve"])
    assert "Fewer than 5 completed tickets" in texts(page)


def rates(one: Aggregation) -> list[float | None]:
    return [one.estimate_ratio, one.first_pass_ratio, one.gap_alerts]


def test_the_figures_are_those_of_the_library(one: Served) -> None:
    page = browser(one, "read:all").get("/team?range=last_7_days").text
    rows = re.findall(r'<tr><th scope="row">.*?</tr>', page, re.DOTALL)
    shown = [re.findall(r'<data value="([^"]*)"', row) for row in rows]

    report = {each.name: each for each in one.history.aggregations("last_7_days", "user")}
    figures = [report[name] for name in (HOSTILE, "ada", "ben", "dan", "eve")]
    whole = [
        [each.completed, each.worked_seconds, each.mean_seconds, each.p50_seconds, *rates(each)] for each in figures[:3]
    ]
    few = [[each.completed, each.worked_seconds, each.gap_alerts] for each in figures[3:]]
    assert shown == [[str(value) for value in row] for row in whole + few]


def test_who_has_done_too_little_has_no_averages(one: Served) -> None:
    page = browser(one, "read:all").get("/team").text

    few = page.partition('<tbody class="few">')[2].partition("</tbody>")[0]
    assert few.count("too few") == 2 * 4
    assert "min" not in texts(few)


@pytest.mark.parametrize(
    ("sort", "order"),
    [
        ("completed", ["ada", "zed", "ben"]),
        ("-completed", ["ben", "zed", "ada"]),
        ("mean", ["ben", "zed", "ada"]),
        ("-ratio", ["ada", "zed", "ben"]),
        ("-name", ["ben", "ada", "zed"]),
    ],
)
def test_a_column_sorts_those_who_are_compared_only(one: Served, sort: str, order: list[str]) -> None:
    page = browser(one, "read:all").get(f"/team?sort={sort}").text

    compared, few = people(page)
    assert [name.replace("&lt;i&gt;", "").replace("&lt;/i&gt;", "") for name in compared] == order
    assert few == ["dan", "eve"]
    assert page.count("aria-sort=") == 1


def test_a_sort_by_nothing_that_is_there_fails_in_its_card(one: Served) -> None:
    page = browser(one, "read:all").get("/team?sort=salary").text

    assert '<section class="card failed" id="people"' in page


def test_the_team_is_for_who_may_read_all(one: Served) -> None:
    own = browser(one, "read:own", user="ada")

    assert own.get("/team").status_code == 403
    assert own.get("/cards/team/people").status_code == 403
    assert 'href="/team"' not in own.get("/").text


def test_names_are_text_and_lead_to_the_overview(one: Served) -> None:
    page = browser(one, "read:all").get("/team").text

    assert HOSTILE not in page
    assert 'href="/?user_id=%3Ci%3Ezed%3C%2Fi%3E"' in page
    assert 'href="/exports/aggregations.csv?group=user"' in page


def test_a_period_without_anything_says_so(one: Served) -> None:
    page = browser(one, "read:all").get("/team?from=2020-01-01&to=2020-01-31").text

    assert "Nobody completed or worked on anything" in texts(page)
