"""Facts leave the tables only when they are proved to be in the archive, and every answer stays as it was."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import date, datetime, timedelta
from errno import ENOSPC
from os import strerror
from pathlib import Path
from typing import Any, TypeVar

import pytest
from archive_store import failing
from conftest import NOW
from facts_made import NINE, alerts_of, cells_of, made, session
from fold import stored_receipts
from sqlalchemy import func, select, update

from timestrata import CompletedWorkflow, DateRange, History, StepTime, open_history, schema
from timestrata.archive import Archive, Written
from timestrata.calendar import day_number, instant
from timestrata.dimensions import Names
from timestrata.errors import (
    ArchiveDamaged,
    ArchiveMismatch,
    ArchiveUnavailable,
    ClockJumped,
    FactsSealed,
    InvalidRequest,
    RetentionOvertaken,
    StaleRevision,
    UnknownUser,
    UnknownWorkflow,
)
from timestrata.ingest import Context
from timestrata.manifest import archived, files, give_up, keep_file, parts, put_file, retired, set_state
from timestrata.retention import Retention, RetentionPolicy, RetentionRun, eligible_through, plan
from timestrata.retention.erasing import Erasure, erase
from timestrata.retention.policy import DayCount
from timestrata.retention.sealing import Sealing
from timestrata.tracking.rules import Transactions

T = TypeVar("T")
DAY = day_number(NINE.date())
"""2024-05-06: 40 days before NOW."""


@pytest.fixture
def folder(tmp_path: Path) -> str:
    return str(tmp_path / "archive")


@pytest.fixture
def store(store_url: str, folder: str) -> Iterator[History]:
    """A store that keeps facts for 30 days, and whose present is NOW."""
    with opened(store_url, folder) as history:
        yield history


def opened(url: str, folder: str | None, now: datetime = NOW, days: int = 30) -> History:
    return open_history(url, retention=RetentionPolicy(days, archive=folder), clock=lambda: now)


def facts() -> list[CompletedWorkflow]:
    """Return facts of two users on old and recent days, with and without sessions, one over midnight, one late."""
    over_midnight = StepTime(0, "Test", 7200, 3000, (session("2024-05-05T23:00", 7200),))
    return [
        made("plain", steps=(StepTime(0, "Test", 300, 100), StepTime(1, "Fix", 60)), attributes={"sprint": 7}),
        made("midnight", steps=(over_midnight, StepTime(1, "Fix", 5)), estimated_seconds=5000),
        made("same bucket", 601),
        made("bob", user_id="bob", template="Long"),
        made("recent", completed_at=NOW - timedelta(days=3)),
        made(
            "worked long ago",
            completed_at=NOW - timedelta(days=2),
            started_at=NINE,
            steps=(StepTime(0, "Test", sessions=(session("2024-05-06T12:00", 60),)),),
        ),
    ]


def answers(history: History) -> dict[str, Any]:
    """Return what a store answers, but for how much it has changed."""
    ranges = (DateRange(), DateRange.parse("2024-05-06", "2024-05-06"), DateRange.parse("2024-05-05", "2024-06-14"))
    found: dict[str, Any] = {"cells": cells_of(history), "alerts": alerts_of(history)}
    for dates in ranges:
        for user in (None, "ada", "bob"):
            for name, ask in (("summary", history.summary), ("daily", history.daily)):
                asked: Any = ask
                found[f"{name} {dates} {user}"] = replace(asked(dates, user), coverage=None)
    return found


def in_the_archive(history: History) -> list[CompletedWorkflow]:
    """Return what counts in the archive, by user, day, number."""
    with history.engine.connect() as connection:
        found = archived(history.retention.archive(), connection, Names(), parts(connection))
        return [one.filed.workflow for _, rows in sorted(found, key=lambda pair: pair[0].unit) for one in rows]


def ids(workflows: Any) -> set[str]:
    return {workflow.workflow_id for workflow in workflows}


def count(history: History, *tables: Any) -> int:
    with history.engine.connect() as connection:
        return sum(connection.execute(select(func.count()).select_from(table)).scalar_one() for table in tables)


# ----------------------------------------------------------------------------------------------------- what is due


@pytest.mark.parametrize(
    ("now", "through"),
    [
        ("2024-06-06T12:00:00+00:00", "2024-05-06"),
        ("2024-06-06T11:59:59.999999+00:00", "2024-05-05"),
        ("2024-06-07T11:59:59+00:00", "2024-05-06"),
    ],
)
def test_a_day_is_due_when_it_is_over_in_the_last_zone_on_earth_and_the_days_are_over(now: str, through: str) -> None:
    at = instant(datetime.fromisoformat(now))

    assert eligible_through(RetentionPolicy(30), at) == day_number(date.fromisoformat(through))
    assert eligible_through(RetentionPolicy(30), at, 3600) <= eligible_through(RetentionPolicy(30), at)


def test_a_plan_holds_the_days_that_are_due_oldest_first() -> None:
    counts = [DayCount(DAY + 1, 1, 2, 30), DayCount(DAY, 4, 5, 60), DayCount(DAY + 100, 7, 8, 90)]

    planned = plan(RetentionPolicy(30), instant(NOW), counts)

    assert [(day.day, day.users, day.completions) for day in planned.days] == [
        (date(2024, 5, 6), 4, 5),
        (date(2024, 5, 7), 1, 2),
    ]
    assert (planned.user_days, planned.completions, planned.bytes) == (5, 7, 90)
    assert planned.through == date(2024, 5, 15)


@pytest.mark.parametrize(
    "wrong", [{"sessions_days": 29}, {"sessions_days": 30.5}, {"alerts_days": 0}, {"archive": " "}], ids=repr
)
def test_a_policy_that_keeps_too_little_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequest):
        RetentionPolicy(**wrong)


def test_the_environment_sets_the_policy(monkeypatch: pytest.MonkeyPatch, store_url: str) -> None:
    environment = {"TIMESTRATA_SESSIONS_DAYS": "45", "TIMESTRATA_ALERTS_DAYS": "7", "TIMESTRATA_ARCHIVE": "old"}
    assert RetentionPolicy.from_environment(environment) == RetentionPolicy(45, 7, "old")
    for name, wrong in (("SESSIONS_DAYS", "29"), ("SESSIONS_DAYS", "many"), ("FACTS_DAYS", "400")):
        with pytest.raises(InvalidRequest):
            RetentionPolicy.from_environment({f"TIMESTRATA_{name}": wrong})
    monkeypatch.setenv("TIMESTRATA_SESSIONS_DAYS", "29")
    with pytest.raises(InvalidRequest, match="30 or more"):
        open_history(store_url)


def test_the_plan_of_a_store_counts_what_the_run_archives(store: History) -> None:
    store.record(facts())

    planned = store.retention.plan()
    done = store.retention.run()

    assert (planned.completions, planned.user_days) == (done.completions, done.user_days) == (4, 2)
    assert [day.day for day in planned.days] == [date(2024, 5, 6)]
    assert planned.bytes > 0
    assert store.retention.plan().days == ()


# --------------------------------------------------------------------------------------------------------- the run


def test_every_answer_is_the_same_after_the_facts_are_purged(store: History) -> None:
    store.record(facts())
    before, receipts, recorded = answers(store), stored_receipts(store), list(store.facts())

    done = store.retention.run()

    assert done.ok
    assert (done.completions, done.user_days, done.files) == (4, 2, 1)
    assert answers(store) == before
    assert stored_receipts(store) == receipts
    assert ids(store.facts()) == {"recent", "worked long ago"}
    gone = [fact for fact in recorded if fact.workflow_id not in ids(store.facts())]
    assert sorted(in_the_archive(store), key=str) == sorted(gone, key=str)
    assert store.summary("all_time").coverage.sealed_through == date(2024, 5, 15)


def test_a_run_purges_sessions_pauses_parts_and_events(store: History) -> None:
    tracking = store.tracking
    tracking.put_template("Live", "Bug", ["Look", "Fix"])
    with opened(store.engine.url.render_as_string(hide_password=False), None, NINE) as then:
        then.tracking.start_workflow("ada", "Live", "TK-9", workflow_id="w9")
        then.tracking.pause("ada", "w9")
        then.tracking.resume("ada", "w9")
        then.tracking.complete("ada", "w9")

    store.retention.run()

    raw = (schema.session, schema.pause, schema.session_part, schema.workflow, schema.workflow_event)
    assert count(store, *raw, schema.completion) == 0
    assert store.record(in_the_archive(store)[0]).status == "replayed"


def test_a_second_run_has_nothing_to_do(store: History) -> None:
    store.record(facts())
    store.retention.run()
    revision = store.summary("all_time").coverage.revision

    again = store.retention.run()

    assert (again.ok, again.completions, again.files) == (True, 0, 0)
    assert store.summary("all_time").coverage.revision == revision
    assert len(store.retention.files()) == 1


def test_a_retry_of_what_was_purged_is_a_replay(store: History) -> None:
    store.record(facts())
    store.retention.run()
    before = answers(store)

    assert {outcome.status for outcome in store.record(facts())} == {"replayed"}
    assert store.record(made("plain", 1)).status == "conflict"
    assert answers(store) == before


def test_late_facts_of_a_sealed_day_get_a_part_of_their_own(store: History) -> None:
    store.record(facts())
    store.retention.run()

    assert store.record(made("late", 650)).status == "recorded"
    before = answers(store)
    done = store.retention.run()

    assert (done.ok, done.completions, done.files) == (True, 1, 1)
    assert answers(store) == before
    assert ids(in_the_archive(store)) == {"plain", "midnight", "same bucket", "bob", "late"}
    assert [file.counting for file in store.retention.files()] == [4, 1] or [1, 4]


@pytest.mark.parametrize("late", [False, True], ids=["nothing late", "late facts there"])
@pytest.mark.parametrize("sealed_again", [False, True], ids=["open", "sealed again"])
def test_a_correction_of_a_sealed_day_opens_it_again(store: History, late: bool, sealed_again: bool) -> None:
    """The least and greatest of a cell leave with the correction: they are found again among all facts of the day."""
    with open_history("sqlite://", clock=lambda: NOW) as never_sealed:
        for history in (store, never_sealed):
            history.record([*facts(), made("low", 600), made("high", 603)])
        store.retention.run()
        for history in (store, never_sealed):
            if late:
                history.record(made("late", 602))
            assert history.correct(made("low", 100)).status == "corrected"
            assert history.delete("ada", "high").status == "deleted"
        if sealed_again:
            assert store.retention.run().ok
            assert len(ids(store.facts())) == 2

        assert answers(store) == answers(never_sealed)
        assert stored_receipts(store) == stored_receipts(never_sealed)
        facts_now = [*store.facts(), *in_the_archive(store)]
        assert sorted(facts_now, key=str) == sorted(never_sealed.facts(), key=str)


def test_what_is_sealed_is_asked_anew_for_each_correction(store: History) -> None:
    store.record([made("first", 600), made("second", 602)])
    store.correct(made("first", 601))
    store.retention.run()

    store.correct(made("second", 700))

    assert store.summary("all_time").active_seconds == 601 + 700
    assert store.audit.verify(deep=True).ok


def test_the_extremes_of_a_day_are_found_among_its_purged_facts_when_a_late_one_leaves(store: History) -> None:
    store.record([made("low", 600), made("high", 602)])
    store.retention.run()
    before = answers(store)
    store.record(made("late", 603))

    assert store.delete("ada", "late").status == "deleted"

    assert answers(store) == before
    assert store.summary("all_time").max_seconds == 602


def test_a_correction_without_an_archive_is_refused_and_changes_nothing(store: History, folder: str) -> None:
    store.record(facts())
    store.retention.run()
    before = answers(store)
    Path(folder).rename(f"{folder}-gone")

    for url in (folder, None, f"{folder}/other"):
        with opened(store.engine.url.render_as_string(hide_password=False), url) as history:
            history.retention._url = url
            with pytest.raises(FactsSealed):
                history.correct(made("plain", 1))
            with pytest.raises(FactsSealed):
                history.delete("ada", "midnight")
    assert answers(store) == before


@pytest.mark.parametrize(
    "stale",
    [made("plain", 1), replace(made("plain"), timezone="America/Sao_Paulo")],
    ids=["another content", "the same content in another zone"],
)
def test_a_stale_correction_in_the_callers_transaction_opens_no_day(store: History, stale: CompletedWorkflow) -> None:
    store.record([made("plain"), made("other")])
    assert store.correct(made("plain", 7)).revision == 2
    assert store.correct(made("plain")).revision == 3
    store.retention.run()

    with store.engine.begin() as mine:
        with pytest.raises(StaleRevision):
            store.correct(stale, expected_revision=2, connection=mine)
        store.record(made("mine"), connection=mine)

    assert ids(in_the_archive(store)) == {"plain", "other"}
    assert ids(store.facts()) == {"mine"}


def test_a_restored_day_is_as_it_was_and_is_archived_again_by_the_next_run(store: History) -> None:
    store.record(facts())
    before, recorded = answers(store), list(store.facts())
    store.retention.run()

    restored = store.retention.restore(DateRange())

    assert (restored.user_days, restored.completions) == (2, 4)
    assert list(store.facts()) == recorded
    assert in_the_archive(store) == []
    assert answers(store) == before
    assert count(store, schema.archived_worked, schema.day_seal) == 0
    assert store.retention.run().completions == 4
    assert answers(store) == before
    assert len(store.retention.files()) == 1


def test_who_asks_for_an_archived_workflow_is_told_so(store: History) -> None:
    store.record(facts())
    store.retention.run()

    with pytest.raises(UnknownWorkflow, match=r"the facts of workflow 'plain' .* are archived: restore 2024-05-06 to"):
        store.workflow("ada", "plain")
    with pytest.raises(UnknownWorkflow, match=r"workflow 'none' of user 'ada' is not recorded$"):
        store.workflow("ada", "none")


def test_only_the_days_and_the_person_asked_for_are_restored(store: History) -> None:
    store.record([*facts(), made("later", completed_at=NINE + timedelta(days=3))])
    store.retention.run()

    assert store.retention.restore(DateRange.parse("2024-05-06", "2024-05-06"), "bob").completions == 1
    assert store.retention.restore(DateRange.parse("2024-05-07", None)).completions == 1
    assert ids(store.facts()) == {"recent", "worked long ago", "bob", "later"}


def test_a_day_whose_cells_are_wrong_is_left_as_it_is_and_named(store: History) -> None:
    store.record(facts())
    c = schema.cell_completion.c
    with store.engine.begin() as connection:
        wrong = update(schema.cell_completion).where(c.day == DAY, c.min_seconds == 360)
        assert connection.execute(wrong.values(paused_seconds=1)).rowcount == 1
    recorded = list(store.facts())

    done = store.retention.run()

    assert not done.ok
    [problem] = done.problems
    assert (problem.user_id, problem.day) == ("ada", date(2024, 5, 6))
    assert "paused_seconds is 1, the facts make it 0" in problem.reason
    assert ids(store.facts()) == ids(recorded) - {"bob"}


# ------------------------------------------------------------------------------------------------- what may go wrong


@pytest.mark.parametrize("days", [-1, 32])
def test_a_clock_that_jumped_stops_the_run_until_it_is_confirmed(store: History, folder: str, days: int) -> None:
    store.record(facts())
    url = store.engine.url.render_as_string(hide_password=False)
    with opened(url, folder, NINE + timedelta(days=2)) as then:
        then.retention.run()
    with opened(url, folder, NINE + timedelta(days=2 + days)) as jumped:
        with pytest.raises(ClockJumped):
            jumped.retention.run()
        assert len(list(jumped.facts())) == 6
        assert jumped.retention.run(accept_clock=True).ok


class Killed(BaseException):
    """The process is gone."""


class Failing:
    """Transactions of which the k-th never begins, or is the last that is committed."""

    def __init__(self, within: Transactions, at: int, after: bool) -> None:
        self._within = within
        self._left = at
        self._after = after

    def write(self, users: Any, action: Callable[[Context], T]) -> T:
        return self._counted(lambda: self._within.write(users, action))

    def read(self, action: Callable[[Any], T]) -> T:
        return self._counted(lambda: self._within.read(action))

    def _counted(self, call: Callable[[], T]) -> T:
        self._left -= 1
        if self._left == 0 and not self._after:
            raise Killed
        result: T = call()
        if self._left == 0:
            raise Killed
        return result


def run_until(history: History, at: int, after: bool) -> RetentionRun | None:
    """Run retention with Killed at its k-th transaction; None when it was killed."""
    retention = history.retention
    failing = Failing(retention._transactions, at, after)
    sealing = Sealing(failing, retention.archive(), history.settings.rules(), lambda: instant(NOW))
    try:
        return sealing.run(DAY + 9)
    except Killed:
        return None


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_a_run_that_is_killed_anywhere_is_finished_by_the_next(make_store: Any, tmp_path: Path, after: bool) -> None:
    everything = [*facts(), made("other month", completed_at=NINE - timedelta(days=20))]
    at, done = 1, None
    while done is None:
        with opened(make_store(), str(tmp_path / f"archive {at}")) as history:
            history.record(everything)
            before, recorded = answers(history), sorted(history.facts(), key=str)
            done = run_until(history, at, after)
            assert answers(history) == before, at
            together = sorted([*history.facts(), *in_the_archive(history)], key=str)
            assert together == recorded, at
            assert history.retention.run().ok
            assert answers(history) == before, at
            assert sorted([*history.facts(), *in_the_archive(history)], key=str) == recorded, at
            assert ids(history.facts()) == {"recent", "worked long ago"}, at
            files = {str(path) for path in history.retention.archive().paths()}
            assert files == {file.path for file in history.retention.files()}, at
            assert all(file.counting for file in history.retention.files()), at
        at += 1
    assert at > 12


def test_facts_that_change_while_a_file_is_written_stay_for_the_next_run(store: History) -> None:
    store.record(facts())
    changed: list[str] = []

    class Busy(Archive):
        def checksum(self, path: str) -> Any:
            if not changed:
                changed.append(store.record(made("meanwhile", 5)).status)
                changed.append(store.correct(made("bob", 7, user_id="bob", template="Long")).status)
            return super().checksum(path)

    url = store.retention.archive().url
    sealing = Sealing(store.retention._transactions, Busy(url), store.settings.rules(), lambda: instant(NOW))
    done = sealing.run(DAY + 9)

    assert changed == ["recorded", "corrected"]
    assert (done.completions, done.postponed) == (0, 2)
    before = answers(store)
    assert store.retention.run().completions == 5
    assert answers(store) == before
    assert len(in_the_archive(store)) == 5


def test_a_file_that_the_manifest_does_not_know_is_told(store: History, folder: str) -> None:
    store.record(facts())
    store.retention.run()
    [file] = store.retention.files()
    left = Path(folder) / file.path.replace(file.path.rpartition("/")[2], "left.parquet")
    left.write_bytes(b"of a run that was broken off")
    with store.engine.begin() as connection:
        put_file(connection, "f" * 32, f"{left.parent.relative_to(folder)}/{'f' * 32}.parquet", instant(NOW))
    left.with_name(f".{'f' * 32}.parquet.tmp").write_bytes(b"of a run that is under way")

    [problem] = store.retention.check().problems

    assert problem.startswith(f"{left.relative_to(folder)}: not in the manifest, ")
    assert left.exists()


class Telling(Archive):
    """An archive that tells how far a file is: writing, written, checked, read back."""

    def __init__(self, url: str, tell: Callable[[str], None]) -> None:
        super().__init__(url)
        self._tell = tell

    @contextmanager
    def writing(self, path: str) -> Iterator[Any]:
        with super().writing(path) as writer:
            self._tell("writing")
            yield writer
        self._tell("written")

    def checksum(self, path: str) -> Any:
        found = super().checksum(path)
        self._tell("checked")
        return found

    def read_digested(self, path: str, **parts: Any) -> Any:
        yield from list(super().read_digested(path, **parts))
        self._tell("read back")


@pytest.mark.parametrize("moment", ["writing", "written", "checked", "read back"])
def test_a_run_that_another_one_overtook_deletes_and_leaves_nothing(store: History, moment: str) -> None:
    store.record(facts())
    before = answers(store)

    def overtake(now: str) -> None:
        if now == moment and not overtaken:
            overtaken.append(store.retention.run())

    overtaken: list[RetentionRun] = []
    url = store.retention.archive().url
    sealing = Sealing(
        store.retention._transactions, Telling(url, overtake), store.settings.rules(), lambda: instant(NOW)
    )
    with pytest.raises(RetentionOvertaken):
        sealing.run(DAY + 9)

    assert overtaken[0].completions == 4
    assert answers(store) == before
    assert len(in_the_archive(store)) == 4
    assert list(store.retention.archive().paths()) == sorted(file.path for file in store.retention.files())


@pytest.mark.parametrize("damage", ["truncated", "flipped", "emptied"])
def test_a_file_that_is_not_as_it_was_written_deletes_nothing(store: History, damage: str) -> None:
    store.record(facts())
    recorded = list(store.facts())

    class Damaging(Archive):
        def checksum(self, path: str) -> Any:
            file = Path(self.url.removeprefix("file://")) / path
            data = file.read_bytes()
            flipped = data[:100] + bytes([data[100] ^ 1]) + data[101:]
            file.write_bytes({"truncated": data[:-10], "flipped": flipped, "emptied": b""}[damage])
            return super().checksum(path)

    url = store.retention.archive().url
    sealing = Sealing(store.retention._transactions, Damaging(url), store.settings.rules(), lambda: instant(NOW))
    with pytest.raises(ArchiveDamaged):
        sealing.run(DAY + 9)

    assert list(store.facts()) == recorded
    assert store.retention.run().completions == 4


def test_an_archive_that_cannot_be_written_deletes_nothing(store_url: str, tmp_path: Path) -> None:
    blocked = tmp_path / "a file"
    blocked.write_text("in the way")
    with opened(store_url, str(blocked / "archive")) as history:
        history.record(facts())
        with pytest.raises(ArchiveUnavailable):
            history.retention.run()
        assert len(list(history.facts())) == 6


@pytest.mark.parametrize("after", [0, 300, 3000])
def test_a_full_disk_deletes_nothing(store_url: str, tmp_path: Path, after: int) -> None:
    with opened(store_url, f"failing://{tmp_path}/archive") as history:
        history.record(facts())
        before, recorded = answers(history), list(history.facts())
        history.retention.archive()
        with failing(ENOSPC, after), pytest.raises(ArchiveUnavailable, match=strerror(ENOSPC)):
            history.retention.run()
        assert list(history.facts()) == recorded
        assert answers(history) == before
        assert history.retention.run().completions == 4


def test_another_stores_archive_is_refused(store: History, make_store: Any, folder: str) -> None:
    store.record(facts())
    store.retention.run()
    with opened(make_store(), folder) as other:
        other.record(facts())
        with pytest.raises(ArchiveMismatch):
            other.retention.run()
        assert len(list(other.facts())) == 6


def test_an_archive_whose_disk_is_not_mounted_is_not_begun_anew(store: History, folder: str) -> None:
    store.record([*facts(), made("alone", user_id="eve")])
    store.retention.run()
    Path(folder).rename(f"{folder}-gone")
    Path(folder).mkdir()
    store.record(made("late", 5))
    with opened(store.engine.url.render_as_string(hide_password=False), folder) as history:
        for call in (history.retention.run, lambda: history.retention.erase("eve"), history.retention.check):
            with pytest.raises(ArchiveUnavailable, match="mounted"):
                call()
        assert ids(history.facts()) == {"recent", "worked long ago", "late"}
    assert list(Path(folder).iterdir()) == []


def test_an_archive_is_checked_against_its_manifest(store: History, folder: str) -> None:
    store.record(facts())
    store.retention.run()
    assert store.retention.check().ok
    [file] = store.retention.files()
    path = Path(folder) / file.path
    path.write_bytes(path.read_bytes() + b"x")
    assert len(store.retention.check().problems) == 1
    path.unlink()
    [problem] = store.retention.check().problems
    assert file.path in problem


# ---------------------------------------------------------------------------------------------- alerts, and a person


def test_alerts_are_deleted_when_they_were_dismissed_long_ago(store: History) -> None:
    store.record(facts())
    alerts = store.alerts()
    assert len(alerts) > 2
    url = store.engine.url.render_as_string(hide_password=False)
    for alert, days in zip(alerts, (366, 364), strict=False):
        with opened(url, None, NOW - timedelta(days=days)) as then:
            then.dismiss_alert(alert.id)

    assert store.retention.clean_alerts() == 1
    assert len(store.alerts(dismissed=None)) == len(alerts) - 1
    assert store.retention.clean_alerts() == 0


def test_a_person_who_is_erased_is_nowhere(store: History, store_url: str, folder: str, tmp_path: Path) -> None:
    store.record([*facts(), made("only ada", completed_at=NINE - timedelta(days=40))])
    store.retention.run()
    with open_history("sqlite://", clock=lambda: NOW) as without:
        without.record([fact for fact in facts() if fact.user_id == "bob"])
        revision = store.summary("all_time").coverage.revision

        erased = store.retention.erase("ada")

        assert (erased.archived, erased.files_rewritten, erased.files_removed) == (4, 1, 1)
        assert erased.rows["receipt"] == 6
        assert cells_of(store) == cells_of(without)
        assert in_the_archive(store) == list(without.facts())
    assert store.summary("all_time").coverage.revision > revision
    assert store.users() == ("bob",)
    with pytest.raises(UnknownUser):
        store.retention.erase("ada")
    everything = b"".join(path.read_bytes() for path in Path(folder).rglob("*") if path.is_file())
    assert b"midnight" not in everything
    assert store.retention.check().ok
    assert store.correct(made("bob", 7, user_id="bob", template="Long")).status == "corrected"


def test_a_person_in_an_archive_that_is_not_configured_is_not_erased_by_half(store: History) -> None:
    store.record(facts())
    store.retention.run()
    before = answers(store)
    with opened(store.engine.url.render_as_string(hide_password=False), None) as history:
        history.retention._url = None
        with pytest.raises(InvalidRequest, match="TIMESTRATA_ARCHIVE"):
            history.retention.erase("ada")
    assert answers(store) == before


@pytest.mark.parametrize("spoil", [Path.unlink, lambda path: path.write_bytes(path.read_bytes()[:-1] + b"x")])
def test_a_person_beside_others_in_a_damaged_file_is_not_erased_by_half(
    store: History, folder: str, spoil: Callable[[Path], object]
) -> None:
    store.record([*facts(), made("only ada", completed_at=NINE - timedelta(days=40))])
    store.retention.run()
    before = answers(store)
    shared = [Path(folder) / file.path for file in store.retention.files() if file.users > 1]
    alone = [Path(folder) / file.path for file in store.retention.files() if file.users == 1]
    kept = {path: path.read_bytes() for path in (*shared, *alone)}
    assert (len(shared), len(alone)) == (1, 1)
    spoil(shared[0])

    with pytest.raises((ArchiveDamaged, ArchiveUnavailable)):
        store.retention.erase("ada")

    assert answers(store) == before
    assert alone[0].read_bytes() == kept[alone[0]]
    shared[0].write_bytes(kept[shared[0]])
    alone[0].unlink()  # nobody else is in it
    assert store.retention.erase("ada").archived == 4
    assert store.retention.check().ok


def in_two_files(store: History) -> None:
    """Archive facts in a file that several people share, and in one of "ada" alone."""
    store.record([*facts(), made("only ada", completed_at=NINE - timedelta(days=40))])
    store.retention.run()


def erase_ada(store: History, archive: Archive) -> Erasure:
    return erase(store.retention._transactions, lambda: archive, "ada", lambda: NOW)


def assert_no_file_is_left(store: History) -> None:
    assert store.retention.check().ok
    assert list(store.retention.archive().paths()) == sorted(file.path for file in store.retention.files())


@pytest.mark.parametrize("moment", ["writing", "written", "read back"])
@pytest.mark.parametrize("what", ["broken off", "overtaken"])
def test_an_erasure_that_does_not_come_to_its_end_changes_nothing(store: History, moment: str, what: str) -> None:
    in_two_files(store)
    before = answers(store)
    times = 0

    def stop(now: str) -> None:
        nonlocal times
        if now == moment and not times:
            times += 1
            if what == "broken off":
                raise KeyboardInterrupt
            store.retention.run()

    with pytest.raises(KeyboardInterrupt if what == "broken off" else RetentionOvertaken):
        erase_ada(store, Telling(store.retention.archive().url, stop))

    assert times == 1
    assert answers(store) == before
    assert store.audit.verify(deep=True).ok
    assert_no_file_is_left(store)
    assert store.retention.erase("ada").archived == 4
    assert_no_file_is_left(store)


@pytest.mark.parametrize("then", ["erased again", "retained"])
def test_an_erasure_that_is_broken_off_at_its_last_files_has_erased(store: History, folder: str, then: str) -> None:
    in_two_files(store)
    old = [file.path for file in store.retention.files()]

    class Unremovable(Archive):
        def remove(self, path: str) -> None:
            raise ArchiveUnavailable(path, "it went away")

    with pytest.raises(ArchiveUnavailable):
        erase_ada(store, Unremovable(store.retention.archive().url))

    assert "ada" not in store.users()
    assert store.audit.verify(deep=True).ok
    assert all((Path(folder) / path).exists() for path in old)
    if then == "retained":
        assert store.retention.run().ok
    else:
        with pytest.raises(UnknownUser):
            store.retention.erase("ada")
    assert not any((Path(folder) / path).exists() for path in old)
    assert_no_file_is_left(store)


def test_an_erasure_takes_a_file_that_was_written_meanwhile_too(store: History, store_url: str, folder: str) -> None:
    in_two_files(store)
    written: list[RetentionRun] = []

    class Meanwhile(Archive):
        def checksum(self, path: str) -> Any:
            if not written:
                with opened(store_url, folder, NOW + timedelta(days=31)) as later:
                    written.append(later.retention.run())
            return super().checksum(path)

    with pytest.raises(RetentionOvertaken):
        erase_ada(store, Meanwhile(store.retention.archive().url))

    assert written[0].completions == 2
    assert store.audit.verify(deep=True).ok
    assert store.retention.erase("ada").archived == 6
    assert_no_file_is_left(store)


@pytest.mark.parametrize("moment", ["writing", "written", "checked", "read back"])
def test_a_person_who_is_erased_while_her_facts_are_archived_is_nowhere(store: History, moment: str) -> None:
    store.record(facts())

    def erase_her(now: str) -> None:
        if now == moment and "ada" in store.users():
            store.retention.erase("ada")

    archive = Telling(store.retention.archive().url, erase_her)
    sealing = Sealing(store.retention._transactions, archive, store.settings.rules(), lambda: instant(NOW))
    with pytest.raises(RetentionOvertaken):
        sealing.run(DAY + 9)

    assert store.audit.verify(deep=True).ok
    assert_no_file_is_left(store)
    assert store.retention.run().completions == 1
    assert ids(in_the_archive(store)) == {"bob"}
    assert store.retention.check().ok


def test_an_erasure_does_not_take_back_what_was_purged_meanwhile(store: History) -> None:
    store.record(facts())
    store.retention.run()
    part = schema.archive_part.c

    def put_state(state: int) -> None:
        with store.engine.begin() as connection:
            set_state(connection, part.state != schema.VOID, state)

    def purge_it(now: str) -> None:
        if now == "read back":
            put_state(schema.PURGED)

    put_state(schema.EXPORTED)  # as between the entry of a file and its purge
    with pytest.raises(RetentionOvertaken):
        erase_ada(store, Telling(store.retention.archive().url, purge_it))

    assert store.audit.verify(deep=True).ok
    assert ids(in_the_archive(store)) == {"plain", "midnight", "same bucket", "bob"}
    assert_no_file_is_left(store)


@pytest.mark.parametrize("who", ["ada", "bob"])
def test_of_two_erasures_at_once_one_is_told_to_wait_or_finds_nobody(store: History, who: str) -> None:
    in_two_files(store)

    def erase_too(now: str) -> None:
        if now == "read back" and who in store.users():
            store.retention.erase(who)

    with pytest.raises(UnknownUser if who == "ada" else RetentionOvertaken):
        erase_ada(store, Telling(store.retention.archive().url, erase_too))

    assert who not in store.users()
    assert store.audit.verify(deep=True).ok
    assert_no_file_is_left(store)


def test_a_file_that_was_given_up_is_never_entered_and_one_that_was_entered_never_given_up(store: History) -> None:
    written = Written("", 0, 0, b"digest")
    with store.engine.begin() as connection:
        for name in ("given up", "entered"):
            put_file(connection, name, f"completions/{name}", 0)
        assert give_up(connection, "nobody's") is None
        assert give_up(connection, "given up") == schema.WRITING
        assert not keep_file(connection, "given up", written, schema.PURGED, {})
        assert keep_file(connection, "entered", written, schema.PURGED, {})
        assert give_up(connection, "entered") == schema.KEPT
        assert [file.file_id for file in retired(connection)] == ["given up"]
        assert [(file.file_id, file.digest) for file in files(connection)] == [("entered", b"digest")]


def test_a_process_that_remembers_an_erased_person_starts_anew(store: History, store_url: str, folder: str) -> None:
    store.record(facts())
    store.tracking.put_template("Live", "Bug", ["Look"])
    with opened(store_url, folder) as other:
        assert other.record(made("other's")).status == "recorded"
        store.retention.erase("ada")
        assert other.record(made("plain")).status == "recorded"
        store.retention.erase("ada")
        assert [one.status for one in other.record([made("plain"), made("bob2", user_id="bob")])] == ["recorded"] * 2
        store.retention.erase("ada")
        other.tracking.start_workflow("ada", "Live", "TK-1")
        store.retention.erase("ada")
        other.set_timezone("ada", "Asia/Tokyo")
        assert other.summary("all_time", "ada").completed == 0
    assert isinstance(store.retention, Retention)
