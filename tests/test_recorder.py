"""Answers of single completions over HTTP: held until the next ones are about to be committed, but never for long."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from threading import Event
from typing import Any

from facts_made import made
from sqlalchemy import event

from timestrata import History
from timestrata.web.recorder import Recorder

SECONDS = 30
"""More than anything here takes; a test that needs it has failed."""


def followed(history: History, held_seconds: float, when_followed: Callable[[History, Event], None]) -> list[str]:
    """Record one completion, and another that comes before the first is committed; return how they went.

    `when_followed` is called then, with what is set once the first one is answered.
    """
    history.record(made("before"))  # its user is known
    recorder = Recorder(history, held_seconds)
    begun, came, answered = Event(), Event(), Event()

    def wait_for_the_next() -> None:
        if not begun.is_set():
            begun.set()
            assert came.wait(SECONDS)
            when_followed(history, answered)

    history.before_commits(wait_for_the_next)

    async def both() -> list[str]:
        first = asyncio.ensure_future(recorder.record(made("first")))
        first.add_done_callback(lambda _: answered.set())
        assert await asyncio.to_thread(begun.wait, SECONDS)
        second = asyncio.ensure_future(recorder.record(made("second")))
        await asyncio.sleep(0)
        came.set()
        outcomes = await asyncio.wait_for(asyncio.gather(first, second), SECONDS)
        return [outcome.status for outcome in outcomes]

    return asyncio.run(both())


def test_who_is_followed_is_answered_before_the_next_commit(history: History) -> None:
    def hold_the_next_commit(history: History, answered: Event) -> None:
        history.before_commits(lambda: waited.append(answered.wait(SECONDS)))

    waited: list[bool] = []
    assert followed(history, 2 * SECONDS, hold_the_next_commit) == ["recorded", "recorded"]
    assert waited[-1] is True


def test_who_is_followed_is_answered_while_the_next_waits_for_the_database(history: History) -> None:
    def hold_the_next_connection(history: History, answered: Event) -> None:
        def wait(*connection: Any) -> None:
            waited.append(answered.wait(SECONDS))

        event.listen(history.engine, "checkout", wait)

    waited: list[bool] = []
    assert followed(history, 0.01, hold_the_next_connection) == ["recorded", "recorded"]
    assert waited[0] is True


def test_one_alone_is_answered_at_once(history: History) -> None:
    recorder = Recorder(history, 2 * SECONDS)

    outcome = asyncio.run(asyncio.wait_for(recorder.record(made("alone")), SECONDS))

    assert outcome.status == "recorded"
