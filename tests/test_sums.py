"""Sums of everyone that a history keeps: every answer is the one that a history which kept nothing gives."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from conftest import reopened
from facts_made import NINE, made
from sqlalchemy import event, update

from timestrata import CompletedWorkflow, History, schema
from timestrata.shares import MANY_CHANGES

PEOPLE = 70
"""More than are kept as one share, in both databases."""

QUESTIONS: list[Callable[[History], Any]] = [
    lambda history: history.summary("all_time"),
    lambda history: history.summary("all_time", ticket_type="Bug"),
    lambda history: history.trend("all_time", "day", by="ticket_type"),
    lambda history: history.trend("all_time", "week"),
    lambda history: history.steps("all_time"),
    lambda history: history.steps("all_time", "Release"),
    lambda history: history.overview("all_time", by="template"),
    lambda history: history.aggregations("all_time", "user", "month"),
    lambda history: history.aggregations("all_time", "week", "template", template="Release"),
    lambda history: history.aggregations("all_time", "step", template="Release"),
]


def one_of(user: int, number: int = 0, seconds: int = 600, **fields: Any) -> CompletedWorkflow:
    """Return a workflow of a person; every third is of another ticket type and template."""
    kind: dict[str, Any] = {"ticket_type": "Feature", "template": "Release"} if user % 3 == 0 else {}
    completed_at = NINE - timedelta(days=user % 5, hours=number)
    return made(f"{user}.{number}", seconds + user, user_id=f"user {user}", completed_at=completed_at, **kind, **fields)


@pytest.fixture
def many(history: History) -> History:
    """People who did so much that it is kept by parts of them, as far as the number of changes tells."""
    history.record(one_of(user) for user in range(PEOPLE))
    with history.engine.begin() as connection:
        connection.execute(update(schema.user_state).values(seq=schema.user_state.c.seq + MANY_CHANGES))
    return history


def assert_as_asked_anew(history: History, url: str) -> None:
    for ask in QUESTIONS:
        with reopened(url) as fresh:
            assert ask(history) == ask(fresh)


def test_what_this_history_changes_is_in_the_figures_of_everyone(many: History, store_url: str) -> None:
    assert_as_asked_anew(many, store_url)
    many.record(one_of(1, 1, estimated_seconds=300))
    assert_as_asked_anew(many, store_url)
    many.record([one_of(user, 2) for user in range(1, 60)])
    assert_as_asked_anew(many, store_url)
    many.correct(one_of(2, 0, 60_000, estimated_seconds=9))
    assert_as_asked_anew(many, store_url)
    many.delete("user 1", "1.1")
    many.delete("user 64", "64.0")
    assert_as_asked_anew(many, store_url)


def test_what_another_process_changes_is_in_the_figures_of_everyone(many: History, store_url: str) -> None:
    for number in range(1, 6):
        assert_as_asked_anew(many, store_url)
        with reopened(store_url) as other:
            other.record(one_of(5, number))
            other.record(one_of(PEOPLE + number))


def test_a_person_who_is_erased_is_in_no_figure_of_everyone(many: History, store_url: str) -> None:
    last = f"user {PEOPLE - 1}"
    assert_as_asked_anew(many, store_url)

    many.retention.erase(last)
    assert_as_asked_anew(many, store_url)
    many.record(made("again", 90_000, user_id="somebody else"))  # on SQLite with the id of the one before
    assert_as_asked_anew(many, store_url)


def test_only_what_the_busy_did_is_read_again(many: History) -> None:
    def ranges_asked() -> list[tuple[int, int]]:
        asked: list[tuple[int, int]] = []

        def note(connection: Any, cursor: Any, statement: str, parameters: Any, context: Any, several: bool) -> None:
            if "FROM ts_cell_step" in statement:
                given = context.compiled_parameters[0]
                asked.append((given["scope_from"], given["scope_through"]))

        event.listen(many.engine, "before_cursor_execute", note)
        many.steps("all_time")
        event.remove(many.engine, "before_cursor_execute", note)
        return asked

    read = []
    for _ in range(5):
        read.append(max((last - first + 1 for first, last in ranges_asked()), default=0))
        many.record(one_of(10, len(read)))
    ranges_asked()

    assert read == [1024, 32, 1, 1, 1]
    assert ranges_asked() == []
