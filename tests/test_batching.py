"""Single records of many callers share transactions: each is told its own outcome, after its commit, whoever fails."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from multiprocessing import get_context
from random import Random
from threading import Barrier, Event, Thread
from time import sleep
from typing import Any

import pytest
from conftest import reopened
from facts_made import NINE, alerts_of, assert_in_step, dump, made, session
from sqlalchemy import event, select, text

from timestrata import CompletedWorkflow, History, StepTime, open_history, schema
from timestrata.batching import GroupCommit
from timestrata.formats.jsonl import workflow_to_json
from timestrata.ingest import Outcome

SECONDS = 30
"""More than anything here takes; a test that needs it has failed."""

USERS = ("ada", "bob", "Jos\u00e9")


def in_threads(*work: Callable[[], object]) -> None:
    """Call functions in threads that start together. None of them may hang or fail."""
    start = Barrier(len(work))
    finished: list[object] = []

    def run(call: Callable[[], object]) -> None:
        start.wait(SECONDS)
        finished.append(call())

    threads = [Thread(target=run, args=(call,), daemon=True) for call in work]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(SECONDS)
    assert len(finished) == len(work)


def facts_of(count: int) -> list[CompletedWorkflow]:
    return [made(f"w{index}", index % 40, user_id=USERS[index % 3], estimated_seconds=20) for index in range(count)]


# ----------------------------------------------------------------------------------------------------- many threads


def test_threads_get_their_own_outcomes_and_nothing_is_lost_or_doubled(
    history: History, make_store: Callable[[], str]
) -> None:
    facts = facts_of(96)
    told: list[tuple[CompletedWorkflow, Outcome]] = []

    def record(seed: int) -> None:
        mine = facts.copy()
        Random(seed).shuffle(mine)
        told.extend((fact, history.record(fact)) for fact in mine[:12])

    in_threads(*[lambda seed=seed: record(seed) for seed in range(64)])

    assert len(told) == 64 * 12
    assert all((fact.user_id, fact.workflow_id) == (told.user_id, told.workflow_id) for fact, told in told)
    statuses = Counter((outcome.workflow_id, outcome.status) for _, outcome in told)
    seen = {fact.workflow_id for fact, _ in told}
    assert {key: statuses[key, "recorded"] for key in seen} == dict.fromkeys(seen, 1)
    assert {status for _, status in statuses} == {"recorded", "replayed"}
    assert_in_step(history)
    with open_history(make_store()) as alone:
        alone.record([fact for fact in facts if fact.workflow_id in seen])
        assert dump(history) == dump(alone)


def test_what_was_acknowledged_is_committed(history: History, store_url: str) -> None:
    with reopened(store_url) as other:

        def record(seed: int) -> None:
            for number in range(5):
                fact = made(f"w{seed}-{number}", user_id=USERS[seed % 3])
                assert history.record(fact).status == "recorded"
                assert other.workflow(fact.user_id, fact.workflow_id).workflow.active_seconds == 600

        in_threads(*[lambda seed=seed: record(seed) for seed in range(16)])


def test_threads_may_share_a_history_in_memory() -> None:
    with open_history("sqlite://") as history:
        in_threads(*[lambda fact=fact: history.record(fact) for fact in facts_of(30)])

        assert history.summary("all_time").completed == 30
        assert_in_step(history)


# -------------------------------------------------------------------------------------------------- one transaction


@contextmanager
def checkouts(history: History) -> Iterator[list[object]]:
    """Note every time that a connection is taken, which is once a transaction."""
    taken: list[object] = []

    def note(connection: object, *_: object) -> None:
        taken.append(connection)

    event.listen(history.engine, "checkout", note)
    yield taken
    event.remove(history.engine, "checkout", note)


@contextmanager
def held(url: str) -> Iterator[None]:
    """Let everybody who writes for ada wait: her row, or the whole file, is locked by a transaction."""
    with reopened(url) as other, other.engine.connect() as connection, connection.begin() as transaction:
        other.record(made("holder"), connection=connection)
        yield
        transaction.rollback()


def outcomes(futures: Sequence[Future[Outcome]]) -> list[Outcome]:
    return [future.result(SECONDS) for future in futures]


def statuses(futures: Sequence[Future[Outcome]]) -> list[str]:
    return [outcome.status for outcome in outcomes(futures)]


def test_one_caller_alone_makes_one_transaction_a_record(history: History) -> None:
    history.record(made("w0"))

    with checkouts(history) as taken:
        history.record(made("w1"))
        history.record(made("w2"))

    assert len(taken) == 2


def test_replays_that_follow_each_other_are_looked_for_once_each(history: History) -> None:
    history.record([made("w0"), made("w1")])
    assert history.record(made("w0")).status == "replayed"

    with checkouts(history) as taken:
        assert [history.record(made(name)).status for name in ("w1", "w0", "w2")] == [
            "replayed",
            "replayed",
            "recorded",
        ]
    assert len(taken) == 3

    assert history.record(made("w3")).status == "recorded"
    assert_in_step(history)


def test_what_comes_during_a_commit_shares_the_next_one(history: History, store_url: str) -> None:
    history.record(made("w0"))

    with checkouts(history) as taken:
        with held(store_url):
            futures = [history.submit(made(f"w{number}")) for number in range(1, 40)]
        found = outcomes(futures)

    assert [(outcome.workflow_id, outcome.status) for outcome in found] == [
        (f"w{number}", "recorded") for number in range(1, 40)
    ]
    assert len(taken) in (1, 2)  # one when the writer thread was slower than all that was submitted
    assert_in_step(history)


def test_threads_that_record_at_once_share_transactions(history: History, store_url: str) -> None:
    history.record(made("w0"))
    together = Barrier(21)

    def record(name: str) -> None:
        together.wait(SECONDS)
        history.record(made(name))

    threads = [Thread(target=record, args=(f"w{number}",), daemon=True) for number in range(1, 21)]
    with checkouts(history) as taken:
        with held(store_url):
            for thread in threads:
                thread.start()
            together.wait(SECONDS)
            while len(history._group._queue) < len(threads) - 1:  # the first one leads, and waits for the database
                sleep(0)
        for thread in threads:
            thread.join(SECONDS)

    assert history.summary("all_time").completed == 21
    assert len(taken) == 2


def test_a_user_s_items_keep_their_order(history: History, store_url: str) -> None:
    history.record(made("w0"))
    names = [f"w{number}" for number in range(1, 30)]
    Random(1).shuffle(names)

    with held(store_url):
        futures = [history.submit(made(name)) for name in names]
    outcomes(futures)

    c = schema.receipt.c
    with history.engine.connect() as connection:
        assert connection.execute(select(c.workflow_id).order_by(c.number)).scalars().all() == ["w0", *names]


def test_twins_in_a_batch_are_replays_and_conflicts(history: History, store_url: str) -> None:
    history.record(made("w0"))
    one = made("w1")

    with held(store_url):
        items = [made("first"), one, one, replace(one, ticket_key="TK-2"), made("w0", 7), made("w2")]
        futures = [history.submit(item) for item in items]

    assert statuses(futures) == ["recorded", "recorded", "replayed", "conflict", "conflict", "recorded"]
    assert_in_step(history)


def varied(count: int) -> list[CompletedWorkflow]:
    """Return facts of a few users: with and without sessions, alerts and zones of their own."""
    night = StepTime(1, "night", 60, 10, sessions=(session("2024-05-05T23:59:30", 60),))
    zones = (None, None, "Asia/Tokyo")
    return [
        replace(fact, timezone=zones[index // 3 % 3], steps=(*fact.steps, night) if index % 5 else fact.steps)
        for index, fact in enumerate(facts_of(count))
    ]


def test_single_records_that_share_transactions_make_the_store_of_one_batch(
    history: History, make_store: Callable[[], str]
) -> None:
    facts = varied(120)
    random = Random(3)
    for user in USERS:
        history.set_timezone(user, "America/Sao_Paulo")
    history.record(facts[:6])  # from the second record on, the users' zones are remembered
    start = 6
    while start < len(facts):
        size = random.randint(1, 30)
        found = history._record_together(facts[start : start + size])
        assert [(each.workflow_id, each.status, each.revision) for each in found] == [
            (fact.workflow_id, "recorded", 1) for fact in facts[start : start + size]
        ]
        start += size

    with reopened(make_store()) as other:
        for user in USERS:
            other.set_timezone(user, "America/Sao_Paulo")
        other.record(facts)
        assert dump(history) == dump(other)
        assert alerts_of(history) == alerts_of(other)
        assert numbers(history) == numbers(other)
    assert_in_step(history)


def numbers(history: History) -> list[tuple[Any, ...]]:
    """Return every user, what they were counted up to, and the numbers of their workflows."""
    receipts, states, users = schema.receipt.c, schema.user_state.c, schema.user.c
    asked = (
        select(users.name, states.seq, receipts.number, receipts.workflow_id)
        .join_from(schema.user, schema.user_state, users.user_id == states.user_id)
        .join(schema.receipt, receipts.user_id == users.user_id)
        .order_by(users.name, receipts.number)
    )
    with history.engine.connect() as connection:
        return [tuple(row) for row in connection.execute(asked)]


def test_zones_that_another_process_has_set_count_for_a_shared_transaction(history: History, store_url: str) -> None:
    late = NINE.replace(hour=23)
    history.record([made("w0"), made("b0", user_id="bob")])
    with reopened(store_url) as other:
        other.set_timezone("bob", "Asia/Tokyo")

    history._record_together(
        [made("w1", completed_at=late), made("b1", user_id="bob", completed_at=late), made("w2", completed_at=late)]
    )

    days = {row.workflow_id: row.day.day for row in history.workflows("all_time")}
    assert (days["w1"], days["b1"], days["w2"]) == (6, 7, 6)
    assert_in_step(history)


@pytest.mark.parametrize("others", [(), ("w2", "w3")], ids=["alone", "with others"])
def test_what_another_process_commits_meanwhile_is_a_replay(
    history: History, store_url: str, others: tuple[str, ...]
) -> None:
    history.record(made("w0"))
    with ThreadPoolExecutor(1) as pool, reopened(store_url) as other:
        with other.engine.connect() as connection, connection.begin():
            other.record(made("w1"), connection=connection)
            recording = pool.submit(history._record_together, [made(name) for name in ("w1", *others)])
            wait_for_a_lock(history, recording)
        found = recording.result(SECONDS)

    assert [outcome.status for outcome in found] == ["replayed", *["recorded" for _ in others]]
    assert history.summary("all_time").completed == 2 + len(others)
    assert_in_step(history)


def wait_for_a_lock(history: History, recording: Future[Any]) -> None:
    """Return once a connection waits for a lock, or nobody is going to. SQLite does not tell who waits."""
    if history.engine.dialect.name == "sqlite":
        return
    waiting = text(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    while not recording.done():
        with history.engine.connect() as connection:
            if connection.execute(waiting).scalar_one():
                return


# -------------------------------------------------------------------------------------------------------- a Future


def test_asyncio_awaits_outcomes(history: History) -> None:
    async def record_all() -> list[Outcome]:
        futures = [asyncio.wrap_future(history.submit(fact)) for fact in facts_of(40)]
        return await asyncio.wait_for(asyncio.gather(*futures), SECONDS)

    found = asyncio.run(record_all())

    assert [outcome.workflow_id for outcome in found] == [fact.workflow_id for fact in facts_of(40)]
    assert {outcome.status for outcome in found} == {"recorded"}
    assert_in_step(history)


def test_what_cannot_be_accepted_is_rejected_at_once(history: History) -> None:
    found = history.submit({"user_id": "ada", "workflow_id": "w1"})

    assert found.done()
    assert (found.result().status, found.result().workflow_id) == ("rejected", "w1")


def test_what_is_cancelled_in_time_is_not_recorded(history: History, store_url: str) -> None:
    history.record(made("w0"))

    with held(store_url):
        futures = [history.submit(made("w1"))]
        while not futures[0].running():  # it waits for the lock, alone
            pass
        futures += [history.submit(made(name)) for name in ("w2", "w3")]
        assert futures[1].cancel()

    assert statuses([futures[0], futures[2]]) == ["recorded", "recorded"]
    assert history.summary("all_time").completed == 3


def test_how_a_submitted_mapping_was_read_is_noted(history: History) -> None:
    document = workflow_to_json(made("w1")) | {"sprint": 7}

    assert history.submit(document).result() == Outcome(
        "recorded", "ada", "w1", 1, notes=("unknown fields ignored: 'sprint'",)
    )


def test_closing_finishes_what_was_submitted(history: History, store_url: str) -> None:
    with open_history(store_url) as other:
        futures = [other.submit(fact) for fact in facts_of(50)]

    assert all(future.done() for future in futures)
    assert history.summary("all_time").completed == 50


def test_a_closed_history_can_be_used_again(history: History) -> None:
    history.submit(made("w1"))
    history.close()
    history.close()

    assert history.submit(made("w2")).result(SECONDS).status == "recorded"
    assert history.summary("all_time").completed == 2


# -------------------------------------------------------------------------------------------------------- failures


@contextmanager
def refusing(history: History, workflow_id: str) -> Iterator[None]:
    """Let the database refuse the completion of one workflow."""
    if history.engine.dialect.name == "sqlite":
        create = [
            f"CREATE TRIGGER refuse BEFORE INSERT ON ts_completion WHEN new.workflow_id = '{workflow_id}' "
            "BEGIN SELECT RAISE(ABORT, 'made'); END"
        ]
    else:
        create = [
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
            f"IF new.workflow_id = '{workflow_id}' THEN RAISE 'made'; END IF; RETURN new; END $$",
            "CREATE TRIGGER refuse BEFORE INSERT ON ts_completion FOR EACH ROW EXECUTE FUNCTION refuse()",
        ]
    with history.engine.begin() as connection:
        for statement in create:
            connection.execute(text(statement))
    yield


def test_an_item_that_fails_does_not_spoil_its_batch(history: History, store_url: str) -> None:
    history.record(made("w0"))
    with refusing(history, "bad"):
        with held(store_url):
            futures = [history.submit(made(name)) for name in ("w1", "w2", "bad", "w3")]

        assert "made" in str(futures[2].exception(SECONDS))
        assert statuses([*futures[:2], futures[3]]) == ["recorded"] * 3
        assert history.summary("all_time").completed == 4
        assert_in_step(history)


def test_threads_get_their_own_errors(history: History) -> None:
    names = ["bad", *[f"w{number}" for number in range(23)]]
    failed: list[str] = []

    def record(name: str) -> None:
        try:
            history.record(made(name))
        except Exception:
            failed.append(name)

    with refusing(history, "bad"):
        in_threads(*[lambda name=name: record(name) for name in names])

    assert failed == ["bad"]
    assert history.summary("all_time").completed == 23
    assert_in_step(history)


# ----------------------------------------------------------------------------------------------- leaders and batches


class Work:
    """What a group carries out: doubles numbers, and stops in the first batch until it may go on."""

    def __init__(self, died: BaseException | None = None) -> None:
        self.batches: list[list[int]] = []
        self.alone_: list[tuple[int, Exception | None]] = []
        self.begun = Event()
        self.go_on = Event()
        self.died = died

    def together(self, items: Sequence[int]) -> list[int]:
        self.batches.append(list(items))
        if len(self.batches) == 1:
            self.begun.set()
            assert self.go_on.wait(SECONDS)
        if self.died is not None and len(self.batches) <= 2:
            raise self.died
        return [2 * item for item in items]

    def alone(self, item: int, met: Exception | None) -> int:
        self.alone_.append((item, met))
        if met is not None:
            raise met
        return -item


def led_by_thread(group: GroupCommit[int, int], work: Work) -> Thread:
    """Return a thread that leads the first batch, which has begun."""

    def lead() -> None:
        try:
            assert group.call(0) == 0
        except (KeyboardInterrupt, SystemExit):
            assert work.died is not None

    thread = Thread(target=lead, daemon=True)
    thread.start()
    assert work.begun.wait(SECONDS)
    return thread


def test_a_batch_is_bounded_and_in_order() -> None:
    work = Work()
    group = GroupCommit(work.together, work.alone, largest=4)
    leader = led_by_thread(group, work)

    futures = [group.submit(number) for number in range(1, 11)]
    work.go_on.set()

    assert [future.result(SECONDS) for future in futures] == [2 * number for number in range(1, 11)]
    assert work.batches == [[0], [1, 2, 3, 4], [5, 6, 7, 8], [9, 10]]
    leader.join(SECONDS)


def test_batches_take_turns_where_that_is_asked_for() -> None:
    """All who wait come back from one batch: then half of them go into each."""
    work = Work()
    group = GroupCommit(work.together, work.alone)
    group.alternates = True
    leader = led_by_thread(group, work)
    futures = [group.submit(number) for number in range(1, 21)]
    work.go_on.set()
    leader.join(SECONDS)
    assert [future.result(SECONDS) for future in futures] == [2 * number for number in range(1, 21)]
    assert list(map(len, work.batches)) == [1, 11, 9]  # half of the 20 who wait and the one who may be back

    with group._lock:  # the leader does not get to what waits before all are there
        futures = [group.submit(number) for number in range(20)]
    for future in futures:
        future.result(SECONDS)

    assert list(map(len, work.batches[3:])) == [10, 10]


def test_who_records_is_told_before_the_commit(history: History) -> None:
    history.record(made("first"))
    seen: list[int] = []
    history.before_commits(lambda: seen.append(history.summary("all_time").completed))

    history.record(made("second"))

    assert (seen, history.summary("all_time").completed) == ([1], 2)


@pytest.mark.parametrize("death", [KeyboardInterrupt("died"), SystemExit("died")])
def test_nobody_waits_for_a_leader_that_died(death: BaseException) -> None:
    """The leader of the first batch dies, and the writer thread in the second: its items go their own ways."""
    work = Work(death)
    group = GroupCommit(work.together, work.alone)
    leader = led_by_thread(group, work)

    futures = [group.submit(number) for number in (1, 2, 3)]
    work.go_on.set()
    leader.join(SECONDS)

    assert [future.result(SECONDS) for future in futures] == [-1, -2, -3]
    assert group.call(4) == 8
    assert group.submit(5).result(SECONDS) == 10
    assert work.batches == [[0], [1, 2, 3], [4], [5]]


def test_threads_that_wait_are_served_when_their_leader_dies() -> None:
    work = Work(SystemExit("died"))
    group = GroupCommit(work.together, work.alone)
    found: list[int] = []
    leader = led_by_thread(group, work)

    def follow(number: int) -> None:
        try:
            found.append(abs(group.call(number)))
        except SystemExit:
            found.append(0)

    first = [group.submit(number) for number in (1, 2)]
    followers = [Thread(target=follow, args=(number,), daemon=True) for number in range(3, 20)]
    for follower in followers:
        follower.start()
    work.go_on.set()
    for follower in [leader, *followers]:
        follower.join(SECONDS)

    assert len(found) == len(followers)
    assert [abs(future.result(SECONDS)) for future in first] == [1, 2]


@contextmanager
def interrupted_once(when: Callable[[], object]) -> Iterator[None]:
    """Interrupt the main thread once, as Ctrl-C does, when something is true."""
    left = Event()

    def interrupt(*_: object) -> None:
        if not left.is_set():
            left.set()
            raise KeyboardInterrupt

    def send(main: int) -> None:
        while not left.wait(0.01):  # again, because a signal just before a thread waits is seen only after it
            if when():
                signal.pthread_kill(main, signal.SIGUSR1)

    before = signal.signal(signal.SIGUSR1, interrupt)
    sender = Thread(target=send, args=(threading.get_ident(),), daemon=True)
    sender.start()
    try:
        yield
    finally:
        left.set()
        sender.join(SECONDS)
        signal.signal(signal.SIGUSR1, before)


@pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="this system cannot signal a thread")
def test_a_caller_interrupted_while_it_waits_leaves_the_queue() -> None:
    work = Work()
    group = GroupCommit(work.together, work.alone)
    leader = led_by_thread(group, work)

    with interrupted_once(lambda: group._queue), pytest.raises(KeyboardInterrupt):
        group.call(1)
    after = group.submit(2)
    work.go_on.set()

    assert after.result(SECONDS) == 4
    leader.join(SECONDS)
    assert work.batches == [[0], [2]]


def test_an_item_repeated_alone_does_not_hold_up_others() -> None:
    """An item that waits for a better moment has given the lead away."""
    released = Event()

    def together(items: Sequence[str]) -> Sequence[str]:
        if "bad" in items:
            raise OSError("gone")
        return items

    def alone(item: str, met: Exception | None) -> str:
        if item == "bad":
            assert released.wait(SECONDS)
        return item

    group = GroupCommit(together, alone)
    thread = Thread(target=lambda: group.call("bad"), daemon=True)
    thread.start()
    bad = group.submit("bad")

    assert group.submit("good").result(SECONDS) == "good"
    assert group.call("good") == "good"
    assert thread.is_alive()
    assert not bad.done()
    released.set()
    thread.join(SECONDS)
    assert bad.result(SECONDS) == "bad"


def test_the_error_of_an_item_alone_is_handed_to_its_repetition() -> None:
    gone = OSError("gone")

    def together(items: Sequence[int]) -> Sequence[int]:
        raise gone

    work = Work()
    group = GroupCommit(together, work.alone)

    with pytest.raises(OSError, match="gone"):
        group.call(1)
    assert group.submit(2).exception(SECONDS) is gone
    assert work.alone_ == [(1, gone), (2, gone)]


def _call_in_child(group: GroupCommit[int, int]) -> None:
    assert group.call(7) == 14
    assert group.submit(8).result(SECONDS) == 16


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_child_does_not_wait_for_its_parent_s_leader() -> None:
    work = Work()
    group = GroupCommit(work.together, work.alone)
    leader = led_by_thread(group, work)
    queued = group.submit(1)

    child = get_context("fork").Process(target=_call_in_child, args=(group,))
    child.start()
    child.join(SECONDS)

    assert child.exitcode == 0
    work.go_on.set()
    assert queued.result(SECONDS) == 2
    leader.join(SECONDS)


# ------------------------------------------------------------------------------------------------------ told by a call


class Told:
    """What enter() told, in the order in which it was told, and in which threads."""

    def __init__(self) -> None:
        self.answers: list[tuple[int, object]] = []
        self.threads: set[str] = set()

    def of(self, item: int) -> Callable[[int | None, BaseException | None], None]:
        def tell(result: int | None, error: BaseException | None) -> None:
            self.answers.append((item, result if error is None else error))
            self.threads.add(threading.current_thread().name)

        return tell


def test_items_that_are_entered_are_told_in_order_by_one_thread_after_the_other_batch() -> None:
    work, told = Work(), Told()
    group = GroupCommit(work.together, work.alone, largest=2)

    for item in range(1, 6):
        group.enter(item, told.of(item))
    work.go_on.set()
    group.close()

    assert told.answers == [(item, 2 * item) for item in range(1, 6)]
    assert [item for batch in work.batches for item in batch] == [1, 2, 3, 4, 5]
    assert len(told.threads) == 1


def test_an_item_that_is_entered_is_told_its_error() -> None:
    gone = OSError("gone")

    def together(items: Sequence[int]) -> Sequence[int]:
        raise gone

    work, told = Work(), Told()
    group = GroupCommit(together, work.alone)

    group.enter(1, told.of(1))
    group.close()

    assert told.answers == [(1, gone)]


def test_closing_waits_for_what_is_repeated_alone() -> None:
    began, released, told = Event(), Event(), Told()

    def together(items: Sequence[int]) -> Sequence[int]:
        raise OSError("gone")

    def alone(item: int, met: Exception | None) -> int:
        began.set()
        assert released.wait(SECONDS)
        return -item

    group = GroupCommit(together, alone)
    group.enter(1, told.of(1))
    assert began.wait(SECONDS)
    closing = Thread(target=group.close, daemon=True)
    closing.start()

    assert told.answers == []
    released.set()
    closing.join(SECONDS)
    assert told.answers == [(1, -1)]


def test_a_cancelled_future_does_not_keep_a_group_from_closing() -> None:
    work = Work()
    group = GroupCommit(work.together, work.alone)
    leader = led_by_thread(group, work)
    futures = [group.submit(number) for number in (1, 2)]
    assert futures[0].cancel()
    work.go_on.set()

    group.close()

    assert futures[1].result(0) == 4
    assert work.batches == [[0], [2]]
    leader.join(SECONDS)


def test_a_caller_takes_the_lead_from_a_writer_thread() -> None:
    """Batches of a thread in call() and of the writer thread follow each other, whoever is first in the queue."""
    work, told = Work(), Told()
    group = GroupCommit(work.together, work.alone, largest=1)
    found: list[int] = []
    group.enter(1, told.of(1))
    assert work.begun.wait(SECONDS)
    caller = Thread(target=lambda: found.append(group.call(2)), daemon=True)
    caller.start()
    while not group._queue:
        pass
    group.enter(3, told.of(3))
    work.go_on.set()
    caller.join(SECONDS)
    group.close()

    assert found == [4]
    assert told.answers == [(1, 2), (3, 6)]
    assert work.batches == [[1], [2], [3]]
