"""What a history does with facts: recorded once, corrected, deleted, dismissed, listed and read back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta, timezone
from fractions import Fraction
from typing import Any, cast

import pytest
from conftest import NOW, reopened
from facts_made import NINE, alerts_of, assert_in_step, at, cells_of, dump, made, session
from sqlalchemy import inspect, text

from timestrata import (
    Alert,
    BatchRejected,
    BatchResult,
    CompletedWorkflow,
    DateRange,
    History,
    InvalidFact,
    InvalidRequest,
    Outcome,
    Pause,
    Settings,
    SettingsMismatch,
    StaleRevision,
    StepTime,
    TimeSession,
    UnknownAlert,
    UnknownWorkflow,
    WorkflowRow,
    open_history,
)
from timestrata.formats.workflow_json import workflow_to_json

MakeStore = Callable[[], str]


def statuses(result: BatchResult) -> list[str]:
    return [outcome.status for outcome in result]


def completed(history: History) -> int:
    return history.summary("all_time").completed


def revision(history: History) -> int:
    return history.summary("all_time").coverage.revision


def days(history: History) -> list[tuple[str, str, int]]:
    """Return (day, ticket type, completed) of every day on which something was completed."""
    return [(str(row.day), row.ticket_type, row.completed) for row in history.daily("all_time") if row.completed]


# -------------------------------------------------------------------------------------------------------- record


def test_one_workflow_gives_one_outcome(history: History) -> None:
    outcome = history.record(made())

    assert outcome == Outcome("recorded", "ada", "w1", revision=1)
    assert completed(history) == 1
    assert_in_step(history)


def test_a_batch_gives_an_outcome_an_item_in_order(history: History) -> None:
    result = history.record([made("w2"), made("w1", user_id="bob"), made("w1")])

    assert [(outcome.status, outcome.user_id, outcome.workflow_id) for outcome in result] == [
        ("recorded", "ada", "w2"),
        ("recorded", "bob", "w1"),
        ("recorded", "ada", "w1"),
    ]
    assert len(result) == result.count("recorded") == 3
    assert_in_step(history)


def test_a_generator_is_a_batch(history: History) -> None:
    result = history.record(made(f"w{number}") for number in range(3))

    assert isinstance(result, BatchResult)
    assert statuses(result) == ["recorded"] * 3
    assert completed(history) == 3


@pytest.mark.parametrize("nothing", [[], ()])
def test_an_empty_batch_writes_nothing(history: History, nothing: list[CompletedWorkflow]) -> None:
    assert history.record(nothing) == BatchResult(())
    assert history.users() == ()


DOCUMENT: dict[str, Any] = {
    "workflow_id": "w1",
    "user_id": "ada",
    "ticket_key": "TK-1",
    "ticket_type": "Bug",
    "template": "QA",
    "started_at": "2024-05-06T08:00:00Z",
    "completed_at": "2024-05-06T11:00:00+02:00",
    "estimated_seconds": None,
    "steps": [{"index": 0, "name": "Test", "active_seconds": 600}],
}


def test_a_mapping_is_one_workflow(history: History) -> None:
    outcome = history.record(DOCUMENT)

    assert isinstance(outcome, Outcome)
    assert outcome.status == "recorded"
    assert history.record(made()).status == "replayed"


def test_how_a_mapping_was_read_is_noted(history: History) -> None:
    odd = DOCUMENT | {"completed_at": "2024-05-06T09:00:00", "sprint": 7}
    notes = ("completed_at: no offset, read in UTC", "unknown fields ignored: 'sprint'")

    alone = history.record(odd)
    again, plain, more = history.record([odd, DOCUMENT | {"workflow_id": "w2"}, odd | {"workflow_id": "w3"}]).outcomes

    assert (alone.status, alone.notes) == ("recorded", notes)
    assert (again.status, again.notes) == ("replayed", notes)
    assert (plain.status, plain.notes) == ("recorded", ())
    assert (more.status, more.notes) == ("recorded", notes)


def test_mappings_and_facts_mix_in_a_batch(history: History) -> None:
    assert statuses(history.record([made(), DOCUMENT, DOCUMENT | {"workflow_id": "w2"}])) == [
        "recorded",
        "replayed",
        "recorded",
    ]


def test_a_bad_mapping_alone_is_rejected_with_its_reason(history: History) -> None:
    outcome = history.record(DOCUMENT | {"completed_at": "2024-13-01T00:00:00Z"})

    assert (outcome.status, outcome.user_id, outcome.workflow_id) == ("rejected", "ada", "w1")
    assert outcome.reason is not None
    assert outcome.reason.startswith("completed_at: found '2024-13-01T00:00:00Z', want ")
    assert not outcome.ok


@pytest.mark.parametrize("bad", [5, None, "w1", [], 1.5], ids=repr)
def test_what_is_no_workflow_is_rejected(history: History, bad: Any) -> None:
    result = history.record([made(), bad, made("w2")])

    assert statuses(result) == ["recorded", "rejected", "recorded"]
    assert result.outcomes[1].workflow_id is None


def test_one_bad_item_does_not_spoil_the_batch(history: History) -> None:
    history.record(made("taken", 60))
    broken = DOCUMENT | {"workflow_id": "broken", "steps": []}

    result = history.record([made("a"), broken, made("taken", 61), made("taken", 60), made("b")])

    assert statuses(result) == ["recorded", "rejected", "conflict", "replayed", "recorded"]
    assert result.outcomes[1].reason == "steps: found [], want at least one step"
    assert completed(history) == 3
    assert_in_step(history)


def test_the_same_workflow_twice_counts_once(history: History) -> None:
    history.record(made())
    before = (dump(history), revision(history))

    outcome = history.record(made())

    assert outcome == Outcome("replayed", "ada", "w1", revision=1)
    assert (dump(history), revision(history)) == before


def test_a_replay_may_tell_its_instants_in_another_offset(history: History) -> None:
    fact = made(steps=(StepTime(0, "Test", sessions=(session("2024-05-06T08:00", 60),)),))
    history.record(fact)
    nepal = timezone(timedelta(hours=5, minutes=45))
    told = TimeSession(at("2024-05-06T08:00").astimezone(nepal), at("2024-05-06T08:01").astimezone(nepal))
    elsewhere = made(
        completed_at=NINE.astimezone(nepal),
        steps=(StepTime(0, "Test", sessions=(told,)),),
    )

    assert history.record(elsewhere).status == "replayed"


def test_the_same_id_with_other_content_is_a_conflict(history: History) -> None:
    history.record(made())
    before = (dump(history), revision(history))

    outcome = history.record(made(active_seconds=601))

    assert (outcome.status, outcome.revision) == ("conflict", 1)
    assert outcome.reason == "recorded with other content, at revision 1; correct() changes it"
    assert (dump(history), revision(history)) == before


@pytest.mark.parametrize(
    "other",
    [
        {"ticket_key": "TK-2"},
        {"ticket_type": "bug"},
        {"template": "QA "},
        {"completed_at": NINE + timedelta(microseconds=1), "started_at": NINE - timedelta(hours=1)},
        {"started_at": NINE},
        {"estimated_seconds": 1},
        {"attributes": {"sprint": 8}},
        {"steps": (StepTime(0, "Test ", 600),)},
        {"steps": (StepTime(1, "Test", 600),)},
        {"steps": (StepTime(0, "Test", 600, 1),)},
        {"steps": (StepTime(0, "Test", 600), StepTime(1, "Nothing", 0))},
        {"steps": (StepTime(0, "Test", sessions=(session("2024-05-06T08:00", 600),)),)},
    ],
    ids=lambda other: next(iter(other)),
)
def test_whatever_differs_is_other_content(history: History, other: dict[str, Any]) -> None:
    history.record(made(attributes={"sprint": 7}))
    before = dump(history)

    assert history.record(made(**{"attributes": {"sprint": 7}, **other})).status == "conflict"
    assert dump(history) == before


def test_duplicates_inside_a_batch_count_once(history: History) -> None:
    result = history.record([made(), made(), made(active_seconds=601), made()])

    assert statuses(result) == ["recorded", "replayed", "conflict", "replayed"]
    assert completed(history) == 1
    assert history.record(made()).status == "replayed"
    assert_in_step(history)


def test_the_same_id_of_another_user_is_another_workflow(history: History) -> None:
    result = history.record([made(), made(active_seconds=90, user_id="bob")])

    assert statuses(result) == ["recorded", "recorded"]
    assert history.workflow("bob", "w1").workflow.active_seconds == 90
    assert history.summary("all_time").users == 2


def test_oddities_are_noted(history: History) -> None:
    outcome = history.record(made(active_seconds=7200))

    assert outcome.notes == ("active 7200 s in 3600 s of elapsed time",)


@pytest.mark.parametrize(
    ("bad", "status"), [(DOCUMENT | {"steps": []}, "rejected"), (DOCUMENT | {"ticket_key": "TK-2"}, "conflict")]
)
def test_a_strict_batch_writes_all_or_nothing(history: History, bad: dict[str, Any], status: str) -> None:
    history.record(made())
    before = (dump(history), revision(history))

    with pytest.raises(BatchRejected) as refused:
        history.record([made(), made("w2"), bad, made("w3")], strict=True)

    assert (refused.value.index, refused.value.workflow_id, refused.value.status) == (2, "w1", status)
    assert (dump(history), revision(history)) == before


def test_a_strict_conflict_of_one_writes_nothing(history: History) -> None:
    history.record(made())

    with pytest.raises(BatchRejected, match=r"item 0 .* is conflict: recorded with other content"):
        history.record(made(active_seconds=1), strict=True)


def test_a_strict_twin_inside_the_batch_conflicts(history: History) -> None:
    with pytest.raises(BatchRejected, match="item 1"):
        history.record([made(), made(active_seconds=1)], strict=True)

    assert completed(history) == 0


def test_a_strict_batch_of_new_facts_and_replays_is_written(history: History) -> None:
    history.record(made())

    assert statuses(history.record([made(), made("w2")], strict=True)) == ["replayed", "recorded"]


def test_a_batch_of_everything_else_than_facts_is_refused(history: History) -> None:
    with pytest.raises(TypeError):
        history.record(5)  # type: ignore[call-overload]


def test_the_largest_and_the_smallest_fact(history: History) -> None:
    most, absurd = 10_000_000, 10**11
    facts = [
        made("largest", most, estimated_seconds=absurd, steps=(StepTime(32_767, "Test", most, absurd),)),
        made("nothing", 0, started_at=NINE),
        made("first", completed_at=at("0001-01-03"), started_at=at("0001-01-03")),
        made("last", completed_at=at("9999-12-30"), started_at=at("9999-12-29")),
        made("long", steps=tuple(StepTime(index, f"Step {index}", index) for index in range(300))),
    ]

    assert statuses(history.record(facts)) == ["recorded"] * len(facts)
    assert {fact.workflow_id: fact.steps for fact in history.facts()} == {
        fact.workflow_id: fact.steps for fact in facts
    }
    assert_in_step(history)


# ------------------------------------------------------------------------------------------------------------- ids

IDS = (
    "Jos\u00e9",
    "Jose\u0301",
    "用户 🧪",
    "a|b",
    "a\nb\t\"c'",
    "\r",
    "o'neil; -- %s %(x)s :name ? $1 {0}",
    "\\x41",
    "{a,NULL}",
    "NULL",
    "null",
    "None",
    '"',
    ",",
    "\\",
    "\ufeffbom",
    " ",
    "w1 ",
    "W1",
    "w1",
    "\U0010ffff" * 255,
    "\x01\x1f\x7f\x85\u2028",
)
"""Names that must all stay apart: case, composition, spaces, quotes of every layer in between."""


@pytest.mark.parametrize("together", [True, False])
def test_ids_are_any_text(history: History, together: bool) -> None:
    facts = [
        made(
            name,
            index,
            user_id=name,
            ticket_key=name,
            ticket_type=name,
            template=name,
            steps=(StepTime(0, name, index),),
            attributes={name: name},
        )
        for index, name in enumerate(IDS)
    ]

    if together:
        assert statuses(history.record(facts)) == ["recorded"] * len(IDS)
    else:
        assert [history.record(fact).status for fact in facts] == ["recorded"] * len(IDS)

    assert sorted(history.users()) == sorted(IDS)
    assert statuses(history.record(facts)) == ["replayed"] * len(IDS)
    for index, name in enumerate(IDS):
        found = history.workflow(name, name).workflow
        assert found == replace(facts[index], timezone="UTC")
        assert history.summary("all_time", name, name).active_seconds == index
    assert set(history.summary("all_time").by_ticket_type) == set(IDS)
    assert_in_step(history)


def test_workflow_ids_of_one_user_are_any_text(history: History) -> None:
    history.record([made(name, index) for index, name in enumerate(IDS)])

    assert {fact.workflow_id: fact.active_seconds for fact in history.facts()} == {
        name: index for index, name in enumerate(IDS)
    }


def test_corrections_and_deletions_know_any_id(history: History) -> None:
    history.record([made(name, 1, user_id=name) for name in IDS])

    for name in IDS[::2]:
        assert history.correct(made(name, 2, user_id=name)).status == "corrected"
    for name in IDS[1::2]:
        assert history.delete(name, name).status == "deleted"

    assert {fact.user_id for fact in history.facts()} == set(IDS[::2])
    assert_in_step(history)


@pytest.mark.parametrize("nobody", ["nobody", "", "a\0b", "\ud800", "x" * 300], ids=ascii)
def test_a_name_that_nobody_has_is_unknown(history: History, nobody: str) -> None:
    history.record(made())

    assert history.summary("all_time", nobody).completed == 0
    assert history.summary("all_time", None, nobody).completed == 0
    assert history.trend(DateRange(date(2024, 5, 6), date(2024, 5, 6)), "day", nobody).points[0].completed == 0
    assert history.daily("today", nobody).rows == ()
    assert history.steps("all_time", nobody).steps == ()
    assert history.averages(nobody).total.all_time.completed == 0
    assert history.alerts(user_id=nobody) == ()
    assert history.workflows("all_time", nobody).workflows == ()
    assert list(history.facts(user_id=nobody)) == []
    for user, workflow in ((nobody, "w1"), ("ada", nobody)):
        with pytest.raises(UnknownWorkflow):
            history.delete(user, workflow)
        with pytest.raises(UnknownWorkflow):
            history.workflow(user, workflow)


# --------------------------------------------------------------------------------------------------------- correct


def as_if_never(history: History, make_store: MakeStore, *facts: CompletedWorkflow) -> None:
    """Assert that the cells and alerts are those of a store in which only these facts were ever recorded."""
    with open_history(make_store(), clock=lambda: NOW) as fresh:
        fresh.record(facts)
        assert cells_of(history) == cells_of(fresh)
        assert alerts_of(history) == alerts_of(fresh)
    assert_in_step(history)


NIGHT = StepTime(
    1,
    "Night",
    estimated_seconds=60,
    sessions=(
        session("2024-05-05T23:59", 180),
        TimeSession(
            at("2024-05-06T23:00"),
            at("2024-05-07T02:00"),
            pauses=(Pause(at("2024-05-06T23:30"), at("2024-05-07T00:30")),),
        ),
    ),
)
FULL = made(
    "full",
    completed_at=at("2024-05-07T03:00"),
    started_at=at("2024-05-05T23:00"),
    estimated_seconds=7000,
    steps=(StepTime(0, "Test", 600, 500), NIGHT),
    attributes={"sprint": 7},
)
OTHER = made("other", 400, estimated_seconds=100)
BASE = made("base", 300, estimated_seconds=100)


@pytest.mark.parametrize(
    "changes",
    [
        {"completed_at": at("2024-06-01T09:00")},
        {"completed_at": at("2024-05-07T23:59:59.999999")},
        {"ticket_type": "Feature"},
        {"template": "Release"},
        {"user_steps": (StepTime(0, "Test", 600, 500),)},
        {"user_steps": (StepTime(0, "Analyse", 600, 500), NIGHT)},
        {"user_steps": (StepTime(2, "Test", 600, 500), NIGHT)},
        {"user_steps": (StepTime(0, "Test", 0, 500), NIGHT)},
        {"user_steps": (StepTime(0, "Test", 601, 500), NIGHT)},
        {"user_steps": (StepTime(0, "Test", 200_000, 500), NIGHT)},
        {"user_steps": (*FULL.steps, StepTime(2, "Late", 5))},
        {"estimated_seconds": None},
        {"estimated_seconds": 100_000},
        {"timezone": "Pacific/Auckland"},
        {"ticket_key": "TK-2"},
        {"attributes": {}},
        {"started_at": at("2024-05-01")},
        {
            "completed_at": at("1969-12-31T23:59"),
            "started_at": at("1969-12-31"),
            "ticket_type": "New",
            "template": "New",
            "user_steps": (StepTime(9, "New", 1),),
        },
    ],
    ids=lambda changes: "-".join(changes),
)
def test_a_correction_is_as_if_the_old_content_had_never_been(
    history: History, make_store: MakeStore, changes: dict[str, Any]
) -> None:
    changes = {("steps" if name == "user_steps" else name): value for name, value in changes.items()}
    history.record([BASE, FULL, OTHER])
    corrected = replace(FULL, **changes)

    outcome = history.correct(corrected, expected_revision=1)

    assert (outcome.status, outcome.revision) == ("corrected", 2)
    assert history.workflow("ada", "full").workflow == replace(corrected, timezone=corrected.timezone or "UTC")
    as_if_never(history, make_store, BASE, corrected, OTHER)

    back = history.correct(replace(FULL, timezone="UTC"), expected_revision=2)

    assert (back.status, back.revision) == ("corrected", 3)
    as_if_never(history, make_store, BASE, FULL, OTHER)


def test_a_correction_moves_a_fact_to_its_other_day(history: History) -> None:
    history.record(made())

    history.correct(made(completed_at=at("2024-05-08T09:00")))

    assert days(history) == [("2024-05-08", "Bug", 1)]


@pytest.mark.parametrize("gone", [100, 200, 300])
def test_the_extremes_are_found_again_when_one_leaves(history: History, make_store: MakeStore, gone: int) -> None:
    # 512, 513 and 514 share a bucket of two... 600 to 603 share one of four: the cell stays, its extremes move.
    values = {100: 600, 200: 601, 300: 603}
    facts = {number: made(f"w{number}", seconds) for number, seconds in values.items()}
    history.record(facts.values())

    history.delete("ada", f"w{gone}")

    rest = [fact for number, fact in facts.items() if number != gone]
    summary = history.summary("all_time")
    assert summary.min_seconds == min(fact.active_seconds for fact in rest)
    assert summary.max_seconds == max(fact.active_seconds for fact in rest)
    as_if_never(history, make_store, *rest)


def test_a_correction_inside_its_bucket_moves_the_extremes(history: History, make_store: MakeStore) -> None:
    history.record([made("w1", 600), made("w2", 602)])

    history.correct(made("w1", 603))

    assert (history.summary("all_time").min_seconds, history.summary("all_time").max_seconds) == (602, 603)
    as_if_never(history, make_store, made("w1", 603), made("w2", 602))


def test_a_correction_moves_the_histogram(history: History) -> None:
    history.record([made(f"w{number}", 100) for number in range(10)])

    for number in range(6):
        history.correct(made(f"w{number}", 200))

    summary = history.summary("all_time")
    assert (summary.p25_seconds, summary.p50_seconds, summary.p90_seconds) == (100, 200, 200)


def test_a_correction_to_the_same_content_is_a_replay(history: History) -> None:
    history.record(FULL)
    before = (dump(history), revision(history))

    assert history.correct(FULL) == Outcome("replayed", "ada", "full", revision=1)
    assert (dump(history), revision(history)) == before


def test_a_retry_of_a_correction_is_a_replay(history: History) -> None:
    history.record(made())
    history.correct(made(active_seconds=700), expected_revision=1)
    before = (dump(history), revision(history))

    again = history.correct(made(active_seconds=700), expected_revision=1)

    assert again == Outcome("replayed", "ada", "w1", revision=2)
    assert (dump(history), revision(history)) == before


@pytest.mark.parametrize("stale", [0, 2, 17, -1])
def test_a_stale_revision_is_refused(history: History, stale: int) -> None:
    history.record(made())
    before = (dump(history), revision(history))

    with pytest.raises(StaleRevision) as refused:
        history.correct(made(active_seconds=700), expected_revision=stale)
    with pytest.raises(StaleRevision):
        history.delete("ada", "w1", expected_revision=stale)

    assert (refused.value.expected, refused.value.current) == (stale, 1)
    assert (dump(history), revision(history)) == before


def test_a_correction_from_an_old_revision_is_stale(history: History) -> None:
    history.record(made())
    history.correct(made(active_seconds=700), expected_revision=1)

    with pytest.raises(StaleRevision):
        history.correct(made(active_seconds=800), expected_revision=1)
    with pytest.raises(StaleRevision):
        history.delete("ada", "w1", expected_revision=1)

    assert history.workflow("ada", "w1").revision == 2


def test_the_original_retried_after_a_correction_is_a_replay(history: History) -> None:
    history.record(made())
    history.correct(made(active_seconds=700))
    history.correct(made(active_seconds=800))
    before = dump(history)

    assert history.record(made()).status == "replayed"
    assert history.record(made(active_seconds=800)).status == "replayed"
    assert dump(history) == before


def test_content_that_never_stood_there_is_a_conflict_after_a_correction(history: History) -> None:
    history.record(made())
    history.correct(made(active_seconds=700))

    outcome = history.record(made(active_seconds=900))

    assert (outcome.status, outcome.revision) == ("conflict", 2)


@pytest.mark.parametrize("change", ["correct", "delete"])
def test_what_was_never_recorded_cannot_be_changed(history: History, change: str) -> None:
    history.record(made())

    def attempt(user: str, workflow: str) -> Outcome:
        if change == "delete":
            return history.delete(user, workflow)
        return history.correct(made(workflow, user_id=user, ticket_type="Never", template="Never"))

    for user, workflow in (("ada", "w2"), ("bob", "w1")):
        with pytest.raises(UnknownWorkflow) as unknown:
            attempt(user, workflow)
        assert (unknown.value.user_id, unknown.value.workflow_id) == (user, workflow)

    assert completed(history) == 1
    assert history.users() == ("ada",)


# ---------------------------------------------------------------------------------------------------------- delete


def test_a_deletion_is_as_if_it_had_never_been(history: History, make_store: MakeStore) -> None:
    history.record([BASE, FULL, OTHER])

    outcome = history.delete("ada", "full", expected_revision=1)

    assert outcome == Outcome("deleted", "ada", "full", revision=2)
    as_if_never(history, make_store, BASE, OTHER)


def test_deleting_everything_leaves_no_cell(history: History) -> None:
    history.record([BASE, FULL, OTHER])

    for name in ("base", "full", "other"):
        history.delete("ada", name)

    cells = cells_of(history)
    assert (cells.completion, cells.step, cells.worked) == ({}, {}, {})
    assert list(history.facts()) == []
    assert history.alerts() == ()
    with pytest.raises(UnknownWorkflow):
        history.workflow("ada", "full")


def test_a_retry_of_a_deletion_is_a_replay(history: History) -> None:
    history.record(made())
    history.delete("ada", "w1", expected_revision=1)
    before = (dump(history), revision(history))

    assert history.delete("ada", "w1", expected_revision=1) == Outcome("replayed", "ada", "w1", revision=2)
    assert history.delete("ada", "w1") == Outcome("replayed", "ada", "w1", revision=2)
    assert (dump(history), revision(history)) == before


def test_a_late_retry_does_not_bring_a_deleted_workflow_back(history: History) -> None:
    history.record(made())
    history.delete("ada", "w1")

    outcome = history.record(made())

    assert (outcome.status, outcome.notes) == ("replayed", ("deleted at revision 2",))
    assert completed(history) == 0


def test_other_content_for_a_deleted_workflow_is_a_conflict(history: History) -> None:
    history.record(made())
    history.delete("ada", "w1")

    outcome = history.record(made(active_seconds=1))

    assert (outcome.status, outcome.reason) == ("conflict", "deleted at revision 2; correct() brings it back")
    assert completed(history) == 0


@pytest.mark.parametrize("content", [FULL, replace(FULL, ticket_type="Feature")], ids=["same", "other"])
def test_a_correction_brings_a_deleted_workflow_back(
    history: History, make_store: MakeStore, content: CompletedWorkflow
) -> None:
    history.record([FULL, OTHER])
    history.delete("ada", "full", expected_revision=1)

    outcome = history.correct(content, expected_revision=2)

    assert (outcome.status, outcome.revision) == ("corrected", 3)
    assert history.record(FULL).status == "replayed"
    as_if_never(history, make_store, OTHER, content)


@pytest.mark.parametrize("seconds", [600, 1], ids=["same content", "other content"])
def test_a_revival_from_a_stale_revision_is_refused(history: History, seconds: int) -> None:
    history.record(made())
    history.delete("ada", "w1")

    with pytest.raises(StaleRevision):
        history.correct(made(active_seconds=seconds), expected_revision=1)

    assert completed(history) == 0


# ----------------------------------------------------------------------------------------------------------- zones

LATE = at("2024-05-06T23:30")


def test_a_day_is_that_of_the_zone_in_force(history: History) -> None:
    history.set_timezone("bob", "America/Sao_Paulo")
    history.record(
        [
            made("store", completed_at=LATE),
            made("own", completed_at=LATE, timezone="Asia/Tokyo"),
            made("user", completed_at=at("2024-05-07T02:59:59"), user_id="bob"),
            made("both", completed_at=LATE, timezone="Asia/Tokyo", user_id="bob"),
        ]
    )

    found = {row.workflow_id: (str(row.day), row.timezone) for row in history.workflows("all_time")}

    assert found == {
        "store": ("2024-05-06", "UTC"),
        "own": ("2024-05-07", "Asia/Tokyo"),
        "user": ("2024-05-06", "America/Sao_Paulo"),
        "both": ("2024-05-07", "Asia/Tokyo"),
    }
    assert_in_step(history)


def test_a_zone_is_for_later_facts_only(history: History) -> None:
    history.record(made("w1", completed_at=LATE))
    history.set_timezone("ada", "Asia/Tokyo")
    history.record(made("w2", completed_at=LATE))
    history.set_timezone("ada", None)
    history.record(made("w3", completed_at=LATE))

    found = {row.workflow_id: str(row.day) for row in history.workflows("all_time")}

    assert found == {"w1": "2024-05-06", "w2": "2024-05-07", "w3": "2024-05-06"}
    assert_in_step(history)


def test_a_zone_that_another_process_has_set_counts_for_the_next_fact(history: History, store_url: str) -> None:
    for name in ("w1", "w2"):  # from the second on, the zone is remembered
        history.record(made(name, completed_at=LATE))
    with reopened(store_url) as other:
        other.set_timezone("ada", "Asia/Tokyo")

    history.record(made("w3", completed_at=LATE))

    assert str(next(row.day for row in history.workflows("all_time") if row.workflow_id == "w3")) == "2024-05-07"
    assert_in_step(history)


def test_a_retry_after_a_change_of_zone_is_a_replay(history: History) -> None:
    history.record(made(completed_at=LATE))
    before = dump(history)
    history.set_timezone("ada", "Asia/Tokyo")

    assert history.record(made(completed_at=LATE)).status == "replayed"
    assert dump(history) == before


def test_a_correction_keeps_the_zone_a_fact_was_filed_in(history: History) -> None:
    history.set_timezone("ada", "Asia/Tokyo")
    history.record(made(completed_at=LATE))
    history.set_timezone("ada", "America/Sao_Paulo")

    history.correct(made(completed_at=LATE, active_seconds=700))

    (row,) = history.workflows("all_time")
    assert (str(row.day), row.timezone, row.active_seconds) == ("2024-05-07", "Asia/Tokyo", 700)


def test_a_zone_of_its_own_in_a_correction_moves_the_fact(history: History) -> None:
    history.record(made(completed_at=LATE))

    outcome = history.correct(made(completed_at=LATE, timezone="Asia/Tokyo"))

    assert outcome.status == "corrected"
    assert days(history) == [("2024-05-07", "Bug", 1)]


def test_a_fact_that_comes_back_keeps_its_zone_only_if_it_names_one(history: History) -> None:
    history.record(made(completed_at=LATE))
    history.delete("ada", "w1")
    history.set_timezone("ada", "Asia/Tokyo")

    history.correct(made(completed_at=LATE))

    assert days(history) == [("2024-05-07", "Bug", 1)]


def test_a_zone_named_on_a_retry_is_a_replay_on_the_same_day(history: History) -> None:
    history.record([made("w1"), made("w2", timezone="Asia/Tokyo")])
    before = (dump(history), revision(history))

    result = history.record(
        [made("w1", timezone="UTC"), made("w1", timezone="Europe/Berlin"), made("w2"), made("w2", timezone="UTC")]
    )

    assert statuses(result) == ["replayed"] * 4
    assert (dump(history), revision(history)) == before


def test_a_zone_named_on_a_retry_is_a_conflict_on_another_day(history: History) -> None:
    history.record(made(completed_at=LATE))
    before = (dump(history), revision(history))

    outcome = history.record(made(completed_at=LATE, timezone="Asia/Tokyo"))

    assert outcome.status == "conflict"
    assert outcome.reason == "recorded on another local day than in Asia/Tokyo; correct() changes it"
    assert (dump(history), revision(history)) == before


def test_the_original_retried_after_its_zone_was_corrected_is_a_replay(history: History) -> None:
    original = made(completed_at=LATE, timezone="UTC")
    history.record(original)
    history.correct(made(completed_at=LATE, timezone="Asia/Tokyo"))
    before = dump(history)

    assert history.record(original).status == "replayed"
    assert dump(history) == before


def test_a_correction_of_the_zone_from_an_old_revision_is_stale(history: History) -> None:
    history.record(made(completed_at=LATE))
    history.correct(made(completed_at=LATE, timezone="Asia/Tokyo"), expected_revision=1)

    with pytest.raises(StaleRevision):
        history.correct(made(completed_at=LATE, timezone="America/Sao_Paulo"), expected_revision=1)

    assert history.workflow("ada", "w1").workflow.timezone == "Asia/Tokyo"


def test_a_retry_of_a_correction_of_the_zone_is_a_replay(history: History) -> None:
    history.record(made(completed_at=LATE))
    history.correct(made(completed_at=LATE, timezone="Asia/Tokyo"), expected_revision=1)

    again = history.correct(made(completed_at=LATE, timezone="Asia/Tokyo"), expected_revision=1)

    assert again == Outcome("replayed", "ada", "w1", revision=2)


def test_an_export_imported_into_its_own_store_changes_nothing(history: History) -> None:
    history.set_timezone("ada", "Asia/Tokyo")
    history.record([FULL, OTHER, made("late", completed_at=LATE), made("zone", completed_at=LATE, timezone="UTC")])
    history.correct(replace(OTHER, ticket_key="TK-9"))
    before = dump(history)

    result = history.record(list(history.facts()))

    assert statuses(result) == ["replayed"] * 4
    assert dump(history) == before


@pytest.mark.parametrize("bad", ["Mars/Olympus", "", "../etc/passwd", "UTC\0", 5], ids=repr)
def test_an_unknown_zone_is_refused(history: History, bad: Any) -> None:
    with pytest.raises(InvalidFact, match="timezone: found"):
        history.set_timezone("ada", bad)

    assert history.users() == ()


@pytest.mark.parametrize("bad", ["", "a\0b", "\ud800", "x" * 256, 5, None], ids=lambda bad: ascii(bad)[:20])
def test_a_zone_is_not_set_for_an_id_that_no_fact_can_have(history: History, bad: Any) -> None:
    with pytest.raises(InvalidFact, match="user_id: found"):
        history.set_timezone(bad, "UTC")

    assert history.users() == ()


@pytest.mark.parametrize("together", [True, False])
def test_a_zone_set_by_another_process_is_in_force(history: History, store_url: str, together: bool) -> None:
    def record(name: str) -> None:
        fact = made(name, completed_at=LATE)
        history.record([fact, made(f"{name} of bob", user_id="bob")] if together else fact)

    with reopened(store_url) as other:
        record("first")
        other.set_timezone("ada", "Asia/Tokyo")
        record("second")
        other.set_timezone("ada", None)
        record("third")
        other.delete("ada", "first")
        other.set_timezone("ada", "America/Sao_Paulo")
        history.correct(made("first", completed_at=LATE))

    found = {row.workflow_id: (str(row.day), row.timezone) for row in history.workflows("all_time", "ada")}
    assert found == {
        "first": ("2024-05-06", "America/Sao_Paulo"),
        "second": ("2024-05-07", "Asia/Tokyo"),
        "third": ("2024-05-06", "UTC"),
    }
    assert_in_step(history)


def test_a_zone_change_of_one_user_leaves_others_alone(history: History) -> None:
    history.set_timezone("ada", "Asia/Tokyo")
    history.record([made(completed_at=LATE), made(completed_at=LATE, user_id="bob")])

    assert {(row.user_id, str(row.day)) for row in history.workflows("all_time")} == {
        ("ada", "2024-05-07"),
        ("bob", "2024-05-06"),
    }


# ------------------------------------------------------------------------------------------------------ gap alerts


def only_alert(history: History, **asked: Any) -> Alert:
    (alert,) = history.alerts(**asked)
    return alert


def test_an_alert_says_what_it_is_about(history: History) -> None:
    history.record(made(active_seconds=121, estimated_seconds=100))

    alert = only_alert(history)

    assert alert == Alert(
        id=alert.id,
        kind="workflow",
        user_id="ada",
        day=date(2024, 5, 6),
        workflow_id="w1",
        ticket_key="TK-1",
        ticket_type="Bug",
        template="QA",
        step_index=None,
        step_name=None,
        completed_at=NINE,
        actual_seconds=121,
        estimated_seconds=100,
        ratio=1.21,
        dismissed_at=None,
    )


@pytest.mark.parametrize(
    ("actual", "estimate", "alerts"), [(120, 100, 0), (121, 100, 1), (6, 5, 0), (7, 5, 1), (1, 0, 0)]
)
def test_exactly_120_percent_is_no_alert(history: History, actual: int, estimate: int, alerts: int) -> None:
    history.record(made(steps=(StepTime(0, "Test", actual, estimate),)))

    assert len(history.alerts()) == alerts


def test_workflows_and_steps_have_alerts_of_their_own(history: History) -> None:
    history.record(FULL)

    found = [(alert.kind, alert.step_index, alert.step_name, alert.actual_seconds) for alert in history.alerts()]

    assert found == [("step", 1, "Night", 7380)]
    assert history.alerts(kind="workflow") == ()
    assert history.summary("all_time").gap_alerts == 0

    history.correct(replace(FULL, estimated_seconds=6000, steps=(StepTime(0, "Test", 601, 500), NIGHT)))

    found = [(alert.kind, alert.step_index, alert.step_name, alert.actual_seconds) for alert in history.alerts()]
    assert found == [("workflow", None, None, 7981), ("step", 0, "Test", 601), ("step", 1, "Night", 7380)]
    assert [alert.kind for alert in history.alerts(kind="workflow")] == ["workflow"]
    assert [alert.step_index for alert in history.alerts(kind="step")] == [0, 1]
    assert history.summary("all_time").gap_alerts == 1


def test_an_alert_is_dismissed_and_restored(history: History) -> None:
    history.record([BASE, OTHER])
    alert, other = history.alerts()

    history.dismiss_alert(alert.id)

    assert history.alerts() == (other,)
    assert history.alerts(dismissed=True) == (replace(alert, dismissed_at=NOW),)
    assert history.alerts(dismissed=None) == (replace(alert, dismissed_at=NOW), other)
    assert history.summary("all_time").gap_alerts == 2

    history.restore_alert(alert.id)

    assert history.alerts() == (alert, other)


def test_a_dismissal_keeps_its_first_time(history: History, store_url: str) -> None:
    history.record(BASE)
    alert = only_alert(history)
    history.dismiss_alert(alert.id)

    with open_history(store_url, clock=lambda: NOW + timedelta(days=1)) as later:
        later.dismiss_alert(alert.id)

        assert only_alert(later, dismissed=True).dismissed_at == NOW


def test_restoring_an_open_alert_changes_nothing(history: History) -> None:
    history.record(BASE)
    alert = only_alert(history)

    history.restore_alert(alert.id)

    assert history.alerts() == (alert,)


GARBAGE_IDS = (
    "",
    "1",
    "1.2.3",
    "1.2.3.4.5",
    "x.y.z.0",
    "1.19849.1.0 ",
    "1.19849.1.0\n",
    "-1.19849.1.0",
    "9999999999.0.0.0",
    "999999999.9999999.999999999999999999.999999999",
    "1.19849.1.99",
    "1.1984٩.1.0",
    "1.19849.1.0; DROP TABLE ts_user",
    "\0",
    "\ud800",
    None,
    5,
)


@pytest.mark.parametrize("garbage", GARBAGE_IDS, ids=ascii)
def test_an_alert_that_does_not_exist_is_unknown(history: History, garbage: Any) -> None:
    history.record(BASE)

    with pytest.raises(UnknownAlert):
        history.dismiss_alert(garbage)
    with pytest.raises(UnknownAlert):
        history.restore_alert(garbage)

    assert len(history.alerts()) == 1


def test_an_alert_id_of_one_store_is_the_same_after_a_replay(history: History) -> None:
    history.record(BASE)
    alert = only_alert(history)

    history.record([made("new"), BASE])

    assert only_alert(history) == alert


@pytest.mark.parametrize(
    "unchanged",
    [
        {"ticket_key": "TK-2"},
        {"completed_at": at("2024-05-09T09:00")},
        {"ticket_type": "Feature"},
        {"attributes": {"a": 1}},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_a_dismissed_alert_stays_dismissed_while_its_figures_stay(history: History, unchanged: dict[str, Any]) -> None:
    history.record(BASE)
    history.dismiss_alert(only_alert(history).id)

    history.correct(replace(BASE, **unchanged))

    assert history.alerts() == ()
    assert only_alert(history, dismissed=True).dismissed_at == NOW


@pytest.mark.parametrize("changed", [{"steps": (StepTime(0, "Test", 301),)}, {"estimated_seconds": 99}])
def test_an_alert_with_other_figures_is_open_again(history: History, changed: dict[str, Any]) -> None:
    history.record(BASE)
    history.dismiss_alert(only_alert(history).id)

    history.correct(replace(BASE, **changed))

    assert only_alert(history).dismissed_at is None
    assert history.alerts(dismissed=True) == ()


def test_an_alert_goes_with_its_reason(history: History) -> None:
    history.record(BASE)
    alert = only_alert(history)

    history.correct(replace(BASE, estimated_seconds=1000))

    assert history.alerts(dismissed=None) == ()
    with pytest.raises(UnknownAlert):
        history.dismiss_alert(alert.id)


def test_alerts_of_a_range_a_user_a_type(history: History) -> None:
    history.record(
        [
            replace(BASE, workflow_id="early", completed_at=at("2024-05-05T23:59:59"), started_at=at("2024-05-05")),
            replace(BASE, workflow_id="type", ticket_type="Feature"),
            replace(BASE, workflow_id="user", user_id="bob", completed_at=at("2024-05-06T10:00")),
            replace(BASE, workflow_id="late", completed_at=at("2024-05-07")),
        ]
    )
    the_sixth = DateRange(date(2024, 5, 6), date(2024, 5, 6))

    def ids(*dates: Any, **asked: Any) -> list[str]:
        return [alert.workflow_id for alert in history.alerts(*dates, **asked)]

    assert ids() == ["late", "user", "type", "early"]
    assert ids(the_sixth) == ["user", "type"]
    assert ids(user_id="bob") == ["user"]
    assert ids(ticket_type="Feature") == ["type"]
    assert ids(limit=2) == ["late", "user"]
    assert ids("last_7_days") == []


def test_alerts_at_one_time_have_a_total_order(history: History) -> None:
    gap = StepTime(1, "Test", 10, 1)
    facts = [
        made(name, user_id=user, estimated_seconds=1, steps=(StepTime(0, "A", 10, 1), gap))
        for user in ("bob", "Ada", "ada")
        for name in ("w2", "w10")
    ]
    history.record(facts)

    found = [(alert.user_id, alert.workflow_id, alert.step_index) for alert in history.alerts()]

    assert found == [
        (user, name, step) for user in ("Ada", "ada", "bob") for name in ("w10", "w2") for step in (None, 0, 1)
    ]


@pytest.mark.parametrize("bad", [0, -1, 10_001, 1.5, "5", None, True], ids=repr)
def test_a_limit_is_a_number_of_rows(history: History, bad: Any) -> None:
    with pytest.raises(InvalidRequest, match="limit"):
        history.alerts(limit=bad)
    with pytest.raises(InvalidRequest, match="limit"):
        history.workflows("all_time", limit=bad)


def test_a_kind_of_alert_is_workflow_or_step(history: History) -> None:
    with pytest.raises(InvalidRequest, match="kind"):
        history.alerts(kind="session")  # type: ignore[arg-type]


# ----------------------------------------------------------------------------------------------------------- lists


def pages(history: History, limit: int, *asked: Any) -> list[list[WorkflowRow]]:
    found: list[list[WorkflowRow]] = []
    after = None
    while True:
        page = history.workflows(*(asked or ("all_time",)), limit=limit, after=after)
        found.append(list(page))
        assert len(found) <= 1000  # a page that repeats itself would go on for ever
        after = page.next
        if after is None:
            return found


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 100])
def test_pages_are_a_total_order_without_gaps_or_repeats(history: History, limit: int) -> None:
    instants = [NINE, NINE + timedelta(microseconds=1), at("1969-07-20T20:17"), at("2024-05-07")]
    names = ["w1", "w10", "w2", "W1", "é", "e\u0301", "🧪", "a\nb", "o'neil"]
    facts = [
        made(name, user_id=user, completed_at=moment)
        for number, name in enumerate(names)
        for user in ("ada", "Jos\u00e9")
        for moment in [instants[number % len(instants)]]
    ]
    history.record(facts)

    found = pages(history, limit)

    rows = [(row.completed_at, row.user_id, row.workflow_id) for page in found for row in page]
    by_name = sorted((fact.user_id, fact.workflow_id, fact.completed_at) for fact in facts)
    wanted = sorted(by_name, key=lambda row: row[2], reverse=True)
    assert rows == [(moment, user, name) for user, name, moment in wanted]
    assert all(len(page) == limit for page in found[:-1])
    assert found[-1] != []


def test_a_page_goes_on_where_it_stopped_though_workflows_arrive(history: History) -> None:
    history.record([made(f"w{number}", completed_at=NINE - timedelta(days=number)) for number in range(6)])
    first = history.workflows("all_time", limit=3)
    history.record(made("newest", completed_at=NINE + timedelta(days=1)))
    history.delete("ada", "w2")

    second = history.workflows("all_time", limit=3, after=first.next)

    assert [row.workflow_id for row in second] == ["w3", "w4", "w5"]
    assert second.next is None


def test_a_row_says_what_was_recorded(history: History) -> None:
    history.record(replace(FULL, estimated_seconds=5000))

    (row,) = history.workflows("all_time")

    assert row == WorkflowRow(
        user_id="ada",
        workflow_id="full",
        revision=1,
        ticket_key="TK-1",
        ticket_type="Bug",
        template="QA",
        started_at=at("2024-05-05T23:00"),
        completed_at=at("2024-05-07T03:00"),
        day=date(2024, 5, 7),
        timezone="UTC",
        active_seconds=7980,
        paused_seconds=3600,
        estimated_seconds=5000,
        estimate_ratio=1.596,
        gap_alert=True,
    )


def test_lists_of_a_range_a_user_a_type(history: History) -> None:
    history.record(
        [
            made("early", completed_at=at("2024-05-05T23:59:59.999999")),
            made("type", ticket_type="Feature"),
            made("user", user_id="bob", completed_at=at("2024-05-06T10:00")),
            made("late", completed_at=at("2024-05-07")),
        ]
    )
    the_sixth = DateRange(date(2024, 5, 6), date(2024, 5, 6))

    def ids(*asked: Any) -> list[str]:
        return [row.workflow_id for page in pages(history, 1, *asked) for row in page]

    assert ids(the_sixth) == ["user", "type"]
    assert ids("all_time", "bob") == ["user"]
    assert ids("all_time", None, "Feature") == ["type"]
    assert ids("all_time", "bob", "Feature") == []
    assert ids(DateRange(None, date(2024, 5, 5))) == ["early"]


GARBAGE_TOKENS = (
    "",
    "x",
    "é",
    "\ud800",
    "W10=",  # []
    "bnVsbA==",  # null
    "WzEsMiwzXQ==",  # [1,2,3]
    "WzEsIngiLCAieSIsIDVd",  # four items
    "WzFlMzAwLCJ4IiwieSJd",  # [1e300,"x","y"]
    "W3RydWUsIngiLCJ5Il0=",  # [true,"x","y"]
    "WzEsIlx1ZDgwMCIsInkiXQ==",  # [1,"\ud800","y"]
    "WzEsIlx1MDAwMCIsInkiXQ==",  # [1,"\u0000","y"]
    "W1tbW1tbW1tb" * 20_000,  # [[[[...
)


@pytest.mark.parametrize("garbage", GARBAGE_TOKENS, ids=lambda token: ascii(token)[:30])
def test_a_token_is_one_that_a_page_gave(history: History, garbage: Any) -> None:
    history.record(made())

    with pytest.raises(InvalidRequest, match=r"after: found .* want the `next` of a page"):
        history.workflows("all_time", after=garbage)


# ----------------------------------------------------------------------------------------------------- facts back


def test_facts_come_back_as_they_were_recorded(history: History) -> None:
    history.set_timezone("bob", "Asia/Tokyo")
    facts = [
        FULL,
        OTHER,
        made("zone", completed_at=LATE, timezone="America/Sao_Paulo"),
        made("micro", completed_at=NINE + timedelta(microseconds=123_457)),
        made("old", completed_at=at("1969-12-31T23:59:59.999999")),
        made("nested", attributes={"ß": ["x", None, 1.5, {"b": True, "a": ""}], "a": {}, "lone": "\ud800"}),
        made("bob's", user_id="bob"),
        made("empty session", steps=(StepTime(0, "Test", sessions=(session("2024-05-06T08:00", 0),)),)),
    ]
    history.record(facts)

    found = {(fact.user_id, fact.workflow_id): fact for fact in history.facts()}

    assert len(found) == len(facts)
    for fact in facts:
        in_force = fact.timezone or ("Asia/Tokyo" if fact.user_id == "bob" else "UTC")
        assert found[fact.user_id, fact.workflow_id] == replace(fact, timezone=in_force)


def test_facts_come_by_user_day_and_id(history: History) -> None:
    facts = [
        made(f"{name} {day}", user_id=user, completed_at=NINE + timedelta(days=day))
        for user in ("bob", "Ada", "ada")
        for day in (1, 0, -30_000)
        for name in ("w2", "w10")
    ]
    history.record(facts)

    found = [(fact.user_id, fact.completed_at, fact.workflow_id) for fact in history.facts()]

    assert found == sorted(found)
    assert len(found) == len(facts)


@pytest.mark.parametrize("count", [499, 500, 501, 1001])
def test_facts_come_in_full_whatever_their_number(history: History, count: int) -> None:
    history.record(made(f"w{number}", completed_at=NINE + timedelta(hours=number % 30)) for number in range(count))

    assert len({fact.workflow_id for fact in history.facts()}) == count


def test_a_large_batch_knows_its_twins_however_far_apart(history: History) -> None:
    facts = [made(f"w{number}", number % 300, completed_at=NINE + timedelta(days=number % 2)) for number in range(1100)]

    result = history.record([*facts, facts[0], made("w1", 77_777), facts[-1]])

    assert result.count("recorded") == 1100
    assert statuses(result)[1100:] == ["replayed", "conflict", "replayed"]
    assert completed(history) == len(list(history.facts())) == 1100
    assert_in_step(history)


def test_facts_of_a_range_and_a_user(history: History) -> None:
    history.record(
        [
            made("early", completed_at=at("2024-05-05T23:59")),
            made("in"),
            made("late", completed_at=at("2024-05-07")),
            made("bob", user_id="bob"),
        ]
    )
    the_sixth = DateRange(date(2024, 5, 6), date(2024, 5, 6))

    assert [fact.workflow_id for fact in history.facts(the_sixth)] == ["in", "bob"]
    assert [fact.workflow_id for fact in history.facts(the_sixth, "ada")] == ["in"]
    assert [fact.workflow_id for fact in history.facts("all_time", "ada")] == ["early", "in", "late"]
    assert list(history.facts("today")) == []


def test_facts_recorded_in_another_store_make_the_same_cells(history: History, make_store: MakeStore) -> None:
    history.set_timezone("ada", "Pacific/Auckland")
    history.record([FULL, OTHER, made("late", completed_at=LATE), made("zone", completed_at=LATE, timezone="UTC")])
    history.set_timezone("ada", None)
    history.record(made("later", completed_at=LATE))
    history.correct(replace(OTHER, ticket_type="Feature"))

    with open_history(make_store()) as other:
        assert other.record(history.facts()).count("recorded") == 5

        assert cells_of(other) == cells_of(history)
        assert alerts_of(other) == alerts_of(history)
        assert list(other.facts()) == list(history.facts())
        assert other.record(history.facts()).count("replayed") == 5


def test_a_workflow_comes_back_with_its_revision(history: History) -> None:
    history.record(FULL)
    history.correct(replace(FULL, ticket_key="TK-2"))

    found = history.workflow("ada", "full")

    assert found.revision == 2
    assert found.workflow == replace(FULL, ticket_key="TK-2", timezone="UTC")


# ------------------------------------------------------------------------------------------------ stores, settings


def empty_url(store_url: str) -> str:
    """Empty a store of everything, its schema too, and return its URL."""
    with open_history(store_url) as history, history.engine.begin() as connection:
        views, tables = inspect(connection).get_view_names(), inspect(connection).get_table_names()
        for kind, names in (("VIEW", views), ("TABLE", tables)):
            for name in names:
                connection.execute(text(f"DROP {kind} {name}"))
    return store_url


def test_everything_is_there_when_a_store_is_opened_again(history: History, store_url: str) -> None:
    history.record([FULL, OTHER])
    history.set_timezone("ada", "Asia/Tokyo")
    before = dump(history)
    history.close()

    with reopened(store_url) as again:
        assert dump(again) == before
        assert again.record(FULL).status == "replayed"
        again.record(made(completed_at=LATE))
        assert again.workflow("ada", "w1").workflow.timezone == "Asia/Tokyo"


def test_closing_twice_is_fine(history: History) -> None:
    history.close()
    history.close()


def test_a_new_store_has_the_default_settings(history: History) -> None:
    assert history.settings == Settings("UTC", time(0), Fraction(6, 5))


CHOSEN = Settings("Asia/Tokyo", time(4, 30), Fraction(3, 2))


def test_settings_are_kept(store_url: str) -> None:
    url = empty_url(store_url)

    with open_history(url, settings=CHOSEN) as history:
        assert history.settings == CHOSEN
    with open_history(url) as again:
        assert again.settings == CHOSEN
    with open_history(url, settings=CHOSEN) as again:
        assert again.settings == CHOSEN


@pytest.mark.parametrize(
    ("asked", "setting"),
    [
        (replace(CHOSEN, timezone="UTC"), "timezone"),
        (replace(CHOSEN, day_start=time(0)), "day_start"),
        (replace(CHOSEN, gap_threshold=Fraction(6, 5)), "gap_threshold"),
    ],
)
def test_other_settings_are_refused(store_url: str, asked: Settings, setting: str) -> None:
    url = empty_url(store_url)
    open_history(url, settings=CHOSEN).close()

    with pytest.raises(SettingsMismatch) as refused:
        open_history(url, settings=asked)

    assert refused.value.setting == setting
    open_history(url, settings=CHOSEN).close()


def test_settings_decide_days_and_gaps(store_url: str) -> None:
    with open_history(empty_url(store_url), settings=CHOSEN, clock=lambda: NOW) as history:
        history.record(
            [
                # 4:29:59 and 4:30 in Tokyo, whose days start at 4:30.
                made("before", 150, completed_at=at("2024-05-05T19:29:59"), estimated_seconds=100),
                made("after", 151, completed_at=at("2024-05-05T19:30:00"), estimated_seconds=100),
            ]
        )

        assert {row.workflow_id: (str(row.day), row.gap_alert) for row in history.workflows("all_time")} == {
            "before": ("2024-05-05", False),
            "after": ("2024-05-06", True),
        }
        assert_in_step(history)


def test_sessions_are_cut_where_the_day_starts(store_url: str) -> None:
    with open_history(empty_url(store_url), settings=CHOSEN) as history:
        worked = session("2024-05-05T19:00", 3600)  # 4:00 to 5:00 in Tokyo
        history.record(made(steps=(StepTime(0, "Test", sessions=(worked,)),)))

        found = {str(row.day): row.worked_seconds for row in history.daily("all_time")}

        assert found == {"2024-05-05": 1800, "2024-05-06": 1800}
        assert_in_step(history)


@pytest.mark.parametrize("utc_now", [datetime(2024, 6, 15, 19, 29, tzinfo=UTC)])
def test_today_is_that_of_the_store(store_url: str, utc_now: datetime) -> None:
    with open_history(empty_url(store_url), settings=CHOSEN, clock=lambda: utc_now) as history:
        assert history.summary("today").dates == DateRange(date(2024, 6, 15), date(2024, 6, 15))
        assert history.averages("ada").as_of == date(2024, 6, 15)


def test_as_long_pauses_as_a_database_can_hold_are_recorded_and_longer_ones_spoil_nothing(history: History) -> None:
    seconds = [10_000_000] * 214 + [2**31 - 1 - 2_140_000_000]
    waits = [TimeSession(NINE, NINE + timedelta(seconds=each), pause_seconds=each) for each in seconds]
    most = made("most", steps=(StepTime(0, "Wait", sessions=tuple(waits)),), timezone="UTC")
    beyond = workflow_to_json(most) | {"workflow_id": "beyond"}
    beyond["steps"] = [
        *cast("list[Any]", beyond["steps"]),
        {"index": 1, "name": "More", "sessions": [_SECOND_OF_PAUSE]},
    ]
    others = [made(f"w{number}") for number in range(20)]

    result = history.record([most, beyond, *others])

    assert [outcome.status for outcome in result] == ["recorded", "rejected", *["recorded"] * 20]
    assert result.outcomes[1].reason is not None
    assert "2147483648" in result.outcomes[1].reason
    assert next(one for one in history.facts() if one.workflow_id == "most").pause_seconds == 2**31 - 1
    assert history.summary("all_time").paused_seconds == 2**31 - 1
    assert_in_step(history)


_SECOND_OF_PAUSE = {"started_at": "2024-05-06T08:00:00Z", "ended_at": "2024-05-06T08:00:01Z", "pause_seconds": 1}
