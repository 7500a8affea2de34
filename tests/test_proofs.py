"""The fold of the facts of some days is what their cells hold, and every integer that differs is named."""

from __future__ import annotations

from datetime import timedelta

import pytest
from conftest import NOW
from facts_made import NINE, at, made, session
from sqlalchemy import select, update

from timestrata import History, StepTime, schema
from timestrata.calendar import day_number
from timestrata.dimensions import Names
from timestrata.measures import Cells
from timestrata.proofs import Mismatch, cells_digests, folded, mismatches, stored_cells
from timestrata.stored import Span, raw_digests, read

DAY = day_number(NINE.date())


def spans(history: History, first: int = DAY - 400, last: int = DAY + 400) -> Span:
    with history.engine.connect() as connection:
        return Span(connection.execute(select(schema.user.c.user_id)).scalars().all(), first, last)


def proof(history: History, span: Span) -> tuple[Cells, Cells]:
    with history.engine.connect() as connection:
        names = Names()
        facts = read(connection, names, span)
        return stored_cells(connection, span), folded(connection, names, history.settings.rules(), span, facts)


def fill(history: History) -> None:
    over_midnight = StepTime(0, "Test", sessions=(session("2024-05-05T23:00", 7200),))
    late = StepTime(0, "Test", sessions=(session("2024-03-01T10:00", 600), session("2024-05-06T08:00", 60)))
    history.record(
        [
            made("plain", steps=(StepTime(0, "Test", 300, 100), StepTime(1, "Fix", 60))),
            made("midnight", steps=(over_midnight, StepTime(1, "Fix", 5))),
            made("months", user_id="bob", steps=(late,), started_at=at("2024-03-01T09:00")),
            made("later", completed_at=NINE + timedelta(days=40)),
        ]
    )
    tracking = history.tracking
    tracking.put_template("Live", "Bug", ["Look", "Fix"])
    tracking.start_workflow("ada", "Live", "TK-9", workflow_id="open", at=NOW - timedelta(hours=30))
    tracking.start_step("ada", "open", 1, at=NOW - timedelta(hours=29))
    tracking.pause("ada", "open", at=NOW - timedelta(hours=28))
    tracking.start_workflow("bob", "Live", "TK-8", workflow_id="gone", at=NOW - timedelta(hours=9))
    tracking.cancel("bob", "gone", at=NOW - timedelta(hours=8))
    tracking.start_workflow("bob", "Live", "TK-7", workflow_id="done", at=NOW - timedelta(hours=7))
    tracking.complete("bob", "done", at=NOW - timedelta(hours=6))


@pytest.mark.parametrize(("first", "last"), [(-400, 400), (0, 0), (-1, -1), (-66, -60), (39, 41)])
def test_the_fold_of_any_days_is_what_their_cells_hold(history: History, first: int, last: int) -> None:
    fill(history)

    stored, expected = proof(history, spans(history, DAY + first, DAY + last))

    assert list(mismatches(stored, expected)) == []
    assert stored == expected
    assert sum(map(len, (stored.completion, stored.step, stored.worked))) > 0


def test_a_changed_integer_is_named(history: History) -> None:
    fill(history)
    c = schema.cell_step.c
    with history.engine.begin() as connection:
        key = connection.execute(select(*schema.cell_step.primary_key).order_by(c.bucket.desc()).limit(1)).one()
        here = [column == value for column, value in zip(schema.cell_step.primary_key, key, strict=True)]
        was = connection.execute(select(c.paused_seconds).where(*here)).scalar_one()
        connection.execute(update(schema.cell_step).where(*here).values(paused_seconds=was + 1))

    found = list(mismatches(*proof(history, spans(history))))

    assert found == [Mismatch("ts_cell_step", tuple(key), "paused_seconds", was + 1, was)]


def test_digests_tell_any_change_of_a_days_facts_and_cells(history: History) -> None:
    fill(history)
    span = spans(history)

    def digests() -> tuple[dict[tuple[int, int], bytes], dict[tuple[int, int], bytes]]:
        with history.engine.connect() as connection:
            facts = read(connection, Names(), span)
            raw = raw_digests(one.raw for one in facts)
            return raw, cells_digests(stored_cells(connection, span), raw)

    before = digests()
    assert digests() == before
    history.correct(made("later", 601, completed_at=NINE + timedelta(days=40)))
    after = digests()
    ada = next(unit for unit in before[0] if unit[1] == DAY + 40)
    for was, now in zip(before, after, strict=True):
        assert {unit for unit in was if was[unit] != now[unit]} == {ada}
