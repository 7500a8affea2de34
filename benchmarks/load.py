"""Load for an HTTP server: many keep-alive connections in one process of its own, each sending when it was answered.

It writes prepared bytes and reads no more of an answer than its status and length, so that the server is what is
measured: about a fifth of the work that the smallest route of a framework is.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import re
import socket
import statistics
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle
from typing import Any

CONNECTIONS = 64
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Load:
    """What a load found. Rates are of answered requests; `statuses` counts all of them."""

    rate: float
    p50_ms: float
    p99_ms: float
    statuses: Mapping[int, int]


def request(method: str, target: str, headers: Mapping[str, str] | None = None, body: bytes = b"") -> bytes:
    """Return a request as it is sent."""
    lines = [f"{method} {target} HTTP/1.1", "host: localhost"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    if body:
        lines.append(f"content-length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode() + body


def measure(
    port: int,
    requests: Sequence[bytes],
    *,
    connections: int = CONNECTIONS,
    seconds: float = 5.0,
    once: bool = False,
    host: str = "127.0.0.1",
) -> Load:
    """Send requests for some seconds, over and over, or each once; return what came of it."""
    context = multiprocessing.get_context("spawn")
    mine, theirs = context.Pipe()
    process = context.Process(target=_run, args=(theirs, host, port, requests, connections, seconds, once))
    process.start()
    theirs.close()
    try:
        found: Load = mine.recv()
    finally:
        process.join()
    return found


def _run(
    pipe: Any, host: str, port: int, requests: Sequence[bytes], connections: int, seconds: float, once: bool
) -> None:
    try:
        import uvloop

        runner: Any = uvloop.run
    except ImportError:
        runner = asyncio.run
    pipe.send(runner(_load(host, port, iter(requests) if once else cycle(requests), connections, seconds)))
    pipe.close()


async def _load(host: str, port: int, requests: Iterator[bytes], connections: int, seconds: float) -> Load:
    loop = asyncio.get_running_loop()
    began = time.perf_counter()
    ends = began + seconds
    made = [await loop.create_connection(lambda: _Connection(requests, ends), host, port) for _ in range(connections)]
    began = time.perf_counter()
    clients = [client for _, client in made]
    for client in clients:
        client.send()
    await asyncio.gather(*(client.done for client in clients))
    took = time.perf_counter() - began
    times = sorted(each for client in clients for each in client.times)
    statuses: Counter[int] = sum((client.statuses for client in clients), Counter())
    if not times:
        return Load(0.0, 0.0, 0.0, statuses)
    return Load(
        len(times) / took,
        1000 * statistics.median(times),
        1000 * times[min(len(times) - 1, len(times) * 99 // 100)],
        statuses,
    )


class _Connection(asyncio.Protocol):
    """One connection: an answer at a time."""

    def __init__(self, requests: Iterator[bytes], ends: float) -> None:
        self.times: list[float] = []
        self.statuses: Counter[int] = Counter()
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._requests = requests
        self._ends = ends
        self._buffer = b""
        self._sent = 0.0

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def send(self) -> None:
        """Send the next request, or end."""
        self._sent = time.perf_counter()
        content = next(self._requests, None) if self._sent < self._ends else None
        if content is None:
            self._transport.close()
            self._finish()
        else:
            self._transport.write(content)

    def data_received(self, data: bytes) -> None:
        self._buffer = self._buffer + data if self._buffer else data
        head = self._buffer.find(b"\r\n\r\n")
        if head < 0:
            return
        length = _LENGTH.search(self._buffer, 0, head)
        if len(self._buffer) < head + 4 + (int(length[1]) if length else 0):
            return
        self.times.append(time.perf_counter() - self._sent)
        self.statuses[int(self._buffer[9:12])] += 1
        self._buffer = b""
        self.send()

    def connection_lost(self, error: Exception | None) -> None:
        self._finish()

    def _finish(self) -> None:
        if not self.done.done():
            self.done.set_result(None)


def wait_for(port: int, seconds: float = 30.0, host: str = "127.0.0.1") -> None:
    """Return once a server listens. Raises TimeoutError."""
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        try:
            socket.create_connection((host, port), 1).close()
            return
        except OSError:
            time.sleep(0.05)
    raise TimeoutError(f"nothing listens on port {port} after {seconds:g} s")


def report(loads: Iterable[tuple[str, Load]]) -> None:
    """Print one line a load."""
    for name, load in loads:
        statuses = ", ".join(f"{count} x {status}" for status, count in sorted(load.statuses.items()))
        print(f"  {name:28} {load.rate:9.0f}/s  p50 {load.p50_ms:6.2f} ms  p99 {load.p99_ms:6.2f} ms  ({statuses})")
