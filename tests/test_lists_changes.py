"""What changed after a revision: who asks again and again, and applies the answers, has the list as it is."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from itertools import count
from typing import Any

import pytest
from facts_made import NINE, made
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text
from typer.testing import CliRunner

from timestrata import DateRange, History, InvalidRequest, WorkflowRow, open_history
from timestrata.cli import app


class Reader:
    """Keeps a user's workflows by asking for what changed since it asked last, in pages of a size."""

    def __init__(self, history: History, user: str, size: int = 2) -> None:
        self.history, self.user, self.size = history, user, size
        self.revision = 0
        self.rows: dict[str, WorkflowRow] = {}
        self.told: list[str] = []

    def poll(self) -> Reader:
        """Read on to the end."""
        self.told = []
        after = None
        while True:
            page = self.history.workflows(
                "all_time", self.user, limit=self.size, after=after, modified_after=self.revision
            )
            assert len(page.workflows) + len(page.deleted) <= self.size
            self.rows.update((row.workflow_id, row) for row in page.workflows)
            for gone in page.deleted:
                self.rows.pop(gone.workflow_id, None)
            self.told += [each.workflow_id for each in page.workflows] + [gone.workflow_id for gone in page.deleted]
            after = page.next
            if after is None:
                self.revision = page.coverage.revision
                return self

    def list(self) -> dict[str, WorkflowRow]:
        """Return what the whole list has."""
        return {row.workflow_id: row for row in self.history.workflows("all_time", self.user, limit=10_000)}


def test_what_was_recorded_since_is_told_in_its_order(history: History) -> None:
    history.record([made(name) for name in ("b", "a")])
    reader = Reader(history, "ada").poll()

    history.record([made(name) for name in ("d", "c", "e")])
    history.record(made("x", user_id="ben"))

    assert reader.poll().told == ["d", "c", "e"]
    assert reader.poll().told == []


def test_a_correction_and_a_deletion_are_told_once_more(history: History) -> None:
    history.record([made(name) for name in ("w1", "w2", "w3", "w4")])
    reader = Reader(history, "ada").poll()

    history.correct(made("w2", 700, ticket_type="Feature", completed_at=NINE + timedelta(days=400)))
    history.delete("ada", "w1")
    history.correct(made("w4", 800))
    [page] = [history.workflows("all_time", "ada", modified_after=reader.revision)]

    assert [(row.workflow_id, row.revision, row.active_seconds) for row in page] == [("w2", 2, 700), ("w4", 2, 800)]
    assert [(gone.workflow_id, gone.revision) for gone in page.deleted] == [("w1", 2)]
    assert page.next is None
    assert reader.poll().told == ["w2", "w1", "w4"]
    assert reader.rows == reader.list()


def test_a_deleted_workflow_that_comes_back_is_told(history: History) -> None:
    history.record(made("w1"))
    history.delete("ada", "w1")
    reader = Reader(history, "ada").poll()
    assert reader.rows == {}

    history.correct(made("w1", 700))

    assert reader.poll().rows == reader.list() != {}


def test_a_tracked_workflow_is_told_when_it_is_completed(store_url: str) -> None:
    """Its number is that of its start, which a reader has passed by then."""
    now = NINE
    with open_history(store_url, clock=lambda: now) as history:
        history.tracking.put_template("QA", "Bug", ["Test"])
        history.tracking.start_workflow("ada", "QA", "TK-1", workflow_id="live")
        history.record(made("w1"))
        reader = Reader(history, "ada").poll()
        assert reader.told == ["w1"]
        now = NINE + timedelta(minutes=10)

        history.tracking.complete("ada", "live")

        assert reader.poll().told == ["live"]
        assert reader.rows == reader.list()


def test_replays_conflicts_and_alerts_change_nothing(history: History) -> None:
    history.record([made("w1", estimated_seconds=1), made("w2")])
    reader = Reader(history, "ada").poll()

    history.record([made("w1", estimated_seconds=1), made("w2", 700)])
    history.dismiss_alert(history.alerts()[0].id)

    assert reader.poll().told == []
    assert reader.revision == 3


def test_what_changes_while_the_pages_are_read_is_told_at_their_end(history: History) -> None:
    history.record([made(f"w{number}") for number in range(6)])
    first = history.workflows("all_time", "ada", limit=3, modified_after=0)
    history.correct(made("w0", 700))
    history.delete("ada", "w4")

    rest = history.workflows("all_time", "ada", limit=3, modified_after=0, after=first.next)

    assert [row.workflow_id for row in first] == ["w0", "w1", "w2"]
    assert [row.workflow_id for row in rest] == ["w3", "w5", "w0"]
    last = history.workflows("all_time", "ada", limit=3, modified_after=0, after=rest.next)
    assert [gone.workflow_id for gone in last.deleted] == ["w4"]
    assert last.next is None


def test_a_change_of_a_store_that_was_migrated_has_the_number_of_its_start(history: History) -> None:
    history.record([made(name) for name in ("w1", "w2")])
    history.delete("ada", "w1")
    with history.engine.connect() as connection, connection.begin():
        connection.execute(text("UPDATE ts_receipt SET changed = NULL"))

    page = history.workflows("all_time", "ada", modified_after=0)

    assert [row.workflow_id for row in page] == ["w2"]
    assert [gone.workflow_id for gone in page.deleted] == ["w1"]


@pytest.mark.parametrize(
    "asked",
    [
        {"dates": "last_30_days"},
        {"dates": DateRange.parse("2024-05-06", None)},
        {"user_id": None},
        {"ticket_type": "Bug"},
        {"modified_after": -1},
        {"modified_after": True},
        {"modified_after": 2**63},
    ],
    ids=["preset", "days", "everyone", "ticket_type", "negative", "bool", "huge"],
)
def test_a_question_that_could_miss_a_change_is_refused(history: History, asked: dict[str, object]) -> None:
    given_ = {"dates": "all_time", "user_id": "ada", "modified_after": 0} | asked

    with pytest.raises(InvalidRequest, match="modified_after"):
        history.workflows(given_.pop("dates"), **given_)  # type: ignore[arg-type]


def test_a_page_of_the_list_is_no_page_of_the_changes(history: History) -> None:
    history.record([made(f"w{number}") for number in range(3)])
    following = history.workflows("all_time", "ada", limit=1).next

    with pytest.raises(InvalidRequest, match="after"):
        history.workflows("all_time", "ada", modified_after=0, after=following)


def test_the_command_line_tells_what_changed(history: History, store_url: str) -> None:
    history.record([made(name) for name in ("w1", "w2", "w3")])
    history.delete("ada", "w2")

    command = ["workflows", "--user", "ada", "--modified-after", "1", "--database", store_url]
    table, document = (CliRunner().invoke(app, [*command, *form]) for form in ([], ["--json"]))

    assert (table.exit_code, document.exit_code) == (0, 0)
    assert "w3" in table.stdout
    assert "deleted: w2, at revision 2" in table.stderr
    found = json.loads(document.stdout)
    assert [row["workflow_id"] for row in found["workflows"]] == ["w3"]
    assert found["deleted"] == [{"workflow_id": "w2", "revision": 2}]


NAMES = st.sampled_from(["w1", "w2", "w3", "w4", "w5"])
CHANGES = st.one_of(
    st.tuples(st.just("record"), st.lists(st.tuples(NAMES, st.integers(1, 3)), min_size=1, max_size=4)),
    st.tuples(st.just("correct"), st.tuples(NAMES, st.integers(1, 3))),
    st.tuples(st.just("delete"), NAMES),
    st.tuples(st.just("track"), NAMES),
    st.tuples(st.just("poll"), st.integers(1, 3)),
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(script=st.lists(CHANGES, max_size=12))
def test_who_polls_and_applies_the_pages_has_the_list(
    history: History, script: list[tuple[str, Any]], users: Iterator[str]
) -> None:
    user = next(users)  # the store is the same each time
    history.tracking.put_template("QA", "Bug", ["Test"])
    reader, live = Reader(history, user), Live(history, user)
    for what, about in script:
        if what == "poll":
            reader.size = about
            assert reader.poll().rows == reader.list()
        else:
            getattr(live, what)(about)

    assert reader.poll().rows == reader.list()


@pytest.fixture
def users() -> Iterator[str]:
    return (f"user{number}" for number in count())


class Live:
    """What a user does to a history."""

    def __init__(self, history: History, user: str) -> None:
        self.history, self.user = history, user
        self.running: str | None = None

    def record(self, items: list[tuple[str, int]]) -> None:
        self.history.record([made(name, 60 * number, user_id=self.user) for name, number in items])

    def correct(self, item: tuple[str, int]) -> None:
        name, number = item
        if name in self._names():
            day = NINE + timedelta(days=number)
            self.history.correct(made(name, 60 * number, user_id=self.user, completed_at=day))

    def delete(self, name: str) -> None:
        if name in self._names():
            self.history.delete(self.user, name)

    def track(self, name: str) -> None:
        """Start a workflow, or complete the one that runs."""
        if self.running is None:
            self.running = f"{name}-{self.history.revisions([self.user])[self.user].number}"
            self.history.tracking.start_workflow(self.user, "QA", "TK-1", workflow_id=self.running)
        else:
            self.history.tracking.complete(self.user, self.running)
            self.running = None

    def _names(self) -> set[str]:
        return {row.workflow_id for row in self.history.workflows("all_time", self.user)}
