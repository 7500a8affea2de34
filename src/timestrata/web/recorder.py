"""Single completions on their way from the event loop into the history, and their outcomes on the way back."""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import suppress
from functools import partial
from typing import NamedTuple

from timestrata.facts import CompletedWorkflow
from timestrata.history import History
from timestrata.ingest import Outcome


class _Answer(NamedTuple):
    future: asyncio.Future[Outcome]
    outcome: Outcome | None
    error: BaseException | None


_HELD_SECONDS = 0.01
"""How long answers are held back at most. The next transaction may have to wait for somebody's lock."""


class Recorder:
    """Records completions one by one. Those of a transaction come back together: the event loop is woken once.

    While others wait for the next transaction, it is woken when that is about to be committed. Woken before, it would
    take the interpreter from the thread that records, again and again, and then have nothing to do during the commit,
    which needs no interpreter.
    """

    def __init__(self, history: History, held_seconds: float = _HELD_SECONDS) -> None:
        self._history = history
        self._held_seconds = held_seconds
        self._answers: deque[_Answer] = deque()
        self._woken = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._timer: asyncio.TimerHandle | None = None
        history.before_commits(self._wake)

    async def record(self, workflow: CompletedWorkflow) -> Outcome:
        """Return the outcome of a completion once it is committed."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Outcome] = loop.create_future()
        self._history.hand_in(workflow, partial(self._take, loop, future))
        return await future

    def _take(
        self,
        loop: asyncio.AbstractEventLoop,
        future: asyncio.Future[Outcome],
        outcome: Outcome | None,
        error: BaseException | None,
    ) -> None:
        """Take an answer, in the thread of the history that has it."""
        self._answers.append(_Answer(future, outcome, error))
        if not self._woken:  # asked after the answer was put, as _deliver() says no before it looks for answers
            self._woken = True
            self._loop = loop
            with suppress(RuntimeError):  # the loop was closed: nobody waits any more
                loop.call_soon_threadsafe(self._hold if self._history.is_recording_on else self._deliver)

    def _wake(self) -> None:
        """Let the event loop have the answers, in the thread of the history that is about to commit others."""
        if self._loop is not None and self._answers:
            with suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._deliver)

    def _hold(self) -> None:
        if self._answers and self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self._held_seconds, self._deliver)

    def _deliver(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._woken = False
        while self._answers:
            future, outcome, error = self._answers.popleft()
            if future.done():  # whoever waited for it has been cancelled
                continue
            if outcome is not None:
                future.set_result(outcome)
            else:
                future.set_exception(error or AssertionError("neither an outcome nor an error"))
