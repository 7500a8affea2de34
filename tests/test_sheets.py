"""Sheets: answers as the rows of CSV files."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from datetime import timedelta

import pytest
from conftest import NOW
from facts_made import made

from timestrata import History, open_history
from timestrata.formats.result_json import document
from timestrata.formats.sheets import Sheet, aggregations_sheet, csv_text, summary_sheet


@pytest.fixture(scope="module")
def team() -> Iterator[History]:
    with open_history("sqlite://", clock=lambda: NOW) as history:
        for number in range(6):
            ended = NOW - timedelta(days=number)
            history.record(
                made(f"w{number}", 600 + number, completed_at=ended, user_id="=ada" if number % 2 else "bob")
            )
        yield history


def read(sheet: Sheet) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(csv_text(sheet))))


def test_text_that_a_spreadsheet_would_run_has_an_apostrophe() -> None:
    sheet = Sheet(("name", "n"), (("=1+1", -1), ("plain", None), ('say "a,b"\n', True)))

    assert csv_text(sheet) == 'name,n\n\'=1+1,-1\nplain,\n"say ""a,b""\n",true\n'


def test_a_sheet_of_groups_has_each_before_its_sub_groups_and_the_total_last(team: History) -> None:
    report = team.aggregations("last_7_days", "user", "day")

    rows = read(aggregations_sheet(report))

    assert [(row["row"], row["group"]) for row in rows] == [
        ("group", "'=ada"), *[("sub_group", "'=ada")] * 3,
        ("group", "bob"), *[("sub_group", "bob")] * 3,
        ("total", ""),
    ]  # fmt: skip
    assert [row["sub_group"] for row in rows if row["row"] == "sub_group"] == [
        sub.name for group in report for sub in group.sub_groups
    ]
    assert sum(int(row["worked_seconds"]) for row in rows if row["row"] == "group") == report.total.worked_seconds
    assert int(rows[-1]["worked_seconds"]) == report.total.worked_seconds


def test_a_sheet_of_steps_says_of_which_template_and_of_days_whether_they_are_over(team: History) -> None:
    steps = read(aggregations_sheet(team.aggregations("last_7_days", "step")))
    days = read(aggregations_sheet(team.aggregations("last_7_days", "day")))

    assert (steps[0]["group"], steps[0]["template"], steps[0]["step_index"]) == ("Test", "QA", "0")
    assert [row["partial"] for row in days[-3:]] == ["false", "true", ""]


def test_every_figure_has_its_column(team: History) -> None:
    summary = team.summary("last_7_days")

    sheet = summary_sheet(summary)

    values = dict(zip(sheet.columns, sheet.rows[-1], strict=True))
    written = document(summary)
    assert isinstance(written, dict)
    assert {name: value for name, value in values.items() if name not in ("row", "ticket_type")} == {
        name: written[name] for name in sheet.columns[2:]
    }
