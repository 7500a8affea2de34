"""The command `jobs`: how the jobs stand, one of them by hand, and the schedule as a program."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from textwrap import dedent

import pytest
from conftest import NOW, reopened
from sqlalchemy import create_engine
from test_cli import started
from test_cli_work import Clock, CommandLine
from test_jobs import NIGHT, until
from typer.testing import CliRunner

from timestrata import open_history
from timestrata.calendar import instant
from timestrata.cli import app
from timestrata.cli.jobs import Reporting, Stop, keep
from timestrata.jobs import rows

NAMES = ["retention", "audit", "alerts", "archive"]


@pytest.fixture(autouse=True)
def _alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the environment of whoever runs the tests out of them."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    for name in ("DATABASE", "LOG_FORMAT", "ARCHIVE", *(f"{name.upper()}_SCHEDULE" for name in NAMES)):
        monkeypatch.delenv(f"TIMESTRATA_{name}", raising=False)
    monkeypatch.delenv("COLUMNS", raising=False)


@pytest.fixture
def cli(store_url: str) -> CommandLine:
    """The command line on an empty store."""
    open_history(store_url).close()
    return CommandLine(store_url)


def keep_once(url: str, clock: Clock) -> None:
    """Look at the schedule once, as a process does that keeps it."""
    with open_history(url, clock=clock) as history:
        history.jobs.run_due()


def test_a_schedule_that_nobody_keeps_is_shown_with_what_would_keep_it(cli: CommandLine) -> None:
    shown = cli("jobs")

    assert [line.split()[0] for line in shown.stdout.splitlines()[2:6]] == NAMES
    assert re.search(r"^retention +30 2 \* \* \* +- +- +-$", shown.stdout, re.M)
    assert "`timestrata jobs run`" in shown.stderr

    cli("jobs", "run", "alerts")  # by hand, which plans no other

    assert "`timestrata jobs run`" in cli("jobs").stderr


def test_jobs_are_shown_with_their_times_and_ends(cli: CommandLine, store_url: str) -> None:
    keep_once(store_url, cli.clock)
    cli("jobs", "run", "alerts")

    shown = cli("jobs")

    assert re.search(r"^alerts +15 4 \* \* \* +2024-06-16 04:15 +2024-06-15 12:00 +ok$", shown.stdout, re.M)
    assert "Times are those of UTC." in shown.stdout
    assert shown.stderr == ""


def test_times_are_those_of_the_store(tmp_path: Path) -> None:
    cli = CommandLine(f"sqlite:///{tmp_path / 'tokyo.db'}")
    cli("init", "--timezone", "Asia/Tokyo")
    keep_once(cli.url, cli.clock)

    assert "2024-06-16 02:30" in cli("jobs").stdout
    assert cli.json("jobs")[0]["next_run_at"] == "2024-06-15T17:30:00Z"


def test_json_is_what_the_library_tells(cli: CommandLine, store_url: str) -> None:
    found = cli.json("jobs")

    assert [job["name"] for job in found] == NAMES
    assert found[0]["schedule"] == "30 2 * * *"
    assert found[0].keys() >= {"next_run_at", "running", "holder", "outcome", "result", "succeeded_at"}


def test_what_is_switched_off_or_due_or_running_is_shown_so(
    cli: CommandLine, store_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TIMESTRATA_ALERTS_SCHEDULE", "off")
    keep_once(store_url, cli.clock)
    cli.clock.now = NIGHT
    claimed(store_url, "audit", cli.clock)

    shown = cli("jobs").stdout

    assert re.search(r"^alerts +off +- ", shown, re.M)
    assert re.search(r"^retention .* due$", shown, re.M)
    assert re.search(r"^audit .* running since 2024-06-16 02:30 on web1:42/x$", shown, re.M)


def claimed(url: str, name: str, clock: Clock) -> None:
    """Let another process begin a run of a job."""
    with reopened(url) as history, history.engine.connect() as connection, connection.begin():
        rows.add(connection, name)
        lease = timedelta(minutes=5) // timedelta(microseconds=1)
        assert rows.take(connection, rows.Claim(name, "web1:42/x"), instant(clock()), lease, None, only_due=False)


def test_one_job_runs_now_and_prints_its_result(cli: CommandLine) -> None:
    shown = cli("jobs", "run", "alerts").stdout
    found = cli.json("jobs", "run", "alerts")

    assert shown.startswith("alerts: ok after 0 s\n")
    assert (found["name"], found["outcome"], found["started_at"]) == ("alerts", "ok", "2024-06-15T12:00:00Z")
    assert all(each in shown for each in found["result"])


def test_a_job_that_fails_exits_with_1_and_says_why(
    cli: CommandLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("TIMESTRATA_ARCHIVE", str(tmp_path / "file" / "archive"))

    shown = cli("jobs", "run", "retention", exit_code=1).stdout

    assert shown.startswith("retention: failed after 0 s\nerror  ")
    assert re.search(r"^retention .* failed$", cli("jobs").stdout, re.M)
    assert re.search(r"^retention: \S.*$", cli("jobs").stdout, re.M)


def test_a_job_that_another_process_runs_is_refused(cli: CommandLine, store_url: str) -> None:
    claimed(store_url, "alerts", cli.clock)

    message = cli.refused("jobs", "run", "alerts", exit_code=1)

    assert message.startswith("error: job 'alerts' is run by 'web1:42/x' since 2024-06-15 12:00:00+00:00: wait")


def test_wrong_usage_is_refused(cli: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "job 'dance' does not exist: want one of retention" in cli.refused("jobs", "run", "dance", exit_code=1)
    assert "--json: found 'no job'" in cli.refused("jobs", "run", "--json")
    monkeypatch.setenv("TIMESTRATA_AUDIT_SCHEDULE", "at night")
    assert "TIMESTRATA_AUDIT_SCHEDULE: found 'at night', want a cron expression" in cli.refused("jobs")
    assert "TIMESTRATA_AUDIT_SCHEDULE: found 'at night', want a cron expression" in cli.refused("serve", "--port", "0")


def test_the_database_may_stand_before_run(cli: CommandLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIMESTRATA_DATABASE", str(tmp_path / "another.db"))

    result = CliRunner().invoke(app, ["jobs", "--database", cli.url, "run", "alerts", "--json"])

    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["outcome"] == "ok"
    assert not (tmp_path / "another.db").exists()


def test_the_schedule_is_kept_until_it_is_told_to_stop(store_url: str) -> None:
    clock, stop = Clock(), Stop()
    trouble: list[Exception] = []
    with open_history(store_url, clock=clock) as history:
        engine = history.engine

        def failing(error: Exception) -> None:
            trouble.append(error)
            with engine.connect() as connection, connection.begin():
                connection.exec_driver_sql("ALTER TABLE ts_job_away RENAME TO ts_job")
            clock.now = NIGHT

        history.jobs.run_due()
        with engine.connect() as connection, connection.begin():
            connection.exec_driver_sql("ALTER TABLE ts_job RENAME TO ts_job_away")
        keep(history.jobs, stop, Reporting(lambda report: stop.set(), failing), every_seconds=0)

    assert len(trouble) == 1
    assert stop.is_set()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
def test_the_program_ends_well_when_it_is_told_to(tmp_path: Path, number: signal.Signals) -> None:
    url = f"sqlite:///{tmp_path / 'store.db'}"
    open_history(url).close()
    process = started("jobs", "run", "--database", url, "--log-format", "json")
    assert process.stderr is not None
    assert process.stderr.readline().startswith("Running the schedule of ")
    engine = create_engine(url)

    def kept() -> bool:
        with engine.connect() as connection:
            return len(rows.find(connection, NAMES)) == len(NAMES)

    until(kept)
    process.send_signal(number)
    shown, errors = process.communicate(timeout=60)
    engine.dispose()

    assert (process.returncode, shown, errors) == (0, "", "")


def test_it_may_be_told_to_stop_at_any_line_of_its_waiting() -> None:
    """In a process of its own: where a handler waits for what its own thread holds, the process hangs for good."""
    told_at_each_line = """
        import signal, sys
        from timestrata.cli.jobs import Stop

        def told_at(line):
            stop, passed = Stop(), 0
            signal.signal(signal.SIGTERM, lambda number, frame: stop.set())

            def trace(frame, event, value):
                nonlocal passed
                passed += event == "line"
                if passed == line:
                    sys.settrace(None)
                    signal.raise_signal(signal.SIGTERM)
                return trace

            sys.settrace(trace)
            stop.wait(0.001)
            sys.settrace(None)
            return passed >= line, stop.is_set()

        line = 1
        while (told := told_at(line)) == (True, True):
            line += 1
        assert line > 1 and told == (False, False), (line, told)
    """

    subprocess.run([sys.executable, "-c", dedent(told_at_each_line)], check=True, timeout=60)


def test_the_program_logs_what_runs(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'store.db'}"
    with open_history(url, clock=lambda: NOW) as history:
        history.jobs.run_due()  # years ago: everything is due
    process = started("jobs", "run", "--database", url, "--log-format", "json")

    assert process.stderr is not None
    process.stderr.readline()
    lines = [json.loads(process.stderr.readline()) for _ in range(2 * len(NAMES))]
    process.send_signal(signal.SIGTERM)
    _, rest = process.communicate(timeout=60)

    assert [line["job"] for line in lines[::2]] == NAMES
    assert {line["event"] for line in lines[::2]} == {"job started"}
    assert {line["event"] for line in lines[1::2]} == {"job done"}
    assert (process.returncode, rest) == (0, "")
