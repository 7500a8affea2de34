"""The commands about old data: retention run, archive list, verify, sql and restore, erase."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from timestrata.calendar import DateRange
from timestrata.cli import output, screen
from timestrata.cli.database import open_to_change, open_to_read
from timestrata.cli.failures import REFUSED
from timestrata.cli.options import AsJson, Database, First, Last, User, chosen_day
from timestrata.cli.wording import duration, name, number, plural
from timestrata.errors import InvalidRequest
from timestrata.retention import ArchiveFile, RetentionPlan, RetentionProgress, RetentionRun

_SHOWN_DAYS = 20

AcceptClock = Annotated[
    bool, typer.Option("--accept-clock", help="Run although the clock is behind the last run, or far ahead of it.")
]


def run(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would go; change nothing.")] = False,
    now: Annotated[bool, typer.Option("--now", help="Archive and purge what is due, now.")] = False,
    accept_clock: AcceptClock = False,
    database: Database = None,
    as_json: AsJson = False,
) -> None:
    """Archive the facts of days that were kept long enough, and delete them from the database.

    Each day is verified, written, read back and entered into the manifest before anything of it is deleted. The
    figures of every range stay as they are. TIMESTRATA_SESSIONS_DAYS says how long facts are kept (90 days; at least
    30), TIMESTRATA_ARCHIVE where they go.
    """
    if dry_run == now:
        raise InvalidRequest("--dry-run and --now", "both" if now else "neither", "one of them")
    if dry_run:
        with open_to_read(database) as history:
            plan = history.retention.plan()
        _show_plan(plan, as_json)
        return
    with open_to_change(database) as history, _progress() as advance:
        done = history.retention.run(progress=advance, accept_clock=accept_clock)
        where = history.retention.archive_url
    if as_json:
        output.write_json(done)
    else:
        _show_run(done, str(where))
    if not done.ok:
        raise typer.Exit(REFUSED)


@contextmanager
def _progress() -> Iterator[Callable[[RetentionProgress], None]]:
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[shown]}"))
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("archiving", total=None, shown="")

        def advance(progress: RetentionProgress) -> None:
            left = progress.seconds_left
            rest = "" if left is None else f", {duration(left)} left"
            shown = f"{progress.completions:,} of {progress.total:,} workflows, {progress.rate:,.0f}/s{rest}"
            bar.update(task, total=progress.total, completed=progress.completions, shown=shown)

        yield advance


def _show_plan(plan: RetentionPlan, as_json: bool) -> None:
    if as_json:
        output.write_json(plan)
        return
    if not plan.days:
        screen.show(f"Nothing to archive: no facts of {plan.through} or before are in the tables.")
        return
    shown = [
        (day.day.isoformat(), number(day.users), number(day.completions), _size(day.bytes))
        for day in plan.days[:_SHOWN_DAYS]
    ]
    total = (f"{len(plan.days)} days", "", number(plan.completions), _size(plan.bytes))
    screen.show(
        screen.table(
            (("Day", "whole"), ("Users", "right"), ("Workflows", "right"), ("About", "right")),
            [*shown, total],
            last_is_total=True,
        )
    )
    if len(plan.days) > _SHOWN_DAYS:
        screen.note(f"{plural(len(plan.days) - _SHOWN_DAYS, 'more day')}, up to {plan.through}; --json has them all.")


def _show_run(done: RetentionRun, archive: str) -> None:
    what = f"{plural(done.completions, 'workflow')} of {plural(done.user_days, 'user day')}"
    if done.completions:
        files = f"{plural(done.files, 'file')} ({_size(done.bytes)})"
        screen.show(f"Archived and purged {what}, up to {done.through}: {files} in {name(archive)}.")
    else:
        screen.show(f"Nothing was archived up to {done.through}.")
    if done.postponed:
        screen.note(f"{plural(done.postponed, 'user day')} changed meanwhile; the next run takes what is left.")
    if done.stopped:
        screen.note("Stopped before the end; the next run goes on.")
    for problem in done.problems:
        screen.note(f"left as it is: {name(problem.user_id)} on {problem.day}: {problem.reason}")


def _size(size: int) -> str:
    for unit, least in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if size >= least:
            return f"{size / least:.1f} {unit}"
    return f"{size} B"


# ------------------------------------------------------------------------------------------------------- the archive


def list_(database: Database = None, as_json: AsJson = False) -> None:
    """Show the files of the archive, as the manifest knows them."""
    with open_to_read(database) as history:
        files = history.retention.files()
        where = history.retention.archive_url
    if as_json:
        output.write_json(files)
    elif not files:
        screen.show("The archive is empty.")
    else:
        screen.show(f"{plural(len(files), 'file')} in {name(str(where))}", screen.table(_FILES, map(_cells, files)))


_FILES: tuple[screen.Column, ...] = (
    ("File", "whole"),
    ("From", "whole"),
    ("To", "whole"),
    ("Users", "right"),
    ("Workflows", "right"),
    ("Counting", "right"),
    ("Size", "right"),
)


def _cells(file: ArchiveFile) -> tuple[str, ...]:
    counts = (number(file.users), number(file.completions), number(file.counting))
    return file.path, file.first.isoformat(), file.last.isoformat(), *counts, _size(file.bytes)


def verify(database: Database = None, as_json: AsJson = False) -> None:
    """Check that every file of the archive is there, byte for byte as it was written.

    `timestrata verify --deep` also holds its rows against the receipts and the aggregates.
    """
    with open_to_read(database) as history:
        checked = history.retention.check()
    if as_json:
        output.write_json(checked)
    else:
        screen.show(
            f"{plural(checked.files, 'file')}, {_size(checked.bytes)}: {'all well' if checked.ok else 'damage'}"
        )
        for problem in checked.problems:
            screen.note(problem)
    if not checked.ok:
        raise typer.Exit(REFUSED)


def sql(database: Database = None) -> None:
    """Print the query with which DuckDB reads exactly what counts in the archive."""
    with open_to_read(database) as history:
        typer.echo(history.retention.query())  # not by screen.show(), which would fold it


def restore(
    user: User = None,
    first: First = None,
    last: Last = None,
    database: Database = None,
    as_json: AsJson = False,
) -> None:
    """Bring archived facts back into the database, until the next run of retention archives them again."""
    if first is None and last is None:
        raise InvalidRequest("--from and --to", "neither", "the days to bring back")
    dates = DateRange(chosen_day("--from", first), chosen_day("--to", last))
    with open_to_change(database) as history:
        restored = history.retention.restore(dates, user)
    if as_json:
        output.write_json(restored)
    else:
        what = f"{plural(restored.completions, 'workflow')} of {plural(restored.user_days, 'user day')}"
        screen.show(f"{what} are back in the database.")


def erase(
    user: Annotated[str, typer.Argument(metavar="USER", help="The person to remove.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do it; nothing brings it back.")] = False,
    database: Database = None,
    as_json: AsJson = False,
) -> None:
    """Remove a person everywhere: facts, aggregates, receipts, alerts, live work, tokens, the archive."""
    if not yes:
        raise InvalidRequest("--yes", "nothing", "it, because nothing brings a person back")
    with open_to_change(database) as history:
        erased = history.retention.erase(user)
    if as_json:
        output.write_json(erased)
        return
    screen.show(f"{name(user)} is removed.")
    rows = [(table, number(count)) for table, count in erased.rows.items()]
    files = f"{plural(erased.files_rewritten, 'file')} written anew, {plural(erased.files_removed, 'file')} removed"
    rows.append(("archive", f"{plural(erased.archived, 'workflow')}: {files}" if erased.archived else "nothing"))
    screen.show(screen.pairs(rows))
