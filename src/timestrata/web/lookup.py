"""How revisions are looked up: on the event loop where the database can be asked without waiting, else in a thread.

A thread costs more than its work here: it needs the interpreter again after each call of the driver, and a busy event
loop gives it up every five milliseconds only. Measured at 64 connections: 15 ms a lookup in a thread.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection
from typing import Any

from timestrata.history import History, Revision, RevisionWatch

_PATIENCE_SECONDS = 5.0
"""After this a connection that does not answer is taken for dead."""

Found = dict[str | None, Revision]
Run = Callable[[Callable[[], Any]], Awaitable[Any]]


class Lookup:
    """Looks revisions up for Revisions, one question at a time."""

    def __init__(self, history: History, run: Run) -> None:
        self._history = history
        self._run = run
        self._watch: RevisionWatch | None = None

    async def __call__(self, users: Collection[str | None]) -> Found:
        """Return the revisions of users as they are now or will be."""
        try:
            if self._watch is None:
                self._watch = await self._run(self._history.watch)
            if self._watch is not None:
                return await self._asked(self._watch, users)
        except Exception:  # whatever it was: the library asks again, patiently, and says what is wrong
            self.close()
        found: Found = await self._run(lambda: self._history.revisions(users))
        return found

    async def _asked(self, watch: RevisionWatch, users: Collection[str | None]) -> Found:
        watch.ask(users)
        found = watch.answer()
        if found is not None:
            return found
        loop = asyncio.get_running_loop()
        done: asyncio.Future[Found] = loop.create_future()

        def read() -> None:
            try:
                answer = watch.answer()
                if answer is not None and not done.done():
                    done.set_result(answer)
            except Exception as error:
                if not done.done():
                    done.set_exception(error)

        loop.add_reader(watch.fileno(), read)
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS):
                return await done
        finally:
            loop.remove_reader(watch.fileno())

    def close(self) -> None:
        """Give up the connection; the next question opens another."""
        watch, self._watch = self._watch, None
        if watch is not None:
            watch.close()
