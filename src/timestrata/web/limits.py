"""How much a client may ask for: the size of a body, the number of requests."""

from __future__ import annotations

from math import ceil

from limits import RateLimitItem, parse
from limits.storage import Storage
from limits.strategies import FixedWindowRateLimiter
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from timestrata.web.config import Config, Monotonic
from timestrata.web.problems import Problem

STREAM_TYPE = "application/x-ndjson"
_MOST_KEYS = 100_000


class BodyLimit:
    """Refuses a body that is too large: by its announced length before it is read, or as soon as it has been sent."""

    def __init__(self, app: ASGIApp, config: Config) -> None:
        self._app = app
        self._config = config

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] not in ("GET", "HEAD", "OPTIONS"):
            receive = counted(self._config, scope, receive)
        await self._app(scope, receive, send)


def counted(config: Config, scope: Scope, receive: Receive) -> Receive:
    """Return what receives a body and raises Problem (413) as soon as it is too large; at once if it says so itself."""
    headers = Headers(scope=scope)
    streams = headers.get("content-type", "").partition(";")[0].strip().lower() == STREAM_TYPE
    most = config.max_stream_bytes if streams else config.max_body_bytes
    check_announced(headers.get("content-length", ""), most)
    received = 0

    async def counting() -> Message:
        nonlocal received
        message = await receive()
        received += len(message.get("body", b""))
        if received > most:
            raise too_large(most)
        return message

    return counting


def check_announced(length: str, most: int) -> None:
    """Raise Problem (413) when the length that a body announces is more than it may have."""
    if length.isdecimal() and int(length[:20]) > most:
        raise too_large(most)


def too_large(most: int) -> Problem:
    """Return the refusal of a body that is longer than it may be."""
    # The rest of the body is not read, so nothing else can come over this connection.
    headers = {"Connection": "close"}
    return Problem(413, "body_too_large", f"the body is larger than {most} bytes: send it in parts", headers)


class Counters(Storage):
    """Hits by key until the key's window is over, on a clock that is given. Bounded: old keys go when there are many.

    The library's own storage in memory reads the real clock and starts a thread each time that it is hit.
    """

    STORAGE_SCHEME = None

    def __init__(self, monotonic: Monotonic) -> None:
        super().__init__()
        self._now = monotonic
        self._windows: dict[str, tuple[float, int]] = {}

    @property
    def base_exceptions(self) -> type[Exception]:
        """The errors of this storage: there are none."""
        return LookupError

    def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        """Count hits on a key, whose window begins with the first; return how many it has."""
        now = self._now()
        ends, hits = self._windows.get(key, (0.0, 0))
        if ends <= now:
            if len(self._windows) >= _MOST_KEYS:
                self._windows = {each: window for each, window in self._windows.items() if window[0] > now}
            ends, hits = now + expiry, 0
        self._windows[key] = (ends, hits + amount)
        return hits + amount

    def get(self, key: str) -> int:
        """Return the hits of a key in its window."""
        ends, hits = self._windows.get(key, (0.0, 0))
        return hits if ends > self._now() else 0

    def get_expiry(self, key: str) -> float:
        """Return when the window of a key ends."""
        return self._windows.get(key, (self._now(), 0))[0]

    def check(self) -> bool:
        """Tell that the storage works."""
        return True

    def reset(self) -> int:
        """Forget every key; return how many there were."""
        count, self._windows = len(self._windows), {}
        return count

    def clear(self, key: str) -> None:
        """Forget a key."""
        self._windows.pop(key, None)


class Rates:
    """The requests of each token, and the failed logins and tokens of each address, in this process."""

    def __init__(self, config: Config) -> None:
        self._now = config.monotonic
        self._strategy = FixedWindowRateLimiter(Counters(config.monotonic))
        self._requests = None if config.rate_limit is None else parse(config.rate_limit)
        self._failures = None if config.failure_limit is None else parse(config.failure_limit)

    def count_request(self, token_id: str) -> None:
        """Count a request of a token. Raises Problem (429)."""
        if self._requests is not None and not self._strategy.hit(self._requests, "token", token_id):
            raise self._refusal(self._requests, "token", token_id)

    def check_failures(self, address: str) -> None:
        """Raise Problem (429) when too many secrets from an address were wrong."""
        if self._failures is not None and not self._strategy.test(self._failures, "failures", address):
            raise self._refusal(self._failures, "failures", address)

    def count_failure(self, address: str) -> None:
        """Count a wrong secret from an address."""
        if self._failures is not None:
            self._strategy.hit(self._failures, "failures", address)

    def _refusal(self, limit: RateLimitItem, *key: str) -> Problem:
        seconds = max(1, ceil(self._strategy.get_window_stats(limit, *key).reset_time - self._now()))
        what = "requests" if key[0] == "token" else "wrong tokens or logins"
        return Problem(
            429,
            "too_many_requests",
            f"more {what} than {limit.amount} in {limit.get_expiry()} s: come back in {seconds} s",
            {"Retry-After": str(seconds)},
        )
