"""The commands that prove what is stored, and put it right: verify and rebuild."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated

import typer
from rich.console import Console, RenderableType
from rich.progress import BarColumn, Progress, TextColumn
from rich.text import Text

from timestrata.audit import AuditProgress, Problem, Rebuild, Verification
from timestrata.calendar import DateRange
from timestrata.cli import output, screen
from timestrata.cli.database import open_to_change, open_to_read
from timestrata.cli.failures import REFUSED
from timestrata.cli.options import AsJson, Database, First, Last, User, chosen_day
from timestrata.cli.wording import NOTHING, name, number, plural
from timestrata.housekeeping import note_audit

_SHOWN = 50

Deep = Annotated[
    bool, typer.Option("--deep", help="Read the whole archive too: every file, every row, and what they make.")
]


def verify(deep: Deep = False, user: User = None, database: Database = None, as_json: AsJson = False) -> None:
    """Hold everything that is stored against the facts, and name every integer that is wrong.

    No figure is changed, and nobody who writes is kept waiting. The exit code is 1 when something is wrong. What was
    found of everybody is noted for `timestrata jobs`, /health and /metrics.
    """
    with open_to_read(database) as history, _progress("verifying") as advance:
        found = history.audit.verify(deep=deep, users=None if user is None else [user], progress=advance)
        if user is None:
            note_audit(history.jobs, found)
    if as_json:
        output.write_json(found)
    else:
        show_verification(found)
    if not found.ok:
        raise typer.Exit(REFUSED)


def rebuild(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be written; change nothing.")] = False,
    user: User = None,
    first: First = None,
    last: Last = None,
    database: Database = None,
    as_json: AsJson = False,
) -> None:
    """Make the aggregates what the facts say, in the database or in the archive; write only what differs.

    Looks at everything as `verify --deep` does. Days whose facts cannot be read stay as they are, and are named.
    """
    dates = None if first is None and last is None else DateRange(chosen_day("--from", first), chosen_day("--to", last))
    opened = open_to_read(database) if dry_run else open_to_change(database)
    with opened as history, _progress("rebuilding") as advance:
        users = None if user is None else [user]
        done = history.audit.rebuild(users=users, dates=dates, dry_run=dry_run, progress=advance)
    if as_json:
        output.write_json(done)
    else:
        _show_rebuild(done)
    if not done.ok:
        raise typer.Exit(REFUSED)


@contextmanager
def _progress(what: str) -> Iterator[Callable[[AuditProgress], None]]:
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[shown]}"))
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(what, total=None, shown="")

        def advance(progress: AuditProgress) -> None:
            shown = f"{progress.place}: {progress.done:,} of {progress.total:,}, {progress.rate:,.0f} workflows/s"
            bar.update(task, total=progress.total, completed=progress.done, shown=name(shown))

        yield advance


def show_verification(found: Verification) -> None:
    """Print what an audit looked at, and what is wrong."""
    rows = [
        ("Users", number(found.users)),
        ("Days", f"{number(found.days_open)} open, {number(found.days_sealed)} sealed"),
        ("Workflows", _workflows(found)),
        ("Aggregates", number(found.cells)),
    ]
    if found.unsettled_users:
        rows.append(("Left out", f"the archived worked time of {plural(found.unsettled_users, 'user')}, who changed"))
    screen.show(_verdict(found), screen.pairs(rows))
    if found.problems:
        screen.show("", *_listed(found.problems, found.problem_count))


def _verdict(found: Verification) -> Text:
    if found.problem_count:
        return Text(f"{plural(found.problem_count, 'problem')}.", style="bold red")
    if found.stopped:
        return Text("Stopped before the end; nothing was wrong so far.", style="yellow")
    return Text("Everything is as the facts make it.", style="green")


def _workflows(found: Verification) -> str:
    read = f"{number(found.archived_facts)} read from {plural(found.archive_files, 'file')} of the archive"
    return f"{number(found.facts)} in the database" + (f", {read}" if found.deep or found.archived_facts else "")


def _show_rebuild(done: Rebuild) -> None:
    if not done.change_count:
        screen.show("Nothing to put right." if done.ok else "Nothing was put right.")
    else:
        would = "would change" if done.dry_run else "changed"
        screen.show(f"{plural(done.change_count, 'value')} of {plural(done.user_days, 'user day')} {would}.")
        screen.show("", *_listed(done.changes, done.change_count))
    if done.left:
        screen.show("", Text(f"Left as it is: {plural(done.left_count, 'problem')}.", style="bold red"), "")
        screen.show(*_listed(done.left, done.left_count))
    if done.stopped:
        screen.note("Stopped before the end.")


_COLUMNS: tuple[screen.Column, ...] = (
    ("Where", "whole"),
    ("User", "left"),
    ("Day", "whole"),
    ("What", "left"),
    ("Column", "whole"),
    ("Stored", "right"),
    ("Expected", "right"),
    ("Why", "left"),
)


def _listed(problems: Sequence[Problem], count: int) -> Iterator[RenderableType]:
    yield screen.table(_COLUMNS, [_cells(problem) for problem in problems[:_SHOWN]])
    if count > _SHOWN:
        most = f"--json has the first {len(problems):,}." if len(problems) > _SHOWN else ""
        yield Text(f"... and {count - _SHOWN:,} more. {most}".rstrip())


def _cells(problem: Problem) -> tuple[str, ...]:
    def text(value: object) -> str:
        return NOTHING if value is None else name(str(value))

    figures = (number(problem.stored), number(problem.expected))
    about = (text(problem.user_id), text(problem.day), text(problem.item), text(problem.column))
    return (name(problem.place), *about, *figures, name(problem.reason))
