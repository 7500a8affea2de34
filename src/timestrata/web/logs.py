"""Structured logs: one line a request, with its id. Queries, headers, cookies and bodies are never in them.

Nothing here may wait in the event loop, not even for the operating system: a call that lets other threads run gets its
turn back only when they let go of it, up to 5 ms later. A line written and flushed, and an id from the system's random
numbers, took two thirds of the completions a second that 64 connections could record.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import count
from json.encoder import encode_basestring as _quoted
from secrets import token_hex
from typing import Any, NamedTuple, TextIO

import structlog

from timestrata.web.config import Config, LogFormat

_REQUEST_ID = re.compile(r"[A-Za-z0-9._~-]{1,64}")
_PROCESS = token_hex(8)
_numbers = count(1)


def request_id(given: str | None) -> str:
    """Return the id that a client or a proxy gave to a request, or a new one when it gave none that can be used."""
    return given if given is not None and _REQUEST_ID.fullmatch(given) else f"{_PROCESS}-{next(_numbers):x}"


class Lines:
    """A file whose lines are written together, `within_seconds` at most after they came; at once without a loop."""

    def __init__(self, file: TextIO, within_seconds: float) -> None:
        self._file = file
        self._within_seconds = within_seconds
        self._waiting: list[str] = []

    def write(self, text: str) -> None:
        """Take a line."""
        self._waiting.append(text)

    def flush(self) -> None:
        """See to it that what was taken is written soon."""
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            self.drain()
            return
        if not self._within_seconds:
            self.drain()
        elif len(self._waiting) == 1:
            loop.call_later(self._within_seconds, self.drain)

    def drain(self) -> None:
        """Write what was taken."""
        waiting, self._waiting = self._waiting, []
        if waiting:
            self._file.write("".join(waiting))
            self._file.flush()


def logger(config: Config, lines: Lines) -> Any:
    """Return a logger that writes as configured. It belongs to one app; nothing global is set."""
    if config.log_format is None:
        return structlog.wrap_logger(None, wrapper_class=_Silent)
    return structlog.wrap_logger(
        structlog.WriteLogger(lines),  # type: ignore[arg-type]
        processors=[*_shared(), *_rendering(config.log_format)],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        context_class=dict,
        cache_logger_on_first_use=True,
    )


class Answered(NamedTuple):
    """What the log tells of a request; `token` is the id of its token."""

    request_id: str
    method: str
    route: str
    path: str
    status: int
    ms: float
    token: str | None


def request_log(config: Config, lines: Lines, log: Any) -> Callable[[Answered], None]:
    """Return what writes the line of a request, as `log` writes all others."""
    if config.log_format != "json":
        return lambda answered: log.info("request", **answered._asdict())

    def write(answered: Answered) -> None:
        # The logger takes several times as long for the same line, and this one is written for every request.
        name, method, route, path, status, ms, token = answered
        lines.write(
            f'{{"request_id": {_quoted(name)}, "method": {_quoted(method)}, "route": {_quoted(route)}, '
            f'"path": {_quoted(path)}, "status": {status}, "ms": {ms}, '
            f'"token": {"null" if token is None else _quoted(token)}, "event": "request", "level": "info", '
            f'"at": "{datetime.now(UTC).isoformat()[:-6]}Z"}}\n'
        )
        lines.flush()

    return write


class _Silent(structlog.BoundLoggerBase):
    """A logger that says nothing."""

    def info(self, event: str, **values: object) -> None:
        """Say nothing."""

    warning = error = exception = info


def server_logging(log_format: LogFormat) -> dict[str, Any]:
    """Return the configuration of the server's own logs, so that they have the shape of ours."""
    formatter = {
        "()": structlog.stdlib.ProcessorFormatter,
        "processors": [structlog.stdlib.ProcessorFormatter.remove_processors_meta, *_rendering(log_format)],
        "foreign_pre_chain": [*_shared(), structlog.stdlib.ExtraAdder(allow=[])],
    }
    handler = {"class": "logging.StreamHandler", "formatter": "ours", "stream": "ext://sys.stderr"}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"ours": formatter},
        "handlers": {"ours": handler},
        "loggers": {
            "uvicorn": {"handlers": ["ours"], "level": "INFO", "propagate": False},
            "uvicorn.access": {"handlers": [], "level": "CRITICAL", "propagate": False},
        },
    }


def _shared() -> list[Any]:
    return [structlog.processors.add_log_level, structlog.processors.TimeStamper(fmt="iso", utc=True, key="at")]


def _rendering(log_format: LogFormat) -> list[Any]:
    if log_format == "json":
        frames = structlog.tracebacks.ExceptionDictTransformer(show_locals=False)  # secrets are among the locals
        return [structlog.processors.ExceptionRenderer(frames), structlog.processors.JSONRenderer(ensure_ascii=False)]
    # Plain, because rich tracebacks show the locals too.
    plain = structlog.dev.plain_traceback
    return [structlog.dev.ConsoleRenderer(timestamp_key="at", colors=False, exception_formatter=plain)]
