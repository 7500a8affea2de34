"""The command that writes a report of a period to a file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from timestrata.cli import screen
from timestrata.cli.absence import nothing
from timestrata.cli.database import open_to_read
from timestrata.cli.options import (
    Database,
    First,
    Last,
    Range30Days,
    TicketType,
    Today,
    User,
    chosen_dates,
    chosen_day,
)
from timestrata.cli.targets import target_form, write_target
from timestrata.errors import InvalidRequest

if TYPE_CHECKING:
    from timestrata.report import Report

_FORMS = ("pdf", "html", "eml")


def report(
    target: Annotated[
        Path,
        typer.Option(
            "--output", "-o", metavar="FILE", help="Write to this file: .pdf, .html or .eml; - is standard output."
        ),
    ],
    database: Database = None,
    user: User = None,
    ticket_type: TicketType = None,
    preset: Range30Days = None,
    first: First = None,
    last: Last = None,
    today: Today = None,
    form: Annotated[
        str | None,
        typer.Option("--format", metavar="FORM", help="pdf, html or eml (default: by the ending of the file)."),
    ] = None,
) -> None:
    """Write how a period went as one file: a page, a PDF, or a message that mail programs open as a draft."""
    write, day = target_form(form, target, _FORMS), chosen_day("--today", today)
    dates = chosen_dates(preset, first, last, day, "last_30_days")
    make = _maker(write)
    with open_to_read(database, day) as history:
        from timestrata.report import overview_report

        found = overview_report(history, dates, user, ticket_type)
        if found.is_empty:
            screen.note(nothing(history, found.overview.dates, user=user, ticket_type=ticket_type))
    write_target(target, make(found), "report")


def _maker(form: str) -> Callable[[Report], bytes]:
    try:
        from timestrata import report  # here, because the packages that it needs are an extra
    except ImportError as error:
        wanted = "the packages of the report: pip install 'timestrata[report]'"
        raise InvalidRequest("report", f"no package {error.name}", wanted) from error
    match form:
        case "pdf":
            return report.pdf
        case "html":
            return lambda found: report.html(found).encode()
    return lambda found: report.email(found).as_bytes()
