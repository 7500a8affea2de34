"""Every figure of the reference answers once more, from stores whose facts are in the archive and nowhere else.

Facts older than 30 days are sealed and purged, as of the day after the last one: the last weeks are in the tables.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest
import test_reference as reference
from conftest import NOW, SHARED_DATA
from facts_made import cells_of
from fold import stored_receipts

from timestrata import CompletedWorkflow, History, open_history
from timestrata.formats import open_input
from timestrata.formats.jsonl import read_jsonl
from timestrata.retention import RetentionPolicy

pytestmark = pytest.mark.skipif(not SHARED_DATA.exists(), reason=f"no reference data in {SHARED_DATA}")

QUESTIONS: tuple[tuple[Callable[..., None], dict[str, Any]], ...] = (
    (reference.test_summaries_of_all_ranges, {}),
    (reference.test_user_days, {}),
    (reference.test_user_days_by_ticket_type, {}),
    (reference.test_sessions_of_a_day_are_those_that_started_on_it, {}),
    (reference.test_step_statistics, {}),
    (reference.test_percentiles_of_workflows_are_near_the_exact_ones, {}),
    (reference.test_user_averages_as_of_each_date, {}),
    (reference.test_trends, {"bucket": "week", "file": "weekly"}),
    (reference.test_trends, {"bucket": "month", "file": "monthly"}),
    (reference.test_slopes_of_every_monthly_series, {}),
    (reference.test_gap_alerts_of_workflows, {}),
    (reference.test_exactly_120_percent_is_no_gap, {}),
)
"""What is answered from the aggregates."""

DATASET = "cesaw_dev"


class Sealed:
    """A store whose facts are purged; only the lists that exact values are taken from come from one that has them."""

    def __init__(self, history: History, with_facts: History, archive: Path) -> None:
        self.history = history
        self.archive = archive
        self.workflows = with_facts.workflows

    def __getattr__(self, name: str) -> Any:
        return getattr(self.history, name)


def read(name: str) -> list[CompletedWorkflow]:
    with open_input(SHARED_DATA / f"{name}.jsonl.gz") as lines:
        return [entry.workflow for entry in read_jsonl(lines) if entry.workflow is not None]


@pytest.fixture(scope="module")
def workflows() -> list[CompletedWorkflow]:
    return read(DATASET)


@pytest.fixture(scope="module")
def sealed(
    backend: str,
    workflows: list[CompletedWorkflow],
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Sealed]:
    """A store whose old facts are purged, and its archive."""
    folder = tmp_path_factory.mktemp("sealed")
    server = None if backend == "sqlite" else request.getfixturevalue(backend)
    made = None if server is None else server.store()
    url = f"sqlite:///{folder / 'store.db'}" if made is None else made.render_as_string(hide_password=False)
    policy = RetentionPolicy(30, archive=str(folder / "archive"))
    end = max(workflow.completed_at for workflow in workflows) + timedelta(days=1)
    with open_history(url, retention=policy, clock=lambda: end) as history:
        reference.record_all(history, workflows, 1000)
        history.analyze()
        before = cells_of(history)
        done = history.retention.run()
        assert done.ok
        assert cells_of(history) == before
        assert done.completions + len(list(history.facts())) == len(workflows)
        assert done.completions > 0.9 * len(workflows)
    with open_history(url, retention=policy, clock=lambda: NOW) as history, open_history("sqlite://") as with_facts:
        reference.record_all(with_facts, workflows, 5000)
        yield Sealed(history, with_facts, folder / "archive")
    if server is not None:
        server.drop(made)


@pytest.mark.parametrize(
    ("check", "more"), QUESTIONS, ids=[f"{one.__name__}{'-'.join(map(str, more.values()))}" for one, more in QUESTIONS]
)
def test_the_answer_is_the_same_without_the_facts(
    sealed: Sealed, check: Callable[..., None], more: dict[str, Any]
) -> None:
    check(sealed, DATASET, **more)


def test_worked_time_stays_the_active_time_of_everything(sealed: Sealed) -> None:
    reference.test_worked_time_is_the_active_time_of_everything(sealed.history)


def test_an_import_of_what_was_purged_counts_nothing_twice(sealed: Sealed, workflows: list[CompletedWorkflow]) -> None:
    history = sealed.history
    before = cells_of(history), stored_receipts(history)

    reference.record_all(history, workflows, 1000, "replayed")

    assert (cells_of(history), stored_receipts(history)) == before


def test_duckdb_reads_the_same_totals_from_the_archive(sealed: Sealed, workflows: list[CompletedWorkflow]) -> None:
    history = sealed.history
    hot = {(fact.user_id, fact.workflow_id) for fact in history.facts()}
    gone = [one for one in workflows if (one.user_id, one.workflow_id) not in hot]
    query = history.retention.query()
    totals = (
        "SELECT count(*), sum(active_seconds), sum(estimated_seconds), min(day), max(day), count(DISTINCT user_id), "
        f"sum(len(steps)) FROM ({query})"
    )
    steps = (
        f"SELECT sum(step.active_seconds), sum(len(step.sessions)) FROM (SELECT unnest(steps) AS step FROM ({query}))"
    )

    [found] = duckdb.sql(totals).fetchall()
    [of_steps] = duckdb.sql(steps).fetchall()

    days = [one.completed_at.date() for one in gone]
    assert found == (
        len(gone),
        sum(one.active_seconds for one in gone),
        sum(one.estimated_seconds or 0 for one in gone),
        min(days),
        max(days),
        len({one.user_id for one in gone}),
        sum(len(one.steps) for one in gone),
    )
    assert isinstance(found[3], date)
    sessions = sum(len(step.sessions) for one in gone for step in one.steps)
    assert of_steps == (sum(one.active_seconds for one in gone), sessions)
