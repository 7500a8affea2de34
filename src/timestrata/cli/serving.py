"""The command that serves a history over HTTP."""

from __future__ import annotations

import os
import sys
from typing import Annotated, Literal

import typer

from timestrata.cli.database import database_url, open_or_create, shown_database
from timestrata.cli.options import Database
from timestrata.cli.wording import name
from timestrata.errors import InvalidRequest
from timestrata.history import History
from timestrata.jobs import Schedules


def serve(
    host: Annotated[
        str, typer.Option("--host", envvar="TIMESTRATA_HOST", metavar="HOST", help="The address to listen on.")
    ] = "127.0.0.1",
    port: Annotated[
        int, typer.Option("--port", envvar="TIMESTRATA_PORT", min=0, max=65535, help="The port; 0 takes a free one.")
    ] = 8080,
    workers: Annotated[
        int, typer.Option("--workers", envvar="TIMESTRATA_WORKERS", min=1, max=256, help="How many processes serve.")
    ] = 1,
    database: Database = None,
    log_format: Annotated[
        Literal["json", "pretty"] | None,
        typer.Option(
            "--log-format", envvar="TIMESTRATA_LOG_FORMAT", help="Of the logs (default: pretty on a terminal)."
        ),
    ] = None,
    rate_limit: Annotated[
        str,
        typer.Option(
            "--rate-limit",
            envvar="TIMESTRATA_RATE_LIMIT",
            metavar="RATE",
            help="Requests of one token, in each process; none: no limit.",
        ),
    ] = "12000/minute",
) -> None:
    """Serve a history over HTTP; the API is described at /docs. Ends on Ctrl-C and SIGTERM."""
    try:
        from timestrata.web import server  # here, because the packages that it needs are an extra
    except ImportError as error:
        wanted = "the packages of the server: pip install 'timestrata[server]'"
        raise InvalidRequest("serve", f"no package {error.name}", wanted) from error
    rate = server.checked_rate(rate_limit)
    Schedules.from_environment(os.environ)  # each worker reads them; here they can be refused in a sentence
    chosen = log_format or ("pretty" if sys.stderr.isatty() else "json")
    with open_or_create(database) as history:
        local = server.is_loopback(host)
        if not local and not history.access.has_valid_token():
            raise InvalidRequest(
                "--host",
                host,
                "an address of this machine alone, such as 127.0.0.1, while the store has no valid token: "
                "`timestrata token create NAME --scope admin` makes one",
            )
        bound = server.bind(host, port)
        with bound:
            _greet(history, f"http://{_place(host)}:{bound.getsockname()[1]}", local)
            history.close()  # each worker opens its own
            server.run(server.Settings(database_url(database), chosen, rate), bound, workers)


def _greet(history: History, url: str, local: bool) -> None:
    # Not by screen.show(), which would break a link in two on a narrow terminal.
    typer.echo(f"Serving {name(shown_database(history))} on {url}")
    if local:
        typer.echo(f"Log in with {url}/login?key={history.access.create_login()} (once, within 15 minutes)")


def _place(host: str) -> str:
    return f"[{host}]" if ":" in host else host
