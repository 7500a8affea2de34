"""The commands that track work: what they do to a store, what they print, which times they take."""

from __future__ import annotations

import csv
import io
import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path
from time import monotonic, tzset
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from conftest import NOW
from rich.console import Console
from typer.testing import CliRunner, Result

from timestrata import Coverage, History, InvalidRequest, open_history
from timestrata.cli import app
from timestrata.cli.machine import Machine
from timestrata.cli.moments import read_duration, read_moment
from timestrata.cli.status import watch
from timestrata.formats.result_json import document

BERLIN = ZoneInfo("Europe/Berlin")
QA = (
    "template",
    "put",
    "QA",
    "--type",
    "Bug",
    "--step",
    "Analyse=20min",
    "--step",
    "Test=40min",
    "--step",
    "Report=5min",
)


NOTHING = Coverage(raw_from=None, sealed_through=None, revision=0)


@dataclass
class Clock:
    """A clock that stands until it is put on."""

    now: datetime = NOW

    def __call__(self) -> datetime:
        return self.now

    def put_on(self, **span: float) -> None:
        self.now += timedelta(**span)


@dataclass(frozen=True)
class CommandLine:
    """Runs commands in this process, as ada, on one database and by one clock."""

    url: str
    clock: Clock = field(default_factory=Clock)
    zone: tzinfo | None = UTC

    def __call__(self, *args: str, exit_code: int = 0, env: dict[str, str] | None = None) -> Result:
        machine = Machine(clock=self.clock, zone=self.zone, login=lambda: "ada")
        result = CliRunner().invoke(app, [*args, "--database", self.url], obj=machine, env=env)
        assert result.exit_code == exit_code, result.output
        assert "Traceback" not in result.output
        return result

    def json(self, *args: str) -> Any:
        return json.loads(self(*args, "--json").stdout)

    def refused(self, *args: str, exit_code: int = 2) -> str:
        result = self(*args, exit_code=exit_code)
        assert result.stdout == ""
        return result.stderr


@pytest.fixture(autouse=True)
def _alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the environment of whoever runs the tests out of them."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    for name in ("DATABASE", "SERVER", "TOKEN", "USER"):
        monkeypatch.delenv(f"TIMESTRATA_{name}", raising=False)
    monkeypatch.delenv("COLUMNS", raising=False)


@pytest.fixture
def cli(tmp_path: Path) -> CommandLine:
    """The command line on a SQLite file with one template."""
    return with_template(f"sqlite:///{tmp_path / 'work.db'}")


@pytest.fixture
def either(store_url: str) -> CommandLine:
    """The command line on each database, with one template."""
    return with_template(store_url)


def with_template(url: str) -> CommandLine:
    made = CommandLine(url)
    made(*QA)
    return made


def active_seconds(workflow: Any) -> list[int]:
    return [step["active_seconds"] for step in workflow["steps"]]


# --------------------------------------------------------------------------------------------------------- a ticket


def test_a_whole_ticket_becomes_the_history_that_it_was(either: CommandLine) -> None:
    either("start", "TK-1", "--template", "QA", "--workflow", "w1")
    either.clock.put_on(minutes=15)
    either("pause")
    either.clock.put_on(minutes=30)
    either("resume")
    either.clock.put_on(minutes=5)
    either("next")
    either.clock.put_on(minutes=44)
    either("next", "Report")
    either.clock.put_on(minutes=7)
    done = either.json("complete")

    assert done["status"] == "recorded"
    assert active_seconds(done["workflow"]) == [1200, 2640, 420]
    assert [step["level"] for step in done["steps"]] == ["within", "over", "gap"]
    assert (done["comparison"]["actual_seconds"], done["comparison"]["level"]) == (4260, "over")
    with open_history(either.url, clock=either.clock) as history:
        assert history.workflow("ada", "w1").workflow.active_seconds == 4260
        assert history.summary("today", "ada").paused_seconds == 1800


def test_a_ticket_on_the_command_line_counts_as_the_same_facts_imported(either: CommandLine, tmp_path: Path) -> None:
    either("start", "TK-1", "--template", "QA", "--workflow", "w1", "--at", "2024-06-14 23:50")
    either("pause", "--at", "2024-06-15 00:10")
    either("resume", "--at", "2024-06-15 00:25")
    either("next", "--at", "2024-06-15 00:35")
    either("complete", "--at", "2024-06-15 01:20")
    with (
        open_history(either.url, clock=either.clock) as history,
        open_history(f"sqlite:///{tmp_path / 'imported.db'}", clock=either.clock) as imported,
    ):
        imported.record(list(history.facts()))

        for user in ("ada", None):
            assert _figures(history, user) == _figures(imported, user)


def _figures(history: History, user: str | None) -> list[object]:
    """Return all figures; the revisions say how they came about."""
    return [
        replace(history.summary("all_time", user), coverage=NOTHING),
        history.trend("this_month", "day", user).total,
        history.daily("all_time", user).rows,
        history.steps("all_time", None, user).steps,
        [replace(alert, id="") for alert in history.alerts(user_id=user)],
    ]


def test_each_command_says_what_is_going_on(cli: CommandLine) -> None:
    assert cli("start", "TK-1", "--template", "QA").stdout == (
        "Started TK-1 (QA) at 12:00: Analyse is running, 0 s of 20 min so far.\n"
    )
    cli.clock.put_on(minutes=15)
    assert cli("pause").stdout == "Paused TK-1 (QA): Analyse is paused, 15 min of 20 min so far.\n"
    cli.clock.put_on(minutes=1)
    assert cli("resume").stdout == "Resumed TK-1 (QA): Analyse is running, 15 min of 20 min so far.\n"
    assert cli("next").stdout == "TK-1 (QA): Test is running, 0 s of 40 min so far.\n"
    assert cli("cancel").stdout == "Cancelled TK-1 (QA): the 15 min worked on it stay counted as worked.\n"


def test_completion_compares_with_the_estimates_in_words(cli: CommandLine) -> None:
    cli("start", "TK-1", "--template", "QA", "--estimate", "1h 5min")
    for minutes in (20, 48):
        cli.clock.put_on(minutes=minutes)
        cli("next")
    cli.clock.put_on(minutes=7)

    shown = [" ".join(line.split()) for line in cli("complete").stdout.splitlines()]

    assert shown[0] == "Completed: TK-1 (QA)"
    assert shown[4:] == [
        "0 Analyse 20 min 20 min 1.00 within the estimate",
        "1 Test 48 min 40 min 1.20 over the estimate",
        "2 Report 7 min 5 min 1.40 far over the estimate: gap alert",
        "Whole 1 h 15 min 1 h 5 min 1.15 over the estimate",
    ]


def test_completion_without_an_estimate_says_so(cli: CommandLine) -> None:
    cli("template", "put", "Free", "--type", "Bug", "--step", "Work")
    cli("start", "TK-1", "--template", "Free")

    assert cli("complete").stdout.count("no estimate") == 2


def test_json_is_the_result_of_the_library(either: CommandLine) -> None:
    started = either.json("start", "TK-1", "--template", "QA", "--workflow", "w1")
    with open_history(either.url, clock=either.clock) as history:
        assert started == document(history.tracking.workflow("ada", "w1"))
    for command in ("pause", "resume", "next"):
        shown = either.json(command)
        with open_history(either.url, clock=either.clock) as history:
            assert shown == document(history.tracking.workflow("ada", "w1")), command
    assert either.json("status") == [shown]
    assert either.json("template", "list") == [either.json("template", "show", "QA")]
    assert [one["session_id"] for one in either.json("log")] == [one["id"] for one in reversed(shown["sessions"])]
    assert either.json("forgotten") == []
    assert either.json("cancel")["state"] == "cancelled"


# ------------------------------------------------------------------------------------------------------ what is meant


def test_work_is_that_of_the_login_the_variable_or_the_option(cli: CommandLine) -> None:
    start = ("start", "TK-1", "--template", "QA", "--json")

    users = [
        json.loads(cli(*start).stdout)["user_id"],
        json.loads(cli(*start, env={"TIMESTRATA_USER": "bob"}).stdout)["user_id"],
        json.loads(cli(*start, "--user", "cleo", env={"TIMESTRATA_USER": "bob"}).stdout)["user_id"],
    ]

    assert users == ["ada", "bob", "cleo"]
    assert cli.json("status", "--user", "bob")[0]["user_id"] == "bob"


def test_without_an_active_workflow_nothing_is_guessed(cli: CommandLine) -> None:
    for command in ("pause", "resume", "next", "complete", "cancel"):
        assert "no workflow of ada is active" in cli.refused(command, exit_code=1)


def test_of_several_workflows_one_has_to_be_named(either: CommandLine) -> None:
    either("start", "TK-1", "--template", "QA", "--workflow", "w1")
    either("pause")
    either("start", "TK-2", "--template", "QA", "--workflow", "w2")

    refusal = either.refused("complete")

    assert "TK-1 (id w1, Analyse paused)" in refusal
    assert "TK-2 (id w2, Analyse running)" in refusal
    assert either.json("next", "--ticket", "TK-2")["workflow_id"] == "w2"
    assert either.json("cancel", "w1")["ticket_key"] == "TK-1"
    assert either.json("complete")["workflow"]["workflow_id"] == "w2"


def test_a_forgotten_workflow_is_not_the_one_that_is_meant(overnight: CommandLine) -> None:
    overnight("start", "TK-2", "--template", "QA", "--workflow", "w2")

    for command in ("cancel", "complete", "next"):
        assert "one of the active workflows" in overnight.refused(command)
    assert sorted(one["workflow_id"] for one in overnight.json("status")) == ["w1", "w2"]


def test_an_id_goes_before_a_ticket_of_that_name(cli: CommandLine) -> None:
    cli("start", "w2", "--template", "QA", "--workflow", "w1")
    cli("pause")
    cli("start", "TK-1", "--template", "QA", "--workflow", "w2")

    assert cli.json("complete", "w2")["workflow"]["workflow_id"] == "w2"
    assert cli.json("complete", "w2")["workflow"]["workflow_id"] == "w1"


def test_what_was_forgotten_is_not_said_to_be_counted(overnight: CommandLine) -> None:
    told = overnight("cancel", "w1").stdout

    assert "the 0 s worked on it stay counted" in told
    assert "of a session that was left running count once `timestrata forgotten` settles it" in " ".join(told.split())


def test_the_running_one_is_paused_and_the_paused_one_resumed(cli: CommandLine) -> None:
    cli("start", "TK-1", "--template", "QA", "--workflow", "w1")
    cli("pause")
    cli("start", "TK-2", "--template", "QA", "--workflow", "w2")

    assert cli.json("pause")["workflow_id"] == "w2"
    assert "one of the active workflows" in cli.refused("resume")
    assert cli.json("resume", "TK-1")["workflow_id"] == "w1"


def test_two_workflows_on_one_ticket_are_told_apart_by_their_ids(cli: CommandLine) -> None:
    for name in ("w1", "w2"):
        cli("start", "TK-1", "--template", "QA", "--workflow", name)
        cli("pause", name)

    assert "w1" in cli.refused("complete", "TK-1")
    assert cli.json("complete", "w2")["workflow"]["workflow_id"] == "w2"
    assert cli.json("complete", "TK-1")["workflow"]["workflow_id"] == "w1"


def test_a_ticket_without_active_work_is_refused_with_the_others(cli: CommandLine) -> None:
    cli("start", "TK-1", "--template", "QA", "--workflow", "w1")

    assert "TK-1 (id w1" in cli.refused("pause", "TK-7", exit_code=1)


@pytest.mark.parametrize(("given", "index"), [(None, 1), ("Report", 2), ("2", 2), ("1", 1)])
def test_a_step_is_the_following_one_or_named(given: str | None, index: int, cli: CommandLine) -> None:
    cli("start", "TK-1", "--template", "QA")

    found = cli.json("next", *([] if given is None else [given]))

    assert found["current"]["step_index"] == index


@pytest.mark.parametrize("step", ["3", "01", "report", "Rep", "", "٢"])
def test_a_step_that_is_not_one_is_refused_with_the_steps(step: str, cli: CommandLine) -> None:
    cli("start", "TK-1", "--template", "QA")

    assert "0 (Analyse), 1 (Test), 2 (Report)" in cli.refused("next", step)


def test_a_step_that_could_be_two_is_refused(cli: CommandLine) -> None:
    cli("template", "put", "Odd", "--type", "Bug", "--step", "1", "--step", "A", "--step", "A")
    cli("start", "TK-1", "--template", "Odd")

    assert "one of" in cli.refused("next", "1")
    assert "one of" in cli.refused("next", "A")
    assert cli.json("next", "2")["current"]["step_index"] == 2


def test_after_the_last_step_there_is_no_next(cli: CommandLine) -> None:
    cli("start", "TK-1", "--template", "QA")
    cli("next", "Report")

    assert "Report is the last one" in cli.refused("next")


def test_what_the_library_refuses_changes_nothing(either: CommandLine) -> None:
    either("start", "TK-1", "--template", "QA", "--workflow", "w1")
    before = either.json("status")

    assert "found a session that is running" in either.refused("resume", exit_code=1)
    assert "has a session running" in either.refused("start", "TK-2", "--template", "QA", exit_code=1)
    assert "does not exist" in either.refused("start", "TK-2", "--template", "None", exit_code=1)
    assert either.json("status") == before


# ------------------------------------------------------------------------------------------------------- templates


def test_a_template_is_put_listed_and_shown(cli: CommandLine) -> None:
    cli("template", "put", "QA", "--type", "Story", "--step", "a=b=1h", "--step", "Report=0s", "--estimate", "2h")

    found = cli.json("template", "show", "QA")

    assert (found["version"], found["ticket_type"], found["estimated_seconds"]) == (2, "Story", 7200)
    assert found["steps"] == [
        {"name": "a=b", "estimated_seconds": 3600},
        {"name": "Report", "estimated_seconds": None},
    ]
    assert cli.json("template", "show", "QA", "--version", "1")["ticket_type"] == "Bug"
    assert "a=b, Report" in cli("template", "list").stdout
    assert "1 h" in cli("template", "show", "QA").stdout


def test_a_step_whose_estimate_is_unclear_is_refused(cli: CommandLine) -> None:
    put = ("template", "put", "New", "--type", "Bug", "--step")

    for step in ("a=b", "a=", "a=1.5h", "a=90", "a=-1h"):
        assert 'behind the last "="' in cli.refused(*put, step)
    assert "steps[0].name" not in cli.refused(*put, "=1h")
    assert [one["name"] for one in cli.json("template", "list")] == ["QA"]


def test_the_first_template_makes_the_store_that_start_wants(tmp_path: Path) -> None:
    cli = CommandLine(f"sqlite:///{tmp_path / 'new.db'}")

    assert "there is no database" in cli.refused("start", "TK-1", "--template", "QA", exit_code=3)
    cli(*QA)
    cli("start", "TK-1", "--template", "QA")
    assert cli.json("status")[0]["ticket_key"] == "TK-1"


# ------------------------------------------------------------------------------------------------- status and the log


def test_status_shows_every_step_against_its_estimate(cli: CommandLine) -> None:
    cli("start", "TK-1", "--template", "QA", "--at", "1h ago")
    cli("next", "--at", "30min ago")

    shown = [" ".join(line.split()) for line in cli("status").stdout.splitlines()]

    assert shown[0] == "TK-1 (QA), since 11:00: Test running"
    assert shown[4:] == [
        "0 Analyse 30 min 20 min 1.50",
        "1 Test running 30 min 40 min 0.75",
        "2 Report to do - 5 min -",
        "Whole 1 h 1 h 5 min 0.92",
    ]


def test_status_of_nobody_and_of_one_ticket(cli: CommandLine) -> None:
    assert cli("status").stdout == "No workflow of ada is active.\n"
    cli("start", "TK-1", "--template", "QA")
    assert cli.json("status", "TK-2") == []
    assert len(cli.json("status", "TK-1", "--once")) == 1


def test_status_only_reads(cli: CommandLine) -> None:
    cli("start", "TK-1", "--template", "QA")
    cli.clock.put_on(hours=13)

    assert cli.json("status")[0]["current"]["state"] == "running"


def test_the_timer_runs_and_finds_what_others_do(cli: CommandLine) -> None:
    cli("start", "TK-1", "--template", "QA", "--at", "1h ago")
    seconds = 0

    def wait(_: float) -> None:
        nonlocal seconds
        seconds += 1
        cli.clock.put_on(seconds=1)
        if seconds == 8:
            cli("next")
        if seconds == 13:
            raise KeyboardInterrupt

    machine = Machine(clock=cli.clock, wait=wait, zone=UTC)
    page = io.StringIO()
    with open_history(cli.url, clock=cli.clock) as history:
        watch(
            history.tracking.active("ada"),
            lambda: history.tracking.active("ada"),
            machine,
            Console(file=page, force_terminal=True, color_system=None, width=100),
        )

    frames = re.findall(
        r"([01])  (?:Analyse|Test) +running +(\S+)", re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", page.getvalue())
    )
    assert frames[:3] == [("0", "1:00:00"), ("0", "1:00:01"), ("0", "1:00:02")]
    assert frames[-1] == ("1", "0:00:04")
    assert ("0", "1:00:09") in frames  # what another one did is seen with the next look, after 10 s
    assert ("0", "1:00:10") not in frames


def test_a_paused_timer_stands_still(cli: CommandLine) -> None:
    cli("start", "TK-1", "--template", "QA", "--at", "1h ago")
    cli("pause")

    def wait(_: float) -> None:
        cli.clock.put_on(seconds=1)
        if cli.clock.now >= NOW + timedelta(seconds=3):
            raise KeyboardInterrupt

    page = io.StringIO()
    with open_history(cli.url, clock=cli.clock) as history:
        found = history.tracking.active("ada")
        console = Console(file=page, force_terminal=True, color_system=None, width=100)
        watch(found, lambda: found, Machine(clock=cli.clock, wait=wait, zone=UTC), console)

    assert "1:00:01" not in page.getvalue()
    assert "paused 0:00:02" in page.getvalue()


def test_on_a_terminal_the_timer_runs_until_ctrl_c(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'live.db'}"
    with open_history(url) as history:
        history.tracking.put_template("QA", "Bug", ["Analyse"])
        history.tracking.start_workflow("ada", "QA", "TK-1")
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "timestrata", "status", "--database", url, "--user", "ada"]
    process = subprocess.Popen(command, stdout=theirs, stdin=theirs, stderr=theirs, start_new_session=True)
    os.close(theirs)
    shown, ends = b"", monotonic() + 60
    while b"Ctrl-C" not in shown and monotonic() < ends:
        if select.select([ours], [], [], 1)[0]:
            shown += os.read(ours, 1 << 16)
    process.send_signal(signal.SIGINT)

    assert process.wait(timeout=60) == 0
    os.close(ours)
    assert b"TK-1 (QA)" in shown


def test_the_log_lists_sessions_by_day_the_latest_first(cli: CommandLine) -> None:
    cli("start", "TK-1", "--template", "QA", "--workflow", "w1", "--at", "2024-06-13 10:00")
    cli("next", "--at", "2024-06-13 10:30")
    cli("complete", "--at", "2024-06-13 11:00")
    cli("start", "TK-2", "--template", "QA", "--workflow", "w2", "--at", "today 9:00")
    cli("pause", "--at", "9:10")

    lines = [" ".join(line.split()) for line in cli("log").stdout.splitlines() if line.strip("─ ")]

    assert lines[0] == "Sat 2024-06-15, 10 min"
    assert lines[2].startswith("09:00 now 10 min TK-2 QA: Analyse paused")
    assert lines[3] == "Thu 2024-06-13, 1 h"
    assert lines[5].startswith("10:30 11:00 30 min TK-1 QA: Test")
    assert lines[6].startswith("10:00 10:30 30 min TK-1 QA: Analyse")


def test_the_log_holds_a_range_of_this_machines_days(cli: CommandLine) -> None:
    cli("start", "TK-1", "--template", "QA", "--workflow", "w1", "--at", "2024-06-12T23:30:00Z")
    cli("complete", "--at", "2024-06-12T23:45Z")
    berlin = CommandLine(cli.url, cli.clock, BERLIN)

    assert len(cli.json("log", "--from", "2024-06-12", "--to", "2024-06-12")) == 1
    assert berlin.json("log", "--from", "2024-06-12", "--to", "2024-06-12") == []
    assert len(berlin.json("log", "--from", "2024-06-13")) == 1
    assert "Thu 2024-06-13" in berlin("log").stdout
    assert cli.json("log", "--range", "yesterday") == []
    assert "--range all_time" in cli("log", "--range", "today").stdout
    assert cli.json("log", "TK-2", "--range", "all_time") == []


def test_the_log_finds_every_page_and_work_on_what_began_long_ago(cli: CommandLine) -> None:
    with open_history(cli.url, clock=cli.clock) as history:
        tracking, first = history.tracking, NOW - timedelta(days=300)
        tracking.start_workflow("ada", "QA", "OLD-1", workflow_id="old", at=first)
        tracking.pause("ada", "old", at=first + timedelta(seconds=60))
        for number in range(205):
            start = first + timedelta(hours=number + 1)
            tracking.start_workflow("ada", "QA", "TK-1", workflow_id=f"w{number}", at=start)
            tracking.complete("ada", f"w{number}", at=start + timedelta(minutes=1))
    cli("next", "--ticket", "OLD-1", "--at", "5min ago")

    assert [one["workflow_id"] for one in cli.json("log")] == ["old"]
    assert len(cli.json("log", "--range", "all_time")) == 207


def test_the_log_as_csv_has_the_fields_of_the_json(cli: CommandLine) -> None:
    cli("start", "=1+1", "--template", "QA", "--workflow", "w1")
    rows = list(csv.DictReader(io.StringIO(cli("log", "--csv").stdout)))

    assert list(rows[0]) == list(cli.json("log")[0])
    assert rows[0]["ticket_key"] == "'=1+1"


# --------------------------------------------------------------------------------------------------------- forgotten


@pytest.fixture
def overnight(cli: CommandLine) -> CommandLine:
    """The command line the morning after a workflow was left running at 12:00."""
    cli("start", "TK-1", "--template", "QA", "--workflow", "w1")
    cli.clock.put_on(hours=21)
    return cli


def test_a_session_that_was_left_running_is_ended_and_told_of(overnight: CommandLine) -> None:
    result = overnight("start", "TK-2", "--template", "QA")

    assert "1 session was left running too long" in result.stderr
    assert "2024-06-15 12:00  2024-06-16 00:00" in overnight("forgotten").stdout
    assert [one["active_seconds"] for one in overnight.json("forgotten")] == [43_200]


def test_a_time_before_it_was_forgotten_still_ends_it(overnight: CommandLine) -> None:
    found = overnight.json("pause", "--at", "yesterday 17:00")

    assert found["current"]["active_seconds"] == 5 * 3600
    assert overnight.json("forgotten") == []


def test_a_forgotten_session_is_confirmed(overnight: CommandLine) -> None:
    assert overnight("forgotten", "confirm").stdout == (
        "confirmed Analyse on TK-1: 12 h worked, which count from now on\n"
    )
    assert overnight.json("forgotten") == []
    assert overnight.json("status")[0]["active_seconds"] == 43_200


def test_a_forgotten_session_is_corrected(overnight: CommandLine) -> None:
    found = overnight.json("forgotten", "correct", "--ended-at", "yesterday 17:30")

    assert found["sessions"][0]["ended_at"] == "2024-06-15T17:30:00Z"
    assert "waits for its true end" in overnight.refused("forgotten", "correct", "--ended-at", "now", exit_code=1)


def test_of_several_forgotten_sessions_one_has_to_be_named(overnight: CommandLine) -> None:
    overnight("forgotten")
    overnight("start", "TK-2", "--template", "QA", "--workflow", "w2")
    overnight.clock.put_on(hours=13)
    first, second = (one["session_id"] for one in overnight.json("forgotten"))

    refusal = overnight.refused("forgotten", "confirm")

    assert first in refusal
    assert second in refusal
    assert "one of" in overnight.refused("forgotten", "confirm", "1.2.3")
    overnight("forgotten", "confirm", second)
    assert [one["session_id"] for one in overnight.json("forgotten")] == [first]


def test_what_is_completed_with_a_forgotten_session_is_held(overnight: CommandLine) -> None:
    result = overnight("complete", "w1")

    assert result.stdout.startswith("Completed, but held: TK-1 (QA)")
    assert "timestrata forgotten" in result.stderr
    assert "held" in overnight("status").stdout
    for command in (("summary",), ("trend",), ("daily",), ("workflows",)):
        told = " ".join(overnight(*command).stderr.split())
        assert "1 workflow is in no figure until the true end of a session" in told
    overnight("forgotten", "correct", "--ended-at", "2024-06-15 17:00")
    assert overnight.json("status") == []


# ------------------------------------------------------------------------------------------------------------- times

NOON = datetime(2024, 10, 28, 12, 0, 30, tzinfo=UTC)
"""The Monday after the clocks were put back in Berlin; it is 13:00:30 there."""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("now", "2024-10-28T12:00:30"),
        ("20min ago", "2024-10-28T11:40:30"),
        ("20 minutes ago", "2024-10-28T11:40:30"),
        ("1h30m ago", "2024-10-28T10:30:30"),
        ("1 hour 5 min 10 s ago", "2024-10-28T10:55:20"),
        ("90s ago", "2024-10-28T11:59:00"),
        ("36h ago", "2024-10-27T00:00:30"),
        ("12:30", "2024-10-28T11:30:00"),
        ("9:05", "2024-10-28T08:05:00"),
        ("13:01", "2024-10-28T12:01:00"),
        ("Today 00:00", "2024-10-27T23:00:00"),
        ("today 23:59", "2024-10-28T22:59:00"),
        ("yesterday 17:00", "2024-10-27T16:00:00"),
        ("yesterday 1:59", "2024-10-26T23:59:00"),
        ("2024-10-26 17:00:59", "2024-10-26T15:00:59"),
        ("2024-10-26T17:00", "2024-10-26T15:00:00"),
        ("2024-10-27T02:30+02:00", "2024-10-27T00:30:00"),
        ("2024-10-27 02:30 +01:00", "2024-10-27T01:30:00"),
        ("2024-03-31T02:30Z", "2024-03-31T02:30:00"),
        (" 2024-03-31  03:00 ", "2024-03-31T01:00:00"),
    ],
)
def test_a_time_means_one_instant(text: str, expected: str) -> None:
    assert read_moment("--at", text, NOON, BERLIN) == datetime.fromisoformat(expected).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    [
        "", " ", "yesterday", "today", "tomorrow 9:00", "monday 9:00", "noon", "9", "9:5", "24:00", "12:60", "12:30:60",
        "2:30pm", "12.30", "12:30+02:00", "yesterday 12:30Z", "05/06/2024 14:30", "2024-5-6 14:30", "2024-02-30 10:00",
        "2024-10-26", "2024-10-2617:00", "20241026T1700", "ago", "5 ago", "an hour ago", "1d ago", "1.5h ago",
        "-5min ago", "5min", "1m1h ago", "1 month ago", "١٢:30", "20min ago 12:30", "2024-10-26T17:00+25:00",
        "0000-01-01 10:00", "1700000000",
    ],
)  # fmt: skip
def test_what_is_unclear_is_refused(text: str) -> None:
    with pytest.raises(InvalidRequest, match="--at"):
        read_moment("--at", text, NOON, BERLIN)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("13:02", 'write "yesterday 13:02"'),
        ("2024-03-31 02:30", '"2024-03-31T01:30:00+01:00" or "2024-03-31T03:30:00+02:00": the clocks were put forward'),
        ("yesterday 02:30", '"2024-10-27T02:30:00+02:00" or "2024-10-27T02:30:00+01:00": the clocks were put back'),
    ],
)
def test_a_refusal_says_what_may_be_meant(text: str, named: str) -> None:
    with pytest.raises(InvalidRequest) as refusal:
        read_moment("--at", text, NOON, BERLIN)

    assert named in str(refusal.value)


def test_times_without_an_offset_are_in_the_zone_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Europe/Berlin")
    tzset()
    try:
        assert read_moment("--at", "yesterday 17:00", NOON) == datetime(2024, 10, 27, 16, tzinfo=UTC)
        for text, what in (("2024-03-31 02:30", "forward"), ("2024-10-27 02:30", "back")):
            with pytest.raises(InvalidRequest, match=f"put {what}"):
                read_moment("--at", text, NOON)
    finally:
        monkeypatch.undo()
        tzset()


@pytest.mark.parametrize("text", ["", "2", "h", "1d", "1:30", "-1h", "1h-5m", "5m 1h", "1e3s", "²h", "1h1h", "1.5h"])
def test_a_duration_that_is_unclear_is_refused(text: str) -> None:
    with pytest.raises(InvalidRequest, match="--estimate"):
        read_duration("--estimate", text)


@pytest.mark.parametrize(
    "command",
    [
        ("start", "TK-2", "--template", "QA", "--at", "soon"),
        ("start", "TK-2", "--template", "QA", "--estimate", "much"),
        ("pause", "--at", "23:00"),
        ("pause", "--at", "2h ago"),
        ("complete", "--at", "tomorrow"),
        ("forgotten", "correct", "--ended-at", "evening"),
    ],
)
def test_a_time_that_cannot_be_is_wrong_usage_and_changes_nothing(command: tuple[str, ...], cli: CommandLine) -> None:
    cli("start", "TK-1", "--template", "QA", "--at", "1h ago")
    before = cli.json("status")

    cli.refused(*command)

    assert cli.json("status") == before


# ------------------------------------------------------------------------------------------------- where it is kept


def test_a_database_and_a_server_are_not_both_taken(cli: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    refused = cli.refused("status", "--server", "http://localhost:1")

    assert "--database and --server: found 'both'" in refused
    monkeypatch.setenv("TIMESTRATA_SERVER", "http://localhost:1")
    assert cli.json("status") == []  # what is given as an option goes before what is set
    monkeypatch.setenv("TIMESTRATA_DATABASE", cli.url)
    result = CliRunner().invoke(app, ["status"])
    assert result.exit_code == 2
    assert "TIMESTRATA_DATABASE and TIMESTRATA_SERVER: found 'both'" in result.stderr


def test_without_the_extra_a_server_is_refused_with_what_to_install(tmp_path: Path) -> None:
    (tmp_path / "httpx2.py").write_text("raise ImportError('No module named httpx2')\n")
    program = "from timestrata.cli import main; main()"
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    found = subprocess.run(
        [sys.executable, "-c", program, "status", "--server", "http://localhost:1"],
        capture_output=True, text=True, env=environment, check=False,
    )  # fmt: skip

    assert found.returncode == 2
    assert "pip install 'timestrata[client]'" in found.stderr
    assert "Traceback" not in found.stderr


@pytest.mark.parametrize("url", ["localhost:8000", "ftp://localhost", "http://", "http://a:b@host", "x"])
def test_the_address_of_a_server_is_checked(url: str) -> None:
    result = CliRunner().invoke(app, ["status", "--server", url])

    assert result.exit_code == 2
    assert "the address of a service" in result.stderr
    assert "a:b" not in result.stderr


def test_every_command_of_work_describes_itself() -> None:
    found: Callable[..., Result] = CliRunner().invoke
    for command in (
        ["start"], ["status"], ["pause"], ["resume"], ["next"], ["complete"], ["cancel"], ["log"], ["forgotten"],
        ["forgotten", "confirm"], ["forgotten", "correct"], ["template", "put"], ["template", "list"],
        ["template", "show"],
    ):  # fmt: skip
        help = found(app, [*command, "--help"])
        assert help.exit_code == 0
        assert "--server" in help.output
        assert "--json" in help.output
