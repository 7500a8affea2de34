"""The server: one process, or several that share a socket and nothing else."""

from __future__ import annotations

import gc
import json
import logging.config
import os
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from ipaddress import ip_address
from tempfile import TemporaryDirectory
from threading import Event

import uvicorn
from fastapi import FastAPI
from limits import parse
from uvicorn.supervisors import Multiprocess

from timestrata.errors import InvalidRequest, NewerSchema, TimestrataError
from timestrata.history import History, open_history
from timestrata.web.app import create_app
from timestrata.web.config import Config, LogFormat
from timestrata.web.logs import Lines, logger, server_logging
from timestrata.web.metrics import WORKERS_FOLDER
from timestrata.web.signals import told_to_end

_SETTINGS = "TIMESTRATA_SERVICE"
_TIDY_SECONDS = 60.0
_JOBS_SECONDS = 20.0
_KEEP_ALIVE_SECONDS = 75
_LAST_REQUESTS_SECONDS = 30
_SWITCH_SECONDS = 0.0005
"""How long a thread may keep the interpreter: each wait for the database gives it up, and of the usual 5 ms the others
take all before they give it back. A call has ten such waits."""
_GARBAGE_ROUNDS = (10_000, 20, 50)
"""After how many new objects the garbage collector looks at these, and after how many of its rounds at older ones."""
_OPENING_WAITS = (1, 2, 4, 8, 8, 8)


@dataclass(frozen=True, slots=True)
class Settings:
    """What every worker is told."""

    database: str
    log_format: LogFormat
    rate_limit: str | None


def is_loopback(host: str) -> bool:
    """Tell whether only programs on this machine can reach an address."""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def checked_rate(rate: str) -> str | None:
    """Return a rate as `limits` reads it, None for "none". Raises InvalidRequest."""
    if rate == "none":
        return None
    try:
        parse(rate)
    except ValueError as error:
        raise InvalidRequest("--rate-limit", rate, 'requests in a time, as in "12000/minute", or "none"') from error
    return rate


def bind(host: str, port: int) -> socket.socket:
    """Return a socket that listens on an address. Raises InvalidRequest when it cannot be had."""
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        bound = socket.create_server(address[:2], family=family, backlog=2048)
    except (OSError, OverflowError, UnicodeError) as error:
        number = error.errno if isinstance(error, OSError) else None
        reason = os.strerror(number) if number is not None and number > 0 else str(error)
        raise InvalidRequest("--host and --port", f"{host}:{port}", f"a free address ({reason})") from error
    bound.set_inheritable(True)
    return bound


def run(settings: Settings, bound: socket.socket, workers: int) -> None:
    """Serve until the process is told to end."""
    logging.config.dictConfig(server_logging(settings.log_format))
    config = uvicorn.Config(
        "timestrata.web.server:app_of_environment",
        factory=True,
        workers=workers,
        log_config=None,  # each worker sets its own up: ours cannot be sent to another process
        access_log=False,
        server_header=False,
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=_LAST_REQUESTS_SECONDS,
    )
    with _environment(settings, workers):
        if workers > 1:
            Multiprocess(config, sockets=[bound]).run()
            return
        # The server raises the signal once more when it is done, so that its caller ends by it; ours ends well.
        signal.signal(signal.SIGTERM, lambda number, frame: None)
        try:
            uvicorn.Server(config).run(sockets=[bound])
        except KeyboardInterrupt:
            return


@contextmanager
def _environment(settings: Settings, workers: int) -> Iterator[None]:
    with TemporaryDirectory(prefix="timestrata-metrics-") as folder:
        given = {_SETTINGS: json.dumps(asdict(settings))}
        if workers > 1:
            given[WORKERS_FOLDER] = folder
        os.environ.update(given)
        try:
            yield
        finally:
            for name in given:
                del os.environ[name]


def app_of_environment() -> FastAPI:
    """Return the app of one worker, with a history of its own."""
    settings = Settings(**json.loads(os.environ[_SETTINGS]))
    logging.config.dictConfig(server_logging(settings.log_format))
    config = Config(
        rate_limit=settings.rate_limit,
        log_format=settings.log_format,
        tidy_seconds=_TIDY_SECONDS,
        jobs_seconds=_JOBS_SECONDS,
        prepares_pages=True,
        watches_signals=True,
        closes_history=True,
    )
    app = create_app(_opened(settings.database, config), config)
    settle()
    return app


def settle() -> None:
    """Set the interpreter up for a server, when all is loaded.

    What is there at the start stays for good, and each full round of the garbage collector looked at all of it: the
    slowest hundredth of single completions over HTTP took 71 ms with it and 35 ms without. A page of figures makes
    many times the usual 700 objects that call for a round: a tenth of its processor time went to rounds that found
    nothing.
    """
    sys.setswitchinterval(_SWITCH_SECONDS)
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_GARBAGE_ROUNDS)


def _opened(database: str, config: Config) -> History:
    """Open the history; a worker that is replaced while the database is gone waits for it, unless told to end."""
    log = logger(config, Lines(config.log_file, within_seconds=0))
    told = Event()
    with told_to_end(told.set):
        for seconds in (*_OPENING_WAITS, None):
            try:
                return open_history(database, migrate=False)
            except TimestrataError as error:
                if seconds is None or isinstance(error, NewerSchema):
                    log.error("database cannot be used", reason=str(error))
                    raise SystemExit(1) from None
                log.warning("database not there yet", reason=str(error), again_in_seconds=seconds)
                if told.wait(seconds):
                    raise SystemExit(0) from None
    raise AssertionError
