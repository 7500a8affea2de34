"""Pictures of charts and the library that draws them in browsers, made outside of the process that serves.

What draws them holds a JavaScript engine of 100 MB. It runs in a process of its own, begun when the first picture is
asked for and ended when none was asked for in a while.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from hashlib import blake2b
from importlib.metadata import version
from multiprocessing import get_context
from pathlib import Path
from typing import Any, TypeVar

from platformdirs import user_cache_path

from timestrata.charts import pictures
from timestrata.web.dashboard.packing import Asset, packed

T = TypeVar("T")

_IDLE_SECONDS = 300.0


class Studio:
    """Draws, one picture at a time."""

    def __init__(self, cache: Path | None = None) -> None:
        self._cache = cache if cache is not None else user_cache_path("timestrata")
        self._pool: ProcessPoolExecutor | None = None
        self._rest: asyncio.TimerHandle | None = None
        self._making: asyncio.Task[Asset] | None = None

    @property
    def bundle_digest(self) -> str:
        """What changes when the bundle does."""
        of = f"{version('vl-convert-python')}\0{pictures.BUNDLE_SNIPPET}"
        return blake2b(of.encode(), digest_size=8).hexdigest()

    @property
    def bundle_path(self) -> str:
        """Where pages find the bundle."""
        return f"/assets/vega-{self.bundle_digest}.js"

    async def picture(self, spec: Mapping[str, Any], form: str) -> bytes:
        """Return a Vega-Lite specification drawn as "png", "svg" or "pdf"."""
        return await self.run(pictures.picture, spec, form)

    async def run(self, call: Callable[..., T], *arguments: Any) -> T:
        """Return the result of a function of a module, called in the other process."""
        for attempt in (1, 2):
            try:
                return await asyncio.get_running_loop().run_in_executor(self._workers(), call, *arguments)
            except BrokenProcessPool:  # it was killed, for its memory perhaps
                self._end()
                if attempt == 2:
                    raise
        raise AssertionError

    async def bundle(self) -> Asset:
        """Return the library, from the cache of the machine where it is there; making it takes a second."""
        if self._making is None or (self._making.done() and self._making.exception() is not None):
            self._making = asyncio.ensure_future(self._bundle())
        return await asyncio.shield(self._making)

    async def _bundle(self) -> Asset:
        file = self._cache / f"vega-{self.bundle_digest}.js"
        body = await asyncio.to_thread(_read, file)
        if body is None:
            body = (await self.run(pictures.bundle)).encode()
            await asyncio.to_thread(_keep, file, body)
        return await asyncio.to_thread(packed, body, "text/javascript")

    def _workers(self) -> ProcessPoolExecutor:
        if self._rest is not None:
            self._rest.cancel()
        self._rest = asyncio.get_running_loop().call_later(_IDLE_SECONDS, self._end)
        if self._pool is None:
            self._pool = ProcessPoolExecutor(1, mp_context=get_context("spawn"))
        return self._pool

    def _end(self) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=False)
            self._pool = None

    async def close(self) -> None:
        """End the other process."""
        if self._rest is not None:
            self._rest.cancel()
        if self._making is not None and not self._making.done():
            self._making.cancel()
        if self._pool is not None:
            await asyncio.to_thread(self._pool.shutdown, wait=True, cancel_futures=True)
            self._pool = None


def _read(file: Path) -> bytes | None:
    try:
        return file.read_bytes()
    except OSError:
        return None


def _keep(file: Path, body: bytes) -> None:
    """Keep a file for the next process. A folder that cannot be written costs a second at the next start."""
    beside = file.with_suffix(f".{os.getpid()}.tmp")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        beside.write_bytes(body)
        beside.replace(file)
    except OSError:
        beside.unlink(missing_ok=True)
