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


class Recorder:
    """Records completions one by one. Those of a transaction come back together: the event loop is woken once."""

    def __init__(self, history: History) -> None:
        self._history = history
        self._answers: deque[_Answer] = deque()
        self._woken = False

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
            with suppress(RuntimeError):  # the loop was closed: nobody waits any more
                loop.call_soon_threadsafe(self._deliver)

    def _deliver(self) -> None:
        self._woken = False
        while self._answers:
            future, outcome, error = self._answers.popleft()
            if future.done():  # whoever waited for it has been cancelled
                continue
            if outcome is not None:
                future.set_result(outcome)
            else:
                future.set_exception(error or AssertionError("neither an outcome nor an error"))
