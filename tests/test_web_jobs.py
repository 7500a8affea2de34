"""The schedule in the service: what runs by itself, what admins see, what is told to those who watch."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from client_service import client_of
from conftest import NOW
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import text
from test_jobs import NIGHT, NIGHTLY, Clock, never_beats, until
from test_serve import serving
from web_client import QUIET, Served, served

from timestrata import History, open_history
from timestrata.access import SCOPES
from timestrata.client import ServiceRefused
from timestrata.jobs import JobContext, JobDefinition, JobFailed, Jobs
from timestrata.web import Config

Actions = dict[str, Callable[[JobContext], Mapping[str, object]]]


@dataclass
class Seconds:
    """Seconds that pass when they are told to."""

    now: float = 100.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Scheduled:
    """A history with two jobs, that can be served."""

    history: History
    clock: Clock = field(default_factory=Clock)
    seconds: Seconds = field(default_factory=Seconds)
    actions: Actions = field(
        default_factory=lambda: {name: lambda context: {"ok": True} for name in ("retention", "audit")}
    )

    def __post_init__(self) -> None:
        named = [JobDefinition(name, NIGHTLY, self._action(name)) for name in self.actions]
        self.jobs = Jobs(self.history.tracking._transactions, self.clock, named, holder="here", wait=never_beats)
        self.history.jobs = self.jobs

    def _action(self, name: str) -> Callable[[JobContext], Mapping[str, object]]:
        return lambda context: self.actions[name](context)

    def served(self, config: Config = QUIET) -> AbstractContextManager[Served]:
        return served(self.history, replace(config, monotonic=self.seconds))


@pytest.fixture
def scheduled(history: History) -> Scheduled:
    return Scheduled(history)


def figures(one: Served) -> dict[tuple[str, str | None], float]:
    """Return the figures of jobs, by name and job."""
    return {
        (sample.name.removeprefix("timestrata_"), sample.labels.get("job")): sample.value
        for family in text_string_to_metric_families(one.anyone().get("/metrics").text)
        for sample in family.samples
        if sample.name.startswith(("timestrata_job_", "timestrata_verified"))
    }


# ------------------------------------------------------------------------------------------------------------ the loop


def test_what_is_due_runs_while_the_service_does(scheduled: Scheduled) -> None:
    scheduled.jobs.run_due()
    scheduled.clock.now = NIGHT
    ran = Event()
    scheduled.actions["audit"] = lambda context: ran.set() or {}  # type: ignore[func-returns-value]

    with scheduled.served(replace(QUIET, jobs_seconds=3600)) as one:
        one.run(asyncio.to_thread(ran.wait, 30))

    assert [state.outcome for state in scheduled.jobs.states()] == ["ok", "ok"]


def test_jobs_are_looked_at_again_and_again(scheduled: Scheduled) -> None:
    with scheduled.served(replace(QUIET, jobs_seconds=0.001)) as one:
        one.run(asyncio.to_thread(until, lambda: scheduled.jobs.states()[0].next_run_at is not None))
        scheduled.clock.now = NIGHT
        one.run(asyncio.to_thread(until, lambda: scheduled.jobs.states()[1].outcome == "ok"))


def test_a_service_that_is_not_told_so_runs_nothing(scheduled: Scheduled) -> None:
    scheduled.jobs.run_due()
    scheduled.clock.now = NIGHT

    with scheduled.served() as one:
        assert one.anyone().get("/health").status_code == 200

    assert [state.outcome for state in scheduled.jobs.states()] == [None, None]


def test_the_end_of_the_service_stops_the_job_that_runs_and_begins_no_other(scheduled: Scheduled) -> None:
    scheduled.jobs.run_due()
    scheduled.clock.now = NIGHT
    begun = Event()

    def long(context: JobContext) -> Mapping[str, object]:
        begun.set()
        until(context.should_stop)
        return {"stopped": True}

    scheduled.actions["retention"] = long
    with scheduled.served(replace(QUIET, jobs_seconds=3600)) as one:
        one.run(asyncio.to_thread(begun.wait, 30))
        assert one.anyone().get("/health").status_code == 200  # requests are answered meanwhile

    assert [(state.outcome, state.running) for state in scheduled.jobs.states()] == [(None, False)] * 2
    assert {state.next_run_at for state in scheduled.jobs.states()} == {NIGHT}


def test_a_database_that_fails_does_not_end_the_schedule(scheduled: Scheduled, history: History) -> None:
    log = io.StringIO()
    config = replace(QUIET, jobs_seconds=0.001, log_format="json", log_file=log, log_within_seconds=0)
    with history.engine.connect() as connection, connection.begin():
        connection.execute(text("ALTER TABLE ts_job RENAME TO ts_job_away"))

    with scheduled.served(config) as one:
        one.run(asyncio.to_thread(until, lambda: "schedule not kept" in log.getvalue()))
        with history.engine.connect() as connection, connection.begin():
            connection.execute(text("ALTER TABLE ts_job_away RENAME TO ts_job"))
        one.run(asyncio.to_thread(until, lambda: scheduled.jobs.states()[0].next_run_at is not None))


def test_jobs_are_logged_as_they_begin_and_end(scheduled: Scheduled) -> None:
    scheduled.jobs.run_due()
    scheduled.clock.now = NIGHT
    log = io.StringIO()

    def failing(context: JobContext) -> Mapping[str, object]:
        secret = "hunter2"
        raise RuntimeError(f"failed after {len(secret)}")

    def slow(context: JobContext) -> Mapping[str, object]:
        scheduled.clock.put_on(minutes=2)
        return {"rows": 3}

    scheduled.actions |= {"retention": slow, "audit": failing}
    config = replace(QUIET, jobs_seconds=3600, log_format="json", log_file=log, log_within_seconds=0)
    with scheduled.served(config) as one:
        one.run(asyncio.to_thread(until, lambda: "job failed" in log.getvalue()))

    lines = [json.loads(line) for line in log.getvalue().splitlines()]
    assert [(line["event"], line["job"], line["level"]) for line in lines] == [
        ("job started", "retention", "info"),
        ("job done", "retention", "info"),
        ("job started", "audit", "info"),
        ("job failed", "audit", "error"),
    ]
    assert (lines[1]["seconds"], lines[1]["result"]) == (120, {"rows": 3})
    assert lines[1]["holder"] == lines[0]["holder"]
    assert lines[3]["exception"][0]["exc_type"] == "RuntimeError"
    assert "hunter2" not in log.getvalue()


def test_of_many_workers_one_runs_what_was_missed(tmp_path: Path) -> None:
    file = str(tmp_path / "store.db")
    with open_history(f"sqlite:///{file}", clock=lambda: NOW) as history:
        history.jobs.run_due()  # years ago: everything is due
        names = [definition.name for definition in history.jobs.definitions]

    with serving(tmp_path, file, "--workers", "3") as server:
        until(lambda: server.errors.read_text().count('"job done"') == len(names))
        code, log = server.stop()

    assert sorted(line["job"] for line in log if line["event"] == "job started") == sorted(names)
    assert code == 0


# ------------------------------------------------------------------------------------------------------------- admins


@pytest.mark.parametrize("scope", SCOPES)
def test_only_admins_see_the_jobs(scheduled: Scheduled, scope: str) -> None:
    with scheduled.served() as one:
        answer = one.client(scope, user="ada").get("/api/v1/admin/jobs")

    assert answer.status_code == (200 if scope == "admin" else 403)
    assert ("retention" in answer.text) == (scope == "admin")


def test_an_admin_sees_how_the_jobs_stand(scheduled: Scheduled) -> None:
    scheduled.jobs.run_due()
    scheduled.clock.now = NIGHT
    scheduled.jobs.run("retention")
    with scheduled.served() as one:
        found = one.client("admin").get("/api/v1/admin/jobs").json()

    assert found["jobs"][0] == {
        "name": "retention",
        "schedule": NIGHTLY,
        "next_run_at": "2024-06-17T02:30:00Z",
        "running": False,
        "holder": None,
        "started_at": "2024-06-16T02:30:00Z",
        "finished_at": "2024-06-16T02:30:00Z",
        "outcome": "ok",
        "result": {"ok": True},
        "succeeded_at": "2024-06-16T02:30:00Z",
    }
    assert found["jobs"][1]["outcome"] is None


# ------------------------------------------------------------------------------------------------ health and metrics


def test_health_tells_of_the_last_verification(scheduled: Scheduled) -> None:
    with scheduled.served() as one:
        before = one.anyone().get("/health").json()
        scheduled.jobs.run("audit")
        one.run(settled(one))
        at_once = one.anyone().get("/health").json()
        scheduled.seconds.now += 10
        one.run(settled(one))
        later = one.anyone().get("/health").json()

    assert before["verified"] is at_once["verified"] is None
    assert later["verified"] == {"at": "2024-06-15T12:00:00Z", "ok": True}


async def settled(one: Served) -> None:
    """Let what is looked up for /health come in."""
    schedule = one.service.schedule
    await schedule.verified()
    assert schedule._looking is not None
    await schedule._looking


def test_health_tells_of_a_verification_that_failed(scheduled: Scheduled) -> None:
    def damaged(context: JobContext) -> Mapping[str, object]:
        raise JobFailed({"ok": False})

    scheduled.actions["audit"] = damaged
    scheduled.jobs.run("audit")

    with scheduled.served() as one:
        assert one.anyone().get("/health").json()["verified"]["ok"] is False


def test_health_tells_what_it_knew_when_it_cannot_look_it_up(scheduled: Scheduled, history: History) -> None:
    scheduled.jobs.run("audit")
    with scheduled.served() as one:
        before = one.anyone().get("/health").json()
        with history.engine.connect() as connection, connection.begin():
            connection.execute(text("ALTER TABLE ts_job RENAME TO ts_job_away"))
        scheduled.seconds.now += 10
        one.run(settled(one))
        after = one.anyone().get("/health")

    assert (after.status_code, after.json()) == (200, before)
    assert before["verified"]["ok"] is True


def test_metrics_tell_of_jobs_that_never_ran_that_they_do_not_run(scheduled: Scheduled) -> None:
    with scheduled.served() as one:
        assert figures(one) == {("job_running", "retention"): 0, ("job_running", "audit"): 0}


def test_metrics_tell_how_jobs_ended(scheduled: Scheduled) -> None:
    def damaged(context: JobContext) -> Mapping[str, object]:
        raise JobFailed({"ok": False})

    scheduled.jobs.run("audit")
    scheduled.clock.put_on(hours=1)
    scheduled.jobs.run("retention")
    scheduled.actions["audit"] = damaged
    scheduled.jobs.run("audit")

    with scheduled.served() as one:
        found = figures(one)

    assert found["job_last_outcome", "retention"] == 1
    assert found["job_last_outcome", "audit"] == 0
    assert found["job_last_success_timestamp_seconds", "audit"] == NOW.timestamp()
    assert found["job_last_success_timestamp_seconds", "retention"] == (NOW + timedelta(hours=1)).timestamp()
    assert found["verified", None] == 0


def test_metrics_tell_which_job_runs(scheduled: Scheduled) -> None:
    found: list[Any] = []
    with scheduled.served() as one:
        scheduled.actions["audit"] = lambda context: found.append(figures(one)) or {}  # type: ignore[func-returns-value]
        scheduled.jobs.run("audit")
        found.append(figures(one))

    assert [each["job_running", "audit"] for each in found] == [1, 0]
    assert [each.get(("verified", None)) for each in found] == [None, 1]


# --------------------------------------------------------------------------------------------------------- the client


def test_a_client_sees_what_the_history_does(scheduled: Scheduled) -> None:
    scheduled.jobs.run("audit")

    with client_of(scheduled.history) as client:
        assert client.jobs.states() == scheduled.jobs.states()
    with (
        client_of(scheduled.history, "read:all") as client,
        pytest.raises(ServiceRefused, match="needs the scope admin"),
    ):
        client.jobs.states()
    assert scheduled.jobs.states()[1].finished_at == datetime(2024, 6, 15, 12, tzinfo=UTC)
