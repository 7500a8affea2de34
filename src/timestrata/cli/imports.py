"""The command that imports, and its report."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic
from typing import Annotated

import typer

from timestrata.cli import output, screen
from timestrata.cli.database import open_or_create, shown_database
from timestrata.cli.failures import INTERRUPTED, REFUSED
from timestrata.cli.intake import Import, Record, Report
from timestrata.cli.mapping_options import (
    DateFormat,
    DecimalComma,
    Delimiter,
    Encoding,
    Format,
    Joins,
    Maps,
    Nulls,
    Ons,
    Row,
    Sets,
    TableOptions,
    chosen_reading,
)
from timestrata.cli.options import AsJson, Database
from timestrata.cli.progress import progress_bar
from timestrata.cli.refused import refused_lines
from timestrata.cli.sources import check_files
from timestrata.cli.wording import name, plural
from timestrata.ingest import Outcome

_MANY = 1000
"""Workflows after which the database is told to look at them: a fraction of a second."""


def import_(
    files: Annotated[list[str], typer.Argument(metavar="FILE", help="Files, plain or .gz, or - for standard input.")],
    database: Database = None,
    file_format: Annotated[
        Format | None, typer.Option("--format", help="The format (default: csv with --map or --row, else jsonl).")
    ] = None,
    timezone: Annotated[
        str, typer.Option("--timezone", metavar="ZONE", help="The zone of times that have no offset.")
    ] = "UTC",
    batch: Annotated[
        int, typer.Option("--batch", min=1, max=100_000, metavar="N", help="How many are written at once.")
    ] = 1000,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Read and check everything, but open no database.")
    ] = False,
    errors: Annotated[
        Path | None, typer.Option("--errors", metavar="FILE", help="Keep the lines that are refused in this file.")
    ] = None,
    shown: Annotated[
        int, typer.Option("--show", min=0, max=100_000, metavar="N", help="How many refusals and notes are shown.")
    ] = 20,
    as_json: AsJson = False,
    maps: Maps = None,
    sets: Sets = None,
    row: Row = None,
    date_format: DateFormat = None,
    encoding: Encoding = None,
    delimiter: Delimiter = None,
    decimal_comma: DecimalComma = False,
    nulls: Nulls = None,
    joins: Joins = None,
    ons: Ons = None,
) -> None:
    """Record completed workflows from JSON Lines or CSV; what is recorded already is not counted again."""
    table = TableOptions(
        maps=maps or [],
        sets=sets or [],
        row=row,
        date_format=date_format,
        encoding=encoding,
        delimiter=delimiter,
        decimal_comma=decimal_comma,
        nulls=nulls or [],
        joins=joins or [],
        ons=ons or [],
    )
    reading = chosen_reading(file_format, timezone, table)
    check_files(files, reading)
    report = Report(dry_run=dry_run, interrupted=True)
    with (
        _recorder(database, report) as (record, place),
        _reported(report, place, as_json),
        refused_lines(errors, reading.encoding) as refused,
        progress_bar(files, lambda: report.read) as bar,
    ):
        report.interrupted = not Import(record, report, reading, batch, shown).run(files, refused, bar)
    if report.interrupted or report.refused:
        raise typer.Exit(INTERRUPTED if report.interrupted else REFUSED)


@contextmanager
def _reported(report: Report, place: str, as_json: bool) -> Iterator[None]:
    """Print the report at the end, however it comes, unless it comes before anything was read."""
    started = monotonic()
    try:
        yield
    finally:
        if report.read or not report.interrupted:
            _print(report, place, monotonic() - started, as_json)


@contextmanager
def _recorder(database: str | None, report: Report) -> Iterator[tuple[Record, str]]:
    """Yield what records a batch, and the name of the place it goes to, which is told when much has come."""
    if report.dry_run:
        yield lambda workflows: [Outcome("recorded", one.user_id, one.workflow_id) for one in workflows], ""
        return
    with open_or_create(database) as history:
        yield history.record, shown_database(history)
        if report.recorded >= _MANY:
            history.analyze()


def _print(report: Report, place: str, seconds: float, as_json: bool) -> None:
    if as_json:
        output.write_json(report)
        return
    for note in report.notes:
        screen.note(f"note: {name(note.file)}, line {note.line}: {name(note.text)}")
    if more := report.noted - len(report.notes):
        screen.note(f"... and {plural(more, 'more note')} (--show lists more)")
    for refusal in report.refusals:
        screen.note(f"refused: {name(refusal.file)}, {name(refusal.reason)}")
    if more := report.refused - len(report.refusals):
        screen.note(f"... and {plural(more, 'more refusal')} (--show lists more, --errors keeps every line)")
    where = "dry run, nothing was written" if report.dry_run else f"into {name(place)}"
    speed = f"in {seconds:.1f} s, {report.read / max(seconds, 1e-9):,.0f} a second"
    screen.show(f"Read {plural(report.read, 'entry', 'entries')} {speed}: {where}.")
    screen.show(screen.pairs(_lines(report)))
    if report.interrupted:
        screen.show("Broken off: what is recorded stays, and the same command again counts nothing twice.")


def _lines(report: Report) -> Iterator[tuple[str, str]]:
    if report.dry_run:
        yield "accepted", f"{report.accepted:,}"
    else:
        yield "recorded", f"{report.recorded:,}"
        yield "replayed", f"{report.replayed:,} (recorded before)"
        yield "conflicts", f"{report.conflicts:,} (recorded before with other content)"
    yield "rejected", f"{report.rejected:,}"
