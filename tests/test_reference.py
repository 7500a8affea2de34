"""Every figure of the reference answers, from the real data in ../shared/data; skipped where that folder is absent.

The answers were computed by two independent programs; their definitions are in ../shared/data/ANSWERS.md.
"""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, date, datetime, timedelta
from hashlib import sha256
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from random import Random
from typing import Any

import pytest
from conftest import NOW, SHARED_DATA, Server
from facts_made import assert_in_step, batches, cells_of, dump
from sqlalchemy import URL

from timestrata import Alert, CompletedWorkflow, DateRange, History, WorkflowRow, open_history
from timestrata.answers import Figures, Series, TrendPoint
from timestrata.calendar import Bucket, bucket_start, next_bucket
from timestrata.formats import open_input
from timestrata.formats.jsonl import read_jsonl

pytestmark = pytest.mark.skipif(not SHARED_DATA.exists(), reason=f"no reference data in {SHARED_DATA}")

SYNTH = "synth_dev_20k_seed1"
SETS = ("sip", "cesaw_dev", SYNTH)
REAL_SETS = ("sip", "cesaw_dev")
ALERTS_A_PAGE = 10_000


# ------------------------------------------------------------------------------------------------------ the data


@pytest.fixture(scope="session")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], list[CompletedWorkflow]]:
    """A function that reads a set, once."""
    read: dict[str, list[CompletedWorkflow]] = {}

    def workflows(name: str) -> list[CompletedWorkflow]:
        if name not in read:
            path = SHARED_DATA / f"{name}.jsonl.gz" if name != SYNTH else generated(tmp_path_factory.mktemp("synth"))
            with open_input(path) as lines:
                entries = list(read_jsonl(lines))
            assert [entry.refusal for entry in entries if entry.workflow is None] == []
            read[name] = [entry.workflow for entry in entries if entry.workflow is not None]
        return read[name]

    return workflows


def generated(folder: Path) -> Path:
    """Generate the synthetic set, as ANSWERS.md says; skip where the generator cannot run."""
    missing = [package for package in ("numpy", "polars", "pyarrow") if find_spec(package) is None]
    if missing:
        pytest.skip(f"synth.py needs {', '.join(missing)}: install the group bench")
    sizes = {"--n": 20_000, "--users": 40, "--templates": 8, "--steps": 5, "--days": 500, "--seed": 1}
    options = [str(part) for option in sizes.items() for part in option]
    command = [sys.executable, str(SHARED_DATA / "synth.py"), *options, "--sessions", "--format", "jsonl", "--out"]
    subprocess.run([*command, str(folder)], check=True, capture_output=True)
    return next(folder.rglob("*.jsonl*"))


@pytest.fixture(scope="session")
def new_store(
    backend: str, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[], History]]:
    """A function that opens one more empty store, for the whole session."""
    opened: list[History] = []
    folder = tmp_path_factory.mktemp("reference")
    server: Server | None = None if backend == "sqlite" else request.getfixturevalue(backend)
    urls: list[URL] = []

    def make() -> History:
        if server is None:
            url = f"sqlite:///{folder / str(len(opened))}.db"
        else:
            urls.append(server.store())
            url = urls[-1].render_as_string(hide_password=False)
        opened.append(open_history(url, clock=lambda: NOW))
        return opened[-1]

    yield make
    for history in opened:
        history.close()
    if server is not None:
        for url in urls:
            server.drop(url)


@pytest.fixture(scope="session")
def imported(
    new_store: Callable[[], History], inputs: Callable[[str], list[CompletedWorkflow]]
) -> Callable[[str], History]:
    """A function that returns the store of a set, imported in its own order in batches of 1,000."""
    stores: dict[str, History] = {}

    def store(name: str) -> History:
        if name not in stores:
            workflows = inputs(name)
            stores[name] = new_store()
            record_all(stores[name], workflows, 1000)
            stores[name].analyze()
        return stores[name]

    return store


@pytest.fixture(scope="session")
def dumps(
    imported: Callable[[str], History], facts_of: Callable[[str], list[CompletedWorkflow]]
) -> Callable[[str], str]:
    """A function that returns the dump of the store of a set."""
    texts: dict[str, str] = {}

    def text(name: str) -> str:
        if name not in texts:
            texts[name] = dump(imported(name), facts_of(name))
        return texts[name]

    return text


@pytest.fixture(scope="session")
def dump_in_memory(inputs: Callable[[str], list[CompletedWorkflow]]) -> Callable[[str], str]:
    """A function that returns the dump of a set from SQLite in memory: what every database is compared with."""
    texts: dict[str, str] = {}

    def text(name: str) -> str:
        if name not in texts:
            with open_history("sqlite://", clock=lambda: NOW) as history:
                record_all(history, reversed(inputs(name)), 5000)
                texts[name] = dump(history)
        return texts[name]

    return text


@pytest.fixture(scope="session")
def facts_of(imported: Callable[[str], History]) -> Callable[[str], list[CompletedWorkflow]]:
    """A function that returns the facts of the store of a set, read once."""
    read: dict[str, list[CompletedWorkflow]] = {}

    def facts(name: str) -> list[CompletedWorkflow]:
        if name not in read:
            read[name] = list(imported(name).facts())
        return read[name]

    return facts


def record_all(history: History, workflows: Iterable[CompletedWorkflow], size: int, status: str = "recorded") -> None:
    for batch in batches(workflows, size):
        found = {outcome.status for outcome in history.record(batch)}
        assert found == {status}


def answers(name: str, file: str) -> Any:
    with gzip.open(SHARED_DATA / "answers" / name / f"{file}.json.gz") as stream:
        return json.load(stream)


@pytest.fixture(params=SETS)
def dataset(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def history(dataset: str, imported: Callable[[str], History]) -> History:
    return imported(dataset)


@pytest.fixture
def facts(dataset: str, facts_of: Callable[[str], list[CompletedWorkflow]]) -> list[CompletedWorkflow]:
    return facts_of(dataset)


# -------------------------------------------------------------------------------------------------- summaries


def listed(history: History, dates: DateRange) -> list[WorkflowRow]:
    """Return every workflow of a range from its pages."""
    rows: list[WorkflowRow] = []
    after = None
    while True:
        page = history.workflows(dates, limit=7000, after=after)
        rows.extend(page)
        after = page.next
        if after is None:
            return rows


def totals_of(rows: Iterable[WorkflowRow]) -> dict[str, Any]:
    found = list(rows)
    estimates = [row.estimated_seconds for row in found if row.estimated_seconds is not None]
    active = sum(row.active_seconds for row in found)
    return {
        "workflows": len(found),
        "users": len({row.user_id for row in found}),
        "tickets": len({row.ticket_key for row in found}),
        "actual_seconds": active,
        "with_estimate": len(estimates),
        "estimated_seconds": sum(estimates) if estimates else None,
        "mean_actual_seconds": pytest.approx(active / len(found), rel=1e-9) if found else None,
    }


def totals_in(figures: Figures) -> dict[str, Any]:
    mean = figures.mean_seconds
    return {
        "workflows": figures.completed,
        "users": figures.users,
        "actual_seconds": figures.active_seconds,
        "with_estimate": figures.with_estimate,
        "estimated_seconds": figures.estimated_seconds if figures.with_estimate else None,
        "mean_actual_seconds": mean if mean is None else pytest.approx(mean, rel=1e-9),
    }


def without_tickets(totals: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in totals.items() if name != "tickets"}


def range_of(given: dict[str, Any]) -> DateRange:
    if given["kind"] == "unbounded":
        return DateRange()
    return DateRange.parse(given["from_date"], given["to_date"])


def test_summaries_of_all_ranges(history: History, dataset: str) -> None:
    ranges = answers(dataset, "totals")
    assert set(ranges) == {"all", "new_year", "single_day", "past_end", "empty", "instants"}
    for name, wanted in ranges.items():
        if name == "instants":
            continue
        summary = history.summary(range_of(wanted["range"]))
        assert totals_in(summary) == without_tickets(wanted["total"]), name
        by_type = {kind: totals_in(figures) for kind, figures in summary.by_ticket_type.items() if figures.completed}
        assert by_type == {kind: without_tickets(totals) for kind, totals in wanted["by_ticket_type"].items()}, name


def test_lists_of_all_ranges(history: History, dataset: str) -> None:
    for name, wanted in answers(dataset, "totals").items():
        if name == "instants":
            start, end = (datetime.fromisoformat(wanted["range"][key]) for key in ("from_instant", "to_instant"))
            days = DateRange(start.date(), end.date())
            rows = [row for row in listed(history, days) if start <= row.completed_at < end]
        else:
            rows = listed(history, range_of(wanted["range"]))
        assert totals_of(rows) == wanted["total"], name
        by_type = defaultdict(list)
        for row in rows:
            by_type[row.ticket_type].append(row)
        assert {kind: totals_of(found) for kind, found in by_type.items()} == wanted["by_ticket_type"], name


def test_counts_of_the_whole_set(history: History, dataset: str, facts: list[CompletedWorkflow]) -> None:
    wanted = answers(dataset, "summary")

    assert len(facts) == wanted["workflows"]
    assert sum(len(fact.steps) for fact in facts) == wanted["steps"]
    assert sum(len(step.sessions) for fact in facts for step in fact.steps) == wanted["sessions"]
    assert sum(fact.active_seconds for fact in facts) == wanted["actual_seconds"]
    assert len(history.users()) == wanted["users"]


# ---------------------------------------------------------------------------------------------------- days


def test_user_days(history: History, dataset: str) -> None:
    sums: dict[tuple[str, date], list[int]] = defaultdict(lambda: [0, 0, 0, 0])
    for row in history.daily("all_time"):
        values = (row.completed, row.active_seconds, row.with_estimate, row.estimated_seconds)
        sums[row.user_id, row.day] = [a + b for a, b in zip(sums[row.user_id, row.day], values, strict=True)]

    found = [
        [user, str(day), done, active, estimated if with_estimate else None]
        for (user, day), (done, active, with_estimate, estimated) in sorted(sums.items())
        if done
    ]

    assert found == answers(dataset, "user_day")["rows"]


def test_user_days_by_ticket_type(history: History, dataset: str) -> None:
    found = [
        [row.user_id, str(row.day), row.ticket_type, row.completed, row.active_seconds]
        for row in history.daily("all_time")
        if row.completed
    ]

    assert found == answers(dataset, "user_day_type")["rows"]


def test_session_days(dataset: str, facts: list[CompletedWorkflow]) -> None:
    if dataset == "sip":
        pytest.skip("sip has no sessions")
    sums: dict[tuple[str, date], list[int]] = defaultdict(lambda: [0, 0])
    for fact in facts:
        for session in (session for step in fact.steps for session in step.sessions):
            day = sums[fact.user_id, session.started_at.astimezone(UTC).date()]
            day[0] += 1
            day[1] += session.active_seconds

    found = [[user, str(day), *values] for (user, day), values in sorted(sums.items())]

    assert found == answers(dataset, "session_day")["rows"]


def test_sessions_of_a_day_are_those_that_started_on_it(history: History, dataset: str) -> None:
    if dataset == "sip":
        pytest.skip("sip has no sessions")
    sums: dict[tuple[str, date], int] = defaultdict(int)
    for row in history.daily("all_time"):
        sums[row.user_id, row.day] += row.sessions

    found = [[user, str(day), sessions] for (user, day), sessions in sorted(sums.items()) if sessions]

    assert found == [row[:3] for row in answers(dataset, "session_day")["rows"]]


def test_worked_time_is_the_active_time_of_everything(history: History) -> None:
    summary = history.summary("all_time")

    assert summary.worked_seconds == summary.active_seconds


# ---------------------------------------------------------------------------------------------------- steps


def test_step_statistics(history: History, dataset: str) -> None:
    report = {(step.template, step.step_index, step.step_name): step for step in history.steps("all_time")}

    wanted = answers(dataset, "step_stats")

    assert len(wanted) == len(report)
    for one in wanted:
        found = report[one["template"], one["step_index"], one["step_name"]]
        exact = (found.completed, found.active_seconds, found.min_seconds, found.max_seconds, found.with_estimate)
        assert exact == (one["n"], one["sum"], one["min"], one["max"], one["n_with_estimate"])
        assert (found.estimated_seconds if found.with_estimate else None) == one["sum_estimate"]
        assert found.mean_seconds == pytest.approx(one["mean"], rel=1e-9)
        assert found.stddev_seconds == (
            None if one["stddev_samp"] is None else pytest.approx(one["stddev_samp"], rel=1e-9)
        )
        assert_near(found.p50_seconds, one["p50_nearest_rank"])
        assert_near(found.p90_seconds, one["p90_nearest_rank"])


def assert_near(found: int | None, exact: int) -> None:
    assert found is not None
    assert abs(found - exact) * 256 <= exact


def test_percentiles_of_workflows_are_near_the_exact_ones(history: History, dataset: str) -> None:
    values = sorted(row.active_seconds for row in listed(history, DateRange()))
    summary = history.summary("all_time")

    for percent in (25, 50, 75, 80, 90):
        exact = values[-(-len(values) * percent // 100) - 1]
        assert_near(getattr(summary, f"p{percent}_seconds"), exact)


# ----------------------------------------------------------------------------------------------- averages


def averages_in(figures: Figures) -> dict[str, Any]:
    estimate = figures.mean_estimated_seconds
    return {
        "workflows": figures.completed,
        "actual_seconds": figures.active_seconds,
        "mean_actual_seconds": pytest.approx(figures.mean_seconds, rel=1e-9),
        "with_estimate": figures.with_estimate,
        "mean_estimated_seconds": None if estimate is None else pytest.approx(estimate, rel=1e-9),
    }


def averages_of(facts: Iterable[CompletedWorkflow]) -> dict[str, Any]:
    found = list(facts)
    estimates = [fact.estimated_seconds for fact in found if fact.estimated_seconds is not None]
    active = sum(fact.active_seconds for fact in found)
    return {
        "workflows": len(found),
        "actual_seconds": active,
        "mean_actual_seconds": pytest.approx(active / len(found), rel=1e-9),
        "with_estimate": len(estimates),
        "mean_estimated_seconds": pytest.approx(sum(estimates) / len(estimates), rel=1e-9) if estimates else None,
    }


def test_user_averages_as_of_each_date(history: History, dataset: str) -> None:
    for day, wanted in answers(dataset, "user_averages").items():
        reports = {user: history.averages(user, date.fromisoformat(day)) for user in history.users()}
        all_time = {
            user: averages_in(report.total.all_time)
            for user, report in reports.items()
            if report.total.all_time.completed
        }
        rolling = {
            user: averages_in(report.total.rolling_30_days)
            for user, report in reports.items()
            if report.total.rolling_30_days.completed
        }
        assert all_time == wanted["all_time"]["users"], day
        assert rolling == wanted["rolling_30d"]["users"], day


def test_thirty_days_before_a_midnight(history: History, dataset: str) -> None:
    for day, wanted in answers(dataset, "user_averages").items():
        window = wanted["alt_rolling_30d_before_midnight"]
        start, end = (datetime.fromisoformat(window[key]) for key in ("from", "to_exclusive"))
        by_user = defaultdict(list)
        for fact in history.facts(DateRange(start.date(), end.date() - timedelta(days=1))):
            assert start <= fact.completed_at < end
            by_user[fact.user_id].append(fact)
        assert {user: averages_of(facts) for user, facts in by_user.items()} == window["users"], day


# ------------------------------------------------------------------------------------------------- trends


def full_range(points: list[dict[str, Any]], bucket: Bucket) -> DateRange:
    """Return the days of all buckets of an answer, so that none is cut."""
    last = next_bucket(date.fromisoformat(points[-1]["bucket_start"]), bucket)
    return DateRange(date.fromisoformat(points[0]["bucket_start"]), last - timedelta(days=1))


@pytest.mark.parametrize(("bucket", "file"), [("day", "daily_nonempty"), ("week", "weekly"), ("month", "monthly")])
def test_trends(history: History, dataset: str, bucket: Bucket, file: str) -> None:
    wanted = answers(dataset, "trends")[file]
    dates = full_range(wanted, bucket)
    rest: dict[date, list[Any]] = defaultdict(lambda: [set(), 0, 0])
    for row in history.daily(dates):
        one = rest[bucket_start(row.day, bucket)]
        if row.completed:
            one[0].add(row.user_id)
        one[1] += row.with_estimate
        one[2] += row.estimated_seconds

    def told(point: TrendPoint) -> dict[str, Any]:
        users, with_estimate, estimated = rest[point.bucket]
        return {
            "bucket_start": str(point.bucket),
            "workflows": point.completed,
            "users": len(users),
            "actual_seconds": point.active_seconds,
            "mean_actual_seconds": point.mean_seconds and pytest.approx(point.mean_seconds, rel=1e-9),
            "with_estimate": with_estimate,
            "estimated_seconds": estimated if with_estimate else None,
            "gap_alerts": point.gap_alerts,
        }

    points = history.trend(dates, bucket).points

    assert not any(point.partial for point in points)
    assert [told(point) for point in points if point.completed or bucket != "day"] == wanted


VERDICTS = {"increasing": "rising", "decreasing": "falling", "no trend": "no evidence of change"}


def assert_slopes(series: Series, wanted: dict[str, Any]) -> None:
    trend = series.trend
    assert (trend.buckets, trend.mann_kendall_s) == (wanted["n"], wanted["mk_s"])
    for found, name in (
        (trend.slope, "ols_slope_per_month"),
        (trend.intercept, "ols_intercept"),
        (trend.r_squared, "ols_r2"),
        (trend.theil_sen_slope, "theil_sen_slope_per_month"),
        (trend.mann_kendall_variance, "mk_var_s"),
        (trend.mann_kendall_z, "mk_z"),
        (trend.p_value, "mk_p_two_sided"),
    ):
        assert found == pytest.approx(wanted[name], rel=1e-9), name
    assert trend.verdict == VERDICTS[wanted["mk_trend_alpha_0.05"]]


def test_slopes_of_every_monthly_series(history: History, dataset: str) -> None:
    wanted = answers(dataset, "slopes")
    dates = full_range(answers(dataset, "trends")["monthly"], "month")
    assert str(dates.first)[:7] == wanted["first_month"]
    assert wanted["x"] == "months since first_month"
    by_type = history.trend(dates, "month", by="ticket_type")
    by_template = history.trend(dates, "month", by="template")
    totals = {
        "mean_actual_seconds": by_type.total,
        "total_actual_seconds_zero_filled": history.trend(dates, "month", measure="active_seconds").total,
        "actual_over_estimate": history.trend(dates, "month", measure="estimate_ratio").total,
    }

    for name, slopes in wanted["series"].items():
        match name.split("|", 2):
            case ["mean_actual_seconds", "ticket_type", kind]:
                series = by_type.by[kind]
            case ["mean_actual_seconds", "template", template]:
                series = by_template.by[template]
            case ["mean_actual_seconds", "user", user]:
                series = history.trend(dates, "month", user).total
            case _:
                series = totals[name]
        assert_slopes(series, slopes)


# --------------------------------------------------------------------------------------------- gap alerts


def split_alerts(history: History, kind: Any) -> list[Alert]:
    """Return all alerts of a kind, user by user: no answer may be cut by its limit."""
    found: list[Alert] = []
    for user in history.users():
        one = history.alerts(user_id=user, kind=kind, limit=ALERTS_A_PAGE)
        assert len(one) < ALERTS_A_PAGE
        found.extend(one)
    return found


def test_gap_alerts_of_workflows(history: History, dataset: str) -> None:
    wanted = answers(dataset, "gap_alerts")["workflow"]

    alerts = split_alerts(history, "workflow")

    ids = sorted(alert.workflow_id for alert in alerts)
    assert len(ids) == wanted["alerts"]
    assert ids[:50] == wanted["alert_ids_first_50"]
    assert sha256("\n".join(ids).encode()).hexdigest() == wanted["alert_ids_sha256"]
    assert history.summary("all_time").gap_alerts == wanted["alerts"]
    for field, by in (("ticket_type", "by_ticket_type"), ("user_id", "by_user"), ("template", "by_template")):
        eligible: dict[str, int] = defaultdict(int)
        count: dict[str, int] = defaultdict(int)
        for row in listed(history, DateRange()):
            eligible[getattr(row, field)] += row.estimated_seconds is not None
        for alert in alerts:
            count[getattr(alert, field)] += 1
        assert {key: {"eligible": eligible[key], "alerts": count[key]} for key in eligible} == wanted[by]


def test_exactly_120_percent_is_no_gap(history: History, dataset: str) -> None:
    wanted = answers(dataset, "gap_alerts")["workflow"]
    alerts = {(alert.user_id, alert.workflow_id) for alert in split_alerts(history, "workflow")}
    rows = listed(history, DateRange())

    ties = [row for row in rows if row.estimated_seconds and row.active_seconds * 5 == row.estimated_seconds * 6]

    assert sorted(row.workflow_id for row in ties)[:200] == wanted["exact_tie_ids_first_200"]
    assert len(ties) == wanted["exactly_120_percent_not_alerted"]
    assert alerts.isdisjoint((row.user_id, row.workflow_id) for row in ties)
    assert not any(row.gap_alert for row in ties)
    assert alerts == {(row.user_id, row.workflow_id) for row in rows if row.gap_alert}
    assert (len(rows), sum(row.estimated_seconds is not None for row in rows)) == (
        wanted["workflows"],
        wanted["eligible"],
    )
    assert wanted["zero_estimate"] == 0


def test_gap_alerts_of_steps(history: History, dataset: str, facts: list[CompletedWorkflow]) -> None:
    wanted = answers(dataset, "gap_alerts")["step"]
    steps = [step for fact in facts for step in fact.steps]
    ties = [step for step in steps if step.estimated_seconds and step.active_seconds * 5 == step.estimated_seconds * 6]

    report = history.steps("all_time").steps

    assert len(split_alerts(history, "step")) == wanted["alerts"]
    assert sum(step.gap_alerts for step in report) == wanted["alerts"]
    assert sum(step.with_estimate for step in report) == wanted["eligible"]
    assert sum(step.completed for step in report) == wanted["steps"] == len(steps)
    assert len(ties) == wanted["exactly_120_percent_not_alerted"]


def test_gaps_at_other_thresholds(history: History, dataset: str) -> None:
    rows = [row for row in listed(history, DateRange()) if row.estimated_seconds]

    for percent, wanted in answers(dataset, "gap_alerts")["workflow_alerts_by_threshold"].items():
        share = int(percent.rstrip("%"))
        found = sum(row.active_seconds * 100 > (row.estimated_seconds or 0) * share for row in rows)
        assert found == wanted, percent


# -------------------------------------------------------------------- any order, any batches, either database


def test_cells_are_the_fold_of_the_facts(history: History) -> None:
    assert_in_step(history)


def test_facts_come_back_as_they_were_read(
    dataset: str, facts: list[CompletedWorkflow], inputs: Callable[[str], list[CompletedWorkflow]]
) -> None:
    by_id = {(fact.user_id, fact.workflow_id): fact for fact in inputs(dataset)}

    for fact in facts:
        wanted = by_id.pop((fact.user_id, fact.workflow_id))
        assert fact.timezone == (wanted.timezone or "UTC")
        assert (fact.steps, fact.attributes) == (wanted.steps, wanted.attributes)
        assert (fact.started_at, fact.completed_at) == (wanted.started_at, wanted.completed_at)

    assert by_id == {}


@pytest.mark.parametrize("name", REAL_SETS)
def test_importing_again_changes_nothing(
    name: str,
    imported: Callable[[str], History],
    inputs: Callable[[str], list[CompletedWorkflow]],
    dumps: Callable[[str], str],
) -> None:
    before = dumps(name)

    record_all(imported(name), inputs(name), 1000, "replayed")

    assert dump(imported(name)) == before


@pytest.mark.parametrize("name", REAL_SETS)
def test_shuffled_in_batches_of_seven_gives_the_same_store(
    name: str,
    new_store: Callable[[], History],
    inputs: Callable[[str], list[CompletedWorkflow]],
    dumps: Callable[[str], str],
) -> None:
    shuffled = list(inputs(name))
    Random(7).shuffle(shuffled)
    other = new_store()

    record_all(other, shuffled, 7)

    assert dump(other) == dumps(name)


def test_one_by_one_gives_the_same_store(
    new_store: Callable[[], History], inputs: Callable[[str], list[CompletedWorkflow]]
) -> None:
    some = [fact for name in REAL_SETS for fact in islice(inputs(name), 0, None, 12)]
    shuffled = sorted(some, key=lambda fact: sha256(fact.workflow_id.encode()).digest())
    together, apart = new_store(), new_store()

    record_all(together, some, 1000)
    for fact in shuffled:
        assert apart.record(fact).status == "recorded"

    assert cells_of(apart) == cells_of(together)
    assert dump(apart) == dump(together)


def test_every_database_holds_the_same(
    dataset: str, dumps: Callable[[str], str], dump_in_memory: Callable[[str], str]
) -> None:
    assert dumps(dataset).encode() == dump_in_memory(dataset).encode()
