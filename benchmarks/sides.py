"""The sides that are compared. Each one is a way to get completed workflows into a database.

usual     what trackers usually do: facts, then three upserts a completion and one a step, each committed by itself
bare      the facts alone, as fast as the driver loads them: COPY on PostgreSQL, executemany on SQLite, 1,000 a commit
history   Timestrata's record(), in batches or one by one
"""

from __future__ import annotations

import sqlite3
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import psycopg
from sqlalchemy import make_url

from timestrata import CompletedWorkflow, open_history
from timestrata.calendar import day_number, instant

USUAL_TABLES = """
CREATE TABLE done (user_id TEXT, workflow_id TEXT, ticket_key TEXT, ticket_type TEXT, template TEXT, started_at BIGINT,
  completed_at BIGINT, active_seconds BIGINT, estimated_seconds BIGINT, PRIMARY KEY (user_id, workflow_id));
CREATE TABLE done_step (user_id TEXT, workflow_id TEXT, step_index INTEGER, name TEXT, active_seconds BIGINT,
  estimated_seconds BIGINT, PRIMARY KEY (user_id, workflow_id, step_index));
CREATE TABLE daily (user_id TEXT, day INTEGER, ticket_type TEXT, n BIGINT, seconds BIGINT, estimated BIGINT,
  PRIMARY KEY (user_id, day, ticket_type));
CREATE TABLE user_average (user_id TEXT, ticket_type TEXT, n BIGINT, seconds BIGINT,
  PRIMARY KEY (user_id, ticket_type));
CREATE TABLE user_total (user_id TEXT PRIMARY KEY, n BIGINT, seconds BIGINT, least BIGINT, most BIGINT);
CREATE TABLE step_average (user_id TEXT, template TEXT, step_index INTEGER, n BIGINT, seconds BIGINT,
  PRIMARY KEY (user_id, template, step_index));
"""
# No row is shared between users here, so that clients do not wait for each other: kinder than the usual design is.

DONE = "INSERT INTO done VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
DONE_STEP = "INSERT INTO done_step VALUES (?, ?, ?, ?, ?, ?)"
DAILY = (
    "INSERT INTO daily VALUES (?, ?, ?, 1, ?, ?) ON CONFLICT (user_id, day, ticket_type) DO UPDATE SET "
    "n = daily.n + 1, seconds = daily.seconds + excluded.seconds, estimated = daily.estimated + excluded.estimated"
)
USER_AVERAGE = (
    "INSERT INTO user_average VALUES (?, ?, 1, ?) ON CONFLICT (user_id, ticket_type) DO UPDATE SET "
    "n = user_average.n + 1, seconds = user_average.seconds + excluded.seconds"
)
USER_TOTAL = (
    "INSERT INTO user_total VALUES (?, 1, ?, ?, ?) ON CONFLICT (user_id) DO UPDATE SET n = user_total.n + 1, "
    "seconds = user_total.seconds + excluded.seconds, "
    "least = CASE WHEN excluded.least < user_total.least THEN excluded.least ELSE user_total.least END, "
    "most = CASE WHEN excluded.most > user_total.most THEN excluded.most ELSE user_total.most END"
)
STEP_AVERAGE = (
    "INSERT INTO step_average VALUES (?, ?, ?, 1, ?) ON CONFLICT (user_id, template, step_index) DO UPDATE SET "
    "n = step_average.n + 1, seconds = step_average.seconds + excluded.seconds"
)

BARE_TABLES = """
CREATE TABLE bare_completion (user_id INTEGER, day INTEGER, number BIGINT, workflow_id TEXT, ticket_key TEXT,
  ticket_type_id INTEGER, template_id INTEGER, started_at BIGINT, completed_at BIGINT, timezone TEXT,
  active_seconds INTEGER, paused_seconds INTEGER, estimated_seconds BIGINT, attributes TEXT,
  PRIMARY KEY (user_id, day, number));
CREATE TABLE bare_step (user_id INTEGER, day INTEGER, number BIGINT, step_id INTEGER, active_seconds INTEGER,
  paused_seconds INTEGER, visits INTEGER, estimated_seconds BIGINT, PRIMARY KEY (user_id, day, number, step_id));
"""

Rows = tuple[list[tuple[Any, ...]], list[tuple[Any, ...]]]


def bare_rows(workflows: Sequence[CompletedWorkflow], before: int = 0) -> Rows:
    """Return the rows of completions and steps as Timestrata keeps them: ids for names, sorted by nothing."""
    ids: dict[Any, int] = {}
    completions, steps = [], []
    for number, one in enumerate(workflows, before + 1):
        user = ids.setdefault(one.user_id, len(ids))
        day = day_number(one.completed_at.date())
        kind, template = ids.setdefault(one.ticket_type, len(ids)), ids.setdefault(one.template, len(ids))
        span = (instant(one.started_at), instant(one.completed_at), "UTC", one.active_seconds, 0, one.estimated_seconds)
        completions.append((user, day, number, one.workflow_id, one.ticket_key, kind, template, *span, None))
        for step in one.steps:
            step_id = ids.setdefault((template, step.index, step.name), len(ids))
            steps.append((user, day, number, step_id, step.active_seconds, 0, 1, step.estimated_seconds))
    return completions, steps


class Database(ABC):
    """A bare connection of the driver, every statement committed by itself."""

    def __init__(self, url: str) -> None:
        self.url = url

    @abstractmethod
    def script(self, text: str) -> None:
        """Create tables."""

    @abstractmethod
    def execute(self, statement: str, row: tuple[Any, ...]) -> None:
        """Run one statement, committed."""

    @abstractmethod
    def facts(self, workflow: CompletedWorkflow) -> None:
        """Store the facts of a workflow for the usual design, in one commit."""

    @abstractmethod
    def load(self, rows: Rows) -> None:
        """Load bare facts as fast as the driver can, in one commit."""


def fact_rows(one: CompletedWorkflow) -> tuple[tuple[Any, ...], list[tuple[Any, ...]]]:
    key = (one.user_id, one.workflow_id)
    span = (instant(one.started_at), instant(one.completed_at), one.active_seconds, one.estimated_seconds)
    steps = [(*key, step.index, step.name, step.active_seconds, step.estimated_seconds) for step in one.steps]
    return (*key, one.ticket_key, one.ticket_type, one.template, *span), steps


class SQLite(Database):
    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.connection = sqlite3.connect(make_url(url).database or "", isolation_level=None, timeout=60)
        self.connection.execute("PRAGMA journal_mode = WAL")
        self.connection.execute("PRAGMA synchronous = FULL")
        self.connection.execute("PRAGMA wal_autocheckpoint = 8000")
        self.connection.execute("PRAGMA cache_size = -65536")

    def script(self, text: str) -> None:
        # As Timestrata lays its tables out: one B-tree a table, where the other form keeps a second one for the key.
        self.connection.executescript(text.replace("));", ")) WITHOUT ROWID;"))

    def execute(self, statement: str, row: tuple[Any, ...]) -> None:
        self.connection.execute(statement, row)

    def facts(self, workflow: CompletedWorkflow) -> None:
        done, steps = fact_rows(workflow)
        self.connection.execute("BEGIN IMMEDIATE")
        self.connection.execute(DONE, done)
        self.connection.executemany(DONE_STEP, steps)
        self.connection.execute("COMMIT")

    def load(self, rows: Rows) -> None:
        completions, steps = rows
        self.connection.execute("BEGIN IMMEDIATE")
        self.connection.executemany(f"INSERT INTO bare_completion VALUES ({', '.join('?' * 14)})", completions)
        self.connection.executemany(f"INSERT INTO bare_step VALUES ({', '.join('?' * 8)})", steps)
        self.connection.execute("COMMIT")


class PostgreSQL(Database):
    def __init__(self, url: str) -> None:
        super().__init__(url)
        plain = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
        self.connection = psycopg.connect(plain, autocommit=True)

    def script(self, text: str) -> None:
        self.connection.execute(text)

    def execute(self, statement: str, row: tuple[Any, ...]) -> None:
        self.connection.execute(statement.replace("?", "%s"), row, prepare=True)

    def facts(self, workflow: CompletedWorkflow) -> None:
        done, steps = fact_rows(workflow)
        with self.connection.transaction():
            self.execute(DONE, done)
            with self.connection.cursor() as cursor:
                cursor.executemany(DONE_STEP.replace("?", "%s"), steps)

    def load(self, rows: Rows) -> None:
        with self.connection.transaction(), self.connection.cursor() as cursor:
            for table, part in zip(("bare_completion", "bare_step"), rows, strict=True):
                with cursor.copy(f"COPY {table} FROM STDIN") as copy:
                    for row in part:
                        copy.write_row(row)


def database(url: str) -> Database:
    return SQLite(url) if url.startswith("sqlite") else PostgreSQL(url)


class Usual:
    """One workflow after the other, as the usual design does."""

    def __init__(self, url: str) -> None:
        self.target = database(url)

    def __call__(self, workflows: Sequence[CompletedWorkflow]) -> None:
        for one in workflows:
            self.target.facts(one)
            user, day, active = one.user_id, day_number(one.completed_at.date()), one.active_seconds
            self.target.execute(DAILY, (user, day, one.ticket_type, active, one.estimated_seconds))
            self.target.execute(USER_AVERAGE, (user, one.ticket_type, active))
            self.target.execute(USER_TOTAL, (user, active, active, active))
            for step in one.steps:
                self.target.execute(STEP_AVERAGE, (user, one.template, step.index, step.active_seconds))


class Bare:
    """Bare facts from the same workflows that the other sides get, 1,000 a commit."""

    def __init__(self, url: str) -> None:
        self.target = database(url)

    def __call__(self, workflows: Sequence[CompletedWorkflow]) -> None:
        for start in range(0, len(workflows), 1000):
            self.target.load(bare_rows(workflows[start : start + 1000], start))


class MadeBefore:
    """Bare facts whose rows were made before the clock started."""

    def __init__(self, url: str, workflows: Sequence[CompletedWorkflow]) -> None:
        self.target = database(url)
        starts = range(0, len(workflows), 1000)
        self.batches = [bare_rows(workflows[start : start + 1000], start) for start in starts]

    def __call__(self, _: Sequence[CompletedWorkflow]) -> None:
        for rows in self.batches:
            self.target.load(rows)


class Batches:
    """Timestrata, 1,000 a transaction."""

    def __init__(self, url: str) -> None:
        self.history = open_history(url)

    def __call__(self, workflows: Sequence[CompletedWorkflow]) -> None:
        for start in range(0, len(workflows), 1000):
            batch = workflows[start : start + 1000]
            assert self.history.record(batch).count("recorded") == len(batch)


class OneByOne:
    """Timestrata, one workflow a transaction."""

    def __init__(self, url: str) -> None:
        self.history = open_history(url)

    def __call__(self, workflows: Sequence[CompletedWorkflow]) -> None:
        for one in workflows:
            assert self.history.record(one).status == "recorded"
