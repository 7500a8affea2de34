"""What can go wrong on the command line: one sentence on standard error and an exit code, never a traceback."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import typer
from sqlalchemy import exc
from typer.exceptions import TyperException

from timestrata.cli.wording import name
from timestrata.errors import (
    InvalidFact,
    InvalidRequest,
    NewerSchema,
    SchemaNotReady,
    SettingsMismatch,
    TimestrataError,
    UnsupportedDatabase,
    shown,
)

REFUSED, USAGE, DATABASE, INTERRUPTED, PIPE_CLOSED = 1, 2, 3, 130, 141

EXIT_CODES = {
    0: "done",
    REFUSED: "something was refused: a line of an import, a stale revision, an unknown workflow",
    USAGE: "wrong usage: an option, a value or a file that cannot be used",
    DATABASE: "the database cannot be used: not there, too new, other settings, not reachable",
    INTERRUPTED: "interrupted (Ctrl-C)",
    PIPE_CLOSED: "the reader of the output has gone",
}

_USAGE_ERRORS = (InvalidRequest, InvalidFact)
_DATABASE_ERRORS = (UnsupportedDatabase, NewerSchema, SchemaNotReady, SettingsMismatch)


@contextmanager
def reported() -> Iterator[None]:
    """Turn what a command raises on purpose into a message and an exit code."""
    try:
        yield
        sys.stdout.flush()  # here and not at exit, where a closed pipe could not be caught
    except OSError as error:
        _silence_stdout()
        if isinstance(error, BrokenPipeError):
            raise typer.Exit(PIPE_CLOSED) from error
        where = "" if error.filename is None else f" {name(os.fsdecode(error.filename))}"
        complain(f"cannot read or write{where}: {error.strerror or error}")
        raise typer.Exit(REFUSED) from error
    except TimestrataError as error:
        complain(str(error))
        raise typer.Exit(exit_code(error)) from error
    except UnicodeEncodeError as error:  # an argument of bytes that are no text; no database takes it
        complain(f"found {shown(error.object)}, want text in Unicode")
        raise typer.Exit(USAGE) from error
    except TyperException as error:
        complain(error.format_message().replace("Value error, ", ""))
        if (context := getattr(error, "ctx", None)) is not None:
            print(f"Try '{context.command_path} --help' for help.", file=sys.stderr)
        raise typer.Exit(error.exit_code) from error
    except exc.DBAPIError as error:
        complain(f"the database cannot be used: {error.orig or error}")
        raise typer.Exit(DATABASE) from error


def _silence_stdout() -> None:
    """Send what is still in the buffer nowhere, or Python complains about it at exit."""
    with suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def complain(message: str) -> None:
    """Print an error on standard error, in one line."""
    print(f"error: {' '.join(message.split())}", file=sys.stderr, flush=True)


def exit_code(error: TimestrataError) -> int:
    """Return the exit code of an error."""
    if isinstance(error, _DATABASE_ERRORS):
        return DATABASE
    return USAGE if isinstance(error, _USAGE_ERRORS) else REFUSED
