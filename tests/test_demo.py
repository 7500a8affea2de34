"""The made-up history: the same everywhere, valid, and like a real team's; and the command that shows it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import date, timedelta
from hashlib import blake2b
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from typer.testing import CliRunner

from timestrata import CompletedWorkflow, DateRange, History, open_history
from timestrata.cli import app
from timestrata.demo import DAYS, TEAM, TEMPLATES, UNTIL, Dice, workflows
from timestrata.facts import fingerprint, visits

COUNT = 4825
"""Pinned, as the fingerprint below: other figures are another history, and the README and docs/cli.md show this one."""

FINGERPRINT = "6e19c7187fd59acb937b4f21466c6c18"


@pytest.fixture(scope="module")
def team() -> list[CompletedWorkflow]:
    return list(workflows())


@pytest.fixture(scope="module")
def recorded(team: list[CompletedWorkflow]) -> Iterator[History]:
    with open_history("sqlite://") as history:
        assert history.record(team).count("recorded") == COUNT
        yield history


def test_the_history_is_the_same_everywhere(team: list[CompletedWorkflow]) -> None:
    digest = blake2b(digest_size=16)
    for workflow in team:
        digest.update(fingerprint(workflow))

    assert len(team) == COUNT
    assert digest.hexdigest() == FINGERPRINT


def test_a_second_run_draws_the_same(team: list[CompletedWorkflow]) -> None:
    assert list(workflows()) == team


def test_another_last_day_gives_another_history_of_the_same_length() -> None:
    until = date(2024, 2, 29)

    days = [local_day(workflow) for workflow in workflows(until)]

    assert until - timedelta(days=DAYS - 1) <= min(days) <= until - timedelta(days=DAYS - 4)
    assert max(days) in (until, until - timedelta(days=1))


def test_ids_are_unique_and_workflows_come_in_the_order_of_completion(team: list[CompletedWorkflow]) -> None:
    assert len({workflow.workflow_id for workflow in team}) == COUNT
    assert [workflow.completed_at for workflow in team] == sorted(workflow.completed_at for workflow in team)


def test_it_holds_what_a_real_team_has(team: list[CompletedWorkflow]) -> None:
    assert {workflow.user_id for workflow in team} == {person.user_id for person in TEAM}
    assert {workflow.template for workflow in team} == {template.name for template in TEMPLATES}
    assert {workflow.ticket_type for workflow in team} == {"Bug", "Story", "Task", "Incident"}
    assert len({workflow.timezone for workflow in team}) == 5
    shares = {
        "no estimate": sum(workflow.estimated_seconds is None for workflow in team),
        "pauses": sum(workflow.pause_seconds > 0 for workflow in team),
        "rework": sum(max(visits(workflow).values()) > 1 for workflow in team),
        "more than a day": sum(workflow.started_at.date() != workflow.completed_at.date() for workflow in team),
        "over midnight": sum(over_midnight(workflow) for workflow in team),
        "weekend": sum(local_day(workflow).weekday() >= 5 for workflow in team),
        "Christmas": sum((local_day(workflow).month, local_day(workflow).day) == (12, 25) for workflow in team),
    }
    assert {
        name: round(count / COUNT, 2) for name, count in shares.items()
    } == {"no estimate": 0.08, "pauses": 0.68, "rework": 0.07, "more than a day": 0.47, "over midnight": 0.01,
          "weekend": 0.01, "Christmas": 0.0}  # fmt: skip
    assert not any(workflow.oddities for workflow in team)


def local_day(workflow: CompletedWorkflow) -> date:
    assert workflow.timezone is not None
    return workflow.completed_at.astimezone(ZoneInfo(workflow.timezone)).date()


def over_midnight(workflow: CompletedWorkflow) -> bool:
    zone = ZoneInfo(workflow.timezone or "")
    return any(
        session.started_at.astimezone(zone).date() != session.ended_at.astimezone(zone).date()
        for step in workflow.steps
        for session in step.sessions
    )


def test_a_person_gets_faster_and_a_template_slower(recorded: History) -> None:
    lena = recorded.trend("all_time", "month", "lena").trend
    by_template = recorded.trend("all_time", "month", by="template").by

    assert lena.verdict == "falling"
    assert by_template["Regression test"].trend.verdict == "rising"
    assert by_template["Release check"].trend.verdict == "no evidence of change"


def test_estimates_are_honest_and_optimistic(recorded: History) -> None:
    ratios = {person.user_id: recorded.summary("all_time", person.user_id).estimate_ratio or 0 for person in TEAM}

    assert max(ratios, key=lambda user: ratios[user]) == "chidi"
    assert ratios["chidi"] > 1.15
    assert 0.85 < ratios["priya"] < 1.05


def test_a_day_s_work_fits_into_a_day(recorded: History) -> None:
    worked = Counter[tuple[str, date]]()
    for row in recorded.daily(DateRange()):
        worked[row.user_id, row.day] += row.worked_seconds

    assert max(worked.values()) < 11 * 3600
    assert 3 * 3600 < sum(worked.values()) / len(worked) < 5 * 3600


def test_dice_need_nothing_that_differs_between_platforms() -> None:
    dice = Dice("test")

    drawn = [dice.between(1, 6), dice.between(1, 6), dice.index((1, 0, 3)), dice.chance(0.5), dice.factor(0.4)]

    assert drawn == [4, 5, 2, False, 0.8074319086480133]
    assert {Dice(str(seed)).between(2, 4) for seed in range(50)} == {2, 3, 4}


def test_demo_twice_records_once_and_shows_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    monkeypatch.setenv("TIMESTRATA_DATABASE", str(tmp_path / "precious.db"))
    monkeypatch.delenv("COLUMNS", raising=False)

    first = CliRunner().invoke(app, ["demo"])
    second = CliRunner().invoke(app, ["demo"])

    assert (first.exit_code, second.exit_code) == (0, 0)
    assert f"{COUNT:,} workflows recorded in" in first.stderr
    assert "0 workflows recorded in" in second.stderr
    assert f"{COUNT:,} were there already" in second.stderr
    assert first.stdout == second.stdout
    for part in ("Summary: all users", "Trend by month", "Slowest steps", "Try next:", f"demo-{UNTIL}.db"):
        assert part in first.stdout
    assert not (tmp_path / "precious.db").exists()


def test_demo_stays_out_of_a_real_history(tmp_path: Path, team: list[CompletedWorkflow]) -> None:
    place = f"sqlite:///{tmp_path / 'real.db'}"
    with open_history(place) as history:
        history.set_timezone("ada", "Europe/Berlin")

    result = CliRunner().invoke(app, ["demo", "--database", place])

    assert result.exit_code == 2
    assert "want a database of its own" in result.stderr
    with open_history(place) as history:
        assert history.summary("all_time").completed == 0


def test_demo_until_another_day_is_not_mixed_into_one_database(tmp_path: Path, team: list[CompletedWorkflow]) -> None:
    place = f"sqlite:///{tmp_path / 'demo.db'}"
    with open_history(place) as history:
        history.record(team[:300])

    result = CliRunner().invoke(app, ["demo", "--database", place, "--until", "2024-06-30"])

    assert result.exit_code == 2
    assert "holds a demo until another day" in result.stderr
    with open_history(place) as history:
        assert history.summary("all_time").completed == 300
