"""The service in the process of the test: no socket, no server, one event loop that runs while a call is made."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import httpx2

from timestrata import History
from timestrata.web import Config, create_app
from timestrata.web.service import Service

T = TypeVar("T")

QUIET = Config(log_format=None, rate_limit=None)


class Client:
    """A client of a served history; `get`, `post`, ... return what httpx2 does."""

    def __init__(self, served: Served, headers: dict[str, str]) -> None:
        self.served = served
        transport = httpx2.ASGITransport(served.app, raise_app_exceptions=False, client=("192.0.2.1", 4711))
        self.asynchronous = httpx2.AsyncClient(transport=transport, base_url="http://testserver", headers=headers)

    def request(self, method: str, url: str, **more: Any) -> httpx2.Response:
        return self.served.run(self.asynchronous.request(method, url, **more))

    def get(self, url: str, **more: Any) -> httpx2.Response:
        return self.request("GET", url, **more)

    def post(self, url: str, **more: Any) -> httpx2.Response:
        return self.request("POST", url, **more)

    def put(self, url: str, **more: Any) -> httpx2.Response:
        return self.request("PUT", url, **more)

    def delete(self, url: str, **more: Any) -> httpx2.Response:
        return self.request("DELETE", url, **more)

    def together(self, *requests: tuple[str, str, dict[str, Any]]) -> list[httpx2.Response]:
        """Send requests (method, URL, the rest) at the same time."""

        async def send() -> list[httpx2.Response]:
            return await asyncio.gather(
                *(self.asynchronous.request(method, url, **more) for method, url, more in requests)
            )

        return self.served.run(send())


class Served:
    """A history as it is served."""

    def __init__(self, history: History, config: Config, loop: asyncio.AbstractEventLoop) -> None:
        self.history = history
        self.app = create_app(history, config)
        self.service: Service = self.app.state.service
        self._loop = loop

    def run(self, awaitable: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine to its end."""
        return self._loop.run_until_complete(asyncio.wait_for(awaitable, 60))

    def client(self, *scopes: str, user: str | None = None) -> Client:
        """Return a client with a new token of these scopes."""
        return self.bearer(self.history.access.create_token("test", scopes, user).secret)

    def bearer(self, token: str) -> Client:
        """Return a client that sends a token, right or wrong."""
        return Client(self, {"Authorization": f"Bearer {token}"})

    def anyone(self) -> Client:
        """Return a client that sends no token; it keeps its cookies."""
        return Client(self, {})


@contextmanager
def served(history: History, config: Config = QUIET) -> Iterator[Served]:
    """Serve a history until the block ends, from its startup to its shutdown."""
    with asyncio.Runner() as runner:
        one = Served(history, config, runner.get_loop())
        lifespan = one.app.router.lifespan_context(one.app)
        one.run(lifespan.__aenter__())
        try:
            yield one
        finally:
            one.run(lifespan.__aexit__(None, None, None))


@contextmanager
def client_for(history: History, *scopes: str, user: str | None = None, config: Config = QUIET) -> Iterator[Client]:
    """Serve a history and lend a client with a token of these scopes."""
    with served(history, config) as one:
        yield one.client(*scopes, user=user)


class Exchange:
    """One request to an app, message by message: for bodies in pieces, and answers that do not end."""

    def __init__(self, app: Any, method: str, path: str, headers: Sequence[tuple[str, str]] = ()) -> None:
        self._app = app
        self._scope = {
            "type": "http",
            "method": method,
            "path": path.partition("?")[0],
            "raw_path": path.partition("?")[0].encode("ascii"),
            "query_string": path.partition("?")[2].encode("ascii"),
            "headers": [(name.lower().encode(), value.encode()) for name, value in headers],
            "scheme": "http",
            "server": ("testserver", 80),
            "client": ("192.0.2.1", 4711),
        }
        self._to_app: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._from_app: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue()
        self.pulled = 0

    async def __aenter__(self) -> Exchange:
        self._task = asyncio.ensure_future(self._run())
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._to_app.put({"type": "http.disconnect"})
        await asyncio.wait_for(self._task, 30)

    async def _run(self) -> None:
        try:
            await self._app(self._scope, self._receive, self._from_app.put)
        finally:
            await self._from_app.put(None)

    async def _receive(self) -> dict[str, Any]:
        message = await self._to_app.get()
        self.pulled += 1
        return message

    async def send(self, body: bytes, more: bool = True) -> None:
        """Send a piece of the body."""
        await self._to_app.put({"type": "http.request", "body": body, "more_body": more})

    async def message(self) -> dict[str, Any] | None:
        """Return the next message of the answer, None after the last."""
        return await asyncio.wait_for(self._from_app.get(), 30)

    async def lines(self) -> AsyncIterator[str]:
        """Yield the lines of the answer's body as they come."""
        text = ""
        while (message := await self.message()) is not None:
            text += message.get("body", b"").decode()
            *whole, text = text.split("\n")
            for line in whole:
                yield line
