"""What a command takes from the machine it runs on, and where the work it is about is kept."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from getpass import getuser
from time import sleep
from typing import TYPE_CHECKING, Any, Literal

import typer

from timestrata.cli import screen
from timestrata.cli.database import Clock, open_or_create, open_to_change, open_to_read
from timestrata.cli.moments import read_moment
from timestrata.cli.wording import plural
from timestrata.cli.work_tables import wall
from timestrata.errors import InvalidRequest
from timestrata.history import History

if TYPE_CHECKING:
    from timestrata.client import Client, ClientTracking
    from timestrata.tracking import Tracking

Purpose = Literal["read", "change", "create"]


def _connect(url: str, token: str | None) -> Client:
    try:
        from timestrata.client import Client
    except ImportError as error:
        raise InvalidRequest("--server", url, f"what it needs on this machine: {error}") from error
    return Client(url, token)


@dataclass(frozen=True, slots=True)
class Machine:
    """The present, how to wait, the zone of wall times (None: that of the machine), who works here, how to connect.

    Another one may be given to the command line as `obj`.
    """

    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    wait: Callable[[float], None] = sleep
    zone: tzinfo | None = None
    login: Callable[[], str] = getuser
    connect: Callable[[str, str | None], Client] = _connect


def machine_of(context: typer.Context) -> Machine:
    """Return the machine that a command runs on."""
    given = context.find_root().obj
    return given if isinstance(given, Machine) else Machine()


@dataclass(frozen=True, slots=True)
class Place:
    """Where live work is kept, and whose work a command is about: with a server, None is the user of the token."""

    tracking: Tracking | ClientTracking
    user: Any  # a str for Tracking, which takes no None; two types of calls in every command would say no more
    machine: Machine
    now: datetime

    def moment(self, option: str, text: str | None) -> datetime | None:
        """Return the time that an option names, None when it was not given. Raises InvalidRequest."""
        return None if text is None else read_moment(option, text, self.now, self.machine.zone)

    def clock(self, moment: datetime) -> str:
        """Return an instant as the clocks of this machine show it."""
        return wall(moment, self.now, self.machine.zone)

    @property
    def who(self) -> str:
        """The user, for a sentence."""
        return "you" if self.user is None else str(self.user)


@contextmanager
def place(
    context: typer.Context,
    database: str | None,
    server: str | None,
    token: str | None,
    user: str | None = None,
    *,
    to: Purpose = "change",
    ends_forgotten: bool = False,
) -> Iterator[Place]:
    """Open the place that the options name, to "read", "change" or "create" a database that it is.

    `ends_forgotten` ends what was left running for too long first; a server does so by itself.
    Raises InvalidRequest when a database and a server are named alike.
    """
    machine = machine_of(context)
    if _chosen(context, database, server) == "server":
        assert server is not None
        with machine.connect(server, token) as client:
            yield Place(client.tracking, user, machine, machine.clock())
        return
    with _opened(database, to, machine.clock) as history:
        if ends_forgotten:
            _end_forgotten(history)
        yield Place(history.tracking, user or machine.login(), machine, machine.clock())


def _opened(database: str | None, to: Purpose, clock: Clock) -> History:
    match to:
        case "read":
            return open_to_read(database, clock=clock)
        case "change":
            return open_to_change(database, clock=clock)
    return open_or_create(database, clock=clock)


def _chosen(context: typer.Context, database: str | None, server: str | None) -> str:
    """Return which of them is meant: one that is given as an option goes before one of the environment."""
    if server is None or database is None:
        return "database" if server is None else "server"
    given = [name for name in ("database", "server") if _is_given(context, name)]
    if len(given) == 1:
        return given[0]
    names = "--database and --server" if given else "TIMESTRATA_DATABASE and TIMESTRATA_SERVER"
    raise InvalidRequest(names, "both", "one of them" if given else "one of them, or --database or --server to choose")


def _is_given(context: typer.Context, name: str) -> bool:
    source = context.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"


def _end_forgotten(history: History) -> None:
    ended = history.tracking.end_forgotten()
    if ended:
        were = "was" if ended == 1 else "were"
        screen.note(
            f"{plural(ended, 'session')} {were} left running too long and ended by itself: "
            "`timestrata forgotten` shows what waits for its true end"
        )
