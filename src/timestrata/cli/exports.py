"""The command that exports."""

from __future__ import annotations

import gzip
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, BinaryIO

import typer

from timestrata.cli import screen
from timestrata.cli.database import open_to_read
from timestrata.cli.options import Database, First, Last, RangeAllTime, Today, User, chosen_dates, chosen_day
from timestrata.cli.replacing import replacing
from timestrata.cli.wording import name, plural
from timestrata.facts import CompletedWorkflow
from timestrata.formats.jsonl import write_line


def export(
    database: Database = None,
    target: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", help="Write to this file, packed when it is named .gz."),
    ] = None,
    user: User = None,
    preset: RangeAllTime = None,
    first: First = None,
    last: Last = None,
    today: Today = None,
) -> None:
    """Write recorded workflows as JSON Lines, by user, day and id, as `timestrata import` reads them."""
    day = chosen_day("--today", today)
    dates = chosen_dates(preset, first, last, day, "all_time")
    with open_to_read(database, day) as history, _target(target) as stream:
        count = _write(history.facts(dates, user), stream)
        whole = history.summary(dates, user)
        # What was recorded meanwhile is not archived.
        archived = 0 if whole.coverage.sealed_through is None else whole.completed - count
    where = "" if target is None else f" to {name(str(target))}"
    screen.note(f"{plural(count, 'workflow')} exported{where}")
    if archived > 0:
        screen.note(
            f"{plural(archived, 'more workflow')} of this range not exported: the archive has them, and "
            "`timestrata archive restore` brings them back first"
        )


@contextmanager
def _target(path: Path | None) -> Iterator[BinaryIO]:
    if path is None:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    with replacing("--output", path) as stream:
        if path.suffix != ".gz":
            yield stream
            return
        # Neither name nor time: the same history gives the same bytes.
        with gzip.GzipFile(filename="", mode="wb", fileobj=stream, mtime=0) as packed:
            yield packed  # type: ignore[misc]


def _write(workflows: Iterable[CompletedWorkflow], stream: BinaryIO) -> int:
    count = 0
    for workflow in workflows:
        stream.write(f"{write_line(workflow)}\n".encode())
        count += 1
    return count
