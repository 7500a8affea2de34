"""What keeps a claim alive while its job runs."""

from __future__ import annotations

from collections.abc import Callable
from threading import Event, Thread

Wait = Callable[[Event, float], bool]
"""Waits for an event, some seconds at most, and tells whether it came."""


class Heartbeat:
    """A thread that extends a claim from time to time, until the `with` block ends."""

    def __init__(self, extend: Callable[[], bool], every_seconds: float, wait: Wait) -> None:
        self._extend = extend
        self._every_seconds = every_seconds
        self._wait = wait
        self._ended = Event()
        self._thread = Thread(target=self._beat, name="timestrata-heartbeat", daemon=True)
        self.lost = False
        """True once another process has taken over."""

    def __enter__(self) -> Heartbeat:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _beat(self) -> None:
        while not self._wait(self._ended, self._every_seconds):
            try:
                held = self._extend()
            except Exception:  # the database may be back at the next beat; the lease lasts for several
                continue
            if not held:
                self.lost = True
                return
