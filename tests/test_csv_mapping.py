"""CSV files read by a column mapping: values, rows put together, broken files, and the exports of real tools."""

import codecs
import csv
import doctest
import gzip
import io
import json
import re
import shlex
from collections import Counter
from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from timestrata.errors import InvalidInput, InvalidRequest
from timestrata.facts import CompletedWorkflow
from timestrata.formats import MAX_LINE, Entry, mapping, open_input, table
from timestrata.formats.jsonl import read_jsonl
from timestrata.formats.mapping import ColumnMapping, Lookup, valid_targets
from timestrata.formats.table import read_table

DATA = Path(__file__).parents[2] / "shared" / "data"
FIXTURES = DATA / "fixtures"
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason="the shared test data is not beside the checkout")

WORKFLOW = ["workflow_id=Id", "user_id=Who", "ticket_type=Type", "active_seconds=Time", "completed_at=Done"]
STEP = [*WORKFLOW, "step_name=Step"]
SESSION = ["workflow_id=Id", "user_id=Who", "ticket_type=Type", "step_name=Step", "started_at=From", "ended_at=To"]


def read(text: str | bytes, map_args: list[str], set_args: tuple[str, ...] = (), **options: Any) -> list[Entry]:
    stream = io.BytesIO(text if isinstance(text, bytes) else text.encode())
    return list(read_table(stream, ColumnMapping.parse(map_args, set_args, **options)))


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[misc, arg-type]


def workflow_of(entry: Entry) -> CompletedWorkflow:
    assert entry.error is None, entry.refusal
    assert entry.workflow is not None
    return entry.workflow


def refusal_of(entry: Entry) -> str:
    assert entry.workflow is None
    assert isinstance(entry.error, InvalidInput)
    assert entry.refusal is not None
    return entry.refusal


def one(column: str, cell: str, target: str, **options: Any) -> Entry:
    """Return the entry of a workflow whose `target` is mapped to a column with this cell."""
    fixed = {"workflow_id": "w", "user_id": "ada", "ticket_type": "Bug", "active_seconds": "60",
             "completed_at": "2024-02-29T10:00:00Z"}  # fmt: skip
    replaced = target.partition("_")[0] if target.startswith("active") else target
    constants = tuple(f"{name}={value}" for name, value in fixed.items() if not name.startswith(replaced))
    text = io.StringIO()
    csv.writer(text).writerows([[column, "Other"], [cell, "x"]])
    [entry] = read(text.getvalue(), [f"{target}={column}"], constants, **options)
    return entry


# One row a workflow


def test_a_row_becomes_a_workflow_of_one_step() -> None:
    [entry] = read(
        "Task,Who,Kind,Flow,From,Done,Hours,Plan,Step,Project\n"
        "T-1,ada,Bug,QA,2024-02-29T08:00:00Z,2024-02-29T10:00:00+01:00,0.75,0.5,Test,P1\n",
        ["workflow_id=w-{Task}-{Who}", "ticket_key=Task", "user_id=Who", "ticket_type=Kind", "template=Flow",
         "started_at=From", "completed_at=Done", "active_hours=Hours", "estimated_hours=Plan",
         "step_estimated_hours=Plan", "step_name=Step", "attribute.project=Project"],
        ("step_index=3", "timezone=Europe/Berlin"),
    )  # fmt: skip

    workflow = workflow_of(entry)
    assert (workflow.workflow_id, workflow.ticket_key, workflow.user_id) == ("w-T-1-ada", "T-1", "ada")
    assert (workflow.ticket_type, workflow.template, workflow.timezone) == ("Bug", "QA", "Europe/Berlin")
    assert workflow.started_at == utc(2024, 2, 29, 8)
    assert workflow.completed_at == utc(2024, 2, 29, 9)
    assert (workflow.active_seconds, workflow.estimated_seconds) == (2700, 1800)
    [step] = workflow.steps
    assert (step.index, step.name, step.active_seconds, step.estimated_seconds) == (3, "Test", 2700, 1800)
    assert workflow.attributes == {"project": "P1"}
    assert (entry.line, entry.notes) == (2, ())


def test_what_is_not_mapped_has_documented_defaults() -> None:
    [entry] = read("Id,Who,Type,Time,Done\nw1,ada,Bug,90,2024-02-29T10:00:00Z\n", WORKFLOW)

    workflow = workflow_of(entry)
    assert (workflow.ticket_key, workflow.template, workflow.timezone) == ("w1", "Bug", None)
    assert workflow.started_at == utc(2024, 2, 29, 9, 58, 30)
    assert (workflow.steps[0].index, workflow.steps[0].name) == (0, "Work")
    assert workflow.estimated_seconds is None
    assert entry.notes == ()


def test_a_start_that_is_mapped_but_empty_is_worked_out_and_noted() -> None:
    [entry] = read(
        "Id,Who,Type,Time,Done,From\nw1,ada,Bug,90,2024-02-29T10:00:00Z,NA\n", [*WORKFLOW, "started_at=From"]
    )

    assert workflow_of(entry).started_at == utc(2024, 2, 29, 9, 58, 30)
    assert entry.notes == ("started_at: no value, taken as completed_at minus the active seconds",)


def test_a_start_before_the_calendar_is_refused() -> None:
    assert "want a later time" in refusal_of(one("Done", "0001-01-01T00:00:01Z", "completed_at"))


def test_equal_neighbours_stay_two_workflows() -> None:
    entries = read("Id,Who,Type,Time,Done\n" + "w1,ada,Bug,90,2024-02-29\n" * 2, WORKFLOW)

    assert [workflow_of(entry).active_seconds for entry in entries] == [90, 90]
    assert [entry.line for entry in entries] == [2, 3]


def test_cells_are_trimmed_and_null_tokens_are_no_value() -> None:
    header = "Id,Who,Type,Time,Done,Plan,Key\n"
    rows = [f"w{number}, ada ,Bug,1,2024-02-29,{token},{token}\n" for number, token in enumerate(
        ["", " ", "NA", "N/A", "NULL", " null "])]  # fmt: skip

    entries = read(header + "".join(rows), [*WORKFLOW, "estimated_seconds=Plan", "ticket_key=Key"])

    assert {workflow_of(entry).user_id for entry in entries} == {"ada"}
    assert {workflow_of(entry).estimated_seconds for entry in entries} == {None}
    assert [workflow_of(entry).ticket_key for entry in entries] == [f"w{number}" for number in range(6)]


def test_own_null_tokens_replace_the_usual_ones_but_for_the_empty_cell() -> None:
    text = "Id,Who,Type,Time,Done,Key\nw1,NA,Bug,1,2024-02-29,-\nw2,NA,Bug,1,2024-02-29,\n"

    entries = read(text, [*WORKFLOW, "ticket_key=Key"], null_tokens=("-",))

    assert [(workflow_of(entry).user_id, workflow_of(entry).ticket_key) for entry in entries] == [
        ("NA", "w1"), ("NA", "w2")]  # fmt: skip


@pytest.mark.parametrize(
    ("target", "cell", "seconds"),
    [
        ("active_seconds", "90", 90),
        ("active_seconds", "0", 0),
        ("active_seconds", "0.5", 1),
        ("active_seconds", "1.4999999999999999999999999999999", 1),
        ("active_seconds", "+5", None),
        ("active_minutes", "1.5", 90),
        ("active_minutes", ".5", 30),
        ("active_hours", "1.", 3600),
        ("active_hours", "0.7", 2520),
        ("active_hours", "0.00013888888888888888888888888888888888889", 1),
        ("active_hours", "0.00013888888888888888888888888888888888888", 0),
        ("active_clock", "1:30", 5400),
        ("active_clock", "01:30:07", 5407),
        ("active_clock", "100:00", 360_000),
        ("active_clock", "0:60", None),
        ("active_clock", "1:5", None),
        ("active_clock", "90", None),
        ("active_hours", "1,5", None),
        ("active_hours", "1e3", None),
        ("active_hours", "NaN", None),
        ("active_hours", "Infinity", None),
        ("active_hours", "1_0", None),
        ("active_hours", "1 000", None),
        ("active_hours", "٣", None),
        ("active_hours", ".", None),
        ("active_hours", "-1", None),
        ("active_hours", "2777.78", None),
        ("active_seconds", "10000000", 10_000_000),
        ("active_seconds", "10000001", None),
        ("active_seconds", "9" * 5000, None),
    ],
)
def test_durations_are_exact_in_every_unit(target: str, cell: str, seconds: int | None) -> None:
    entry = one("Time", cell, target)

    if seconds is None:
        assert refusal_of(entry).startswith("line 2, column Time: found '")
    else:
        assert workflow_of(entry).active_seconds == seconds


@given(st.decimals(0, 2777, places=7) | st.decimals(0, 10, places=12))
def test_hours_are_rounded_once_half_up(hours: Decimal) -> None:
    entry = one("Time", f"{hours:f}", "active_hours")

    assert workflow_of(entry).active_seconds == int(Fraction(hours) * 3600 + Fraction(1, 2))


@pytest.mark.parametrize(("cell", "seconds"), [("1,5", 5400), ("0,05", 180), (",5", 1800), ("2", 7200), ("1.5", None)])
def test_a_decimal_comma_is_read_when_asked_for(cell: str, seconds: int | None) -> None:
    entry = one("Time", cell, "active_hours", decimal_comma=True)

    if seconds is None:
        assert refusal_of(entry) == "line 2, column Time: found '1.5', want hours with a decimal comma such as 1,5"
    else:
        assert workflow_of(entry).active_seconds == seconds


def test_estimates_may_be_larger_than_times_and_zero_is_none() -> None:
    assert workflow_of(one("Plan", "10000001", "estimated_seconds")).estimated_seconds == 10_000_001
    assert workflow_of(one("Plan", "0", "estimated_minutes")).estimated_seconds is None
    assert workflow_of(one("Plan", "2:00", "step_estimated_clock")).steps[0].estimated_seconds == 7200
    assert "column Plan: found '-1', want minutes that make" in refusal_of(one("Plan", "-1", "estimated_minutes"))


@pytest.mark.parametrize(
    ("target", "cell", "options", "instant"),
    [
        ("completed_at", "2024-02-29T10:00Z", {}, utc(2024, 2, 29, 10)),
        ("completed_at", "2024-02-29 10:00:00.5", {}, utc(2024, 2, 29, 10, 0, 0, 500_000)),
        ("completed_at", "2024-02-29", {}, utc(2024, 2, 29, 23, 59, 59)),
        ("started_at", "2024-02-28", {}, utc(2024, 2, 28)),
        ("completed_at", "2024-02-29", {"timezone": "America/New_York"}, utc(2024, 3, 1, 4, 59, 59)),
        ("started_at", "2024-02-28", {"timezone": "Asia/Tokyo"}, utc(2024, 2, 27, 15)),
        ("completed_at", "2024-02-29T10:00+02:00", {"timezone": "Asia/Tokyo"}, utc(2024, 2, 29, 8)),
        ("completed_at", "29.02.2024 09:30", {"date_format": "%d.%m.%Y %H:%M"}, utc(2024, 2, 29, 9, 30)),
        ("completed_at", "02/29/2024 12:00:00 AM", {"date_format": "%m/%d/%Y %I:%M:%S %p"}, utc(2024, 2, 29)),
        ("completed_at", "29-Feb-24", {"date_format": "%d-%b-%y"}, utc(2024, 2, 29, 23, 59, 59)),
        ("completed_at", "100%H 2024-02-29", {"date_format": "100%%H %Y-%m-%d"}, utc(2024, 2, 29, 23, 59, 59)),
        ("completed_at", "2024-02-29 10:00 +0100", {"date_format": "%Y-%m-%d %H:%M %z"}, utc(2024, 2, 29, 9)),
    ],
)  # fmt: skip
def test_times_are_read_by_their_format_and_zone(
    target: str, cell: str, options: dict[str, Any], instant: datetime
) -> None:
    workflow = workflow_of(one("When", cell, target, **options))

    assert getattr(workflow, target) == instant


@pytest.mark.parametrize("options", [{}, {"date_format": "%Y-%m-%d"}])
def test_dates_alone_are_whole_days(options: dict[str, Any]) -> None:
    text = "Id,Who,Type,Time,From,Done\nw1,ada,Bug,1,2024-02-28,2024-02-29\n"

    [entry] = read(text, [*WORKFLOW, "started_at=From"], **options)

    assert workflow_of(entry).started_at == utc(2024, 2, 28)
    assert workflow_of(entry).completed_at == utc(2024, 2, 29, 23, 59, 59)


@pytest.mark.parametrize("year", [("31-Dec-68", 2068), ("01-Jan-69", 1969)])
def test_two_digit_years_turn_at_69(year: tuple[str, int]) -> None:
    workflow = workflow_of(one("Done", year[0], "completed_at", date_format="%d-%b-%y"))

    assert workflow.completed_at.year == year[1]


@pytest.mark.parametrize(
    ("cell", "options", "wanted"),
    [
        ("29.02.2024", {}, "a date or time in ISO 8601"),
        ("2024-2-29", {}, "a date or time in ISO 8601"),
        ("2023-02-29", {}, "a date or time in ISO 8601"),
        ("2024-W09-4", {}, "a date or time in ISO 8601"),
        ("2024-02-29", {"date_format": "%d.%m.%Y"}, "a time in the date format %d.%m.%Y"),
        ("0001-01-01T00:00", {"timezone": "Asia/Tokyo"}, "an instant between the years 1 and 9999"),
    ],
)
def test_other_times_are_refused(cell: str, options: dict[str, Any], wanted: str) -> None:
    refusal = refusal_of(one("Done on", cell, "completed_at", **options))

    assert refusal.startswith("line 2, column Done on: found '")
    assert f"want {wanted}" in refusal


def test_a_zone_of_the_row_is_kept_and_reads_its_times() -> None:
    text = (
        "Id,Who,Type,Time,Done,Zone\n"
        "a,ada,Bug,1,2024-02-29T10:00,Asia/Tokyo\n"
        "b,ada,Bug,1,2024-02-29T10:00,\n"
        "c,ada,Bug,1,2024-02-29T10:00,Mars\n"
    )

    tokyo, default, wrong = read(text, [*WORKFLOW, "timezone=Zone"], timezone="Europe/Berlin")

    assert workflow_of(tokyo).completed_at == utc(2024, 2, 29, 1)
    assert (workflow_of(tokyo).timezone, workflow_of(default).timezone) == ("Asia/Tokyo", None)
    assert workflow_of(default).completed_at == utc(2024, 2, 29, 9)
    assert refusal_of(wrong).startswith("line 4, column Zone: found 'Mars', want an IANA time zone")


def test_templates_put_columns_together() -> None:
    [entry] = read(
        "First,Last,Day,At,N\nAda,Örn,2024-02-29,09:30,7\n",
        ["user_id={First} {Last}", "completed_at={Day} {At}", "workflow_id=a-{ N }-b-{N}"],
        ("ticket_type=Bug", "active_minutes=5"),
    )

    workflow = workflow_of(entry)
    assert (workflow.user_id, workflow.workflow_id) == ("Ada Örn", "a-7-b-7")
    assert workflow.completed_at == utc(2024, 2, 29, 9, 30)


def test_a_template_has_no_value_when_one_of_its_columns_has_none() -> None:
    [entry] = read(
        "First,Last,Id\nAda,NA,1\n", ["user_id={First} {Last}", "workflow_id=Id"],
        ("ticket_type=Bug", "active_seconds=5", "completed_at=2024-02-29"),
    )  # fmt: skip

    assert refusal_of(entry) == (
        "line 2, column {First} {Last}: found 'Ada NA', which is no value, want text of 1 to 255 characters"
    )


def test_a_column_whose_name_has_braces_is_no_template() -> None:
    assert workflow_of(one("{Hours}", "1", "active_hours")).active_seconds == 3600


@pytest.mark.parametrize(
    ("target", "cell", "refusal"),
    [
        ("user_id", "", "column C: found '', which is no value, want text of 1 to 255 characters"),
        ("workflow_id", " ", "column C: found ' ', which is no value, want text of 1 to 255 characters"),
        ("ticket_type", "NA", "column C: no value, want text of 1 to 255 characters"),
        ("ticket_type", "x" * 256, "column C: found 'xxx"),
        ("completed_at", "", "column C: no value, want when the workflow was completed"),
        ("active_hours", "NULL", "column C: found 'NULL', which is no value, want the time that was worked"),
        ("step_index", "x", "column C: found 'x', want a whole number from 0 to 32767"),
        ("step_index", "²", "column C: found '²', want a whole number from 0 to 32767"),
        ("step_index", "9" * 5000, "column C: found '999"),
        ("step_index", "32768", "column C: found 32768, want a whole number from 0 to 32767"),
        ("step_index", "-1", "column C: found '-1', want a whole number from 0 to 32767"),
        ("step_name", "x" * 256, "column C: found 'xxx"),
        ("started_at", "2024-02-29T11:00Z", "column completed_at: found '2024-02-29T10:00:00+00:00', want an in"),
    ],
)  # fmt: skip
def test_a_refusal_names_line_column_found_and_wanted(target: str, cell: str, refusal: str) -> None:
    assert refusal_of(one("C", cell, target)).startswith(f"line 2, {refusal}")


# Rows of steps and sessions


def test_rows_of_steps_become_one_workflow() -> None:
    [first, second] = read(
        "Id,Who,Type,Step,Time,Done,From,Plan,StepPlan\n"
        "w1,ada,Bug,Analyse,60,2024-02-29T10:00Z,2024-02-29T09:30Z,90,50\n"
        "w1,ada,Bug,Test,30,2024-02-29T11:00Z,2024-02-29T09:00Z,90,\n"
        "w1,bob,Bug,Test,5,2024-02-29T12:00Z,,,\n",
        [*STEP, "started_at=From", "estimated_seconds=Plan", "step_estimated_seconds=StepPlan"],
        row="step",
    )

    workflow = workflow_of(first)
    assert [(step.index, step.name, step.active_seconds, step.estimated_seconds) for step in workflow.steps] == [
        (0, "Analyse", 60, 50),
        (1, "Test", 30, None),
    ]
    assert (workflow.estimated_seconds, first.line, second.line) == (90, 2, 4)
    assert workflow.started_at == utc(2024, 2, 29, 9)
    assert workflow.completed_at == utc(2024, 2, 29, 11)
    assert (workflow_of(second).user_id, workflow_of(second).active_seconds) == ("bob", 5)


def test_a_step_that_comes_again_is_summed() -> None:
    text = "Id,Who,Type,Step,Time,Done\n" + "".join(
        f"w1,ada,Bug,{name},{seconds},2024-02-29\n" for name, seconds in [("Fix", 60), ("Test", 5), ("Fix", 30)]
    )

    [entry] = read(text, STEP, row="step")

    assert [(step.index, step.name, step.active_seconds) for step in workflow_of(entry).steps] == [
        (0, "Fix", 90), (1, "Test", 5)]  # fmt: skip


def test_steps_with_an_index_are_told_apart_by_it() -> None:
    text = "Id,Who,Type,Step,Time,Done,No\n" + "".join(
        f"w1,ada,Bug,Fix,{seconds},2024-02-29,{index}\n" for index, seconds in [(7, 60), (2, 5), (7, 30)]
    )

    [entry] = read(text, [*STEP, "step_index=No"], row="step")

    assert [(step.index, step.active_seconds) for step in workflow_of(entry).steps] == [(2, 5), (7, 90)]


def test_rows_of_sessions_become_the_sessions_of_their_steps() -> None:
    [entry] = read(
        "Id,Who,Type,Step,From,To,Pause,Note\n"
        "w1,ada,Bug,Fix,2024-02-29T09:00Z,2024-02-29T10:00Z,10,a\n"
        "w1,ada,Bug,Test,2024-02-29T10:00Z,2024-02-29T10:30Z,,b\n"
        "w1,ada,Bug,Fix,2024-02-29T08:00Z,2024-02-29T08:01Z,0,a\n",
        [*SESSION, "pause_minutes=Pause", "attribute.note=Note"],
        row="session",
    )

    workflow = workflow_of(entry)
    fix, test = workflow.steps
    assert [(session.active_seconds, session.pause_seconds) for session in fix.sessions] == [(3000, 600), (60, 0)]
    assert (fix.name, fix.active_seconds, test.active_seconds) == ("Fix", 3060, 1800)
    assert workflow.started_at == utc(2024, 2, 29, 8)
    assert workflow.completed_at == utc(2024, 2, 29, 10, 30)
    assert workflow.attributes == {"note": "a"}
    assert entry.notes == ("attribute note: 2 values, the first is kept",)


def test_a_session_without_end_lasts_its_active_time_and_its_pause() -> None:
    text = "Id,Who,Type,Step,From,Hours,Pause\nw1,ada,Bug,Fix,2024-02-29,1.5,15\n"

    [entry] = read(
        text, [*SESSION[:-1], "active_hours=Hours", "pause_minutes=Pause"], row="session", timezone="Asia/Tokyo"
    )

    [session] = workflow_of(entry).steps[0].sessions
    assert session.started_at == utc(2024, 2, 28, 15)
    assert session.ended_at == utc(2024, 2, 28, 16, 45)
    assert (session.active_seconds, session.pause_seconds) == (5400, 900)


def test_a_session_from_date_to_date_ends_with_its_last_day() -> None:
    text = "Id,Who,Type,Step,From,To,Hours\nw1,ada,Bug,Fix,2024-02-28,2024-02-29,1\n"

    [entry] = read(text, [*SESSION, "active_hours=Hours"], row="session")

    [session] = workflow_of(entry).steps[0].sessions
    assert (session.started_at, session.ended_at) == (utc(2024, 2, 28), utc(2024, 2, 29, 23, 59, 59))
    assert (session.active_seconds, session.pause_seconds) == (3600, 2 * 86_400 - 3601)


def test_a_session_with_end_and_active_time_paused_the_rest() -> None:
    text = "Id,Who,Type,Step,From,To,Time\nw1,ada,Bug,Fix,2024-02-29T09:00Z,2024-02-29T10:00Z,0:45\n"

    [entry] = read(text, [*SESSION, "active_clock=Time"], row="session")

    [session] = workflow_of(entry).steps[0].sessions
    assert (session.active_seconds, session.pause_seconds) == (2700, 900)


def test_the_completion_of_sessions_can_be_a_column_of_its_own() -> None:
    text = (
        "Id,Who,Type,Step,From,To,Done\n"
        "w1,ada,Bug,Fix,2024-02-29T09:00Z,2024-02-29T10:00Z,\n"
        "w1,ada,Bug,Fix,2024-02-29T10:00Z,2024-02-29T11:00Z,2024-03-01T10:00Z\n"
    )

    [entry] = read(text, [*SESSION, "completed_at=Done"], row="session")

    assert workflow_of(entry).completed_at == utc(2024, 3, 1, 10)


@pytest.mark.parametrize(
    ("cells", "refusal"),
    [
        (",2024-02-29T10:00Z,60", "column From: found '', which is no value, want the start of the session"),
        ("2024-02-29T09:00Z,,", "column To: found '', which is no value, want the end of the session, or its active"),
        ("2024-02-29T09:00Z,2024-02-29T08:00Z,", "column To: found '2024-02-29T08:00:00+00:00', want an instant not"),
        ("2024-02-29T09:00Z,2024-02-29T10:00Z,61", "column Time: found 3660, want active_seconds + pause_seconds"),
        ("9999-12-31T23:59Z,,60", "column From: found '9999-12-31T23:59Z', want a time before the year 9999"),
    ],
)
def test_a_session_that_cannot_be_is_refused(cells: str, refusal: str) -> None:
    text = f"Id,Who,Type,Step,From,To,Time\nw1,ada,Bug,Fix,{cells}\n"

    [entry] = read(text, [*SESSION, "active_minutes=Time"], row="session")

    assert refusal_of(entry).startswith(f"line 2, {refusal}")


@pytest.mark.parametrize(
    ("column", "second", "refusal"),
    [
        ("Type", "Feature", "line 3, column Type: found 'Feature', want 'Bug' as in line 2: it is the same workflow"),
        ("Plan", "61", "line 3, column Plan: found 61, want 60 as in line 2: it is the same workflow"),
        ("StepPlan", "6", "line 3, column StepPlan: found 6, want 5 as in line 2: it is the same workflow"),
        ("Step", "Test", "line 3, column Step: found 'Test', want 'Fix' as in line 2: it is the same workflow"),
        ("Key", "T-2", "line 3, column Key: found 'T-2', want 'T-1' as in line 2: it is the same workflow"),
        ("Time", "x", "line 3, column Time: found 'x', want seconds such as 1.5"),
    ],
)
def test_rows_that_disagree_refuse_their_workflow(column: str, second: str, refusal: str) -> None:
    row = {"Id": "w1", "Who": "ada", "Type": "Bug", "Step": "Fix", "Time": "60", "Done": "2024-02-29", "Plan": "60",
           "StepPlan": "5", "Key": "T-1", "No": "4"}  # fmt: skip
    rows = [row, row | {column: second}, row | {"Id": "w2"}]
    text = "\n".join([",".join(row), *(",".join(each.values()) for each in rows)])

    refused, kept = read(
        text,
        [*STEP, "estimated_seconds=Plan", "step_estimated_seconds=StepPlan", "ticket_key=Key", "step_index=No"],
        row="step",
    )

    assert refusal_of(refused).startswith(refusal)
    assert (refused.line, refused.text.splitlines()) == (2, text.splitlines()[1:3])
    assert workflow_of(kept).workflow_id == "w2"


def test_the_first_error_of_a_workflow_is_told() -> None:
    rows = ["a,ada,Bug,Fix,x,2024-02-29", "short", "a,ada,Bug,Fix,y,2024-02-29"]

    [entry] = read("Id,Who,Type,Step,Time,Done\n" + "\n".join(rows), STEP, row="step")

    assert refusal_of(entry).startswith("line 2, column Time: found 'x'")
    assert entry.text.splitlines() == rows


def test_rows_of_a_workflow_that_are_apart_make_two() -> None:
    text = "Id,Who,Type,Step,Time,Done\n" + "".join(f"{name},ada,Bug,Fix,60,2024-02-29\n" for name in ("a", "b", "a"))

    entries = read(text, STEP, row="step")

    assert [(entry.line, workflow_of(entry).workflow_id) for entry in entries] == [(2, "a"), (3, "b"), (4, "a")]


def test_a_row_that_cannot_be_read_refuses_the_workflow_it_stands_in() -> None:
    rows = [
        "a,ada,Bug,Fix,60,2024-02-29",
        "a,ada",
        "a,ada,Bug,Fix,60,2024-02-29",
        ",ada",
        "b,ada,Bug,Fix,60,2024-02-29",
    ]

    inside, between, after = read("Id,Who,Type,Step,Time,Done\n" + "\n".join(rows), STEP, row="step")

    assert (inside.line, refusal_of(inside)) == (2, "line 3: found 2 cells, want 6 as in the header")
    assert inside.text.splitlines() == rows[:3]
    assert (between.line, refusal_of(between)) == (5, "line 5: found 2 cells, want 6 as in the header")
    assert (after.line, workflow_of(after).workflow_id) == (6, "b")


def test_many_rows_that_cannot_be_read_are_not_held_back() -> None:
    rows = ["a,ada,Bug,Fix,60,2024-02-29", *["short"] * 250, "b,ada,Bug,Fix,60,2024-02-29"]

    entries = read("Id,Who,Type,Step,Time,Done\n" + "\n".join(rows), STEP, row="step")

    assert [entry.line for entry in entries] == list(range(2, 254))
    assert [entry.line for entry in entries if entry.workflow] == [2, 253]


# Mappings that cannot be used


@pytest.mark.parametrize(
    ("map_args", "set_args", "options", "message"),
    [
        (["user=Name"], [], {}, "target: found 'user', want for row=workflow one of workflow_id, user_id, ticket_key"),
        (["ended_at=End"], [], {}, "target: found 'ended_at', want for row=workflow one of"),
        (["pause_hours=P"], [], {"row": "step"}, "target: found 'pause_hours', want for row=step one of"),
        (["attribute.=A"], [], {}, "target: found 'attribute.', want"),
        (["user_id"], [], {}, "map: found 'user_id', want target=Column, such as user_id=Name"),
        (["=Name"], [], {}, "map: found '=Name', want target=Column"),
        (["user_id= "], [], {}, "map: found 'user_id= ', want target=Column"),
        (["user_id=A", "user_id=B"], [], {}, "map: found 'user_id=B', want user_id only once, it is 'A' already"),
        ([], ["user_id"], {}, "set: found 'user_id', want target=value, such as ticket_type=Bug"),
        (["user_id=A"], ["user_id=ada"], {}, "set: found 'user_id', want a target that is not mapped to a column too"),
        (["active_hours=A", "active_clock=B"], [], {}, "target: found 'active_hours and active_clock', want active"),
        (WORKFLOW[:2], [], {}, "want also ticket_type, completed_at, active_seconds|minutes|hours|clock: map a column"),
        (SESSION[1:4], [], {"row": "session"}, "want also workflow_id, started_at, ended_at or active_seconds|minutes"),
        (WORKFLOW, [], {"row": "line"}, "row: found 'line', want one of workflow, step, session"),
        (WORKFLOW, [], {"timezone": "Mars"}, "timezone: found 'Mars', want an IANA time zone"),
        (WORKFLOW, [], {"encoding": "klingon"}, "encoding: found 'klingon', want a text encoding"),
        (WORKFLOW, [], {"encoding": "hex"}, "encoding: found 'hex', want a text encoding"),
        (WORKFLOW, [], {"delimiter": ";;"}, "delimiter: found ';;', want one character"),
        (WORKFLOW, [], {"delimiter": '"'}, "delimiter: found '\"', want one character"),
        (WORKFLOW, [], {"date_format": "%H:%M"}, "date_format: found '%H:%M', want a strptime format with a year"),
        (WORKFLOW, [], {"date_format": "%Y-%Q"}, "date_format: found '%Y-%Q', want a strptime format"),
        (WORKFLOW, [], {"date_format": "%Y %"}, "date_format: found '%Y %', want a strptime format"),
    ],
)  # fmt: skip
def test_a_mapping_that_cannot_be_used_says_what_can(
    map_args: list[str], set_args: list[str], options: dict[str, Any], message: str
) -> None:
    with pytest.raises(InvalidRequest) as caught:
        ColumnMapping.parse(map_args, set_args, **options)

    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("row", "target"), [(row, target) for row in mapping.ROW_KINDS for target in valid_targets(row)]
)
def test_every_valid_target_can_be_mapped(row: mapping.RowKind, target: str) -> None:
    name, _, unit = target.rpartition("_")
    replaced = f"{name}_" if unit in mapping.UNITS else target
    needed = {arg.partition("=")[0]: arg for arg in (*WORKFLOW, *SESSION)}
    others = [arg for name, arg in needed.items() if name in valid_targets(row) and not name.startswith(replaced)]

    made = ColumnMapping.parse([*others, f"{target}=X"], row=row)

    assert made.fields[target] == "X"


def test_values_and_columns_may_hold_equals_signs() -> None:
    made = ColumnMapping.parse([*WORKFLOW[1:], "workflow_id=a=b"], ["template=x = y"])

    assert (made.fields["workflow_id"], made.constants["template"]) == ("a=b", "x = y")


def test_a_column_that_is_not_in_the_header_lists_the_headers() -> None:
    with pytest.raises(InvalidRequest) as caught:
        read_table(io.BytesIO(b"Id,Who,Type,Time\n"), ColumnMapping.parse(WORKFLOW))

    assert str(caught.value) == "column: found 'Done', want one of the columns 'Id', 'Who', 'Type', 'Time'"


def test_a_used_column_that_comes_twice_is_refused_an_unused_one_is_not() -> None:
    with pytest.raises(InvalidRequest, match="column: found 'Who', want a column whose name comes once; it comes 2"):
        read("Id,Who,Type,Time,Done,Who\n", WORKFLOW)
    assert read("Id,Who,Type,Time,Done,X,X\n", WORKFLOW) == []


# Files as they are


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_found_in_the_header(delimiter: str) -> None:
    text = 'Id,Who,Type,Time,Done,"a,b;c|d"\nw1,ada,Bug,1,2024-02-29,x\n'.replace(",", delimiter).replace(
        f"a{delimiter}b", "a,b"
    )

    [entry] = read(text, WORKFLOW)

    assert workflow_of(entry).user_id == "ada"


@pytest.mark.parametrize("name", ["tab", r"\t", "\t"])
def test_the_delimiter_can_be_named(name: str) -> None:
    text = "Id,a;b;c;d;e;f\tWho\tType\tTime\tDone\nw1\tada\tBug\t1\t2024-02-29\n"

    [entry] = read(text, [*WORKFLOW[1:], "workflow_id=Id,a;b;c;d;e;f"], delimiter=name)

    assert workflow_of(entry).workflow_id == "w1"


@pytest.mark.parametrize(
    ("encoding", "mark"),
    [("utf-8", b""), ("utf-8", codecs.BOM_UTF8), ("utf-8-sig", b""), ("windows-1252", b""), ("utf-16", b""),
     ("utf-16-le", codecs.BOM_UTF16_LE), ("cp437", b""), ("mac-roman", b"")],
)  # fmt: skip
def test_any_encoding_can_be_named(encoding: str, mark: bytes) -> None:
    text = "Größe,Id,Who,Type,Time,Done\nx,w1,Örn,Bug,1,2024-02-29\n"

    [entry] = read(mark + text.encode(encoding), [*WORKFLOW, "step_name=Größe"], encoding=encoding)

    assert workflow_of(entry).user_id == "Örn"


def test_utf_8_is_read_without_naming_it_with_or_without_mark() -> None:
    for mark in (b"", codecs.BOM_UTF8):
        [entry] = read(mark + "Id,Who,Type,Time,Done\nw1,Örn,Bug,1,2024-02-29\n".encode(), WORKFLOW)
        assert workflow_of(entry).user_id == "Örn"


def test_bytes_of_another_encoding_refuse_their_record_only() -> None:
    raw = "Id,Who,Type,Time,Done\na,Örn,Bug,1,2024-02-29\nb,ada,Bug,1,2024-02-29\n".encode("windows-1252")

    wrong, right = read(raw, WORKFLOW)

    assert refusal_of(wrong) == "line 2: byte 0xd6 is not utf-8-sig text: name the encoding of the file"
    assert wrong.text.encode("utf-8", "surrogateescape") == raw.splitlines()[1]
    assert workflow_of(right).workflow_id == "b"


def test_text_that_cannot_be_decoded_on_stops_the_reading() -> None:
    raw = "Id,Who,Type,Time,Done\na,ada,Bug,1,2024-02-29\n".encode("utf-16") + b"x"

    with pytest.raises(
        InvalidInput, match=r"line \d: this is not utf-16\S* text \(truncated data\): name the encoding"
    ):
        read(raw, WORKFLOW, encoding="utf-16")


def test_an_encoding_with_zero_bytes_is_recognised() -> None:
    raw = b"Id,Who,Type,Time,Done\na,a\0d\0a\0,Bug,1,2024-02-29\n"

    [entry] = read(raw, WORKFLOW)

    assert refusal_of(entry).startswith("line 2: found the character U+0000: is this UTF-16?")


@pytest.mark.parametrize("text", ["", "\n", "\ufeff", " \r\n\n"])
def test_a_file_without_header_is_refused(text: str) -> None:
    with pytest.raises(
        InvalidInput, match="line 1: the file is empty, want a first line with the names of the columns"
    ):
        read(text, WORKFLOW)


def test_a_header_that_cannot_be_read_is_refused() -> None:
    with pytest.raises(InvalidInput, match="line 1: not a whole record, look for quotes"):
        read('Id,"Who\nw1,ada\n', WORKFLOW)


def test_line_numbers_count_physical_lines_and_text_is_kept_raw() -> None:
    text = (
        '"Id",Who,Type,Time,"Done\non"\r\n"w\n1",ada,"Bu""g",1,2024-02-29\r\n\r\n,,,,\r\n \r\nw2,ada,Bug,x,2024-02-29'
    )

    first, second = read(text, [*WORKFLOW[:4], "completed_at=Done\non"])

    assert (first.line, first.text) == (3, '"w\n1",ada,"Bu""g",1,2024-02-29')
    assert (workflow_of(first).workflow_id, workflow_of(first).ticket_type) == ("w\n1", 'Bu"g')
    assert (second.line, second.text) == (8, "w2,ada,Bug,x,2024-02-29")
    assert refusal_of(second).startswith("line 8, column Time: found 'x'")


GOOD = "{},ada,Bug,1,2024-02-29\n"
HEADER = "Id,Who,Type,Time,Done\n"


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ("b,ada,Bug,1\n", "line 3: found 4 cells, want 5 as in the header"),
        ("b,ada,Bug,1,2024-02-29,\n", "line 3: found 6 cells, want 5 as in the header"),
        ('b,"ada"x,Bug,1,2024-02-29\n', "line 3: not a whole record, look for quotes that do not match"),
        ('b,"ada,Bug,1,2024-02-29\n', "line 3: not a whole record, look for quotes that do not match"),
        ("b,a\0da,Bug,1,2024-02-29\n", "line 3: found the character U+0000"),
        (f"b,{'x' * 140_000},Bug,1,2024-02-29\n", "line 3: not a whole record, look for quotes that do not match (fi"),
        (f"b{',' * MAX_LINE}\n", "line 3: not a whole record, look for quotes that do not match (longer than"),
    ],
    ids=["short", "long", "after a quote", "open quote", "zero", "large cell", "large line"],
)  # fmt: skip
def test_a_broken_record_is_refused_and_reading_goes_on(wrong: str, message: str) -> None:
    text = HEADER + GOOD.format("a") + wrong + GOOD.format("c") + GOOD.format('"d"') + GOOD.format("e")

    before, refused, *after = read(text, WORKFLOW)

    assert refusal_of(refused).startswith(message)
    assert refused.text == wrong.rstrip("\n")[: MAX_LINE + 1]
    assert workflow_of(before).workflow_id == "a"
    assert [(entry.line, workflow_of(entry).workflow_id) for entry in after] == [(4, "c"), (5, "d"), (6, "e")]


def test_a_broken_record_of_several_lines_is_named_by_its_first() -> None:
    short, right = read(HEADER + '"b\nb",ada\n' + GOOD.format("c"), WORKFLOW)

    assert refusal_of(short) == "line 2: found 2 cells, want 5 as in the header"
    assert (short.line, short.text, right.line) == (2, '"b\nb",ada', 4)


def test_blanks_around_column_names_are_no_part_of_them() -> None:
    [entry] = read("Id , Who,Type,Time,Done\n" + GOOD.format("a"), WORKFLOW)

    assert workflow_of(entry).user_id == "ada"


def test_a_quote_left_open_in_a_long_file_costs_one_record() -> None:
    rows = [GOOD.format(number) for number in range(8000)]
    rows[10] = 'x,"ada,Bug,1,2024-02-29\n'

    entries = read(HEADER + "".join(rows), WORKFLOW)

    assert [entry.line for entry in entries if entry.error] == [12]
    assert [entry.line for entry in entries] == list(range(2, 8002))


def test_a_file_in_which_every_line_opens_a_quote_is_not_read_over_and_over() -> None:
    lines = 10_000

    entries = read(HEADER + 'a",b,"\n' * lines, WORKFLOW)

    assert all(entry.error for entry in entries)
    assert sum(entry.text.count("\n") + 1 for entry in entries) == lines
    assert len(entries) < 100, "each entry but the last one stands for a reading of all lines after it"


@given(st.text(max_size=60), st.sampled_from(["\n", "\r\n"]))
def test_any_text_after_the_header_is_read_to_the_end(junk: str, end: str) -> None:
    raw = (HEADER + junk + end).encode("utf-8", "surrogatepass")

    entries = read(raw, WORKFLOW)

    assert all((entry.workflow is None) != (entry.error is None) for entry in entries)


CELL = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=12).filter(
    lambda text: text == text.strip() and text not in ("", *mapping.DEFAULT_NULL_TOKENS)
)


@given(st.lists(st.tuples(CELL, CELL, CELL), max_size=5), st.sampled_from(",;\t|"), st.booleans())
def test_what_a_csv_writer_wrote_is_read_back(rows: list[tuple[str, str, str]], delimiter: str, quoted: bool) -> None:
    text = io.StringIO()
    writer = csv.writer(text, delimiter=delimiter, quoting=csv.QUOTE_ALL if quoted else csv.QUOTE_MINIMAL)
    writer.writerows([("Id", "Who", "Type"), *rows])

    entries = read(text.getvalue(), WORKFLOW[:3], ("active_seconds=1", "completed_at=2024-02-29"))

    found = [workflow_of(entry) for entry in entries]
    assert [(one.workflow_id, one.user_id, one.ticket_type) for one in found] == rows


def test_the_header_and_the_texts_make_a_file_that_reads_the_same() -> None:
    text = HEADER.replace("Id", '"I\nd"') + GOOD.format("a") + GOOD.format('"b\nb"') + "c,ada,Bug,x,2024-02-29\n"
    made = ColumnMapping.parse(["workflow_id=I\nd", *WORKFLOW[1:]])
    first = read_table(io.BytesIO(text.encode()), made)
    entries = list(first)

    again = "\n".join([first.header, *(entry.text for entry in entries)])

    assert again == text.rstrip("\n")
    assert [entry.workflow for entry in read_table(io.BytesIO(again.encode()), made)] == [
        entry.workflow for entry in entries
    ]


@pytest.mark.parametrize("row", [GOOD, "short\n"])
def test_rows_are_read_as_they_are_asked_for(tmp_path: Path, row: str) -> None:
    file = tmp_path / "a.csv"
    file.write_text(HEADER + GOOD + row * 100_000)

    with open_input(file) as stream:
        entries = read_table(stream, ColumnMapping.parse(WORKFLOW))
        next(entries)
        assert stream.tell() < 100_000


def test_damaged_compressed_data_stops_the_reading_with_its_line(tmp_path: Path) -> None:
    rows = "".join(GOOD.format(number * 7919 % 10_007) for number in range(5000))
    (tmp_path / "a.csv").write_bytes(gzip.compress((HEADER + rows).encode())[:-50])
    before: list[Entry] = []

    with open_input(tmp_path / "a.csv") as stream, pytest.raises(InvalidInput, match="cut off or damaged") as caught:
        before.extend(read_table(stream, ColumnMapping.parse(WORKFLOW)))

    assert len(before) > 1000
    assert 0 < caught.value.line - len(before) <= 4


# Lookups


def joined(tmp_path: Path, dates: str, rows: str = "Id,Who\nw1,ada\nw2,bob\n") -> list[Entry]:
    (tmp_path / "dates.csv").write_text(dates)
    return read(
        rows,
        ["workflow_id=Id", "user_id=Who", "completed_at={Day} {At}"],
        ("ticket_type=Bug", "active_seconds=1"),
        lookups=(Lookup(tmp_path / "dates.csv", "Id"),),
    )


def test_a_lookup_adds_the_columns_of_the_row_with_the_same_key(tmp_path: Path) -> None:
    entries = joined(tmp_path, "At;Day;Id\n10:00;2024-02-29;w2\n09:00;2024-02-28;w1\n09:00;2024-02-28;w1\n")

    assert [workflow_of(entry).completed_at for entry in entries] == [
        utc(2024, 2, 28, 9),
        utc(2024, 2, 29, 10),
    ]


def test_a_key_without_row_in_the_lookup_has_no_values(tmp_path: Path) -> None:
    first, second = joined(tmp_path, "Id,Day,At\nw1,2024-02-29,10:00\n")

    assert workflow_of(first)
    assert refusal_of(second) == "line 3, column {Day} {At}: no value, want when the workflow was completed"


@pytest.mark.parametrize(
    ("dates", "error", "message"),
    [
        ("Id,Day,At\nw1,2024-02-29,10:00\nw1,2024-02-29,11:00\n", InvalidInput, "line 3, column Id: found 'w1' again"),
        ("Id,Day,At\nw1,2024-02-29\n", InvalidInput, "line 2: found 2 cells, want 3 as in the header (in "),
        ("Key,Day,At\n", InvalidRequest, "join: found 'Id', want one of the columns 'Key', 'Day', 'At'"),
        ("Id,Day\n", InvalidRequest, "column: found 'At', want one of the columns 'Id', 'Who', 'Day'"),
        ("Id,Day,At,Who\n", InvalidRequest, "column: found 'Who', want a column whose name comes once"),
        ("", InvalidInput, "line 1: the file is empty"),
    ],
)  # fmt: skip
def test_a_lookup_that_cannot_be_used_is_refused(
    tmp_path: Path, dates: str, error: type[Exception], message: str
) -> None:
    with pytest.raises(error) as caught:
        joined(tmp_path, dates)

    assert str(caught.value).startswith(message)


def test_a_lookup_that_is_not_there_is_refused(tmp_path: Path) -> None:
    made = ColumnMapping.parse(WORKFLOW, lookups=(Lookup(tmp_path / "none.csv", "Id"),))

    with pytest.raises(InvalidRequest, match=r"file: found '.*none.csv'.*, want a file that can be read"):
        read_table(io.BytesIO(HEADER.encode()), made)


# The exports of real tools

EXPORTS = {
    "generic_iso.csv": ColumnMapping.parse(
        ["workflow_id=tags", "user_id=user_name", "ticket_type=project", "step_name=task", "started_at=start",
         "ended_at=end", "attribute.client=client"],
        row="session",
    ),
    "toggl.csv": ColumnMapping.parse(
        ["workflow_id=Task", "user_id=User", "ticket_type=Project", "started_at={Start date} {Start time}",
         "ended_at={End date} {End time}", "active_clock=Duration"],
        row="session",
    ),
    "clockify_us_12h.csv": ColumnMapping.parse(
        ["workflow_id=Task", "user_id=User", "ticket_type=Project", "started_at={Start Date} {Start Time}",
         "ended_at={End Date} {End Time}", "active_hours=Duration (decimal)"],
        row="session",
        date_format="%m/%d/%Y %I:%M:%S %p",
    ),
    "clockify_eu_24h.csv": ColumnMapping.parse(
        ["workflow_id=Task", "user_id=User", "ticket_type=Project", "started_at={Start Date} {Start Time}",
         "ended_at={End Date} {End Time}"],
        row="session",
        date_format="%d/%m/%Y %H:%M:%S",
    ),
    "harvest_decimal_comma.csv": ColumnMapping.parse(
        ["workflow_id=Project Code", "user_id={First Name} {Last Name}", "ticket_type=Project", "step_name=Task",
         "started_at=Date", "active_hours=Hours"],
        row="session",
        decimal_comma=True,
    ),
    "kimai.csv": ColumnMapping.parse(
        ["workflow_id=Tags", "user_id=Name", "ticket_type=Project", "step_name=Activity",
         "started_at={Date} {From}", "active_clock=Duration"],
        row="session",
    ),
    "semicolon_cp1252_crlf.csv": ColumnMapping.parse(
        ["workflow_id=Vorgang", "user_id=Benutzer", "ticket_type=Typ", "step_name=Schritt", "started_at=Beginn",
         "ended_at=Ende", "active_hours=Stunden"],
        row="session",
        encoding="windows-1252",
        date_format="%d.%m.%Y %H:%M",
        decimal_comma=True,
    ),
    "watson_per_user_ada.csv": ColumnMapping.parse(
        ["workflow_id=tags", "ticket_type=project", "started_at=start", "ended_at=stop"],
        ["user_id=Ada Örn"],
        row="session",
    ),
}  # fmt: skip


@needs_data
@pytest.mark.parametrize("name", EXPORTS)
def test_every_export_gives_the_same_totals(name: str) -> None:
    expected = json.loads((FIXTURES / "expected.json").read_text())["all_rows"]["by_user|start_date_utc|type"]
    if name == "watson_per_user_ada.csv":
        expected = {key: seconds for key, seconds in expected.items() if key.startswith("Ada")}

    with open_input(FIXTURES / name) as stream:
        entries = list(read_table(stream, EXPORTS[name]))

    totals: Counter[str] = Counter()
    for workflow in map(workflow_of, entries):
        for step in workflow.steps:
            for session in step.sessions:
                key = f"{workflow.user_id}|{session.started_at:%Y-%m-%d}|{workflow.ticket_type}"
                totals[key] += session.active_seconds
    assert totals == expected


SIP = ColumnMapping.parse(
    ["workflow_id=sip-{TaskNumber}-{DeveloperID}", "user_id=dev-{DeveloperID}", "ticket_key=SIP-{TaskNumber}",
     "ticket_type=SubCategory", "template=Category", "active_hours=DeveloperHoursActual",
     "estimated_hours=HoursEstimate", "started_at=StartedOn", "completed_at=CompletedOn"],
    encoding="windows-1252",
    date_format="%d-%b-%y",
    lookups=(Lookup(DATA / "est-act-dates.csv.gz", "TaskNumber"),),
)  # fmt: skip


@pytest.fixture(scope="module")
def originals() -> list[Entry]:
    with open_input(DATA / "Sip-task-info.csv.gz") as stream:
        return list(read_table(stream, SIP))


@pytest.fixture(scope="module")
def cleaned() -> dict[str, CompletedWorkflow]:
    with open_input(DATA / "sip.jsonl.gz") as stream:
        return {workflow_of(entry).workflow_id: workflow_of(entry) for entry in read_jsonl(stream)}


def by_user_day_type(workflows: list[CompletedWorkflow]) -> Counter[tuple[str, str, str]]:
    totals: Counter[tuple[str, str, str]] = Counter()
    for workflow in workflows:
        key = workflow.user_id, f"{workflow.completed_at:%Y-%m-%d}", workflow.ticket_type
        totals[key] += workflow.active_seconds
    return totals


@needs_data
def test_the_sip_originals_give_the_totals_of_the_cleaned_set(
    originals: list[Entry], cleaned: dict[str, CompletedWorkflow]
) -> None:
    found = {entry.workflow.workflow_id: entry.workflow for entry in originals if entry.workflow}

    in_both = [found[workflow_id] for workflow_id in cleaned]

    assert by_user_day_type(in_both) == by_user_day_type(list(cleaned.values()))
    for workflow_id, workflow in cleaned.items():
        same = found[workflow_id]
        assert (same.ticket_key, same.template) == (workflow.ticket_key, workflow.template)
        assert (same.started_at, same.completed_at) == (workflow.started_at, workflow.completed_at)
        if workflow.estimated_seconds is not None:  # the cleaned set has none where several people shared a task
            assert same.estimated_seconds == workflow.estimated_seconds


@needs_data
def test_the_sip_originals_differ_from_the_cleaned_set_by_counted_rows(
    originals: list[Entry], cleaned: dict[str, CompletedWorkflow]
) -> None:
    refused = Counter(refusal_of(entry).partition(": ")[2][:20] for entry in originals if entry.error)
    more = [entry for entry in originals if entry.workflow and entry.workflow.workflow_id not in cleaned]

    assert len(originals) == 12_299
    assert sum(refused.values()) == 2588
    assert refused["no value, want when "] == 2586, "the rest was completed before it started"
    assert Counter(bool(entry.notes) for entry in more) == {True: 143, False: 20}, "no start; cancelled tasks"


# The documentation

IMPORT_PAGE = Path(__file__).parents[1] / "docs" / "import.md"
FLAGS = {"--row": "row", "--timezone": "timezone", "--date-format": "date_format", "--encoding": "encoding"}


def documented_commands() -> dict[str, list[str]]:
    """Return the arguments of each `timestrata import` in the documentation, by the file it imports."""
    commands = re.findall(r"^ {4}timestrata import ((?:.*\\\n)*.*)", IMPORT_PAGE.read_text("utf-8"), re.MULTILINE)
    arguments = [shlex.split(command.replace("\\\n", " ")) for command in commands]
    return {file: rest for file, *rest in arguments}


def mapping_of(arguments: list[str]) -> ColumnMapping:
    """Return the mapping that command line arguments describe, without their join."""
    options: dict[str, Any] = {"decimal_comma": "--decimal-comma" in arguments}
    pairs = [argument for argument in arguments if argument != "--decimal-comma"]
    map_args: list[str] = []
    set_args: list[str] = []
    for flag, value in zip(pairs[::2], pairs[1::2], strict=True):
        if flag in ("--map", "--set"):
            (map_args if flag == "--map" else set_args).append(value)
        elif flag not in ("--join", "--on"):
            options[FLAGS[flag]] = value
    return ColumnMapping.parse(map_args, set_args, **options)


@pytest.mark.parametrize("file", documented_commands())
def test_the_documented_commands_are_valid_mappings(file: str) -> None:
    assert mapping_of(documented_commands()[file])


@needs_data
@pytest.mark.parametrize(
    ("file", "fixture"),
    [("toggl.csv", "toggl.csv"), ("clockify.csv", "clockify_us_12h.csv"), ("harvest.csv", "harvest_decimal_comma.csv"),
     ("kimai.csv", "kimai.csv"), ("ada.csv", "watson_per_user_ada.csv")],
)  # fmt: skip
def test_the_documented_commands_read_the_exports(file: str, fixture: str) -> None:
    with open_input(FIXTURES / fixture) as stream:
        entries = list(read_table(stream, mapping_of(documented_commands()[file])))

    assert sum(workflow_of(entry).active_seconds for entry in entries) in (31_680, 22_500)


def test_every_target_is_documented() -> None:
    page = IMPORT_PAGE.read_text("utf-8")

    for row in mapping.ROW_KINDS:
        for target in valid_targets(row):
            name, _, unit = target.rpartition("_")
            assert f"`{name}_*`" in page if unit in mapping.UNITS else f"`{target}`" in page


@pytest.mark.parametrize("module", [mapping, table])
def test_the_examples_run(module: Any) -> None:
    assert doctest.testmod(module).failed == 0
