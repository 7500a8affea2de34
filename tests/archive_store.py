"""Rows for archives, and a file system that fails: for tests of what happens when a disk or a network does.

with failing(ENOSPC, after=1000): ...    the thousand-and-first byte that is written or read raises this error
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, ClassVar

import fsspec
from facts_made import NINE, at, made, session
from fsspec.implementations.memory import MemoryFile, MemoryFileSystem

from timestrata import CompletedWorkflow, Pause, StepTime, TimeSession
from timestrata.archive import Row, row_of
from timestrata.calendar import local_days
from timestrata.measures import Filed, file_under


def filed(workflow: CompletedWorkflow, zone: str = "Europe/Berlin") -> Filed:
    """Return a workflow under the local days of its zone, or of another one."""
    chosen = workflow.timezone or zone
    return file_under(workflow, local_days(chosen), chosen)


def row(number: int = 1, **fields: Any) -> Row:
    """Return the row of a workflow of facts_made.made()."""
    return row_of(filed(made(f"w{number}", **fields)), number)


def full_row() -> Row:
    """Return a row in which everything there is comes at least once."""
    started = at("2024-05-05T21:30")  # 23:30 in Berlin, so that the session lies on two days
    paused = (
        Pause(started + timedelta(minutes=10), started + timedelta(minutes=15)),
        Pause(started + timedelta(minutes=50), started + timedelta(minutes=51, microseconds=1)),
    )
    steps = (
        StepTime(0, "Prüfen", sessions=(TimeSession(started, started + timedelta(hours=1), pauses=paused),)),
        StepTime(3, "a\x1f1", 500, 400),
        StepTime(7, "o'neil", sessions=(session("2024-05-06T01:00", 90), session("2024-05-06T02:00", 60))),
    )
    fact = made(
        "w|1\n",
        user_id="用户 🧪",
        started_at=at("2024-05-05T12:00:00.000001"),
        completed_at=NINE,
        steps=steps,
        estimated_seconds=10**11,
        attributes={"sprint": 7, "ß": [None, 1.5]},
    )
    return row_of(filed(fact), 10**12)


class _Failing(MemoryFile):  # type: ignore[misc]  # fsspec has no types
    def read(self, size: int | None = -1) -> bytes:
        data: bytes = super().read(size)
        FailingFileSystem.count(len(data))
        return data

    def write(self, data: Any) -> int:
        FailingFileSystem.count(memoryview(data).nbytes)
        return int(super().write(data))


class FailingFileSystem(MemoryFileSystem):  # type: ignore[misc]
    """Files in memory, at failing://, that can be told to fail. A file is there from its first byte on."""

    protocol = "failing"
    store: ClassVar[dict[str, Any]] = {}
    pseudo_dirs: ClassVar[list[str]] = [""]
    left: ClassVar[int | None] = None
    error: ClassVar[int] = 0

    @classmethod
    def count(cls, size: int) -> None:
        """Let bytes pass, or fail."""
        if cls.left is not None:
            cls.left -= size
            if cls.left < 0:
                raise OSError(cls.error, os.strerror(cls.error))

    @classmethod
    def _strip_protocol(cls, path: str) -> str:
        stripped: str = super()._strip_protocol(path.replace("failing://", "memory://", 1))
        return stripped

    def _open(self, path: str, mode: str = "rb", **options: Any) -> Any:
        if mode == "rb":
            return _Failing(None, None, super()._open(path, mode, **options).getvalue())
        self.store[path] = opened = _Failing(self, path)
        return opened


@contextmanager
def failing(error: int, after: int = 0) -> Iterator[None]:
    """Let failing:// fail with an error number, once so many bytes were written and read."""
    FailingFileSystem.left, FailingFileSystem.error = after, error
    try:
        yield
    finally:
        FailingFileSystem.left = None


fsspec.register_implementation("failing", FailingFileSystem, clobber=True)
