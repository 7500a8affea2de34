"""What is kept in memory because it may be asked for again: bytes by key, up to a limit."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from threading import Lock


class Kept:
    """Bytes by key. Those that were not used for longest go. Threads may share it."""

    def __init__(self, most_bytes: int) -> None:
        self._lock = Lock()
        self._most_bytes = most_bytes
        self._bytes = 0
        self._kept: OrderedDict[Hashable, bytes] = OrderedDict()

    def get(self, key: Hashable) -> bytes | None:
        """Return what is kept under a key, None when nothing is."""
        with self._lock:
            found = self._kept.get(key)
            if found is not None:
                self._kept.move_to_end(key)
            return found

    def put(self, key: Hashable, content: bytes) -> None:
        """Keep bytes in place of those that are kept under this key; not when they take more than an eighth of all."""
        with self._lock:
            self._bytes -= len(self._kept.pop(key, b""))
            if len(content) > self._most_bytes // 8:
                return
            self._kept[key] = content
            self._bytes += len(content)
            while self._bytes > self._most_bytes:
                self._bytes -= len(self._kept.popitem(last=False)[1])
