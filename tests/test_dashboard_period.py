"""The period of a page: what its form stands for, days that cannot be, days on which nothing was done."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from urllib.parse import urlencode

import pytest
from facts_made import made
from page_reading import PageReading, Visitor
from web_client import Served, served

from timestrata import History

PAGES = ("/", "/tickets", "/steps", "/gaps", "/team")


@pytest.fixture
def one(history: History) -> Iterator[Served]:
    """Somebody's last work was in May 2021, somebody else's on the day before yesterday; today is 2024-06-15."""
    history.record(
        [
            made("w-1", user_id="ada", completed_at=datetime(2021, 5, 4, 11, tzinfo=UTC)),
            made("w-2", user_id="ben", ticket_type="Story", completed_at=datetime(2024, 6, 13, 11, tzinfo=UTC)),
        ]
    )
    with served(history) as serving:
        yield serving


@pytest.fixture
def everyone(one: Served) -> Visitor:
    return Visitor(one, "admin")


def form(page: PageReading) -> dict[str, str]:
    """Return what the form of a page sends when nobody touches it."""
    sent = {each["name"]: each.get("value", "") for each in page.of("period", "input")}
    for select in page.of("period", "select"):
        chosen = [each for each in page.of("period", "option") if each["within"][-1] is select and "selected" in each]
        sent[select["name"]] = chosen[0].get("value", chosen[0]["text"]) if chosen else ""
    return sent


def address(visitor: Visitor, path: str, **changes: str) -> str:
    """Send the form of a page after some changes; return where it leads."""
    page = visitor.page(path)
    answer = visitor.get(f"{path.partition('?')[0]}?{urlencode({**form(page), **changes})}")
    assert answer.status_code == 303, answer.text
    return answer.headers["location"]


# ---------------------------------------------------------------------------------------------------------- the form


@pytest.mark.parametrize("name", ["last_90_days", "this_year", "all_time", "last_month"])
def test_a_range_keeps_its_name_when_somebody_else_is_chosen(everyone: Visitor, name: str) -> None:
    assert address(everyone, f"/?range={name}", user_id="ada") == f"/?range={name}&user_id=ada"
    assert everyone.page(f"/?range={name}&user_id=ada").has("kpi-completed")


def test_the_range_of_a_page_without_one_is_named(everyone: Visitor) -> None:
    assert address(everyone, "/tickets", ticket_type="Bug") == "/tickets?range=last_30_days&ticket_type=Bug"


def test_a_day_that_is_changed_makes_it_days(everyone: Visitor) -> None:
    location = address(everyone, "/?range=last_30_days&bucket=week", **{"from": "2024-06-01"})

    assert location == "/?bucket=week&from=2024-06-01&to=2024-06-15"


def test_days_stay_days_when_somebody_else_is_chosen(everyone: Visitor) -> None:
    location = address(everyone, "/?from=2024-06-01&to=2024-06-10", user_id="ada")

    assert location == "/?from=2024-06-01&to=2024-06-10&user_id=ada"


def test_one_open_end_stays_open(everyone: Visitor) -> None:
    assert address(everyone, "/?from=2024-06-01") == "/?from=2024-06-01"


def test_no_days_are_all_time(everyone: Visitor) -> None:
    assert address(everyone, "/?range=last_30_days", **{"from": "", "to": ""}) == "/?range=all_time"
    assert address(everyone, "/?from=2024-06-01&to=2024-06-10", **{"from": "", "to": ""}) == "/?range=all_time"


def test_what_one_page_alone_asks_for_goes_along(everyone: Visitor) -> None:
    location = address(everyone, "/gaps?state=dismissed&range=this_year", user_id="ben")

    assert location == "/gaps?state=dismissed&range=this_year&user_id=ben"


# -------------------------------------------------------------------------------------------------- days that cannot be


@pytest.mark.parametrize("path", PAGES)
def test_an_end_before_the_start_is_told_beside_the_days_that_were_typed(everyone: Visitor, path: str) -> None:
    answer = everyone.get(f"{path}?from=2024-06-12&to=2024-06-01&user_id=ben")
    page = PageReading(answer.text)

    assert answer.status_code == 422
    assert page.text_of("period-wrong") == (
        "To: 2024-06-01 cannot be shown. Wanted: a day that is not before 2024-06-12."
    )
    assert form(page) | {"ticket_type": ""} == {
        "was": "", "from": "2024-06-12", "to": "2024-06-01", "user_id": "ben", "ticket_type": ""
    }  # fmt: skip
    assert [each["name"] for each in page.of("period", "input") if "aria-invalid" in each] == ["to"]
    assert not [each for each in page.elements if "data-card" in each]
    assert f"{path}?user_id=ben" in page.links("main")
    assert everyone.get(f"{path}?{urlencode({**form(page), 'to': '2024-06-14'})}").headers["location"] == (
        f"{path}?from=2024-06-12&to=2024-06-14&user_id=ben"
    )


def test_a_range_that_nobody_knows_is_told(everyone: Visitor) -> None:
    answer = everyone.get("/?range=last_decade")

    assert answer.status_code == 422
    assert PageReading(answer.text).text_of("period-wrong").startswith("Period: last_decade cannot be shown. Wanted:")


def test_a_page_without_a_period_is_not_asked_for_days(everyone: Visitor) -> None:
    assert everyone.get("/operations?from=2024-06-12&to=2024-06-01").status_code == 200


def test_parts_of_a_page_do_not_take_other_days_for_those_that_cannot_be(everyone: Visitor) -> None:
    for path in ("/cards/overview/kpis", "/charts/trend.json", "/exports/summary.csv"):
        assert everyone.get(f"{path}?from=2024-06-12&to=2024-06-01").status_code == 422


# ------------------------------------------------------------------------------------------------- nobody, and no type


def test_a_person_whom_nobody_knows_is_told_and_leads_to_everyone(everyone: Visitor) -> None:
    page = everyone.page("/?user_id=adda&range=this_year")

    assert page.text_of("nobody") == "Nobody called adda has recorded anything. Show everyone"
    assert page.links("nobody") == ["/?range=this_year"]
    assert not page.has("nothing-yet")
    assert form(page)["user_id"] == "adda"


def test_a_type_that_nobody_knows_stays_chosen(everyone: Visitor) -> None:
    assert form(everyone.page("/?ticket_type=Bugg"))["ticket_type"] == "Bugg"


def test_who_has_recorded_nothing_yet_learns_how_to(one: Served) -> None:
    page = Visitor(one, "read:own", user="cleo").page("/")

    assert page.has("nothing-yet")
    assert not page.has("nobody")


# ------------------------------------------------------------------------------------------------------- empty periods


@pytest.mark.parametrize(
    ("path", "part"), [("/", "notice"), ("/tickets", "tickets"), ("/steps", "steps"), ("/team", "people")]
)
def test_an_empty_period_leads_to_the_last_days_with_work(everyone: Visitor, path: str, part: str) -> None:
    ada = everyone.page(f"{path}?range=last_90_days&user_id=ada")
    all_of_them = everyone.page(f"{path}?from=2022-01-01&to=2022-12-31")

    assert f"{path}?user_id=ada&from=2021-04-05&to=2021-05-04" in ada.links(part)
    assert f"{path}?from=2024-05-15&to=2024-06-13" in all_of_them.links(part)


def test_an_empty_overview_has_sentences_and_neither_zeros_nor_verdicts(everyone: Visitor) -> None:
    page = everyone.page("/?from=2022-01-01&to=2022-12-31")

    for part, said in (
        ("trend", "Nothing to draw in this period."),
        ("types", "No type had anything done in this period."),
        ("team", "Nobody completed or worked on anything in this period."),
    ):
        assert said in page.text_of(part)
        assert not page.of(part, "table")
    assert "evidence" not in page.text_of("trend")
    assert not [each for each in page.elements if "spark" in each.get("class", "").split()]


def test_a_period_that_has_not_begun_is_compared_with_nothing(everyone: Visitor) -> None:
    page = everyone.page("/?from=2024-06-16&to=2024-06-30")

    assert "this period has not begun" in page.text_of("kpi-completed")
    assert "(worse)" not in page.text_of("kpis")
