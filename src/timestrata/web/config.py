"""What a process of the service is told: limits, logs, clocks. Nothing here is kept in the store."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from time import monotonic
from typing import Literal, Protocol, TextIO

KIBIBYTE, MEBIBYTE, GIBIBYTE = 1 << 10, 1 << 20, 1 << 30

LogFormat = Literal["json", "pretty"]


class Monotonic(Protocol):
    """Seconds that only ever grow."""

    def __call__(self) -> float: ...


@dataclass(frozen=True, slots=True)
class Config:
    """The limits of one process.

    Rates are written as `limits` reads them ("12000/minute"; None: no limit) and count in each process by itself.
    `log_format` None logs nothing. Every `tidy_seconds` forgotten sessions are ended and old answers deleted, every
    `jobs_seconds` the jobs that are due are run (None: never). `prepares_pages` makes what the dashboard needs at the
    start. `watches_signals` and `closes_history` are for a process that serves and does nothing else.
    """

    max_body_bytes: int = 10 * MEBIBYTE
    max_stream_bytes: int = GIBIBYTE
    rate_limit: str | None = "12000/minute"
    failure_limit: str | None = "60/minute"
    log_format: LogFormat | None = "json"
    log_file: TextIO = field(default_factory=lambda: sys.stderr)
    log_within_seconds: float = 0.1
    gzip_from_bytes: int = 1000
    threads: int = 6
    answers_kept_bytes: int = 32 * MEBIBYTE
    token_kept_seconds: float = 1.0
    poll_seconds: float = 0.5
    events_check_seconds: float = 5.0
    ready_within_seconds: float = 2.0
    tidy_seconds: float | None = None
    jobs_seconds: float | None = None
    prepares_pages: bool = False
    watches_signals: bool = False
    closes_history: bool = False
    monotonic: Monotonic = monotonic
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
