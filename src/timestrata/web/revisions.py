"""Which revision the data has: asked once for all requests that wait for it, and watched for those who listen."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import asynccontextmanager

from timestrata.history import Revision

Scope = str | None
"""A user, or None for all of them."""

Lookup = Callable[[Collection[Scope]], Awaitable[dict[Scope, Revision]]]


class Revisions:
    """Looks revisions up, never from memory: a lookup begins after the request that waits for it came in.

    One is under way at a time; whoever comes meanwhile shares the next one.
    """

    def __init__(self, lookup: Lookup) -> None:
        self._lookup = lookup
        self._waiting: dict[Scope, asyncio.Future[Revision]] = {}
        self._worker: asyncio.Task[None] | None = None

    async def of(self, scope: Scope) -> Revision:
        """Return the revision that the data of a user has now."""
        waiting = self._waiting.get(scope)
        if waiting is None:
            waiting = self._waiting[scope] = asyncio.get_running_loop().create_future()
        if self._worker is None:
            self._worker = asyncio.ensure_future(self._work())
        return await asyncio.shield(waiting)

    async def settle(self) -> None:
        """Wait until no lookup is under way."""
        while self._worker is not None:
            await asyncio.wait([self._worker])

    async def _work(self) -> None:
        try:
            while self._waiting:
                asked, self._waiting = self._waiting, {}
                await self._answer(asked)
        finally:
            self._worker = None

    async def _answer(self, asked: dict[Scope, asyncio.Future[Revision]]) -> None:
        try:
            found = await self._lookup(asked.keys())
        except BaseException as error:
            for future in asked.values():
                future.set_exception(error)
                future.exception()  # seen, also when nobody waits any more
            if not isinstance(error, Exception):
                raise
            return
        for scope, future in asked.items():
            future.set_result(found[scope])


class Feed:
    """Tells listeners when a revision grows. One poll a scope, however many listen to it; none when nobody does."""

    def __init__(self, revisions: Revisions, poll_seconds: float) -> None:
        self._revisions = revisions
        self._poll_seconds = poll_seconds
        self._listeners: dict[Scope, list[asyncio.Queue[int]]] = {}
        self._polls: dict[Scope, asyncio.Task[None]] = {}

    @asynccontextmanager
    async def listen(self, scope: Scope) -> AsyncIterator[asyncio.Queue[int]]:
        """Lend a queue that holds the newest revision number and no older one; the first may be no news."""
        queue: asyncio.Queue[int] = asyncio.Queue(1)
        self._listeners.setdefault(scope, []).append(queue)
        if scope not in self._polls:
            self._polls[scope] = asyncio.ensure_future(self._poll(scope))
        try:
            yield queue
        finally:
            self._listeners[scope].remove(queue)
            if not self._listeners[scope]:
                del self._listeners[scope]
                self._polls.pop(scope).cancel()

    async def _poll(self, scope: Scope) -> None:
        last: int | None = None
        while True:
            await asyncio.sleep(self._poll_seconds)
            try:
                number = (await self._revisions.of(scope)).number
            except Exception:  # the database is gone: whoever listens hears of it when it is back
                continue
            if number != last:
                for queue in self._listeners.get(scope, ()):
                    if queue.full():
                        queue.get_nowait()
                    queue.put_nowait(number)
            last = number

    def polls(self) -> int:
        """Return how many scopes are polled."""
        return len(self._polls)
