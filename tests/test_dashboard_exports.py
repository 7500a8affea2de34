"""Downloads: the bytes of the command and the answers of the API, pictures, and the whole overview in one file."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from facts_made import made
from page_reading import Visitor
from typer.testing import CliRunner
from web_client import Client, Served, served

from timestrata import DateRange, History, StepTime
from timestrata.cli import app

FORMULA = '=HYPERLINK("http://example.org")'
DATES = ["--from", "2024-05-01", "--to", "2024-05-31"]
QUERY = "from=2024-05-01&to=2024-05-31"
MAY = DateRange.parse("2024-05-01", "2024-05-31")


@pytest.fixture
def one(history: History) -> Iterator[Served]:
    start = datetime(2024, 5, 1, 9, tzinfo=UTC)
    history.record(
        made(
            f"w-{number}",
            user_id=("ada", "ben")[number % 2],
            ticket_key=FORMULA,
            ticket_type=("Bug", FORMULA)[number % 3 == 0],
            completed_at=start + timedelta(days=number),
            estimated_seconds=500,
            steps=(StepTime(0, FORMULA, 500 + 20 * number, 400),),
        )
        for number in range(30)
    )
    with served(history) as serving:
        yield serving


@pytest.fixture
def everyone(one: Served) -> Visitor:
    return Visitor(one, "admin")


def command(one: Served, *args: str) -> bytes:
    """Return what the command prints about May."""
    url = one.history.engine.url.render_as_string(hide_password=False)
    result = CliRunner().invoke(app, [*args, "--database", url, *DATES])
    assert result.exit_code == 0, result.output
    return result.stdout_bytes


@pytest.mark.parametrize("given", ["Bearer timestrata_0_0", "Bearer ", "Basic YTpi", "nonsense"])
@pytest.mark.parametrize("path", ["/exports/workflows.csv", "/exports/report.pdf", "/charts/trend.svg", "/", "/gaps"])
def test_a_program_with_a_wrong_token_is_refused_as_the_api_does(one: Served, path: str, given: str) -> None:
    client = Client(one, {"Authorization": given, "Accept": "*/*"})

    found, api = client.get(f"{path}?{QUERY}"), client.get("/api/v1/workflows")

    assert (found.status_code, api.status_code) == (401, 401)
    for name in ("content-type", "www-authenticate"):
        assert found.headers[name] == api.headers[name]
    assert found.json() == api.json()


# -------------------------------------------------------------------------------------------------------------- tables


@pytest.mark.parametrize(
    ("what", "args", "more"),
    [
        ("summary", [], ""),
        ("summary", ["--type", "Bug"], "&ticket_type=Bug"),
        ("trend", ["--bucket", "week", "--by", "ticket_type", "--measure", "completed"], "&bucket=week"),
        (
            "trend",
            ["--bucket", "day", "--by", "ticket_type", "--measure", "worked_seconds", "--user", "ben"],
            "&measure=worked_seconds&user_id=ben",
        ),
        ("daily", ["--user", "ada"], "&user_id=ada"),
        ("steps", [], ""),
        ("steps", ["--template", "QA"], "&template=QA"),
        ("workflows", ["--limit", "10000"], ""),
        ("alerts", ["--limit", "10000"], ""),
        ("alerts", ["--limit", "10000", "--all", "--kind", "step"], "&state=all&kind=step"),
    ],
    ids=lambda value: "" if isinstance(value, list) else None,
)
def test_a_csv_is_byte_for_byte_what_the_command_prints(
    one: Served, everyone: Visitor, what: str, args: list[str], more: str
) -> None:
    answer = everyone.get(f"/exports/{what}.csv?{QUERY}{more}")

    assert answer.content == command(one, what, *args, "--csv")
    assert len(answer.content.splitlines()) > 1
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"] == (
        f'attachment; filename="timestrata-{what}-2024-05-01-to-2024-05-31.csv"'
    )


API = "/api/v1/time/history/ada"


@pytest.mark.parametrize(
    ("path", "api"),
    [
        ("/exports/summary.json", API),
        ("/exports/trend.json", f"{API}/trend?bucket=day&by=ticket_type&measure=completed"),
        ("/exports/daily.json", f"{API}/daily"),
        ("/exports/steps.json", f"{API}/steps"),
        ("/exports/workflows.json", f"{API}/workflows?limit=1000"),
        ("/exports/alerts.json?state=all", f"{API}/alerts?state=all&limit=1000"),
        (
            "/exports/aggregations.json?group=week&sub_group=template",
            "/api/v1/time/aggregations?group=week&sub_group=template&user_id=ada",
        ),
    ],
)
def test_a_json_is_the_answer_of_the_api(everyone: Visitor, path: str, api: str) -> None:
    found = everyone.get(path + ("&" if "?" in path else "?") + f"{QUERY}&user_id=ada")
    answer = everyone.get(api + ("&" if "?" in api else "?") + QUERY)

    assert found.status_code == answer.status_code == 200
    assert found.json() == answer.json()


def test_no_cell_is_run_as_a_formula(everyone: Visitor) -> None:
    text = everyone.get(f"/exports/workflows.csv?{QUERY}").text

    rows = list(csv.DictReader(io.StringIO(text)))
    assert {row["ticket_key"] for row in rows} == {f"'{FORMULA}"}


def test_groups_are_a_table_too(one: Served, everyone: Visitor) -> None:
    text = everyone.get(f"/exports/aggregations.csv?{QUERY}&group=day").text

    rows = list(csv.DictReader(io.StringIO(text)))
    days = one.history.aggregations(MAY, "day")
    assert sum(int(row["worked_seconds"]) for row in rows if row["row"] == "group") == days.total.worked_seconds


def test_a_download_is_not_sent_again_until_something_changes(one: Served, everyone: Visitor) -> None:
    path = f"/exports/summary.csv?{QUERY}"
    first = everyone.get(path)

    again = everyone.get(path, **{"If-None-Match": first.headers["etag"]})
    one.history.record(made("late", ticket_type="Bug"))
    changed = everyone.get(path, **{"If-None-Match": first.headers["etag"]})

    assert first.headers["cache-control"] == "private, no-cache"
    assert (again.status_code, again.content) == (304, b"")
    assert changed.status_code == 200
    assert changed.content != first.content


def test_what_is_kept_of_one_question_is_not_the_answer_to_another(one: Served, everyone: Visitor) -> None:
    questions = ("", "&ticket_type=Bug", "&user_id=ada", "&user_id=ben&ticket_type=Bug", "&bucket=month")

    shown = [
        everyone.get(f"/exports/{what}.json?{days}{more}").json()
        for what in ("summary", "trend")
        for days in (QUERY, "from=2024-05-06&to=2024-05-09")
        for more in questions
    ]

    told = [(each.get("completed"), each.get("bucket"), each["user_id"], str(each["dates"])) for each in shown]
    assert [each["completed"] for each in shown[:10]] == [30, 20, 15, 10, 30, 4, 3, 2, 2, 4]
    assert len(set(told[10:])) == 8


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/exports/passwords.csv", 422),
        ("/exports/summary.xlsx", 422),
        ("/exports/aggregations.csv?group=planet", 422),
        ("/exports/summary.csv?from=2024-06-02&to=2024-06-01", 422),
        ("/charts/pie.json", 422),
        ("/charts/trend.gif", 422),
        ("/charts/trend.json?theme=sepia", 422),
    ],
)
def test_what_there_is_not_is_refused(everyone: Visitor, path: str, status: int) -> None:
    assert everyone.get(path).status_code == status


@pytest.mark.parametrize(
    "path",
    [
        "/exports/summary.csv",
        "/exports/workflows.json",
        "/exports/report.pdf",
        "/charts/trend.json",
        "/charts/types.png",
    ],
)
def test_the_data_of_others_is_not_sent(one: Served, path: str) -> None:
    ada = Visitor(one, "read:own", user="ada")

    assert ada.get(f"{path}?user_id=ben").status_code == 403


def test_without_a_user_one_gets_ones_own(one: Served) -> None:
    ada = Visitor(one, "read:own", user="ada")

    assert ada.get(f"/exports/summary.csv?{QUERY}").content == command(one, "summary", "--user", "ada", "--csv")


# -------------------------------------------------------------------------------------------------------------- charts


def bars(spec: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = spec["datasets"]["bars"]
    return found


def test_the_bars_of_a_trend_are_the_figures_of_the_history(one: Served, everyone: Visitor) -> None:
    spec = everyone.get(f"/charts/trend.json?{QUERY}&bucket=week").json()

    trend = one.history.trend(MAY, "week", by="ticket_type", measure="completed")
    expected = {
        (str(point.bucket), name): point.completed
        for name, series in trend.by.items()
        for point in series.points
        if point.completed
    }
    assert {(bar["bucket"], bar["name"]): bar["value"] for bar in bars(spec)} == expected


def test_the_bars_of_the_types_lead_to_their_tickets(everyone: Visitor) -> None:
    spec = everyone.get(f"/charts/types.json?{QUERY}").json()

    links = {bar["name"]: bar["link"] for bar in bars(spec)}
    assert links["Bug"] == f"/tickets?{QUERY}&ticket_type=Bug"
    assert links[FORMULA].startswith(f"/tickets?{QUERY}&ticket_type=%3DHYPERLINK")


@pytest.mark.parametrize("chart", ["trend", "types", "steps", "heatmap"])
def test_a_chart_is_kept_for_a_revision_a_theme_and_a_reader(one: Served, everyone: Visitor, chart: str) -> None:
    path = f"/charts/{chart}.json?{QUERY}"
    light = everyone.get(path)
    dark = everyone.get(f"{path}&theme=dark")

    again = everyone.get(path, **{"If-None-Match": light.headers["etag"]})
    one.history.record(made("late"))
    changed = everyone.get(path, **{"If-None-Match": light.headers["etag"]})

    assert light.headers["content-type"] == "application/json"
    assert light.json() != dark.json()
    assert (again.status_code, changed.status_code) == (304, 200)


def test_weeks_begin_where_the_reader_has_them_begin(everyone: Visitor) -> None:
    path = f"/charts/heatmap.json?{QUERY}"
    british, american = (everyone.get(path, **{"Accept-Language": language}) for language in ("en-GB", "en-US"))

    assert british.headers["etag"] != american.headers["etag"]
    assert british.json() != american.json()


def test_pictures_and_the_report_are_made_elsewhere(one: Served, everyone: Visitor) -> None:
    png, svg, pdf, html = (
        everyone.get(f"{path}?{QUERY}")
        for path in ("/charts/trend.png", "/charts/steps.svg", "/exports/report.pdf", "/exports/report.html")
    )

    assert png.content.startswith(b"\x89PNG")
    assert svg.text.startswith("<svg")
    assert pdf.content.startswith(b"%PDF")
    assert (pdf.headers["content-type"], html.headers["content-type"]) == (
        "application/pdf",
        "text/html; charset=utf-8",
    )
    assert 'filename="timestrata-report-2024-05-01-to-2024-05-31.pdf"' in pdf.headers["content-disposition"]
    assert f"{one.history.summary(MAY).completed}" in html.text
    assert json.dumps(FORMULA) not in html.text
