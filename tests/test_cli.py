"""The command line: what it prints for people and machines, its exit codes, and what it does to a store."""

from __future__ import annotations

import csv
import gzip
import io
import json
import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from time import monotonic
from typing import Any

import pytest
import typer
from conftest import reopened
from facts_made import at, made, session
from sqlalchemy import create_engine, inspect, text
from typer.main import get_command
from typer.testing import CliRunner, Result

from timestrata import Averages, CompletedWorkflow, DateRange, History, Pause, StepTime, TimeSession, open_history
from timestrata.calendar import PRESETS
from timestrata.cli import app, wording
from timestrata.cli.failures import EXIT_CODES, reported
from timestrata.formats.jsonl import write_line
from timestrata.formats.result_json import document
from timestrata.formats.sheets import cell

TODAY = "2024-06-15"
JUNE = DateRange(date(2024, 5, 17), date(2024, 6, 15))
"""The last 30 days as of TODAY."""


@dataclass(frozen=True)
class CommandLine:
    """Runs commands in this process, on one database."""

    url: str | None = None

    def __call__(self, *args: str | Path, input: str | bytes | None = None, exit_code: int = 0) -> Result:
        database = [] if self.url is None else ["--database", self.url]
        result = CliRunner().invoke(app, [*map(str, args), *database], input=input)
        assert result.exit_code == exit_code, result.output
        assert "Traceback" not in result.output
        return result

    def json(self, *args: str) -> Any:
        return json.loads(self(*args, "--json").stdout)

    def csv(self, *args: str) -> list[dict[str, str]]:
        return list(csv.DictReader(io.StringIO(self(*args, "--csv").stdout)))


@pytest.fixture(autouse=True)
def _alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the default database and the environment of whoever runs the tests out of them."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.delenv("TIMESTRATA_DATABASE", raising=False)
    monkeypatch.delenv("COLUMNS", raising=False)


@pytest.fixture
def cli(store_url: str) -> CommandLine:
    """The command line on an empty store."""
    open_history(store_url).close()
    return CommandLine(store_url)


@pytest.fixture
def team(cli: CommandLine, store_url: str) -> CommandLine:
    """The command line on a store with three months of three people's work."""
    with reopened(store_url) as history:
        history.record(list(team_workflows()))
    return cli


def team_workflows() -> Iterator[CompletedWorkflow]:
    """Yield 90 workflows from 2024-03-18 to 2024-06-15, one a day: of three people, two types, with everything."""
    for number in range(90):
        start = datetime(2024, 3, 18, 9, tzinfo=UTC) + timedelta(days=number)
        work = 1800 + 37 * number
        sessions = (
            TimeSession(
                start,
                start + timedelta(seconds=work + 300),
                pauses=(Pause(start + timedelta(seconds=60), start + timedelta(seconds=360)),),
            ),
        )
        yield CompletedWorkflow(
            workflow_id=f"w{number:02}",
            user_id=("ada", "bob", "=cmd|'/c calc'!A1")[number % 3],
            ticket_key=f"-TK-{number}",
            ticket_type=("Bug", "@Story", "Bug")[number % 3],
            template=("QA", "+Release")[number % 2],
            started_at=start,
            completed_at=start + timedelta(hours=3),
            estimated_seconds=None if number % 10 == 0 else 3000,
            steps=(
                StepTime(0, "Analyse", 600 + number),
                StepTime(1, "[red]Test[/red]", estimated_seconds=2400, sessions=sessions),
            ),
        )


def started(*args: str, **options: Any) -> subprocess.Popen[str]:
    """Start the command line as a program with pipes, its standard output buffered as it is outside of a container."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    streams = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    options = streams | {"env": environment, "encoding": "utf-8"} | options
    return subprocess.Popen([sys.executable, "-m", "timestrata", *args], **options)


def finished(*args: str, **options: Any) -> tuple[int, str, str]:
    """Run the command line as a program; return its exit code, standard output and standard error."""
    process = started(*args, **options)
    shown, errors = process.communicate(timeout=120)
    return process.returncode, shown, errors


def lines(*workflows: CompletedWorkflow) -> str:
    return "".join(f"{write_line(workflow)}\n" for workflow in workflows)


def written(path: Path, *workflows: CompletedWorkflow) -> Path:
    path.write_text(lines(*workflows), encoding="utf-8")
    return path


def as_cell(value: object) -> str:
    """Return a JSON value as a CSV cell holds it."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str) and value[0] in "=+-@\t\r":
        return f"'{value}"
    return str(value)


def as_cells(values: dict[str, Any]) -> dict[str, str]:
    return {name: as_cell(value) for name, value in values.items()}


# -------------------------------------------------------------------------------------------------------- questions

ASKED: list[tuple[tuple[str, ...], Callable[[History], object]]] = [
    (("summary",), lambda h: h.summary(JUNE)),
    (("summary", "--user", "ada", "--type", "Bug"), lambda h: h.summary(JUNE, "ada", "Bug")),
    (("summary", "--range", "last_month"), lambda h: h.summary("last_month")),
    (("summary", "--from", "2024-04-01"), lambda h: h.summary(DateRange(date(2024, 4, 1), None))),
    (("summary", "--to", "2024-04-01"), lambda h: h.summary(DateRange(None, date(2024, 4, 1)))),
    (("trend",), lambda h: h.trend("last_90_days", "week")),
    (("trend", "--bucket", "day", "--measure", "completed"), lambda h: h.trend(JUNE, "day", measure="completed")),
    (("trend", "--bucket", "month", "--by", "template"), lambda h: h.trend("last_12_months", "month", by="template")),
    (
        ("trend", "--by", "ticket_type", "--user", "bob", "--range", "all_time"),
        lambda h: h.trend("all_time", user_id="bob", by="ticket_type"),
    ),
    (("daily",), lambda h: h.daily(JUNE)),
    (("daily", "--user", "bob", "--type", "@Story"), lambda h: h.daily(JUNE, "bob", "@Story")),
    (("steps",), lambda h: h.steps(JUNE)),
    (("steps", "--template", "QA", "--user", "ada"), lambda h: h.steps(JUNE, "QA", "ada")),
    (("averages", "ada"), lambda h: h.averages("ada", date(2024, 6, 15))),
    (("alerts",), lambda h: h.alerts()),
    (("alerts", "--kind", "step", "--limit", "3"), lambda h: h.alerts(kind="step", limit=3)),
    (("alerts", "--range", "last_7_days", "--all"), lambda h: h.alerts("last_7_days", dismissed=None)),
    (("alerts", "--dismissed", "--type", "Bug"), lambda h: h.alerts(dismissed=True, ticket_type="Bug")),
    (("workflows",), lambda h: h.workflows(JUNE)),
    (("workflows", "--limit", "5", "--user", "ada"), lambda h: h.workflows(JUNE, "ada", limit=5)),
]


def test_json_is_the_library_s_result(team: CommandLine, store_url: str) -> None:
    for args, ask in ASKED:
        found = team.json(*args, "--today", TODAY)

        with reopened(store_url) as history:
            assert found == document(ask(history)), args


def test_summary_csv_holds_the_figures_of_the_json(team: CommandLine) -> None:
    wanted = team.json("summary", "--today", TODAY)

    rows = team.csv("summary", "--today", TODAY)

    assert [row["row"] for row in rows] == ["ticket_type", "ticket_type", "total"]
    assert [row["ticket_type"] for row in rows] == ["'@Story", "Bug", ""]
    for row, figures in zip(rows, [*wanted["by_ticket_type"].values(), wanted], strict=True):
        assert as_cells({name: figures[name] for name in list(row)[2:]}) == dict(list(row.items())[2:])
    assert set(wanted["by_ticket_type"]["Bug"]) == set(rows[0]) - {"row", "ticket_type"}


def test_averages_csv_holds_the_figures_of_the_json(team: CommandLine) -> None:
    wanted = team.json("averages", "ada", "--as-of", TODAY)

    rows = team.csv("averages", "ada", "--as-of", TODAY)

    assert [(row["row"], row["ticket_type"], row["window"]) for row in rows] == [
        ("ticket_type", "Bug", "all_time"),
        ("ticket_type", "Bug", "rolling_30_days"),
        ("total", "", "all_time"),
        ("total", "", "rolling_30_days"),
    ]
    for row in rows:
        average = wanted["by_ticket_type"]["Bug"] if row["ticket_type"] else wanted["total"]
        assert as_cells(average[row["window"]]) == {name: row[name] for name in average[row["window"]]}


def test_trend_csv_holds_the_points_of_the_json(team: CommandLine) -> None:
    args = ("trend", "--by", "template", "--today", TODAY)
    wanted = team.json(*args)

    rows = team.csv(*args)

    points = [
        *({"row": "series", "series": name} | point for name in wanted["by"] for point in wanted["by"][name]["points"]),
        *({"row": "total", "series": None} | point for point in wanted["total"]["points"]),
    ]
    assert rows == [as_cells(point) for point in points]


def test_csv_rows_are_the_items_of_the_json(team: CommandLine) -> None:
    for command, items in {"daily": "rows", "steps": "steps", "workflows": "workflows", "alerts": None}.items():
        wanted = team.json(command, "--today", TODAY)

        rows = team.csv(command, "--today", TODAY)

        assert rows == [as_cells(item) for item in (wanted[items] if items else wanted)]
        assert len(rows) > 3


def test_formulas_are_escaped_in_text_cells_only(team: CommandLine) -> None:
    rows = team.csv("workflows", "--range", "all_time", "--limit", "100")

    assert {row["user_id"] for row in rows} == {"ada", "bob", "'=cmd|'/c calc'!A1"}
    assert {row["template"] for row in rows} == {"QA", "'+Release"}
    assert all(row["ticket_key"].startswith("'-TK-") for row in rows)


def test_numbers_are_never_escaped() -> None:
    assert [cell(value) for value in (-5, -0.5, "-5", "\tx", "\rx", "x=1", "", None, True)] == [
        -5, -0.5, "'-5", "'\tx", "'\rx", "x=1", "", None, "true",
    ]  # fmt: skip


def test_summary_for_people_has_the_same_figures(team: CommandLine, store_url: str) -> None:
    shown = team("summary", "--today", TODAY).stdout

    with reopened(store_url) as history:
        found = history.summary(JUNE)
    assert "Summary: all users, 2024-05-17 to 2024-06-15" in shown
    assert f"{found.completed} workflows by 3 people" in shown
    for label, figures in [*found.by_ticket_type.items(), ("Total", found)]:
        row = next(line for line in shown.splitlines() if line.startswith(label))
        assert row.removeprefix(label).split("  ")[-1].strip() == str(figures.gap_alerts)
        for seconds in (figures.active_seconds, figures.mean_seconds, figures.p50_seconds, figures.p90_seconds):
            assert wording.duration(seconds) in row
        assert wording.ratio(figures.estimate_ratio) in row


def test_every_table_names_its_items(team: CommandLine) -> None:
    for args, wanted in {
        ("daily", "--user", "ada"): ["ada", "2024-06-13", "Bug"],
        ("steps",): ["QA", "+Release", "Analyse", "[red]Test[/red]"],
        ("averages", "ada"): ["Averages: ada, as of 2024-06-15", "Bug", "Total"],
        ("alerts", "--user", "bob"): ["bob", "-TK-88", "QA: [red]Test[/red]", "2024-06-14"],
        ("workflows", "--user", "bob"): ["w88", "-TK-88", "@Story", "QA", "2024-06-14"],
        ("trend", "--by", "template"): ["2024-06-10*", "not a full week", "+Release", "rising"],
    }.items():
        shown = team(*args, "--today", TODAY).stdout

        assert [part for part in wanted if part not in shown] == []


def test_trend_says_its_verdict_in_words(cli: CommandLine, store_url: str) -> None:
    seconds = (600, 660, 610, 640, 600, 655, 630, 620, 660, 605, 640, 615, 650, 600, 640)
    weeks = [datetime(2024, 3, 6, 9, tzinfo=UTC) + timedelta(weeks=week) for week in range(15)]
    with reopened(store_url) as history:
        history.record([made(f"w{at}", some, completed_at=at) for at, some in zip(weeks, seconds, strict=True)])
        found = history.trend("last_90_days").trend

    by_week = cli("trend", "--today", TODAY).stdout
    by_month = cli("trend", "--bucket", "month", "--from", "2024-04-01", "--to", "2024-05-31").stdout

    assert found.verdict == "no evidence of change"
    assert found.p_value is not None
    slope = wording.change(found.theil_sen_slope, "mean_seconds")
    assert f"Mean time of a workflow: no evidence of change (p = {found.p_value:.2g}); {slope} per week" in by_week
    assert "Mean time of a workflow: too few for a verdict: 2 full months, 6 are needed" in by_month


def test_next_page_of_workflows_is_reached_with_its_token(team: CommandLine) -> None:
    first = team("workflows", "--limit", "20", "--range", "all_time", "--csv")
    token = first.stderr.rpartition(" ")[2].strip()

    second = team.json("workflows", "--limit", "100", "--range", "all_time", "--after", token)

    ids = {row["workflow_id"] for row in csv.DictReader(io.StringIO(first.stdout))}
    rest = {row["workflow_id"] for row in second["workflows"]}
    assert len(ids) == 20
    assert ids | rest == {f"w{number:02}" for number in range(90)}
    assert not ids & rest


def test_today_is_the_day_that_is_named_in_every_zone(cli: CommandLine, store_url: str) -> None:
    with reopened(store_url) as history:
        for user, zone in (("tui", "Pacific/Auckland"), ("kai", "Pacific/Honolulu")):
            history.record(made("w1", user_id=user, timezone=zone, completed_at=at("2024-06-15T10:30:00")))
            history.set_timezone(user, zone)

    for user in ("tui", "kai"):
        day = cli.json("workflows", "--user", user, "--range", "all_time")["workflows"][0]["day"]
        found = cli.json("summary", "--user", user, "--range", "today", "--today", day)
        assert (found["completed"], found["dates"]) == (1, {"from": day, "to": day})


# ------------------------------------------------------------------------------------------------- nothing to show


def test_an_empty_history_says_what_to_do(cli: CommandLine) -> None:
    for command in ("summary", "trend", "daily", "steps", "averages ada", "alerts", "workflows"):
        shown = cli(*command.split()).stdout

        assert shown.startswith("This history is empty: `timestrata import FILE`")


def test_an_empty_answer_says_why(team: CommandLine) -> None:
    for command, wanted in {
        "summary --user eve": "for the user eve; there are =cmd|'/c calc'!A1, ada, bob.",
        "daily --from 2020-01-01 --to 2020-01-31": "worked on, 2020-01-01 to 2020-01-31. Try another",
        "summary --type Nope --range all_time": "on ticket type Nope, all time.",
        "steps --template Nope": "with template Nope, 2024-05-17 to 2024-06-15. Try another range",
        "trend --type Nope": "on ticket type Nope",
        "alerts --dismissed": "No gap alert was dismissed, all time.",
        "alerts --type Nope": "No gap alert is open on ticket type Nope",
        "workflows --type Nope": "Nothing was completed on ticket type Nope",
    }.items():
        assert wanted in team(*command.split(), "--today", TODAY).stdout


def test_empty_answers_keep_their_shape_for_machines(cli: CommandLine) -> None:
    assert cli.json("summary")["completed"] == 0
    assert cli.json("alerts") == []
    assert cli.json("workflows")["workflows"] == []
    assert cli("daily", "--csv").stdout.startswith("user_id,day,ticket_type,completed,active_seconds,")
    assert cli("daily", "--csv").stdout.count("\n") == 1


# --------------------------------------------------------------------------------------------------- for people


@pytest.mark.parametrize(
    ("seconds", "wanted"),
    [
        (None, "-"),
        (0, "0 s"),
        (0.5, "1 s"),
        (59.4, "59 s"),
        (59.5, "1 min"),
        (125, "2 min 5 s"),
        (599.5, "10 min"),
        (3569, "59 min"),
        (3570, "1 h"),
        (6720, "1 h 52 min"),
        (359_969, "99 h 59 min"),
        (359_970, "100 h"),
        (4_000_000, "1,111 h"),
    ],
)
def test_durations_are_readable(seconds: float | None, wanted: str) -> None:
    assert wording.duration(seconds) == wanted


def test_names_cannot_steer_the_terminal(cli: CommandLine, store_url: str) -> None:
    with reopened(store_url) as history:
        history.record(made("\x1b[2Jw1", user_id="a\nda", ticket_key="\x9b31m", ticket_type="\u202eBug"))

    shown = cli("workflows", "--range", "all_time").stdout

    assert "\x1b" not in shown
    assert all(part in shown for part in (r"\x1b[2Jw1", r"a\nda", r"\x9b31m", r"\u202eBug"))


def test_tables_are_not_cut_when_nobody_looks(team: CommandLine, store_url: str) -> None:
    long = "w" * 255
    with reopened(store_url) as history:
        history.record(made(long, completed_at=at("2024-06-15T09:00")))

    shown = team("workflows", "--today", TODAY).stdout

    assert long in shown
    assert all(line == line.rstrip() for line in shown.splitlines())


def test_tables_fit_an_ordinary_terminal(cli: CommandLine, store_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    with reopened(store_url) as history:
        history.record(
            [made(f"w{number}", 6000 + number, completed_at=at("2024-06-14T09:00")) for number in range(999)]
        )

    for command in ("summary", "trend", "daily", "averages ada"):
        shown = cli(*command.split(), "--today", TODAY).stdout

        assert max(map(len, shown.splitlines())) <= 80
        assert "999" in shown


def test_a_narrow_terminal_breaks_no_number(team: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    wide = team("steps", "--today", TODAY).stdout
    monkeypatch.setenv("COLUMNS", "30")

    narrow = team("steps", "--today", TODAY).stdout

    assert {word for word in wide.split() if word[0].isdigit()} == {
        word for word in narrow.split() if word[0].isdigit()
    }


# ------------------------------------------------------------------------------------------------------ importing (in)


def test_import_records_and_replays(cli: CommandLine, tmp_path: Path) -> None:
    file = written(tmp_path / "in.jsonl", *team_workflows())

    first, second = cli.json("import", str(file)), cli.json("import", str(file), "--batch", "7")

    assert first == {
        "dry_run": False, "interrupted": False, "read": 90, "accepted": 90, "recorded": 90, "replayed": 0,
        "conflicts": 0, "rejected": 0, "noted": 0, "refusals": [], "notes": [],
    }  # fmt: skip
    assert (second["recorded"], second["replayed"]) == (0, 90)
    assert cli.json("summary", "--range", "all_time")["completed"] == 90


@pytest.mark.parametrize(("count", "seen"), [(999, False), (1000, True)])
def test_after_a_large_import_postgresql_has_seen_what_came(
    cli: CommandLine, store_url: str, tmp_path: Path, count: int, seen: bool
) -> None:
    file = tmp_path / "many.jsonl"
    file.write_text("".join(write_line(made(f"w{number}")) + "\n" for number in range(count)))

    cli("import", file)

    with open_history(store_url) as history, history.engine.connect() as connection:
        assert history.summary("all_time").completed == count
        if history.engine.dialect.name == "postgresql":
            known = text("SELECT reltuples FROM pg_class WHERE relname = 'ts_completion'")
            assert (connection.execute(known).scalar_one() == count) == seen


def test_import_reads_gzip_and_standard_input(cli: CommandLine, tmp_path: Path) -> None:
    one, two, three = (lines(made(name)) for name in ("w1", "w2", "w3"))
    packed = tmp_path / "in.jsonl.gz"
    packed.write_bytes(gzip.compress(one.encode()))

    cli("import", packed, "-", input=two)
    cli("import", "-", input=gzip.compress(three.encode()))

    assert cli.json("summary", "--range", "all_time")["completed"] == 3


def test_import_of_refusals_goes_on_and_names_them(cli: CommandLine, tmp_path: Path) -> None:
    file = tmp_path / "in.jsonl"
    file.write_text(lines(made("w1")) + "not json\n\n" + lines(made("w1", 601)) + "{}\n" + lines(made("w2")))

    result = cli("import", file, exit_code=1)

    assert "Read 5 entries" in result.stdout
    assert [line.split() for line in result.stdout.splitlines()[1:]] == [
        ["recorded", "2"],
        ["replayed", "0", "(recorded", "before)"],
        ["conflicts", "1", "(recorded", "before", "with", "other", "content)"],
        ["rejected", "2"],
    ]
    refused = result.stderr.splitlines()
    assert [line.startswith(f"refused: {file}, line {number}") for number, line in zip((2, 4, 5), refused, strict=True)]
    assert "line 2, column 1: not JSON" in refused[0]
    assert "line 4, workflow 'w1' of 'ada': recorded with other content, at revision 1" in refused[1]
    assert "line 5, workflow_id: missing" in refused[2]


def test_import_shows_the_first_refusals_and_counts_all(cli: CommandLine, tmp_path: Path) -> None:
    file = tmp_path / "in.jsonl"
    file.write_text("rubbish\n" * 30)

    result = cli("import", file, "--show", "2", exit_code=1)

    assert result.stderr.count("refused:") == 2
    assert "... and 28 more refusals (--show lists more, --errors keeps every line)" in result.stderr
    assert result.stdout.split()[-2:] == ["rejected", "30"]


def test_import_notes_what_is_odd(cli: CommandLine, tmp_path: Path) -> None:
    file = tmp_path / "in.jsonl"
    file.write_text(lines(made("w1", 7200)).replace("{", '{"sprint":1,', 1))

    result = cli("import", file)
    report = cli.json("import", str(file))

    assert f"note: {file}, line 1: active 7200 s in 3600 s of elapsed time" in result.stderr
    assert f"note: {file}, line 1: unknown fields ignored: 'sprint'" in result.stderr
    assert report["notes"] == [{"file": str(file), "line": 1, "text": "unknown fields ignored: 'sprint'"}]


def test_errors_file_is_mended_and_imported_again(cli: CommandLine, tmp_path: Path) -> None:
    good = lines(made("w1"), made("w2"))
    bad = [lines(made("w3")).replace('"index":0', '"index":-1'), lines(made("w1", 601))]
    file, errors = tmp_path / "in.jsonl", tmp_path / "errors.jsonl"
    file.write_bytes(b"\xef\xbb\xbf" + (good + "".join(bad)).encode() + b"caf\xe9\n")

    cli("import", file, "--errors", errors, exit_code=1)
    kept = errors.read_bytes()
    errors.write_bytes(kept.replace(b'"index":-1', b'"index":0').replace(b"caf\xe9\n", b"").replace(b"w1", b"w4"))
    cli("import", errors, "--errors", errors)

    assert kept == "".join(bad).encode() + b"caf\xe9\n"
    assert errors.read_bytes() == b""
    assert cli.json("summary", "--range", "all_time")["completed"] == 4
    assert sorted(path.name for path in tmp_path.iterdir() if path.suffix == ".jsonl") == ["errors.jsonl", "in.jsonl"]


CSV = """Who;Task;Kind;Hours;Done
Ada Ö;T-1;Bug;1,5;29.02.2024
Ada Ö;T-2;Bug;zwei;29.02.2024
Bob;T-3;;0,25;01.03.2024
"""
MAPPING = (
    "--map", "user_id=Who", "--map", "workflow_id=Task", "--map", "ticket_type=Kind", "--map", "active_hours=Hours",
    "--map", "completed_at=Done", "--date-format", "%d.%m.%Y", "--decimal-comma", "--encoding", "windows-1252",
)  # fmt: skip


def test_import_of_csv_by_a_mapping(cli: CommandLine, tmp_path: Path) -> None:
    file, errors = tmp_path / "in.csv", tmp_path / "errors.csv"
    file.write_bytes(CSV.replace("\n", "\r\n").encode("windows-1252"))

    result = cli("import", file, *MAPPING, "--errors", errors, exit_code=1)
    kept = errors.read_bytes().decode("windows-1252")
    errors.write_bytes(kept.replace("zwei", "2").replace(";;", ";Bug;").encode("windows-1252"))
    cli("import", errors, *MAPPING)

    assert "line 3, column Hours: found 'zwei', want hours with a decimal comma" in result.stderr
    assert kept == "".join(CSV.splitlines(keepends=True)[index] for index in (0, 2, 3))
    assert [(row["user_id"], row["active_seconds"]) for row in cli.json("daily", "--range", "all_time")["rows"]] == [
        ("Ada Ö", 5400 + 7200),
        ("Bob", 900),
    ]


def test_import_of_csv_takes_every_option(cli: CommandLine, tmp_path: Path) -> None:
    file, lookup = tmp_path / "in.txt", tmp_path / "who.csv"
    file.write_text(
        "task\tnr\tstep\tstart\tend\nT-1\t7\tTest\t2024-06-01T09:00\t2024-06-01T09:10\n"
        "T-1\t7\tTest\t2024-06-01T10:00\t2024-06-01T10:20\nT-2\t?\tTest\t2024-06-01T09:00\tNA\n"
    )
    lookup.write_text("nr,name\n7,ada\n")

    result = cli(
        "import", file, "--format", "csv", "--row", "session", "--delimiter", "tab", "--timezone", "Europe/Berlin",
        "--map", "workflow_id=task", "--map", "user_id=name", "--map", "step_name=step", "--map", "started_at=start",
        "--map", "ended_at=end", "--set", "ticket_type=Bug", "--null", "?", "--null", "-", "--join", lookup,
        "--on", "nr", exit_code=1,
    )  # fmt: skip

    found = cli.json("workflows", "--range", "all_time")["workflows"]
    assert [(row["user_id"], row["active_seconds"], row["completed_at"]) for row in found] == [
        ("ada", 1800, "2024-06-01T08:20:00Z")
    ]
    assert "column name" in result.stderr


def test_null_tokens_take_the_place_of_the_usual_ones(cli: CommandLine, tmp_path: Path) -> None:
    file = tmp_path / "in.csv"
    file.write_text("id,who,hours,estimate,done\n1,ada,1,?,2024-06-01\n2,NA,1,2,2024-06-01\n")
    maps = ("workflow_id=id", "user_id=who", "active_hours=hours", "estimated_hours=estimate", "completed_at=done")
    options = [part for each in maps for part in ("--map", each)]

    cli("import", file, *options, "--set", "ticket_type=Bug", "--null", "?")

    found = cli.json("workflows", "--range", "all_time")["workflows"]
    assert [(row["user_id"], row["estimated_seconds"]) for row in found] == [("NA", 7200), ("ada", None)]


def test_errors_of_csv_files_with_other_headers_are_not_mixed(cli: CommandLine, tmp_path: Path) -> None:
    one, other = tmp_path / "one.csv", tmp_path / "other.csv"
    one.write_bytes(CSV.encode("windows-1252"))
    other.write_bytes(CSV.replace("Who;Task", "Task;Who").encode("windows-1252"))

    result = cli("import", one, other, *MAPPING, "--errors", tmp_path / "errors.csv", exit_code=2)

    assert "--errors: found 'Task;Who;Kind;Hours;Done'" in result.stderr
    assert not (tmp_path / "errors.csv").exists()


def test_dry_run_checks_everything_and_writes_nothing(tmp_path: Path) -> None:
    file, errors = tmp_path / "in.jsonl", tmp_path / "errors.jsonl"
    file.write_text(lines(made("w1"), made("w2")) + "rubbish\n")
    place = tmp_path / "none.db"

    result = CommandLine(str(place))("import", file, "--dry-run", "--errors", errors, exit_code=1)

    assert "dry run, nothing was written" in result.stdout
    assert [line.split() for line in result.stdout.splitlines()[1:]] == [["accepted", "2"], ["rejected", "1"]]
    assert errors.read_text() == "rubbish\n"
    assert not place.exists()


def test_dry_run_opens_no_database(tmp_path: Path) -> None:
    file = written(tmp_path / "in.jsonl", made())

    CommandLine("postgresql://nobody@127.0.0.1:1/none")("import", file, "--dry-run")


def test_damaged_gzip_keeps_what_came_before_and_goes_on(cli: CommandLine, tmp_path: Path) -> None:
    packed, more = tmp_path / "in.jsonl.gz", written(tmp_path / "more.jsonl", made("more"))
    packed.write_bytes(gzip.compress(lines(*(made(os.urandom(40).hex()) for _ in range(300))).encode())[:-200])

    result = cli("import", packed, more, exit_code=1)

    assert "the compressed data is cut off or damaged" in result.stderr
    exported = [json.loads(line)["workflow_id"] for line in cli("export").stdout.splitlines()]
    assert 200 < len(exported) < 301
    assert "more" in exported


def test_interrupted_import_keeps_its_batches_and_counts_nothing_twice(
    cli: CommandLine, store_url: str, tmp_path: Path
) -> None:
    workflows = [made(f"w{number}") for number in range(25)]
    process = started("import", "-", "--batch", "11", "--errors", str(tmp_path / "errors"), "--database", store_url)
    assert process.stdin is not None
    process.stdin.write("rubbish\n" + lines(*workflows[:21]))
    process.stdin.flush()
    deadline = monotonic() + 120
    with reopened(store_url) as history:
        while history.summary("all_time").completed < 21:
            assert monotonic() < deadline
    process.send_signal(signal.SIGINT)
    shown, errors = process.communicate(timeout=120)

    again = cli.json("import", str(written(tmp_path / "all.jsonl", *workflows)))

    assert process.returncode == 130
    assert errors.startswith("refused: -, line 1, column 1: not JSON")
    assert "Read 22 entries" in shown
    assert "Broken off: what is recorded stays" in shown
    assert (tmp_path / "errors").read_text() == "rubbish\n"
    assert (again["recorded"], again["replayed"]) == (4, 21)
    assert cli.json("summary", "--range", "all_time")["active_seconds"] == 25 * 600


def test_a_failing_database_is_reported_with_what_was_done(cli: CommandLine, store_url: str, tmp_path: Path) -> None:
    _execute(store_url, "DROP TABLE ts_receipt")

    result = cli("import", "-", input="rubbish\n" + lines(made()), exit_code=3)

    assert "error: the database cannot be used:" in result.stderr
    assert "ts_receipt" in result.stderr
    assert result.stderr.count("\n") == 1


# ---------------------------------------------------------------------------------------------------------- exports


def test_export_is_imported_alike(
    team: CommandLine, make_store: Callable[[], str], store_url: str, tmp_path: Path
) -> None:
    other = make_store()
    packed = tmp_path / "out.jsonl.gz"

    shown = team("export").stdout_bytes
    assert "90 workflows exported to" in team("export", "-o", packed).stderr
    CommandLine(other)("import", packed)

    assert gzip.decompress(packed.read_bytes()) == shown
    assert CommandLine(other)("export").stdout_bytes == shown
    assert shown.count(b"\n") == 90


def test_what_is_archived_is_told_where_it_is_left_out(
    team: CommandLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TIMESTRATA_ARCHIVE", str(tmp_path / "archive"))
    team("retention", "run", "--now")

    exported = team("export", "--user", "ada")
    listed = team("workflows", "--range", "all_time", "--user", "ada")

    assert exported.stdout == ""
    assert "not exported: the archive has them, and `timestrata archive restore`" in " ".join(exported.stderr.split())
    assert "are in the archive: `timestrata archive restore` brings them back." in " ".join(listed.stdout.split())


def test_what_did_not_change_is_not_said_to_be_archived(team: CommandLine) -> None:
    told = team("workflows", "--user", "ada", "--modified-after", "999999").stdout

    assert "archive" not in told
    assert "Nothing was completed by ada" in " ".join(told.split())


def test_all_time_is_not_told_to_look_further(team: CommandLine) -> None:
    for command in (("workflows", "--type", "nope"), ("alerts", "--type", "nope")):
        told = team(*command, "--range", "all_time").stdout
        assert "all time." in told
        assert "Try another range" not in told


def test_export_chooses_user_and_range(team: CommandLine) -> None:
    shown = team("export", "--user", "ada", "--range", "last_7_days", "--today", TODAY).stdout

    assert [json.loads(line)["workflow_id"] for line in shown.splitlines()] == ["w84", "w87"]


def test_packed_export_is_the_same_every_time(team: CommandLine, tmp_path: Path) -> None:
    for name in ("one.gz", "two.gz"):
        team("export", "--output", tmp_path / name)

    assert (tmp_path / "one.gz").read_bytes() == (tmp_path / "two.gz").read_bytes()
    assert (tmp_path / "one.gz").read_bytes()[3:8] == bytes(5)  # neither a name nor a time


def test_failing_export_leaves_the_file_as_it_was(team: CommandLine, store_url: str, tmp_path: Path) -> None:
    kept = tmp_path / "kept.jsonl"
    kept.write_text("yesterday's")
    _execute(store_url, "DROP TABLE ts_pause")

    team("export", "-o", kept, exit_code=3)

    assert kept.read_text() == "yesterday's"
    assert list(tmp_path.glob(".*")) == []


def test_export_follows_links_and_writes_to_what_is_no_file(team: CommandLine, tmp_path: Path) -> None:
    real, link = tmp_path / "real.jsonl", tmp_path / "link.jsonl"
    real.write_text("old")
    link.symlink_to(real)

    team("export", "-o", link)
    team("export", "-o", "/dev/null")

    assert link.is_symlink()
    assert real.read_text().count("\n") == 90


# ---------------------------------------------------------------------------------------------------------- changes


def test_init_makes_a_store_with_settings_and_leaves_it_so(tmp_path: Path) -> None:
    cli = CommandLine(str(tmp_path / "new.db"))
    asked = ("--timezone", "Asia/Kolkata", "--day-start", "04:00", "--gap-threshold", "1.5")
    settings = {"timezone": "Asia/Kolkata", "day_start": "04:00", "gap_threshold": "3/2"}

    made, again, partly = cli.json("init", *asked), cli.json("init"), cli.json("init", "--day-start", "04:00")
    other = cli("init", "--day-start", "05:00", exit_code=3)

    assert made == {"database": str(tmp_path / "new.db"), "created": True, **settings}
    assert again == partly == {"database": str(tmp_path / "new.db"), "created": False, **settings}
    assert "error: day_start: this store was created with 04:00:00, not 05:00:00" in other.stderr


def test_correct_replaces_and_reports_each_line(team: CommandLine, tmp_path: Path) -> None:
    w00 = next(iter(team_workflows()))
    changed = made("w00", 100, completed_at=w00.completed_at)
    file = tmp_path / "in.jsonl"
    file.write_text(lines(changed, made("unknown")) + "rubbish\n")

    result = team("correct", file, exit_code=1)
    again = team.json("correct", str(written(tmp_path / "one.jsonl", changed)))

    assert "corrected w00 of ada: revision 2" in result.stdout
    assert "refused: line 2: workflow 'unknown' of user 'ada' is not recorded" in result.stderr
    assert "refused: line 3, column 1: not JSON" in result.stderr
    assert [(one["status"], one["revision"]) for one in again] == [("replayed", 2)]
    day = str(w00.completed_at.date())
    assert team.json("summary", "--from", day, "--to", day)["active_seconds"] == 100


def test_expected_revision_refuses_a_stale_change(team: CommandLine, tmp_path: Path) -> None:
    one = written(tmp_path / "one.jsonl", made("w00", 100))
    two = written(tmp_path / "two.jsonl", made("w00", 100), made("w03", 100))

    team("correct", one, "--expected-revision", "1")
    stale = team("correct", written(one, made("w00", 200)), "--expected-revision", "1", exit_code=1)
    several = team("correct", two, "--expected-revision", "2", exit_code=2)
    deleted = team("delete", "ada", "w00", "--expected-revision", "1", exit_code=1)

    assert "is at revision 2, not 1" in stale.stderr
    assert "--expected-revision: found 2, want a file of one line" in several.stderr
    assert "is at revision 2, not 1" in deleted.stderr
    assert [
        (row["revision"], row["active_seconds"])
        for row in team.json("workflows", "--range", "all_time", "--limit", "99")["workflows"]
        if row["workflow_id"] == "w00"
    ] == [(2, 100)]


def test_delete_takes_a_workflow_out(team: CommandLine) -> None:
    first, again = team("delete", "ada", "w00"), team.json("delete", "ada", "w00")
    unknown = team("delete", "ada", "nope", exit_code=1)

    assert first.stdout == "deleted w00 of ada: revision 2\n"
    assert (again["status"], again["revision"]) == ("replayed", 2)
    assert "error: workflow 'nope' of user 'ada' is not recorded" in unknown.stderr
    assert team.json("summary", "--range", "all_time")["completed"] == 89


def test_alerts_are_dismissed_and_restored(team: CommandLine) -> None:
    before = team.json("alerts", "--limit", "1000")
    two = [before[0]["id"], before[1]["id"]]

    team("alerts", "dismiss", *two)
    open_ones, dismissed = team.json("alerts", "--limit", "1000"), team.json("alerts", "--dismissed")
    team("alerts", "restore", two[0])

    assert [alert["id"] for alert in open_ones] == [alert["id"] for alert in before[2:]]
    assert [alert["id"] for alert in dismissed] == two
    assert [alert["id"] for alert in team.json("alerts", "--dismissed")] == two[1:]
    assert "error: gap alert '9.9.9.9' does not exist" in team("alerts", "dismiss", "9.9.9.9", exit_code=1).stderr


def test_database_may_stand_before_dismiss(team: CommandLine, store_url: str) -> None:
    alert = team.json("alerts", "--limit", "1")[0]["id"]

    CommandLine()("alerts", "--database", store_url, "dismiss", alert)

    assert [one["id"] for one in team.json("alerts", "--dismissed")] == [alert]


def test_timezone_holds_for_what_comes(cli: CommandLine) -> None:
    cli("timezone", "ada", "Asia/Tokyo")
    cli("import", "-", input=lines(made("w1", completed_at=at("2024-05-06T20:00"))))
    cli("timezone", "ada", "--unset")
    cli("import", "-", input=lines(made("w2", completed_at=at("2024-05-06T20:00"))))

    found = cli.json("workflows", "--range", "all_time")["workflows"]

    assert [(row["workflow_id"], row["day"]) for row in found] == [("w1", "2024-05-07"), ("w2", "2024-05-06")]


def _execute(url: str, statement: str) -> None:
    engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://"))
    with engine.begin() as connection:
        connection.execute(text(statement))
    engine.dispose()


# ---------------------------------------------------------------------------------------------- databases and usage


def test_a_path_is_a_sqlite_file_with_any_name(tmp_path: Path) -> None:
    place = tmp_path / "a b?c%20d#é.db"

    CommandLine(str(place))("import", "-", input=lines(made()))

    assert place.exists()
    assert CommandLine(str(place)).json("summary", "--range", "all_time")["completed"] == 1


def test_the_default_is_a_file_in_the_data_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    cli = CommandLine()

    missing = cli("summary", exit_code=3)
    cli("import", "-", input=lines(made()))

    assert "error: there is no database" in missing.stderr
    assert cli.json("summary", "--range", "all_time")["completed"] == 1
    if sys.platform == "linux":
        assert (tmp_path / "data" / "timestrata" / "timestrata.db").exists()


def test_the_environment_names_the_database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIMESTRATA_DATABASE", str(tmp_path / "env.db"))

    CommandLine()("init")

    assert (tmp_path / "env.db").exists()


def test_reading_makes_no_database(tmp_path: Path) -> None:
    cli = CommandLine(str(tmp_path / "none.db"))

    for args in (("summary",), ("export",), ("delete", "ada", "w1"), ("alerts", "dismiss", "1.1.1.1")):
        assert "there is no database" in cli(*args, exit_code=3).stderr

    assert not (tmp_path / "none.db").exists()


def test_reading_leaves_a_database_without_schema_alone(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'other.db'}"
    _execute(url, "CREATE TABLE mine (x)")

    result = CommandLine(url)("summary", exit_code=3)

    assert "error: the database has no Timestrata schema" in result.stderr
    engine = create_engine(url)
    assert inspect(engine).get_table_names() == ["mine"]
    engine.dispose()


def test_a_newer_schema_is_left_alone(cli: CommandLine, store_url: str) -> None:
    _execute(store_url, "UPDATE ts_schema_version SET version_num = '9999'")

    for args in (("summary",), ("import", "-"), ("init",)):
        assert "error: the database has schema 9999" in cli(*args, exit_code=3).stderr


@pytest.mark.parametrize(
    ("database", "message"),
    [
        ("mysql://host/name", "mysql is not supported: want sqlite:///FILE or postgresql://USER@HOST/NAME"),
        ("://", "'://' is not a database URL"),
        ("postgresql://nobody@127.0.0.1:1/none", "cannot open postgresql+psycopg://nobody@127.0.0.1:1/none"),
        ("postgresql://nobody:secret@127.0.0.1:1/none", "nobody:***@"),
        ("no/such/folder/x.db", "there is no folder 'no/such/folder'"),
        ("/", "cannot open"),
        (__file__, "file is not a database"),
    ],
)
def test_a_database_that_cannot_be_used_exits_with_3(database: str, message: str) -> None:
    result = CommandLine(database)("init", exit_code=3)

    assert result.stderr.startswith("error: ")
    assert result.stderr.count("\n") == 1
    assert message in result.stderr
    assert "secret" not in result.output


MAPPED = ("--map", "workflow_id=A", "--map", "user_id=B", "--map", "active_hours=C", "--map", "completed_at=D")


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (("summary", "--from", "2024-02-30"), "--from: found '2024-02-30', want a date as YYYY-MM-DD"),
        (("summary", "--to", "20240201"), "--to: found '20240201'"),
        (("summary", "--today", "now"), "--today: found 'now'"),
        (("summary", "--from", "2024-02-02", "--to", "2024-02-01"), "dates: found '2024-02-02 to 2024-02-01'"),
        (("summary", "--range", "lately"), "Invalid value for '--range': 'lately' is not one of 'today'"),
        (("summary", "--range", "today", "--from", "2024-02-01"), "--range: found 'today', want no --from or --to"),
        (("summary", "--json", "--csv"), "--json and --csv: found 'both', want one of them"),
        (("summary", "--user"), "requires an argument"),
        (("summary", "--frm", "2024-01-01"), "No such option: --frm"),
        (("summary", "more"), "unexpected extra argument"),
        (("trend", "--bucket", "year"), "'year' is not one of 'day', 'week', 'month'"),
        (("trend", "--measure", "luck"), "'luck' is not one of 'mean_seconds'"),
        (("trend", "--by", "user"), "'user' is not one of 'ticket_type', 'template'"),
        (("trend", "--bucket", "day", "--from", "0001-01-01", "--to", "9999-12-31"), "at most 10000 buckets"),
        (("averages",), "Missing argument 'USER'"),
        (("averages", "ada", "--as-of", "x"), "--as-of: found 'x'"),
        (("alerts", "--kind", "big"), "'big' is not one of 'workflow', 'step'"),
        (("alerts", "--limit", "0"), "'--limit'"),
        (("alerts", "--dismissed", "--all"), "--dismissed and --all: found 'both'"),
        (("alerts", "dismiss"), "Missing argument 'ID'"),
        (("workflows", "--after", "rubbish"), "after: found 'rubbish', want the `next` of a page"),
        (("workflows", "--limit", "10001"), "'--limit'"),
        (("init", "--timezone", "Mars/Base"), "timezone: found 'Mars/Base'"),
        (("init", "--day-start", "24:00"), "--day-start: found '24:00', want a time of day as HH:MM"),
        (("init", "--gap-threshold", "1/0"), "--gap-threshold: found '1/0', want a fraction such as 6/5"),
        (("init", "--gap-threshold", "1e99999999"), "--gap-threshold: found '1e99999999'"),
        (("init", "--gap-threshold", "0"), "gap_threshold: found Fraction(0, 1)"),
        (("import",), "Missing argument 'FILE'"),
        (("import", "no-such-file"), "FILE: found 'no-such-file', want a file that can be read"),
        (("import", "."), "FILE: found '.'"),
        (("import", "-", "-"), "FILE: found '-', want standard input once"),
        (("import", "pyproject.csv"), "FILE: found 'pyproject.csv'"),
        (("import", "-", "--batch", "0"), "'--batch'"),
        (("import", "-", "--show", "-1"), "'--show'"),
        (("import", "-", "--format", "xml"), "'xml' is not one of 'jsonl', 'csv'"),
        (("import", "-", "--timezone", "Mars/Base"), "timezone: found 'Mars/Base'"),
        (("import", "-", "--errors", "no/such/folder"), "--errors: found 'no/such/folder', want a file that can be"),
        (("import", "-", "--errors", "."), "--errors: found '.', want a file that can be written (it is a folder)"),
        (("import", "-", "--delimiter", ";"), "--delimiter: found 'JSON Lines', want a CSV file"),
        (("import", "-", "--set", "user_id=ada"), "--set: found 'JSON Lines'"),
        (("import", "-", "--decimal-comma"), "--decimal-comma: found 'JSON Lines'"),
        (("import", "-", "--format", "csv"), "targets: found ''"),
        (("import", "-", "--map", "user_id"), "map: found 'user_id', want target=Column"),
        (("import", "-", *MAPPED, "--map", "colour=E"), "target: found 'colour'"),
        (("import", "-", *MAPPED), "want also ticket_type"),
        (("import", "-", *MAPPED, "--row", "cell"), "'cell' is not one of 'workflow', 'step', 'session'"),
        (("import", "-", *MAPPED, "--set", "ticket_type=Bug", "--encoding", "klingon"), "encoding: found 'klingon'"),
        (("import", "-", *MAPPED, "--set", "ticket_type=Bug", "--delimiter", "ab"), "delimiter: found 'ab'"),
        (("import", "-", *MAPPED, "--set", "ticket_type=Bug", "--date-format", "%d"), "date_format: found '%d'"),
        (("import", "-", *MAPPED, "--set", "ticket_type=Bug", "--join", "x.csv"), "--on: found []"),
        (("import", "-", *MAPPED, "--set", "ticket_type=Bug", "--join", "x.csv", "--on", "A"), "found 'x.csv'"),
        (("export", "-o", "no/such/folder/x"), "--output: found 'no/such/folder/x', want a file that can be written"),
        (("correct", "no-such-file"), "found 'no-such-file', want a file that can be read"),
        (("correct", "-", "--expected-revision", "0"), "'--expected-revision'"),
        (("delete", "ada"), "Missing argument 'WORKFLOW'"),
        (("timezone", "ada"), "ZONE: found None"),
        (("timezone", "ada", "UTC", "--unset"), "ZONE: found 'UTC'"),
        (("timezone", "ada", "Mars/Base"), "timezone: found 'Mars/Base'"),
        (("demo", "--until", "someday"), "--until: found 'someday'"),
        (("demo", "--until", "0001-01-01"), "--until: found '0001-01-01', want a day from 2000-01-01"),
        (("dance",), "No such command 'dance'"),
    ],
    ids=lambda value: " ".join(value).encode("ascii", "replace").decode() if isinstance(value, tuple) else "",
)
def test_wrong_usage_exits_with_2_and_says_what_is_wanted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pyproject.csv").write_text("a,b\n")
    database = str(tmp_path / "some.db")
    open_history(f"sqlite:///{database}").close()

    monkeypatch.setenv("TIMESTRATA_DATABASE", database)

    result = CliRunner().invoke(app, command, input="A,B,C,D\n1,2,3,4\n")

    assert result.exit_code == 2, result.output
    assert result.stdout == ""
    assert result.stderr.startswith("error: ")
    assert message in result.stderr


def test_an_argument_that_is_no_text_exits_with_2(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit) as exit_, reported():
        "Zo\udceb".encode()

    assert exit_.value.exit_code == 2
    assert "want text in Unicode" in capsys.readouterr().err


# --------------------------------------------------------------------------------------------------- as a program


def test_the_version_is_told_as_an_option_too() -> None:
    told = json.loads(CliRunner().invoke(app, ["version", "--json"]).stdout)["timestrata"]

    assert CliRunner().invoke(app, ["--version"]).stdout == f"timestrata {told}\n"


def test_python_m_timestrata_is_the_command_line() -> None:
    code, shown, errors = finished("version", "--json")

    assert (code, errors) == (0, "")
    assert json.loads(shown).keys() == {"timestrata", "schema", "python", "sqlalchemy", "sqlite"}


def test_help_names_every_command_and_exit_code() -> None:
    shown = " ".join(CliRunner().invoke(app, ["--help"]).stdout.split())

    for part in ("demo", "import", "timezone", "Exit codes: 0 done; 1 something was refused", "130 interrupted"):
        assert part in shown


@pytest.mark.parametrize("command", ["export", "workflows --csv --range all_time", "summary"])
def test_a_reader_that_leaves_is_nothing_to_talk_about(tmp_path: Path, command: str) -> None:
    place = str(tmp_path / "some.db")
    CommandLine(place)("import", "-", input=lines(*team_workflows()))
    reading, writing = os.pipe()
    os.close(reading)

    with os.fdopen(writing, "wb") as stream:
        code, _, errors = finished(*command.split(), "--database", place, stdout=stream)

    assert code == 141
    assert "Error" not in errors


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full on this system")
def test_a_full_disk_is_one_sentence(tmp_path: Path) -> None:
    place = str(tmp_path / "some.db")
    CommandLine(place)("init")

    with Path("/dev/full").open("wb") as full:
        code, _, errors = finished("summary", "--json", "--database", place, stdout=full)

    assert (code, errors) == (1, "error: cannot read or write: No space left on device\n")


def test_output_for_machines_is_utf_8_and_for_people_never_fails(tmp_path: Path) -> None:
    place = str(tmp_path / "some.db")
    CommandLine(place)("import", "-", input=lines(made(user_id="Zoë 調査")))
    ascii_only = {**os.environ, "PYTHONIOENCODING": "ascii"}

    _, as_json, _ = finished("workflows", "--range", "all_time", "--json", "--database", place, env=ascii_only)
    code, shown, errors = finished("workflows", "--range", "all_time", "--database", place, env=ascii_only)

    assert json.loads(as_json)["workflows"][0]["user_id"] == "Zoë 調査"
    assert (code, errors) == (0, "")
    assert r"Zo\xeb \u8abf\u67fb" in shown
    assert shown.isascii()


# ------------------------------------------------------------------------------------------------------- documents


def test_documents_spell_days_instants_and_ranges() -> None:
    moment = datetime(2024, 6, 15, 14, 30, 0, 250_000, tzinfo=UTC)

    assert document(
        {"at": moment, "on": date(2024, 6, 15), "dates": DateRange(None, date(2024, 6, 1)), "n": (1, 2.5, None, True)}
    ) == {
        "at": "2024-06-15T14:30:00.25Z",
        "on": "2024-06-15",
        "dates": {"from": None, "to": "2024-06-01"},
        "n": [1, 2.5, None, True],
    }


def test_documents_follow_the_fields_of_a_result(history: History) -> None:
    history.record(made("w1", 1300, estimated_seconds=1000, completed_at=at("2024-06-15T09:00")))

    found = document(history.averages("ada"))

    assert isinstance(found, dict)
    assert list(found) == list(Averages.__slots__)
    assert found["as_of"] == "2024-06-15"
    assert found["coverage"] == {"raw_from": None, "sealed_through": None, "revision": 1, "held_out": 0}
    assert found["by_ticket_type"]["Bug"]["all_time"]["active_seconds"] == 1300
    assert found["total"]["rolling_30_days"]["estimate_ratio"] == 1.3
    assert found["total"]["rolling_30_days"]["stddev_seconds"] is None


def test_documents_of_workflows_are_lines_of_the_import_format() -> None:
    workflow = made(steps=(StepTime(0, "Test", sessions=(session("2024-05-06T08:00", 600),)),))

    assert document([workflow]) == [json.loads(write_line(workflow))]


def test_documents_refuse_what_is_no_result() -> None:
    with pytest.raises(TypeError, match="found a set"):
        document({"x": {1}})


# ---------------------------------------------------------------------------------------------------------- docs

MANUAL = Path(__file__).parents[1] / "docs" / "cli.md"
TIMES = re.compile(r"in [0-9.]+ s(, [0-9,]+ a second)?")


def commands_with_options() -> Iterator[tuple[str, str, set[str]]]:
    """Yield for each command its section in the manual, its name, and its options."""
    group: Any = get_command(app)
    for name, command in group.commands.items():
        yield name, name, {option for param in command.params for option in param.opts if option.startswith("-")}
        for inner, one in getattr(command, "commands", {}).items():
            yield name, f"{name} {inner}", {opt for param in one.params for opt in param.opts if opt.startswith("-")}


def shown_commands() -> list[str]:
    group: Any = get_command(app)
    return list(group.list_commands(None))


def test_the_manual_names_every_command_and_option() -> None:
    sections = dict(re.findall(r"^## (.*?)\n(.*?)(?=^## |\Z)", MANUAL.read_text(encoding="utf-8"), re.M | re.S))

    assert list(sections)[1:] == shown_commands()
    for section, name, options in commands_with_options():
        text = sections[section]
        assert f"    timestrata {name} " in text
        missing = {option for option in options if not re.search(rf"{option}(?![\w-])", text)}
        assert missing == set(), name
    root: Any = get_command(app)
    for option in (option for param in root.params for option in param.opts):
        assert option in MANUAL.read_text(encoding="utf-8")


def test_the_manual_names_no_option_that_does_not_exist() -> None:
    known = {option for _, _, options in commands_with_options() for option in options}
    known |= {"--help", "-h", "--install-completion", "--show-completion"}

    named = set(re.findall(r"(?<![\w-])--[a-z][\w-]*", MANUAL.read_text(encoding="utf-8")))

    assert named - known == set()


def test_the_manual_lists_the_exit_codes_and_presets() -> None:
    text = MANUAL.read_text(encoding="utf-8")

    assert all(f"| {code} | {meaning} |" in text for code, meaning in EXIT_CODES.items())
    assert " `" + "`, `".join(PRESETS) + "` " in text


def test_the_examples_of_the_manual_print_what_it_shows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TIMESTRATA_DATABASE", "team.db")
    text = MANUAL.read_text(encoding="utf-8")
    for file, content in re.findall(r"With `(.*?)` holding\n\n```json\n(.*?)```", text, re.S):
        Path(file).write_text(content, encoding="utf-8")
    examples = [
        example
        for block in re.findall(r"```console\n(.*?)```", text, re.S)
        for example in re.findall(r"^\$ timestrata (.*?)\n(.*?)(?=^\$ |\Z)", block, re.M | re.S)
    ]

    for command, shown in examples:
        printed = TIMES.sub("in TIME", CliRunner().invoke(app, shlex.split(command)).output)

        start, _, end = TIMES.sub("in TIME", shown).partition("...\n")
        assert printed.startswith(start), command
        assert printed.endswith(end), command
        assert "...\n" in shown or printed == start, command
    assert len(examples) > 15
