"""The commands that copy a store that is in use, and put a copy in place: backup and restore."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

from timestrata import backup as backups
from timestrata.cli import output, screen
from timestrata.cli.audit import show_verification
from timestrata.cli.database import database_url, open_to_read
from timestrata.cli.failures import REFUSED
from timestrata.cli.options import AsJson, Database
from timestrata.cli.wording import name, number, plural


def backup(
    target: Annotated[Path, typer.Argument(metavar="FILE", help="The copy; it must not be there.")],
    database: Database = None,
    as_json: AsJson = False,
) -> None:
    """Copy a SQLite store to a file, in one snapshot, while others read and write.

    Beside it comes FILE.archive.json, the list of the archive's files that the copy needs. PostgreSQL has pg_dump.
    """
    with open_to_read(database) as history, _progress("copying") as advance:
        made = backups.backup(history, target, advance)
    if as_json:
        output.write_json(made)
        return
    screen.show(f"{name(made.path)}: {number(made.bytes)} bytes.")
    if made.archive_files:
        files = f"{plural(made.archive_files, 'file')} of the archive, {number(made.archive_bytes)} bytes"
        screen.show(f"It needs {files}: {name(made.manifest)} lists them. Keep a copy of them too.")


def restore(
    copy: Annotated[Path, typer.Argument(metavar="FILE", help="A copy that `timestrata backup` made.")],
    database: Database = None,
    as_json: AsJson = False,
) -> None:
    """Put a copy in the place of a store that is not there, and verify it.

    The archive's files go where the archive is (TIMESTRATA_ARCHIVE, or the folder NAME-archive beside the database);
    `timestrata archive verify` tells whether all of them are there.
    """
    with _progress("copying") as advance:
        restored = backups.restore(copy, database_url(database), progress=advance)
    if as_json:
        output.write_json(restored)
    else:
        screen.show(f"{name(restored.path)} is in place: {number(restored.bytes)} bytes.")
        show_verification(restored.verification)
    if not restored.verification.ok:
        raise typer.Exit(REFUSED)


@contextmanager
def _progress(what: str) -> Iterator[Callable[[int, int], None]]:
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
