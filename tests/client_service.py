"""A history as a client sees it: through the service, in the process of the test, without a socket."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from inspect import signature
from types import ModuleType
from typing import Any

import httpx2
from anyio.from_thread import BlockingPortal, start_blocking_portal

from timestrata import History
from timestrata.client import Client
from timestrata.web import Config, create_app

URL = "http://service.test"
Handler = Callable[[httpx2.Request], httpx2.Response]


class InProcess(httpx2.BaseTransport):
    """Takes requests to an app that runs in another thread of this process."""

    def __init__(self, app: Any, portal: BlockingPortal) -> None:
        self._inner = httpx2.ASGITransport(app, client=("192.0.2.1", 4711))
        self._portal = portal

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        return self._portal.call(self._answer, request)

    async def _answer(self, request: httpx2.Request) -> httpx2.Response:
        answer = await self._inner.handle_async_request(request)
        assert isinstance(answer.stream, httpx2.AsyncByteStream)
        body = b"".join([part async for part in answer.stream])
        return httpx2.Response(answer.status_code, headers=answer.headers, stream=httpx2.ByteStream(body))


@contextmanager
def transport_to(history: History) -> Iterator[httpx2.BaseTransport]:
    """Serve a history until the block ends."""
    app = create_app(history, Config(log_format=None, rate_limit=None))
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(app.router.lifespan_context(app)):
        yield InProcess(app, portal)


def never(seconds: float) -> None:
    raise AssertionError(f"waited {seconds} s to try again")


@contextmanager
def client_of(history: History, *scopes: str, user: str | None = None) -> Iterator[Client]:
    """Serve a history and lend a client with a new token, of an admin unless scopes are named."""
    token = history.access.create_token("test", scopes or ("admin",), user).secret
    with transport_to(history) as transport, httpx2.Client(transport=transport) as http:
        yield Client(URL, token, http=http, wait=never)


@contextmanager
def client_answered_by(
    handler: Handler, token: str | None = None, wait: Callable[[float], None] = never
) -> Iterator[Client]:
    """Lend a client whose requests a function answers."""
    with httpx2.Client(transport=httpx2.MockTransport(handler)) as http:
        yield Client(URL, token, http=http, wait=wait)


class Through:
    """A history (or its tracking) whose methods go through a client wherever that has them with these arguments.

    The rest (its engine, its tokens, what only the machine of the store can do) is the library's own.
    """

    def __init__(self, ours: Any, theirs: Any) -> None:
        self._ours = ours
        self._theirs = theirs

    def __getattr__(self, name: str) -> Any:
        ours, theirs = getattr(self._ours, name), getattr(self._theirs, name, None)
        if theirs is None:
            return ours
        if name == "tracking":
            return Through(ours, theirs)

        def call(*args: Any, **named: Any) -> Any:
            return (theirs if _takes(name, theirs, args, named) else ours)(*args, **named)

        return call


_OF_A_USER = ("trend", "daily", "steps", "alerts", "workflows")


def _takes(name: str, method: Callable[..., Any], args: tuple[Any, ...], named: dict[str, Any]) -> bool:
    try:
        found = signature(method).bind(*args, **named).arguments
    except TypeError:
        return False
    return name not in _OF_A_USER or found.get("user_id") is not None


def behaviour_in(module: ModuleType, without: Mapping[str, str]) -> dict[str, Any]:
    """Return the tests of a module that ask a history, and all that they need, to be run on another one.

    Tests that open the store for themselves are left out, and those that are named with a reason.
    """
    found = {
        name: value
        for name, value in vars(module).items()
        if not name.startswith("_") and (not name.startswith("test_") or _asks_a_history(value))
    }
    assert without.keys() <= found.keys()
    return {name: value for name, value in found.items() if name not in without}


def _asks_a_history(test: Callable[..., Any]) -> bool:
    parameters = signature(test).parameters
    kinds = {parameter.annotation for parameter in parameters.values()}
    return not kinds.isdisjoint(("History", "Tracking")) and parameters.keys().isdisjoint(("store_url", "make_store"))
